/* labelled.c: texts with labels: a net reads a text, and says after its last unit which label it
 * has. */
#include "classify.h"
#include "progress.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Labelled Labelled;

/* The lines of a part, as a source. */
typedef struct Lot {
    const Labelled *labelled;
    Part part;
    Range range;
} Lot;

struct Labelled {
    Sequences sequences;
    int rows, labels;
    Lot lot[PARTS];
    double f1; /* of the last evaluation: mean over the labels that are there */
};

/* ---- batches ---- */

/* Into row `row` of [..][rows]; a text of no unit that is known is one unknown unit. */
static void put_text(const int32_t *symbol, int count, int32_t *to, int rows, int row)
{
    for (int t = 0; t < count; t++) to[t * rows + row] = symbol[t];
}

static bool fill(void *context, uint64_t index, WeftBatch *batch, WeftError *err)
{
    enum { LINE = 0x6c626c64 }; /* stream */
    (void)err;
    const Lot *lot = context;
    const Sequences *s = &lot->labelled->sequences;
    for (int row = 0; row < batch->rows; row++) {
        const size_t i =
            s->item[lot->part][range_item(&lot->range, LINE, batch, index, row)];
        int count, one;
        const int32_t *symbol = sequences_get(s, 0, i, &count);
        put_text(symbol, count, batch->symbol, batch->rows, row);
        batch->length[row] = count;
        batch->label[row] = *sequences_get(s, 1, i, &one) - UNIT_FIRST;
    }
    weft_batch_sort(batch);
    return true;
}

static WeftSource source_of(Lot *lot)
{
    return (WeftSource){.context = lot,
                        .fill = fill,
                        .steps = lot->labelled->sequences.longest[0],
                        .rows = lot->labelled->rows};
}

/* ---- scores ---- */

typedef struct Counts {
    double *right, *said, *there; /* [labels] */
    double loss;
    size_t all, hits;
} Counts;

static double mean_f1(const Counts *c, int labels)
{
    double sum = 0;
    int there = 0;
    for (int i = 0; i < labels; i++) {
        if (c->there[i] == 0) continue;
        there++;
        sum += 2 * c->right[i] / (c->said[i] + c->there[i]);
    }
    return there ? sum / there : NAN;
}

static int largest(const float *p, int n)
{
    int best = 0;
    for (int j = 1; j < n; j++)
        if (p[j] > p[best]) best = j;
    return best;
}

/* Lines first .. first + rows - 1 of a part. */
static bool count_lines(const Labelled *l, WeftNet *net, Part part, size_t first,
                        int rows, WeftBatch *batch, float *out, Counts *c,
                        WeftError *err)
{
    const Sequences *s = &l->sequences;
    batch->rows = rows;
    for (int row = 0; row < rows; row++) {
        const int32_t *symbol = sequences_get(s, 0, s->item[part][first + (size_t)row],
                                              &batch->length[row]);
        put_text(symbol, batch->length[row], batch->symbol, rows, row);
    }
    if (!weft_predict(net, batch, out, err)) return false;
    for (int row = 0; row < rows; row++) {
        int one;
        const float *p = out + (size_t)row * (size_t)l->labels;
        const int label =
            *sequences_get(s, 1, s->item[part][first + (size_t)row], &one) - UNIT_FIRST;
        const int said = largest(p, l->labels);
        c->all++;
        c->said[said]++;
        if (label < 0) continue; /* one that the net does not know */
        c->loss -= weft_log((double)p[label] > 1e-30 ? (double)p[label] : 1e-30);
        c->there[label]++;
        c->right[label] += said == label;
        c->hits += said == label;
    }
    return true;
}

static bool count_all(const Labelled *l, WeftNet *net, Part part, size_t lines,
                      Counts *c, WeftError *err)
{
    const size_t rows = (size_t)l->rows, T = (size_t)l->sequences.longest[0];
    int32_t *symbol = calloc(rows * T, sizeof *symbol);
    int *length = calloc(rows, sizeof *length);
    float *out = calloc(rows * (size_t)l->labels, sizeof *out);
    WeftBatch batch = {
        .steps = (int)T, .symbol = symbol, .length = length, .fresh = true};
    bool good = (symbol && length && out) || fail(err, "out of memory");
    for (size_t i = 0; good && i < lines; i += rows) {
        const size_t left = lines - i < rows ? lines - i : rows;
        good = count_lines(l, net, part, i, (int)left, &batch, out, c, err);
    }
    free(symbol);
    free(length);
    free(out);
    return good;
}

static bool evaluate(Data *data, WeftNet *net, Part part, int percent, WeftScore *score,
                     WeftError *err)
{
    Labelled *l = data->own;
    const size_t labels = (size_t)l->labels;
    double *room = calloc(3 * labels + 1, sizeof *room);
    Counts c = {.right = room, .said = room + labels, .there = room + 2 * labels};
    if (!room) return fail(err, "out of memory");
    const bool good =
        count_all(l, net, part, percent_of(l->sequences.count[part], percent), &c, err);
    const double all = (double)c.all;
    *score = (WeftScore){c.loss / all, (double)c.hits / all, all};
    l->f1 = mean_f1(&c, l->labels);
    free(room);
    return good;
}

static void tell(const Data *data, const WeftScore *score, char text[256])
{
    const Labelled *l = data->own;
    text[0] = 0;
    if (score->targets == 0)
        append(text, 256, "nothing to score: no line is in this part");
    else
        append(text, 256, "%.4f nats, %.2f %% of %.0f right", score->loss,
               100 * score->accuracy, score->targets);
    if (score->targets > 0 && isfinite(l->f1))
        append(text, 256, ", F1 %.4f (mean over labels)", l->f1);
}

/* The label that most lines have. */
static bool baseline(Data *data, Part part, int index, char name[BASELINE_SIZE],
                     WeftScore *score, WeftError *err)
{
    Labelled *l = data->own;
    const Sequences *s = &l->sequences;
    name[0] = 0;
    if (index || s->count[part] == 0) return true;
    size_t *times = calloc((size_t)l->labels + 1, sizeof *times), hits = 0;
    if (!times) return fail(err, "out of memory");
    int one, most = 0;
    for (size_t i = 0; i < s->count[TRAINING]; i++)
        times[*sequences_get(s, 1, s->item[TRAINING][i], &one) - UNIT_FIRST]++;
    for (int i = 1; i < l->labels; i++)
        if (times[i] > times[most]) most = i;
    double loss = 0;
    for (size_t i = 0; i < s->count[part]; i++) {
        const int label = *sequences_get(s, 1, s->item[part][i], &one) - UNIT_FIRST;
        hits += label == most;
        loss -= weft_log(((double)times[label] + 1) /
                         (double)(s->count[TRAINING] + (size_t)l->labels));
    }
    free(times);
    const double all = (double)s->count[part];
    snprintf(name, BASELINE_SIZE, "the most frequent label");
    *score = (WeftScore){loss / all, (double)hits / all, all};
    l->f1 = NAN;
    return true;
}

/* ---- opening ---- */

static bool note(const Data *data, WeftNet *net, WeftError *err)
{
    const Labelled *l = data->own;
    return weft_net_note(net, "data", DATA_LABELLED, err) &&
           sequences_note(&l->sequences, net, err);
}

static void close_data(Data *data)
{
    Labelled *l = data->own;
    sequences_close(&l->sequences);
    free(l);
}

static void open_lots(Labelled *l, uint64_t seed)
{
    for (Part part = 0; part < PARTS; part++)
        l->lot[part] = (Lot){l,
                             part,
                             {.count = l->sequences.count[part],
                              .shuffle = part == TRAINING,
                              .seed = seed}};
}

static void say_about(const Labelled *l, size_t skipped, char about[256])
{
    const Sequences *s = &l->sequences;
    about[0] = 0;
    append(
        about, 256,
        "%zu texts of at most %d %s, %d in the vocabulary, %d labels; %zu train, %zu "
        "validate, %zu test",
        s->lines.count, s->longest[0], units_words[s->vocabulary[0].units],
        s->vocabulary[0].count, l->labels, s->count[TRAINING], s->count[VALIDATION],
        s->count[TEST]);
    if (skipped) append(about, 256, "; %zu bad lines skipped", skipped);
}

bool labelled_lines(Lines *lines, const DataOptions *options, const Settings *settings,
                    const WeftNet *net, Data *data, WeftError *err)
{
    const SequencesHow how = {.units = {(Units)options->units, WHOLE},
                              .vocabulary = options->vocabulary,
                              .least = options->least,
                              .longest = options->longest,
                              .all_seconds = true,
                              .split = net ? NULL : options->split,
                              .seed = settings->seed};
    const size_t skipped = lines->skipped;
    Labelled *l = calloc(1, sizeof *l);
    if (!l) lines_close(lines);
    if (!l) return fail(err, "out of memory");
    if (!sequences_open(lines, &how, net, &l->sequences, err)) {
        free(l);
        return false;
    }
    l->rows = settings->batch;
    l->labels = l->sequences.vocabulary[1].count;
    open_lots(l, settings->seed);
    *data = (Data){.shape = {.input = WEFT_SYMBOLS,
                             .inputs = vocabulary_symbols(&l->sequences.vocabulary[0]),
                             .outputs = l->labels,
                             .loss = WEFT_SOFTMAX,
                             .vector = true},
                   .train = source_of(&l->lot[TRAINING]),
                   .glance = 100,
                   .evaluate = evaluate,
                   .tell = tell,
                   .baseline = baseline,
                   .note = note,
                   .close = close_data,
                   .own = l};
    say_about(l, skipped, data->about);
    return true;
}

bool labelled_data(const char *path, const DataOptions *options,
                   const Settings *settings, const WeftNet *net, Data *data,
                   WeftError *err)
{
    Lines lines;
    return lines_open(path, 2, options->skip_bad, &lines, err) &&
           labelled_lines(&lines, options, settings, net, data, err);
}

/* ---- use ---- */

bool labelled_predict(WeftNet *net, const DataOptions *options, const char *text,
                      bool scores, FILE *out, WeftError *err)
{
    Vocabulary units, labels;
    if (!vocabulary_recall(net, "source", &units, err)) return false;
    if (!vocabulary_recall(net, "target", &labels, err)) {
        vocabulary_close(&units);
        return false;
    }
    int n = units_count(text, units.units);
    if (options->longest && n > options->longest) n = options->longest;
    int32_t *symbol = calloc((size_t)n + 1, sizeof *symbol);
    float *p = calloc((size_t)labels.count + 1, sizeof *p);
    const WeftBatch batch = {.steps = n, .rows = 1, .symbol = symbol, .fresh = true};
    bool good = (symbol && p) || fail(err, "out of memory");
    if (good) vocabulary_symbols_of(&units, text, symbol, n);
    good = good && weft_predict(net, &batch, p, err);
    if (good) {
        const int best = largest(p, labels.count);
        fputs(labels.unit[best], out);
        if (scores) fprintf(out, "\t%.4f", (double)p[best]);
        fputc('\n', out);
    }
    free(symbol);
    free(p);
    vocabulary_close(&units);
    vocabulary_close(&labels);
    return good;
}

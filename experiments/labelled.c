/* labelled.c: texts with labels: a net reads a text, and says after its last unit which label it
 * has. */
#include "bayes.h"
#include "classify.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Labelled {
    Sequences sequences;
    Range training; /* of the lines of that part */
    int rows, labels;
    double forget;
    bool by_f1; /* what a score is: see labelled_by_f1 */
    double right,
        f1; /* of what was scored last: f1 the mean over the labels that are there */
} Labelled;

/* ---- batches ---- */

/* Into row `row` of [..][rows]. */
static void put_text(const int32_t *symbol, int count, int32_t *to, int rows, int row)
{
    for (int t = 0; t < count; t++) to[t * rows + row] = symbol[t];
}

static int label_of(const Labelled *l, size_t line)
{
    int one;
    return *sequences_get(&l->sequences, 1, line, &one) - UNIT_FIRST;
}

static void put_line(const Labelled *l, size_t line, WeftBatch *batch, int row)
{
    const int32_t *symbol = sequences_get(&l->sequences, 0, line, &batch->length[row]);
    put_text(symbol, batch->length[row], batch->symbol, batch->rows, row);
    batch->label[row] = label_of(l, line);
}

/* Some units of a training's text are hidden from the net, others at each visit: so it learns
 * what an unknown one is, and not to rest on a few (Iyyer et al. 2015). */
static void forget_some(const Labelled *l, uint64_t text, WeftBatch *batch, int row)
{
    enum { FORGET = 0x666f7267 }; /* stream */
    const uint64_t first = text * (uint64_t)batch->steps;
    for (int t = 0; l->forget > 0 && t < batch->length[row]; t++)
        if ((double)weft_random_uniform(l->training.seed, FORGET, first + (uint64_t)t) <
            l->forget)
            batch->symbol[t * batch->rows + row] = UNIT_UNKNOWN;
}

/* Of the training part. */
static bool fill(void *context, uint64_t index, WeftBatch *batch, WeftError *err)
{
    enum { LINE = 0x6c626c64 }; /* stream */
    (void)err;
    const Labelled *l = context;
    const size_t *item = l->sequences.item[TRAINING];
    for (int row = 0; row < batch->rows; row++) {
        put_line(l, item[range_item(&l->training, LINE, batch, index, row)], batch,
                 row);
        forget_some(l, index * (uint64_t)batch->rows + (uint64_t)row, batch, row);
    }
    weft_batch_sort(batch);
    return true;
}

/* ---- scores ---- */

typedef struct Counts {
    double *right, *said, *there; /* [labels] */
    double loss, hits, all;
} Counts;

static bool counts_open(const Labelled *l, Counts *c, WeftError *err)
{
    double *room = calloc(3 * (size_t)l->labels, sizeof *room);
    *c = (Counts){
        .right = room, .said = room + l->labels, .there = room + 2 * l->labels};
    return room || fail(err, "out of memory");
}

static void count(Counts *c, int label, int said, double log_probability)
{
    c->all++;
    c->loss -= log_probability;
    c->hits += said == label;
    c->right[label] += said == label;
    c->there[label]++;
    c->said[said]++;
}

static double mean_f1(const Counts *c, int labels)
{
    double sum = 0, there = 0;
    for (int i = 0; i < labels; i++) {
        if (c->there[i] == 0) continue;
        there++;
        sum += 2 * c->right[i] / (c->said[i] + c->there[i]);
    }
    return sum / there;
}

/* What was counted, as a score. */
static void counts_close(Labelled *l, Counts *c, WeftScore *score)
{
    l->right = c->hits / c->all;
    l->f1 = mean_f1(c, l->labels);
    *score = l->by_f1 ? (WeftScore){1 - l->right, l->f1, c->all}
                      : (WeftScore){c->loss / c->all, l->right, c->all};
    if (c->all == 0) *score = (WeftScore){.loss = NAN};
    free(c->right);
}

#define LEAST 1e-30 /* a float that is 0 counts as this probability */

static int largest(const float *p, int n)
{
    int best = 0;
    for (int j = 1; j < n; j++)
        if (p[j] > p[best]) best = j;
    return best;
}

static int largest_double(const double *p, int n)
{
    int best = 0;
    for (int j = 1; j < n; j++)
        if (p[j] > p[best]) best = j;
    return best;
}

/* Those of the lines item[0 .. batch->rows-1]. */
static bool count_lines(const Labelled *l, WeftNet *net, const size_t *item,
                        WeftBatch *batch, float *out, Counts *c, WeftError *err)
{
    for (int row = 0; row < batch->rows; row++) put_line(l, item[row], batch, row);
    weft_batch_sort(batch);
    if (!weft_predict(net, batch, out, err)) return false;
    for (int row = 0; row < batch->rows; row++) {
        const float *p = out + (size_t)row * (size_t)l->labels;
        const double it = (double)p[batch->label[row]];
        count(c, batch->label[row], largest(p, l->labels),
              weft_log(it > LEAST ? it : LEAST));
    }
    return true;
}

static bool count_part(const Labelled *l, WeftNet *net, Part part, size_t lines,
                       Counts *c, WeftError *err)
{
    const size_t rows = (size_t)l->rows, T = (size_t)l->sequences.longest[0];
    float *out = calloc(rows * (size_t)l->labels, sizeof *out);
    WeftBatch batch = {.steps = (int)T,
                       .outputs = l->labels,
                       .vector = true,
                       .symbol = calloc(rows * T, sizeof *batch.symbol),
                       .label = calloc(rows, sizeof *batch.label),
                       .length = calloc(rows, sizeof *batch.length),
                       .fresh = true};
    bool good = (batch.symbol && batch.label && batch.length && out) ||
                fail(err, "out of memory");
    for (size_t i = 0; good && i < lines; i += rows) {
        batch.rows = (int)(lines - i < rows ? lines - i : rows);
        good = count_lines(l, net, l->sequences.item[part] + i, &batch, out, c, err);
    }
    free(batch.symbol);
    free(batch.label);
    free(batch.length);
    free(out);
    return good;
}

static bool evaluate(Data *data, WeftNet *net, Part part, int percent, WeftScore *score,
                     WeftError *err)
{
    Labelled *l = data->own;
    Counts c;
    if (!counts_open(l, &c, err)) return false;
    const bool good = count_part(
        l, net, part, percent_of(l->sequences.count[part], percent), &c, err);
    counts_close(l, &c, score);
    return good;
}

static void tell(const Data *data, const WeftScore *score, char text[256])
{
    const Labelled *l = data->own;
    text[0] = 0;
    if (score->targets == 0)
        append(text, 256, "nothing to score: no line is in this part");
    else if (!l->by_f1)
        append(text, 256, "%.4f nats, ", score->loss);
    if (score->targets > 0)
        append(text, 256, "%.2f %% of %.0f right, F1 %.4f (mean over labels)",
               100 * l->right, score->targets, l->f1);
}

void labelled_by_f1(Data *data)
{
    ((Labelled *)data->own)->by_f1 = true;
}

/* ---- what needs no net ---- */

/* By how many training lines have each label. */
static void tell_frequent(const Labelled *l, double *log_probability)
{
    const Sequences *s = &l->sequences;
    for (int k = 0; k < l->labels; k++) log_probability[k] = 1;
    for (size_t i = 0; i < s->count[TRAINING]; i++)
        log_probability[label_of(l, s->item[TRAINING][i])]++;
    for (int k = 0; k < l->labels; k++)
        log_probability[k] = weft_log(log_probability[k] /
                                      (double)(s->count[TRAINING] + (size_t)l->labels));
}

static bool bayes_train(const Labelled *l, int order, Bayes **bayes, WeftError *err)
{
    const Sequences *s = &l->sequences;
    if (!bayes_open(l->labels, order, bayes, err)) return false;
    bool good = true;
    for (size_t i = 0; good && i < s->count[TRAINING]; i++) {
        const size_t line = s->item[TRAINING][i];
        int symbols;
        const int32_t *symbol = sequences_get(s, 0, line, &symbols);
        good = bayes_add(*bayes, symbol, symbols, UNIT_END, label_of(l, line), err);
    }
    if (!good) bayes_close(*bayes);
    return good;
}

/* bayes NULL: always the same. log_probability: [labels]. */
static void count_told(const Labelled *l, Part part, const Bayes *bayes,
                       double *log_probability, Counts *c)
{
    const Sequences *s = &l->sequences;
    if (!bayes) tell_frequent(l, log_probability);
    for (size_t i = 0; i < s->count[part]; i++) {
        const size_t line = s->item[part][i];
        const int label = label_of(l, line);
        int symbols;
        const int32_t *symbol = sequences_get(s, 0, line, &symbols);
        if (bayes) bayes_tell(bayes, symbol, symbols, UNIT_END, log_probability);
        count(c, label, largest_double(log_probability, l->labels),
              log_probability[label]);
    }
}

/* order 0: the most frequent label. */
static bool score_told(Labelled *l, Part part, int order, WeftScore *score,
                       WeftError *err)
{
    Counts c;
    Bayes *bayes = NULL;
    double *log_probability = calloc((size_t)l->labels, sizeof *log_probability);
    if (!log_probability || !counts_open(l, &c, err)) {
        free(log_probability);
        return fail(err, "out of memory");
    }
    const bool good = !order || bayes_train(l, order, &bayes, err);
    if (good) count_told(l, part, bayes, log_probability, &c);
    if (good) bayes_close(bayes);
    counts_close(l, &c, score);
    free(log_probability);
    return good;
}

static void baseline_name(int n, Units units, char name[BASELINE_SIZE])
{
    if (n == 0) append(name, BASELINE_SIZE, "the most frequent label");
    if (n == 1) append(name, BASELINE_SIZE, "naive Bayes of %s", units_words[units]);
    if (n > 1)
        append(name, BASELINE_SIZE, "naive Bayes of 1 to %d %s", n, units_words[units]);
}

/* Of words, naive Bayes by one or two; of characters, by up to four. */
static bool baseline(Data *data, Part part, int index, char name[BASELINE_SIZE],
                     WeftScore *score, WeftError *err)
{
    static const struct {
        int words, characters;
    } order[] = {{0, 0}, {1, 2}, {2, 4}};
    Labelled *l = data->own;
    const bool words = l->sequences.vocabulary[0].units == WORDS;
    name[0] = 0;
    if (index > 2 || l->sequences.count[part] == 0 || l->sequences.count[TRAINING] == 0)
        return true;
    const int n = words ? order[index].words : order[index].characters;
    baseline_name(n, l->sequences.vocabulary[0].units, name);
    return score_told(l, part, n, score, err);
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

static size_t longer_lines(const Labelled *l, int longest)
{
    const Sequences *s = &l->sequences;
    size_t count = 0;
    for (size_t i = 0; longest && i < s->lines.count; i++)
        count +=
            units_count(s->lines.line[i].field[0], s->vocabulary[0].units) > longest;
    return count;
}

static void say_about(const Labelled *l, const DataOptions *options, size_t skipped,
                      char about[256])
{
    const size_t longer = longer_lines(l, options->longest);
    const Sequences *s = &l->sequences;
    about[0] = 0;
    append(
        about, 256,
        "%zu texts of at most %d %s, %d in the vocabulary, %d labels; %zu train, %zu "
        "validate, %zu test",
        s->lines.count, s->longest[0], units_words[s->vocabulary[0].units],
        s->vocabulary[0].count, l->labels, s->count[TRAINING], s->count[VALIDATION],
        s->count[TEST]);
    if (longer) append(about, 256, "; %zu are longer: cut off", longer);
    if (skipped) append(about, 256, "; %zu bad lines skipped", skipped);
}

/* A label that a saved net does not know makes a line bad. */
static bool labels_known(Labelled *l, bool skip_bad, size_t *skipped, WeftError *err)
{
    Sequences *s = &l->sequences;
    size_t count = 0;
    for (size_t i = 0; i < s->count[TEST]; i++) {
        const size_t line = s->item[TEST][i];
        const Line *at = &s->lines.line[line];
        if (label_of(l, line) >= 0)
            s->item[TEST][count++] = line;
        else if (!skip_bad)
            return fail(err, "line %zu: \"%.100s\" is no label that the net knows",
                        at->number, at->field[1]);
    }
    *skipped += s->count[TEST] - count;
    s->count[TEST] = count;
    return true;
}

static bool fit(Labelled *l, const DataOptions *options, const WeftNet *net,
                size_t *skipped, WeftError *err)
{
    if (net && !labels_known(l, options->skip_bad, skipped, err)) return false;
    return l->labels > 1 ||
           fail(err, "all lines have the label \"%.100s\": expected two or more",
                l->sequences.vocabulary[1].unit[0]);
}

bool labelled_lines(Lines *lines, const DataOptions *options, const Settings *settings,
                    const WeftNet *net, Data *data, WeftError *err)
{
    SequencesHow how = sequences_how(options, settings->seed, net != NULL);
    how.units[1] = WHOLE;
    how.all_seconds = true;
    size_t skipped = lines->skipped;
    Labelled *l = calloc(1, sizeof *l);
    if (!l) lines_close(lines);
    if (!l) return fail(err, "out of memory");
    if (!sequences_open(lines, &how, net, &l->sequences, err)) {
        free(l);
        return false;
    }
    l->rows = settings->batch;
    l->labels = l->sequences.vocabulary[1].count;
    l->forget = options->forget;
    l->training = (Range){
        .count = l->sequences.count[TRAINING], .shuffle = true, .seed = settings->seed};
    *data = (Data){.shape = {.input = WEFT_SYMBOLS,
                             .inputs = vocabulary_symbols(&l->sequences.vocabulary[0]),
                             .outputs = l->labels,
                             .loss = WEFT_SOFTMAX,
                             .vector = true},
                   .train = {.context = l,
                             .fill = fill,
                             .steps = l->sequences.longest[0],
                             .rows = l->rows},
                   .glance = 100,
                   .evaluate = evaluate,
                   .tell = tell,
                   .baseline = baseline,
                   .note = note,
                   .close = close_data,
                   .own = l};
    if (!fit(l, options, net, &skipped, err)) {
        close_data(data);
        return false;
    }
    data->skipped = skipped;
    say_about(l, options, skipped, data->about);
    return true;
}

bool labelled_data(const char *path, const DataOptions *options,
                   const Settings *settings, const WeftNet *net, Data *data,
                   WeftError *err)
{
    Lines lines;
    WeftError why;
    if (!lines_header_fits(path, TEXT_LABEL,
                           "without --labels the second is made of the first", err) ||
        !lines_open(path, 2, options->skip_bad, &lines, err))
        return false;
    return labelled_lines(&lines, options, settings, net, data, &why) ||
           fail(err, "%.200s: %.800s", path, why.text);
}

/* ---- use ---- */

bool labelled_predict(WeftNet *net, const Vocabulary vocabulary[FIELDS],
                      const DataOptions *options, const char *text, bool scores,
                      FILE *out, WeftError *err)
{
    const Vocabulary *units = &vocabulary[0], *labels = &vocabulary[1];
    int n = units_count(text, units->units);
    if (options->longest && n > options->longest) n = options->longest;
    int32_t *symbol = calloc((size_t)n + 1, sizeof *symbol);
    float *p = calloc((size_t)labels->count + 1, sizeof *p);
    const WeftBatch batch = {.steps = n, .rows = 1, .symbol = symbol, .fresh = true};
    bool good = (symbol && p) || fail(err, "out of memory");
    if (good) vocabulary_symbols_of(units, text, symbol, n);
    good = good && weft_predict(net, &batch, p, err);
    if (good) {
        const int best = largest(p, labels->count);
        fputs(labels->unit[best], out);
        if (scores) fprintf(out, "\t%.4f", (double)p[best]);
        fputc('\n', out);
    }
    free(symbol);
    free(p);
    return good;
}

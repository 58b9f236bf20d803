/* pairs.c: pairs of sequences: an encoder reads the first, and the net makes the second. A first
 * that is one unit as a whole is a class: its vector alone is what the second is made from. */
#include "classify.h"
#include "progress.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Pairs Pairs;

/* The lines of a part, as a source. */
typedef struct Lot {
    const Pairs *pairs;
    Part part;
    Range range;
} Lot;

struct Pairs {
    Sequences sequences;
    WeftEncoder encoder;
    int rows, beam;
    bool reverse, classes; /* classes: the first fields are */
    Lot lot[PARTS];
};

/* ---- batches ---- */

static void put_source(const int32_t *symbol, int count, bool reverse, int32_t *to,
                       int rows, int row)
{
    for (int t = 0; t < count; t++)
        to[t * rows + row] = symbol[reverse ? count - 1 - t : t];
}

/* The end of the target is its last label; as an input it is what comes before the first. */
static void put_pair(const Pairs *pairs, size_t line, WeftBatch *batch, int row)
{
    int count;
    const int B = batch->rows;
    const int32_t *symbol = sequences_get(&pairs->sequences, 0, line, &count);
    put_source(symbol, count, pairs->reverse, batch->source_symbol, B, row);
    batch->source_length[row] = count;
    symbol = sequences_get(&pairs->sequences, 1, line, &count);
    for (int t = 0; t <= count; t++) {
        batch->symbol[t * B + row] = t ? symbol[t - 1] : UNIT_END;
        batch->label[t * B + row] = t < count ? symbol[t] : UNIT_END;
    }
    batch->length[row] = count + 1;
}

static bool fill(void *context, uint64_t index, WeftBatch *batch, WeftError *err)
{
    enum { LINE = 0x70616972 }; /* stream */
    (void)err;
    const Lot *lot = context;
    const size_t *item = lot->pairs->sequences.item[lot->part];
    for (int row = 0; row < batch->rows; row++) {
        put_pair(lot->pairs, item[range_item(&lot->range, LINE, batch, index, row)],
                 batch, row);
        if (batch->weight[row] == 0) batch->length[row] = 0; /* past the last one */
    }
    weft_batch_sort(batch);
    return true;
}

static WeftSource source_of(Lot *lot)
{
    const Sequences *s = &lot->pairs->sequences;
    return (WeftSource){.context = lot,
                        .fill = fill,
                        .steps = s->longest[1] + 1,
                        .rows = lot->pairs->rows,
                        .source_steps = s->longest[0]};
}

/* ---- scores: of each first field, the sequence that is made, against the nearest of those
 * that the part has ---- */

/* Insertions, deletions and replacements that make one of the other (Levenshtein). row:
 * [m + 1]. */
static int edits(const int32_t *a, int n, const int32_t *b, int m, int *row)
{
    for (int j = 0; j <= m; j++) row[j] = j;
    for (int i = 1; i <= n; i++) {
        int corner = row[0];
        row[0] = i;
        for (int j = 1; j <= m; j++) {
            const int replaced = corner + (a[i - 1] != b[j - 1]);
            const int least = row[j] < row[j - 1] ? row[j] : row[j - 1];
            corner = row[j];
            row[j] = replaced < least + 1 ? replaced : least + 1;
        }
    }
    return row[m];
}

typedef struct Counts {
    double edits, units, right, all;
} Counts;

/* The lines of one first field: first .. end - 1 of a part. */
typedef struct Group {
    size_t first, end;
} Group;

static void count_group(const Pairs *pairs, Part part, const Group *g,
                        const int32_t *made, int length, int *row, Counts *c)
{
    int best = -1, units = 0;
    for (size_t i = g->first; i < g->end; i++) {
        int count;
        const int32_t *right =
            sequences_get(&pairs->sequences, 1, pairs->sequences.item[part][i], &count);
        const int apart = edits(made, length, right, count, row);
        if (best < 0 || apart < best) best = apart, units = count;
    }
    c->edits += best;
    c->units += units;
    c->right += best == 0;
    c->all++;
}

static size_t groups_of(const Pairs *pairs, Part part, Group *group)
{
    const Sequences *s = &pairs->sequences;
    size_t count = 0;
    for (size_t i = 0; i < s->count[part]; i++) {
        const char *text = s->lines.line[s->item[part][i]].field[0];
        if (i == 0 || strcmp(text, s->lines.line[s->item[part][i - 1]].field[0]))
            group[count++] = (Group){i, i};
        group[count - 1].end = i + 1;
    }
    return count;
}

/* What a batch of made sequences needs. */
typedef struct Making {
    WeftBatch batch;
    WeftDecode how;
    int32_t *made;
    int *length, *row;
} Making;

static bool making_open(Making *m, const Pairs *pairs, WeftError *err)
{
    const Sequences *s = &pairs->sequences;
    const size_t B = (size_t)pairs->rows, S = (size_t)s->longest[0];
    /* twice as long as any that is known, so that one that goes on for ever counts as such */
    const int longest = 2 * s->longest[1] + 2;
    *m = (Making){.how = {.begin = UNIT_END,
                          .end = UNIT_END,
                          .longest = longest,
                          .beam = pairs->beam}};
    m->batch = (WeftBatch){.source_steps = (int)S};
    m->batch.source_symbol = calloc(S * B, sizeof *m->made);
    m->batch.source_length = calloc(B, sizeof *m->length);
    m->made = calloc(B * (size_t)longest, sizeof *m->made);
    m->length = calloc(B, sizeof *m->length);
    m->row = calloc((size_t)s->longest[1] + 1, sizeof *m->row);
    return (m->batch.source_symbol && m->batch.source_length && m->made && m->length &&
            m->row) ||
           fail(err, "out of memory");
}

static void making_close(Making *m)
{
    free(m->batch.source_symbol);
    free(m->batch.source_length);
    free(m->made);
    free(m->length);
    free(m->row);
}

static bool count_groups(const Pairs *pairs, WeftNet *net, Part part,
                         const Group *group, int rows, Making *m, Counts *c,
                         WeftError *err)
{
    const Sequences *s = &pairs->sequences;
    m->batch.rows = rows;
    for (int b = 0; b < rows; b++) {
        const int32_t *symbol = sequences_get(s, 0, s->item[part][group[b].first],
                                              &m->batch.source_length[b]);
        put_source(symbol, m->batch.source_length[b], pairs->reverse,
                   m->batch.source_symbol, rows, b);
    }
    if (!weft_decode(net, &m->batch, &m->how, m->made, m->length, NULL, err))
        return false;
    for (int b = 0; b < rows; b++)
        count_group(pairs, part, &group[b], m->made + b * m->how.longest, m->length[b],
                    m->row, c);
    return true;
}

static bool count_part(const Pairs *pairs, WeftNet *net, Part part, int percent,
                       Counts *c, WeftError *err)
{
    Making m = {0};
    Group *group = malloc((pairs->sequences.count[part] + 1) * sizeof *group);
    bool good = group ? making_open(&m, pairs, err) : fail(err, "out of memory");
    const size_t rows = (size_t)pairs->rows,
                 all = good ? percent_of(groups_of(pairs, part, group), percent) : 0;
    for (size_t i = 0; good && i < all; i += rows)
        good = count_groups(pairs, net, part, group + i,
                            all - i < rows ? (int)(all - i) : (int)rows, &m, c, err);
    making_close(&m);
    free(group);
    return good;
}

/* The loss is the edits for each unit, the accuracy the share that is right as a whole; of
 * classes, the loss of the units, in nats, and the share of them that is most likely. */
static bool evaluate(Data *data, WeftNet *net, Part part, int percent, WeftScore *score,
                     WeftError *err)
{
    Pairs *pairs = data->own;
    Counts c = {0};
    const WeftSource source = source_of(&pairs->lot[part]);
    if (pairs->classes)
        return range_evaluate(&pairs->lot[part].range, &source, percent, net, score,
                              err);
    if (!count_part(pairs, net, part, percent, &c, err)) return false;
    *score = (WeftScore){c.edits / c.units, c.right / c.all, c.all};
    return true;
}

static void tell(const Data *data, const WeftScore *score, char text[256])
{
    text[0] = 0;
    if (score->targets == 0)
        append(text, 256, "nothing to score: no line is in this part");
    else if (((const Pairs *)data->own)->classes)
        append(text, 256, "%.4f nats a unit over %.0f", score->loss, score->targets);
    else
        append(text, 256, "%.2f %% of %.0f right as a whole, %.2f edits in 100 units",
               100 * score->accuracy, score->targets, 100 * score->loss);
}

/* The targets of a part, each with its end, one after the other; their number. */
static size_t join(const Pairs *pairs, Part part, int32_t **text, WeftError *err)
{
    const Sequences *s = &pairs->sequences;
    const size_t all = s->at[1][s->lines.count] + s->lines.count;
    size_t count = 0;
    *text = malloc((all + 1) * sizeof **text);
    if (!*text) fail(err, "out of memory");
    for (size_t i = 0; *text && i < s->count[part]; i++) {
        int n;
        const int32_t *symbol = sequences_get(s, 1, s->item[part][i], &n);
        memcpy(*text + count, symbol, (size_t)n * sizeof *symbol);
        count += (size_t)n;
        (*text)[count++] = UNIT_END;
    }
    return count;
}

/* Of classes: what the units alone tell, without the class. */
static bool baseline(Data *data, Part part, int index, char name[BASELINE_SIZE],
                     WeftScore *score, WeftError *err)
{
    static const char *const names[] = {"bigrams", "trigrams"};
    const Pairs *pairs = data->own;
    int32_t *train = NULL, *test = NULL;
    name[0] = 0;
    if (!pairs->classes || index > 1 || pairs->sequences.count[part] == 0) return true;
    const size_t n = join(pairs, TRAINING, &train, err),
                 m = train ? join(pairs, part, &test, err) : 0;
    snprintf(name, BASELINE_SIZE, "%s", names[index]);
    *score = (WeftScore){.accuracy = NAN, .targets = (double)m};
    const bool good = test && weft_ngram(train, n, test, m, data->shape.outputs,
                                         1 + index, &score->loss, err);
    free(train);
    free(test);
    return good;
}

/* ---- opening ---- */

static bool note(const Data *data, WeftNet *net, WeftError *err)
{
    const Pairs *pairs = data->own;
    return weft_net_note(net, "data", DATA_PAIRS, err) &&
           sequences_note(&pairs->sequences, net, err);
}

static void close_data(Data *data)
{
    Pairs *pairs = data->own;
    sequences_close(&pairs->sequences);
    free(pairs);
}

static bool all_count(const void *context, size_t line)
{
    (void)context, (void)line;
    return true;
}

/* Second fields that come again and again are labels, most likely. */
static bool hint(const Pairs *pairs, char about[256], WeftError *err)
{
    const Lines *lines = &pairs->sequences.lines;
    Vocabulary seconds;
    if (pairs->classes) return true;
    if (!vocabulary_open(lines, 1, WHOLE, all_count, NULL, 0, 1, &seconds, err))
        return false;
    if ((size_t)seconds.count * 10 <= lines->count)
        append(about, 256, "; only %d second fields differ: --labels tells which",
               seconds.count);
    vocabulary_close(&seconds);
    return true;
}

static void say_about(const Pairs *pairs, size_t skipped, char about[256])
{
    const Sequences *s = &pairs->sequences;
    about[0] = 0;
    append(about, 256, "%zu pairs", s->lines.count);
    for (int field = 0; field < FIELDS; field++)
        append(about, 256, ", %s of at most %d %s (%d known)",
               field ? "targets" : "sources", s->longest[field],
               units_words[s->vocabulary[field].units], s->vocabulary[field].count);
    append(about, 256, "; %zu train, %zu validate, %zu test", s->count[TRAINING],
           s->count[VALIDATION], s->count[TEST]);
    if (skipped) append(about, 256, "; %zu bad lines skipped", skipped);
}

bool pairs_lines(Lines *lines, const DataOptions *options, const Settings *settings,
                 const WeftNet *net, Data *data, WeftError *err)
{
    SequencesHow how = sequences_how(options, settings->seed, net != NULL);
    how.units[1] =
        options->target_units ? (Units)(options->target_units - 1) : how.units[0];
    const size_t skipped = lines->skipped;
    Pairs *pairs = calloc(1, sizeof *pairs);
    if (!pairs) lines_close(lines);
    if (!pairs) return fail(err, "out of memory");
    if (!sequences_open(lines, &how, net, &pairs->sequences, err)) {
        free(pairs);
        return false;
    }
    Sequences *s = &pairs->sequences;
    pairs->rows = settings->batch;
    pairs->beam = options->beam;
    pairs->reverse = options->reverse;
    pairs->classes = s->vocabulary[0].units == WHOLE;
    pairs->encoder = (WeftEncoder){.input = WEFT_SYMBOLS,
                                   .inputs = vocabulary_symbols(&s->vocabulary[0]),
                                   .layer_count = !pairs->classes};
    for (Part part = 0; part < PARTS; part++)
        pairs->lot[part] = (Lot){pairs,
                                 part,
                                 {.count = s->count[part],
                                  .shuffle = part == TRAINING,
                                  .seed = settings->seed}};
    const int targets = vocabulary_symbols(&s->vocabulary[1]);
    *data = (Data){.shape = {.input = WEFT_SYMBOLS,
                             .inputs = targets,
                             .outputs = targets,
                             .loss = WEFT_SOFTMAX,
                             .encoder = &pairs->encoder},
                   .train = source_of(&pairs->lot[TRAINING]),
                   .glance = 100,
                   .evaluate = evaluate,
                   .tell = tell,
                   .baseline = baseline,
                   .note = note,
                   .close = close_data,
                   .own = pairs};
    data->skipped = skipped;
    say_about(pairs, skipped, data->about);
    if (net || hint(pairs, data->about, err)) return true;
    close_data(data);
    return false;
}

bool pairs_data(const char *path, const DataOptions *options, const Settings *settings,
                const WeftNet *net, Data *data, WeftError *err)
{
    Lines lines;
    return lines_header_fits(path, SOURCE_TARGET, "--labels learns it", err) &&
           lines_open(path, 2, options->skip_bad, &lines, err) &&
           pairs_lines(&lines, options, settings, net, data, err);
}

/* ---- use ---- */

bool pairs_predict(WeftNet *net, const Vocabulary vocabulary[FIELDS],
                   const DataOptions *options, const char *text, bool scores, FILE *out,
                   WeftError *err)
{
    const Vocabulary *units = &vocabulary[0], *target = &vocabulary[1];
    int n = units_count(text, units->units);
    if (options->longest && n > options->longest) n = options->longest;
    const WeftDecode how = {.begin = UNIT_END,
                            .end = UNIT_END,
                            .longest = 4 * n + 32,
                            .beam = options->temperature > 0 ? 1 : options->beam,
                            .temperature = (float)options->temperature,
                            .seed = options->seed};
    int32_t *symbol = calloc((size_t)n + 1, sizeof *symbol),
            *turned = calloc((size_t)n + 1, sizeof *turned),
            *made = calloc((size_t)how.longest, sizeof *made);
    int length = 0;
    double log_probability = 0;
    const WeftBatch batch = {.rows = 1, .source_steps = n, .source_symbol = turned};
    bool good = (symbol && turned && made) || fail(err, "out of memory");
    if (good) {
        vocabulary_symbols_of(units, text, symbol, n);
        put_source(symbol, n, options->reverse, turned, 1, 0);
        good = weft_decode(net, &batch, &how, made, &length, &log_probability, err);
    }
    if (good) {
        vocabulary_write(target, made, length, out);
        if (scores) fprintf(out, "\t%.4f", log_probability);
        fputc('\n', out);
    }
    free(symbol);
    free(turned);
    free(made);
    return good;
}

bool pairs_draw(const Data *data, WeftNet *net, const char *class, uint64_t seed,
                char *text, size_t size, WeftError *err)
{
    const Pairs *pairs = data->own;
    const DataOptions how = {.temperature = 1, .seed = seed};
    FILE *out = fmemopen(text, size, "w");
    if (!out) return fail(err, "out of memory");
    const bool good =
        pairs_predict(net, pairs->sequences.vocabulary, &how, class, false, out, err);
    fclose(out);
    text[size - 1] = 0;
    text[strcspn(text, "\n")] = 0;
    return good;
}

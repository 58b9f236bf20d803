/* generate.c: a sequence made from a class: names of a language, outlines of garments.
 *
 * Names are the surnames of 18 languages of the PyTorch tutorial: from the language alone, the
 * net makes them letter by letter. Outlines are those of Fashion-MNIST: of each row of pixels
 * where the garment begins and where it ends, in shares of the width; from the class, the net
 * makes row after row. */
#include "classify.h"
#include "images.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- names ---- */

static bool names_add(const char *folder, const char *file, Lines *lines,
                      WeftError *err)
{
    char path[4096], language[64];
    LineReader reader = {.name = path, .fields = 1};
    Line line;
    bool good = true, more;
    snprintf(path, sizeof path, "%s/%s", folder, file);
    snprintf(language, sizeof language, "%.*s", (int)(strlen(file) - 4), file);
    reader.file = fopen(path, "rb");
    if (!reader.file) return fail(err, "%s: %s", path, strerror(errno));
    while (good && (good = line_next(&reader, &line, &more, err)) && more)
        good = lines_add(lines, language, line.field[0], err);
    line_reader_close(&reader);
    fclose(reader.file);
    return good;
}

static int is_list(const struct dirent *entry)
{
    const size_t n = strlen(entry->d_name);
    return n > 4 && n < 64 && !strcmp(entry->d_name + n - 4, ".txt");
}

bool names_read(const char *folder, Lines *lines, WeftError *err)
{
    struct dirent **list = NULL;
    const int count = scandir(folder, &list, is_list, alphasort);
    *lines = (Lines){0};
    bool good = count > 0;
    if (count < 0) fail(err, "%s: %s", folder, strerror(errno));
    if (count == 0)
        fail(err, "%s: expected LANGUAGE.txt with names, one to a line", folder);
    for (int i = 0; i < count; i++) {
        good = good && names_add(folder, list[i]->d_name, lines, err);
        free(list[i]);
    }
    free(list);
    if (!good) lines_close(lines);
    return good;
}

static bool names_data(const Experiment *experiment, const DataOptions *options,
                       const Settings *settings, Data *data, WeftError *err)
{
    DataOptions how = *options;
    Lines lines;
    (void)experiment;
    how.units = WHOLE;
    how.target_units = 1 + CHARACTERS;
    memcpy(how.split, (double[]){80, 10, 10}, sizeof how.split);
    if (!names_read(options->file, &lines, err) ||
        !pairs_lines(&lines, &how, settings, NULL, data, err))
        return false;
    data->note = experiment_note;
    return true;
}

/* ---- outlines ---- */

enum { EDGES = 2, INK = 64 }; /* of a row; a pixel of this or more is garment */

typedef struct Outlines Outlines;

typedef struct Some {
    const Outlines *outlines;
    const ImageSet *set;
    Range range;
} Some;

struct Outlines {
    ImageSet train, test;
    WeftEncoder encoder;
    int rows;
    double mean[IMAGE_CLASSES][IMAGE_SIDE][EDGES]; /* of the training part */
    Some part[PARTS];
};

/* Where the garment begins and ends in a row of pixels; false: it has none. */
static bool edges_of(const uint8_t *pixel, float edge[EDGES])
{
    int first = 0, last = IMAGE_SIDE - 1;
    while (first < IMAGE_SIDE && pixel[first] < INK) first++;
    while (last >= 0 && pixel[last] < INK) last--;
    edge[0] = (float)first / IMAGE_SIDE;
    edge[1] = (float)(last + 1) / IMAGE_SIDE;
    return first <= last;
}

/* A row's input is the row before as it is; where that has no garment, the middle. */
static void outline_fill(const uint8_t *image, WeftBatch *batch, int row)
{
    float before[EDGES] = {0.5f, 0.5f};
    for (int t = 0; t < IMAGE_SIDE; t++) {
        const int i = t * batch->rows + row;
        float *target = batch->target + i * EDGES;
        memcpy(batch->x + i * EDGES, before, sizeof before);
        const bool there = edges_of(image + t * IMAGE_SIDE, target);
        if (!there) target[0] = target[1] = 0.5f;
        if (!there) batch->weight[i] = 0;
        memcpy(before, target, sizeof before);
    }
}

static bool fill(void *context, uint64_t index, WeftBatch *batch, WeftError *err)
{
    enum { IMAGE = 0x6f7574 }; /* stream */
    (void)err;
    const Some *some = context;
    for (int row = 0; row < batch->rows; row++) {
        const size_t at = range_item(&some->range, IMAGE, batch, index, row);
        const bool beyond = batch->weight[row] == 0;
        outline_fill(some->set->images.values + at * IMAGE_SIDE * IMAGE_SIDE, batch,
                     row);
        batch->source_symbol[row] = some->set->labels.values[at];
        if (beyond) batch->length[row] = 0;
    }
    return true;
}

static WeftSource source_of(Outlines *o, Part part)
{
    return (WeftSource){.context = &o->part[part],
                        .fill = fill,
                        .steps = IMAGE_SIDE,
                        .rows = o->rows,
                        .source_steps = 1};
}

static bool evaluate(Data *data, WeftNet *net, Part part, int percent, WeftScore *score,
                     WeftError *err)
{
    Outlines *o = data->own;
    const WeftSource source = source_of(o, part);
    return range_evaluate(&o->part[part].range, &source, percent, net, score, err);
}

static void tell(const Data *data, const WeftScore *score, char text[256])
{
    (void)data;
    snprintf(text, 256, "mean square %.6f of the width, over %.0f rows of pixels",
             score->loss, score->targets);
}

/* Adds up the edges of a part by class and row, or their squares from the means. */
static void visit(const Outlines *o, Part part, double sum[][IMAGE_SIDE][EDGES],
                  double count[][IMAGE_SIDE], double *square, double *all)
{
    const Some *some = &o->part[part];
    for (size_t i = some->range.first; i < some->range.first + some->range.count; i++) {
        const int class = some->set->labels.values[i];
        for (int t = 0; t < IMAGE_SIDE; t++) {
            float edge[EDGES];
            const uint8_t *row =
                some->set->images.values + (i * IMAGE_SIDE + (size_t)t) * IMAGE_SIDE;
            if (!edges_of(row, edge)) continue;
            for (int k = 0; k < EDGES; k++) {
                const double apart = (double)edge[k] - o->mean[class][t][k];
                if (sum) sum[class][t][k] += (double)edge[k];
                if (square) *square += apart * apart / EDGES;
            }
            if (count) count[class][t]++;
            if (all) ++*all;
        }
    }
}

static void find_means(Outlines *o)
{
    double sum[IMAGE_CLASSES][IMAGE_SIDE][EDGES] = {{{0}}};
    double count[IMAGE_CLASSES][IMAGE_SIDE] = {{0}};
    visit(o, TRAINING, sum, count, NULL, NULL);
    for (int c = 0; c < IMAGE_CLASSES; c++)
        for (int t = 0; t < IMAGE_SIDE; t++)
            for (int k = 0; k < EDGES; k++)
                o->mean[c][t][k] = count[c][t] > 0 ? sum[c][t][k] / count[c][t] : 0.5;
}

static bool baseline(Data *data, Part part, int index, char name[BASELINE_SIZE],
                     WeftScore *score, WeftError *err)
{
    (void)err;
    double square = 0, all = 0;
    snprintf(name, BASELINE_SIZE, "%s", index ? "" : "the mean outline of the class");
    if (index) return true;
    visit(data->own, part, NULL, NULL, &square, &all);
    *score = (WeftScore){square / all, NAN, all};
    return true;
}

static void outlines_close(Outlines *o)
{
    set_close(&o->train);
    set_close(&o->test);
    free(o);
}

static void close_data(Data *data)
{
    outlines_close(data->own);
}

static bool outlines_data(const Experiment *experiment, const DataOptions *options,
                          const Settings *settings, Data *data, WeftError *err)
{
    Outlines *o = calloc(1, sizeof *o);
    (void)experiment;
    if (!o) return fail(err, "out of memory");
    if (!sets_open(options->file, &o->train, &o->test, err)) {
        outlines_close(o);
        return false;
    }
    const size_t first = o->train.images.shape[0] - IMAGE_HELD_OUT;
    o->rows = settings->batch;
    o->encoder = (WeftEncoder){.input = WEFT_SYMBOLS, .inputs = IMAGE_CLASSES};
    o->part[TRAINING] = (Some){o, &o->train, {0, first, true, settings->seed}};
    o->part[VALIDATION] = (Some){o, &o->train, {first, IMAGE_HELD_OUT, false, 0}};
    o->part[TEST] = (Some){o, &o->test, {0, o->test.images.shape[0], false, 0}};
    find_means(o);
    *data = (Data){.shape = {.input = WEFT_DENSE,
                             .inputs = EDGES,
                             .outputs = EDGES,
                             .loss = WEFT_SQUARE,
                             .encoder = &o->encoder},
                   .train = source_of(o, TRAINING),
                   .glance = 100,
                   .evaluate = evaluate,
                   .tell = tell,
                   .baseline = baseline,
                   .note = experiment_note,
                   .close = close_data,
                   .own = o};
    return true;
}

/* ---- samples, for the page ---- */

enum { LANGUAGES = 18 };

/* As the files are sorted. */
static const char *const languages[] = {
    "Arabic",  "Chinese",  "Czech",   "Dutch",      "English", "French", "German",
    "Greek",   "Irish",    "Italian", "Japanese",   "Korean",  "Polish", "Portuguese",
    "Russian", "Scottish", "Spanish", "Vietnamese", NULL};
static const char *const garments[] = {"shirt", "trouser", "pullover", "dress",
                                       "coat",  "sandal",  "blouse",   "sneaker",
                                       "bag",   "boot",    NULL};

/* Of the character at *text, which moves past it: UTF-8 that has been checked. */
static double code_point(const char **text)
{
    const unsigned char *p = (const unsigned char *)*text;
    const int bytes = *p < 0x80 ? 1 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
    uint32_t code = bytes == 1 ? *p : *p & (0xffu >> (bytes + 1));
    for (int i = 1; i < bytes; i++) code = code << 6 | (p[i] & 0x3f);
    *text += bytes;
    return code;
}

/* What a net says of each class when it goes on from what it said itself: the edges of all rows. */
static bool draw_outlines(WeftNet *net, Data *data, const Settings *settings,
                          int length, Measured *measured, WeftError *err)
{
    static const int classes[] = {0, 1, 3, 9}; /* shirt, trouser, dress, boot */
    enum { ROWS = 4 };
    float x[ROWS * EDGES], out[ROWS * EDGES];
    int32_t class[ROWS];
    WeftBatch batch = {
        .steps = 1, .rows = ROWS, .x = x, .source_steps = 1, .source_symbol = class};
    (void)data, (void)settings, (void)length;
    for (int i = 0; i < ROWS * EDGES; i++) out[i] = 0.5f;
    for (int i = 0; i < ROWS; i++) class[i] = classes[i];
    for (int t = 0; t < IMAGE_SIDE; t++) {
        memcpy(x, out, sizeof x);
        batch.fresh = t == 0;
        if (!weft_predict(net, &batch, out, err)) return false;
        for (int i = 0; i < ROWS * EDGES; i++) {
            const int at = (i / EDGES * EDGES + i % EDGES) * IMAGE_SIDE + t;
            measured->at[at] = (uint64_t)classes[i / EDGES];
            measured->value[at] = (double)out[i];
        }
    }
    measured->count = ROWS * EDGES * IMAGE_SIDE;
    return true;
}

/* A name of each language, as code points; they are letters of Latin script. */
static bool draw_names(WeftNet *net, Data *data, const Settings *settings, int length,
                       Measured *measured, WeftError *err)
{
    (void)length;
    for (int i = 0; i < LANGUAGES; i++) {
        char name[64];
        if (!pairs_draw(data, net, languages[i], settings->seed, name, sizeof name,
                        err))
            return false;
        for (const char *p = name; *p && measured->count < MEASURED_MAX;
             measured->count++) {
            measured->at[measured->count] = (uint64_t)i;
            measured->value[measured->count] = code_point(&p);
        }
    }
    return true;
}

/* ---- declarations ---- */

// clang-format off
#define OF(which, far) .cell = which, .length = far, .of = LOSS, .over = MEDIAN_SEED

static const Claim names_claims[] = {
    {.name = "bigrams", .text = "lstm needs 0.05 nats a letter less than bigrams without the language", OF("lstm", 20), .against = "bigrams", .low = -9, .high = -0.05, .published = "bigrams 2.454, recurrent about 2.0 (another list)", .source = "makemore (Karpathy)"},
    {.name = "gru", .text = "so does gru", OF("gru", 20), .against = "bigrams", .low = -9, .high = -0.05, .published = "bigrams 2.454, recurrent about 2.0 (another list)", .source = "makemore (Karpathy)"},
    {.name = "gates", .text = "gates give less than 0.1 nats: a name is short", OF("lstm", 20), .against = "rnn", .low = -0.1, .high = 0.1, .published = "-", .source = "20 letters are few"},
    {0},
};
static const Claim outlines_claims[] = {
    {.name = "mean", .text = "lstm is off by half of what the mean of the class is, or less (mean square)", OF("lstm", 28), .against = "the mean outline of the class", .ratio = true, .low = 0, .high = 0.5, .published = "-", .source = "closed form"},
    {.name = "gates", .text = "rnn is as good as lstm within a quarter: 28 rows are few", OF("rnn", 28), .against = "lstm", .ratio = true, .low = 0.75, .high = 1.25, .published = "-", .source = "28 steps are few"},
    {0},
};

const Experiment experiment_names_made = {
    .chapter = CHAPTER_GENERATION,
    .name = "names_made",
    .question = "What are names like, in each of 18 languages?",
    .claim = "from the language alone nets make names letter by letter, better than bigrams know",
    .grid = {"rnn,lstm,gru", NUMBERS(20), NUMBERS(0), "5e-3,2e-3"},
    .train = {SETTINGS_COMMON, .parameters = 60000, .embedding = 32, .dropout = 0.1, .batch = 64,
              .chunks_per_update = 1, .schedule = WEFT_COSINE, .rate = 5e-3, .steps = 1500, .every = 500,
              .hand_over = "states,every"},
    .full = "--seed 0..2 --steps 4000",
    .longer = "--seed 0..4 --steps 10000 --parameters 250000",
    .open = names_data,
    .file = "build/data/names",
    .file_from = "LANGUAGE.txt with names; $WEFT_DATA is where experiments/run looks for it",
    .glance = 50,
    .measure = draw_names,
    .shown = SHOWN_LETTERS,
    .shown_names = languages,
    .value_name = "code point of a letter",
    .at_name = "language, in the order of their names",
    .unit = "nats a letter",
    .length_name = "letters, at most",
    .claims = names_claims,
};

const Experiment experiment_outlines = {
    .chapter = CHAPTER_GENERATION,
    .name = "outlines",
    .question = "What is the outline of a garment?",
    .claim = "from the class, nets draw an outline row by row",
    .grid = {"rnn,lstm,gru", NUMBERS(28), NUMBERS(0), "5e-3"},
    .train = {SETTINGS_COMMON, .parameters = 10000, .embedding = 16, .batch = 64,
              .chunks_per_update = 1, .schedule = WEFT_COSINE, .rate = 5e-3, .steps = 1500, .every = 500},
    .full = "--seed 0..2 --steps 5000",
    .longer = "--seed 0..4 --steps 20000 --parameters 50000",
    .open = outlines_data,
    .file = IMAGES_FILE,
    .file_from = IMAGES_FROM,
    .glance = 50,
    .measure = draw_outlines,
    .shown = SHOWN_OUTLINES,
    .shown_names = garments,
    .value_name = "share of the width",
    .at_name = "class",
    .unit = "mean square of the width",
    .length_name = "rows of pixels",
    .claims = outlines_claims,
};
// clang-format on

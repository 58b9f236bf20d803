/* images.c: what is an image when it is read row by row, or pixel by pixel?
 *
 * Fashion-MNIST (Xiao, Rasul & Vollgraf 2017; Debian's dataset-fashion-mnist) in the three
 * ways of Le et al. 2015 and Bai et al. 2018: rows of 28 pixels, one pixel a step, and one
 * pixel a step in an order that is drawn once. --length is the number of steps; where it is
 * less than the image has, a step's pixels are means of squares. */
#include "images.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SIDE     IMAGE_SIDE
#define CLASSES  IMAGE_CLASSES
#define HELD_OUT IMAGE_HELD_OUT

typedef enum Reading { ROWS, PIXELS, PERMUTED } Reading;

/* ---- the files ---- */

typedef ImageSet Set;

void set_close(ImageSet *set)
{
    idx_close(&set->images);
    idx_close(&set->labels);
}

static bool set_good(const Set *set, const char *path, WeftError *err)
{
    const size_t *shape = set->images.shape, count = set->labels.shape[0];
    if (shape[1] != SIDE || shape[2] != SIDE)
        return fail(err, "%s: images of %zu x %zu: expected %d x %d", path, shape[1],
                    shape[2], SIDE, SIDE);
    if (shape[0] != count)
        return fail(err, "%s: %zu images, and %zu labels beside it", path, shape[0],
                    count);
    for (size_t i = 0; i < count; i++)
        if (set->labels.values[i] >= CLASSES)
            return fail(err, "%s: label %zu is %d: expected 0 to %d", path, i,
                        set->labels.values[i], CLASSES - 1);
    return true;
}

static bool set_open(Set *set, const char *images, const char *labels, WeftError *err)
{
    *set = (Set){0};
    if (idx_open(images, 3, &set->images, err) &&
        idx_open(labels, 1, &set->labels, err) && set_good(set, images, err))
        return true;
    set_close(set);
    return false;
}

/* What MNIST and its like call the four files; the first is the one that is named. */
static const char *const file_names[] = {"train-images-idx3", "train-labels-idx1",
                                         "t10k-images-idx3", "t10k-labels-idx1"};

static bool path_beside(const char *path, int which, char beside[4096], WeftError *err)
{
    const char *at = strstr(path, file_names[0]);
    if (!at)
        return fail(err, "%s: expected a file named %s..., with its like beside it",
                    path, file_names[0]);
    beside[0] = 0;
    append(beside, 4096, "%.*s%s%s", (int)(at - path), path, file_names[which],
           at + strlen(file_names[0]));
    return true;
}

bool sets_open(const char *path, ImageSet *train, ImageSet *test, WeftError *err)
{
    char beside[4][4096];
    for (int i = 0; i < 4; i++)
        if (!path_beside(path, i, beside[i], err)) return false;
    if (!set_open(train, beside[0], beside[1], err)) return false;
    if (train->images.shape[0] <= HELD_OUT)
        fail(err, "%s: %zu images: expected more than the %d of the validation", path,
             train->images.shape[0], HELD_OUT);
    else if (set_open(test, beside[2], beside[3], err))
        return true;
    set_close(train);
    return false;
}

/* ---- images as sequences ---- */

typedef struct Images Images;

/* The images of a part, as a source. */
typedef struct Some {
    const Images *images;
    const Set *set;
    Range range;
} Some;

struct Images {
    Set train, test;
    Reading reading;
    int side;   /* of the image that is read */
    int *place; /* [side * side]: the pixel of a step; rows: of all steps, in order */
    int steps, inputs, rows;
    Some part[PARTS];
};

/* One pixel of the image of `side`: the mean of a square. */
static float pixel(const Images *images, const uint8_t *from, int place)
{
    const int square = SIDE / images->side;
    const int row = place / images->side * square,
              column = place % images->side * square;
    int sum = 0;
    for (int r = row; r < row + square; r++)
        for (int c = column; c < column + square; c++) sum += from[r * SIDE + c];
    return (float)sum / (float)(255 * square * square);
}

static void image_fill(const Images *images, const uint8_t *from, WeftBatch *batch,
                       int row)
{
    for (int t = 0; t < images->steps; t++) {
        float *x = batch->x + (t * batch->rows + row) * images->inputs;
        for (int i = 0; i < images->inputs; i++)
            x[i] = pixel(images, from, images->place[t * images->inputs + i]);
    }
}

static bool fill(void *context, uint64_t index, WeftBatch *batch, WeftError *err)
{
    enum { IMAGE = 0x696d67 }; /* stream */
    (void)err;
    const Some *some = context;
    for (int row = 0; row < batch->rows; row++) {
        const size_t at = range_item(&some->range, IMAGE, batch, index, row);
        image_fill(some->images, some->set->images.values + at * SIDE * SIDE, batch,
                   row);
        batch->label[row] = some->set->labels.values[at];
    }
    return true;
}

/* Fisher and Yates: each order is as likely, and the same whatever the seed. */
static void places_shuffle(int *place, int count)
{
    enum { ORDER = 0x6f726465 }; /* stream */
    for (int i = count - 1; i > 0; i--) {
        const int j = (int)weft_random_below(0, ORDER, (uint64_t)i, (uint32_t)i + 1);
        const int kept = place[i];
        place[i] = place[j];
        place[j] = kept;
    }
}

/* ---- as a data set ---- */

static WeftSource source_of(Images *images, Part part)
{
    return (WeftSource){.context = &images->part[part],
                        .fill = fill,
                        .steps = images->steps,
                        .rows = images->rows};
}

static bool evaluate(Data *data, WeftNet *net, Part part, int percent, WeftScore *score,
                     WeftError *err)
{
    Images *images = data->own;
    const WeftSource source = source_of(images, part);
    return range_evaluate(&images->part[part].range, &source, percent, net, score, err);
}

static void tell(const Data *data, const WeftScore *score, char text[256])
{
    (void)data;
    snprintf(text, 256, "%.4f nats over %.0f images (%.2f %% right)", score->loss,
             score->targets, 100 * score->accuracy);
}

static bool baseline(Data *data, Part part, int index, char name[BASELINE_SIZE],
                     WeftScore *score, WeftError *err)
{
    (void)data, (void)part, (void)err;
    snprintf(name, BASELINE_SIZE, "%s", index ? "" : "guessing");
    *score = (WeftScore){.loss = weft_log(CLASSES), .accuracy = 1.0 / CLASSES};
    return true;
}

static void images_close(Images *images)
{
    set_close(&images->train);
    set_close(&images->test);
    free(images->place);
    free(images);
}

static void images_data_close(Data *data)
{
    images_close(data->own);
}

/* How many steps make which image. */
static bool length_read(Images *images, int length, WeftError *err)
{
    for (int side = SIDE; side > 1; side--) {
        const int steps = images->reading == ROWS ? side : side * side;
        if (SIDE % side || steps != length) continue;
        images->side = side;
        images->steps = steps;
        images->inputs = side * side / steps;
        return true;
    }
    return fail(err, "--length %d: expected %s", length,
                images->reading == ROWS ? "28, 14 or 7 rows" : "784, 196 or 49 pixels");
}

static bool places_make(Images *images, WeftError *err)
{
    const int count = images->side * images->side;
    images->place = calloc((size_t)count, sizeof *images->place);
    if (!images->place) return fail(err, "out of memory");
    for (int i = 0; i < count; i++) images->place[i] = i;
    if (images->reading == PERMUTED) places_shuffle(images->place, count);
    return true;
}

static void parts_make(Images *images, uint64_t seed)
{
    const size_t all = images->train.images.shape[0], first = all - HELD_OUT;
    images->part[TRAINING] = (Some){images, &images->train, {0, first, true, seed}};
    images->part[VALIDATION] =
        (Some){images, &images->train, {first, HELD_OUT, false, 0}};
    images->part[TEST] =
        (Some){images, &images->test, {0, images->test.images.shape[0], false, 0}};
}

static bool images_data(Reading reading, const DataOptions *options,
                        const Settings *settings, Data *data, WeftError *err)
{
    Images *images = calloc(1, sizeof *images);
    if (!images) return fail(err, "out of memory");
    images->reading = reading;
    images->rows = settings->batch;
    if (!length_read(images, options->length, err) || !places_make(images, err) ||
        !sets_open(options->file, &images->train, &images->test, err)) {
        images_close(images);
        return false;
    }
    parts_make(images, settings->seed);
    *data = (Data){.shape = {.input = WEFT_DENSE,
                             .inputs = images->inputs,
                             .outputs = CLASSES,
                             .loss = WEFT_SOFTMAX,
                             .vector = true},
                   .train = source_of(images, TRAINING),
                   .glance = 100,
                   .evaluate = evaluate,
                   .tell = tell,
                   .baseline = baseline,
                   .note = experiment_note,
                   .close = images_data_close,
                   .own = images};
    append(data->about, sizeof data->about,
           "images: %zu for training, %zu for validation, %zu to test, %d steps of %d",
           images->part[TRAINING].range.count, images->part[VALIDATION].range.count,
           images->part[TEST].range.count, images->steps, images->inputs);
    return true;
}

#define READING(name, reading)                                                         \
    static bool name(const Experiment *experiment, const DataOptions *options,         \
                     const Settings *settings, Data *data, WeftError *err)             \
    {                                                                                  \
        (void)experiment;                                                              \
        return images_data(reading, options, settings, data, err);                     \
    }
READING(rows_data, ROWS)
READING(pixels_data, PIXELS)
READING(permuted_data, PERMUTED)
#undef READING

/* ---- the experiments ---- */

#define IMAGES_COMMON                                                                  \
    .chapter = CHAPTER_IMAGES, .file = IMAGES_FILE, .file_from = IMAGES_FROM,          \
    .glance = 20, .score_name = "accuracy", .unit = "nats",                            \
    .length_name = "steps in which an image is read"

#define MNIST                                                                          \
    "on MNIST: Bai et al. 2018, Table 1 (784 pixels): 21.5 rnn, 87.2 lstm, 96.2 gru"

// clang-format off
#define AT(which, far) .cell = which, .length = far, .of = SCORE, .over = MEDIAN_SEED

static const Claim rows_claims[] = {
    {.name = "rnn", .text = "rnn reads rows: 78 % or more", AT("rnn", 28), .low = 0.78, .high = 1, .published = "-", .source = "28 steps are few"},
    {.name = "lstm", .text = "lstm: 78 % or more", AT("lstm", 28), .low = 0.78, .high = 1, .published = "-", .source = "28 steps are few"},
    {.name = "gap", .text = "gates give less than 10 points: lstm less rnn", AT("lstm", 28), .against = "rnn", .low = -0.1, .high = 0.1, .published = "-", .source = "28 steps are few"},
    {0},
};
static const Claim pixels_claims[] = {
    {.name = "lstm", .text = "lstm is better than rnn by 10 points or more", AT("lstm", 196), .against = "rnn", .low = 0.1, .high = 1, .published = "+66 points", .source = MNIST},
    {.name = "gru", .text = "gru is better than rnn by 10 points or more", AT("gru", 196), .against = "rnn", .low = 0.1, .high = 1, .published = "+75 points", .source = MNIST},
    {0},
};
static const Claim permuted_claims[] = {
    {.name = "lstm", .text = "permuted too, lstm is better than rnn", AT("lstm", 196), .against = "rnn", .low = 0, .high = 1, .published = "+60 points (permuted)", .source = "on MNIST: Bai et al. 2018, Table 3: 25.3 rnn, 85.7 lstm, 87.3 gru"},
    {0},
};
// clang-format on

#define TRAIN                                                                          \
    SETTINGS_COMMON, .batch = 64, .chunk = 0, /* never cut */                          \
        .chunks_per_update = 1, .rate = 5e-3, .schedule = WEFT_COSINE

const Experiment experiment_images_rows = {
    IMAGES_COMMON,
    .name = "images_rows",
    .question = "What is the garment? Fashion-MNIST, a row of 28 pixels a step",
    .claim = "28 steps are few: simple and gated nets are alike",
    .grid = {"rnn,lstm,gru", NUMBERS(28), NUMBERS(0, 1), "5e-3,2e-3"},
    .train = {TRAIN, .parameters = 20000, .steps = 1500, .every = 300},
    .full = "--seed 0..2 --steps 5000",
    .longer = "--seed 0..4 --steps 20000",
    .open = rows_data,
    .claims = rows_claims,
};

const Experiment experiment_images_pixels = {
    IMAGES_COMMON,
    .name = "images_pixels",
    .question = "And pixel by pixel? 14 x 14 means of four, 196 steps",
    .claim = "gates pay: the gap to rnn is 10 points and more",
    .grid = {"rnn,lstm,gru", NUMBERS(196), NUMBERS(0), "5e-3,2e-3"},
    .train = {TRAIN, .parameters = 10000, .steps = 6000, .every = 500},
    .from = SIZE_FULL,
    .longer = "--seed 0..2 --steps 20000",
    .open = pixels_data,
    .claims = pixels_claims,
};

const Experiment experiment_images_permuted = {
    IMAGES_COMMON,
    .name = "images_permuted",
    .question = "And in an order that is drawn once, so that neighbours lie far apart?",
    .claim = "gates pay here too",
    .grid = {"rnn,lstm,gru", NUMBERS(196), NUMBERS(0), "5e-3,2e-3"},
    .train = {TRAIN, .parameters = 10000, .steps = 6000, .every = 500},
    .from = SIZE_FULL,
    .longer = "--seed 0..2 --steps 20000",
    .open = permuted_data,
    .claims = permuted_claims,
};

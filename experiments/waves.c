/* waves.c: a series that a short memory suffices for: there gates give nothing.
 *
 * The generated series of Geron, Hands-On Machine Learning, 2nd edition, chapter 15: two
 * sine waves of random frequency and phase, and noise,
 *
 *   x(t) = 0.5 sin((t - o1)(10 f1 + 10)) + 0.2 sin((t - o2)(20 f2 + 20)) + 0.1 (u_t - 0.5)
 *
 * with f, o, u in U(0,1), at times t from 0 to 1: a window of 50, then what is to be told.
 * As there, training has 7000 series, which come again each epoch, and the rate is Adam's
 * 1e-3 throughout. With --length below 50 the window's last steps alone go in. */
#include "data.h"
#include "linear.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW   50
#define TRAINED  7000 /* series */
#define HELD_OUT 2000
#define AHEAD    10  /* steps, where more than one is told */
#define EPOCH    219 /* updates of 32 */

/* ---- the series ---- */

typedef struct Wave {
    double offset[2], speed[2];
    uint64_t seed, index;
    double interval; /* from place to place, of the time */
} Wave;

static Wave wave_of(uint64_t seed, uint64_t index, int places)
{
    enum { SHAPE = 0x77617665 }; /* stream */
    float u[4];
    for (uint64_t i = 0; i < 4; i++)
        u[i] = weft_random_uniform(seed, SHAPE, 4 * index + i);
    return (Wave){.offset = {u[0], u[1]},
                  .speed = {10 * (double)u[2] + 10, 20 * (double)u[3] + 20},
                  .seed = seed,
                  .index = index,
                  .interval = 1.0 / (places - 1)};
}

static float wave_at(const Wave *wave, int place)
{
    enum { NOISE = 0x6e6f6973, ROOM = 64 }; /* stream; places of a series */
    const double t = place * wave->interval;
    const double u =
        weft_random_uniform(wave->seed, NOISE, ROOM * wave->index + (uint64_t)place);
    return (float)(0.5 * weft_sin((t - wave->offset[0]) * wave->speed[0]) +
                   0.2 * weft_sin((t - wave->offset[1]) * wave->speed[1]) +
                   0.1 * (u - 0.5));
}

/* At each step the values that follow it; those of the last step alone are scored. */
static void draw(const Draw *draw, WeftBatch *batch, int row)
{
    const uint64_t index = draw->part == TRAINING ? draw->index % TRAINED : draw->index;
    const int outputs = batch->outputs, steps = batch->steps;
    const Wave wave = wave_of(draw->seed, index, WINDOW + outputs);
    float value[WINDOW + AHEAD];
    for (int p = 0; p < WINDOW + outputs; p++) value[p] = wave_at(&wave, p);
    for (int t = 0; t < steps; t++) {
        const int at = t * batch->rows + row, place = WINDOW - steps + t;
        const bool last = t == steps - 1;
        batch->x[at] = value[place];
        if (batch->vector && !last) continue;
        const int to = batch->vector ? row : at;
        memcpy(batch->target + to * outputs, value + place + 1,
               (size_t)outputs * sizeof *value);
        if (!last && draw->part != TRAINING) batch->weight[to] = 0;
    }
}

/* ---- ten steps by a net that tells one ---- */

typedef struct Iterated {
    WeftBatch batch;
    float *out; /* [rows] */
    double squares;
} Iterated;

/* The windows of a batch, from series of ten places more than training has. */
static void iterated_fill(Iterated *it, const Drawn *test, uint64_t batch)
{
    it->batch.steps = test->length;
    it->batch.fresh = true;
    for (int b = 0; b < test->rows; b++) {
        const uint64_t index = batch * (uint64_t)test->rows + (uint64_t)b;
        const Wave wave = wave_of(test->seed, index, WINDOW + AHEAD);
        for (int t = 0; t < test->length; t++)
            it->batch.x[t * test->rows + b] = wave_at(&wave, WINDOW - test->length + t);
    }
}

static void iterated_add(Iterated *it, const Drawn *test, uint64_t batch, int ahead)
{
    for (int b = 0; b < test->rows; b++) {
        const uint64_t index = batch * (uint64_t)test->rows + (uint64_t)b;
        const Wave wave = wave_of(test->seed, index, WINDOW + AHEAD);
        const double error = it->out[b] - wave_at(&wave, WINDOW + ahead);
        if (index < test->count) it->squares += error * error;
    }
}

/* Each forecast goes in as the next value. */
static bool iterated_batch(Iterated *it, WeftNet *net, const Drawn *test,
                           uint64_t batch, WeftError *err)
{
    iterated_fill(it, test, batch);
    for (int ahead = 0; ahead < AHEAD; ahead++) {
        if (!weft_predict(net, &it->batch, it->out, err)) return false;
        iterated_add(it, test, batch, ahead);
        memcpy(it->batch.x, it->out, (size_t)test->rows * sizeof *it->out);
        it->batch.steps = 1;
        it->batch.fresh = false;
    }
    return true;
}

static bool iterated_score(WeftNet *net, const Drawn *test, WeftScore *score,
                           WeftError *err)
{
    const size_t rows = (size_t)test->rows;
    Iterated it = {
        .batch = {.rows = test->rows, .x = calloc(rows * WINDOW, sizeof(float))},
        .out = calloc(rows, sizeof(float))};
    bool good = (it.batch.x && it.out) || fail(err, "out of memory");
    for (uint64_t i = 0; good && i < drawn_batches(test); i++)
        good = iterated_batch(&it, net, test, i, err);
    score->accuracy = it.squares / (AHEAD * (double)test->count);
    free(it.batch.x);
    free(it.out);
    return good;
}

/* ---- what needs no net ---- */

static Forecasts forecasts(const WeftModel *shape, const Drawn *drawn,
                           WeftSource *source)
{
    *source = drawn_source((Drawn *)(uintptr_t)drawn);
    return (Forecasts){shape, source, drawn_batches(drawn)};
}

/* From the whole window, whatever --length is. */
static bool baseline(Data *data, Part part, int index, char name[BASELINE_SIZE],
                     WeftScore *score, WeftError *err)
{
    static const char *const names[] = {"last value", "linear", ""};
    Drawn train = *drawn_part(data, TRAINING), held = *drawn_part(data, part);
    WeftSource of_train, of_held;
    snprintf(name, BASELINE_SIZE, "%s", names[index]);
    if (!*name) return true;
    train.length = held.length = WINDOW;
    train.count = TRAINED;
    const Forecasts test = forecasts(&data->shape, &held, &of_held);
    return index ? linear_score(forecasts(&data->shape, &train, &of_train), test, score,
                                err)
                 : past_value_score(test, 1, score, err);
}

static bool waves_data(const Experiment *experiment, const DataOptions *options,
                       const Settings *settings, Data *data, WeftError *err)
{
    if (options->length > WINDOW)
        return fail(err, "--length %d: a window of %s has %d steps", options->length,
                    experiment->name, WINDOW);
    if (!drawn_data(experiment, options, settings, data, err)) return false;
    data->baseline = baseline;
    return true;
}

/* ---- the experiments ---- */

#define GERON "Geron, Hands-On Machine Learning, 2nd ed., ch. 15"
#define TEN   "ten steps ahead: rnn 0.0085 to 0.0096, lstm 0.0086, gru 0.0103"

#define WITHIN(x) .low = 0.85 * (x), .high = 1.15 * (x)

#define WAVES_COMMON                                                                   \
    .chapter = CHAPTER_SERIES, .open = waves_data, .test = HELD_OUT, .glance = 50,     \
    .unit = "mse", .length_name = "steps of the window that go in"
#define DEEP                                                                           \
    .layers = "2", .hidden = 20, .optimizer = WEFT_ADAM, .rate = 1e-3, .clip = 1,      \
    .batch = 32, .chunks_per_update = 1, .steps = 20 * EPOCH, .every = 2 * EPOCH
#define ONE_NUMBER                                                                     \
    .task = {                                                                          \
        .inputs = 1, .outputs = 1, .loss = WEFT_SQUARE, .vector = true, .draw = draw}

// clang-format off
static const Claim claims[] = {
    {.name = "lstm-rnn", .text = "lstm has at least 0.85 of the error of rnn", .cell = "lstm", .length = 50, .over = MEDIAN_SEED, .against = "rnn", .ratio = true, .low = 0.85, .high = HUGE_VAL, .published = TEN, .source = GERON},
    {.name = "gru-rnn", .text = "gru has at least 0.85 of the error of rnn", .cell = "gru", .length = 50, .over = MEDIAN_SEED, .against = "rnn", .ratio = true, .low = 0.85, .high = HUGE_VAL, .published = TEN, .source = GERON},
    {.name = "rnn-naive", .text = "rnn has at most a fifth of the error of the last value", .cell = "rnn", .length = 50, .over = EVERY_SEED, .against = "last value", .ratio = true, .low = 0, .high = 0.2, .published = "0.13 (0.00262 of 0.02021)", .source = GERON},
    {.name = "lstm-rnn-10", .text = "from 10 steps too lstm has at least 0.85 of the error of rnn", .cell = "lstm", .length = 10, .over = MEDIAN_SEED, .against = "rnn", .ratio = true, .low = 0.85, .high = HUGE_VAL, .published = "-", .source = "the task: a short memory suffices"},
    {.name = "short", .text = "rnn from 10 steps has at most twice its error from 50", .cell = "rnn", .length = 10, .over = MEDIAN_SEED, .against = "rnn", .against_length = 50, .ratio = true, .low = 0, .high = 2, .published = "-", .source = "the task: a short memory suffices"},
    {0},
};
static const Claim values[] = {
    {.name = "naive", .text = "the last value", .cell = "last value", .length = 50, .over = MEDIAN_SEED, WITHIN(0.02021), .published = "0.02021", .source = GERON},
    {.name = "rnn", .text = "two layers of 20, a linear head", .cell = "rnn", .length = 50, .over = MEDIAN_SEED, WITHIN(0.00262), .published = "0.00262", .source = GERON},
    {.name = "iterated", .text = "ten steps, each from those told before", .cell = "rnn", .length = 50, .of = SCORE, .over = MEDIAN_SEED, WITHIN(0.0275), .published = "0.0275", .source = GERON},
    {0},
};
static const Claim one_claims[] = {
    {.name = "rnn-naive", .text = "one unit is better than the last value", .cell = "rnn", .length = 50, .over = MEDIAN_SEED, .against = "last value", .ratio = true, .low = 0, .high = 0.75, .published = "0.54 (0.01088 of 0.02021)", .source = GERON},
    {0},
};
static const Claim one_values[] = {
    {.name = "rnn", .text = "one unit (there without a head: 3 parameters)", .cell = "rnn", .length = 50, .over = MEDIAN_SEED, WITHIN(0.01088), .published = "0.01088", .source = GERON},
    {0},
};
static const Claim vector_claims[] = {
    {.name = "rnn-linear", .text = "rnn is better than the linear forecast of ten steps", .cell = "rnn", .length = 50, .over = EVERY_SEED, .against = "linear", .ratio = true, .low = 0, .high = 0.9, .published = "0.45 (0.0085 of 0.0187, not by least squares)", .source = GERON},
    {0},
};
static const Claim vector_values[] = {
    {.name = "naive", .text = "the last value, ten times", .cell = "last value", .length = 50, .over = MEDIAN_SEED, WITHIN(0.2570), .published = "0.2570", .source = GERON},
    {.name = "rnn", .text = "all ten after the last step", .cell = "rnn", .length = 50, .over = MEDIAN_SEED, WITHIN(0.0085), .published = "0.0085", .source = GERON},
    {0},
};
static const Claim ten_claims[] = {
    {.name = "lstm-rnn", .text = "lstm has at least half the error of rnn (in adding: a hundredth)", .cell = "lstm", .length = 50, .over = MEDIAN_SEED, .against = "rnn", .ratio = true, .low = 0.5, .high = HUGE_VAL, .published = TEN, .source = GERON},
    {.name = "gru-rnn", .text = "gru has at least half the error of rnn", .cell = "gru", .length = 50, .over = MEDIAN_SEED, .against = "rnn", .ratio = true, .low = 0.5, .high = HUGE_VAL, .published = TEN, .source = GERON},
    {.name = "rnn-linear", .text = "rnn is better than the linear forecast of ten steps", .cell = "rnn", .length = 50, .over = MEDIAN_SEED, .against = "linear", .ratio = true, .low = 0, .high = 0.9, .published = "0.51 (0.0096 of 0.0187, not by least squares)", .source = GERON},
    {0},
};
static const Claim ten_values[] = {
    {.name = "rnn", .text = "ten after every step, those of the last scored", .cell = "rnn", .length = 50, .over = MEDIAN_SEED, WITHIN(0.0096), .published = "0.0096 at Adam's 1e-2 (an epoch before 0.0058)", .source = GERON},
    {.name = "lstm", .text = "ten after every step, those of the last scored", .cell = "lstm", .length = 50, .over = MEDIAN_SEED, WITHIN(0.00856), .published = "0.00856", .source = GERON},
    {.name = "gru", .text = "ten after every step, those of the last scored", .cell = "gru", .length = 50, .over = MEDIAN_SEED, WITHIN(0.01026), .published = "0.01026", .source = GERON},
    {0},
};
static const Claim tuned_claims[] = {
    {.name = "lstm-rnn", .text = "lstm has at least a third of the error of rnn (in adding: a hundredth)", .cell = "lstm", .length = 50, .over = MEDIAN_SEED, .against = "rnn", .ratio = true, .low = 1.0 / 3, .high = HUGE_VAL, .published = "-", .source = "the task: a short memory suffices"},
    {.name = "gru-rnn", .text = "gru has at least a third of the error of rnn", .cell = "gru", .length = 50, .over = MEDIAN_SEED, .against = "rnn", .ratio = true, .low = 1.0 / 3, .high = HUGE_VAL, .published = "-", .source = "the task: a short memory suffices"},
    {0},
};
// clang-format on

const Experiment experiment_waves = {
    WAVES_COMMON,
    .name = "waves",
    .question =
        "What do gates give where a short memory suffices? One step of two sine "
        "waves in noise",
    .claim = "nothing: trained as in the book, lstm and gru tell it as rnn does",
    .grid = {"rnn,lstm,gru", NUMBERS(50), NUMBERS(0, 1), NULL},
    .train = {DEEP},
    ONE_NUMBER,
    .score_name = "mse of ten steps, iterated",
    .score = iterated_score,
    .full = "--length 5,10,20,50 --seed 0..4",
    .longer = "--length 5,10,20,50 --seed 0..9",
    .claims = claims,
    .values = values,
};

const Experiment experiment_waves_one = {
    WAVES_COMMON,
    .name = "waves_one",
    .question = "How far does a single unit come? One step of two sine waves in noise",
    .claim = "half the error of the last value",
    .grid = {"rnn", NUMBERS(50), NUMBERS(0, 1), NULL},
    .train =
        {
            SETTINGS_COMMON,
            .hidden = 1,
            .rate = 5e-3,
            .batch = 32,
            .chunks_per_update = 1,
            .steps = 20 * EPOCH,
            .every = 2 * EPOCH,
        },
    ONE_NUMBER,
    .full = "--seed 0..4",
    .longer = "--seed 0..9",
    .claims = one_claims,
    .values = one_values,
};

const Experiment experiment_waves_vector = {
    WAVES_COMMON,
    .name = "waves_vector",
    .question = "Ten steps ahead at once, of two sine waves in noise",
    .claim = "rnn is better than any linear forecast from the whole window",
    .grid = {"rnn", NUMBERS(50), NUMBERS(0, 1), NULL},
    .train = {DEEP},
    .task = {.inputs = 1,
             .outputs = AHEAD,
             .loss = WEFT_SQUARE,
             .vector = true,
             .draw = draw},
    .full = "--seed 0..4",
    .longer = "--seed 0..9",
    .claims = vector_claims,
    .values = vector_values,
};

const Experiment experiment_waves_ten = {
    WAVES_COMMON,
    .name = "waves_ten",
    .question =
        "What do gates give where a short memory suffices? Ten steps ahead, told "
        "after every step",
    .claim = "little: lstm and gru win less than a factor of two",
    .grid = {"rnn,lstm,gru", NUMBERS(50), NUMBERS(0, 1), NULL},
    .train = {DEEP},
    .task = {.inputs = 1, .outputs = AHEAD, .loss = WEFT_SQUARE, .draw = draw},
    .full = "--seed 0..4",
    .longer = "--seed 0..9",
    .claims = ten_claims,
    .values = ten_values,
};

const Experiment experiment_waves_tuned = {
    WAVES_COMMON,
    .name = "waves_tuned",
    .question =
        "What do gates give where a short memory suffices, each cell at its best "
        "rate, which falls to a tenth?",
    .claim =
        "little: lstm and gru average the noise over more steps, and win less than "
        "a factor of three",
    .grid = {"rnn,lstm,gru", NUMBERS(50), NUMBERS(0, 1, 2), "1e-2,3e-3"},
    .train = {DEEP, .schedule = WEFT_COSINE, .factor = 0.1},
    .from = SIZE_FULL,
    ONE_NUMBER,
    .longer = "--seed 0..4",
    .claims = tuned_claims,
};

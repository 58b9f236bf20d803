/* copy.c: can the cell hold ten symbols over a gap of T steps?
 *
 * Arjovsky et al. 2016, as their generator and that of Bai et al. 2018 draw it: K = 10
 * symbols of S = 8, T - 1 blanks, a delimiter, K blanks; the target is blank but for the
 * last K steps, which repeat the symbols. The loss is the mean over all T + 2K steps, so
 * that of one who knows when but not what is K ln S / (T + 2K). The published losses of
 * recurrent nets at T = 1000 (Bai) are that number. */
#include "experiment.h"

enum { K = 10, S = 8, BLANK = S, DELIMITER, SYMBOLS };

static int steps(int length, Part part)
{
    (void)part;
    return length + 2 * K;
}

/* The delimiter comes `gap` steps after the last symbol, the copy at once after it. */
static void draw_gap(const Draw *draw, WeftBatch *batch, int row, int gap)
{
    enum { SYMBOL = 0x636f7079 }; /* a stream */
    const size_t rows = (size_t)batch->rows;
    int32_t *x = batch->symbol + row, *y = batch->label + row;
    for (size_t t = 0; t < (size_t)batch->steps; t++) x[t * rows] = y[t * rows] = BLANK;
    x[(size_t)(K + gap - 1) * rows] = DELIMITER;
    for (size_t k = 0; k < K; k++)
        x[k * rows] = y[(K + (size_t)gap + k) * rows] =
            (int32_t)weft_random_below(draw->seed, SYMBOL, draw->index * K + k, S);
}

static void draw(const Draw *draw, WeftBatch *batch, int row)
{
    draw_gap(draw, batch, row, draw->length);
}

/* ---- what needs no training ---- */

#define LN8           2.0794415416798357
#define MEMORYLESS(T) (K * LN8 / ((T) + 2 * K))

static double memoryless(int length)
{
    return MEMORYLESS(length);
}

static const Oracle oracles[] = {
    {.name = "no memory", .at = memoryless},
    {0},
};

/* ---- what is claimed ---- */

#define CHRONO     "lstm_chrono:T=150"
#define ARJOVSKY16 "Arjovsky et al. 2016; closed form 10 ln 8 / (T + 20)"
#define TALLEC18   "Tallec & Ollivier 2018, figure 1"
#define BAI18      "Bai et al. 2018, Table 1"

/* At the loss of no memory within 2 %; nowhere above that; under half of it. */
#define AT_BASELINE(T) .low = 0.98 * MEMORYLESS(T), .high = 1.02 * MEMORYLESS(T)
#define NOT_ABOVE(T)   .low = 0, .high = 1.02 * MEMORYLESS(T)
#define HALF(T)        .low = 0, .high = 0.5 * MEMORYLESS(T)

// clang-format off
static const Claim claims[] = {
    {.name = "chrono-100", .text = "chrono initialisation has at most 0.8 of the loss of forget bias 1 at T = 100", .cell = CHRONO, .length = 100, .over = MEDIAN_SEED, .against = "lstm", .ratio = true, .low = 0, .high = 0.8, .published = "chrono well below the loss of no memory, forget bias 1 at it (T = 500)", .source = TALLEC18},
    {.name = "rnn-100", .text = "rnn stays at the loss of no memory at T = 100", .cell = "rnn", .length = 100, .over = EVERY_SEED, AT_BASELINE(100), .published = "no better than no memory", .source = ARJOVSKY16},
    {.name = "lstm-100", .text = "lstm is never above the loss of no memory at T = 100", .cell = "lstm", .length = 100, .over = EVERY_SEED, NOT_ABOVE(100), .published = "no better than no memory", .source = ARJOVSKY16},
    {.name = "lstm-10", .text = "lstm has less than half the loss of no memory at T = 10", .cell = "lstm", .length = 10, .over = MEDIAN_SEED, HALF(10), .published = "0.347 (half of 10 ln 8 / 30)", .source = "closed form"},
    {.name = "gru-10", .text = "gru has less than half the loss of no memory at T = 10", .cell = "gru", .length = 10, .over = MEDIAN_SEED, HALF(10), .published = "0.347 (half of 10 ln 8 / 30)", .source = "closed form"},
    {.name = "lstm-20", .text = "lstm has less than half the loss of no memory at T = 20", .cell = "lstm", .length = 20, .over = MEDIAN_SEED, HALF(20), .published = "0.260 (half of 10 ln 8 / 40)", .source = "closed form"},
    {.name = "gru-20", .text = "gru has less than half the loss of no memory at T = 20", .cell = "gru", .length = 20, .over = MEDIAN_SEED, HALF(20), .published = "0.260 (half of 10 ln 8 / 40)", .source = "closed form"},
    {.name = "rnn-50", .text = "rnn stays at the loss of no memory at T = 50", .cell = "rnn", .length = 50, .over = EVERY_SEED, AT_BASELINE(50), .published = "no better than no memory", .source = ARJOVSKY16},
    {0},
};

/* The recurrent nets of 16 000 parameters; margin 10 %, for 4 % part them. */
static const Claim far_values[] = {
    {.name = "bai-rnn", .text = "rnn, T = 1000", .cell = "rnn", .length = 1000, .over = MEDIAN_SEED, .low = 0.9 * 0.0202, .high = 1.1 * 0.0202, .published = "0.0202", .source = BAI18},
    {.name = "bai-lstm", .text = "lstm, T = 1000", .cell = "lstm", .length = 1000, .over = MEDIAN_SEED, .low = 0.9 * 0.0204, .high = 1.1 * 0.0204, .published = "0.0204", .source = BAI18},
    {.name = "bai-gru", .text = "gru, T = 1000", .cell = "gru", .length = 1000, .over = MEDIAN_SEED, .low = 0.9 * 0.0197, .high = 1.1 * 0.0197, .published = "0.0197", .source = BAI18},
    {.name = "tallec-500", .text = "lstm, forget bias 1, T = 500", .cell = "lstm", .length = 500, .over = MEDIAN_SEED, AT_BASELINE(500), .published = "the loss of no memory", .source = TALLEC18},
    {0},
};
static const Claim far_claims[] = {
    {.name = "rnn-1000", .text = "rnn stays at the loss of no memory at T = 1000", .cell = "rnn", .length = 1000, .over = EVERY_SEED, AT_BASELINE(1000), .published = "0.0202", .source = BAI18},
    {.name = "lstm-1000", .text = "lstm stays at the loss of no memory at T = 1000", .cell = "lstm", .length = 1000, .over = EVERY_SEED, AT_BASELINE(1000), .published = "0.0204", .source = BAI18},
    {0},
};
// clang-format on

#define TASK                                                                           \
    {                                                                                  \
        .input = WEFT_SYMBOLS, .inputs = SYMBOLS, .outputs = S + 1,                    \
        .loss = WEFT_SOFTMAX, .steps = steps, .draw = draw                             \
    }

/* Short gaps are cheap: twice the updates. */
static void settle(Settings *settings, int length)
{
    if (length > 20) return;
    settings->steps *= 2;
    settings->period *= 2;
}

/* RMSprop as in all three papers; the rate falls to a tenth for the last tenth. */
const Experiment experiment_copy = {
    .chapter = CHAPTER_COPYING,
    .name = "copy",
    .question = "Can the cell hold ten symbols over a gap?",
    .claim = "it is the initialisation that matters: at a gap of 100 an lstm whose "
             "biases begin as time constants is below the loss of no memory, one whose "
             "forget bias begins at 1 hardly, rnn not at all",
    .grid = {"rnn,lstm,gru," CHRONO, NUMBERS(10, 100), NUMBERS(0, 1), NULL},
    .train =
        {
            SETTINGS_COMMON,
            .parameters = 16000,
            .batch = 32,
            .chunk = 0, /* never cut */
            .chunks_per_update = 1,
            .optimizer = WEFT_RMSPROP,
            .rate = 4e-3,
            .schedule = WEFT_STEP,
            .period = 4500,
            .steps = 5000,
            .every = 250,
        },
    .settle = settle,
    .full = "--length 10,20,50,100 --seed 0..2 --steps 8000 --period 7200",
    .longer = "--length 10,20,50,100,200 --seed 0..4 --steps 20000 --period 18000",
    .task = TASK,
    .test = 1000,
    .glance = 50,
    .solved = 0.001,
    .under = 0.5, /* of no memory: half of the symbols are kept */
    .unit = "nats a step",
    .length_name = "gap T (steps)",
    .dependency = true,
    .oracles = oracles,
    .claims = claims,
};

/* A short training is enough to see what a long one does not change. */
const Experiment experiment_copy_far = {
    .chapter = CHAPTER_COPYING,
    .name = "copy_far",
    .question = "And over a gap of a thousand steps?",
    .claim =
        "no recurrent net is below the loss of no memory; the published losses are "
        "that number",
    .grid = {"rnn,lstm,gru", NUMBERS(1000), NUMBERS(0), NULL},
    .train =
        {
            SETTINGS_COMMON,
            .parameters = 16000,
            .batch = 8,
            .chunk = 0, /* never cut */
            .chunks_per_update = 1,
            .optimizer = WEFT_RMSPROP,
            .rate = 2e-3,
            .schedule = WEFT_STEP,
            .period = 800,
            .steps = 1000,
            .every = 100,
        },
    .full = "--length 500,1000 --seed 0..2",
    .longer = "--length 500,1000 --seed 0..2 --batch 32 --steps 10000 --period 9000",
    .task = TASK,
    .test = 200,
    .glance = 50,
    .unit = "nats a step",
    .length_name = "gap T (steps)",
    .oracles = oracles,
    .claims = far_claims,
    .values = far_values,
};

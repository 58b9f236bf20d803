/* window.c: what does the truncation of back-propagation through time let through? */
#include "experiment.h"

#include <math.h>

#define LN2 0.6931471805599453

/* ---- two lags ---- */

/* y is 1 with probability 1/2 + x[t-3]/2 - x[t-8]/4, x bits. A window of h steps that
 * starts anew has no x from before it: its first 3 steps know neither lag, the next 5
 * one. With states that are carried, whatever credit a window of at most 8 steps gives
 * is for lag 3. The losses of those who know all, by what they see: */
#define NEITHER 0.6615632381579821 /* entropy of 5/8 */
#define LAG_3   0.5191666997072094 /* mean entropy of 3/8 and 7/8 */
#define BOTH    0.4544543674493904 /* of 1/4, 1/2, 3/4 and 1 */

enum { NEAR = 3, FAR = 8 };

/* Step t of a stream: bits from t - FAR on are drawn. */
static void draw_lags(const Draw *draw, WeftBatch *batch, int row)
{
    enum { BIT = 0x6c616773, CHANCE }; /* streams */
    const uint64_t steps = (uint64_t)batch->steps, stream = draw->index << 32;
    uint32_t bits = 0; /* of the steps before */
    for (uint64_t t = 0; t < FAR; t++)
        bits = bits << 1 |
               (weft_random_bits(draw->seed, BIT, stream + draw->first + t) & 1);
    for (uint64_t t = 0; t < steps; t++) {
        const size_t at = (size_t)t * (size_t)batch->rows + (size_t)row;
        const uint64_t index = stream + draw->first + t;
        const uint32_t near = bits >> (NEAR - 1) & 1, far = bits >> (FAR - 1) & 1;
        const uint32_t x = weft_random_bits(draw->seed, BIT, index + FAR) & 1;
        bits = bits << 1 | x;
        batch->x[at] = (float)x;
        batch->target[at] =
            weft_random_below(draw->seed, CHANCE, index, 4) < 2 + 2 * near - far;
    }
}

static double lags_reset(int h)
{
    const int one = h < FAR ? h - NEAR : FAR - NEAR;
    if (h <= NEAR) return NEITHER;
    return (NEAR * NEITHER + one * LAG_3 + (h - NEAR - one) * BOTH) / h;
}

static const Oracle of_lags[] = {
    {.name = "all that the window holds", .at = lags_reset},
    {0},
};
static const Oracle of_lags_carried[] = {
    {.name = "no memory", .loss = NEITHER},
    {.name = "lag 3", .loss = LAG_3},
    {.name = "both lags", .loss = BOTH},
    {0},
};

#define FORM "closed form, averaged over the window's steps"

// clang-format off
/* Within 0.01 of the closed form. */
#define NEAR_TO(which, far, is, from) \
    {.name = which "-" #far, .text = which ", h = " #far, .cell = which, .length = far, .over = EVERY_SEED, .low = (is) - 0.01, .high = (is) + 0.01, .published = #is, .source = from}

static const Claim lags_claims[] = {
    NEAR_TO("lstm", 4, 0.6260, FORM), NEAR_TO("lstm", 8, 0.5726, FORM), NEAR_TO("lstm", 10, 0.5489, FORM), NEAR_TO("lstm", 16, 0.5135, FORM),
    NEAR_TO("rnn", 8, 0.5726, FORM), NEAR_TO("rnn", 16, 0.5135, FORM),
    {0},
};
#define NO_CREDIT "closed form of lag 3 alone: the window gives no credit for lag 8"
#define ALL       "closed form of both lags: the entropy floor"
static const Claim lags_carried_claims[] = {
    NEAR_TO("rnn", 4, 0.5192, NO_CREDIT), NEAR_TO("lstm", 4, 0.5192, NO_CREDIT), NEAR_TO("gru", 4, 0.5192, NO_CREDIT),
    NEAR_TO("rnn", 20, 0.4544, ALL), NEAR_TO("lstm", 20, 0.4544, ALL), NEAR_TO("gru", 20, 0.4544, ALL),
    {0},
};
// clang-format on

/* In four units, little that no gradient asks for finds room; both lags need more. */
static void settle_width(Settings *settings, int length)
{
    if (!settings->hidden_told) settings->hidden = length > FAR ? 16 : 4;
}

#define LAGS_TASK(goes_on)                                                             \
    {                                                                                  \
        .input = WEFT_DENSE, .inputs = 1, .outputs = 1, .loss = WEFT_SIGMOID,          \
        .carried = goes_on, .draw = draw_lags                                          \
    }

const Experiment experiment_lags = {
    .chapter = CHAPTER_WINDOW,
    .name = "lags",
    .question = "Does a window teach what lies inside it, and nothing else?",
    .claim =
        "every cell comes to the loss of what its window holds; a longer one is only "
        "better by that",
    .grid = {"rnn,lstm,gru", NUMBERS(4, 8, 10, 16), NUMBERS(0, 1), NULL},
    .train =
        {
            SETTINGS_COMMON,
            .hidden = 16,
            .batch = 64,
            .chunk = 0, /* the window is the sequence */
            .chunks_per_update = 1,
            .rate = 5e-3,
            .steps = 5000,
            .every = 500,
        },
    .task = LAGS_TASK(false),
    .test = 10000,
    .glance = 50,
    .unit = "nats a step",
    .length_name = "window h (steps)",
    .oracles = of_lags,
    .claims = lags_claims,
    .full = "--length 4,6,8,10,12,16 --seed 0..4",
    .longer = "--length 4,6,8,10,12,16,32 --seed 0..9",
};

const Experiment experiment_lags_carried = {
    .chapter = CHAPTER_WINDOW,
    .name = "lags_carried",
    .question = "And when states go on from window to window?",
    .claim =
        "a window that is shorter than a lag gives no credit for it, though the state "
        "could hold it; a longer one does",
    .grid = {"rnn,lstm,gru", NUMBERS(4, 20), NUMBERS(0, 1), NULL},
    .train =
        {
            SETTINGS_COMMON,
            .batch = 64,
            .chunk = 0, /* the window is what a batch draws on */
            .chunks_per_update = 1,
            .reset = 0,
            .rate = 5e-3,
            .schedule = WEFT_COSINE,
            .steps = 5000,
            .every = 500,
        },
    .settle = settle_width,
    .task = LAGS_TASK(true),
    .test = 10000,
    .glance = 50,
    .unit = "nats a step",
    .length_name = "window h (steps)",
    .oracles = of_lags_carried,
    .claims = lags_carried_claims,
    .full = "--length 4,12,16,20 --seed 0..4",
    .longer = "--length 4,12,16,20,32 --seed 0..9",
};

/* ---- Aicher's copy ---- */

/* Aicher, Foti & Fox 2019, by their generator: rows of "# and m - 1 symbols of 4, then m
 * blanks", m = 10 or drawn from [5, 10]; the target is blank, then what was shown m steps
 * ago. It moves a row by up to 2m steps, and with it all rows drawn before, in place: what
 * is moved past a row's end comes from its last 2m steps time and again. So 4 % of the
 * training's targets and 16 % of the test's (counted in the data they published) are not
 * what was shown m steps ago, and the published perplexities are of such data. */
enum {
    M = 10,
    M_LEAST = 5,
    MARK = 1,
    VALUE = 2,
    VALUES = 4,
    AICHER_SYMBOLS = VALUE + VALUES
};
enum {
    ROWS = 64,
    CALL = 500,
    ROW_STEPS = 4000,
    TEST_STEPS = 1000,
    ROW_ROOM = ROW_STEPS + 4 * M
};

/* A row before it is moved: both [ROW_ROOM]. */
typedef struct Copies {
    int32_t symbol[ROW_ROOM], label[ROW_ROOM];
} Copies;

static void draw_copies(const Draw *draw, int end, int least, Copies *copies)
{
    enum { LENGTH = 0x61696368, SHOWN }; /* streams */
    uint64_t index = draw->index * ROW_ROOM;
    for (int t = 0, m; t < end; t += 2 * m, index++) {
        m = least + (int)weft_random_below(draw->seed, LENGTH, index,
                                           (uint32_t)(M - least + 1));
        for (int i = 0; i < m; i++)
            copies->symbol[t + i] = copies->label[t + m + i] =
                i ? VALUE + (int32_t)weft_random_below(draw->seed, SHOWN,
                                                       index * M + (uint64_t)i, VALUES)
                  : MARK;
    }
}

/* Where the row had what it has at step t, now that it and those after it were moved, the
 * last one's move being the last. */
static int moved_from(const Draw *draw, int end, int t)
{
    enum { MOVE = 0x6169636a };
    for (uint64_t row = ROWS; row-- > draw->index && t < end;)
        t += (int)weft_random_below(draw->seed, MOVE, row, 2 * M);
    return t;
}

static void draw_moved(const Draw *draw, WeftBatch *batch, int row, int least)
{
    const int end = draw->part == TRAINING ? ROW_STEPS : TEST_STEPS;
    const int calls = end / CALL * batch->steps; /* each epoch again */
    const int first = (int)(draw->first % (uint64_t)calls);
    Copies copies = {{0}, {0}};
    draw_copies(draw, end + 2 * M, least, &copies);
    for (int t = 0; t < batch->steps; t++) {
        const int from = moved_from(draw, end, first + t);
        batch->symbol[t * batch->rows + row] = copies.symbol[from];
        batch->label[t * batch->rows + row] = copies.label[from];
    }
}

static void draw_fixed(const Draw *draw, WeftBatch *batch, int row)
{
    draw_moved(draw, batch, row, M);
}

static void draw_variable(const Draw *draw, WeftBatch *batch, int row)
{
    draw_moved(draw, batch, row, M_LEAST);
}

/* A call of theirs trains on 500 steps, in whole windows. */
static int aicher_steps(int length, Part part)
{
    (void)part;
    return CALL / length * length;
}

/* Of a window of K losses each is carried back over K - 1 to 2K - 2 steps; the rate is
 * sqrt(K), the norm is clipped at 1 / K; the budget is in epochs: they had up to 210. */
static void aicher_settle(Settings *settings, int length)
{
    const uint64_t epoch = (uint64_t)(ROW_STEPS / CALL * (CALL / length));
    settings->chunk = length;
    settings->back = 2 * length - 1;
    settings->rate *= sqrt(length);
    settings->clip /= length;
    settings->steps *= epoch;
    settings->every *= epoch;
}

#define AICHER_TASK(function)                                                          \
    {                                                                                  \
        .input = WEFT_SYMBOLS, .inputs = AICHER_SYMBOLS, .outputs = AICHER_SYMBOLS,    \
        .loss = WEFT_SOFTMAX, .carried = true, .longest = CALL, .steps = aicher_steps, \
        .draw = function                                                               \
    }

#define AICHER_TRAIN                                                                   \
    {                                                                                  \
        SETTINGS_COMMON, .layers = "2", .hidden = 50, .embedding = 50, .batch = 64,    \
                         .chunks_per_update = 1, .reset = ROW_STEPS / CALL,            \
                         .optimizer = WEFT_SGD, .rate = 1, .decay = 1e-5, .steps = 20, \
                         .every = 1                                                    \
    }

/* As perplexities: within 5 % of what is printed. */
// clang-format off
#define LN_5 0.05
#define PPL(far, nats, is) \
    {.name = "K-" #far, .text = "test perplexity at K = " #far, .cell = "lstm:forget=0", .length = far, .over = MEDIAN_SEED, .low = (nats) - LN_5, .high = (nats) + LN_5, .published = "ppl " is, .source = "Aicher et al. 2019, Table C.1"}

static const Claim fixed_values[] = {
    PPL(5, 0.4983, "1.646"), PPL(10, 0.0354, "1.036"), PPL(15, 0.0383, "1.039"), PPL(20, 0.0392, "1.040"), PPL(30, 0.0421, "1.043"), {0},
};
static const Claim variable_values[] = {
    PPL(5, 0.3853, "1.47"), PPL(10, 0.3293, "1.39"), PPL(15, 0.3148, "1.37"), PPL(20, 0.3001, "1.35"), PPL(30, 0.2700, "1.31"), {0},
};
static const Claim fixed_claims[] = {
    {.name = "K-5", .text = "a window of 5 fails: its loss is over 5 times that of 10", .cell = "lstm:forget=0", .length = 5, .over = MEDIAN_SEED, .against = "lstm:forget=0", .against_length = 10, .ratio = true, .low = 5, .high = HUGE_VAL, .published = "ppl 1.646 and 1.036", .source = "Aicher et al. 2019, Table C.1"},
    {.name = "K-20", .text = "a window of 20 gives no more than one of 10: within 0.05 nats", .cell = "lstm:forget=0", .length = 20, .over = MEDIAN_SEED, .against = "lstm:forget=0", .against_length = 10, .low = -0.05, .high = 0.05, .published = "ppl 1.040 and 1.036", .source = "Aicher et al. 2019, Table C.1"},
    {0},
};
static const Claim variable_claims[] = {
    {.name = "K-5", .text = "a window of 5 is worse than one of 20", .cell = "lstm:forget=0", .length = 5, .over = MEDIAN_SEED, .against = "lstm:forget=0", .against_length = 20, .low = 0.01, .high = HUGE_VAL, .published = "ppl 1.47 and 1.35", .source = "Aicher et al. 2019, Table C.1"},
    {0},
};
// clang-format on

#define AICHER(kind, rates)                                                            \
    .chapter = CHAPTER_WINDOW, .question = "Is a window that holds the lag enough?",   \
    .grid = {"lstm:forget=0", NUMBERS(5, 10, 15, 20, 30), NUMBERS(0), rates},          \
    .train = AICHER_TRAIN, .settle = aicher_settle, .task = AICHER_TASK(draw_##kind),  \
    .test = TEST_STEPS / CALL * ROWS, .glance = 100, .unit = "nats a step",            \
    .length_name = "window K (steps)", .from = SIZE_FULL, .full = "--steps 80",        \
    .longer = "--seed 0..4 --steps 210", .claims = kind##_claims,                      \
    .values = kind##_values

const Experiment experiment_aicher = {
    AICHER(fixed, NULL),
    .name = "aicher",
    .claim = "a window shorter than the lag of 10 fails, and one that holds it is as "
             "good as any",
};

const Experiment experiment_aicher_variable = {
    AICHER(variable, "1,0.5"), /* at theirs, 1, a window of 20 did not settle */
    .name = "aicher_variable",
    .claim = "with lags of 5 to 10, windows gain up to 10 steps",
};

/* ---- delayed echo ---- */

enum { ECHO = 10 };

static void draw_echo(const Draw *draw, WeftBatch *batch, int row)
{
    enum { BIT = 0x6563686f };
    const uint64_t stream = (draw->index << 32) + draw->first;
    for (int t = 0; t < batch->steps; t++) {
        const size_t at = (size_t)t * (size_t)batch->rows + (size_t)row;
        const uint64_t index = stream + (uint64_t)t;
        batch->x[at] = (float)(weft_random_bits(draw->seed, BIT, index + ECHO) & 1);
        batch->target[at] = (float)(weft_random_bits(draw->seed, BIT, index) & 1);
    }
}

static const Oracle of_echo[] = {
    {.name = "no memory", .loss = LN2},
    {0},
};

// clang-format off
#define CHANCE(which, far) \
    {.name = which "-" #far, .text = which " is at chance, h = " #far ": within 0.02 nats of ln 2", .cell = which, .length = far, .over = EVERY_SEED, .low = LN2 - 0.02, .high = LN2 + 0.02, .published = "ln 2 = 0.693", .source = "no gradient reaches back to the bit"}
#define TAUGHT(which, far) \
    {.name = which "-" #far, .text = which " echoes 98 % of the bits, h = " #far, .cell = which, .length = far, .of = SOLVED, .over = MEAN_SEED, .low = 1, .high = 1, .published = "100 %", .source = "the state can hold ten bits"}
static const Claim echo_claims[] = {
    CHANCE("rnn", 5), CHANCE("lstm", 5), CHANCE("lstm", 10), CHANCE("gru", 10),
    TAUGHT("rnn", 20), TAUGHT("lstm", 20), TAUGHT("gru", 20),
    {0},
};
// clang-format on

const Experiment experiment_echo = {
    .chapter = CHAPTER_WINDOW,
    .name = "echo",
    .question = "Does a window teach a lag that it does not hold?",
    .claim = "windows of up to 10 steps leave an echo of lag 10 at chance; longer ones "
             "teach it to every cell",
    .grid = {"rnn,lstm,gru", NUMBERS(5, 10, 15, 20), NUMBERS(0, 1), NULL},
    .train =
        {
            SETTINGS_COMMON,
            .hidden = 32,
            .batch = 32,
            .chunk = 0, /* the window is what a batch draws on */
            .chunks_per_update = 1,
            .reset = 0,
            .rate = 3e-3,
            .steps = 5000,
            .every = 250,
        },
    .task = {.input = WEFT_DENSE,
             .inputs = 1,
             .outputs = 1,
             .loss = WEFT_SIGMOID,
             .carried = true,
             .draw = draw_echo},
    .test = 2000,
    .glance = 50,
    .right = 0.98,
    .unit = "nats a step",
    .length_name = "window h (steps)",
    .oracles = of_echo,
    .claims = echo_claims,
    .full = "--length 5,10,12,15,20,30 --seed 0..4",
    .longer = "--length 5,10,11,12,15,20,30 --seed 0..9",
};

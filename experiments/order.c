/* order.c: in which order did two (three) marked symbols come?
 *
 * Hochreiter & Schmidhuber 1997, experiment 6, as Pascanu et al. 2013 draw it: six
 * symbols, A and B among four distractors; one of A and B at a place in [L/10, 2L/10),
 * one in [5L/10, 6L/10), and of three in [L/10, ..), [3L/10, ..), [6L/10, ..), each a
 * tenth long; at the end the class is which came where. Success: fewer than 1 % of the
 * test sequences wrong. */
#include "experiment.h"

enum { DISTRACTORS = 4, SYMBOLS = 2 + DISTRACTORS, MARKS_MAX = 3 };
enum { SHORTEST = 10 }; /* sequence that has tenths */

/* Tenths of the sequence at which each mark's range begins. */
static const int two[] = {1, 5}, three[] = {1, 3, 6};

static void draw_marks(const Draw *draw, WeftBatch *batch, int row, int marks,
                       int steps)
{
    enum { DISTRACTOR = 0x6f726472, PLACE, MARK }; /* streams */
    const size_t rows = (size_t)batch->rows;
    const int *const tenth = marks == 2 ? two : three;
    int32_t *symbol = batch->symbol + row;
    for (size_t t = 0; t < (size_t)steps; t++)
        symbol[t * rows] =
            2 + (int32_t)weft_random_below(draw->seed, DISTRACTOR,
                                           draw->index * (uint64_t)batch->steps + t,
                                           DISTRACTORS);
    batch->label[row] = 0;
    for (int m = 0; m < marks; m++) {
        const uint64_t index = draw->index * MARKS_MAX + (uint64_t)m;
        const int place =
            steps * tenth[m] / 10 +
            (int)weft_random_below(draw->seed, PLACE, index, (uint32_t)steps / 10);
        const int32_t mark = (int32_t)weft_random_below(draw->seed, MARK, index, 2);
        symbol[(size_t)place * rows] = mark;
        batch->label[row] += mark << m;
    }
}

static void draw_fixed(const Draw *draw, WeftBatch *batch, int row)
{
    draw_marks(draw, batch, row, 2, batch->steps);
}

/* As Pascanu's nets of one model for many lengths: training sequences have from a quarter
 * of L to L steps, the others L. */
static void draw_mixed(const Draw *draw, WeftBatch *batch, int row, int marks)
{
    enum { STEPS = 0x6f726474 }; /* a stream */
    const int least = batch->steps / 4 > SHORTEST ? batch->steps / 4 : SHORTEST;
    int steps = batch->steps;
    if (draw->part == TRAINING)
        steps -= (int)weft_random_below(draw->seed, STEPS, draw->index,
                                        (uint32_t)(batch->steps - least) + 1);
    batch->length[row] = steps;
    draw_marks(draw, batch, row, marks, steps);
}

static void draw_two(const Draw *draw, WeftBatch *batch, int row)
{
    draw_mixed(draw, batch, row, 2);
}

static void draw_three(const Draw *draw, WeftBatch *batch, int row)
{
    draw_mixed(draw, batch, row, 3);
}

#define LN2 0.6931471805599453

static const Oracle of_two[] = {
    {.name = "no memory", .loss = 2 * LN2},
    {.name = "the last mark kept", .loss = LN2},
    {0},
};
static const Oracle of_three[] = {
    {.name = "no memory", .loss = 3 * LN2},
    {.name = "the last mark kept", .loss = 2 * LN2},
    {0},
};

#define TASK(marks, function)                                                          \
    {                                                                                  \
        .input = WEFT_SYMBOLS, .inputs = SYMBOLS, .outputs = 1 << (marks),             \
        .loss = WEFT_SOFTMAX, .vector = true, .draw = function                         \
    }

#define PASCANU13 "Pascanu et al. 2013, Figure 7: SGD succeeds at short L only"
#define HS97      "Hochreiter & Schmidhuber 1997, Table 9: LSTM solves lengths of 100 to 110"

// clang-format off
#define SOLVES(which, far, least, says, from) \
    {.name = which "-" #far, .text = which " solves L = " #far, .cell = which, .length = far, .of = SOLVED, .over = MEAN_SEED, .low = least, .high = 1, .published = says, .source = from}

static const Claim sgd_claims[] = {
    SOLVES("rnn", 10, 0.6, "solved", PASCANU13),
    {.name = "rnn-50", .text = "rnn solves L = 50 with no seed", .cell = "rnn", .length = 50, .of = SOLVED, .over = MEAN_SEED, .low = 0, .high = 0, .published = "0 %", .source = PASCANU13},
    {0},
};
static const Claim order_claims[] = {
    SOLVES("lstm", 50, 0.6, "solved", HS97),
    SOLVES("lstm", 100, 0.6, "solved (1 of 2560 wrong)", HS97),
    SOLVES("gru", 50, 0.6, "solved", "as LSTM"),
    SOLVES("gru", 100, 0.6, "solved", "as LSTM"),
    {0},
};
static const Claim order_values[] = {
    SOLVES("lstm", 100, 0.6, "1 of 2560 wrong", "Hochreiter & Schmidhuber 1997, Table 9, experiment 6a"),
    {0},
};
static const Claim order3_claims[] = {
    SOLVES("lstm", 100, 0.6, "solved (2 of 2560 wrong)", "Hochreiter & Schmidhuber 1997, Table 9, experiment 6b"),
    {0},
};
static const Claim order3_values[] = {
    SOLVES("lstm", 100, 0.6, "2 of 2560 wrong", "Hochreiter & Schmidhuber 1997, Table 9, experiment 6b"),
    {0},
};
// clang-format on

#define ORDER(marks, function, known)                                                  \
    .chapter = CHAPTER_ORDER,                                                          \
    .task = {.input = WEFT_SYMBOLS,                                                    \
             .inputs = SYMBOLS,                                                        \
             .outputs = 1 << (marks),                                                  \
             .loss = WEFT_SOFTMAX,                                                     \
             .vector = true,                                                           \
             .shortest = SHORTEST,                                                     \
             .draw = function},                                                        \
    .test = 2000, .right = 0.99, .unit = "nats",                                       \
    .length_name = "sequence length L (steps)", .dependency = true, .oracles = known

#define ADAM                                                                           \
    {                                                                                  \
        SETTINGS_COMMON, .parameters = 5000, .batch = 32, .chunk = 0, /* never cut */  \
            .chunks_per_update = 1, .rate = 3e-3, .steps = 5000, .every = 250          \
    }

const Experiment experiment_order_sgd = {
    ORDER(2, draw_fixed, of_two),
    .name = "order_sgd",
    .question = "How far apart may two symbols be for plain gradient descent?",
    .claim = "rnn learns the order over 10 steps, and never over 50",
    .grid = {"rnn", NUMBERS(10, 20, 50), NUMBERS(0, 1, 2), NULL},
    .train = {SETTINGS_COMMON, .hidden = 50, .batch = 20, .chunk = 0, /* never cut */
              .chunks_per_update = 1, .optimizer = WEFT_SGD, .rate = 1e-2,
              .steps = 20000, .every = 2500},
    .glance = 100,
    .full = "--length 10,20,30,50 --seed 0..4 --steps 100000",
    .longer = "--cell rnn,lstm,gru --length 10,20,30,50,100 --seed 0..4 --steps 500000",
    .claims = sgd_claims,
};

const Experiment experiment_order = {
    ORDER(2, draw_two, of_two),
    .name = "order",
    .question = "In which order did two symbols far apart come?",
    .claim =
        "lstm and gru tell it over 100 steps; with Adam too, rnn fails long before",
    .grid = {"rnn,lstm,gru", NUMBERS(20, 50, 100), NUMBERS(0, 1, 2), "3e-3,1e-3"},
    .train = ADAM,
    .glance = 50,
    .full = "--length 10,20,50,100,200 --seed 0..4",
    .longer = "--length 10,20,50,100,200,400 --seed 0..9 --steps 20000",
    .claims = order_claims,
    .values = order_values,
};

const Experiment experiment_order3 = {
    ORDER(3, draw_three, of_three),
    .name = "order3",
    .question = "And of three symbols?",
    .claim = "lstm tells it over 100 steps",
    .grid = {"rnn,lstm,gru", NUMBERS(20, 50, 100), NUMBERS(0, 1, 2), "3e-3,1e-3"},
    .train = ADAM,
    .glance = 50,
    .from = SIZE_FULL,
    .longer = "--length 20,50,100,200 --seed 0..9 --steps 20000",
    .claims = order3_claims,
    .values = order3_values,
};

/* formal.c: what a cell can compute: follow a state, count, and recall pairs.
 *
 * A cell whose gates see the state can follow one; one whose state is a sum without bound
 * can count (Weiss, Goldberg & Yahav 2018); one whose state is a matrix can hold many pairs
 * (Beck et al. 2024). No cell is best at all three. */
#include "experiment.h"

#include <stdlib.h>

#define BECK24 "Beck et al. 2024"

/* ---- parity: the running XOR of random bits, at every step ---- */

#define PARITY_MIN 3
#define PARITY_MAX 40 /* of a training string */

static int parity_steps(int length, Part part)
{
    return part == TRAINING ? PARITY_MAX : length;
}

/* The steps that training strings have are not scored. */
static void parity_draw(const Draw *draw, WeftBatch *batch, int row)
{
    enum { BITS = 0x706172, LENGTH }; /* streams */
    const uint64_t words = ((uint64_t)batch->steps + 31) / 32;
    const bool training = draw->part == TRAINING;
    int parity = 0;
    if (training)
        batch->length[row] =
            PARITY_MIN + (int)weft_random_below(draw->seed, LENGTH, draw->index,
                                                PARITY_MAX - PARITY_MIN + 1);
    for (int t = 0; t < batch->steps; t++) {
        const int at = t * batch->rows + row;
        const uint32_t bits =
            weft_random_bits(draw->seed, BITS, draw->index * words + (uint64_t)t / 32);
        const int bit = bits >> (t % 32) & 1;
        parity ^= bit;
        batch->symbol[at] = bit;
        batch->label[at] = parity;
        batch->weight[at] = training ? t < batch->length[row] : t >= PARITY_MAX;
    }
}

static const Oracle parity_oracles[] = {{"guessing", 0.693147180559945, NULL}, {0}};

#define DELETANG23 "Deletang et al. 2023, Table 2 (steps 41 to 500)"
#define SUM        "its state is a sum whose weights the inputs decide"
#define PARITY_AT  .length = 256, .of = SCORE
#define FOLLOWS    PARITY_AT, .over = SOME_SEED, .low = 1, .high = 1
#define GUESSES    PARITY_AT, .over = EVERY_SEED, .low = 0.45, .high = 0.55

// clang-format off
static const Claim parity_claims[] = {
    {.name = "lstm", .text = "lstm is right at all of steps 41 to 256", .cell = "lstm", FOLLOWS, .published = "100 %", .source = DELETANG23},
    {.name = "slstm", .text = "slstm is right at all of steps 41 to 256", .cell = "slstm", FOLLOWS, .published = "-", .source = "its gates see the state"},
    {.name = "rnn", .text = "rnn is right at all of steps 41 to 256", .cell = "rnn", FOLLOWS, .published = "100 %", .source = DELETANG23},
    {.name = "mlstm", .text = "mlstm guesses", .cell = "mlstm", GUESSES, .published = "not solved", .source = BECK24 ", figure 4"},
    {.name = "mingru", .text = "mingru guesses", .cell = "mingru", GUESSES, .published = "-", .source = SUM},
    {.name = "minlstm", .text = "minlstm guesses", .cell = "minlstm", GUESSES, .published = "-", .source = SUM},
    {0},
};
static const Claim parity_values[] = {
    {.name = "mlstm", .text = "mlstm does not solve parity", .cell = "mlstm", PARITY_AT, .over = EVERY_SEED, .low = 0, .high = 0.9, .published = "not solved", .source = BECK24 ", figure 4"},
    {0},
};
// clang-format on

const Experiment experiment_parity = {
    .chapter = CHAPTER_FORMAL,
    .name = "parity",
    .question = "Does the cell follow a state that every bit may change? The parity of "
                "the bits so far, learnt on at most 40",
    .claim =
        "rnn, lstm and slstm are right to step 256; mlstm, mingru and minlstm, whose "
        "gates do not see the state, guess",
    .grid = {"rnn,lstm,slstm,mlstm,mingru,minlstm", NUMBERS(256), NUMBERS(0, 1, 2),
             "1e-2,1e-3"},
    .train = {SETTINGS_COMMON, .hidden = 32, .batch = 32, .chunks_per_update = 1,
              .rate = 1e-2, .steps = 2000, .every = 100},
    .task = {.input = WEFT_SYMBOLS,
             .inputs = 2,
             .outputs = 2,
             .loss = WEFT_SOFTMAX,
             .shortest = PARITY_MAX + 1,
             .steps = parity_steps,
             .draw = parity_draw},
    .test = 1000,
    .glance = 10,
    .right = 1,
    .unit = "nats",
    .length_name = "length of the test strings (bits)",
    .full = "--cell rnn,gru,lstm,slstm,mlstm,mingru,minlstm --seed 0..4 --rates "
            "1e-2,3e-3,1e-3 --steps 5000",
    .longer = "--cell rnn,gru,lstm,slstm,mlstm,mingru,minlstm --length 256,1000 --seed "
              "0..9 --rates 1e-2,3e-3,1e-3 --steps 20000",
    .oracles = parity_oracles,
    .claims = parity_claims,
    .values = parity_values,
};

/* ---- a^n b^n (c^n): which symbols may come next? ---- */

#define COUNT_MAX 10 /* n of a training string */

/* The n of a string: of the held-out parts, each in turn. */
static int count_of(const Draw *draw)
{
    if (draw->part == TRAINING)
        return 1 + (int)weft_random_below(draw->seed, 0x616e62, draw->index, COUNT_MAX);
    const uint64_t most = draw->part == TEST ? (uint64_t)draw->length : 2 * COUNT_MAX;
    return 1 + (int)(draw->index % most);
}

static int count_most(int length, Part part)
{
    return part == TEST ? length : part == TRAINING ? COUNT_MAX : 2 * COUNT_MAX;
}

/* Symbols: 0 starts the string, then come its letters; outputs: the letters, the end.
 * While the first letter lasts, the second may follow too; all after is decided. */
static void count_string(int n, WeftBatch *batch, int row)
{
    const int letters = batch->outputs - 1;
    for (int t = 0; t <= letters * n; t++) {
        const size_t at = (size_t)t * (size_t)batch->rows + (size_t)row;
        float *legal = batch->target + at * (size_t)batch->outputs;
        batch->symbol[at] = t ? 1 + (t - 1) / n : 0;
        for (int o = 0; o <= letters; o++)
            legal[o] = t <= n ? o == 0 || (o == 1 && t) : o == t / n;
    }
}

static int anbn_steps(int length, Part part)
{
    return 1 + 2 * count_most(length, part);
}
static int anbncn_steps(int length, Part part)
{
    return 1 + 3 * count_most(length, part);
}

static void count_draw(const Draw *draw, WeftBatch *batch, int row)
{
    const int n = count_of(draw), steps = 1 + (batch->outputs - 1) * n;
    count_string(n, batch, row);
    batch->length[row] = steps;
    for (int t = steps; t < batch->steps; t++) batch->weight[t * batch->rows + row] = 0;
}

/* Whether exactly the legal symbols are more likely than not, all along the string. */
static bool count_accepts(const WeftBatch *batch, const float *likely)
{
    bool good = true;
    for (int i = 0; i < batch->steps * batch->outputs; i++)
        good &= (likely[i] > 0.5F) == (batch->target[i] > 0.5F);
    return good;
}

/* The largest n such that all strings up to it are accepted. */
static bool count_reach(WeftNet *net, WeftBatch *batch, float *likely, int most, int *n,
                        WeftError *err)
{
    const int letters = batch->outputs - 1;
    for (*n = 0; *n < most; ++*n) {
        batch->steps = 1 + letters * (*n + 1);
        count_string(*n + 1, batch, 0);
        if (!weft_predict(net, batch, likely, err)) return false;
        if (!count_accepts(batch, likely)) return true;
    }
    return true;
}

static bool count_score(WeftNet *net, const Drawn *part, WeftScore *score,
                        WeftError *err)
{
    const int outputs = part->task->outputs,
              most = count_most(part->length, part->part);
    const size_t steps = 1 + (size_t)(outputs - 1) * (size_t)most;
    int n = 0;
    WeftBatch batch = {.rows = 1, .outputs = outputs, .fresh = true};
    batch.symbol = calloc(steps, sizeof *batch.symbol);
    batch.target = calloc(steps * (size_t)outputs, sizeof *batch.target);
    float *likely = calloc(steps * (size_t)outputs, sizeof *likely);
    const bool good = batch.symbol && batch.target && likely
                          ? count_reach(net, &batch, likely, most, &n, err)
                          : fail(err, "out of memory");
    score->accuracy = n;
    free(batch.symbol);
    free(batch.target);
    free(likely);
    return good;
}

#define CYBER  "cybertronai/schmidhuber-problems, anbn-anbncn (NumPy)"
#define WEISS  "Weiss, Goldberg & Yahav 2018"
#define ANBN   .length = 256, .of = SCORE
#define ANBNCN .length = 100, .of = SCORE

// clang-format off
static const Claim anbn_claims[] = {
    {.name = "peephole-50", .text = "lstm_peephole accepts all strings to n = 50", .cell = "lstm_peephole", ANBN, .over = SOME_SEED, .low = 50, .high = 256, .published = "65 to 100 (of at most 100)", .source = CYBER},
    {.name = "lstm-gru", .text = "lstm counts further than gru", .cell = "lstm", ANBN, .over = MEDIAN_SEED, .against = "gru", .low = 1, .high = 256, .published = "LSTM can count, GRU cannot", .source = WEISS},
    {.name = "gru-50", .text = "gru does not count to 50", .cell = "gru", ANBN, .over = EVERY_SEED, .low = 0, .high = 49, .published = "cannot count", .source = WEISS},
    {.name = "rnn-50", .text = "rnn does not count to 50", .cell = "rnn", ANBN, .over = EVERY_SEED, .low = 0, .high = 49, .published = "cannot count", .source = WEISS},
    {0},
};
static const Claim anbn_values[] = {
    {.name = "peephole", .text = "largest n of lstm_peephole, two units", .cell = "lstm_peephole", ANBN, .over = MEDIAN_SEED, .low = 65, .high = 256, .published = "100 (65 to 100 of at most 100)", .source = CYBER},
    {0},
};
static const Claim anbncn_claims[] = {
    {.name = "peephole-18", .text = "lstm_peephole accepts all strings to n = 18", .cell = "lstm_peephole", ANBNCN, .over = SOME_SEED, .low = 18, .high = 100, .published = "18 to 29", .source = CYBER},
    {.name = "lstm-gru", .text = "lstm counts further than gru", .cell = "lstm", ANBNCN, .over = MEDIAN_SEED, .against = "gru", .low = 1, .high = 100, .published = "LSTM can count, GRU cannot", .source = WEISS},
    {.name = "gru-18", .text = "gru does not count to 18", .cell = "gru", ANBNCN, .over = EVERY_SEED, .low = 0, .high = 17, .published = "cannot count", .source = WEISS},
    {.name = "rnn-18", .text = "rnn does not count to 18", .cell = "rnn", ANBNCN, .over = EVERY_SEED, .low = 0, .high = 17, .published = "cannot count", .source = WEISS},
    {0},
};
static const Claim anbncn_values[] = {
    {.name = "peephole", .text = "largest n of lstm_peephole, three units", .cell = "lstm_peephole", ANBNCN, .over = MEDIAN_SEED, .low = 18, .high = 100, .published = "24 (18 to 29)", .source = CYBER},
    {0},
};
// clang-format on

/* A string to an update, and as many weights as the source's peephole LSTM has. */
#define COUNT_TRAIN                                                                    \
    SETTINGS_COMMON, .batch = 1, .chunks_per_update = 1, .rate = 1e-2, .every = 5000
#define COUNT_COMMON                                                                   \
    .chapter = CHAPTER_FORMAL, .glance = 100, .score_name = "n", .score = count_score, \
    .unit = "nats", .length_name = "largest n of the test strings"
#define COUNT_GRID(length)                                                             \
    {                                                                                  \
        "rnn,gru,lstm,lstm_peephole,rnn_relu", NUMBERS(length),                        \
            NUMBERS(0, 1, 2, 3, 4), "3e-2,1e-2"                                        \
    }
#define COUNT_TASK(symbols)                                                            \
    .input = WEFT_SYMBOLS, .inputs = symbols, .outputs = symbols,                      \
    .loss = WEFT_SIGMOID, .draw = count_draw

const Experiment experiment_anbn = {
    COUNT_COMMON,
    .name = "anbn",
    .question =
        "Does the cell count? a^n b^n, learnt to n = 10: to which n does it know "
        "at every step what may follow?",
    .claim =
        "lstm_peephole counts beyond n = 50, and lstm further than gru; gru and rnn "
        "break soon after 10",
    .grid = COUNT_GRID(256),
    .train = {COUNT_TRAIN, .parameters = 63, .steps = 20000},
    .task = {COUNT_TASK(3), .steps = anbn_steps},
    .test = 256,
    .full = "--seed 0..9 --rates 3e-2,1e-2,3e-3",
    .longer = "--seed 0..19 --rates 3e-2,1e-2,3e-3 --steps 100000",
    .claims = anbn_claims,
    .values = anbn_values,
};

const Experiment experiment_anbncn = {
    COUNT_COMMON,
    .name = "anbncn",
    .question = "Does the cell count twice? a^n b^n c^n, learnt to n = 10",
    .claim =
        "lstm_peephole counts beyond n = 18, and lstm further than gru; gru and rnn "
        "break soon after 10",
    .grid = COUNT_GRID(100),
    .train = {COUNT_TRAIN, .parameters = 121, .steps = 30000},
    .task = {COUNT_TASK(4), .steps = anbncn_steps},
    .test = 100,
    .full = "--seed 0..9 --rates 3e-2,1e-2,3e-3",
    .longer = "--seed 0..19 --rates 3e-2,1e-2,3e-3 --steps 100000",
    .claims = anbncn_claims,
    .values = anbncn_values,
};

/* ---- recall: which value came with this key? ---- */

#define RECALL_KEYS   32 /* so many pairs at most */
#define RECALL_VALUES 32

/* `count` of 0 .. below-1, each once, in random order. */
static void choose(const Draw *draw, uint64_t stream, int count, int below, int *chosen)
{
    int left[RECALL_KEYS];
    for (int i = 0; i < below; i++) left[i] = i;
    for (int i = 0; i < count; i++) {
        const int at =
            i + (int)weft_random_below(draw->seed, stream,
                                       draw->index * RECALL_KEYS + (uint64_t)i,
                                       (uint32_t)(below - i));
        chosen[i] = left[at];
        left[at] = left[i];
    }
}

static int recall_steps(int length, Part part)
{
    (void)part;
    return 2 * length;
}

/* Multi-query associative recall (Arora et al. 2023), but that a key and its value come in
 * one step: what joins two steps in the blocks of xLSTM, a convolution, is no part of its
 * cells. First the pairs, then all keys alone, in another order. */
static void recall_draw(const Draw *draw, WeftBatch *batch, int row)
{
    enum { KEY = 0x726563, VALUE, ORDER }; /* streams */
    const int pairs = batch->steps / 2;
    int key[RECALL_KEYS], order[RECALL_KEYS];
    choose(draw, KEY, pairs, RECALL_KEYS, key);
    choose(draw, ORDER, pairs, pairs, order);
    for (int i = 0; i < pairs; i++) {
        const int value = (int)weft_random_below(
            draw->seed, VALUE, draw->index * RECALL_KEYS + (uint64_t)i, RECALL_VALUES);
        const int stored = i * batch->rows + row;
        const int asked = (pairs + order[i]) * batch->rows + row;
        batch->x[stored * batch->inputs + key[i]] = 1;
        batch->x[stored * batch->inputs + RECALL_KEYS + value] = 1;
        batch->x[asked * batch->inputs + key[i]] = 1;
        batch->label[asked] = value;
        batch->weight[stored] = 0;
    }
}

static const Oracle recall_oracles[] = {{"guessing", 3.46573590279973, NULL}, {0}};

#define PAIRS(n)   .length = n, .of = SCORE
#define RECALLS(n) PAIRS(n), .over = EVERY_SEED, .low = 0.99, .high = 1
#define FORGETS(n) PAIRS(n), .over = EVERY_SEED, .low = 0, .high = 0.6
#define MATRIX24   "solved at all widths (figure)"
#define SCALAR24   "cells without a matrix fall short (figure)"
#define MIXED24    "xLSTM[0:1] better than LSTM (figure)"
#define MQAR24     BECK24 ", section 4.1 (vocabulary 8192, pairs in two steps, two blocks)"

// clang-format off
static const Claim recall_claims[] = {
    {.name = "mlstm-4", .text = "mlstm recalls 4 pairs", .cell = "mlstm", RECALLS(4), .published = MATRIX24, .source = MQAR24},
    {.name = "mlstm-8", .text = "mlstm recalls 8 pairs", .cell = "mlstm", RECALLS(8), .published = MATRIX24, .source = MQAR24},
    {.name = "lstm-8", .text = "lstm recalls at most 60 % of 8 pairs", .cell = "lstm", FORGETS(8), .published = SCALAR24, .source = MQAR24},
    {.name = "slstm-8", .text = "slstm recalls at most 60 % of 8 pairs", .cell = "slstm", FORGETS(8), .published = SCALAR24, .source = MQAR24},
    {.name = "rnn-8", .text = "rnn recalls at most 60 % of 8 pairs", .cell = "rnn", FORGETS(8), .published = SCALAR24, .source = MQAR24},
    {.name = "mlstm-16", .text = "mlstm recalls 16 pairs", .cell = "mlstm", RECALLS(16), .published = MATRIX24, .source = MQAR24},
    {.name = "lstm-16", .text = "lstm recalls at most 60 % of 16 pairs", .cell = "lstm", FORGETS(16), .published = SCALAR24, .source = MQAR24},
    {.name = "slstm-16", .text = "slstm recalls at most 60 % of 16 pairs", .cell = "slstm", FORGETS(16), .published = SCALAR24, .source = MQAR24},
    {0},
};
static const Claim recall_values[] = {
    {.name = "matrix-4", .text = "mlstm, 4 pairs", .cell = "mlstm", RECALLS(4), .published = MATRIX24, .source = MQAR24},
    {.name = "matrix-8", .text = "mlstm, 8 pairs", .cell = "mlstm", RECALLS(8), .published = MATRIX24, .source = MQAR24},
    {.name = "matrix-16", .text = "mlstm, 16 pairs", .cell = "mlstm", RECALLS(16), .published = MATRIX24, .source = MQAR24},
    {.name = "mixing-8", .text = "slstm over lstm, 8 pairs", .cell = "slstm", PAIRS(8), .over = MEDIAN_SEED, .against = "lstm", .low = 0.001, .high = 1, .published = MIXED24, .source = MQAR24},
    {.name = "mixing-16", .text = "slstm over lstm, 16 pairs", .cell = "slstm", PAIRS(16), .over = MEDIAN_SEED, .against = "lstm", .low = 0.001, .high = 1, .published = MIXED24, .source = MQAR24},
    {0},
};
// clang-format on

const Experiment experiment_recall = {
    .chapter = CHAPTER_FORMAL,
    .name = "recall",
    .question =
        "How many pairs does the cell hold? Each key's value is asked for after "
        "all pairs were shown once",
    .claim =
        "mlstm recalls 16 pairs; rnn, lstm and slstm of as many weights most of few",
    .grid = {"rnn,lstm,slstm,mlstm", NUMBERS(4, 8), NUMBERS(0, 1), "1e-2,3e-3"},
    .train = {SETTINGS_COMMON, .parameters = 20000, .batch = 64, .chunks_per_update = 1,
              .rate = 1e-2, .steps = 2000, .every = 200},
    .task = {.input = WEFT_DENSE,
             .inputs = RECALL_KEYS + RECALL_VALUES,
             .outputs = RECALL_VALUES,
             .loss = WEFT_SOFTMAX,
             .longest = RECALL_KEYS,
             .steps = recall_steps,
             .draw = recall_draw},
    .test = 1000,
    .glance = 50,
    .right = 0.99,
    .unit = "nats",
    .length_name = "pairs to be held",
    .full =
        "--cell rnn,gru,lstm,slstm,mlstm --length 2,4,8,16 --seed 0..2 --steps 3000",
    .longer =
        "--cell rnn,gru,lstm,slstm,mlstm --length 2,4,8,16,32 --seed 0..4 --steps "
        "20000 --rates 1e-2,3e-3,1e-3",
    .oracles = recall_oracles,
    .claims = recall_claims,
    .values = recall_values,
};

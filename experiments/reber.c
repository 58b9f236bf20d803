/* reber.c: does the cell carry one symbol over a string of a grammar?
 *
 * The embedded Reber grammar (Hochreiter & Schmidhuber 1997, section 5.1): B, then T or P,
 * then a string of the inner grammar, then the T or P from before, then E. What may follow
 * within the inner string is told by the symbols just read; the last but one symbol only by
 * the second, 7 steps before or more. Strings are drawn anew for every batch; those longer
 * than the length are drawn again. */
#include "experiment.h"

#include <stdlib.h>
#include <string.h>

enum { B, T, P, S, X, V, E, SYMBOLS, NODES = 7, LAST = 6 };

/* From each node of the inner grammar two ways: a symbol, the next node. */
static const int way[LAST][2][2] = {
    {{B, 1}, {B, 1}}, {{T, 2}, {P, 3}}, {{S, 2}, {X, 4}},
    {{T, 3}, {V, 5}}, {{X, 3}, {S, 6}}, {{P, 4}, {V, 6}},
};

#define STRING_MAX 256
#define SHORTEST   20 /* of the longest: hardly any try is in vain */

/* A string, and the set of symbols that may follow each but the last, one bit each. */
typedef struct String {
    int length;
    int symbol[STRING_MAX], legal[STRING_MAX];
} String;

static void put(String *string, int legal, int symbol)
{
    if (string->length) string->legal[string->length - 1] = legal;
    string->symbol[string->length++] = symbol;
}

/* One that may end before it is whole, when it is longer than `most`. */
static bool string_try(uint64_t seed, uint64_t index, int most, String *string)
{
    enum { WAY = 0x726562 }; /* a stream */
    uint64_t choice = index * STRING_MAX;
    const int outer = weft_random_below(seed, WAY, choice++, 2) ? P : T;
    string->length = 0;
    put(string, 0, B);
    put(string, 1 << T | 1 << P, outer);
    for (int node = 0; node != LAST;) {
        if (string->length > most - 4) return false;
        const int *const next = way[node][weft_random_below(seed, WAY, choice++, 2)];
        put(string, 1 << way[node][0][0] | 1 << way[node][1][0], next[0]);
        node = next[1];
    }
    put(string, 1 << E, E);
    put(string, 1 << outer, outer);
    put(string, 1 << E, E);
    return true;
}

/* The index-th of the strings that are short enough: of the tries 64 index on. */
static void string_draw(uint64_t seed, uint64_t index, int most, String *string)
{
    enum { TRIES = 64 };
    for (uint64_t i = 0; i < TRIES; i++)
        if (string_try(seed, index * TRIES + i, most, string)) return;
}

/* ---- which symbols may come next? ---- */

static void draw_next(const Draw *draw, WeftBatch *batch, int row)
{
    String string;
    string_draw(draw->seed, draw->index, batch->steps, &string);
    batch->length[row] = string.length;
    for (int t = 0; t < string.length; t++)
        batch->symbol[t * batch->rows + row] = string.symbol[t];
    for (int t = 0; t < batch->steps; t++) {
        const int at = t * batch->rows + row;
        const bool inside = t < string.length - 1;
        batch->weight[at] = inside;
        for (int i = 0; inside && i < SYMBOLS; i++)
            batch->target[at * SYMBOLS + i] = (float)(string.legal[t] >> i & 1);
    }
}

/* Of the batch, the strings whose last but one symbol is held more likely than the other
 * that an outer symbol may be. */
static int outer_right(const WeftBatch *batch, const float *out, const String *string)
{
    int right = 0;
    for (int row = 0; row < batch->rows; row++) {
        const int t = string[row].length - 3;
        const float *const p = out + (size_t)(t * batch->rows + row) * SYMBOLS;
        right += (p[T] > p[P]) == (string[row].symbol[1] == T);
    }
    return right;
}

enum { SCORE_ROWS = 64 };

/* The share of strings whose last but one symbol is told from the other. */
static bool outer_score(WeftNet *net, const Drawn *test, WeftScore *score,
                        WeftError *err)
{
    const size_t steps = (size_t)test->length;
    String *const string = calloc(SCORE_ROWS, sizeof *string);
    float *const out = calloc(steps * SCORE_ROWS * SYMBOLS, sizeof *out);
    int32_t *const symbol = calloc(steps * SCORE_ROWS, sizeof *symbol);
    int length[SCORE_ROWS], right = 0;
    uint64_t done = 0;
    WeftBatch batch = {.steps = test->length,
                       .rows = SCORE_ROWS,
                       .symbol = symbol,
                       .length = length,
                       .fresh = true};
    bool good = (string && out && symbol) || fail(err, "out of memory");
    for (; good && done < test->count; done += SCORE_ROWS) {
        memset(symbol, 0, steps * SCORE_ROWS * sizeof *symbol);
        for (int row = 0; row < SCORE_ROWS; row++) {
            String *const s = &string[row];
            string_draw(test->seed, done + (uint64_t)row, test->length, s);
            length[row] = s->length;
            for (int t = 0; t < s->length; t++)
                symbol[t * SCORE_ROWS + row] = s->symbol[t];
        }
        good = weft_predict(net, &batch, out, err);
        if (good) right += outer_right(&batch, out, string);
    }
    score->accuracy = (double)right / (double)done;
    free(string);
    free(out);
    free(symbol);
    return good;
}

/* A string of at most 30 symbols has 11.9724 on average; not to know one of its last costs
 * 2 ln 2 of all of them but the last. */
#define BLIND 0.1263443

static const Oracle oracles[] = {{.name = "all but the outer symbol", .loss = BLIND},
                                 {0}};

#define HS97    "Hochreiter & Schmidhuber 1997, Table 1"
#define GRAMMAR "the grammar: without memory of the second symbol"

// clang-format off
#define TOLD(which) \
    {.name = which, .text = which " tells the last but one symbol in 99 % of the strings, with every seed", .cell = which, .length = 30, .of = SCORE, .over = EVERY_SEED, .low = 0.99, .high = 1, .published = "100 % of the runs (LSTM)", .source = HS97}

static const Claim claims[] = {
    TOLD("lstm"), TOLD("gru"), TOLD("slstm"),
    {.name = "rnn-inner", .text = "rnn knows the other symbols: its loss is at most 1.2 times that of one who lacks only the outer one", .cell = "rnn", .length = 30, .over = MEDIAN_SEED, .low = 0, .high = 1.2 * BLIND, .published = "0.1263", .source = GRAMMAR},
    {0},
};
static const Claim values[] = {
    {.name = "lstm", .text = "lstm: share of runs that succeed", .cell = "lstm", .length = 30, .of = SOLVED, .over = MEAN_SEED, .low = 0.97, .high = 1, .published = "97 to 100 %", .source = HS97},
    {0},
};
static const Claim elman_claims[] = {
    {.name = "rnn", .text = "rnn tells it in at most 80 % of the strings (median; chance: 50 %)", .cell = "rnn", .length = 30, .of = SCORE, .over = MEDIAN_SEED, .low = 0.45, .high = 0.8, .published = "0 % of the runs (Elman nets)", .source = HS97},
    {0},
};
static const Claim elman_values[] = {
    {.name = "rnn", .text = "Elman net: share of runs that succeed", .cell = "rnn", .length = 30, .of = SOLVED, .over = MEAN_SEED, .low = 0, .high = 0, .published = "0 %", .source = HS97},
    {0},
};
// clang-format on

#define NEXT_COMMON                                                                    \
    .chapter = CHAPTER_REBER, .test = 1024, .glance = 100, .score = outer_score,       \
    .score_name = "last but one symbol right", .right = 0.995,                         \
    .unit = "nats a symbol", .length_name = "longest string (symbols)",                \
    .oracles = oracles
#define NEXT_TRAIN                                                                     \
    SETTINGS_COMMON, .parameters = 3500, .batch = 32, .chunks_per_update = 1,          \
                     .rate = 5e-3, .steps = 3000, .every = 100
#define NEXT_TASK                                                                      \
    .input = WEFT_SYMBOLS, .inputs = SYMBOLS, .outputs = SYMBOLS,                      \
    .loss = WEFT_SIGMOID, .shortest = SHORTEST, .longest = STRING_MAX,                 \
    .draw = draw_next

const Experiment experiment_reber = {
    NEXT_COMMON,
    .name = "reber",
    .question = "Does the cell carry a symbol over a string of a grammar?",
    .claim =
        "short memory is enough for all symbols but the last but one, which repeats "
        "the second: gated cells tell it. Seven steps are within reach of rnn too, "
        "where its gradient is not cut",
    .grid = {"rnn,lstm,gru,slstm", NUMBERS(30), NUMBERS(0, 1, 2), NULL},
    .train = {NEXT_TRAIN, .chunk = 0 /* never cut */},
    .task = {NEXT_TASK},
    .full = "--seed 0..9 --rates 1e-2,5e-3",
    .longer = "--seed 0..19 --rates 1e-2,5e-3,1e-3 --steps 20000",
    .claims = claims,
    .values = values,
};

/* The published simple nets are Elman's: no error goes back over a step. */
const Experiment experiment_reber_elman = {
    NEXT_COMMON,
    .name = "reber_elman",
    .question = "Does it when trained as Elman did, the gradient cut at every step?",
    .claim = "rnn does not: what it would have to keep changes no loss of that step",
    .grid = {"rnn", NUMBERS(30), NUMBERS(0, 1, 2), NULL},
    .train = {NEXT_TRAIN, .chunk = 1, .steps = 30000 /* 1000 batches */, .every = 3000},
    .task = {NEXT_TASK},
    .full = "--seed 0..4 --steps 200000",
    .longer = "--seed 0..9 --rates 1e-2,5e-3,1e-3 --steps 200000",
    .claims = elman_claims,
    .values = elman_values,
};

/* ---- is it one of the grammar? ---- */

/* Half of them have one symbol changed into another; they end with E and then blanks. */
static void draw_class(const Draw *draw, WeftBatch *batch, int row)
{
    enum { CHANGED = 0x726563, WHERE, WHAT }; /* streams */
    String string;
    string_draw(draw->seed, draw->index, batch->steps, &string);
    const bool changed = weft_random_below(draw->seed, CHANGED, draw->index, 2);
    if (changed) {
        int *const at = &string.symbol[weft_random_below(draw->seed, WHERE, draw->index,
                                                         (uint32_t)string.length)];
        *at = (*at + 1 +
               (int)weft_random_below(draw->seed, WHAT, draw->index, SYMBOLS - 1)) %
              SYMBOLS;
    }
    batch->length[row] = string.length;
    for (int t = 0; t < string.length; t++)
        batch->symbol[t * batch->rows + row] = string.symbol[t];
    batch->target[row] = !changed;
}

#define GERON                                                                          \
    "Geron, Hands-On Machine Learning, chapter 16, exercise 8: GRU of 30 units"

// clang-format off
static const Claim class_claims[] = {
    {.name = "gru", .text = "gru of 30 units tells good strings from changed ones, 99.5 % or more", .cell = "gru", .length = 30, .of = SCORE, .over = SOME_SEED, .low = 0.995, .high = 1, .published = "1.000", .source = GERON},
    {0},
};
static const Claim class_values[] = {
    {.name = "gru", .text = "accuracy of a gru of 30 units (best of the seeds)", .cell = "gru", .length = 30, .of = SCORE, .over = SOME_SEED, .low = 0.9975, .high = 1, .published = "1.000 of 2000", .source = GERON},
    {0},
};
// clang-format on

const Experiment experiment_reber_class = {
    .chapter = CHAPTER_REBER,
    .name = "reber_class",
    .question = "Is a string of the grammar, or is one of its symbols another?",
    .claim = "a gru of 30 units learns to tell all of them",
    .grid = {"rnn,lstm,gru", NUMBERS(30), NUMBERS(0, 1), NULL},
    .train = {SETTINGS_COMMON, .hidden = 30, .embedding = 5, .batch = 32,
              .chunk = 0, /* never cut */
              .chunks_per_update = 1, .rate = 5e-3, .steps = 4000, .every = 250},
    .task = {.input = WEFT_SYMBOLS,
             .inputs = SYMBOLS,
             .outputs = 1,
             .loss = WEFT_SIGMOID,
             .vector = true,
             .shortest = SHORTEST,
             .longest = STRING_MAX,
             .draw = draw_class},
    .full = "--seed 0..4 --steps 12000",
    .longer = "--seed 0..9 --steps 40000",
    .test = 2000,
    .glance = 100,
    .right = 0.9999,
    .unit = "nats",
    .length_name = "longest string (symbols)",
    .claims = class_claims,
    .values = class_values,
};

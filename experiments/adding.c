/* adding.c: does the cell remember two marked numbers over a whole sequence?
 *
 * Hochreiter & Schmidhuber 1997, as Arjovsky et al. 2016 draw it: x in U(0,1), one mark
 * in each half, the target is the sum of the two marked numbers. The published 0.1767
 * of guessing (Le 2015, Bai 2018) is a misprint of 1/6, the variance of the sum. */
#include "experiment.h"

/* Numbers of one sequence: `steps` values, then the places of the two marks. */
static void draw(const Draw *draw, WeftBatch *batch, int row)
{
    enum { VALUE = 0x616464, MARK }; /* streams */
    const uint64_t seed = draw->seed, index = draw->index;
    const int half = batch->steps / 2;
    const int mark[2] = {
        half ? (int)weft_random_below(seed, MARK, 2 * index, (uint32_t)half) : 0,
        half + (int)weft_random_below(seed, MARK, 2 * index + 1,
                                      (uint32_t)(batch->steps - half))};
    float sum = 0;
    for (int t = 0; t < batch->steps; t++) {
        float *x = batch->x + 2 * ((size_t)t * (size_t)batch->rows + (size_t)row);
        const bool marked = t == mark[0] || t == mark[1];
        x[0] = weft_random_uniform(seed, VALUE,
                                   index * (uint64_t)batch->steps + (uint64_t)t);
        x[1] = marked ? 1 : 0;
        sum += marked ? x[0] : 0;
    }
    batch->target[row] = sum;
}

#define GUESS (1.0 / 6)

static const Oracle oracles[] = {
    {.name = "no memory", .loss = GUESS},
    {.name = "one addend kept", .loss = 1.0 / 12},
    {0},
};

#define HS97      "Hochreiter & Schmidhuber 1997, Table 7"
#define UNSOLVED  "RTRL and BPTT nets: none solves T = 100; closed form 1/6 = 0.1667"
#define LSTM_1997 "solved (1 of 2560 wrong at T = 100)"
#define GRU_2018  "solved (5.3e-5 at T = 600)"
#define BAI18     "Bai et al. 2018, Table 1"
#define TALLEC18  "Tallec & Ollivier 2018: T = 200 and 750"

// clang-format off
static const Claim claims[] = {
    {.name = "rnn-100", .text = "rnn stays at the loss of guessing at T = 100", .cell = "rnn", .length = 100, .over = EVERY_SEED, .low = GUESS - 0.01, .high = GUESS + 0.01, .published = UNSOLVED, .source = HS97},
    {.name = "lstm-100", .text = "lstm solves T = 100", .cell = "lstm", .length = 100, .over = SOME_SEED, .low = 0, .high = 0.01, .published = LSTM_1997, .source = HS97},
    {.name = "gru-100", .text = "gru solves T = 100", .cell = "gru", .length = 100, .over = SOME_SEED, .low = 0, .high = 0.01, .published = GRU_2018, .source = BAI18},
    {.name = "lstm-50", .text = "lstm solves T = 50", .cell = "lstm", .length = 50, .over = SOME_SEED, .low = 0, .high = 0.01, .published = LSTM_1997, .source = HS97},
    {.name = "gru-50", .text = "gru solves T = 50", .cell = "gru", .length = 50, .over = SOME_SEED, .low = 0, .high = 0.01, .published = GRU_2018, .source = BAI18},
    {.name = "rnn-200", .text = "rnn stays at the loss of guessing at T = 200", .cell = "rnn", .length = 200, .over = EVERY_SEED, .low = GUESS - 0.01, .high = GUESS + 0.01, .published = UNSOLVED, .source = HS97},
    {.name = "lstm-200", .text = "lstm solves T = 200", .cell = "lstm", .length = 200, .over = SOME_SEED, .low = 0, .high = 0.01, .published = "solved", .source = TALLEC18},
    {.name = "gru-200", .text = "gru solves T = 200", .cell = "gru", .length = 200, .over = SOME_SEED, .low = 0, .high = 0.01, .published = GRU_2018, .source = BAI18},
    {.name = "rnn-600", .text = "rnn stays at the loss of guessing at T = 600", .cell = "rnn", .length = 600, .over = EVERY_SEED, .low = GUESS - 0.01, .high = GUESS + 0.01, .published = "unsolved (0.177)", .source = BAI18},
    {.name = "gru-600", .text = "gru solves T = 600", .cell = "gru", .length = 600, .over = SOME_SEED, .low = 0, .high = 0.01, .published = "5.3e-5", .source = BAI18},
    {0},
};
// clang-format on

const Experiment experiment_adding = {
    .chapter = CHAPTER_ADDING,
    .name = "adding",
    .question = "Does the cell remember two marked numbers over a whole sequence?",
    .claim = "lstm and gru solve length 100 (mse below 0.01); rnn stays at the 0.167 "
             "of guessing",
    .grid = {"rnn,lstm,gru", NUMBERS(50, 100), NUMBERS(0, 1), "5e-3,2e-3"},
    .train =
        {
            SETTINGS_COMMON,
            .parameters = 12000,
            .rate = 5e-3,
            .schedule = WEFT_COSINE, /* else the last loss of rnn is one of a noise */
            .batch = 32,
            .chunk = 0, /* never cut */
            .chunks_per_update = 1,
            .steps = 6000,
            .every = 250,
        },
    .task = {.input = WEFT_DENSE,
             .inputs = 2,
             .outputs = 1,
             .loss = WEFT_SQUARE,
             .vector = true,
             .draw = draw},
    .test = 10000,
    .glance = 50,
    .solved = 0.01,
    .unit = "mse",
    .length_name = "sequence length T (steps)",
    .dependency = true,
    .full = "--length 50,100,200 --seed 0..4",
    .longer = "--length 50,100,200,600 --seed 0..9",
    .oracles = oracles,
    .claims = claims,
};

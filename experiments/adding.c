/* adding.c: does the cell remember two marked numbers over a whole sequence?
 *
 * Hochreiter & Schmidhuber 1997, as Arjovsky et al. 2016 draw it: x in U(0,1), one mark
 * in each half, the target is the sum of the two marked numbers. The published 0.1767
 * of guessing (Le 2015, Bai 2018) is a misprint of 1/6, the variance of the sum. */
#include "experiment.h"

/* Numbers of one sequence: `steps` values, then the places of the two marks. */
static void draw(uint64_t seed, uint64_t index, WeftBatch *batch, int row)
{
    enum { VALUE = 0x616464, MARK }; /* streams */
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
    {"no memory", GUESS},
    {"one addend kept", 1.0 / 12},
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
    {"rnn-100", "rnn stays at the loss of guessing at T = 100", "rnn", 100, EVERY_SEED, NULL, GUESS - 0.01, GUESS + 0.01, UNSOLVED, HS97},
    {"lstm-100", "lstm solves T = 100", "lstm", 100, SOME_SEED, NULL, 0, 0.01, LSTM_1997, HS97},
    {"gru-100", "gru solves T = 100", "gru", 100, SOME_SEED, NULL, 0, 0.01, GRU_2018, BAI18},
    {"lstm-50", "lstm solves T = 50", "lstm", 50, SOME_SEED, NULL, 0, 0.01, LSTM_1997, HS97},
    {"gru-50", "gru solves T = 50", "gru", 50, SOME_SEED, NULL, 0, 0.01, GRU_2018, BAI18},
    {"rnn-200", "rnn stays at the loss of guessing at T = 200", "rnn", 200, EVERY_SEED, NULL, GUESS - 0.01, GUESS + 0.01, UNSOLVED, HS97},
    {"lstm-200", "lstm solves T = 200", "lstm", 200, SOME_SEED, NULL, 0, 0.01, "solved", TALLEC18},
    {"gru-200", "gru solves T = 200", "gru", 200, SOME_SEED, NULL, 0, 0.01, GRU_2018, BAI18},
    {"rnn-600", "rnn stays at the loss of guessing at T = 600", "rnn", 600, EVERY_SEED, NULL, GUESS - 0.01, GUESS + 0.01, "unsolved (0.177)", BAI18},
    {"gru-600", "gru solves T = 600", "gru", 600, SOME_SEED, NULL, 0, 0.01, "5.3e-5", BAI18},
    {0},
};
// clang-format on

const Experiment experiment_adding = {
    .name = "adding",
    .question = "Does the cell remember two marked numbers over a whole sequence?",
    .claim = "lstm and gru solve length 100 (mse below 0.01); rnn stays at the 0.167 "
             "of guessing",
    .grid = {"rnn,lstm,gru", NUMBERS(50, 100), NUMBERS(0, 1, 2)},
    .train =
        {
            SETTINGS_COMMON,
            .hidden = 64,
            .batch = 32,
            .chunk = 0, /* never cut */
            .chunks_per_update = 1,
            .rate = 1e-3,
            .steps = 8000,
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
    .oracles = oracles,
    .claims = claims,
};

/* text.c: what do gates give on ordinary text, where short memory goes a long way?
 *
 * A language model of characters, truncated back-propagation with carried states; its
 * loss stands beside n-grams counted on the same training part. */
#include "experiment.h"

#include <math.h>

#define BAI18                                                                          \
    "Bai et al. 2018, Table 1: char-PTB, in bits 1.36 lstm, 1.37 gru, 1.48 rnn"

#define MARGIN -0.01 /* nats: below what seeds differ by, it is no difference */

// clang-format off
static const Claim claims[] = {
    {"lstm-rnn", "lstm predicts better than rnn", "lstm", 50, MEDIAN_SEED, "rnn", -HUGE_VAL, MARGIN, "-0.083 nats", BAI18},
    {"gru-rnn", "gru predicts better than rnn", "gru", 50, MEDIAN_SEED, "rnn", -HUGE_VAL, MARGIN, "-0.076 nats", BAI18},
    {"lstm-trigram", "lstm beats the n-gram of order 3", "lstm", 50, MEDIAN_SEED, "order 3", -HUGE_VAL, MARGIN, "-0.118 nats (1.077 against 1.195 of the best n-gram)", "Karpathy et al. 2015, War and Peace"},
    {0},
};
// clang-format on

const Experiment experiment_text = {
    .name = "text",
    .question = "What do gates give on text, where short memory goes a long way?",
    .claim = "lstm and gru predict characters better than rnn, by little; all beat "
             "n-grams of low order",
    .grid = {"rnn,lstm,gru", NUMBERS(50), NUMBERS(0, 1)},
    .train =
        {
            SETTINGS_COMMON,
            .hidden = 128,
            .batch = 32,
            .chunks_per_update = 1,
            .rate = 1e-2,
            .schedule = WEFT_COSINE,
            .steps = 4000,
            .every = 200,
        },
    .file = "build/data/bible.txt",
    .glance = 25,
    .unit = "nats a character",
    .length_name = "steps between the cuts of the gradient",
    .claims = claims,
};

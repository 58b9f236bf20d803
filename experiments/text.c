/* text.c: what do gates give on ordinary text, where short memory goes a long way?
 *
 * A language model of characters, truncated back-propagation with carried states; its
 * loss stands beside n-grams counted on the same training part. */
#include "corpus.h"

#include <math.h>

#define BAI18                                                                          \
    "Bai et al. 2018, Table 1: char-PTB, in bits 1.36 lstm, 1.37 gru, 1.48 rnn"

#define MARGIN -0.01 /* nats: below what seeds differ by, it is no difference */

// clang-format off
static const Claim claims[] = {
    {.name = "lstm-rnn", .text = "lstm predicts better than rnn", .cell = "lstm", .length = 50, .over = MEDIAN_SEED, .against = "rnn", .low = -HUGE_VAL, .high = MARGIN, .published = "-0.083 nats", .source = BAI18},
    {.name = "gru-rnn", .text = "gru predicts better than rnn", .cell = "gru", .length = 50, .over = MEDIAN_SEED, .against = "rnn", .low = -HUGE_VAL, .high = MARGIN, .published = "-0.076 nats", .source = BAI18},
    {.name = "lstm-trigram", .text = "lstm beats the n-gram of order 3", .cell = "lstm", .length = 50, .over = MEDIAN_SEED, .against = "n-gram of order 3", .low = -HUGE_VAL, .high = MARGIN, .published = "-0.118 nats (1.077 against 1.195 of the best n-gram)", .source = "Karpathy et al. 2015, War and Peace"},
    {0},
};
// clang-format on

static bool text_data(const Experiment *experiment, const DataOptions *options,
                      const Settings *settings, Data *data, WeftError *err)
{
    (void)experiment;
    return corpus_settings_good(settings, err) &&
           corpus_data(options->file, options, settings, NULL, data, err);
}

const Experiment experiment_text = {
    .chapter = CHAPTER_TEXT,
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
    .open = text_data,
    .text = true,
    .length = LENGTH_CHUNK,
    .file = "build/data/bible.txt",
    .file_from = "experiments/run makes it of Debian's bible-kjv-text",
    .full = "--seed 0..2",
    .longer = "--seed 0..4 --hidden 256 --steps 20000",
    .glance = 25,
    .unit = "nats a character",
    .length_name = "steps between the cuts of the gradient",
    .claims = claims,
};

/* text.c: what do gates give on ordinary text, where short memory goes a long way?
 *
 * A language model of characters, truncated back-propagation with carried states; its
 * loss stands beside n-grams counted on the same training part. Nets have equal parameters,
 * as those of Karpathy, Johnson & Fei-Fei 2015 and of Bai et al. 2018. */
#include "corpus.h"

#include <math.h>

#define BAI18 "Bai et al. 2018, Table 1 (bits, as nats): char-PTB and text8"

#define MARGIN   -0.01 /* nats: below what seeds differ by, it is no difference */
#define NO_BOUND -HUGE_VAL

// clang-format off
static const Claim text_claims[] = {
    {.name = "lstm-rnn", .text = "lstm predicts better than rnn", .cell = "lstm", .length = 50, .over = MEDIAN_SEED, .against = "rnn", .low = NO_BOUND, .high = MARGIN, .published = "-0.083, -0.132 nats", .source = BAI18},
    {.name = "gru-rnn", .text = "gru predicts better than rnn", .cell = "gru", .length = 50, .over = MEDIAN_SEED, .against = "rnn", .low = NO_BOUND, .high = MARGIN, .published = "-0.076, -0.111 nats", .source = BAI18},
    {.name = "lstm-trigram", .text = "lstm beats the n-gram of order 3", .cell = "lstm", .length = 50, .over = MEDIAN_SEED, .against = "n-gram of order 3", .low = NO_BOUND, .high = MARGIN, .published = "recurrent nets beat n-grams", .source = "Karpathy et al. 2015, War and Peace"},
    {.name = "rnn-trigram", .text = "rnn beats the n-gram of order 3 too", .cell = "rnn", .length = 50, .over = MEDIAN_SEED, .against = "n-gram of order 3", .low = NO_BOUND, .high = MARGIN, .published = "recurrent nets beat n-grams", .source = "Karpathy et al. 2015, War and Peace"},
    {.name = "window", .text = "a window of 100 gives lstm little over one of 50", .cell = "lstm", .length = 100, .over = MEDIAN_SEED, .against = "lstm", .against_length = 50, .low = -0.1, .high = 0.05, .published = "ppl 124.6 at 200, 127.8 at 100, 127.2 at 50 (Wiki2)", .source = "Aicher et al. 2019"},
    {0},
};

/* The bands hold both corpora, with half of their distance on each side. */
static const Claim text_values[] = {
    {.name = "lstm-gap", .text = "lstm less rnn", .cell = "lstm", .length = 50, .over = MEDIAN_SEED, .against = "rnn", .low = -0.157, .high = -0.058, .published = "-0.083, -0.132 nats", .source = BAI18},
    {.name = "gru-gap", .text = "gru less rnn", .cell = "gru", .length = 50, .over = MEDIAN_SEED, .against = "rnn", .low = -0.129, .high = -0.058, .published = "-0.076, -0.111 nats", .source = BAI18},
    {0},
};

static const Claim sizes_claims[] = {
    {.name = "close", .text = "an lstm of 64 units and an rnn of as many parameters are within 0.1 nats", .cell = "lstm", .length = 40000, .over = MEDIAN_SEED, .against = "rnn", .low = -0.1, .high = 0.1, .published = "about equal at 64 units", .source = "Karpathy et al. 2015"},
    {.name = "apart", .text = "larger ones: lstm is better by 0.05 nats or more", .cell = "lstm", .length = 160000, .over = MEDIAN_SEED, .against = "rnn", .low = NO_BOUND, .high = -0.05, .published = "the gap opens with size", .source = "Karpathy et al. 2015"},
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

#define TRAIN                                                                          \
    SETTINGS_COMMON, .batch = 32, .chunk = 50, .chunks_per_update = 1, .rate = 1e-2,   \
                     .schedule = WEFT_COSINE, .steps = 3000, .every = 200

#define TEXT .open = text_data, .text = true, .glance = 25, .unit = "nats a character"
#define BOOK                                                                           \
    TEXT, .file = "build/data/bible.txt",                                              \
          .file_from = "experiments/run makes it of Debian's bible-kjv-text"

const Experiment experiment_text = {
    .chapter = CHAPTER_TEXT,
    .name = "text",
    .question = "What do gates give on text, where short memory goes a long way?",
    .claim =
        "lstm and gru predict characters better than rnn of as many parameters, by "
        "little; all beat n-grams of low order",
    .grid = {"rnn,lstm,gru", NUMBERS(50), NUMBERS(0), "1e-2,4e-3"},
    .train = {TRAIN, .parameters = 100000},
    BOOK,
    .length = LENGTH_CHUNK,
    .full = "--seed 0..2 --rates 3e-2,1e-2,4e-3",
    .longer = "--length 10,25,50,100 --seed 0..4 --rates 3e-2,1e-2,4e-3 --steps 10000",
    .length_name = "steps between the cuts of the gradient",
    .claims = text_claims,
    .values = text_values,
};

const Experiment experiment_text_sizes = {
    .chapter = CHAPTER_TEXT,
    .name = "text_sizes",
    .question = "Do gates give more to larger nets?",
    .claim = "of 40 thousand parameters, an lstm of 64 units, lstm and rnn are alike; "
             "the gap opens with size",
    .grid = {"rnn,lstm,gru", NUMBERS(10000, 40000, 160000), NUMBERS(0),
             "3e-2,1e-2,4e-3"},
    .train = {TRAIN},
    BOOK,
    .length = LENGTH_PARAMETERS,
    .from = SIZE_FULL,
    .longer = "--length 10000,40000,160000,640000 --seed 0..2 --steps 10000",
    .length_name = "parameters",
    .claims = sizes_claims,
};

/* Karpathy, Johnson & Fei-Fei 2015, Table 1: 1 to 3 layers, LSTM of 64 to 512 units and
 * others of as many parameters; batches of 100, RMSProp. Its numbers are not confirmed, so
 * only their order is held against ours. */
// clang-format off
#define KARPATHY(count, p64, p128, p256, p512)                                           \
static const Claim karpathy_claims_##count[] = {                                         \
    {.name = "lstm-128", .text = "lstm of 128 units is better than rnn", .cell = "lstm", .length = p128, .over = MEDIAN_SEED, .against = "rnn", .low = NO_BOUND, .high = MARGIN, .published = "better", .source = "Karpathy et al. 2015, Table 1"}, \
    {.name = "lstm-256", .text = "lstm of 256 units is better than rnn", .cell = "lstm", .length = p256, .over = MEDIAN_SEED, .against = "rnn", .low = NO_BOUND, .high = MARGIN, .published = "better", .source = "Karpathy et al. 2015, Table 1"}, \
    {.name = "gru-256", .text = "gru as large is better than rnn", .cell = "gru", .length = p256, .over = MEDIAN_SEED, .against = "rnn", .low = NO_BOUND, .high = MARGIN, .published = "better", .source = "Karpathy et al. 2015, Table 1"}, \
    {0},                                                                                 \
};                                                                                       \
const Experiment experiment_karpathy_##count = {                                         \
    .chapter = CHAPTER_TEXT,                                                             \
    .name = "karpathy_" #count,                                                          \
    .question = "War and Peace with nets of " #count " recurrent layer(s): what do gates give?", \
    .claim = "from 128 units on, lstm and gru are better than rnn of as many parameters", \
    .grid = {"rnn,lstm,gru", NUMBERS(p64, p128, p256, p512), NUMBERS(0), "4e-3,2e-3,1e-3"}, \
    .train = {.layers = #count, .batch = 100, .chunk = 100, .chunks_per_update = 1, .reset = 20, \
              .optimizer = WEFT_RMSPROP, .rate = 2e-3, .clip = 5, .factor = 0.1,         \
              .schedule = WEFT_COSINE, .steps = 10000, .every = 500},                    \
    TEXT,                                                                                \
    .file = "build/data/war_and_peace.txt",                                              \
    .file_from = "a text; $WEFT_DATA is where experiments/run looks for it",             \
    .length = LENGTH_PARAMETERS,                                                         \
    .from = SIZE_LONG,                                                                   \
    .length_name = "parameters",                                                         \
    .claims = karpathy_claims_##count,                                                   \
}

KARPATHY(1, 43000, 119000, 368000, 1260000);
KARPATHY(2, 76000, 250000, 893000, 3360000);
KARPATHY(3, 109000, 381000, 1418000, 5460000);
// clang-format on

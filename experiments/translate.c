/* translate.c: one sequence made of another: words as they are said, dates as they are filed.
 *
 * Words and their phones are of the CMU pronouncing dictionary, as Debian's pocketsphinx-en-us
 * has it: 39 phones without stress, 125,945 words. A part of the words is drawn; what a word has
 * several ways to be said, the nearest counts. Published rates are of all of the dictionary, five
 * to six times as many words, with stress marks taken off (Yao & Zweig 2015: 113,438 words train).
 *
 * Dates are as in Geron, Hands-On Machine Learning, 3rd edition, chapter 16, exercise 9:
 * "April 22, 2019" is "2019-04-22"; 10,000 train, 2,000 are validation, 2,000 the test. */
#include "classify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- the dictionary ---- */

enum { WORDS_DRAWN = 20000, WORDS_ALL = 125945 };

/* "word(2) W ER D": *word without its number, in place; false: not one to learn. */
static bool entry_read(char *text, char **word, char **phones)
{
    text[strcspn(text, "\r\n")] = 0;
    char *end = text + strcspn(text, " \t");
    if (!*end) return false;
    *phones = end + 1 + strspn(end + 1, " \t");
    *end = 0;
    *word = text;
    text[strcspn(text, "(")] = 0;
    return *text && !text[strspn(text, "abcdefghijklmnopqrstuvwxyz'")] && **phones;
}

/* About WORDS_DRAWN of all words, by their bits: the same for all seeds. */
static bool is_drawn(const char *word)
{
    uint64_t bits = 0;
    for (const char *p = word; *p; p++) bits = bits * 257 + (unsigned char)*p;
    return weft_random_below(1, 0x636d75, bits, WORDS_ALL) < WORDS_DRAWN;
}

static bool words_read(const char *path, Lines *lines, WeftError *err)
{
    FILE *file = fopen(path, "rb");
    char *text = NULL, *word, *phones;
    size_t size = 0;
    bool good = true;
    *lines = (Lines){0};
    if (!file) return fail(err, "%s: %s", path, strerror(errno));
    while (good && getline(&text, &size, file) >= 0)
        if (entry_read(text, &word, &phones) && is_drawn(word))
            good = lines_add(lines, word, phones, err);
    if (good && ferror(file)) good = fail(err, "%s: %s", path, strerror(errno));
    if (good && lines->count == 0)
        good = fail(err, "%s: expected lines of a word and its phones", path);
    free(text);
    fclose(file);
    if (!good) lines_close(lines);
    return good;
}

static bool words_data(const Experiment *experiment, const DataOptions *options,
                       const Settings *settings, Data *data, WeftError *err)
{
    DataOptions how = *options;
    Lines lines;
    how.units = CHARACTERS;
    how.target_units = 1 + WORDS;
    how.reverse = strstr(experiment->name, "reversed") != NULL;
    how.beam = 4;
    memcpy(how.split, (double[]){90, 5, 5}, sizeof how.split);
    if (!words_read(options->file, &lines, err) ||
        !pairs_lines(&lines, &how, settings, NULL, data, err))
        return false;
    data->note = experiment_note;
    return true;
}

/* ---- dates ---- */

static bool dates_draw(Lines *lines, WeftError *err)
{
    enum { ALL = 14000, YEAR = 1, MONTH, DAY }; /* streams */
    static const char *const months[] = {
        "January", "February", "March",     "April",   "May",      "June",
        "July",    "August",   "September", "October", "November", "December"};
    static const uint32_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool good = true;
    *lines = (Lines){0};
    for (uint64_t i = 0; good && i < ALL; i++) {
        char read[32], filed[16];
        const uint32_t year = 1000 + weft_random_below(1, YEAR, i, 9000),
                       month = weft_random_below(1, MONTH, i, 12),
                       day = 1 + weft_random_below(1, DAY, i, days[month]);
        snprintf(read, sizeof read, "%s %02u, %u", months[month], day, year);
        snprintf(filed, sizeof filed, "%04u-%02u-%02u", year, month + 1, day);
        good = lines_add(lines, read, filed, err);
    }
    if (!good) lines_close(lines);
    return good;
}

static bool dates_data(const Experiment *experiment, const DataOptions *options,
                       const Settings *settings, Data *data, WeftError *err)
{
    DataOptions how = *options;
    Lines lines;
    (void)experiment;
    how.units = CHARACTERS;
    how.target_units = 0;
    how.reverse = false;
    memcpy(how.split, (double[]){72, 14, 14}, sizeof how.split);
    if (!dates_draw(&lines, err) ||
        !pairs_lines(&lines, &how, settings, NULL, data, err))
        return false;
    data->note = experiment_note;
    return true;
}

/* ---- declarations ---- */

#define YAO    "Yao & Zweig 2015, table 4: bidirectional LSTM, with alignment"
#define CMU    "cmusphinx g2p-seq2seq: LSTM 2 x 512, 12,000 words of another split"
#define LENGTH 20 /* letters at most: the words of the dictionary are no longer */

// clang-format off
#define G2P                                                                              \
    .chapter = CHAPTER_TRANSLATION,                                                      \
    .file = "/usr/share/pocketsphinx/model/en-us/cmudict-en-us.dict",                    \
    .file_from = "Debian's pocketsphinx-en-us",                                          \
    .open = words_data,                                                                  \
    .glance = 25,                                                                        \
    .score_name = "words right",                                                         \
    .unit = "phone error rate",                                                          \
    .length_name = "letters, at most"

#define TRAIN                                                                            \
    SETTINGS_COMMON, .parameters = 480000, .embedding = 64, .dropout = 0.3, .batch = 64, \
    .chunks_per_update = 1, .schedule = WEFT_COSINE, .rate = 2e-3
// clang-format on

// clang-format off
#define OF(which, what) .cell = which, .length = LENGTH, .of = what, .over = MEDIAN_SEED

static const Claim g2p_claims[] = {
    {.name = "lstm", .text = "lstm errs in less than 12 of 100 phones", OF("lstm", LOSS), .low = 0, .high = 0.12, .published = "5.45 % of 113,438 words, six times as many", .source = YAO},
    {.name = "gates", .text = "rnn errs in 5 of 100 phones more than lstm", OF("rnn", LOSS), .against = "lstm", .low = 0.05, .high = 9, .published = "-", .source = "the specification: tanh far behind gated"},
    {0},
};
/* Theirs within 15 %, of all of the dictionary; ours are of a sixth of it. */
static const Claim g2p_values[] = {
    {.name = "phones", .text = "lstm: phone error rate", OF("lstm", LOSS), .low = 0.0463, .high = 0.0627, .published = "5.45 %", .source = YAO},
    {.name = "words", .text = "lstm: words right", OF("lstm", SCORE), .low = 0.729, .high = 0.800, .published = "76.45 % (WER 23.55 %)", .source = YAO},
    {.name = "rao", .text = "lstm: words right", OF("lstm", SCORE), .low = 0.755, .high = 0.819, .published = "78.7 % (WER 21.3 %)", .source = "Rao et al. 2015: bidirectional LSTM with CTC, and a 5-gram"},
    {0},
};
static const Claim lstm_claims[] = {
    {.name = "lstm", .text = "lstm errs in less than 12 of 100 phones", OF("lstm", LOSS), .low = 0, .high = 0.12, .published = "5.45 % of 113,438 words, six times as many", .source = YAO},
    {0},
};
static const Claim plain_claims[] = {
    {.name = "gates", .text = "without attention rnn errs in 20 of 100 phones more than lstm", OF("rnn", LOSS), .against = "lstm", .low = 0.2, .high = 9, .published = "-", .source = "the specification: tanh far behind gated"},
    {0},
};
static const Claim dates_claims[] = {
    {.name = "lstm", .text = "lstm: 999 of 1000 dates are right as a whole", OF("lstm", SCORE), .low = 0.999, .high = 1, .published = "validation accuracy 1.0000", .source = "Geron, 3rd edition, ch. 16, exercise 9"},
    {.name = "gru", .text = "gru: 999 of 1000 dates are right as a whole", OF("gru", SCORE), .low = 0.999, .high = 1, .published = "validation accuracy 1.0000", .source = "Geron, 3rd edition, ch. 16, exercise 9"},
    {0},
};
static const Claim dates_values[] = {
    {.name = "lstm", .text = "lstm: dates right as a whole (theirs: characters)", OF("lstm", SCORE), .low = 0.999, .high = 1, .published = "1.0000", .source = "Geron, 3rd edition, ch. 16, exercise 9"},
    {0},
};

const Experiment experiment_dates = {
    .chapter = CHAPTER_TRANSLATION,
    .name = "dates",
    .question = "Can a net file dates? April 22, 2019 is 2019-04-22",
    .claim = "an encoder's last states suffice: lstm and gru make no error",
    .grid = {"rnn,lstm,gru", NUMBERS(LENGTH), NUMBERS(0), "4e-3,2e-3"},
    .train = {SETTINGS_COMMON, .parameters = 100000, .embedding = 32, .batch = 64,
              .chunks_per_update = 1, .schedule = WEFT_COSINE, .rate = 2e-3, .steps = 1500, .every = 250},
    .full = "--seed 0..2",
    .longer = "--seed 0..4 --steps 5000",
    .open = dates_data,
    .glance = 25,
    .right = 1,
    .score_name = "dates right",
    .unit = "character error rate",
    .length_name = "characters, at most",
    .claims = dates_claims,
    .values = dates_values,
};

const Experiment experiment_g2p_reversed = {
    G2P,
    .name = "g2p_reversed",
    .question = "How is a word said? Letters, from the last on (Sutskever et al. 2014), to phones, with attention; 20,000 words",
    .claim = "lstm errs in less than 12 of 100 phones",
    .grid = {"rnn,lstm,gru", NUMBERS(LENGTH), NUMBERS(0), "3e-3"},
    .train = {TRAIN, .steps = 3000, .every = 1500, .attention = WEFT_GENERAL},
    .longer = "--seed 0..2 --rates 5e-3,3e-3,2e-3 --steps 20000",
    .claims = lstm_claims,
};

const Experiment experiment_g2p = {
    G2P,
    .name = "g2p",
    .question = "And letters from the first on?",
    .claim = "lstm errs in less than 12 of 100 phones, rnn in 5 more",
    .grid = {"rnn,lstm,gru", NUMBERS(LENGTH), NUMBERS(0), "3e-3,2e-3"},
    .train = {TRAIN, .steps = 7000, .every = 3500, .attention = WEFT_GENERAL},
    .from = SIZE_FULL,
    .longer = "--seed 0..4 --rates 5e-3,3e-3,2e-3 --steps 20000",
    .claims = g2p_claims,
    .values = g2p_values,
};

const Experiment experiment_g2p_both = {
    G2P,
    .name = "g2p_both",
    .question = "And when the encoder reads in both directions?",
    .claim = "attention and both directions leave nothing that must be remembered for long",
    .grid = {"rnn,lstm,gru", NUMBERS(LENGTH), NUMBERS(0), "3e-3"},
    .train = {TRAIN, .steps = 3000, .every = 1500, .encoder_both = true, .attention = WEFT_GENERAL},
    .from = SIZE_FULL,
    .longer = "--seed 0..2 --steps 20000",
    .claims = lstm_claims,
};

const Experiment experiment_g2p_plain = {
    G2P,
    .name = "g2p_plain",
    .question = "And when all of the word must pass through the encoder's last states?",
    .claim = "without attention rnn is lost",
    .grid = {"rnn,lstm,gru", NUMBERS(LENGTH), NUMBERS(0), "3e-3"},
    .train = {TRAIN, .steps = 3000, .every = 1500},
    .from = SIZE_FULL,
    .longer = "--seed 0..2 --steps 20000",
    .claims = plain_claims,
};
// clang-format on

/* predict.c: `weft predict`: what follows a table's last row; what a net says of each line of a
 * text. */
#include "classify.h"
#include "saved.h"
#include "series.h"
#include "verbs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct Options {
    int threads, beam; /* beam 0: the training's */
    double temperature;
    uint64_t seed;
    bool scores, skip_bad;
} Options;

#define FIELD(name) offsetof(Options, name)
// clang-format off
static const Option predict_options[] = {
    {"threads", "N", "0: one for each usable physical core", &option_int, FIELD(threads), 0, 4096, NULL},
    {"beam", "N", "of a net of pairs: sequences that are kept at each step; 0: as in training", &option_int, FIELD(beam), 0, 1024, NULL},
    {"temperature", "X", "of a net of pairs: its units are drawn, less boldly below 1; 0: the most likely", &option_number, FIELD(temperature), 0, 100, NULL},
    {"seed", "N", "of what is drawn; each line has its own", &option_count, FIELD(seed), 0, 0, NULL},
    {"scores", NULL, "of lines: after a tab, the label's probability, or the sequence's logarithm of it", &option_switch, FIELD(scores), 0, 0, NULL},
    {"skip-bad", NULL, "a bad or empty line is answered by an empty one, and counted", &option_switch, FIELD(skip_bad), 0, 0, NULL},
    {0},
};
// clang-format on
#undef FIELD

/* ---- a table ---- */

static bool predict_table(const Saved *saved, const char *name, WeftError *err)
{
    Data data;
    double *values;
    int count;
    const char *target;
    if (!name) return fail(err, "expected FILE.csv, whose last row is gone on from");
    if (!saved_data(saved, name, &data, err)) return false;
    const bool good = series_forecast(&data, saved->net, &values, &count, &target, err);
    if (good) {
        printf("ahead,%s\n", target);
        for (int i = 0; i < count; i++) printf("%d,%.9g\n", i + 1, values[i]);
        free(values);
    }
    data.close(&data);
    return good;
}

/* ---- lines ---- */

/* A net in use. */
typedef struct Asked {
    const Saved *saved;
    const Options *options;
    Vocabulary vocabulary[FIELDS];
    bool (*predict)(WeftNet *net, const Vocabulary vocabulary[FIELDS],
                    const DataOptions *how, const char *text, bool scores, FILE *out,
                    WeftError *err);
} Asked;

static bool answer(const Asked *asked, const Line *line, WeftError *err)
{
    const Options *options = asked->options;
    DataOptions how = asked->saved->options;
    if (options->beam) how.beam = options->beam;
    how.temperature = options->temperature;
    how.seed = options->seed + line->number;
    if (!line->field[0]) return putchar('\n') != EOF;
    if (how.lower) text_lower(line->field[0]);
    return asked->predict(asked->saved->net, asked->vocabulary, &how, line->field[0],
                          options->scores, stdout, err);
}

/* As soon as a line is there it is answered: a program may wait for it. */
static bool answer_all(const Asked *asked, LineReader *reader, WeftError *err)
{
    Line line;
    bool good = true, more;
    while (good && (good = line_next(reader, &line, &more, err)) && more) {
        good = answer(asked, &line, err);
        if (good && fflush(stdout))
            good = fail(err, "standard output: %s", strerror(errno));
    }
    if (good && reader->skipped)
        fprintf(stderr, "weft predict: %s: %zu of %zu lines are bad or empty\n",
                reader->name, reader->skipped, reader->number);
    return good;
}

static bool predict_file(const Saved *saved, const Options *options, FILE *in,
                         const char *name, WeftError *err)
{
    const bool labels = !strcmp(saved->kind, DATA_LABELLED);
    Asked asked = {.saved = saved,
                   .options = options,
                   .predict = labels ? labelled_predict : pairs_predict};
    LineReader reader = {.file = in,
                         .name = name,
                         .fields = 1,
                         .each = true,
                         .skip_bad = options->skip_bad};
    if (!sequences_recall(saved->net, asked.vocabulary, err)) return false;
    const bool good = answer_all(&asked, &reader, err);
    line_reader_close(&reader);
    for (int k = 0; k < FIELDS; k++) vocabulary_close(&asked.vocabulary[k]);
    return good;
}

static bool predict_lines(const Saved *saved, const Options *options, const char *name,
                          WeftError *err)
{
    if (!name) return predict_file(saved, options, stdin, "standard input", err);
    FILE *in = fopen(name, "rb");
    if (!in) return fail(err, "%s: %s", name, strerror(errno));
    const bool good = predict_file(saved, options, in, name, err);
    fclose(in);
    return good;
}

static bool predict(const Saved *saved, const Options *options, const char *name,
                    WeftError *err)
{
    if (!strcmp(saved->kind, DATA_TABLE)) return predict_table(saved, name, err);
    if (!strcmp(saved->kind, DATA_LABELLED) || !strcmp(saved->kind, DATA_PAIRS))
        return predict_lines(saved, options, name, err);
    return fail(err,
                "the net was trained on a %s: expected one trained on a table, or on a "
                ".tsv",
                saved->kind);
}

static Status predict_run(const Verb *verb, int argc, char **argv, WeftError *err)
{
    Options options = {0};
    const OptionGroup groups[] = {{"Options", predict_options, &options}, {0}};
    Call call;
    Saved saved;
    if (!verb_call(verb, groups, argc, argv, &call, err)) return call.status;
    if (!saved_open(call.word[0], options.threads, &saved, err)) return FAILED;
    const bool good =
        predict(&saved, &options, call.words > 1 ? call.word[1] : NULL, err);
    saved_close(&saved);
    return good ? DONE : FAILED;
}

const Verb predict_verb = {
    "predict",
    "MODEL [FILE]",
    "forecast the rows that follow a table's last one, or answer each line of a "
    "text\n\n"
    "A net of a .csv needs FILE.csv. A net of a .tsv reads FILE, or standard input, "
    "line by\n"
    "line, and writes a line for each: the label, or the sequence that it makes.",
    1,
    2,
    predict_run};

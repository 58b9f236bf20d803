/* data.c: which data set a name means. */
#include "lines.h"

#include <string.h>
#include <unistd.h>

static const char *const target_units[] = {"same", "characters", "words", NULL};

#define FIELD(name) offsetof(DataOptions, name)

// clang-format off
const Option data_options[] = {
    {"bytes", NULL, "a text's bytes are its symbols, not its UTF-8 characters", &option_switch, FIELD(bytes), 0, 0, NULL},
    {"shares", "A,B,C", "percent for training, validation and test, in this order", &option_split, FIELD(split), 0, 0, NULL},
    {"target", "NAME", "the column of a table to forecast", &option_text, FIELD(target), 0, 0, NULL},
    {"columns", "A,B", "columns that go in beside it; else all that are numbers", &option_text, FIELD(columns), 0, 0, NULL},
    {"window", "N", "rows of a table that a forecast looks back at", &option_int, FIELD(window), 1, 1e7, NULL},
    {"horizon", "N", "rows of a table that are forecast", &option_int, FIELD(horizon), 1, 1e5, NULL},
    {"labels", NULL, "the second field of a .tsv is a label, not a sequence to make; a first line \"text, label\" says so too", &option_switch, FIELD(labels), 0, 0, NULL},
    {"units", "NAME", "what a .tsv's text is read as: characters, words, or whole: a class, from which the second field is made", &option_choice, FIELD(units), 0, 0, units_words},
    {"target-units", "NAME", "and what its second field is made of: same, characters or words", &option_choice, FIELD(target_units), 0, 0, target_units},
    {"vocabulary", "N", "the most frequent units of the text, others are unknown; 0: all", &option_int, FIELD(vocabulary), 0, 1e7, NULL},
    {"least", "N", "units of the text that are there less often are unknown", &option_int, FIELD(least), 1, 1e7, NULL},
    {"longest", "N", "units of a text that are read, from its first; 0: all", &option_int, FIELD(longest), 0, 1e6, NULL},
    {"lower", NULL, "the text is read in small letters (Latin, Greek, Cyrillic)", &option_switch, FIELD(lower), 0, 0, NULL},
    {"forget", "P", "share of a labelled text's units that training takes for unknown ones, drawn anew each time", &option_number, FIELD(forget), 0, 0.99, NULL},
    {"reverse", NULL, "a pair's first sequence is read from its end (Sutskever 2014)", &option_switch, FIELD(reverse), 0, 0, NULL},
    {"beam", "N", "sequences that are kept at each step when one is made; 1: greedy", &option_int, FIELD(beam), 1, 1024, NULL},
    {"skip-bad", NULL, "bad lines of a .tsv are skipped and counted, not an error", &option_switch, FIELD(skip_bad), 0, 0, NULL},
    {"file", "FILE", "data of a task that is not drawn, instead of its own", &option_text, FIELD(file), 0, 0, NULL},
    {"length", "N", "length of a task", &option_int, FIELD(length), 1, 1e7, NULL},
    {0},
};
// clang-format on

static bool ends(const char *name, const char *end)
{
    const size_t n = strlen(name), m = strlen(end);
    return n > m && !strcmp(name + n - m, end);
}

const char *data_kind(const char *name, const DataOptions *options)
{
    if (experiment_find(name, NULL) && access(name, F_OK)) return DATA_TASK;
    if (ends(name, ".csv") || (ends(name, ".tsv") && options->target))
        return DATA_TABLE;
    if (!ends(name, ".tsv")) return DATA_TEXT;
    return options->labels || lines_header(name) == TEXT_LABEL ? DATA_LABELLED
                                                               : DATA_PAIRS;
}

bool experiment_data(const Experiment *experiment, const DataOptions *options,
                     const Settings *settings, Data *data, WeftError *err)
{
    if (!experiment->open) return drawn_data(experiment, options, settings, data, err);
    DataOptions opened = *options;
    if (!opened.file) opened.file = experiment->file;
    return experiment->open(experiment, &opened, settings, data, err);
}

bool experiment_note(const Data *data, WeftNet *net, WeftError *err)
{
    (void)data;
    return weft_net_note(net, "data", DATA_TASK, err);
}

size_t range_item(const Range *range, uint64_t stream, WeftBatch *batch, uint64_t index,
                  int row)
{
    uint64_t i = index * (uint64_t)batch->rows + (uint64_t)row;
    if (range->shuffle)
        i = weft_random_below(range->seed, stream, i, (uint32_t)range->count);
    else if (i >= range->count)
        batch->weight[row] = 0;
    return range->first + (size_t)(i % range->count);
}

bool range_evaluate(const Range *range, const WeftSource *source, int percent,
                    WeftNet *net, WeftScore *score, WeftError *err)
{
    const uint64_t rows = (uint64_t)source->rows,
                   batches = (range->count + rows - 1) / rows;
    *score = (WeftScore){0};
    return batches == 0 ||
           weft_evaluate(net, source, 0, percent_of(batches, percent), score, err);
}

bool data_open(const char *kind, const char *name, const DataOptions *options,
               const Settings *settings, const WeftNet *net, Data *data, WeftError *err)
{
    if (!strcmp(kind, DATA_TEXT))
        return corpus_data(name, options, settings, net, data, err);
    if (!strcmp(kind, DATA_TABLE))
        return series_data(name, options, settings, net, data, err);
    if (!strcmp(kind, DATA_LABELLED))
        return labelled_data(name, options, settings, net, data, err);
    if (!strcmp(kind, DATA_PAIRS))
        return pairs_data(name, options, settings, net, data, err);
    const Experiment *task = experiment_find(name, err);
    if (task && task->text)
        return fail(err, "%s is trained on a text: weft train FILE", task->name);
    return task && experiment_data(task, options, settings, data, err);
}

const char *data_note(const WeftNet *net, const char *key, WeftError *err)
{
    const char *value = weft_net_get_note(net, key);
    if (!value)
        fail(err, "the saved net has no note \"%s\": weft train did not write it", key);
    return value;
}

/* data.h: what `weft train` learns: a text, a table, or the draws of a task. */
#pragma once

#include "experiment.h"
#include "settings.h"

/* What a data set is opened with, beside its settings. */
typedef struct DataOptions {
    /* text */
    bool bytes;
    /* table */
    const char *target, *columns;
    int window, horizon;
    /* lines */
    bool labels, skip_bad, reverse, lower;
    bool one_split; /* which part a line is in is the same for all seeds: no option */
    int units, target_units; /* 0: as units; else 1 more */
    int vocabulary, least, longest, beam;
    double forget;      /* share of units that training replaces by the unknown one */
    double temperature; /* of what is made for use: drawn; 0: the most likely */
    uint64_t seed;      /* of that */
    /* task */
    int length;
    /* all but tasks */
    double split[3];  /* percent */
    const char *file; /* that an experiment opens */
} DataOptions;

extern const Option data_options[];

#define BASELINE_SIZE 64
typedef struct Data Data;
struct Data {
    WeftModel shape; /* without layers */
    char about[256]; /* a line on what was read */
    size_t skipped;  /* bad lines of it */
    WeftSource train;
    int glance; /* percent of validation that suffice between evaluations */
    /* Scores a net on so many percent of a part; targets 0: the part is empty. A score's
     * `accuracy` is what `tell` and the experiment's score_name say it is. */
    bool (*evaluate)(Data *data, WeftNet *net, Part part, int percent, WeftScore *score,
                     WeftError *err);
    /* A score for a reader: "1.2345 nats ...". */
    void (*tell)(const Data *data, const WeftScore *score, char text[256]);
    /* Number `index` of what a trained net has to beat on the part; past the last, name
     * is "". accuracy: NAN where it is not known. */
    bool (*baseline)(Data *data, Part part, int index, char name[BASELINE_SIZE],
                     WeftScore *score, WeftError *err);
    /* Keeps in the net what the saved file must know of the data. */
    bool (*note)(const Data *data, WeftNet *net, WeftError *err);
    void (*close)(Data *data);
    void *own;
};

/* What a part has of all that was opened. */
typedef struct Range {
    size_t first, count;
    bool shuffle; /* drawn; else in order */
    uint64_t seed;
} Range;
/* Which item a row of batch `index` is, drawn from random numbers of this stream. Past the
 * last one in order, it is one that has no weight. */
size_t range_item(const Range *range, uint64_t stream, WeftBatch *batch, uint64_t index,
                  int row);
/* So many percent of the batches of a range in order, scored; targets 0 where it is empty. */
bool range_evaluate(const Range *range, const WeftSource *source, int percent,
                    WeftNet *net, WeftScore *score, WeftError *err);
/* So many percent of all, rounded up. */
static inline uint64_t percent_of(uint64_t all, int percent)
{
    return (all * (uint64_t)percent + 99) / 100;
}

/* The whole file is the part TEST when it is opened for a saved net (its notes, not the
 * options, then say how), and TRAINING .. TEST by the split when net is NULL. */
bool corpus_data(const char *path, const DataOptions *options, const Settings *settings,
                 const WeftNet *net, Data *data, WeftError *err);
bool series_data(const char *path, const DataOptions *options, const Settings *settings,
                 const WeftNet *net, Data *data, WeftError *err);
bool labelled_data(const char *path, const DataOptions *options,
                   const Settings *settings, const WeftNet *net, Data *data,
                   WeftError *err);
bool pairs_data(const char *path, const DataOptions *options, const Settings *settings,
                const WeftNet *net, Data *data, WeftError *err);
bool drawn_data(const Experiment *experiment, const DataOptions *options,
                const Settings *settings, Data *data, WeftError *err);
/* Whether its task can be asked for this length. */
bool drawn_length_good(const Experiment *experiment, int length, WeftError *err);
/* The part of what drawn_data opened. */
const Drawn *drawn_part(const Data *data, Part part);

/* What a net must know of the data of an experiment. */
bool experiment_note(const Data *data, WeftNet *net, WeftError *err);
/* Drawn, or opened, as the experiment declares. */
bool experiment_data(const Experiment *experiment, const DataOptions *options,
                     const Settings *settings, Data *data, WeftError *err);

/* The kinds by which a saved net remembers what it was trained on (its note "data"). */
#define DATA_TEXT     "text"
#define DATA_TABLE    "table"
#define DATA_LABELLED "file of labelled texts"
#define DATA_PAIRS    "file of pairs"
#define DATA_TASK     "task"

/* By the name of a file or task; of a .tsv the options say which. */
const char *data_kind(const char *name, const DataOptions *options);
bool data_open(const char *kind, const char *name, const DataOptions *options,
               const Settings *settings, const WeftNet *net, Data *data,
               WeftError *err);

/* The note, or NULL and a message that this net has none. */
const char *data_note(const WeftNet *net, const char *key, WeftError *err);

#define DATA_OPTIONS_COMMON                                                            \
    .length = 100, .split = {90, 5, 5}, .window = 32, .horizon = 1, .least = 1,        \
    .beam = 1

/* data.h: what `weft train` learns: a text, a table, or the draws of a task. */
#pragma once

#include "experiment.h"
#include "settings.h"

typedef enum Part { TRAINING, VALIDATION, TEST, PARTS } Part;

/* What a data set is opened with, beside its settings. */
typedef struct DataOptions {
    /* text */
    bool bytes;
    /* table */
    const char *target, *columns;
    int window, horizon;
    /* task */
    int length;
    /* all but tasks */
    double split[3]; /* percent */
} DataOptions;

extern const Option data_options[];

typedef struct Data Data;
struct Data {
    WeftModel shape; /* without layers */
    WeftSource train;
    /* Scores a net on a part, as text for a reader: "1.2345 nats ..."; *loss
     * likewise. */
    bool (*score)(Data *data, WeftNet *net, Part part, char text[256], double *loss,
                  WeftError *err);
    /* Prints what a trained net has to beat, before training; NULL: nothing. */
    bool (*baselines)(Data *data, WeftError *err);
    /* Keeps in the net what the saved file must know of the data. */
    bool (*note)(const Data *data, WeftNet *net, WeftError *err);
    void (*close)(Data *data);
    void *own;
};

/* The whole file is the part TEST when it is opened for a saved net (its notes, not the
 * options, then say how), and TRAINING .. TEST by the split when net is NULL. */
bool corpus_data(const char *path, const DataOptions *options, const Settings *settings,
                 const WeftNet *net, Data *data, WeftError *err);
bool series_data(const char *path, const DataOptions *options, const Settings *settings,
                 const WeftNet *net, Data *data, WeftError *err);
bool drawn_data(const Experiment *experiment, const DataOptions *options,
                const Settings *settings, Data *data, WeftError *err);

/* The kinds by which a saved net remembers what it was trained on (its note "data"). */
#define DATA_TEXT  "text"
#define DATA_TABLE "table"
#define DATA_TASK  "task"

/* By the name of a file or task. */
const char *data_kind(const char *name);
bool data_open(const char *kind, const char *name, const DataOptions *options,
               const Settings *settings, const WeftNet *net, Data *data,
               WeftError *err);

/* The note, or NULL and a message that this net has none. */
const char *data_note(const WeftNet *net, const char *key, WeftError *err);

#define DATA_OPTIONS_COMMON                                                            \
    .length = 100, .split = {90, 5, 5}, .window = 32, .horizon = 1

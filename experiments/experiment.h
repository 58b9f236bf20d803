/* experiment.h: what an experiment declares.
 *
 * To add one: experiments/<name>.c with its declaration, and its name in the list. */
#pragma once

#include "settings.h"

// clang-format off
#define EXPERIMENT_LIST(X)                                                               \
    X(adding)                                                                            \
    X(text)
// clang-format on

/* The sequences of a drawn task. */
typedef struct Task {
    WeftInput input;
    int inputs, outputs;
    WeftLoss loss;
    bool vector;
    /* Fills row `row` of the batch with sequence `index`, a function of (seed,
     * index). */
    void (*draw)(uint64_t seed, uint64_t index, WeftBatch *batch, int row);
} Task;

#define TEST_SEED UINT64_MAX /* of the test sequences: no --seed reaches it */

/* The points are the product cells x lengths x seeds. */
typedef struct Grid {
    const char *cells; /* "rnn,lstm,gru" */
    Numbers lengths;   /* steps of a sequence; of a text: the chunk */
    Numbers seeds;
} Grid;

/* A loss that needs no training: a dashed line in figures. */
typedef struct Oracle {
    const char *name; /* NULL ends the list */
    double loss;
} Oracle;

typedef enum Over { EVERY_SEED, SOME_SEED, MEDIAN_SEED } Over;

/* A statement about the last losses of a cell at a length, judged by the rows: it holds
 * when loss (minus the median loss of `against`, a cell or baseline) is in [low, high].
 * The published value has its source; the band was fixed before the runs. */
typedef struct Claim {
    const char *name; /* NULL ends the list */
    const char *text;
    const char *cell;
    int length;
    Over over;
    const char *against; /* NULL: nothing */
    double low, high;
    const char *published, *source;
} Claim;

typedef struct Experiment {
    const char *name, *question, *claim;
    Grid grid;
    Settings train;
    Task task;        /* draw NULL: a text, which --file names */
    const char *file; /* the text when no --file is given */
    int test;         /* test sequences; of a text: all of its validation part */
    int glance;       /* percent of them that suffice for a point on the curve */
    double solved;    /* a test loss below it ends the training; 0: none does */
    const char *unit; /* of the loss, for axes */
    const char *length_name;
    const Oracle *oracles;
    const Claim *claims;
} Experiment;

#define DECLARE(name) extern const Experiment experiment_##name;
EXPERIMENT_LIST(DECLARE)
#undef DECLARE

extern const Experiment *const experiments[]; /* NULL-terminated */

/* By name, or a message with the nearest. */
const Experiment *experiment_find(const char *name, WeftError *err);

/* A drawn task's sequences as batches of `rows`. count 0: without end; else the
 * sequences past the last have weight 0. */
typedef struct Drawn {
    const Task *task;
    uint64_t seed, count;
    int rows;
} Drawn;
WeftSource drawn_source(Drawn *drawn, int length);
uint64_t drawn_batches(const Drawn *drawn);
WeftModel task_shape(const Task *task);

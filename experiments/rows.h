/* rows.h: what a run leaves: tab-separated rows, one for each evaluation. */
#pragma once

#include "experiment.h"

/* The columns, in their order: name, type, how it is printed. */
// clang-format off
#define ROW_LIST(X)                                                                      \
    X(experiment, TEXT)  X(cell, TEXT)     X(length, COUNT)  X(seed, COUNT)              \
    X(step, COUNT)       X(loss, NUMBER)   X(score, NUMBER)  X(digest, TEXT)             \
    X(seconds, NUMBER)   X(isa, TEXT)      X(threads, COUNT) X(state, TEXT)              \
    X(rate, NUMBER)      X(validation, NUMBER)               X(settings, TEXT)           \
    X(command, TEXT)
// clang-format on

#define ROW_TEXT         const char *
#define ROW_COUNT        uint64_t
#define ROW_NUMBER       double
#define ITEM(name, type) ROW_##type name;
typedef struct Row {
    ROW_LIST(ITEM)
} Row;
#undef ITEM

/* State of a row: of a curve, the last of a grid point (three ways), what an experiment
 * measured of it then, or no training. loss and score are of the test where the training
 * is over, and of the validation before; `validation` is its loss always. */
#define STATE_RUNNING  "running"
#define STATE_SOLVED   "solved"
#define STATE_SPENT    "spent"    /* the budget */
#define STATE_DIVERGED "diverged" /* a loss that was not finite */
#define STATE_MEASURED "measured" /* loss is the value, length where */
#define STATE_BASELINE "baseline"

static inline bool row_is_last(const Row *row)
{
    return row->state[0] == 's' || row->state[0] == 'd';
}

typedef struct Rows {
    int count; /* after rows_choose: those of the rate that counts, which come first */
    int all;
    Row *row;
    char *text; /* which the rows' strings point into */
} Rows;

/* A file that is not there has no rows; a last line without its end is no row. */
bool rows_read(const char *path, Rows *rows, WeftError *err);
void rows_close(Rows *rows);

/* Keeps other runs from writing in the folder until *lock, a file, is closed. */
bool rows_lock(const char *folder, int *lock, WeftError *err);

/* The file anew, whole or not at all: those rows that keep says yes to. */
bool rows_rewrite(const char *path, const Rows *rows,
                  bool (*keep)(const void *context, const Row *row),
                  const void *context, WeftError *err);

/* Of each cell and length the trainings of one rate: that which solves the most seeds,
 * then the one of the lowest median validation loss. */
bool rows_choose(Rows *rows, WeftError *err);

/* How the trainings of a cell at a length stand with one rate. */
typedef struct Standing {
    double rate, middle; /* middle: the median of their last validation losses */
    int solved, runs;
} Standing;
/* Of the cell and length of a row; `loss` has room for one of each row. */
Standing rows_standing(const Rows *rows, const Row *as, double rate, double *loss);

/* Sorts the losses, those that are not numbers last. */
double loss_median(double *loss, int count);

bool row_append(const char *path, const Row *row, WeftError *err);

/* An experiment and its rows. */
typedef struct Result {
    const Experiment *experiment;
    Rows rows;
} Result;

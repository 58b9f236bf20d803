/* rows.h: what a run leaves: tab-separated rows, one for each evaluation. */
#pragma once

#include "experiment.h"

/* The columns, in their order: name, type, how it is printed. */
// clang-format off
#define ROW_LIST(X)                                                                      \
    X(experiment, TEXT)  X(cell, TEXT)     X(length, COUNT)  X(seed, COUNT)              \
    X(step, COUNT)       X(loss, NUMBER)   X(score, NUMBER)  X(digest, TEXT)             \
    X(seconds, NUMBER)   X(isa, TEXT)      X(threads, COUNT) X(state, TEXT)              \
    X(rate, NUMBER)      X(validation, NUMBER) X(at, COUNT)  X(size, TEXT)               \
    X(group, TEXT)       X(settings, TEXT)  X(command, TEXT)
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
 * is over, and of the validation before; `validation` is its loss always. `size` is that
 * of the declaration, or SIZE_OWN; rows of one `group` differ in cell, length, seed and
 * rate only, and are judged together. */
#define STATE_RUNNING  "running"
#define STATE_SOLVED   "solved"   /* the validation */
#define STATE_SPENT    "spent"    /* the budget */
#define STATE_DIVERGED "diverged" /* a loss that was not finite */
#define STATE_MEASURED "measured" /* loss is the value, `at` where */
#define STATE_BASELINE "baseline"

#define SIZE_OWN "own"

static inline bool row_is_last(const Row *row)
{
    return row->state[0] == 's' || row->state[0] == 'd';
}

static inline bool row_is_measured(const Row *row)
{
    return row->state[0] == 'm';
}

static inline bool row_is_baseline(const Row *row)
{
    return row->state[0] == 'b';
}

/* Whether a last row's test meets the experiment's criterion of success. */
bool row_succeeds(const Experiment *experiment, const Row *row);

typedef struct Rows {
    int count; /* after rows_choose: those that count, which come first */
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

/* Those of one group count: that of the most trainings, of equals the one that ended last.
 * Of them, of each cell and length, those of one rate: that which solves the largest share
 * of its seeds, then the one of most seeds, then of the lowest median loss, all of the
 * validation. */
bool rows_choose(Rows *rows, WeftError *err);

/* Of one cell, length and group, and neither is a baseline. */
bool row_is_alike(const Row *a, const Row *b);

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

/* Numbers that were measured of a cell (NULL: the first that has some), of its first seed, at `at`,
 * in their order. */
typedef struct Made {
    int count;
    double value[MEASURED_MAX];
} Made;
Made made_of(const Rows *rows, const char *cell, uint64_t at);

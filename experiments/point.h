/* point.h: one training of an experiment's grid. */
#pragma once

#include "data.h"
#include "rows.h"

/* One experiment as it is asked for. */
typedef struct Trial {
    const Experiment *experiment;
    Grid grid;
    Settings settings;
    const char *out, *file; /* folder of the rows; what is opened, or NULL */
    int size;               /* an index into size_names */
    bool own_rates;         /* not the declared ones */
    char rate[32];          /* the only one, by --rate */
    Data data;              /* for its shape and baselines */
    uint64_t file_bits;     /* digest of the file */
    char path[4096];        /* of the rows */
    char more[512];         /* the options of the size, cut up */
    char own[512]; /* those of the call that change the settings, as a call has them */
} Trial;

extern const char *const size_names[]; /* short, full, long; NULL-terminated */

typedef struct Point {
    const Trial *trial;
    Settings settings;
    char cell[CELL_NAME_SIZE];
    int length, threads;
    size_t parameters; /* of its net */
    bool finished;     /* before this run */
    uint64_t done;     /* updates */
    double work;       /* of one update, in about the same unit for all points */
    double began;
    char digest[17];    /* of the settings */
    char group[17];     /* point_group */
    char command[6000]; /* that repeats this point alone */
} Point;

/* Of settings that are not yet the length's. Its net is opened once, so that a bad cell or
 * size is told before hours of work. */
bool point_open(Point *point, const Trial *trial, const Settings *settings, int length,
                uint64_t seed, WeftTeam *team, WeftError *err);

/* A digest of what trainings that are judged together share: all but cell, length, seed and
 * rate. What an experiment measures depends on the length, which then is in it. */
void point_group(const Trial *trial, int length, char group[17]);
/* The size of its rows. */
const char *trial_size(const Trial *trial);

/* Whether the row is one of this point's. */
bool point_owns(const Point *point, const Row *row);

/* Who sees a point run. */
typedef struct PointWatch {
    void *context;
    /* After each update; false stops the point, which then leaves no last row. */
    bool (*progress)(void *context, Point *point, const WeftProgress *progress);
    bool (*row)(void *context, Point *point, const Row *row, WeftError *err);
    void (*over)(void *context, Point *point, const Row *last);
} PointWatch;

/* Trains it, with point->threads threads. */
bool point_run(Point *point, const PointWatch *watch, WeftError *err);

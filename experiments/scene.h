/* scene.h: what figures are drawn from: the cells and lengths of rows, their numbers and
 * the spread of those over seeds. */
#pragma once

#include "rows.h"

#define CELLS_MAX 64   /* in one figure; more are not shown */
#define STEPS_MAX 1000 /* of a curve */

/* What a number is; a share or a score without a name in percent. */
typedef enum What { SUCCESSES, SCORES, LOSSES, NUMBERS_MEASURED } What;

typedef struct Sample {
    double x, y;
} Sample;

typedef struct Scene {
    const Result *result;
    const Experiment *experiment;
    const char *cell[CELLS_MAX];  /* in the order of their looks, then as they appear */
    uint64_t length[NUMBERS_MAX]; /* of trainings, ascending */
    int cells, lengths;
    Sample *sample; /* those that scene_samples found; room for one of each row */
    double *place;  /* room for as many */
} Scene;

bool scene_open(Scene *scene, const Result *result, WeftError *err);
void scene_close(Scene *scene);

/* The last numbers of a cell (NULL: of all), by length and then value; one that diverged is
 * the highest. Their number. */
int scene_samples(const Scene *scene, const char *cell, What what);
double row_number(const Experiment *experiment, const Row *row, What what);

typedef struct Spread {
    double x, low, middle, high, mean;
} Spread;
/* Of the samples with the x of number `at`; the number of the first after them. */
int spread_next(const Sample *sample, int count, int at, Spread *spread);

/* The losses of a cell at a length while it was trained. */
typedef struct Curve {
    const Rows *rows;
    const char *cell;
    uint64_t length;
    uint64_t seed[NUMBERS_MAX], step[STEPS_MAX]; /* ascending */
    int seeds, steps;
} Curve;
Curve curve_of(const Scene *scene, const char *cell, uint64_t length);
/* Over the seeds at an update, each by its last row up to there; false: there is none. */
bool curve_spread(const Curve *curve, uint64_t step, Spread *spread);

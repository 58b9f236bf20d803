/* figure.h: figures as SVG; the one place that knows gnuplot. */
#pragma once

#include "rows.h"

#define FIGURE_NAME 64
typedef struct Figure {
    char name[FIGURE_NAME]; /* of its file, without .svg */
    char caption[512];
} Figure;

/* An experiment and its rows. */
typedef struct Result {
    const Experiment *experiment;
    Rows rows;
} Result;

/* False with a message when there is no gnuplot. */
bool figure_ready(WeftError *err);

/* Share of runs that solve their task against its length, over all results that have a
 * success. *drawn: false when none has rows. */
bool figure_mission(const Result *result, int results, const char *folder,
                    Figure *figure, bool *drawn, WeftError *err);

/* Loss against updates at one length: the median over seeds, in the band of all. */
bool figure_curves(const Result *result, uint64_t length, const char *folder,
                   Figure *figure, WeftError *err);

/* The last loss of each seed against length. */
bool figure_last(const Result *result, const char *folder, Figure *figure,
                 WeftError *err);

/* The lengths in the rows of trainings, ascending; their number. */
int lengths_of(const Rows *rows, uint64_t length[NUMBERS_MAX]);

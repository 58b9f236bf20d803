/* figure.h: the figures of the page. What the rows have chooses them:
 *
 *   measured numbers             the number against where, on a logarithmic axis
 *   several lengths, a success   share of the seeds that succeed, against length
 *   several lengths, a score     the score of every seed against length
 *   several lengths              the last loss of every seed against length
 *   one length                   bars by cell: the score, else the last loss
 *   several evaluations          loss against updates, at the shortest and longest length
 *
 * There is a score where the experiment names one or succeeds by one. Dashed lines are
 * what needs no training: oracles and baselines; of an experiment that measures, oracles
 * are of what it measures. */
#pragma once

#include "rows.h"

#define FIGURE_NAME 96
#define FIGURES_MAX 8 /* of an experiment */

typedef struct Figure {
    char name[FIGURE_NAME]; /* of its file, without .svg */
    char title[160];        /* for those who do not see it */
    char caption[512];
} Figure;

/* Draws those of an experiment to the folder; *count of them. */
bool figures_draw(const Result *result, const char *folder, Figure figure[FIGURES_MAX],
                  int *count, WeftError *err);

/* Share of trainings that succeed against the length over which they must remember: rnn,
 * lstm and gru, over all results that have a success and a dependency. *count 0: none
 * has rows. */
bool figure_mission(const Result *result, int results, const char *folder,
                    Figure *figure, int *count, WeftError *err);

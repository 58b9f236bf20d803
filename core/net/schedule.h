/* schedule.h: how an update is best shared out among the cores of a machine.
 *
 * A way to share it out is blocks of rows x members of a gang x parts of the gradients x
 * windows in flight x parts that run ahead (Split). Each is woven into its tiles, which are
 * priced and run in thought (team/plan.h). The fastest wins, if it does not wait for much more
 * than others; of those about as good the first tried, which is the simplest. */
#pragma once

#include "pass.h"

typedef struct Choice {
    Split split;
    Plan plan; /* of the windows that were looked at; where there was no choice, none */
    double flops; /* of their products */
    size_t bytes; /* of a pass's memory, beside its lists of tiles */
} Choice;

/* The best split on these terms. An error where no training has so little memory. */
bool schedule_choose(WeftNet *net, const PassShape *shape, const Terms *terms,
                     Choice *best, Error *err);

/* A split as it is, for an update of so many windows. */
bool schedule_try(WeftNet *net, const PassShape *shape, int windows, const Terms *terms,
                  const Split *split, Choice *choice, Error *err);

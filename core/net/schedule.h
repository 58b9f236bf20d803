/* schedule.h: how an update is best shared out among the cores of a machine.
 *
 * A way to share it out is rows x units x gradient parts x windows in flight (Split). Each
 * is woven into its tiles, which are priced and run in thought (team/plan.h); the fastest
 * wins, or of those about as fast the simplest. */
#pragma once

#include "pass.h"

typedef struct Choice {
    Split split;
    Plan plan;    /* of an update of as many windows as were looked at */
    double flops; /* of its products */
    size_t bytes; /* of memory for all passes over a batch of this shape */
} Choice;

/* The best split on these terms. An error where none has so little memory. One core has no
 * choice: its plan is made only when `plan` asks for it. */
bool schedule_choose(WeftNet *net, const PassShape *shape, const Terms *terms,
                     Choice *best, Error *err);

/* A split as it is, over a whole update. */
bool schedule_try(WeftNet *net, const PassShape *shape, const Terms *terms,
                  const Split *split, Choice *choice, Error *err);

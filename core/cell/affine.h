/* affine.h: whether the loop over time is a linear recurrence in every state. */
#pragma once

#include "rewrite.h"

/* Where each state leaves as a s + b, s as it enters, elementwise, and a and b depend on no
 * state (and its gradient likewise), the list is made anew: the lines that leave, and denter,
 * are OP_FMA(a, s, b). *is_affine: it was; else it stays as it is. False: out of memory. */
bool affine(const Graph *graph, bool training, Rewrite *list, bool *is_affine);

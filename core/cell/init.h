/* init.h: the numbers that parameters begin with. */
#pragma once

#include "graph.h"

/* What is wrong with an initialiser's numbers; NULL: nothing. */
const char *init_fault(InitKind init, double a);

/* Fills w [shape] with parameter i of all: leading axes are heads, each a matrix of the
 * last two axes. Its element k is drawn as number i << 40 | k of (seed, stream). False: out
 * of memory. */
bool init_param(const Param *all, int i, int hidden, uint64_t seed, uint64_t stream,
                float *w);

/* init.h: the numbers that parameters begin with. */
#pragma once

#include "graph.h"

/* Fills w [shape]: leading axes are heads, each a matrix of the last two axes. Element
 * i is drawn as number base + i of (seed, stream). False: out of memory. */
bool init_param(const Param *param, int hidden, uint64_t seed, uint64_t stream,
                uint64_t base, float *w);

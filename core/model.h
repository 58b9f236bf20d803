/* model.h: the letters that sizes go by, each with one meaning everywhere.
 *
 *   T  steps of a batch or chunk        I  inputs of a layer
 *   B  rows of the mini-batch           H  hidden units of a layer
 *   V  symbols                          O  outputs of the head
 *   L  layers                           G  gates (products that share an operand)
 *
 * Arrays of our own are [T][B][n], slowest first, rows padded to LANES_MAX floats. */
#pragma once

#include "../simd/kernels.h"

/* n floats, padded to whole vectors of every instruction set. */
static inline size_t padded(size_t n)
{
    return (n + LANES_MAX - 1) / LANES_MAX * LANES_MAX;
}

static inline int least(int a, int b)
{
    return a < b ? a : b;
}

static inline int most(int a, int b)
{
    return a > b ? a : b;
}

/* The first of the largest. */
static inline int largest(const float *p, int n)
{
    int best = 0;
    for (int j = 1; j < n; j++)
        if (p[j] > p[best]) best = j;
    return best;
}

/* Where part of n elements begins, cut into parts of whole units; part = parts: n. */
static inline int part_at(int n, int unit, int part, int parts)
{
    const int64_t units = ((int64_t)n + unit - 1) / unit;
    const int64_t at = units * part / parts * unit;
    return at < n ? (int)at : n;
}

/* lanes_sum.h: the order of every sum. A block of SUM_BLOCK elements has sixteen
 * running sums, element j going into sum j % 16; one tree adds the sixteen; blocks come
 * in ascending order. The vectors of a block that make one round of sixteen are a
 * `Sixteen`. */
#pragma once

#include "lanes.h"

#define EACH_OF_SIXTEEN(i) UNROLL for (int i = 0; i < 16 / LANES; i++)

typedef struct Sixteen {
    vf v[16 / LANES];
} Sixteen;

INLINE Sixteen sixteen_zero(void)
{
    Sixteen s;
    EACH_OF_SIXTEEN(i) s.v[i] = v_zero();
    return s;
}

/* Element i is added to i + 8, then i + 4, i + 2 and i + 1: vectors first, then
 * lanes. */
INLINE float sixteen_tree(Sixteen s)
{
    UNROLL for (int width = 8 / LANES; width; width /= 2)
        UNROLL for (int i = 0; i < width; i++) s.v[i] = v_add(s.v[i], s.v[i + width]);
    return v_sum(s.v[0]);
}

/* How many of n elements vector i has, of the sixteen that begin at element j. */
INLINE int sixteen_left(int n, int j, int i)
{
    return lanes_of(n - j - i * LANES);
}

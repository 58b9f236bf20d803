/* lanes_sum.h: the order of every sum. A block of SUM_BLOCK elements has sixteen
 * running sums, element j going into sum j % 16; one tree adds the sixteen; blocks come
 * in ascending order. The vectors of a block that make one round of sixteen are a
 * `Sixteen`. */
#pragma once

#include "lanes.h"

#define INLINE             static inline __attribute__((always_inline))
#define EACH_OF_SIXTEEN(i) _Pragma("GCC unroll 16") for (int i = 0; i < 16 / LANES; i++)

typedef struct Sixteen {
    vf v[16 / LANES];
} Sixteen;

INLINE Sixteen sixteen_zero(void)
{
    Sixteen s;
    EACH_OF_SIXTEEN(i) s.v[i] = v_zero();
    return s;
}

static inline float sixteen_tree(Sixteen s)
{
    float f[16];
    EACH_OF_SIXTEEN(i) v_store(f + i * LANES, s.v[i]);
    for (int width = 8; width; width /= 2)
        for (int i = 0; i < width; i++) f[i] += f[i + width];
    return f[0];
}

/* Lane `i` of vectors that begins at element j of n: how many elements it has. */
INLINE int sixteen_left(int n, int j, int i)
{
    return lanes_of(n - j - i * LANES);
}

/* philox.h: Philox 4x32-10, inline, so that a loop over blocks can become vectors. */
#pragma once

#include <stdint.h>

/* Ten rounds of two 32 x 32 -> 64 bit products. */
static inline void philox(uint64_t seed, uint64_t stream, uint64_t block,
                          uint32_t word[4])
{
    uint32_t c0 = (uint32_t)block, c1 = (uint32_t)(block >> 32);
    uint32_t c2 = (uint32_t)stream, c3 = (uint32_t)(stream >> 32);
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);

    _Pragma("GCC unroll 10") for (int round = 0; round < 10; round++)
    {
        const uint64_t p0 = (uint64_t)0xD2511F53 * c0;
        const uint64_t p1 = (uint64_t)0xCD9E8D57 * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9; /* the golden ratio */
        k1 += 0xBB67AE85; /* the square root of 3, less 1 */
    }
    word[0] = c0;
    word[1] = c1;
    word[2] = c2;
    word[3] = c3;
}

/* [0, 1) of the upper 24 bits. */
static inline float uniform24(uint32_t bits)
{
    return (float)(int32_t)(bits >> 8) * 0x1p-24f;
}

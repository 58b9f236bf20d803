/* scalar.c: double mathematics by SLEEF, and Philox. */
#include "scalar.h"

#include "philox.h"

#include <math.h>

#ifndef FP_FAST_FMA
#define FP_FAST_FMA /* has sleef.h declare the functions for CPUs with FMA */
#endif
#include <sleef.h>

/* Mathematics. */

bool scalar_fma(void)
{
#if defined __x86_64__
    return __builtin_cpu_supports("fma");
#else
    return true;
#endif
}

// clang-format off
#define DOUBLE_LIST(X) X(exp) X(log) X(sin) X(cos) X(tanh) X(log1p) X(expm1)
// clang-format on

#define ITEM(name)                                                                     \
    double scalar_##name(double x)                                                     \
    {                                                                                  \
        return scalar_fma() ? Sleef_finz_##name##d1_u10purecfma(x)                     \
                            : Sleef_cinz_##name##d1_u10purec(x);                       \
    }
DOUBLE_LIST(ITEM)
#undef ITEM

float scalar_logf(float x)
{
    return scalar_fma() ? Sleef_finz_logf1_u10purecfma(x)
                        : Sleef_cinz_logf1_u10purec(x);
}

double scalar_pow(double x, double y)
{
    return scalar_fma() ? Sleef_finz_powd1_u10purecfma(x, y)
                        : Sleef_cinz_powd1_u10purec(x, y);
}

/* Random numbers. */

void random_block(uint64_t seed, uint64_t stream, uint64_t block, uint32_t word[4])
{
    philox(seed, stream, block, word);
}

uint32_t random_bits(uint64_t seed, uint64_t stream, uint64_t index)
{
    uint32_t word[4];
    random_block(seed, stream, index / 4, word);
    return word[index % 4];
}

float random_uniform(uint64_t seed, uint64_t stream, uint64_t index)
{
    return uniform24(random_bits(seed, stream, index));
}

static double uniform53(uint32_t high, uint32_t low)
{
    const uint64_t bits = (uint64_t)high << 32 | low;
    return (double)(bits >> 11) * 0x1p-53;
}

double random_uniform53(uint64_t seed, uint64_t stream, uint64_t index)
{
    uint32_t word[4];
    random_block(seed, stream, index / 2, word);
    const uint32_t *const pair = word + 2 * (index % 2);
    return uniform53(pair[0], pair[1]);
}

double random_normal(uint64_t seed, uint64_t stream, uint64_t index)
{
    uint32_t word[4];
    random_block(seed, stream, index, word);
    const double u = uniform53(word[0], word[1]), v = uniform53(word[2], word[3]);
    return sqrt(-2 * scalar_log(1 - u)) * scalar_cos(2 * 3.14159265358979323846 * v);
}

/* The high half of a product: as even as 32 bits allow, and one number a draw. */
uint32_t random_below(uint64_t seed, uint64_t stream, uint64_t index, uint32_t below)
{
    return (uint32_t)((uint64_t)random_bits(seed, stream, index) * below >> 32);
}

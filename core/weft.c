/* weft.c: the words of weft.h that only pass on what is known elsewhere. */
#include "weft.h"

#include "../simd/scalar.h"

const char *weft_version(void)
{
    return WEFT_VERSION;
}

uint32_t weft_random_bits(uint64_t seed, uint64_t stream, uint64_t index)
{
    return random_bits(seed, stream, index);
}

float weft_random_uniform(uint64_t seed, uint64_t stream, uint64_t index)
{
    return random_uniform(seed, stream, index);
}

float weft_random_normal(uint64_t seed, uint64_t stream, uint64_t index)
{
    return (float)random_normal(seed, stream, index);
}

uint32_t weft_random_below(uint64_t seed, uint64_t stream, uint64_t index,
                           uint32_t below)
{
    return below ? random_below(seed, stream, index, below) : 0;
}

double weft_exp(double x)
{
    return scalar_exp(x);
}

double weft_log(double x)
{
    return scalar_log(x);
}

double weft_sin(double x)
{
    return scalar_sin(x);
}

double weft_cos(double x)
{
    return scalar_cos(x);
}

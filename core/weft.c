/* weft.c: the words of weft.h that only pass on what is known elsewhere. */
#include "weft.h"

#include "../simd/scalar.h"

WEFT_API const char *weft_version(void)
{
    return WEFT_VERSION;
}

WEFT_API uint32_t weft_random_bits(uint64_t seed, uint64_t stream, uint64_t index)
{
    return random_bits(seed, stream, index);
}

WEFT_API float weft_random_uniform(uint64_t seed, uint64_t stream, uint64_t index)
{
    return random_uniform(seed, stream, index);
}

WEFT_API float weft_random_normal(uint64_t seed, uint64_t stream, uint64_t index)
{
    return (float)random_normal(seed, stream, index);
}

WEFT_API uint32_t weft_random_below(uint64_t seed, uint64_t stream, uint64_t index,
                                    uint32_t below)
{
    return below ? random_below(seed, stream, index, below) : 0;
}

WEFT_API double weft_exp(double x)
{
    return scalar_exp(x);
}

WEFT_API double weft_log(double x)
{
    return scalar_log(x);
}

WEFT_API double weft_sin(double x)
{
    return scalar_sin(x);
}

WEFT_API double weft_cos(double x)
{
    return scalar_cos(x);
}

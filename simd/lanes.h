/* lanes.h: the lane vocabulary, and its one-lane version.
 *
 * A file that includes this one is compiled once per instruction set; what it exports
 * is named ISA(name). CMake gives ISA_NAME and LANES. */

// clang-format off
/*  vf  LANES floats                 vm  LANES truths
 *  v_load(p)  v_store(p, v)         LANES floats at any address
 *  v_part(p, n)  v_keep(p, v, n)    the first n <= LANES only: others are 0, or not touched
 *  v_first(v, n)                    v with lanes n and up set to 0
 *  v_set(x)  v_zero()               every lane x; +0
 *  v_add v_sub v_mul v_div v_sqrt v_neg v_abs    IEEE, rounded once
 *  v_fma(a, b, c)  v_fnma(a, b, c)  a b + c and c - a b, rounded once
 *  v_more(a, b)  v_select(m, a, b)  a > b; m ? a : b
 *  v_max(a, b)  v_min(a, b)         a > b ? a : b; a < b ? a : b
 *  v_sum(v)                         of the lanes: halves are added until one is left
 *  v_transpose(r)                   rows r[LANES] become columns
 *  v_log                            SLEEF's finz_ function
 *  v_exponent(v)                    the low nine bits of v as sign and exponent
 *  TILE_ROWS, TILE_VECTORS          the register tile of gemm.c; TILE_LIST: 1 .. TILE_ROWS
 *
 * Every word gives a lane the same bits on every instruction set, NaNs apart. v_max and
 * v_min flush a denormal that they let through, as x86 does. */
// clang-format on
#pragma once

#ifndef ISA_NAME
#error "lanes.h is for files that CMake compiles once per instruction set"
#endif

#define ISA_JOIN(name, isa)   name##_##isa
#define ISA_EXPAND(name, isa) ISA_JOIN(name, isa)
#define ISA(name)             ISA_EXPAND(name, ISA_NAME)

#include "kernels.h"

/* Before a loop of constant length, 16 at most: arrays that it walks stay in registers.
 * Each compiler goes by its own words only. */
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#if LANES == 16
#include "lanes_avx512.h"
#elif LANES == 8
#include "lanes_avx2.h"
#elif LANES == 4
#include "lanes_neon.h"
#else

#include "scalar.h"

#include <math.h>
#include <string.h>
#if defined __x86_64__
#include <xmmintrin.h>
#else
#include <arm_neon.h>
#endif

typedef float vf;
typedef int vm;

enum { TILE_ROWS = 4, TILE_VECTORS = 4 };
#define TILE_LIST(X) X(1) X(2) X(3) X(4)

// clang-format off
static inline vf v_load(const float *p)                { return *p; }
static inline vf v_part(const float *p, int n)         { return n ? *p : 0; }
static inline void v_store(float *p, vf v)             { *p = v; }
static inline void v_keep(float *p, vf v, int n)       { if (n) *p = v; }
static inline vf v_first(vf v, int n)                  { return n ? v : 0; }
static inline vf v_set(float x)                        { return x; }
static inline vf v_zero(void)                          { return 0; }
static inline vf v_add(vf a, vf b)                     { return a + b; }
static inline vf v_sub(vf a, vf b)                     { return a - b; }
static inline vf v_mul(vf a, vf b)                     { return a * b; }
static inline vf v_div(vf a, vf b)                     { return a / b; }
static inline vf v_sqrt(vf a)                          { return sqrtf(a); }
static inline vf v_neg(vf a)                           { return -a; }
static inline vf v_abs(vf a)                           { return fabsf(a); }
static inline vf v_fma(vf a, vf b, vf c)               { return fmaf(a, b, c); }
static inline vf v_fnma(vf a, vf b, vf c)              { return fmaf(-a, b, c); }
static inline vm v_more(vf a, vf b)                    { return a > b; }
static inline vf v_select(vm m, vf a, vf b)            { return m ? a : b; }
static inline vf v_log(vf a)                           { return scalar_logf(a); }
static inline vf v_exponent(vf a)
{
    uint32_t bits;
    memcpy(&bits, &a, sizeof bits);
    bits <<= 23;
    memcpy(&a, &bits, sizeof a);
    return a;
}
static inline float v_sum(vf a)                        { return a; }
static inline void v_transpose(vf r[LANES])            { (void)r; }
#if defined __x86_64__
static inline vf v_max(vf a, vf b) { return _mm_cvtss_f32(_mm_max_ss(_mm_set_ss(a), _mm_set_ss(b))); }
static inline vf v_min(vf a, vf b) { return _mm_cvtss_f32(_mm_min_ss(_mm_set_ss(a), _mm_set_ss(b))); }
#else /* the outer maximum of x and x is there to flush x */
static inline vf v_flush(vf x)     { return vget_lane_f32(vmax_f32(vdup_n_f32(x), vdup_n_f32(x)), 0); }
static inline vf v_max(vf a, vf b) { return v_flush(a > b ? a : b); }
static inline vf v_min(vf a, vf b) { return v_flush(a < b ? a : b); }
#endif
// clang-format on

#endif /* one lane */

/* A body that is compiled anew for each of its constant operands. */
#define INLINE static inline __attribute__((always_inline))

/* Row r of an operand of Map; stride 0: the same row for all. */
static inline const float *row(const float *p, size_t stride, int r)
{
    return p + stride * (size_t)r;
}

/* Words made of words. */

static inline int lanes_of(int n) /* how many of n elements this vector has */
{
    return n < 0 ? 0 : n < LANES ? n : LANES;
}

/* exp(a) = 2^up s (1 + q), s a power of two that is 0 below 2^-126 and must be less than
 * 2^128. The polynomial is the minimax one of (e^r - 1 - r) / r^2 where |r| <= ln(2) / 2,
 * within 1.4e-8. */
typedef struct Power {
    vf s, q;
} Power;

INLINE Power v_power(vf a, int up)
{
    const vf bias =
        v_set(0x1.8p23f + 127 - (float)up); /* t's low bits: the exponent of s */
    const vf t = v_fma(a, v_set(0x1.715476p0f), bias), n = v_sub(t, bias);
    const vf r = v_fnma(n, v_set(-0x1.05c61p-29f), v_fnma(n, v_set(0x1.62e43p-1f), a));
    vf p = v_set(0x1.6bebfcp-10f);
    p = v_fma(p, r, v_set(0x1.1227fcp-7f));
    p = v_fma(p, r, v_set(0x1.555674p-5f));
    p = v_fma(p, r, v_set(0x1.5554bp-3f));
    p = v_fma(p, r, v_set(0x1.fffffep-2f));
    return (Power){v_exponent(t), v_fma(v_mul(r, r), p, r)};
}

/* x where it is within the limits, or a NaN; else the limit that is near. */
INLINE vf v_limit(float low, float high, vf x)
{
    return v_max(v_set(low), v_min(v_set(high), x));
}

/* Within 1.05 ULP; infinite where exp(a) is, and 0 below 2^-125. */
INLINE vf v_exp(vf a)
{
    const Power e = v_power(v_limit(-87.3f, 89, a), 1);
    const vf half = v_fma(e.s, e.q, e.s);
    return v_add(half, half);
}

/* Within 2.5 ULP, 1.5 FLT_EPSILON of the value; tanh 2.9 and 1.6: measured over all
 * floats. They take half the time of SLEEF's and are inlined. */
INLINE vf v_sigmoid(vf a)
{
    const vf one = v_set(1);
    const Power e = v_power(v_limit(-88, 88, v_neg(a)), 0);
    return v_div(one, v_fma(e.s, e.q, v_add(e.s, one)));
}

/* (e - 1) / (e + 1), e = exp(2 a). */
INLINE vf v_tanh(vf a)
{
    const vf one = v_set(1), x = v_limit(-9.25f, 9.25f, a);
    const Power e = v_power(v_add(x, x), 0);
    return v_div(v_fma(e.s, e.q, v_sub(e.s, one)), v_fma(e.s, e.q, v_add(e.s, one)));
}

/* log(1 + e), 0 <= e <= 1, within 2 ULP: 2 atanh(s), s = e / (2 + e), which is
 * 2 s + s^3 (2/3 + 2/5 s^2 + ...). A third of the time of SLEEF's log1p. */
static inline vf v_log1p(vf e)
{
    const vf s = v_div(e, v_add(v_set(2), e)), z = v_mul(s, s);
    vf p = v_set(0x1.dba26p-3f);
    p = v_fma(p, z, v_set(0x1.bc8cf8p-3f));
    p = v_fma(p, z, v_set(0x1.24c926p-2f));
    p = v_fma(p, z, v_set(0x1.9998d4p-2f));
    p = v_fma(p, z, v_set(0x1.555556p-1f));
    return v_fma(v_mul(s, z), p, v_add(s, s));
}

static inline vf v_softplus(vf a) /* a NaN comes through the second term */
{
    return v_add(v_max(a, v_zero()), v_log1p(v_exp(v_neg(v_abs(a)))));
}

/* What the lists promise, declared for this instruction set. */
#define ITEM(name, text) void ISA(map_##name)(const Map *m);
MAP_LIST(ITEM)
#undef ITEM
#define ITEM(type, name, params) type ISA(name) params;
KERNEL_LIST(ITEM)
#undef ITEM
extern const Kernels ISA(kernels);

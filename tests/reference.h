/* reference.h: what each kernel computes, as the plainest loop in double precision.
 *
 * A Sum carries the magnitudes of its terms with it: a float sum of `count` terms in
 * any order lies within count * FLT_EPSILON * size of the value. */
#pragma once

#include "../simd/kernels.h"

#include <float.h>
#include <math.h>

typedef struct Sum {
    double value, size;
    int count;
} Sum;

static inline void sum_add(Sum *s, double term)
{
    s->value += term;
    s->size += fabs(term);
    s->count++;
}

static inline int sum_holds(Sum s, float y)
{
    return fabs((double)y - s.value) <=
           s.count * (double)FLT_EPSILON * s.size + (double)FLT_MIN;
}

/* Elementwise: the value, and how many FLT_EPSILON the float may be off by. 0.5 is a
 * single rounding; SLEEF's u10 is 1. */

static inline double softplus(double a)
{
    return fmax(a, 0) + log1p(exp(-fabs(a))) + (isnan(a) ? a : 0);
}

// clang-format off
#define REFERENCE_LIST(X)                                                                \
    X(copy,       0,   a)                                                                \
    X(neg,        0,   -a)                                                               \
    X(add,        0.5, a + b)                                                            \
    X(sub,        0.5, a - b)                                                            \
    X(mul,        0.5, a * b)                                                            \
    X(div,        0.5, a / b)                                                            \
    X(min,        0,   a < b ? a : b)                                                    \
    X(max,        0,   a > b ? a : b)                                                    \
    X(fma,        0.5, (double)fmaf((float)a, (float)b, (float)c))                       \
    X(fnma,       0.5, (double)fmaf(-(float)a, (float)b, (float)c))                      \
    X(exp,        1,   exp(a))                                                           \
    X(log,        1,   log(a))                                                           \
    X(sigmoid,    1.6, 1 / (1 + exp(-a)))                                                \
    X(tanh,       1.6, tanh(a))                                                          \
    X(relu,       0,   a > 0 ? a : 0)                                                    \
    X(abs,        0,   fabs(a))                                                          \
    X(sqrt,       0.5, sqrt(a))                                                          \
    X(softplus,   3.5, softplus(a))                                                      \
    X(logsigmoid, 3.5, -softplus(-a))                                                    \
    X(dsigmoid,   1.5, a *(double)(float)(b * (1 - b)))                                                \
    X(dtanh,      1,   a *(double)(float)(1 - b * b))                                                  \
    X(drelu,      0,   b > 0 ? a : 0)                                                    \
    X(dabs,       0,   b > 0 ? a : b < 0 ? -a : 0)                                       \
    X(pick,       0,   a > b ? c : 0)                                                    \
    X(unpick,     0,   a > b ? 0 : c)                                                    \
    X(dsigmoid_mul, 1.5, (double)(float)(a * b) * (double)(float)(c * (1 - c)))          \
    X(dtanh_mul,  1,   (double)(float)(a * b) * (double)(float)(1 - c * c))
// clang-format on

typedef struct Pointwise {
    double (*value)(double a, double b, double c);
    double epsilons;
} Pointwise;

#define ITEM(name, epsilons, expression)                                               \
    static inline double reference_##name(double a, double b, double c)                \
    {                                                                                  \
        (void)a, (void)b, (void)c;                                                     \
        return expression;                                                             \
    }
REFERENCE_LIST(ITEM)
#undef ITEM

static const Pointwise reference_map[MAP_COUNT] = {
#define ITEM(name, epsilons, expression) [MAP_##name] = {reference_##name, epsilons},
    REFERENCE_LIST(ITEM)
#undef ITEM
};

/* Grouped operations: element `at` of one row. */
static inline Sum reference_grouped(MapOp op, const Map *m, const float *a,
                                    const float *b, int at)
{
    Sum s = {0};
    const int i = at / m->inner,
              j = at % m->inner; /* [groups][m][inner]: i is group and m */
    const int group = at / m->m; /* of [groups][m] */
    switch (op) {
    case MAP_sum:
        for (int e = 0; e < m->inner; e++) sum_add(&s, a[at * m->inner + e]);
        break;
    case MAP_expand: sum_add(&s, a[i]); break;
    case MAP_outer: sum_add(&s, (double)a[i] * b[i / m->m * m->inner + j]); break;
    case MAP_matvec:
        for (int e = 0; e < m->inner; e++)
            sum_add(&s, (double)a[at * m->inner + e] * b[group * m->inner + e]);
        break;
    case MAP_matvec_t: /* i is the group here */
        for (int e = 0; e < m->m; e++)
            sum_add(&s, (double)a[(i * m->m + e) * m->inner + j] * b[i * m->m + e]);
        break;
    default: break;
    }
    return s;
}

/* C[i][j] of a product; b: [k][n], plain. */
static inline Sum reference_gemm(const Gemm *g, const float *b, int i, int j)
{
    Sum s = {0};
    sum_add(&s, g->d ? g->d[(size_t)i * g->d_row + (size_t)j] : 0);
    for (int p = 0; p < g->k; p++)
        sum_add(&s, (double)g->a[(size_t)i * g->a_row + (size_t)p * g->a_col] *
                        b[p * g->n + j]);
    return s;
}

/* The same as the one chain that the bits are defined by. */
static inline float chain_gemm(const Gemm *g, const float *b, int i, int j)
{
    float c = g->d ? g->d[(size_t)i * g->d_row + (size_t)j] : 0;
    for (int p = 0; p < g->k; p++)
        c = fmaf(g->a[(size_t)i * g->a_row + (size_t)p * g->a_col], b[p * g->n + j], c);
    return c;
}

/* The fixed order of a sum of n products a b, as it is defined. */
static inline double ordered_sum(size_t n, const float *a, const float *b)
{
    double total = 0;
    for (size_t block = 0; block < n; block += SUM_BLOCK) {
        float s[16] = {0};
        for (size_t j = 0; j < SUM_BLOCK && block + j < n; j++)
            s[j % 16] = b ? fmaf(a[block + j], b[block + j], s[j % 16])
                          : s[j % 16] + a[block + j];
        for (int width = 8; width; width /= 2)
            for (int j = 0; j < width; j++) s[j] += s[j + width];
        total += (double)s[0];
    }
    return total;
}

/* log sum exp of one row, [n]. */
static inline double reference_log_sum(int n, const float *a)
{
    double top = (double)a[0], s = 0;
    for (int i = 1; i < n; i++) top = fmax(top, (double)a[i]);
    for (int i = 0; i < n; i++) s += exp((double)a[i] - top);
    return top + log(s);
}

/* One parameter of an optimiser. */
typedef struct Parameter {
    double w, g, m, v;
} Parameter;

typedef enum Optimiser { SGD, RMSPROP, ADAM, ADAMW } Optimiser;

static inline Parameter reference_update(Optimiser o, Parameter x, const UpdateRates *r)
{
    x.g *= (double)r->scale;
    if (r->limit > 0) x.g = fmin(fmax(x.g, -(double)r->limit), (double)r->limit);
    const double g = o == ADAMW ? x.g : x.g + (double)r->decay * x.w;
    if (o == ADAMW) x.w -= (double)r->rate * (double)r->decay * x.w;
    if (o == SGD) {
        x.m = (double)r->momentum * x.m + g;
        x.w -= (double)r->rate * x.m;
        return x;
    }
    x.v = (double)r->beta2 * x.v + (1 - (double)r->beta2) * g * g;
    if (o == RMSPROP) {
        x.w -= (double)r->rate * g / (sqrt(x.v) + (double)r->epsilon);
        return x;
    }
    x.m = (double)r->beta1 * x.m + (1 - (double)r->beta1) * g;
    x.w -= (double)r->rate * (x.m * (double)r->correct1) /
           (sqrt(x.v * (double)r->correct2) + (double)r->epsilon);
    return x;
}

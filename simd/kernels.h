/* kernels.h: the table of kernels, one set per instruction set.
 *
 * To add a kernel: name it here, write ISA(name), give tests/reference.h its plain
 * loop.
 *
 * Bits: every kernel gives the same bits on every instruction set. An element of a
 * matrix product is one chain of fused multiply-adds in ascending k that starts at d
 * (or +0); a sum runs in blocks of 256 elements (sixteen running sums, one fixed tree
 * of sixteen), the blocks added in ascending order.
 *
 * Memory: a row may be read to the end of its last vector (LANES_MAX floats past the
 * element asked for are always readable), its neighbours are never written: stores are
 * exact. Nothing needs alignment. y may be the same view as a, b or c; else no overlap.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LANES_MAX     16  /* floats in the widest vector: rows are padded to it */
#define SUM_BLOCK     256 /* elements of a reduction that share sixteen running sums */
#define GRADIENT_JOBS 64  /* of one call of gradient, at most */

/* Elementwise: y[r][j] = f(a[r][j], b[r][j], c[r][j]), r < rows, j < n.
 * Grouped (sum, expand, outer, ...): n = groups * m * inner in the largest operand.
 * A stride is in floats from row to row; 0 gives every row the same operand. */
typedef struct Map {
    int rows, n;
    int groups, m, inner;
    bool go_on; /* matvec_t: chains start at y, not at +0 */
    float *y;
    const float *a, *b, *c;
    size_t y_row, a_row, b_row, c_row;
} Map;

/* C[i][j] = D[i][j] + sum over p ascending of A[i][p] B[p][j], i < m, j < n, p < k. */
typedef struct Gemm {
    int m, n, k;
    const float *a; /* A[i][p] = a[i * a_row + p * a_col] */
    size_t a_row, a_col;
    const float *b; /* as `pack` laid it out */
    const float *d; /* where each chain starts; may be c; NULL: +0 */
    size_t d_row;   /* 0: one row for all */
    float *c;
    size_t c_row;
} Gemm;

/* dw[i][j] += chain over r ascending of d[r][i] x[r][j], i < n, j < k. A bias has x
 * NULL, k and dw_row 1: dw[i] += d[r][i]. */
typedef struct Gradient {
    int n, k;
    const float *d, *x;
    size_t d_row, x_row;
    float *dw;
    size_t dw_row;
} Gradient;

/* What the optimisers need; the products are made in double by the caller, once. */
typedef struct UpdateRates {
    float rate; /* Adam: rate * sqrt(1 - beta2^t) / (1 - beta1^t) is NOT folded in */
    float momentum; /* SGD */
    float beta1, beta2;
    float correct1, correct2; /* Adam: 1 / (1 - beta^t) */
    float epsilon;
    float decay; /* L2: g += decay w; AdamW: w -= rate decay w first */
    float scale,
        limit; /* g is scaled, then limited to [-limit, limit] (0: not) first */
} UpdateRates;

/* Each line: name, what it computes. The operands in order: a, b, c. */
#define MAP_LIST(X)                                                                    \
    X(copy, "a")                                                                       \
    X(neg, "-a")                                                                       \
    X(add, "a + b")                                                                    \
    X(sub, "a - b")                                                                    \
    X(mul, "a b")                                                                      \
    X(div, "a / b")                                                                    \
    X(min, "a < b ? a : b")                                                            \
    X(max, "a > b ? a : b")                                                            \
    X(fma, "a b + c, fused")                                                           \
    X(fnma, "c - a b, fused")                                                          \
    X(exp, "exp a")                                                                    \
    X(log, "log a")                                                                    \
    X(sigmoid, "1 / (1 + exp -a)")                                                     \
    X(tanh, "tanh a")                                                                  \
    X(relu, "a > 0 ? a : 0")                                                           \
    X(abs, "|a|")                                                                      \
    X(sqrt, "square root of a")                                                        \
    X(softplus, "log(1 + exp a) = max(a, 0) + log1p(exp -|a|)")                        \
    X(logsigmoid, "-softplus(-a)")                                                     \
    X(dsigmoid, "a b (1 - b): gradient a through b = sigmoid(.)")                      \
    X(dtanh, "a (1 - b b): gradient a through b = tanh(.)")                            \
    X(drelu, "b > 0 ? a : 0")                                                          \
    X(dabs, "b > 0 ? a : b < 0 ? -a : 0")                                              \
    X(pick, "a > b ? c : 0")                                                           \
    X(unpick, "a > b ? 0 : c")                                                         \
    X(dsigmoid_mul, "(a b) c (1 - c)")                                                 \
    X(dtanh_mul, "(a b) (1 - c c)")                                                    \
    X(sum, "y [groups] = sum over inner of a [groups][inner]")                         \
    X(expand, "y [groups][inner] = a [groups]")                                        \
    X(outer, "y [groups][m][inner] = a [groups][m] b [groups][inner]")                 \
    X(matvec,                                                                          \
      "y [groups][m] = sum over inner of a [groups][m][inner] b [groups][inner]")      \
    X(matvec_t,                                                                        \
      "y [groups][inner] = chain over m of a [groups][m][inner] b [groups][m]")

// clang-format off
#define KERNEL_LIST(X)                                                                 \
    /* Floats that `pack` writes for n columns of depth k (whole panels). */           \
    X(size_t, packed, (int n, int k))                                                  \
    /* Packs B[p][j] = w[j * w_n + p * w_k], j < n, p < k, into panels of `panel`      \
     * columns, each [k][panel], the last filled with zeros. Column j0 (a multiple of  \
     * panel) begins at packed + packed(j0, k). */                                     \
    X(void, pack,                                                                      \
      (int n, int k, const float *w, size_t w_n, size_t w_k, float *packed))           \
    X(void, gemm, (const Gemm *g))                                                     \
    /* All jobs over the same rows, no element of dw in two: a d or an x that several  \
     * share, with its stride, is packed once. Row r is row[r] of d and x, ascending;  \
     * NULL: r.                                                                        \
     * scratch: gradient_scratch(k) floats, k the sum over all different x of          \
     * `panel`s of their k. */                                                         \
    X(size_t, gradient_scratch, (int k))                                               \
    X(void, gradient,                                                                  \
      (int rows, const int *row, int count, const Gradient *jobs, float *scratch))     \
    /* y[j] += a[r][j], r ascending, j < n. */                                         \
    X(void, sum_rows, (int rows, int n, const float *a, size_t a_row, float *y))       \
    /* y[r][j] = d[j] + table[symbol[r]][j]; d NULL: 0. */                             \
    X(void, look_up,                                                                   \
      (int rows, int n, const int32_t *symbol, const float *table, size_t table_row,   \
       const float *d, float *y, size_t y_row))                                        \
    /* table[symbol[r]][j] += d[r][j], r ascending. */                                 \
    X(void, look_up_gradient,                                                          \
      (int rows, int n, const int32_t *symbol, const float *d, size_t d_row,           \
       float *table, size_t table_row))                                                \
    /* Sums of n elements in the fixed order; blocks are added in double. */           \
    X(double, sum, (size_t n, const float *a))                                         \
    X(double, sum_squares, (size_t n, const float *a))                                 \
    /* loss[r] = w[r] (log sum exp a[r] - a[r][label[r]]), in nats; da[r][j] = w[r]    \
     * scale (softmax(a[r])[j] - [j == label[r]]); p[r] = softmax, no loss, when label \
     * is NULL (then da is p). w NULL: 1. */                                           \
    X(void, softmax,                                                                   \
      (int rows, int n, const float *a, size_t a_row, const int32_t *label,            \
       const float *w, float scale, float *loss, float *da, size_t da_row))            \
    /* loss[r] = w[r] sum over j of softplus(a) - t a; da = w[r] scale (sigmoid(a) -   \
     * t).  */                                                                         \
    X(void, sigmoid_loss,                                                              \
      (int rows, int n, const float *a, size_t a_row, const float *t, size_t t_row,    \
       const float *w, float scale, float *loss, float *da, size_t da_row))            \
    /* loss[r] = w[r]/n sum over j of (a - t)^2; da = w[r] scale 2/n (a - t). */       \
    X(void, square_loss,                                                               \
      (int rows, int n, const float *a, size_t a_row, const float *t, size_t t_row,    \
       const float *w, float scale, float *loss, float *da, size_t da_row))            \
    /* y[r][j] = 1/(1-p) where the uniform number (seed, stream, index + r *           \
     * index_row + j) is not below p, else 0. */                                       \
    X(void, drop,                                                                      \
      (int rows, int n, uint64_t seed, uint64_t stream, uint64_t index,                \
       uint64_t index_row, float p, float *y, size_t y_row))                           \
    /* Optimisers: w, m, v [n] change in place; g after scale and limit is written     \
     * back. sgd: m = momentum m + g; w -= rate m. rmsprop: v = beta2 v + (1-beta2)    \
     * g^2; w -= rate g / (sqrt v + epsilon). adam: m, v as Kingma & Ba 2015; w -=     \
     * rate (m correct1) / (sqrt(v correct2) + epsilon). */                            \
    X(void, sgd, (size_t n, float *w, float *g, float *m, const UpdateRates *r))       \
    X(void, rmsprop, (size_t n, float *w, float *g, float *v, const UpdateRates *r))   \
    X(void, adam,                                                                      \
      (size_t n, float *w, float *g, float *m, float *v, const UpdateRates *r))        \
    X(void, adamw,                                                                     \
      (size_t n, float *w, float *g, float *m, float *v, const UpdateRates *r))        \
    /* 12 independent chains of `turns` fused multiply-adds; returns the flops done.   \
     * For measuring the peak. */                                                      \
    X(double, peak, (int turns, float *sink))
// clang-format on

typedef enum MapOp {
#define ITEM(name, text) MAP_##name,
    MAP_LIST(ITEM)
#undef ITEM
        MAP_COUNT
} MapOp;

typedef struct Kernels {
    const char *isa;
    int lanes;                            /* floats in a vector */
    int panel;                            /* columns of a packed panel */
    void (*map[MAP_COUNT])(const Map *m); /* by MapOp */
#define ITEM(type, name, params) type(*name) params;
    KERNEL_LIST(ITEM)
#undef ITEM
} Kernels;

extern const Kernels *simd; /* the set in use, once isa_select has run */

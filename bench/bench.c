/* bench.c: every kernel of every instruction set of this machine, one thread.
 *
 *   gemm/<isa>/m:M/n:N/k:K          C = A B, B packed
 *   gradient/<isa>/n:N/k:K/rows:R   dW += d^T x
 *   pack/<isa>/n:N/k:K              of a weight [N][K]
 *   map/<isa>/<operation>/n:N       a row of N, in L1
 *   map/<isa>/<operation>/rows:R/n:N  rows of a block of units
 *   <kernel>/<isa>/...              all others of the list, by name */
#include "bench.h"
#include "step_bench.h"

#include "../simd/isa.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { ARRAYS = 5 };

/* Arguments of any kernel. Rows have a cache line of padding: powers of two between them
 * would lie on the same lines of L1. */
typedef struct Work {
    const Kernels *simd;
    MapOp op;
    int m, n, k;
    size_t floats[ARRAYS]; /* of each array; 0: none */
    float *at[ARRAYS];
    int32_t *symbol; /* [m], all below n */
} Work;

static size_t row_of(int n)
{
    return (size_t)n + LANES_MAX;
}

/* Random numbers in [0.5, 1), which no kernel overflows with; soon the same again. */
static float *numbers(size_t n)
{
    float *const p = malloc((n + LANES_MAX) * sizeof *p);
    for (size_t i = 0; p && i < n + LANES_MAX; i++)
        p[i] = i < 4096 ? 0.5f + 0.5f * random_uniform(1, 2, i) : p[i - 4096];
    return p;
}

static void close_work(void *context)
{
    Work *const w = context;
    for (int i = 0; i < ARRAYS; i++) free(w->at[i]), w->at[i] = NULL;
    free(w->symbol), w->symbol = NULL;
}

static bool open_work(void *context)
{
    Work *const w = context;
    w->symbol = calloc((size_t)w->m + 1, sizeof *w->symbol);
    bool got = w->symbol != NULL;
    for (int i = 0; got && i < w->m; i++)
        w->symbol[i] = (int32_t)(random_uniform(1, 3, (uint64_t)i) * (float)w->n);
    for (int i = 0; got && i < ARRAYS; i++)
        if (w->floats[i]) got = (w->at[i] = numbers(w->floats[i])) != NULL;
    if (!got) close_work(w);
    return got;
}

/* Names a bench of this work on the set in use: <kernel>/<isa>/<rest>. */
static void name_work(const char *kernel, void (*run)(void *), const Work *work,
                      double flops, double bytes, const char *rest, ...)
{
    char name[128];
    Work *const w = malloc(sizeof *w); /* the program's end frees it */
    if (!w) abort();
    *w = *work, w->simd = simd;
    const int used = snprintf(name, sizeof name, "%s/%s/", kernel, simd->isa);
    va_list list;
    va_start(list, rest);
    vsnprintf(name + used, sizeof name - (size_t)used, rest, list);
    va_end(list);
    const Bench b = {.set = simd,
                     .open = open_work,
                     .run = run,
                     .close = close_work,
                     .flops = flops,
                     .bytes = bytes};
    bench(name, &b, w);
}

/* Calls name_set once with each set in use. */
static void for_every_set(void (*name_set)(void))
{
    const Kernels *const before = simd;
    for (int i = 0; isa_set(i); i++) simd = isa_set(i), name_set();
    simd = before;
}

/* ---- products ---- */

static void run_pack(void *context)
{
    const Work *const w = context;
    w->simd->pack(w->n, w->k, w->at[0], (size_t)w->k, 1, w->at[1]);
}

static void name_pack_of(int n, int k)
{
    const Work w = {
        .n = n, .k = k, .floats = {(size_t)n * (size_t)k, simd->packed(n, k)}};
    name_work("pack", run_pack, &w, 0, 8.0 * n * k, "n:%d/k:%d", n, k);
}

static void name_pack(void)
{
    for (int i = 0; i < BENCH_SHAPES; i++)
        name_pack_of(4 * bench_shapes[i].H, bench_shapes[i].H);
}

static void run_gemm(void *context)
{
    const Work *const w = context;
    w->simd->gemm(&(Gemm){.m = w->m,
                          .n = w->n,
                          .k = w->k,
                          .a = w->at[0],
                          .a_row = row_of(w->k),
                          .a_col = 1,
                          .b = w->at[1],
                          .c = w->at[2],
                          .c_row = row_of(w->n)});
}

static void name_gemm_of(int m, int n, int k)
{
    const Work w = {
        .m = m,
        .n = n,
        .k = k,
        .floats = {(size_t)m * row_of(k), simd->packed(n, k), (size_t)m * row_of(n)}};
    name_work("gemm", run_gemm, &w, 2.0 * m * n * k, 0, "m:%d/n:%d/k:%d", m, n, k);
}

/* Few rows, then the products of an LSTM: in the loop over time, forward and backward,
 * and before it. */
static void name_gemm(void)
{
    static const int few[] = {1, 2, 4, 8, 16};
    for (size_t i = 0; i < sizeof few / sizeof *few; i++)
        name_gemm_of(few[i], 1024, 256);
    for (int i = 0; i < BENCH_SHAPES; i++) {
        const BenchShape *const s = &bench_shapes[i];
        name_gemm_of(s->B, 4 * s->H, s->H);
        name_gemm_of(s->B, s->H, 4 * s->H);
        name_gemm_of(s->T * s->B, 4 * s->H, s->I);
    }
}

static void run_gradient(void *context)
{
    const Work *const w = context;
    const Gradient job = {.n = w->n,
                          .k = w->k,
                          .d = w->at[0],
                          .d_row = row_of(w->n),
                          .x = w->at[1],
                          .x_row = row_of(w->k),
                          .dw = w->at[2],
                          .dw_row = (size_t)w->k};
    w->simd->gradient(w->m, NULL, 1, &job, w->at[3]);
}

static void name_gradient_of(int n, int k, int rows)
{
    const Work w = {.m = rows,
                    .n = n,
                    .k = k,
                    .floats = {(size_t)rows * row_of(n), (size_t)rows * row_of(k),
                               (size_t)n * (size_t)k, simd->gradient_scratch(k)}};
    name_work("gradient", run_gradient, &w, 2.0 * n * k * rows, 0, "n:%d/k:%d/rows:%d",
              n, k, rows);
}

static void name_gradient(void)
{
    for (int i = 0; i < BENCH_SHAPES; i++) {
        const BenchShape *const s = &bench_shapes[i];
        name_gradient_of(4 * s->H, s->H, s->T * s->B);
    }
}

/* ---- rows ---- */

#define ROWS  64
#define WIDTH 1024
#define WIDE  (ROWS * row_of(WIDTH))

/* A kernel of [ROWS][WIDTH]; flops and bytes for each element. */
static void name_rows(const char *kernel, void (*run)(void *), int flops, int bytes)
{
    const double elements = (double)ROWS * WIDTH;
    const Work w = {
        .m = ROWS, .n = WIDTH, .floats = {WIDE, WIDTH * row_of(WIDTH), WIDE, ROWS}};
    name_work(kernel, run, &w, flops * elements, bytes * elements, "rows:%d/n:%d", ROWS,
              WIDTH);
}

static void run_sum_rows(void *context)
{
    const Work *const w = context;
    w->simd->sum_rows(w->m, w->n, w->at[0], row_of(w->n), w->at[1]);
}

static void run_look_up(void *context)
{
    const Work *const w = context;
    w->simd->look_up(w->m, w->n, w->symbol, w->at[1], row_of(w->n), NULL, w->at[0],
                     row_of(w->n));
}

static void run_look_up_gradient(void *context)
{
    const Work *const w = context;
    w->simd->look_up_gradient(w->m, w->n, w->symbol, w->at[0], row_of(w->n), w->at[1],
                              row_of(w->n));
}

static void run_softmax(void *context)
{
    const Work *const w = context;
    w->simd->softmax(w->m, w->n, w->at[0], row_of(w->n), w->symbol, NULL, 1, w->at[3],
                     w->at[2], row_of(w->n));
}

static void run_sigmoid_loss(void *context)
{
    const Work *const w = context;
    w->simd->sigmoid_loss(w->m, w->n, w->at[0], row_of(w->n), w->at[1], row_of(w->n),
                          NULL, 1, w->at[3], w->at[2], row_of(w->n));
}

static void run_square_loss(void *context)
{
    const Work *const w = context;
    w->simd->square_loss(w->m, w->n, w->at[0], row_of(w->n), w->at[1], row_of(w->n),
                         NULL, 1, w->at[3], w->at[2], row_of(w->n));
}

static void run_drop(void *context)
{
    const Work *const w = context;
    w->simd->drop(w->m, w->n, 1, 2, 0, (uint64_t)w->n, 0.5f, w->at[0], row_of(w->n));
}

// clang-format off
static void name_sum_rows(void)         { name_rows("sum_rows", run_sum_rows, 1, 0); }
static void name_look_up(void)          { name_rows("look_up", run_look_up, 0, 8); }
static void name_look_up_gradient(void) { name_rows("look_up_gradient", run_look_up_gradient, 1, 0); }
static void name_softmax(void)          { name_rows("softmax", run_softmax, 0, 8); }
static void name_sigmoid_loss(void)     { name_rows("sigmoid_loss", run_sigmoid_loss, 0, 12); }
static void name_square_loss(void)      { name_rows("square_loss", run_square_loss, 0, 12); }
static void name_drop(void)             { name_rows("drop", run_drop, 0, 4); }
// clang-format on

/* ---- parameters ---- */

#define PARAMS (1 << 20)

/* Both sums, and the optimisers. */
static void name_all_of(const char *kernel, void (*run)(void *), int flops, int bytes)
{
    const Work w = {.n = PARAMS, .floats = {PARAMS, PARAMS, PARAMS, PARAMS}};
    name_work(kernel, run, &w, (double)flops * PARAMS, (double)bytes * PARAMS, "n:%d",
              PARAMS);
}

static const UpdateRates rates = {.rate = 1e-3f,
                                  .momentum = 0.9f,
                                  .beta1 = 0.9f,
                                  .beta2 = 0.999f,
                                  .correct1 = 1,
                                  .correct2 = 1,
                                  .epsilon = 1e-8f,
                                  .decay = 0.01f,
                                  .scale = 1};

static void run_sum(void *context)
{
    const Work *const w = context;
    w->simd->sum((size_t)w->n, w->at[0]);
}

static void run_sum_squares(void *context)
{
    const Work *const w = context;
    w->simd->sum_squares((size_t)w->n, w->at[0]);
}

static void run_sgd(void *context)
{
    const Work *const w = context;
    w->simd->sgd((size_t)w->n, w->at[0], w->at[1], w->at[2], &rates);
}

static void run_rmsprop(void *context)
{
    const Work *const w = context;
    w->simd->rmsprop((size_t)w->n, w->at[0], w->at[1], w->at[2], &rates);
}

static void run_adam(void *context)
{
    const Work *const w = context;
    w->simd->adam((size_t)w->n, w->at[0], w->at[1], w->at[2], w->at[3], &rates);
}

static void run_adamw(void *context)
{
    const Work *const w = context;
    w->simd->adamw((size_t)w->n, w->at[0], w->at[1], w->at[2], w->at[3], &rates);
}

// clang-format off
static void name_sum(void)         { name_all_of("sum", run_sum, 1, 0); }
static void name_sum_squares(void) { name_all_of("sum_squares", run_sum_squares, 2, 0); }
static void name_sgd(void)         { name_all_of("sgd", run_sgd, 0, 24); }
static void name_rmsprop(void)     { name_all_of("rmsprop", run_rmsprop, 0, 24); }
static void name_adam(void)        { name_all_of("adam", run_adam, 0, 32); }
static void name_adamw(void)       { name_all_of("adamw", run_adamw, 0, 32); }
// clang-format on

/* ---- the list ---- */

#define TURNS 10000

static void run_peak(void *context)
{
    const Work *const w = context;
    w->simd->peak(TURNS, w->at[0]);
}

static void name_peak(void)
{
    const Work w = {.floats = {LANES_MAX}};
    name_work("peak", run_peak, &w, 12.0 * TURNS * 2 * simd->lanes, 0, "turns:%d",
              TURNS);
}

static void name_packed(void) /* a size */
{
}

static void name_gradient_scratch(void) /* another */
{
}

/* One that has no name_... here does not compile. */
static void name_kernels(void)
{
#define ITEM(type, name, params) name_##name();
    KERNEL_LIST(ITEM)
#undef ITEM
}

void bench_kernels(void)
{
    for_every_set(name_kernels);
}

/* ---- elementwise ---- */

enum { MAP_N = 2048, MAP_GROUPS = 32 };

static void run_map(void *context)
{
    const Work *const w = context;
    w->simd->map[w->op](&(Map){.rows = 1,
                               .n = w->n,
                               .groups = w->k,
                               .m = w->m,
                               .inner = MAP_GROUPS,
                               .y = w->at[0],
                               .a = w->at[1],
                               .b = w->at[2],
                               .c = w->at[3]});
}

/* The rows of a block of units, apart as they lie in what is kept of 256 units. */
enum {
    BLOCK_UNITS = 32,
    BLOCK_ROWS = MAP_N / BLOCK_UNITS,
    BLOCK_ROW = 256 + LANES_MAX
};

static void run_map_block(void *context)
{
    const Work *const w = context;
    w->simd->map[w->op](&(Map){.rows = BLOCK_ROWS,
                               .n = BLOCK_UNITS,
                               .y = w->at[0],
                               .y_row = BLOCK_ROW,
                               .a = w->at[1],
                               .a_row = BLOCK_ROW,
                               .b = w->at[2],
                               .b_row = BLOCK_ROW,
                               .c = w->at[3],
                               .c_row = BLOCK_ROW});
}

/* An element counts as one flop, as two where it is multiplied and added; what only
 * moves has none. */
static void name_map(MapOp op, const char *name)
{
    const bool grouped = op == MAP_sum || op == MAP_expand;
    const int m = grouped ? 1 : MAP_N / MAP_GROUPS;
    const Work w = {.op = op,
                    .m = m,
                    .n = MAP_N,
                    .k = MAP_N / MAP_GROUPS / m,
                    .floats = {MAP_N, MAP_N, MAP_N, MAP_N}};
    int flops = MAP_N, bytes = 0;
    switch (op) {
    case MAP_copy: flops = 0, bytes = 8 * MAP_N; break;
    case MAP_expand: flops = 0, bytes = 4 * MAP_N; break;
    case MAP_fma:
    case MAP_fnma:
    case MAP_matvec:
    case MAP_matvec_t: flops = 2 * MAP_N; break;
    default: break;
    }
    name_work("map", run_map, &w, flops, bytes, "%s/n:%d", name, MAP_N);
    if (op >= MAP_sum) return;
    const size_t floats = (size_t)BLOCK_ROWS * BLOCK_ROW;
    const Work block = {.op = op, .floats = {floats, floats, floats, floats}};
    name_work("map", run_map_block, &block, flops, bytes, "%s/rows:%d/n:%d", name,
              BLOCK_ROWS, BLOCK_UNITS);
}

static void name_maps(void)
{
#define ITEM(name, text) name_map(MAP_##name, #name);
    MAP_LIST(ITEM)
#undef ITEM
}

void bench_map(void)
{
    for_every_set(name_maps);
}

/* ---- all ---- */

void bench_all(void)
{
    char why[256];
    if (!isa_select(NULL, why, sizeof why)) {
        fprintf(stderr, "weft-bench: %s\n", why);
        exit(2);
    }
    isa_flush();
#define ITEM(name) bench_##name();
    BENCH_LIST(ITEM)
#undef ITEM
}

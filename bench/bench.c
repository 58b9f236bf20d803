/* bench.c: the kernels of every instruction set of this machine, one thread.
 *
 *   gemm/<isa>/m:M/n:N/k:K          C = A B, B packed
 *   gradient/<isa>/n:N/k:K/rows:R   dW += d^T x
 *   pack/<isa>/n:N/k:K              of a weight [N][K]
 *   map/<isa>/<operation>/n:N       rows of N, in L1 */
#include "bench.h"
#include "measure.h"

#include "../simd/isa.h"

#include <stdio.h>
#include <stdlib.h>

/* Random numbers in [-1, 1); the program's end frees them. */
static float *numbers(size_t n)
{
    float *const p = malloc((n + LANES_MAX) * sizeof *p);
    if (!p) abort();
    for (size_t i = 0; i < n + LANES_MAX; i++) p[i] = 2 * random_uniform(1, 2, i) - 1;
    return p;
}

/* Calls name_set once with each set in use, its peak measured. */
static void for_every_set(void (*name_set)(void))
{
    const Kernels *const before = simd;
    for (int i = 0; isa_set(i); i++) {
        simd = isa_set(i);
        bench_peak(measure_peak(simd));
        name_set();
    }
    simd = before;
    bench_peak(0);
}

/* ---- products ---- */

typedef struct Product {
    const Kernels *simd;
    Gemm g;
    const float *w;
    float *packed, *scratch;
} Product;

static Product *product(int m, int n, int k)
{
    Product *const p = calloc(1, sizeof *p);
    if (!p) abort();
    const size_t row = (size_t)n + LANES_MAX; /* rows on different lines of L1 */
    p->simd = simd;
    p->w = numbers((size_t)n * (size_t)k);
    p->packed = numbers(simd->packed(n, k));
    p->g = (Gemm){.m = m,
                  .n = n,
                  .k = k,
                  .a = numbers((size_t)m * (size_t)(k + LANES_MAX)),
                  .a_row = (size_t)k + LANES_MAX,
                  .a_col = 1,
                  .b = p->packed,
                  .c = numbers((size_t)m * row),
                  .c_row = row};
    return p;
}

static void run_gemm(void *context)
{
    const Product *const p = context;
    p->simd->gemm(&p->g);
}

static void run_pack(void *context)
{
    const Product *const p = context;
    p->simd->pack(p->g.n, p->g.k, p->w, (size_t)p->g.k, 1, p->packed);
}

/* m is the rows here: dW [n][k] += c [m][n], transposed, times a [m][k]. */
static void run_gradient(void *context)
{
    Product *const p = context;
    p->simd->gradient(p->g.n, p->g.k, p->g.m, p->g.c, p->g.c_row, p->g.a, p->g.a_row,
                      p->packed, (size_t)p->g.k, p->scratch);
}

static void name_gemm(int m, int n, int k)
{
    char name[100];
    snprintf(name, sizeof name, "gemm/%s/m:%d/n:%d/k:%d", simd->isa, m, n, k);
    bench(name, run_gemm, product(m, n, k), 2.0 * m * n * k, 0);
}

static void name_gradient(int n, int k, int rows)
{
    char name[100];
    Product *const p = product(rows, n, k);
    p->scratch = numbers(simd->gradient_scratch(k));
    snprintf(name, sizeof name, "gradient/%s/n:%d/k:%d/rows:%d", simd->isa, n, k, rows);
    bench(name, run_gradient, p, 2.0 * n * k * rows, 0);
}

static void name_pack(int n, int k)
{
    char name[100];
    snprintf(name, sizeof name, "pack/%s/n:%d/k:%d", simd->isa, n, k);
    bench(name, run_pack, product(1, n, k), 0, 8.0 * n * k);
}

static void name_products(void)
{
    static const int rows[] = {1, 2, 4, 8, 16, 64};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        name_gemm(rows[i], 1024, 256);
    name_gemm(16, 256, 64);
    name_gemm(64, 32, 256);
    name_gemm(64, 1024, 1024);
    name_gemm(6400, 1024, 128);
    name_gradient(1024, 384, 6400);
    name_gradient(256, 64, 1600);
    name_pack(1024, 256);
}

void bench_gemm(void)
{
    for_every_set(name_products);
}

/* ---- elementwise ---- */

enum { MAP_N = 2048, MAP_GROUPS = 32 };

typedef struct Strip {
    const Kernels *simd;
    MapOp op;
    Map m;
} Strip;

static void run_map(void *context)
{
    const Strip *const s = context;
    s->simd->map[s->op](&s->m);
}

static void name_maps(void)
{
    static const char *const name[] = {
#define ITEM(name, text) #name,
        MAP_LIST(ITEM)
#undef ITEM
    };
    for (int op = 0; op < MAP_COUNT; op++) {
        char text[100];
        Strip *const s = calloc(1, sizeof *s);
        if (!s) abort();
        *s = (Strip){simd,
                     (MapOp)op,
                     {.rows = 1,
                      .n = MAP_N,
                      .groups = 1,
                      .m = MAP_N / MAP_GROUPS,
                      .inner = MAP_GROUPS}};
        if (op == MAP_sum || op == MAP_expand) s->m.groups = s->m.m, s->m.m = 1;
        s->m.y = numbers(MAP_N), s->m.a = numbers(MAP_N);
        s->m.b = numbers(MAP_N), s->m.c = numbers(MAP_N);
        snprintf(text, sizeof text, "map/%s/%s/n:%d", simd->isa, name[op], MAP_N);
        bench(text, run_map, s, MAP_N, 4.0 * MAP_N);
    }
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

/* probe.c: calls of kernels, as a cell's step makes them, that can be timed. */
#include "probe.h"

#include "../clock.h"

#define TRY_SECONDS 1e-3
#define LONG_TRIES  8    /* of a probe that takes longer */
#define TURNS       2000 /* of the chains that tell the peak */
#define MATRIX      64   /* columns of one, in grouped operations, ... */
#define MEAN        256  /* ... and elements of a sum */
#define ARRAYS      6    /* of what is kept, and as many of what is made, ... */
#define PIECE       128  /* ... of so many floats a step */

enum { APART = PROBE_FLOATS / PROBE_ROWS + LANES_MAX }; /* floats from row to row */

/* ---- memory ---- */

static void desk_place(Desk *d, Arena *arena)
{
    const size_t rows = (size_t)d->rows, n = (size_t)d->n, k = (size_t)d->k;
    d->a = ARENA_TAKE(arena, float, PROBE_ROWS *PROBE_ROW);
    d->b = ARENA_TAKE(arena, float, PROBE_ROWS *PROBE_ROW);
    d->y = ARENA_TAKE(arena, float, PROBE_ROWS *PROBE_ROW);
    d->weights = ARENA_TAKE(arena, float, d->weight_floats);
    d->d = ARENA_TAKE(arena, float, rows *(n + LANES_MAX));
    d->x = ARENA_TAKE(arena, float, rows *(k + LANES_MAX));
    d->dw = ARENA_TAKE(arena, float, n *k);
    d->packed = ARENA_TAKE(arena, float, simd->gradient_scratch(d->k));
    d->w = ARENA_TAKE(arena, float, d->parameters);
    d->g = ARENA_TAKE(arena, float, d->parameters);
    d->m = ARENA_TAKE(arena, float, d->parameters);
    d->v = ARENA_TAKE(arena, float, d->parameters);
}

bool desk_open(Desk *desk, Arena *arena, Error *err)
{
    Arena need = {0};
    desk_place(desk, &need);
    if (!arena_open(arena, need.used, err)) return false;
    /* Ordinary numbers, above 0. A page that was only read would be no memory. */
    float *const all = (float *)(void *)arena->base;
    for (size_t i = 0; i < need.used / sizeof *all; i++)
        all[i] = 0.1f + 0.01f * (float)(i % 61);
    Arena placed = *arena;
    desk_place(desk, &placed);
    return true;
}

/* ---- work ---- */

static void work_peak(const Probe *p)
{
    float sink[LANES_MAX];
    (void)p;
    simd->peak(TURNS, sink);
}

/* Columns of a block. */
static int product_step(const Probe *p)
{
    const int whole = PROBE_FLOATS / p->rows / simd->panel * simd->panel;
    const int step = whole > simd->panel ? whole : simd->panel;
    return step < p->n ? step : p->n;
}

static void work_product(const Probe *p)
{
    const Desk *const d = p->desk;
    const int step = product_step(p);
    for (int j = 0; j < p->n; j += step)
        simd->gemm(&(Gemm){.m = p->rows,
                           .n = p->n - j < step ? p->n - j : step,
                           .k = p->k,
                           .a = d->a,
                           .a_row = PROBE_ROW,
                           .a_col = 1,
                           .b = d->weights + simd->packed(j, p->k),
                           .d = d->b,
                           .c = d->y + j % PROBE_N,
                           .c_row = PROBE_ROW});
}

/* Elementwise, rows stand apart; of a grouped operation there is one. */
static void work_map(const Probe *p)
{
    const Desk *const d = p->desk;
    const Map m = {.rows = p->rows,
                   .n = p->n,
                   .groups = p->groups,
                   .m = p->m,
                   .inner = p->n / p->groups / p->m,
                   .y = d->y,
                   .y_row = APART,
                   .a = d->a,
                   .a_row = APART,
                   .b = d->b,
                   .b_row = APART,
                   .c = d->b,
                   .c_row = APART};
    simd->map[p->op](&m);
}

static void work_gradient(const Probe *p)
{
    const Desk *const d = p->desk;
    const Gradient job = {.n = p->n,
                          .k = p->k,
                          .d = d->d,
                          .d_row = (size_t)p->n + LANES_MAX,
                          .x = d->x,
                          .x_row = (size_t)p->k + LANES_MAX,
                          .dw = d->dw,
                          .dw_row = (size_t)p->k};
    simd->gradient(p->rows, NULL, 1, &job, d->packed);
}

static void work_steps(const Probe *p)
{
    const int steps = p->n / (2 * ARRAYS * PIECE);
    float *const a = p->desk->weights, *const y = a + p->n / 2;
    for (int t = steps - 1; t >= 0; t--)
        for (int array = 0; array < ARRAYS; array++) {
            const size_t at = (size_t)(array * steps + t) * PIECE;
            simd->map[MAP_add](
                &(Map){.rows = 1, .n = PIECE, .y = y + at, .a = a + at, .b = y + at});
        }
}

static void work_drop(const Probe *p)
{
    simd->drop(1, p->n, 1, 2, 0, 0, 0.5f, p->desk->y, 0);
}

static void work_adam(const Probe *p)
{
    static const UpdateRates rates = {.rate = 1e-3f,
                                      .beta1 = 0.9f,
                                      .beta2 = 0.999f,
                                      .correct1 = 1,
                                      .correct2 = 1,
                                      .epsilon = 1e-8f,
                                      .scale = 1};
    const Desk *const d = p->desk;
    simd->adam(d->parameters, d->w, d->g, d->m, d->v, &rates);
}

/* ---- probes ---- */

Probe probe_peak(void)
{
    return (Probe){.work = work_peak};
}

double probe_peak_flops(void)
{
    float sink[LANES_MAX];
    return simd->peak(TURNS, sink);
}

Probe probe_product(const Desk *desk, int rows, int n, int k)
{
    return (Probe){.work = work_product, .desk = desk, .rows = rows, .n = n, .k = k};
}

Probe probe_map(const Desk *desk, MapOp op, int rows, int n)
{
    Probe p = {.work = work_map, .desk = desk, .op = op, .rows = rows, .n = n};
    p.m = op >= MAP_outer ? n / MATRIX : 1;
    p.groups = is_grouped(op) && p.m == 1 ? n / MEAN : 1;
    return p;
}

Probe probe_gradient(const Desk *desk, int rows, int n, int k)
{
    return (Probe){.work = work_gradient, .desk = desk, .rows = rows, .n = n, .k = k};
}

Probe probe_steps(const Desk *desk, int floats)
{
    const int whole = 2 * ARRAYS * PIECE;
    return (Probe){
        .work = work_steps, .desk = desk, .rows = 1, .n = floats / whole * whole};
}

Probe probe_drop(const Desk *desk, int n)
{
    return (Probe){.work = work_drop, .desk = desk, .n = n};
}

Probe probe_adam(const Desk *desk)
{
    return (Probe){.work = work_adam, .desk = desk};
}

double probe_flops(const Probe *probe)
{
    return 2.0 * probe->rows * probe->n * probe->k;
}

int probe_kernels(const Probe *probe)
{
    const int step = probe->work == work_product ? product_step(probe) : probe->n;
    return (probe->n + step - 1) / step;
}

/* ---- time ---- */

static double run_seconds(const Probe *p)
{
    const double begin = clock_seconds(CLOCK_MONOTONIC);
    for (int i = 0; i < p->calls; i++) p->work(p);
    return clock_seconds(CLOCK_MONOTONIC) - begin;
}

void probe_try(Probe *probe)
{
    const bool is_long = probe->tries > 0 && probe->best > TRY_SECONDS;
    if (probe->tries >= LONG_TRIES && is_long) return;
    if (probe->calls == 0) probe->calls = 1;
    if (!is_long) probe->work(probe); /* fetches what it needs */
    double seconds;
    while ((seconds = run_seconds(probe)) < TRY_SECONDS / 2) probe->calls *= 2;
    seconds /= probe->calls;
    if (probe->tries++ == 0 || seconds < probe->best) probe->best = seconds;
}

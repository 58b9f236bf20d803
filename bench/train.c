/* train.c: whole training steps of every built-in cell: packing the changed weights,
 * forward, backward with all weight and input gradients; no optimiser. */
#include "bench.h"

#include "../core/cell/builtin.h"
#include "../core/cell/step.h"
#include "../simd/isa.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct TrainShape {
    int T, B, I, H;
} TrainShape;

static const TrainShape shapes[] = {
    // clang-format off
    { 100,  64,  128,  256},
    { 100,  16,   64,   64},
    {  50,  64,  512,  512},
    {  20, 128, 1024, 1024},
    {1000,   1,   64,  128},
    { 100,   4,   32,   32},
    // clang-format on
};

#define MEMORY_MAX ((size_t)4 << 30) /* bytes; mlstm's matrix states ask for more */

typedef struct TrainBench {
    Cell *cell;
    TrainShape shape;
    Graph graph;
    Step step;
    Arena arena;
    Chunk chunk;
    float *params, *grads, *scratch;
} TrainBench;

static void run(void *context)
{
    TrainBench *const b = context;
    const int rows = b->step.shape.B;
    step_pack(&b->step, b->params, 0, 1);
    step_forward(&b->step, &b->chunk, b->params, 0, rows, b->scratch);
    step_backward(&b->step, &b->chunk, b->params, 0, rows, b->scratch);
    memset(b->grads, 0, b->step.params * sizeof(float));
    step_gradient(&b->step, &b->chunk, b->grads, 0, 1, b->scratch);
}

/* Two flops for each element of each matrix that a forward step multiplies with. */
static double forward_flops(const Graph *g)
{
    double flops = 0;
    for (int i = 0; i < g->forward_nodes; i++)
        if (g->node[i].op == OP_PRODUCT)
            flops += 2.0 * shape_count(&g->param[g->node[i].index].shape);
    return flops;
}

static View take_view(Arena *arena, const TrainShape *s, int n, uint64_t stream)
{
    const size_t row = padded((size_t)n) + LANES_MAX,
                 count = (size_t)s->T * (size_t)s->B * row;
    float *const at = ARENA_TAKE(arena, float, count);
    for (size_t i = 0; at && i < count; i++)
        at[i] = random_uniform(1, stream, i) - 0.5f;
    return (View){at, (ptrdiff_t)row * s->B, (ptrdiff_t)row};
}

static void place(TrainBench *b, const TrainShape *s, Arena *arena)
{
    step_place(&b->step, arena);
    b->params = ARENA_TAKE(arena, float, b->step.params);
    b->grads = ARENA_TAKE(arena, float, b->step.params);
    b->scratch = ARENA_TAKE(arena, float, step_scratch(&b->step));
    b->chunk = (Chunk){.T = s->T, .fresh = true, .time_sign = 1};
    b->chunk.x = take_view(arena, s, s->I, 1);
    b->chunk.dy = take_view(arena, s, b->step.outputs, 2);
    b->chunk.dx = take_view(arena, s, s->I, 3);
}

static bool open_bench(void *context)
{
    TrainBench *const b = context;
    const TrainShape *const s = &b->shape;
    const StepShape shape = {s->T, s->B, false, true, true};
    Arena need = {0};
    if (!step_open(&b->graph, &shape, &b->step, NULL)) return false;
    place(b, s, &need);
    if (need.used > MEMORY_MAX) return false;
    if (!arena_open(&b->arena, need.used, NULL)) return false;
    place(b, s, &b->arena);
    return step_initialise(&b->step, 1, 1, b->params);
}

static void close_bench(void *context)
{
    TrainBench *const b = context;
    step_close(&b->step);
    arena_close(&b->arena);
}

static bool name_bench(const Builtin *builtin, const TrainShape *s)
{
    TrainBench *const b = calloc(1, sizeof *b); /* the program's end frees it */
    if (!b) return false;
    b->shape = *s;
    if (!cell_parse(builtin->name, builtin->text, strlen(builtin->text), &b->cell,
                    NULL) ||
        !graph_build(b->cell, s->I, s->H, &b->graph, NULL) || !derive(&b->graph, NULL))
        return false;
    char name[128];
    snprintf(name, sizeof name, "train/%s/T:%d/B:%d/I:%d/H:%d/L:1/chunk:%d/threads:1",
             builtin->name, s->T, s->B, s->I, s->H, s->T);
    const double tokens = (double)s->T * s->B;
    const BenchWhole whole = {open_bench, run, close_bench,
                              3 * tokens * forward_flops(&b->graph), tokens};
    bench_whole(name, &whole, b);
    return true;
}

void bench_train(void)
{
    bench_peak(bench_measure_peak());
    for (const Builtin *c = builtin_cells; c->name; c++)
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            if (!name_bench(c, &shapes[i])) abort();
}

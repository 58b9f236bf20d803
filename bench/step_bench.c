/* step_bench.c: training steps of a cell at a shape. */
#include "step_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../core/cell/builtin.h"
#include "../core/data/file.h"
#include "../simd/isa.h"

#define MEMORY_MAX ((size_t)4 << 30) /* bytes; mlstm's matrix states ask for more */

const BenchShape bench_shapes[BENCH_SHAPES] = {
    // clang-format off
    { 100,  64,  128,  256},
    { 100,  16,   64,   64},
    {  50,  64,  512,  512},
    {  20, 128, 1024, 1024},
    {1000,   1,   64,  128},
    { 100,   4,   32,   32},
    // clang-format on
};

/* Two flops for each element of each matrix that a forward step multiplies with. */
static double forward_flops(const Graph *g)
{
    double flops = 0;
    for (int i = 0; i < g->forward_nodes; i++)
        if (g->node[i].op == OP_PRODUCT)
            flops += 2.0 * shape_count(&g->param[g->node[i].index].shape);
    return flops;
}

static bool read_cell(const char *name, Cell **cell, Error *err)
{
    for (const Builtin *b = builtin_cells; b->name; b++)
        if (strcmp(b->name, name) == 0)
            return cell_parse(name, b->text, strlen(b->text), cell, err);
    char path[512], *text;
    size_t length;
    snprintf(path, sizeof path, BENCH_DIR "/cells/%s.cell", name);
    if (!file_read(path, &text, &length, err)) return false;
    const bool parsed = cell_parse(path, text, length, cell, err);
    free(text);
    return parsed;
}

bool step_bench_derive(StepBench *b, const char *cell, const BenchShape *s, Error *err)
{
    Cell *parsed = NULL;
    const bool made = read_cell(cell, &parsed, err) &&
                      graph_build(parsed, s->I, s->H, &b->graph, err) &&
                      derive(&b->graph, err);
    cell_close(parsed);
    if (!made) return step_bench_forget(b), false;
    b->shape = *s;
    b->flops = 3.0 * s->T * s->B * forward_flops(&b->graph);
    snprintf(b->name, sizeof b->name,
             "train/%s/T:%d/B:%d/I:%d/H:%d/L:1/chunk:%d/threads:1", cell, s->T, s->B,
             s->I, s->H, s->T);
    return true;
}

void step_bench_forget(StepBench *b)
{
    graph_close(&b->graph);
}

static View take_view(Arena *arena, const BenchShape *s, int n, uint64_t stream)
{
    const size_t row = padded((size_t)n) + LANES_MAX,
                 count = (size_t)s->T * (size_t)s->B * row;
    float *const at = ARENA_TAKE(arena, float, count);
    for (size_t i = 0; at && i < count; i++)
        at[i] = random_uniform(1, stream, i) - 0.5f;
    return (View){at, (ptrdiff_t)row * s->B, (ptrdiff_t)row};
}

static void place(StepBench *b, Arena *arena)
{
    const BenchShape *const s = &b->shape;
    step_place(&b->step, arena);
    b->params = ARENA_TAKE(arena, float, b->step.params);
    b->grads = ARENA_TAKE(arena, float, b->step.params);
    b->scratch = ARENA_TAKE(arena, float, step_scratch(&b->step));
    b->chunk = (Chunk){.T = s->T, .fresh = true, .time_sign = 1};
    b->chunk.x = take_view(arena, s, s->I, 1);
    b->chunk.dy = take_view(arena, s, b->step.outputs, 2);
    b->chunk.dx = take_view(arena, s, s->I, 3);
}

static bool fill(StepBench *b, Error *err)
{
    Arena need = {0};
    place(b, &need);
    if (need.used > MEMORY_MAX)
        return error(err, "%s: %zu MiB are too many", b->name, need.used >> 20);
    if (!arena_open(&b->arena, need.used, err)) return false;
    place(b, &b->arena);
    return step_initialise(&b->step, 1, 1, b->params) || error(err, "out of memory");
}

bool step_bench_open(StepBench *b, Error *err)
{
    const StepShape shape = {
        .T = b->shape.T, .B = b->shape.B, .training = true, .dinput = true, .slots = 1};
    b->arena = (Arena){0};
    if (!step_open(&b->graph, &shape, &b->step, err)) return false;
    if (!fill(b, err)) return step_bench_close(b), false;
    return true;
}

void step_bench_run(StepBench *b)
{
    const Share all = {0, b->shape.B, b->scratch, NULL};
    step_pack(&b->step, b->params, 0, 1);
    step_forward(&b->step, &b->chunk, b->params, &all);
    step_backward(&b->step, &b->chunk, b->params, &all);
    memset(b->grads, 0, b->step.params * sizeof(float));
    step_gradient(&b->step, &b->chunk, b->grads, 0, 1, b->scratch);
}

void step_bench_close(StepBench *b)
{
    step_close(&b->step);
    arena_close(&b->arena);
}

/* train.c: whole training steps of every built-in cell. */
#include "bench.h"
#include "measure.h"
#include "step_bench.h"

#include "../core/cell/builtin.h"
#include "../simd/isa.h"

#include <stdlib.h>

static bool open_bench(void *context)
{
    return step_bench_open(context, NULL);
}

static void run_bench(void *context)
{
    step_bench_run(context);
}

static void close_bench(void *context)
{
    step_bench_close(context);
}

static bool name_bench(const Builtin *cell, const BenchShape *s)
{
    StepBench *const b = calloc(1, sizeof *b); /* the program's end frees it */
    if (!b || !step_bench_derive(b, cell->name, cell->text, s, NULL)) return false;
    const BenchWhole whole = {open_bench, run_bench, close_bench, b->flops,
                              (double)s->T * s->B};
    bench_whole(b->name, &whole, b);
    return true;
}

void bench_train(void)
{
    bench_peak(measure_peak(simd));
    for (const Builtin *c = builtin_cells; c->name; c++)
        for (int i = 0; i < BENCH_SHAPES; i++)
            if (!name_bench(c, &bench_shapes[i])) abort();
}

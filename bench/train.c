/* train.c: whole training steps of every built-in cell, and of those in bench/cells, for
 * which nothing in weft was made. */
#include "bench.h"
#include "step_bench.h"

#include "../core/cell/builtin.h"
#include "../simd/isa.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void name_bench(const char *cell, const BenchShape *s)
{
    StepBench *const b = calloc(1, sizeof *b); /* the program's end frees it */
    Error err = {"out of memory"};
    if (!b || !step_bench_derive(b, cell, s, &err)) {
        fprintf(stderr, "weft-bench: %s\n", err.text);
        exit(1);
    }
    const Bench work = {.set = simd,
                        .open = open_bench,
                        .run = run_bench,
                        .close = close_bench,
                        .flops = b->flops,
                        .tokens = (double)s->T * s->B};
    bench(b->name, &work, b);
}

static void name_cell(const char *cell)
{
    for (int i = 0; i < BENCH_SHAPES; i++) name_bench(cell, &bench_shapes[i]);
}

void bench_train(void)
{
    for (const Builtin *c = builtin_cells; c->name; c++) name_cell(c->name);

    glob_t files = {0};
    glob(BENCH_DIR "/cells/*.cell", 0, NULL, &files);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        char *const name = strrchr(files.gl_pathv[i], '/') + 1;
        *strrchr(name, '.') = 0;
        name_cell(name);
    }
    globfree(&files);
}

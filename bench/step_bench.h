/* step_bench.h: whole training steps of one layer: packing the changed weights, forward,
 * backward with all weight, bias and input gradients; no optimiser. */
#pragma once

#include "../core/cell/step.h"

typedef struct BenchShape {
    int T, B, I, H;
} BenchShape;

enum { BENCH_SHAPES = 6 };
extern const BenchShape bench_shapes[BENCH_SHAPES]; /* those that speed is claimed on */

typedef struct StepBench {
    BenchShape shape;
    char name[128]; /* train/<cell>/T:.../... */
    double flops;   /* of a step: three times the forward products */
    Graph graph;
    Step step;
    Arena arena;
    Chunk chunk;
    float *params, *grads; /* [step.params] */
    float *scratch;
} StepBench;

/* Derives the backward pass of a cell: a built-in one, else that of
 * bench/cells/<cell>.cell. Takes no other memory. */
bool step_bench_derive(StepBench *bench, const char *cell, const BenchShape *shape,
                       Error *err);
void step_bench_forget(StepBench *bench); /* what derive made */

/* Takes memory, fills it with random numbers; refuses what needs over 4 GiB. */
bool step_bench_open(StepBench *bench, Error *err);
void step_bench_run(StepBench *bench);
void step_bench_close(StepBench *bench);

/* chunks.c: whole updates of long batches that are cut into chunks, on one thread and on
 * two: backward of a chunk can overlap forward of the next. Unlike a row of train.c these
 * have a head and an optimiser, and the team that runs them. */
#include "bench.h"
#include "step_bench.h"
#include "training.h"

#include "../simd/isa.h"

#include <stdio.h>
#include <stdlib.h>

#define THREADS 2 /* at most */

typedef struct Row {
    char name[128];
    TrainingShape shape;
    Training training;
} Row;

static bool open_row(void *context)
{
    Row *const r = context;
    double unused; /* the first update touches the memory */
    if (!training_open(&r->training, &r->shape, NULL)) return false;
    if (training_run(&r->training, 0, &unused, NULL)) return true;
    training_close(&r->training);
    return false;
}

static void run_row(void *context)
{
    Row *const r = context;
    double unused;
    if (!training_run(&r->training, 0, &unused, NULL)) abort(); /* the first one did */
}

static void close_row(void *context)
{
    Row *const r = context;
    training_close(&r->training);
}

static void must(bool done, const Error *err)
{
    if (done) return;
    fprintf(stderr, "weft-bench: %s\n", err->text);
    exit(1);
}

/* Of all layers; the head is left out, as by train.c. */
static double update_flops(const TrainingShape *s)
{
    double flops = 0;
    for (int layer = 0; layer < s->layers; layer++) {
        const BenchShape shape = {s->T, s->B, layer == 0 ? s->I : s->H, s->H};
        StepBench b = {.flops = 0};
        Error err;
        must(step_bench_derive(&b, s->cell, &shape, &err), &err);
        flops += b.flops;
        step_bench_forget(&b);
    }
    return flops;
}

static void name_row(const TrainingShape *s)
{
    Row *const r = calloc(1, sizeof *r); /* the program's end frees it */
    must(r, &(Error){"out of memory"});
    r->shape = *s;
    snprintf(r->name, sizeof r->name,
             "train/%s/T:%d/B:%d/I:%d/H:%d/L:%d/chunk:%d/threads:%d", s->cell, s->T,
             s->B, s->I, s->H, s->layers, s->chunk, s->threads);
    const Bench work = {.set = simd,
                        .threads = s->threads,
                        .open = open_row,
                        .run = run_row,
                        .close = close_row,
                        .flops = update_flops(s),
                        .tokens = (double)s->T * s->B};
    bench(r->name, &work, r);
}

static void name_shape(const char *cell, const TrainingShape *shape)
{
    TrainingShape s = *shape;
    s.cell = cell;
    for (s.threads = 1; s.threads <= THREADS; s.threads++) name_row(&s);
}

void bench_chunks(void)
{
    static const char *const cells[] = {"lstm", "gru"};
    for (size_t c = 0; c < sizeof cells / sizeof *cells; c++)
        for (int i = 0; i < TRAINING_SHAPES; i++)
            name_shape(cells[c], &training_shapes[i]);

    static const TrainingShape deep = {
        .T = 1000, .B = 4, .I = 32, .H = 32, .layers = 2, .chunk = 100};
    name_shape("gru", &deep); /* layers overlap too */
}

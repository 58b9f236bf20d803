/* weft.c: weft as one of the peers. */
#include "peer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../simd/isa.h"

static bool start(char *version, size_t size, Error *err)
{
    (void)err;
    snprintf(version, size, "%s on %s", weft_version(), simd->isa);
    return true;
}

static void stop(void)
{
}

/* Rows that lie one after the other, into a view and out of one. */
static void put(const View *v, const BenchShape *s, int n, const float *dense)
{
    for (int t = 0; t < s->T; t++)
        for (int b = 0; b < s->B; b++, dense += n)
            memcpy(v->at + t * v->step + b * v->row, dense, (size_t)n * sizeof *dense);
}

static void get(const View *v, const BenchShape *s, int n, float *dense)
{
    for (int t = 0; t < s->T; t++)
        for (int b = 0; b < s->B; b++, dense += n)
            memcpy(dense, v->at + t * v->step + b * v->row, (size_t)n * sizeof *dense);
}

static void close_layer(void *self)
{
    StepBench *const b = self;
    step_bench_close(b);
    step_bench_forget(b);
    free(b);
}

static bool open_cell(const char *cell, const Layer *l, void **self, Error *err)
{
    StepBench *const b = calloc(1, sizeof *b);
    *self = b;
    if (!b) return error(err, "out of memory");
    if (!step_bench_derive(b, cell, &l->shape, err) || !step_bench_open(b, err))
        return close_layer(b), false;
    if (!l->params) return true;
    assert(b->step.params == layer_params(l));
    memcpy(b->params, l->params, layer_params(l) * sizeof(float));
    put(&b->chunk.x, &l->shape, l->shape.I, l->x);
    put(&b->chunk.dy, &l->shape, l->shape.H, l->dy);
    return true;
}

static bool open_layer(const Layer *l, void **self, Error *err)
{
    return open_cell(l->cell, l, self, err);
}

static bool open_beside(const Layer *l, void **self, Error *err)
{
    return open_cell(l->beside, l, self, err);
}

static void step(void *self)
{
    step_bench_run(self);
}

static double seconds(void *self, double least)
{
    return time_steps(step, self, least);
}

static bool outcome(void *self, const Outcome *o)
{
    StepBench *const b = self;
    const View y = step_output(&b->step, 0);
    get(&y, &b->shape, b->step.outputs, o->y);
    get(&b->chunk.dx, &b->shape, b->shape.I, o->dx);
    memcpy(o->dparams, b->grads, b->step.params * sizeof(float));
    return true;
}

const Peer peer_weft = {"weft", start, stop, open_layer, seconds, outcome, close_layer};
const Peer peer_builtin = {"built-in", start,   stop,       open_beside,
                           seconds,    outcome, close_layer};

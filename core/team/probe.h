/* probe.h: calls of kernels, as a cell's step makes them, that can be timed. */
#pragma once

#include "../arena.h"
#include "../../simd/kernels.h"

enum {
    PROBE_FLOATS = 2048, /* of a block, as a cell's step cuts them, ... */
    PROBE_ROWS = 64,     /* ... of so many rows at most */
    PROBE_N = 128,   /* of a product with weights in L1; each of its rows stands ... */
    PROBE_ROW = 144, /* ... so far from the one before */
    PROBE_K = 512,   /* rows of weights, at most */
};

/* What probes work on. Sizes first; 0: none of these. */
typedef struct Desk {
    size_t weight_floats, parameters;
    int rows, n, k;             /* of the largest gradient */
    float *a, *b, *y;           /* [PROBE_ROWS][PROBE_ROW] */
    float *weights;             /* [weight_floats], packed */
    float *d, *x, *dw, *packed; /* of gradients */
    float *w, *g, *m, *v;       /* [parameters] */
} Desk;

bool desk_open(Desk *desk, Arena *arena, Error *err); /* takes memory, and writes it */

typedef struct Probe Probe;
struct Probe {
    void (*work)(const Probe *probe);
    const Desk *desk;
    MapOp op;
    int rows, n, k;   /* k: of a product or a gradient, ... */
    int groups, m;    /* ... these of a Map */
    int calls, tries; /* of work, in a try; so far */
    double best;      /* seconds of a call, of all tries */
};

Probe probe_peak(void); /* probe_peak_flops in a call */
double probe_peak_flops(void);
Probe probe_product(const Desk *desk, int rows, int n, int k);
Probe probe_map(const Desk *desk, MapOp op, int rows, int n);
Probe probe_gradient(const Desk *desk, int rows, int n, int k);
/* y += a by pieces, from the last step to the first and array by array, as a backward step
 * does with what forward steps have kept: so many floats in all. */
Probe probe_steps(const Desk *desk, int floats);
Probe probe_drop(const Desk *desk, int n);
Probe probe_adam(const Desk *desk);

/* Floating-point operations of a product or a gradient, and how often it calls a kernel. */
double probe_flops(const Probe *probe);
int probe_kernels(const Probe *probe);

/* A try takes a millisecond, or one call when that is longer; after a few of those it does
 * nothing. */
void probe_try(Probe *probe);

/* Elementwise operations come first. */
static inline bool is_grouped(MapOp op)
{
    return op >= MAP_sum;
}

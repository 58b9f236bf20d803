/* eval.h: a graph run in double for one row over a chain of steps, each value with a
 * bound on how far a float program's may be from it.
 *
 * The bound is a running error analysis. Sums and products are chains of n terms:
 * whatever the order and whatever is fused, a chain errs by at most what its terms
 * carry plus n u sum |terms|, u = 2^-24. A monotone function maps the interval around
 * its operand, and adds the ULPs of the vector function. */
#pragma once

#include "graph.h"

typedef struct Real {
    double v;       /* value */
    double e;       /* |float - v| <= e */
    double carried; /* of e: what the terms brought along */
    double terms;   /* sum of |terms| of the chain */
} Real;

typedef struct Eval {
    const Graph *graph;
    int T;
    bool bounds;               /* e, carried and terms are wanted */
    double **param;            /* [params][count]: the caller's; exact floats */
    const double *x;           /* [T][input] */
    const double *enter;       /* states at t = 0, one after the other */
    const double *mask;        /* [T][width of all masks], or NULL: 1 */
    const struct Eval *frozen; /* STOP gives what it gave there; NULL: its operand */
    const double *dy;          /* [T][outputs] */
    const double *dleave;      /* gradients of the states at t = T, or NULL: 0 */

    size_t width;   /* of all nodes */
    size_t *offset; /* [nodes] */
    int *roundings; /* [nodes]: n of a chain; 0: none */
    Real *at;       /* [T][width] */
    double margin;  /* after forward: the least distance from a kink of relu, abs, max,
                       min */
    bool doubtful;  /* after forward, with bounds: a float could be on the kink's other
                       side */
    uint64_t sides; /* after forward: hash of the sides of all kinks */
} Eval;

bool eval_open(const Graph *graph, int T, Eval *eval, Error *err);
void eval_close(Eval *eval);
void eval_forward(Eval *eval);
void eval_backward(Eval *eval); /* of a derived graph, after eval_forward */

const Real *eval_at(const Eval *eval, int t, int node);

/* sum over outputs, steps and leaving states of value times dy, dleave. */
double eval_loss(const Eval *eval);

/* Adds the gradient of a parameter to v, carried and terms of gradient [count]; returns
 * how many terms were added to each. */
int eval_gradient(const Eval *eval, int param, Real *gradient);

/* The bound on the error of a chain of n terms. */
double real_error(double carried, double terms, int n);

/* The heads G, rows R and columns K of a matrix in a product with an operand or value
 * of these axes: M [G][R][K]. */
typedef struct MatrixView {
    int G, R, K;
} MatrixView;
MatrixView matrix_view(const Shape *matrix, const Shape *a, const Shape *b);

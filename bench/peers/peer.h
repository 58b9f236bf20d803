/* peer.h: what trains a layer: weft itself, oneDNN, PyTorch. */
#pragma once

#include "../step_bench.h"

/* A layer with its numbers, as PyTorch and weft lay them out. */
typedef struct Layer {
    const char *cell;   /* name of one of weft's, or of bench/cells */
    const char *beside; /* a built-in one with the same products, or NULL */
    bool in_python;     /* for PyTorch: written there by its user */
    BenchShape shape;
    int gates, biases; /* vectors of H */
    float *params;     /* W [gates][H][I], U [gates][H][H], b [biases][H] */
    float *x, *dy;     /* [T][B][I], [T][B][H]: gradient of the output */
    /* (NULL, all three: random numbers of weft's own) */
} Layer;

/* Of one training step. */
typedef struct Outcome {
    float *y, *dx; /* [T][B][H], [T][B][I] */
    float *dparams;
} Outcome;

static inline size_t layer_params(const Layer *l)
{
    const size_t I = (size_t)l->shape.I, H = (size_t)l->shape.H;
    return ((size_t)l->gates * (I + H) + (size_t)l->biases) * H;
}

static inline size_t layer_outputs(const Layer *l)
{
    return (size_t)l->shape.T * (size_t)l->shape.B * (size_t)l->shape.H;
}

static inline size_t layer_inputs(const Layer *l)
{
    return (size_t)l->shape.T * (size_t)l->shape.B * (size_t)l->shape.I;
}

typedef struct Peer {
    const char *name;
    /* Its version, for the reader; false: not on this machine. */
    bool (*start)(char *version, size_t size, Error *err);
    void (*stop)(void);
    /* self is what the others are given. PyTorch has one layer at a time. */
    bool (*open)(const Layer *layer, void **self, Error *err);
    /* Runs training steps for so many seconds, at least one; returns the seconds of a
     * step, 0: failed. */
    double (*seconds)(void *self, double least);
    bool (*outcome)(void *self, const Outcome *outcome); /* of the last step */
    void (*close)(void *self);
} Peer;

/* peer_builtin: weft again, with the cell that is beside. */
extern const Peer peer_weft, peer_builtin, peer_onednn, peer_pytorch;

/* Peer.seconds for a step that is a C function. */
double time_steps(void (*step)(void *self), void *self, double least);

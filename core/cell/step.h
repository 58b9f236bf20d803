/* step.h: a lowered cell, run over a chunk of time for some rows of the mini-batch. */
#pragma once

#include "../arena.h"
#include "../gang.h"
#include "../model.h"
#include "../rates.h"
#include "graph.h"

/* [T][B][n] floats of anyone's: element (t, b, j) is at[t * step + b * row + j]. A
 * reversed direction is a view with at on the last step and a negative step. */
typedef struct View {
    float *at;
    ptrdiff_t step, row;
} View;

/* The rows of successive steps follow one another, so that they can be taken at
 * once. */
static inline bool is_flat(ptrdiff_t step, ptrdiff_t row, int B)
{
    return step == row * B;
}

typedef struct Program Program; /* lower.h: phases, strips, products, buffers */

/* What a layer needs to know beside its cell. */
typedef struct StepShape {
    int T, B;      /* steps of the longest chunk, rows */
    bool symbols;  /* the input is symbols, as one-hot vectors */
    bool training; /* activations are kept, and gradients can be had */
    bool dinput;   /* the gradient of the input is wanted */
    int slots;     /* chunks that may be in flight at once */
    int scan; /* steps of a segment of the loop, where every state is affine; 0: it is not cut */
    bool flow; /* training, not scan: gradients of states can be had, not of params */
} StepShape;

/* One layer, one direction: a program and the memory it runs in. */
typedef struct Step {
    Program *program;
    StepShape shape;
    int outputs;   /* width of the output */
    bool affine;   /* every state is, in itself; known with shape.scan */
    int scan;      /* steps of a segment; 0: the loop is not cut */
    size_t params; /* floats, in declaration order, each [shape] dense */
    struct StepMemory *memory;
} Step;

/* The chunk that a call works on. */
typedef struct Chunk {
    int T;                 /* <= shape.T */
    int cut;               /* steps of these, from the first, without gradient */
    int slot;              /* whose memory this chunk has */
    View x;                /* [T][B][input], dense input */
    const int32_t *symbol; /* or [T][B], in the order of the caller's time ... */
    ptrdiff_t symbol_step; /* ... symbol of (t, b) is symbol[t * symbol_step + b] */
    View dy; /* [T][B][outputs]: gradient of the output; read by backward */
    View dx; /* [T][B][input]: written by backward, when shape.dinput */
    const float
        *dend; /* [B] rows of dend_row floats: gradient of all states as the last
                          step of each row leaves them; NULL: 0. Not with scan */
    size_t dend_row;
    const int *begin,
        *end; /* [B]: rows are live for begin[b] <= t < end[b]; NULL: always */
    const int
        *live; /* [T]: no row from this on is live in step t: what they would be is not
                        worked out; NULL: all are. Not with scan */
    const int
        *row;    /* with live: [rows] t B + b of all that are live from step cut on, */
    int rows;    /* ascending */
    bool ready;  /* step_before has run, of all its rows and steps */
    bool fresh;  /* states start anew; false: they are those that slot `from` has ... */
    int from,    /* ... (it may be this one) */
        enter_t; /* ... as its step enter_t is entered; its T: as its last is left */
    int leave_t; /* with live: as this step is entered, states are read too */
    bool drop;   /* draw the masks of drop(); false: 1 */
    uint64_t seed,
        stream;    /* of the masks; the i-th drop() of the cell has stream + i */
    uint64_t time; /* step number of t = 0, for the masks: index by (time + t, b, j) */
    int time_sign; /* -1: a reversed direction counts time down */
} Chunk;

bool step_open(const Graph *graph, const StepShape *shape, Step *step, Error *err);
void step_close(Step *step); /* all but what step_place took of the arena */
void step_place(Step *step, Arena *arena);
size_t step_scratch(const Step *step); /* floats that each worker needs */
size_t step_shared(const Step *step);  /* and those that a gang shares, for its Gang */

/* Draws the initial parameters into params [step.params]; stream: one per layer. False:
 * out of memory. */
bool step_initialise(const Step *step, uint64_t seed, uint64_t stream, float *params);

/* Packs the matrices; part of parts: for several workers. Once per update. */
void step_pack(Step *step, const float *params, int part, int parts);

/* What of a chunk a call works on, and with whom. */
typedef struct Share {
    int first, end;       /* rows */
    float *scratch;       /* [step_scratch], the worker's own */
    const Member *member; /* NULL: alone; else all members make the same call */
} Share;

/* Different rows, and the backwards of chunks in different slots, may run at the same
 * time. */
void step_forward(Step *step, const Chunk *chunk, const float *params,
                  const Share *share);
void step_backward(Step *step, const Chunk *chunk, const float *params,
                   const Share *share);

/* What of steps [first, end) depends on no state; a gang has no part in it. Different steps,
 * too, may run at the same time, and beside chunks in other slots; step_forward has no need of
 * it. False: there is nothing that can be run so. */
bool step_has_before(const Step *step);
void step_before(Step *step, const Chunk *chunk, const float *params,
                 const Share *share, int first, int end);

/* Adds the weight gradients of the chunk to grads, which is laid out as params, after
 * step_backward of all rows. Chunks must come in ascending order. Parts touch different
 * elements and may run at the same time. */
void step_gradient(Step *step, const Chunk *chunk, float *grads, int part, int parts,
                   float *scratch);

/* Output of the last forward in a slot: [T][B][outputs]. */
View step_output(const Step *step, int slot);

/* With flow, of the last backward in a slot: the gradient of a state as it leaves each step,
 * [T][B][the state's]; at NULL: there is none. */
View step_flow(const Step *step, int slot, int state);

/* All states of row b, one after the other, as a slot's step t is entered: 0, the chunk's T, one
 * in which the row is live, or its end. */
size_t step_state_count(const Step *step); /* floats a row */
void step_get_state(const Step *step, int slot, int t, int b, float *state);
void step_set_state(Step *step, int slot, int t, int b, const float *state);
/* After step_backward, not with scan: of row b, the gradient of all states as step 0 is
 * entered. */
void step_get_gradient(const Step *step, int slot, int b, float *gradient);

/* ---- what calls cost ---- */

typedef enum StepWork {
    STEP_PACK,
    STEP_BEFORE,
    STEP_FORWARD,
    STEP_BACKWARD,
    STEP_GRADIENT
} StepWork;

typedef struct StepJob {
    StepWork work;
    int T, rows;
    bool ready;      /* STEP_FORWARD: as in Chunk */
    int part, parts; /* of a gang, of pack or gradient */
} StepJob;

Cost step_cost(const Step *step, const StepJob *job, const Rates *rates);

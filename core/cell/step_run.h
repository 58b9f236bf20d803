/* step_run.h: what step.c and its parts share, and nobody else.
 *
 *   step_memory.c    the memory of a layer, and where in it a call finds each value
 *   step_run.c       instructions, block by block, and the rounds of a gang
 *   step_scan.c      a loop cut into segments of time
 *   step_gradient.c  weight gradients
 *   step_cost.c      what all of it costs
 *   step.c           forward and backward over time */
#pragma once

#include "lower.h"
#include "step.h"

#define ROW_BLOCK   64
#define BEFORE_ROWS 128
#define VALUES_MAX  1024 /* of a cell: 40 KiB of a worker's stack */

/* ---- memory ---- */

/* What a chunk in flight keeps. */
typedef struct SlotMemory {
    float **state;  /* each [T+1][B][n] */
    float **dstate; /* each [2][B][n]: leaving step t in (t+1)%2, entering in t%2; with
                       scan as state */
    float *
        *stash; /* each [B][n]: dstate of rows that are past their end; not with scan */
    float **product; /* with scan, each [segments - 1][B][n] */
    float **buffer;  /* each [T][B][n] */
    float *output;   /* [T][B][outputs], when it is none of these */
    float *input; /* [T][B][input]: a copy, when the caller's steps are not in a row */
    int32_t *symbol; /* [T][B] */
} SlotMemory;

/* The lists are this struct's own; every array is the arena's. */
struct StepMemory {
    float *packed;   /* matrices, as the kernels read them */
    size_t *pack_at; /* [packs]: where in packed */
    size_t packed_floats;
    float *number;    /* [numbers][number_width], each row filled with its number */
    float *table;     /* [symbols][rows of all matrices of x]: gradients, transposed */
    SlotMemory *slot; /* [slots] */
    float **arrays;   /* those of all slots */
};

/* Floats from row to row. Not a multiple of 128 (512 bytes), so that the rows of a
 * block of units do not fall on the same few lines of L1. */
static inline size_t row_floats(int n)
{
    const size_t row = padded((size_t)n);
    return row >= 128 && row % 128 == 0 ? row + LANES_MAX : row;
}

static inline int state_floats(const Program *p, int s)
{
    return shape_count(&p->state[s].shape);
}

/* Row b of step t of states or of their gradients, and the bytes of a row. */
static inline float *state_row(const Step *step, float *const *arrays, int s, int t,
                               int b)
{
    const size_t row = row_floats(state_floats(step->program, s));
    return arrays[s] + ((size_t)t * (size_t)step->shape.B + (size_t)b) * row;
}

static inline size_t state_bytes(const Step *step, int s)
{
    return row_floats(state_floats(step->program, s)) * sizeof(float);
}

bool step_memory_open(Step *step); /* its lists; step_place places the arrays */
void step_memory_close(Step *step);

/* Columns of the table of gradients before gradient `count`. */
int step_table_columns(const Program *p, int count);

/* ---- one call ---- */

/* Where a value is. */
typedef struct At {
    float *at;
    ptrdiff_t step, row;
    ptrdiff_t odd; /* from even steps to odd ones, besides */
    bool strip;    /* rows count from the block at hand */
    bool block;    /* and units too */
    int n;
} At;

At at_kept(float *at, int n, int B); /* [T][B][n] of our own */

typedef struct Run {
    const Step *step;
    const Program *program;
    const Chunk *chunk;
    const SlotMemory *memory;
    const float *params;
    At *value; /* [values] */
    int first, end;
    bool whole; /* all rows: those of successive steps follow one another */
    const Member *member;
} Run;

/* Finds the values of a call: value [VALUES_MAX]. False when it has no rows. */
bool run_open(Run *r, const Step *step, const Chunk *c, const float *params,
              const Share *share, At *value);

/* Where the rows end that step t has work for. */
static inline int run_end(const Run *r, int t)
{
    const int *const live = r->chunk->live;
    return live && live[t] < r->end ? most(live[t], r->first) : r->end;
}

static inline bool is_live(const Chunk *c, int t, int b)
{
    return (!c->begin || t >= c->begin[b]) && (!c->end || t < c->end[b]);
}

/* The next rows from *end on that follow one another and are live in step t; false: there
 * are no more. */
static inline bool next_rows(const Run *r, int t, int *first, int *end)
{
    const int last = run_end(r, t);
    *first = *end;
    while (*first < last && !is_live(r->chunk, t, *first)) ++*first;
    *end = *first;
    while (*end < last && is_live(r->chunk, t, *end)) ++*end;
    return *first < *end;
}

/* Steps of a block of time: about BEFORE_ROWS rows for each member. */
static inline int steps_at_once(int rows, int members)
{
    const int steps = BEFORE_ROWS * members / rows;
    return steps > 1 ? steps : 1;
}

/* Units of a block of so many rows: whole panels, and at most STRIP floats, which strips
 * pad: 64 rows of 32, the widest panel. */
static inline int units_for(int rows)
{
    const int padded_units = STRIP / rows / LANES_MAX * LANES_MAX;
    const int units = padded_units / simd->panel * simd->panel;
    return units > simd->panel ? units : simd->panel;
}

/* A phase outside the loop: the rows of all steps at once if they follow one another. A
 * round of a gang, cut by rows. */
void run_steps(const Run *r, Phase phase, int t, int steps, bool flat);

/* A phase of the loop, forward from step t or backward to it. A gang has a round from
 * each group that is not joined, cut by units where these need not be whole. */
void run_loop(const Run *r, Phase phase, int t, int steps);

/* The same, where the loop is cut into segments: two rounds to find what each enters, and one
 * for all steps. */
void run_scan(const Run *r, Phase phase, int t, int steps);

/* lower.h: a derived graph made into a program of kernel calls.
 *
 * The program has six phases. What does not depend on a state runs before the loop over
 * time, over many rows and steps at once; what no later state needs, after it; only the
 * rest in it. Backward likewise, the gradients of the states in the place of the
 * states.
 *
 * A phase is a list of groups, a group a list of instructions of one width, run block
 * of units by block of units so that their values stay in L1, products included. Where
 * each row of the mini-batch has matrices, blocks are whole rows of a matrix, so that
 * what makes a matrix of vectors, or vectors of it, runs block by block too. */
#pragma once

#include "../model.h"
#include "graph.h"

typedef enum Phase {
    PHASE_NONE, /* leaves */
    FORWARD_BEFORE,
    FORWARD_LOOP,
    FORWARD_AFTER,
    BACKWARD_BEFORE,
    BACKWARD_LOOP,
    BACKWARD_AFTER,
    PHASE_COUNT
} Phase;

/* Where a value lives. */
typedef enum Place {
    PLACE_NUMBER,  /* a row filled with value; the same for all rows */
    PLACE_PARAM,   /* in the parameters; the same for all rows */
    PLACE_INPUT,   /* x */
    PLACE_STATE,   /* state[index] at t */
    PLACE_LEAVE,   /* state[index] at t + 1 */
    PLACE_OUTPUT,  /* in the layer's output, from column offset on */
    PLACE_CHUNK,   /* buffer[index], kept for every step of the chunk */
    PLACE_STRIP,   /* strip[index], a worker's own or a gang's, for the rows at hand */
    PLACE_DOUTPUT, /* in dy, from column offset on */
    PLACE_DSTATE,  /* gradient of state[index] as it leaves */
    PLACE_DENTER,  /* ... as it enters */
    PLACE_DINPUT   /* dx */
} Place;

typedef struct Value {
    Place place;
    int n;         /* floats a row */
    int index;     /* of state, buffer, strip, number */
    size_t offset; /* of a parameter in the block; of a column in dy or the output */
} Value;

typedef enum Kind {
    KIND_MAP,
    KIND_GROUPED,
    KIND_PRODUCT,
    KIND_LOOK_UP,
    KIND_MASK
} Kind;

typedef struct Instr {
    Kind kind;
    MapOp map;
    int y, a, b, c; /* values; -1: none. PRODUCT, LOOK_UP: b is where chains start */
    int groups, m, inner; /* GROUPED: as in Map */
    int pack;             /* PRODUCT, LOOK_UP: of the matrix */
    int mask;             /* MASK: which drop() */
    float p;              /* MASK: the probability */
} Instr;

#define STRIP 2048 /* floats of a value in a block: 8 KiB, a few fit L1 */

typedef struct Group {
    Phase phase;
    int first, end;  /* instructions */
    int width;       /* units that blocks divide; 0: instructions need whole rows */
    int head, inner; /* width is of matrices: floats of one, and of one's row; else 0 */
    bool joined; /* in a loop: who has run units of the group before may go on with the
                    same units of this one, whatever others have done */
} Group;

typedef struct Strip {
    int n;      /* floats a row */
    bool block; /* only a block of units wide */
    bool loop;  /* passed from group to group in a loop: of a gang, all see it */
} Strip;

/* A matrix in the order of the kernels: G panels sets, each of n columns and depth
 * k. */
typedef struct Pack {
    int param;
    bool transposed;
    bool table; /* rows to look up, [k][padded n], not panels */
    int G, n, k;
} Pack;

/* dM [G][R][K] += sum over rows of d x^T, head by head; a bias: [R] += sum of d. */
typedef struct GradientJob {
    int param;
    int d, x; /* values; x -1: bias */
    int G, R, K;
    bool table; /* x is symbols */
} GradientJob;

/* How the gradient of a parameter is cut for several workers: into lines of its rows, which
 * come one after the other with those of all parameters. */
typedef struct Cut {
    int64_t at; /* multiply-adds, a row of the mini-batch, of parameters before this */
    int64_t line; /* of one of its lines */
    int lines;    /* 1 where jobs have unlike rows */
    int rows;
} Cut;

typedef struct Program {
    int input, hidden, outputs;
    Param *param; /* names are the graph's and not kept */
    size_t *param_offset;
    int params;
    size_t param_floats;
    State *state;
    int states;
    Value *value;
    int values;
    double *number; /* PLACE_NUMBER */
    int numbers, number_width;
    Instr *instr;
    int instrs;
    Group *group;
    int groups;
    int group_at[PHASE_COUNT + 1]; /* a phase's, from group_at[phase] on */
    Pack *pack;
    int packs;
    GradientJob *gradient;
    int gradients;
    Cut *cut;    /* [params + 1]; the last begins where all end */
    int *buffer; /* PLACE_CHUNK: floats a row */
    int buffers;
    Strip *strip; /* PLACE_STRIP */
    int strips;
    int output_state; /* the output is this state as it leaves ... */
    int output_value; /* ... or this kept value ... */
    bool output_own;  /* ... or a buffer of its own, PLACE_OUTPUT */
    bool scan; /* loops are MAP_fma(a, state, b) alone, one a state: see step_scan.c */
    int *flow; /* [states]: with LowerFor.flow, their gradients; -1: none; else NULL */
    Phase *phase; /* [nodes of the graph]; where each runs */
    int products; /* dependent products in the forward loop: waits of a gang */
} Program;

#define WIDE_ROWS 48 /* rows from which on a matrix product is at full speed */

/* What a program is for. */
typedef struct LowerFor {
    bool training; /* the backward phases too */
    bool dinput;   /* with the gradient of x */
    bool symbols;  /* x is one-hot, products with it look-ups; an error in other use */
    bool wide;     /* a step has rows enough: products need none of other steps */
    bool scan;     /* Program.scan, if every state is affine in itself: affine.h */
    bool flow;     /* training, not scan: gradients of leaving states are kept alone */
} LowerFor;

bool lower(const Graph *graph, const LowerFor *what, Program **program, Error *err);
void program_close(Program *program);

/* The first row of a parameter's gradient that part or a later one has; part = parts: all
 * rows. Parts have about the same work, and most have one operand. */
int program_row(const Program *program, int param, int part, int parts);
/* Those that a part has of a use of the parameter in so many rows; false: none. What is in
 * one part has all rows of every use. */
bool program_rows(const Program *program, int param, int rows, int part, int parts,
                  int *first, int *end);

/* Floats kept for a row and step: states, buffers, and with scan the states' gradients. */
size_t program_kept(const Program *program);

/* pass.h: a net run over batches of one shape: all memory, and the tiles of an update.
 *
 *   joint 0   layer 0   joint 1   layer 1  ...  joint L   head   loss
 *
 * A joint is the input of the layer above it: x, a row of an embedding, or the outputs
 * of the directions below side by side, with dropout. Backward it takes the gradient
 * apart again. A window is a chunk of a batch, led by the steps before it that its
 * gradient is carried back over; those are run anew, from states that the window before
 * has kept, and without losses. Several windows may be in flight, each in a slot of
 * memory of its own: window k of an update has slot k mod slots.
 *
 * An encoder is a second such stack, below joint 0 of the first, over a sequence of its own. A
 * net that has one is never cut: its one window is the batch (handover.c, attention.c).
 *
 * The backward direction of a layer starts anew in each chunk, as what comes after the
 * chunk is not known in it; a net with such layers sees as far ahead as its chunks are
 * long. Evaluation and prediction never cut one. */
#pragma once

#include "linear.h"
#include "net.h"
#include "../team/plan.h"

/* What a pass is for. */
typedef enum Purpose {
    PURPOSE_TRAIN,   /* losses, gradients, update */
    PURPOSE_SCORE,   /* losses and hits */
    PURPOSE_PREDICT, /* outputs */
    PURPOSE_FLOW,    /* losses, gradients of the states */
} Purpose;

typedef struct PassShape {
    Purpose purpose;
    int T, B;    /* of a batch */
    int S;       /* and of what an encoder reads, 0: 1; in full 0: there is none */
    int chunk;   /* steps of the longest window, without those that lead it */
    int back;    /* steps that the gradient is carried back; at least chunk */
    int burn_in; /* steps that run before a chunk without gradient; 0 with back */
    int windows; /* of an update, at most; 0: those of a batch */
    bool stale;  /* windows enter what net->stale has kept of their last visit */
    int scan; /* steps of a segment of the loops that are affine; 0: they are not cut */
} PassShape;

/* How an update is shared out: no bit depends on it. */
typedef struct Split {
    int rows;  /* blocks of rows */
    int units; /* members of the gang that runs a block, each its units */
    int parts; /* of weight gradients */
    int slots; /* windows in flight */
    int ahead; /* parts, by steps, of what comes before the loop over time, as tiles of their
                  own; 0: it is in the loop's */
} Split;

/* Where states are kept: as step t of what is in the slot is entered. */
typedef struct Entry {
    int slot, t;
} Entry;

typedef struct Window {
    int t0, T; /* steps of the batch, those that lead included */
    int lead;  /* how many do: they have no losses ... */
    int cut;   /* ... and so many of them no gradient */
    int slot;
    bool fresh;         /* states start anew, ... */
    Entry enter;        /* ... or are these */
    const float *stale; /* [B][states]: which were put there from here; NULL: not */
    float *leave; /* [B][states]: where those go that the next one enters; or NULL */
    int leave_t;  /* they are those of this step */
    bool lengths; /* some row ends before its end; else the arrays are not used */
    int *begun, *ended;    /* [B]: live steps of each row, forward ... */
    int *rbegun, *rended;  /* [B]: ... and counted from the end of the window */
    int *live, *rlive;     /* [T]: no row from this on is live in a step; likewise */
    int *row, *rrow;       /* t B + b of all that are live, ascending; likewise */
    int *row_at, *rrow_at; /* [T + 1]: where those of a step begin */
} Window;

typedef struct Side Side;

typedef struct Joint {
    Side *side;
    int index, width;
    int base;       /* of the width: what is below; what else comes in is beside it */
    size_t row;     /* floats from row to row of its arrays, ... */
    size_t slot;    /* ... and from slot to slot */
    float drop;     /* 0 but in training */
    bool attends;   /* beside what is below: what attention reads */
    bool enters;    /* of what is handed over: something comes in here */
    bool makes;     /* an x of its own */
    bool learns;    /* has a dx: ... */
    bool forks;     /* ... in two parts, of the directions above */
    float *x;       /* [slots][span][B][width]; NULL: the array of who makes it */
    float *mask;    /* [slots][span][B][width], with drop */
    float *dx;      /* [slots][span][B][width]; NULL: not wanted */
    float *dx_back; /* [slots][span][B][width]: the backward direction's; or NULL */
} Joint;

typedef struct Direction {
    Side *side;
    int layer;
    bool backward;
    size_t state; /* where the layer's begin in a row's states */
    Step step;
    Gang *gang; /* [slots][rows of the split]; NULL: blocks have one member */
} Direction;

/* A stack of the net over the sequences of a batch. */
struct Side {
    Pass *pass;
    StackIndex index;
    const Stack *stack;
    int T, span; /* steps of a batch; of the longest window, with those that lead it */
    size_t
        states; /* floats of a row: MAIN: those of all forward directions; ENCODER: of all */
    Joint *joint;         /* [layers + 1] */
    Direction *direction; /* [layers][2] */
    Window *window;       /* MAIN: [as many as a batch has] */
    float *x;             /* of the batch: [T][B][inputs] */
    int32_t *symbol;      /* [T][B] */
    int *length;          /* [B] */
};

/* What goes from the encoder to the net's sequence; rows are dense. The gradient of each,
 * too, in a training. handover.c */
typedef struct HandOver {
    float *summary, *dsummary; /* [B][its width] */
    float *final, *dfinal;     /* [B][states of the encoder]; without layers: summary */
    float *start, *dstart;     /* [B][states of MAIN]; without a map: final */
    float *first, *dfirst;     /* [B][base of joint 0] */
} HandOver;

/* attention.c */
typedef struct Attention {
    size_t row;              /* floats of a row of weights */
    float *weights;          /* [B][T][S]: the softmax of the scores */
    float *query, *dquery;   /* [T][B][n]: W q */
    float *memory, *dmemory; /* [S][B][n]: U m */
    size_t query_row, memory_row;
    float *dv; /* [B][n]: of v, row by row */
} Attention;

/* Of a vector net, the arrays of the head are [B], the same for all slots: each row has
 * its place, filled in the window where the row ends. */
typedef struct Head {
    Pass *pass;
    int width, outputs;
    size_t row, slot; /* floats from row to row of a, from slot to slot */
    float *a;         /* [slots][chunk][B][O]: outputs, then their gradients */
    float *x, *dx;    /* vector: [B][width], input and its gradient */
    size_t x_row;
} Head;

/* How many threads of a team run an update: all, each on time, in gangs; those that are
 * there; one. */
typedef enum Crew { GANGS, THREADS, ALONE, CREWS } Crew;

/* The tiles of updates of so many windows, by Crew; made when they are needed. */
typedef struct PassList {
    int windows;
    TileList *of[CREWS];
} PassList;

struct Pass {
    WeftNet *net;
    PassShape shape;
    int threads;
    Split split;
    char words[160]; /* how, and in how much memory */
    Arena arena;
    WeftBatch batch;   /* arrays of our own, [T][B].. */
    Side side[STACKS]; /* without an encoder, the second has no steps */
    Linear linear[LINEARS];
    HandOver hand_over;
    Attention attention;
    Head head;
    float *loss;      /* [T][B], vector: [B] */
    float *hit;       /* the same; score: weight of what is right */
    float *weight;    /* the same; the batch's, 0 where there is no target */
    float **scratch;  /* [threads] */
    float *entry;     /* [windows][net->stale.entry]: what they enter, of an update */
    PassList list[2]; /* of a whole update, and of a rest of a batch */

    /* the update at hand */
    int *share; /* [B + 1]: the row that the block begins with that was to begin with
                             this one: blocks are to take as long, whatever their rows' lengths */
    int offset, windows;  /* first step, windows */
    uint64_t seed, steps; /* of dropout; number of the batch's first step */
    uint64_t visited;     /* the batch, of net->stale */
    bool encodes;         /* the encoder has something to read: the batch is fresh */
    float scale;          /* 1 / sum of weights; flow: 1 */
    bool carried;         /* states are there to go on from: ... */
    Entry next;           /* ... these */
    float *out;           /* predict: the caller's, [T][B][O], vector [B][O] */
    double loss_sum, hit_sum, weight_sum;
};

static inline bool pass_trains(const Pass *pass)
{
    return pass->shape.purpose == PURPOSE_TRAIN;
}

/* The number of a window's first step among those of all batches, for random masks. */
static inline uint64_t side_time(const Side *side, const Window *window)
{
    const Pass *const p = side->pass;
    const uint64_t T = (uint64_t)p->shape.T;
    return (side->index == MAIN ? p->steps : p->steps / T * (uint64_t)side->T) +
           (uint64_t)window->t0;
}

static inline bool pass_goes_back(const Pass *pass)
{
    return pass_trains(pass) || pass->shape.purpose == PURPOSE_FLOW;
}

/* Makes *pass (NULL, or one of another shape, which is closed) a pass of this shape.
 * Carried states stay when the rows are as many, and what an encoder reads is as long. */
bool pass_ready(WeftNet *net, Pass **pass, const PassShape *shape, Error *err);
void pass_close(Pass *pass);

/* The shape in full, windows 1 or more; or what is wrong with it. */
bool pass_shape(const WeftNet *net, const PassShape *shape, PassShape *whole,
                Error *err);

/* One shared out as told, of a shape in full. After an error too, *pass is
 * to be closed. */
bool pass_open(WeftNet *net, const PassShape *shape, const Split *split, Pass **pass,
               Error *err);

/* A pass without memory, for so many threads, of which `bytes` tells how much it needs. */
bool pass_build(WeftNet *net, const PassShape *shape, int threads, const Split *split,
                Pass **pass, Error *err);
size_t pass_bytes(Pass *pass);

int pass_windows(const PassShape *shape); /* of a batch */

/* Sets the steps of the window whose own ones begin with `own`. */
void pass_window(const PassShape *shape, int own, Window *window);

/* Runs `windows` windows of the batch from step offset on; fresh: the batch is. */
bool pass_run(Pass *pass, int offset, int windows, bool fresh, Error *err);

/* How many targets the windows at hand have, and the first of them, in the arrays of
 * losses and weights. */
size_t pass_span(const Pass *pass, size_t *first);

/* The tiles of an update of so many windows, and what each costs: split as the pass is, or into
 * other blocks of rows, parts, or gangs of 1. weave.c */
bool pass_weave(Pass *pass, int windows, const Split *split, const Rates *rates,
                TileList **list, Error *err);

/* Of MAIN's row b, as step t of what is in the slot is entered: its states. */
void pass_get_state(const Pass *pass, int slot, int t, int b, float *states);
void pass_set_state(Pass *pass, int slot, int t, int b, const float *states);
/* Carried states of all rows, [rows][states]. */
void pass_get_states(const Pass *pass, float *states);
void pass_set_states(Pass *pass, const float *states);

/* stale.c: makes net->stale fit a training of this shape: empty, if it does not. */
bool stale_ready(WeftNet *net, const PassShape *shape, uint64_t batches, Error *err);
void stale_close(WeftNet *net);
/* The windows at hand enter what is kept, and leave what is to be. */
void stale_open(Pass *pass);
void stale_enter(Direction *direction, const Window *window, int first, int end);
void stale_leave(const Direction *direction, const Window *window, int first, int end);
/* By how much the entries of the epoch's first tenth, from batch `first` on, differ from
 * the states that windows would enter if each waited for the one before. */
typedef struct Staleness {
    double max, rms;
} Staleness;
bool stale_measure(WeftNet *net, const PassShape *shape, const WeftSource *source,
                   uint64_t first, Staleness *staleness, Error *err);

/* weft_predict in a pass of the caller's; *pass as of pass_ready. predict.c */
bool predict_in(WeftNet *net, Pass **pass, const WeftBatch *batch, float *out,
                Error *err);

/* The arrays as a source expects them; then what it made of them, checked. batch.c */
void batch_place(Pass *pass, Arena *arena);
void batch_clear(Pass *pass);
bool batch_check(Pass *pass, Error *err);
bool batch_fill(Pass *pass, const WeftSource *source, uint64_t index, Error *err);

/* Where the rows of [first, end) end that step t has work for. */
static inline int window_end(const Window *w, int t, int first, int end)
{
    const int live = w->lengths ? w->live[t] : end;
    return live < first ? first : live < end ? live : end;
}

/* What lies upon a side's last layer. */
static inline const Joint *side_top(const Side *side)
{
    return &side->joint[side->stack->count];
}

/* Of a window without lead: how many rows of its steps are live; *row: which, NULL: all. */
static inline int window_rows(const Window *w, int B, const int **row)
{
    *row = w->lengths ? w->row : NULL;
    return w->lengths ? w->row_at[w->T] : w->T * B;
}

/* Makes rows [first, end) of the first T steps 0, as far as they have work. */
void clear_rows(View v, const Window *window, int T, int first, int end);

/* joint.c: rows [first, end). */
View joint_view(const Joint *joint, const Window *window);
View joint_gradient(const Joint *joint, const Window *window);      /* with dx ... */
View joint_gradient_back(const Joint *joint, const Window *window); /* ... dx_back */
void joint_enter(const Joint *joint, const Window *window, int first, int end,
                 float *scratch);
void joint_leave(const Joint *joint, const Window *window, int first, int end,
                 float *scratch);

void joint_open(Side *side, int index);
void joint_place(Joint *joint, Arena *arena);
/* Of so many rows of the window. */
Cost joint_enter_cost(const Joint *joint, const Window *window, int rows,
                      const Rates *rates);
Cost joint_leave_cost(const Joint *joint, const Window *window, int rows,
                      const Rates *rates);

/* head.c: outputs, losses and their gradient, down to joint L's dx. */
void head_place(Head *head, Arena *arena);
void head_run(Head *head, const Window *window, int first, int end);
/* Adds the gradients of the windows since the last call to the net's. */
void head_gradient(Head *head, const Window *window, int part, int parts,
                   float *scratch);
Cost head_cost(const Head *head, const Window *window, int rows, const Rates *rates);
Cost head_gradient_cost(const Head *head, const Window *window, int parts,
                        const Rates *rates);

/* handover.c: what the encoder has read, into what it is handed over as; and backward. Rows
 * [first, end). */
void hand_over_place(Pass *pass, Arena *arena);
void hand_over_run(Pass *pass, int first, int end, float *scratch);
void hand_over_back(Pass *pass, int first, int end, float *scratch);
void hand_over_gradient(Pass *pass, LinearIndex index, int part, int parts,
                        float *scratch);
Cost hand_over_cost(const Pass *pass, int rows, const Rates *rates);
/* For a pass that goes on with what another has read. */
void hand_over_move(const Pass *from, Pass *to);
/* Beside what is below joint 0 of MAIN. */
void hand_over_enter(const Joint *joint, View x, const Window *window, int first,
                     int end);
void hand_over_leave(const Joint *joint, View dx, const Window *window, int first,
                     int end);

/* attention.c: beside what is below a joint of MAIN. */
void attention_place(Pass *pass, Arena *arena);
size_t attention_scratch(const Pass *pass); /* floats */
void attention_run(Pass *pass, View x, int first, int end, float *scratch);
void attention_back(Pass *pass, View dx, int first, int end, float *scratch);
void attention_gradient(Pass *pass, LinearIndex index, int part, int parts,
                        float *scratch);
Cost attention_cost(const Pass *pass, int rows, bool back, const Rates *rates);

/* Adds the gradient of the embedding. joint.c */
void embedding_gradient(const Joint *joint, const Window *window, int part, int parts);
Cost embedding_gradient_cost(const Joint *joint, const Window *window, int parts,
                             const Rates *rates);

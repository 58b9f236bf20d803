/* net.h: a net: its parameters in one block, its layers, and what training leaves in
 * it. */
#pragma once

#include "../cell/step.h"
#include "../team/team.h"
#include "../train/update.h"

typedef struct Pass Pass; /* pass.h */

#define NET_SIZE_MAX   (1 << 24) /* inputs, hidden units, outputs */
#define NET_LAYERS_MAX 256

/* Every use of random numbers has its own stream; seeds are those of the net
 * (parameters) and of the training (drops). A layer's is followed by that of its
 * backward direction. */
typedef enum Stream {
    STREAM_EMBEDDING = 1,
    STREAM_HEAD,
    STREAM_HEAD_BIAS,
    STREAM_ENCODER_EMBEDDING,
    STREAM_DECODE,          /* what weft_decode draws */
    STREAM_TEACHER,         /* which labels are replaced */
    STREAM_LINEAR,          /* + LinearIndex: and then attention's v */
    STREAM_LAYER = 1 << 10, /* + 2 layer + direction: first parameters */
    STREAM_DROP = 1 << 20,  /* + layer, or layers for the head: dropout of its input */
    STREAM_CELL_DROP =
        1 << 30, /* + (2 layer + direction) << STREAM_CELL_BITS, + drop() */
    STREAM_CELL_BITS = 8
} Stream;

typedef struct Parameter {
    char *name;
    int axes, shape[4];
    size_t at, count; /* floats, in the net's block */
    int layer;        /* -1: the embedding; layers: the head */
} Parameter;

typedef struct Layer {
    Graph graph;      /* derived; of both directions */
    int directions;   /* 1: forward; 2: and backward */
    int inputs;       /* width of its input; symbols: how many */
    int width;        /* of one direction's output */
    size_t params[2]; /* where each direction's parameters begin */
} Layer;

/* Which layers: those below the head, or the encoder's. */
typedef enum StackIndex { MAIN, ENCODER, STACKS } StackIndex;

/* Layers one upon another. */
typedef struct Stack {
    WeftInput input;
    int inputs, embedding;
    WeftLayer *given; /* [count]: cells are the net's own copies */
    Layer *layer;     /* [count] */
    int count;
    size_t table; /* where its embedding begins */
    int stream;   /* number of its first layer in streams, after those of the other */
} Stack;

/* Maps y = W x + b. */
typedef enum LinearIndex {
    HEAD_LINEAR,
    STATES_LINEAR, /* what the encoder has read: as states, ... */
    FIRST_LINEAR,  /* ... as first input */
    QUERY_LINEAR,  /* of attention */
    MEMORY_LINEAR,
    LINEARS
} LinearIndex;

typedef struct LinearParams {
    int n, k;            /* n 0: there is none */
    size_t weight, bias; /* where they begin; bias NO_BIAS: none */
} LinearParams;

#define NO_BIAS SIZE_MAX

/* Where training is. */
typedef struct Clock {
    uint64_t updates, batch, steps; /* steps: of all batches before this one */
    int offset;                     /* steps of this batch that are done */
} Clock;

/* Carried states of a training that is not running: [rows][floats], all layers' side by
 * side. */
typedef struct Carried {
    float *at;
    int rows;
    size_t floats;
} Carried;

/* What windows of a training with stale states left at their last visit, for the next.
 * stale.c */
typedef struct Stale {
    float *
        at; /* [batches][chunks][entry]; NULL: none. An entry: 1 if it was left, and the
                  states that its window enters, [rows][states] */
    uint64_t batches;  /* of an epoch */
    int chunks, chunk; /* of a batch; steps of one */
    int burn_in;
    size_t entry;
} Stale;

typedef struct Note {
    char *key, *value;
} Note;

struct WeftNet {
    Team *team;
    uint64_t seed;
    WeftModel model; /* its layers, cells and encoder are the net's own copies */
    WeftEncoder encoder;
    Stack stack
        [STACKS]; /* the encoder's has neither layers nor inputs, if there is none */
    Layer *layer; /* those of MAIN */

    Parameter *parameter;
    int parameters;
    size_t count; /* floats of all */
    LinearParams linear[LINEARS];
    size_t attention; /* where v of WEFT_ADDITIVE begins */
    Arena arena;
    float *params, *grads; /* [count] */
    Moments moments;
    Update update;

    Clock clock;
    Carried carried; /* of the file, until the training goes on */
    Stale stale;
    Pass *training, *evaluation, *prediction;
    Note *note;
    int notes;
};

/* A net with its parameters named, but no memory for them: a reader of files compares
 * the names and shapes first. Then the memory, all zero. */
bool net_build(Team *team, const WeftModel *model, uint64_t seed, WeftNet **net,
               Error *err);
bool net_take_memory(WeftNet *net, Error *err);

/* Floats of a row of the head's input. */
int net_width(const WeftNet *net);
bool net_both(const WeftNet *net); /* some layer runs in both directions */

/* Width of what layer l of a stack (count: what is above it) is given, ... */
int stack_width(const Stack *stack, int l);
/* ... with what comes beside it: attention, a summary. */
int net_input_width(const WeftNet *net, StackIndex stack, int l);
bool net_attends(const WeftNet *net, StackIndex stack, int l); /* there */

/* What is handed over: floats of a row of ... */
int net_summary_width(const WeftNet *net);
size_t stack_states(const Stack *stack); /* ... all states, of both directions */

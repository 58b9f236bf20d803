/* weft.h: train recurrent networks that are given as equations.
 *
 * The whole public interface. Conventions:
 * - a function that can fail for reasons outside the program (a file, an argument, memory)
 *   returns false and writes one sentence into *err (NULL: not wanted); nothing it would
 *   have returned is then set;
 * - what a function hands out through a `**` argument is the caller's, and is closed by the
 *   matching _close, which accepts NULL; strings and pointers handed out otherwise belong to
 *   what they were asked of, and live as long;
 * - arrays are dense, row-major, slowest axis first: x [steps][rows][inputs]; T, B stand for
 *   steps and rows. No array of the caller's is kept after a call, but for those of sources;
 * - nothing is printed, except to a FILE that the caller passes;
 * - a result depends on what the caller gives (model, settings, data, seed) and on nothing
 *   else: not on the number of threads, not on the instruction set.
 */
#pragma once
// clang-format off

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WEFT_API __attribute__((visibility("default")))

typedef struct WeftError {
    char text[1024]; /* one sentence: what, where, what was expected */
} WeftError;

WEFT_API const char *weft_version(void);

/* ---- the machine and its threads ------------------------------------------------------ */

typedef struct WeftTeam WeftTeam; /* threads placed on cores; used by one caller at a time */

/* threads: 0 takes one for each usable physical core (affinity, cpuset and cgroup quota
 * are respected). Chooses the instruction set: the best that CPU and operating system
 * support, or the one that the environment variable WEFT_ISA names. Fails when there is no
 * such set here, or for more than 64 threads and more than 8 a hardware thread. */
WEFT_API bool weft_team_open(int threads, WeftTeam **team, WeftError *err);
WEFT_API void weft_team_close(WeftTeam *team);
WEFT_API int weft_team_threads(const WeftTeam *team);
/* Why the team has no more cores, as "the cgroup quota pays for 2 of 64 cores"; "" where it
 * has a core for each thread that was asked for, or all there are. */
WEFT_API const char *weft_team_note(const WeftTeam *team);

/* What an update is divided into for the threads; weight gradients always into parts of the
 * parameters. No result depends on it. */
typedef enum WeftSplit {
    WEFT_SPLIT_AUTO,   /* a mixture that a cost model finds fastest */
    WEFT_SPLIT_ROWS,   /* blocks of rows of the batch */
    WEFT_SPLIT_UNITS,  /* hidden units, by gangs of threads that share an L3 cache */
    WEFT_SPLIT_CHUNKS, /* backward of chunks beside forward of later ones */
    WEFT_SPLIT_LAYERS  /* a layer beside the one above it, of the chunk before */
} WeftSplit;
/* For the nets of the team, from their next shape of batch on; memory: bytes that an update of training
 * may take beside parameters, optimiser and the list of its tiles (0: any), which limits the chunks in flight. */
WEFT_API bool weft_team_split(WeftTeam *team, WeftSplit split, size_t memory, WeftError *err);

/* The set in use, once a team is open: "scalar", "avx2", "avx512", "neon"; "scalar without
 * FMA", on a CPU that has none, may have bits of its own. */
WEFT_API const char *weft_isa(void);

/* Runs job(context, i), i = 0 .. jobs-1, side by side on the team's threads, each job on
 * one thread, and returns when all are done. A job opens a team of its own, with
 * weft_team_open(1, ...), for nets of its own. */
WEFT_API void weft_team_each(WeftTeam *team, int jobs, void (*job)(void *context, int i),
                             void *context);

/* What each thread does from here on, as events in the Chrome trace format (ui.perfetto.dev and
 * chrome://tracing show it), until the team is closed or the function is called again; path NULL:
 * no more. An event per tile: its phase as the name, "update" or "score" (also predictions, flows) as
 * the category, args: update (counted in this file), chunk, layer (the head is above the last),
 * rows [first, end), part of parts (of parameters; with rows: of a gang, "before": of steps), and tile, a number within the update. Events of the
 * category "wait" are waits within an update; those of "serial" are of the caller, between
 * updates. Written beside, synced, renamed; some 300 bytes a tile. */
WEFT_API bool weft_team_trace(WeftTeam *team, const char *path, WeftError *err);

/* Measures from here on where the time of the threads goes: products, elementwise, update,
 * waiting, input, other; in which phases, and at what speed; cycles, instructions and cache
 * misses, where the system lets a process count its own. _end writes the tables (out NULL: does
 * not), 100 columns wide. One profile at a time in a process, and no net at work while it begins
 * or ends. */
WEFT_API bool weft_team_profile(WeftTeam *team, WeftError *err);
WEFT_API bool weft_team_profile_end(WeftTeam *team, FILE *out, WeftError *err);

/* Writes what weft knows of this machine: cores, caches, NUMA nodes, quota, instruction
 * set; with `measure` also the FMA peak in GFLOP/s (best of ten runs of 100 ms of 12
 * independent chains) and the memory bandwidth in GB/s, of one thread and of all. */
WEFT_API bool weft_machine_describe(FILE *out, bool measure, WeftError *err);

/* Measures what work costs on this machine, with the team's threads and the instruction set in
 * use, in some two seconds, and writes the file: a rate in each line, with what it is. Best on
 * an idle machine. Written beside, synced, renamed. */
WEFT_API bool weft_machine_rates(WeftTeam *team, const char *path, WeftError *err);

/* ---- random numbers: functions of (seed, stream, index), Philox 4x32-10 ---------------- */

WEFT_API uint32_t weft_random_bits(uint64_t seed, uint64_t stream, uint64_t index);
WEFT_API float weft_random_uniform(uint64_t seed, uint64_t stream,
                                   uint64_t index); /* [0, 1), 24 bits */
/* mean 0, variance 1 (Box and Muller 1958) */
WEFT_API float weft_random_normal(uint64_t seed, uint64_t stream, uint64_t index);
/* 0 .. below-1, without bias; below >= 1 */
WEFT_API uint32_t weft_random_below(uint64_t seed, uint64_t stream, uint64_t index,
                                    uint32_t below);
/* Same bits everywhere, unlike libm's: for drawn tasks. */
WEFT_API double weft_exp(double x);
WEFT_API double weft_log(double x);
WEFT_API double weft_sin(double x);
WEFT_API double weft_cos(double x);

/* ---- cells ---------------------------------------------------------------------------- */

typedef struct WeftCell WeftCell; /* equations, read and checked for grammar and names */

/* The built-in cells, in alphabetical order; NULL past the last. */
WEFT_API const char *weft_cell_name(int i);

/* A built-in cell by name, or a file (1 MiB at most) when the name has a '/' or ends in
 * ".cell". What is wrong is told with file, line, column and the nearest name that there is. */
WEFT_API bool weft_cell_open(const char *name, WeftCell **cell, WeftError *err);

/* origin names the text in messages ("mine.cell: line 3, column 7: ..."). */
WEFT_API bool weft_cell_parse(const char *origin, const char *text, size_t length,
                              WeftCell **cell, WeftError *err);
WEFT_API void weft_cell_close(WeftCell *cell);

/* Overrides a size (a whole number, 1 or more) or a const; another name is an error. */
WEFT_API bool weft_cell_set(WeftCell *cell, const char *name, double value,
                            WeftError *err);

/* Writes equations, derived backward, the split around time, dependent products in the
 * loop, parameters and bytes saved for a row and step, at these sizes. */
WEFT_API bool weft_cell_describe(const WeftCell *cell, int input, int hidden, FILE *out,
                                 WeftError *err);

/* Holds the derived gradient to central differences in double over a chain of steps
 * (relative 1e-6), then the float program to the double gradient within a computed bound.
 * Writes a line per parameter, state and input; false with the worst in err. */
WEFT_API bool weft_cell_check(const WeftCell *cell, int input, int hidden, uint64_t seed,
                              FILE *out, WeftError *err);

/* ---- nets ----------------------------------------------------------------------------- */

typedef enum WeftInput {
    WEFT_DENSE,    /* x [T][B][inputs] */
    WEFT_SYMBOLS,  /* symbol [T][B] in 0 .. inputs-1, as one-hot vectors, never multiplied out */
    WEFT_EMBEDDING /* symbol [T][B], each a trained vector of `embedding` numbers */
} WeftInput;

typedef enum WeftLoss {
    WEFT_SQUARE,  /* mean over the outputs of (output - target)^2 */
    WEFT_SOFTMAX, /* cross-entropy of one label among `outputs`, in nats */
    WEFT_SIGMOID  /* sum over the outputs of the cross-entropy of 0/1 targets, in nats */
} WeftLoss;

/* One recurrent layer. The cell is copied. */
typedef struct WeftLayer {
    const WeftCell *cell;
    int hidden;
    bool both;  /* forward and backward in time, outputs side by side; in training the
                   backward direction starts anew in each chunk */
    float drop; /* dropout on this layer's input while training: probability, 0 to below 1;
                   WEFT_SYMBOLS: 0 in the first layer */
} WeftLayer;

/* What reads a sequence of its own before the net's begins: with it, the net is an
 * encoder-decoder (Cho et al. 2014, Sutskever et al. 2014). Without layers it is a vector a row
 * (steps 1: x, or a symbol and its embedding), from which the net makes a sequence. */
typedef struct WeftEncoder {
    WeftInput input; /* without layers not WEFT_SYMBOLS */
    int inputs, embedding; /* as in WeftModel */
    const WeftLayer *layers;
    int layer_count;
} WeftEncoder;

/* How what was read comes into the net's sequence; a set. */
typedef enum WeftHandOver {
    WEFT_STATES = 1, /* as the states that step 0 enters: the final ones of the encoder, as they
                        are where its layers have the same (not `both`); else a linear map of all */
    WEFT_FIRST = 2,  /* as input of step 0, instead of its own: a linear map of the summary */
    WEFT_EVERY = 4   /* the summary beside the input of every step */
} WeftHandOver;

/* What is read again at every step t of the net: the outputs m of the encoder's top layer,
 * summed by weights that are the softmax of scores over the steps of the row (Luong et al. 2015). */
typedef enum WeftAttention {
    WEFT_NO_ATTENTION,
    WEFT_DOT,     /* q . m; both of one width */
    WEFT_GENERAL, /* (W q) . m */
    WEFT_ADDITIVE /* v . tanh(W q + U m) (Bahdanau et al. 2015) */
} WeftAttention;

typedef struct WeftModel {
    WeftInput input;
    int inputs;    /* width of x, or number of symbols */
    int embedding; /* width, for WEFT_EMBEDDING */
    const WeftLayer *layers;
    int layer_count;
    float drop;  /* dropout on the head's input */
    int outputs; /* of the linear head */
    WeftLoss loss;
    bool vector; /* sequence to vector: one target a row, after its last step */
    const WeftEncoder *encoder; /* copied; NULL: none, and nothing of what follows */
    int hand_over; /* WeftHandOver; (d) 0: WEFT_STATES. The summary is the encoder's last output:
                      of a backward direction that at the first step; without layers its input.
                      FIRST and EVERY not with WEFT_SYMBOLS */
    WeftAttention attention;
    int attention_below; /* q: the output of so many layers, beside which what was read goes into
                            the layer above; (d) 0: of all, and into the head */
    int attention_width; /* of W q in WEFT_ADDITIVE; (d) 0: as wide as q */
} WeftModel;

typedef struct WeftNet WeftNet; /* parameters, optimiser state, carried states, memory */

/* The net uses the team, which must outlive it. The model and its cells are copied; the
 * parameters are drawn from the seed. */
WEFT_API bool weft_net_open(WeftTeam *team, const WeftModel *model, uint64_t seed,
                            WeftNet **net, WeftError *err);
WEFT_API void weft_net_close(WeftNet *net);
/* What weft_net_parameters would say of a net of this model, which is not made. */
WEFT_API bool weft_model_parameters(const WeftModel *model, size_t *count, WeftError *err);
WEFT_API size_t weft_net_parameters(const WeftNet *net); /* numbers that are trained, in all */
WEFT_API const WeftModel *weft_net_model(const WeftNet *net);

/* Parameter i in declaration order: its values, name ("layer0.U_r", "layer0.backward.U_r",
 * "embedding" [inputs][embedding], "head.weight" [outputs][width], "head.bias"), shape (axes
 * of shape are set); name, axes and shape may be NULL. NULL past the last. The values may be
 * changed. */
WEFT_API float *weft_net_parameter(WeftNet *net, int i, const char **name, int *axes,
                                   int shape[4]);
/* The gradient of the last update, of the same parameter; after clipping. NULL past the last. */
WEFT_API const float *weft_net_gradient(const WeftNet *net, int i);

/* FNV-1a 64 over all parameters in declaration order, little-endian, NaN as 7fc00000. */
WEFT_API uint64_t weft_net_digest(const WeftNet *net);

/* ---- data ----------------------------------------------------------------------------- */

/* What one call of a source fills: T = steps, B = rows. The arrays belong to weft and are
 * zero before the call; those that the model does not need are NULL. */
typedef struct WeftBatch {
    int steps, rows;
    int inputs, outputs; /* of the model; weft sets them and `vector` before the call */
    bool vector;
    float *x;        /* [T][B][inputs] */
    int32_t *symbol; /* [T][B] */
    float *target;   /* [T][B][outputs], vector: [B][outputs] */
    int32_t *label;  /* softmax: [T][B], vector: [B] */
    float *weight;   /* [T][B], vector: [B]: of each target in the loss; filled with 1 before */
    int *length;     /* [B]: steps of each row; filled with T before; states freeze past it.
                        Steps past it cost nothing if the rows' lengths fall: weft_batch_sort */
    bool fresh;      /* rows start new sequences; false: they go on from the batch before.
                        true before the call; with an encoder always */
    int source_inputs; /* of the encoder; set before the call */
    int source_steps; /* of what an encoder reads, S; 1 without layers; 0: there is none */
    float *source_x; /* [S][B][encoder's inputs] */
    int32_t *source_symbol; /* [S][B] */
    int *source_length; /* [B]: filled with S before; 1 or more */
} WeftBatch;

/* Sorts the rows of a batch that has been filled by falling length (with an encoder, of both
 * sequences together); equal ones stay in order. Out of memory they stay as they are, which is
 * right too, but slower. */
WEFT_API void weft_batch_sort(WeftBatch *batch);

/* Batches by index: the same index always gives the same batch. fill writes the arrays of
 * *batch and `fresh`, in the thread that called weft_train or weft_evaluate; false, with a
 * message, ends that call. */
typedef struct WeftSource {
    void *context;
    bool (*fill)(void *context, uint64_t index, WeftBatch *batch, WeftError *err);
    int steps, rows; /* of every batch */
    uint64_t epoch;  /* batches after which the rows begin again; 0: never, or not known */
    int source_steps; /* of what an encoder reads; (d) 1 */
} WeftSource;

/* The caller's own arrays as a source, which sorts each batch: `count` sequences, x [count][steps][inputs] (or symbol
 * [count][steps]), target [count][steps][outputs] (vector: [count][outputs]), label likewise;
 * NULL what the model does not need. Each epoch visits all in an order drawn from seed
 * (shuffle false: in order); the last batch of an epoch wraps into the next. The arrays must
 * outlive the source's use. The source remembers an epoch's order: one caller at a time. */
typedef struct WeftArrays {
    int count, steps;
    int inputs, outputs;
    const float *x;
    const int32_t *symbol;
    const float *target;
    const int32_t *label;
    bool vector;
    bool shuffle;
    uint64_t seed;
    const int *length; /* [count], from 0 to steps; NULL: steps */
    int source_steps, source_inputs; /* of what an encoder reads; else 0 and NULL */
    const float *source_x;           /* [count][source_steps][source_inputs] */
    const int32_t *source_symbol;    /* [count][source_steps] */
    const int *source_length;        /* [count], from 1 to source_steps; NULL: source_steps */
} WeftArrays;
WEFT_API bool weft_source_arrays(const WeftArrays *arrays, int rows, WeftSource *source,
                                 WeftError *err);

/* ---- training ------------------------------------------------------------------------- */

typedef enum WeftOptimizer { WEFT_SGD, WEFT_RMSPROP, WEFT_ADAM, WEFT_ADAMW } WeftOptimizer;
typedef enum WeftSchedule { WEFT_CONSTANT, WEFT_STEP, WEFT_COSINE } WeftSchedule;

/* Zero in a field marked (d) means the default named there. */
typedef struct WeftTrain {
    uint64_t updates; /* stop when the net has had so many in all */
    int chunk;        /* steps between the cuts of the gradient; 0: never cut */
    int back; /* with chunk: steps, at least chunk, that the gradient of a chunk's losses is
                 carried back, within the batch; those before the chunk are run anew, from
                 the states that were kept and with today's parameters; (d) chunk */
    int chunks_per_update; /* 0: all chunks of a batch */
    bool stale; /* approximate: the chunks of an update run side by side, each from the state
                   that was left for it the last time: by the update before, or an epoch ago
                   (the first time: the cell's start), as in Kapturowski et al. 2019. Needs
                   the source's epoch; not with back */
    int burn_in; /* with stale: steps, within the batch, that run before a chunk's own from
                    the state left for them, without losses and gradient; not with `both` */
    int scan; /* steps of the segments that a chunk is cut into, from its first on, in layers
                 whose every state is h' = a h + b, a and b of no state (mingru, minlstm):
                 segments run side by side, so that few rows keep many cores at work. Exact
                 but for rounding, which depends on it, where no a is beyond 1 for long: the
                 product of a segment's must be finite. 0: not cut. Other layers run as
                 without it; that all do is an error. Evaluation and prediction never cut */
    WeftOptimizer optimizer;
    float rate;             /* (d) 1e-3 */
    float momentum;         /* SGD */
    float beta1, beta2;     /* Adam: (d) 0.9, 0.999; RMSprop: beta2 (d) 0.99 */
    float epsilon;          /* (d) 1e-8 */
    float weight_decay;     /* L2 for SGD, RMSprop, Adam; decoupled for AdamW */
    WeftSchedule schedule;  /* of the rate */
    uint64_t warmup;        /* updates of linear growth, before any schedule */
    uint64_t period;        /* step: updates between the drops; cosine: length (d) updates */
    float factor;           /* step: of each drop (d) 0.5; cosine: last rate / first rate */
    float clip_norm;        /* global norm of the gradient; 0: not */
    float clip_value;       /* each element; 0: not */
    uint64_t seed;          /* of dropout, and of what follows */
    float teacher_last;     /* scheduled sampling (Bengio et al. 2015), with teacher_updates: ... */
    uint64_t teacher_updates; /* ... a symbol that is the label of the step before is replaced by
                               what the net says there, with a probability that grows from 0, at
                               the first update, linearly to 1 - teacher_last after so many.
                               WEFT_SYMBOLS or _EMBEDDING with WEFT_SOFTMAX; not with chunk. 0: never */
    uint64_t every;         /* updates between calls of progress; (d) 1 */
} WeftTrain;

typedef struct WeftProgress {
    uint64_t update;      /* updates done */
    double loss;          /* mean over targets since the call before */
    double seconds;       /* in weft_train so far */
    double tokens;        /* row-steps trained in weft_train so far */
    float gradient_norm;  /* of the last update, before clipping */
    float rate;           /* of the last update */
    bool finite;          /* false: the loss or a gradient stopped being finite ... */
    int step, layer;      /* ... first seen in this step (of the batch) and layer
                             (layer_count: the head); parameters stay as they were */
    uint64_t stale_epoch; /* epochs done when these were measured; 0: not in this call */
    double stale_max, stale_rms; /* with stale, once an epoch: |state left - true state| over
                                    the chunks of its first tenth of batches; true: with
                                    today's parameters from the start, without dropout */
} WeftProgress;

/* Trains until `updates` are done, or progress (NULL: none) returns false, which is not an
 * error. Goes on where the last call, or the loaded net, stopped: batch index, moments (of
 * the same optimizer) and carried states (of as many rows) are the net's. An update without
 * targets has the gradient 0. A loss that is not finite ends the training: progress is
 * called with finite = false, and the call returns true. */
WEFT_API bool weft_train(WeftNet *net, const WeftTrain *train, const WeftSource *source,
                         bool (*progress)(void *context, const WeftProgress *progress),
                         void *context, WeftError *err);
WEFT_API uint64_t weft_net_updates(const WeftNet *net);
/* How the net's threads share an update, in words; "" before the first. */
WEFT_API const char *weft_net_split(const WeftNet *net);

/* How an update would be shared out, and what it would take. */
typedef struct WeftPlan {
    int steps, rows;        /* of a batch */
    const WeftTrain *train; /* its chunks */
    const char *machine; /* NULL: that of the net's team; else hwloc's words for any machine,
                            "package:1 l3:8 core:8 pu:1" */
    int cores;           /* of it; 0: all */
    const char *rates;   /* a file of rates; NULL: those of this machine, measured in 2 s */
    bool table;          /* for 1, 2, 4 .. cores of it; else split by split */
    int source_steps;    /* of what an encoder reads; (d) 1 */
} WeftPlan;
/* Writes a table: the counts of the best split and of the best of each way alone (of one
 * way, if weft_team_split forces it), predicted time, speed, share of peak, memory. Trains
 * nothing. A training chooses by typical rates, and may choose otherwise. */
WEFT_API bool weft_net_plan(WeftNet *net, const WeftPlan *plan, FILE *out, WeftError *err);

typedef struct WeftScore {
    double loss;     /* mean over targets, by weight */
    double accuracy; /* by weight. softmax: share of labels that are the largest output;
                        sigmoid: share of right signs; square: 0 */
    double targets;  /* sum of weights */
} WeftScore;

/* Batches first .. first+count-1, without training, dropout off. The first starts anew, the
 * others as they say; carried states of the training are not touched. Batches without any
 * target are an error. */
WEFT_API bool weft_evaluate(WeftNet *net, const WeftSource *source, uint64_t first,
                            uint64_t count, WeftScore *score, WeftError *err);

/* Where weft_gradient_flow measures. */
typedef struct WeftFlow {
    int layer;
    bool backward;     /* its backward direction, of a layer with `both` */
    const char *state; /* by its name in the cell; NULL: all of the cell's, as one vector */
} WeftFlow;

/* How far the gradient reaches back. Batch `index` is run forward and backward, its sequences
 * from their start, dropout off and nothing cut; nothing is trained or carried. norm[t], t = 0 ..
 * steps-1 of the source, becomes the mean over all rows of |dL/ds|: L is the row's own loss, the
 * sum over its targets by weight, s the state as it leaves step t, and dL/ds counts all that is
 * made of s, in later steps and in the rest of step t (in an LSTM, h' is made of c'). It is 0
 * past the end of a row, where stop() lets nothing pass, and where numbers are below 1e-38; one
 * that is not finite is a result. A batch without targets is an error. */
WEFT_API bool weft_gradient_flow(WeftNet *net, const WeftFlow *flow,
                                 const WeftSource *source, uint64_t index, double *norm,
                                 WeftError *err);

/* Outputs for a batch of the caller's: values, probabilities (softmax, sigmoid), into
 * out [T][B][outputs], vector: [B][outputs]. fresh = false goes on from the states of the
 * last weft_predict, which had as many rows; what its encoder had read stays. Of the batch, steps, rows, fresh, x or symbol, and
 * length (may be NULL) are read; past the end of its row an output is 0. */
WEFT_API bool weft_predict(WeftNet *net, const WeftBatch *batch, float *out,
                           WeftError *err);

/* How weft_decode makes sequences. */
typedef struct WeftDecode {
    int begin, end; /* symbols: input of step 0; output that ends a row */
    int longest;    /* steps of a row, at most, its end among them */
    int beam;       /* sequences that are kept of a row at each step; (d) 1: greedy */
    float length_power; /* of beams: log probability / length^this is what is compared (Wu et al.
                           2016 have 0.6 or so); 0: not divided */
    float temperature; /* outputs are drawn, after division by it; beam 1. 0: the most likely */
    uint64_t seed;     /* of what is drawn */
} WeftDecode;

/* Makes a sequence for each of batch->rows rows: step by step, the output of a step is the
 * input of the next. Of a net with symbols as input and WEFT_SOFTMAX; of the batch, source_steps
 * and its arrays (source_length may be NULL) are read. symbol [B][longest], without `end`, and
 * zero past it; length [B] tells how many; log_probability [B], of them and their end, in nats
 * (NULL: not wanted). */
WEFT_API bool weft_decode(WeftNet *net, const WeftBatch *batch, const WeftDecode *how,
                          int32_t *symbol, int *length, double *log_probability,
                          WeftError *err);

/* ---- files ---------------------------------------------------------------------------- */

/* A safetensors file: parameters, and in its metadata everything else (equations, model,
 * notes). `resume` adds moments, counters and carried states, so that training goes on to
 * the same bits; without it, the number of updates alone is kept, and training begins the
 * data anew. Written beside, synced, renamed. Loading checks everything, and trusts nothing;
 * the team must outlive the net. */
WEFT_API bool weft_net_save(const WeftNet *net, const char *path, bool resume,
                            WeftError *err);
WEFT_API bool weft_net_load(WeftTeam *team, const char *path, WeftNet **net,
                            WeftError *err);

/* Notes of the caller's own, kept in the file; value NULL removes. */
WEFT_API bool weft_net_note(WeftNet *net, const char *key, const char *value,
                            WeftError *err);
WEFT_API const char *weft_net_get_note(const WeftNet *net, const char *key); /* or NULL */

/* Text: bytes, or UTF-8 characters, as symbols 0 .. symbols-1: those that occur, in ascending
 * code order. A leading byte order mark of UTF-8 is no character; a zero byte is not text. */
typedef struct WeftText WeftText;
/* alphabet: NULL, or the code points of a saved model, `symbols` of them, ascending: a
 * character that it lacks is an error. bytes: each byte is a symbol; else the file must be
 * UTF-8. Empty files, and those over 2 GiB, are errors here and for tables. */
WEFT_API bool weft_text_open(const char *path, bool bytes, const uint32_t *alphabet,
                             int symbols, WeftText **text, WeftError *err);
WEFT_API void weft_text_close(WeftText *text);
/* [*count] symbols; [*symbols] code points (bytes: their values), by symbol. */
WEFT_API const int32_t *weft_text_symbols(const WeftText *text, size_t *count);
WEFT_API const uint32_t *weft_text_alphabet(const WeftText *text, int *symbols);

/* symbols[0 .. count-1] cut into `rows` contiguous streams, read in windows of `steps`; the
 * label of each symbol is the next. Batch i is window i mod windows; the first of each
 * pass is fresh. *windows (may be NULL): batches in a pass. The array must outlive the
 * source. */
WEFT_API bool weft_source_text(const int32_t *symbols, size_t count, int rows, int steps,
                               WeftSource *source, uint64_t *windows, WeftError *err);
/* Frees what weft_source_arrays and weft_source_text took. */
WEFT_API void weft_source_close(WeftSource *source);

/* Interpolated n-gram (Witten and Bell 1991, method C) of this order (0: unigram, 1: bigram
 * .. 5), counted on train, in nats a symbol of test, whose first symbols follow train's last.
 * Symbols are 0 .. symbols-1; each text has one or more. */
WEFT_API bool weft_ngram(const int32_t *train, size_t train_count, const int32_t *test,
                         size_t test_count, int symbols, int order, double *nats,
                         WeftError *err);

/* CSV with a header line, comma or semicolon or tab; quotes as in RFC 4180; UTF-8. Empty lines
 * are skipped; every other has as many fields as the header. */
typedef struct WeftTable WeftTable;
WEFT_API bool weft_table_open(const char *path, WeftTable **table, WeftError *err);
WEFT_API void weft_table_close(WeftTable *table);
WEFT_API size_t weft_table_rows(const WeftTable *table);
WEFT_API int weft_table_columns(const WeftTable *table);
/* NULL when there is no such column. */
WEFT_API const char *weft_table_name(const WeftTable *table, int column);
/* A field as it is in the file, without its quotes; NULL when there is none such. */
WEFT_API const char *weft_table_text(const WeftTable *table, size_t row, int column);
/* The column's values, [rows]; NULL and a message with line and column when one is not a
 * finite decimal number. */
WEFT_API const double *weft_table_values(WeftTable *table, int column, WeftError *err);
/* The column by name, or -1 and a message with the nearest name; -1 too for a name that two
 * columns have. */
WEFT_API int weft_table_find(const WeftTable *table, const char *name, WeftError *err);

/* The nearest of `names` (NULL-terminated) to a misspelt one, or NULL when none is near. */
WEFT_API const char *weft_nearest(const char *name, const char *const *names);

#ifdef __cplusplus
}
#endif

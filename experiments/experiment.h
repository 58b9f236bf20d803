/* experiment.h: what an experiment declares.
 *
 * To add one: its declaration in experiments/<chapter>.c, and its name in the list. */
#pragma once

#include "settings.h"

// clang-format off
/* The chapters of the page: a name for `weft run`, a title. */
#define CHAPTER_LIST(X)                                                                  \
    X(GRADIENT, "gradient", "How far the gradient reaches back")                         \
    X(ADDING, "adding", "Adding two numbers far apart")                                  \
    X(COPYING, "copying", "Copying symbols over a gap")                                  \
    X(ORDER, "ordering", "The order of two symbols far apart")                           \
    X(WINDOW, "window", "What the truncation window lets through")                       \
    X(REBER, "grammar", "The embedded Reber grammar")                                    \
    X(FORMAL, "formal", "Formal languages and recall")                                   \
    X(IMAGES, "images", "Images read in sequence")                                       \
    X(TEXT, "language", "Language models of characters")                                 \
    X(SERIES, "series", "Time series, the short-memory control")                         \
    X(MUSIC, "music", "Polyphonic music")                                                \
    X(SPEECH, "speech", "Spoken words")                                                  \
    X(LABELS, "labels", "Texts told by a label")                                         \
    X(TRANSLATION, "translation", "One sequence made of another")                        \
    X(GENERATION, "generation", "Sequences made from a class")

#define EXPERIMENT_LIST(X)                                                               \
    X(flow) X(flow_closed) X(flow_tanh) X(flow_trained)                                  \
    X(adding)                                                                            \
    X(copy) X(copy_far)                                                                  \
    X(order_sgd) X(order) X(order3)                                                      \
    X(lags) X(lags_carried) X(aicher) X(aicher_variable) X(echo)                         \
    X(reber) X(reber_elman) X(reber_class)                                               \
    X(parity) X(anbn) X(anbncn) X(recall)                                                \
    X(images_rows) X(images_pixels) X(images_permuted)                                   \
    X(text) X(text_sizes)                                                                \
    X(karpathy_1) X(karpathy_2) X(karpathy_3)                                            \
    X(waves) X(waves_one) X(waves_vector) X(waves_ten) X(waves_tuned)                    \
    X(rail) X(rail_deep) X(rail_all) X(sunspots) X(co2)                                  \
    X(chorales) X(nottingham)                                                            \
    X(digits)                                                                            \
    X(sentiment) X(names)                                                                \
    X(dates) X(g2p_reversed) X(g2p) X(g2p_both) X(g2p_plain)                             \
    X(names_made) X(outlines)
// clang-format on

#define ITEM(id, name, title) CHAPTER_##id,
typedef enum Chapter { CHAPTER_LIST(ITEM) CHAPTERS } Chapter;
#undef ITEM

typedef enum Part { TRAINING, VALIDATION, TEST, PARTS } Part;

/* One sequence to draw. */
typedef struct Draw {
    uint64_t seed, index; /* which decide all of it */
    uint64_t first; /* with carried states: index is a stream, which goes on here */
    int length;     /* the grid's */
    Part part;
} Draw;

/* The sequences of a drawn task. */
typedef struct Task {
    WeftInput input;
    int inputs, outputs;
    WeftLoss loss;
    bool vector;
    bool carried;          /* batches go on where the one before ended */
    int shortest, longest; /* lengths that it can be asked for; 0: any */
    /* Steps of a sequence; NULL: the length. */
    int (*steps)(int length, Part part);
    void (*draw)(const Draw *draw, WeftBatch *batch, int row);
} Task;

/* Seeds of the parts that are held out: no --seed reaches them. */
#define VALIDATION_SEED (UINT64_MAX - 1)
#define TEST_SEED       UINT64_MAX

/* A drawn task's sequences as batches of `rows`. */
typedef struct Drawn {
    const Task *task;
    Part part;
    uint64_t seed;
    uint64_t count; /* 0: without end; else those past the last have weight 0 */
    uint64_t reset; /* of carried states: batches between fresh starts; 0: one */
    int length, rows;
} Drawn;
WeftSource drawn_source(Drawn *drawn);
uint64_t drawn_batches(const Drawn *drawn);

/* The points are the product cells x lengths x rates x seeds. */
typedef struct Grid {
    const char *cells; /* "rnn,lstm,gru" */
    Numbers lengths;   /* steps of a sequence; of a text: the chunk */
    Numbers seeds;
    const char
        *rates; /* "1e-2,1e-3", of which the best on validation counts; NULL: one */
} Grid;

/* A loss that needs no training: a dashed line in figures. */
typedef struct Oracle {
    const char *name; /* NULL ends the list */
    double loss;
    double (*at)(int length); /* where the loss depends on it; else NULL */
} Oracle;
double oracle_loss(const Oracle *oracle, int length);

/* SOLVED: 1 of a seed that succeeds, else 0. UPDATES: to the end by success; infinite
 * without. */
typedef enum Of { LOSS, SCORE, UPDATES, SOLVED } Of;
typedef enum Over { EVERY_SEED, SOME_SEED, MEDIAN_SEED, MEAN_SEED } Over;

/* A statement about the last rows of a cell at a length: it holds when the value, less the
 * median (or mean) of what it is held against, is in [low, high], which was fixed before
 * the runs. */
typedef struct Claim {
    const char *name; /* NULL ends the list */
    const char *text;
    const char *cell;
    int length;
    Of of;
    Over over;
    const char *against; /* a cell or a baseline; NULL: nothing */
    int against_length;  /* 0: the same */
    bool ratio;          /* the value over what it is held against, not less that */
    double low, high;
    const char *published, *source;
} Claim;

/* Numbers that an experiment measured, each a row: value[i] at the length at[i]. */
#define MEASURED_MAX 256
typedef struct Measured {
    int count;
    uint64_t at[MEASURED_MAX];
    double value[MEASURED_MAX];
} Measured;

/* What measured numbers are. LETTERS: code points of a text for each `at`; OUTLINES: for each, all
 * left edges and then all right ones, from the top. */
typedef enum Shown { SHOWN_NUMBERS, SHOWN_LETTERS, SHOWN_OUTLINES } Shown;

/* LENGTH_STEPS: given to the task, or what is opened. */
typedef enum Length { LENGTH_STEPS, LENGTH_CHUNK, LENGTH_PARAMETERS } Length;
typedef enum Size { SIZE_SHORT, SIZE_FULL, SIZE_LONG } Size;

struct Data;
struct DataOptions;

typedef struct Experiment Experiment;
struct Experiment {
    Chapter chapter;
    const char *name, *question, *claim;
    Grid grid; /* of the size "short" */
    Settings train;
    const char *full, *longer; /* options of `weft run` that make the larger sizes */
    Size from; /* the smallest size at which its chapter, and `all`, run it */

    /* Where its sequences come from: drawn, or opened. */
    Task task;
    bool (*open)(const Experiment *experiment, const struct DataOptions *options,
                 const Settings *settings, struct Data *data, WeftError *err);
    const char *file, *file_from; /* what is opened without --file; how to get it */
    bool text;                    /* open gives a text */
    Length length;                /* what the grid's lengths are */
    void (*settle)(Settings *settings, int length); /* what else they change; or NULL */

    int test;   /* test sequences, and validation's, of a drawn task */
    int glance; /* percent of validation that suffice for a point on the curve */

    /* What a score is, when it is not the share of right answers. */
    const char *score_name;
    bool (*score)(WeftNet *net, const Drawn *test, WeftScore *score, WeftError *err);
    /* Success, which ends the training: a loss below, or a score at least; 0: none does. */
    double solved, right;
    /* Success too, which ends no training: a loss below this share of the first oracle's;
     * 0: none. */
    double under;

    /* What is measured beside the loss when the training is over; *measured is empty
     * before. The net's parameters may be changed. */
    bool (*measure)(WeftNet *net, struct Data *data, const Settings *settings,
                    int length, Measured *measured, WeftError *err);
    const char *value_name, *at_name; /* of these numbers, for axes */
    Shown shown;                      /* what they are */
    const char *const *shown_names;   /* of each `at`, if they are no numbers */

    const char *unit; /* of the loss, for axes */
    const char *length_name;
    bool dependency; /* the length is what must be remembered: in the first figure */
    const Oracle *oracles;
    const Claim *claims; /* which make the verdict */
    const Claim *values; /* published numbers, with the margin in which ours agree */
};

#define DECLARE(name) extern const Experiment experiment_##name;
EXPERIMENT_LIST(DECLARE)
#undef DECLARE

extern const Experiment *const experiments[]; /* NULL-terminated */
extern const char *const chapter_names[], *const chapter_titles[];

/* By name, or a message with the nearest. */
const Experiment *experiment_find(const char *name, WeftError *err);
/* The experiments of this name, or of the chapter of this name, or ("all") all; their
 * number; 0 with a message when there is none. *list has room for all. */
int experiments_named(const char *name, const Experiment **list, WeftError *err);
int experiments_count(void);
/* For --help: the names, a line for each chapter. */
void experiments_print(void);

/* Settings of a point at this length. */
void experiment_length(const Experiment *experiment, int length, Settings *settings);

/* Whether its claims are about numbers that it measures, and not about losses and scores. */
static inline bool experiment_is_measured(const Experiment *experiment)
{
    return experiment->measure && experiment->shown == SHOWN_NUMBERS;
}
bool experiment_solves(const Experiment *experiment, const WeftScore *score);
/* The loss below which a training at this length succeeds; 0: none. */
double experiment_success_loss(const Experiment *experiment, int length);
/* Whether it has a success, and whether its score is one that counts. */
bool experiment_has_success(const Experiment *experiment);
bool experiment_has_score(const Experiment *experiment);

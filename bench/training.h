/* training.h: whole updates of a net on a team of its own: input, forward and backward of
 * every chunk, head, optimiser. */
#pragma once

#include "../core/team/team.h"

typedef struct TrainingShape {
    const char *cell; /* a built-in one */
    int T, B, I, H, layers;
    int chunk;   /* steps between the cuts of the gradient; 0: never cut */
    bool vector; /* one target a row, after its last step; false: one each step */
    int threads;
    bool mixed; /* rows of 1 to T steps, drawn; false: all of T */
} TrainingShape;

/* Those that several threads are claimed to speed up, of any cell; threads are not set. */
enum { TRAINING_SHAPES = 3 };
extern const TrainingShape training_shapes[TRAINING_SHAPES];

enum { TRAINING_TURNS = 9 }; /* of which the median counts */

typedef struct Training {
    TrainingShape shape;
    WeftTeam *team;
    WeftCell *cell;
    WeftNet *net;
    WeftSource source;
    WeftTrain how;
    float *x;    /* [T][B][I], of each batch */
    int *length; /* [B], falling; of each batch */
    Watch watch;
    double began,
        ran; /* seconds: of the run at hand; in runs since the last turn began */
    double seconds[TRAINING_TURNS]; /* of an update, ascending; by training_compare */
    double runs[TRAINING_TURNS];    /* of them in tiles alone, without input */
} Training;

/* The training stays where it is until it is closed: its source points to it. */
bool training_open(Training *training, const TrainingShape *shape, WeftError *err);
void training_close(Training *training); /* also again */

/* Steps that the rows of a batch have, in all. */
double training_steps(const Training *training);

/* Updates for so many seconds, at least one; took: the seconds of one. */
bool training_run(Training *training, double seconds, double *took, WeftError *err);

/* Opens the shape on one thread and on two, whatever its own are, and runs them in turn,
 * each for half a second at least, so that what else the machine does slows both. The
 * caller closes both. */
bool training_compare(const TrainingShape *shape, Training *one, Training *two,
                      WeftError *err);
/* Then: seconds of an update, and of its tiles alone. */
double training_median(const Training *training);
double training_median_run(const Training *training);

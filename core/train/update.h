/* update.h: from a gradient to new parameters: clipping, optimiser, schedule. */
#pragma once

#include "../team/team.h"
#include "../model.h"
#include "../rates.h"

/* What one training keeps between updates, beside the parameters. */
typedef struct Moments {
    float *first, *second;   /* [count]: of each parameter */
    WeftOptimizer optimizer; /* whose they are */
    uint64_t since;          /* updates when they began, from zero */
} Moments;

/* The tiles of an update after its gradient is whole. */
typedef struct Update {
    size_t count;          /* of parameters */
    float *params, *grads; /* [count] */
    Moments *moments;
    double *partial;    /* [segments]: sum of squares of each */
    const double *loss; /* of this update; when it is not finite, nothing changes */
    WeftOptimizer optimizer;
    UpdateRates rates;
    float clip; /* of the norm; 0: not */
    float norm; /* of the gradient, before clipping */
    bool finite;
} Update;

size_t update_segments(size_t count);

/* train with the defaults in place of its zeros, or what is wrong with it. */
bool train_settle(const WeftTrain *train, WeftTrain *settled, Error *err);

/* The rate of the update that follows `updates` of them. */
double train_rate(const WeftTrain *train, uint64_t updates);

/* What the optimiser is given; `since`: see Moments. All but clipping by norm. */
UpdateRates train_rates(const WeftTrain *train, uint64_t updates, uint64_t since);

/* Adds the tiles, which wait for tile `after`. At most update_tiles(threads) of them,
 * with twice as many edges. */
int update_tiles(int threads);
void update_add(Update *update, TileList *list, int threads, int after,
                const Rates *rates);

/* linear.h: what a forecast is worth: a past value, the linear function of all inputs by
 * least squares, a net. */
#pragma once

#include "experiment.h"

typedef struct Errors {
    double square, absolute, count; /* sums */
} Errors;
void errors_add(Errors *errors, double error);
/* loss: the mean square, accuracy: the mean absolute error; NAN of none. */
WeftScore errors_score(const Errors *errors);

/* Batches 0 .. batches-1 of a source of dense inputs. A row counts with its last target, if
 * that has weight. */
typedef struct Forecasts {
    const WeftModel *shape;
    const WeftSource *source;
    uint64_t batches;
} Forecasts;

/* Each gives the mean square error, and as accuracy the mean absolute error.
 *
 * The first input, `ago` steps before what is told: 1 is the last value. */
bool past_value_score(Forecasts test, int ago, WeftScore *score, WeftError *err);

/* Fitted on `train`, with a constant. An input that those before it explain gets no
 * coefficient. */
bool linear_score(Forecasts train, Forecasts test, WeftScore *score, WeftError *err);

/* Of a net that tells a vector. */
bool net_score(WeftNet *net, Forecasts test, WeftScore *score, WeftError *err);

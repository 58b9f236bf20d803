/* linear.h: what a forecast without a net is worth: the last value, and the linear
 * function of all inputs by least squares. */
#pragma once

#include "experiment.h"

/* Batches 0 .. batches-1 of a source of dense inputs. A row counts with its last target, if
 * that has weight. */
typedef struct Forecasts {
    const WeftModel *shape;
    const WeftSource *source;
    uint64_t batches;
} Forecasts;

/* The mean square error, and as accuracy the mean absolute error. */
bool last_value_score(Forecasts test, WeftScore *score, WeftError *err);

/* Fitted on `train`, with a constant. An input that those before it explain gets no
 * coefficient. */
bool linear_score(Forecasts train, Forecasts test, WeftScore *score, WeftError *err);

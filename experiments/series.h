/* series.h: forecasts of one column of a table, from windows of several. */
#pragma once

#include "data.h"

/* Forecasts what follows the table's last row, in the target's own unit: *count numbers
 * into *values, to be freed, and the target's name. */
bool series_forecast(Data *data, WeftNet *net, double **values, int *count,
                     const char **target, WeftError *err);

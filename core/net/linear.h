/* linear.h: a map y = W x + b of a net, as a pass runs it. */
#pragma once

#include "net.h"

typedef struct Linear {
    Pass *pass;
    WeftNet *net;
    LinearIndex index;
    LinearParams params;         /* n 0: there is none */
    double rows;                 /* of an update */
    float *packed, *packed_back; /* the matrix, for forward and backward */
} Linear;

void linear_place(Linear *linear, bool back, Arena *arena);
void linear_pack(Linear *linear, int part, int parts);
/* y = W x + b */
void linear_run(const Linear *linear, int rows, const float *x, size_t x_row, float *y,
                size_t y_row);
/* dx = W' dy, or, to add to what is there, dx += W' dy */
void linear_back(const Linear *linear, int rows, const float *dy, size_t dy_row,
                 float *dx, size_t dx_row, bool add);
/* Adds dy x' and dy to the net's gradients, of rows row[0 .. rows-1] (NULL: 0 .. rows-1). Parts
 * touch different elements. */
void linear_gradient(const Linear *linear, int rows, const int *row, const float *dy,
                     size_t dy_row, const float *x, size_t x_row, int part, int parts,
                     float *scratch);

Cost linear_pack_cost(const Linear *linear, int parts, const Rates *rates);
/* Of so many rows at once; back: dx too. */
Cost linear_cost(const Linear *linear, double rows, bool back, const Rates *rates);
Cost linear_gradient_cost(const Linear *linear, double rows, int parts,
                          const Rates *rates);

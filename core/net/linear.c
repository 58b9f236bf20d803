/* linear.c: a map y = W x + b of a net. */
#include "linear.h"

static const float *weight_of(const Linear *l)
{
    return l->net->params + l->params.weight;
}

void linear_place(Linear *l, bool back, Arena *arena)
{
    const int n = l->params.n, k = l->params.k;
    if (n == 0) return;
    l->packed = ARENA_TAKE(arena, float, simd->packed(n, k));
    if (back) l->packed_back = ARENA_TAKE(arena, float, simd->packed(k, n));
}

void linear_pack(Linear *l, int part, int parts)
{
    const int n = l->params.n, k = l->params.k;
    const float *const W = weight_of(l);
    int first = part_at(n, simd->panel, part, parts),
        end = part_at(n, simd->panel, part + 1, parts);
    if (first < end)
        simd->pack(end - first, k, W + (size_t)first * (size_t)k, (size_t)k, 1,
                   l->packed + simd->packed(first, k));
    if (!l->packed_back) return;
    first = part_at(k, simd->panel, part, parts),
    end = part_at(k, simd->panel, part + 1, parts);
    if (first < end)
        simd->pack(end - first, n, W + first, 1, (size_t)k,
                   l->packed_back + simd->packed(first, n));
}

void linear_run(const Linear *l, int rows, const float *x, size_t x_row, float *y,
                size_t y_row)
{
    const size_t bias = l->params.bias;
    const Gemm forward = {.m = rows,
                          .n = l->params.n,
                          .k = l->params.k,
                          .a = x,
                          .a_row = x_row,
                          .a_col = 1,
                          .b = l->packed,
                          .d = bias == NO_BIAS ? NULL : l->net->params + bias,
                          .c = y,
                          .c_row = y_row};
    simd->gemm(&forward);
}

void linear_back(const Linear *l, int rows, const float *dy, size_t dy_row, float *dx,
                 size_t dx_row, bool add)
{
    const Gemm backward = {.m = rows,
                           .n = l->params.k,
                           .k = l->params.n,
                           .a = dy,
                           .a_row = dy_row,
                           .a_col = 1,
                           .b = l->packed_back,
                           .d = add ? dx : NULL,
                           .d_row = dx_row,
                           .c = dx,
                           .c_row = dx_row};
    simd->gemm(&backward);
}

void linear_gradient(const Linear *l, int rows, const int *row, const float *dy,
                     size_t dy_row, const float *x, size_t x_row, int part, int parts,
                     float *scratch)
{
    const int n = l->params.n, k = l->params.k;
    float *const dW = l->net->grads + l->params.weight;
    const bool wide = k > n; /* parts are columns of W, or else its rows */
    const int cut = wide ? k : n;
    const int at = part_at(cut, LANES_MAX, part, parts),
              end = part_at(cut, LANES_MAX, part + 1, parts);
    const size_t column = wide ? (size_t)at : 0, line = wide ? 0 : (size_t)at;
    const Gradient job = {.n = wide ? n : end - at,
                          .k = wide ? end - at : k,
                          .d = dy + line,
                          .d_row = dy_row,
                          .x = x + column,
                          .x_row = x_row,
                          .dw = dW + line * (size_t)k + column,
                          .dw_row = (size_t)k};
    if (at < end) simd->gradient(rows, row, 1, &job, scratch);
    if (part > 0 || l->params.bias == NO_BIAS) return;
    const Gradient bias = {.n = n,
                           .k = 1,
                           .d = dy,
                           .d_row = dy_row,
                           .dw = l->net->grads + l->params.bias,
                           .dw_row = 1};
    simd->gradient(rows, row, 1, &bias, scratch);
}

/* ---- costs ---- */

Cost linear_pack_cost(const Linear *l, int parts, const Rates *rates)
{
    const double floats = (double)l->params.n * l->params.k;
    return (Cost){.seconds = rates->call + 2 * floats / parts * rates->pack};
}

Cost linear_cost(const Linear *l, double rows, bool back, const Rates *rates)
{
    const double n = l->params.n, k = l->params.k, weights = 8 * n * k;
    Cost cost = rates_product(rates, rows, n, k, weights);
    if (back) cost_add(&cost, rates_product(rates, rows, k, n, weights));
    return cost;
}

Cost linear_gradient_cost(const Linear *l, double rows, int parts, const Rates *rates)
{
    const bool wide = l->params.k > l->params.n;
    const double n = wide ? l->params.n : (double)l->params.n / parts;
    const double k = wide ? (double)l->params.k / parts : l->params.k;
    return rates_gradient(rates, rows, n, k, n + k);
}

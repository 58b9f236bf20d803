/* head.c: the linear head and the losses.
 *
 *   a  = W x + b          [O]            dx = W^T da
 *   da = scale w dloss/da                dW += da x^T     db += da
 *
 * Of a vector net, x is where the row ends: the last live step of a forward direction;
 * of a backward one the first step of the window, where it has read the window's whole
 * row. */
#include "pass.h"

#include <string.h>

static const float *head_weight(const Head *h)
{
    return h->pass->net->params + h->pass->net->head;
}

static const float *head_bias(const Head *h)
{
    return head_weight(h) + (size_t)h->outputs * (size_t)h->width;
}

void head_place(Head *h, Arena *arena)
{
    const Pass *const p = h->pass;
    const PassShape *const s = &p->shape;
    const bool vector = p->net->model.vector;
    const size_t rows = (size_t)s->B * (size_t)(vector ? 1 : s->chunk),
                 slots = (size_t)p->split.slots;
    h->row = padded((size_t)h->outputs);
    h->slot = vector ? 0 : rows * h->row;
    h->x_row = padded((size_t)h->width);
    h->packed = ARENA_TAKE(arena, float, simd->packed(h->outputs, h->width));
    h->a = ARENA_TAKE(arena, float, vector ? rows * h->row : slots * h->slot);
    if (vector) h->x = ARENA_TAKE(arena, float, rows * h->x_row);
    if (!pass_goes_back(p)) return;
    h->packed_back = ARENA_TAKE(arena, float, simd->packed(h->width, h->outputs));
    if (vector) h->dx = ARENA_TAKE(arena, float, rows * h->x_row);
}

void head_pack(Head *h, int part, int parts)
{
    const int O = h->outputs, width = h->width;
    const float *const W = head_weight(h);
    int first = part_at(O, simd->panel, part, parts),
        end = part_at(O, simd->panel, part + 1, parts);
    if (first < end)
        simd->pack(end - first, width, W + (size_t)first * (size_t)width, (size_t)width,
                   1, h->packed + simd->packed(first, width));
    if (!h->packed_back) return;
    first = part_at(width, simd->panel, part, parts),
    end = part_at(width, simd->panel, part + 1, parts);
    if (first < end)
        simd->pack(end - first, O, W + first, 1, (size_t)width,
                   h->packed_back + simd->packed(first, O));
}

/* Some rows that follow one another: outputs at a, targets from row `row` of the
 * batch's on. */
typedef struct Span {
    float *a;
    int row, rows;
    const float *x;
    float *dx;
    size_t x_row, dx_row;
} Span;

/* Those of a window. */
static float *head_outputs(const Head *h, const Window *w)
{
    return h->a + (size_t)w->slot * h->slot;
}

/* Rows [first, end) of the first T steps. */
static void clear_rows(const View *v, int T, int first, int end)
{
    for (int t = 0; t < T; t++)
        memset(v->at + t * v->step + first * v->row, 0,
               (size_t)((end - first) * v->row) * sizeof(float));
}

/* Losses of the span, and their gradients in place of the outputs. */
static void span_loss(const Head *h, const Span *s)
{
    const Pass *const p = h->pass;
    const WeftBatch *const batch = &p->batch;
    const size_t O = (size_t)h->outputs, row = (size_t)s->row;
    float *const a = s->a;
    const float *const w = p->weight + row;
    float *const loss = p->loss + row;
    switch (p->net->model.loss) {
    case WEFT_SOFTMAX:
        simd->softmax(s->rows, h->outputs, a, h->row, batch->label + row, w, p->scale,
                      loss, a, h->row);
        break;
    case WEFT_SIGMOID:
        simd->sigmoid_loss(s->rows, h->outputs, a, h->row, batch->target + row * O, O,
                           w, p->scale, loss, a, h->row);
        break;
    case WEFT_SQUARE:
        simd->square_loss(s->rows, h->outputs, a, h->row, batch->target + row * O, O, w,
                          p->scale, loss, a, h->row);
        break;
    }
}

/* The share of a row that is right. */
static float row_hit(WeftLoss loss, int O, const float *a, const float *target,
                     int label)
{
    int right = 0;
    if (loss == WEFT_SOFTMAX) {
        int best = 0;
        for (int j = 1; j < O; j++)
            if (a[j] > a[best]) best = j;
        return best == label ? 1 : 0;
    }
    if (loss == WEFT_SQUARE) return 0;
    for (int j = 0; j < O; j++) right += (a[j] > 0) == (target[j] > 0.5f);
    return (float)right / (float)O;
}

static void span_hits(const Head *h, const Span *s)
{
    const Pass *const p = h->pass;
    const WeftBatch *const b = &p->batch;
    const WeftLoss loss = p->net->model.loss;
    for (int i = 0; i < s->rows; i++) {
        const size_t row = (size_t)(s->row + i);
        p->hit[row] = p->weight[row] *
                      row_hit(loss, h->outputs, s->a + (size_t)i * h->row,
                              b->target ? b->target + row * (size_t)h->outputs : NULL,
                              b->label ? b->label[row] : 0);
    }
}

/* Values or probabilities, into the caller's array: made in ours, since only a copy
 * stays within the caller's to the last element. */
static void span_out(const Head *h, const Span *s)
{
    const Pass *const p = h->pass;
    const WeftLoss loss = p->net->model.loss;
    const size_t O = (size_t)h->outputs;
    float *const a = s->a;
    const Map m = {.rows = s->rows,
                   .n = h->outputs,
                   .y = p->out + (size_t)s->row * O,
                   .y_row = O,
                   .a = a,
                   .a_row = h->row};
    if (loss == WEFT_SOFTMAX)
        simd->softmax(s->rows, h->outputs, a, h->row, NULL, NULL, 1, NULL, a, h->row);
    simd->map[loss == WEFT_SIGMOID ? MAP_sigmoid : MAP_copy](&m);
}

static void span_run(const Head *h, const Span *s)
{
    float *const a = s->a;
    const Gemm forward = {.m = s->rows,
                          .n = h->outputs,
                          .k = h->width,
                          .a = s->x,
                          .a_row = s->x_row,
                          .a_col = 1,
                          .b = h->packed,
                          .d = head_bias(h),
                          .c = a,
                          .c_row = h->row};
    simd->gemm(&forward);

    const Purpose purpose = h->pass->shape.purpose;
    if (purpose == PURPOSE_PREDICT) {
        span_out(h, s);
        return;
    }
    if (purpose == PURPOSE_SCORE) span_hits(h, s);
    span_loss(h, s);
    if (purpose == PURPOSE_SCORE) return;

    const Gemm backward = {.m = s->rows,
                           .n = h->width,
                           .k = h->outputs,
                           .a = a,
                           .a_row = h->row,
                           .a_col = 1,
                           .b = h->packed_back,
                           .c = s->dx,
                           .c_row = s->dx_row};
    simd->gemm(&backward);
}

/* Every step has its target: steps in a row are one span when the rows are whole. Those
 * that lead the window have losses elsewhere. */
static void run_steps(const Head *h, const Window *w, int first, int end)
{
    const Pass *const p = h->pass;
    const Joint *const j = &p->joint[p->net->model.layer_count];
    const View x = joint_view(j, w);
    const View dx = j->dx ? joint_gradient(j, w) : (View){0};
    const int B = p->shape.B, T = w->T - w->lead;
    const bool whole = first == 0 && end == B && is_flat(x.step, x.row, B);
    if (j->dx) clear_rows(&dx, w->lead, first, end);
    for (int t = 0; t < (whole ? 1 : T); t++) {
        const int at = t * B + first, step = w->lead + t;
        const Span span = {.a = head_outputs(h, w) + (size_t)at * h->row,
                           .row = (w->t0 + w->lead) * B + at,
                           .rows = whole ? T * B : end - first,
                           .x = x.at + step * x.step + first * x.row,
                           .x_row = (size_t)x.row,
                           .dx = j->dx ? dx.at + step * dx.step + first * dx.row : NULL,
                           .dx_row = j->row};
        span_run(h, &span);
    }
}

/* Copies row b between the head and where it ends in the window, part by part. */
static void row_copy(const Head *h, const Window *w, int b, bool gather)
{
    const Pass *const p = h->pass;
    const int L = p->net->model.layer_count;
    const Layer *const layer = &p->net->layer[L - 1];
    const Joint *const j = &p->joint[L];
    const View x = joint_view(j, w);
    const View dx = gather ? (View){0} : joint_gradient(j, w);
    const int last = p->batch.length[b] - 1 - w->t0;
    const size_t bytes = (size_t)layer->width * sizeof(float);
    for (int d = 0; d < layer->directions; d++) {
        const int t = d ? 0 : last;
        const size_t row = (size_t)b * h->x_row + (size_t)(d * layer->width);
        if (gather)
            memcpy(h->x + row, x.at + t * x.step + b * x.row + d * layer->width, bytes);
        else
            memcpy(dx.at + t * dx.step + b * dx.row + d * layer->width, h->dx + row,
                   bytes);
    }
}

static bool row_ends(const Pass *p, const Window *w, int b)
{
    const int last = p->batch.length[b] - 1;
    return w->t0 + w->lead <= last && last < w->t0 + w->T;
}

static void run_vector(const Head *h, const Window *w, int first, int end)
{
    const Pass *const p = h->pass;
    const Joint *const j = &p->joint[p->net->model.layer_count];
    const View dx = j->dx ? joint_gradient(j, w) : (View){0};
    if (j->dx) clear_rows(&dx, w->T, first, end);

    for (int b = first; b < end; b++) {
        const int begin = b;
        for (; b < end && row_ends(p, w, b); b++) row_copy(h, w, b, true);
        if (b == begin) continue;
        const size_t at = (size_t)begin * h->x_row;
        const Span span = {.a = h->a + (size_t)begin * h->row,
                           .row = begin,
                           .rows = b - begin,
                           .x = h->x + at,
                           .x_row = h->x_row,
                           .dx = h->dx ? h->dx + at : NULL,
                           .dx_row = h->x_row};
        span_run(h, &span);
        for (int i = begin; h->dx && i < b; i++) row_copy(h, w, i, false);
    }
}

void head_run(Head *h, const Window *w, int first, int end)
{
    (h->pass->net->model.vector ? run_vector : run_steps)(h, w, first, end);
}

void head_gradient(Head *h, const Window *w, int part, int parts, float *scratch)
{
    const Pass *const p = h->pass;
    const bool vector = p->net->model.vector;
    const int O = h->outputs, width = h->width;
    const int rows = p->shape.B * (vector ? 1 : w->T - w->lead);
    const View joint = joint_view(&p->joint[p->net->model.layer_count], w);
    const float *const x = vector ? h->x : joint.at + w->lead * joint.step;
    const float *const a = head_outputs(h, w);
    const size_t x_row = vector ? h->x_row : (size_t)joint.row;
    float *const dW = p->net->grads + p->net->head;

    const bool wide = width > O; /* parts are columns of W, or else its rows */
    const int n = wide ? width : O;
    const int at = part_at(n, LANES_MAX, part, parts),
              end = part_at(n, LANES_MAX, part + 1, parts);
    const size_t column = wide ? (size_t)at : 0, line = wide ? 0 : (size_t)at;
    const Gradient job = {.n = wide ? O : end - at,
                          .k = wide ? end - at : width,
                          .d = a + line,
                          .d_row = h->row,
                          .x = x + column,
                          .x_row = x_row,
                          .dw = dW + line * (size_t)width + column,
                          .dw_row = (size_t)width};
    if (at < end) simd->gradient(rows, 1, &job, scratch);
    if (part == 0) simd->sum_rows(rows, O, a, h->row, dW + (size_t)O * (size_t)width);
}

/* ---- costs ---- */

Cost head_pack_cost(const Head *h, int parts, const Rates *rates)
{
    const double floats = (double)h->outputs * h->width;
    return (Cost){.seconds = rates->call + 2 * floats / parts * rates->pack};
}

/* Steps of a window that have targets; of a vector net one of them all does. */
static double target_steps(const Pass *p, const Window *w)
{
    return p->net->model.vector ? 1.0 / pass_windows(&p->shape) : w->T - w->lead;
}

#define LOSS 3 /* calls' worth: of a row */

/* Products of as many rows as there are at once, and losses of about an exponential. */
Cost head_cost(const Head *h, const Window *w, int rows, const Rates *rates)
{
    const Pass *const p = h->pass;
    const double T = target_steps(p, w);
    const bool whole = rows == p->shape.B && T > 1;
    const double at_once = whole ? rows * T : rows, times = whole ? 1 : T;
    const double n = h->outputs, k = h->width, weights = 8 * n * k;
    Cost cost = rates_product(rates, at_once, n, k, weights);
    if (pass_goes_back(p))
        cost_add(&cost, rates_product(rates, at_once, k, n, weights));
    cost_add(&cost, rates_map(rates, MAP_exp, at_once, n));
    cost.seconds += at_once * LOSS * rates->call;
    const double x =
        4 * at_once * k; /* read; of the gradient, which is written, twice */
    cost_add(&cost, rates_stream(rates, pass_goes_back(p) ? 3 * x : x, 2 * x));
    return cost_times(cost, times);
}

Cost head_gradient_cost(const Head *h, const Window *w, int parts, const Rates *rates)
{
    const Pass *const p = h->pass;
    const double T = target_steps(p, w);
    const bool wide = h->width > h->outputs;
    const double n = wide ? h->outputs : (double)h->outputs / parts;
    const double k = wide ? (double)h->width / parts : h->width;
    return rates_gradient(rates, T * p->shape.B, n, k, n + k);
}

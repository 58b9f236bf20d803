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
    h->a = ARENA_TAKE(arena, float, vector ? rows * h->row : slots * h->slot);
    if (vector) h->x = ARENA_TAKE(arena, float, rows * h->x_row);
    if (!pass_goes_back(p)) return;
    if (vector) h->dx = ARENA_TAKE(arena, float, rows * h->x_row);
}

static const Linear *linear_of(const Head *h)
{
    return &h->pass->linear[HEAD_LINEAR];
}

/* The head's input. */
static const Joint *joint_of(const Head *h)
{
    return side_top(&h->pass->side[MAIN]);
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
    for (int i = 0; i < s->rows; i++) {
        if (w[i] != 0) continue; /* past its end, where 0 times it may be no number */
        loss[i] = 0;
        memset(a + (size_t)i * h->row, 0, O * sizeof *a);
    }
}

/* The share of a row that is right. */
static float row_hit(WeftLoss loss, int O, const float *a, const float *target,
                     int label)
{
    int right = 0;
    if (loss == WEFT_SOFTMAX) return largest(a, O) == label ? 1 : 0;
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
    linear_run(linear_of(h), s->rows, s->x, s->x_row, a, h->row);

    const Purpose purpose = h->pass->shape.purpose;
    if (purpose == PURPOSE_PREDICT) {
        span_out(h, s);
        return;
    }
    if (purpose == PURPOSE_SCORE) span_hits(h, s);
    span_loss(h, s);
    if (purpose == PURPOSE_SCORE) return;

    linear_back(linear_of(h), s->rows, a, h->row, s->dx, s->dx_row, false);
}

/* Every step has its target: steps in a row are one span when the rows are whole. Those
 * that lead the window have losses elsewhere. */
static void run_steps(const Head *h, const Window *w, int first, int end)
{
    const Pass *const p = h->pass;
    const Joint *const j = joint_of(h);
    const View x = joint_view(j, w);
    const View dx = j->dx ? joint_gradient(j, w) : (View){0};
    const int B = p->shape.B, T = w->T - w->lead;
    const bool whole =
        first == 0 && end == B && !w->lengths && is_flat(x.step, x.row, B);
    if (j->dx) clear_rows(dx, w, w->lead, first, end);
    for (int t = 0; t < (whole ? 1 : T); t++) {
        const int at = t * B + first, step = w->lead + t;
        const Span span = {.a = head_outputs(h, w) + (size_t)at * h->row,
                           .row = (w->t0 + w->lead) * B + at,
                           .rows =
                               whole ? T * B : window_end(w, step, first, end) - first,
                           .x = x.at + step * x.step + first * x.row,
                           .x_row = (size_t)x.row,
                           .dx = j->dx ? dx.at + step * dx.step + first * dx.row : NULL,
                           .dx_row = j->row};
        if (span.rows > 0) span_run(h, &span);
    }
}

/* Copies row b between the head and where it ends in the window, part by part. */
static void row_copy(const Head *h, const Window *w, int b, bool gather)
{
    const Pass *const p = h->pass;
    const Joint *const j = joint_of(h);
    const Layer *const layer = &p->net->layer[j->index - 1];
    const View x = joint_view(j, w);
    const View dx = gather ? (View){0} : joint_gradient(j, w);
    const int last = p->batch.length[b] - 1 - w->t0;
    const int width = layer->directions == 1 ? h->width : layer->width;
    const size_t bytes = (size_t)width * sizeof(float);
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
    const Joint *const j = joint_of(h);
    const View dx = j->dx ? joint_gradient(j, w) : (View){0};
    if (j->dx) clear_rows(dx, w, w->T, first, end);

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
    const int B = p->shape.B;
    const View joint = joint_view(joint_of(h), w);
    const float *const x = vector ? h->x : joint.at + w->lead * joint.step;
    const float *const a = head_outputs(h, w);
    const size_t x_row = vector ? h->x_row : (size_t)joint.row;
    if (w->lead > 0 && !vector && w->lengths) {
        for (int t = w->lead; t < w->T; t++)
            linear_gradient(linear_of(h), window_end(w, t, 0, B), NULL,
                            a + (size_t)((t - w->lead) * B) * h->row, h->row,
                            joint.at + t * joint.step, x_row, part, parts, scratch);
        return;
    }
    const int *row = NULL;
    const int rows = vector        ? B
                     : w->lead > 0 ? (w->T - w->lead) * B
                                   : window_rows(w, B, &row);
    linear_gradient(linear_of(h), rows, row, a, h->row, x, x_row, part, parts, scratch);
}

/* ---- costs ---- */

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
    const double n = h->outputs, k = h->width;
    Cost cost = linear_cost(linear_of(h), at_once, pass_goes_back(p), rates);
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
    return linear_gradient_cost(linear_of(h), target_steps(p, w) * p->shape.B, parts,
                                rates);
}

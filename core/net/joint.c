/* joint.c: what lies between two layers: look-up, concatenation, dropout; and backward.
 *
 *   x = [y_forward | y_backward] * mask          dy = dx * mask, a part to each
 *
 * Beside what is below there may be what an encoder hands over, or attention reads. */
#include "pass.h"

#include <assert.h>
#include <string.h>

/* ---- memory ---- */

void joint_open(Side *side, int index)
{
    const Pass *const p = side->pass;
    const WeftNet *const net = p->net;
    const Stack *const stack = side->stack;
    const bool top = index == stack->count, bottom = index == 0;
    const bool embedded = bottom && stack->input == WEFT_EMBEDDING;
    const bool joined = index > 0 && stack->layer[index - 1].directions == 2;
    Joint *const j = &side->joint[index];
    *j = (Joint){.side = side,
                 .index = index,
                 .width = net_input_width(net, side->index, index),
                 .base = stack_width(stack, index)};
    j->row = padded((size_t)j->width);
    j->slot = (size_t)side->span * (size_t)p->shape.B * j->row;
    j->attends = net_attends(net, side->index, index);
    j->enters = bottom && side->index == MAIN &&
                net->model.hand_over & (WEFT_FIRST | WEFT_EVERY);
    if (pass_trains(p) && !top) j->drop = stack->given[index].drop;
    if (pass_trains(p) && top && side->index == MAIN) j->drop = net->model.drop;
    j->makes = embedded || joined || j->drop > 0 || j->attends || j->enters;
    j->learns = pass_goes_back(p) && (index > 0 || embedded || j->enters);
    j->forks = j->learns && !top && stack->layer[index].directions == 2;
}

void joint_place(Joint *j, Arena *arena)
{
    const size_t count = (size_t)j->side->pass->split.slots * j->slot;
    if (j->makes) j->x = ARENA_TAKE(arena, float, count);
    if (j->drop > 0) j->mask = ARENA_TAKE(arena, float, count);
    if (j->learns) j->dx = ARENA_TAKE(arena, float, count);
    if (j->forks) j->dx_back = ARENA_TAKE(arena, float, count);
}

/* ---- views ---- */

static View view_of(float *at, size_t row, int B)
{
    return (View){.at = at, .step = (ptrdiff_t)row * B, .row = (ptrdiff_t)row};
}

void clear_rows(View v, const Window *w, int T, int first, int end)
{
    for (int t = 0; t < T; t++)
        memset(v.at + t * v.step + first * v.row, 0,
               (size_t)((window_end(w, t, first, end) - first) * v.row) *
                   sizeof(float));
}

/* One of the joint's arrays, the window's slot of it. */
static View array_view(const Joint *j, const Window *w, float *array)
{
    return view_of(array + (size_t)w->slot * j->slot, j->row, j->side->pass->shape.B);
}

static View reversed(View v, int T)
{
    return (View){.at = v.at + (T - 1) * v.step, .step = -v.step, .row = v.row};
}

/* y = op(a, b) for rows [first, end) of a window's steps, n wide, that are live; steps that
 * follow one another in memory are one call. */
typedef struct Rows {
    const Window *window;
    int B, first, end, n;
} Rows;

static void map_rows(MapOp op, const Rows *r, View y, View a, View b)
{
    const Window *const w = r->window;
    const bool whole = r->first == 0 && r->end == r->B && !w->lengths &&
                       is_flat(y.step, y.row, r->B) && is_flat(a.step, a.row, r->B) &&
                       is_flat(b.step, b.row, r->B);
    Map m = {.n = r->n,
             .y_row = (size_t)y.row,
             .a_row = (size_t)a.row,
             .b_row = (size_t)b.row};
    for (int t = 0; t < (whole ? 1 : w->T); t++) {
        m.rows = whole ? w->T * r->B : window_end(w, t, r->first, r->end) - r->first;
        m.y = y.at + t * y.step + r->first * y.row;
        m.a = a.at + t * a.step + r->first * a.row;
        m.b = b.at + t * b.step + r->first * b.row;
        if (m.rows > 0) simd->map[op](&m);
    }
}

static View batch_x(const Side *side, const Window *w)
{
    const int I = side->stack->inputs, B = side->pass->shape.B;
    return view_of((float *)side->x + (size_t)w->t0 * (size_t)B * (size_t)I, (size_t)I,
                   B);
}

static const Direction *below(const Joint *j, int direction)
{
    return &j->side->direction[2 * (j->index - 1) + direction];
}

View joint_view(const Joint *j, const Window *w)
{
    if (j->x) return array_view(j, w, j->x);
    return j->index ? step_output(&below(j, 0)->step, w->slot) : batch_x(j->side, w);
}

View joint_gradient(const Joint *j, const Window *w)
{
    return array_view(j, w, j->dx);
}

View joint_gradient_back(const Joint *j, const Window *w)
{
    return array_view(j, w, j->dx_back);
}

static void look_up(const Joint *j, const Window *w, int first, int end)
{
    const Side *const side = j->side;
    const int B = side->pass->shape.B;
    const bool whole = first == 0 && end == B && !w->lengths;
    const View x = array_view(j, w, j->x);
    for (int t = 0; t < (whole ? 1 : w->T); t++)
        simd->look_up(whole ? w->T * B : window_end(w, t, first, end) - first, j->base,
                      side->symbol + (w->t0 + t) * B + first,
                      side->pass->net->params + side->stack->table, (size_t)j->base,
                      NULL, x.at + t * x.step + first * x.row, j->row);
}

static void draw_mask(const Joint *j, const Window *w, int first, int end)
{
    const Pass *const p = j->side->pass;
    const uint64_t n = (uint64_t)j->width, B = (uint64_t)p->shape.B;
    const uint64_t stream = STREAM_DROP + (uint64_t)(j->side->stack->stream + j->index);
    const View mask = array_view(j, w, j->mask);
    for (int t = 0; t < w->T; t++) {
        const uint64_t step = side_time(j->side, w) + (uint64_t)t;
        simd->drop(window_end(w, t, first, end) - first, j->width, p->seed, stream,
                   (step * B + (uint64_t)first) * n, n, j->drop,
                   mask.at + t * mask.step + first * mask.row, j->row);
    }
}

/* What is below. */
static void enter_base(const Joint *j, const Window *w, int first, int end)
{
    const Side *const side = j->side;
    const View x = array_view(j, w, j->x);
    Rows rows = {w, side->pass->shape.B, first, end, j->base};
    if (j->index == 0 && side->stack->input == WEFT_EMBEDDING) {
        look_up(j, w, first, end);
    } else if (j->index == 0) {
        map_rows(MAP_copy, &rows, x, batch_x(side, w), x);
    } else {
        const Layer *const layer = &side->stack->layer[j->index - 1];
        rows.n = layer->width;
        for (int d = 0; d < layer->directions; d++) {
            const View y = step_output(&below(j, d)->step, w->slot);
            View part = x;
            part.at += d * layer->width;
            map_rows(MAP_copy, &rows, part, d ? reversed(y, w->T) : y, part);
        }
    }
}

void joint_enter(const Joint *j, const Window *w, int first, int end, float *scratch)
{
    if (!j->x) return;
    Pass *const p = j->side->pass;
    const View x = array_view(j, w, j->x);
    enter_base(j, w, first, end);
    if (j->enters) hand_over_enter(j, x, w, first, end);
    if (j->attends) attention_run(p, x, first, end, scratch);
    if (!j->mask) return;
    const Rows rows = {w, p->shape.B, first, end, j->width};
    draw_mask(j, w, first, end);
    map_rows(MAP_mul, &rows, x, x, array_view(j, w, j->mask));
}

void joint_leave(const Joint *j, const Window *w, int first, int end, float *scratch)
{
    Pass *const p = j->side->pass;
    const Rows rows = {w, p->shape.B, first, end, j->width};
    if (!j->dx) return;
    const View dx = joint_gradient(j, w);
    if (j->dx_back) map_rows(MAP_add, &rows, dx, dx, joint_gradient_back(j, w));
    if (j->mask) map_rows(MAP_mul, &rows, dx, dx, array_view(j, w, j->mask));
    if (j->attends) attention_back(p, dx, first, end, scratch);
    if (j->enters) hand_over_leave(j, dx, w, first, end);
}

void embedding_gradient(const Joint *j, const Window *w, int part, int parts)
{
    const Side *const side = j->side;
    const int B = side->pass->shape.B;
    WeftNet *const net = side->pass->net;
    const int first = part_at(j->base, LANES_MAX, part, parts);
    const int end = part_at(j->base, LANES_MAX, part + 1, parts);
    if (first == end) return;
    const View dx = joint_gradient(j, w);
    for (int t = w->cut; t < w->T; t++)
        simd->look_up_gradient(
            window_end(w, t, 0, B), end - first, side->symbol + (w->t0 + t) * B,
            dx.at + t * dx.step + first, j->row,
            net->grads + side->stack->table + first, (size_t)j->base);
}

/* ---- costs ---- */

static double elements(const Joint *j, const Window *w, int rows)
{
    return (double)w->T * rows * j->width;
}

Cost joint_enter_cost(const Joint *j, const Window *w, int rows, const Rates *rates)
{
    if (!j->makes) return (Cost){0};
    const double n = elements(j, w, rows);
    Cost cost = rates_map(rates, MAP_copy, 1, n);
    if (j->attends) cost_add(&cost, attention_cost(j->side->pass, rows, false, rates));
    if (j->drop <= 0) return cost;
    cost_add(&cost, rates_map(rates, MAP_mul, 1, n));
    cost.seconds += n * rates->drop;
    return cost;
}

Cost joint_leave_cost(const Joint *j, const Window *w, int rows, const Rates *rates)
{
    Cost cost = {0};
    if (!j->learns) return cost;
    const double n = elements(j, w, rows);
    if (j->forks) cost_add(&cost, rates_map(rates, MAP_add, 1, n));
    if (j->drop > 0) cost_add(&cost, rates_map(rates, MAP_mul, 1, n));
    if (j->attends) cost_add(&cost, attention_cost(j->side->pass, rows, true, rates));
    return cost;
}

Cost embedding_gradient_cost(const Joint *j, const Window *w, int parts,
                             const Rates *rates)
{
    return rates_map(rates, MAP_add, (double)(w->T - w->cut) * j->side->pass->shape.B,
                     (double)j->base / parts);
}

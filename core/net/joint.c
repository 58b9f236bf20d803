/* joint.c: what lies between two layers: look-up, concatenation, dropout; and backward.
 *
 *   x = [y_forward | y_backward] * mask          dy = dx * mask, a part to each */
#include "pass.h"

#include <assert.h>

/* ---- memory ---- */

void joint_open(Pass *p, int index)
{
    const WeftNet *const net = p->net;
    const WeftModel *const m = &net->model;
    const int L = m->layer_count;
    const bool top = index == L;
    const bool embedded = index == 0 && m->input == WEFT_EMBEDDING;
    const bool joined = index > 0 && net->layer[index - 1].directions == 2;
    Joint *const j = &p->joint[index];
    *j = (Joint){.pass = p,
                 .index = index,
                 .width = top ? net_width(net) : net->layer[index].inputs};
    j->row = padded((size_t)j->width);
    j->slot = (size_t)p->span * (size_t)p->shape.B * j->row;
    if (pass_trains(p)) j->drop = top ? m->drop : m->layers[index].drop;
    j->makes = embedded || joined || j->drop > 0;
    j->learns = pass_goes_back(p) && (index > 0 || embedded);
    j->forks = j->learns && !top && net->layer[index].directions == 2;
}

void joint_place(Joint *j, Arena *arena)
{
    const size_t count = (size_t)j->pass->split.slots * j->slot;
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

/* One of the joint's arrays, the window's slot of it. */
static View array_view(const Joint *j, const Window *w, float *array)
{
    return view_of(array + (size_t)w->slot * j->slot, j->row, j->pass->shape.B);
}

static View reversed(View v, int T)
{
    return (View){.at = v.at + (T - 1) * v.step, .step = -v.step, .row = v.row};
}

/* y = op(a, b) for rows [first, end) of T steps, n wide; steps that follow one another
 * in memory are one call. */
typedef struct Rows {
    int T, B, first, end, n;
} Rows;

static void map_rows(MapOp op, const Rows *r, View y, View a, View b)
{
    const bool whole = r->first == 0 && r->end == r->B &&
                       is_flat(y.step, y.row, r->B) && is_flat(a.step, a.row, r->B) &&
                       is_flat(b.step, b.row, r->B);
    Map m = {.rows = whole ? r->T * r->B : r->end - r->first,
             .n = r->n,
             .y_row = (size_t)y.row,
             .a_row = (size_t)a.row,
             .b_row = (size_t)b.row};
    for (int t = 0; t < (whole ? 1 : r->T); t++) {
        m.y = y.at + t * y.step + r->first * y.row;
        m.a = a.at + t * a.step + r->first * a.row;
        m.b = b.at + t * b.step + r->first * b.row;
        simd->map[op](&m);
    }
}

static View batch_x(const Pass *p, const Window *w)
{
    const int I = p->net->model.inputs, B = p->shape.B;
    return view_of(p->batch.x + (size_t)w->t0 * (size_t)B * (size_t)I, (size_t)I, B);
}

static const Direction *below(const Joint *j, int direction)
{
    return &j->pass->direction[2 * (j->index - 1) + direction];
}

View joint_view(const Joint *j, const Window *w)
{
    if (j->x) return array_view(j, w, j->x);
    return j->index ? step_output(&below(j, 0)->step, w->slot) : batch_x(j->pass, w);
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
    const Pass *const p = j->pass;
    const int B = p->shape.B;
    const bool whole = first == 0 && end == B;
    const int rows = whole ? w->T * B : end - first;
    const View x = array_view(j, w, j->x);
    for (int t = 0; t < (whole ? 1 : w->T); t++)
        simd->look_up(rows, j->width, p->batch.symbol + (w->t0 + t) * B + first,
                      p->net->params + p->net->embedding, (size_t)j->width, NULL,
                      x.at + t * x.step + first * x.row, j->row);
}

static void draw_mask(const Joint *j, const Window *w, int first, int end)
{
    const Pass *const p = j->pass;
    const uint64_t n = (uint64_t)j->width, B = (uint64_t)p->shape.B;
    const View mask = array_view(j, w, j->mask);
    for (int t = 0; t < w->T; t++) {
        const uint64_t step = p->steps + (uint64_t)(w->t0 + t);
        simd->drop(end - first, j->width, p->seed, STREAM_DROP + (uint64_t)j->index,
                   (step * B + (uint64_t)first) * n, n, j->drop,
                   mask.at + t * mask.step + first * mask.row, j->row);
    }
}

void joint_enter(const Joint *j, const Window *w, int first, int end)
{
    if (!j->x) return;
    const Pass *const p = j->pass;
    const int B = p->shape.B;
    const View x = array_view(j, w, j->x);
    Rows rows = {.T = w->T, .B = B, .first = first, .end = end, .n = j->width};

    if (j->index == 0 && p->net->model.input == WEFT_EMBEDDING) {
        look_up(j, w, first, end);
    } else if (j->index == 0) {
        map_rows(MAP_copy, &rows, x, batch_x(p, w), x);
    } else {
        const Layer *const layer = &p->net->layer[j->index - 1];
        rows.n = layer->width;
        for (int d = 0; d < layer->directions; d++) {
            const View y = step_output(&below(j, d)->step, w->slot);
            View part = x;
            part.at += d * layer->width;
            map_rows(MAP_copy, &rows, part, d ? reversed(y, w->T) : y, part);
        }
        rows.n = j->width;
    }
    if (!j->mask) return;
    draw_mask(j, w, first, end);
    map_rows(MAP_mul, &rows, x, x, array_view(j, w, j->mask));
}

void joint_leave(const Joint *j, const Window *w, int first, int end)
{
    const int B = j->pass->shape.B;
    const Rows rows = {.T = w->T, .B = B, .first = first, .end = end, .n = j->width};
    if (!j->dx) return;
    const View dx = joint_gradient(j, w);
    if (j->dx_back) map_rows(MAP_add, &rows, dx, dx, joint_gradient_back(j, w));
    if (j->mask) map_rows(MAP_mul, &rows, dx, dx, array_view(j, w, j->mask));
}

void embedding_gradient(const Joint *j, const Window *w, int part, int parts)
{
    const Pass *const p = j->pass;
    const int first = part_at(j->width, LANES_MAX, part, parts);
    const int end = part_at(j->width, LANES_MAX, part + 1, parts);
    if (first == end) return;
    const View dx = joint_gradient(j, w);
    simd->look_up_gradient((w->T - w->cut) * p->shape.B, end - first,
                           p->batch.symbol + (w->t0 + w->cut) * p->shape.B,
                           dx.at + w->cut * dx.step + first, j->row,
                           p->net->grads + p->net->embedding + first, (size_t)j->width);
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
    return cost;
}

Cost embedding_gradient_cost(const Joint *j, const Window *w, int parts,
                             const Rates *rates)
{
    return rates_map(rates, MAP_add, (double)(w->T - w->cut) * j->pass->shape.B,
                     (double)j->width / parts);
}

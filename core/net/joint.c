/* joint.c: what lies between two layers: look-up, concatenation, dropout; and backward.
 *
 *   x = [y_forward | y_backward] * mask          dy = dx * mask, a part to each */
#include "pass.h"

#include <assert.h>

static View view_of(float *at, size_t row, int B)
{
    return (View){.at = at, .step = (ptrdiff_t)row * B, .row = (ptrdiff_t)row};
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
    if (j->x) return view_of(j->x, j->row, j->pass->shape.B);
    return j->index ? step_output(&below(j, 0)->step) : batch_x(j->pass, w);
}

static void look_up(const Joint *j, const Window *w, int first, int end)
{
    const Pass *const p = j->pass;
    const int B = p->shape.B;
    const bool whole = first == 0 && end == B;
    const int rows = whole ? w->T * B : end - first;
    for (int t = 0; t < (whole ? 1 : w->T); t++)
        simd->look_up(rows, j->width, p->batch.symbol + (w->t0 + t) * B + first,
                      p->net->params + p->net->embedding, (size_t)j->width, NULL,
                      j->x + (size_t)(t * B + first) * j->row, j->row);
}

static void draw_mask(const Joint *j, const Window *w, int first, int end)
{
    const Pass *const p = j->pass;
    const uint64_t n = (uint64_t)j->width, B = (uint64_t)p->shape.B;
    for (int t = 0; t < w->T; t++) {
        const uint64_t step = p->steps + (uint64_t)(w->t0 + t);
        simd->drop(end - first, j->width, p->seed, STREAM_DROP + (uint64_t)j->index,
                   (step * B + (uint64_t)first) * n, n, j->drop,
                   j->mask + (size_t)(t * p->shape.B + first) * j->row, j->row);
    }
}

void joint_enter(const Joint *j, const Window *w, int first, int end)
{
    if (!j->x) return;
    const Pass *const p = j->pass;
    const int B = p->shape.B;
    const View x = view_of(j->x, j->row, B);
    Rows rows = {.T = w->T, .B = B, .first = first, .end = end, .n = j->width};

    if (j->index == 0 && p->net->model.input == WEFT_EMBEDDING) {
        look_up(j, w, first, end);
    } else if (j->index == 0) {
        map_rows(MAP_copy, &rows, x, batch_x(p, w), x);
    } else {
        const Layer *const layer = &p->net->layer[j->index - 1];
        rows.n = layer->width;
        for (int d = 0; d < layer->directions; d++) {
            const View y = step_output(&below(j, d)->step);
            View part = x;
            part.at += d * layer->width;
            map_rows(MAP_copy, &rows, part, d ? reversed(y, w->T) : y, part);
        }
        rows.n = j->width;
    }
    if (!j->mask) return;
    draw_mask(j, w, first, end);
    map_rows(MAP_mul, &rows, x, x, view_of(j->mask, j->row, B));
}

void joint_leave(const Joint *j, const Window *w, int first, int end)
{
    const int B = j->pass->shape.B;
    const Rows rows = {.T = w->T, .B = B, .first = first, .end = end, .n = j->width};
    const View dx = view_of(j->dx, j->row, B);
    if (!j->dx) return;
    if (j->dx_back) map_rows(MAP_add, &rows, dx, dx, view_of(j->dx_back, j->row, B));
    if (j->mask) map_rows(MAP_mul, &rows, dx, dx, view_of(j->mask, j->row, B));
}

void embedding_gradient(const Joint *j, const Window *w, int part, int parts)
{
    const Pass *const p = j->pass;
    const int first = part_at(j->width, LANES_MAX, part, parts);
    const int end = part_at(j->width, LANES_MAX, part + 1, parts);
    if (first == end) return;
    simd->look_up_gradient(w->T * p->shape.B, end - first,
                           p->batch.symbol + w->t0 * p->shape.B, j->dx + first, j->row,
                           p->net->grads + p->net->embedding + first, (size_t)j->width);
}

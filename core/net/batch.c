/* batch.c: the arrays of a batch, as a source is given them, and what it made of
 * them. */
#include "pass.h"

#include <math.h>
#include <string.h>

/* Targets: a row each, or a row and step each. */
static size_t targets(const Pass *p)
{
    const size_t B = (size_t)p->shape.B;
    return p->net->model.vector ? B : B * (size_t)p->shape.T;
}

void batch_place(Pass *p, Arena *arena)
{
    const WeftModel *const m = &p->net->model;
    const size_t B = (size_t)p->shape.B, steps = B * (size_t)p->shape.T;
    WeftBatch *const b = &p->batch;
    b->steps = p->shape.T, b->rows = p->shape.B;
    b->inputs = m->inputs, b->outputs = m->outputs, b->vector = m->vector;
    if (m->input == WEFT_DENSE)
        b->x = ARENA_TAKE(arena, float, steps *(size_t)m->inputs);
    else
        b->symbol = ARENA_TAKE(arena, int32_t, steps);
    b->length = ARENA_TAKE(arena, int, B);
    if (p->shape.purpose == PURPOSE_PREDICT) return;

    if (m->loss == WEFT_SOFTMAX)
        b->label = ARENA_TAKE(arena, int32_t, targets(p));
    else
        b->target = ARENA_TAKE(arena, float, targets(p) * (size_t)m->outputs);
    b->weight = ARENA_TAKE(arena, float, targets(p));
    p->weight = ARENA_TAKE(arena, float, targets(p));
    p->loss = ARENA_TAKE(arena, float, targets(p));
    if (p->shape.purpose == PURPOSE_SCORE)
        p->hit = ARENA_TAKE(arena, float, targets(p));
}

void batch_clear(Pass *p)
{
    const WeftModel *const m = &p->net->model;
    WeftBatch *const b = &p->batch;
    const size_t steps = (size_t)b->steps * (size_t)b->rows, count = targets(p);
    if (b->x) memset(b->x, 0, steps * (size_t)m->inputs * sizeof *b->x);
    if (b->symbol) memset(b->symbol, 0, steps * sizeof *b->symbol);
    if (b->target) memset(b->target, 0, count * (size_t)m->outputs * sizeof *b->target);
    if (b->label) memset(b->label, 0, count * sizeof *b->label);
    for (size_t i = 0; b->weight && i < count; i++) b->weight[i] = 1;
    for (int i = 0; i < b->rows; i++) b->length[i] = b->steps;
    b->fresh = true;
}

static bool check_inputs(const Pass *p, Error *err)
{
    const WeftBatch *const b = &p->batch;
    const int symbols = p->net->model.inputs;
    for (int i = 0; i < b->rows; i++)
        if (b->length[i] < 0 || b->length[i] > b->steps)
            return error(err, "row %d: length %d: from 0 to the %d steps of the batch",
                         i, b->length[i], b->steps);
    for (int i = 0; b->symbol && i < b->steps * b->rows; i++) {
        const int t = i / b->rows, row = i % b->rows;
        if (t >= b->length[row]) b->symbol[i] = 0; /* never read, but looked up */
        if (b->symbol[i] < 0 || b->symbol[i] >= symbols)
            return error(err, "step %d, row %d: symbol %d: from 0 to %d", t, row,
                         (int)b->symbol[i], symbols - 1);
    }
    return true;
}

/* Past its end a row has no targets; a label without weight may be anything. */
static bool check_targets(const Pass *p, Error *err)
{
    const WeftBatch *const b = &p->batch;
    const WeftModel *const m = &p->net->model;
    const int count = (int)targets(p);
    for (int i = 0; i < count; i++) {
        const int t = m->vector ? 0 : i / b->rows, row = i % b->rows;
        float w = b->weight[i];
        if (!isfinite(w) || w < 0)
            return error(err, "step %d, row %d: weight %g: 0 or more", t, row,
                         (double)w);
        if (t >= b->length[row]) w = 0;
        p->weight[i] = w;
        if (!b->label) continue;
        if (w == 0) b->label[i] = 0;
        if (b->label[i] < 0 || b->label[i] >= m->outputs)
            return error(err, "step %d, row %d: label %d: from 0 to %d", t, row,
                         (int)b->label[i], m->outputs - 1);
    }
    return true;
}

bool batch_check(Pass *p, Error *err)
{
    return check_inputs(p, err) &&
           (p->shape.purpose == PURPOSE_PREDICT || check_targets(p, err));
}

static bool fill(Pass *p, const WeftSource *source, uint64_t index, Error *err)
{
    batch_clear(p);
    WeftBatch batch = p->batch; /* a source may write the arrays, not where they are */
    Error inner = {""};         /* and has a place for its message, wanted or not */
    if (!source->fill(source->context, index, &batch, &inner))
        return error(err, "%s", inner.text);
    p->batch.fresh = batch.fresh;
    if (batch_check(p, &inner)) return true;
    return error(err, "batch %llu: %.900s", (unsigned long long)index, inner.text);
}

bool batch_fill(Pass *p, const WeftSource *source, uint64_t index, Error *err)
{
    static const Tile input = {.name = "input", .layer = -1};
    const Watch *const watch = team_watches(p->net->team);
    watch_begin(watch, &input, 0);
    const bool filled = fill(p, source, index, err);
    watch_end(watch, &input, 0);
    return filled;
}

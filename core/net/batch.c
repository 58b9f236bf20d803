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

/* What an encoder reads. */
static void source_place(Pass *p, Arena *arena)
{
    const WeftEncoder *const e = p->net->model.encoder;
    WeftBatch *const b = &p->batch;
    Side *const side = &p->side[ENCODER];
    const size_t B = (size_t)p->shape.B, steps = B * (size_t)p->shape.S;
    if (p->shape.S == 0) return;
    b->source_steps = p->shape.S;
    b->source_inputs = e->inputs;
    if (e->input == WEFT_DENSE)
        side->x = b->source_x = ARENA_TAKE(arena, float, steps *(size_t)e->inputs);
    else
        side->symbol = b->source_symbol = ARENA_TAKE(arena, int32_t, steps);
    side->length = b->source_length = ARENA_TAKE(arena, int, B);
}

void batch_place(Pass *p, Arena *arena)
{
    const WeftModel *const m = &p->net->model;
    Side *const side = &p->side[MAIN];
    const size_t B = (size_t)p->shape.B, steps = B * (size_t)p->shape.T;
    WeftBatch *const b = &p->batch;
    b->steps = p->shape.T, b->rows = p->shape.B;
    b->inputs = m->inputs, b->outputs = m->outputs, b->vector = m->vector;
    if (m->input == WEFT_DENSE)
        side->x = b->x = ARENA_TAKE(arena, float, steps *(size_t)m->inputs);
    else
        side->symbol = b->symbol = ARENA_TAKE(arena, int32_t, steps);
    side->length = b->length = ARENA_TAKE(arena, int, B);
    source_place(p, arena);
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
    const size_t source = (size_t)b->source_steps * (size_t)b->rows;
    if (b->source_x)
        memset(b->source_x, 0, source * (size_t)m->encoder->inputs * sizeof(float));
    if (b->source_symbol) memset(b->source_symbol, 0, source * sizeof(int32_t));
    for (int i = 0; b->source_length && i < b->rows; i++)
        b->source_length[i] = b->source_steps;
}

/* What lies past the end of a row is never read, but may be worked on: a NaN would stay one
 * whatever it is multiplied by. */
static void clear_past_ends(const Side *side)
{
    const size_t B = (size_t)side->pass->shape.B, n = (size_t)side->stack->inputs;
    for (size_t t = 0; t < (size_t)side->T; t++)
        for (size_t b = 0; b < B; b++) {
            if ((int)t < side->length[b]) continue;
            if (side->symbol) side->symbol[t * B + b] = 0;
            if (side->x) memset(side->x + (t * B + b) * n, 0, n * sizeof *side->x);
        }
}

/* Lengths of at least `least` steps, and symbols; `what` begins a message. */
static bool check_side(const Side *side, const char *what, int least, Error *err)
{
    const int symbols = side->stack->inputs, B = side->pass->shape.B;
    for (int i = 0; i < B; i++)
        if (side->length[i] < least || side->length[i] > side->T)
            return error(err,
                         "%srow %d: length %d: from %d to the %d steps of the batch",
                         what, i, side->length[i], least, side->T);
    clear_past_ends(side);
    for (int i = 0; side->symbol && i < side->T * B; i++) {
        const int t = i / B, row = i % B;
        if (side->symbol[i] < 0 || side->symbol[i] >= symbols)
            return error(err, "%sstep %d, row %d: symbol %d: from 0 to %d", what, t,
                         row, (int)side->symbol[i], symbols - 1);
    }
    return true;
}

static bool check_inputs(const Pass *p, Error *err)
{
    if (!check_side(&p->side[MAIN], "", 0, err)) return false;
    if (p->shape.S == 0) return true;
    if (!p->batch.fresh && p->shape.purpose != PURPOSE_PREDICT)
        return error(err, "a batch for a net with an encoder is always fresh");
    return check_side(&p->side[ENCODER], "source: ", 1, err);
}

/* Past its end a row has no targets; what has no weight may be anything. */
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
        if (w == 0 && b->target)
            memset(b->target + (size_t)i * (size_t)b->outputs, 0,
                   (size_t)b->outputs * sizeof *b->target);
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

/* step_memory.c: the memory of a layer, and where in it a call finds each value. */
#include "step_run.h"

#include <stdlib.h>

/* ---- lists and arrays ---- */

static size_t pack_floats(const Pack *p)
{
    if (p->table) return (size_t)p->k * row_floats(p->n);
    return (size_t)p->G * simd->packed(p->n, p->k);
}

bool step_memory_open(Step *step)
{
    const Program *const p = step->program;
    struct StepMemory *const m = step->memory = calloc(1, sizeof *m);
    if (!m) return false;
    const size_t slots = (size_t)step->shape.slots,
                 arrays = 4 * (size_t)p->states + (size_t)p->buffers;
    m->slot = calloc(slots, sizeof *m->slot);
    m->arrays = calloc(slots * arrays + 1, sizeof *m->arrays);
    m->pack_at = calloc((size_t)p->packs + 1, sizeof *m->pack_at);
    if (!m->slot || !m->arrays || !m->pack_at) return false;
    for (size_t i = 0; i < slots; i++) {
        SlotMemory *const slot = &m->slot[i];
        slot->state = m->arrays + i * arrays;
        slot->dstate = slot->state + p->states;
        slot->stash = slot->dstate + p->states;
        slot->product = slot->stash + p->states;
        slot->buffer = slot->product + p->states;
    }
    for (int i = 0; i < p->packs; i++) {
        m->pack_at[i] = m->packed_floats;
        m->packed_floats += padded(pack_floats(&p->pack[i]));
    }
    return true;
}

void step_memory_close(Step *step)
{
    if (!step->memory) return;
    free(step->memory->slot);
    free(step->memory->arrays);
    free(step->memory->pack_at);
    free(step->memory);
}

int step_table_columns(const Program *p, int count)
{
    int columns = 0;
    for (int i = 0; i < count; i++)
        if (p->gradient[i].table) columns += (int)padded((size_t)p->gradient[i].R);
    return columns;
}

static void slot_place(const Step *step, SlotMemory *m, Arena *arena)
{
    const Program *const p = step->program;
    const StepShape *const s = &step->shape;
    const size_t T = (size_t)s->T, B = (size_t)s->B;
    for (int i = 0; i < p->states; i++) {
        const size_t row = row_floats(state_floats(p, i));
        m->state[i] = ARENA_TAKE(arena, float, (T + 1) * B * row);
        if (step->scan)
            m->product[i] =
                ARENA_TAKE(arena, float, (T - 1) / (size_t)step->scan * B * row);
        if (!s->training) continue;
        m->dstate[i] = ARENA_TAKE(arena, float, (step->scan ? T + 1 : 2) * B * row);
        if (!step->scan) m->stash[i] = ARENA_TAKE(arena, float, row *B);
    }
    for (int i = 0; i < p->buffers; i++)
        m->buffer[i] = ARENA_TAKE(arena, float, row_floats(p->buffer[i]) * T * B);
    if (p->output_own)
        m->output = ARENA_TAKE(arena, float, row_floats(p->outputs) * T * B);
    if (s->symbols)
        m->symbol = ARENA_TAKE(arena, int32_t, T * B);
    else
        m->input = ARENA_TAKE(arena, float, row_floats(p->input) * T * B);
}

void step_place(Step *step, Arena *arena)
{
    const Program *const p = step->program;
    const StepShape *const s = &step->shape;
    struct StepMemory *const m = step->memory;
    const size_t width = padded((size_t)p->number_width);

    m->packed = ARENA_TAKE(arena, float, m->packed_floats);
    m->number = ARENA_TAKE(arena, float, width *(size_t)p->numbers);
    for (int i = 0; m->number && i < p->numbers; i++)
        for (size_t j = 0; j < width; j++)
            m->number[(size_t)i * width + j] = (float)p->number[i];
    if (s->symbols && s->training)
        m->table = ARENA_TAKE(arena, float,
                              row_floats(step_table_columns(p, p->gradients)) *
                                  (size_t)p->input);
    for (int i = 0; i < s->slots; i++) slot_place(step, &m->slot[i], arena);
}

/* The first `count` strips, those of the loop or the others; blocks are followed by room
 * to read past their end. */
static size_t strips_floats(const Program *p, int count, bool loop)
{
    size_t floats = 0;
    for (const Strip *s = p->strip; s < p->strip + count; s++)
        if (s->loop == loop)
            floats += s->block ? STRIP + LANES_MAX : ROW_BLOCK * row_floats(s->n);
    return floats;
}

size_t step_shared(const Step *step)
{
    return strips_floats(step->program, step->program->strips, true) + LANES_MAX;
}

size_t step_scratch(const Step *step)
{
    const Program *const p = step->program;
    const size_t strips = strips_floats(p, p->strips, false) + step_shared(step);
    int k = 0;
    for (int i = 0; i < p->gradients; i++) {
        const GradientJob *const j = &p->gradient[i];
        bool again = j->x < 0 || j->table;
        for (int other = 0; other < i; other++)
            again |= p->gradient[other].x == j->x && p->gradient[other].G == j->G;
        if (!again) k += j->G * ((j->K + simd->panel - 1) / simd->panel * simd->panel);
    }
    const size_t gradients = simd->gradient_scratch(k);
    return (strips > gradients ? strips : gradients) + LANES_MAX;
}

/* ---- packing ---- */

static void pack_table(const Pack *p, const float *w, int first, int end, float *table)
{
    const size_t row = row_floats(p->n);
    for (int j = first; j < end; j++)
        for (int s = 0; s < p->k; s++)
            table[(size_t)s * row + (size_t)j] =
                w[(size_t)j * (size_t)p->k + (size_t)s];
}

static void pack_panels(const Pack *p, const float *w, int first, int end,
                        float *packed)
{
    const size_t size = (size_t)p->n * (size_t)p->k;
    const size_t w_n = p->transposed ? 1 : (size_t)p->k;
    const size_t w_k = p->transposed ? (size_t)p->n : 1;
    for (int g = 0; g < p->G; g++)
        simd->pack(
            end - first, p->k, w + (size_t)g * size + (size_t)first * w_n, w_n, w_k,
            packed + (size_t)g * simd->packed(p->n, p->k) + simd->packed(first, p->k));
}

void step_pack(Step *step, const float *params, int part, int parts)
{
    const Program *const p = step->program;
    for (int i = 0; i < p->packs; i++) {
        const Pack *const pack = &p->pack[i];
        const int first = part_at(pack->n, simd->panel, part, parts);
        const int end = part_at(pack->n, simd->panel, part + 1, parts);
        if (first == end) continue;
        (pack->table ? pack_table : pack_panels)(
            pack, params + p->param_offset[pack->param], first, end,
            step->memory->packed + step->memory->pack_at[i]);
    }
}

/* ---- where values are, in one call ---- */

At at_kept(float *at, int n, int B)
{
    const ptrdiff_t row = (ptrdiff_t)row_floats(n);
    return (At){.at = at, .step = row * B, .row = row, .n = n};
}

static At at_view(const View *v, size_t offset, int n)
{
    return (At){
        .at = v->at ? v->at + offset : NULL, .step = v->step, .row = v->row, .n = n};
}

static At at_input(const Step *step, const Chunk *c)
{
    const int input = step->program->input, B = step->shape.B;
    if (step->shape.symbols) return (At){.n = input};
    if (is_flat(c->x.step, c->x.row, B)) return at_view(&c->x, 0, input);
    return at_kept(step->memory->slot[c->slot].input, input, B);
}

static At at_value(const Step *step, const Chunk *c, const float *params,
                   const Value *v)
{
    const Program *const p = step->program;
    const float *const number = step->memory->number;
    const SlotMemory *const m = &step->memory->slot[c->slot];
    const int B = step->shape.B;
    switch (v->place) {
    case PLACE_NUMBER: /* never written through, nor is a parameter */
        return (At){.at = (float *)number +
                          (size_t)v->index * padded((size_t)p->number_width),
                    .n = v->n};
    case PLACE_PARAM:
        return (At){.at = params ? (float *)params + v->offset : NULL, .n = v->n};
    case PLACE_INPUT: return at_input(step, c);
    case PLACE_STATE: return at_kept(m->state[v->index], v->n, B);
    case PLACE_LEAVE: {
        At at = at_kept(m->state[v->index], v->n, B);
        at.at += at.step;
        return at;
    }
    case PLACE_OUTPUT: {
        At at = at_kept(m->output, p->outputs, B);
        at.at += v->offset;
        at.n = v->n;
        return at;
    }
    case PLACE_CHUNK: return at_kept(m->buffer[v->index], v->n, B);
    case PLACE_DOUTPUT: return at_view(&c->dy, v->offset, v->n);
    case PLACE_DINPUT: return at_view(&c->dx, 0, v->n);
    case PLACE_DSTATE:
    case PLACE_DENTER: { /* a step's leaving is the entering of the step after it */
        At at = at_kept(m->dstate[v->index], v->n, B);
        if (step->scan) { /* each step has its own */
            if (v->place == PLACE_DSTATE) at.at += at.step;
            return at;
        }
        at.odd = v->place == PLACE_DENTER ? at.step : -at.step;
        if (v->place == PLACE_DSTATE) at.at += at.step;
        at.step = 0;
        return at;
    }
    default: return (At){.n = v->n}; /* strips: see place_strips */
    }
}

/* Strips lie one after the other in the worker's scratch, those of the loop last, or in
 * what a gang shares. */
static void place_strips(const Run *r, const Share *share)
{
    const Program *const p = r->program;
    float *const loop = share->member
                            ? share->member->gang->shared
                            : share->scratch + strips_floats(p, p->strips, false);
    for (int i = 0; i < p->values; i++) {
        const Value *const v = &p->value[i];
        if (v->place != PLACE_STRIP) continue;
        const Strip *const s = &p->strip[v->index];
        r->value[i] = (At){.at = (s->loop ? loop : share->scratch) +
                                 strips_floats(p, v->index, s->loop),
                           .row = s->block ? 0 : (ptrdiff_t)row_floats(v->n),
                           .strip = true,
                           .block = s->block,
                           .n = v->n};
    }
}

bool run_open(Run *r, const Step *step, const Chunk *c, const float *params,
              const Share *share, At *value)
{
    const Program *const p = step->program;
    const int first = share->first, end = share->end;
    *r = (Run){.step = step,
               .program = p,
               .chunk = c,
               .memory = &step->memory->slot[c->slot],
               .params = params,
               .value = value,
               .first = first,
               .end = end,
               .whole = first == 0 && end == step->shape.B,
               .member = share->member};
    for (int i = 0; i < p->values; i++)
        value[i] = at_value(step, c, params, &p->value[i]);
    place_strips(r, share);
    return first < end;
}

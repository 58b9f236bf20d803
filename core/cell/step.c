/* step.c: a lowered cell, run over a chunk of time for some rows of the mini-batch.
 *
 * Rows are cut into blocks of at most ROW_BLOCK, units into blocks such that a strip of
 * rows x units is about STRIP floats: what a group of instructions works on stays in
 * L1. Time is cut into blocks of about BEFORE_ROWS rows, so that what was made before
 * the loop is still in L2 when the loop reads it. None of these sizes changes a bit. */
#include "step.h"

#include "init.h"
#include "lower.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ROW_BLOCK 64
#define STRIP                                                                          \
    2048 /* floats: 8 KiB, a few of which fit L1; 64 rows x 32, the widest panel */
#define VALUES_MAX  1024 /* of a cell: 40 KiB of a worker's stack */
#define BEFORE_ROWS 128  /* a matrix product is at full speed from about 64 rows on */

/* Floats from row to row. Not a multiple of 128 (512 bytes), so that the rows of a
 * block of units do not fall on the same few lines of L1. */
static size_t row_floats(int n)
{
    const size_t row = padded((size_t)n);
    return row >= 128 && row % 128 == 0 ? row + LANES_MAX : row;
}

/* All arrays but `buffer`, `state` ... themselves are the arena's. */
struct StepMemory {
    float *packed; /* matrices, as the kernels read them */
    float *number; /* [numbers][number_width], each row filled with its number */
    float **state; /* each [T+1][B][n] */
    float *
        *dstate;   /* each [2][B][n]: leaving step t in slot (t+1)%2, entering in t%2 */
    float **stash; /* each [B][n]: dstate of rows that are past their end */
    float **buffer; /* each [T][B][n] */
    float *output;  /* [T][B][outputs], when it is none of these */
    float *input; /* [T][B][input]: a copy, when the caller's steps are not in a row */
    int32_t *symbol; /* [T][B] */
    float *table;    /* [symbols][rows of all matrices of x]: gradients, transposed */
    int *carried;    /* [B]: slot of the states that the last chunk left */
    size_t *pack_at; /* [packs]: where in packed */
    size_t packed_floats;
};

/* ---- memory ---- */

static size_t pack_floats(const Pack *p)
{
    if (p->table) return (size_t)p->k * row_floats(p->n);
    return (size_t)p->G * simd->packed(p->n, p->k);
}

static int state_floats(const Program *p, int s)
{
    return shape_count(&p->state[s].shape);
}

static bool memory_open(Step *step)
{
    const Program *const p = step->program;
    struct StepMemory *const m = step->memory = calloc(1, sizeof *m);
    if (!m) return false;
    m->state = calloc(3 * (size_t)p->states + 1, sizeof *m->state);
    m->buffer = calloc((size_t)p->buffers + 1, sizeof *m->buffer);
    m->pack_at = calloc((size_t)p->packs + 1, sizeof *m->pack_at);
    if (!m->state || !m->buffer || !m->pack_at) return false;
    m->dstate = m->state + p->states;
    m->stash = m->dstate + p->states;
    for (int i = 0; i < p->packs; i++) {
        m->pack_at[i] = m->packed_floats;
        m->packed_floats +=
            (pack_floats(&p->pack[i]) + LANES_MAX - 1) / LANES_MAX * LANES_MAX;
    }
    return true;
}

bool step_open(const Graph *graph, const StepShape *shape, Step *step, Error *err)
{
    *step = (Step){.shape = *shape};
    if (!lower(graph, shape->training, shape->dinput, shape->symbols, &step->program,
               err))
        return false;
    if (step->program->values > VALUES_MAX) {
        const int values = step->program->values;
        step_close(step);
        return error(err, "this cell has %d values in a step; %d are the most", values,
                     VALUES_MAX);
    }
    step->outputs = step->program->outputs;
    step->params = step->program->param_floats;
    if (memory_open(step)) return true;
    step_close(step);
    return error(err, "out of memory");
}

void step_close(Step *step)
{
    if (step->memory) {
        free(step->memory->state);
        free(step->memory->buffer);
        free(step->memory->pack_at);
        free(step->memory);
    }
    program_close(step->program);
    *step = (Step){0};
}

/* Of the first `count` gradients: each matrix of x has its own columns. */
static int table_columns(const Program *p, int count)
{
    int columns = 0;
    for (int i = 0; i < count; i++)
        if (p->gradient[i].table) columns += (int)padded((size_t)p->gradient[i].R);
    return columns;
}

void step_place(Step *step, Arena *arena)
{
    const Program *const p = step->program;
    const StepShape *const s = &step->shape;
    struct StepMemory *const m = step->memory;
    const size_t T = (size_t)s->T, B = (size_t)s->B;
    const size_t width = padded((size_t)p->number_width);

    m->packed = ARENA_TAKE(arena, float, m->packed_floats);
    m->number = ARENA_TAKE(arena, float, (size_t)p->numbers *width);
    for (int i = 0; m->number && i < p->numbers; i++)
        for (size_t j = 0; j < width; j++)
            m->number[(size_t)i * width + j] = (float)p->number[i];
    for (int i = 0; i < p->states; i++) {
        const size_t row = row_floats(state_floats(p, i));
        m->state[i] = ARENA_TAKE(arena, float, (T + 1) * B * row);
        if (!s->training) continue;
        m->dstate[i] = ARENA_TAKE(arena, float, 2 * B * row);
        m->stash[i] = ARENA_TAKE(arena, float, B *row);
    }
    for (int i = 0; i < p->buffers; i++)
        m->buffer[i] = ARENA_TAKE(arena, float, T *B *row_floats(p->buffer[i]));
    if (p->output_own)
        m->output = ARENA_TAKE(arena, float, T *B *row_floats(p->outputs));
    if (s->symbols)
        m->symbol = ARENA_TAKE(arena, int32_t, T * B);
    else
        m->input = ARENA_TAKE(arena, float, T *B *row_floats(p->input));
    if (s->symbols && s->training)
        m->table = ARENA_TAKE(
            arena, float, (size_t)p->input *row_floats(table_columns(p, p->gradients)));
    m->carried = ARENA_TAKE(arena, int, B);
}

/* The first `count` strips; blocks are followed by room to read past their end. */
static size_t strips_floats(const Program *p, int count)
{
    size_t floats = 0;
    for (int i = 0; i < count; i++)
        floats +=
            p->strip_block[i] ? STRIP + LANES_MAX : ROW_BLOCK * row_floats(p->strip[i]);
    return floats;
}

size_t step_scratch(const Step *step)
{
    const Program *const p = step->program;
    size_t floats = strips_floats(p, p->strips);
    for (int i = 0; i < p->gradients; i++) {
        const GradientJob *const job = &p->gradient[i];
        if (job->x < 0 || job->table) continue;
        const size_t need = simd->gradient_scratch(job->K);
        if (need > floats) floats = need;
    }
    return floats + LANES_MAX;
}

bool step_initialise(const Step *step, uint64_t seed, uint64_t stream, float *params)
{
    const Program *const p = step->program;
    for (int i = 0; i < p->params; i++)
        if (!init_param(&p->param[i], p->hidden, seed, stream, (uint64_t)i << 40,
                        params + p->param_offset[i]))
            return false;
    return true;
}

/* ---- packing ---- */

static int cut(int n, int unit, int part, int parts)
{
    const int units = (n + unit - 1) / unit;
    const int at = (int)((int64_t)units * part / parts) * unit;
    return at < n ? at : n;
}

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
        const int first = cut(pack->n, simd->panel, part, parts);
        const int end = cut(pack->n, simd->panel, part + 1, parts);
        if (first == end) continue;
        (pack->table ? pack_table : pack_panels)(
            pack, params + p->param_offset[pack->param], first, end,
            step->memory->packed + step->memory->pack_at[i]);
    }
}

/* ---- where values are, in one call ---- */

typedef struct At {
    float *at;
    ptrdiff_t step, row;
    bool strip; /* rows count from the block at hand */
    bool block; /* and units too */
    int n;
} At;

typedef struct Run {
    const Step *step;
    const Program *program;
    const Chunk *chunk;
    At *value; /* [values] */
    int first, end;
    bool whole; /* all rows: those of successive steps follow one another */
} Run;

static At at_kept(float *at, int n, int B)
{
    const ptrdiff_t row = (ptrdiff_t)row_floats(n);
    return (At){.at = at, .step = row * B, .row = row, .n = n};
}

static At at_view(const View *v, size_t offset, int n)
{
    return (At){
        .at = v->at ? v->at + offset : NULL, .step = v->step, .row = v->row, .n = n};
}

static bool view_is_flat(const View *v, int B)
{
    return v->step == v->row * B;
}

static At at_input(const Step *step, const Chunk *c)
{
    const int input = step->program->input, B = step->shape.B;
    if (step->shape.symbols) return (At){.n = input};
    if (view_is_flat(&c->x, B)) return at_view(&c->x, 0, input);
    return at_kept(step->memory->input, input, B);
}

static At at_value(const Step *step, const Chunk *c, const float *params,
                   const Value *v)
{
    const Program *const p = step->program;
    const struct StepMemory *const m = step->memory;
    const int B = step->shape.B;
    switch (v->place) {
    case PLACE_NUMBER:
        return (At){.at =
                        m->number + (size_t)v->index * padded((size_t)p->number_width),
                    .n = v->n};
    case PLACE_PARAM: /* never written through */
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
    case PLACE_DENTER: { /* step t moves them: see turn_dstates */
        At at = at_kept(m->dstate[v->index], v->n, B);
        at.step = 0;
        return at;
    }
    default: return (At){.n = v->n}; /* strips: see place_strips */
    }
}

/* Strips lie one after the other in the worker's scratch. */
static void place_strips(const Run *r, float *scratch)
{
    const Program *const p = r->program;
    for (int i = 0; i < p->values; i++) {
        const Value *const v = &p->value[i];
        if (v->place != PLACE_STRIP) continue;
        const bool block = p->strip_block[v->index];
        r->value[i] = (At){.at = scratch + strips_floats(p, v->index),
                           .row = block ? 0 : (ptrdiff_t)row_floats(v->n),
                           .strip = true,
                           .block = block,
                           .n = v->n};
    }
}

static bool run_open(Run *r, const Step *step, const Chunk *c, const float *params,
                     int first, int end, float *scratch, At *value)
{
    const Program *const p = step->program;
    *r = (Run){step, p, c, value, first, end, first == 0 && end == step->shape.B};
    for (int i = 0; i < p->values; i++)
        value[i] = at_value(step, c, params, &p->value[i]);
    place_strips(r, scratch);
    return first < end;
}

/* ---- instructions ---- */

/* The rows [r, r + rows) of step t, and the units [j, j + units) of them. */
typedef struct Block {
    int t, r, rows;
    int j, units; /* units 0: all */
} Block;

static float *address(const At *v, const Block *b)
{
    const ptrdiff_t row = v->strip ? 0 : v->row * b->r;
    return v->at + v->step * b->t + row + (v->block ? 0 : b->j);
}

static size_t row_of(const At *v, const Block *b)
{
    return v->block ? padded((size_t)b->units) : (size_t)v->row;
}

static void run_map(const Run *r, const Instr *i, const Block *b)
{
    const At *const v = r->value;
    Map m = {.rows = b->rows,
             .n = b->units ? b->units : v[i->y].n,
             .groups = i->groups,
             .m = i->m,
             .inner = i->inner,
             .y = address(&v[i->y], b),
             .y_row = row_of(&v[i->y], b),
             .a = address(&v[i->a], b),
             .a_row = row_of(&v[i->a], b)};
    if (i->b >= 0) m.b = address(&v[i->b], b), m.b_row = row_of(&v[i->b], b);
    if (i->c >= 0) m.c = address(&v[i->c], b), m.c_row = row_of(&v[i->c], b);
    simd->map[i->map](&m);
}

static void run_product(const Run *r, const Instr *i, const Block *b)
{
    const At *const v = r->value;
    const Pack *const p = &r->program->pack[i->pack];
    const Block whole = {.t = b->t, .r = b->r, .rows = b->rows};
    const float *const packed =
        r->step->memory->packed + r->step->memory->pack_at[i->pack];
    for (int g = 0; g < p->G; g++) {
        const Gemm product = {.m = b->rows,
                              .n = b->units ? b->units : p->n,
                              .k = p->k,
                              .a = address(&v[i->a], &whole) + g * p->k,
                              .a_row = (size_t)v[i->a].row,
                              .a_col = 1,
                              .b = packed + (size_t)g * simd->packed(p->n, p->k) +
                                   simd->packed(b->j, p->k),
                              .d = i->b < 0 ? NULL : address(&v[i->b], b) + g * p->n,
                              .d_row = i->b < 0 ? 0 : row_of(&v[i->b], b),
                              .c = address(&v[i->y], b) + g * p->n,
                              .c_row = row_of(&v[i->y], b)};
        simd->gemm(&product);
    }
}

static void run_look_up(const Run *r, const Instr *i, const Block *b)
{
    const At *const v = r->value;
    const Pack *const p = &r->program->pack[i->pack];
    const struct StepMemory *const m = r->step->memory;
    simd->look_up(b->rows, b->units ? b->units : p->n,
                  m->symbol + (size_t)b->t * (size_t)r->step->shape.B + b->r,
                  m->packed + m->pack_at[i->pack] + b->j, row_floats(p->n),
                  i->b < 0 ? NULL : address(&v[i->b], b), address(&v[i->y], b),
                  row_of(&v[i->y], b));
}

/* Rows of several steps may follow one another; each has its own step number. */
static void run_mask(const Run *r, const Instr *i, const Block *b)
{
    const Chunk *const c = r->chunk;
    const At *const y = &r->value[i->y];
    const int B = r->step->shape.B, units = b->units ? b->units : y->n;
    float *at = address(y, b);
    for (int row = 0; row < b->rows; row++, at += row_of(y, b)) {
        const int t = b->t + (b->r + row) / B, in = (b->r + row) % B;
        const uint64_t time = c->time + (uint64_t)((int64_t)c->time_sign * t);
        const uint64_t index =
            (time * (uint64_t)B + (uint64_t)in) * (uint64_t)y->n + (uint64_t)b->j;
        if (c->drop)
            simd->drop(1, units, c->seed, c->stream + (uint64_t)i->mask, index, 0, i->p,
                       at, 0);
        else
            for (int j = 0; j < units; j++) at[j] = 1;
    }
}

static void (*const run_kind[])(const Run *, const Instr *, const Block *) = {
    [KIND_MAP] = run_map,
    [KIND_PRODUCT] = run_product,
    [KIND_LOOK_UP] = run_look_up,
    [KIND_MASK] = run_mask,
};

/* ---- groups and phases ---- */

/* Whole panels, and at most STRIP floats for so many rows, which strips pad. */
static int units_for(int rows)
{
    const int padded_units = STRIP / rows / LANES_MAX * LANES_MAX;
    const int units = padded_units / simd->panel * simd->panel;
    return units > simd->panel ? units : simd->panel;
}

static void run_group(const Run *r, const Group *g, Block b)
{
    const int step = g->width ? units_for(b.rows) : 1;
    for (b.j = 0; b.j < (g->width ? g->width : 1); b.j += step) {
        if (g->width) b.units = g->width - b.j < step ? g->width - b.j : step;
        for (int i = g->first; i < g->end; i++) {
            const Instr *const instr = &r->program->instr[i];
            run_kind[instr->kind](r, instr, &b);
        }
    }
}

static void run_rows(const Run *r, Phase phase, int t, int first, int end)
{
    const int blocks = (end - first + ROW_BLOCK - 1) / ROW_BLOCK;
    for (int i = 0; i < blocks; i++) {
        const int at = first + (int)((int64_t)(end - first) * i / blocks);
        const int next = first + (int)((int64_t)(end - first) * (i + 1) / blocks);
        const Block b = {.t = t, .r = at, .rows = next - at};
        for (int g = 0; g < r->program->groups; g++)
            if (r->program->group[g].phase == phase)
                run_group(r, &r->program->group[g], b);
    }
}

/* A phase outside the loop: the rows of all steps at once, if they follow one another.
 */
static void run_steps(const Run *r, Phase phase, int t, int steps, bool flat)
{
    if (r->whole && flat) {
        run_rows(r, phase, t, 0, steps * r->step->shape.B);
        return;
    }
    for (int i = 0; i < steps; i++) run_rows(r, phase, t + i, r->first, r->end);
}

static int time_block(const Run *r)
{
    const int steps = BEFORE_ROWS / (r->end - r->first);
    return steps > 1 ? steps : 1;
}

static bool is_live(const Chunk *c, int t, int b)
{
    return (!c->begin || t >= c->begin[b]) && (!c->end || t < c->end[b]);
}

static float *state_row(const Step *step, float *const *arrays, int s, int slot, int b)
{
    const size_t row = row_floats(state_floats(step->program, s));
    return arrays[s] + ((size_t)slot * (size_t)step->shape.B + (size_t)b) * row;
}

static size_t state_bytes(const Step *step, int s)
{
    return row_floats(state_floats(step->program, s)) * sizeof(float);
}

/* ---- forward ---- */

/* Slot 0: what the chunk before left, or where sequences begin. */
static void enter_states(const Run *r, const float *params, int b)
{
    const Program *const p = r->program;
    struct StepMemory *const m = r->step->memory;
    for (int s = 0; s < p->states; s++) {
        float *const to = state_row(r->step, m->state, s, 0, b);
        const int n = state_floats(p, s), from = p->state[s].start_param;
        if (!r->chunk->fresh)
            memmove(to, state_row(r->step, m->state, s, m->carried[b], b),
                    state_bytes(r->step, s));
        else
            for (int j = 0; j < n; j++)
                to[j] = from < 0 ? (float)p->state[s].start
                                 : params[p->param_offset[from] + (size_t)j];
    }
    m->carried[b] = r->chunk->T;
}

/* Steps in a row, in the order of this direction. */
static void copy_input(const Run *r, int b)
{
    const Chunk *const c = r->chunk;
    const struct StepMemory *const m = r->step->memory;
    const int B = r->step->shape.B, n = r->program->input;
    if (r->step->shape.symbols) {
        for (int t = 0; t < c->T; t++)
            m->symbol[t * B + b] = c->symbol[(ptrdiff_t)t * c->symbol_step + b];
        return;
    }
    if (view_is_flat(&c->x, B)) return;
    for (int t = 0; t < c->T; t++)
        memcpy(m->input + ((size_t)t * (size_t)B + (size_t)b) * row_floats(n),
               c->x.at + t * c->x.step + b * c->x.row, (size_t)n * sizeof(float));
}

/* Rows past their end (or before their begin) leave a step as they entered it. */
static void freeze(const Run *r, int t)
{
    if (!r->chunk->begin && !r->chunk->end) return;
    for (int b = r->first; b < r->end; b++) {
        if (is_live(r->chunk, t, b)) continue;
        for (int s = 0; s < r->program->states; s++)
            memcpy(state_row(r->step, r->step->memory->state, s, t + 1, b),
                   state_row(r->step, r->step->memory->state, s, t, b),
                   state_bytes(r->step, s));
    }
}

void step_forward(Step *step, const Chunk *chunk, const float *params, int first,
                  int end, float *scratch)
{
    assert(chunk->T <= step->shape.T && end <= step->shape.B);
    At value[VALUES_MAX];
    Run r;
    if (!run_open(&r, step, chunk, params, first, end, scratch, value)) return;
    for (int b = first; b < end; b++) {
        enter_states(&r, params, b);
        copy_input(&r, b);
    }
    const int block = time_block(&r);
    for (int t = 0; t < chunk->T; t += block) {
        const int steps = chunk->T - t < block ? chunk->T - t : block;
        run_steps(&r, FORWARD_BEFORE, t, steps, true);
        for (int i = t; i < t + steps; i++) {
            run_rows(&r, FORWARD_LOOP, i, first, end);
            freeze(&r, i);
        }
        run_steps(&r, FORWARD_AFTER, t, steps, true);
    }
}

/* ---- backward ---- */

/* Step t reads the gradients that leave it from slot (t+1)%2, and writes those that
 * enter it to slot t%2. */
static void turn_dstates(const Run *r, int t)
{
    const Program *const p = r->program;
    for (int i = 0; i < p->values; i++) {
        const Value *const v = &p->value[i];
        if (v->place != PLACE_DSTATE && v->place != PLACE_DENTER) continue;
        const int slot = (t + (v->place == PLACE_DSTATE)) % 2;
        r->value[i].at = state_row(r->step, r->step->memory->dstate, v->index, slot, 0);
    }
}

/* Gradients pass a frozen row by: they are set aside, and its step sees zeros. */
static void set_aside(const Run *r, int t)
{
    if (!r->chunk->begin && !r->chunk->end) return;
    const struct StepMemory *const m = r->step->memory;
    for (int b = r->first; b < r->end; b++) {
        if (is_live(r->chunk, t, b)) continue;
        for (int s = 0; s < r->program->states; s++) {
            float *const d = state_row(r->step, m->dstate, s, (t + 1) % 2, b);
            memcpy(state_row(r->step, m->stash, s, 0, b), d, state_bytes(r->step, s));
            memset(d, 0, state_bytes(r->step, s));
        }
    }
}

static void put_back(const Run *r, int t)
{
    if (!r->chunk->begin && !r->chunk->end) return;
    const struct StepMemory *const m = r->step->memory;
    for (int b = r->first; b < r->end; b++) {
        if (is_live(r->chunk, t, b)) continue;
        for (int s = 0; s < r->program->states; s++)
            memcpy(state_row(r->step, m->dstate, s, t % 2, b),
                   state_row(r->step, m->stash, s, 0, b), state_bytes(r->step, s));
    }
}

/* The gradient is cut at the end of the chunk; and a state that no step reads as it
 * enters (denter -1) has none in either slot. */
static void cut_gradient(const Run *r)
{
    for (int s = 0; s < r->program->states; s++)
        for (int slot = 0; slot < 2; slot++)
            memset(state_row(r->step, r->step->memory->dstate, s, slot, r->first), 0,
                   (size_t)(r->end - r->first) * state_bytes(r->step, s));
}

void step_backward(Step *step, const Chunk *chunk, const float *params, int first,
                   int end, float *scratch)
{
    assert(step->shape.training);
    At value[VALUES_MAX];
    Run r;
    if (!run_open(&r, step, chunk, params, first, end, scratch, value)) return;
    cut_gradient(&r);
    const int B = step->shape.B;
    const bool flat = view_is_flat(&chunk->dy, B) &&
                      (!step->shape.dinput || view_is_flat(&chunk->dx, B));
    const int block = time_block(&r);
    for (int t = (chunk->T - 1) / block * block; t >= 0; t -= block) {
        const int steps = chunk->T - t < block ? chunk->T - t : block;
        run_steps(&r, BACKWARD_BEFORE, t, steps, flat);
        for (int i = t + steps - 1; i >= t; i--) {
            turn_dstates(&r, i);
            set_aside(&r, i);
            run_rows(&r, BACKWARD_LOOP, i, first, end);
            put_back(&r, i);
        }
        run_steps(&r, BACKWARD_AFTER, t, steps, flat);
    }
}

/* ---- weight gradients: one product over all rows and steps ---- */

typedef struct Rows {
    const At *at;
    int runs, rows; /* runs of rows that follow one another */
} Rows;

static bool is_flat(const At *v, int B)
{
    return v->step == v->row * B;
}

static void add_product(const Run *r, const GradientJob *j, int first, int end,
                        float *dm, float *scratch)
{
    const At *d = &r->value[j->d], *x = &r->value[j->x];
    const int B = r->step->shape.B, T = r->chunk->T;
    const bool flat = is_flat(d, B) && is_flat(x, B);
    if (j->transposed) { /* y = M^T a: dM[r][k] = a[r] d[k] */
        const At *const swap = d;
        d = x;
        x = swap;
    }
    for (int t = 0; t < (flat ? 1 : T); t++)
        for (int g = 0; g < j->G; g++)
            simd->gradient(end - first, j->K, flat ? T * B : B,
                           d->at + t * d->step + g * j->R + first, (size_t)d->row,
                           x->at + t * x->step + g * j->K, (size_t)x->row,
                           dm + ((size_t)g * (size_t)j->R + (size_t)first) *
                                    (size_t)j->K,
                           (size_t)j->K, scratch);
}

static void add_bias(const Run *r, const GradientJob *j, int first, int end, float *db)
{
    const At *const d = &r->value[j->d];
    const int B = r->step->shape.B, T = r->chunk->T;
    const bool flat = is_flat(d, B);
    for (int t = 0; t < (flat ? 1 : T); t++)
        simd->sum_rows(flat ? T * B : B, end - first, d->at + t * d->step + first,
                       (size_t)d->row, db + first);
}

/* Each symbol's column of dM is a row of the table, where rows add up fast. */
static void add_table(const Run *r, const GradientJob *j, int first, int end, float *dm)
{
    const Program *const p = r->program;
    const At *const d = &r->value[j->d];
    const struct StepMemory *const m = r->step->memory;
    const size_t B = (size_t)r->step->shape.B;
    const size_t row = row_floats(table_columns(p, p->gradients));
    float *const table = m->table + table_columns(p, (int)(j - p->gradient));
    for (int i = first; i < end; i++)
        for (int s = 0; s < j->K; s++)
            table[(size_t)s * row + (size_t)i] =
                dm[(size_t)i * (size_t)j->K + (size_t)s];
    for (int t = 0; t < r->chunk->T; t++)
        simd->look_up_gradient((int)B, end - first, m->symbol + (size_t)t * B,
                               d->at + t * d->step + first, (size_t)d->row,
                               table + first, row);
    for (int i = first; i < end; i++)
        for (int s = 0; s < j->K; s++)
            dm[(size_t)i * (size_t)j->K + (size_t)s] =
                table[(size_t)s * row + (size_t)i];
}

/* Where a trainable start began a sequence, its gradient is that of the entering state.
 */
static void add_starts(const Run *r, float *grads, int part, int parts)
{
    const Program *const p = r->program;
    for (int s = 0; s < p->states && r->chunk->fresh; s++) {
        if (p->state[s].start_param < 0) continue;
        const int n = state_floats(p, s);
        const int first = cut(n, LANES_MAX, part, parts),
                  end = cut(n, LANES_MAX, part + 1, parts);
        if (first == end) continue;
        simd->sum_rows(r->step->shape.B, end - first,
                       state_row(r->step, r->step->memory->dstate, s, 0, 0) + first,
                       row_floats(n),
                       grads + p->param_offset[p->state[s].start_param] + first);
    }
}

void step_gradient(Step *step, const Chunk *chunk, float *grads, int part, int parts,
                   float *scratch)
{
    assert(step->shape.training);
    const Program *const p = step->program;
    At value[VALUES_MAX];
    Run r;
    run_open(&r, step, chunk, NULL, 0, step->shape.B, scratch, value);
    for (int i = 0; i < p->gradients; i++) {
        const GradientJob *const job = &p->gradient[i];
        const int first = cut(job->R, LANES_MAX, part, parts);
        const int end = cut(job->R, LANES_MAX, part + 1, parts);
        float *const to = grads + p->param_offset[job->param];
        if (first == end) continue;
        if (job->table)
            add_table(&r, job, first, end, to);
        else if (job->x < 0)
            add_bias(&r, job, first, end, to);
        else
            add_product(&r, job, first, end, to, scratch);
    }
    add_starts(&r, grads, part, parts);
}

/* ---- what others see ---- */

View step_output(const Step *step)
{
    const Program *const p = step->program;
    const struct StepMemory *const m = step->memory;
    const int B = step->shape.B;
    At at;
    if (p->output_own)
        at = at_kept(m->output, p->outputs, B);
    else if (p->output_state >= 0) {
        at = at_kept(m->state[p->output_state], p->outputs, B);
        at.at += at.step;
    } else
        at = at_kept(m->buffer[p->value[p->output_value].index], p->outputs, B);
    return (View){at.at, at.step, at.row};
}

size_t step_state_count(const Step *step)
{
    size_t floats = 0;
    for (int s = 0; s < step->program->states; s++)
        floats += (size_t)state_floats(step->program, s);
    return floats;
}

void step_get_state(const Step *step, int b, float *state)
{
    const struct StepMemory *const m = step->memory;
    for (int s = 0; s < step->program->states; s++) {
        const size_t n = (size_t)state_floats(step->program, s);
        memcpy(state, state_row(step, m->state, s, m->carried[b], b),
               n * sizeof *state);
        state += n;
    }
}

void step_set_state(Step *step, int b, const float *state)
{
    struct StepMemory *const m = step->memory;
    m->carried[b] = 0;
    for (int s = 0; s < step->program->states; s++) {
        const size_t n = (size_t)state_floats(step->program, s);
        memcpy(state_row(step, m->state, s, 0, b), state, n * sizeof *state);
        state += n;
    }
}

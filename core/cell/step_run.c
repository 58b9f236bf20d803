/* step_run.c: the instructions of a phase, block by block.
 *
 * Rows are cut into blocks of at most ROW_BLOCK, units into blocks such that a strip of
 * rows x units is about STRIP floats: what a group of instructions works on stays in
 * L1. None of these sizes changes a bit. */
#include "step_run.h"

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

void run_rows(const Run *r, Phase phase, int t, int first, int end)
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

void run_steps(const Run *r, Phase phase, int t, int steps, bool flat)
{
    if (r->whole && flat) {
        run_rows(r, phase, t, 0, steps * r->step->shape.B);
        return;
    }
    for (int i = 0; i < steps; i++) run_rows(r, phase, t + i, r->first, r->end);
}

/* step_run.c: the instructions of a phase, block by block.
 *
 * Rows are cut into blocks of at most ROW_BLOCK, units into blocks such that a strip of
 * rows x units is about STRIP floats: what a group of instructions works on stays in
 * L1. Matrices are cut into whole rows of about STRIP floats. None of these sizes
 * changes a bit. */
#include "step_run.h"

/* ---- instructions ---- */

/* The rows [r, r + rows) of step t, and the units [j, j + units) of them. */
typedef struct Block {
    int t, r, rows;
    int j, units; /* units 0: all */
    int top;      /* the row that strips begin with */
} Block;

/* Of unit j, which is the first of a block. */
static float *address(const At *v, const Block *b, int j)
{
    const ptrdiff_t row = v->row * (v->strip ? b->r - b->top : b->r);
    return v->at + v->step * b->t + v->odd * (b->t % 2) + row + (v->block ? 0 : j);
}

static size_t row_of(const At *v, const Block *b)
{
    return v->block ? padded((size_t)b->units) : (size_t)v->row;
}

static void run_map(const Run *r, const Instr *i, const Block *b)
{
    const At *const v = r->value;
    Map m = {.rows = b->rows,
             .n = b->units,
             .y = address(&v[i->y], b, b->j),
             .y_row = row_of(&v[i->y], b),
             .a = address(&v[i->a], b, b->j),
             .a_row = row_of(&v[i->a], b)};
    if (i->b >= 0) m.b = address(&v[i->b], b, b->j), m.b_row = row_of(&v[i->b], b);
    if (i->c >= 0) m.c = address(&v[i->c], b, b->j), m.c_row = row_of(&v[i->c], b);
    simd->map[i->map](&m);
}

/* What an operand of a grouped Map has: [groups][m][inner], [groups][m] or
 * [groups][inner]. */
typedef enum Extent { FULL, ROWS, COLUMNS } Extent;

static const struct {
    Extent y, a, b;
} extent[MAP_COUNT] = {
    // clang-format off
    [MAP_sum]      = {ROWS, FULL, FULL},
    [MAP_expand]   = {FULL, ROWS, FULL},
    [MAP_outer]    = {FULL, ROWS, COLUMNS},
    [MAP_matvec]   = {ROWS, FULL, COLUMNS},
    [MAP_matvec_t] = {COLUMNS, FULL, ROWS},
    // clang-format on
};

/* Where an operand begins, for a block that begins at b->j of FULL. */
static float *operand(const At *v, Extent e, const Instr *i, const Block *b)
{
    const int j = e == FULL   ? b->j
                  : e == ROWS ? b->j / i->inner
                              : b->j / (i->m * i->inner) * i->inner;
    return address(v, b, j);
}

/* The axes of a block of matrices: all of some groups, or rows of one. */
static void cut_axes(Map *m, const Block *b)
{
    m->go_on = b->j % (m->m * m->inner) != 0;
    m->inner = least(m->inner, b->units);
    m->m = least(m->m, b->units / m->inner);
    m->groups = b->units / m->inner / m->m;
}

static void run_grouped(const Run *r, const Instr *i, const Block *b)
{
    const At *const v = r->value;
    Map m = {.rows = b->rows,
             .n = b->units ? b->units : i->groups * i->m * i->inner,
             .groups = i->groups,
             .m = i->m,
             .inner = i->inner,
             .y = operand(&v[i->y], extent[i->map].y, i, b),
             .y_row = row_of(&v[i->y], b),
             .a = operand(&v[i->a], extent[i->map].a, i, b),
             .a_row = row_of(&v[i->a], b)};
    if (i->b >= 0) {
        m.b = operand(&v[i->b], extent[i->map].b, i, b);
        m.b_row = row_of(&v[i->b], b);
    }
    if (b->units) cut_axes(&m, b);
    simd->map[i->map](&m);
}

static void run_product(const Run *r, const Instr *i, const Block *b)
{
    const At *const v = r->value;
    const Pack *const p = &r->program->pack[i->pack];
    const float *const packed =
        r->step->memory->packed + r->step->memory->pack_at[i->pack];
    for (int g = 0; g < p->G; g++) {
        const Gemm product = {.m = b->rows,
                              .n = b->units ? b->units : p->n,
                              .k = p->k,
                              .a = address(&v[i->a], b, 0) + g * p->k,
                              .a_row = (size_t)v[i->a].row,
                              .a_col = 1,
                              .b = packed + (size_t)g * simd->packed(p->n, p->k) +
                                   simd->packed(b->j, p->k),
                              .d = i->b < 0 ? NULL
                                            : address(&v[i->b], b, b->j) + g * p->n,
                              .d_row = i->b < 0 ? 0 : row_of(&v[i->b], b),
                              .c = address(&v[i->y], b, b->j) + g * p->n,
                              .c_row = row_of(&v[i->y], b)};
        simd->gemm(&product);
    }
}

static void run_look_up(const Run *r, const Instr *i, const Block *b)
{
    const At *const v = r->value;
    const Pack *const p = &r->program->pack[i->pack];
    const struct StepMemory *const m = r->step->memory;
    const int32_t *const symbol = r->memory->symbol;
    simd->look_up(b->rows, b->units ? b->units : p->n,
                  symbol + (size_t)b->t * (size_t)r->step->shape.B + b->r,
                  m->packed + m->pack_at[i->pack] + b->j, row_floats(p->n),
                  i->b < 0 ? NULL : address(&v[i->b], b, b->j),
                  address(&v[i->y], b, b->j), row_of(&v[i->y], b));
}

/* Rows of several steps may follow one another; each has its own step number. */
static void run_mask(const Run *r, const Instr *i, const Block *b)
{
    const Chunk *const c = r->chunk;
    const At *const y = &r->value[i->y];
    const int B = r->step->shape.B, units = b->units ? b->units : y->n;
    float *at = address(y, b, b->j);
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
    [KIND_MAP] = run_map,         [KIND_GROUPED] = run_grouped,
    [KIND_PRODUCT] = run_product, [KIND_LOOK_UP] = run_look_up,
    [KIND_MASK] = run_mask,
};

/* ---- groups and phases ---- */

static void run_block(const Run *r, const Group *g, const Block *b)
{
    for (int i = g->first; i < g->end; i++) {
        const Instr *const instr = &r->program->instr[i];
        run_kind[instr->kind](r, instr, b);
    }
}

static void run_units(const Run *r, const Group *g, const Block *of, int first, int end)
{
    Block b = *of;
    const int step = units_for(b.rows);
    for (b.j = first; b.j < end; b.j += step) {
        b.units = least(end - b.j, step);
        run_block(r, g, &b);
    }
}

/* All matrices of some rows of the mini-batch, or rows of one matrix of one of them. */
static void run_matrices(const Run *r, const Group *g, const Block *of)
{
    Block b = *of;
    const bool all = padded((size_t)g->width) <= STRIP;
    const int head = all ? g->width : g->head;
    const int step = least(head, STRIP / g->inner * g->inner);
    const int rows = STRIP / (int)padded((size_t)step), end = b.r + b.rows;
    for (; b.r < end; b.r += rows)
        for (b.j = 0; b.j < g->width; b.j += b.units) {
            b.rows = least(end - b.r, rows);
            b.units = least(head - b.j % head, step);
            run_block(r, g, &b);
        }
}

/* Part of a group: units, whole panels; or rows where these must be whole. */
static void run_group(const Run *r, const Group *g, const Block *of, int part,
                      int parts)
{
    if (g->width && !g->inner) {
        run_units(r, g, of, part_at(g->width, simd->panel, part, parts),
                  part_at(g->width, simd->panel, part + 1, parts));
        return;
    }
    const int first = part_at(of->rows, 1, part, parts),
              end = part_at(of->rows, 1, part + 1, parts);
    Block b = *of;
    b.r += first;
    b.rows = end - first;
    if (b.rows > 0) (g->inner ? run_matrices : run_block)(r, g, &b);
}

static int row_blocks(int rows)
{
    return (rows + ROW_BLOCK - 1) / ROW_BLOCK;
}

/* Block i of rows [first, end) of step t. */
static Block row_block(int t, int first, int end, int i)
{
    const int blocks = row_blocks(end - first);
    const int at = first + part_at(end - first, 1, i, blocks);
    const int next = first + part_at(end - first, 1, i + 1, blocks);
    return (Block){.t = t, .r = at, .rows = next - at, .top = at};
}

static void run_rows(const Run *r, Phase phase, int t, int first, int end)
{
    const Program *const p = r->program;
    for (int i = 0; i < row_blocks(end - first); i++) {
        const Block b = row_block(t, first, end, i);
        for (int g = p->group_at[phase]; g < p->group_at[phase + 1]; g++)
            run_group(r, &p->group[g], &b, 0, 1);
    }
}

/* Rows [from, to) of those of all steps. */
static void run_span(const Run *r, Phase phase, int t, bool flat, int from, int to)
{
    const int n = r->end - r->first;
    if (r->whole && flat) {
        run_rows(r, phase, t, from, to);
        return;
    }
    for (int i = from / n; i * n < to; i++)
        run_rows(r, phase, t + i, r->first + (i * n < from ? from - i * n : 0),
                 r->first + least(to - i * n, n));
}

/* Likewise, where steps have fewer and fewer rows, or more and more. */
static void run_live_span(const Run *r, Phase phase, int t, int steps, int from, int to)
{
    for (int i = 0; i < steps; i++) {
        const int n = run_end(r, t + i) - r->first;
        const int at = most(from, 0), end = least(to, n);
        if (at < end) run_rows(r, phase, t + i, r->first + at, r->first + end);
        from -= n, to -= n;
    }
}

static int count_rows(const Run *r, int t, int steps)
{
    if (!r->chunk->live) return steps * (r->end - r->first);
    int rows = 0;
    for (int i = 0; i < steps; i++) rows += run_end(r, t + i) - r->first;
    return rows;
}

void run_steps(const Run *r, Phase phase, int t, int steps, bool flat)
{
    const int rows = count_rows(r, t, steps), parts = gang_members(r->member);
    const bool all = rows == steps * (r->end - r->first);
    for (int part = -1; (part = gang_next(r->member, part)) >= 0;) {
        const int from = part_at(rows, 1, part, parts),
                  to = part_at(rows, 1, part + 1, parts);
        if (all)
            run_span(r, phase, t, flat, from, to);
        else
            run_live_span(r, phase, t, steps, from, to);
    }
}

/* ---- the loop ---- */

/* Counts groups through all blocks of rows of all steps: a round is those from one that
 * waits to the next, each member's part of them. */
void run_loop(const Run *r, Phase phase, int t, int steps)
{
    const Program *const p = r->program;
    const Group *const group = p->group + p->group_at[phase];
    const int groups = p->group_at[phase + 1] - p->group_at[phase];
    const int a_step = row_blocks(r->end - r->first) * groups, all = steps * a_step;
    const int parts = gang_members(r->member);
    for (int from = 0, to; from < all; from = to) {
        for (to = from + 1; to < all && group[to % groups].joined;) to++;
        for (int part = -1; (part = gang_next(r->member, part)) >= 0;)
            for (int i = from; i < to; i++) {
                const int step = i / a_step;
                const Block b =
                    row_block(phase == FORWARD_LOOP ? t + step : t + steps - 1 - step,
                              r->first, r->end, i % a_step / groups);
                run_group(r, &group[i % groups], &b, part, parts);
            }
    }
}

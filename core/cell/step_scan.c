/* step_scan.c: a loop that is y = a s + b in each state, cut into segments of time.
 *
 *   |---- segment 0 ----|---- segment 1 ----|-- 2 --|     of `scan` steps; the gradient's
 *                                                         order is from the last to the first
 *   reduce  all but the last, side by side: y from s = 0, and p, the product of all a
 *   carry   one after the other: y of the last step = p s + y, s what the segment enters
 *   run     all, side by side: from what each enters, the steps before its last, which carry
 *           has made
 *
 * These are three rounds of a gang, cut by segments and by blocks of units. Every element has
 * the same operations whoever does them: bits depend on the length of a segment alone.
 *
 * A row is frozen past its end (or before its begin): its y is s, and its p goes on. */
#include "step_run.h"

#include <string.h>

/* One state's recurrence. */
typedef struct Scan {
    const Run *run;
    At y, s, a, b;
    float *p; /* [segments][B][n]: PLACE_STATE's rows */
    bool forward;
    int first, end; /* steps */
    int segments;   /* in the order of the loop */
} Scan;

/* Steps first, first + way .. last. */
typedef struct Segment {
    int index, first, last, way;
    bool final;
} Segment;

typedef struct Block {
    int r, rows; /* of the mini-batch */
    int j, units;
} Block;

static Segment segment_of(const Scan *s, int index)
{
    const int n = s->run->step->scan;
    const int i = s->forward ? s->first / n + index : (s->end - 1) / n - index;
    const int low = most(i * n, s->first), last = least((i + 1) * n, s->end) - 1;
    const bool final = index == s->segments - 1;
    return s->forward ? (Segment){index, low, last, 1, final}
                      : (Segment){index, last, low, -1, final};
}

/* Of the live steps of a row, those of a segment; none: the last is before the first. */
static Segment live_part(const Scan *s, const Segment *g, int row)
{
    const Chunk *const c = s->run->chunk;
    const int begin = c->begin ? c->begin[row] : 0, end = c->end ? c->end[row] : c->T;
    Segment live = *g;
    if (s->forward) {
        live.first = most(g->first, begin);
        live.last = least(g->last, end - 1);
    } else {
        live.first = least(g->first, end - 1);
        live.last = most(g->last, begin);
    }
    return live;
}

static bool is_in(const Segment *g, int t)
{
    return g->way * (t - g->first) >= 0 && g->way * (g->last - t) >= 0;
}

/* ---- a step of a block ---- */

static float *address(const At *v, int t, const Block *b)
{
    return v->at + v->step * t + v->row * b->r + b->j;
}

static float *product_of(const Scan *s, int segment, const Block *b)
{
    const ptrdiff_t segment_floats = s->y.row * s->run->step->shape.B;
    return s->p + segment_floats * segment + s->y.row * b->r + b->j;
}

/* y = a */
static void copy(const Block *b, float *y, size_t y_row, const float *a, size_t a_row)
{
    const Map m = {
        .rows = b->rows, .n = b->units, .y = y, .y_row = y_row, .a = a, .a_row = a_row};
    simd->map[MAP_copy](&m);
}

/* y = a s + b of step t, where s and b may be elsewhere. */
static void advance(const Scan *s, const Block *b, int t, const float *from)
{
    const Map m = {.rows = b->rows,
                   .n = b->units,
                   .y = address(&s->y, t, b),
                   .y_row = (size_t)s->y.row,
                   .a = address(&s->a, t, b),
                   .a_row = (size_t)s->a.row,
                   .b = from,
                   .b_row = (size_t)s->s.row,
                   .c = address(&s->b, t, b),
                   .c_row = (size_t)s->b.row};
    simd->map[MAP_fma](&m);
}

/* ---- reduce ---- */

/* y of the segment's last step, p: as if it entered 0. */
static void reduce_live(const Scan *s, const Segment *g, const Segment *live,
                        const Block *b)
{
    const size_t row = (size_t)s->y.row;
    float *const y = address(&s->y, g->last, b), *const p = product_of(s, g->index, b);
    copy(b, y, row, address(&s->b, live->first, b), (size_t)s->b.row);
    copy(b, p, row, address(&s->a, live->first, b), (size_t)s->a.row);
    for (int t = live->first; t != live->last;) {
        t += live->way;
        const float *const a = address(&s->a, t, b);
        const size_t a_row = (size_t)s->a.row;
        const Map step = {b->rows,      b->units,
                          .y = y,       .a = a,
                          .b = y,       .c = address(&s->b, t, b),
                          .y_row = row, .a_row = a_row,
                          .b_row = row, .c_row = (size_t)s->b.row};
        const Map product = {b->rows, b->units,     .y = p,         .a = a,
                             .b = p,  .y_row = row, .a_row = a_row, .b_row = row};
        simd->map[MAP_fma](&step);
        simd->map[MAP_mul](&product);
    }
}

/* y = 0, p = 1 */
static void reduce_frozen(const Scan *s, const Segment *g, const Block *b)
{
    float *const y = address(&s->y, g->last, b), *const p = product_of(s, g->index, b);
    for (int j = 0; j < b->units; j++) y[j] = 0, p[j] = 1;
}

static void reduce(const Scan *s, const Segment *g, const Block *b)
{
    if (g->final) return;
    const Chunk *const c = s->run->chunk;
    if (!c->begin && !c->end) {
        reduce_live(s, g, g, b);
        return;
    }
    for (int i = 0; i < b->rows; i++) {
        const Block row = {b->r + i, 1, b->j, b->units};
        const Segment live = live_part(s, g, row.r);
        if (is_in(&live, live.last))
            reduce_live(s, g, &live, &row);
        else
            reduce_frozen(s, g, &row);
    }
}

/* ---- carry ---- */

static void carry(const Scan *s, const Block *b)
{
    for (int i = 0; i < s->segments - 1; i++) {
        const Segment g = segment_of(s, i);
        float *const y = address(&s->y, g.last, b);
        const size_t row = (size_t)s->y.row;
        const Map m = {b->rows,
                       b->units,
                       .y = y,
                       .a = product_of(s, i, b),
                       .b = address(&s->s, g.first, b),
                       .c = y,
                       .y_row = row,
                       .a_row = row,
                       .b_row = row,
                       .c_row = row};
        simd->map[MAP_fma](&m);
    }
}

/* ---- run ---- */

/* A frozen step hands on what it enters. Its gradient is nobody's in the step itself. */
static void pass_by(const Scan *s, int t, const Block *b, bool made)
{
    float *const from = address(&s->s, t, b);
    if (!made) memcpy(address(&s->y, t, b), from, (size_t)b->units * sizeof *from);
    if (!s->forward) memset(from, 0, (size_t)b->units * sizeof *from);
}

static void run_row(const Scan *s, const Segment *g, const Block *b)
{
    const Segment live = live_part(s, g, b->r);
    for (int t = g->first;; t += g->way) {
        const bool made = t == g->last && !g->final;
        if (!is_in(&live, t))
            pass_by(s, t, b, made);
        else if (!made)
            advance(s, b, t, address(&s->s, t, b));
        if (t == g->last) return;
    }
}

static void run(const Scan *s, const Segment *g, const Block *b)
{
    const Chunk *const c = s->run->chunk;
    if (c->begin || c->end) {
        for (int i = 0; i < b->rows; i++)
            run_row(s, g, &(Block){b->r + i, 1, b->j, b->units});
        return;
    }
    const int end = g->final ? g->last + g->way : g->last;
    for (int t = g->first; t != end; t += g->way)
        advance(s, b, t, address(&s->s, t, b));
}

/* ---- rounds ---- */

/* Part of the pieces: segments, block by block of units. */
static void run_pieces(const Scan *s, int part, int parts,
                       void (*job)(const Scan *, const Segment *, const Block *))
{
    const Run *const r = s->run;
    const int rows = r->end - r->first, units = units_for(least(rows, ROW_BLOCK));
    const int blocks = (s->y.n + units - 1) / units, pieces = s->segments * blocks;
    for (int i = part_at(pieces, 1, part, parts);
         i < part_at(pieces, 1, part + 1, parts); i++) {
        const Segment g = segment_of(s, i / blocks);
        const int j = i % blocks * units;
        job(s, &g, &(Block){r->first, rows, j, least(units, s->y.n - j)});
    }
}

static void reduce_pieces(const Scan *s, int part, int parts)
{
    run_pieces(s, part, parts, reduce);
}

static void carry_units(const Scan *s, int part, int parts)
{
    const int j = part_at(s->y.n, LANES_MAX, part, parts);
    const int end = part_at(s->y.n, LANES_MAX, part + 1, parts);
    const Block b = {s->run->first, s->run->end - s->run->first, j, end - j};
    if (b.units > 0) carry(s, &b);
}

static void rerun_pieces(const Scan *s, int part, int parts)
{
    run_pieces(s, part, parts, run);
}

static Scan scan_of(const Run *r, const Instr *i, Phase phase, int t, int steps)
{
    const int n = r->step->scan;
    return (Scan){.run = r,
                  .y = r->value[i->y],
                  .a = r->value[i->a],
                  .s = r->value[i->b],
                  .b = r->value[i->c],
                  .p = r->memory->product[r->program->value[i->y].index],
                  .forward = phase == FORWARD_LOOP,
                  .first = t,
                  .end = t + steps,
                  .segments = (t + steps - 1) / n - t / n + 1};
}

/* All states' in one round. */
static void run_round(const Run *r, Phase phase, int t, int steps,
                      void (*job)(const Scan *s, int part, int parts))
{
    const Program *const p = r->program;
    const Group *const group = p->group;
    const int parts = gang_members(r->member);
    for (int part = -1; (part = gang_next(r->member, part)) >= 0;)
        for (int g = p->group_at[phase]; g < p->group_at[phase + 1]; g++)
            for (int i = group[g].first; i < group[g].end; i++) {
                const Scan s = scan_of(r, &p->instr[i], phase, t, steps);
                job(&s, part, parts);
            }
}

void run_scan(const Run *r, Phase phase, int t, int steps)
{
    if ((t + steps - 1) / r->step->scan > t / r->step->scan) {
        run_round(r, phase, t, steps, reduce_pieces);
        run_round(r, phase, t, steps, carry_units);
    }
    run_round(r, phase, t, steps, rerun_pieces);
}

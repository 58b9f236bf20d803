/* step_cost.c: what the calls of step.h cost, by walking the program as they do: block
 * by block for a step, times the steps. */
#include "step_run.h"

#include <math.h>

#define DISPATCH 3 /* calls' worth: an instruction finds its operands */

/* A call of one of the phases. */
typedef struct Walk {
    const Step *step;
    const Program *program;
    const Rates *rates;
    int rows, parts; /* of the mini-batch; members of the gang */
    double resident; /* bytes of the matrices of a phase, of one member */
} Walk;

static double pack_bytes(const Pack *p)
{
    return 4.0 * p->G * p->n * p->k;
}

/* What the products of a phase read. */
static double phase_bytes(const Program *p, Phase phase)
{
    double bytes = 0;
    for (int g = p->group_at[phase]; g < p->group_at[phase + 1]; g++)
        for (int i = p->group[g].first; i < p->group[g].end; i++)
            if (p->instr[i].kind == KIND_PRODUCT)
                bytes += pack_bytes(&p->pack[p->instr[i].pack]);
    return bytes;
}

/* ---- instructions, of so many rows and units (0: all) ---- */

static Cost product_cost(const Walk *w, const Instr *i, double rows, double units)
{
    const Pack *const p = &w->program->pack[i->pack];
    const double n = units > 0 ? units : p->n;
    return cost_times(rates_product(w->rates, rows, n, p->k, w->resident), p->G);
}

static Cost instr_cost(const Walk *w, const Instr *i, double rows, double units)
{
    const Value *const y = &w->program->value[i->y];
    double n = units > 0 ? units : y->n;
    switch (i->kind) {
    case KIND_PRODUCT: return product_cost(w, i, rows, units);
    case KIND_MASK: return (Cost){.seconds = rows * n * w->rates->drop};
    case KIND_LOOK_UP: return rates_map(w->rates, MAP_add, rows, n);
    case KIND_GROUPED:
        if (units <= 0) n = (double)i->groups * i->m * i->inner;
        return rates_map(w->rates, i->map, rows, n);
    default: return rates_map(w->rates, i->map, rows, n);
    }
}

/* Elementwise, what the values of a group are too many for L1 goes through L2. */
static double spill(const Walk *w, const Group *g, double rows, double units)
{
    double bytes = 0, kept = 0;
    for (int i = g->first; i < g->end; i++) {
        const Instr *const in = &w->program->instr[i];
        const double n = units > 0 ? units : w->program->value[in->y].n;
        if (in->kind == KIND_PRODUCT) continue;
        kept += 4 * rows * n;
        bytes += 4 * rows * n * (2 + (in->b >= 0) + (in->c >= 0));
    }
    return kept > L1_BYTES ? bytes * (1 - L1_BYTES / kept) / w->rates->l2 : 0;
}

static Cost instrs_cost(const Walk *w, const Group *g, double rows, double units)
{
    Cost cost = {.seconds = spill(w, g, rows, units)};
    for (int i = g->first; i < g->end; i++)
        cost_add(&cost, instr_cost(w, &w->program->instr[i], rows, units));
    cost.seconds += (g->end - g->first) * DISPATCH * w->rates->call;
    return cost;
}

/* ---- groups: as run_group cuts them, of the member with the most ---- */

static double ceil_of(double a, double b)
{
    const double q = floor(a / b);
    return q * b < a ? q + 1 : q;
}

static Cost units_cost(const Walk *w, const Group *g, int rows, int parts)
{
    const double panel = simd->panel, block = units_for(rows);
    double left = ceil_of(ceil_of(g->width, panel), parts) * panel;
    if (left > g->width) left = g->width;
    const double blocks = floor(left / block);
    Cost cost = cost_times(instrs_cost(w, g, rows, block), blocks);
    left -= blocks * block;
    if (left > 0) cost_add(&cost, instrs_cost(w, g, rows, left));
    cost.flops = instrs_cost(w, g, rows, g->width).flops / parts;
    return cost;
}

/* Blocks of about STRIP floats. */
static Cost matrices_cost(const Walk *w, const Group *g, double rows)
{
    const double blocks = rows * (double)padded((size_t)g->width) / STRIP;
    const double most = blocks > 1 ? blocks : 1;
    return cost_times(instrs_cost(w, g, rows * g->width / STRIP > 1 ? 1 : rows,
                                  blocks > 1 ? STRIP : g->width),
                      most);
}

static Cost group_cost(const Walk *w, const Group *g, int rows, int parts)
{
    if (g->width && !g->inner) return units_cost(w, g, rows, parts);
    const double most = ceil_of(rows, parts);
    return g->inner ? matrices_cost(w, g, most) : instrs_cost(w, g, most, 0);
}

/* ---- phases ---- */

/* Of rows that are run at once. */
static Cost rows_cost(const Walk *w, Phase phase, double rows)
{
    const Program *const p = w->program;
    const double blocks = ceil_of(rows, ROW_BLOCK);
    Cost cost = {0};
    for (int g = p->group_at[phase]; g < p->group_at[phase + 1]; g++)
        cost_add(&cost, group_cost(w, &p->group[g], (int)ceil_of(rows, blocks), 1));
    return cost_times(cost, blocks);
}

/* Outside the loop, for each step. */
static Cost around_cost(Walk *w, Phase phase, int T)
{
    const Program *const p = w->program;
    if (p->group_at[phase] == p->group_at[phase + 1]) return (Cost){0};
    /* with the loop's between them, backward about as many as forward */
    w->resident = phase_bytes(p, FORWARD_BEFORE) + phase_bytes(p, FORWARD_LOOP) +
                  phase_bytes(p, FORWARD_AFTER);
    const bool whole = w->rows == w->step->shape.B;
    const int steps = w->step->scan ? T : steps_at_once(w->rows, w->parts);
    const double rows = (double)w->rows * steps / w->parts;
    Cost cost = whole ? rows_cost(w, phase, rows)
                      : cost_times(rows_cost(w, phase, w->rows), rows / w->rows);
    if (w->parts > 1) cost.seconds += w->rates->round;
    return cost_times(cost, 1.0 / steps);
}

/* A step of the loop. */
static Cost loop_cost(Walk *w, Phase phase)
{
    const Program *const p = w->program;
    w->resident = phase_bytes(p, phase) / w->parts;
    const int blocks = (w->rows + ROW_BLOCK - 1) / ROW_BLOCK;
    const int rows = (w->rows + blocks - 1) / blocks;
    Cost cost = {0};
    for (int g = p->group_at[phase]; g < p->group_at[phase + 1]; g++) {
        cost_add(&cost, group_cost(w, &p->group[g], rows, w->parts));
        if (w->parts > 1 && !p->group[g].joined) cost.seconds += w->rates->round;
    }
    return cost_times(cost, blocks);
}

/* ---- a loop cut into segments: as run_scan cuts it ---- */

/* So many segments of a state, of the member with the most: what each enters is found by a
 * multiply-add and a product a step, and made use of by another multiply-add. */
static Cost segments_cost(const Walk *w, int n, double segments)
{
    const int rows = w->rows < ROW_BLOCK ? w->rows : ROW_BLOCK, units = units_for(rows);
    const double block = n < units ? n : units;
    const double pieces = ceil_of(segments * ceil_of(n, block), w->parts);
    const double finding = ceil_of((segments - 1) * ceil_of(n, block), w->parts);
    const Cost add = rates_map(w->rates, MAP_fma, w->rows, block);
    Cost find = rates_map(w->rates, MAP_mul, w->rows, block);
    cost_add(&find, add);
    Cost cost = cost_times(add, pieces * w->step->scan);
    cost_add(&cost, cost_times(find, finding * w->step->scan));
    cost_add(&cost,
             cost_times(rates_map(w->rates, MAP_fma, w->rows, ceil_of(n, w->parts)),
                        segments - 1));
    return cost;
}

static Cost scan_cost(const Walk *w, int T)
{
    const double segments = ceil_of(T, w->step->scan);
    Cost cost = {0};
    for (int s = 0; s < w->program->states; s++)
        cost_add(&cost, segments_cost(w, state_floats(w->program, s), segments));
    if (w->parts > 1) cost.seconds += (segments > 1 ? 3 : 1) * w->rates->round;
    return cost;
}

/* ---- calls ---- */

/* All steps of a loop. */
static Cost steps_cost(Walk *w, Phase phase, int T)
{
    return w->step->scan ? scan_cost(w, T) : cost_times(loop_cost(w, phase), T);
}

/* What steps keep is written, and comes back after all of the chunk: `part` of it. */
static Cost kept_cost(const Walk *w, int T, double part)
{
    const StepShape *const s = &w->step->shape;
    const double kept = 4.0 * (double)program_kept(w->program);
    return rates_steps(w->rates, part * kept * w->rows / w->parts * T,
                       kept * s->B * s->T);
}

/* What is made before the loop, if the loop comes long after. */
static Cost before_cost(const Walk *w, int T)
{
    const Program *const p = w->program;
    const StepShape *const s = &w->step->shape;
    double made = 0;
    for (int g = p->group_at[FORWARD_BEFORE]; g < p->group_at[FORWARD_BEFORE + 1]; g++)
        for (int i = p->group[g].first; i < p->group[g].end; i++)
            made += 4.0 * p->value[p->instr[i].y].n;
    return rates_steps(w->rates, made * w->rows / w->parts * T, made * s->B * s->T);
}

static Cost phase_cost(Walk *w, Phase phase, int T)
{
    return cost_times(around_cost(w, phase, T), T);
}

static Cost forward_cost(Walk *w, const StepJob *job)
{
    Cost cost = steps_cost(w, FORWARD_LOOP, job->T);
    cost_add(&cost, job->ready ? before_cost(w, job->T)
                               : phase_cost(w, FORWARD_BEFORE, job->T));
    cost_add(&cost, phase_cost(w, FORWARD_AFTER, job->T));
    cost_add(&cost, kept_cost(w, job->T, 0.5)); /* half is kept for the other half */
    return cost;
}

static Cost backward_cost(Walk *w, int T)
{
    Cost cost = phase_cost(w, BACKWARD_BEFORE, T);
    cost_add(&cost, steps_cost(w, BACKWARD_LOOP, T));
    cost_add(&cost, phase_cost(w, BACKWARD_AFTER, T));
    cost_add(&cost, kept_cost(w, T, 1));
    return cost;
}

/* Rows of d and columns of x that job i of a part must pack, unless another has. */
static int packed_by(const Program *p, int i, int rows, int part, int parts)
{
    const GradientJob *const j = &p->gradient[i];
    bool d = true, x = true;
    for (int other = 0; other < i; other++) {
        const GradientJob *const o = &p->gradient[other];
        int first, end;
        const bool here =
            o->x >= 0 && program_rows(p, o->param, o->R, part, parts, &first, &end);
        d &= !here || o->d != j->d;
        x &= !here || o->x != j->x;
    }
    return (d ? rows : 0) + (x ? j->K : 0);
}

static Cost job_cost(const Walk *w, int i, int T, int part)
{
    const Program *const p = w->program;
    const Rates *const r = w->rates;
    const GradientJob *const j = &p->gradient[i];
    const double rows = (double)T * w->step->shape.B;
    int first, end;
    if (!program_rows(p, j->param, j->R, part, w->parts, &first, &end))
        return (Cost){0};
    const int n = end - first;
    const double packed = packed_by(p, i, n, part, w->parts);
    Cost cost =
        rates_stream(r, 4 * rows * j->G * packed, 4 * rows * (j->R + j->K) * j->G);
    if (j->x < 0 || j->table)
        cost_add(&cost, rates_map(r, MAP_add, rows, n));
    else
        cost_add(&cost, rates_gradient(r, rows * j->G, n, j->K, packed));
    if (j->table) cost.seconds += 2.0 * n * j->K * r->pack;
    return cost;
}

static Cost gradient_cost(const Walk *w, int T, int part)
{
    Cost cost = {0};
    for (int i = 0; i < w->program->gradients; i++)
        cost_add(&cost, job_cost(w, i, T, part));
    return cost;
}

static Cost packing_cost(const Walk *w)
{
    double bytes = 0;
    for (int i = 0; i < w->program->packs; i++)
        bytes += pack_bytes(&w->program->pack[i]);
    return (Cost){.seconds = w->rates->call + bytes / 4 / w->parts * w->rates->pack};
}

Cost step_cost(const Step *step, const StepJob *job, const Rates *rates)
{
    Walk w = {step, step->program, rates, job->rows, job->parts, 0};
    switch (job->work) {
    case STEP_PACK: return packing_cost(&w);
    case STEP_BEFORE: return phase_cost(&w, FORWARD_BEFORE, job->T);
    case STEP_FORWARD: return forward_cost(&w, job);
    case STEP_BACKWARD: return backward_cost(&w, job->T);
    default: return gradient_cost(&w, job->T, job->part);
    }
}

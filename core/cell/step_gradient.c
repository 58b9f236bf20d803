/* step_gradient.c: weight gradients, one product over all rows and steps. */
#include "step_run.h"

#include <assert.h>

static void add_product(const Run *r, const GradientJob *j, int first, int end,
                        float *dm, float *scratch)
{
    const At *d = &r->value[j->d], *x = &r->value[j->x];
    const int B = r->step->shape.B, T = r->chunk->T;
    const bool flat = is_flat(d->step, d->row, B) && is_flat(x->step, x->row, B);
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
    const bool flat = is_flat(d->step, d->row, B);
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
    const size_t row = row_floats(step_table_columns(p, p->gradients));
    float *const table = m->table + step_table_columns(p, (int)(j - p->gradient));
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

/* Where a trainable start began a sequence, its gradient is that of the entering
 * state. */
static void add_starts(const Run *r, float *grads, int part, int parts)
{
    const Program *const p = r->program;
    for (int s = 0; s < p->states && r->chunk->fresh; s++) {
        if (p->state[s].start_param < 0) continue;
        const int n = state_floats(p, s);
        const int first = part_at(n, LANES_MAX, part, parts),
                  end = part_at(n, LANES_MAX, part + 1, parts);
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
        const int first = part_at(job->R, LANES_MAX, part, parts);
        const int end = part_at(job->R, LANES_MAX, part + 1, parts);
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

/* step_gradient.c: weight gradients, one product over all rows and steps. */
#include "step_run.h"

#include <assert.h>

/* A job for head g, and rows [first, end) of its part of dM; from step `cut` on. */
static Gradient job_of(const Run *r, const GradientJob *j, int g, int first, int end,
                       ptrdiff_t cut, float *grads)
{
    const At *const d = &r->value[j->d], *const x = j->x < 0 ? d : &r->value[j->x];
    const size_t row = (size_t)(g * j->R + first);
    return (Gradient){.n = end - first,
                      .k = j->K,
                      .d = d->at + cut * d->step + row,
                      .d_row = (size_t)d->row,
                      .x = j->x < 0 ? NULL : x->at + cut * x->step + g * j->K,
                      .x_row = (size_t)x->row,
                      .dw = grads + r->program->param_offset[j->param] +
                            row * (size_t)j->K,
                      .dw_row = (size_t)j->K};
}

static bool is_flat_job(const Run *r, const GradientJob *j)
{
    const At *const d = &r->value[j->d], *const x = j->x < 0 ? d : &r->value[j->x];
    const int B = r->step->shape.B;
    return is_flat(d->step, d->row, B) && is_flat(x->step, x->row, B);
}

static bool overlap(const Gradient *a, const Gradient *b)
{
    return a->dw < b->dw + (size_t)b->n * b->dw_row &&
           b->dw < a->dw + (size_t)a->n * a->dw_row;
}

/* In one call the jobs take turns, so that an element of dw must be in one of them
 * only. */
static bool fits(const Gradient *list, int count, const Gradient *job)
{
    if (count == GRADIENT_JOBS) return false;
    for (int i = 0; i < count; i++)
        if (overlap(&list[i], job)) return false;
    return true;
}

/* Step by step, where rows do not follow one another from one to the next. */
static void add_steps(const Run *r, const GradientJob *j, const Gradient *job,
                      float *scratch)
{
    const At *const d = &r->value[j->d], *const x = j->x < 0 ? d : &r->value[j->x];
    for (int t = r->chunk->cut; t < r->chunk->T; t++)
        for (int first, end = 0; next_rows(r, t, &first, &end);) {
            Gradient rows = *job;
            rows.d += t * d->step + first * d->row;
            if (rows.x) rows.x += t * x->step + first * x->row;
            simd->gradient(end - first, NULL, 1, &rows, scratch);
        }
}

static void add_jobs(const Run *r, float *grads, int part, int parts, float *scratch)
{
    const Program *const p = r->program;
    const Chunk *const c = r->chunk;
    const int rows = c->live ? c->rows : (c->T - c->cut) * r->step->shape.B;
    const int *const row = c->live ? c->row : NULL;
    Gradient list[GRADIENT_JOBS];
    int count = 0;
    for (int i = 0; i < p->gradients; i++) {
        const GradientJob *const j = &p->gradient[i];
        int first, end;
        if (j->table || !program_rows(p, j->param, j->R, part, parts, &first, &end))
            continue;
        for (int g = 0; g < j->G; g++) {
            const bool flat = is_flat_job(r, j);
            const ptrdiff_t cut = flat && !c->live ? c->cut : 0;
            const Gradient job = job_of(r, j, g, first, end, cut, grads);
            if (!fits(list, count, &job)) {
                simd->gradient(rows, row, count, list, scratch);
                count = 0;
            }
            if (flat)
                list[count++] = job;
            else
                add_steps(r, j, &job, scratch);
        }
    }
    if (count > 0) simd->gradient(rows, row, count, list, scratch);
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
    for (int t = r->chunk->cut; t < r->chunk->T; t++)
        for (int b, last = 0; next_rows(r, t, &b, &last);)
            simd->look_up_gradient(last - b, end - first,
                                   r->memory->symbol + (size_t)t * B + b,
                                   d->at + t * d->step + b * d->row + first,
                                   (size_t)d->row, table + first, row);
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
    if (!r->chunk->fresh || r->chunk->cut > 0) return;
    for (int s = 0; s < p->states; s++) {
        if (p->state[s].start_param < 0) continue;
        const int n = state_floats(p, s);
        int first, end;
        if (!program_rows(p, p->state[s].start_param, n, part, parts, &first, &end))
            continue;
        simd->sum_rows(r->step->shape.B, end - first,
                       state_row(r->step, r->memory->dstate, s, 0, 0) + first,
                       row_floats(n),
                       grads + p->param_offset[p->state[s].start_param] + first);
    }
}

void step_gradient(Step *step, const Chunk *chunk, float *grads, int part, int parts,
                   float *scratch)
{
    assert(step->shape.training && !step->shape.flow);
    const Program *const p = step->program;
    At value[VALUES_MAX];
    Run r;
    run_open(&r, step, chunk, NULL, &(Share){0, step->shape.B, scratch, NULL}, value);
    add_jobs(&r, grads, part, parts, scratch);
    for (int i = 0; i < p->gradients; i++) {
        const GradientJob *const job = &p->gradient[i];
        int first, end;
        if (job->table &&
            program_rows(p, job->param, job->R, part, parts, &first, &end))
            add_table(&r, job, first, end, grads + p->param_offset[job->param]);
    }
    add_starts(&r, grads, part, parts);
}

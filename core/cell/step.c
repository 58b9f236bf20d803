/* step.c: a lowered cell, run over a chunk of time for some rows of the mini-batch.
 *
 * Time is cut into blocks of about BEFORE_ROWS rows for each member of a gang, so that
 * what was made before the loop is still in L2 when the loop reads it. */
#include "step.h"

#include "init.h"
#include "step_run.h"

#include <assert.h>
#include <string.h>

static bool step_lower(const Graph *graph, Step *step, bool scan, Error *err)
{
    const StepShape *const s = &step->shape;
    const LowerFor what = {.training = s->training,
                           .dinput = s->dinput,
                           .symbols = s->symbols,
                           .wide = s->B >= WIDE_ROWS,
                           .scan = scan,
                           .flow = s->flow};
    return lower(graph, &what, &step->program, err);
}

/* A chunk of one segment needs no program of its own. */
static bool step_lower_best(const Graph *graph, Step *step, Error *err)
{
    const StepShape *const s = &step->shape;
    if (!step_lower(graph, step, s->scan > 0, err)) return false;
    step->affine = step->program->scan;
    if (!step->affine) return true;
    if (s->T > s->scan) {
        step->scan = s->scan;
        return true;
    }
    program_close(step->program);
    step->program = NULL;
    return step_lower(graph, step, false, err);
}

bool step_open(const Graph *graph, const StepShape *shape, Step *step, Error *err)
{
    *step = (Step){.shape = *shape};
    if (!step_lower_best(graph, step, err)) return false;
    if (step->program->values > VALUES_MAX) {
        const int values = step->program->values;
        step_close(step);
        return error(err, "this cell has %d values in a step; %d are the most", values,
                     VALUES_MAX);
    }
    step->outputs = step->program->outputs;
    step->params = step->program->param_floats;
    if (step_memory_open(step)) return true;
    step_close(step);
    return error(err, "out of memory");
}

void step_close(Step *step)
{
    step_memory_close(step);
    program_close(step->program);
    *step = (Step){0};
}

bool step_initialise(const Step *step, uint64_t seed, uint64_t stream, float *params)
{
    const Program *const p = step->program;
    for (int i = 0; i < p->params; i++)
        if (!init_param(p->param, i, p->hidden, seed, stream,
                        params + p->param_offset[i]))
            return false;
    return true;
}

/* A round of its own, cut by rows. */
static void each_row(const Run *r, void (*job)(const Run *r, int t, int b), int t)
{
    const int rows = r->end - r->first, parts = gang_members(r->member);
    for (int part = -1; (part = gang_next(r->member, part)) >= 0;)
        for (int i = part_at(rows, 1, part, parts);
             i < part_at(rows, 1, part + 1, parts); i++)
            job(r, t, r->first + i);
}

/* ---- forward ---- */

/* Step 0 and, of a row that begins later, that one too: what a chunk before has, or where
 * sequences begin. */
static void enter_states(const Run *r, int b)
{
    const Program *const p = r->program;
    const Chunk *const c = r->chunk;
    for (int s = 0; s < p->states; s++) {
        float *const to = state_row(r->step, r->memory->state, s, 0, b);
        const int n = state_floats(p, s), from = p->state[s].start_param;
        if (!c->fresh)
            memmove(to,
                    state_row(r->step, r->step->memory->slot[c->from].state, s,
                              c->enter_t, b),
                    state_bytes(r->step, s));
        else
            for (int j = 0; j < n; j++)
                to[j] = from < 0 ? (float)p->state[s].start
                                 : r->params[p->param_offset[from] + (size_t)j];
        if (c->begin && c->begin[b] > 0)
            memcpy(state_row(r->step, r->memory->state, s, c->begin[b], b), to,
                   state_bytes(r->step, s));
    }
}

/* Steps [first, end) in a row, in the order of this direction. */
static void copy_input(const Run *r, int b, int first, int end)
{
    const Chunk *const c = r->chunk;
    const SlotMemory *const m = r->memory;
    const int B = r->step->shape.B, n = r->program->input;
    if (r->step->shape.symbols) {
        for (int t = first; t < end; t++)
            m->symbol[t * B + b] = c->symbol[(ptrdiff_t)t * c->symbol_step + b];
        return;
    }
    if (is_flat(c->x.step, c->x.row, B)) return;
    for (int t = first; t < end; t++)
        memcpy(m->input + ((size_t)t * (size_t)B + (size_t)b) * row_floats(n),
               c->x.at + t * c->x.step + b * c->x.row, (size_t)n * sizeof(float));
}

static void enter(const Run *r, int t, int b)
{
    (void)t;
    enter_states(r, b);
    if (!r->chunk->ready) copy_input(r, b, 0, r->chunk->T);
}

/* A row past its end (or before its begin, where steps may have had no work for it) leaves a
 * step as it entered it. */
static void freeze(const Run *r, int t, int b)
{
    const Chunk *const c = r->chunk;
    float *const *const state = r->memory->state;
    if (is_live(c, t, b)) return;
    const int from = c->begin && t < c->begin[b] ? 0 : t;
    for (int s = 0; s < r->program->states; s++)
        memcpy(state_row(r->step, state, s, t + 1, b),
               state_row(r->step, state, s, from, b), state_bytes(r->step, s));
}

/* States stay as they are past the end of a row: who reads them there reads those that the
 * chunk leaves, or enters the next one by. */
static void leave_states(const Run *r, int t, int b)
{
    const Chunk *const c = r->chunk;
    const int end = c->end[b], at[2] = {c->T, c->leave_t};
    (void)t;
    for (int s = 0; s < r->program->states; s++)
        for (int i = 0; i < 2; i++)
            if (end < at[i])
                memcpy(state_row(r->step, r->memory->state, s, at[i], b),
                       state_row(r->step, r->memory->state, s, end, b),
                       state_bytes(r->step, s));
}

/* Steps whose phases follow one another: all of a chunk that is cut otherwise. */
static int time_block(const Run *r)
{
    return r->step->scan ? r->chunk->T
                         : steps_at_once(r->end - r->first, gang_members(r->member));
}

static void loop_forward(const Run *r, int t, int steps)
{
    if (r->step->scan) {
        run_scan(r, FORWARD_LOOP, t, steps);
        return;
    }
    if (!r->chunk->begin && !r->chunk->end) {
        run_loop(r, FORWARD_LOOP, t, steps);
        return;
    }
    for (int i = t; i < t + steps; i++) {
        Run live = *r;
        live.end = run_end(r, i);
        if (live.end == live.first) continue;
        run_loop(&live, FORWARD_LOOP, i, 1);
        each_row(&live, freeze, i);
    }
}

void step_forward(Step *step, const Chunk *chunk, const float *params,
                  const Share *share)
{
    assert(chunk->T <= step->shape.T && share->end <= step->shape.B);
    At value[VALUES_MAX];
    Run r;
    if (!run_open(&r, step, chunk, params, share, value)) return;
    each_row(&r, enter, 0);
    const int block = time_block(&r);
    for (int t = 0; t < chunk->T; t += block) {
        const int steps = chunk->T - t < block ? chunk->T - t : block;
        if (!chunk->ready) run_steps(&r, FORWARD_BEFORE, t, steps, true);
        loop_forward(&r, t, steps);
        run_steps(&r, FORWARD_AFTER, t, steps, true);
    }
    if (chunk->live) each_row(&r, leave_states, 0);
}

/* A state that no state goes into is not to be run ahead: others may still read its place. */
bool step_has_before(const Step *step)
{
    const Program *const p = step->program;
    const int first = p->group_at[FORWARD_BEFORE],
              end = p->group_at[FORWARD_BEFORE + 1];
    for (int g = first; g < end; g++)
        for (int i = p->group[g].first; i < p->group[g].end; i++)
            if (p->value[p->instr[i].y].place == PLACE_LEAVE) return false;
    return first < end;
}

void step_before(Step *step, const Chunk *chunk, const float *params,
                 const Share *share, int first, int end)
{
    At value[VALUES_MAX];
    Run r;
    if (!run_open(&r, step, chunk, params, share, value)) return;
    for (int b = r.first; b < r.end; b++) copy_input(&r, b, first, end);
    run_steps(&r, FORWARD_BEFORE, first, end - first, true);
}

/* ---- backward ---- */

/* The gradient begins at the end of the chunk; and a state that no step reads as it
 * enters (denter -1) has none in either place, but what is given. */
static void begin_gradient(const Run *r, int t, int b)
{
    const int first = r->step->scan ? t : 0, count = r->step->scan ? 1 : 2;
    const Chunk *const c = r->chunk;
    const float *from = c->dend ? c->dend + (size_t)b * c->dend_row : NULL;
    for (int s = 0; s < r->program->states; s++) {
        const size_t n = (size_t)state_floats(r->program, s);
        for (int at = first; at < first + count; at++) {
            float *const d = state_row(r->step, r->memory->dstate, s, at, b);
            memset(d, 0, state_bytes(r->step, s));
            if (from) memcpy(d, from, n * sizeof *d);
        }
        if (from) from += n;
    }
}

/* Gradients pass a frozen row by: they are set aside, and its step sees zeros. */
static void set_aside(const Run *r, int t, int b)
{
    const SlotMemory *const m = r->memory;
    if (is_live(r->chunk, t, b)) return;
    for (int s = 0; s < r->program->states; s++) {
        float *const d = state_row(r->step, m->dstate, s, (t + 1) % 2, b);
        memcpy(state_row(r->step, m->stash, s, 0, b), d, state_bytes(r->step, s));
        memset(d, 0, state_bytes(r->step, s));
    }
}

static void put_back(const Run *r, int t, int b)
{
    const SlotMemory *const m = r->memory;
    if (is_live(r->chunk, t, b)) return;
    for (int s = 0; s < r->program->states; s++)
        memcpy(state_row(r->step, m->dstate, s, t % 2, b),
               state_row(r->step, m->stash, s, 0, b), state_bytes(r->step, s));
}

/* A state that no step reads has a gradient where it is left for good, and nowhere else. */
static void forget_unread(const Run *r, int t, int b)
{
    if (!is_live(r->chunk, t, b)) return;
    for (int s = 0; s < r->program->states; s++)
        for (int at = 0; r->program->state[s].denter < 0 && at < 2; at++)
            memset(state_row(r->step, r->memory->dstate, s, at, b), 0,
                   state_bytes(r->step, s));
}

/* What a row that is not live in a step gives back is nothing. What was worked out need not be:
 * its state is not what the step had left, and a quotient by one that is still 0 is no number. */
static void clear_input(const Run *r, int t, int b)
{
    const View *const dx = &r->chunk->dx;
    if (is_live(r->chunk, t, b)) return;
    memset(dx->at + t * dx->step + b * dx->row, 0,
           (size_t)r->program->input * sizeof(float));
}

static void clear_inputs(const Run *r, int t, int steps)
{
    const Chunk *const c = r->chunk;
    if (!r->step->shape.dinput || (!c->begin && !c->end)) return;
    for (int i = t; i < t + steps; i++) {
        Run live = *r;
        live.end = run_end(r, i);
        if (live.first < live.end) each_row(&live, clear_input, i);
    }
}

static bool has_unread(const Run *r)
{
    for (int s = 0; r->chunk->dend && s < r->program->states; s++)
        if (r->program->state[s].denter < 0) return true;
    return false;
}

static void loop_backward(const Run *r, int t, int steps)
{
    if (r->step->scan) {
        run_scan(r, BACKWARD_LOOP, t, steps);
        return;
    }
    const bool lengths = r->chunk->begin || r->chunk->end, unread = has_unread(r);
    if (!lengths && !unread) {
        run_loop(r, BACKWARD_LOOP, t, steps);
        return;
    }
    for (int i = t + steps - 1; i >= t; i--) {
        Run live = *r;
        live.end = run_end(r, i);
        if (live.end == live.first) continue;
        if (lengths) each_row(&live, set_aside, i);
        run_loop(&live, BACKWARD_LOOP, i, 1);
        if (lengths) each_row(&live, put_back, i);
        if (unread) each_row(&live, forget_unread, i);
    }
}

/* Of a row that begins later than the steps have work for it, to where step 0 has it. */
static void settle_gradient(const Run *r, int t, int b)
{
    const int *const live = r->chunk->live;
    for (t = 0; t < r->chunk->begin[b] && live[t] <= b;) t++;
    if (t % 2 == 0) return;
    for (int s = 0; s < r->program->states; s++)
        memcpy(state_row(r->step, r->memory->dstate, s, 0, b),
               state_row(r->step, r->memory->dstate, s, 1, b), state_bytes(r->step, s));
}

void step_backward(Step *step, const Chunk *chunk, const float *params,
                   const Share *share)
{
    assert(step->shape.training);
    At value[VALUES_MAX];
    Run r;
    if (!run_open(&r, step, chunk, params, share, value)) return;
    each_row(&r, begin_gradient, chunk->T);
    const int B = step->shape.B;
    const bool flat =
        is_flat(chunk->dy.step, chunk->dy.row, B) &&
        (!step->shape.dinput || is_flat(chunk->dx.step, chunk->dx.row, B));
    const int block = time_block(&r);
    const int cut = chunk->cut;
    for (int t = cut + (chunk->T - cut - 1) / block * block; t >= cut; t -= block) {
        const int steps = chunk->T - t < block ? chunk->T - t : block;
        run_steps(&r, BACKWARD_BEFORE, t, steps, flat);
        loop_backward(&r, t, steps);
        run_steps(&r, BACKWARD_AFTER, t, steps, flat);
        clear_inputs(&r, t, steps);
    }
    if (chunk->live && chunk->begin) each_row(&r, settle_gradient, 0);
}

/* ---- what others see ---- */

View step_output(const Step *step, int slot)
{
    const Program *const p = step->program;
    const SlotMemory *const m = &step->memory->slot[slot];
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

View step_flow(const Step *step, int slot, int state)
{
    const Program *const p = step->program;
    assert(p->flow);
    if (p->flow[state] < 0) return (View){0};
    const Value *const value = &p->value[p->flow[state]];
    const At at =
        at_kept(step->memory->slot[slot].buffer[value->index], value->n, step->shape.B);
    return (View){at.at, at.step, at.row};
}

size_t step_state_count(const Step *step)
{
    size_t floats = 0;
    for (int s = 0; s < step->program->states; s++)
        floats += (size_t)state_floats(step->program, s);
    return floats;
}

void step_get_state(const Step *step, int slot, int t, int b, float *state)
{
    const SlotMemory *const m = &step->memory->slot[slot];
    for (int s = 0; s < step->program->states; s++) {
        const size_t n = (size_t)state_floats(step->program, s);
        memcpy(state, state_row(step, m->state, s, t, b), n * sizeof *state);
        state += n;
    }
}

void step_get_gradient(const Step *step, int slot, int b, float *gradient)
{
    const SlotMemory *const m = &step->memory->slot[slot];
    for (int s = 0; s < step->program->states; s++) {
        const size_t n = (size_t)state_floats(step->program, s);
        memcpy(gradient, state_row(step, m->dstate, s, 0, b), n * sizeof *gradient);
        gradient += n;
    }
}

void step_set_state(Step *step, int slot, int t, int b, const float *state)
{
    const SlotMemory *const m = &step->memory->slot[slot];
    for (int s = 0; s < step->program->states; s++) {
        const size_t n = (size_t)state_floats(step->program, s);
        memcpy(state_row(step, m->state, s, t, b), state, n * sizeof *state);
        state += n;
    }
}

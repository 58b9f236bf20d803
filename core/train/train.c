/* train.c: truncated back-propagation through time, update by update.
 *
 * A batch of T steps is cut into windows of `chunk` steps; an update takes
 * `chunks_per_update` of them, or what is left of the batch. States go on from window
 * to window, and from batch to batch unless the source says that one is fresh; the
 * gradient is carried back over the window, and with `back` over steps that lead it,
 * but not beyond the batch (Williams & Peng 1990). With `stale`, windows of an update
 * enter states of their last visit. */
#include "train.h"
#include "teacher.h"
#include "../clock.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Training {
    WeftNet *net;
    Pass *pass;
    WeftTrain train; /* settled */
    const WeftSource *source;
    bool (*progress)(void *context, const WeftProgress *progress);
    void *context;
    WeftProgress report;
    Teacher teacher;
    double loss, weight; /* since the last report */
    double began;        /* seconds */
} Training;

/* ---- making ready ---- */

/* States that a file brought, once the rows are known. Those of another number of rows
 * mean nothing here, and all rows start anew. */
static void take_carried(WeftNet *net, Pass *p)
{
    Carried *const c = &net->carried;
    if (c->at && c->rows == p->shape.B && c->floats == p->side[MAIN].states)
        pass_set_states(p, c->at);
    free(c->at);
    *c = (Carried){0};
}

PassShape train_shape(const WeftTrain *train, int T, int B, int S)
{
    return (PassShape){.purpose = PURPOSE_TRAIN,
                       .T = T,
                       .B = B,
                       .S = S,
                       .chunk = train->chunk && train->chunk < T ? train->chunk : T,
                       .back = train->back,
                       .burn_in = train->burn_in < T ? train->burn_in : T,
                       .stale = train->stale,
                       .scan = train->scan,
                       .windows = train->chunks_per_update};
}

static bool make_ready(Training *t, Error *err)
{
    WeftNet *const net = t->net;
    const int T = t->source->steps;
    const PassShape shape =
        train_shape(&t->train, T, t->source->rows, t->source->source_steps);
    if (!teacher_check(net, &t->train, T, err) ||
        !pass_ready(net, &net->training, &shape, err))
        return false;
    t->pass = net->training;
    take_carried(net, t->pass);
    if (!shape.stale)
        stale_close(net);
    else if (!stale_ready(net, &shape, t->source->epoch, err))
        return false;
    if (net->clock.offset >= T) { /* of a longer batch, of another source */
        net->clock.batch++;
        net->clock.offset = 0;
    }

    net->update.optimizer = t->train.optimizer;
    net->update.clip = t->train.clip_norm;
    net->update.loss = &t->pass->loss_sum;
    if (net->moments.optimizer == t->train.optimizer) return true;
    if (net->clock.updates > net->moments.since) { /* else nobody has touched them */
        memset(net->moments.first, 0, net->count * sizeof(float));
        memset(net->moments.second, 0, net->count * sizeof(float));
    }
    net->moments.optimizer = t->train.optimizer;
    net->moments.since = net->clock.updates;
    return true;
}

/* ---- what is not finite ---- */

static bool finite_row(const float *at, int n)
{
    for (int j = 0; j < n; j++)
        if (!isfinite(at[j])) return false;
    return true;
}

/* The first step and layer of the window at hand whose output is not finite. */
static bool find_output(const Training *t, int *step, int *layer)
{
    const Pass *const p = t->pass;
    const WeftNet *const net = t->net;
    const Window *const w = &p->side[MAIN].window[p->windows - 1];
    for (int s = 0; s < w->T; s++)
        for (int l = 0; l < net->model.layer_count; l++)
            for (int d = 0; d < net->layer[l].directions; d++) {
                const View y =
                    step_output(&p->side[MAIN].direction[2 * l + d].step, w->slot);
                const int at = d ? w->T - 1 - s : s;
                for (int b = 0; b < p->shape.B; b++)
                    if (!finite_row(y.at + at * y.step + b * y.row,
                                    net->layer[l].width)) {
                        *step = w->t0 + s;
                        *layer = l;
                        return true;
                    }
            }
    return false;
}

/* The first loss says when; the outputs, where. What only the gradient shows is put
 * down to the last step, where it begins, and to the topmost layer that has it. */
static void blame(Training *t)
{
    const Pass *const p = t->pass;
    const WeftNet *const net = t->net;
    const Window *const last = &p->side[MAIN].window[p->windows - 1];
    const int B = p->shape.B, end = (last->t0 + last->T) * B,
              L = net->model.layer_count;
    WeftProgress *const r = &t->report;
    r->finite = false;
    r->step = last->t0 + last->T - 1;
    r->layer = L;
    if (!isfinite(p->loss_sum)) {
        (void)find_output(t, &r->step, &r->layer);
        for (int i = p->offset * B; !net->model.vector && i < end; i++)
            if (!isfinite(p->loss[i])) {
                r->step = i / B < r->step ? i / B : r->step;
                break;
            }
        return;
    }
    for (int i = net->parameters - 1; i >= 0; i--) {
        const Parameter *const q = &net->parameter[i];
        for (size_t k = 0; k < q->count; k++)
            if (!isfinite(net->grads[q->at + k])) {
                r->layer = q->layer < 0 ? 0 : q->layer;
                return;
            }
    }
}

/* ---- updates ---- */

/* Steps that rows have in the windows of the last update, without those that lead. */
static double live_steps(const Pass *p)
{
    double live = 0;
    for (int i = 0; i < p->windows; i++)
        for (int b = 0; b < p->shape.B; b++) {
            const Window *const w = &p->side[MAIN].window[i];
            if (w->ended[b] > w->lead) live += w->ended[b] - w->lead;
        }
    return live;
}

static int windows_left(const Training *t)
{
    const PassShape *const s = &t->pass->shape;
    const int left = (s->T - t->net->clock.offset + s->chunk - 1) / s->chunk;
    const int most = t->train.chunks_per_update;
    return most && most < left ? most : left;
}

static void step_clock(Training *t)
{
    Clock *const clock = &t->net->clock;
    const Pass *const p = t->pass;
    const Window *const last = &p->side[MAIN].window[p->windows - 1];
    clock->offset = last->t0 + last->T;
    if (clock->offset < p->shape.T) return;
    clock->batch++;
    clock->steps += (uint64_t)p->shape.T;
    clock->offset = 0;
}

static bool update(Training *t, Error *err)
{
    WeftNet *const net = t->net;
    Pass *const p = t->pass;
    Update *const u = &net->update;
    p->seed = t->train.seed;
    p->steps = net->clock.steps;
    if (p->shape.stale) p->visited = net->clock.batch % net->stale.batches;
    u->rates = train_rates(&t->train, net->clock.updates, net->moments.since);
    if (!pass_run(p, net->clock.offset, windows_left(t), p->batch.fresh, err))
        return false;

    t->loss += p->loss_sum;
    t->weight += p->weight_sum;
    t->report.tokens += live_steps(p);
    t->report.gradient_norm = u->norm;
    t->report.rate = u->rates.rate;
    if (!u->finite) {
        blame(t);
        return true;
    }
    net->clock.updates++;
    step_clock(t);
    return true;
}

/* At the end of an epoch: how stale its states are. */
static bool measure(Training *t, Error *err)
{
    const Clock *const clock = &t->net->clock;
    const uint64_t epoch = t->source->epoch;
    Staleness staleness;
    if (!t->train.stale || !t->report.finite || clock->offset != 0 ||
        clock->batch % epoch != 0)
        return true;
    if (!stale_measure(t->net, &t->pass->shape, t->source, clock->batch - epoch,
                       &staleness, err))
        return false;
    t->report.stale_epoch = clock->batch / epoch;
    t->report.stale_max = staleness.max;
    t->report.stale_rms = staleness.rms;
    return true;
}

/* False when the caller has had enough. */
static bool report(Training *t)
{
    WeftProgress *const r = &t->report;
    r->update = t->net->clock.updates;
    r->loss = t->weight > 0 ? t->loss / t->weight : t->loss;
    r->seconds = clock_seconds(CLOCK_MONOTONIC) - t->began;
    t->loss = t->weight = 0;
    return !t->progress || t->progress(t->context, r);
}

static bool run(Training *t, Error *err)
{
    const Clock *const clock = &t->net->clock;
    uint64_t filled = UINT64_MAX;
    while (clock->updates < t->train.updates) {
        if (filled != clock->batch &&
            (!batch_fill(t->pass, t->source, clock->batch, err) ||
             !teacher_sample(&t->teacher, t->net, &t->train, err)))
            return false;
        filled = clock->batch;
        if (!update(t, err) || !measure(t, err)) return false;
        const bool last = !t->report.finite || clock->updates == t->train.updates;
        const bool due = clock->updates % t->train.every == 0;
        if ((last || due) && !report(t)) return true;
        if (!t->report.finite) return true;
    }
    return true;
}

bool weft_train(WeftNet *net, const WeftTrain *train, const WeftSource *source,
                bool (*progress)(void *context, const WeftProgress *progress),
                void *context, WeftError *err)
{
    if (!net || !train || !source || !source->fill)
        return error(err, "weft_train needs a net, settings and a source");
    Training t = {.net = net,
                  .source = source,
                  .progress = progress,
                  .context = context,
                  .report = {.finite = true},
                  .began = clock_seconds(CLOCK_MONOTONIC)};
    const bool trained =
        train_settle(train, &t.train, err) && make_ready(&t, err) && run(&t, err);
    teacher_close(&t.teacher);
    return trained;
}

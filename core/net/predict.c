/* predict.c: a net used: outputs for a batch, scores over a source. States of their
 * own; those of a training are not touched. */
#include "pass.h"

#include <string.h>

/* Nothing is kept for a gradient, so short windows save memory; but one that a backward
 * direction reads, or an encoder's, is not cut. */
#define WINDOW_STEPS 64

static int window_steps(const WeftNet *net, int T)
{
    const bool whole = net_both(net) || net->model.encoder;
    return whole || T < WINDOW_STEPS ? T : WINDOW_STEPS;
}

static bool use(WeftNet *net, Pass **pass, Purpose purpose, int T, int B, int S,
                Error *err)
{
    const PassShape shape = {
        .purpose = purpose, .T = T, .B = B, .S = S, .chunk = window_steps(net, T)};
    return pass_ready(net, pass, &shape, err);
}

static bool run_all(Pass *p, bool fresh, Error *err)
{
    return pass_run(p, 0, p->shape.windows, fresh, err);
}

/* ---- scores ---- */

bool weft_evaluate(WeftNet *net, const WeftSource *source, uint64_t first,
                   uint64_t count, WeftScore *score, WeftError *err)
{
    if (!net || !source || !source->fill || !score)
        return error(err,
                     "weft_evaluate needs a net, a source and a place for the score");
    if (count == 0) return error(err, "weft_evaluate needs 1 batch or more");
    if (!use(net, &net->evaluation, PURPOSE_SCORE, source->steps, source->rows,
             source->source_steps, err))
        return false;
    Pass *const p = net->evaluation;
    double loss = 0, hits = 0, weight = 0;
    p->carried = false; /* the first batch starts anew whatever was evaluated before */
    for (uint64_t i = 0; i < count; i++) {
        if (!batch_fill(p, source, first + i, err) || !run_all(p, p->batch.fresh, err))
            return false;
        loss += p->loss_sum;
        hits += p->hit_sum;
        weight += p->weight_sum;
    }
    if (!(weight > 0)) return error(err, "these batches have no targets");
    *score = (WeftScore){
        .loss = loss / weight, .accuracy = hits / weight, .targets = weight};
    return true;
}

/* ---- outputs ---- */

static bool check_batch(const WeftNet *net, const Pass *p, const WeftBatch *b,
                        Error *err)
{
    const bool dense = net->model.input == WEFT_DENSE;
    if (dense && !b->x) return error(err, "weft_predict needs x");
    if (!dense && !b->symbol) return error(err, "weft_predict needs symbols");
    const WeftEncoder *const e = net->model.encoder;
    if (e && b->fresh &&
        !(e->input == WEFT_DENSE ? (void *)b->source_x : b->source_symbol))
        return error(err, "weft_predict needs what the encoder reads: source_%s",
                     e->input == WEFT_DENSE ? "x" : "symbol");
    if (b->fresh || (p && p->carried && p->shape.B == b->rows)) return true;
    return error(err, "no earlier call of weft_predict had %d rows to go on from",
                 b->rows);
}

/* Past the end of its row an output is 0. */
static void clear_ends(const Pass *p)
{
    const WeftModel *const m = &p->net->model;
    const size_t B = (size_t)p->shape.B, O = (size_t)m->outputs;
    for (size_t b = 0; b < B && !m->vector; b++)
        for (int t = p->batch.length[b]; t < p->shape.T; t++)
            memset(p->out + ((size_t)t * B + b) * O, 0, O * sizeof(float));
}

/* What the encoder reads, or has read. */
static void take_source(Pass *p, const WeftBatch *batch)
{
    const WeftEncoder *const e = p->net->model.encoder;
    const size_t B = (size_t)batch->rows, steps = B * (size_t)p->shape.S;
    WeftBatch *const b = &p->batch;
    if (b->source_x)
        memcpy(b->source_x, batch->source_x, steps * (size_t)e->inputs * sizeof(float));
    if (b->source_symbol)
        memcpy(b->source_symbol, batch->source_symbol, steps * sizeof(int32_t));
    if (batch->source_length)
        memcpy(b->source_length, batch->source_length, B * sizeof(int));
}

static bool take_batch(Pass *p, const WeftBatch *batch, Error *err)
{
    const size_t B = (size_t)batch->rows, steps = B * (size_t)batch->steps;
    const size_t inputs = (size_t)p->net->model.inputs;
    batch_clear(p);
    if (p->batch.x)
        memcpy(p->batch.x, batch->x, steps * inputs * sizeof(float));
    else
        memcpy(p->batch.symbol, batch->symbol, steps * sizeof(int32_t));
    if (batch->length) memcpy(p->batch.length, batch->length, B * sizeof(int));
    p->batch.fresh = batch->fresh;
    if (p->shape.S > 0 && batch->fresh) take_source(p, batch);
    return batch_check(p, err);
}

bool predict_in(WeftNet *net, Pass **pass, const WeftBatch *batch, float *out,
                Error *err)
{
    if (!check_batch(net, *pass, batch, err)) return false;
    /* an encoder that goes on has read as many steps as it has */
    const int source = batch->fresh ? batch->source_steps : (*pass)->shape.S;
    if (!use(net, pass, PURPOSE_PREDICT, batch->steps, batch->rows, source, err))
        return false;
    Pass *const p = *pass;
    const WeftModel *const m = &net->model;
    if (!take_batch(p, batch, err)) return false;

    p->out = out;
    if (m->vector)
        memset(out, 0, (size_t)batch->rows * (size_t)m->outputs * sizeof(float));
    if (!run_all(p, batch->fresh, err)) return false;
    clear_ends(p);
    return true;
}

bool weft_predict(WeftNet *net, const WeftBatch *batch, float *out, WeftError *err)
{
    if (!net || !batch || !out)
        return error(err,
                     "weft_predict needs a net, a batch and a place for the outputs");
    return predict_in(net, &net->prediction, batch, out, err);
}

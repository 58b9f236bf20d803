/* update.c: from a gradient to new parameters: clipping, optimiser, schedule.
 *
 * The norm is a sum over segments of SEGMENT elements, whose sums are added in
 * ascending order: fixed by the number of parameters, so that threads can share the
 * work. */
#include "update.h"

#include "../../simd/scalar.h"

#include <assert.h>
#include <math.h>

#define SEGMENT  ((size_t)256 * SUM_BLOCK)
#define NORM_EPS 1e-6 /* as in PyTorch's clip_grad_norm_ */

size_t update_segments(size_t count)
{
    return (count + SEGMENT - 1) / SEGMENT;
}

/* ---- settings ---- */

static bool in_range(double x, double low, double high)
{
    return x >= low && x <= high; /* false for a NaN */
}

static bool check(const WeftTrain *t, Error *err)
{
    if (t->chunk < 0) return error(err, "chunk %d: 0 or more steps", t->chunk);
    if (t->back != 0 && t->chunk == 0)
        return error(err, "back %d: nothing is cut without chunk", t->back);
    if (t->back != 0 && t->back < t->chunk)
        return error(err, "back %d: expected 0, or at least the %d steps of a chunk",
                     t->back, t->chunk);
    if (t->stale && t->back != 0)
        return error(err, "back %d with stale: expected one of them", t->back);
    if (t->burn_in != 0 && !t->stale)
        return error(err, "burn_in %d: nothing is stale", t->burn_in);
    if (t->burn_in < 0) return error(err, "burn_in %d: 0 or more steps", t->burn_in);
    if (t->scan < 0) return error(err, "scan %d: 0 or more steps", t->scan);
    if (t->chunks_per_update < 0)
        return error(err, "chunks_per_update %d: 0 or more", t->chunks_per_update);
    if (t->optimizer > WEFT_ADAMW || t->schedule > WEFT_COSINE)
        return error(err, "unknown optimizer %d or schedule %d", (int)t->optimizer,
                     (int)t->schedule);
    if (!in_range(t->rate, 0, 1e6))
        return error(err, "rate %g: from 0 to 1e6", (double)t->rate);
    if (!in_range(t->momentum, 0, 1))
        return error(err, "momentum %g: from 0 to 1", (double)t->momentum);
    if (!in_range(t->beta1, 0, 1) || t->beta1 == 1 || !in_range(t->beta2, 0, 1) ||
        t->beta2 == 1)
        return error(err, "beta1 %g, beta2 %g: from 0 to below 1", (double)t->beta1,
                     (double)t->beta2);
    if (!in_range(t->epsilon, 0, 1e6))
        return error(err, "epsilon %g: from 0 to 1e6", (double)t->epsilon);
    if (!in_range(t->weight_decay, 0, 1e6))
        return error(err, "weight_decay %g: from 0 to 1e6", (double)t->weight_decay);
    if (!in_range(t->factor, 0, 1e6))
        return error(err, "factor %g: from 0 to 1e6", (double)t->factor);
    if (t->schedule == WEFT_STEP && t->period == 0)
        return error(err, "a step schedule needs a period of 1 update or more");
    if (!(t->clip_norm >= 0) || !(t->clip_value >= 0))
        return error(err, "clip_norm %g, clip_value %g: 0 or more",
                     (double)t->clip_norm, (double)t->clip_value);
    return true;
}

bool train_settle(const WeftTrain *train, WeftTrain *settled, Error *err)
{
    WeftTrain t = *train;
    if (!check(&t, err)) return false;
    if (t.rate == 0) t.rate = 1e-3f;
    if (t.beta1 == 0) t.beta1 = 0.9f;
    if (t.beta2 == 0) t.beta2 = t.optimizer == WEFT_RMSPROP ? 0.99f : 0.999f;
    if (t.epsilon == 0) t.epsilon = 1e-8f;
    if (t.factor == 0 && t.schedule == WEFT_STEP) t.factor = 0.5f;
    if (t.every == 0) t.every = 1;
    if (t.period == 0)
        t.period = t.updates > t.warmup ? t.updates - t.warmup : 1; /* cosine */
    *settled = t;
    return true;
}

/* ---- rates ---- */

double train_rate(const WeftTrain *train, uint64_t updates)
{
    const double rate = (double)train->rate, factor = (double)train->factor;
    if (updates < train->warmup)
        return rate * (double)(updates + 1) / (double)train->warmup;
    const uint64_t done = updates - train->warmup;
    if (train->schedule == WEFT_STEP)
        return rate * scalar_pow(factor, (double)(done / train->period));
    if (train->schedule == WEFT_COSINE) {
        const double part =
            done < train->period ? (double)done / (double)train->period : 1;
        const double pi = 3.14159265358979323846;
        return rate * (factor + (1 - factor) * 0.5 * (1 + scalar_cos(pi * part)));
    }
    return rate;
}

UpdateRates train_rates(const WeftTrain *train, uint64_t updates, uint64_t since)
{
    const double t = (double)(updates - since + 1);
    return (UpdateRates){
        .rate = (float)train_rate(train, updates),
        .momentum = train->momentum,
        .beta1 = train->beta1,
        .beta2 = train->beta2,
        .correct1 = (float)(1 / (1 - scalar_pow((double)train->beta1, t))),
        .correct2 = (float)(1 / (1 - scalar_pow((double)train->beta2, t))),
        .epsilon = train->epsilon,
        .decay = train->weight_decay,
        .scale = 1,
        .limit = train->clip_value,
    };
}

/* ---- tiles ---- */

static size_t least_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void run_norm(const Tile *tile, int worker)
{
    (void)worker;
    const Update *const u = tile->context;
    const size_t segments = update_segments(u->count);
    for (size_t s = (size_t)tile->part; s < segments; s += (size_t)tile->parts) {
        const size_t at = s * SEGMENT;
        u->partial[s] =
            simd->sum_squares(least_of(SEGMENT, u->count - at), u->grads + at);
    }
}

static void run_rates(const Tile *tile, int worker)
{
    (void)worker;
    Update *const u = tile->context;
    double squares = 0;
    for (size_t s = 0; s < update_segments(u->count); s++) squares += u->partial[s];
    const double norm = sqrt(squares);
    u->norm = (float)norm;
    u->finite = isfinite(norm) && isfinite(*u->loss);
    const double scale = (double)u->clip / (norm + NORM_EPS);
    if (u->clip > 0 && scale < 1) u->rates.scale = (float)scale;
}

static void run_update(const Tile *tile, int worker)
{
    (void)worker;
    const Update *const u = tile->context;
    if (!u->finite) return;
    const size_t lines = (u->count + LANES_MAX - 1) / LANES_MAX;
    const size_t parts = (size_t)tile->parts, part = (size_t)tile->part;
    const size_t at = lines * part / parts * LANES_MAX;
    const size_t end = least_of(lines * (part + 1) / parts * LANES_MAX, u->count);
    if (at >= end) return;

    float *const w = u->params + at, *const g = u->grads + at;
    float *const m = u->moments->first + at, *const v = u->moments->second + at;
    const size_t n = end - at;
    switch (u->optimizer) {
    case WEFT_SGD: simd->sgd(n, w, g, m, &u->rates); break;
    case WEFT_RMSPROP: simd->rmsprop(n, w, g, v, &u->rates); break;
    case WEFT_ADAM: simd->adam(n, w, g, m, v, &u->rates); break;
    case WEFT_ADAMW: simd->adamw(n, w, g, m, v, &u->rates); break;
    }
}

int update_tiles(int threads)
{
    return 2 * threads + 1;
}

void update_add(Update *update, TileList *list, int threads, int after,
                const Rates *costs)
{
    const double each = (double)update->count / threads;
    Tile tile = {.name = "norm",
                 .layer = -1,
                 .run = run_norm,
                 .context = update,
                 .seconds = rates_map(costs, MAP_add, 1, each).seconds,
                 .parts = threads};
    const int norms = tiles_count(list), rates = norms + threads;
    for (tile.part = 0; tile.part < threads; tile.part++) {
        tile.owner = tile.part;
        tiles_after(list, tiles_add(list, tile), after);
    }
    const Tile all = {.name = "rates",
                      .layer = -1,
                      .run = run_rates,
                      .context = update,
                      .seconds = costs->call};
    (void)tiles_add(list, all);
    for (int i = 0; i < threads; i++) tiles_after(list, rates, norms + i);
    tile.name = "update";
    tile.run = run_update;
    tile.seconds = each * costs->optimizer;
    for (tile.part = 0; tile.part < threads; tile.part++) {
        tile.owner = tile.part;
        tiles_after(list, tiles_add(list, tile), rates);
    }
}

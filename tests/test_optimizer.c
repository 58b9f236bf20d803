/* test_optimizer.c: optimisers, schedules and clipping against their papers, in
 * double. */
#include "../core/train/update.h"
#include "net_rig.h"

#include <float.h>

enum { N = 1037, UPDATES = 20 };

typedef struct Rig {
    float w[N + LANES_MAX], g[N + LANES_MAX], m[N + LANES_MAX], v[N + LANES_MAX];
    double partial[1], loss;
    Moments moments;
    Update update;
} Rig;

static float gradient(int update, int i)
{
    return weft_random_normal(1, 10 + (uint64_t)update, (uint64_t)i);
}

static void rig_open(Rig *rig, WeftOptimizer optimizer, float clip)
{
    memset(rig, 0, sizeof *rig);
    for (int i = 0; i < N; i++) rig->w[i] = weft_random_normal(1, 1, (uint64_t)i);
    rig->moments = (Moments){.first = rig->m, .second = rig->v, .optimizer = optimizer};
    rig->update = (Update){.count = N,
                           .params = rig->w,
                           .grads = rig->g,
                           .moments = &rig->moments,
                           .partial = rig->partial,
                           .loss = &rig->loss,
                           .optimizer = optimizer,
                           .clip = clip};
}

static void start(const Tile *tile, int worker)
{
    (void)tile, (void)worker;
}

static void rig_run(Rig *rig, const WeftTrain *train, int updates, int threads)
{
    WeftTeam *const team = rig_team(threads);
    TileList *list;
    WeftTrain settled;
    MUST(tiles_open(update_tiles(threads) + 1, 2 * update_tiles(threads), &list, &err));
    MUST(train_settle(train, &settled, &err));
    update_add(&rig->update, list, threads,
               tiles_add(list, (Tile){.run = start, .context = rig}), &rates_typical);
    for (int u = 0; u < updates; u++) {
        for (int i = 0; i < N; i++) rig->g[i] = gradient(u, i);
        rig->update.rates = train_rates(&settled, (uint64_t)u, 0);
        team_run(team, list);
    }
    tiles_close(list);
    weft_team_close(team);
}

/* The same in double, as the papers write it (Kingma & Ba 2015; Loshchilov & Hutter
 * 2019), with PyTorch's places for momentum, decay and epsilon. bound: what single
 * precision may lose. An update rounds w once; what is taken from w has passed
 * `ROUNDINGS` roundings, each of the size of the terms that were added up in it, |g| in
 * place of g. */
#define ROUNDINGS (4 * UPDATES + N / 16 + 40)

static void reference(const WeftTrain *t, int updates, double *w, double *bound)
{
    double m[N] = {0}, v[N] = {0}, size[N] = {0};
    const double rate = (double)t->rate, decay = (double)t->weight_decay;
    const double b1 = (double)t->beta1, b2 = (double)t->beta2, eps = (double)t->epsilon;
    const double c1 = (double)(1 - t->beta1), c2 = (double)(1 - t->beta2);
    const double momentum = (double)t->momentum;
    for (int i = 0; i < N; i++) {
        w[i] = (double)weft_random_normal(1, 1, (uint64_t)i);
        bound[i] = 0;
    }
    for (int u = 0; u < updates; u++) {
        double norm = 0;
        for (int i = 0; i < N; i++) norm += pow((double)gradient(u, i), 2);
        const double clip = (double)t->clip_norm / (sqrt(norm) + 1e-6);
        const double right1 = 1 / (1 - pow(b1, u + 1)),
                     right2 = 1 / (1 - pow(b2, u + 1));
        for (int i = 0; i < N; i++) {
            double g = (double)gradient(u, i), step, terms;
            const double limit = (double)t->clip_value, before = fabs(w[i]);
            if (t->clip_norm > 0 && clip < 1) g *= clip;
            if (limit > 0) g = fmax(-limit, fmin(limit, g));
            const double g_size = fabs(g) + decay * before;
            if (t->optimizer == WEFT_ADAMW)
                w[i] -= rate * decay * w[i];
            else
                g += decay * w[i];
            v[i] = b2 * v[i] + c2 * g * g;
            if (t->optimizer == WEFT_SGD) {
                m[i] = momentum * m[i] + g;
                size[i] = momentum * size[i] + g_size;
                step = m[i], terms = size[i];
            } else if (t->optimizer == WEFT_RMSPROP) {
                step = g / (sqrt(v[i]) + eps), terms = g_size / (sqrt(v[i]) + eps);
            } else {
                const double below = sqrt(v[i] * right2) + eps;
                m[i] = b1 * m[i] + c1 * g;
                size[i] = b1 * size[i] + c1 * g_size;
                step = m[i] * right1 / below, terms = size[i] * right1 / below;
            }
            w[i] -= rate * step;
            bound[i] += (double)FLT_EPSILON * (before + ROUNDINGS * rate * terms);
        }
    }
}

static WeftTrain settings(WeftOptimizer optimizer, float decay, float clip)
{
    return (WeftTrain){.updates = UPDATES,
                       .optimizer = optimizer,
                       .rate = 0.02f,
                       .momentum = 0.9f,
                       .beta1 = 0.9f,
                       .beta2 = optimizer == WEFT_RMSPROP ? 0.99f : 0.999f,
                       .epsilon = 1e-8f,
                       .weight_decay = decay,
                       .clip_norm = clip,
                       .clip_value = clip > 0 ? 0.05f : 0};
}

Test(optimizer, agrees_with_the_papers)
{
    static Rig rig;
    static double w[N], bound[N];
    for (int o = WEFT_SGD; o <= WEFT_ADAMW; o++)
        for (int k = 0; k < 4; k++) {
            const WeftTrain t =
                settings((WeftOptimizer)o, k & 1 ? 0.1f : 0, k & 2 ? 1.0f : 0);
            rig_open(&rig, t.optimizer, t.clip_norm);
            rig_run(&rig, &t, UPDATES, 1);
            reference(&t, UPDATES, w, bound);
            for (int i = 0; i < N; i++)
                cr_assert(fabs((double)rig.w[i] - w[i]) <= bound[i],
                          "optimizer %d case %d element %d: %.9g, expected %.9g +- %g",
                          o, k, i, (double)rig.w[i], w[i], bound[i]);
        }
}

Test(optimizer, threads_do_not_change_bits)
{
    static Rig one, many;
    const WeftTrain t = settings(WEFT_ADAM, 0.1f, 1);
    rig_open(&one, t.optimizer, t.clip_norm);
    rig_run(&one, &t, UPDATES, 1);
    for (int threads = 2; threads <= 5; threads++) {
        rig_open(&many, t.optimizer, t.clip_norm);
        rig_run(&many, &t, UPDATES, threads);
        cr_expect(memcmp(one.w, many.w, sizeof one.w) == 0, "%d threads", threads);
        cr_expect(memcmp(one.g, many.g, sizeof one.g) == 0, "%d threads", threads);
    }
}

Test(optimizer, gradient_that_is_not_finite_changes_nothing)
{
    static Rig rig, before;
    const WeftTrain t = settings(WEFT_ADAM, 0, 1);
    rig_open(&rig, t.optimizer, t.clip_norm);
    rig.loss = NAN;
    before = rig;
    rig_run(&rig, &t, 1, 1);
    cr_expect_not(rig.update.finite);
    cr_expect(memcmp(rig.w, before.w, sizeof rig.w) == 0);
    cr_expect(memcmp(rig.v, before.v, sizeof rig.v) == 0);
}

static double rate_of(WeftTrain train, uint64_t updates)
{
    WeftTrain settled;
    MUST(train_settle(&train, &settled, &err));
    return train_rate(&settled, updates);
}

#define NEAR(a, b)                                                                     \
    cr_expect(fabs((a) - (b)) < 1e-12 * fabs(b) + 1e-15, "%.17g, not %.17g", a, b)

Test(schedule, constant_step_and_warmup)
{
    const WeftTrain plain = {.rate = 0.5f, .warmup = 4};
    NEAR(rate_of(plain, 0), 0.125);
    NEAR(rate_of(plain, 3), 0.5);
    NEAR(rate_of(plain, 1000), 0.5);
    const WeftTrain step = {.rate = 0.5f, .schedule = WEFT_STEP, .period = 10};
    NEAR(rate_of(step, 9), 0.5);
    NEAR(rate_of(step, 10), 0.25);
    NEAR(rate_of(step, 35), 0.0625);
    NEAR(rate_of((WeftTrain){0}, 0), (double)1e-3f);
}

Test(schedule, cosine_goes_from_the_first_to_the_last_rate)
{
    const WeftTrain t = {.updates = 104,
                         .rate = 0.5f,
                         .schedule = WEFT_COSINE,
                         .warmup = 4,
                         .factor = 0.25f};
    NEAR(rate_of(t, 4), 0.5);
    NEAR(rate_of(t, 54), 0.5 * (0.25 + 0.75 / 2));
    NEAR(rate_of(t, 29), 0.5 * (0.25 + 0.75 * 0.5 * (1 + sqrt(0.5))));
    NEAR(rate_of(t, 104), 0.125);
    NEAR(rate_of(t, 500), 0.125);
}

Test(settings, bad_ones_are_refused)
{
    WeftTrain t;
#define REFUSES(part, ...)                                                             \
    FAILS(train_settle(&(WeftTrain){__VA_ARGS__}, &t, &err), part)
    REFUSES("rate", .rate = NAN);
    REFUSES("rate", .rate = -1);
    REFUSES("rate", .rate = INFINITY);
    REFUSES("momentum", .momentum = 1.5f);
    REFUSES("beta1", .beta1 = 1);
    REFUSES("beta1", .beta2 = -0.1f);
    REFUSES("epsilon", .epsilon = NAN);
    REFUSES("weight_decay", .weight_decay = -1);
    REFUSES("period", .schedule = WEFT_STEP);
    REFUSES("clip_norm", .clip_norm = -1);
    REFUSES("clip_norm", .clip_value = NAN);
    REFUSES("chunk", .chunk = -1);
    REFUSES("chunks_per_update", .chunks_per_update = -1);
    REFUSES("optimizer", .optimizer = (WeftOptimizer)9);
}

/* update.c: one step of an optimiser over n parameters.
 *
 *   all      g = min(limit, max(-limit, scale g)), written back;
 *            then g = g + decay w (not adamw)
 *   sgd      m = momentum m + g
 *            w = w - rate m
 *   rmsprop  v = beta2 v + (1 - beta2) g^2
 *            w = w - rate g / (sqrt v + epsilon)
 *   adam     m = beta1 m + (1 - beta1) g,  v as above
 *            w = w - rate (correct1 m) / (sqrt(correct2 v) + epsilon)
 *   adamw    w = w - rate decay w, then adam without its decay */
#include "lanes.h"

#include <math.h>

/* The vectors of one place. */
typedef struct Place {
    vf w, g, m, v;
} Place;

typedef Place Step(Place x, const UpdateRates *r);

INLINE vf mean(float beta, vf before, vf now)
{
    return v_fma(v_set(beta), before, v_mul(v_set(1 - beta), now));
}

INLINE vf with_decay(Place x, const UpdateRates *r)
{
    return v_fma(v_set(r->decay), x.w, x.g);
}

INLINE Place step_sgd(Place x, const UpdateRates *r)
{
    x.m = v_fma(v_set(r->momentum), x.m, with_decay(x, r));
    x.w = v_fnma(v_set(r->rate), x.m, x.w);
    return x;
}

INLINE Place step_rmsprop(Place x, const UpdateRates *r)
{
    const vf g = with_decay(x, r);
    x.v = mean(r->beta2, x.v, v_mul(g, g));
    const vf size = v_add(v_sqrt(x.v), v_set(r->epsilon));
    x.w = v_fnma(v_set(r->rate), v_div(g, size), x.w);
    return x;
}

INLINE Place moments(Place x, vf g, const UpdateRates *r)
{
    x.m = mean(r->beta1, x.m, g);
    x.v = mean(r->beta2, x.v, v_mul(g, g));
    const vf size = v_add(v_sqrt(v_mul(v_set(r->correct2), x.v)), v_set(r->epsilon));
    x.w = v_fnma(v_set(r->rate), v_div(v_mul(v_set(r->correct1), x.m), size), x.w);
    return x;
}

INLINE Place step_adam(Place x, const UpdateRates *r)
{
    return moments(x, with_decay(x, r), r);
}

INLINE Place step_adamw(Place x, const UpdateRates *r)
{
    x.w = v_fnma(v_set(r->rate * r->decay), x.w, x.w);
    return moments(x, x.g, r);
}

/* A NaN comes through min and max: it stands second. */
INLINE void update(size_t n, float *w, float *g, float *m, float *v,
                   const UpdateRates *r, Step step)
{
    const vf limit = v_set(r->limit > 0 ? r->limit : INFINITY), scale = v_set(r->scale);
    for (size_t j = 0; j < n; j += LANES) {
        const int left = n - j < LANES ? (int)(n - j) : LANES;
        Place x = {v_load(w + j), v_load(g + j), v_load(m + j), v_load(v + j)};
        x.g = v_min(limit, v_max(v_neg(limit), v_mul(scale, x.g)));
        x = step(x, r);
        v_keep(w + j, x.w, left);
        v_keep(g + j, x.g, left);
        if (m != w) v_keep(m + j, x.m, left);
        if (v != w) v_keep(v + j, x.v, left);
    }
}

/* An optimiser without m or v passes w for it, which is then not stored. */
void ISA(sgd)(size_t n, float *w, float *g, float *m, const UpdateRates *r)
{
    update(n, w, g, m, w, r, step_sgd);
}

void ISA(rmsprop)(size_t n, float *w, float *g, float *v, const UpdateRates *r)
{
    update(n, w, g, w, v, r, step_rmsprop);
}

void ISA(adam)(size_t n, float *w, float *g, float *m, float *v, const UpdateRates *r)
{
    update(n, w, g, m, v, r, step_adam);
}

void ISA(adamw)(size_t n, float *w, float *g, float *m, float *v, const UpdateRates *r)
{
    update(n, w, g, m, v, r, step_adamw);
}

/* Long sums, losses, masks of dropout and optimisers. */
#include "reference.h"
#include "simd_data.h"

TestSuite(simd_loss, .init = simd_begin, .fini = simd_end);

/* ---- sums ---- */

Test(simd_loss, a_sum_has_one_order_on_every_set)
{
    for (int kind = 0; kind < DRAWS; kind++)
        for (size_t n = 1; n < 1300; n += small() ? 97 : 1 + n / 20) {
            const float *const a = drawn((Draw)kind, 1, n);
            const double sum = ordered_sum(n, a, NULL), squares = ordered_sum(n, a, a);
            Sum s = {0}, q = {0};
            for (size_t j = 0; j < n; j++) {
                sum_add(&s, (double)a[j]);
                sum_add(&q, (double)a[j] * (double)a[j]);
            }
            for (int i = 0; isa_set(i); i++) {
                const double got = isa_set(i)->sum(n, a),
                             got2 = isa_set(i)->sum_squares(n, a);
                cr_assert(got == sum || (isnan(got) && isnan(sum)), "sum of %zu, %s", n,
                          isa_set(i)->isa);
                cr_assert(got2 == squares || (isnan(got2) && isnan(squares)),
                          "squares of %zu, %s", n, isa_set(i)->isa);
            }
            if (kind == ORDINARY)
                cr_assert(sum_holds(s, (float)sum) && sum_holds(q, (float)squares));
            floats_free();
        }
}

/* ---- losses ---- */

enum { ROWS = 4 };

typedef enum Loss { SOFTMAX, PROBABILITIES, SIGMOID, SQUARE, LOSSES } Loss;

typedef struct LossCase {
    Loss loss;
    int n;
    const float *a, *t, *w;
    int32_t label[ROWS];
    float scale;
    size_t row;
} LossCase;

/* [ROWS][n + 1]: the loss of a row comes behind its gradient. */
static void run_loss(const Kernels *k, const void *context, float *y)
{
    const LossCase *const c = context;
    const size_t row = c->row, y_row = (size_t)c->n + 1;
    float loss[ROWS] = {0};
    switch (c->loss) {
    case SOFTMAX:
        k->softmax(ROWS, c->n, c->a, row, c->label, c->w, c->scale, loss, y, y_row);
        break;
    case PROBABILITIES:
        k->softmax(ROWS, c->n, c->a, row, NULL, NULL, 0, NULL, y, y_row);
        break;
    case SIGMOID:
        k->sigmoid_loss(ROWS, c->n, c->a, row, c->t, row, c->w, c->scale, loss, y,
                        y_row);
        break;
    default:
        k->square_loss(ROWS, c->n, c->a, row, c->t, row, c->w, c->scale, loss, y,
                       y_row);
    }
    for (int r = 0; r < ROWS; r++) {
        cr_assert(y[(size_t)r * y_row + (size_t)c->n] == guard || r + 1 < ROWS);
        y[(size_t)r * y_row + (size_t)c->n] = loss[r];
    }
}

/* Bound: FLT_EPSILON times the roundings on the way (exp and log 1 each, and those of
 * s). */
static void check_loss_row(const LossCase *c, int r, const float *da, float loss)
{
    const float *const a = c->a + (size_t)r * c->row, *const t =
                                                          c->t + (size_t)r * c->row;
    const double w = c->w ? (double)c->w[r] : 1, scale = (double)c->scale;
    const double log_sum = reference_log_sum(c->n, a);
    double want = 0, size = 0;
    for (int j = 0; j < c->n; j++) {
        const double p = exp((double)a[j] - log_sum), e = (double)a[j] - (double)t[j];
        const double sigmoid = 1 / (1 + exp(-(double)a[j]));
        double g, g_size;
        switch (c->loss) {
        case SOFTMAX:
            g = w * scale * (p - (j == c->label[r])), g_size = w * scale;
            break;
        case PROBABILITIES: g = g_size = p; break;
        case SIGMOID:
            g = w * scale * (sigmoid - (double)t[j]),
            g_size = w * scale * (1 + fabs((double)t[j]));
            want += softplus((double)a[j]) - (double)t[j] * (double)a[j];
            size += softplus((double)a[j]) + fabs((double)t[j] * (double)a[j]);
            break;
        default:
            g = w * scale * 2 / c->n * e,
            g_size = w * scale * 2 / c->n * (fabs((double)a[j]) + fabs((double)t[j]));
            want += e * e / c->n;
            size += e * e / c->n;
        }
        const double few =
            24 + c->n / 16; /* roundings: of a - max (8, magnified by exp) and of s */
        cr_assert(fabs((double)da[j] - g) <= few * (double)FLT_EPSILON * fabs(g_size),
                  "loss %d [%d][%d]: %g, not %g", c->loss, r, j, (double)da[j], g);
    }
    if (c->loss == PROBABILITIES) return;
    if (c->loss == SOFTMAX) want = log_sum - (double)a[c->label[r]], size = 16 + want;
    cr_assert(fabs((double)loss - w * want) <=
                  (c->n + 8) * (double)FLT_EPSILON * w * size,
              "loss %d: %g, not %g", c->loss, (double)loss, w * want);
}

static void check_loss(Loss loss, Draw kind, int n)
{
    LossCase c = {.loss = loss, .n = n, .scale = 0.37f, .row = (size_t)n + 2};
    c.a = drawn(kind, 1, ROWS * c.row);
    c.t = drawn(kind, 2, ROWS * c.row);
    float *const w = floats(ROWS);
    for (int r = 0; r < ROWS; r++) {
        c.label[r] = (int32_t)random_below(5, 6, (uint64_t)(n + r), (uint32_t)n);
        w[r] = 0.5f + (float)r;
    }
    if (n % 2) c.w = w;
    const float *const y =
        on_every_set("loss", run_loss, &c, ROWS, n + 1, (size_t)n + 1, NULL);
    for (int r = 0; r < ROWS && kind == ORDINARY; r++) {
        const float *const da = y + (size_t)r * ((size_t)n + 1);
        check_loss_row(&c, r, da, da[n]);
    }
    floats_free();
}

Test(simd_loss, every_loss_and_its_gradient_are_their_equations)
{
    for (int loss = 0; loss < LOSSES; loss++)
        for (int kind = 0; kind < DRAWS; kind++)
            for (int n = 1; n < 600; n += small() ? 61 : 1 + n / 12)
                check_loss((Loss)loss, (Draw)kind, n);
}

Test(simd_loss, a_softmax_of_large_numbers_is_finite)
{
    enum { N = 20 };
    for (int i = 0; isa_set(i); i++) {
        float *const a = floats(N), *const da = floats(N), loss = 0;
        const int32_t label = 3;
        for (int j = 0; j < N; j++) a[j] = 1e30f * (float)(j % 5);
        isa_set(i)->softmax(1, N, a, N, &label, NULL, 1, &loss, da, N);
        cr_assert(fabsf(loss - 1e30f) <= FLT_EPSILON * 4e30f);
        for (int j = 0; j < N; j++) cr_assert(isfinite(da[j]));
    }
}

/* ---- dropout ---- */

typedef struct Drop {
    int n;
    uint64_t index, index_row;
    float p;
    size_t row;
} Drop;

static void run_drop(const Kernels *k, const void *context, float *y)
{
    const Drop *const d = context;
    k->drop(ROWS, d->n, 7, 8, d->index, d->index_row, d->p, y, d->row);
}

Test(simd_loss, a_mask_is_a_function_of_its_index)
{
    for (int n = 1; n < 40; n += small() ? 13 : 1)
        for (int shift = 0; shift < 5; shift++) {
            const Drop d = {n, ((uint64_t)1 << 40) + (uint64_t)shift, 1001, 0.3f,
                            (size_t)n + 1};
            const float *const y =
                on_every_set("drop", run_drop, &d, ROWS, n, d.row, NULL);
            for (int r = 0; r < ROWS; r++)
                for (int j = 0; j < n; j++) {
                    const uint64_t at =
                        d.index + (uint64_t)r * d.index_row + (uint64_t)j;
                    const float want =
                        random_uniform(7, 8, at) < d.p ? 0 : 1 / (1 - d.p);
                    cr_assert(y[(size_t)r * d.row + (size_t)j] == want, "[%d][%d]", r,
                              j);
                }
            floats_free();
        }
}

/* ---- optimisers ---- */

typedef struct Update {
    Optimiser o;
    int n;
    UpdateRates rates;
} Update;

/* y: [4][n + 1], w, g, m, v. */
static void run_update(const Kernels *k, const void *context, float *y)
{
    const Update *const u = context;
    const size_t n = (size_t)u->n, row = n + 1;
    float *const w = y, *const g = y + row, *const m = y + 2 * row,
                 *const v = y + 3 * row;
    switch (u->o) {
    case SGD: k->sgd(n, w, g, m, &u->rates); break;
    case RMSPROP: k->rmsprop(n, w, g, v, &u->rates); break;
    case ADAM: k->adam(n, w, g, m, v, &u->rates); break;
    default: k->adamw(n, w, g, m, v, &u->rates);
    }
}

static bool about(float y, double want, double size)
{
    return fabs((double)y - want) <= 16 * (double)FLT_EPSILON * size + (double)FLT_MIN;
}

static void check_update(Optimiser o, Draw kind, int n, float limit)
{
    const Update u = {o,
                      n,
                      {.rate = 0.01f,
                       .momentum = 0.9f,
                       .beta1 = 0.9f,
                       .beta2 = 0.99f,
                       .correct1 = 1.7f,
                       .correct2 = 2.3f,
                       .epsilon = 1e-8f,
                       .decay = 0.03f,
                       .scale = 0.7f,
                       .limit = limit}};
    const size_t row = (size_t)n + 1;
    float *const x = drawn(kind, 1, 4 * row);
    for (size_t j = 3 * row; j < 4 * row; j++)
        x[j] = fabsf(x[j]); /* v is not negative */
    const float *const y = on_every_set("update", run_update, &u, 4, n, row, x);
    for (size_t j = 0; j < (size_t)n && kind == ORDINARY; j++) {
        const Parameter p = {(double)x[j], (double)x[row + j], (double)x[2 * row + j],
                             (double)x[3 * row + j]};
        const Parameter q = reference_update(o, p, &u.rates);
        cr_assert(about(y[j], q.w, fabs(p.w) + fabs(p.g) + fabs(p.m)),
                  "w[%zu] %g, not %g", j, (double)y[j], q.w);
        cr_assert(about(y[row + j], q.g, fabs(p.g)), "g[%zu]", j);
        cr_assert(about(y[2 * row + j], q.m, fabs(p.m) + fabs(p.g) + fabs(p.w)),
                  "m[%zu]", j);
        cr_assert(about(y[3 * row + j], q.v, p.v + p.g * p.g + p.w * p.w), "v[%zu]", j);
    }
    floats_free();
}

Test(simd_loss, every_optimiser_is_its_equation)
{
    for (int o = SGD; o <= (int)ADAMW; o++)
        for (int kind = 0; kind < DRAWS; kind++)
            for (int n = 1; n < 50; n += small() ? 16 : 1)
                check_update((Optimiser)o, (Draw)kind, n, n % 2 ? 0.5f : 0);
}

Test(simd_loss, a_gradient_that_is_not_a_number_stays_one)
{
    for (int i = 0; isa_set(i); i++) {
        float *const x = floats(4);
        const UpdateRates r = {.rate = 1, .scale = 1, .limit = 1};
        x[1] = NAN;
        isa_set(i)->sgd(1, x, x + 1, x + 2, &r);
        cr_assert(isnan(x[0]) && isnan(x[1]));
    }
}

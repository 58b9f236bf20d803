/* linear.c: see linear.h.
 *
 * With z = (1, inputs): the coefficients W solve (sum of z z^T) W = sum of z y^T, by
 * Cholesky's L L^T in double. */
#include "linear.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

/* ---- a source, row by row ---- */

typedef struct Visit {
    void *context;
    /* z [inputs + 1], y [outputs] */
    void (*row)(void *context, const double *z, const double *y);
} Visit;

typedef struct Walk {
    WeftBatch batch;
    int inputs; /* of all steps */
    double *z, *y;
} Walk;

static void walk_close(Walk *walk)
{
    free(walk->batch.x);
    free(walk->batch.target);
    free(walk->batch.weight);
    free(walk->batch.length);
    free(walk->z);
    free(walk->y);
}

static size_t targets_of(const WeftBatch *batch)
{
    return (size_t)(batch->vector ? 1 : batch->steps) * (size_t)batch->rows;
}

static bool walk_open(Walk *walk, const Forecasts *all, WeftError *err)
{
    const WeftModel *shape = all->shape;
    const size_t rows = (size_t)all->source->rows, steps = (size_t)all->source->steps;
    *walk = (Walk){.batch = {.steps = (int)steps,
                             .rows = (int)rows,
                             .inputs = shape->inputs,
                             .outputs = shape->outputs,
                             .vector = shape->vector},
                   .inputs = (int)steps * shape->inputs};
    WeftBatch *batch = &walk->batch;
    const size_t targets = targets_of(batch), inputs = (size_t)walk->inputs;
    batch->x = calloc(rows * inputs, sizeof *batch->x);
    batch->target = calloc(targets * (size_t)shape->outputs, sizeof *batch->target);
    batch->weight = calloc(targets, sizeof *batch->weight);
    batch->length = calloc(rows, sizeof *batch->length);
    walk->z = calloc(inputs + 1, sizeof *walk->z);
    walk->y = calloc((size_t)shape->outputs, sizeof *walk->y);
    if (batch->x && batch->target && batch->weight && batch->length && walk->z &&
        walk->y)
        return true;
    walk_close(walk);
    return fail(err, "out of memory");
}

/* Batch i of the source. */
static bool walk_fill(Walk *walk, const WeftSource *source, uint64_t i, WeftError *err)
{
    WeftBatch *batch = &walk->batch;
    const size_t targets = targets_of(batch);
    batch->fresh = true;
    for (size_t t = 0; t < targets; t++) batch->weight[t] = 1;
    for (int b = 0; b < batch->rows; b++) batch->length[b] = batch->steps;
    return source->fill(source->context, i, batch, err);
}

static void walk_row(Walk *walk, int b, const Visit *visit)
{
    const WeftBatch *batch = &walk->batch;
    const size_t rows = (size_t)batch->rows, inputs = (size_t)batch->inputs;
    const size_t last = targets_of(batch) - rows + (size_t)b;
    if (batch->weight[last] <= 0) return;
    walk->z[0] = 1;
    for (size_t t = 0; t < (size_t)batch->steps; t++)
        for (size_t i = 0; i < inputs; i++)
            walk->z[1 + t * inputs + i] = batch->x[(t * rows + (size_t)b) * inputs + i];
    for (int o = 0; o < batch->outputs; o++)
        walk->y[o] = batch->target[last * (size_t)batch->outputs + (size_t)o];
    visit->row(visit->context, walk->z, walk->y);
}

static bool rows_visit(const Forecasts *all, const Visit *visit, WeftError *err)
{
    Walk walk;
    if (!walk_open(&walk, all, err)) return false;
    const WeftSource *source = all->source;
    bool good = true;
    for (uint64_t i = 0; good && i < all->batches; i++) {
        good = walk_fill(&walk, source, i, err);
        for (int b = 0; good && b < source->rows; b++) walk_row(&walk, b, visit);
    }
    walk_close(&walk);
    return good;
}

/* ---- the fit ---- */

typedef struct Fit {
    size_t n, outputs;
    double *square; /* [n][n], lower half: sum of z z^T, then L */
    double *right;  /* [n][outputs]: sum of z y^T, then W */
} Fit;

static void fit_row(void *context, const double *z, const double *y)
{
    Fit *fit = context;
    for (size_t i = 0; i < fit->n; i++) {
        for (size_t j = 0; j <= i; j++) fit->square[i * fit->n + j] += z[i] * z[j];
        for (size_t o = 0; o < fit->outputs; o++)
            fit->right[i * fit->outputs + o] += z[i] * y[o];
    }
}

/* Part of an input's square that must be left when those before it are taken off. */
#define OF_ITS_OWN 1e-10

/* square = L L^T; the column of an input that gets no coefficient is 0. */
static void fit_factor(Fit *fit)
{
    const size_t n = fit->n;
    double *const L = fit->square;
    for (size_t j = 0; j < n; j++) {
        const double whole = L[j * n + j];
        double pivot = whole;
        for (size_t k = 0; k < j; k++) pivot -= L[j * n + k] * L[j * n + k];
        const double root = pivot > OF_ITS_OWN * whole ? sqrt(pivot) : 0;
        L[j * n + j] = root;
        for (size_t i = j + 1; i < n; i++) {
            double sum = L[i * n + j];
            for (size_t k = 0; k < j; k++) sum -= L[i * n + k] * L[j * n + k];
            L[i * n + j] = root > 0 ? sum / root : 0;
        }
    }
}

/* L u = right, then L^T W = u, for output o. */
static void fit_solve(Fit *fit, size_t o)
{
    const size_t n = fit->n, m = fit->outputs;
    const double *const L = fit->square;
    double *const w = fit->right + o;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < i; k++) w[i * m] -= L[i * n + k] * w[k * m];
        w[i * m] = L[i * n + i] > 0 ? w[i * m] / L[i * n + i] : 0;
    }
    for (size_t i = n; i-- > 0;) {
        for (size_t k = i + 1; k < n; k++) w[i * m] -= L[k * n + i] * w[k * m];
        w[i * m] = L[i * n + i] > 0 ? w[i * m] / L[i * n + i] : 0;
    }
}

static bool fit_open(Fit *fit, Forecasts train, WeftError *err)
{
    const WeftModel *shape = train.shape;
    const size_t n = (size_t)train.source->steps * (size_t)shape->inputs + 1;
    *fit = (Fit){.n = n, .outputs = (size_t)shape->outputs};
    fit->square = calloc(n * n, sizeof *fit->square);
    fit->right = calloc(n * fit->outputs, sizeof *fit->right);
    if (!fit->square || !fit->right) return fail(err, "out of memory");
    if (!rows_visit(&train, &(Visit){fit, fit_row}, err)) return false;
    fit_factor(fit);
    for (size_t o = 0; o < fit->outputs; o++) fit_solve(fit, o);
    return true;
}

static void fit_close(Fit *fit)
{
    free(fit->square);
    free(fit->right);
}

/* ---- the score ---- */

void errors_add(Errors *errors, double error)
{
    errors->square += error * error;
    errors->absolute += fabs(error);
    errors->count++;
}

WeftScore errors_score(const Errors *errors)
{
    return (WeftScore){.loss = errors->square / errors->count,
                       .accuracy = errors->absolute / errors->count,
                       .targets = errors->count};
}

/* A vector of errors is of one target. */
static WeftScore vectors_score(const Errors *errors, const WeftModel *shape)
{
    WeftScore score = errors_score(errors);
    score.targets /= shape->outputs;
    return score;
}

/* A forecast without a net. */
typedef struct Simple {
    const Fit *fit; /* NULL: a past value */
    size_t past;    /* where in z that is */
    size_t outputs;
    Errors errors;
} Simple;

static double told(const Simple *simple, const double *z, size_t o)
{
    const Fit *fit = simple->fit;
    double sum = fit ? 0 : z[simple->past];
    for (size_t i = 0; fit && i < fit->n; i++)
        sum += fit->right[i * fit->outputs + o] * z[i];
    return sum;
}

static void simple_row(void *context, const double *z, const double *y)
{
    Simple *simple = context;
    for (size_t o = 0; o < simple->outputs; o++)
        errors_add(&simple->errors, told(simple, z, o) - y[o]);
}

static bool simple_score(Simple simple, Forecasts test, WeftScore *score,
                         WeftError *err)
{
    simple.outputs = (size_t)test.shape->outputs;
    if (!rows_visit(&test, &(Visit){&simple, simple_row}, err)) return false;
    *score = vectors_score(&simple.errors, test.shape);
    return true;
}

bool past_value_score(Forecasts test, int ago, WeftScore *score, WeftError *err)
{
    assert(ago >= 1 && ago <= test.source->steps);
    const size_t step = (size_t)(test.source->steps - ago);
    return simple_score((Simple){.past = 1 + step * (size_t)test.shape->inputs}, test,
                        score, err);
}

bool linear_score(Forecasts train, Forecasts test, WeftScore *score, WeftError *err)
{
    Fit fit;
    const bool good = fit_open(&fit, train, err) &&
                      simple_score((Simple){.fit = &fit}, test, score, err);
    fit_close(&fit);
    return good;
}

static bool net_errors(WeftNet *net, const Forecasts *test, Walk *walk, float *out,
                       Errors *errors, WeftError *err)
{
    const WeftBatch *batch = &walk->batch;
    for (uint64_t i = 0; i < test->batches; i++) {
        if (!walk_fill(walk, test->source, i, err) ||
            !weft_predict(net, batch, out, err))
            return false;
        for (int j = 0; j < batch->rows * batch->outputs; j++)
            if (batch->weight[j / batch->outputs] > 0)
                errors_add(errors, (double)out[j] - (double)batch->target[j]);
    }
    return true;
}

bool net_score(WeftNet *net, Forecasts test, WeftScore *score, WeftError *err)
{
    const size_t outputs = (size_t)test.shape->outputs;
    assert(test.shape->vector);
    Errors errors = {0};
    Walk walk;
    if (!walk_open(&walk, &test, err)) return false;
    float *const out = calloc((size_t)walk.batch.rows * outputs, sizeof *out);
    const bool good = out ? net_errors(net, &test, &walk, out, &errors, err)
                          : fail(err, "out of memory");
    free(out);
    walk_close(&walk);
    *score = vectors_score(&errors, test.shape);
    return good;
}

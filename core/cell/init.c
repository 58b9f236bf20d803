/* init.c: the numbers that parameters begin with. */
#include "init.h"

#include "../../simd/scalar.h"

#include <math.h>
#include <stdlib.h>

/* What one parameter draws from: element i is number base + i of (seed, stream). */
typedef struct Draw {
    uint64_t seed, stream, base;
} Draw;

/* From 0 to below 1. */
static double draw_unit(const Draw *d, int i)
{
    return random_uniform53(d->seed, d->stream, d->base + (uint64_t)i);
}

static double draw_uniform(const Draw *d, int i, double bound)
{
    return bound * (2 * draw_unit(d, i) - 1);
}

static double draw_normal(const Draw *d, int i)
{
    return random_normal(d->seed, d->stream, d->base + (uint64_t)i);
}

static double dot(const double *a, const double *b, int n)
{
    double sum = 0;
    for (int j = 0; j < n; j++) sum += a[j] * b[j];
    return sum;
}

/* Makes the `count` vectors of length n orthonormal, one after the other (twice is
 * enough: Giraud et al. 2005). */
static void orthonormalise(double *v, int count, int n)
{
    for (int i = 0; i < count; i++) {
        double *const vi = v + (size_t)i * (size_t)n;
        for (int turn = 0; turn < 2; turn++)
            for (int k = 0; k < i; k++) {
                const double *const vk = v + (size_t)k * (size_t)n;
                const double along = dot(vi, vk, n);
                for (int j = 0; j < n; j++) vi[j] -= along * vk[j];
            }
        const double norm = sqrt(dot(vi, vi, n));
        for (int j = 0; j < n; j++) vi[j] = norm > 0 ? vi[j] / norm : i == j;
    }
}

/* Rows (or columns, when those are fewer) of a random matrix, made orthonormal. */
static bool orthogonal(const Draw *d, int rows, int columns, int first, float *w)
{
    const bool wide = rows <= columns;
    const int count = wide ? rows : columns, n = wide ? columns : rows;
    double *const v = malloc((size_t)count * (size_t)n * sizeof *v);
    if (!v) return false;
    for (int i = 0; i < count * n; i++) v[i] = draw_normal(d, first + i);
    orthonormalise(v, count, n);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++)
            w[i * columns + j] = (float)(wide ? v[i * n + j] : v[j * n + i]);
    free(v);
    return true;
}

/* The forget bias of Beck et al. 2024, from +5 to -7; their exponent grows with the
 * layer's depth, which a cell does not know: .3 is that of the first layer. */
static double powerlaw(int j, int d)
{
    const double ratio = d > 1 ? (double)j / (d - 1) : 0;
    return 5 - 12 * (ratio > 0 ? scalar_pow(ratio, 0.3) : 0);
}

static void fill_matrix(const Param *p, const Draw *d, int rows, int columns, int first,
                        int hidden, float *w)
{
    const double glorot = sqrt(6.0 / (rows + columns)),
                 torch = 1 / sqrt((double)hidden);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) {
            const int at = first + i * columns + j;
            const double step = columns > 1 ? (p->b - p->a) / (columns - 1) : 0;
            double value = p->a;
            switch (p->init) {
            case INIT_UNIFORM: value = draw_uniform(d, at, torch); break;
            case INIT_BETWEEN: value = p->a + (p->b - p->a) * draw_unit(d, at); break;
            case INIT_GLOROT: value = draw_uniform(d, at, glorot); break;
            case INIT_IDENTITY: value = i == j; break;
            case INIT_NORMAL: value = p->a * draw_normal(d, at); break;
            case INIT_LINSPACE: value = p->a + step * j; break;
            case INIT_POWERLAW: value = powerlaw(j, columns); break;
            case INIT_CHRONO:
                value = scalar_log(1 + draw_unit(d, at) * (p->a - 2));
                break;
            default: break;
            }
            w[i * columns + j] = (float)value;
        }
}

const char *init_fault(InitKind init, double a)
{
    if (init == INIT_CHRONO && a < 2) return "chrono takes a length of at least 2";
    if (init == INIT_NORMAL && a < 0)
        return "normal takes a standard deviation of at least 0";
    return NULL;
}

static bool fill(const Param *p, const Draw *draw, int hidden, float *w)
{
    const Shape *const s = &p->shape;
    const int columns = s->axes > 0 ? s->dim[s->axes - 1] : 1;
    const int rows = s->axes > 1 ? s->dim[s->axes - 2] : 1;
    const int size = rows * columns, count = shape_count(s);
    for (int first = 0; first < count; first += size) {
        if (p->init == INIT_ORTHOGONAL) {
            if (!orthogonal(draw, rows, columns, first, w + first)) return false;
        } else {
            fill_matrix(p, draw, rows, columns, first, hidden, w + first);
        }
    }
    return true;
}

/* What begins as another has that one's draws. */
bool init_param(const Param *all, int i, int hidden, uint64_t seed, uint64_t stream,
                float *w)
{
    double factor = 1;
    for (; all[i].init == INIT_LIKE; i = all[i].like) factor *= all[i].a;
    const Draw draw = {seed, stream, (uint64_t)i << 40};
    if (!fill(&all[i], &draw, hidden, w)) return false;
    const int count = factor != 1 ? shape_count(&all[i].shape) : 0;
    for (int k = 0; k < count; k++) w[k] *= (float)factor;
    return true;
}

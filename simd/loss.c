/* loss.c: losses with their gradients, one value a row; and the masks of dropout.
 *
 *   softmax   loss = log s - (a[label] - max a),  s = sum exp(a - max a)
 *             p = exp(a - max a) / s
 *   sigmoid   loss = sum of softplus(a) - t a
 *   square    loss = sum of (a - t)^2, over n */
#include "lanes_sum.h"

#include "philox.h"

#include <math.h>

static float lane(vf v)
{
    float f[LANES];
    v_store(f, v);
    return f[0];
}

/* Which of several equal or NaN elements wins decides no bit of the loss: zeros of
 * either sign give the same differences, and a NaN makes s NaN. */
static float greatest(int n, const float *a)
{
    vf v = v_set(-INFINITY);
    float f[LANES], top = -INFINITY;
    int j = 0;
    for (; j + LANES <= n; j += LANES) v = v_max(v_load(a + j), v);
    v_store(f, v);
    for (int i = 0; i < LANES; i++) top = f[i] > top ? f[i] : top;
    for (; j < n; j++) top = a[j] > top ? a[j] : top;
    return top;
}

/* The loss of one element is added to sum[lane]; its gradient is returned. t: the
 * target. */
typedef struct Row {
    int n;
    const float *a, *t;
    float *da;
    float shift, factor; /* of a, before; of da, after */
} Row;

typedef vf Element(vf a, vf t, vf *sum, int left);

INLINE void sixteen_losses(const Row *x, Element element, int j, int left, Sixteen *s)
{
    EACH_OF_SIXTEEN(i)
    {
        const int at = j + i * LANES,
                  here = left == 16 ? LANES : lanes_of(left - i * LANES);
        if (!here) return;
        const vf a = v_sub(v_load(x->a + at), v_set(x->shift));
        const vf g = element(a, v_load(x->t + at), &s->v[i], here);
        v_keep(x->da + at, v_mul(g, v_set(x->factor)), here);
    }
}

INLINE float row_loss(const Row *x, Element element)
{
    float total = 0;
    for (int j = 0; j < x->n;) {
        const int end = x->n - j < SUM_BLOCK ? x->n : j + SUM_BLOCK;
        Sixteen s = sixteen_zero();
        for (; end - j >= 16; j += 16) sixteen_losses(x, element, j, 16, &s);
        if (j < end) sixteen_losses(x, element, j, end - j, &s);
        j = end;
        total += sixteen_tree(s);
    }
    return total;
}

static inline vf element_exp(vf a, vf t, vf *sum, int left)
{
    (void)t;
    const vf e = v_exp(a);
    *sum = v_add(*sum, v_first(e, left));
    return e;
}

static inline vf element_sigmoid(vf a, vf t, vf *sum, int left)
{
    *sum = v_add(*sum, v_first(v_fnma(t, a, v_softplus(a)), left));
    return v_sub(v_sigmoid(a), t);
}

static inline vf element_square(vf a, vf t, vf *sum, int left)
{
    const vf e = v_sub(a, t);
    *sum = v_fma(v_first(e, left), v_first(e, left), *sum);
    return e;
}

/* da = e factor / s. */
static void normalise(int n, float s, float factor, float *da)
{
    for (int j = 0; j < n; j += LANES) {
        const vf p = v_div(v_load(da + j), v_set(s));
        v_keep(da + j, v_mul(p, v_set(factor)), lanes_of(n - j));
    }
}

void ISA(softmax)(int rows, int n, const float *a, size_t a_row, const int32_t *label,
                  const float *w, float scale, float *loss, float *da, size_t da_row)
{
    for (int r = 0; r < rows; r++) {
        const float *const at = a + a_row * (size_t)r;
        float *const to = da + da_row * (size_t)r;
        const float top = greatest(n, at), weight = w ? w[r] : 1;
        const float chosen = label ? at[label[r]] - top : 0;
        const Row row = {.n = n, .a = at, .t = at, .da = to, .shift = top, .factor = 1};

        const float s = row_loss(&row, element_exp);
        const float factor = label ? weight * scale : 1;
        const float p = label ? to[label[r]] / s : 0;
        normalise(n, s, factor, to);
        if (!label) continue;
        to[label[r]] = (p - 1) * factor;
        loss[r] = weight * (lane(v_log(v_set(s))) - chosen);
    }
}

void ISA(sigmoid_loss)(int rows, int n, const float *a, size_t a_row, const float *t,
                       size_t t_row, const float *w, float scale, float *loss,
                       float *da, size_t da_row)
{
    for (int r = 0; r < rows; r++) {
        const float weight = w ? w[r] : 1;
        const Row row = {.n = n,
                         .a = a + a_row * (size_t)r,
                         .t = t + t_row * (size_t)r,
                         .da = da + da_row * (size_t)r,
                         .factor = weight * scale};
        loss[r] = weight * row_loss(&row, element_sigmoid);
    }
}

void ISA(square_loss)(int rows, int n, const float *a, size_t a_row, const float *t,
                      size_t t_row, const float *w, float scale, float *loss, float *da,
                      size_t da_row)
{
    for (int r = 0; r < rows; r++) {
        const float weight = w ? w[r] : 1;
        const Row row = {.n = n,
                         .a = a + a_row * (size_t)r,
                         .t = t + t_row * (size_t)r,
                         .da = da + da_row * (size_t)r,
                         .factor = weight * scale * 2 / (float)n};
        loss[r] = weight * (row_loss(&row, element_square) / (float)n);
    }
}

enum {
    BLOCKS = 16
}; /* of four numbers each, drawn at a time: vectors of the compiler's */

/* `kept` where the number of the element is not below p. */
static void drop_row(int n, uint64_t seed, uint64_t stream, uint64_t index, float p,
                     float *y)
{
    const float kept = 1 / (1 - p);
    for (int done = 0; done < n;) {
        uint32_t word[4 * BLOCKS];
        for (uint64_t i = 0; i < BLOCKS; i++)
            philox(seed, stream, index / 4 + i, word + 4 * i);

        const int skip = (int)(index % 4), room = 4 * BLOCKS - skip;
        const int count = n - done < room ? n - done : room;
        for (int j = 0; j < count; j++)
            y[done + j] = uniform24(word[skip + j]) < p ? 0 : kept;
        done += count, index += (uint64_t)count;
    }
}

void ISA(drop)(int rows, int n, uint64_t seed, uint64_t stream, uint64_t index,
               uint64_t index_row, float p, float *y, size_t y_row)
{
    for (int r = 0; r < rows; r++)
        drop_row(n, seed, stream, index + index_row * (uint64_t)r, p,
                 y + y_row * (size_t)r);
}

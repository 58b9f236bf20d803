/* map.c: elementwise operations over strips of rows, y = f(a, b, c). */
#include "lanes.h"

typedef vf Operation(vf a, vf b, vf c);

/* f and operands are known where this is inlined: no call is left. */
INLINE vf apply(int operands, Operation f, const float *a, const float *b,
                const float *c)
{
    const vf zero = v_zero();
    return f(v_load(a), operands > 1 ? v_load(b) : zero,
             operands > 2 ? v_load(c) : zero);
}

INLINE void strip(const Map *m, int operands, Operation f)
{
    for (int r = 0; r < m->rows; r++) {
        const float *a = row(m->a, m->a_row, r);
        const float *b = operands > 1 ? row(m->b, m->b_row, r) : a;
        const float *c = operands > 2 ? row(m->c, m->c_row, r) : a;
        float *y = m->y + m->y_row * (size_t)r;
        int left = m->n;

        for (; left >= 2 * LANES; left -= 2 * LANES) {
            const vf first = apply(operands, f, a, b, c);
            const vf second = apply(operands, f, a + LANES, b + LANES, c + LANES);
            v_store(y, first);
            v_store(y + LANES, second);
            a += 2 * LANES, b += 2 * LANES, c += 2 * LANES, y += 2 * LANES;
        }
        for (; left >= LANES; left -= LANES) {
            v_store(y, apply(operands, f, a, b, c));
            a += LANES, b += LANES, c += LANES, y += LANES;
        }
        if (left > 0) v_keep(y, apply(operands, f, a, b, c), left);
    }
}

#define MAP(name, operands, value)                                                     \
    static inline vf op_##name(vf a, vf b, vf c)                                       \
    {                                                                                  \
        (void)a, (void)b, (void)c;                                                     \
        return value;                                                                  \
    }                                                                                  \
    void ISA(map_##name)(const Map *m)                                                 \
    {                                                                                  \
        strip(m, operands, op_##name);                                                 \
    }

#define ONE  v_set(1)
#define ZERO v_zero()

// clang-format off
MAP(copy,       1, a)
MAP(neg,        1, v_neg(a))
MAP(add,        2, v_add(a, b))
MAP(sub,        2, v_sub(a, b))
MAP(mul,        2, v_mul(a, b))
MAP(div,        2, v_div(a, b))
MAP(min,        2, v_min(a, b))
MAP(max,        2, v_max(a, b))
MAP(fma,        3, v_fma(a, b, c))
MAP(fnma,       3, v_fnma(a, b, c))
MAP(exp,        1, v_exp(a))
MAP(log,        1, v_log(a))
MAP(sigmoid,    1, v_sigmoid(a))
MAP(tanh,       1, v_tanh(a))
MAP(relu,       1, v_select(v_more(a, ZERO), a, ZERO))
MAP(abs,        1, v_abs(a))
MAP(sqrt,       1, v_sqrt(a))
MAP(softplus,   1, v_softplus(a))
MAP(logsigmoid, 1, v_neg(v_softplus(v_neg(a))))
MAP(dsigmoid,   2, v_mul(a, v_mul(b, v_sub(ONE, b))))
MAP(dtanh,      2, v_mul(a, v_fnma(b, b, ONE)))
MAP(drelu,      2, v_select(v_more(b, ZERO), a, ZERO))
MAP(dabs,       2, v_select(v_more(b, ZERO), a, v_select(v_more(ZERO, b), v_neg(a), ZERO)))
MAP(pick,       3, v_select(v_more(a, b), c, ZERO))
MAP(unpick,     3, v_select(v_more(a, b), ZERO, c))
// clang-format on

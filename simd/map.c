/* map.c: elementwise operations over strips of rows, y = f(a, b, c). */
#include "lanes.h"

/* Floats in a turn of the loop: a row of a block of units is often no longer than 32. */
enum { TURN = LANES < 8 ? 4 * LANES : 32 };

typedef vf Operation(vf a, vf b, vf c);

/* f and operands are known where this is inlined: no call is left. */
INLINE vf apply(int operands, Operation f, const Map *m, size_t j)
{
    const vf zero = v_zero();
    return f(v_load(m->a + j), operands > 1 ? v_load(m->b + j) : zero,
             operands > 2 ? v_load(m->c + j) : zero);
}

INLINE void next_row(Map *m, int operands)
{
    m->y += m->y_row, m->a += m->a_row;
    if (operands > 1) m->b += m->b_row;
    if (operands > 2) m->c += m->c_row;
}

/* Each row of y and of the operands begins where the last one ended. */
INLINE bool is_one_row(const Map *m, int operands)
{
    const size_t n = (size_t)m->n;
    return m->y_row == n && m->a_row == n && (operands < 2 || m->b_row == n) &&
           (operands < 3 || m->c_row == n);
}

/* Whole turns of all rows, then what is left of each: short rows have no other branch
 * than their own end. */
INLINE void strip(const Map *from, int operands, Operation f)
{
    const bool one = is_one_row(from, operands);
    const int rows = one ? 1 : from->rows;
    const size_t n = (size_t)from->n * (one ? (size_t)from->rows : 1);
    const size_t whole = n / TURN * TURN;

    Map m = *from;
    for (int r = 0; r < rows; r++, next_row(&m, operands))
        for (size_t j = 0; j < whole; j += TURN)
            _Pragma("GCC unroll 4") for (size_t v = j; v < j + TURN; v += LANES)
                v_store(m.y + v, apply(operands, f, &m, v));
    if (whole == n) return;

    m = *from;
    for (int r = 0; r < rows; r++, next_row(&m, operands))
        for (size_t j = whole; j < n; j += LANES)
            v_keep(m.y + j, apply(operands, f, &m, j), lanes_of((int)(n - j)));
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
MAP(dsigmoid_mul, 3, op_dsigmoid(v_mul(a, b), c, c))
MAP(dtanh_mul,  3, op_dtanh(v_mul(a, b), c, c))
// clang-format on

/* reduce.c: what adds elements up, or repeats them: sums, products of one vector. */
#include "lanes_sum.h"

/* One block: n <= SUM_BLOCK elements of a b, of a a, or of a (b NULL). */
typedef vf Term(vf a, vf b, vf sum);

static inline vf term_plain(vf a, vf b, vf sum)
{
    (void)b;
    return v_add(sum, a);
}

static inline vf term_square(vf a, vf b, vf sum)
{
    (void)b;
    return v_fma(a, a, sum);
}

static inline vf term_product(vf a, vf b, vf sum)
{
    return v_fma(a, b, sum);
}

INLINE float block_sum(Term term, int n, const float *a, const float *b)
{
    Sixteen s = sixteen_zero();
    int j = 0;
    for (; j + 16 <= n; j += 16) EACH_OF_SIXTEEN(i)
        {
            const int at = j + i * LANES;
            s.v[i] = term(v_load(a + at), v_load(b + at), s.v[i]);
        }
    if (j < n) EACH_OF_SIXTEEN(i)
        {
            const int at = j + i * LANES, left = sixteen_left(n, j, i);
            s.v[i] = term(v_part(a + at, left), v_part(b + at, left), s.v[i]);
        }
    return sixteen_tree(s);
}

INLINE float row_sum(Term term, int n, const float *a, const float *b)
{
    float total = 0;
    for (int j = 0; j < n; j += SUM_BLOCK)
        total += block_sum(term, n - j < SUM_BLOCK ? n - j : SUM_BLOCK, a + j, b + j);
    return total;
}

INLINE double long_sum(Term term, size_t n, const float *a)
{
    double total = 0;
    for (size_t j = 0; j < n; j += SUM_BLOCK)
        total += (double)block_sum(term, n - j < SUM_BLOCK ? (int)(n - j) : SUM_BLOCK,
                                   a + j, a + j);
    return total;
}

double ISA(sum)(size_t n, const float *a)
{
    return long_sum(term_plain, n, a);
}

double ISA(sum_squares)(size_t n, const float *a)
{
    return long_sum(term_square, n, a);
}

/* Grouped operations of a Map. */

void ISA(map_sum)(const Map *m)
{
    for (int r = 0; r < m->rows; r++) {
        const float *a = row(m->a, m->a_row, r);
        float *y = m->y + m->y_row * (size_t)r;
        for (int g = 0; g < m->groups; g++, a += m->inner)
            y[g] = row_sum(term_plain, m->inner, a, a);
    }
}

void ISA(map_matvec)(const Map *m)
{
    for (int r = 0; r < m->rows; r++) {
        const float *a = row(m->a, m->a_row, r), *b = row(m->b, m->b_row, r);
        float *y = m->y + m->y_row * (size_t)r;
        for (int g = 0; g < m->groups; g++, b += m->inner)
            for (int i = 0; i < m->m; i++, a += m->inner)
                *y++ = row_sum(term_product, m->inner, a, b);
    }
}

/* y[j] = a[0][j] b[0] + a[1][j] b[1] + ..., one chain for each j, going on from y. */
INLINE void columns(int vectors, int rows, int n, int width, bool go_on, const float *a,
                    const float *b, float *y)
{
    vf s[4];
    UNROLL for (int v = 0; v < vectors; v++) s[v] =
        go_on ? v_load(y + v * LANES) : v_zero();
    for (int i = 0; i < rows; i++, a += width)
        UNROLL for (int v = 0; v < vectors; v++) s[v] =
            v_fma(v_load(a + v * LANES), v_set(b[i]), s[v]);
    UNROLL for (int v = 0; v < vectors; v++)
        v_keep(y + v * LANES, s[v], lanes_of(n - v * LANES));
}

void ISA(map_matvec_t)(const Map *m)
{
    for (int r = 0; r < m->rows; r++) {
        const float *a = row(m->a, m->a_row, r), *b = row(m->b, m->b_row, r);
        float *y = m->y + m->y_row * (size_t)r;
        for (int g = 0; g < m->groups; g++) {
            int j = 0;
            for (; j + 4 * LANES <= m->inner; j += 4 * LANES)
                columns(4, m->m, 4 * LANES, m->inner, m->go_on, a + j, b, y + j);
            for (; j < m->inner; j += LANES)
                columns(1, m->m, m->inner - j, m->inner, m->go_on, a + j, b, y + j);
            a += (size_t)m->m * (size_t)m->inner;
            b += m->m;
            y += m->inner;
        }
    }
}

static void spread(int n, float a, float *y)
{
    int j = 0;
    for (; j + LANES <= n; j += LANES) v_store(y + j, v_set(a));
    if (j < n) v_keep(y + j, v_set(a), n - j);
}

void ISA(map_expand)(const Map *m)
{
    for (int r = 0; r < m->rows; r++)
        for (int g = 0; g < m->groups; g++)
            spread(m->inner, row(m->a, m->a_row, r)[g],
                   m->y + m->y_row * (size_t)r + (size_t)g * (size_t)m->inner);
}

static void scaled(int n, float a, const float *b, float *y)
{
    int j = 0;
    for (; j + LANES <= n; j += LANES) v_store(y + j, v_mul(v_set(a), v_load(b + j)));
    if (j < n) v_keep(y + j, v_mul(v_set(a), v_load(b + j)), n - j);
}

void ISA(map_outer)(const Map *m)
{
    for (int r = 0; r < m->rows; r++) {
        const float *a = row(m->a, m->a_row, r), *b = row(m->b, m->b_row, r);
        float *y = m->y + m->y_row * (size_t)r;
        for (int g = 0; g < m->groups; g++, b += m->inner)
            for (int i = 0; i < m->m; i++, y += m->inner) scaled(m->inner, *a++, b, y);
    }
}

/* y += a for one row, exact. */
INLINE void add_row(int n, const float *a, const float *d, float *y)
{
    int j = 0;
    for (; j + LANES <= n; j += LANES)
        v_store(y + j, v_add(v_load(d + j), v_load(a + j)));
    if (j < n) v_keep(y + j, v_add(v_load(d + j), v_load(a + j)), n - j);
}

void ISA(sum_rows)(int rows, int n, const float *a, size_t a_row, float *y)
{
    for (int j = 0; j < n; j += LANES) {
        vf s = v_load(y + j);
        for (int r = 0; r < rows; r++) s = v_add(s, v_load(row(a, a_row, r) + j));
        v_keep(y + j, s, lanes_of(n - j));
    }
}

void ISA(look_up)(int rows, int n, const int32_t *symbol, const float *table,
                  size_t table_row, const float *d, float *y, size_t y_row)
{
    for (int r = 0; r < rows; r++) {
        const float *const t = row(table, table_row, symbol[r]);
        float *const to = y + y_row * (size_t)r;
        if (d)
            add_row(n, t, d, to);
        else {
            int j = 0;
            for (; j + LANES <= n; j += LANES) v_store(to + j, v_load(t + j));
            if (j < n) v_keep(to + j, v_load(t + j), n - j);
        }
    }
}

void ISA(look_up_gradient)(int rows, int n, const int32_t *symbol, const float *d,
                           size_t d_row, float *table, size_t table_row)
{
    for (int r = 0; r < rows; r++) {
        float *const t = table + table_row * (size_t)symbol[r];
        add_row(n, row(d, d_row, r), t, t);
    }
}

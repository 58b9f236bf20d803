/* Elementwise kernels and those over groups: value, bits, bounds of what is written. */
#include "reference.h"
#include "simd_data.h"

TestSuite(simd_map, .init = simd_begin, .fini = simd_end);

static const char *const name[] = {
#define ITEM(name, text) #name,
    MAP_LIST(ITEM)
#undef ITEM
};

typedef struct Case {
    MapOp op;
    Map map;
} Case;

static void run_map(const Kernels *k, const void *context, float *y)
{
    const Case *const c = context;
    Map m = c->map;
    m.y = y;
    k->map[c->op](&m);
}

static void run_in_place(const Kernels *k, const void *context, float *y)
{
    const Case *const c = context;
    Map m = c->map;
    m.y = y;
    m.a = y, m.a_row = m.y_row;
    k->map[c->op](&m);
}

/* y is f rounded, with so much error. A result that underflows may be kept or flushed;
 * what log1p halves on its way may be flushed too, hence 2 FLT_MIN. */
static bool near(Pointwise f, double a, double b, double c, float y)
{
    const double exact = f.value(a, b, c), off = fabs((double)y - exact);
    if (isnan(exact)) return isnan(y);
    if (isinf((float)exact))
        return fabs((double)y) >= (double)FLT_MAX && (y > 0) == (exact > 0);
    if (fabs(exact) < (double)FLT_MIN) return fabs((double)y) <= (double)FLT_MIN;
    if (f.epsilons <= 0.5) return y == (float)exact;
    return off <= f.epsilons * (double)FLT_EPSILON * fabs(exact) + 2 * (double)FLT_MIN;
}

/* y, a, b, c: the rows of each are apart, or follow one another; b that is apart is one
 * row for all. */
enum { Y_APART = 1, A_APART = 2, B_APART = 4, C_APART = 8, ALL_APART = 15 };

static void check_pointwise(MapOp op, Draw kind, int rows, int n, int apart)
{
    const size_t follow = (size_t)n, most = (size_t)rows * (follow + 4);
    const Map m = {.rows = rows,
                   .n = n,
                   .y_row = apart & Y_APART ? follow + 3 : follow,
                   .a = drawn(kind, 1, most),
                   .a_row = apart & A_APART ? follow + 3 : follow,
                   .b = drawn(kind, 2, most),
                   .b_row = apart & B_APART ? 0 : follow,
                   .c = drawn(kind, 3, most),
                   .c_row = apart & C_APART ? follow + 4 : follow};
    const Case c = {op, m};
    const size_t row = m.y_row;
    const float *const y = on_every_set(name[op], run_map, &c, rows, n, row, NULL);
    const float *const z =
        m.a_row == row ? on_every_set(name[op], run_in_place, &c, rows, n, row, m.a)
                       : y;

    for (int r = 0; r < rows; r++)
        for (int j = 0; j < n; j++) {
            const size_t at = (size_t)r * row + (size_t)j;
            const double a = (double)m.a[(size_t)r * m.a_row + (size_t)j];
            const double b = (double)m.b[(size_t)r * m.b_row + (size_t)j];
            const double d = (double)m.c[(size_t)r * m.c_row + (size_t)j];
            cr_assert(near(reference_map[op], a, b, d, y[at]),
                      "%s(%a, %a, %a) is %a, not %a", name[op], a, b, d, (double)y[at],
                      reference_map[op].value(a, b, d));
            cr_assert(same(y + at, z + at, 1), "%s in place", name[op]);
        }
    floats_free();
}

Test(simd_map, every_operation_is_its_equation_on_every_set)
{
    for (int op = 0; op < MAP_sum; op++)
        for (int kind = 0; kind < DRAWS; kind++)
            for (int n = 1; n <= (small() ? 19 : 67); n += small() ? 6 : 1) {
                check_pointwise((MapOp)op, (Draw)kind, 3, n, ALL_APART);
                check_pointwise((MapOp)op, (Draw)kind, 3, n, (op + kind + n) % 16);
            }
}

/* All magnitudes, dense enough to meet the places where an approximation changes
 * over. */
Test(simd_map, functions_hold_their_error_over_their_range)
{
    static const MapOp ops[] = {MAP_exp,  MAP_log,      MAP_sigmoid,
                                MAP_tanh, MAP_softplus, MAP_logsigmoid};
    const int n = small() ? 2000 : 400000;
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        float *const a = floats((size_t)n);
        for (int j = 0; j < n; j++)
            a[j] = ldexpf(2 * random_uniform(21, i, (uint64_t)j) - 1, j % 36 - 20);
        const Case c = {ops[i], {.rows = 1, .n = n, .a = a}};
        const float *const y =
            on_every_set(name[ops[i]], run_map, &c, 1, n, (size_t)n, NULL);
        for (int j = 0; j < n; j++)
            cr_assert(near(reference_map[ops[i]], (double)a[j], 0, 0, y[j]),
                      "%s(%a) is %a", name[ops[i]], (double)a[j], (double)y[j]);
        floats_free();
    }
}

/* Floats in a row of the output of a grouped operation, and in its operands. */
static int width_of(MapOp op, const Map *m)
{
    switch (op) {
    case MAP_sum: return m->groups;
    case MAP_matvec: return m->groups * m->m;
    case MAP_outer: return m->groups * m->m * m->inner;
    default: return m->groups * m->inner; /* expand, matvec_t */
    }
}

static void check_grouped(MapOp op, Draw kind, int groups, int rows_of_group, int inner)
{
    const int rows = 2;
    Map m = {.rows = rows, .groups = groups, .m = rows_of_group, .inner = inner};
    m.n = groups * inner * (op == MAP_sum || op == MAP_expand ? 1 : rows_of_group);
    const int n = width_of(op, &m);
    const size_t most = (size_t)groups * (size_t)rows_of_group * (size_t)inner;
    m.a = drawn(kind, 4, 2 * most + 7), m.a_row = most + 7;
    m.b = drawn(kind, 5, 2 * most + 5), m.b_row = most + 5;
    m.y_row = (size_t)n + 1;

    const Case c = {op, m};
    const float *const y = on_every_set(name[op], run_map, &c, rows, n, m.y_row, NULL);
    for (int r = 0; r < rows && kind == ORDINARY; r++)
        for (int j = 0; j < n; j++) {
            const Sum s = reference_grouped(op, &m, m.a + (size_t)r * m.a_row,
                                            m.b + (size_t)r * m.b_row, j);
            const float got = y[(size_t)r * m.y_row + (size_t)j];
            cr_assert(sum_holds(s, got), "%s [%d]: %g, not %g", name[op], j,
                      (double)got, s.value);
        }
    floats_free();
}

Test(simd_map, every_grouped_operation_is_its_equation_on_every_set)
{
    static const int inner[] = {1,  2,  3,  5,  8,   13,  16,  17, 31,
                                32, 47, 64, 67, 129, 256, 257, 521};
    for (int op = MAP_sum; op < MAP_COUNT; op++)
        for (int kind = 0; kind < DRAWS; kind++)
            for (size_t i = 0; i < sizeof inner / sizeof *inner; i += small() ? 3 : 1) {
                check_grouped((MapOp)op, (Draw)kind, 1, 1, inner[i]);
                check_grouped((MapOp)op, (Draw)kind, 3, 5, inner[i]);
                check_grouped((MapOp)op, (Draw)kind, 2, inner[i] < 40 ? inner[i] : 3,
                              inner[i]);
            }
}

static void run_in_parts(const Kernels *k, const void *context, float *y)
{
    const Case *const c = context;
    Map m = c->map;
    m.y = y;
    m.m = c->map.m / 3;
    k->map[c->op](&m);
    m.go_on = true;
    m.a += m.m * m.inner, m.b += m.m;
    m.m = c->map.m - m.m;
    k->map[c->op](&m);
}

Test(simd_map, a_transposed_product_goes_on_where_it_ended)
{
    enum { M = 7 };
    for (int inner = 1; inner <= 150; inner += small() ? 37 : 1) {
        const size_t n = (size_t)inner;
        const Map m = {.rows = 2,
                       .n = M * inner,
                       .groups = 1,
                       .m = M,
                       .inner = inner,
                       .y_row = n + 1,
                       .a = drawn(ORDINARY, 6, 2 * M * n),
                       .a_row = M * n,
                       .b = drawn(ORDINARY, 7, 2 * M),
                       .b_row = M};
        const Case c = {MAP_matvec_t, m};
        const char *const what = name[MAP_matvec_t];
        const float *const y = on_every_set(what, run_map, &c, 2, inner, n + 1, NULL);
        const float *const z =
            on_every_set(what, run_in_parts, &c, 2, inner, n + 1, NULL);
        cr_assert(same(y, z, n) && same(y + n + 1, z + n + 1, n), "inner %d", inner);
        floats_free();
    }
}

/* Products, gradients and what gathers rows: value, bits, bounds, and that no cut
 * shows. */
#include "reference.h"
#include "simd_data.h"

TestSuite(simd_gemm, .init = simd_begin, .fini = simd_end);

/* ---- products ---- */

typedef enum Start { START_ZERO, START_ROW, START_ROWS, START_C, STARTS } Start;

typedef struct Product {
    Gemm g;
    Start start;
    const float *w; /* B[p][j] = w[j * w_n + p * w_k] */
    size_t w_n, w_k;
} Product;

static void run_gemm(const Kernels *k, const void *context, float *y)
{
    const Product *const p = context;
    Gemm g = p->g;
    float *const packed = floats(k->packed(g.n, g.k));
    k->pack(g.n, g.k, p->w, p->w_n, p->w_k, packed);
    g.b = packed;
    g.c = y;
    if (p->start == START_C) g.d = y, g.d_row = g.c_row;
    k->gemm(&g);
}

static void check_gemm(Draw kind, int m, int n, int k, Start start, bool turned)
{
    Product p = {.start = start, .g = {.m = m, .n = n, .k = k}};
    p.g.c_row = (size_t)n + 5;
    p.g.a_row = turned ? 1 : (size_t)k + 2, p.g.a_col = turned ? (size_t)m + 1 : 1;
    p.g.a = drawn(kind, 1, (size_t)(m + 1) * (size_t)(k + 2));
    p.w_n = turned ? 1 : (size_t)k + 1, p.w_k = turned ? (size_t)n + 3 : 1;
    p.w = drawn(kind, 2, (size_t)(n + 3) * (size_t)(k + 1));
    if (start == START_ROW) p.g.d = drawn(kind, 3, (size_t)n);
    if (start == START_ROWS)
        p.g.d = drawn(kind, 3, (size_t)m * (size_t)(n + 1)), p.g.d_row = (size_t)n + 1;
    const float *const before =
        start == START_C ? drawn(kind, 4, (size_t)m * p.g.c_row) : NULL;
    const float *const y = on_every_set("gemm", run_gemm, &p, m, n, p.g.c_row, before);

    float *const b = floats((size_t)k * (size_t)n);
    for (int i = 0; i < k; i++)
        for (int j = 0; j < n; j++)
            b[i * n + j] = p.w[(size_t)j * p.w_n + (size_t)i * p.w_k];
    if (before) p.g.d = before, p.g.d_row = p.g.c_row;
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            const float got = y[(size_t)i * p.g.c_row + (size_t)j],
                        want = chain_gemm(&p.g, b, i, j);
            const Sum s = reference_gemm(&p.g, b, i, j);
            cr_assert(same(&got, &want, 1), "gemm %d %d %d [%d][%d]: %a, not %a", m, n,
                      k, i, j, (double)got, (double)want);
            cr_assert(kind != ORDINARY || sum_holds(s, got));
        }
    floats_free();
}

Test(simd_gemm, every_element_is_one_chain_of_fused_multiply_adds)
{
    static const int ns[] = {1, 4, 7, 15, 16, 17, 31, 32, 33, 49, 65};
    static const int ks[] = {1, 2, 7, 64, 259};
    int turn = 0;
    for (int m = 1; m <= 29; m += small() ? 7 : 1)
        for (size_t n = 0; n < sizeof ns / sizeof *ns; n += small() ? 3 : 1)
            for (size_t k = 0; k < (small() ? 3 : 5); k++, turn++)
                check_gemm(ORDINARY, m, ns[n], ks[k], (Start)(turn % STARTS),
                           turn / STARTS % 2);
    for (int kind = TINY; kind < DRAWS; kind++)
        for (int m = 1; m <= 14; m += small() ? 11 : 1)
            check_gemm((Draw)kind, m, 37, 19, (Start)(m % STARTS), m / STARTS % 2);
}

Test(simd_gemm, a_product_of_many_rows_is_blocked_without_a_trace)
{
    for (int start = 0; start < STARTS; start++) /* so deep that k is cut */
        for (int m = 1; m <= 13; m += 4)
            check_gemm(ORDINARY, m, 65, 600, (Start)start, m == 5);
    check_gemm(ORDINARY, small() ? 61 : 401, 33, small() ? 67 : 1031, START_ROW, false);
}

/* Rows, columns of whole panels, and k, cut anywhere. */
Test(simd_gemm, no_cut_changes_a_bit)
{
    enum { M = 23, N = 79, K = 61 };
    const float *const a = drawn(ORDINARY, 1, M * K), *const w =
                                                          drawn(ORDINARY, 2, N * K);
    for (int i = 0; isa_set(i); i++) {
        const Kernels *const k = isa_set(i);
        float *const b = floats(k->packed(N, K)), *const tail = floats(k->packed(N, K));
        float *const whole = floats(M * N), *const parts = floats(M * N);
        k->pack(N, K, w, K, 1, b);
        Gemm g = {.m = M,
                  .n = N,
                  .k = K,
                  .a = a,
                  .a_row = K,
                  .a_col = 1,
                  .b = b,
                  .c = whole,
                  .c_row = N};
        k->gemm(&g);
        for (int cut = 1; cut < K; cut += 13) {
            for (int half = 0; half < 2; half++) {
                g.k = half ? K - cut : cut;
                g.a = a + (half ? cut : 0);
                k->pack(N, g.k, w + (half ? cut : 0), K, 1, tail);
                for (int r = 0; r < M; r += 9)
                    for (int j = 0; j < N; j += k->panel) {
                        Gemm part = g;
                        part.m = M - r < 9 ? M - r : 9;
                        part.n = N - j < k->panel ? N - j : k->panel;
                        part.a += r * K;
                        part.b = tail + k->packed(j, g.k);
                        part.c = parts + r * N + j;
                        part.d = half ? part.c : NULL, part.d_row = N;
                        k->gemm(&part);
                    }
            }
            cr_assert(same(whole, parts, M * N), "%s, cut at %d", k->isa, cut);
        }
    }
}

/* ---- gradients ---- */

/* Two d and two x, each pair once, and the sums of each d; y holds one dw after
 * another, each a block of `block` floats. */
typedef struct Gradients {
    int rows, n[2], k[2];
    const int *row; /* of d and x; NULL: all */
    const float *d[2], *x[2];
    size_t d_row, x_row, dw_row, block;
} Gradients;

enum { JOBS = 6 };

static Gradient job_of(const Gradients *g, int job, float *y)
{
    const int d = job % 2, x = job / 2; /* x 2: a bias */
    return (Gradient){.n = g->n[d],
                      .k = x < 2 ? g->k[x] : 1,
                      .d = g->d[d],
                      .d_row = g->d_row,
                      .x = x < 2 ? g->x[x] : NULL,
                      .x_row = g->x_row,
                      .dw = y + (size_t)job * g->block,
                      .dw_row = x < 2 ? g->dw_row : 1};
}

static void run_gradient(const Kernels *k, const void *context, float *y)
{
    const Gradients *const g = context;
    Gradient jobs[JOBS];
    for (int i = 0; i < JOBS; i++) jobs[i] = job_of(g, i, y);
    const int panels =
        (g->k[0] + k->panel - 1) / k->panel + (g->k[1] + k->panel - 1) / k->panel;
    k->gradient(g->rows, g->row, JOBS, jobs,
                floats(k->gradient_scratch(panels * k->panel)));
}

static size_t row_at(const Gradients *g, int r)
{
    return (size_t)(g->row ? g->row[r] : r);
}

/* A product it is: A[i][r] = d[r][i], B[r][j] = x[r][j], or 1. */
static void check_job(Draw kind, const Gradients *g, int job, const float *before,
                      const float *y)
{
    const Gradient j = job_of(g, job, NULL);
    const size_t at = (size_t)job * g->block;
    float *const x = floats((size_t)g->rows * (size_t)j.k);
    float *const d = floats((size_t)g->rows * (size_t)j.n);
    for (int r = 0; r < g->rows; r++) {
        const size_t row = row_at(g, r);
        for (int i = 0; i < j.k; i++)
            x[r * j.k + i] = j.x ? j.x[row * j.x_row + (size_t)i] : 1;
        for (int i = 0; i < j.n; i++) d[r * j.n + i] = j.d[row * j.d_row + (size_t)i];
    }
    const Gemm p = {.m = j.n,
                    .n = j.k,
                    .k = g->rows,
                    .a = d,
                    .a_row = 1,
                    .a_col = (size_t)j.n,
                    .d = before + at,
                    .d_row = j.dw_row};
    for (size_t i = 0; i < g->block; i++) {
        const int r = (int)(i / j.dw_row), c = (int)(i % j.dw_row);
        const bool ours = r < j.n && c < j.k;
        const float got = y[at + i],
                    want = ours ? chain_gemm(&p, x, r, c) : before[at + i];
        cr_assert(same(&got, &want, 1), "job %d, %d %d %d [%d][%d]: %a, not %a", job,
                  j.n, j.k, g->rows, r, c, (double)got, (double)want);
        cr_assert(!ours || kind != ORDINARY ||
                  sum_holds(reference_gemm(&p, x, r, c), got));
    }
}

enum { ROWS_MOST = 600 };

/* gaps: of three rows two, more or less. */
static void check_gradient(Draw kind, int n, int k, int rows, bool gaps)
{
    int row[ROWS_MOST];
    Gradients g = {.rows = rows, .n = {n, n + 3}, .k = {k, k + 1}};
    if (gaps) {
        g.row = row;
        for (int r = 0, at = 0; r < rows; r++, at++) {
            at += random_below(7, 1, (uint64_t)r, 2) != 0;
            row[r] = at;
        }
    }
    const size_t all_rows = row_at(&g, rows - 1) + 1;
    g.d_row = (size_t)n + 6, g.x_row = (size_t)k + 2, g.dw_row = (size_t)k + 7;
    g.block = g.dw_row * (size_t)(n + 3);
    for (int i = 0; i < 2; i++) {
        g.d[i] = drawn(kind, 1 + (uint64_t)i, all_rows * g.d_row);
        g.x[i] = drawn(kind, 3 + (uint64_t)i, all_rows * g.x_row);
    }
    const int all = (int)g.block * JOBS;
    const float *const before = drawn(kind, 5, (size_t)all);
    const float *const y =
        on_every_set("gradient", run_gradient, &g, 1, all, (size_t)all, before);
    for (int i = 0; i < JOBS; i++) check_job(kind, &g, i, before, y);
    floats_free();
}

Test(simd_gemm, a_gradient_is_one_chain_over_rows)
{
    static const int ns[] = {1, 5, 12, 13, 25, 49, 199}, ks[] = {1, 7, 16, 33, 67};
    static const int rows[] = {1, 3, 64, 255, 256, 257, 600};
    for (size_t n = 0; n < 7; n += small() ? 2 : 1)
        for (size_t k = 0; k < 5; k += small() ? 3 : 1)
            for (size_t r = 0; r < 7; r += small() ? 5 : 1)
                check_gradient(ORDINARY, ns[n], ks[k], rows[r], (n + k + r) % 2);
    for (int kind = TINY; kind < DRAWS; kind++)
        check_gradient((Draw)kind, 14, 35, 61, kind % 2);
}

Test(simd_gemm, a_packed_matrix_begins_a_panel_every_panel_columns)
{
    for (int i = 0; isa_set(i); i++) {
        const Kernels *const k = isa_set(i);
        const int n = 2 * k->panel + 1, depth = 5;
        cr_assert(k->packed(n, depth) == 3 * (size_t)k->panel * (size_t)depth);
        for (int turned = 0; turned < 2; turned++) {
            const float *const w = drawn(ORDINARY, 1, (size_t)n * (size_t)depth);
            const size_t w_n = turned ? 1 : (size_t)depth, w_k = turned ? (size_t)n : 1;
            const size_t all = k->packed(n, depth);
            float *const b = canvas(1, all, NULL);
            k->pack(n, depth, w, w_n, w_k, b);
            for (int j = 0; j < 3 * k->panel; j++)
                for (int p = 0; p < depth; p++) {
                    const float want = j < n ? w[(size_t)j * w_n + (size_t)p * w_k] : 0;
                    const size_t at = k->packed(j / k->panel * k->panel, depth) +
                                      (size_t)(p * k->panel + j % k->panel);
                    cr_assert(b[at] == want, "%s: column %d, depth %d", k->isa, j, p);
                }
            cr_assert(guarded(b, 1, (int)all, all, NULL), "%s", k->isa);
        }
    }
}

/* ---- rows that are added up or looked up ---- */

typedef struct Rows {
    int rows, n;
    const int32_t *symbol;
    const float *a, *d;
    size_t a_row, d_row, y_row;
} Rows;

static void run_sum_rows(const Kernels *k, const void *context, float *y)
{
    const Rows *const x = context;
    k->sum_rows(x->rows, x->n, x->a, x->a_row, y);
}

static void run_look_up(const Kernels *k, const void *context, float *y)
{
    const Rows *const x = context;
    k->look_up(x->rows, x->n, x->symbol, x->a, x->a_row, x->d, y, x->y_row);
}

static void run_look_up_gradient(const Kernels *k, const void *context, float *y)
{
    const Rows *const x = context;
    k->look_up_gradient(x->rows, x->n, x->symbol, x->a, x->a_row, y, x->y_row);
}

enum { SYMBOLS = 5, ROWS = 9 };

static void check_rows(Draw kind, int n)
{
    static int32_t symbol[ROWS];
    for (int r = 0; r < ROWS; r++)
        symbol[r] = (int32_t)random_below(1, 2, (uint64_t)r, SYMBOLS);
    Rows x = {.rows = ROWS,
              .n = n,
              .symbol = symbol,
              .a_row = (size_t)n + 1,
              .y_row = (size_t)n + 2};
    x.a = drawn(kind, 1, ROWS * x.a_row);
    const float *const before = drawn(kind, 2, ROWS * x.y_row);

    const float *y = on_every_set("sum_rows", run_sum_rows, &x, 1, n, x.y_row, before);
    for (int j = 0; j < n; j++) {
        float want = before[j];
        for (int r = 0; r < ROWS; r++) want += x.a[(size_t)r * x.a_row + (size_t)j];
        cr_assert(same(&want, y + j, 1), "sum_rows [%d]", j);
    }

    for (int with = 0; with < 2; with++) {
        x.d = with ? before : NULL;
        y = on_every_set("look_up", run_look_up, &x, ROWS, n, x.y_row, NULL);
        for (int r = 0; r < ROWS; r++)
            for (int j = 0; j < n; j++) {
                const float t = x.a[(size_t)symbol[r] * x.a_row + (size_t)j];
                const float want = with ? before[j] + t : t;
                cr_assert(same(&want, y + (size_t)r * x.y_row + j, 1),
                          "look_up [%d][%d]", r, j);
            }
    }

    y = on_every_set("look_up_gradient", run_look_up_gradient, &x, SYMBOLS, n, x.y_row,
                     before);
    for (int s = 0; s < SYMBOLS; s++)
        for (int j = 0; j < n; j++) {
            float want = before[(size_t)s * x.y_row + (size_t)j];
            for (int r = 0; r < ROWS; r++)
                if (symbol[r] == s) want += x.a[(size_t)r * x.a_row + (size_t)j];
            cr_assert(same(&want, y + (size_t)s * x.y_row + j, 1),
                      "look_up_gradient [%d][%d]", s, j);
        }
    floats_free();
}

Test(simd_gemm, rows_are_added_and_looked_up_in_ascending_order)
{
    for (int kind = 0; kind < DRAWS; kind++)
        for (int n = 1; n <= 67; n += small() ? 11 : 1) check_rows((Draw)kind, n);
}

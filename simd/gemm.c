/* gemm.c: matrix products, C = D + A B, and weight gradients, dW += d^T x.
 *
 * B lies in panels of PANEL columns, [k][PANEL]. The work is cut into tiles of at most
 * TILE_ROWS rows by one panel, whose sums stay in registers while k runs:
 *
 *                  B  |  PANEL  |          each element of C is one chain of fused
 *                   k |         |          multiply-adds in ascending k; a product cut
 *          k          |         |          along k stores the partial sums and goes on
 *   A [_________]   C [ tile ]             from them, so no cut changes a bit. */
#include "lanes.h"

#include <stdbool.h>

#define EACH(i, n) UNROLL for (int i = 0; i < (n); i++)

enum {
    PANEL = TILE_VECTORS * LANES,
    BLOCK = 48 * 1024, /* floats of A that a block of rows may have: they stay in L2 */
    CUT = 256,         /* rows of B that are taken at once */
    DEPTH = 256,       /* rows of d and x that a block of a gradient has, ... */
    STRIP = 16 * TILE_ROWS, /* ... and columns of d: 192 KiB of L2 at most */
    AHEAD = 8,              /* rows of d that are asked for while one is packed */
    ASK = 128 * 1024        /* floats that may be asked for ahead: half of an L2 */
};

typedef struct Tile {
    int k;
    const float *a; /* A[i][p] = a[i * a_row + p * a_col] */
    size_t a_row, a_col;
    const float *b; /* [k][PANEL]; a wide tile's second one is `panel` floats on */
    size_t panel;
    const float *d; /* [rows][d_row]; NULL: 0 */
    size_t d_row;
    float *c; /* [rows][c_row] */
    size_t c_row;
    const float *next; /* asked for while k runs, `step` floats at a time: what the */
    int step;          /* tiles after this one will read; 0: nothing */
} Tile;

/* All but the loop over k is unrolled, for `rows` and `panels` are constants where this
 * is inlined: c, [rows][panels * TILE_VECTORS], stays in registers. */
INLINE void tile(const int rows, const int panels, const Tile *t)
{
    const int vectors = panels * TILE_VECTORS;
    const size_t a_row = t->a_row, a_col = t->a_col, c_row = t->c_row, d_row = t->d_row;
    const size_t panel = t->panel;
    const float *a = t->a, *b = t->b, *next = t->next, *const d = t->d;
    const int step = t->step;
    float *const c = t->c;
    vf s[TILE_ROWS * TILE_VECTORS], x[2 * TILE_VECTORS];

    EACH(i, rows) EACH(v, vectors)
    {
        s[i * vectors + v] = d ? v_load(d + (size_t)i * d_row + v * LANES) : v_zero();
    }

    for (int p = t->k; p > 0; p--, a += a_col, b += PANEL, next += step) {
        if (panels == 1) __builtin_prefetch(next, 0, 2);
        EACH(v, vectors)
        {
            const size_t at = (size_t)(v / TILE_VECTORS) * panel;
            x[v] = v_load(b + at + v % TILE_VECTORS * LANES);
        }
        EACH(i, rows)
        {
            const vf y = v_set(a[(size_t)i * a_row]);
            EACH(v, vectors) s[i * vectors + v] = v_fma(y, x[v], s[i * vectors + v]);
        }
    }

    EACH(i, rows) EACH(v, vectors)
    {
        v_store(c + (size_t)i * c_row + v * LANES, s[i * vectors + v]);
    }
}

/* A tile of few rows takes two panels, so that it has sums enough to hide the latency
 * of a multiply-add. Four panels are slower, and so is asking for B ahead: it comes from
 * L2 in two streams that the processor foresees. */
#define PANELS(rows) ((rows) > TILE_ROWS / 2 ? 1 : 2)

#define ITEM(rows)                                                                     \
    static void tile_##rows(const Tile *t)                                             \
    {                                                                                  \
        tile(rows, 1, t);                                                              \
    }                                                                                  \
    static void wide_##rows(const Tile *t)                                             \
    {                                                                                  \
        tile(rows, PANELS(rows), t);                                                   \
    }
TILE_LIST(ITEM)
#undef ITEM

typedef void RunTile(const Tile *t);
static RunTile *const tiles[] = {
#define ITEM(rows) [rows] = tile_##rows,
    TILE_LIST(ITEM)
#undef ITEM
};
static RunTile *const wide_tiles[] = {
#define ITEM(rows) [rows] = wide_##rows,
    TILE_LIST(ITEM)
#undef ITEM
};

/* Copies n columns, exactly. */
static void copy(int rows, int n, const float *from, size_t from_row, float *to,
                 size_t to_row)
{
    for (int i = 0; i < rows; i++, from += from_row, to += to_row)
        for (int j = 0; j < n; j++) to[j] = from[j];
}

/* A panel with n < PANEL columns goes by way of a whole tile of our own. */
static void edge(int rows, int n, const Tile *t)
{
    float whole[TILE_ROWS * PANEL] = {0};
    Tile inner = *t;
    inner.c = whole, inner.c_row = PANEL;
    if (t->d) {
        copy(rows, n, t->d, t->d_row, whole, PANEL);
        inner.d = whole, inner.d_row = PANEL;
    }
    tiles[rows](&inner);
    copy(rows, n, whole, PANEL, t->c, t->c_row);
}

static void run(int rows, int n, const Tile *t)
{
    if (n >= PANEL)
        tiles[rows](t);
    else
        edge(rows, n, t);
}

/* Asks for the place that the next tile starts from, while this one is summed. */
static void fetch(int rows, const float *d, size_t d_row)
{
    for (int i = 0; i < rows; i++, d += d_row)
        for (int j = 0; j < PANEL; j += LANES_MAX) __builtin_prefetch(d + j);
}

/* Tiles of nearly equal height: tile i of `parts` begins at this row. */
static int cut(int m, int i, int parts)
{
    return parts == 1 ? i * m : (int)((long long)m * i / parts);
}

static int ceiling(int n, int unit)
{
    return (n + unit - 1) / unit;
}

/* Columns j on, one panel or a wide tile, against all rows of g. Rows of B are taken
 * about CUT at a time: they stay in L1 for all tiles, and the next ones are asked for. */
static void columns(const Gemm *g, int j, bool wide)
{
    const int parts = ceiling(g->m, TILE_ROWS), step = ceiling(PANEL, parts);
    const int cuts = g->k > CUT ? (g->k + CUT / 2) / CUT : 1;
    for (int c = 0; c < cuts; c++) {
        const int p = cut(g->k, c, cuts), k = cut(g->k, c + 1, cuts) - p;
        const float *const b = g->b + (size_t)j * (size_t)g->k + (size_t)p * PANEL;
        for (int part = 0; part < parts; part++) {
            const size_t i = (size_t)cut(g->m, part, parts);
            const int rows = cut(g->m, part + 1, parts) - (int)i;
            float *const to = g->c + i * g->c_row + j;
            Tile t = {.k = k,
                      .a = g->a + i * g->a_row + (size_t)p * g->a_col,
                      .a_row = g->a_row,
                      .a_col = g->a_col,
                      .b = b,
                      .panel = (size_t)g->k * PANEL,
                      .d = to,
                      .d_row = g->c_row,
                      .c = to,
                      .c_row = g->c_row,
                      .next = b + (size_t)k * PANEL + (size_t)(part * step * k),
                      .step = step};
            if (c == 0) t.d = g->d ? g->d + i * g->d_row + j : NULL, t.d_row = g->d_row;
            if (wide)
                wide_tiles[rows](&t);
            else
                run(rows, g->n - j, &t);
        }
    }
}

/* A cut of a panel stays in L1 for all rows of a block, whose A stays in L2. */
void ISA(gemm)(const Gemm *g)
{
    const int fit = g->m > TILE_ROWS && g->k > 0 ? BLOCK / g->k : g->m;
    const int parts = ceiling(g->m, fit > TILE_ROWS ? fit : TILE_ROWS);
    const int width = g->m <= TILE_ROWS ? PANELS(g->m) * PANEL : PANEL;
    for (int part = 0; part < parts; part++) {
        const size_t i = (size_t)cut(g->m, part, parts);
        Gemm block = *g;
        block.m = cut(g->m, part + 1, parts) - (int)i;
        block.a += i * g->a_row;
        if (g->d) block.d += i * g->d_row;
        block.c += i * g->c_row;

        int j = 0;
        if (width > PANEL)
            for (; j + width <= g->n; j += width) columns(&block, j, true);
        for (; j < g->n; j += PANEL) columns(&block, j, false);
    }
}

/* Packing. */

size_t ISA(packed)(int n, int k)
{
    return (size_t)ceiling(n, PANEL) * PANEL * (size_t)k;
}

/* Row by row, for they are in the order of memory; p is row[p] of w, or itself. */
static void pack_rows(int n, int k, const float *w, size_t w_k, const int *row,
                      float *packed)
{
    for (int p = 0; p < k; p++) {
        const float *const from = w + (size_t)(row ? row[p] : p) * w_k;
        for (int j = 0; j < n; j += PANEL) {
            float *const to = packed + (size_t)j * (size_t)k + (size_t)p * PANEL;
            EACH(v, TILE_VECTORS)
            {
                const int at = j + v * LANES;
                v_store(to + v * LANES, v_part(from + at, lanes_of(n - at)));
            }
        }
    }
}

/* Squares of LANES x LANES, from columns j that are rows of w. */
static void pack_turned(int n, int k, const float *w, size_t w_n, float *to)
{
    for (int p = 0; p < k; p += LANES)
        for (int v = 0; v < TILE_VECTORS; v++) {
            const int left = k - p < LANES ? k - p : LANES;
            float *const at = to + p * PANEL + v * LANES;
            vf r[LANES];
            EACH(i, LANES)
            {
                const int j = v * LANES + i;
                r[i] = j < n ? v_load(w + (size_t)j * w_n + p) : v_zero();
            }
            v_transpose(r);
            EACH(i, LANES) if (i < left) v_store(at + i * PANEL, r[i]);
        }
}

static void pack_any(int n, int k, const float *w, size_t w_n, size_t w_k, float *to)
{
    for (int p = 0; p < k; p++, w += w_k, to += PANEL)
        for (int j = 0; j < PANEL; j++) to[j] = j < n ? w[(size_t)j * w_n] : 0;
}

void ISA(pack)(int n, int k, const float *w, size_t w_n, size_t w_k, float *packed)
{
    if (w_n == 1) {
        pack_rows(n, k, w, w_k, NULL, packed);
        return;
    }
    for (int j = 0; j < n; j += PANEL) {
        const int columns = n - j < PANEL ? n - j : PANEL;
        const float *const from = w + (size_t)j * w_n;
        float *const to = packed + (size_t)j * (size_t)k;
        if (w_k == 1)
            pack_turned(columns, k, from, w_n, to);
        else
            pack_any(columns, k, from, w_n, w_k, to);
    }
}

/* Gradients: DEPTH rows at a time, each x packed once as a B, and STRIP columns of each
 * d as an A for all x that it meets. */

size_t ISA(gradient_scratch)(int k)
{
    return ISA(packed)(k, DEPTH) + DEPTH * STRIP + STRIP / TILE_ROWS * LANES;
}

/* n <= STRIP rows of dw, from `depth` rows of d. */
typedef struct Strip {
    int n, depth, parts;
    int at[STRIP / TILE_ROWS + 1]; /* where the tiles begin */
    float *columns;                /* d as [parts][depth][TILE_ROWS], and some room */
} Strip;

static float *columns_of(const Strip *s, int part)
{
    return s->columns + (size_t)part * (size_t)(s->depth * TILE_ROWS + LANES);
}

/* A vector may reach into the row behind it, which is written later, or into the room.
 * Rows of d are far apart: what the next ones will need is asked for. */
static void pack_columns(const Strip *s, const float *d, size_t d_row, const int *row)
{
    for (int r = 0; r < s->depth; r++) {
        const float *const from = d + (size_t)(row ? row[r] : r) * d_row;
        for (int i = 0; i < s->n; i += LANES_MAX)
            __builtin_prefetch(from + AHEAD * d_row + i);
        for (int part = 0; part < s->parts; part++)
            for (int i = 0; i < TILE_ROWS; i += LANES)
                v_store(columns_of(s, part) + r * TILE_ROWS + i,
                        v_load(from + s->at[part] + i));
    }
}

/* As sum_rows, of rows that need not follow one another. */
static void sum_some(int rows, const int *row, int n, const float *d, size_t d_row,
                     float *dw)
{
    if (!row) ISA(sum_rows)(rows, n, d, d_row, dw);
    for (int r = 0, end; row && r < rows; r = end) {
        for (end = r + 1; end < rows && row[end] == row[end - 1] + 1;) end++;
        ISA(sum_rows)(end - r, n, d + (size_t)row[r] * d_row, d_row, dw);
    }
}

/* Rows that are asked for while tiles are summed, one line in each step of k. */
typedef struct Ahead {
    int now, count;
    const float *at[GRADIENT_JOBS + 1], *end[GRADIENT_JOBS + 1];
} Ahead;

/* What is more than ASK would drive out what is in use. */
static void ask(Ahead *a, const float *from, int r, int rows, size_t row)
{
    if (rows <= 0 || (size_t)rows * row > ASK) return;
    a->at[a->count] = from + (size_t)r * row;
    a->end[a->count] = a->at[a->count] + (size_t)rows * row;
    a->count++;
}

/* A panel of x stays in L1 while the columns of d come from L2. */
static void strip_gradient(const Strip *s, int k, const float *x, float *dw,
                           size_t dw_row, Ahead *ahead)
{
    const int step = ceiling(PANEL, s->parts);
    for (int j = 0; j < k; j += PANEL)
        for (int part = 0; part < s->parts; part++) {
            const int i = s->at[part], rows = s->at[part + 1] - i;
            const float *const b = x + (size_t)j * (size_t)s->depth;
            float *const to = dw + (size_t)i * dw_row + j;
            Tile t = {.k = s->depth,
                      .a = columns_of(s, part),
                      .a_row = 1,
                      .a_col = TILE_ROWS,
                      .b = b,
                      .d = to,
                      .d_row = dw_row,
                      .c = to,
                      .c_row = dw_row,
                      .next = b + s->depth * (PANEL + part * step),
                      .step = step};
            if (ahead->now < ahead->count) {
                const float **const at = &ahead->at[ahead->now];
                t.next = *at, t.step = LANES_MAX;
                *at += s->depth * LANES_MAX;
                ahead->now += *at >= ahead->end[ahead->now];
            }
            fetch(rows, to + (size_t)rows * dw_row, dw_row);
            run(rows, k - j, &t);
        }
}

/* What a call works out before it begins: for each job, the first that has its d, the
 * first that has its x, and where that is packed. */
typedef struct Sharing {
    int d[GRADIENT_JOBS], x[GRADIENT_JOBS];
    size_t at[GRADIENT_JOBS], end;
} Sharing;

static void find_sharing(Sharing *s, int count, const Gradient *jobs)
{
    s->end = 0;
    for (int i = 0; i < count; i++) {
        int d = 0, x = 0;
        while (jobs[d].d != jobs[i].d || jobs[d].n != jobs[i].n ||
               jobs[d].d_row != jobs[i].d_row)
            d++;
        while (jobs[x].x != jobs[i].x || jobs[x].k != jobs[i].k ||
               jobs[x].x_row != jobs[i].x_row)
            x++;
        s->d[i] = d, s->x[i] = x;
        s->at[i] = x < i ? s->at[x] : s->end;
        if (x == i && jobs[i].x) s->end += ISA(packed)(jobs[i].k, DEPTH);
    }
}

/* Rows [r, r + depth) of a call. */
typedef struct Rows {
    int r, depth;
    const int *row; /* of these, or NULL */
} Rows;

/* Where they begin in d or x. */
static const float *rows_at(const Rows *rows, const float *from, size_t stride)
{
    return rows->row ? from : from + (size_t)rows->r * stride;
}

/* All jobs that have the d of this one. */
static void gradients_of_d(int count, const Gradient *jobs, const Sharing *shared,
                           int job, const Rows *rows, float *scratch, Ahead ahead)
{
    const int n = jobs[job].n, strips = ceiling(n, STRIP), depth = rows->depth;
    const size_t d_row = jobs[job].d_row;
    const float *const d = rows_at(rows, jobs[job].d, d_row);
    for (int part = 0; part < strips; part++) {
        const int i = cut(n, part, strips);
        Strip s = {.n = cut(n, part + 1, strips) - i,
                   .depth = depth,
                   .columns = scratch + shared->end};
        s.parts = ceiling(s.n, TILE_ROWS);
        for (int t = 0; t <= s.parts; t++) s.at[t] = cut(s.n, t, s.parts);
        pack_columns(&s, d + i, d_row, rows->row);
        for (int other = job; other < count; other++) {
            const Gradient *const g = &jobs[other];
            float *const dw = g->dw + (size_t)i * g->dw_row;
            if (shared->d[other] != job) continue;
            if (g->x)
                strip_gradient(&s, g->k, scratch + shared->at[other], dw, g->dw_row,
                               &ahead);
            else
                sum_some(depth, rows->row, s.n, d + i, d_row, dw);
        }
    }
}

/* What follows job i: the next d; at the last, all x and the first d of the next rows. */
static Ahead ask_after(int i, int count, const Gradient *jobs, const Sharing *shared,
                       int r, int depth, int rows)
{
    Ahead ahead = {0};
    int next = i + 1;
    while (next < count && shared->d[next] != next) next++;
    if (next < count) {
        ask(&ahead, jobs[next].d, r, depth, jobs[next].d_row);
        return ahead;
    }
    r += depth;
    const int left = rows - r < DEPTH ? rows - r : DEPTH;
    for (int j = 0; j < count; j++)
        if (jobs[j].x && shared->x[j] == j)
            ask(&ahead, jobs[j].x, r, left, jobs[j].x_row);
    ask(&ahead, jobs[0].d, r, left, jobs[0].d_row);
    return ahead;
}

void ISA(gradient)(int rows, const int *row, int count, const Gradient *jobs,
                   float *scratch)
{
    Sharing shared;
    find_sharing(&shared, count, jobs);
    for (int r = 0; r < rows; r += DEPTH) {
        const int depth = rows - r < DEPTH ? rows - r : DEPTH;
        const Rows these = {r, depth, row ? row + r : NULL};
        for (int i = 0; i < count; i++) {
            const Gradient *const g = &jobs[i];
            float *const packed = scratch + shared.at[i];
            if (!g->x || shared.x[i] != i) continue;
            pack_rows(g->k, depth, rows_at(&these, g->x, g->x_row), g->x_row, these.row,
                      packed);
        }
        for (int i = 0; i < count; i++)
            if (shared.d[i] == i) {
                Ahead ahead = {0}; /* rows in a list are asked for by no one */
                if (!row) ahead = ask_after(i, count, jobs, &shared, r, depth, rows);
                gradients_of_d(count, jobs, &shared, i, &these, scratch, ahead);
            }
    }
}

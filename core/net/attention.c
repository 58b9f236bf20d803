/* attention.c: what each step t of the net reads of the encoder's outputs m (Bahdanau et al.
 * 2015; Luong et al. 2015, global).
 *
 *   dot       e_ts = q_t . m_s                 p_t = softmax over s of e_t
 *   general   e_ts = (W q_t) . m_s             c_t = sum over s of p_ts m_s
 *   additive  e_ts = v . tanh(W q_t + U m_s)
 *
 * q are the outputs of the layer below; c goes beside them. Of each row, its own steps s and t
 * alone: nothing is masked, and nothing past the end of a row costs anything. All steps of a row
 * are one product. */
#include "pass.h"

#include <string.h>

/* What attention holds against each other, of row b: [T][n] and [S][n]. */
typedef struct Held {
    View query, memory;
    int n;
} Held;

static WeftAttention kind_of(const Pass *p)
{
    return p->net->model.attention;
}

/* Joints of the encoder's outputs, and of what asks. */
static const Joint *memory_joint(const Pass *p)
{
    return side_top(&p->side[ENCODER]);
}

static const Joint *query_joint(const Pass *p)
{
    return &p->side[MAIN].joint[p->net->model.attention_below];
}

static const Window *window_of(const Pass *p, StackIndex side)
{
    return p->side[side].window;
}

static View memory_view(const Pass *p)
{
    return joint_view(memory_joint(p), window_of(p, ENCODER));
}

/* Outputs of the layer below. */
static View query_view(const Pass *p)
{
    const Joint *const j = query_joint(p);
    return step_output(&p->side[MAIN].direction[2 * (j->index - 1)].step, 0);
}

static View mapped_view(const Pass *p, float *at, size_t row)
{
    return (View){.at = at, .step = (ptrdiff_t)row * p->shape.B, .row = (ptrdiff_t)row};
}

/* ---- memory ---- */

void attention_place(Pass *p, Arena *arena)
{
    Attention *const a = &p->attention;
    const bool back = pass_goes_back(p);
    const size_t B = (size_t)p->shape.B, T = (size_t)p->side[MAIN].span,
                 S = (size_t)p->side[ENCODER].span;
    if (kind_of(p) == WEFT_NO_ATTENTION) return;
    a->row = padded(S);
    a->weights = ARENA_TAKE(arena, float, B *T * a->row);
    a->query_row = padded((size_t)p->linear[QUERY_LINEAR].params.n);
    a->memory_row = padded((size_t)p->linear[MEMORY_LINEAR].params.n);
    a->query = ARENA_TAKE(arena, float, T *B * a->query_row);
    a->memory = ARENA_TAKE(arena, float, S *B * a->memory_row);
    if (!back) return;
    a->dquery = ARENA_TAKE(arena, float, T *B * a->query_row);
    a->dmemory = ARENA_TAKE(arena, float, S *B * a->memory_row);
    a->dv = ARENA_TAKE(arena, float, B * a->memory_row);
}

/* What a worker needs for a row: m packed both ways, gradients of p and of scores, tanh and its
 * gradient, and a product's own. */
typedef struct Room {
    float *packed, *packed_back, *dp, *product, *sums, *z, *dz, *gradient;
} Room;

/* at NULL: counts the floats alone. */
static size_t room_of(const Pass *p, float *at, Room *r)
{
    const int width = memory_joint(p)->width, S = p->side[ENCODER].span;
    const size_t scores = (size_t)p->side[MAIN].span * p->attention.row;
    const size_t z = (size_t)S * (size_t)p->linear[MEMORY_LINEAR].params.n;
    size_t used = 0;
#define TAKE(field, count) (r->field = at ? at + used : NULL, used += padded(count))
    TAKE(packed, simd->packed(S, width));
    TAKE(packed_back, simd->packed(width, S));
    TAKE(dp, scores);
    TAKE(product, scores);
    TAKE(sums, (size_t)p->side[MAIN].span);
    TAKE(z, z);
    TAKE(dz, z);
    TAKE(gradient, simd->gradient_scratch(width));
#undef TAKE
    return used + LANES_MAX;
}

size_t attention_scratch(const Pass *p)
{
    Room room;
    return kind_of(p) == WEFT_NO_ATTENTION ? 0 : room_of(p, NULL, &room);
}

/* ---- scores ---- */

/* W x of rows [first, end) of all steps. */
static void map_view(const Linear *linear, int T, View x, View y, int first, int end)
{
    for (int t = 0; t < T; t++)
        linear_run(linear, end - first, x.at + t * x.step + first * x.row,
                   (size_t)x.row, y.at + t * y.step + first * y.row, (size_t)y.row);
}

/* dx += W' dy, likewise. */
static void back_view(const Linear *linear, int T, View dy, View dx, int first, int end)
{
    for (int t = 0; t < T; t++)
        linear_back(linear, end - first, dy.at + t * dy.step + first * dy.row,
                    (size_t)dy.row, dx.at + t * dx.step + first * dx.row,
                    (size_t)dx.row, true);
}

static View row_view(View v, int b)
{
    v.at += b * v.row;
    return v;
}

static Held held_of(const Pass *p, int b)
{
    const Attention *const a = &p->attention;
    const WeftAttention kind = kind_of(p);
    Held h = {query_view(p), memory_view(p), memory_joint(p)->width};
    if (kind != WEFT_DOT) h.query = mapped_view(p, a->query, a->query_row);
    if (kind == WEFT_ADDITIVE) {
        h.memory = mapped_view(p, a->memory, a->memory_row);
        h.n = p->linear[MEMORY_LINEAR].params.n;
    }
    h.query = row_view(h.query, b);
    h.memory = row_view(h.memory, b);
    return h;
}

/* z[s] = tanh(U m_s + W q_t), dense. */
static void tanh_sums(const Held *h, int t, int S, float *z)
{
    const size_t n = (size_t)h->n;
    Map m = {.rows = S,
             .n = h->n,
             .y = z,
             .y_row = n,
             .a = h->memory.at,
             .a_row = (size_t)h->memory.step,
             .b = h->query.at + t * h->query.step};
    simd->map[MAP_add](&m);
    m.a = z, m.a_row = n;
    simd->map[MAP_tanh](&m);
}

static const float *v_of(const Pass *p)
{
    return p->net->params + p->net->attention;
}

static void score_additive(const Pass *p, const Held *h, int T, int S, float *scores,
                           const Room *r)
{
    for (int t = 0; t < T; t++) {
        tanh_sums(h, t, S, r->z);
        const Map m = {.rows = 1,
                       .n = S * h->n,
                       .groups = 1,
                       .m = S,
                       .inner = h->n,
                       .y = scores + (size_t)t * p->attention.row,
                       .a = r->z,
                       .b = v_of(p)};
        simd->map[MAP_matvec](&m);
    }
}

/* C [T][n] (+)= A [T][k] B, B packed. */
static void product(int T, int n, int k, const float *a, size_t a_row, const float *b,
                    float *c, size_t c_row, bool add)
{
    const Gemm g = {.m = T,
                    .n = n,
                    .k = k,
                    .a = a,
                    .a_row = a_row,
                    .a_col = 1,
                    .b = b,
                    .d = add ? c : NULL,
                    .d_row = c_row,
                    .c = c,
                    .c_row = c_row};
    simd->gemm(&g);
}

/* ---- forward ---- */

static float *weights_of(const Pass *p, int b)
{
    return p->attention.weights +
           (size_t)b * (size_t)p->side[MAIN].span * p->attention.row;
}

static void run_row(const Pass *p, View context, int b, const Room *r)
{
    const int T = window_of(p, MAIN)->ended[b], S = window_of(p, ENCODER)->ended[b];
    const int width = memory_joint(p)->width;
    const size_t row = p->attention.row;
    const Held h = held_of(p, b);
    const View m = row_view(memory_view(p), b);
    float *const weights = weights_of(p, b);
    if (T == 0) return;
    if (kind_of(p) == WEFT_ADDITIVE) {
        score_additive(p, &h, T, S, weights, r);
    } else {
        simd->pack(S, width, m.at, (size_t)m.step, 1, r->packed);
        product(T, S, width, h.query.at, (size_t)h.query.step, r->packed, weights, row,
                false);
    }
    simd->softmax(T, S, weights, row, NULL, NULL, 1, NULL, weights, row);
    simd->pack(width, S, m.at, 1, (size_t)m.step, r->packed_back);
    product(T, width, S, weights, row, r->packed_back, context.at, (size_t)context.step,
            false);
}

void attention_run(Pass *p, View x, int first, int end, float *scratch)
{
    const Attention *const a = &p->attention;
    const WeftAttention kind = kind_of(p);
    const Window *const w = window_of(p, MAIN), *const source = window_of(p, ENCODER);
    Room room;
    room_of(p, scratch, &room);
    if (kind != WEFT_DOT)
        map_view(&p->linear[QUERY_LINEAR], w->T, query_view(p),
                 mapped_view(p, a->query, a->query_row), first, end);
    if (kind == WEFT_ADDITIVE)
        map_view(&p->linear[MEMORY_LINEAR], source->T, memory_view(p),
                 mapped_view(p, a->memory, a->memory_row), first, end);
    x.at += query_joint(p)->base;
    for (int b = first; b < end; b++) run_row(p, row_view(x, b), b, &room);
}

/* ---- backward ---- */

/* dp becomes the gradient of the scores: p (dp - sum over s of p dp). */
static void back_softmax(int T, int S, const float *weights, const Room *r, size_t row)
{
    Map m = {.rows = T,
             .n = S,
             .groups = 1,
             .m = 1,
             .inner = S,
             .y = r->product,
             .y_row = row,
             .a = weights,
             .a_row = row,
             .b = r->dp,
             .b_row = row};
    simd->map[MAP_mul](&m);
    m.a = r->product;
    m.y = r->sums, m.y_row = 1;
    simd->map[MAP_sum](&m);
    m.a = r->sums, m.a_row = 1;
    m.y = r->product, m.y_row = row;
    simd->map[MAP_expand](&m);
    m.y = r->dp;
    m.a = r->dp, m.a_row = row;
    m.b = r->product;
    simd->map[MAP_sub](&m);
    m.b = weights;
    simd->map[MAP_mul](&m);
}

/* dy [S][n] += d [T][S]' x [T][n] */
static void add_outer(int T, int S, int n, const float *d, size_t d_row, View x,
                      View dy, const Room *r)
{
    const Gradient job = {.n = S,
                          .k = n,
                          .d = d,
                          .d_row = d_row,
                          .x = x.at,
                          .x_row = (size_t)x.step,
                          .dw = dy.at,
                          .dw_row = (size_t)dy.step};
    simd->gradient(T, NULL, 1, &job, r->gradient);
}

static void back_additive(const Pass *p, const Held *h, int b, int T, int S,
                          const Room *r)
{
    const Attention *const a = &p->attention;
    const View dquery = row_view(mapped_view(p, a->dquery, a->query_row), b),
               dmemory = row_view(mapped_view(p, a->dmemory, a->memory_row), b);
    const size_t n = (size_t)h->n;
    float *const dv = a->dv + (size_t)b * a->memory_row;
    for (int t = 0; t < T; t++) {
        const float *const de = r->dp + (size_t)t * a->row;
        tanh_sums(h, t, S, r->z);
        Map m = {.rows = 1, .n = S * h->n, .groups = 1, .m = S, .inner = h->n};
        m.go_on = true;
        m.y = dv, m.a = r->z, m.b = de;
        simd->map[MAP_matvec_t](&m);
        m.y = r->dz, m.a = de, m.b = v_of(p);
        simd->map[MAP_outer](&m);
        m.a = r->dz, m.b = r->z;
        simd->map[MAP_dtanh](&m);
        simd->sum_rows(S, h->n, r->dz, n, dquery.at + t * dquery.step);
        const Map add = {.rows = S,
                         .n = h->n,
                         .y = dmemory.at,
                         .y_row = (size_t)dmemory.step,
                         .a = dmemory.at,
                         .a_row = (size_t)dmemory.step,
                         .b = r->dz,
                         .b_row = n};
        simd->map[MAP_add](&add);
    }
}

/* dx: of the layer below and, from base on, of the context. */
static void back_row(const Pass *p, View dx, View dm, int b, const Room *r)
{
    const Attention *const a = &p->attention;
    const int T = window_of(p, MAIN)->ended[b], S = window_of(p, ENCODER)->ended[b];
    const int width = memory_joint(p)->width;
    const View m = row_view(memory_view(p), b);
    const View dcontext = {dx.at + query_joint(p)->base, dx.step, dx.row};
    const float *const weights = weights_of(p, b);
    const Held h = held_of(p, b);
    if (T == 0) return;
    simd->pack(S, width, m.at, (size_t)m.step, 1, r->packed);
    product(T, S, width, dcontext.at, (size_t)dcontext.step, r->packed, r->dp, a->row,
            false);
    back_softmax(T, S, weights, r, a->row);
    add_outer(T, S, width, weights, a->row, dcontext, dm, r);
    if (kind_of(p) == WEFT_ADDITIVE) {
        back_additive(p, &h, b, T, S, r);
        return;
    }
    const bool dot = kind_of(p) == WEFT_DOT;
    const View dq = dot ? dx : row_view(mapped_view(p, a->dquery, a->query_row), b);
    simd->pack(width, S, m.at, 1, (size_t)m.step, r->packed_back);
    product(T, width, S, r->dp, a->row, r->packed_back, dq.at, (size_t)dq.step, dot);
    add_outer(T, S, width, r->dp, a->row, h.query, dm, r);
}

void attention_back(Pass *p, View dx, int first, int end, float *scratch)
{
    const Attention *const a = &p->attention;
    const Window *const w = window_of(p, MAIN), *const source = window_of(p, ENCODER);
    const WeftAttention kind = kind_of(p);
    const View dm = joint_gradient(memory_joint(p), source);
    const View dquery = mapped_view(p, a->dquery, a->query_row),
               dmemory = mapped_view(p, a->dmemory, a->memory_row);
    Room room;
    room_of(p, scratch, &room);
    if (kind != WEFT_DOT) clear_rows(dquery, w, w->T, first, end);
    if (kind == WEFT_ADDITIVE) {
        clear_rows(dmemory, source, source->T, first, end);
        memset(a->dv + (size_t)first * a->memory_row, 0,
               (size_t)(end - first) * a->memory_row * sizeof(float));
    }
    for (int b = first; b < end; b++)
        back_row(p, row_view(dx, b), row_view(dm, b), b, &room);
    if (kind != WEFT_DOT)
        back_view(&p->linear[QUERY_LINEAR], w->T, dquery, dx, first, end);
    if (kind == WEFT_ADDITIVE)
        back_view(&p->linear[MEMORY_LINEAR], source->T, dmemory, dm, first, end);
}

/* Of live rows alone: what others have put out may be no number. */
void attention_gradient(Pass *p, LinearIndex index, int part, int parts, float *scratch)
{
    const Attention *const a = &p->attention;
    const bool query = index == QUERY_LINEAR;
    const View x = query ? query_view(p) : memory_view(p);
    const int B = p->shape.B, *list;
    const int rows = window_rows(window_of(p, query ? MAIN : ENCODER), B, &list);
    const size_t row = query ? a->query_row : a->memory_row;
    const float *const dy = query ? a->dquery : a->dmemory;
    linear_gradient(&p->linear[index], rows, list, dy, row, x.at, (size_t)x.row, part,
                    parts, scratch);
    if (query || part > 0) return;
    simd->sum_rows(B, p->linear[index].params.n, a->dv, a->memory_row,
                   p->net->grads + p->net->attention);
}

/* ---- costs ---- */

Cost attention_cost(const Pass *p, int rows, bool back, const Rates *rates)
{
    const double T = p->side[MAIN].span, S = p->side[ENCODER].span;
    const double width = memory_joint(p)->width, n = p->linear[MEMORY_LINEAR].params.n;
    Cost cost = rates_product(rates, T, S, width, 4 * S * width);
    cost_add(&cost, rates_product(rates, T, width, S, 4 * S * width));
    cost_add(&cost, rates_map(rates, MAP_exp, T, S));
    cost.seconds += 4 * S * width * rates->pack;
    if (n > 0) cost_add(&cost, rates_map(rates, MAP_tanh, T * S, n));
    for (int i = QUERY_LINEAR; i <= MEMORY_LINEAR; i++)
        if (p->linear[i].params.n)
            cost_add(&cost, linear_cost(&p->linear[i], i == QUERY_LINEAR ? T : S, false,
                                        rates));
    return cost_times(cost, back ? 2 * rows : rows);
}

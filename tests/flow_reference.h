/* flow_reference.h: nets in plain double, one row at a time, in which any number of a state can
 * be moved as it leaves a step: their gradients are differences of losses, with nothing derived. */
#pragma once

#include "net_rig.h"

typedef struct Plain {
    WeftNet *net;
    int layer;
    bool backward;
    int I, H;
} Plain;

/* What is moved: a number of the states, counted through them all, as it leaves step t. */
typedef struct Nudge {
    int layer;
    bool backward;
    int t, number;
    double by;
} Nudge;

/* A step of a cell: the states s, one after the other, enter and leave; y is the output. What
 * is given is added to each number of a state as soon as it is made. */
typedef void PlainStep(const Plain *p, const double *x, double *s, double *y,
                       const double *given);

typedef struct PlainCell {
    const char *text; /* NULL: the built-in one of the name */
    const char *name;
    PlainStep *step;
    int state_count;
    const char *state[4];
    int (*numbers)(int state, int H);
    const char *stopped; /* a state that no gradient leaves; or NULL */
} PlainCell;

static inline float *net_values(WeftNet *net, const char *name)
{
    const char *found;
    float *values;
    for (int i = 0; (values = weft_net_parameter(net, i, &found, NULL, NULL)); i++)
        if (strcmp(found, name) == 0) return values;
    cr_assert_fail("there is no parameter %s", name);
    return NULL;
}

static inline const float *plain_values(const Plain *p, const char *name)
{
    char full[64];
    snprintf(full, sizeof full, "layer%d.%s%s", p->layer,
             p->backward ? "backward." : "", name);
    return net_values(p->net, full);
}

static inline double sigmoid_of(double x)
{
    return 1 / (1 + exp(-x));
}

/* Row j of a matrix of n columns times v. */
static inline double row_times(const float *matrix, int j, int n, const double *v)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += (double)matrix[j * n + i] * v[i];
    return sum;
}

/* W x + U h + b of a gate, "W_" and its name and so on; "": W, U, b. Of a cell with heads, U is
 * R, and [d] of a head's rows. */
static inline void gate(const Plain *p, const char *name, char recurrent, int d,
                        const double *x, const double *h, double *a)
{
    char of[3][16];
    for (int i = 0; i < 3; i++)
        snprintf(of[i], sizeof of[i], "%c%s",
                 i == 0   ? 'W'
                 : i == 1 ? recurrent
                          : 'b',
                 name);
    const float *const W = plain_values(p, of[0]), *const b = plain_values(p, of[2]);
    const float *const U = h ? plain_values(p, of[1]) : NULL;
    for (int j = 0; j < p->H; j++) {
        a[j] = row_times(W, j, p->I, x) + (double)b[j];
        if (U) a[j] += row_times(U, j, d, h + j / d * d);
    }
}

/* ---- cells ---- */

enum { PLAIN_MOST = 64 }; /* numbers of all states, inputs, outputs */

static inline int vector_numbers(int state, int H)
{
    (void)state;
    return H;
}

static inline void rnn_plain(const Plain *p, const double *x, double *s, double *y,
                             const double *given)
{
    double a[PLAIN_MOST];
    gate(p, "", 'U', p->H, x, s, a);
    for (int j = 0; j < p->H; j++) y[j] = s[j] = tanh(a[j]) + given[j];
}

static inline void gru_plain(const Plain *p, const double *x, double *s, double *y,
                             const double *given)
{
    const float *const U_n = plain_values(p, "U_n"), *const d_n =
                                                         plain_values(p, "d_n");
    double r[PLAIN_MOST], z[PLAIN_MOST], n[PLAIN_MOST];
    gate(p, "_r", 'U', p->H, x, s, r);
    gate(p, "_z", 'U', p->H, x, s, z);
    gate(p, "_n", 'U', p->H, x, NULL, n);
    for (int j = 0; j < p->H; j++) {
        const double again = row_times(U_n, j, p->H, s) + (double)d_n[j];
        n[j] = tanh(n[j] + sigmoid_of(r[j]) * again);
    }
    for (int j = 0; j < p->H; j++) {
        const double keep = sigmoid_of(z[j]);
        y[j] = s[j] = (1 - keep) * n[j] + keep * s[j] + given[j];
    }
}

static inline void lstm_plain(const Plain *p, const double *x, double *s, double *y,
                              const double *given)
{
    double *const h = s, *const c = s + p->H;
    double i[PLAIN_MOST], f[PLAIN_MOST], g[PLAIN_MOST], o[PLAIN_MOST];
    gate(p, "_i", 'U', p->H, x, h, i);
    gate(p, "_f", 'U', p->H, x, h, f);
    gate(p, "_g", 'U', p->H, x, h, g);
    gate(p, "_o", 'U', p->H, x, h, o);
    for (int j = 0; j < p->H; j++) {
        c[j] =
            sigmoid_of(f[j]) * c[j] + sigmoid_of(i[j]) * tanh(g[j]) + given[p->H + j];
        y[j] = h[j] = sigmoid_of(o[j]) * tanh(c[j]) + given[j];
    }
}

enum { HEADS = 4 }; /* of slstm and mlstm */

static inline double logsigmoid_of(double x)
{
    return -log1p(exp(-x));
}

static inline void slstm_plain(const Plain *p, const double *x, double *s, double *y,
                               const double *given)
{
    const int H = p->H, d = H / HEADS;
    double *const h = s, *const c = s + H, *const n = s + 2 * H, *const m = s + 3 * H;
    double i[PLAIN_MOST], f[PLAIN_MOST], z[PLAIN_MOST], o[PLAIN_MOST];
    gate(p, "_i", 'R', d, x, h, i);
    gate(p, "_f", 'R', d, x, h, f);
    gate(p, "_z", 'R', d, x, h, z);
    gate(p, "_o", 'R', d, x, h, o);
    for (int j = 0; j < H; j++) {
        const double g = logsigmoid_of(f[j]) + m[j];
        m[j] = fmax(g, i[j]);
        c[j] = exp(g - m[j]) * c[j] + exp(i[j] - m[j]) * tanh(z[j]) + given[H + j];
        n[j] = exp(g - m[j]) * n[j] + exp(i[j] - m[j]) + given[2 * H + j];
        y[j] = h[j] = sigmoid_of(o[j]) * c[j] / n[j] + given[j];
    }
}

static inline int mlstm_numbers(int state, int H)
{
    return state == 0 ? H * H / HEADS : state == 1 ? H : HEADS;
}

static inline void mlstm_plain(const Plain *p, const double *x, double *s, double *y,
                               const double *given)
{
    const int H = p->H, d = H / HEADS;
    double *const C = s, *const n = C + H * d, *const m = n + H;
    const float *const w_i = plain_values(p, "w_i"), *const b_i =
                                                         plain_values(p, "b_i");
    const float *const w_f = plain_values(p, "w_f"), *const b_f =
                                                         plain_values(p, "b_f");
    double q[PLAIN_MOST], k[PLAIN_MOST], v[PLAIN_MOST], o[PLAIN_MOST];
    gate(p, "_q", 0, d, x, NULL, q);
    gate(p, "_k", 0, d, x, NULL, k);
    gate(p, "_v", 0, d, x, NULL, v);
    gate(p, "_o", 0, d, x, NULL, o);
    for (int head = 0; head < HEADS; head++) {
        const double a = row_times(w_i, head, p->I, x) + (double)b_i[head];
        const double g =
            logsigmoid_of(row_times(w_f, head, p->I, x) + (double)b_f[head]) + m[head];
        m[head] = fmax(g, a);
        const double f = exp(g - m[head]), i = exp(a - m[head]);
        double along = 0;
        for (int j = head * d; j < (head + 1) * d; j++) {
            n[j] = f * n[j] + i * k[j] / sqrt(d) + given[H * d + j];
            along += n[j] * q[j];
        }
        for (int j = head * d; j < (head + 1) * d; j++) {
            double read = 0;
            for (int l = 0; l < d; l++) {
                double *const at = &C[j * d + l];
                *at = f * *at + i * v[j] * k[head * d + l] / sqrt(d) + given[j * d + l];
                read += *at * q[head * d + l];
            }
            y[j] = sigmoid_of(o[j]) * read / (fmax(fabs(along), exp(-m[head])) + 1e-6);
        }
    }
}

/* A state that is another one of the step before, and the output. */
static const char *const delay_text =
    "cell delay\nstate h, p\nweight W [hidden][input]\nweight U, V [hidden][hidden]\n"
    "bias b\noutput p\np' = h\nh' = tanh(W x + U h + V p + b)\n";

static inline void delay_plain(const Plain *p, const double *x, double *s, double *y,
                               const double *given)
{
    const float *const V = plain_values(p, "V");
    double *const h = s, *const late = s + p->H, a[PLAIN_MOST];
    gate(p, "", 'U', p->H, x, h, a);
    for (int j = 0; j < p->H; j++) a[j] += row_times(V, j, p->H, late);
    for (int j = 0; j < p->H; j++) {
        y[j] = late[j] = h[j] + given[p->H + j];
        h[j] = tanh(a[j]) + given[j];
    }
}

// clang-format off
static const PlainCell plain_cells[] = {
    {NULL,       "rnn",   rnn_plain,   1, {"h"},                vector_numbers, NULL},
    {NULL,       "gru",   gru_plain,   1, {"h"},                vector_numbers, NULL},
    {NULL,       "lstm",  lstm_plain,  2, {"h", "c"},           vector_numbers, NULL},
    {NULL,       "slstm", slstm_plain, 4, {"h", "c", "n", "m"}, vector_numbers, "m"},
    {NULL,       "mlstm", mlstm_plain, 3, {"C", "n", "m"},      mlstm_numbers,  "m"},
    {delay_text, "delay", delay_plain, 2, {"h", "p"},           vector_numbers, NULL},
};
// clang-format on
enum { PLAIN_CELLS = sizeof plain_cells / sizeof *plain_cells };

static inline int plain_numbers(const PlainCell *cell, int H, int states)
{
    int all = 0;
    for (int s = 0; s < states; s++) all += cell->numbers(s, H);
    return all;
}

/* ---- nets ---- */

enum { PLAIN_STEPS = 16 };

typedef struct PlainRow {
    int length;
    double v[PLAIN_STEPS][PLAIN_MOST]; /* x; then the outputs of each layer in turn */
} PlainRow;

static inline void plain_direction(const Plain *p, const PlainCell *cell,
                                   const PlainRow *x, const Nudge *nudge, int column,
                                   PlainRow *y)
{
    double s[PLAIN_MOST] = {0};
    const bool here = nudge->layer == p->layer && nudge->backward == p->backward;
    for (int i = 0; i < x->length; i++) {
        double given[PLAIN_MOST] = {0};
        const int t = p->backward ? x->length - 1 - i : i;
        if (here && nudge->t == t) given[nudge->number] = nudge->by;
        cell->step(p, x->v[t], s, y->v[t] + column, given);
    }
}

/* All layers of a net of one cell; in place of x, the head's input. */
static inline void plain_layers(WeftNet *net, const PlainCell *cell, const Nudge *nudge,
                                PlainRow *row)
{
    const WeftModel *const m = weft_net_model(net);
    int I = m->input == WEFT_EMBEDDING ? m->embedding : m->inputs;
    for (int l = 0; l < m->layer_count; l++) {
        PlainRow y = {.length = row->length};
        const int H = m->layers[l].hidden, directions = m->layers[l].both ? 2 : 1;
        for (int d = 0; d < directions; d++)
            plain_direction(&(Plain){net, l, d == 1, I, H}, cell, row, nudge, d * H,
                            &y);
        I = directions * H;
        *row = y;
    }
}

/* Of one target: outputs a. */
static inline double plain_loss(const WeftModel *m, const double *a,
                                const float *target, int label)
{
    double loss = 0;
    for (int o = 0; o < m->outputs; o++)
        loss += m->loss == WEFT_SOFTMAX ? exp(a[o])
                                        : pow(a[o] - (double)target[o], 2) / m->outputs;
    return m->loss == WEFT_SOFTMAX ? log(loss) - a[label] : loss;
}

static inline double target_loss(WeftNet *net, const double *y, const WeftBatch *b,
                                 int i)
{
    const WeftModel *const m = weft_net_model(net);
    const WeftLayer *const top = &m->layers[m->layer_count - 1];
    const int width = (top->both ? 2 : 1) * top->hidden;
    const float *const W = net_values(net, "head.weight");
    const float *const bias = net_values(net, "head.bias");
    double a[PLAIN_MOST];
    for (int o = 0; o < m->outputs; o++)
        a[o] = row_times(W, o, width, y) + (double)bias[o];
    return (double)b->weight[i] *
           plain_loss(m, a, b->target ? b->target + i * m->outputs : NULL,
                      b->label ? b->label[i] : 0);
}

static inline void plain_input(WeftNet *net, const WeftBatch *b, int row, PlainRow *x)
{
    const WeftModel *const m = weft_net_model(net);
    const bool dense = m->input == WEFT_DENSE;
    const int I = dense ? m->inputs : m->embedding;
    const float *const embedding = dense ? NULL : net_values(net, "embedding");
    *x = (PlainRow){.length = b->length[row]};
    for (int t = 0; t < x->length; t++)
        for (int i = 0; i < I; i++) {
            const int at = t * b->rows + row;
            x->v[t][i] =
                (double)(dense ? b->x[at * I + i] : embedding[b->symbol[at] * I + i]);
        }
}

/* The loss of a row, not divided by anything. */
static inline double row_loss(WeftNet *net, const PlainCell *cell, const WeftBatch *b,
                              int row, const Nudge *nudge)
{
    const WeftModel *const m = weft_net_model(net);
    PlainRow y;
    plain_input(net, b, row, &y);
    plain_layers(net, cell, nudge, &y);
    if (!m->vector) {
        double loss = 0;
        for (int t = 0; t < y.length; t++)
            loss += target_loss(net, y.v[t], b, t * b->rows + row);
        return loss;
    }
    const WeftLayer *const top = &m->layers[m->layer_count - 1];
    double *const last = y.v[y.length - 1];
    if (top->both) /* which ends at the first step */
        memcpy(last + top->hidden, y.v[0] + top->hidden,
               (size_t)top->hidden * sizeof *last);
    return target_loss(net, last, b, row);
}

/* |dL/ds| of the numbers [first, end), by central differences. */
static inline double row_flow(WeftNet *net, const PlainCell *cell, const WeftBatch *b,
                              int row, Nudge nudge, int first, int end)
{
    const double by = 1e-5;
    double squares = 0;
    for (nudge.number = first; nudge.number < end; nudge.number++) {
        nudge.by = by;
        const double up = row_loss(net, cell, b, row, &nudge);
        nudge.by = -by;
        const double down = row_loss(net, cell, b, row, &nudge);
        squares += pow((up - down) / (2 * by), 2);
    }
    return sqrt(squares);
}

/* eval.c: a graph run in double, with a bound on the error of a float program. */
#include "eval.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define UNIT     (FLT_EPSILON / 2) /* u: relative error of one rounding */
#define SMALLEST ((double)FLT_MIN) /* below it floats are flushed to zero */

double real_error(double carried, double terms, int n)
{
    return 1.001 * (carried + n * (UNIT * terms + SMALLEST)); /* second order: 1.001 */
}

/* Relative error of a function's own arithmetic, in units of u, half an ULP: SLEEF's log
 * is good to 1 ULP; the others as simd/lanes.h says. */
static double function_units(Op op)
{
    switch (op) {
    case OP_EXP: return 3;
    case OP_LOG: return 2;
    case OP_SIGMOID: return 5;
    case OP_TANH: return 6;
    case OP_SOFTPLUS:
    case OP_LOGSIGMOID: return 3 + 4 + 1;
    case OP_SQRT: return 1;
    default: return 0; /* RELU, ABS: exact */
    }
}

/* |f(a +- e) - f(a)| for a monotone f, or abs. */
static double interval_error(Op op, Real a, double y)
{
    if (a.e == 0) return 0;
    if (op == OP_ABS) return a.e;
    if ((op == OP_LOG || op == OP_SQRT) && a.v <= a.e) return INFINITY;
    const double up = fabs(op_value(op, a.v + a.e, 0, 0) - y);
    const double down = fabs(op_value(op, a.v - a.e, 0, 0) - y);
    return up > down ? up : down;
}

static double product_error(Real a, Real b)
{
    return fabs(a.v) * b.e + fabs(b.v) * a.e + a.e * b.e;
}

/* Surely on the side of the kink that the value is on. */
static bool is_sure(double distance, double e)
{
    return e == 0 || fabs(distance) > e;
}

/* Of a b (1 - b) and a (1 - b b), f the second factor, df how much b's error moves
 * it. */
static double slope_error(Real a, double f, double df)
{
    return fabs(f) * a.e + (fabs(a.v) + a.e) * df;
}

/* What operands carry into a value that is no chain, plus its own rounding. */
static double map_error(Op op, Real a, Real b, Real c, double y)
{
    const double rounding = UNIT * fabs(y) + SMALLEST;
    switch (op) {
    case OP_MUL: return product_error(a, b) + rounding;
    case OP_DIV:
        if (b.e >= fabs(b.v)) return INFINITY;
        return (a.e + fabs(y) * b.e) / (fabs(b.v) - b.e) + rounding;
    case OP_MIN:
    case OP_MAX: return a.e > b.e ? a.e : b.e;
    case OP_DSIGMOID:
        return slope_error(a, b.v * (1 - b.v), (fabs(1 - 2 * b.v) + b.e) * b.e) +
               3 * rounding;
    case OP_DTANH: /* 1 - b b may be rounded twice */
        return slope_error(a, 1 - b.v * b.v, (2 * fabs(b.v) + b.e) * b.e + 2 * UNIT) +
               rounding;
    case OP_DRELU: return is_sure(b.v, b.e) ? (b.v > 0 ? a.e : 0) : fabs(a.v) + a.e;
    case OP_DABS: return is_sure(b.v, b.e) ? a.e : 2 * fabs(a.v) + a.e;
    case OP_PICK:
    case OP_UNPICK:
        if (!is_sure(a.v - b.v, a.e + b.e)) return fabs(c.v) + c.e;
        return (a.v > b.v) == (op == OP_PICK) ? c.e : 0;
    default: return interval_error(op, a, y) + function_units(op) * rounding;
    }
}

static Real real(double v, double e)
{
    return (Real){v, e, e, fabs(v) + e};
}

static Real chain(double v, double carried, double terms, int n)
{
    return (Real){v, real_error(carried, terms, n), carried, terms};
}

/* ---- nodes ---- */

const Real *eval_at(const Eval *e, int t, int node)
{
    return e->at + (size_t)t * e->width + e->offset[node];
}

static Real *slot(Eval *e, int t, int node)
{
    return e->at + (size_t)t * e->width + e->offset[node];
}

static const Real *operand(const Eval *e, int t, int node, int which)
{
    const int in = e->graph->node[node].in[which];
    return in < 0 ? NULL : eval_at(e, t, in);
}

static int count_of(const Eval *e, int node)
{
    return shape_count(&e->graph->node[node].shape);
}

static bool is_chain(Op op)
{
    return op == OP_NEG || op == OP_ADD || op == OP_SUB || op == OP_FMA ||
           op == OP_FNMA;
}

/* a + b, a b + c and their like: the chains of the operands go on. */
static Real join(Op op, Real a, Real b, Real c, double v, int n)
{
    if (op == OP_NEG) return chain(v, a.carried, a.terms, n);
    if (op == OP_ADD || op == OP_SUB)
        return chain(v, a.carried + b.carried, a.terms + b.terms, n);
    const double term = product_error(a, b) + UNIT * fabs(a.v * b.v); /* fused or not */
    return chain(v, term + c.carried, fabs(a.v * b.v) + c.terms, n);
}

static void note_kink(Eval *e, double distance, double error)
{
    if (fabs(distance) < e->margin) e->margin = fabs(distance);
    if (!is_sure(distance, 4 * error)) e->doubtful = true;
    e->sides = (e->sides ^ (distance > 0)) * 0x100000001b3u;
}

static void find_kink(Eval *e, Op op, Real a, Real b)
{
    if (op == OP_RELU || op == OP_ABS) note_kink(e, a.v, a.e);
    if (op == OP_MIN || op == OP_MAX) note_kink(e, a.v - b.v, a.e + b.e);
}

static void eval_map(Eval *e, int t, int node)
{
    const Node *const n = &e->graph->node[node];
    const Real zero = {0}, *a = operand(e, t, node, 0), *b = operand(e, t, node, 1),
               *c = operand(e, t, node, 2);
    Real *const y = slot(e, t, node);
    for (int i = 0; i < count_of(e, node); i++) {
        const Real ai = a[i], bi = b ? b[i] : zero, ci = c ? c[i] : zero;
        const double v = op_value(n->op, ai.v, bi.v, ci.v);
        if (node < e->graph->forward_nodes) find_kink(e, n->op, ai, bi);
        if (n->op == OP_STOP)
            y[i] = e->frozen ? eval_at(e->frozen, t, node)[i] : ai;
        else if (!e->bounds)
            y[i].v = v;
        else if (is_chain(n->op))
            y[i] = join(n->op, ai, bi, ci, v, e->roundings[node]);
        else
            y[i] = real(v, map_error(n->op, ai, bi, ci, v));
    }
}

MatrixView matrix_view(const Shape *m, const Shape *a, const Shape *b)
{
    const int heads = (a->axes < b->axes ? a->axes : b->axes) - 1;
    MatrixView v = {1, 1, m->dim[m->axes - 1]};
    for (int i = 0; i < m->axes - 1; i++) *(i < heads ? &v.G : &v.R) *= m->dim[i];
    return v;
}

/* y[g][r] = sum over k of m[g][r][k] x[g][k], or transposed y[g][k] = sum over r; m is
 * a parameter, or a value with errors of its own. */
static void eval_product(Eval *e, int t, int node, const double *param,
                         const Real *matrix, const Real *x, MatrixView v)
{
    const bool swap = e->graph->node[node].transposed;
    const int rows = swap ? v.K : v.R, depth = swap ? v.R : v.K;
    Real *const y = slot(e, t, node);
    for (int g = 0; g < v.G; g++)
        for (int r = 0; r < rows; r++) {
            double sum = 0, carried = 0, terms = 0;
            for (int k = 0; k < depth; k++) {
                const size_t row = (size_t)(g * v.R + (swap ? k : r));
                const size_t at = row * (size_t)v.K + (size_t)(swap ? r : k);
                const Real m = param ? (Real){.v = param[at]} : matrix[at];
                const Real xk = x[g * depth + k];
                sum += m.v * xk.v;
                if (!e->bounds) continue;
                carried += product_error(m, xk);
                terms += fabs(m.v * xk.v);
            }
            y[g * rows + r] = chain(sum, carried, terms, e->roundings[node]);
        }
}

static void eval_param_product(Eval *e, int t, int node)
{
    const Graph *const g = e->graph;
    const Node *const n = &g->node[node];
    const MatrixView v =
        matrix_view(&g->param[n->index].shape, &g->node[n->in[0]].shape, &n->shape);
    eval_product(e, t, node, e->param[n->index], NULL, operand(e, t, node, 0), v);
}

static void eval_matvec(Eval *e, int t, int node)
{
    const Graph *const g = e->graph;
    const Node *const n = &g->node[node];
    const MatrixView v =
        matrix_view(&g->node[n->in[0]].shape, &g->node[n->in[1]].shape, &n->shape);
    eval_product(e, t, node, NULL, operand(e, t, node, 0), operand(e, t, node, 1), v);
}

static void eval_sum(Eval *e, int t, int node)
{
    const Real *const a = operand(e, t, node, 0);
    Real *const y = slot(e, t, node);
    const int groups = count_of(e, node), inner = e->roundings[node];
    for (int g = 0; g < groups; g++) {
        double sum = 0, carried = 0, terms = 0;
        for (int i = 0; i < inner; i++) {
            sum += a[g * inner + i].v;
            carried += a[g * inner + i].e;
            terms += fabs(a[g * inner + i].v);
        }
        y[g] = chain(sum, carried, terms, inner);
    }
}

static void eval_expand(Eval *e, int t, int node)
{
    const Real *const a = operand(e, t, node, 0);
    Real *const y = slot(e, t, node);
    const int count = count_of(e, node);
    const int inner = count / count_of(e, e->graph->node[node].in[0]);
    for (int i = 0; i < count; i++) y[i] = a[i / inner];
}

static void eval_outer(Eval *e, int t, int node)
{
    const Shape *const s = &e->graph->node[node].shape;
    const Real *const a = operand(e, t, node, 0), *const b = operand(e, t, node, 1);
    Real *const y = slot(e, t, node);
    const int n = s->dim[s->axes - 1], m = s->dim[s->axes - 2];
    for (int i = 0; i < count_of(e, node); i++) {
        const Real ai = a[i / n], bi = b[i / n / m * n + i % n], none = {0};
        const double v = ai.v * bi.v;
        y[i] = real(v, e->bounds ? map_error(OP_MUL, ai, bi, none, v) : 0);
    }
}

/* ---- leaves ---- */

static void fill(Eval *e, int t, int node, const double *values)
{
    Real *const y = slot(e, t, node);
    for (int i = 0; i < count_of(e, node); i++) y[i] = real(values ? values[i] : 0, 0);
}

static void fill_number(Eval *e, int t, int node, double value)
{
    Real *const y = slot(e, t, node);
    for (int i = 0; i < count_of(e, node); i++)
        y[i] = real(value, fabs(value - (double)(float)value));
}

/* A state's value or gradient comes from the neighbouring step, or from outside. */
static void fill_from(Eval *e, int t, int node, int from_t, int from,
                      const double *outside)
{
    if (from_t < 0 || from_t >= e->T) {
        fill(e, t, node, outside);
    } else if (from < 0) {
        fill(e, t, node, NULL);
    } else {
        const Real *const a = eval_at(e, from_t, from);
        Real *const y = slot(e, t, node);
        for (int i = 0; i < count_of(e, node); i++) y[i] = real(a[i].v, a[i].e);
    }
}

static size_t state_offset(const Graph *g, int state)
{
    size_t offset = 0;
    for (int i = 0; i < state; i++) offset += (size_t)shape_count(&g->state[i].shape);
    return offset;
}

static void fill_mask(Eval *e, int t, int node)
{
    size_t before = 0, all = 0;
    for (int i = 0; i < e->graph->forward_nodes; i++) {
        if (e->graph->node[i].op != OP_MASK) continue;
        if (i < node) before += (size_t)count_of(e, i);
        all += (size_t)count_of(e, i);
    }
    if (e->mask)
        fill(e, t, node, e->mask + (size_t)t * all + before);
    else
        fill_number(e, t, node, 1);
}

static void eval_leaf(Eval *e, int t, int node)
{
    const Graph *const g = e->graph;
    const Node *const n = &g->node[node];
    const size_t at = (size_t)t;
    switch (n->op) {
    case OP_CONST: fill_number(e, t, node, n->value); break;
    case OP_INPUT: fill(e, t, node, e->x + at * (size_t)g->input); break;
    case OP_PARAM: fill(e, t, node, e->param[n->index]); break;
    case OP_MASK: fill_mask(e, t, node); break;
    case OP_DOUTPUT:
        fill(e, t, node,
             e->dy + at * (size_t)graph_output_width(g) +
                 graph_output_offset(g, n->index));
        break;
    case OP_STATE:
        fill_from(e, t, node, t - 1, g->state[n->index].leave,
                  e->enter + state_offset(g, n->index));
        break;
    default: /* DSTATE */
        fill_from(e, t, node, t + 1, g->state[n->index].denter,
                  e->dleave ? e->dleave + state_offset(g, n->index) : NULL);
    }
}

static void eval_node(Eval *e, int t, int node)
{
    switch (e->graph->node[node].op) {
    case OP_PRODUCT: eval_param_product(e, t, node); break;
    case OP_MATVEC: eval_matvec(e, t, node); break;
    case OP_SUM: eval_sum(e, t, node); break;
    case OP_EXPAND: eval_expand(e, t, node); break;
    case OP_OUTER: eval_outer(e, t, node); break;
    default:
        if (op_inputs(e->graph->node[node].op) == 0)
            eval_leaf(e, t, node);
        else
            eval_map(e, t, node);
    }
}

/* ---- the chain of steps ---- */

/* Terms of the chain that a node ends, whatever its order. */
static int count_roundings(const Eval *e, int node)
{
    const Graph *const g = e->graph;
    const Node *const n = &g->node[node];
    const int a = n->in[0], b = n->in[1], c = n->in[2];
    if (n->op == OP_NEG || n->op == OP_EXPAND) return e->roundings[a];
    if (n->op == OP_ADD || n->op == OP_SUB)
        return e->roundings[a] + e->roundings[b] + 1;
    if (n->op == OP_FMA || n->op == OP_FNMA) return e->roundings[c] + 1;
    if (n->op == OP_SUM) return g->node[a].shape.dim[g->node[a].shape.axes - 1];
    if (n->op != OP_PRODUCT && n->op != OP_MATVEC) return 0;
    const Shape *const m =
        n->op == OP_PRODUCT ? &g->param[n->index].shape : &g->node[a].shape;
    const Shape *const x = n->op == OP_PRODUCT ? &g->node[a].shape : &g->node[b].shape;
    const MatrixView v = matrix_view(m, x, &n->shape);
    return n->transposed ? v.R : v.K;
}

bool eval_open(const Graph *graph, int T, Eval *e, Error *err)
{
    const size_t nodes = (size_t)graph->nodes;
    *e = (Eval){.graph = graph, .T = T};
    e->offset = calloc(nodes, sizeof *e->offset);
    e->roundings = calloc(nodes, sizeof *e->roundings);
    for (int i = 0; e->offset && e->roundings && i < graph->nodes; i++) {
        e->offset[i] = e->width;
        e->roundings[i] = count_roundings(e, i);
        e->width += (size_t)shape_count(&graph->node[i].shape);
    }
    e->at = e->width ? calloc((size_t)T * e->width, sizeof *e->at) : NULL;
    if (e->at) return true;
    eval_close(e);
    return error(err, "out of memory");
}

void eval_close(Eval *e)
{
    free(e->offset);
    free(e->roundings);
    free(e->at);
    *e = (Eval){0};
}

void eval_forward(Eval *e)
{
    e->margin = INFINITY;
    e->doubtful = false;
    e->sides = 0;
    for (int t = 0; t < e->T; t++)
        for (int i = 0; i < e->graph->forward_nodes; i++) eval_node(e, t, i);
}

void eval_backward(Eval *e)
{
    for (int t = e->T - 1; t >= 0; t--)
        for (int i = e->graph->forward_nodes; i < e->graph->nodes; i++)
            eval_node(e, t, i);
}

double eval_loss(const Eval *e)
{
    const Graph *const g = e->graph;
    const size_t width = (size_t)graph_output_width(g);
    double loss = 0;
    for (int t = 0; t < e->T; t++)
        for (int o = 0; o < g->outputs; o++) {
            const double *const dy =
                e->dy + (size_t)t * width + graph_output_offset(g, o);
            const Real *const y = eval_at(e, t, g->output[o]);
            for (int i = 0; i < count_of(e, g->output[o]); i++) loss += dy[i] * y[i].v;
        }
    for (int s = 0; s < g->states && e->dleave; s++) {
        const double *const d = e->dleave + state_offset(g, s);
        const Real *const y = eval_at(e, e->T - 1, g->state[s].leave);
        for (int i = 0; i < shape_count(&g->state[s].shape); i++) loss += d[i] * y[i].v;
    }
    return loss;
}

/* ---- gradients of parameters ---- */

static void add_term(Real *to, Real d, Real x)
{
    to->v += d.v * x.v;
    to->carried += product_error(d, x);
    to->terms += fabs(d.v * x.v);
}

static void add_product(const Eval *e, const ParamGradient *p, int t, Real *gradient)
{
    const Graph *const g = e->graph;
    const MatrixView v = matrix_view(&g->param[p->param].shape, &g->node[p->x].shape,
                                     &g->node[p->d].shape);
    const Real *const d = eval_at(e, t, p->d), *const x = eval_at(e, t, p->x);
    const Real *const rows = p->transposed ? x : d, *const columns =
                                                        p->transposed ? d : x;
    for (int h = 0; h < v.G; h++)
        for (int r = 0; r < v.R; r++)
            for (int k = 0; k < v.K; k++)
                add_term(gradient++, rows[h * v.R + r], columns[h * v.K + k]);
}

static int add_values(const Real *d, int count, Real *gradient)
{
    const Real one = real(1, 0);
    for (int i = 0; i < count; i++) add_term(&gradient[i], d[i], one);
    return 1;
}

int eval_gradient(const Eval *e, int param, Real *gradient)
{
    const Graph *const g = e->graph;
    const int count = shape_count(&g->param[param].shape);
    int terms = 0;
    for (int i = 0; i < g->gradients; i++) {
        const ParamGradient *const p = &g->gradient[i];
        if (p->param != param) continue;
        for (int t = 0; t < e->T; t++, terms++) {
            if (p->x >= 0)
                add_product(e, p, t, gradient);
            else
                add_values(eval_at(e, t, p->d), count, gradient);
        }
    }
    for (int s = 0; s < g->states; s++)
        if (g->state[s].start_param == param && g->state[s].denter >= 0)
            terms += add_values(eval_at(e, 0, g->state[s].denter), count, gradient);
    return terms;
}

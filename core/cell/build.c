/* build.c: the graph of a cell at given sizes: shapes, broadcasting, functions. */
#include "syntax.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "init.h"
#include "nearest.h"

#define NODES_MAX 2000 /* of a step: twice the values that a program holds */

/* An axis as the text spells it, for messages. */
typedef struct Axis {
    const char *text;
    size_t length;
} Axis;

typedef struct Build {
    const Cell *cell;
    Graph *graph;
    Error *err;
    int *size;    /* [symbols]: of sizes */
    int *state;   /* [symbols]: index in the graph ... */
    int *param;   /* ... likewise */
    int *entered; /* [symbols]: node of the name: entering, assigned, PARAM; -1: not yet
                   */
    int *leaving; /* [symbols]: node of a state's leaving value; -1: not yet */
    Axis (*axis)[CELL_AXES_MAX];  /* [symbols]: of each name's shape */
    int *node;                    /* [exprs]: its value */
    Axis (*spelt)[CELL_AXES_MAX]; /* [exprs]: of its shape */
    char *names;                  /* where the next name goes in graph->names */
    int drops;
} Build;

static const Node *node_of(const Build *b, int expr)
{
    return &b->graph->node[b->node[expr]];
}

static const char *text_of(const Build *b, size_t at)
{
    return b->cell->text + at;
}

/* ---- sizes ---- */

static bool eval_dim(Build *b, const Dim *dim, int *size)
{
    long long value = 1;
    for (int i = 0; i < dim->factors; i++) {
        const Factor *const f = &dim->factor[i];
        const int by = f->symbol < 0 ? f->number : b->size[f->symbol];
        if (!f->divide) {
            value *= by;
        } else if (value % by == 0) {
            value /= by;
        } else {
            size_t end = f->at; /* what stands before the '/' */
            while (end > dim->at && strchr(" \t/", *text_of(b, end - 1))) end--;
            char name[CELL_NAME_MAX + 4] = "";
            if (f->symbol >= 0)
                snprintf(name, sizeof name, "%s = ", b->cell->symbol[f->symbol].name);
            return cell_error(
                b->cell, dim->at, b->err, "%.*s = %lld is not divisible by %s%d",
                (int)(end - dim->at), text_of(b, dim->at), value, name, by);
        }
        if (value > CELL_SIZE_MAX)
            return cell_error(b->cell, dim->at, b->err, "the size is above %d",
                              CELL_SIZE_MAX);
    }
    *size = (int)value;
    return true;
}

static bool eval_shape(Build *b, const Symbol *s, Shape *shape)
{
    long long count = 1;
    *shape = (Shape){.axes = s->axes};
    for (int i = 0; i < s->axes; i++) {
        if (!eval_dim(b, &s->dim[i], &shape->dim[i])) return false;
        count *= shape->dim[i];
        if (count > CELL_SIZE_MAX)
            return cell_error(b->cell, s->at, b->err, "'%s' has more than %d elements",
                              s->name, CELL_SIZE_MAX);
    }
    return true;
}

static bool eval_sizes(Build *b, int input, int hidden)
{
    if (input < 1 || hidden < 1 || input > CELL_SIZE_MAX || hidden > CELL_SIZE_MAX)
        return error(b->err, "%s: input = %d, hidden = %d: sizes are from 1 to %d",
                     b->cell->origin, input, hidden, CELL_SIZE_MAX);
    b->size[CELL_INPUT] = input;
    b->size[CELL_HIDDEN] = hidden;
    for (int i = CELL_GIVEN; i < b->cell->symbols; i++) {
        const Symbol *const s = &b->cell->symbol[i];
        if (s->kind != SYMBOL_SIZE) continue;
        if (s->set)
            b->size[i] = (int)s->value;
        else if (!eval_dim(b, &s->dim[0], &b->size[i]))
            return false;
    }
    return true;
}

/* ---- shapes in messages ---- */

typedef struct Spelling {
    char text[200];
} Spelling;

/* "[head = 4][d = 16]"; "a number" for no axes */
static Spelling spell(const Shape *shape, const Axis *axis)
{
    Spelling s = {"a number"};
    size_t used = 0;
    for (int i = 0; i < shape->axes && used < sizeof s.text; i++) {
        const bool named =
            axis[i].length && (*axis[i].text < '0' || *axis[i].text > '9');
        used +=
            (size_t)snprintf(s.text + used, sizeof s.text - used, "[%.*s%s%d]",
                             named ? (int)axis[i].length : 0, named ? axis[i].text : "",
                             named ? " = " : "", shape->dim[i]);
    }
    return s;
}

static Spelling spell_expr(const Build *b, int expr)
{
    return spell(&node_of(b, expr)->shape, b->spelt[expr]);
}

static Axis axis_of(const Build *b, const Dim *dim)
{
    const int first = dim->factor[0].symbol;
    if (dim->length) return (Axis){text_of(b, dim->at), dim->length};
    return (Axis){b->cell->symbol[first].name, strlen(b->cell->symbol[first].name)};
}

/* ---- nodes ---- */

static int add(Build *b, Node node)
{
    const int made = graph_add(b->graph, node);
    if (made < 0) error(b->err, "%s: out of memory", b->cell->origin);
    return made;
}

static int add_op(Build *b, Op op, const Shape *shape, int first, int second)
{
    if (first < 0) return -1;
    return add(b, (Node){.op = op, .shape = *shape, .in = {first, second, -1}});
}

static int add_number(Build *b, double value, const Shape *shape)
{
    return add(b, (Node){.op = OP_CONST, .shape = *shape, .value = value});
}

static bool begins(const Shape *a, const Shape *b)
{
    for (int i = 0; i < a->axes; i++)
        if (i >= b->axes || a->dim[i] != b->dim[i]) return false;
    return true;
}

/* Rule 3: equal shapes, or one begins the other. The operands at the larger shape. */
static bool meet(Build *b, const Expr *e, const char *what, int *first, int *second)
{
    const Shape left = node_of(b, e->a)->shape, right = node_of(b, e->b)->shape;
    const bool widen_left = begins(&left, &right), widen_right = begins(&right, &left);
    if (!widen_left && !widen_right)
        return cell_error(
            b->cell, e->at, b->err,
            "%s of %s against %s: shapes must be equal, or one begin the other", what,
            spell_expr(b, e->a).text, spell_expr(b, e->b).text);
    const Shape *const to = widen_left ? &right : &left;
    *first = add_op(b, OP_EXPAND, to, b->node[e->a], -1);
    *second = add_op(b, OP_EXPAND, to, b->node[e->b], -1);
    return *first >= 0 && *second >= 0;
}

static int make_binary(Build *b, const Expr *e, Op op, const char *what)
{
    int first, second;
    if (!meet(b, e, what, &first, &second)) return -1;
    const Shape shape = b->graph->node[first].shape;
    return add_op(b, op, &shape, first, second);
}

/* ---- functions ---- */

static int make_unary(Build *b, const Expr *e)
{
    const Shape shape = node_of(b, e->a)->shape;
    return add_op(b, e->function->op, &shape, b->node[e->a], -1);
}

static int make_two(Build *b, const Expr *e)
{
    return make_binary(b, e, e->function->op, e->function->name);
}

static int add_sum(Build *b, int a)
{
    if (a < 0) return -1;
    Shape shape = b->graph->node[a].shape;
    shape.axes--;
    return add_op(b, OP_SUM, &shape, a, -1);
}

static int add_mean(Build *b, int a)
{
    const int sum = add_sum(b, a);
    if (sum < 0) return -1;
    const Shape from = b->graph->node[a].shape, to = b->graph->node[sum].shape;
    const int part = add_number(b, 1.0 / from.dim[from.axes - 1], &to);
    return part < 0 ? -1 : add_op(b, OP_MUL, &to, sum, part);
}

static bool has_axis(Build *b, const Expr *e)
{
    if (node_of(b, e->a)->shape.axes > 0) return true;
    return cell_error(b->cell, e->at, b->err, "%s needs an operand with an axis",
                      e->function->name);
}

static int make_sum(Build *b, const Expr *e)
{
    return has_axis(b, e) ? add_sum(b, b->node[e->a]) : -1;
}

static int make_mean(Build *b, const Expr *e)
{
    return has_axis(b, e) ? add_mean(b, b->node[e->a]) : -1;
}

/* (e - mean) / sqrt(mean of (e - mean)^2 + 1e-5) */
static int make_norm(Build *b, const Expr *e)
{
    if (!has_axis(b, e)) return -1;
    const int a = b->node[e->a];
    const Shape full = b->graph->node[a].shape;
    Shape less = full;
    less.axes--;
    const int mean = add_op(b, OP_EXPAND, &full, add_mean(b, a), -1);
    if (mean < 0) return -1;
    const int centred = add_op(b, OP_SUB, &full, a, mean);
    const int variance = add_mean(b, add_op(b, OP_MUL, &full, centred, centred));
    const int epsilon = add_number(b, 1e-5, &less);
    if (variance < 0 || epsilon < 0) return -1;
    const int deviation =
        add_op(b, OP_SQRT, &less, add_op(b, OP_ADD, &less, variance, epsilon), -1);
    const int wide = add_op(b, OP_EXPAND, &full, deviation, -1);
    return wide < 0 ? -1 : add_op(b, OP_DIV, &full, centred, wide);
}

static int make_dot(Build *b, const Expr *e)
{
    if (!has_axis(b, e)) return -1;
    const int product = make_binary(b, e, OP_MUL, "dot");
    return add_sum(b, product);
}

static int make_outer(Build *b, const Expr *e)
{
    const Shape left = node_of(b, e->a)->shape, right = node_of(b, e->b)->shape;
    Shape shape = left, heads = right;
    heads.axes--;
    const bool fits = left.axes && left.axes == right.axes && begins(&heads, &left);
    if (!fits || left.axes == CELL_AXES_MAX) {
        cell_error(
            b->cell, e->at, b->err,
            "outer of %s and %s: all axes but the last must be equal, and the result "
            "have at most %d axes",
            spell_expr(b, e->a).text, spell_expr(b, e->b).text, CELL_AXES_MAX);
        return -1;
    }
    shape.dim[shape.axes++] = right.dim[right.axes - 1];
    return add_op(b, OP_OUTER, &shape, b->node[e->a], b->node[e->b]);
}

static int make_drop(Build *b, const Expr *e)
{
    const Node *const p = node_of(b, e->b);
    if (p->op != OP_CONST || p->shape.axes || !(p->value >= 0 && p->value < 1)) {
        cell_error(b->cell, b->cell->expr[e->b].at, b->err,
                   "drop takes as probability a number from 0 to below 1");
        return -1;
    }
    if (p->value == 0) return b->node[e->a];
    const Shape shape = node_of(b, e->a)->shape;
    const int mask = add(
        b,
        (Node){.op = OP_MASK, .shape = shape, .index = b->drops++, .value = p->value});
    return mask < 0 ? -1 : add_op(b, OP_MUL, &shape, b->node[e->a], mask);
}

// clang-format off
const Function cell_functions[] = {
    {"exp",        1,  0, OP_EXP,        make_unary},
    {"log",        1,  0, OP_LOG,        make_unary},
    {"sigmoid",    1,  0, OP_SIGMOID,    make_unary},
    {"tanh",       1,  0, OP_TANH,       make_unary},
    {"relu",       1,  0, OP_RELU,       make_unary},
    {"abs",        1,  0, OP_ABS,        make_unary},
    {"sqrt",       1,  0, OP_SQRT,       make_unary},
    {"softplus",   1,  0, OP_SOFTPLUS,   make_unary},
    {"logsigmoid", 1,  0, OP_LOGSIGMOID, make_unary},
    {"stop",       1,  0, OP_STOP,       make_unary},
    {"min",        2,  0, OP_MIN,        make_two},
    {"max",        2,  0, OP_MAX,        make_two},
    {"mean",       1, -1, OP_SUM,        make_mean},
    {"sum",        1, -1, OP_SUM,        make_sum},
    {"norm",       1,  0, OP_DIV,        make_norm},
    {"dot",        2, -1, OP_SUM,        make_dot},
    {"outer",      2,  1, OP_OUTER,      make_outer},
    {"drop",       2,  0, OP_MUL,        make_drop},
    {0},
};
// clang-format on

/* ---- expressions ---- */

static int make_name(Build *b, const Expr *e)
{
    const Symbol *const s = &b->cell->symbol[e->symbol];
    int *const node = &b->entered[e->symbol];
    if (s->kind == SYMBOL_SIZE) return add_number(b, b->size[e->symbol], &(Shape){0});
    if (s->kind == SYMBOL_CONST) return add_number(b, s->value, &(Shape){0});
    if (s->kind == SYMBOL_PARAM && *node < 0)
        *node = add(b, (Node){.op = OP_PARAM,
                              .shape = b->graph->param[b->param[e->symbol]].shape,
                              .index = b->param[e->symbol]});
    return *node;
}

/* The matrix [..][m][n], transposed [..][n][m]: its axes but the contracted one. */
static Shape product_shape(const Shape *m, bool transposed, int *contracted)
{
    Shape y = *m;
    y.axes--;
    *contracted = m->dim[m->axes - 1 - transposed];
    if (transposed) y.dim[y.axes - 1] = m->dim[m->axes - 1];
    return y;
}

static Axis *product_axes(const Axis *matrix, int axes, bool transposed, Axis *y)
{
    for (int i = 0; i < axes - 1; i++) y[i] = matrix[i];
    if (transposed) y[axes - 2] = matrix[axes - 1];
    return y;
}

static int fail_product(Build *b, const Expr *e, const Shape *m, const char *rule)
{
    const char *const prime = e->leaving ? "'" : "", *const swap =
                                                         e->transposed ? "^T" : "";
    cell_error(b->cell, e->at, b->err, "%s%s%s, with %s %s, cannot multiply %s: %s",
               b->cell->symbol[e->symbol].name, prime, swap,
               e->transposed ? "before ^T" : "shape", spell(m, b->axis[e->symbol]).text,
               spell_expr(b, e->a).text, rule);
    return -1;
}

/* Rule 2: the last axes are contracted; the operand's others are the matrix's first. */
static int make_product(Build *b, const Expr *e)
{
    const bool param = b->cell->symbol[e->symbol].kind == SYMBOL_PARAM;
    const int value = e->leaving ? b->leaving[e->symbol] : b->entered[e->symbol];
    const Shape m = param ? b->graph->param[b->param[e->symbol]].shape
                          : b->graph->node[value].shape;
    const Shape x = node_of(b, e->a)->shape;
    int contracted;
    const Shape y = product_shape(&m, e->transposed, &contracted);
    Shape heads = x;
    heads.axes--;
    if (x.axes == 0 || x.dim[x.axes - 1] != contracted)
        return fail_product(b, e, &m, "the axis that is summed over must be equal");
    if (!begins(&heads, &m) || heads.axes > m.axes - 2)
        return fail_product(b, e, &m,
                            "the operand's other axes must be the matrix's first");
    if ((!param || e->transposed) && heads.axes != m.axes - 2)
        return fail_product(b, e, &m,
                            "the axes before the last two must be the operand's");
    if (param)
        return add(b, (Node){.op = OP_PRODUCT,
                             .shape = y,
                             .in = {b->node[e->a], -1, -1},
                             .index = b->param[e->symbol],
                             .transposed = e->transposed});
    return add(b, (Node){.op = OP_MATVEC,
                         .shape = y,
                         .in = {value, b->node[e->a], -1},
                         .transposed = e->transposed});
}

static int make_expr(Build *b, const Expr *e)
{
    switch (e->kind) {
    case EXPR_NUMBER: return add_number(b, e->value, &(Shape){0});
    case EXPR_NAME: return make_name(b, e);
    case EXPR_LEAVING: return b->leaving[e->symbol];
    case EXPR_PRODUCT: return make_product(b, e);
    case EXPR_NEG:
        return add_op(b, OP_NEG, &node_of(b, e->a)->shape, b->node[e->a], -1);
    case EXPR_ADD: return make_binary(b, e, OP_ADD, "'+'");
    case EXPR_SUB: return make_binary(b, e, OP_SUB, "'-'");
    case EXPR_MUL: return make_binary(b, e, OP_MUL, "'*'");
    case EXPR_DIV: return make_binary(b, e, OP_DIV, "'/'");
    case EXPR_CALL: return e->function->make(b, e);
    }
    return -1;
}

/* The axes of a value come from where it was made: a name, or its larger operand. */
static void spell_axes(Build *b, int expr)
{
    const Expr *const e = &b->cell->expr[expr];
    Axis *const axis = b->spelt[expr];
    const int axes = node_of(b, expr)->shape.axes;
    if (e->kind == EXPR_NAME || e->kind == EXPR_LEAVING)
        memcpy(axis, b->axis[e->symbol], sizeof b->axis[e->symbol]);
    else if (e->kind == EXPR_PRODUCT)
        product_axes(b->axis[e->symbol], axes + 1, e->transposed, axis);
    else if (e->kind != EXPR_NUMBER) {
        const bool two = e->kind != EXPR_NEG && (e->kind != EXPR_CALL || e->b >= 0);
        const bool second =
            two && node_of(b, e->b)->shape.axes > node_of(b, e->a)->shape.axes;
        memcpy(axis, b->spelt[second ? e->b : e->a], sizeof b->spelt[0]);
        if (e->kind == EXPR_CALL && e->function->axes == 1)
            axis[axes - 1] = b->spelt[e->b][axes - 2];
    }
}

static bool make_equation(Build *b, const Symbol *s)
{
    for (int i = s->first; i <= s->root; i++) {
        b->node[i] = make_expr(b, &b->cell->expr[i]);
        if (b->node[i] < 0) return false;
        if (b->graph->nodes > NODES_MAX)
            return cell_error(b->cell, b->cell->expr[i].at, b->err,
                              "a step has at most %d operations", NODES_MAX);
        const Shape *const shape = &node_of(b, i)->shape;
        long long count = 1;
        for (int k = 0; k < shape->axes; k++) {
            count *= shape->dim[k];
            if (count > CELL_SIZE_MAX)
                return cell_error(b->cell, b->cell->expr[i].at, b->err,
                                  "the value has more than %d elements", CELL_SIZE_MAX);
        }
        spell_axes(b, i);
    }
    return true;
}

/* ---- the whole cell ---- */

static const char *keep_name(Build *b, const char *name, const char *prime)
{
    char *const kept = b->names;
    b->names += sprintf(kept, "%s%s", name, prime) + 1;
    return kept;
}

static void name_node(Build *b, int node, const char *name)
{
    Node *const n = &b->graph->node[node];
    if (op_inputs(n->op) > 0 && !n->name) n->name = name;
}

static bool assign(Build *b, int symbol)
{
    const Symbol *const s = &b->cell->symbol[symbol];
    if (!make_equation(b, s)) return false;
    int value = b->node[s->root];
    if (s->kind == SYMBOL_ASSIGNED) {
        b->entered[symbol] = value;
        memcpy(b->axis[symbol], b->spelt[s->root], sizeof b->axis[symbol]);
        name_node(b, value, keep_name(b, s->name, ""));
        return true;
    }
    State *const state = &b->graph->state[b->state[symbol]];
    if (!begins(&b->graph->node[value].shape, &state->shape))
        return cell_error(b->cell, s->equation_at, b->err,
                          "%s' is %s, but its equation gives %s", s->name,
                          spell(&state->shape, b->axis[symbol]).text,
                          spell_expr(b, s->root).text);
    value = add_op(b, OP_EXPAND, &state->shape, value, -1);
    if (value < 0) return false;
    b->leaving[symbol] = state->leave = value;
    name_node(b, value, keep_name(b, s->name, "'"));
    return true;
}

/* A parameter that begins as another has its shape. */
static bool build_like(Build *b, const Symbol *s, int symbol, Param *p)
{
    if (s->like < 0) return true;
    p->like = b->param[s->like];
    const Shape *const shape = &b->graph->param[p->like].shape;
    return shape_equal(shape, &p->shape) ||
           cell_error(
               b->cell, s->at, b->err, "'%s' is %s, but begins as '%s', which is %s",
               s->name, spell(&p->shape, b->axis[symbol]).text,
               b->cell->symbol[s->like].name, spell(shape, b->axis[s->like]).text);
}

static bool build_param(Build *b, int symbol)
{
    const Symbol *const s = &b->cell->symbol[symbol];
    Graph *const g = b->graph;
    Param *const p = &g->param[g->params];
    *p = (Param){.name = keep_name(b, s->name, ""),
                 .kind = s->param,
                 .init = s->init,
                 .a = s->a,
                 .b = s->b};
    if (s->a_const >= 0) p->a = b->cell->symbol[s->a_const].value;
    if (s->b_const >= 0) p->b = b->cell->symbol[s->b_const].value;
    if (s->negated) p->a = -p->a;
    b->param[symbol] = g->params++;
    const char *const fault = init_fault(p->init, p->a);
    if (fault) return cell_error(b->cell, s->at, b->err, "%s", fault);
    return eval_shape(b, s, &p->shape) && build_like(b, s, symbol, p);
}

static bool build_state(Build *b, int symbol)
{
    const Symbol *const s = &b->cell->symbol[symbol];
    Graph *const g = b->graph;
    State *const state = &g->state[g->states];
    *state = (State){.name = keep_name(b, s->name, ""),
                     .start = s->value,
                     .start_param = -1,
                     .leave = -1,
                     .dleave = -1,
                     .denter = -1,
                     .dtotal = -1};
    if (!eval_shape(b, s, &state->shape)) return false;
    state->enter =
        add(b, (Node){.op = OP_STATE, .shape = state->shape, .index = g->states});
    if (state->enter < 0) return false;
    g->node[state->enter].name = state->name;
    b->entered[symbol] = state->enter;
    b->state[symbol] = g->states++;
    return true;
}

static bool build_symbol(Build *b, int symbol)
{
    const Symbol *const s = &b->cell->symbol[symbol];
    for (int i = 0; i < s->axes && s->kind != SYMBOL_ASSIGNED; i++)
        b->axis[symbol][i] = axis_of(b, &s->dim[i]);
    if (s->kind == SYMBOL_PARAM) return build_param(b, symbol);
    if (s->kind == SYMBOL_STATE) return build_state(b, symbol);
    if (s->kind != SYMBOL_INPUT) return true;
    const Shape shape = {.axes = 1, .dim = {b->size[CELL_INPUT]}};
    b->entered[symbol] = add(b, (Node){.op = OP_INPUT, .shape = shape});
    if (b->entered[symbol] < 0) return false;
    b->graph->node[b->entered[symbol]].name = keep_name(b, s->name, "");
    return true;
}

/* A start that is a parameter has the state's shape. */
static bool resolve_start(Build *b, int symbol)
{
    const Symbol *const s = &b->cell->symbol[symbol];
    if (s->kind != SYMBOL_STATE || s->start < 0) return true;
    State *const state = &b->graph->state[b->state[symbol]];
    state->start_param = b->param[s->start];
    const Shape *const shape = &b->graph->param[state->start_param].shape;
    if (shape_equal(shape, &state->shape)) return true;
    return cell_error(
        b->cell, s->start_at, b->err, "'%s' is %s, but its start '%s' is %s", s->name,
        spell(&state->shape, b->axis[symbol]).text, b->cell->symbol[s->start].name,
        spell(shape, b->axis[s->start]).text);
}

static bool build_graph(Build *b, int input, int hidden)
{
    const Cell *const cell = b->cell;
    Graph *const g = b->graph;
    if (!eval_sizes(b, input, hidden)) return false;
    for (int i = 0; i < cell->symbols; i++)
        if (!build_symbol(b, i)) return false;
    for (int i = 0; i < cell->symbols; i++)
        if (!resolve_start(b, i)) return false;
    for (int i = 0; i < cell->equations; i++)
        if (!assign(b, cell->equation[i])) return false;
    for (int i = 0; i < cell->outputs; i++) {
        const int symbol = cell->output[i];
        const bool state = cell->symbol[symbol].kind == SYMBOL_STATE;
        g->output[g->outputs++] = state ? b->leaving[symbol] : b->entered[symbol];
    }
    g->forward_nodes = g->nodes;
    return true;
}

/* One block for the scratch of a build: int arrays by symbol and expression, then
 * axes. */
static char *take_scratch(Build *b)
{
    const size_t symbols = (size_t)b->cell->symbols, exprs = (size_t)b->cell->exprs;
    const size_t axes = (symbols + exprs) * sizeof *b->axis;
    char *const block = calloc(1, axes + (5 * symbols + exprs) * sizeof(int));
    if (!block) return NULL;
    b->axis = (Axis(*)[CELL_AXES_MAX])(void *)block;
    b->spelt = b->axis + symbols;
    b->size = (int *)(void *)(b->spelt + exprs);
    b->state = b->size + symbols;
    b->param = b->state + symbols;
    b->entered = b->param + symbols;
    b->leaving = b->entered + symbols;
    b->node = b->leaving + symbols;
    memset(b->size, -1, (5 * symbols + exprs) * sizeof(int));
    return block;
}

static bool take_graph(const Cell *cell, Graph *g)
{
    const size_t symbols = (size_t)cell->symbols, outputs = (size_t)cell->outputs;
    size_t names = 0;
    for (int i = 0; i < cell->symbols; i++)
        names += 2 * strlen(cell->symbol[i].name) + 3; /* s and s' */
    g->param = calloc(symbols, sizeof *g->param);
    g->state = calloc(symbols, sizeof *g->state);
    g->output = calloc(outputs, sizeof *g->output);
    g->names = malloc(names);
    return g->param && g->state && g->output && g->names;
}

bool graph_build(const Cell *cell, int input, int hidden, Graph *graph, Error *err)
{
    Graph g = {.input = input, .hidden = hidden, .dinput = -1};
    Build b = {.cell = cell, .graph = &g, .err = err};
    char *const scratch = take_scratch(&b);
    bool built = scratch && take_graph(cell, &g);
    if (!built) error(err, "%s: out of memory", cell->origin);
    b.names = g.names;
    built = built && build_graph(&b, input, hidden);
    free(scratch);
    if (built)
        *graph = g;
    else
        graph_close(&g);
    return built;
}

/* derive.c: the backward pass of a step, by reverse mode over its graph.
 *
 * d[n] is the gradient of the loss with respect to node n. Walking the forward nodes
 * from the last to the first, each rule below adds d of a node's operands, in terms of
 * d of the node and of values that the forward pass has anyway (tanh' from its value
 * and so on). */
#include "graph.h"

#include <assert.h>
#include <stdlib.h>

typedef struct Derivation {
    Graph *graph;
    int *d;       /* [forward nodes]: node of the gradient; -1: none yet */
    bool *active; /* [forward nodes]: depends on a state, a parameter or the input */
    bool failed;  /* out of memory */
} Derivation;

static int put(Derivation *v, Node node)
{
    const int made = graph_add(v->graph, node);
    if (made < 0) v->failed = true;
    return made;
}

static int make(Derivation *v, Op op, const Shape *shape, int a, int b, int c)
{
    return put(v, (Node){.op = op, .shape = *shape, .in = {a, b, c}, .backward = true});
}

static int make_number(Derivation *v, const Shape *shape, double value)
{
    return put(v, (Node){.op = OP_CONST, .shape = *shape, .value = value});
}

static int make_product(Derivation *v, Op op, const Shape *shape, int index, int a,
                        int b, bool transposed)
{
    return put(v, (Node){.op = op,
                         .shape = *shape,
                         .in = {a, b, -1},
                         .index = index,
                         .transposed = transposed,
                         .backward = true});
}

/* d[node] += gradient */
static void add(Derivation *v, int node, int gradient)
{
    if (v->failed || !v->active[node]) return;
    const Shape shape = v->graph->node[node].shape;
    int *const d = &v->d[node];
    *d = *d < 0 ? gradient : make(v, OP_ADD, &shape, *d, gradient, -1);
}

/* Sums away the axes that EXPAND made. */
static int contract(Derivation *v, int d, const Shape *to)
{
    while (!v->failed && v->graph->node[d].shape.axes > to->axes) {
        Shape shape = v->graph->node[d].shape;
        shape.axes--;
        d = make(v, OP_SUM, &shape, d, -1, -1);
    }
    return d;
}

static bool add_param_gradient(Graph *graph, ParamGradient gradient)
{
    ParamGradient *const more =
        realloc(graph->gradient, ((size_t)graph->gradients + 1) * sizeof *more);
    if (!more) return false;
    graph->gradient = more;
    graph->gradient[graph->gradients++] = gradient;
    return true;
}

/* The rule of one node. Operands a, b; value y; d its gradient. */
static void differentiate(Derivation *v, int y)
{
    const Node n = v->graph->node[y];
    const int d = v->d[y], a = n.in[0], b = n.in[1];
    const Shape s = n.shape;
    const Shape sa = a < 0 ? s : v->graph->node[a].shape;
    const Shape sb = b < 0 ? s : v->graph->node[b].shape;

    // clang-format off
    switch (n.op) {
    case OP_NEG:     add(v, a, make(v, OP_NEG, &s, d, -1, -1)); break;
    case OP_ADD:     add(v, a, d);
                     add(v, b, d); break;
    case OP_SUB:     add(v, a, d);
                     add(v, b, make(v, OP_NEG, &s, d, -1, -1)); break;
    case OP_MUL:     add(v, a, make(v, OP_MUL, &s, d, b, -1));
                     add(v, b, make(v, OP_MUL, &s, d, a, -1)); break;
    case OP_DIV: {   const int da = make(v, OP_DIV, &s, d, b, -1);
                     add(v, a, da);
                     add(v, b, make(v, OP_NEG, &s, make(v, OP_MUL, &s, da, y, -1), -1, -1)); break; }
    case OP_MIN:     add(v, a, make(v, OP_PICK, &s, b, a, d));
                     add(v, b, make(v, OP_UNPICK, &s, b, a, d)); break;
    case OP_MAX:     add(v, a, make(v, OP_PICK, &s, a, b, d));
                     add(v, b, make(v, OP_UNPICK, &s, a, b, d)); break;
    case OP_EXP:     add(v, a, make(v, OP_MUL, &s, d, y, -1)); break;
    case OP_LOG:     add(v, a, make(v, OP_DIV, &s, d, a, -1)); break;
    case OP_SIGMOID: add(v, a, make(v, OP_DSIGMOID, &s, d, y, -1)); break;
    case OP_TANH:    add(v, a, make(v, OP_DTANH, &s, d, y, -1)); break;
    case OP_RELU:    add(v, a, make(v, OP_DRELU, &s, d, y, -1)); break;
    case OP_ABS:     add(v, a, make(v, OP_DABS, &s, d, a, -1)); break;
    case OP_SQRT:    add(v, a, make(v, OP_DIV, &s,
                          make(v, OP_MUL, &s, d, make_number(v, &s, 0.5), -1), y, -1)); break;
    case OP_SOFTPLUS:
        add(v, a, make(v, OP_MUL, &s, d, make(v, OP_SIGMOID, &s, a, -1, -1), -1)); break;
    case OP_LOGSIGMOID:
        add(v, a, make(v, OP_MUL, &s, d,
                       make(v, OP_SIGMOID, &s, make(v, OP_NEG, &s, a, -1, -1), -1, -1), -1)); break;
    case OP_SUM:     add(v, a, make(v, OP_EXPAND, &sa, d, -1, -1)); break;
    case OP_EXPAND:  add(v, a, contract(v, d, &sa)); break;
    case OP_OUTER:   add(v, a, make_product(v, OP_MATVEC, &sa, 0, d, b, false));
                     add(v, b, make_product(v, OP_MATVEC, &sb, 0, d, a, true)); break;
    case OP_MATVEC:  add(v, a, n.transposed ? make(v, OP_OUTER, &sa, b, d, -1)
                                            : make(v, OP_OUTER, &sa, d, b, -1));
                     add(v, b, make_product(v, OP_MATVEC, &sb, 0, a, d, !n.transposed)); break;
    case OP_PRODUCT: if (v->active[a])
                         add(v, a, make_product(v, OP_PRODUCT, &sa, n.index, d, -1, !n.transposed));
                     if (!add_param_gradient(v->graph, (ParamGradient){n.index, d, a, n.transposed}))
                         v->failed = true;
                     break;
    case OP_PARAM:   if (!add_param_gradient(v->graph, (ParamGradient){n.index, d, -1, false}))
                         v->failed = true;
                     break;
    default: break; /* STOP lets nothing pass; other leaves are read off at the end */
    }
    // clang-format on
}

/* Nodes that the loss can move: through a state, a parameter, the input; never past
 * STOP. */
static void find_active(Derivation *v)
{
    const Graph *const g = v->graph;
    for (int i = 0; i < g->forward_nodes; i++) {
        const Node *const n = &g->node[i];
        v->active[i] = n->op == OP_INPUT || n->op == OP_STATE || n->op == OP_PARAM ||
                       n->op == OP_PRODUCT;
        if (n->op == OP_STOP) continue;
        for (int j = 0; j < 3; j++)
            if (n->in[j] >= 0 && v->active[n->in[j]]) v->active[i] = true;
    }
}

static int make_leaf(Derivation *v, Op op, int of, int index)
{
    return put(v, (Node){.op = op,
                         .shape = v->graph->node[of].shape,
                         .index = index,
                         .backward = true});
}

static void seed(Derivation *v)
{
    Graph *const g = v->graph;
    for (int i = 0; i < g->outputs && !v->failed; i++) {
        g->doutput[i] = make_leaf(v, OP_DOUTPUT, g->output[i], i);
        add(v, g->output[i], g->doutput[i]);
    }
    for (int i = 0; i < g->states && !v->failed; i++) {
        g->state[i].dleave = make_leaf(v, OP_DSTATE, g->state[i].leave, i);
        add(v, g->state[i].leave, g->state[i].dleave);
    }
}

/* A state that takes over x or another state has, of what is made of that, only what is
 * made of it as a state or output: all there is before the rules are applied. */
static void find_totals(Derivation *v, bool taken_over)
{
    Graph *const g = v->graph;
    for (int i = 0; i < g->states && !v->failed; i++) {
        State *const s = &g->state[i];
        const bool leaf = op_inputs(g->node[s->leave].op) == 0;
        if (leaf == taken_over) s->dtotal = v->d[s->leave];
    }
}

bool derive(Graph *graph, Error *err)
{
    const int nodes = graph->forward_nodes = graph->nodes;
    Derivation v = {.graph = graph};
    v.d = malloc(((size_t)nodes + 1) * sizeof *v.d);
    v.active = calloc((size_t)nodes + 1, sizeof *v.active);
    graph->doutput = calloc((size_t)graph->outputs + 1, sizeof *graph->doutput);
    v.failed = !v.d || !v.active || !graph->doutput;

    if (!v.failed) {
        for (int i = 0; i < nodes; i++) v.d[i] = -1;
        find_active(&v);
        seed(&v);
        find_totals(&v, true);
    }
    for (int i = nodes - 1; i >= 0 && !v.failed; i--)
        if (v.d[i] >= 0) differentiate(&v, i);
    find_totals(&v, false);

    graph->dinput = -1;
    for (int i = 0; i < nodes && !v.failed; i++)
        if (graph->node[i].op == OP_INPUT) graph->dinput = v.d[i];
    for (int i = 0; i < graph->states && !v.failed; i++)
        graph->state[i].denter = v.d[graph->state[i].enter];

    graph->d = v.d;
    free(v.active);
    return v.failed ? error(err, "out of memory") : true;
}

/* graph.c: nodes, each there once. build.c makes the graph of a cell. */
#include "graph.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../simd/scalar.h"

int shape_count(const Shape *s)
{
    int count = 1;
    for (int i = 0; i < s->axes; i++) count *= s->dim[i];
    return count;
}

bool shape_equal(const Shape *a, const Shape *b)
{
    if (a->axes != b->axes) return false;
    for (int i = 0; i < a->axes; i++)
        if (a->dim[i] != b->dim[i]) return false;
    return true;
}

const char *op_name(Op op)
{
    static const char *const name[] = {
#define ITEM(name, inputs) #name,
        OP_LIST(ITEM)
#undef ITEM
    };
    return name[op];
}

int op_inputs(Op op)
{
    static const int inputs[] = {
#define ITEM(name, inputs) inputs,
        OP_LIST(ITEM)
#undef ITEM
    };
    return inputs[op];
}

bool op_elementwise(Op op)
{
    return op >= OP_NEG && op <= OP_STOP;
}

static double softplus(double a)
{
    return (a > 0 ? a : 0) + scalar_log1p(scalar_exp(-fabs(a)));
}

double op_value(Op op, double a, double b, double c)
{
    switch (op) {
    case OP_NEG: return -a;
    case OP_ADD: return a + b;
    case OP_SUB: return a - b;
    case OP_MUL: return a * b;
    case OP_DIV: return a / b;
    case OP_MIN: return a < b ? a : b;
    case OP_MAX: return a > b ? a : b;
    case OP_FMA: return fma(a, b, c);
    case OP_FNMA: return fma(-a, b, c);
    case OP_EXP: return scalar_exp(a);
    case OP_LOG: return scalar_log(a);
    case OP_SIGMOID: return 1 / (1 + scalar_exp(-a));
    case OP_TANH: return scalar_tanh(a);
    case OP_RELU: return a > 0 ? a : 0;
    case OP_ABS: return fabs(a);
    case OP_SQRT: return sqrt(a);
    case OP_SOFTPLUS: return softplus(a);
    case OP_LOGSIGMOID: return -softplus(-a);
    case OP_DSIGMOID: return a * b * (1 - b);
    case OP_DTANH: return a * (1 - b * b);
    case OP_DRELU: return b > 0 ? a : 0;
    case OP_DABS: return b > 0 ? a : b < 0 ? -a : 0;
    case OP_PICK: return a > b ? c : 0;
    case OP_UNPICK: return a > b ? 0 : c;
    case OP_DSIGMOID_MUL: return op_value(OP_DSIGMOID, a * b, c, 0);
    case OP_DTANH_MUL: return op_value(OP_DTANH, a * b, c, 0);
    case OP_STOP: return a;
    default: assert(false); return 0; /* not elementwise */
    }
}

static bool is_number(const Graph *g, int node, double value)
{
    return g->node[node].op == OP_CONST && g->node[node].value == value;
}

/* Whether the node's operands are all numbers; then their value, in a node of its
 * shape. */
static bool fold_numbers(const Graph *g, const Node *n, Node *folded)
{
    double v[3] = {0};
    const int inputs = op_inputs(n->op);
    if (inputs == 0) return false;
    for (int i = 0; i < inputs; i++) {
        if (g->node[n->in[i]].op != OP_CONST) return false;
        v[i] = g->node[n->in[i]].value;
    }
    *folded = (Node){.op = OP_CONST, .shape = n->shape, .backward = n->backward};
    if (op_elementwise(n->op))
        folded->value = op_value(n->op, v[0], v[1], v[2]);
    else if (n->op == OP_EXPAND)
        folded->value = v[0];
    else if (n->op == OP_OUTER)
        folded->value = v[0] * v[1];
    else if (n->op == OP_SUM) {
        const Shape *const s = &g->node[n->in[0]].shape;
        folded->value = v[0] * s->dim[s->axes - 1];
    } else
        return false;
    return true;
}

/* The operand that the node is equal to, or -1: x + 0, x - 0, x * 1, x / 1, -(-x),
 * ... */
static int fold_same(const Graph *g, const Node *n)
{
    const int a = n->in[0], b = n->in[1];
    switch (n->op) {
    case OP_ADD: return is_number(g, b, 0) ? a : is_number(g, a, 0) ? b : -1;
    case OP_SUB: return is_number(g, b, 0) ? a : -1;
    case OP_MUL: return is_number(g, b, 1) ? a : is_number(g, a, 1) ? b : -1;
    case OP_DIV: return is_number(g, b, 1) ? a : -1;
    case OP_NEG: return g->node[a].op == OP_NEG ? g->node[a].in[0] : -1;
    case OP_STOP: return g->node[a].op == OP_STOP ? a : -1;
    case OP_EXPAND: return shape_equal(&g->node[a].shape, &n->shape) ? a : -1;
    default: return -1;
    }
}

static void rewrite(Node *n, Op op, int a, int b)
{
    n->op = op;
    n->in[0] = a;
    n->in[1] = b;
}

/* Signs move into sums, to the same bits. */
static void fold_sign(const Graph *g, Node *n)
{
    const int a = n->in[0], b = n->in[1];
    if (n->op == OP_ADD && g->node[b].op == OP_NEG)
        rewrite(n, OP_SUB, a, g->node[b].in[0]);
    else if (n->op == OP_ADD && g->node[a].op == OP_NEG)
        rewrite(n, OP_SUB, b, g->node[a].in[0]);
    else if (n->op == OP_SUB && g->node[b].op == OP_NEG)
        rewrite(n, OP_ADD, a, g->node[b].in[0]);
    else if (n->op == OP_SUB && is_number(g, a, 0))
        rewrite(n, OP_NEG, b, -1);
    else if (n->op == OP_MUL && is_number(g, a, -1))
        rewrite(n, OP_NEG, b, -1);
    else if (n->op == OP_MUL && is_number(g, b, -1))
        rewrite(n, OP_NEG, a, -1);
}

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static bool node_equal(const Node *a, const Node *b)
{
    return a->op == b->op && a->index == b->index && a->transposed == b->transposed &&
           bits_of(a->value) == bits_of(b->value) &&
           shape_equal(&a->shape, &b->shape) && memcmp(a->in, b->in, sizeof a->in) == 0;
}

static size_t node_hash(const Node *n)
{
    const uint64_t key[] = {n->op,
                            (uint64_t)n->index,
                            bits_of(n->value),
                            (uint64_t)n->in[0],
                            (uint64_t)n->in[1],
                            (uint64_t)n->in[2]};
    uint64_t hash = 0;
    for (size_t i = 0; i < sizeof key / sizeof *key; i++) {
        hash = (hash ^ key[i]) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 32;
    }
    return (size_t)hash;
}

/* The slot of an equal node, or the free one where it would be. */
static int *find_slot(const Graph *g, const Node *n)
{
    for (size_t i = node_hash(n);; i++) {
        int *const slot = &g->slot[i & (size_t)(g->slots - 1)];
        if (!*slot || node_equal(&g->node[*slot - 1], n)) return slot;
    }
}

/* Room for one more node; the table stays at most half full. */
static bool grow(Graph *g)
{
    if (g->nodes < g->node_room) return true;
    const int room = g->node_room ? 2 * g->node_room : 64;
    Node *const node = realloc(g->node, (size_t)room * sizeof *node);
    if (!node) return false;
    g->node = node;
    int *const slot = calloc(2 * (size_t)room, sizeof *slot);
    if (!slot) return false;
    free(g->slot);
    g->slot = slot;
    g->slots = 2 * room;
    g->node_room = room;
    for (int i = 0; i < g->nodes; i++)
        if (g->node[i].op != OP_MASK) *find_slot(g, &g->node[i]) = i + 1;
    return true;
}

static int find_equal(const Graph *g, const Node *n)
{
    const int *slot = find_slot(g, n);
    if (!*slot && (n->op == OP_ADD || n->op == OP_MUL || n->op == OP_FMA)) {
        Node swapped = *n;
        swapped.in[0] = n->in[1];
        swapped.in[1] = n->in[0];
        slot = find_slot(g, &swapped);
    }
    return *slot - 1;
}

int graph_add(Graph *g, Node n)
{
    for (int i = 0; i < 3; i++) {
        if (i >= op_inputs(n.op))
            n.in[i] = -1;
        else if (n.in[i] < 0)
            return -1;
        assert(n.in[i] < g->nodes);
    }
    Node folded;
    if (fold_numbers(g, &n, &folded)) return graph_add(g, folded);
    fold_sign(g, &n);
    const int same = fold_same(g, &n);
    if (same >= 0) return same;

    if (!grow(g)) return -1;
    if (n.op != OP_MASK) {
        const int equal = find_equal(g, &n);
        if (equal >= 0) return equal;
        *find_slot(g, &n) = g->nodes + 1;
    }
    g->node[g->nodes] = n;
    return g->nodes++;
}

int graph_number(Graph *g, double value, const Shape *shape)
{
    return graph_add(g, (Node){.op = OP_CONST, .shape = *shape, .value = value});
}

size_t graph_output_offset(const Graph *g, int output)
{
    size_t offset = 0;
    for (int i = 0; i < output; i++)
        offset += (size_t)shape_count(&g->node[g->output[i]].shape);
    return offset;
}

int graph_output_width(const Graph *g)
{
    return (int)graph_output_offset(g, g->outputs);
}

void graph_close(Graph *g)
{
    free(g->node);
    free(g->param);
    free(g->state);
    free(g->output);
    free(g->doutput);
    free(g->gradient);
    free(g->d);
    free(g->names);
    free(g->slot);
    *g = (Graph){0};
}

/* graph.h: the equations of one step as a graph of simple operations.
 *
 * graph_build makes the forward graph of a cell at given sizes; derive adds the
 * backward graph to the same array. A node's operands stand before it. A node has a
 * value for each row of the mini-batch, [shape], but PARAM and CONST are the same for
 * all rows. */
#pragma once

#include "parse.h"

typedef struct Shape {
    int axes; /* 0: a single number */
    int dim[CELL_AXES_MAX];
} Shape;

int shape_count(const Shape *s); /* the product of the axes, 1 for none */
bool shape_equal(const Shape *a, const Shape *b);

// clang-format off
/* Leaves and operations; in[] are the operands a, b, c.
 *   forward leaves
 *     CONST    value, of any shape
 *     INPUT    x [input]
 *     STATE    state[index], entering the step
 *     PARAM    param[index] used as a value (not as a matrix)
 *     MASK     1/(1-value) or 0, drawn; 1 outside training: drop(e, p) = e * MASK
 *   backward leaves
 *     DOUTPUT  gradient of output[index]
 *     DSTATE   gradient of the leaving state[index], from the step after
 *   products
 *     PRODUCT  y = M a, M = param[index] seen as [G][R][K]: K its last axis, G the heads that
 *              it shares with the operand, R all axes between. a [G][K], y [G][R];
 *              transposed: a [G][R], y [G][K]. So G = |a| |y| / |M|, and
 *              the gradient of a product's operand is the transposed product.
 *              in[1], made by rewrite alone: where each element's chain starts
 *     MATVEC   y [..][m] = a [..][m][n] b [..][n]; transposed: y [..][n] = a^T b [..][m]
 *   elementwise: equal shapes (EXPAND is explicit)
 *     NEG ADD SUB MUL DIV MIN MAX FMA(a b + c) FNMA(c - a b) EXP LOG SIGMOID TANH RELU ABS
 *     SQRT SOFTPLUS LOGSIGMOID
 *     DSIGMOID(d, y) DTANH(d, y) DRELU(d, y) DABS(d, x) PICK(a, b, d) UNPICK(a, b, d)
 *     DSIGMOID_MUL(a, b, y) DTANH_MUL(a, b, y), made by rewrite alone: d = a b
 *     STOP     a; no gradient passes
 *   axes
 *     SUM      over the last axis
 *     EXPAND   a's axes lead, the value is repeated over the rest
 *     OUTER    y [..][m][n] = a [..][m] b [..][n]
 * Each line below: the operation, how many operands. */
#define OP_LIST(X)                                                                       \
    X(CONST, 0) X(INPUT, 0) X(STATE, 0) X(PARAM, 0) X(MASK, 0) X(DOUTPUT, 0) X(DSTATE, 0)\
    X(PRODUCT, 1) X(MATVEC, 2)                                                           \
    X(NEG, 1) X(ADD, 2) X(SUB, 2) X(MUL, 2) X(DIV, 2) X(MIN, 2) X(MAX, 2)                \
    X(FMA, 3) X(FNMA, 3)                                                                 \
    X(EXP, 1) X(LOG, 1) X(SIGMOID, 1) X(TANH, 1) X(RELU, 1) X(ABS, 1) X(SQRT, 1)         \
    X(SOFTPLUS, 1) X(LOGSIGMOID, 1)                                                      \
    X(DSIGMOID, 2) X(DTANH, 2) X(DRELU, 2) X(DABS, 2) X(PICK, 3) X(UNPICK, 3)            \
    X(DSIGMOID_MUL, 3) X(DTANH_MUL, 3)                                                   \
    X(STOP, 1) X(SUM, 1) X(EXPAND, 1) X(OUTER, 2)
// clang-format on

typedef enum Op {
#define ITEM(name, inputs) OP_##name,
    OP_LIST(ITEM)
#undef ITEM
        OP_COUNT
} Op;

const char *op_name(Op op); /* "PRODUCT" */
int op_inputs(Op op);       /* operands: 0 .. 3 */
bool op_elementwise(Op op); /* NEG .. STOP: shapes equal, element by element */
/* An elementwise operation on numbers, in double. */
double op_value(Op op, double a, double b, double c);

typedef struct Node {
    Op op;
    Shape shape;
    int in[3];        /* nodes; -1: none */
    int index;        /* of state, param or output; MASK: which drop() of the cell */
    double value;     /* CONST: the number; MASK: the probability */
    bool transposed;  /* PRODUCT, MATVEC */
    bool backward;    /* made by derive */
    const char *name; /* the equation's left side ("r", "h'"), or NULL */
} Node;

typedef enum ParamKind { PARAM_WEIGHT, PARAM_BIAS, PARAM_SCALAR } ParamKind;
typedef enum InitKind {
    INIT_CONSTANT, /* a */
    INIT_UNIFORM,  /* U(-1/sqrt(hidden), 1/sqrt(hidden)): PyTorch's */
    INIT_BETWEEN,  /* U(a, b) */
    INIT_GLOROT,   /* U(+-sqrt(6 / (rows + columns))) of the last two axes */
    INIT_ORTHOGONAL,
    INIT_IDENTITY,
    INIT_NORMAL,   /* N(0, a^2) */
    INIT_LINSPACE, /* from a to b over the elements of the last axis */
    INIT_POWERLAW, /* from 5 to -7 over the elements of the last axis: see init.c */
    INIT_CHRONO,   /* log U([1, a - 1]) */
    INIT_LIKE      /* a times the numbers of the parameter `like` */
} InitKind;

typedef struct Param {
    const char *name;
    ParamKind kind;
    Shape shape;
    InitKind init;
    double a, b; /* arguments of the initialiser */
    int like;    /* INIT_LIKE: a parameter before this one, of its shape */
} Param;

typedef struct State {
    const char *name;
    Shape shape;
    double start;    /* where a sequence begins ... */
    int start_param; /* ... or this parameter; -1: none */
    int enter;       /* node STATE */
    int leave;       /* node whose value leaves */
    int dleave;      /* after derive: node DSTATE */
    int denter;      /* after derive: node, gradient of the entering value; -1: none */
    int dtotal; /* ... of the leaving value, by what this step makes of it too; -1 */
} State;

/* A gradient to add up over all rows and steps (after derive). */
typedef struct ParamGradient {
    int param;
    int d; /* node: gradient of the product's value, or of the PARAM node itself */
    int x; /* node: the product's operand; -1: d itself is summed over rows */
    bool transposed; /* of the product */
} ParamGradient;

typedef struct Graph {
    int input, hidden;
    Node *node;
    int nodes, node_room, forward_nodes; /* forward_nodes: those before derive's */
    Param *param;
    int params;
    State *state;
    int states;
    int *output; /* nodes, concatenated into the layer's output */
    int outputs;
    int *doutput; /* after derive: node DOUTPUT of each; -1 if unused */
    int dinput;   /* after derive: node, gradient of x; -1: none */
    ParamGradient *gradient;
    int gradients;
    int *d; /* after derive: [forward_nodes], node of each one's gradient; -1: none */
    char *names; /* storage of all names */
    int *slot;   /* graph_add's hash table: node + 1, or 0 */
    int slots;
} Graph;

/* Shapes are checked here (messages as in parse.h). `input`: width of x. What
 * the numbers say is folded: sizes, consts, and functions of them. */
bool graph_build(const Cell *cell, int input, int hidden, Graph *graph, Error *err);
void graph_close(Graph *graph);

/* Appends a node, or returns an equal one that is there (not for MASK; `backward` and
 * `name` do not count). Numbers are folded, and so are x + 0, x * 1, x / 1, -(-x), a +
 * -b. in[] past the operands need not be set. -1 without memory, or when an operand is
 * -1. */
int graph_add(Graph *graph, Node node);
int graph_number(Graph *graph, double value, const Shape *shape); /* CONST */

int graph_output_width(const Graph *graph);
size_t graph_output_offset(const Graph *graph, int output); /* where it begins */

/* Adds the backward pass: fills denter, doutput, dinput, gradient. derive.c */
bool derive(Graph *graph, Error *err);

/* eval.h has the double-precision interpreter, lower.h the programs that run. */

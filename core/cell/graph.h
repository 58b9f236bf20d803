/* graph.h: the equations of one step as a graph of simple operations.
 *
 * graph_build makes the forward graph of a cell at given sizes; derive adds the backward
 * graph to the same array. A node's operands stand before it. A node has a value for each
 * row of the mini-batch, [shape], but PARAM and CONST are the same for all rows. */
#pragma once

#include "parse.h"

typedef struct Shape {
    int axes; /* 0: a single number */
    int dim[CELL_AXES_MAX];
} Shape;

int shape_count(const Shape *s); /* the product of the axes, 1 for none */
bool shape_equal(const Shape *a, const Shape *b);

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
 *              transposed: a [G][R], y [G][K]. So G = |a| |y| / |M| (product_groups), and
 *              the gradient of a product's operand is the transposed product.
 *              in[1], made by rewrite alone: where each element's chain starts
 *     MATVEC   y [..][m] = a [..][m][n] b [..][n]; transposed: y [..][n] = a^T b [..][m]
 *   elementwise: equal shapes (EXPAND is explicit)
 *     NEG ADD SUB MUL DIV MIN MAX FMA(a b + c) FNMA(c - a b) EXP LOG SIGMOID TANH RELU ABS
 *     SQRT SOFTPLUS LOGSIGMOID
 *     DSIGMOID(d, y) DTANH(d, y) DRELU(d, y) DABS(d, x) PICK(a, b, d) UNPICK(a, b, d)
 *     STOP     a; no gradient passes
 *   axes
 *     SUM      over the last axis
 *     EXPAND   a's axes lead, the value is repeated over the rest
 *     OUTER    y [..][m][n] = a [..][m] b [..][n] */
#define OP_LIST(X)                                                                       \
    X(CONST) X(INPUT) X(STATE) X(PARAM) X(MASK) X(DOUTPUT) X(DSTATE)                     \
    X(PRODUCT) X(MATVEC)                                                                 \
    X(NEG) X(ADD) X(SUB) X(MUL) X(DIV) X(MIN) X(MAX) X(FMA) X(FNMA)                      \
    X(EXP) X(LOG) X(SIGMOID) X(TANH) X(RELU) X(ABS) X(SQRT) X(SOFTPLUS) X(LOGSIGMOID)    \
    X(DSIGMOID) X(DTANH) X(DRELU) X(DABS) X(PICK) X(UNPICK) X(STOP)                      \
    X(SUM) X(EXPAND) X(OUTER)

typedef enum Op {
#define ITEM(name) OP_##name,
    OP_LIST(ITEM)
#undef ITEM
        OP_COUNT
} Op;

const char *op_name(Op op); /* "product", in lower case */
int op_inputs(Op op);       /* operands: 0 .. 3 */

typedef struct Node {
    Op op;
    Shape shape;
    int in[3];       /* nodes; -1: none */
    int index;       /* of state, param or output; MASK: which drop() of the cell */
    double value;    /* CONST: the number; MASK: the probability */
    bool transposed; /* PRODUCT, MATVEC */
    bool backward;   /* made by derive */
    const char *name; /* the equation's left side ("r", "h'"), or NULL */
} Node;

typedef enum ParamKind { PARAM_WEIGHT, PARAM_BIAS, PARAM_SCALAR } ParamKind;
typedef enum InitKind {
    INIT_CONSTANT,  /* a */
    INIT_UNIFORM,   /* U(-1/sqrt(hidden), 1/sqrt(hidden)): PyTorch's */
    INIT_GLOROT,    /* U(+-sqrt(6 / (rows + columns))) of the last two axes */
    INIT_ORTHOGONAL,
    INIT_IDENTITY,
    INIT_NORMAL,    /* N(0, a^2) */
    INIT_LINSPACE,  /* from a to b over the elements of the last axis */
    INIT_POWERLAW,  /* b_f = 5 - 12 (j/(d-1))^(.3 + 1.3 blk/(B-1)), negated as experiments.md: +5 to -7 */
    INIT_CHRONO     /* log U([1, a - 1]) */
} InitKind;

typedef struct Param {
    const char *name;
    ParamKind kind;
    Shape shape;
    InitKind init;
    double a, b; /* arguments of the initialiser */
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
    char *names;  /* storage of all names */
} Graph;

/* Shapes are checked here (messages as in parse.h). `input`: width of x. What
 * the numbers say is folded: sizes, consts, and functions of them. */
bool graph_build(const Cell *cell, int input, int hidden, Graph *graph, Error *err);
void graph_close(Graph *graph);

/* Appends a node, or returns an equal one that is there (not for MASK). -1 without memory. */
int graph_add(Graph *graph, Node node);

int graph_output_width(const Graph *graph);

/* G of a PRODUCT. */
int product_groups(const Graph *graph, const Node *product);

/* Adds the backward pass: fills denter, doutput, dinput, gradient. derive.c */
bool derive(Graph *graph, Error *err);

/* eval.h has the double-precision interpreter, lower.h the programs that run. */

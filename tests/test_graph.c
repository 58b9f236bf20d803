/* Test graphs: nodes are there once, numbers are folded, shapes are checked and
 * spelt. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "../core/cell/graph.h"
#include "../core/cell/init.h"

static const Shape number = {0, {0}};
static const Shape vector = {1, {5}};

static int leaf(Graph *g, Op op, int index)
{
    return graph_add(g, (Node){.op = op, .shape = vector, .index = index});
}

static int make(Graph *g, Op op, int a, int b)
{
    return graph_add(g, (Node){.op = op, .shape = vector, .in = {a, b, -1}});
}

static double value_of(const Graph *g, int node)
{
    cr_assert_eq(g->node[node].op, OP_CONST);
    return g->node[node].value;
}

Test(graph, equal_nodes_are_one)
{
    Graph g = {0};
    const int h = leaf(&g, OP_STATE, 0), c = leaf(&g, OP_STATE, 1);
    cr_expect_neq(h, c);
    cr_expect_eq(leaf(&g, OP_STATE, 0), h);
    const int sum = make(&g, OP_ADD, h, c), product = make(&g, OP_MUL, h, c);
    cr_expect_eq(make(&g, OP_ADD, h, c), sum);
    cr_expect_eq(make(&g, OP_ADD, c, h), sum, "a sum is the same the other way round");
    cr_expect_eq(make(&g, OP_MUL, c, h), product);
    cr_expect_neq(make(&g, OP_SUB, h, c), make(&g, OP_SUB, c, h));
    cr_expect_neq(leaf(&g, OP_MASK, 0), leaf(&g, OP_MASK, 0),
                  "each mask is drawn apart");
    cr_expect_eq(make(&g, OP_ADD, -1, h), -1, "out of memory goes on");
    graph_close(&g);
}

Test(graph, thousands_of_nodes_are_found_again)
{
    Graph g = {0};
    int node[5000];
    for (int i = 0; i < 5000; i++) node[i] = leaf(&g, OP_PARAM, i);
    for (int i = 0; i < 5000; i++) cr_assert_eq(leaf(&g, OP_PARAM, i), node[i]);
    cr_expect_eq(g.nodes, 5000);
    graph_close(&g);
}

Test(graph, numbers_are_folded)
{
    Graph g = {0};
    const int two = graph_number(&g, 2, &vector), three = graph_number(&g, 3, &vector);
    cr_expect_eq(value_of(&g, make(&g, OP_ADD, two, three)), 5);
    cr_expect_eq(value_of(&g, make(&g, OP_DIV, two, three)), 2.0 / 3);
    cr_expect_eq(value_of(&g, make(&g, OP_MAX, two, three)), 3);
    cr_expect_eq(value_of(&g, make(&g, OP_SQRT, two, -1)), sqrt(2));
    const Node sum = {.op = OP_SUM, .shape = number, .in = {two, -1, -1}};
    cr_expect_eq(value_of(&g, graph_add(&g, sum)), 10);
    const int one = graph_number(&g, 3, &number);
    const Node expand = {.op = OP_EXPAND, .shape = vector, .in = {one, -1, -1}};
    cr_expect_eq(graph_add(&g, expand), three);
    graph_close(&g);
}

Test(graph, what_changes_nothing_is_left_out)
{
    Graph g = {0};
    const int h = leaf(&g, OP_STATE, 0), c = leaf(&g, OP_STATE, 1);
    const int zero = graph_number(&g, 0, &vector), one = graph_number(&g, 1, &vector);
    cr_expect_eq(make(&g, OP_ADD, h, zero), h);
    cr_expect_eq(make(&g, OP_ADD, zero, h), h);
    cr_expect_eq(make(&g, OP_SUB, h, zero), h);
    cr_expect_eq(make(&g, OP_MUL, h, one), h);
    cr_expect_eq(make(&g, OP_MUL, one, h), h);
    cr_expect_eq(make(&g, OP_DIV, h, one), h);
    const int minus = make(&g, OP_NEG, h, -1);
    cr_expect_eq(make(&g, OP_NEG, minus, -1), h);
    cr_expect_eq(make(&g, OP_SUB, zero, h), minus);
    cr_expect_eq(make(&g, OP_ADD, c, minus), make(&g, OP_SUB, c, h));
    cr_expect_eq(make(&g, OP_ADD, minus, c), make(&g, OP_SUB, c, h));
    cr_expect_eq(make(&g, OP_SUB, c, minus), make(&g, OP_ADD, c, h));
    const int nothing = make(&g, OP_MUL, h, zero);
    cr_expect_eq(g.node[nothing].op, OP_MUL, "h may be infinite: h * 0 stays");
    graph_close(&g);
}

Test(graph, every_operation_has_a_name_and_operands)
{
    cr_expect_str_eq(op_name(OP_CONST), "CONST");
    cr_expect_str_eq(op_name(OP_OUTER), "OUTER");
    cr_expect_eq(op_inputs(OP_STATE), 0);
    cr_expect_eq(op_inputs(OP_PRODUCT), 1);
    cr_expect_eq(op_inputs(OP_FNMA), 3);
    cr_expect(op_elementwise(OP_NEG) && op_elementwise(OP_STOP) &&
              !op_elementwise(OP_SUM));
}

/* ---- cells ---- */

static bool build(const char *text, int input, int hidden, Graph *graph, Error *err)
{
    Cell *cell;
    *err = (Error){""};
    cr_assert(cell_parse("t", text, strlen(text), &cell, err), "%s", err->text);
    const bool built = graph_build(cell, input, hidden, graph, err);
    cell_close(cell);
    return built;
}

static void refuses(const char *text, const char *message)
{
    Graph graph;
    Error err;
    cr_expect(!build(text, 3, 8, &graph, &err), "accepted: %s", text);
    cr_expect(strstr(err.text, message), "wanted: %s\ngot: %s", message, err.text);
}

/* The shape of y. */
static void gives(const char *text, int axes, int first, int second, int third)
{
    Graph graph;
    Error err;
    cr_assert(build(text, 3, 8, &graph, &err), "%s\n%s", text, err.text);
    const Shape *const s = &graph.node[graph.output[0]].shape;
    const int dim[] = {first, second, third};
    cr_expect_eq(s->axes, axes, "%s: %d axes", text, s->axes);
    for (int i = 0; i < axes; i++)
        cr_expect_eq(s->dim[i], dim[i], "%s: axis %d", text, i);
    graph_close(&graph);
}

#define HEADS                                                                          \
    "size head = 2\nsize d = hidden / head\noutput y\n"                                \
    "weight R [head][d][d]\nweight W [head][d][input]\nweight w [head][input]\n"       \
    "state h [head][d]\nstate C [head][d][d]\n"                                        \
    "h' = R h + W x\nC' = C * (w x)\n"

Test(build, shapes_follow_the_rules)
{
    gives(HEADS "y = R h", 2, 2, 4, 0);
    gives(HEADS "y = R^T h", 2, 2, 4, 0);
    gives(HEADS "y = W x", 2, 2, 4, 0);
    gives(HEADS "y = W^T h", 2, 2, 3, 0);
    gives(HEADS "y = w x", 1, 2, 0, 0);
    gives(HEADS "y = C h", 2, 2, 4, 0);
    gives(HEADS "y = C'^T h", 2, 2, 4, 0);
    gives(HEADS "y = w x * h", 2, 2, 4, 0);
    gives(HEADS "y = h * C", 3, 2, 4, 4);
    gives(HEADS "y = 2 * h", 2, 2, 4, 0);
    gives(HEADS "y = sum(h)", 1, 2, 0, 0);
    gives(HEADS "y = mean(sum(h))", 0, 0, 0, 0);
    gives(HEADS "y = norm(h)", 2, 2, 4, 0);
    gives(HEADS "y = dot(h, h')", 1, 2, 0, 0);
    gives(HEADS "y = outer(h, h')", 3, 2, 4, 4);
    gives(HEADS "y = outer(x, x)", 2, 3, 3, 0);
    gives(HEADS "y = max(h, w x)", 2, 2, 4, 0);
    gives(HEADS "y = drop(h, 0.5)", 2, 2, 4, 0);
    gives(HEADS "y = stop(R)", 3, 2, 4, 4);
}

Test(build, shape_errors_spell_both_shapes)
{
    refuses("state h\nweight U [hidden][hidden]\nh' = U x\n",
            "U, with shape [hidden = 8][hidden = 8], cannot multiply [input = 3]");
    refuses("state h\nweight U [hidden][hidden]\nh' = U 2\n",
            "cannot multiply a number");
    refuses("state h\nh' = h + x\n", "'+' of [hidden = 8] against [input = 3]");
    refuses("state h\nh' = x\n",
            "h' is [hidden = 8], but its equation gives [input = 3]");
    refuses("state h\nscalar s\nh' = max(x, h * s)\n",
            "max of [input = 3] against [hidden = 8]");
    refuses("state h\nbias b [5]\nh' = h * b\n", "'*' of [hidden = 8] against [5]");
    refuses("state h = c\nbias c [input]\nh' = h * sum(c)\n",
            "'h' is [hidden = 8], but its start 'c' is [input = 3]");
    refuses(HEADS "y = W h", "the axis that is summed over must be equal");
    refuses(HEADS "bias v [4][4]\ny = R v",
            "the operand's other axes must be the matrix's first");
    refuses(HEADS "bias v [4]\ny = R^T v",
            "the axes before the last two must be the operand's");
    refuses(HEADS "bias v [4]\ny = C v",
            "the axes before the last two must be the operand's");
    refuses(HEADS "y = outer(h, x)", "outer of [head = 2][d = 4] and [input = 3]");
    refuses(HEADS "y = sum(2)", "sum needs an operand with an axis");
    refuses(HEADS "y = norm(2)", "norm needs an operand with an axis");
    refuses(HEADS "y = dot(h, x)", "dot of [head = 2][d = 4] against [input = 3]");
    refuses(HEADS "y = drop(h, 1)", "a number from 0 to below 1");
    refuses(HEADS "y = drop(h, -0.1)", "a number from 0 to below 1");
    refuses(HEADS "y = drop(h, sum(h))", "a number from 0 to below 1");
}

Test(build, sizes_divide_exactly)
{
    Graph graph;
    Error err;
    const char *const text =
        "size head = 4\nsize d = hidden / head\nstate h [head][d]\nh' = h\n";
    cr_expect(!build(text, 3, 10, &graph, &err));
    cr_expect(
        strstr(err.text, "line 2, column 10: hidden = 10 is not divisible by head = 4"),
        "%s", err.text);
    refuses("size d = hidden * 3 / 5\nstate h [d]\nh' = h\n",
            "hidden * 3 = 24 is not divisible by 5");
    refuses("size d = 1000000 * 1000000\nstate h [d]\nh' = h\n", "the size is above");
    refuses("state h [1000000][1000000]\nh' = h\n", "'h' has more than");
    refuses("bias b [100000]\noutput y\ny = sum(sum(outer(b, b)))\n",
            "the value has more than");
    cr_expect(!build("state h\nh' = h\n", 0, 8, &graph, &err));
    cr_expect(!build("state h\nh' = h\n", 3, 0, &graph, &err));
    cr_expect(!build("state h\nh' = h\n", 3, -1, &graph, &err));
    cr_expect(strstr(err.text, "hidden = -1: sizes are from 1"), "%s", err.text);
}

Test(build, sizes_and_consts_are_numbers_in_expressions)
{
    Graph graph;
    Error err;
    Cell *cell;
    const char text[] =
        "size d = hidden / 2\nconst k = 3\nstate h\nh' = h * (sqrt(d) - k)\n";
    cr_assert(cell_parse("t", text, strlen(text), &cell, &err));
    cr_assert(cell_set(cell, "d", 16, &err));
    cr_assert(cell_set(cell, "k", 1, &err));
    cr_assert(graph_build(cell, 1, 5, &graph, &err), "%s", err.text);
    const Node *const n = &graph.node[graph.state[0].leave];
    cr_assert_eq(n->op, OP_MUL);
    cr_expect_eq(value_of(&graph, n->in[1]), 3);
    graph_close(&graph);
    cell_close(cell);
}

Test(build, parameters_and_states_are_as_declared)
{
    Graph g;
    Error err;
    const char *const text =
        "const one = 1\nstate h = -2\nstate c = c0\nweight c0 [hidden]\n"
        "weight W [hidden][input] = glorot\nbias b = one\n"
        "bias e = linspace(3, 6)\nscalar s = normal(0.1)\n"
        "h' = W x + b + c * s\nc' = e * h\n";
    cr_assert(build(text, 3, 8, &g, &err), "%s", err.text);
    cr_assert_eq(g.params, 5);
    cr_expect_str_eq(g.param[0].name, "c0");
    cr_expect_eq(g.param[0].init, INIT_UNIFORM);
    cr_expect_eq(g.param[1].init, INIT_GLOROT);
    cr_expect(g.param[2].init == INIT_CONSTANT && g.param[2].a == 1);
    cr_expect(g.param[3].init == INIT_LINSPACE && g.param[3].a == 3 &&
              g.param[3].b == 6);
    cr_expect(g.param[4].kind == PARAM_SCALAR && g.param[4].shape.axes == 0);
    cr_assert_eq(g.states, 2);
    cr_expect(g.state[0].start == -2 && g.state[0].start_param == -1);
    cr_expect_eq(g.state[1].start_param, 0);
    cr_expect_str_eq(g.node[g.state[0].leave].name, "h'");
    cr_expect_eq(graph_output_width(&g), 8);
    graph_close(&g);
}

Test(build, initialisers_take_consts_and_parameters)
{
    Graph g;
    Error err;
    const char *const text =
        "const a = 3\nstate h\nbias b = -a\nbias c = chrono(a)\nbias d = -c\n"
        "bias e = uniform(-1, a)\nbias f = -d\nh' = h + b + c + d + e + f\n";
    cr_assert(build(text, 3, 8, &g, &err), "%s", err.text);
    cr_expect(g.param[0].init == INIT_CONSTANT && g.param[0].a == -3);
    cr_expect(g.param[1].init == INIT_CHRONO && g.param[1].a == 3);
    cr_expect(g.param[2].init == INIT_LIKE && g.param[2].like == 1 &&
              g.param[2].a == -1);
    cr_expect(g.param[3].init == INIT_BETWEEN && g.param[3].a == -1 &&
              g.param[3].b == 3);
    float c[8], f[8];
    cr_assert(init_param(g.param, 1, 8, 1, 2, c) && init_param(g.param, 4, 8, 1, 2, f));
    for (int i = 0; i < 8; i++) cr_expect_eq(c[i], f[i], "what begins as -(-c)");
    graph_close(&g);
    cr_expect(
        !build("state h\nbias b\nscalar s = b\nh' = h * s + b\n", 3, 8, &g, &err));
    cr_expect(strstr(err.text, "begins as 'b', which is [hidden"), "%s", err.text);
}

Test(build, a_bias_begins_at_zero_unless_told)
{
    Graph g;
    Error err;
    cr_assert(build("state h\nbias b\nh' = h + b\n", 3, 8, &g, &err));
    cr_expect(g.param[0].init == INIT_CONSTANT && g.param[0].a == 0);
    graph_close(&g);
}

Test(build, drop_of_nothing_is_nothing)
{
    Graph g;
    Error err;
    cr_assert(build("state h\nh' = drop(h, 0)\n", 3, 8, &g, &err));
    cr_expect_eq(g.state[0].leave, g.state[0].enter);
    graph_close(&g);
    cr_assert(build("state h\nh' = drop(h, 0.25) + drop(h, 0.25)\n", 3, 8, &g, &err));
    int masks = 0;
    for (int i = 0; i < g.nodes; i++)
        if (g.node[i].op == OP_MASK) {
            cr_expect(g.node[i].index == masks++ && g.node[i].value == 0.25);
        }
    cr_expect_eq(masks, 2);
    graph_close(&g);
}

/* h * h * ..., with so many operations. */
static const char *long_product(int operations)
{
    static char text[600000];
    char *at = text + sprintf(text, "state h\nh' = h");
    for (int i = 0; i < operations; i++) at += sprintf(at, " * h");
    return text;
}

Test(build, operations_of_a_step_have_a_limit)
{
    Graph g;
    Error err;
    cr_assert(build(long_product(1990), 3, 2, &g, &err), "%s", err.text);
    cr_expect_eq(g.nodes, 1992);
    cr_expect(derive(&g, &err));
    graph_close(&g);
    refuses(long_product(100000), "a step has at most 2000 operations");
}

/* Test the built-in cells, the checker, and cells that use every corner of the
 * language. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../core/cell/builtin.h"
#include "../core/cell/check.h"
#include "../core/weft.h"
#include "../simd/isa.h"

static FILE *nowhere(void)
{
    return fopen("/dev/null", "w");
}

/* What a cell's hidden is a multiple of. */
static int unit_of(const Builtin *b)
{
    return strstr(b->text, "head = 4") ? 4 : strstr(b->text, "hidden / 2") ? 2 : 1;
}

static bool check_text(const char *text, int input, int hidden, uint64_t seed,
                       Error *err)
{
    WeftCell *cell;
    *err = (Error){""};
    if (!weft_cell_parse("test", text, strlen(text), &cell, err)) return false;
    FILE *const out = nowhere();
    const bool good = weft_cell_check(cell, input, hidden, seed, out, err);
    fclose(out);
    weft_cell_close(cell);
    return good;
}

Test(cells, are_listed_in_alphabetical_order)
{
    int count = 0;
    for (; weft_cell_name(count); count++)
        if (count)
            cr_expect(strcmp(weft_cell_name(count - 1), weft_cell_name(count)) < 0);
    cr_expect_geq(count, 18);
    cr_expect_null(weft_cell_name(-1));
    cr_expect_null(weft_cell_name(count + 1));
    cr_expect_null(weft_cell_name(INT32_MAX));
}

Test(cells, bear_the_name_of_their_file)
{
    for (const Builtin *b = builtin_cells; b->name; b++) {
        WeftCell *cell;
        Error err;
        cr_assert(weft_cell_open(b->name, &cell, &err), "%s", err.text);
        cr_expect_str_eq(cell_name(cell), b->name);
        weft_cell_close(cell);
    }
}

Test(cells, build_at_odd_and_prime_sizes_and_one)
{
    const int size[] = {1, 2, 3, 7, 13, 31, 64};
    for (const Builtin *b = builtin_cells; b->name; b++)
        for (size_t i = 0; i < sizeof size / sizeof *size; i++) {
            Cell *cell;
            Graph graph;
            Error err;
            cr_assert(cell_parse(b->name, b->text, strlen(b->text), &cell, &err));
            cr_expect(
                graph_build(cell, size[6 - i], size[i] * unit_of(b), &graph, &err) &&
                    derive(&graph, &err),
                "%s", err.text);
            const int hidden = size[i] * unit_of(b);
            cr_expect_eq(graph_output_width(&graph),
                         strcmp(b->name, "lstmp") ? hidden : hidden / 2);
            graph_close(&graph);
            cell_close(cell);
        }
}

Test(cells, have_the_parameters_of_their_papers)
{
    const struct {
        const char *name;
        int parameters; /* input 5, hidden 8 */
    } want[] = {
        {"rnn", 8 * 5 + 8 * 8 + 8},
        {"linear", 8 * 5 + 8 * 8 + 8},
        {"lstm", 4 * (8 * 5 + 8 * 8 + 8)},
        {"lstm_peephole", 4 * (8 * 5 + 8 * 8 + 8) + 3 * 8},
        {"lstm_chrono", 4 * (8 * 5 + 8 * 8 + 8)},
        {"cifg", 3 * (8 * 5 + 8 * 8 + 8)},
        {"lstmp", 4 * (8 * 5 + 8 * 4 + 8) + 4 * 8},
        {"lnlstm", 4 * (8 * 5 + 8 * 8 + 3 * 8) + 2 * 8},
        {"rhn", 2 * (8 * 5 + 3 * (8 * 8 + 8))},
        {"indrnn", 8 * 5 + 8 + 8},
        {"gru", 3 * (8 * 5 + 8 * 8 + 8) + 8},
        {"gru_v1", 3 * (8 * 5 + 8 * 8 + 8)},
        {"mgu", 2 * (8 * 5 + 8 * 8 + 8)},
        {"mingru", 2 * (8 * 5 + 8)},
        {"minlstm", 3 * (8 * 5 + 8)},
        {"slstm", 4 * (8 * 5 + 4 * 2 * 2 + 8)},
        {"mlstm", 4 * (8 * 5 + 8) + 2 * (4 * 5 + 4)},
    };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        WeftCell *cell;
        Graph graph;
        int parameters = 0;
        cr_assert(weft_cell_open(want[i].name, &cell, NULL));
        cr_assert(graph_build(cell, 5, 8, &graph, NULL));
        for (int p = 0; p < graph.params; p++)
            parameters += shape_count(&graph.param[p].shape);
        cr_expect_eq(parameters, want[i].parameters, "%s: %d", want[i].name,
                     parameters);
        graph_close(&graph);
        weft_cell_close(cell);
    }
}

/* A norm of one element divides 0 by sqrt(1e-5), which leaves no useful bound. */
static int more_of(const Builtin *b)
{
    return strstr(b->text, "norm(") ? 1 : 0;
}

Test(cells, pass_the_check)
{
    const int size[][2] = {{1, 1}, {3, 2}, {7, 5}};
    for (const Builtin *b = builtin_cells; b->name; b++)
        for (size_t i = 0; i < 3; i++) {
            Error err;
            cr_expect(check_text(b->text, size[i][0],
                                 more_of(b) + size[i][1] * unit_of(b), i + 1, &err),
                      "%s", err.text);
        }
}

/* Every function, every shape rule, every kind of declaration. The first, a norm, has
 * no useful bound for less than some elements, where it divides 0 by sqrt(1e-5). */
static const char *const corners[] = {
    "state h\nweight W [hidden][input]\nweight U [hidden][hidden]\n"
    "h' = norm(W x + U h) + 0.5 * h\n",
    "state h\nweight W [hidden][input]\nh' = exp(-abs(W x)) * log(1 + h * h) + sqrt(1 "
    "+ h * h)\n",
    "state h\nweight W [hidden][input]\nh' = softplus(W x - h) - logsigmoid(h) / 2\n",
    "state h\nweight W [hidden][input]\nbias b = 0.3\nh' = max(min(W x, h + b), b * "
    "h)\n",
    "state h\nweight W [hidden][input]\nscalar s, t = 1\nh' = s * tanh(W x) + t * h\n",
    "state h\nweight W [hidden][input]\nh' = W x * mean(h) + h * sum(W x) / hidden\n",
    "state h = h0\nbias h0 = normal(1)\nweight W [hidden][input]\nh' = tanh(W x + h)\n",
    "state h, c = start\nweight start [hidden]\nweight W [hidden][input]\n"
    "c' = tanh(W x + h + c)\nh' = sigmoid(c')\n",
    "state h\nweight U [hidden][hidden]\nweight V [hidden][input]\n"
    "h' = tanh(U^T h + U (V x) + V V^T h)\n",
    "state h\nweight U [hidden][hidden]\nweight V [hidden][input]\noutput h, y\n"
    "h' = tanh(U h + V x)\ny = V^T h'\n",
    "state h\nweight W [hidden][input]\nh' = stop(h) * sigmoid(W x) + h * stop(tanh(W "
    "x))\n",
    "size d = 2\nsize k = 3\nstate C [d][k]\nweight A [d][input]\nweight B "
    "[k][input]\noutput y\n"
    "C' = 0.9 * C + outer(tanh(A x), B x)\ny = C' B x + A x\n",
    "size d = 3\nstate C [d][d]\nweight A [d][input]\noutput y, C\n"
    "C' = tanh(C) + outer(A x, A x) / 4\ny = C'^T A x\n",
    "size head = 3\nsize d = 2\nstate h [head][d]\nstate s [head]\nweight R "
    "[head][d][d]\n"
    "weight W [head][d][input]\nweight w [head][input]\nbias b [head]\n"
    "s' = sigmoid(w x + s * b)\nh' = s' * tanh(R h + R^T h + W x) + dot(h, h) * h / "
    "9\n",
    "output y\nweight W [hidden][input]\nbias b = 1\ny = relu(W x + b)\n",
    "state h\nh' = 0.5 * h + mean(x)\n",
    "state h\nweight D [hidden][hidden]\nh' = tanh(sum(D * D) * h + mean(x))\n",
    "state h\nweight W [hidden][input]\nh' = drop(tanh(W x), 0.5) + drop(h, 0.1)\n",
    "state h, c\nweight W [hidden][input]\noutput c, h\nc' = h\nh' = tanh(W x + c)\n",
};

Test(cells, of_every_corner_pass_the_check)
{
    for (size_t i = 0; i < sizeof corners / sizeof *corners; i++)
        for (int hidden = i ? 1 : 7; hidden < 20; hidden += 6) {
            Error err;
            cr_expect(check_text(corners[i], 2 + hidden % 3, hidden, i, &err), "%s\n%s",
                      corners[i], err.text);
        }
}

/* Rows of many make a block, or not one matrix does; odd rows, and several heads; as
 * many floats in other rows. */
Test(cells, with_matrices_of_any_size_pass_the_check)
{
    static const int size[][3] = {
        {3, 4, 5}, {2, 71, 37}, {5, 23, 33}, {1, 3, 1031}, {1, 2, 2053}};
    for (size_t i = 0; i < sizeof size / sizeof *size; i++) {
        char text[1024];
        snprintf(text, sizeof text,
                 "size head = %d\nsize m = %d\nsize n = %d\n"
                 "state C [head][m][n] = 0.1\nstate D [head][n][m]\n"
                 "state s [head]\nweight a [head][m]\nweight b, c [head][n]\n"
                 "weight w [head][input]\noutput y\ns' = tanh(w x + s)\n"
                 "C' = s' * C + sigmoid(sum(C) / n) * outer(s' * a, b)\n"
                 "D' = s' * D + outer(c, a)\n"
                 "y = dot(a, C' c) / n + dot(b, C'^T a) / m + dot(b, D' a) / n\n",
                 size[i][0], size[i][1], size[i][2]);
        Error err;
        cr_expect(check_text(text, 2, 1, i, &err), "%s%s", text, err.text);
    }
}

/* dx ends with V^T next(dc), which is there in the loop alone: so the rest of the sum is
 * made in it too, though no state waits for that. */
Test(cells, with_a_gradient_that_waits_for_the_loop_pass_the_check)
{
    Error err;
    cr_expect(check_text("state h, c\nweight A, W, V [hidden][input]\noutput y\n"
                         "c' = -c + V x\nh' = W x - (A x) * h\ny = (A x) * h'\n",
                         3, 5, 1, &err),
              "%s", err.text);
}

/* Its blocks are whole panels, not whole rows. */
Test(cells, with_a_product_that_is_a_matrix_pass_the_check)
{
    Error err;
    cr_expect(check_text("size m = 43\nsize n = 49\nstate C [m][n]\n"
                         "weight W [m][n][input]\nweight a [n]\noutput y\n"
                         "C' = 0.5 * C + W x\ny = C' a / n\n",
                         1, 1, 1, &err),
              "%s", err.text);
}

Test(cells, with_a_sum_of_any_length_pass_the_check)
{
    for (int terms = 63; terms <= 150; terms += terms < 67 ? 1 : 83) {
        char text[8192];
        int used = snprintf(text, sizeof text, "cell c\nstate h\nbias b\nh' = b");
        for (int i = 1; i < terms; i++)
            used += snprintf(text + used, sizeof text - (size_t)used,
                             i % 3 ? " + sigmoid(h * %d)" : " - 0.01 * tanh(h - %d)",
                             i + 1);
        snprintf(text + used, sizeof text - (size_t)used, "\n");
        Error err;
        cr_expect(check_text(text, 2, 5, 1, &err), "%d terms: %s", terms, err.text);
    }
}

Test(cells, pass_the_check_on_every_instruction_set)
{
    for (int isa = 0; isa_set(isa); isa++)
        for (size_t i = 0; i < sizeof corners / sizeof *corners; i++) {
            Cell *cell;
            Graph graph;
            Error err;
            char text[256];
            FILE *const out = nowhere();
            cr_assert(isa_select(isa_set(isa)->isa, text, sizeof text), "%s", text);
            cr_assert(cell_parse("t", corners[i], strlen(corners[i]), &cell, &err));
            cr_assert(graph_build(cell, 3, 13, &graph, &err) && derive(&graph, &err));
            cr_expect(check_graph(&graph, isa_set(isa)->isa, i, 0, out, &err), "%s\n%s",
                      corners[i], err.text);
            graph_close(&graph);
            cell_close(cell);
            fclose(out);
        }
}

/* The backward graph with one thing wrong. */
static bool check_spoilt(const char *name, Op op, Op other)
{
    WeftCell *cell;
    Graph graph;
    Error err;
    int spoilt = 0;
    cr_assert(weft_cell_open(name, &cell, &err));
    cr_assert(graph_build(cell, 3, 8, &graph, &err) && derive(&graph, &err));
    for (int i = graph.forward_nodes; i < graph.nodes && !spoilt; i++)
        if (graph.node[i].op == op) graph.node[i].op = other, spoilt++;
    cr_assert_eq(spoilt, 1, "%s has no %s", name, op_name(op));
    FILE *const out = nowhere();
    const bool good = check_graph(&graph, name, 1, 0, out, &err);
    if (!good)
        cr_expect(strstr(err.text, "differs from central differences"), "%s", err.text);
    fclose(out);
    graph_close(&graph);
    weft_cell_close(cell);
    return good;
}

Test(check, a_wrong_derivative_fails)
{
    cr_expect(check_spoilt("lstm", OP_DTANH, OP_DTANH));
    cr_expect(!check_spoilt("lstm", OP_DTANH, OP_DSIGMOID));
    cr_expect(!check_spoilt("lstm", OP_DSIGMOID, OP_MUL));
    cr_expect(!check_spoilt("gru", OP_SUB, OP_ADD));
    cr_expect(!check_spoilt("rnn_relu", OP_DRELU, OP_DTANH));
    cr_expect(!check_spoilt("mlstm", OP_PICK, OP_UNPICK));
    cr_expect(!check_spoilt("mlstm", OP_DABS, OP_DRELU));
}

Test(check, a_weight_gradient_left_out_fails)
{
    WeftCell *cell;
    Graph graph;
    Error err;
    cr_assert(weft_cell_open("gru", &cell, &err));
    cr_assert(graph_build(cell, 3, 5, &graph, &err) && derive(&graph, &err));
    graph.gradients--;
    FILE *const out = nowhere();
    cr_expect(!check_graph(&graph, "gru", 1, 0, out, &err));
    fclose(out);
    graph_close(&graph);
    weft_cell_close(cell);
}

Test(check, a_cell_that_is_always_at_a_kink_says_so)
{
    Error err;
    cr_expect(!check_text("state h\nh' = relu(h - h) + mean(x)\n", 2, 3, 1, &err));
    cr_expect(strstr(err.text, "each is at a kink"), "%s", err.text);
}

/* The gradient of h as it enters a step depends on no other step. */
Test(check, a_state_that_only_the_output_reads_has_a_gradient)
{
    Error err;
    cr_expect(check_text("state h\nweight W, V [hidden][input]\noutput y\n"
                         "y = h * (V x)\nh' = W x\n",
                         3, 5, 1, &err),
              "%s", err.text);
}

Test(check, writes_a_line_per_tensor)
{
    char *text;
    size_t length;
    WeftCell *cell;
    Error err;
    FILE *const out = open_memstream(&text, &length);
    cr_assert(weft_cell_open("gru", &cell, &err));
    cr_expect(weft_cell_check(cell, 3, 5, 1, out, &err), "%s", err.text);
    fclose(out);
    const char *const line[] = {"weight U_r", "bias d_n", "input x", "state h",
                                "output"};
    for (size_t i = 0; i < 5; i++)
        cr_expect(strstr(text, line[i]), "no %s:\n%s", line[i], text);
    cr_expect(!strstr(text, "WRONG"));
    free(text);
    weft_cell_close(cell);
}

static char *describe(const char *name)
{
    char *text;
    size_t length;
    WeftCell *cell;
    Error err;
    FILE *const out = open_memstream(&text, &length);
    cr_assert(weft_cell_open(name, &cell, &err), "%s", err.text);
    cr_expect(weft_cell_describe(cell, 3, 8, out, &err), "%s", err.text);
    fclose(out);
    weft_cell_close(cell);
    return text;
}

Test(describe, tells_derivatives_phases_and_costs)
{
    char *const gru = describe("gru");
    const char *const part[] = {"h' = (1 - z) * n + z * h",
                                "dn = dh' * (1 - z)",
                                "dn.in = dn * (1 - n * n)",
                                "dW_r += dr.in x^T",
                                "forward before   W_r x, W_z x, W_n x",
                                "1 dependent product in the loop",
                                "296 parameters"};
    for (size_t i = 0; i < sizeof part / sizeof *part; i++)
        cr_expect(strstr(gru, part[i]), "no %s:\n%s", part[i], gru);
    free(gru);
    char *const v1 = describe("gru_v1");
    cr_expect(strstr(v1, "2 dependent products in the loop"));
    free(v1);
    char *const mingru = describe("mingru");
    cr_expect(strstr(mingru, "0 dependent products in the loop"));
    free(mingru);
}

Test(describe, every_cell_can_be_described)
{
    for (const Builtin *b = builtin_cells; b->name; b++) {
        char *const text = describe(b->name);
        cr_expect(!strstr(text, "..."), "%s:\n%s", b->name, text);
        free(text);
    }
}

/* Reads back what it writes of norms of norms, whose text would double with each. */
Test(describe, shared_values_are_written_once)
{
    char text[2000] = "state h\nh' = ";
    for (int i = 0; i < 60; i++) strcat(text, "norm(");
    strcat(text, "h");
    for (int i = 0; i < 60; i++) strcat(text, ")");
    WeftCell *cell;
    Error err;
    char *page;
    size_t length;
    FILE *const out = open_memstream(&page, &length);
    cr_assert(weft_cell_parse("t", text, strlen(text), &cell, &err), "%s", err.text);
    cr_expect(weft_cell_describe(cell, 3, 8, out, &err), "%s", err.text);
    fclose(out);
    cr_expect_lt(length, 1000000);
    free(page);
    weft_cell_close(cell);
}

Test(open, a_cell_is_a_name_or_a_file)
{
    WeftCell *cell;
    Error err;
    cr_expect(!weft_cell_open("gruu", &cell, &err));
    cr_expect(strstr(err.text, "'gruu' is no built-in cell (did you mean 'gru'?)"),
              "%s", err.text);
    cr_expect(!weft_cell_open("no/such.cell", &cell, &err));
    cr_expect(strstr(err.text, "no/such.cell: cannot be opened: No such file"), "%s",
              err.text);
    cr_expect(!weft_cell_open("/tmp/", &cell, &err));
    cr_expect(strstr(err.text, "/tmp/: cannot be read"), "%s", err.text);
    cr_expect(!weft_cell_open("/dev/zero", &cell, &err));
    cr_expect(strstr(err.text, "bytes are too many"), "%s", err.text);
    cr_expect(!weft_cell_open("/dev/null", &cell, &err));

    char path[] = "/tmp/weft-XXXXXX";
    const int file = mkstemp(path);
    const char text[] = "cell mine\nstate h\nh' = q\n";
    cr_assert_eq(write(file, text, sizeof text - 1), (ssize_t)sizeof text - 1);
    close(file);
    cr_expect(!weft_cell_open(path, &cell, &err));
    cr_expect(strstr(err.text, path) == err.text &&
                  strstr(err.text, "line 3, column 6"),
              "%s", err.text);
    unlink(path);
}

Test(open, sizes_that_do_not_fit_are_told)
{
    WeftCell *cell;
    Error err;
    cr_assert(weft_cell_open("slstm", &cell, &err));
    cr_expect(!weft_cell_check(cell, 3, 10, 1, stderr, &err));
    cr_expect(strstr(err.text, "hidden = 10 is not divisible by head = 4"), "%s",
              err.text);
    cr_expect(weft_cell_set(cell, "head", 5, &err));
    FILE *const out = nowhere();
    cr_expect(weft_cell_check(cell, 3, 10, 1, out, &err), "%s", err.text);
    fclose(out);
    cr_expect(!weft_cell_set(cell, "heads", 5, &err));
    cr_expect(strstr(err.text, "did you mean 'head'?"), "%s", err.text);
    weft_cell_close(cell);
}

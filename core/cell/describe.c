/* describe.c: a cell for reading: its derived backward pass, its phases, what it costs.
 *
 * A node is written where it is used, unless it has a name: a forward one that of its
 * equation, a backward one "d" and the name of what it is the gradient of. The operand
 * of a function with a name, as in r = sigmoid(...), is called r.in. Without a name,
 * what is used more than once and is long gets a letter and a number. */
#include "describe.h"

#include <stdlib.h>
#include <string.h>

#include "lower.h"

#define LONG  6  /* nodes; a shared value of more is written once */
#define DEPTH 40 /* of what is written in one place */

typedef char Label[CELL_NAME_MAX + 16];

typedef struct Description {
    const Graph *graph;
    FILE *out;
    Label *label; /* [nodes]; "": written where it is used */
    int *uses;    /* [nodes] */
} Description;

/* ---- names ---- */

static void set_label(Description *d, int node, const char *before, const char *name,
                      const char *after)
{
    if (node < 0 || d->label[node][0]) return;
    snprintf(d->label[node], sizeof d->label[node], "%s%s%s", before, name, after);
}

/* The name of a forward node, or of the function whose operand it is: r.in. */
static void label_gradient(Description *d, int node)
{
    const Graph *const g = d->graph;
    const Node *const n = &g->node[node];
    const int in = n->in[0];
    if (!n->name || g->d[node] < g->forward_nodes) return;
    set_label(d, g->d[node], "d", n->name, "");
    const bool function =
        op_inputs(n->op) == 1 && op_elementwise(n->op) && n->op != OP_NEG;
    if (function && !g->node[in].name && g->d[in] >= g->forward_nodes)
        set_label(d, g->d[in], "d", n->name, ".in");
}

static void label_leaves(Description *d)
{
    const Graph *const g = d->graph;
    for (int i = 0; i < g->nodes; i++) {
        const Node *const n = &g->node[i];
        const char *const output =
            n->op == OP_DOUTPUT ? g->node[g->output[n->index]].name : NULL;
        if (n->op == OP_INPUT) set_label(d, i, "x", "", "");
        if (n->op == OP_STATE) set_label(d, i, g->state[n->index].name, "", "");
        if (n->op == OP_PARAM) set_label(d, i, g->param[n->index].name, "", "");
        if (n->op == OP_DOUTPUT) set_label(d, i, "out(", output ? output : "y", ")");
        if (n->op == OP_DSTATE) set_label(d, i, "next(d", g->state[n->index].name, ")");
    }
}

/* Nodes that its text takes, where it is written in full. */
static int length_of(const Description *d, int node, int depth)
{
    const Node *const n = &d->graph->node[node];
    int length = 1;
    for (int j = 0; j < op_inputs(n->op) && depth; j++)
        if (!d->label[n->in[j]][0]) length += length_of(d, n->in[j], depth - 1);
    return length;
}

static void count_uses(Description *d)
{
    const Graph *const g = d->graph;
    for (int i = 0; i < g->nodes; i++)
        for (int j = 0; j < op_inputs(g->node[i].op); j++) d->uses[g->node[i].in[j]]++;
    for (int i = 0; i < g->gradients; i++) {
        d->uses[g->gradient[i].d]++;
        if (g->gradient[i].x >= 0) d->uses[g->gradient[i].x]++;
    }
}

static void label_nodes(Description *d)
{
    const Graph *const g = d->graph;
    char number[16];
    count_uses(d);
    label_leaves(d);
    for (int i = 0; i < g->forward_nodes; i++)
        if (g->node[i].name) set_label(d, i, g->node[i].name, "", "");
    for (int i = 0; i < g->forward_nodes; i++)
        if (op_inputs(g->node[i].op)) label_gradient(d, i);
    for (int i = 0; i < g->states; i++)
        if (g->state[i].denter >= g->forward_nodes)
            set_label(d, g->state[i].denter, "d", g->state[i].name, "");
    if (g->dinput >= g->forward_nodes) set_label(d, g->dinput, "d", "x", "");
    for (int i = 0; i < g->nodes; i++) { /* in order, so that lengths stay short */
        if (d->label[i][0] || d->uses[i] < 2 || length_of(d, i, DEPTH) <= LONG)
            continue;
        snprintf(number, sizeof number, "%d", i);
        set_label(d, i, "t", number, "");
    }
}

/* ---- expressions ---- */

/* How tightly an operation binds. */
enum { LOOSE, SUM, TERM, PRODUCT, TIGHT };

static void write_node(const Description *d, int node, int around, int depth);

/* "(" text " op " text ")" where a looser operation stands in a tighter one */
static void write_infix(const Description *d, const Node *n, const char *sign,
                        int level, int around, int depth)
{
    const bool brackets = level < around;
    if (brackets) fputc('(', d->out);
    write_node(d, n->in[0], level, depth);
    fputs(sign, d->out);
    write_node(d, n->in[1], level + 1, depth);
    if (brackets) fputc(')', d->out);
}

/* A pattern: %a %b %c are the operands. What binds tightly has brackets of its own. */
static void write_pattern(const Description *d, const Node *n, const char *pattern,
                          int level, int around, int depth)
{
    const bool brackets = level < around;
    if (brackets) fputc('(', d->out);
    for (const char *p = pattern; *p; p++) {
        if (*p != '%') {
            fputc(*p, d->out);
            continue;
        }
        const int inside = level == TIGHT ? LOOSE : p == pattern ? level : TIGHT;
        write_node(d, n->in[*++p - 'a'], inside, depth);
    }
    if (brackets) fputc(')', d->out);
}

// clang-format off
static const struct { const char *text; int level; } patterns[OP_COUNT] = {
    [OP_MASK]       = {"mask",                  TIGHT},
    [OP_NEG]        = {"-%a",                   TERM},
    [OP_MIN]        = {"min(%a, %b)",           TIGHT},
    [OP_MAX]        = {"max(%a, %b)",           TIGHT},
    [OP_EXP]        = {"exp(%a)",               TIGHT},
    [OP_LOG]        = {"log(%a)",               TIGHT},
    [OP_SIGMOID]    = {"sigmoid(%a)",           TIGHT},
    [OP_TANH]       = {"tanh(%a)",              TIGHT},
    [OP_RELU]       = {"relu(%a)",              TIGHT},
    [OP_ABS]        = {"abs(%a)",               TIGHT},
    [OP_SQRT]       = {"sqrt(%a)",              TIGHT},
    [OP_SOFTPLUS]   = {"softplus(%a)",          TIGHT},
    [OP_LOGSIGMOID] = {"logsigmoid(%a)",        TIGHT},
    [OP_DSIGMOID]   = {"%a * %b * (1 - %b)",    TERM},
    [OP_DTANH]      = {"%a * (1 - %b * %b)",    TERM},
    [OP_DRELU]      = {"%a * (%b > 0)",         TERM},
    [OP_DABS]       = {"%a * sign(%b)",         TERM},
    [OP_PICK]       = {"(%a > %b) * %c",        TERM},
    [OP_UNPICK]     = {"(%a <= %b) * %c",       TERM},
    [OP_STOP]       = {"stop(%a)",              TIGHT},
    [OP_SUM]        = {"sum(%a)",               TIGHT},
    [OP_OUTER]      = {"outer(%a, %b)",         TIGHT},
};
// clang-format on

static void write_matrix_product(const Description *d, const Node *n, int around,
                                 int depth)
{
    const bool brackets = PRODUCT < around, value = n->op == OP_MATVEC;
    if (brackets) fputc('(', d->out);
    if (value)
        write_node(d, n->in[0], TIGHT, depth);
    else
        fputs(d->graph->param[n->index].name, d->out);
    fputs(n->transposed ? "^T " : " ", d->out);
    write_node(d, n->in[value ? 1 : 0], PRODUCT, depth);
    if (brackets) fputc(')', d->out);
}

/* The node's own operation, whether or not it has a label. */
static void write_operation(const Description *d, int node, int around, int depth)
{
    const Node *const n = &d->graph->node[node];
    if (depth == 0) {
        fputs("...", d->out);
        return;
    }
    switch (n->op) {
    case OP_CONST: fprintf(d->out, "%g", n->value); break;
    case OP_ADD: write_infix(d, n, " + ", SUM, around, depth - 1); break;
    case OP_SUB: write_infix(d, n, " - ", SUM, around, depth - 1); break;
    case OP_MUL: write_infix(d, n, " * ", TERM, around, depth - 1); break;
    case OP_DIV: write_infix(d, n, " / ", TERM, around, depth - 1); break;
    case OP_EXPAND: write_node(d, n->in[0], around, depth - 1); break;
    case OP_PRODUCT:
    case OP_MATVEC: write_matrix_product(d, n, around, depth - 1); break;
    default:
        if (patterns[n->op].text)
            write_pattern(d, n, patterns[n->op].text, patterns[n->op].level, around,
                          depth - 1);
    }
}

static void write_node(const Description *d, int node, int around, int depth)
{
    if (d->label[node][0])
        fputs(d->label[node], d->out);
    else
        write_operation(d, node, around, depth);
}

/* ---- the page ---- */

static void write_equation(const Description *d, int node)
{
    fprintf(d->out, "  %s = ", d->label[node]);
    write_operation(d, node, LOOSE, DEPTH);
    fputc('\n', d->out);
}

static void write_shape(const Shape *s, FILE *out)
{
    for (int i = 0; i < s->axes; i++) fprintf(out, "[%d]", s->dim[i]);
}

static void write_backward(const Description *d)
{
    const Graph *const g = d->graph;
    fputs("\nbackward, derived (out: gradient of the output; next: from the step "
          "after)\n",
          d->out);
    for (int i = 0; i < g->nodes; i++) {
        const bool shared = i < g->forward_nodes && !g->node[i].name;
        const bool leaf = op_inputs(g->node[i].op) == 0;
        if (d->label[i][0] && !leaf && (shared || i >= g->forward_nodes))
            write_equation(d, i);
    }
    for (int i = 0; i < g->gradients; i++) {
        const ParamGradient *const p = &g->gradient[i];
        fprintf(d->out, "  d%s += ", g->param[p->param].name);
        write_node(d, p->transposed ? p->x : p->d, p->x < 0 ? LOOSE : TIGHT, DEPTH);
        if (p->x >= 0) {
            fputc(' ', d->out);
            write_node(d, p->transposed ? p->d : p->x, TIGHT, DEPTH);
            fputs("^T", d->out);
        }
        fputc('\n', d->out);
    }
}

static void write_phase(const Description *d, const Program *p, Phase phase,
                        const char *title)
{
    const Graph *const g = d->graph;
    const char *separator = "";
    fprintf(d->out, "  %-16s ", title);
    for (int i = 0; i < g->nodes; i++) {
        const bool product = g->node[i].op == OP_PRODUCT || g->node[i].op == OP_MATVEC;
        if (p->phase[i] != phase || (!product && !d->label[i][0])) continue;
        fputs(separator, d->out);
        if (product)
            write_operation(d, i, LOOSE, DEPTH);
        else
            write_node(d, i, LOOSE, DEPTH);
        separator = ", ";
    }
    fputs(*separator ? "\n" : "-\n", d->out);
}

static void write_phases(const Description *d, const Program *p)
{
    fprintf(d->out,
            "\nthe split around time (from %d rows on, products before the loop run in "
            "it)\n",
            WIDE_ROWS);
    write_phase(d, p, FORWARD_BEFORE, "forward before");
    write_phase(d, p, FORWARD_LOOP, "forward loop");
    write_phase(d, p, FORWARD_AFTER, "forward after");
    write_phase(d, p, BACKWARD_BEFORE, "backward before");
    write_phase(d, p, BACKWARD_LOOP, "backward loop");
    write_phase(d, p, BACKWARD_AFTER, "backward after");
}

static void write_costs(const Description *d, const Program *p, bool affine)
{
    const Graph *const g = d->graph;
    fputs("\nparameters\n", d->out);
    for (int i = 0; i < g->params; i++) {
        fprintf(d->out, "  %s ", g->param[i].name);
        write_shape(&g->param[i].shape, d->out);
        fputc('\n', d->out);
    }
    fprintf(d->out,
            "\n%zu parameters; %d dependent product%s in the loop over time; %zu bytes "
            "kept "
            "for a row and step\n",
            p->param_floats, p->products, p->products == 1 ? "" : "s",
            program_kept(p) * sizeof(float));
    if (affine)
        fputs("every state is a h + b, a and b of no state: --scan cuts the loop into "
              "segments\n",
              d->out);
}

static void write_text(const Cell *cell, const Graph *g, FILE *out)
{
    fprintf(out, "%s: input %d, hidden %d\n\n", cell_name(cell), g->input, g->hidden);
    for (const char *line = cell_text(cell); *line;) {
        const size_t length = strcspn(line, "\n");
        fprintf(out, "  %.*s\n", (int)length, line);
        line += length + (line[length] == '\n');
    }
}

static bool find_affine(const Graph *g, bool *affine, Error *err)
{
    Program *program;
    if (!lower(g, &(LowerFor){.training = true, .scan = true}, &program, err))
        return false;
    *affine = program->scan;
    program_close(program);
    return true;
}

bool describe_graph(const Cell *cell, const Graph *g, FILE *out, Error *err)
{
    Program *program;
    bool affine;
    if (!find_affine(g, &affine, err) ||
        !lower(g, &(LowerFor){.training = true, .dinput = true}, &program, err))
        return false;
    Description d = {.graph = g, .out = out};
    d.label = calloc((size_t)g->nodes, sizeof *d.label);
    d.uses = calloc((size_t)g->nodes, sizeof *d.uses);
    const bool good = d.label && d.uses;
    if (good) {
        label_nodes(&d);
        write_text(cell, g, out);
        write_backward(&d);
        write_phases(&d, program);
        write_costs(&d, program, affine);
    }
    free(d.label);
    free(d.uses);
    program_close(program);
    return good || error(err, "out of memory");
}

/* rewrite.c: a derived graph, pruned and made ready for lowering. */
#include "rewrite.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

bool op_is_leaf(Op op)
{
    return op <= OP_DSTATE;
}

bool op_is_cheap(Op op)
{
    return (op >= OP_NEG && op <= OP_MUL) || (op >= OP_MIN && op <= OP_FNMA) ||
           op == OP_RELU || op == OP_ABS || op == OP_STOP || op == OP_EXPAND ||
           op == OP_OUTER;
}

/* ---- 1: what is needed, and what backward computes again ---- */

typedef struct Selection {
    const Graph *graph;
    bool *forward;  /* [nodes]: runs in the forward phases */
    bool *backward; /* [nodes]: runs in the backward phases (forward nodes: again) */
    bool *kept;     /* [nodes]: forward nodes that backward reads */
    bool *operand;  /* [nodes]: operands of weight gradients */
} Selection;

static void need(bool *needed, int node)
{
    if (node >= 0) needed[node] = true;
}

static void need_operands(const Graph *g, bool *needed, int node)
{
    for (int j = 0; j < 3; j++) need(needed, g->node[node].in[j]);
}

static bool is_leave(const Graph *g, int node)
{
    for (int s = 0; s < g->states; s++)
        if (g->state[s].leave == node) return true;
    return false;
}

/* Cheap, and made of leaves, kept values, or what is computed again itself. */
static bool again(const Selection *s, int node)
{
    const Node *const n = &s->graph->node[node];
    if (!op_is_cheap(n->op) || s->operand[node] || is_leave(s->graph, node))
        return false;
    for (int j = 0; j < 3; j++) {
        const int in = n->in[j];
        if (in < 0 || op_is_leaf(s->graph->node[in].op)) continue;
        if (!s->kept[in] && !s->backward[in] && !is_leave(s->graph, in)) return false;
    }
    return true;
}

static void select_backward(Selection *s, bool dinput)
{
    const Graph *const g = s->graph;
    for (int i = 0; i < g->states; i++) need(s->backward, g->state[i].denter);
    if (dinput) need(s->backward, g->dinput);
    for (int i = 0; i < g->gradients; i++) {
        need(s->backward, g->gradient[i].d);
        need(s->operand, g->gradient[i].x);
        need(s->backward, g->gradient[i].x);
    }
    for (int i = g->nodes - 1; i >= g->forward_nodes; i--)
        if (s->backward[i]) need_operands(g, s->backward, i);

    /* what backward reads of forward: kept, or computed again from what is kept */
    for (int i = 0; i < g->forward_nodes; i++) {
        if (!s->backward[i]) continue;
        s->backward[i] = !op_is_leaf(g->node[i].op) && again(s, i);
        s->kept[i] = !s->backward[i];
    }
}

static void select_forward(Selection *s)
{
    const Graph *const g = s->graph;
    for (int i = 0; i < g->states; i++) need(s->forward, g->state[i].leave);
    for (int i = 0; i < g->outputs; i++) need(s->forward, g->output[i]);
    for (int i = 0; i < g->forward_nodes; i++)
        if (s->kept[i]) s->forward[i] = true;
    for (int i = g->forward_nodes - 1; i >= 0; i--)
        if (s->forward[i]) need_operands(g, s->forward, i);
}

/* ---- 2: the list ---- */

int rewrite_append(Rewrite *r, Line line)
{
    if (r->lines == r->room) {
        const int room = r->room ? 2 * r->room : 64;
        Line *const more = realloc(r->line, (size_t)room * sizeof *more);
        if (!more) return -1;
        r->line = more;
        r->room = room;
    }
    line.loop = line.node.op == OP_STATE || line.node.op == OP_DSTATE;
    line.uniform = line.node.op == OP_CONST || line.node.op == OP_PARAM;
    for (int j = 0; j < 3; j++) {
        const int in = line.node.in[j];
        if (in < 0 || r->line[in].backward != line.backward) continue;
        line.loop |= r->line[in].loop;
    }
    r->line[r->lines] = line;
    return r->lines++;
}

static int append_copy(Rewrite *r, int of, bool backward)
{
    const Node node = {
        .op = OP_STOP, .shape = r->line[of].node.shape, .in = {of, -1, -1}};
    return rewrite_append(r, (Line){.node = node, .origin = -1, .backward = backward});
}

/* map[i]: line of node i as seen from one side. */
static bool list_side(const Selection *s, Rewrite *r, bool backward, int *map)
{
    const Graph *const g = s->graph;
    const bool *const chosen = backward ? s->backward : s->forward;
    for (int i = 0; i < g->nodes; i++) {
        if (!chosen[i]) continue;
        if (op_is_leaf(g->node[i].op) && map[i] >= 0) continue;
        if (g->node[i].op == OP_STOP) { /* only derive needs it */
            map[i] = map[g->node[i].in[0]];
            continue;
        }
        Line line = {.node = g->node[i], .origin = i, .backward = backward};
        for (int j = 0; j < 3; j++)
            if (line.node.in[j] >= 0) line.node.in[j] = map[line.node.in[j]];
        map[i] = rewrite_append(r, line);
        if (map[i] < 0) return false;
    }
    return true;
}

/* A backward line may read a leaf that forward never did. */
static void choose_leaves(Selection *s)
{
    const Graph *const g = s->graph;
    for (int i = 0; i < g->nodes; i++) {
        if (!s->backward[i]) continue;
        for (int j = 0; j < 3; j++) {
            const int in = g->node[i].in[j];
            if (in >= 0 && op_is_leaf(g->node[in].op) && !s->forward[in])
                s->backward[in] = true;
        }
    }
    for (int i = 0; i < g->gradients; i++) {
        const int x = g->gradient[i].x;
        if (x >= 0 && op_is_leaf(g->node[x].op) && !s->forward[x] && s->kept[x])
            s->backward[x] = true;
    }
}

static bool list(const Graph *g, const Selection *s, bool training, bool dinput,
                 Rewrite *r)
{
    int *const map = malloc(((size_t)g->nodes + 1) * sizeof *map);
    if (!map) return false;
    for (int i = 0; i < g->nodes; i++) map[i] = -1;
    bool good = list_side(s, r, false, map);
    for (int i = 0; i < g->states && good; i++) r->leave[i] = map[g->state[i].leave];
    for (int i = 0; i < g->outputs && good; i++) r->output[i] = map[g->output[i]];
    r->dinput = -1;
    if (training && good) {
        good = list_side(s, r, true, map);
        for (int i = 0; i < g->states && good; i++)
            r->denter[i] = g->state[i].denter < 0 ? -1 : map[g->state[i].denter];
        if (dinput && g->dinput >= 0 && good) r->dinput = map[g->dinput];
        for (int i = 0; i < g->gradients && good; i++) {
            r->gradient[i] = g->gradient[i];
            r->gradient[i].d = map[g->gradient[i].d];
            if (g->gradient[i].x >= 0) r->gradient[i].x = map[g->gradient[i].x];
        }
        r->gradients = g->gradients;
    }
    free(map);
    return good;
}

static void count_use(Rewrite *r, int line)
{
    if (line >= 0) r->line[line].uses++;
}

static void count_uses(const Graph *g, Rewrite *r)
{
    for (int i = 0; i < r->lines; i++) r->line[i].uses = 0;
    for (int i = 0; i < r->lines; i++)
        for (int j = 0; j < 3; j++) count_use(r, r->line[i].node.in[j]);
    for (int i = 0; i < g->states; i++) {
        count_use(r, r->leave[i]);
        count_use(r, r->denter[i]);
    }
    for (int i = 0; i < g->outputs; i++) count_use(r, r->output[i]);
    count_use(r, r->dinput);
    for (int i = 0; i < r->gradients; i++) {
        count_use(r, r->gradient[i].d);
        count_use(r, r->gradient[i].x);
    }
}

/* ---- 3: sums become chains ---- */

#define TERMS_MAX 64

typedef struct Term {
    int line; /* of the old list */
    bool negative;
} Term;

typedef struct Folding {
    const Rewrite *old;
    Rewrite *new;
    int *map; /* old line -> new line; -1: absorbed */
    bool symbols;
} Folding;

static bool is_sum(Op op)
{
    return op == OP_ADD || op == OP_SUB || op == OP_NEG;
}

/* Used once, by this side: its user may swallow it. */
static bool is_private(const Rewrite *r, int line, int user)
{
    return r->line[line].uses == 1 && r->line[line].backward == r->line[user].backward;
}

/* The operands of the sum in `of`, with their signs; how many. */
static int split(const Rewrite *r, Term of, Term operand[2])
{
    const Node *const n = &r->line[of.line].node;
    const bool minus = of.negative != (n->op == OP_NEG);
    operand[0] = (Term){n->in[0], minus};
    operand[1] = (Term){n->in[1], minus != (n->op == OP_SUB)};
    return n->op == OP_NEG ? 1 : 2;
}

/* The terms of a sum and of the sums in it, in the order of their writing; when the
 * list is full, a sum that is left in it is a term. */
static int collect(const Rewrite *r, int root, Term terms[TERMS_MAX])
{
    int count = split(r, (Term){root, false}, terms);
    for (int i = 0; i < count && count < TERMS_MAX;) {
        const int line = terms[i].line;
        if (!is_sum(r->line[line].node.op) || !is_private(r, line, root)) {
            i++;
            continue;
        }
        Term operand[2];
        const int more = split(r, terms[i], operand);
        memmove(terms + i + more, terms + i + 1,
                (size_t)(count - i - 1) * sizeof *terms);
        memcpy(terms + i, operand, (size_t)more * sizeof *terms);
        count += more - 1;
    }
    return count;
}

static bool is_product(const Rewrite *r, int line)
{
    return r->line[line].node.op == OP_PRODUCT;
}

/* What waits for less comes first; in a class, products last, to be chained on the
 * rest. */
static int rank(const Rewrite *r, const Term *t)
{
    const Line *const l = &r->line[t->line];
    const int wait = l->uniform ? 0 : l->loop ? 2 : 1;
    return 2 * wait + is_product(r, t->line);
}

static void sort_terms(const Rewrite *r, Term *terms, int count)
{
    for (int i = 1; i < count; i++)
        for (int j = i; j > 0 && rank(r, &terms[j]) < rank(r, &terms[j - 1]); j--) {
            const Term swap = terms[j];
            terms[j] = terms[j - 1];
            terms[j - 1] = swap;
        }
    int lead = 0; /* a chain begins with a positive term, if there is one */
    while (lead < count && terms[lead].negative) lead++;
    if (lead == 0 || lead == count) return;
    const Term first = terms[lead];
    memmove(terms + 1, terms, (size_t)lead * sizeof *terms);
    terms[0] = first;
}

static int emit(const Folding *f, int old, Op op, int a, int b, int c)
{
    const Line *const l = &f->old->line[old];
    const Node node = {.op = op, .shape = l->node.shape, .in = {a, b, c}};
    return rewrite_append(
        f->new, (Line){.node = node, .origin = l->origin, .backward = l->backward});
}

static int place(const Folding *f, int old);

/* acc + term, by the cheapest of: a product's chain, a fused multiply-add, an
 * addition. */
static int add_term(const Folding *f, int root, int acc, const Term *t)
{
    const Rewrite *const old = f->old;
    const Node *const n = &old->line[t->line].node;
    const bool own = is_private(old, t->line, root) && f->map[t->line] == -1;
    const bool look_up =
        f->symbols && n->op == OP_PRODUCT && old->line[n->in[0]].node.op == OP_INPUT;
    const bool chained =
        !t->negative && (!look_up || f->new->line[acc].node.op == OP_PARAM);

    if (own && n->op == OP_PRODUCT) {
        Line line = old->line[t->line];
        line.node.in[0] = f->map[n->in[0]];
        line.node.in[1] = chained ? acc : -1;
        const int product = rewrite_append(f->new, line);
        if (chained || product < 0) return product;
        return emit(f, root, t->negative ? OP_SUB : OP_ADD, acc, product, -1);
    }
    if (own && n->op == OP_MUL)
        return emit(f, root, t->negative ? OP_FNMA : OP_FMA, f->map[n->in[0]],
                    f->map[n->in[1]], acc);
    const int value = place(f, t->line);
    return value < 0 ? -1
                     : emit(f, root, t->negative ? OP_SUB : OP_ADD, acc, value, -1);
}

/* A gradient d through a function of value y takes d = a b in with it. */
static Op with_product(Op op)
{
    return op == OP_DSIGMOID ? OP_DSIGMOID_MUL : op == OP_DTANH ? OP_DTANH_MUL : op;
}

static int copy_line(const Folding *f, int old)
{
    Line line = f->old->line[old];
    const int d = line.node.in[0];
    if (with_product(line.node.op) != line.node.op && f->map[d] < 0) {
        const int *const factor = f->old->line[d].node.in, y = line.node.in[1];
        line.node.op = with_product(line.node.op);
        line.node.in[0] = factor[0], line.node.in[1] = factor[1], line.node.in[2] = y;
    }
    for (int j = 0; j < 3; j++)
        if (line.node.in[j] >= 0) line.node.in[j] = f->map[line.node.in[j]];
    return rewrite_append(f->new, line);
}

static int fold_sum(const Folding *f, int root)
{
    Term terms[TERMS_MAX];
    const int count = collect(f->old, root, terms);
    sort_terms(f->old, terms, count);

    int acc = place(f, terms[0].line);
    if (acc >= 0 && terms[0].negative) acc = emit(f, root, OP_NEG, acc, -1, -1);
    for (int i = 1; i < count && acc >= 0; i++) acc = add_term(f, root, acc, &terms[i]);
    return acc;
}

/* The line's place in the new list, made now if it was left to its user. */
static int place(const Folding *f, int old)
{
    if (f->map[old] < 0)
        f->map[old] =
            is_sum(f->old->line[old].node.op) ? fold_sum(f, old) : copy_line(f, old);
    return f->map[old];
}

/* A value of the forward pass that nothing reads after the line: it need not be kept any
 * longer. */
static bool ends_at(const Rewrite *r, int value, int line)
{
    int left = r->line[value].uses;
    for (int i = 0; i <= line; i++)
        for (int j = 0; j < 3; j++) left -= r->line[i].node.in[j] == value;
    return left == 0 && !r->line[value].backward && !op_is_leaf(r->line[value].node.op);
}

/* Whether operand j of `user` does the line's work in its own. A product that ends the
 * life of a kept value is not put off. */
static bool absorbs(const Rewrite *r, int user, int j, int line)
{
    const Op op = r->line[user].node.op, part = r->line[line].node.op;
    if (is_sum(op)) return part == OP_MUL || part == OP_PRODUCT || is_sum(part);
    return with_product(op) != op && j == 0 && part == OP_MUL &&
           !ends_at(r, r->line[line].node.in[0], line) &&
           !ends_at(r, r->line[line].node.in[1], line);
}

/* A line that its only user will swallow: a term of a sum, a sum in a sum, the product
 * that a gradient is. */
static bool is_absorbed(const Rewrite *r, int line)
{
    const Line *const l = &r->line[line];
    if (l->uses != 1) return false;
    for (int i = line + 1; i < r->lines; i++)
        for (int j = 0; j < 3; j++)
            if (r->line[i].node.in[j] == line)
                return r->line[i].backward == l->backward && absorbs(r, i, j, line);
    return false;
}

static bool fold(const Graph *g, bool symbols, const Rewrite *old, Rewrite *new)
{
    int *const map = malloc(((size_t)old->lines + 1) * sizeof *map);
    if (!map) return false;
    const Folding f = {old, new, map, symbols};
    bool good = true;
    for (int i = 0; i < old->lines; i++) map[i] = -1;
    for (int i = 0; i < old->lines && good; i++) {
        if (is_absorbed(old, i)) continue;
        good = place(&f, i) >= 0;
    }
#define MAPPED(line) ((line) < 0 ? -1 : map[line])
    for (int i = 0; i < g->states && good; i++) {
        new->leave[i] = MAPPED(old->leave[i]);
        new->denter[i] = MAPPED(old->denter[i]);
    }
    for (int i = 0; i < g->outputs && good; i++)
        new->output[i] = MAPPED(old->output[i]);
    new->dinput = good ? MAPPED(old->dinput) : -1;
    for (int i = 0; i < old->gradients && good; i++) {
        new->gradient[i] = old->gradient[i];
        new->gradient[i].d = MAPPED(old->gradient[i].d);
        new->gradient[i].x = MAPPED(old->gradient[i].x);
    }
#undef MAPPED
    new->gradients = old->gradients;
    free(map);
    return good;
}

/* ---- 4: roots that need a line of their own ---- */

/* A root that is written where the caller wants it: not a leaf, not shared. */
static bool own_root(Rewrite *r, int *root, bool backward, bool shared)
{
    if (*root < 0) return true;
    const Line *const l = &r->line[*root];
    if (!op_is_leaf(l->node.op) && !shared && l->backward == backward) return true;
    *root = append_copy(r, *root, backward);
    return *root >= 0;
}

static bool own_roots(const Graph *g, Rewrite *r)
{
    bool good = true;
    for (int i = 0; i < g->states && good; i++) {
        bool taken = false;
        for (int j = 0; j < i; j++) taken |= r->leave[j] == r->leave[i];
        good = own_root(r, &r->leave[i], false, taken);
    }
    for (int i = 0; i < g->states && good; i++)
        good = own_root(r, &r->denter[i], true,
                        r->denter[i] >= 0 && r->line[r->denter[i]].uses > 1);
    if (good)
        good = own_root(r, &r->dinput, true,
                        r->dinput >= 0 && r->line[r->dinput].uses > 1);
    for (int i = 0; i < r->gradients && good; i++) { /* kept for every step and row */
        int *const d = &r->gradient[i].d, *const x = &r->gradient[i].x;
        if (r->line[*d].node.op == OP_DSTATE) good = own_root(r, d, true, false);
        if (*x >= 0 && r->line[*x].uniform && good) good = own_root(r, x, true, false);
    }
    /* an output that is a single value stays where it is; others are laid side by
     * side */
    for (int i = 0; i < g->outputs && good; i++)
        if (g->outputs > 1 || op_is_leaf(r->line[r->output[i]].node.op)) {
            r->output[i] = append_copy(r, r->output[i], false);
            good = r->output[i] >= 0;
        }
    return good;
}

bool rewrite_open(const Graph *g, Rewrite *r)
{
    *r = (Rewrite){.dinput = -1};
    r->leave = calloc((size_t)g->states + 1, sizeof *r->leave);
    r->denter = calloc((size_t)g->states + 1, sizeof *r->denter);
    r->output = calloc((size_t)g->outputs + 1, sizeof *r->output);
    r->gradient = calloc((size_t)g->gradients + 1, sizeof *r->gradient);
    if (!r->leave || !r->denter || !r->output || !r->gradient) return false;
    for (int i = 0; i < g->states; i++) r->denter[i] = -1;
    return true;
}

void rewrite_close(Rewrite *r)
{
    free(r->line);
    free(r->leave);
    free(r->denter);
    free(r->output);
    free(r->gradient);
    *r = (Rewrite){0};
}

bool rewrite(const Graph *graph, bool training, bool dinput, bool symbols, Rewrite *out,
             Error *err)
{
    const size_t nodes = (size_t)graph->nodes + 1;
    bool *const flags = calloc(4 * nodes, sizeof *flags);
    Selection s = {graph, flags, flags + nodes, flags + 2 * nodes, flags + 3 * nodes};
    Rewrite plain = {0};
    bool good = flags && rewrite_open(graph, &plain);
    good = rewrite_open(graph, out) && good;
    if (good) {
        if (training) select_backward(&s, dinput);
        select_forward(&s);
        if (training) choose_leaves(&s);
        good = list(graph, &s, training, dinput, &plain);
    }
    if (good) {
        count_uses(graph, &plain);
        good = fold(graph, symbols, &plain, out);
    }
    if (good) {
        count_uses(graph, out);
        good = own_roots(graph, out);
        count_uses(graph, out);
    }
    rewrite_close(&plain);
    free(flags);
    if (good) return true;
    rewrite_close(out);
    return error(err, "out of memory");
}

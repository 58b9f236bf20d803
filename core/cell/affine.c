/* affine.c: the loop over time as y = a s + b, if that is all it is.
 *
 * A line is affine in a state when it is made of it by sums, by products and quotients with
 * what no state moves, and by nothing else. Its form a s + b follows from the forms of its
 * operands; a and b are lines of the new list, which holds what roots need, and no more. */
#include "affine.h"

#include <stdlib.h>

/* In the place of a line: numbers, and what there is none of. */
enum { ZERO = -1, ONE = -2, NOT_AFFINE = -3, UNKNOWN = -4 };

typedef struct Form {
    int a, b; /* a: ZERO where the line does not depend on the state */
} Form;

typedef struct Affine {
    const Rewrite *old;
    Rewrite *new;
    int *map;      /* old line -> new; -1: not taken yet */
    Form *form;    /* [old lines], in the state at hand */
    int state;     /* old line; of the gradient: of what leaves */
    bool backward; /* the gradient's side */
    bool failed;   /* out of memory */
} Affine;

/* ---- lines ---- */

static int append(Affine *f, Line line)
{
    const int made = f->failed ? -1 : rewrite_append(f->new, line);
    f->failed |= made < 0;
    return made;
}

/* An old line and all that it is made of. */
static int take(Affine *f, int old)
{
    if (old < 0 || f->failed) return -1;
    if (f->map[old] >= 0) return f->map[old];
    Line line = f->old->line[old];
    for (int j = 0; j < 3; j++) line.node.in[j] = take(f, line.node.in[j]);
    return f->map[old] = append(f, line);
}

static int make(Affine *f, Op op, int a, int b, int c)
{
    const Node node = {
        .op = op, .shape = f->old->line[f->state].node.shape, .in = {a, b, c}};
    return append(f, (Line){.node = node, .origin = -1, .backward = f->backward});
}

/* The line of what may be a number. */
static int whole(Affine *f, int x)
{
    if (x != ZERO && x != ONE) return x;
    const Node node = {.op = OP_CONST,
                       .shape = f->old->line[f->state].node.shape,
                       .in = {-1, -1, -1},
                       .value = x == ONE};
    return append(f, (Line){.node = node, .origin = -1, .backward = f->backward});
}

static int times(Affine *f, int x, int y)
{
    if (x == ZERO || y == ZERO) return ZERO;
    if (x == ONE) return y;
    return y == ONE ? x : make(f, OP_MUL, x, y, -1);
}

static int over(Affine *f, int x, int y)
{
    return x == ZERO ? ZERO : make(f, OP_DIV, whole(f, x), y, -1);
}

static int minus(Affine *f, int x)
{
    return x == ZERO ? ZERO : make(f, OP_NEG, whole(f, x), -1, -1);
}

static int plus(Affine *f, int x, int y)
{
    if (x == ZERO) return y;
    return y == ZERO ? x : make(f, OP_ADD, whole(f, x), whole(f, y), -1);
}

/* ---- forms ---- */

static const Form not_affine = {NOT_AFFINE, NOT_AFFINE};

static Form form_of(Affine *f, int line);

static Form form_plus(Affine *f, Form x, Form y)
{
    if (x.a == NOT_AFFINE || y.a == NOT_AFFINE) return not_affine;
    return (Form){plus(f, x.a, y.a), plus(f, x.b, y.b)};
}

static Form form_minus(Affine *f, Form x)
{
    if (x.a == NOT_AFFINE) return not_affine;
    return (Form){minus(f, x.a), minus(f, x.b)};
}

static Form form_times(Affine *f, Form x, Form y)
{
    if (x.a == NOT_AFFINE || y.a == NOT_AFFINE) return not_affine;
    if (x.a != ZERO && y.a != ZERO) return not_affine;
    return x.a == ZERO ? (Form){times(f, x.b, y.a), times(f, x.b, y.b)}
                       : (Form){times(f, x.a, y.b), times(f, x.b, y.b)};
}

static Form form_over(Affine *f, Form x, Form y)
{
    if (x.a == NOT_AFFINE || y.a != ZERO) return not_affine;
    return (Form){over(f, x.a, y.b), over(f, x.b, y.b)};
}

/* Of a line that depends on the state, or on another. */
static Form find_form(Affine *f, int line)
{
    const Node *const n = &f->old->line[line].node;
    Form in[3] = {{ZERO, ZERO}, {ZERO, ZERO}, {ZERO, ZERO}};
    if (n->op < OP_NEG || (!op_elementwise(n->op))) return not_affine;
    for (int j = 0; j < 3; j++)
        if (n->in[j] >= 0) in[j] = form_of(f, n->in[j]);
    switch (n->op) {
    case OP_STOP: return in[0];
    case OP_NEG: return form_minus(f, in[0]);
    case OP_ADD: return form_plus(f, in[0], in[1]);
    case OP_SUB: return form_plus(f, in[0], form_minus(f, in[1]));
    case OP_MUL: return form_times(f, in[0], in[1]);
    case OP_DIV: return form_over(f, in[0], in[1]);
    case OP_FMA: return form_plus(f, form_times(f, in[0], in[1]), in[2]);
    case OP_FNMA:
        return form_plus(f, in[2], form_minus(f, form_times(f, in[0], in[1])));
    default: return not_affine;
    }
}

/* Each line once, however many use it. */
static Form form_of(Affine *f, int line)
{
    const Line *const l = &f->old->line[line];
    if (line == f->state) return (Form){ONE, ZERO};
    if (!l->loop || l->backward != f->backward) return (Form){ZERO, take(f, line)};
    if (f->form[line].a == UNKNOWN) f->form[line] = find_form(f, line);
    return f->form[line];
}

/* ---- roots ---- */

static int leaf_of(const Rewrite *r, Op op, int index)
{
    for (int i = 0; i < r->lines; i++)
        if (r->line[i].node.op == op && r->line[i].node.index == index) return i;
    return -1;
}

/* The new line a s + b of an old one; -1: it is not that, or does not depend on s. */
static int make_affine(Affine *f, int root, int state, bool backward)
{
    if (root < 0 || state < 0) return -1;
    f->state = state;
    f->backward = backward;
    for (int i = 0; i < f->old->lines; i++) f->form[i] = (Form){UNKNOWN, UNKNOWN};
    const Form form = form_of(f, root);
    if (form.a == NOT_AFFINE || form.a == ZERO) return -1;
    const int a = whole(f, form.a), b = whole(f, form.b);
    const int made = make(f, OP_FMA, a, take(f, state), b);
    if (made >= 0) f->new->line[made].origin = f->old->line[root].origin;
    return made;
}

/* What reads a state as it leaves reads the new line; denter's other readers keep theirs. */
static bool make_states(Affine *f, int states, bool training)
{
    const Rewrite *const old = f->old;
    bool good = true;
    for (int s = 0; s < states && good; s++) {
        const int leave =
            make_affine(f, old->leave[s], leaf_of(old, OP_STATE, s), false);
        good = leave >= 0;
        if (good) f->new->leave[s] = f->map[old->leave[s]] = leave;
    }
    for (int s = 0; s < states && training && good; s++) {
        f->new->denter[s] =
            make_affine(f, old->denter[s], leaf_of(old, OP_DSTATE, s), true);
        good = f->new->denter[s] >= 0;
    }
    return good;
}

static void take_roots(Affine *f, const Graph *g)
{
    const Rewrite *const old = f->old;
    for (int i = 0; i < g->outputs; i++) f->new->output[i] = take(f, old->output[i]);
    f->new->dinput = take(f, old->dinput);
    f->new->gradients = old->gradients;
    for (int i = 0; i < old->gradients; i++) {
        f->new->gradient[i] = old->gradient[i];
        f->new->gradient[i].d = take(f, old->gradient[i].d);
        f->new->gradient[i].x = take(f, old->gradient[i].x);
    }
}

bool affine(const Graph *graph, bool training, Rewrite *list, bool *is_affine)
{
    const size_t lines = (size_t)list->lines + 1;
    Rewrite new;
    Affine f = {.old = list, .new = &new};
    f.map = malloc(lines * sizeof *f.map);
    f.form = malloc(lines * sizeof *f.form);
    f.failed = !rewrite_open(graph, &new) || !f.map || !f.form;
    for (int i = 0; i < list->lines && !f.failed; i++) f.map[i] = -1;
    *is_affine =
        graph->states > 0 && !f.failed && make_states(&f, graph->states, training);
    if (*is_affine) take_roots(&f, graph);
    *is_affine &= !f.failed;
    if (*is_affine) {
        const Rewrite swap = *list;
        *list = new;
        new = swap;
    }
    rewrite_close(&new);
    free(f.map);
    free(f.form);
    return !f.failed;
}

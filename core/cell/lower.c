/* lower.c: a derived graph made into a program of kernel calls. */
#include "lower.h"

#include "affine.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

typedef struct Lowering {
    const Graph *graph;
    Rewrite list;
    Program *program;
    Phase *phase; /* [lines] */
    int *level;   /* [lines]: of the group in its phase */
    int *width;   /* [lines]: that blocks may divide; 0: whole rows */
    int *value;   /* [lines]: in program->value; -1: not placed */
    int *order;   /* lines in the order of execution */
    int ordered;
    int *position; /* [lines]: in order */
    bool symbols, wide, scan, flow;
} Lowering;

static int count_of(const Lowering *l, int line)
{
    return shape_count(&l->list.line[line].node.shape);
}

/* ---- phases ---- */

static void mark(bool *reaching, const int *roots, int count)
{
    for (int i = 0; i < count; i++)
        if (roots[i] >= 0) reaching[roots[i]] = true;
}

/* The gradient of a leaving state is there for one step only, so that who reads it, and all
 * that this is made of, runs in the loop. */
static bool reads_dstate(const Lowering *l, int line)
{
    bool reads = false;
    for (int j = 0; j < 3; j++) {
        const int in = l->list.line[line].node.in[j];
        reads |= in >= 0 && l->list.line[in].node.op == OP_DSTATE;
    }
    return reads;
}

/* All there is in a loop that is scanned. */
static bool is_step(const Lowering *l, int line)
{
    bool step = false;
    for (int i = 0; i < l->graph->states; i++)
        step |= l->list.leave[i] == line || l->list.denter[i] == line;
    return step;
}

static Phase phase_of(const Lowering *l, int line, bool reaching)
{
    const Line *const at = &l->list.line[line];
    if (op_is_leaf(at->node.op) && at->node.op != OP_MASK) return PHASE_NONE;
    const Phase before = at->backward ? BACKWARD_BEFORE : FORWARD_BEFORE;
    if (!at->loop) return before;
    if (l->scan) return is_step(l, line) ? before + 1 : before + 2;
    return reaching ? before + 1 : before + 2;
}

static bool is_root(const Lowering *l, int line)
{
    const Rewrite *const r = &l->list;
    bool root = r->dinput == line;
    for (int i = 0; i < l->graph->states; i++)
        root |= r->leave[i] == line || r->denter[i] == line;
    for (int i = 0; i < l->graph->outputs; i++) root |= r->output[i] == line;
    for (int i = 0; i < r->gradients; i++)
        root |= r->gradient[i].d == line || r->gradient[i].x == line;
    return root;
}

/* A cheap value made before the loop, but only for it (or for after), is made there: no
 * trip through memory. A product too, where a step has rows enough for full speed. */
static void sink(Lowering *l, int line)
{
    const Line *const at = &l->list.line[line];
    const Phase before = at->backward ? BACKWARD_BEFORE : FORWARD_BEFORE;
    if (l->phase[line] != before || is_root(l, line)) return;
    const Op op = at->node.op;
    if (!op_is_cheap(op) && op != OP_MASK && !(op == OP_PRODUCT && l->wide)) return;
    Phase to = PHASE_NONE;
    for (int i = line + 1; i < l->list.lines; i++) {
        const Line *const user = &l->list.line[i];
        for (int j = 0; j < 3; j++) {
            if (user->node.in[j] != line || user->backward != at->backward) continue;
            if (to != PHASE_NONE && to != l->phase[i]) return;
            to = l->phase[i];
        }
    }
    if (l->scan && to == before + 1) return; /* every step is to have it ready */
    if (to != PHASE_NONE) l->phase[line] = to;
}

/* The matrix that the line makes, or makes a vector of; a line of no matrix: what it
 * makes. */
static const Shape *shape_of(const Lowering *l, int line)
{
    const Node *const n = &l->list.line[line].node;
    const bool reads = n->op == OP_SUM || n->op == OP_MATVEC;
    return &l->list.line[reads ? n->in[0] : line].node.shape;
}

/* The matrices of so many floats in a row of the mini-batch, NULL if it has none.
 * Products are of vectors, and want other blocks. */
static const Shape *matrices_of(const Lowering *l, int width)
{
    const Shape *matrices = NULL;
    for (int i = 0; i < l->list.lines; i++) {
        const Op op = l->list.line[i].node.op;
        const Shape *const s = shape_of(l, i);
        if (shape_count(s) != width) continue;
        if (op == OP_PRODUCT) return NULL;
        if (!matrices && (op == OP_OUTER || op == OP_MATVEC)) matrices = s;
    }
    return matrices && matrices->dim[matrices->axes - 1] <= STRIP ? matrices : NULL;
}

/* What works on matrices that the loop makes goes through them in it, while they are
 * near, not once more after it. */
static void hoist(Lowering *l, int line)
{
    const Phase phase = l->phase[line];
    if (phase != FORWARD_AFTER && phase != BACKWARD_AFTER) return;
    if (!matrices_of(l, shape_count(shape_of(l, line)))) return;
    for (int j = 0; j < 3; j++) {
        const int in = l->list.line[line].node.in[j];
        if (in >= 0 && l->phase[in] == phase) return;
    }
    l->phase[line] = phase - 1;
}

static bool find_phases(Lowering *l)
{
    const Rewrite *const r = &l->list;
    bool *const reaching = calloc((size_t)r->lines + 1, sizeof *reaching);
    if (!reaching) return false;
    mark(reaching, r->leave, l->graph->states);
    mark(reaching, r->denter, l->graph->states);
    for (int i = r->lines - 1; i >= 0; i--) {
        reaching[i] |= reads_dstate(l, i);
        for (int j = 0; j < 3; j++) {
            const int in = r->line[i].node.in[j];
            if (in >= 0 && reaching[i] && r->line[in].backward == r->line[i].backward)
                reaching[in] = true;
        }
    }
    for (int i = 0; i < r->lines; i++) l->phase[i] = phase_of(l, i, reaching[i]);
    for (int i = 0; i < l->graph->states; i++) /* there for one step only, too */
        if (r->denter[i] >= 0) l->phase[r->denter[i]] = BACKWARD_LOOP;
    for (int i = 0; i < r->lines && !l->scan; i++) hoist(l, i);
    for (int i = r->lines - 1; i >= 0; i--) sink(l, i);
    free(reaching);
    return true;
}

/* ---- groups: levels within a phase ---- */

static int groups_of(const Lowering *l, const Node *n)
{
    const int64_t a = count_of(l, n->in[0]), y = shape_count(&n->shape);
    return (int)(a * y / shape_count(&l->graph->param[n->index].shape));
}

/* Units that a block may cut: elementwise lines, products whose every column may be had
 * alone, and matrices. 0: the line needs whole rows. */
static int width_of(const Lowering *l, int line)
{
    const Node *const n = &l->list.line[line].node;
    if (op_elementwise(n->op) || n->op == OP_MASK) return count_of(l, line);
    if (n->op == OP_PRODUCT) return groups_of(l, n) == 1 ? count_of(l, line) : 0;
    const Shape *const s = shape_of(l, line);
    const Shape *const matrices = matrices_of(l, shape_count(s));
    return matrices && shape_equal(s, matrices) ? shape_count(s) : 0;
}

/* Operand j must be whole before the line runs, not just the block at hand. */
static bool reads_whole(const Lowering *l, int line, int j)
{
    const Node *const n = &l->list.line[line].node;
    if (n->op == OP_PRODUCT) return j == 0;
    if (n->op == OP_SUM || n->op == OP_MATVEC) return !l->width[line] || j > 0;
    return !op_elementwise(n->op);
}

/* Groups that line `user` must come after `line`, its operand j. */
static int groups_after(const Lowering *l, int line, int user, int j)
{
    const bool same = l->width[line] == l->width[user];
    const bool whole = l->width[user] && reads_whole(l, user, j);
    return same && !whole ? 0 : 1;
}

/* A matrix is made in the group of its first user, if that can be: no trip through
 * memory. */
static void put_off(Lowering *l, int line)
{
    if (!l->width[line] || !matrices_of(l, l->width[line])) return;
    int level = -1;
    for (int i = line + 1; i < l->list.lines; i++)
        for (int j = 0; j < 3; j++) {
            if (l->list.line[i].node.in[j] != line || l->phase[i] != l->phase[line])
                continue;
            const int latest = l->level[i] - groups_after(l, line, i, j);
            if (level < 0 || latest < level) level = latest;
        }
    if (level > l->level[line]) l->level[line] = level;
}

static void find_levels(Lowering *l)
{
    const Rewrite *const r = &l->list;
    for (int i = 0; i < r->lines; i++) {
        l->width[i] = l->phase[i] == PHASE_NONE ? 0 : width_of(l, i);
        l->level[i] = 0;
        for (int j = 0; j < 3; j++) {
            const int in = r->line[i].node.in[j];
            if (in < 0 || l->phase[in] != l->phase[i] || l->phase[i] == PHASE_NONE)
                continue;
            const int level = l->level[in] + groups_after(l, in, i, j);
            if (level > l->level[i]) l->level[i] = level;
        }
    }
    for (int i = r->lines - 1; i >= 0; i--) put_off(l, i);
}

/* Line a runs before line b. */
static bool precedes(const Lowering *l, int a, int b)
{
    if (l->phase[a] != l->phase[b]) return l->phase[a] < l->phase[b];
    if (l->level[a] != l->level[b]) return l->level[a] < l->level[b];
    if (l->width[a] != l->width[b]) return l->width[a] < l->width[b];
    return a < b;
}

static void find_order(Lowering *l)
{
    l->ordered = 0;
    for (int i = 0; i < l->list.lines; i++) {
        l->position[i] = -1;
        if (l->phase[i] == PHASE_NONE) continue;
        int at = l->ordered++;
        for (; at > 0 && precedes(l, i, l->order[at - 1]); at--)
            l->order[at] = l->order[at - 1];
        l->order[at] = i;
    }
    for (int i = 0; i < l->ordered; i++) l->position[l->order[i]] = i;
}

static bool same_group(const Lowering *l, int a, int b)
{
    return l->phase[a] == l->phase[b] && l->level[a] == l->level[b] &&
           l->width[a] == l->width[b];
}

/* ---- values: where each line's result lives ---- */

#define FOREVER 0x7fffffff /* read by others after the phases */

static bool is_operand_of_gradient(const Lowering *l, int line)
{
    const Rewrite *const r = &l->list;
    for (int i = 0; i < r->gradients; i++)
        if (r->gradient[i].d == line || r->gradient[i].x == line) return true;
    return false;
}

/* The last position that reads the line. */
static int last_use(const Lowering *l, int line)
{
    const Rewrite *const r = &l->list;
    if (is_operand_of_gradient(l, line)) return FOREVER;
    for (int i = 0; i < l->graph->outputs; i++)
        if (r->output[i] == line) return FOREVER;
    int last = l->position[line];
    for (int i = line + 1; i < r->lines; i++)
        for (int j = 0; j < 3; j++)
            if (r->line[i].node.in[j] == line && l->position[i] > last)
                last = l->position[i];
    return last;
}

/* May `line` be written over `dead`, as far as who reads it when goes? Blocks of a
 * group run all its lines before the next block, so nothing in it may need the dead
 * value whole. */
static bool may_replace(const Lowering *l, int line, int dead)
{
    const int last = last_use(l, dead);
    if (last > l->position[line]) return false;
    for (int i = 0; i < l->list.lines; i++) {
        if (l->phase[i] == PHASE_NONE) continue;
        const Node *const n = &l->list.line[i].node;
        for (int j = 0; j < 3; j++) {
            if (n->in[j] != dead || !reads_whole(l, i, j)) continue;
            if (i == line || (l->width[line] && same_group(l, i, line))) return false;
        }
    }
    return true;
}

static int add_value(Program *p, Value value)
{
    p->value[p->values] = value;
    return p->values++;
}

static int number_of(Program *p, double number)
{
    for (int i = 0; i < p->numbers; i++)
        if (memcmp(&p->number[i], &number, sizeof number) == 0) return i;
    p->number[p->numbers] = number;
    return p->numbers++;
}

static Value leaf_value(const Lowering *l, const Node *n, int count)
{
    Program *const p = l->program;
    switch (n->op) {
    case OP_CONST: return (Value){PLACE_NUMBER, count, number_of(p, n->value), 0};
    case OP_PARAM: return (Value){PLACE_PARAM, count, 0, p->param_offset[n->index]};
    case OP_INPUT: return (Value){PLACE_INPUT, count, 0, 0};
    case OP_STATE: return (Value){PLACE_STATE, count, n->index, 0};
    case OP_DSTATE: return (Value){PLACE_DSTATE, count, n->index, 0};
    default:
        return (Value){PLACE_DOUTPUT, count, 0,
                       graph_output_offset(l->graph, n->index)};
    }
}

/* The places that the roots decide. */
static bool place_root(const Lowering *l, int line, Value *value)
{
    const Rewrite *const r = &l->list;
    for (int i = 0; i < l->graph->states; i++) {
        if (r->leave[i] == line) *value = (Value){PLACE_LEAVE, value->n, i, 0};
        if (r->denter[i] == line) *value = (Value){PLACE_DENTER, value->n, i, 0};
        if (r->leave[i] == line || r->denter[i] == line) return true;
    }
    for (int i = 0; l->program->output_own && i < l->graph->outputs; i++)
        if (r->output[i] == line) {
            *value =
                (Value){PLACE_OUTPUT, value->n, 0, graph_output_offset(l->graph, i)};
            return true;
        }
    if (r->dinput == line) *value = (Value){PLACE_DINPUT, value->n, 0, 0};
    return r->dinput == line;
}

static bool is_loop(Phase phase)
{
    return phase == FORWARD_LOOP || phase == BACKWARD_LOOP;
}

static bool is_kept(const Lowering *l, int line)
{
    if (last_use(l, line) == FOREVER) return true;
    for (int i = line + 1; i < l->list.lines; i++)
        for (int j = 0; j < 3; j++)
            if (l->list.line[i].node.in[j] == line && l->phase[i] != l->phase[line])
                return true;
    return false;
}

/* A buffer of an equal width whose value nobody needs any more, or a new one. */
static int buffer_for(const Lowering *l, int line, int n, int *holder)
{
    Program *const p = l->program;
    for (int b = 0; b < p->buffers; b++)
        if (p->buffer[b] == n && may_replace(l, line, holder[b])) {
            holder[b] = line;
            return b;
        }
    p->buffer[p->buffers] = n;
    holder[p->buffers] = line;
    return p->buffers++;
}

/* Used within its own group only: a block of units wide is enough. */
static bool is_block_wide(const Lowering *l, int line)
{
    if (!l->width[line]) return false;
    for (int i = line + 1; i < l->list.lines; i++)
        for (int j = 0; j < 3; j++)
            if (l->list.line[i].node.in[j] == line && !same_group(l, i, line))
                return false;
    return true;
}

static int strip_for(const Lowering *l, int line, int n, int *holder)
{
    Program *const p = l->program;
    const bool block = is_block_wide(l, line);
    const Strip strip = {n, block, !block && is_loop(l->phase[line])};
    for (int i = 0; i < p->strips; i++)
        if (p->strip[i].block == strip.block && p->strip[i].loop == strip.loop &&
            p->strip[i].n == n && may_replace(l, line, holder[i])) {
            holder[i] = line;
            return i;
        }
    p->strip[p->strips] = strip;
    holder[p->strips] = line;
    return p->strips++;
}

static void place_lines(Lowering *l, int *buffer_holder, int *strip_holder)
{
    for (int i = 0; i < l->list.lines; i++) {
        l->value[i] = -1;
        const Node *const n = &l->list.line[i].node;
        if (l->phase[i] == PHASE_NONE)
            l->value[i] = add_value(l->program, leaf_value(l, n, count_of(l, i)));
    }
    for (int at = 0; at < l->ordered; at++) {
        const int i = l->order[at], n = count_of(l, i);
        Value value = {.n = n};
        if (!place_root(l, i, &value)) {
            const bool kept = is_kept(l, i);
            value.place = kept ? PLACE_CHUNK : PLACE_STRIP;
            value.index = kept ? buffer_for(l, i, n, buffer_holder)
                               : strip_for(l, i, n, strip_holder);
        }
        l->value[i] = add_value(l->program, value);
    }
}

static void place_output(Lowering *l)
{
    Program *const p = l->program;
    p->outputs = graph_output_width(l->graph);
    p->output_own = l->graph->outputs > 1;
    p->output_state = p->output_value = -1;
    for (int i = 0; i < l->graph->states && !p->output_own; i++)
        if (l->list.leave[i] == l->list.output[0]) p->output_state = i;
}

/* ---- instructions ---- */

static const MapOp map_of[OP_COUNT] = {
    // clang-format off
    [OP_NEG] = MAP_neg, [OP_ADD] = MAP_add, [OP_SUB] = MAP_sub, [OP_MUL] = MAP_mul,
    [OP_DIV] = MAP_div, [OP_MIN] = MAP_min, [OP_MAX] = MAP_max, [OP_FMA] = MAP_fma,
    [OP_FNMA] = MAP_fnma, [OP_EXP] = MAP_exp, [OP_LOG] = MAP_log, [OP_SIGMOID] = MAP_sigmoid,
    [OP_TANH] = MAP_tanh, [OP_RELU] = MAP_relu, [OP_ABS] = MAP_abs, [OP_SQRT] = MAP_sqrt,
    [OP_SOFTPLUS] = MAP_softplus, [OP_LOGSIGMOID] = MAP_logsigmoid,
    [OP_DSIGMOID] = MAP_dsigmoid, [OP_DTANH] = MAP_dtanh, [OP_DRELU] = MAP_drelu,
    [OP_DABS] = MAP_dabs, [OP_PICK] = MAP_pick, [OP_UNPICK] = MAP_unpick,
    [OP_DSIGMOID_MUL] = MAP_dsigmoid_mul, [OP_DTANH_MUL] = MAP_dtanh_mul,
    [OP_STOP] = MAP_copy, [OP_SUM] = MAP_sum, [OP_EXPAND] = MAP_expand,
    [OP_OUTER] = MAP_outer, [OP_MATVEC] = MAP_matvec,
    // clang-format on
};

static int pack_for(const Lowering *l, const Node *n, bool table)
{
    Program *const p = l->program;
    const int G = groups_of(l, n), all = shape_count(&p->param[n->index].shape);
    const int in = shape_count(&l->list.line[n->in[0]].node.shape) / G;
    const Pack pack = {.param = n->index,
                       .transposed = n->transposed,
                       .table = table,
                       .G = G,
                       .n = all / G / in,
                       .k = in};
    for (int i = 0; i < p->packs; i++) {
        const Pack *const q = &p->pack[i];
        if (q->param == pack.param && q->transposed == pack.transposed &&
            q->table == pack.table && q->G == pack.G)
            return i;
    }
    p->pack[p->packs] = pack;
    return p->packs++;
}

/* groups, m and inner from the shapes; see Map. */
static void set_axes(const Lowering *l, const Node *n, Instr *instr)
{
    const Shape *const s = &n->shape;
    const int count = shape_count(s),
              a = shape_count(&l->list.line[n->in[0]].node.shape);
    if (n->op == OP_SUM || n->op == OP_EXPAND) {
        instr->m = 1;
        instr->groups = n->op == OP_SUM ? count : a;
        instr->inner = n->op == OP_SUM ? a / count : count / a;
    } else {
        const Shape *const matrix =
            n->op == OP_OUTER ? s : &l->list.line[n->in[0]].node.shape;
        instr->m = matrix->dim[matrix->axes - 2];
        instr->inner = matrix->dim[matrix->axes - 1];
        instr->groups = shape_count(matrix) / instr->m / instr->inner;
    }
}

static Instr instr_of(const Lowering *l, int line)
{
    const Node *const n = &l->list.line[line].node;
    Instr i = {.kind = KIND_MAP,
               .map = map_of[n->op],
               .y = l->value[line],
               .a = -1,
               .b = -1,
               .c = -1};
    int *const operand[3] = {&i.a, &i.b, &i.c};
    for (int j = 0; j < 3; j++)
        if (n->in[j] >= 0) *operand[j] = l->value[n->in[j]];
    if (n->op == OP_MASK) {
        i.kind = KIND_MASK;
        i.mask = n->index;
        i.p = (float)n->value;
    } else if (n->op == OP_PRODUCT) {
        const bool table = l->symbols && l->list.line[n->in[0]].node.op == OP_INPUT;
        i.kind = table ? KIND_LOOK_UP : KIND_PRODUCT;
        i.pack = pack_for(l, n, table);
        i.groups = groups_of(l, n);
    } else if (!op_elementwise(n->op)) {
        i.kind = KIND_GROUPED;
        set_axes(l, n, &i);
        if (n->op == OP_MATVEC && n->transposed) i.map = MAP_matvec_t;
    }
    return i;
}

static void set_matrix(const Lowering *l, Group *g)
{
    const Shape *const s = g->width ? matrices_of(l, g->width) : NULL;
    if (!s) return;
    g->inner = s->dim[s->axes - 1];
    g->head = s->dim[s->axes - 2] * g->inner;
}

/* May units run on from a loop's last group to the first group of its next step? If all
 * groups are cut alike, and no product reads whole what a step hands to the next, or a
 * strip that the next step writes anew. */
static bool joins_steps(const Program *p, Phase phase)
{
    for (int g = p->group_at[phase]; g < p->group_at[phase + 1]; g++) {
        const Group *const group = &p->group[g];
        if (!group->width || group->inner) return false;
        if (group->width != p->group[p->group_at[phase]].width) return false;
        for (int i = group->first; i < group->end; i++) {
            if (p->instr[i].kind != KIND_PRODUCT) continue;
            const Place of = p->value[p->instr[i].a].place;
            if (of == PLACE_STATE || of == PLACE_DSTATE || of == PLACE_STRIP)
                return false;
        }
    }
    return true;
}

static void find_joined(Program *p)
{
    for (int g = 0; g < p->groups; g++) {
        const Phase phase = p->group[g].phase;
        if (is_loop(phase) && g == p->group_at[phase])
            p->group[g].joined = joins_steps(p, phase);
    }
}

static void index_groups(Program *p)
{
    for (int phase = 0, g = 0; phase <= PHASE_COUNT; phase++) {
        while (g < p->groups && (int)p->group[g].phase < phase) g++;
        p->group_at[phase] = g;
    }
}

static void emit_groups(Lowering *l)
{
    Program *const p = l->program;
    for (int at = 0; at < l->ordered; at++) {
        const int line = l->order[at];
        if (at == 0 || !same_group(l, line, l->order[at - 1])) {
            Group *const g = &p->group[p->groups++];
            *g = (Group){.phase = l->phase[line],
                         .first = p->instrs,
                         .end = p->instrs,
                         .width = l->width[line]};
            set_matrix(l, g);
        }
        p->instr[p->instrs++] = instr_of(l, line);
        p->group[p->groups - 1].end = p->instrs;
    }
}

static void emit_gradients(Lowering *l)
{
    Program *const p = l->program;
    for (int i = 0; i < l->list.gradients; i++) {
        const ParamGradient *const from = &l->list.gradient[i];
        const bool swap = from->transposed; /* y = M^T a: dM[r][k] = a[r] d[k] */
        const int d = swap ? from->x : from->d, x = swap ? from->d : from->x;
        const int all = shape_count(&p->param[from->param].shape);
        GradientJob job = {.param = from->param,
                           .d = l->value[d],
                           .x = x < 0 ? -1 : l->value[x],
                           .G = 1,
                           .R = all,
                           .K = 1};
        if (x >= 0) {
            const int64_t columns = count_of(l, x), rows = count_of(l, d);
            job.G = (int)(columns * rows / all);
            job.R = (int)rows / job.G;
            job.K = (int)columns / job.G;
            job.table = l->symbols && l->list.line[x].node.op == OP_INPUT;
        }
        p->gradient[p->gradients++] = job;
    }
}

/* The gradient list is that of flow_graph. */
static bool find_flow(Lowering *l)
{
    Program *const p = l->program;
    p->flow = malloc(((size_t)p->states + 1) * sizeof *p->flow);
    for (int i = 0; p->flow && i < p->states; i++) p->flow[i] = -1;
    for (int i = 0; p->flow && i < l->list.gradients; i++) {
        const int value = l->value[l->list.gradient[i].d];
        assert(p->value[value].place == PLACE_CHUNK);
        p->flow[l->list.gradient[i].param] = value;
    }
    return p->flow;
}

/* Adds a use of the parameter: jobs with unlike rows leave it whole. */
static void cut_use(Cut *cut, int rows, int64_t work)
{
    const bool unlike = cut->rows && (cut->rows != rows || cut->lines == 1);
    cut->lines = unlike ? 1 : (rows + LANES_MAX - 1) / LANES_MAX;
    cut->rows = rows;
    cut->line += work;
}

/* By its jobs, and states that start with it; line: the work of all lines. */
static void cut_rows(const Program *p, int param, Cut *cut)
{
    for (int i = 0; i < p->gradients; i++) {
        const GradientJob *const j = &p->gradient[i];
        const int64_t rows = (int64_t)j->G * j->R;
        if (j->param == param) cut_use(cut, j->R, rows * (j->table ? 1 : j->K));
    }
    for (int s = 0; s < p->states; s++) {
        const int n = shape_count(&p->state[s].shape);
        if (p->state[s].start_param == param) cut_use(cut, n, n);
    }
}

static void cut_gradients(Program *p)
{
    int64_t at = 0;
    for (int i = 0; i < p->params; i++) {
        Cut *const cut = &p->cut[i];
        cut_rows(p, i, cut);
        cut->at = at;
        if (cut->lines) cut->line = (cut->line + cut->lines - 1) / cut->lines;
        at += cut->lines * cut->line;
    }
    p->cut[p->params].at = at;
}

int program_row(const Program *p, int param, int part, int parts)
{
    const Cut *const cut = &p->cut[param];
    const int64_t before = p->cut[p->params].at * part / parts - cut->at;
    if (before <= 0 || !cut->lines) return 0;
    const int64_t line = (before + cut->line - 1) / cut->line;
    const int64_t row = cut->lines == 1 ? cut->rows : line * LANES_MAX;
    return row < cut->rows ? (int)row : cut->rows;
}

bool program_rows(const Program *p, int param, int rows, int part, int parts,
                  int *first, int *end)
{
    *first = program_row(p, param, part, parts);
    *end = program_row(p, param, part + 1, parts);
    if (*first == *end) return false;
    if (p->cut[param].lines == 1) *first = 0, *end = rows;
    return true;
}

/* ---- the account, for users ---- */

static void find_graph_phases(Lowering *l)
{
    for (int i = 0; i < l->list.lines; i++)
        if (l->list.line[i].origin >= 0)
            l->program->phase[l->list.line[i].origin] = l->phase[i];
}

static bool count_products(Lowering *l)
{
    int *const depth = calloc((size_t)l->list.lines + 1, sizeof *depth);
    if (!depth) return false;
    for (int i = 0; i < l->list.lines; i++) {
        const Node *const n = &l->list.line[i].node;
        for (int j = 0; j < 3; j++) {
            const int in = n->in[j];
            if (in < 0) continue;
            const int d = depth[in] + (n->op == OP_PRODUCT && j == 0 &&
                                       l->phase[i] == FORWARD_LOOP);
            if (d > depth[i]) depth[i] = d;
        }
        if (l->phase[i] == FORWARD_LOOP && depth[i] > l->program->products)
            l->program->products = depth[i];
    }
    free(depth);
    return true;
}

size_t program_kept(const Program *p)
{
    size_t floats = p->output_own ? padded((size_t)p->outputs) : 0;
    for (int i = 0; i < p->buffers; i++) floats += padded((size_t)p->buffer[i]);
    for (int i = 0; i < p->states; i++)
        floats += (p->scan ? 2 : 1) * padded((size_t)shape_count(&p->state[i].shape));
    return floats;
}

/* ---- all of it ---- */

static bool check_symbols(const Lowering *l, Error *err)
{
    for (int i = 0; i < l->list.lines; i++) {
        const Node *const n = &l->list.line[i].node;
        for (int j = 0; j < 3; j++) {
            if (n->in[j] < 0 || l->list.line[n->in[j]].node.op != OP_INPUT) continue;
            if (n->op != OP_PRODUCT || n->transposed || groups_of(l, n) != 1)
                return error(
                    err, "this cell uses x other than in a product W x, so its input "
                         "cannot be symbols: give it an embedding");
        }
    }
    return true;
}

static bool copy_declarations(const Graph *g, Program *p)
{
    p->input = g->input;
    p->hidden = g->hidden;
    p->params = g->params;
    p->states = g->states;
    p->param = calloc((size_t)g->params + 1, sizeof *p->param);
    p->param_offset = calloc((size_t)g->params + 1, sizeof *p->param_offset);
    p->state = calloc((size_t)g->states + 1, sizeof *p->state);
    p->cut = calloc((size_t)g->params + 1, sizeof *p->cut);
    if (!p->param || !p->param_offset || !p->state || !p->cut) return false;
    for (int i = 0; i < g->params; i++) {
        p->param[i] = g->param[i];
        p->param_offset[i] = p->param_floats;
        p->param_floats += (size_t)shape_count(&g->param[i].shape);
    }
    for (int i = 0; i < g->states; i++) p->state[i] = g->state[i];
    return true;
}

static bool lowering_open(Lowering *l, Program *p)
{
    const size_t lines = (size_t)l->list.lines + 1;
    l->phase = calloc(lines, sizeof *l->phase);
    l->level = calloc(lines, sizeof *l->level);
    l->width = calloc(lines, sizeof *l->width);
    l->value = calloc(lines, sizeof *l->value);
    l->order = calloc(lines, sizeof *l->order);
    l->position = calloc(lines, sizeof *l->position);
    p->value = calloc(lines, sizeof *p->value);
    p->number = calloc(lines, sizeof *p->number);
    p->instr = calloc(lines, sizeof *p->instr);
    p->group = calloc(lines, sizeof *p->group);
    p->pack = calloc(lines, sizeof *p->pack);
    p->gradient = calloc((size_t)l->list.gradients + 1, sizeof *p->gradient);
    p->buffer = calloc(lines, sizeof *p->buffer);
    p->strip = calloc(lines, sizeof *p->strip);
    p->phase = calloc((size_t)l->graph->nodes + 1, sizeof *p->phase);
    return l->phase && l->level && l->width && l->value && l->order && l->position &&
           p->value && p->number && p->instr && p->group && p->pack && p->gradient &&
           p->buffer && p->strip && p->phase;
}

static void lowering_close(Lowering *l)
{
    rewrite_close(&l->list);
    free(l->phase);
    free(l->level);
    free(l->width);
    free(l->value);
    free(l->order);
    free(l->position);
}

static bool fill(Lowering *l, Error *err)
{
    Program *const p = l->program;
    p->scan = l->scan;
    int *const holders = calloc(2 * (size_t)l->list.lines + 2, sizeof *holders);
    if (!holders || !copy_declarations(l->graph, p) || !find_phases(l) ||
        !count_products(l)) {
        free(holders);
        return error(err, "out of memory");
    }
    find_levels(l);
    find_order(l);
    place_output(l);
    place_lines(l, holders, holders + l->list.lines + 1);
    if (p->output_state < 0 && !p->output_own)
        p->output_value = l->value[l->list.output[0]];
    for (int i = 0; i < p->values; i++)
        if (p->value[i].place == PLACE_NUMBER && p->value[i].n > p->number_width)
            p->number_width = p->value[i].n;
    emit_groups(l);
    index_groups(p);
    find_joined(p);
    free(holders);
    if (!l->flow)
        emit_gradients(l);
    else if (!find_flow(l))
        return error(err, "out of memory");
    cut_gradients(p);
    find_graph_phases(l);
    return !l->symbols || check_symbols(l, err);
}

/* The graph as if each state's equation ended in a bias of its own, and those were all the
 * parameters there are: the gradient of a bias, row by row and step by step, is that of the
 * state. In place of a parameter, a gradient names its state. */
static bool flow_graph(const Graph *graph, Graph *flow)
{
    *flow = *graph;
    flow->gradients = 0;
    flow->gradient = calloc((size_t)graph->states + 1, sizeof *flow->gradient);
    for (int s = 0; flow->gradient && s < graph->states; s++)
        if (graph->state[s].dtotal >= 0)
            flow->gradient[flow->gradients++] =
                (ParamGradient){.param = s, .d = graph->state[s].dtotal, .x = -1};
    return flow->gradient;
}

static bool lower_graph(const Graph *graph, const LowerFor *what, Program **program,
                        Error *err)
{
    Lowering l = {.graph = graph,
                  .symbols = what->symbols,
                  .wide = what->wide,
                  .flow = what->flow};
    const bool dinput = what->dinput && !what->symbols;
    if (!rewrite(graph, what->training, dinput, what->symbols, &l.list, err))
        return false;
    Program *const p = l.program = calloc(1, sizeof *p);
    bool opened = p && (!what->scan || affine(graph, what->training, &l.list, &l.scan));
    opened = opened && lowering_open(&l, p);
    const bool good = opened ? fill(&l, err) : error(err, "out of memory");
    lowering_close(&l);
    if (good)
        *program = p;
    else
        program_close(p);
    return good;
}

bool lower(const Graph *graph, const LowerFor *what, Program **program, Error *err)
{
    assert(!what->flow || (what->training && !what->scan));
    if (!what->flow) return lower_graph(graph, what, program, err);
    Graph flow;
    const bool good = flow_graph(graph, &flow) ? lower_graph(&flow, what, program, err)
                                               : error(err, "out of memory");
    free(flow.gradient);
    return good;
}

void program_close(Program *p)
{
    if (!p) return;
    void *const owned[] = {p->param, p->param_offset, p->state, p->value,    p->number,
                           p->instr, p->group,        p->pack,  p->gradient, p->buffer,
                           p->strip, p->phase,        p->cut,   p->flow};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) free(owned[i]);
    free(p);
}

/* check.c: the derived gradient against central differences, the float program against
 * it.
 *
 * First in double: at a random point, reached by some steps from the start so that
 * states are such as occur, the gradient of a random linear loss on all outputs and
 * leaving states, over a chain of steps, by Richardson's extrapolation of central
 * differences. Then in float: the program that trains, some rows of it, within the
 * bound that eval.c computes. Points at a kink of relu, abs, max or min are drawn
 * again. */
#include "check.h"

#include <math.h>
#include <string.h>

#include "../../simd/isa.h"
#include "eval.h"
#include "init.h"
#include "step.h"

#define TOLERANCE 1e-6 /* of a difference, relative to the tensor's largest gradient */
#define FLOOR     1e-5 /* of the largest of all, which a tensor's counts as at least */
#define MARGIN    1e-5 /* from a kink */
#define WORK      5e8  /* multiplications that the differences may take, about */
enum {
    STEPS = 5,     /* of the chain */
    ROWS = 3,      /* of the float program */
    TRIES = 100,   /* points drawn */
    ELEMENTS = 256 /* of a tensor, moved one by one at most; all move together */
};

/* What a gradient is of. */
typedef struct Tensor {
    char name[CELL_NAME_MAX + 16];
    double *value;  /* [count] */
    Real *gradient; /* [count]: derived; in the float part summed over rows */
    int count;
    int terms; /* float: of the chain that each element is */
    Shape shape;
    double largest;    /* gradient */
    double difference; /* worst, relative to largest; -1: not compared */
    double error,
        bound; /* float: the error nearest to its bound; bound 0: not compared */
} Tensor;

typedef struct Check {
    const Graph *graph;
    const char *name;
    uint64_t seed;
    int scan; /* of the float program */
    FILE *out;
    Error *err;
    int elements;  /* of a tensor, moved one by one */
    int outputs;   /* width */
    size_t states; /* width of all */
    size_t params;

    Eval base, probe;
    Tensor *tensor; /* parameters, x, entering states */
    int tensors;
    Tensor output;     /* compared in float only */
    double **param;    /* [params][count], in one block: params_block */
    double *block;     /* [params] */
    double *x;         /* [ROWS][STEPS][input] */
    double *dy;        /* [ROWS][STEPS][outputs] */
    double *dleave;    /* [states] */
    double *enter;     /* [states] */
    double *entered;   /* [states]: enter, plus starts that are parameters */
    double *direction; /* [longest tensor] */
    double *saved;     /* [longest tensor] */
    Real *gradients;   /* of all tensors */
    float *draw;       /* [longest parameter] */
} Check;

/* ---- memory ---- */

static Tensor *add_tensor(Check *c, const char *kind, const char *name,
                          const Shape *shape, int count, double *value)
{
    Tensor *const t = c->tensor ? &c->tensor[c->tensors] : NULL;
    c->tensors++;
    if (!t) return NULL;
    *t = (Tensor){.shape = *shape, .count = count, .value = value};
    snprintf(t->name, sizeof t->name, "%s %s", kind, name);
    return t;
}

static void add_tensors(Check *c)
{
    static const char *const kind[] = {"weight", "bias", "scalar"};
    const Graph *const g = c->graph;
    const Shape x = {.axes = 2, .dim = {STEPS, g->input}};
    c->tensors = 0;
    for (int i = 0; i < g->params; i++) {
        const Param *const p = &g->param[i];
        add_tensor(c, kind[p->kind], p->name, &p->shape, shape_count(&p->shape),
                   c->tensor ? c->param[i] : NULL);
    }
    add_tensor(c, "input", "x", &x, STEPS * g->input, c->x);
    double *enter = c->enter;
    for (int i = 0; i < g->states; i++) {
        const int count = shape_count(&g->state[i].shape);
        add_tensor(c, "state", g->state[i].name, &g->state[i].shape, count, enter);
        if (enter) enter += count;
    }
}

static int longest(const Check *c)
{
    int most = STEPS * c->graph->input;
    for (int i = 0; i < c->graph->params; i++) {
        const int count = shape_count(&c->graph->param[i].shape);
        if (count > most) most = count;
    }
    for (int i = 0; i < c->graph->states; i++) {
        const int count = shape_count(&c->graph->state[i].shape);
        if (count > most) most = count;
    }
    return most;
}

static void measure(Check *c)
{
    const Graph *const g = c->graph;
    c->outputs = graph_output_width(g);
    for (int i = 0; i < g->params; i++)
        c->params += (size_t)shape_count(&g->param[i].shape);
    for (int i = 0; i < g->states; i++)
        c->states += (size_t)shape_count(&g->state[i].shape);
    add_tensors(c);
}

static void check_place(Check *c, Arena *arena)
{
    const Graph *const g = c->graph;
    const size_t inputs = (size_t)STEPS * (size_t)g->input;
    const size_t most = (size_t)longest(c);
    c->tensor = ARENA_TAKE(arena, Tensor, (size_t)c->tensors);
    c->param = ARENA_TAKE(arena, double *, (size_t)g->params + 1);
    c->block = ARENA_TAKE(arena, double, c->params);
    c->x = ARENA_TAKE(arena, double, ROWS *inputs);
    c->dy = ARENA_TAKE(arena, double, (size_t)ROWS *STEPS *(size_t)c->outputs);
    c->dleave = ARENA_TAKE(arena, double, c->states);
    c->enter = ARENA_TAKE(arena, double, c->states);
    c->entered = ARENA_TAKE(arena, double, c->states);
    c->direction = ARENA_TAKE(arena, double, most);
    c->saved = ARENA_TAKE(arena, double, most);
    c->gradients = ARENA_TAKE(arena, Real, c->params + inputs + c->states);
    c->draw = ARENA_TAKE(arena, float, most);
    if (!c->tensor) return;

    double *param = c->block;
    for (int i = 0; i < g->params; i++) {
        c->param[i] = param;
        param += shape_count(&g->param[i].shape);
    }
    add_tensors(c);
    Real *gradient = c->gradients;
    for (int i = 0; i < c->tensors; i++) {
        c->tensor[i].gradient = gradient;
        gradient += c->tensor[i].count;
    }
}

/* ---- the point ---- */

/* Streams of random numbers; the parameters' initialisers have their own. */
enum { DRAW_INIT, DRAW_NOISE, DRAW_X, DRAW_DY, DRAW_DLEAVE, DRAW_DIRECTION };

static double draw_normal(const Check *c, uint64_t stream, size_t i)
{
    return (double)(float)random_normal(c->seed, stream, i);
}

/* From their initialiser plus noise, so that what begins at 0 matters. */
static bool draw_param(Check *c, int i)
{
    const Param *const p = &c->graph->param[i];
    const uint64_t base = (uint64_t)i << 40;
    const int fan = p->shape.axes > 1 ? p->shape.dim[p->shape.axes - 1] : 4;
    const double noise = 0.5 / sqrt(fan);
    if (!init_param(c->graph->param, i, c->graph->hidden, c->seed, DRAW_INIT, c->draw))
        return error(c->err, "out of memory");
    for (int j = 0; j < shape_count(&p->shape); j++)
        c->param[i][j] =
            (double)(float)((double)c->draw[j] +
                            noise * draw_normal(c, DRAW_NOISE, base + (size_t)j));
    return true;
}

/* Where sequences start: numbers; starts that are parameters are added later. */
static void set_starts(Check *c)
{
    double *enter = c->enter;
    for (int s = 0; s < c->graph->states; s++) {
        const State *const state = &c->graph->state[s];
        for (int i = 0; i < shape_count(&state->shape); i++)
            *enter++ = state->start_param < 0 ? state->start : 0;
    }
}

static void set_entered(Check *c)
{
    double *entered = c->entered;
    memcpy(entered, c->enter, c->states * sizeof *entered);
    for (int s = 0; s < c->graph->states; s++) {
        const State *const state = &c->graph->state[s];
        for (int i = 0; i < shape_count(&state->shape); i++, entered++)
            if (state->start_param >= 0) *entered += c->param[state->start_param][i];
    }
}

/* The states after a chain from the start; those with a start of their own stay
 * there. */
static void warm_up(Check *c)
{
    const Graph *const g = c->graph;
    set_starts(c);
    set_entered(c);
    c->probe.x = c->x + (size_t)STEPS * (size_t)g->input; /* of the second row */
    c->probe.enter = c->entered;
    c->probe.frozen = NULL;
    eval_forward(&c->probe);
    double *enter = c->enter;
    for (int s = 0; s < g->states; s++)
        for (int i = 0; i < shape_count(&g->state[s].shape); i++, enter++)
            if (g->state[s].start_param < 0)
                *enter = eval_at(&c->probe, STEPS - 1, g->state[s].leave)[i].v;
}

static bool draw_point(Check *c, int attempt)
{
    const size_t inputs = (size_t)ROWS * STEPS * (size_t)c->graph->input;
    const size_t outputs = (size_t)ROWS * STEPS * (size_t)c->outputs;
    c->seed += (uint64_t)(attempt > 0);
    for (int i = 0; i < c->graph->params; i++)
        if (!draw_param(c, i)) return false;
    for (size_t i = 0; i < inputs; i++) c->x[i] = draw_normal(c, DRAW_X, i);
    for (size_t i = 0; i < outputs; i++) c->dy[i] = draw_normal(c, DRAW_DY, i);
    for (size_t i = 0; i < c->states; i++)
        c->dleave[i] = draw_normal(c, DRAW_DLEAVE, i);
    return true;
}

/* ---- in double: derived against differences ---- */

static double loss(Check *c, bool *crossed)
{
    set_entered(c);
    eval_forward(&c->probe);
    *crossed |= c->probe.sides != c->base.sides;
    return eval_loss(&c->probe);
}

/* (loss(+h) - loss(-h)) / 2h along the direction. */
static double central(Check *c, const Tensor *t, int first, int count, double h,
                      bool *crossed)
{
    double *const value = t->value + first, side[2];
    memcpy(c->saved, value, (size_t)count * sizeof *value);
    for (int s = 0; s < 2; s++) {
        const double step = s ? -h : h;
        for (int i = 0; i < count; i++) value[i] = c->saved[i] + step * c->direction[i];
        side[s] = loss(c, crossed);
    }
    memcpy(value, c->saved, (size_t)count * sizeof *value);
    return (side[0] - side[1]) / (2 * h);
}

/* The least deviation from the derived slope over some h; a wrong slope fits none. -1:
 * a kink is in the way. */
static double deviation(Check *c, const Tensor *t, int first, int count)
{
    double slope = 0, best = -1;
    for (int i = 0; i < count; i++) slope += t->gradient[first + i].v * c->direction[i];
    for (double h = 1e-3; h > 5e-7; h /= 10) {
        bool crossed = false;
        const double wide = central(c, t, first, count, h, &crossed);
        const double narrow = central(c, t, first, count, h / 2, &crossed);
        if (crossed) continue;
        const double off = fabs((4 * narrow - wide) / 3 - slope);
        if (best < 0 || !(off >= best)) best = off;
        if (best <= 0.1 * TOLERANCE * t->largest) break;
    }
    return best;
}

static bool compare(Check *c, Tensor *t, int first, int count)
{
    const double off = deviation(c, t, first, count);
    if (off < 0) return false;
    const double relative = t->largest > 0 ? off / t->largest : off > 0 ? INFINITY : 0;
    if (!(relative <= t->difference)) t->difference = relative;
    return true;
}

/* Four losses an element, each a chain of steps. */
static int choose_elements(const Check *c)
{
    const double loss = STEPS * ((double)c->params + 10 * (double)c->base.width);
    const double afford = WORK / (4 * loss * c->tensors);
    return afford < 4 ? 4 : afford > ELEMENTS ? ELEMENTS : (int)afford;
}

/* Elements apart, and all in one direction if they are many. False: a kink is near. */
static bool compare_tensor(Check *c, Tensor *t)
{
    const int moved = t->count < c->elements ? t->count : c->elements;
    t->difference = 0;
    c->direction[0] = 1;
    for (int i = 0; i < moved; i++)
        if (!compare(c, t, (int)((long long)i * t->count / moved), 1)) return false;
    if (moved == t->count) return true;
    const double length = 1 / sqrt(t->count);
    for (int i = 0; i < t->count; i++)
        c->direction[i] =
            random_bits(c->seed, DRAW_DIRECTION, (uint64_t)i) & 1 ? length : -length;
    return compare(c, t, 0, t->count);
}

static void find_largest(Tensor *t)
{
    t->largest = 0;
    for (int i = 0; i < t->count; i++)
        if (!(fabs(t->gradient[i].v) <= t->largest))
            t->largest = fabs(t->gradient[i].v);
}

static void copy_gradient(const Eval *e, int t, int node, int count, Real *to)
{
    for (int i = 0; i < count; i++)
        to[i] = node < 0 ? (Real){0} : eval_at(e, t, node)[i];
}

static void collect_derived(Check *c)
{
    const Graph *const g = c->graph;
    Tensor *t = c->tensor;
    for (int i = 0; i < g->params; i++, t++) {
        memset(t->gradient, 0, (size_t)t->count * sizeof *t->gradient);
        eval_gradient(&c->base, i, t->gradient);
    }
    for (int s = 0; s < STEPS; s++)
        copy_gradient(&c->base, s, g->dinput, g->input,
                      t->gradient + (size_t)s * (size_t)g->input);
    t++;
    for (int i = 0; i < g->states; i++, t++)
        copy_gradient(&c->base, 0, g->state[i].denter, t->count, t->gradient);
    double most = 0;
    for (int i = 0; i < c->tensors; i++) {
        find_largest(&c->tensor[i]);
        if (!(c->tensor[i].largest <= most)) most = c->tensor[i].largest;
    }
    for (int i = 0; i < c->tensors; i++) /* what cancels to 0 leaves rounding errors */
        if (c->tensor[i].largest < FLOOR * most) c->tensor[i].largest = FLOOR * most;
}

/* False: this point is at a kink, draw another. */
static bool compare_point(Check *c)
{
    warm_up(c);
    set_entered(c);
    c->base.x = c->probe.x = c->x;
    c->base.enter = c->probe.enter = c->entered;
    c->base.dy = c->probe.dy = c->dy;
    c->base.dleave = c->probe.dleave = c->dleave;
    c->probe.frozen = &c->base;
    eval_forward(&c->base);
    if (c->base.margin < MARGIN) return false;
    eval_backward(&c->base);
    collect_derived(c);
    for (int i = 0; i < c->tensors; i++)
        if (!compare_tensor(c, &c->tensor[i])) return false;
    return true;
}

static bool check_differences(Check *c)
{
    c->elements = choose_elements(c);
    for (int attempt = 0; attempt < TRIES; attempt++) {
        if (!draw_point(c, attempt)) return false;
        if (compare_point(c)) return true;
    }
    return error(c->err,
                 "%s: of %d points drawn, each is at a kink of relu, abs, max or min",
                 c->name, TRIES);
}

/* ---- in float: the program that trains ---- */

/* What the program works on, all rows side by side: [STEPS][ROWS][n]. */
typedef struct Run {
    Step step;
    float *params, *grads;
    float *x, *dx, *dy;
    float *scratch;
} Run;

static void run_place(Run *r, const Check *c, Arena *arena)
{
    const size_t row_steps = (size_t)STEPS * ROWS;
    step_place(&r->step, arena);
    r->params = ARENA_TAKE(arena, float, r->step.params + LANES_MAX);
    r->grads = ARENA_TAKE(arena, float, r->step.params + LANES_MAX);
    r->x = ARENA_TAKE(arena, float, row_steps *(size_t)c->graph->input + LANES_MAX);
    r->dx = ARENA_TAKE(arena, float, row_steps *(size_t)c->graph->input + LANES_MAX);
    r->dy = ARENA_TAKE(arena, float, row_steps *(size_t)c->outputs + LANES_MAX);
    r->scratch = ARENA_TAKE(arena, float, step_scratch(&r->step));
}

/* [ROWS][STEPS][n] to [STEPS][ROWS][n] */
static void interleave(const double *from, int n, float *to)
{
    for (int t = 0; t < STEPS; t++)
        for (int b = 0; b < ROWS; b++)
            for (int i = 0; i < n; i++)
                *to++ = (float)
                    from[((size_t)b * STEPS + (size_t)t) * (size_t)n + (size_t)i];
}

static View view(float *at, int n)
{
    return (View){at, (ptrdiff_t)ROWS * n, n};
}

static void run_program(Run *r, const Check *c)
{
    const Graph *const g = c->graph;
    const Chunk chunk = {.T = STEPS,
                         .x = view(r->x, g->input),
                         .dy = view(r->dy, c->outputs),
                         .dx = view(r->dx, g->input),
                         .fresh = true,
                         .time_sign = 1};
    for (size_t i = 0; i < c->params; i++) r->params[i] = (float)c->block[i];
    interleave(c->x, g->input, r->x);
    interleave(c->dy, c->outputs, r->dy);
    step_pack(&r->step, r->params, 0, 1);
    const Share all = {0, ROWS, r->scratch, NULL};
    step_forward(&r->step, &chunk, r->params, &all);
    step_backward(&r->step, &chunk, r->params, &all);
    step_gradient(&r->step, &chunk, r->grads, 0, 1, r->scratch);
}

/* Keeps of all elements the one that fills most of its bound. */
static void hold(Tensor *t, double got, double want, double bound)
{
    const double off = fabs(got - want);
    if (!(off * t->bound <= t->error * bound) || t->bound == 0)
        t->error = off, t->bound = bound;
}

static void hold_row(Check *c, const Run *r, int row)
{
    const Graph *const g = c->graph;
    const View out = step_output(&r->step, 0);
    Tensor *const x = &c->tensor[g->params], *const y = &c->output;
    for (int t = 0; t < STEPS; t++) {
        const float *at = out.at + t * out.step + row * out.row;
        for (int o = 0; o < g->outputs; o++) {
            const Real *const want = eval_at(&c->base, t, g->output[o]);
            for (int i = 0; i < shape_count(&g->node[g->output[o]].shape); i++) {
                if (fabs(want[i].v) > y->largest) y->largest = fabs(want[i].v);
                hold(y, (double)*at++, want[i].v, want[i].e);
            }
        }
        if (g->dinput < 0) continue;
        const Real *const want = eval_at(&c->base, t, g->dinput);
        const float *const dx = r->dx + (t * ROWS + row) * g->input;
        for (int i = 0; i < g->input; i++) {
            if (fabs(want[i].v) > x->largest) x->largest = fabs(want[i].v);
            hold(x, (double)dx[i], want[i].v, want[i].e);
        }
    }
}

static void hold_params(Check *c, const Run *r)
{
    const float *got = r->grads;
    for (int i = 0; i < c->graph->params; i++) {
        Tensor *const t = &c->tensor[i];
        find_largest(t);
        for (int j = 0; j < t->count; j++) {
            const Real want = t->gradient[j];
            hold(t, (double)*got++, want.v,
                 real_error(want.carried, want.terms, t->terms));
        }
    }
}

static void reset(Tensor *t)
{
    for (int i = 0; i < t->count; i++) t->gradient[i] = (Real){0};
    t->largest = t->error = t->bound = 0;
    t->terms = 0;
}

/* Each row alone in double, gradients of parameters summed. False: at a kink a float
 * could be on the other side. */
static bool hold_run(Check *c, const Run *r)
{
    const Graph *const g = c->graph;
    for (int i = 0; i < c->tensors; i++) reset(&c->tensor[i]);
    reset(&c->output);
    set_starts(c);
    set_entered(c);
    c->base.enter = c->entered;
    c->base.dleave = NULL;
    for (int row = 0; row < ROWS; row++) {
        c->base.x = c->x + (size_t)row * STEPS * (size_t)g->input;
        c->base.dy = c->dy + (size_t)row * STEPS * (size_t)c->outputs;
        eval_forward(&c->base);
        if (c->base.doubtful) return false;
        eval_backward(&c->base);
        for (int i = 0; i < g->params; i++)
            c->tensor[i].terms += eval_gradient(&c->base, i, c->tensor[i].gradient);
        hold_row(c, r, row);
    }
    hold_params(c, r);
    bool bounded = c->output.bound < INFINITY;
    for (int i = 0; i < c->tensors; i++) bounded &= c->tensor[i].bound < INFINITY;
    return bounded;
}

static bool check_floats(Check *c, Run *r)
{
    for (int attempt = 0; attempt < TRIES; attempt++) {
        if (attempt && !draw_point(c, attempt)) return false;
        memset(r->grads, 0, r->step.params * sizeof *r->grads);
        run_program(r, c);
        if (hold_run(c, r)) return true;
    }
    return error(
        c->err,
        "%s: of %d points drawn, each is at a kink for floats, or without a bound",
        c->name, TRIES);
}

static bool check_program(Check *c)
{
    const StepShape shape = {.T = STEPS,
                             .B = ROWS,
                             .training = true,
                             .dinput = c->graph->dinput >= 0,
                             .slots = 1,
                             .scan = c->scan};
    Run run = {.params = NULL};
    Arena need = {0}, arena = {0};
    if (!step_open(c->graph, &shape, &run.step, c->err)) return false;
    run_place(&run, c, &need);
    bool good = arena_open(&arena, need.used, c->err);
    if (good) {
        run_place(&run, c, &arena);
        good = check_floats(c, &run);
    }
    arena_close(&arena);
    step_close(&run.step);
    return good;
}

/* ---- the report ---- */

static void print_line(const Tensor *t, FILE *out, bool good)
{
    char shape[64] = "";
    size_t used = 0;
    for (int i = 0; i < t->shape.axes; i++)
        used += (size_t)snprintf(shape + used, sizeof shape - used, "[%d]",
                                 t->shape.dim[i]);
    fprintf(out, "  %-20s %-16s", t->name, shape);
    if (t->difference >= 0)
        fprintf(out, "  difference %.1e", t->difference);
    else
        fprintf(out, "                    ");
    const double scale = t->largest > t->bound ? t->largest : t->bound;
    if (t->bound > 0)
        fprintf(out, "  float %.1e of %.1e", t->error / scale, t->bound / scale);
    else
        fprintf(out, "                         ");
    fprintf(out, "  %s\n", good ? "ok" : "WRONG");
}

/* How far a tensor is from its limits; above 1: wrong. */
static double badness(const Tensor *t)
{
    const double derived = t->difference / TOLERANCE;
    const double kept = t->error > 0 ? t->error / t->bound : 0;
    if (isnan(derived) || isnan(kept)) return INFINITY;
    return derived > kept ? derived : kept;
}

static bool fail_tensor(const Check *c, const Tensor *t)
{
    if (t->difference <= TOLERANCE)
        return error(c->err,
                     "%s: in float, %s is off by %.2e; the computed bound is %.2e",
                     c->name, t->name, t->error, t->bound);
    return error(
        c->err,
        "%s: the derived gradient of %s differs from central differences by %.1e of "
        "its largest element; the limit is %.0e",
        c->name, t->name, t->difference, TOLERANCE);
}

static bool report(const Check *c)
{
    fprintf(c->out,
            "%s: input %d, hidden %d; %d steps; derived gradients against central "
            "differences in double,\n%d rows in float (%s) against double within the "
            "computed bound, both relative to the largest\n",
            c->name, c->graph->input, c->graph->hidden, STEPS, ROWS, isa_name());
    const Tensor *worst = &c->output;
    for (int i = 0; i <= c->tensors; i++) {
        const Tensor *const t = i < c->tensors ? &c->tensor[i] : &c->output;
        print_line(t, c->out, badness(t) <= 1);
        if (badness(t) > badness(worst)) worst = t;
    }
    return badness(worst) <= 1 || fail_tensor(c, worst);
}

static bool check_all(Check *c)
{
    c->output =
        (Tensor){.name = "output", .shape = {1, {c->outputs}}, .difference = -1};
    return check_differences(c) && check_program(c) && report(c);
}

bool check_graph(const Graph *graph, const char *name, uint64_t seed, int scan,
                 FILE *out, Error *err)
{
    Check c = {.graph = graph,
               .name = name,
               .seed = seed,
               .scan = scan,
               .out = out,
               .err = err};
    Arena need = {0}, arena = {0};
    measure(&c);
    check_place(&c, &need);
    if (!arena_open(&arena, need.used, err)) return false;
    check_place(&c, &arena);
    bool good = false;
    if (eval_open(graph, STEPS, &c.base, err)) {
        c.base.bounds = true;
        c.base.param = c.param;
        if (eval_open(graph, STEPS, &c.probe, err)) {
            c.probe.param = c.param;
            good = check_all(&c);
            eval_close(&c.probe);
        }
        eval_close(&c.base);
    }
    arena_close(&arena);
    return good;
}

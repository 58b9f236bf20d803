/* pass.c: a net run over batches of one shape: its memory, its states, a run. */
#include "pass.h"
#include "schedule.h"

#include <stdlib.h>
#include <string.h>

int pass_windows(const PassShape *s)
{
    return (s->T + s->chunk - 1) / s->chunk;
}

/* ---- memory ---- */

/* Steps of the longest window, with those that lead it. */
static int longest(const PassShape *s)
{
    const int steps = s->back > s->chunk ? s->back : s->chunk + s->burn_in;
    return steps < s->T ? steps : s->T;
}

static bool direction_open(Pass *p, int l, int d, Error *err)
{
    const WeftNet *const net = p->net;
    Direction *const direction = &p->direction[2 * l + d];
    *direction =
        (Direction){.pass = p, .layer = l, .backward = d == 1, .state = p->states};
    const StepShape shape = {.T = p->span,
                             .B = p->shape.B,
                             .symbols = l == 0 && net->model.input == WEFT_SYMBOLS,
                             .training = pass_goes_back(p),
                             .dinput = l > 0 || net->model.input == WEFT_EMBEDDING,
                             .slots = p->split.slots,
                             .scan = p->shape.scan,
                             .flow = p->shape.purpose == PURPOSE_FLOW};
    if (!step_open(&net->layer[l].graph, &shape, &direction->step, err)) return false;
    if (d == 0) p->states += step_state_count(&direction->step);
    if (p->split.units == 1) return true;
    direction->gang =
        calloc((size_t)p->split.slots * (size_t)p->split.rows, sizeof(Gang));
    return direction->gang || error(err, "out of memory");
}

static void direction_place(Direction *d, Arena *arena)
{
    const Split *const s = &d->pass->split;
    step_place(&d->step, arena);
    for (int i = 0; d->gang && i < s->slots * s->rows; i++)
        gang_place(&d->gang[i], s->units, step_shared(&d->step), arena);
}

static size_t scratch_floats(const Pass *p)
{
    size_t most = simd->gradient_scratch(net_width(p->net));
    for (int i = 0; i < 2 * p->net->model.layer_count; i++) {
        if (!p->direction[i].pass) continue;
        const size_t floats = step_scratch(&p->direction[i].step);
        if (floats > most) most = floats;
    }
    return most;
}

static void pass_place(Pass *p, Arena *arena)
{
    const WeftNet *const net = p->net;
    const int L = net->model.layer_count;
    const size_t scratch = scratch_floats(p), B = (size_t)p->shape.B;
    batch_place(p, arena);
    for (int j = 0; j <= L; j++) joint_place(&p->joint[j], arena);
    for (int i = 0; i < 2 * L; i++)
        if (p->direction[i].pass) direction_place(&p->direction[i], arena);
    head_place(&p->head, arena);
    for (int i = 0; i < pass_windows(&p->shape); i++) {
        Window *const w = &p->window[i];
        w->begun = ARENA_TAKE(arena, int, B);
        w->ended = ARENA_TAKE(arena, int, B);
        w->rbegun = ARENA_TAKE(arena, int, B);
        w->rended = ARENA_TAKE(arena, int, B);
    }
    if (p->shape.stale) {
        const size_t entry = 1 + B * p->states;
        p->entry = ARENA_TAKE(arena, float, (size_t)p->shape.windows *entry);
    }
    for (int i = 0; i < p->threads; i++)
        p->scratch[i] = ARENA_TAKE(arena, float, scratch);
}

/* Segments are cut where they can be, and asked for where something can. */
static bool check_scan(const Pass *p, Error *err)
{
    const WeftModel *const m = &p->net->model;
    bool affine = p->shape.scan == 0;
    for (int i = 0; i < 2 * m->layer_count; i++) affine |= p->direction[i].step.affine;
    return affine ||
           error(
               err,
               "scan %d: no layer has a loop to cut: a state of cell %s is not of the "
               "form h' = a * h + b, a and b without states",
               p->shape.scan, cell_name(m->layers[0].cell));
}

bool pass_build(WeftNet *net, const PassShape *shape, int threads, const Split *split,
                Pass **pass, Error *err)
{
    const int L = net->model.layer_count;
    Pass *const p = *pass = calloc(1, sizeof *p);
    if (!p) return error(err, "out of memory");
    p->net = net;
    p->shape = *shape;
    p->span = longest(shape);
    p->threads = threads;
    p->split = *split;
    p->joint = calloc((size_t)L + 1, sizeof *p->joint);
    p->direction = calloc(2 * (size_t)L, sizeof *p->direction);
    p->window = calloc((size_t)pass_windows(shape), sizeof *p->window);
    p->scratch = calloc((size_t)threads, sizeof *p->scratch);
    if (!p->joint || !p->direction || !p->window || !p->scratch)
        return error(err, "out of memory");

    p->head = (Head){.pass = p, .width = net_width(net), .outputs = net->model.outputs};
    for (int j = 0; j <= L; j++) joint_open(p, j);
    for (int l = 0; l < L; l++)
        for (int d = 0; d < net->layer[l].directions; d++)
            if (!direction_open(p, l, d, err)) return false;
    return check_scan(p, err);
}

size_t pass_bytes(Pass *p)
{
    Arena need = {0};
    pass_place(p, &need);
    return need.used;
}

static void say_split(Pass *p, size_t bytes)
{
    const Split *const s = &p->split;
    snprintf(p->words, sizeof p->words,
             "%d block%s of rows, each of %d thread%s, %d chunk%s in flight, %sweight "
             "gradients in %d part%s; %.1f MiB",
             s->rows, s->rows == 1 ? "" : "s", s->units, s->units == 1 ? "" : "s",
             s->slots, s->slots == 1 ? "" : "s", s->ahead ? "inputs ahead, " : "",
             s->parts, s->parts == 1 ? "" : "s", (double)bytes / (1 << 20));
}

bool pass_open(WeftNet *net, const PassShape *shape, const Split *split, Pass **pass,
               Error *err)
{
    if (!pass_build(net, shape, weft_team_threads(net->team), split, pass, err))
        return false;
    Pass *const p = *pass;
    const size_t bytes = pass_bytes(p);
    if (!arena_open(&p->arena, bytes, err)) return false;
    pass_place(p, &p->arena);
    say_split(p, bytes);
    return true;
}

static void forget(PassList *list)
{
    for (int crew = 0; crew < CREWS; crew++) tiles_close(list->of[crew]);
    *list = (PassList){0};
}

void pass_close(Pass *p)
{
    if (!p) return;
    for (int i = 0; i < 2; i++) forget(&p->list[i]);
    for (int i = 0; p->direction && i < 2 * p->net->model.layer_count; i++)
        if (p->direction[i].pass) {
            step_close(&p->direction[i].step);
            free(p->direction[i].gang);
        }
    arena_close(&p->arena);
    free(p->joint);
    free(p->direction);
    free(p->window);
    free(p->scratch);
    free(p);
}

/* ---- carried states: those of the forward directions ---- */

void pass_get_states(const Pass *p, float *states)
{
    for (int b = 0; b < p->shape.B; b++)
        for (int l = 0; l < p->net->model.layer_count; l++) {
            const Step *const step = &p->direction[2 * l].step;
            step_get_state(step, p->next.slot, p->next.t, b, states);
            states += step_state_count(step);
        }
}

void pass_set_states(Pass *p, const float *states)
{
    for (int b = 0; b < p->shape.B; b++)
        for (int l = 0; l < p->net->model.layer_count; l++) {
            Step *const step = &p->direction[2 * l].step;
            step_set_state(step, 0, 0, b, states);
            states += step_state_count(step);
        }
    p->carried = true;
    p->next = (Entry){0};
}

static bool move_states(const Pass *from, Pass *to, Error *err)
{
    if (!from || !from->carried || from->shape.B != to->shape.B) return true;
    const size_t floats = from->states * (size_t)from->shape.B;
    float *const states = malloc((floats + 1) * sizeof *states);
    if (!states) return error(err, "out of memory");
    pass_get_states(from, states);
    pass_set_states(to, states);
    free(states);
    return true;
}

static bool same_shape(const PassShape *a, const PassShape *b)
{
    return a->purpose == b->purpose && a->T == b->T && a->B == b->B &&
           a->chunk == b->chunk && a->back == b->back && a->burn_in == b->burn_in &&
           a->windows == b->windows && a->stale == b->stale && a->scan == b->scan;
}

bool pass_shape(const PassShape *shape, PassShape *whole, Error *err)
{
    if (shape->T < 1 || shape->B < 1 || (int64_t)shape->T * shape->B > INT32_MAX / 2)
        return error(err, "a batch of %d steps and %d rows: 1 or more, 2^30 in all",
                     shape->T, shape->B);
    *whole = *shape;
    const int windows = pass_windows(shape);
    if (whole->windows == 0 || whole->windows > windows) whole->windows = windows;
    return true;
}

bool pass_ready(WeftNet *net, Pass **pass, const PassShape *shape, Error *err)
{
    PassShape whole;
    if (!pass_shape(shape, &whole, err)) return false;
    if (*pass && same_shape(&(*pass)->shape, &whole)) return true;
    Choice best;
    Pass *made = NULL;
    if (!schedule_choose(net, &whole, team_terms(net->team), &best, err) ||
        !pass_open(net, &whole, &best.split, &made, err) ||
        !move_states(*pass, made, err)) {
        pass_close(made);
        return false;
    }
    pass_close(*pass);
    *pass = made;
    return true;
}

/* ---- running ---- */

/* Live steps of the window's rows. */
static void window_lengths(const Pass *p, Window *w)
{
    w->lengths = false;
    for (int b = 0; b < p->shape.B; b++) {
        const int left = p->batch.length[b] - w->t0;
        w->begun[b] = 0;
        w->ended[b] = left < 0 ? 0 : left < w->T ? left : w->T;
        w->rbegun[b] = w->T - w->ended[b];
        w->rended[b] = w->T;
        if (w->ended[b] < w->T) w->lengths = true;
    }
}

void pass_window(const PassShape *s, int own, Window *w)
{
    const int left = s->T - own, steps = left < s->chunk ? left : s->chunk;
    const int lead = s->back > steps ? s->back - steps : s->burn_in;
    w->lead = lead < own ? lead : own;
    w->cut = s->burn_in ? w->lead : 0;
    w->t0 = own - w->lead;
    w->T = w->lead + steps;
}

/* What the window after w enters: a state that is kept in w's slot. */
static Entry entry_after(const Pass *p, const Window *w)
{
    Window next;
    const int own = w->t0 + w->T;
    pass_window(&p->shape, own < p->shape.T ? own : 0, &next);
    return (Entry){w->slot, w->T - next.lead};
}

static void open_windows(Pass *p, bool fresh)
{
    for (int i = 0; i < p->windows; i++) {
        Window *const w = &p->window[i];
        pass_window(&p->shape, p->offset + i * p->shape.chunk, w);
        w->slot = i % p->split.slots;
        w->fresh = (w->t0 == 0 && fresh) || (i == 0 && !p->carried);
        w->enter = p->next;
        p->next = entry_after(p, w);
        w->stale = w->leave = NULL;
        w->leave_t = p->next.t;
        window_lengths(p, w);
    }
    if (p->shape.stale) stale_open(p);
}

size_t pass_span(const Pass *p, size_t *first)
{
    const size_t B = (size_t)p->shape.B;
    const Window *const last = &p->window[p->windows - 1];
    *first = p->net->model.vector ? 0 : (size_t)p->offset * B;
    return p->net->model.vector ? B : (size_t)(last->t0 + last->T - p->offset) * B;
}

/* Weights are known before the losses, so that every gradient is scaled as it is made.
 * A row of a vector net has its target where it ends. */
static void open_targets(Pass *p)
{
    size_t first;
    const size_t n = pass_span(p, &first);
    if (p->net->model.vector) {
        const int end = p->window[p->windows - 1].t0 + p->window[p->windows - 1].T;
        for (int b = 0; b < p->shape.B; b++) {
            const int last = p->batch.length[b] - 1;
            const bool here = last >= p->offset && last < end;
            p->weight[b] = here ? p->batch.weight[b] : 0;
        }
        memset(p->head.a, 0, n * p->head.row * sizeof(float));
    }
    memset(p->loss + first, 0, n * sizeof *p->loss);
    if (p->hit) memset(p->hit + first, 0, n * sizeof *p->hit);
    p->weight_sum = simd->sum(n, p->weight + first);
    p->scale = p->weight_sum > 0 ? (float)(1 / p->weight_sum) : 0;
    if (p->shape.purpose == PURPOSE_FLOW) p->scale = 1; /* each row's loss is its own */
}

static Crew crew_of(const Pass *p)
{
    Team *const team = p->net->team;
    if (p->threads > 1 && team_next(team) == 1) return ALONE;
    return p->split.units > 1 && team_on_time(team) ? GANGS : THREADS;
}

/* Gangs are for threads that are on time: a member that is late makes all the others wait in
 * every step. And one thread does best with all rows at once. */
static Split split_for(const Pass *p, Crew crew)
{
    Split split = p->split;
    if (crew != GANGS) split.units = 1;
    if (crew == ALONE) split.rows = split.parts = 1;
    return split;
}

static bool weave_planned(Pass *p, int windows, Crew crew, TileList **list, Error *err)
{
    const Terms *const terms = team_terms(p->net->team);
    const Split split = split_for(p, crew);
    PlanMachine machine = terms->machine;
    Plan plan;
    if (crew == ALONE) machine.cores = machine.domain = 1;
    if (!pass_weave(p, windows, &split, &terms->rates, list, err)) return false;
    if (plan_make(*list, &machine, &plan, err)) return true;
    tiles_close(*list);
    *list = NULL;
    return false;
}

/* One of the two is of so many windows, or becomes so. */
static TileList *find_list(Pass *p, int windows, Error *err)
{
    const int i = p->list[0].windows && p->list[0].windows != windows;
    const Crew crew = crew_of(p);
    PassList *const list = &p->list[i];
    TileList **const wanted = &list->of[crew];
    if (list->windows != windows) forget(list);
    list->windows = windows;
    if (!*wanted && !weave_planned(p, windows, crew, wanted, err)) return NULL;
    return *wanted;
}

bool pass_run(Pass *p, int offset, int windows, bool fresh, Error *err)
{
    TileList *const list = find_list(p, windows, err);
    if (!list) return false;
    p->offset = offset;
    p->windows = windows;
    open_windows(p, fresh);
    if (p->shape.purpose != PURPOSE_PREDICT) open_targets(p);
    team_run(p->net->team, list);
    p->carried = true;
    return true;
}

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

static bool direction_open(Side *side, int l, int d, Error *err)
{
    const Pass *const p = side->pass;
    Direction *const direction = &side->direction[2 * l + d];
    *direction = (Direction){
        .side = side, .layer = l, .backward = d == 1, .state = side->states};
    const StepShape shape = {.T = side->span,
                             .B = p->shape.B,
                             .symbols = l == 0 && side->stack->input == WEFT_SYMBOLS,
                             .training = pass_goes_back(p),
                             .dinput = side->joint[l].learns,
                             .slots = p->split.slots,
                             .scan = p->shape.scan,
                             .flow = p->shape.purpose == PURPOSE_FLOW};
    if (!step_open(&side->stack->layer[l].graph, &shape, &direction->step, err))
        return false;
    if (d == 0 || side->index == ENCODER)
        side->states += step_state_count(&direction->step);
    if (p->split.units == 1) return true;
    direction->gang =
        calloc((size_t)p->split.slots * (size_t)p->split.rows, sizeof(Gang));
    return direction->gang || error(err, "out of memory");
}

static void direction_place(Direction *d, Arena *arena)
{
    const Split *const s = &d->side->pass->split;
    step_place(&d->step, arena);
    for (int i = 0; d->gang && i < s->slots * s->rows; i++)
        gang_place(&d->gang[i], s->units, step_shared(&d->step), arena);
}

static int windows_of(const Side *side)
{
    return side->index == MAIN ? pass_windows(&side->pass->shape) : 1;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t scratch_floats(const Pass *p)
{
    size_t floats = attention_scratch(p);
    for (int i = 0; i < LINEARS; i++)
        floats = larger(floats, simd->gradient_scratch(p->linear[i].params.k));
    for (int side = 0; side < STACKS; side++)
        for (int i = 0; i < 2 * p->side[side].stack->count; i++) {
            const Direction *const d = &p->side[side].direction[i];
            if (d->side) floats = larger(floats, step_scratch(&d->step));
        }
    return floats;
}

static void window_place(Window *w, size_t T, size_t B, Arena *arena)
{
    int **const rows[] = {&w->begun, &w->ended, &w->rbegun, &w->rended};
    int **const steps[] = {&w->live, &w->rlive, &w->row_at, &w->rrow_at};
    for (int i = 0; i < 4; i++) *rows[i] = ARENA_TAKE(arena, int, B);
    for (int i = 0; i < 4; i++) *steps[i] = ARENA_TAKE(arena, int, T + 1);
    w->row = ARENA_TAKE(arena, int, T *B);
    w->rrow = ARENA_TAKE(arena, int, T *B);
}

static void side_place(Side *side, Arena *arena)
{
    const int L = side->stack->count;
    if (side->T == 0) return;
    for (int j = 0; j <= L; j++) joint_place(&side->joint[j], arena);
    for (int i = 0; i < 2 * L; i++)
        if (side->direction[i].side) direction_place(&side->direction[i], arena);
    for (int i = 0; i < windows_of(side); i++)
        window_place(&side->window[i], (size_t)side->span, (size_t)side->pass->shape.B,
                     arena);
}

static void pass_place(Pass *p, Arena *arena)
{
    const size_t B = (size_t)p->shape.B;
    batch_place(p, arena);
    for (int i = 0; i < STACKS; i++) side_place(&p->side[i], arena);
    for (int i = 0; i < LINEARS; i++)
        linear_place(&p->linear[i], pass_goes_back(p), arena);
    p->share = ARENA_TAKE(arena, int, B + 1);
    hand_over_place(p, arena);
    attention_place(p, arena);
    head_place(&p->head, arena);
    if (p->shape.stale) {
        const size_t entry = 1 + B * p->side[MAIN].states;
        p->entry = ARENA_TAKE(arena, float, (size_t)p->shape.windows *entry);
    }
    const size_t scratch = scratch_floats(p);
    for (int i = 0; i < p->threads; i++)
        p->scratch[i] = ARENA_TAKE(arena, float, scratch);
}

/* Segments are cut where they can be, and asked for where something can. */
static bool check_scan(const Pass *p, Error *err)
{
    const WeftModel *const m = &p->net->model;
    bool affine = p->shape.scan == 0;
    for (int i = 0; i < 2 * m->layer_count; i++)
        affine |= p->side[MAIN].direction[i].step.affine;
    return affine ||
           error(
               err,
               "scan %d: no layer has a loop to cut: a state of cell %s is not of the "
               "form h' = a * h + b, a and b without states",
               p->shape.scan, cell_name(m->layers[0].cell));
}

static bool side_open(Pass *p, StackIndex index, Error *err)
{
    Side *const side = &p->side[index];
    const Stack *const stack = &p->net->stack[index];
    const size_t L = (size_t)stack->count;
    const bool main = index == MAIN;
    *side = (Side){.pass = p,
                   .index = index,
                   .stack = stack,
                   .T = main ? p->shape.T : p->shape.S,
                   .span = main ? longest(&p->shape) : p->shape.S};
    side->joint = calloc(L + 1, sizeof *side->joint);
    side->direction = calloc(2 * L + 1, sizeof *side->direction);
    side->window = calloc((size_t)windows_of(side), sizeof *side->window);
    if (!side->joint || !side->direction || !side->window)
        return error(err, "out of memory");
    if (side->T == 0) return true;
    for (int j = 0; j <= stack->count; j++) joint_open(side, j);
    for (int l = 0; l < stack->count; l++)
        for (int d = 0; d < stack->layer[l].directions; d++)
            if (!direction_open(side, l, d, err)) return false;
    return true;
}

static void side_close(Side *side)
{
    for (int i = 0; side->direction && i < 2 * side->stack->count; i++)
        if (side->direction[i].side) {
            step_close(&side->direction[i].step);
            free(side->direction[i].gang);
        }
    free(side->joint);
    free(side->direction);
    free(side->window);
}

static void linears_open(Pass *p)
{
    const double B = p->shape.B;
    const double rows[LINEARS] = {[STATES_LINEAR] = B,
                                  [FIRST_LINEAR] = B,
                                  [QUERY_LINEAR] = B * p->shape.T,
                                  [MEMORY_LINEAR] = B * p->shape.S};
    for (int i = 0; i < LINEARS; i++)
        p->linear[i] = (Linear){.pass = p,
                                .net = p->net,
                                .index = (LinearIndex)i,
                                .params = p->net->linear[i],
                                .rows = rows[i]};
}

bool pass_build(WeftNet *net, const PassShape *shape, int threads, const Split *split,
                Pass **pass, Error *err)
{
    Pass *const p = *pass = calloc(1, sizeof *p);
    if (!p) return error(err, "out of memory");
    p->net = net;
    p->shape = *shape;
    p->threads = threads;
    p->split = *split;
    p->scratch = calloc((size_t)threads, sizeof *p->scratch);
    if (!p->scratch) return error(err, "out of memory");
    p->head = (Head){.pass = p, .width = net_width(net), .outputs = net->model.outputs};
    linears_open(p);
    return side_open(p, MAIN, err) && side_open(p, ENCODER, err) && check_scan(p, err);
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
    for (int i = 0; i < STACKS; i++)
        if (p->side[i].pass) side_close(&p->side[i]);
    arena_close(&p->arena);
    free(p->scratch);
    free(p);
}

/* ---- carried states: those of the forward directions ---- */

void pass_get_state(const Pass *p, int slot, int t, int b, float *states)
{
    const Side *const main = &p->side[MAIN];
    for (int l = 0; l < main->stack->count; l++)
        step_get_state(&main->direction[2 * l].step, slot, t, b,
                       states + main->direction[2 * l].state);
}

void pass_set_state(Pass *p, int slot, int t, int b, const float *states)
{
    const Side *const main = &p->side[MAIN];
    for (int l = 0; l < main->stack->count; l++)
        step_set_state(&main->direction[2 * l].step, slot, t, b,
                       states + main->direction[2 * l].state);
}

void pass_get_states(const Pass *p, float *states)
{
    for (int b = 0; b < p->shape.B; b++)
        pass_get_state(p, p->next.slot, p->next.t, b,
                       states + (size_t)b * p->side[MAIN].states);
}

void pass_set_states(Pass *p, const float *states)
{
    for (int b = 0; b < p->shape.B; b++)
        pass_set_state(p, 0, 0, b, states + (size_t)b * p->side[MAIN].states);
    p->carried = true;
    p->next = (Entry){0};
}

static bool move_states(const Pass *from, Pass *to, Error *err)
{
    if (!from || !from->carried || from->shape.B != to->shape.B ||
        from->shape.S != to->shape.S) /* what was read has no place there */
        return true;
    if (from->shape.S > 0) hand_over_move(from, to);
    const size_t floats = from->side[MAIN].states * (size_t)from->shape.B;
    float *const states = malloc((floats + 1) * sizeof *states);
    if (!states) return error(err, "out of memory");
    pass_get_states(from, states);
    pass_set_states(to, states);
    free(states);
    return true;
}

static bool same_shape(const PassShape *a, const PassShape *b)
{
    return a->purpose == b->purpose && a->T == b->T && a->B == b->B && a->S == b->S &&
           a->chunk == b->chunk && a->back == b->back && a->burn_in == b->burn_in &&
           a->windows == b->windows && a->stale == b->stale && a->scan == b->scan;
}

/* The gradient of a net with an encoder goes through all of both. */
static bool check_source(const WeftNet *net, const PassShape *s, Error *err)
{
    if (s->chunk < s->T || s->stale || s->scan)
        return error(err, "a net with an encoder is trained over whole sequences: no "
                          "chunk, stale or scan");
    if (s->S < 1 || (int64_t)s->S * s->B > INT32_MAX / 2)
        return error(err,
                     "%d steps and %d rows for the encoder: 1 or more, 2^30 in all",
                     s->S, s->B);
    return s->S == 1 || net->model.encoder->layer_count > 0 ||
           error(err, "an encoder without layers reads 1 step, not %d", s->S);
}

bool pass_shape(const WeftNet *net, const PassShape *shape, PassShape *whole,
                Error *err)
{
    if (shape->T < 1 || shape->B < 1 || (int64_t)shape->T * shape->B > INT32_MAX / 2)
        return error(err, "a batch of %d steps and %d rows: 1 or more, 2^30 in all",
                     shape->T, shape->B);
    *whole = *shape;
    const int windows = pass_windows(shape);
    if (whole->windows == 0 || whole->windows > windows) whole->windows = windows;
    whole->S = !net->model.encoder ? 0 : shape->S ? shape->S : 1;
    return whole->S == 0 || check_source(net, whole, err);
}

bool pass_ready(WeftNet *net, Pass **pass, const PassShape *shape, Error *err)
{
    PassShape whole;
    if (!pass_shape(net, shape, &whole, err)) return false;
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

/* Of rows that are live in steps [begun, ended), or of all: how many rows each step has work for,
 * and the list of them. */
static void list_live(int T, int B, bool all, const int *begun, const int *ended,
                      int *live, int *row, int *row_at)
{
    int count = 0;
    for (int t = 0; t < T; t++) {
        live[t] = 0;
        row_at[t] = count;
        for (int b = 0; b < B; b++)
            if (all || (begun[b] <= t && t < ended[b])) {
                row[count++] = t * B + b;
                live[t] = b + 1;
            }
    }
    row_at[T] = count;
}

/* Live steps of the window's rows. */
static void window_lengths(const Side *side, Window *w)
{
    const int B = side->pass->shape.B;
    w->lengths = false;
    for (int b = 0; b < B; b++) {
        const int left = side->length[b] - w->t0;
        w->begun[b] = 0;
        w->ended[b] = left < 0 ? 0 : left < w->T ? left : w->T;
        w->rbegun[b] = w->T - w->ended[b];
        w->rended[b] = w->T;
        if (w->ended[b] < w->T) w->lengths = true;
    }
    if (!w->lengths) return;
    const bool all = side->pass->shape.scan > 0; /* scans work frozen rows out too */
    list_live(w->T, B, all, w->begun, w->ended, w->live, w->row, w->row_at);
    list_live(w->T, B, all, w->rbegun, w->rended, w->rlive, w->rrow, w->rrow_at);
}

/* Steps of a row, of both sides. */
static int64_t steps_of(const Pass *p, int b)
{
    return p->batch.length[b] + (p->shape.S > 0 ? p->batch.source_length[b] : 0);
}

#define STEP_ROWS                                                                      \
    3 /* a step of a block costs as much as so many rows of it, beside its own */

/* The row before which the first block ends that begins at `first` and takes at most so long, in
 * steps of rows. */
static int block_end(const Pass *p, int first, int64_t most)
{
    int64_t longest = 0, all = 0;
    int b = first;
    for (; b < p->shape.B; b++) {
        const int64_t steps = steps_of(p, b);
        all += steps;
        if (steps > longest) longest = steps;
        if (b > first && all + STEP_ROWS * longest > most) break;
    }
    return b;
}

/* Whether so many blocks suffice for all rows. */
static bool blocks_suffice(const Pass *p, int blocks, int64_t most)
{
    int row = 0;
    for (int i = 0; i < blocks; i++) row = block_end(p, row, most);
    return row == p->shape.B;
}

/* Blocks are of as many rows each where all are as long; else the longest of them is as short as
 * can be. */
static void share_rows(Pass *p)
{
    const int B = p->shape.B, blocks = p->split.rows;
    int64_t least = 0, enough = 0;
    bool alike = true;
    for (int b = 0; b <= B; b++) p->share[b] = b;
    for (int b = 0; b < B; b++) {
        alike &= steps_of(p, b) == steps_of(p, 0);
        enough += (1 + STEP_ROWS) * steps_of(p, b);
    }
    if (alike || blocks == 1) return;
    while (enough - least > 1) {
        const int64_t middle = least + (enough - least) / 2;
        *(blocks_suffice(p, blocks, middle) ? &enough : &least) = middle;
    }
    for (int i = 0, row = 0; i < blocks; i++) {
        p->share[part_at(B, 1, i, blocks)] = row;
        row = block_end(p, row, enough);
    }
    p->share[B] = B;
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

/* What the encoder reads. */
static void open_source(Pass *p)
{
    const Side *const side = &p->side[ENCODER];
    Window *const w = side->window;
    w->T = side->T;
    w->fresh = true;
    window_lengths(side, w);
}

static void open_windows(Pass *p, bool fresh)
{
    Window *const window = p->side[MAIN].window;
    for (int i = 0; i < p->windows; i++) {
        Window *const w = &window[i];
        pass_window(&p->shape, p->offset + i * p->shape.chunk, w);
        w->slot = i % p->split.slots;
        w->fresh = (w->t0 == 0 && fresh) || (i == 0 && !p->carried);
        w->enter = p->next;
        p->next = entry_after(p, w);
        w->stale = w->leave = NULL;
        w->leave_t = p->next.t;
        window_lengths(&p->side[MAIN], w);
    }
    share_rows(p);
    if (p->shape.stale) stale_open(p);
    p->encodes = p->shape.S > 0 && fresh;
    if (!p->encodes) return;
    open_source(p);
    if (!(p->net->model.hand_over & WEFT_STATES)) return;
    window->fresh = false;
    window->enter = (Entry){0};
}

size_t pass_span(const Pass *p, size_t *first)
{
    const size_t B = (size_t)p->shape.B;
    const Window *const last = &p->side[MAIN].window[p->windows - 1];
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
        const Window *const last_one = &p->side[MAIN].window[p->windows - 1];
        const int end = last_one->t0 + last_one->T;
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

/* pass.c: a net run over batches of one shape: all memory, and the tiles of an update.
 *
 *   start    pack (parts), clear the gradient (parts)
 *   window   enter -> forward -> enter -> forward ... -> head       (blocks of rows)
 *            head -> backward -> leave -> backward ... -> leave     (blocks of rows)
 *            gradients of head, layers, embedding                   (parts)
 *   ...      the next window, when those gradients are done: a Step holds one window
 *   end      the loss, then norm, rates, update
 *
 * A gate is a tile without work: many tiles wait for one counter, not for many. */
#include "pass.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_LEAST 4 /* fewer rows in a block make products that wait for memory */

static bool training(const Pass *p)
{
    return p->shape.purpose == PURPOSE_TRAIN;
}

static int window_count(const PassShape *s)
{
    return (s->T + s->chunk - 1) / s->chunk;
}

/* ---- tiles ---- */

static Chunk chunk_of(const Direction *d, const Window *w)
{
    const Pass *const p = d->pass;
    const WeftNet *const net = p->net;
    const Joint *const in = &p->joint[d->layer], *const out = in + 1;
    const int last = w->T - 1, B = p->shape.B, way = d->backward ? -1 : 1;
    const uint64_t stream = (uint64_t)(2 * d->layer + d->backward);
    Chunk c = {.T = w->T,
               .fresh = w->fresh || d->backward,
               .drop = training(p),
               .seed = p->seed,
               .stream = STREAM_CELL_DROP + (stream << STREAM_CELL_BITS),
               .time = p->steps + (uint64_t)(w->t0 + (d->backward ? last : 0)),
               .time_sign = way};
    if (w->lengths) {
        c.begin = d->backward ? w->rbegun : w->begun;
        c.end = d->backward ? w->rended : w->ended;
    }

    const ptrdiff_t first = d->backward ? last : 0; /* step 0 of the direction */
    if (d->step.shape.symbols) {
        c.symbol = p->batch.symbol + (w->t0 + first) * B;
        c.symbol_step = way * B;
    } else {
        const View x = joint_view(in, w);
        c.x = (View){x.at + first * x.step, way * x.step, x.row};
    }
    if (!training(p)) return c;

    const ptrdiff_t row = (ptrdiff_t)out->row, step = row * B;
    const int column = d->backward ? net->layer[d->layer].width : 0;
    c.dy = (View){out->dx + first * step + column, way * step, row};
    float *const dx = d->backward ? in->dx_back : in->dx;
    const ptrdiff_t in_row = (ptrdiff_t)in->row, in_step = in_row * B;
    if (dx) c.dx = (View){dx + first * in_step, way * in_step, in_row};
    return c;
}

static const Window *window_of(const Pass *p, const Tile *tile)
{
    return &p->window[tile->index];
}

static void run_gate(const Tile *tile, int worker)
{
    (void)tile, (void)worker;
}

static void run_pack(const Tile *tile, int worker)
{
    (void)worker;
    Direction *const d = tile->context;
    const WeftNet *const net = d->pass->net;
    step_pack(&d->step, net->params + net->layer[d->layer].params[d->backward],
              tile->part, tile->parts);
}

static void run_head_pack(const Tile *tile, int worker)
{
    (void)worker;
    head_pack(tile->context, tile->part, tile->parts);
}

static void run_clear(const Tile *tile, int worker)
{
    (void)worker;
    const Pass *const p = tile->context;
    const size_t n = p->net->count, parts = (size_t)tile->parts;
    const size_t at = n * (size_t)tile->part / parts;
    const size_t end = n * (size_t)(tile->part + 1) / parts;
    memset(p->net->grads + at, 0, (end - at) * sizeof(float));
}

static void run_enter(const Tile *tile, int worker)
{
    (void)worker;
    const Joint *const j = tile->context;
    joint_enter(j, window_of(j->pass, tile), tile->first, tile->end);
}

static void run_leave(const Tile *tile, int worker)
{
    (void)worker;
    const Joint *const j = tile->context;
    joint_leave(j, window_of(j->pass, tile), tile->first, tile->end);
}

static void run_forward(const Tile *tile, int worker)
{
    Direction *const d = tile->context;
    const WeftNet *const net = d->pass->net;
    const Chunk chunk = chunk_of(d, window_of(d->pass, tile));
    step_forward(&d->step, &chunk,
                 net->params + net->layer[d->layer].params[d->backward], tile->first,
                 tile->end, d->pass->scratch[worker]);
}

static void run_backward(const Tile *tile, int worker)
{
    Direction *const d = tile->context;
    const WeftNet *const net = d->pass->net;
    const Chunk chunk = chunk_of(d, window_of(d->pass, tile));
    step_backward(&d->step, &chunk,
                  net->params + net->layer[d->layer].params[d->backward], tile->first,
                  tile->end, d->pass->scratch[worker]);
}

static void run_gradient(const Tile *tile, int worker)
{
    Direction *const d = tile->context;
    const WeftNet *const net = d->pass->net;
    const Chunk chunk = chunk_of(d, window_of(d->pass, tile));
    step_gradient(&d->step, &chunk,
                  net->grads + net->layer[d->layer].params[d->backward], tile->part,
                  tile->parts, d->pass->scratch[worker]);
}

static void run_head(const Tile *tile, int worker)
{
    (void)worker;
    Head *const h = tile->context;
    const Pass *const p = h->pass;
    const Joint *const j = &p->joint[p->net->model.layer_count];
    const Window *const w = window_of(p, tile);
    joint_enter(j, w, tile->first, tile->end);
    head_run(h, w, tile->first, tile->end);
    joint_leave(j, w, tile->first, tile->end);
}

static void run_head_gradient(const Tile *tile, int worker)
{
    Head *const h = tile->context;
    head_gradient(h, window_of(h->pass, tile), tile->part, tile->parts,
                  h->pass->scratch[worker]);
}

static void run_embedding_gradient(const Tile *tile, int worker)
{
    (void)worker;
    const Joint *const j = tile->context;
    embedding_gradient(j, window_of(j->pass, tile), tile->part, tile->parts);
}

/* The targets of the windows at hand, in the arrays of losses and weights. */
static size_t span_of(const Pass *p, size_t *first)
{
    const size_t B = (size_t)p->shape.B;
    const Window *const last = &p->window[p->windows - 1];
    *first = p->net->model.vector ? 0 : (size_t)p->offset * B;
    return p->net->model.vector ? B : (size_t)(last->t0 + last->T - p->offset) * B;
}

static void run_loss(const Tile *tile, int worker)
{
    (void)worker;
    Pass *const p = tile->context;
    size_t first;
    const size_t n = span_of(p, &first);
    p->loss_sum = simd->sum(n, p->loss + first);
    if (p->hit) p->hit_sum = simd->sum(n, p->hit + first);
}

/* ---- the list ---- */

/* Tiles with successive numbers. */
typedef struct Tiles {
    int first, count;
} Tiles;

typedef struct Weave {
    Pass *pass;
    TileList *list;
    int threads, blocks; /* parts; blocks of rows */
    int window;
} Weave;

static Tiles add_parts(const Weave *w, void (*run)(const Tile *, int), void *context)
{
    const Tiles tiles = {tiles_count(w->list), w->threads};
    for (int i = 0; i < tiles.count; i++)
        (void)tiles_add(w->list, (Tile){.run = run,
                                        .context = context,
                                        .part = i,
                                        .parts = tiles.count,
                                        .index = w->window,
                                        .owner = i});
    return tiles;
}

static Tiles add_rows(const Weave *w, void (*run)(const Tile *, int), void *context)
{
    const Tiles tiles = {tiles_count(w->list), w->blocks};
    const int B = w->pass->shape.B;
    for (int i = 0; i < tiles.count; i++)
        (void)tiles_add(w->list,
                        (Tile){.run = run,
                               .context = context,
                               .first = (int)((int64_t)B * i / tiles.count),
                               .end = (int)((int64_t)B * (i + 1) / tiles.count),
                               .index = w->window,
                               .owner = i * w->threads / tiles.count});
    return tiles;
}

static Tiles add_one(const Weave *w, void (*run)(const Tile *, int))
{
    const Tiles tiles = {tiles_count(w->list), 1};
    (void)tiles_add(w->list,
                    (Tile){.run = run, .context = w->pass, .index = w->window});
    return tiles;
}

static void after_each(const Weave *w, Tiles later, Tiles earlier)
{
    assert(later.count == earlier.count);
    for (int i = 0; i < later.count; i++)
        tiles_after(w->list, later.first + i, earlier.first + i);
}

static void after_all(const Weave *w, Tiles later, Tiles earlier)
{
    assert(later.count == 1 || earlier.count == 1); /* else a gate saves edges */
    for (int i = 0; i < later.count; i++)
        for (int k = 0; k < earlier.count; k++)
            tiles_after(w->list, later.first + i, earlier.first + k);
}

/* A gate behind both. */
static Tiles add_gate(const Weave *w, Tiles a, Tiles b)
{
    const Tiles gate = add_one(w, run_gate);
    after_all(w, gate, a);
    after_all(w, gate, b);
    return gate;
}

static Tiles add_start(const Weave *w)
{
    Pass *const p = w->pass;
    const WeftNet *const net = p->net;
    Tiles start = add_one(w, run_gate);
    for (int l = 0; l < net->model.layer_count; l++)
        for (int d = 0; d < net->layer[l].directions; d++)
            start =
                add_gate(w, start, add_parts(w, run_pack, &p->direction[2 * l + d]));
    start = add_gate(w, start, add_parts(w, run_head_pack, &p->head));
    return training(p) ? add_gate(w, start, add_parts(w, run_clear, p)) : start;
}

static Tiles add_window_forward(const Weave *w, Tiles start)
{
    Pass *const p = w->pass;
    const WeftNet *const net = p->net;
    Tiles below[2] = {0};
    for (int l = 0; l < net->model.layer_count; l++) {
        const Tiles enter = add_rows(w, run_enter, &p->joint[l]);
        if (l == 0) after_all(w, enter, start);
        for (int d = 0; l > 0 && d < net->layer[l - 1].directions; d++)
            after_each(w, enter, below[d]);
        for (int d = 0; d < net->layer[l].directions; d++) {
            below[d] = add_rows(w, run_forward, &p->direction[2 * l + d]);
            after_each(w, below[d], enter);
        }
    }
    const Tiles head = add_rows(w, run_head, &p->head);
    for (int d = 0; d < net->layer[net->model.layer_count - 1].directions; d++)
        after_each(w, head, below[d]);
    return head;
}

/* Gradients in parts, once all rows of `rows` are done; returns a gate behind them and
 * `end`. */
static Tiles add_gradient(const Weave *w, Tiles rows, Tiles end,
                          void (*run)(const Tile *, int), void *context)
{
    const Tiles done = add_gate(w, rows, end);
    const Tiles gradient = add_parts(w, run, context);
    after_all(w, gradient, done);
    return add_gate(w, gradient, done);
}

static Tiles add_window_backward(const Weave *w, Tiles head, bool last)
{
    Pass *const p = w->pass;
    const WeftNet *const net = p->net;
    Tiles above = head, end = add_gate(w, head, head);
    if (!net->model.vector || last)
        end = add_gradient(w, head, end, run_head_gradient, &p->head);
    for (int l = net->model.layer_count - 1; l >= 0; l--) {
        Tiles backward[2];
        for (int d = 0; d < net->layer[l].directions; d++) {
            backward[d] = add_rows(w, run_backward, &p->direction[2 * l + d]);
            after_each(w, backward[d], above);
        }
        above = add_rows(w, run_leave, &p->joint[l]);
        for (int d = 0; d < net->layer[l].directions; d++)
            after_each(w, above, backward[d]);
        for (int d = 0; d < net->layer[l].directions; d++)
            end = add_gradient(w, backward[d], end, run_gradient,
                               &p->direction[2 * l + d]);
    }
    end = add_gate(w, end, above);
    if (net->model.input == WEFT_EMBEDDING)
        end = add_gradient(w, above, end, run_embedding_gradient, &p->joint[0]);
    return end;
}

/* Upper bounds, with two directions everywhere. */
static int tiles_room(const Weave *w, int windows)
{
    const int L = w->pass->net->model.layer_count;
    const int rows = (6 * L + 2) * w->blocks, parts = (2 * L + 3) * w->threads;
    return windows * (rows + parts + 4 * L + 12) + parts + 4 * L + 8 +
           update_tiles(w->threads);
}

static bool list_open(Pass *p, int windows, TileList **list, Error *err)
{
    const int threads = weft_team_threads(p->net->team), most = p->shape.B / ROWS_LEAST;
    Weave w = {.pass = p, .threads = threads};
    w.blocks = most < 1 ? 1 : most < threads ? most : threads;
    const int room = tiles_room(&w, windows);
    if (!tiles_open(room, 4 * room, &w.list, err)) return false;

    Tiles at = add_start(&w);
    for (w.window = 0; w.window < windows; w.window++) {
        const Tiles head = add_window_forward(&w, at);
        at = training(p) ? add_window_backward(&w, head, w.window == windows - 1)
                         : add_gate(&w, head, head);
    }
    w.window = 0;
    if (p->shape.purpose != PURPOSE_PREDICT) {
        const Tiles loss = add_one(&w, run_loss);
        after_all(&w, loss, at);
        at = loss;
    }
    if (training(p)) update_add(&p->net->update, w.list, threads, at.first);
    *list = w.list;
    return true;
}

/* ---- memory ---- */

static void joint_open(Pass *p, int index)
{
    const WeftNet *const net = p->net;
    const WeftModel *const m = &net->model;
    const bool top = index == m->layer_count;
    Joint *const j = &p->joint[index];
    *j = (Joint){.pass = p,
                 .index = index,
                 .width = top ? net_width(net) : net->layer[index].inputs};
    j->row = padded((size_t)j->width);
    if (training(p)) j->drop = top ? m->drop : m->layers[index].drop;
}

static void joint_place(Joint *j, Arena *arena)
{
    const Pass *const p = j->pass;
    const WeftNet *const net = p->net;
    const int L = net->model.layer_count;
    const size_t count = (size_t)p->shape.chunk * (size_t)p->shape.B * j->row;
    const bool embedded = j->index == 0 && net->model.input == WEFT_EMBEDDING;
    const bool joined = j->index > 0 && net->layer[j->index - 1].directions == 2;
    if (embedded || joined || j->drop > 0) j->x = ARENA_TAKE(arena, float, count);
    if (j->drop > 0) j->mask = ARENA_TAKE(arena, float, count);
    if (!training(p) || (j->index == 0 && !embedded)) return;
    j->dx = ARENA_TAKE(arena, float, count);
    if (j->index < L && net->layer[j->index].directions == 2)
        j->dx_back = ARENA_TAKE(arena, float, count);
}

static bool direction_open(Pass *p, int l, int d, Error *err)
{
    const WeftNet *const net = p->net;
    Direction *const direction = &p->direction[2 * l + d];
    *direction = (Direction){.pass = p, .layer = l, .backward = d == 1};
    const StepShape shape = {.T = p->shape.chunk,
                             .B = p->shape.B,
                             .symbols = l == 0 && net->model.input == WEFT_SYMBOLS,
                             .training = training(p),
                             .dinput = l > 0 || net->model.input == WEFT_EMBEDDING};
    return step_open(&net->layer[l].graph, &shape, &direction->step, err);
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
    const int L = net->model.layer_count, threads = weft_team_threads(net->team);
    const size_t scratch = scratch_floats(p), B = (size_t)p->shape.B;
    batch_place(p, arena);
    for (int j = 0; j <= L; j++) joint_place(&p->joint[j], arena);
    for (int i = 0; i < 2 * L; i++)
        if (p->direction[i].pass) step_place(&p->direction[i].step, arena);
    head_place(&p->head, arena);
    for (int i = 0; i < window_count(&p->shape); i++) {
        Window *const w = &p->window[i];
        w->begun = ARENA_TAKE(arena, int, B);
        w->ended = ARENA_TAKE(arena, int, B);
        w->rbegun = ARENA_TAKE(arena, int, B);
        w->rended = ARENA_TAKE(arena, int, B);
    }
    for (int i = 0; i < threads; i++) p->scratch[i] = ARENA_TAKE(arena, float, scratch);
}

static bool pass_open(WeftNet *net, const PassShape *shape, Pass **pass, Error *err)
{
    const int L = net->model.layer_count;
    Pass *const p = *pass = calloc(1, sizeof *p);
    if (!p) return error(err, "out of memory");
    p->net = net;
    p->shape = *shape;
    p->joint = calloc((size_t)L + 1, sizeof *p->joint);
    p->direction = calloc(2 * (size_t)L, sizeof *p->direction);
    p->window = calloc((size_t)window_count(shape), sizeof *p->window);
    p->scratch = calloc((size_t)weft_team_threads(net->team), sizeof *p->scratch);
    if (!p->joint || !p->direction || !p->window || !p->scratch)
        return error(err, "out of memory");

    p->head = (Head){.pass = p, .width = net_width(net), .outputs = net->model.outputs};
    for (int j = 0; j <= L; j++) joint_open(p, j);
    for (int l = 0; l < L; l++)
        for (int d = 0; d < net->layer[l].directions; d++)
            if (!direction_open(p, l, d, err)) return false;

    Arena need = {0};
    pass_place(p, &need);
    if (!arena_open(&p->arena, need.used, err)) return false;
    pass_place(p, &p->arena);
    return true;
}

void pass_close(Pass *p)
{
    if (!p) return;
    for (int i = 0; i < 2; i++) tiles_close(p->list[i]);
    for (int i = 0; p->direction && i < 2 * p->net->model.layer_count; i++)
        if (p->direction[i].pass) step_close(&p->direction[i].step);
    arena_close(&p->arena);
    free(p->joint);
    free(p->direction);
    free(p->window);
    free(p->scratch);
    free(p);
}

/* ---- carried states: those of the forward directions ---- */

size_t pass_state_floats(const Pass *p)
{
    size_t floats = 0;
    for (int l = 0; l < p->net->model.layer_count; l++)
        floats += step_state_count(&p->direction[2 * l].step);
    return floats;
}

void pass_get_states(const Pass *p, float *states)
{
    for (int b = 0; b < p->shape.B; b++)
        for (int l = 0; l < p->net->model.layer_count; l++) {
            const Step *const step = &p->direction[2 * l].step;
            step_get_state(step, b, states);
            states += step_state_count(step);
        }
}

void pass_set_states(Pass *p, const float *states)
{
    for (int b = 0; b < p->shape.B; b++)
        for (int l = 0; l < p->net->model.layer_count; l++) {
            Step *const step = &p->direction[2 * l].step;
            step_set_state(step, b, states);
            states += step_state_count(step);
        }
    p->carried = true;
}

static bool move_states(const Pass *from, Pass *to, Error *err)
{
    if (!from || !from->carried || from->shape.B != to->shape.B) return true;
    const size_t floats = pass_state_floats(from) * (size_t)from->shape.B;
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
           a->chunk == b->chunk;
}

bool pass_ready(WeftNet *net, Pass **pass, const PassShape *shape, Error *err)
{
    if (shape->T < 1 || shape->B < 1 || (int64_t)shape->T * shape->B > INT32_MAX / 2)
        return error(err, "a batch of %d steps and %d rows: 1 or more, 2^30 in all",
                     shape->T, shape->B);
    if (*pass && same_shape(&(*pass)->shape, shape)) return true;
    Pass *made;
    if (!pass_open(net, shape, &made, err) || !move_states(*pass, made, err)) {
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

static void open_windows(Pass *p, bool fresh)
{
    for (int i = 0; i < p->windows; i++) {
        Window *const w = &p->window[i];
        const int t0 = p->offset + i * p->shape.chunk, left = p->shape.T - t0;
        w->t0 = t0;
        w->T = left < p->shape.chunk ? left : p->shape.chunk;
        w->fresh = i == 0 && (fresh || !p->carried);
        window_lengths(p, w);
    }
}

/* Weights are known before the losses, so that every gradient is scaled as it is made.
 * A row of a vector net has its target where it ends. */
static void open_targets(Pass *p)
{
    size_t first;
    const size_t n = span_of(p, &first);
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
}

bool pass_run(Pass *p, int offset, int windows, bool fresh, Error *err)
{
    const int slot = p->list_windows[0] && p->list_windows[0] != windows;
    if (p->list_windows[slot] != windows) {
        tiles_close(p->list[slot]);
        p->list[slot] = NULL;
        p->list_windows[slot] = 0;
        if (!list_open(p, windows, &p->list[slot], err)) return false;
        p->list_windows[slot] = windows;
    }
    p->offset = offset;
    p->windows = windows;
    open_windows(p, fresh);
    if (p->shape.purpose != PURPOSE_PREDICT) open_targets(p);
    team_run(p->net->team, p->list[slot]);
    p->carried = true;
    return true;
}

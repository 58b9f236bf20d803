/* weave.c: the tiles of an update, and which waits for which.
 *
 *   start    pack (parts), clear the gradient (parts)
 *   window   enter -> forward -> enter -> forward ... -> head       (blocks of rows)
 *            head -> backward -> leave -> backward ... -> leave     (blocks of rows)
 *            gradients of head, layers, embedding                   (parts)
 *   end      the loss, then norm, rates, update
 *
 * A forward waits for that of the window before, which left the states (unless stale ones
 * will do); a gradient for that of the window before, part by part, so that chains of sums
 * have one order; a window for the last gradient of the one that had its slot. Nothing
 * else holds a window back: it runs forward while those before it run backward.
 *
 * A gate is a tile without work: many tiles wait for one counter, not for many. */
#include "pass.h"

#include <assert.h>
#include <string.h>

/* ---- what a tile does ---- */

static bool runs_ahead(const Direction *d)
{
    return d->pass->split.ahead > 0 && step_has_before(&d->step);
}

static Chunk chunk_of(const Direction *d, const Window *w)
{
    const Pass *const p = d->pass;
    const WeftNet *const net = p->net;
    const Joint *const in = &p->joint[d->layer], *const out = in + 1;
    const int last = w->T - 1, B = p->shape.B, way = d->backward ? -1 : 1;
    const uint64_t stream = (uint64_t)(2 * d->layer + d->backward);
    Chunk c = {.T = w->T,
               .cut = w->cut,
               .slot = w->slot,
               .ready = runs_ahead(d),
               .fresh = w->fresh || d->backward,
               .from = w->enter.slot,
               .enter_t = w->enter.t,
               .drop = pass_trains(p),
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
    if (!pass_trains(p)) return c;

    const View dy = joint_gradient(out, w);
    const int column = d->backward ? net->layer[d->layer].width : 0;
    c.dy = (View){dy.at + first * dy.step + column, way * dy.step, dy.row};
    if (!in->dx) return c;
    const View dx = d->backward ? joint_gradient_back(in, w) : joint_gradient(in, w);
    c.dx = (View){dx.at + first * dx.step, way * dx.step, dx.row};
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

/* The layer below has left its states, and that above is about to enter its own; of the
 * members of a gang, none need be the first or the last to do so. */
static void enter_joint(const Joint *j, const Tile *tile)
{
    Pass *const p = j->pass;
    const Window *const w = window_of(p, tile);
    if (j->index > 0)
        stale_leave(&p->direction[2 * (j->index - 1)], w, tile->first, tile->end);
    if (j->index < p->net->model.layer_count)
        stale_enter(&p->direction[2 * j->index], w, tile->first, tile->end);
    joint_enter(j, w, tile->first, tile->end);
}

static void run_enter(const Tile *tile, int worker)
{
    (void)worker;
    enter_joint(tile->context, tile);
}

static void run_leave(const Tile *tile, int worker)
{
    (void)worker;
    const Joint *const j = tile->context;
    joint_leave(j, window_of(j->pass, tile), tile->first, tile->end);
}

static const float *params_of(const Direction *d)
{
    const WeftNet *const net = d->pass->net;
    return net->params + net->layer[d->layer].params[d->backward];
}

static int ahead_step(const Tile *tile, const Window *w, int part)
{
    return part_at(w->T, 1, part, tile->parts);
}

static void run_before(const Tile *tile, int worker)
{
    Direction *const d = tile->context;
    const Window *const w = window_of(d->pass, tile);
    const Chunk chunk = chunk_of(d, w);
    const Share share = {tile->first, tile->end, d->pass->scratch[worker], NULL};
    step_before(&d->step, &chunk, params_of(d), &share, ahead_step(tile, w, tile->part),
                ahead_step(tile, w, tile->part + 1));
}

/* A block of rows, or a member's part of it. */
static void run_block(const Tile *tile, int worker,
                      void (*run)(Step *, const Chunk *, const float *, const Share *))
{
    Direction *const d = tile->context;
    const Pass *const p = d->pass;
    const Window *const w = window_of(p, tile);
    const Chunk chunk = chunk_of(d, w);
    const int blocks = p->split.rows, B = p->shape.B;
    const int block = (int)(((int64_t)tile->first * blocks + B - 1) / B);
    const Member member = {d->gang + w->slot * blocks + block, tile->part};
    const Share share = {tile->first, tile->end, p->scratch[worker],
                         tile->parts > 1 ? &member : NULL};
    run(&d->step, &chunk, params_of(d), &share);
}

static void run_forward(const Tile *tile, int worker)
{
    run_block(tile, worker, step_forward);
}

static void run_backward(const Tile *tile, int worker)
{
    run_block(tile, worker, step_backward);
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
    enter_joint(j, tile);
    head_run(h, w, tile->first, tile->end);
    joint_leave(j, w, tile->first, tile->end);
}

static void run_head_gradient(const Tile *tile, int worker)
{
    Head *const h = tile->context;
    const bool last = tile->index == h->pass->windows - 1;
    if (h->pass->net->model.vector && !last) return; /* all rows at once, at the end */
    head_gradient(h, window_of(h->pass, tile), tile->part, tile->parts,
                  h->pass->scratch[worker]);
}

static void run_embedding_gradient(const Tile *tile, int worker)
{
    (void)worker;
    const Joint *const j = tile->context;
    embedding_gradient(j, window_of(j->pass, tile), tile->part, tile->parts);
}

static void run_loss(const Tile *tile, int worker)
{
    (void)worker;
    Pass *const p = tile->context;
    size_t first;
    const size_t n = pass_span(p, &first);
    p->loss_sum = simd->sum(n, p->loss + first);
    if (p->hit) p->hit_sum = simd->sum(n, p->hit + first);
}

/* ---- what it costs ---- */

/* Any of its kind: T and lead are those of the window's. */
typedef Cost Price(const Tile *tile, const Window *window, const Rates *rates);

static Cost step_price(const Tile *tile, const Window *w, StepWork work,
                       const Rates *rates)
{
    const Direction *const d = tile->context;
    const bool forward = work == STEP_BEFORE || work == STEP_FORWARD;
    const int ahead = work == STEP_BEFORE ? d->pass->split.ahead : 1;
    const StepJob job = {.work = work,
                         .T = forward ? (w->T + ahead - 1) / ahead : w->T - w->cut,
                         .ready = runs_ahead(d),
                         .rows = tile->end - tile->first,
                         .part = tile->part,
                         .parts = work == STEP_BEFORE ? 1 : tile->parts};
    return step_cost(&d->step, &job, rates);
}

static Cost price_pack(const Tile *tile, const Window *w, const Rates *rates)
{
    return step_price(tile, w, STEP_PACK, rates);
}

static Cost price_before(const Tile *tile, const Window *w, const Rates *rates)
{
    return step_price(tile, w, STEP_BEFORE, rates);
}

static Cost price_forward(const Tile *tile, const Window *w, const Rates *rates)
{
    return step_price(tile, w, STEP_FORWARD, rates);
}

static Cost price_backward(const Tile *tile, const Window *w, const Rates *rates)
{
    return step_price(tile, w, STEP_BACKWARD, rates);
}

static Cost price_gradient(const Tile *tile, const Window *w, const Rates *rates)
{
    return step_price(tile, w, STEP_GRADIENT, rates);
}

static Cost price_head_pack(const Tile *tile, const Window *w, const Rates *rates)
{
    (void)w;
    return head_pack_cost(tile->context, tile->parts, rates);
}

static Cost price_clear(const Tile *tile, const Window *w, const Rates *rates)
{
    (void)w;
    const Pass *const p = tile->context;
    return rates_map(rates, MAP_copy, 1, (double)p->net->count / tile->parts);
}

static Cost price_enter(const Tile *tile, const Window *w, const Rates *rates)
{
    return joint_enter_cost(tile->context, w, tile->end - tile->first, rates);
}

static Cost price_leave(const Tile *tile, const Window *w, const Rates *rates)
{
    return joint_leave_cost(tile->context, w, tile->end - tile->first, rates);
}

static Cost price_head(const Tile *tile, const Window *w, const Rates *rates)
{
    const Head *const h = tile->context;
    const Pass *const p = h->pass;
    const int rows = tile->end - tile->first;
    Cost cost = head_cost(h, w, rows, rates);
    const Joint *const j = &p->joint[p->net->model.layer_count];
    cost_add(&cost, joint_enter_cost(j, w, rows, rates));
    cost_add(&cost, joint_leave_cost(j, w, rows, rates));
    return cost;
}

static Cost price_head_gradient(const Tile *tile, const Window *w, const Rates *rates)
{
    return head_gradient_cost(tile->context, w, tile->parts, rates);
}

static Cost price_embedding(const Tile *tile, const Window *w, const Rates *rates)
{
    return embedding_gradient_cost(tile->context, w, tile->parts, rates);
}

static Cost price_loss(const Tile *tile, const Window *w, const Rates *rates)
{
    (void)w;
    const Pass *const p = tile->context;
    return rates_map(rates, MAP_add, 1, (double)p->shape.T * p->shape.B);
}

/* ---- the list ---- */

typedef enum Kind {
    GATE,
    PACK,
    PACK_HEAD,
    CLEAR,
    ENTER,
    BEFORE,
    FORWARD,
    HEAD,
    BACKWARD,
    LEAVE,
    GRADIENT,
    GRADIENT_HEAD,
    GRADIENT_EMBEDDING,
    LOSS
} Kind;

static const struct {
    const char *name;
    void (*run)(const Tile *tile, int worker);
    Price *price; /* NULL: nothing */
} kinds[] = {
    // clang-format off
    [GATE]               = {NULL,       run_gate,               NULL},
    [PACK]               = {"pack",     run_pack,               price_pack},
    [PACK_HEAD]          = {"pack",     run_head_pack,          price_head_pack},
    [CLEAR]              = {"clear",    run_clear,              price_clear},
    [ENTER]              = {"enter",    run_enter,              price_enter},
    [BEFORE]             = {"before",   run_before,             price_before},
    [FORWARD]            = {"forward",  run_forward,            price_forward},
    [HEAD]               = {"head",     run_head,               price_head},
    [BACKWARD]           = {"backward", run_backward,           price_backward},
    [LEAVE]              = {"leave",    run_leave,              price_leave},
    [GRADIENT]           = {"gradient", run_gradient,           price_gradient},
    [GRADIENT_HEAD]      = {"gradient", run_head_gradient,      price_head_gradient},
    [GRADIENT_EMBEDDING] = {"gradient", run_embedding_gradient, price_embedding},
    [LOSS]               = {"loss",     run_loss,               price_loss},
    // clang-format on
};

/* Tiles with successive numbers. */
typedef struct Tiles {
    int first, count;
} Tiles;

typedef struct Weave {
    Pass *pass;
    TileList *list;
    const Rates *rates;
    int members; /* of gangs */
    int window;
    int stride;   /* tiles of a window: all have the same, in the same order */
    Window steps; /* of the window: those alone */
    bool again;   /* it has as many as the one before, and costs the same */
} Weave;

static Tile tile_of(const Weave *w, Kind kind, int layer, void *context)
{
    return (Tile){.name = kinds[kind].name,
                  .run = kinds[kind].run,
                  .layer = layer,
                  .context = context,
                  .index = w->window,
                  .kind = (int)kind,
                  .parts = 1};
}

static void add(const Weave *w, Tile tile)
{
    Price *const price = kinds[tile.kind].price;
    if (w->again) {
        const Tile *const like = tiles_get(w->list, tiles_count(w->list) - w->stride);
        tile.seconds = like->seconds;
        tile.flops = like->flops;
        tile.away = like->away;
    } else if (price) {
        const Cost cost = price(&tile, &w->steps, w->rates);
        tile.seconds = cost.seconds;
        tile.flops = cost.flops;
        tile.away = cost.away;
    }
    (void)tiles_add(w->list, tile);
}

/* The core whose cache has a block of rows of the window's slot: its chunk stays there from
 * forward to gradient. Where cores are many, blocks stand apart, each with its gang. */
static int home_of(const Weave *w, int block)
{
    const Pass *const p = w->pass;
    const int blocks = p->split.slots * p->split.rows;
    const int all = blocks * p->split.units;
    const int apart = all < p->threads ? p->threads / blocks : p->split.units;
    return (w->window % p->split.slots * p->split.rows + block) * apart % p->threads;
}

static Tiles add_parts(const Weave *w, Tile tile, int parts)
{
    const Tiles tiles = {tiles_count(w->list), parts};
    tile.parts = parts;
    const int first = tile.home;
    for (tile.part = 0; tile.part < parts; tile.part++) {
        tile.home = (first + tile.part) % w->pass->threads;
        add(w, tile);
    }
    return tiles;
}

/* Each block in so many parts. */
static Tiles add_blocks(const Weave *w, Tile tile, int parts)
{
    const int blocks = w->pass->split.rows;
    const Tiles tiles = {tiles_count(w->list), blocks * parts};
    for (int i = 0; i < blocks; i++) {
        tile.first = pass_row(w->pass, i);
        tile.end = pass_row(w->pass, i + 1);
        tile.home = home_of(w, i);
        (void)add_parts(w, tile, parts);
    }
    return tiles;
}

/* Each block by a gang. */
static Tiles add_gangs(const Weave *w, Tile tile)
{
    tile.gang = w->members;
    return add_blocks(w, tile, tile.gang);
}

static Tiles add_rows(const Weave *w, Tile tile)
{
    return add_blocks(w, tile, 1);
}

static Tiles add_one(const Weave *w, Kind kind)
{
    return add_parts(w, tile_of(w, kind, -1, w->pass), 1);
}

/* Of blocks of rows; every member of a gang waits for every member of another. */
static void after_each(const Weave *w, Tiles later, Tiles earlier)
{
    const int blocks = w->pass->split.rows;
    const int l = later.count / blocks, e = earlier.count / blocks;
    for (int i = 0; i < blocks * l; i++)
        for (int k = 0; k < e; k++)
            tiles_after(w->list, later.first + i, earlier.first + i / l * e + k);
}

static void after_all(const Weave *w, Tiles later, Tiles earlier)
{
    assert(later.count == 1 || earlier.count == 1); /* else a gate saves edges */
    for (int i = 0; i < later.count; i++)
        for (int k = 0; k < earlier.count; k++)
            tiles_after(w->list, later.first + i, earlier.first + k);
}

/* Each after its like in the window before. */
static void after_like(const Weave *w, Tiles tiles)
{
    for (int i = 0; w->window > 0 && i < tiles.count; i++)
        tiles_after(w->list, tiles.first + i, tiles.first + i - w->stride);
}

/* A gate behind some tiles, and behind all from number `first` on. */
static Tiles add_gate(const Weave *w, Tiles earlier)
{
    const Tiles gate = add_one(w, GATE);
    after_all(w, gate, earlier);
    return gate;
}

static Tiles add_gate_from(const Weave *w, int first)
{
    return add_gate(w, (Tiles){first, tiles_count(w->list) - first});
}

/* Returns a gate behind them, the last tile. */
static Tiles add_start(const Weave *w)
{
    Pass *const p = w->pass;
    const int L = p->net->model.layer_count, parts = p->threads;
    for (int i = 0; i < 2 * L; i++)
        if (p->direction[i].pass)
            add_parts(w, tile_of(w, PACK, i / 2, &p->direction[i]), parts);
    add_parts(w, tile_of(w, PACK_HEAD, L, &p->head), parts);
    if (pass_trains(p)) add_parts(w, tile_of(w, CLEAR, -1, p), parts);
    return add_gate_from(w, 0);
}

/* What comes before the loops, of all rows: products with many are the fastest. */
static Tiles add_before(const Weave *w, Tiles enter, int layer, Direction *direction)
{
    const Tiles entered = add_gate(w, enter);
    Tile tile = tile_of(w, BEFORE, layer, direction);
    tile.end = w->pass->shape.B;
    tile.home = home_of(w, 0);
    const Tiles before = add_parts(w, tile, w->pass->split.ahead);
    after_all(w, before, entered);
    return add_gate(w, before);
}

static Tiles add_window_forward(const Weave *w, Tiles free)
{
    Pass *const p = w->pass;
    const Layer *const layer = p->net->layer;
    const int L = p->net->model.layer_count;
    Tiles below[2] = {0};
    for (int l = 0; l < L; l++) {
        const Tiles enter = add_rows(w, tile_of(w, ENTER, l, &p->joint[l]));
        if (l == 0) after_all(w, enter, free);
        for (int d = 0; l > 0 && d < layer[l - 1].directions; d++)
            after_each(w, enter, below[d]);
        for (int d = 0; d < layer[l].directions; d++) {
            Direction *const direction = &p->direction[2 * l + d];
            const bool ahead = runs_ahead(direction);
            const Tiles before = ahead ? add_before(w, enter, l, direction) : enter;
            below[d] = add_gangs(w, tile_of(w, FORWARD, l, direction));
            (ahead ? after_all : after_each)(w, below[d], before);
            if (!p->shape.stale) after_like(w, below[d]);
        }
    }
    const Tiles head = add_rows(w, tile_of(w, HEAD, L, &p->head));
    for (int d = 0; d < layer[L - 1].directions; d++) after_each(w, head, below[d]);
    return head;
}

static void add_gradient(const Weave *w, Tiles rows, Tile tile)
{
    const Tiles done = add_gate(w, rows);
    tile.home = home_of(w, 0);
    const Tiles gradient = add_parts(w, tile, w->pass->split.parts);
    after_all(w, gradient, done);
    after_like(w, gradient);
}

static void add_window_backward(const Weave *w, Tiles head)
{
    Pass *const p = w->pass;
    const WeftNet *const net = p->net;
    const int L = net->model.layer_count;
    Tiles above = head;
    add_gradient(w, head, tile_of(w, GRADIENT_HEAD, L, &p->head));
    for (int l = L - 1; l >= 0; l--) {
        Tiles backward[2];
        for (int d = 0; d < net->layer[l].directions; d++) {
            Direction *const direction = &p->direction[2 * l + d];
            backward[d] = add_gangs(w, tile_of(w, BACKWARD, l, direction));
            after_each(w, backward[d], above);
            add_gradient(w, backward[d], tile_of(w, GRADIENT, l, direction));
        }
        above = add_rows(w, tile_of(w, LEAVE, l, &p->joint[l]));
        for (int d = 0; d < net->layer[l].directions; d++)
            after_each(w, above, backward[d]);
    }
    if (net->model.input == WEFT_EMBEDDING)
        add_gradient(w, above, tile_of(w, GRADIENT_EMBEDDING, 0, &p->joint[0]));
}

/* Upper bounds, with two directions everywhere. */
static int tiles_room(const Pass *p, int windows)
{
    const Split *const s = &p->split;
    const int L = p->net->model.layer_count;
    const int start = (2 * L + 2) * p->threads + 1;
    const int window = ((4 * s->units + 2) * L + 1) * s->rows + 2 * L * (s->ahead + 2) +
                       (2 * L + 2) * (s->parts + 1) + 1;
    return start + windows * window + 2 + update_tiles(p->threads);
}

static void add_window(Weave *w, Tiles start)
{
    Pass *const p = w->pass;
    const int first = tiles_count(w->list), had = w->window - p->split.slots;
    const int free = had < 0 ? start.first : start.first + (had + 1) * w->stride;
    const Window before = w->steps;
    pass_window(&p->shape, w->window % pass_windows(&p->shape) * p->shape.chunk,
                &w->steps);
    w->again = w->window > 0 && w->steps.T == before.T && w->steps.lead == before.lead;
    const Tiles head = add_window_forward(w, (Tiles){free, 1});
    if (pass_trains(p)) add_window_backward(w, head);
    (void)add_gate_from(w, first);
    w->stride =
        tiles_count(w->list) - first; /* its end: start + (window + 1) strides */
}

bool pass_weave(Pass *p, int windows, int members, const Rates *rates, TileList **list,
                Error *err)
{
    Weave w = {.pass = p, .rates = rates, .members = members};
    const int room = tiles_room(p, windows);
    if (!tiles_open(room, (3 + p->split.units) * room, &w.list, err)) return false;

    const Tiles start = add_start(&w);
    for (; w.window < windows; w.window++) add_window(&w, start);
    w.window = 0;
    w.again = false;
    Tiles at = add_one(&w, GATE);
    for (int i = 1; i <= windows; i++)
        tiles_after(w.list, at.first, start.first + i * w.stride);
    if (p->shape.purpose != PURPOSE_PREDICT) {
        const Tiles loss = add_one(&w, LOSS);
        after_all(&w, loss, at);
        at = loss;
    }
    if (pass_trains(p))
        update_add(&p->net->update, w.list, p->threads, at.first, rates);
    *list = w.list;
    return true;
}

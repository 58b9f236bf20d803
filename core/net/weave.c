/* weave.c: the tiles of an update, and which waits for which.
 *
 *   start    pack (parts), clear the gradient (parts)
 *   window   enter -> forward -> enter -> forward ... -> head       (blocks of rows)
 *               before (steps)                                      where the split has it
 *            head -> backward -> leave -> backward ... -> leave     (blocks of rows)
 *            of an encoder the same below it, hand over and hand back between
 *            gradients of head, layers, embedding                   (parts)
 *   end      the loss, then norm, rates, update
 *
 * A forward waits for that of the window before, which left the states (unless stale ones
 * will do); a gradient for that of the window before, part by part, so that chains of sums
 * have one order; a window for the last gradient of the one that had its slot. Nothing
 * else holds a window back: it runs forward while those before it run backward.
 *
 * A forward or backward block is one tile, or the members of a gang (gang.h), of which each
 * waits for all of another's. A gate is a tile without work: many tiles wait for one
 * counter, not for many. */
#include "work.h"

#include <assert.h>

/* Tiles with successive numbers. */
typedef struct Tiles {
    int first, count;
} Tiles;

typedef struct Weave {
    Pass *pass;
    TileList *list;
    const Rates *rates;
    const Split *split; /* with the slots and the steps ahead of the pass */
    int window;
    int stride;   /* tiles of a window: all have the same, in the same order */
    Window steps; /* of the window: those alone */
    bool again;   /* it has as many as the one before, and costs the same */
} Weave;

static Tile tile_of(const Weave *w, Kind kind, int layer, void *context)
{
    return (Tile){.name = works[kind].name,
                  .run = works[kind].run,
                  .layer = layer,
                  .context = context,
                  .index = w->window,
                  .kind = (int)kind,
                  .parts = 1};
}

static void add(const Weave *w, Tile tile)
{
    if (w->again) {
        const Tile *const like = tiles_get(w->list, tiles_count(w->list) - w->stride);
        tile.seconds = like->seconds;
        tile.flops = like->flops;
        tile.away = like->away;
    } else if (works[tile.kind].price) {
        const Cost cost = works[tile.kind].price(&tile, &w->steps, w->rates);
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
    const Split *const s = w->split;
    const int blocks = s->slots * s->rows, all = blocks * s->units;
    const int apart = all < p->threads ? p->threads / blocks : s->units;
    return (w->window % s->slots * s->rows + block) * apart % p->threads;
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
    const int blocks = w->split->rows;
    const Tiles tiles = {tiles_count(w->list), blocks * parts};
    for (int i = 0; i < blocks; i++) {
        tile.first = part_at(w->pass->shape.B, 1, i, blocks);
        tile.end = part_at(w->pass->shape.B, 1, i + 1, blocks);
        tile.home = home_of(w, i);
        (void)add_parts(w, tile, parts);
    }
    return tiles;
}

/* Each block by a gang. */
static Tiles add_gangs(const Weave *w, Tile tile)
{
    tile.gang = w->split->units;
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
    const int blocks = w->split->rows;
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

/* In words of a trace: the encoder's layers have numbers above the head's. */
static int layer_of(const Side *side, int l)
{
    return side->index == MAIN ? l : side->pass->net->model.layer_count + 1 + l;
}

/* Returns a gate behind them, the last tile. */
static Tiles add_start(const Weave *w)
{
    Pass *const p = w->pass;
    const int parts = p->threads;
    for (int side = 0; side < STACKS; side++)
        for (int i = 0; i < 2 * p->side[side].stack->count; i++) {
            Direction *const d = &p->side[side].direction[i];
            if (d->side)
                add_parts(w, tile_of(w, PACK, layer_of(d->side, i / 2), d), parts);
        }
    for (int i = 0; i < LINEARS; i++)
        if (p->linear[i].params.n)
            add_parts(w,
                      tile_of(w, PACK_LINEAR, p->net->model.layer_count, &p->linear[i]),
                      parts);
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
    const Tiles before = add_parts(w, tile, w->split->ahead);
    after_all(w, before, entered);
    return add_gate(w, before);
}

/* A block waits for those of its rows; or all for a gate. */
static void after_below(const Weave *w, Tiles tiles, const Tiles below[2])
{
    for (int d = 0; d < 2 && below[d].count > 0; d++)
        (below[d].count == 1 ? after_all : after_each)(w, tiles, below[d]);
}

/* The layers of a side, upon `below`; what is behind them becomes the `below` of what is next. */
static void add_forward(const Weave *w, Side *side, Tiles below[2])
{
    const Layer *const layer = side->stack->layer;
    for (int l = 0; l < side->stack->count; l++) {
        const int number = layer_of(side, l);
        const Tiles enter = add_rows(w, tile_of(w, ENTER, number, &side->joint[l]));
        after_below(w, enter, below);
        below[1] = (Tiles){0};
        for (int d = 0; d < layer[l].directions; d++) {
            Direction *const direction = &side->direction[2 * l + d];
            const bool ahead = runs_ahead(direction);
            const Tiles before =
                ahead ? add_before(w, enter, number, direction) : enter;
            below[d] = add_gangs(w, tile_of(w, FORWARD, number, direction));
            (ahead ? after_all : after_each)(w, below[d], before);
            if (side->index == MAIN && !w->pass->shape.stale) after_like(w, below[d]);
        }
    }
}

static Tiles add_window_forward(const Weave *w, Tiles free)
{
    Pass *const p = w->pass;
    const int L = p->net->model.layer_count;
    Tiles below[2] = {free};
    if (p->net->model.encoder) {
        add_forward(w, &p->side[ENCODER], below);
        const Tiles hand = add_rows(w, tile_of(w, HAND_OVER, 0, p));
        after_below(w, hand, below);
        below[0] = hand, below[1] = (Tiles){0};
    }
    add_forward(w, &p->side[MAIN], below);
    const Tiles head = add_rows(w, tile_of(w, HEAD, L, &p->head));
    after_below(w, head, below);
    return head;
}

/* Of parameters, which a training wants alone. */
static void add_gradient(const Weave *w, Tiles rows, Tile tile)
{
    if (!pass_trains(w->pass)) return;
    const Tiles done = add_gate(w, rows);
    tile.home = home_of(w, 0);
    const Tiles gradient = add_parts(w, tile, w->split->parts);
    after_all(w, gradient, done);
    after_like(w, gradient);
}

/* Of the map, if there is one. */
static void add_linear_gradient(const Weave *w, Tiles rows, LinearIndex index)
{
    Pass *const p = w->pass;
    if (p->linear[index].params.n)
        add_gradient(
            w, rows,
            tile_of(w, GRADIENT_LINEAR, p->net->model.layer_count, &p->linear[index]));
}

/* `done`: the joint's gradient has been taken apart. */
static void add_attention_gradient(const Weave *w, Tiles done, const Joint *j)
{
    for (int i = QUERY_LINEAR; j->attends && i <= MEMORY_LINEAR; i++)
        add_linear_gradient(w, done, (LinearIndex)i);
}

/* The layers of a side, below `above`; returns what is below them. */
static Tiles add_backward(const Weave *w, Side *side, Tiles above)
{
    const Stack *const stack = side->stack;
    for (int l = stack->count - 1; l >= 0; l--) {
        Tiles backward[2];
        const int number = layer_of(side, l);
        for (int d = 0; d < stack->layer[l].directions; d++) {
            Direction *const direction = &side->direction[2 * l + d];
            backward[d] = add_gangs(w, tile_of(w, BACKWARD, number, direction));
            after_each(w, backward[d], above);
            add_gradient(w, backward[d], tile_of(w, GRADIENT, number, direction));
        }
        above = add_rows(w, tile_of(w, LEAVE, number, &side->joint[l]));
        for (int d = 0; d < stack->layer[l].directions; d++)
            after_each(w, above, backward[d]);
        add_attention_gradient(w, above, &side->joint[l]);
    }
    if (stack->input == WEFT_EMBEDDING)
        add_gradient(
            w, above,
            tile_of(w, GRADIENT_EMBEDDING, layer_of(side, 0), &side->joint[0]));
    return above;
}

static void add_window_backward(const Weave *w, Tiles head)
{
    Pass *const p = w->pass;
    const int L = p->net->model.layer_count;
    add_gradient(w, head, tile_of(w, GRADIENT_HEAD, L, &p->head));
    add_attention_gradient(w, head, &p->side[MAIN].joint[L]);
    const Tiles below = add_backward(w, &p->side[MAIN], head);
    if (!p->net->model.encoder) return;
    const Tiles hand = add_rows(w, tile_of(w, HAND_BACK, 0, p));
    after_each(w, hand, below);
    add_linear_gradient(w, hand, STATES_LINEAR);
    add_linear_gradient(w, hand, FIRST_LINEAR);
    (void)add_backward(w, &p->side[ENCODER], hand);
}

/* Upper bounds, with two directions everywhere. */
static int64_t tiles_room(const Pass *p, const Split *s, int windows)
{
    const int L = p->side[MAIN].stack->count + p->side[ENCODER].stack->count;
    const int start = (2 * L + LINEARS + 1) * p->threads + 1;
    const int window = ((4 * s->units + 2) * L + 3) * s->rows + 2 * L * (s->ahead + 2) +
                       (2 * L + STACKS + LINEARS) * (s->parts + 1) + 1;
    return start + (int64_t)windows * window + 2 + update_tiles(p->threads);
}

static void add_window(Weave *w, Tiles start)
{
    Pass *const p = w->pass;
    const int first = tiles_count(w->list), had = w->window - w->split->slots;
    const int free = had < 0 ? start.first : start.first + (had + 1) * w->stride;
    const Window before = w->steps;
    pass_window(&p->shape, w->window % pass_windows(&p->shape) * p->shape.chunk,
                &w->steps);
    w->again = w->window > 0 && w->steps.T == before.T && w->steps.lead == before.lead;
    const Tiles head = add_window_forward(w, (Tiles){free, 1});
    if (pass_goes_back(p)) add_window_backward(w, head);
    (void)add_gate_from(w, first);
    w->stride =
        tiles_count(w->list) - first; /* its end: start + (window + 1) strides */
}

bool pass_weave(Pass *p, int windows, const Split *split, const Rates *rates,
                TileList **list, Error *err)
{
    assert(split->slots == p->split.slots && split->ahead == p->split.ahead);
    Weave w = {.pass = p, .split = split, .rates = rates};
    const int64_t room = tiles_room(p, split, windows),
                  edges = (3 + split->units) * room;
    if (edges > INT32_MAX)
        return error(err,
                     "an update of %d chunks has too many tiles: more in a chunk, or "
                     "fewer in an update",
                     windows);
    if (!tiles_open((int)room, (int)edges, &w.list, err)) return false;

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

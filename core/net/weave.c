/* weave.c: the tiles of an update, and which waits for which.
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
#include <string.h>

#define ROWS_LEAST 4 /* fewer rows in a block make products that wait for memory */

/* ---- what a tile does ---- */

static Chunk chunk_of(const Direction *d, const Window *w)
{
    const Pass *const p = d->pass;
    const WeftNet *const net = p->net;
    const Joint *const in = &p->joint[d->layer], *const out = in + 1;
    const int last = w->T - 1, B = p->shape.B, way = d->backward ? -1 : 1;
    const uint64_t stream = (uint64_t)(2 * d->layer + d->backward);
    Chunk c = {.T = w->T,
               .fresh = w->fresh || d->backward,
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

static void run_loss(const Tile *tile, int worker)
{
    (void)worker;
    Pass *const p = tile->context;
    size_t first;
    const size_t n = pass_span(p, &first);
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

static Tiles add_parts(const Weave *w, const char *name, int layer,
                       void (*run)(const Tile *, int), void *context)
{
    const Tiles tiles = {tiles_count(w->list), w->threads};
    for (int i = 0; i < tiles.count; i++)
        (void)tiles_add(w->list, (Tile){.name = name,
                                        .layer = layer,
                                        .run = run,
                                        .context = context,
                                        .part = i,
                                        .parts = tiles.count,
                                        .index = w->window,
                                        .owner = i});
    return tiles;
}

static Tiles add_rows(const Weave *w, const char *name, int layer,
                      void (*run)(const Tile *, int), void *context)
{
    const Tiles tiles = {tiles_count(w->list), w->blocks};
    const int B = w->pass->shape.B;
    for (int i = 0; i < tiles.count; i++)
        (void)tiles_add(w->list,
                        (Tile){.name = name,
                               .layer = layer,
                               .run = run,
                               .context = context,
                               .first = (int)((int64_t)B * i / tiles.count),
                               .end = (int)((int64_t)B * (i + 1) / tiles.count),
                               .index = w->window,
                               .owner = i * w->threads / tiles.count});
    return tiles;
}

static Tiles add_one(const Weave *w, const char *name, void (*run)(const Tile *, int))
{
    const Tiles tiles = {tiles_count(w->list), 1};
    (void)tiles_add(w->list, (Tile){.name = name,
                                    .layer = -1,
                                    .run = run,
                                    .context = w->pass,
                                    .index = w->window});
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
    const Tiles gate = add_one(w, NULL, run_gate);
    after_all(w, gate, a);
    after_all(w, gate, b);
    return gate;
}

static Tiles add_start(const Weave *w)
{
    Pass *const p = w->pass;
    const WeftNet *const net = p->net;
    Tiles start = add_one(w, NULL, run_gate);
    for (int l = 0; l < net->model.layer_count; l++)
        for (int d = 0; d < net->layer[l].directions; d++)
            start = add_gate(
                w, start, add_parts(w, "pack", l, run_pack, &p->direction[2 * l + d]));
    start =
        add_gate(w, start,
                 add_parts(w, "pack", net->model.layer_count, run_head_pack, &p->head));
    return pass_trains(p) ? add_gate(w, start, add_parts(w, "clear", -1, run_clear, p))
                          : start;
}

static Tiles add_window_forward(const Weave *w, Tiles start)
{
    Pass *const p = w->pass;
    const WeftNet *const net = p->net;
    Tiles below[2] = {0};
    for (int l = 0; l < net->model.layer_count; l++) {
        const Tiles enter = add_rows(w, "enter", l, run_enter, &p->joint[l]);
        if (l == 0) after_all(w, enter, start);
        for (int d = 0; l > 0 && d < net->layer[l - 1].directions; d++)
            after_each(w, enter, below[d]);
        for (int d = 0; d < net->layer[l].directions; d++) {
            below[d] = add_rows(w, "forward", l, run_forward, &p->direction[2 * l + d]);
            after_each(w, below[d], enter);
        }
    }
    const Tiles head = add_rows(w, "head", net->model.layer_count, run_head, &p->head);
    for (int d = 0; d < net->layer[net->model.layer_count - 1].directions; d++)
        after_each(w, head, below[d]);
    return head;
}

/* Gradients in parts, once all rows of `rows` are done; returns a gate behind them and
 * `end`. */
static Tiles add_gradient(const Weave *w, int layer, Tiles rows, Tiles end,
                          void (*run)(const Tile *, int), void *context)
{
    const Tiles done = add_gate(w, rows, end);
    const Tiles gradient = add_parts(w, "gradient", layer, run, context);
    after_all(w, gradient, done);
    return add_gate(w, gradient, done);
}

static Tiles add_window_backward(const Weave *w, Tiles head, bool last)
{
    Pass *const p = w->pass;
    const WeftNet *const net = p->net;
    Tiles above = head, end = add_gate(w, head, head);
    if (!net->model.vector || last)
        end = add_gradient(w, net->model.layer_count, head, end, run_head_gradient,
                           &p->head);
    for (int l = net->model.layer_count - 1; l >= 0; l--) {
        Tiles backward[2];
        for (int d = 0; d < net->layer[l].directions; d++) {
            backward[d] =
                add_rows(w, "backward", l, run_backward, &p->direction[2 * l + d]);
            after_each(w, backward[d], above);
        }
        above = add_rows(w, "leave", l, run_leave, &p->joint[l]);
        for (int d = 0; d < net->layer[l].directions; d++)
            after_each(w, above, backward[d]);
        for (int d = 0; d < net->layer[l].directions; d++)
            end = add_gradient(w, l, backward[d], end, run_gradient,
                               &p->direction[2 * l + d]);
    }
    end = add_gate(w, end, above);
    if (net->model.input == WEFT_EMBEDDING)
        end = add_gradient(w, -1, above, end, run_embedding_gradient, &p->joint[0]);
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

bool pass_weave(Pass *p, int windows, TileList **list, Error *err)
{
    const int threads = weft_team_threads(p->net->team), most = p->shape.B / ROWS_LEAST;
    Weave w = {.pass = p, .threads = threads};
    w.blocks = most < 1 ? 1 : most < threads ? most : threads;
    const int room = tiles_room(&w, windows);
    if (!tiles_open(room, 4 * room, &w.list, err)) return false;

    Tiles at = add_start(&w);
    for (w.window = 0; w.window < windows; w.window++) {
        const Tiles head = add_window_forward(&w, at);
        at = pass_trains(p) ? add_window_backward(&w, head, w.window == windows - 1)
                            : add_gate(&w, head, head);
    }
    w.window = 0;
    if (p->shape.purpose != PURPOSE_PREDICT) {
        const Tiles loss = add_one(&w, "loss", run_loss);
        after_all(&w, loss, at);
        at = loss;
    }
    if (pass_trains(p)) update_add(&p->net->update, w.list, threads, at.first);
    *list = w.list;
    return true;
}

/* work.c: what the tiles of an update do, and what each costs. */
#include "work.h"

#include <string.h>

/* ---- what a tile does ---- */

bool runs_ahead(const Direction *d)
{
    return d->side->pass->split.ahead > 0 && step_has_before(&d->step);
}

static Chunk chunk_of(const Direction *d, const Window *w)
{
    const Side *const side = d->side;
    const Pass *const p = side->pass;
    const Joint *const in = &side->joint[d->layer], *const out = in + 1;
    const int last = w->T - 1, B = p->shape.B, way = d->backward ? -1 : 1;
    const uint64_t stream =
        (uint64_t)(2 * (side->stack->stream + d->layer) + d->backward);
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
               .time = side_time(side, w) + (uint64_t)(d->backward ? last : 0),
               .time_sign = way};
    if (w->lengths) {
        c.begin = d->backward ? w->rbegun : w->begun;
        c.end = d->backward ? w->rended : w->ended;
    }
    if (w->lengths && p->shape.scan == 0) {
        const int *const at = d->backward ? w->rrow_at : w->row_at;
        c.live = d->backward ? w->rlive : w->live;
        c.row = (d->backward ? w->rrow : w->row) + at[w->cut];
        c.rows = at[w->T] - at[w->cut];
        c.leave_t = d->backward || side->index == ENCODER ? w->T : w->leave_t;
    }

    const ptrdiff_t first = d->backward ? last : 0; /* step 0 of the direction */
    if (d->step.shape.symbols) {
        c.symbol = side->symbol + (w->t0 + first) * B;
        c.symbol_step = way * B;
    } else {
        const View x = joint_view(in, w);
        c.x = (View){x.at + first * x.step, way * x.step, x.row};
    }
    if (!pass_goes_back(p)) return c;

    const View dy = joint_gradient(out, w);
    const int column = d->backward ? side->stack->layer[d->layer].width : 0;
    c.dy = (View){dy.at + first * dy.step + column, way * dy.step, dy.row};
    if (side->index == ENCODER && p->hand_over.dfinal) {
        c.dend = p->hand_over.dfinal + d->state;
        c.dend_row = side->states;
    }
    if (!in->dx) return c;
    const View dx = d->backward ? joint_gradient_back(in, w) : joint_gradient(in, w);
    c.dx = (View){dx.at + first * dx.step, way * dx.step, dx.row};
    return c;
}

static const float *params_of(const Direction *d)
{
    const Side *const side = d->side;
    return side->pass->net->params + side->stack->layer[d->layer].params[d->backward];
}

static const Window *window_of(const Side *side, const Tile *tile)
{
    return &side->window[side->index == MAIN ? tile->index : 0];
}

/* The rows of a tile's block, of the batch at hand. */
static int first_of(const Pass *p, const Tile *tile)
{
    return p->share[tile->first];
}

static int end_of(const Pass *p, const Tile *tile)
{
    return p->share[tile->end];
}

/* Of an encoder that has read already. */
static bool is_idle(const Side *side)
{
    return side->index == ENCODER && !side->pass->encodes;
}

static void run_gate(const Tile *tile, int worker)
{
    (void)tile, (void)worker;
}

static void run_pack(const Tile *tile, int worker)
{
    (void)worker;
    Direction *const d = tile->context;
    step_pack(&d->step, params_of(d), tile->part, tile->parts);
}

static void run_linear_pack(const Tile *tile, int worker)
{
    (void)worker;
    linear_pack(tile->context, tile->part, tile->parts);
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
static void enter_joint(const Joint *j, const Tile *tile, int worker)
{
    const Side *const side = j->side;
    const Window *const w = window_of(side, tile);
    const int first = first_of(side->pass, tile), end = end_of(side->pass, tile);
    if (side->index == MAIN && j->index > 0)
        stale_leave(&side->direction[2 * (j->index - 1)], w, first, end);
    if (side->index == MAIN && j->index < side->stack->count)
        stale_enter(&side->direction[2 * j->index], w, first, end);
    joint_enter(j, w, first, end, side->pass->scratch[worker]);
}

static void run_enter(const Tile *tile, int worker)
{
    const Joint *const j = tile->context;
    if (!is_idle(j->side)) enter_joint(j, tile, worker);
}

static void run_leave(const Tile *tile, int worker)
{
    const Joint *const j = tile->context;
    const Pass *const p = j->side->pass;
    joint_leave(j, window_of(j->side, tile), first_of(p, tile), end_of(p, tile),
                p->scratch[worker]);
}

static void run_hand_over(const Tile *tile, int worker)
{
    Pass *const p = tile->context;
    if (p->encodes)
        hand_over_run(p, first_of(p, tile), end_of(p, tile), p->scratch[worker]);
}

static void run_hand_back(const Tile *tile, int worker)
{
    Pass *const p = tile->context;
    hand_over_back(p, first_of(p, tile), end_of(p, tile), p->scratch[worker]);
}

static int ahead_step(const Tile *tile, const Window *w, int part)
{
    return part_at(w->T, 1, part, tile->parts);
}

static void run_before(const Tile *tile, int worker)
{
    Direction *const d = tile->context;
    const Window *const w = window_of(d->side, tile);
    if (is_idle(d->side)) return;
    const Chunk chunk = chunk_of(d, w);
    const Pass *const p = d->side->pass;
    const Share share = {first_of(p, tile), end_of(p, tile), p->scratch[worker], NULL};
    step_before(&d->step, &chunk, params_of(d), &share, ahead_step(tile, w, tile->part),
                ahead_step(tile, w, tile->part + 1));
}

static Member member_of(const Direction *d, const Window *w, const Tile *tile)
{
    const Pass *const p = d->side->pass;
    const int blocks = p->split.rows, B = p->shape.B;
    const int block = (int)(((int64_t)tile->first * blocks + B - 1) / B);
    return (Member){d->gang + w->slot * blocks + block, tile->part};
}

/* A block of rows, or a member's part of it. */
static void run_block(const Tile *tile, int worker,
                      void (*run)(Step *, const Chunk *, const float *, const Share *))
{
    Direction *const d = tile->context;
    const Window *const w = window_of(d->side, tile);
    if (is_idle(d->side)) return;
    const Chunk chunk = chunk_of(d, w);
    Member member;
    const bool gang = tile->parts > 1;
    if (gang) member = member_of(d, w, tile);
    const Pass *const p = d->side->pass;
    const Share share = {first_of(p, tile), end_of(p, tile), p->scratch[worker],
                         gang ? &member : NULL};
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
    const Pass *const p = d->side->pass;
    const Chunk chunk = chunk_of(d, window_of(d->side, tile));
    step_gradient(&d->step, &chunk,
                  p->net->grads + d->side->stack->layer[d->layer].params[d->backward],
                  tile->part, tile->parts, p->scratch[worker]);
}

static void run_head(const Tile *tile, int worker)
{
    Head *const h = tile->context;
    const Joint *const j = side_top(&h->pass->side[MAIN]);
    const Window *const w = window_of(j->side, tile);
    const int first = first_of(h->pass, tile), end = end_of(h->pass, tile);
    enter_joint(j, tile, worker);
    head_run(h, w, first, end);
    joint_leave(j, w, first, end, h->pass->scratch[worker]);
}

static void run_head_gradient(const Tile *tile, int worker)
{
    Head *const h = tile->context;
    const bool last = tile->index == h->pass->windows - 1;
    if (h->pass->net->model.vector && !last) return; /* all rows at once, at the end */
    head_gradient(h, window_of(&h->pass->side[MAIN], tile), tile->part, tile->parts,
                  h->pass->scratch[worker]);
}

static void run_linear_gradient(const Tile *tile, int worker)
{
    const Linear *const l = tile->context;
    float *const scratch = l->pass->scratch[worker];
    (l->index < QUERY_LINEAR ? hand_over_gradient : attention_gradient)(
        l->pass, l->index, tile->part, tile->parts, scratch);
}

static void run_embedding_gradient(const Tile *tile, int worker)
{
    (void)worker;
    const Joint *const j = tile->context;
    embedding_gradient(j, window_of(j->side, tile), tile->part, tile->parts);
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

static Cost step_price(const Tile *tile, const Window *w, StepWork work,
                       const Rates *rates)
{
    const Direction *const d = tile->context;
    const bool forward = work == STEP_BEFORE || work == STEP_FORWARD;
    const int ahead = work == STEP_BEFORE ? d->side->pass->split.ahead : 1;
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

static Cost price_linear_pack(const Tile *tile, const Window *w, const Rates *rates)
{
    (void)w;
    return linear_pack_cost(tile->context, tile->parts, rates);
}

static Cost price_hand_over(const Tile *tile, const Window *w, const Rates *rates)
{
    (void)w;
    return hand_over_cost(tile->context, tile->end - tile->first, rates);
}

static Cost price_linear_gradient(const Tile *tile, const Window *w, const Rates *rates)
{
    (void)w;
    const Linear *const l = tile->context;
    return linear_gradient_cost(l, l->rows, tile->parts, rates);
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
    const Joint *const j = side_top(&p->side[MAIN]);
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

const Work works[] = {
    // clang-format off
    [GATE]               = {NULL,       run_gate,               NULL},
    [PACK]               = {"pack",     run_pack,               price_pack},
    [PACK_LINEAR]        = {"pack",     run_linear_pack,        price_linear_pack},
    [CLEAR]              = {"clear",    run_clear,              price_clear},
    [ENTER]              = {"enter",    run_enter,              price_enter},
    [BEFORE]             = {"before",   run_before,             price_before},
    [FORWARD]            = {"forward",  run_forward,            price_forward},
    [HAND_OVER]          = {"enter",    run_hand_over,          price_hand_over},
    [HEAD]               = {"head",     run_head,               price_head},
    [BACKWARD]           = {"backward", run_backward,           price_backward},
    [LEAVE]              = {"leave",    run_leave,              price_leave},
    [HAND_BACK]          = {"leave",    run_hand_back,          price_hand_over},
    [GRADIENT]           = {"gradient", run_gradient,           price_gradient},
    [GRADIENT_HEAD]      = {"gradient", run_head_gradient,      price_head_gradient},
    [GRADIENT_LINEAR]    = {"gradient", run_linear_gradient,    price_linear_gradient},
    [GRADIENT_EMBEDDING] = {"gradient", run_embedding_gradient, price_embedding},
    [LOSS]               = {"loss",     run_loss,               price_loss},
    // clang-format on
};

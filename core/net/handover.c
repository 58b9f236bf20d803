/* handover.c: from the encoder to the net's sequence.
 *
 *   final states --W-> states that step 0 enters      (as they are, where there is no W)
 *   summary      --W-> input of step 0                beside the input of every step
 *
 * The summary is what the head of a vector net would be given: the encoder's last output, of a
 * backward direction that at step 0. Without layers it is the encoder's input, and stands for
 * the final states too. Backward, the gradients go the same ways. */
#include "pass.h"

#include <string.h>

typedef struct Widths {
    size_t summary, final, start, first;
} Widths;

static bool has_layers(const Pass *p)
{
    return p->side[ENCODER].stack->count > 0;
}

static bool hands(const Pass *p, WeftHandOver what)
{
    return (p->net->model.hand_over & (int)what) != 0;
}

static Widths widths_of(const Pass *p)
{
    const Side *const main = &p->side[MAIN];
    const size_t summary = (size_t)net_summary_width(p->net);
    return (Widths){summary, has_layers(p) ? p->side[ENCODER].states : summary,
                    main->states, (size_t)main->joint[0].base};
}

static bool needs_summary(const Pass *p)
{
    return hands(p, WEFT_FIRST) || hands(p, WEFT_EVERY) || !has_layers(p);
}

static const Joint *top_of(const Pass *p)
{
    return side_top(&p->side[ENCODER]);
}

/* An array [B][width] and, in a training, that of its gradient. */
static void place(const Pass *p, size_t width, float **at, float **gradient,
                  Arena *arena)
{
    *at = ARENA_TAKE(arena, float, (size_t)p->shape.B *width);
    if (pass_goes_back(p))
        *gradient = ARENA_TAKE(arena, float, (size_t)p->shape.B *width);
}

void hand_over_place(Pass *p, Arena *arena)
{
    HandOver *const h = &p->hand_over;
    const Widths n = widths_of(p);
    if (!p->net->model.encoder) return;
    if (needs_summary(p)) place(p, n.summary, &h->summary, &h->dsummary, arena);
    if (hands(p, WEFT_FIRST)) place(p, n.first, &h->first, &h->dfirst, arena);
    if (!hands(p, WEFT_STATES)) return;
    if (has_layers(p))
        place(p, n.final, &h->final, &h->dfinal, arena);
    else
        h->final = h->summary, h->dfinal = h->dsummary;
    if (p->linear[STATES_LINEAR].params.n)
        place(p, n.start, &h->start, &h->dstart, arena);
    else
        h->start = h->final, h->dstart = h->dfinal;
}

/* ---- forward ---- */

/* Where row b's part of direction d of the summary is. */
static float *summary_part(const Pass *p, View top, int d, int b)
{
    const Side *const encoder = &p->side[ENCODER];
    const int L = encoder->stack->count;
    const int t = d ? 0 : encoder->length[b] - 1;
    const int column = L > 0 ? d * encoder->stack->layer[L - 1].width : 0;
    return top.at + t * top.step + b * top.row + column;
}

static int directions_of(const Pass *p)
{
    const Stack *const s = p->side[ENCODER].stack;
    return s->count > 0 ? s->layer[s->count - 1].directions : 1;
}

static void gather_summary(const Pass *p, int first, int end)
{
    const View top = joint_view(top_of(p), p->side[ENCODER].window);
    const int directions = directions_of(p);
    const size_t width = widths_of(p).summary, part = width / (size_t)directions;
    for (int b = first; b < end; b++)
        for (int d = 0; d < directions; d++)
            memcpy(p->hand_over.summary + (size_t)b * width + (size_t)d * part,
                   summary_part(p, top, d, b), part * sizeof(float));
}

/* States as a row's last step is left: of a backward direction that is the window's last. */
static void gather_final(const Pass *p, int first, int end)
{
    const Side *const encoder = &p->side[ENCODER];
    const Window *const w = encoder->window;
    for (int i = 0; i < 2 * encoder->stack->count; i++) {
        const Direction *const d = &encoder->direction[i];
        for (int b = first; d->side && b < end; b++)
            step_get_state(&d->step, w->slot, d->backward ? w->T : w->ended[b], b,
                           p->hand_over.final + (size_t)b * encoder->states + d->state);
    }
}

static void hand_states(Pass *p, int first, int end)
{
    const HandOver *const h = &p->hand_over;
    const Widths n = widths_of(p);
    const Linear *const map = &p->linear[STATES_LINEAR];
    const size_t row = (size_t)first;
    if (has_layers(p)) gather_final(p, first, end);
    if (map->params.n)
        linear_run(map, end - first, h->final + row * n.final, n.final,
                   h->start + row * n.start, n.start);
    for (int b = first; b < end; b++)
        pass_set_state(p, 0, 0, b, h->start + (size_t)b * n.start);
}

/* What backward adds to: gradients of the encoder's outputs and of the summary. */
static void clear_gradients(const Pass *p, int first, int end)
{
    const Joint *const j = top_of(p);
    const Window *const w = p->side[ENCODER].window;
    const size_t width = widths_of(p).summary;
    float *const dsummary = p->hand_over.dsummary;
    if (j->dx) clear_rows(joint_gradient(j, w), w, w->T, first, end);
    if (dsummary)
        memset(dsummary + (size_t)first * width, 0,
               (size_t)(end - first) * width * sizeof *dsummary);
}

void hand_over_run(Pass *p, int first, int end, float *scratch)
{
    const HandOver *const h = &p->hand_over;
    const Widths n = widths_of(p);
    joint_enter(top_of(p), p->side[ENCODER].window, first, end, scratch);
    clear_gradients(p, first, end);
    if (needs_summary(p)) gather_summary(p, first, end);
    if (hands(p, WEFT_STATES)) hand_states(p, first, end);
    if (hands(p, WEFT_FIRST))
        linear_run(&p->linear[FIRST_LINEAR], end - first,
                   h->summary + (size_t)first * n.summary, n.summary,
                   h->first + (size_t)first * n.first, n.first);
}

void hand_over_enter(const Joint *j, View x, const Window *w, int first, int end)
{
    const Pass *const p = j->side->pass;
    const Widths n = widths_of(p);
    for (int t = 0; hands(p, WEFT_EVERY) && t < w->T; t++)
        for (int b = first; b < end; b++)
            memcpy(x.at + t * x.step + b * x.row + j->base,
                   p->hand_over.summary + (size_t)b * n.summary,
                   n.summary * sizeof(float));
    for (int b = first; hands(p, WEFT_FIRST) && p->encodes && b < end; b++)
        memcpy(x.at + b * x.row, p->hand_over.first + (size_t)b * n.first,
               n.first * sizeof(float));
}

void hand_over_move(const Pass *from, Pass *to)
{
    const Side *const a = &from->side[ENCODER], *const b = &to->side[ENCODER];
    const size_t B = (size_t)from->shape.B, bytes = sizeof(float);
    b->window->T = a->window->T;
    b->window->lengths = a->window->lengths;
    b->window->fresh = true;
    memcpy(b->length, a->length, B * sizeof *b->length);
    memcpy(b->window->ended, a->window->ended, B * sizeof *b->window->ended);
    if (to->hand_over.summary)
        memcpy(to->hand_over.summary, from->hand_over.summary,
               B * widths_of(from).summary * bytes);
    if (!to->net->model.attention) return;
    const View x = joint_view(top_of(from), a->window),
               y = joint_view(top_of(to), b->window);
    for (int t = 0; t < a->T; t++)
        for (int i = 0; i < from->shape.B; i++)
            memcpy(y.at + t * y.step + i * y.row, x.at + t * x.step + i * x.row,
                   (size_t)top_of(from)->width * bytes);
}

/* ---- backward ---- */

/* Sums over the steps, in ascending order; and the gradient of the first input, which is no
 * embedding's. */
void hand_over_leave(const Joint *j, View dx, const Window *w, int first, int end)
{
    const Pass *const p = j->side->pass;
    const HandOver *const h = &p->hand_over;
    const Widths n = widths_of(p);
    for (int b = first; hands(p, WEFT_EVERY) && b < end; b++)
        simd->sum_rows(w->ended[b], (int)n.summary, dx.at + b * dx.row + j->base,
                       (size_t)dx.step, h->dsummary + (size_t)b * n.summary);
    for (int b = first; hands(p, WEFT_FIRST) && b < end; b++) {
        float *const d = dx.at + b * dx.row;
        memcpy(h->dfirst + (size_t)b * n.first, d, n.first * sizeof(float));
        memset(d, 0, n.first * sizeof(float));
    }
}

static void back_states(Pass *p, int first, int end)
{
    const HandOver *const h = &p->hand_over;
    const Side *const main = &p->side[MAIN];
    const Linear *const map = &p->linear[STATES_LINEAR];
    const Widths n = widths_of(p);
    const size_t row = (size_t)first;
    for (int l = 0; l < main->stack->count; l++)
        for (int b = first; b < end; b++)
            step_get_gradient(&main->direction[2 * l].step, 0, b,
                              h->dstart + (size_t)b * n.start +
                                  main->direction[2 * l].state);
    if (map->params.n) /* of a summary, to what else it has become */
        linear_back(map, end - first, h->dstart + row * n.start, n.start,
                    h->dfinal + row * n.final, n.final, !has_layers(p));
}

static void scatter_summary(const Pass *p, int first, int end)
{
    const View dx = joint_gradient(top_of(p), p->side[ENCODER].window);
    const int directions = directions_of(p);
    const size_t width = widths_of(p).summary, part = width / (size_t)directions;
    for (int b = first; b < end; b++)
        for (int d = 0; d < directions; d++)
            simd->sum_rows(1, (int)part,
                           p->hand_over.dsummary + (size_t)b * width + (size_t)d * part,
                           0, summary_part(p, dx, d, b));
}

void hand_over_back(Pass *p, int first, int end, float *scratch)
{
    const HandOver *const h = &p->hand_over;
    const Widths n = widths_of(p);
    const size_t row = (size_t)first;
    if (hands(p, WEFT_FIRST))
        linear_back(&p->linear[FIRST_LINEAR], end - first, h->dfirst + row * n.first,
                    n.first, h->dsummary + row * n.summary, n.summary, true);
    if (hands(p, WEFT_STATES)) back_states(p, first, end);
    if (needs_summary(p) && top_of(p)->dx) scatter_summary(p, first, end);
    joint_leave(top_of(p), p->side[ENCODER].window, first, end, scratch);
}

void hand_over_gradient(Pass *p, LinearIndex index, int part, int parts, float *scratch)
{
    const HandOver *const h = &p->hand_over;
    const Widths n = widths_of(p);
    const bool first = index == FIRST_LINEAR;
    linear_gradient(&p->linear[index], p->shape.B, NULL, first ? h->dfirst : h->dstart,
                    first ? n.first : n.start, first ? h->summary : h->final,
                    first ? n.summary : n.final, part, parts, scratch);
}

/* ---- costs ---- */

Cost hand_over_cost(const Pass *p, int rows, const Rates *rates)
{
    const Widths n = widths_of(p);
    Cost cost =
        rates_map(rates, MAP_copy, rows, (double)(n.summary + n.final + n.start));
    for (int i = STATES_LINEAR; i <= FIRST_LINEAR; i++)
        if (p->linear[i].params.n)
            cost_add(&cost, linear_cost(&p->linear[i], rows, false, rates));
    return cost;
}

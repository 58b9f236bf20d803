/* decode.c: sequences made by a net, step by step: what it says at a step is the input of the
 * next. Greedy, drawn, or by a beam. */
#include "pass.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One that is being made. */
typedef struct Hypothesis {
    double log_probability, score;
    int length;
} Hypothesis;

/* The making of all rows' sequences: `beam` places a row, each a row of the net's. */
typedef struct Decoding {
    WeftNet *net;
    const WeftDecode *how;
    int B, beam, R; /* R = B beam */
    int O;
    WeftBatch batch; /* of one step and R rows; its arrays are ours */
    float *out;      /* [R][O] */
    Hypothesis *alive,
        *best;          /* [R], of which the first `count` of a row's are there; [B] */
    Hypothesis *next;   /* [beam] of a row */
    int *count, *ended; /* [B] */
    int *from;          /* [R]: whose states a place goes on from */
    int32_t *text, *next_text; /* [R][longest] */
    int32_t *best_text;        /* [B][longest] */
    float *states, *moved;     /* [R][states] */
} Decoding;

/* ---- what is asked for ---- */

static bool check(const WeftNet *net, const WeftBatch *batch, const WeftDecode *how,
                  Error *err)
{
    const WeftModel *const m = &net->model;
    if (m->input == WEFT_DENSE || m->loss != WEFT_SOFTMAX || m->vector)
        return error(err, "weft_decode needs a net that has symbols as input and says "
                          "one at every step");
    if (m->outputs > m->inputs)
        return error(err,
                     "outputs are inputs of the next step: %d of them are more "
                     "than the %d inputs",
                     m->outputs, m->inputs);
    if (how->begin < 0 || how->begin >= m->inputs || how->end < 0 ||
        how->end >= m->outputs)
        return error(err, "begin %d, end %d: from 0 to %d and to %d", how->begin,
                     how->end, m->inputs - 1, m->outputs - 1);
    if (how->longest < 1 || how->longest > NET_SIZE_MAX)
        return error(err, "longest %d: from 1 to %d", how->longest, NET_SIZE_MAX);
    if (how->beam < 0 || how->beam > 1024)
        return error(err, "beam %d: from 1 to 1024", how->beam);
    if (!(how->temperature >= 0) || !isfinite(how->temperature) ||
        (how->temperature > 0 && how->beam > 1))
        return error(err, "temperature %g: 0 or more, and with it a beam of 1",
                     (double)how->temperature);
    if (!isfinite(how->length_power)) return error(err, "length_power is not a number");
    if (batch->source_steps < 0)
        return error(err, "source_steps %d: 1 or more", batch->source_steps);
    const int beam = most(how->beam, 1);
    return (batch->rows >= 1 && batch->rows <= INT32_MAX / 2 / beam) ||
           error(err, "%d rows and a beam of %d: 1 or more, 2^30 in all", batch->rows,
                 beam);
}

/* ---- memory ---- */

/* `beam` copies of each row of [steps][B][n] elements of 4 bytes. */
static void *repeat_rows(const Decoding *d, int steps, int n, const void *from)
{
    const size_t bytes = (size_t)n * 4;
    char *const to = malloc((size_t)steps * (size_t)d->R * bytes + 1);
    for (size_t t = 0; to && t < (size_t)steps; t++)
        for (size_t r = 0; r < (size_t)d->R; r++)
            memcpy(to + (t * (size_t)d->R + r) * bytes,
                   (const char *)from +
                       (t * (size_t)d->B + r / (size_t)d->beam) * bytes,
                   bytes);
    return to;
}

static bool take_source(Decoding *d, const WeftBatch *batch)
{
    const WeftEncoder *const e = d->net->model.encoder;
    WeftBatch *const b = &d->batch;
    if (!e) return true;
    const int steps = b->source_steps = batch->source_steps ? batch->source_steps : 1;
    if (batch->source_x)
        b->source_x = repeat_rows(d, steps, e->inputs, batch->source_x);
    if (batch->source_symbol)
        b->source_symbol = repeat_rows(d, steps, 1, batch->source_symbol);
    if (batch->source_length)
        b->source_length = repeat_rows(d, 1, 1, batch->source_length);
    return (!batch->source_x || b->source_x) &&
           (!batch->source_symbol || b->source_symbol) &&
           (!batch->source_length || b->source_length);
}

static bool decoding_open(Decoding *d, const WeftBatch *batch)
{
    const size_t R = (size_t)d->R, B = (size_t)d->B;
    const size_t longest = (size_t)d->how->longest;
    const size_t states = stack_states(&d->net->stack[MAIN]) + 1;
    d->batch = (WeftBatch){.steps = 1, .rows = d->R, .fresh = true};
    d->batch.symbol = calloc(R, sizeof *d->batch.symbol);
    d->out = calloc(R * (size_t)d->O, sizeof *d->out);
    d->alive = calloc(R, sizeof *d->alive);
    d->best = calloc(B, sizeof *d->best);
    d->next = calloc((size_t)d->beam, sizeof *d->next);
    d->count = calloc(B, sizeof *d->count);
    d->ended = calloc(B, sizeof *d->ended);
    d->from = calloc(R, sizeof *d->from);
    d->text = calloc(R * longest, sizeof *d->text);
    d->next_text = calloc((size_t)d->beam * longest, sizeof *d->next_text);
    d->best_text = calloc(B * longest, sizeof *d->best_text);
    d->states = calloc(R * states, sizeof *d->states);
    d->moved = calloc(R * states, sizeof *d->moved);
    return d->batch.symbol && d->out && d->alive && d->best && d->next && d->count &&
           d->ended && d->from && d->text && d->next_text && d->best_text &&
           d->states && d->moved && take_source(d, batch);
}

static void decoding_close(Decoding *d)
{
    void *const all[] = {d->batch.symbol,
                         d->batch.source_x,
                         d->batch.source_symbol,
                         d->batch.source_length,
                         d->out,
                         d->alive,
                         d->best,
                         d->next,
                         d->count,
                         d->ended,
                         d->from,
                         d->text,
                         d->next_text,
                         d->best_text,
                         d->states,
                         d->moved};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

/* ---- a step ---- */

static double score(const Decoding *d, double log_probability, int length)
{
    const double power = (double)d->how->length_power;
    return power == 0 ? log_probability
                      : log_probability / weft_exp(power * weft_log((double)length));
}

static double log_of(float probability)
{
    return probability > 0 ? weft_log((double)probability) : -INFINITY;
}

/* Of a probability beside the largest, to the power of 1 / temperature. */
static double share_of(const Decoding *d, float p, double top)
{
    return weft_exp((log_of(p) - top) / (double)d->how->temperature);
}

/* One of the probabilities, each to the power of 1 / temperature. */
static int draw(const Decoding *d, const float *p, int b, int t)
{
    const double top = log_of(p[largest(p, d->O)]);
    const uint64_t index = (uint64_t)b * (uint64_t)d->how->longest + (uint64_t)t;
    double sum = 0;
    for (int j = 0; j < d->O; j++) sum += share_of(d, p[j], top);
    double left = sum * (double)weft_random_uniform(d->how->seed, STREAM_DECODE, index);
    int last = 0;
    for (int j = 0; j < d->O; j++) {
        const double share = share_of(d, p[j], top);
        if (share > 0) last = j;
        left -= share;
        if (left < 0) break;
    }
    return last;
}

/* One that may go on: whose, what with, how good. */
typedef struct Candidate {
    int parent, symbol;
    double log_probability;
} Candidate;

/* The best 2 beam of a row, in order: enough, if as many as beam of them end. Of each that
 * is alive no more than that come in question. */
static int find_candidates(Decoding *d, int b, int t, Candidate *list)
{
    const int most = 2 * d->beam;
    int count = 0;
    for (int k = 0; k < d->count[b]; k++) {
        const int r = b * d->beam + k;
        float *const p = d->out + (size_t)r * (size_t)d->O;
        const bool drawn = d->how->temperature > 0;
        for (int i = 0; i < (drawn ? 1 : least(most, d->O)); i++) {
            const int symbol = drawn ? draw(d, p, b, t) : largest(p, d->O);
            const double l = d->alive[r].log_probability + log_of(p[symbol]);
            p[symbol] = -1; /* taken */
            if (count == most && !(l > list[count - 1].log_probability)) break;
            int at = count < most ? count++ : count - 1;
            for (; at > 0 && l > list[at - 1].log_probability; at--)
                list[at] = list[at - 1];
            list[at] = (Candidate){k, symbol, l};
        }
    }
    return count;
}

/* Keeps the row's best. */
static void end_one(Decoding *d, int b, const Hypothesis *h, const int32_t *text)
{
    const size_t longest = (size_t)d->how->longest;
    Hypothesis *const best = &d->best[b];
    if (d->ended[b]++ > 0 && !(h->score > best->score)) return;
    *best = *h;
    memcpy(d->best_text + (size_t)b * longest, text, (size_t)h->length * sizeof *text);
}

/* Places of row b after step t, from what the net says. */
static void extend_row(Decoding *d, int b, int t, Candidate *list)
{
    const size_t longest = (size_t)d->how->longest;
    const int candidates = find_candidates(d, b, t, list), first = b * d->beam;
    int count = 0;
    for (int i = 0; i < candidates && count < d->beam; i++) {
        const Candidate *const c = &list[i];
        const int32_t *const before = d->text + (size_t)(first + c->parent) * longest;
        Hypothesis h = {.log_probability = c->log_probability, .length = t};
        h.score = score(d, h.log_probability, t + 1);
        if (c->symbol == d->how->end) {
            end_one(d, b, &h, before);
            continue;
        }
        int32_t *const after = d->next_text + (size_t)count * longest;
        memcpy(after, before, (size_t)t * sizeof *after);
        after[t] = c->symbol;
        h.length = t + 1;
        d->next[count] = h;
        d->from[first + count] = first + c->parent;
        d->batch.symbol[first + count] = c->symbol;
        count++;
    }
    memcpy(d->alive + first, d->next, (size_t)count * sizeof *d->next);
    memcpy(d->text + (size_t)first * longest, d->next_text,
           (size_t)count * longest * sizeof *d->text);
    d->count[b] = count;
}

/* Nothing that is alive can become better: log probabilities only fall, and of a longer one
 * the divisor is at most that of the longest. */
static bool is_done(const Decoding *d, int b)
{
    if (d->count[b] == 0) return true;
    if (d->ended[b] == 0) return false;
    const double best = d->alive[b * d->beam].log_probability;
    const int longest =
        d->how->length_power > 0 ? d->how->longest : d->alive[b * d->beam].length;
    return d->best[b].score >= score(d, best, longest);
}

/* Each place goes on from its parent's states. */
static void move_states(Decoding *d)
{
    Pass *const p = d->net->prediction;
    const size_t states = p->side[MAIN].states;
    bool stay = true;
    for (int r = 0; r < d->R; r++) stay &= d->from[r] == r;
    if (stay) return;
    pass_get_states(p, d->states);
    for (int r = 0; r < d->R; r++)
        memcpy(d->moved + (size_t)r * states, d->states + (size_t)d->from[r] * states,
               states * sizeof(float));
    pass_set_states(p, d->moved);
}

/* Returns whether a row goes on. */
static bool extend(Decoding *d, int t, Candidate *list)
{
    bool on = false;
    for (int r = 0; r < d->R; r++) d->from[r] = r;
    for (int b = 0; b < d->B; b++) {
        if (d->count[b] == 0) continue;
        extend_row(d, b, t, list);
        if (is_done(d, b)) d->count[b] = 0;
        on |= d->count[b] > 0;
    }
    if (on) move_states(d);
    return on;
}

/* A row of which none has ended takes the best of what there is. */
static void end_rows(Decoding *d)
{
    const size_t longest = (size_t)d->how->longest;
    for (int b = 0; b < d->B; b++)
        if (d->ended[b] == 0)
            end_one(d, b, &d->alive[b * d->beam],
                    d->text + (size_t)(b * d->beam) * longest);
}

static bool run(Decoding *d, Candidate *list, Error *err)
{
    for (int r = 0; r < d->R; r++) d->batch.symbol[r] = d->how->begin;
    for (int b = 0; b < d->B; b++) d->count[b] = 1;
    for (int t = 0; t < d->how->longest; t++) {
        d->batch.fresh = t == 0;
        if (!weft_predict(d->net, &d->batch, d->out, err)) return false;
        if (!extend(d, t, list)) break;
    }
    end_rows(d);
    return true;
}

static void give(const Decoding *d, int32_t *symbol, int *length,
                 double *log_probability)
{
    const size_t longest = (size_t)d->how->longest;
    memset(symbol, 0, (size_t)d->B * longest * sizeof *symbol);
    for (int b = 0; b < d->B; b++) {
        const Hypothesis *const h = &d->best[b];
        memcpy(symbol + (size_t)b * longest, d->best_text + (size_t)b * longest,
               (size_t)h->length * sizeof *symbol);
        length[b] = h->length;
        if (log_probability) log_probability[b] = h->log_probability;
    }
}

bool weft_decode(WeftNet *net, const WeftBatch *batch, const WeftDecode *how,
                 int32_t *symbol, int *length, double *log_probability, WeftError *err)
{
    if (!net || !batch || !how || !symbol || !length)
        return error(err, "weft_decode needs a net, a batch, how, and places for the "
                          "symbols and lengths");
    if (!check(net, batch, how, err)) return false;
    Decoding d = {.net = net, .how = how, .B = batch->rows, .O = net->model.outputs};
    d.beam = how->beam ? how->beam : 1;
    d.R = d.B * d.beam;
    Candidate *const list = calloc(2 * (size_t)d.beam, sizeof *list);
    const bool taken = decoding_open(&d, batch) && list;
    const bool made = taken ? run(&d, list, err) : error(err, "out of memory");
    if (made) give(&d, symbol, length, log_probability);
    decoding_close(&d);
    free(list);
    return made;
}

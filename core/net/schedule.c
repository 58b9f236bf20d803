/* schedule.c: one count of a split after the other is varied, the others held, until none
 * of them does better alone. */
#include "schedule.h"

#include <assert.h>
#include <limits.h>

#define WORTH   0.99 /* of the time: what a more divided split must save */
#define SWEEPS  3
#define WINDOWS 24 /* of an update that are looked at: what comes after is like them */

typedef struct Search {
    WeftNet *net;
    PassShape shape; /* of no more than WINDOWS windows an update */
    const Terms *terms;
    Split most; /* of each count, worth a try */
    Choice *best;
    bool found;   /* one that has enough memory */
    size_t least; /* bytes that one would need */
} Search;

/* ---- one split ---- */

static bool plan_pass(Pass *p, const Terms *terms, Choice *choice, Error *err)
{
    TileList *list = NULL;
    const bool made = pass_weave(p, p->shape.windows, &terms->rates, &list, err) &&
                      plan_make(list, &terms->machine, &choice->plan, err);
    choice->flops = 0;
    for (int i = 0; made && i < tiles_count(list); i++)
        choice->flops += tiles_get(list, i)->flops;
    tiles_close(list);
    return made;
}

bool schedule_try(WeftNet *net, const PassShape *shape, const Terms *terms,
                  const Split *split, Choice *choice, Error *err)
{
    Pass *p = NULL;
    *choice = (Choice){.split = *split};
    const bool built = pass_build(net, shape, terms->machine.cores, split, &p, err);
    if (built) choice->bytes = pass_bytes(p);
    const bool made = built && plan_pass(p, terms, choice, err);
    pass_close(p);
    return made;
}

/* ---- the search ---- */

static bool has_room(const Terms *terms, size_t bytes)
{
    return terms->memory == 0 || bytes <= terms->memory;
}

static bool try_split(Search *s, const Split *split, Error *err)
{
    Choice choice;
    if (!schedule_try(s->net, &s->shape, s->terms, split, &choice, err)) return false;
    if (choice.bytes < s->least) s->least = choice.bytes;
    if (!has_room(s->terms, choice.bytes)) return true;
    if (!s->found || choice.plan.seconds < WORTH * s->best->plan.seconds)
        *s->best = choice;
    s->found = true;
    return true;
}

/* 1 2 3 4 6 8 12 16 ... */
static int next_count(int count)
{
    int power = 1;
    while (2 * power <= count) power *= 2;
    return count < 2 ? count + 1 : count == power ? power + power / 2 : 2 * power;
}

#define COUNTS 4

static int *count_of(Split *split, int kind)
{
    int *const at[COUNTS] = {&split->slots, &split->rows, &split->units, &split->parts};
    return at[kind];
}

/* Tries all counts of one kind. */
static bool vary(Search *s, int kind, Error *err)
{
    Split split = s->best->split;
    const int most = *count_of(&s->most, kind);
    int *const count = count_of(&split, kind);
    const int now = *count;
    for (int next = 1;; next = next_count(next)) {
        *count = next < most ? next : most;
        if (*count != now && !try_split(s, &split, err)) return false;
        if (next >= most) return true;
    }
}

static bool search(Search *s, Error *err)
{
    for (int sweep = 0; sweep < SWEEPS; sweep++) {
        const double before = s->best->plan.seconds;
        for (int kind = 0; kind < COUNTS; kind++)
            if (!vary(s, kind, err)) return false;
        if (!(s->best->plan.seconds < before)) break;
    }
    return true;
}

/* ---- what is worth a try ---- */

static int least(int a, int b)
{
    return a < b ? a : b;
}

static Split most_of(const WeftNet *net, const PassShape *shape, const Terms *terms)
{
    const PlanMachine *const m = &terms->machine;
    const int cores = m->cores, windows = shape->windows;
    const int rows = least(cores, shape->B), units = least(m->domain, cores);
    const int ahead = least(windows, cores + 1);
    const int layers = least(windows, net->model.layer_count);
    switch (terms->split) {
    case WEFT_SPLIT_ROWS: return (Split){rows, 1, cores, 1};
    case WEFT_SPLIT_UNITS: return (Split){1, units, cores, 1};
    case WEFT_SPLIT_CHUNKS: return (Split){1, 1, cores, ahead};
    case WEFT_SPLIT_LAYERS: return (Split){1, 1, cores, layers};
    default: return (Split){rows, units, cores, ahead};
    }
}

bool schedule_choose(WeftNet *net, const PassShape *shape, const Terms *terms,
                     Choice *best, Error *err)
{
    Search s = {
        .net = net, .shape = *shape, .terms = terms, .best = best, .least = SIZE_MAX};
    s.shape.windows = least(shape->windows, WINDOWS);
    s.most = most_of(net, &s.shape, terms);
    const Split one = {1, 1, 1, 1}, first = {1, 1, s.most.parts, 1};
    if (terms->machine.cores == 1 && terms->memory == 0) {
        *best = (Choice){.split = one};
        return true;
    }
    if (!try_split(&s, &first, err)) return false;
    if (!s.found)
        return error(err, "an update needs %zu MiB of memory; %zu are allowed",
                     (s.least >> 20) + 1, terms->memory >> 20);
    return search(&s, err);
}

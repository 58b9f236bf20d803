/* schedule.c: sets of two or three counts are varied in turn, the other counts held, until none
 * of the sets does better. */
#include "schedule.h"

#include <stdint.h>

#define WORTH      0.999 /* of the time: what a more divided split must save */
#define WAITING    1 /* weight of the time that cores wait, beside that of the update */
#define SWEEPS     3
#define ROWS_LEAST 4  /* fewer in a block make products that wait for memory */
#define AHEAD_MOST 32 /* parts of what comes before a loop, at most */
#define WINDOWS    24 /* of an update that are looked at: what comes after is like them */

typedef enum Count { ROWS, UNITS, PARTS, SLOTS, AHEAD } Count;

typedef struct Search {
    WeftNet *net;
    PassShape shape;
    int windows; /* of an update, that are looked at */
    const Terms *terms;
    Split most; /* of each count, worth a try */
    Choice *best;
    bool found;   /* one that has enough memory */
    size_t least; /* bytes that one would need */
} Search;

/* ---- one split ---- */

static bool plan_pass(Pass *p, int windows, const Terms *terms, Choice *choice,
                      Error *err)
{
    TileList *list = NULL;
    const bool made = pass_weave(p, windows, &p->split, &terms->rates, &list, err) &&
                      plan_make(list, &terms->machine, &choice->plan, err);
    choice->flops = 0;
    for (int i = 0; made && i < tiles_count(list); i++)
        choice->flops += tiles_get(list, i)->flops;
    tiles_close(list);
    return made;
}

bool schedule_try(WeftNet *net, const PassShape *shape, int windows, const Terms *terms,
                  const Split *split, Choice *choice, Error *err)
{
    Pass *p = NULL;
    *choice = (Choice){.split = *split};
    const bool built = pass_build(net, shape, terms->machine.cores, split, &p, err);
    if (built) choice->bytes = pass_bytes(p);
    const bool made = built && plan_pass(p, windows, terms, choice, err);
    pass_close(p);
    return made;
}

/* ---- the search ---- */

/* The limit is for training: what is never cut needs what it needs. */
static bool has_room(const Search *s, size_t bytes)
{
    const size_t limit = s->terms->memory;
    return limit == 0 || bytes <= limit || s->shape.purpose != PURPOSE_TRAIN;
}

/* Of two plans that take as long, the one with less waiting: tiles take longer than foreseen
 * now and then, and then all that are near the end of their wait take longer too. */
static double score(const Search *s, const Choice *choice)
{
    const Plan *const plan = &choice->plan;
    return plan->seconds + WAITING * plan->waiting / s->terms->machine.cores;
}

static bool try_split(Search *s, const Split *split, Error *err)
{
    Choice choice;
    if (!schedule_try(s->net, &s->shape, s->windows, s->terms, split, &choice, err))
        return false;
    if (choice.bytes < s->least) s->least = choice.bytes;
    if (!has_room(s, choice.bytes)) return true;
    if (!s->found || score(s, &choice) < WORTH * score(s, s->best)) *s->best = choice;
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

static int *count_of(Split *split, Count count)
{
    int *const at[] = {&split->rows, &split->units, &split->parts, &split->slots,
                       &split->ahead};
    return at[count];
}

static bool same_split(Split a, Split b)
{
    for (Count c = ROWS; c <= AHEAD; c++)
        if (*count_of(&a, c) != *count_of(&b, c)) return false;
    return true;
}

/* Tries all values of these counts, each with all of the others. */
static bool vary(Search *s, Split split, const Count *counts, int n, Error *err)
{
    if (n == 0) return same_split(split, s->best->split) || try_split(s, &split, err);
    const int most = *count_of(&s->most, counts[0]);
    for (int next = counts[0] == AHEAD ? 0 : 1;; next = next_count(next)) {
        *count_of(&split, counts[0]) = next < most ? next : most;
        if (!vary(s, split, counts + 1, n - 1, err)) return false;
        if (next >= most) return true;
    }
}

static bool search(Search *s, Error *err)
{
    static const struct {
        int n;
        Count counts[3];
    } sets[] = {{2, {ROWS, UNITS}}, {2, {PARTS, SLOTS}}, {3, {UNITS, SLOTS, AHEAD}}};
    for (int sweep = 0; sweep < SWEEPS; sweep++) {
        const double before = score(s, s->best);
        for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
            if (!vary(s, s->best->split, sets[i].counts, sets[i].n, err)) return false;
        if (!(score(s, s->best) < before)) break;
    }
    return true;
}

/* ---- what is worth a try ---- */

static Split most_of(const Search *s, WeftSplit way)
{
    const PlanMachine *const m = &s->terms->machine;
    const int cores = m->cores, windows = s->windows;
    const int rows = least(cores, s->shape.B), units = least(m->domain, cores);
    const int flight = least(windows, 2 * cores);
    const int layers = least(windows, s->net->model.layer_count);
    const int ahead_most = least(cores, AHEAD_MOST);
    const int parts = s->shape.purpose == PURPOSE_TRAIN ? cores : 1;
    switch (way) {
    case WEFT_SPLIT_ROWS: return (Split){rows, 1, parts, 1, 0};
    case WEFT_SPLIT_UNITS: return (Split){1, units, parts, 1, ahead_most};
    case WEFT_SPLIT_CHUNKS: return (Split){1, 1, parts, flight, ahead_most};
    case WEFT_SPLIT_LAYERS: return (Split){1, 1, parts, layers, ahead_most};
    default: return (Split){rows, units, parts, flight, ahead_most};
    }
}

/* The best on the way from a split to better ones. */
static bool search_from(Search *s, const Split *first, Split most, Error *err)
{
    s->most = most;
    s->found = false;
    if (!try_split(s, first, err)) return false;
    if (!s->found)
        return error(err, "an update needs %zu MiB of memory; %zu are allowed",
                     (s->least >> 20) + 1, s->terms->memory >> 20);
    return search(s, err);
}

/* Chunks in flight and blocks of rows hide each other: neither does better where much of the
 * other is done. So there is a second way to the best. */
static bool search_twice(Search *s, const Split *first, Choice *best, Error *err)
{
    const Split chunks = most_of(s, WEFT_SPLIT_CHUNKS);
    const Split all = most_of(s, WEFT_SPLIT_AUTO);
    Choice other;
    Split from;
    if (!search_from(s, first, all, err)) return false;
    s->best = &other;
    if (!search_from(s, first, chunks, err) ||
        (from = other.split, !search_from(s, &from, all, err)))
        return false;
    if (score(s, &other) < WORTH * score(s, best)) *best = other;
    return true;
}

/* Blocks of rows: a prediction may have a new shape every time, and no time to search; nor has
 * what is run once. */
static Split rows_alone(const PassShape *shape, int cores)
{
    const int rows = least(cores, shape->B / ROWS_LEAST);
    return (Split){rows > 1 ? rows : 1, 1, 1, 1, 0};
}

bool schedule_choose(WeftNet *net, const PassShape *shape, const Terms *terms,
                     Choice *best, Error *err)
{
    Search s = {
        .net = net, .shape = *shape, .terms = terms, .best = best, .least = SIZE_MAX};
    s.windows = least(shape->windows, WINDOWS);
    const int cores = terms->machine.cores;
    const Split first = {1, 1, cores, 1, 0};
    if (cores == 1 && terms->memory == 0) {
        *best = (Choice){.split = first};
        return true;
    }
    if (cores == 1) return search_from(&s, &first, first, err);
    if (shape->purpose == PURPOSE_PREDICT || shape->purpose == PURPOSE_FLOW) {
        *best = (Choice){.split = rows_alone(shape, cores)};
        return true;
    }
    if (terms->split == WEFT_SPLIT_AUTO) return search_twice(&s, &first, best, err);
    return search_from(&s, &first, most_of(&s, terms->split), err);
}

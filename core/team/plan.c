/* plan.c: a list run in thought.
 *
 * The clock goes from one end of a tile to the next. What ends there makes others ready;
 * then, while some core is idle, the ready tile with the longest path to the end is
 * placed: at home, where what it waited for has left its data, if a core is idle there;
 * else on the core where it starts first. A gang may have to wait for cores that are
 * still at work; they take nothing else before it.
 *
 * A tile is placed after all that it waits for have ended, and on a core after all that
 * the core has taken: so the order of placing is one for the list. */
#include "plan.h"

#include <assert.h>
#include <math.h>

#include "tiles.h"

/* ---- a heap: the least key first, of equal keys the lowest number ---- */

typedef struct Entry {
    double key;
    int number;
} Entry;

typedef struct Heap {
    Entry *entry; /* [tiles] */
    int count;
} Heap;

static bool is_before(Entry a, Entry b)
{
    return a.key < b.key || (a.key <= b.key && a.number < b.number);
}

static void heap_push(Heap *heap, double key, int number)
{
    const Entry new = {key, number};
    Entry *const entry = heap->entry;
    int at = heap->count++;
    for (int up; at > 0 && is_before(new, entry[up = (at - 1) / 2]); at = up)
        entry[at] = entry[up];
    entry[at] = new;
}

static int heap_pop(Heap *heap)
{
    Entry *const entry = heap->entry;
    const int number = entry[0].number, count = --heap->count;
    const Entry last = entry[count];
    int at = 0;
    for (int down; (down = 2 * at + 1) < count; at = down) {
        if (down + 1 < count && is_before(entry[down + 1], entry[down])) down++;
        if (!is_before(entry[down], last)) break;
        entry[at] = entry[down];
    }
    entry[at] = last;
    return number;
}

/* ---- the simulation ---- */

typedef struct Simulation {
    TileList *list;
    const TileLinks *links;
    const PlanMachine *machine;
    int tiles;
    double now;
    int idle;       /* cores without a tile now */
    double waiting; /* core-seconds that were */

    double
        *path; /* [tiles]: longest, from the start of the tile to the end of the list */
    double *end; /* [tiles] */
    int *needs;  /* [tiles]: by the first of a gang: how many it still waits for */
    Heap ready;  /* gangs' first, the longest path first */
    Heap ends;   /* of tiles that are placed */
    int *order;  /* [tiles] as they were placed */
    int placed;
    double *free_at; /* [cores]: the end of what the core has taken */
    int *by_free;    /* [cores]: each domain's cores in the order of free_at */
} Simulation;

static void simulation_place(Simulation *s, Arena *arena)
{
    const size_t tiles = (size_t)s->tiles, cores = (size_t)s->machine->cores;
    s->path = ARENA_TAKE(arena, double, tiles);
    s->end = ARENA_TAKE(arena, double, tiles);
    s->needs = ARENA_TAKE(arena, int, tiles);
    s->ready.entry = ARENA_TAKE(arena, Entry, tiles);
    s->ends.entry = ARENA_TAKE(arena, Entry, tiles);
    s->order = ARENA_TAKE(arena, int, tiles);
    s->free_at = ARENA_TAKE(arena, double, cores);
    s->by_free = ARENA_TAKE(arena, int, cores);
}

static double most(double a, double b)
{
    return a > b ? a : b;
}

static Tile *tile_of(const Simulation *s, int i)
{
    return tiles_get(s->list, i);
}

static double seconds_on(const Simulation *s, int i, int core)
{
    const Tile *const tile = tile_of(s, i);
    return tile->seconds + (core == tile->home % s->machine->cores ? 0 : tile->away);
}

static bool is_gate(const Tile *tile)
{
    return tile->seconds <= 0;
}

static int members_of(const Tile *tile)
{
    return tile->gang > 1 && !is_gate(tile) ? tile->gang : 1;
}

static int first_of(const Simulation *s, int i)
{
    const Tile *const tile = tile_of(s, i);
    return members_of(tile) > 1 ? i - tile->part : i;
}

/* The last domain may have fewer cores. */
static int domain_cores(const PlanMachine *m, int base)
{
    return base + m->domain <= m->cores ? m->domain : m->cores - base;
}

static double wait_between(const PlanMachine *m, int from, int to)
{
    if (from == to) return 0;
    return from / m->domain == to / m->domain ? m->wait : m->far_wait;
}

/* When a core knows that all have ended for which tile i waits. */
static double ready_at(const Simulation *s, int i, int core)
{
    const TileLinks *const l = s->links;
    double ready = 0;
    for (int k = l->before_at[i]; k < l->before_at[i + 1]; k++) {
        const int before = l->before[k], from = tile_of(s, before)->owner;
        ready = most(ready, s->end[before] + wait_between(s->machine, from, core));
    }
    return ready;
}

/* ---- cores ---- */

static bool is_idle(const Simulation *s, int core)
{
    return s->free_at[core] <= s->now;
}

/* Where the last tile ended for which tile i waits; 0: it waits for none. */
static int last_core(const Simulation *s, int i)
{
    const TileLinks *const l = s->links;
    int last = -1;
    for (int k = l->before_at[i]; k < l->before_at[i + 1]; k++)
        if (last < 0 || s->end[l->before[k]] > s->end[last]) last = l->before[k];
    return last < 0 ? 0 : tile_of(s, last)->owner;
}

/* Of the idle cores with data for tile i, the one with the latest. A gate has no data,
 * but tells which domain is near. */
static int home_core(const Simulation *s, int i)
{
    if (tile_of(s, i)->away > 0) return tile_of(s, i)->home % s->machine->cores;
    const TileLinks *const l = s->links;
    int last = -1;
    for (int k = l->before_at[i]; k < l->before_at[i + 1]; k++) {
        const int before = l->before[k];
        const Tile *const tile = tile_of(s, before);
        if (is_gate(tile) || !is_idle(s, tile->owner)) continue;
        if (last < 0 || s->end[before] > s->end[last]) last = before;
    }
    return last < 0 ? last_core(s, i) : tile_of(s, last)->owner;
}

static double start_on(const Simulation *s, int i, int core)
{
    return most(s->now, most(s->free_at[core], ready_at(s, i, core)));
}

/* Whether a tile that another core would take longer for ends first on its own, busy or
 * not. */
static bool goes_home(const Simulation *s, int i, int home, int other)
{
    const double away = tile_of(s, i)->away;
    return away > 0 && start_on(s, i, home) <= start_on(s, i, other) + away;
}

/* The first core of a domain where tile i and its gang start now or first, home being the
 * nearest. The last of the members to find a core stands for them all. */
static int choose_domain(const Simulation *s, int i, int members, int home)
{
    const PlanMachine *const m = s->machine;
    const int domains = (m->cores + m->domain - 1) / m->domain;
    int best = 0;
    double best_start = INFINITY;
    for (int k = 0; k < domains; k++) {
        const int base = (home / m->domain + k) % domains * m->domain;
        if (domain_cores(m, base) < members) continue;
        const int core = s->by_free[base + members - 1];
        if (k == 0 && is_idle(s, core)) return base;
        const double start = start_on(s, i, core);
        if (start < best_start) {
            best = base;
            best_start = start;
        }
    }
    return best;
}

/* Makes cores of the domain owners of the members. Gangs prefer cores that stand at a
 * multiple of their size, so that the next one finds the same cores and their caches.
 * Returns when all can start. */
static double choose_cores(const Simulation *s, int first, int members, int base,
                           int home)
{
    const int cores = domain_cores(s->machine, base);
    const double by = most(s->now, s->free_at[s->by_free[base + members - 1]]);
    const bool at_home = home >= base && home < base + cores && s->free_at[home] <= by;
    int at = (at_home ? home : s->by_free[base]) - base;
    double start = s->now;
    at -= at % members;
    for (int j = 0; j < members; at = (at + 1) % cores) {
        const int core = base + at;
        if (s->free_at[core] > by) continue;
        tile_of(s, first + j)->owner = core;
        start = most(start, most(s->free_at[core], ready_at(s, first + j, core)));
        j++;
    }
    return start;
}

/* Moves the core back among those of its domain. */
static void occupy(Simulation *s, int core, double until)
{
    const int base = core - core % s->machine->domain;
    const int last = base + domain_cores(s->machine, base) - 1;
    int at = base;
    while (s->by_free[at] != core) at++;
    for (; at < last; at++) {
        const int next = s->by_free[at + 1];
        if (is_before((Entry){until, core}, (Entry){s->free_at[next], next})) break;
        s->by_free[at] = next;
    }
    s->by_free[at] = core;
    s->free_at[core] = until;
}

/* ---- events ---- */

static void place(Simulation *s, int i, double start, double end)
{
    tile_of(s, i)->start = start;
    s->end[i] = end;
    s->order[s->placed++] = i;
    heap_push(&s->ends, end, i);
}

static void place_members(Simulation *s, int first)
{
    const int members = members_of(tile_of(s, first)), home = home_core(s, first);
    const int base = choose_domain(s, first, members, home);
    double start = choose_cores(s, first, members, base, home);
    if (members == 1 && goes_home(s, first, home, tile_of(s, first)->owner)) {
        tile_of(s, first)->owner = home;
        start = start_on(s, first, home);
    }
    for (int i = first; i < first + members; i++) {
        const int core = tile_of(s, i)->owner;
        place(s, i, start, start + (s->machine->tile + seconds_on(s, i, core)));
        s->idle -= is_idle(s, core);
        s->waiting += start - s->free_at[core];
        occupy(s, core, s->end[i]);
    }
}

static void make_ready(Simulation *s, int first)
{
    if (!is_gate(tile_of(s, first))) {
        heap_push(&s->ready, -s->path[first], first);
        return;
    }
    const int core = tile_of(s, first)->owner = last_core(s, first);
    const double opens = ready_at(s, first, core);
    place(s, first, opens, opens);
}

static void finish(Simulation *s, int i)
{
    const TileLinks *const l = s->links;
    if (!is_gate(tile_of(s, i))) s->idle += is_idle(s, tile_of(s, i)->owner);
    for (int k = l->after_at[i]; k < l->after_at[i + 1]; k++) {
        const int first = first_of(s, l->after[k]);
        if (--s->needs[first] == 0) make_ready(s, first);
    }
}

/* ---- all of it ---- */

/* Longest paths; a gang's is that of the member with the longest. */
static void measure_paths(Simulation *s)
{
    const TileLinks *const l = s->links;
    for (int i = s->tiles; i-- > 0;) {
        const Tile *const tile = tile_of(s, i);
        const int end = first_of(s, i) == i ? i + members_of(tile) : i;
        double longest = 0;
        for (int k = l->after_at[i]; k < l->after_at[i + 1]; k++)
            longest = most(longest, s->path[l->after[k]]);
        s->path[i] = tile->seconds + longest;
        for (int j = i; j < end; j++) s->path[i] = most(s->path[i], s->path[j]);
        for (int j = i; j < end; j++) s->path[j] = s->path[i];
    }
}

static void simulate(Simulation *s)
{
    const TileLinks *const l = s->links;
    measure_paths(s);
    s->idle = s->machine->cores;
    for (int core = 0; core < s->machine->cores; core++) s->by_free[core] = core;
    for (int i = 0; i < s->tiles; i++)
        s->needs[first_of(s, i)] += l->before_at[i + 1] - l->before_at[i];
    for (int i = 0; i < s->tiles; i++)
        if (first_of(s, i) == i && s->needs[i] == 0) make_ready(s, i);
    for (;;) {
        while (s->ready.count && s->idle > 0) place_members(s, heap_pop(&s->ready));
        if (!s->ends.count) break;
        s->now = s->ends.entry[0].key;
        while (s->ends.count && s->ends.entry[0].key <= s->now)
            finish(s, heap_pop(&s->ends));
    }
    assert(s->placed == s->tiles); /* else members of a gang wait for each other */
}

static void sum_up(const Simulation *s, Plan *plan)
{
    *plan = (Plan){.waiting = s->waiting};
    for (int i = 0; i < s->tiles; i++) {
        plan->seconds = most(plan->seconds, s->end[i]);
        plan->work += seconds_on(s, i, tile_of(s, i)->owner);
        plan->path = most(plan->path, s->path[i]);
    }
    for (int core = 0; core < s->machine->cores; core++)
        plan->waiting += plan->seconds - s->free_at[core];
}

static bool check_gangs(TileList *list, const PlanMachine *machine, Error *err)
{
    const int tiles = tiles_count(list), cores = domain_cores(machine, 0);
    for (int i = 0, members; i < tiles; i += members) {
        assert(tiles_get(list, i)->seconds >= 0);
        members = members_of(tiles_get(list, i));
        assert(i + members <= tiles);
        if (members > cores)
            return error(err,
                         "a gang of %d needs as many cores that share a cache, "
                         "and they are %d",
                         members, cores);
        for (int j = 0; members > 1 && j < members; j++) {
            const Tile *const tile = tiles_get(list, i + j);
            assert(members_of(tile) == members && tile->part == j);
        }
    }
    return true;
}

bool plan_make(TileList *list, const PlanMachine *machine, Plan *plan, Error *err)
{
    assert(machine->cores > 0 && machine->domain > 0 && machine->tile >= 0);
    assert(machine->wait >= 0 && machine->far_wait >= machine->wait);
    Simulation s = {.list = list, .machine = machine, .tiles = tiles_count(list)};
    Arena need = {0}, arena;
    simulation_place(&s, &need);
    if (!check_gangs(list, machine, err) || !arena_open(&arena, need.used, err))
        return false;
    Arena walk = arena;
    simulation_place(&s, &walk);
    s.links = tiles_links(list);
    simulate(&s);
    sum_up(&s, plan);
    tiles_order(list, s.order);
    arena_close(&arena);
    return true;
}

Terms terms_of(int cores, int domain, const Rates *rates)
{
    return (Terms){.machine = {.cores = cores,
                               .domain = domain < cores ? domain : cores,
                               .wait = rates->wait,
                               .far_wait = rates->far_wait,
                               .tile = rates->tile},
                   .rates = rates_together(rates, cores)};
}

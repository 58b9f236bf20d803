/* test_plan.c: plans of random lists hold to what a plan is, and known ones are found. */
#include "../core/team/plan.h"
#include "../simd/scalar.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define TILES 240
#define EDGES 8 /* at most, into each tile */
#define LISTS 400

/* ---- lists that know their edges and watch their own order ---- */

typedef struct Example {
    TileList *list;
    int tiles, edges[TILES], earlier[TILES][EDGES];
    PlanMachine machine;
    Plan plan;
    atomic_int runs[TILES], turn[TILES], turns, wrong;
    int round;
    uint64_t seed, draws;
} Example;

static void run_watched(const Tile *tile, int worker)
{
    (void)worker;
    Example *const x = tile->context;
    const int i = tile->index;
    for (int e = 0; e < x->edges[i]; e++)
        if (x->runs[x->earlier[i][e]] != x->round) x->wrong++;
    x->turn[i] = x->turns++;
    x->runs[i]++;
}

static Example *example_open(PlanMachine machine)
{
    Example *const x = calloc(1, sizeof *x);
    Error err;
    x->machine = machine;
    cr_assert(tiles_open(TILES, TILES * EDGES, &x->list, &err), "%s", err.text);
    return x;
}

static void example_close(Example *x)
{
    tiles_close(x->list);
    free(x);
}

static int add(Example *x, double seconds)
{
    const int i = x->tiles++;
    const Tile tile = {
        .run = run_watched, .context = x, .index = i, .seconds = seconds};
    cr_assert_eq(tiles_add(x->list, tile), i);
    return i;
}

/* The number of its first member. */
static int add_gang(Example *x, double seconds, int members)
{
    const int first = x->tiles;
    for (int j = 0; j < members; j++) {
        Tile *const tile = tiles_get(x->list, add(x, seconds));
        tile->gang = members;
        tile->part = j;
    }
    return first;
}

static void after(Example *x, int later, int earlier)
{
    tiles_after(x->list, later, earlier);
    x->earlier[later][x->edges[later]++] = earlier;
}

static void make_plan(Example *x)
{
    Error err;
    cr_assert(plan_make(x->list, &x->machine, &x->plan, &err), "%s", err.text);
}

static const Tile *at(const Example *x, int i)
{
    return tiles_get(x->list, i);
}

static bool is_gate(const Example *x, int i)
{
    return at(x, i)->seconds == 0;
}

static int members(const Example *x, int i)
{
    return at(x, i)->gang > 1 ? at(x, i)->gang : 1;
}

static double end_of(const Example *x, int i)
{
    const double seconds = at(x, i)->seconds;
    return is_gate(x, i) ? at(x, i)->start
                         : at(x, i)->start + (x->machine.tile + seconds);
}

static double wait_between(const PlanMachine *m, int a, int b)
{
    return a == b ? 0 : a / m->domain == b / m->domain ? m->wait : m->far_wait;
}

/* ---- random lists ---- */

static int draw(Example *x, int below)
{
    return (int)random_below(x->seed, 0, x->draws++, (uint32_t)below);
}

/* Few values, so that much happens at the same time, or any. */
static double draw_seconds(Example *x, bool few)
{
    return few ? 0.25 * (1 + draw(x, 4)) : 0.001 * (1 + draw(x, 1000));
}

static PlanMachine draw_machine(Example *x)
{
    static const double wait[] = {0, 0.001, 0.125, 2};
    const int cores = 1 + draw(x, 20), domain = 1 + draw(x, 9);
    const double near = wait[draw(x, 4)], more = wait[draw(x, 4)];
    return (PlanMachine){.cores = cores,
                         .domain = domain,
                         .wait = near,
                         .far_wait = near + more,
                         .tile = wait[draw(x, 3)]};
}

/* A gate, a tile alone or a gang, after up to three tiles; members of a gang may each
 * have one more to wait for. */
static void add_random(Example *x, bool few)
{
    const PlanMachine *const m = &x->machine;
    const int widest = m->cores < m->domain ? m->cores : m->domain;
    const int first = x->tiles, kind = draw(x, 6);
    if (kind == 0)
        (void)add(x, 0);
    else if (kind < 4)
        (void)add(x, draw_seconds(x, few));
    else
        (void)add_gang(x, draw_seconds(x, few), 1 + draw(x, widest));
    if (first == 0) return;
    const int edges = draw(x, 4);
    for (int e = 0; e < edges; e++) {
        const int earlier = draw(x, first);
        for (int i = first; i < x->tiles; i++) after(x, i, earlier);
    }
    for (int i = first; i < x->tiles; i++)
        if (draw(x, 4) == 0) after(x, i, draw(x, first));
}

static Example *random_list(uint64_t seed)
{
    Example *const x = example_open((PlanMachine){0});
    x->seed = seed;
    x->machine = draw_machine(x);
    const bool few = draw(x, 2) == 0;
    const int tiles = 1 + draw(x, TILES - 10);
    while (x->tiles < tiles) add_random(x, few);
    return x;
}

static Example *random_plan(uint64_t seed)
{
    Example *const x = random_list(seed);
    make_plan(x);
    return x;
}

/* ---- what holds for every plan ---- */

Test(plan, a_prediction_never_beats_the_work_and_the_longest_path)
{
    for (uint64_t seed = 0; seed < LISTS; seed++) {
        Example *const x = random_plan(seed);
        const Plan *const p = &x->plan;
        double work = 0, path = 0, along[TILES], start[TILES] = {0};
        for (int i = 0; i < x->tiles; i++) {
            const int first = i - at(x, i)->part; /* a gang starts together */
            for (int k = i; i == first && k < i + members(x, i); k++)
                for (int e = 0; e < x->edges[k]; e++)
                    start[i] = fmax(start[i], along[x->earlier[k][e]]);
            along[i] = start[first] + at(x, i)->seconds;
            path = fmax(path, along[i]);
            work += at(x, i)->seconds;
        }
        const double rounding = x->tiles * DBL_EPSILON * p->seconds;
        cr_assert_float_eq(p->work, work, rounding);
        cr_assert_float_eq(p->path, path, rounding);
        cr_assert_geq(p->seconds, p->work / x->machine.cores - rounding);
        cr_assert_geq(p->seconds, p->path - rounding);
        example_close(x);
    }
}

Test(plan, a_prediction_is_never_longer_than_one_tile_at_a_time_with_all_waits)
{
    for (uint64_t seed = 0; seed < LISTS; seed++) {
        Example *const x = random_plan(seed);
        double most = 0;
        for (int i = 0; i < x->tiles; i++) {
            if (x->edges[i]) most += x->machine.far_wait;
            if (!is_gate(x, i)) most += x->machine.tile + at(x, i)->seconds;
        }
        cr_assert_leq(x->plan.seconds, most * (1 + x->tiles * DBL_EPSILON));
        example_close(x);
    }
}

Test(plan, a_prediction_is_when_the_last_tile_ends)
{
    for (uint64_t seed = 0; seed < LISTS; seed++) {
        Example *const x = random_plan(seed);
        double last = 0;
        for (int i = 0; i < x->tiles; i++) last = fmax(last, end_of(x, i));
        cr_assert_eq(x->plan.seconds, last);
        example_close(x);
    }
}

Test(plan, cores_work_pay_for_tiles_or_wait)
{
    for (uint64_t seed = 0; seed < LISTS; seed++) {
        Example *const x = random_plan(seed);
        const double all = x->machine.cores * x->plan.seconds;
        double busy = 0;
        for (int i = 0; i < x->tiles; i++) busy += end_of(x, i) - at(x, i)->start;
        cr_assert_float_eq(x->plan.waiting, all - busy,
                           (x->tiles + x->machine.cores) * DBL_EPSILON * all);
        example_close(x);
    }
}

Test(plan, no_core_runs_two_tiles_at_once)
{
    for (uint64_t seed = 0; seed < LISTS; seed++) {
        Example *const x = random_plan(seed);
        for (int i = 0; i < x->tiles; i++) {
            cr_assert_lt(at(x, i)->owner, x->machine.cores);
            for (int k = 0; k < i; k++) {
                if (is_gate(x, i) || is_gate(x, k)) continue;
                if (at(x, i)->owner != at(x, k)->owner) continue;
                cr_assert(end_of(x, i) <= at(x, k)->start ||
                              end_of(x, k) <= at(x, i)->start,
                          "list %d: tiles %d and %d", (int)seed, k, i);
            }
        }
        example_close(x);
    }
}

Test(plan, a_tile_starts_after_those_it_waits_for)
{
    for (uint64_t seed = 0; seed < LISTS; seed++) {
        Example *const x = random_plan(seed);
        for (int i = 0; i < x->tiles; i++)
            for (int e = 0; e < x->edges[i]; e++) {
                const int k = x->earlier[i][e];
                const double wait =
                    wait_between(&x->machine, at(x, k)->owner, at(x, i)->owner);
                cr_assert_geq(at(x, i)->start, end_of(x, k) + wait,
                              "list %d: tiles %d and %d", (int)seed, k, i);
            }
        example_close(x);
    }
}

Test(plan, a_gang_starts_together_on_cores_of_one_domain)
{
    for (uint64_t seed = 0; seed < LISTS; seed++) {
        Example *const x = random_plan(seed);
        for (int i = 0; i < x->tiles; i++) {
            const int first = i - at(x, i)->part, domain = x->machine.domain;
            cr_assert_eq(at(x, i)->start, at(x, first)->start);
            cr_assert_eq(at(x, i)->owner / domain, at(x, first)->owner / domain);
            for (int k = first; k < i; k++)
                cr_assert_neq(at(x, i)->owner, at(x, k)->owner);
        }
        example_close(x);
    }
}

Test(plan, the_same_list_gets_the_same_plan)
{
    for (uint64_t seed = 0; seed < LISTS; seed++) {
        Example *const x = random_plan(seed), *const y = random_list(seed);
        const PlanMachine machine = y->machine;
        y->machine = (PlanMachine){.cores = 9, .domain = 9}; /* a plan between */
        make_plan(y);
        y->machine = machine;
        make_plan(y);
        cr_assert(memcmp(&x->plan, &y->plan, sizeof x->plan) == 0);
        for (int i = 0; i < x->tiles; i++) {
            cr_assert_eq(at(x, i)->owner, at(y, i)->owner);
            cr_assert_eq(at(x, i)->start, at(y, i)->start);
        }
        example_close(x);
        example_close(y);
    }
}

/* ---- a planned list is run ---- */

static Team *team(int threads)
{
    Team *t;
    Error err;
    cr_assert(weft_team_open(threads, &t, &err), "%s", err.text);
    return t;
}

static void run(Example *x, Team *t)
{
    x->round++;
    x->turns = 0;
    team_run(t, x->list);
    cr_assert_eq(x->wrong, 0);
    for (int i = 0; i < x->tiles; i++) cr_assert_eq(x->runs[i], x->round, "tile %d", i);
}

Test(plan, its_list_is_run_by_any_number_of_threads)
{
    for (int threads = 1; threads <= 8; threads++) {
        Team *const t = team(threads);
        for (uint64_t seed = 0; seed < 20; seed++) {
            Example *const x = random_plan(seed);
            for (int round = 0; round < 3; round++) run(x, t);
            example_close(x);
        }
        weft_team_close(t);
    }
}

Test(plan, each_core_has_its_tiles_in_the_order_of_their_starts)
{
    Team *const one = team(1);
    for (uint64_t seed = 0; seed < LISTS; seed++) {
        Example *const x = random_list(seed);
        run(x, one); /* in the order of numbers */
        make_plan(x);
        run(x, one);
        for (int i = 0; i < x->tiles; i++)
            for (int k = 0; k < x->tiles; k++)
                if (!is_gate(x, i) && !is_gate(x, k) &&
                    at(x, i)->owner == at(x, k)->owner && x->turn[k] < x->turn[i])
                    cr_assert_leq(at(x, k)->start, at(x, i)->start);
        example_close(x);
    }
    weft_team_close(one);
}

Test(plan, a_list_that_grows_forgets_its_plan)
{
    Team *const two = team(2);
    for (uint64_t seed = 0; seed < 50; seed++) {
        Example *const x = random_plan(seed);
        for (int i = 0; i < 5; i++) {
            const int new = add(x, 1);
            after(x, new, draw(x, new));
            x->runs[new] = x->round;
            run(x, two);
        }
        make_plan(x);
        run(x, two);
        example_close(x);
    }
    weft_team_close(two);
}

/* ---- plans known by hand ---- */

Test(plan, equal_tiles_without_dependences_keep_all_cores_busy)
{
    for (int cores = 1; cores <= 20; cores++) {
        Example *const x = example_open(
            (PlanMachine){.cores = cores, .domain = 3, .wait = 1, .far_wait = 2});
        for (int i = 0; i < 5 * cores; i++) (void)add(x, 0.5);
        make_plan(x);
        cr_assert_eq(x->plan.seconds, 2.5);
        cr_assert_eq(x->plan.waiting, 0);
        example_close(x);
    }
}

Test(plan, a_chain_gains_nothing_and_never_waits)
{
    Example *const x = example_open(
        (PlanMachine){.cores = 8, .domain = 4, .wait = 1, .far_wait = 2, .tile = 0.25});
    for (int i = 0; i < 40; i++) {
        (void)add(x, 0.5);
        if (i) after(x, i, i - 1);
    }
    make_plan(x);
    cr_assert_eq(x->plan.seconds, 40 * 0.75);
    cr_assert_eq(x->plan.path, 20);
    cr_assert_eq(x->plan.waiting, 7 * 30);
    example_close(x);
}

/* 1 second, then four of 2 seconds, then 1 second, with gates between or without. */
static Example *fork_join(PlanMachine machine, bool gates)
{
    Example *const x = example_open(machine);
    int fork = add(x, 1);
    if (gates) {
        const int gate = add(x, 0);
        after(x, gate, fork);
        fork = gate;
    }
    const int first = x->tiles;
    for (int i = 0; i < 4; i++) after(x, add(x, 2), fork);
    const int join = add(x, gates ? 0 : 1);
    for (int i = 0; i < 4; i++) after(x, join, first + i);
    if (gates) after(x, add(x, 1), join);
    make_plan(x);
    return x;
}

Test(plan, a_fork_and_join_takes_as_long_as_by_hand)
{
    static const struct {
        PlanMachine machine;
        double seconds;
    } known[] = {
        {{.cores = 1, .domain = 1, .wait = 0.25, .far_wait = 0.5}, 10},
        {{.cores = 2, .domain = 2}, 6},
        {{.cores = 3, .domain = 3}, 6},
        {{.cores = 4, .domain = 4}, 4},
        {{.cores = 9, .domain = 4}, 4},
        {{.cores = 2, .domain = 2, .tile = 0.5}, 8}, /* four on each core */
        /* out to the other core; the last tile stays there */
        {{.cores = 2, .domain = 2, .wait = 0.25}, 6.25},
        {{.cores = 2, .domain = 1, .wait = 0.25, .far_wait = 0.5}, 6.5},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        for (int gates = 0; gates < 2; gates++) {
            PlanMachine m = known[i].machine;
            m.far_wait = fmax(m.far_wait, m.wait);
            Example *const x = fork_join(m, gates);
            cr_assert_eq(x->plan.seconds, known[i].seconds, "%d %d: %g", (int)i, gates,
                         x->plan.seconds);
            cr_assert_eq(x->plan.work, 10);
            cr_assert_eq(x->plan.path, 4);
            example_close(x);
        }
}

Test(plan, the_longest_path_goes_first)
{
    Example *const x = example_open((PlanMachine){.cores = 2, .domain = 2});
    for (int i = 0; i < 3; i++) (void)add(x, 1);
    const int first = add(x, 1), second = add(x, 1), third = add(x, 1);
    after(x, second, first);
    after(x, third, second);
    make_plan(x);
    cr_assert_eq(x->plan.seconds, 3);
    cr_assert_eq(at(x, first)->start, 0);
    example_close(x);
}

Test(plan, data_stays_on_its_core)
{
    Example *const x = example_open(
        (PlanMachine){.cores = 6, .domain = 3, .wait = 0.25, .far_wait = 0.5});
    for (int step = 0; step < 10; step++) {
        const int gate = add(x, 0); /* behind all of the last step */
        for (int b = 0; b < 6; b++) {
            const int i = add(x, 1);
            after(x, i, gate);
            if (step) after(x, gate, i - 7);
            if (step) after(x, i, i - 7);
        }
    }
    make_plan(x);
    for (int i = 7; i < x->tiles; i++)
        if (!is_gate(x, i)) cr_assert_eq(at(x, i)->owner, at(x, i - 7)->owner);
    example_close(x);
}

/* Two tiles of one home, the second of which another core takes `away` longer for. */
Test(plan, a_tile_waits_for_its_home_if_it_ends_earlier_there)
{
    for (int patient = 0; patient < 2; patient++) {
        Example *const x = example_open((PlanMachine){.cores = 2, .domain = 2});
        const int first = add(x, 10), second = add(x, 5);
        Tile *const tile = tiles_get(x->list, first); /* and the one after it */
        tile[0].home = tile[1].home = 1;
        tile[0].away = 100;
        tile[1].away = patient ? 11 : 2;
        make_plan(x);
        cr_expect_eq(at(x, first)->owner, 1);
        cr_expect_eq(at(x, second)->owner, patient ? 1 : 0);
        cr_expect_eq(at(x, second)->start, patient ? 10 : 0);
        cr_expect_eq(x->plan.seconds, patient ? 15 : 10);
        cr_expect_eq(x->plan.work, patient ? 15 : 17);
        example_close(x);
    }
}

/* Four gangs of two in two domains, each again and again behind a gate of its own. */
Test(plan, a_gang_finds_its_cores_again)
{
    Example *const x = example_open(
        (PlanMachine){.cores = 8, .domain = 4, .wait = 0.25, .far_wait = 0.5});
    for (int step = 0; step < 8; step++)
        for (int g = 0; g < 4; g++) {
            const int gate = add(x, 0), first = add_gang(x, 1 + g * 0.125, 2);
            for (int i = first + 1; i >= first; i--) {
                after(x, i, gate);
                if (step) after(x, gate, i - 12);
            }
        }
    make_plan(x);
    for (int i = 12; i < x->tiles; i++)
        if (!is_gate(x, i)) cr_assert_eq(at(x, i)->owner, at(x, i - 12)->owner);
    example_close(x);
}

Test(plan, a_gang_waits_for_the_cores_that_are_free_first)
{
    /* seconds of work on each core: 6 4 | 3 2, and 6 4 3 2 1 in one domain */
    static const struct {
        PlanMachine machine;
        double start;
        int owner[2];
    } known[] = {{{.cores = 4, .domain = 2}, 3, {2, 3}},
                 {{.cores = 5, .domain = 5}, 2, {4, 3}}};
    for (size_t k = 0; k < 2; k++) {
        Example *const x = example_open(known[k].machine);
        static const double seconds[] = {6, 4, 3, 2, 1};
        for (int i = 0; i < x->machine.cores; i++) (void)add(x, seconds[i]);
        const int gang = add_gang(x, 1, 2), last = add(x, 0.5);
        make_plan(x);
        for (int j = 0; j < 2; j++) {
            cr_assert_eq(at(x, gang + j)->start, known[k].start);
            cr_assert_eq(at(x, gang + j)->owner, known[k].owner[j]);
        }
        cr_assert_eq(at(x, last)->start, 3 + (k == 0)); /* no core is left before */
        example_close(x);
    }
}

Test(plan, a_gang_wider_than_a_domain_is_an_error)
{
    static const PlanMachine machines[] = {{.cores = 9, .domain = 3},
                                           {.cores = 3, .domain = 9}};
    for (size_t i = 0; i < 2; i++) {
        Example *const x = example_open(machines[i]);
        Error err;
        (void)add_gang(x, 1, 3);
        make_plan(x);
        (void)add_gang(x, 1, 4);
        cr_assert(!plan_make(x->list, &x->machine, &x->plan, &err));
        cr_assert(strstr(err.text, "a gang of 4 "), "%s", err.text);
        cr_assert(strstr(err.text, " 3"), "%s", err.text);
        example_close(x);
    }
}

Test(plan, an_empty_list_takes_no_time)
{
    Example *const x = example_open((PlanMachine){.cores = 2, .domain = 2});
    make_plan(x);
    cr_assert_eq(x->plan.seconds, 0);
    cr_assert_eq(x->plan.waiting, 0);
    example_close(x);
}

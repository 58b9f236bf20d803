/* test_team.c: every tile once, after those it waits for, on any number of threads. */
#include "../core/team/team.h"
#include "../simd/isa.h"
#include "lost_core.h"

#include <criterion/criterion.h>
#include <float.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TILES 300
#define EDGES 4 /* at most, into each tile */

static Team *team(int threads)
{
    Team *t;
    Error err;
    cr_assert(weft_team_open(threads, &t, &err), "%s", err.text);
    return t;
}

/* ---- a random net of tiles that watches its own order ---- */

typedef struct Web {
    TileList *list;
    int edges[TILES], earlier[TILES][EDGES];
    atomic_int runs[TILES], active[64], wrong;
    int value[TILES]; /* plain memory: what earlier tiles wrote must be seen */
    int round, delay_microseconds;
} Web;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void wait_a_little(const Web *w, int index)
{
    const uint32_t bits = random_bits(5, (uint64_t)w->round, (uint64_t)index);
    if (!w->delay_microseconds || bits % 8 != 0) return;
    const double end = now() + 1e-6 * (bits >> 8) / (1 << 24) * w->delay_microseconds;
    while (now() < end) continue; /* a thread that sleeps has lost its core */
}

static int expected(const Web *w, int i)
{
    unsigned sum = (unsigned)(w->round + i);
    for (int e = 0; e < w->edges[i]; e++)
        sum += 31u * (unsigned)w->value[w->earlier[i][e]];
    return (int)(sum % 1000003u);
}

/* What watches makes no order of its own, for ThreadSanitizer to see what there is. */
static int add(atomic_int *to, int n)
{
    return atomic_fetch_add_explicit(to, n, memory_order_relaxed);
}

static void run_watched(const Tile *tile, int worker)
{
    Web *const w = tile->context;
    const int i = tile->index;
    if (add(&w->active[worker], 1) != 0) add(&w->wrong, 1); /* two at a time */
    wait_a_little(w, i);
    for (int e = 0; e < w->edges[i]; e++)
        if (add(&w->runs[w->earlier[i][e]], 0) != w->round) add(&w->wrong, 1);
    w->value[i] = expected(w, i);
    add(&w->runs[i], 1);
    add(&w->active[worker], -1);
}

static Web *watch_open(uint64_t seed, int owners)
{
    Web *const w = calloc(1, sizeof *w);
    Error err;
    cr_assert(tiles_open(TILES, TILES * EDGES, &w->list, &err), "%s", err.text);
    for (int i = 0; i < TILES; i++) {
        const int owner = (int)random_below(seed, 0, (uint64_t)i, (uint32_t)owners);
        const Tile tile = {
            .run = run_watched, .context = w, .index = i, .owner = owner};
        cr_assert_eq(tiles_add(w->list, tile), i);
        const int edges =
            i == 0 ? 0 : (int)random_below(seed, 1, (uint64_t)i, EDGES + 1);
        for (int e = 0; e < edges; e++) {
            const uint64_t index = (uint64_t)(i * EDGES + e);
            const int earlier = (int)random_below(seed, 2, index, (uint32_t)i);
            w->earlier[i][w->edges[i]++] = earlier;
            tiles_after(w->list, i, earlier);
        }
    }
    return w;
}

static void watch_run(Web *w, Team *t)
{
    w->round++;
    team_run(t, w->list);
    cr_assert_eq(w->wrong, 0);
    for (int i = 0; i < TILES; i++) {
        cr_assert_eq(w->runs[i], w->round, "tile %d", i);
        cr_assert_eq(w->value[i], expected(w, i), "tile %d", i);
    }
}

static void watch_close(Web *w)
{
    tiles_close(w->list);
    free(w);
}

Test(tiles, each_runs_once_after_those_it_waits_for)
{
    static const int threads[] = {1, 2, 3, 8, 16};
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        Team *const t = team(threads[i]);
        cr_assert_eq(weft_team_threads(t), threads[i]);
        for (uint64_t seed = 0; seed < 5; seed++) {
            Web *const w = watch_open(seed, threads[i]);
            watch_run(w, t);
            watch_close(w);
        }
        weft_team_close(t);
    }
}

Test(tiles, random_delays_change_nothing)
{
    for (int threads = 2; threads <= 8; threads += 3) {
        Team *const t = team(threads);
        Web *const w = watch_open((uint64_t)threads, threads);
        w->delay_microseconds = 200;
        for (int round = 0; round < 5; round++) watch_run(w, t);
        watch_close(w);
        weft_team_close(t);
    }
}

Test(tiles, a_list_is_used_many_times_by_different_teams)
{
    Team *const one = team(1), *const two = team(2), *const five = team(5);
    Web *const w = watch_open(7, 3);
    for (int round = 0; round < 100; round++) {
        watch_run(w, one);
        watch_run(w, two);
        watch_run(w, five);
    }
    watch_close(w);
    weft_team_close(one);
    weft_team_close(two);
    weft_team_close(five);
}

Test(tiles, all_of_one_owner_or_of_owners_past_the_threads_are_run)
{
    Team *const t = team(3);
    Web *const one = watch_open(1, 1), *const many = watch_open(2, 50);
    watch_run(one, t);
    watch_run(many, t);
    watch_close(one);
    watch_close(many);
    weft_team_close(t);
}

static void run_nothing(const Tile *tile, int worker)
{
    (void)tile;
    (void)worker;
}

Test(tiles, an_empty_list_ends)
{
    Team *const t = team(2);
    TileList *list;
    cr_assert(tiles_open(0, 0, &list, NULL));
    team_run(t, list);
    tiles_close(list);
    cr_assert(tiles_open(3, 0, &list, NULL));
    team_run(t, list);
    cr_assert_eq(tiles_count(list), 0);
    tiles_close(list);
    tiles_close(NULL);
    weft_team_close(t);
}

Test(tiles, a_list_grows_between_runs)
{
    Team *const t = team(2);
    TileList *list;
    cr_assert(tiles_open(3, 2, &list, NULL));
    for (int i = 0; i < 3; i++) {
        (void)tiles_add(list, (Tile){.run = run_nothing, .owner = i});
        if (i) tiles_after(list, i, i - 1);
        team_run(t, list);
        cr_assert_eq(tiles_count(list), i + 1);
    }
    tiles_get(list, 2)->owner = 0;
    team_run(t, list);
    tiles_close(list);
    weft_team_close(t);
}

/* ---- the mode and the place of threads ---- */

static atomic_int not_flushed;

static void multiply_small(const Tile *tile, int worker)
{
    (void)tile;
    (void)worker;
    volatile float small = FLT_MIN;
    small = small * 0.5f;
    if (small != 0) not_flushed++;
}

Test(team, denormals_are_flushed_and_the_caller_keeps_its_own_mode)
{
    for (int threads = 1; threads <= 3; threads++) {
        Team *const t = team(threads);
        TileList *list;
        cr_assert(tiles_open(20, 0, &list, NULL));
        for (int i = 0; i < 20; i++)
            (void)tiles_add(list, (Tile){.run = multiply_small, .owner = i});
        team_run(t, list);
        cr_assert_eq(not_flushed, 0);
        volatile float small = FLT_MIN;
        small = small * 0.5f;
        cr_assert(small > 0);
        tiles_close(list);
        weft_team_close(t);
    }
}

Test(team, the_caller_keeps_its_affinity)
{
    cpu_set_t before, after;
    sched_getaffinity(0, sizeof before, &before);
    Team *const t = team(0);
    Web *const w = watch_open(3, 2);
    watch_run(w, t);
    sched_getaffinity(0, sizeof after, &after);
    cr_assert(CPU_EQUAL(&before, &after));
    watch_close(w);
    weft_team_close(t);
}

/* ---- cores that others want ---- */

/* As when the process is stopped, or its quota is spent. */
Test(team, rests_no_worker_when_all_lose_their_cores)
{
    Team *const t = team(0);
    const int cores = weft_team_threads(t);
    weft_team_close(t);
    Team *const two = team(2);
    cr_expect(cores < 2 || both_run(two, BOTH, 10));
    cr_expect(cores < 2 || both_run(two, -1, 0.5));
    weft_team_close(two);
}

Test(team, does_without_a_worker_that_loses_its_core_for_a_while)
{
    Team *t = team(0);
    const int cores = weft_team_threads(t);
    weft_team_close(t);
    for (int loser = 0; loser < 2 && cores > 1; loser++) {
        t = team(2);
        cr_expect(team_on_time(t));        /* until it is known that they are not */
        cr_expect(both_run(t, loser, 10)); /* an accident */
        cr_expect_not(team_on_time(t));
        cr_expect(both_run(t, loser, 10));
        cr_expect_not(team_on_time(t));
        cr_expect_not(both_run(t, -1, 0.01));
        cr_expect_not(team_on_time(t));
        bool back = false;
        for (int i = 0; i < 100 && !back; i++)
            back = both_run(t, -1, 0.1) && team_on_time(t);
        cr_expect(back);
        weft_team_close(t);
    }
}

Test(team, with_more_threads_than_cores_is_never_on_time)
{
    Team *const all = team(0);
    Team *const t = team(weft_team_threads(all) + 1);
    weft_team_close(all);
    cr_expect_not(team_on_time(t));
    weft_team_close(t);
}

/* ---- jobs ---- */

typedef struct Jobs {
    atomic_int runs[40];
    atomic_int failed;
} Jobs;

/* A job with a team of its own and one that asks for more threads than a job has. */
static void job(void *context, int i)
{
    Jobs *const jobs = context;
    for (int threads = 1; threads <= 3; threads += 2) {
        Team *t;
        if (!weft_team_open(threads, &t, NULL)) {
            jobs->failed++;
            continue;
        }
        Web *const w = watch_open((uint64_t)i, 2);
        w->round = 1;
        team_run(t, w->list);
        jobs->failed += w->wrong;
        watch_close(w);
        weft_team_close(t);
    }
    jobs->runs[i]++;
}

Test(team, each_runs_every_job_once_with_teams_inside)
{
    for (int threads = 1; threads <= 4; threads++) {
        Jobs jobs = {0};
        Team *const t = team(threads);
        weft_team_each(t, 40, job, &jobs);
        weft_team_each(t, 0, job, &jobs);
        cr_assert_eq(jobs.failed, 0);
        for (int i = 0; i < 40; i++) cr_assert_eq(jobs.runs[i], 1);
        weft_team_close(t);
    }
}

/* ---- opening ---- */

Test(team, takes_a_thread_for_each_usable_core)
{
    cpu_set_t one;
    Team *t = team(0);
    cr_assert_geq(weft_team_threads(t), 1);
    weft_team_close(t);
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    cr_assert(sched_setaffinity(0, sizeof one, &one) == 0);
    t = team(0);
    cr_assert_eq(weft_team_threads(t), 1);
    if (sysconf(_SC_NPROCESSORS_ONLN) > 1)
        cr_assert(strstr(weft_team_note(t), "leave 1 of "), "%s", weft_team_note(t));
    weft_team_close(t);
    t = team(1);
    cr_assert(strcmp(weft_team_note(t), "") == 0, "it has what was asked for");
    weft_team_close(t);
    weft_team_close(NULL);
}

Test(team, absurd_counts_are_errors)
{
    Team *t;
    Error err;
    cr_assert(!weft_team_open(-1, &t, &err));
    cr_assert(strstr(err.text, "-1 threads: expected 0"), "%s", err.text);
    cr_assert(!weft_team_open(1000000, &t, &err));
    cr_assert(strstr(err.text, "1000000 threads: expected at most"), "%s", err.text);
    cr_assert(!weft_team_open(1000000, &t, NULL));
}

Test(team, the_environment_names_the_instruction_set)
{
    setenv("WEFT_ISA", "scalar", 1);
    Team *t = team(1);
    cr_assert(strncmp(weft_isa(), "scalar", 6) == 0);
    weft_team_close(t);
    unsetenv("WEFT_ISA");
    t = team(1);
    int sets = 0;
    while (isa_set(sets)) sets++;
    cr_assert(strstr(weft_isa(), isa_set(sets - 1)->isa), "the best: %s", weft_isa());
    weft_team_close(t);
}

Test(team, an_unknown_instruction_set_is_an_error_that_names_those_there_are)
{
    Team *t;
    Error err;
    setenv("WEFT_ISA", "scaler", 1);
    cr_assert(!weft_team_open(1, &t, &err));
    cr_assert(strstr(err.text, "scaler"), "%s", err.text);
    for (int i = 0; isa_set(i); i++) cr_assert(strstr(err.text, isa_set(i)->isa));
    cr_assert(strstr(err.text, "did you mean 'scalar'?"), "%s", err.text);
}

Test(team, the_machine_is_described)
{
    char text[4096] = "";
    Error err;
    FILE *const out = fmemopen(text, sizeof text, "w");
    cr_assert(weft_machine_describe(out, false, &err), "%s", err.text);
    fclose(out);
    cr_assert(strstr(text, "cores ") && strstr(text, "usable ") && strstr(text, "isa "),
              "%s", text);
}

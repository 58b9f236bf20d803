/* team.c: threads on cores; the only file that knows OpenMP. */
#include "team.h"

#include <assert.h>
#include <omp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../simd/isa.h"
#include "../clock.h"
#include "machine.h"
#include "plan.h"
#include "profile.h"
#include "tiles.h"
#include "trace.h"

#define THREADS_MIN_LIMIT 64 /* as many threads are never too many */
#define THREADS_PER_PU    8  /* nor are so many on each hardware thread */

/* A worker that another process puts off its core makes all others wait for the tile it
 * holds, and at the end of the region. So much time lost in a run, and more than any wait
 * for a thread to wake, is an accident; soon again, the team runs on fewer threads: first
 * REST_LEAST times as long, then twice that each time that it happens again soon, to REST_MOST
 * times. */
#define LOST_SHARE   0.2
#define LOST_SECONDS 1e-3
#define REST_LEAST   8
#define REST_MOST    128
#define SOON         16e-3 /* and a run: a process that wants a core always has it by then */

struct WeftTeam {
    int threads;
    int active;       /* threads of the next run: workers 0 .. active-1 */
    bool shrinks;     /* no more threads than cores: else they must lose theirs */
    bool late;        /* some had lost theirs in the last run, or before */
    double rest;      /* seconds of the last rest; 0: it was an accident */
    double until;     /* its end; once it is over, the first run on all threads */
    int *place;       /* [threads]: where the machine has a worker, when bound */
    double *lost;     /* [threads]: seconds of the last run without a core */
    Machine *machine; /* NULL: threads are not bound */
    char note[MACHINE_NOTE];
    Terms terms;
    Watch *watch; /* the first of a list */
    Trace *trace; /* NULL: none; so are those below */
    Profile *profile;
};

/* ---- one parallel region ---- */

typedef struct Region {
    void (*work)(const struct Region *region, int worker);
    int threads;
    TileList *list;
    const Watch *watch;
    void (*job)(void *context, int i);
    void *context;
    int jobs;
    atomic_int *next;
} Region;

static void work_flushed(const Region *region, int worker)
{
    const uint64_t before = isa_flush();
    region->work(region, worker);
    isa_restore(before);
}

/* ---- cores that others want ---- */

/* Those that lost their cores rest, and the places of the others come first: false, if there
 * are none. What all have lost is no core's fault: the process was stopped, or its quota is
 * spent. */
static bool shrink(Team *team, double begin)
{
    const double now = clock_seconds(CLOCK_MONOTONIC);
    const bool again = begin - team->until < SOON + (now - begin);
    double most = 0, all = team->lost[0];
    int active = team->active;
    for (int i = 1; i < team->active; i++)
        if (team->lost[i] < all) all = team->lost[i];
    for (int i = team->active; i-- > 0;) {
        const double lost = team->lost[i] - all;
        if (lost < LOST_SECONDS || lost < LOST_SHARE * (now - begin)) continue;
        if (lost > most) most = lost;
        if (!again) continue;
        const int place = team->place[i];
        team->place[i] = team->place[--active];
        team->place[active] = place;
    }
    if (most <= 0) return false;
    team->rest = !again ? 0 : team->rest > 0 ? 2 * team->rest : REST_LEAST * most;
    if (team->rest > REST_MOST * most) team->rest = REST_MOST * most;
    team->until = now + team->rest;
    team->active = active;
    return true;
}

/* Calls region->work in each worker. Inside a region of OpenMP, serially in the caller:
 * more threads would only take turns on the same cores. */
static void region_run(Team *team, const Region *region)
{
    if (region->threads == 1 || omp_in_parallel()) {
        work_flushed(region, 0);
        return;
    }
    const double begin = clock_seconds(CLOCK_MONOTONIC);
#pragma omp parallel num_threads(region->threads)
    {
        const int worker = omp_get_thread_num();
        const double had = clock_seconds(CLOCK_THREAD_CPUTIME_ID);
        if (team->machine) machine_bind(team->machine, team->place[worker]);
        work_flushed(region, worker);
        if (team->machine) machine_unbind(team->machine, team->place[worker]);
        team->lost[worker] = (clock_seconds(CLOCK_MONOTONIC) - begin) -
                             (clock_seconds(CLOCK_THREAD_CPUTIME_ID) - had);
    }
}

/* ---- tiles ---- */

static void work_tiles(const Region *region, int worker)
{
    tiles_work(region->list, worker, region->watch);
}

int team_next(Team *team)
{
    const double now = clock_seconds(CLOCK_MONOTONIC);
    if (team->active < team->threads && now >= team->until) {
        team->active = team->threads;
        team->until = now;
        for (int i = 0; i < team->threads; i++) team->place[i] = i;
    }
    return team->active;
}

void team_run(Team *team, TileList *list)
{
    const double begin = clock_seconds(CLOCK_MONOTONIC);
    tiles_start(list, team_next(team));
    for (const Watch *w = team->watch; w; w = w->next)
        if (w->start) w->start(w->context, list);
    for (int i = 0; i < team->active; i++) team->lost[i] = 0; /* if no region is run */
    region_run(team, &(Region){.work = work_tiles,
                               .threads = team->active,
                               .list = list,
                               .watch = team->watch});
    team->late = team->active < team->threads;
    if (team->shrinks && team->active > 1) team->late |= shrink(team, begin);
    for (const Watch *w = team->watch; w; w = w->next)
        if (w->stop) w->stop(w->context);
}

bool team_on_time(const Team *team)
{
    return team->shrinks && !team->late;
}

/* ---- watching ---- */

void team_watch(Team *team, Watch *watch)
{
    watch->next = team->watch;
    team->watch = watch;
}

void team_unwatch(Team *team, Watch *watch)
{
    Watch **at = &team->watch;
    while (*at != watch) at = &(*at)->next;
    *at = watch->next;
}

const Watch *team_watches(const Team *team)
{
    return team->watch;
}

bool weft_team_trace(WeftTeam *team, const char *path, WeftError *err)
{
    if (!team) return error(err, "weft_team_trace needs a team");
    Trace *const last = team->trace;
    team->trace = NULL;
    if (last && !trace_close(last, err)) return false;
    return !path || trace_open(team, path, &team->trace, err);
}

bool weft_team_profile(WeftTeam *team, WeftError *err)
{
    if (!team) return error(err, "weft_team_profile needs a team");
    return profile_open(team, &team->profile, err);
}

bool weft_team_profile_end(WeftTeam *team, FILE *out, WeftError *err)
{
    if (!team || !team->profile)
        return error(err, "weft_team_profile_end needs a team with a profile");
    Profile *const last = team->profile;
    team->profile = NULL;
    return profile_close(last, out, err);
}

/* ---- jobs ---- */

static void work_jobs(const Region *region, int worker)
{
    (void)worker;
    for (int i; (i = atomic_fetch_add(region->next, 1)) < region->jobs;)
        region->job(region->context, i);
}

void weft_team_each(WeftTeam *team, int jobs, void (*job)(void *context, int i),
                    void *context)
{
    atomic_int next = 0;
    region_run(team, &(Region){.work = work_jobs,
                               .threads = team->threads,
                               .job = job,
                               .context = context,
                               .jobs = jobs,
                               .next = &next});
}

/* ---- opening ---- */

/* Those of this machine, ended by NULL. */
static const char *nearest_isa(const char *name)
{
    const char *names[16] = {0};
    for (int i = 0; i < 15 && isa_set(i); i++) names[i] = isa_set(i)->isa;
    return weft_nearest(name, names);
}

/* A team inside another's region finds the choice made, and must not write it again
 * while others read it. */
static bool choose_isa(Error *err)
{
    char text[512];
    if (simd && omp_in_parallel()) return true;
    if (isa_select(NULL, text, sizeof text)) return true;
    const char *const name = getenv("WEFT_ISA");
    const char *const nearest = name ? nearest_isa(name) : NULL;
    if (nearest) return error(err, "WEFT_ISA: %s (did you mean '%s'?)", text, nearest);
    return error(err, "WEFT_ISA: %s", text);
}

static bool check_threads(int threads, Error *err)
{
    const long pus = sysconf(_SC_NPROCESSORS_ONLN);
    const long most = pus * THREADS_PER_PU > THREADS_MIN_LIMIT ? pus * THREADS_PER_PU
                                                               : THREADS_MIN_LIMIT;
    if (threads < 0)
        return error(err, "%d threads: expected 0 (one for each usable core) or more",
                     threads);
    if (threads > most)
        return error(err, "%d threads: expected at most %ld on %ld hardware threads",
                     threads, most, pus);
    return true;
}

/* Workers are bound only where they fill all cores of this process and nobody has said
 * otherwise: two programs that both bind to the first half of a server halve its speed.
 */
static bool wants_binding(const Machine *machine, int threads)
{
    return threads > 1 && threads >= machine_cores(machine) &&
           threads <= machine_pus(machine) &&
           machine_usable(machine) == machine_cores(machine) &&
           !getenv("OMP_PROC_BIND") && !getenv("GOMP_CPU_AFFINITY");
}

/* The machine stays open only for a team that is bound to it. */
static bool find_threads(Team *team, int threads, Error *err)
{
    team->threads = team->active = threads;
    team->terms = terms_of(1, 1, &rates_typical);
    if (threads == 1) return true; /* runs where its caller runs */
    if (!machine_open(NULL, &team->machine, err)) return false;
    const int usable = machine_usable(team->machine);
    if (threads == 0 || threads > usable) machine_note(team->machine, team->note);
    if (threads == 0) { /* OpenMP knows the affinity before its own binding */
        const int allowed = omp_get_num_procs();
        team->threads = team->active = usable < allowed ? usable : allowed;
    }
    team->shrinks = team->threads <= usable;
    team->terms =
        terms_of(team->threads, team->shrinks ? machine_domain(team->machine) : 1,
                 &rates_typical);
    if (wants_binding(team->machine, team->threads)) return true;
    machine_close(team->machine);
    team->machine = NULL;
    return true;
}

static bool find_places(Team *team, Error *err)
{
    team->place = calloc((size_t)team->threads, sizeof *team->place);
    team->lost = calloc((size_t)team->threads, sizeof *team->lost);
    if (!team->place || !team->lost) return error(err, "out of memory for a team");
    for (int i = 0; i < team->threads; i++) team->place[i] = i;
    return true;
}

bool weft_team_open(int threads, WeftTeam **team, WeftError *err)
{
    if (!team) return error(err, "weft_team_open needs a place for the team");
    if (!check_threads(threads, err) || !choose_isa(err)) return false;
    Team *const t = calloc(1, sizeof *t);
    if (!t) return error(err, "out of memory for a team");
    if (!find_threads(t, threads, err) || !find_places(t, err)) {
        weft_team_close(t);
        return false;
    }
    *team = t;
    return true;
}

void weft_team_close(WeftTeam *team)
{
    if (!team) return;
    (void)weft_team_trace(team, NULL, NULL);
    if (team->profile) (void)profile_close(team->profile, NULL, NULL);
    machine_close(team->machine);
    free(team->place);
    free(team->lost);
    free(team);
}

const Terms *team_terms(const Team *team)
{
    return &team->terms;
}

bool weft_team_split(WeftTeam *team, WeftSplit split, size_t memory, WeftError *err)
{
    if (!team) return error(err, "weft_team_split needs a team");
    if (split > WEFT_SPLIT_LAYERS) return error(err, "unknown split %d", (int)split);
    team->terms.split = split;
    team->terms.memory = memory;
    return true;
}

int weft_team_threads(const WeftTeam *team)
{
    return team->threads;
}

const char *weft_team_note(const WeftTeam *team)
{
    return team->note;
}

const char *weft_isa(void)
{
    return isa_name();
}

/* team.c: threads on cores; the only file that knows OpenMP. */
#include "team.h"

#include <assert.h>
#include <omp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../simd/isa.h"
#include "machine.h"
#include "profile.h"
#include "tiles.h"
#include "trace.h"

#define THREADS_MIN_LIMIT 64 /* as many threads are never too many */
#define THREADS_PER_PU    8  /* nor are so many on each hardware thread */

struct WeftTeam {
    int threads;
    Machine *machine; /* NULL: threads are not bound */
    Watch *watch;     /* the first of a list */
    Trace *trace;     /* NULL: none; so are those below */
    Profile *profile;
};

/* ---- one parallel region ---- */

typedef struct Region {
    void (*work)(const struct Region *region, int worker);
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

/* Calls region->work in each worker. Inside a region of OpenMP, serially in the caller:
 * more threads would only take turns on the same cores. */
static void region_run(Team *team, const Region *region)
{
    if (team->threads == 1 || omp_in_parallel()) {
        work_flushed(region, 0);
        return;
    }
#pragma omp parallel num_threads(team->threads)
    {
        const int worker = omp_get_thread_num();
        if (team->machine) machine_bind(team->machine, worker);
        work_flushed(region, worker);
        if (team->machine) machine_unbind(team->machine, worker);
    }
}

/* ---- tiles ---- */

static void work_tiles(const Region *region, int worker)
{
    tiles_work(region->list, worker, region->watch);
}

void team_run(Team *team, TileList *list)
{
    tiles_start(list, team->threads);
    for (const Watch *w = team->watch; w; w = w->next)
        if (w->start) w->start(w->context, list);
    region_run(team, &(Region){.work = work_tiles, .list = list, .watch = team->watch});
    for (const Watch *w = team->watch; w; w = w->next)
        if (w->stop) w->stop(w->context);
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

static bool team_place(Team *team, Error *err)
{
    Machine *machine;
    if (team->threads == 1) return true; /* runs where its caller runs */
    if (!machine_open(NULL, &machine, err)) return false;
    if (team->threads == 0) { /* OpenMP knows the affinity before its own binding */
        const int usable = machine_usable(machine), allowed = omp_get_num_procs();
        team->threads = usable < allowed ? usable : allowed;
    }
    if (wants_binding(machine, team->threads))
        team->machine = machine;
    else
        machine_close(machine);
    return true;
}

bool weft_team_open(int threads, WeftTeam **team, WeftError *err)
{
    if (!team) return error(err, "weft_team_open needs a place for the team");
    if (!check_threads(threads, err) || !choose_isa(err)) return false;
    Team *const t = calloc(1, sizeof *t);
    if (!t) return error(err, "out of memory for a team");
    t->threads = threads;
    if (!team_place(t, err)) {
        free(t);
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
    free(team);
}

int weft_team_threads(const WeftTeam *team)
{
    return team->threads;
}

const char *weft_isa(void)
{
    return isa_name();
}

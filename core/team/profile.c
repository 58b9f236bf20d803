/* profile.c: where the time of a team's threads goes, in tables.
 *
 * Each worker adds up its own tiles, in ticks. What is not a tile in a run is waiting;
 * outside runs all threads wait for the caller. So the parts of a thread's time make
 * up all of it. */
#include "profile.h"

#include "../../simd/isa.h"
#include "../clock.h"
#include "counters.h"

#include <assert.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define PHASES 32 /* names of tiles, at most */

typedef struct Phase {
    const char *name;
    uint64_t tiles, ticks, products; /* products: ticks in them */
    double flops;
} Phase;

/* Of a worker. */
typedef struct Meter {
    _Alignas(ARENA_ALIGN) uint64_t begin, products; /* as the tile at hand began */
    Phase phase[PHASES];
    int phases;
    bool counting;
    Counters counters;
} Meter;

struct Profile {
    Team *team;
    Watch watch;
    int threads;
    Meter *meter;            /* [threads] */
    double (*count)[COUNTS]; /* [threads] */
    int refusal;             /* errno, where something is not counted */
    Arena arena;
    double seconds; /* when it began */
    uint64_t ticks; /* and all in ticks since then: */
    uint64_t runs, input;
    uint64_t updates, scores;

    /* The run at hand. */
    bool running, updating;
    uint64_t start;
};

static atomic_flag profiling = ATOMIC_FLAG_INIT;

/* ---- watching ---- */

static Phase *phase_of(Phase *phase, int *phases, const char *name)
{
    for (int i = 0; i < *phases; i++)
        if (phase[i].name == name || strcmp(phase[i].name, name) == 0) return &phase[i];
    assert(*phases < PHASES);
    phase[*phases].name = name;
    return &phase[(*phases)++];
}

static void on_start(void *context, TileList *list)
{
    Profile *const p = context;
    p->running = true;
    p->updating = tiles_named(list, "update");
    p->updates += p->updating;
    p->scores += !p->updating;
    p->start = isa_ticks();
}

static void on_begin(void *context, const Tile *tile, int worker)
{
    const Profile *const p = context;
    Meter *const m = &p->meter[worker];
    (void)tile;
    if (!m->counting) { /* by the thread that is counted */
        m->counting = true;
        counters_open(&m->counters);
    }
    m->products = isa_product_ticks();
    m->begin = isa_ticks();
}

static void on_end(void *context, const Tile *tile, int worker)
{
    Profile *const p = context;
    Meter *const m = &p->meter[worker];
    const uint64_t ticks = isa_ticks() - m->begin;
    if (!p->running) p->input += ticks;
    if (!p->running || !tile->name) return;
    Phase *const phase =
        phase_of(m->phase, &m->phases, p->updating ? tile->name : "score");
    phase->tiles++;
    phase->ticks += ticks;
    phase->products += isa_product_ticks() - m->products;
    phase->flops += tile->flops;
}

static void on_stop(void *context)
{
    Profile *const p = context;
    p->runs += isa_ticks() - p->start;
    p->running = false;
}

/* ---- adding up ---- */

typedef enum Part {
    PRODUCTS,
    ELEMENTWISE,
    UPDATE,
    WAITING,
    INPUT,
    OTHER,
    ALL,
    PARTS
} Part;

static const char *const part_name[PARTS] = {
    "products", "elementwise", "update", "waiting", "input", "other", "all"};

/* Tiles that are not of the net but of its parameters. */
static bool is_update(const char *name)
{
    static const char *const names[] = {"pack", "clear", "norm", "rates", "update"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

/* Ticks of a thread, of `all` in all. */
static void thread_parts(const Profile *p, const Meter *m, uint64_t all,
                         double part[PARTS])
{
    uint64_t products = 0, update = 0, tiles = 0;
    for (int i = 0; i < m->phases; i++) {
        const Phase *const phase = &m->phase[i];
        tiles += phase->ticks;
        if (is_update(phase->name))
            update += phase->ticks;
        else
            products += phase->products;
    }
    part[PRODUCTS] = (double)products;
    part[ELEMENTWISE] = (double)(tiles - update - products);
    part[UPDATE] = (double)update;
    part[WAITING] = (double)(p->runs - tiles);
    part[INPUT] = (double)p->input;
    part[OTHER] = (double)(all - p->runs - p->input);
    part[ALL] = (double)all;
}

/* ---- tables ---- */

/* What is written, in seconds. */
typedef struct Table {
    const Profile *profile;
    FILE *out;
    double tick;         /* seconds */
    uint64_t ticks;      /* of each thread */
    double whole[PARTS]; /* of all threads */
    Phase phase[PHASES]; /* of all threads */
    int phases;
    double peak; /* flops a second of a thread; 0: not wanted */
} Table;

static void write_share(FILE *out, double part, double whole)
{
    fprintf(out, "%10.1f %%", whole > 0 ? 100 * part / whole : 0);
}

static void write_parts(const Table *t, const char *name, const double part[PARTS])
{
    fprintf(t->out, "%-15s", name);
    for (int i = 0; i < PARTS; i++) fprintf(t->out, "%12.3f", part[i] * t->tick);
    fputc('\n', t->out);
}

static void write_threads(Table *t)
{
    const Profile *const p = t->profile;
    fprintf(t->out, "%-15s", "seconds of");
    for (int i = 0; i < PARTS; i++) fprintf(t->out, "%12s", part_name[i]);
    fputc('\n', t->out);
    for (int i = 0; i < p->threads; i++) {
        double part[PARTS];
        char name[32];
        thread_parts(p, &p->meter[i], t->ticks, part);
        for (int k = 0; k < PARTS; k++) t->whole[k] += part[k];
        snprintf(name, sizeof name, "  thread %d", i);
        write_parts(t, name, part);
    }
    write_parts(t, "  all threads", t->whole);
    fprintf(t->out, "%-15s", "  share");
    for (int i = 0; i < PARTS; i++) write_share(t->out, t->whole[i], t->whole[ALL]);
    fputs("\n\n", t->out);
}

/* A tile that does not tell its flops is of a phase that does not. */
static void write_rate(const Table *t, const Phase *phase)
{
    if (phase->flops > 0 && phase->ticks > 0) {
        const double rate = phase->flops / ((double)phase->ticks * t->tick);
        fprintf(t->out, "%12.1f", rate * 1e-9);
        write_share(t->out, rate, t->peak);
        fputc('\n', t->out);
    } else
        fprintf(t->out, "%12s%12s\n", "-", "-");
}

static void write_phases(const Table *t)
{
    static const Part rest[] = {WAITING, INPUT, OTHER};
    const double all = t->whole[ALL];
    fprintf(t->out, "%-15s%12s%12s%12s%12s%12s%12s\n", "phase", "tiles", "seconds",
            "share", "products", "GFLOP/s", "of peak");
    for (int i = 0; i < t->phases; i++) {
        const Phase *const phase = &t->phase[i];
        const double ticks = (double)phase->ticks;
        fprintf(t->out, "  %-13s%12" PRIu64 "%12.3f", phase->name, phase->tiles,
                ticks * t->tick);
        write_share(t->out, ticks, all);
        write_share(t->out, (double)phase->products, ticks);
        write_rate(t, phase);
    }
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++) {
        const double ticks = t->whole[rest[i]];
        fprintf(t->out, "  %-13s%12s%12.3f", part_name[rest[i]], "-", ticks * t->tick);
        write_share(t->out, ticks, all);
        fprintf(t->out, "%12s%12s%12s\n", "-", "-", "-");
    }
    fputc('\n', t->out);
}

static void write_explained(const Table *t)
{
    fputs(
        "products     matrix products, those of the weight gradients too\n"
        "elementwise  all else in tiles of the net: functions, losses, copies\n"
        "update       packing weights, clearing gradients, their norm, the optimiser\n"
        "waiting      in an update or a score, without a tile that could run\n"
        "input        all threads, while the source fills a batch\n"
        "other        all threads, between updates, but for input\n"
        "products of a phase: share of its time; GFLOP/s: of one thread, in its "
        "tiles\n",
        t->out);
    if (t->peak > 0)
        fprintf(
            t->out,
            "of peak: of the %.1f GFLOP/s that multiply-adds reach on a thread when "
            "all do them\n",
            t->peak * 1e-9);
}

/* ---- all of it ---- */

static void add_phases(Table *t)
{
    const Profile *const p = t->profile;
    for (int i = 0; i < p->threads; i++)
        for (int k = 0; k < p->meter[i].phases; k++) {
            const Phase *const from = &p->meter[i].phase[k];
            Phase *const to = phase_of(t->phase, &t->phases, from->name);
            to->tiles += from->tiles;
            to->ticks += from->ticks;
            to->products += from->products;
            to->flops += from->flops;
        }
}

/* The peak takes a second to measure, and is not asked for without need. */
static bool find_peak(Table *t, Error *err)
{
    const Profile *const p = t->profile;
    double flops = 0;
    for (int i = 0; i < t->phases; i++) flops += t->phase[i].flops;
    if (flops <= 0) return true;
    if (!team_peak(p->team, p->threads, &t->peak, err)) return false;
    t->peak /= p->threads;
    return true;
}

static bool profile_write(const Profile *p, FILE *out, Error *err)
{
    const uint64_t ticks = isa_ticks() - p->ticks;
    const double seconds = clock_seconds(CLOCK_MONOTONIC) - p->seconds;
    Table t = {
        .profile = p, .out = out, .tick = seconds / (double)ticks, .ticks = ticks};
    add_phases(&t);
    if (!find_peak(&t, err)) return false;
    fprintf(out,
            "profile: %" PRIu64 " updates and %" PRIu64
            " batches scored in %.3f s on %d thread%s, %s\n\n",
            p->updates, p->scores, seconds, p->threads, p->threads == 1 ? "" : "s",
            isa_name());
    write_threads(&t);
    write_phases(&t);
    counters_write(out, p->threads, (const double(*)[COUNTS])p->count, p->refusal);
    fputc('\n', out);
    write_explained(&t);
    return !ferror(out) || error(err, "the profile cannot be written");
}

/* ---- opening ---- */

static void profile_place(Profile *p, Arena *arena)
{
    const size_t threads = (size_t)p->threads;
    p->meter = ARENA_TAKE(arena, Meter, threads);
    p->count = arena_take(arena, threads, sizeof *p->count);
}

static bool profile_take(Profile *p, Error *err)
{
    Arena need = {0};
    profile_place(p, &need);
    if (!arena_open(&p->arena, need.used, err)) return false;
    Arena arena = p->arena;
    profile_place(p, &arena);
    return true;
}

bool profile_open(Team *team, Profile **profile, Error *err)
{
    if (atomic_flag_test_and_set(&profiling))
        return error(err, "a profile is being made; there is one at a time");
    Profile *const p = calloc(1, sizeof *p);
    if (p) p->threads = weft_team_threads(team);
    if (p ? !profile_take(p, err) : !error(err, "out of memory for a profile")) {
        free(p);
        atomic_flag_clear(&profiling);
        return false;
    }
    p->team = team;
    p->watch = (Watch){.start = on_start,
                       .begin = on_begin,
                       .end = on_end,
                       .stop = on_stop,
                       .context = p};
    team_watch(team, &p->watch);
    isa_time_products(true);
    p->seconds = clock_seconds(CLOCK_MONOTONIC);
    p->ticks = isa_ticks();
    *profile = p;
    return true;
}

/* Threads that never had a tile have not been counted. */
static void stop_counting(Profile *p)
{
    for (int i = 0; i < p->threads; i++) {
        Meter *const m = &p->meter[i];
        for (int k = 0; k < COUNTS; k++) p->count[i][k] = -1;
        if (!m->counting) continue;
        counters_close(&m->counters, p->count[i]);
        if (m->counters.error) p->refusal = m->counters.error;
    }
}

bool profile_close(Profile *p, FILE *out, Error *err)
{
    team_unwatch(p->team, &p->watch);
    isa_time_products(false);
    stop_counting(p);
    const bool written = !out || profile_write(p, out, err);
    arena_close(&p->arena);
    free(p);
    atomic_flag_clear(&profiling);
    return written;
}

/* measure.c: the rates of this machine, measured.
 *
 * All probes are tried in turn, again and again, and of each the best time counts: a
 * neighbour on the same machine, who comes and goes, spoils some tries of all probes rather
 * than all tries of some. */
#include "measure.h"

#include <stdlib.h>

#include "../../simd/isa.h"
#include "../clock.h"
#include "../data/file.h"
#include "machine.h"
#include "probe.h"
#include "wait.h"

#define TRIES        12
#define SECONDS      3.0   /* after which no other try begins */
#define LARGE        30e-3 /* seconds of the larger gradient, at most */
#define LEAST        1e-14 /* seconds of anything */
#define READS        5     /* of memory by all threads, of which the best counts */
#define READ_SECONDS 20e-3
#define WORKS        11 /* products of all threads, of which the middle counts */
#define WORK_SECONDS 2e-3

enum {
    COLUMNS = PROBE_FLOATS / PROBE_ROWS, /* of a block that has all rows */
    K = 32,                              /* weights in L1 have so many rows */
    DRAWN = 256,                         /* elements of a row of a mask */
};

/* The probes, in order. */
enum {
    PEAK,
    CALL, /* of a map with one short row */
    DROP,
    ADAM,
    PRODUCT,
    MAP = PRODUCT + PRODUCT_ROWS, /* one row */
    MAP_ROWS = MAP + MAP_COUNT,   /* as many elements in many rows */
    GRADIENT_SMALL = MAP_ROWS + MAP_COUNT,
    GRADIENT_LARGE,
    FROM_L2,
    FROM_L3,
    FROM_MEMORY,
    STEPS_L2,
    STEPS_MEMORY,
    PROBES
};

static double most(double a, double b)
{
    return a > b ? a : b;
}

/* ---- what is tried ---- */

/* Whole panels of weights. */
static int columns_for(double bytes)
{
    const int panels = 4 * LANES_MAX;
    return (int)(bytes / sizeof(float) / PROBE_K / panels + 1) * panels;
}

static Probe stream(const Desk *desk, double bytes)
{
    return probe_product(desk, 1, columns_for(bytes), PROBE_K);
}

static void make_probes(const Desk *desk, const Rates *r, Probe probe[PROBES])
{
    probe[PEAK] = probe_peak();
    probe[CALL] = probe_map(desk, MAP_copy, 1, COLUMNS);
    probe[DROP] = probe_drop(desk, DRAWN);
    probe[ADAM] = probe_adam(desk);
    for (int i = 0; i < PRODUCT_ROWS; i++)
        probe[PRODUCT + i] = probe_product(desk, product_rows[i], PROBE_N, K);
    for (int i = 0; i < MAP_COUNT; i++) {
        const MapOp op = (MapOp)i;
        probe[MAP + i] = probe[MAP_ROWS + i] = probe_map(desk, op, 1, PROBE_FLOATS);
        if (!is_grouped(op))
            probe[MAP_ROWS + i] = probe_map(desk, op, PROBE_ROWS, COLUMNS);
    }
    probe[GRADIENT_SMALL] = probe_gradient(desk, 400, PROBE_N, K);
    probe[GRADIENT_LARGE] = probe_gradient(desk, desk->rows, desk->n, desk->k);
    probe[FROM_L2] = stream(desk, r->l2_bytes / 2);
    probe[FROM_L3] = stream(desk, most(r->l3_bytes / 4, 2 * r->l2_bytes));
    probe[FROM_MEMORY] = stream(desk, 2 * r->l3_bytes);
    probe[STEPS_L2] = probe_steps(desk, (int)(r->l2_bytes / 8));
    probe[STEPS_MEMORY] = probe_steps(desk, (int)(r->l3_bytes / 2));
}

/* Of the larger gradient; fewer where kernels are slow, as without vectors. */
static int gradient_rows(double row_flops)
{
    Probe peak = probe_peak();
    probe_try(&peak);
    const double rows = LARGE * probe_peak_flops() / peak.best / row_flops;
    return rows < 256 ? 256 : rows < 6400 ? (int)rows : 6400;
}

static Desk desk_for(const Rates *r)
{
    const int columns = columns_for(2 * most(r->l3_bytes, r->l2_bytes));
    const int n = 1024, k = 256;
    return (Desk){.weight_floats = (size_t)columns * PROBE_K,
                  .parameters = (size_t)(r->l3_bytes / 8 / (4 * sizeof(float))),
                  .rows = gradient_rows(2.0 * n * k),
                  .n = n,
                  .k = k};
}

/* ---- from times to rates ---- */

/* Half of the numbers are below it; changes their order. */
static double middle(double *of, int count)
{
    for (int i = 1; i < count; i++)
        for (int j = i; j > 0 && of[j - 1] > of[j]; j--) {
            const double higher = of[j - 1];
            of[j - 1] = of[j];
            of[j] = higher;
        }
    return of[count / 2];
}

/* The same elements in one row and in many tell what a row costs, a short row what a call
 * costs; the rest is of the elements. */
static void solve_maps(const Probe *probe, Rates *r)
{
    const Probe *const one = &probe[MAP], *const many = &probe[MAP_ROWS];
    double row[MAP_COUNT];
    int rows = 0;
    for (int op = 0; op < MAP_COUNT; op++)
        if (!is_grouped((MapOp)op))
            row[rows++] = (many[op].best - one[op].best) / (PROBE_ROWS - 1);
    r->row = most(middle(row, rows), LEAST);

    const Probe *const call = &probe[CALL];
    const double copy = (one[MAP_copy].best - call->best) / (PROBE_FLOATS - COLUMNS);
    r->call = most(call->best - r->row - COLUMNS * copy, LEAST);

    for (int op = 0; op < MAP_COUNT; op++) {
        const double calls = 2 * r->call + (one[op].rows + many[op].rows) * r->row;
        const double elements = one[op].best + many[op].best - calls;
        r->map[op] = most(elements / (2 * PROBE_FLOATS), LEAST);
    }
}

static void solve_products(const Probe *probe, Rates *r)
{
    r->peak = probe_peak_flops() / probe[PEAK].best;
    for (int i = 0; i < PRODUCT_ROWS; i++) {
        const Probe *const p = &probe[PRODUCT + i];
        const double seconds = p->best - probe_kernels(p) * r->call;
        r->product[i] = probe_flops(p) / most(seconds, probe_flops(p) / r->peak);
    }
}

/* Two equations: flops / r->gradient + elements * r->pack = seconds. */
static void solve_gradient(const Probe *probe, Rates *r)
{
    double flops[2], elements[2], seconds[2];
    for (int i = 0; i < 2; i++) {
        const Probe *const p = &probe[GRADIENT_SMALL + i];
        flops[i] = probe_flops(p);
        elements[i] = (double)p->rows * (p->n + p->k);
        seconds[i] = p->best - r->call;
    }
    const double flop = (seconds[0] * elements[1] - seconds[1] * elements[0]) /
                        (flops[0] * elements[1] - flops[1] * elements[0]);
    r->gradient = 1 / most(flop, 1 / r->peak);
    r->pack = most((seconds[0] - flops[0] / r->gradient) / elements[0], LEAST);
}

/* Bytes of weights a second. */
static double bytes_rate(const Probe *probe, double seconds)
{
    return sizeof(float) * (double)probe->n * probe->k / seconds;
}

/* Bytes a second, beside the time that they take from L2. */
static double steps_rate(const Probe *probe, int from)
{
    const double l2 = probe[STEPS_L2].best / probe[STEPS_L2].n;
    const double more = probe[from].best / probe[from].n - l2;
    return sizeof(float) / most(more, LEAST);
}

static void solve(const Probe *probe, Rates *r)
{
    const Probe *const adam = &probe[ADAM];
    solve_maps(probe, r);
    solve_products(probe, r);
    solve_gradient(probe, r);
    r->drop = most((probe[DROP].best - r->call) / DRAWN, LEAST);
    r->optimizer = adam->best / (double)adam->desk->parameters;
    r->l2 = bytes_rate(&probe[FROM_L2], probe[FROM_L2].best);
    r->l3 = bytes_rate(&probe[FROM_L3], probe[FROM_L3].best);
    r->memory = bytes_rate(&probe[FROM_MEMORY], probe[FROM_MEMORY].best);
    r->steps = steps_rate(probe, STEPS_MEMORY);
}

static bool try_all(Probe probe[PROBES], Waits *waits, Team *team, int domain,
                    Error *err)
{
    const uint64_t before = isa_flush();
    for (int i = 0; i < PROBES; i++) probe_try(&probe[i]);
    isa_restore(before);
    return waits_try(waits, team, domain, err);
}

static bool measure_in_turn(Team *team, int domain, Rates *r, Error *err)
{
    Desk desk = desk_for(r);
    Probe probe[PROBES];
    Waits waits;
    Arena arena;
    if (!desk_open(&desk, &arena, err)) return false;
    make_probes(&desk, r, probe);
    waits_begin(&waits);
    bool good = true;
    const double end = clock_seconds(CLOCK_MONOTONIC) + SECONDS;
    for (int i = 0; good && i < TRIES; i++) {
        if (i > 0 && clock_seconds(CLOCK_MONOTONIC) > end) break;
        good = try_all(probe, &waits, team, domain, err);
    }
    if (good) {
        solve(probe, r);
        waits_solve(&waits, team, domain, r);
    }
    arena_close(&arena);
    return good;
}

/* ---- all cores at once ---- */

typedef struct Reader {
    double bytes; /* to read */
    double rate;  /* a second; 0: no memory for them */
    double flops; /* a second */
} Reader;

/* Calls a second. */
static double calls_rate(const Probe *p, double least)
{
    const double begin = clock_seconds(CLOCK_MONOTONIC);
    double seconds;
    int calls = 0;
    do {
        p->work(p);
        calls++;
        seconds = clock_seconds(CLOCK_MONOTONIC) - begin;
    } while (seconds < least);
    return calls / seconds;
}

/* The middle of a few, as what comes between them comes between all work. */
static double flops_rate(const Desk *desk)
{
    const Probe p = probe_product(desk, 16, PROBE_N, K);
    double rate[WORKS];
    for (int i = 0; i < WORKS; i++)
        rate[i] = calls_rate(&p, WORK_SECONDS) * probe_flops(&p);
    return middle(rate, WORKS);
}

static void read_memory(void *context, int i)
{
    Reader *const r = (Reader *)context + i;
    Desk desk = {.weight_floats = (size_t)columns_for(r->bytes) * PROBE_K};
    Arena arena;
    if (!desk_open(&desk, &arena, NULL)) return;
    const Probe probe = stream(&desk, r->bytes);
    for (int read = 0; read < READS; read++) {
        const double calls = calls_rate(&probe, READ_SECONDS);
        r->rate = most(r->rate, calls * bytes_rate(&probe, 1));
        r->flops = most(r->flops, flops_rate(&desk));
    }
    arena_close(&arena);
}

/* Each thread reads twice its share of an L3. */
static bool measure_together(Team *team, int domain, Rates *r, Error *err)
{
    const int threads = weft_team_threads(team);
    if (threads == 1) { /* which says nothing of many */
        r->memory_all = rates_typical.memory_all;
        r->readers = rates_typical.readers;
        r->together = rates_typical.together;
        return true;
    }
    const int sharing = threads < domain ? threads : domain;
    double sum = 0, flops = 0;
    bool read = true;
    Reader *const reader = calloc((size_t)threads, sizeof *reader);
    if (!reader) return error(err, "out of memory to measure this machine");
    for (int i = 0; i < threads; i++) reader[i].bytes = 2 * r->l3_bytes / sharing;
    weft_team_each(team, threads, read_memory, reader);
    for (int i = 0; i < threads; i++) {
        read = read && reader[i].rate > 0;
        sum += reader[i].rate;
        flops += reader[i].flops;
    }
    free(reader);
    r->memory_all = sum / threads;
    r->readers = threads;
    r->together = flops / threads / r->product[PRODUCT_16];
    if (r->together > 1) r->together = 1;
    return read || error(err, "out of memory to measure this machine");
}

/* ---- all of it ---- */

static double known(size_t bytes, double typical)
{
    return bytes > 0 ? (double)bytes : typical;
}

bool rates_measure(Team *team, Rates *rates, Error *err)
{
    Machine *machine;
    Rates r = {0};
    if (!machine_open(NULL, &machine, err)) return false;
    const int domain = machine_domain(machine);
    r.l2_bytes = known(machine_cache(machine, 2), rates_typical.l2_bytes);
    r.l3_bytes = known(machine_cache(machine, 3), rates_typical.l3_bytes);
    machine_close(machine);
    if (!measure_in_turn(team, domain, &r, err) ||
        !measure_together(team, domain, &r, err))
        return false;
    *rates = r;
    return true;
}

/* ---- as a file ---- */

typedef struct Measured {
    Rates rates;
    int threads;
} Measured;

static bool write_measured(void *context, FILE *out, Error *err)
{
    const Measured *const m = context;
    fprintf(out, "# Rates of a machine, measured by weft %s with %s on %d thread%s.\n",
            weft_version(), weft_isa(), m->threads, m->threads == 1 ? "" : "s");
    return rates_write(&m->rates, out, err);
}

bool weft_machine_rates(WeftTeam *team, const char *path, WeftError *err)
{
    if (!team || !path) return error(err, "weft_machine_rates needs a team and a path");
    Measured m = {.threads = weft_team_threads(team)};
    return rates_measure(team, &m.rates, err) &&
           file_write(path, write_measured, &m, err);
}

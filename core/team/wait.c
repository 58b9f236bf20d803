/* wait.c: how long threads wait for one another, measured.
 *
 * Two workers have a tile each in every stage, and both wait for both of the stage before:
 *
 *     worker 0   [ tile ]  [ tile ]  [ tile ]      who ends last goes on at once, the other
 *     worker 1    [ tile ]  [ tile ]  [ tile ]     one a wait later: each stage takes a wait
 *
 * longer than a tile that nobody else has to do with. The tiles spin for longer than any
 * wait, so that nobody takes the other's. */
#include "wait.h"

#include "../clock.h"
#include "../gang.h"
#include "../../simd/scalar.h"

#define STAGES    50
#define RUNS      5    /* of a try */
#define BEAT      4e-6 /* seconds that a tile or a block spins */
#define LEAST     1e-9 /* seconds of any wait */
#define GANG_MOST 8    /* a gang has no more members for long */

static double now(void)
{
    return clock_seconds(CLOCK_MONOTONIC);
}

static double least(double a, double b)
{
    return a < b ? a : b;
}

static double most(double a, double b)
{
    return a > b ? a : b;
}

static void spin(double seconds)
{
    const double begin = now();
    while (now() - begin < seconds) {
    }
}

/* When worker 0 began a stage. The first half is over when all workers are there. */
typedef struct Span {
    double from, to; /* seconds; of stages STAGES / 2 and STAGES - 1 */
} Span;

static void span_note(Span *span, int stage)
{
    if (stage == STAGES / 2) span->from = now();
    if (stage == STAGES - 1) span->to = now();
}

/* Brings *best down to the time from stage to stage. */
static void try_list(Team *team, TileList *list, const Span *span, double *best)
{
    for (int run = 0; run < RUNS; run++) {
        team_run(team, list);
        *best = least(*best, (span->to - span->from) / (STAGES - 1 - STAGES / 2));
    }
}

/* ---- tiles ---- */

typedef struct Stages {
    double beat; /* of its tiles; 0: they do nothing */
    Span span;
} Stages;

static void run_tile(const Tile *tile, int worker)
{
    Stages *const s = tile->context;
    (void)worker;
    if (tile->owner == 0) span_note(&s->span, tile->index);
    if (s->beat > 0) spin(s->beat);
}

/* Workers i and i + distance are a pair, for as many as there are of both. */
static int partner(int i, int distance)
{
    return i / distance % 2 == 0 ? i + distance : i - distance;
}

static bool make_stages(void (*run)(const Tile *, int), void *context, int workers,
                        int distance, TileList **list, Error *err)
{
    const int all = STAGES * workers;
    if (!tiles_open(all, 2 * all, list, err)) return false;
    for (int i = 0; i < all; i++)
        tiles_add(*list, (Tile){.run = run,
                                .context = context,
                                .index = i / workers,
                                .owner = i % workers,
                                .layer = -1});
    for (int i = workers; i < all; i++) {
        const int other = partner(i % workers, distance);
        tiles_after(*list, i, i - workers);
        if (workers > 1 && other < workers)
            tiles_after(*list, i, i - workers - i % workers + other);
    }
    return true;
}

static bool try_stages(Team *team, double beat, int distance, double *best, Error *err)
{
    Stages stages = {.beat = beat};
    TileList *list;
    if (!make_stages(run_tile, &stages, weft_team_threads(team), distance, &list, err))
        return false;
    try_list(team, list, &stages.span, best);
    tiles_close(list);
    return true;
}

/* ---- gangs ---- */

typedef struct Rounds {
    Gang gang;
    Span span; /* of block 0 */
} Rounds;

static void run_member(const Tile *tile, int worker)
{
    Rounds *const r = tile->context;
    const Member member = {.gang = &r->gang, .index = tile->part};
    (void)worker;
    for (int round = 0; round < STAGES; round++)
        for (int block = -1; (block = gang_next(&member, block)) >= 0;) {
            if (block == 0) span_note(&r->span, round);
            spin(BEAT);
        }
}

static bool try_rounds(Team *team, int members, double *best, Error *err)
{
    Rounds rounds;
    Arena need = {0}, arena;
    TileList *list;
    gang_place(&rounds.gang, members, 0, &need);
    if (!arena_open(&arena, need.used, err)) return false;
    gang_place(&rounds.gang, members, 0, &arena);
    const bool made = tiles_open(members, 0, &list, err);
    if (made) {
        for (int i = 0; i < members; i++)
            tiles_add(list, (Tile){.run = run_member,
                                   .context = &rounds,
                                   .part = i,
                                   .owner = i,
                                   .layer = -1});
        try_list(team, list, &rounds.span, best);
        tiles_close(list);
    }
    arena_close(&arena);
    return made;
}

/* ---- what others have written ---- */

enum { LINES = 256, APART = 272 }; /* of a chain; floats from one to the next */

/* Each line has the number of the next. */
typedef struct Chains {
    double best[2]; /* [owner]: seconds of a line */
    float *line[2]; /* [owner]: [LINES][APART] */
    int writer[2];  /* the worker that wrote them last */
} Chains;

static void follow(float *line, float add)
{
    int at = 0;
    for (int i = 0; i < LINES; i++) {
        float *const next = line + at * APART;
        next[1] += add;
        at = (int)next[0];
    }
}

/* In even stages each writes its own chain, in odd ones that of the other. */
static void run_chain(const Tile *tile, int worker)
{
    Chains *const c = tile->context;
    const int of = tile->owner ^ (tile->index & 1);
    const bool others = c->writer[of] != worker;
    const double begin = now();
    follow(c->line[of], 1);
    double *const best = &c->best[tile->owner];
    if (others) *best = least(*best, (now() - begin) / LINES);
    c->writer[of] = worker;
    spin(BEAT);
}

/* The order is random, for nobody to guess it: Sattolo's, of one cycle. */
static void draw_chain(float *line)
{
    for (int i = 0; i < LINES; i++) line[i * APART] = (float)i;
    for (int i = LINES - 1; i > 0; i--) {
        const int other = (int)(random_uniform(1, 1, (uint64_t)i) * (float)i);
        const float mine = line[i * APART];
        line[i * APART] = line[other * APART];
        line[other * APART] = mine;
    }
}

/* By any of the team's workers: two tiles a stage. */
static bool try_chains(Team *team, double *best, Error *err)
{
    Chains chains = {.best = {*best, *best}};
    Arena arena;
    TileList *list;
    const size_t floats = (size_t)LINES * APART;
    if (!arena_open(&arena, 2 * floats * sizeof(float) + ARENA_ALIGN, err))
        return false;
    for (int i = 0; i < 2; i++) {
        chains.line[i] = ARENA_TAKE(&arena, float, floats);
        draw_chain(chains.line[i]);
    }
    const bool made = make_stages(run_chain, &chains, 2, 1, &list, err);
    if (made) {
        team_run(team, list);
        tiles_close(list);
    }
    arena_close(&arena);
    *best = least(chains.best[0], chains.best[1]);
    return made;
}

/* ---- all of it ---- */

void waits_begin(Waits *waits)
{
    *waits = (Waits){.tile = 1, .beat = 1, .near = 1, .far = 1, .round = 1, .reach = 1};
}

/* Members of a gang here; 1: there are no two of the team in a domain. */
static int gang_of(const Team *team, int domain)
{
    return (int)least(least(weft_team_threads(team), domain), GANG_MOST);
}

static bool try_alone(Waits *w, Error *err)
{
    Team *alone;
    if (!weft_team_open(1, &alone, err)) return false;
    const bool good = try_stages(alone, 0, 1, &w->tile, err) &&
                      try_stages(alone, BEAT, 1, &w->beat, err);
    weft_team_close(alone);
    return good;
}

bool waits_try(Waits *w, Team *team, int domain, Error *err)
{
    const int members = gang_of(team, domain);
    const bool near = members > 1, far = domain < weft_team_threads(team);
    return try_alone(w, err) && (!near || try_stages(team, BEAT, 1, &w->near, err)) &&
           (!near || try_rounds(team, members, &w->round, err)) &&
           (!near || try_chains(team, &w->reach, err)) &&
           (!far || try_stages(team, BEAT, domain, &w->far, err));
}

void waits_solve(const Waits *w, const Team *team, int domain, Rates *r)
{
    r->tile = most(w->tile, LEAST);
    r->wait = rates_typical.wait;
    r->round = rates_typical.round;
    r->reach = rates_typical.reach;
    if (gang_of(team, domain) > 1) {
        r->wait = most(w->near - w->beat, LEAST);
        r->round = most(w->round - (w->beat - r->tile), LEAST);
        r->reach = most(w->reach, LEAST);
    }
    r->far_wait = r->wait * rates_typical.far_wait / rates_typical.wait;
    if (domain < weft_team_threads(team)) r->far_wait = most(w->far - w->beat, r->wait);
}

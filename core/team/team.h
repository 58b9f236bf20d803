/* team.h: threads on cores, and the list of tiles that they run.
 *
 * An update is a list of tiles with known dependences. One parallel region runs a list:
 * a worker takes its own tiles in order as they become ready, and a ready tile of
 * another's when it has none. Waiting is a counter on its own cache line: spin, then
 * yield. Which worker runs a tile never decides a bit. */
#pragma once

#include "../arena.h"

typedef WeftTeam Team;

typedef struct Tile Tile;
struct Tile {
    void (*run)(const Tile *tile, int worker); /* serial code */
    void *context;
    int part, parts;  /* of what is split */
    int first, end;   /* rows */
    int index, kind;  /* of chunk; or as the maker likes */
    int owner;        /* worker whose list it is in */
    const char *name; /* of the phase: "forward", "pack", ...; NULL: a gate */
    int layer;        /* of the net; the head is above the last; -1: of none */
    double flops;     /* of products, two for a multiply-add; 0: not told */

    /* What a plan goes by, and what it finds (plan.h). */
    double seconds; /* predicted; 0: a gate, which costs nothing */
    int home;       /* the worker in whose cache its data are, ... */
    double away;    /* ... and the seconds more that another takes; 0: no difference */
    int gang;       /* m > 1: one of m members, numbers in a row, parts 0 .. m - 1 */
    double start;   /* seconds after the start of the list */
};

typedef struct TileList TileList;

/* Lists are built once and run many times. Numbers count up from 0 and are an order
 * that respects all dependences: later > earlier. */
bool tiles_open(int room, int edge_room, TileList **list, Error *err);
void tiles_close(TileList *list);
int tiles_add(TileList *list, Tile tile);                 /* its number */
void tiles_after(TileList *list, int later, int earlier); /* later waits for earlier */
Tile *tiles_get(TileList *list, int number);
int tiles_count(const TileList *list);
bool tiles_named(TileList *list, const char *name); /* is there one of this name? */

/* Runs all tiles; returns when all are done. Inside another team's region, or with one
 * thread, it runs serially in the caller. A team that has a core for each thread runs on
 * fewer for a while when another process took one away. Denormals are flushed in every
 * worker and the caller's mode is restored. */
void team_run(Team *team, TileList *list);

/* Threads of the next run: all but those that rest. */
int team_next(Team *team);
/* Whether each of its threads had a core of its own, all the time, in the last run: before the
 * first, if there are as many. */
bool team_on_time(const Team *team);

/* Flops a second of so many of its threads at the same time, in multiply-adds from
 * registers. Measured, in a second. */
bool team_peak(Team *team, int threads, double *flops, Error *err);

/* Who watches a team is called by the caller of a run before and after it, when no
 * worker runs, and by each worker around each of its tiles, gates too. Without `run` a
 * tile is work of the caller's between runs, as worker 0. start and stop may be NULL. */
typedef struct Watch Watch;
struct Watch {
    void (*start)(void *context, TileList *list);
    void (*begin)(void *context, const Tile *tile, int worker);
    void (*end)(void *context, const Tile *tile, int worker);
    void (*stop)(void *context);
    void *context;
    Watch *next; /* the team's; several may watch */
};

void team_watch(Team *team, Watch *watch); /* which must stay where it is, until ... */
void team_unwatch(Team *team, Watch *watch);
const Watch *team_watches(const Team *team); /* the first, or NULL */

static inline void watch_begin(const Watch *watch, const Tile *tile, int worker)
{
    for (; watch; watch = watch->next) watch->begin(watch->context, tile, worker);
}

static inline void watch_end(const Watch *watch, const Tile *tile, int worker)
{
    for (; watch; watch = watch->next) watch->end(watch->context, tile, worker);
}

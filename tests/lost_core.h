/* lost_core.h: two workers, one of which another process puts off its core, as far as the team
 * can tell. */
#pragma once

#include "../core/clock.h"
#include "../core/team/team.h"

#include <criterion/criterion.h>
#include <stdatomic.h>
#include <time.h>

enum { BOTH = 2 };

typedef struct Core {
    int loser;       /* worker that loses its core; -1: none; BOTH */
    atomic_int met;  /* workers that came */
    double patience; /* seconds that each waits for the other */
} Core;

/* Who keeps its core works on it; so long that what other processes take is little
 * beside what is lost here. */
static inline void run_on_core(const Tile *tile, int worker)
{
    Core *const c = tile->context;
    double end = clock_seconds(CLOCK_MONOTONIC) + c->patience;
    (void)atomic_fetch_or(&c->met, 1 << worker);
    while (atomic_load(&c->met) != 3 && clock_seconds(CLOCK_MONOTONIC) < end) continue;
    if (c->loser < 0) return;
    if (worker == c->loser || c->loser == BOTH)
        nanosleep(&(struct timespec){.tv_nsec = 400000000}, NULL);
    else
        for (end = clock_seconds(CLOCK_MONOTONIC) + 0.4;
             clock_seconds(CLOCK_MONOTONIC) < end;)
            continue;
}

/* Whether both workers ran a tile. */
static inline bool both_run(Team *two, int loser, double patience)
{
    Core core = {.loser = loser, .patience = patience};
    TileList *list;
    cr_assert(tiles_open(2, 0, &list, NULL));
    for (int i = 0; i < 2; i++)
        (void)tiles_add(list, (Tile){.run = run_on_core, .context = &core, .owner = i});
    team_run(two, list);
    tiles_close(list);
    return core.met == 3;
}

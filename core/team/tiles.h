/* tiles.h: what plans and what runs a list of tiles know beside team.h. */
#pragma once

#include "team.h"

/* Tile i waits for before[before_at[i]] .. before[before_at[i + 1] - 1], and those of
 * after, likewise, wait for it. */
typedef struct TileLinks {
    int *before, *before_at, *after, *after_at;
} TileLinks;

const TileLinks *tiles_links(TileList *list); /* the list's; until it changes */

/* order: all numbers of the list, each after those it waits for; owners' lists follow
 * it until something is added. */
void tiles_order(TileList *list, const int *order);

/* Makes all tiles of the list wait anew, for a run by so many workers. */
void tiles_start(TileList *list, int workers);

/* A worker's share of the run: returns when all tiles are done. watch: may be NULL. */
void tiles_work(TileList *list, int worker, const Watch *watch);

/* tiles.h: what runs a list of tiles knows beside team.h. */
#pragma once

#include "team.h"

/* Makes all tiles of the list wait anew, for a run by so many workers. */
void tiles_start(TileList *list, int workers);

/* A worker's share of the run: returns when all tiles are done. watch: may be NULL. */
void tiles_work(TileList *list, int worker, const Watch *watch);

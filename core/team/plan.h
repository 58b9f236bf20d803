/* plan.h: which core takes which tile when, and how long a list takes on any machine.
 *
 * A simulation of list scheduling: whenever a core is free, it takes the ready tile from
 * which the longest path leads to the end. The prediction never beats max(work / cores,
 * path). */
#pragma once

#include "../rates.h"
#include "team.h"

/* Cores in domains that share a cache: cores 0 .. domain - 1, domain .. 2 domain - 1,
 * and so on; the last domain may have fewer. One worker on each core. All in seconds. */
typedef struct PlanMachine {
    int cores, domain;
    double wait;     /* from the end of a tile to the start, on another core of the same
                        domain, of one that waited for it */
    double far_wait; /* the same, in another domain; no less */
    double tile;     /* what it costs to take a tile and to finish it */
} PlanMachine;

typedef struct Plan {
    double seconds; /* predicted, of a run */
    double work;    /* core-seconds of all tiles; without waits and costs, as is ... */
    double path;    /* ... the longest path through the list */
    double waiting; /* core-seconds without a tile */
} Plan;

/* Gives each tile its owner and start, and the list the order of the plan. The list is
 * run by any number of workers, as before. Predicted seconds are 0 or more.
 *
 * A tile goes home, and waits for its core there, if it ends earlier so than elsewhere.
 * The members of a gang start together, on cores of one domain; a wider gang is an
 * error, which leaves the list as it is. No member may wait for another. A gate takes no
 * core and no time; it waits for its tiles where the last of them ended. */
bool plan_make(TileList *list, const PlanMachine *machine, Plan *plan, Error *err);

/* What plans of a team go by. */
typedef struct Terms {
    PlanMachine machine;
    Rates rates;
    WeftSplit split;
    size_t memory; /* bytes of an update, at most; 0: as many as it takes */
} Terms;

/* Of a machine of so many cores, `domain` of them with an L3; for the rest any split. */
Terms terms_of(int cores, int domain, const Rates *rates);
const Terms *team_terms(const Team *team);

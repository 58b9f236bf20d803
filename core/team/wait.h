/* wait.h: how long threads wait for one another, measured for rates_measure. */
#pragma once

#include "../rates.h"
#include "team.h"

/* Seconds: the best of all tries, for others on the same machine only make them longer. */
typedef struct Waits {
    double tile;      /* that does nothing */
    double beat;      /* a tile that spins, ... */
    double near, far; /* ... beside another in the same domain; in another domain */
    double round;     /* of a gang */
    double reach;     /* of a line that another core has written */
} Waits;

void waits_begin(Waits *waits);
/* domain: see machine_domain. */
bool waits_try(Waits *waits, Team *team, int domain, Error *err);
/* Sets tile, wait, far_wait, round and reach; what takes more threads is as in rates_typical. */
void waits_solve(const Waits *waits, const Team *team, int domain, Rates *rates);

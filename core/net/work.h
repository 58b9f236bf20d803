/* work.h: what the tiles of an update do, and what each costs. */
#pragma once

#include "pass.h"

typedef enum Kind {
    GATE,
    PACK,
    PACK_LINEAR,
    CLEAR,
    ENTER,
    BEFORE,
    FORWARD,
    HAND_OVER,
    HEAD,
    BACKWARD,
    LEAVE,
    HAND_BACK,
    GRADIENT,
    GRADIENT_HEAD,
    GRADIENT_LINEAR,
    GRADIENT_EMBEDDING,
    LOSS
} Kind;

/* Of a tile: context is a Direction, a Joint, a Linear, the Head or the Pass, and index the
 * window; rows are [first, end). */
typedef struct Work {
    const char *name; /* of the phase; NULL: a gate */
    void (*run)(const Tile *tile, int worker);
    Cost (*price)(const Tile *tile, const Window *window, const Rates *rates);
} Work;

extern const Work
    works[]; /* by Kind; price NULL: nothing. The window has its steps alone */

/* Whether what comes before its loop over time has tiles of its own. */
bool runs_ahead(const Direction *direction);

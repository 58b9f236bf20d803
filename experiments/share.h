/* share.h: the threads of a training, and how they share an update: no result depends on
 * it. */
#pragma once

#include "options.h"

typedef struct Share {
    int threads;
    int split;  /* WeftSplit */
    int memory; /* MiB of an update; 0: any */
} Share;

extern const Option share_options[];

bool share_apply(const Share *share, WeftTeam *team, WeftError *err);

/* share.c: see share.h. */
#include "share.h"

static const char *const splits[] = {"auto",   "rows",   "units",
                                     "chunks", "layers", NULL}; /* as WeftSplit */

#define FIELD(name) offsetof(Share, name)
// clang-format off
const Option share_options[] = {
    {"threads", "N", "0: one for each usable physical core", &option_int, FIELD(threads), 0, 4096, NULL},
    {"split", "WAY", "what they share out: rows, units, chunks or layers; auto: what a cost model finds best", &option_choice, FIELD(split), 0, 0, splits},
    {"memory", "MIB", "of an update, at most, which limits the chunks in flight; 0: any", &option_int, FIELD(memory), 0, 1e9, NULL},
    {0},
};
// clang-format on

bool share_apply(const Share *share, WeftTeam *team, WeftError *err)
{
    return weft_team_split(team, (WeftSplit)share->split, (size_t)share->memory << 20,
                           err);
}

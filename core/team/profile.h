/* profile.h: where the time of a team's threads goes. */
#pragma once

#include "team.h"

typedef struct Profile Profile;

/* Watches the team until it is closed. One at a time in a process. */
bool profile_open(Team *team, Profile **profile, Error *err);

/* Ends it; out NULL: without its tables. */
bool profile_close(Profile *profile, FILE *out, Error *err);

/* trace.h: a file that shows what each thread of a team does, and when. */
#pragma once

#include "team.h"

typedef struct Trace Trace;

/* Watches the team until it is closed. */
bool trace_open(Team *team, const char *path, Trace **trace, Error *err);

/* The file is whole after this, or there is none. */
bool trace_close(Trace *trace, Error *err);

/* nearest.h: which name was meant. */
#pragma once

#include "../weft.h"

/* " (did you mean 'weight'?)" written into text, or "" when no name is near; text. */
const char *nearest_hint(const char *name, const char *const *names, char text[96]);

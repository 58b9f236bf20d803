/* error.h: a failure of the world, told in one sentence. */
#pragma once
#include "weft.h"

typedef WeftError Error;

/* Writes the message, unless err is NULL, and returns false, so that a caller can
 * `return error(err, ...)`. */
bool error(Error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* file.h: files read whole, and written whole or not at all. */
#pragma once

#include "../error.h"

/* The bytes of a regular file or a pipe, ended by a NUL that is not counted; the caller
 * frees them. Refused: what is empty, a directory, a device, over 2 GiB. */
bool file_read(const char *path, char **bytes, size_t *length, Error *err);

/* Lets body write into a file beside path (path.PID.part), syncs it and renames it to
 * path. Whatever fails, path keeps what it had and the part is removed. body returns
 * false with a message of its own; that it could not write is found here. */
bool file_write(const char *path, bool (*body)(void *context, FILE *out, Error *err),
                void *context, Error *err);

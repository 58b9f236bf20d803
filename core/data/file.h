/* file.h: files read whole, and written whole or not at all. */
#pragma once

#include "../error.h"

/* The bytes of a regular file or a pipe, ended by a NUL that is not counted; the caller
 * frees them. Refused: what is empty, a directory, a device, over 2 GiB. */
bool file_read(const char *path, char **bytes, size_t *length, Error *err);

/* A file that is written beside its path (path.PID.part) and takes the path's place when
 * it is whole. Whatever fails, path keeps what it had and the part is removed. */
typedef struct Draft {
    FILE *out;
    char *path, *part;
} Draft;

bool file_begin(const char *path, Draft *draft, Error *err);

/* keep: syncs it and renames it, or finds here that something was not written; else, or
 * then, removes the part. Always closes it. */
bool file_end(Draft *draft, bool keep, Error *err);

/* One that body writes. body returns false with a message of its own; that it could not
 * write is found here. */
bool file_write(const char *path, bool (*body)(void *context, FILE *out, Error *err),
                void *context, Error *err);

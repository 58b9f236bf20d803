/* inflate.h: what is compressed, whole in memory. The only file that knows zlib. */
#pragma once

#include "../core/weft.h"

#include <stdint.h>

/* Of more than `most` bytes: an error, so that a few bytes cannot ask for all memory. */
typedef struct Bytes {
    uint8_t *at; /* to be freed */
    size_t count;
} Bytes;

/* A file, as it is or as gzip compressed it. */
bool inflate_file(const char *path, size_t most, Bytes *bytes, WeftError *err);

/* A zlib stream (RFC 1950). origin names it in messages. */
bool inflate_bytes(const char *origin, const uint8_t *from, size_t count, size_t most,
                   Bytes *bytes, WeftError *err);

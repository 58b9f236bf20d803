/* idx.c: see idx.h.
 *
 * Two zero bytes, the type of the values, the number of axes; the length of each axis in
 * four bytes, the highest first; the values. */
#include "idx.h"

#include "options.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define BYTE 0x08       /* the type */
#define MOST (1u << 30) /* bytes */

static size_t big_endian(const uint8_t *p)
{
    return (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
}

static bool head_good(const char *origin, const uint8_t *bytes, size_t count, int axes,
                      WeftError *err)
{
    if (count < 4 || bytes[0] || bytes[1])
        return fail(err, "%s: byte 0: not an IDX file, which begins with two zeros",
                    origin);
    if (bytes[2] != BYTE)
        return fail(err, "%s: byte 2: type %02x: expected 08, unsigned bytes", origin,
                    bytes[2]);
    return bytes[3] == axes ||
           fail(err, "%s: byte 3: %d axes: expected %d", origin, bytes[3], axes);
}

/* The axes, and the values that they promise. */
static bool shape_read(const char *origin, const uint8_t *bytes, size_t count, Idx *idx,
                       WeftError *err)
{
    const size_t start = 4 + 4 * (size_t)idx->axes;
    size_t values = 1;
    for (int a = 0; a < IDX_AXES; a++) idx->shape[a] = 1;
    for (int a = 0; a < idx->axes; a++) {
        const size_t at = 4 + 4 * (size_t)a;
        if (at + 4 > count)
            return fail(err, "%s: byte %zu: it is cut short in its head", origin,
                        count);
        idx->shape[a] = big_endian(bytes + at);
        if (!idx->shape[a] || idx->shape[a] > MOST / values)
            return fail(err,
                        "%s: byte %zu: an axis of %zu: expected 1 or more, and at "
                        "most 2^30 values in all",
                        origin, at, idx->shape[a]);
        values *= idx->shape[a];
    }
    idx->values = bytes + start;
    return count - start == values ||
           fail(err, "%s: byte %zu: %zu values follow: expected %zu", origin, start,
                count - start, values);
}

bool idx_parse(const char *origin, const uint8_t *bytes, size_t count, int axes,
               Idx *idx, WeftError *err)
{
    *idx = (Idx){.axes = axes};
    return head_good(origin, bytes, count, axes, err) &&
           shape_read(origin, bytes, count, idx, err);
}

bool idx_open(const char *path, int axes, Idx *idx, WeftError *err)
{
    Bytes bytes;
    if (!inflate_file(path, MOST, &bytes, err)) return false;
    if (!idx_parse(path, bytes.at, bytes.count, axes, idx, err)) {
        free(bytes.at);
        return false;
    }
    idx->bytes = bytes;
    return true;
}

void idx_close(Idx *idx)
{
    free(idx->bytes.at);
    *idx = (Idx){0};
}

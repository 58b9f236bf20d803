/* inflate.c: see inflate.h. */
#include "inflate.h"

#include "options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* ---- bytes that grow ---- */

typedef struct Growing {
    Bytes bytes;
    size_t room, most;
} Growing;

static bool is_too_much(const Growing *growing, const char *origin, WeftError *err)
{
    return growing->bytes.count > growing->most &&
           !fail(err, "%s: more than %zu bytes when inflated", origin, growing->most);
}

/* Room for one more byte at least, until there is one too much. */
static bool grow(Growing *growing, const char *origin, WeftError *err)
{
    if (is_too_much(growing, origin, err)) return false;
    if (growing->bytes.count < growing->room) return true;
    size_t room = growing->room ? 2 * growing->room : 1 << 16;
    if (room > growing->most + 1) room = growing->most + 1;
    uint8_t *at = realloc(growing->bytes.at, room);
    if (!at) return fail(err, "out of memory");
    growing->bytes.at = at;
    growing->room = room;
    return true;
}

/* zlib counts in int. */
static unsigned room_left(const Growing *growing)
{
    const size_t left = growing->room - growing->bytes.count;
    return left < 1 << 30 ? (unsigned)left : 1u << 30;
}

static bool finish(Growing *growing, bool good, Bytes *bytes)
{
    if (good)
        *bytes = growing->bytes;
    else
        free(growing->bytes.at);
    return good;
}

/* ---- files ---- */

static bool gz_wrong(gzFile file, const char *path, WeftError *err)
{
    int code;
    const char *what = gzerror(file, &code); /* names the file first */
    const char *colon = strstr(what, ": ");
    if (code == Z_ERRNO) return fail(err, "%s: %s", path, strerror(errno));
    return fail(err, "%s: damaged gzip data: %s", path, colon ? colon + 2 : what);
}

/* All of the file, and whether it ends where its last stream does. */
static bool gz_all(gzFile file, const char *path, Growing *growing, WeftError *err)
{
    for (;;) {
        if (!grow(growing, path, err)) return false;
        const int got =
            gzread(file, growing->bytes.at + growing->bytes.count, room_left(growing));
        if (got <= 0) break;
        growing->bytes.count += (size_t)got;
    }
    int code;
    gzerror(file, &code);
    return !code || gz_wrong(file, path, err);
}

bool inflate_file(const char *path, size_t most, Bytes *bytes, WeftError *err)
{
    Growing growing = {.most = most};
    errno = 0;
    gzFile file = gzopen(path, "rb");
    if (!file)
        return fail(err, "%s: %s", path, errno ? strerror(errno) : "out of memory");
    const bool good = gz_all(file, path, &growing, err);
    gzclose_r(file);
    return finish(&growing, good, bytes);
}

/* ---- memory ---- */

static bool stream_all(z_stream *stream, const char *origin, Growing *growing,
                       WeftError *err)
{
    int code = Z_OK;
    while (code == Z_OK) {
        if (!grow(growing, origin, err)) return false;
        const unsigned room = room_left(growing);
        stream->next_out = growing->bytes.at + growing->bytes.count;
        stream->avail_out = room;
        code = inflate(stream, Z_NO_FLUSH);
        growing->bytes.count += room - stream->avail_out;
    }
    if (code == Z_STREAM_END) return !is_too_much(growing, origin, err);
    return fail(err, "%s: damaged zlib data at byte %lu of %lu: %s", origin,
                stream->total_in, stream->total_in + stream->avail_in,
                stream->msg ? stream->msg : "it is cut short");
}

bool inflate_bytes(const char *origin, const uint8_t *from, size_t count, size_t most,
                   Bytes *bytes, WeftError *err)
{
    Growing growing = {.most = most};
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)from,
                       .avail_in = (unsigned)count};
    if (count > 1 << 30) return fail(err, "%s: over 1 GiB of zlib data", origin);
    if (inflateInit(&stream) != Z_OK) return fail(err, "out of memory");
    const bool good = stream_all(&stream, origin, &growing, err);
    inflateEnd(&stream);
    return finish(&growing, good, bytes);
}

/* wav.c: see wav.h.
 *
 * "RIFF", a size, "WAVE"; then chunks: a name of four bytes, a size, as many bytes, and one
 * more where the size is odd. Numbers have their low byte first. "fmt " says what the bytes
 * of "data", behind it, are. */
#include "wav.h"

#include "options.h"

#include <string.h>

enum { HEAD = 12, CHUNK = 8, FORMAT = 16, PCM = 1, RATE_MIN = 1000, RATE_MAX = 768000 };
/* What writes to a pipe cannot know the size: espeak-ng says 7ffff000, others ffffffff. */
#define SIZE_UNKNOWN 0x7ffff000u

static uint32_t little_endian(const uint8_t *p, int bytes)
{
    uint32_t value = 0;
    for (int i = 0; i < bytes; i++) value |= (uint32_t)p[i] << 8 * i;
    return value;
}

static bool format_read(const char *origin, const uint8_t *bytes, size_t at,
                        size_t size, Wav *wav, WeftError *err)
{
    if (size < FORMAT)
        return fail(err, "%s: byte %zu: a format of %zu bytes: expected %d or more",
                    origin, at, size, FORMAT);
    const uint8_t *const p = bytes + at;
    const uint32_t code = little_endian(p, 2), channels = little_endian(p + 2, 2),
                   rate = little_endian(p + 4, 4), bits = little_endian(p + 14, 2);
    if (code != PCM || bits != 16)
        return fail(err, "%s: byte %zu: format %u of %u bits: expected 1 (PCM) of 16",
                    origin, at, code, bits);
    if (channels != 1)
        return fail(err, "%s: byte %zu: %u channels: expected 1", origin, at + 2,
                    channels);
    if (rate < RATE_MIN || rate > RATE_MAX)
        return fail(err, "%s: byte %zu: %u samples a second: expected %d to %d", origin,
                    at + 4, rate, RATE_MIN, RATE_MAX);
    wav->rate = (int)rate;
    return true;
}

static bool samples_read(const char *origin, const uint8_t *bytes, size_t at,
                         size_t size, Wav *wav, WeftError *err)
{
    if (!wav->rate)
        return fail(err, "%s: byte %zu: sound before its format", origin, at);
    if (size % 2)
        return fail(err, "%s: byte %zu: %zu bytes of 16-bit samples: an odd number",
                    origin, at, size);
    wav->samples = bytes + at;
    wav->count = size / 2;
    return true;
}

bool wav_parse(const char *origin, const uint8_t *bytes, size_t count, Wav *wav,
               WeftError *err)
{
    *wav = (Wav){0};
    if (count < HEAD || memcmp(bytes, "RIFF", 4) || memcmp(bytes + 8, "WAVE", 4))
        return fail(err, "%s: byte 0: not a WAV file, which begins with RIFF and WAVE",
                    origin);
    for (size_t at = HEAD; count - at >= CHUNK;) {
        const char *const name = (const char *)bytes + at;
        const bool data = !memcmp(name, "data", 4);
        const uint32_t told = little_endian(bytes + at + 4, 4);
        at += CHUNK;
        const size_t left = count - at,
                     size = data && told >= SIZE_UNKNOWN ? left : told;
        if (size > left)
            return fail(err, "%s: byte %zu: %zu bytes follow: expected %zu", origin, at,
                        left, size);
        if (data) return samples_read(origin, bytes, at, size, wav, err);
        if (!memcmp(name, "fmt ", 4) && !format_read(origin, bytes, at, size, wav, err))
            return false;
        const size_t padded = size + size % 2;
        at += padded < left ? padded : left;
    }
    return fail(err, "%s: byte %zu: it ends before any sound", origin, count);
}

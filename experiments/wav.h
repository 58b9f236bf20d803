/* wav.h: sound as RIFF/WAVE files have it: one channel of 16-bit PCM. */
#pragma once

#include "../core/weft.h"

typedef struct Wav {
    int rate;               /* samples a second */
    size_t count;           /* of samples */
    const uint8_t *samples; /* [count][2], the low byte first; belong to the file */
} Wav;

/* From memory, which must outlive it; origin names it in messages. Sound that was written
 * to a pipe, whose size in its head is a placeholder, goes on to the last byte. */
bool wav_parse(const char *origin, const uint8_t *bytes, size_t count, Wav *wav,
               WeftError *err);

static inline int wav_sample(const Wav *wav, size_t i)
{
    return (int16_t)(wav->samples[2 * i] | wav->samples[2 * i + 1] << 8);
}

/* speech.h: who speaks the digits, and sound that is cut into words. */
#pragma once

#include "experiment.h"
#include "wav.h"

#define DIGITS 10

/* One voice that speaks all digits. */
typedef struct Recording {
    char voice[64];    /* "en-us+Alex": an accent, a variant */
    int speed, pitch;  /* words a minute; 0 to 99 */
    int order[DIGITS]; /* in which they are spoken */
} Recording;

/* Those of a part, voice by voice; their number. listing: the voices that there are, as
 * espeak-ng lists them, NULL: all; list NULL: counts only. */
size_t speech_recordings(Part part, const char *listing, Recording *list);

/* Samples of a sound. */
typedef struct Piece {
    size_t first, count;
} Piece;

/* What lies between pauses, in order; their number, of which `most` are kept. */
int speech_cut(const Wav *wav, Piece *piece, int most);

/* logmel.h: what an ear has of a sound: the energy of bands, in frames. The only file that
 * knows FFTW.
 *
 * Windows of 25 ms, one each 10 ms, and bands between 60 and 8000 Hz whose middles lie at
 * equal steps of the mel scale, as is usual for speech. */
#pragma once

#include "../core/weft.h"

typedef struct Logmel Logmel; /* used by one caller at a time */

/* For sound of so many samples a second, at least 16 000. */
bool logmel_open(int rate, int bands, Logmel **logmel, WeftError *err);
void logmel_close(Logmel *logmel);

/* Windows that so many samples fill; at least 1. */
int logmel_frames(const Logmel *logmel, size_t samples);
/* Into out [frames][bands] the logarithm of the energies; a window that the samples do not
 * fill ends in silence. Nothing is more than 60 dB below the loudest. */
void logmel_take(Logmel *logmel, const double *samples, size_t count, double *out);
/* Makes the mean of each band 0, and the variance of all together 1. */
void logmel_level(double *out, int frames, int bands);

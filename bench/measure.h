/* measure.h: the clock, and what rows are held to. */
#pragma once

#include "../simd/kernels.h"

double measure_now(void); /* seconds, from any start */

/* Of one thread, the best of ten runs of 100 ms; measured once, when first asked for. */
double measure_peak(const Kernels *set); /* flop/s, as in `weft machine` */
double
measure_copy(double bytes); /* bytes/s of a memcpy that reads half, writes half */

/* measure.h: the clock, and what rows are held to. */
#pragma once

#include "../simd/kernels.h"

double measure_now(void); /* seconds, from any start */

/* Flop/s of one thread with this set's fused multiply-adds: the best of ten runs of
 * 100 ms, as in `weft machine`. */
double measure_peak(const Kernels *set);

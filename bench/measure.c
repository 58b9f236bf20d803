/* measure.c: the clock and the peak. */
#include "measure.h"

#include <time.h>

#define RUNS        10 /* of which the best counts */
#define RUN_SECONDS 0.1
#define TURNS       10000 /* of the chains, between two looks at the clock */

double measure_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double measure_peak(const Kernels *set)
{
    double best = 0;
    for (int i = 0; i < RUNS; i++) {
        float sink[LANES_MAX];
        const double start = measure_now();
        double flops = 0, seconds;
        do {
            flops += set->peak(TURNS, sink);
            seconds = measure_now() - start;
        } while (seconds < RUN_SECONDS);
        if (flops / seconds > best) best = flops / seconds;
    }
    return best;
}

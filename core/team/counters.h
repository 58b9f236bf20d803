/* counters.h: what the processor counts of a thread. Hides perf_event_open. */
#pragma once

#include <stdio.h>

typedef enum Count { COUNT_CYCLES, COUNT_INSTRUCTIONS, COUNT_MISSES, COUNTS } Count;

typedef struct Counters {
    int file[COUNTS]; /* -1: not counted */
    int error;        /* errno of the first that is not; 0: all are */
} Counters;

/* Counts for the calling thread, in user mode, from here on: misses are those of the
 * last cache. Where the system refuses, there is nothing but the error. */
void counters_open(Counters *counters);

/* What was counted; -1: not. */
void counters_close(Counters *counters, double count[COUNTS]);

/* A table of the counts of so many threads, or in its place why there are none. */
void counters_write(FILE *out, int threads, const double count[][COUNTS], int error);

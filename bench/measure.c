/* measure.c: the clock, the peak, memcpy. */
#include "measure.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RUNS        10 /* of which the best counts */
#define RUN_SECONDS 0.1

double measure_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* What is measured, and what came of it. */
typedef struct Meter {
    double (*work)(const struct Meter *meter); /* returns flops, or bytes */
    const Kernels *set;
    size_t half; /* bytes copied */
    char *from, *to;
    double rate; /* a second */
} Meter;

static double work_peak(const Meter *meter)
{
    float sink[LANES_MAX];
    return meter->set->peak(10 * 1000, sink);
}

static double work_copy(const Meter *meter)
{
    memcpy(meter->to, meter->from, meter->half);
    __asm__ volatile("" : : "r"(meter->to) : "memory"); /* the copy is wanted */
    return 2.0 * (double)meter->half;
}

static double rate(const Meter *meter)
{
    const double start = measure_now();
    double amount = 0, seconds;
    do {
        amount += meter->work(meter);
        seconds = measure_now() - start;
    } while (seconds < RUN_SECONDS);
    return amount / seconds;
}

static double measure(const Meter *wanted)
{
    static Meter known[64];
    const int room = sizeof known / sizeof *known;
    int i = 0;
    for (; i < room && known[i].work; i++)
        if (known[i].work == wanted->work && known[i].set == wanted->set &&
            known[i].half == wanted->half)
            return known[i].rate;
    if (i == room) abort();
    Meter *const m = &known[i];
    *m = *wanted;
    m->from = calloc(m->half + 1, 2);
    if (!m->from) abort();
    m->to = m->from + m->half;
    for (int run = 0; run < RUNS; run++) {
        const double r = rate(m);
        if (r > m->rate) m->rate = r;
    }
    free(m->from);
    return m->rate;
}

double measure_peak(const Kernels *set)
{
    return measure(&(Meter){.work = work_peak, .set = set});
}

double measure_copy(double bytes)
{
    return measure(&(Meter){.work = work_copy, .half = (size_t)bytes / 2});
}

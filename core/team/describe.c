/* describe.c: what weft knows of this machine, and what it measures of it. */
#include <stdlib.h>
#include <string.h>

#include "../../simd/isa.h"
#include "../clock.h"
#include "machine.h"
#include "team.h"

#define RUNS        10 /* of which the best counts */
#define RUN_SECONDS 0.1
#define TURNS       10000 /* of the chains, between two looks at the clock */
#define COPY_BYTES  ((size_t)128 << 20) /* by all threads: more than their caches */
#define COPY_LEAST  ((size_t)16 << 20)  /* by each: more than its share of any L3 */

/* One thread's part of a measurement. */
typedef struct Meter {
    double (*work)(struct Meter *meter); /* returns flops, or bytes */
    size_t bytes;                        /* of from and of to, each */
    char *from, *to;
    double best; /* flops or bytes a second; 0: no memory */
} Meter;

static double work_peak(Meter *meter)
{
    float sink[LANES_MAX];
    (void)meter;
    return simd->peak(TURNS, sink);
}

static double work_copy(Meter *meter)
{
    memcpy(meter->to, meter->from, meter->bytes);
    __asm__ volatile("" : : "r"(meter->to) : "memory"); /* the copy is wanted */
    return 2.0 * (double)meter->bytes;
}

static double rate(Meter *meter)
{
    const double begin = clock_seconds(CLOCK_MONOTONIC);
    double amount = 0, seconds;
    do {
        amount += meter->work(meter);
        seconds = clock_seconds(CLOCK_MONOTONIC) - begin;
    } while (seconds < RUN_SECONDS);
    return amount / seconds;
}

/* The thread that measures touches its memory first, so that it lies near. */
static void measure(void *context, int i)
{
    Meter *const meter = (Meter *)context + i;
    meter->from = malloc(meter->bytes + 1);
    meter->to = malloc(meter->bytes + 1);
    if (meter->from && meter->to) {
        memset(meter->from, 1, meter->bytes);
        memset(meter->to, 1, meter->bytes);
        for (int run = 0; run < RUNS; run++) {
            const double r = rate(meter);
            if (r > meter->best) meter->best = r;
        }
    }
    free(meter->from);
    free(meter->to);
}

/* The sum over `threads` threads at the same time. */
static bool measure_all(Team *team, int threads, Meter meter, double *sum, Error *err)
{
    Meter *const meters = calloc((size_t)threads, sizeof *meters);
    if (!meters) return error(err, "out of memory to measure this machine");
    for (int i = 0; i < threads; i++) meters[i] = meter;
    weft_team_each(team, threads, measure, meters);
    bool measured = true;
    *sum = 0;
    for (int i = 0; i < threads; i++) {
        measured = measured && meters[i].best > 0;
        *sum += meters[i].best;
    }
    free(meters);
    return measured || error(err, "out of memory to measure this machine");
}

bool team_peak(Team *team, int threads, double *flops, Error *err)
{
    return measure_all(team, threads, (Meter){.work = work_peak}, flops, err);
}

static bool write_measured(Team *team, FILE *out, Error *err)
{
    const int counts[] = {1, weft_team_threads(team)};
    for (int i = 0; i < 2 && (i == 0 || counts[1] > 1); i++) {
        const int threads = counts[i];
        const size_t share = COPY_BYTES / (size_t)threads;
        const Meter copy = {.work = work_copy,
                            .bytes = share > COPY_LEAST ? share : COPY_LEAST};
        double flops, bytes;
        if (!team_peak(team, threads, &flops, err) ||
            !measure_all(team, threads, copy, &bytes, err))
            return false;
        fprintf(out, "%-10s %.1f GFLOP/s on %d thread%s (best of %d runs of %.0f ms)\n",
                "FMA peak", flops * 1e-9, threads, threads == 1 ? "" : "s", RUNS,
                RUN_SECONDS * 1e3);
        fprintf(out, "%-10s %.1f GB/s on %d thread%s (copy: bytes read and written)\n",
                "bandwidth", bytes * 1e-9, threads, threads == 1 ? "" : "s");
    }
    fprintf(out,
            "%-10s a speed in GFLOP/s with the peak of as many threads and the same "
            "instruction set, both on an idle machine\n",
            "compare");
    return true;
}

static void write_isa(FILE *out)
{
    fprintf(out, "%-10s %s, %d floats a vector; here are", "isa", isa_name(),
            simd->lanes);
    for (int i = 0; isa_set(i); i++) fprintf(out, " %s", isa_set(i)->isa);
    fprintf(out, "; WEFT_ISA forces one\n");
}

bool weft_machine_describe(FILE *out, bool measure_too, WeftError *err)
{
    Machine *machine;
    Team *team;
    if (!weft_team_open(0, &team, err)) return false;
    bool done = machine_open(NULL, &machine, err);
    if (done) {
        machine_write(machine, out);
        machine_close(machine);
        write_isa(out);
        done = !measure_too || write_measured(team, out, err);
    }
    weft_team_close(team);
    return done && (!ferror(out) || error(err, "the description cannot be written"));
}

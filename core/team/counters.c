/* counters.c: see counters.h. */
#include "counters.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const uint64_t event[COUNTS] = {
    [COUNT_CYCLES] = PERF_COUNT_HW_CPU_CYCLES,
    [COUNT_INSTRUCTIONS] = PERF_COUNT_HW_INSTRUCTIONS,
    [COUNT_MISSES] = PERF_COUNT_HW_CACHE_MISSES,
};

void counters_open(Counters *c)
{
    c->error = 0;
    for (int i = 0; i < COUNTS; i++) {
        struct perf_event_attr attr = {
            .type = PERF_TYPE_HARDWARE,
            .size = sizeof attr,
            .config = event[i],
            .read_format =
                PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING,
            .exclude_kernel = 1,
            .exclude_hv = 1,
        };
        c->file[i] =
            (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
        if (c->file[i] < 0 && !c->error) c->error = errno;
    }
}

/* Counters that take turns have seen a part of the time. */
static double value_of(int file)
{
    struct {
        uint64_t value, enabled, running;
    } seen;
    if (file < 0 || read(file, &seen, sizeof seen) != sizeof seen || !seen.running)
        return -1;
    return (double)seen.value * (double)seen.enabled / (double)seen.running;
}

void counters_close(Counters *c, double count[COUNTS])
{
    for (int i = 0; i < COUNTS; i++) {
        count[i] = value_of(c->file[i]);
        if (c->file[i] >= 0) close(c->file[i]);
        c->file[i] = -1;
    }
}

static int paranoid(void)
{
    int level = -1;
    FILE *const file = fopen("/proc/sys/kernel/perf_event_paranoid", "re");
    if (!file) return level;
    if (fscanf(file, "%d", &level) != 1) level = -1;
    fclose(file);
    return level;
}

static void write_refusal(FILE *out, int error)
{
    fputs("counts: none; ", out);
    if (error == EACCES || error == EPERM)
        fprintf(
            out,
            "perf_event_paranoid is %d (2 is enough), or a container forbids them\n",
            paranoid());
    else if (error == ENOENT || error == ENODEV || error == EOPNOTSUPP)
        fputs("this processor shows none, as in many virtual machines\n", out);
    else
        fprintf(out, "perf_event_open: %s\n", strerror(error));
}

static void write_count(FILE *out, bool counted, double count)
{
    if (counted)
        fprintf(out, "%14.4g", count);
    else
        fprintf(out, "%14s", "-");
}

void counters_write(FILE *out, int threads, const double count[][COUNTS], int error)
{
    bool any = false;
    for (int i = 0; i < threads; i++)
        for (int k = 0; k < COUNTS; k++) any = any || count[i][k] >= 0;
    if (!any) {
        write_refusal(out, error);
        return;
    }
    fprintf(out, "%-15s%14s%14s%14s%14s\n", "counts of", "cycles", "instructions",
            "per cycle", "cache misses");
    for (int i = 0; i < threads; i++) {
        const double cycles = count[i][COUNT_CYCLES],
                     instructions = count[i][COUNT_INSTRUCTIONS],
                     misses = count[i][COUNT_MISSES];
        fprintf(out, "  thread %-6d", i);
        write_count(out, cycles >= 0, cycles);
        write_count(out, instructions >= 0, instructions);
        write_count(out, cycles > 0 && instructions >= 0, instructions / cycles);
        write_count(out, misses >= 0, misses);
        fputc('\n', out);
    }
}

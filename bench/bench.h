/* bench.h: benches in plain C; shim.cc hands them to Google Benchmark.
 *
 * To add a file of benches: write bench_<name>(), which calls `bench` for each, and
 * name it in the list. */
#pragma once

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BENCH_LIST(X) X(gemm) X(map) X(train)

/* Times run(context), which does so many flops and moves so many bytes (0: not
 * reported). The name is copied, the context must last. */
void bench(const char *name, void (*run)(void *context), void *context, double flops,
           double bytes);

/* The same for what is too big to lie ready: open makes what run needs, close frees it.
 * false from open: the bench is skipped. tokens: rows x steps of a run. */
typedef struct BenchWhole {
    bool (*open)(void *context);
    void (*run)(void *context);
    void (*close)(void *context);
    double flops, tokens;
} BenchWhole;
void bench_whole(const char *name, const BenchWhole *whole, void *context);

/* What the benches named from now on are a share of, in flop/s on one thread; 0:
 * nothing. */
void bench_peak(double flops_per_second);

/* The functions of the list, and a call of each. */
#define ITEM(name) void bench_##name(void);
BENCH_LIST(ITEM)
#undef ITEM
void bench_all(void);

#ifdef __cplusplus
}
#endif

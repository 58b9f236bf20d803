/* bench.h: benches in plain C; shim.cc hands them to Google Benchmark.
 *
 * To add a file of benches: write bench_<name>(), which calls `bench` for each, and
 * name it in the list. */
#pragma once

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "../simd/kernels.h"

#define BENCH_LIST(X) X(kernels) X(map) X(train) X(chunks)

typedef struct Bench {
    const Kernels *set;          /* what runs */
    int threads;                 /* that it runs on; 0: the caller's alone */
    bool (*open)(void *context); /* makes what run needs; false: no memory */
    void (*run)(void *context);
    void (*close)(void *context); /* frees it */
    double flops, tokens;         /* of a run; 0: not reported */
    double bytes;                 /* read and written; where there are no flops */
} Bench;

/* Times b->run. Its row has flops and bytes a second, as a share of the set's peak (times
 * the threads) and of what memcpy moves when it moves as many bytes. Name and *b are copied,
 * the context must last. */
void bench(const char *name, const Bench *b, void *context);

/* The functions of the list, and a call of each. */
#define ITEM(name) void bench_##name(void);
BENCH_LIST(ITEM)
#undef ITEM
void bench_all(void);

#ifdef __cplusplus
}
#endif

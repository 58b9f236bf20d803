/* isa.h: which instruction sets there are, and which one is used. */
#pragma once

#include "kernels.h"
#include "scalar.h"

#include <stdbool.h>

/* Name, and whether CPU and operating system have it. Best last. */
#if defined __x86_64__
#define ISA_LIST(X)                                                                    \
    X(scalar, true)                                                                    \
    X(avx2, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))           \
    X(avx512,                                                                          \
      __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&       \
          __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
#elif defined __aarch64__
#define ISA_LIST(X)                                                                    \
    X(scalar, true)                                                                    \
    X(neon, true)
#else
#define ISA_LIST(X) X(scalar, true)
#endif

/* Points `simd` at the set of this name; NULL or "": the one that WEFT_ISA names, else
 * the best. False, with a message that lists the sets of this machine in text, when
 * there is no such set here. */
bool isa_select(const char *name, char *text, size_t text_size);

/* The name for digests: simd->isa, or "scalar without FMA" (bits that may be its own). */
const char *isa_name(void);

/* Set i of those that this machine can run, NULL past the last (tests walk all). */
const Kernels *isa_set(int i);

/* A cheap clock that counts at a steady rate, which is the machine's. */
uint64_t isa_ticks(void);

/* While it is on, `simd` counts the ticks that a thread spends in products (gemm and
 * gradient). Not to be called while kernels run. */
void isa_time_products(bool on);
uint64_t isa_product_ticks(void); /* of this thread, so far */

/* Flush denormals, results and operands, in this thread; returns what to restore. */
uint64_t isa_flush(void);
void isa_restore(uint64_t before);

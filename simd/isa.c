/* isa.c: choosing the set of kernels, and the floating-point mode they run in. */
#include "isa.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ITEM(name, here) extern const Kernels kernels_##name;
ISA_LIST(ITEM)
#undef ITEM

const Kernels *simd = &kernels_scalar;

const Kernels *isa_set(int i)
{
#define ITEM(name, here)                                                               \
    if ((here) && i-- == 0) return &kernels_##name;
    ISA_LIST(ITEM)
#undef ITEM
    return NULL;
}

static const Kernels *find(const char *name) /* "": the best, which is the last */
{
    const Kernels *found = NULL;
    for (int i = 0; isa_set(i); i++)
        if (!*name || strcmp(name, isa_set(i)->isa) == 0) found = isa_set(i);
    return found;
}

static void refuse(const char *name, char *text, size_t text_size)
{
    int used =
        snprintf(text, text_size, "no instruction set \"%s\" here; there are:", name);
    for (int i = 0; isa_set(i) && used >= 0 && (size_t)used < text_size; i++)
        used += snprintf(text + used, text_size - (size_t)used, " %s", isa_set(i)->isa);
}

/* ---- time in products: a set that is the plain one but for them ---- */

static Kernels timed_set;
static const Kernels *plain_set;
static _Thread_local uint64_t product_ticks;

uint64_t isa_ticks(void)
{
#if defined __x86_64__
    return __builtin_ia32_rdtsc();
#else
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
#endif
}

static void timed_gemm(const Gemm *g)
{
    const uint64_t begin = isa_ticks();
    plain_set->gemm(g);
    product_ticks += isa_ticks() - begin;
}

static void timed_gradient(int rows, const int *row, int count, const Gradient *jobs,
                           float *scratch)
{
    const uint64_t begin = isa_ticks();
    plain_set->gradient(rows, row, count, jobs, scratch);
    product_ticks += isa_ticks() - begin;
}

void isa_time_products(bool on)
{
    if (simd != &timed_set) plain_set = simd;
    timed_set = *plain_set;
    timed_set.gemm = timed_gemm;
    timed_set.gradient = timed_gradient;
    simd = on ? &timed_set : plain_set;
}

uint64_t isa_product_ticks(void)
{
    return product_ticks;
}

/* ---- choosing ---- */

bool isa_select(const char *name, char *text, size_t text_size)
{
    if (!name || !*name) name = getenv("WEFT_ISA");
    if (!name) name = "";

    const Kernels *const found = find(name);
    if (!found) {
        refuse(name, text, text_size);
        return false;
    }
    const bool timed = simd == &timed_set;
    simd = found;
    if (timed) isa_time_products(true);
    return true;
}

const char *isa_name(void)
{
    return scalar_fma() ? simd->isa : "scalar without FMA";
}

/* Bits: x86 flushes results (15) and takes denormal operands as zero (6); Arm's FZ (24)
 * is both. */
#if defined __x86_64__
#include <xmmintrin.h>

uint64_t isa_flush(void)
{
    const unsigned before = _mm_getcsr();
    _mm_setcsr(before | 1u << 15 | 1u << 6);
    return before;
}

void isa_restore(uint64_t before)
{
    _mm_setcsr((unsigned)before);
}
#elif defined __aarch64__
uint64_t isa_flush(void)
{
    uint64_t before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    isa_restore(before | 1u << 24);
    return before;
}

void isa_restore(uint64_t before)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(before));
}
#else
#error "isa.c does not know how this processor flushes denormals"
#endif

/* simd_data.h: data, guards and comparisons for the tests of kernels. */
#pragma once

#include "../simd/isa.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Emulated machines take fewer and smaller sizes. */
static inline bool small(void)
{
    const char *const s = getenv("WEFT_TEST_SMALL");
    return s && *s && strcmp(s, "0") != 0;
}

/* Memory that lives until floats_free; LANES_MAX more can be read, as kernels may. */
static float *floats_taken[4096];
static int floats_count;

static inline float *floats(size_t n)
{
    cr_assert(floats_count < 4096);
    float *const p = calloc(n + LANES_MAX, sizeof *p);
    cr_assert(p);
    return floats_taken[floats_count++] = p;
}

static inline void floats_free(void)
{
    while (floats_count) free(floats_taken[--floats_count]);
}

typedef enum Draw { ORDINARY, TINY, LARGE, SPECIAL, DRAWS } Draw;

static inline float draw(Draw kind, uint64_t stream, uint64_t index)
{
    static const float special[] = {0.0f,   -0.0f,   INFINITY,   -INFINITY, NAN,
                                    1e-40f, -1e-40f, 1e-38f,     -1e-38f,   3e38f,
                                    -3e38f, 1.0f,    -88.0f,     88.7f,     -103.9f,
                                    0.5f,   -1.0f,   16777216.0f};
    const float x = 8 * random_uniform(11, stream, index) - 4;
    const int power = (int)random_below(12, stream, index, 30);
    switch (kind) {
    case TINY: return ldexpf(x, -100 - power);
    case LARGE: return ldexpf(x, 96 + power);
    case SPECIAL:
        if (random_below(13, stream, index, 3) == 0) return x;
        return special[random_below(14, stream, index,
                                    sizeof special / sizeof *special)];
    default: return x;
    }
}

static inline float *drawn(Draw kind, uint64_t stream, size_t n)
{
    float *const p = floats(n);
    for (size_t i = 0; i < n + LANES_MAX; i++) p[i] = draw(kind, stream, i);
    return p;
}

/* Bits; a NaN is a NaN. */
static inline bool same(const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(a + i, b + i, sizeof *a) != 0 && !(isnan(a[i]) && isnan(b[i])))
            return false;
    return true;
}

/* An output [rows][n] among guards, before, behind and between its rows. */
enum { GUARD = 2 * LANES_MAX };
static const float guard = -12345.678f;

static inline float *canvas(int rows, size_t row, const float *start)
{
    const size_t n = (size_t)rows * row;
    float *const p = floats(n + 2 * GUARD);
    for (size_t i = 0; i < n + 2 * GUARD; i++) p[i] = guard;
    if (start) memcpy(p + GUARD, start, n * sizeof *p);
    return p + GUARD;
}

static inline bool guarded(const float *y, int rows, int n, size_t row,
                           const float *start)
{
    for (int i = 0; i < GUARD; i++)
        if (y[-1 - i] != guard || y[(size_t)rows * row + (size_t)i] != guard)
            return false;
    for (int r = 0; r < rows; r++)
        for (size_t j = (size_t)n; j < row; j++) {
            const size_t at = (size_t)r * row + j;
            if (!same(y + at, start ? start + at : &guard, 1)) return false;
        }
    return true;
}

/* Runs a kernel of every set of this machine. Guards must survive and bits must be
 * equal; the output of the first set is returned. `start`: [rows][row], what y holds
 * before. */
typedef void Run(const Kernels *k, const void *context, float *y);

static inline float *on_every_set(const char *what, Run *run, const void *context,
                                  int rows, int n, size_t row, const float *start)
{
    float *first = NULL;
    for (int i = 0; isa_set(i); i++) {
        float *const y = canvas(rows, row, start);
        run(isa_set(i), context, y);
        cr_assert(guarded(y, rows, n, row, start), "%s, %s, n %d: wrote outside", what,
                  isa_set(i)->isa, n);
        if (!first) first = y;
        for (int r = 0; r < rows; r++)
            for (int j = 0; j < n; j++) {
                const size_t at = (size_t)r * row + (size_t)j;
                cr_assert(same(first + at, y + at, 1),
                          "%s, n %d, [%d][%d]: %a on %s, %a on %s", what, n, r, j,
                          (double)first[at], isa_set(0)->isa, (double)y[at],
                          isa_set(i)->isa);
            }
    }
    return first;
}

/* Where an emulator runs the tests, WEFT_TEST_ISA is what its best set has to be. */
static inline void expect_isa(void)
{
    const char *const isa = getenv("WEFT_TEST_ISA");
    char text[200] = "";
    cr_assert(!isa || (isa_select("", text, sizeof text) && !strcmp(isa, isa_name())),
              "%s %s, not %s", text, isa_name(), isa);
}

/* Every promise is kept in the mode that the kernels run in. */
static inline void simd_begin(void)
{
    expect_isa();
    isa_flush();
}

static inline void simd_end(void)
{
    floats_free();
}

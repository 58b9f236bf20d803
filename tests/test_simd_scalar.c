/* Random numbers, double mathematics, the choice of a set, and the mode for
 * denormals. */
#include "reference.h"
#include "simd_data.h"

static void check_block(uint64_t seed, uint64_t stream, uint64_t block,
                        const uint32_t want[4])
{
    uint32_t word[4];
    random_block(seed, stream, block, word);
    cr_assert(memcmp(word, want, sizeof word) == 0, "%08x %08x %08x %08x", word[0],
              word[1], word[2], word[3]);
}

/* kat_vectors of Random123, philox4x32 10. */
Test(simd_scalar, philox_gives_the_known_answers)
{
    check_block(0, 0, 0,
                (const uint32_t[]){0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
    check_block(UINT64_MAX, UINT64_MAX, UINT64_MAX,
                (const uint32_t[]){0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
    check_block(0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88,
                (const uint32_t[]){0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
    for (uint64_t i = 0; i < 4; i++) {
        uint32_t word[4];
        random_block(3, 5, 7, word);
        cr_assert(random_bits(3, 5, 28 + i) == word[i]);
    }
}

/* Mean and variance within five standard errors, and the ends of the range. */
Test(simd_scalar, random_numbers_have_their_moments)
{
    enum { N = 20000 };
    double uniform = 0, fine = 0, normal = 0, squares = 0, below = 0;
    for (uint64_t i = 0; i < N; i++) {
        const float u = random_uniform(1, 2, i);
        const double d = random_uniform53(1, 3, i), z = random_normal(1, 4, i);
        cr_assert(u >= 0 && u < 1 && d >= 0 && d < 1);
        cr_assert(random_below(1, 5, i, 10) < 10);
        uniform += (double)u, fine += d, normal += z, squares += z * z;
        below += random_below(1, 5, i, 10);
    }
    const double error = 5 / sqrt(N);
    cr_assert(fabs(uniform / N - 0.5) < error * sqrt(1 / 12.));
    cr_assert(fabs(fine / N - 0.5) < error * sqrt(1 / 12.));
    cr_assert(fabs(normal / N) < error);
    cr_assert(fabs(squares / N - 1) < error * sqrt(2));
    cr_assert(fabs(below / N - 4.5) < error * sqrt(99 / 12.));
}

/* glibc's functions are within an ULP, SLEEF's too: two apart at most, and one to
 * round. */
static void agree(const char *name, double x, double got, double want)
{
    cr_assert(fabs(got - want) <= 3 * DBL_EPSILON * fabs(want) ||
                  (isnan(got) && isnan(want)),
              "%s(%a) is %a, not %a", name, x, got, want);
}

Test(simd_scalar, double_mathematics_is_within_an_ulp)
{
    for (uint64_t i = 0; i < (small() ? 500 : 20000); i++) {
        const double x = 40 * random_uniform53(1, 1, i) - 20, y = fabs(x) + 1e-3;
        agree("exp", x, scalar_exp(x), exp(x));
        agree("log", y, scalar_log(y), log(y));
        agree("sin", x, scalar_sin(x), sin(x));
        agree("cos", x, scalar_cos(x), cos(x));
        agree("tanh", x, scalar_tanh(x), tanh(x));
        agree("pow", y, scalar_pow(y, x), pow(y, x));
        agree("log1p", y, scalar_log1p(y), log1p(y));
        agree("expm1", x, scalar_expm1(x), expm1(x));
    }
}

Test(simd_scalar, a_processor_without_fma_says_so)
{
    cr_assert(!strcmp(isa_name(), scalar_fma() ? simd->isa : "scalar without FMA"));
}

Test(simd_scalar, a_set_is_chosen_by_name_or_the_list_is_told)
{
    char text[200] = "";
    unsetenv("WEFT_ISA");
    const Kernels *best = NULL;
    for (int i = 0; isa_set(i); i++) {
        best = isa_set(i);
        cr_assert(isa_select(best->isa, text, sizeof text) && simd == best);
        setenv("WEFT_ISA", best->isa, 1);
        cr_assert(isa_select(NULL, text, sizeof text) && simd == best);
        unsetenv("WEFT_ISA");
    }
    cr_assert(isa_select("", text, sizeof text) && simd == best);
    cr_assert(!isa_select("altivec", text, sizeof text) && simd == best);
    cr_assert(strstr(text, "altivec") && strstr(text, "scalar") &&
                  strstr(text, best->isa),
              "%s", text);
    char tight[12];
    cr_assert(!isa_select("altivec", tight, sizeof tight));
    setenv("WEFT_ISA", "itanium", 1);
    cr_assert(!isa_select(NULL, text, sizeof text) && strstr(text, "itanium"));
}

static void run_mul(const Kernels *k, const void *context, float *y)
{
    const float *const ab = context;
    k->map[MAP_mul](&(Map){.rows = 1, .n = 1, .a = ab, .b = ab + LANES_MAX, .y = y});
}

static float product(float a, float b)
{
    float *const ab = floats(2 * LANES_MAX);
    ab[0] = a, ab[LANES_MAX] = b;
    return *on_every_set("mul", run_mul, ab, 1, 1, 1, NULL);
}

Test(simd_scalar, denormals_are_flushed_and_the_mode_is_restored, .fini = simd_end)
{
    const uint64_t before = isa_flush();
    cr_assert(product(1e-20f, 1e-20f) == 0, "a result");
    cr_assert(product(1e-40f, 1e30f) == 0, "an operand");
    cr_assert(product(FLT_MIN, 1) == FLT_MIN);
    isa_restore(before);
    cr_assert(product(1e-20f, 1e-20f) > 0 && product(1e-40f, 1e30f) > 0);
}

/* The one known difference between processors: x86 decides after rounding, Arm
 * before. */
Test(simd_scalar, a_result_that_rounds_up_to_the_least_normal_is_kept_by_x86_alone,
     .init = simd_begin, .fini = simd_end)
{
    if (!scalar_fma()) cr_skip_test("no FMA: this is qemu, which decides as Arm does");
    const float y = product(0x1.fffffcp-64f, 0x1.000002p-63f);
#if defined __x86_64__
    cr_assert(y == FLT_MIN);
#else
    cr_assert(y == 0);
#endif
}

Test(simd_scalar, the_peak_loop_counts_its_flops)
{
    for (int i = 0; isa_set(i); i++) {
        float sink = -1;
        cr_assert(isa_set(i)->peak(1000, &sink) == 2.0 * 12 * isa_set(i)->lanes * 1000);
        cr_assert(sink > 0);
    }
}

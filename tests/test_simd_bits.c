/* The bits of every kernel, pinned: the same numbers on every processor with FMA, which
 * one machine cannot show by comparing its own sets. */
#include "simd_data.h"

TestSuite(simd_bits, .init = simd_begin, .fini = simd_end);

/* FNV-1a 64 of the floats, a NaN as 7fc00000. */
static uint64_t digest(uint64_t hash, const float *y, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = 0x7fc00000;
        if (!isnan(y[i])) memcpy(&bits, y + i, sizeof bits);
        for (int byte = 0; byte < 4; byte++)
            hash = (hash ^ (bits >> 8 * byte & 255)) * 0x100000001b3;
    }
    return hash;
}

static const uint64_t start = 0xcbf29ce484222325;

enum { N = 700, INNER = 70, ROWS = 7, K = 300 };

/* Products, quotients and functions of ordinary and of extreme numbers. */
static uint64_t map_bits(const Kernels *k)
{
    uint64_t hash = start;
    float *const y = floats(N);
    for (int kind = 0; kind < DRAWS; kind++) {
        const float *const a = drawn((Draw)kind, 1, N), *const b =
                                                            drawn((Draw)kind, 2, N);
        const float *const c = drawn((Draw)kind, 3, N);
        Map m = {.rows = 1,
                 .n = N,
                 .m = 1,
                 .groups = N / INNER,
                 .inner = INNER,
                 .y = y,
                 .a = a,
                 .b = b,
                 .c = c};
        for (int op = 0; op < MAP_COUNT; op++) {
            memset(y, 0, N * sizeof *y);
            k->map[op](&m);
            hash = digest(hash, y, N);
        }
    }
    return hash;
}

static uint64_t product_bits(const Kernels *k)
{
    const float *const a = drawn(ORDINARY, 1, N * K), *const w =
                                                          drawn(ORDINARY, 2, INNER * K);
    float *const b = floats(k->packed(INNER, K)), *const y = floats(ROWS * INNER);
    float *const scratch = floats(k->gradient_scratch(INNER));
    k->pack(INNER, K, w, K, 1, b);
    k->gemm(&(Gemm){.m = ROWS,
                    .n = INNER,
                    .k = K,
                    .a = a,
                    .a_row = K,
                    .a_col = 1,
                    .b = b,
                    .c = y,
                    .c_row = INNER});
    k->gradient(K, NULL, 1,
                &(Gradient){.n = ROWS,
                            .k = INNER,
                            .d = a,
                            .d_row = ROWS,
                            .x = w,
                            .x_row = INNER,
                            .dw = y,
                            .dw_row = INNER},
                scratch);
    return digest(start, y, ROWS * INNER);
}

static uint64_t loss_bits(const Kernels *k)
{
    static const int32_t label[ROWS] = {1, 2, 3, 5, 8, 13, 21};
    const float *const a = drawn(ORDINARY, 1, ROWS * K), *const t = drawn(ORDINARY, 2,
                                                                          ROWS * K);
    float *const y = floats(ROWS * K), loss[ROWS];
    uint64_t hash = start;
    k->softmax(ROWS, K, a, K, label, NULL, 0.3f, loss, y, K);
    hash = digest(digest(hash, loss, ROWS), y, ROWS * K);
    k->sigmoid_loss(ROWS, K, a, K, t, K, NULL, 0.3f, loss, y, K);
    hash = digest(digest(hash, loss, ROWS), y, ROWS * K);
    k->square_loss(ROWS, K, a, K, t, K, NULL, 0.3f, loss, y, K);
    hash = digest(digest(hash, loss, ROWS), y, ROWS * K);
    k->drop(ROWS, K, 1, 2, 3, K, 0.3f, y, K);
    return digest(hash, y, ROWS * K);
}

static uint64_t update_bits(const Kernels *k)
{
    const UpdateRates r = {.rate = 0.01f,
                           .momentum = 0.9f,
                           .beta1 = 0.9f,
                           .beta2 = 0.99f,
                           .correct1 = 1.7f,
                           .correct2 = 2.3f,
                           .epsilon = 1e-8f,
                           .decay = 0.03f,
                           .scale = 0.7f,
                           .limit = 2};
    float *const w = drawn(ORDINARY, 1, N), *const g = drawn(ORDINARY, 2, N);
    float *const m = floats(N), *const v = floats(N);
    for (int i = 0; i < 2; i++) {
        k->sgd(N, w, g, m, &r);
        k->rmsprop(N, w, g, v, &r);
        k->adam(N, w, g, m, v, &r);
        k->adamw(N, w, g, m, v, &r);
    }
    return digest(digest(digest(digest(start, w, N), g, N), m, N), v, N);
}

static uint64_t scalar_bits(const Kernels *k)
{
    (void)k;
    uint64_t hash = start;
    for (uint64_t i = 0; i < N; i++) {
        const double x = random_normal(1, 2, i), y = random_uniform53(1, 3, i);
        const float f[] = {(float)scalar_exp(x),
                           (float)scalar_log(y),
                           (float)scalar_sin(x),
                           (float)scalar_cos(x),
                           (float)scalar_tanh(x),
                           (float)scalar_pow(y, x),
                           (float)scalar_log1p(y),
                           (float)scalar_expm1(x),
                           (float)x,
                           (float)y};
        hash = digest(hash, f, sizeof f / sizeof *f);
    }
    return hash;
}

static void check(const char *what, uint64_t (*bits)(const Kernels *k), uint64_t want)
{
    if (!scalar_fma()) cr_skip_test("a processor without FMA has bits of its own");
    for (int i = 0; isa_set(i); i++) {
        const uint64_t got = bits(isa_set(i));
        cr_expect(got == want, "%s, %s: %016llx", what, isa_set(i)->isa,
                  (unsigned long long)got);
        floats_free();
    }
}

Test(simd_bits, of_elementwise_kernels_are_those_of_every_processor)
{
    check("map", map_bits, 0xf78b08833bd51eac);
}

Test(simd_bits, of_products_are_those_of_every_processor)
{
    check("product", product_bits, 0x062726314d04173a);
}

Test(simd_bits, of_losses_and_masks_are_those_of_every_processor)
{
    check("loss", loss_bits, 0x3bce49a81c2da543);
}

Test(simd_bits, of_optimisers_are_those_of_every_processor)
{
    check("update", update_bits, 0x465e35f9684f577a);
}

Test(simd_bits, of_double_mathematics_are_those_of_every_processor)
{
    check("scalar", scalar_bits, 0x5b695ca59344a252);
}

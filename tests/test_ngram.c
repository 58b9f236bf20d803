/* test_ngram.c: Witten-Bell n-grams against hand counts and measured texts. */
#include <criterion/criterion.h>
#include <math.h>
#include <unistd.h>

#include "../core/weft.h"

static WeftError err;

static double nats(const int32_t *train, size_t n, const int32_t *test, size_t m,
                   int symbols, int order)
{
    double value = NAN;
    cr_assert(weft_ngram(train, n, test, m, symbols, order, &value, &err), "%s",
              err.text);
    return value;
}

static const int32_t abaab[] = {0, 1, 0, 0, 1};

Test(ngram, small_texts_are_counted_by_hand)
{
    /* c(a) = 3, c(b) = 2, 2 types, uniform 1/3: p(a) = (3 + 2/3) / 7, p(c) = (2/3) /
     * 7 */
    const double a = (3 + 2. / 3) / 7, b = (2 + 2. / 3) / 7, c = (2. / 3) / 7;
    cr_expect_float_eq(nats(abaab, 5, (int32_t[]){0}, 1, 3, 0), -log(a), 1e-14);
    cr_expect_float_eq(nats(abaab, 5, (int32_t[]){2}, 1, 3, 0), -log(c), 1e-14);
    /* after the last b: b was followed by a once, 1 type */
    cr_expect_float_eq(nats(abaab, 5, (int32_t[]){0}, 1, 3, 1), -log((1 + a) / 2),
                       1e-14);
    /* a was followed by b twice, by a once: 2 types */
    const double ab = (2 + 2 * b) / 5;
    cr_expect_float_eq(nats(abaab, 5, (int32_t[]){0, 1}, 2, 3, 1),
                       -(log((1 + a) / 2) + log(ab)) / 2, 1e-14);
    /* "ab" was followed by a once; c was never seen, so what follows it has no
     * context */
    cr_expect_float_eq(nats(abaab, 5, (int32_t[]){2, 0}, 2, 3, 2),
                       -(log((0 + c / 2) / 2) + log(a)) / 2, 1e-14);
}

Test(ngram, probabilities_of_all_symbols_sum_to_one)
{
    for (int order = 0; order <= 5; order++) {
        double sum = 0;
        for (int32_t s = 0; s < 4; s++) sum += exp(-nats(abaab, 5, &s, 1, 4, order));
        cr_expect_float_eq(sum, 1, 1e-14, "order %d", order);
    }
}

Test(ngram, one_symbol_is_enough)
{
    cr_expect_float_eq(nats(abaab, 1, abaab, 1, 1, 5), 0, 1e-15);
}

static void refused(size_t n, size_t m, int32_t bad, int order, const char *message)
{
    double value;
    const int32_t test[] = {bad};
    cr_expect(!weft_ngram(abaab, n, test, m, 2, order, &value, &err));
    cr_expect_str_eq(err.text, message);
}

Test(ngram, wrong_arguments_are_refused)
{
    refused(5, 1, 0, 6, "n-gram: order 6; 0 to 5 were expected");
    refused(5, 1, 0, -1, "n-gram: order -1; 0 to 5 were expected");
    refused(0, 1, 0, 1, "n-gram: 0 symbols in train; 1 to 2147483647 were expected");
    refused(5, 0, 0, 1, "n-gram: 0 symbols in test; 1 to 2147483647 were expected");
    refused(5, 1, 2, 1, "n-gram: symbol 0 of test is 2; 0 to 1 were expected");
    refused(5, 1, -1, 1, "n-gram: symbol 0 of test is -1; 0 to 1 were expected");
}

static void book(const char *path, int symbols, double train, double test,
                 const double want[6])
{
    if (access(path, R_OK)) cr_skip("%s is not here", path);
    WeftText *text;
    cr_assert(weft_text_open(path, false, NULL, 0, &text, &err), "%s", err.text);
    size_t count;
    int size;
    const int32_t *const s = weft_text_symbols(text, &count);
    weft_text_alphabet(text, &size);
    cr_expect_eq(size, symbols);
    const size_t n = (size_t)((double)count * train),
                 from = (size_t)((double)count * test);
    for (int order = 0; order <= 5; order++)
        cr_expect_float_eq(nats(s, n, s + from, count - from, size, order), want[order],
                           .0005, "order %d", order); /* three decimals are published */
    weft_text_close(text);
}

/* Measured by another program, from a table of counts by string. */
Test(ngram, tinyshakespeare_is_as_measured)
{
    book(SOURCE_DIR "/../shared/data/tinyshakespeare.txt", 65, .9, .9,
         (double[]){3.347, 2.486, 2.049, 1.774, 1.669, 1.698});
}

Test(ngram, war_and_peace_is_as_measured)
{
    book(SOURCE_DIR "/../shared/data/war_and_peace.txt", 82, .8, .9,
         (double[]){3.065, 2.439, 1.956, 1.575, 1.383, 1.344});
}

/* test_copying.c: the copy task is what Arjovsky et al. 2016 draw, and its oracle is what
 * one scores who knows when to answer, but not what. */
#include "task_rig.h"

enum { K = 10, S = 8, BLANK = 8, DELIMITER = 9, T = 30 };

static void holds_to_definition(const Sequence *s, int gap, int count[S])
{
    for (int t = 0; t < s->steps; t++) {
        const bool shown = t < K, said = t >= K + gap && t < 2 * K + gap;
        const int x = s->symbol[t], y = s->label[t];
        if (shown)
            cr_assert(x >= 0 && x < S);
        else
            cr_assert_eq(x, t == K + gap - 1 ? DELIMITER : BLANK);
        cr_assert_eq(y, said ? s->symbol[t - K - gap] : BLANK);
        if (shown) count[x]++;
    }
}

Test(copying, ten_symbols_are_asked_for_after_the_gap)
{
    int count[S] = {0};
    for (uint64_t index = 0; index < 1000; index++) {
        const Draw draw = {.seed = 7, .index = index, .length = T};
        Sequence *s = sequence_draw(&experiment_copy, &draw);
        cr_assert_eq(s->steps, T + 2 * K);
        holds_to_definition(s, T, count);
        free(s);
    }
    for (int i = 0; i < S; i++) /* 4 deviations */
        cr_expect(abs(count[i] - 1250) < 133, "%d times %d", count[i], i);
}

Test(copying, sequences_are_functions_of_seed_and_index)
{
    sequences_are_functions(&experiment_copy, T);
}

/* Answers alike for all symbols from the step after the delimiter on, blank before. */
Test(copying, knowing_when_but_not_what_gives_the_oracle)
{
    const float sure = 50;
    Known known = known_open(&experiment_copy,
                             "cell late\nstate h\nweight W [hidden][input]\n"
                             "output y\ny = h + 0\nh' = max(h, W x)\n",
                             1);
    known_values(&known, "layer0.W")[DELIMITER] = 1;
    known_values(&known, "head.weight")[BLANK] = -2 * sure;
    known_values(&known, "head.bias")[BLANK] = sure;
    for (int length = 10; length <= 100; length *= 10)
        cr_expect_float_eq(known_score(&known, &experiment_copy, length, 100).loss,
                           oracle_loss(&experiment_copy.oracles[0], length), 1e-6);
    known_close(&known);
}

/* test_ordering.c: the temporal order tasks are what Pascanu et al. 2013 draw, and their
 * oracles what one scores who keeps nothing, or the last mark. */
#include "task_rig.h"

enum { SYMBOLS = 6, MARKS_MAX = 3, L = 50 };

/* The marks, symbols 0 and 1, each in its tenth of the sequence; their number. */
static int marks_of(const Sequence *s, const int *tenth, int mark[MARKS_MAX])
{
    int marks = 0;
    for (int t = 0; t < s->steps; t++) {
        cr_assert(s->symbol[t] >= 0 && s->symbol[t] < SYMBOLS);
        if (s->symbol[t] > 1) continue;
        cr_assert_lt(marks, MARKS_MAX);
        cr_assert(t >= tenth[marks] * L / 10 && t < (tenth[marks] + 1) * L / 10);
        mark[marks++] = s->symbol[t];
    }
    return marks;
}

static void holds_to_definition(const Experiment *experiment, int marks,
                                const int *tenth)
{
    int count[8] = {0};
    for (uint64_t index = 0; index < 1000; index++) {
        const Draw draw = {.seed = 7, .index = index, .length = L, .part = TEST};
        int mark[MARKS_MAX] = {0};
        Sequence *s = sequence_draw(experiment, &draw);
        cr_assert_eq(s->steps, L);
        cr_assert_eq(marks_of(s, tenth, mark), marks);
        cr_assert_eq(s->label[0], mark[0] + 2 * mark[1] + 4 * mark[2]);
        count[s->label[0]]++;
        free(s);
    }
    const double classes = 1 << marks, expected = 1000 / classes;
    for (int i = 0; i < 1 << marks; i++) /* 4 deviations */
        cr_expect(fabs(count[i] - expected) < 4 * sqrt(expected * (1 - 1 / classes)),
                  "%d times %d", count[i], i);
}

Test(ordering, two_marks_are_in_their_tenths)
{
    holds_to_definition(&experiment_order, 2, (int[]){1, 5, 0});
    holds_to_definition(&experiment_order_sgd, 2, (int[]){1, 5, 0});
}

Test(ordering, three_marks_are_in_their_tenths)
{
    holds_to_definition(&experiment_order3, 3, (int[]){1, 3, 6});
}

Test(ordering, every_place_of_a_tenth_is_drawn)
{
    int first = L, last = 0;
    for (uint64_t index = 0; index < 1000; index++) {
        const Draw draw = {.seed = 7, .index = index, .length = L, .part = TEST};
        Sequence *s = sequence_draw(&experiment_order, &draw);
        for (int t = L / 2; t < L; t++)
            if (s->symbol[t] < 2) {
                first = t < first ? t : first;
                last = t > last ? t : last;
            }
        free(s);
    }
    cr_expect_eq(first, 25);
    cr_expect_eq(last, 29);
}

/* Those of half the length too have their marks in their tenths. */
Test(ordering, training_sequences_have_a_quarter_of_the_steps_or_more)
{
    int least = L, most = 0;
    for (uint64_t index = 0; index < 1000; index++) {
        const Draw draw = {.seed = 7, .index = index, .length = L, .part = TRAINING};
        Sequence *s = sequence_draw(&experiment_order, &draw);
        int marks = 0;
        for (int t = 0; t < s->length; t++) {
            if (s->symbol[t] > 1) continue;
            const int begin = s->length * (marks ? 5 : 1) / 10;
            cr_assert(t >= begin && t < begin + s->length / 10 && marks++ < 2);
        }
        cr_assert_eq(marks, 2);
        least = s->length < least ? s->length : least;
        most = s->length > most ? s->length : most;
        free(s);
    }
    cr_expect_eq(least, L / 4);
    cr_expect_eq(most, L);
}

Test(ordering, sequences_are_functions_of_seed_and_index)
{
    sequences_are_functions(&experiment_order, L);
    sequences_are_functions(&experiment_order3, L);
}

/* h is -1 or 1 by the last mark. */
static const char *const last_mark = "cell last\nstate h\nweight W [hidden][input]\n"
                                     "m = W x\nh' = m + (1 - abs(m)) * h\n";

static void oracles_hold(const Experiment *experiment, int marks)
{
    Known nothing = known_open(experiment, forgetful, 1);
    cr_expect_float_eq(known_score(&nothing, experiment, L, 1000).loss,
                       experiment->oracles[0].loss, 1e-6);
    known_close(&nothing);

    Known last = known_open(experiment, last_mark, 1);
    known_values(&last, "layer0.W")[0] = -1;
    known_values(&last, "layer0.W")[1] = 1;
    for (int class = 0; class < 1 << marks; class ++)
        known_values(&last, "head.weight")[class] = class >> (marks - 1) ? 50 : -50;
    cr_expect_float_eq(known_score(&last, experiment, L, 1000).loss,
                       experiment->oracles[1].loss, 1e-6);
    known_close(&last);
}

Test(ordering, oracles_are_what_keeping_nothing_or_the_last_mark_gives)
{
    oracles_hold(&experiment_order, 2);
    oracles_hold(&experiment_order3, 3);
}

/* test_formal.c: parity, counting and recall are what they say, and are scored so. */
#include "task_rig.h"

/* ---- parity ---- */

Test(parity, label_is_whether_the_ones_so_far_are_odd)
{
    int ones_of_all = 0;
    for (uint64_t index = 0; index < 1000; index++) {
        const Draw draw = {.seed = 7, .index = index, .length = 256, .part = TEST};
        Sequence *s = sequence_draw(&experiment_parity, &draw);
        int ones = 0;
        cr_assert_eq(s->steps, 256);
        cr_assert_eq(s->length, 256);
        for (int t = 0; t < 256; t++) {
            cr_assert(s->symbol[t] == 0 || s->symbol[t] == 1);
            ones += s->symbol[t];
            cr_assert_eq(s->label[t], ones % 2);
            cr_assert_eq(s->weight[t], t < 40 ? 0 : 1);
        }
        ones_of_all += ones;
        free(s);
    }
    cr_expect_float_eq(ones_of_all, 128000, 4 * 253); /* 4 deviations */
}

Test(parity, training_strings_have_3_to_40_steps_all_scored)
{
    int least = 99, most = 0;
    for (uint64_t index = 0; index < 1000; index++) {
        const Draw draw = {.seed = 7, .index = index, .length = 256, .part = TRAINING};
        Sequence *s = sequence_draw(&experiment_parity, &draw);
        cr_assert_eq(s->steps, 40);
        for (int t = 0; t < 40; t++) cr_assert_eq(s->weight[t], t < s->length ? 1 : 0);
        least = s->length < least ? s->length : least;
        most = s->length > most ? s->length : most;
        free(s);
    }
    cr_expect_eq(least, 3);
    cr_expect_eq(most, 40);
}

/* h is -1 after an odd number of ones. */
static const char *const flips = "cell flips\nstate h = 1\nweight W [hidden][input]\n"
                                 "h' = h * (1 - 2 * W x)\n";

Test(parity, guessing_has_the_oracle_s_loss_and_a_flip_flop_is_right)
{
    Known nothing = known_open(&experiment_parity, forgetful, 1);
    WeftScore score = known_score(&nothing, &experiment_parity, 256, 1000);
    cr_expect_float_eq(score.loss, experiment_parity.oracles[0].loss, 1e-6);
    cr_expect_eq(score.targets, 1000 * (256 - 40));
    cr_expect(!experiment_solves(&experiment_parity, &score));
    known_close(&nothing);

    Known known = known_open(&experiment_parity, flips, 1);
    known_values(&known, "layer0.W")[1] = 1;
    known_values(&known, "head.weight")[1] = -1;
    score = known_score(&known, &experiment_parity, 256, 1000);
    cr_expect(experiment_solves(&experiment_parity, &score));
    known_close(&known);
}

Test(parity, strings_are_functions_of_seed_and_index)
{
    sequences_are_functions(&experiment_parity, 256);
    const Draw test = {.seed = TEST_SEED, .length = 256, .part = TEST};
    Draw other = test;
    other.seed = VALIDATION_SEED;
    cr_expect(!sequences_same(&experiment_parity, &test, &other));
}

/* ---- counting ---- */

/* Whether the symbols are the start and the letters, each n times. */
static void is_string(const Sequence *s, int n, int letters)
{
    cr_assert_eq(s->length, 1 + letters * n);
    cr_assert_eq(s->symbol[0], 0);
    for (int letter = 1, t = 1; letter <= letters; letter++)
        for (int i = 0; i < n; i++, t++) cr_assert_eq(s->symbol[t], letter);
}

/* By the grammar: letters seen so far decide what may follow. */
static bool may_follow(const int *seen, int letters, int next)
{
    if (next == 0) return seen[1] == 0;
    if (next < letters)
        return seen[next - 1] && seen[next] < seen[0] && !seen[next + 1] &&
               (next == 1 || seen[next - 1] == seen[0]);
    return seen[0] && seen[letters - 1] == seen[0];
}

static void legal_are_marked(const Sequence *s, int letters)
{
    int seen[5] = {0};
    for (int t = 0; t < s->length; t++) {
        if (s->symbol[t]) seen[s->symbol[t] - 1]++;
        for (int next = 0; next <= letters; next++)
            cr_assert_eq(s->target[t * (letters + 1) + next],
                         may_follow(seen, letters, next) ? 1 : 0, "%d after %d of %d",
                         next, t, s->length);
    }
    for (int t = 0; t < s->steps; t++)
        cr_assert_eq(s->weight[t], t < s->length ? 1 : 0);
}

static void counts_are_as_defined(const Experiment *experiment, int letters)
{
    int drawn[11] = {0};
    for (uint64_t index = 0; index < 1000; index++) {
        const Draw draw = {.seed = 7, .index = index, .length = 100, .part = TRAINING};
        Sequence *s = sequence_draw(experiment, &draw);
        const int n = (s->length - 1) / letters;
        cr_assert(n >= 1 && n <= 10);
        is_string(s, n, letters);
        legal_are_marked(s, letters);
        drawn[n]++;
        free(s);
    }
    for (int n = 1; n <= 10; n++) cr_expect_float_eq(drawn[n], 100, 38, "%d", n);
    for (uint64_t index = 0; index < 100; index++) {
        const Draw draw = {
            .seed = TEST_SEED, .index = index, .length = 100, .part = TEST};
        Sequence *s = sequence_draw(experiment, &draw);
        is_string(s, (int)index + 1, letters);
        legal_are_marked(s, letters);
        free(s);
    }
}

Test(counting, anbn_is_the_language_and_what_may_follow)
{
    counts_are_as_defined(&experiment_anbn, 2);
}

Test(counting, anbncn_is_the_language_and_what_may_follow)
{
    counts_are_as_defined(&experiment_anbncn, 3);
}

Test(counting, validation_has_strings_to_20_and_is_another_part)
{
    for (uint64_t index = 0; index < 40; index++) {
        const Draw draw = {
            .seed = VALIDATION_SEED, .index = index, .length = 256, .part = VALIDATION};
        Sequence *s = sequence_draw(&experiment_anbn, &draw);
        is_string(s, 1 + (int)index % 20, 2);
        free(s);
    }
}

/* By a counter of the a less the b, which stops at `most`. */
static int reach(double most)
{
    char text[256];
    snprintf(
        text, sizeof text,
        "cell counter\nstate c, s, b\nweight W, V, Z [hidden][input]\nconst most = %g\n"
        "output c, s, b\nc' = min(c + W x, most)\ns' = V x\nb' = Z x\n",
        most);
    Known known = known_open(&experiment_anbn, text, 1);
    float *const head = known_values(&known, "head.weight");
    float *const bias = known_values(&known, "head.bias");
    known_values(&known, "layer0.W")[1] = 1;
    known_values(&known, "layer0.W")[2] = -1;
    known_values(&known, "layer0.V")[0] = 1;
    known_values(&known, "layer0.Z")[2] = 1;
    /* a: not after a b. b: not at the start, nor at count 0. End: after a b at 0. */
    bias[0] = 1, head[2] = -2;
    bias[1] = -0.5F, head[3] = 1;
    bias[2] = -0.5F, head[6] = -1, head[8] = 1;
    const Drawn test = {
        .task = &experiment_anbn.task, .part = TEST, .length = 256, .rows = 1};
    WeftScore score;
    MUST(experiment_anbn.score(known.net, &test, &score, &err));
    known_close(&known);
    return (int)score.accuracy;
}

Test(counting, score_is_the_largest_n_up_to_which_all_are_accepted)
{
    cr_expect_eq(reach(1000), 256);
    cr_expect_eq(reach(37), 37);
    cr_expect_eq(reach(0), 0);
}

/* ---- recall ---- */

enum { KEYS = 32, WIDTH = 64, PAIRS = 16, STEPS = 2 * PAIRS };

typedef struct Recall {
    float x[STEPS * WIDTH], weight[STEPS];
    int32_t label[STEPS];
} Recall;

static void recall(const Draw *draw, Recall *r)
{
    memset(r, 0, sizeof *r);
    for (int t = 0; t < STEPS; t++) r->weight[t] = 1;
    WeftBatch batch = {.steps = STEPS,
                       .rows = 1,
                       .inputs = WIDTH,
                       .outputs = KEYS,
                       .x = r->x,
                       .label = r->label,
                       .weight = r->weight};
    experiment_recall.task.draw(draw, &batch, 0);
}

/* The one that is 1 of 32, or -1 where all are 0. */
static int hot(const float *x)
{
    int found = -1;
    for (int i = 0; i < KEYS; i++) {
        cr_assert(x[i] == 0 || (x[i] == 1 && found < 0));
        if (x[i] == 1) found = i;
    }
    return found;
}

Test(recall, each_key_is_shown_once_with_a_value_and_asked_for_once)
{
    Recall r;
    int in_order = 0, values[KEYS] = {0};
    for (uint64_t index = 0; index < 1000; index++) {
        int value[KEYS];
        bool asked[KEYS] = {false};
        for (int k = 0; k < KEYS; k++) value[k] = -1;
        recall(&(Draw){.seed = 7, .index = index, .length = PAIRS}, &r);
        for (int t = 0; t < PAIRS; t++) {
            const int key = hot(r.x + t * WIDTH);
            cr_assert(key >= 0 && value[key] < 0);
            value[key] = hot(r.x + t * WIDTH + KEYS);
            cr_assert(value[key] >= 0 && r.weight[t] == 0);
            values[value[key]]++;
        }
        for (int t = PAIRS; t < STEPS; t++) {
            const int key = hot(r.x + t * WIDTH);
            cr_assert(key >= 0 && value[key] >= 0 && !asked[key]);
            cr_assert_eq(hot(r.x + t * WIDTH + KEYS), -1);
            cr_assert(r.weight[t] == 1 && r.label[t] == value[key]);
            asked[key] = true;
            in_order += key == hot(r.x + (t - PAIRS) * WIDTH);
        }
    }
    cr_expect_float_eq(in_order, 1000, 130); /* one in 16; 4 deviations, so below */
    for (int i = 0; i < KEYS; i++) cr_expect_float_eq(values[i], 500, 88);
}

Test(recall, sequences_are_functions_of_seed_and_index)
{
    Recall a, b;
    const Draw draws[] = {{.seed = 7, .index = 5},
                          {.seed = 7, .index = 6},
                          {.seed = 8, .index = 5},
                          {.seed = VALIDATION_SEED, .index = 5},
                          {.seed = TEST_SEED, .index = 5}};
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < 5; j++) {
            recall(&draws[i], &a);
            recall(&draws[j], &b);
            cr_expect_eq(!memcmp(&a, &b, sizeof a), i == j);
        }
}

Test(recall, guessing_has_the_oracle_s_loss)
{
    Known nothing = known_open(&experiment_recall, forgetful, 1);
    const WeftScore score = known_score(&nothing, &experiment_recall, 8, 1000);
    cr_expect_float_eq(score.loss, experiment_recall.oracles[0].loss, 1e-6);
    cr_expect_eq(score.targets, 8000);
    known_close(&nothing);
}

/* ---- lengths ---- */

static void refuses(const Experiment *experiment, int length, const char *message)
{
    Data data;
    WeftError err;
    DataOptions options = {DATA_OPTIONS_COMMON};
    options.length = length;
    cr_assert(!experiment_data(experiment, &options, &experiment->train, &data, &err));
    cr_expect_str_eq(err.text, message);
}

Test(formal, lengths_that_make_no_sense_are_refused)
{
    refuses(&experiment_parity, 40, "parity: length 40: expected at least 41");
    refuses(&experiment_recall, 33, "recall: length 33: expected at most 32");
}

/* test_window.c: the two-lag toy, Aicher's copy and the delayed echo are what they say, and
 * the oracles of the toy what one scores who knows the rule and sees the window. */
#include "task_rig.h"

/* ---- two lags ---- */

enum { NEAR = 3, FAR = 8, H = 40 };

Test(lags, target_depends_on_the_bits_three_and_eight_steps_ago)
{
    int ones[4] = {0}, all[4] = {0}; /* by both bits */
    for (uint64_t index = 0; index < 1000; index++) {
        const Draw draw = {.seed = 7, .index = index, .length = H};
        Sequence *s = sequence_draw(&experiment_lags, &draw);
        for (int t = FAR; t < H; t++) {
            const int bits = (int)(2 * s->x[t - NEAR] + s->x[t - FAR]);
            cr_assert(s->target[t] == 0 || s->target[t] == 1);
            ones[bits] += (int)s->target[t];
            all[bits]++;
        }
        free(s);
    }
    const double p[4] = {0.5, 0.25, 1, 0.75};
    for (int i = 0; i < 4; i++) { /* 4 deviations; each of 4 cases comes 8000 times */
        cr_expect(abs(all[i] - 8000) < 4 * 78);
        cr_expect_float_eq((double)ones[i] / all[i], p[i],
                           4 * sqrt(p[i] * (1 - p[i]) / all[i]));
    }
}

/* The bits before a window are drawn too: its first targets have 5/8. */
Test(lags, first_targets_know_bits_from_before_the_window)
{
    int ones = 0;
    for (uint64_t index = 0; index < 4000; index++) {
        const Draw draw = {.seed = 7, .index = index, .length = 1};
        Sequence *s = sequence_draw(&experiment_lags, &draw);
        ones += (int)s->target[0];
        free(s);
    }
    cr_expect_float_eq(ones / 4000.0, 0.625, 4 * sqrt(0.625 * 0.375 / 4000));
}

/* A stream drawn in pieces is the stream. */
static void goes_on(const Experiment *experiment)
{
    const Draw whole = {.seed = 7, .index = 3, .first = 100, .length = 20};
    Sequence *all = sequence_draw(experiment, &whole);
    for (int piece = 0; piece < 4; piece++) {
        Draw part = whole;
        part.length = 5;
        part.first = 100 + 5 * (uint64_t)piece;
        Sequence *s = sequence_draw(experiment, &part);
        cr_expect_arr_eq(s->x, all->x + 5 * piece, 5 * sizeof *s->x);
        cr_expect_arr_eq(s->target, all->target + 5 * piece, 5 * sizeof *s->target);
        free(s);
    }
    free(all);
}

Test(lags, streams_go_on)
{
    goes_on(&experiment_lags_carried);
}

Test(lags, sequences_are_functions_of_seed_and_index)
{
    sequences_are_functions(&experiment_lags, H);
}

/* Knows the rule: delays of the bits, and of a 1 that says that there were so many. */
static const char *const delays =
    "cell delays\nstate a, b, c, d, e, f, g, i\nstate A, B, C, D, E, F, G, I\n"
    "weight W [hidden][input]\nbias one\noutput k, n, l, m, o, p\n"
    "k = C + 0\nn = c + 0\nl = I + 0\nm = i + 0\no = n * l\np = n * m\n"
    "a' = W x\nb' = a\nc' = b\nd' = c\ne' = d\nf' = e\ng' = f\ni' = g\n"
    "A' = one\nB' = A\nC' = B\nD' = C\nE' = D\nF' = E\nG' = F\nI' = G\n";

static double logit(double p)
{
    return log(p / (1 - p));
}

static Known knower_open(const Experiment *experiment)
{
    enum { SURE = 30 }; /* of a 1 after the bits 1, 0 */
    Known known = known_open(experiment, delays, 1);
    known_values(&known, "layer0.W")[0] = 1;
    known_values(&known, "layer0.one")[0] = 1;
    /* by: near known, near, far known, far, near and far known, near and far */
    const double neither = logit(5 / 8.), near0 = logit(3 / 8.), near1 = logit(7 / 8.);
    const double w[6] = {
        near0 - neither, near1 - near0,          -near0,
        logit(1 / 4.),   SURE - (near1 - near0), logit(3 / 4.) - logit(1 / 4.) - SURE};
    for (int i = 0; i < 6; i++) known_values(&known, "head.weight")[i] = (float)w[i];
    known_values(&known, "head.bias")[0] = (float)neither;
    return known;
}

/* A loss of 50000 targets is known to 4 deviations of 0.3. */
Test(lags, who_knows_the_rule_scores_the_oracle_of_each_window)
{
    Known known = knower_open(&experiment_lags);
    for (int h = 1; h <= 20; h += h < 12 ? 1 : 8)
        cr_expect_float_eq(
            known_score(&known, &experiment_lags, h, 50000 / (uint64_t)h).loss,
            oracle_loss(&experiment_lags.oracles[0], h), 4 * 0.3 / sqrt(50000), "%d",
            h);
    known_close(&known);
}

Test(lags, who_knows_the_rule_scores_both_lags_where_states_go_on)
{
    Known known = knower_open(&experiment_lags_carried);
    Known nothing = known_open(&experiment_lags_carried, forgetful, 1);
    known_values(&nothing, "head.bias")[0] = (float)logit(5 / 8.);
    const Oracle *oracle = experiment_lags_carried.oracles;
    cr_expect_float_eq(known_score(&nothing, &experiment_lags_carried, 10, 5000).loss,
                       oracle[0].loss, 4 * 0.3 / sqrt(50000));
    cr_expect_float_eq(known_score(&known, &experiment_lags_carried, 10, 5000).loss,
                       oracle[2].loss, 4 * 0.3 / sqrt(50000));
    known_close(&known);
    known_close(&nothing);
}

/* ---- Aicher's copy ---- */

enum { M = 10, ROWS = 64, TRAIN_STEPS = 4000, TEST_STEPS = 1000, CALL = 500 };

/* A row of a part, put together from its calls of 500 steps. */
typedef struct CopyRow {
    int32_t symbol[TRAIN_STEPS], label[TRAIN_STEPS];
} CopyRow;

static CopyRow *row_of(const Experiment *experiment, Part part, int row, int window,
                       int steps)
{
    CopyRow *all = calloc(1, sizeof *all);
    for (int first = 0; first < steps;) {
        const Draw draw = {.seed = part == TEST ? TEST_SEED : 7,
                           .index = (uint64_t)row,
                           .first = (uint64_t)first,
                           .length = window,
                           .part = part};
        Sequence *s = sequence_draw(experiment, &draw);
        for (int t = 0; t < s->steps && first < steps; t++, first++) {
            all->symbol[first] = s->symbol[t];
            all->label[first] = s->label[t];
        }
        free(s);
    }
    return all;
}

/* Share of the targets that are not what was shown m steps before. */
static double moved_share(Part part, int steps)
{
    int moved = 0;
    for (int row = 0; row < ROWS; row++) {
        CopyRow *r = row_of(&experiment_aicher, part, row, 10, steps);
        for (int t = M; t < steps; t++) moved += r->label[t] != r->symbol[t - M];
        free(r);
    }
    return (double)moved / (ROWS * (steps - M));
}

/* Counted in the data that Aicher et al. published: 0.0433 of the training, 0.1566 of
 * validation, 0.1556 of the test; over the draws of the moves 3 deviations. */
Test(aicher, as_many_targets_are_moved_as_in_the_published_data)
{
    cr_expect_float_eq(moved_share(TRAINING, TRAIN_STEPS), 0.0433, 0.012);
    cr_expect_float_eq(moved_share(TEST, TEST_STEPS), 0.1561, 0.05);
}

/* What the last row has, which is moved once alone: "# and m - 1 symbols", m blanks. */
static void holds_to_copies(const Experiment *experiment, int least)
{
    int lengths[M + 1] = {0}, t = 0;
    CopyRow *r = row_of(experiment, TRAINING, ROWS - 1, 10, TRAIN_STEPS);
    while (r->symbol[t] != 1) t++; /* the first whole copy */
    for (int m; t < TRAIN_STEPS - 4 * M; t += 2 * m) {
        cr_assert_eq(r->symbol[t], 1);
        for (m = 1; r->symbol[t + m]; m++)
            cr_assert(r->symbol[t + m] > 1 && r->symbol[t + m] < 6);
        cr_assert(m >= least && m <= M);
        lengths[m]++;
        for (int i = 0; i < m; i++) {
            cr_assert_eq(r->label[t + i], 0);
            cr_assert_eq(r->symbol[t + m + i], 0);
            cr_assert_eq(r->label[t + m + i], r->symbol[t + i]);
        }
    }
    for (int m = least; m <= M; m++) cr_expect_gt(lengths[m], 20);
    free(r);
}

Test(aicher, copies_are_of_ten_symbols_or_five_to_ten)
{
    holds_to_copies(&experiment_aicher, 10);
    holds_to_copies(&experiment_aicher_variable, 5);
}

/* Where each step of each row of the test comes from, by the generator as it is written:
 * rows are drawn in order, and those drawn so far are moved in place for each. */
static void move_all(int from[ROWS][TEST_STEPS + 2 * M])
{
    const uint64_t moves = 0x6169636a; /* a stream */
    for (int row = 0; row < ROWS; row++) {
        for (int t = 0; t < TEST_STEPS + 2 * M; t++) from[row][t] = t;
        const int move = (int)weft_random_below(TEST_SEED, moves, (uint64_t)row, 2 * M);
        for (int r = 0; r <= row; r++)
            memmove(from[r], from[r] + move, TEST_STEPS * sizeof **from);
    }
}

Test(aicher, rows_are_moved_as_their_generator_moves_them)
{
    static int from[ROWS][TEST_STEPS + 2 * M];
    move_all(from);
    for (int row = 0; row < ROWS; row++) {
        int32_t symbol[TEST_STEPS + 4 * M];
        memset(symbol, -1, sizeof symbol); /* not seen */
        CopyRow *r = row_of(&experiment_aicher, TEST, row, 10, TEST_STEPS);
        for (int t = 0; t < TEST_STEPS; t++) symbol[from[row][t]] = r->symbol[t];
        for (int t = 0; t < TEST_STEPS; t++) {
            const int p = from[row][t];
            cr_assert_eq(symbol[p], r->symbol[t]);
            if (p >= M && symbol[p - M] >= 0) cr_assert_eq(r->label[t], symbol[p - M]);
        }
        free(r);
    }
}

/* Each epoch begins the rows anew; each part of its own. */
Test(aicher, rows_come_again_each_epoch)
{
    for (int window = 10; window <= 30; window += 20) {
        const int call = CALL / window * window;
        Draw draw = {.seed = 7, .index = 3, .length = window, .part = TRAINING};
        Draw again = draw;
        draw.first = (uint64_t)(2 * call);
        again.first = (uint64_t)((2 + TRAIN_STEPS / CALL) * call);
        cr_expect(sequences_same(&experiment_aicher, &draw, &again));
        again.first += (uint64_t)call;
        cr_expect(!sequences_same(&experiment_aicher, &draw, &again));
    }
    sequences_are_functions(&experiment_aicher, 10);
    sequences_are_functions(&experiment_aicher_variable, 10);
}

Test(aicher, settings_follow_from_the_window)
{
    Settings settings = experiment_aicher.train;
    settings.steps = 210;
    experiment_length(&experiment_aicher, 10, &settings);
    cr_expect_eq(settings.chunk, 10);
    cr_expect_eq(settings.back, 19);
    cr_expect_eq(settings.steps, 210 * 400);
    cr_expect_float_eq(settings.rate, sqrt(10), 1e-12);
    cr_expect_float_eq(settings.clip, 0.1, 1e-12);
}

/* ---- delayed echo ---- */

enum { LAG = 10 };

Test(echo, target_is_the_bit_of_ten_steps_ago)
{
    int ones = 0;
    for (uint64_t index = 0; index < 1000; index++) {
        const Draw draw = {.seed = 7, .index = index, .first = 1000, .length = H};
        Sequence *s = sequence_draw(&experiment_echo, &draw);
        for (int t = 0; t < H; t++) {
            cr_assert(s->x[t] == 0 || s->x[t] == 1);
            if (t >= LAG) cr_assert_eq(s->target[t], s->x[t - LAG]);
            ones += (int)s->x[t];
        }
        free(s);
    }
    cr_expect(abs(ones - 500 * H) < 4 * sqrt(250 * H));
    goes_on(&experiment_echo);
    sequences_are_functions(&experiment_echo, H);
}

Test(echo, keeping_nothing_gives_the_oracle)
{
    Known nothing = known_open(&experiment_echo, forgetful, 1);
    cr_expect_float_eq(known_score(&nothing, &experiment_echo, 10, 100).loss,
                       experiment_echo.oracles[0].loss, 1e-6);
    known_close(&nothing);
}

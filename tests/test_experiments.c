/* test_experiments.c: what is drawn, the oracles, and the verdicts that rows give. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "../experiments/data.h"
#include "../experiments/point.h"
#include "../experiments/verdict.h"

/* ---- adding ---- */

#define ROWS  50
#define STEPS 21

typedef struct Drawing {
    float x[STEPS * ROWS * 2], target[ROWS], weight[ROWS];
} Drawing;

static WeftBatch batch_of(Drawing *d)
{
    return (WeftBatch){.steps = STEPS,
                       .rows = ROWS,
                       .x = d->x,
                       .target = d->target,
                       .weight = d->weight};
}

static void draw(const Draw *what, WeftBatch *batch, int row)
{
    experiment_adding.task.draw(what, batch, row);
}

static Drawn test_of(uint64_t count)
{
    return (Drawn){.task = &experiment_adding.task,
                   .part = TEST,
                   .seed = TEST_SEED,
                   .count = count,
                   .length = STEPS,
                   .rows = ROWS};
}

Test(adding, target_is_the_sum_of_one_marked_number_in_each_half)
{
    Drawing d;
    for (uint64_t index = 0; index < 1000; index += ROWS) {
        WeftBatch batch = batch_of(&d);
        for (int row = 0; row < ROWS; row++) {
            draw(&(Draw){.seed = 7, .index = index + (uint64_t)row}, &batch, row);
            double sum[2] = {0, 0};
            int marks[2] = {0, 0};
            for (int t = 0; t < STEPS; t++) {
                const float *x = d.x + 2 * (t * ROWS + row);
                const int half = t >= STEPS / 2;
                cr_assert(x[0] >= 0 && x[0] < 1);
                cr_assert(x[1] == 0 || x[1] == 1);
                marks[half] += x[1] > 0;
                sum[half] += x[1] * x[0];
            }
            cr_assert(marks[0] == 1 && marks[1] == 1);
            cr_assert_float_eq(d.target[row], sum[0] + sum[1], 1e-6);
        }
    }
}

Test(adding, sequences_are_functions_of_seed_and_index)
{
    Drawing a, b;
    WeftBatch first = batch_of(&a), second = batch_of(&b);
    draw(&(Draw){.seed = 7, .index = 123}, &first, 3);
    draw(&(Draw){.seed = 7, .index = 123}, &second, 40);
    cr_expect_eq(a.target[3], b.target[40]);
    draw(&(Draw){.seed = 8, .index = 123}, &second, 40);
    cr_expect_neq(a.target[3], b.target[40]);
    draw(&(Draw){.seed = TEST_SEED, .index = 123}, &second, 40);
    cr_expect_neq(a.target[3], b.target[40]);
}

Test(adding, guessing_the_mean_gives_the_oracle)
{
    Drawing d;
    Drawn drawn = test_of(10000);
    const WeftSource source = drawn_source(&drawn);
    double sum = 0, squares = 0;
    for (uint64_t i = 0; i < drawn_batches(&drawn); i++) {
        WeftBatch batch = batch_of(&d);
        cr_assert(source.fill(source.context, i, &batch, NULL));
        for (int row = 0; row < ROWS; row++) {
            const double error = (d.target[row] - 1) * (d.target[row] - 1);
            sum += error;
            squares += error * error;
        }
    }
    const double mean = sum / 10000,
                 deviation = sqrt((squares / 10000 - mean * mean) / 1e4);
    cr_expect_float_eq(mean, experiment_adding.oracles[0].loss, 4 * deviation, "%g",
                       mean);
}

Test(adding, sequences_past_the_last_have_no_weight)
{
    Drawing d;
    Drawn drawn = test_of(ROWS + 3);
    cr_expect_eq(drawn_batches(&drawn), 2);
    WeftBatch batch = batch_of(&d);
    for (int row = 0; row < ROWS; row++) d.weight[row] = 1;
    const WeftSource source = drawn_source(&drawn);
    cr_assert(source.fill(source.context, 1, &batch, NULL));
    for (int row = 0; row < ROWS; row++) cr_expect_eq(d.weight[row], row < 3 ? 1 : 0);
}

/* ---- verdicts ---- */

static const Experiment three_seeds = {
    .name = "e",
    .grid = {.cells = "a,b", .lengths = NUMBERS(10), .seeds = NUMBERS(0, 1, 2)}};

/* Last rows of cell a, and of cell b, at length 10. */
static Ruling ruling(Over over, const char *against, int n, const double *a, int m,
                     const double *b)
{
    Row row[16] = {{0}};
    Rows rows = {.row = row};
    for (int i = 0; i < n + m; i++)
        row[rows.count++] = (Row){.experiment = "e",
                                  .cell = i < n ? "a" : "b",
                                  .length = 10,
                                  .seed = (uint64_t)i,
                                  .loss = i < n ? a[i] : b[i - n],
                                  .state = STATE_SPENT,
                                  .size = "short",
                                  .group = "g",
                                  .command = "weft run e"};
    row[rows.count++] =
        (Row){.cell = "a", .length = 10, .loss = 0.1, .state = "running"};
    row[rows.count++] = (Row){.cell = "order 3", .loss = 2, .state = STATE_BASELINE};
    const Claim claim = {.name = "c",
                         .cell = "a",
                         .length = 10,
                         .over = over,
                         .against = against,
                         .high = 1};
    return claim_judge(&three_seeds, &claim, &rows).ruling;
}

#define LIST(...)                                                                      \
    (const double[])                                                                   \
    {                                                                                  \
        __VA_ARGS__                                                                    \
    }

Test(verdict, every_seed_must_be_there_and_inside)
{
    cr_expect_eq(ruling(EVERY_SEED, NULL, 3, LIST(0, 0.5, 1), 0, NULL), HOLDS);
    cr_expect_eq(ruling(EVERY_SEED, NULL, 3, LIST(0, 0.5, 1.01), 0, NULL), FAILS);
    cr_expect_eq(ruling(EVERY_SEED, NULL, 2, LIST(0, 0.5), 0, NULL), INCOMPLETE);
    cr_expect_eq(ruling(EVERY_SEED, NULL, 2, LIST(0, NAN), 0, NULL), FAILS);
    cr_expect_eq(ruling(EVERY_SEED, NULL, 0, NULL, 0, NULL), INCOMPLETE);
}

Test(verdict, one_seed_may_be_enough)
{
    cr_expect_eq(ruling(SOME_SEED, NULL, 1, LIST(0.5), 0, NULL), HOLDS);
    cr_expect_eq(ruling(SOME_SEED, NULL, 2, LIST(3, 4), 0, NULL), INCOMPLETE);
    cr_expect_eq(ruling(SOME_SEED, NULL, 3, LIST(3, 4, NAN), 0, NULL), FAILS);
}

Test(verdict, median_is_held_against_another_cell_or_a_baseline)
{
    cr_expect_eq(ruling(MEDIAN_SEED, "b", 3, LIST(9, 2, 2.5), 3, LIST(1.5, 2, 8)),
                 HOLDS);
    cr_expect_eq(ruling(MEDIAN_SEED, "b", 3, LIST(9, 2, 3.5), 3, LIST(1.5, 2, 8)),
                 FAILS);
    cr_expect_eq(ruling(MEDIAN_SEED, "b", 3, LIST(9, 2, 3.5), 0, NULL), INCOMPLETE);
    cr_expect_eq(ruling(MEDIAN_SEED, "order 3", 3, LIST(2, 2.5, 9), 0, NULL), HOLDS);
    cr_expect_eq(ruling(MEDIAN_SEED, "order 3", 3, LIST(NAN, NAN, 2), 0, NULL), FAILS);
}

Test(verdict, baseline_may_be_what_is_claimed)
{
    Row row = {.cell = "order 3",
               .loss = 2,
               .score = 7,
               .state = STATE_BASELINE,
               .command = "-"};
    Rows rows = {.count = 1, .row = &row};
    Claim claim = {.name = "c",
                   .cell = "order 3",
                   .length = 10,
                   .over = MEDIAN_SEED,
                   .low = 2,
                   .high = 2};
    cr_expect_eq(claim_judge(&three_seeds, &claim, &rows).ruling, HOLDS);
    cr_expect(claim_judge(&three_seeds, &claim, &rows).as_declared);
    claim.high = claim.low = 7;
    cr_expect_eq(claim_judge(&three_seeds, &claim, &rows).ruling, FAILS);
    claim.of = SCORE;
    cr_expect_eq(claim_judge(&three_seeds, &claim, &rows).ruling, HOLDS);
}

Test(verdict, length_that_was_not_asked_for_is_no_claim)
{
    Rows none = {0};
    const Claim far = {
        .name = "c", .cell = "a", .length = 200, .over = EVERY_SEED, .high = 1};
    const Claim near = {
        .name = "c", .cell = "a", .length = 10, .over = EVERY_SEED, .high = 1};
    cr_expect(!claim_judge(&three_seeds, &far, &none).asked);
    cr_expect(claim_judge(&three_seeds, &near, &none).asked);
}

Test(verdict, other_settings_than_the_declared_are_told)
{
    Row row = {.experiment = "e", .cell = "a", .length = 10, .state = STATE_SPENT};
    Rows rows = {.count = 1, .row = &row};
    const Claim claim = {
        .name = "c", .cell = "a", .length = 10, .over = SOME_SEED, .high = 1};
    row.size = "short";
    cr_expect(claim_judge(&three_seeds, &claim, &rows).as_declared);
    row.size = "full";
    cr_expect(claim_judge(&three_seeds, &claim, &rows).as_declared);
    row.size = SIZE_OWN;
    cr_expect(!claim_judge(&three_seeds, &claim, &rows).as_declared);
}

Test(verdict, values_may_be_scores_updates_or_success)
{
    Row row[4] = {{0}};
    Rows rows = {.count = 4, .row = row};
    for (int i = 0; i < 4; i++)
        row[i] = (Row){.cell = "a",
                       .length = 10,
                       .seed = (uint64_t)i,
                       .loss = 9,
                       .score = 0.25 * i,
                       .step = 100,
                       .state = i ? STATE_SOLVED : STATE_SPENT,
                       .size = "short",
                       .group = "g",
                       .command = "weft run e"};
    Experiment scored = three_seeds;
    scored.right = 0.2;
    Claim claim = {.name = "c", .cell = "a", .length = 10, .of = SOLVED};
    claim.over = MEAN_SEED;
    claim.low = claim.high = 0.75;
    cr_expect_eq(claim_judge(&scored, &claim, &rows).ruling, HOLDS);
    claim.of = UPDATES;
    claim.over = MEDIAN_SEED;
    claim.low = claim.high = 100;
    cr_expect_eq(claim_judge(&scored, &claim, &rows).ruling, HOLDS);
    claim.over = EVERY_SEED;
    cr_expect_eq(claim_judge(&scored, &claim, &rows).ruling, FAILS);
    claim.of = SCORE;
    claim.over = SOME_SEED;
    claim.low = claim.high = 0.5;
    cr_expect_eq(claim_judge(&scored, &claim, &rows).ruling, HOLDS);
}

/* The validation ends a training; whether it succeeds, the test says. */
Test(verdict, success_is_one_of_the_test)
{
    Row row[3] = {{0}};
    Rows rows = {.count = 3, .row = row};
    Experiment lossy = three_seeds;
    lossy.solved = 0.1;
    for (int i = 0; i < 3; i++)
        row[i] = (Row){.cell = "a",
                       .length = 10,
                       .loss = i ? 0.05 : 0.15,
                       .state = i == 2 ? STATE_SPENT : STATE_SOLVED,
                       .size = "short"};
    const Claim claim = {.name = "c",
                         .cell = "a",
                         .length = 10,
                         .of = SOLVED,
                         .over = MEAN_SEED,
                         .low = 0.66,
                         .high = 0.67};
    cr_expect_eq(claim_judge(&lossy, &claim, &rows).ruling, HOLDS);
}

static bool measure_nothing(WeftNet *net, struct Data *data, const Settings *settings,
                            int length, Measured *measured, WeftError *err)
{
    (void)net, (void)data, (void)settings, (void)length, (void)measured, (void)err;
    return true;
}

/* A training of 10 steps has a loss there, which is not what is 10 steps back. */
Test(verdict, of_what_is_measured_a_claim_is_about_nothing_else)
{
    Experiment measuring = three_seeds;
    measuring.measure = measure_nothing;
    Row row[4] = {{.cell = "a", .length = 10, .loss = 9, .state = STATE_SPENT}};
    Rows rows = {.count = 4, .row = row};
    for (int i = 1; i < 4; i++)
        row[i] = (Row){.cell = "a",
                       .length = 200,
                       .at = 10,
                       .loss = 0.5,
                       .state = STATE_MEASURED,
                       .size = "short"};
    const Claim claim = {
        .name = "c", .cell = "a", .length = 10, .over = EVERY_SEED, .high = 1};
    cr_expect_eq(claim_judge(&measuring, &claim, &rows).ruling, HOLDS);
}

Test(verdict, ratio_to_the_same_cell_at_another_length)
{
    Row row[6] = {{0}};
    Rows rows = {.count = 6, .row = row};
    for (int i = 0; i < 6; i++)
        row[i] = (Row){.cell = "a",
                       .length = i < 3 ? 10 : 20,
                       .loss = i < 3 ? 1 : 4,
                       .state = STATE_SPENT,
                       .size = "short",
                       .group = "g",
                       .command = "weft run e"};
    const Claim claim = {.name = "c",
                         .cell = "a",
                         .length = 10,
                         .over = MEDIAN_SEED,
                         .against = "a",
                         .against_length = 20,
                         .ratio = true,
                         .low = 0.25,
                         .high = 0.25};
    cr_expect_eq(claim_judge(&three_seeds, &claim, &rows).ruling, HOLDS);
    row[4].loss = row[5].loss = 5;
    cr_expect_eq(claim_judge(&three_seeds, &claim, &rows).ruling, FAILS);
}

static Ruling claims_judge(const Experiment *experiment, const Claim *list,
                           const Rows *rows)
{
    const Tally tally = claims_tally(experiment, list, rows);
    return tally_ruling(&tally);
}

Test(verdict, all_claims_of_an_experiment_make_its_verdict)
{
    Row row[3] = {{0}};
    Rows rows = {.count = 3, .row = row};
    for (int i = 0; i < 3; i++)
        row[i] = (Row){.cell = "a",
                       .length = 10,
                       .loss = 1,
                       .state = STATE_SPENT,
                       .size = "short",
                       .group = "g",
                       .command = "weft run e"};
    const Claim good = {.name = "c", .cell = "a", .length = 10, .high = 1};
    Claim bad = good, far = good;
    bad.high = 0.5;
    far.length = 99; /* not asked for */
    cr_expect_eq(claims_judge(&three_seeds, (Claim[]){good, far, {0}}, &rows), HOLDS);
    cr_expect_eq(claims_judge(&three_seeds, (Claim[]){good, bad, {0}}, &rows), FAILS);
    rows.count = 2;
    cr_expect_eq(claims_judge(&three_seeds, (Claim[]){good, {0}}, &rows), INCOMPLETE);
}

/* ---- groups ---- */

/* Lengths, rates and seeds are judged together; budgets, files and what is measured over
 * other lengths are not. */
Test(point, group_is_what_is_judged_together)
{
    Trial adding = {.experiment = &experiment_adding,
                    .settings = experiment_adding.train};
    Trial flow = {.experiment = &experiment_flow, .settings = experiment_flow.train};
    char one[17], other[17];
    point_group(&adding, 50, one);
    adding.settings.rate *= 2;
    adding.settings.seed = 7;
    adding.settings.cell = "gru";
    point_group(&adding, 100, other);
    cr_expect_str_eq(one, other);
    adding.settings.steps++;
    point_group(&adding, 50, other);
    cr_expect_str_neq(one, other);
    adding.settings.steps--;
    adding.file_bits = 1;
    point_group(&adding, 50, other);
    cr_expect_str_neq(one, other);
    point_group(&flow, 50, one);
    point_group(&flow, 100, other);
    cr_expect_str_neq(one, other);
}

/* ---- rows ---- */

/* Two rates, of which the second solves one seed. */
Test(rows, rate_that_solves_more_or_has_the_lower_validation_counts)
{
    Rows rows = {.count = 4, .all = 4, .row = calloc(4, sizeof(Row))};
    WeftError err;
    for (int i = 0; i < 4; i++)
        rows.row[i] = (Row){.cell = "a",
                            .length = 10,
                            .rate = i < 2 ? 0.1 : 0.01,
                            .loss = 9 - i,
                            .validation = i < 2 ? 1 : 2,
                            .state = STATE_SPENT,
                            .group = "g"};
    cr_assert(rows_choose(&rows, &err));
    cr_expect_eq(rows.count, 2);
    cr_expect_eq(rows.row[0].rate, 0.1);
    rows.row[2].state = STATE_SOLVED;
    cr_assert(rows_choose(&rows, &err));
    cr_expect_eq(rows.count, 2);
    cr_expect_eq(rows.row[0].rate, 0.01);
    rows.row[0].cell = "b"; /* now each cell has one rate */
    rows.row[1].cell = "b";
    cr_assert(rows_choose(&rows, &err));
    cr_expect_eq(rows.count, 4);
    rows_close(&rows);
}

/* 2 of 2 seeds are a larger share than 3 of 4. */
Test(rows, rate_that_solves_the_larger_share_of_its_seeds_counts)
{
    Rows rows = {.count = 6, .all = 6, .row = calloc(6, sizeof(Row))};
    WeftError err;
    for (int i = 0; i < 6; i++)
        rows.row[i] = (Row){.cell = "a",
                            .rate = i < 4 ? 0.1 : 0.01,
                            .state = i ? STATE_SOLVED : STATE_SPENT,
                            .group = "g"};
    cr_assert(rows_choose(&rows, &err));
    cr_expect_eq(rows.count, 2);
    cr_expect_eq(rows.row[0].rate, 0.01);
    rows_close(&rows);
}

/* Three of one size, then two of another, as of a text and of another. */
Test(rows, trainings_of_one_group_count_with_its_baselines_and_what_was_measured)
{
    Rows rows = {.count = 8, .all = 8, .row = calloc(8, sizeof(Row))};
    WeftError err;
    for (int i = 0; i < 8; i++)
        rows.row[i] = (Row){.cell = "a",
                            .rate = 0.1,
                            .state = i < 2    ? STATE_BASELINE
                                     : i == 2 ? STATE_MEASURED
                                              : STATE_SPENT,
                            .group = i == 0 || i > 5 ? "two" : "three"};
    cr_assert(rows_choose(&rows, &err));
    cr_expect_eq(rows.count, 5);
    for (int i = 0; i < 8; i++)
        cr_expect_str_eq(rows.row[i].group, i < 5 ? "three" : "two");
    rows.row[4].state = STATE_RUNNING; /* now both have two; the other ended last */
    cr_assert(rows_choose(&rows, &err));
    cr_expect_eq(rows.count, 3);
    cr_expect_str_eq(rows.row[0].group, "two");
    rows_close(&rows);
}

/* As where both diverge. */
Test(rows, of_rates_that_are_equal_the_first_counts)
{
    Rows rows = {.count = 4, .all = 4, .row = calloc(4, sizeof(Row))};
    WeftError err;
    for (int i = 0; i < 4; i++)
        rows.row[i] = (Row){.cell = "a",
                            .length = 10,
                            .rate = i % 2 ? 0.1 : 0.01,
                            .validation = NAN,
                            .state = STATE_DIVERGED,
                            .group = "g"};
    cr_assert(rows_choose(&rows, &err));
    cr_expect_eq(rows.count, 2);
    cr_expect_eq(rows.row[0].rate, 0.01);
    cr_expect_eq(rows.row[1].rate, 0.01);
    rows_close(&rows);
}

static bool keep_all(const void *context, const Row *row)
{
    (void)context;
    (void)row;
    return true;
}

Test(rows, what_is_appended_is_read_back)
{
    char path[] = "/tmp/weft-rows-XXXXXX";
    const int file = mkstemp(path);
    cr_assert(file >= 0);
    close(file);
    Rows rows = {0};
    WeftError err;
    cr_assert(rows_rewrite(path, &rows, keep_all, NULL, &err), "%s", err.text);
    const Row row = {
        "e",     "a",  10,  3, 200,     0.25, NAN, "0123456789abcdef", 1.5, "scalar", 2,
        "spent", 1e-3, 0.5, 7, "short", "g",  "-", "weft run e"};
    cr_assert(row_append(path, &row, &err), "%s", err.text);
    cr_assert(rows_read(path, &rows, &err), "%s", err.text);
    cr_assert_eq(rows.count, 1);
    cr_expect_str_eq(rows.row[0].digest, row.digest);
    cr_expect_eq(rows.row[0].step, 200);
    cr_expect_eq(rows.row[0].loss, 0.25);
    cr_expect(isnan(rows.row[0].score));
    cr_expect(row_is_last(&rows.row[0]));
    rows_close(&rows);
    unlink(path);
}

/* Half the loss of no memory, 10 ln 8 / (T + 20). */
Test(rows, success_under_a_share_of_an_oracle_is_of_the_length_and_ends_no_training)
{
    const double half[] = {0.3466, 0.08664}; /* at T = 10, 100 */
    for (int i = 0; i < 2; i++) {
        Row row = {.length = i ? 100 : 10, .loss = 0.99 * half[i]};
        cr_expect(row_succeeds(&experiment_copy, &row));
        cr_expect(!experiment_solves(&experiment_copy, &(WeftScore){.loss = row.loss}));
        row.loss = 1.01 * half[i];
        cr_expect(!row_succeeds(&experiment_copy, &row));
    }
}

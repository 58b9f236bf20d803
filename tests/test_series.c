/* test_series.c: the generated series, their baselines, and forecasts of real ones. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../experiments/data.h"
#include "../experiments/linear.h"

/* ---- waves ---- */

#define WINDOW 50

/* One sequence of an experiment's task, alone in its batch. */
typedef struct Alone {
    float x[WINDOW], target[WINDOW * 10], weight[WINDOW];
} Alone;

static void draw_alone(const Experiment *experiment, const Draw *draw, int steps,
                       Alone *alone)
{
    const Task *task = &experiment->task;
    WeftBatch batch = {.steps = steps,
                       .rows = 1,
                       .inputs = task->inputs,
                       .outputs = task->outputs,
                       .vector = task->vector,
                       .x = alone->x,
                       .target = alone->target,
                       .weight = alone->weight};
    memset(alone, 0, sizeof *alone);
    for (int t = 0; t < steps; t++) alone->weight[t] = 1;
    task->draw(draw, &batch, 0);
}

/* The definition, from the numbers that seed and index give. */
static double wave(uint64_t seed, uint64_t index, int place, int places)
{
    double u[4];
    for (uint64_t i = 0; i < 4; i++)
        u[i] = (double)weft_random_uniform(seed, 0x77617665, 4 * index + i);
    const double noise =
        (double)weft_random_uniform(seed, 0x6e6f6973, 64 * index + (uint64_t)place);
    const double t = (double)place / (places - 1);
    return 0.5 * sin((t - u[0]) * (u[2] * 10 + 10)) +
           0.2 * sin((t - u[1]) * (u[3] * 20 + 20)) + 0.1 * (noise - 0.5);
}

Test(waves, series_is_two_sine_waves_and_noise)
{
    Alone one;
    for (uint64_t index = 0; index < 1000; index++) {
        draw_alone(&experiment_waves, &(Draw){.seed = 7, .index = index, .part = TEST},
                   WINDOW, &one);
        for (int t = 0; t < WINDOW; t++)
            cr_assert_float_eq(one.x[t], wave(7, index, t, WINDOW + 1), 1e-6);
        cr_assert_float_eq(one.target[0], wave(7, index, WINDOW, WINDOW + 1), 1e-6);
    }
}

Test(waves, ten_steps_after_every_step_of_which_the_last_are_scored)
{
    Alone one;
    const Draw draw = {.seed = 7, .index = 3, .part = TEST};
    draw_alone(&experiment_waves_ten, &draw, WINDOW, &one);
    for (int t = 0; t < WINDOW; t++) {
        for (int h = 0; h < 10; h++)
            cr_assert_float_eq(one.target[10 * t + h], wave(7, 3, t + 1 + h, 60), 1e-6);
        cr_expect_eq(one.weight[t], t == WINDOW - 1);
    }
    const Draw train = {.seed = 7, .index = 3, .part = TRAINING};
    draw_alone(&experiment_waves_ten, &train, WINDOW, &one);
    for (int t = 0; t < WINDOW; t++) cr_expect_eq(one.weight[t], 1);
}

Test(waves, shorter_windows_are_the_last_steps)
{
    Alone whole, part;
    const Draw draw = {.seed = 7, .index = 3, .part = TEST};
    draw_alone(&experiment_waves, &draw, WINDOW, &whole);
    draw_alone(&experiment_waves, &draw, 10, &part);
    cr_expect_arr_eq(part.x, whole.x + WINDOW - 10, 10 * sizeof(float));
    cr_expect_eq(part.target[0], whole.target[0]);
}

Test(waves, training_has_7000_series_and_the_parts_are_others)
{
    Alone a, b;
    const Draw first = {.seed = 7, .index = 5, .part = TRAINING};
    const Draw again = {.seed = 7, .index = 7005, .part = TRAINING};
    draw_alone(&experiment_waves, &first, WINDOW, &a);
    draw_alone(&experiment_waves, &again, WINDOW, &b);
    cr_expect_arr_eq(a.x, b.x, sizeof a.x);
    const Draw others[] = {{.seed = 7, .index = 6, .part = TRAINING},
                           {.seed = 8, .index = 5, .part = TRAINING},
                           {.seed = TEST_SEED, .index = 5, .part = TEST},
                           {.seed = VALIDATION_SEED, .index = 5, .part = VALIDATION}};
    for (int i = 0; i < 4; i++) {
        draw_alone(&experiment_waves, &others[i], WINDOW, &b);
        cr_expect_neq(a.x[0], b.x[0]);
    }
}

/* ---- waves: what their statistics are ---- */

#define GRID 400
typedef struct Moments {
    double mean, square;
} Moments;

/* Of A (sin((to - o) w) - sin((from - o) w)), or of the first alone where `from` is NAN,
 * o in U(0,1), w in U(low, 2 low). */
static Moments moments(double A, double low, double to, double from)
{
    Moments m = {0, 0};
    for (int i = 0; i < GRID; i++)
        for (int j = 0; j < GRID; j++) {
            const double o = (i + 0.5) / GRID, w = low * (1 + (j + 0.5) / GRID);
            double x = A * sin((to - o) * w);
            if (!isnan(from)) x -= A * sin((from - o) * w);
            m.mean += x / (GRID * GRID);
            m.square += x * x / (GRID * GRID);
        }
    return m;
}

#define NOISE (0.01 / 12) /* variance of 0.1 (u - 0.5) */

static Data open_waves(const Experiment *experiment)
{
    Data data;
    WeftError err;
    DataOptions options = {DATA_OPTIONS_COMMON};
    options.length = WINDOW;
    cr_assert(experiment_data(experiment, &options, &experiment->train, &data, &err),
              "%s", err.text);
    return data;
}

Test(waves, last_value_has_the_error_of_its_closed_form)
{
    char name[BASELINE_SIZE];
    WeftScore score;
    WeftError err;
    Data data = open_waves(&experiment_waves);
    cr_assert(data.baseline(&data, TEST, 0, name, &score, &err), "%s", err.text);
    const Moments slow = moments(0.5, 10, 1, 49.0 / 50),
                  fast = moments(0.2, 20, 1, 49.0 / 50);
    const double expected =
        slow.square + fast.square + 2 * slow.mean * fast.mean + 2 * NOISE;
    cr_expect_float_eq(score.loss, expected, 0.04 * expected, "%g, not %g", score.loss,
                       expected);
    cr_expect_str_eq(name, "last value");
    cr_expect_float_eq(expected, 0.02021, 0.001); /* as Geron measured it */
    data.close(&data);
}

/* A net of 0 but for some parameters. */
static WeftNet *net_of(WeftTeam *team, const Experiment *experiment, int hidden)
{
    WeftError err;
    WeftNet *net;
    Settings settings = experiment->train;
    Data data = open_waves(experiment);
    settings.cell = "rnn";
    settings.layers = "1";
    settings.hidden = hidden;
    cr_assert(settings_net(&settings, team, &data.shape, &net, &err), "%s", err.text);
    data.close(&data);
    return net;
}

static void set(WeftNet *net, const char *name, float value)
{
    const char *is;
    int axes, shape[4];
    float *values;
    for (int i = 0; (values = weft_net_parameter(net, i, &is, &axes, shape)); i++) {
        int count = 1;
        for (int a = 0; a < axes; a++) count *= shape[a];
        for (int k = 0; k < count; k++)
            if (!strcmp(name, is)) values[k] = value;
    }
}

static void set_all(WeftNet *net, float value)
{
    const char *name;
    for (int i = 0; weft_net_parameter(net, i, &name, NULL, NULL); i++)
        set(net, name, value);
}

Test(waves, constant_has_the_variance_as_its_error)
{
    WeftTeam *team;
    WeftScore score;
    WeftError err;
    cr_assert(weft_team_open(1, &team, &err), "%s", err.text);
    WeftNet *net = net_of(team, &experiment_waves, 1);
    const Moments slow = moments(0.5, 10, 1, NAN), fast = moments(0.2, 20, 1, NAN);
    const double mean = slow.mean + fast.mean;
    const double variance =
        slow.square + fast.square + 2 * slow.mean * fast.mean + NOISE - mean * mean;
    set_all(net, 0);
    set(net, "head.bias", (float)mean);
    Data data = open_waves(&experiment_waves);
    cr_assert(data.evaluate(&data, net, TEST, 100, &score, &err), "%s", err.text);
    cr_expect_float_eq(score.loss, variance, 0.06 * variance, "%g, not %g", score.loss,
                       variance);
    data.close(&data);
    weft_net_close(net);
    weft_team_close(team);
}

/* The net tells half of what it reads. */
Test(waves, iterated_forecasts_go_in_as_the_next_value)
{
    WeftTeam *team;
    WeftScore score;
    WeftError err;
    cr_assert(weft_team_open(1, &team, &err), "%s", err.text);
    WeftNet *net = net_of(team, &experiment_waves, 1);
    set_all(net, 0);
    set(net, "layer0.W", 1e-3f);
    set(net, "head.weight", 500);
    Data data = open_waves(&experiment_waves);
    cr_assert(data.evaluate(&data, net, TEST, 100, &score, &err), "%s", err.text);
    double sum = 0;
    for (uint64_t i = 0; i < 2000; i++)
        for (int ahead = 0; ahead < 10; ahead++) {
            const double told = wave(TEST_SEED, i, 49, 60) / (2 << ahead);
            sum += pow(told - wave(TEST_SEED, i, 50 + ahead, 60), 2);
        }
    cr_expect_float_eq(score.accuracy, sum / 20000, 1e-5, "%g, not %g", score.accuracy,
                       sum / 20000);
    data.close(&data);
    weft_net_close(net);
    weft_team_close(team);
}

Test(waves, window_of_more_than_50_steps_is_refused)
{
    Data data;
    WeftError err;
    DataOptions options = {DATA_OPTIONS_COMMON};
    options.length = 51;
    cr_assert(!experiment_data(&experiment_waves, &options, &experiment_waves.train,
                               &data, &err));
    cr_expect_str_eq(err.text, "--length 51: a window of waves has 50 steps");
}

/* ---- the linear forecast ---- */

/* y0 = 1 + 2 x0 - 3 x1 + 5 x3, y1 = x3; x2 = x0 - x1, or with a context anything; a row
 * without weight is another. */
static bool plane(void *context, uint64_t index, WeftBatch *batch, WeftError *err)
{
    (void)err;
    for (int b = 0; b < batch->rows; b++) {
        const uint64_t row = index * (uint64_t)batch->rows + (uint64_t)b;
        float x[4]; /* whose sums are exact */
        for (int i = 0; i < 4; i++)
            x[i] = (float)weft_random_below(1, (uint64_t)i, row, 1024) / 1024;
        if (!context) x[2] = x[0] - x[1];
        for (int i = 0; i < 4; i++)
            batch->x[(i / 2 * batch->rows + b) * 2 + i % 2] = x[i];
        batch->target[2 * b] = 1 + 2 * x[0] - 3 * x[1] + 5 * x[3];
        batch->target[2 * b + 1] = x[3];
        if (b) continue;
        batch->weight[b] = 0;
        batch->target[2 * b] = 1e6f;
    }
    return true;
}

static const WeftModel plane_shape = {.inputs = 2, .outputs = 2, .vector = true};
static const WeftSource plane_source = {.fill = plane, .steps = 2, .rows = 5};

Test(linear, finds_a_plane_from_inputs_of_which_one_is_told_by_two)
{
    WeftScore score;
    WeftError err;
    const Forecasts all = {&plane_shape, &plane_source, 7};
    WeftSource other = plane_source;
    other.context = &other;
    const Forecasts free = {&plane_shape, &other, 7};
    cr_assert(linear_score(all, free, &score, &err), "%s", err.text);
    cr_expect_lt(score.loss, 1e-12, "%g", score.loss);
    cr_expect_lt(score.accuracy, 1e-6, "%g", score.accuracy);
    cr_expect_eq(score.targets, 28);
}

Test(linear, last_value_is_the_first_input_of_the_last_step)
{
    WeftScore score;
    WeftError err;
    const Forecasts all = {&plane_shape, &plane_source, 1};
    WeftBatch batch = {.steps = 2,
                       .rows = 5,
                       .x = (float[20]){0},
                       .target = (float[10]){0},
                       .weight = (float[5]){0}};
    plane(NULL, 0, &batch, NULL);
    double sum = 0;
    for (int b = 1; b < 5; b++)
        for (int o = 0; o < 2; o++)
            sum += pow(batch.target[2 * b + o] - batch.x[2 * (5 + b)], 2);
    cr_assert(past_value_score(all, 1, &score, &err), "%s", err.text);
    cr_expect_float_eq(score.loss, sum / 8, 1e-6);
}

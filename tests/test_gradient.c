/* test_gradient.c: what the chapter on gradients measures, on nets whose gradients are known. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../experiments/data.h"
#include "must.h"

/* ---- a net as an experiment trains it ---- */

typedef struct Rig {
    Settings settings;
    WeftTeam *team;
    Data data;
    WeftNet *net;
} Rig;

static void rig_open(Rig *r, const Experiment *experiment, const char *cell, int hidden,
                     int length)
{
    DataOptions options = {DATA_OPTIONS_COMMON};
    options.length = length;
    r->settings = experiment->train;
    r->settings.cell = cell;
    r->settings.hidden = hidden;
    r->settings.batch = 5;
    r->settings.seed = 3;
    MUST(weft_team_open(1, &r->team, &err));
    MUST(experiment_data(experiment, &options, &r->settings, &r->data, &err));
    MUST(settings_net(&r->settings, r->team, &r->data.shape, &r->net, &err));
}

static void rig_close(Rig *r)
{
    weft_net_close(r->net);
    r->data.close(&r->data);
    weft_team_close(r->team);
}

static Measured measured(Rig *r, const Experiment *experiment, int length)
{
    Measured m = {0};
    MUST(experiment->measure(r->net, &r->data, &r->settings, length, &m, &err));
    return m;
}

static float *values(const Rig *r, const char *name)
{
    const char *found;
    float *of;
    for (int i = 0; (of = weft_net_parameter(r->net, i, &found, NULL, NULL)); i++)
        if (!strcmp(found, name)) return of;
    cr_assert_fail("no parameter %s", name);
    return NULL;
}

static void fill(float *values, int count, float value)
{
    for (int i = 0; i < count; i++) values[i] = value;
}

static void near(double got, double want, double relative, const char *what)
{
    cr_expect(fabs(got - want) <= relative * fabs(want), "%s: %.9g is not %.9g", what,
              got, want);
}

/* ---- phi ---- */

/* h' = W x + diag(u) h: unit j's gradient is its weight in the head times u^k. */
static void open_diagonal(Rig *r, int length)
{
    static const float u[] = {0.5f, -0.9f}, head[] = {1, -2};
    rig_open(r, &experiment_flow, "linear", 2, length);
    float *const U = values(r, "layer0.U");
    for (int i = 0; i < 4; i++) U[i] = i / 2 == i % 2 ? u[i / 2] : 0;
    memcpy(values(r, "head.weight"), head, sizeof head);
}

static double diagonal(double k)
{
    return sqrt((pow(0.5, 2 * k) + 4 * pow(0.9, 2 * k)) / 5);
}

Test(flow, is_the_gradient_at_a_lag_over_that_at_the_last_step)
{
    Rig r;
    open_diagonal(&r, 30);
    const Measured m = measured(&r, &experiment_flow, 30);
    for (int i = 0; i < m.count; i++)
        near(m.value[i], diagonal((double)m.at[i]), 1e-5, "phi");
    rig_close(&r);
}

Test(flow, has_a_number_at_each_lag_of_a_claim_and_at_the_last)
{
    static const int length[] = {1, 2, 3, 9, 11, 12, 50, 100, 101, 200, 5000};
    Rig r;
    rig_open(&r, &experiment_flow, "indrnn", 1, 2);
    for (size_t l = 0; l < sizeof length / sizeof *length; l++) {
        const Measured m = measured(&r, &experiment_flow, length[l]);
        cr_assert(m.count <= 40, "%d", m.count);
        cr_expect(m.count >= (length[l] < 12 ? length[l] - 1 : 11));
        for (int i = 0; i < m.count; i++) cr_expect(m.at[i] > (i ? m.at[i - 1] : 0));
        if (m.count)
            cr_expect_eq((int)m.at[m.count - 1], length[l] - 1, "%d", length[l]);
    }
    rig_close(&r);
}

/* The gradient by h counts what c is made of, and that by c what h is made of. */
Test(flow, of_an_lstm_is_that_of_its_cell)
{
    Rig r;
    double c[20];
    rig_open(&r, &experiment_flow, "lstm:forget=2", 8, 20);
    const Measured m = measured(&r, &experiment_flow, 20);
    Drawn drawn = {.task = &experiment_adding.task,
                   .part = TEST,
                   .seed = TEST_SEED,
                   .length = 20,
                   .rows = 5};
    const WeftSource source = drawn_source(&drawn);
    const WeftFlow flow = {.state = "c"};
    MUST(weft_gradient_flow(r.net, &flow, &source, 0, c, &err));
    for (int i = 0; i < m.count; i++) cr_expect_eq(m.value[i], c[19 - m.at[i]] / c[19]);
    rig_close(&r);
}

Test(flow, that_has_faded_is_none)
{
    Rig r;
    rig_open(&r, &experiment_flow, "linear", 2, 200);
    float *const U = values(&r, "layer0.U");
    for (int i = 0; i < 4; i++) U[i] = i / 2 == i % 2 ? 0.5f : 0;
    const Measured m = measured(&r, &experiment_flow, 200);
    for (int i = 0; i < m.count; i++)
        if (m.at[i] > 66) /* 2^-66 = 1.4e-20 */
            cr_expect_eq(m.value[i], 0);
        else
            near(m.value[i], pow(0.5, (double)m.at[i]), 1e-5, "phi");
    rig_close(&r);
}

/* ---- closed forms ---- */

/* phi_k / phi_0 of the net as the measure left it, with nothing of the experiment's own. */
static double left(const Rig *r, const char *state, int lag)
{
    double norm[40];
    Drawn drawn = {.task = &experiment_adding.task,
                   .part = TRAINING,
                   .seed = 1,
                   .length = 40,
                   .rows = 3};
    const WeftSource source = drawn_source(&drawn);
    const WeftFlow flow = {.state = state};
    MUST(weft_gradient_flow(r->net, &flow, &source, 0, norm, &err));
    return norm[39 - lag] / norm[39];
}

static void expect_closed(const char *cell, const char *state, double keep)
{
    Rig r;
    rig_open(&r, &experiment_flow_closed, cell, 12, 40);
    const Measured m = measured(&r, &experiment_flow_closed, 40);
    cr_expect(m.count >= 11, "%s: %d", cell, m.count);
    for (int i = 0; i < m.count; i++) near(m.value[i], 1, 1e-4, cell);
    for (int lag = 1; lag < 40; lag += 7)
        near(left(&r, state, lag), pow(keep, lag), 1e-4, cell);
    rig_close(&r);
}

Test(closed, forms_are_those_of_the_specification)
{
    expect_closed("lstm:forget=0", "c", 0.5);
    expect_closed("lstm", "c", 1 / (1 + exp(-1)));
    expect_closed("lstm:forget=5", "c", 1 / (1 + exp(-5)));
    expect_closed("mingru", "h", 0.5);
    expect_closed("minlstm", "h", 0.5);
    expect_closed("rnn_relu", "h", 1);
    expect_closed("linear", "h", 1);
}

/* Of other biases, unit by unit: what is measured is held to the net's own. */
Test(closed, forms_are_of_the_biases_that_a_net_has)
{
    static const struct {
        const char *cell, *bias;
    } of[] = {{"lstm_chrono:T=30", NULL},
              {"lstm", "layer0.b_f"},
              {"mingru", "layer0.b_z"},
              {"minlstm", "layer0.b_f"},
              {"minlstm", "layer0.b_i"}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        Rig r;
        rig_open(&r, &experiment_flow_closed, of[i].cell, 12, 40);
        for (int j = 0; of[i].bias && j < 12; j++)
            values(&r, of[i].bias)[j] = 0.4f * (float)j - 2;
        const Measured m = measured(&r, &experiment_flow_closed, 40);
        for (int n = 0; n < m.count; n++) near(m.value[n], 1, 1e-4, of[i].cell);
        rig_close(&r);
    }
}

/* The forget gates are all that differs from the form. */
Test(closed, form_that_does_not_hold_is_seen)
{
    Rig r;
    rig_open(&r, &experiment_flow_closed, "linear", 6, 40);
    for (int i = 0; i < 36; i++) values(&r, "layer0.U")[i] *= 0.99f;
    const Measured m = measured(&r, &experiment_flow_closed, 40);
    for (int i = 0; i < m.count; i++)
        near(m.value[i], pow(0.99, (double)m.at[i]), 1e-4, "linear");
    rig_close(&r);
}

static void expect_error(const Experiment *experiment, const char *cell,
                         const char *layers, bool both, const char *says)
{
    Rig r;
    Measured m = {0};
    WeftError err = {""};
    rig_open(&r, experiment, cell, 4, 10);
    r.settings.layers = layers;
    r.settings.both = both;
    cr_expect(!experiment->measure(r.net, &r.data, &r.settings, 10, &m, &err));
    cr_expect(strstr(err.text, says), "\"%s\" is not in \"%s\"", says, err.text);
    cr_expect_eq(m.count, 0);
    rig_close(&r);
}

Test(closed, forms_that_there_are_not_are_errors)
{
    expect_error(&experiment_flow_closed, "gru", "1", false,
                 "no closed form for the cell gru: expected one of lstm, lstm_chrono");
    expect_error(&experiment_flow_closed, "lstm", "gru", false, "of one layer");
    expect_error(&experiment_flow_closed, "lstm", "1", true, "in one direction");
    expect_error(&experiment_flow_tanh, "gru", "1", false, "of rnn, not of gru");
    expect_error(&experiment_flow_tanh, "rnn", "2", false, "of one layer");
}

/* ---- tanh ---- */

enum { SMALL = 6, SHORT = 12 };

/* Of units that all are h' = tanh(u h + b), each step back has the factor u tanh', so that
 * what is measured is u sqrt(3), if tanh' is of the right step. */
Test(tanh, factors_are_held_to_the_slopes_of_their_steps)
{
    Rig r;
    rig_open(&r, &experiment_flow_tanh, "rnn", SMALL, SHORT);
    float *const U = values(&r, "layer0.U");
    fill(values(&r, "layer0.W"), SMALL * 8, 0);
    fill(values(&r, "layer0.b"), SMALL, 0.5f);
    for (int i = 0; i < SMALL * SMALL; i++) U[i] = i / SMALL == i % SMALL ? 0.75f : 0;
    const Measured m = measured(&r, &experiment_flow_tanh, SHORT);
    cr_expect_eq(m.count, SHORT - 1);
    for (int i = 0; i < m.count; i++) near(m.value[i], 0.75 * sqrt(3), 1e-5, "factor");
    rig_close(&r);
}

/* Without U, h is tanh of the input alone, and the last step's factor is what is left of U
 * made tiny. */
Test(tanh, slopes_are_those_of_the_inputs_that_the_net_hears)
{
    Rig r;
    const Task *const task = &experiment_flow_tanh.task;
    float x[SHORT * 8], target;
    double mean = 0, norm[SHORT];
    rig_open(&r, &experiment_flow_tanh, "rnn", SMALL, SHORT);
    for (int i = 0; i < SMALL * SMALL; i++) values(&r, "layer0.U")[i] *= 1e-6f;
    const float *const W = values(&r, "layer0.W");
    for (int row = 0; row < r.settings.batch; row++) {
        WeftBatch b = {.steps = SHORT, .rows = 1, .inputs = 8, .x = x};
        b.target = &target;
        task->draw(&(Draw){.seed = TEST_SEED, .index = (uint64_t)row}, &b, 0);
        for (int j = 0; j < SMALL; j++) {
            double a = 0;
            for (int i = 0; i < 8; i++)
                a += (double)W[j * 8 + i] * (double)x[(SHORT - 1) * 8 + i];
            mean += pow(1 - pow(tanh(a), 2), 2) / (SMALL * r.settings.batch);
        }
    }
    const Measured m = measured(&r, &experiment_flow_tanh, SHORT);
    Drawn drawn = {.task = task,
                   .part = TEST,
                   .seed = TEST_SEED,
                   .length = SHORT,
                   .rows = r.settings.batch};
    const WeftSource source = drawn_source(&drawn);
    const WeftFlow flow = {.state = "h"};
    MUST(weft_gradient_flow(r.net, &flow, &source, 0, norm, &err));
    const double factor = norm[SHORT - 2] / norm[SHORT - 1];
    near(m.value[0], factor / sqrt(mean / 3), 1e-4, "of the last step");
    cr_expect(mean > 0.01 && mean < 0.7, "tanh bends: %g", mean);
    rig_close(&r);
}

static int by_value(const void *a, const void *b)
{
    const float p = *(const float *)a, q = *(const float *)b;
    return (p > q) - (p < q);
}

Test(tanh, inputs_are_normal_and_functions_of_seed_and_index)
{
    enum { STEPS = 10, ROWS = 100 };
    int twice = 0;
    static float x[2][STEPS * ROWS * 8], target[2][ROWS];
    const Task *const task = &experiment_flow_tanh.task;
    double sum = 0, squares = 0;
    WeftBatch batch = {.steps = STEPS, .rows = ROWS, .inputs = 8};
    for (int turn = 0; turn < 2; turn++) /* forward and back */
        for (int i = 0; i < ROWS; i++) {
            const int row = turn ? ROWS - 1 - i : i;
            batch.x = x[turn], batch.target = target[turn];
            task->draw(&(Draw){.seed = 7, .index = 50 + (uint64_t)row}, &batch, row);
        }
    cr_expect_arr_eq(x[0], x[1], sizeof x[0]);
    cr_expect_arr_eq(target[0], target[1], sizeof target[0]);
    const int count = STEPS * ROWS * 8;
    for (int i = 0; i < count; i++) {
        sum += (double)x[0][i] / count;
        squares += pow((double)x[0][i], 2) / count;
    }
    cr_expect(fabs(sum) < 4 * 10 / sqrt(count), "%g", sum);
    cr_expect(fabs(squares - 100) < 4 * 100 * sqrt(2.0 / count), "%g", squares);
    task->draw(&(Draw){.seed = 8, .index = 50}, &batch, 0);
    cr_expect_neq(x[1][0], x[0][0]);
    qsort(x[0], (size_t)count, sizeof **x, by_value);
    for (int i = 1; i < count; i++) twice += x[0][i] == x[0][i - 1];
    cr_expect(twice < count / 100, "%d numbers are used twice", twice);
}

/* ---- all of the chapter ---- */

static void expect_finite(const Experiment *experiment, const char *cell, int length)
{
    Rig r;
    rig_open(&r, experiment, cell, 8, length);
    const WeftTrain train = settings_train(&r.settings, 2);
    if (r.settings.steps)
        MUST(weft_train(r.net, &train, &r.data.train, NULL, NULL, &err));
    const Measured m = measured(&r, experiment, length);
    cr_expect(m.count > 0, "%s %s", experiment->name, cell);
    for (int i = 0; i < m.count; i++)
        cr_expect(isfinite(m.value[i]) && m.value[i] >= 0, "%s %s at %d: %g",
                  experiment->name, cell, (int)m.at[i], m.value[i]);
    rig_close(&r);
}

/* At every lag that a claim is about, at the lengths of all sizes. */
static void expect_claims(const Experiment *experiment)
{
    const int lengths[] = {(int)experiment->grid.lengths.item[0],
                           experiment->full && strstr(experiment->full, "--length 100")
                               ? 100
                               : (int)experiment->grid.lengths.item[0]};
    for (int l = 0; l < 2; l++)
        for (const Claim *c = experiment->claims; c->name; c++) {
            Rig r;
            bool found = false;
            rig_open(&r, experiment, c->cell, 4, lengths[l]);
            const Measured m = measured(&r, experiment, lengths[l]);
            for (int i = 0; i < m.count; i++) found |= m.at[i] == (uint64_t)c->length;
            cr_expect(found, "%s/%s at length %d", experiment->name, c->name,
                      lengths[l]);
            cr_expect(c->published && c->source);
            rig_close(&r);
        }
}

Test(gradient, of_every_cell_is_finite_and_there_where_claims_ask)
{
    int count = 0;
    for (int i = 0; experiments[i]; i++) {
        if (experiments[i]->chapter != CHAPTER_GRADIENT) continue;
        char cell[CELL_NAME_SIZE];
        const char *rest = experiments[i]->grid.cells;
        while (list_next(&rest, cell, sizeof cell))
            expect_finite(experiments[i], cell, 24);
        expect_claims(experiments[i]);
        count++;
    }
    cr_expect_eq(count, 4);
}

/* Oracles of what is measured are no losses to beat. */
Test(gradient, closed_forms_are_no_baselines_of_a_training)
{
    Rig r;
    char name[BASELINE_SIZE];
    WeftScore score;
    rig_open(&r, &experiment_flow, "rnn", 4, 10);
    cr_expect(experiment_flow.oracles);
    MUST(r.data.baseline(&r.data, TEST, 0, name, &score, &err));
    cr_expect_str_eq(name, "");
    rig_close(&r);
}

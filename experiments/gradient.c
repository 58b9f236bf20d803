/* gradient.c: how far back does the gradient of a loss reach?
 *
 * phi_k is the mean norm of the gradient of a loss at the last step by the state k steps
 * before: Hochreiter & Schmidhuber 1997, section 3.1; Pascanu, Mikolov & Bengio 2013. The
 * sequences are those of the adding problem. */
#include "experiment.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STEPS 200

/* ---- phi ---- */

/* The first batch of the test. */
static Drawn test_of(const Task *task, const Settings *settings, int length)
{
    return (Drawn){.task = task,
                   .part = TEST,
                   .seed = TEST_SEED,
                   .length = length,
                   .rows = settings->batch};
}

/* Of each step, [length], to be freed; NULL with a message. */
static double *norms(WeftNet *net, const char *state, const Task *task,
                     const Settings *settings, int length, WeftError *err)
{
    Drawn drawn = test_of(task, settings, length);
    const WeftSource source = drawn_source(&drawn);
    const WeftFlow flow = {.state = state};
    double *const norm = calloc((size_t)length, sizeof *norm);
    if (!norm) {
        fail(err, "out of memory");
        return NULL;
    }
    if (weft_gradient_flow(net, &flow, &source, 0, norm, err)) return norm;
    free(norm);
    return NULL;
}

static double phi(const double *norm, int length, int lag)
{
    return norm[length - 1 - lag];
}

/* 1, 2 .. 10, every twentieth of the length (of a short one every fifth step), and the
 * last, length - 1. */
static int next_lag(int lag, int length)
{
    const int step = lag < 10 ? 1 : length > 100 ? length / 20 : 5;
    return lag < length - 1 && lag + step >= length ? length - 1 : lag + step;
}

static void put(Measured *measured, int lag, double value)
{
    assert(measured->count < MEASURED_MAX);
    measured->at[measured->count] = (uint64_t)lag;
    measured->value[measured->count++] = value;
}

/* What fades below is 0: a float ends at 1e-38, and an axis down to there shows little
 * else. */
#define FAINT 1e-20

static double visible(double value)
{
    return value < FAINT ? 0 : value;
}

/* The state that a cell remembers by. Of one that has a c, the h of a step is made of it, and
 * counts in its gradient. */
static const char *memory_of(const Settings *settings)
{
    static const char *const memories[][2] = {
        {"lstm", "c"}, {"lstm_chrono", "c"}, {"slstm", "c"}, {"mlstm", "C"}};
    char base[CELL_NAME_SIZE];
    cell_name_base(settings->cell, base);
    for (size_t i = 0; i < sizeof memories / sizeof *memories; i++)
        if (!strcmp(memories[i][0], base)) return memories[i][1];
    return NULL;
}

/* phi_k / phi_0 of that state, or of all as one vector */
static bool measure(WeftNet *net, struct Data *data, const Settings *settings,
                    int length, Measured *measured, WeftError *err)
{
    (void)data;
    double *const norm =
        norms(net, memory_of(settings), &experiment_adding.task, settings, length, err);
    if (!norm) return false;
    for (int lag = 1; lag < length; lag = next_lag(lag, length))
        put(measured, lag, visible(phi(norm, length, lag) / phi(norm, length, 0)));
    free(norm);
    return true;
}

static void draw(const Draw *draw, WeftBatch *batch, int row)
{
    experiment_adding.task.draw(draw, batch, row);
}

#define ADDING                                                                         \
    {                                                                                  \
        .input = WEFT_DENSE, .inputs = 2, .outputs = 1, .loss = WEFT_SQUARE,           \
        .vector = true, .draw = draw                                                   \
    }

/* Nets as they begin. */
#define UNTRAINED(width)                                                               \
    {                                                                                  \
        SETTINGS_COMMON, .hidden = width, .rate = 1e-3, .batch = 32, .chunk = 0,       \
                         .chunks_per_update = 1, .steps = 0                            \
    }

#define PHI "gradient norm (last step: 1)"
#define LAG "lag k (steps before the last)"

/* Where closed forms come from. */
#define SPREAD "closed form: the numbers of U have the variance 1 / (3 H)"
#define GATES  "closed form: the product of the forget gates"

/* ---- as nets begin ---- */

static double power(double base, int exponent)
{
    double product = 1;
    for (int i = 0; i < exponent; i++) product *= base;
    return product;
}

/* The closed forms of two of them: the numbers of U have the variance 1 / (3 H), and a gate
 * hears little but its bias. */
static double fade_tanh(int lag)
{
    return visible(power(sqrt(1.0 / 3), lag));
}

static double fade_forget(int lag)
{
    return visible(power(1 / (1 + weft_exp(-1)), lag));
}

static const Oracle oracles[] = {
    {.name = "(1/3)^(k/2)", .at = fade_tanh},
    {.name = "sigmoid(1)^k", .at = fade_forget},
    {0},
};

// clang-format off
static const Claim claims[] = {
    {.name = "rnn-50", .text = "rnn: 50 steps back the gradient is below 1e-10 of the last step's", .cell = "rnn", .length = 50, .over = MEDIAN_SEED, .low = 0, .high = 1e-10, .published = "(1/3)^(50/2) = 1.2e-12", .source = SPREAD},
    {.name = "forget-1-50", .text = "over 50 steps, a forget bias of 1 keeps at least 100 times what one of 0 does", .cell = "lstm", .length = 50, .over = MEDIAN_SEED, .against = "lstm:forget=0", .ratio = true, .low = 100, .high = HUGE_VAL, .published = "(sigmoid(1) / sigmoid(0))^50 = 1.8e8", .source = GATES},
    {.name = "forget-5-50", .text = "over 50 steps, a forget bias of 5 keeps more than 0.3", .cell = "lstm:forget=5", .length = 50, .over = MEDIAN_SEED, .low = 0.3, .high = HUGE_VAL, .published = "sigmoid(5)^50 = 0.71", .source = GATES},
    {.name = "chrono-199", .text = "chrono keeps at least 0.1 over all of its T = 200 steps", .cell = "lstm_chrono:T=200", .length = 199, .over = MEDIAN_SEED, .low = 0.1, .high = HUGE_VAL, .published = "0.19", .source = "closed form: root mean square of the gates tau / (1 + tau), to the power of 199, tau uniform in [1, T - 1] (Tallec & Ollivier 2018, equation 16)"},
    {.name = "relu-100", .text = "rnn_relu, which begins as the identity, loses at most a tenth from 10 to 100 steps back", .cell = "rnn_relu", .length = 100, .over = MEDIAN_SEED, .against = "rnn_relu", .against_length = 10, .ratio = true, .low = 0.9, .high = HUGE_VAL, .published = "1, of units that are active", .source = "Le, Jaitly & Hinton 2015"},
    {0},
};
// clang-format on

const Experiment experiment_flow = {
    .chapter = CHAPTER_GRADIENT,
    .name = "flow",
    .question = "How far back does the gradient reach before any training?",
    .claim = "tanh forgets at 0.58 a step; a forget bias, chrono's biases and IRNN's "
             "identity let the gradient through",
    .grid = {"rnn,rnn_relu,lstm:forget=0,lstm,lstm:forget=5,lstm_chrono:T=200,gru,"
             "slstm,mlstm,mingru,minlstm",
             NUMBERS(STEPS), NUMBERS(0, 1, 2), NULL},
    .train = UNTRAINED(64),
    .task = ADDING,
    .test = 32,
    .glance = 100,
    .measure = measure,
    .value_name = PHI,
    .at_name = LAG,
    .unit = "mse",
    .length_name = "sequence length T (steps)",
    .full = "--seed 0..9",
    .oracles = oracles,
    .claims = claims,
};

/* ---- closed forms ---- */

static const char *skip_layer(const char *name)
{
    static const char layer[] = "layer0.";
    return strncmp(name, layer, strlen(layer)) ? name : name + strlen(layer);
}

/* Of the one layer, or of the head; *count (may be NULL) numbers. */
static float *parameter(WeftNet *net, const char *name, size_t *count)
{
    const char *found;
    float *values;
    int axes, shape[4];
    size_t all = 1;
    for (int i = 0; (values = weft_net_parameter(net, i, &found, &axes, shape)); i++)
        if (!strcmp(skip_layer(found), name)) break;
    for (int a = 0; values && a < axes; a++) all *= (size_t)shape[a];
    if (count) *count = values ? all : 0;
    return values;
}

static double gate(WeftNet *net, const char *bias, int unit)
{
    return 1 / (1 + weft_exp(-(double)parameter(net, bias, NULL)[unit]));
}

static double keep_forget(WeftNet *net, int unit)
{
    return gate(net, "b_f", unit);
}

static double keep_mingru(WeftNet *net, int unit)
{
    return 1 - gate(net, "b_z", unit);
}

static double keep_minlstm(WeftNet *net, int unit)
{
    const double f = gate(net, "b_f", unit);
    return f / (f + gate(net, "b_i", unit));
}

static double keep_all(WeftNet *net, int unit)
{
    (void)net, (void)unit;
    return 1;
}

/* A path through time on which a unit of the state keeps the same part of its gradient in
 * each step. `silent` parameters are set to 0, so that gates hear nothing but their biases;
 * `positive` ones to their magnitude, so that units of positive input are all active. */
typedef struct Path {
    const char *cell, *state, *silent, *positive;
    double (*keep)(WeftNet *net, int unit);
} Path;

#define LSTM_SILENT "U_i,U_f,U_g,U_o,W_i,W_f,W_g,W_o"

static const Path paths[] = {
    {"lstm", "c", LSTM_SILENT, NULL, keep_forget},
    {"lstm_chrono", "c", LSTM_SILENT, NULL, keep_forget},
    {"mingru", "h", "W_z", NULL, keep_mingru},
    {"minlstm", "h", "W_f,W_i", NULL, keep_minlstm},
    {"rnn_relu", "h", NULL, "W", keep_all},
    {"linear", "h", NULL, NULL, keep_all},
};

enum { PATHS = sizeof paths / sizeof *paths };

/* Of the cell that the settings name. */
static bool one_layer(const Settings *settings, WeftError *err)
{
    return (!strcmp(settings->layers, "1") && !settings->both) ||
           fail(err, "closed forms are of one layer, in one direction");
}

static const Path *path_of(const Settings *settings, WeftError *err)
{
    char base[CELL_NAME_SIZE], all[256] = "";
    cell_name_base(settings->cell, base);
    for (int i = 0; i < PATHS; i++) {
        if (!strcmp(paths[i].cell, base)) return &paths[i];
        append(all, sizeof all, "%s%s", i ? ", " : "", paths[i].cell);
    }
    fail(err, "no closed form for the cell %s: expected one of %s", settings->cell,
         all);
    return NULL;
}

static void each_value(WeftNet *net, const char *names, float (*change)(float))
{
    char name[64];
    size_t count;
    while (names && list_next(&names, name, sizeof name)) {
        float *const values = parameter(net, name, &count);
        for (size_t i = 0; i < count; i++) values[i] = change(values[i]);
    }
}

static float to_zero(float value)
{
    (void)value;
    return 0;
}

static float to_magnitude(float value)
{
    return fabsf(value);
}

/* phi_k / phi_0: unit j's gradient is its weight in the head times keep^k, times what all
 * units share. */
static double closed(WeftNet *net, const Path *path, int lag)
{
    double last = 0, then = 0;
    const float *const head = parameter(net, "head.weight", NULL);
    for (int j = 0; j < weft_net_model(net)->layers->hidden; j++) {
        const double weight = (double)head[j];
        const double kept = weight * power(path->keep(net, j), lag);
        last += weight * weight;
        then += kept * kept;
    }
    return sqrt(then / last);
}

/* phi_k / phi_0 over its closed form */
static bool measure_closed(WeftNet *net, struct Data *data, const Settings *settings,
                           int length, Measured *measured, WeftError *err)
{
    (void)data;
    const Path *const path = path_of(settings, err);
    if (!path || !one_layer(settings, err)) return false;
    each_value(net, path->silent, to_zero);
    each_value(net, path->positive, to_magnitude);
    double *const norm =
        norms(net, path->state, &experiment_adding.task, settings, length, err);
    if (!norm) return false;
    for (int lag = 1; lag < length; lag = next_lag(lag, length)) {
        const double want = closed(net, path, lag);
        if (want >= FAINT)
            put(measured, lag, phi(norm, length, lag) / phi(norm, length, 0) / want);
    }
    free(norm);
    return true;
}

// clang-format off
#define RATIO(what, of, lag, form)                                              \
    {.name = what, .text = form ", within 5 %", .cell = of, .length = lag, .over = EVERY_SEED, .low = 0.95, .high = 1.05, .published = "1", .source = "closed form"}

static const Claim closed_claims[] = {
    RATIO("forget-0", "lstm:forget=0", 50, "lstm's c, forget bias 0: sigmoid(0)^50 = 8.9e-16"),
    RATIO("forget-1", "lstm", 50, "lstm's c, forget bias 1: sigmoid(1)^50 = 1.6e-7"),
    RATIO("forget-5", "lstm:forget=5", 50, "lstm's c, forget bias 5: sigmoid(5)^50 = 0.71"),
    RATIO("chrono", "lstm_chrono:T=200", 199, "lstm_chrono's c: the norm of w_j sigmoid(b_j)^199 over that of w_j, the weights of the head"),
    RATIO("mingru", "mingru", 50, "mingru: (1 - sigmoid(0))^50 = 8.9e-16"),
    RATIO("minlstm", "minlstm", 50, "minlstm: (f / (f + i))^50 = 8.9e-16"),
    RATIO("relu", "rnn_relu", 199, "rnn_relu, all units active: 1 at every lag"),
    RATIO("linear", "linear", 199, "an orthogonal matrix: 1 at every lag"),
    {0},
};

static const Oracle closed_oracles[] = {{.name = "5 % more", .loss = 1.05}, {.name = "5 % less", .loss = 0.95}, {0}};
// clang-format on

const Experiment experiment_flow_closed = {
    .chapter = CHAPTER_GRADIENT,
    .name = "flow_closed",
    .question = "Is the measured gradient the closed form, where there is one?",
    .claim = "with gates that hear only their biases, within 5 % at every lag",
    .grid = {"lstm:forget=0,lstm,lstm:forget=5,lstm_chrono:T=200,mingru,minlstm,"
             "rnn_relu,linear",
             NUMBERS(STEPS), NUMBERS(0, 1), NULL},
    .train = UNTRAINED(64),
    .task = ADDING,
    .test = 32,
    .glance = 100,
    .measure = measure_closed,
    .value_name = "gradient norm / closed form",
    .at_name = LAG,
    .unit = "mse",
    .length_name = "sequence length T (steps)",
    .oracles = closed_oracles,
    .claims = closed_claims,
};

/* ---- tanh ---- */

enum { LOUD_INPUTS = 8, LOUD = 10 }; /* inputs so large that tanh bends */

static void draw_loud(const Draw *draw, WeftBatch *batch, int row)
{
    enum { INPUT = 0x6c6f7564, TARGET }; /* streams */
    uint64_t index = draw->index * (uint64_t)batch->steps * LOUD_INPUTS;
    for (int t = 0; t < batch->steps; t++) {
        const size_t at = (size_t)t * (size_t)batch->rows + (size_t)row;
        float *const x = batch->x + at * LOUD_INPUTS;
        for (int i = 0; i < LOUD_INPUTS; i++)
            x[i] = LOUD * weft_random_normal(draw->seed, INPUT, index++);
    }
    batch->target[row] = weft_random_normal(draw->seed, TARGET, draw->index);
}

/* h' = tanh(W x + U h + b), on one sequence */
typedef struct Tanh {
    const float *W, *U, *b;
    int hidden, steps;
    float *x;         /* [steps][LOUD_INPUTS] */
    double *h, *next; /* [hidden] */
} Tanh;

static void tanh_close(Tanh *net)
{
    free(net->x);
    free(net->h);
    free(net->next);
}

static bool tanh_open(Tanh *tanh, WeftNet *net, int steps, WeftError *err)
{
    const size_t hidden = (size_t)weft_net_model(net)->layers->hidden;
    *tanh = (Tanh){.W = parameter(net, "W", NULL),
                   .U = parameter(net, "U", NULL),
                   .b = parameter(net, "b", NULL),
                   .hidden = (int)hidden,
                   .steps = steps,
                   .x = calloc((size_t)steps * LOUD_INPUTS, sizeof *tanh->x),
                   .h = calloc(hidden, sizeof *tanh->h),
                   .next = calloc(hidden, sizeof *tanh->next)};
    if (tanh->x && tanh->h && tanh->next) return true;
    tanh_close(tanh);
    return fail(err, "out of memory");
}

static double tanh_of(double a)
{
    return 1 - 2 / (weft_exp(2 * a) + 1);
}

static double row_times(const float *row, int count, const double *v)
{
    double sum = 0;
    for (int i = 0; i < count; i++) sum += (double)row[i] * v[i];
    return sum;
}

/* From h to h; the mean of tanh'^2 over the units. */
static double tanh_step(Tanh *net, const float *x)
{
    const int H = net->hidden;
    double input[LOUD_INPUTS], sum = 0;
    for (int i = 0; i < LOUD_INPUTS; i++) input[i] = (double)x[i];
    for (int j = 0; j < H; j++) {
        const double y = tanh_of(
            row_times(net->W + (size_t)j * LOUD_INPUTS, LOUD_INPUTS, input) +
            row_times(net->U + (size_t)j * (size_t)H, H, net->h) + (double)net->b[j]);
        net->next[j] = y;
        sum += (1 - y * y) * (1 - y * y);
    }
    memcpy(net->h, net->next, (size_t)H * sizeof *net->h);
    return sum / H;
}

/* Adds to mean[t] that of tanh'^2 over the units, on sequence `index` of the test. */
static void tanh_add(Tanh *net, uint64_t index, double share, double *mean)
{
    float target;
    WeftBatch batch = {.steps = net->steps,
                       .rows = 1,
                       .inputs = LOUD_INPUTS,
                       .x = net->x,
                       .target = &target};
    draw_loud(&(Draw){.seed = TEST_SEED, .index = index, .part = TEST}, &batch, 0);
    memset(net->h, 0, (size_t)net->hidden * sizeof *net->h);
    for (int t = 0; t < net->steps; t++)
        mean[t] += share * tanh_step(net, net->x + (size_t)t * LOUD_INPUTS);
}

/* E[tanh'^2] of each step, over the units and the rows of the batch; to be freed. */
static double *tanh_slopes(WeftNet *net, const Settings *settings, int length,
                           WeftError *err)
{
    Tanh tanh;
    double *const mean = calloc((size_t)length, sizeof *mean);
    if (!mean || !tanh_open(&tanh, net, length, err)) {
        fail(err, "out of memory");
        free(mean);
        return NULL;
    }
    for (int row = 0; row < settings->batch; row++)
        tanh_add(&tanh, (uint64_t)row, 1.0 / settings->batch, mean);
    tanh_close(&tanh);
    return mean;
}

/* phi_k / phi_k-1 over sqrt(E[tanh'^2] / 3): the numbers of U, drawn from U(+-1/sqrt(H)), have
 * the variance 1 / (3 H). */
static void put_tanh(const double *norm, const double *mean, int length,
                     Measured *measured)
{
    for (int lag = 1; lag < length; lag = next_lag(lag, length))
        put(measured, lag,
            phi(norm, length, lag) / phi(norm, length, lag - 1) /
                sqrt(phi(mean, length, lag - 1) / 3));
}

static bool measure_tanh(WeftNet *net, struct Data *data, const Settings *settings,
                         int length, Measured *measured, WeftError *err)
{
    (void)data;
    if (strcmp(settings->cell, "rnn"))
        return fail(err, "the variance of weights tells the decay of rnn, not of %s",
                    settings->cell);
    if (!one_layer(settings, err)) return false;
    double *const norm =
        norms(net, "h", &experiment_flow_tanh.task, settings, length, err);
    double *const mean = norm ? tanh_slopes(net, settings, length, err) : NULL;
    if (mean) put_tanh(norm, mean, length, measured);
    free(norm);
    free(mean);
    return mean != NULL;
}

// clang-format off
#define FACTOR(lag)                                                                    \
    {.name = "tanh-" #lag, .text = "the step to lag " #lag " has the factor sqrt(E[tanh'^2] / 3), within 10 %", .cell = "rnn", .length = lag, .over = EVERY_SEED, .low = 0.9, .high = 1.1, .published = "1", .source = SPREAD}

static const Claim tanh_claims[] = {FACTOR(1), FACTOR(10), FACTOR(49), {0}};
static const Oracle tanh_oracles[] = {{.name = "10 % more", .loss = 1.1}, {.name = "10 % less", .loss = 0.9}, {0}};
// clang-format on

const Experiment experiment_flow_tanh = {
    .chapter = CHAPTER_GRADIENT,
    .name = "flow_tanh",
    .question =
        "Does tanh's gradient fade as its slopes and its weights' variance tell?",
    .claim = "each step back has the factor sqrt(E[tanh'^2] / 3), within 10 %",
    .grid = {"rnn", NUMBERS(50), NUMBERS(0, 1, 2), NULL},
    .train = UNTRAINED(256),
    .task = {.input = WEFT_DENSE,
             .inputs = LOUD_INPUTS,
             .outputs = 1,
             .loss = WEFT_SQUARE,
             .vector = true,
             .draw = draw_loud},
    .test = 32,
    .glance = 100,
    .measure = measure_tanh,
    .value_name = "factor / sqrt(E[tanh'^2] / 3)",
    .at_name = LAG,
    .unit = "mse",
    .length_name = "sequence length T (steps)",
    .oracles = tanh_oracles,
    .claims = tanh_claims,
};

/* ---- after training ---- */

/* The gradient is lost where it is below 1e-3 of the last step's. */
// clang-format off
#define HORIZON "Hochreiter & Schmidhuber 1997, section 3.1 and Table 7"
static const Claim trained_claims[] = {
    {.name = "rnn-45", .text = "rnn, which does not learn to add: below 1e-3 45 steps back", .cell = "rnn", .length = 45, .over = EVERY_SEED, .low = 0, .high = 1e-3, .published = "fades exponentially", .source = HORIZON},
    {.name = "lstm-45", .text = "lstm, which does: above 1e-3", .cell = "lstm", .length = 45, .over = EVERY_SEED, .low = 1e-3, .high = HUGE_VAL, .published = "flows on, through the cell", .source = HORIZON},
    {.name = "gru-45", .text = "gru, which does: above 1e-3", .cell = "gru", .length = 45, .over = EVERY_SEED, .low = 1e-3, .high = HUGE_VAL, .published = "flows on, through the gate", .source = "Cho et al. 2014"},
    {0},
};
// clang-format on

const Experiment experiment_flow_trained = {
    .chapter = CHAPTER_GRADIENT,
    .name = "flow_trained",
    .question = "How far back does the gradient reach once a net is trained to add?",
    .claim =
        "that of lstm and gru reaches over the whole sequence; that of rnn does not",
    .grid = {"rnn,lstm,gru", NUMBERS(50), NUMBERS(0, 1), NULL},
    .train =
        {
            SETTINGS_COMMON,
            .hidden = 64,
            .rate = 5e-3,
            .batch = 32,
            .chunk = 0, /* never cut */
            .chunks_per_update = 1,
            .steps = 2000,
            .every = 100,
        },
    .task = ADDING,
    .test = 2000,
    .glance = 50,
    .solved = 0.01,
    .measure = measure,
    .value_name = PHI,
    .at_name = LAG,
    .unit = "mse",
    .length_name = "sequence length T (steps)",
    .full = "--length 100 --seed 0..2 --steps 3000",
    .claims = trained_claims,
};

/* Test gradient flow: norms of the gradient by the states, held to closed forms, to products of
 * Jacobians, and to differences of losses in plain double. */
#include <float.h>

#include "flow_reference.h"

#define UNIT (FLT_EPSILON / 2) /* the relative error of a rounding */

/* Within so many roundings of what is wanted. */
static void near(double got, double want, double roundings)
{
    cr_expect(fabs(got - want) <= roundings * UNIT * fabs(want), "%.9g is not %.9g",
              got, want);
}

/* ---- a net of one layer, and what it reads ---- */

typedef struct Rig {
    WeftTeam *team;
    WeftCell *cell;
    WeftLayer layer;
    WeftModel model;
    WeftNet *net;
    Drawn drawn;
    WeftSource source;
} Rig;

/* name: of a built-in cell, or the text of one. */
static WeftCell *open_cell(const char *name)
{
    if (strchr(name, '\n')) return rig_cell(name);
    WeftCell *cell;
    MUST(weft_cell_open(name, &cell, &err));
    return cell;
}

/* Sequence to vector, 1 output. */
static void rig_open(Rig *r, WeftCell *cell, int hidden, int steps, int rows)
{
    r->team = rig_team(1);
    r->cell = cell;
    r->layer = (WeftLayer){.cell = cell, .hidden = hidden};
    r->model = (WeftModel){.inputs = 3,
                           .layers = &r->layer,
                           .layer_count = 1,
                           .outputs = 1,
                           .vector = true};
    r->drawn = (Drawn){.model = &r->model, .seed = 5};
    r->source = drawn_source(&r->drawn, steps, rows);
    MUST(weft_net_open(r->team, &r->model, 7, &r->net, &err));
}

static void rig_close(Rig *r)
{
    weft_net_close(r->net);
    weft_cell_close(r->cell);
    weft_team_close(r->team);
}

static void measure(const Rig *r, const char *state, double *norm)
{
    const WeftFlow flow = {.state = state};
    MUST(weft_gradient_flow(r->net, &flow, &r->source, 0, norm, &err));
}

static void set_values(const Rig *r, const char *name, int count, float value)
{
    float *const values = net_values(r->net, name);
    for (int i = 0; i < count; i++) values[i] = value;
}

/* ---- closed forms ---- */

enum { T = 100, H = 24, B = 3, I = 3 };

static void still_gates(const Rig *r)
{
    static const char *const recurrent[] = {"U_i", "U_f", "U_g", "U_o"};
    char name[32];
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "layer0.%s", recurrent[i]);
        set_values(r, name, H * H, 0);
    }
    set_values(r, "layer0.W_f", H * I, 0);
}

Test(flow, of_an_lstm_decays_by_its_forget_gate)
{
    const double bias[] = {0, 1, 5};
    for (int i = 0; i < 3; i++) {
        Rig r;
        double c[T], h[T], all[T];
        WeftCell *const cell = open_cell("lstm");
        MUST(weft_cell_set(cell, "forget", bias[i], &err));
        rig_open(&r, cell, H, T, B);
        still_gates(&r);
        measure(&r, "c", c), measure(&r, "h", h), measure(&r, NULL, all);
        for (int k = 0; k < T; k++) /* a gate within 5 roundings, and the product */
            near(c[T - 1 - k] / c[T - 1], pow(sigmoid_of(bias[i]), k), 6 * k + 1);
        for (int t = 0; t < T - 1; t++) {
            cr_expect_eq(h[t], 0, "no step reads h");
            near(all[t], c[t], 1);
        }
        cr_expect_gt(h[T - 1], 0);
        rig_close(&r);
    }
}

/* As the only output is made of h = c / 2, near 0, unit j has the gradient of its weight in the
 * head, times the row's slope of the loss. */
Test(flow, of_a_chrono_lstm_decays_unit_by_unit)
{
    Rig r;
    double c[T];
    WeftCell *const cell = open_cell("lstm_chrono");
    MUST(weft_cell_set(cell, "T", 50, &err));
    rig_open(&r, cell, H, T, B);
    still_gates(&r);
    set_values(&r, "layer0.W_g", H * I, 0);
    set_values(&r, "layer0.W_o", H * I, 0);
    measure(&r, "c", c);
    const float *const b_f = net_values(r.net, "layer0.b_f");
    const float *const head = net_values(r.net, "head.weight");
    for (int k = 0; k < T; k++) {
        double now = 0, then = 0;
        for (int j = 0; j < H; j++) {
            const double w = (double)head[j], f = sigmoid_of((double)b_f[j]);
            now += pow(w, 2);
            then += pow(w * pow(f, k), 2);
        }
        near(c[T - 1 - k] / c[T - 1], sqrt(then / now), 6 * k + 4);
    }
    cr_expect_gt(c[0] / c[T - 1], 0.05, "and not as one gate would");
    rig_close(&r);
}

/* The batch as the source makes it, in arrays of ours. */
typedef struct Batch {
    WeftBatch of;
    float x[PLAIN_STEPS * 8 * 8], target[PLAIN_STEPS * 8 * 8], weight[PLAIN_STEPS * 8];
    int32_t symbol[PLAIN_STEPS * 8], label[PLAIN_STEPS * 8];
    int length[8];
} Batch;

static void take_batch(Batch *b, const WeftModel *m, const WeftSource *source)
{
    const int steps = source->steps, rows = source->rows;
    *b = (Batch){.of = {.steps = steps, .rows = rows, .inputs = m->inputs}};
    cr_assert(steps <= PLAIN_STEPS && rows <= 8 && m->inputs <= 8 && m->outputs <= 8);
    b->of.outputs = m->outputs, b->of.vector = m->vector;
    b->of.weight = b->weight, b->of.length = b->length;
    if (m->input == WEFT_DENSE) b->of.x = b->x;
    if (m->input != WEFT_DENSE) b->of.symbol = b->symbol;
    if (m->loss == WEFT_SOFTMAX) b->of.label = b->label;
    if (m->loss != WEFT_SOFTMAX) b->of.target = b->target;
    for (int i = 0; i < steps * rows; i++) b->weight[i] = 1;
    for (int i = 0; i < rows; i++) b->length[i] = steps;
    MUST(source->fill(source->context, 0, &b->of, &err));
}

/* 2 (output - target): of the square loss of row b's one output. */
static double output_slope(const Rig *r, Batch *b, int row)
{
    float out[8];
    MUST(weft_predict(r->net, &b->of, out, &err));
    return 2 * ((double)out[row] - (double)b->target[row]);
}

Test(flow, of_a_mingru_decays_by_the_product_of_its_keep_gates)
{
    enum { STEPS = 16 };
    Rig r;
    Batch b;
    double h[STEPS], want[STEPS] = {0};
    rig_open(&r, open_cell("mingru"), H, STEPS, B);
    take_batch(&b, &r.model, &r.source);
    measure(&r, "h", h);
    const float *const head = net_values(r.net, "head.weight");
    const float *const W = net_values(r.net, "layer0.W_z"), *const bias = net_values(
                                                                r.net, "layer0.b_z");
    for (int row = 0; row < B; row++) {
        const double slope = output_slope(&r, &b, row);
        double d[H];
        for (int j = 0; j < H; j++) d[j] = slope * (double)head[j];
        for (int t = STEPS - 1; t >= 0; t--) {
            double squares = 0;
            for (int j = 0; j < H; j++) {
                double z = (double)bias[j];
                squares += d[j] * d[j];
                for (int i = 0; i < I; i++)
                    z += (double)W[j * I + i] * (double)b.x[(t * B + row) * I + i];
                d[j] *= 1 - sigmoid_of(z);
            }
            want[t] += sqrt(squares) / B;
        }
    }
    for (int t = 0; t < STEPS; t++) near(h[t], want[t], 12 * STEPS);
    rig_close(&r);
}

static bool fill_positive(void *context, uint64_t index, WeftBatch *b, WeftError *err)
{
    if (!drawn_fill(context, index, b, err)) return false;
    for (int i = 0; i < b->steps * b->rows * b->inputs; i++) b->x[i] = fabsf(b->x[i]);
    return true;
}

Test(flow, of_an_irnn_whose_units_are_all_on_is_flat)
{
    Rig r;
    double h[T];
    rig_open(&r, open_cell("rnn_relu"), H, T, B);
    r.source.fill = fill_positive;
    set_values(&r, "layer0.W", H * I, 0.25f);
    measure(&r, "h", h);
    cr_expect_gt(h[0], 0);
    for (int t = 0; t < T; t++) cr_expect_eq(h[t], h[T - 1], "to the bit");
    rig_close(&r);
}

Test(flow, through_an_orthogonal_matrix_is_flat)
{
    Rig r;
    double h[T];
    rig_open(&r,
             open_cell("cell turn\nstate h\nweight W [hidden][input]\n"
                       "weight U [hidden][hidden] = orthogonal\nh' = W x + U h\n"),
             H, T, B);
    measure(&r, NULL, h);
    for (int k = 1; k < T;
         k++) /* a product rounds H terms, sqrt(H) as large together */
        near(h[T - 1 - k], h[T - 1], k * H * sqrt(H));
    rig_close(&r);
}

/* ---- products of Jacobians ---- */

/* J = diag(1 - h^2) U, and M = M J. */
static void times_jacobian(double M[H][H], const double *h, const float *U)
{
    double product[H][H] = {{0}};
    for (int i = 0; i < H; i++)
        for (int j = 0; j < H; j++)
            for (int k = 0; k < H; k++)
                product[i][j] += M[i][k] * (1 - h[k] * h[k]) * (double)U[k * H + j];
    memcpy(M, product, sizeof product);
}

/* Adds to want[t] |g J_T J_T-1 .. J_t+1|, g the head's row by the slope of the loss. */
static void add_jacobians(const Rig *r, Batch *b, int row, double *want)
{
    const PlainCell *const rnn = &plain_cells[0];
    const int last = b->of.steps - 1;
    const float *const U = net_values(r->net, "layer0.U");
    const float *const head = net_values(r->net, "head.weight");
    const double slope = output_slope(r, b, row);
    double M[H][H] = {{0}};
    PlainRow h;
    plain_input(r->net, &b->of, row, &h);
    plain_layers(r->net, rnn, &(Nudge){.layer = -1}, &h);
    for (int i = 0; i < H; i++) M[i][i] = 1;
    for (int t = last; t >= 0; times_jacobian(M, h.v[t--], U)) {
        double squares = 0;
        for (int j = 0; j < H; j++) {
            double d = 0;
            for (int i = 0; i < H; i++) d += slope * (double)head[i] * M[i][j];
            squares += d * d;
        }
        want[t] += sqrt(squares) / b->of.rows;
    }
}

Test(flow, of_a_tanh_net_is_that_of_its_jacobians)
{
    static const char *const cell[] = {
        "rnn", /* and from an orthogonal start */
        "cell rnn\nstate h\nweight W [hidden][input]\n"
        "weight U [hidden][hidden] = orthogonal\nbias b\n"
        "h' = tanh(W x + U h + b)\n"};
    for (int i = 0; i < 2; i++) {
        Rig r;
        Batch b;
        double h[PLAIN_STEPS], want[PLAIN_STEPS] = {0};
        rig_open(&r, open_cell(cell[i]), H, PLAIN_STEPS, B);
        take_batch(&b, &r.model, &r.source);
        measure(&r, "h", h);
        for (int row = 0; row < B; row++) add_jacobians(&r, &b, row, want);
        for (int t = 0; t < PLAIN_STEPS; t++)
            near(h[t], want[t], (H + 10) * PLAIN_STEPS);
        rig_close(&r);
    }
}

/* ---- differences of losses ---- */

typedef struct Net {
    const PlainCell *cell;
    int layers;
    bool both, lengths, weights;
    bool vector;
    WeftInput input;
    WeftLoss loss;
} Net;

/* Within the roundings of some hundred operations, one after the other; and of differences. */
static void expect_state(const Net *n, WeftNet *net, const WeftSource *source,
                         const Batch *b, WeftFlow flow)
{
    const int hidden = weft_net_model(net)->layers[0].hidden;
    int first = 0, end = plain_numbers(n->cell, hidden, n->cell->state_count);
    for (int s = 0; flow.state && s < n->cell->state_count; s++)
        if (strcmp(n->cell->state[s], flow.state) == 0) {
            first = plain_numbers(n->cell, hidden, s);
            end = plain_numbers(n->cell, hidden, s + 1);
        }
    const bool stopped =
        flow.state && n->cell->stopped && strcmp(flow.state, n->cell->stopped) == 0;
    if (!flow.state && n->cell->stopped) /* the last one: it counts as nothing */
        end = plain_numbers(n->cell, hidden, n->cell->state_count - 1);

    double norm[PLAIN_STEPS];
    MUST(weft_gradient_flow(net, &flow, source, 0, norm, &err));
    for (int t = 0; t < source->steps; t++) {
        double want = 0;
        for (int row = 0; row < source->rows && !stopped; row++) {
            if (t >= b->length[row]) continue;
            const Nudge nudge = {flow.layer, flow.backward, t, 0, 0};
            want += row_flow(net, n->cell, &b->of, row, nudge, first, end);
        }
        want /= source->rows;
        cr_expect(fabs(norm[t] - want) <= 2000 * UNIT * want + 1e-9,
                  "%s, layer %d%s, state %s, step %d: %.9g is not %.9g", n->cell->name,
                  flow.layer, flow.backward ? " backward" : "",
                  flow.state ? flow.state : "all", t, norm[t], want);
    }
}

/* Past the end of a row anything may stand. */
static bool fill_ragged(void *context, uint64_t index, WeftBatch *b, WeftError *err)
{
    if (!drawn_fill(context, index, b, err)) return false;
    for (int i = 0; b->x && i < b->steps * b->rows * b->inputs; i++) {
        const int at = i / b->inputs;
        if (at / b->rows >= b->length[at % b->rows]) b->x[i] = NAN;
    }
    return true;
}

static void expect_flow(const Net *n)
{
    WeftTeam *const team = rig_team(1);
    WeftCell *const cell = open_cell(n->cell->text ? n->cell->text : n->cell->name);
    const WeftLayer layer = {.cell = cell, .hidden = 8, .both = n->both};
    const WeftLayer layers[] = {layer, layer};
    const WeftModel model = {.input = n->input,
                             .inputs = 3,
                             .embedding = 4,
                             .layers = layers,
                             .layer_count = n->layers,
                             .outputs = 3,
                             .loss = n->loss,
                             .vector = n->vector};
    Drawn drawn = {
        .model = &model, .seed = 3, .lengths = n->lengths, .weights = n->weights};
    const WeftSource source = {&drawn, fill_ragged, 6, 3, 0, 0};
    WeftNet *net;
    Batch b;
    MUST(weft_net_open(team, &model, 11, &net, &err));
    take_batch(&b, &model, &source);
    for (int l = 0; l < n->layers; l++)
        for (int d = 0; d < (n->both ? 2 : 1); d++)
            for (int s = 0; s <= n->cell->state_count; s++) /* the last: NULL, all */
                expect_state(n, net, &source, &b,
                             (WeftFlow){l, d == 1, s < 4 ? n->cell->state[s] : NULL});
    weft_net_close(net);
    weft_cell_close(cell);
    weft_team_close(team);
}

Test(flow, is_the_gradient_of_every_state)
{
    for (int i = 0; i < PLAIN_CELLS; i++) {
        expect_flow(&(Net){.cell = &plain_cells[i], .layers = 1, .vector = true});
        expect_flow(&(Net){.cell = &plain_cells[i], .layers = 1});
    }
}

Test(flow, ends_where_a_row_ends)
{
    for (int i = 0; i < PLAIN_CELLS; i++) {
        Net n = {.cell = &plain_cells[i], .layers = 1, .lengths = true, .vector = true};
        expect_flow(&n);
        n.vector = false;
        n.weights = true;
        expect_flow(&n);
    }
}

Test(flow, passes_layers_and_directions)
{
    for (int i = 0; i < PLAIN_CELLS; i++) {
        Net n = {.cell = &plain_cells[i], .layers = 2, .vector = true};
        expect_flow(&n);
        n.both = n.lengths = true;
        expect_flow(&n);
        n.vector = false;
        expect_flow(&n);
    }
}

Test(flow, is_that_of_any_input_and_loss)
{
    Net n = {
        .cell = &plain_cells[2], .layers = 2, .loss = WEFT_SOFTMAX, .weights = true};
    expect_flow(&n);
    n.input = WEFT_EMBEDDING;
    expect_flow(&n);
    n.vector = n.both = true;
    expect_flow(&n);
}

/* ---- the default tanh net ---- */

enum { WIDE = 128, LONG = 24, ROWS = 16, INPUTS = 8 };

/* One loss, at the last step, of inputs large enough to bend tanh. */
static bool fill_last(void *context, uint64_t index, WeftBatch *b, WeftError *err)
{
    if (!drawn_fill(context, index, b, err)) return false;
    for (int i = 0; i < b->steps * b->rows * b->inputs; i++) b->x[i] *= 6;
    for (int i = 0; i < (b->steps - 1) * b->rows; i++) b->weight[i] = 0;
    return true;
}

/* E[phi'^2] of each step: the outputs are h. */
static void mean_slopes(const Rig *r, double *mean)
{
    static float x[LONG * ROWS * INPUTS], h[LONG * ROWS * WIDE];
    static float weight[LONG * ROWS], target[LONG * ROWS * WIDE];
    WeftBatch b = {.steps = LONG, .rows = ROWS, .inputs = INPUTS, .outputs = WIDE};
    b.x = x, b.weight = weight, b.target = target, b.fresh = true;
    MUST(r->source.fill(r->source.context, 0, &b, &err));
    MUST(weft_predict(r->net, &b, h, &err));
    for (int t = 0; t < LONG; t++) {
        mean[t] = 0;
        for (int i = 0; i < ROWS * WIDE; i++) {
            const double y = (double)h[t * ROWS * WIDE + i];
            mean[t] += pow(1 - y * y, 2) / (ROWS * WIDE);
        }
    }
}

/* U is drawn from U(+-1/sqrt(H)), of variance 1/(3 H). */
Test(flow, of_the_default_tanh_net_decays_as_its_variance_tells)
{
    Rig r = {.team = rig_team(1), .cell = open_cell("rnn")};
    r.layer = (WeftLayer){.cell = r.cell, .hidden = WIDE};
    r.model = (WeftModel){
        .inputs = INPUTS, .layers = &r.layer, .layer_count = 1, .outputs = WIDE};
    r.drawn = (Drawn){.model = &r.model, .seed = 5};
    r.source = (WeftSource){&r.drawn, fill_last, LONG, ROWS, 0, 0};
    MUST(weft_net_open(r.team, &r.model, 7, &r.net, &err));
    float *const head = net_values(r.net, "head.weight");
    for (int i = 0; i < WIDE * WIDE; i++) head[i] = i / WIDE == i % WIDE;
    set_values(&r, "head.bias", WIDE, 0);

    double h[LONG], mean[LONG];
    measure(&r, "h", h);
    mean_slopes(&r, mean);
    cr_expect(mean[LONG - 1] > 0.2 && mean[LONG - 1] < 0.7, "%g", mean[LONG - 1]);
    for (int t = 1; t < LONG; t++) {
        const double ratio = h[t - 1] / h[t], want = sqrt(mean[t] / 3);
        cr_expect(fabs(ratio - want) <= 0.1 * want, "step %d: %g is not %g", t, ratio,
                  want);
    }
    rig_close(&r);
}

/* ---- what it leaves as it was ---- */

typedef struct Trained {
    uint64_t digest;
    float out[2][4 * 2]; /* of predictions before and after the measurement */
    WeftScore score[2];
} Trained;

/* Trains with carried states and moments, predicts from states of its own, and evaluates; with
 * flow, measures between. */
static void train_rig(Rig *r, bool flow, Trained *result)
{
    const WeftTrain train = {
        .updates = 3, .optimizer = WEFT_ADAM, .chunk = 4, .seed = 1};
    WeftTrain more = train;
    double norm[10];
    float x[4 * 2 * 3] = {0.5f, -1};
    WeftBatch b = {.steps = 4, .rows = 2, .x = x, .fresh = true};
    more.updates = 8;
    MUST(weft_train(r->net, &train, &r->source, NULL, NULL, &err));
    MUST(weft_predict(r->net, &b, result->out[0], &err));
    MUST(weft_evaluate(r->net, &r->source, 0, 2, &result->score[0], &err));
    const uint64_t digest = weft_net_digest(r->net);
    const float gradient = weft_net_gradient(r->net, 0)[0];
    if (flow) measure(r, NULL, norm);
    cr_expect_eq(weft_net_digest(r->net), digest);
    cr_expect_eq(weft_net_gradient(r->net, 0)[0], gradient);
    cr_expect_eq(weft_net_updates(r->net), 3);
    MUST(weft_evaluate(r->net, &r->source, 0, 2, &result->score[1], &err));
    cr_expect_eq(result->score[1].loss, result->score[0].loss);
    b.fresh = false;
    MUST(weft_predict(r->net, &b, result->out[1], &err));
    MUST(weft_train(r->net, &more, &r->source, NULL, NULL, &err));
    result->digest = weft_net_digest(r->net);
}

Test(flow, leaves_training_and_prediction_as_they_were)
{
    Trained result[2];
    for (int flow = 0; flow < 2; flow++) {
        Rig r;
        rig_open(&r, open_cell("lstm"), 6, 10, 3);
        weft_net_close(r.net);
        r.model.vector = false;
        r.model.drop = r.layer.drop = 0.3f;
        MUST(weft_net_open(r.team, &r.model, 7, &r.net, &err));
        train_rig(&r, flow, &result[flow]);
        rig_close(&r);
    }
    cr_expect_eq(result[0].digest, result[1].digest);
    cr_expect_arr_eq(result[0].out, result[1].out, sizeof result->out);
}

/* ---- on what it does not depend ---- */

static void measure_on(int threads, WeftSplit split, double *norm)
{
    Rig r;
    rig_open(&r, open_cell("slstm"), 32, 12, 9);
    weft_net_close(r.net);
    weft_team_close(r.team);
    r.team = rig_team(threads);
    MUST(weft_team_split(r.team, split, 0, &err));
    MUST(weft_net_open(r.team, &r.model, 7, &r.net, &err));
    measure(&r, NULL, norm);
    rig_close(&r);
}

Test(flow, is_the_same_on_any_number_of_threads)
{
    double one[12], more[12];
    measure_on(1, WEFT_SPLIT_AUTO, one);
    for (WeftSplit split = WEFT_SPLIT_AUTO; split <= WEFT_SPLIT_LAYERS; split++)
        for (int threads = 2; threads <= 3; threads++) {
            measure_on(threads, split, more);
            cr_expect_arr_eq(one, more, sizeof one);
        }
}

/* drop: of the layer's input, the head's and within the cell. */
static void measure_dropped(float drop, double *norm)
{
    Rig r;
    char text[200];
    snprintf(text, sizeof text,
             "cell dropped\nstate h\nweight W [hidden][input]\n"
             "weight U [hidden][hidden]\nh' = tanh(W x + drop(U h, %g))\n",
             (double)drop);
    rig_open(&r, open_cell(text), 8, 10, 3);
    weft_net_close(r.net);
    r.layer.drop = r.model.drop = drop;
    MUST(weft_net_open(r.team, &r.model, 7, &r.net, &err));
    measure(&r, "h", norm);
    rig_close(&r);
}

Test(flow, drops_nothing)
{
    double kept[10], dropped[10];
    measure_dropped(0, kept);
    measure_dropped(0.5f, dropped);
    for (int t = 0; t < 10; t++) near(dropped[t], kept[t], 200);
}

/* Of a state whose gradient passes stop(), and of sequences that begin in this batch though
 * the source says that they go on. */
Test(flow, starts_sequences_anew_and_stops_at_stop)
{
    Rig r;
    double first[10], again[10];
    rig_open(&r, rig_cell(uncut_text), 8, 10, 3);
    measure(&r, "h", first);
    cr_expect_gt(first[9], 0);
    for (int t = 0; t < 9; t++) cr_expect_eq(first[t], 0);
    rig_close(&r);

    const WeftFlow flow = {.state = NULL};
    rig_open(&r, open_cell("gru"), 8, 10, 3);
    MUST(weft_gradient_flow(r.net, &flow, &r.source, 4, first, &err)); /* not fresh */
    MUST(weft_gradient_flow(r.net, &flow, &r.source, 9, again, &err));
    cr_expect_neq(first[0], again[0]);
    MUST(weft_gradient_flow(r.net, &flow, &r.source, 4, again, &err));
    cr_expect_arr_eq(first, again, sizeof first);
    rig_close(&r);
}

/* ---- what goes wrong ---- */

static bool fill_without_targets(void *context, uint64_t index, WeftBatch *b,
                                 WeftError *err)
{
    if (!drawn_fill(context, index, b, err)) return false;
    for (int i = 0; i < b->rows; i++) b->weight[i] = 0;
    return true;
}

static bool fill_nothing(void *context, uint64_t index, WeftBatch *b, WeftError *err)
{
    (void)context, (void)index, (void)b;
    snprintf(err->text, sizeof err->text, "the disk is gone");
    return false;
}

Test(flow, of_what_is_not_there_is_an_error)
{
    Rig r;
    double norm[10] = {-1};
    rig_open(&r, open_cell("lstm"), 4, 10, 2);
    const WeftFlow all = {0}, misspelt = {.state = "C"}, wrong = {.state = "gradient"};
    const WeftFlow above = {.layer = 1}, below = {.layer = -1},
                   back = {.backward = true};
    FAILS(weft_gradient_flow(r.net, &misspelt, &r.source, 0, norm, &err),
          "layer 0 has no state 'C' (did you mean 'c'?)");
    FAILS(weft_gradient_flow(r.net, &wrong, &r.source, 0, norm, &err),
          "layer 0 has no state 'gradient'");
    FAILS(weft_gradient_flow(r.net, &above, &r.source, 0, norm, &err),
          "layer 1: from 0 to 0");
    FAILS(weft_gradient_flow(r.net, &below, &r.source, 0, norm, &err), "layer -1");
    FAILS(weft_gradient_flow(r.net, &back, &r.source, 0, norm, &err),
          "layer 0 has no backward direction");
    FAILS(weft_gradient_flow(NULL, &all, &r.source, 0, norm, &err), "needs a net");
    FAILS(weft_gradient_flow(r.net, NULL, &r.source, 0, norm, &err), "what to measure");
    FAILS(weft_gradient_flow(r.net, &all, NULL, 0, norm, &err), "a source");
    FAILS(weft_gradient_flow(r.net, &all, &r.source, 0, NULL, &err), "a place for");
    r.source.fill = fill_without_targets;
    FAILS(weft_gradient_flow(r.net, &all, &r.source, 6, norm, &err),
          "batch 6 has no targets");
    r.source.fill = fill_nothing;
    FAILS(weft_gradient_flow(r.net, &all, &r.source, 0, norm, &err),
          "the disk is gone");
    r.source.steps = 0;
    FAILS(weft_gradient_flow(r.net, &all, &r.source, 0, norm, &err), "0 steps");
    cr_expect_eq(norm[0], -1, "an error sets nothing");
    rig_close(&r);
}

Test(flow, that_is_not_finite_is_a_result)
{
    Rig r;
    double norm[10];
    rig_open(&r, open_cell("rnn"), 4, 10, 2);
    set_values(&r, "head.weight", 4, INFINITY);
    measure(&r, NULL, norm);
    cr_expect_not(isfinite(norm[9]));
    rig_close(&r);
}

/* test_net.c: what a net computes, against a small one written out in double; and its
 * gradient, against central differences of its own loss. */
#include "gradient_rig.h"

/* ---- the loss of one update, and its gradient ---- */

typedef struct Case {
    const char *name;
    const char *cell, *upper; /* upper NULL: one layer */
    bool both;
    int hidden;
    float drop;
    WeftInput input;
    int inputs, embedding, outputs;
    WeftLoss loss;
    bool vector, lengths, weights;
    int steps, rows;
} Case;

typedef struct Rig {
    WeftCell *cell[2];
    WeftLayer layer[2];
    WeftModel model;
    Drawn drawn;
    WeftSource source;
} Rig;

static void rig_open(Rig *rig, const Case *c)
{
    *rig = (Rig){0};
    const char *const texts[2] = {c->cell, c->upper};
    int layers = 0;
    for (; layers < 2 && texts[layers]; layers++) {
        rig->cell[layers] = rig_cell(texts[layers]);
        rig->layer[layers] =
            (WeftLayer){rig->cell[layers], c->hidden + layers, c->both, 0};
    }
    if (c->drop > 0) rig->layer[layers - 1].drop = c->drop;
    rig->model = (WeftModel){.input = c->input,
                             .inputs = c->inputs,
                             .embedding = c->embedding,
                             .layers = rig->layer,
                             .layer_count = layers,
                             .drop = c->drop,
                             .outputs = c->outputs,
                             .loss = c->loss,
                             .vector = c->vector};
    rig->drawn = (Drawn){&rig->model, 3, c->lengths, c->weights, 0};
    rig->source = drawn_source(&rig->drawn, c->steps, c->rows);
}

static void rig_close(Rig *rig)
{
    for (int i = 0; i < 2; i++) weft_cell_close(rig->cell[i]);
}

static void check_case(const Case *c)
{
    Rig rig;
    WeftTeam *const team = rig_team(1);
    rig_open(&rig, c);
    check_gradient(team, c->name, &rig.model, &rig.source);
    weft_team_close(team);
    rig_close(&rig);
}

// clang-format off
static const Case cases[] = {
    {.name = "square",   .cell = gru_text, .hidden = 5, .input = WEFT_DENSE, .inputs = 3,
     .outputs = 2, .loss = WEFT_SQUARE, .steps = 4, .rows = 3},
    {.name = "softmax",  .cell = gru_text, .hidden = 5, .input = WEFT_SYMBOLS, .inputs = 7,
     .outputs = 5, .loss = WEFT_SOFTMAX, .steps = 4, .rows = 3},
    {.name = "sigmoid",  .cell = rnn_text, .hidden = 5, .input = WEFT_EMBEDDING, .inputs = 7,
     .embedding = 3, .outputs = 3, .loss = WEFT_SIGMOID, .steps = 4, .rows = 3},
    {.name = "masked",   .cell = rnn_text, .upper = gru_text, .hidden = 4,
     .input = WEFT_DENSE, .inputs = 3, .outputs = 2, .loss = WEFT_SQUARE, .lengths = true,
     .weights = true, .steps = 5, .rows = 5},
    {.name = "both",     .cell = gru_text, .upper = rnn_text, .both = true, .hidden = 3,
     .input = WEFT_DENSE, .inputs = 2, .outputs = 3, .loss = WEFT_SOFTMAX, .lengths = true,
     .steps = 5, .rows = 5},
    {.name = "vector",   .cell = rnn_text, .upper = rnn_text, .hidden = 3,
     .input = WEFT_EMBEDDING, .inputs = 5, .embedding = 2, .outputs = 3,
     .loss = WEFT_SOFTMAX, .vector = true, .lengths = true, .steps = 5, .rows = 5},
    {.name = "vector, both", .cell = rnn_text, .both = true, .hidden = 3,
     .input = WEFT_SYMBOLS, .inputs = 5, .outputs = 2, .loss = WEFT_SQUARE, .vector = true,
     .lengths = true, .weights = true, .steps = 5, .rows = 5},
    {.name = "drop",     .cell = rnn_text, .upper = drop_text, .both = true, .hidden = 4,
     .drop = 0.4f, .input = WEFT_DENSE, .inputs = 3, .outputs = 2, .loss = WEFT_SQUARE,
     .lengths = true, .steps = 4, .rows = 3},
    {.name = "drop, vector", .cell = drop_text, .hidden = 4, .drop = 0.4f,
     .input = WEFT_EMBEDDING, .inputs = 3, .embedding = 4, .outputs = 2,
     .loss = WEFT_SQUARE, .vector = true, .steps = 3, .rows = 3},
    {.name = "ones",     .cell = rnn_text, .hidden = 1, .input = WEFT_DENSE, .inputs = 1,
     .outputs = 1, .loss = WEFT_SQUARE, .steps = 1, .rows = 1},
};
// clang-format on

Test(net, gradients_are_those_of_the_loss)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check_case(&cases[i]);
}

/* ---- what a net computes, in double ---- */

enum { V = 5, T = 6, B = 4, H = 3, O = 3 };

/* h' = tanh(W x + U h + b), one row of symbols, live for `length` steps; forward or,
 * from the last live step, backward. h [T][H], in the order of time. */
static void reference_rnn(const float *W, const float *U, const float *b,
                          const int *symbol, int length, bool backward, double h[T][H])
{
    double state[H] = {0}, next[H];
    for (int s = 0; s < length; s++) {
        const int t = backward ? length - 1 - s : s;
        for (int i = 0; i < H; i++) {
            next[i] = (double)b[i] + (double)W[i * V + symbol[t]];
            for (int j = 0; j < H; j++) next[i] += (double)U[i * H + j] * state[j];
            next[i] = tanh(next[i]);
        }
        memcpy(state, next, sizeof state);
        memcpy(h[t], state, sizeof state);
    }
}

static void reference_head(const float *W, const float *b, int width, const double *x,
                           double a[O])
{
    for (int i = 0; i < O; i++) {
        a[i] = (double)b[i];
        for (int j = 0; j < width; j++) a[i] += (double)W[i * width + j] * x[j];
    }
}

static double reference_softmax(const double a[O], int label, double p[O])
{
    double sum = 0;
    for (int i = 0; i < O; i++) sum += exp(a[i]);
    for (int i = 0; i < O; i++) p[i] = exp(a[i]) / sum;
    return -log(p[label]);
}

/* Sums of at most H + V + 2 terms, through T tanh of slope at most 1 and weights below
 * 1: every error comes through T steps of at most H weights of 1/sqrt(H) each. */
#define NET_BOUND (T * 32 * (double)FLT_EPSILON * pow(sqrt(H), T))

static void check_against_reference(bool both, bool vector)
{
    const Case c = {.cell = rnn_text,
                    .both = both,
                    .hidden = H,
                    .input = WEFT_SYMBOLS,
                    .inputs = V,
                    .outputs = O,
                    .loss = WEFT_SOFTMAX,
                    .vector = vector,
                    .steps = T,
                    .rows = B};
    Rig rig;
    WeftTeam *const team = rig_team(1);
    WeftNet *net;
    rig_open(&rig, &c);
    rig.drawn.lengths = rig.drawn.weights = true;
    MUST(weft_net_open(team, &rig.model, 1, &net, &err));
    const float *param[8];
    for (int i = 0; i < (both ? 8 : 5); i++)
        param[i] = weft_net_parameter(net, i, NULL, NULL, NULL);
    const float *const *const head = param + (both ? 6 : 3);

    int32_t symbol[T * B], label[T * B] = {0};
    int length[B];
    float weight[T * B], out[T * B * O];
    WeftBatch batch = {.steps = T,
                       .rows = B,
                       .symbol = symbol,
                       .label = label,
                       .weight = weight,
                       .length = length};
    for (int i = 0; i < T * B; i++) weight[i] = 1;
    MUST(rig.source.fill(rig.source.context, 0, &batch, &err));
    batch.fresh = true;
    MUST(weft_predict(net, &batch, out, &err));

    double loss = 0, weights = 0, hits = 0;
    for (int b = 0; b < B; b++) {
        double h[2][T][H], x[2 * H], a[O], p[O];
        int row[T];
        for (int t = 0; t < T; t++) row[t] = symbol[t * B + b];
        for (int d = 0; d <= both; d++)
            reference_rnn(param[3 * d], param[3 * d + 1], param[3 * d + 2], row,
                          length[b], d == 1, h[d]);
        for (int t = vector ? length[b] - 1 : 0; t < length[b]; t++) {
            const int at = vector ? b : t * B + b;
            memcpy(x, h[0][t], sizeof h[0][t]);
            memcpy(x + H, h[1][vector ? 0 : t], sizeof h[1][t]);
            reference_head(head[0], head[1], both ? 2 * H : H, x, a);
            const double w = (double)weight[at],
                         nats = reference_softmax(a, label[at], p);
            loss += w * nats;
            weights += w;
            int best = 0;
            for (int i = 0; i < O; i++) {
                if (p[i] > p[best]) best = i;
                cr_expect(fabs((double)out[at * O + i] - p[i]) < NET_BOUND,
                          "row %d step %d: %g, expected %g", b, t,
                          (double)out[at * O + i], p[i]);
            }
            hits += best == label[at] ? w : 0;
        }
        for (int t = length[b]; !vector && t < T; t++)
            cr_expect_eq(out[(t * B + b) * O], 0);
    }

    WeftScore score;
    WeftProgress last;
    const WeftTrain train = {.updates = 1};
    MUST(weft_evaluate(net, &rig.source, 0, 1, &score, &err));
    MUST(weft_train(net, &train, &rig.source, keep_report, &last, &err));
    cr_expect(fabs(score.loss - loss / weights) < 4 * NET_BOUND, "%g, expected %g",
              score.loss, loss / weights);
    cr_expect_eq(score.targets, weights);
    cr_expect(fabs(score.accuracy - hits / weights) < 1e-6);
    cr_expect_eq(last.loss, score.loss);
    weft_net_close(net);
    weft_team_close(team);
    rig_close(&rig);
}

Test(net, outputs_losses_and_scores_are_those_of_the_equations)
{
    check_against_reference(false, false);
    check_against_reference(true, false);
    check_against_reference(false, true);
    check_against_reference(true, true);
}

/* ---- lengths, streams ---- */

Test(net, rows_with_lengths_are_as_if_alone)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const Case *const c = &cases[i];
        Rig rig;
        WeftTeam *const team = rig_team(2);
        WeftNet *net;
        rig_open(&rig, c);
        MUST(weft_net_open(team, &rig.model, 1, &net, &err));
        enum { STEPS = 9, ROWS = 11 };
        int length[ROWS], I = c->inputs, outputs = c->outputs;
        int32_t symbol[STEPS * ROWS], one_symbol[STEPS];
        float x[STEPS * ROWS * 7], one_x[STEPS * 7];
        float out[STEPS * ROWS * 7], one_out[STEPS * 7];
        WeftBatch all = {.steps = STEPS, .rows = ROWS, .length = length, .fresh = true};
        if (c->input == WEFT_DENSE)
            all.x = x;
        else
            all.symbol = symbol;
        rig.drawn.lengths = true;
        rig.drawn.weights = false;
        MUST(drawn_fill(&rig.drawn, 0, &all, &err));
        MUST(weft_predict(net, &all, out, &err));
        for (int b = 0; b < ROWS; b++) {
            WeftBatch one = {.steps = length[b], .rows = 1, .fresh = true};
            for (int t = 0; t < length[b]; t++) {
                one_symbol[t] = symbol[t * ROWS + b];
                memcpy(one_x + t * I, x + (t * ROWS + b) * I, (size_t)I * 4);
            }
            one.x = all.x ? one_x : NULL;
            one.symbol = all.symbol ? one_symbol : NULL;
            MUST(weft_predict(net, &one, one_out, &err));
            for (int t = 0; t < (c->vector ? 1 : length[b]); t++)
                cr_expect(memcmp(one_out + t * outputs,
                                 out + (c->vector ? b : t * ROWS + b) * outputs,
                                 (size_t)outputs * 4) == 0,
                          "%s: row %d, step %d", c->name, b, t);
        }
        weft_net_close(net);
        weft_team_close(team);
        rig_close(&rig);
    }
}

Test(net, streams_go_on_to_the_same_bits)
{
    enum { STEPS = 131, ROWS = 3 };
    Rig rig;
    WeftTeam *const team = rig_team(1);
    WeftNet *net;
    rig_open(&rig, &cases[1]);
    MUST(weft_net_open(team, &rig.model, 1, &net, &err));
    int32_t symbol[STEPS * ROWS];
    float whole[STEPS * ROWS * 5], piece[STEPS * ROWS * 5];
    WeftBatch batch = {.steps = STEPS, .rows = ROWS, .symbol = symbol};
    MUST(drawn_fill(&rig.drawn, 0, &batch, &err));
    batch.fresh = false;
    FAILS(weft_predict(net, &batch, whole, &err), "no earlier call");
    batch.fresh = true;
    MUST(weft_predict(net, &batch, whole, &err));
    for (int t = 0, steps = 1; t < STEPS; t += steps, steps = 2 * steps + 1) {
        batch = (WeftBatch){.steps = t + steps < STEPS ? steps : STEPS - t,
                            .rows = ROWS,
                            .symbol = symbol + t * ROWS,
                            .fresh = t == 0};
        MUST(weft_predict(net, &batch, piece + t * ROWS * 5, &err));
    }
    cr_expect(memcmp(whole, piece, sizeof whole) == 0);
    weft_net_close(net);
    weft_team_close(team);
    rig_close(&rig);
}

/* ---- parameters ---- */

Test(net, parameters_have_names_and_shapes_in_declaration_order)
{
    const char *const names[] = {
        "embedding",         "layer0.W",          "layer0.U",          "layer0.b",
        "layer0.backward.W", "layer0.backward.U", "layer0.backward.b", "layer1.W",
        "layer1.U",          "layer1.backward.W", "layer1.backward.U", "head.weight",
        "head.bias"};
    Case c = cases[2];
    Rig rig;
    WeftTeam *const team = rig_team(1);
    WeftNet *net;
    const char *name;
    int axes, shape[4], i = 0;
    size_t total = 0;
    c.both = true;
    c.upper = uncut_text;
    rig_open(&rig, &c);
    MUST(weft_net_open(team, &rig.model, 1, &net, &err));
    for (; weft_net_parameter(net, i, &name, &axes, shape); i++) {
        size_t count = 1;
        for (int a = 0; a < axes; a++) count *= (size_t)shape[a];
        total += count;
        cr_assert_lt(i, 13);
        cr_expect_str_eq(name, names[i]);
    }
    cr_expect_eq(i, 13);
    cr_expect_eq(total, weft_net_parameters(net));
    cr_expect_null(weft_net_parameter(net, -1, NULL, NULL, NULL));
    cr_expect_null(weft_net_gradient(net, 13));
    weft_net_parameter(net, 11, NULL, &axes, shape);
    cr_expect(axes == 2 && shape[0] == c.outputs && shape[1] == 2 * (c.hidden + 1));
    weft_net_close(net);
    weft_team_close(team);
    rig_close(&rig);
}

/* Whatever its sign and payload; the digest itself is recomputed in test_save.c. */
Test(net, digest_knows_one_nan_only)
{
    Rig rig;
    WeftTeam *const team = rig_team(1);
    WeftNet *net;
    rig_open(&rig, &cases[0]);
    MUST(weft_net_open(team, &rig.model, 1, &net, &err));
    float *const w = weft_net_parameter(net, 0, NULL, NULL, NULL);
    const uint32_t nans[2] = {0x7fc00000, 0xffc12345};
    memcpy(w, &nans[0], 4);
    const uint64_t digest = weft_net_digest(net);
    memcpy(w, &nans[1], 4);
    cr_expect(weft_net_digest(net) == digest);
    w[0] = 0;
    cr_expect(weft_net_digest(net) != digest);
    weft_net_close(net);
    weft_team_close(team);
    rig_close(&rig);
}

Test(net, sizes_of_one_odd_and_prime_train)
{
    const int sizes[] = {1, 2, 3, 5, 7, 13, 17, 31, 33};
    const int count = sizeof sizes / sizeof *sizes;
    WeftTeam *const team = rig_team(3);
    for (int i = 0; i < 4 * count; i++) {
#define SIZE(n) sizes[(i * (n) + (n)) % count]
        const Case c = {.cell = gru_text,
                        .both = i % 2,
                        .hidden = SIZE(1),
                        .input = (WeftInput)(i % 3),
                        .inputs = SIZE(2),
                        .embedding = SIZE(4),
                        .outputs = SIZE(5),
                        .loss = (WeftLoss)(i / 3 % 3),
                        .vector = i % 5 == 0,
                        .lengths = i % 7 > 3,
                        .steps = SIZE(7),
                        .rows = SIZE(8)};
        Rig rig;
        WeftNet *net;
        WeftProgress last;
        const WeftTrain train = {.updates = 3, .chunk = SIZE(11)};
        rig_open(&rig, &c);
        MUST(weft_net_open(team, &rig.model, 1, &net, &err));
        MUST(weft_train(net, &train, &rig.source, keep_report, &last, &err));
        cr_expect(last.finite && isfinite(last.loss));
        weft_net_close(net);
        rig_close(&rig);
    }
    weft_team_close(team);
}

/* ---- bad models ---- */

Test(net, bad_models_are_refused)
{
    WeftTeam *const team = rig_team(1);
    WeftCell *const cell = rig_cell(rnn_text);
    WeftNet *net;
    WeftLayer layer = {cell, 3, false, 0};
    const WeftModel good = {
        .inputs = 2, .outputs = 2, .layers = &layer, .layer_count = 1};
    WeftModel m;
#define REFUSES(change, part)                                                          \
    m = good;                                                                          \
    layer = (WeftLayer){cell, 3, false, 0};                                            \
    change;                                                                            \
    FAILS(weft_net_open(team, &m, 1, &net, &err), part)
    REFUSES(m.inputs = 0, "inputs 0");
    REFUSES(m.inputs = -3, "inputs -3");
    REFUSES(m.outputs = 0, "outputs 0");
    REFUSES(m.outputs = INT32_MAX, "outputs");
    REFUSES(m.layer_count = 0, "0 layers");
    REFUSES(m.layers = NULL, "0 layers");
    REFUSES(layer.cell = NULL, "layer 0 has no cell");
    REFUSES(layer.hidden = 0, "layer 0: hidden 0");
    REFUSES(layer.hidden = 1 << 24, "");
    REFUSES(layer.drop = 1, "layer 0: drop 1");
    REFUSES(m.drop = NAN, "head: drop");
    REFUSES(m.input = WEFT_EMBEDDING, "embedding 0");
    REFUSES(m.input = (WeftInput)7, "unknown input 7");
    REFUSES(m.loss = (WeftLoss)7, "loss 7");
    REFUSES((m.input = WEFT_SYMBOLS, layer.drop = 0.5f), "symbols cannot be dropped");
    FAILS(weft_net_open(NULL, &good, 1, &net, &err), "team");
    FAILS(weft_net_open(team, NULL, 1, &net, &err), "no model");
    weft_net_close(NULL);

    layer = (WeftLayer){cell, 3, false, 0};
    MUST(weft_net_open(team, &good, 1, &net, &err));
    float x[2] = {0}, out[2];
    WeftBatch b = {.steps = 1, .rows = 1, .x = x, .fresh = true};
    FAILS(weft_predict(net, &b, NULL, &err), "outputs");
    b.rows = 0;
    FAILS(weft_predict(net, &b, out, &err), "0 rows");
    b.rows = 1, b.steps = -1;
    FAILS(weft_predict(net, &b, out, &err), "-1 steps");
    b.steps = 1, b.x = NULL;
    FAILS(weft_predict(net, &b, out, &err), "needs x");
    weft_net_close(net);
    weft_cell_close(cell);
    weft_team_close(team);
}

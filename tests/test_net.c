/* test_net.c: what a net computes, against a small one written out in double; and its
 * gradient, against central differences of its own loss. */
#include "net_rig.h"

#include <float.h>

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

/* The loss of the first update of a net whose parameter (i, k) is moved by `by`. */
static double loss_at(WeftTeam *team, const Rig *rig, int i, int k, double by,
                      WeftNet **kept)
{
    WeftNet *net;
    WeftProgress last = {0};
    const WeftTrain train = {.updates = 1, .seed = 5};
    MUST(weft_net_open(team, &rig->model, 1, &net, &err));
    weft_net_parameter(net, i, NULL, NULL, NULL)[k] += (float)by;
    MUST(weft_train(net, &train, &rig->source, keep_report, &last, &err));
    cr_assert(last.finite);
    if (kept)
        *kept = net;
    else
        weft_net_close(net);
    return last.loss;
}

static double difference(WeftTeam *team, const Rig *rig, int i, int k, double by)
{
    const double up = loss_at(team, rig, i, k, by, NULL);
    const double down = loss_at(team, rig, i, k, -by, NULL);
    return (up - down) / (2 * by);
}

/* Richardson: of two differences, the error of the finer is a third of what lies
 * between them; a loss is a mean of numbers each with some tens of roundings. */
static void check_element(WeftTeam *team, const Case *c, const Rig *rig, int i, int k,
                          const char *name, double gradient)
{
    const double by = 1.0 / 32;
    const double coarse = difference(team, rig, i, k, by);
    const double fine = difference(team, rig, i, k, by / 2);
    const double best = fine + (fine - coarse) / 3;
    const double loss = loss_at(team, rig, i, k, 0, NULL);
    const double bound =
        fabs(fine - coarse) / 3 + 64 * (double)FLT_EPSILON * (fabs(loss) + 1) / by;
    cr_expect(fabs(best - gradient) <= bound, "%s: %s[%d]: %.7g, expected %.7g +- %.1g",
              c->name, name, k, gradient, best, bound);
}

static void check_case(const Case *c)
{
    Rig rig;
    WeftTeam *const team = rig_team(1);
    WeftNet *net;
    const char *name;
    double size = 0;
    int axes, shape[4];
    rig_open(&rig, c);
    loss_at(team, &rig, 0, 0, 0, &net);
    for (int i = 0; weft_net_parameter(net, i, &name, &axes, shape); i++) {
        int count = 1;
        for (int a = 0; a < axes; a++) count *= shape[a];
        const int stride = 1 + count / 7; /* some of each */
        for (int k = 0; k < count; k += stride) {
            const double g = (double)weft_net_gradient(net, i)[k];
            size += fabs(g);
            check_element(team, c, &rig, i, k, name, g);
        }
    }
    cr_expect(size > 0.01, "%s: the gradient is nothing", c->name);
    weft_net_close(net);
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

/* test_traces.c: rnn, lstm, both forms of gru, and a stack in both directions over rows
 * of several lengths, held to what PyTorch computes. */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "../core/weft.h"
#include "traces.h"

enum { TRACES = sizeof traces / sizeof *traces };

/* PyTorch ran in double, so the difference is weft's rounding. The deepest value passes
 * the T steps of each layer, each a chain of its input's and its own width of products
 * and two operations more: so many roundings of half an epsilon, relative to the
 * largest number that goes with it. For one layer 3.6e-6. */
static double tolerance(const Trace *t)
{
    const int input = t->layers > 1 ? 2 * TRACE_H : TRACE_I;
    return t->layers * TRACE_T * (input + TRACE_H + 2) * (double)FLT_EPSILON / 2;
}

static WeftError err;
static WeftTeam *team;

static void open_team(void)
{
    cr_assert(weft_team_open(1, &team, &err), "%s", err.text);
}

static void close_team(void)
{
    weft_team_close(team);
}

TestSuite(traces, .init = open_team, .fini = close_team);

/* The trace's net with the trace's values. */
static WeftNet *open_net(const Trace *trace)
{
    WeftCell *cell;
    WeftNet *net;
    cr_assert(weft_cell_open(trace->cell, &cell, &err), "%s", err.text);
    const WeftLayer layer = {.cell = cell, .hidden = TRACE_H, .both = trace->both};
    const WeftLayer layers[] = {layer, layer};
    cr_assert_leq(trace->layers, 2);
    const WeftModel model = {.input = WEFT_DENSE,
                             .inputs = TRACE_I,
                             .layers = layers,
                             .layer_count = trace->layers,
                             .outputs = TRACE_O,
                             .loss = WEFT_SQUARE};
    cr_assert(weft_net_open(team, &model, 1, &net, &err), "%s", err.text);
    weft_cell_close(cell);
    int i = 0;
    for (const TraceParameter *p = trace->parameter; p->name; p++, i++) {
        const char *name;
        int axes, shape[4], size = 1;
        float *const value = weft_net_parameter(net, i, &name, &axes, shape);
        cr_assert(value, "%s has no parameter %d", trace->name, i);
        cr_assert_str_eq(name, p->name);
        for (int a = 0; a < axes; a++) size *= shape[a];
        cr_assert_eq(size, p->size, "%s: %d", name, size);
        memcpy(value, p->value, (size_t)size * sizeof *value);
    }
    const char *name;
    int axes, shape[4];
    cr_assert_null(weft_net_parameter(net, i, &name, &axes, shape));
    return net;
}

static double largest(const float *values, int n)
{
    double most = 0;
    for (int i = 0; i < n; i++) most = fmax(most, fabs((double)values[i]));
    return most;
}

static void expect_near(const char *trace, const char *what, int i, double got,
                        double want, double bound)
{
    cr_expect(fabs(got - want) <= bound,
              "%s: %s[%d] is %.9g, not %.9g: off by %.2g > %.2g", trace, what, i, got,
              want, fabs(got - want), bound);
}

/* The trace's batch is every batch. */
static bool fill(void *context, uint64_t index, WeftBatch *batch, WeftError *e)
{
    const Trace *const t = context;
    (void)index, (void)e;
    memcpy(batch->x, trace_x, sizeof trace_x);
    memcpy(batch->target, trace_target, sizeof trace_target);
    memcpy(batch->length, t->length, sizeof t->length);
    return true;
}

static bool keep_loss(void *context, const WeftProgress *progress)
{
    *(double *)context = progress->loss;
    return true;
}

/* Until so many updates are done; the loss of the last. */
static double train(WeftNet *net, const Trace *trace, uint64_t updates)
{
    const WeftSource source = {(void *)(uintptr_t)trace, fill, TRACE_T, TRACE_B, 0, 0};
    double loss = NAN;
    const WeftTrain settings = {
        .updates = updates, .optimizer = WEFT_ADAM, .rate = TRACE_RATE};
    cr_assert(weft_train(net, &settings, &source, keep_loss, &loss, &err), "%s",
              err.text);
    return loss;
}

Test(traces, outputs_are_pytorchs)
{
    for (const Trace *t = traces; t < traces + TRACES; t++) {
        WeftNet *const net = open_net(t);
        float x[TRACE_T * TRACE_B * TRACE_I], out[TRACE_T * TRACE_B * TRACE_O];
        memcpy(x, trace_x, sizeof x);
        int length[TRACE_B];
        memcpy(length, t->length, sizeof length);
        const WeftBatch batch = {
            .steps = TRACE_T, .rows = TRACE_B, .x = x, .length = length, .fresh = true};
        cr_assert(weft_predict(net, &batch, out, &err), "%s", err.text);
        const int n = sizeof out / sizeof *out;
        for (int i = 0; i < n; i++)
            if (i / TRACE_O / TRACE_B < t->length[i / TRACE_O % TRACE_B])
                expect_near(t->name, "output", i, out[i], t->output[i],
                            tolerance(t) * largest(t->output, n));
        weft_net_close(net);
    }
}

Test(traces, loss_and_gradients_are_pytorchs)
{
    for (const Trace *t = traces; t < traces + TRACES; t++) {
        WeftNet *const net = open_net(t);
        expect_near(t->name, "loss", 0, train(net, t, 1), t->loss,
                    tolerance(t) * t->loss);
        int i = 0;
        for (const TraceParameter *p = t->parameter; p->name; p++, i++) {
            const float *const gradient = weft_net_gradient(net, i);
            for (int k = 0; k < p->size; k++)
                expect_near(t->name, p->name, k, gradient[k], p->gradient[k],
                            tolerance(t) * largest(p->gradient, p->size));
        }
        weft_net_close(net);
    }
}

/* Adam divides a gradient by its own size: what is off by d in a gradient of size g is
 * off by up to 2 d / g in each step of size `rate`. */
Test(traces, five_updates_of_adam_are_pytorchs)
{
    for (const Trace *t = traces; t < traces + TRACES; t++) {
        WeftNet *const net = open_net(t);
        train(net, t, TRACE_UPDATES);
        int i = 0;
        for (const TraceParameter *p = t->parameter; p->name; p++, i++) {
            const char *name;
            int axes, shape[4];
            const float *const value = weft_net_parameter(net, i, &name, &axes, shape);
            const double off = tolerance(t) * largest(p->gradient, p->size);
            for (int k = 0; k < p->size; k++)
                expect_near(t->name, name, k, value[k], p->after[k],
                            TRACE_UPDATES *
                                ((double)TRACE_RATE * 2 * off / (double)p->least[k] +
                                 (double)FLT_EPSILON * fabs((double)p->after[k])));
        }
        weft_net_close(net);
    }
}

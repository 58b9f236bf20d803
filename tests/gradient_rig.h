/* gradient_rig.h: the gradient of a net's first update, held to central differences of its
 * own loss. */
#pragma once

#include "net_rig.h"

#include <float.h>

typedef struct Gradients {
    const char *name;
    const WeftModel *model;
    const WeftSource *source;
} Gradients;

/* The loss of the first update of a net whose parameter (i, k) is moved by `by`. */
static inline double loss_at(WeftTeam *team, const Gradients *g, int i, int k,
                             double by, WeftNet **kept)
{
    WeftNet *net;
    WeftProgress last = {0};
    const WeftTrain train = {.updates = 1, .seed = 5};
    MUST(weft_net_open(team, g->model, 1, &net, &err));
    weft_net_parameter(net, i, NULL, NULL, NULL)[k] += (float)by;
    MUST(weft_train(net, &train, g->source, keep_report, &last, &err));
    cr_assert(last.finite);
    if (kept)
        *kept = net;
    else
        weft_net_close(net);
    return last.loss;
}

static inline double difference(WeftTeam *team, const Gradients *g, int i, int k,
                                double by)
{
    const double up = loss_at(team, g, i, k, by, NULL);
    const double down = loss_at(team, g, i, k, -by, NULL);
    return (up - down) / (2 * by);
}

/* Richardson: of two differences, the error of the finer is a third of what lies
 * between them; a loss is a mean of numbers each with some tens of roundings. */
static inline void check_element(WeftTeam *team, const Gradients *g, int i, int k,
                                 const char *name, double gradient)
{
    const double by = 1.0 / 32;
    const double coarse = difference(team, g, i, k, by);
    const double fine = difference(team, g, i, k, by / 2);
    const double best = fine + (fine - coarse) / 3;
    const double loss = loss_at(team, g, i, k, 0, NULL);
    const double bound =
        fabs(fine - coarse) / 3 + 64 * (double)FLT_EPSILON * (fabs(loss) + 1) / by;
    cr_expect(fabs(best - gradient) <= bound, "%s: %s[%d]: %.7g, expected %.7g +- %.1g",
              g->name, name, k, gradient, best, bound);
}

/* Some elements of each parameter. */
static inline void check_gradient(WeftTeam *team, const char *name,
                                  const WeftModel *model, const WeftSource *source)
{
    const Gradients g = {name, model, source};
    WeftNet *net;
    const char *parameter;
    double size = 0;
    int axes, shape[4];
    loss_at(team, &g, 0, 0, 0, &net);
    for (int i = 0; weft_net_parameter(net, i, &parameter, &axes, shape); i++) {
        int count = 1;
        double part = 0;
        for (int a = 0; a < axes; a++) count *= shape[a];
        const int stride = 1 + count / 7;
        for (int k = 0; k < count; k++)
            part += fabs((double)weft_net_gradient(net, i)[k]);
        for (int k = 0; k < count; k += stride)
            check_element(team, &g, i, k, parameter,
                          (double)weft_net_gradient(net, i)[k]);
        cr_expect(part > 0 || source->steps == 1, "%s: the gradient of %s is nothing",
                  name, parameter);
        size += part;
    }
    cr_expect(size > 0.01, "%s: the gradient is nothing", name);
    weft_net_close(net);
}

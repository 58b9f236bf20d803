/* flow.c: how far the gradient flows back through time: its norm by the states that leave each
 * step. */
#include "pass.h"
#include "../cell/nearest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is asked for ---- */

typedef struct States {
    int layer;
    bool backward;
    int first, end; /* of the cell's */
} States;

static bool check_layer(const WeftNet *net, const WeftFlow *flow, Error *err)
{
    const int layers = net->model.layer_count;
    if (net->model.encoder)
        return error(err, "the flow of gradients through an encoder is not measured");
    if (flow->layer < 0 || flow->layer >= layers)
        return error(err, "layer %d: from 0 to %d", flow->layer, layers - 1);
    if (flow->backward && net->layer[flow->layer].directions == 1)
        return error(err, "layer %d has no backward direction", flow->layer);
    return true;
}

static bool unknown_state(const Graph *g, const WeftFlow *flow, Error *err)
{
    char hint[96] = "";
    const char **const names = calloc((size_t)g->states + 1, sizeof *names);
    for (int i = 0; names && i < g->states; i++) names[i] = g->state[i].name;
    if (names) nearest_hint(flow->state, names, hint);
    free(names);
    return error(err, "layer %d has no state '%.100s'%s", flow->layer, flow->state,
                 hint);
}

/* All, or that of the name. */
static bool find_states(const WeftNet *net, const WeftFlow *flow, States *states,
                        Error *err)
{
    const Graph *const g = &net->layer[flow->layer].graph;
    *states = (States){flow->layer, flow->backward, 0, g->states};
    if (!flow->state) return true;
    for (int i = 0; i < g->states; i++)
        if (strcmp(g->state[i].name, flow->state) == 0) {
            states->first = i, states->end = i + 1;
            return true;
        }
    return unknown_state(g, flow, err);
}

/* ---- norms ---- */

static double row_squares(const View *v, int t, int b, int n)
{
    const float *const d = v->at + t * v->step + b * v->row;
    double sum = 0; /* in double, where squares of small floats are not 0 */
    for (int j = 0; j < n; j++) sum += (double)d[j] * (double)d[j];
    return sum;
}

/* t: of the direction's steps. */
static double row_norm(const Pass *p, const States *states, int t, int b)
{
    const Graph *const g = &p->net->layer[states->layer].graph;
    const Step *const step =
        &p->side[MAIN].direction[2 * states->layer + states->backward].step;
    double sum = 0;
    for (int s = states->first; s < states->end; s++) {
        const View v = step_flow(step, 0, s);
        if (v.at) sum += row_squares(&v, t, b, shape_count(&g->state[s].shape));
    }
    return sqrt(sum);
}

static void find_norms(const Pass *p, const States *states, double *norm)
{
    const int T = p->shape.T, B = p->shape.B;
    for (int t = 0; t < T; t++) {
        double sum = 0;
        for (int b = 0; b < B; b++)
            if (t < p->batch.length[b])
                sum += row_norm(p, states, states->backward ? T - 1 - t : t, b);
        norm[t] = sum / B;
    }
}

/* ---- the run ---- */

static bool run(Pass *p, const WeftSource *source, uint64_t index, Error *err)
{
    return batch_fill(p, source, index, err) && pass_run(p, 0, 1, true, err) &&
           (p->weight_sum > 0 ||
            error(err, "batch %llu has no targets", (unsigned long long)index));
}

bool weft_gradient_flow(WeftNet *net, const WeftFlow *flow, const WeftSource *source,
                        uint64_t index, double *norm, WeftError *err)
{
    if (!net || !flow || !source || !source->fill || !norm)
        return error(err,
                     "weft_gradient_flow needs a net, what to measure, a source and "
                     "a place for the norms");
    States states;
    if (!check_layer(net, flow, err) || !find_states(net, flow, &states, err))
        return false;
    const PassShape shape = {.purpose = PURPOSE_FLOW,
                             .T = source->steps,
                             .B = source->rows,
                             .chunk = source->steps};
    Pass *p = NULL;
    const bool measured =
        pass_ready(net, &p, &shape, err) && run(p, source, index, err);
    if (measured) find_norms(p, &states, norm);
    pass_close(p);
    return measured;
}

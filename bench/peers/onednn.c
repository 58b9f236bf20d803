/* onednn.c: oneDNN as one of the peers, through its C interface; the only place that
 * knows it.
 *
 * Weights are kept in the order [I][gates][H], which its forward takes as it is. Each
 * step they are brought into the formats that the two primitives ask for, since each
 * step they have changed, and the gradients back. */
#include "peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <omp.h>
#include <oneapi/dnnl/dnnl.h>

enum { ARGS_MAX = 24, GATES_MAX = 4 };

/* What weft's cell is called there; its gate i is ours at place[i]. */
typedef struct Known {
    const char *cell;
    dnnl_alg_kind_t kind;
    int place[GATES_MAX];
} Known;

static const Known known[] = {
    {"lstm", dnnl_vanilla_lstm, {0, 1, 2, 3}},
    {"gru", dnnl_lbr_gru, {1, 0, 2, 3}}, /* update, reset, new, bias inside reset */
    {"gru_v1", dnnl_vanilla_gru, {1, 0, 2}},
    {"rnn", dnnl_vanilla_rnn, {0}},
};

typedef struct Use {
    int arg;
    dnnl_memory_t memory;
} Use;

typedef struct Call {
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t arg[ARGS_MAX];
    int args;
} Call;

typedef struct OneDnn {
    const Known *cell;
    BenchShape shape;
    int gates, biases;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    Use use[2 * ARGS_MAX]; /* all memory, the user's weights first */
    int uses;
    Call forward, backward;
    Call into[4], back[2]; /* reorders of weights and of their gradients */
    int intos, backs;
    dnnl_memory_t clear[3]; /* gradients that backward adds to */
    int clears;
    bool failed;
} OneDnn;

/* ---- memory ---- */

static size_t bytes_of(dnnl_memory_t memory)
{
    const dnnl_memory_desc_t *desc;
    dnnl_memory_get_memory_desc(memory, &desc);
    return dnnl_memory_desc_get_size(desc);
}

static float *floats_of(dnnl_memory_t memory)
{
    void *at = NULL;
    dnnl_memory_get_data_handle(memory, &at);
    return at;
}

/* The memory for an argument in this format: what is there, else new, filled with
 * zeros. NULL: failed. */
static dnnl_memory_t memory_for(OneDnn *o, int arg, const dnnl_memory_desc_t *format)
{
    for (int i = 0; i < o->uses; i++) {
        const dnnl_memory_desc_t *has;
        dnnl_memory_get_memory_desc(o->use[i].memory, &has);
        if (o->use[i].arg == arg && dnnl_memory_desc_equal(has, format))
            return o->use[i].memory;
    }
    Use *const use = &o->use[o->uses];
    use->arg = arg;
    if (dnnl_memory_create(&use->memory, format, o->engine, DNNL_MEMORY_ALLOCATE))
        return NULL;
    memset(floats_of(use->memory), 0, bytes_of(use->memory));
    o->uses++;
    return use->memory;
}

/* The user's, or the only one. */
static dnnl_memory_t first(const OneDnn *o, int arg)
{
    for (int i = 0; i < o->uses; i++)
        if (o->use[i].arg == arg) return o->use[i].memory;
    return NULL;
}

/* ---- calls ---- */

static bool run(const OneDnn *o, const Call *c)
{
    return dnnl_primitive_execute(c->primitive, o->stream, c->args, c->arg) ==
           dnnl_success;
}

static bool add_reorder(OneDnn *o, Call *c, dnnl_memory_t from, dnnl_memory_t to)
{
    const dnnl_memory_desc_t *from_format, *to_format;
    dnnl_primitive_desc_t desc;
    dnnl_memory_get_memory_desc(from, &from_format);
    dnnl_memory_get_memory_desc(to, &to_format);
    if (dnnl_reorder_primitive_desc_create(&desc, from_format, o->engine, to_format,
                                           o->engine, NULL))
        return false;
    c->arg[0] = (dnnl_exec_arg_t){DNNL_ARG_FROM, from};
    c->arg[1] = (dnnl_exec_arg_t){DNNL_ARG_TO, to};
    c->args = 2;
    const bool made = !dnnl_primitive_create(&c->primitive, desc);
    dnnl_primitive_desc_destroy(desc);
    return made;
}

/* Gives a primitive what it asks for, in the format that it asks for. */
static bool add_arguments(OneDnn *o, Call *c, const_dnnl_primitive_desc_t desc)
{
    static const int all[] = {
        DNNL_ARG_SRC_LAYER,         DNNL_ARG_SRC_ITER,
        DNNL_ARG_SRC_ITER_C,        DNNL_ARG_WEIGHTS_LAYER,
        DNNL_ARG_WEIGHTS_ITER,      DNNL_ARG_BIAS,
        DNNL_ARG_DST_LAYER,         DNNL_ARG_WORKSPACE,
        DNNL_ARG_DIFF_SRC_LAYER,    DNNL_ARG_DIFF_SRC_ITER,
        DNNL_ARG_DIFF_SRC_ITER_C,   DNNL_ARG_DIFF_WEIGHTS_LAYER,
        DNNL_ARG_DIFF_WEIGHTS_ITER, DNNL_ARG_DIFF_BIAS,
        DNNL_ARG_DIFF_DST_LAYER,
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const dnnl_memory_desc_t *const format =
            dnnl_primitive_desc_query_md(desc, dnnl_query_exec_arg_md, all[i]);
        if (!format || format->ndims == 0) continue;
        const dnnl_memory_t memory = memory_for(o, all[i], format);
        if (!memory) return false;
        c->arg[c->args++] = (dnnl_exec_arg_t){all[i], memory};
    }
    return true;
}

static dnnl_memory_t argument(const Call *c, int arg)
{
    int i = 0;
    while (c->arg[i].arg != arg) i++;
    return c->arg[i].memory;
}

/* ---- the layer ---- */

/* Descriptions of values and, the shapes being the same, of their gradients. */
typedef struct Formats {
    dnnl_memory_desc_t x, h, y, W, U, b; /* W and U: any format */
} Formats;

static bool describe(dnnl_memory_desc_t *desc, dnnl_format_tag_t tag, int axes,
                     const dnnl_dims_t dims)
{
    return !dnnl_memory_desc_init_by_tag(desc, axes, dims, dnnl_f32, tag);
}

static bool describe_all(const OneDnn *o, Formats *f, dnnl_format_tag_t weights)
{
    const int64_t T = o->shape.T, B = o->shape.B, I = o->shape.I, H = o->shape.H;
    return describe(&f->x, dnnl_tnc, 3, (dnnl_dims_t){T, B, I}) &&
           describe(&f->h, dnnl_ldnc, 4, (dnnl_dims_t){1, 1, B, H}) &&
           describe(&f->y, dnnl_tnc, 3, (dnnl_dims_t){T, B, H}) &&
           describe(&f->W, weights, 5, (dnnl_dims_t){1, 1, I, o->gates, H}) &&
           describe(&f->U, weights, 5, (dnnl_dims_t){1, 1, H, o->gates, H}) &&
           describe(&f->b, dnnl_ldgo, 4, (dnnl_dims_t){1, 1, o->biases, H});
}

static dnnl_status_t describe_forward(const OneDnn *o, const Formats *f,
                                      dnnl_rnn_desc_t *d)
{
    const dnnl_prop_kind_t train = dnnl_forward_training;
    const dnnl_rnn_direction_t ahead = dnnl_unidirectional_left2right;
    switch (o->cell->kind) {
    case dnnl_vanilla_lstm:
        return dnnl_lstm_forward_desc_init(d, train, ahead, &f->x, &f->h, &f->h, &f->W,
                                           &f->U, &f->b, &f->y, NULL, NULL, 0);
    case dnnl_vanilla_gru:
        return dnnl_gru_forward_desc_init(d, train, ahead, &f->x, &f->h, &f->W, &f->U,
                                          &f->b, &f->y, NULL, 0);
    case dnnl_lbr_gru:
        return dnnl_lbr_gru_forward_desc_init(d, train, ahead, &f->x, &f->h, &f->W,
                                              &f->U, &f->b, &f->y, NULL, 0);
    default:
        return dnnl_vanilla_rnn_forward_desc_init(d, train, dnnl_eltwise_tanh, ahead,
                                                  &f->x, &f->h, &f->W, &f->U, &f->b,
                                                  &f->y, NULL, 0, 0, 0);
    }
}

static dnnl_status_t describe_backward(const OneDnn *o, const Formats *f,
                                       dnnl_rnn_desc_t *d)
{
    const dnnl_prop_kind_t train = dnnl_backward;
    const dnnl_rnn_direction_t ahead = dnnl_unidirectional_left2right;
    switch (o->cell->kind) {
    case dnnl_vanilla_lstm:
        return dnnl_lstm_backward_desc_init(
            d, train, ahead, &f->x, &f->h, &f->h, &f->W, &f->U, &f->b, &f->y, NULL,
            NULL, &f->x, &f->h, &f->h, &f->W, &f->U, &f->b, &f->y, NULL, NULL, 0);
    case dnnl_vanilla_gru:
        return dnnl_gru_backward_desc_init(d, train, ahead, &f->x, &f->h, &f->W, &f->U,
                                           &f->b, &f->y, NULL, &f->x, &f->h, &f->W,
                                           &f->U, &f->b, &f->y, NULL, 0);
    case dnnl_lbr_gru:
        return dnnl_lbr_gru_backward_desc_init(d, train, ahead, &f->x, &f->h, &f->W,
                                               &f->U, &f->b, &f->y, NULL, &f->x, &f->h,
                                               &f->W, &f->U, &f->b, &f->y, NULL, 0);
    default:
        return dnnl_vanilla_rnn_backward_desc_init(
            d, train, dnnl_eltwise_tanh, ahead, &f->x, &f->h, &f->W, &f->U, &f->b,
            &f->y, NULL, &f->x, &f->h, &f->W, &f->U, &f->b, &f->y, NULL, 0, 0, 0);
    }
}

static bool make_primitives(OneDnn *o, const Formats *f)
{
    dnnl_rnn_desc_t forward, backward;
    dnnl_primitive_desc_t ahead = NULL, behind = NULL;
    const bool made =
        !describe_forward(o, f, &forward) && !describe_backward(o, f, &backward) &&
        !dnnl_primitive_desc_create(&ahead, &forward, NULL, o->engine, NULL) &&
        !dnnl_primitive_desc_create(&behind, &backward, NULL, o->engine, ahead) &&
        !dnnl_primitive_create(&o->forward.primitive, ahead) &&
        !dnnl_primitive_create(&o->backward.primitive, behind) &&
        add_arguments(o, &o->forward, ahead) && add_arguments(o, &o->backward, behind);
    dnnl_primitive_desc_destroy(ahead);
    dnnl_primitive_desc_destroy(behind);
    return made;
}

/* The user's weights and gradients, and what they must be reordered into and from. */
static bool make_reorders(OneDnn *o)
{
    static const int weights[] = {DNNL_ARG_WEIGHTS_LAYER, DNNL_ARG_WEIGHTS_ITER};
    static const int grads[] = {DNNL_ARG_DIFF_WEIGHTS_LAYER,
                                DNNL_ARG_DIFF_WEIGHTS_ITER};
    for (int i = 0; i < 2; i++) {
        const dnnl_memory_t user = first(o, weights[i]),
                            ahead = argument(&o->forward, weights[i]),
                            behind = argument(&o->backward, weights[i]),
                            grad = argument(&o->backward, grads[i]);
        if (ahead != user && !add_reorder(o, &o->into[o->intos++], user, ahead))
            return false;
        if (behind != user && behind != ahead &&
            !add_reorder(o, &o->into[o->intos++], user, behind))
            return false;
        if (grad != first(o, grads[i]) &&
            !add_reorder(o, &o->back[o->backs++], grad, first(o, grads[i])))
            return false;
        o->clear[o->clears++] = grad;
    }
    o->clear[o->clears++] = argument(&o->backward, DNNL_ARG_DIFF_BIAS);
    return true;
}

static bool make(OneDnn *o)
{
    Formats user, any;
    return !dnnl_engine_create(&o->engine, dnnl_cpu, 0) &&
           !dnnl_stream_create(&o->stream, o->engine, dnnl_stream_default_flags) &&
           describe_all(o, &user, dnnl_ldigo) &&
           describe_all(o, &any, dnnl_format_tag_any) &&
           memory_for(o, DNNL_ARG_WEIGHTS_LAYER, &user.W) &&
           memory_for(o, DNNL_ARG_WEIGHTS_ITER, &user.U) &&
           memory_for(o, DNNL_ARG_DIFF_WEIGHTS_LAYER, &user.W) &&
           memory_for(o, DNNL_ARG_DIFF_WEIGHTS_ITER, &user.U) &&
           make_primitives(o, &any) && make_reorders(o);
}

/* ---- its numbers ---- */

/* Where element (g, j, i) of a matrix lies: gate, unit, input. */
typedef struct Order {
    size_t g, j, i;
} Order;

/* The gates change places, which they do back by the same rule. */
static void copy_matrix(const Known *cell, int G, int H, int n, const float *from,
                        Order f, float *to, Order t)
{
    for (size_t g = 0; g < (size_t)G; g++)
        for (size_t j = 0; j < (size_t)H; j++)
            for (size_t i = 0; i < (size_t)n; i++)
                to[g * t.g + j * t.j + i * t.i] =
                    from[(size_t)cell->place[g] * f.g + j * f.j + i * f.i];
}

/* params into the user's weights; NULL: the user's gradients into dparams. */
static void copy_params(const OneDnn *o, const float *params, float *dparams)
{
    const int I = o->shape.I, H = o->shape.H;
    const struct {
        int weights, grads, gates, n;
    } part[] = {
        {DNNL_ARG_WEIGHTS_LAYER, DNNL_ARG_DIFF_WEIGHTS_LAYER, o->gates, I},
        {DNNL_ARG_WEIGHTS_ITER, DNNL_ARG_DIFF_WEIGHTS_ITER, o->gates, H},
        {DNNL_ARG_BIAS, DNNL_ARG_DIFF_BIAS, o->biases, 1},
    };
    size_t at = 0;
    for (int p = 0; p < 3; p++) {
        const int G = part[p].gates, n = part[p].n;
        const Order ours = {(size_t)H * (size_t)n, (size_t)n, 1};
        const Order theirs = {(size_t)H, 1, (size_t)G * (size_t)H};
        if (params)
            copy_matrix(o->cell, G, H, n, params + at, ours,
                        floats_of(first(o, part[p].weights)), theirs);
        else
            copy_matrix(o->cell, G, H, n, floats_of(first(o, part[p].grads)), theirs,
                        dparams + at, ours);
        at += (size_t)G * ours.g;
    }
}

/* ---- the peer ---- */

static bool start(char *version, size_t size, Error *err)
{
    (void)err;
    const dnnl_version_t *const v = dnnl_version();
    snprintf(version, size, "%d.%d.%d", v->major, v->minor, v->patch);
    omp_set_num_threads(1);
    return true;
}

static void close_call(const Call *c)
{
    dnnl_primitive_destroy(c->primitive);
}

static void close_layer(void *self)
{
    OneDnn *const o = self;
    close_call(&o->forward), close_call(&o->backward);
    for (int i = 0; i < o->intos; i++) close_call(&o->into[i]);
    for (int i = 0; i < o->backs; i++) close_call(&o->back[i]);
    for (int i = 0; i < o->uses; i++) dnnl_memory_destroy(o->use[i].memory);
    dnnl_stream_destroy(o->stream);
    dnnl_engine_destroy(o->engine);
    free(o);
}

static bool open_layer(const Layer *l, void **self, Error *err)
{
    const Known *cell = NULL;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].cell, l->cell) == 0) cell = &known[i];
    if (!cell || l->in_python) return error(err, "it has its own cells only");
    OneDnn *const o = calloc(1, sizeof *o);
    *self = o;
    if (!o) return error(err, "out of memory");
    o->cell = cell, o->shape = l->shape, o->gates = l->gates, o->biases = l->biases;
    if (!make(o)) return close_layer(o), error(err, "it refuses this layer");
    copy_params(o, l->params, NULL);
    memcpy(floats_of(first(o, DNNL_ARG_SRC_LAYER)), l->x,
           layer_inputs(l) * sizeof(float));
    memcpy(floats_of(first(o, DNNL_ARG_DIFF_DST_LAYER)), l->dy,
           layer_outputs(l) * sizeof(float));
    return true;
}

static void step(void *self)
{
    OneDnn *const o = self;
    bool ran = true;
    for (int i = 0; i < o->intos; i++) ran &= run(o, &o->into[i]);
    ran &= run(o, &o->forward);
    for (int i = 0; i < o->clears; i++)
        memset(floats_of(o->clear[i]), 0, bytes_of(o->clear[i]));
    ran &= run(o, &o->backward);
    for (int i = 0; i < o->backs; i++) ran &= run(o, &o->back[i]);
    ran &= dnnl_stream_wait(o->stream) == dnnl_success;
    o->failed |= !ran;
}

static double seconds(void *self, double least)
{
    const OneDnn *const o = self;
    const double s = time_steps(step, self, least);
    return o->failed ? 0 : s;
}

static bool outcome(void *self, const Outcome *out)
{
    const OneDnn *const o = self;
    const dnnl_memory_t y = first(o, DNNL_ARG_DST_LAYER),
                        dx = first(o, DNNL_ARG_DIFF_SRC_LAYER);
    memcpy(out->y, floats_of(y), bytes_of(y));
    memcpy(out->dx, floats_of(dx), bytes_of(dx));
    copy_params(o, NULL, out->dparams);
    return true;
}
static void stop(void)
{
}

const Peer peer_onednn = {"oneDNN", start,   stop,       open_layer,
                          seconds,  outcome, close_layer};

/* net.c: a net: its parameters in one block, in declaration order.
 *
 *   embedding [V][E] | layer 0 forward | layer 0 backward | layer 1 ... |
 *   head W [O][n], b [O] */
#include "net.h"

#include "../../simd/scalar.h"
#include "pass.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the model ---- */

static bool check_size(const char *what, int size, Error *err)
{
    if (size >= 1 && size <= NET_SIZE_MAX) return true;
    return error(err, "%s %d: from 1 to %d", what, size, NET_SIZE_MAX);
}

static bool check_drop(const char *what, float drop, Error *err)
{
    if (drop >= 0 && drop < 1) return true;
    return error(err, "%s: drop %g: from 0 to below 1", what, (double)drop);
}

static bool check_layer(const WeftModel *m, int l, Error *err)
{
    const WeftLayer *const layer = &m->layers[l];
    char what[32];
    snprintf(what, sizeof what, "layer %d", l);
    if (!layer->cell) return error(err, "%s has no cell", what);
    if (!check_drop(what, layer->drop, err)) return false;
    if (l == 0 && m->input == WEFT_SYMBOLS && layer->drop > 0)
        return error(err, "layer 0: symbols cannot be dropped: its drop must be 0");
    snprintf(what, sizeof what, "layer %d: hidden", l);
    return check_size(what, layer->hidden, err);
}

static bool check_model(const WeftModel *m, Error *err)
{
    if (!m) return error(err, "no model");
    if (m->input > WEFT_EMBEDDING || m->loss > WEFT_SIGMOID)
        return error(err, "unknown input %d or loss %d", (int)m->input, (int)m->loss);
    if (!check_size("inputs", m->inputs, err)) return false;
    if (m->input == WEFT_EMBEDDING && !check_size("embedding", m->embedding, err))
        return false;
    if (!check_size("outputs", m->outputs, err)) return false;
    if (!check_drop("head", m->drop, err)) return false;
    if (m->layer_count < 1 || m->layer_count > NET_LAYERS_MAX || !m->layers)
        return error(err, "%d layers: from 1 to %d", m->layers ? m->layer_count : 0,
                     NET_LAYERS_MAX);
    for (int l = 0; l < m->layer_count; l++)
        if (!check_layer(m, l, err)) return false;
    return true;
}

static bool copy_model(WeftNet *net, const WeftModel *model, Error *err)
{
    const size_t L = (size_t)model->layer_count;
    net->model = *model;
    net->model.layer_count = 0; /* until they are copied: see weft_net_close */
    if (model->input != WEFT_EMBEDDING) net->model.embedding = 0;
    net->model.layers = net->layers = calloc(L, sizeof *net->layers);
    net->layer = calloc(L, sizeof *net->layer);
    if (!net->layers || !net->layer) return error(err, "out of memory");
    for (size_t l = 0; l < L; l++) {
        Cell *cell;
        if (!cell_copy(model->layers[l].cell, &cell, err)) return false;
        net->layers[l] = model->layers[l];
        net->layers[l].cell = cell;
        net->model.layer_count++;
    }
    return true;
}

int net_width(const WeftNet *net)
{
    const Layer *const top = &net->layer[net->model.layer_count - 1];
    return top->width * top->directions;
}

bool net_both(const WeftNet *net)
{
    for (int l = 0; l < net->model.layer_count; l++)
        if (net->layer[l].directions == 2) return true;
    return false;
}

/* What follows `err` is in which layer. */
static bool in_layer(int l, Error *err)
{
    Error inner;
    if (!err) return false;
    inner = *err;
    return error(err, "layer %d: %.1000s", l, inner.text);
}

static bool open_layers(WeftNet *net, Error *err)
{
    int width =
        net->model.input == WEFT_EMBEDDING ? net->model.embedding : net->model.inputs;
    for (int l = 0; l < net->model.layer_count; l++) {
        Layer *const layer = &net->layer[l];
        const WeftLayer *const given = &net->layers[l];
        if (!graph_build(given->cell, width, given->hidden, &layer->graph, err) ||
            !derive(&layer->graph, err))
            return in_layer(l, err);
        layer->inputs = width;
        layer->directions = given->both ? 2 : 1;
        layer->width = graph_output_width(&layer->graph);
        if (layer->width > NET_SIZE_MAX / 2)
            return error(err, "layer %d: an output of %d numbers is too wide", l,
                         layer->width);
        width = layer->width * layer->directions;
    }
    return true;
}

/* ---- the parameters ---- */

static const char *const direction_prefix[2] = {"", "backward."};

static bool add_parameter(WeftNet *net, int layer, const char *prefix, const char *name,
                          int axes, const int *shape, Error *err)
{
    Parameter *const p = &net->parameter[net->parameters];
    *p = (Parameter){.axes = axes, .at = net->count, .count = 1, .layer = layer};
    for (int i = 0; i < axes; i++) {
        p->shape[i] = shape[i];
        if (__builtin_mul_overflow(p->count, (size_t)shape[i], &p->count) ||
            p->count > SIZE_MAX / 64 - net->count)
            return error(err, "%s%s has too many elements", prefix, name);
    }
    const size_t size = strlen(prefix) + strlen(name) + 1;
    p->name = malloc(size);
    if (!p->name) return error(err, "out of memory");
    snprintf(p->name, size, "%s%s", prefix, name);
    net->parameters++;
    net->count += p->count;
    return true;
}

static bool add_layer(WeftNet *net, int l, int d, Error *err)
{
    Layer *const layer = &net->layer[l];
    char prefix[64];
    snprintf(prefix, sizeof prefix, "layer%d.%s", l, direction_prefix[d]);
    layer->params[d] = net->count;
    for (int i = 0; i < layer->graph.params; i++) {
        const Param *const p = &layer->graph.param[i];
        if (!add_parameter(net, l, prefix, p->name, p->shape.axes, p->shape.dim, err))
            return false;
    }
    return true;
}

static bool add_parameters(WeftNet *net, Error *err)
{
    const WeftModel *const m = &net->model;
    const int table[2] = {m->inputs, m->embedding};
    const int weight[2] = {m->outputs, net_width(net)};
    size_t room = 3;
    for (int l = 0; l < m->layer_count; l++)
        room += 2 * (size_t)net->layer[l].graph.params;
    net->parameter = calloc(room, sizeof *net->parameter);
    if (!net->parameter) return error(err, "out of memory");

    net->embedding = net->count;
    if (m->input == WEFT_EMBEDDING &&
        !add_parameter(net, -1, "", "embedding", 2, table, err))
        return false;
    for (int l = 0; l < m->layer_count; l++)
        for (int d = 0; d < net->layer[l].directions; d++)
            if (!add_layer(net, l, d, err)) return false;
    net->head = net->count;
    return add_parameter(net, m->layer_count, "", "head.weight", 2, weight, err) &&
           add_parameter(net, m->layer_count, "", "head.bias", 1, weight, err);
}

static void net_place(WeftNet *net, Arena *arena)
{
    net->params = ARENA_TAKE(arena, float, net->count);
    net->grads = ARENA_TAKE(arena, float, net->count);
    net->moments.first = ARENA_TAKE(arena, float, net->count);
    net->moments.second = ARENA_TAKE(arena, float, net->count);
    net->update.partial = ARENA_TAKE(arena, double, update_segments(net->count));
}

bool net_take_memory(WeftNet *net, Error *err)
{
    Arena need = {0};
    net_place(net, &need);
    if (!arena_open(&net->arena, need.used, err)) return false;
    net_place(net, &net->arena);
    net->update.count = net->count;
    net->update.params = net->params;
    net->update.grads = net->grads;
    net->update.moments = &net->moments;
    return true;
}

/* As PyTorch: the embedding N(0, 1), the head U(+-1/sqrt(width)), its bias too. */
static void draw_ends(WeftNet *net)
{
    const WeftModel *const m = &net->model;
    const size_t width = (size_t)net_width(net), outputs = (size_t)m->outputs;
    const size_t table = net->layer[0].params[0] - net->embedding;
    for (size_t i = 0; i < table; i++)
        net->params[net->embedding + i] =
            (float)random_normal(net->seed, STREAM_EMBEDDING, i);

    const double bound = 1 / sqrt((double)width);
    float *const W = net->params + net->head, *const b = W + outputs * width;
    for (size_t i = 0; i < outputs * width; i++)
        W[i] = (float)(bound * (2 * random_uniform53(net->seed, STREAM_HEAD, i) - 1));
    for (size_t i = 0; i < outputs; i++)
        b[i] =
            (float)(bound * (2 * random_uniform53(net->seed, STREAM_HEAD_BIAS, i) - 1));
}

static bool draw_layer(WeftNet *net, int l, Error *err)
{
    const Layer *const layer = &net->layer[l];
    const StepShape shape = {.T = 1,
                             .B = 1,
                             .symbols = l == 0 && net->model.input == WEFT_SYMBOLS,
                             .slots = 1};
    Step step;
    bool drawn = true;
    if (!step_open(&layer->graph, &shape, &step, err)) return in_layer(l, err);
    for (int d = 0; drawn && d < layer->directions; d++)
        drawn = step_initialise(&step, net->seed, (uint64_t)(STREAM_LAYER + 2 * l + d),
                                net->params + layer->params[d]);
    step_close(&step);
    return drawn || error(err, "out of memory");
}

static bool draw(WeftNet *net, Error *err)
{
    draw_ends(net);
    for (int l = 0; l < net->model.layer_count; l++)
        if (!draw_layer(net, l, err)) return false;
    return true;
}

bool net_build(Team *team, const WeftModel *model, uint64_t seed, WeftNet **net,
               Error *err)
{
    if (!check_model(model, err)) return false;
    WeftNet *const made = calloc(1, sizeof *made);
    if (!made) return error(err, "out of memory");
    made->team = team;
    made->seed = seed;
    if (copy_model(made, model, err) && open_layers(made, err) &&
        add_parameters(made, err)) {
        *net = made;
        return true;
    }
    weft_net_close(made);
    return false;
}

bool weft_net_open(WeftTeam *team, const WeftModel *model, uint64_t seed, WeftNet **net,
                   WeftError *err)
{
    if (!team || !net)
        return error(err, "weft_net_open needs a team and a place for the net");
    WeftNet *made;
    if (!net_build(team, model, seed, &made, err)) return false;
    if (net_take_memory(made, err) && draw(made, err)) {
        *net = made;
        return true;
    }
    weft_net_close(made);
    return false;
}

bool weft_model_parameters(const WeftModel *model, size_t *count, WeftError *err)
{
    WeftNet *net;
    if (!count) return error(err, "weft_model_parameters needs a place for the count");
    if (!net_build(NULL, model, 0, &net, err)) return false;
    *count = net->count;
    weft_net_close(net);
    return true;
}

void weft_net_close(WeftNet *net)
{
    if (!net) return;
    pass_close(net->training);
    pass_close(net->evaluation);
    pass_close(net->prediction);
    for (int l = 0; l < net->model.layer_count; l++) {
        cell_close((Cell *)net->layers[l].cell);
        graph_close(&net->layer[l].graph);
    }
    for (int i = 0; i < net->parameters; i++) free(net->parameter[i].name);
    for (int i = 0; i < net->notes; i++) {
        free(net->note[i].key);
        free(net->note[i].value);
    }
    arena_close(&net->arena);
    free(net->carried.at);
    free(net->stale.at);
    free(net->note);
    free(net->parameter);
    free(net->layers);
    free(net->layer);
    free(net);
}

/* ---- what others may see ---- */

size_t weft_net_parameters(const WeftNet *net)
{
    return net->count;
}

const WeftModel *weft_net_model(const WeftNet *net)
{
    return &net->model;
}

uint64_t weft_net_updates(const WeftNet *net)
{
    return net->clock.updates;
}

const char *weft_net_split(const WeftNet *net)
{
    return net->training ? net->training->words : "";
}

float *weft_net_parameter(WeftNet *net, int i, const char **name, int *axes,
                          int shape[4])
{
    if (i < 0 || i >= net->parameters) return NULL;
    const Parameter *const p = &net->parameter[i];
    if (name) *name = p->name;
    if (axes) *axes = p->axes;
    if (shape) memcpy(shape, p->shape, sizeof p->shape);
    return net->params + p->at;
}

const float *weft_net_gradient(const WeftNet *net, int i)
{
    if (i < 0 || i >= net->parameters) return NULL;
    return net->grads + net->parameter[i].at;
}

uint64_t weft_net_digest(const WeftNet *net)
{
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < net->count; i++) {
        uint32_t bits;
        memcpy(&bits, &net->params[i], sizeof bits);
        if (isnan(net->params[i])) bits = 0x7fc00000;
        for (int byte = 0; byte < 4; byte++) {
            hash ^= bits >> (8 * byte) & 0xff;
            hash *= 0x100000001b3;
        }
    }
    return hash;
}

/* ---- notes ---- */

static Note *find_note(const WeftNet *net, const char *key)
{
    for (int i = 0; i < net->notes; i++)
        if (strcmp(net->note[i].key, key) == 0) return &net->note[i];
    return NULL;
}

const char *weft_net_get_note(const WeftNet *net, const char *key)
{
    const Note *const note = key ? find_note(net, key) : NULL;
    return note ? note->value : NULL;
}

static Note *add_note(WeftNet *net, const char *key)
{
    Note *const grown =
        realloc(net->note, ((size_t)net->notes + 1) * sizeof *net->note);
    if (!grown) return NULL;
    net->note = grown;
    Note *const note = &grown[net->notes];
    *note = (Note){.key = strdup(key)};
    if (!note->key) return NULL;
    net->notes++;
    return note;
}

bool weft_net_note(WeftNet *net, const char *key, const char *value, WeftError *err)
{
    if (!net || !key || !*key) return error(err, "a note needs a key");
    Note *note = find_note(net, key);
    if (!value && note) {
        free(note->key);
        free(note->value);
        *note = net->note[--net->notes];
    }
    if (!value) return true;
    char *const copy = strdup(value);
    if (copy && !note) note = add_note(net, key);
    if (!copy || !note) {
        free(copy);
        return error(err, "out of memory");
    }
    free(note->value);
    note->value = copy;
    return true;
}

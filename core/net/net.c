/* net.c: a net: its parameters in one block, in declaration order.
 *
 *   embedding [V][E] | layer 0 forward | layer 0 backward | layer 1 ... |
 *   head W [O][n], b [O] | encoder's embedding | its layers |
 *   states W, b | first W, b | attention: query W, memory W, v */
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

static bool check_layer(const char *stack, WeftInput input, const WeftLayer *layer,
                        int l, Error *err)
{
    char what[48];
    snprintf(what, sizeof what, "%slayer %d", stack, l);
    if (!layer->cell) return error(err, "%s has no cell", what);
    if (!check_drop(what, layer->drop, err)) return false;
    if (l == 0 && input == WEFT_SYMBOLS && layer->drop > 0)
        return error(err, "%s: symbols cannot be dropped: its drop must be 0", what);
    snprintf(what, sizeof what, "%slayer %d: hidden", stack, l);
    return check_size(what, layer->hidden, err);
}

/* What the model and its encoder both have. name: what begins a message. */
static bool check_stack(const char *name, const WeftEncoder *s, int least, Error *err)
{
    if (s->input > WEFT_EMBEDDING)
        return error(err, "%sunknown input %d", name, (int)s->input);
    char what[32];
    snprintf(what, sizeof what, "%sinputs", name);
    if (!check_size(what, s->inputs, err)) return false;
    snprintf(what, sizeof what, "%sembedding", name);
    if (s->input == WEFT_EMBEDDING && !check_size(what, s->embedding, err))
        return false;
    if (s->layer_count < least || s->layer_count > NET_LAYERS_MAX ||
        (s->layer_count > 0 && !s->layers))
        return error(err, "%s%d layers: from %d to %d", name,
                     s->layers ? s->layer_count : 0, least, NET_LAYERS_MAX);
    for (int l = 0; l < s->layer_count; l++)
        if (!check_layer(name, s->input, &s->layers[l], l, err)) return false;
    return true;
}

static bool check_attention(const WeftModel *m, Error *err)
{
    if (m->attention > WEFT_ADDITIVE)
        return error(err, "unknown attention %d", (int)m->attention);
    if (m->attention == WEFT_NO_ATTENTION) return true;
    if (m->encoder->layer_count == 0)
        return error(err, "attention: the encoder has no layers to read");
    if (m->attention_below < 0 || m->attention_below > m->layer_count)
        return error(err, "attention below %d layers: from 0 to %d", m->attention_below,
                     m->layer_count);
    return m->attention_width == 0 ||
           check_size("attention width", m->attention_width, err);
}

static bool check_encoder(const WeftModel *m, Error *err)
{
    if (!check_stack("encoder: ", m->encoder, 0, err)) return false;
    if (m->encoder->layer_count == 0 && m->encoder->input == WEFT_SYMBOLS)
        return error(err, "encoder: symbols without layers need an embedding");
    if (m->hand_over & ~(WEFT_STATES | WEFT_FIRST | WEFT_EVERY))
        return error(err, "unknown hand-over %d", m->hand_over);
    if (m->hand_over & (WEFT_FIRST | WEFT_EVERY) && m->input == WEFT_SYMBOLS)
        return error(err,
                     "what an encoder has read cannot come beside symbols or as one: "
                     "the input must be dense or an embedding");
    for (int l = 0; l < m->layer_count; l++)
        if (m->layers[l].both)
            return error(err,
                         "layer %d: a net with an encoder makes its sequence from the "
                         "first step on, and has no backward direction",
                         l);
    return check_attention(m, err);
}

static WeftEncoder main_stack(const WeftModel *m)
{
    return (WeftEncoder){m->input, m->inputs, m->embedding, m->layers, m->layer_count};
}

static bool check_model(const WeftModel *m, Error *err)
{
    if (!m) return error(err, "no model");
    if (m->loss > WEFT_SIGMOID) return error(err, "unknown loss %d", (int)m->loss);
    const WeftEncoder main = main_stack(m);
    if (!check_stack("", &main, 1, err)) return false;
    if (!check_size("outputs", m->outputs, err)) return false;
    if (!check_drop("head", m->drop, err)) return false;
    return !m->encoder || check_encoder(m, err);
}

static bool copy_stack(const WeftEncoder *from, Stack *stack, Error *err)
{
    const size_t L = (size_t)from->layer_count;
    *stack = (Stack){.input = from->input, .inputs = from->inputs};
    if (from->input == WEFT_EMBEDDING) stack->embedding = from->embedding;
    stack->given = calloc(L + 1, sizeof *stack->given);
    stack->layer = calloc(L + 1, sizeof *stack->layer);
    if (!stack->given || !stack->layer) return error(err, "out of memory");
    for (size_t l = 0; l < L; l++) {
        Cell *cell;
        if (!cell_copy(from->layers[l].cell, &cell, err)) return false;
        stack->given[l] = from->layers[l];
        stack->given[l].cell = cell;
        stack->count++;
    }
    return true;
}

static bool copy_model(WeftNet *net, const WeftModel *model, Error *err)
{
    const WeftEncoder main = main_stack(model);
    Stack *const stack = net->stack;
    WeftModel *const m = &net->model;
    if (!copy_stack(&main, &stack[MAIN], err)) return false;
    *m = *model;
    m->layers = stack[MAIN].given;
    m->embedding = stack[MAIN].embedding;
    net->layer = stack[MAIN].layer;
    if (!model->encoder) {
        m->hand_over = 0;
        m->attention = WEFT_NO_ATTENTION;
    }
    if (m->attention == WEFT_NO_ATTENTION) m->attention_below = m->attention_width = 0;
    if (!model->encoder) return true;
    if (!copy_stack(model->encoder, &stack[ENCODER], err)) return false;
    stack[ENCODER].stream = NET_LAYERS_MAX + 1; /* the head counts as a layer */
    net->encoder = *model->encoder;
    net->encoder.layers = stack[ENCODER].given;
    net->encoder.embedding = stack[ENCODER].embedding;
    m->encoder = &net->encoder;
    if (m->hand_over == 0) m->hand_over = WEFT_STATES;
    if (m->attention && m->attention_below == 0) m->attention_below = m->layer_count;
    return true;
}

/* ---- widths ---- */

int stack_width(const Stack *s, int l)
{
    if (l == 0) return s->input == WEFT_EMBEDDING ? s->embedding : s->inputs;
    return s->layer[l - 1].width * s->layer[l - 1].directions;
}

int net_summary_width(const WeftNet *net)
{
    const Stack *const s = &net->stack[ENCODER];
    return stack_width(s, s->count);
}

bool net_attends(const WeftNet *net, StackIndex stack, int l)
{
    return net->model.attention && stack == MAIN && l == net->model.attention_below;
}

int net_input_width(const WeftNet *net, StackIndex stack, int l)
{
    int width = stack_width(&net->stack[stack], l);
    if (stack == MAIN && l == 0 && net->model.hand_over & WEFT_EVERY)
        width += net_summary_width(net);
    return net_attends(net, stack, l) ? width + net_summary_width(net) : width;
}

int net_width(const WeftNet *net)
{
    return net_input_width(net, MAIN, net->model.layer_count);
}

bool net_both(const WeftNet *net)
{
    for (int l = 0; l < net->model.layer_count; l++)
        if (net->layer[l].directions == 2) return true;
    return false;
}

size_t stack_states(const Stack *s)
{
    size_t floats = 0;
    for (int l = 0; l < s->count; l++) {
        const Graph *const g = &s->layer[l].graph;
        for (int i = 0; i < g->states; i++)
            floats += (size_t)s->layer[l].directions *
                      (size_t)shape_count(&g->state[i].shape);
    }
    return floats;
}

/* What follows `err` is in which layer. */
static const char *const stack_name[STACKS] = {"", "encoder: "};

static bool in_layer(StackIndex index, int l, Error *err)
{
    Error inner;
    if (!err) return false;
    inner = *err;
    return error(err, "%slayer %d: %.1000s", stack_name[index], l, inner.text);
}

static bool open_layers(WeftNet *net, StackIndex index, Error *err)
{
    Stack *const s = &net->stack[index];
    for (int l = 0; l < s->count; l++) {
        Layer *const layer = &s->layer[l];
        const int width = net_input_width(net, index, l);
        if (!graph_build(s->given[l].cell, width, s->given[l].hidden, &layer->graph,
                         err) ||
            !derive(&layer->graph, err))
            return in_layer(index, l, err);
        layer->inputs = width;
        layer->directions = s->given[l].both ? 2 : 1;
        layer->width = graph_output_width(&layer->graph);
        if (layer->width > NET_SIZE_MAX / 2)
            return error(err, "%slayer %d: an output of %d numbers is too wide",
                         stack_name[index], l, layer->width);
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

static const char *const stack_prefix[STACKS] = {"", "encoder."};

static bool add_layer(WeftNet *net, StackIndex index, int l, int d, Error *err)
{
    Layer *const layer = &net->stack[index].layer[l];
    char prefix[64];
    snprintf(prefix, sizeof prefix, "%slayer%d.%s", stack_prefix[index], l,
             direction_prefix[d]);
    layer->params[d] = net->count;
    for (int i = 0; i < layer->graph.params; i++) {
        const Param *const p = &layer->graph.param[i];
        if (!add_parameter(net, index == MAIN ? l : -1, prefix, p->name, p->shape.axes,
                           p->shape.dim, err))
            return false;
    }
    return true;
}

static bool add_stack(WeftNet *net, StackIndex index, Error *err)
{
    Stack *const s = &net->stack[index];
    const int table[2] = {s->inputs, s->embedding};
    s->table = net->count;
    if (s->input == WEFT_EMBEDDING &&
        !add_parameter(net, -1, stack_prefix[index], "embedding", 2, table, err))
        return false;
    for (int l = 0; l < s->count; l++)
        for (int d = 0; d < s->layer[l].directions; d++)
            if (!add_layer(net, index, l, d, err)) return false;
    return true;
}

static bool add_linear(WeftNet *net, LinearIndex index, const char *name, size_t n,
                       size_t k, bool bias, Error *err)
{
    const int layer = index == HEAD_LINEAR ? net->model.layer_count : -1;
    LinearParams *const linear = &net->linear[index];
    char prefix[48];
    if (n > NET_SIZE_MAX || k > NET_SIZE_MAX)
        return error(err, "%s: a map of %zu numbers to %zu is too large", name, k, n);
    const int shape[2] = {(int)n, (int)k};
    snprintf(prefix, sizeof prefix, "%s.", name);
    *linear = (LinearParams){.n = (int)n, .k = (int)k, .weight = net->count};
    if (!add_parameter(net, layer, prefix, "weight", 2, shape, err)) return false;
    linear->bias = bias ? net->count : NO_BIAS;
    return !bias || add_parameter(net, layer, prefix, "bias", 1, shape, err);
}

/* Whether decoder and encoder have layers with the same states, that can be handed over as
 * they are. */
static bool same_states(const Stack *a, const Stack *b)
{
    if (a->count != b->count) return false;
    for (int l = 0; l < a->count; l++) {
        const Graph *const g = &a->layer[l].graph, *const h = &b->layer[l].graph;
        if (a->layer[l].directions != b->layer[l].directions || g->states != h->states)
            return false;
        for (int i = 0; i < g->states; i++)
            if (shape_count(&g->state[i].shape) != shape_count(&h->state[i].shape))
                return false;
    }
    return true;
}

static bool add_hand_over(WeftNet *net, Error *err)
{
    const Stack *const main = &net->stack[MAIN], *const encoder = &net->stack[ENCODER];
    const int how = net->model.hand_over;
    const size_t summary = (size_t)net_summary_width(net), to = stack_states(main),
                 from = encoder->count > 0 ? stack_states(encoder) : summary;
    if (how & WEFT_STATES && !same_states(main, encoder)) {
        if (to == 0 || from == 0) return error(err, "there are no states to hand over");
        if (!add_linear(net, STATES_LINEAR, "states", to, from, true, err))
            return false;
    }
    return !(how & WEFT_FIRST) ||
           add_linear(net, FIRST_LINEAR, "first", (size_t)stack_width(main, 0), summary,
                      true, err);
}

static bool add_attention(WeftNet *net, Error *err)
{
    const WeftModel *const m = &net->model;
    const int memory = net_summary_width(net),
              query = stack_width(&net->stack[MAIN], m->attention_below);
    const int width = m->attention_width ? m->attention_width : query;
    switch (m->attention) {
    case WEFT_NO_ATTENTION: break;
    case WEFT_DOT:
        if (query != memory)
            return error(err,
                         "dot attention: the net's %d numbers are held against the "
                         "encoder's %d; general and additive need not be as wide",
                         query, memory);
        break;
    case WEFT_GENERAL:
        return add_linear(net, QUERY_LINEAR, "attention.query", (size_t)memory,
                          (size_t)query, false, err);
    case WEFT_ADDITIVE:
        if (!add_linear(net, QUERY_LINEAR, "attention.query", (size_t)width,
                        (size_t)query, false, err) ||
            !add_linear(net, MEMORY_LINEAR, "attention.memory", (size_t)width,
                        (size_t)memory, false, err))
            return false;
        net->attention = net->count;
        return add_parameter(net, -1, "", "attention.v", 1, &width, err);
    }
    return true;
}

static bool add_parameters(WeftNet *net, Error *err)
{
    const WeftModel *const m = &net->model;
    const size_t outputs = (size_t)m->outputs, width = (size_t)net_width(net);
    size_t room = STACKS + 2 * LINEARS + 1;
    for (int i = 0; i < STACKS; i++)
        for (int l = 0; l < net->stack[i].count; l++)
            room += 2 * (size_t)net->stack[i].layer[l].graph.params;
    net->parameter = calloc(room, sizeof *net->parameter);
    if (!net->parameter) return error(err, "out of memory");

    if (!add_stack(net, MAIN, err) ||
        !add_linear(net, HEAD_LINEAR, "head", outputs, width, true, err))
        return false;
    return !m->encoder || (add_stack(net, ENCODER, err) && add_hand_over(net, err) &&
                           add_attention(net, err));
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

/* U(+-1/sqrt(k)), as PyTorch. */
static void draw_uniform(WeftNet *net, size_t at, size_t count, int k, uint64_t stream)
{
    const double bound = 1 / sqrt((double)k);
    for (size_t i = 0; i < count; i++)
        net->params[at + i] =
            (float)(bound * (2 * random_uniform53(net->seed, stream, i) - 1));
}

static bool draw_layer(WeftNet *net, StackIndex index, int l, Error *err)
{
    const Stack *const s = &net->stack[index];
    const Layer *const layer = &s->layer[l];
    const StepShape shape = {
        .T = 1, .B = 1, .symbols = l == 0 && s->input == WEFT_SYMBOLS, .slots = 1};
    const int stream = STREAM_LAYER + 2 * (s->stream + l);
    Step step;
    bool drawn = true;
    if (!step_open(&layer->graph, &shape, &step, err)) return in_layer(index, l, err);
    for (int d = 0; drawn && d < layer->directions; d++)
        drawn = step_initialise(&step, net->seed, (uint64_t)(stream + d),
                                net->params + layer->params[d]);
    step_close(&step);
    return drawn || error(err, "out of memory");
}

/* As PyTorch: an embedding N(0, 1). */
static bool draw_stack(WeftNet *net, StackIndex index, Error *err)
{
    const Stack *const s = &net->stack[index];
    const size_t table = (size_t)s->inputs * (size_t)s->embedding;
    const int stream = index == MAIN ? STREAM_EMBEDDING : STREAM_ENCODER_EMBEDDING;
    for (size_t i = 0; i < table; i++)
        net->params[s->table + i] =
            (float)random_normal(net->seed, (uint64_t)stream, i);
    for (int l = 0; l < s->count; l++)
        if (!draw_layer(net, index, l, err)) return false;
    return true;
}

/* But for the head: the weight and bias of each, which follow one another, and v of
 * attention. */
static void draw_linears(WeftNet *net)
{
    for (int i = HEAD_LINEAR + 1; i < LINEARS; i++) {
        const LinearParams *const l = &net->linear[i];
        if (l->n == 0) continue;
        const size_t weights = (size_t)l->n * (size_t)l->k;
        draw_uniform(net, l->weight, weights + (l->bias != NO_BIAS ? (size_t)l->n : 0),
                     l->k, (uint64_t)(STREAM_LINEAR + i));
    }
    if (net->model.attention == WEFT_ADDITIVE) {
        const int width = net->linear[QUERY_LINEAR].n;
        draw_uniform(net, net->attention, (size_t)width, width,
                     STREAM_LINEAR + LINEARS);
    }
}

static bool draw(WeftNet *net, Error *err)
{
    const LinearParams *const head = &net->linear[HEAD_LINEAR];
    draw_uniform(net, head->weight, (size_t)head->n * (size_t)head->k, head->k,
                 STREAM_HEAD);
    draw_uniform(net, head->bias, (size_t)head->n, head->k, STREAM_HEAD_BIAS);
    draw_linears(net);
    return draw_stack(net, MAIN, err) && draw_stack(net, ENCODER, err);
}

bool net_build(Team *team, const WeftModel *model, uint64_t seed, WeftNet **net,
               Error *err)
{
    if (!check_model(model, err)) return false;
    WeftNet *const made = calloc(1, sizeof *made);
    if (!made) return error(err, "out of memory");
    made->team = team;
    made->seed = seed;
    if (copy_model(made, model, err) && open_layers(made, ENCODER, err) &&
        open_layers(made, MAIN, err) && add_parameters(made, err)) {
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

static void close_stack(Stack *s)
{
    for (int l = 0; l < s->count; l++) {
        cell_close((Cell *)s->given[l].cell);
        graph_close(&s->layer[l].graph);
    }
    free(s->given);
    free(s->layer);
}

void weft_net_close(WeftNet *net)
{
    if (!net) return;
    pass_close(net->training);
    pass_close(net->evaluation);
    pass_close(net->prediction);
    for (int i = 0; i < STACKS; i++) close_stack(&net->stack[i]);
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

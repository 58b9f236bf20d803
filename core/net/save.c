/* save.c: a net into a safetensors file. */
#include "file.h"

#include "../data/tensors.h"

#include <inttypes.h>
#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

typedef struct Saving {
    const WeftNet *net;
    Metadata *pair; /* strings of our own */
    int pairs, room;
    Tensor *tensor;
    int tensors;
    float *states;
    bool failed; /* out of memory, once and for all */
} Saving;

static void put_text(Saving *s, const char *key, const char *value)
{
    if (s->pairs == s->room) {
        const int room = 2 * s->room + 16;
        Metadata *const grown = realloc(s->pair, (size_t)room * sizeof *grown);
        if (!grown) {
            s->failed = true;
            return;
        }
        s->pair = grown;
        s->room = room;
    }
    const Metadata pair = {strdup(key), strdup(value)};
    s->pair[s->pairs++] = pair;
    if (!pair.key || !pair.value) s->failed = true;
}

__attribute__((format(printf, 3, 4))) static void put(Saving *s, const char *key,
                                                      const char *format, ...)
{
    char value[64];
    va_list list;
    va_start(list, format);
    vsnprintf(value, sizeof value, format, list);
    va_end(list);
    put_text(s, key, value);
}

/* prefix: "", or "encoder." */
static void put_layer(Saving *s, const char *prefix, const WeftLayer *layer, int l)
{
    char key[48 + CELL_NAME_MAX];
    const char *name;
    double value;
#define KEY(what) (snprintf(key, sizeof key, "%slayer%d.%s", prefix, l, what), key)
    put_text(s, KEY("cell"), cell_text(layer->cell));
    put_text(s, KEY("origin"), cell_origin(layer->cell));
    put(s, KEY("hidden"), "%d", layer->hidden);
    put(s, KEY("both"), "%d", layer->both);
    put(s, KEY("drop"), "%.9g", (double)layer->drop);
#undef KEY
    for (int i = 0; cell_get_set(layer->cell, i, &name, &value); i++) {
        snprintf(key, sizeof key, "%slayer%d.set.%s", prefix, l, name);
        put(s, key, "%.17g", value);
    }
}

static void put_encoder(Saving *s)
{
    const WeftModel *const m = &s->net->model;
    const WeftEncoder *const e = m->encoder;
    put(s, "encoder.input", "%s", input_words[e->input]);
    put(s, "encoder.inputs", "%d", e->inputs);
    put(s, "encoder.embedding", "%d", e->embedding);
    put(s, "encoder.layers", "%d", e->layer_count);
    put(s, "model.hand_over", "%d", m->hand_over);
    put(s, "model.attention", "%s", attention_words[m->attention]);
    put(s, "model.attention_below", "%d", m->attention_below);
    put(s, "model.attention_width", "%d", m->attention_width);
    for (int l = 0; l < e->layer_count; l++) put_layer(s, "encoder.", &e->layers[l], l);
}

static void put_model(Saving *s)
{
    const WeftModel *const m = &s->net->model;
    put(s, "weft.format", "%s", FILE_FORMAT);
    put(s, "weft.version", "%s", weft_version());
    put(s, "seed", "%" PRIu64, s->net->seed);
    put(s, "updates", "%" PRIu64, s->net->clock.updates);
    put(s, "model.input", "%s", input_words[m->input]);
    put(s, "model.inputs", "%d", m->inputs);
    put(s, "model.embedding", "%d", m->embedding);
    put(s, "model.layers", "%d", m->layer_count);
    put(s, "model.drop", "%.9g", (double)m->drop);
    put(s, "model.outputs", "%d", m->outputs);
    put(s, "model.loss", "%s", loss_words[m->loss]);
    put(s, "model.vector", "%d", m->vector);
    for (int l = 0; l < m->layer_count; l++) put_layer(s, "", &m->layers[l], l);
    if (m->encoder) put_encoder(s);
}

static void put_notes(Saving *s)
{
    for (int i = 0; i < s->net->notes; i++) {
        const Note *const note = &s->net->note[i];
        const size_t size = strlen(note->key) + sizeof "note.";
        char *const key = malloc(size);
        if (!key) {
            s->failed = true;
            return;
        }
        snprintf(key, size, "note.%s", note->key);
        put_text(s, key, note->value);
        free(key);
    }
}

static void add_parameters(Saving *s)
{
    for (int i = 0; i < s->net->parameters; i++) {
        const Parameter *const p = &s->net->parameter[i];
        Tensor *const t = &s->tensor[s->tensors++];
        *t = (Tensor){
            .name = p->name, .axes = p->axes, .values = s->net->params + p->at};
        for (int k = 0; k < p->axes; k++) t->shape[k] = p->shape[k];
    }
}

/* The states that training would go on from: [rows][floats]. */
static void add_states(Saving *s)
{
    const WeftNet *const net = s->net;
    const Pass *const p = net->training;
    const bool running = p && p->carried;
    const int rows = running ? p->shape.B : net->carried.rows;
    const size_t floats = running ? p->side[MAIN].states : net->carried.floats;
    const float *states = net->carried.at;
    if (rows == 0 || floats == 0) return;
    if (running) {
        s->states = malloc((size_t)rows * floats * sizeof *s->states);
        if (!s->states) {
            s->failed = true;
            return;
        }
        pass_get_states(p, s->states);
        states = s->states;
    }
    put(s, "resume.rows", "%d", rows);
    s->tensor[s->tensors++] = (Tensor){
        .name = STATES, .axes = 2, .shape = {rows, (int64_t)floats}, .values = states};
}

static void add_stale(Saving *s)
{
    const Stale *const stale = &s->net->stale;
    if (!stale->at) return;
    put(s, "resume.chunk", "%d", stale->chunk);
    put(s, "resume.burn_in", "%d", stale->burn_in);
    s->tensor[s->tensors++] = (Tensor){
        .name = STALE,
        .axes = 3,
        .shape = {(int64_t)stale->batches, stale->chunks, (int64_t)stale->entry},
        .values = stale->at};
}

static void add_resume(Saving *s)
{
    const WeftNet *const net = s->net;
    const int64_t count = (int64_t)net->count;
    put(s, "resume.batch", "%" PRIu64, net->clock.batch);
    put(s, "resume.steps", "%" PRIu64, net->clock.steps);
    put(s, "resume.offset", "%d", net->clock.offset);
    put(s, "resume.optimizer", "%s", optimizer_words[net->moments.optimizer]);
    put(s, "resume.since", "%" PRIu64, net->moments.since);
    s->tensor[s->tensors++] = (Tensor){
        .name = MOMENT_1, .axes = 1, .shape = {count}, .values = net->moments.first};
    s->tensor[s->tensors++] = (Tensor){
        .name = MOMENT_2, .axes = 1, .shape = {count}, .values = net->moments.second};
    add_states(s);
    add_stale(s);
}

static bool write(Saving *s, const char *path, bool resume, Error *err)
{
    s->tensor = calloc((size_t)s->net->parameters + 4, sizeof *s->tensor);
    if (!s->tensor) return error(err, "out of memory");
    put_model(s);
    put_notes(s);
    add_parameters(s);
    if (resume) add_resume(s);
    if (s->failed) return error(err, "out of memory");
    return tensors_write(path, s->tensor, s->tensors, s->pair, s->pairs, err);
}

bool weft_net_save(const WeftNet *net, const char *path, bool resume, WeftError *err)
{
    if (!net || !path) return error(err, "weft_net_save needs a net and a path");
    const locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!plain) return error(err, "out of memory");
    const locale_t before = uselocale(plain); /* numbers with a point */
    Saving s = {.net = net};
    const bool written = write(&s, path, resume, err);
    uselocale(before);
    freelocale(plain);
    for (int i = 0; i < s.pairs; i++) {
        free((char *)s.pair[i].key);
        free((char *)s.pair[i].value);
    }
    free(s.pair);
    free(s.tensor);
    free(s.states);
    return written;
}

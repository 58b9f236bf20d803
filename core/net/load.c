/* load.c: a net out of a safetensors file. Everything that the file says is checked
 * before anything is taken on trust: words, numbers, equations, names and shapes. */
#include "file.h"

#include "../data/tensors.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

typedef struct Loading {
    const char *path;
    TensorFile *file;
    WeftModel model;
    WeftEncoder encoder;
    WeftLayer *layer[2]; /* the model's and the encoder's, cells our own; each ends with
                            one that has none */
    uint64_t seed, updates;
    int used; /* tensors that were looked for and found */
} Loading;

/* ---- metadata ---- */

static bool get_text(const Loading *l, const char *key, const char **value, Error *err)
{
    *value = tensors_metadata(l->file, key);
    return *value || error(err, "%s: no '%s' in its metadata", l->path, key);
}

static bool get_number(const Loading *l, const char *key, double *value, Error *err)
{
    const char *text;
    char *end;
    if (!get_text(l, key, &text, err)) return false;
    *value = strtod(text, &end);
    if (*text && !*end) return true;
    return error(err, "%s: %s is '%.40s', not a number", l->path, key, text);
}

static bool get_count(const Loading *l, const char *key, uint64_t *value, Error *err)
{
    const char *text;
    char *end;
    if (!get_text(l, key, &text, err)) return false;
    errno = 0;
    *value = strtoull(text, &end, 10);
    if (text[0] >= '0' && text[0] <= '9' && !*end && errno == 0) return true;
    return error(err, "%s: %s is '%.40s', not a whole number", l->path, key, text);
}

static bool get_int(const Loading *l, const char *key, int most, int *value, Error *err)
{
    uint64_t count;
    if (!get_count(l, key, &count, err)) return false;
    if (count > (uint64_t)most)
        return error(err, "%s: %s is %" PRIu64 ", more than %d", l->path, key, count,
                     most);
    *value = (int)count;
    return true;
}

static bool get_bool(const Loading *l, const char *key, bool *value, Error *err)
{
    int number;
    if (!get_int(l, key, 1, &number, err)) return false;
    *value = number == 1;
    return true;
}

static bool get_float(const Loading *l, const char *key, float *value, Error *err)
{
    double number;
    if (!get_number(l, key, &number, err)) return false;
    *value = (float)number;
    return true;
}

static bool get_word(const Loading *l, const char *key, const char *const *words,
                     int *value, Error *err)
{
    const char *text;
    if (!get_text(l, key, &text, err)) return false;
    for (int i = 0; words[i]; i++)
        if (strcmp(words[i], text) == 0) {
            *value = i;
            return true;
        }
    return error(err, "%s: %s is '%.40s', which is none that there is", l->path, key,
                 text);
}

/* ---- the model ---- */

/* Sizes and consts that were changed after reading: layerN.set.NAME. */
static bool read_sets(const Loading *l, const char *stack, int index, Cell *cell,
                      Error *err)
{
    char prefix[48];
    Metadata pair;
    const size_t length =
        (size_t)snprintf(prefix, sizeof prefix, "%slayer%d.set.", stack, index);
    for (int i = 0; tensors_metadata_get(l->file, i, &pair); i++) {
        double value;
        if (strncmp(pair.key, prefix, length) != 0) continue;
        if (!get_number(l, pair.key, &value, err) ||
            !cell_set(cell, pair.key + length, value, err))
            return false;
    }
    return true;
}

static bool read_layer(Loading *l, const char *stack, WeftLayer *layer, int index,
                       Error *err)
{
    const char *text, *origin;
    char key[48];
    Cell *cell;
#define KEY(what) (snprintf(key, sizeof key, "%slayer%d.%s", stack, index, what), key)
    if (!get_text(l, KEY("cell"), &text, err) ||
        !get_text(l, KEY("origin"), &origin, err) ||
        !get_int(l, KEY("hidden"), INT_MAX, &layer->hidden, err) ||
        !get_bool(l, KEY("both"), &layer->both, err) ||
        !get_float(l, KEY("drop"), &layer->drop, err))
        return false;
#undef KEY
    if (!cell_parse(origin, text, strlen(text), &cell, err)) return false;
    layer->cell = cell;
    return read_sets(l, stack, index, cell, err);
}

static bool read_layers(Loading *l, const char *stack, int count, WeftLayer **layers,
                        Error *err)
{
    *layers = calloc((size_t)count + 1, sizeof **layers);
    if (!*layers) return error(err, "out of memory");
    for (int i = 0; i < count; i++)
        if (!read_layer(l, stack, &(*layers)[i], i, err)) return false;
    return true;
}

static bool read_encoder(Loading *l, Error *err)
{
    WeftModel *const m = &l->model;
    WeftEncoder *const e = &l->encoder;
    int input, attention;
    if (!tensors_metadata(l->file, "encoder.input")) return true;
    if (!get_word(l, "encoder.input", input_words, &input, err) ||
        !get_int(l, "encoder.inputs", INT_MAX, &e->inputs, err) ||
        !get_int(l, "encoder.embedding", INT_MAX, &e->embedding, err) ||
        !get_int(l, "encoder.layers", NET_LAYERS_MAX, &e->layer_count, err) ||
        !get_int(l, "model.hand_over", INT_MAX, &m->hand_over, err) ||
        !get_word(l, "model.attention", attention_words, &attention, err) ||
        !get_int(l, "model.attention_below", INT_MAX, &m->attention_below, err) ||
        !get_int(l, "model.attention_width", INT_MAX, &m->attention_width, err) ||
        !read_layers(l, "encoder.", e->layer_count, &l->layer[1], err))
        return false;
    e->input = (WeftInput)input;
    e->layers = l->layer[1];
    m->attention = (WeftAttention)attention;
    m->encoder = e;
    return true;
}

static bool read_model(Loading *l, Error *err)
{
    WeftModel *const m = &l->model;
    const char *format;
    int input, loss;
    if (!(format = tensors_metadata(l->file, "weft.format")))
        return error(err, "%s: not a model of weft: no 'weft.format' in its metadata",
                     l->path);
    if (strcmp(format, FILE_FORMAT) != 0)
        return error(err, "%s: its format is '%.40s'; this weft reads " FILE_FORMAT,
                     l->path, format);
    if (!get_count(l, "seed", &l->seed, err) ||
        !get_count(l, "updates", &l->updates, err) ||
        !get_word(l, "model.input", input_words, &input, err) ||
        !get_int(l, "model.inputs", INT_MAX, &m->inputs, err) ||
        !get_int(l, "model.embedding", INT_MAX, &m->embedding, err) ||
        !get_int(l, "model.layers", NET_LAYERS_MAX, &m->layer_count, err) ||
        !get_float(l, "model.drop", &m->drop, err) ||
        !get_int(l, "model.outputs", INT_MAX, &m->outputs, err) ||
        !get_word(l, "model.loss", loss_words, &loss, err) ||
        !get_bool(l, "model.vector", &m->vector, err))
        return false;
    m->input = (WeftInput)input;
    m->loss = (WeftLoss)loss;
    if (!read_layers(l, "", m->layer_count, &l->layer[0], err)) return false;
    m->layers = l->layer[0];
    return read_encoder(l, err);
}

/* ---- the tensors ---- */

/* The tensor of this name and shape; axes longer than int are never right. */
static const Tensor *find(Loading *l, const char *name, int axes, const int64_t *shape,
                          Error *err)
{
    const Tensor *const t = tensors_find(l->file, name);
    if (!t) {
        error(err, "%s: no tensor '%s'", l->path, name);
        return NULL;
    }
    bool same = t->axes == axes;
    for (int i = 0; same && i < axes; i++) same = t->shape[i] == shape[i];
    if (!same) {
        error(err, "%s: tensor '%s' has not the shape that its model says", l->path,
              name);
        return NULL;
    }
    l->used++;
    return t;
}

static const Tensor *find_parameter(Loading *l, const Parameter *p, Error *err)
{
    int64_t shape[4];
    for (int i = 0; i < p->axes; i++) shape[i] = p->shape[i];
    return find(l, p->name, p->axes, shape, err);
}

/* All are looked for before any memory is taken, so that a file cannot ask for more
 * than it brings. */
static bool read_parameters(Loading *l, WeftNet *net, Error *err)
{
    for (int i = 0; i < net->parameters; i++)
        if (!find_parameter(l, &net->parameter[i], err)) return false;
    if (!net_take_memory(net, err)) return false;
    for (int i = 0; i < net->parameters; i++) {
        const Parameter *const p = &net->parameter[i];
        memcpy(net->params + p->at, tensors_find(l->file, p->name)->values,
               p->count * sizeof(float));
    }
    return true;
}

static bool read_states(Loading *l, WeftNet *net, Error *err)
{
    const Tensor *const t = tensors_find(l->file, STATES);
    Carried *const c = &net->carried;
    if (!t) return true;
    if (!get_int(l, "resume.rows", INT_MAX, &c->rows, err)) return false;
    const int64_t shape[2] = {c->rows, t->axes == 2 ? t->shape[1] : 0};
    if (!find(l, STATES, 2, shape, err)) return false;
    c->floats = (size_t)shape[1];
    const size_t floats = (size_t)c->rows * c->floats;
    c->at = malloc((floats + 1) * sizeof *c->at);
    if (!c->at) return error(err, "out of memory");
    memcpy(c->at, t->values, floats * sizeof *c->at);
    return true;
}

static bool read_stale(Loading *l, WeftNet *net, Error *err)
{
    const Tensor *const t = tensors_find(l->file, STALE);
    Stale *const s = &net->stale;
    if (!t) return true;
    if (!get_int(l, "resume.chunk", INT_MAX, &s->chunk, err) ||
        !get_int(l, "resume.burn_in", INT_MAX, &s->burn_in, err))
        return false;
    if (t->axes != 3 || t->shape[1] > INT_MAX || !find(l, STALE, 3, t->shape, err))
        return error(err, "%s: tensor '%s' has not the three axes that it should",
                     l->path, STALE);
    s->batches = (uint64_t)t->shape[0];
    s->chunks = (int)t->shape[1];
    s->entry = (size_t)t->shape[2];
    const size_t floats = (size_t)s->batches * (size_t)s->chunks * s->entry;
    s->at = malloc((floats + 1) * sizeof *s->at);
    if (!s->at) return error(err, "out of memory");
    memcpy(s->at, t->values, floats * sizeof *s->at);
    return true;
}

static bool read_resume(Loading *l, WeftNet *net, Error *err)
{
    const int64_t count = (int64_t)net->count;
    const Tensor *first, *second;
    int optimizer;
    net->clock.updates = net->moments.since = l->updates;
    if (!tensors_metadata(l->file, "resume.batch")) return true;
    if (!get_count(l, "resume.batch", &net->clock.batch, err) ||
        !get_count(l, "resume.steps", &net->clock.steps, err) ||
        !get_int(l, "resume.offset", INT_MAX, &net->clock.offset, err) ||
        !get_word(l, "resume.optimizer", optimizer_words, &optimizer, err) ||
        !get_count(l, "resume.since", &net->moments.since, err))
        return false;
    if (net->moments.since > net->clock.updates)
        return error(err, "%s: resume.since is after its %" PRIu64 " updates", l->path,
                     net->clock.updates);
    net->moments.optimizer = (WeftOptimizer)optimizer;
    if (!(first = find(l, MOMENT_1, 1, &count, err)) ||
        !(second = find(l, MOMENT_2, 1, &count, err)))
        return false;
    memcpy(net->moments.first, first->values, net->count * sizeof(float));
    memcpy(net->moments.second, second->values, net->count * sizeof(float));
    return read_states(l, net, err) && read_stale(l, net, err);
}

static bool read_notes(const Loading *l, WeftNet *net, Error *err)
{
    Metadata pair;
    for (int i = 0; tensors_metadata_get(l->file, i, &pair); i++)
        if (strncmp(pair.key, "note.", 5) == 0 &&
            !weft_net_note(net, pair.key + 5, pair.value, err))
            return false;
    return true;
}

static bool read_net(Loading *l, WeftNet *net, Error *err)
{
    if (!read_parameters(l, net, err) || !read_resume(l, net, err) ||
        !read_notes(l, net, err))
        return false;
    if (!tensors_get(l->file, l->used)) return true;
    return error(err, "%s: it has tensors that its model has no use for", l->path);
}

static bool load(Loading *l, Team *team, WeftNet **net, Error *err)
{
    Error inner;
    if (!tensors_read(l->path, &l->file, err) || !read_model(l, err)) return false;
    if (!net_build(team, &l->model, l->seed, net, &inner))
        return error(err, "%s: %.900s", l->path, inner.text);
    if (read_net(l, *net, err)) return true;
    weft_net_close(*net);
    return false;
}

bool weft_net_load(WeftTeam *team, const char *path, WeftNet **net, WeftError *err)
{
    if (!team || !path || !net)
        return error(err, "weft_net_load needs a team, a path and a place for the net");
    const locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!plain) return error(err, "out of memory");
    const locale_t before = uselocale(plain); /* numbers with a point */
    Loading l = {.path = path};
    WeftNet *made;
    const bool loaded = load(&l, team, &made, err);
    uselocale(before);
    freelocale(plain);
    for (int i = 0; i < 2; i++) {
        for (int k = 0; l.layer[i] && l.layer[i][k].cell; k++)
            cell_close((Cell *)l.layer[i][k].cell);
        free(l.layer[i]);
    }
    tensors_close(l.file);
    if (loaded) *net = made;
    return loaded;
}

/* settings.c: see settings.h. */
#include "settings.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LAYERS_MAX 32
#define HIDDEN_MAX 1000000

/* ---- cells ---- */

/* As weft_cell_open has it. */
static bool is_file(const char *name)
{
    const char *end = strrchr(name, '.');
    return strchr(name, '/') || (end && !strcmp(end, ".cell"));
}

/* Of "lstm:forget=0:c=1" the length of "lstm". */
static size_t base_length(const char *name)
{
    size_t length = strlen(name);
    for (size_t i = length; i-- > 0;) {
        if (name[i] != ':') continue;
        const char *equals = memchr(name + i, '=', length - i);
        if (!equals || is_file(name + i)) return length;
        length = i;
    }
    return length;
}

bool cell_name_base(const char *name, char base[CELL_NAME_SIZE])
{
    snprintf(base, CELL_NAME_SIZE, "%.*s", (int)base_length(name), name);
    return is_file(base);
}

static bool set_one(void *cell, const char *name, double value, WeftError *err)
{
    return weft_cell_set(cell, name, value, err);
}

bool cell_set_named(WeftCell *cell, const char *name, WeftError *err)
{
    static const Option option = {.name = "cell"};
    char list[CELL_NAME_SIZE], pairs[PAIRS_SIZE] = "";
    const char *tail = name + base_length(name);
    if (!*tail) return true;
    snprintf(list, sizeof list, "%s", tail + 1);
    for (char *colon = list; (colon = strchr(colon, ':'));) *colon = ',';
    return option_pairs.read(&option, list, pairs, err) &&
           pairs_each(pairs, set_one, cell, err);
}

bool cell_open(const char *name, WeftCell **cell, WeftError *err)
{
    char base[CELL_NAME_SIZE];
    cell_name_base(name, base);
    if (!weft_cell_open(base, cell, err)) return false;
    if (cell_set_named(*cell, name, err)) return true;
    weft_cell_close(*cell);
    return false;
}

/* A built-in cell that has what the name sets, or a file, which is not opened yet. */
bool cell_name_good(const char *whole, WeftError *err)
{
    const char *names[256] = {NULL};
    char name[CELL_NAME_SIZE];
    WeftCell *cell;
    if (cell_name_base(whole, name)) return true;
    for (int i = 0; i < 255 && (names[i] = weft_cell_name(i)); i++)
        if (!strcmp(names[i], name)) {
            if (!cell_open(whole, &cell, err)) return false;
            weft_cell_close(cell);
            return true;
        }
    const char *near = weft_nearest(name, names);
    return near ? fail(err, "no cell \"%s\": did you mean %s?", name, near)
                : fail(err,
                       "no cell \"%s\": weft cells lists them; a file's name ends in "
                       ".cell",
                       name);
}

/* None of the list's first `count` is the same. */
static bool cell_is_new(const Option *option, const char *text, const char *item,
                        int count, WeftError *err)
{
    char before[256];
    const char *rest = text;
    while (count-- && list_next(&rest, before, sizeof before))
        if (!strcmp(before, item))
            return fail(err, "--%s %s: %s is there twice", option->name, text, item);
    return true;
}

static bool cells_read(const Option *option, const char *text, void *field,
                       WeftError *err)
{
    char item[256];
    int count = 0;
    for (const char *rest = text; list_next(&rest, item, sizeof item); count++)
        if (!cell_name_good(item, err) || !cell_is_new(option, text, item, count, err))
            return false;
    if (option->max > 0 && count > option->max)
        return fail(err, "--%s %s: expected one cell", option->name, text);
    *(const char **)field = text;
    return true;
}

static void cells_write(const Option *option, const void *field, char *text,
                        size_t size)
{
    option_text.write(option, field, text, size);
}

const OptionKind option_cells = {cells_read, cells_write};

/* "lstm:128", "lstm" or ":128": cuts the width off; 0 where there is none. */
static bool layer_parse(char *item, int *width, WeftError *err)
{
    static const Option option = {.name = "layers", .min = 1, .max = 1e6};
    char *colon = strrchr(item, ':');
    *width = 0;
    if (!colon || strchr(colon, '=')) return true;
    *colon = 0;
    return option_int.read(&option, colon + 1, width, err);
}

static bool layers_are_counted(const char *text)
{
    return !text[strspn(text, "0123456789-")];
}

static bool layers_read(const Option *option, const char *text, void *field,
                        WeftError *err)
{
    static const Option number = {.name = "layers", .min = 1, .max = LAYERS_MAX};
    int count = 0, width;
    char item[256];
    if (layers_are_counted(text)) {
        if (!option_int.read(&number, text, &count, err)) return false;
    } else
        for (const char *rest = text; list_next(&rest, item, sizeof item); count++) {
            if (!*item)
                return fail(err, "--%s %s: expected layers as in lstm:128,gru:64",
                            option->name, text);
            if (!layer_parse(item, &width, err)) return false;
            if (*item && !cell_name_good(item, err)) return false;
        }
    if (count > LAYERS_MAX)
        return fail(err, "--%s %s: more than %d", option->name, text, LAYERS_MAX);
    *(const char **)field = text;
    return true;
}

static const OptionKind option_layers = {layers_read, cells_write};

/* Told, each is over the other's declaration; both are against each other. */
static bool hidden_read(const Option *option, const char *text, void *field,
                        WeftError *err)
{
    Settings *settings = (Settings *)(void *)((char *)field - option->field);
    settings->hidden_told = true;
    if (!settings->parameters_told) settings->parameters = 0;
    return option_int.read(option, text, field, err);
}

static void hidden_write(const Option *option, const void *field, char *text,
                         size_t size)
{
    option_int.write(option, field, text, size);
}

static const OptionKind option_hidden = {hidden_read, hidden_write};

static bool parameters_read(const Option *option, const char *text, void *field,
                            WeftError *err)
{
    Settings *settings = (Settings *)(void *)((char *)field - option->field);
    settings->parameters_told = true;
    return option_count.read(option, text, field, err);
}

static void parameters_write(const Option *option, const void *field, char *text,
                             size_t size)
{
    option_count.write(option, field, text, size);
}

static const OptionKind option_parameters = {parameters_read, parameters_write};

static bool rate_read(const Option *option, const char *text, void *field,
                      WeftError *err)
{
    ((Settings *)(void *)((char *)field - option->field))->rate_told = true;
    return option_number.read(option, text, field, err);
}

static void rate_write(const Option *option, const void *field, char *text, size_t size)
{
    option_number.write(option, field, text, size);
}

static const OptionKind option_rate = {rate_read, rate_write};

static const char *const attentions[] = {"none", "dot", "general", "additive", NULL};
static const char *const hand_overs[] = {"states", "first", "every", NULL};

/* A list of ways; *set: their WeftHandOver bits. */
static bool hand_over_parse(const char *text, int *set)
{
    char item[32];
    *set = 0;
    while (list_next(&text, item, sizeof item)) {
        int i = 0;
        while (hand_overs[i] && strcmp(hand_overs[i], item)) i++;
        if (!hand_overs[i]) return false;
        *set |= 1 << i;
    }
    return *set != 0;
}

static bool hand_over_read(const Option *option, const char *text, void *field,
                           WeftError *err)
{
    int set;
    if (!hand_over_parse(text, &set))
        return fail(err, "--%s %s: expected a list of states, first and every",
                    option->name, text);
    *(const char **)field = text;
    return true;
}

static const OptionKind option_hand_over = {hand_over_read, cells_write};

static const char *const optimizers[] = {"sgd", "rmsprop", "adam", "adamw", NULL};
static const char *const schedules[] = {"constant", "step", "cosine", NULL};

#define FIELD(name) offsetof(Settings, name)

// clang-format off
const Option point_options[] = {
    {"cell", "NAME", "a built-in cell (weft cells), or a file; lstm:forget=0 sets a const of it", &option_cells, FIELD(cell), 0, 1, NULL},
    {"seed", "N", "of parameters, data and dropout", &option_count, FIELD(seed), 0, 9e18, NULL},
    {0},
};
const Option settings_options[] = {
    {"hidden", "N", "hidden units of a layer", &option_hidden, FIELD(hidden), 1, HIDDEN_MAX, NULL},
    {"parameters", "N", "instead of --hidden: the most hidden units whose net has at most so many parameters", &option_parameters, FIELD(parameters), 0, 0, NULL},
    {"layers", "N|LIST", "how many layers, or each: lstm:128,gru:64", &option_layers, FIELD(layers), 0, 0, NULL},
    {"both", NULL, "every layer runs forward and backward in time", &option_switch, FIELD(both), 0, 0, NULL},
    {"embedding", "N", "width of a trained vector for each symbol; 0: one-hot", &option_int, FIELD(embedding), 0, 1e6, NULL},
    {"dropout", "P", "between layers and before the head", &option_number, FIELD(dropout), 0, 0.99, NULL},
    {"set", "NAME=X", "a size or const of the cell; more than one as a=1,b=2", &option_pairs, FIELD(set), 0, 0, NULL},
    {"batch", "N", "rows of a mini-batch", &option_int, FIELD(batch), 1, 1e6, NULL},
    {"chunk", "N", "steps between the cuts of the gradient; 0: never cut", &option_int, FIELD(chunk), 0, 1e7, NULL},
    {"chunks-per-update", "N", "chunks whose gradients make one update", &option_int, FIELD(chunks_per_update), 1, 1e6, NULL},
    {"back", "N", "steps that a chunk's losses are carried back, those before it run anew; 0: --chunk", &option_int, FIELD(back), 0, 0, NULL},
    {"stale", NULL, "approximate: a text's chunks all start at once, from states left an epoch ago", &option_switch, FIELD(stale), 0, 0, NULL},
    {"burn-in", "N", "with --stale: steps that run before a chunk, without losses", &option_int, FIELD(burn_in), 0, 1e7, NULL},
    {"scan", "N", "steps of segments that run side by side, in cells with h' = a h + b; 0: none", &option_int, FIELD(scan), 0, 1e7, NULL},
    {"reset", "N", "batches of a text after which carried states start anew; 0: none", &option_count, FIELD(reset), 0, 0, NULL},
    {"steps", "N", "updates in all", &option_count, FIELD(steps), 0, 0, NULL},
    {"every", "N", "updates between evaluations; 0: a tenth of all", &option_count, FIELD(every), 0, 0, NULL},
    {"optimizer", "NAME", "sgd, rmsprop, adam or adamw", &option_choice, FIELD(optimizer), 0, 0, optimizers},
    {"rate", "X", "learning rate", &option_rate, FIELD(rate), 1e-12, 1e6, NULL},
    {"momentum", "X", "of sgd", &option_number, FIELD(momentum), 0, 1, NULL},
    {"decay", "X", "of the weights: L2, in adamw decoupled", &option_number, FIELD(decay), 0, 1e6, NULL},
    {"schedule", "NAME", "of the rate: constant, step or cosine", &option_choice, FIELD(schedule), 0, 0, schedules},
    {"warmup", "N", "updates in which the rate grows to its value", &option_count, FIELD(warmup), 0, 0, NULL},
    {"period", "N", "updates between drops (step), of the wave (cosine); 0: --steps", &option_count, FIELD(period), 0, 0, NULL},
    {"factor", "X", "of a drop (step), last rate / first rate (cosine)", &option_number, FIELD(factor), 0, 1e6, NULL},
    {"clip", "X", "limit of the gradient's norm; 0: none", &option_number, FIELD(clip), 0, 1e30, NULL},
    {"clip-value", "X", "limit of each element of the gradient; 0: none", &option_number, FIELD(clip_value), 0, 1e30, NULL},
    {0},
};
const Option encoder_options[] = {
    {"encoder", "N|LIST", "layers of the encoder, as --layers; not told: the same", &option_layers, FIELD(encoder), 0, 0, NULL},
    {"encoder-both", NULL, "each of them runs forward and backward in time", &option_switch, FIELD(encoder_both), 0, 0, NULL},
    {"hand-over", "LIST", "how what it has read goes on: as states, as first input, beside every input", &option_hand_over, FIELD(hand_over), 0, 0, NULL},
    {"attention", "NAME", "none, dot, general or additive", &option_choice, FIELD(attention), 0, 0, attentions},
    {"attention-below", "N", "layers below the attention; 0: all", &option_int, FIELD(attention_below), 0, 1e3, NULL},
    {"teacher-last", "P", "with --teacher-updates: probability, at last, that an input is the right one, not what the net said", &option_number, FIELD(teacher_last), 0, 1, NULL},
    {"teacher-updates", "N", "updates in which it falls from 1 to that (Bengio 2015); 0: it does not", &option_count, FIELD(teacher_updates), 0, 0, NULL},
    {0},
};
// clang-format on

/* What hardly any data has is written where it is told. */
void settings_write(const Settings *settings, char text[SETTINGS_TEXT])
{
    static const Settings none;
    text[0] = 0;
    options_write(point_options, settings, text, SETTINGS_TEXT);
    options_write(settings_options, settings, text, SETTINGS_TEXT);
    options_write_changes(encoder_options, &none, settings, text, SETTINGS_TEXT);
}

bool settings_parse(Settings *settings, char *text, WeftError *err)
{
    const OptionGroup groups[] = {{"", point_options, settings},
                                  {"", settings_options, settings},
                                  {"", encoder_options, settings},
                                  {0}};
    return options_parse(groups, text, err);
}

/* A layer is left whose width --parameters may choose. */
static bool has_open_layer(const Settings *settings)
{
    char item[256];
    if (layers_are_counted(settings->layers)) return true;
    for (const char *rest = settings->layers; list_next(&rest, item, sizeof item);) {
        const char *colon = strrchr(item, ':');
        if (!colon || strchr(colon, '=')) return true;
    }
    return false;
}

static bool parameters_good(const Settings *settings, WeftError *err)
{
    if (!settings->parameters || !settings->parameters_told) return true;
    if (settings->hidden_told)
        return fail(err,
                    "--hidden %d with --parameters %" PRIu64 ": expected one of them",
                    settings->hidden, settings->parameters);
    return has_open_layer(settings) ||
           fail(err,
                "--parameters %" PRIu64 ": each layer of --layers %s has its width",
                settings->parameters, settings->layers);
}

bool settings_good(const Settings *settings, bool text, WeftError *err)
{
    const int back = settings->back, chunk = settings->chunk;
    if (!parameters_good(settings, err)) return false;
    if (settings->stale && !text)
        return fail(err, "--stale: expected a text, whose batches come again");
    if (settings->stale && back)
        return fail(err, "--back %d with --stale: expected one of them", back);
    if (settings->burn_in && !settings->stale)
        return fail(err, "--burn-in %d: nothing is stale without --stale",
                    settings->burn_in);
    if (back && !chunk)
        return fail(err, "--back %d: nothing is cut without --chunk", back);
    return !back || back >= chunk ||
           fail(err, "--back %d: expected 0, or at least the %d steps of a chunk", back,
                chunk);
}

void settings_difference(const Settings *from, const Settings *to,
                         char text[SETTINGS_TEXT])
{
    text[0] = 0;
    options_difference(point_options, from, to, text, SETTINGS_TEXT);
    options_difference(settings_options, from, to, text, SETTINGS_TEXT);
    options_difference(encoder_options, from, to, text, SETTINGS_TEXT);
}

/* ---- layers ---- */

typedef struct Layers {
    int count;
    WeftLayer layer[LAYERS_MAX];
    WeftCell *cell[LAYERS_MAX];
    char name[LAYERS_MAX][CELL_NAME_SIZE]; /* of the cells */
} Layers;

static void layers_close(Layers *layers)
{
    for (int i = 0; i < layers->count; i++) weft_cell_close(layers->cell[i]);
}

static bool layers_add(Layers *layers, const Settings *settings, const char *cell,
                       int hidden, WeftError *err)
{
    const int i = layers->count;
    if (!cell_open(cell, &layers->cell[i], err)) return false;
    snprintf(layers->name[i], CELL_NAME_SIZE, "%s", cell);
    layers->layer[i] = (WeftLayer){.cell = layers->cell[i],
                                   .hidden = hidden,
                                   .both = settings->both,
                                   .drop = i ? (float)settings->dropout : 0};
    layers->count++;
    return true;
}

/* What an item leaves out is the settings'. */
static bool layers_fill(Layers *layers, const Settings *settings, const char *text,
                        WeftError *err)
{
    char item[256];
    int width;
    if (layers_are_counted(text)) {
        for (int i = atoi(text); i > 0; i--)
            if (!layers_add(layers, settings, settings->cell, settings->hidden, err))
                return false;
        return true;
    }
    while (list_next(&text, item, sizeof item))
        if (!layer_parse(item, &width, err) ||
            !layers_add(layers, settings, *item ? item : settings->cell,
                        width ? width : settings->hidden, err))
            return false;
    return true;
}

/* A name must be known to one of the cells at least. */
static bool set_any(void *to, const char *name, double value, WeftError *err)
{
    Layers *layers = to;
    bool known = false;
    for (int i = 0; i < layers->count; i++)
        known |= weft_cell_set(layers->cell[i], name, value, err);
    return known;
}

/* What a cell's name sets is over --set, which is of all. */
static bool layers_set(Layers *layers, const Settings *settings, WeftError *err)
{
    if (!pairs_each(settings->set, set_any, layers, err)) return false;
    for (int i = 0; i < layers->count; i++)
        if (!cell_set_named(layers->cell[i], layers->name[i], err)) return false;
    return true;
}

/* A model, and what it is made of. */
typedef struct Made {
    Layers layers, encoder_layers;
    WeftEncoder encoder;
    WeftModel model;
} Made;

static void made_close(Made *made)
{
    layers_close(&made->layers);
    layers_close(&made->encoder_layers);
}

static WeftInput input_of(WeftInput input, const Settings *settings)
{
    return input == WEFT_SYMBOLS && settings->embedding ? WEFT_EMBEDDING : input;
}

/* An embedding is dropped too where there is an encoder: nothing else of a net of one layer is. */
static void drop_embedding(Layers *layers, WeftInput input, const Settings *settings)
{
    if (layers->count && input == WEFT_EMBEDDING)
        layers->layer[0].drop = (float)settings->dropout;
}

/* The encoder of the data, with the layers that the settings tell, if it has any. */
static bool make_encoder(Made *made, const Settings *settings, const WeftEncoder *of,
                         WeftError *err)
{
    Settings own = *settings;
    WeftModel *model = &made->model;
    WeftEncoder *encoder = &made->encoder;
    own.both = settings->encoder_both;
    *encoder = *of;
    encoder->input = input_of(of->input, settings);
    encoder->embedding = settings->embedding;
    if (of->layer_count > 0) {
        const char *text = settings->encoder ? settings->encoder : settings->layers;
        if (!layers_fill(&made->encoder_layers, &own, text, err) ||
            !layers_set(&made->encoder_layers, settings, err))
            return false;
        drop_embedding(&made->encoder_layers, encoder->input, settings);
        encoder->layers = made->encoder_layers.layer;
        encoder->layer_count = made->encoder_layers.count;
    }
    drop_embedding(&made->layers, model->input, settings);
    model->encoder = encoder;
    if (settings->hand_over)
        (void)hand_over_parse(settings->hand_over, &model->hand_over);
    model->attention = (WeftAttention)settings->attention;
    model->attention_below = settings->attention_below;
    return true;
}

/* The model for data of this shape, which is to be closed even then. */
static bool make(Made *made, const Settings *settings, const WeftModel *shape,
                 WeftError *err)
{
    WeftModel *model = &made->model;
    *made = (Made){.model = *shape};
    if (!layers_fill(&made->layers, settings, settings->layers, err) ||
        !layers_set(&made->layers, settings, err))
        return false;
    model->layers = made->layers.layer;
    model->layer_count = made->layers.count;
    model->drop = (float)settings->dropout;
    model->input = input_of(shape->input, settings);
    if (model->input == WEFT_EMBEDDING) model->embedding = settings->embedding;
    return !shape->encoder || make_encoder(made, settings, shape->encoder, err);
}

bool settings_net(const Settings *settings, WeftTeam *team, const WeftModel *shape,
                  WeftNet **net, WeftError *err)
{
    Made made;
    const bool good = make(&made, settings, shape, err) &&
                      weft_net_open(team, &made.model, settings->seed, net, err);
    made_close(&made);
    return good;
}

/* ---- --parameters ---- */

static bool count_at(Settings settings, const WeftModel *shape, int hidden,
                     size_t *count, WeftError *err)
{
    Made made;
    settings.hidden = hidden;
    const bool good = make(&made, &settings, shape, err) &&
                      weft_model_parameters(&made.model, count, err);
    made_close(&made);
    return good;
}

/* The least hidden that the cells can be built with: their heads in common. Its multiples
 * are the others. */
static bool hidden_unit(const Settings *settings, const WeftModel *shape, int *unit,
                        size_t *count, WeftError *err)
{
    WeftError later;
    if (count_at(*settings, shape, *unit = 1, count, err)) return true;
    while (++*unit <= 1024)
        if (count_at(*settings, shape, *unit, count, &later)) return true;
    return false;
}

/* Halves what is between `low`, which fits, and `high`, which does not, in units. */
static bool hidden_between(Settings *settings, const WeftModel *shape, int unit,
                           int low, int high, size_t *count, WeftError *err)
{
    while (high - low > 1) {
        const int middle = low + (high - low) / 2;
        size_t parameters;
        if (!count_at(*settings, shape, middle * unit, &parameters, err)) return false;
        const bool fits = parameters <= settings->parameters;
        *(fits ? &low : &high) = middle;
        if (fits) *count = parameters;
    }
    settings->hidden = low * unit;
    return true;
}

bool settings_solve(Settings *settings, const WeftModel *shape, size_t *count,
                    WeftError *err)
{
    const uint64_t most = settings->parameters;
    int unit, high;
    size_t parameters;
    if (!has_open_layer(settings)) settings->parameters = 0;
    if (!settings->parameters) return true;
    if (!hidden_unit(settings, shape, &unit, &parameters, err)) return false;
    if (parameters > most)
        return fail(err,
                    "--parameters %" PRIu64 ": %s has %zu with --hidden %d, which "
                    "is the least",
                    most, settings->cell, parameters, unit);
    for (int low = 1, most_units = HIDDEN_MAX / unit;; low = high) {
        *count = parameters;
        if (low == most_units)
            return fail(err,
                        "--parameters %" PRIu64 ": %s has only %zu with --hidden %d",
                        most, settings->cell, parameters, low * unit);
        high = 2 * low < most_units ? 2 * low : most_units;
        if (!count_at(*settings, shape, high * unit, &parameters, err)) return false;
        if (parameters > most)
            return hidden_between(settings, shape, unit, low, high, count, err);
    }
}

WeftTrain settings_train(const Settings *settings, uint64_t updates)
{
    return (WeftTrain){
        .updates = updates,
        .chunk = settings->chunk,
        .back = settings->back,
        .stale = settings->stale,
        .burn_in = settings->burn_in,
        .scan = settings->scan,
        .chunks_per_update = settings->chunk ? settings->chunks_per_update : 0,
        .optimizer = (WeftOptimizer)settings->optimizer,
        .rate = (float)settings->rate,
        .momentum = (float)settings->momentum,
        .weight_decay = (float)settings->decay,
        .schedule = (WeftSchedule)settings->schedule,
        .warmup = settings->warmup,
        .period = settings->period ? settings->period : settings->steps,
        .factor = (float)settings->factor,
        .clip_norm = (float)settings->clip,
        .clip_value = (float)settings->clip_value,
        .seed = settings->seed,
        .teacher_last = (float)settings->teacher_last,
        .teacher_updates = settings->teacher_updates,
    };
}

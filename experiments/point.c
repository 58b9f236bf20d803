/* point.c: see point.h. */
#include "point.h"

#include "progress.h"
#include "saved.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const size_names[] = {"short", "full", "long", NULL};

/* ---- what decides its rows ---- */

/* The equations of a file that --layers names: a line of their own. */
static bool add_layers(const char *layers, char *text, size_t size, WeftError *err)
{
    char item[CELL_NAME_SIZE], base[CELL_NAME_SIZE];
    uint64_t bits;
    while (list_next(&layers, item, sizeof item)) {
        char *const width = strrchr(item, ':');
        if (width && !strchr(width, '=')) *width = 0;
        if (!cell_name_base(item, base)) continue;
        if (!file_digest(base, &bits, err)) return false;
        append(text, size, "layer=%016" PRIx64 "\n", bits);
    }
    return true;
}

/* What the declaration, but for the settings, and the file have to do with rows. */
static void add_declaration(const Trial *trial, char *text, size_t size)
{
    const Experiment *e = trial->experiment;
    append(text, size,
           "test=%d\nglance=%d\nsolved=%.9g\nright=%.9g\nfile=%016" PRIx64 "\n",
           e->test, e->glance, e->solved, e->right, trial->file_bits);
}

static void digest_text(const char *text, char digest[17])
{
    snprintf(digest, 17, "%016" PRIx64, fnv(FNV_START, text, strlen(text)));
}

void point_group(const Trial *trial, int length, char group[17])
{
    char text[SETTINGS_TEXT];
    Settings shared = trial->settings;
    shared.cell = "";
    shared.seed = 0;
    shared.rate = 0;
    settings_write(&shared, text);
    add_declaration(trial, text, sizeof text);
    if (experiment_is_measured(trial->experiment))
        append(text, sizeof text, "length=%d\n", length);
    digest_text(text, group);
}

const char *trial_size(const Trial *trial)
{
    return *trial->own || trial->own_rates ? SIZE_OWN : size_names[trial->size];
}

/* All that decides the rows of a point. */
static bool point_digest(Point *point, WeftError *err)
{
    char text[SETTINGS_TEXT], base[CELL_NAME_SIZE];
    uint64_t cell_bits = 0;
    settings_write(&point->settings, text);
    append(text, sizeof text, "length=%d\n", point->length);
    add_declaration(point->trial, text, sizeof text);
    if (cell_name_base(point->cell, base) && !file_digest(base, &cell_bits, err))
        return false;
    append(text, sizeof text, "equations=%016" PRIx64 "\n", cell_bits);
    if (!add_layers(point->settings.layers, text, sizeof text, err)) return false;
    digest_text(text, point->digest);
    return true;
}

/* rate: before the length settled it. */
static void point_command(Point *point, double rate)
{
    const Trial *trial = point->trial;
    const Experiment *experiment = trial->experiment;
    char *const text = point->command;
    const size_t size = sizeof point->command;
    text[0] = 0;
    append(text, size, "weft run %s", experiment->name);
    if (trial->size) append(text, size, " --size %s", size_names[trial->size]);
    append(text, size, " --cell '%s' --length %d --seed %" PRIu64, point->cell,
           point->length, point->settings.seed);
    if (trial->grid.rates) append(text, size, " --rates %.9g", rate);
    append(text, size, "%s", trial->own);
    if (trial->file) append(text, size, " --file '%s'", trial->file);
}

/* ---- opening ---- */

/* Of the updates of a point, in steps of a row. */
static int update_steps(const Point *point)
{
    const Experiment *experiment = point->trial->experiment;
    const Settings *settings = &point->settings;
    if (experiment->text) return settings->chunk * settings->chunks_per_update;
    return experiment->task.steps ? experiment->task.steps(point->length, TRAINING)
                                  : point->length;
}

static bool point_try(Point *point, WeftTeam *team, WeftError *err)
{
    WeftNet *net;
    const Data *data = &point->trial->data;
    if (!settings_net(&point->settings, team, &data->shape, &net, err)) return false;
    point->parameters = weft_net_parameters(net);
    point->work =
        (double)point->parameters * update_steps(point) * point->settings.batch;
    weft_net_close(net);
    return true;
}

bool point_open(Point *point, const Trial *trial, const Settings *settings, int length,
                uint64_t seed, WeftTeam *team, WeftError *err)
{
    size_t parameters;
    *point = (Point){.trial = trial, .settings = *settings, .length = length};
    snprintf(point->cell, sizeof point->cell, "%s", settings->cell);
    point->settings.cell = point->cell;
    point->settings.seed = seed;
    experiment_length(trial->experiment, length, &point->settings);
    point_command(point, settings->rate);
    point_group(trial, length, point->group);
    return settings_solve(&point->settings, &trial->data.shape, &parameters, err) &&
           point_digest(point, err) && point_try(point, team, err);
}

bool point_owns(const Point *point, const Row *row)
{
    return !strcmp(row->group, point->group) && !strcmp(row->cell, point->cell) &&
           row->length == (uint64_t)point->length &&
           row->seed == point->settings.seed &&
           fabs(row->rate - point->settings.rate) <= 1e-8 * row->rate &&
           !row_is_baseline(row);
}

/* ---- training ---- */

/* A point while it runs. */
typedef struct Running {
    Point *point;
    const PointWatch *watch;
    WeftNet *net;
    Data data;
    bool finite, stopped;
} Running;

static bool on_progress(void *context, const WeftProgress *progress)
{
    Running *running = context;
    running->finite = progress->finite;
    running->point->done = progress->update;
    if (!running->watch->progress(running->watch->context, running->point, progress))
        running->stopped = true;
    return !running->stopped && progress->finite;
}

static Row row_of(const Running *running, const char *state, char digest[17])
{
    const Point *point = running->point;
    snprintf(digest, 17, "%016" PRIx64, weft_net_digest(running->net));
    return (Row){.experiment = point->trial->experiment->name,
                 .cell = point->cell,
                 .length = (uint64_t)point->length,
                 .seed = point->settings.seed,
                 .step = weft_net_updates(running->net),
                 .loss = NAN,
                 .score = NAN,
                 .digest = digest,
                 .seconds = seconds_now() - point->began,
                 .isa = weft_isa(),
                 .threads = (uint64_t)point->threads,
                 .state = state,
                 .rate = point->settings.rate,
                 .validation = NAN,
                 .size = trial_size(point->trial),
                 .group = point->group,
                 .settings = point->digest,
                 .command = point->command};
}

/* A glance at the validation gives a point on the curve. Success is one of all of it; then,
 * or at the end, the test is scored, once. */
static bool point_score(Running *running, Row *row, WeftError *err)
{
    const Experiment *experiment = running->point->trial->experiment;
    const bool spent = weft_net_updates(running->net) >= running->point->settings.steps;
    Data *data = &running->data;
    WeftScore held, test;
    if (!data->evaluate(data, running->net, VALIDATION, experiment->glance, &held, err))
        return false;
    if (experiment->glance < 100 && experiment_solves(experiment, &held) &&
        !data->evaluate(data, running->net, VALIDATION, 100, &held, err))
        return false;
    const bool solved = experiment_solves(experiment, &held);
    row->loss = row->validation = held.loss;
    row->score = held.accuracy;
    if (!spent && !solved) return true;
    if (!data->evaluate(data, running->net, TEST, 100, &test, err)) return false;
    row->state = solved ? STATE_SOLVED : STATE_SPENT;
    row->loss = test.loss;
    row->score = test.accuracy;
    return true;
}

static uint64_t next_stop(const Settings *settings, uint64_t update)
{
    const uint64_t tenth = settings->steps / 10 + 1;
    const uint64_t every = settings->every ? settings->every : tenth;
    const uint64_t next = (update / every + 1) * every;
    return next < settings->steps ? next : settings->steps;
}

/* Up to the next evaluation, which is in *row; running->stopped: there is none. */
static bool point_part(Running *running, Row *row, WeftError *err)
{
    const Settings *settings = &running->point->settings;
    const WeftTrain train =
        settings_train(settings, next_stop(settings, weft_net_updates(running->net)));
    if (settings->steps && !weft_train(running->net, &train, &running->data.train,
                                       on_progress, running, err))
        return false;
    if (!running->finite) row->state = STATE_DIVERGED;
    return !running->finite || running->stopped || point_score(running, row, err);
}

static bool point_measure(Running *running, WeftError *err)
{
    const Point *point = running->point;
    const Experiment *experiment = point->trial->experiment;
    Measured measured = {0};
    char digest[17];
    if (!experiment->measure) return true;
    if (!experiment->measure(running->net, &running->data, &point->settings,
                             point->length, &measured, err))
        return false;
    Row row = row_of(running, STATE_MEASURED, digest);
    for (int i = 0; i < measured.count; i++) {
        row.at = measured.at[i];
        row.loss = measured.value[i];
        if (!running->watch->row(running->watch->context, running->point, &row, err))
            return false;
    }
    return true;
}

static bool point_train(Running *running, WeftError *err)
{
    const PointWatch *watch = running->watch;
    char digest[17];
    running->finite = true;
    for (;;) {
        Row got = {
            .state = STATE_RUNNING, .loss = NAN, .score = NAN, .validation = NAN};
        if (!point_part(running, &got, err)) return false;
        if (running->stopped) return true;
        Row row = row_of(running, got.state, digest);
        row.loss = got.loss;
        row.score = got.score;
        row.validation = got.validation;
        const bool last = strcmp(row.state, STATE_RUNNING) != 0;
        if (last && running->finite && !point_measure(running, err)) return false;
        if (!watch->row(watch->context, running->point, &row, err)) return false;
        if (!last) continue;
        watch->over(watch->context, running->point, &row);
        return true;
    }
}

static bool point_run_team(Point *point, WeftTeam *team, const PointWatch *watch,
                           WeftError *err)
{
    Running running = {.point = point, .watch = watch};
    const Trial *trial = point->trial;
    DataOptions options = {DATA_OPTIONS_COMMON};
    options.length = point->length;
    options.file = trial->file;
    if (!experiment_data(trial->experiment, &options, &point->settings, &running.data,
                         err))
        return false;
    bool good =
        settings_net(&point->settings, team, &running.data.shape, &running.net, err);
    if (good) {
        good = point_train(&running, err);
        weft_net_close(running.net);
    }
    running.data.close(&running.data);
    return good;
}

bool point_run(Point *point, const PointWatch *watch, WeftError *err)
{
    WeftTeam *team;
    point->began = seconds_now();
    if (!weft_team_open(point->threads, &team, err)) return false;
    point->threads = weft_team_threads(team);
    const bool good = point_run_team(point, team, watch, err);
    weft_team_close(team);
    return good;
}

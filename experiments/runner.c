/* runner.c: `weft run`: the grid of cells, lengths and seeds, its points side by side.
 *
 * Rows are all that a run leaves. A point whose last row is there, from the same
 * settings, is skipped; one that was cut off starts again, and its rows with it. */
#include "corpus.h"
#include "progress.h"
#include "rows.h"
#include "saved.h"
#include "verbs.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct Options {
    const char *out, *file;
    int threads;
} Options;

/* One experiment as it is asked for. */
typedef struct Trial {
    const Experiment *experiment;
    Grid grid;
    Settings settings;
    Options options;
    Corpus corpus;      /* of a text */
    uint64_t file_bits; /* its digest */
    char path[4096];    /* of the rows */
} Trial;

typedef struct Campaign Campaign;

/* One training. */
typedef struct Point {
    Campaign *campaign;
    const Trial *trial;
    Settings settings;
    char cell[CELL_NAME_SIZE];
    int length, threads;
    bool finished; /* before this run */
    uint64_t done; /* updates */
    double work;   /* of one update, in about the same unit for all points */
    double began;
    char digest[17];    /* of the settings */
    char command[1024]; /* that repeats this point alone */
} Point;

struct Campaign {
    Trial *trial;
    int trials;
    int lock_file; /* on the folder of the rows; -1: none */
    Point *point;
    int points, pending, over; /* over: those of the pending that have ended */
    double began, shown, told; /* seconds */
    pthread_mutex_t lock;      /* over points' done, rows and messages */
    atomic_bool failed;
    WeftError err;
};

#define GRID(name)  offsetof(Grid, name)
#define FIELD(name) offsetof(Options, name)
// clang-format off
static const Option grid_options[] = {
    {"cell", "A,B", "cells: built-in ones, or files with equations", &option_cells, GRID(cells), 0, 0, NULL},
    {"length", "A,B", "steps of a sequence; of a text: between the cuts", &option_numbers, GRID(lengths), 1, 1e7, NULL},
    {"seed", "A..B", "seeds", &option_numbers, GRID(seeds), 0, 9e18, NULL},
    {0},
};
static const Option run_options[] = {
    {"out", "DIR", "where the rows go", &option_text, FIELD(out), 0, 0, NULL},
    {"threads", "N", "0: one for each usable physical core", &option_int, FIELD(threads), 0, 4096, NULL},
    {"file", "FILE", "the text of the experiment text", &option_text, FIELD(file), 0, 0, NULL},
    {0},
};
// clang-format on
#undef FIELD
#undef GRID

/* ---- what is asked for ---- */

/* An experiment, with the options of the call over its declaration. */
static bool trial_read(Trial *trial, const Experiment *experiment, const Verb *verb,
                       int argc, char **argv, Call *call, WeftError *err)
{
    *trial = (Trial){.experiment = experiment,
                     .grid = experiment->grid,
                     .settings = experiment->train,
                     .options = {.out = "build/results", .file = experiment->file}};
    const OptionGroup groups[] = {
        {"Options", run_options, &trial->options},
        {"The grid (of adding; others have their own)", grid_options, &trial->grid},
        {"Every point", settings_options, &trial->settings},
        {0}};
    return verb_call(verb, groups, argc, argv, call, err);
}

/* The chunks of a text are the grid's lengths. */
static bool trial_good(const Trial *trial, WeftError *err)
{
    const Numbers *lengths = &trial->grid.lengths;
    Settings settings = trial->settings;
    if (trial->experiment->task.draw) return settings_good(&settings, false, err);
    for (int l = 0; l < lengths->count; l++) {
        settings.chunk = (int)lengths->item[l];
        if (!settings_good(&settings, true, err)) return false;
    }
    return corpus_settings_good(&settings, err);
}

static bool directory_make(const char *path, WeftError *err)
{
    char part[4096];
    for (size_t i = 1; i <= strlen(path) && i < sizeof part; i++) {
        if (path[i] && path[i] != '/') continue;
        snprintf(part, sizeof part, "%.*s", (int)i, path);
        if (mkdir(part, 0777) && errno != EEXIST)
            return fail(err, "%s: %s", part, strerror(errno));
    }
    return true;
}

static bool text_open(Trial *trial, WeftError *err)
{
    const double split[3] = {90, 5, 5};
    WeftError why;
    if (corpus_open(trial->options.file, false, split, NULL, 0, &trial->corpus, &why))
        return file_digest(trial->options.file, &trial->file_bits, err);
    return fail(err,
                "%s (--file names another text; experiments/run makes the default one)",
                why.text);
}

static bool trial_open(Trial *trial, WeftError *err)
{
    snprintf(trial->path, sizeof trial->path, "%s/%s.tsv", trial->options.out,
             trial->experiment->name);
    return trial->experiment->task.draw || text_open(trial, err);
}

static void trial_close(Trial *trial)
{
    if (trial->corpus.text) corpus_close(&trial->corpus);
}

static WeftModel trial_shape(const Trial *trial)
{
    if (trial->experiment->task.draw) return task_shape(&trial->experiment->task);
    return (WeftModel){.input = WEFT_SYMBOLS,
                       .inputs = trial->corpus.alphabet,
                       .outputs = trial->corpus.alphabet,
                       .loss = WEFT_SOFTMAX};
}

/* ---- points ---- */

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

/* All that decides the rows of a point, and of a text's baselines. */
static bool point_digest(Point *point, WeftError *err)
{
    char text[SETTINGS_TEXT], base[CELL_NAME_SIZE];
    uint64_t cell_bits = 0;
    settings_write(&point->settings, text);
    append(text, sizeof text, "length=%d\nfile=%016" PRIx64 "\n", point->length,
           point->trial->file_bits);
    if (cell_name_base(point->cell, base) && !file_digest(base, &cell_bits, err))
        return false;
    append(text, sizeof text, "equations=%016" PRIx64 "\n", cell_bits);
    if (!add_layers(point->settings.layers, text, sizeof text, err)) return false;
    snprintf(point->digest, sizeof point->digest, "%016" PRIx64,
             fnv(FNV_START, text, strlen(text)));
    return true;
}

static void point_command(Point *point)
{
    const Trial *trial = point->trial;
    snprintf(point->command, sizeof point->command,
             "weft run %s --cell '%s' --length %d --seed %" PRIu64,
             trial->experiment->name, point->cell, point->length, point->settings.seed);
    options_difference(settings_options, &trial->experiment->train, &trial->settings,
                       point->command, sizeof point->command);
    if (!trial->experiment->task.draw)
        append(point->command, sizeof point->command, " --file '%s'",
               trial->options.file);
}

/* Opens the net once, so that a bad cell or size is told before hours of work. */
static bool point_try(Point *point, WeftTeam *team, WeftError *err)
{
    WeftNet *net;
    const WeftModel shape = trial_shape(point->trial);
    if (!settings_net(&point->settings, team, &shape, &net, err)) return false;
    point->work =
        (double)weft_net_parameters(net) * point->length * point->settings.batch;
    weft_net_close(net);
    return true;
}

static bool point_open(Point *point, Campaign *campaign, const Trial *trial,
                       const Settings *settings, int length, uint64_t seed,
                       WeftTeam *team, WeftError *err)
{
    *point = (Point){
        .campaign = campaign, .trial = trial, .settings = *settings, .length = length};
    snprintf(point->cell, sizeof point->cell, "%s", settings->cell);
    point->settings.cell = point->cell;
    point->settings.seed = seed;
    if (!trial->experiment->task.draw) point->settings.chunk = length;
    point_command(point);
    return point_digest(point, err) && point_try(point, team, err);
}

static int cells_count(const char *cells)
{
    int count = 0;
    char item[256];
    while (list_next(&cells, item, sizeof item)) count++;
    return count;
}

/* The width of one cell's layers, where --parameters is to find it. */
static bool trial_solve(const Trial *trial, Settings *settings, WeftError *err)
{
    const WeftModel shape = trial_shape(trial);
    size_t count;
    if (!settings_solve(settings, &shape, &count, err)) return false;
    if (settings->parameters)
        progress_line("%s %s: hidden %d, %zu parameters", trial->experiment->name,
                      settings->cell, settings->hidden, count);
    return true;
}

static bool trial_points(Campaign *campaign, const Trial *trial, WeftTeam *team,
                         WeftError *err)
{
    char cell[CELL_NAME_SIZE];
    const Grid *grid = &trial->grid;
    for (const char *rest = grid->cells; list_next(&rest, cell, sizeof cell);) {
        Settings settings = trial->settings;
        settings.cell = cell;
        if (!trial_solve(trial, &settings, err)) return false;
        for (int l = 0; l < grid->lengths.count; l++)
            for (int s = 0; s < grid->seeds.count; s++)
                if (!point_open(&campaign->point[campaign->points++], campaign, trial,
                                &settings, (int)grid->lengths.item[l],
                                grid->seeds.item[s], team, err))
                    return false;
    }
    return true;
}

/* The longest first, so that no thread is left alone with one at the end; those that
 * are finished last. */
static int by_work(const void *a, const void *b)
{
    const Point *p = a, *q = b;
    if (p->finished != q->finished) return p->finished ? 1 : -1;
    const double left = p->work * (double)p->settings.steps;
    const double right = q->work * (double)q->settings.steps;
    if (left != right) return left < right ? 1 : -1;
    const int cells = strcmp(p->cell, q->cell);
    if (cells) return cells;
    return p->settings.seed < q->settings.seed ? -1
                                               : p->settings.seed > q->settings.seed;
}

/* ---- rows ---- */

static bool point_owns(const Point *point, const Row *row)
{
    return !strcmp(row->experiment, point->trial->experiment->name) &&
           !strcmp(row->cell, point->cell) && row->length == (uint64_t)point->length &&
           row->seed == point->settings.seed && strcmp(row->state, STATE_BASELINE);
}

typedef struct Keep {
    const Campaign *campaign;
    const Trial *trial;
} Keep;

static bool row_keep(const void *context, const Row *row)
{
    const Keep *keep = context;
    for (int i = 0; i < keep->campaign->points; i++) {
        const Point *point = &keep->campaign->point[i];
        if (point->trial == keep->trial && point_owns(point, row))
            return point->finished;
    }
    return strcmp(row->state, STATE_BASELINE) != 0; /* those are written anew */
}

static bool baseline_rows(const Trial *trial, WeftError *err)
{
    double nats[NGRAM_ORDERS];
    if (trial->experiment->task.draw) return true;
    if (!corpus_ngrams(&trial->corpus, VALIDATION, nats, err)) return false;
    for (int order = 0; order < NGRAM_ORDERS; order++) {
        char cell[32];
        snprintf(cell, sizeof cell, "order %d", order);
        const Row row = {.experiment = trial->experiment->name,
                         .cell = cell,
                         .loss = nats[order],
                         .digest = "-",
                         .isa = weft_isa(),
                         .threads = 1,
                         .state = STATE_BASELINE,
                         .settings = "-",
                         .command = "-"};
        if (!row_append(trial->path, &row, err)) return false;
    }
    return true;
}

/* Finds what an earlier run finished, and drops what it left half done. */
static bool trial_recall(Campaign *campaign, const Trial *trial, WeftError *err)
{
    Rows rows;
    if (!rows_read(trial->path, &rows, err)) return false;
    for (int i = 0; i < rows.count; i++)
        for (int p = 0; p < campaign->points; p++) {
            Point *point = &campaign->point[p];
            if (point->trial == trial && point_owns(point, &rows.row[i]) &&
                row_is_last(&rows.row[i]))
                point->finished = !strcmp(rows.row[i].settings, point->digest);
        }
    const Keep keep = {campaign, trial};
    const bool good = rows_rewrite(trial->path, &rows, row_keep, &keep, err);
    rows_close(&rows);
    return good && baseline_rows(trial, err);
}

/* ---- one training ---- */

/* A point while it runs. */
typedef struct Running {
    Point *point;
    WeftNet *net;
    Drawn train_draw, test_draw;
    Streams streams;
    WeftSource train, test;
    uint64_t test_batches;
    bool finite;
} Running;

static void campaign_fail(Campaign *campaign, const WeftError *err)
{
    pthread_mutex_lock(&campaign->lock);
    if (!campaign->failed) campaign->err = *err;
    campaign->failed = true;
    pthread_mutex_unlock(&campaign->lock);
}

/* Seconds that the rest of the pending points will take, by the work done so far. */
static double campaign_left(const Campaign *campaign)
{
    double done = 0, all = 0;
    for (int i = 0; i < campaign->pending; i++) {
        const Point *point = &campaign->point[i];
        done += point->work * (double)point->done;
        all += point->work * (double)point->settings.steps;
    }
    return done > 0 ? (seconds_now() - campaign->began) * (all - done) / done : 0;
}

#define LIVE_SECONDS 0.25
#define LOG_SECONDS  15

static void campaign_show(Campaign *campaign, const Point *point, double loss)
{
    char left[DURATION_SIZE];
    const double now = seconds_now();
    const bool live = progress_is_live();
    if (now - campaign->shown < (live ? LIVE_SECONDS : LOG_SECONDS)) return;
    campaign->shown = now;
    void (*const show)(const char *, ...) = live ? progress_live : progress_line;
    show("%d/%d points  %s left  (%s %s %d seed %" PRIu64 ": update %" PRIu64
         "/%" PRIu64 ", loss %.4g)",
         campaign->over, campaign->pending,
         duration_text(campaign_left(campaign), left), point->trial->experiment->name,
         point->cell, point->length, point->settings.seed, point->done,
         point->settings.steps, loss);
}

static bool on_progress(void *context, const WeftProgress *progress)
{
    Running *running = context;
    Campaign *campaign = running->point->campaign;
    running->finite = progress->finite;
    pthread_mutex_lock(&campaign->lock);
    running->point->done = progress->update;
    campaign_show(campaign, running->point, progress->loss);
    const bool go_on = !campaign->failed && !interrupt_asked();
    pthread_mutex_unlock(&campaign->lock);
    return go_on && progress->finite;
}

static bool point_row(const Running *running, const char *state, const WeftScore *score,
                      WeftError *err)
{
    const Point *point = running->point;
    char digest[17];
    snprintf(digest, sizeof digest, "%016" PRIx64, weft_net_digest(running->net));
    const Row row = {.experiment = point->trial->experiment->name,
                     .cell = point->cell,
                     .length = (uint64_t)point->length,
                     .seed = point->settings.seed,
                     .step = weft_net_updates(running->net),
                     .loss = score->loss,
                     .accuracy = score->accuracy,
                     .digest = digest,
                     .seconds = seconds_now() - point->began,
                     .isa = weft_isa(),
                     .threads = (uint64_t)point->threads,
                     .state = state,
                     .settings = point->digest,
                     .command = point->command};
    pthread_mutex_lock(&point->campaign->lock);
    const bool good = row_append(point->trial->path, &row, err);
    pthread_mutex_unlock(&point->campaign->lock);
    return good;
}

/* A glance at the test gives a point on the curve; success and the end need all of
 * it. */
static bool point_score(const Running *running, const char **state, WeftScore *score,
                        WeftError *err)
{
    const Experiment *experiment = running->point->trial->experiment;
    const uint64_t all = running->test_batches;
    const uint64_t some = (all * (uint64_t)experiment->glance + 99) / 100;
    const bool spent = weft_net_updates(running->net) >= running->point->settings.steps;
    *state = STATE_RUNNING;
    if (!weft_evaluate(running->net, &running->test, 0, spent ? all : some, score, err))
        return false;
    if (score->loss < experiment->solved && !spent)
        if (!weft_evaluate(running->net, &running->test, 0, all, score, err))
            return false;
    if (spent) *state = STATE_SPENT;
    if (score->loss < experiment->solved) *state = STATE_SOLVED;
    return true;
}

static void point_say(const Running *running, const char *state, const WeftScore *score)
{
    Point *point = running->point;
    Campaign *campaign = point->campaign;
    char time[DURATION_SIZE];
    pthread_mutex_lock(&campaign->lock);
    point->done = point->settings.steps; /* for the time left: no more to do */
    campaign->over++;
    progress_line(
        "%d/%d  %s %s %d seed %" PRIu64 ": %s after %" PRIu64 " updates, %.6g %s, %s",
        campaign->over, campaign->pending, point->trial->experiment->name, point->cell,
        point->length, point->settings.seed, state, weft_net_updates(running->net),
        score->loss, point->trial->experiment->unit,
        duration_text(seconds_now() - point->began, time));
    pthread_mutex_unlock(&campaign->lock);
}

/* Up to the next evaluation. *state: of its row, or NULL when the run was cut off. */
static bool point_part(Running *running, const char **state, WeftScore *score,
                       WeftError *err)
{
    const Settings *settings = &running->point->settings;
    const uint64_t every =
        settings->every ? settings->every : (settings->steps + 9) / 10;
    const uint64_t next = (weft_net_updates(running->net) / every + 1) * every;
    const WeftTrain train =
        settings_train(settings, next < settings->steps ? next : settings->steps);
    *state = NULL;
    if (!weft_train(running->net, &train, &running->train, on_progress, running, err))
        return false;
    if (!running->finite) {
        *state = STATE_DIVERGED;
        *score = (WeftScore){.loss = NAN};
        return true;
    }
    if (interrupt_asked() || running->point->campaign->failed) return true;
    return point_score(running, state, score, err);
}

static bool point_train(Running *running, WeftError *err)
{
    const char *state = STATE_RUNNING;
    WeftScore score = {0};
    running->finite = true;
    while (!strcmp(state, STATE_RUNNING)) {
        if (!point_part(running, &state, &score, err)) return false;
        if (!state) return true;
        if (!point_row(running, state, &score, err)) return false;
    }
    point_say(running, state, &score);
    return true;
}

static bool sources_drawn(Running *running)
{
    const Point *point = running->point;
    const Experiment *experiment = point->trial->experiment;
    const int rows = point->settings.batch;
    running->train_draw = (Drawn){&experiment->task, point->settings.seed, 0, rows};
    running->test_draw =
        (Drawn){&experiment->task, TEST_SEED, (uint64_t)experiment->test, rows};
    running->train = drawn_source(&running->train_draw, point->length);
    running->test = drawn_source(&running->test_draw, point->length);
    running->test_batches = drawn_batches(&running->test_draw);
    return true;
}

static bool sources_text(Running *running, WeftError *err)
{
    const Point *point = running->point;
    const Corpus *corpus = &point->trial->corpus;
    const int rows = point->settings.batch;
    const int steps = point->length * point->settings.chunks_per_update;
    if (!corpus_streams(corpus, &point->settings, &running->streams, err)) return false;
    running->train = streams_source(&running->streams);
    if (corpus_source(corpus, VALIDATION, rows, steps, &running->test,
                      &running->test_batches, err))
        return true;
    weft_source_close(&running->streams.inner);
    return false;
}

static bool point_run_net(Point *point, WeftTeam *team, WeftError *err)
{
    const bool text = !point->trial->experiment->task.draw;
    const WeftModel shape = trial_shape(point->trial);
    Running running = {.point = point};
    if (!settings_net(&point->settings, team, &shape, &running.net, err)) return false;
    bool good = text ? sources_text(&running, err) : sources_drawn(&running);
    if (good) {
        good = point_train(&running, err);
        if (text) {
            weft_source_close(&running.streams.inner);
            weft_source_close(&running.test);
        }
    }
    weft_net_close(running.net);
    return good;
}

static void point_run(void *context, int i)
{
    Campaign *campaign = context;
    Point *point = &campaign->point[i];
    WeftTeam *team;
    WeftError err;
    if (interrupt_asked() || campaign->failed) return;
    point->began = seconds_now();
    if (!weft_team_open(point->threads, &team, &err)) {
        campaign_fail(campaign, &err);
        return;
    }
    point->threads = weft_team_threads(team);
    if (!point_run_net(point, team, &err)) campaign_fail(campaign, &err);
    weft_team_close(team);
}

/* ---- the whole grid ---- */

static bool campaign_plan(Campaign *campaign, WeftTeam *team, WeftError *err)
{
    int points = 0;
    const char *out = campaign->trial[0].options.out; /* of all of them */
    if (!directory_make(out, err) || !rows_lock(out, &campaign->lock_file, err))
        return false;
    for (int i = 0; i < campaign->trials; i++) {
        const Grid *grid = &campaign->trial[i].grid;
        points += cells_count(grid->cells) * grid->lengths.count * grid->seeds.count;
    }
    campaign->point = calloc((size_t)points + 1, sizeof *campaign->point);
    if (!campaign->point) return fail(err, "out of memory");
    for (int i = 0; i < campaign->trials; i++)
        if (!trial_open(&campaign->trial[i], err) ||
            !trial_points(campaign, &campaign->trial[i], team, err))
            return false;
    for (int i = 0; i < campaign->trials; i++)
        if (!trial_recall(campaign, &campaign->trial[i], err)) return false;
    for (int i = 0; i < campaign->points; i++)
        campaign->pending += !campaign->point[i].finished;
    /* A point's settings name its own cell, so it must not move after this. */
    qsort(campaign->point, (size_t)campaign->points, sizeof *campaign->point, by_work);
    for (int i = 0; i < campaign->points; i++)
        campaign->point[i].settings.cell = campaign->point[i].cell;
    return true;
}

static Status campaign_run(Campaign *campaign, WeftTeam *team, WeftError *err)
{
    if (*weft_team_note(team))
        progress_line("%d threads: %s", weft_team_threads(team), weft_team_note(team));
    progress_line("%d points, %d of them finished before; %d threads, %s",
                  campaign->points, campaign->points - campaign->pending,
                  weft_team_threads(team), weft_isa());
    interrupt_watch();
    campaign->began = campaign->shown = seconds_now();
    /* A grid of one point may have all threads; the last of many may not, for a row
     * says how many, and is the same after a run that was cut off. */
    const bool alone = campaign->points == 1;
    for (int i = 0; i < campaign->pending; i++)
        campaign->point[i].threads = alone ? weft_team_threads(team) : 1;
    if (alone && campaign->pending)
        point_run(campaign, 0);
    else
        weft_team_each(team, campaign->pending, point_run, campaign);
    if (campaign->failed) {
        *err = campaign->err;
        return FAILED;
    }
    if (interrupt_asked()) {
        progress_line(
            "interrupted: the same command goes on with the points not finished");
        return INTERRUPTED;
    }
    for (int i = 0; i < campaign->trials; i++)
        progress_line("rows: %s", campaign->trial[i].path);
    return DONE;
}

static bool campaign_read(Campaign *campaign, const Verb *verb, int argc, char **argv,
                          const Call *call, WeftError *err)
{
    Call again;
    campaign->trial = calloc((size_t)call->words, sizeof *campaign->trial);
    if (!campaign->trial) return fail(err, "out of memory");
    for (int i = 0; i < call->words; i++) {
        const Experiment *experiment = experiment_find(call->word[i], err);
        if (!experiment) return false;
        for (int j = 0; j < i; j++)
            if (campaign->trial[j].experiment == experiment)
                return fail(err, "%s is named twice", experiment->name);
        Trial *trial = &campaign->trial[i];
        if (!trial_read(trial, experiment, verb, argc, argv, &again, err) ||
            !trial_good(trial, err))
            return false;
        campaign->trials++;
    }
    return true;
}

static Status campaign_do(Campaign *campaign, WeftError *err)
{
    WeftTeam *team;
    if (!weft_team_open(campaign->trial[0].options.threads, &team, err)) return FAILED;
    Status status = FAILED;
    if (campaign_plan(campaign, team, err)) status = campaign_run(campaign, team, err);
    weft_team_close(team);
    return status;
}

static Status run_run(const Verb *verb, int argc, char **argv, WeftError *err)
{
    Trial first;
    Call call;
    Campaign campaign = {.lock = PTHREAD_MUTEX_INITIALIZER, .lock_file = -1};
    if (!trial_read(&first, experiments[0], verb, argc, argv, &call, err))
        return call.status;
    Status status = BAD_CALL;
    if (campaign_read(&campaign, verb, argc, argv, &call, err))
        status = campaign_do(&campaign, err);
    for (int i = 0; i < campaign.trials; i++) trial_close(&campaign.trial[i]);
    if (campaign.lock_file >= 0) close(campaign.lock_file);
    free(campaign.trial);
    free(campaign.point);
    return status;
}

const Verb run_verb = {"run",
                       "NAME...",
                       "run experiments: the grid of cells, lengths and seeds\n\n"
                       "Rows go to DIR/NAME.tsv. The same command goes on where an "
                       "earlier one stopped: points\n"
                       "that are finished with identical settings are skipped. `weft "
                       "report` draws the rows.",
                       1,
                       1000,
                       run_run};

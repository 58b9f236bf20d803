/* runner.c: `weft run`: the grid of cells, lengths, rates and seeds, its points side by
 * side.
 *
 * Rows are all that a run leaves. A point whose last row is there, from the same
 * settings, is skipped; one that was cut off starts again, and its rows with it. */
#include "corpus.h"
#include "point.h"
#include "progress.h"
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
    int threads, size;
} Options;

typedef struct Campaign {
    Trial *trial;
    Options options;
    int trials;
    int lock_file; /* on the folder of the rows; -1: none */
    Point *point;
    int points, pending, over; /* over: those of the pending that have ended */
    double began, shown;       /* seconds */
    pthread_mutex_t lock;      /* over points' done, rows and messages */
    atomic_bool failed;
    WeftError err;
} Campaign;

#define GRID(name)  offsetof(Grid, name)
#define FIELD(name) offsetof(Options, name)
// clang-format off
static const Option grid_options[] = {
    {"cell", "A,B", "cells: built-in ones, or files with equations", &option_cells, GRID(cells), 0, 0, NULL},
    {"length", "A,B", "what the experiment calls its length; of a text: steps between the cuts", &option_numbers, GRID(lengths), 1, 1e7, NULL},
    {"rates", "A,B", "learning rates, of which the best on validation counts", &option_reals, GRID(rates), 1e-12, 1e6, NULL},
    {"seed", "A..B", "seeds", &option_numbers, GRID(seeds), 0, 9e18, NULL},
    {0},
};
static const Option run_options[] = {
    {"size", "NAME", "short, full or long: the grid and budget that the experiment declares for it", &option_choice, FIELD(size), 0, 0, size_names},
    {"out", "DIR", "where the rows go", &option_text, FIELD(out), 0, 0, NULL},
    {"threads", "N", "0: one for each usable physical core", &option_int, FIELD(threads), 0, 4096, NULL},
    {"file", "FILE", "the data of an experiment that opens a file", &option_text, FIELD(file), 0, 0, NULL},
    {0},
};
// clang-format on
#undef FIELD
#undef GRID

/* ---- what is asked for ---- */

/* The size's options, over the declaration. */
static bool size_read(Trial *trial, WeftError *err)
{
    const Experiment *experiment = trial->experiment;
    const char *const more[] = {NULL, experiment->full, experiment->longer};
    const OptionGroup groups[] = {{"", grid_options, &trial->grid},
                                  {"", settings_options, &trial->settings},
                                  {"", encoder_options, &trial->settings},
                                  {0}};
    char *word[64] = {(char *)(uintptr_t)experiment->name};
    int words = 1, first;
    bool help;
    if (!more[trial->size]) return true;
    snprintf(trial->more, sizeof trial->more, "%s", more[trial->size]);
    char *rest = trial->more;
    while (words < 63 && (word[words] = strsep(&rest, " "))) words++;
    word[words] = NULL;
    return options_read(groups, words, word, &first, &help, err);
}

/* What the grid's lengths say, no option says too. */
static bool length_alone(const Trial *trial, const Settings *declared, WeftError *err)
{
    const Experiment *experiment = trial->experiment;
    const Settings *told = &trial->settings;
    if (experiment->length == LENGTH_CHUNK && told->chunk != declared->chunk)
        return fail(err, "--chunk %d: the chunks of %s are its --length", told->chunk,
                    experiment->name);
    return experiment->length != LENGTH_PARAMETERS ||
           !(told->hidden_told || told->parameters_told) ||
           fail(err, "--hidden, --parameters: the parameters of %s are its --length",
                experiment->name);
}

/* In a grid of rates one that is told is all of them. */
static bool rate_alone(Trial *trial, const Settings *declared, WeftError *err)
{
    const double rate = trial->settings.rate;
    if (!trial->settings.rate_told || !trial->grid.rates) return true;
    if (trial->own_rates)
        return fail(err, "--rate %g with --rates %s: expected one of them", rate,
                    trial->grid.rates);
    snprintf(trial->rate, sizeof trial->rate, "%.17g", rate);
    trial->grid.rates = trial->rate;
    trial->own_rates = true;
    trial->settings.rate = declared->rate;
    return true;
}

/* A width that was told takes the place of the declared parameters. */
static void own_text(Trial *trial, const Settings *declared)
{
    Settings from = *declared;
    if (trial->settings.hidden_told) from.parameters = trial->settings.parameters;
    options_difference(settings_options, &from, &trial->settings, trial->own,
                       sizeof trial->own);
    options_difference(encoder_options, &from, &trial->settings, trial->own,
                       sizeof trial->own);
}

/* An experiment, with the options of the call over its declaration. */
static bool trial_read(Trial *trial, const Experiment *experiment, Options *options,
                       const Verb *verb, int argc, char **argv, Call *call,
                       WeftError *err)
{
    *trial = (Trial){.experiment = experiment,
                     .grid = experiment->grid,
                     .settings = experiment->train,
                     .size = options->size};
    call->status = FAILED;
    if (!size_read(trial, err)) return false;
    const Settings declared = trial->settings;
    const char *const rates = trial->grid.rates;
    const OptionGroup groups[] = {
        {"Options", run_options, options},
        {"The grid (of adding; others have their own)", grid_options, &trial->grid},
        {"Every point (some experiments scale steps, rate or clip by the length)",
         settings_options, &trial->settings},
        {"Of sequences that an encoder reads", encoder_options, &trial->settings},
        {0}};
    if (!verb_call(verb, groups, argc, argv, call, err)) return false;
    call->status = BAD_CALL;
    if (!length_alone(trial, &declared, err)) return false;
    trial->own_rates = trial->grid.rates != rates;
    if (!rate_alone(trial, &declared, err)) return false;
    own_text(trial, &declared);
    trial->out = options->out;
    if (experiment->file)
        trial->file = options->file ? options->file : experiment->file;
    return true;
}

static bool trial_good(const Trial *trial, WeftError *err)
{
    const Experiment *experiment = trial->experiment;
    const Numbers *lengths = &trial->grid.lengths;
    for (int l = 0; l < lengths->count; l++) {
        const int length = (int)lengths->item[l];
        Settings settings = trial->settings;
        if (!drawn_length_good(experiment, length, err)) return false;
        experiment_length(experiment, length, &settings);
        if (!settings_good(&settings, experiment->text, err) ||
            (experiment->text && !corpus_settings_good(&settings, err)))
            return false;
    }
    return true;
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

static bool trial_data(const Trial *trial, int length, Data *data, WeftError *err)
{
    Settings settings = trial->settings;
    DataOptions options = {DATA_OPTIONS_COMMON};
    options.length = length;
    options.file = trial->file;
    experiment_length(trial->experiment, length, &settings);
    return experiment_data(trial->experiment, &options, &settings, data, err);
}

/* What is opened may refuse a length: told before hours of work. */
static bool trial_lengths(const Trial *trial, WeftError *err)
{
    Data data;
    const bool opened =
        trial->experiment->open && trial->experiment->length == LENGTH_STEPS;
    for (int l = 1; opened && l < trial->grid.lengths.count; l++) {
        if (!trial_data(trial, (int)trial->grid.lengths.item[l], &data, err))
            return false;
        data.close(&data);
    }
    return true;
}

/* Opens the data once for its shape. */
static bool trial_open(Trial *trial, WeftError *err)
{
    const Experiment *experiment = trial->experiment;
    WeftError why;
    snprintf(trial->path, sizeof trial->path, "%s/%s.tsv", trial->out,
             experiment->name);
    if ((trial->file && !file_digest(trial->file, &trial->file_bits, &why)) ||
        !trial_data(trial, (int)trial->grid.lengths.item[0], &trial->data, &why) ||
        !trial_lengths(trial, &why))
        return trial->file ? fail(err, "%s (%s; --file names another)", why.text,
                                  experiment->file_from)
                           : fail(err, "%s", why.text);
    if (*trial->data.about)
        progress_line("%s: %s", experiment->name, trial->data.about);
    return true;
}

static void trial_close(Trial *trial)
{
    if (trial->data.close) trial->data.close(&trial->data);
}

/* ---- points ---- */

static int items_count(const char *list)
{
    int count = 0;
    char item[256];
    while (list_next(&list, item, sizeof item)) count++;
    return count;
}

static int grid_count(const Grid *grid)
{
    return items_count(grid->cells) * grid->lengths.count * grid->seeds.count *
           (grid->rates ? items_count(grid->rates) : 1);
}

static bool points_of_rate(Campaign *campaign, const Trial *trial,
                           const Settings *settings, int length, WeftTeam *team,
                           WeftError *err)
{
    const Numbers *seeds = &trial->grid.seeds;
    for (int s = 0; s < seeds->count; s++)
        if (!point_open(&campaign->point[campaign->points++], trial, settings, length,
                        seeds->item[s], team, err))
            return false;
    return true;
}

/* The width that --parameters found for a cell at a length. */
static void say_width(const Point *point)
{
    if (point->settings.parameters)
        progress_line("%s %s: hidden %d, %zu parameters",
                      point->trial->experiment->name, point->cell,
                      point->settings.hidden, point->parameters);
}

static bool points_of_length(Campaign *campaign, const Trial *trial, const char *cell,
                             int length, WeftTeam *team, WeftError *err)
{
    char rate[64];
    Settings settings = trial->settings;
    const Point *const first = &campaign->point[campaign->points];
    const char *rates = trial->grid.rates;
    settings.cell = cell;
    if (!rates && !points_of_rate(campaign, trial, &settings, length, team, err))
        return false;
    while (rates && list_next(&rates, rate, sizeof rate)) {
        settings.rate = strtod(rate, NULL);
        if (!points_of_rate(campaign, trial, &settings, length, team, err))
            return false;
    }
    say_width(first);
    return true;
}

static bool trial_points(Campaign *campaign, const Trial *trial, WeftTeam *team,
                         WeftError *err)
{
    char cell[CELL_NAME_SIZE];
    const Grid *grid = &trial->grid;
    for (const char *rest = grid->cells; list_next(&rest, cell, sizeof cell);)
        for (int l = 0; l < grid->lengths.count; l++)
            if (!points_of_length(campaign, trial, cell, (int)grid->lengths.item[l],
                                  team, err))
                return false;
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

typedef struct Keep {
    const Campaign *campaign;
    const Trial *trial;
    char group[17]; /* of the baselines, which are written anew */
} Keep;

static bool row_keep(const void *context, const Row *row)
{
    const Keep *keep = context;
    for (int i = 0; i < keep->campaign->points; i++) {
        const Point *point = &keep->campaign->point[i];
        if (point->trial == keep->trial && point_owns(point, row))
            return point->finished;
    }
    return !row_is_baseline(row) || strcmp(row->group, keep->group);
}

/* What needs no training, where the data says it; oracles are the declaration's. */
static bool baseline_rows(Trial *trial, const char *group, WeftError *err)
{
    char name[BASELINE_SIZE];
    WeftScore score;
    Data *data = &trial->data;
    for (int i = 0; trial->experiment->open; i++) {
        if (!data->baseline(data, TEST, i, name, &score, err)) return false;
        if (!*name) break;
        const Row row = {.experiment = trial->experiment->name,
                         .cell = name,
                         .loss = score.loss,
                         .score = score.accuracy,
                         .digest = "-",
                         .isa = weft_isa(),
                         .threads = 1,
                         .state = STATE_BASELINE,
                         .size = trial_size(trial),
                         .group = group,
                         .settings = "-",
                         .command = "-"};
        if (!row_append(trial->path, &row, err)) return false;
    }
    return true;
}

/* Finds what an earlier run finished, and drops what it left half done. */
static bool trial_recall(Campaign *campaign, Trial *trial, WeftError *err)
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
    Keep keep = {.campaign = campaign, .trial = trial};
    point_group(trial, 0, keep.group);
    const bool good = rows_rewrite(trial->path, &rows, row_keep, &keep, err);
    rows_close(&rows);
    return good && baseline_rows(trial, keep.group, err);
}

/* ---- what is seen of the points while they run ---- */

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

static bool on_progress(void *context, Point *point, const WeftProgress *progress)
{
    Campaign *campaign = context;
    pthread_mutex_lock(&campaign->lock);
    campaign_show(campaign, point, progress->loss);
    const bool go_on = !campaign->failed && !interrupt_asked();
    pthread_mutex_unlock(&campaign->lock);
    return go_on;
}

static bool on_row(void *context, Point *point, const Row *row, WeftError *err)
{
    Campaign *campaign = context;
    pthread_mutex_lock(&campaign->lock);
    const bool good = row_append(point->trial->path, row, err);
    pthread_mutex_unlock(&campaign->lock);
    return good;
}

static void on_over(void *context, Point *point, const Row *row)
{
    Campaign *campaign = context;
    const Experiment *experiment = point->trial->experiment;
    char time[DURATION_SIZE], rate[32] = "", score[64] = "";
    if (point->trial->grid.rates) append(rate, sizeof rate, " rate %g", row->rate);
    if (experiment->score_name)
        append(score, sizeof score, ", %s %.6g", experiment->score_name, row->score);
    else if (point->trial->data.shape.loss != WEFT_SQUARE)
        append(score, sizeof score, ", %.2f %% right", 100 * row->score);
    pthread_mutex_lock(&campaign->lock);
    point->done = point->settings.steps; /* for the time left: no more to do */
    campaign->over++;
    progress_line("%d/%d  %s %s %d seed %" PRIu64 "%s: %s after %" PRIu64
                  " updates, %.6g %s%s, %s",
                  campaign->over, campaign->pending, experiment->name, point->cell,
                  point->length, point->settings.seed, rate, row->state, row->step,
                  row->loss, experiment->unit, score,
                  duration_text(row->seconds, time));
    pthread_mutex_unlock(&campaign->lock);
}

static void campaign_point(void *context, int i)
{
    Campaign *campaign = context;
    const PointWatch watch = {campaign, on_progress, on_row, on_over};
    WeftError err;
    if (interrupt_asked() || campaign->failed) return;
    if (!point_run(&campaign->point[i], &watch, &err)) campaign_fail(campaign, &err);
}

/* ---- the whole grid ---- */

static bool campaign_plan(Campaign *campaign, WeftTeam *team, WeftError *err)
{
    int points = 0;
    const char *out = campaign->options.out;
    if (!directory_make(out, err) || !rows_lock(out, &campaign->lock_file, err))
        return false;
    for (int i = 0; i < campaign->trials; i++)
        points += grid_count(&campaign->trial[i].grid);
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
        campaign_point(campaign, 0);
    else
        weft_team_each(team, campaign->pending, campaign_point, campaign);
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

/* The experiments that the words name, each once; their number, 0 with a message. */
static int words_read(const Call *call, const Experiment **list, WeftError *err)
{
    int count = 0;
    for (int i = 0; i < call->words; i++) {
        const int more = experiments_named(call->word[i], list + count, err);
        if (!more) return 0;
        for (int j = count; j < count + more; j++)
            for (int k = 0; k < count; k++)
                if (list[j] == list[k]) {
                    fail(err, "%s is named twice", list[j]->name);
                    return 0;
                }
        count += more;
    }
    return count;
}

/* By its own name, not its chapter's. */
static bool is_named(const Call *call, const Experiment *experiment)
{
    for (int i = 0; i < call->words; i++)
        if (!strcmp(call->word[i], experiment->name)) return true;
    return false;
}

/* Of a chapter, what cannot be run here, or takes longer than the size has, is skipped. */
static bool is_skipped(const Experiment *experiment, const Options *options)
{
    const char *file = options->file ? options->file : experiment->file;
    if ((int)experiment->from > options->size) {
        progress_line("%s is skipped: --size %s has it", experiment->name,
                      size_names[experiment->from]);
        return true;
    }
    if (!experiment->file || !access(file, R_OK)) return false;
    progress_line("%s is skipped: no %s (%s)", experiment->name, file,
                  experiment->file_from);
    return true;
}

static bool file_goes_to_one(const Campaign *campaign, WeftError *err)
{
    const char *first = NULL;
    for (int i = 0; campaign->options.file && i < campaign->trials; i++) {
        const Experiment *experiment = campaign->trial[i].experiment;
        if (!experiment->file) continue;
        if (first)
            return fail(err, "--file: %s and %s open a file each: name one of them",
                        first, experiment->name);
        first = experiment->name;
    }
    return true;
}

static bool campaign_read(Campaign *campaign, const Verb *verb, int argc, char **argv,
                          const Call *call, WeftError *err)
{
    Call again;
    const size_t room = (size_t)(call->words + 1) * (size_t)experiments_count();
    const Experiment **list = calloc(room, sizeof *list);
    if (!list) return fail(err, "out of memory");
    const int count = words_read(call, list, err);
    campaign->trial = calloc((size_t)count + 1, sizeof *campaign->trial);
    bool good = count && (campaign->trial || fail(err, "out of memory"));
    for (int i = 0; good && i < count; i++) {
        if (!is_named(call, list[i]) && is_skipped(list[i], &campaign->options))
            continue;
        Trial *trial = &campaign->trial[campaign->trials++];
        good = trial_read(trial, list[i], &campaign->options, verb, argc, argv, &again,
                          err) &&
               trial_good(trial, err);
    }
    free(list);
    return good &&
           (campaign->trials ||
            fail(err, "nothing to run: all that was named is skipped")) &&
           file_goes_to_one(campaign, err);
}

static Status campaign_do(Campaign *campaign, WeftError *err)
{
    WeftTeam *team;
    if (!weft_team_open(campaign->options.threads, &team, err)) return FAILED;
    Status status = FAILED;
    if (campaign_plan(campaign, team, err)) status = campaign_run(campaign, team, err);
    weft_team_close(team);
    return status;
}

static Status run_run(const Verb *verb, int argc, char **argv, WeftError *err)
{
    Trial first;
    Call call;
    Campaign campaign = {.options = {.out = "build/results"},
                         .lock = PTHREAD_MUTEX_INITIALIZER,
                         .lock_file = -1};
    if (!trial_read(&first, &experiment_adding, &campaign.options, verb, argc, argv,
                    &call, err)) {
        if (call.status == DONE) experiments_print();
        return call.status;
    }
    Status status = BAD_CALL;
    if (campaign_read(&campaign, verb, argc, argv, &call, err))
        status = campaign_do(&campaign, err);
    for (int i = 0; i < campaign.trials; i++) trial_close(&campaign.trial[i]);
    if (campaign.lock_file >= 0) close(campaign.lock_file);
    free(campaign.trial);
    free(campaign.point);
    return status;
}

const Verb run_verb = {
    "run",
    "NAME...",
    "run experiments: the grid of cells, lengths and seeds\n\n"
    "NAME is an experiment, a chapter of the page, or all. Rows go to "
    "DIR/NAME.tsv. The same command goes on where an "
    "earlier one stopped: points\n"
    "that are finished with identical settings are skipped. `weft "
    "report` draws the rows.",
    1,
    1000,
    run_run};

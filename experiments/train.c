/* train.c: `weft train`, from the first update to the digest. */
#include "corpus.h"
#include "progress.h"
#include "saved.h"
#include "share.h"
#include "verbs.h"

#include <inttypes.h>
#include <string.h>

typedef struct Options {
    Share share;
    const char *save, *resume, *trace;
    bool profile;
} Options;

#define FIELD(name) offsetof(Options, name)
// clang-format off
static const Option run_options[] = {
    {"save", "FILE", "keep the net here: the last one, written at each evaluation", &option_text, FIELD(save), 0, 0, NULL},
    {"resume", "FILE", "go on from here; only --steps and --every may differ", &option_text, FIELD(resume), 0, 0, NULL},
    {"trace", "FILE", "write here what each thread does and when, for ui.perfetto.dev; of a few --steps", &option_text, FIELD(trace), 0, 0, NULL},
    {"profile", NULL, "end with tables: where the time of the threads went, and at what speed", &option_switch, FIELD(profile), 0, 0, NULL},
    {0},
};
// clang-format on
#undef FIELD

/* ---- what is asked for ---- */

typedef struct Job {
    Options options;
    Settings settings;
    DataOptions data_options;
    const char *kind, *name; /* of the data */
} Job;

static const Settings text_settings = {
    SETTINGS_COMMON, .cell = "lstm",
    .hidden = 256,   .batch = 32,
    .chunk = 50,     .chunks_per_update = 4,
    .rate = 5e-3,    .schedule = WEFT_COSINE,
    .steps = 5000,   .seed = 1,
};

static const Settings table_settings = {
    SETTINGS_COMMON,
    .cell = "lstm",
    .hidden = 32,
    .batch = 32,
    .chunks_per_update = 1,
    .rate = 2e-3,
    .schedule = WEFT_COSINE,
    .steps = 3000,
    .seed = 1,
};

static const Settings lines_settings = {
    SETTINGS_COMMON, .cell = "lstm",
    .hidden = 128,   .embedding = 64,
    .batch = 64,     .chunks_per_update = 1,
    .rate = 2e-3,    .schedule = WEFT_COSINE,
    .steps = 3000,   .seed = 1,
};

static Settings task_settings(const char *name)
{
    const Experiment *task = experiment_find(name, NULL);
    Settings settings = task->train;
    settings.cell = "lstm";
    return settings;
}

static Settings default_settings(const Job *job)
{
    if (!strcmp(job->kind, DATA_TABLE)) return table_settings;
    if (!strcmp(job->kind, DATA_TASK)) return task_settings(job->name);
    if (!strcmp(job->kind, DATA_LABELLED) || !strcmp(job->kind, DATA_PAIRS))
        return lines_settings;
    return text_settings;
}

static bool call_read(Job *job, const Verb *verb, int argc, char **argv, Call *call,
                      WeftError *err)
{
    const OptionGroup groups[] = {
        {"Options (of a text; a table or task has others)", run_options, &job->options},
        {NULL, share_options, &job->options.share},
        {"The data", data_options, &job->data_options},
        {"The model and its training", point_options, &job->settings},
        {NULL, settings_options, &job->settings},
        {"Of a file of pairs", encoder_options, &job->settings},
        {0}};
    return verb_call(verb, groups, argc, argv, call, err);
}

/* ---- the training ---- */

typedef struct Run {
    const Job *job;
    WeftNet *net;
    Data data;
    double began, shown;  /* seconds */
    bool told;            /* how threads share an update */
    uint64_t first;       /* update at which this process began */
    uint64_t epoch;       /* whose stale states were told of */
    double loss, updates; /* since the last evaluation */
    bool finite;
    int step, layer; /* where the loss stopped being finite */
} Run;

static const char *time_left(const Run *run, uint64_t update, char text[DURATION_SIZE])
{
    const double done = (double)(update - run->first),
                 all = (double)run->job->settings.steps;
    const double seconds = seconds_now() - run->began;
    return duration_text(seconds / done * (all - (double)update), text);
}

static bool on_progress(void *context, const WeftProgress *progress)
{
    Run *run = context;
    run->loss += progress->loss;
    run->updates++;
    run->finite = progress->finite;
    run->step = progress->step;
    run->layer = progress->layer;
    if (!run->told) progress_line("an update: %s", weft_net_split(run->net));
    run->told = true;
    if (progress->stale_epoch > run->epoch) {
        run->epoch = progress->stale_epoch;
        progress_line("epoch %" PRIu64 ": approximate: stale states are off by %.3g at "
                      "most, %.3g rms",
                      run->epoch, progress->stale_max, progress->stale_rms);
    }
    const double now = seconds_now();
    if (now - run->shown > 0.25) {
        char left[DURATION_SIZE];
        run->shown = now;
        progress_live("update %" PRIu64 "/%" PRIu64
                      "  loss %.4f  %.0f steps/s  %s left",
                      progress->update, run->job->settings.steps, progress->loss,
                      progress->tokens / (progress->seconds + 1e-9),
                      time_left(run, progress->update, left));
    }
    return progress->finite && !interrupt_asked();
}

static bool save(const Run *run, WeftError *err)
{
    const char *path = run->job->options.save;
    return !path || weft_net_save(run->net, path, true, err);
}

static bool evaluate(Run *run, WeftError *err)
{
    char text[256], left[DURATION_SIZE];
    WeftScore score;
    if (!run->data.evaluate(&run->data, run->net, VALIDATION, run->data.glance, &score,
                            err))
        return false;
    run->data.tell(&run->data, &score, text);
    const uint64_t update = weft_net_updates(run->net);
    progress_line("update %" PRIu64 "/%" PRIu64 "  loss %.4f  validation %s  %s left",
                  update, run->job->settings.steps, run->loss / run->updates, text,
                  time_left(run, update, left));
    run->loss = run->updates = 0;
    return save(run, err);
}

/* Between evaluations: the next multiple of `every`, or the end. */
static uint64_t next_stop(const Settings *settings, uint64_t update)
{
    const uint64_t tenth = (settings->steps + 9) / 10;
    const uint64_t every = settings->every ? settings->every : tenth;
    const uint64_t next = (update / every + 1) * every;
    return next < settings->steps ? next : settings->steps;
}

static bool train(Run *run, WeftError *err)
{
    const Settings *settings = &run->job->settings;
    run->began = seconds_now();
    run->first = weft_net_updates(run->net);
    run->finite = true;
    if (!save(run, err)) return false; /* a file that cannot be written is told now */
    while (weft_net_updates(run->net) < settings->steps && !interrupt_asked()) {
        const WeftTrain part =
            settings_train(settings, next_stop(settings, weft_net_updates(run->net)));
        if (!weft_train(run->net, &part, &run->data.train, on_progress, run, err))
            return false;
        if (!run->finite) return true;
        if (!interrupt_asked() && !evaluate(run, err)) return false;
    }
    return !interrupt_asked() || save(run, err);
}

/* What shows how it runs; the test that follows is not in it. */
static bool seeing_begin(const Options *o, WeftTeam *team, WeftError *err)
{
    return weft_team_trace(team, o->trace, err) &&
           (!o->profile || weft_team_profile(team, err));
}

static bool seeing_end(const Options *o, WeftTeam *team, WeftError *err)
{
    return (!o->profile || weft_team_profile_end(team, stdout, err)) &&
           weft_team_trace(team, NULL, err);
}

/* ---- from the call to the last line ---- */

static void say_interrupted(const Run *run)
{
    const char *path = run->job->options.save;
    progress_line("interrupted after update %" PRIu64 " of %" PRIu64,
                  weft_net_updates(run->net), run->job->settings.steps);
    if (path)
        progress_line("to go on: weft train --resume '%s' --save '%s'", path, path);
    else
        progress_line("nothing is kept: --save FILE would");
}

static Status finish(Run *run, int threads, WeftError *err)
{
    char text[256];
    WeftScore score;
    Status status = DONE;
    if (!run->finite) {
        fail(err,
             "the loss stopped being finite at update %" PRIu64 ", step %d, layer %d",
             weft_net_updates(run->net), run->step, run->layer);
        status = FAILED;
    } else if (interrupt_asked()) {
        say_interrupted(run);
        status = INTERRUPTED;
    } else {
        if (!run->data.evaluate(&run->data, run->net, TEST, 100, &score, err))
            return FAILED;
        run->data.tell(&run->data, &score, text);
        progress_line("test: %s", text);
    }
    progress_line("digest: %016" PRIx64 "  isa: %s  threads: %d",
                  weft_net_digest(run->net), weft_isa(), threads);
    return status;
}

/* What a trained net has to beat. */
static bool say_baselines(Run *run, WeftError *err)
{
    char name[BASELINE_SIZE], text[256];
    WeftScore score;
    for (Part part = VALIDATION; part < PARTS; part++)
        for (int i = 0;; i++) {
            if (!run->data.baseline(&run->data, part, i, name, &score, err))
                return false;
            if (!*name) break;
            run->data.tell(&run->data, &score, text);
            progress_line("%s, %s: %s", name, part == TEST ? "test" : "validation",
                          text);
        }
    return true;
}

static Status run_net(Run *run, WeftTeam *team, WeftError *err)
{
    char time[DURATION_SIZE];
    const Job *job = run->job;
    if (!run->data.note(&run->data, run->net, err) ||
        !saved_note(run->net, job->name, &job->settings, &job->data_options, err))
        return FAILED;
    if (*weft_team_note(team))
        progress_line("%d threads: %s", weft_team_threads(team), weft_team_note(team));
    if (*run->data.about) progress_line("%s", run->data.about);
    if (job->settings.parameters)
        progress_line("hidden %d: the most units with at most %" PRIu64 " parameters",
                      job->settings.hidden, job->settings.parameters);
    progress_line("net: %zu parameters, %d threads, %s", weft_net_parameters(run->net),
                  weft_team_threads(team), weft_isa());
    if (!say_baselines(run, err)) return FAILED;
    if (job->settings.stale)
        progress_line("approximate: chunks start from stale states (--stale)");
    interrupt_watch();
    if (!seeing_begin(&job->options, team, err) || !train(run, err)) return FAILED;
    progress_line("trained for %s", duration_text(seconds_now() - run->began, time));
    if (!seeing_end(&job->options, team, err)) return FAILED;
    return finish(run, weft_team_threads(team), err);
}

static Status run_fresh(Job *job, WeftTeam *team, WeftError *err)
{
    Run run = {.job = job};
    if (!data_open(job->kind, job->name, &job->data_options, &job->settings, NULL,
                   &run.data, err))
        return FAILED;
    Status status = FAILED;
    size_t count;
    if (settings_solve(&job->settings, &run.data.shape, &count, err) &&
        settings_net(&job->settings, team, &run.data.shape, &run.net, err)) {
        status = run_net(&run, team, err);
        weft_net_close(run.net);
    }
    run.data.close(&run.data);
    return status;
}

/* What a resumed training may not change. */
static bool same(const Settings *saved, Settings given, WeftError *err)
{
    char text[SETTINGS_TEXT];
    given.steps = saved->steps;
    given.every = saved->every;
    settings_difference(saved, &given, text);
    return !*text ||
           fail(err, "--resume: only --steps and --every may differ, not%s", text);
}

static Status run_resumed(Job *job, const Saved *saved, WeftError *err)
{
    Run run = {.job = job, .net = saved->net};
    if (!same(&saved->settings, job->settings, err)) return BAD_CALL;
    if (!share_apply(&job->options.share, saved->team, err)) return FAILED;
    if (!data_open(job->kind, job->name, &job->data_options, &job->settings, NULL,
                   &run.data, err))
        return FAILED;
    Status status = FAILED;
    if (run.data.shape.inputs != weft_net_model(run.net)->inputs)
        fail(err, "%s is not the data that the net was trained on", job->name);
    else
        status = run_net(&run, saved->team, err);
    run.data.close(&run.data);
    return status;
}

/* The options are read again: over the saved settings, or over the defaults of the
 * data. */
static Status resume(Job *job, const Verb *verb, int argc, char **argv, WeftError *err)
{
    Saved saved;
    Call call;
    if (!saved_open(job->options.resume, job->options.share.threads, &saved, err))
        return FAILED;
    job->settings = saved.settings;
    job->data_options = saved.options;
    Status status = BAD_CALL;
    if (call_read(job, verb, argc, argv, &call, err)) {
        job->kind = saved.kind;
        job->name = call.words ? call.word[0] : saved.name;
        status = run_resumed(job, &saved, err);
    }
    saved_close(&saved);
    return status;
}

/* What the data's kind needs of the call. */
static bool fits(const Job *job, WeftError *err)
{
    if (!strcmp(job->kind, DATA_TABLE) && !job->data_options.target)
        return fail(err, "%s: expected --target with the column to forecast",
                    job->name);
    if (!strcmp(job->kind, DATA_TEXT) && !job->settings.chunk)
        return fail(err, "--chunk 0: a text is one long sequence, expected 1 or more");
    const bool text = !strcmp(job->kind, DATA_TEXT);
    return settings_good(&job->settings, text, err) &&
           (!text || corpus_settings_good(&job->settings, err));
}

static Status start(Job *job, const Verb *verb, int argc, char **argv, WeftError *err)
{
    Call call;
    WeftTeam *team;
    job->settings = default_settings(job);
    job->data_options = (DataOptions){DATA_OPTIONS_COMMON};
    if (!call_read(job, verb, argc, argv, &call, err)) return BAD_CALL;
    if (!strcmp(job->kind, DATA_TASK))
        experiment_length(experiment_find(job->name, NULL), job->data_options.length,
                          &job->settings);
    if (!fits(job, err)) return BAD_CALL;
    if (!weft_team_open(job->options.share.threads, &team, err)) return FAILED;
    const Status status = share_apply(&job->options.share, team, err)
                              ? run_fresh(job, team, err)
                              : FAILED;
    weft_team_close(team);
    return status;
}

static Status train_run(const Verb *verb, int argc, char **argv, WeftError *err)
{
    Job job = {.settings = text_settings, .data_options = {DATA_OPTIONS_COMMON}};
    Call call;
    if (!call_read(&job, verb, argc, argv, &call, err)) return call.status;
    if (job.options.resume) return resume(&job, verb, argc, argv, err);
    if (!call.words) {
        fail(err, "expected DATA: a text, a .csv with --target, a .tsv, or a task");
        return BAD_CALL;
    }
    job.name = call.word[0];
    job.kind = data_kind(job.name, &job.data_options);
    return start(&job, verb, argc, argv, err);
}

const Verb train_verb = {
    "train",
    "[DATA]",
    "train on a text, a table or a task, and score what was held out\n\n"
    "DATA is a text file (characters are predicted), a .csv with --target (its next\n"
    "values are forecast), a .tsv (lines of two fields with a tab between them: of "
    "each\n"
    "first field the second is made, or with --labels told as one of the labels that\n"
    "there are), or a task (adding). Budgets are updates. The net that "
    "--save\n"
    "keeps is the last one, not the best on validation; Ctrl-C and SIGTERM finish the\n"
    "update, save, say how to go on, and end with status 130. The last line is the "
    "digest\n"
    "of the parameters: the same on any machine and for any number of threads.",
    0,
    1,
    train_run};

/* plan.c: `weft plan`, what an update would take on this machine or another. */
#include "settings.h"
#include "share.h"
#include "verbs.h"

#define LENGTH_MAX 10000000

typedef struct Options {
    int inputs, outputs, length, cores;
    bool symbols, table;
    const char *machine, *rates;
    Share share;
} Options;

#define FIELD(name) offsetof(Options, name)
// clang-format off
static const Option plan_options[] = {
    {"machine", "TEXT", "another machine, as \"package:2 l3:8 core:8 pu:1\"; else this one", &option_text, FIELD(machine), 0, 0, NULL},
    {"rates", "FILE", "of its cores (weft machine --rates writes it); else measured here", &option_text, FIELD(rates), 0, 0, NULL},
    {"cores", "N", "of the machine; 0: all", &option_int, FIELD(cores), 0, 1e5, NULL},
    {"table", NULL, "for 1, 2, 4 .. of the cores; else split by split", &option_switch, FIELD(table), 0, 0, NULL},
    {"length", "N", "steps of a batch; 0: of an update", &option_int, FIELD(length), 0, LENGTH_MAX, NULL},
    {"inputs", "N", "width of the input, or number of symbols", &option_int, FIELD(inputs), 1, 1e6, NULL},
    {"outputs", "N", "of the head", &option_int, FIELD(outputs), 1, 1e6, NULL},
    {"symbols", NULL, "the input is symbols", &option_switch, FIELD(symbols), 0, 0, NULL},
    {0},
};
// clang-format on
#undef FIELD

static WeftTrain train_of(const Settings *settings)
{
    return settings_train(settings, 1);
}

/* Of a batch: no more than --length may be. */
static int steps_of(const Options *o, const Settings *s)
{
    const int64_t update = (int64_t)s->chunk * s->chunks_per_update;
    if (o->length) return o->length;
    return update < LENGTH_MAX ? (int)update : LENGTH_MAX;
}

static bool plan_net(const Options *o, Settings *s, WeftTeam *team, WeftError *err)
{
    const WeftModel shape = {.input = o->symbols ? WEFT_SYMBOLS : WEFT_DENSE,
                             .inputs = o->inputs,
                             .outputs = o->outputs,
                             .loss = WEFT_SQUARE};
    const WeftTrain train = train_of(s);
    const WeftPlan plan = {.steps = steps_of(o, s),
                           .rows = s->batch,
                           .train = &train,
                           .machine = o->machine,
                           .cores = o->cores,
                           .rates = o->rates,
                           .table = o->table};
    WeftNet *net;
    size_t count;
    if (!share_apply(&o->share, team, err) || !settings_solve(s, &shape, &count, err) ||
        !settings_net(s, team, &shape, &net, err))
        return false;
    if (s->parameters) printf("hidden %d: %zu parameters\n", s->hidden, count);
    const bool planned = weft_net_plan(net, &plan, stdout, err);
    weft_net_close(net);
    return planned;
}

static Status plan_run(const Verb *verb, int argc, char **argv, WeftError *err)
{
    Settings settings = {SETTINGS_COMMON, .cell = "lstm", .hidden = 256,
                         .batch = 32,     .chunk = 50,    .chunks_per_update = 4,
                         .rate = 1e-3};
    Options o = {.inputs = 128, .outputs = 1};
    const OptionGroup groups[] = {
        {"Options", plan_options, &o},
        {NULL, share_options, &o.share},
        {"The model and its training", point_options, &settings},
        {NULL, settings_options, &settings},
        {0}};
    Call call;
    WeftTeam *team;
    if (!verb_call(verb, groups, argc, argv, &call, err)) return call.status;
    if (!settings.chunk && !o.length) {
        fail(err, "--chunk 0: expected --length with the steps of a batch");
        return BAD_CALL;
    }
    if (settings.embedding && !o.symbols) {
        fail(err, "--embedding %d: expected --symbols with it", settings.embedding);
        return BAD_CALL;
    }
    if (!settings_good(&settings, true, err)) return BAD_CALL;
    if (!weft_team_open(o.share.threads, &team, err)) return FAILED;
    const Status status = plan_net(&o, &settings, team, err) ? DONE : FAILED;
    weft_team_close(team);
    return status;
}

const Verb plan_verb = {
    "plan",
    "",
    "say how an update is best shared out, and predict what it takes\n\n"
    "Rows of the batch, hidden units, chunks and layers are tried alone and mixed, on "
    "this\n"
    "machine or on one described. Nothing is trained; of train's options, which all "
    "are taken,\n"
    "those of the model, the batch and its chunks matter.",
    0,
    0,
    plan_run};

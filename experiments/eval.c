/* eval.c: `weft eval`: a saved net scored on other data. */
#include "saved.h"
#include "verbs.h"

typedef struct Options {
    int threads;
    bool skip_bad;
} Options;

#define FIELD(name) offsetof(Options, name)
// clang-format off
static const Option eval_options[] = {
    {"threads", "N", "0: one for each usable physical core", &option_int, FIELD(threads), 0, 4096, NULL},
    {"skip-bad", NULL, "bad lines of a .tsv, and those of a label that the net does not know, are skipped and counted", &option_switch, FIELD(skip_bad), 0, 0, NULL},
    {0},
};
// clang-format on
#undef FIELD

static bool eval(const Saved *saved, const char *name, WeftError *err)
{
    Data data;
    char text[256];
    WeftScore score;
    if (!saved_data(saved, name, &data, err)) return false;
    const bool good = data.evaluate(&data, saved->net, TEST, 100, &score, err);
    if (good) {
        data.tell(&data, &score, text);
        printf("%s: %s\n", name, text);
        if (data.skipped) printf("%s: %zu bad lines skipped\n", name, data.skipped);
    }
    data.close(&data);
    return good;
}

static Status eval_run(const Verb *verb, int argc, char **argv, WeftError *err)
{
    Options options = {0};
    const OptionGroup groups[] = {{"Options", eval_options, &options}, {0}};
    Call call;
    Saved saved;
    if (!verb_call(verb, groups, argc, argv, &call, err)) return call.status;
    if (!saved_open(call.word[0], options.threads, &saved, err)) return FAILED;
    saved.options.skip_bad = options.skip_bad; /* not the training's */
    const bool good = eval(&saved, call.word[1], err);
    saved_close(&saved);
    return good ? DONE : FAILED;
}

const Verb eval_verb = {"eval",
                        "MODEL DATA",
                        "score a saved net on all of a text, a table, a .tsv or a task",
                        2,
                        2,
                        eval_run};

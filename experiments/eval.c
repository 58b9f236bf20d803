/* eval.c: `weft eval`: a saved net scored on other data. */
#include "saved.h"
#include "verbs.h"

static const Option options[] = {
    {"threads", "N", "0: one for each usable physical core", &option_int, 0, 0, 4096,
     NULL},
    {0},
};

static bool eval(const Saved *saved, const char *name, WeftError *err)
{
    Data data;
    char text[256];
    double loss;
    if (!saved_data(saved, name, &data, err)) return false;
    const bool good = data.score(&data, saved->net, TEST, text, &loss, err);
    if (good) printf("%s: %s\n", name, text);
    data.close(&data);
    return good;
}

static Status eval_run(const Verb *verb, int argc, char **argv, WeftError *err)
{
    int threads = 0;
    const OptionGroup groups[] = {{"Options", options, &threads}, {0}};
    Call call;
    Saved saved;
    if (!verb_call(verb, groups, argc, argv, &call, err)) return call.status;
    if (!saved_open(call.word[0], threads, &saved, err)) return FAILED;
    const bool good = eval(&saved, call.word[1], err);
    saved_close(&saved);
    return good ? DONE : FAILED;
}

const Verb eval_verb = {
    "eval", "MODEL DATA", "score a saved net on all of a text, a table or a task", 2,
    2,      eval_run};

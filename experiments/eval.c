/* eval.c: `weft eval`: a saved net scored on other data. */
#include "saved.h"
#include "verbs.h"

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
    }
    data.close(&data);
    return good;
}

static Status eval_run(const Verb *verb, int argc, char **argv, WeftError *err)
{
    return saved_verb(verb, argc, argv, eval, err);
}

const Verb eval_verb = {
    "eval", "MODEL DATA", "score a saved net on all of a text, a table or a task", 2,
    2,      eval_run};

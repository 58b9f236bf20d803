/* experiments.c: the list of experiments, by name. */
#include "experiment.h"

#include <string.h>

#define ITEM(name) &experiment_##name,
const Experiment *const experiments[] = {EXPERIMENT_LIST(ITEM) NULL};
#undef ITEM

#define ITEM(name) #name,
static const char *const names[] = {EXPERIMENT_LIST(ITEM) NULL};
#undef ITEM

const Experiment *experiment_find(const char *name, WeftError *err)
{
    char all[512] = "";
    for (int i = 0; experiments[i]; i++) {
        if (!strcmp(experiments[i]->name, name)) return experiments[i];
        append(all, sizeof all, "%s%s", i ? ", " : "", names[i]);
    }
    const char *near = weft_nearest(name, names);
    if (near)
        fail(err, "no experiment \"%s\": did you mean %s? (%s)", name, near, all);
    else
        fail(err, "no experiment \"%s\": expected one of %s", name, all);
    return NULL;
}

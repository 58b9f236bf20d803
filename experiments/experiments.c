/* experiments.c: the list of experiments, by name. */
#include "experiment.h"

#include <stdio.h>
#include <string.h>

#define ITEM(name) &experiment_##name,
const Experiment *const experiments[] = {EXPERIMENT_LIST(ITEM) NULL};
#undef ITEM

#define ITEM(id, name, title) name,
const char *const chapter_names[] = {CHAPTER_LIST(ITEM) NULL};
#undef ITEM
#define ITEM(id, name, title) title,
const char *const chapter_titles[] = {CHAPTER_LIST(ITEM) NULL};
#undef ITEM

#define EVERY "all"

/* All that `weft run` knows. */
#define ITEM(name)               #name,
#define CHAPTER(id, name, title) name,
static const char *const names[] = {EXPERIMENT_LIST(ITEM) CHAPTER_LIST(CHAPTER) EVERY,
                                    NULL};
#undef ITEM

int experiments_count(void)
{
    int count = 0;
    while (experiments[count]) count++;
    return count;
}

static const Experiment *by_name(const char *name)
{
    for (int i = 0; experiments[i]; i++)
        if (!strcmp(experiments[i]->name, name)) return experiments[i];
    return NULL;
}

static void unknown(const char *name, WeftError *err)
{
    char all[1024] = "";
    for (int i = 0; experiments[i]; i++)
        append(all, sizeof all, "%s%s", i ? ", " : "", experiments[i]->name);
    const char *near = weft_nearest(name, names);
    if (near)
        fail(err, "no experiment \"%s\": did you mean %s? (%s)", name, near, all);
    else
        fail(err, "no experiment \"%s\": expected one of %s", name, all);
}

const Experiment *experiment_find(const char *name, WeftError *err)
{
    const Experiment *found = by_name(name);
    if (!found) unknown(name, err);
    return found;
}

int experiments_named(const char *name, const Experiment **list, WeftError *err)
{
    int count = 0;
    const Experiment *one = by_name(name);
    if (one) {
        *list = one;
        return 1;
    }
    for (int i = 0; experiments[i]; i++)
        if (!strcmp(name, EVERY) ||
            !strcmp(name, chapter_names[experiments[i]->chapter]))
            list[count++] = experiments[i];
    if (!count) unknown(name, err);
    return count;
}

void experiments_print(void)
{
    printf("\nExperiments, by chapter:\n");
    for (Chapter chapter = 0; chapter < CHAPTERS; chapter++) {
        printf("  %-9s", chapter_names[chapter]);
        for (int i = 0; experiments[i]; i++)
            if (experiments[i]->chapter == chapter) printf(" %s", experiments[i]->name);
        putchar('\n');
    }
}

void experiment_length(const Experiment *experiment, int length, Settings *settings)
{
    if (experiment->length == LENGTH_CHUNK) settings->chunk = length;
    if (experiment->length == LENGTH_PARAMETERS)
        settings->parameters = (uint64_t)length;
    if (experiment->settle) experiment->settle(settings, length);
}

bool experiment_solves(const Experiment *experiment, const WeftScore *score)
{
    return (experiment->solved > 0 && score->loss < experiment->solved) ||
           (experiment->right > 0 && score->accuracy >= experiment->right);
}

double oracle_loss(const Oracle *oracle, int length)
{
    return oracle->at ? oracle->at(length) : oracle->loss;
}

double experiment_success_loss(const Experiment *experiment, int length)
{
    return experiment->under > 0
               ? experiment->under * oracle_loss(experiment->oracles, length)
               : experiment->solved;
}

bool experiment_has_success(const Experiment *experiment)
{
    return experiment->solved > 0 || experiment->right > 0 || experiment->under > 0;
}

bool experiment_has_score(const Experiment *experiment)
{
    return experiment->score_name || experiment->right > 0;
}

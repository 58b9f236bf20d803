/* task_rig.h: what the tests of tasks share: one sequence that is drawn, data that is
 * opened, and nets whose parameters are known. */
#pragma once

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../experiments/data.h"
#include "must.h"

/* ---- one sequence ---- */

enum { SEQUENCE_STEPS = 2048 };

typedef struct Sequence {
    float x[SEQUENCE_STEPS], target[SEQUENCE_STEPS], weight[SEQUENCE_STEPS];
    int32_t symbol[SEQUENCE_STEPS], label[SEQUENCE_STEPS];
    int steps, length; /* length: those of the row */
} Sequence;

static inline Sequence *sequence_draw(const Experiment *experiment, const Draw *draw)
{
    const Task *task = &experiment->task;
    Sequence *s = calloc(1, sizeof *s);
    cr_assert(s && task->inputs * (task->input == WEFT_DENSE) <= 1);
    s->steps = task->steps ? task->steps(draw->length, draw->part) : draw->length;
    WeftBatch batch = {.steps = s->steps,
                       .rows = 1,
                       .inputs = task->inputs,
                       .outputs = task->outputs,
                       .vector = task->vector,
                       .x = s->x,
                       .symbol = s->symbol,
                       .target = s->target,
                       .label = s->label,
                       .weight = s->weight,
                       .length = &s->length};
    s->length = s->steps;
    cr_assert(s->steps <= SEQUENCE_STEPS);
    for (int t = 0; t < s->steps; t++) s->weight[t] = 1;
    task->draw(draw, &batch, 0);
    return s;
}

/* Whether two draws give the same. */
static inline bool sequences_same(const Experiment *experiment, const Draw *a,
                                  const Draw *b)
{
    Sequence *const x = sequence_draw(experiment, a), *const y =
                                                          sequence_draw(experiment, b);
    const bool same = memcmp(x, y, sizeof *x) == 0;
    free(x);
    free(y);
    return same;
}

/* A sequence is all of what its seed and index say, and of nothing else. */
static inline void sequences_are_functions(const Experiment *experiment, int length)
{
    const Draw one = {.seed = 7, .index = 5, .length = length};
    Draw other = one;
    cr_expect(sequences_same(experiment, &one, &other));
    other.index = 6;
    cr_expect(!sequences_same(experiment, &one, &other));
    other = one;
    other.seed = 8;
    cr_expect(!sequences_same(experiment, &one, &other));
    other.seed = VALIDATION_SEED;
    Draw test = other;
    test.seed = TEST_SEED;
    cr_expect(!sequences_same(experiment, &one, &other));
    cr_expect(!sequences_same(experiment, &one, &test));
    cr_expect(!sequences_same(experiment, &other, &test));
}

/* ---- what an experiment opens ---- */

static inline bool file_data(const Experiment *experiment, const char *file, int length,
                             int rows, uint64_t seed, Data *data, WeftError *err)
{
    DataOptions options = {DATA_OPTIONS_COMMON};
    Settings settings = experiment->train;
    options.length = length;
    options.file = file;
    settings.batch = rows;
    settings.seed = seed;
    return experiment_data(experiment, &options, &settings, data, err);
}

/* ---- nets whose parameters are known ---- */

typedef struct Known {
    WeftTeam *team;
    WeftNet *net;
} Known;

/* Of one layer of this cell, all parameters 0. */
static inline Known known_open(const Experiment *experiment, const char *cell_text,
                               int hidden)
{
    const Task *task = &experiment->task;
    Known known;
    WeftCell *cell;
    MUST(weft_team_open(1, &known.team, &err));
    MUST(weft_cell_parse("known", cell_text, strlen(cell_text), &cell, &err));
    const WeftLayer layer = {.cell = cell, .hidden = hidden};
    const WeftModel model = {.input = task->input,
                             .inputs = task->inputs,
                             .layers = &layer,
                             .layer_count = 1,
                             .outputs = task->outputs,
                             .loss = task->loss,
                             .vector = task->vector};
    MUST(weft_net_open(known.team, &model, 1, &known.net, &err));
    weft_cell_close(cell);
    int axes, shape[4];
    float *value;
    for (int i = 0; (value = weft_net_parameter(known.net, i, NULL, &axes, shape));
         i++) {
        size_t count = 1;
        for (int a = 0; a < axes; a++) count *= (size_t)shape[a];
        memset(value, 0, count * sizeof *value);
    }
    return known;
}

static inline void known_close(Known *known)
{
    weft_net_close(known->net);
    weft_team_close(known->team);
}

static inline float *known_values(const Known *known, const char *name)
{
    const char *found;
    float *value;
    for (int i = 0; (value = weft_net_parameter(known->net, i, &found, NULL, NULL));
         i++)
        if (strcmp(found, name) == 0) return value;
    cr_assert_fail("there is no parameter %s", name);
    return NULL;
}

/* On the test of `count` sequences, by our own loss. */
static inline WeftScore known_score(const Known *known, const Experiment *experiment,
                                    int length, uint64_t count)
{
    Drawn drawn = {.task = &experiment->task,
                   .part = TEST,
                   .seed = TEST_SEED,
                   .count = count,
                   .reset = experiment->train.reset,
                   .length = length,
                   .rows = 50};
    const WeftSource source = drawn_source(&drawn);
    WeftScore score;
    MUST(weft_evaluate(known->net, &source, 0, drawn_batches(&drawn), &score, &err));
    return score;
}

/* A cell that keeps nothing. */
static const char *const forgetful = "cell forgetful\nstate h\nbias b = 0\nh' = b\n";

/* drawn.c: the sequences of a task, drawn by index. */
#include "data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool fill(void *context, uint64_t index, WeftBatch *batch, WeftError *err)
{
    (void)err;
    const Drawn *drawn = context;
    for (int row = 0; row < batch->rows; row++) {
        const uint64_t sequence = index * (uint64_t)batch->rows + (uint64_t)row;
        drawn->task->draw(drawn->seed, sequence, batch, row);
        if (!drawn->count || sequence < drawn->count) continue;
        const int steps = drawn->task->vector ? 1 : batch->steps;
        for (int t = 0; t < steps; t++) batch->weight[t * batch->rows + row] = 0;
    }
    return true;
}

WeftSource drawn_source(Drawn *drawn, int length)
{
    return (WeftSource){
        .context = drawn, .fill = fill, .steps = length, .rows = drawn->rows};
}

uint64_t drawn_batches(const Drawn *drawn)
{
    return (drawn->count + (uint64_t)drawn->rows - 1) / (uint64_t)drawn->rows;
}

WeftModel task_shape(const Task *task)
{
    return (WeftModel){.input = task->input,
                       .inputs = task->inputs,
                       .outputs = task->outputs,
                       .loss = task->loss,
                       .vector = task->vector};
}

/* ---- as a data set: training draws by --seed, all else is the test sequences ---- */

typedef struct Own {
    const Experiment *experiment;
    int length;
    Drawn train, test;
} Own;

static bool score(Data *data, WeftNet *net, Part part, char text[256], double *loss,
                  WeftError *err)
{
    Own *own = data->own;
    const WeftSource source = drawn_source(&own->test, own->length);
    WeftScore s;
    const uint64_t all = drawn_batches(&own->test);
    const uint64_t some = (all * (uint64_t)own->experiment->glance + 99) / 100;
    if (!weft_evaluate(net, &source, 0, part == TEST ? all : some, &s, err))
        return false;
    *loss = s.loss;
    text[0] = 0;
    append(text, 256, "%.6f %s over %.0f sequences", s.loss, own->experiment->unit,
           s.targets);
    if (own->experiment->task.loss != WEFT_SQUARE)
        append(text, 256, " (%.1f %% right)", 100 * s.accuracy);
    return true;
}

static bool baselines(Data *data, WeftError *err)
{
    (void)err;
    const Experiment *experiment = ((Own *)data->own)->experiment;
    for (const Oracle *o = experiment->oracles; o && o->name; o++)
        printf("%s: %.6f %s\n", o->name, o->loss, experiment->unit);
    return true;
}

static bool note(const Data *data, WeftNet *net, WeftError *err)
{
    (void)data;
    return weft_net_note(net, "data", DATA_TASK, err);
}

static void drawn_data_close(Data *data)
{
    free(data->own);
}

bool drawn_data(const Experiment *experiment, const DataOptions *options,
                const Settings *settings, Data *data, WeftError *err)
{
    if (!experiment->task.draw)
        return fail(err, "%s is trained on a text: weft train FILE", experiment->name);
    Own *own = calloc(1, sizeof *own);
    if (!own) return fail(err, "out of memory");
    const Task *task = &experiment->task;
    *own = (Own){experiment,
                 options->length,
                 {task, settings->seed, 0, settings->batch},
                 {task, TEST_SEED, (uint64_t)experiment->test, settings->batch}};
    *data = (Data){.shape = task_shape(task),
                   .train = drawn_source(&own->train, own->length),
                   .score = score,
                   .baselines = baselines,
                   .note = note,
                   .close = drawn_data_close,
                   .own = own};
    return true;
}

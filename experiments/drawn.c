/* drawn.c: the sequences of a task, drawn by index. */
#include "data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Sequence `index`; or the next steps of a stream, one to a row. */
static Draw draw_of(const Drawn *drawn, uint64_t batch, int steps, int row)
{
    const bool carried = drawn->task->carried;
    return (Draw){.seed = drawn->seed,
                  .index =
                      (carried ? 0 : batch * (uint64_t)drawn->rows) + (uint64_t)row,
                  .first = carried ? batch * (uint64_t)steps : 0,
                  .length = drawn->length,
                  .part = drawn->part};
}

static bool fill(void *context, uint64_t index, WeftBatch *batch, WeftError *err)
{
    (void)err;
    const Drawn *drawn = context;
    const Task *task = drawn->task;
    batch->fresh = !task->carried || (drawn->reset ? index % drawn->reset : index) == 0;
    for (int row = 0; row < batch->rows; row++) {
        const Draw draw = draw_of(drawn, index, batch->steps, row);
        task->draw(&draw, batch, row);
        if (!drawn->count ||
            index * (uint64_t)batch->rows + (uint64_t)row < drawn->count)
            continue;
        const int steps = task->vector ? 1 : batch->steps;
        for (int t = 0; t < steps; t++) batch->weight[t * batch->rows + row] = 0;
    }
    return true;
}

WeftSource drawn_source(Drawn *drawn)
{
    const Task *task = drawn->task;
    return (WeftSource){.context = drawn,
                        .fill = fill,
                        .steps = task->steps ? task->steps(drawn->length, drawn->part)
                                             : drawn->length,
                        .rows = drawn->rows};
}

uint64_t drawn_batches(const Drawn *drawn)
{
    return (drawn->count + (uint64_t)drawn->rows - 1) / (uint64_t)drawn->rows;
}

/* ---- as a data set: training draws by --seed ---- */

typedef struct Own {
    const Experiment *experiment;
    Drawn part[PARTS];
} Own;

static bool evaluate(Data *data, WeftNet *net, Part part, int percent, WeftScore *score,
                     WeftError *err)
{
    Own *own = data->own;
    const WeftSource source = drawn_source(&own->part[part]);
    const uint64_t all = drawn_batches(&own->part[part]);
    return weft_evaluate(net, &source, 0, percent_of(all, percent), score, err) &&
           (!own->experiment->score ||
            own->experiment->score(net, &own->part[part], score, err));
}

static void tell(const Data *data, const WeftScore *score, char text[256])
{
    const Experiment *experiment = ((const Own *)data->own)->experiment;
    text[0] = 0;
    append(text, 256, "%.6f %s", score->loss, experiment->unit);
    if (score->targets > 0)
        append(text, 256, " over %.0f %s", score->targets,
               experiment->task.vector ? "sequences" : "steps");
    if (isnan(score->accuracy)) return;
    if (experiment->score_name)
        append(text, 256, " (%s: %.6g)", experiment->score_name, score->accuracy);
    else if (experiment->task.loss != WEFT_SQUARE)
        append(text, 256, " (%.1f %% right)", 100 * score->accuracy);
}

/* The oracles, which are of the test; where something is measured, they are of that. */
static bool baseline(Data *data, Part part, int index, char name[BASELINE_SIZE],
                     WeftScore *score, WeftError *err)
{
    (void)err;
    const Experiment *experiment = ((Own *)data->own)->experiment;
    const Oracle *oracle = experiment->measure ? NULL : experiment->oracles;
    for (int i = 0; oracle && oracle->name && i < index; i++) oracle++;
    name[0] = 0;
    if (part != TEST || !oracle || !oracle->name) return true;
    snprintf(name, BASELINE_SIZE, "%s", oracle->name);
    *score =
        (WeftScore){.loss = oracle_loss(oracle, ((Own *)data->own)->part[part].length),
                    .accuracy = NAN};
    return true;
}

static void drawn_data_close(Data *data)
{
    free(data->own);
}

const Drawn *drawn_part(const Data *data, Part part)
{
    return &((const Own *)data->own)->part[part];
}

bool drawn_length_good(const Experiment *experiment, int length, WeftError *err)
{
    const int least = experiment->task.shortest, most = experiment->task.longest;
    if (least && length < least)
        return fail(err, "%s: length %d: expected at least %d", experiment->name,
                    length, least);
    return !most || length <= most ||
           fail(err, "%s: length %d: expected at most %d", experiment->name, length,
                most);
}

bool drawn_data(const Experiment *experiment, const DataOptions *options,
                const Settings *settings, Data *data, WeftError *err)
{
    if (!drawn_length_good(experiment, options->length, err)) return false;
    Own *own = calloc(1, sizeof *own);
    if (!own) return fail(err, "out of memory");
    const Task *task = &experiment->task;
    const uint64_t test = (uint64_t)experiment->test;
    const uint64_t seeds[PARTS] = {settings->seed, VALIDATION_SEED, TEST_SEED};
    own->experiment = experiment;
    for (Part part = TRAINING; part < PARTS; part++)
        own->part[part] = (Drawn){.task = task,
                                  .part = part,
                                  .seed = seeds[part],
                                  .count = part == TRAINING ? 0 : test,
                                  .reset = settings->reset,
                                  .length = options->length,
                                  .rows = settings->batch};
    *data = (Data){.shape = {.input = task->input,
                             .inputs = task->inputs,
                             .outputs = task->outputs,
                             .loss = task->loss,
                             .vector = task->vector},
                   .train = drawn_source(&own->part[TRAINING]),
                   .glance = experiment->glance,
                   .evaluate = evaluate,
                   .tell = tell,
                   .baseline = baseline,
                   .note = experiment_note,
                   .close = drawn_data_close,
                   .own = own};
    return true;
}

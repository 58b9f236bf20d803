/* teacher.c: scheduled sampling (Bengio et al. 2015): a net that is always given the right
 * symbol of the step before never learns to go on from a wrong one of its own. What it says is
 * found step by step, before the update; no gradient goes through the choice, so that the update
 * is that of any batch. */
#include "teacher.h"

#include <stdlib.h>

bool teacher_check(const WeftNet *net, const WeftTrain *t, int T, Error *err)
{
    const WeftModel *const m = &net->model;
    if (t->teacher_updates == 0)
        return t->teacher_last == 0 || error(err, "teacher_last needs teacher_updates");
    if (!(t->teacher_last >= 0 && t->teacher_last <= 1))
        return error(err, "teacher_last %g: from 0 to 1", (double)t->teacher_last);
    if (t->chunk > 0 && t->chunk < T)
        return error(err, "teacher_updates: not with chunks");
    if (m->input == WEFT_DENSE || m->loss != WEFT_SOFTMAX || m->vector ||
        m->outputs > m->inputs)
        return error(err,
                     "teacher_updates needs a net whose labels are its next inputs");
    return true;
}

/* With which a label is replaced in the next update. */
static double probability(const WeftNet *net, const WeftTrain *t)
{
    const uint64_t done = net->clock.updates;
    const double part =
        done < t->teacher_updates ? (double)done / (double)t->teacher_updates : 1;
    return part * (1 - (double)t->teacher_last);
}

/* Of step t + 1, from what the net says at t. */
static void replace(const Teacher *teacher, const WeftNet *net, const WeftTrain *train,
                    int t)
{
    const WeftBatch *const b = &net->training->batch;
    const int B = b->rows, O = net->model.outputs;
    const double p = probability(net, train);
    for (int i = 0; i < B; i++) {
        const uint64_t index =
            (net->clock.steps + (uint64_t)t) * (uint64_t)B + (uint64_t)i;
        int32_t *const next = b->symbol + (t + 1) * B + i;
        if (*next != b->label[t * B + i] || t + 1 >= b->length[i]) continue;
        if ((double)weft_random_uniform(train->seed, STREAM_TEACHER, index) < p)
            *next = largest(teacher->out + (size_t)i * (size_t)O, O);
    }
}

bool teacher_sample(Teacher *teacher, WeftNet *net, const WeftTrain *train, Error *err)
{
    const WeftBatch *const b = &net->training->batch;
    if (train->teacher_updates == 0 || probability(net, train) <= 0) return true;
    if (!b->fresh) return error(err, "teacher_updates needs batches that are fresh");
    const size_t outputs = (size_t)b->rows * (size_t)net->model.outputs;
    if (!teacher->out) teacher->out = malloc(outputs * sizeof *teacher->out);
    if (!teacher->out) return error(err, "out of memory");
    WeftBatch step = *b;
    step.steps = 1;
    step.length = NULL;
    for (int t = 0; t + 1 < b->steps; t++) {
        step.symbol = b->symbol + t * b->rows;
        step.fresh = t == 0;
        if (!predict_in(net, &teacher->pass, &step, teacher->out, err)) return false;
        replace(teacher, net, train, t);
    }
    return true;
}

void teacher_close(Teacher *teacher)
{
    pass_close(teacher->pass);
    free(teacher->out);
    *teacher = (Teacher){0};
}

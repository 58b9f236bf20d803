/* training.c: updates of a net on a team, alone and in turn with those of another. */
#include "training.h"

#include <stdlib.h>
#include <string.h>

#include "../core/error.h"
#include "measure.h"

#define SECONDS 0.5 /* of a turn, at least */

const TrainingShape training_shapes[TRAINING_SHAPES] = {
    {.T = 1000, .B = 1, .I = 64, .H = 128, .layers = 1, .chunk = 100},
    {.T = 1000, .B = 4, .I = 32, .H = 32, .layers = 1, .chunk = 100},
    {.T = 1000, .B = 64, .I = 128, .H = 256, .layers = 1, .chunk = 100},
};

/* ---- opening ---- */

static size_t input_count(const TrainingShape *s)
{
    return (size_t)s->T * (size_t)s->B * (size_t)s->I;
}

/* A copy: to draw anew would take as long as a small net does. */
static bool fill(void *context, uint64_t index, WeftBatch *batch, WeftError *err)
{
    const Training *const t = context;
    (void)index, (void)err;
    memcpy(batch->x, t->x, input_count(&t->shape) * sizeof *t->x);
    memcpy(batch->length, t->length, (size_t)t->shape.B * sizeof *t->length);
    return true;
}

static int falling(const void *a, const void *b)
{
    return *(const int *)b - *(const int *)a;
}

static bool draw_lengths(Training *t, WeftError *err)
{
    const TrainingShape *const s = &t->shape;
    t->length = malloc((size_t)s->B * sizeof *t->length);
    if (!t->length) return error(err, "out of memory");
    for (int b = 0; b < s->B; b++)
        t->length[b] =
            s->mixed ? 1 + (int)weft_random_below(1, 2, (uint64_t)b, (uint32_t)s->T)
                     : s->T;
    qsort(t->length, (size_t)s->B, sizeof *t->length, falling);
    return true;
}

double training_steps(const Training *t)
{
    double steps = 0;
    for (int b = 0; b < t->shape.B; b++) steps += t->length[b];
    return steps;
}

static bool draw_input(Training *t, WeftError *err)
{
    const size_t count = input_count(&t->shape);
    t->x = malloc(count * sizeof *t->x);
    if (!t->x) return error(err, "out of memory");
    for (size_t i = 0; i < count; i++) t->x[i] = weft_random_uniform(1, 1, i) - 0.5f;
    return true;
}

static bool open_net(Training *t, WeftError *err)
{
    const TrainingShape *const s = &t->shape;
    WeftLayer *const layers = calloc((size_t)s->layers, sizeof *layers);
    if (!layers) return error(err, "out of memory");
    for (int i = 0; i < s->layers; i++)
        layers[i] = (WeftLayer){.cell = t->cell, .hidden = s->H};
    const WeftModel model = {.input = WEFT_DENSE,
                             .inputs = s->I,
                             .layers = layers,
                             .layer_count = s->layers,
                             .outputs = 1,
                             .loss = WEFT_SQUARE,
                             .vector = s->vector};
    const bool opened = weft_net_open(t->team, &model, 1, &t->net, err);
    free(layers);
    return opened;
}

/* ---- time in runs ---- */

static void on_start(void *context, TileList *list)
{
    Training *const t = context;
    (void)list;
    t->began = measure_now();
}

static void on_tile(void *context, const Tile *tile, int worker)
{
    (void)context, (void)tile, (void)worker;
}

static void on_stop(void *context)
{
    Training *const t = context;
    t->ran += measure_now() - t->began;
}

/* ---- opening ---- */

bool training_open(Training *t, const TrainingShape *s, WeftError *err)
{
    *t = (Training){
        .shape = *s,
        .source = {.context = t, .fill = fill, .steps = s->T, .rows = s->B},
        .how = {.chunk = s->chunk},
    };
    t->watch = (Watch){on_start, on_tile, on_tile, on_stop, t, NULL};
    if (weft_team_open(s->threads, &t->team, err) &&
        (team_watch(t->team, &t->watch), true) &&
        weft_cell_open(s->cell, &t->cell, err) && draw_input(t, err) &&
        draw_lengths(t, err) && open_net(t, err))
        return true;
    training_close(t);
    return false;
}

void training_close(Training *t)
{
    weft_net_close(t->net);
    weft_cell_close(t->cell);
    weft_team_close(t->team);
    free(t->x);
    free(t->length);
    *t = (Training){0};
}

/* ---- running ---- */

bool training_run(Training *t, double seconds, double *took, WeftError *err)
{
    const uint64_t before = t->how.updates;
    const double begin = measure_now();
    double all;
    t->ran = 0;
    do {
        t->how.updates++;
        if (!weft_train(t->net, &t->how, &t->source, NULL, NULL, err)) return false;
        all = measure_now() - begin;
    } while (all < seconds);
    *took = all / (double)(t->how.updates - before);
    t->ran /= (double)(t->how.updates - before);
    return true;
}

/* ---- in turn ---- */

static bool turns(Training *one, Training *two, WeftError *err)
{
    for (int i = 0; i < TRAINING_TURNS; i++) {
        if (!training_run(one, SECONDS, &one->seconds[i], err) ||
            !training_run(two, SECONDS, &two->seconds[i], err))
            return false;
        one->runs[i] = one->ran;
        two->runs[i] = two->ran;
    }
    return true;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void sort(Training *t)
{
    qsort(t->seconds, TRAINING_TURNS, sizeof *t->seconds, ascending);
    qsort(t->runs, TRAINING_TURNS, sizeof *t->runs, ascending);
}

static bool open_on(const TrainingShape *s, int threads, Training *t, WeftError *err)
{
    TrainingShape on = *s;
    on.threads = threads;
    return training_open(t, &on, err);
}

/* Memory is touched before the first turn. */
static bool run_both(Training *one, Training *two, WeftError *err)
{
    double unused;
    return training_run(one, SECONDS / 5, &unused, err) &&
           training_run(two, SECONDS / 5, &unused, err) && turns(one, two, err);
}

bool training_compare(const TrainingShape *s, Training *one, Training *two,
                      WeftError *err)
{
    *two = (Training){0};
    if (!open_on(s, 1, one, err) || !open_on(s, 2, two, err) ||
        !run_both(one, two, err)) {
        training_close(one);
        training_close(two);
        return false;
    }
    sort(one);
    sort(two);
    return true;
}

double training_median(const Training *t)
{
    return t->seconds[TRAINING_TURNS / 2];
}

double training_median_run(const Training *t)
{
    return t->runs[TRAINING_TURNS / 2];
}

/* predicted.c: does the cost model know how long an update takes? Measures the rates of this
 * machine, predicts twelve trainings on one thread and on two, as these share an update, and
 * trains them. The time that a batch takes to be made is not the net's. */
#include <stdio.h>

#include "../../core/net/schedule.h"
#include "../../core/team/measure.h"
#include "../training.h"

#define NEAR      0.15 /* of the measured time, by which a prediction may be off: ... */
#define NEAR_MOST 4    /* ... but for so many, ... */
#define FAR       0.25 /* ... which are off by less */

static const TrainingShape shapes[] = {
    // clang-format off
    {.cell = "lstm",    .T = 1000, .B = 1,   .I = 64,  .H = 128, .layers = 1, .chunk = 100},
    {.cell = "lstm",    .T = 1000, .B = 4,   .I = 32,  .H = 32,  .layers = 1, .chunk = 100},
    {.cell = "lstm",    .T = 100,  .B = 64,  .I = 128, .H = 256, .layers = 1, .chunk = 10},
    {.cell = "lstm",    .T = 50,   .B = 64,  .I = 512, .H = 512, .layers = 1},
    {.cell = "lstm",    .T = 100,  .B = 16,  .I = 64,  .H = 64,  .layers = 2, .chunk = 25},
    {.cell = "gru",     .T = 1000, .B = 1,   .I = 64,  .H = 128, .layers = 1, .chunk = 100},
    {.cell = "gru",     .T = 100,  .B = 16,  .I = 64,  .H = 64,  .layers = 1},
    {.cell = "gru",     .T = 200,  .B = 32,  .I = 128, .H = 256, .layers = 2, .chunk = 50},
    {.cell = "rnn",     .T = 100,  .B = 64,  .I = 128, .H = 256, .layers = 1},
    {.cell = "rnn",     .T = 400,  .B = 8,   .I = 32,  .H = 64,  .layers = 1, .chunk = 100},
    {.cell = "mingru",  .T = 256,  .B = 32,  .I = 128, .H = 128, .layers = 1, .chunk = 64},
    {.cell = "slstm",   .T = 100,  .B = 32,  .I = 128, .H = 128, .layers = 1},
    // clang-format on
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

/* Of an update as the net's threads share it. */
static bool predict(const Training *t, const Rates *rates, double *seconds, Error *err)
{
    const Pass *const pass = t->net->training;
    const PlanMachine *const m = &team_terms(t->team)->machine;
    const Terms terms = terms_of(m->cores, m->domain, rates);
    Choice choice;
    if (!schedule_try(t->net, &pass->shape, pass->shape.windows, &terms, &pass->split,
                      &choice, err))
        return false;
    *seconds = choice.plan.seconds;
    return true;
}

typedef struct Score {
    int near, far, all;
} Score;

/* A line of the table. */
static bool hold(const Training *t, const Rates *rates, Score *score, Error *err)
{
    const TrainingShape *const s = &t->shape;
    const double measured = training_median_run(t);
    double predicted;
    if (!predict(t, rates, &predicted, err)) return false;
    const double off = predicted / measured - 1;
    score->near += off > -NEAR && off < NEAR;
    score->far += off < -FAR || off > FAR;
    score->all++;
    printf("%-7s T:%-5dB:%-4dI:%-5dH:%-5dL:%d chunk:%-5d%8d%12.3f%12.3f%+8.1f %%\n",
           s->cell, s->T, s->B, s->I, s->H, s->layers, s->chunk, s->threads,
           predicted * 1e3, measured * 1e3, 100 * off);
    fflush(stdout);
    return true;
}

static bool compare(const TrainingShape *shape, const Rates *rates, Score *score,
                    Error *err)
{
    Training one, two;
    const bool good = training_compare(shape, &one, &two, err) &&
                      hold(&one, rates, score, err) && hold(&two, rates, score, err);
    training_close(&one);
    training_close(&two);
    return good;
}

static bool measure(Rates *rates, Error *err)
{
    Team *team;
    if (!weft_team_open(2, &team, err)) return false;
    const bool measured = rates_measure(team, rates, err);
    weft_team_close(team);
    return measured;
}

int main(void)
{
    Rates rates;
    Error err;
    Score score = {0};
    bool good = measure(&rates, &err);
    printf("%-50s%8s%12s%12s%10s\n", "an update", "threads", "predicted", "measured ms",
           "off");
    for (int i = 0; good && i < SHAPES; i++)
        good = compare(&shapes[i], &rates, &score, &err);
    if (!good) return fprintf(stderr, "weft-predicted: %s\n", err.text), 2;
    printf("%d of %d within %.0f %%, %d beyond %.0f %%\n", score.near, score.all,
           100 * NEAR, score.far, 100 * FAR);
    return score.all - score.near > NEAR_MOST || score.far > 0;
}

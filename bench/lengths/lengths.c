/* lengths.c: what do rows of many lengths cost? Trains on batches whose rows have 1 to T steps
 * and on batches whose rows all have T, in turn, and compares the time of a step that is there. */
#include <stdio.h>
#include <stdlib.h>

#include "../measure.h"
#include "../training.h"

#define SECONDS 0.5 /* of a turn, at least */
#define MOST    1.1 /* times the time of a step of full rows */

static const char *const cells[] = {"lstm", "gru"};

static const TrainingShape shapes[] = {
    {.T = 400, .B = 64, .I = 64, .H = 128, .layers = 1, .threads = 1},
    {.T = 400, .B = 64, .I = 64, .H = 128, .layers = 1, .threads = 2},
    {.T = 400, .B = 128, .I = 64, .H = 256, .layers = 1, .threads = 2},
};

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool open_both(const TrainingShape *s, Training *full, Training *mixed,
                      WeftError *err)
{
    TrainingShape other = *s;
    double unused;
    other.mixed = true;
    *mixed = (Training){0};
    return training_open(full, s, err) && training_open(mixed, &other, err) &&
           training_run(full, SECONDS / 5, &unused, err) &&
           training_run(mixed, SECONDS / 5, &unused, err);
}

/* Medians: seconds of a live step of a row in either. */
static bool measure(const TrainingShape *s, double *full_step, double *mixed_step,
                    WeftError *err)
{
    static Training full, mixed;
    double one[TRAINING_TURNS], two[TRAINING_TURNS];
    bool done = open_both(s, &full, &mixed, err);
    for (int i = 0; done && i < TRAINING_TURNS; i++)
        done = training_run(&full, SECONDS, &one[i], err) &&
               training_run(&mixed, SECONDS, &two[i], err);
    if (done) {
        qsort(one, TRAINING_TURNS, sizeof *one, ascending);
        qsort(two, TRAINING_TURNS, sizeof *two, ascending);
        *full_step = one[TRAINING_TURNS / 2] / training_steps(&full);
        *mixed_step = two[TRAINING_TURNS / 2] / training_steps(&mixed);
    }
    training_close(&full);
    training_close(&mixed);
    return done;
}

/* good: whether a step costs as much as it should. */
static bool judge(const char *cell, const TrainingShape *shape, bool *good,
                  WeftError *err)
{
    TrainingShape s = *shape;
    double full, mixed;
    s.cell = cell;
    if (!measure(&s, &full, &mixed, err)) return false;
    printf("%-5s T:%d B:%-3d H:%-4d threads:%d %9.1f ns %9.1f ns %7.2f\n", cell, s.T,
           s.B, s.H, s.threads, full * 1e9, mixed * 1e9, mixed / full);
    fflush(stdout);
    *good = mixed <= MOST * full;
    return true;
}

int main(void)
{
    WeftError err = {""};
    int bad = 0;
    printf("time of a step of a row, %36s %12s %7s\n", "all of T", "1 to T", "ratio");
    for (size_t c = 0; c < sizeof cells / sizeof *cells; c++)
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            bool good;
            if (!judge(cells[c], &shapes[i], &good, &err)) {
                fprintf(stderr, "weft-lengths: %s\n", err.text);
                return 2;
            }
            bad += !good;
        }
    if (bad) printf("%d beyond %.2f\n", bad, MOST);
    return bad > 0;
}

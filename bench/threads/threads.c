/* threads.c: what does a second thread gain? Trains on one thread and on two in turn, where
 * a batch is long and its chunks can overlap, and tells how long the two wait. */
#include <stdio.h>

#include "../../core/team/team.h"
#include "../measure.h"
#include "../training.h"

#define THREADS   2
#define SECONDS   0.5 /* at least, in which waiting is measured */
#define WAIT_MOST 0.1 /* of all threads' time in updates */

static const char *const cells[] = {"lstm", "gru"};
static const double least_gain[TRAINING_SHAPES] = {1.7, 1.7, 1.85};

/* ---- waiting: what no tile takes of the threads' time in updates. What members of a
 * gang wait for each other is in their tiles, and not seen. ---- */

typedef struct Meter {
    _Alignas(ARENA_ALIGN) double begin; /* of the tile at hand */
    double tiles;                       /* seconds in them */
} Meter;

typedef struct Waits {
    Meter meter[THREADS];
    bool running;
    double start, runs; /* of the run at hand; seconds in all */
} Waits;

static void on_start(void *context, TileList *list)
{
    Waits *const w = context;
    (void)list;
    w->running = true;
    w->start = measure_now();
}

static void on_begin(void *context, const Tile *tile, int worker)
{
    Waits *const w = context;
    (void)tile;
    w->meter[worker].begin = measure_now();
}

static void on_end(void *context, const Tile *tile, int worker)
{
    Waits *const w = context;
    Meter *const m = &w->meter[worker];
    if (w->running && tile->name) m->tiles += measure_now() - m->begin;
}

static void on_stop(void *context)
{
    Waits *const w = context;
    w->runs += measure_now() - w->start;
    w->running = false;
}

static double waits_share(const Waits *w)
{
    double tiles = 0;
    for (int i = 0; i < THREADS; i++) tiles += w->meter[i].tiles;
    return 1 - tiles / (THREADS * w->runs);
}

/* Apart from the turns: to watch takes time. */
static bool measure_waits(Training *two, double *share, WeftError *err)
{
    Waits waits = {.running = false};
    Watch watch = {.start = on_start,
                   .begin = on_begin,
                   .end = on_end,
                   .stop = on_stop,
                   .context = &waits};
    double unused;
    team_watch(two->team, &watch);
    const bool ran = training_run(two, SECONDS, &unused, err);
    team_unwatch(two->team, &watch);
    *share = waits_share(&waits);
    return ran;
}

/* ---- rows ---- */

typedef struct Result {
    double one, two; /* seconds of an update, medians */
    double wait;     /* share of two threads' time */
} Result;

static bool measure(const TrainingShape *s, Result *r, WeftError *err)
{
    Training one, two;
    if (!training_compare(s, &one, &two, err)) return false;
    r->one = training_median(&one);
    r->two = training_median(&two);
    const bool done = measure_waits(&two, &r->wait, err);
    training_close(&one);
    training_close(&two);
    return done;
}

static void write_row(const TrainingShape *s, const Result *r, double bound)
{
    printf("%-5s T:%d B:%-3d I:%-4d H:%-4d %9.3f ms %9.3f ms %7.2f %7.2f %7.1f %%\n",
           s->cell, s->T, s->B, s->I, s->H, r->one * 1e3, r->two * 1e3, r->one / r->two,
           bound, r->wait * 100);
    fflush(stdout);
}

/* good: whether two threads gain what they should, and wait little. */
static bool judge(const char *cell, int shape, bool *good, WeftError *err)
{
    TrainingShape s = training_shapes[shape];
    const double bound = least_gain[shape];
    Result r;
    s.cell = cell;
    if (!measure(&s, &r, err)) return false;
    write_row(&s, &r, bound);
    *good = r.one >= bound * r.two && r.wait < WAIT_MOST;
    return true;
}

static bool judge_cell(const char *cell, bool *good, WeftError *err)
{
    *good = true;
    for (int i = 0; i < TRAINING_SHAPES; i++) {
        bool row;
        if (!judge(cell, i, &row, err)) return false;
        *good = *good && row;
    }
    return true;
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) return fprintf(stderr, "usage: weft-threads\n"), 2;
    bool good = true;
    WeftError err;
    printf("%-29s %12s %12s %7s %7s %9s  medians of %d\n", "an update", "1 thread",
           "2 threads", "gain", "wanted", "waiting", TRAINING_TURNS);
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        bool cell_good;
        if (!judge_cell(cells[i], &cell_good, &err))
            return fprintf(stderr, "weft-threads: %s\n", err.text), 2;
        good = good && cell_good;
    }
    if (!good)
        printf("two threads gain less than is wanted, or wait %.0f %% of their time\n",
               WAIT_MOST * 100);
    return !good;
}

/* busy.c: what does a second thread cost when its core is not free? Trains on one thread
 * and on two in turn, while another process keeps the second core busy, as a shared server
 * would. */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "../../core/weft.h"
#include "../measure.h"

#define TURNS   9   /* of which the median counts */
#define SECONDS 0.5 /* at least, of each */
#define BOUND   1.1 /* two threads against one */

typedef struct Shape {
    const char *cell;
    int T, B, I, H;
} Shape;

static const Shape shapes[] = {{"gru", 100, 16, 64, 64}, {"lstm", 100, 64, 128, 256}};

static void must(bool done, const WeftError *err)
{
    if (done) return;
    fprintf(stderr, "weft-busy: %s\n", err->text);
    exit(2);
}

/* ---- the other process ---- */

static pid_t busy_start(int cpu)
{
    const pid_t child = fork();
    if (child != 0) return child;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t)cpu, &one);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* it ends with its parent, however that ends */
    if (sched_setaffinity(0, sizeof one, &one) != 0) _exit(1);
    for (volatile unsigned i = 0;; i++) continue;
}

/* ---- training ---- */

typedef struct Training {
    WeftTeam *team;
    WeftNet *net;
    WeftCell *cell;
    WeftSource source;
    WeftTrain how;
    double seconds[TURNS]; /* of an update */
} Training;

static bool fill(void *context, uint64_t index, WeftBatch *batch, WeftError *err)
{
    (void)context, (void)index, (void)err;
    memset(batch->x, 0x3e,
           (size_t)(batch->steps * batch->rows * batch->inputs) *
               sizeof(float)); /* 0.19 */
    return true;
}

static void training_open(Training *t, const Shape *s, int threads)
{
    WeftError err;
    *t = (Training){.source = {.fill = fill, .steps = s->T, .rows = s->B}};
    must(weft_team_open(threads, &t->team, &err), &err);
    must(weft_cell_open(s->cell, &t->cell, &err), &err);
    const WeftLayer layer = {.cell = t->cell, .hidden = s->H};
    const WeftModel model = {.inputs = s->I,
                             .layers = &layer,
                             .layer_count = 1,
                             .outputs = 1,
                             .vector = true};
    must(weft_net_open(t->team, &model, 1, &t->net, &err), &err);
}

static void training_close(Training *t)
{
    weft_net_close(t->net);
    weft_cell_close(t->cell);
    weft_team_close(t->team);
}

/* Seconds of an update. */
static double training_run(Training *t, double seconds)
{
    WeftError err;
    const uint64_t before = t->how.updates;
    const double begin = measure_now();
    double took;
    do {
        t->how.updates++;
        must(weft_train(t->net, &t->how, &t->source, NULL, NULL, &err), &err);
        took = measure_now() - begin;
    } while (took < seconds);
    return took / (double)(t->how.updates - before);
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *seconds)
{
    qsort(seconds, TURNS, sizeof *seconds, ascending);
    return seconds[TURNS / 2];
}

/* Whether two threads keep the bound. */
static bool compare(const Shape *s)
{
    Training one, two;
    training_open(&one, s, 1);
    training_open(&two, s, 2);
    training_run(&one, SECONDS / 5); /* memory is touched */
    training_run(&two, SECONDS / 5);
    for (int i = 0; i < TURNS; i++) {
        one.seconds[i] = training_run(&one, SECONDS);
        two.seconds[i] = training_run(&two, SECONDS);
    }
    const double a = median(one.seconds), b = median(two.seconds);
    printf("%-5s T:%d B:%-3d I:%-4d H:%-4d %9.3f ms %9.3f ms %7.2f (%.2f .. %.2f ms)\n",
           s->cell, s->T, s->B, s->I, s->H, a * 1e3, b * 1e3, b / a,
           two.seconds[0] * 1e3, two.seconds[TURNS - 1] * 1e3);
    fflush(stdout);
    training_close(&one);
    training_close(&two);
    return b <= BOUND * a;
}

int main(int argc, char **argv)
{
    if (argc > 2) return fprintf(stderr, "usage: weft-busy [CPU]\n"), 2;
    const int cpu = argc == 2 ? atoi(argv[1]) : 1;
    const pid_t busy = cpu < 0 ? 0 : busy_start(cpu);
    bool kept = true;
    printf("%-28s %12s %12s %7s  of %d, busy: core %d\n", "an update", "1 thread",
           "2 threads", "ratio", TURNS, cpu);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        kept = compare(&shapes[i]) && kept;
    if (busy > 0) kill(busy, SIGKILL);
    if (!kept) printf("two threads take more than %.1f times the time of one\n", BOUND);
    return !kept;
}

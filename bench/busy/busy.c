/* busy.c: what does a second thread cost when its core is not free? Trains on one thread
 * and on two in turn, while another process keeps the second core busy, as a shared server
 * would. */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "../training.h"

#define BOUND 1.1 /* two threads against one */

// clang-format off
static const TrainingShape shapes[] = {
    {.cell = "gru",  .T = 100, .B = 16, .I =  64, .H =  64, .layers = 1, .vector = true},
    {.cell = "lstm", .T = 100, .B = 64, .I = 128, .H = 256, .layers = 1, .vector = true},
};
// clang-format on

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

static void write_row(const Training *one, const Training *two)
{
    const TrainingShape *const s = &one->shape;
    const double a = training_median(one), b = training_median(two);
    printf("%-5s T:%d B:%-3d I:%-4d H:%-4d %9.3f ms %9.3f ms %7.2f (%.2f .. %.2f ms)\n",
           s->cell, s->T, s->B, s->I, s->H, a * 1e3, b * 1e3, b / a,
           two->seconds[0] * 1e3, two->seconds[TRAINING_TURNS - 1] * 1e3);
    fflush(stdout);
}

/* kept: whether two threads keep the bound. */
static bool compare(const TrainingShape *s, bool *kept, WeftError *err)
{
    Training one, two;
    if (!training_compare(s, &one, &two, err)) return false;
    write_row(&one, &two);
    *kept = training_median(&two) <= BOUND * training_median(&one);
    training_close(&one);
    training_close(&two);
    return true;
}

int main(int argc, char **argv)
{
    if (argc > 2) return fprintf(stderr, "usage: weft-busy [CPU]\n"), 2;
    const int cpu = argc == 2 ? atoi(argv[1]) : 1;
    const pid_t busy = cpu < 0 ? 0 : busy_start(cpu);
    bool kept = true;
    WeftError err;
    printf("%-28s %12s %12s %7s  of %d, busy: core %d\n", "an update", "1 thread",
           "2 threads", "ratio", TRAINING_TURNS, cpu);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        bool keeps;
        if (!compare(&shapes[i], &keeps, &err))
            return fprintf(stderr, "weft-busy: %s\n", err.text), 2;
        kept = kept && keeps;
    }
    if (busy > 0) kill(busy, SIGKILL);
    if (!kept) printf("two threads take more than %.1f times the time of one\n", BOUND);
    return !kept;
}

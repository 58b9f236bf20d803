/* peers.c: whole training steps of weft, oneDNN and PyTorch, one thread each, timed in
 * turn in one run; first it is seen that they compute the same. */
#include "peer.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../core/cell/builtin.h"
#include "../../simd/isa.h"
#include "../measure.h"

#ifndef WITH_ONEDNN
const Peer peer_onednn = {.name = "oneDNN"};
#endif

enum { ROUNDS = 5, PEERS = 3 };
#define ROUND_SECONDS 0.2  /* of each in a round, at the least */
#define TOLERANCE     1e-4 /* of the largest value */

static const char usage[] =
    "weft-peers [TEXT...]\n"
    "\n"
    "Times a whole training step (weights changed, forward, backward with all "
    "gradients)\n"
    "of weft, oneDNN and PyTorch on one thread, each in turn in each of five rounds, "
    "on\n"
    "the instruction set that weft uses (WEFT_ISA). A row has the medians: GFLOP/s, "
    "share\n"
    "of the FMA peak, and how many times as fast as each of the others weft is. A row\n"
    "row whose outputs or gradients differ says so instead; the exit status is then "
    "1.\n"
    "\n"
    "TEXT: only the rows with one of these in their name, like "
    "lstm/T:100/B:64/I:128/H:256\n"
    "or lstm_in_python/...: the LSTM that PyTorch's user writes in Python.\n";

static const Peer *const peers[PEERS] = {&peer_weft, &peer_onednn, &peer_pytorch};
static bool started[PEERS];

typedef struct Case {
    const char *cell;
    int gates, biases;
    bool in_python;
    int first, end; /* of bench_shapes */
} Case;

static const Case cases[] = {
    // clang-format off
    {"lstm",   4, 4, false, 0, BENCH_SHAPES},
    {"gru",    3, 4, false, 0, 2},
    {"gru_v1", 3, 3, false, 0, 2},
    {"rnn",    1, 1, false, 0, 2},
    {"lstm",   4, 4, true,  1, 2},
    // clang-format on
};

typedef struct Row {
    Layer layer;
    char name[64];
    void *self[PEERS];
    bool open[PEERS];
    double seconds[PEERS][ROUNDS]; /* of a step */
} Row;

/* ---- numbers ---- */

/* Random numbers in [-limit, limit). */
static float *numbers(size_t n, uint64_t stream, float limit)
{
    float *const p = malloc(n * sizeof *p);
    if (!p) abort();
    for (size_t i = 0; i < n; i++)
        p[i] = limit * (2 * random_uniform(1, stream, i) - 1);
    return p;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *values)
{
    double sorted[ROUNDS];
    memcpy(sorted, values, sizeof sorted);
    qsort(sorted, ROUNDS, sizeof *sorted, by_size);
    return sorted[ROUNDS / 2];
}

/* Median of how many times as fast as peer p weft is. */
static double ratio(const Row *row, int p)
{
    double r[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) r[i] = row->seconds[p][i] / row->seconds[0][i];
    return median(r);
}

static double flops(const Layer *l)
{
    const BenchShape *const s = &l->shape;
    return 3 * 2.0 * s->T * s->B * l->gates * s->H * (s->I + s->H);
}

double time_steps(void (*step)(void *self), void *self, double least)
{
    const double start = measure_now();
    double seconds;
    int steps = 0;
    do {
        step(self), steps++;
        seconds = measure_now() - start;
    } while (seconds < least);
    return seconds / steps;
}

/* ---- do they compute the same? ---- */

static Outcome outcome_new(const Layer *l)
{
    const Outcome o = {malloc(layer_outputs(l) * sizeof(float)),
                       malloc(layer_inputs(l) * sizeof(float)),
                       malloc(layer_params(l) * sizeof(float))};
    if (!o.y || !o.dx || !o.dparams) abort();
    return o;
}

static void outcome_free(const Outcome *o)
{
    free(o->y), free(o->dx), free(o->dparams);
}

static bool same(const Row *row, int p, const char *what, size_t n, const float *weft,
                 const float *other)
{
    double most = 0, apart = 0;
    for (size_t i = 0; i < n; i++) {
        const double d = fabs((double)weft[i] - (double)other[i]);
        if (!(d <= apart)) apart = d; /* a NaN stays, and is told */
        most = fmax(most, fabs((double)weft[i]));
    }
    if (apart <= TOLERANCE * most) return true;
    printf("%s: %s of %s and weft differ by %g, the largest being %g\n", row->name,
           what, peers[p]->name, apart, most);
    return false;
}

static bool failed(const Row *row, int p)
{
    printf("%s: %s failed\n", row->name, peers[p]->name);
    return false;
}

/* Every peer runs a step, which also warms it up. */
static bool agree(const Row *row)
{
    const Layer *const l = &row->layer;
    const Outcome weft = outcome_new(l), other = outcome_new(l);
    bool all = true;
    for (int p = 0; p < PEERS; p++) {
        if (!row->open[p]) continue;
        const Outcome *const o = p ? &other : &weft;
        if (!(peers[p]->seconds(row->self[p], 0) > 0) ||
            !peers[p]->outcome(row->self[p], o)) {
            all = failed(row, p);
        } else if (p > 0) {
            all &= same(row, p, "outputs", layer_outputs(l), weft.y, o->y);
            all &=
                same(row, p, "gradients of the input", layer_inputs(l), weft.dx, o->dx);
            all &= same(row, p, "gradients of the parameters", layer_params(l),
                        weft.dparams, o->dparams);
        }
    }
    outcome_free(&weft), outcome_free(&other);
    return all;
}

/* ---- the table ---- */

static void print_head(double peak)
{
    printf("peak %.1f GFLOP/s (%s, one thread)\n\n", peak * 1e-9, simd->isa);
    printf("%-15s%5s%5s%6s%6s", "cell", "T", "B", "I", "H");
    for (int p = 0; p < PEERS; p++) printf("%9s GFLOP/s", peers[p]->name);
    for (int p = 1; p < PEERS; p++) printf("%6s/%s", "weft", peers[p]->name);
    printf("\n");
}

static void print_row(const Row *row, double peak)
{
    const BenchShape *const s = &row->layer.shape;
    printf("%-15s%5d%5d%6d%6d",
           row->layer.in_python ? "lstm_in_python" : row->layer.cell, s->T, s->B, s->I,
           s->H);
    for (int p = 0; p < PEERS; p++) {
        const double rate = flops(&row->layer) / median(row->seconds[p]);
        if (row->open[p])
            printf("%9.1f %5.1f %%", rate * 1e-9, 100 * rate / peak);
        else
            printf("%17s", "-");
    }
    for (int p = 1; p < PEERS; p++)
        if (row->open[p])
            printf("%13.2f", ratio(row, p));
        else
            printf("%13s", "-");
    printf("\n");
    fflush(stdout);
}

/* Sums of logarithms of the ratios of the LSTM's rows. */
typedef struct Means {
    double log_sum[PEERS];
    int rows[PEERS];
} Means;

static void add_to_means(const Row *row, Means *m)
{
    for (int p = 1; p < PEERS; p++)
        if (row->open[p]) m->log_sum[p] += log(ratio(row, p)), m->rows[p]++;
}

static void print_means(const Means *m)
{
    for (int p = 1; p < PEERS; p++)
        if (m->rows[p])
            printf("lstm, geometric mean of %d shapes: weft/%s %.2f\n", m->rows[p],
                   peers[p]->name, exp(m->log_sum[p] / m->rows[p]));
}

/* ---- a row ---- */

static const char *equations(const char *cell)
{
    const Builtin *b = builtin_cells;
    while (strcmp(b->name, cell) != 0) b++;
    return b->text;
}

static void open_row(Row *row)
{
    for (int p = 0; p < PEERS; p++) {
        Error err;
        row->open[p] = started[p] && peers[p]->open(&row->layer, &row->self[p], &err);
        if (p == 0 && !row->open[p]) {
            fprintf(stderr, "weft-peers: %s: %s\n", row->name, err.text);
            exit(1);
        }
    }
}

static void close_row(Row *row)
{
    for (int p = 0; p < PEERS; p++)
        if (row->open[p]) peers[p]->close(row->self[p]);
}

static bool time_row(Row *row)
{
    for (int i = 0; i < ROUNDS; i++)
        for (int p = 0; p < PEERS; p++)
            if (row->open[p]) {
                row->seconds[p][i] = peers[p]->seconds(row->self[p], ROUND_SECONDS);
                if (!(row->seconds[p][i] > 0)) return failed(row, p);
            }
    return true;
}

static bool run_row(Row *row, double peak, Means *means)
{
    Layer *const l = &row->layer;
    float *const params = numbers(layer_params(l), 1, 1 / sqrtf((float)l->shape.H)),
                 *const x = numbers(layer_inputs(l), 2, 1),
                 *const dy = numbers(layer_outputs(l), 3, 1);
    l->params = params, l->x = x, l->dy = dy;
    open_row(row);
    const bool good = agree(row) && time_row(row);
    if (good) print_row(row, peak);
    if (good && strcmp(l->cell, "lstm") == 0 && !l->in_python) add_to_means(row, means);
    close_row(row);
    free(params), free(x), free(dy);
    return good;
}

static bool wanted(const char *name, char *const *texts)
{
    bool any = !*texts;
    for (; *texts; texts++) any |= strstr(name, *texts) != NULL;
    return any;
}

/* False: peers disagree or fail, or no row has this name. */
static bool run_all(char *const *texts, double peak)
{
    Means means = {0};
    bool good = true;
    int rows = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int s = cases[i].first; s < cases[i].end; s++) {
            const Case *const c = &cases[i];
            const BenchShape *const shape = &bench_shapes[s];
            Row row = {.layer = {.cell = c->cell,
                                 .text = equations(c->cell),
                                 .in_python = c->in_python,
                                 .shape = *shape,
                                 .gates = c->gates,
                                 .biases = c->biases}};
            snprintf(row.name, sizeof row.name, "%s%s/T:%d/B:%d/I:%d/H:%d", c->cell,
                     c->in_python ? "_in_python" : "", shape->T, shape->B, shape->I,
                     shape->H);
            if (!wanted(row.name, texts)) continue;
            if (rows++ == 0) print_head(peak);
            good &= run_row(&row, peak, &means);
        }
    print_means(&means);
    if (!rows) fprintf(stderr, "weft-peers: no row has a name like this\n");
    return good && rows;
}

/* ---- all ---- */

/* The others use what weft uses. The user's own choice stays. */
static void equal_terms(void)
{
    const bool avx2 = strcmp(simd->isa, "avx2") == 0;
    setenv("OMP_NUM_THREADS", "1", 0);
    setenv("OPENBLAS_NUM_THREADS", "1", 0);
    if (avx2) setenv("DNNL_MAX_CPU_ISA", "AVX2", 0);
    if (avx2) setenv("ATEN_CPU_CAPABILITY", "avx2", 0);
    if (avx2) setenv("OPENBLAS_CORETYPE", "Haswell", 0);
    if (strcmp(simd->isa, "avx512") == 0) /* it does not know every CPU that has them */
        setenv("OPENBLAS_CORETYPE", "SkylakeX", 0);
}

static void start_all(void)
{
    for (int p = 0; p < PEERS; p++) {
        char version[256];
        Error err = {"not there when this was built"};
        started[p] = peers[p]->start && peers[p]->start(version, sizeof version, &err);
        printf("%s %s\n", peers[p]->name, started[p] ? version : err.text);
    }
}

int main(int argc, char **argv)
{
    char why[256];
    (void)argc;
    for (char **word = argv + 1; *word; word++) {
        if (strcmp(*word, "--help") == 0) return fputs(usage, stdout), 0;
        if (**word == '-')
            return fprintf(stderr, "weft-peers: %s is not known: --help\n", *word), 2;
    }
    if (!isa_select(NULL, why, sizeof why))
        return fprintf(stderr, "weft-peers: %s\n", why), 2;
    isa_flush();
    signal(SIGPIPE, SIG_IGN); /* a peer that ends is told by what it does not answer */
    equal_terms();
    start_all();
    const bool good = run_all(argv + 1, measure_peak(simd));
    for (int p = 0; p < PEERS; p++)
        if (peers[p]->stop) peers[p]->stop();
    return good ? 0 : 1;
}

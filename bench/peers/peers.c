/* peers.c: whole training steps of weft, oneDNN and PyTorch, one thread each, timed in
 * turn in one run; first it is seen that they compute the same. */
#include "peer.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../simd/isa.h"
#include "../measure.h"

#ifndef WITH_ONEDNN
const Peer peer_onednn = {.name = "oneDNN"};
#endif

enum { ROUNDS = 5, PEERS_MAX = 3 };
#define ROUND_SECONDS 0.2  /* of each in a round, at the least */
#define TOLERANCE     1e-4 /* of the largest value */

static const char usage[] =
    "weft-peers [--cells] [TEXT...]\n"
    "\n"
    "Times a whole training step (weights changed, forward, backward with all "
    "gradients)\n"
    "of weft, oneDNN and PyTorch on one thread, each in turn in each of five rounds, "
    "on\n"
    "the instruction set that weft uses (WEFT_ISA). A row has the medians: GFLOP/s, "
    "share\n"
    "of the FMA peak, and how many times as fast as each of the others weft is. A row\n"
    "whose outputs or gradients differ says so instead; the exit status is then 1.\n"
    "\n"
    "  --cells  weft alone: cells that it is given by their equations only "
    "(bench/cells),\n"
    "           each beside a built-in one with the same products\n"
    "  TEXT     only the rows with one of these in their name, which is like\n"
    "           lstm/T:100/B:64/I:128/H:256, or lstm_in_python/...: the LSTM that a "
    "user\n"
    "           of PyTorch writes in Python\n";

/* A layer without shape and numbers, and the first and end of its bench_shapes. */
typedef struct Case {
    Layer layer;
    int first, end;
} Case;

/* Who is timed, weft first, and on what. */
typedef struct Table {
    const Peer *peers[PEERS_MAX + 1]; /* ended by NULL */
    Case cases[6];                    /* ended by one that has no shapes */
} Table;

// clang-format off
static const Table with_peers = {{&peer_weft, &peer_onednn, &peer_pytorch}, {
    {{.cell = "lstm",   .gates = 4, .biases = 4}, 0, BENCH_SHAPES},
    {{.cell = "gru",    .gates = 3, .biases = 4}, 0, 2},
    {{.cell = "gru_v1", .gates = 3, .biases = 3}, 0, 2},
    {{.cell = "rnn",    .gates = 1, .biases = 1}, 0, 2},
    {{.cell = "lstm",   .gates = 4, .biases = 4, .in_python = true}, 1, 2},
}};
static const Table with_builtin = {{&peer_weft, &peer_builtin}, {
    {{.cell = "bounded",  .beside = "lstm", .gates = 4}, 0, 4},
    {{.cell = "coupled",  .beside = "gru",  .gates = 3}, 0, 4},
    {{.cell = "gaussian", .beside = "rnn",  .gates = 1}, 0, 4},
}};
// clang-format on

static const Peer *const *peers; /* of the table in use */
static bool started[PEERS_MAX];

typedef struct Row {
    Layer layer;
    char name[64];
    void *self[PEERS_MAX];
    bool open[PEERS_MAX];
    double seconds[PEERS_MAX][ROUNDS]; /* of a step */
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
    for (int p = 0; peers[p]; p++) {
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
    for (int p = 0; peers[p]; p++) printf("%9s GFLOP/s", peers[p]->name);
    for (int p = 1; peers[p]; p++) printf("%6s/%s", "weft", peers[p]->name);
    printf("\n");
}

static void print_row(const Row *row, double peak)
{
    const BenchShape *const s = &row->layer.shape;
    printf("%-15.*s%5d%5d%6d%6d", (int)strcspn(row->name, "/"), row->name, s->T, s->B,
           s->I, s->H);
    for (int p = 0; peers[p]; p++) {
        const double rate = flops(&row->layer) / median(row->seconds[p]);
        if (row->open[p])
            printf("%9.1f %5.1f %%", rate * 1e-9, 100 * rate / peak);
        else
            printf("%17s", "-");
    }
    for (int p = 1; peers[p]; p++)
        if (row->open[p])
            printf("%13.2f", ratio(row, p));
        else
            printf("%13s", "-");
    printf("\n");
    fflush(stdout);
}

/* Sums of logarithms of the ratios of the LSTM's rows. */
typedef struct Means {
    double log_sum[PEERS_MAX];
    int rows[PEERS_MAX];
} Means;

static void add_to_means(const Row *row, Means *m)
{
    for (int p = 1; peers[p]; p++)
        if (row->open[p]) m->log_sum[p] += log(ratio(row, p)), m->rows[p]++;
}

static void print_means(const Means *m)
{
    for (int p = 1; peers[p]; p++)
        if (m->rows[p])
            printf("lstm, geometric mean of %d shapes: weft/%s %.2f\n", m->rows[p],
                   peers[p]->name, exp(m->log_sum[p] / m->rows[p]));
}

/* ---- a row ---- */

static void open_row(Row *row)
{
    for (int p = 0; peers[p]; p++) {
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
    for (int p = 0; peers[p]; p++)
        if (row->open[p]) peers[p]->close(row->self[p]);
}

static bool time_row(Row *row)
{
    for (int i = 0; i < ROUNDS; i++)
        for (int p = 0; peers[p]; p++)
            if (row->open[p]) {
                row->seconds[p][i] = peers[p]->seconds(row->self[p], ROUND_SECONDS);
                if (!(row->seconds[p][i] > 0)) return failed(row, p);
            }
    return true;
}

/* Numbers that every peer is given. */
static void open_numbers(Layer *l)
{
    l->params = numbers(layer_params(l), 1, 1 / sqrtf((float)l->shape.H));
    l->x = numbers(layer_inputs(l), 2, 1);
    l->dy = numbers(layer_outputs(l), 3, 1);
}

static void close_numbers(Layer *l)
{
    free(l->params), free(l->x), free(l->dy);
}

static bool run_row(Row *row, double peak, Means *means)
{
    Layer *const l = &row->layer;
    if (!l->beside) open_numbers(l);
    open_row(row);
    const bool good = (l->beside || agree(row)) && time_row(row);
    if (good) print_row(row, peak);
    if (good && strcmp(l->cell, "lstm") == 0 && !l->in_python) add_to_means(row, means);
    close_row(row);
    if (!l->beside) close_numbers(l);
    return good;
}

static bool wanted(const char *name, char *const *texts)
{
    bool any = !*texts;
    for (; *texts; texts++) any |= strstr(name, *texts) != NULL;
    return any;
}

/* False: peers disagree or fail, or no row has this name. */
static bool run_table(const Case *c, char *const *texts, double peak)
{
    Means means = {0};
    bool good = true, any = false;
    for (; c->end; c++)
        for (int s = c->first; s < c->end; s++) {
            const BenchShape *const shape = &bench_shapes[s];
            Row row = {.layer = c->layer};
            row.layer.shape = *shape;
            snprintf(row.name, sizeof row.name, "%s%s/T:%d/B:%d/I:%d/H:%d",
                     c->layer.cell, c->layer.in_python ? "_in_python" : "", shape->T,
                     shape->B, shape->I, shape->H);
            if (!wanted(row.name, texts)) continue;
            if (!any) print_head(peak);
            any = true;
            good &= run_row(&row, peak, &means);
        }
    print_means(&means);
    if (!any) fprintf(stderr, "weft-peers: no row has a name like this\n");
    return good && any;
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
    for (int p = 0; peers[p]; p++) {
        char version[256];
        Error err = {"not there when this was built"};
        started[p] = peers[p]->start && peers[p]->start(version, sizeof version, &err);
        printf("%s %s\n", peers[p]->name, started[p] ? version : err.text);
    }
}

/* The words after the flags; NULL: stop with this status. */
static char **parse(char **words, const Table **table, int *status)
{
    *table = &with_peers;
    for (; *words && **words == '-'; words++) {
        if (strcmp(*words, "--cells") == 0) {
            *table = &with_builtin;
            continue;
        }
        const bool help = strcmp(*words, "--help") == 0;
        if (help)
            fputs(usage, stdout);
        else
            fprintf(stderr, "weft-peers: %s is not known: --cells, --help\n", *words);
        *status = help ? 0 : 2;
        return NULL;
    }
    return words;
}

int main(int argc, char **argv)
{
    char why[256];
    const Table *table;
    int status;
    (void)argc;
    char **const texts = parse(argv + 1, &table, &status);
    if (!texts) return status;
    if (!isa_select(NULL, why, sizeof why))
        return fprintf(stderr, "weft-peers: %s\n", why), 2;
    isa_flush();
    signal(SIGPIPE, SIG_IGN); /* a peer that ends is told by what it does not answer */
    equal_terms();
    peers = table->peers;
    start_all();
    const bool good = run_table(table->cases, texts, measure_peak(simd));
    for (int p = 0; peers[p]; p++)
        if (peers[p]->stop) peers[p]->stop();
    return good ? 0 : 1;
}

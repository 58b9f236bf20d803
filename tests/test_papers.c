/* test_papers.c: cells held to a plain loop of the paper that they are of, in double: what
 * each puts out, and what its parameters begin as. Their gradients: test_cells.c. */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "../core/weft.h"

enum { T = 5, B = 2, I = 3, H = 6, P = H / 2 /* lstmp's projection */ };

/* What leaves the step before, and then this one; out is the cell's output. */
typedef struct Carried {
    double out[H], c[H];
} Carried;

static WeftError err;
static WeftTeam *team;
static WeftNet *net;
static const double *x; /* [I], of the step */

/* ---- the parameters by name ---- */

static float *find(const char *name, int *count)
{
    char whole[64];
    const char *have;
    int axes, shape[4];
    float *value;
    snprintf(whole, sizeof whole, "layer0.%s", name);
    for (int i = 0; (value = weft_net_parameter(net, i, &have, &axes, shape)); i++) {
        *count = 1;
        for (int a = 0; a < axes; a++) *count *= shape[a];
        if (!strcmp(have, whole)) return value;
    }
    cr_assert_fail("no parameter %s", name);
    return NULL;
}

/* Number i of "b_" and "f": b_f. */
static double at(const char *kind, const char *gate, int i)
{
    char name[32];
    int count;
    snprintf(name, sizeof name, "%s%s", kind, gate);
    return (double)find(name, &count)[i];
}

/* Row i of "W_" and "f" times v [n]. */
static double product(const char *kind, const char *gate, int i, const double *v, int n)
{
    double sum = 0;
    for (int j = 0; j < n; j++) sum += at(kind, gate, i * n + j) * v[j];
    return sum;
}

static double sigmoid(double a)
{
    return 1 / (1 + exp(-a));
}

/* W x + U out + b of a gate, for unit i; the state has n numbers. */
static double affine(const char *gate, int i, const double *state, int n)
{
    return product("W_", gate, i, x, I) + product("U_", gate, i, state, n) +
           at("b_", gate, i);
}

/* ---- the loops ---- */

/* Greff et al. 2017: the input gate i, and f = 1 - i. Ours is f: i's other sign. */
static void cifg(Carried *s)
{
    const Carried old = *s;
    for (int j = 0; j < H; j++) {
        const double i = sigmoid(-affine("f", j, old.out, H)), f = 1 - i;
        s->c[j] = f * old.c[j] + i * tanh(affine("g", j, old.out, H));
        s->out[j] = sigmoid(affine("o", j, old.out, H)) * tanh(s->c[j]);
    }
}

static void lstm(Carried *s)
{
    const Carried old = *s;
    for (int j = 0; j < H; j++) {
        s->c[j] =
            sigmoid(affine("f", j, old.out, H)) * old.c[j] +
            sigmoid(affine("i", j, old.out, H)) * tanh(affine("g", j, old.out, H));
        s->out[j] = sigmoid(affine("o", j, old.out, H)) * tanh(s->c[j]);
    }
}

/* Sak et al. 2014: m = o tanh(c), r = W_rm m, and r is what recurs. */
static void lstmp(Carried *s)
{
    const Carried old = *s;
    double m[H];
    for (int j = 0; j < H; j++) {
        s->c[j] =
            sigmoid(affine("f", j, old.out, P)) * old.c[j] +
            sigmoid(affine("i", j, old.out, P)) * tanh(affine("g", j, old.out, P));
        m[j] = sigmoid(affine("o", j, old.out, P)) * tanh(s->c[j]);
    }
    for (int j = 0; j < P; j++) s->out[j] = product("P", "", j, m, H);
}

static void normalise(double *a, int n)
{
    double mean = 0, variance = 0;
    for (int i = 0; i < n; i++) mean += a[i] / n;
    for (int i = 0; i < n; i++) variance += (a[i] - mean) * (a[i] - mean) / n;
    for (int i = 0; i < n; i++) a[i] = (a[i] - mean) / sqrt(variance + 1e-5);
}

/* Ba et al. 2016, equations 20 to 22: LN over the vector of all four gates. */
static void lnlstm(Carried *s)
{
    static const char *const gate[] = {"f", "i", "o", "g"};
    const Carried old = *s;
    double w[4 * H], u[4 * H], z[4][H], c[H];
    for (int k = 0; k < 4 * H; k++) {
        w[k] = product("W_", gate[k / H], k % H, x, I);
        u[k] = product("U_", gate[k / H], k % H, old.out, H);
    }
    normalise(w, 4 * H);
    normalise(u, 4 * H);
    for (int k = 0; k < 4 * H; k++)
        z[k / H][k % H] = at("a_", gate[k / H], k % H) * w[k] +
                          at("k_", gate[k / H], k % H) * u[k] +
                          at("b_", gate[k / H], k % H);
    for (int j = 0; j < H; j++)
        c[j] = s->c[j] = sigmoid(z[0][j]) * old.c[j] + sigmoid(z[1][j]) * tanh(z[3][j]);
    normalise(c, H);
    for (int j = 0; j < H; j++)
        s->out[j] = sigmoid(z[2][j]) * tanh(at("a_", "c", j) * c[j] + at("b_", "c", j));
}

/* Zilly et al. 2017, equations 6 to 9, with c = 1 - t: x enters the first level. */
static void rhn(Carried *s)
{
    for (int level = 1; level <= 3; level++) {
        const Carried old = *s;
        const char digit[] = {(char)('0' + level), 0};
        for (int j = 0; j < H; j++) {
            double h = product("R_h", digit, j, old.out, H) + at("b_h", digit, j);
            double t = product("R_t", digit, j, old.out, H) + at("b_t", digit, j);
            if (level == 1) h += product("W_h", "", j, x, I);
            if (level == 1) t += product("W_t", "", j, x, I);
            s->out[j] = tanh(h) * sigmoid(t) + old.out[j] * (1 - sigmoid(t));
        }
    }
}

/* Li et al. 2018, equation 2: each unit its own recurrent weight. */
static void indrnn(Carried *s)
{
    for (int j = 0; j < H; j++)
        s->out[j] = fmax(0, product("W", "", j, x, I) + at("u", "", j) * s->out[j] +
                                at("b", "", j));
}

/* ---- the nets ---- */

static void open_team(void)
{
    cr_assert(weft_team_open(1, &team, &err), "%s", err.text);
}

static void close_team(void)
{
    weft_team_close(team);
}

TestSuite(papers, .init = open_team, .fini = close_team);

static void net_open(const char *name, const char *set, double value, int hidden,
                     int outputs)
{
    WeftCell *cell;
    cr_assert(weft_cell_open(name, &cell, &err), "%s", err.text);
    if (set) cr_assert(weft_cell_set(cell, set, value, &err), "%s", err.text);
    const WeftLayer layer = {.cell = cell, .hidden = hidden};
    const WeftModel model = {
        .inputs = I, .layers = &layer, .layer_count = 1, .outputs = outputs};
    cr_assert(weft_net_open(team, &model, 1, &net, &err), "%s", err.text);
    weft_cell_close(cell);
}

/* Parameters of about a half, so that each matters; the head hands on the output. */
static void draw_all(int width)
{
    const char *name;
    int axes, shape[4];
    float *value;
    for (int i = 0; (value = weft_net_parameter(net, i, &name, &axes, shape)); i++) {
        int count = 1;
        for (int a = 0; a < axes; a++) count *= shape[a];
        for (int k = 0; k < count; k++)
            value[k] = weft_random_normal(2, (uint64_t)i, (uint64_t)k) / 2;
        if (!strcmp(name, "head.weight"))
            for (int k = 0; k < count; k++) value[k] = k / width == k % width;
        if (!strcmp(name, "head.bias")) memset(value, 0, (size_t)count * sizeof *value);
    }
}

/* Each step rounds sums of I + H products and some twenty operations more, and hands that
 * on; what a norm or a chain of levels adds is within a factor of two. */
#define TOLERANCE (2 * T * (I + H + 20) * (double)FLT_EPSILON)

static void expect_loop(const char *name, void (*step)(Carried *), int width)
{
    float in[T * B * I], out[T * B * H];
    net_open(name, NULL, 0, H, width);
    draw_all(width);
    for (int i = 0; i < T * B * I; i++) in[i] = weft_random_normal(3, 0, (uint64_t)i);
    const WeftBatch batch = {.steps = T, .rows = B, .x = in, .fresh = true};
    cr_assert(weft_predict(net, &batch, out, &err), "%s", err.text);
    for (int b = 0; b < B; b++) {
        Carried s = {{0}, {0}};
        for (int t = 0; t < T; t++) {
            double now[I];
            for (int i = 0; i < I; i++) now[i] = (double)in[(t * B + b) * I + i];
            x = now;
            step(&s);
            for (int j = 0; j < width; j++) {
                const double got = (double)out[(t * B + b) * width + j];
                cr_expect(fabs(got - s.out[j]) <= TOLERANCE * fmax(1, fabs(s.out[j])),
                          "%s: step %d row %d unit %d: %.9g, not %.9g", name, t, b, j,
                          got, s.out[j]);
            }
        }
    }
    weft_net_close(net);
}

Test(papers, outputs_are_those_of_a_plain_loop)
{
    expect_loop("lstm", lstm, H);
    expect_loop("lstm_chrono", lstm, H);
    expect_loop("cifg", cifg, H);
    expect_loop("lstmp", lstmp, P);
    expect_loop("lnlstm", lnlstm, H);
    expect_loop("rhn", rhn, H);
    expect_loop("indrnn", indrnn, H);
}

/* ---- what parameters begin as ---- */

static void expect_all(const char *name, double want)
{
    int count;
    const float *const value = find(name, &count);
    for (int i = 0; i < count; i++)
        cr_expect((double)value[i] == want, "%s[%d] is %g, not %g", name, i,
                  (double)value[i], want);
}

Test(papers, forget_biases_begin_at_1_or_as_set)
{
    static const char *const cell[] = {"lstm", "lstm_peephole", "cifg", "lstmp",
                                       "lnlstm"};
    for (size_t i = 0; i < sizeof cell / sizeof *cell; i++) {
        net_open(cell[i], NULL, 0, 8, 1);
        expect_all("b_f", 1);
        expect_all("b_o", 0);
        weft_net_close(net);
        net_open(cell[i], "forget", -2.5, 8, 1);
        expect_all("b_f", -2.5);
        expect_all("b_o", 0);
        weft_net_close(net);
    }
}

/* e^b_f ~ U(1, T - 1): its mean, T / 2, is within four standard deviations. */
static void expect_chrono(double length)
{
    enum { N = 1000 };
    int count;
    const float *const f = find("b_f", &count), *const i = find("b_i", &count);
    double mean = 0;
    cr_assert_eq(count, N);
    for (int j = 0; j < N; j++) {
        const double gap = exp((double)f[j]);
        mean += gap / N;
        cr_expect(gap >= 1 - 1e-6 && gap <= (length - 1) * (1 + 1e-6), "%g", gap);
        cr_expect(i[j] == -f[j], "b_i %g, b_f %g", (double)i[j], (double)f[j]);
    }
    const double deviation = (length - 2) / sqrt(12.0 * N);
    cr_expect(fabs(mean - length / 2) < 4 * deviation, "mean %g of length %g", mean,
              length);
}

Test(papers, chrono_biases_are_of_the_length_and_opposite)
{
    net_open("lstm_chrono", NULL, 0, 1000, 1);
    expect_chrono(200);
    weft_net_close(net);
    net_open("lstm_chrono", "T", 30, 1000, 1);
    expect_chrono(30);
    weft_net_close(net);
}

Test(papers, chrono_of_a_length_set_too_short_is_an_error)
{
    WeftCell *cell;
    cr_assert(weft_cell_open("lstm_chrono", &cell, &err) &&
              weft_cell_set(cell, "T", 1, &err));
    const WeftLayer layer = {.cell = cell, .hidden = 4};
    const WeftModel model = {
        .inputs = I, .layers = &layer, .layer_count = 1, .outputs = 1};
    cr_expect(!weft_net_open(team, &model, 1, &net, &err));
    cr_expect(strstr(err.text, "chrono takes a length of at least 2"), "%s", err.text);
    weft_cell_close(cell);
}

Test(papers, indrnn_and_rhn_begin_as_published)
{
    enum { N = 1000 };
    int count;
    double mean = 0;
    net_open("indrnn", "bound", 1.5, N, 1);
    const float *const u = find("u", &count);
    for (int j = 0; j < N; j++) {
        mean += (double)u[j] / N;
        cr_expect(u[j] >= 0 && u[j] <= 1.5F, "%g", (double)u[j]);
    }
    cr_expect(fabs(mean - 0.75) < 4 * 1.5 / sqrt(12.0 * N), "%g", mean);
    const float *const W = find("W", &count);
    for (int j = 0; j < count; j++) cr_expect(fabsf(W[j]) < 0.006F);
    weft_net_close(net);
    net_open("rhn", NULL, 0, 8, 1);
    expect_all("b_t1", -2);
    expect_all("b_t3", -2);
    expect_all("b_h2", 0);
    weft_net_close(net);
}

/* Test the interpreter: values and gradients with closed forms, and that its bound
 * holds. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "../core/cell/eval.h"
#include "../simd/scalar.h"

enum { T = 4 };

typedef struct Rig {
    Graph graph;
    Eval eval;
} Rig;

static void rig_open(Rig *r, const char *text, int input, int hidden, double **param,
                     const double *x, const double *enter, const double *dy)
{
    Cell *cell;
    Error err;
    cr_assert(cell_parse("t", text, strlen(text), &cell, &err), "%s", err.text);
    cr_assert(graph_build(cell, input, hidden, &r->graph, &err), "%s", err.text);
    cell_close(cell);
    cr_assert(derive(&r->graph, &err), "%s", err.text);
    cr_assert(eval_open(&r->graph, T, &r->eval, &err));
    r->eval.bounds = true;
    r->eval.param = param;
    r->eval.x = x;
    r->eval.enter = enter;
    r->eval.dy = dy;
    eval_forward(&r->eval);
    eval_backward(&r->eval);
}

static void rig_close(Rig *r)
{
    eval_close(&r->eval);
    graph_close(&r->graph);
}

static double leaving(const Rig *r, int t, int state, int i)
{
    return eval_at(&r->eval, t, r->graph.state[state].leave)[i].v;
}

static void near(double got, double want)
{
    cr_expect(fabs(got - want) <= 1e-14 * (1 + fabs(want)), "%.17g, not %.17g", got,
              want);
}

/* h_t = a^t h_0 + b (1 + a + ... ): sums of powers, and their derivatives. */
Test(eval, an_affine_recurrence_has_its_closed_form)
{
    double a[] = {0.75}, b[] = {0.5}, *param[] = {a, b};
    const double x[T] = {0}, enter[] = {2}, dy[T] = {0, 0, 0, 1};
    Rig r;
    rig_open(&r, "state h\nscalar a\nbias b\nh' = a * h + b\n", 1, 1, param, x, enter,
             dy);
    double power = 1, sum = 0;
    for (int t = 0; t < T; t++) {
        sum += power;
        power *= 0.75;
        near(leaving(&r, t, 0, 0), 2 * power + 0.5 * sum);
    }
    const double da = 4 * pow(0.75, 3) * 2 + 0.5 * (1 + 2 * 0.75 + 3 * 0.75 * 0.75);
    Real grad[1] = {{0}};
    cr_expect_eq(eval_gradient(&r.eval, 0, grad), T);
    near(grad[0].v, da);
    grad[0] = (Real){0};
    eval_gradient(&r.eval, 1, grad);
    near(grad[0].v, sum);
    near(eval_at(&r.eval, 0, r.graph.state[0].denter)[0].v, power);
    near(eval_loss(&r.eval), leaving(&r, T - 1, 0, 0));
    rig_close(&r);
}

static double logistic(double a)
{
    return 1 / (1 + exp(-a));
}

Test(eval, one_unit_of_a_gru_by_hand)
{
    double w[] = {0.5, -0.25, 1, 0.75, 0.5, -1, 0.125, 0.25, -0.5, 0.0625};
    double *param[10];
    for (int i = 0; i < 10; i++) param[i] = &w[i];
    const double x[T] = {1, -2, 0.5, 3}, enter[] = {0.25}, dy[T] = {0};
    const char *const gru =
        "state h\nweight Wr, Wz, Wn [hidden][input]\nweight Ur, Uz, Un "
        "[hidden][hidden]\n"
        "bias br, bz, bn, dn\nr = sigmoid(Wr x + Ur h + br)\nz = sigmoid(Wz x + Uz h + "
        "bz)\n"
        "n = tanh(Wn x + bn + r * (Un h + dn))\nh' = (1 - z) * n + z * h\n";
    Rig rig;
    rig_open(&rig, gru, 1, 1, param, x, enter, dy);
    double h = 0.25;
    for (int t = 0; t < T; t++) {
        const double r = logistic(0.5 * x[t] + 0.75 * h + 0.125);
        const double z = logistic(-0.25 * x[t] + 0.5 * h + 0.25);
        const double n = tanh(x[t] - 0.5 + r * (-h + 0.0625));
        h = (1 - z) * n + z * h;
        near(leaving(&rig, t, 0, 0), h);
    }
    rig_close(&rig);
}

Test(eval, functions_have_their_values)
{
    const double x[2 * T] = {0.5, -2, 1, 2, 3, 4, -1, 5}, enter[1] = {0};
    const double dy[T] = {0};
    const struct {
        const char *text;
        double value;
    } f[] = {
        {"exp(sum(x))", exp(-1.5)},
        {"log(abs(sum(x)))", log(1.5)},
        {"sigmoid(sum(x))", logistic(-1.5)},
        {"tanh(sum(x))", tanh(-1.5)},
        {"relu(sum(x))", 0},
        {"relu(-sum(x))", 1.5},
        {"sqrt(abs(sum(x)))", sqrt(1.5)},
        {"softplus(sum(x))", log1p(exp(-1.5))},
        {"logsigmoid(sum(x))", -log1p(exp(1.5))},
        {"min(sum(x), 0)", -1.5},
        {"max(sum(x), 0)", 0},
        {"mean(x)", -0.75},
        {"sum(norm(x) * norm(x))", 2 * 1.5625 / (1.5625 + 1e-5)},
        {"dot(x, x)", 4.25},
        {"sum(sum(outer(x, x)))", 2.25},
        {"stop(sum(x)) / 2 - 1", -1.75},
        {"drop(sum(x), 0.5)", -1.5},
    };
    for (size_t i = 0; i < sizeof f / sizeof *f; i++) {
        char text[100];
        Rig r;
        snprintf(text, sizeof text, "output y\ny = %s\n", f[i].text);
        rig_open(&r, text, 2, 1, NULL, x, enter, dy);
        const Real y = eval_at(&r.eval, 0, r.graph.output[0])[0];
        cr_expect(fabs(y.v - f[i].value) <= 1e-14, "%s = %.17g, not %.17g", f[i].text,
                  y.v, f[i].value);
        cr_expect(y.e < 1e-5, "%s: bound %g", f[i].text, y.e);
        rig_close(&r);
    }
}

Test(eval, matrices_with_heads_contract_the_last_axes)
{
    double R[8] = {1, 2, 3, 4, 5, 6, 7, 8}, *param[] = {R};
    const double x[T] = {0}, enter[] = {1, 10, 100, 1000}, dy[8 * T] = {0};
    Rig r;
    rig_open(
        &r,
        "weight R [2][2][2]\nstate h [2][2]\noutput y, z\ny = R h\nz = R^T h\nh' = h\n",
        1, 1, param, x, enter, dy);
    const double y[] = {21, 43, 6500, 8700}, z[] = {31, 42, 7500, 8600};
    for (int i = 0; i < 4; i++) {
        near(eval_at(&r.eval, 0, r.graph.output[0])[i].v, y[i]);
        near(eval_at(&r.eval, 0, r.graph.output[1])[i].v, z[i]);
    }
    rig_close(&r);
}

Test(eval, masks_are_given_or_one)
{
    const double x[2 * T] = {1, 2, 3, 4, 5, 6, 7, 8}, enter[1] = {0}, dy[2 * T] = {0};
    const double mask[2 * T] = {0, 2, 2, 0, 2, 2, 0, 0};
    Rig r;
    rig_open(&r, "output y\ny = drop(x, 0.5)\n", 2, 1, NULL, x, enter, dy);
    r.eval.mask = mask;
    eval_forward(&r.eval);
    for (int t = 0; t < T; t++)
        for (int i = 0; i < 2; i++)
            near(eval_at(&r.eval, t, r.graph.output[0])[i].v,
                 x[2 * t + i] * mask[2 * t + i]);
    rig_close(&r);
}

Test(eval, stopped_values_can_be_frozen)
{
    double a[] = {2}, *param[] = {a};
    const double x[T] = {0}, enter[] = {1}, dy[T] = {1, 1, 1, 1};
    Rig r;
    rig_open(&r, "state h\nscalar a\nh' = stop(a) * h\n", 1, 1, param, x, enter, dy);
    Eval moved;
    Error err;
    cr_assert(eval_open(&r.graph, T, &moved, &err));
    moved.param = param, moved.x = x, moved.enter = enter, moved.dy = dy;
    moved.frozen = &r.eval;
    a[0] = 3;
    eval_forward(&moved);
    near(eval_at(&moved, T - 1, r.graph.state[0].leave)[0].v, 16);
    moved.frozen = NULL;
    eval_forward(&moved);
    near(eval_at(&moved, T - 1, r.graph.state[0].leave)[0].v, 81);
    eval_close(&moved);
    rig_close(&r);
}

Test(eval, kinks_are_noticed)
{
    const double x[T] = {0.5, -1e-9, 2, 3}, enter[1] = {0}, dy[T] = {0};
    Rig r;
    rig_open(&r, "output y\ny = relu(x)\n", 1, 1, NULL, x, enter, dy);
    cr_expect_eq(r.eval.margin, 1e-9);
    cr_expect(!r.eval.doubtful, "an exact operand is on one side");
    rig_close(&r);
    double b[] = {1e-9}, *param[] = {b};
    rig_open(&r, "output y\nscalar b\ny = abs(x * 3 - x * 3 + b)\n", 1, 1, param, x,
             enter, dy);
    cr_expect(r.eval.doubtful, "rounding could change its sign");
    rig_close(&r);
}

/* A float sum in the worst of orders stays within the bound, which is not vacuous. */
Test(eval, the_bound_holds_for_any_order_of_a_chain)
{
    enum { N = 300 };
    double W[N], b[] = {0.1f}, *param[] = {W, b};
    double x[T * N];
    const double enter[1] = {0}, dy[T] = {0};
    for (int i = 0; i < N; i++) W[i] = (double)(float)random_normal(1, 1, (uint64_t)i);
    for (int i = 0; i < T * N; i++)
        x[i] = (double)(float)random_normal(1, 2, (uint64_t)i);
    Rig r;
    rig_open(&r, "weight W [1][input]\nbias b [1]\noutput y\ny = W x + b\n", N, 1,
             param, x, enter, dy);
    for (int t = 0; t < T; t++) {
        const Real y = eval_at(&r.eval, t, r.graph.output[0])[0];
        float up = (float)b[0], down = 0;
        for (int i = 0; i < N; i++) {
            up = fmaf((float)W[i], (float)x[t * N + i], up);
            const int j = N - 1 - i;
            down += (float)W[j] * (float)x[t * N + j];
        }
        down += (float)b[0];
        cr_expect(fabs((double)up - y.v) <= y.e && fabs((double)down - y.v) <= y.e);
        cr_expect(y.e < 300 * 6e-8 * 600);
    }
    rig_close(&r);
}

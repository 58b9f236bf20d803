/* test_step.c: how rows, parts, chunks and directions are cut never changes a bit. */
#include "../core/cell/lower.h"
#include "../core/cell/step.h"
#include "../simd/isa.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { T = 7, B = 5, I = 3, H = 6, ROW = 16 };

/* A step with data of its own. */
typedef struct Rig {
    Graph graph;
    Step step;
    Arena arena;
    float *params, *grads, *scratch;
    float *x, *dy, *dx, *y; /* [T][B][ROW]: I or `outputs` of ROW are used */
    int32_t *symbol;        /* [T][B] */
} Rig;

static const char *const gru =
    "cell gru\nstate h = h0\nweight W_r, W_z, W_n [hidden][input]\n"
    "weight U_r, U_z, U_n [hidden][hidden]\nbias b_r, b_z, b_n, d_n = 0\nbias h0 = "
    "0.5\n"
    "r = sigmoid(W_r x + U_r h + b_r)\nz = sigmoid(W_z x + U_z h + b_z)\n"
    "n = tanh(W_n x + b_n + r * (U_n h + d_n))\nh' = (1 - z) * n + z * h\n";

/* No gradient crosses a step of this one, so nothing is lost where time is cut. */
static const char *const uncut =
    "cell uncut\nstate h\nweight W [hidden][input]\nweight U [hidden][hidden]\n"
    "h' = tanh(W x + U stop(h))\n";

/* Heads, a matrix state, reductions, a mask, a transposed product, two outputs. */
static const char *const mixed =
    "cell mixed\nsize head = 2\nsize d = hidden / head\nstate C [head][d][d]\nstate h\n"
    "weight V, K [head][d][input]\nweight R [head][d][d]\nweight S [hidden][hidden]\n"
    "bias g = 1\noutput y, h\n"
    "v = V x\nk = drop(K x, 0.5)\nC' = 0.5 * C + outer(v, R k)\n"
    "y = C' k / (norm(v) * norm(v) + 2)\nh' = tanh(S (g * h) + S^T h + mean(h))\n";

/* A matrix state so large that few rows of the mini-batch are a block. */
static const char *const matrices =
    "cell matrices\nsize head = 2\nsize m = 15\nsize n = 30\n"
    "state C [head][m][n]\nstate k [head][n] = 0.5\n"
    "weight A [head][m][input]\nweight B [head][n][input]\noutput y\n"
    "v = tanh(C k + A x)\ne = sigmoid(sum(C))\nC' = e * C + outer(v, k)\n"
    "k' = tanh(C'^T v + B x)\ny = dot(v, C' k)\n";

static void rig_fill(Rig *rig)
{
    for (int i = 0; i < T * B; i++) {
        rig->symbol[i] = (int32_t)random_below(1, 1, (uint64_t)i, I);
        for (int j = 0; j < ROW; j++) {
            const uint64_t at = (uint64_t)(i * ROW + j);
            if (j < I) rig->x[at] = random_uniform(1, 2, at) - 0.5f;
            if (j < rig->step.outputs) rig->dy[at] = random_uniform(1, 3, at) - 0.5f;
        }
    }
}

static void rig_open(Rig *rig, const char *text, bool symbols, bool training)
{
    *rig = (Rig){0};
    Error err = {""};
    Cell *cell;
    cr_assert(simd || isa_select(NULL, err.text, sizeof err.text), "%s", err.text);
    cr_assert(cell_parse("test", text, strlen(text), &cell, &err), "%s", err.text);
    cr_assert(graph_build(cell, I, H, &rig->graph, &err), "%s", err.text);
    cr_assert(derive(&rig->graph, &err), "%s", err.text);
    const StepShape shape = {.T = T,
                             .B = B,
                             .symbols = symbols,
                             .training = training,
                             .dinput = training && !symbols,
                             .slots = 1};
    cr_assert(step_open(&rig->graph, &shape, &rig->step, &err), "%s", err.text);
    Arena need = {0};
    for (Arena *a = &need;; a = &rig->arena) {
        step_place(&rig->step, a);
        rig->params = ARENA_TAKE(a, float, rig->step.params);
        rig->grads = ARENA_TAKE(a, float, rig->step.params);
        rig->scratch = ARENA_TAKE(a, float, step_scratch(&rig->step));
        rig->x = ARENA_TAKE(a, float, T *B *ROW);
        rig->dx = ARENA_TAKE(a, float, T *B *ROW);
        rig->dy = ARENA_TAKE(a, float, T *B *ROW);
        rig->y = ARENA_TAKE(a, float, T *B *ROW);
        rig->symbol = ARENA_TAKE(a, int32_t, T * B);
        if (a == &rig->arena) break;
        cr_assert(arena_open(&rig->arena, need.used, &err), "%s", err.text);
    }
    cr_assert(step_initialise(&rig->step, 7, 1, rig->params));
    rig_fill(rig);
    cell_close(cell);
}

static void rig_close(Rig *rig)
{
    step_close(&rig->step);
    graph_close(&rig->graph);
    arena_close(&rig->arena);
}

static View view(float *at, int t)
{
    return (View){at + t * B * ROW, B * ROW, ROW};
}

static Chunk chunk_of(const Rig *rig, int t, int steps)
{
    return (Chunk){.T = steps,
                   .x = view(rig->x, t),
                   .symbol = rig->symbol + t * B,
                   .symbol_step = B,
                   .dy = view(rig->dy, t),
                   .dx = view(rig->dx, t),
                   .fresh = t == 0,
                   .drop = true,
                   .seed = 3,
                   .stream = 9,
                   .time = (uint64_t)t,
                   .time_sign = 1};
}

/* Forward, backward and gradients of one chunk, in so many row blocks and parts. */
static void rig_run(Rig *rig, const Chunk *c, int blocks, int parts, View y)
{
    Step *const s = &rig->step;
    Share share[B];
    for (int i = 0; i < blocks; i++)
        share[i] = (Share){B * i / blocks, B * (i + 1) / blocks, rig->scratch, NULL};
    for (int p = 0; p < parts; p++) step_pack(s, rig->params, p, parts);
    for (int i = 0; i < blocks; i++) step_forward(s, c, rig->params, &share[i]);
    const View v = step_output(s, c->slot);
    for (int t = 0; t < c->T; t++)
        for (int b = 0; b < B; b++)
            memcpy(y.at + t * y.step + b * y.row, v.at + t * v.step + b * v.row,
                   (size_t)s->outputs * sizeof(float));
    if (!s->shape.training) return;
    for (int i = 0; i < blocks; i++) step_backward(s, c, rig->params, &share[i]);
    for (int p = 0; p < parts; p++)
        step_gradient(s, c, rig->grads, p, parts, rig->scratch);
}

#define EXPECT_SAME(a, b, count)                                                       \
    cr_expect(memcmp(a, b, (size_t)(count) * sizeof *(a)) == 0, #a " is not " #b)

static void expect_same(const Rig *a, const Rig *b)
{
    EXPECT_SAME(a->y, b->y, T * B * ROW);
    EXPECT_SAME(a->grads, b->grads, a->step.params);
    EXPECT_SAME(a->dx, b->dx, T * B * ROW);
    float sum = 0;
    for (size_t i = 0; i < a->step.params; i++) sum += a->grads[i] * a->grads[i];
    cr_expect(sum > 0, "no gradient at all");
}

static const char *const texts[] = {gru, uncut, mixed, matrices};

Test(step, row_blocks_and_parts_do_not_change_bits)
{
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        Rig a, b;
        rig_open(&a, texts[i], false, true);
        rig_open(&b, texts[i], false, true);
        const Chunk ca = chunk_of(&a, 0, T), cb = chunk_of(&b, 0, T);
        rig_run(&a, &ca, 1, 1, view(a.y, 0));
        rig_run(&b, &cb, 3, 4, view(b.y, 0));
        expect_same(&a, &b);
        rig_close(&a);
        rig_close(&b);
    }
}

Test(step, chunks_equal_one_chunk_when_nothing_is_cut)
{
    Rig a, b;
    rig_open(&a, uncut, false, true);
    rig_open(&b, uncut, false, true);
    const Chunk whole = chunk_of(&a, 0, T);
    rig_run(&a, &whole, 1, 1, view(a.y, 0));
    for (int t = 0, steps = 0; t < T; t += steps) {
        Chunk part = chunk_of(&b, t, t == 0 ? 3 : 2);
        part.enter_t = steps; /* of the chunk before */
        steps = part.T;
        rig_run(&b, &part, 2, 1, view(b.y, t));
    }
    expect_same(&a, &b);
    rig_close(&a);
    rig_close(&b);
}

Test(step, carried_states_go_on)
{
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        Rig a, b;
        rig_open(&a, texts[i], false, false);
        rig_open(&b, texts[i], false, false);
        const Chunk whole = chunk_of(&a, 0, T), head = chunk_of(&b, 0, 4);
        Chunk tail = chunk_of(&b, 4, 3);
        tail.enter_t = 4;
        rig_run(&a, &whole, 1, 1, view(a.y, 0));
        rig_run(&b, &head, 1, 1, view(b.y, 0));
        float state[1024];
        cr_assert(step_state_count(&b.step) <= 1024);
        for (int row = 0; row < B; row++) { /* through a saved copy */
            step_get_state(&b.step, 0, 4, row, state);
            step_set_state(&b.step, 0, 4, row, state);
        }
        rig_run(&b, &tail, 2, 1, view(b.y, 4));
        EXPECT_SAME(a.y, b.y, T * B * ROW);
        rig_close(&a);
        rig_close(&b);
    }
}

static int instructions(const Rig *rig, MapOp map)
{
    int count = 0;
    for (int i = 0; i < rig->step.program->instrs; i++) {
        const Instr *const instr = &rig->step.program->instr[i];
        count += instr->kind == KIND_MAP && instr->map == map;
    }
    return count;
}

Test(step, a_gradient_that_is_a_product_is_one_operation_with_its_function)
{
    Rig rig;
    rig_open(&rig,
             "cell gated\nstate h\nweight W, V [hidden][input]\n"
             "h' = sigmoid(W x) * tanh(V x) + h\n",
             false, true);
    cr_assert(instructions(&rig, MAP_dsigmoid_mul) == 1);
    cr_assert(instructions(&rig, MAP_dtanh_mul) == 1);
    cr_assert(instructions(&rig, MAP_dsigmoid) + instructions(&rig, MAP_dtanh) == 0);
    rig_close(&rig);

    /* GRU's dh' z is the last that reads z: put off, another buffer would be kept. */
    rig_open(&rig, gru, false, true);
    cr_assert(rig.step.program->buffers == 5);
    rig_close(&rig);
}

Test(step, a_matrix_is_kept_as_a_state_and_else_in_blocks)
{
    enum { FLOATS = 2 * 20 * 20 };
    Rig rig;
    rig_open(&rig,
             "cell memory\nsize head = 2\nsize d = 20\nstate C [head][d][d]\n"
             "state m [head]\nweight V, K, Q [head][d][input]\n"
             "weight w [head][input]\noutput y\nm' = tanh(w x + m)\n"
             "C' = m' * C + m' * outer(V x, K x)\ny = dot(V x, C' (Q x))\n",
             false, true);
    const Program *const p = rig.step.program;
    for (int i = 0; i < p->buffers; i++) cr_expect(p->buffer[i] < FLOATS);
    for (int i = 0; i < p->strips; i++)
        cr_expect(p->strip[i].n < FLOATS || p->strip[i].block);
    rig_close(&rig);
}

Test(step, inference_gives_the_outputs_of_training)
{
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        Rig a, b;
        rig_open(&a, texts[i], false, true);
        rig_open(&b, texts[i], false, false);
        const Chunk ca = chunk_of(&a, 0, T), cb = chunk_of(&b, 0, T);
        rig_run(&a, &ca, 1, 1, view(a.y, 0));
        rig_run(&b, &cb, 1, 1, view(b.y, 0));
        EXPECT_SAME(a.y, b.y, T * B * ROW);
        rig_close(&a);
        rig_close(&b);
    }
}

/* A direction that runs backward in time: views that begin at the last step. */
Test(step, a_reversed_view_is_the_reversed_input)
{
    Rig a, b;
    rig_open(&a, gru, false, true);
    rig_open(&b, gru, false, true);
    for (int t = 0; t < T; t++) {
        memcpy(b.x + t * B * ROW, a.x + (T - 1 - t) * B * ROW, B * ROW * sizeof(float));
        memcpy(b.dy + t * B * ROW, a.dy + (T - 1 - t) * B * ROW,
               B * ROW * sizeof(float));
    }
    Chunk ca = chunk_of(&a, 0, T), cb = chunk_of(&b, 0, T);
    View *const views[] = {&cb.x, &cb.dy, &cb.dx};
    for (int i = 0; i < 3; i++) {
        views[i]->at += (T - 1) * views[i]->step;
        views[i]->step = -views[i]->step;
    }
    rig_run(&a, &ca, 1, 1, view(a.y, 0));
    rig_run(&b, &cb, 1, 1, view(b.y, 0));
    EXPECT_SAME(a.y, b.y, T * B * ROW);
    EXPECT_SAME(a.grads, b.grads, a.step.params);
    for (int t = 0; t < T; t++)
        EXPECT_SAME(a.dx + t * B * ROW, b.dx + (T - 1 - t) * B * ROW, B * ROW);
    rig_close(&a);
    rig_close(&b);
}

Test(step, a_symbol_is_its_one_hot_vector)
{
    Rig a, b;
    rig_open(&a, gru, false, true);
    rig_open(&b, gru, true, true);
    for (int i = 0; i < T * B; i++)
        for (int j = 0; j < I; j++) a.x[i * ROW + j] = j == a.symbol[i];
    const Chunk ca = chunk_of(&a, 0, T), cb = chunk_of(&b, 0, T);
    rig_run(&a, &ca, 1, 1, view(a.y, 0));
    rig_run(&b, &cb, 2, 3, view(b.y, 0));
    EXPECT_SAME(a.y, b.y, T * B * ROW);
    EXPECT_SAME(a.grads, b.grads, a.step.params);
    rig_close(&a);
    rig_close(&b);
}

/* Rows that end early, or begin late, give what shorter runs give. */
Test(step, rows_freeze_outside_their_steps)
{
    enum { BEGIN = 2, END = 5 };
    Rig a, b;
    rig_open(&a, gru, false, true);
    rig_open(&b, gru, false, true);
    const int begin[B] = {BEGIN, BEGIN, BEGIN, BEGIN, BEGIN},
              end[B] = {END, END, END, END, END};
    for (int i = 0; i < T * B * ROW; i++)
        if (i < BEGIN * B * ROW || i >= END * B * ROW) a.dy[i] = 0;
    Chunk ca = chunk_of(&a, 0, T), cb = chunk_of(&b, BEGIN, END - BEGIN);
    ca.begin = begin;
    ca.end = end;
    cb.fresh = true;
    rig_run(&a, &ca, 2, 1, view(a.y, 0));
    rig_run(&b, &cb, 1, 1, view(b.y, BEGIN));
    EXPECT_SAME(a.y + BEGIN * B * ROW, b.y + BEGIN * B * ROW, (END - BEGIN) * B * ROW);
    EXPECT_SAME(a.grads, b.grads, a.step.params);
    EXPECT_SAME(a.dx + BEGIN * B * ROW, b.dx + BEGIN * B * ROW,
                (END - BEGIN) * B * ROW);
    for (int row = 0; row < B; row++) {
        float last_a[H], last_b[H];
        step_get_state(&a.step, 0, T, row, last_a);
        step_get_state(&b.step, 0, END - BEGIN, row, last_b);
        EXPECT_SAME(last_a, last_b, H);
    }
    rig_close(&a);
    rig_close(&b);
}

Test(step, symbols_are_for_products_only)
{
    Error err = {""};
    Cell *cell;
    Graph graph;
    Step step;
    const char *const text = "cell c\nstate h\nweight w [input]\nh' = h + sum(w * x)\n";
    cr_assert(cell_parse("test", text, strlen(text), &cell, &err), "%s", err.text);
    cr_assert(graph_build(cell, I, H, &graph, &err), "%s", err.text);
    cr_assert(derive(&graph, &err), "%s", err.text);
    cr_assert(isa_select(NULL, err.text, sizeof err.text), "%s", err.text);
    const StepShape shape = {
        .T = T, .B = B, .symbols = true, .training = true, .slots = 1};
    cr_assert(!step_open(&graph, &shape, &step, &err));
    cr_expect(strstr(err.text, "embedding"), "%s", err.text);
    graph_close(&graph);
    cell_close(cell);
}

/* Parts of the weight gradients have all rows, each once. */
Test(step, parts_of_gradients_share_all_rows)
{
    for (size_t t = 0; t < sizeof texts / sizeof *texts; t++) {
        Rig rig;
        rig_open(&rig, texts[t], false, true);
        const Program *const p = rig.step.program;
        for (int parts = 1; parts < 9; parts++)
            for (int i = 0; i < p->gradients; i++) {
                const int param = p->gradient[i].param;
                cr_expect_eq(program_row(p, param, 0, parts), 0);
                cr_expect_eq(program_row(p, param, parts, parts), p->cut[param].rows);
                for (int part = 0; part < parts; part++)
                    cr_expect(program_row(p, param, part, parts) <=
                              program_row(p, param, part + 1, parts));
            }
        rig_close(&rig);
    }
}

/* Neither of two parts has more than a line or two over the other. */
Test(step, parts_of_gradients_have_as_much_work)
{
    Rig rig;
    rig_open(&rig, gru, false, true);
    const Program *const p = rig.step.program;
    int64_t work[2] = {0}, line = 0;
    for (int part = 0; part < 2; part++)
        for (int i = 0; i < p->gradients; i++) {
            const GradientJob *const j = &p->gradient[i];
            const int rows = program_row(p, j->param, part + 1, 2) -
                             program_row(p, j->param, part, 2);
            work[part] += (int64_t)rows * j->G * j->K;
            if (p->cut[j->param].line > line) line = p->cut[j->param].line;
        }
    cr_expect(work[0] - work[1] <= 2 * line && work[1] - work[0] <= 2 * line,
              "%ld and %ld, lines of %ld", (long)work[0], (long)work[1], (long)line);
    rig_close(&rig);
}

/* test_step_gang.c: a gang gives the bits of one thread, whoever of it comes when. */
#include "../core/cell/builtin.h"
#include "../core/cell/lower.h"
#include "../core/cell/parse.h"
#include "../core/cell/step.h"
#include "../simd/isa.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Units for several panels and a piece of one, on every instruction set. */
enum {
    T = 9,
    T_FIRST = 5,
    B_MAX = 70,
    I = 5,
    H = 76,
    ROW = 160,
    MEMBERS = 5,
    BLOCKS = 2
};

/* What built-in cells lack: a product of a value that is gone with its step, a state and
 * a mask that need no product, a matrix state of few rows, states of other widths, and
 * one that only the output reads. */
static const char *const texts[] = {
    "cell strips\nsize head = 2\nsize d = hidden / head\nstate h\nstate s [head]\n"
    "weight W [hidden][input]\nweight R [head][d][input]\n"
    "weight U, V [hidden][hidden]\nbias b\noutput o, h\nz = R x\n"
    "s' = 0.5 * s + mean(z * s) + 0.1\no = s' * z\n"
    "y = tanh(V (sigmoid(U h) - 0.5))\n"
    "h' = tanh(W x + V stop(exp(-abs(U y))) + b * norm(h))\n",
    "cell joined\nstate h, c\nweight W, V [hidden][input]\n"
    "c' = sigmoid(V x) * c + drop(W x, 0.3)\nh' = 0.9 * h + tanh(c')\n",
    "cell matrices\nsize head = 2\nsize d = hidden / head\nstate C [head][d][3]\n"
    "weight A [head][d][input]\nweight K [head][3][input]\noutput y\n"
    "e = sigmoid(sum(C))\nC' = e * C + outer(A x, K x)\ny = C' (K x)\n",
    "cell read\nstate h\nweight W, V [hidden][input]\noutput y\n"
    "y = h * (V x)\nh' = W x\n",
};

typedef struct Rig {
    Graph graph;
    Step step;
    Arena arena;
    Gang gang[BLOCKS]; /* of each block of rows */
    int B, blocks, members;
    float *params, *grads, *scratch[BLOCKS][MEMBERS];
    float *x, *dy, *dx, *y; /* [T][B][ROW] */
    float *state;           /* [B][step_state_count]: what a chunk leaves */
    int begin[B_MAX], end[B_MAX];
} Rig;

static void place(Rig *r, Arena *a)
{
    const size_t count = (size_t)(T * r->B * ROW);
    step_place(&r->step, a);
    r->params = ARENA_TAKE(a, float, r->step.params);
    r->grads = ARENA_TAKE(a, float, r->step.params);
    r->x = ARENA_TAKE(a, float, count);
    r->dy = ARENA_TAKE(a, float, count);
    r->dx = ARENA_TAKE(a, float, count);
    r->y = ARENA_TAKE(a, float, count);
    r->state = ARENA_TAKE(a, float, (size_t)r->B *step_state_count(&r->step));
    for (int i = 0; i < r->blocks; i++) {
        gang_place(&r->gang[i], r->members, step_shared(&r->step), a);
        for (int m = 0; m < r->members; m++)
            r->scratch[i][m] = ARENA_TAKE(a, float, step_scratch(&r->step));
    }
}

static void rig_open(Rig *r, const char *text, int B, int blocks, int members)
{
    Error err = {""};
    Cell *cell;
    *r = (Rig){.B = B, .blocks = blocks, .members = members};
    cr_assert(simd || isa_select(NULL, err.text, sizeof err.text), "%s", err.text);
    cr_assert(cell_parse("test", text, strlen(text), &cell, &err), "%s", err.text);
    cr_assert(graph_build(cell, I, H, &r->graph, &err), "%s", err.text);
    cr_assert(derive(&r->graph, &err), "%s", err.text);
    const StepShape shape = {
        .T = T, .B = B, .training = true, .dinput = true, .slots = 1};
    cr_assert(step_open(&r->graph, &shape, &r->step, &err), "%s", err.text);
    cr_assert(r->step.outputs <= ROW);
    Arena need = {0};
    place(r, &need);
    cr_assert(arena_open(&r->arena, need.used, &err), "%s", err.text);
    place(r, &r->arena);
    cr_assert(step_initialise(&r->step, 7, 1, r->params));
    for (int i = 0; i < T * B * ROW; i++) {
        if (i % ROW < I) r->x[i] = random_uniform(1, 2, (uint64_t)i) - 0.5f;
        if (i % ROW < r->step.outputs)
            r->dy[i] = random_uniform(1, 3, (uint64_t)i) - 0.5f;
    }
    for (int b = 0; b < B; b++) {
        r->begin[b] = b % 3;
        r->end[b] = T_FIRST - b % 4;
    }
    step_pack(&r->step, r->params, 0, 1);
    cell_close(cell);
}

static void rig_close(Rig *r)
{
    step_close(&r->step);
    graph_close(&r->graph);
    arena_close(&r->arena);
}

/* ---- a chunk, forward and backward, by gangs ---- */

typedef struct Worker {
    pthread_t id;
    Rig *rig;
    const Chunk *chunk;
    int block;       /* of rows */
    int member, end; /* these members, one after the other */
} Worker;

static void *work(void *context)
{
    const Worker *const w = context;
    Rig *const r = w->rig;
    for (int m = w->member; m < w->end; m++) {
        const Member member = {&r->gang[w->block], m};
        const Share share = {part_at(r->B, 1, w->block, r->blocks),
                             part_at(r->B, 1, w->block + 1, r->blocks),
                             r->scratch[w->block][m], r->members > 1 ? &member : NULL};
        step_forward(&r->step, w->chunk, r->params, &share);
        step_backward(&r->step, w->chunk, r->params, &share);
    }
    return NULL;
}

/* Each member in a thread of its own, or all of them in one. */
static void run_chunk(Rig *r, const Chunk *c, bool threads)
{
    Worker worker[BLOCKS][MEMBERS];
    for (int i = 0; i < r->blocks; i++)
        for (int m = 0; m < r->members; m++) {
            Worker *const w = &worker[i][m];
            *w = (Worker){.rig = r, .chunk = c, .block = i, .member = m, .end = m + 1};
            if (!threads)
                work(w);
            else
                cr_assert(!pthread_create(&w->id, NULL, work, w));
        }
    for (int i = 0; threads && i < r->blocks; i++)
        for (int m = 0; m < r->members; m++) pthread_join(worker[i][m].id, NULL);
}

/* Two chunks, so that gangs go on after a job, and states are carried. */
static void run(Rig *r, bool threads, bool lengths)
{
    const Step *const s = &r->step;
    for (int t = 0, steps = T_FIRST; t < T; t += steps, steps = T - t) {
        const View x = {r->x + t * r->B * ROW, r->B * ROW, ROW};
        const Chunk c = {.T = steps,
                         .x = x,
                         .dy = {r->dy + (x.at - r->x), x.step, x.row},
                         .dx = {r->dx + (x.at - r->x), x.step, x.row},
                         .begin = lengths ? r->begin : NULL,
                         .end = lengths ? r->end : NULL,
                         .fresh = t == 0,
                         .enter_t = T_FIRST,
                         .drop = true,
                         .seed = 3,
                         .time = (uint64_t)t,
                         .time_sign = 1};
        run_chunk(r, &c, threads);
        step_gradient(&r->step, &c, r->grads, 0, 1, r->scratch[0][0]);
        const View y = step_output(s, 0);
        for (int i = 0; i < c.T; i++)
            for (int b = 0; b < r->B; b++)
                memcpy(r->y + ((t + i) * r->B + b) * ROW, y.at + i * y.step + b * y.row,
                       (size_t)s->outputs * sizeof(float));
    }
    for (int b = 0; b < r->B; b++)
        step_get_state(s, 0, T - T_FIRST, b,
                       r->state + (size_t)b * step_state_count(s));
}

#define EXPECT_SAME(name, count)                                                       \
    cr_expect(memcmp(alone->name, r->name, (count) * sizeof(float)) == 0,              \
              "%.20s: " #name ", B %d, %d blocks, gangs of %d", text, r->B, r->blocks, \
              r->members)

static void expect_same(const Rig *alone, const Rig *r, const char *text)
{
    const size_t count = (size_t)(T * r->B * ROW);
    EXPECT_SAME(y, count);
    EXPECT_SAME(dx, count);
    EXPECT_SAME(state, (size_t)r->B * step_state_count(&r->step));
    EXPECT_SAME(grads, r->step.params);
}

static void hold(const char *text, int B, int blocks, bool lengths)
{
    Rig alone, gang;
    rig_open(&alone, text, B, 1, 1);
    run(&alone, false, lengths);
    static const int members[] = {2, 3, MEMBERS};
    for (int i = 0; i < 6; i++) {
        rig_open(&gang, text, B, blocks, members[i % 3]);
        run(&gang, i < 3, lengths);
        expect_same(&alone, &gang, text);
        rig_close(&gang);
    }
    rig_close(&alone);
}

static void hold_all(int B, int blocks, bool lengths)
{
    for (const Builtin *b = builtin_cells; b->name; b++)
        hold(b->text, B, blocks, lengths);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        hold(texts[i], B, blocks, lengths);
}

Test(step_gang, of_one_row_gives_the_bits_of_one_thread)
{
    hold_all(1, 1, false);
}

Test(step_gang, of_rows_gives_the_bits_of_one_thread)
{
    hold_all(5, 1, false);
}

Test(step_gang, of_more_rows_than_a_block_gives_the_bits_of_one_thread)
{
    hold_all(B_MAX, 1, false);
}

Test(step_gang, gangs_beside_each_other_give_the_bits_of_one_thread)
{
    hold_all(5, BLOCKS, false);
}

Test(step_gang, rows_that_begin_late_and_end_early_give_the_bits_of_one_thread)
{
    hold_all(5, 1, true);
    hold_all(1, 1, true);
}

/* ---- how many waits ---- */

static int waits(const char *text, Phase loop)
{
    Rig r;
    rig_open(&r, text, 5, 1, 2);
    const Program *const p = r.step.program;
    int count = 0;
    for (int g = p->group_at[loop]; g < p->group_at[loop + 1]; g++)
        count += !p->group[g].joined;
    rig_close(&r);
    return count;
}

static const char *cell(const char *name)
{
    const Builtin *b = builtin_cells;
    while (strcmp(b->name, name) != 0) b++;
    return b->text;
}

Test(step_gang, waits_once_for_each_dependent_product)
{
    static const struct {
        const char *name;
        int forward, backward;
    } want[] = {{"rnn", 1, 1},    {"lstm", 1, 1},   {"gru", 1, 1},
                {"gru_v1", 2, 2}, {"mingru", 0, 0}, {"minlstm", 0, 0}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        cr_expect_eq(waits(cell(want[i].name), FORWARD_LOOP), want[i].forward, "%s",
                     want[i].name);
        cr_expect_eq(waits(cell(want[i].name), BACKWARD_LOOP), want[i].backward, "%s",
                     want[i].name);
    }
}

Test(step_gang, shares_what_the_loop_passes_on_within_a_step)
{
    Rig r;
    int shared = 0;
    rig_open(&r, texts[0], 5, 1, 2);
    for (int i = 0; i < r.step.program->strips; i++)
        shared += r.step.program->strip[i].loop;
    cr_expect(shared > 0 && step_shared(&r.step) > 64 * H);
    rig_close(&r);
}

/* test_scan.c: a loop cut into segments that run side by side gives what it gives uncut, with
 * rounding of its own, which no thread, split or instruction set changes. */
#include "../core/cell/builtin.h"
#include "../core/cell/check.h"
#include "../core/cell/parse.h"
#include "../core/cell/step.h"
#include "../core/net/pass.h"
#include "net_rig.h"

#include <pthread.h>

/* ---- where all numbers are exact, nothing may differ ---- */

enum { T = 13, B = 5, I = 4, H = 40, ROW = 80, MEMBERS = 4 };

/* With weights and inputs of -1, 0 and 1, one weight a row, no sum or product of these is
 * rounded, whatever its order: states in their plain form and in others, two of them, one of another shape, one
 * that is only read by the output, starts that are trained, a gradient that is cut. */
static const char *const exact[] = {
    "state h\nweight A, W [hidden][input]\nh' = (A x) * h + W x\n",
    "state h\nweight A, W [hidden][input]\noutput y\n"
    "h' = h + (A x) * (A x) * (W x - h)\ny = h' * (W x) + h * (A x)\n",
    "state h\nstate c [3][hidden]\nweight A, W [hidden][input]\nweight V "
    "[3][hidden][input]\n"
    "weight U [hidden][input]\noutput y, h\nc' = -c + V x\nh' = W x - (A x) * stop(U "
    "x) * h\n"
    "y = sum(outer(U x, A x)) * h'\n",
    "state C [3][4]\nweight a [3][input]\nweight b, q [4][input]\noutput y\n"
    "C' = C - outer(a x, b x)\ny = C' (q x)\n",
    "state h = g\nbias g = 1\nweight W [hidden][input]\nh' = h + W x\n",
    "state h\nbias a = 1\nweight W [hidden][input]\noutput y\n"
    "h' = (4 * h - (4 + 2 * a) * h) / 2 + W x\ny = h + stop(h) * (W x)\n",
    "state h = 1\nweight A [hidden][input]\noutput y\nh' = (1 - 2 * (A x) * (A x)) * "
    "h\ny = h + A x\n",
};

typedef struct Rig {
    Graph graph;
    Step step;
    Arena arena;
    Gang gang;
    int members;
    float *params, *grads, *scratch[MEMBERS];
    float *x, *dy, *dx, *y; /* [2 T][B][ROW] */
    float *state;           /* [B][states]: what the last chunk leaves */
    int begin[B], end[B];
} Rig;

static void place(Rig *r, Arena *a)
{
    const size_t count = (size_t)(2 * T * B * ROW);
    step_place(&r->step, a);
    r->params = ARENA_TAKE(a, float, r->step.params + LANES_MAX);
    r->grads = ARENA_TAKE(a, float, r->step.params + LANES_MAX);
    r->x = ARENA_TAKE(a, float, count);
    r->dy = ARENA_TAKE(a, float, count);
    r->dx = ARENA_TAKE(a, float, count);
    r->y = ARENA_TAKE(a, float, count);
    r->state = ARENA_TAKE(a, float, (size_t)B *step_state_count(&r->step));
    gang_place(&r->gang, r->members, step_shared(&r->step), a);
    for (int m = 0; m < r->members; m++)
        r->scratch[m] = ARENA_TAKE(a, float, step_scratch(&r->step));
}

static void fill(float *to, int n, uint64_t stream)
{
    for (int i = 0; i < n; i++)
        to[i] = (float)random_below(9, stream, (uint64_t)i, 3) - 1;
}

/* Each row of a matrix reads one input. */
static void fill_params(Rig *r)
{
    float *at = r->params;
    fill(at, (int)r->step.params, 1);
    for (int i = 0; i < r->graph.params; i++) {
        const Shape *const s = &r->graph.param[i].shape;
        const int n = shape_count(s);
        for (int j = 0; s->axes > 1 && j < n; j++)
            at[j] = j % I == (j / I + i) % I ? (at[j] > 0 ? 1.0f : -1.0f) : 0;
        at += n;
    }
}

static void graph_open(const char *text, int hidden, Graph *graph)
{
    Error err = {""};
    Cell *cell;
    cr_assert(cell_parse("test", text, strlen(text), &cell, &err), "%s", err.text);
    cr_assert(graph_build(cell, I, hidden, graph, &err), "%s", err.text);
    cr_assert(derive(graph, &err), "%s", err.text);
    cell_close(cell);
}

static void rig_open(Rig *r, const char *text, int scan, int members)
{
    Error err = {""};
    *r = (Rig){.members = members};
    cr_assert(simd || isa_select(NULL, err.text, sizeof err.text), "%s", err.text);
    graph_open(text, H, &r->graph);
    const StepShape shape = {
        .T = T, .B = B, .training = true, .dinput = true, .slots = 1, .scan = scan};
    cr_assert(step_open(&r->graph, &shape, &r->step, &err), "%s", err.text);
    cr_assert(r->step.outputs <= ROW && r->step.affine == (scan > 0));
    cr_assert(r->step.scan == (scan < T ? scan : 0));
    Arena need = {0};
    place(r, &need);
    cr_assert(arena_open(&r->arena, need.used, &err), "%s", err.text);
    place(r, &r->arena);
    fill_params(r);
    for (int i = 0; i < 2 * T * B; i++) {
        fill(r->x + i * ROW, I, 2 + 2 * (uint64_t)i);
        fill(r->dy + i * ROW, r->step.outputs, 3 + 2 * (uint64_t)i);
    }
    for (int b = 0; b < B; b++) {
        r->begin[b] = 2 * b % 5;
        r->end[b] = T - 3 * b;
        if (r->end[b] < r->begin[b]) r->begin[b] = r->end[b] = 0; /* never live */
    }
    step_pack(&r->step, r->params, 0, 1);
}

static void rig_close(Rig *r)
{
    step_close(&r->step);
    graph_close(&r->graph);
    arena_close(&r->arena);
}

typedef struct Worker {
    pthread_t id;
    Rig *rig;
    const Chunk *chunk;
    int member;
} Worker;

static void *work(void *context)
{
    const Worker *const w = context;
    Rig *const r = w->rig;
    const Member member = {&r->gang, w->member};
    const Share share = {0, B, r->scratch[w->member], r->members > 1 ? &member : NULL};
    step_forward(&r->step, w->chunk, r->params, &share);
    step_backward(&r->step, w->chunk, r->params, &share);
    return NULL;
}

typedef struct Case {
    bool lengths;
    int cut;
} Case;

static bool is_live(const Rig *r, const Case *c, int t, int b)
{
    return !c->lengths || (t >= r->begin[b] && t < r->end[b]);
}

/* A chunk of T steps that starts anew, and one of T - 4 that goes on from it. */
static void run(Rig *r, const Case *with)
{
    for (int k = 0; k < 2; k++) {
        const View x = {r->x + k * T * B * ROW, B * ROW, ROW};
        const Chunk c = {.T = k ? T - 4 : T,
                         .cut = with->cut,
                         .x = x,
                         .dy = {r->dy + (x.at - r->x), x.step, x.row},
                         .dx = {r->dx + (x.at - r->x), x.step, x.row},
                         .begin = with->lengths ? r->begin : NULL,
                         .end = with->lengths ? r->end : NULL,
                         .fresh = k == 0,
                         .enter_t = T,
                         .time_sign = 1};
        for (int t = 0; t < c.T; t++) /* a row that has ended has no loss */
            for (int b = 0; b < B; b++)
                if (!is_live(r, with, t, b))
                    memset(c.dy.at + t * x.step + b * x.row, 0, ROW * sizeof(float));
        Worker worker[MEMBERS];
        for (int m = 0; m < r->members; m++) {
            worker[m] = (Worker){.rig = r, .chunk = &c, .member = m};
            cr_assert(!pthread_create(&worker[m].id, NULL, work, &worker[m]));
        }
        for (int m = 0; m < r->members; m++) pthread_join(worker[m].id, NULL);
        step_gradient(&r->step, &c, r->grads, 0, 1, r->scratch[0]);
        const View y = step_output(&r->step, 0);
        for (int t = 0; t < c.T; t++)
            for (int b = 0; b < B; b++)
                if (is_live(r, with, t, b))
                    memcpy(r->y + ((k * T + t) * B + b) * ROW,
                           y.at + t * y.step + b * y.row,
                           (size_t)r->step.outputs * sizeof(float));
    }
    for (int b = 0; b < B; b++)
        step_get_state(&r->step, 0, T - 4, b,
                       r->state + (size_t)b * step_state_count(&r->step));
}

/* As numbers: +0 is -0. */
static void expect_equal(const char *what, const float *a, const float *b, size_t n,
                         const char *text, int scan)
{
    size_t moved = 0;
    for (size_t i = 0; i < n; i++) {
        cr_expect(a[i] == b[i], "%.40s: scan %d: %s %zu: %g, not %g", strchr(text, 39),
                  scan, what, i, (double)b[i], (double)a[i]);
        if (!(a[i] == b[i])) return;
        moved += a[i] != 0;
    }
    cr_expect(moved > 0, "%.40s: all of %s is 0", text, what);
}

static void hold(const char *text, int scan, int members, Case with)
{
    Rig whole, cut;
    rig_open(&whole, text, 0, 1);
    rig_open(&cut, text, scan, members);
    run(&whole, &with);
    run(&cut, &with);
    const size_t count = (size_t)(2 * T * B * ROW);
    expect_equal("y", whole.y, cut.y, count, text, scan);
    expect_equal("dx", whole.dx, cut.dx, count, text, scan);
    expect_equal("state", whole.state, cut.state,
                 (size_t)B * step_state_count(&cut.step), text, scan);
    expect_equal("gradient", whole.grads, cut.grads, cut.step.params, text, scan);
    rig_close(&whole);
    rig_close(&cut);
}

static void hold_all(Case with)
{
    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++)
        for (int scan = 1; scan < T; scan++)
            hold(exact[i], scan, 1 + scan % MEMBERS, with);
}

Test(scan, segments_of_any_length_give_the_numbers_of_the_whole)
{
    hold_all((Case){false, 0});
}

Test(scan, rows_that_begin_late_and_end_early_do_too)
{
    hold_all((Case){true, 0});
}

Test(scan, a_chunk_whose_first_steps_have_no_gradient_does_too)
{
    hold_all((Case){false, 3});
    hold_all((Case){true, 4});
}

/* ---- where they are rounded, within a computed bound ---- */

static const char *builtin(const char *name)
{
    const Builtin *b = builtin_cells;
    while (strcmp(b->name, name) != 0) b++;
    return b->text;
}

Test(scan, gradients_agree_with_differences_and_floats_with_their_bound)
{
    char text[256];
    static const char *const cells[] = {"mingru", "minlstm"};
    for (int isa = 0; isa_set(isa); isa++)
        for (int i = 0; i < 2; i++) {
            Graph graph;
            Error err = {""};
            FILE *const out = fopen("/dev/null", "w");
            cr_assert(isa_select(isa_set(isa)->isa, text, sizeof text), "%s", text);
            graph_open(builtin(cells[i]), 7, &graph);
            for (int scan = 1; scan < 5; scan++)
                cr_expect(
                    check_graph(&graph, cells[i], (uint64_t)scan, scan, out, &err),
                    "scan %d on %s: %s", scan, isa_set(isa)->isa, err.text);
            graph_close(&graph);
            fclose(out);
        }
}

/* ---- which loops can be cut ---- */

static bool is_affine(const char *text)
{
    Graph graph;
    Step step;
    Error err = {""};
    cr_assert(simd || isa_select(NULL, err.text, sizeof err.text), "%s", err.text);
    graph_open(text, 8, &graph);
    const StepShape shape = {.T = 9, .B = 2, .training = true, .slots = 1, .scan = 4};
    cr_assert(step_open(&graph, &shape, &step, &err), "%s", err.text);
    const bool affine = step.affine;
    cr_expect(step.scan == (affine ? 4 : 0));
    step_close(&step);
    graph_close(&graph);
    return affine;
}

Test(scan, cuts_what_is_affine_and_nothing_else)
{
    for (const Builtin *b = builtin_cells; b->name; b++)
        cr_expect_eq(is_affine(b->text),
                     !strcmp(b->name, "mingru") || !strcmp(b->name, "minlstm"), "%s",
                     b->name);
#define HEAD "state h, c\nweight W, V [hidden][input]\n"
    cr_expect(is_affine(HEAD "h' = 2 * h + W x\nc' = c / (1 + exp(V x)) - W x\n"));
    cr_expect(!is_affine(HEAD "h' = 0.5 * h + c + W x\nc' = 0.5 * c + V x\n"));
    cr_expect(!is_affine(HEAD "h' = c * h + W x\nc' = 0.5 * c + V x\n"));
    cr_expect(!is_affine(HEAD "h' = h * h + W x\nc' = 0.5 * c + V x\n"));
    cr_expect(!is_affine(HEAD "h' = h * h + 0.5 * h + W x\nc' = 0.5 * c + V x\n"));
    cr_expect(!is_affine(HEAD "h' = W x / h\nc' = 0.5 * c + V x\n"));
    cr_expect(!is_affine(HEAD "h' = max(h, W x)\nc' = 0.5 * c + V x\n"));
    cr_expect(
        !is_affine(HEAD "weight U [hidden][hidden]\nh' = U h + W x\nc' = c - V x\n"));
    cr_expect(!is_affine(HEAD "h' = 0.5 * h + mean(h) * (W x)\nc' = 0.5 * c + V x\n"));
    cr_expect(!is_affine(HEAD "h' = W x\nc' = 0.5 * c + V x\n")); /* nothing goes on */
}

/* A sum of itself, and so on: 2^60 terms. */
Test(scan, a_state_in_many_terms_is_looked_at_once)
{
    char text[4096] = "state h\nweight W [hidden][input]\nt0 = 0.5 * h\n";
    for (int i = 1; i < 60; i++)
        sprintf(text + strlen(text), "t%d = t%d + t%d * 0.25\n", i, i - 1, i - 1);
    strcat(text, "h' = t59 + W x\n");
    cr_expect(is_affine(text));
}

/* ---- trainings ---- */

enum { STEPS = 27, ROWS = 3 };

typedef struct Train {
    WeftCell *cell[2];
    WeftLayer layer[2];
    WeftModel model;
    Drawn drawn;
    WeftTrain how;
} Train;

/* Two layers, the second in both directions; windows of 13, 13 and 1 steps. */
static void train_open(Train *r, const char *below, const char *above, int scan)
{
    *r = (Train){.cell = {rig_cell(builtin(below)), rig_cell(builtin(above))}};
    r->layer[0] = (WeftLayer){.cell = r->cell[0], .hidden = 40};
    r->layer[1] =
        (WeftLayer){.cell = r->cell[1], .hidden = 33, .both = true, .drop = 0.2f};
    r->model = (WeftModel){.inputs = 7,
                           .layers = r->layer,
                           .layer_count = 2,
                           .outputs = 3,
                           .loss = WEFT_SOFTMAX};
    r->drawn = (Drawn){.model = &r->model, .seed = 5, .lengths = true};
    r->how = (WeftTrain){
        .updates = 4, .chunk = 13, .optimizer = WEFT_ADAM, .rate = 0.01f, .scan = scan};
}

static void train_close(Train *r)
{
    weft_cell_close(r->cell[0]);
    weft_cell_close(r->cell[1]);
}

static WeftNet *net_of(Train *r, WeftTeam *team)
{
    WeftNet *net;
    MUST(weft_net_open(team, &r->model, 1, &net, &err));
    return net;
}

static uint64_t train(Train *r, WeftNet *net)
{
    const WeftSource source = drawn_source(&r->drawn, STEPS, ROWS);
    MUST(weft_train(net, &r->how, &source, NULL, NULL, &err));
    return weft_net_digest(net);
}

static uint64_t digest(Train *r, int threads, WeftSplit split)
{
    WeftTeam *const team = rig_team(threads);
    MUST(weft_team_split(team, split, 0, &err));
    WeftNet *const net = net_of(r, team);
    const uint64_t d = train(r, net);
    weft_net_close(net);
    weft_team_close(team);
    return d;
}

static uint64_t digest_of(const char *below, const char *above, int scan)
{
    Train r;
    train_open(&r, below, above, scan);
    const uint64_t d = digest(&r, 1, WEFT_SPLIT_AUTO);
    train_close(&r);
    return d;
}

Test(scan, no_thread_or_split_changes_a_bit)
{
    static const int threads[] = {1, 2, 5};
    Train r;
    train_open(&r, "mingru", "minlstm", 4);
    const uint64_t once = digest(&r, 1, WEFT_SPLIT_AUTO);
    for (int s = WEFT_SPLIT_AUTO; s <= WEFT_SPLIT_LAYERS; s++)
        for (int t = 0; t < 3; t++)
            cr_expect(digest(&r, threads[t], (WeftSplit)s) == once,
                      "split %d on %d threads", s, threads[t]);
    train_close(&r);
}

/* Mixtures that no search would choose, what comes before the loop run ahead of it too. */
Test(scan, no_mixture_of_counts_changes_a_bit)
{
    const PassShape whole = {.purpose = PURPOSE_TRAIN,
                             .T = STEPS,
                             .B = ROWS,
                             .chunk = 13,
                             .windows = 3,
                             .scan = 4};
    Train r;
    train_open(&r, "mingru", "minlstm", 4);
    const uint64_t once = digest(&r, 1, WEFT_SPLIT_AUTO);
    for (int i = 0; i < 12; i++) {
        const Split split = {.rows = 1 + i % 3,
                             .units = 1 + i % 2,
                             .parts = 1 + i % 5,
                             .slots = 1 + i % 3,
                             .ahead = i % 3};
        WeftTeam *const team = rig_team(2);
        WeftNet *const net = net_of(&r, team);
        MUST(pass_open(net, &whole, &split, &net->training, &err));
        cr_expect(train(&r, net) == once, "%s", weft_net_split(net));
        cr_expect(net->training->split.units == split.units);
        weft_net_close(net);
        weft_team_close(team);
    }
    train_close(&r);
}

Test(scan, no_instruction_set_changes_a_bit)
{
    uint64_t first = 0;
    for (int i = 0; isa_set(i); i++) {
        setenv("WEFT_ISA", isa_set(i)->isa, 1);
        const uint64_t d = digest_of("minlstm", "mingru", 5);
        if (i == 0) first = d;
        cr_expect(d == first, "%s", isa_set(i)->isa);
    }
}

Test(scan, rounds_by_the_length_of_segments)
{
    const uint64_t whole = digest_of("mingru", "mingru", 0);
    cr_expect(digest_of("mingru", "mingru", 4) != whole);
    cr_expect(digest_of("mingru", "mingru", 4) != digest_of("mingru", "mingru", 5));
    cr_expect(digest_of("mingru", "mingru", 13) == whole, "one segment is the whole");
    cr_expect(digest_of("mingru", "mingru", 99) == whole, "one segment is the whole");
}

Test(scan, may_change_from_call_to_call)
{
    uint64_t digest[2];
    for (int change = 0; change < 2; change++) {
        Train r;
        WeftTeam *const team = rig_team(1);
        train_open(&r, "mingru", "mingru", 4);
        WeftNet *const net = net_of(&r, team);
        r.how.updates = 2;
        train(&r, net);
        r.how.updates = 4;
        if (change) r.how.scan = 0;
        digest[change] = train(&r, net);
        weft_net_close(net);
        weft_team_close(team);
        train_close(&r);
    }
    cr_expect(digest[0] != digest[1]);
    cr_expect(digest[0] == digest_of("mingru", "mingru", 4));
}

Test(scan, other_layers_run_as_without_it)
{
    cr_expect(digest_of("mingru", "lstm", 4) != digest_of("mingru", "lstm", 0));
    Train r;
    WeftTeam *const team = rig_team(2);
    train_open(&r, "gru", "lstm", 4);
    WeftNet *const net = net_of(&r, team);
    const WeftSource source = drawn_source(&r.drawn, STEPS, ROWS);
    FAILS(weft_train(net, &r.how, &source, NULL, NULL, &err), "scan 4: no layer");
    FAILS(weft_train(net, &r.how, &source, NULL, NULL, &err), "of cell gru");
    r.how.scan = -1;
    FAILS(weft_train(net, &r.how, &source, NULL, NULL, &err), "scan -1: 0 or more");
    cr_expect(weft_net_updates(net) == 0);
    r.how.scan = 0;
    train(&r, net);
    weft_net_close(net);
    weft_team_close(team);
    train_close(&r);
}

Test(scan, evaluation_does_not_cut)
{
    Train r;
    WeftScore score[2];
    WeftTeam *const team = rig_team(1);
    train_open(&r, "mingru", "mingru", 4);
    WeftNet *const net = net_of(&r, team);
    const WeftSource source = drawn_source(&r.drawn, STEPS, ROWS);
    train(&r, net);
    MUST(weft_evaluate(net, &source, 0, 2, &score[0], &err));
    cr_expect(net->training->side[MAIN].direction[0].step.scan == 4);
    cr_expect(net->evaluation->side[MAIN].direction[0].step.scan == 0);
    cr_expect(isfinite(score[0].loss));
    weft_net_close(net);
    weft_team_close(team);
    train_close(&r);
}

/* test_lengths.c: rows of many lengths: sorted or not, cut into chunks or not, they train and
 * predict as if no step were there past their ends. */
#include "net_rig.h"

enum { STEPS = 23, ROWS = 12, INPUTS = 3, OUTPUTS = 2 };

typedef struct Case {
    const char *name, *lower, *upper;
    bool both, vector;
    int chunk, back;
} Case;

static const char *const start_text =
    "cell start\nstate h = s\nstate c\nweight W [hidden][input]\n"
    "weight U [hidden][hidden]\nbias s = normal(1)\n"
    "c' = 0.5 * c + tanh(W x)\nh' = tanh(U h + c')\n";

static const Case cases[] = {
    {"one layer", rnn_text, NULL, false, false, 0, 0},
    {"two", gru_text, start_text, false, false, 0, 0},
    {"both directions", gru_text, start_text, true, false, 0, 0},
    {"vector", start_text, gru_text, true, true, 0, 0},
    {"chunks", gru_text, start_text, false, false, 5, 0},
    {"chunks of both", gru_text, start_text, true, false, 5, 0},
    {"back", gru_text, rnn_text, false, false, 4, 9},
};
enum { CASES = sizeof cases / sizeof *cases };

/* What a batch has, with rows in an order of the test's and steps beside the rows'. */
typedef struct Rig {
    const Case *c;
    WeftCell *cell[2];
    WeftLayer layer[2];
    WeftModel model;
    int steps;   /* STEPS, or more */
    bool sorted; /* by weft_batch_sort */
    int order[ROWS];
} Rig;

static void rig_open(Rig *r, const Case *c)
{
    *r = (Rig){.c = c, .steps = STEPS};
    r->cell[0] = rig_cell(c->lower);
    r->cell[1] = c->upper ? rig_cell(c->upper) : NULL;
    for (int l = 0; l < 2; l++)
        r->layer[l] = (WeftLayer){r->cell[l], 5 + l, c->both, 0};
    r->model = (WeftModel){.inputs = INPUTS,
                           .layers = r->layer,
                           .layer_count = c->upper ? 2 : 1,
                           .outputs = OUTPUTS,
                           .vector = c->vector};
    for (int i = 0; i < ROWS; i++) r->order[i] = i;
}

static void rig_close(Rig *r)
{
    for (int l = 0; l < 2; l++) weft_cell_close(r->cell[l]);
}

static float number(int row, int t, int j, uint64_t stream)
{
    return weft_random_normal(7, stream,
                              ((uint64_t)row * 1000 + (uint64_t)t) * 8 + (uint64_t)j);
}

/* Of lengths from 0 to STEPS, some of them alike; a row of 0 has no target. */
static int length_of(int row)
{
    static const int length[ROWS] = {9, STEPS, 1, 9, 17, 0, 2, STEPS, 5, 17, 1, 12};
    return length[row];
}

static bool fill(void *context, uint64_t index, WeftBatch *b, WeftError *e)
{
    const Rig *const r = context;
    (void)index, (void)e;
    for (int i = 0; i < ROWS; i++) {
        const int row = r->order[i];
        b->length[i] = length_of(row);
        for (int t = 0; t < b->length[i]; t++)
            for (int j = 0; j < INPUTS; j++)
                b->x[(t * ROWS + i) * INPUTS + j] = number(row, t, j, 1);
        for (int t = 0; b->target && t < (b->vector ? 1 : b->length[i]); t++)
            for (int j = 0; j < OUTPUTS; j++)
                b->target[(t * ROWS + i) * OUTPUTS + j] = number(row, t, j, 2);
    }
    if (r->sorted) weft_batch_sort(b);
    return true;
}

static uint64_t digest(Rig *r, int threads)
{
    WeftTeam *const team = rig_team(threads);
    WeftNet *net;
    const WeftSource source = {r, fill, r->steps, ROWS, 0, 0};
    const WeftTrain train = {.updates = 4,
                             .chunk = r->c->chunk,
                             .back = r->c->back,
                             .optimizer = WEFT_ADAM,
                             .rate = 0.01f};
    WeftProgress last = {0};
    MUST(weft_net_open(team, &r->model, 1, &net, &err));
    MUST(weft_train(net, &train, &source, keep_report, &last, &err));
    cr_assert(last.finite);
    const uint64_t d = weft_net_digest(net);
    weft_net_close(net);
    weft_team_close(team);
    return d;
}

/* Chunks beyond the last step are updates without a target where an update is a batch of
 * them: all of a batch's are one. */
Test(lengths, steps_past_all_ends_change_no_bit)
{
    for (int i = 0; i < CASES; i++)
        for (int sorted = 0; sorted < 2; sorted++) {
            Rig r;
            rig_open(&r, &cases[i]);
            r.sorted = sorted;
            const uint64_t once = digest(&r, 1);
            for (int threads = 2; threads <= 5; threads++)
                cr_expect_eq(digest(&r, threads), once, "%s, sorted %d, %d threads",
                             cases[i].name, sorted, threads);
            r.steps = STEPS + 13;
            if (!cases[i].back)
                cr_expect_eq(digest(&r, 2), once, "%s, sorted %d, longer",
                             cases[i].name, sorted);
            rig_close(&r);
        }
}

/* Sums over rows follow their order: who sorts before has the bits of who is sorted. */
Test(lengths, sorted_is_as_if_the_rows_had_come_so)
{
    static const int falling[ROWS] = {1, 7, 4, 9, 11, 0, 3, 8, 6, 2, 10, 5};
    for (int i = 0; i < CASES; i++) {
        Rig r;
        rig_open(&r, &cases[i]);
        r.sorted = true;
        const uint64_t sorted = digest(&r, 2);
        memcpy(r.order, falling, sizeof falling);
        r.sorted = false;
        cr_expect_eq(digest(&r, 2), sorted, "%s", cases[i].name);
        rig_close(&r);
    }
}

static void predict(WeftNet *net, const Rig *r, int steps, float *out)
{
    static float x[2 * STEPS * ROWS * INPUTS];
    int length[ROWS];
    WeftBatch b = {
        .steps = steps, .rows = ROWS, .x = x, .length = length, .fresh = true};
    MUST(fill((void *)(uintptr_t)r, 0, &b, &err));
    MUST(weft_predict(net, &b, out, &err));
}

Test(lengths, outputs_are_those_of_single_rows)
{
    for (int i = 0; i < CASES; i++) {
        Rig r;
        WeftNet *net;
        WeftTeam *const team = rig_team(2);
        static float out[2 * STEPS * ROWS * OUTPUTS], one[STEPS * OUTPUTS];
        rig_open(&r, &cases[i]);
        MUST(weft_net_open(team, &r.model, 1, &net, &err));
        predict(net, &r, 2 * STEPS, out);
        for (int b = 0; b < ROWS; b++) {
            float x[STEPS * INPUTS];
            const int T = length_of(b);
            if (T == 0) continue;
            for (int t = 0; t < T; t++)
                for (int j = 0; j < INPUTS; j++) x[t * INPUTS + j] = number(b, t, j, 1);
            const WeftBatch alone = {.steps = T, .rows = 1, .x = x, .fresh = true};
            MUST(weft_predict(net, &alone, one, &err));
            for (int t = 0; t < (cases[i].vector ? 1 : T); t++)
                cr_expect(memcmp(one + t * OUTPUTS, out + (t * ROWS + b) * OUTPUTS,
                                 OUTPUTS * sizeof *one) == 0,
                          "%s: row %d, step %d", cases[i].name, b, t);
        }
        weft_net_close(net);
        weft_team_close(team);
        rig_close(&r);
    }
}

/* A row that has ended goes on, in the batch after, from where it ended. */
Test(lengths, states_past_an_end_are_those_of_the_end)
{
    Rig r;
    WeftNet *net;
    WeftTeam *const team = rig_team(2);
    rig_open(&r, &cases[1]);
    MUST(weft_net_open(team, &r.model, 1, &net, &err));
    static float x[2][STEPS * ROWS * INPUTS], out[STEPS * ROWS * OUTPUTS];
    int length[ROWS];
    WeftBatch first = {
        .steps = STEPS, .rows = ROWS, .x = x[0], .length = length, .fresh = true};
    MUST(fill(&r, 0, &first, &err));
    for (int i = 0; i < ROWS * INPUTS; i++) x[1][i] = number(0, 0, i, 3);
    const WeftBatch second = {.steps = 1, .rows = ROWS, .x = x[1]};
    MUST(weft_predict(net, &first, out, &err));
    MUST(weft_predict(net, &second, out, &err));
    for (int b = 0; b < ROWS; b++) {
        float row[(STEPS + 1) * INPUTS], alone[(STEPS + 1) * OUTPUTS];
        const int T = length_of(b);
        for (int t = 0; t <= T; t++)
            for (int j = 0; j < INPUTS; j++)
                row[t * INPUTS + j] = t < T ? number(b, t, j, 1) : x[1][b * INPUTS + j];
        const WeftBatch one = {.steps = T + 1, .rows = 1, .x = row, .fresh = true};
        MUST(weft_predict(net, &one, alone, &err));
        cr_expect(
            memcmp(alone + T * OUTPUTS, out + b * OUTPUTS, OUTPUTS * sizeof *out) == 0,
            "row %d", b);
    }
    weft_net_close(net);
    weft_team_close(team);
    rig_close(&r);
}

/* ---- sources ---- */

enum { COUNT = 7, LONG = 4 };

Test(lengths, arrays_give_sorted_batches)
{
    static const int length[COUNT] = {2, 4, 0, 3, 4, 1, 2};
    static const int32_t order[COUNT] = {1, 4, 3, 0, 6, 5, 2};
    int32_t symbol[COUNT * LONG], label[COUNT * LONG];
    for (int i = 0; i < COUNT * LONG; i++) symbol[i] = label[i] = i;
    WeftArrays a = {.count = COUNT, .steps = LONG, .symbol = symbol, .label = label};
    WeftSource source;
    a.length = length;
    MUST(weft_source_arrays(&a, COUNT, &source, &err));
    int32_t got[LONG * COUNT], got_label[LONG * COUNT];
    int got_length[COUNT];
    float weight[LONG * COUNT];
    WeftBatch b = {.steps = LONG,
                   .rows = COUNT,
                   .inputs = 100,
                   .outputs = 100,
                   .symbol = got,
                   .label = got_label,
                   .weight = weight,
                   .length = got_length};
    MUST(source.fill(source.context, 0, &b, &err));
    for (int i = 0; i < COUNT; i++) {
        cr_expect_eq(got_length[i], length[order[i]], "row %d", i);
        for (int t = 0; t < LONG; t++) {
            cr_expect_eq(got[t * COUNT + i], order[i] * LONG + t);
            cr_expect_eq(got_label[t * COUNT + i], order[i] * LONG + t);
        }
    }
    weft_source_close(&source);
    static const int bad[2][COUNT] = {{2, 4, -1, 3, 4, 1, 2}, {2, 5, 0, 3, 4, 1, 2}};
    a.length = bad[0];
    FAILS(weft_source_arrays(&a, COUNT, &source, &err), "length of sequence 2 is -1");
    a.length = bad[1];
    FAILS(weft_source_arrays(&a, COUNT, &source, &err), "length of sequence 1 is 5");
    a.length = NULL;
    a.source_symbol = symbol;
    FAILS(weft_source_arrays(&a, COUNT, &source, &err), "source_steps");
    a.source_steps = LONG;
    a.source_length = length;
    FAILS(weft_source_arrays(&a, COUNT, &source, &err),
          "source_length of sequence 2 is 0: from 1 to 4");
}

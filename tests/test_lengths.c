/* test_lengths.c: rows of many lengths: sorted or not, cut into chunks or not, they train and
 * predict as if no step were there past their ends. */
#include "net_rig.h"
#include "simd_data.h"

/* Padded by whole segments of a scan: backward ones are counted from the end. */
enum { STEPS = 23, PADDED = 12, ROWS = 12, INPUTS = 3, OUTPUTS = 2 };

typedef struct Case {
    const char *name, *lower, *upper;
    bool both, vector;
    int chunk, back, scan;
    WeftInput input;
} Case;

static const char *const start_text =
    "cell start\nstate h = s\nstate c\nweight W [hidden][input]\n"
    "weight U [hidden][hidden]\nbias s = normal(1)\n"
    "c' = 0.5 * c + tanh(W x)\nh' = tanh(U h + c')\n";

/* As in slstm, what begins at 0 is divided by as it leaves: of a row that has not begun, or
 * never does, the gradient of that is no number. */
static const char *const quotient_text =
    "cell quotient\nsize head = 2\nsize d = hidden / head\nstate h, c, n [head][d]\n"
    "weight W, V [head][d][input]\nweight R [head][d][d]\n"
    "i = sigmoid(V x)\nc' = 0.5 * c + i * tanh(W x + R h)\nn' = 0.5 * n + i\n"
    "h' = c' / n'\n";
static const char *const affine_text =
    "cell affine\nstate h\nweight W, V [hidden][input]\n"
    "z = sigmoid(V x)\nh' = (1 - z) * h + z * (W x)\n";

static const Case cases[] = {
    {"one layer", rnn_text, NULL, false, false, 0, 0, 0, WEFT_DENSE},
    {"two", gru_text, start_text, false, false, 0, 0, 0, WEFT_DENSE},
    {"both directions", gru_text, start_text, true, false, 0, 0, 0, WEFT_DENSE},
    {"vector", start_text, gru_text, true, true, 0, 0, 0, WEFT_DENSE},
    {"chunks", gru_text, start_text, false, false, 5, 0, 0, WEFT_DENSE},
    {"chunks of both", gru_text, start_text, true, false, 5, 0, 0, WEFT_DENSE},
    {"back", gru_text, rnn_text, false, false, 4, 9, 0, WEFT_DENSE},
    {"a quotient", gru_text, quotient_text, false, false, 0, 0, 0, WEFT_DENSE},
    {"quotients of both", quotient_text, quotient_text, true, false, 0, 0, 0,
     WEFT_DENSE},
    {"quotients in chunks", quotient_text, gru_text, true, false, 5, 0, 0, WEFT_DENSE},
    {"scan", affine_text, gru_text, true, false, 0, 0, 4, WEFT_DENSE},
    {"symbols", quotient_text, NULL, false, false, 0, 0, 0, WEFT_SYMBOLS},
    {"symbols of both", quotient_text, gru_text, true, true, 0, 0, 0, WEFT_SYMBOLS},
    {"embedding", quotient_text, NULL, false, false, 0, 0, 0, WEFT_EMBEDDING},
    {"embedding of both", quotient_text, gru_text, true, false, 5, 0, 0,
     WEFT_EMBEDDING},
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
    bool noise;  /* past the ends there are NaNs */
    int order[ROWS];
} Rig;

static void rig_open(Rig *r, const Case *c)
{
    *r = (Rig){.c = c, .steps = STEPS};
    r->cell[0] = rig_cell(c->lower);
    r->cell[1] = c->upper ? rig_cell(c->upper) : NULL;
    for (int l = 0; l < 2; l++)
        r->layer[l] = (WeftLayer){r->cell[l], 6 + 2 * l, c->both, 0};
    r->model = (WeftModel){.input = c->input,
                           .inputs = INPUTS,
                           .embedding = c->input == WEFT_EMBEDDING ? 4 : 0,
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

/* Step t of a row, as row i of a batch. */
static void put_input(const WeftBatch *b, int i, int row, int t)
{
    const int at = t * b->rows + i;
    for (int j = 0; b->x && j < INPUTS; j++)
        b->x[at * INPUTS + j] = number(row, t, j, 1);
    if (b->symbol) b->symbol[at] = (row + t * t) % INPUTS;
}

static void add_noise(WeftBatch *b, int row)
{
    for (int t = b->length[row]; t < b->steps; t++) {
        for (int j = 0; b->x && j < INPUTS; j++)
            b->x[(t * ROWS + row) * INPUTS + j] = NAN;
        if (b->symbol) b->symbol[t * ROWS + row] = -1;
        for (int j = 0; b->target && !b->vector && j < OUTPUTS; j++)
            b->target[(t * ROWS + row) * OUTPUTS + j] = NAN;
    }
}

static bool fill(void *context, uint64_t index, WeftBatch *b, WeftError *e)
{
    const Rig *const r = context;
    (void)index, (void)e;
    for (int i = 0; i < ROWS; i++) {
        const int row = r->order[i];
        b->length[i] = length_of(row);
        for (int t = 0; t < b->length[i]; t++) put_input(b, i, row, t);
        for (int t = 0; b->target && t < (b->vector ? 1 : b->length[i]); t++)
            for (int j = 0; j < OUTPUTS; j++)
                b->target[(t * ROWS + i) * OUTPUTS + j] = number(row, t, j, 2);
        if (r->noise) add_noise(b, i);
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
                             .scan = r->c->scan,
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
            r.steps = STEPS + PADDED;
            if (!cases[i].back)
                cr_expect_eq(digest(&r, 2), once, "%s, sorted %d, longer",
                             cases[i].name, sorted);
            rig_close(&r);
        }
}

Test(lengths, what_lies_past_an_end_is_never_read)
{
    for (int i = 0; i < CASES; i++)
        for (int sorted = 0; sorted < 2; sorted++) {
            Rig r;
            rig_open(&r, &cases[i]);
            r.sorted = sorted;
            const uint64_t quiet = digest(&r, 2);
            r.noise = true;
            cr_expect_eq(digest(&r, 2), quiet, "%s, sorted %d", cases[i].name, sorted);
            rig_close(&r);
        }
}

Test(lengths, bits_are_the_same_on_every_instruction_set, .init = expect_isa)
{
    for (int i = 0; i < CASES; i++)
        for (int sorted = 0; sorted < 2; sorted++) {
            Rig r;
            rig_open(&r, &cases[i]);
            r.sorted = sorted;
            setenv("WEFT_ISA", "scalar", 1);
            const uint64_t scalar = digest(&r, 2);
            for (int s = 0; isa_set(s); s++) {
                setenv("WEFT_ISA", isa_set(s)->isa, 1);
                cr_expect_eq(digest(&r, 2), scalar, "%s, sorted %d, %s", cases[i].name,
                             sorted, isa_set(s)->isa);
            }
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

static void put_arrays(const Rig *r, WeftBatch *b, float *x, int32_t *symbol)
{
    if (r->c->input == WEFT_DENSE)
        b->x = x;
    else
        b->symbol = symbol;
}

static void predict(WeftNet *net, const Rig *r, int steps, float *out)
{
    static float x[2 * STEPS * ROWS * INPUTS];
    static int32_t symbol[2 * STEPS * ROWS];
    int length[ROWS];
    WeftBatch b = {.steps = steps, .rows = ROWS, .length = length, .fresh = true};
    put_arrays(r, &b, x, symbol);
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
            int32_t symbol[STEPS];
            const int T = length_of(b);
            if (T == 0) continue;
            WeftBatch alone = {.steps = T, .rows = 1, .fresh = true};
            put_arrays(&r, &alone, x, symbol);
            for (int t = 0; t < T; t++) put_input(&alone, 0, b, t);
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

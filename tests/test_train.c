/* test_train.c: truncated back-propagation, and what must never change a bit of it. */
#include "net_rig.h"

#include <float.h>

typedef struct Rig {
    WeftCell *cell[2];
    WeftLayer layer[2];
    WeftModel model;
    Drawn drawn;
} Rig;

static void rig_open(Rig *rig, const char *lower, const char *upper,
                     const WeftModel *model)
{
    *rig = (Rig){.cell = {rig_cell(lower), upper ? rig_cell(upper) : NULL}};
    for (int i = 0; i < 2; i++)
        rig->layer[i] = (WeftLayer){rig->cell[i], 7 - 2 * i, 0, 0};
    rig->model = *model;
    rig->model.layers = rig->layer;
    rig->model.layer_count = upper ? 2 : 1;
    rig->drawn = (Drawn){&rig->model, 3, false, false, 2};
}

static void rig_close(Rig *rig)
{
    for (int i = 0; i < 2; i++) weft_cell_close(rig->cell[i]);
}

static const WeftModel dense = {
    .input = WEFT_DENSE, .inputs = 3, .outputs = 2, .loss = WEFT_SQUARE};
static const WeftModel symbols = {
    .input = WEFT_SYMBOLS, .inputs = 11, .outputs = 11, .loss = WEFT_SOFTMAX};
static const WeftModel embedded = {.input = WEFT_EMBEDDING,
                                   .inputs = 11,
                                   .embedding = 5,
                                   .outputs = 3,
                                   .loss = WEFT_SIGMOID};

typedef struct Result {
    uint64_t digest;
    double loss;
} Result;

static Result train_on(const Rig *rig, const WeftTrain *train, const WeftSource *source,
                       int threads)
{
    WeftTeam *const team = rig_team(threads);
    WeftNet *net;
    WeftProgress last = {0};
    MUST(weft_net_open(team, &rig->model, 1, &net, &err));
    MUST(weft_train(net, train, source, keep_report, &last, &err));
    cr_assert(last.finite);
    cr_assert(last.update == train->updates && weft_net_updates(net) == train->updates);
    const Result result = {weft_net_digest(net), last.loss};
    weft_net_close(net);
    weft_team_close(team);
    return result;
}

static Result train(Rig *rig, const WeftTrain *settings, int steps, int rows,
                    int threads)
{
    const WeftSource source = drawn_source(&rig->drawn, steps, rows);
    return train_on(rig, settings, &source, threads);
}

#define SAME(a, b, ...)                                                                \
    cr_expect((a).digest == (b).digest && (a).loss == (b).loss, __VA_ARGS__)

/* ---- chunks ---- */

static void check_chunks(const char *cell, const WeftModel *model, bool lengths,
                         float drop)
{
    Rig rig;
    rig_open(&rig, cell, cell, model);
    rig.drawn.lengths = rig.drawn.weights = lengths;
    rig.model.drop = rig.layer[1].drop = drop;
    const WeftTrain whole = {.updates = 5, .optimizer = WEFT_ADAM, .rate = 0.05f};
    const Result once = train(&rig, &whole, 7, 5, 1);
    for (int chunk = 1; chunk <= 8; chunk++) {
        WeftTrain cut = whole;
        cut.chunk = chunk;
        SAME(once, train(&rig, &cut, 7, 5, 2), "chunk %d", chunk);
    }
    rig_close(&rig);
}

Test(train, chunks_change_nothing_where_nothing_is_cut)
{
    WeftModel vector = dense;
    vector.vector = true;
    check_chunks(uncut_text, &dense, false, 0);
    check_chunks(uncut_text, &symbols, true, 0);
    check_chunks(uncut_text, &embedded, true, 0.3f);
    check_chunks(uncut_text, &vector, true, 0.3f);
}

Test(train, chunks_cut_the_gradient)
{
    Rig rig;
    rig_open(&rig, gru_text, NULL, &dense);
    const WeftTrain whole = {.updates = 1}, cut = {.updates = 1, .chunk = 3};
    const Result a = train(&rig, &whole, 7, 5, 1), b = train(&rig, &cut, 7, 5, 1);
    cr_expect_eq(a.loss, b.loss);
    cr_expect_neq(a.digest, b.digest);
    rig_close(&rig);
}

/* Batch i in two: batches 2i and 2i+1 have its halves. */
typedef struct Halves {
    WeftSource whole;
    const WeftModel *model;
    bool anew; /* the second too is fresh */
} Halves;

static bool halves_fill(void *context, uint64_t index, WeftBatch *half, WeftError *err)
{
    const Halves *const h = context;
    const size_t T = (size_t)h->whole.steps, B = (size_t)h->whole.rows;
    const size_t x = B * (size_t)h->model->inputs, y = B * (size_t)h->model->outputs;
    const size_t at = index % 2 * T / 2;
    WeftBatch b = *half;
    b.steps = h->whole.steps;
    b.x = calloc(T * x, sizeof *b.x);
    b.target = calloc(T * y, sizeof *b.target);
    const bool filled = h->whole.fill(h->whole.context, index / 2, &b, err);
    memcpy(half->x, b.x + at * x, T / 2 * x * sizeof *b.x);
    memcpy(half->target, b.target + at * y, T / 2 * y * sizeof *b.target);
    half->fresh = h->anew || (b.fresh && index % 2 == 0);
    free(b.x);
    free(b.target);
    return filled;
}

Test(train, update_after_every_chunks_is_as_if_batches_were_shorter)
{
    Rig rig;
    rig_open(&rig, gru_text, rnn_text, &dense);
    rig.model.drop = 0.2f;
    Halves halves = {drawn_source(&rig.drawn, 12, 5), &rig.model, false};
    const WeftSource half = {&halves, halves_fill, 6, 5, 0, 0};
    const WeftTrain a = {.updates = 6, .chunk = 3, .chunks_per_update = 2};
    const WeftTrain b = {.updates = 6, .chunk = 3};
    SAME(train_on(&rig, &a, &halves.whole, 2), train_on(&rig, &b, &half, 1), "differ");
    rig_close(&rig);
}

#define START_TEXT                                                                     \
    "cell start\nstate h = begin\nweight W [hidden][input]\nbias begin = 0.3\n"        \
    "weight U [hidden][hidden]\nh' = tanh(W x + U h)\n"

/* Batch i is batch i / chunks up to the end of its chunk i % chunks, the losses of that
 * alone. */
typedef struct Leads {
    WeftSource whole;
    int chunk;
} Leads;

static bool leads_fill(void *context, uint64_t index, WeftBatch *b, WeftError *err)
{
    const Leads *const l = context;
    const int T = l->whole.steps, chunks = (T + l->chunk - 1) / l->chunk;
    const int own = (int)(index % (uint64_t)chunks) * l->chunk;
    if (!l->whole.fill(l->whole.context, index / (uint64_t)chunks, b, err))
        return false;
    for (int r = 0; r < b->rows; r++) {
        if (b->length[r] > own + l->chunk) b->length[r] = own + l->chunk;
        for (int t = 0; t < T; t++)
            if (t < own || t >= own + l->chunk) b->weight[t * b->rows + r] = 0;
    }
    return true;
}

/* The oracle trains on each chunk with all that leads it, anew from the first step. */
Test(train, back_over_a_whole_batch_cuts_nothing)
{
    Rig rig;
    rig_open(&rig, gru_text, START_TEXT, &dense);
    rig.drawn.lengths = true;
    rig.drawn.fresh_every = 1;
    Leads leads = {drawn_source(&rig.drawn, 11, 5), 3};
    const WeftSource each = {&leads, leads_fill, 11, 5, 0, 0};
    const WeftTrain a = {.updates = 8, .chunk = 3, .back = 11, .chunks_per_update = 1};
    const WeftTrain b = {.updates = 8};
    for (int threads = 1; threads <= 3; threads += 2)
        SAME(train_on(&rig, &a, &leads.whole, threads), train_on(&rig, &b, &each, 1),
             "%d threads", threads);
    rig_close(&rig);
}

static double gradients_apart(const Rig *rig, const WeftTrain *a, const WeftTrain *b,
                              const WeftSource *source)
{
    WeftTeam *const team = rig_team(2);
    WeftNet *net[2];
    for (int i = 0; i < 2; i++) {
        MUST(weft_net_open(team, &rig->model, 1, &net[i], &err));
        MUST(weft_train(net[i], i ? b : a, source, NULL, NULL, &err));
    }
    double apart = 0, norm = 0;
    const float *d[2];
    for (int i = 0; (d[0] = weft_net_gradient(net[0], i)); i++) {
        int axes, shape[4], count = 1;
        weft_net_parameter(net[0], i, NULL, &axes, shape);
        d[1] = weft_net_gradient(net[1], i);
        for (int k = 0; k < axes; k++) count *= shape[k];
        for (int k = 0; k < count; k++) {
            apart += pow((double)(d[0][k] - d[1][k]), 2);
            norm += pow((double)d[0][k], 2);
        }
    }
    for (int i = 0; i < 2; i++) weft_net_close(net[i]);
    weft_team_close(team);
    return sqrt(apart / norm);
}

/* Dropout included. */
Test(train, back_carries_the_gradient_over_the_steps_that_lead)
{
    Rig rig;
    rig_open(&rig, gru_text, gru_text, &embedded);
    rig.model.drop = rig.layer[1].drop = 0.2f;
    const WeftSource source = drawn_source(&rig.drawn, 12, 5);
    const WeftTrain whole = {.updates = 1};
    WeftTrain cut = {.updates = 1, .chunk = 3, .back = 12};
    cr_expect_lt(gradients_apart(&rig, &whole, &cut, &source),
                 40 * (double)FLT_EPSILON);
    double before = 1;
    for (cut.back = 3; cut.back < 10; cut.back += 3) { /* the longer, the nearer */
        const double apart = gradients_apart(&rig, &whole, &cut, &source);
        cr_expect(1e-5 < apart && apart < before, "back %d: %g, after %g", cut.back,
                  apart, before);
        before = apart;
    }
    rig_close(&rig);
}

Test(train, back_goes_on_after_a_save)
{
    Rig rig;
    rig_open(&rig, gru_text, rnn_text, &dense);
    rig.drawn.fresh_every = 3;
    const WeftSource source = drawn_source(&rig.drawn, 13, 5);
    const WeftTrain whole = {
        .updates = 20, .chunk = 3, .back = 7, .chunks_per_update = 1};
    const Result once = train_on(&rig, &whole, &source, 2);
    for (uint64_t stop = 2; stop < 7; stop++) { /* amid a batch, and between two */
        const char *const path = BUILD_DIR "/test_train_back.weft";
        WeftTeam *const team = rig_team(1);
        WeftNet *net;
        WeftTrain part = whole;
        part.updates = stop;
        MUST(weft_net_open(team, &rig.model, 1, &net, &err));
        MUST(weft_train(net, &part, &source, NULL, NULL, &err));
        MUST(weft_net_save(net, path, true, &err));
        weft_net_close(net);
        MUST(weft_net_load(team, path, &net, &err));
        MUST(weft_train(net, &whole, &source, NULL, NULL, &err));
        cr_expect_eq(weft_net_digest(net), once.digest, "stopped after %d", (int)stop);
        weft_net_close(net);
        weft_team_close(team);
    }
    rig_close(&rig);
}

Test(train, back_shorter_than_a_chunk_is_refused)
{
    Rig rig;
    WeftTeam *const team = rig_team(1);
    WeftNet *net;
    rig_open(&rig, rnn_text, NULL, &dense);
    const WeftSource source = drawn_source(&rig.drawn, 6, 2);
    MUST(weft_net_open(team, &rig.model, 1, &net, &err));
    WeftTrain settings = {.updates = 1, .chunk = 4, .back = 3};
    FAILS(weft_train(net, &settings, &source, NULL, NULL, &err),
          "at least the 4 steps");
    settings.chunk = 0;
    FAILS(weft_train(net, &settings, &source, NULL, NULL, &err), "without chunk");
    weft_net_close(net);
    weft_team_close(team);
    rig_close(&rig);
}

/* ---- stale states ---- */

/* The first `epoch` batches, over and over. */
typedef struct Loop {
    WeftSource inner;
    bool anew; /* every batch is fresh */
} Loop;

static bool loop_fill(void *context, uint64_t index, WeftBatch *b, WeftError *err)
{
    const Loop *const l = context;
    if (!l->inner.fill(l->inner.context, index % l->inner.epoch, b, err)) return false;
    b->fresh |= l->anew;
    return true;
}

static WeftSource loop_source(Loop *loop, Rig *rig, int steps, int rows, uint64_t epoch)
{
    loop->inner = drawn_source(&rig->drawn, steps, rows);
    loop->inner.epoch = epoch;
    return (WeftSource){loop, loop_fill, steps, rows, epoch, 0};
}

Test(train, stale_states_are_exact_where_no_chunk_shares_an_update)
{
    Rig rig;
    Loop loop = {.anew = false};
    rig_open(&rig, gru_text, START_TEXT, &embedded);
    rig.model.drop = rig.layer[1].drop = 0.2f;
    rig.drawn.lengths = rig.drawn.weights = true;
    const WeftSource source = loop_source(&loop, &rig, 11, 5, 3);
    WeftTrain exact = {.updates = 30, .chunk = 3, .chunks_per_update = 1},
              stale = exact;
    stale.stale = true;
    SAME(train_on(&rig, &exact, &source, 1), train_on(&rig, &stale, &source, 3),
         "a chunk an update");
    exact.chunk = stale.chunk = 0;
    loop.anew = true;
    SAME(train_on(&rig, &exact, &source, 1), train_on(&rig, &stale, &source, 3),
         "a chunk a batch");
    exact.chunk = stale.chunk = 4;
    exact.chunks_per_update = stale.chunks_per_update = 0;
    cr_expect_neq(train_on(&rig, &exact, &source, 1).digest,
                  train_on(&rig, &stale, &source, 1).digest);
    stale.burn_in = 11; /* from the start of the batch on */
    SAME(train_on(&rig, &exact, &source, 1), train_on(&rig, &stale, &source, 3),
         "all is run in");
    rig_close(&rig);
}

Test(train, stale_states_are_exact_for_a_cell_that_forgets)
{
    Rig rig;
    Loop loop = {.anew = false};
    static const char *const forgets =
        "cell forgets\nstate h\nweight W [hidden][input]\nh' = tanh(W x)\n";
    rig_open(&rig, forgets, forgets, &dense);
    const WeftSource source = loop_source(&loop, &rig, 11, 5, 3);
    WeftTrain exact = {.updates = 12, .chunk = 3}, stale = exact;
    stale.stale = true;
    for (stale.burn_in = 0; stale.burn_in < 6; stale.burn_in += 2)
        SAME(train_on(&rig, &exact, &source, 1), train_on(&rig, &stale, &source, 3),
             "burn_in %d", stale.burn_in);
    rig_close(&rig);
}

/* The first visit, chunk by chunk from the cell's start. */
Test(train, stale_states_are_the_start_at_first)
{
    Rig rig;
    WeftTeam *const team = rig_team(1);
    WeftNet *net;
    WeftProgress last;
    WeftScore score;
    rig_open(&rig, gru_text, rnn_text, &dense);
    Halves halves = {drawn_source(&rig.drawn, 6, 5), &rig.model, true};
    const WeftSource half = {&halves, halves_fill, 3, 5, 0, 0};
    halves.whole.epoch = 7;
    const WeftTrain settings = {.updates = 1, .chunk = 3, .stale = true};
    MUST(weft_net_open(team, &rig.model, 1, &net, &err));
    MUST(weft_evaluate(net, &half, 0, 2, &score, &err));
    MUST(weft_train(net, &settings, &halves.whole, keep_report, &last, &err));
    cr_expect(fabs(last.loss - score.loss) < 30 * (double)FLT_EPSILON * score.loss,
              "%.9g, expected %.9g", last.loss, score.loss);
    cr_expect(last.stale_epoch == 0 && last.stale_max == 0);
    weft_net_close(net);
    weft_team_close(team);
    rig_close(&rig);
}

Test(train, threads_do_not_change_bits_of_stale_states)
{
    Rig rig;
    Loop loop = {.anew = false};
    rig_open(&rig, gru_text, rnn_text, &embedded);
    rig.model.drop = rig.layer[1].drop = 0.2f;
    rig.drawn.lengths = rig.drawn.weights = true;
    const WeftSource source = loop_source(&loop, &rig, 13, 17, 3);
    for (int kind = 0; kind < 3; kind++) {
        const WeftTrain stale = {.updates = 10,
                                 .chunk = 2,
                                 .chunks_per_update = 5,
                                 .stale = true,
                                 .burn_in = 3 * (kind == 1)};
        rig.layer[0].both = kind == 2;
        const Result one = train_on(&rig, &stale, &source, 1);
        for (int threads = 2; threads < 9; threads += 3)
            SAME(one, train_on(&rig, &stale, &source, threads), "kind %d, %d threads",
                 kind, threads);
    }
    rig_close(&rig);
}

/* The last report of each epoch that was measured. */
typedef struct Epochs {
    WeftProgress report[8];
} Epochs;

static bool keep_epochs(void *context, const WeftProgress *progress)
{
    ((Epochs *)context)->report[progress->stale_epoch] = *progress;
    return true;
}

/* Only the first update changes parameters: what was left before it is stale. */
static const WeftTrain one_change = {.updates = 9,
                                     .chunk = 3,
                                     .stale = true,
                                     .rate = 0.1f,
                                     .schedule = WEFT_COSINE,
                                     .period = 1};

/* The head shows the states: it is made the identity. */
static void last_states(WeftTeam *team, WeftNet *net, Rig *rig, float *states)
{
    enum { T = 3, B = 5, H = 7 };
    float x[6 * B * 3], out[T * B * H], target[6 * B * H];
    WeftBatch batch = {.steps = 6, .rows = B, .x = x, .target = target};
    float *const W = weft_net_parameter(net, 3, NULL, NULL, NULL);
    (void)team;
    for (int i = 0; i < H * H; i++) W[i] = i % (H + 1) == 0;
    memset(W + H * H, 0, H * sizeof *W);
    cr_assert(drawn_fill(&rig->drawn, 0, &batch, NULL));
    batch.steps = T;
    batch.fresh = true;
    MUST(weft_predict(net, &batch, out, &err));
    memcpy(states, out + (T - 1) * B * H, B * H * sizeof *states);
}

Test(train, staleness_is_how_far_states_are_from_those_of_today)
{
    Rig rig;
    WeftTeam *const team = rig_team(2);
    WeftNet *before, *net;
    Loop loop = {.anew = true};
    Epochs epochs = {0};
    float left[5 * 7], now[5 * 7];
    WeftModel model = dense;
    model.outputs = 7;
    rig_open(&rig, rnn_text, NULL, &model);
    const WeftSource source = loop_source(&loop, &rig, 6, 5, 3);
    MUST(weft_net_open(team, &rig.model, 1, &before, &err));
    MUST(weft_net_open(team, &rig.model, 1, &net, &err));
    MUST(weft_train(net, &one_change, &source, keep_epochs, &epochs, &err));
    cr_assert(epochs.report[1].rate == 0);

    last_states(team, before, &rig, left);
    last_states(team, net, &rig, now);
    double max = 0, squares = 0;
    for (int i = 0; i < 5 * 7; i++) {
        const double apart = fabs((double)left[i] - (double)now[i]);
        max = apart > max ? apart : max;
        squares += apart * apart;
    }
    cr_assert(max > 0);
    cr_expect_eq(epochs.report[1].stale_max, max);
    cr_expect_eq(epochs.report[1].stale_rms, sqrt(squares / (5 * 7)));
    for (int i = 2; i <= 3; i++)
        cr_expect(epochs.report[i].stale_epoch == (uint64_t)i &&
                  epochs.report[i].stale_max == 0 && epochs.report[i].stale_rms == 0);
    weft_net_close(before);
    weft_net_close(net);
    weft_team_close(team);
    rig_close(&rig);
}

/* Each epoch sets right what one chunk more enters, of two layers too. */
Test(train, staleness_of_parameters_that_stay_ends)
{
    Rig rig;
    WeftTeam *const team = rig_team(2);
    WeftNet *net;
    rig_open(&rig, gru_text, rnn_text, &dense);
    for (int burn_in = 0; burn_in < 3; burn_in += 2) {
        Loop loop = {.anew = false};
        Epochs epochs = {0};
        WeftTrain settings = one_change;
        settings.burn_in = burn_in;
        settings.updates = 21;
        const WeftSource source = loop_source(&loop, &rig, 14, 5, 3);
        MUST(weft_net_open(team, &rig.model, 1, &net, &err));
        MUST(weft_train(net, &settings, &source, keep_epochs, &epochs, &err));
        for (int i = 1; i <= 7; i++)
            cr_expect(i < 5 ? epochs.report[i].stale_max > 0
                            : epochs.report[i].stale_epoch == (uint64_t)i &&
                                  epochs.report[i].stale_max == 0,
                      "burn_in %d, epoch %d: %g", burn_in, i,
                      epochs.report[i].stale_max);
        weft_net_close(net);
    }
    weft_team_close(team);
    rig_close(&rig);
}

static void goes_on(const Rig *rig, const WeftTrain *whole, const WeftSource *source)
{
    const Result once = train_on(rig, whole, source, 2);
    for (uint64_t stop = 1; stop < 9; stop++) {
        const char *const path = BUILD_DIR "/test_train_stale.weft";
        WeftTeam *const team = rig_team(1);
        WeftNet *net;
        WeftTrain part = *whole;
        part.updates = stop;
        MUST(weft_net_open(team, &rig->model, 1, &net, &err));
        MUST(weft_train(net, &part, source, NULL, NULL, &err));
        MUST(weft_net_save(net, path, true, &err));
        weft_net_close(net);
        MUST(weft_net_load(team, path, &net, &err));
        MUST(weft_net_save(net, path, true, &err)); /* not yet gone on with */
        weft_net_close(net);
        MUST(weft_net_load(team, path, &net, &err));
        MUST(weft_train(net, whole, source, NULL, NULL, &err));
        cr_expect_eq(weft_net_digest(net), once.digest, "stopped after %d", (int)stop);
        weft_net_close(net);
        weft_team_close(team);
    }
}

Test(train, stale_states_go_on_after_a_save)
{
    Rig rig;
    Loop loop = {.anew = false};
    rig_open(&rig, gru_text, rnn_text, &dense);
    const WeftSource source = loop_source(&loop, &rig, 13, 5, 2);
    WeftTrain whole = {
        .updates = 16, .chunk = 3, .chunks_per_update = 2, .stale = true};
    goes_on(&rig, &whole, &source);
    whole.burn_in = 2;
    goes_on(&rig, &whole, &source);
    rig_close(&rig);
}

/* Other chunks than those the states were left for: all start anew. */
Test(train, stale_states_of_other_chunks_are_forgotten)
{
    Rig rig;
    WeftTeam *const team = rig_team(1);
    WeftNet *a, *b;
    Loop loop = {.anew = false};
    rig_open(&rig, gru_text, NULL, &dense);
    const WeftSource source = loop_source(&loop, &rig, 12, 5, 2);
    WeftTrain settings = {.updates = 2, .chunk = 5, .stale = true};
    MUST(weft_net_open(team, &rig.model, 1, &a, &err));
    MUST(weft_net_open(team, &rig.model, 1, &b, &err));
    MUST(weft_train(a, &settings, &source, NULL, NULL, &err));
    MUST(weft_train(b, &settings, &source, NULL, NULL, &err));
    settings.chunk = 4;
    settings.updates = 3;
    MUST(weft_train(a, &settings, &source, NULL, NULL, &err));
    settings.stale = false;
    settings.updates = 2;
    MUST(weft_train(b, &settings, &source, NULL, NULL, &err)); /* nothing to do */
    settings.stale = true;
    settings.updates = 3;
    MUST(weft_train(b, &settings, &source, NULL, NULL, &err));
    cr_expect_eq(weft_net_digest(a), weft_net_digest(b));
    weft_net_close(a);
    weft_net_close(b);
    weft_team_close(team);
    rig_close(&rig);
}

Test(train, stale_states_that_cannot_be_are_refused)
{
    Rig rig;
    WeftTeam *const team = rig_team(1);
    WeftNet *net;
    rig_open(&rig, rnn_text, NULL, &dense);
    rig.layer[0].both = true;
    WeftSource source = drawn_source(&rig.drawn, 6, 2);
    MUST(weft_net_open(team, &rig.model, 1, &net, &err));
#define REFUSES(part, ...)                                                             \
    FAILS(weft_train(net, &(WeftTrain){.updates = 1, .chunk = 3, __VA_ARGS__},         \
                     &source, NULL, NULL, &err),                                       \
          part)
    REFUSES("its epoch is 0", .stale = true);
    source.epoch = (uint64_t)1 << 40;
    REFUSES("more than half of the memory", .stale = true);
    source.epoch = UINT64_MAX;
    REFUSES("more than half of the memory", .stale = true);
    source.epoch = 2;
    REFUSES("expected one of them", .stale = true, .back = 6);
    REFUSES("nothing is stale", .burn_in = 2);
    REFUSES("burn_in -1", .stale = true, .burn_in = -1);
    REFUSES("backward direction", .stale = true, .burn_in = 2);
#undef REFUSES
    weft_net_close(net);
    weft_team_close(team);
    rig_close(&rig);
}

/* ---- both directions ---- */

/* Where the forward direction carries nothing, chunks are as if they were batches. */
Test(train, backward_direction_starts_anew_in_each_chunk)
{
    Rig rig;
    WeftTeam *const team = rig_team(1);
    WeftNet *net;
    WeftProgress last;
    WeftScore score;
    rig_open(&rig, rnn_text, NULL, &dense);
    rig.layer[0].both = true;
    Halves halves = {drawn_source(&rig.drawn, 6, 5), &rig.model, true};
    const WeftSource half = {&halves, halves_fill, 3, 5, 0, 0};
    const WeftTrain settings = {.updates = 1, .chunk = 3};
    MUST(weft_net_open(team, &rig.model, 1, &net, &err));
    memset(weft_net_parameter(net, 1, NULL, NULL, NULL), 0, 7 * 7 * sizeof(float));
    MUST(weft_evaluate(net, &half, 0, 2, &score, &err));
    MUST(weft_train(net, &settings, &halves.whole, keep_report, &last, &err));
    cr_expect(fabs(last.loss - score.loss) < 30 * (double)FLT_EPSILON * score.loss,
              "%.9g, expected %.9g", last.loss,
              score.loss); /* 30 losses, added in two ways */
    weft_net_close(net);
    weft_team_close(team);
    rig_close(&rig);
}

/* ---- threads and instruction sets ---- */

typedef struct Kind {
    const char *lower, *upper;
    const WeftModel *model;
    bool both, vector;
    uint64_t digest; /* after ten updates; on any machine with fused multiply-adds */
} Kind;

static const Kind kinds[] = {
    {gru_text, rnn_text, &symbols, false, false, 0xabc588f1a7a5e7f5},
    {rnn_text, gru_text, &embedded, true, false, 0xea6564c2cd8b425b},
    {drop_text, gru_text, &dense, false, true, 0xc370bba9c71b040f},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static Result train_kind(const Kind *kind, int threads)
{
    Rig rig;
    rig_open(&rig, kind->lower, kind->upper, kind->model);
    rig.model.vector = kind->vector;
    rig.layer[0].both = rig.layer[1].both = kind->both;
    rig.layer[1].drop = 0.2f;
    rig.drawn.lengths = rig.drawn.weights = true;
    const WeftTrain settings = {.updates = 10,
                                .chunk = 5,
                                .chunks_per_update = 2,
                                .optimizer = WEFT_ADAM,
                                .rate = 0.01f,
                                .clip_norm = 0.5f};
    const Result result = train(&rig, &settings, 13, 17, threads);
    rig_close(&rig);
    return result;
}

Test(train, threads_do_not_change_bits)
{
    const int threads[] = {2, 3, 8};
    for (int k = 0; k < KINDS; k++) {
        const Result one = train_kind(&kinds[k], 1);
        for (int i = 0; i < 3; i++)
            SAME(one, train_kind(&kinds[k], threads[i]), "kind %d, %d threads", k,
                 threads[i]);
    }
}

/* Symbols that are to be said again. */
static bool repeat(void *context, uint64_t index, WeftBatch *batch, WeftError *err)
{
    (void)context, (void)err;
    const int count = batch->steps * batch->rows;
    for (int i = 0; i < count; i++)
        batch->symbol[i] = batch->label[i] =
            (int32_t)weft_random_below(5, 1, index * (uint64_t)count + (uint64_t)i, 8);
    return true;
}

static uint64_t repeated(const char *text, int hidden, int threads)
{
    WeftTeam *const team = rig_team(threads);
    WeftCell *const cell = rig_cell(text);
    const WeftLayer layer = {.cell = cell, .hidden = hidden};
    const WeftModel model = {.input = WEFT_SYMBOLS,
                             .inputs = 8,
                             .layers = &layer,
                             .layer_count = 1,
                             .outputs = 8,
                             .loss = WEFT_SOFTMAX};
    const WeftSource source = {NULL, repeat, 40, 16, 0, 0};
    const WeftTrain how = {
        .updates = 2, .optimizer = WEFT_ADAM, .rate = 0.01f, .seed = 3};
    WeftNet *net;
    MUST(weft_net_open(team, &model, 1, &net, &err));
    MUST(weft_train(net, &how, &source, NULL, NULL, &err));
    const uint64_t digest = weft_net_digest(net);
    weft_net_close(net);
    weft_cell_close(cell);
    weft_team_close(team);
    return digest;
}

/* More gradients than a kernel takes in a call, over more rows than it takes at once;
 * and a matrix whose products cut it into rows in two ways. */
Test(train, threads_do_not_change_bits_of_weights_that_are_used_twice)
{
    static const char *const heads =
        "cell heads\nsize head = 40\nsize d = hidden / head\nstate h\n"
        "state n, m [head][d]\nweight V [hidden][input]\nweight K [head][d][input]\n"
        "weight R [head][d][d]\nscalar s = 0.5\nn' = tanh(K x + R n + R m)\n"
        "m' = 0.5 * m + s * n'\nh' = tanh(V x + s * h) + sum(sum(n')) / hidden\n";
    static const char *const shapes =
        "cell shapes\nsize d = hidden / 4\nstate n [4][d]\nstate v [d]\n"
        "weight K [4][d][input]\nweight W [d][input]\nweight R [4][d][d]\n"
        "v' = tanh(W x)\nn' = tanh(K x + R n + R v)\n";
    for (int threads = 2; threads <= 4; threads++) {
        cr_expect(repeated(heads, 1280, 1) == repeated(heads, 1280, threads));
        cr_expect(repeated(shapes, 160, 1) == repeated(shapes, 160, threads));
    }
}

Test(train, instruction_sets_agree_on_the_digest)
{
    for (int i = 0; isa_set(i); i++) {
        setenv("WEFT_ISA", isa_set(i)->isa, 1);
        for (int k = 0; k < KINDS; k++) {
            const Result result = train_kind(&kinds[k], 1);
            if (strcmp(isa_name(), "scalar without FMA") == 0) continue;
            cr_expect(result.digest == kinds[k].digest, "kind %d, %s: %#llx", k,
                      isa_name(), (unsigned long long)result.digest);
        }
    }
}

/* ---- dropout ---- */

Test(train, dropout_is_a_function_of_its_seed)
{
    Rig rig;
    rig_open(&rig, drop_text, NULL, &dense);
    WeftTrain settings = {.updates = 3, .seed = 1};
    const Result a = train(&rig, &settings, 4, 3, 1),
                 b = train(&rig, &settings, 4, 3, 2);
    settings.seed = 2;
    const Result c = train(&rig, &settings, 4, 3, 1);
    SAME(a, b, "the same seed differs");
    cr_expect_neq(a.digest, c.digest);
    rig_close(&rig);
}

/* ---- going on ---- */

static bool stop_at_3(void *context, const WeftProgress *p)
{
    *(WeftProgress *)context = *p;
    return p->update != 3;
}

Test(train, stopping_looking_and_going_on_change_nothing)
{
    Rig rig;
    WeftTeam *const team = rig_team(2);
    WeftNet *net;
    WeftScore score;
    WeftProgress last;
    rig_open(&rig, gru_text, rnn_text, &dense);
    rig.model.drop = 0.2f;
    const WeftSource source = drawn_source(&rig.drawn, 7, 5);
    const WeftTrain settings = {
        .updates = 10, .chunk = 2, .chunks_per_update = 1, .optimizer = WEFT_RMSPROP};
    const Result once = train_on(&rig, &settings, &source, 1);

    MUST(weft_net_open(team, &rig.model, 1, &net, &err));
    MUST(weft_train(net, &settings, &source, stop_at_3, &last, &err));
    cr_assert_eq(weft_net_updates(net), 3);
    MUST(weft_evaluate(net, &source, 5, 4, &score, &err));
    float x[5 * 3] = {0}, out[5 * 2];
    const WeftBatch batch = {.steps = 1, .rows = 5, .x = x, .fresh = true};
    MUST(weft_predict(net, &batch, out, &err));
    MUST(weft_train(net, &settings, &source, keep_report, &last, &err));
    cr_expect(weft_net_digest(net) == once.digest);
    weft_net_close(net);
    weft_team_close(team);
    rig_close(&rig);
}

Test(train, optimizer_that_changes_starts_its_moments_anew)
{
    Rig rig;
    WeftTeam *const team = rig_team(1);
    WeftNet *a, *b;
    rig_open(&rig, rnn_text, NULL, &dense);
    const WeftSource source = drawn_source(&rig.drawn, 4, 3);
    WeftTrain settings = {.updates = 2, .optimizer = WEFT_SGD, .momentum = 0.9f};
    MUST(weft_net_open(team, &rig.model, 1, &a, &err));
    MUST(weft_net_open(team, &rig.model, 1, &b, &err));
    MUST(weft_train(a, &settings, &source, NULL, NULL, &err));
    settings.momentum = 0; /* leaves moments of another kind behind */
    MUST(weft_train(b, &settings, &source, NULL, NULL, &err));
    for (int i = 0; weft_net_parameter(a, i, NULL, NULL, NULL); i++) {
        int axes, shape[4], count = 1;
        const float *const from = weft_net_parameter(a, i, NULL, &axes, shape);
        for (int k = 0; k < axes; k++) count *= shape[k];
        memcpy(weft_net_parameter(b, i, NULL, NULL, NULL), from, (size_t)count * 4);
    }
    settings = (WeftTrain){.updates = 4, .optimizer = WEFT_ADAM};
    MUST(weft_train(a, &settings, &source, NULL, NULL, &err));
    MUST(weft_train(b, &settings, &source, NULL, NULL, &err));
    cr_expect(weft_net_digest(a) == weft_net_digest(b));
    weft_net_close(a);
    weft_net_close(b);
    weft_team_close(team);
    rig_close(&rig);
}

/* ---- learning ---- */

/* The label of a step is the symbol of the step before. */
static bool echo_fill(void *context, uint64_t index, WeftBatch *b, WeftError *err)
{
    (void)context, (void)err;
    for (int i = 0; i < b->steps * b->rows; i++) {
        b->symbol[i] = (int32_t)weft_random_below(9, 1, index << 20 | (uint64_t)i, 5);
        b->label[i] = i < b->rows ? 0 : b->symbol[i - b->rows];
        if (i < b->rows) b->weight[i] = 0;
    }
    return true;
}

Test(train, learns_to_echo)
{
    Rig rig;
    WeftModel model = symbols;
    model.inputs = model.outputs = 5;
    rig_open(&rig, gru_text, NULL, &model);
    rig.layer[0].hidden = 16;
    WeftTeam *const team = rig_team(2);
    WeftNet *net;
    WeftScore before, after;
    const WeftSource source = {NULL, echo_fill, 10, 16, 0, 0};
    const WeftTrain settings = {.updates = 300, .optimizer = WEFT_ADAM, .rate = 0.02f};
    MUST(weft_net_open(team, &rig.model, 1, &net, &err));
    MUST(weft_evaluate(net, &source, 1000, 4, &before, &err));
    MUST(weft_train(net, &settings, &source, NULL, NULL, &err));
    MUST(weft_evaluate(net, &source, 1000, 4, &after, &err));
    cr_expect(fabs(before.loss - log(5)) < 0.3, "untrained: %g", before.loss);
    cr_expect(after.loss < 0.05 && after.accuracy > 0.99, "trained: %g, %g", after.loss,
              after.accuracy);
    cr_expect_eq(after.targets, 4 * 9 * 16);
    weft_net_close(net);
    weft_team_close(team);
    rig_close(&rig);
}

/* ---- what is not finite ---- */

typedef struct Spoilt {
    WeftSource source;
    uint64_t batch;
    int step;
} Spoilt;

static bool spoilt_fill(void *context, uint64_t index, WeftBatch *b, WeftError *err)
{
    const Spoilt *const s = context;
    if (!s->source.fill(s->source.context, index, b, err)) return false;
    if (index == s->batch) b->x[(s->step * b->rows + 1) * 3] = NAN;
    return true;
}

Test(train, loss_that_is_not_finite_is_a_result)
{
    Rig rig;
    WeftTeam *const team = rig_team(1);
    WeftNet *net;
    WeftProgress last;
    rig_open(&rig, rnn_text, gru_text, &dense);
    Spoilt spoilt = {drawn_source(&rig.drawn, 8, 4), 2, 5};
    const WeftSource source = {&spoilt, spoilt_fill, 8, 4, 0, 0};
    const WeftTrain settings = {.updates = 10, .chunk = 4, .every = 100};
    MUST(weft_net_open(team, &rig.model, 1, &net, &err));
    MUST(weft_train(net, &settings, &source, keep_report, &last, &err));
    cr_expect_not(last.finite);
    cr_expect_eq(last.update, 2);
    cr_expect(last.step == 5 && last.layer == 0, "step %d, layer %d", last.step,
              last.layer);
    const float *const w = weft_net_parameter(net, 0, NULL, NULL, NULL);
    cr_expect(isfinite(w[0]));

    weft_net_parameter(net, 6, NULL, NULL, NULL)[0] = NAN; /* of layer 1 */
    spoilt.batch = UINT64_MAX;
    MUST(weft_train(net, &settings, &source, keep_report, &last, &err));
    cr_expect_not(last.finite);
    cr_expect(last.step == 0 && last.layer == 1, "step %d, layer %d", last.step,
              last.layer);
    weft_net_close(net);
    weft_team_close(team);
    rig_close(&rig);
}

static bool first_batches_fill(void *context, uint64_t index, WeftBatch *b,
                               WeftError *err)
{
    if (index < 100) return spoilt_fill(context, index, b, err);
    snprintf(err->text, sizeof err->text, "no such batch");
    return false;
}

/* Nothing is measured of an epoch that has not ended: batches begin with 0. */
Test(train, stale_states_that_are_not_finite_are_a_result)
{
    Rig rig;
    WeftTeam *const team = rig_team(1);
    WeftNet *net;
    WeftProgress last;
    rig_open(&rig, rnn_text, NULL, &dense);
    Spoilt spoilt = {drawn_source(&rig.drawn, 8, 4), 0, 5};
    const WeftSource source = {&spoilt, first_batches_fill, 8, 4, 3, 0};
    const WeftTrain settings = {.updates = 9, .chunk = 4, .stale = true};
    MUST(weft_net_open(team, &rig.model, 1, &net, &err));
    MUST(weft_train(net, &settings, &source, keep_report, &last, &err));
    cr_expect(!last.finite && last.update == 0 && last.stale_epoch == 0);
    weft_net_close(net);
    weft_team_close(team);
    rig_close(&rig);
}

/* ---- bad batches ---- */

typedef enum Fault { SYMBOL, LABEL, LENGTH, WEIGHT, REFUSAL, NO_TARGETS } Fault;

static bool faulty_fill(void *context, uint64_t index, WeftBatch *b, WeftError *err)
{
    (void)index;
    switch (*(const Fault *)context) {
    case SYMBOL: b->symbol[7] = 11; break;
    case LABEL: b->label[4] = -1; break;
    case LENGTH: b->length[2] = b->steps + 1; break;
    case WEIGHT: b->weight[1] = NAN; break;
    case REFUSAL: snprintf(err->text, sizeof err->text, "no more data"); return false;
    case NO_TARGETS:
        for (int i = 0; i < b->steps * b->rows; i++) b->weight[i] = 0, b->label[i] = -7;
    }
    return true;
}

Test(train, bad_batches_are_refused)
{
    Rig rig;
    WeftTeam *const team = rig_team(1);
    WeftNet *net;
    WeftScore score;
    Fault fault = SYMBOL;
    rig_open(&rig, rnn_text, NULL, &symbols);
    WeftSource source = {&fault, faulty_fill, 5, 3, 0, 0};
    const WeftTrain settings = {.updates = 2};
    MUST(weft_net_open(team, &rig.model, 1, &net, &err));
#define REFUSES(what, part)                                                            \
    fault = what;                                                                      \
    FAILS(weft_train(net, &settings, &source, NULL, NULL, &err), part);                \
    FAILS(weft_evaluate(net, &source, 0, 1, &score, &err), part)
    REFUSES(SYMBOL, "batch 0: step 2, row 1: symbol 11: from 0 to 10");
    REFUSES(LABEL, "batch 0: step 1, row 1: label -1: from 0 to 10");
    REFUSES(LENGTH, "batch 0: row 2: length 6");
    REFUSES(WEIGHT, "batch 0: step 0, row 1: weight");
    REFUSES(REFUSAL, "no more data");
    fault = NO_TARGETS;
    FAILS(weft_evaluate(net, &source, 0, 1, &score, &err), "no targets");
    MUST(weft_train(net, &settings, &source, NULL, NULL, &err));

    FAILS(weft_train(NULL, &settings, &source, NULL, NULL, &err), "needs a net");
    FAILS(weft_train(net, NULL, &source, NULL, NULL, &err), "needs");
    FAILS(weft_train(net, &settings, NULL, NULL, NULL, &err), "needs");
    FAILS(weft_evaluate(net, &source, 0, 0, &score, &err), "1 batch");
    source.rows = 0;
    FAILS(weft_train(net, &settings, &source, NULL, NULL, &err), "0 rows");
    source.rows = 3;
    source.steps = 0;
    FAILS(weft_train(net, &settings, &source, NULL, NULL, &err), "0 steps");
    FAILS(weft_evaluate(net, &source, 0, 1, &score, &err), "0 steps");
    const WeftBatch none = {.rows = 3, .symbol = &(int32_t){0}, .fresh = true};
    FAILS(weft_predict(net, &none, &(float){0}, &err), "0 steps");
    source.rows = source.steps = 1 << 20;
    FAILS(weft_train(net, &settings, &source, NULL, NULL, &err), "2^30");
    weft_net_close(net);
    weft_team_close(team);
    rig_close(&rig);
}

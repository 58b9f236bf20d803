/* test_encoder.c: nets with an encoder: gradients, bits, rows of all lengths, and sequences
 * that are made. */
#include "gradient_rig.h"
#include "../core/train/teacher.h"

/* Two states, of which h is made of c: as an LSTM's. */
static const char *const two_text =
    "cell two\nstate h, c\nweight W_c, W_o [hidden][input]\n"
    "weight U_c, U_o [hidden][hidden]\nbias b_c, b_o\n"
    "c' = 0.7 * c + tanh(W_c x + U_c h + b_c)\n"
    "h' = sigmoid(W_o x + U_o h + b_o) * tanh(c')\n";
/* No step reads the state of the one before. */
static const char *const reader_text =
    "cell reader\nstate h\nweight W [hidden][input]\nh' = tanh(W x)\n";
/* Of an input of zeros, as past the end of a row, its output is no number. */
static const char *const sign_text =
    "cell sign\nstate h\noutput y\nweight W, V [hidden][input]\n"
    "weight U [hidden][hidden]\n"
    "a = V x\nh' = tanh(W x + U h)\ny = h' * a / abs(a)\n";
/* Above the attention (Luong et al. 2015, eq. 5). */
static const char *const dense_text =
    "cell dense\noutput y\nweight W [hidden][input]\nbias b\ny = tanh(W x + b)\n";

typedef struct Case {
    const char *name;
    const char *encoder[2]; /* NULL: fewer layers */
    bool both;
    WeftInput source;
    const char *decoder[2];
    WeftInput input;
    int hand_over;
    WeftAttention attention;
    int below, width;
    bool vector, lengths;
    float drop;
    uint64_t digest; /* of ten updates */
} Case;

// clang-format off
static const Case cases[] = {
    {.name = "states as they are", .encoder = {two_text, rnn_text}, .source = WEFT_SYMBOLS,
     .decoder = {two_text, rnn_text}, .input = WEFT_SYMBOLS, .lengths = true, .digest = 0x3a1f5e3bcc5d515e},
    {.name = "states of both directions, mapped", .encoder = {two_text}, .both = true,
     .source = WEFT_EMBEDDING, .decoder = {rnn_text, two_text}, .input = WEFT_EMBEDDING,
     .lengths = true, .drop = 0.2f, .digest = 0x6ebb33b3f260cf4f},
    {.name = "a state that no step reads", .encoder = {reader_text}, .source = WEFT_DENSE,
     .decoder = {rnn_text}, .input = WEFT_DENSE, .lengths = true, .digest = 0x273bdc973b988e23},
    {.name = "first", .encoder = {two_text}, .source = WEFT_SYMBOLS, .decoder = {rnn_text},
     .input = WEFT_EMBEDDING, .hand_over = WEFT_FIRST, .lengths = true, .digest = 0x3e41f9ec44ffa7ba},
    {.name = "every, of both directions", .encoder = {rnn_text, rnn_text}, .both = true,
     .source = WEFT_SYMBOLS, .decoder = {rnn_text}, .input = WEFT_DENSE,
     .hand_over = WEFT_EVERY, .lengths = true, .drop = 0.2f, .digest = 0xb0955d1e7ba56eb},
    {.name = "all three", .encoder = {two_text}, .source = WEFT_DENSE,
     .decoder = {two_text}, .input = WEFT_EMBEDDING,
     .hand_over = WEFT_STATES | WEFT_FIRST | WEFT_EVERY, .lengths = true, .digest = 0x1b158ef3ad0cc71},
    {.name = "dot", .encoder = {rnn_text}, .source = WEFT_SYMBOLS, .decoder = {rnn_text},
     .input = WEFT_SYMBOLS, .attention = WEFT_DOT, .lengths = true, .digest = 0x39b3552cd2e5dbe1},
    {.name = "general, both directions, a layer above", .encoder = {two_text}, .both = true,
     .source = WEFT_EMBEDDING, .decoder = {two_text, dense_text}, .input = WEFT_EMBEDDING,
     .attention = WEFT_GENERAL, .below = 1, .lengths = true, .drop = 0.2f, .digest = 0x6bd3ad725068f9b9},
    {.name = "additive", .encoder = {rnn_text, two_text}, .source = WEFT_DENSE,
     .decoder = {rnn_text, rnn_text}, .input = WEFT_EMBEDDING, .attention = WEFT_ADDITIVE,
     .width = 3, .lengths = true, .digest = 0xe8fc268cacebd587},
    {.name = "additive, every, vector", .encoder = {rnn_text}, .both = true,
     .source = WEFT_SYMBOLS, .decoder = {rnn_text}, .input = WEFT_DENSE, .vector = true,
     .hand_over = WEFT_EVERY, .attention = WEFT_ADDITIVE, .lengths = true, .digest = 0xa2e9da288fa137d8},
    {.name = "a vector as states", .source = WEFT_DENSE, .decoder = {two_text},
     .input = WEFT_SYMBOLS, .digest = 0x356b44d43695672},
    {.name = "a class as first input", .source = WEFT_EMBEDDING, .decoder = {rnn_text},
     .input = WEFT_EMBEDDING, .hand_over = WEFT_FIRST, .lengths = true, .digest = 0xbce875ed32cd88cc},
    {.name = "a class as states and at every step", .source = WEFT_EMBEDDING,
     .decoder = {rnn_text}, .input = WEFT_DENSE, .hand_over = WEFT_STATES | WEFT_EVERY,
     .lengths = true, .drop = 0.2f, .digest = 0x85fcb00c7159104f},
};
// clang-format on
enum { CASES = sizeof cases / sizeof *cases };
enum { T = 5, S = 7, B = 4, INPUTS = 5, OUTPUTS = 5, HIDDEN = 4 };

typedef struct Rig {
    WeftCell *cell[4];
    WeftLayer encoder_layer[2], layer[2];
    WeftEncoder encoder;
    WeftModel model;
    Drawn drawn;
    WeftSource source;
    WeftTeam *team; /* of a rig that has been started */
    WeftNet *net;
} Rig;

static int layers_of(const char *const *text, bool both, float drop, WeftCell **cell,
                     WeftLayer *layer)
{
    int n = 0;
    for (; n < 2 && text[n]; n++) {
        cell[n] = rig_cell(text[n]);
        layer[n] = (WeftLayer){cell[n], HIDDEN, both, n > 0 ? drop : 0};
    }
    return n;
}

static void rig_open(Rig *r, const Case *c)
{
    *r = (Rig){0};
    r->encoder = (WeftEncoder){.input = c->source, .inputs = INPUTS, .embedding = 3};
    r->encoder.layers = r->encoder_layer;
    r->encoder.layer_count =
        layers_of(c->encoder, c->both, c->drop, r->cell, r->encoder_layer);
    r->model = (WeftModel){.input = c->input,
                           .inputs = INPUTS,
                           .embedding = 3,
                           .layers = r->layer,
                           .drop = c->drop,
                           .outputs = OUTPUTS,
                           .loss = WEFT_SOFTMAX,
                           .vector = c->vector,
                           .encoder = &r->encoder,
                           .hand_over = c->hand_over,
                           .attention = c->attention,
                           .attention_below = c->below,
                           .attention_width = c->width};
    r->model.layer_count = layers_of(c->decoder, false, c->drop, r->cell + 2, r->layer);
    r->drawn = (Drawn){&r->model, 3, c->lengths, false, 1};
    r->source = drawn_source(&r->drawn, T, B);
    r->source.source_steps = r->encoder.layer_count > 0 ? S : 1;
}

/* Its net, on so many threads. */
static WeftNet *rig_start(Rig *r, int threads)
{
    r->team = rig_team(threads);
    MUST(weft_net_open(r->team, &r->model, 1, &r->net, &err));
    return r->net;
}

static void rig_close(Rig *r)
{
    weft_net_close(r->net);
    weft_team_close(r->team);
    for (int i = 0; i < 4; i++) weft_cell_close(r->cell[i]);
}

/* ---- gradients ---- */

Test(encoder, gradients_are_those_of_the_loss)
{
    WeftTeam *const team = rig_team(1);
    for (int i = 0; i < CASES; i++) {
        Rig r;
        rig_open(&r, &cases[i]);
        check_gradient(team, cases[i].name, &r.model, &r.source);
        rig_close(&r);
    }
    weft_team_close(team);
}

/* ---- bits ---- */

static uint64_t digest(const Case *c, int threads, WeftSplit split)
{
    Rig r;
    const WeftTrain train = {
        .updates = 10, .optimizer = WEFT_ADAM, .rate = 0.01f, .clip_norm = 0.5f};
    WeftProgress last = {0};
    rig_open(&r, c);
    WeftNet *const net = rig_start(&r, threads);
    MUST(weft_team_split(r.team, split, 0, &err));
    MUST(weft_train(net, &train, &r.source, keep_report, &last, &err));
    cr_assert(last.finite && weft_net_updates(net) == 10, "%s", c->name);
    const uint64_t d = weft_net_digest(net);
    rig_close(&r);
    return d;
}

Test(encoder, threads_and_splits_do_not_change_bits)
{
    static const int threads[] = {2, 3, 8};
    for (int i = 0; i < CASES; i++)
        for (int t = 0; t < 3; t++)
            for (int s = WEFT_SPLIT_AUTO; s <= WEFT_SPLIT_UNITS; s++)
                cr_expect_eq(digest(&cases[i], threads[t], (WeftSplit)s),
                             cases[i].digest, "%s: split %d on %d threads",
                             cases[i].name, s, threads[t]);
}

Test(encoder, instruction_sets_agree_on_the_digest)
{
    for (int k = 0; isa_set(k); k++) {
        setenv("WEFT_ISA", isa_set(k)->isa, 1);
        for (int i = 0; i < CASES; i++) {
            const uint64_t got = digest(&cases[i], 1, WEFT_SPLIT_AUTO);
            if (strcmp(isa_name(), "scalar without FMA") == 0) continue;
            cr_expect(got == cases[i].digest, "%s, %s: %#llx", cases[i].name,
                      isa_name(), (unsigned long long)got);
        }
    }
}

/* ---- rows of all lengths ---- */

enum { ROWS = 9 };

/* What one batch of the rig's has, in arrays of the test's. */
typedef struct Arrays {
    float x[T * ROWS * INPUTS], source_x[S * ROWS * INPUTS];
    int32_t symbol[T * ROWS], source_symbol[S * ROWS];
    int length[ROWS], source_length[ROWS];
} Arrays;

static WeftBatch batch_of(const Rig *r, Arrays *a, int rows)
{
    WeftBatch b = {.steps = T,
                   .rows = rows,
                   .length = a->length,
                   .fresh = true,
                   .source_steps = r->source.source_steps,
                   .source_length = a->source_length};
    for (int i = 0; i < rows; i++)
        a->length[i] = T, a->source_length[i] = b.source_steps;
    if (r->model.input == WEFT_DENSE)
        b.x = a->x;
    else
        b.symbol = a->symbol;
    if (r->encoder.input == WEFT_DENSE)
        b.source_x = a->source_x;
    else
        b.source_symbol = a->source_symbol;
    return b;
}

/* Row b of [steps][ROWS][n] elements of 4 bytes. */
static void take_row(void *to, const void *from, int steps, int n, int b)
{
    for (int t = 0; from && t < steps; t++)
        memcpy((char *)to + (size_t)(t * n) * 4,
               (const char *)from + (size_t)((t * ROWS + b) * n) * 4, (size_t)n * 4);
}

static void check_row(const Case *c, WeftNet *net, const Rig *r, const WeftBatch *all,
                      const float *out, int b)
{
    Arrays a;
    WeftBatch one = batch_of(r, &a, 1);
    float one_out[T * OUTPUTS];
    one.steps = a.length[0] = all->length[b];
    one.source_steps = a.source_length[0] = all->source_length[b];
    take_row(a.x, all->x, one.steps, INPUTS, b);
    take_row(a.symbol, all->symbol, one.steps, 1, b);
    take_row(a.source_x, all->source_x, one.source_steps, INPUTS, b);
    take_row(a.source_symbol, all->source_symbol, one.source_steps, 1, b);
    MUST(weft_predict(net, &one, one_out, &err));
    for (int t = 0; t < (c->vector ? 1 : one.steps); t++)
        cr_expect(memcmp(one_out + t * OUTPUTS, out + (t * ROWS + b) * OUTPUTS,
                         OUTPUTS * sizeof *out) == 0,
                  "%s: row %d, step %d", c->name, b, t);
}

Test(encoder, rows_of_all_lengths_are_as_if_alone)
{
    for (int i = 0; i < CASES; i++) {
        Rig r;
        Arrays a;
        rig_open(&r, &cases[i]);
        WeftNet *const net = rig_start(&r, 2);
        WeftBatch all = batch_of(&r, &a, ROWS);
        float out[T * ROWS * OUTPUTS];
        r.drawn.lengths = true;
        MUST(drawn_fill(&r.drawn, 0, &all, &err));
        MUST(weft_predict(net, &all, out, &err));
        for (int b = 0; b < ROWS; b++) check_row(&cases[i], net, &r, &all, out, b);
        rig_close(&r);
    }
}

/* What the encoder has read stays, whatever the number of steps that come after. */
Test(encoder, steps_one_by_one_are_those_of_a_batch)
{
    for (int i = 0; i < CASES; i++) {
        Rig r;
        Arrays a;
        rig_open(&r, &cases[i]);
        WeftNet *const net = rig_start(&r, 2);
        WeftBatch all = batch_of(&r, &a, ROWS);
        float out[T * ROWS * OUTPUTS], step_out[T * ROWS * OUTPUTS];
        r.drawn.lengths = false;
        MUST(drawn_fill(&r.drawn, 0, &all, &err));
        MUST(weft_predict(net, &all, out, &err));
        WeftBatch step = all;
        step.length = NULL;
        for (int t = 0; t < T; t += step.steps) {
            step.steps = t == 1 ? 2 : 1;
            step.fresh = t == 0;
            if (all.x) step.x = all.x + t * ROWS * INPUTS;
            if (all.symbol) step.symbol = all.symbol + t * ROWS;
            MUST(weft_predict(net, &step, step_out, &err));
            for (int s = 0; !cases[i].vector && s < step.steps; s++)
                cr_expect(memcmp(step_out + s * ROWS * OUTPUTS,
                                 out + (t + s) * ROWS * OUTPUTS,
                                 ROWS * OUTPUTS * sizeof *out) == 0,
                          "%s: step %d", cases[i].name, t + s);
        }
        if (cases[i].vector)
            cr_expect(memcmp(step_out, out, ROWS * OUTPUTS * sizeof *out) == 0);
        rig_close(&r);
    }
}

/* Whatever was predicted before, and however long. */
Test(encoder, what_is_read_anew_is_as_if_for_the_first_time)
{
    for (int i = 0; i < CASES; i++) {
        Rig r;
        Arrays a;
        rig_open(&r, &cases[i]);
        WeftNet *const net = rig_start(&r, 1);
        WeftBatch all = batch_of(&r, &a, ROWS);
        float out[T * ROWS * OUTPUTS], first[T * ROWS * OUTPUTS];
        r.drawn.lengths = true;
        MUST(drawn_fill(&r.drawn, 0, &all, &err));
        MUST(weft_predict(net, &all, out, &err));
        all.steps = 1, all.length = NULL;
        MUST(weft_predict(net, &all, first, &err));
        if (!cases[i].vector)
            cr_expect(memcmp(first, out, ROWS * OUTPUTS * sizeof *out) == 0, "%s",
                      cases[i].name);
        rig_close(&r);
    }
}

/* A call that failed may have had other memory: what had been read is not there. */
Test(encoder, nothing_goes_on_from_what_was_not_read)
{
    Rig r;
    Arrays a;
    rig_open(&r, &cases[6]);
    WeftNet *const net = rig_start(&r, 1);
    WeftBatch all = batch_of(&r, &a, ROWS);
    float out[T * ROWS * OUTPUTS];
    MUST(drawn_fill(&r.drawn, 0, &all, &err));
    MUST(weft_predict(net, &all, out, &err));
    all.source_steps = S - 1, all.source_length = NULL;
    all.symbol[0] = INPUTS;
    FAILS(weft_predict(net, &all, out, &err), "symbol 5");
    all.symbol[0] = 0, all.fresh = false;
    FAILS(weft_predict(net, &all, out, &err), "to go on from");
    rig_close(&r);
}

/* Batches of which every second one has a row without steps. */
static bool empty_fill(void *context, uint64_t index, WeftBatch *b, WeftError *e)
{
    if (!drawn_fill(context, index, b, e)) return false;
    if (index % 2 == 1) b->length[1] = 0;
    return true;
}

static bool later_fill(void *context, uint64_t index, WeftBatch *b, WeftError *e)
{
    return empty_fill(context, index + 1, b, e);
}

/* The second batch's gradient, after the first or alone, at the same parameters. */
Test(encoder, rows_without_steps_have_no_gradient_of_another_batch)
{
    for (int i = 0; i < CASES; i++) {
        Rig r;
        WeftNet *alone;
        rig_open(&r, &cases[i]);
        WeftNet *const after = rig_start(&r, 1);
        MUST(weft_net_open(r.team, &r.model, 1, &alone, &err));
        WeftTrain train = {.updates = 2, .rate = 1e-30f, .optimizer = WEFT_SGD};
        r.source.fill = empty_fill;
        MUST(weft_train(after, &train, &r.source, NULL, NULL, &err));
        train.updates = 1;
        r.source.fill = later_fill;
        MUST(weft_train(alone, &train, &r.source, NULL, NULL, &err));
        int axes, shape[4];
        const char *name;
        for (int k = 0; weft_net_parameter(after, k, &name, &axes, shape); k++) {
            const size_t n = (size_t)shape[0] * (size_t)(axes > 1 ? shape[1] : 1);
            if (cases[i].drop == 0)
                cr_expect(memcmp(weft_net_gradient(after, k),
                                 weft_net_gradient(alone, k), n * sizeof(float)) == 0,
                          "%s: %s", cases[i].name, name);
        }
        weft_net_close(alone);
        rig_close(&r);
    }
}

Test(encoder, what_is_no_number_past_an_end_is_in_no_sum)
{
    for (int kind = WEFT_NO_ATTENTION; kind <= WEFT_ADDITIVE; kind++)
        for (int below = 1; below <= 2; below++) {
            const Case c = {.encoder = {sign_text},
                            .decoder = {sign_text, below == 1 ? rnn_text : NULL},
                            .attention = (WeftAttention)kind,
                            .below = kind ? 1 : 0,
                            .lengths = true};
            Rig r;
            WeftProgress last = {0};
            const WeftTrain train = {.updates = 10};
            rig_open(&r, &c);
            WeftNet *const net = rig_start(&r, 1);
            MUST(weft_train(net, &train, &r.source, keep_report, &last, &err));
            cr_expect(last.finite, "attention %d, %d layers", kind, 3 - below);
            rig_close(&r);
        }
}

Test(encoder, saved_nets_predict_the_same)
{
    for (int i = 0; i < CASES; i++) {
        Rig r;
        Arrays a;
        WeftNet *loaded;
        rig_open(&r, &cases[i]);
        WeftNet *const net = rig_start(&r, 1);
        const char *const path = "encoder.safetensors";
        WeftBatch all = batch_of(&r, &a, ROWS);
        float out[2][T * ROWS * OUTPUTS] = {{0}};
        MUST(drawn_fill(&r.drawn, 0, &all, &err));
        MUST(weft_net_save(net, path, true, &err));
        MUST(weft_net_load(r.team, path, &loaded, &err));
        MUST(weft_predict(net, &all, out[0], &err));
        MUST(weft_predict(loaded, &all, out[1], &err));
        cr_expect(memcmp(out[0], out[1], sizeof out[0]) == 0, "%s", cases[i].name);
        remove(path);
        weft_net_close(loaded);
        rig_close(&r);
    }
}

/* ---- sequences that are made ---- */

enum { BEGIN = 0, END = 1, LONGEST = 4 };

static WeftBatch source_of(const Rig *r, Arrays *a)
{
    WeftBatch all = batch_of(r, a, ROWS);
    MUST(drawn_fill((void *)(uintptr_t)&r->drawn, 0, &all, &err));
    return all;
}

static void decoder_rig(Rig *r)
{
    static const Case c = {.encoder = {two_text},
                           .source = WEFT_SYMBOLS,
                           .decoder = {two_text},
                           .input = WEFT_EMBEDDING,
                           .attention = WEFT_GENERAL};
    rig_open(r, &c);
    r->drawn.lengths = true;
}

/* A head that is less sure of itself has more to choose from: here it is made surer. */
static void sharpen(WeftNet *net, float by)
{
    const char *name;
    int axes, shape[4];
    float *value;
    for (int i = 0; (value = weft_net_parameter(net, i, &name, &axes, shape)); i++)
        for (int k = 0; strcmp(name, "head.weight") == 0 && k < shape[0] * shape[1];
             k++)
            value[k] *= by;
}

/* log p of row b's sequence, and of what comes after it in probability. */
static double follow(WeftNet *net, const Rig *r, const Arrays *a, int b,
                     const int32_t *text, int length, float *after)
{
    Arrays one_a;
    WeftBatch one = batch_of(r, &one_a, 1);
    float out[T * OUTPUTS];
    double sum = 0;
    one.steps = one_a.length[0] = length + 1;
    one.source_steps = one_a.source_length[0] = a->source_length[b];
    take_row(one_a.source_symbol, a->source_symbol, one.source_steps, 1, b);
    one_a.symbol[0] = BEGIN;
    for (int t = 0; t < length; t++) one_a.symbol[t + 1] = text[t];
    MUST(weft_predict(net, &one, out, &err));
    for (int t = 0; t < length; t++) sum += log((double)out[t * OUTPUTS + text[t]]);
    memcpy(after, out + length * OUTPUTS, OUTPUTS * sizeof *after);
    return sum;
}

Test(decode, greedy_takes_the_most_likely_at_each_step)
{
    Rig r;
    Arrays a;
    decoder_rig(&r);
    WeftNet *const net = rig_start(&r, 2);
    sharpen(net, 8);
    const WeftBatch batch = source_of(&r, &a);
    const WeftDecode how = {.begin = BEGIN, .end = END, .longest = LONGEST};
    int32_t symbol[ROWS * LONGEST];
    int length[ROWS], ended = 0;
    double l[ROWS];
    MUST(weft_decode(net, &batch, &how, symbol, length, l, &err));
    for (int b = 0; b < ROWS; b++) {
        const int32_t *const text = symbol + b * LONGEST;
        float p[OUTPUTS];
        for (int t = 0; t <= length[b] && t < LONGEST; t++) {
            const double sum = follow(net, &r, &a, b, text, t, p);
            int best = 0;
            for (int j = 1; j < OUTPUTS; j++)
                if (p[j] > p[best]) best = j;
            cr_expect_eq(best, t < length[b] ? text[t] : END, "row %d, step %d", b, t);
            if (t < length[b]) continue;
            ended++;
            cr_expect(fabs(l[b] - sum - log((double)p[END])) < 1e-4);
        }
    }
    cr_expect(ended > 0 && ended < ROWS, "%d rows end", ended);
    rig_close(&r);
}

typedef struct Best {
    double score, log_probability;
    int32_t text[LONGEST];
    int length;
} Best;

/* The best of all sequences that end, of at most LONGEST steps, by trying them. */
static void try_all(WeftNet *net, const Rig *r, const Arrays *a, int b, double power,
                    int32_t *text, int length, Best *best)
{
    float p[OUTPUTS];
    const double l = follow(net, r, a, b, text, length, p) + log((double)p[END]);
    const double score = l / pow(length + 1, power);
    if (score > best->score) {
        *best = (Best){.score = score, .log_probability = l, .length = length};
        memcpy(best->text, text, sizeof best->text);
    }
    for (int j = 0; length + 1 < LONGEST && j < OUTPUTS; j++) {
        if (j == END) continue;
        text[length] = j;
        try_all(net, r, a, b, power, text, length + 1, best);
    }
}

Test(decode, wide_beam_finds_the_best_of_all_sequences)
{
    Rig r;
    Arrays a;
    decoder_rig(&r);
    WeftNet *const net = rig_start(&r, 1);
    sharpen(net, 4);
    const WeftBatch batch = source_of(&r, &a);
    for (int k = 0; k < 2; k++) {
        const WeftDecode how = {.begin = BEGIN,
                                .end = END,
                                .longest = LONGEST,
                                .beam = 200,
                                .length_power = k ? 1.5f : 0};
        int32_t symbol[ROWS * LONGEST], text[LONGEST];
        int length[ROWS];
        double l[ROWS];
        MUST(weft_decode(net, &batch, &how, symbol, length, l, &err));
        for (int b = 0; b < ROWS; b++) {
            Best best = {.score = -INFINITY};
            try_all(net, &r, &a, b, (double)how.length_power, text, 0, &best);
            cr_expect_eq(length[b], best.length, "row %d", b);
            for (int t = 0; t < best.length; t++)
                cr_expect_eq(symbol[b * LONGEST + t], best.text[t], "row %d", b);
            cr_expect(fabs(l[b] - best.log_probability) < 1e-4);
        }
    }
    rig_close(&r);
}

/* At temperature 1 each first symbol comes as often as its probability says. */
Test(decode, draws_by_probability)
{
    Rig r;
    Arrays a;
    decoder_rig(&r);
    WeftNet *const net = rig_start(&r, 1);
    sharpen(net, 3);
    const WeftBatch batch = source_of(&r, &a);
    enum { DRAWS = 2000 };
    int count[OUTPUTS] = {0};
    float p[OUTPUTS];
    for (uint64_t i = 0; i < DRAWS; i++) {
        const WeftDecode how = {
            .begin = BEGIN, .end = END, .longest = 1, .temperature = 1, .seed = i};
        int32_t symbol[ROWS];
        int length[ROWS];
        MUST(weft_decode(net, &batch, &how, symbol, length, NULL, &err));
        count[length[0] ? symbol[0] : END]++;
    }
    (void)follow(net, &r, &a, 0, NULL, 0, p);
    for (int j = 0; j < OUTPUTS; j++) {
        const double q = (double)p[j], deviation = sqrt(q * (1 - q) / DRAWS);
        cr_expect(fabs((double)count[j] / DRAWS - q) < 5 * deviation, "%d: %d of %g", j,
                  count[j], q * DRAWS);
    }
    rig_close(&r);
}

/* However near 0 it is: what is the most likely at each step. */
Test(decode, cold_draws_are_greedy)
{
    static const float temperature[] = {1e-3f, 1e-5f, 1e-40f};
    Rig r;
    Arrays a;
    decoder_rig(&r);
    WeftNet *const net = rig_start(&r, 1);
    const WeftBatch batch = source_of(&r, &a);
    WeftDecode how = {.begin = BEGIN, .end = END, .longest = LONGEST};
    int32_t greedy[ROWS * LONGEST], symbol[ROWS * LONGEST];
    int greedy_length[ROWS], length[ROWS];
    MUST(weft_decode(net, &batch, &how, greedy, greedy_length, NULL, &err));
    for (int i = 0; i < 3; i++) {
        how.temperature = temperature[i];
        MUST(weft_decode(net, &batch, &how, symbol, length, NULL, &err));
        cr_expect(memcmp(symbol, greedy, sizeof symbol) == 0, "temperature %g",
                  (double)temperature[i]);
        cr_expect(memcmp(length, greedy_length, sizeof length) == 0, "temperature %g",
                  (double)temperature[i]);
    }
    rig_close(&r);
}

Test(decode, what_cannot_be_is_refused)
{
    Rig r;
    Arrays a;
    decoder_rig(&r);
    WeftNet *const net = rig_start(&r, 1);
    WeftBatch batch = source_of(&r, &a);
    const WeftDecode good = {.begin = BEGIN, .end = END, .longest = LONGEST};
    int32_t symbol[ROWS * LONGEST];
    int length[ROWS];
#define REFUSES(change, part)                                                          \
    do {                                                                               \
        WeftDecode how = good;                                                         \
        change;                                                                        \
        FAILS(weft_decode(net, &batch, &how, symbol, length, NULL, &err), part);       \
    } while (0)
    REFUSES(how.begin = INPUTS, "begin 5");
    REFUSES(how.end = -1, "end -1");
    REFUSES(how.longest = 0, "longest 0");
    REFUSES(how.beam = -1, "beam -1");
    REFUSES((how.beam = 2, how.temperature = 1), "a beam of 1");
    REFUSES(how.temperature = INFINITY, "temperature inf");
    batch.source_steps = -1;
    REFUSES((void)0, "source_steps -1");
    batch.source_steps = S;
    batch.rows = 1 << 22;
    REFUSES(how.beam = 1024, "a beam of 1024");
    batch.rows = ROWS;
    batch.source_symbol = NULL;
    REFUSES((void)0, "source_symbol");
#undef REFUSES
    rig_close(&r);
}

/* ---- scheduled sampling ---- */

/* A net that says 3 whatever it reads. */
static void say_three(WeftNet *net)
{
    const char *name;
    int axes, shape[4];
    float *value;
    for (int i = 0; (value = weft_net_parameter(net, i, &name, &axes, shape)); i++)
        if (strcmp(name, "head.bias") == 0) value[3] = 100;
}

/* The next input is the label, as a decoder's is. */
static bool shifted_fill(void *context, uint64_t index, WeftBatch *b, WeftError *e)
{
    if (!drawn_fill(context, index, b, e)) return false;
    for (int i = b->rows; i < b->steps * b->rows; i++)
        b->symbol[i] = b->label[i - b->rows];
    return true;
}

Test(teacher, replaces_labels_as_often_as_the_schedule_says)
{
    Rig r;
    decoder_rig(&r);
    WeftNet *const net = rig_start(&r, 1);
    r.source.fill = shifted_fill;
    r.source.rows = 400;
    r.drawn.lengths = false;
    WeftTrain train = {.updates = 1, .rate = 1e-30f, .optimizer = WEFT_SGD};
    MUST(weft_train(net, &train, &r.source, NULL, NULL, &err));
    say_three(net);
    train.teacher_updates = 10;
    train.teacher_last = 0.25f;
    for (uint64_t done = 0; done <= 20; done += 5) {
        Teacher teacher = {0};
        const WeftBatch *const b = &net->training->batch;
        int replaced = 0, kept = 0, other = 0;
        MUST(batch_fill(net->training, &r.source, 0, &err));
        net->clock.updates = done;
        MUST(teacher_sample(&teacher, net, &train, &err));
        for (int i = b->rows; i < T * b->rows; i++) {
            const int32_t right = b->label[i - b->rows];
            if (right == 3) continue;
            replaced += b->symbol[i] == 3;
            kept += b->symbol[i] == right;
            other += b->symbol[i] != 3 && b->symbol[i] != right;
        }
        const double expected = done < 10 ? 0.75 * (double)done / 10 : 0.75;
        cr_expect_eq(other, 0);
        cr_expect(fabs((double)replaced / (replaced + kept) - expected) < 0.06,
                  "%d of %d", replaced, replaced + kept);
        teacher_close(&teacher);
    }
    rig_close(&r);
}

Test(teacher, what_cannot_be_is_refused)
{
    Rig r;
    decoder_rig(&r);
    WeftNet *const net = rig_start(&r, 1);
    WeftTrain train = {.updates = 1, .teacher_last = 0.5f};
    FAILS(weft_train(net, &train, &r.source, NULL, NULL, &err), "teacher_updates");
    train.teacher_updates = 5, train.teacher_last = 1.5f;
    FAILS(weft_train(net, &train, &r.source, NULL, NULL, &err), "teacher_last 1.5");
    rig_close(&r);
}

/* ---- what cannot be ---- */

Test(encoder, what_cannot_be_is_refused)
{
    WeftTeam *const team = rig_team(1);
    WeftNet *net;
    Rig r;
#define REFUSES(change, part)                                                          \
    rig_open(&r, &cases[7]);                                                           \
    change;                                                                            \
    FAILS(weft_net_open(team, &r.model, 1, &net, &err), part);                         \
    rig_close(&r)
    REFUSES(r.encoder.inputs = 0, "encoder: inputs 0");
    REFUSES(r.encoder.layer_count = -1, "encoder: -1 layers");
    REFUSES(r.encoder_layer[0].hidden = 0, "encoder: layer 0: hidden 0");
    REFUSES(r.layer[0].both = true, "layer 0");
    REFUSES(r.model.hand_over = 8, "hand-over 8");
    REFUSES(r.model.attention = (WeftAttention)9, "attention 9");
    REFUSES(r.model.attention = WEFT_DOT, "dot attention: the net's 4");
    REFUSES(r.model.attention_below = 3, "below 3 layers");
    REFUSES(r.encoder.layer_count = 0, "no layers to read");
    REFUSES((r.model.input = WEFT_SYMBOLS, r.model.hand_over = WEFT_FIRST), "symbols");
    REFUSES((r.model.attention = WEFT_NO_ATTENTION, r.encoder.layer_count = 0,
             r.encoder.input = WEFT_SYMBOLS),
            "embedding");
#undef REFUSES
    rig_open(&r, &cases[0]);
    net = rig_start(&r, 1);
    WeftTrain train = {.updates = 1, .chunk = 2};
    FAILS(weft_train(net, &train, &r.source, NULL, NULL, &err), "whole sequences");
    train.chunk = 0;
    r.source.source_steps = -1;
    FAILS(weft_train(net, &train, &r.source, NULL, NULL, &err), "-1 steps");
    r.source.source_steps = S;
    r.drawn.fresh_every = 2;
    train.updates = 2;
    FAILS(weft_train(net, &train, &r.source, NULL, NULL, &err), "always fresh");
    double norm[T];
    const WeftFlow flow = {0};
    FAILS(weft_gradient_flow(net, &flow, &r.source, 0, norm, &err), "encoder");
    rig_close(&r);
    weft_team_close(team);
}

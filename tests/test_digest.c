/* test_digest.c: the bits of ten updates are the same on every instruction set and
 * machine.
 *
 * The digests were written down once, on AVX2; scalar, AVX-512 and NEON reach them,
 * natively or under an emulator, an x86 without FMA too. A change of results changes
 * them: say so in the commit. */
#include "../core/weft.h"
#include "simd_data.h"

#include <inttypes.h>

enum { SYMBOLS = 11, STEPS = 12, ROWS = 3 };

/* What the four cells leave out: the other functions, and sums that take more than one
 * of their sixteen parts (dot, C' k, norm) and more than one block (z). Its gradients
 * are clipped. */
static const char every[] =
    "cell every\nsize head = 2\nsize d = hidden / head\n"
    "state h\nstate n [head][d]\nstate C [head][d][d]\n"
    "weight V, W [hidden][input]\nweight K [head][d][input]\nweight R [head][d][d]\n"
    "bias b, p = normal(1)\nbias z [300] = normal(1)\nscalar s = 0.5\n"
    "e = norm(W x + b * h)\n"
    "u = softplus(V x - h) - logsigmoid(p * h)\n"
    "v = min(relu(e), u) + max(p * h, e) - log(1 + exp(-abs(u)))\n"
    "k = drop(tanh(K x + R n), 0.1)\n"
    "C' = sigmoid(s) * C + outer(k, K x)\n"
    "n' = 0.5 * n + (C' k + C'^T k) / sqrt(1 + dot(n, k) * dot(n, k))\n"
    "h' = tanh(v + b * mean(z * z)) + sum(sum(n')) / hidden\n";

typedef struct Pin {
    const char *cell, *text; /* of a cell that is not built in */
    int hidden;
    uint64_t digest;
} Pin;

static const Pin pins[] = {
    {"rnn", NULL, 12, 0x1ce352e0e471ecf9},    {"lstm", NULL, 12, 0xa8fc5e18f13310e7},
    {"gru", NULL, 12, 0xd7e6f22803213185},    {"mlstm", NULL, 12, 0xbdde742d39275738},
    {"every", every, 48, 0x42f0860df65ad0ea},
};

/* Symbols that can be predicted: each is the last plus 1, 2 or 3. */
static bool fill(void *context, uint64_t index, WeftBatch *batch, WeftError *err)
{
    (void)context;
    (void)err;
    for (int b = 0; b < batch->rows; b++) {
        uint32_t at = weft_random_below(5, 1, index * ROWS + (uint64_t)b, SYMBOLS);
        for (int t = 0; t < batch->steps; t++) {
            const int i = t * batch->rows + b;
            const uint64_t draw = (index * STEPS + (uint64_t)t) * ROWS + (uint64_t)b;
            batch->symbol[i] = (int32_t)at;
            at = (at + 1 + weft_random_below(5, 2, draw, 3)) % SYMBOLS;
            batch->label[i] = (int32_t)at;
        }
    }
    return true;
}

static uint64_t train(const Pin *pin, const char *isa)
{
    WeftError err = {""};
    WeftTeam *team;
    WeftCell *cell;
    WeftNet *net;
    setenv("WEFT_ISA", isa, 1);
    cr_assert(weft_team_open(2, &team, &err), "%s", err.text);
    cr_assert(pin->text ? weft_cell_parse(pin->cell, pin->text, strlen(pin->text),
                                          &cell, &err)
                        : weft_cell_open(pin->cell, &cell, &err),
              "%s", err.text);
    const WeftLayer layers[] = {{.cell = cell, .hidden = pin->hidden},
                                {.cell = cell, .hidden = pin->hidden, .drop = 0.25f}};
    const WeftModel model = {.input = WEFT_SYMBOLS,
                             .inputs = SYMBOLS,
                             .layers = layers,
                             .layer_count = 2,
                             .outputs = SYMBOLS,
                             .loss = WEFT_SOFTMAX};
    const WeftSource source = {NULL, fill, STEPS, ROWS, 0, 0};
    const WeftTrain how = {.updates = 10,
                           .chunk = 4,
                           .optimizer = WEFT_ADAM,
                           .rate = 0.01f,
                           .clip_norm = 1,
                           .schedule = WEFT_COSINE,
                           .seed = 3};
    cr_assert(weft_net_open(team, &model, 1, &net, &err), "%s", err.text);
    cr_assert(weft_train(net, &how, &source, NULL, NULL, &err), "%s", err.text);
    cr_assert(weft_net_updates(net) == how.updates, "not finite");
    const uint64_t digest = weft_net_digest(net);
    weft_net_close(net);
    weft_cell_close(cell);
    weft_team_close(team);
    return digest;
}

Test(digest, ten_updates_have_the_bits_that_were_written_down, .init = expect_isa)
{
    for (size_t i = 0; i < sizeof pins / sizeof *pins; i++)
        for (int s = 0; isa_set(s); s++) {
            const uint64_t got = train(pins + i, isa_set(s)->isa);
            cr_expect(got == pins[i].digest,
                      "%s on %s: %016" PRIx64 ", not %016" PRIx64, pins[i].cell,
                      isa_set(s)->isa, got, pins[i].digest);
        }
}

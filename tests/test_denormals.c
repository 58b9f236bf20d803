/* test_denormals.c: what would fall below the least normal number is zero, and slows no
 * training. Without the flush Zen 5 takes 15 % longer here, which is too little to tell
 * from noise: there the numbers are the test. A core that leaves such numbers to its
 * microcode takes many times as long. */
#include "net_rig.h"
#include "simd_data.h"

#include <time.h>

enum { STEPS = 40, ROWS = 16, SIZE = 64, COUNT = STEPS * ROWS * SIZE, ROUNDS = 9 };

typedef enum Kind { USUAL, UNDERFLOWING, KINDS } Kind;

static const char *const cells[] = {"lstm", "gru"};

typedef struct Rig {
    WeftTeam *team;
    WeftCell *cell;
    WeftLayer layer;
    WeftModel model;
    WeftNet *net[KINDS];
    WeftSource source[KINDS];
    float x[KINDS][COUNT], target[KINDS][COUNT];
} Rig;

/* Products of inputs and weights, states that decay and gradients: all of them lie around
 * the least normal number, 1.2e-38. */
static void rig_draw(Rig *rig)
{
    for (int i = 0; i < COUNT; i++) {
        const float x = weft_random_normal(1, 1, (uint64_t)i);
        const float y = weft_random_normal(1, 2, (uint64_t)i);
        rig->x[USUAL][i] = x, rig->x[UNDERFLOWING][i] = x * 1e-37f;
        rig->target[USUAL][i] = y, rig->target[UNDERFLOWING][i] = y * 1e-33f;
    }
}

/* The only bias that is drawn: without it, outputs are as small as inputs. */
static void clear_bias(WeftNet *net)
{
    const char *name;
    float *w;
    for (int i = 0; (w = weft_net_parameter(net, i, &name, NULL, NULL)); i++)
        if (strcmp(name, "head.bias") == 0) memset(w, 0, SIZE * sizeof *w);
}

static Rig *rig_open(const char *cell)
{
    static Rig rig;
    rig_draw(&rig);
    rig.team = rig_team(1);
    MUST(weft_cell_open(cell, &rig.cell, &err));
    rig.layer = (WeftLayer){.cell = rig.cell, .hidden = SIZE};
    rig.model = (WeftModel){.inputs = SIZE,
                            .layers = &rig.layer,
                            .layer_count = 1,
                            .outputs = SIZE,
                            .loss = WEFT_SQUARE};
    for (int kind = 0; kind < KINDS; kind++) {
        const WeftArrays data = {.count = ROWS,
                                 .steps = STEPS,
                                 .inputs = SIZE,
                                 .outputs = SIZE,
                                 .x = rig.x[kind],
                                 .target = rig.target[kind]};
        MUST(weft_net_open(rig.team, &rig.model, 1, &rig.net[kind], &err));
        clear_bias(rig.net[kind]);
        MUST(weft_source_arrays(&data, ROWS, &rig.source[kind], &err));
    }
    return &rig;
}

static void rig_close(Rig *rig)
{
    for (int kind = 0; kind < KINDS; kind++) {
        weft_source_close(&rig->source[kind]);
        weft_net_close(rig->net[kind]);
    }
    weft_cell_close(rig->cell);
    weft_team_close(rig->team);
}

/* Some more updates. */
static void train(Rig *rig, Kind kind)
{
    WeftNet *const net = rig->net[kind];
    const WeftTrain how = {.updates = weft_net_updates(net) + 5, .rate = 0.1f};
    MUST(weft_train(net, &how, &rig->source[kind], NULL, NULL, &err));
}

static int subnormals(size_t n, const float *y)
{
    int count = 0;
    for (size_t i = 0; i < n; i++) count += fpclassify(y[i]) == FP_SUBNORMAL;
    return count;
}

static void check_numbers(const char *cell)
{
    static float out[COUNT];
    Rig *const rig = rig_open(cell);
    WeftNet *const net = rig->net[UNDERFLOWING];
    const WeftBatch batch = {
        .steps = STEPS, .rows = ROWS, .x = rig->x[UNDERFLOWING], .fresh = true};
    train(rig, UNDERFLOWING);
    MUST(weft_predict(net, &batch, out, &err));
    cr_expect(subnormals(COUNT, out) == 0, "%s on %s: outputs", cell, weft_isa());

    const char *name;
    int axes, size[4];
    float *w;
    for (int i = 0; (w = weft_net_parameter(net, i, &name, &axes, size)); i++) {
        size_t n = 1;
        for (int axis = 0; axis < axes; axis++) n *= (size_t)size[axis];
        cr_expect(subnormals(n, w) == 0 &&
                      subnormals(n, weft_net_gradient(net, i)) == 0,
                  "%s on %s: %s or its gradient", cell, weft_isa(), name);
    }
    rig_close(rig);
}

Test(denormals, are_zeros_in_outputs_gradients_and_parameters)
{
    for (int s = 0; isa_set(s); s++) {
        setenv("WEFT_ISA", isa_set(s)->isa, 1);
        for (size_t i = 0; i < sizeof cells / sizeof *cells; i++)
            check_numbers(cells[i]);
    }
}

static double seconds(void) /* of this process, whatever others do meanwhile */
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void check_speed(const char *cell)
{
    Rig *const rig = rig_open(cell);
    double least[KINDS] = {INFINITY, INFINITY};
    for (int i = 0; i < ROUNDS * KINDS; i++) {
        const Kind kind = (Kind)(i % KINDS);
        const double start = seconds();
        train(rig, kind);
        const double taken = seconds() - start;
        if (taken < least[kind]) least[kind] = taken;
    }
    cr_expect(least[UNDERFLOWING] < 1.5 * least[USUAL], "%s: %g s, usually %g s", cell,
              least[UNDERFLOWING], least[USUAL]);
    rig_close(rig);
}

Test(denormals, slow_no_training)
{
    if (small()) cr_skip_test("time in an emulator says nothing");
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) check_speed(cells[i]);
}

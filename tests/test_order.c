/* test_order.c: who runs a tile, when, and how long each takes never changes a bit: random
 * nets on more threads than there are cores, with random delays, have the digest of one
 * thread that takes the tiles in order. */
#include "../core/team/team.h"
#include "net_rig.h"

#include <sched.h>
#include <time.h>

enum { NETS = 48, LAYERS = 3, THREADS = 16, UPDATES = 3 };

/* ---- delays ---- */

/* Draws of a worker: on a line of its own, as what watches must make no order. */
typedef struct Draws {
    _Alignas(ARENA_ALIGN) uint64_t count;
} Draws;

typedef struct Delays {
    uint64_t seed;
    Draws worker[THREADS];
} Delays;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* One tile in four: late, or put off its core, or asleep. */
static void delay(void *context, const Tile *tile, int worker)
{
    Delays *const d = context;
    const uint64_t draw = d->worker[worker].count++;
    const uint32_t bits = random_bits(d->seed, (uint64_t)worker, draw);
    const long microseconds = bits >> 8 & 63;
    const double end = now() + 1e-6 * (double)microseconds;
    (void)tile;
    switch (bits & 15) {
    case 0:
    case 1:
        while (now() < end) continue;
        break;
    case 2: sched_yield(); break;
    case 3: nanosleep(&(struct timespec){.tv_nsec = 1000 * microseconds}, NULL); break;
    default: break;
    }
}

/* ---- random nets ---- */

typedef struct Random {
    WeftCell *cell[LAYERS];
    WeftLayer layer[LAYERS];
    WeftModel model;
    Drawn drawn;
    WeftTrain train;
    int steps, rows;
} Random;

static int draw(uint64_t net, uint64_t what, int least, int most)
{
    return least + (int)weft_random_below(net, 7, what, (uint32_t)(most - least + 1));
}

static void draw_layers(Random *r, uint64_t net)
{
    /* slstm divides by a state that is 0 until a row begins: it runs forward only. */
    static const char *const cells[] = {"slstm",  "rnn",    "lstm", "gru",
                                        "gru_v1", "mingru", "mlstm"};
    for (int l = 0; l < r->model.layer_count; l++) {
        const uint64_t at = 100 + 10 * (uint64_t)l;
        const int cell = draw(net, at, 0, 6);
        MUST(weft_cell_open(cells[cell], &r->cell[l], &err));
        r->layer[l] =
            (WeftLayer){.cell = r->cell[l],
                        .hidden = 4 * draw(net, at + 1, 1, 6), /* they have 4 heads */
                        .both = cell > 0 && draw(net, at + 2, 0, 2) == 0};
        if (draw(net, at + 3, 0, 1) && (l > 0 || r->model.input != WEFT_SYMBOLS))
            r->layer[l].drop = 0.2f;
    }
}

static void random_open(Random *r, uint64_t net)
{
    *r = (Random){.steps = draw(net, 0, 1, 24), .rows = draw(net, 1, 1, 21)};
    r->model = (WeftModel){.input = (WeftInput)draw(net, 2, 0, 2),
                           .inputs = draw(net, 3, 2, 19),
                           .embedding = draw(net, 4, 1, 9),
                           .layers = r->layer,
                           .layer_count = draw(net, 5, 1, LAYERS),
                           .outputs = draw(net, 6, 2, 19),
                           .loss = (WeftLoss)draw(net, 7, 0, 2),
                           .drop = draw(net, 8, 0, 1) ? 0.3f : 0,
                           .vector = draw(net, 9, 0, 3) == 0};
    draw_layers(r, net);
    r->drawn = (Drawn){&r->model, net, draw(net, 10, 0, 1), draw(net, 11, 0, 1),
                       draw(net, 12, 0, 2)};
    r->train = (WeftTrain){.updates = UPDATES,
                           .chunk = draw(net, 13, 1, 9),
                           .chunks_per_update = draw(net, 14, 0, 4),
                           .optimizer = (WeftOptimizer)draw(net, 15, 0, 3),
                           .rate = 0.01f,
                           .clip_norm = draw(net, 16, 0, 1) ? 0.5f : 0};
    if (draw(net, 17, 0, 3) == 0) r->train.back = r->train.chunk + draw(net, 18, 1, 7);
}

static void random_close(Random *r)
{
    for (int l = 0; l < r->model.layer_count; l++) weft_cell_close(r->cell[l]);
}

static uint64_t digest(Random *r, int threads, WeftSplit split, Delays *delays)
{
    Watch watch = {.begin = delay, .end = delay, .context = delays};
    const WeftSource source = drawn_source(&r->drawn, r->steps, r->rows);
    WeftTeam *const team = rig_team(threads);
    WeftNet *net;
    WeftProgress last = {0};
    MUST(weft_team_split(team, split, 0, &err));
    if (delays) team_watch(team, &watch);
    MUST(weft_net_open(team, &r->model, 1, &net, &err));
    MUST(weft_train(net, &r->train, &source, keep_report, &last, &err));
    cr_expect(last.finite);
    const uint64_t d = weft_net_digest(net);
    weft_net_close(net);
    if (delays) team_unwatch(team, &watch);
    weft_team_close(team);
    return d;
}

Test(order, delays_and_threads_change_no_bit)
{
    static Delays delays;
    for (uint64_t net = 0; net < NETS; net++) {
        Random r;
        random_open(&r, net);
        const uint64_t once = digest(&r, 1, WEFT_SPLIT_AUTO, NULL);
        for (int i = 0; i < 3; i++) {
            delays.seed = 3 * net + (uint64_t)i;
            const int threads = 1 + (int)(delays.seed % THREADS);
            const WeftSplit split = (WeftSplit)draw(net, 200 + (uint64_t)i, 0, 4);
            cr_expect(digest(&r, threads, split, &delays) == once,
                      "net %d on %d threads, split %d", (int)net, threads, (int)split);
        }
        random_close(&r);
    }
}

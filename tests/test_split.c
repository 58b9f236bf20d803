/* test_split.c: how an update is shared out among threads, by force or by choice, in much
 * memory or little, is as asked for and changes no bit. */
#include "../core/net/schedule.h"
#include "lost_core.h"
#include "net_rig.h"

enum { LAYERS = 2, STEPS = 24, ROWS = 12, CHUNK = 4 };

static const PassShape whole = {.purpose = PURPOSE_TRAIN,
                                .T = STEPS,
                                .B = ROWS,
                                .chunk = CHUNK,
                                .windows = STEPS / CHUNK};

/* ---- a net of two layers, the second in both directions ---- */

typedef struct Rig {
    WeftCell *cell;
    WeftLayer layer[LAYERS];
    WeftModel model;
    Drawn drawn;
    WeftTrain train;
} Rig;

static void rig_open(Rig *r, const char *cell)
{
    *r = (Rig){.cell = rig_cell(cell)};
    r->layer[0] = (WeftLayer){.cell = r->cell, .hidden = 40};
    r->layer[1] =
        (WeftLayer){.cell = r->cell, .hidden = 33, .both = true, .drop = 0.2f};
    r->model = (WeftModel){.inputs = 7,
                           .layers = r->layer,
                           .layer_count = LAYERS,
                           .outputs = 3,
                           .loss = WEFT_SOFTMAX};
    r->drawn = (Drawn){.model = &r->model, .seed = 5, .lengths = true};
    r->train = (WeftTrain){.updates = 3, .chunk = CHUNK, .optimizer = WEFT_ADAM};
}

static WeftNet *net_of(Rig *r, WeftTeam *team)
{
    WeftNet *net;
    MUST(weft_net_open(team, &r->model, 1, &net, &err));
    return net;
}

static bool train(Rig *r, WeftNet *net, WeftError *err)
{
    const WeftSource source = drawn_source(&r->drawn, STEPS, ROWS);
    return weft_train(net, &r->train, &source, NULL, NULL, err);
}

/* The digest of a training; the split it had. */
static uint64_t digest(Rig *r, int threads, WeftSplit split, size_t memory, Split *had)
{
    WeftTeam *const team = rig_team(threads);
    MUST(weft_team_split(team, split, memory, &err));
    WeftNet *const net = net_of(r, team);
    MUST(train(r, net, &err));
    if (had) *had = net->training->split;
    const uint64_t d = weft_net_digest(net);
    weft_net_close(net);
    weft_team_close(team);
    return d;
}

/* No state goes into the next one, which is known before the loop over time. */
static const char *const stateless_text =
    "cell stateless\nstate h\nweight W, V [hidden][input]\noutput y\n"
    "y = h * (V x)\nh' = W x\n";
/* A matrix that begins two states and multiplies: its gradients have unlike rows. */
static const char *const starts_text =
    "cell starts\nsize k = 8\nstate C, D [k][k] = S\nbias S [k][k] = normal(0.1)\n"
    "weight W [k][input]\noutput y\nv = W x\n"
    "C' = 0.5 * C + outer(v, v)\nD' = 0.5 * D + outer(S v, v)\ny = C' v + D' v + S v\n";

Test(split, no_split_changes_a_bit)
{
    const char *const cells[] = {rnn_text, gru_text, stateless_text, starts_text};
    static const int threads[] = {2, 3, 7};
    for (int c = 0; c < 4; c++) {
        Rig r;
        rig_open(&r, cells[c]);
        const uint64_t once = digest(&r, 1, WEFT_SPLIT_AUTO, 0, NULL);
        for (int s = WEFT_SPLIT_AUTO; s <= WEFT_SPLIT_LAYERS; s++)
            for (int t = 0; t < 3; t++)
                cr_expect(digest(&r, threads[t], (WeftSplit)s, 0, NULL) == once,
                          "cell %d, split %d on %d threads", c, s, threads[t]);
        weft_cell_close(r.cell);
    }
}

/* Every mixture of counts; gangs as wide as there are threads, where these have cores. */
Test(split, no_mixture_changes_a_bit)
{
    const char *const cells[] = {gru_text, stateless_text};
    for (int c = 0; c < 2; c++) {
        Rig r;
        rig_open(&r, cells[c]);
        const uint64_t once = digest(&r, 1, WEFT_SPLIT_AUTO, 0, NULL);
        for (int i = 0; i < 36; i++) {
            const Split split = {.rows = 1 + i % 2,
                                 .units = 1 + i / 2 % 2,
                                 .parts = 1 + i % 5,
                                 .slots = 1 + i / 4 % 3,
                                 .ahead = i / 12};
            WeftTeam *const team = rig_team(2);
            WeftNet *const net = net_of(&r, team);
            MUST(pass_open(net, &whole, &split, &net->training, &err));
            MUST(train(&r, net, &err));
            cr_expect(net->training->split.units == split.units);
            cr_expect(weft_net_digest(net) == once, "cell %d: %s", c,
                      weft_net_split(net));
            weft_net_close(net);
            weft_team_close(team);
        }
        weft_cell_close(r.cell);
    }
}

/* A thread that lost its core twice rests, and the other has all rows at once. */
Test(split, one_thread_of_two_runs_the_tiles_of_one)
{
    WeftTeam *const all = rig_team(0);
    const int cores = weft_team_threads(all);
    weft_team_close(all);
    if (cores < 2) return;
    Rig r;
    rig_open(&r, gru_text);
    const uint64_t once = digest(&r, 1, WEFT_SPLIT_AUTO, 0, NULL);
    const Split split = {.rows = 2, .units = 2, .parts = 2, .slots = 2};
    WeftTeam *const team = rig_team(2);
    WeftNet *const net = net_of(&r, team);
    MUST(pass_open(net, &whole, &split, &net->training, &err));
    cr_expect(both_run(team, 1, 10) && both_run(team, 1, 10));
    MUST(train(&r, net, &err));
    TileList *const alone = net->training->list[0].of[ALONE];
    cr_assert(alone);
    int blocks = 0;
    for (int i = 0; i < tiles_count(alone); i++) {
        const Tile *const tile = tiles_get(alone, i);
        if (tile->name && strcmp(tile->name, "forward") == 0)
            blocks += tile->index == 0 && tile->layer == 0;
    }
    cr_expect_eq(blocks, 1);
    cr_expect(weft_net_digest(net) == once);
    weft_net_close(net);
    weft_team_close(team);
    weft_cell_close(r.cell);
}

Test(split, is_as_it_is_forced)
{
    Rig r;
    Split s;
    rig_open(&r, rnn_text);
    digest(&r, 2, WEFT_SPLIT_ROWS, 0, &s);
    cr_expect(s.rows == 2 && s.units == 1 && s.slots == 1);
    digest(&r, 2, WEFT_SPLIT_UNITS, 0, &s);
    cr_expect(s.rows == 1 && s.slots == 1);
    digest(&r, 2, WEFT_SPLIT_CHUNKS, 0, &s);
    cr_expect(s.rows == 1 && s.units == 1 && s.slots > 1);
    digest(&r, 2, WEFT_SPLIT_LAYERS, 0, &s);
    cr_expect(s.rows == 1 && s.units == 1 && s.slots == 2);
    weft_cell_close(r.cell);
}

Test(split, memory_limits_the_chunks_in_flight)
{
    Rig r;
    Split s;
    rig_open(&r, rnn_text);
    WeftTeam *const team = rig_team(2);
    WeftNet *const net = net_of(&r, team);
    Choice one;
    MUST(schedule_try(net, &whole, whole.windows, team_terms(team),
                      &(Split){1, 1, 2, 1, 0}, &one, &err));
    const uint64_t many = digest(&r, 2, WEFT_SPLIT_CHUNKS, 0, &s);
    cr_expect(s.slots > 1, "%d", s.slots);
    const uint64_t few = digest(&r, 2, WEFT_SPLIT_CHUNKS, one.bytes, &s);
    cr_expect(s.slots == 1, "%d", s.slots);
    cr_expect(few == many);
    MUST(weft_team_split(team, WEFT_SPLIT_AUTO, one.bytes / 4, &err));
    FAILS(train(&r, net, &err), "MiB of memory");
    weft_net_close(net);
    weft_team_close(team);
    weft_cell_close(r.cell);
}

/* ---- plans ---- */

static const char server[] = "package:1 l3:8 core:8 pu:1";
static const char zen3[] = SOURCE_DIR "/bench/machines/zen3.rates";

/* What is written, or the message. */
static bool written(const WeftPlan *plan, WeftSplit split, char text[8192],
                    WeftError *why)
{
    WeftTeam *const team = rig_team(1);
    Rig r;
    rig_open(&r, gru_text);
    WeftNet *const net = net_of(&r, team);
    FILE *const out = tmpfile();
    MUST(weft_team_split(team, split, 0, &err));
    WeftPlan asked = *plan;
    if (!asked.train) asked.train = &r.train;
    const bool done = weft_net_plan(net, &asked, out, why);
    rewind(out);
    text[fread(text, 1, 8191, out)] = 0;
    fclose(out);
    weft_net_close(net);
    weft_team_close(team);
    weft_cell_close(r.cell);
    return done;
}

/* The column of the row that begins with a name. */
static double cell_at(const char *text, const char *name, int column)
{
    char line[32];
    snprintf(line, sizeof line, "\n%s ", name);
    const char *at = strstr(text, line);
    cr_assert(at, "no row %s in\n%s", name, text);
    double value = 0;
    int used;
    at += strlen(line);
    for (int i = 0; i < column; i++, at += (size_t)used + strspn(at + used, " %"))
        cr_assert(sscanf(at, " %lf%n", &value, &used) == 1, "%s", at);
    return value;
}

enum { MS = 6, OF_PEAK = 8 };

Test(plan, auto_is_no_slower_than_any_way_alone)
{
    static const char *const ways[] = {"rows", "units", "chunks", "layers"};
    char text[8192];
    const WeftPlan plan = {STEPS, ROWS, NULL, server, 0, zen3, false, 0};
    MUST(written(&plan, WEFT_SPLIT_AUTO, text, &err));
    for (int i = 0; i < 4; i++)
        cr_expect(cell_at(text, "auto", MS) <= 1.011 * cell_at(text, ways[i], MS), "%s",
                  text);
    cr_expect(cell_at(text, "rows", 2) <= 1 && cell_at(text, "rows", 3) <= 1, "%s",
              text);
    cr_expect(strstr(text, "64 cores, 8 with an L3"), "%s", text);
}

Test(plan, a_forced_split_is_planned_alone)
{
    char text[8192];
    const WeftPlan plan = {STEPS, ROWS, NULL, server, 4, zen3, false, 0};
    MUST(written(&plan, WEFT_SPLIT_UNITS, text, &err));
    cr_expect(cell_at(text, "units", 2) > 1 && cell_at(text, "units", 1) <= 1, "%s",
              text);
    cr_expect_not(strstr(text, "\nauto"), "%s", text);
    cr_expect(strstr(text, "4 cores"), "%s", text);
}

/* More cores are never slower, and never beat their number. */
Test(plan, table_grows_with_the_cores)
{
    char text[8192];
    const WeftPlan plan = {STEPS, ROWS, NULL, server, 0, zen3, true, 0};
    MUST(written(&plan, WEFT_SPLIT_AUTO, text, &err));
    double before = cell_at(text, "1", MS);
    const double one = before;
    for (int cores = 2; cores <= 64; cores *= 2) {
        char name[16];
        snprintf(name, sizeof name, "%d", cores);
        const double ms = cell_at(text, name, MS);
        cr_expect(ms <= 1.011 * before && ms * cores >= 0.98 * one, "%s", text);
        before = ms;
    }
}

/* The issue of a published cost model: rows alone leave most of a server idle. */
Test(plan, mixture_uses_a_server_that_rows_cannot)
{
    WeftTeam *const team = rig_team(1);
    WeftCell *cell;
    MUST(weft_cell_open("lstm", &cell, &err));
    const WeftLayer layer = {.cell = cell, .hidden = 512};
    const WeftModel model = {
        .inputs = 512, .layers = &layer, .layer_count = 1, .outputs = 1};
    const WeftTrain train = {.chunk = 32};
    const WeftPlan plan = {256, 32, &train, server, 0, zen3, false, 0};
    WeftNet *net;
    MUST(weft_net_open(team, &model, 1, &net, &err));
    char text[8192];
    FILE *const out = tmpfile();
    MUST(weft_net_plan(net, &plan, out, &err));
    rewind(out);
    text[fread(text, 1, sizeof text - 1, out)] = 0;
    fclose(out);
    cr_expect(cell_at(text, "auto", OF_PEAK) >= 75, "%s", text);
    cr_expect(cell_at(text, "rows", OF_PEAK) <= 30, "%s", text);
    weft_net_close(net);
    weft_cell_close(cell);
    weft_team_close(team);
}

Test(plan, bad_plans_are_refused)
{
    char text[8192];
    WeftPlan plan = {STEPS, ROWS, NULL, "core:nothing", 0, zen3, false, 0};
    FAILS(written(&plan, WEFT_SPLIT_AUTO, text, &err), "core:nothing");
    plan.machine = server;
    plan.cores = 65;
    FAILS(written(&plan, WEFT_SPLIT_AUTO, text, &err), "0 (all) to the 64");
    plan.cores = 0;
    plan.rates = "/nowhere/x.rates";
    FAILS(written(&plan, WEFT_SPLIT_AUTO, text, &err), "/nowhere/x.rates");
    plan.rates = zen3;
    plan.steps = 0;
    FAILS(written(&plan, WEFT_SPLIT_AUTO, text, &err), "1 or more");
    FAILS(weft_net_plan(NULL, &plan, stdout, &err), "needs a net");
}

Test(split, what_cannot_be_is_refused)
{
    WeftTeam *const team = rig_team(1);
    FAILS(weft_team_split(NULL, WEFT_SPLIT_ROWS, 0, &err), "needs a team");
    FAILS(weft_team_split(team, (WeftSplit)9, 0, &err), "unknown split 9");
    weft_team_close(team);
}

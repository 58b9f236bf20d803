/* test_profile.c: the tables of a profile account for all of the threads' time. */
#include "net_rig.h"

#include "../core/team/counters.h"
#include "../core/team/team.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#define THREADS 2

/* ---- a profile, and what its tables say ---- */

static char text[8192];

static void read_tables(WeftTeam *team)
{
    FILE *const out = fmemopen(text, sizeof text, "w");
    cr_assert(out);
    MUST(weft_team_profile_end(team, out, &err));
    cr_assert_eq(fclose(out), 0);
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
        cr_expect_leq(strcspn(line, "\n"), 100, "%.120s", line);
}

typedef enum Part {
    PRODUCTS,
    ELEMENTWISE,
    UPDATE,
    WAITING,
    INPUT,
    OTHER,
    ALL,
    PARTS
} Part;

/* Of the row with this name. */
static void read_row(const char *name, double part[PARTS])
{
    const char *const row = strstr(text, name);
    cr_assert(row, "no %s in\n%s", name, text);
    cr_assert_eq(sscanf(row + strlen(name), "%lf%lf%lf%lf%lf%lf%lf", &part[0], &part[1],
                        &part[2], &part[3], &part[4], &part[5], &part[6]),
                 PARTS);
}

typedef struct Phase {
    unsigned long tiles;
    double seconds, share, products;
    char rate[16]; /* GFLOP/s, or "-" */
    double of_peak;
} Phase;

static Phase read_phase(const char *name)
{
    Phase p = {0};
    char begin[32];
    snprintf(begin, sizeof begin, "\n  %-13s", name);
    const char *const row = strstr(text, begin);
    cr_assert(row, "no %s in\n%s", name, text);
    cr_assert_geq(sscanf(row + strlen(begin), "%lu%lf%lf %%%lf %%%15s%lf", &p.tiles,
                         &p.seconds, &p.share, &p.products, p.rate, &p.of_peak),
                  5);
    return p;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- of a training ---- */

static double filling; /* seconds that sources took */

static bool fill_slowly(void *context, uint64_t index, WeftBatch *batch, WeftError *err)
{
    const double begin = now();
    nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    const bool filled = drawn_fill(context, index, batch, err);
    filling += now() - begin;
    return filled;
}

static uint64_t train(WeftTeam *team)
{
    WeftCell *const cell = rig_cell(gru_text);
    const WeftLayer layer[] = {{cell, 48, 0, 0}, {cell, 32, 0, 0}};
    const WeftModel model = {.input = WEFT_DENSE,
                             .inputs = 3,
                             .layers = layer,
                             .layer_count = 2,
                             .outputs = 2,
                             .loss = WEFT_SQUARE};
    Drawn drawn = {&model, 3, false, false, 2};
    WeftSource source = drawn_source(&drawn, 20, 16);
    source.fill = fill_slowly;
    const WeftTrain settings = {
        .updates = 30, .chunk = 10, .optimizer = WEFT_ADAM, .rate = 0.01f};
    WeftNet *net;
    WeftScore score;
    MUST(weft_net_open(team, &model, 1, &net, &err));
    MUST(weft_train(net, &settings, &source, NULL, NULL, &err));
    MUST(weft_evaluate(net, &source, 30, 2, &score, &err));
    const uint64_t digest = weft_net_digest(net);
    weft_net_close(net);
    weft_cell_close(cell);
    return digest;
}

Test(profile, its_parts_add_up_to_the_time_of_the_threads)
{
    WeftTeam *const team = rig_team(THREADS);
    const uint64_t plain = train(team);
    const double before = now();
    MUST(weft_team_profile(team, &err));
    const double begin = now();
    filling = 0;
    cr_expect_eq(train(team), plain, "a profile changes bits");
    const double least = now() - begin;
    read_tables(team);
    const double most = now() - before;
    weft_team_close(team);

    cr_expect(strstr(text, "profile: 30 updates and 2 batches scored"), "%s", text);
    const double round = 0.001 * PARTS;
    double all[PARTS], sum[PARTS] = {0};
    read_row("  all threads", all);
    for (int i = 0; i < THREADS; i++) {
        double part[PARTS], parts = 0;
        char name[32];
        snprintf(name, sizeof name, "  thread %d", i);
        read_row(name, part);
        for (int k = 0; k < ALL; k++) {
            cr_expect_geq(part[k], 0);
            parts += part[k];
        }
        for (int k = 0; k < PARTS; k++) sum[k] += part[k];
        cr_expect(fabs(parts - part[ALL]) <= 0.02 * part[ALL] + round);
        cr_expect(part[ALL] >= least - round && part[ALL] <= most + round);
    }
    for (int k = 0; k < PARTS; k++)
        cr_expect(fabs(sum[k] - all[k]) <= 0.02 * sum[k] + round);
    cr_expect(all[PRODUCTS] > 0 && all[ELEMENTWISE] > 0);
    cr_expect(all[INPUT] >= THREADS * filling - round &&
              all[INPUT] < 1.5 * THREADS * filling);

    static const char *const phases[] = {
        "pack",     "clear", "enter", "forward", "head",   "backward", "leave",
        "gradient", "loss",  "norm",  "rates",   "update", "score"};
    double shares = 100 * (all[WAITING] + all[INPUT] + all[OTHER]) / all[ALL];
    for (size_t i = 0; i < sizeof phases / sizeof *phases; i++)
        shares += read_phase(phases[i]).share;
    if (strstr(text, "\n  before ")) /* some splits have it */
        shares += read_phase("before").share;
    cr_expect(fabs(shares - 100) < 3, "%g %% in all\n%s", shares, text);
    cr_expect_eq(read_phase("rates").tiles, 30);
}

/* ---- of tiles whose time we know ---- */

#define DEPTH 64
#define TIMES 2000

typedef struct Work {
    float a[8 * DEPTH], b[64 * DEPTH], c[8 * 64];
} Work;

static void run_products(const Tile *tile, int worker)
{
    (void)worker;
    Work *const w = tile->context;
    const Gemm g = {.m = 8,
                    .n = simd->panel,
                    .k = DEPTH,
                    .a = w->a,
                    .a_row = DEPTH,
                    .a_col = 1,
                    .b = w->b,
                    .c = w->c,
                    .c_row = 64};
    for (int i = 0; i < TIMES; i++) simd->gemm(&g);
}

static void run_sleep(const Tile *tile, int worker)
{
    (void)tile, (void)worker;
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
}

Test(profile, tells_products_waiting_and_speed)
{
    static Work work;
    WeftTeam *const team = rig_team(THREADS), *other;
    const Kernels *const plain = simd;
    TileList *list;
    MUST(tiles_open(2, 1, &list, &err));
    cr_assert(simd->panel <= 64);
    (void)tiles_add(list, (Tile){.run = run_products,
                                 .name = "forward",
                                 .flops = 2.0 * 8 * simd->panel * DEPTH * TIMES,
                                 .context = &work});
    (void)tiles_add(list, (Tile){.run = run_sleep, .name = "update", .owner = 1});
    tiles_after(list, 1, 0);

    MUST(weft_team_profile(team, &err));
    MUST(weft_team_open(1, &other, &err)); /* which selects an instruction set anew */
    weft_team_close(other);
    team_run(team, list);
    read_tables(team);
    cr_expect_eq(simd, plain, "products are still timed");

    const Phase forward = read_phase("forward"), update = read_phase("update");
    cr_expect(forward.products > 50, "products: %g %%", forward.products);
    cr_expect(atof(forward.rate) > 0 && forward.of_peak > 0);
    cr_expect(strstr(text, "of peak: of the "));
    cr_expect(update.seconds >= 0.049 && update.products == 0);
    cr_expect_str_eq(update.rate, "-");
    double all[PARTS];
    read_row("  all threads", all);
    cr_expect(all[WAITING] >= 0.05 * (THREADS - 1) - 0.001, "%s", text);
    cr_expect(fabs(all[UPDATE] - update.seconds) < 0.002);
    tiles_close(list);
    weft_team_close(team);
}

Test(profile, there_is_one_at_a_time)
{
    WeftTeam *const team = rig_team(THREADS), *const other = rig_team(1);
    FAILS(weft_team_profile_end(team, stdout, &err), "with a profile");
    FAILS(weft_team_profile(NULL, &err), "needs a team");
    MUST(weft_team_profile(team, &err));
    FAILS(weft_team_profile(team, &err), "one at a time");
    FAILS(weft_team_profile(other, &err), "one at a time");
    weft_team_close(team); /* ends it */
    MUST(weft_team_profile(other, &err));
    MUST(weft_team_profile_end(other, NULL, &err));
    weft_team_close(other);
}

/* ---- counters of the processor ---- */

static const char *counters_text(const double count[][COUNTS], int error)
{
    FILE *const out = fmemopen(text, sizeof text, "w");
    cr_assert(out);
    counters_write(out, THREADS, count, error);
    cr_assert_eq(fclose(out), 0);
    return text;
}

Test(profile, counters_are_shown_where_there_are_any)
{
    static const double some[THREADS][COUNTS] = {{3e9, 6e9, 1e6}, {2e9, -1, -1}},
                        none[THREADS][COUNTS] = {{-1, -1, -1}, {-1, -1, -1}};
    const char *shown = counters_text(some, ENOENT);
    cr_expect(strstr(shown, "thread 0              3e+09         6e+09             2"),
              "%s", shown);
    cr_expect(strstr(shown, "thread 1              2e+09             -             -"),
              "%s", shown);
    cr_expect(strstr(counters_text(none, EACCES), "perf_event_paranoid is "));
    cr_expect(strstr(counters_text(none, ENOENT), "virtual machines"));
    cr_expect(strstr(counters_text(none, ENOSYS), strerror(ENOSYS)));
}

Test(profile, counters_count_or_say_why_not)
{
    Counters counters;
    double count[COUNTS];
    counters_open(&counters);
    volatile int sum = 0;
    for (int i = 0; i < 1000000; i++) sum += i & 3;
    counters_close(&counters, count);
    cr_assert_eq(sum, 1500000);
    if (count[COUNT_INSTRUCTIONS] < 0)
        cr_expect_neq(counters.error, 0);
    else
        cr_expect_geq(count[COUNT_INSTRUCTIONS], 1e6);
}

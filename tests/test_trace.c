/* test_trace.c: what is seen of a team's threads is what they did, and changes nothing. */
#include "folder.h"
#include "net_rig.h"

#include "../core/team/team.h"

#include <jansson.h>
#include <sys/stat.h>

#define THREADS    2
#define UPDATES    5
#define TILES_MOST 512

/* ---- a training of two layers, in a folder ---- */

#define IN_FOLDER .init = open_folder, .fini = close_folder

/* Two chunks an update, and one batch scored. */
static uint64_t train(WeftTeam *team)
{
    WeftCell *const cell = rig_cell(gru_text);
    const WeftLayer layer[] = {{cell, 24, 0, 0}, {cell, 16, 0, 0}};
    const WeftModel model = {.input = WEFT_DENSE,
                             .inputs = 3,
                             .layers = layer,
                             .layer_count = 2,
                             .outputs = 2,
                             .loss = WEFT_SQUARE};
    Drawn drawn = {&model, 3, false, false, 2};
    const WeftSource source = drawn_source(&drawn, 10, 8);
    const WeftTrain settings = {
        .updates = UPDATES, .chunk = 5, .optimizer = WEFT_ADAM, .rate = 0.01f};
    WeftNet *net;
    WeftScore score;
    MUST(weft_net_open(team, &model, 1, &net, &err));
    MUST(weft_train(net, &settings, &source, NULL, NULL, &err));
    MUST(weft_evaluate(net, &source, UPDATES, 1, &score, &err));
    const uint64_t digest = weft_net_digest(net);
    weft_net_close(net);
    weft_cell_close(cell);
    return digest;
}

static uint64_t plain_digest(void)
{
    WeftTeam *const team = rig_team(THREADS);
    const uint64_t digest = train(team);
    weft_team_close(team);
    return digest;
}

/* ---- the tiles that there were, from a watch of our own ---- */

typedef struct Seen {
    Watch watch;
    int runs, tiles[UPDATES + 1];
    const char *name[UPDATES + 1][TILES_MOST]; /* by run and number; NULL: a gate */
} Seen;

static void see_start(void *context, TileList *list)
{
    Seen *const seen = context;
    const int run = seen->runs++, tiles = tiles_count(list);
    cr_assert(run <= UPDATES && tiles <= TILES_MOST);
    seen->tiles[run] = tiles;
    for (int i = 0; i < tiles; i++) seen->name[run][i] = tiles_get(list, i)->name;
}

static void see_nothing(void *context, const Tile *tile, int worker)
{
    (void)context, (void)tile, (void)worker;
}

/* ---- what the file says ---- */

static json_t *events_of(json_t *file)
{
    json_t *const events = json_object_get(file, "traceEvents");
    cr_assert(json_is_array(events));
    cr_assert_eq(json_integer_value(
                     json_object_get(json_object_get(file, "otherData"), "left_out")),
                 0);
    return events;
}

static const char *text_of(const json_t *event, const char *key)
{
    const char *const text = json_string_value(json_object_get(event, key));
    cr_assert(text, "no %s", key);
    return text;
}

static double number_of(const json_t *event, const char *key)
{
    const json_t *const number = json_object_get(event, key);
    cr_assert(json_is_number(number), "no %s", key);
    return json_number_value(number);
}

static int arg_of(const json_t *event, const char *key)
{
    const json_t *const arg = json_object_get(json_object_get(event, "args"), key);
    return json_is_integer(arg) ? (int)json_integer_value(arg) : -1;
}

static bool is_event(const json_t *event)
{
    return strcmp(text_of(event, "ph"), "X") == 0;
}

static bool is_of(const json_t *event, const char *category)
{
    return is_event(event) && strcmp(text_of(event, "cat"), category) == 0;
}

/* A training with a trace, read back. */
static json_t *traced(Seen *seen)
{
    WeftTeam *const team = rig_team(THREADS);
    *seen = (Seen){.watch = {.start = see_start,
                             .begin = see_nothing,
                             .end = see_nothing,
                             .context = seen}};
    team_watch(team, &seen->watch);
    MUST(weft_team_trace(team, "t.json", &err));
    cr_expect_eq(train(team), plain_digest(), "a trace changes bits");
    team_unwatch(team, &seen->watch);
    weft_team_close(team); /* which writes the file */
    json_error_t wrong;
    json_t *const file = json_load_file("t.json", JSON_REJECT_DUPLICATES, &wrong);
    cr_assert(file, "line %d: %s", wrong.line, wrong.text);
    return file;
}

Test(trace, has_every_tile_of_every_update_once, IN_FOLDER)
{
    static Seen seen;
    static int times[UPDATES + 1][TILES_MOST];
    json_t *const file = traced(&seen), *event;
    size_t i;
    int inputs = 0;
    cr_assert_eq(seen.runs, UPDATES + 1);
    json_array_foreach(events_of(file), i, event)
    {
        const bool scored = is_of(event, "score");
        if (is_of(event, "serial") && strcmp(text_of(event, "name"), "input") == 0)
            inputs++;
        if (!scored && !is_of(event, "update")) continue;
        const int run = scored ? UPDATES : arg_of(event, "update") - 1;
        const int tile = arg_of(event, "tile");
        cr_assert(run >= 0 && run <= UPDATES && tile >= 0 && tile < seen.tiles[run]);
        cr_expect_str_eq(text_of(event, "name"), seen.name[run][tile]);
        times[run][tile]++;
    }
    for (int run = 0; run < seen.runs; run++)
        for (int tile = 0; tile < seen.tiles[run]; tile++)
            cr_expect_eq(times[run][tile], seen.name[run][tile] != NULL,
                         "run %d, tile %d: %d times", run, tile, times[run][tile]);
    cr_expect_eq(inputs, UPDATES + 1, "%d inputs", inputs);
    json_decref(file);
}

Test(trace, says_of_what_a_tile_is, IN_FOLDER)
{
    static Seen seen;
    json_t *const file = traced(&seen), *event;
    size_t i;
    int forwards[2][2] = {{0}}, rows[2][2] = {{0}}, updates = 0;
    json_array_foreach(events_of(file), i, event)
    {
        if (!is_of(event, "update") || arg_of(event, "update") != 1) continue;
        if (strcmp(text_of(event, "name"), "forward") == 0) {
            const int layer = arg_of(event, "layer"), chunk = arg_of(event, "chunk");
            cr_assert(0 <= layer && layer < 2 && 0 <= chunk && chunk < 2);
            forwards[layer][chunk]++;
            rows[layer][chunk] += arg_of(event, "end") - arg_of(event, "first");
        }
        if (strcmp(text_of(event, "name"), "update") == 0)
            updates += arg_of(event, "part") >= 0 && arg_of(event, "parts") == THREADS;
    }
    for (int layer = 0; layer < 2; layer++)
        for (int chunk = 0; chunk < 2; chunk++)
            cr_expect(forwards[layer][chunk] > 0 && rows[layer][chunk] == 8);
    cr_expect_eq(updates, THREADS);
    json_decref(file);
}

/* Microseconds, of three digits behind the point. */
#define TRACE_EPSILON 5e-4

Test(trace, a_thread_does_one_thing_at_a_time_and_waits_between, IN_FOLDER)
{
    static Seen seen;
    json_t *const file = traced(&seen), *event;
    size_t i;
    double at[THREADS] = {0}, span[THREADS][UPDATES] = {{0}};
    int named[THREADS] = {0};
    json_array_foreach(events_of(file), i, event)
    {
        const int thread = (int)number_of(event, "tid");
        cr_assert(0 <= thread && thread < THREADS);
        named[thread] += strcmp(text_of(event, "name"), "thread_name") == 0;
        if (!is_event(event)) continue;
        const double begin = number_of(event, "ts"), dur = number_of(event, "dur");
        cr_expect(dur >= 0 && begin > at[thread] - TRACE_EPSILON, "at %.3f", begin);
        at[thread] = begin + dur;
        if (arg_of(event, "update") > 0)
            span[thread][arg_of(event, "update") - 1] += dur;
    }
    for (int u = 0; u < UPDATES; u++) /* tiles and waits make up the update */
        cr_expect(fabs(span[0][u] - span[1][u]) < TILES_MOST * TRACE_EPSILON &&
                      span[0][u] > 0,
                  "update %d: %.3f and %.3f", u, span[0][u], span[1][u]);
    for (int t = 0; t < THREADS; t++) cr_expect_eq(named[t], 1);
    json_decref(file);
}

Test(trace, a_file_that_cannot_be_written_is_told, IN_FOLDER)
{
    WeftTeam *const team = rig_team(THREADS);
    cr_assert_eq(mkdir("here", 0700), 0);
    FAILS(weft_team_trace(team, "nowhere/t.json", &err), "nowhere/t.json");
    FAILS(weft_team_trace(team, "here", &err), "is a directory");
    FAILS(weft_team_trace(NULL, "t.json", &err), "needs a team");
    MUST(weft_team_trace(team, "t.json", &err));
    cr_expect_neq(access("t.json", F_OK), 0, "it is there before it is whole");
    MUST(weft_team_trace(team, NULL, &err));
    cr_expect_eq(access("t.json", F_OK), 0);
    MUST(weft_team_trace(team, NULL, &err)); /* nothing to end is no error */
    weft_team_close(team);
}

/* inspect.c: the verbs that look: cells, check, machine. */
#include "settings.h"
#include "verbs.h"

/* ---- cells ---- */

typedef struct Sizes {
    int input, hidden;
    uint64_t seed;
    char set[PAIRS_SIZE];
} Sizes;

#define FIELD(name) offsetof(Sizes, name)
// clang-format off
static const Option sizes_options[] = {
    {"input", "N", "width of x", &option_int, FIELD(input), 1, 1e6, NULL},
    {"hidden", "N", "hidden units", &option_int, FIELD(hidden), 1, 1e6, NULL},
    {"set", "NAME=X", "a size or const of the cell", &option_pairs, FIELD(set), 0, 0, NULL},
    {0},
};
static const Option check_options[] = {
    {"seed", "N", "of the points where it is checked", &option_count, FIELD(seed), 0, 9e18, NULL},
    {0},
};
// clang-format on
#undef FIELD

static bool set(void *cell, const char *name, double value, WeftError *err)
{
    return weft_cell_set(cell, name, value, err);
}

static bool sized_open(const char *name, const Sizes *sizes, WeftCell **cell,
                       WeftError *err)
{
    if (!cell_open(name, cell, err)) return false;
    if (pairs_each(sizes->set, set, *cell, err) && cell_set_named(*cell, name, err))
        return true;
    weft_cell_close(*cell);
    return false;
}

static Status cells_run(const Verb *verb, int argc, char **argv, WeftError *err)
{
    Sizes sizes = {.input = 128, .hidden = 256};
    const OptionGroup groups[] = {{"Options", sizes_options, &sizes}, {0}};
    Call call;
    if (!verb_call(verb, groups, argc, argv, &call, err)) return call.status;
    for (int i = 0; !call.words && weft_cell_name(i); i++)
        printf("%s\n", weft_cell_name(i));
    if (!call.words) return DONE;
    WeftCell *cell;
    if (!cell_name_good(call.word[0], err)) return BAD_CALL;
    if (!sized_open(call.word[0], &sizes, &cell, err)) return FAILED;
    const bool good = weft_cell_describe(cell, sizes.input, sizes.hidden, stdout, err);
    weft_cell_close(cell);
    return good ? DONE : FAILED;
}

static Status check_run(const Verb *verb, int argc, char **argv, WeftError *err)
{
    Sizes sizes = {.input = 3, .hidden = 8, .seed = 1};
    const OptionGroup groups[] = {
        {"Options", sizes_options, &sizes}, {NULL, check_options, &sizes}, {0}};
    Call call;
    if (!verb_call(verb, groups, argc, argv, &call, err)) return call.status;
    WeftCell *cell;
    if (!cell_name_good(call.word[0], err)) return BAD_CALL;
    if (!sized_open(call.word[0], &sizes, &cell, err)) return FAILED;
    const bool good =
        weft_cell_check(cell, sizes.input, sizes.hidden, sizes.seed, stdout, err);
    weft_cell_close(cell);
    return good ? DONE : FAILED;
}

/* ---- machine ---- */

typedef struct Measure {
    bool quick;
    const char *rates;
} Measure;

#define FIELD(name) offsetof(Measure, name)
// clang-format off
static const Option machine_options[] = {
    {"quick", NULL, "measure nothing", &option_switch, FIELD(quick), 0, 0, NULL},
    {"rates", "FILE", "measure instead what work costs here, and write it there", &option_text, FIELD(rates), 0, 0, NULL},
    {0},
};
// clang-format on
#undef FIELD

static bool rates_put(const char *path, WeftError *err)
{
    WeftTeam *team;
    if (!weft_team_open(0, &team, err)) return false;
    const bool good = weft_machine_rates(team, path, err);
    weft_team_close(team);
    if (good) printf("%-10s %s\n", "rates", path);
    return good;
}

static Status machine_run(const Verb *verb, int argc, char **argv, WeftError *err)
{
    Measure measure = {false, NULL};
    const OptionGroup groups[] = {{"Options", machine_options, &measure}, {0}};
    Call call;
    if (!verb_call(verb, groups, argc, argv, &call, err)) return call.status;
    if (measure.quick && measure.rates) {
        fail(err, "--quick measures nothing, and --rates does: one of them");
        return BAD_CALL;
    }
    const bool describe_only = measure.quick || measure.rates;
    if (!weft_machine_describe(stdout, !describe_only, err)) return FAILED;
    return !measure.rates || rates_put(measure.rates, err) ? DONE : FAILED;
}

const Verb cells_verb = {
    "cells",
    "[NAME|FILE.cell]",
    "list the built-in cells, or show one: equations, derived backward, costs",
    0,
    1,
    cells_run};
const Verb check_verb = {
    "check",
    "NAME|FILE.cell",
    "hold a cell's derived gradient to differences, and its program to the gradient",
    1,
    1,
    check_run};
const Verb machine_verb = {
    "machine", "", "show cores, caches and instruction set; measure peak and bandwidth",
    0,         0,  machine_run};

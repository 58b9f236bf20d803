/* observed.c: series that were observed, told one step ahead: a short memory suffices.
 *
 * From a window of steps the net tells the next value. Boardings of Chicago's rail are as
 * in Geron, Hands-On Machine Learning, 3rd edition, chapter 15: the days of 2016 to 2018
 * train, in millions, and his 95 windows from 2019-02-26 to 2019-05-31 are the test; the
 * days of 2019 before are validation. He stopped at the epoch that is best on the test: we
 * do not. Sunspots are yearly; carbon dioxide is the change from week to week. */
#include "data.h"
#include "linear.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct Observed Observed;

/* The windows of one part, as a source. */
typedef struct Windows {
    const Observed *observed;
    Range range; /* of the steps that are told; a window ends before its step */
} Windows;

struct Observed {
    int inputs, window, rows; /* rows: of a batch */
    size_t steps;
    float *x;               /* [steps][inputs]; input 0 is what is told */
    size_t start[PARTS];    /* what is told first; of training: with a window of 1 */
    double unit;            /* what 1 is, for scores */
    int season;             /* steps */
    const char *season_ago; /* a name */
    Windows part[PARTS];
};

/* ---- windows ---- */

static void window_fill(const Observed *observed, size_t end, WeftBatch *batch, int row)
{
    const size_t window = (size_t)observed->window, inputs = (size_t)observed->inputs;
    for (size_t t = 0; t < window; t++)
        memcpy(batch->x + (t * (size_t)batch->rows + (size_t)row) * inputs,
               observed->x + (end - window + t) * inputs, inputs * sizeof *batch->x);
    batch->target[row] = observed->x[end * inputs];
}

static bool fill(void *context, uint64_t index, WeftBatch *batch, WeftError *err)
{
    enum { WINDOW = 0x6f627376 }; /* stream */
    (void)err;
    const Windows *windows = context;
    for (int row = 0; row < batch->rows; row++)
        window_fill(windows->observed,
                    range_item(&windows->range, WINDOW, batch, index, row), batch, row);
    return true;
}

static WeftSource source_of(Windows *windows)
{
    return (WeftSource){.context = windows,
                        .fill = fill,
                        .steps = windows->observed->window,
                        .rows = windows->observed->rows};
}

/* ---- scores, in the unit of the series ---- */

typedef struct Scored {
    Windows windows; /* in order */
    WeftSource source;
    Forecasts all;
} Scored;

static void scored_open(Scored *scored, const Data *data, Part part, int percent)
{
    const Observed *observed = data->own;
    scored->windows = observed->part[part];
    scored->windows.range.shuffle = false;
    const uint64_t rows = (uint64_t)observed->rows;
    const uint64_t batches = (scored->windows.range.count + rows - 1) / rows;
    scored->source = source_of(&scored->windows);
    scored->all =
        (Forecasts){&data->shape, &scored->source, percent_of(batches, percent)};
}

static bool evaluate(Data *data, WeftNet *net, Part part, int percent, WeftScore *score,
                     WeftError *err)
{
    Scored scored;
    scored_open(&scored, data, part, percent);
    if (!net_score(net, scored.all, score, err)) return false;
    score->accuracy *= ((const Observed *)data->own)->unit;
    return true;
}

static void tell(const Data *data, const WeftScore *score, char text[256])
{
    (void)data;
    snprintf(text, 256, "%.6g mse over %.0f windows (mean absolute error %.6g)",
             score->loss, score->targets, score->accuracy);
}

static bool baseline(Data *data, Part part, int index, char name[BASELINE_SIZE],
                     WeftScore *score, WeftError *err)
{
    const Observed *observed = data->own;
    const char *const names[] = {observed->season_ago, "linear", ""};
    snprintf(name, BASELINE_SIZE, "%s", names[index]);
    if (!*name) return true;
    Scored train, test;
    scored_open(&train, data, TRAINING, 100);
    scored_open(&test, data, part, 100);
    if (!(index ? linear_score(train.all, test.all, score, err)
                : past_value_score(test.all, observed->season, score, err)))
        return false;
    score->accuracy *= observed->unit;
    return true;
}

/* ---- Chicago's rail ---- */

typedef struct Day {
    long date; /* from 1970 on */
    size_t row;
} Day;

static int earlier(const void *a, const void *b)
{
    const Day *p = a, *q = b;
    if (p->date != q->date) return p->date < q->date ? -1 : 1;
    return (p->row > q->row) - (p->row < q->row);
}

static bool date_read(const char *text, long *date)
{
    struct tm tm = {0};
    const char *end = strptime(text, "%m/%d/%Y", &tm);
    *date = (long)(timegm(&tm) / 86400);
    return end && !*end;
}

static long date_of(const char *text)
{
    long date;
    date_read(text, &date);
    return date;
}

typedef struct Rail {
    const char *path;
    WeftTable *table;
    int date, type; /* columns */
    const double *rail, *bus;
    Day *day; /* [days], sorted, each once */
    size_t days;
} Rail;

static const double *numbers(WeftTable *table, const char *name, WeftError *err)
{
    const int column = weft_table_find(table, name, err);
    return column < 0 ? NULL : weft_table_values(table, column, err);
}

static bool rail_columns(Rail *rail, WeftError *err)
{
    return weft_table_open(rail->path, &rail->table, err) &&
           (rail->date = weft_table_find(rail->table, "service_date", err)) >= 0 &&
           (rail->type = weft_table_find(rail->table, "day_type", err)) >= 0 &&
           (rail->rail = numbers(rail->table, "rail_boardings", err)) &&
           (rail->bus = numbers(rail->table, "bus", err));
}

static const char *rail_text(const Rail *rail, const Day *day, int column)
{
    return weft_table_text(rail->table, day->row, column);
}

/* The file has days twice; the numbers must be the same. */
static bool rail_once(Rail *rail, WeftError *err)
{
    size_t kept = 0;
    for (size_t i = 0; i < rail->days; i++) {
        const Day *const day = &rail->day[i], *const before =
                                                  &rail->day[kept - (kept > 0)];
        if (!kept || day->date != before->date) {
            rail->day[kept++] = *day;
            continue;
        }
        if (rail->rail[day->row] != rail->rail[before->row] ||
            rail->bus[day->row] != rail->bus[before->row])
            return fail(err, "%s: the day %s is there twice, with other numbers",
                        rail->path, rail_text(rail, day, rail->date));
    }
    rail->days = kept;
    return true;
}

static bool rail_days(Rail *rail, WeftError *err)
{
    rail->days = weft_table_rows(rail->table);
    rail->day = calloc(rail->days, sizeof *rail->day);
    if (!rail->day) return fail(err, "out of memory");
    for (size_t i = 0; i < rail->days; i++) {
        Day *const day = &rail->day[i];
        day->row = i;
        const char *text = rail_text(rail, day, rail->date);
        if (!date_read(text, &day->date))
            return fail(err, "%s: \"%.20s\" is no day like 12/31/2018", rail->path,
                        text);
    }
    qsort(rail->day, rail->days, sizeof *rail->day, earlier);
    return rail_once(rail, err);
}

static const char kinds[] = "AUW"; /* Saturday; Sunday and holiday; else */
#define INPUTS 5                   /* rail, bus, and the kind of the next day */

static bool rail_missing(const Rail *rail, long date, WeftError *err)
{
    const time_t seconds = (time_t)date * 86400;
    char text[32];
    strftime(text, sizeof text, "%Y-%m-%d", gmtime(&seconds));
    return fail(err, "%s: the day %s is missing", rail->path, text);
}

/* Days from .. to-1 into x [to - from][inputs]. */
static bool rail_fill(const Rail *rail, long from, long to, int inputs, float *x,
                      WeftError *err)
{
    size_t i = 0;
    while (i < rail->days && rail->day[i].date < from) i++;
    for (long date = from; date < to; date++, i++) {
        const Day *const day = &rail->day[i];
        if (i == rail->days || day->date != date) return rail_missing(rail, date, err);
        float *const at = x + (date - from) * inputs;
        at[0] = (float)(rail->rail[day->row] / 1e6);
        if (inputs == 1) continue;
        at[1] = (float)(rail->bus[day->row] / 1e6);
        const char *kind = rail_text(rail, day, rail->type), *found = NULL;
        if (strlen(kind) != 1 || !(found = strchr(kinds, *kind)))
            return fail(err, "%s: day_type \"%.20s\": expected A, U or W", rail->path,
                        kind);
        if (date > from) at[2 + (found - kinds) - inputs] = 1; /* the day before */
    }
    return true;
}

static bool rail_series(Rail *rail, Observed *observed, WeftError *err)
{
    const long from = date_of("01/01/2016"), to = date_of("06/01/2019");
    if (!rail_columns(rail, err) || !rail_days(rail, err)) return false;
    observed->steps = (size_t)(to - from);
    observed->x = calloc(observed->steps * INPUTS, sizeof *observed->x);
    observed->start[TRAINING] = 1;
    observed->start[VALIDATION] = (size_t)(date_of("01/01/2019") - from);
    observed->start[TEST] = (size_t)(date_of("02/26/2019") - from);
    observed->unit = 1e6;
    observed->season = 7;
    observed->season_ago = "a week before";
    if (!observed->x) return fail(err, "out of memory");
    return rail_fill(rail, from, to, observed->inputs, observed->x, err);
}

static bool rail_read(const char *path, Observed *observed, WeftError *err)
{
    Rail rail = {.path = path};
    const bool good = rail_series(&rail, observed, err);
    free(rail.day);
    weft_table_close(rail.table);
    return good;
}

/* ---- sunspots, carbon dioxide ---- */

/* 70 percent of the steps train, 10 are validation. */
static bool share_out(Observed *observed, const char *path, size_t steps, int season,
                      WeftError *err)
{
    observed->season = season;
    observed->steps = steps;
    observed->start[TRAINING] = 1;
    observed->start[VALIDATION] = steps * 70 / 100;
    observed->start[TEST] = steps * 80 / 100;
    if (observed->start[VALIDATION] <= (size_t)season)
        return fail(err, "%s: %zu steps are too few", path, steps);
    observed->x = calloc(steps, sizeof *observed->x);
    return observed->x || fail(err, "out of memory");
}

static bool sunspots_read(const char *path, Observed *observed, WeftError *err)
{
    WeftTable *table = NULL;
    const double *spots = NULL;
    const bool good = weft_table_open(path, &table, err) &&
                      (spots = numbers(table, "SUNACTIVITY", err)) &&
                      share_out(observed, path, weft_table_rows(table), 1, err);
    for (size_t i = 0; good && i < observed->steps; i++)
        observed->x[i] = (float)(spots[i] / 100);
    weft_table_close(table);
    observed->unit = 100;
    observed->season_ago = "last value";
    return good;
}

/* A week without a number lies on the line between its neighbours. */
static bool gaps_fill(const char *path, double *value, size_t count, WeftError *err)
{
    size_t last = 0;
    if (isnan(value[0]) || isnan(value[count - 1]))
        return fail(err, "%s: the first or last week has no number", path);
    for (size_t i = 1; i < count; i++) {
        if (isnan(value[i])) continue;
        for (size_t g = last + 1; g < i; g++)
            value[g] = value[last] + (value[i] - value[last]) * (double)(g - last) /
                                         (double)(i - last);
        last = i;
    }
    return true;
}

static bool weeks_read(const char *path, const WeftTable *table, int column,
                       double *value, WeftError *err)
{
    const size_t rows = weft_table_rows(table);
    for (size_t i = 0; i < rows; i++) {
        const char *text = weft_table_text(table, i, column);
        char *end;
        value[i] = strtod(text, &end);
        if (end == text) value[i] = NAN;
        if (*end || (*text && !isfinite(value[i])))
            return fail(err, "%s: co2 \"%.20s\" is not a number", path, text);
    }
    return gaps_fill(path, value, rows, err);
}

static bool co2_series(const char *path, const WeftTable *table, Observed *observed,
                       WeftError *err)
{
    const size_t rows = weft_table_rows(table);
    const int column = weft_table_find(table, "co2", err);
    if (column < 0 || !share_out(observed, path, rows - 1, 52, err)) return false;
    double *const value = calloc(rows, sizeof *value);
    const bool good = value ? weeks_read(path, table, column, value, err)
                            : fail(err, "out of memory");
    for (size_t i = 0; good && i + 1 < rows; i++)
        observed->x[i] = (float)(value[i + 1] - value[i]);
    free(value);
    return good;
}

static bool co2_read(const char *path, Observed *observed, WeftError *err)
{
    WeftTable *table = NULL;
    const bool good =
        weft_table_open(path, &table, err) && co2_series(path, table, observed, err);
    weft_table_close(table);
    observed->unit = 1;
    observed->season_ago = "a year before";
    return good;
}

/* ---- as a data set ---- */

static void observed_close(Observed *observed)
{
    free(observed->x);
    free(observed);
}

static void observed_data_close(Data *data)
{
    observed_close(data->own);
}

static bool is_finite(const Observed *observed, const char *path, WeftError *err)
{
    const size_t count = observed->steps * (size_t)observed->inputs;
    for (size_t i = 0; i < count; i++)
        if (!isfinite(observed->x[i]))
            return fail(err, "%s: a number is too large for a float", path);
    return true;
}

static bool cut(Observed *observed, uint64_t seed, WeftError *err)
{
    for (Part part = TRAINING; part < PARTS; part++) {
        const size_t end = part == TEST ? observed->steps : observed->start[part + 1];
        const size_t window = (size_t)observed->window;
        const size_t first =
            observed->start[part] > window ? observed->start[part] : window;
        if (first >= end || observed->season > observed->window)
            return fail(err, "--length %d: expected %d to %zu steps", observed->window,
                        observed->season, observed->start[VALIDATION] - 1);
        observed->part[part] =
            (Windows){observed, {first, end - first, part == TRAINING, seed}};
    }
    return true;
}

typedef bool Read(const char *path, Observed *observed, WeftError *err);

static bool observed_data(Read *read, int inputs, const DataOptions *options,
                          const Settings *settings, Data *data, WeftError *err)
{
    Observed *observed = calloc(1, sizeof *observed);
    if (!observed) return fail(err, "out of memory");
    observed->inputs = inputs;
    observed->window = options->length;
    observed->rows = settings->batch;
    if (!read(options->file, observed, err) ||
        !is_finite(observed, options->file, err) ||
        !cut(observed, settings->seed, err)) {
        observed_close(observed);
        return false;
    }
    *data = (Data){.shape = {.input = WEFT_DENSE,
                             .inputs = inputs,
                             .outputs = 1,
                             .loss = WEFT_SQUARE,
                             .vector = true},
                   .train = source_of(&observed->part[TRAINING]),
                   .glance = 100,
                   .evaluate = evaluate,
                   .tell = tell,
                   .baseline = baseline,
                   .note = experiment_note,
                   .close = observed_data_close,
                   .own = observed};
    append(data->about, sizeof data->about,
           "series: %zu windows of %d steps for training, %zu for validation, %zu to "
           "test",
           observed->part[TRAINING].range.count, observed->window,
           observed->part[VALIDATION].range.count, observed->part[TEST].range.count);
    return true;
}

#define OBSERVED(name, read, inputs)                                                   \
    static bool name(const Experiment *experiment, const DataOptions *options,         \
                     const Settings *settings, Data *data, WeftError *err)             \
    {                                                                                  \
        (void)experiment;                                                              \
        return observed_data(read, inputs, options, settings, data, err);              \
    }
OBSERVED(rail_data, rail_read, 1)
OBSERVED(rail_all_data, rail_read, INPUTS)
OBSERVED(sunspots_data, sunspots_read, 1)
OBSERVED(co2_data, co2_read, 1)
#undef OBSERVED

/* ---- the experiments ---- */

#define GERON "Geron, Hands-On Machine Learning, 3rd ed., ch. 15"

/* The band that waves have. */
#define WITHIN(x) .low = 0.85 * (x), .high = 1.15 * (x)
#define AT(which, window)                                                              \
    .cell = which, .length = window, .of = SCORE, .over = MEDIAN_SEED
#define OVER(name) .against = name, .ratio = true

// clang-format off
#define GATES(window)                                                                      \
    {.name = "lstm-rnn", .text = "lstm has 0.85 to 1.15 times the error of rnn", AT("lstm", window), OVER("rnn"), .low = 0.85, .high = 1.15, .published = "-", .source = "a short memory suffices"}, \
    {.name = "gru-rnn", .text = "gru has 0.85 to 1.15 times the error of rnn", AT("gru", window), OVER("rnn"), .low = 0.85, .high = 1.15, .published = "-", .source = "a short memory suffices"}

static const Claim rail_claims[] = {
    GATES(56),
    {.name = "rnn-linear", .text = "rnn has less error than the linear forecast", AT("rnn", 56), OVER("linear"), .low = 0, .high = 1, .published = "0.77 (29015 of 37866)", .source = GERON},
    {0},
};
static const Claim rail_values[] = {
    {.name = "week", .text = "the day a week before (there: March to May)", AT("a week before", 56), WITHIN(42143), .published = "42143", .source = GERON},
    {.name = "linear", .text = "linear, from 56 days (there by gradient descent)", AT("linear", 56), WITHIN(37866), .published = "37866", .source = GERON},
    {.name = "rnn", .text = "32 units", AT("rnn", 56), WITHIN(29015), .published = "29015", .source = GERON},
    {0},
};
static const Claim deep_values[] = {
    {.name = "rnn", .text = "three layers of 32", AT("rnn", 56), WITHIN(31211), .published = "31211", .source = GERON},
    {0},
};
static const Claim all_claims[] = {
    GATES(56),
    {.name = "rnn-week", .text = "rnn has at most 0.7 of the error of the day a week before", AT("rnn", 56), OVER("a week before"), .low = 0, .high = 0.7, .published = "0.52 (22062 of 42143, of March to May)", .source = GERON},
    {0},
};
static const Claim all_values[] = {
    {.name = "rnn", .text = "32 units", AT("rnn", 56), WITHIN(22062), .published = "22062", .source = GERON},
    {0},
};
static const Claim sunspots_claims[] = {
    GATES(22),
    {.name = "rnn-linear", .text = "rnn has at most 1.1 times the error of the linear forecast", AT("rnn", 22), OVER("linear"), .low = 0, .high = 1.1, .published = "-", .source = "a short memory suffices"},
    {0},
};
static const Claim co2_claims[] = {
    GATES(52),
    {.name = "rnn-linear", .text = "rnn has at most 1.1 times the error of the linear forecast", AT("rnn", 52), OVER("linear"), .low = 0, .high = 1.1, .published = "-", .source = "a short memory suffices"},
    {0},
};
// clang-format on

#define OBSERVED_COMMON                                                                \
    .chapter = CHAPTER_SERIES, .from = SIZE_FULL, .glance = 100, .unit = "mse",        \
    .length_name = "steps of the window that go in", .longer = "--seed 0..9"
#define TRAIN                                                                          \
    SETTINGS_COMMON, .hidden = 32, .rate = 3e-3, .schedule = WEFT_COSINE, .batch = 32, \
                     .chunks_per_update = 1, .steps = 3000, .every = 500
#define RAIL                                                                           \
    OBSERVED_COMMON,                                                                   \
        .score_name = "mean absolute error, riders",                                   \
        .file = "build/data/chicago_ridership.csv",                                    \
        .file_from = "github.com/ageron/data has it in ridership/, by another name; "  \
                     "experiments/run looks in $WEFT_DATA"
#define STATSMODELS(name)                                                              \
    .file = "/usr/lib/python3/dist-packages/statsmodels/datasets/" name,               \
    .file_from = "Debian's python3-statsmodels"
#define EACH "rnn,lstm,gru"

const Experiment experiment_rail = {
    RAIL,
    .name = "rail",
    .question = "How many will board Chicago's rail tomorrow?",
    .claim = "a simple net tells it better than a linear forecast; gates add nothing",
    .grid = {EACH, NUMBERS(56), NUMBERS(0, 1, 2), "1e-2,3e-3"},
    .train = {TRAIN},
    .open = rail_data,
    .claims = rail_claims,
    .values = rail_values,
};

const Experiment experiment_rail_deep = {
    RAIL,
    .name = "rail_deep",
    .question = "And with three layers?",
    .claim = "the book's are no better for it: 31211 riders, with one layer 29015",
    .grid = {"rnn", NUMBERS(56), NUMBERS(0, 1, 2), "3e-3,1e-3"},
    .train = {TRAIN, .layers = "3"},
    .open = rail_data,
    .values = deep_values,
};

const Experiment experiment_rail_all = {
    RAIL,
    .name = "rail_all",
    .question = "And when boardings of the bus, and whether tomorrow is a holiday, are "
                "known too?",
    .claim = "far better than the day a week before does; gates add nothing",
    .grid = {EACH, NUMBERS(56), NUMBERS(0, 1, 2), "1e-2,3e-3"},
    .train = {TRAIN},
    .open = rail_all_data,
    .claims = all_claims,
    .values = all_values,
};

const Experiment experiment_sunspots = {
    OBSERVED_COMMON,
    .name = "sunspots",
    .question = "How many sunspots will next year have?",
    .claim = "a simple net tells it as a linear forecast does; gates add nothing",
    .grid = {EACH, NUMBERS(22), NUMBERS(0, 1, 2), "1e-2,3e-3"},
    .train = {TRAIN, .hidden = 8, .steps = 1000, .every = 200},
    .score_name = "mean absolute error, sunspots",
    STATSMODELS("sunspots/sunspots.csv"),
    .open = sunspots_data,
    .claims = sunspots_claims,
};

const Experiment experiment_co2 = {
    OBSERVED_COMMON,
    .name = "co2",
    .question = "By how much will carbon dioxide rise next week on Mauna Loa?",
    .claim = "a simple net tells it as a linear forecast does; gates add nothing",
    .grid = {EACH, NUMBERS(52), NUMBERS(0, 1, 2), "1e-2,3e-3"},
    .train = {TRAIN, .hidden = 16, .steps = 2000, .every = 500},
    .score_name = "mean absolute error, ppm",
    STATSMODELS("co2/co2.csv"),
    .open = co2_data,
    .claims = co2_claims,
};

/* series.c: see series.h.
 *
 * A window of rows goes in; after its last step the net tells the next `horizon` values
 * of the target. All are differences from the window's last row, in the training part's
 * deviations: so a net that tells nothing is the naive forecast, and one that was
 * trained at another level of the series (before 2020, say) is not lost. A part's
 * windows are those whose targets all lie in the part; what they look back at may lie
 * before it. */
#include "series.h"

#include "linear.h"
#include "progress.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Series Series;

/* The windows of one part, as a source. */
typedef struct Windows {
    const Series *series;
    Range range; /* of first target rows */
} Windows;

struct Series {
    WeftTable *table;
    int columns, window, horizon, rows; /* rows: of a batch */
    int *column;                        /* [columns], the target first */
    double *deviation;                  /* [columns] */
    const double **values;              /* [columns][table rows] */
    size_t start[PARTS + 1];
    Windows part[PARTS];
};

/* ---- windows ---- */

/* A value less that of the row before row `end`. */
static float relative(const Series *series, int column, size_t row, size_t end)
{
    const double *values = series->values[column];
    return (float)((values[row] - values[end - 1]) / series->deviation[column]);
}

/* The window that ends before row `end`, into row b of x [window][rows][columns]. */
static void window_fill(const Series *series, size_t end, float *x, int rows, int b)
{
    const size_t first = end - (size_t)series->window;
    for (size_t t = 0; t < (size_t)series->window; t++) {
        float *to = x + (t * (size_t)rows + (size_t)b) * (size_t)series->columns;
        for (int c = 0; c < series->columns; c++)
            to[c] = relative(series, c, first + t, end);
    }
}

static bool fill(void *context, uint64_t index, WeftBatch *batch, WeftError *err)
{
    enum { WINDOW = 0x77696e }; /* stream */
    (void)err;
    const Windows *windows = context;
    const Series *series = windows->series;
    for (int b = 0; b < batch->rows; b++) {
        const size_t row = range_item(&windows->range, WINDOW, batch, index, b);
        window_fill(series, row, batch->x, batch->rows, b);
        for (int h = 0; h < series->horizon; h++)
            batch->target[b * series->horizon + h] =
                relative(series, 0, row + (size_t)h, row);
    }
    return true;
}

static void windows_open(Series *series, Part part, uint64_t seed)
{
    const size_t first = series->start[part] > (size_t)series->window
                             ? series->start[part]
                             : (size_t)series->window;
    const size_t end =
        series->start[part + 1] + 1; /* of the first targets, horizon taken off */
    series->part[part] = (Windows){series,
                                   {.first = first,
                                    .count = end > first + (size_t)series->horizon
                                                 ? end - first - (size_t)series->horizon
                                                 : 0,
                                    .shuffle = part == TRAINING,
                                    .seed = seed}};
}

/* ---- errors in the target's unit ---- */

static Errors naive_errors(const Series *series, const Windows *windows)
{
    Errors errors = {0};
    const double *target = series->values[0];
    for (size_t i = 0; i < windows->range.count; i++) {
        const size_t row = windows->range.first + i;
        for (int h = 0; h < series->horizon; h++)
            errors_add(&errors, target[row - 1] - target[row + (size_t)h]);
    }
    return errors;
}

/* Forecasts of the windows before rows row .. row+count-1, into values
 * [count][horizon]. */
static bool forecast(const Series *series, WeftNet *net, size_t row, int count,
                     double *values, WeftError *err)
{
    const size_t outputs = (size_t)count * (size_t)series->horizon;
    float *x = calloc((size_t)series->window * (size_t)count * (size_t)series->columns,
                      sizeof *x);
    float *out = calloc(outputs, sizeof *out);
    const WeftBatch batch = {
        .steps = series->window, .rows = count, .x = x, .fresh = true};
    bool good = (x && out) || fail(err, "out of memory");
    for (int b = 0; good && b < count; b++)
        window_fill(series, row + (size_t)b, x, count, b);
    good = good && weft_predict(net, &batch, out, err);
    for (size_t i = 0; good && i < outputs; i++)
        values[i] = out[i] * series->deviation[0] +
                    series->values[0][row + i / (size_t)series->horizon - 1];
    free(x);
    free(out);
    return good;
}

static bool model_errors(const Series *series, const Windows *windows, WeftNet *net,
                         Errors *errors, WeftError *err)
{
    const int horizon = series->horizon;
    double *values = calloc((size_t)series->rows * (size_t)horizon, sizeof *values);
    if (!values) return fail(err, "out of memory");
    bool good = true;
    for (size_t i = 0; good && i < windows->range.count; i += (size_t)series->rows) {
        const size_t left = windows->range.count - i, row = windows->range.first + i;
        const int rows = left < (size_t)series->rows ? (int)left : series->rows;
        good = forecast(series, net, row, rows, values, err);
        for (int b = 0; good && b < rows; b++)
            for (int h = 0; h < horizon; h++)
                errors_add(errors, values[b * horizon + h] -
                                       series->values[0][row + (size_t)(b + h)]);
    }
    free(values);
    return good;
}

static const char *target_name(const Series *series)
{
    return weft_table_name(series->table, series->column[0]);
}

static bool evaluate(Data *data, WeftNet *net, Part part, int percent, WeftScore *score,
                     WeftError *err)
{
    const Series *series = data->own;
    Windows some = series->part[part];
    some.range.count = percent_of(some.range.count, percent);
    Errors errors = {0};
    if (some.range.count && !model_errors(series, &some, net, &errors, err))
        return false;
    *score = errors_score(&errors);
    return true;
}

static void tell(const Data *data, const WeftScore *score, char text[256])
{
    text[0] = 0;
    if (score->targets == 0)
        append(text, 256, "nothing to score: the part is shorter than the horizon");
    else
        append(text, 256, "MAE %.6g, RMSE %.6g (%s)", score->accuracy,
               sqrt(score->loss), target_name(data->own));
}

static bool baseline(Data *data, Part part, int index, char name[BASELINE_SIZE],
                     WeftScore *score, WeftError *err)
{
    (void)err;
    const Series *series = data->own;
    name[0] = 0;
    if (index || !series->part[part].range.count) return true;
    const Errors errors = naive_errors(series, &series->part[part]);
    snprintf(name, BASELINE_SIZE, "last value");
    *score = errors_score(&errors);
    return true;
}

bool series_forecast(Data *data, WeftNet *net, double **values, int *count,
                     const char **target, WeftError *err)
{
    const Series *series = data->own;
    const size_t rows = weft_table_rows(series->table);
    if (rows < (size_t)series->window)
        return fail(err, "the table has %zu rows: the net looks back at %d", rows,
                    series->window);
    *values = calloc((size_t)series->horizon, sizeof **values);
    if (!*values) return fail(err, "out of memory");
    *count = series->horizon;
    *target = target_name(series);
    if (forecast(series, net, rows, 1, *values, err)) return true;
    free(*values);
    return false;
}

/* ---- opening ---- */

static void series_close(Series *series)
{
    weft_table_close(series->table);
    free(series->column);
    free(series->deviation);
    free(series->values);
    free(series);
}

static void series_data_close(Data *data)
{
    series_close(data->own);
}

static bool room(Series *series, WeftError *err)
{
    const size_t n = (size_t)weft_table_columns(series->table) + 1;
    series->column = calloc(n, sizeof *series->column);
    series->deviation = calloc(n, sizeof *series->deviation);
    series->values = calloc(n, sizeof *series->values);
    return (series->column && series->deviation && series->values) ||
           fail(err, "out of memory");
}

/* A column once; one that is there already is fine. */
static bool add(Series *series, int column, WeftError *err)
{
    for (int i = 0; i < series->columns; i++)
        if (series->column[i] == column) return true;
    const double *values = weft_table_values(series->table, column, err);
    if (!values) return false;
    series->column[series->columns] = column;
    series->values[series->columns++] = values;
    return true;
}

static bool add_named(Series *series, const char *name, WeftError *err)
{
    const int column = weft_table_find(series->table, name, err);
    return column >= 0 && add(series, column, err);
}

static bool choose(Series *series, const DataOptions *options, WeftError *err)
{
    if (!add_named(series, options->target, err)) return false;
    char item[256];
    for (const char *rest = options->columns; list_next(&rest, item, sizeof item);)
        if (!add_named(series, item, err)) return false;
    for (int c = 0; !options->columns && c < weft_table_columns(series->table); c++)
        add(series, c, NULL); /* those that are not numbers stay out */
    return true;
}

static bool cut(Series *series, const double split[3], uint64_t seed, WeftError *err)
{
    const size_t rows = weft_table_rows(series->table);
    double before = 0;
    for (Part part = TRAINING; part < PARTS; part++) {
        before += split[part];
        series->start[part + 1] = (size_t)floor((double)rows * before / 100 + 0.5);
        windows_open(series, part, seed);
    }
    const size_t need = (size_t)series->window + (size_t)series->horizon;
    if (split[TRAINING] > 0 && !series->part[TRAINING].range.count)
        return fail(err,
                    "the training part has %zu rows, too few for --window %d and "
                    "--horizon %d: expected %zu",
                    series->start[1], series->window, series->horizon, need);
    return true;
}

/* Of the training part alone, so that nothing leaks from the others. */
static bool measure(Series *series, WeftError *err)
{
    const size_t rows = series->start[VALIDATION];
    for (int c = 0; c < series->columns; c++) {
        double sum = 0, squares = 0;
        for (size_t i = 0; i < rows; i++) sum += series->values[c][i];
        const double mean = sum / (double)rows;
        for (size_t i = 0; i < rows; i++)
            squares += (series->values[c][i] - mean) * (series->values[c][i] - mean);
        const double deviation = sqrt(squares / (double)rows);
        if (!isfinite(deviation))
            return fail(err, "column %s: its numbers are too large to be squared",
                        weft_table_name(series->table, series->column[c]));
        series->deviation[c] = deviation > 0 ? deviation : 1; /* a constant column */
    }
    return true;
}

/* ---- notes: names and numbers, one to a line ---- */

static bool note(const Data *data, WeftNet *net, WeftError *err)
{
    const Series *series = data->own;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out) return fail(err, "out of memory");
    fprintf(out, "%d\n%d\n", series->window, series->horizon);
    bool good = true;
    for (int c = 0; c < series->columns; c++) {
        const char *name = weft_table_name(series->table, series->column[c]);
        good = good && (!strchr(name, '\n') ||
                        fail(err, "a column's name with a line break cannot be saved"));
        fprintf(out, "%.17g\n%s\n", series->deviation[c], name);
    }
    good = !fclose(out) && good;
    good = good && weft_net_note(net, "data", DATA_TABLE, err) &&
           weft_net_note(net, "series", text, err);
    free(text);
    return good;
}

/* The next line of *text, ended; NULL at the end. */
static char *note_line(char **text)
{
    char *line = strsep(text, "\n");
    return line && *text ? line : NULL;
}

static bool note_number(char **text, double *value)
{
    const char *line = note_line(text);
    if (!line) return false;
    char *end;
    *value = strtod(line, &end);
    return end != line && !*end && isfinite(*value);
}

static bool recall(Series *series, char *text, const WeftModel *model, WeftError *err)
{
    double window, horizon, deviation;
    if (!note_number(&text, &window) || !note_number(&text, &horizon) || window < 1 ||
        window > 1e9 || (int)horizon != model->outputs)
        return fail(err, "the saved notes on the table are damaged");
    series->window = (int)window;
    series->horizon = (int)horizon;
    while (note_number(&text, &deviation)) {
        const char *name = note_line(&text);
        if (!name || series->columns == model->inputs || deviation <= 0) break;
        series->deviation[series->columns] = deviation;
        if (!add_named(series, name, err)) return false;
    }
    return series->columns == model->inputs ||
           fail(err, "the saved notes name %d columns: expected %d", series->columns,
                model->inputs);
}

static bool recall_net(Series *series, const WeftNet *net, WeftError *err)
{
    const char *text = data_note(net, "series", err);
    char *copy = text ? strdup(text) : NULL;
    if (!copy) return text ? fail(err, "out of memory") : false;
    const bool good = recall(series, copy, weft_net_model(net), err) &&
                      cut(series, (double[]){0, 0, 100}, 0, err);
    free(copy);
    return good;
}

static bool fresh(Series *series, const DataOptions *options, uint64_t seed,
                  WeftError *err)
{
    series->window = options->window;
    series->horizon = options->horizon;
    if (!choose(series, options, err) || !cut(series, options->split, seed, err))
        return false;
    if (!measure(series, err)) return false;
    return true;
}

bool series_data(const char *path, const DataOptions *options, const Settings *settings,
                 const WeftNet *net, Data *data, WeftError *err)
{
    Series *series = calloc(1, sizeof *series);
    if (!series) return fail(err, "out of memory");
    series->rows = settings->batch;
    if (!weft_table_open(path, &series->table, err) || !room(series, err) ||
        !(net ? recall_net(series, net, err)
              : fresh(series, options, settings->seed, err))) {
        series_close(series);
        return false;
    }
    *data = (Data){.shape = {.input = WEFT_DENSE,
                             .inputs = series->columns,
                             .outputs = series->horizon,
                             .loss = WEFT_SQUARE,
                             .vector = true},
                   .train = {.context = &series->part[TRAINING],
                             .fill = fill,
                             .steps = series->window,
                             .rows = settings->batch},
                   .glance = 100,
                   .evaluate = evaluate,
                   .tell = tell,
                   .baseline = baseline,
                   .note = note,
                   .close = series_data_close,
                   .own = series};
    if (!net)
        append(data->about, sizeof data->about,
               "table: %zu rows, %d columns in, forecasting %s up to %d ahead from %d; "
               "windows: training %zu, validation %zu, test %zu",
               weft_table_rows(series->table), series->columns, target_name(series),
               series->horizon, series->window, series->part[TRAINING].range.count,
               series->part[VALIDATION].range.count, series->part[TEST].range.count);
    return true;
}

/* figure.c: see figure.h. A figure is a script for gnuplot, with its data inside. */
#include "figure.h"

#include "verdict.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CELLS_MAX 16 /* in one figure */

/* ---- gnuplot ---- */

bool figure_ready(WeftError *err)
{
    return !system("command -v gnuplot >/dev/null 2>&1") ||
           fail(err,
                "gnuplot draws the figures and is not here: apt install gnuplot-nox");
}

/* Where the script goes; it begins a figure of this name and axes. */
static FILE *plot_open(const char *folder, const char *name, const char *x,
                       const char *y, WeftError *err)
{
    FILE *plot = popen("gnuplot", "w");
    if (!plot) {
        fail(err, "gnuplot could not be started");
        return NULL;
    }
    fprintf(plot,
            "set encoding utf8\n"
            "set terminal svg size 680,400 dynamic noenhanced font 'sans-serif,14' "
            "linewidth 1.4 background rgb 'white' name '%s'\n"
            "set output '%s/%s.svg'\n"
            "set xlabel '%s'\nset ylabel '%s'\n"
            "set border 3 lc rgb '#444444'\nset tics nomirror out\n"
            "set grid ytics lc rgb '#dddddd' lw 0.7\n"
            "set key outside top center horizontal\n"
            "set style fill transparent solid 0.16 noborder\n",
            name, folder, name, x, y);
    return plot;
}

static bool plot_close(FILE *plot, const char *name, WeftError *err)
{
    const bool written = !ferror(plot);
    return (!pclose(plot) && written) ||
           fail(err, "gnuplot failed on the figure %s", name);
}

/* ---- cells: the same colour and mark in every figure ---- */

/* Okabe and Ito's colours, which the colour-blind tell apart. */
static const char *const colours[] = {"#0072B2", "#009E73", "#CC79A7", "#E69F00",
                                      "#56B4E9", "#000000", "#F0E442"};

static const char *cell_colour(const char *cell, int index)
{
    if (!strcmp(cell, "rnn")) return "#D55E00";
    if (!strcmp(cell, "lstm")) return colours[0];
    if (!strcmp(cell, "gru")) return colours[1];
    return colours[2 + index % 5];
}

static int cell_mark(const char *cell, int index)
{
    return !strcmp(cell, "rnn")    ? 7
           : !strcmp(cell, "lstm") ? 5
           : !strcmp(cell, "gru")  ? 9
                                   : 11 + index;
}

static bool is_training(const Row *row)
{
    return strcmp(row->state, STATE_BASELINE) && strcmp(row->state, STATE_MEASURED);
}

/* rnn, lstm, gru, then others as they appear. */
static int cell_rank(const char *cell)
{
    static const char *const first[] = {"rnn", "lstm", "gru"};
    int rank = 0;
    while (rank < 3 && strcmp(first[rank], cell)) rank++;
    return rank;
}

static int cells_of(const Rows *rows, const char *cell[CELLS_MAX])
{
    int count = 0;
    for (int rank = 0; rank < 4; rank++)
        for (int i = 0; i < rows->count; i++) {
            const Row *row = &rows->row[i];
            if (!is_training(row) || cell_rank(row->cell) != rank) continue;
            int at = 0;
            while (at < count && strcmp(cell[at], row->cell)) at++;
            if (at == count && count < CELLS_MAX) cell[count++] = row->cell;
        }
    return count;
}

static int by_value(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Adds a value that is not there yet; when there is no room, it stays out. */
static int distinct(uint64_t *list, int count, int room, uint64_t value)
{
    for (int i = 0; i < count; i++)
        if (list[i] == value) return count;
    if (count < room) list[count++] = value;
    return count;
}

int lengths_of(const Rows *rows, uint64_t length[NUMBERS_MAX])
{
    int count = 0;
    for (int i = 0; i < rows->count; i++)
        if (is_training(&rows->row[i]))
            count = distinct(length, count, NUMBERS_MAX, rows->row[i].length);
    qsort(length, (size_t)count, sizeof *length, by_value);
    return count;
}

static void length_tics(FILE *plot, const uint64_t *length, int lengths)
{
    fprintf(plot, "set logscale x\nset xtics (");
    for (int i = 0; i < lengths; i++)
        fprintf(plot, "%s'%" PRIu64 "' %" PRIu64, i ? "," : "", length[i], length[i]);
    fprintf(plot, ")\nset xrange [%g:%g]\n", (double)length[0] * 0.8,
            (double)length[lengths - 1] * 1.25);
}

/* Where cell c of so many stands, so that none hides another. */
static double beside(uint64_t length, int c, int cells)
{
    return (double)length * (1 + 0.03 * (c - (cells - 1) / 2.0));
}

/* ---- what needs no training: dashed lines ---- */

static void dashed(FILE *plot, const char *name, double loss, int index)
{
    fprintf(plot, ", %.9g with lines dt %d lw 1.2 lc rgb '#666666' title '%s'", loss,
            2 + index % 4, name);
}

static void oracles(FILE *plot, const Result *result)
{
    int index = 0;
    for (const Oracle *o = result->experiment->oracles; o && o->name; o++)
        dashed(plot, o->name, o->loss, index++);
    for (int i = 0; i < result->rows.count; i++) {
        const Row *row = &result->rows.row[i];
        if (!strcmp(row->state, STATE_BASELINE))
            dashed(plot, row->cell, row->loss, index++);
    }
}

/* ---- success against length ---- */

typedef struct Share {
    int solved, runs;
} Share;

static Share share(const Result *result, int results, const char *cell, uint64_t length)
{
    Share s = {0, 0};
    for (int r = 0; r < results; r++)
        for (int i = 0; result[r].experiment->dependency && i < result[r].rows.count;
             i++) {
            const Row *row = &result[r].rows.row[i];
            if (!row_is_last(row) || row->length != length || strcmp(row->cell, cell))
                continue;
            s.runs++;
            s.solved += !strcmp(row->state, STATE_SOLVED);
        }
    return s;
}

static int all_lengths(const Result *result, int results, uint64_t length[NUMBERS_MAX])
{
    int count = 0;
    for (int r = 0; r < results; r++)
        for (int i = 0; result[r].experiment->dependency && i < result[r].rows.count;
             i++)
            if (row_is_last(&result[r].rows.row[i]))
                count =
                    distinct(length, count, NUMBERS_MAX, result[r].rows.row[i].length);
    qsort(length, (size_t)count, sizeof *length, by_value);
    return count;
}

bool figure_mission(const Result *result, int results, const char *folder,
                    Figure *figure, bool *drawn, WeftError *err)
{
    static const char *const cell[] = {"rnn", "lstm", "gru"};
    uint64_t length[NUMBERS_MAX];
    const int lengths = all_lengths(result, results, length);
    *drawn = lengths > 0;
    if (!lengths) return true;
    snprintf(figure->name, sizeof figure->name, "mission");
    snprintf(
        figure->caption, sizeof figure->caption,
        "Share of trainings that solve their task, against the length over which it "
        "must be remembered; all experiments that have a success.");
    FILE *plot = plot_open(folder, figure->name, "length of the dependency (steps)",
                           "trainings that succeed (%)", err);
    if (!plot) return false;
    length_tics(plot, length, lengths);
    fprintf(plot, "set yrange [-5:105]\n");
    for (int c = 0; c < 3; c++) {
        fprintf(plot, "$c%d << EOD\n", c);
        for (int l = 0; l < lengths; l++) {
            const Share s = share(result, results, cell[c], length[l]);
            if (s.runs)
                fprintf(plot, "%g %g\n", beside(length[l], c, 3),
                        100.0 * s.solved / s.runs);
        }
        fprintf(plot, "EOD\n");
    }
    for (int c = 0; c < 3; c++)
        fprintf(plot,
                "%s $c%d with linespoints lw 2 ps 1.1 pt %d lc rgb '%s' title '%s'",
                c ? "," : "plot", c, cell_mark(cell[c], c), cell_colour(cell[c], c),
                cell[c]);
    fprintf(plot, "\n");
    return plot_close(plot, figure->name, err);
}

/* ---- loss against updates ---- */

/* The loss of a seed at an update: its last row up to there; NAN before the first. */
static double loss_at(const Rows *rows, const char *cell, uint64_t length,
                      uint64_t seed, uint64_t step)
{
    double loss = NAN;
    uint64_t best = 0;
    for (int i = 0; i < rows->count; i++) {
        const Row *row = &rows->row[i];
        if (!is_training(row) || row->length != length || row->seed != seed ||
            row->step > step || row->step < best || strcmp(row->cell, cell))
            continue;
        best = row->step;
        loss = row->loss;
    }
    return loss;
}

#define STEPS_MAX 1000

typedef struct Curve {
    const Rows *rows;
    const char *cell;
    uint64_t length;
    uint64_t seed[NUMBERS_MAX], step[STEPS_MAX];
    int seeds, steps;
} Curve;

static Curve curve_of(const Rows *rows, const char *cell, uint64_t length)
{
    Curve curve = {.rows = rows, .cell = cell, .length = length};
    for (int i = 0; i < rows->count; i++) {
        const Row *row = &rows->row[i];
        if (!is_training(row) || row->length != length || strcmp(row->cell, cell))
            continue;
        curve.seeds = distinct(curve.seed, curve.seeds, NUMBERS_MAX, row->seed);
        curve.steps = distinct(curve.step, curve.steps, STEPS_MAX, row->step);
    }
    qsort(curve.step, (size_t)curve.steps, sizeof *curve.step, by_value);
    return curve;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* update, lowest, median, highest loss over the seeds */
static void curve_put(FILE *plot, const Curve *curve)
{
    for (int s = 0; s < curve->steps; s++) {
        double loss[NUMBERS_MAX];
        int n = 0;
        for (int i = 0; i < curve->seeds; i++) {
            loss[n] = loss_at(curve->rows, curve->cell, curve->length, curve->seed[i],
                              curve->step[s]);
            n += isfinite(loss[n]);
        }
        if (!n) continue;
        qsort(loss, (size_t)n, sizeof *loss, ascending);
        fprintf(plot, "%" PRIu64 " %.9g %.9g %.9g\n", curve->step[s], loss[0],
                (loss[(n - 1) / 2] + loss[n / 2]) / 2, loss[n - 1]);
    }
}

static void curves_plot(FILE *plot, const char *const *cell, int cells)
{
    const char *separator = "plot";
    for (int c = 0; c < cells; c++) {
        fprintf(plot, "%s $c%d using 1:2:4 with filledcurves lc rgb '%s' notitle",
                separator, c, cell_colour(cell[c], c));
        fprintf(plot,
                ", $c%d using 1:3 with linespoints lw 2 ps 0.6 pt %d lc rgb '%s' title "
                "'%s'",
                c, cell_mark(cell[c], c), cell_colour(cell[c], c), cell[c]);
        separator = ",";
    }
}

bool figure_curves(const Result *result, uint64_t length, const char *folder,
                   Figure *figure, WeftError *err)
{
    const char *cell[CELLS_MAX];
    const Experiment *experiment = result->experiment;
    const int cells = cells_of(&result->rows, cell);
    snprintf(figure->name, sizeof figure->name, "%s_curves_%" PRIu64, experiment->name,
             length);
    snprintf(figure->caption, sizeof figure->caption,
             "Test loss against updates; %s: %" PRIu64
             ". Line: median over seeds; band: "
             "from the lowest to the highest. Dashed: what needs no recurrent net.",
             experiment->length_name, length);
    char y[96];
    snprintf(y, sizeof y, "test loss (%s)", experiment->unit);
    FILE *plot = plot_open(folder, figure->name, "updates", y, err);
    if (!plot) return false;
    for (int c = 0; c < cells; c++) {
        const Curve curve = curve_of(&result->rows, cell[c], length);
        fprintf(plot, "$c%d << EOD\n", c);
        curve_put(plot, &curve);
        fprintf(plot, "EOD\n");
    }
    if (experiment->solved > 0) fprintf(plot, "set yrange [0:*]\n");
    fprintf(plot, "set xrange [0:*]\n");
    curves_plot(plot, cell, cells);
    oracles(plot, result);
    fprintf(plot, "\n");
    return plot_close(plot, figure->name, err);
}

/* ---- last loss against length ---- */

bool figure_last(const Result *result, const char *folder, Figure *figure,
                 WeftError *err)
{
    const char *cell[CELLS_MAX];
    uint64_t length[NUMBERS_MAX];
    const Experiment *experiment = result->experiment;
    const int cells = cells_of(&result->rows, cell);
    const int lengths = lengths_of(&result->rows, length);
    snprintf(figure->name, sizeof figure->name, "%s_last", experiment->name);
    snprintf(figure->caption, sizeof figure->caption,
             "Last test loss of every seed against %s, on a logarithmic axis.",
             experiment->length_name);
    char y[96];
    snprintf(y, sizeof y, "last test loss (%s)", experiment->unit);
    FILE *plot = plot_open(folder, figure->name, experiment->length_name, y, err);
    if (!plot) return false;
    length_tics(plot, length, lengths);
    fprintf(plot, "set logscale y\n");
    for (int c = 0; c < cells; c++) {
        fprintf(plot, "$c%d << EOD\n", c);
        for (int l = 0; l < lengths; l++) {
            double loss[LOSSES_MAX];
            const int n =
                last_losses(&result->rows, cell[c], length[l], loss, LOSSES_MAX);
            const double aside = beside(length[l], c, cells);
            for (int i = 0; i < n; i++)
                if (loss[i] > 0) fprintf(plot, "%g %.9g\n", aside, loss[i]);
        }
        fprintf(plot, "EOD\n");
    }
    for (int c = 0; c < cells; c++)
        fprintf(plot, "%s $c%d with points ps 1.1 pt %d lc rgb '%s' title '%s'",
                c ? "," : "plot", c, cell_mark(cell[c], c), cell_colour(cell[c], c),
                cell[c]);
    if (experiment->solved > 0) dashed(plot, "solved below", experiment->solved, 2);
    oracles(plot, result);
    fprintf(plot, "\n");
    return plot_close(plot, figure->name, err);
}

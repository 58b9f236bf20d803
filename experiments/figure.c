/* figure.c: see figure.h. */
#include "figure.h"

#include "plot.h"
#include "scene.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- what needs no training: dashed lines ---- */

/* The ends and corners of dashed lines. */
typedef struct Across {
    const double *place;
    int places;
    uint64_t length; /* which oracles are asked with; 0: the place */
    bool upright;    /* the places are on the y axis */
} Across;

static uint64_t length_at(const Across *across, double place)
{
    return across->length ? across->length : (uint64_t)place;
}

static void dash_put(Plot *plot, const Across *across, int i, double value)
{
    const double place = across->place[i];
    if (across->upright)
        plot_put(plot, value, place);
    else
        plot_put(plot, place, value);
}

static void dash_constant(Plot *plot, const Across *across, double value, int index,
                          const char *name)
{
    plot_block(plot);
    for (int i = 0; i < across->places; i++) dash_put(plot, across, i, value);
    plot_dashed(plot, index, name);
}

static int dash_oracles(Plot *plot, const Oracle *oracle, const Across *across)
{
    int index = 0;
    for (; oracle && oracle->name; oracle++) {
        plot_block(plot);
        for (int i = 0; i < across->places; i++)
            dash_put(plot, across, i,
                     oracle_loss(oracle, (int)length_at(across, across->place[i])));
        plot_dashed(plot, index++, oracle->name);
    }
    return index;
}

/* Of an experiment that measures, they are of what it measures. */
static const Oracle *oracles_of_loss(const Experiment *experiment)
{
    return experiment_is_measured(experiment) ? NULL : experiment->oracles;
}

static double success_from(const Experiment *experiment, What what,
                           const Across *across, int place)
{
    const double percent = experiment->score_name ? 1 : 100;
    const uint64_t length = length_at(across, across->place[place]);
    return what == LOSSES ? experiment_success_loss(experiment, (int)length)
                          : experiment->right * percent;
}

static void dash_success(Plot *plot, const Scene *scene, const Across *across,
                         What what, int index)
{
    const Experiment *experiment = scene->experiment;
    const double first = success_from(experiment, what, across, 0);
    char name[64];
    if (first <= 0) return;
    snprintf(name, sizeof name, "success: %s %.4g", what == LOSSES ? "below" : "from",
             first);
    if (what == LOSSES && experiment->under > 0)
        snprintf(name, sizeof name, "success: below %g of %s", experiment->under,
                 experiment->oracles->name);
    plot_block(plot);
    for (int i = 0; i < across->places; i++)
        dash_put(plot, across, i, success_from(experiment, what, across, i));
    plot_dashed(plot, index, name);
}

/* Those of losses, or of scores. */
static void dash_all(Plot *plot, const Scene *scene, const Across *across, What what)
{
    const Experiment *experiment = scene->experiment;
    int index =
        what == LOSSES ? dash_oracles(plot, oracles_of_loss(experiment), across) : 0;
    for (int i = 0; i < scene->result->rows.count; i++) {
        const Row *row = &scene->result->rows.row[i];
        const double value = row_number(experiment, row, what);
        if (row_is_baseline(row) && isfinite(value))
            dash_constant(plot, across, value, index++, row->cell);
    }
    dash_success(plot, scene, across, what, index);
}

/* ---- names and axes ---- */

static void name(const Scene *scene, Figure *figure, const char *suffix,
                 const char *title, const char *caption)
{
    const char *experiment = scene->experiment->name;
    snprintf(figure->name, sizeof figure->name, "%s_%s", experiment, suffix);
    snprintf(figure->title, sizeof figure->title, "%s: %s", experiment, title);
    snprintf(figure->caption, sizeof figure->caption, "%s", caption);
}

static void length_axis(Plot *plot, const Scene *scene)
{
    snprintf(plot->x.label, sizeof plot->x.label, "%s", scene->experiment->length_name);
    plot->x.log = true;
    for (int l = 0; l < scene->lengths; l++) {
        char name[32];
        snprintf(name, sizeof name, "%" PRIu64, scene->length[l]);
        plot_tic(&plot->x, name, (double)scene->length[l]);
    }
}

/* Where cell c of so many stands, so that none hides another. */
static double beside(double length, int c, int cells)
{
    const double apart = cells > 6 ? 0.18 / cells : 0.03;
    return length * (1 + apart * (c - (cells - 1) / 2.0));
}

/* Bands of many cells lie on each other. */
static double band_strength(const Scene *scene)
{
    return scene->cells > 4 ? 0.07 : 0.16;
}

/* Shares are often equal, and so stand a little above each other. */
static double above(double share, int c, int cells)
{
    const double apart = cells > 6 ? 6.0 / cells : 1;
    return share + apart * ((cells - 1) / 2.0 - c);
}

static void percent_axis(Axis *axis)
{
    axis->told = true;
    axis->low = -5;
    axis->high = 105;
}

static void score_axis(Axis *axis, const Experiment *experiment)
{
    const char *name = experiment->score_name;
    snprintf(axis->label, sizeof axis->label, "%s", name ? name : "right answers (%)");
    if (!name) percent_axis(axis);
}

static void paint_success(const Scene *scene, Plot *plot, Figure *figure)
{
    name(scene, figure, "success", "share of trainings that succeed against length",
         "Share of the seeds that succeed; equal shares are drawn a little apart.");
    length_axis(plot, scene);
    percent_axis(&plot->y);
    snprintf(plot->y.label, sizeof plot->y.label, "trainings that succeed (%%)");
    for (int c = 0; c < scene->cells; c++) {
        const Look look = look_of(scene->cell[c]);
        const int count = scene_samples(scene, scene->cell[c], SUCCESSES);
        Spread spread;
        plot_block(plot);
        for (int i = 0; i < count;) {
            i = spread_next(scene->sample, count, i, &spread);
            plot_put(plot, beside(spread.x, c, scene->cells),
                     above(spread.mean, c, scene->cells));
        }
        plot_lines(plot, &look, scene->cell[c]);
    }
}

static void paint_cell(const Scene *scene, Plot *plot, int c, What what)
{
    const Look look = look_of(scene->cell[c]);
    const int count = scene_samples(scene, scene->cell[c], what);
    Spread spread;
    plot_block(plot);
    for (int i = 0; i < count; i++)
        plot_put(plot, beside(scene->sample[i].x, c, scene->cells), scene->sample[i].y);
    plot_points(plot, &look, 0.6, NULL);
    plot_block(plot);
    for (int i = 0; i < count;) {
        i = spread_next(scene->sample, count, i, &spread);
        plot_put(plot, beside(spread.x, c, scene->cells), spread.middle);
    }
    plot_lines(plot, &look, scene->cell[c]);
}

static void paint_against_length(const Scene *scene, Plot *plot, What what)
{
    double place[NUMBERS_MAX];
    length_axis(plot, scene);
    for (int c = 0; c < scene->cells; c++) paint_cell(scene, plot, c, what);
    for (int l = 0; l < scene->lengths; l++) place[l] = (double)scene->length[l];
    if (plot->all)
        dash_all(plot, scene, &(Across){.place = place, .places = scene->lengths},
                 what);
}

static void paint_scores(const Scene *scene, Plot *plot, Figure *figure)
{
    name(scene, figure, "score", "score against length",
         "Score of every seed on the test; the lines go through the medians.");
    score_axis(&plot->y, scene->experiment);
    paint_against_length(scene, plot, SCORES);
}

static void loss_label(Axis *axis, const Scene *scene, const char *what)
{
    snprintf(axis->label, sizeof axis->label, "%s (%s)", what, scene->experiment->unit);
}

static void paint_losses(const Scene *scene, Plot *plot, Figure *figure)
{
    name(scene, figure, "last", "last loss against length",
         "Last loss of every seed on the test; the lines go through the medians.");
    loss_label(&plot->y, scene, "last test loss");
    plot->y.log = true;
    paint_against_length(scene, plot, LOSSES);
}

/* ---- bars ---- */

static void paint_bar(const Scene *scene, Plot *plot, int c, What what)
{
    const Look look = look_of(scene->cell[c]);
    const Look seed = {.colour = "#000000", .mark = 6};
    const int count = scene_samples(scene, scene->cell[c], what);
    Spread spread;
    plot_tic(&plot->y, scene->cell[c], -c);
    if (!count) return;
    spread_next(scene->sample, count, 0, &spread);
    plot_block(plot);
    plot_put_bar(plot, spread.middle, c);
    plot_bars(plot, &look);
    plot_block(plot);
    for (int i = 0; i < count; i++) plot_put(plot, scene->sample[i].y, -c);
    plot_points(plot, &seed, 0.5, NULL);
}

static void paint_bars(const Scene *scene, Plot *plot, Figure *figure)
{
    const What what = experiment_has_score(scene->experiment) ? SCORES : LOSSES;
    const double place[] = {0.5, 0.5 - scene->cells};
    const Across across = {place, 2, scene->length[0], true};
    name(scene, figure, "bars", what == SCORES ? "score by cell" : "last loss by cell",
         "Bars: medians over seeds; circles: every seed.");
    if (what == SCORES)
        score_axis(&plot->x, scene->experiment);
    else
        loss_label(&plot->x, scene, "last test loss");
    if (plot->x.told) plot->x.low = 0;
    for (int c = 0; c < scene->cells; c++) paint_bar(scene, plot, c, what);
    if (plot->all) dash_all(plot, scene, &across, what);
}

/* ---- loss against updates ---- */

static void put_curve(Plot *plot, const Curve *curve, bool band)
{
    Spread spread;
    plot_block(plot);
    for (int s = 0; s < curve->steps; s++) {
        if (!curve_spread(curve, curve->step[s], &spread)) continue;
        if (band)
            plot_put_band(plot, spread.x, spread.low, spread.high);
        else
            plot_put(plot, spread.x, spread.middle);
    }
}

/* Draws it; the number of its evaluations. */
static int paint_curve(const Scene *scene, Plot *plot, const char *cell,
                       uint64_t length)
{
    const Look look = look_of(cell);
    const Curve curve = curve_of(scene, cell, length);
    if (curve.seeds > 1) {
        put_curve(plot, &curve, true);
        plot_bands(plot, &look, band_strength(scene));
    }
    put_curve(plot, &curve, false);
    plot_lines(plot, &look, cell);
    return curve.steps;
}

static double larger(double a, double b)
{
    return b > a ? b : a;
}

/* A loss that went far above what needs no training would flatten all others. */
static void cap(Plot *plot, const Scene *scene, uint64_t length)
{
    double top = 0;
    for (const Oracle *o = oracles_of_loss(scene->experiment); o && o->name; o++)
        top = larger(top, 2 * oracle_loss(o, (int)length));
    for (int i = 0; i < scene->result->rows.count; i++) {
        const Row *row = &scene->result->rows.row[i];
        if (row_is_baseline(row)) top = larger(top, 2 * row->loss);
    }
    if (plot->y.low < top && plot->y.high > top) plot->y.high = top;
}

static void paint_curves(const Scene *scene, Plot *plot, Figure *figure,
                         uint64_t length)
{
    char suffix[32], caption[256];
    int steps = 0;
    snprintf(suffix, sizeof suffix, "curves_%" PRIu64, length);
    snprintf(caption, sizeof caption,
             "Loss on held-out data; %s: %" PRIu64
             ". Lines: medians over seeds; bands: from the lowest to the highest.",
             scene->experiment->length_name, length);
    name(scene, figure, suffix, "loss against updates", caption);
    snprintf(plot->x.label, sizeof plot->x.label, "updates");
    loss_label(&plot->y, scene, "loss");
    for (int c = 0; c < scene->cells; c++) {
        const int more = paint_curve(scene, plot, scene->cell[c], length);
        steps = more > steps ? more : steps;
    }
    if (steps < 2) plot->all = 0; /* a curve has two points */
    if (!plot->all) return;
    const double place[] = {0, plot->x.high};
    cap(plot, scene, length);
    dash_all(plot, scene, &(Across){.place = place, .places = 2, .length = length},
             LOSSES);
    plot->x.told = true;
    plot->x.low = 0;
    plot->x.high *= 1.02;
}

static void paint_longest(const Scene *scene, Plot *plot, Figure *figure)
{
    paint_curves(scene, plot, figure, scene->length[scene->lengths - 1]);
}

static void paint_shortest(const Scene *scene, Plot *plot, Figure *figure)
{
    paint_curves(scene, plot, figure, scene->length[0]);
}

/* ---- what was measured ---- */

static void dash_measured(const Scene *scene, Plot *plot)
{
    const int count = scene_samples(scene, NULL, NUMBERS_MEASURED);
    int places = 0;
    for (int i = 0; i < count; i++)
        if (!places || scene->sample[i].x != scene->place[places - 1])
            scene->place[places++] = scene->sample[i].x;
    dash_oracles(plot, scene->experiment->oracles,
                 &(Across){.place = scene->place, .places = places});
}

static void paint_measured_cell(const Scene *scene, Plot *plot, const char *cell,
                                bool band)
{
    const int count = scene_samples(scene, cell, NUMBERS_MEASURED);
    Spread spread;
    plot_block(plot);
    for (int i = 0; i < count;) {
        i = spread_next(scene->sample, count, i, &spread);
        if (band)
            plot_put_band(plot, spread.x, spread.low, spread.high);
        else
            plot_put(plot, spread.x, spread.middle);
    }
}

static void paint_measured(const Scene *scene, Plot *plot, Figure *figure)
{
    const Experiment *experiment = scene->experiment;
    const char *y = experiment->value_name ? experiment->value_name : "measured value";
    const char *x = experiment->at_name ? experiment->at_name : "where";
    name(scene, figure, "measured", y,
         "Lines: medians over seeds; bands: from the lowest to the highest.");
    snprintf(plot->x.label, sizeof plot->x.label, "%s", x);
    snprintf(plot->y.label, sizeof plot->y.label, "%s", y);
    plot->y.log = true;
    for (int c = 0; c < scene->cells; c++) {
        const Look look = look_of(scene->cell[c]);
        paint_measured_cell(scene, plot, scene->cell[c], true);
        plot_bands(plot, &look, band_strength(scene));
        paint_measured_cell(scene, plot, scene->cell[c], false);
        plot_lines(plot, &look, scene->cell[c]);
    }
    if (plot->all) dash_measured(scene, plot);
}

/* ---- outlines that were made ---- */

/* Edge number `edge` (0: left, 1: right) of what the cell's first seed made of a class, beside
 * those of the classes before it. */
static void paint_edge(const Scene *scene, Plot *plot, const char *cell, uint64_t at,
                       int edge, double place)
{
    const Made made = made_of(&scene->result->rows, cell, at);
    const int rows = made.count / 2;
    plot_block(plot);
    for (int t = 0; t < rows; t++)
        plot_put(plot, place + made.value[edge * rows + t], rows - t);
}

static void paint_outlines(const Scene *scene, Plot *plot, Figure *figure)
{
    const Experiment *experiment = scene->experiment;
    if (experiment->shown != SHOWN_OUTLINES) return;
    name(scene, figure, "outlines", experiment->value_name,
         "What each cell makes of a class when it goes on from its own rows: the left "
         "and "
         "the right edge, of the first seed.");
    snprintf(plot->x.label, sizeof plot->x.label, "%s", experiment->at_name);
    snprintf(plot->y.label, sizeof plot->y.label, "%s, from the bottom",
             experiment->length_name);
    for (uint64_t at = 0, place = 0; experiment->shown_names[at]; at++) {
        if (!made_of(&scene->result->rows, NULL, at).count) continue;
        for (int c = 0; c < scene->cells; c++)
            for (int edge = 0; edge < 2; edge++) {
                const Look look = look_of(scene->cell[c]);
                paint_edge(scene, plot, scene->cell[c], at, edge, (double)place);
                plot_lines(plot, &look, place || edge ? NULL : scene->cell[c]);
            }
        plot_tic(&plot->x, experiment->shown_names[at], (double)place + 0.5);
        place++;
    }
}

/* ---- the figures of an experiment ---- */

static bool of_any(const Scene *scene)
{
    return scene->lengths > 0;
}

static bool of_numbers(const Scene *scene)
{
    return of_any(scene) && scene->experiment->shown == SHOWN_NUMBERS;
}

static bool of_lengths(const Scene *scene)
{
    return scene->lengths > 1;
}

static bool of_success(const Scene *scene)
{
    return scene->lengths > 1 && experiment_has_success(scene->experiment);
}

static bool of_score(const Scene *scene)
{
    return scene->lengths > 1 && experiment_has_score(scene->experiment);
}

static bool of_one_length(const Scene *scene)
{
    return scene->lengths == 1 && (scene->experiment->shown != SHOWN_NUMBERS ||
                                   !scene_samples(scene, NULL, NUMBERS_MEASURED));
}

static const struct {
    bool (*asked)(const Scene *scene);
    void (*paint)(const Scene *scene, Plot *plot, Figure *figure);
} kinds[] = {
    {of_numbers, paint_measured}, {of_any, paint_outlines},
    {of_success, paint_success},  {of_score, paint_scores},
    {of_lengths, paint_losses},   {of_one_length, paint_bars},
    {of_any, paint_longest},      {of_lengths, paint_shortest},
};

enum { KINDS = sizeof kinds / sizeof *kinds };
_Static_assert(KINDS <= FIGURES_MAX, "an experiment may have a figure of each kind");

static bool scene_draw(const Scene *scene, const char *folder,
                       Figure figure[FIGURES_MAX], int *count, WeftError *err)
{
    bool good = true;
    Plot plot;
    for (int k = 0; good && k < KINDS; k++) {
        Figure *next = &figure[*count];
        if (!kinds[k].asked(scene)) continue;
        if (!plot_open(&plot, err)) return false;
        kinds[k].paint(scene, &plot, next);
        if (plot.all) {
            good = plot_write(&plot, folder, next->name, err);
            ++*count;
        }
        plot_close(&plot);
    }
    return good;
}

bool figures_draw(const Result *result, const char *folder, Figure figure[FIGURES_MAX],
                  int *count, WeftError *err)
{
    Scene scene;
    *count = 0;
    if (!scene_open(&scene, result, err)) return false;
    const bool good = scene_draw(&scene, folder, figure, count, err);
    scene_close(&scene);
    return good;
}

/* ---- the mission in one figure ---- */

/* Neighbouring lengths stand together: each experiment has its own, and alone each would
 * be a point of its own. 50, 100 and 200 are in the middle of theirs. */
#define BINS     24
#define BIN_ZERO (25.0 / 16)

static int bin_of(double length)
{
    int bin = 0;
    for (double end = BIN_ZERO * 1.414; length >= end && bin < BINS - 1; end *= 2)
        bin++;
    return bin;
}

/* Shares of experiments at the lengths of a bin. */
typedef struct Bin {
    double share, length; /* sums */
    int count;
} Bin;

static bool is_of_mission(const Experiment *experiment)
{
    return experiment->dependency && experiment_has_success(experiment);
}

/* Of one experiment: each length counts alike, with a mark of its own. */
static void mission_add(const Scene *scene, const char *cell, int c, Plot *plot,
                        Bin bin[BINS])
{
    const int count = scene_samples(scene, cell, SUCCESSES);
    Spread spread;
    for (int i = 0; i < count;) {
        i = spread_next(scene->sample, count, i, &spread);
        Bin *at = &bin[bin_of(spread.x)];
        at->share += spread.mean;
        at->length += spread.x;
        at->count++;
        plot_put(plot, beside(spread.x, c, 3), above(spread.mean, c, 3));
    }
}

static bool mission_cell(const Result *result, int results, const char *cell, int c,
                         Plot *plot, WeftError *err)
{
    const Look look = look_of(cell);
    Bin bin[BINS] = {{0}};
    Scene scene;
    plot_block(plot);
    for (int r = 0; r < results; r++) {
        if (!is_of_mission(result[r].experiment)) continue;
        if (!scene_open(&scene, &result[r], err)) return false;
        mission_add(&scene, cell, c, plot, bin);
        scene_close(&scene);
    }
    plot_points(plot, &look, 0.45, NULL);
    plot_block(plot);
    for (int b = 0; b < BINS; b++)
        if (bin[b].count)
            plot_put(plot, beside(bin[b].length / bin[b].count, c, 3),
                     above(bin[b].share / bin[b].count, c, 3));
    plot_lines(plot, &look, cell);
    return true;
}

static void mission_axes(Plot *plot)
{
    snprintf(plot->x.label, sizeof plot->x.label, "length of the dependency (steps)");
    snprintf(plot->y.label, sizeof plot->y.label, "trainings that succeed (%%)");
    percent_axis(&plot->y);
    plot->x.log = true;
}

static void mission_tics(Plot *plot)
{
    char text[32];
    for (double ten = 1; ten < 1e7; ten *= 10)
        for (int i = 0; i < 3; i++) {
            const double length = ten * (int[]){1, 2, 5}[i];
            if (length * 1.3 < plot->x.low || length > plot->x.high * 1.3) continue;
            snprintf(text, sizeof text, "%.0f", length);
            plot_tic(&plot->x, text, length);
        }
}

bool figure_mission(const Result *result, int results, const char *folder,
                    Figure *figure, int *count, WeftError *err)
{
    static const char *const cell[] = {"rnn", "lstm", "gru"};
    Plot plot;
    bool good = plot_open(&plot, err);
    *count = 0;
    if (!good) return false;
    *figure = (Figure){
        "mission", "success against the length of the dependency",
        "Trainings that succeed, as each experiment says, against the length "
        "over which they must remember. Small marks: each experiment at each of its "
        "lengths; lines: means over the experiments, neighbouring "
        "lengths together."};
    mission_axes(&plot);
    for (int c = 0; good && c < 3; c++)
        good = mission_cell(result, results, cell[c], c, &plot, err);
    if (good && plot.all) {
        mission_tics(&plot);
        good = plot_write(&plot, folder, figure->name, err);
        *count = 1;
    }
    plot_close(&plot);
    return good;
}

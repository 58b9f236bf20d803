/* scene.c: see scene.h. */
#include "scene.h"

#include "look.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- what there is ---- */

static bool is_training(const Row *row)
{
    return !row_is_baseline(row) && !row_is_measured(row);
}

/* Ascending; a value that finds no room stays out. */
static void add_number(uint64_t *list, int *count, int room, uint64_t value)
{
    int at = 0;
    while (at < *count && list[at] < value) at++;
    if (*count == room || (at < *count && list[at] == value)) return;
    memmove(list + at + 1, list + at, (size_t)(*count - at) * sizeof *list);
    list[at] = value;
    ++*count;
}

static void add_cell(Scene *scene, const char *cell)
{
    int at = scene->cells;
    for (int i = 0; i < scene->cells; i++)
        if (!strcmp(scene->cell[i], cell)) return;
    if (scene->cells == CELLS_MAX) return;
    while (at && look_of(scene->cell[at - 1]).rank > look_of(cell).rank) at--;
    memmove(scene->cell + at + 1, scene->cell + at,
            (size_t)(scene->cells++ - at) * sizeof *scene->cell);
    scene->cell[at] = cell;
}

void scene_close(Scene *scene)
{
    free(scene->sample);
    free(scene->place);
}

bool scene_open(Scene *scene, const Result *result, WeftError *err)
{
    *scene = (Scene){.result = result, .experiment = result->experiment};
    const size_t room = (size_t)result->rows.count + 1;
    scene->sample = calloc(room, sizeof *scene->sample);
    scene->place = calloc(room, sizeof *scene->place);
    if (!scene->sample || !scene->place) {
        scene_close(scene);
        return fail(err, "out of memory");
    }
    for (int i = 0; i < result->rows.count; i++) {
        const Row *row = &result->rows.row[i];
        if (row_is_baseline(row)) continue;
        add_cell(scene, row->cell);
        if (is_training(row))
            add_number(scene->length, &scene->lengths, NUMBERS_MAX, row->length);
    }
    return true;
}

/* ---- samples, and their spread ---- */

static bool shows(const Row *row, What what)
{
    return what == NUMBERS_MEASURED ? row_is_measured(row) : row_is_last(row);
}

double row_number(const Experiment *experiment, const Row *row, What what)
{
    if (what == SUCCESSES) return row_succeeds(experiment, row) ? 100 : 0;
    if (what == SCORES) return experiment->score_name ? row->score : 100 * row->score;
    return row->loss;
}

static int by_x_and_y(const void *a, const void *b)
{
    const Sample *s = a, *t = b;
    return s->x != t->x ? (s->x > t->x) - (s->x < t->x) : (s->y > t->y) - (s->y < t->y);
}

int scene_samples(const Scene *scene, const char *cell, What what)
{
    int count = 0;
    for (int i = 0; i < scene->result->rows.count; i++) {
        const Row *row = &scene->result->rows.row[i];
        if (!shows(row, what) || (cell && strcmp(row->cell, cell))) continue;
        const double value = row_number(scene->experiment, row, what);
        scene->sample[count++] =
            (Sample){(double)(row_is_measured(row) ? row->at : row->length),
                     isnan(value) ? HUGE_VAL : value};
    }
    qsort(scene->sample, (size_t)count, sizeof *scene->sample, by_x_and_y);
    return count;
}

int spread_next(const Sample *sample, int count, int at, Spread *spread)
{
    int end = at;
    double sum = 0;
    for (; end < count && sample[end].x == sample[at].x; end++) sum += sample[end].y;
    const int n = end - at;
    const double low = sample[at + (n - 1) / 2].y, high = sample[at + n / 2].y;
    *spread = (Spread){.x = sample[at].x,
                       .low = sample[at].y,
                       .middle = low / 2 + high / 2,
                       .high = sample[end - 1].y,
                       .mean = sum / n};
    return end;
}

/* ---- curves ---- */

static bool is_of(const Curve *curve, const Row *row)
{
    return is_training(row) && row->length == curve->length &&
           !strcmp(row->cell, curve->cell);
}

Curve curve_of(const Scene *scene, const char *cell, uint64_t length)
{
    Curve curve = {.rows = &scene->result->rows, .cell = cell, .length = length};
    for (int i = 0; i < curve.rows->count; i++) {
        const Row *row = &curve.rows->row[i];
        if (!is_of(&curve, row)) continue;
        add_number(curve.seed, &curve.seeds, NUMBERS_MAX, row->seed);
        add_number(curve.step, &curve.steps, STEPS_MAX, row->step);
    }
    return curve;
}

/* The loss of a seed at an update: its last row up to there; NAN before the first. */
static double loss_at(const Curve *curve, uint64_t seed, uint64_t step)
{
    double loss = NAN;
    uint64_t best = 0;
    for (int i = 0; i < curve->rows->count; i++) {
        const Row *row = &curve->rows->row[i];
        if (!is_of(curve, row) || row->seed != seed || row->step > step ||
            row->step < best)
            continue;
        best = row->step;
        loss = row->loss;
    }
    return loss;
}

bool curve_spread(const Curve *curve, uint64_t step, Spread *spread)
{
    Sample sample[NUMBERS_MAX];
    int n = 0;
    for (int i = 0; i < curve->seeds; i++) {
        sample[n] = (Sample){(double)step, loss_at(curve, curve->seed[i], step)};
        n += isfinite(sample[n].y);
    }
    if (!n) return false;
    qsort(sample, (size_t)n, sizeof *sample, by_x_and_y);
    spread_next(sample, n, 0, spread);
    return true;
}

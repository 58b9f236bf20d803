/* verdict.c: see verdict.h. */
#include "verdict.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define VALUES_MAX 256 /* of a claim */

const char *const ruling_names[] = {"holds", "fails", "incomplete"};

/* Of an experiment that measures, claims are about where it did. A baseline is of every
 * length. */
static bool is_of(const Experiment *experiment, const Row *row, const char *cell,
                  uint64_t length)
{
    if (strcmp(row->cell, cell)) return false;
    if (row_is_baseline(row)) return true;
    return experiment_is_measured(experiment)
               ? row_is_measured(row) && row->at == length
               : row_is_last(row) && row->length == length;
}

static double value_of(const Experiment *experiment, const Row *row, Of of)
{
    const WeftScore test = {.loss = row->loss, .accuracy = row->score};
    switch (of) {
    case LOSS: return row->loss;
    case SCORE: return row->score;
    case UPDATES:
        return experiment_solves(experiment, &test) ? (double)row->step : HUGE_VAL;
    default: return row_succeeds(experiment, row);
    }
}

/* Ascending; their number. */
static int values_of(const Experiment *experiment, const Rows *rows, const char *cell,
                     uint64_t length, Of of, double *value, int room)
{
    int count = 0;
    for (int i = 0; i < rows->count && count < room; i++)
        if (is_of(experiment, &rows->row[i], cell, length))
            value[count++] = value_of(experiment, &rows->row[i], of);
    loss_median(value, count); /* sorts */
    return count;
}

static double middle(const Claim *claim, double *value, int count)
{
    double sum = 0;
    if (claim->over != MEAN_SEED) return loss_median(value, count);
    for (int i = 0; i < count; i++) sum += value[i];
    return sum / count;
}

static uint64_t against_length(const Claim *claim)
{
    return (uint64_t)(claim->against_length ? claim->against_length : claim->length);
}

/* What the claim's values are held against; false: no rows yet. */
static bool reference(const Experiment *experiment, const Claim *claim,
                      const Rows *rows, double *value)
{
    double all[VALUES_MAX];
    *value = claim->ratio ? 1 : 0;
    if (!claim->against) return true;
    const int count = values_of(experiment, rows, claim->against, against_length(claim),
                                claim->of, all, VALUES_MAX);
    if (count) *value = middle(claim, all, count);
    return count > 0;
}

static double compared(const Claim *claim, double value, double with)
{
    return claim->ratio ? value / with : value - with;
}

static bool inside(const Claim *claim, double value, double with)
{
    const double x = compared(claim, value, with);
    return x >= claim->low && x <= claim->high;
}

static int inside_count(const Claim *claim, const double *value, int count, double with)
{
    int n = 0;
    for (int i = 0; i < count; i++) n += inside(claim, value[i], with);
    return n;
}

static Ruling rule(const Claim *claim, double *value, int count, int expected,
                   double with)
{
    const int good = inside_count(claim, value, count, with);
    if (claim->over == EVERY_SEED && good < count) return FAILS;
    if (claim->over == SOME_SEED && good) return HOLDS;
    if (count < expected || !count) return INCOMPLETE;
    if (claim->over == EVERY_SEED) return HOLDS;
    if (claim->over == SOME_SEED) return FAILS;
    return inside(claim, middle(claim, value, count), with) ? HOLDS : FAILS;
}

static const char *const of_names[] = {"", "", " updates", " of the seeds"};

static void tell(const Claim *claim, double *value, int count, double with, char *text,
                 size_t size)
{
    text[0] = 0;
    if (!count) {
        snprintf(text, size, "not run");
        return;
    }
    const char *what = claim->over == MEAN_SEED ? "mean" : "median";
    const double mid = middle(claim, value, count);
    if (claim->against) {
        append(text, size,
               claim->ratio ? "%.4g times (%s %.4g, %s" : "%+.4f (%s %.4f, %s",
               compared(claim, mid, with), what, mid, claim->against);
        if (claim->against_length) append(text, size, " at %d", claim->against_length);
        append(text, size, " %.4g)", with);
        return;
    }
    if (claim->over >= MEDIAN_SEED) {
        append(text, size, "%.4g%s", mid, of_names[claim->of]);
        if (count > 1) append(text, size, " (%s of %d seeds)", what, count);
        return;
    }
    append(text, size, "%d of %d seeds:", inside_count(claim, value, count, with),
           count);
    for (int i = 0; i < count && i < 10; i++) append(text, size, " %.4g", value[i]);
}

static bool in_grid(const Experiment *experiment, int length)
{
    for (int i = 0; i < experiment->grid.lengths.count; i++)
        if (experiment->grid.lengths.item[i] == (uint64_t)length) return true;
    return experiment_is_measured(experiment); /* at every length */
}

/* Trainings that a median needs: the seeds of the short size. */
static int seeds_of(const Experiment *experiment, const char *cell, const Rows *rows)
{
    for (int i = 0; i < rows->count; i++)
        if (row_is_baseline(&rows->row[i]) && !strcmp(rows->row[i].cell, cell))
            return 1;
    return experiment->grid.seeds.count;
}

Verdict claim_judge(const Experiment *experiment, const Claim *claim, const Rows *rows)
{
    double value[VALUES_MAX], with;
    const uint64_t length = (uint64_t)claim->length;
    const int count =
        values_of(experiment, rows, claim->cell, length, claim->of, value, VALUES_MAX);
    const bool have = reference(experiment, claim, rows, &with);
    Verdict verdict = {.as_declared = true,
                       .asked = count || in_grid(experiment, claim->length)};
    const int seeds = seeds_of(experiment, claim->cell, rows);
    verdict.ruling = have ? rule(claim, value, count, seeds, with) : INCOMPLETE;
    tell(claim, value, have ? count : 0, with, verdict.ours, sizeof verdict.ours);
    for (int i = 0; i < rows->count; i++) {
        const Row *row = &rows->row[i];
        if (is_of(experiment, row, claim->cell, length) ||
            (claim->against &&
             is_of(experiment, row, claim->against, against_length(claim))))
            verdict.as_declared &= row_is_baseline(row) || strcmp(row->size, SIZE_OWN);
    }
    return verdict;
}

void tally_add(Tally *tally, const Tally *more)
{
    for (int i = 0; i < 3; i++) tally->ruling[i] += more->ruling[i];
    tally->asked += more->asked;
}

Tally claims_tally(const Experiment *experiment, const Claim *claims, const Rows *rows)
{
    Tally tally = {{0}, 0};
    for (const Claim *c = claims; c && c->name; c++) {
        const Verdict verdict = claim_judge(experiment, c, rows);
        tally.ruling[verdict.ruling] += verdict.asked;
        tally.asked += verdict.asked;
    }
    return tally;
}

Ruling tally_ruling(const Tally *tally)
{
    if (tally->ruling[FAILS]) return FAILS;
    return tally->ruling[INCOMPLETE] || !tally->asked ? INCOMPLETE : HOLDS;
}

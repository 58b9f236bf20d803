/* verdict.c: see verdict.h. */
#include "verdict.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const ruling_names[] = {"holds", "fails", "incomplete"};

static bool is_last_of(const Row *row, const char *cell, uint64_t length)
{
    return row_is_last(row) && row->length == length && !strcmp(row->cell, cell);
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    if (isnan(x) || isnan(y)) return isnan(x) - isnan(y); /* diverged: the worst */
    return (x > y) - (x < y);
}

int last_losses(const Rows *rows, const char *cell, uint64_t length, double *loss,
                int room)
{
    int count = 0;
    for (int i = 0; i < rows->count && count < room; i++)
        if (is_last_of(&rows->row[i], cell, length)) loss[count++] = rows->row[i].loss;
    qsort(loss, (size_t)count, sizeof *loss, ascending);
    return count;
}

static double median(const double *loss, int count)
{
    return count % 2 ? loss[count / 2] : (loss[count / 2 - 1] + loss[count / 2]) / 2;
}

/* What the claim's losses are held against; false: no rows yet. */
static bool reference(const Claim *claim, const Rows *rows, double *value)
{
    double loss[LOSSES_MAX];
    *value = 0;
    if (!claim->against) return true;
    const int count =
        last_losses(rows, claim->against, (uint64_t)claim->length, loss, LOSSES_MAX);
    if (count) *value = median(loss, count);
    for (int i = 0; !count && i < rows->count; i++) {
        const Row *row = &rows->row[i];
        if (strcmp(row->state, STATE_BASELINE) || strcmp(row->cell, claim->against))
            continue;
        *value = row->loss;
        return true;
    }
    return count > 0;
}

static bool declared(const Experiment *experiment, const Row *row)
{
    char command[1024];
    snprintf(command, sizeof command,
             "weft run %s --cell '%s' --length %" PRIu64 " --seed %" PRIu64,
             experiment->name, row->cell, row->length, row->seed);
    const size_t n = strlen(command);
    if (strncmp(row->command, command, n)) return false;
    return !row->command[n] || !strncmp(row->command + n, " --file ", 8);
}

static Ruling rule(const Claim *claim, const double *loss, int count, int expected,
                   double less)
{
    int inside = 0;
    for (int i = 0; i < count; i++)
        inside += loss[i] - less >= claim->low && loss[i] - less <= claim->high;
    const bool enough = count >= expected && count > 0;
    if (claim->over == EVERY_SEED && inside < count) return FAILS;
    if (claim->over == SOME_SEED && inside) return HOLDS;
    if (!enough) return INCOMPLETE;
    if (claim->over == EVERY_SEED) return HOLDS;
    if (claim->over == SOME_SEED) return FAILS;
    const double middle = median(loss, count) - less;
    return middle >= claim->low && middle <= claim->high ? HOLDS : FAILS;
}

static void tell(const Claim *claim, const double *loss, int count, double less,
                 char *text, size_t size)
{
    text[0] = 0;
    if (!count) {
        snprintf(text, size, "not run");
        return;
    }
    if (claim->against) {
        append(text, size, "%+.4f (median %.4f, %s %.4f)", median(loss, count) - less,
               median(loss, count), claim->against, less);
        return;
    }
    int inside = 0;
    for (int i = 0; i < count; i++)
        inside += loss[i] >= claim->low && loss[i] <= claim->high;
    append(text, size, "%d of %d seeds:", inside, count);
    for (int i = 0; i < count && i < 10; i++) append(text, size, " %.4g", loss[i]);
}

static bool in_grid(const Experiment *experiment, int length)
{
    for (int i = 0; i < experiment->grid.lengths.count; i++)
        if (experiment->grid.lengths.item[i] == (uint64_t)length) return true;
    return false;
}

Verdict claim_judge(const Experiment *experiment, const Claim *claim, const Rows *rows)
{
    double loss[LOSSES_MAX], less;
    const uint64_t length = (uint64_t)claim->length;
    const int count = last_losses(rows, claim->cell, length, loss, LOSSES_MAX);
    const bool have = reference(claim, rows, &less);
    Verdict verdict = {.as_declared = true,
                       .asked = count || in_grid(experiment, claim->length)};
    verdict.ruling = have ? rule(claim, loss, count, experiment->grid.seeds.count, less)
                          : INCOMPLETE;
    tell(claim, loss, have ? count : 0, less, verdict.ours, sizeof verdict.ours);
    for (int i = 0; i < rows->count; i++)
        if (is_last_of(&rows->row[i], claim->cell, length) ||
            (claim->against && is_last_of(&rows->row[i], claim->against, length)))
            verdict.as_declared &= declared(experiment, &rows->row[i]);
    return verdict;
}

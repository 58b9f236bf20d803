/* rows.c: see rows.h. */
#include "rows.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* ---- the median of losses ---- */

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    if (isnan(x) || isnan(y)) return isnan(x) - isnan(y); /* diverged: the worst */
    return (x > y) - (x < y);
}

double loss_median(double *loss, int count)
{
    if (!count) return NAN;
    qsort(loss, (size_t)count, sizeof *loss, ascending);
    return count % 2 ? loss[count / 2] : (loss[count / 2 - 1] + loss[count / 2]) / 2;
}

/* ---- one run to a folder ---- */

bool rows_lock(const char *folder, int *lock, WeftError *err)
{
    *lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*lock < 0) return fail(err, "%s: %s", folder, strerror(errno));
    if (!flock(*lock, LOCK_EX | LOCK_NB) || errno != EWOULDBLOCK)
        return true; /* a file system without locks has none to respect */
    close(*lock);
    *lock = -1;
    return fail(err, "%s: another weft run is writing there (--out names another)",
                folder);
}

/* ---- writing ---- */

static void put_TEXT(FILE *file, const char *value)
{
    fputs(value, file);
}

static void put_COUNT(FILE *file, uint64_t value)
{
    fprintf(file, "%llu", (unsigned long long)value);
}

static void put_NUMBER(FILE *file, double value)
{
    fprintf(file, "%.9g", value);
}

static void header_put(FILE *file)
{
    const char *separator = "";
#define ITEM(name, type)                                                               \
    fprintf(file, "%s%s", separator, #name);                                           \
    separator = "\t";
    ROW_LIST(ITEM)
#undef ITEM
    fputc('\n', file);
}

static void row_put(FILE *file, const Row *row)
{
    const char *separator = "";
#define ITEM(name, type)                                                               \
    fputs(separator, file);                                                            \
    put_##type(file, row->name);                                                       \
    separator = "\t";
    ROW_LIST(ITEM)
#undef ITEM
    fputc('\n', file);
}

bool row_append(const char *path, const Row *row, WeftError *err)
{
    FILE *file = fopen(path, "a");
    if (!file) return fail(err, "%s: %s", path, strerror(errno));
    row_put(file, row);
    return !fclose(file) || fail(err, "%s: %s", path, strerror(errno));
}

bool rows_rewrite(const char *path, const Rows *rows,
                  bool (*keep)(const void *context, const Row *row),
                  const void *context, WeftError *err)
{
    char beside[4096];
    snprintf(beside, sizeof beside, "%s.%ld.part", path, (long)getpid());
    FILE *file = fopen(beside, "w");
    if (!file) return fail(err, "%s: %s", beside, strerror(errno));
    header_put(file);
    for (int i = 0; i < rows->count; i++)
        if (keep(context, &rows->row[i])) row_put(file, &rows->row[i]);
    bool good = !fflush(file) && !fsync(fileno(file));
    good = !fclose(file) && good;
    if (good && !rename(beside, path)) return true;
    fail(err, "%s: %s", path, strerror(errno));
    unlink(beside);
    return false;
}

/* ---- reading ---- */

static bool get_TEXT(const char *field, const char **value)
{
    *value = field;
    return true;
}

static bool get_COUNT(const char *field, uint64_t *value)
{
    char *end;
    *value = strtoull(field, &end, 10);
    return *field >= '0' && *field <= '9' && !*end;
}

static bool get_NUMBER(const char *field, double *value)
{
    char *end;
    *value = strtod(field, &end); /* nan and inf are losses that happen */
    return end != field && !*end;
}

static bool row_parse(char *line, Row *row)
{
    const char *field;
#define ITEM(name, type)                                                               \
    if (!(field = strsep(&line, "\t")) || !get_##type(field, &row->name)) return false;
    ROW_LIST(ITEM)
#undef ITEM
    return !line;
}

#define NAME(name, type) "\t" #name
static bool is_header(const char *line)
{
    const char *names = "" ROW_LIST(NAME);
    return !strcmp(line, names + 1);
}
#undef NAME

/* The whole file, ended by a zero; empty when there is none. */
static char *slurp(const char *path, WeftError *err)
{
    FILE *file = fopen(path, "r");
    if (!file && errno == ENOENT) return calloc(1, 1);
    char *text = NULL;
    size_t size = 0;
    ssize_t got = -1;
    if (file) {
        errno = 0;
        got = getdelim(&text, &size, 0, file);
        const bool good = got >= 0 || feof(file);
        fclose(file);
        if (good && got < 0) {
            free(text);
            return calloc(1, 1);
        }
    }
    if (got >= 0) return text;
    free(text);
    fail(err, "%s: %s", path, strerror(errno));
    return NULL;
}

bool rows_read(const char *path, Rows *rows, WeftError *err)
{
    *rows = (Rows){.text = slurp(path, err)};
    if (!rows->text) return false;
    int lines = 0;
    for (const char *at = rows->text; (at = strchr(at, '\n')); at++) lines++;
    rows->row = calloc((size_t)lines + 1, sizeof *rows->row);
    if (!rows->row) {
        rows_close(rows);
        return fail(err, "out of memory");
    }
    char *rest = rows->text;
    for (int i = 0; i < lines || (i == 0 && *rest); i++) {
        char *line = strsep(&rest, "\n");
        if (i ? !row_parse(line, &rows->row[rows->count++]) : !is_header(line)) {
            rows_close(rows);
            return fail(err, "%s: line %d: not a row of weft run", path, i + 1);
        }
    }
    rows->all = rows->count;
    return true;
}

void rows_close(Rows *rows)
{
    free(rows->row);
    free(rows->text);
}

bool row_succeeds(const Experiment *experiment, const Row *row)
{
    const WeftScore test = {.loss = row->loss, .accuracy = row->score};
    return experiment_solves(experiment, &test) ||
           row->loss < experiment_success_loss(experiment, (int)row->length);
}

/* ---- the group and the rate that count ---- */

bool row_is_alike(const Row *a, const Row *b)
{
    return a->length == b->length && !strcmp(a->cell, b->cell) &&
           !strcmp(a->group, b->group) && !row_is_baseline(a) && !row_is_baseline(b);
}

Standing rows_standing(const Rows *rows, const Row *as, double rate, double *loss)
{
    Standing s = {.rate = rate};
    for (int i = 0; i < rows->all; i++) {
        const Row *row = &rows->row[i];
        if (!row_is_last(row) || !row_is_alike(row, as) || row->rate != rate) continue;
        s.solved += !strcmp(row->state, STATE_SOLVED);
        loss[s.runs++] = row->validation;
    }
    s.middle = loss_median(loss, s.runs);
    return s;
}

static bool is_better(const Standing *a, const Standing *b)
{
    if (!a->runs || !b->runs) return a->runs > 0;
    const int64_t left = (int64_t)a->solved * b->runs,
                  right = (int64_t)b->solved * a->runs;
    if (left != right) return left > right;
    if (a->runs != b->runs) return a->runs > b->runs;
    return a->middle < b->middle || (isnan(b->middle) && !isnan(a->middle));
}

/* Of equals, the first in the rows. */
static double best_rate(const Rows *rows, const Row *as, double *loss)
{
    Standing best = {.rate = NAN};
    for (int i = 0; i < rows->all; i++) {
        const Row *row = &rows->row[i];
        if (!row_is_alike(row, as) || row->rate == best.rate) continue;
        const Standing other = rows_standing(rows, as, row->rate, loss);
        if (isnan(best.rate) || is_better(&other, &best)) best = other;
    }
    return best.rate;
}

static int trainings(const Rows *rows, const char *group)
{
    int count = 0;
    for (int i = 0; i < rows->all; i++)
        count += row_is_last(&rows->row[i]) && !strcmp(rows->row[i].group, group);
    return count;
}

/* NULL when there are no rows. */
static const char *best_group(const Rows *rows)
{
    const char *best = NULL;
    int most = 0;
    for (int i = rows->all; i-- > 0;) {
        const char *const group = rows->row[i].group;
        if (best && !strcmp(best, group)) continue;
        const int count = trainings(rows, group);
        if (best && count <= most) continue;
        best = group;
        most = count;
    }
    return best;
}

/* Whether the row's rate counts: asked of a row before it, or found. */
static bool counts(const Rows *rows, int i, const bool *before, double *loss)
{
    const Row *row = &rows->row[i];
    if (row_is_baseline(row)) return true;
    for (int j = 0; j < i; j++)
        if (row_is_alike(&rows->row[j], row) && rows->row[j].rate == row->rate)
            return before[j];
    return best_rate(rows, row, loss) == row->rate;
}

bool rows_choose(Rows *rows, WeftError *err)
{
    const size_t n = (size_t)rows->all + 1;
    bool *good = calloc(n, sizeof *good);
    double *loss = calloc(n, sizeof *loss);
    Row *order = calloc(n, sizeof *order);
    if (!good || !loss || !order) {
        free(good);
        free(loss);
        free(order);
        return fail(err, "out of memory");
    }
    const char *const group = best_group(rows);
    int at = 0;
    for (int i = 0; i < rows->all; i++)
        good[i] = !strcmp(rows->row[i].group, group) && counts(rows, i, good, loss);
    for (int i = 0; i < rows->all; i++)
        if (good[i]) order[at++] = rows->row[i];
    rows->count = at;
    for (int i = 0; i < rows->all; i++)
        if (!good[i]) order[at++] = rows->row[i];
    free(rows->row);
    rows->row = order;
    free(good);
    free(loss);
    return true;
}

Made made_of(const Rows *rows, const char *cell, uint64_t at)
{
    Made made = {0};
    const Row *first = NULL;
    for (int i = 0; i < rows->count; i++) {
        const Row *row = &rows->row[i];
        if (strcmp(row->state, STATE_MEASURED) || (cell && strcmp(row->cell, cell)))
            continue;
        if (!first) first = row;
        if (row->seed != first->seed || strcmp(row->cell, first->cell)) continue;
        if (row->at == at && made.count < MEASURED_MAX)
            made.value[made.count++] = row->loss;
    }
    return made;
}

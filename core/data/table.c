/* table.c: CSV (RFC 4180) with a header line; columns become numbers when asked for. */
#include "table.h"

#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "text.h"

typedef struct Cells {
    size_t *start; /* [count]: of each field in the text, by rows, the header first */
    size_t count, room;
} Cells;

struct WeftTable {
    char *origin;
    char *text;  /* the fields, without their quotes, each ended by NUL */
    Cells cells; /* [1 + rows][columns] */
    Cells lines; /* [1 + rows]: line of the file, from 1 */
    int columns;
    char **names;    /* [columns] and NULL */
    double **values; /* [columns][rows], NULL until asked for */
};

/* Reads from `at` and writes fields to `out`, which never gets ahead: a field's NUL
 * takes the place of the comma or newline after it. */
typedef struct Reader {
    WeftTable *table;
    const char *at, *end;
    char *out;
    char comma;
    size_t line;
} Reader;

static bool table_memory(const WeftTable *table, Error *err)
{
    return error(err, "%s: out of memory", table->origin);
}

static bool cells_add(Cells *cells, size_t value)
{
    if (cells->count == cells->room) {
        const size_t room = cells->room ? cells->room * 2 : 64;
        size_t *const more = realloc(cells->start, room * sizeof *more);
        if (!more) return false;
        cells->start = more;
        cells->room = room;
    }
    cells->start[cells->count++] = value;
    return true;
}

/* ---- fields and lines ---- */

/* Of comma, semicolon and tab, the one that the header has most of. */
static char reader_comma(const Reader *r)
{
    static const char candidates[] = ",;\t";
    size_t count[3] = {0};
    bool quoted = false;
    for (const char *p = r->at; p < r->end && (quoted || (*p != '\n' && *p != '\r'));
         p++) {
        if (*p == '"') quoted = !quoted;
        const char *const found = quoted ? NULL : strchr(candidates, *p);
        if (found) count[found - candidates]++;
    }
    int best = 0;
    for (int i = 1; i < 3; i++)
        if (count[i] > count[best]) best = i;
    return candidates[best];
}

static bool reader_ends_line(const Reader *r)
{
    return r->at == r->end || *r->at == '\n' || *r->at == '\r';
}

static void reader_skip_newline(Reader *r)
{
    if (r->at == r->end) return;
    if (*r->at == '\r' && r->at + 1 < r->end && r->at[1] == '\n') r->at++;
    r->at++;
    r->line++;
}

static bool reader_wrong(const Reader *r, size_t line, const char *what, Error *err)
{
    return error(err, "%s: line %zu: %s", r->table->origin, line, what);
}

static bool reader_quoted(Reader *r, Error *err)
{
    const size_t line = r->line;
    for (r->at++; r->at < r->end; *r->out++ = *r->at++) {
        if (*r->at == '\n') r->line++;
        if (*r->at != '"') continue;
        r->at++; /* the end, or the first of a pair that stands for one */
        if (r->at < r->end && *r->at == '"') continue;
        if (reader_ends_line(r) || *r->at == r->comma) return true;
        return reader_wrong(r, r->line, "text after the quote that ends a field", err);
    }
    return reader_wrong(r, line, "the quote that starts here has no end", err);
}

static bool reader_plain(Reader *r, Error *err)
{
    while (!reader_ends_line(r) && *r->at != r->comma) {
        if (*r->at == '"')
            return reader_wrong(r, r->line,
                                "a quote inside a field that has none around it", err);
        *r->out++ = *r->at++;
    }
    return true;
}

static bool reader_field(Reader *r, Error *err)
{
    WeftTable *const t = r->table;
    if (!cells_add(&t->cells, (size_t)(r->out - t->text))) return table_memory(t, err);
    const bool quoted = r->at < r->end && *r->at == '"';
    return quoted ? reader_quoted(r, err) : reader_plain(r, err);
}

/* One line of the table, which may be several of the file when a field has newlines. */
static bool reader_line(Reader *r, size_t *fields, Error *err)
{
    WeftTable *const t = r->table;
    if (!cells_add(&t->lines, r->line)) return table_memory(t, err);
    for (*fields = 1;; ++*fields) {
        if (!reader_field(r, err)) return false;
        const bool last = reader_ends_line(r);
        if (last)
            reader_skip_newline(r);
        else
            r->at++;
        *r->out++ = '\0'; /* there is room: a comma or newline was just read, or NUL */
        if (last) return true;
    }
}

static bool reader_rows(Reader *r, Error *err)
{
    WeftTable *const t = r->table;
    size_t fields = 0;
    while (r->at < r->end) {
        if (reader_ends_line(r)) { /* an empty line */
            reader_skip_newline(r);
            continue;
        }
        const size_t line = r->line;
        if (!reader_line(r, &fields, err)) return false;
        if (t->columns == 0 && fields < INT_MAX) t->columns = (int)fields;
        if (fields != (size_t)t->columns)
            return error(err, "%s: line %zu: %zu fields, but the header has %d",
                         t->origin, line, fields, t->columns);
    }
    if (t->columns == 0) return error(err, "%s: is empty", t->origin);
    if (t->lines.count < 2) return error(err, "%s: a header and no rows", t->origin);
    return true;
}

/* ---- the table ---- */

static bool table_name_columns(WeftTable *t, Error *err)
{
    t->names = calloc((size_t)t->columns + 1, sizeof *t->names);
    t->values = calloc((size_t)t->columns, sizeof *t->values);
    if (!t->names || !t->values) return table_memory(t, err);
    for (int i = 0; i < t->columns; i++) t->names[i] = t->text + t->cells.start[i];
    return true;
}

static bool table_fill(WeftTable *t, const char *bytes, size_t length, Error *err)
{
    if (!utf8_check(t->origin, bytes, length, err)) return false;
    t->text = malloc(length + 1); /* NUL of a last field that no newline ends */
    if (!t->text) return table_memory(t, err);
    Reader r = {t, bytes + utf8_mark(bytes, length), bytes + length, t->text, ',', 1};
    r.comma = reader_comma(&r);
    return reader_rows(&r, err) && table_name_columns(t, err);
}

bool table_parse(const char *origin, const char *bytes, size_t length,
                 WeftTable **table, Error *err)
{
    WeftTable *const t = calloc(1, sizeof *t);
    if (!t) return error(err, "%s: out of memory", origin);
    t->origin = strdup(origin);
    if (t->origin ? !table_fill(t, bytes, length, err)
                  : !error(err, "%s: out of memory", origin)) {
        weft_table_close(t);
        return false;
    }
    *table = t;
    return true;
}

bool weft_table_open(const char *path, WeftTable **table, WeftError *err)
{
    char *bytes;
    size_t length;
    if (!path || !table)
        return error(err, "weft_table_open needs a path and a place for the table");
    if (!file_read(path, &bytes, &length, err)) return false;
    const bool ok = table_parse(path, bytes, length, table, err);
    free(bytes);
    return ok;
}

void weft_table_close(WeftTable *table)
{
    if (!table) return;
    for (int i = 0; table->values && i < table->columns; i++) free(table->values[i]);
    free(table->values);
    free(table->names);
    free(table->cells.start);
    free(table->lines.start);
    free(table->text);
    free(table->origin);
    free(table);
}

size_t weft_table_rows(const WeftTable *table)
{
    return table->lines.count - 1;
}

int weft_table_columns(const WeftTable *table)
{
    return table->columns;
}

const char *weft_table_name(const WeftTable *table, int column)
{
    return column >= 0 && column < table->columns ? table->names[column] : NULL;
}

const char *weft_table_text(const WeftTable *table, size_t row, int column)
{
    if (row >= weft_table_rows(table) || column < 0 || column >= table->columns)
        return NULL;
    return table->text +
           table->cells.start[(row + 1) * (size_t)table->columns + (size_t)column];
}

/* ---- numbers ---- */

/* A finite decimal number with blanks around it, read alike in every locale. */
static bool table_number(const char *field, locale_t plain, double *value)
{
    static const char blanks[] = " \t";
    field += strspn(field, blanks);
    const size_t length = strspn(field, "+-.0123456789eE"); /* no hex, inf or nan */
    if (length == 0 || field[length + strspn(field + length, blanks)]) return false;
    char *end;
    *value = strtod_l(field, &end, plain);
    return end == field + length && isfinite(*value);
}

static bool table_convert(const WeftTable *t, int column, locale_t plain,
                          double *values, Error *err)
{
    for (size_t i = 0; i < weft_table_rows(t); i++) {
        const char *const field = weft_table_text(t, i, column);
        if (!table_number(field, plain, &values[i]))
            return error(
                err, "%s: line %zu, column %d (%.60s): \"%.60s\" is not a number",
                t->origin, t->lines.start[i + 1], column + 1, t->names[column], field);
    }
    return true;
}

const double *weft_table_values(WeftTable *table, int column, WeftError *err)
{
    if (!table) {
        error(err, "weft_table_values needs a table");
        return NULL;
    }
    if (column < 0 || column >= table->columns) {
        error(err, "%s: column %d of %d", table->origin, column, table->columns);
        return NULL;
    }
    if (table->values[column]) return table->values[column];
    double *values = malloc(weft_table_rows(table) * sizeof *values);
    const locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    const bool ok = values && plain ? table_convert(table, column, plain, values, err)
                                    : table_memory(table, err);
    if (plain) freelocale(plain);
    if (!ok) {
        free(values);
        return NULL;
    }
    return table->values[column] = values;
}

int weft_table_find(const WeftTable *table, const char *name, WeftError *err)
{
    int found = -1;
    if (!table || !name) {
        error(err, "weft_table_find needs a table and a name");
        return -1;
    }
    for (int i = 0; i < table->columns; i++) {
        if (strcmp(table->names[i], name)) continue;
        if (found >= 0) {
            error(err, "%s: columns %d and %d are both named \"%s\"", table->origin,
                  found + 1, i + 1, name);
            return -1;
        }
        found = i;
    }
    if (found >= 0) return found;
    const char *const nearest = weft_nearest(name, (const char *const *)table->names);
    if (nearest)
        error(err, "%s: no column \"%s\"; the nearest is \"%s\"", table->origin, name,
              nearest);
    else
        error(err, "%s: no column \"%s\"; the first is \"%s\"", table->origin, name,
              table->names[0]);
    return -1;
}

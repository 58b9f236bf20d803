/* rates_file.c: rates as text. */
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cell/nearest.h"
#include "data/file.h"
#include "rates.h"

typedef struct Entry {
    const char *name, *text;
    size_t at; /* bytes into Rates */
} Entry;

static const Entry entry[] = {
#define ITEM(name, text) {#name, text, offsetof(Rates, name)},
    RATE_LIST(ITEM)
#undef ITEM
#define ITEM(m)                                                                        \
    {"product/m:" #m, "flops a second of products, m = " #m ", weights in L1",         \
     offsetof(Rates, product[PRODUCT_##m])},
        PRODUCT_ROWS_LIST(ITEM)
#undef ITEM
#define ITEM(name, text)                                                               \
    {"map/" #name, "seconds an element, in L1: " text,                                 \
     offsetof(Rates, map[MAP_##name])},
            MAP_LIST(ITEM)
#undef ITEM
};
enum { ENTRIES = sizeof entry / sizeof *entry };

static double *value_of(Rates *rates, int i)
{
    return (double *)(void *)((char *)rates + entry[i].at);
}

/* ---- reading ---- */

typedef struct Reader {
    const char *origin;
    int line;
    char *rest;        /* of the text */
    int seen[ENTRIES]; /* lines; 0: none yet */
    locale_t plain;
    Rates rates;
} Reader;

static const char blanks[] = " \t\r";

/* The next word of the line, ended by a NUL, or "". */
static char *next_word(char **line)
{
    char *const word = *line + strspn(*line, blanks);
    *line = word + strcspn(word, blanks);
    if (**line) *(*line)++ = 0;
    return word;
}

static bool unknown(const Reader *r, const char *name, Error *err)
{
    const char *names[ENTRIES + 1] = {0};
    char hint[96];
    for (int i = 0; i < ENTRIES; i++) names[i] = entry[i].name;
    return error(err, "%s: line %d: \"%.60s\" is no rate%s", r->origin, r->line, name,
                 nearest_hint(name, names, hint));
}

static bool read_value(const Reader *r, const char *name, const char *word,
                       double *value, Error *err)
{
    const size_t length = strspn(word, "+-.0123456789eE"); /* no hex, inf or nan */
    char *end;
    *value = strtod_l(word, &end, r->plain);
    if (length > 0 && !word[length] && !*end && isfinite(*value) && *value > 0)
        return true;
    return error(err, "%s: line %d: %s is \"%.60s\": expected a number above 0",
                 r->origin, r->line, name, word);
}

static bool read_line(Reader *r, char *line, Error *err)
{
    line[strcspn(line, "#")] = 0;
    const char *const name = next_word(&line), *const value = next_word(&line),
                      *const more = next_word(&line);
    int i = 0;
    if (!*name) return true;
    while (i < ENTRIES && strcmp(name, entry[i].name) != 0) i++;
    if (i == ENTRIES) return unknown(r, name, err);
    if (r->seen[i])
        return error(err, "%s: line %d: %s was given in line %d", r->origin, r->line,
                     name, r->seen[i]);
    if (*more)
        return error(err, "%s: line %d: \"%.60s\" after the value of %s", r->origin,
                     r->line, more, name);
    r->seen[i] = r->line;
    return read_value(r, name, value, value_of(&r->rates, i), err);
}

static bool read_all(Reader *r, char *text, Error *err)
{
    while (text) {
        char *const line = text;
        text = strchr(line, '\n');
        if (text) *text++ = 0;
        r->line++;
        if (!read_line(r, line, err)) return false;
    }
    for (int i = 0; i < ENTRIES; i++)
        if (!r->seen[i])
            return error(err, "%s: %d lines without %s, %s", r->origin, r->line,
                         entry[i].name, entry[i].text);
    return true;
}

bool rates_parse(const char *origin, char *text, size_t length, Rates *rates,
                 Error *err)
{
    Reader r = {.origin = origin};
    if (strlen(text) != length)
        return error(err, "%s: byte %zu is zero: this is no text", origin,
                     strlen(text));
    r.plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!r.plain) return error(err, "%s: out of memory", origin);
    const bool good = read_all(&r, text, err);
    freelocale(r.plain);
    if (good) *rates = r.rates;
    return good;
}

bool rates_read(const char *path, Rates *rates, Error *err)
{
    char *text;
    size_t length;
    if (!file_read(path, &text, &length, err)) return false;
    const bool good = rates_parse(path, text, length, rates, err);
    free(text);
    return good;
}

/* ---- writing ---- */

/* As few digits as tell it from all other numbers. */
static void write_value(double value, FILE *out)
{
    char text[32];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    fprintf(out, "%-22s", text);
}

bool rates_write(const Rates *rates, FILE *out, Error *err)
{
    const locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!plain) return error(err, "out of memory");
    const locale_t before = uselocale(plain); /* numbers with a point */
    for (int i = 0; i < ENTRIES; i++) {
        fprintf(out, "%-16s ", entry[i].name);
        write_value(*value_of((Rates *)rates, i), out);
        fprintf(out, " # %s\n", entry[i].text);
    }
    uselocale(before);
    freelocale(plain);
    return !ferror(out) || error(err, "the rates cannot be written");
}

/* sequences.c: the lines of a file as symbols, by part; see lines.h. */
#include "lines.h"

#include <stdlib.h>
#include <string.h>

static const char *const keys[FIELDS] = {"source", "target"};

typedef struct Sorting {
    const Lines *lines;
    const SequencesHow *how;
    bool all;
} Sorting;

static Part part_of(const Lines *lines, const SequencesHow *how, size_t line)
{
    /* of a class and what it makes, all parts have all classes */
    const int field = how->units[0] == WHOLE;
    return how->split ? line_part(&lines->line[line], field, how->split, how->seed)
                      : TEST;
}

/* Vocabularies are those of the training part, so that nothing leaks from the others. */
static bool is_counted(const void *context, size_t line)
{
    const Sorting *s = context;
    return s->all || part_of(s->lines, s->how, line) == TRAINING;
}

static bool find_vocabularies(Sequences *s, const SequencesHow *how, const WeftNet *net,
                              WeftError *err)
{
    for (int field = 0; field < FIELDS; field++) {
        const Sorting sorting = {&s->lines, how, field == 1 && how->all_seconds};
        Vocabulary *v = &s->vocabulary[field];
        if (!(net ? vocabulary_recall(net, keys[field], v, err)
                  : vocabulary_open(&s->lines, field, how->units[field], is_counted,
                                    &sorting, field ? 0 : how->vocabulary,
                                    field ? 1 : how->least, v, err)))
            return false;
    }
    return true;
}

static int units_of(const Sequences *s, const SequencesHow *how, int field, size_t line)
{
    const int units =
        units_count(s->lines.line[line].field[field], s->vocabulary[field].units);
    return field == 0 && how->longest && units > how->longest ? how->longest : units;
}

static bool find_symbols(Sequences *s, const SequencesHow *how, int field,
                         WeftError *err)
{
    const size_t n = s->lines.count;
    size_t *at = s->at[field] = malloc((n + 1) * sizeof *at);
    if (!at) return fail(err, "out of memory");
    at[0] = 0;
    for (size_t i = 0; i < n; i++) {
        const int units = units_of(s, how, field, i);
        if (units > s->longest[field]) s->longest[field] = units;
        at[i + 1] = at[i] + (size_t)units;
    }
    s->symbol[field] = malloc((at[n] + 1) * sizeof *s->symbol[field]);
    if (!s->symbol[field]) return fail(err, "out of memory");
    for (size_t i = 0; i < n; i++)
        vocabulary_symbols_of(&s->vocabulary[field], s->lines.line[i].field[field],
                              s->symbol[field] + at[i], (int)(at[i + 1] - at[i]));
    return true;
}

static int by_first(const void *a, const void *b, void *context)
{
    const Lines *lines = context;
    const size_t i = *(const size_t *)a, j = *(const size_t *)b;
    const int order = strcmp(lines->line[i].field[0], lines->line[j].field[0]);
    return order ? order : (i > j) - (i < j);
}

static bool find_parts(Sequences *s, const SequencesHow *how, WeftError *err)
{
    for (Part part = 0; part < PARTS; part++) {
        s->item[part] = malloc((s->lines.count + 1) * sizeof *s->item[part]);
        if (!s->item[part]) return fail(err, "out of memory");
    }
    for (size_t i = 0; i < s->lines.count; i++) {
        const Part part = part_of(&s->lines, how, i);
        s->item[part][s->count[part]++] = i;
    }
    for (Part part = 0; part < PARTS; part++)
        qsort_r(s->item[part], s->count[part], sizeof *s->item[part], by_first,
                &s->lines);
    return !how->split || s->count[TRAINING] > 0 ||
           fail(err, "%zu lines: none of them is in the training part", s->lines.count);
}

/* Before any of it is looked at, so that all that is made of it has small letters. */
static void lower(Sequences *s)
{
    for (size_t i = 0; i < s->lines.count; i++) text_lower(s->lines.line[i].field[0]);
}

SequencesHow sequences_how(const DataOptions *options, uint64_t seed, bool saved)
{
    return (SequencesHow){.units = {(Units)options->units},
                          .vocabulary = options->vocabulary,
                          .least = options->least,
                          .longest = options->longest,
                          .lower = options->lower,
                          .split = saved ? NULL : options->split,
                          .seed = options->one_split ? 0 : seed};
}

bool sequences_open(Lines *lines, const SequencesHow *how, const WeftNet *net,
                    Sequences *s, WeftError *err)
{
    *s = (Sequences){.lines = *lines};
    *lines = (Lines){0};
    if (how->lower) lower(s);
    if (find_parts(s, how, err) && find_vocabularies(s, how, net, err) &&
        find_symbols(s, how, 0, err) && find_symbols(s, how, 1, err))
        return true;
    sequences_close(s);
    return false;
}

void sequences_close(Sequences *s)
{
    lines_close(&s->lines);
    for (int field = 0; field < FIELDS; field++) {
        vocabulary_close(&s->vocabulary[field]);
        free(s->symbol[field]);
        free(s->at[field]);
    }
    for (Part part = 0; part < PARTS; part++) free(s->item[part]);
    *s = (Sequences){0};
}

bool sequences_note(const Sequences *s, WeftNet *net, WeftError *err)
{
    for (int field = 0; field < FIELDS; field++)
        if (!vocabulary_note(&s->vocabulary[field], keys[field], net, err))
            return false;
    return true;
}

bool sequences_recall(const WeftNet *net, Vocabulary vocabulary[FIELDS], WeftError *err)
{
    if (!vocabulary_recall(net, keys[0], &vocabulary[0], err)) return false;
    if (vocabulary_recall(net, keys[1], &vocabulary[1], err)) return true;
    vocabulary_close(&vocabulary[0]);
    return false;
}

const int32_t *sequences_get(const Sequences *s, int field, size_t line, int *count)
{
    const size_t *at = &s->at[field][line];
    *count = (int)(at[1] - at[0]);
    return s->symbol[field] + at[0];
}

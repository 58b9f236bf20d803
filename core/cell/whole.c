/* whole.c: what only the whole text of a cell can tell: starts, outputs, what is missing
 * or never used. */
#include "parse_parts.h"

#include <stdlib.h>
#include <string.h>

static void name_at(const Cell *cell, size_t at, char name[CELL_NAME_MAX + 1])
{
    size_t length = 0;
    while (token_is_name(cell->text[at + length])) length++;
    memcpy(name, cell->text + at, length);
    name[length] = 0;
}

static bool resolve_start(Parser *p, Symbol *s)
{
    if (!s->start_at) return true;
    char name[CELL_NAME_MAX + 1], text[96];
    name_at(p->cell, s->start_at, name);
    s->start = names_find(p->cell, name);
    if (s->start < 0)
        return token_fail(p, s->start_at, "'%s' is not declared%s", name,
                          names_hint(p->cell, name, 1u << SYMBOL_PARAM, text));
    Symbol *const start = &p->cell->symbol[s->start];
    if (start->kind != SYMBOL_PARAM)
        return token_fail(p, s->start_at,
                          "a state starts at a number or a parameter; '%s' is %s", name,
                          symbol_kind_name[start->kind]);
    start->used = true;
    return true;
}

static bool resolve_output(Parser *p, int i)
{
    Cell *const cell = p->cell;
    const size_t at = (size_t)cell->output[i];
    char name[CELL_NAME_MAX + 1], text[96];
    name_at(cell, at, name);
    const int found = names_find(cell, name);
    if (found < 0)
        return token_fail(
            p, at, "'%s' is not declared%s", name,
            names_hint(cell, name, 1u << SYMBOL_STATE | 1u << SYMBOL_ASSIGNED, text));
    Symbol *const s = &cell->symbol[found];
    if (s->kind != SYMBOL_STATE && s->kind != SYMBOL_ASSIGNED)
        return token_fail(p, at, "an output is a state or an assigned name; '%s' is %s",
                          name, symbol_kind_name[s->kind]);
    for (int j = 0; j < i; j++)
        if (cell->output[j] == found)
            return token_fail(p, at, "'%s' is listed twice", name);
    s->used = true;
    cell->output[i] = found;
    return true;
}

/* The first state, where no line says. */
static bool default_output(Parser *p)
{
    Cell *const cell = p->cell;
    if (cell->outputs) return true;
    int s = 0;
    while (s < cell->symbols && cell->symbol[s].kind != SYMBOL_STATE) s++;
    if (s == cell->symbols)
        return error(p->err, "%s: a cell needs a state, or an output", cell->origin);
    cell->output = malloc(sizeof *cell->output);
    if (!cell->output) return token_fail_memory(p);
    cell->symbol[s].used = true;
    cell->output[cell->outputs++] = s;
    return true;
}

static bool check_symbol(Parser *p, Symbol *s)
{
    if (s->kind == SYMBOL_STATE && s->root < 0)
        return token_fail(p, s->at, "the state '%s' has no equation: %s' = ...",
                          s->name, s->name);
    const bool must = s->kind == SYMBOL_STATE || s->kind == SYMBOL_PARAM ||
                      s->kind == SYMBOL_ASSIGNED;
    if (must && !s->used) return token_fail(p, s->at, "'%s' is never used", s->name);
    return true;
}

bool parse_whole(Parser *p)
{
    Cell *const cell = p->cell;
    for (int i = CELL_GIVEN; i < cell->symbols; i++)
        if (!resolve_start(p, &cell->symbol[i])) return false;
    for (int i = 0; i < cell->outputs; i++)
        if (!resolve_output(p, i)) return false;
    if (!default_output(p)) return false;
    for (int i = CELL_GIVEN; i < cell->symbols; i++)
        if (!check_symbol(p, &cell->symbol[i])) return false;
    return true;
}

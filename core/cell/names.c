/* names.c: the names of a cell while it is read: known, new, misspelt. */
#include "parse_parts.h"

#include <stdlib.h>
#include <string.h>

#include "nearest.h"

#define SYMBOLS_MAX 1000 /* names of a cell */

const char *const symbol_kind_name[] = {"the input", "a size",      "a const",
                                        "a state",   "a parameter", "an assigned name"};

const char *const cell_keywords[] = {"cell", "size",   "const",  "state", "weight",
                                     "bias", "scalar", "output", NULL};

const Function *names_function(const char *name)
{
    for (const Function *f = cell_functions; f->name; f++)
        if (strcmp(f->name, name) == 0) return f;
    return NULL;
}

static bool is_keyword(const char *name)
{
    for (const char *const *k = cell_keywords; *k; k++)
        if (strcmp(*k, name) == 0) return true;
    return false;
}

int names_find(const Cell *cell, const char *name)
{
    for (int i = 0; i < cell->symbols; i++)
        if (strcmp(cell->symbol[i].name, name) == 0) return i;
    return -1;
}

const char *names_hint(const Cell *cell, const char *name, unsigned kinds,
                       char text[96])
{
    const char *names[SYMBOLS_MAX + 32];
    int count = 0;
    for (int i = 0; i < cell->symbols; i++)
        if (kinds >> cell->symbol[i].kind & 1) names[count++] = cell->symbol[i].name;
    if (kinds >> SYMBOL_INPUT & 1) /* where an input can stand, so can a function */
        for (const Function *f = cell_functions; f->name; f++) names[count++] = f->name;
    names[count] = NULL;
    return nearest_hint(name, names, text);
}

/* The line below here that assigns the name; 0: none. */
static int assigned_below(const Parser *p, const char *name)
{
    const char *line = strchr(p->cell->text + p->token.at, '\n');
    for (; line; line = strchr(line, '\n')) {
        line++;
        const char *at = line + strspn(line, " \t\r");
        const size_t length = strlen(name);
        if (strncmp(at, name, length) != 0) continue;
        at += length;
        at += strspn(at, " \t");
        if (*at == '=') return cell_line(p->cell, (size_t)(line - p->cell->text));
    }
    return 0;
}

bool names_unknown(Parser *p, const Token *t, unsigned kinds)
{
    char text[96];
    const int below = assigned_below(p, t->name);
    if (below)
        return token_fail(p, t->at,
                          "'%s' is read above its equation, which is in line %d",
                          t->name, below);
    return token_fail(p, t->at, "'%s' is not declared%s", t->name,
                      names_hint(p->cell, t->name, kinds, text));
}

int names_add(Parser *p, const char *name, SymbolKind kind, size_t at)
{
    Cell *const cell = p->cell;
    if (cell->symbols == SYMBOLS_MAX) {
        token_fail(p, at, "a cell has at most %d names", SYMBOLS_MAX);
        return -1;
    }
    if (cell->symbols == cell->symbol_room) {
        const int room = cell->symbol_room ? 2 * cell->symbol_room : 32;
        Symbol *const more = realloc(cell->symbol, (size_t)room * sizeof *more);
        if (!more) return token_fail_memory(p), -1;
        cell->symbol = more;
        cell->symbol_room = room;
    }
    Symbol *const s = &cell->symbol[cell->symbols];
    *s = (Symbol){.kind = kind, .at = at, .start = -1, .root = -1};
    s->a_const = s->b_const = s->like = -1;
    memcpy(s->name, name, strlen(name));
    return cell->symbols++;
}

int names_declare(Parser *p, const Token *t, SymbolKind kind)
{
    const int taken = names_find(p->cell, t->name);
    if (names_function(t->name))
        return token_fail(p, t->at, "'%s' is a function, and cannot be a name",
                          t->name),
               -1;
    if (is_keyword(t->name))
        return token_fail(p, t->at, "'%s' begins a declaration, and cannot be a name",
                          t->name),
               -1;
    if (taken >= 0 && taken < CELL_GIVEN)
        return token_fail(p, t->at, "'%s' is given, and cannot be declared", t->name),
               -1;
    if (taken >= 0)
        return token_fail(p, t->at, "'%s' is already %s, declared in line %d", t->name,
                          symbol_kind_name[p->cell->symbol[taken].kind],
                          cell_line(p->cell, p->cell->symbol[taken].at)),
               -1;
    return names_add(p, t->name, kind, t->at);
}

/* parse_parts.h: what parse.c and its parts share, and nobody else.
 *
 *   names.c   names: known, new, misspelt
 *   expr.c    expressions
 *   whole.c   what only the whole text can tell
 *   parse.c   declarations, equations, and the text */
#pragma once

#include "token.h"

extern const char *const symbol_kind_name[]; /* by SymbolKind: "a state" */
extern const char *const cell_keywords[];    /* what begins declarations; NULL ends */

const Function *names_function(const char *name);   /* NULL: none */
int names_find(const Cell *cell, const char *name); /* symbol; -1: none */

/* " (did you mean ...)" for a misspelt name, or ""; kinds: a set of bits 1 << SymbolKind. */
const char *names_hint(const Cell *cell, const char *name, unsigned kinds,
                       char text[96]);
/* The message for a name that is not declared, with its hint; false. */
bool names_unknown(Parser *p, const Token *t, unsigned kinds);

int names_add(Parser *p, const char *name, SymbolKind kind, size_t at); /* -1: full */
/* The token as a new name; -1, with a message, when it is taken. */
int names_declare(Parser *p, const Token *t, SymbolKind kind);

/* Reads an expression: its root in cell->expr; -1: failed, with a message. */
int parse_expr(Parser *p);

/* Looks up starts and outputs; holds states to their equations, and names to a use. */
bool parse_whole(Parser *p);

/* parse.h: the text of a .cell file, read into declarations and equations.
 * The grammar is in README ("the cell language"). */
#pragma once

#include "../error.h"

#define CELL_NAME_MAX 63 /* characters of a name */
#define CELL_AXES_MAX 4
#define CELL_TEXT_MAX ((size_t)1 << 20) /* bytes of a cell */

typedef WeftCell Cell; /* opaque: the syntax tree; knows its text and origin */

/* Grammar, and the rules that need no sizes: names declared before use, each state one
 * equation, other names assigned once, above their use. Message: origin, line, column,
 * what was expected, the nearest declared name, the line with a caret under the place.
 */
bool cell_parse(const char *origin, const char *text, size_t length, Cell **cell,
                Error *err);
void cell_close(Cell *cell);
bool cell_copy(const Cell *cell, Cell **copy,
               Error *err); /* with what cell_set changed */

const char *cell_name(const Cell *cell);
const char *cell_text(const Cell *cell); /* as read, ended by NUL */
const char *cell_origin(const Cell *cell);

/* Overrides a size (whole, >= 1) or const. */
bool cell_set(Cell *cell, const char *name, double value, Error *err);
/* Override i as name and value; false past the last. For saving a model. */
bool cell_get_set(const Cell *cell, int i, const char **name, double *value);

/* builtin.h: the cells of cells/, put into the library by CMake. */
#pragma once

typedef struct Builtin {
    const char *name; /* of the file, without .cell */
    const char *text;
} Builtin;

extern const Builtin builtin_cells[]; /* in alphabetical order; ends with a NULL name */

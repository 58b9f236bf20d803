/* syntax.h: what cell_parse reads and graph_build builds from: names and their
 * equations. */
#pragma once

#include <stdarg.h>

#include "graph.h"

#define CELL_FACTORS_MAX 8         /* of a size: hidden / head * 2 ... */
#define CELL_SIZE_MAX    (1 << 30) /* of an axis, and of all elements of a shape */

typedef struct Factor {
    size_t at; /* in the text */
    bool divide;
    int number;
    int symbol; /* a size; -1: the number */
} Factor;

typedef struct Dim {
    Factor factor[CELL_FACTORS_MAX];
    int factors;
    size_t at, length; /* as spelled in the text; length 0: [hidden] by default */
} Dim;

typedef enum SymbolKind {
    SYMBOL_INPUT, /* x */
    SYMBOL_SIZE,
    SYMBOL_CONST,
    SYMBOL_STATE,
    SYMBOL_PARAM,
    SYMBOL_ASSIGNED
} SymbolKind;

/* A name of the cell. */
typedef struct Symbol {
    char name[CELL_NAME_MAX + 1];
    SymbolKind kind;
    size_t at; /* where it is declared or assigned */
    bool used;

    int axes;
    Dim dim[CELL_AXES_MAX]; /* STATE, PARAM; of a SIZE the first */

    double value;    /* CONST, or what cell_set gave; STATE: where a sequence starts */
    bool set;        /* SIZE, CONST: by cell_set */
    int start;       /* STATE: parameter where a sequence starts; -1: value */
    size_t start_at; /* STATE: where that parameter is named; 0: nowhere */

    ParamKind param;
    InitKind init;
    double a, b;
    int a_const, b_const; /* consts that give a and b; -1: none */
    int like;             /* PARAM: a parameter above that it begins as; -1: none */
    bool negated;         /* a minus stands before it */

    int first,
        root; /* STATE, ASSIGNED: its equation is expr[first .. root]; -1: none */
    size_t equation_at; /* STATE */
} Symbol;

enum { CELL_X, CELL_INPUT, CELL_HIDDEN, CELL_GIVEN }; /* the symbols that are given */

typedef enum ExprKind {
    EXPR_NUMBER,  /* value */
    EXPR_NAME,    /* symbol */
    EXPR_LEAVING, /* symbol' */
    EXPR_PRODUCT, /* symbol (or symbol', when leaving; or transposed) times a */
    EXPR_NEG,
    EXPR_ADD,
    EXPR_SUB,
    EXPR_MUL,
    EXPR_DIV,
    EXPR_CALL /* function of a, b */
} ExprKind;

/* Operands stand before what they are operands of, so that no one need recurse. */
typedef struct Expr {
    ExprKind kind;
    size_t at;
    int axes;
    int a, b;
    double value;
    int symbol;
    bool leaving, transposed;
    const struct Function *function;
} Expr;

struct WeftCell {
    char *origin, *text;
    size_t length;
    char name[CELL_NAME_MAX + 1];
    Symbol *symbol;
    int symbols, symbol_room;
    Expr *expr;
    int exprs, expr_room;
    int *equation; /* symbols in the order of their equations */
    int equations;
    int *output; /* symbols */
    int outputs;
};

/* A function of the language; build.c has the list, ended by a NULL name. */
struct Build;
typedef struct Function {
    const char *name;
    int operands;
    int axes; /* how many more axes the result has */
    Op op;    /* what make may need */
    int (*make)(struct Build *build,
                const Expr *expr); /* the value's node; -1: failed */
} Function;
extern const Function cell_functions[];

/* "origin: line 3, column 7: message", the line, and a caret under the place; false. */
bool cell_error(const Cell *cell, size_t at, Error *err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
bool cell_error_v(const Cell *cell, size_t at, Error *err, const char *format,
                  va_list list);

/* parse.c: the text of a .cell file, line by line, by recursive descent.
 *
 * One token is looked at ahead. Names are looked up as they are read, so that an error
 * points at the first place that is wrong; what may be said below (outputs, starts of
 * states) is looked up at the end. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "init.h"
#include "nearest.h"
#include "parse_parts.h"

/* ---- declarations ---- */

static bool parse_factor_of_size(Parser *p, Factor *f)
{
    const Token t = p->token;
    f->at = t.at;
    f->symbol = -1;
    if (t.kind == TOKEN_NUMBER) {
        if (t.value < 1 || t.value > CELL_SIZE_MAX || floor(t.value) != t.value)
            return token_fail(p, t.at, "a size is a whole number from 1 to %d",
                              CELL_SIZE_MAX);
        f->number = (int)t.value;
    } else if (t.kind == TOKEN_NAME) {
        f->symbol = names_find(p->cell, t.name);
        if (f->symbol < 0) return names_unknown(p, &t, 1u << SYMBOL_SIZE);
        Symbol *const s = &p->cell->symbol[f->symbol];
        if (s->kind != SYMBOL_SIZE)
            return token_fail(p, t.at, "'%s' is %s, not a size", t.name,
                              symbol_kind_name[s->kind]);
        s->used = true;
    } else
        return token_expected(p, "a whole number or the name of a size");
    token_next(p);
    return true;
}

static bool parse_dim(Parser *p, Dim *dim)
{
    *dim = (Dim){.at = p->token.at};
    for (;;) {
        Factor *const f = &dim->factor[dim->factors];
        if (!parse_factor_of_size(p, f)) return false;
        dim->length = f->at - dim->at;
        while (token_is_name(p->cell->text[dim->at + dim->length])) dim->length++;
        dim->factors++;
        const bool divide = p->token.kind == '/';
        if (!divide && p->token.kind != '*') return true;
        if (dim->factors == CELL_FACTORS_MAX)
            return token_fail(p, p->token.at, "a size has at most %d factors",
                              CELL_FACTORS_MAX);
        token_next(p);
        dim->factor[dim->factors].divide = divide;
    }
}

static bool parse_shape(Parser *p, Dim *dim, int *axes)
{
    *axes = 0;
    while (p->token.kind == '[') {
        if (*axes == CELL_AXES_MAX)
            return token_fail(p, p->token.at, "a shape has at most %d axes",
                              CELL_AXES_MAX);
        token_next(p);
        if (!parse_dim(p, &dim[(*axes)++])) return false;
        if (!token_accept(p, ']')) return token_expected(p, "'*', '/' or ']'");
    }
    return true;
}

static bool parse_number(Parser *p, double *value)
{
    const bool negative = token_accept(p, '-');
    if (p->token.kind != TOKEN_NUMBER) return token_expected(p, "a number");
    *value = negative ? -p->token.value : p->token.value;
    token_next(p);
    return true;
}

/* NAME { "," NAME }: new symbols from `first` to the last. */
static bool declare_names(Parser *p, SymbolKind kind, int *first)
{
    *first = p->cell->symbols;
    do {
        if (p->token.kind != TOKEN_NAME) return token_expected(p, "a name");
        if (names_declare(p, &p->token, kind) < 0) return false;
        token_next(p);
    } while (token_accept(p, ','));
    return true;
}

static void copy_shape(Parser *p, int first, const Dim *dim, int axes)
{
    for (int i = first; i < p->cell->symbols; i++) {
        p->cell->symbol[i].axes = axes;
        memcpy(p->cell->symbol[i].dim, dim, sizeof p->cell->symbol[i].dim);
    }
}

static const Dim dim_hidden = {.factor = {{.symbol = CELL_HIDDEN}}, .factors = 1};

static bool parse_cell(Parser *p)
{
    if (p->token.kind != TOKEN_NAME) return token_expected(p, "the name of the cell");
    if (p->has_name) return token_fail(p, p->token.at, "a file has one cell");
    memcpy(p->cell->name, p->token.name, sizeof p->cell->name);
    p->has_name = true;
    token_next(p);
    return true;
}

static bool parse_size(Parser *p)
{
    const Token t = p->token;
    Dim dim;
    if (t.kind != TOKEN_NAME) return token_expected(p, "the name of the size");
    token_next(p);
    if (!token_accept(p, '=')) return token_expected(p, "'='");
    if (!parse_dim(p, &dim)) return false;
    const int s = names_declare(p, &t, SYMBOL_SIZE);
    if (s < 0) return false;
    p->cell->symbol[s].dim[0] = dim;
    return true;
}

static bool parse_const(Parser *p)
{
    const Token t = p->token;
    double value = 0;
    if (t.kind != TOKEN_NAME) return token_expected(p, "the name of the const");
    token_next(p);
    if (!token_accept(p, '=')) return token_expected(p, "'='");
    if (!parse_number(p, &value)) return false;
    const int s = names_declare(p, &t, SYMBOL_CONST);
    if (s < 0) return false;
    p->cell->symbol[s].value = value;
    return true;
}

static bool parse_state(Parser *p)
{
    int first, axes;
    Dim dim[CELL_AXES_MAX] = {{.at = 0}};
    if (!declare_names(p, SYMBOL_STATE, &first) || !parse_shape(p, dim, &axes))
        return false;
    if (axes == 0) dim[0] = dim_hidden, axes = 1;
    copy_shape(p, first, dim, axes);
    if (!token_accept(p, '=')) return true;

    double value = 0;
    size_t start_at = 0;
    if (p->token.kind == TOKEN_NAME) {
        start_at = p->token.at;
        token_next(p);
    } else if (p->token.kind == TOKEN_NUMBER || p->token.kind == '-') {
        if (!parse_number(p, &value)) return false;
    } else
        return token_expected(p, "a number or the name of a parameter");
    for (int i = first; i < p->cell->symbols; i++) {
        p->cell->symbol[i].value = value;
        p->cell->symbol[i].start_at = start_at;
    }
    return true;
}

// clang-format off
static const struct { const char *name; InitKind init; int numbers, axes; } inits[] = {
    {"uniform",    INIT_UNIFORM,    0, 0},
    {"uniform",    INIT_BETWEEN,    2, 0},
    {"glorot",     INIT_GLOROT,     0, 2},
    {"orthogonal", INIT_ORTHOGONAL, 0, 2},
    {"identity",   INIT_IDENTITY,   0, 2},
    {"normal",     INIT_NORMAL,     1, 0},
    {"linspace",   INIT_LINSPACE,   2, 1},
    {"powerlaw",   INIT_POWERLAW,   0, 1},
    {"chrono",     INIT_CHRONO,     1, 0},
};
// clang-format on
enum { INITS = sizeof inits / sizeof *inits };

static bool fail_init(Parser *p, const Token *t)
{
    const char *names[INITS + 1];
    char text[96];
    for (int i = 0; i < INITS; i++) names[i] = inits[i].name;
    names[INITS] = NULL;
    return token_fail(p, t->at, "'%s' is no initialiser%s", t->name,
                      nearest_hint(t->name, names, text));
}

/* A number, or a const that gives it. */
static bool parse_init_number(Parser *p, double *value, int *from)
{
    *from = -1;
    if (p->token.kind != TOKEN_NAME) {
        if (p->token.kind == TOKEN_NUMBER || p->token.kind == '-')
            return parse_number(p, value);
        return token_expected(p, "a number or a const");
    }
    const int symbol = names_find(p->cell, p->token.name);
    if (symbol < 0) return names_unknown(p, &p->token, 1u << SYMBOL_CONST);
    if (p->cell->symbol[symbol].kind != SYMBOL_CONST)
        return token_expected(p, "a number or a const");
    *value = p->cell->symbol[symbol].value;
    *from = symbol;
    token_next(p);
    return true;
}

/* What is in brackets after an initialiser's name; *count: how many there are. */
static bool parse_init_numbers(Parser *p, int *count, Symbol *to)
{
    *count = 0;
    if (!token_accept(p, '(')) return true;
    do {
        double value = 0;
        int from = -1;
        if (!parse_init_number(p, &value, &from)) return false;
        if (*count == 0) to->a = value, to->a_const = from;
        if (*count == 1) to->b = value, to->b_const = from;
        ++*count;
    } while (token_accept(p, ','));
    return token_accept(p, ')') || token_expected(p, "',' or ')'");
}

static bool fail_count(Parser *p, const Token *t, int i, int count)
{
    const int want = inits[i].numbers;
    const bool two = i + 1 < INITS && strcmp(inits[i + 1].name, t->name) == 0;
    char other[32] = "";
    if (two) snprintf(other, sizeof other, " or %d", inits[i + 1].numbers);
    return token_fail(p, t->at, "%s takes %d%s number%s, %d %s given", t->name, want,
                      other, want == 1 ? "" : "s", count, count == 1 ? "is" : "are");
}

static int init_find(const char *name)
{
    int i = 0;
    while (i < INITS && strcmp(inits[i].name, name) != 0) i++;
    return i;
}

/* The name is read, that of inits[i]. */
static bool parse_init_call(Parser *p, const Token *t, int i, Symbol *to)
{
    int count, fits = i;
    if (to->axes < inits[i].axes)
        return token_fail(p, t->at, "%s needs a shape of at least %d ax%s", t->name,
                          inits[i].axes, inits[i].axes == 1 ? "is" : "es");
    if (!parse_init_numbers(p, &count, to)) return false;
    while (fits < INITS && !strcmp(inits[fits].name, t->name) &&
           inits[fits].numbers != count)
        fits++;
    if (fits == INITS || strcmp(inits[fits].name, t->name) != 0)
        return fail_count(p, t, i, count);
    to->init = inits[fits].init;
    const char *const fault = init_fault(to->init, to->a);
    return !fault || token_fail(p, t->at, "%s", fault);
}

/* A const, an initialiser, or a parameter above symbol `first`. */
static bool parse_init_name(Parser *p, int first, Symbol *to)
{
    const Token t = p->token;
    const int symbol = names_find(p->cell, t.name), i = init_find(t.name);
    const SymbolKind kind = symbol < 0 ? SYMBOL_INPUT : p->cell->symbol[symbol].kind;
    token_next(p);
    if (kind == SYMBOL_CONST) {
        p->cell->symbol[symbol].used = true;
        to->init = INIT_CONSTANT;
        to->a = p->cell->symbol[symbol].value;
        to->a_const = symbol;
        return true;
    }
    if (i < INITS && to->negated)
        return token_fail(p, t.at, "a minus is for a number, a const or a parameter");
    if (i < INITS) return parse_init_call(p, &t, i, to);
    if (kind != SYMBOL_PARAM) return fail_init(p, &t);
    if (symbol >= first)
        return token_fail(p, t.at, "'%s' is declared here: it cannot begin as itself",
                          t.name);
    to->init = INIT_LIKE;
    to->a = 1;
    to->like = symbol;
    return true;
}

static bool parse_init(Parser *p, int first, Symbol *to)
{
    to->negated = token_accept(p, '-');
    if (p->token.kind == TOKEN_NAME) return parse_init_name(p, first, to);
    to->init = INIT_CONSTANT;
    if (p->token.kind != TOKEN_NUMBER)
        return token_expected(p, to->negated ? "a number or a name"
                                             : "a number or an initialiser");
    return parse_number(p, &to->a);
}

static bool parse_param(Parser *p, ParamKind kind)
{
    int first;
    Symbol like = {.init = kind == PARAM_WEIGHT ? INIT_UNIFORM : INIT_CONSTANT,
                   .a_const = -1,
                   .b_const = -1,
                   .like = -1};
    if (!declare_names(p, SYMBOL_PARAM, &first)) return false;
    if (!parse_shape(p, like.dim, &like.axes)) return false;
    if (like.axes == 0 && kind == PARAM_WEIGHT)
        return token_expected(p, "the weight's shape, as in [hidden][input]");
    if (like.axes == 0 && kind == PARAM_BIAS) like.dim[0] = dim_hidden, like.axes = 1;
    if (token_accept(p, '=') && !parse_init(p, first, &like)) return false;
    copy_shape(p, first, like.dim, like.axes);
    for (int i = first; i < p->cell->symbols; i++) {
        Symbol *const s = &p->cell->symbol[i];
        s->param = kind;
        s->init = like.init;
        s->a_const = like.a_const;
        s->b_const = like.b_const;
        s->like = like.like;
        s->negated = like.negated;
        s->a = like.a;
        s->b = like.b;
    }
    return true;
}

static bool parse_weight(Parser *p)
{
    return parse_param(p, PARAM_WEIGHT);
}

static bool parse_bias(Parser *p)
{
    return parse_param(p, PARAM_BIAS);
}

static bool parse_scalar(Parser *p)
{
    return parse_param(p, PARAM_SCALAR);
}

/* Outputs may be assigned below: they are kept as places in the text, and looked up
 * last. */
static bool parse_output(Parser *p)
{
    Cell *const cell = p->cell;
    if (cell->outputs)
        return token_fail(p, p->token.at, "a cell has one line of outputs");
    do {
        if (p->token.kind != TOKEN_NAME)
            return token_expected(p, "the name of a state or value");
        int *const more =
            realloc(cell->output, ((size_t)cell->outputs + 1) * sizeof *more);
        if (!more) return token_fail_memory(p);
        cell->output = more;
        cell->output[cell->outputs++] = (int)p->token.at;
        token_next(p);
        if (p->token.kind == '\'')
            return token_fail(
                p, p->token.at,
                "a state is listed without its prime: it means the leaving value");
    } while (token_accept(p, ','));
    return true;
}

/* ---- equations and lines ---- */

static bool note_equation(Parser *p, int symbol, int first, int root, size_t at)
{
    Cell *const cell = p->cell;
    int *const more =
        realloc(cell->equation, ((size_t)cell->equations + 1) * sizeof *more);
    if (!more) return token_fail_memory(p);
    cell->equation = more;
    cell->equation[cell->equations++] = symbol;
    Symbol *const s = &cell->symbol[symbol];
    s->first = first;
    s->root = root;
    s->equation_at = at;
    if (s->kind == SYMBOL_ASSIGNED) s->axes = cell->expr[root].axes;
    return true;
}

/* Whether a left side is one. */
static bool check_left(Parser *p, const Token *t, bool prime)
{
    const int found = names_find(p->cell, t->name);
    const Symbol *const s = found < 0 ? NULL : &p->cell->symbol[found];
    char text[96];
    if (prime && !s)
        return token_fail(p, t->at, "'%s' is not declared as a state%s", t->name,
                          names_hint(p->cell, t->name, 1u << SYMBOL_STATE, text));
    if (prime && s->kind != SYMBOL_STATE)
        return token_fail(p, t->at,
                          "'%s' is %s; only a state has an equation with a prime",
                          t->name, symbol_kind_name[s->kind]);
    if (prime && s->root >= 0)
        return token_fail(p, t->at, "%s' has its equation already, in line %d", t->name,
                          cell_line(p->cell, s->equation_at));
    if (!prime && s && s->kind == SYMBOL_STATE)
        return token_fail(p, t->at, "'%s' is a state: its equation is %s' = ...",
                          t->name, t->name);
    if (!prime && s && s->kind == SYMBOL_ASSIGNED)
        return token_fail(p, t->at, "'%s' is assigned already, in line %d", t->name,
                          cell_line(p->cell, s->at));
    return true;
}

static bool parse_equation(Parser *p, const Token *t)
{
    const bool prime = token_accept(p, '\'');
    if (!token_accept(p, '=')) {
        char text[96];
        if (p->token.kind == TOKEN_NAME && !prime)
            return token_fail(p, t->at,
                              "'%s' begins neither a declaration nor an equation%s",
                              t->name, nearest_hint(t->name, cell_keywords, text));
        return token_expected(p, prime ? "'='" : "'=' or a prime");
    }
    if (!check_left(p, t, prime)) return false;
    const int first = p->cell->exprs;
    const int root = parse_expr(p);
    if (root < 0) return false;
    const int symbol =
        prime ? names_find(p->cell, t->name) : names_declare(p, t, SYMBOL_ASSIGNED);
    return symbol >= 0 && note_equation(p, symbol, first, root, t->at);
}

static bool parse_line(Parser *p)
{
    static bool (*const parse[])(Parser *) = {parse_cell,   parse_size,   parse_const,
                                              parse_state,  parse_weight, parse_bias,
                                              parse_scalar, parse_output};
    const Token t = p->token;
    if (t.kind == TOKEN_NEWLINE) return true;
    if (t.kind != TOKEN_NAME) return token_expected(p, "a declaration or an equation");
    token_next(p);
    for (int i = 0; cell_keywords[i]; i++)
        if (strcmp(cell_keywords[i], t.name) == 0) {
            if (p->token.kind == '=' || p->token.kind == '\'')
                return token_fail(
                    p, t.at, "'%s' begins a declaration, and cannot be a name", t.name);
            return parse[i](p);
        }
    return parse_equation(p, &t);
}

/* ---- the text ---- */

static bool declare_given(Parser *p)
{
    static const char *const name[] = {"x", "input", "hidden"};
    for (int i = 0; i < CELL_GIVEN; i++)
        if (names_add(p, name[i], i == CELL_X ? SYMBOL_INPUT : SYMBOL_SIZE, 0) < 0)
            return false;
    p->cell->symbol[CELL_X].axes = 1;
    p->cell->symbol[CELL_X].dim[0] =
        (Dim){.factor = {{.symbol = CELL_INPUT}}, .factors = 1};
    return true;
}

static bool parse_text(Parser *p)
{
    const bool mark =
        p->cell->length >= 3 && memcmp(p->cell->text, "\xef\xbb\xbf", 3) == 0;
    if (!token_check_text(p) || !declare_given(p)) return false;
    p->at = mark ? 3 : 0;
    for (token_next(p); p->token.kind != TOKEN_END;) {
        if (!parse_line(p)) return false;
        if (p->token.kind != TOKEN_END && !token_accept(p, TOKEN_NEWLINE))
            return token_expected(p, "an operator or the end of the line");
        if (p->failed) return false;
    }
    return !p->failed && parse_whole(p);
}

static char *copy_bytes(const char *bytes, size_t length)
{
    char *const copy = malloc(length + 1);
    if (!copy) return NULL;
    if (length) memcpy(copy, bytes, length);
    copy[length] = 0;
    return copy;
}

bool cell_parse(const char *origin, const char *text, size_t length, Cell **cell,
                Error *err)
{
    if (length > CELL_TEXT_MAX)
        return error(err, "%s: %zu bytes are too many for a cell (at most %zu)", origin,
                     length, CELL_TEXT_MAX);
    Cell *const c = calloc(1, sizeof *c);
    if (!c) return error(err, "%s: out of memory", origin);
    *c = (Cell){.origin = copy_bytes(origin, strlen(origin)),
                .text = copy_bytes(text, length),
                .length = length,
                .name = "cell"};
    Parser p = {.cell = c, .err = err};
    if (c->origin && c->text ? parse_text(&p)
                             : error(err, "%s: out of memory", origin)) {
        *cell = c;
        return true;
    }
    cell_close(c);
    return false;
}

void cell_close(Cell *cell)
{
    if (!cell) return;
    free(cell->origin);
    free(cell->text);
    free(cell->symbol);
    free(cell->expr);
    free(cell->equation);
    free(cell->output);
    free(cell);
}

bool cell_copy(const Cell *cell, Cell **copy, Error *err)
{
    Cell *c;
    if (!cell_parse(cell->origin, cell->text, cell->length, &c, err)) return false;
    for (int i = 0; i < c->symbols; i++) {
        c->symbol[i].set = cell->symbol[i].set;
        c->symbol[i].value = cell->symbol[i].value;
    }
    *copy = c;
    return true;
}

const char *cell_name(const Cell *cell)
{
    return cell->name;
}

const char *cell_text(const Cell *cell)
{
    return cell->text;
}

const char *cell_origin(const Cell *cell)
{
    return cell->origin;
}

bool cell_set(Cell *cell, const char *name, double value, Error *err)
{
    const int found = names_find(cell, name);
    Symbol *const s = found < CELL_GIVEN ? NULL : &cell->symbol[found];
    char text[96];
    if (found >= 0 && !s)
        return error(err, "%s: '%s' is given to the cell, not set in it", cell->origin,
                     name);
    if (!s || (s->kind != SYMBOL_SIZE && s->kind != SYMBOL_CONST))
        return error(
            err, "%s: '%s' is no size or const of the cell %s%s", cell->origin, name,
            cell->name,
            names_hint(cell, name, 1u << SYMBOL_SIZE | 1u << SYMBOL_CONST, text));
    if (s->kind == SYMBOL_SIZE &&
        !(value >= 1 && value <= CELL_SIZE_MAX && floor(value) == value))
        return error(err, "%s: %s = %g: a size is a whole number from 1 to %d",
                     cell->origin, name, value, CELL_SIZE_MAX);
    if (!(fabs(value) <= 3e38))
        return error(err, "%s: %s = %g is no number for a float", cell->origin, name,
                     value);
    s->value = value;
    s->set = true;
    return true;
}

bool cell_get_set(const Cell *cell, int i, const char **name, double *value)
{
    for (int s = 0; s < cell->symbols; s++) {
        if (!cell->symbol[s].set || i-- > 0) continue;
        *name = cell->symbol[s].name;
        *value = cell->symbol[s].value;
        return true;
    }
    return false;
}

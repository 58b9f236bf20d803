/* parse.c: the text of a .cell file, by recursive descent.
 *
 * One token is looked at ahead. Names are looked up as they are read, so that an error
 * points at the first place that is wrong; what may be said below (outputs, starts of
 * states) is looked up at the end. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nearest.h"
#include "token.h"

#define DEPTH_MAX   200  /* parentheses, and matrices in a row */
#define SYMBOLS_MAX 1000 /* names of a cell */

/* ---- names ---- */

static const char *const kind_name[] = {"the input", "a size",      "a const",
                                        "a state",   "a parameter", "an assigned name"};

static const char *const keywords[] = {"cell", "size",   "const",  "state", "weight",
                                       "bias", "scalar", "output", NULL};

static const Function *find_function(const char *name)
{
    for (const Function *f = cell_functions; f->name; f++)
        if (strcmp(f->name, name) == 0) return f;
    return NULL;
}

static bool is_keyword(const char *name)
{
    for (const char *const *k = keywords; *k; k++)
        if (strcmp(*k, name) == 0) return true;
    return false;
}

static int find_symbol(const Cell *cell, const char *name)
{
    for (int i = 0; i < cell->symbols; i++)
        if (strcmp(cell->symbol[i].name, name) == 0) return i;
    return -1;
}

/* The hint for a misspelt name: kinds is a set of bits 1 << SymbolKind. */
static const char *hint(const Cell *cell, const char *name, unsigned kinds,
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

static bool fail_unknown(Parser *p, const Token *t, unsigned kinds)
{
    char text[96];
    const int below = assigned_below(p, t->name);
    if (below)
        return token_fail(p, t->at,
                          "'%s' is read above its equation, which is in line %d",
                          t->name, below);
    return token_fail(p, t->at, "'%s' is not declared%s", t->name,
                      hint(p->cell, t->name, kinds, text));
}

static int add_symbol(Parser *p, const char *name, SymbolKind kind, size_t at)
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
    *s = (Symbol){.kind = kind, .at = at, .start = -1, .init_const = -1, .root = -1};
    memcpy(s->name, name, strlen(name));
    return cell->symbols++;
}

/* The token as a new name, or -1 with a message when it is taken. */
static int declare(Parser *p, const Token *t, SymbolKind kind)
{
    const int taken = find_symbol(p->cell, t->name);
    if (find_function(t->name))
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
                          kind_name[p->cell->symbol[taken].kind],
                          cell_line(p->cell, p->cell->symbol[taken].at)),
               -1;
    return add_symbol(p, t->name, kind, t->at);
}

/* ---- expressions ---- */

static int parse_expr(Parser *p);

static int push(Parser *p, Expr e)
{
    Cell *const cell = p->cell;
    if (p->failed) return -1;
    if (cell->exprs == cell->expr_room) {
        const int room = cell->expr_room ? 2 * cell->expr_room : 64;
        Expr *const more = realloc(cell->expr, (size_t)room * sizeof *more);
        if (!more) return token_fail_memory(p), -1;
        cell->expr = more;
        cell->expr_room = room;
    }
    if (e.axes < 0) e.axes = 0; /* build says what is wrong with it */
    cell->expr[cell->exprs] = e;
    return cell->exprs++;
}

static int push_binary(Parser *p, ExprKind kind, size_t at, int a, int b)
{
    if (a < 0 || b < 0) return -1;
    const int m = p->cell->expr[a].axes, n = p->cell->expr[b].axes;
    return push(p,
                (Expr){.kind = kind, .at = at, .a = a, .b = b, .axes = m > n ? m : n});
}

static bool starts_operand(const Token *t)
{
    return t->kind == TOKEN_NAME || t->kind == TOKEN_NUMBER || t->kind == '(';
}

static int parse_call(Parser *p, const Function *f)
{
    const size_t at = p->token.at;
    token_next(p);
    if (!token_accept(p, '(')) {
        char what[64];
        snprintf(what, sizeof what, "'(' after the function %s", f->name);
        return token_expected(p, what), -1;
    }
    int operand[2] = {-1, -1}, count = 0;
    do {
        const int e = parse_expr(p);
        if (e < 0) return -1;
        if (count < 2) operand[count] = e;
        count++;
    } while (token_accept(p, ','));
    if (p->token.kind != ')') return token_expected(p, "an operator, ',' or ')'"), -1;
    if (count != f->operands)
        return token_fail(p, at, "%s takes %d operand%s, %d %s given", f->name,
                          f->operands, f->operands == 1 ? "" : "s", count,
                          count == 1 ? "is" : "are"),
               -1;
    token_next(p);
    int axes = p->cell->expr[operand[0]].axes;
    if (count == 2 && p->cell->expr[operand[1]].axes > axes)
        axes = p->cell->expr[operand[1]].axes;
    return push(p, (Expr){.kind = EXPR_CALL,
                          .at = at,
                          .a = operand[0],
                          .b = operand[1],
                          .function = f,
                          .axes = axes + f->axes});
}

/* The symbol that an expression names, with its prime. */
static int parse_symbol(Parser *p, bool *leaving)
{
    const Token t = p->token;
    const int found = find_symbol(p->cell, t.name);
    if (found < 0) {
        const unsigned all = ~0u;
        return fail_unknown(p, &t, all), -1;
    }
    Symbol *const s = &p->cell->symbol[found];
    token_next(p);
    *leaving = p->token.kind == '\'';
    if (*leaving && s->kind != SYMBOL_STATE)
        return token_fail(p, p->token.at,
                          "'%s' is %s; only a state has a leaving value", s->name,
                          kind_name[s->kind]),
               -1;
    if (*leaving && s->root < 0)
        return token_fail(p, t.at, "%s' is read above its equation", s->name), -1;
    if (*leaving) token_next(p);
    s->used = true;
    return found;
}

static int parse_product(Parser *p);

/* A name, or a matrix and what it multiplies. */
static int parse_name(Parser *p)
{
    const Token t = p->token;
    bool leaving;
    const int symbol = parse_symbol(p, &leaving);
    if (symbol < 0) return -1;
    const int axes = p->cell->symbol[symbol].axes;
    const size_t mark = p->token.at;
    const bool transposed = token_accept(p, TOKEN_TRANSPOSE);
    if (transposed && axes < 2)
        return token_fail(p, mark, "'%s' is no matrix: it has fewer than two axes",
                          t.name),
               -1;
    if (axes < 2 || !starts_operand(&p->token)) {
        if (transposed)
            return token_expected(p, "the vector that the matrix multiplies"), -1;
        return push(p, (Expr){.kind = leaving ? EXPR_LEAVING : EXPR_NAME,
                              .at = t.at,
                              .symbol = symbol,
                              .axes = axes});
    }
    const int operand = parse_product(p);
    return push(p, (Expr){.kind = EXPR_PRODUCT,
                          .at = t.at,
                          .a = operand,
                          .symbol = symbol,
                          .leaving = leaving,
                          .transposed = transposed,
                          .axes = axes - 1});
}

static int parse_parentheses(Parser *p)
{
    token_next(p);
    const int e = parse_expr(p);
    if (!token_accept(p, ')')) return token_expected(p, "an operator or ')'"), -1;
    return e;
}

static int parse_product(Parser *p)
{
    const Token t = p->token;
    if (++p->depth > DEPTH_MAX)
        return token_fail(p, t.at, "nested more than %d deep", DEPTH_MAX), -1;
    int e = -1;
    if (t.kind == TOKEN_NUMBER) {
        token_next(p);
        e = push(p, (Expr){.kind = EXPR_NUMBER, .at = t.at, .value = t.value});
    } else if (t.kind == TOKEN_NAME) {
        const Function *const f = find_function(t.name);
        e = f ? parse_call(p, f) : parse_name(p);
    } else if (t.kind == '(')
        e = parse_parentheses(p);
    else if (t.kind == '-')
        token_fail(p, t.at, "a negative operand stands in parentheses: (-x)");
    else
        token_expected(p, "a number, a name, a function or '('");
    p->depth--;
    return e;
}

/* What follows an operand must not be one: only matrices multiply by standing
 * before. */
static int parse_factor(Parser *p)
{
    const int e = parse_product(p);
    if (e >= 0 && starts_operand(&p->token))
        return token_fail(
                   p, p->token.at,
                   "expected an operator before '%.*s': only a matrix multiplies what "
                   "follows it",
                   (int)(p->token.length < 40 ? p->token.length : 40),
                   p->cell->text + p->token.at),
               -1;
    return e;
}

static int parse_term(Parser *p)
{
    int e = parse_factor(p);
    while (e >= 0 && (p->token.kind == '*' || p->token.kind == '/')) {
        const Token t = p->token;
        token_next(p);
        e = push_binary(p, t.kind == '*' ? EXPR_MUL : EXPR_DIV, t.at, e,
                        parse_factor(p));
    }
    return e;
}

static int parse_expr(Parser *p)
{
    const Token sign = p->token;
    const bool negative = token_accept(p, '-');
    int e = parse_term(p);
    if (negative && e >= 0)
        e = push(p, (Expr){.kind = EXPR_NEG,
                           .at = sign.at,
                           .a = e,
                           .axes = p->cell->expr[e].axes});
    while (e >= 0 && (p->token.kind == '+' || p->token.kind == '-')) {
        const Token t = p->token;
        token_next(p);
        e = push_binary(p, t.kind == '+' ? EXPR_ADD : EXPR_SUB, t.at, e, parse_term(p));
    }
    return e;
}

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
        f->symbol = find_symbol(p->cell, t.name);
        if (f->symbol < 0) return fail_unknown(p, &t, 1u << SYMBOL_SIZE);
        Symbol *const s = &p->cell->symbol[f->symbol];
        if (s->kind != SYMBOL_SIZE)
            return token_fail(p, t.at, "'%s' is %s, not a size", t.name,
                              kind_name[s->kind]);
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
        if (declare(p, &p->token, kind) < 0) return false;
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
    const int s = declare(p, &t, SYMBOL_SIZE);
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
    const int s = declare(p, &t, SYMBOL_CONST);
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

static bool parse_init_numbers(Parser *p, const Token *t, int want, Symbol *to)
{
    double number[2] = {0};
    int count = 0;
    if (token_accept(p, '(')) {
        do {
            double value = 0;
            if (!parse_number(p, &value)) return false;
            if (count < 2) number[count] = value;
            count++;
        } while (token_accept(p, ','));
        if (!token_accept(p, ')')) return token_expected(p, "',' or ')'");
    }
    if (count != want)
        return token_fail(p, t->at, "%s takes %d number%s, %d %s given", t->name, want,
                          want == 1 ? "" : "s", count, count == 1 ? "is" : "are");
    to->a = number[0];
    to->b = number[1];
    return true;
}

static bool parse_init_name(Parser *p, Symbol *to)
{
    const Token t = p->token;
    const int symbol = find_symbol(p->cell, t.name);
    token_next(p);
    if (symbol >= 0 && p->cell->symbol[symbol].kind == SYMBOL_CONST) {
        p->cell->symbol[symbol].used = true;
        to->init = INIT_CONSTANT;
        to->init_const = symbol;
        return true;
    }
    int i = 0;
    while (i < INITS && strcmp(inits[i].name, t.name) != 0) i++;
    if (i == INITS) return fail_init(p, &t);
    if (to->axes < inits[i].axes)
        return token_fail(p, t.at, "%s needs a shape of at least %d ax%s", t.name,
                          inits[i].axes, inits[i].axes == 1 ? "is" : "es");
    to->init = inits[i].init;
    if (!parse_init_numbers(p, &t, inits[i].numbers, to)) return false;
    if (to->init == INIT_CHRONO && to->a < 2)
        return token_fail(p, t.at, "chrono takes a length of at least 2");
    if (to->init == INIT_NORMAL && to->a < 0)
        return token_fail(p, t.at, "normal takes a standard deviation of at least 0");
    return true;
}

static bool parse_param(Parser *p, ParamKind kind)
{
    int first;
    Symbol like = {.init = kind == PARAM_WEIGHT ? INIT_UNIFORM : INIT_CONSTANT,
                   .init_const = -1};
    if (!declare_names(p, SYMBOL_PARAM, &first)) return false;
    if (!parse_shape(p, like.dim, &like.axes)) return false;
    if (like.axes == 0 && kind == PARAM_WEIGHT)
        return token_expected(p, "the weight's shape, as in [hidden][input]");
    if (like.axes == 0 && kind == PARAM_BIAS) like.dim[0] = dim_hidden, like.axes = 1;
    if (token_accept(p, '=')) {
        if (p->token.kind == TOKEN_NAME) {
            if (!parse_init_name(p, &like)) return false;
        } else if (p->token.kind == TOKEN_NUMBER || p->token.kind == '-') {
            like.init = INIT_CONSTANT;
            if (!parse_number(p, &like.a)) return false;
        } else
            return token_expected(p, "a number or an initialiser");
    }
    copy_shape(p, first, like.dim, like.axes);
    for (int i = first; i < p->cell->symbols; i++) {
        Symbol *const s = &p->cell->symbol[i];
        s->param = kind;
        s->init = like.init;
        s->init_const = like.init_const;
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
    const int found = find_symbol(p->cell, t->name);
    const Symbol *const s = found < 0 ? NULL : &p->cell->symbol[found];
    char text[96];
    if (prime && !s)
        return token_fail(p, t->at, "'%s' is not declared as a state%s", t->name,
                          hint(p->cell, t->name, 1u << SYMBOL_STATE, text));
    if (prime && s->kind != SYMBOL_STATE)
        return token_fail(p, t->at,
                          "'%s' is %s; only a state has an equation with a prime",
                          t->name, kind_name[s->kind]);
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
                              t->name, nearest_hint(t->name, keywords, text));
        return token_expected(p, prime ? "'='" : "'=' or a prime");
    }
    if (!check_left(p, t, prime)) return false;
    const int first = p->cell->exprs;
    const int root = parse_expr(p);
    if (root < 0) return false;
    const int symbol =
        prime ? find_symbol(p->cell, t->name) : declare(p, t, SYMBOL_ASSIGNED);
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
    for (int i = 0; keywords[i]; i++)
        if (strcmp(keywords[i], t.name) == 0) {
            if (p->token.kind == '=' || p->token.kind == '\'')
                return token_fail(
                    p, t.at, "'%s' begins a declaration, and cannot be a name", t.name);
            return parse[i](p);
        }
    return parse_equation(p, &t);
}

/* ---- what only the whole text can tell ---- */

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
    s->start = find_symbol(p->cell, name);
    if (s->start < 0)
        return token_fail(p, s->start_at, "'%s' is not declared%s", name,
                          hint(p->cell, name, 1u << SYMBOL_PARAM, text));
    Symbol *const start = &p->cell->symbol[s->start];
    if (start->kind != SYMBOL_PARAM)
        return token_fail(p, s->start_at,
                          "a state starts at a number or a parameter; '%s' is %s", name,
                          kind_name[start->kind]);
    start->used = true;
    return true;
}

static bool resolve_output(Parser *p, int i)
{
    Cell *const cell = p->cell;
    const size_t at = (size_t)cell->output[i];
    char name[CELL_NAME_MAX + 1], text[96];
    name_at(cell, at, name);
    const int found = find_symbol(cell, name);
    if (found < 0)
        return token_fail(
            p, at, "'%s' is not declared%s", name,
            hint(cell, name, 1u << SYMBOL_STATE | 1u << SYMBOL_ASSIGNED, text));
    Symbol *const s = &cell->symbol[found];
    if (s->kind != SYMBOL_STATE && s->kind != SYMBOL_ASSIGNED)
        return token_fail(p, at, "an output is a state or an assigned name; '%s' is %s",
                          name, kind_name[s->kind]);
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

static bool check_whole(Parser *p)
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

/* ---- the text ---- */

static bool declare_given(Parser *p)
{
    static const char *const name[] = {"x", "input", "hidden"};
    for (int i = 0; i < CELL_GIVEN; i++)
        if (add_symbol(p, name[i], i == CELL_X ? SYMBOL_INPUT : SYMBOL_SIZE, 0) < 0)
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
    return !p->failed && check_whole(p);
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
    const int found = find_symbol(cell, name);
    Symbol *const s = found < CELL_GIVEN ? NULL : &cell->symbol[found];
    char text[96];
    if (!s || (s->kind != SYMBOL_SIZE && s->kind != SYMBOL_CONST))
        return error(err, "%s: '%s' is no size or const of the cell %s%s", cell->origin,
                     name, cell->name,
                     hint(cell, name, 1u << SYMBOL_SIZE | 1u << SYMBOL_CONST, text));
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

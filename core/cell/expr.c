/* expr.c: an expression, by recursive descent, into the list of what it is made of. */
#include "parse_parts.h"

#include <stdlib.h>

#define DEPTH_MAX 200 /* parentheses, and matrices in a row */

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
    const int found = names_find(p->cell, t.name);
    if (found < 0) {
        const unsigned all = ~0u;
        return names_unknown(p, &t, all), -1;
    }
    Symbol *const s = &p->cell->symbol[found];
    token_next(p);
    *leaving = p->token.kind == '\'';
    if (*leaving && s->kind != SYMBOL_STATE)
        return token_fail(p, p->token.at,
                          "'%s' is %s; only a state has a leaving value", s->name,
                          symbol_kind_name[s->kind]),
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
        const Function *const f = names_function(t.name);
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

int parse_expr(Parser *p)
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

/* token.c: the text of a .cell file as tokens, and messages that point into it. */
#include "token.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EXCERPT 76 /* columns shown of a long line */

/* Bytes of the UTF-8 character here; 0: it is none. */
static size_t character(const char *text, size_t room)
{
    const unsigned char *const c = (const unsigned char *)text;
    if (c[0] < 0x80) return 1;
    const size_t n = c[0] >= 0xf0 ? 4 : c[0] >= 0xe0 ? 3 : 2;
    if (c[0] < 0xc2 || c[0] > 0xf4 || n > room) return 0;
    for (size_t i = 1; i < n; i++)
        if ((c[i] & 0xc0) != 0x80) return 0;
    const bool overlong =
        (c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xf0 && c[1] < 0x90);
    const bool beyond = (c[0] == 0xed && c[1] > 0x9f) || (c[0] == 0xf4 && c[1] > 0x8f);
    return overlong || beyond ? 0 : n;
}

/* What is no character of text shows as '?'. */
static void copy_shown(const char *text, size_t length, char *shown)
{
    for (size_t i = 0, n; i < length; i += n) {
        const unsigned char c = (unsigned char)text[i];
        n = character(text + i, length - i);
        if (n && (c >= ' ' || c == '\t') && c != 0x7f) {
            memcpy(shown + i, text + i, n);
        } else {
            n = 1;
            shown[i] = '?';
        }
    }
}

bool cell_error_v(const Cell *cell, size_t at, Error *err, const char *format,
                  va_list list)
{
    if (!err) return false;
    char message[480];
    vsnprintf(message, sizeof message, format, list);

    int line = 1;
    size_t start = 0;
    for (size_t i = 0; i < at; i++)
        if (cell->text[i] == '\n') line++, start = i + 1;
    const size_t column = at - start;
    size_t end = at;
    while (end < cell->length && cell->text[end] != '\n' && cell->text[end] != '\r')
        end++;
    if (column > EXCERPT / 2 && end - start > EXCERPT) start = at - EXCERPT / 2;
    if (end - start > EXCERPT) end = start + EXCERPT;

    char excerpt[EXCERPT + 1] = "", caret[EXCERPT + 2] = "";
    copy_shown(cell->text + start, end - start, excerpt);
    for (size_t i = start; i < at; i++)
        caret[i - start] = cell->text[i] == '\t' ? '\t' : ' ';
    caret[at - start] = '^';
    return error(err, "%.200s: line %d, column %zu: %s\n  %s\n  %s", cell->origin, line,
                 column + 1, message, excerpt, caret);
}

bool cell_error(const Cell *cell, size_t at, Error *err, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    cell_error_v(cell, at, err, format, list);
    va_end(list);
    return false;
}

int cell_line(const Cell *cell, size_t at)
{
    int line = 1;
    for (size_t i = 0; i < at; i++) line += cell->text[i] == '\n';
    return line;
}

bool token_fail(Parser *p, size_t at, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    if (!p->failed) cell_error_v(p->cell, at, p->err, format, list);
    va_end(list);
    p->failed = true;
    return false;
}

bool token_fail_memory(Parser *p)
{
    if (!p->failed) error(p->err, "%s: out of memory", p->cell->origin);
    p->failed = true;
    return false;
}

/* "expected ')', found 'x'" */
bool token_expected(Parser *p, const char *what)
{
    const Token *const t = &p->token;
    if (t->kind == TOKEN_END)
        return token_fail(p, t->at, "expected %s, found the end", what);
    if (t->kind == TOKEN_NEWLINE)
        return token_fail(p, t->at, "expected %s, found the end of the line", what);
    return token_fail(p, t->at, "expected %s, found '%.*s'", what,
                      (int)(t->length < 40 ? t->length : 40), p->cell->text + t->at);
}

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool token_is_name(char c)
{
    return is_name_start(c) || is_digit(c);
}

static size_t skip_digits(const char *text, size_t at)
{
    while (is_digit(text[at])) at++;
    return at;
}

/* Past spaces and comments; within brackets also past ends of lines. */
static size_t skip_blanks(const Parser *p, size_t at)
{
    const char *const text = p->cell->text;
    for (;; at++) {
        if (text[at] == '#')
            while (text[at] && text[at] != '\n') at++;
        const char c = text[at];
        if (c == ' ' || c == '\t' || c == '\r') continue;
        if (c == '\n' && p->brackets) continue;
        return at;
    }
}

/* The same in every locale. */
static double to_double(const char *digits)
{
    const locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!c) return NAN;
    const double value = strtod_l(digits, NULL, c);
    freelocale(c);
    return value;
}

static void read_number(Parser *p, Token *t)
{
    const char *const text = p->cell->text;
    size_t end = skip_digits(text, t->at);
    if (text[end] == '.') end = skip_digits(text, end + 1);
    if (text[end] == 'e' || text[end] == 'E') {
        const bool sign = text[end + 1] == '-' || text[end + 1] == '+';
        const size_t exponent = end + 1 + sign;
        if (is_digit(text[exponent])) end = skip_digits(text, exponent);
    }
    char digits[64];
    t->kind = TOKEN_NUMBER;
    t->length = end - t->at;
    if (t->length >= sizeof digits) {
        token_fail(p, t->at, "a number of more than 63 characters");
        return;
    }
    memcpy(digits, text + t->at, t->length);
    digits[t->length] = 0;
    t->value = to_double(digits);
    if (!(fabs(t->value) <= 3e38))
        token_fail(p, t->at, "the number is too large for a float");
}

static void read_name(Parser *p, Token *t)
{
    const char *const text = p->cell->text;
    size_t end = t->at;
    while (token_is_name(text[end])) end++;
    t->kind = TOKEN_NAME;
    t->length = end - t->at;
    if (t->length > CELL_NAME_MAX)
        token_fail(p, t->at, "a name of more than %d characters", CELL_NAME_MAX);
    else
        memcpy(t->name, text + t->at, t->length);
}

void token_next(Parser *p)
{
    const char *const text = p->cell->text;
    Token t = {.at = skip_blanks(p, p->at), .length = 1};
    const char c = text[t.at];
    if (p->failed || t.at == p->cell->length)
        t.kind = TOKEN_END;
    else if (c == '\n')
        t.kind = TOKEN_NEWLINE;
    else if (is_digit(c) || (c == '.' && is_digit(text[t.at + 1])))
        read_number(p, &t);
    else if (is_name_start(c))
        read_name(p, &t);
    else if (c == '^' && text[t.at + 1] == 'T' && !token_is_name(text[t.at + 2]))
        t.kind = TOKEN_TRANSPOSE, t.length = 2;
    else if (strchr("=+-*/()[],'", c))
        t.kind = c;
    else if ((unsigned char)c >= 0x80)
        token_fail(p, t.at, "a letter beyond ASCII can stand only in a comment");
    else if (c == '^')
        token_fail(p, t.at, "'^' means only '^T', the transposed matrix");
    else
        token_fail(p, t.at, "'%c' has no meaning here", c);
    if (p->failed) t.kind = TOKEN_END;
    p->brackets += (c == '(' || c == '[') - (p->brackets && (c == ')' || c == ']'));
    p->token = t;
    p->at = t.at + (t.kind == TOKEN_END ? 0 : t.length);
}

bool token_accept(Parser *p, int kind)
{
    if (p->token.kind != kind) return false;
    token_next(p);
    return true;
}

bool token_check_text(Parser *p)
{
    const Cell *const cell = p->cell;
    for (size_t at = 0, n; at < cell->length; at += n) {
        const unsigned char c = (unsigned char)cell->text[at];
        n = character(cell->text + at, cell->length - at);
        if (!n)
            return token_fail(p, at, "the file is not text in UTF-8: byte 0x%02x", c);
        if ((c < ' ' && c != '\n' && c != '\t' && c != '\r') || c == 0x7f)
            return token_fail(p, at, "the file is not text: byte 0x%02x", c);
    }
    return true;
}

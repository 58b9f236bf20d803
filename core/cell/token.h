/* token.h: the text of a .cell file as tokens, and messages that point into it. */
#pragma once

#include "syntax.h"

/* A sign is a token by its character. */
enum { TOKEN_END = 256, TOKEN_NEWLINE, TOKEN_NAME, TOKEN_NUMBER, TOKEN_TRANSPOSE };

typedef struct Token {
    int kind;
    size_t at, length;
    double value;                 /* NUMBER */
    char name[CELL_NAME_MAX + 1]; /* NAME */
} Token;

typedef struct Parser {
    Cell *cell;
    Error *err;
    bool failed; /* the first message is the one that counts */
    Token token; /* the next one */
    size_t at;   /* behind it */
    int brackets, depth;
    bool has_name;
} Parser;

/* The first message is written to p->err, and then the tokens end; false. */
bool token_fail(Parser *p, size_t at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool token_fail_memory(Parser *p);
bool token_expected(Parser *p, const char *what); /* "expected ')', found 'x'" */

bool token_check_text(Parser *p); /* UTF-8, no control characters */
void token_next(Parser *p);
bool token_accept(Parser *p, int kind); /* past the token, if it is of this kind */
bool token_is_name(char c);             /* a letter, a digit or '_' */
int cell_line(const Cell *cell, size_t at);

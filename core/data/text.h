/* text.h: bytes or UTF-8 characters as symbols. */
#pragma once

#include "../error.h"

/* The character at p, which has `left` >= 1 bytes: its length and code, or 0 when it is
 * not UTF-8 (overlong forms, surrogates and codes above 10FFFF are not). */
int utf8_next(const char *p, size_t left, uint32_t *code);

/* Refuses text that is not UTF-8 or holds a zero byte: byte offset, line and column. */
bool utf8_check(const char *origin, const char *bytes, size_t length, Error *err);

/* Bytes of a leading byte order mark: 3 or 0. */
size_t utf8_mark(const char *bytes, size_t length);

/* weft_text_open from memory; origin names it in messages. */
bool text_parse(const char *origin, const char *bytes, size_t length, bool as_bytes,
                const uint32_t *alphabet, int symbols, WeftText **text, Error *err);

/* text.c: bytes or UTF-8 characters as symbols, numbered in ascending code order. */
#include "text.h"

#include <stdlib.h>
#include <string.h>

#include "file.h"

#define CODES   0x110000 /* of Unicode */
#define BYTES   0x100
#define NOT_YET (-1) /* in the number table: a code that has not occurred */

struct WeftText {
    int32_t *symbols; /* [count] */
    size_t count;
    uint32_t *alphabet; /* [size], ascending */
    int size;
};

/* ---- UTF-8 ---- */

int utf8_next(const char *p, size_t left, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000}; /* by length */
    const unsigned char *const u = (const unsigned char *)p;
    const int n = u[0] < 0x80   ? 1
                  : u[0] < 0xC0 ? 0
                  : u[0] < 0xE0 ? 2
                  : u[0] < 0xF0 ? 3
                                : 4;
    if (n == 0 || (size_t)n > left || u[0] > 0xF4) return 0;
    uint32_t c = n == 1 ? u[0] : u[0] & (0x7Fu >> n);
    for (int i = 1; i < n; i++) {
        if ((u[i] & 0xC0) != 0x80) return 0;
        c = c << 6 | (u[i] & 0x3F);
    }
    if (c < least[n] || c >= CODES || (c >= 0xD800 && c < 0xE000)) return 0;
    *code = c;
    return n;
}

size_t utf8_mark(const char *bytes, size_t length)
{
    return length >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
}

/* Says what is wrong at an offset; the column counts characters from 1. */
static bool text_wrong(const char *origin, const char *bytes, size_t at,
                       const char *what, Error *err)
{
    size_t line = 1, column = 1;
    for (size_t i = 0; i < at; i++) {
        if (bytes[i] == '\n')
            line++, column = 1;
        else if (((unsigned char)bytes[i] & 0xC0) != 0x80)
            column++;
    }
    return error(err, "%s: line %zu, column %zu (byte %zu): %s", origin, line, column,
                 at, what);
}

static bool utf8_wrong(const char *origin, const char *bytes, size_t at, Error *err)
{
    char what[64];
    const unsigned byte = (unsigned char)bytes[at];
    if (byte == 0)
        strcpy(what, "a zero byte: the file is binary, not text");
    else
        snprintf(what, sizeof what, "byte %02x is not UTF-8", byte);
    return text_wrong(origin, bytes, at, what, err);
}

bool utf8_check(const char *origin, const char *bytes, size_t length, Error *err)
{
    uint32_t code;
    for (size_t at = 0, n; at < length; at += n) {
        n = (size_t)utf8_next(bytes + at, length - at, &code);
        if (n == 0 || code == 0) return utf8_wrong(origin, bytes, at, err);
    }
    return true;
}

/* ---- symbols ---- */

typedef struct Input {
    const char *origin, *bytes;
    size_t length;
    bool as_bytes;
    const uint32_t *alphabet; /* [symbols], or NULL */
    int symbols;
} Input;

static bool input_check_alphabet(const Input *in, Error *err)
{
    const uint32_t limit = in->as_bytes ? BYTES : CODES, *const a = in->alphabet;
    if (!a) return true;
    if (in->symbols < 1) return error(err, "%s: the alphabet is empty", in->origin);
    for (int i = 0; i < in->symbols; i++)
        if (a[i] >= limit || (i && a[i] <= a[i - 1]))
            return error(err, "%s: entry %d of the alphabet (%u) is %s", in->origin, i,
                         a[i],
                         a[i] >= limit ? "out of range" : "not above the one before");
    return true;
}

/* The character at byte `at`: its length, or 0 when it is not one. */
static size_t input_next(const Input *in, size_t at, uint32_t *code)
{
    *code = (unsigned char)in->bytes[at];
    if (in->as_bytes) return 1;
    return *code ? (size_t)utf8_next(in->bytes + at, in->length - at, code) : 0;
}

static size_t input_start(const Input *in)
{
    return in->as_bytes ? 0 : utf8_mark(in->bytes, in->length);
}

/* Symbol i is a character that the alphabet lacks. */
static bool input_foreign(const Input *in, size_t i, Error *err)
{
    uint32_t code;
    size_t at = input_start(in);
    while (i--) at += input_next(in, at, &code);
    const size_t n = input_next(in, at, &code);
    const bool plain = code >= 0x20 && (n > 1 || code < 0x7F);
    char what[96];
    snprintf(what, sizeof what,
             "the character %.*s%sU+%04X is not in the model's alphabet",
             plain ? (int)n : 0, in->bytes + at, plain ? " " : "", code);
    return text_wrong(in->origin, in->bytes, at, what, err);
}

/* Codes into text->symbols, and one more than the largest. */
static bool text_decode(WeftText *text, const Input *in, uint32_t *codes, Error *err)
{
    text->symbols = malloc((in->length ? in->length : 1) * sizeof *text->symbols);
    if (!text->symbols)
        return error(err, "%s: out of memory for %zu symbols", in->origin, in->length);
    uint32_t code;
    for (size_t at = input_start(in), n; at < in->length; at += n) {
        n = input_next(in, at, &code);
        if (n == 0) return utf8_wrong(in->origin, in->bytes, at, err);
        if (code >= *codes) *codes = code + 1;
        text->symbols[text->count++] = (int32_t)code;
    }
    return text->count ? true : error(err, "%s: is empty", in->origin);
}

/* The alphabet that was given, or the codes that occur: number[code] is no longer
 * NOT_YET. */
static bool text_mark(const WeftText *text, const Input *in, int32_t *number,
                      Error *err)
{
    for (int i = 0; in->alphabet && i < in->symbols; i++) number[in->alphabet[i]] = 0;
    for (size_t i = 0; i < text->count; i++) {
        if (in->alphabet && number[text->symbols[i]] == NOT_YET)
            return input_foreign(in, i, err);
        number[text->symbols[i]] = 0;
    }
    return true;
}

/* Numbers the marked codes in ascending order, lists them, and puts numbers for
 * codes. */
static bool text_rank(WeftText *text, const Input *in, int32_t *number, uint32_t codes,
                      Error *err)
{
    for (uint32_t c = 0; c < codes; c++)
        if (number[c] != NOT_YET) number[c] = text->size++;
    text->alphabet = malloc((size_t)text->size * sizeof *text->alphabet);
    if (!text->alphabet) return error(err, "%s: out of memory", in->origin);
    for (uint32_t c = 0; c < codes; c++)
        if (number[c] != NOT_YET) text->alphabet[number[c]] = c;
    for (size_t i = 0; i < text->count; i++)
        text->symbols[i] = number[text->symbols[i]];
    return true;
}

static bool text_build(WeftText *text, const Input *in, Error *err)
{
    if (!input_check_alphabet(in, err)) return false;
    uint32_t codes = in->alphabet ? in->alphabet[in->symbols - 1] + 1 : 0;
    if (!text_decode(text, in, &codes, err)) return false;
    int32_t *const number = malloc(codes * sizeof *number);
    if (!number) return error(err, "%s: out of memory", in->origin);
    memset(number, 0xFF, codes * sizeof *number); /* NOT_YET */
    const bool ok =
        text_mark(text, in, number, err) && text_rank(text, in, number, codes, err);
    free(number);
    return ok;
}

bool text_parse(const char *origin, const char *bytes, size_t length, bool as_bytes,
                const uint32_t *alphabet, int symbols, WeftText **text, Error *err)
{
    const Input in = {origin, bytes, length, as_bytes, alphabet, symbols};
    WeftText *const t = calloc(1, sizeof *t);
    if (!t) return error(err, "%s: out of memory", origin);
    if (!text_build(t, &in, err)) {
        weft_text_close(t);
        return false;
    }
    *text = t;
    return true;
}

bool weft_text_open(const char *path, bool bytes, const uint32_t *alphabet, int symbols,
                    WeftText **text, WeftError *err)
{
    char *content;
    size_t length;
    if (!path || !text)
        return error(err, "weft_text_open needs a path and a place for the text");
    if (!file_read(path, &content, &length, err)) return false;
    const bool ok =
        text_parse(path, content, length, bytes, alphabet, symbols, text, err);
    free(content);
    return ok;
}

void weft_text_close(WeftText *text)
{
    if (!text) return;
    free(text->symbols);
    free(text->alphabet);
    free(text);
}

const int32_t *weft_text_symbols(const WeftText *text, size_t *count)
{
    *count = text->count;
    return text->symbols;
}

const uint32_t *weft_text_alphabet(const WeftText *text, int *symbols)
{
    *symbols = text->size;
    return text->alphabet;
}

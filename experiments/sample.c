/* sample.c: `weft sample`: a net that was trained on a text writes one. */
#include "corpus.h"
#include "saved.h"
#include "verbs.h"

#include <stdlib.h>
#include <string.h>

typedef struct Sampling {
    int length;
    double temperature;
    const char *prime;
    uint64_t seed;
} Sampling;

#define FIELD(name) offsetof(Sampling, name)
// clang-format off
static const Option options[] = {
    {"length", "N", "characters to write", &option_int, FIELD(length), 1, 1e9, NULL},
    {"temperature", "X", "below 1: likelier than the text; 0: always the likeliest", &option_number, FIELD(temperature), 0, 100, NULL},
    {"prime", "TEXT", "what the net reads first; else a line's end", &option_text, FIELD(prime), 0, 0, NULL},
    {"seed", "N", "of the draws", &option_count, FIELD(seed), 0, 9e18, NULL},
    {0},
};
// clang-format on
#undef FIELD

/* A net that writes: its alphabet, and what it expects next. */
typedef struct Writer {
    WeftNet *net;
    uint32_t *alphabet;
    int symbols;
    bool bytes, fresh;
    float *p; /* [symbols] */
} Writer;

static bool read_symbol(Writer *writer, int32_t symbol, WeftError *err)
{
    const WeftBatch batch = {
        .steps = 1, .rows = 1, .symbol = &symbol, .fresh = writer->fresh};
    writer->fresh = false;
    return weft_predict(writer->net, &batch, writer->p, err);
}

static int32_t symbol_of(const Writer *writer, uint32_t code)
{
    for (int i = 0; i < writer->symbols; i++)
        if (writer->alphabet[i] == code) return i;
    return -1;
}

/* One code point of UTF-8 at *text, which moves past it; of bytes, a byte. 0xfffd when
 * the bytes are no character. */
static uint32_t code_next(const char **text, bool bytes)
{
    const unsigned char *at = (const unsigned char *)*text;
    int more = at[0] < 0x80    ? 0
               : at[0] >= 0xf0 ? 3
               : at[0] >= 0xe0 ? 2
               : at[0] >= 0xc0 ? 1
                               : 0;
    uint32_t code = at[0];
    if (bytes) more = 0;
    if (more) code &= 0x3fu >> more;
    *text += 1;
    for (; more && (**text & 0xc0) == 0x80; more--)
        code = code << 6 | (**(const unsigned char **)text & 0x3fu), *text += 1;
    return more ? 0xfffd : code;
}

static void code_print(uint32_t code, bool bytes)
{
    if (bytes || code < 0x80) {
        putchar((int)code);
    } else if (code < 0x800) {
        putchar((int)(0xc0 | code >> 6));
        putchar((int)(0x80 | (code & 0x3f)));
    } else {
        if (code < 0x10000) {
            putchar((int)(0xe0 | code >> 12));
        } else {
            putchar((int)(0xf0 | code >> 18));
            putchar((int)(0x80 | (code >> 12 & 0x3f)));
        }
        putchar((int)(0x80 | (code >> 6 & 0x3f)));
        putchar((int)(0x80 | (code & 0x3f)));
    }
}

static bool prime(Writer *writer, const char *text, WeftError *err)
{
    if (!text) {
        const int32_t line = symbol_of(writer, '\n');
        return read_symbol(writer, line < 0 ? 0 : line, err);
    }
    while (*text) {
        const uint32_t code = code_next(&text, writer->bytes);
        const int32_t symbol = symbol_of(writer, code);
        if (symbol < 0)
            return fail(err, "--prime: the net knows no character U+%04X", code);
        if (!read_symbol(writer, symbol, err)) return false;
        code_print(code, writer->bytes);
    }
    return true;
}

static int32_t likeliest(const Writer *writer)
{
    int best = 0;
    for (int i = 1; i < writer->symbols; i++)
        if (writer->p[i] > writer->p[best]) best = i;
    return best;
}

/* In double and ascending order: the same text everywhere. */
static int32_t draw(const Writer *writer, const Sampling *how, uint64_t index)
{
    enum { LETTERS = 0x73616d }; /* stream */
    const int32_t best = likeliest(writer);
    if (how->temperature <= 0) return best;
    const double top = weft_log(writer->p[best]);
    double sum = 0;
    for (int pass = 0;; pass++) {
        double before = 0;
        const double limit = weft_random_uniform(how->seed, LETTERS, index) * sum;
        for (int32_t i = 0; i < writer->symbols; i++) {
            if (writer->p[i] > 0)
                before += weft_exp((weft_log(writer->p[i]) - top) / how->temperature);
            if (pass && before > limit) return i;
        }
        if (pass) return best; /* rounding alone leads here */
        sum = before;
    }
}

static bool sample(Writer *writer, const Sampling *how, WeftError *err)
{
    if (!prime(writer, how->prime, err)) return false;
    for (int i = 0; i < how->length && !ferror(stdout); i++) {
        const int32_t symbol = draw(writer, how, (uint64_t)i);
        code_print(writer->alphabet[symbol], writer->bytes);
        if (!read_symbol(writer, symbol, err)) return false;
    }
    putchar('\n');
    return true;
}

static bool sample_saved(const Saved *saved, const Sampling *how, WeftError *err)
{
    if (!saved_expect(saved, DATA_TEXT, err)) return false;
    const char *bytes = weft_net_get_note(saved->net, "bytes");
    Writer writer = {
        .net = saved->net, .bytes = bytes && !strcmp(bytes, "yes"), .fresh = true};
    writer.alphabet = corpus_alphabet(writer.net, &writer.symbols, err);
    if (!writer.alphabet) return false;
    writer.p = calloc((size_t)writer.symbols, sizeof *writer.p);
    const bool good = writer.p ? sample(&writer, how, err) : fail(err, "out of memory");
    free(writer.p);
    free(writer.alphabet);
    return good;
}

static Status sample_run(const Verb *verb, int argc, char **argv, WeftError *err)
{
    Sampling how = {.length = 1000, .temperature = 0.8, .seed = 1};
    const OptionGroup groups[] = {{"Options", options, &how}, {0}};
    Call call;
    Saved saved;
    if (!verb_call(verb, groups, argc, argv, &call, err)) return call.status;
    if (!saved_open(call.word[0], 1, &saved, err)) return FAILED;
    const bool good = sample_saved(&saved, &how, err);
    saved_close(&saved);
    return good ? DONE : FAILED;
}

const Verb sample_verb = {
    "sample", "MODEL", "let a net that was trained on a text write", 1, 1, sample_run};

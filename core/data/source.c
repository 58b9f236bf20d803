/* source.c: the caller's arrays and texts as batches by index. */
#include "../error.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "../../simd/scalar.h"

#define SHUFFLE_STREAM ((uint64_t)0x73687566 << 32) /* "shuf"; plus the epoch */

/* ---- arrays ---- */

typedef struct ArraysSource {
    WeftArrays arrays;
    int rows;
    uint64_t epoch; /* that `order` is of */
    int *order;     /* [count] */
} ArraysSource;

/* Fisher-Yates, from the identity, so that an epoch's order does not hang on the last
 * one's. */
static void arrays_shuffle(ArraysSource *s, uint64_t epoch)
{
    const int n = s->arrays.count;
    for (int i = 0; i < n; i++) s->order[i] = i;
    s->epoch = epoch;
    for (int i = n - 1; i > 0 && s->arrays.shuffle; i--) {
        const uint32_t j = random_below(s->arrays.seed, SHUFFLE_STREAM + epoch,
                                        (uint64_t)i, (uint32_t)i + 1);
        const int swap = s->order[i];
        s->order[i] = s->order[j];
        s->order[j] = swap;
    }
}

/* The sequence in a row of a batch, which is number index rows + row of all that are
 * ever visited. With index = q count + m that is q rows epochs and m rows + row
 * sequences more: no product overflows. */
static size_t arrays_sequence(ArraysSource *s, uint64_t index, int row)
{
    const uint64_t count = (uint64_t)s->arrays.count, rows = (uint64_t)s->rows;
    const uint64_t more = index % count * rows + (uint64_t)row;
    const uint64_t epoch = index / count * rows + more / count;
    if (epoch != s->epoch && s->arrays.shuffle) arrays_shuffle(s, epoch);
    return (size_t)s->order[more % count];
}

/* from [T][bytes] of one sequence into row `row` of to [T][B][bytes]. */
static void arrays_copy(const WeftBatch *batch, int steps, int row, size_t bytes,
                        const void *from, void *to)
{
    const size_t B = (size_t)batch->rows;
    for (size_t t = 0; t < (size_t)steps; t++)
        memcpy((char *)to + (t * B + (size_t)row) * bytes,
               (const char *)from + t * bytes, bytes);
}

static bool source_fits(const char *what, int arrays, int model, Error *err)
{
    return arrays == model ||
           error(err, "the source has %s %d, but the model %d", what, arrays, model);
}

static bool arrays_fit(const ArraysSource *s, const WeftBatch *batch, Error *err)
{
    const WeftArrays *const a = &s->arrays;
    return source_fits("rows", s->rows, batch->rows, err) &&
           source_fits("steps", a->steps, batch->steps, err) &&
           source_fits("vector", a->vector, batch->vector, err) &&
           (!batch->x || source_fits("inputs", a->inputs, batch->inputs, err)) &&
           (!batch->target ||
            source_fits("outputs", a->outputs, batch->outputs, err)) &&
           (!batch->source_length ||
            source_fits("source_steps", a->source_steps, batch->source_steps, err)) &&
           (!batch->source_x ||
            source_fits("source_inputs", a->source_inputs, batch->source_inputs, err));
}

/* One of the arrays, and where it goes in a batch. */
typedef struct Part {
    const char *name;
    const void *from;
    void *to; /* NULL: the model does not need it */
    int steps;
    size_t bytes; /* of a step */
    bool wanted;  /* by a model that has a place for it */
} Part;

enum { PARTS = 8 };

static void arrays_parts(const WeftArrays *a, const WeftBatch *b, Part part[PARTS])
{
    const int aims = a->vector ? 1 : a->steps; /* targets of a sequence */
    const size_t number = sizeof(float), symbol = sizeof(int32_t);
    const size_t inputs = (size_t)a->inputs, outputs = (size_t)a->outputs;
    const size_t source = (size_t)a->source_inputs;
    const Part all[PARTS] = {
        // clang-format off
        {"x",             a->x,             b->x,             a->steps,        inputs * number,  true},
        {"symbol",        a->symbol,        b->symbol,        a->steps,        symbol,           true},
        {"target",        a->target,        b->target,        aims,            outputs * number, true},
        {"label",         a->label,         b->label,         aims,            symbol,           true},
        {"length",        a->length,        b->length,        1,               sizeof(int),      false},
        {"source_x",      a->source_x,      b->source_x,      a->source_steps, source * number,  true},
        {"source_symbol", a->source_symbol, b->source_symbol, a->source_steps, symbol,           true},
        {"source_length", a->source_length, b->source_length, 1,               sizeof(int),      false},
        // clang-format on
    };
    memcpy(part, all, sizeof all);
}

static bool arrays_fill(void *context, uint64_t index, WeftBatch *batch, Error *err)
{
    ArraysSource *const s = context;
    Part part[PARTS];
    if (!arrays_fit(s, batch, err)) return false;
    arrays_parts(&s->arrays, batch, part);
    for (int i = 0; i < PARTS; i++)
        if (part[i].to && !part[i].from && part[i].wanted)
            return error(err, "the model needs %s, which the arrays lack",
                         part[i].name);
    for (int row = 0; row < s->rows; row++) {
        const size_t sequence = arrays_sequence(s, index, row);
        for (int i = 0; i < PARTS; i++) {
            if (!part[i].to || !part[i].from) continue;
            const size_t size = (size_t)part[i].steps * part[i].bytes;
            arrays_copy(batch, part[i].steps, row, part[i].bytes,
                        (const char *)part[i].from + sequence * size, part[i].to);
        }
    }
    weft_batch_sort(batch);
    return true;
}

/* In order, the rows begin again when the batches have come out even: after count / gcd
 * of them. */
static uint64_t arrays_epoch(const ArraysSource *s)
{
    int gcd = s->arrays.count;
    for (int rest = s->rows; rest;) {
        const int next = gcd % rest;
        gcd = rest;
        rest = next;
    }
    return s->arrays.shuffle ? 0 : (uint64_t)(s->arrays.count / gcd);
}

static bool lengths_check(const char *what, const int *length, int count, int least,
                          int steps, Error *err)
{
    for (int i = 0; length && i < count; i++)
        if (length[i] < least || length[i] > steps)
            return error(err, "%s of sequence %d is %d: from %d to %d", what, i,
                         length[i], least, steps);
    return true;
}

static bool arrays_check(const WeftArrays *a, int rows, Error *err)
{
    const struct {
        const char *name;
        int value;
        bool wanted;
    } size[] = {
        {"count", a->count, true},
        {"steps", a->steps, true},
        {"rows", rows, true},
        {"inputs", a->inputs, a->x},
        {"outputs", a->outputs, a->target},
        {"source_steps", a->source_steps, a->source_x || a->source_symbol},
        {"source_inputs", a->source_inputs, a->source_x},
    };
    for (size_t i = 0; i < sizeof size / sizeof *size; i++)
        if (size[i].wanted && size[i].value < 1)
            return error(err, "%s of the arrays is %d; at least 1 was expected",
                         size[i].name, size[i].value);
    if (!a->x == !a->symbol) return error(err, "the arrays need either x or symbol");
    if (!a->target == !a->label)
        return error(err, "the arrays need either target or label");
    return lengths_check("length", a->length, a->count, 0, a->steps, err) &&
           lengths_check("source_length", a->source_length, a->count, 1,
                         a->source_steps, err);
}

bool weft_source_arrays(const WeftArrays *arrays, int rows, WeftSource *source,
                        WeftError *err)
{
    if (!arrays || !source)
        return error(err, "weft_source_arrays needs arrays and a place for the source");
    if (!arrays_check(arrays, rows, err)) return false;
    ArraysSource *const s =
        malloc(sizeof *s + (size_t)arrays->count * sizeof *s->order);
    if (!s)
        return error(err, "out of memory for the order of %d sequences", arrays->count);
    *s = (ArraysSource){.arrays = *arrays, .rows = rows, .order = (int *)(s + 1)};
    arrays_shuffle(s, 0);
    *source = (WeftSource){s,    arrays_fill,     arrays->steps,
                           rows, arrays_epoch(s), arrays->source_steps};
    return true;
}

/* ---- text ---- */

typedef struct TextSource {
    const int32_t *symbols;
    size_t stream; /* symbols of a row, each with a next one */
    uint64_t windows;
    int rows, steps;
} TextSource;

static bool text_fill(void *context, uint64_t index, WeftBatch *batch, Error *err)
{
    const TextSource *const s = context;
    if (!source_fits("rows", s->rows, batch->rows, err) ||
        !source_fits("steps", s->steps, batch->steps, err) ||
        !source_fits("vector", false, batch->vector, err))
        return false;
    if (!batch->symbol || !batch->label)
        return error(err, "a text needs a model from symbols to labels");
    const uint64_t window = index % s->windows;
    for (int t = 0; t < s->steps; t++)
        for (int b = 0; b < s->rows; b++) {
            const size_t at =
                (size_t)b * s->stream + (size_t)window * (size_t)s->steps + (size_t)t;
            const size_t to = (size_t)t * (size_t)s->rows + (size_t)b;
            batch->symbol[to] = s->symbols[at];
            batch->label[to] = s->symbols[at + 1];
        }
    batch->fresh = window == 0;
    return true;
}

bool weft_source_text(const int32_t *symbols, size_t count, int rows, int steps,
                      WeftSource *source, uint64_t *windows, WeftError *err)
{
    if (!symbols || !source)
        return error(err, "weft_source_text needs symbols and a place for the source");
    if (rows < 1 || steps < 1)
        return error(err, "%d rows of %d steps; at least 1 of each was expected", rows,
                     steps);
    const size_t stream = count ? (count - 1) / (size_t)rows : 0; /* last: no next */
    if (stream < (size_t)steps)
        return error(
            err,
            "%zu symbols are too few for %d streams of %d steps and one symbol more",
            count, rows, steps);
    TextSource *const s = malloc(sizeof *s);
    if (!s) return error(err, "out of memory");
    *s = (TextSource){symbols, stream, stream / (size_t)steps, rows, steps};
    *source = (WeftSource){s, text_fill, steps, rows, s->windows, 0};
    if (windows) *windows = s->windows;
    return true;
}

void weft_source_close(WeftSource *source)
{
    if (!source) return;
    free(source->context);
    *source = (WeftSource){0};
}

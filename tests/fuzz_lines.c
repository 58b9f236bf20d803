/* fuzz_lines.c: libFuzzer on the reader of lines, and on what their units become. */
#include "../experiments/lines.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool counts(const void *context, size_t line)
{
    (void)context;
    return line % 3 < 2;
}

static void look_up(const Lines *lines, Units units)
{
    Vocabulary v;
    WeftError err;
    int32_t symbol[8];
    if (!vocabulary_open(lines, 0, units, counts, NULL, 100, 1, &v, &err)) return;
    for (size_t i = 0; i < lines->count; i++)
        vocabulary_symbols_of(&v, lines->line[i].field[0], symbol, 8);
    vocabulary_close(&v);
}

static void read_lines(uint8_t *bytes, size_t size, int fields, bool each)
{
    LineReader reader = {.file = fmemopen(bytes, size, "rb"),
                         .name = "fuzz",
                         .fields = fields,
                         .skip_bad = true,
                         .each = each};
    Lines lines = {0};
    Line line;
    WeftError err;
    bool more = true;
    if (!reader.file) return;
    while (line_next(&reader, &line, &more, &err) && more) {
        if (!line.field[0]) continue;
        text_lower(line.field[0]);
        lines_add(&lines, line.field[0], line.field[1], &err);
    }
    line_reader_close(&reader);
    fclose(reader.file);
    look_up(&lines, WORDS);
    look_up(&lines, CHARACTERS);
    lines_close(&lines);
}

/* The first byte says how. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    uint8_t *bytes = malloc(size);
    memcpy(bytes, data, size);
    read_lines(bytes + 1, size - 1, 1 + (bytes[0] & 1), bytes[0] & 2);
    free(bytes);
    return 0;
}

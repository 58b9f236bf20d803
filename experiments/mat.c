/* mat.c: see mat.h.
 *
 * A head of 128 bytes, then elements: type and length in four bytes each, and that many
 * bytes, padded to eight; or, where length is at most four, both in one word with the bytes
 * behind it. A variable is a matrix element, which may be compressed: flags with its class,
 * dimensions, name, then the values in whatever type is the smallest; of a cell array, more
 * matrix elements. */
#include "mat.h"

#include "options.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define HEAD 128
#define MOST ((size_t)1 << 26) /* bytes of a file, and of a variable */

enum Type { INT8 = 1, UINT8 = 2, INT32 = 5, UINT32 = 6, MATRIX = 14, COMPRESSED = 15 };
enum Class { CELL = 1, DOUBLE = 6 };

/* Bytes in which elements follow one another. */
typedef struct Part {
    const char *origin;
    size_t variable; /* where in the file, for messages; 0: this is the file */
    const uint8_t *bytes;
    size_t at, end;
} Part;

typedef struct Element {
    uint32_t type;
    size_t at, count; /* of the values, in the part's bytes */
} Element;

__attribute__((format(printf, 4, 5))) static bool
wrong(const Part *part, size_t at, WeftError *err, const char *format, ...)
{
    char what[256];
    va_list list;
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    return part->variable ? fail(err, "%s: variable at byte %zu, its byte %zu: %s",
                                 part->origin, part->variable, at, what)
                          : fail(err, "%s: byte %zu: %s", part->origin, at, what);
}

static uint32_t word_at(const Part *part, size_t at)
{
    const uint8_t *p = part->bytes + at;
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

/* ---- elements ---- */

static bool element_next(Part *part, Element *element, WeftError *err)
{
    const size_t start = part->at, left = part->end - start;
    *element = (Element){0};
    if (left < 8)
        return wrong(part, start, err, "%zu bytes left: expected an element", left);
    const uint32_t word = word_at(part, start), small = word >> 16;
    *element = small ? (Element){word & 0xffff, start + 4, small}
                     : (Element){word, start + 8, word_at(part, start + 4)};
    if (element->count > (small ? 4 : left - 8))
        return wrong(part, start, err, "an element of %zu bytes, and %zu are left",
                     element->count, small ? (size_t)4 : left - 8);
    const size_t padded =
        element->type == COMPRESSED ? element->count : (element->count + 7) / 8 * 8;
    part->at += small ? 8 : 8 + (padded < left - 8 ? padded : left - 8);
    return true;
}

static bool element_expect(Part *part, uint32_t type, const char *what,
                           Element *element, WeftError *err)
{
    const size_t at = part->at;
    return element_next(part, element, err) &&
           (element->type == type || wrong(part, at, err, "type %u: expected %u, %s",
                                           element->type, type, what));
}

static Part element_part(const Part *part, const Element *element)
{
    Part inside = *part;
    inside.at = element->at;
    inside.end = element->at + element->count;
    return inside;
}

/* ---- matrices ---- */

typedef struct Head {
    int class;
    size_t rows, columns;
    Element name;
} Head;

static bool head_next(Part *part, int class, Head *head, WeftError *err)
{
    Element flags, dimensions;
    if (!element_expect(part, UINT32, "flags", &flags, err) ||
        !element_expect(part, INT32, "dimensions", &dimensions, err) ||
        !element_expect(part, INT8, "a name", &head->name, err))
        return false;
    if (flags.count != 8)
        return wrong(part, flags.at, err, "%zu bytes of flags: expected 8",
                     flags.count);
    head->class = part->bytes[flags.at];
    if (head->class != class)
        return wrong(part, flags.at, err, "class %d: expected %d, %s", head->class,
                     class, class == CELL ? "a cell array" : "numbers");
    if (dimensions.count != 8)
        return wrong(part, dimensions.at, err, "%zu bytes of dimensions: expected 8",
                     dimensions.count);
    head->rows = word_at(part, dimensions.at);
    head->columns = word_at(part, dimensions.at + 4);
    return true;
}

static bool matrix_next(Part *part, MatMatrix *matrix, WeftError *err)
{
    Element element, values;
    Head head;
    if (!element_expect(part, MATRIX, "a matrix", &element, err)) return false;
    Part inside = element_part(part, &element);
    if (!head_next(&inside, DOUBLE, &head, err) ||
        !element_expect(&inside, UINT8, "bytes", &values, err))
        return false;
    *matrix = (MatMatrix){head.rows, head.columns, part->bytes + values.at};
    return (head.columns ? values.count / head.columns == head.rows &&
                               values.count % head.columns == 0
                         : values.count == 0) ||
           wrong(part, values.at, err, "%zu values: expected %zu x %zu", values.count,
                 head.rows, head.columns);
}

/* ---- variables ---- */

static bool cells_read(Part *part, MatCells *cells, WeftError *err)
{
    Head head;
    if (!head_next(part, CELL, &head, err)) return false;
    const size_t count = head.rows * head.columns, left = part->end - part->at;
    if (head.name.count >= sizeof cells->name)
        return wrong(part, head.name.at, err,
                     "a name of %zu bytes: expected at most %zu", head.name.count,
                     sizeof cells->name - 1);
    if (count > left / 8)
        return wrong(part, part->at, err, "%zu x %zu cells, and %zu bytes are left",
                     head.rows, head.columns, left);
    memcpy(cells->name, part->bytes + head.name.at, head.name.count);
    cells->matrix = calloc(count + 1, sizeof *cells->matrix);
    if (!cells->matrix) return fail(err, "out of memory");
    for (cells->count = 0; cells->count < count; cells->count++)
        if (!matrix_next(part, &cells->matrix[cells->count], err)) return false;
    return true;
}

/* What was compressed, as the bytes of one variable, which hold its element. */
static bool inflate_element(const Part *file, const Element *element, MatCells *cells,
                            Part *part, WeftError *err)
{
    char origin[256];
    snprintf(origin, sizeof origin, "%s: variable at byte %zu", file->origin,
             element->at);
    if (!inflate_bytes(origin, file->bytes + element->at, element->count, MOST,
                       &cells->bytes, err))
        return false;
    *part = (Part){file->origin, element->at, cells->bytes.at, 0, cells->bytes.count};
    return true;
}

static bool variable_next(Part *file, MatCells *cells, WeftError *err)
{
    Element element;
    Part part;
    const size_t at = file->at;
    if (!element_next(file, &element, err)) return false;
    if (element.type == COMPRESSED) {
        if (!inflate_element(file, &element, cells, &part, err) ||
            !element_expect(&part, MATRIX, "a matrix", &element, err))
            return false;
        part = element_part(&part, &element);
        return cells_read(&part, cells, err);
    }
    if (element.type != MATRIX)
        return wrong(file, at, err, "type %u: expected 14, a matrix, or 15, compressed",
                     element.type);
    part = element_part(file, &element);
    return cells_read(&part, cells, err);
}

static bool file_good(const char *origin, const uint8_t *bytes, size_t count,
                      WeftError *err)
{
    if (count < HEAD || memcmp(bytes, "MATLAB 5.0", 10))
        return fail(err, "%s: byte 0: not a MATLAB 5 file", origin);
    return !memcmp(bytes + HEAD - 2, "IM", 2) ||
           fail(err, "%s: byte 126: expected IM, the lowest byte first", origin);
}

bool mat_parse(const char *origin, const uint8_t *bytes, size_t count, Mat *mat,
               WeftError *err)
{
    *mat = (Mat){0};
    if (!file_good(origin, bytes, count, err)) return false;
    Part file = {origin, 0, bytes, HEAD, count};
    while (file.at < file.end) {
        bool good = mat->count < MAT_VARIABLES ||
                    wrong(&file, file.at, err, "more than %d variables", MAT_VARIABLES);
        good = good && variable_next(&file, &mat->cells[mat->count++], err);
        if (good) continue;
        mat_close(mat);
        return false;
    }
    return true;
}

bool mat_open(const char *path, Mat *mat, WeftError *err)
{
    Bytes bytes;
    if (!inflate_file(path, MOST, &bytes, err)) return false;
    if (!mat_parse(path, bytes.at, bytes.count, mat, err)) {
        free(bytes.at);
        return false;
    }
    mat->bytes = bytes;
    return true;
}

void mat_close(Mat *mat)
{
    for (int i = 0; i < mat->count; i++) {
        free(mat->cells[i].matrix);
        free(mat->cells[i].bytes.at);
    }
    free(mat->bytes.at);
    *mat = (Mat){0};
}

const MatCells *mat_find(const Mat *mat, const char *name)
{
    for (int i = 0; i < mat->count; i++)
        if (!strcmp(mat->cells[i].name, name)) return &mat->cells[i];
    return NULL;
}

/* tensors.c: safetensors files of float32 values. Only this file knows jansson.
 *
 *   8 bytes   n, little-endian
 *   n bytes   JSON: {"__metadata__": {key: string}, name: {"dtype": "F32",
 *             "shape": [..], "data_offsets": [begin, end]}, ...}, then blanks, so that
 *   the rest  values begin at a multiple of 8; offsets count from here, without holes
 *
 * An object's keys keep their order, in jansson (2.8 and later) and so in the file. */
#include "tensors.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"

#define HEADER_MAX ((size_t)100 * 1000 * 1000) /* bytes, as the reference has it */
#define AXES_MAX   4
#define METADATA   "__metadata__"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "values are stored as they lie");

struct TensorFile {
    json_t *header;  /* owns all names and strings */
    Tensor *tensors; /* [count], in the order of the header */
    int count;
    Metadata *metadata; /* [metadata_count] */
    int metadata_count;
    float *values;
};

/* ---- reading ---- */

/* A tensor's place in the data, in bytes. */
typedef struct Span {
    uint64_t begin, end;
    const char *name;
} Span;

static bool read_whole(const json_t *json, uint64_t *value)
{
    if (!json_is_integer(json) || json_integer_value(json) < 0) return false;
    *value = (uint64_t)json_integer_value(json);
    return true;
}

static bool read_shape(const char *origin, const json_t *json, Tensor *tensor,
                       uint64_t *bytes, Error *err)
{
    if (!json_is_array(json) || json_array_size(json) > AXES_MAX)
        return error(err,
                     "%s: tensor \"%.99s\": a shape of at most %d axes was expected",
                     origin, tensor->name, AXES_MAX);
    tensor->axes = (int)json_array_size(json);
    *bytes = sizeof *tensor->values;
    for (int i = 0; i < tensor->axes; i++) {
        uint64_t n;
        if (!read_whole(json_array_get(json, (size_t)i), &n))
            return error(err,
                         "%s: tensor \"%.99s\": axis %d is not a whole number >= 0",
                         origin, tensor->name, i);
        if (__builtin_mul_overflow(*bytes, n, bytes))
            return error(err, "%s: tensor \"%.99s\": its shape is too large", origin,
                         tensor->name);
        tensor->shape[i] = (int64_t)n;
    }
    return true;
}

static bool read_span(const char *origin, const json_t *json, uint64_t bytes,
                      uint64_t data_bytes, Span *span, Error *err)
{
    if (!json_is_array(json) || json_array_size(json) != 2 ||
        !read_whole(json_array_get(json, 0), &span->begin) ||
        !read_whole(json_array_get(json, 1), &span->end))
        return error(err, "%s: tensor \"%.99s\": two data_offsets were expected",
                     origin, span->name);
    if (span->begin > span->end || span->end > data_bytes)
        return error(err,
                     "%s: tensor \"%.99s\": offsets %" PRIu64 " to %" PRIu64
                     " are outside the %" PRIu64
                     " bytes of data; is the file cut short?",
                     origin, span->name, span->begin, span->end, data_bytes);
    if (span->end - span->begin != bytes)
        return error(err,
                     "%s: tensor \"%.99s\": its shape takes %" PRIu64
                     " bytes, its offsets hold %" PRIu64,
                     origin, span->name, bytes, span->end - span->begin);
    return true;
}

static bool read_tensor(const char *origin, const json_t *json, uint64_t data_bytes,
                        Tensor *tensor, Span *span, Error *err)
{
    if (!json_is_object(json))
        return error(err, "%s: tensor \"%.99s\" is not described by an object", origin,
                     tensor->name);
    const char *const type = json_string_value(json_object_get(json, "dtype"));
    if (!type || strcmp(type, "F32"))
        return error(err, "%s: tensor \"%.99s\": dtype %.20s; F32 was expected", origin,
                     tensor->name, type ? type : "is missing");
    uint64_t bytes = 0;
    return read_shape(origin, json_object_get(json, "shape"), tensor, &bytes, err) &&
           read_span(origin, json_object_get(json, "data_offsets"), bytes, data_bytes,
                     span, err);
}

static bool read_metadata(const char *origin, TensorFile *file, json_t *json,
                          Error *err)
{
    if (!json_is_object(json))
        return error(err, "%s: %s is not an object", origin, METADATA);
    file->metadata = calloc(json_object_size(json) + 1, sizeof *file->metadata);
    if (!file->metadata) return error(err, "%s: out of memory", origin);
    const char *key;
    json_t *value;
    json_object_foreach(json, key, value)
    {
        if (!json_is_string(value))
            return error(err, "%s: metadata \"%.99s\" is not a string", origin, key);
        file->metadata[file->metadata_count++] =
            (Metadata){key, json_string_value(value)};
    }
    return true;
}

static int span_order(const void *a, const void *b)
{
    const Span *const p = a, *const q = b;
    if (p->begin != q->begin) return p->begin < q->begin ? -1 : 1;
    return (p->end > q->end) - (p->end < q->end);
}

/* Every byte of the data belongs to exactly one tensor. */
static bool read_cover(const char *origin, Span *span, int count, uint64_t data_bytes,
                       Error *err)
{
    uint64_t at = 0;
    qsort(span, (size_t)count, sizeof *span, span_order);
    for (int i = 0; i < count; at = span[i++].end)
        if (span[i].begin != at)
            return error(err, "%s: tensor \"%.99s\" %s", origin, span[i].name,
                         span[i].begin < at ? "overlaps another" : "follows a hole");
    if (at != data_bytes)
        return error(err, "%s: %" PRIu64 " bytes after the last tensor", origin,
                     data_bytes - at);
    return true;
}

static bool read_header(const char *origin, TensorFile *file, Span *span,
                        const char *data, uint64_t data_bytes, Error *err)
{
    const char *name;
    json_t *value;
    json_object_foreach(file->header, name, value)
    {
        if (strcmp(name, METADATA) == 0) {
            if (!read_metadata(origin, file, value, err)) return false;
            continue;
        }
        Tensor *const tensor = &file->tensors[file->count];
        tensor->name = span[file->count].name = name;
        if (!read_tensor(origin, value, data_bytes, tensor, &span[file->count], err))
            return false;
        tensor->values = file->values + span[file->count].begin / sizeof *file->values;
        file->count++;
    }
    if (data_bytes) memcpy(file->values, data, data_bytes);
    return read_cover(origin, span, file->count, data_bytes, err);
}

/* The JSON text, without the blanks that pad it. */
static bool read_json(const char *origin, const char *text, size_t length,
                      json_t **header, Error *err)
{
    json_error_t wrong;
    *header = json_loadb(text, length, JSON_REJECT_DUPLICATES, &wrong);
    if (!*header)
        return error(err, "%s: header, byte %d: %s", origin, wrong.position,
                     wrong.text);
    if (!json_is_object(*header))
        return error(err, "%s: the header is not a JSON object", origin);
    return true;
}

static bool tensors_fill(TensorFile *file, const char *origin, const char *bytes,
                         size_t length, Error *err)
{
    uint64_t header = 0;
    if (length < 8)
        return error(err, "%s: %zu bytes are too few for a safetensors file", origin,
                     length);
    for (int i = 0; i < 8; i++) header |= (uint64_t)(unsigned char)bytes[i] << 8 * i;
    if (header > HEADER_MAX)
        return error(err, "%s: a header of %" PRIu64 " bytes: not a safetensors file",
                     origin, header);
    if (header > length - 8)
        return error(err, "%s: cut short: %" PRIu64 " bytes of header, %zu in the file",
                     origin, header, length - 8);
    if (!read_json(origin, bytes + 8, header, &file->header, err)) return false;

    const size_t entries = json_object_size(file->header), data = length - 8 - header;
    Span *const span = calloc(entries + 1, sizeof *span);
    file->tensors = calloc(entries + 1, sizeof *file->tensors);
    file->values = malloc(data + sizeof *file->values);
    const bool ok = span && file->tensors && file->values
                        ? read_header(origin, file, span, bytes + 8 + header, data, err)
                        : error(err, "%s: out of memory for %zu bytes", origin, data);
    free(span);
    return ok;
}

bool tensors_parse(const char *origin, const void *bytes, size_t length,
                   TensorFile **file, Error *err)
{
    TensorFile *const f = calloc(1, sizeof *f);
    if (!f) return error(err, "%s: out of memory", origin);
    if (!tensors_fill(f, origin, bytes, length, err)) {
        tensors_close(f);
        return false;
    }
    *file = f;
    return true;
}

bool tensors_read(const char *path, TensorFile **file, Error *err)
{
    char *bytes;
    size_t length;
    if (!file_read(path, &bytes, &length, err)) return false;
    const bool ok = tensors_parse(path, bytes, length, file, err);
    free(bytes);
    return ok;
}

void tensors_close(TensorFile *file)
{
    if (!file) return;
    json_decref(file->header);
    free(file->tensors);
    free(file->metadata);
    free(file->values);
    free(file);
}

const Tensor *tensors_get(const TensorFile *file, int i)
{
    return i >= 0 && i < file->count ? &file->tensors[i] : NULL;
}

const Tensor *tensors_find(const TensorFile *file, const char *name)
{
    for (int i = 0; i < file->count; i++)
        if (strcmp(file->tensors[i].name, name) == 0) return &file->tensors[i];
    return NULL;
}

bool tensors_metadata_get(const TensorFile *file, int i, Metadata *pair)
{
    if (i < 0 || i >= file->metadata_count) return false;
    *pair = file->metadata[i];
    return true;
}

const char *tensors_metadata(const TensorFile *file, const char *key)
{
    Metadata pair;
    for (int i = 0; tensors_metadata_get(file, i, &pair); i++)
        if (strcmp(pair.key, key) == 0) return pair.value;
    return NULL;
}

/* ---- writing ---- */

typedef struct Output {
    const Tensor *tensors;
    int count;
    const char *header;
} Output;

static uint64_t tensor_bytes(const Tensor *tensor)
{
    uint64_t bytes = sizeof *tensor->values;
    for (int i = 0; i < tensor->axes; i++) bytes *= (uint64_t)tensor->shape[i];
    return bytes;
}

/* Takes value, as json_object_set_new does. NULL (text that is not UTF-8, no memory)
 * fails. */
static bool write_entry(const char *path, json_t *object, const char *key,
                        json_t *value, Error *err)
{
    if (json_object_get(object, key)) {
        json_decref(value);
        return error(err, "%s: \"%.99s\" is there twice", path, key);
    }
    return json_object_set_new(object, key, value) == 0 ||
           error(err, "%s: \"%.99s\" cannot be written: is it UTF-8?", path, key);
}

static json_t *write_tensor(const Tensor *tensor, uint64_t *at)
{
    assert(tensor->axes >= 0 && tensor->axes <= AXES_MAX);
    json_t *const shape = json_array();
    for (int i = 0; i < tensor->axes; i++)
        json_array_append_new(shape, json_integer(tensor->shape[i]));
    const uint64_t begin = *at;
    *at += tensor_bytes(tensor);
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", "F32", "shape", shape,
                     "data_offsets", (json_int_t)begin, (json_int_t)*at);
}

static bool write_header(const char *path, json_t *header, const Tensor *tensors,
                         int count, const Metadata *metadata, int metadata_count,
                         Error *err)
{
    if (metadata_count) { /* borrowed below, and owned by the header from here */
        json_t *const object = json_object();
        if (!write_entry(path, header, METADATA, object, err)) return false;
        for (int i = 0; i < metadata_count; i++)
            if (!write_entry(path, object, metadata[i].key,
                             json_string(metadata[i].value), err))
                return false;
    }
    uint64_t at = 0;
    for (int i = 0; i < count; i++)
        if (strcmp(tensors[i].name, METADATA) == 0)
            return error(err, "%s: no tensor can be named %s", path, METADATA);
        else if (!write_entry(path, header, tensors[i].name,
                              write_tensor(&tensors[i], &at), err))
            return false;
    return true;
}

/* What cannot be written shows in ferror, which file_write asks for. */
static bool write_body(void *context, FILE *out, Error *err)
{
    (void)err;
    const Output *const o = context;
    const size_t length = strlen(o->header);
    const uint64_t padded = (length + 7) / 8 * 8;
    fwrite(&padded, sizeof padded, 1, out);
    fprintf(out, "%s%*s", o->header, (int)(padded - length), "");
    for (int i = 0; i < o->count; i++)
        if (tensor_bytes(&o->tensors[i]))
            fwrite(o->tensors[i].values, 1, tensor_bytes(&o->tensors[i]), out);
    return true;
}

bool tensors_write(const char *path, const Tensor *tensors, int count,
                   const Metadata *metadata, int metadata_count, Error *err)
{
    json_t *const header = json_object();
    bool ok = write_header(path, header, tensors, count, metadata, metadata_count, err);
    char *const text = ok ? json_dumps(header, JSON_COMPACT) : NULL;
    json_decref(header);
    if (!ok) return false;
    if (!text || strlen(text) > HEADER_MAX)
        ok = error(err, "%s: the header is too large to be written", path);
    else
        ok = file_write(path, write_body, &(Output){tensors, count, text}, err);
    free(text);
    return ok;
}

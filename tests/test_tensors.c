/* test_tensors.c: safetensors files: what is written is read, what is wrong is
 * refused. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../core/data/file.h"
#include "../core/data/tensors.h"

static Error err;

/* ---- reading from memory ---- */

typedef struct File {
    char bytes[512];
    size_t length;
} File;

static File file_of(const char *json, size_t data)
{
    File f = {.bytes = {(char)strlen(json)}, .length = 8 + strlen(json) + data};
    cr_assert(f.length <= sizeof f.bytes && strlen(json) < 128);
    memcpy(f.bytes + 8, json, strlen(json));
    return f;
}

static void refused_bytes(const void *bytes, size_t length, const char *message)
{
    TensorFile *file = NULL;
    err.text[0] = '\0';
    char *const exact =
        malloc(length + 1); /* so that a sanitizer sees a read beyond it */
    memcpy(exact, bytes, length);
    cr_expect(!tensors_parse("t", exact, length, &file, &err), "%s", message);
    cr_expect_str_eq(err.text, message);
    cr_expect_null(file);
    free(exact);
}

static void refused(const char *json, size_t data, const char *message)
{
    const File f = file_of(json, data);
    refused_bytes(f.bytes, f.length, message);
}

#define TENSOR(shape, begin, end)                                                      \
    "{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]}"

Test(tensors, one_tensor_and_its_metadata_are_read)
{
    File f = file_of(
        "{\"__metadata__\":{\"k\":\"v\"},\"a\":" TENSOR("[2]", "0", "8") "}  ", 8);
    const float values[] = {1.5f, -2};
    memcpy(f.bytes + f.length - 8, values, 8);
    TensorFile *file;
    cr_assert(tensors_parse("t", f.bytes, f.length, &file, &err), "%s", err.text);
    const Tensor *const a = tensors_find(file, "a");
    cr_assert(a);
    cr_expect_eq(a, tensors_get(file, 0));
    cr_expect_null(tensors_get(file, 1));
    cr_expect_null(tensors_get(file, -1));
    cr_expect_null(tensors_find(file, "b"));
    cr_expect(a->axes == 1 && a->shape[0] == 2);
    cr_expect_arr_eq(a->values, values, sizeof values);
    cr_expect_str_eq(tensors_metadata(file, "k"), "v");
    cr_expect_null(tensors_metadata(file, "a"));
    tensors_close(file);
}

Test(tensors, empty_tensors_scalars_and_any_order_are_read)
{
    File f = file_of(
        "{\"b\":" TENSOR("[]", "4", "8") ",\"e\":" TENSOR("[0]", "4", "4") "}", 8);
    refused_bytes(f.bytes, f.length, "t: tensor \"e\" follows a hole");
    f = file_of("{\"b\":" TENSOR("[]", "0", "4") ",\"e\":" TENSOR("[0]", "0", "0") "}",
                4);
    TensorFile *file;
    cr_assert(tensors_parse("t", f.bytes, f.length, &file, &err), "%s", err.text);
    cr_expect_eq(tensors_find(file, "b")->axes, 0);
    cr_expect_eq(tensors_find(file, "e")->shape[0], 0);
    cr_expect_str_eq(tensors_get(file, 0)->name, "b");
    tensors_close(file);
}

Test(tensors, wrong_headers_are_refused)
{
    refused_bytes("", 0, "t: 0 bytes are too few for a safetensors file");
    refused_bytes("1234567", 7, "t: 7 bytes are too few for a safetensors file");
    refused_bytes("\1\0\0\0\0\0\0\0", 8,
                  "t: cut short: 1 bytes of header, 0 in the file");
    refused_bytes("\1\341\365\5\0\0\0\0{}", 10,
                  "t: a header of 100000001 bytes: not a safetensors file");
    refused_bytes("\377\377\377\377\377\377\377\377{}", 10,
                  "t: a header of 18446744073709551615 bytes: not a safetensors file");
    refused("[]", 0, "t: the header is not a JSON object");
    refused("{\"a\":1}", 0, "t: tensor \"a\" is not described by an object");
    refused("{\"__metadata__\":[]}", 0, "t: __metadata__ is not an object");
    refused("{\"__metadata__\":{\"k\":1}}", 0, "t: metadata \"k\" is not a string");
    refused("{}", 3, "t: 3 bytes after the last tensor");
    for (const char *bad = "{\0\"\0{\"a\0{} x\0{\"\xFF\":1}\0{\"a\":1,\"a\":1}\0\0";
         *bad; bad += strlen(bad) + 1) {
        const File f = file_of(bad, 0);
        TensorFile *file;
        cr_expect(!tensors_parse("t", f.bytes, f.length, &file, &err), "%s", bad);
        cr_expect(strncmp(err.text, "t: header, byte ", 16) == 0, "%s", err.text);
    }
}

Test(tensors, wrong_types_shapes_and_offsets_are_refused)
{
    static const struct {
        const char *tensor;
        size_t data;
        const char *message;
    } bad[] = {
        {"{}", 0, "dtype is missing; F32 was expected"},
        {"{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[0,2]}", 2,
         "dtype F16; F32 was expected"},
        {"{\"dtype\":\"F32\"}", 0, "a shape of at most 4 axes was expected"},
        {TENSOR("[1,1,1,1,1]", "0", "4"), 4, "a shape of at most 4 axes was expected"},
        {TENSOR("[-1]", "0", "4"), 4, "axis 0 is not a whole number >= 0"},
        {TENSOR("[1,1.0]", "0", "4"), 4, "axis 1 is not a whole number >= 0"},
        {TENSOR("[\"1\"]", "0", "4"), 4, "axis 0 is not a whole number >= 0"},
        {TENSOR("[4611686018427387904]", "0", "0"), 0, "its shape is too large"},
        {TENSOR("[2147483648,2147483648,2]", "0", "0"), 0, "its shape is too large"},
        {TENSOR("[1]", "0", "-4"), 4, "two data_offsets were expected"},
        {"{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}", 4,
         "two data_offsets were expected"},
        {TENSOR("[1]", "4", "0"), 4,
         "offsets 4 to 0 are outside the 4 bytes of data; is the file cut short?"},
        {TENSOR("[2]", "0", "8"), 7,
         "offsets 0 to 8 are outside the 7 bytes of data; is the file cut short?"},
        {TENSOR("[2]", "0", "4"), 4, "its shape takes 8 bytes, its offsets hold 4"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char json[128], message[160];
        snprintf(json, sizeof json, "{\"a\":%s}", bad[i].tensor);
        snprintf(message, sizeof message, "t: tensor \"a\": %s", bad[i].message);
        refused(json, bad[i].data, message);
    }
    char json[] = "{\"a\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999],"
                  "\"data_offsets\":[0,4]}}"; /* beyond 64 bits */
    refused(json, 4, "t: header, byte 49: too big integer near '99999999999999999999'");
}

Test(tensors, holes_and_overlaps_are_refused)
{
#define PAIR(b, e, b2, e2)                                                             \
    "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[" b "," e               \
    "]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[" b2 "," e2 "]}}"
    static const struct {
        const char *json, *message;
    } bad[] = {{PAIR("0", "4", "0", "4"), "t: tensor \"b\" overlaps another"},
               {PAIR("2", "6", "0", "4"), "t: tensor \"a\" overlaps another"},
               {PAIR("0", "4", "8", "12"), "t: tensor \"b\" follows a hole"},
               {PAIR("4", "8", "8", "12"), "t: tensor \"a\" follows a hole"},
               {PAIR("0", "4", "4", "8"), "t: 4 bytes after the last tensor"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const size_t n = strlen(bad[i].json);
        char bytes[256] = {(char)n};
        memcpy(bytes + 8, bad[i].json, n);
        /* which of two equal ones is named second is qsort's affair */
        TensorFile *file;
        cr_expect(!tensors_parse("t", bytes, 8 + n + 12, &file, &err));
        if (i)
            cr_expect_str_eq(err.text, bad[i].message);
        else
            cr_expect(strstr(err.text, "overlaps another"), "%s", err.text);
    }
}

Test(tensors, a_header_nested_a_million_deep_is_refused)
{
    const size_t n = 1000000;
    char *const bytes = malloc(8 + n);
    for (size_t i = 0; i < 8; i++) bytes[i] = (char)(n >> 8 * i);
    for (const char *open = "[{"; *open; open++) {
        memset(bytes + 8, *open, n);
        if (*open == '{')
            for (size_t i = 0; i + 5 <= n; i += 5) memcpy(bytes + 8 + i, "{\"a\":", 5);
        TensorFile *file;
        cr_expect(!tensors_parse("t", bytes, 8 + n, &file, &err));
        cr_expect(strstr(err.text, "maximum parsing depth reached"), "%s", err.text);
    }
    free(bytes);
}

Test(tensors, every_cut_of_a_file_is_refused)
{
    const File f = file_of("{\"a\":" TENSOR("[2]", "0", "8") "}", 8);
    for (size_t n = 0; n < f.length; n++) {
        TensorFile *file;
        cr_expect(!tensors_parse("t", f.bytes, n, &file, &err), "%zu bytes", n);
    }
}

/* ---- files ---- */

static char folder[] = "/tmp/weft-tensors-XXXXXX";
static char path[64], part[128];

static void make_folder(void)
{
    cr_assert(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/file", folder);
    snprintf(part, sizeof part, "%s.%ld.part", path, (long)getpid());
}

static void remove_folder(void)
{
    (void)unlink(path);
    (void)rmdir(folder); /* fails when a part was left, which the tests look for */
}

TestSuite(tensors_file, .init = make_folder, .fini = remove_folder);

static const float some[] = {1, -0.0f, NAN, INFINITY, 1e-40f, 3.25f};
static const Tensor two[] = {{"z\"\n\xC3\xA4", 2, {2, 3}, some},
                             {"a", 0, {0}, some + 5}};
static const Metadata notes[] = {{"z", "cell \"x\"\n\tweight \xE2\x82\xAC"}, {"a", ""}};

Test(tensors_file, what_is_written_is_read_in_order)
{
    cr_assert(tensors_write(path, two, 2, notes, 2, &err), "%s", err.text);
    TensorFile *file;
    cr_assert(tensors_read(path, &file, &err), "%s", err.text);
    for (int i = 0; i < 2; i++) {
        const Tensor *const t = tensors_get(file, i);
        cr_expect_str_eq(t->name, two[i].name);
        cr_expect_eq(t->axes, two[i].axes);
        Metadata pair;
        cr_assert(tensors_metadata_get(file, i, &pair));
        cr_expect_str_eq(pair.key, notes[i].key);
        cr_expect_str_eq(pair.value, notes[i].value);
    }
    cr_expect(tensors_get(file, 0)->shape[0] == 2 &&
              tensors_get(file, 0)->shape[1] == 3);
    cr_expect_arr_eq(tensors_get(file, 0)->values, some, sizeof some);
    cr_expect_arr_eq(tensors_get(file, 1)->values, some + 5, sizeof *some);
    tensors_close(file);
    cr_expect(access(part, F_OK));
}

Test(tensors_file, values_begin_at_a_multiple_of_eight)
{
    for (size_t extra = 0; extra < 9; extra++) {
        const Tensor t = {&"abcdefghi" [extra], 1, { 6 }, some};
        cr_assert(tensors_write(path, &t, 1, NULL, 0, &err), "%s", err.text);
        char *bytes;
        size_t length;
        cr_assert(file_read(path, &bytes, &length, &err));
        cr_expect_eq((unsigned char)bytes[0] % 8, 0);
        cr_expect_eq(length, 8 + (size_t)(unsigned char)bytes[0] + sizeof some);
        cr_expect_arr_eq(bytes + length - sizeof some, some, sizeof some);
        free(bytes);
    }
}

Test(tensors_file, equal_and_unwritable_names_are_refused)
{
    const Tensor same[] = {two[1], two[1]};
    cr_expect(!tensors_write(path, same, 2, NULL, 0, &err));
    cr_expect(strstr(err.text, ": \"a\" is there twice"), "%s", err.text);
    const Tensor reserved = {"__metadata__", 0, {0}, some};
    cr_expect(!tensors_write(path, &reserved, 1, NULL, 0, &err));
    cr_expect(strstr(err.text, ": no tensor can be named __metadata__"), "%s",
              err.text);
    const Metadata latin = {"k", "\xE4"};
    cr_expect(!tensors_write(path, two, 2, &latin, 1, &err));
    cr_expect(strstr(err.text, ": \"k\" cannot be written: is it UTF-8?"), "%s",
              err.text);
    cr_expect(access(path, F_OK));
}

/* The old file is whole, and nothing is left beside it. */
static void expect_untouched(void)
{
    char *bytes;
    size_t length;
    cr_assert(file_read(path, &bytes, &length, &err), "%s", err.text);
    cr_expect_str_eq(bytes, "old");
    cr_expect(access(part, F_OK));
    free(bytes);
}

static void put_old(void)
{
    FILE *const f = fopen(path, "w");
    cr_assert(f && fputs("old", f) >= 0 && fclose(f) == 0);
}

Test(tensors_file, a_full_disk_leaves_the_old_file)
{
    put_old();
    signal(SIGXFSZ, SIG_IGN);
    float *const many = calloc(1 << 18, sizeof *many);
    const Tensor t = {"many", 1, {1 << 18}, many};
    for (rlim_t limit = 1; limit < (rlim_t)1 << 20; limit *= 32) {
        struct rlimit was, now;
        getrlimit(RLIMIT_FSIZE, &was);
        now = (struct rlimit){limit, was.rlim_max};
        cr_assert_eq(setrlimit(RLIMIT_FSIZE, &now), 0);
        const bool written = tensors_write(path, &t, 1, NULL, 0, &err);
        setrlimit(RLIMIT_FSIZE, &was);
        cr_expect(!written);
        cr_expect(strstr(err.text, "File too large"), "%s", err.text);
        expect_untouched();
    }
    free(many);
}

static bool fail_body(void *context, FILE *out, Error *e)
{
    fputs("half", out);
    return error(e, "%s", (const char *)context);
}

Test(tensors_file, a_failing_writer_leaves_the_old_file)
{
    put_old();
    cr_expect(!file_write(path, fail_body, "no", &err));
    cr_expect_str_eq(err.text, "no");
    expect_untouched();
}

Test(tensors_file, where_nothing_can_be_written_is_told)
{
    cr_expect(!tensors_write(folder, two, 2, NULL, 0, &err));
    cr_expect(strstr(err.text, "is a directory"), "%s", err.text);
    cr_expect(!tensors_write("/dev/null", two, 2, NULL, 0, &err));
    cr_expect_str_eq(err.text, "/dev/null: is not a regular file");
    cr_expect(!tensors_write("/nowhere/x", two, 2, NULL, 0, &err));
    cr_expect(strstr(err.text, "No such file or directory"), "%s", err.text);
    put_old();
    char below[80];
    snprintf(below, sizeof below, "%s/x", path); /* below a file: fails for root too */
    cr_expect(!tensors_write(below, two, 2, NULL, 0, &err));
    cr_expect(strstr(err.text, "Not a directory"), "%s", err.text);
    if (geteuid()) {
        cr_assert_eq(chmod(folder, 0500), 0);
        cr_expect(!tensors_write(path, two, 2, NULL, 0, &err));
        cr_expect(strstr(err.text, "Permission denied"), "%s", err.text);
        cr_assert_eq(chmod(folder, 0700), 0);
    }
    expect_untouched();
}

Test(tensors_file, a_directory_and_a_missing_file_are_told)
{
    TensorFile *file = NULL;
    cr_expect(!tensors_read(folder, &file, &err));
    cr_expect(strstr(err.text, "is a directory"), "%s", err.text);
    cr_expect(!tensors_read(path, &file, &err));
    cr_expect(strstr(err.text, "No such file or directory"), "%s", err.text);
    cr_expect_null(file);
}

/* test_images.c: IDX files, what gzip compressed, and images as sequences. */
#include "folder.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "../experiments/idx.h"
#include "task_rig.h"

TestSuite(idx, .init = open_folder, .fini = close_folder);
TestSuite(inflate, .init = open_folder, .fini = close_folder);
TestSuite(images, .init = open_folder, .fini = close_folder);

/* ---- files ---- */

static void put_file(const char *path, const void *bytes, size_t count)
{
    FILE *file = fopen(path, "wb");
    cr_assert(file);
    cr_assert_eq(fwrite(bytes, 1, count, file), count);
    cr_assert_eq(fclose(file), 0);
}

static void compress_file(const char *path)
{
    char command[256];
    snprintf(command, sizeof command, "gzip -f %s", path);
    cr_assert_eq(system(command), 0);
}

static const uint8_t square[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0,
                                 0, 2, 0, 0, 0, 1, 7, 8, 9, 255};

Test(idx, plain_and_compressed_files_have_the_same_values)
{
    WeftError err;
    put_file("a", square, sizeof square);
    put_file("b", square, sizeof square);
    compress_file("b");
    for (int i = 0; i < 2; i++) {
        Idx idx;
        cr_assert(idx_open(i ? "b.gz" : "a", 3, &idx, &err), "%s", err.text);
        cr_expect_arr_eq(idx.shape, ((size_t[]){2, 2, 1}), sizeof idx.shape);
        cr_expect_arr_eq(idx.values, square + 16, 4);
        idx_close(&idx);
    }
}

/* The square with one byte changed, cut at `count`. */
static void expect_wrong(size_t at, uint8_t byte, size_t count, const char *message)
{
    Idx idx;
    WeftError err = {""};
    uint8_t bytes[sizeof square];
    memcpy(bytes, square, sizeof square);
    bytes[at] = byte;
    cr_expect(!idx_parse("f", bytes, count, 3, &idx, &err));
    cr_expect_str_eq(err.text, message);
}

Test(idx, what_is_wrong_is_told_with_its_byte)
{
    const size_t all = sizeof square;
    expect_wrong(0, 0, 3, "f: byte 0: not an IDX file, which begins with two zeros");
    expect_wrong(1, 1, all, "f: byte 0: not an IDX file, which begins with two zeros");
    expect_wrong(2, 13, all, "f: byte 2: type 0d: expected 08, unsigned bytes");
    expect_wrong(3, 1, all, "f: byte 3: 1 axes: expected 3");
    expect_wrong(0, 0, 11, "f: byte 11: it is cut short in its head");
    expect_wrong(0, 0, 15, "f: byte 15: it is cut short in its head");
    expect_wrong(
        8, 0x20, all,
        "f: byte 8: an axis of 536870914: expected 1 or more, and at most 2^30 "
        "values in all");
    expect_wrong(7, 0, all,
                 "f: byte 4: an axis of 0: expected 1 or more, and at most 2^30 values "
                 "in all");
    expect_wrong(8, 0xff, all,
                 "f: byte 8: an axis of 4278190082: expected 1 or more, and at most "
                 "2^30 values in all");
    expect_wrong(0, 0, all - 1, "f: byte 16: 3 values follow: expected 4");
    expect_wrong(7, 1, all, "f: byte 16: 4 values follow: expected 2");
}

Test(inflate, damaged_or_missing_files_are_told)
{
    Bytes bytes;
    WeftError err;
    uint8_t zip[4096];
    cr_expect(!inflate_file("none", 100, &bytes, &err));
    cr_expect_str_eq(err.text, "none: No such file or directory");
    put_file("a", square, sizeof square);
    cr_expect(!inflate_file("a", sizeof square - 1, &bytes, &err));
    cr_expect_str_eq(err.text, "a: more than 19 bytes when inflated");
    compress_file("a");
    FILE *file = fopen("a.gz", "rb");
    const size_t count = fread(zip, 1, sizeof zip, file);
    fclose(file);
    put_file("short.gz", zip, count - 9);
    cr_expect(!inflate_file("short.gz", 100, &bytes, &err));
    cr_expect_str_eq(err.text, "short.gz: damaged gzip data: unexpected end of file");
    zip[count - 8] ^= 1; /* of the checksum */
    put_file("bad.gz", zip, count);
    cr_expect(!inflate_file("bad.gz", 100, &bytes, &err));
    cr_expect_str_eq(err.text, "bad.gz: damaged gzip data: incorrect data check");
}

/* A thousand letters a, as zlib's level 9 writes them. */
static const uint8_t letters[] = {0x78, 0xda, 0x4b, 0x4c, 0x1c, 0x05, 0xa3, 0x60, 0x14,
                                  0x0c, 0x77, 0x00, 0x00, 0xf9, 0xd8, 0x7a, 0xf8};

Test(inflate, stream_comes_out_whole_or_is_an_error)
{
    Bytes bytes;
    WeftError err;
    uint8_t bad[sizeof letters];
    cr_assert(inflate_bytes("f", letters, sizeof letters, 1000, &bytes, &err), "%s",
              err.text);
    cr_expect_eq(bytes.count, 1000);
    for (size_t i = 0; i < bytes.count; i++) cr_assert_eq(bytes.at[i], 'a');
    free(bytes.at);
    cr_expect(!inflate_bytes("f", letters, sizeof letters, 999, &bytes, &err));
    cr_expect_str_eq(err.text, "f: more than 999 bytes when inflated");
    cr_expect(!inflate_bytes("f", letters, 9, 1000, &bytes, &err));
    cr_expect_str_eq(err.text, "f: damaged zlib data at byte 9 of 9: it is cut short");
    memcpy(bad, letters, sizeof bad);
    bad[sizeof bad - 1] ^= 1;
    cr_expect(!inflate_bytes("f", bad, sizeof bad, 1000, &bytes, &err));
    cr_expect_str_eq(err.text,
                     "f: damaged zlib data at byte 17 of 17: incorrect data check");
}

/* ---- images ---- */

#define TRAIN       5020 /* images, of which the last 5000 are the validation's */
#define TEST_IMAGES 30

static uint8_t gray(size_t image, int place)
{
    return (uint8_t)(image * 31 + (size_t)place * 7 + (size_t)place / 28 * 5);
}

static void put_images(const char *path, size_t count, uint8_t side)
{
    uint8_t *bytes = calloc(16 + count * 784, 1);
    const uint8_t head[16] = {
        0, 0,    8, 3, 0, 0, (uint8_t)(count >> 8), (uint8_t)count, 0, 0,
        0, side, 0, 0, 0, 28};
    memcpy(bytes, head, 16);
    for (size_t i = 0; i < count; i++)
        for (int p = 0; p < 784; p++) bytes[16 + i * 784 + (size_t)p] = gray(i, p);
    put_file(path, bytes, 16 + count * side * 28);
    free(bytes);
}

static void put_labels(const char *path, size_t count, uint8_t (*label)(size_t i))
{
    uint8_t *bytes = calloc(8 + count, 1);
    const uint8_t head[8] = {0, 0, 8, 1, 0, 0, (uint8_t)(count >> 8), (uint8_t)count};
    memcpy(bytes, head, 8);
    for (size_t i = 0; i < count; i++) bytes[8 + i] = label(i);
    put_file(path, bytes, 8 + count);
    free(bytes);
}

/* Training has 0 to 4, validation 7, test 9. */
static uint8_t train_label(size_t i)
{
    return i < TRAIN - 5000 ? (uint8_t)(i % 5) : 7;
}

static uint8_t test_label(size_t i)
{
    (void)i;
    return 9;
}

static uint8_t bad_label(size_t i)
{
    return i == 12 ? 10 : 0;
}

static void put_all(void)
{
    put_images("train-images-idx3", TRAIN, 28);
    put_labels("train-labels-idx1", TRAIN, train_label);
    put_images("t10k-images-idx3", TEST_IMAGES, 28);
    put_labels("t10k-labels-idx1", TEST_IMAGES, test_label);
}

static bool images_open(const Experiment *experiment, int length, const char *file,
                        uint64_t seed, Data *data, WeftError *err)
{
    return file_data(experiment, file, length, 7, seed, data, err);
}

typedef struct Read {
    float x[784 * 7];
    int32_t label[7];
} Read;

static void read_batch(const Experiment *experiment, int length, uint64_t seed,
                       uint64_t index, Read *read)
{
    Data data;
    WeftError err;
    cr_assert(images_open(experiment, length, "train-images-idx3", seed, &data, &err),
              "%s", err.text);
    WeftBatch batch = {.steps = data.train.steps,
                       .rows = 7,
                       .inputs = data.shape.inputs,
                       .x = read->x,
                       .label = read->label};
    cr_assert_eq(batch.steps * batch.inputs <= 784, true);
    cr_assert(data.train.fill(data.train.context, index, &batch, &err));
    data.close(&data);
}

/* Which image of the training part row `row` of the batch is, by its first rows. */
static size_t image_of(const Read *rows, int row)
{
    for (size_t i = 0; i < TRAIN; i++) {
        bool same = true;
        for (int p = 0; same && p < 784; p++)
            same = rows->x[(p / 28 * 7 + row) * 28 + p % 28] == (float)gray(i, p) / 255;
        if (same) return i;
    }
    return TRAIN;
}

Test(images, rows_are_those_of_images_of_the_training_part)
{
    Read read;
    bool seen[TRAIN - 5000] = {false};
    put_all();
    for (uint64_t index = 0; index < 143; index++) { /* 1001 images */
        read_batch(&experiment_images_rows, 28, 3, index, &read);
        for (int row = 0; row < 7; row++) {
            const size_t i = image_of(&read, row);
            cr_assert_lt(i, TRAIN - 5000);
            cr_assert_eq(read.label[row], train_label(i));
            seen[i] = true;
        }
    }
    for (int i = 0; i < TRAIN - 5000; i++) cr_expect(seen[i]);
}

Test(images, pixels_are_means_of_squares_in_order)
{
    Read rows, pixels;
    put_all();
    for (int side = 7; side <= 28; side *= 2) {
        const int block = 28 / side;
        read_batch(&experiment_images_rows, 28, 3, 5, &rows);
        read_batch(&experiment_images_pixels, side * side, 3, 5, &pixels);
        for (int row = 0; row < 7; row++)
            for (int p = 0; p < side * side; p++) {
                double sum = 0;
                for (int r = 0; r < block; r++)
                    for (int c = 0; c < block; c++)
                        sum += (double)rows.x[((p / side * block + r) * 7 + row) * 28 +
                                              p % side * block + c];
                cr_assert_float_eq(pixels.x[p * 7 + row], sum / (block * block), 1e-6);
            }
    }
}

Test(images, permutation_is_one_whatever_the_image_and_the_seed)
{
    Read plain, permuted;
    int at[784], moved = 0;
    bool taken[784] = {false};
    put_all();
    for (int p = 0; p < 784; p++) at[p] = -1;
    for (uint64_t seed = 3; seed < 5; seed++) {
        read_batch(&experiment_images_pixels, 784, seed, 5, &plain);
        read_batch(&experiment_images_permuted, 784, seed, 5, &permuted);
        for (int p = 0; p < 784; p++) { /* which pixel is the same in all seven */
            for (int q = 0; q < 784 && at[p] < 0; q++)
                if (!taken[q] &&
                    !memcmp(plain.x + 7 * q, permuted.x + 7 * p, 7 * sizeof(float)))
                    at[p] = q;
            cr_assert(at[p] >= 0);
            taken[at[p]] = true;
            moved += at[p] != p;
            cr_assert_arr_eq(plain.x + 7 * at[p], permuted.x + 7 * p,
                             7 * sizeof(float));
        }
    }
    cr_expect_gt(moved, 1400);
}

Test(images, batches_are_functions_of_seed_and_index)
{
    Read a, b;
    put_all();
    read_batch(&experiment_images_rows, 28, 3, 5, &a);
    read_batch(&experiment_images_rows, 28, 3, 5, &b);
    cr_expect_arr_eq(a.x, b.x, sizeof a.x);
    read_batch(&experiment_images_rows, 28, 3, 6, &b);
    cr_expect(memcmp(a.x, b.x, sizeof a.x));
    read_batch(&experiment_images_rows, 28, 4, 5, &b);
    cr_expect(memcmp(a.x, b.x, sizeof a.x));
}

/* A net that always says one class; its score on a part. */
static WeftScore say(const Data *data, int class, Part part)
{
    WeftTeam *team;
    WeftNet *net;
    WeftScore score;
    WeftError err;
    Settings settings = experiment_images_rows.train;
    settings.cell = "rnn";
    settings.hidden = 1;
    cr_assert(weft_team_open(1, &team, &err), "%s", err.text);
    cr_assert(settings_net(&settings, team, &data->shape, &net, &err), "%s", err.text);
    const char *name;
    int axes, shape[4];
    float *values;
    for (int i = 0; (values = weft_net_parameter(net, i, &name, &axes, shape)); i++)
        for (int k = 0; k < shape[0] * (axes > 1 ? shape[1] : 1); k++)
            values[k] = !strcmp(name, "head.bias") && k == class ? 50 : 0;
    Data own = *data;
    cr_assert(own.evaluate(&own, net, part, 100, &score, &err), "%s", err.text);
    weft_net_close(net);
    weft_team_close(team);
    return score;
}

Test(images, parts_are_the_first_and_last_of_one_file_and_the_other)
{
    Data data;
    WeftError err;
    put_all();
    cr_assert(
        images_open(&experiment_images_rows, 28, "train-images-idx3", 0, &data, &err),
        "%s", err.text);
    cr_expect_eq(say(&data, 7, VALIDATION).accuracy, 1);
    cr_expect_eq(say(&data, 7, VALIDATION).targets, 5000);
    cr_expect_eq(say(&data, 9, VALIDATION).accuracy, 0);
    cr_expect_eq(say(&data, 9, TEST).accuracy, 1);
    cr_expect_eq(say(&data, 9, TEST).targets, TEST_IMAGES);
    data.close(&data);
}

Test(images, guessing_is_the_baseline_of_a_net_that_says_nothing)
{
    Data data;
    WeftError err;
    WeftScore score;
    char name[BASELINE_SIZE];
    put_all();
    cr_assert(
        images_open(&experiment_images_rows, 28, "train-images-idx3", 0, &data, &err),
        "%s", err.text);
    cr_assert(data.baseline(&data, TEST, 0, name, &score, &err));
    cr_expect_str_eq(name, "guessing");
    cr_expect_float_eq(score.loss, log(10), 1e-12);
    cr_expect_float_eq(score.loss, say(&data, -1, TEST).loss, 1e-5);
    data.close(&data);
}

static void expect_refused(int length, const char *file, const char *message)
{
    Data data;
    WeftError err = {""};
    cr_expect(!images_open(&experiment_images_rows, length, file, 0, &data, &err));
    cr_expect_str_eq(err.text, message);
}

Test(images, files_that_do_not_fit_are_refused)
{
    const char *const file = "train-images-idx3";
    put_all();
    expect_refused(13, file, "--length 13: expected 28, 14 or 7 rows");
    expect_refused(28, "pictures",
                   "pictures: expected a file named "
                   "train-images-idx3..., with its like beside it");
    put_labels("t10k-labels-idx1", TEST_IMAGES - 1, test_label);
    expect_refused(28, file, "t10k-images-idx3: 30 images, and 29 labels beside it");
    put_labels("t10k-labels-idx1", TEST_IMAGES, bad_label);
    expect_refused(28, file, "t10k-images-idx3: label 12 is 10: expected 0 to 9");
    put_images("t10k-images-idx3", TEST_IMAGES, 27);
    expect_refused(28, file, "t10k-images-idx3: images of 27 x 28: expected 28 x 28");
    cr_assert_eq(unlink("t10k-images-idx3"), 0);
    expect_refused(28, file, "t10k-images-idx3: No such file or directory");
    put_images(file, 100, 28);
    put_labels("train-labels-idx1", 100, test_label);
    expect_refused(28, file,
                   "train-images-idx3: 100 images: expected more than the 5000 of the "
                   "validation");
}

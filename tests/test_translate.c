/* test_translate.c: what sequences are made of and from in the experiments: words and phones,
 * dates, names of languages, outlines of garments. */
#include "../experiments/lines.h"
#include "folder.h"
#include "task_rig.h"

#include <ctype.h>
#include <stdint.h>
#include <sys/stat.h>

TestSuite(translate, .init = open_folder, .fini = close_folder, .timeout = 120);

enum { ROWS = 8 };

/* A batch of so many rows of what the experiment opened. */
typedef struct Batch {
    WeftBatch b;
} Batch;

static void *zeros(size_t count, size_t size)
{
    void *const at = calloc(count + 1, size);
    cr_assert(at);
    return at;
}

static void batch_open(Batch *batch, const Data *data)
{
    const size_t T = (size_t)data->train.steps, S = (size_t)data->train.source_steps;
    const size_t inputs = (size_t)data->shape.inputs,
                 outputs = (size_t)data->shape.outputs;
    const bool dense = data->shape.input == WEFT_DENSE;
    WeftBatch *const b = &batch->b;
    *b = (WeftBatch){.steps = (int)T,
                     .rows = ROWS,
                     .inputs = (int)inputs,
                     .outputs = (int)outputs,
                     .source_inputs = data->shape.encoder->inputs,
                     .source_steps = (int)S,
                     .x = dense ? zeros(T * ROWS * inputs, sizeof(float)) : NULL,
                     .symbol = dense ? NULL : zeros(T * ROWS, sizeof(int32_t)),
                     .target = dense ? zeros(T * ROWS * outputs, sizeof(float)) : NULL,
                     .label = dense ? NULL : zeros(T * ROWS, sizeof(int32_t)),
                     .weight = zeros(T * ROWS, sizeof(float)),
                     .length = zeros(ROWS, sizeof(int)),
                     .source_symbol = zeros(S * ROWS, sizeof(int32_t)),
                     .source_length = zeros(ROWS, sizeof(int))};
}

static void batch_fill(Batch *batch, const Data *data, uint64_t index)
{
    for (int i = 0; i < batch->b.steps * ROWS; i++) batch->b.weight[i] = 1;
    for (int i = 0; i < ROWS; i++) batch->b.length[i] = batch->b.steps;
    MUST(data->train.fill(data->train.context, index, &batch->b, &err));
}

static void batch_close(Batch *batch)
{
    WeftBatch *const b = &batch->b;
    void *const all[] = {b->x,      b->symbol, b->target,        b->label,
                         b->weight, b->length, b->source_symbol, b->source_length};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

static Data opened(const Experiment *experiment, const char *file)
{
    Data data;
    MUST(file_data(experiment, file, 20, ROWS, 1, &data, &err));
    return data;
}

static void refuses(const Experiment *experiment, const char *file, const char *what)
{
    Data data;
    FAILS(file_data(experiment, file, 20, ROWS, 1, &data, &err), what);
}

/* ---- dates ---- */

/* Every row is shifted by one step; two thousand rows have few dates twice. */
Test(translate, dates_are_read_and_filed)
{
    Data data = opened(&experiment_dates, NULL);
    Batch batch;
    batch_open(&batch, &data);
    const WeftBatch *const b = &batch.b;
    cr_expect_eq(b->steps, 11);
    cr_expect_eq(b->source_steps, 18);
    for (uint64_t i = 0; i < 100; i++) {
        batch_fill(&batch, &data, i);
        for (int row = 0; row < ROWS; row++) {
            cr_expect_eq(b->length[row], 11);
            cr_expect(b->source_length[row] >= 12 && b->source_length[row] <= 18);
            cr_expect_eq(b->symbol[row], UNIT_END);
            cr_expect_eq(b->label[10 * ROWS + row], UNIT_END);
            for (int t = 1; t < 11; t++)
                cr_expect_eq(b->symbol[t * ROWS + row], b->label[(t - 1) * ROWS + row]);
            /* yyyy-mm-dd: the same sign in two places */
            cr_expect_eq(b->label[4 * ROWS + row], b->label[7 * ROWS + row]);
            cr_expect_neq(b->label[3 * ROWS + row], b->label[4 * ROWS + row]);
        }
    }
    batch_close(&batch);
    data.close(&data);
}

/* ---- words ---- */

static void write_dictionary(const char *path, int words)
{
    FILE *const file = fopen(path, "w");
    cr_assert(file);
    for (int i = 0; i < words; i++) {
        char word[8];
        for (int k = 0, n = i; k < 5; k++, n /= 26) word[k] = (char)('a' + n % 26);
        word[5] = 0;
        fprintf(file, "%s AA %c\n", word, 'A' + i % 26);
        if (i % 10 == 0) fprintf(file, "%s(2) AA B%d EH\n", word, i % 7);
    }
    fprintf(file, "semi;colon X\nlonely\n");
    fclose(file);
}

Test(translate, a_sixth_of_the_dictionary_is_drawn)
{
    write_dictionary("words.dict", 20000);
    Data data = opened(&experiment_g2p, "words.dict");
    unsigned pairs = 0;
    cr_assert_eq(sscanf(data.about, "%u pairs", &pairs), 1, "%s", data.about);
    const double expected = 22000.0 * 20000 / 125945;
    cr_expect(fabs(pairs - expected) < 200, "%u of %g", pairs, expected);
    cr_expect(strstr(data.about, "at most 5 characters (26 known)"), "%s", data.about);
    cr_expect(strstr(data.about, "at most 3 words"), "%s", data.about);
    data.close(&data);
}

Test(translate, reversed_words_are_the_same_from_their_end)
{
    write_dictionary("words.dict", 20000);
    Data as = opened(&experiment_g2p, "words.dict"),
         reversed = opened(&experiment_g2p_reversed, "words.dict");
    Batch a, b;
    batch_open(&a, &as);
    batch_open(&b, &reversed);
    batch_fill(&a, &as, 5);
    batch_fill(&b, &reversed, 5);
    for (int row = 0; row < ROWS; row++)
        for (int t = 0, n = a.b.source_length[row]; t < n; t++)
            cr_expect_eq(a.b.source_symbol[t * ROWS + row],
                         b.b.source_symbol[(n - 1 - t) * ROWS + row]);
    batch_close(&a);
    batch_close(&b);
    as.close(&as);
    reversed.close(&reversed);
}

Test(translate, files_that_are_no_dictionary_are_refused)
{
    FILE *const file = fopen("empty.dict", "w");
    cr_assert(file);
    fprintf(file, "123 456\n");
    fclose(file);
    refuses(&experiment_g2p, "empty.dict", "lines of a word and its phones");
    refuses(&experiment_g2p, "none.dict", "none.dict");
}

/* ---- names ---- */

Test(translate, names_are_made_of_their_language)
{
    cr_assert_eq(mkdir("names", 0777), 0);
    for (int k = 0; k < 3; k++) {
        char path[32];
        snprintf(path, sizeof path, "names/L%d.txt", k);
        FILE *const file = fopen(path, "w");
        cr_assert(file);
        for (int i = 0; i < 100; i++) fprintf(file, "%c%d\n", 'a' + k, i);
        fclose(file);
    }
    Data data = opened(&experiment_names_made, "names");
    Batch batch;
    batch_open(&batch, &data);
    int first[3 + UNIT_FIRST] = {0};
    for (uint64_t i = 0; i < 50; i++) {
        batch_fill(&batch, &data, i);
        for (int row = 0; row < ROWS; row++) {
            const int language = batch.b.source_symbol[row],
                      letter = batch.b.label[row];
            cr_assert(language >= UNIT_FIRST && language < UNIT_FIRST + 3);
            cr_expect(!first[language] || first[language] == letter);
            first[language] = letter;
        }
    }
    batch_close(&batch);
    data.close(&data);
    refuses(&experiment_names_made, ".", "LANGUAGE.txt");
    refuses(&experiment_names_made, "nowhere", "nowhere");
}

/* ---- outlines ---- */

static void put_number(FILE *file, uint32_t n)
{
    for (int i = 3; i >= 0; i--) fputc((int)(n >> (8 * i) & 0xff), file);
}

/* Image i is of class i % 10: a bar from column class to column class + 5, but for the first row. */
static void write_images(const char *prefix, int count)
{
    char path[64];
    snprintf(path, sizeof path, "%s-images-idx3-ubyte", prefix);
    FILE *const images = fopen(path, "w");
    snprintf(path, sizeof path, "%s-labels-idx1-ubyte", prefix);
    FILE *const labels = fopen(path, "w");
    cr_assert(images && labels);
    put_number(images, 0x803);
    put_number(images, (uint32_t)count);
    put_number(images, 28);
    put_number(images, 28);
    put_number(labels, 0x801);
    put_number(labels, (uint32_t)count);
    for (int i = 0; i < count; i++) {
        fputc(i % 10, labels);
        for (int p = 0; p < 28 * 28; p++) {
            const bool inside = p >= 28 && p % 28 >= i % 10 && p % 28 <= i % 10 + 5;
            fputc(inside ? 200 : 10, images);
        }
    }
    fclose(images);
    fclose(labels);
}

Test(translate, outlines_are_edges_of_rows)
{
    write_images("train", 5100);
    write_images("t10k", 40);
    Data data = opened(&experiment_outlines, "train-images-idx3-ubyte");
    Batch batch;
    WeftScore mean;
    char name[BASELINE_SIZE];
    batch_open(&batch, &data);
    batch_fill(&batch, &data, 3);
    for (int row = 0; row < ROWS; row++) {
        const int class = batch.b.source_symbol[row];
        cr_expect_eq(batch.b.weight[row], 0, "the first row of pixels has no garment");
        for (int t = 1; t < 28; t++) {
            const int i = t * ROWS + row;
            cr_expect_eq(batch.b.weight[i], 1);
            cr_expect_float_eq(batch.b.target[2 * i], class / 28.0, 1e-6);
            cr_expect_float_eq(batch.b.target[2 * i + 1], (class + 6) / 28.0, 1e-6);
            const int before = i - ROWS;
            cr_expect_float_eq(batch.b.x[2 * i],
                               t == 1 ? 0.5 : batch.b.target[2 * before], 1e-6);
        }
    }
    MUST(data.baseline(&data, TEST, 0, name, &mean, &err));
    cr_expect_float_eq(mean.loss, 0, 1e-9, "all outlines of a class are alike");
    batch_close(&batch);
    data.close(&data);
}

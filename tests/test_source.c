/* test_source.c: batches of arrays and of texts. */
#include <criterion/criterion.h>
#include <string.h>

#include "../core/weft.h"

static WeftError err;

enum { STEPS = 3, INPUTS = 2, OUTPUTS = 2, COUNT = 7, ROWS = 4 };

/* Each value tells its sequence, step and place. */
static float x[COUNT][STEPS][INPUTS], target[COUNT][STEPS][OUTPUTS];
static int32_t symbol[COUNT][STEPS], label[COUNT][STEPS], last[COUNT];

static WeftArrays arrays(bool shuffle)
{
    for (int c = 0; c < COUNT; c++) {
        last[c] = 50 + c;
        for (int t = 0; t < STEPS; t++) {
            symbol[c][t] = 10 * c + t;
            label[c][t] = 1000 + 10 * c + t;
            for (int i = 0; i < INPUTS; i++) x[c][t][i] = (float)(100 * c + 10 * t + i);
            for (int i = 0; i < OUTPUTS; i++) target[c][t][i] = -1 - x[c][t][i];
        }
    }
    return (WeftArrays){.count = COUNT,
                        .steps = STEPS,
                        .inputs = INPUTS,
                        .outputs = OUTPUTS,
                        .x = &x[0][0][0],
                        .target = &target[0][0][0],
                        .shuffle = shuffle,
                        .seed = 5};
}

static WeftSource open_arrays(const WeftArrays *a, int rows)
{
    WeftSource source;
    cr_assert(weft_source_arrays(a, rows, &source, &err), "%s", err.text);
    cr_assert(source.steps == a->steps && source.rows == rows);
    return source;
}

static float bx[STEPS][ROWS][INPUTS], bt[STEPS][ROWS][OUTPUTS];
static int32_t bs[STEPS][ROWS], bl[STEPS][ROWS];

static WeftBatch dense(void)
{
    return (WeftBatch){.steps = STEPS,
                       .rows = ROWS,
                       .inputs = INPUTS,
                       .outputs = OUTPUTS,
                       .x = &bx[0][0][0],
                       .target = &bt[0][0][0],
                       .fresh = true};
}

/* Fills batch `index` and tells which sequence each row is. */
static void sequences(const WeftSource *source, uint64_t index, int got[ROWS])
{
    WeftBatch batch = dense();
    cr_assert(source->fill(source->context, index, &batch, &err), "%s", err.text);
    cr_expect(batch.fresh);
    for (int b = 0; b < ROWS; b++) {
        got[b] = (int)bx[0][b][0] / 100;
        for (int t = 0; t < STEPS; t++) {
            cr_assert_arr_eq(bx[t][b], x[got[b]][t], sizeof bx[t][b]);
            cr_assert_arr_eq(bt[t][b], target[got[b]][t], sizeof bt[t][b]);
        }
    }
}

Test(source, epoch_is_after_how_many_batches_the_rows_begin_again)
{
    WeftArrays a = arrays(false);
    for (a.count = 1; a.count <= COUNT; a.count++) {
        WeftSource source = open_arrays(&a, ROWS);
        int first[ROWS], got[ROWS];
        uint64_t index = 0;
        sequences(&source, 0, first);
        do sequences(&source, ++index, got);
        while (memcmp(first, got, sizeof got) != 0);
        cr_expect_eq(source.epoch, index, "%d sequences", a.count);
        weft_source_close(&source);
    }
    a = arrays(true);
    WeftSource source = open_arrays(&a, ROWS);
    cr_expect_eq(source.epoch, 0);
    weft_source_close(&source);
}

Test(source, arrays_are_visited_in_order_and_wrap)
{
    const WeftArrays a = arrays(false);
    WeftSource source = open_arrays(&a, ROWS);
    for (uint64_t index = 0; index < 20; index++) {
        int got[ROWS];
        sequences(&source, index, got);
        for (int b = 0; b < ROWS; b++)
            cr_expect_eq(got[b], ((int)index * ROWS + b) % COUNT);
    }
    weft_source_close(&source);
    cr_expect_null(source.context);
    weft_source_close(&source);
    weft_source_close(NULL);
}

Test(source, each_shuffled_epoch_visits_all_and_by_index_alone)
{
    const WeftArrays a = arrays(true);
    WeftSource source = open_arrays(&a, ROWS);
    int order[COUNT * ROWS]; /* as many epochs as rows, in COUNT batches */
    for (int i = 0; i < COUNT; i++) sequences(&source, (uint64_t)i, order + i * ROWS);
    int moved = 0, differ = 0;
    for (int e = 0; e < ROWS; e++) {
        int seen[COUNT] = {0};
        for (int i = 0; i < COUNT; i++) {
            const int s = order[e * COUNT + i];
            cr_expect_eq(seen[s]++, 0, "epoch %d visits %d twice", e, s);
            moved += s != i;
            differ += s != order[i];
        }
    }
    cr_expect(moved && differ, "the order is drawn, and for each epoch");
    for (int i = COUNT - 1; i >= 0; i--) { /* backwards, and twice */
        int got[ROWS];
        sequences(&source, (uint64_t)i, got);
        sequences(&source, (uint64_t)i, got);
        cr_expect_arr_eq(got, order + i * ROWS, sizeof got);
    }
    weft_source_close(&source);
}

Test(source, the_last_index_is_a_batch_too)
{
    const WeftArrays a = arrays(true);
    WeftSource source = open_arrays(&a, ROWS);
    int got[ROWS];
    sequences(&source, UINT64_MAX, got);
    weft_source_close(&source);
}

Test(source, symbols_and_labels_are_copied)
{
    WeftArrays a = arrays(false);
    a.x = a.target = NULL;
    a.symbol = &symbol[0][0];
    a.label = &label[0][0];
    WeftSource source = open_arrays(&a, ROWS);
    WeftBatch batch = {
        .steps = STEPS, .rows = ROWS, .symbol = &bs[0][0], .label = &bl[0][0]};
    cr_assert(source.fill(source.context, 0, &batch, &err), "%s", err.text);
    for (int t = 0; t < STEPS; t++)
        for (int b = 0; b < ROWS; b++)
            cr_expect(bs[t][b] == symbol[b][t] && bl[t][b] == label[b][t]);
    weft_source_close(&source);
}

Test(source, a_vector_has_one_label_a_row)
{
    WeftArrays a = arrays(false);
    a.target = NULL;
    a.label = last;
    a.vector = true;
    WeftSource source = open_arrays(&a, ROWS);
    WeftBatch batch = dense();
    batch.target = NULL;
    batch.label = &bl[0][0];
    cr_expect(!source.fill(source.context, 1, &batch, &err));
    cr_expect_str_eq(err.text, "the source has vector 1, but the model 0");
    batch.vector = true;
    memset(bl, 0, sizeof bl);
    cr_assert(source.fill(source.context, 1, &batch, &err), "%s", err.text);
    cr_expect_arr_eq(bl[0], ((int32_t[]){54, 55, 56, 50}), sizeof bl[0]);
    cr_expect_eq(bl[1][0], 0);
    weft_source_close(&source);
}

Test(source, a_model_of_other_sizes_is_refused)
{
    const WeftArrays a = arrays(false);
    WeftSource source = open_arrays(&a, ROWS);
    WeftBatch batch = dense();
    batch.rows = 3;
    cr_expect(!source.fill(source.context, 0, &batch, &err));
    cr_expect_str_eq(err.text, "the source has rows 4, but the model 3");
    batch = dense(), batch.inputs = 1;
    cr_expect(!source.fill(source.context, 0, &batch, &err));
    cr_expect_str_eq(err.text, "the source has inputs 2, but the model 1");
    batch = dense(), batch.outputs = 9;
    cr_expect(!source.fill(source.context, 0, &batch, &err));
    cr_expect_str_eq(err.text, "the source has outputs 2, but the model 9");
    batch = dense(), batch.symbol = &bs[0][0];
    cr_expect(!source.fill(source.context, 0, &batch, &err));
    cr_expect_str_eq(err.text, "the model needs symbol, which the arrays lack");
    weft_source_close(&source);
}

static void arrays_refused(WeftArrays a, int rows, const char *message)
{
    WeftSource source;
    cr_expect(!weft_source_arrays(&a, rows, &source, &err));
    cr_expect_str_eq(err.text, message);
}

Test(source, wrong_arrays_are_refused)
{
    WeftArrays a = arrays(false);
    arrays_refused(a, 0, "rows of the arrays is 0; at least 1 was expected");
    a = arrays(false), a.count = 0;
    arrays_refused(a, 1, "count of the arrays is 0; at least 1 was expected");
    a = arrays(false), a.steps = -1;
    arrays_refused(a, 1, "steps of the arrays is -1; at least 1 was expected");
    a = arrays(false), a.inputs = 0;
    arrays_refused(a, 1, "inputs of the arrays is 0; at least 1 was expected");
    a = arrays(false), a.outputs = 0;
    arrays_refused(a, 1, "outputs of the arrays is 0; at least 1 was expected");
    a = arrays(false), a.x = NULL;
    arrays_refused(a, 1, "the arrays need either x or symbol");
    a = arrays(false), a.label = last;
    arrays_refused(a, 1, "the arrays need either target or label");
}

/* ---- texts ---- */

static int32_t text[100];

static WeftSource open_text(size_t count, int rows, int steps, uint64_t windows)
{
    for (int i = 0; i < 100; i++) text[i] = i;
    WeftSource source;
    uint64_t got;
    cr_assert(weft_source_text(text, count, rows, steps, &source, &got, &err), "%s",
              err.text);
    cr_expect(got == windows && source.epoch == windows);
    cr_expect(source.rows == rows && source.steps == steps);
    return source;
}

Test(source, a_text_is_rows_of_contiguous_streams)
{
    WeftSource source = open_text(30, ROWS, STEPS, 2); /* 29 / 4 = 7 symbols a stream */
    for (uint64_t index = 0; index < 5; index++) {
        WeftBatch batch = {.steps = STEPS,
                           .rows = ROWS,
                           .symbol = &bs[0][0],
                           .label = &bl[0][0],
                           .fresh = true};
        cr_assert(source.fill(source.context, index, &batch, &err), "%s", err.text);
        cr_expect_eq(batch.fresh, index % 2 == 0);
        for (int t = 0; t < STEPS; t++)
            for (int b = 0; b < ROWS; b++) {
                cr_expect_eq(bs[t][b], 7 * b + 3 * (int)(index % 2) + t);
                cr_expect_eq(bl[t][b], bs[t][b] + 1);
            }
    }
    weft_source_close(&source);
}

Test(source, a_text_may_be_just_long_enough)
{
    WeftSource source = open_text(13, ROWS, STEPS, 1);
    weft_source_close(&source);
    cr_expect(!weft_source_text(text, 12, ROWS, STEPS, &source, NULL, &err));
    cr_expect_str_eq(
        err.text,
        "12 symbols are too few for 4 streams of 3 steps and one symbol more");
    cr_expect(!weft_source_text(text, 0, 1, 1, &source, NULL, &err));
    cr_expect(!weft_source_text(text, 9, 0, 1, &source, NULL, &err));
    cr_expect_str_eq(err.text, "0 rows of 1 steps; at least 1 of each was expected");
    cr_expect(!weft_source_text(text, 9, 1, 0, &source, NULL, &err));
}

Test(source, a_text_needs_symbols_and_labels)
{
    WeftSource source = open_text(30, ROWS, STEPS, 2);
    WeftBatch batch = dense();
    cr_expect(!source.fill(source.context, 0, &batch, &err));
    cr_expect_str_eq(err.text, "a text needs a model from symbols to labels");
    batch.vector = true;
    cr_expect(!source.fill(source.context, 0, &batch, &err));
    cr_expect_str_eq(err.text, "the source has vector 0, but the model 1");
    weft_source_close(&source);
}

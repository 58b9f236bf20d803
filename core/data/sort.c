/* sort.c: the rows of a batch by falling length, so that those that are live in a step come
 * first. */
#include "../model.h"
#include "../weft.h"

#include <stdlib.h>
#include <string.h>

typedef struct Row {
    int at;
    int64_t length;
} Row;

static int compare(const void *a, const void *b)
{
    const Row *const x = a, *const y = b;
    if (x->length != y->length) return x->length < y->length ? 1 : -1;
    return (x->at > y->at) - (x->at < y->at);
}

/* Row i is to be the row order[i].at; false: all are where they should be. */
static bool find_order(const WeftBatch *b, Row *order)
{
    bool moved = false;
    for (int i = 0; i < b->rows; i++)
        order[i] = (Row){i, (int64_t)b->length[i] +
                                (b->source_length ? b->source_length[i] : 0)};
    qsort(order, (size_t)b->rows, sizeof *order, compare);
    for (int i = 0; i < b->rows; i++) moved |= order[i].at != i;
    return moved;
}

/* Of [steps][B][n] elements of 4 bytes. */
static void move_rows(const WeftBatch *b, const Row *order, int steps, int n, void *at,
                      char *copy)
{
    const size_t bytes = (size_t)n * 4, B = (size_t)b->rows;
    for (size_t t = 0; at && t < (size_t)steps; t++) {
        char *const to = (char *)at + t * B * bytes;
        memcpy(copy, to, B * bytes);
        for (size_t i = 0; i < B; i++)
            memcpy(to + i * bytes, copy + (size_t)order[i].at * bytes, bytes);
    }
}

static void move_all(WeftBatch *b, const Row *order, char *copy)
{
    const int T = b->steps, S = b->source_steps, targets = b->vector ? 1 : T;
    move_rows(b, order, T, b->inputs, b->x, copy);
    move_rows(b, order, T, 1, b->symbol, copy);
    move_rows(b, order, targets, b->outputs, b->target, copy);
    move_rows(b, order, targets, 1, b->label, copy);
    move_rows(b, order, targets, 1, b->weight, copy);
    move_rows(b, order, 1, 1, b->length, copy);
    move_rows(b, order, S, b->source_inputs, b->source_x, copy);
    move_rows(b, order, S, 1, b->source_symbol, copy);
    move_rows(b, order, 1, 1, b->source_length, copy);
}

void weft_batch_sort(WeftBatch *b)
{
    if (!b || !b->length || b->rows < 2) return;
    const int widest = most(most(b->inputs, b->outputs), most(b->source_inputs, 1));
    Row *const order = malloc((size_t)b->rows * sizeof *order);
    char *const copy = malloc((size_t)b->rows * (size_t)widest * 4);
    if (order && copy && find_order(b, order)) move_all(b, order, copy);
    free(order);
    free(copy);
}

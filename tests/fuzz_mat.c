/* fuzz_mat.c: libFuzzer on the reader of MATLAB 5 files. */
#include <stdlib.h>
#include <string.h>

#include "../experiments/mat.h"

#define HEAD 128

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Touches every value that the matrices promise. */
static void touch(const Mat *mat)
{
    volatile unsigned sum = 0;
    for (int v = 0; v < mat->count; v++)
        for (size_t m = 0; m < mat->cells[v].count; m++) {
            const MatMatrix *matrix = &mat->cells[v].matrix[m];
            for (size_t i = 0; i < matrix->rows * matrix->columns; i++)
                sum += matrix->values[i];
        }
    (void)sum;
    mat_find(mat, "traindata");
}

/* The head is given, for it is the same in all files. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Mat mat;
    WeftError err;
    uint8_t *bytes = calloc(HEAD + size, 1);
    memcpy(bytes, "MATLAB 5.0", 10);
    memcpy(bytes + HEAD - 2, "IM", 2);
    if (size) memcpy(bytes + HEAD, data, size);
    if (mat_parse("fuzz", bytes, HEAD + size, &mat, &err)) {
        touch(&mat);
        mat_close(&mat);
    }
    free(bytes);
    return 0;
}

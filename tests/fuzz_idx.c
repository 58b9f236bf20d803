/* fuzz_idx.c: libFuzzer on the reader of IDX files. */
#include "../experiments/idx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    WeftError err;
    for (int axes = 1; axes <= IDX_AXES; axes++) {
        Idx idx;
        if (!idx_parse("fuzz", data, size, axes, &idx, &err)) continue;
        volatile unsigned sum = 0; /* touch every value that the shape promises */
        const size_t count = idx.shape[0] * idx.shape[1] * idx.shape[2];
        for (size_t i = 0; i < count; i++) sum += idx.values[i];
        (void)sum;
    }
    return 0;
}

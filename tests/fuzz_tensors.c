/* fuzz_tensors.c: libFuzzer on the reader of safetensors files. */
#include <stdint.h>

#include "../core/data/tensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    TensorFile *file;
    Error err;
    if (!tensors_parse("fuzz", data, size, &file, &err)) return 0;
    volatile float sum = 0; /* touch every value that a shape promises */
    for (int i = 0; tensors_get(file, i); i++) {
        const Tensor *const t = tensors_get(file, i);
        int64_t count = 1;
        for (int k = 0; k < t->axes; k++) count *= t->shape[k];
        for (int64_t k = 0; k < count; k++) sum += t->values[k];
    }
    (void)sum;
    tensors_close(file);
    return 0;
}

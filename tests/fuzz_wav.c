/* fuzz_wav.c: libFuzzer on the reader of WAV files. */
#include "../experiments/wav.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Wav wav;
    WeftError err;
    if (!wav_parse("fuzz", data, size, &wav, &err)) return 0;
    volatile int sum = 0; /* touch every sample that is promised */
    for (size_t i = 0; i < wav.count; i++) sum ^= wav_sample(&wav, i);
    (void)sum;
    return 0;
}

/* fuzz_text.c: libFuzzer on the reader of texts. */
#include <stdint.h>

#include "../core/data/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint32_t alphabet[] = {'\n', ' ', 'a', 0xE4, 0x20AC, 0x1F600};
    WeftText *text;
    WeftError err;
    if (text_parse("fuzz", (const char *)data, size, false, NULL, 0, &text, &err))
        weft_text_close(text);
    if (text_parse("fuzz", (const char *)data, size, true, NULL, 0, &text, &err))
        weft_text_close(text);
    if (text_parse("fuzz", (const char *)data, size, false, alphabet, 6, &text, &err))
        weft_text_close(text);
    return 0;
}

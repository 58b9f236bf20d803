/* fuzz_rates.c: libFuzzer on the reader of rates. */
#include <stdlib.h>
#include <string.h>

#include "../core/rates.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Rates that are read can be written and read again. */
static void again(const Rates *rates)
{
    char *text;
    size_t length;
    Rates same;
    FILE *const out = open_memstream(&text, &length);
    if (!out || !rates_write(rates, out, NULL) || fclose(out)) abort();
    if (!rates_parse("fuzz", text, length, &same, NULL)) abort();
    if (memcmp(&same, rates, sizeof same) != 0) abort();
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Rates rates;
    WeftError err;
    char *const text = malloc(size + 1);
    if (!text) return 0;
    memcpy(text, data, size);
    text[size] = 0;
    if (rates_parse("fuzz", text, size, &rates, &err)) again(&rates);
    free(text);
    return 0;
}

/* fuzz_table.c: libFuzzer on the reader of CSV tables. */
#include <stdint.h>

#include "../core/data/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    WeftTable *table;
    WeftError err;
    if (!table_parse("fuzz", (const char *)data, size, &table, &err)) return 0;
    for (int i = 0; i < weft_table_columns(table); i++) {
        weft_table_values(table, i, &err);
        weft_table_find(table, weft_table_name(table, i), &err);
    }
    weft_table_close(table);
    return 0;
}

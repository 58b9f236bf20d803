/* table.h: CSV from memory. */
#pragma once

#include "../error.h"

/* weft_table_open from memory; origin names it in messages. */
bool table_parse(const char *origin, const char *bytes, size_t length,
                 WeftTable **table, Error *err);

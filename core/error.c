/* error.c: a failure of the world, told in one sentence. */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>

bool error(Error *err, const char *format, ...)
{
    if (!err) return false;
    va_list list;
    va_start(list, format);
    vsnprintf(err->text, sizeof err->text, format, list);
    va_end(list);
    return false;
}

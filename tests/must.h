/* must.h: calls that give an error to `err`. */
#pragma once

#include <criterion/criterion.h>
#include <string.h>

/* The call succeeds. */
#define MUST(call)                                                                     \
    do {                                                                               \
        WeftError err = {""};                                                          \
        cr_assert(call, #call ": %s", err.text);                                       \
    } while (0)
/* The call fails, with a message that has this in it. */
#define FAILS(call, part)                                                              \
    do {                                                                               \
        WeftError err = {""};                                                          \
        cr_assert_not(call, #call " should fail");                                     \
        cr_expect(strstr(err.text, part), "\"%s\" is not in \"%s\"", part, err.text);  \
    } while (0)

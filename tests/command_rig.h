/* command_rig.h: the command, called in a folder of a test's own. */
#pragma once

#include "folder.h"

#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>

#define WEFT     BUILD_DIR "/weft"
#define OUT_SIZE 65536

static char out[OUT_SIZE]; /* of the last call, both streams */

/* Runs a shell line, in which weft is the command; returns its exit status. */
static inline int shell(const char *format, ...)
{
    char line[2048];
    int used = snprintf(line, sizeof line, "weft() { '%s' \"$@\"; }; { ", WEFT);
    va_list list;
    va_start(list, format);
    used += vsnprintf(line + used, sizeof line - (size_t)used, format, list);
    va_end(list);
    snprintf(line + used, sizeof line - (size_t)used, "; } 2>&1 </dev/null");
    FILE *pipe = popen(line, "r");
    cr_assert(pipe);
    out[fread(out, 1, sizeof out - 1, pipe)] = 0;
    const int status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#define expect_call(status, says, ...)                                                 \
    do {                                                                               \
        const int got = shell(__VA_ARGS__);                                            \
        cr_expect_eq(got, status, "%s: status %d\n%s", #__VA_ARGS__, got, out);        \
        cr_expect(strstr(out, says), "%s: no \"%s\" in\n%s", #__VA_ARGS__, says, out); \
    } while (0)

/* The 16 digits after the last "digest: ". */
static inline const char *digest(void)
{
    static char digits[4][17];
    static int turn;
    char *to = digits[turn++ % 4];
    const char *at = NULL;
    for (const char *hit = out; (hit = strstr(hit, "digest: ")); hit++) at = hit + 8;
    cr_assert(at, "no digest in\n%s", out);
    snprintf(to, 17, "%.16s", at);
    cr_assert_eq(strspn(to, "0123456789abcdef"), 16, "%s", to);
    return to;
}

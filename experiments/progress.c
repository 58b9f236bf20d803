/* progress.c: see progress.h. */
#include "progress.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t asked;

static void on_signal(int number)
{
    asked = 1;
    signal(number, SIG_DFL);
}

void interrupt_watch(void)
{
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
}

bool interrupt_asked(void)
{
    return asked;
}

double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

const char *duration_text(double seconds, char text[DURATION_SIZE])
{
    const long s = seconds < 1e9 ? (long)(seconds + 0.5) : 1000000000;
    if (s < 60)
        snprintf(text, DURATION_SIZE, "%ld s", s);
    else if (s < 3600)
        snprintf(text, DURATION_SIZE, "%ld min %ld s", s / 60, s % 60);
    else
        snprintf(text, DURATION_SIZE, "%ld h %ld min", s / 3600, s % 3600 / 60);
    return text;
}

bool progress_is_live(void)
{
    return isatty(STDERR_FILENO);
}

#define CLEAR "\r\033[K"

void progress_live(const char *format, ...)
{
    if (!progress_is_live()) return;
    char text[256];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    fprintf(stderr, CLEAR "%s", text); /* one call: lines of threads do not mix */
}

void progress_line(const char *format, ...)
{
    char text[512];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    if (progress_is_live()) fputs(CLEAR, stderr);
    printf("%s\n", text);
    fflush(stdout);
}

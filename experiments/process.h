/* process.h: another program, and what it writes. */
#pragma once

#include "inflate.h"

typedef struct Process {
    const char *program;
    int id, out; /* out: the file that its standard output is read from */
} Process;

/* Of these words, NULL-terminated, the first of which is the program's file, or its name
 * on the PATH; no shell reads them. */
bool process_start(const char *const *words, Process *process, WeftError *err);
/* All that it writes, at most so many bytes, once it has ended well. What was started must
 * be ended, or stopped. */
bool process_end(Process *process, size_t most, Bytes *bytes, WeftError *err);
void process_stop(Process *process);

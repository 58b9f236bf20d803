/* progress.h: what a running command shows, and how it is told to stop. */
#pragma once

#include <stdbool.h>

/* From here on Ctrl-C and SIGTERM ask; a second one ends the program at once. */
void interrupt_watch(void);
bool interrupt_asked(void);

double seconds_now(void); /* of a clock that never goes back */

/* "45 s", "3 min 20 s", "2 h 5 min" */
#define DURATION_SIZE 32
const char *duration_text(double seconds, char text[DURATION_SIZE]);

/* A line that the next one replaces, on a terminal; nothing elsewhere. Calls from many
 * threads are fine. */
void progress_live(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool progress_is_live(void);

/* A line that stays, on standard output. */
void progress_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* pause.h: how a thread waits for another: it spins briefly, then gives up its core. */
#pragma once

#include <sched.h>

#define SPINS 1000 /* looks without finding anything before the core is given up */

/* Between two looks; `looks` counts those that found nothing. */
static inline void pause_a_little(int looks)
{
    if (looks >= SPINS) {
        sched_yield();
        return;
    }
#if defined __x86_64__
    __builtin_ia32_pause();
#elif defined __aarch64__
    __asm__ volatile("yield");
#endif
}

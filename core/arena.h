/* arena.h: one block of memory, measured by a walk and then filled by the same walk. */
#pragma once
#include "error.h"

#define ARENA_ALIGN 64 /* bytes: a cache line, and the widest vector */

/* An arena with no base only counts what is taken. Memory is zero when opened; of a large
 * one (2 MiB) the pages lie near the threads that use them first. */
typedef struct Arena {
    char *base;
    size_t used, size; /* bytes */
} Arena;

bool arena_open(Arena *arena, size_t bytes, Error *err);
void arena_close(Arena *arena); /* one that was never opened is fine */

/* count items of size bytes, aligned to ARENA_ALIGN; NULL while counting. */
void *arena_take(Arena *arena, size_t count, size_t size);

#define ARENA_TAKE(arena, type, count) ((type *)arena_take(arena, count, sizeof(type)))

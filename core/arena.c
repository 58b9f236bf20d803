/* arena.c: one block of memory, measured by a walk and then filled by the same walk. */
#include "arena.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)     /* bytes; below it, huge pages cannot help */
#define SLACK     ((size_t)ARENA_ALIGN) /* a last row is read to its vector's end */

bool arena_open(Arena *arena, size_t bytes, Error *err)
{
    const size_t align = bytes >= HUGE_PAGE ? HUGE_PAGE : ARENA_ALIGN;
    *arena = (Arena){0};
    if (bytes > SIZE_MAX - align - SLACK)
        return error(err, "%zu bytes of memory are more than there can be", bytes);
    const size_t size = (bytes + SLACK + align - 1) / align * align;
    char *const base = aligned_alloc(align, size);
    if (!base) return error(err, "out of memory: %zu bytes were wanted", size);
    if (align == HUGE_PAGE) (void)madvise(base, size, MADV_HUGEPAGE);
    memset(base, 0, size);
    *arena = (Arena){.base = base, .size = bytes};
    return true;
}

void arena_close(Arena *arena)
{
    free(arena->base);
    *arena = (Arena){0};
}

void *arena_take(Arena *arena, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX - ARENA_ALIGN ||
        __builtin_add_overflow((bytes + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN,
                               arena->used, &bytes)) {
        assert(!arena->base);
        arena->used = SIZE_MAX; /* too much: arena_open will say so */
        return NULL;
    }
    char *const at = arena->base ? arena->base + arena->used : NULL;
    arena->used = bytes;
    assert(!arena->base || arena->used <= arena->size);
    return at;
}

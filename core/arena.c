/* arena.c: one block of memory, measured by a walk and then filled by the same walk. */
#include "arena.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)     /* bytes; below it, huge pages cannot help */
#define SLACK     ((size_t)ARENA_ALIGN) /* a last row is read to its vector's end */

static size_t block_size(size_t bytes)
{
    const size_t align = bytes >= HUGE_PAGE ? HUGE_PAGE : ARENA_ALIGN;
    return (bytes + SLACK + align - 1) / align * align;
}

/* Zero pages, each of which the system puts near the thread that touches it first. */
static char *map_pages(size_t size)
{
    char *const map = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) return NULL;
    const size_t before = (HUGE_PAGE - (uintptr_t)map % HUGE_PAGE) % HUGE_PAGE;
    if (before > 0) (void)munmap(map, before);
    (void)munmap(map + before + size, HUGE_PAGE - before);
    (void)madvise(map + before, size, MADV_HUGEPAGE);
    return map + before;
}

bool arena_open(Arena *arena, size_t bytes, Error *err)
{
    *arena = (Arena){0};
    if (bytes > SIZE_MAX - 2 * HUGE_PAGE - SLACK)
        return error(err, "%zu bytes of memory are more than there can be", bytes);
    const size_t size = block_size(bytes);
    const bool maps = bytes >= HUGE_PAGE;
    char *const base = maps ? map_pages(size) : aligned_alloc(ARENA_ALIGN, size);
    if (!base) return error(err, "out of memory: %zu bytes were wanted", size);
    if (!maps) memset(base, 0, size);
    *arena = (Arena){.base = base, .size = bytes};
    return true;
}

void arena_close(Arena *arena)
{
    if (arena->size >= HUGE_PAGE)
        (void)munmap(arena->base, block_size(arena->size));
    else
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

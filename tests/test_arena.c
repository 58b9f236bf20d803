/* test_arena.c: one block, measured and then filled. */
#include "../core/arena.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* What a _place function does: the same walk for counting and for filling. */
typedef struct Thing {
    float *a;  /* [7] */
    double *b; /* [1000] */
    char *c;   /* [1] */
} Thing;

static void thing_place(Thing *thing, Arena *arena)
{
    thing->a = ARENA_TAKE(arena, float, 7);
    thing->b = ARENA_TAKE(arena, double, 1000);
    thing->c = ARENA_TAKE(arena, char, 1);
}

Test(arena, counting_gives_no_memory)
{
    Thing thing;
    Arena need = {0};
    thing_place(&thing, &need);
    cr_assert(!thing.a && !thing.b && !thing.c);
    cr_assert_eq(need.used, 64 + 8000 + 64);
}

Test(arena, the_measured_walk_fits_exactly)
{
    Thing thing;
    Arena need = {0}, arena;
    Error err;
    thing_place(&thing, &need);
    cr_assert(arena_open(&arena, need.used, &err), "%s", err.text);
    thing_place(&thing, &arena);
    cr_assert_eq(arena.used, arena.size);
    arena_close(&arena);
}

Test(arena, takes_are_aligned_apart_and_zero)
{
    Thing thing;
    Arena need = {0}, arena;
    thing_place(&thing, &need);
    cr_assert(arena_open(&arena, need.used, NULL));
    thing_place(&thing, &arena);
    cr_assert_eq((uintptr_t)thing.a % ARENA_ALIGN, 0);
    cr_assert_eq((uintptr_t)thing.b % ARENA_ALIGN, 0);
    cr_assert_eq((uintptr_t)thing.c % ARENA_ALIGN, 0);
    for (int i = 0; i < 1000; i++) cr_assert_eq(thing.b[i], 0);
    memset(thing.a, 0xff, 7 * sizeof *thing.a);
    memset(thing.c, 0xff, 1);
    for (int i = 0; i < 1000; i++) cr_assert_eq(thing.b[i], 0);
    arena_close(&arena);
}

Test(arena, a_vector_may_be_read_at_the_end)
{
    Arena arena;
    cr_assert(arena_open(&arena, ARENA_ALIGN, NULL));
    const int n = ARENA_ALIGN / (int)sizeof(float);
    const float *const last = ARENA_TAKE(&arena, float, n);
    float sum = 0; /* the sanitizer watches */
    for (int i = 0; i < n; i++) sum += last[n - 1 + i];
    cr_assert_eq(sum, 0);
    arena_close(&arena);
}

Test(arena, large_blocks_are_zero_too)
{
    Arena arena;
    const size_t bytes = (size_t)5 << 20;
    cr_assert(arena_open(&arena, bytes, NULL));
    const char *const at = ARENA_TAKE(&arena, char, bytes);
    for (size_t i = 0; i < bytes; i++) cr_assert(at[i] == 0);
    arena_close(&arena);
}

Test(arena, pages_of_large_blocks_are_left_to_who_uses_them_first)
{
    enum { PAGES = 4096 };
    static unsigned char here[PAGES];
    Arena arena;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = PAGES * page;
    cr_assert(arena_open(&arena, bytes, NULL));
    char *const at = ARENA_TAKE(&arena, char, bytes);
    cr_assert_eq((uintptr_t)at % ((size_t)2 << 20), 0, "huge pages fit");
    cr_assert_eq(mincore(at, bytes, here), 0);
    for (int i = 0; i < PAGES; i++) cr_assert_eq(here[i] & 1, 0, "page %d", i);
    at[bytes - 1] = 1;
    cr_assert_eq(mincore(at, bytes, here), 0);
    cr_assert_eq(here[PAGES - 1] & 1, 1);
    arena_close(&arena);
}

Test(arena, no_bytes_is_fine)
{
    Arena arena, never = {0};
    cr_assert(arena_open(&arena, 0, NULL));
    arena_close(&arena);
    arena_close(&never);
}

Test(arena, too_much_is_an_error_not_a_wrap)
{
    Arena need = {0}, arena;
    Error err;
    (void)arena_take(&need, SIZE_MAX / 2, 4);
    cr_assert(!arena_open(&arena, need.used, &err));
    cr_assert(strstr(err.text, "more than there can be"), "%s", err.text);
    cr_assert(!arena_open(&arena, SIZE_MAX / 4, &err));
    cr_assert(strstr(err.text, "out of memory"), "%s", err.text);
    (void)ARENA_TAKE(&need, char, 1); /* and it stays too much */
    cr_assert(!arena_open(&arena, need.used, NULL));
}

/* tiles.c: a list of tiles with dependences, and a worker's way through it.
 *
 * A tile's counter holds how many tiles it still waits for; 0 is ready, TAKEN is taken.
 * An owner's list is in the order of the whole: that of a plan, or that of the numbers.
 * It respects all dependences, so the first tile in it that is not done is ready or
 * running: it stands at the front of its owner's list, and whoever looks there finds it.
 * That is why looking at a few tiles of each list is enough, and why a list never gets
 * stuck, however few workers come. */
#include "tiles.h"

#include <assert.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "../pause.h"

#define TAKEN (-1)
#define AHEAD 16 /* tiles of a list that are looked at from its front */

typedef struct Counter {
    _Alignas(ARENA_ALIGN) atomic_int value; /* on a cache line of its own */
} Counter;

struct TileList {
    Tile *tile; /* [room] */
    int room, count;
    int *earlier, *later; /* [edge_room]: tile later[e] waits for tile earlier[e] */
    int edge_room, edges;
    int *order;   /* [room]: numbers in the order of a plan */
    bool ordered; /* there is one, and nothing was added since */

    /* Made from the above for a number of workers; 0: to be made. */
    int workers, owners;
    int *owner;  /* [room]: whose list is a tile in, as ordered; below owners */
    int *own;    /* [room]: list o is own[own_at[o]] .. own[own_at[o + 1] - 1] */
    int *own_at; /* [room + 1] */
    TileLinks links;

    /* State of a run. */
    Counter *wait;  /* [room] */
    Counter *front; /* [room], by owner: what is in `own` before it is taken */
    Counter left;   /* tiles that are not done */
    Arena arena;
};

/* ---- building ---- */

static void list_place(TileList *list, Arena *arena)
{
    const size_t room = (size_t)list->room, edge_room = (size_t)list->edge_room;
    list->tile = ARENA_TAKE(arena, Tile, room);
    list->earlier = ARENA_TAKE(arena, int, edge_room);
    list->later = ARENA_TAKE(arena, int, edge_room);
    list->order = ARENA_TAKE(arena, int, room);
    list->owner = ARENA_TAKE(arena, int, room);
    list->own = ARENA_TAKE(arena, int, room);
    list->own_at = ARENA_TAKE(arena, int, room + 1);
    list->links.after = ARENA_TAKE(arena, int, edge_room);
    list->links.after_at = ARENA_TAKE(arena, int, room + 1);
    list->links.before = ARENA_TAKE(arena, int, edge_room);
    list->links.before_at = ARENA_TAKE(arena, int, room + 1);
    list->wait = ARENA_TAKE(arena, Counter, room);
    list->front = ARENA_TAKE(arena, Counter, room);
}

bool tiles_open(int room, int edge_room, TileList **list, Error *err)
{
    assert(room >= 0 && room < INT_MAX && edge_room >= 0);
    TileList *const l = aligned_alloc(ARENA_ALIGN, sizeof *l);
    if (!l) return error(err, "out of memory for a list of tiles");
    memset(l, 0, sizeof *l);
    l->room = room;
    l->edge_room = edge_room;
    Arena need = {0};
    list_place(l, &need);
    if (!arena_open(&l->arena, need.used, err)) {
        free(l);
        return false;
    }
    Arena arena = l->arena;
    list_place(l, &arena);
    *list = l;
    return true;
}

void tiles_close(TileList *list)
{
    if (!list) return;
    arena_close(&list->arena);
    free(list);
}

static void change(TileList *list)
{
    list->workers = 0;
    list->ordered = false;
}

int tiles_add(TileList *list, Tile tile)
{
    assert(list->count < list->room && tile.run && tile.owner >= 0);
    change(list);
    list->tile[list->count] = tile;
    return list->count++;
}

void tiles_after(TileList *list, int later, int earlier)
{
    assert(0 <= earlier && earlier < later && later < list->count);
    assert(list->edges < list->edge_room);
    change(list);
    list->earlier[list->edges] = earlier;
    list->later[list->edges++] = later;
}

Tile *tiles_get(TileList *list, int number)
{
    assert(0 <= number && number < list->count);
    return &list->tile[number];
}

int tiles_count(const TileList *list)
{
    return list->count;
}

bool tiles_named(TileList *list, const char *name)
{
    for (int i = 0; i < list->count; i++)
        if (list->tile[i].name && strcmp(list->tile[i].name, name) == 0) return true;
    return false;
}

/* Sorts items 0 .. n-1, or what they stand for, by key, stably: those of key g become
 * out[at[g]] .. out[at[g + 1] - 1]. */
static void group(int n, const int *key, const int *item, int groups, int *at, int *out)
{
    for (int g = 0; g <= groups; g++) at[g] = 0;
    for (int i = 0; i < n; i++) at[key[i]]++;
    for (int g = 0, sum = 0; g <= groups; g++) {
        sum += at[g];
        at[g] = sum; /* the end of group g */
    }
    for (int i = n; i-- > 0;) out[--at[key[i]]] = item ? item[i] : i;
}

const TileLinks *tiles_links(TileList *list)
{
    const TileLinks *const l = &list->links;
    group(list->edges, list->earlier, list->later, list->count, l->after_at, l->after);
    group(list->edges, list->later, list->earlier, list->count, l->before_at,
          l->before);
    return l;
}

void tiles_order(TileList *list, const int *order)
{
    int *const place = list->owner; /* which is made anew */
    for (int i = 0; i < list->count; i++) place[i] = -1;
    for (int i = 0; i < list->count; i++) {
        assert(0 <= order[i] && order[i] < list->count && place[order[i]] < 0);
        place[order[i]] = i;
        list->order[i] = order[i];
    }
    for (int e = 0; e < list->edges; e++)
        assert(place[list->earlier[e]] < place[list->later[e]]);
    list->workers = 0;
    list->ordered = true;
}

static void build(TileList *list, int workers)
{
    const int *const order = list->ordered ? list->order : NULL;
    list->workers = workers;
    list->owners = workers < list->room ? workers : list->room;
    for (int i = 0; i < list->count; i++)
        list->owner[i] = list->tile[order ? order[i] : i].owner % list->owners;
    group(list->count, list->owner, order, list->owners, list->own_at, list->own);
    (void)tiles_links(list);
}

/* ---- running ---- */

void tiles_start(TileList *list, int workers)
{
    if (list->workers != workers) build(list, workers);
    for (int o = 0; o < list->owners; o++)
        atomic_store_explicit(&list->front[o].value, list->own_at[o],
                              memory_order_relaxed);
    for (int i = 0; i < list->count; i++)
        atomic_store_explicit(&list->wait[i].value,
                              list->links.before_at[i + 1] - list->links.before_at[i],
                              memory_order_relaxed);
    atomic_store_explicit(&list->left.value, list->count, memory_order_release);
}

/* A ready tile of this owner's, now taken, or -1. */
static int take_from(TileList *list, int owner)
{
    atomic_int *const front = &list->front[owner].value;
    const int first = atomic_load_explicit(front, memory_order_relaxed);
    const int end = list->own_at[owner + 1];
    int begin = first; /* of what is not all taken */
    for (int at = first; at < end && at < begin + AHEAD; at++) {
        const int number = list->own[at];
        atomic_int *const wait = &list->wait[number].value;
        int waits = atomic_load_explicit(wait, memory_order_relaxed);
        if (waits == TAKEN && at == begin) begin++;
        if (waits == 0 && atomic_compare_exchange_strong_explicit(wait, &waits, TAKEN,
                                                                  memory_order_acquire,
                                                                  memory_order_relaxed))
            return number;
    }
    /* Who stores an older value than another's only makes the next look longer. */
    if (begin != first) atomic_store_explicit(front, begin, memory_order_relaxed);
    return -1;
}

static int take(TileList *list, int worker)
{
    for (int i = 0; i < list->owners; i++) {
        const int number = take_from(list, (worker + i) % list->owners);
        if (number >= 0) return number;
    }
    return -1;
}

static void finish(TileList *list, int number)
{
    const TileLinks *const l = &list->links;
    for (int i = l->after_at[number]; i < l->after_at[number + 1]; i++)
        atomic_fetch_sub_explicit(&list->wait[l->after[i]].value, 1,
                                  memory_order_acq_rel);
    atomic_fetch_sub_explicit(&list->left.value, 1, memory_order_acq_rel);
}

void tiles_work(TileList *list, int worker, const Watch *watch)
{
    int looks = 0;
    while (atomic_load_explicit(&list->left.value, memory_order_acquire) > 0) {
        const int number = take(list, worker);
        if (number < 0) {
            pause_a_little(looks++);
            continue;
        }
        looks = 0;
        const Tile *const tile = &list->tile[number];
        watch_begin(watch, tile, worker);
        tile->run(tile, worker);
        watch_end(watch, tile, worker);
        finish(list, number);
    }
}

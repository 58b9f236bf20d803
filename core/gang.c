/* gang.c: a job that several threads share, made of rounds.
 *
 * The state of block i only counts up: 2 k while nobody has begun it in round k, then
 * 2 k + 1, and 2 k + 2 once it is done. So a round is over when all states are past it,
 * and who looks for an old round's block, however late, finds it done. */
#include "gang.h"

#include "pause.h"

void gang_place(Gang *gang, int members, size_t shared_floats, Arena *arena)
{
    gang->members = members;
    gang->seat = ARENA_TAKE(arena, Seat, (size_t)members);
    gang->shared = ARENA_TAKE(arena, float, shared_floats);
}

/* The member comes back for its block; another takes the block of one that is late. */
static bool claim(Seat *seat, uint64_t state, bool own, int looks)
{
    if (!own && looks < SPINS &&
        !atomic_load_explicit(&seat->absent, memory_order_relaxed))
        return false;
    if (!atomic_compare_exchange_strong_explicit(&seat->state, &state, state + 1,
                                                 memory_order_acq_rel,
                                                 memory_order_relaxed))
        return false;
    atomic_store_explicit(&seat->absent, !own, memory_order_relaxed);
    return true;
}

int gang_next(const Member *member, int done)
{
    if (!member) return done < 0 ? 0 : -1;
    const Gang *const g = member->gang;
    Seat *const own = &g->seat[member->index];
    const uint64_t begin = 2 * own->round, end = begin + 2;
    if (done >= 0)
        atomic_store_explicit(&g->seat[done].state, end, memory_order_release);
    for (int looks = 0;; pause_a_little(looks++)) {
        bool over = true;
        for (int i = 0; i < g->members; i++) {
            const int block = (member->index + i) % g->members;
            Seat *const seat = &g->seat[block];
            const uint64_t state =
                atomic_load_explicit(&seat->state, memory_order_acquire);
            over &= state >= end;
            if (state == begin && claim(seat, state, i == 0, looks)) return block;
        }
        if (over) break;
    }
    own->round++;
    return -1;
}

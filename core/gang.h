/* gang.h: a job that several threads share, made of rounds.
 *
 * A job is a sequence of rounds, a round one block for each member. All blocks of a
 * round are done before one of the next begins. No member needs another to be there:
 * each runs its own block first, then those that nobody has begun, and who comes late
 * goes on where the others are. So one thread may run all members one after the other:
 * the first does all the work, and the rest find it done.
 *
 *     for each round of the job
 *         for (int block = -1; (block = gang_next(member, block)) >= 0;)
 *             ... run the block ...
 *
 * Every member goes through all rounds of all jobs once, in the same order. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "arena.h"

/* What the others look at, and what is the member's own: a cache line each. */
typedef struct Seat {
    _Alignas(ARENA_ALIGN) _Atomic uint64_t state; /* of its block: see gang.c */
    atomic_bool absent; /* another ran its block: nobody waits for it */
    _Alignas(ARENA_ALIGN) uint64_t round; /* it is in, of all rounds there have been */
} Seat;

typedef struct Gang {
    int members;
    Seat *seat;    /* [members] */
    float *shared; /* memory for what members make for one another in a job */
} Gang;

typedef struct Member {
    Gang *gang;
    int index;
} Member;

/* The memory is the arena's, which is zero when it is opened; nothing resets it. */
void gang_place(Gang *gang, int members, size_t shared_floats, Arena *arena);

/* The next block for this member to run, after `done` (-1: none yet); -1: the round is
 * over, and the next call begins the next one. A member that is NULL is alone: its
 * rounds have one block. */
int gang_next(const Member *member, int done);

static inline int gang_members(const Member *member)
{
    return member ? member->gang->members : 1;
}

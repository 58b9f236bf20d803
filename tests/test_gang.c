/* test_gang.c: every block of every round once, in the order of rounds, whoever comes
 * when. */
#include "../core/gang.h"
#include "../simd/scalar.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MEMBERS = 8, ROUNDS = 40, JOBS = 6, NEVER = -1 };

/* A gang whose blocks watch their order. */
typedef struct Rig {
    Gang gang;
    Arena arena;
    int members, threads;
    int late;               /* this member comes after all others; NEVER */
    int delay_microseconds; /* of some blocks and of some members */
    atomic_int runs[JOBS][ROUNDS][MEMBERS], done, wrong;
    unsigned value[2][MEMBERS]; /* plain memory: what other members wrote is seen */
    pthread_barrier_t barrier;  /* before the late one */
} Rig;

typedef struct Thread {
    pthread_t id;
    Rig *rig;
    int index;
} Thread;

static void wait_a_little(const Rig *r, uint64_t stream, uint64_t index)
{
    const uint32_t bits = random_bits(9, stream, index);
    if (!r->delay_microseconds || bits % 16 != 0) return;
    const long ns = 1000 * (long)(bits >> 8) % (1000 * r->delay_microseconds);
    nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
}

/* Relaxed, so that only the gang orders what threads see (for ThreadSanitizer). */
static void count(atomic_int *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* A block reads what all blocks of the round before wrote. */
static void run_block(Rig *r, int job, int round, int block)
{
    const int all = (job * ROUNDS + round) * r->members; /* blocks before this round */
    wait_a_little(r, (uint64_t)(job * ROUNDS + round), (uint64_t)block);
    const int done = atomic_load_explicit(&r->done, memory_order_relaxed);
    if (done < all || done >= all + r->members) count(&r->wrong);
    unsigned sum = (unsigned)block;
    for (int i = 0; i < r->members; i++) sum += 3 * r->value[(round + 1) % 2][i];
    r->value[round % 2][block] = sum;
    count(&r->runs[job][round][block]);
    count(&r->done);
}

static void run_member(Rig *r, int index)
{
    const Member member = {&r->gang, index};
    for (int job = 0; job < JOBS; job++) {
        wait_a_little(r, 1000 + (uint64_t)job, (uint64_t)index);
        for (int round = 0; round < ROUNDS; round++)
            for (int block = -1; (block = gang_next(&member, block)) >= 0;)
                run_block(r, job, round, block);
    }
}

/* Thread i has members i, i + threads, ... one after the other. */
static void *run_thread(void *context)
{
    const Thread *const t = context;
    Rig *const r = t->rig;
    for (int i = t->index; i < r->members; i += r->threads)
        if (i != r->late) run_member(r, i);
    pthread_barrier_wait(&r->barrier);
    if (t->index == 0 && r->late != NEVER) run_member(r, r->late);
    return NULL;
}

static void expect_all_once(const Rig *r)
{
    unsigned value[2][MEMBERS] = {0};
    for (int job = 0; job < JOBS; job++)
        for (int round = 0; round < ROUNDS; round++)
            for (int i = 0; i < r->members; i++) {
                cr_assert_eq(r->runs[job][round][i], 1, "job %d round %d block %d", job,
                             round, i);
                value[round % 2][i] = (unsigned)i;
                for (int j = 0; j < r->members; j++)
                    value[round % 2][i] += 3 * value[(round + 1) % 2][j];
            }
    cr_assert_eq(r->wrong, 0);
    cr_assert(memcmp(value, r->value, sizeof value) == 0);
}

static void run(int members, int threads, int late, int delay_microseconds)
{
    Rig *const r = calloc(1, sizeof *r);
    Thread thread[MEMBERS];
    Arena need = {0};
    r->members = members;
    r->threads = threads;
    r->late = late;
    r->delay_microseconds = delay_microseconds;
    gang_place(&r->gang, members, 3, &need);
    cr_assert(arena_open(&r->arena, need.used, NULL));
    Arena arena = r->arena;
    gang_place(&r->gang, members, 3, &arena);
    pthread_barrier_init(&r->barrier, NULL, (unsigned)threads);
    for (int i = 0; i < threads; i++) {
        thread[i] = (Thread){.rig = r, .index = i};
        cr_assert(!pthread_create(&thread[i].id, NULL, run_thread, &thread[i]));
    }
    for (int i = 0; i < threads; i++) pthread_join(thread[i].id, NULL);
    expect_all_once(r);
    pthread_barrier_destroy(&r->barrier);
    arena_close(&r->arena);
    free(r);
}

Test(gang, every_block_of_every_round_runs_once_in_the_order_of_rounds)
{
    for (int members = 1; members <= MEMBERS; members++)
        for (int threads = 1; threads <= members; threads++)
            run(members, threads, NEVER, 0);
}

Test(gang, random_delays_change_nothing)
{
    for (int i = 0; i < 10; i++) run(2 + i % 4, 2 + i % 2, NEVER, 100);
    run(MEMBERS, MEMBERS, NEVER, 100);
}

Test(gang, a_member_that_comes_after_the_last_job_finds_it_done)
{
    for (int late = 0; late < 3; late++) run(3, 2, late, 50);
}

Test(gang, a_member_alone_runs_one_block_a_round)
{
    for (int round = 0; round < 3; round++) {
        cr_assert_eq(gang_next(NULL, -1), 0);
        cr_assert_eq(gang_next(NULL, 0), -1);
    }
    cr_assert_eq(gang_members(NULL), 1);
}

Test(gang, members_share_memory)
{
    Gang gang;
    Arena arena = {0};
    gang_place(&gang, 3, 100, &arena);
    cr_assert_eq(arena.used, 3 * sizeof(Seat) + 7 * ARENA_ALIGN);
    cr_assert_eq(sizeof(Seat), 2 * ARENA_ALIGN);
}

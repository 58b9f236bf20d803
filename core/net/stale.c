/* stale.c: states that chunks left for one another at their last visit (Kapturowski et
 * al. 2019: R2D2's stored states). Approximate, and the only thing here that is.
 *
 * What enters the windows of an update is copied before it starts, so that none reads
 * what another writes: they may run in any order, and no bit depends on it. */
#include "pass.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void stale_close(WeftNet *net)
{
    free(net->stale.at);
    net->stale = (Stale){0};
}

/* Half of the machine's memory, in floats. */
static size_t most_floats(void)
{
    const long pages = sysconf(_SC_PHYS_PAGES), bytes = sysconf(_SC_PAGESIZE);
    return pages < 1 || bytes < 1 ? SIZE_MAX / 8
                                  : (size_t)pages * ((size_t)bytes / sizeof(float)) / 2;
}

bool stale_ready(WeftNet *net, const PassShape *shape, uint64_t batches, Error *err)
{
    Stale *const s = &net->stale;
    const size_t entry = 1 + (size_t)shape->B * net->training->side[MAIN].states;
    const int chunks = pass_windows(shape);
    size_t floats;
    if (batches == 0)
        return error(err,
                     "stale needs a source whose rows begin again: its epoch is 0");
    if (shape->burn_in && net_both(net))
        return error(err, "burn_in: a backward direction comes to it last");
    if (s->at && s->batches == batches && s->chunks == chunks &&
        s->chunk == shape->chunk && s->burn_in == shape->burn_in && s->entry == entry)
        return true;
    stale_close(net);
    if (__builtin_mul_overflow(batches, (size_t)chunks * entry, &floats) ||
        floats > most_floats())
        return error(
            err,
            "stale would keep %zu bytes of states for each of %d x %llu chunks: "
            "more than half of the memory",
            entry * sizeof(float), chunks, (unsigned long long)batches);
    float *const at = calloc(floats, sizeof *at);
    if (!at) return error(err, "out of memory");
    *s = (Stale){.at = at,
                 .batches = batches,
                 .chunks = chunks,
                 .chunk = shape->chunk,
                 .burn_in = shape->burn_in,
                 .entry = entry};
    return true;
}

static float *entry_of(const Stale *s, uint64_t batch, int chunk)
{
    return s->at + (batch * (uint64_t)s->chunks + (uint64_t)chunk) * s->entry;
}

void stale_open(Pass *p)
{
    const Stale *const s = &p->net->stale;
    const int first = p->offset / p->shape.chunk;
    for (int i = 0; i < p->windows; i++) {
        float *const kept = p->entry + (size_t)i * s->entry;
        memcpy(kept, entry_of(s, p->visited, first + i), s->entry * sizeof *kept);
    }
    for (int i = 0; i < p->windows; i++) {
        Window *const w = &p->side[MAIN].window[i];
        const float *const kept = p->entry + (size_t)i * s->entry;
        const int next = first + i + 1;
        float *const leave = next < s->chunks
                                 ? entry_of(s, p->visited, next)
                                 : entry_of(s, (p->visited + 1) % s->batches, 0);
        w->fresh = (w->t0 == 0 && p->batch.fresh) || kept[0] == 0;
        w->enter = (Entry){w->slot, 0};
        w->stale = w->fresh ? NULL : kept + 1;
        w->leave = leave + 1;
        leave[0] = 1;
    }
}

/* Where row b's states of the direction are among those of all rows. */
static size_t state_of(const Direction *d, int b)
{
    return (size_t)b * d->side->states + d->state;
}

void stale_enter(Direction *d, const Window *w, int first, int end)
{
    for (int b = first; w->stale && b < end; b++)
        step_set_state(&d->step, w->slot, 0, b, w->stale + state_of(d, b));
}

void stale_leave(const Direction *d, const Window *w, int first, int end)
{
    for (int b = first; w->leave && b < end; b++)
        step_get_state(&d->step, w->slot, w->leave_t, b, w->leave + state_of(d, b));
}

/* ---- how stale they are ---- */

typedef struct Sums {
    double max, squares, count;
} Sums;

static void compare(const Pass *p, const float *entry, float *states, Sums *sums)
{
    pass_get_states(p, states);
    for (size_t i = 1; i < p->net->stale.entry; i++) {
        const double apart = fabs((double)entry[i] - (double)states[i - 1]);
        if (!(apart <= sums->max)) sums->max = apart; /* a NaN too */
        sums->squares += apart * apart;
        sums->count++;
    }
}

static bool compare_batches(Pass *p, const WeftSource *source, uint64_t first,
                            float *states, Sums *sums, Error *err)
{
    const Stale *const s = &p->net->stale;
    const uint64_t tenth = s->batches < 10 ? 1 : s->batches / 10;
    for (uint64_t i = 0; i < tenth; i++) {
        if (!batch_fill(p, source, first + i, err)) return false;
        for (int k = 0; k < s->chunks; k++) {
            const bool start = k * s->chunk <= s->burn_in && (i == 0 || p->batch.fresh);
            const float *const entry = entry_of(s, i, k);
            if (!start && entry[0] != 0) compare(p, entry, states, sums);
            if (!pass_run(p, k * s->chunk, 1, p->batch.fresh, err)) return false;
        }
    }
    return true;
}

bool stale_measure(WeftNet *net, const PassShape *shape, const WeftSource *source,
                   uint64_t first, Staleness *staleness, Error *err)
{
    PassShape exact = *shape;
    exact.purpose = PURPOSE_SCORE;
    exact.windows = 1;
    exact.stale = false;
    exact.scan = 0;
    Pass *p = NULL;
    Sums sums = {0};
    float *const states = malloc(net->stale.entry * sizeof *states);
    const bool measured =
        states ? pass_ready(net, &p, &exact, err) &&
                     compare_batches(p, source, first, states, &sums, err)
               : error(err, "out of memory");
    pass_close(p);
    free(states);
    if (measured)
        *staleness =
            (Staleness){sums.max, sums.count > 0 ? sqrt(sums.squares / sums.count) : 0};
    return measured;
}

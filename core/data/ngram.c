/* ngram.c: Witten-Bell n-grams, the baseline that a recurrent net has to beat.
 *
 *   p(s | h) = (c(h s) + t(h) p(s | h')) / (c(h) + t(h))
 *
 * c(h) = times the context h was followed by something in train, t(h) = how many
 * different symbols followed it, h' = h without its first symbol; below the empty
 * context stands the uniform 1 / symbols (Witten & Bell 1991, method C, interpolated).
 * A context that never occurred leaves the shorter one's estimate as it is.
 *
 * The grams are a tree: the child s of the node of h is the node of h s. All edges lie
 * in one hash table, and the nodes of the last 0 .. order symbols are carried along, so
 * each level costs one look-up a symbol. Memory is one node a gram that occurs. */
#include "../error.h"

#include <stdlib.h>
#include <string.h>

#include "../../simd/scalar.h"

#define ORDER_MAX 5
#define NONE      UINT32_MAX
#define ROOT      0u /* the empty gram */

typedef struct Gram {
    uint32_t parent, symbol; /* this gram is the parent's and then the symbol */
    uint32_t count;          /* c of (parent, symbol) */
    uint32_t total, types;   /* c and t of this gram as a context */
} Gram;

typedef struct Grams {
    Gram *gram; /* [room / 2]; gram 0 is the root */
    uint32_t count;
    uint32_t *slot; /* [room]: a gram or NONE; a power of two, at most half full */
    size_t room;
} Grams;

static void grams_close(Grams *g)
{
    free(g->gram);
    free(g->slot);
}

/* The slot that holds (parent, symbol), or the empty one where it would be. */
static uint32_t *grams_slot(const Grams *g, uint32_t parent, uint32_t symbol)
{
    const uint64_t key = ((uint64_t)parent << 32 | symbol) * 0x9E3779B97F4A7C15u;
    size_t at = (key ^ key >> 32) & (g->room - 1);
    while (g->slot[at] != NONE && (g->gram[g->slot[at]].parent != parent ||
                                   g->gram[g->slot[at]].symbol != symbol))
        at = (at + 1) & (g->room - 1);
    return &g->slot[at];
}

static bool grams_grow(Grams *g, size_t room, Error *err)
{
    uint32_t *const slot = room <= UINT32_MAX ? malloc(room * sizeof *slot) : NULL;
    Gram *const gram = slot ? realloc(g->gram, room / 2 * sizeof *gram) : NULL;
    if (!gram) {
        free(slot);
        return error(err, "out of memory for the n-grams after %u of them", g->count);
    }
    free(g->slot);
    *g = (Grams){gram, g->count, slot, room};
    memset(slot, 0xFF, room * sizeof *slot); /* NONE */
    for (uint32_t i = 1; i < g->count; i++)
        *grams_slot(g, gram[i].parent, gram[i].symbol) = i;
    return true;
}

/* Counts symbol after the gram `parent`; *child is the gram of both. */
static bool grams_count(Grams *g, uint32_t parent, uint32_t symbol, uint32_t *child,
                        Error *err)
{
    uint32_t *slot = grams_slot(g, parent, symbol);
    if (*slot == NONE) {
        if (g->count == g->room / 2) {
            if (!grams_grow(g, g->room * 2, err)) return false;
            slot = grams_slot(g, parent, symbol);
        }
        g->gram[g->count] = (Gram){.parent = parent, .symbol = symbol};
        g->gram[parent].types++;
        *slot = g->count++;
    }
    g->gram[*slot].count++;
    g->gram[parent].total++;
    *child = *slot;
    return true;
}

/* last[k]: the gram of the last k symbols seen, NONE where there is none. */
static bool grams_train(Grams *g, const int32_t *train, size_t count, int order,
                        uint32_t *last, Error *err)
{
    if (!grams_grow(g, 1 << 12, err)) return false;
    g->gram[ROOT] = (Gram){0};
    g->count = 1;
    for (size_t i = 0; i < count; i++) {
        for (int k = order; k >= 0; k--) /* last[k + 1] is read before it is set */
            if (last[k] != NONE &&
                !grams_count(g, last[k], (uint32_t)train[i], &last[k + 1], err))
                return false;
    }
    return true;
}

static double grams_test(const Grams *g, const int32_t *test, size_t count, int symbols,
                         int order, uint32_t *last)
{
    double nats = 0;
    for (size_t i = 0; i < count; i++) {
        const uint32_t symbol = (uint32_t)test[i];
        uint32_t next[ORDER_MAX + 2] = {ROOT};
        double p = 1.0 / symbols;
        for (int k = 0; k <= order; k++) {
            const Gram *const h = last[k] == NONE ? NULL : &g->gram[last[k]];
            next[k + 1] = h ? *grams_slot(g, last[k], symbol) : NONE;
            if (!h || !h->total)
                continue; /* at the end of train a gram may lead nowhere */
            const uint32_t seen = next[k + 1] == NONE ? 0 : g->gram[next[k + 1]].count;
            p = (seen + h->types * p) / ((double)h->total + h->types);
        }
        nats -= scalar_log(p);
        memcpy(last, next, sizeof next);
    }
    return nats / (double)count;
}

static bool ngram_range(const char *name, const int32_t *symbol, size_t count,
                        int symbols, Error *err)
{
    if (count == 0 || count > INT32_MAX)
        return error(err, "n-gram: %zu symbols in %s; 1 to %d were expected", count,
                     name, INT32_MAX);
    for (size_t i = 0; i < count; i++)
        if (symbol[i] < 0 || symbol[i] >= symbols)
            return error(err, "n-gram: symbol %zu of %s is %d; 0 to %d were expected",
                         i, name, symbol[i], symbols - 1);
    return true;
}

bool weft_ngram(const int32_t *train, size_t train_count, const int32_t *test,
                size_t test_count, int symbols, int order, double *nats, WeftError *err)
{
    if (!train || !test || !nats)
        return error(err, "weft_ngram needs two texts and a place for the nats");
    if (order < 0 || order > ORDER_MAX)
        return error(err, "n-gram: order %d; 0 to %d were expected", order, ORDER_MAX);
    if (!ngram_range("train", train, train_count, symbols, err) ||
        !ngram_range("test", test, test_count, symbols, err))
        return false;
    Grams grams = {0};
    uint32_t last[ORDER_MAX + 2] = {ROOT, NONE, NONE, NONE, NONE, NONE, NONE};
    const bool ok = grams_train(&grams, train, train_count, order, last, err);
    if (ok) *nats = grams_test(&grams, test, test_count, symbols, order, last);
    grams_close(&grams);
    return ok;
}

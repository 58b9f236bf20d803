/* bayes.c: see bayes.h. The counts are in one table: of an n-gram with a label, and of an n-gram
 * with any, whose label is -1. */
#include "bayes.h"

#include "saved.h"

#include <stdlib.h>

typedef struct Slot {
    uint64_t key; /* 0: free */
    double times;
} Slot;

struct Bayes {
    int labels, order;
    Slot *slot;               /* [room] */
    size_t room, used, kinds; /* room: a power of 2; kinds: n-grams that differ */
    double *texts, *grams;    /* [labels] */
};

/* ---- the table ---- */

static uint64_t key_of(uint64_t gram, int label)
{
    const uint64_t key = fnv(gram, &label, sizeof label);
    return key ? key : 1;
}

/* Where the key is, or would be. */
static Slot *find(Slot *slot, size_t room, uint64_t key)
{
    size_t at = (size_t)(key ^ key >> 32) & (room - 1);
    while (slot[at].key && slot[at].key != key) at = (at + 1) & (room - 1);
    return &slot[at];
}

static double times(const Bayes *b, uint64_t gram, int label)
{
    return find(b->slot, b->room, key_of(gram, label))->times;
}

/* At least half of it is free, so that a key is soon found. */
static bool grow(Bayes *b, WeftError *err)
{
    const size_t room = 2 * b->room;
    Slot *slot = calloc(room, sizeof *slot);
    if (!slot) return fail(err, "out of memory");
    for (size_t i = 0; i < b->room; i++)
        if (b->slot[i].key) *find(slot, room, b->slot[i].key) = b->slot[i];
    free(b->slot);
    b->slot = slot;
    b->room = room;
    return true;
}

/* Whether it is the first time. */
static bool count(Bayes *b, uint64_t gram, int label)
{
    const uint64_t key = key_of(gram, label);
    Slot *slot = find(b->slot, b->room, key);
    const bool first = !slot->key;
    b->used += first;
    slot->key = key;
    slot->times++;
    return first;
}

/* ---- n-grams ---- */

/* A text, with its edge on both sides. */
typedef struct Text {
    const int32_t *symbol;
    int count;
    int32_t edge;
} Text;

static int32_t symbol_at(const Text *text, int i)
{
    return i < 0 || i >= text->count ? text->edge : text->symbol[i];
}

/* The n symbols from `first` on; one alone is never the edge. */
static uint64_t gram_at(const Text *text, int first, int n)
{
    uint64_t gram = fnv(FNV_START, &n, sizeof n);
    for (int i = first; i < first + n; i++) {
        const int32_t symbol = symbol_at(text, i);
        gram = fnv(gram, &symbol, sizeof symbol);
    }
    return gram;
}

static int gram_first(int n)
{
    return n > 1 ? -1 : 0;
}

static int gram_end(const Text *text, int n)
{
    return text->count - n + 1 + (n > 1);
}

bool bayes_add(Bayes *b, const int32_t *symbol, int symbols, int32_t edge, int label,
               WeftError *err)
{
    const Text text = {symbol, symbols, edge};
    b->texts[label]++;
    for (int n = 1; n <= b->order; n++)
        for (int i = gram_first(n); i < gram_end(&text, n); i++) {
            const uint64_t gram = gram_at(&text, i, n);
            if (2 * (b->used + 2) > b->room && !grow(b, err)) return false;
            b->kinds += count(b, gram, -1);
            count(b, gram, label);
            b->grams[label]++;
        }
    return true;
}

static void add_gram(const Bayes *b, uint64_t gram, double *log_probability)
{
    if (times(b, gram, -1) == 0) return;
    for (int k = 0; k < b->labels; k++)
        log_probability[k] +=
            weft_log((times(b, gram, k) + 1) / (b->grams[k] + (double)b->kinds));
}

/* So that the probabilities make 1. */
static void level(double *log_probability, int labels)
{
    double most = log_probability[0], sum = 0;
    for (int k = 1; k < labels; k++)
        if (log_probability[k] > most) most = log_probability[k];
    for (int k = 0; k < labels; k++) sum += weft_exp(log_probability[k] - most);
    for (int k = 0; k < labels; k++) log_probability[k] -= most + weft_log(sum);
}

void bayes_tell(const Bayes *b, const int32_t *symbol, int symbols, int32_t edge,
                double *log_probability)
{
    const Text text = {symbol, symbols, edge};
    for (int k = 0; k < b->labels; k++) log_probability[k] = weft_log(b->texts[k] + 1);
    for (int n = 1; n <= b->order; n++)
        for (int i = gram_first(n); i < gram_end(&text, n); i++)
            add_gram(b, gram_at(&text, i, n), log_probability);
    level(log_probability, b->labels);
}

/* ---- opening ---- */

void bayes_close(Bayes *b)
{
    if (!b) return;
    free(b->slot);
    free(b->texts);
    free(b);
}

bool bayes_open(int labels, int order, Bayes **bayes, WeftError *err)
{
    enum { ROOM = 1 << 12 };
    Bayes *b = calloc(1, sizeof *b);
    if (!b) return fail(err, "out of memory");
    *b = (Bayes){.labels = labels, .order = order, .room = ROOM};
    b->slot = calloc(ROOM, sizeof *b->slot);
    b->texts = calloc(2 * (size_t)labels, sizeof *b->texts);
    b->grams = b->texts ? b->texts + labels : NULL;
    if (b->slot && b->texts) {
        *bayes = b;
        return true;
    }
    bayes_close(b);
    return fail(err, "out of memory");
}

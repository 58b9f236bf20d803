/* corpus.h: a text as symbols, cut into parts for training, validation and test. */
#pragma once

#include "data.h"

typedef struct Corpus {
    WeftText *text;
    const int32_t *symbols;
    size_t count;
    int alphabet;            /* symbols there are */
    size_t start[PARTS + 1]; /* of each part, and the end */
} Corpus;

/* alphabet NULL: the text's own; split: percentages. */
bool corpus_open(const char *path, bool bytes, const double split[3],
                 const uint32_t *alphabet, int symbols, Corpus *corpus, WeftError *err);
void corpus_close(Corpus *corpus);

/* Whether a net of these settings can learn to tell the next character. */
bool corpus_settings_good(const Settings *settings, WeftError *err);

/* Streams whose states start anew after every `reset` batches. A net that never meets a
 * start lets units hold what its streams left in them for ever, as if they were biases,
 * and fails wherever a text begins: measured on the Bible, gru 128 after 800
 * updates, 9.7 nats on held-out text against 1.69. */
typedef struct Streams {
    WeftSource inner;
    uint64_t reset; /* 0: only where the text begins */
} Streams;
WeftSource streams_source(Streams *streams);

/* The training part, in batches of an update. With --back they are all that lies between
 * two fresh starts, as the gradient is carried back within a batch only. */
bool corpus_streams(const Corpus *corpus, const Settings *settings, Streams *streams,
                    WeftError *err);

/* A part to score in `rows` streams, in windows of `steps`: both are made smaller when it
 * is short. */
bool corpus_source(const Corpus *corpus, Part part, int rows, int steps,
                   WeftSource *source, uint64_t *windows, WeftError *err);

#define NGRAM_ORDERS 6 /* 0 .. 5: the baselines */

/* The alphabet of a saved net, to be freed; NULL with a message when it has none. */
uint32_t *corpus_alphabet(const WeftNet *net, int *symbols, WeftError *err);

/* corpus.c: see corpus.h. */
#include "corpus.h"

#include "progress.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BITS 1.4426950408889634 /* in a nat */

/* ---- the parts ---- */

bool corpus_open(const char *path, bool bytes, const double split[3],
                 const uint32_t *alphabet, int symbols, Corpus *corpus, WeftError *err)
{
    memset(corpus, 0, sizeof *corpus);
    if (!weft_text_open(path, bytes, alphabet, symbols, &corpus->text, err))
        return false;
    corpus->symbols = weft_text_symbols(corpus->text, &corpus->count);
    weft_text_alphabet(corpus->text, &corpus->alphabet);
    double before = 0;
    for (Part part = TRAINING; part < PARTS; part++) {
        before += split[part];
        corpus->start[part + 1] =
            (size_t)floor((double)corpus->count * before / 100 + 0.5);
    }
    return true;
}

void corpus_close(Corpus *corpus)
{
    weft_text_close(corpus->text);
}

static size_t part_count(const Corpus *corpus, Part part)
{
    return corpus->start[part + 1] - corpus->start[part];
}

#define STREAM_SHORTEST                                                                \
    1000 /* symbols: scoring loses the context where a stream begins */

bool corpus_source(const Corpus *corpus, Part part, int rows, int steps,
                   WeftSource *source, uint64_t *windows, WeftError *err)
{
    const size_t count = part_count(corpus, part);
    if (count < 2)
        return fail(err, "a part to score has %zu symbols: expected 2", count);
    if ((size_t)rows > count / STREAM_SHORTEST)
        rows = count < 2 * STREAM_SHORTEST ? 1 : (int)(count / STREAM_SHORTEST);
    if ((size_t)steps > count / (size_t)rows - 1)
        steps = (int)(count / (size_t)rows - 1);
    return weft_source_text(corpus->symbols + corpus->start[part], count, rows, steps,
                            source, windows, err);
}

static bool streams_fill(void *context, uint64_t index, WeftBatch *batch,
                         WeftError *err)
{
    const Streams *streams = context;
    if (!streams->inner.fill(streams->inner.context, index, batch, err)) return false;
    if (streams->reset && index % streams->reset == 0) batch->fresh = true;
    return true;
}

WeftSource streams_source(Streams *streams)
{
    WeftSource source = streams->inner;
    source.context = streams;
    source.fill = streams_fill;
    return source;
}

#define STEPS_MOST 100000000

bool corpus_streams(const Corpus *corpus, const Settings *settings, Streams *streams,
                    WeftError *err)
{
    const size_t count = part_count(corpus, TRAINING);
    const bool period = settings->back > 0;
    const int update = settings->chunk * settings->chunks_per_update;
    if (period && settings->reset > (uint64_t)(STEPS_MOST / update))
        return fail(err, "--chunk times --chunks-per-update times --reset: with --back "
                         "expected at most 1e8 steps");
    const int steps = period ? update * (int)settings->reset : update;
    if (count / (size_t)settings->batch <= (size_t)steps)
        return fail(
            err,
            "the training part has %zu symbols, too few for --batch %d streams of "
            "%d steps: lower --batch, --chunk%s or --chunks-per-update",
            count, settings->batch, steps, period ? ", --reset" : "");
    streams->reset = period ? 1 : settings->reset;
    return weft_source_text(corpus->symbols, count, settings->batch, steps,
                            &streams->inner, NULL, err);
}

bool corpus_settings_good(const Settings *settings, WeftError *err)
{
    if (settings->both)
        return fail(err,
                    "--both: going backward, the net would read what it is to tell");
    return !settings->back || settings->reset ||
           fail(err,
                "--back %d with --reset 0: expected 1 or more, as the gradient goes "
                "back to the last reset at most",
                settings->back);
}

/* ---- as a data set ---- */

typedef struct Own {
    Corpus corpus;
    bool bytes;
    WeftSource part[PARTS]; /* to score; one that is empty has no source */
    uint64_t windows[PARTS];
    Streams streams; /* of the training part */
} Own;

static bool evaluate(Data *data, WeftNet *net, Part part, int percent, WeftScore *score,
                     WeftError *err)
{
    const Own *own = data->own;
    const uint64_t windows = percent_of(own->windows[part], percent);
    *score = (WeftScore){.loss = NAN};
    return !windows || weft_evaluate(net, &own->part[part], 0, windows, score, err);
}

static void tell(const Data *data, const WeftScore *score, char text[256])
{
    (void)data;
    text[0] = 0;
    if (score->targets == 0) {
        append(text, 256, "nothing to score: the part is empty");
        return;
    }
    append(text, 256, "%.4f nats, %.4f bits a character", score->loss,
           score->loss * BITS);
    if (!isnan(score->accuracy))
        append(text, 256, " (%.1f %% right)", 100 * score->accuracy);
}

static bool baseline(Data *data, Part part, int index, char name[BASELINE_SIZE],
                     WeftScore *score, WeftError *err)
{
    const Corpus *corpus = &((Own *)data->own)->corpus;
    name[0] = 0;
    if (index == NGRAM_ORDERS || !part_count(corpus, part)) return true;
    snprintf(name, BASELINE_SIZE, "n-gram of order %d", index);
    *score = (WeftScore){.accuracy = NAN, .targets = (double)part_count(corpus, part)};
    return weft_ngram(corpus->symbols, part_count(corpus, TRAINING),
                      corpus->symbols + corpus->start[part], part_count(corpus, part),
                      corpus->alphabet, index, &score->loss, err);
}

/* Code points in hexadecimal, comma-separated. */
static bool note(const Data *data, WeftNet *net, WeftError *err)
{
    const Own *own = data->own;
    int symbols;
    const uint32_t *alphabet = weft_text_alphabet(own->corpus.text, &symbols);
    const size_t size = (size_t)symbols * 9 + 1; /* up to eight digits and a comma */
    char *text = calloc(size, 1), *end = text;
    if (!text) return fail(err, "out of memory");
    for (int i = 0; i < symbols; i++)
        end += sprintf(end, "%s%" PRIx32, i ? "," : "", alphabet[i]);
    const bool good = weft_net_note(net, "data", DATA_TEXT, err) &&
                      weft_net_note(net, "bytes", own->bytes ? "yes" : "no", err) &&
                      weft_net_note(net, "alphabet", text, err);
    free(text);
    return good;
}

uint32_t *corpus_alphabet(const WeftNet *net, int *symbols, WeftError *err)
{
    const char *text = data_note(net, "alphabet", err);
    if (!text) return NULL;
    uint32_t *alphabet = malloc((strlen(text) / 2 + 1) * sizeof *alphabet);
    if (!alphabet) {
        fail(err, "out of memory");
        return NULL;
    }
    int count = 0;
    char *end;
    for (const char *at = text;; at = end + 1) {
        alphabet[count++] = (uint32_t)strtoul(at, &end, 16);
        if (end == at || *end != ',') break;
    }
    if (*end || count != weft_net_model(net)->inputs) {
        fail(err, "the saved alphabet does not fit the saved net");
        free(alphabet);
        return NULL;
    }
    *symbols = count;
    return alphabet;
}

static void corpus_data_close(Data *data)
{
    Own *own = data->own;
    for (Part part = VALIDATION; part < PARTS; part++)
        if (own->windows[part]) weft_source_close(&own->part[part]);
    weft_source_close(&own->streams.inner);
    corpus_close(&own->corpus);
    free(own);
}

static bool sources(Own *own, const Settings *settings, WeftError *err)
{
    const int steps = settings->chunk * settings->chunks_per_update;
    if (part_count(&own->corpus, TRAINING) &&
        !corpus_streams(&own->corpus, settings, &own->streams, err))
        return false;
    for (Part part = VALIDATION; part < PARTS; part++) {
        if (!part_count(&own->corpus, part)) continue;
        uint64_t windows;
        if (!corpus_source(&own->corpus, part, settings->batch, steps, &own->part[part],
                           &windows, err))
            return false;
        own->windows[part] = windows;
    }
    return true;
}

static bool open_for_net(const char *path, const WeftNet *net, Own *own, WeftError *err)
{
    int symbols;
    uint32_t *alphabet = corpus_alphabet(net, &symbols, err);
    if (!alphabet) return false;
    const char *bytes = weft_net_get_note(net, "bytes");
    own->bytes = bytes && !strcmp(bytes, "yes");
    const bool good = corpus_open(path, own->bytes, (double[]){0, 0, 100}, alphabet,
                                  symbols, &own->corpus, err);
    free(alphabet);
    return good;
}

bool corpus_data(const char *path, const DataOptions *options, const Settings *settings,
                 const WeftNet *net, Data *data, WeftError *err)
{
    if (!settings->chunk) return fail(err, "--chunk 0: a text needs 1 or more");
    if ((int64_t)settings->chunk * settings->chunks_per_update > STEPS_MOST)
        return fail(err,
                    "--chunk times --chunks-per-update: expected at most 1e8 steps");
    Own *own = calloc(1, sizeof *own);
    if (!own) return fail(err, "out of memory");
    own->bytes = options->bytes;
    if (!(net ? open_for_net(path, net, own, err)
              : corpus_open(path, own->bytes, options->split, NULL, 0, &own->corpus,
                            err))) {
        free(own);
        return false;
    }
    *data = (Data){.glance = 100,
                   .evaluate = evaluate,
                   .tell = tell,
                   .baseline = baseline,
                   .note = note,
                   .close = corpus_data_close,
                   .own = own,
                   .shape = {.input = WEFT_SYMBOLS,
                             .inputs = own->corpus.alphabet,
                             .outputs = own->corpus.alphabet,
                             .loss = WEFT_SOFTMAX}};
    if (!sources(own, settings, err)) {
        corpus_data_close(data);
        return false;
    }
    data->train = streams_source(&own->streams);
    if (!net)
        append(data->about, sizeof data->about,
               "text: %zu %s, %d symbols; training %zu, validation %zu, test %zu",
               own->corpus.count, own->bytes ? "bytes" : "characters",
               own->corpus.alphabet, part_count(&own->corpus, TRAINING),
               part_count(&own->corpus, VALIDATION), part_count(&own->corpus, TEST));
    return true;
}

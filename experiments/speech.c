/* speech.c: which digit was spoken?
 *
 * Words that espeak-ng speaks in many voices and accents of English, at drawn speeds and
 * pitches. A process of it speaks the ten digits, in a drawn order, with pauses between them;
 * the sound is cut at these and becomes frames of log-mel energies. No voice is heard in two
 * of training, validation and test, in no accent either, nor one that shares its vocal tract.
 * What is recorded is the same for every --seed, which draws the net and the order of words. */
#include "data.h"
#include "logmel.h"
#include "process.h"
#include "saved.h"
#include "speech.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BANDS        40
#define COUNT(array) (sizeof(array) / sizeof *(array))
#define ACCENTS      COUNT(accents)

/* ---- who speaks ---- */

static const char *const digits[DIGITS] = {"zero", "one", "two",   "three", "four",
                                           "five", "six", "seven", "eight", "nine"};
static const char *const accents[] = {
    "en-us",          "en-gb",          "en-gb-x-rp", "en-gb-x-gbclan",
    "en-gb-x-gbcwmd", "en-gb-scotland", "en-029"};

/* The variants of voices that espeak-ng 1.51 has; in one string, those that share a name or a
 * vocal tract. Of those that are alike to the bit, one; none whose echo fills the pauses. */
// clang-format off
static const char *const families[] = {
    "adam", "Alex", "Alicia", "Andrea", "Andy,AnxiousAndy", "anika,anikaRobot",
    "Annie", "announcer", "antonio", "aunty", "belinda", "benjamin", "boris", "croak",
    "david", "Demonic", "Denis", "Diogo,Henrique,Hugo,michel,miguel", "ed",
    "edward,edward2", "f1", "f2", "f3", "f4", "f5", "fast", "Gene,Gene2", "grandma",
    "grandpa", "gustave", "iven,iven2,iven3,iven4", "Jacky", "john", "kaukovalta",
    "klatt,klatt2,klatt3,klatt4,klatt5", "Lee", "linda", "m1", "m2", "m3", "m4", "m5",
    "m6", "m7",
    "m8,max,robosoft,robosoft2,robosoft3,robosoft4,robosoft5,robosoft6,robosoft7,robosoft8",
    "marcelo", "Marco", "Mario", "Michael", "Mike", "Mr serious", "Nguyen", "norbert",
    "pablo", "paul", "pedro", "quincy", "rob", "robert", "sandro", "shelby",
    "steph,steph2,steph3", "Storm", "travis", "Tweaky", "UniRobot", "victor",
    "whisper,whisperf", "zac",
};
// clang-format on

/* By their place in the alphabet, which has nothing to do with how they sound. */
static Part part_of(size_t family)
{
    return family % 5 == 4 ? TEST : family % 5 == 2 ? VALIDATION : TRAINING;
}

enum { SPEED_MIN = 140, SPEEDS = 80, PITCH_MIN = 20, PITCHES = 60 };

static void recording_draw(Recording *recording, uint64_t index)
{
    enum { SPEED = 0x73706b, PITCH, ORDER }; /* streams */
    recording->speed = SPEED_MIN + (int)weft_random_below(0, SPEED, index, SPEEDS);
    recording->pitch = PITCH_MIN + (int)weft_random_below(0, PITCH, index, PITCHES);
    for (int i = 0; i < DIGITS; i++) { /* Fisher and Yates, from the inside out */
        const uint64_t at = index * DIGITS + (uint64_t)i;
        const int j = (int)weft_random_below(0, ORDER, at, (uint32_t)i + 1);
        recording->order[i] = recording->order[j];
        recording->order[j] = i;
    }
}

/* In a line of the listing, "!v/Alex" and then a space. */
static bool is_listed(const char *listing, const char *variant)
{
    char file[64] = "";
    append(file, sizeof file, "!v/%s ", variant);
    return !listing || strstr(listing, file);
}

/* A voice in all accents. */
static void voice_draw(const char *variant, uint64_t index, Recording *list)
{
    for (size_t a = 0; a < ACCENTS; a++) {
        list[a] = (Recording){0};
        append(list[a].voice, sizeof list[a].voice, "%s+%s", accents[a], variant);
        recording_draw(&list[a], index * ACCENTS + a);
    }
}

size_t speech_recordings(Part part, const char *listing, Recording *list)
{
    char variant[32];
    size_t count = 0;
    uint64_t index = 0;
    for (size_t f = 0; f < COUNT(families); f++)
        for (const char *rest = families[f]; list_next(&rest, variant, sizeof variant);
             index++) {
            if (part_of(f) != part || !is_listed(listing, variant)) continue;
            if (list) voice_draw(variant, index, list + count);
            count += ACCENTS;
        }
    return count;
}

/* ---- the words of a recording ---- */

#define BREAK        "<break time=\"500ms\"/>"
#define QUIET        0.01 /* of the peak */
#define PAUSE        0.2  /* seconds: longer than within a word, shorter than a break */
#define MARGIN       0.025      /* kept at both ends of a word */
#define RECORDED_MAX (1u << 23) /* bytes */

static int wav_peak(const Wav *wav)
{
    int peak = 0;
    for (size_t i = 0; i < wav->count; i++) {
        const int level = abs(wav_sample(wav, i));
        if (peak < level) peak = level;
    }
    return peak;
}

int speech_cut(const Wav *wav, Piece *piece, int most)
{
    const size_t margin = (size_t)(MARGIN * wav->rate),
                 pause = (size_t)(PAUSE * wav->rate);
    const double quiet = QUIET * wav_peak(wav);
    int count = 0;
    size_t heard = 0; /* behind the last sample that is not quiet */
    for (size_t i = 0; i < wav->count; i++) {
        if (abs(wav_sample(wav, i)) <= quiet) continue;
        if (!count || i - heard >= pause) {
            if (count < most) piece[count].first = i < margin ? 0 : i - margin;
            count++;
        }
        heard = i + 1;
        const size_t end = heard + margin < wav->count ? heard + margin : wav->count;
        if (count <= most) piece[count - 1].count = end - piece[count - 1].first;
    }
    return count;
}

static bool recording_start(const char *program, const Recording *recording,
                            Process *process, WeftError *err)
{
    char text[512] = "", speed[16] = "", pitch[16] = "";
    append(speed, sizeof speed, "%d", recording->speed);
    append(pitch, sizeof pitch, "%d", recording->pitch);
    for (int i = 0; i < DIGITS; i++)
        append(text, sizeof text, "%s%s", i ? BREAK : "", digits[recording->order[i]]);
    const char *const words[] = {program,    "-m",  "-v", recording->voice,
                                 "-s",       speed, "-p", pitch,
                                 "--stdout", text,  NULL};
    return process_start(words, process, err);
}

static bool recording_end(const Recording *recording, Process *process, Bytes *bytes,
                          Wav *wav, Piece piece[DIGITS], WeftError *err)
{
    WeftError why;
    if (!process_end(process, RECORDED_MAX, bytes, &why))
        return fail(err, "%s (voice %s)", why.text, recording->voice);
    if (!wav_parse(process->program, bytes->at, bytes->count, wav, &why)) {
        free(bytes->at);
        return fail(err, "%s (voice %s)", why.text, recording->voice);
    }
    const int count = speech_cut(wav, piece, DIGITS);
    if (count == DIGITS) return true;
    free(bytes->at);
    return fail(err, "%s: %d words of voice %s: expected %d", process->program, count,
                recording->voice, DIGITS);
}

/* ---- what was spoken ---- */

/* Features are whole numbers of 1/64: what FFTW computes on another processor differs by so
 * little that they are the same, and with them the bits of a training. */
#define FEATURE 64

typedef struct Word {
    size_t first; /* frame */
    int frames, digit;
} Word;

typedef struct Spoken {
    char program[4096];
    int users;
    Range part[PARTS]; /* of the words; of the training's, the order is not drawn */
    size_t voices[PARTS];
    size_t words, frames, room; /* room: of frames */
    Word *word;                 /* [words] */
    int16_t *frame;             /* [frames][BANDS] */
    int longest;
    uint64_t digest; /* of the frames */
    Logmel *ear;     /* while they are recorded */
    int rate;
} Spoken;

static bool spoken_grow(Spoken *spoken, size_t frames, WeftError *err)
{
    if (spoken->frames + frames <= spoken->room) return true;
    spoken->room = 2 * spoken->room + frames;
    int16_t *const more =
        realloc(spoken->frame, spoken->room * BANDS * sizeof *spoken->frame);
    if (!more) return fail(err, "out of memory");
    spoken->frame = more;
    return true;
}

static bool spoken_hear(Spoken *spoken, const Wav *wav, Piece piece, int digit,
                        WeftError *err)
{
    const int frames = logmel_frames(spoken->ear, piece.count);
    const size_t numbers = (size_t)frames * BANDS;
    double *const samples = calloc(piece.count + numbers, sizeof *samples);
    if (!samples) return fail(err, "out of memory");
    if (!spoken_grow(spoken, (size_t)frames, err)) {
        free(samples);
        return false;
    }
    double *const out = samples + piece.count;
    for (size_t i = 0; i < piece.count; i++)
        samples[i] = wav_sample(wav, piece.first + i) / 32768.0;
    logmel_take(spoken->ear, samples, piece.count, out);
    logmel_level(out, frames, BANDS);
    int16_t *const frame = spoken->frame + spoken->frames * BANDS;
    for (size_t i = 0; i < numbers; i++)
        frame[i] = (int16_t)floor(FEATURE * out[i] + 0.5);
    spoken->word[spoken->words++] = (Word){spoken->frames, frames, digit};
    spoken->frames += (size_t)frames;
    if (spoken->longest < frames) spoken->longest = frames;
    free(samples);
    return true;
}

static bool spoken_rate(Spoken *spoken, const Wav *wav, WeftError *err)
{
    if (!spoken->ear && !logmel_open(wav->rate, BANDS, &spoken->ear, err)) return false;
    if (!spoken->rate) spoken->rate = wav->rate;
    return wav->rate == spoken->rate ||
           fail(err, "%s: %d samples a second, and %d before", spoken->program,
                wav->rate, spoken->rate);
}

static bool spoken_record(Spoken *spoken, const Recording *recording, Process *process,
                          WeftError *err)
{
    Bytes bytes;
    Wav wav;
    Piece piece[DIGITS];
    if (!recording_end(recording, process, &bytes, &wav, piece, err)) return false;
    bool good = spoken_rate(spoken, &wav, err);
    for (int i = 0; good && i < DIGITS; i++)
        good = spoken_hear(spoken, &wav, piece[i], recording->order[i], err);
    free(bytes.at);
    return good;
}

/* A process takes most of its time to start: so some start while one is heard. */
static bool spoken_record_all(Spoken *spoken, const Recording *list, size_t count,
                              WeftError *err)
{
    enum { AHEAD = 4 };
    Process process[AHEAD];
    size_t begun = 0, ended = 0;
    bool good = true;
    while (good && ended < count)
        if (begun < count && begun < ended + AHEAD) {
            good = recording_start(spoken->program, &list[begun],
                                   &process[begun % AHEAD], err);
            begun += good;
        } else {
            good = spoken_record(spoken, &list[ended], &process[ended % AHEAD], err);
            ended++;
        }
    while (ended < begun) process_stop(&process[ended++ % AHEAD]);
    return good;
}

static void spoken_free(Spoken *spoken)
{
    logmel_close(spoken->ear);
    free(spoken->word);
    free(spoken->frame);
    free(spoken);
}

/* Of the voices that are listed, those that a part has. */
static bool spoken_count(Spoken *spoken, const char *listing, WeftError *err)
{
    size_t words = 0;
    for (Part part = TRAINING; part < PARTS; part++) {
        const size_t count = speech_recordings(part, listing, NULL);
        spoken->voices[part] = count / ACCENTS;
        spoken->part[part] = (Range){words, count * DIGITS, false, 0};
        words += count * DIGITS;
        if (!count)
            return fail(err,
                        "%s: too few voices: espeak-ng's data has some hundred "
                        "(--voices=variant lists them)",
                        spoken->program);
    }
    spoken->word = calloc(words, sizeof *spoken->word);
    return spoken->word || fail(err, "out of memory");
}

static bool spoken_fill(Spoken *spoken, const char *listing, WeftError *err)
{
    if (!spoken_count(spoken, listing, err)) return false;
    size_t count = 0;
    for (Part part = TRAINING; part < PARTS; part++)
        count += spoken->part[part].count / DIGITS;
    Recording *const list = calloc(count, sizeof *list);
    if (!list) return fail(err, "out of memory");
    Recording *next = list;
    for (Part part = TRAINING; part < PARTS; part++)
        next += speech_recordings(part, listing, next);
    const bool good = spoken_record_all(spoken, list, count, err);
    free(list);
    return good;
}

/* A voice that espeak-ng lacks would be spoken, without a word, by the accent's own: so what
 * voices there are is asked for. */
static bool listing_read(const char *program, Bytes *listing, WeftError *err)
{
    const char *const words[] = {program, "--voices=variant", NULL};
    Process process;
    if (!process_start(words, &process, err) ||
        !process_end(&process, RECORDED_MAX, listing, err))
        return false;
    uint8_t *const at = realloc(listing->at, listing->count + 1);
    if (!at) {
        free(listing->at);
        return fail(err, "out of memory");
    }
    at[listing->count] = 0;
    listing->at = at;
    return true;
}

static bool spoken_hear_all(Spoken *spoken, WeftError *err)
{
    Bytes listing;
    if (!listing_read(spoken->program, &listing, err)) return false;
    const bool good = spoken_fill(spoken, (const char *)listing.at, err);
    free(listing.at);
    return good;
}

static bool spoken_make(const char *program, Spoken **out, WeftError *err)
{
    Spoken *const spoken = calloc(1, sizeof *spoken);
    if (!spoken) return fail(err, "out of memory");
    append(spoken->program, sizeof spoken->program, "%s", program);
    if (!spoken_hear_all(spoken, err)) {
        spoken_free(spoken);
        return false;
    }
    logmel_close(spoken->ear);
    spoken->ear = NULL;
    spoken->digest =
        fnv(FNV_START, spoken->frame, spoken->frames * BANDS * sizeof *spoken->frame);
    *out = spoken;
    return true;
}

/* What was recorded is kept while anybody in this process learns it. */
static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER;
static Spoken *shared;

static bool spoken_open(const char *program, Spoken **out, WeftError *err)
{
    pthread_mutex_lock(&shared_lock);
    const bool known = shared && !strcmp(shared->program, program);
    Spoken *spoken = shared;
    const bool good = known || spoken_make(program, &spoken, err);
    if (good) {
        spoken->users++;
        if (!shared) shared = spoken;
        *out = spoken;
    }
    pthread_mutex_unlock(&shared_lock);
    return good;
}

static void spoken_close(Spoken *spoken)
{
    pthread_mutex_lock(&shared_lock);
    if (!--spoken->users) {
        if (shared == spoken) shared = NULL;
        spoken_free(spoken);
    }
    pthread_mutex_unlock(&shared_lock);
}

/* ---- words as sequences ---- */

typedef struct Heard Heard;

/* The words of a part, as a source. */
typedef struct Some {
    const Heard *heard;
    Range range;
} Some;

struct Heard {
    Spoken *spoken;
    int steps, rows;
    Some part[PARTS];
};

/* As many frames as there are steps. */
static void word_fill(const Spoken *spoken, const Word *word, WeftBatch *batch, int row)
{
    const int16_t *frame = spoken->frame + word->first * BANDS;
    const int steps = word->frames < batch->steps ? word->frames : batch->steps;
    for (int t = 0; t < steps; t++, frame += BANDS) {
        float *x = batch->x + (t * batch->rows + row) * BANDS;
        for (int b = 0; b < BANDS; b++) x[b] = (float)frame[b] / FEATURE;
    }
    batch->length[row] = steps;
    batch->label[row] = word->digit;
}

static bool fill(void *context, uint64_t index, WeftBatch *batch, WeftError *err)
{
    enum { WORD = 0x776f7264 }; /* stream */
    (void)err;
    const Some *some = context;
    const Spoken *const spoken = some->heard->spoken;
    for (int row = 0; row < batch->rows; row++) {
        const size_t at = range_item(&some->range, WORD, batch, index, row);
        word_fill(spoken, &spoken->word[at], batch, row);
    }
    weft_batch_sort(batch); /* steps past a word's end then cost nothing */
    return true;
}

/* ---- as a data set ---- */

static WeftSource source_of(Heard *heard, Part part)
{
    return (WeftSource){.context = &heard->part[part],
                        .fill = fill,
                        .steps = heard->steps,
                        .rows = heard->rows};
}

static bool evaluate(Data *data, WeftNet *net, Part part, int percent, WeftScore *score,
                     WeftError *err)
{
    Heard *heard = data->own;
    const WeftSource source = source_of(heard, part);
    return range_evaluate(&heard->part[part].range, &source, percent, net, score, err);
}

static void tell(const Data *data, const WeftScore *score, char text[256])
{
    (void)data;
    snprintf(text, 256, "%.4f nats over %.0f words (%.2f %% right)", score->loss,
             score->targets, 100 * score->accuracy);
}

static bool baseline(Data *data, Part part, int index, char name[BASELINE_SIZE],
                     WeftScore *score, WeftError *err)
{
    (void)data, (void)part, (void)err;
    snprintf(name, BASELINE_SIZE, "%s", index ? "" : "guessing");
    *score = (WeftScore){.loss = weft_log(DIGITS), .accuracy = 1.0 / DIGITS};
    return true;
}

static void heard_close(Data *data)
{
    Heard *heard = data->own;
    spoken_close(heard->spoken);
    free(heard);
}

static void about_write(const Heard *heard, char *text, size_t size)
{
    static const char *const names[PARTS] = {"for training", "for validation",
                                             "to test"};
    const Spoken *spoken = heard->spoken;
    append(text, size, "spoken digits:");
    for (Part part = TRAINING; part < PARTS; part++)
        append(text, size, " %zu %s of %zu voices,", heard->part[part].range.count,
               names[part], spoken->voices[part]);
    append(text, size, " at most %d frames of %d bands, their digest %016" PRIx64,
           spoken->longest, BANDS, spoken->digest);
}

static bool heard_data(const Experiment *experiment, const DataOptions *options,
                       const Settings *settings, Data *data, WeftError *err)
{
    (void)experiment;
    Heard *heard = calloc(1, sizeof *heard);
    if (!heard) return fail(err, "out of memory");
    if (!spoken_open(options->file, &heard->spoken, err)) {
        free(heard);
        return false;
    }
    heard->steps = options->length;
    heard->rows = settings->batch;
    for (Part part = TRAINING; part < PARTS; part++)
        heard->part[part] = (Some){heard, heard->spoken->part[part]};
    heard->part[TRAINING].range.shuffle = true;
    heard->part[TRAINING].range.seed = settings->seed;
    *data = (Data){.shape = {.input = WEFT_DENSE,
                             .inputs = BANDS,
                             .outputs = DIGITS,
                             .loss = WEFT_SOFTMAX,
                             .vector = true},
                   .train = source_of(heard, TRAINING),
                   .glance = 100,
                   .evaluate = evaluate,
                   .tell = tell,
                   .baseline = baseline,
                   .note = experiment_note,
                   .close = heard_close,
                   .own = heard};
    about_write(heard, data->about, sizeof data->about);
    return true;
}

/* ---- the experiment ---- */

// clang-format off
#define AT(which) .cell = which, .length = 80, .of = SCORE, .over = MEDIAN_SEED

static const Claim claims[] = {
    {.name = "lstm", .text = "lstm: 95 % or more of the words of unseen voices", AT("lstm"), .low = 0.95, .high = 1, .published = "-", .source = "ten words, without noise"},
    {.name = "gru", .text = "gru: 95 % or more of the words of unseen voices", AT("gru"), .low = 0.95, .high = 1, .published = "-", .source = "ten words, without noise"},
    {.name = "gap", .text = "lstm is better than rnn", AT("lstm"), .against = "rnn", .low = 0, .high = 1, .published = "-", .source = "what tells a word lies some 10 to 40 frames back"},
    {0},
};
// clang-format on

const Experiment experiment_digits = {
    .chapter = CHAPTER_SPEECH,
    .name = "digits",
    .question = "Which digit did a voice say that was never heard before?",
    .claim =
        "lstm and gru tell 95 % of the words of unseen voices, rnn fewer than lstm",
    .grid = {"rnn,lstm,gru", NUMBERS(80), NUMBERS(0, 1), "5e-3,2e-3"},
    .train = {SETTINGS_COMMON, .parameters = 20000, .batch = 32,
              .chunk = 0, /* never cut */
              .chunks_per_update = 1, .schedule = WEFT_COSINE, .rate = 5e-3,
              .steps = 600, .every = 100},
    .full = "--seed 0..2 --rates 5e-3,2e-3,1e-3 --steps 2000",
    .longer = "--seed 0..4 --steps 10000",
    .open = heard_data,
    .file = "/usr/bin/espeak-ng",
    .file_from = "Debian's espeak-ng",
    .glance = 50,
    .score_name = "accuracy",
    .unit = "nats",
    .length_name = "frames of 10 ms, at most",
    .claims = claims,
};

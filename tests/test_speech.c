/* test_speech.c: WAV files, log-mel frames, other programs, and spoken digits. */
#include "folder.h"

#include <math.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../experiments/logmel.h"
#include "../experiments/process.h"
#include "../experiments/speech.h"
#include "task_rig.h"

TestSuite(process, .init = open_folder, .fini = close_folder);
TestSuite(digits, .init = open_folder, .fini = close_folder);

/* ---- WAV ---- */

enum { HEAD = 44, SOUND = HEAD + 6 };
static const int16_t three[] = {1, -2, INT16_MIN};

static void put_number(uint8_t *at, uint32_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) at[i] = (uint8_t)(value >> 8 * i);
}

/* The head of so many samples; behind it, the caller's. */
static void put_head(uint8_t head[HEAD], uint32_t rate, uint32_t samples)
{
    memcpy(head, "RIFF....WAVEfmt ....................data....", HEAD);
    put_number(head + 4, HEAD - 8 + 2 * samples, 4);
    put_number(head + 16, 16, 4);
    put_number(head + 20, 1, 2);
    put_number(head + 22, 1, 2);
    put_number(head + 24, rate, 4);
    put_number(head + 28, 2 * rate, 4);
    put_number(head + 32, 2, 2);
    put_number(head + 34, 16, 2);
    put_number(head + 40, 2 * samples, 4);
}

static void put_samples(uint8_t *at, const int16_t *sample, size_t count)
{
    for (size_t i = 0; i < count; i++) put_number(at + 2 * i, (uint16_t)sample[i], 2);
}

static void put_three(uint8_t sound[SOUND])
{
    put_head(sound, 22050, 3);
    put_samples(sound + HEAD, three, 3);
}

static void expect_three(const uint8_t *bytes, size_t count)
{
    Wav wav;
    MUST(wav_parse("f", bytes, count, &wav, &err));
    cr_expect_eq(wav.rate, 22050);
    cr_assert_eq(wav.count, 3);
    for (size_t i = 0; i < 3; i++) cr_expect_eq(wav_sample(&wav, i), three[i]);
}

Test(wav, samples_are_those_of_the_file_whatever_chunks_it_has_beside)
{
    uint8_t sound[SOUND], more[SOUND + 12 + 20] = {0};
    put_three(sound);
    expect_three(sound, SOUND);
    memcpy(more, sound, 36);
    memcpy(more + 36, "LIST\3\0\0\0abc", 11); /* and a byte, for 3 is odd */
    memcpy(more + 48, sound + 36, SOUND - 36);
    expect_three(more, SOUND + 12);
    expect_three(more, sizeof more); /* what follows is no sound */
}

Test(wav, sound_from_a_pipe_goes_on_to_the_last_byte)
{
    uint8_t sound[SOUND];
    put_three(sound);
    put_number(sound + 40, 0x7ffff000, 4); /* espeak-ng's */
    expect_three(sound, SOUND);
    put_number(sound + 40, UINT32_MAX, 4);
    expect_three(sound, SOUND);
}

/* The three samples with one number changed, cut at `count`. */
static void expect_wrong(size_t at, uint32_t value, int bytes, size_t count,
                         const char *message)
{
    Wav wav;
    WeftError err = {""};
    uint8_t sound[SOUND];
    put_three(sound);
    put_number(sound + at, value, bytes);
    uint8_t *exact = malloc(count ? count : 1); /* which ASan holds it to */
    memcpy(exact, sound, count);
    cr_expect(!wav_parse("f", exact, count, &wav, &err));
    cr_expect_str_eq(err.text, message);
    free(exact);
}

Test(wav, what_is_wrong_is_told_with_its_byte)
{
    static const char no_wav[] =
        "f: byte 0: not a WAV file, which begins with RIFF and WAVE";
    expect_wrong(0, 0, 0, 0, no_wav);
    expect_wrong(0, 0, 0, 11, no_wav);
    expect_wrong(0, 'X', 1, SOUND, no_wav);
    expect_wrong(8, 'X', 1, SOUND, no_wav);
    expect_wrong(0, 0, 0, 12, "f: byte 12: it ends before any sound");
    expect_wrong(0, 0, 0, 19, "f: byte 19: it ends before any sound");
    expect_wrong(0, 0, 0, 30, "f: byte 20: 10 bytes follow: expected 16");
    expect_wrong(0, 0, 0, 43, "f: byte 43: it ends before any sound");
    expect_wrong(0, 0, 0, SOUND - 2, "f: byte 44: 4 bytes follow: expected 6");
    expect_wrong(16, 14, 4, SOUND,
                 "f: byte 20: a format of 14 bytes: expected 16 or more");
    expect_wrong(16, UINT32_MAX, 4, SOUND,
                 "f: byte 20: 30 bytes follow: expected 4294967295");
    expect_wrong(20, 3, 2, SOUND,
                 "f: byte 20: format 3 of 16 bits: expected 1 (PCM) of 16");
    expect_wrong(34, 8, 2, SOUND,
                 "f: byte 20: format 1 of 8 bits: expected 1 (PCM) of 16");
    expect_wrong(22, 2, 2, SOUND, "f: byte 22: 2 channels: expected 1");
    expect_wrong(24, 0, 4, SOUND,
                 "f: byte 24: 0 samples a second: expected 1000 to 768000");
    expect_wrong(12, 'X', 1, SOUND, "f: byte 44: sound before its format");
    expect_wrong(40, 5, 4, SOUND,
                 "f: byte 44: 5 bytes of 16-bit samples: an odd number");
    expect_wrong(40, UINT32_MAX, 4, SOUND - 1,
                 "f: byte 44: 5 bytes of 16-bit samples: an odd number");
    expect_wrong(36, 'X', 1, SOUND, "f: byte 50: it ends before any sound");
}

/* ---- log-mel frames ---- */

#define PI   3.14159265358979323846
#define RATE 22050

/* Bands and windows of this rate, by their definition. */
enum { BANDS = 40, WINDOW = 551, HOP = 221, POINTS = 1024, SAMPLES = WINDOW + 3 * HOP };

static double mel(double hertz)
{
    return 1127 * log1p(hertz / 700);
}

static double middle(int band)
{
    const double step = (mel(8000) - mel(60)) / (BANDS + 1);
    return 700 * expm1((mel(60) + (band + 1) * step) / 1127);
}

static double triangle(int band, double hertz)
{
    const double step = (mel(8000) - mel(60)) / (BANDS + 1);
    return fmax(0, 1 - fabs(mel(hertz) - mel(60) - (band + 1) * step) / step);
}

static double power(const double *samples, int k)
{
    double re = 0, im = 0;
    for (int i = 0; i < WINDOW; i++) {
        const double hann = pow(sin(PI * i / WINDOW), 2),
                     angle = 2 * PI * (double)(i * k % POINTS) / POINTS;
        re += hann * samples[i] * cos(angle);
        im -= hann * samples[i] * sin(angle);
    }
    return re * re + im * im;
}

/* The slow way. */
static void energies(const double *samples, int frames, double *out)
{
    double loudest = 0;
    for (int f = 0; f < frames; f++) {
        double *const e = out + f * BANDS;
        memset(e, 0, BANDS * sizeof *e);
        for (int k = 0; k <= POINTS / 2; k++) {
            const double p = power(samples + f * HOP, k);
            for (int b = 0; b < BANDS; b++)
                e[b] += p * triangle(b, (double)k * RATE / POINTS);
        }
        for (int b = 0; b < BANDS; b++) loudest = fmax(loudest, e[b]);
    }
    for (int i = 0; i < frames * BANDS; i++) out[i] = log(fmax(out[i], 1e-6 * loudest));
}

static Logmel *ear_open(void)
{
    Logmel *ear = NULL;
    MUST(logmel_open(RATE, BANDS, &ear, &err));
    return ear;
}

/* Noise that grows, and a tone that rises. */
static void murmur(double *samples, int count)
{
    for (int i = 0; i < count; i++)
        samples[i] = 1e-4 * i / count * weft_random_normal(5, 6, (uint64_t)i) +
                     0.3 * sin(2 * PI * (500.0 + i) / RATE * i);
}

Test(logmel, energies_are_those_of_the_fourier_sum_and_of_the_triangles)
{
    double samples[SAMPLES], slow[4 * BANDS], out[4 * BANDS];
    Logmel *const ear = ear_open();
    murmur(samples, SAMPLES);
    cr_assert_eq(logmel_frames(ear, SAMPLES), 4);
    logmel_take(ear, samples, SAMPLES, out);
    energies(samples, 4, slow);
    for (int i = 0; i < 4 * BANDS; i++) cr_expect_float_eq(out[i], slow[i], 1e-8);
    logmel_close(ear);
}

Test(logmel, tone_is_loudest_in_its_band)
{
    double samples[WINDOW], out[BANDS];
    Logmel *const ear = ear_open();
    for (int band = 5; band < BANDS;
         band++) { /* below, a band is narrower than a bin */
        for (int i = 0; i < WINDOW; i++)
            samples[i] = sin(2 * PI * middle(band) / RATE * i);
        logmel_take(ear, samples, WINDOW, out);
        int loudest = 0;
        for (int b = 0; b < BANDS; b++)
            if (out[b] > out[loudest]) loudest = b;
        cr_expect_eq(loudest, band, "%g Hz: band %d, not %d", middle(band), loudest,
                     band);
    }
    logmel_close(ear);
}

Test(logmel, every_band_hears_something)
{
    double samples[WINDOW] = {[WINDOW / 2] = 1}, out[BANDS]; /* a click: all the same */
    Logmel *const ear = ear_open();
    logmel_take(ear, samples, WINDOW, out);
    for (int b = 0; b < BANDS; b++) cr_expect_gt(out[b], log(0.5));
    logmel_close(ear);
}

Test(logmel, windows_are_those_that_the_samples_fill_and_one_at_least)
{
    Logmel *const ear = ear_open();
    cr_expect_eq(logmel_frames(ear, 1), 1);
    cr_expect_eq(logmel_frames(ear, WINDOW), 1);
    cr_expect_eq(logmel_frames(ear, WINDOW + HOP - 1), 1);
    cr_expect_eq(logmel_frames(ear, WINDOW + HOP), 2);
    double *few = calloc(100, sizeof *few); /* which ASan holds it to */
    double out[BANDS], padded[BANDS], all[WINDOW] = {0};
    murmur(few, 100);
    memcpy(all, few, 100 * sizeof *few);
    logmel_take(ear, few, 100, out);
    logmel_take(ear, all, WINDOW, padded);
    cr_expect_arr_eq(out, padded, sizeof out);
    free(few);
    logmel_close(ear);
}

Test(logmel, silence_is_a_number_and_nothing_is_60_dB_below_the_loudest)
{
    double samples[SAMPLES] = {0}, out[4 * BANDS];
    Logmel *const ear = ear_open();
    logmel_take(ear, samples, SAMPLES, out);
    logmel_level(out, 4, BANDS);
    for (int i = 0; i < 4 * BANDS; i++) cr_expect_eq(out[i], 0);
    for (int i = 0; i < WINDOW; i++) samples[i] = sin(0.3 * i);
    logmel_take(ear, samples, SAMPLES, out);
    double least = INFINITY, most = -INFINITY;
    for (int i = 0; i < 4 * BANDS; i++) {
        least = fmin(least, out[i]);
        most = fmax(most, out[i]);
    }
    cr_expect_float_eq(most - least, 6 * log(10), 1e-12);
    logmel_close(ear);
}

Test(logmel, level_makes_each_band_0_in_the_mean_and_all_1_in_variance)
{
    double samples[SAMPLES], out[4 * BANDS], loud[4 * BANDS], square = 0;
    Logmel *const ear = ear_open();
    murmur(samples, SAMPLES);
    logmel_take(ear, samples, SAMPLES, out);
    logmel_level(out, 4, BANDS);
    for (int b = 0; b < BANDS; b++) {
        double sum = 0;
        for (int f = 0; f < 4; f++) {
            sum += out[f * BANDS + b];
            square += out[f * BANDS + b] * out[f * BANDS + b];
        }
        cr_expect_float_eq(sum, 0, 1e-12);
    }
    cr_expect_float_eq(square / (4 * BANDS), 1, 1e-12);
    for (int i = 0; i < SAMPLES; i++) samples[i] *= 8; /* loudness is levelled */
    logmel_take(ear, samples, SAMPLES, loud);
    logmel_level(loud, 4, BANDS);
    for (int i = 0; i < 4 * BANDS; i++) cr_expect_float_eq(loud[i], out[i], 1e-9);
    logmel_close(ear);
}

Test(logmel, rate_that_lacks_the_highest_band_is_told)
{
    Logmel *ear;
    FAILS(logmel_open(15999, BANDS, &ear, &err),
          "sound of 15999 samples a second: expected 16000 or more");
}

/* ---- other programs ---- */

static bool output(const char *const *words, size_t most, Bytes *bytes, WeftError *err)
{
    Process process;
    return process_start(words, &process, err) &&
           process_end(&process, most, bytes, err);
}

Test(process, all_that_is_written_comes_back_and_no_shell_reads_the_words)
{
    Bytes bytes;
    const char *const words[] = {"printf", "%s", "$HOME; \"a  b\" `c` é", NULL};
    MUST(output(words, 100, &bytes, &err));
    cr_assert_eq(bytes.count, strlen(words[2]));
    cr_expect_arr_eq(bytes.at, words[2], bytes.count);
    free(bytes.at);
    const char *const many[] = {"head", "-c", "300000", "/dev/zero", NULL};
    MUST(output(many, 300000, &bytes, &err));
    cr_expect_eq(bytes.count, 300000);
    free(bytes.at);
}

Test(process, what_goes_wrong_is_told)
{
    Bytes bytes;
    FAILS(output((const char *const[]){"./none", NULL}, 100, &bytes, &err),
          "./none: No such file or directory");
    FAILS(output((const char *const[]){"sh", "-c", "echo a; exit 3", NULL}, 100, &bytes,
                 &err),
          "sh: failed with exit status 3");
    FAILS(output((const char *const[]){"sh", "-c", "kill -9 $$", NULL}, 100, &bytes,
                 &err),
          "sh: ended by signal 9");
    FAILS(output((const char *const[]){"yes", NULL}, 99999, &bytes, &err),
          "yes: writes more than 99999 bytes");
    FAILS(output((const char *const[]){"printf", "four", NULL}, 3, &bytes, &err),
          "printf: writes more than 3 bytes");
}

Test(process, what_is_stopped_is_gone)
{
    Process process;
    MUST(process_start((const char *const[]){"yes", NULL}, &process, &err));
    process_stop(&process);
    cr_expect_eq(waitpid(-1, NULL, WNOHANG), -1);
}

/* ---- cutting ---- */

/* Of part i, which is silent if odd, with some noise: 1 % at most of the peak. */
static uint32_t beep(int i, size_t at)
{
    if (i % 2) return (uint32_t)(at % 90);
    return at % 2 ? 9999 : 55537; /* -9999 */
}

/* Seconds of sound and of silence in turn, the first of sound. */
static size_t beeps(uint8_t **bytes, const double *seconds, int count)
{
    size_t samples = 0, at = 0;
    for (int i = 0; i < count; i++) samples += (size_t)(seconds[i] * RATE);
    *bytes = calloc(HEAD + 2 * samples, 1);
    put_head(*bytes, RATE, (uint32_t)samples);
    for (int i = 0; i < count; i++)
        for (size_t end = at + (size_t)(seconds[i] * RATE); at < end; at++)
            put_number(*bytes + HEAD + 2 * at, beep(i, at), 2);
    return HEAD + 2 * samples;
}

Test(speech, words_are_cut_where_it_is_quiet_for_long_and_keep_a_margin)
{
    static const double seconds[] = {0.3, 0.5, 0.1, 0.1, 0.1, 0.5, 0.2};
    static const double first[] = {0, 0.775, 1.575}, end[] = {0.325, 1.125, 1.8};
    uint8_t *bytes;
    Piece piece[3] = {{0}};
    Wav wav;
    const size_t count = beeps(&bytes, seconds, 7);
    MUST(wav_parse("f", bytes, count, &wav, &err));
    cr_assert_eq(speech_cut(&wav, piece, 3), 3); /* 0.1 s are no pause */
    for (int i = 0; i < 3; i++) {
        cr_expect_float_eq((double)piece[i].first / RATE, first[i], 1e-3);
        cr_expect_float_eq((double)(piece[i].first + piece[i].count) / RATE, end[i],
                           1e-3);
    }
    Piece two[3] = {{0}};
    cr_expect_eq(speech_cut(&wav, two, 2), 3); /* no more are kept */
    cr_expect_arr_eq(two, piece, 2 * sizeof *two);
    cr_expect_eq(two[2].count, 0);
    memset(bytes + HEAD, 0, count - HEAD);
    cr_expect_eq(speech_cut(&wav, piece, 3), 0);
    free(bytes);
}

/* ---- who speaks ---- */

/* "klatt" of "en-us+klatt4": variants of one name are one voice, but for f1, m1 and so on. */
static void voice_name(const Recording *recording, char name[64])
{
    snprintf(name, 64, "%s", strchr(recording->voice, '+') + 1);
    size_t length = strlen(name);
    while (length > 2 && name[length - 1] >= '0' && name[length - 1] <= '9')
        name[--length] = 0;
}

static size_t recordings_of(Part part, Recording **list)
{
    const size_t count = speech_recordings(part, NULL, NULL);
    *list = calloc(count, sizeof **list);
    cr_assert_eq(speech_recordings(part, NULL, *list), count);
    return count;
}

Test(speech, no_voice_is_heard_in_two_parts)
{
    Recording *list[PARTS];
    size_t count[PARTS];
    for (Part p = TRAINING; p < PARTS; p++) count[p] = recordings_of(p, &list[p]);
    for (Part p = TRAINING; p < PARTS; p++)
        for (Part q = TRAINING; q < p; q++)
            for (size_t i = 0; i < count[p]; i++)
                for (size_t j = 0; j < count[q]; j++) {
                    char a[64], b[64];
                    voice_name(&list[p][i], a);
                    voice_name(&list[q][j], b);
                    cr_assert_str_neq(a, b);
                }
    cr_expect_gt(count[TRAINING], count[TEST]);
    for (Part p = TRAINING; p < PARTS; p++) {
        cr_expect_gt(count[p], 100);
        free(list[p]);
    }
}

Test(speech, recordings_differ_in_voice_and_say_each_digit_once)
{
    for (Part part = TRAINING; part < PARTS; part++) {
        Recording *list;
        int last[DIGITS] = {0};
        const size_t count = recordings_of(part, &list);
        for (size_t i = 0; i < count; i++) {
            int said = 0;
            for (int d = 0; d < DIGITS; d++) said |= 1 << list[i].order[d];
            cr_expect_eq(said, (1 << DIGITS) - 1);
            cr_expect(list[i].speed >= 140 && list[i].speed < 220);
            cr_expect(list[i].pitch >= 20 && list[i].pitch < 80);
            for (size_t j = 0; j < i; j++)
                cr_assert_str_neq(list[i].voice, list[j].voice);
            last[list[i].order[DIGITS - 1]]++;
        }
        for (int d = 0; d < DIGITS; d++) /* any may be the last, whose tone may fall */
            cr_expect(last[d] > 0 && last[d] < (int)count / 4);
        free(list);
    }
}

Test(speech, voices_that_are_not_listed_are_left_out_and_change_no_other)
{
    static const char listing[] = " 5  variant         --/M      Alex               "
                                  "!v/Alex              \n 5  variant  --/M  "
                                  "Mr_Serious  !v/Mr serious        \n"
                                  " 5  variant  --/M  klatt4  !v/klatt4   \n";
    Recording *all;
    size_t found = 0;
    for (Part part = TRAINING; part < PARTS; part++) {
        const size_t count = recordings_of(part, &all),
                     listed = speech_recordings(part, listing, NULL);
        Recording *list = calloc(listed + 1, sizeof *list);
        speech_recordings(part, listing, list);
        for (size_t i = 0; i < listed; i++) {
            const char *const voice = strchr(list[i].voice, '+') + 1;
            cr_expect(!strcmp(voice, "Alex") || !strcmp(voice, "Mr serious") ||
                      !strcmp(voice, "klatt4"));
            size_t same = 0;
            for (size_t j = 0; j < count; j++)
                same += !memcmp(&all[j], &list[i], sizeof *list);
            cr_expect_eq(same, 1);
        }
        found += listed;
        free(list);
        free(all);
    }
    cr_expect_eq(found, 3 * 7);
}

/* ---- an espeak-ng of our own ---- */

/* It lists a voice of each part, and speaks digit d for 0.1 + 0.05 d seconds, in tones that
 * rise as the digit says. */
static const char *const speaker =
    "#!/bin/bash\n"
    "if [ \"$1\" = --voices=variant ]; then\n"
    "    printf '!v/Alex  \\n!v/Alicia  \\n!v/Andy  \\n!v/AnxiousAndy  \\n'\n"
    "    exit\n"
    "fi\n"
    "text=${*: -1}\n"
    "cat head pause\n"
    "for word in ${text//<break time=\\\"500ms\\\"\\/>/ }; do cat $word pause; done\n";

static const char *const digits[DIGITS] = {"zero", "one", "two",   "three", "four",
                                           "five", "six", "seven", "eight", "nine"};

static void put_file(const char *path, const void *bytes, size_t count)
{
    FILE *file = fopen(path, "wb");
    cr_assert(file);
    cr_assert_eq(fwrite(bytes, 1, count, file), count);
    cr_assert_eq(fclose(file), 0);
}

static double word_seconds(int digit)
{
    return 0.1 + 0.05 * digit;
}

static int word_samples(int digit, int16_t *sample)
{
    const int count = (int)(word_seconds(digit) * RATE);
    for (int i = 0; i < count; i++)
        sample[i] =
            (int16_t)(9999 * cos(2 * PI * (300.0 + 0.1 * digit * i) / RATE * i));
    sample[count - 1] = 9999; /* loud at both ends: none of it is cut off */
    return count;
}

static void put_sound(const char *path, const int16_t *sample, int count)
{
    uint8_t *const bytes = calloc((size_t)count + 1, 2);
    put_samples(bytes, sample, (size_t)count);
    put_file(path, bytes, 2 * (size_t)count);
    free(bytes);
}

static void put_speaker(const char *script)
{
    static int16_t sample[RATE];
    uint8_t head[HEAD];
    put_head(head, RATE, 0);
    put_number(head + 40, 0x7ffff000, 4);
    put_file("head", head, sizeof head);
    memset(sample, 0, sizeof sample);
    put_sound("pause", sample, RATE / 2);
    for (int d = 0; d < DIGITS; d++)
        put_sound(digits[d], sample, word_samples(d, sample));
    put_file("speaker", script, strlen(script));
    cr_assert_eq(chmod("speaker", 0755), 0);
}

static bool words_open(int length, int rows, uint64_t seed, Data *data, WeftError *err)
{
    return file_data(&experiment_digits, "./speaker", length, rows, seed, data, err);
}

enum { ROWS = 16, STEPS = 60, MARGIN = 551 /* samples: 25 ms */ };
typedef struct Words {
    float x[STEPS * ROWS * BANDS], weight[ROWS];
    int32_t label[ROWS];
    int length[ROWS];
} Words;

static void read_batch(const Data *data, uint64_t index, Words *words)
{
    *words = (Words){0};
    WeftBatch batch = {.steps = data->train.steps,
                       .rows = ROWS,
                       .inputs = BANDS,
                       .outputs = DIGITS,
                       .vector = true,
                       .x = words->x,
                       .weight = words->weight,
                       .label = words->label,
                       .length = words->length};
    for (int row = 0; row < ROWS; row++) words->weight[row] = 1;
    cr_assert(data->train.steps <= STEPS);
    MUST(data->train.fill(data->train.context, index, &batch, &err));
}

/* The features of a word as the slow way makes them; its frames. */
static int word_slowly(int digit, double *out)
{
    static double samples[RATE];
    static int16_t sample[RATE];
    const int count = word_samples(digit, sample),
              frames = 1 + (count + 2 * MARGIN - WINDOW) / HOP;
    memset(samples, 0, sizeof samples);
    for (int i = 0; i < count; i++) samples[i + MARGIN] = sample[i] / 32768.0;
    energies(samples, frames, out);
    logmel_level(out, frames, BANDS);
    return frames;
}

Test(digits, rows_are_the_words_that_their_labels_say)
{
    Data data;
    Words words;
    int seen[DIGITS] = {0};
    put_speaker(speaker);
    MUST(words_open(STEPS, ROWS, 3, &data, &err));
    for (uint64_t index = 0; index < 20; index++) {
        read_batch(&data, index, &words);
        for (int row = 0; row < ROWS; row++) {
            const int digit = words.label[row];
            cr_assert(digit >= 0 && digit < DIGITS);
            const double samples = floor(word_seconds(digit) * RATE) + 2 * MARGIN;
            cr_expect_eq(words.length[row], 1 + (int)(samples - WINDOW) / HOP);
            cr_expect(row == 0 || words.length[row] <= words.length[row - 1]);
            cr_expect_eq(words.weight[row], 1);
            seen[digit]++;
        }
    }
    for (int d = 0; d < DIGITS; d++) cr_expect_gt(seen[d], 5);
    data.close(&data);
}

/* Which FFTW does not decide: its bits differ from one processor to another. */
Test(digits, features_are_the_fourier_sums_rounded_to_64ths)
{
    Data data;
    Words words;
    double slow[STEPS * BANDS];
    int compared = 0;
    put_speaker(speaker);
    MUST(words_open(STEPS, ROWS, 3, &data, &err));
    read_batch(&data, 1, &words);
    for (int row = 0; row < ROWS && !compared; row++) {
        if (words.label[row] > 2) continue; /* the slow way is slow */
        const int frames = word_slowly(words.label[row], slow);
        cr_assert_eq(words.length[row], frames);
        for (int t = 0; t < frames; t++)
            for (int b = 0; b < BANDS; b++, compared++)
                cr_expect_eq(words.x[(t * ROWS + row) * BANDS + b],
                             floor(64 * slow[t * BANDS + b] + 0.5) / 64);
    }
    cr_expect_gt(compared, 0);
    data.close(&data);
}

/* Whether all frames of one are the first of another. */
static bool begins(const Words *words, int row, const Words *others, int other)
{
    for (int t = 0; t < words->length[row]; t++)
        if (memcmp(words->x + (t * ROWS + row) * BANDS,
                   others->x + (t * ROWS + other) * BANDS, BANDS * sizeof(float)))
            return false;
    return true;
}

Test(digits, words_longer_than_the_length_are_cut_to_it)
{
    Data data, cut;
    Words words, shorter;
    put_speaker(speaker);
    MUST(words_open(STEPS, ROWS, 3, &data, &err));
    MUST(words_open(20, ROWS, 3, &cut, &err));
    read_batch(&data, 1, &words);
    read_batch(&cut, 1, &shorter);
    cr_expect_gt(words.length[0], 20);
    for (int row = 0; row < ROWS; row++) {
        int beginning = 0; /* rows of which this one is the beginning */
        for (int r = 0; r < ROWS; r++)
            beginning +=
                words.label[r] == shorter.label[row] &&
                shorter.length[row] == (words.length[r] < 20 ? words.length[r] : 20) &&
                begins(&shorter, row, &words, r);
        cr_expect_gt(beginning, 0);
    }
    data.close(&data);
    cut.close(&cut);
}

Test(digits, batches_are_functions_of_seed_and_index)
{
    Data data, same, other;
    Words a, b;
    put_speaker(speaker);
    MUST(words_open(STEPS, ROWS, 3, &data, &err));
    MUST(words_open(STEPS, ROWS, 3, &same, &err));
    MUST(words_open(STEPS, ROWS, 4, &other, &err));
    cr_expect_str_eq(data.about, other.about); /* the words have no seed */
    read_batch(&data, 5, &a);
    read_batch(&same, 5, &b);
    cr_expect_arr_eq(&a, &b, sizeof a);
    read_batch(&data, 6, &b);
    cr_expect(memcmp(&a, &b, sizeof a));
    read_batch(&other, 5, &b);
    cr_expect(memcmp(&a, &b, sizeof a));
    data.close(&data);
    same.close(&same);
    other.close(&other);
}

/* The score of a net that always says one digit. */
static WeftScore say(Data *data, int digit, Part part)
{
    WeftTeam *team;
    WeftNet *net;
    WeftScore score;
    Settings settings = experiment_digits.train;
    settings.cell = "rnn";
    settings.hidden = 1;
    settings.parameters = 0;
    MUST(weft_team_open(1, &team, &err));
    MUST(settings_net(&settings, team, &data->shape, &net, &err));
    const Known known = {team, net};
    memset(known_values(&known, "head.weight"), 0, DIGITS * sizeof(float));
    for (int d = 0; d < DIGITS; d++)
        known_values(&known, "head.bias")[d] = d == digit ? 50 : 0;
    MUST(data->evaluate(data, net, part, 100, &score, &err));
    weft_net_close(net);
    weft_team_close(team);
    return score;
}

/* Alex and Alicia, and Andy twice: 7 accents of 10 digits each. */
Test(digits, words_of_a_part_are_scored_once_each)
{
    static const double targets[] = {[VALIDATION] = 70, [TEST] = 140};
    Data data;
    put_speaker(speaker);
    MUST(words_open(STEPS, ROWS, 3, &data, &err));
    for (Part part = VALIDATION; part < PARTS; part++)
        for (int digit = 0; digit < DIGITS; digit++) {
            const WeftScore score = say(&data, digit, part);
            cr_expect_eq(score.targets, targets[part]);
            cr_expect_float_eq(score.accuracy, 0.1, 1e-12);
        }
    data.close(&data);
}

Test(digits, guessing_is_the_baseline)
{
    Data data;
    char name[BASELINE_SIZE];
    WeftScore score;
    put_speaker(speaker);
    MUST(words_open(STEPS, ROWS, 3, &data, &err));
    MUST(data.baseline(&data, TEST, 0, name, &score, &err));
    cr_expect_str_eq(name, "guessing");
    cr_expect_float_eq(score.loss, log(10), 1e-12);
    cr_expect_eq(score.accuracy, 0.1);
    MUST(data.baseline(&data, TEST, 1, name, &score, &err));
    cr_expect_str_eq(name, "");
    data.close(&data);
}

static void expect_fails(const char *script, const char *message)
{
    Data data;
    put_speaker(script);
    FAILS(words_open(STEPS, ROWS, 3, &data, &err), message);
}

#define LISTS                                                                          \
    "#!/bin/sh\n[ \"$1\" != --voices=variant ] || exec printf "                        \
    "'!v/Alex  \\n!v/Alicia  \\n!v/Andy  \\n'\n"

Test(digits, what_goes_wrong_is_told_with_the_voice)
{
    expect_fails("#!/bin/sh\n", "./speaker: too few voices");
    expect_fails("#!/bin/sh\nexit 1\n", "./speaker: failed with exit status 1");
    expect_fails(LISTS "exit 7\n",
                 "./speaker: failed with exit status 7 (voice en-us+Alex)");
    expect_fails(LISTS "echo hello\n",
                 "./speaker: byte 0: not a WAV file, which begins with RIFF and WAVE "
                 "(voice en-us+Alex)");
    expect_fails(LISTS "cat head zero pause one\n",
                 "./speaker: 2 words of voice en-us+Alex: expected 10");
    cr_expect_eq(waitpid(-1, NULL, WNOHANG), -1); /* those ahead are stopped */
}

/* ---- the true one ---- */

Test(digits, espeak_says_ten_words_and_the_same_again)
{
    const char *const espeak = experiment_digits.file;
    if (access(espeak, X_OK)) cr_skip_test("no %s here", espeak);
    Recording *list;
    char text[512] = "zero";
    for (int d = 1; d < DIGITS; d++)
        append(text, sizeof text, "<break time=\"500ms\"/>%s", digits[d]);
    const size_t count = recordings_of(TEST, &list);
    for (size_t i = 0; i < count; i += count / 5) {
        const char *const words[] = {espeak, "-m",       "-v", list[i].voice, "-s",
                                     "210",  "--stdout", text, NULL};
        Bytes a, b;
        Wav wav;
        Piece piece[DIGITS];
        MUST(output(words, 1 << 21, &a, &err));
        MUST(output(words, 1 << 21, &b, &err));
        cr_assert_eq(a.count, b.count);
        cr_expect_arr_eq(a.at, b.at, a.count);
        MUST(wav_parse("espeak", a.at, a.count, &wav, &err));
        cr_expect_eq(speech_cut(&wav, piece, DIGITS), DIGITS);
        free(a.at);
        free(b.at);
    }
    free(list);
}

/* test_music.c: MATLAB 5 files, and the songs in them. */
#include "folder.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "../experiments/mat.h"
#include "task_rig.h"

TestSuite(mat, .init = open_folder, .fini = close_folder);
TestSuite(music, .init = open_folder, .fini = close_folder);

/* ---- writing such files ---- */

typedef struct Out {
    uint8_t at[1 << 18];
    size_t count;
} Out;

static void put(Out *out, const void *bytes, size_t count)
{
    cr_assert_leq(out->count + count, sizeof out->at);
    if (count) memcpy(out->at + out->count, bytes, count);
    out->count += count;
}

static void put_word(Out *out, size_t word)
{
    const uint8_t bytes[4] = {(uint8_t)word, (uint8_t)(word >> 8),
                              (uint8_t)(word >> 16), (uint8_t)(word >> 24)};
    put(out, bytes, 4);
}

static void put_padding(Out *out, size_t count)
{
    static const uint8_t zero[8];
    put(out, zero, (8 - count % 8) % 8);
}

static void put_element(Out *out, size_t type, const void *bytes, size_t count)
{
    const bool small = count > 0 && count <= 4;
    if (small)
        put_word(out, count << 16 | type);
    else {
        put_word(out, type);
        put_word(out, count);
    }
    put(out, bytes, count);
    put_padding(out, small ? count + 4 : count);
}

static void put_head(Out *out, size_t class, size_t rows, size_t columns,
                     const char *name)
{
    Out words = {.count = 0};
    put_word(&words, class);
    put_word(&words, 0);
    put_element(out, 6, words.at, 8);
    words.count = 0;
    put_word(&words, rows);
    put_word(&words, columns);
    put_element(out, 5, words.at, 8);
    put_element(out, 1, name, strlen(name));
}

typedef struct Song {
    size_t rows, columns;
    const uint8_t *values; /* [columns][rows] */
} Song;

/* A variable: cells of matrices, which are stored as `type`. */
static void put_cells(Out *out, const char *name, const Song *songs, size_t count,
                      size_t type)
{
    Out *cells = calloc(1, sizeof *cells);
    Out *matrix = calloc(1, sizeof *matrix);
    put_head(cells, 1, 1, count, name);
    for (size_t i = 0; i < count; i++) {
        matrix->count = 0;
        put_head(matrix, 6, songs[i].rows, songs[i].columns, "");
        put_element(matrix, type, songs[i].values, songs[i].rows * songs[i].columns);
        put_element(cells, 14, matrix->at, matrix->count);
    }
    put_element(out, 14, cells->at, cells->count);
    free(matrix);
    free(cells);
}

/* As a compressed element: a zlib stream of one stored block. */
static void put_compressed(Out *out, const Out *element)
{
    const size_t count = element->count;
    uint32_t a = 1, b = 0;
    cr_assert_lt(count, 65536);
    for (size_t i = 0; i < count; i++) {
        a = (a + element->at[i]) % 65521;
        b = (b + a) % 65521;
    }
    const uint8_t head[] = {0x78,
                            0x01,
                            1,
                            (uint8_t)count,
                            (uint8_t)(count >> 8),
                            (uint8_t)~count,
                            (uint8_t)(~count >> 8)},
                  sum[] = {(uint8_t)(b >> 8), (uint8_t)b, (uint8_t)(a >> 8),
                           (uint8_t)a};
    put_word(out, 15);
    put_word(out, sizeof head + count + sizeof sum);
    put(out, head, sizeof head);
    put(out, element->at, count);
    put(out, sum, sizeof sum);
}

static void put_file_head(Out *out)
{
    uint8_t head[128] = "MATLAB 5.0 MAT-file";
    memcpy(head + 124, "\0\1IM", 4);
    out->count = 0;
    put(out, head, sizeof head);
}

/* ---- reading them ---- */

static const uint8_t ones[12] = {1, 0, 1, 1, 0, 0, 1, 0, 1, 1, 1, 0};
static const Song two[] = {{3, 4, ones}, {2, 1, ones + 2}};

Test(mat, plain_and_compressed_variables_have_the_same_values)
{
    Out *file = calloc(1, sizeof *file), *element = calloc(1, sizeof *element);
    Mat mat;
    put_file_head(file);
    put_cells(file, "some", two, 2, 2);
    put_cells(element, "a name longer than four", two, 2, 2);
    put_compressed(file, element);
    MUST(mat_parse("f", file->at, file->count, &mat, &err));
    cr_expect_eq(mat.count, 2);
    cr_expect_eq(mat_find(&mat, "other"), NULL);
    for (int v = 0; v < 2; v++) {
        const MatCells *cells = mat_find(&mat, v ? "a name longer than four" : "some");
        cr_assert(cells);
        cr_expect_eq(cells->count, 2);
        cr_expect_eq(cells->matrix[0].rows, 3);
        cr_expect_eq(cells->matrix[0].columns, 4);
        cr_expect_arr_eq(cells->matrix[0].values, ones, 12);
        cr_expect_arr_eq(cells->matrix[1].values, ones + 2, 2);
    }
    mat_close(&mat);
    free(element);
    free(file);
}

/* The file of one variable with a byte changed (at 0: none), cut at `count` (0: not). */
static void expect_wrong(size_t at, uint8_t byte, size_t count, const char *message)
{
    Out *file = calloc(1, sizeof *file);
    Mat mat;
    WeftError err = {""};
    put_file_head(file);
    put_cells(file, "some", two, 2, 2);
    if (at) file->at[at] = byte;
    cr_expect(!mat_parse("f", file->at, count ? count : file->count, &mat, &err));
    cr_expect_str_eq(err.text, message);
    free(file);
}

/* Where the parts of that file are. */
enum {
    VARIABLE = 128,
    FLAGS = VARIABLE + 8,
    DIMENSIONS = FLAGS + 16,
    NAME = DIMENSIONS + 16,
    FIRST = NAME + 8,
    VALUES = FIRST + 8 + 16 + 16 + 8
};

Test(mat, what_is_wrong_is_told_with_its_byte)
{
    expect_wrong(2, 'x', 0, "f: byte 0: not a MATLAB 5 file");
    expect_wrong(0, 0, 100, "f: byte 0: not a MATLAB 5 file");
    expect_wrong(126, 'M', 0, "f: byte 126: expected IM, the lowest byte first");
    expect_wrong(0, 0, VARIABLE + 7, "f: byte 128: 7 bytes left: expected an element");
    expect_wrong(VARIABLE, 9, 0,
                 "f: byte 128: type 9: expected 14, a matrix, or 15, compressed");
    expect_wrong(0, 0, VARIABLE + 48,
                 "f: byte 128: an element of 168 bytes, and 40 are left");
    expect_wrong(FLAGS, 5, 0, "f: byte 136: type 5: expected 6, flags");
    expect_wrong(FLAGS + 4, 7, 0, "f: byte 144: 7 bytes of flags: expected 8");
    expect_wrong(FLAGS + 8, 6, 0, "f: byte 144: class 6: expected 1, a cell array");
    expect_wrong(DIMENSIONS, 6, 0, "f: byte 152: type 6: expected 5, dimensions");
    expect_wrong(DIMENSIONS + 12, 17, 0,
                 "f: byte 176: 1 x 17 cells, and 128 bytes are left");
    expect_wrong(DIMENSIONS + 11, 200, 0,
                 "f: byte 176: 3355443201 x 2 cells, and 128 bytes are left");
    expect_wrong(DIMENSIONS + 12, 3, 0,
                 "f: byte 304: 0 bytes left: expected an element");
    expect_wrong(NAME + 2, 5, 0, "f: byte 168: an element of 5 bytes, and 4 are left");
    expect_wrong(FIRST, 2, 0, "f: byte 176: type 2: expected 14, a matrix");
    expect_wrong(FIRST + 16, 9, 0, "f: byte 192: class 9: expected 6, numbers");
    expect_wrong(VALUES, 9, 0, "f: byte 224: type 9: expected 2, bytes");
    expect_wrong(VALUES + 4, 11, 0, "f: byte 232: 11 values: expected 3 x 4");
    expect_wrong(VALUES + 4, 13, 0, "f: byte 232: 13 values: expected 3 x 4");
    expect_wrong(VALUES + 4, 16, 0, "f: byte 232: 16 values: expected 3 x 4");
}

Test(mat, name_of_more_than_63_bytes_is_told)
{
    Out *file = calloc(1, sizeof *file);
    Mat mat;
    WeftError err;
    put_file_head(file);
    put_cells(file, "0123456789012345678901234567890123456789012345678901234567890123",
              two, 2, 2);
    cr_expect(!mat_parse("f", file->at, file->count, &mat, &err));
    cr_expect_str_eq(err.text, "f: byte 176: a name of 64 bytes: expected at most 63");
    free(file);
}

Test(mat, damage_in_what_was_compressed_is_told_with_both_bytes)
{
    Out *file = calloc(1, sizeof *file), *element = calloc(1, sizeof *element);
    Mat mat;
    WeftError err;
    put_cells(element, "some", two, 2, 2);
    element->at[FLAGS - VARIABLE] = 5;
    put_file_head(file);
    put_compressed(file, element);
    cr_expect(!mat_parse("f", file->at, file->count, &mat, &err));
    cr_expect_str_eq(err.text, "f: variable at byte 136, its byte 8: type 5: expected "
                               "6, flags");
    file->at[140] ^= 1;
    cr_expect(!mat_parse("f", file->at, file->count, &mat, &err));
    cr_expect_str_eq(err.text,
                     "f: variable at byte 136: damaged zlib data at byte 7 of "
                     "187: invalid stored block lengths");
    free(element);
    free(file);
}

/* ---- songs ---- */

#define NOTES 88
#define SONGS 5
#define MOST  257 /* the longest fills two chunks, behind which another begins */
#define TOLD  553 /* steps, all together */

/* Notes of a song, drawn: note n sounds in n of 100 steps, and often stays. */
static void draw_song(uint8_t *values, size_t steps, uint64_t song)
{
    for (size_t n = 0; n < NOTES; n++)
        for (size_t t = 0; t < steps; t++) {
            const bool stays = t && weft_random_below(song, 1 + n, t, 10) < 6;
            values[n * steps + t] = stays
                                        ? values[n * steps + t - 1]
                                        : weft_random_below(song, 1000 + n, t, 100) < n;
        }
}

static const size_t lengths[SONGS] = {40, 2, MOST, 129, 130};

typedef struct Book {
    uint8_t values[3][SONGS][NOTES * MOST];
    Song song[3][SONGS];
} Book;

static Book *book_open(void)
{
    Book *book = calloc(1, sizeof *book);
    for (uint64_t part = 0; part < 3; part++)
        for (uint64_t i = 0; i < SONGS; i++) {
            draw_song(book->values[part][i], lengths[i], part * SONGS + i);
            book->song[part][i] = (Song){lengths[i], NOTES, book->values[part][i]};
        }
    return book;
}

static const char *const names[] = {"traindata", "validdata", "testdata"};

static void book_put(const Book *book, const char *path)
{
    Out *out = calloc(1, sizeof *out);
    FILE *file = fopen(path, "wb");
    cr_assert(file);
    put_file_head(out);
    cr_assert_eq(fwrite(out->at, 1, out->count, file), out->count);
    for (int part = 0; part < 3; part++) {
        out->count = 0;
        put_cells(out, names[part], book->song[part], SONGS, 2);
        cr_assert_eq(fwrite(out->at, 1, out->count, file), out->count);
    }
    cr_assert_eq(fclose(file), 0);
    free(out);
}

#define ROWS   3
#define WINDOW 50

static bool music_open(const char *file, uint64_t seed, Data *data, WeftError *err)
{
    return file_data(&experiment_chorales, file, WINDOW, ROWS, seed, data, err);
}

static Data open_good(uint64_t seed)
{
    Data data;
    MUST(music_open("book", seed, &data, &err));
    return data;
}

typedef struct Read {
    float x[WINDOW * ROWS * NOTES], target[WINDOW * ROWS * NOTES],
        weight[WINDOW * ROWS];
    int length[ROWS];
} Read;

static void read_batch(const Data *data, uint64_t index, Read *read)
{
    WeftBatch batch = {.steps = WINDOW,
                       .rows = ROWS,
                       .inputs = NOTES,
                       .outputs = NOTES,
                       .x = read->x,
                       .target = read->target,
                       .weight = read->weight,
                       .length = read->length};
    memset(read, 0, sizeof *read);
    for (int i = 0; i < WINDOW * ROWS; i++) read->weight[i] = 1;
    for (int i = 0; i < ROWS; i++) read->length[i] = WINDOW;
    MUST(data->train.fill(data->train.context, index, &batch, &err));
}

static bool is_step(const float *notes, const Song *song, size_t t)
{
    for (size_t n = 0; n < NOTES; n++)
        if (notes[n] != song->values[n * song->rows + t]) return false;
    return true;
}

/* Whether the row is the song's steps from `first` on. */
static bool is_window(const Read *read, int row, const Song *song, size_t first)
{
    const int all = (int)song->rows - 1, steps = all < WINDOW ? all : WINDOW;
    if (read->length[row] != steps) return false;
    for (int t = 0; t < WINDOW; t++) {
        const int at = t * ROWS + row;
        if (read->weight[at] != (t < steps)) return false;
        if (t < steps &&
            (!is_step(read->x + at * NOTES, song, first + (size_t)t) ||
             !is_step(read->target + at * NOTES, song, first + (size_t)t + 1)))
            return false;
    }
    return true;
}

/* The song that a row is a window of, and where; false: none. */
static bool window_of(const Book *book, const Read *read, int row, int *song,
                      size_t *first)
{
    for (*song = 0; *song < SONGS; ++*song) {
        const Song *s = &book->song[0][*song];
        for (*first = 0; *first == 0 || *first + WINDOW < s->rows; ++*first)
            if (is_window(read, row, s, *first)) return true;
    }
    return false;
}

Test(music, training_rows_are_windows_of_songs_and_what_follows)
{
    Book *book = book_open();
    Read *read = calloc(1, sizeof *read);
    int seen[SONGS] = {0};
    bool begins = false, ends = false;
    book_put(book, "book");
    Data data = open_good(1);
    for (uint64_t index = 0; index < 334; index++) { /* 1002 windows */
        read_batch(&data, index, read);
        for (int row = 0; row < ROWS; row++) {
            int song;
            size_t first;
            cr_assert(window_of(book, read, row, &song, &first));
            seen[song]++;
            begins |= song == 3 && first == 0;
            ends |= song == 3 && first + WINDOW == lengths[3] - 1;
        }
    }
    cr_expect(begins && ends);
    for (int i = 0; i < SONGS; i++) { /* in proportion to their steps */
        const double expected = 1002 * (double)(lengths[i] - 1) / TOLD;
        cr_expect_float_eq(seen[i], expected, 4 * sqrt(expected) + 1, "%d: %d, not %g",
                           i, seen[i], expected);
    }
    data.close(&data);
    free(read);
    free(book);
}

Test(music, windows_are_functions_of_seed_and_index)
{
    Book *book = book_open();
    Read *a = calloc(1, sizeof *a), *b = calloc(1, sizeof *b);
    book_put(book, "book");
    Data one = open_good(1), two_ = open_good(2);
    read_batch(&one, 7, a);
    read_batch(&one, 7, b);
    cr_expect_arr_eq(a, b, sizeof *a);
    read_batch(&one, 8, b);
    cr_expect(memcmp(a->x, b->x, sizeof a->x));
    read_batch(&two_, 7, b);
    cr_expect(memcmp(a->x, b->x, sizeof a->x));
    one.close(&one);
    two_.close(&two_);
    free(a);
    free(b);
    free(book);
}

/* ---- scoring ---- */

static WeftNet *net_of(WeftTeam *team, const Data *data)
{
    WeftNet *net;
    Settings settings = experiment_chorales.train;
    settings.cell = "rnn";
    settings.hidden = 4;
    settings.seed = 3;
    MUST(settings_net(&settings, team, &data->shape, &net, &err));
    return net;
}

/* Shares of the steps in which each note sounds, of the training songs, first steps left
 * out; with half a step more of each. */
static double share(const Book *book, size_t note)
{
    double on = 0.5, all = 1;
    for (int i = 0; i < SONGS; i++)
        for (size_t t = 1; t < lengths[i]; t++, all++)
            on += book->values[0][i][note * lengths[i] + t];
    return on / all;
}

Test(music, how_often_each_note_sounds_is_what_a_constant_net_scores)
{
    Book *book = book_open();
    WeftTeam *team;
    WeftScore score, oracle;
    char name[BASELINE_SIZE];
    book_put(book, "book");
    Data data = open_good(1);
    MUST(weft_team_open(1, &team, &err));
    WeftNet *net = net_of(team, &data);
    const Known known = {team, net};
    memset(known_values(&known, "head.weight"), 0, NOTES * 4 * sizeof(float));
    for (size_t n = 0; n < NOTES; n++)
        known_values(&known, "head.bias")[n] =
            (float)log(share(book, n) / (1 - share(book, n)));
    for (Part part = VALIDATION; part <= TEST; part++) {
        MUST(data.evaluate(&data, net, part, 100, &score, &err));
        MUST(data.baseline(&data, part, 0, name, &oracle, &err));
        cr_expect_eq(score.targets, TOLD);
        cr_expect_float_eq(score.loss, oracle.loss, 1e-5 * oracle.loss);
    }
    weft_net_close(net);
    weft_team_close(team);
    data.close(&data);
    free(book);
}

/* Each song alone from its start to its end gives what the chunks of groups give. */
Test(music, scores_are_those_of_whole_songs)
{
    Book *book = book_open();
    WeftTeam *team;
    WeftScore score;
    book_put(book, "book");
    Data data = open_good(1);
    MUST(weft_team_open(1, &team, &err));
    WeftNet *net = net_of(team, &data);
    MUST(data.evaluate(&data, net, TEST, 100, &score, &err));
    float *x = calloc(MOST * NOTES, sizeof *x),
          *out = calloc(MOST * NOTES, sizeof *out);
    double nats = 0;
    for (int i = 0; i < SONGS; i++) {
        const Song *song = &book->song[TEST][i];
        const size_t steps = song->rows - 1;
        for (size_t t = 0; t < steps; t++)
            for (size_t n = 0; n < NOTES; n++)
                x[t * NOTES + n] = song->values[n * song->rows + t];
        const WeftBatch batch = {.steps = (int)steps, .rows = 1, .x = x, .fresh = true};
        MUST(weft_predict(net, &batch, out, &err));
        for (size_t t = 0; t < steps; t++)
            for (size_t n = 0; n < NOTES; n++) {
                const double p = (double)out[t * NOTES + n];
                nats -= log(song->values[n * song->rows + t + 1] ? p : 1 - p);
            }
    }
    cr_expect_float_eq(score.loss, nats / TOLD, 1e-4, "%g, not %g", score.loss,
                       nats / TOLD);
    free(x);
    free(out);
    weft_net_close(net);
    weft_team_close(team);
    data.close(&data);
    free(book);
}

/* Of notes that are drawn anew in 4 of 10 steps. */
Test(music, each_note_by_itself_before_has_the_error_of_its_definition)
{
    Book *book = book_open();
    WeftScore score;
    char name[BASELINE_SIZE];
    double expected = 0;
    book_put(book, "book");
    Data data = open_good(1);
    MUST(data.baseline(&data, TEST, 1, name, &score, &err));
    for (int n = 0; n < NOTES; n++) { /* the entropy of one step */
        const double p = n / 100.0, from[2] = {0.4 * p, 0.6 + 0.4 * p};
        for (int on = 0; on < 2; on++)
            if (p > 0)
                expected -= (on ? p : 1 - p) * (from[on] * log(from[on]) +
                                                (1 - from[on]) * log(1 - from[on]));
    }
    cr_expect_float_eq(score.loss, expected, 0.03 * expected, "%g, not %g", score.loss,
                       expected);
    MUST(data.baseline(&data, TEST, 2, name, &score, &err));
    cr_expect_str_eq(name, "");
    data.close(&data);
    free(book);
}

static void expect_refused(const Book *book, const char *message)
{
    Data data;
    WeftError err = {""};
    book_put(book, "book");
    cr_expect(!music_open("book", 1, &data, &err));
    cr_expect_str_eq(err.text, message);
}

Test(music, songs_that_do_not_fit_are_refused)
{
    Data data;
    WeftError err;
    Book *book = book_open();
    cr_expect(!music_open("none", 1, &data, &err));
    cr_expect_str_eq(err.text, "none: No such file or directory");
    book->values[1][2][77] = 2;
    expect_refused(book, "book: validdata, song 2: a note is 2: expected 0 or 1");
    book->values[1][2][77] = 1;
    book->song[2][1].rows = 1;
    expect_refused(
        book, "book: testdata, song 1: 1 x 88: expected 2 steps or more of 88 notes");
    book->song[2][1].rows = 2;
    book->song[0][0].columns = 87;
    expect_refused(
        book, "book: traindata, song 0: 40 x 87: expected 2 steps or more of 88 notes");
    free(book);
    Out *out = calloc(1, sizeof *out);
    FILE *file = fopen("empty", "wb");
    cr_assert(file);
    put_file_head(out);
    cr_assert_eq(fwrite(out->at, 1, out->count, file), out->count);
    cr_assert_eq(fclose(file), 0);
    cr_expect(!music_open("empty", 1, &data, &err));
    cr_expect_str_eq(err.text, "empty: no songs in a variable traindata");
    free(out);
}

/* ---- the real songs, where they are ---- */

static void expect_baselines(const char *path, double often, double before)
{
    char name[BASELINE_SIZE];
    Data data;
    WeftScore score;
    if (access(path, R_OK)) cr_skip("%s is not here", path);
    MUST(music_open(path, 1, &data, &err));
    MUST(data.baseline(&data, TEST, 0, name, &score, &err));
    cr_expect_float_eq(score.loss, often, 0.005, "%g", score.loss);
    MUST(data.baseline(&data, TEST, 1, name, &score, &err));
    cr_expect_float_eq(score.loss, before, 0.005, "%g", score.loss);
    data.close(&data);
}

Test(music, chorales_have_the_known_baselines)
{
    expect_baselines(SOURCE_DIR "/../shared/data/JSB_Chorales.mat", 11.09, 10.49);
}

Test(music, nottingham_has_the_known_baselines)
{
    expect_baselines(SOURCE_DIR "/../shared/data/Nottingham.mat", 10.26, 5.153);
}

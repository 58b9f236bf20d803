/* test_lines.c: files of pairs and of labelled texts: read, trained on, used. */
#include "../experiments/classify.h"
#include "command_rig.h"

TestSuite(lines, .init = open_folder, .fini = close_folder, .timeout = 120);

static WeftError err;

static void write_bytes(const char *path, const char *bytes, size_t count)
{
    FILE *file = fopen(path, "w");
    cr_assert(file);
    cr_assert_eq(fwrite(bytes, 1, count, file), count);
    fclose(file);
}

static void write_lines(const char *path, const char *text)
{
    write_bytes(path, text, strlen(text));
}

/* ---- reading ---- */

Test(lines, fields_are_what_lies_between_tabs)
{
    Lines lines;
    write_lines("a.tsv", "\xef\xbb\xbfone\tx y\r\n\n\r\ntw\xc3\xb6\tz\nthree \t last");
    cr_assert(lines_open("a.tsv", 2, false, &lines, &err), "%s", err.text);
    cr_assert_eq(lines.count, 3);
    cr_expect_str_eq(lines.line[0].field[0], "one");
    cr_expect_str_eq(lines.line[0].field[1], "x y");
    cr_expect_str_eq(lines.line[1].field[0], "tw\xc3\xb6");
    cr_expect_eq(lines.line[1].number, 4);
    cr_expect_str_eq(lines.line[2].field[1], " last");
    lines_close(&lines);
}

Test(lines, bad_lines_are_named_or_skipped_and_counted)
{
    static const struct {
        const char *bytes;
        size_t count;
        const char *what;
    } bad[] = {
#define BAD(text, what) {text, sizeof text - 1, what}
        BAD("a\tb\nno tab\n", "bad.tsv: line 2: no tab"),
        BAD("a\tb\n\nc\td\te\n", "bad.tsv: line 3: more than one tab"),
        BAD("\tb\na\tb\n", "bad.tsv: line 1: its first field is empty"),
        BAD("a\tb\na\t  \n", "bad.tsv: line 2: its second field is empty"),
        BAD("a\tb\n\xc3(\tb\n", "bad.tsv: line 2: not UTF-8"),
        BAD("a\tb\n\xed\xa0\x80\tb\n", "bad.tsv: line 2: not UTF-8"),
        BAD("a\tb\n\xc0\xaf\tb\n", "bad.tsv: line 2: not UTF-8"),
        BAD("a\tb\na\0\tb\n", "bad.tsv: line 2: a zero byte"),
#undef BAD
    };
    Lines lines;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_bytes("bad.tsv", bad[i].bytes, bad[i].count);
        cr_expect(!lines_open("bad.tsv", 2, false, &lines, &err));
        cr_expect(strstr(err.text, bad[i].what), "%s", err.text);
        cr_assert(lines_open("bad.tsv", 2, true, &lines, &err), "%s", err.text);
        cr_expect_eq(lines.count, 1);
        cr_expect_eq(lines.skipped, 1);
        lines_close(&lines);
    }
    cr_expect(!lines_open("none.tsv", 2, false, &lines, &err));
    cr_expect(strstr(err.text, "none.tsv"));
    write_lines("bad.tsv", "\n\n");
    cr_expect(!lines_open("bad.tsv", 2, false, &lines, &err));
    cr_expect(strstr(err.text, "no line"), "%s", err.text);
}

static bool all_count(const void *context, size_t line)
{
    (void)context, (void)line;
    return true;
}

Test(lines, vocabularies_are_the_most_frequent_units)
{
    Lines lines = {0};
    Vocabulary v;
    int32_t symbol[8];
    cr_assert(lines_add(&lines, "b a  b", NULL, &err));
    cr_assert(lines_add(&lines, "b c a d", NULL, &err));
    cr_assert(vocabulary_open(&lines, 0, WORDS, all_count, NULL, 0, 2, &v, &err));
    cr_expect_eq(vocabulary_symbols(&v), UNIT_FIRST + 2);
    cr_expect_eq(vocabulary_symbols_of(&v, "a b c", symbol, 8), 3);
    cr_expect_eq(symbol[0], UNIT_FIRST + 1);
    cr_expect_eq(symbol[1], UNIT_FIRST);
    cr_expect_eq(symbol[2], UNIT_UNKNOWN);
    vocabulary_close(&v);
    cr_assert(vocabulary_open(&lines, 0, CHARACTERS, all_count, NULL, 3, 1, &v, &err));
    cr_expect_eq(vocabulary_symbols(&v), UNIT_FIRST + 3);
    cr_expect_eq(vocabulary_symbols_of(&v,
                                       "\xc3\xb6"
                                       "b",
                                       symbol, 8),
                 2);
    cr_expect_eq(symbol[0], UNIT_UNKNOWN);
    vocabulary_close(&v);
    lines_close(&lines);
}

Test(lines, parts_share_no_first_field_and_are_as_large_as_told)
{
    const double split[PARTS] = {60, 30, 10};
    int count[PARTS] = {0};
    for (int i = 0; i < 5000; i++) {
        char text[16];
        snprintf(text, sizeof text, "w%d", i);
        const Line line = {{text, text}, 1},
                   other = {{text, (char *)(uintptr_t) "x"}, 9};
        const Part part = line_part(&line, 0, split, 7);
        cr_expect_eq(part, line_part(&other, 0, split, 7));
        count[part]++;
    }
    cr_expect(abs(count[TRAINING] - 3000) < 120 && abs(count[VALIDATION] - 1500) < 120,
              "%d %d %d", count[TRAINING], count[VALIDATION], count[TEST]);
}

/* ---- pairs ---- */

/* Words of three letters, to be written in capitals with blanks between. */
static void write_pairs(const char *path)
{
    FILE *file = fopen(path, "w");
    cr_assert(file);
    for (int i = 0; i < 512; i++) {
        const int a = i % 8, b = i / 8 % 8, c = i / 64;
        fprintf(file, "%c%c%c\t%c %c %c\n", 'a' + a, 'a' + b, 'a' + c, 'A' + a, 'A' + b,
                'A' + c);
    }
    fclose(file);
}

#define PAIRS                                                                          \
    "--target-units words --hidden 32 --embedding 8 --attention dot --rate 1e-2 "      \
    "--threads 2 --batch 32"

Test(lines, net_of_pairs_trains_is_saved_and_answers_line_by_line)
{
    write_pairs("pairs.tsv");
    expect_call(0, "100.00 % of",
                "weft train pairs.tsv " PAIRS " --steps 400 --save pairs.weft");
    cr_expect_eq(remove("pairs.tsv"), 0);
    expect_call(0, "C A B\nA A A\n", "printf 'cab\\naaa' | weft predict pairs.weft");
    write_lines("ask.txt", "hgf\n");
    expect_call(0, "H G F\t-0.", "weft predict pairs.weft ask.txt --scores --beam 3");
    write_lines("other.tsv", "abc\tA B C\nabd\tA B D\nabd\tA B E\n");
    expect_call(0, "100.00 % of 2 right", "weft eval pairs.weft other.tsv");
    expect_call(1, "standard input: line 1: a tab",
                "printf 'a\\tb\\n' | weft predict pairs.weft");
}

Test(lines, net_of_pairs_goes_on_to_the_same_bits)
{
    write_pairs("pairs.tsv");
    shell("weft train pairs.tsv " PAIRS
          " --steps 20 --schedule constant --teacher-updates 10");
    const char *once = digest();
    shell("weft train pairs.tsv " PAIRS
          " --steps 10 --schedule constant --teacher-updates 10 --save half.weft");
    shell("weft train --resume half.weft --steps 20 --threads 1");
    cr_expect_str_eq(once, digest());
}

Test(lines, classes_make_texts)
{
    FILE *file = fopen("classes.tsv", "w");
    cr_assert(file);
    for (int i = 0; i < 300; i++)
        fprintf(file, "%s\t%.*s\n", i % 2 ? "few" : "many", i % 2 ? 2 : 5, "ooooooo");
    for (int i = 0; i < 40; i++) fprintf(file, "few\to%d\n", i); /* for other parts */
    fclose(file);
    expect_call(
        0, "bigrams, test",
        "weft train classes.tsv --units whole --target-units characters --hidden "
        "16 --embedding 8 --rate 1e-2 --steps 300 --shares 80,10,10 --save c.weft");
    expect_call(0, "ooooo\n", "echo many | weft predict c.weft");
    expect_call(0, "o", "echo few | weft predict c.weft --temperature 1 --seed 3");
}

/* ---- labels ---- */

Test(lines, net_of_labels_tells_them)
{
    FILE *file = fopen("labels.tsv", "w");
    cr_assert(file);
    for (int i = 0; i < 400; i++)
        fprintf(file, "word%d is %s here\t%s\n", i, i % 3 ? "good" : "bad",
                i % 3 ? "up" : "down");
    fclose(file);
    expect_call(
        0, "the most frequent label, test",
        "weft train labels.tsv --labels --units words --least 2 --hidden 16 "
        "--embedding 8 --rate 1e-2 --steps 300 --shares 70,15,15 --save l.weft");
    cr_expect(strstr(out, "test: 0.0") && strstr(out, "100.00 %"), "%s", out);
    expect_call(0, "up\ndown\n",
                "printf 'this is good\\nthis is bad\\n' | weft predict l.weft");
    expect_call(0, "down\t0.", "echo bad | weft predict l.weft --scores");
    write_lines("more.tsv", "it is good\tup\nit is bad\tup\nno tab\n");
    expect_call(1, "more.tsv: line 3: no tab", "weft eval l.weft more.tsv");
    write_lines("more.tsv", "it is good\tup\nit is bad\tup\n");
    expect_call(0, "50.00 % of 2 right", "weft eval l.weft more.tsv");
}

Test(lines, bad_lines_of_a_training_are_errors_or_counted)
{
    write_pairs("pairs.tsv");
    shell("echo bad >>pairs.tsv");
    expect_call(1, "pairs.tsv: line 513: no tab", "weft train pairs.tsv " PAIRS);
    expect_call(0, "1 bad lines skipped",
                "weft train pairs.tsv --skip-bad --steps 2 " PAIRS);
}

Test(lines, bad_options_are_refused)
{
    write_pairs("pairs.tsv");
    expect_call(2, "did you mean words", "weft train pairs.tsv --units word");
    expect_call(2, "did you mean general", "weft train pairs.tsv --attention generl");
    expect_call(2, "expected a list of states, first and every",
                "weft train pairs.tsv --hand-over last");
    expect_call(1, "no layers to read",
                "weft train pairs.tsv --units whole --attention dot --steps 2");
    expect_call(1, "whole sequences", "weft train pairs.tsv --chunk 2 --steps 2");
    expect_call(2, "expected MODEL", "weft predict");
}

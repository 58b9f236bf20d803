/* test_text.c: files read whole; bytes and UTF-8 characters as symbols. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../core/data/file.h"
#include "../core/data/text.h"

static Error err;

static WeftText *parse(const char *s, size_t length, bool bytes)
{
    WeftText *text = NULL;
    cr_assert(text_parse("t", s, length, bytes, NULL, 0, &text, &err), "%s", err.text);
    return text;
}

static void refused(const char *s, size_t length, const char *message)
{
    WeftText *text = NULL;
    cr_expect(!text_parse("t", s, length, false, NULL, 0, &text, &err));
    cr_expect_str_eq(err.text, message);
    cr_expect_null(text);
}

static void expect_text(WeftText *text, size_t count, const int32_t *symbols, int size,
                        const uint32_t *alphabet)
{
    size_t got_count;
    int got_size;
    const int32_t *const got = weft_text_symbols(text, &got_count);
    const uint32_t *const letters = weft_text_alphabet(text, &got_size);
    cr_assert_eq(got_count, count);
    cr_assert_eq(got_size, size);
    cr_expect_arr_eq(got, symbols, count * sizeof *symbols);
    cr_expect_arr_eq(letters, alphabet, (size_t)size * sizeof *alphabet);
    weft_text_close(text);
}

Test(text, characters_are_numbered_in_code_order)
{
    expect_text(parse("b\xC3\xA4"
                      "a\xF0\x9F\x98\x80\xE2\x82\xAC"
                      "b",
                      12, false),
                6, (int32_t[]){1, 2, 0, 4, 3, 1}, 5,
                (uint32_t[]){'a', 'b', 0xE4, 0x20AC, 0x1F600});
}

Test(text, bytes_are_numbered_in_value_order)
{
    expect_text(parse("b\xC3\xA4\0", 4, true), 4, (int32_t[]){1, 3, 2, 0}, 4,
                (uint32_t[]){0, 'b', 0xA4, 0xC3});
}

Test(text, one_character_is_a_text)
{
    expect_text(parse("x", 1, false), 1, (int32_t[]){0}, 1, (uint32_t[]){'x'});
}

Test(text, a_byte_order_mark_is_no_character)
{
    expect_text(parse("\xEF\xBB\xBFx", 4, false), 1, (int32_t[]){0}, 1,
                (uint32_t[]){'x'});
    refused("\xEF\xBB\xBF", 3, "t: is empty");
}

Test(text, a_saved_alphabet_is_kept)
{
    WeftText *text;
    const uint32_t alphabet[] = {'a', 'b', 'z'};
    cr_assert(text_parse("t", "zaz", 3, false, alphabet, 3, &text, &err));
    expect_text(text, 3, (int32_t[]){2, 0, 2}, 3, alphabet);
    cr_expect(!text_parse("t", "az\n\xC3\xA4y", 6, false, alphabet, 3, &text, &err));
    cr_expect_str_eq(err.text,
                     "t: line 1, column 3 (byte 2): the character U+000A is not in "
                     "the model's alphabet");
    cr_expect(!text_parse("t", "a\xC3\xA4y", 4, false, alphabet, 3, &text, &err));
    cr_expect_str_eq(err.text,
                     "t: line 1, column 2 (byte 1): the character \xC3\xA4 U+00E4 "
                     "is not in the model's alphabet");
}

Test(text, a_wrong_alphabet_is_refused)
{
    WeftText *text;
    cr_expect(!text_parse("t", "a", 1, false, (uint32_t[]){'b', 'a'}, 2, &text, &err));
    cr_expect_str_eq(err.text,
                     "t: entry 1 of the alphabet (97) is not above the one before");
    cr_expect(!text_parse("t", "a", 1, true, (uint32_t[]){256}, 1, &text, &err));
    cr_expect_str_eq(err.text, "t: entry 0 of the alphabet (256) is out of range");
    cr_expect(!text_parse("t", "a", 1, false, (uint32_t[]){0x110000}, 1, &text, &err));
    cr_expect(!text_parse("t", "a", 1, false, (uint32_t[]){'a'}, 0, &text, &err));
    cr_expect_str_eq(err.text, "t: the alphabet is empty");
}

Test(text, what_is_not_utf8_is_refused_with_its_place)
{
    refused("ab\n\xC3\xA4\xFFz", 7,
            "t: line 2, column 2 (byte 5): byte ff is not UTF-8");
    refused("a\xC3", 2,
            "t: line 1, column 2 (byte 1): byte c3 is not UTF-8"); /* cut short */
    refused("\xC0\x80", 2,
            "t: line 1, column 1 (byte 0): byte c0 is not UTF-8"); /* overlong */
    refused("\xE0\x80\x80", 3, "t: line 1, column 1 (byte 0): byte e0 is not UTF-8");
    refused("\xED\xA0\x80", 3,
            "t: line 1, column 1 (byte 0): byte ed is not UTF-8"); /* D800 */
    refused("\xF4\x90\x80\x80", 4,
            "t: line 1, column 1 (byte 0): byte f4 is not UTF-8");
    refused("a\0b", 3,
            "t: line 1, column 2 (byte 1): a zero byte: the file is binary, not text");
}

Test(text, every_code_point_is_read)
{
    for (uint32_t c = 1; c < 0x110000; c++) {
        if (c >= 0xD800 && c < 0xE000) continue;
        char s[4];
        const int n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        const unsigned first = n == 1 ? 0 : 0xF00u >> n & 0xFF;
        for (int i = n - 1; i > 0; i--)
            s[i] = (char)(0x80 | (c >> 6 * (n - 1 - i) & 0x3F));
        s[0] = (char)(first | c >> 6 * (n - 1));
        uint32_t got = 0;
        cr_assert(utf8_next(s, (size_t)n, &got) == n && got == c, "U+%04X", c);
        if (n > 1) cr_assert_eq(utf8_next(s, (size_t)n - 1, &got), 0);
    }
}

/* ---- files ---- */

static char folder[] = "/tmp/weft-text-XXXXXX";
static char path[64];

static void make_folder(void)
{
    cr_assert(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/file", folder);
}

static void remove_folder(void)
{
    (void)unlink(path);
    (void)rmdir(folder);
}

TestSuite(text_file, .init = make_folder, .fini = remove_folder);

static void put(const char *s)
{
    FILE *const f = fopen(path, "w");
    cr_assert(f && fputs(s, f) >= 0 && fclose(f) == 0);
}

static void open_refused(const char *what, const char *reason)
{
    WeftText *text = NULL;
    cr_expect(!weft_text_open(what, false, NULL, 0, &text, &err));
    cr_expect_null(text);
    cr_expect(strncmp(err.text, what, strlen(what)) == 0 && strstr(err.text, reason),
              "%s", err.text);
}

Test(text_file, a_file_is_read)
{
    put("hello");
    WeftText *text;
    cr_assert(weft_text_open(path, false, NULL, 0, &text, &err), "%s", err.text);
    expect_text(text, 5, (int32_t[]){1, 0, 2, 2, 3}, 4,
                (uint32_t[]){'e', 'h', 'l', 'o'});
}

Test(text_file, what_cannot_be_read_is_told)
{
    open_refused(path, "No such file or directory");
    open_refused(folder, "is a directory");
    open_refused("/dev/zero", "is neither a file nor a pipe");
    put("");
    open_refused(path, "is empty");
    char below[80];
    snprintf(below, sizeof below, "%s/x", path);
    open_refused(below, "Not a directory");
    if (geteuid()) { /* root reads everything */
        cr_assert_eq(chmod(path, 0), 0);
        open_refused(path, "Permission denied");
    }
}

Test(text_file, a_huge_file_is_refused_without_reading_it)
{
    put("x");
    if (truncate(path, ((off_t)2 << 30) + 1)) cr_skip("no sparse files in /tmp");
    open_refused(path, "2147483649 bytes are more than the 2 GiB that can be read");
}

Test(text_file, a_pipe_is_read_to_its_end)
{
    cr_assert_eq(mkfifo(path, 0600), 0);
    const size_t length = 300000; /* more than a pipe holds */
    if (fork() == 0) {
        const int fd = open(path, O_WRONLY);
        char part[1000];
        memset(part, 'p', sizeof part);
        for (size_t i = 0; i < length / sizeof part; i++)
            if (write(fd, part, sizeof part) != (ssize_t)sizeof part) _exit(1);
        _exit(0);
    }
    char *bytes;
    size_t got;
    cr_assert(file_read(path, &bytes, &got, &err), "%s", err.text);
    cr_expect_eq(got, length);
    cr_expect_eq(strlen(bytes), length);
    free(bytes);
}

/* test_table.c: CSV files: what is read, and what is refused with its place. */
#include <criterion/criterion.h>
#include <locale.h>
#include <string.h>
#include <unistd.h>

#include "../core/data/table.h"

static Error err;

static WeftTable *parse(const char *s)
{
    WeftTable *table = NULL;
    cr_assert(table_parse("t", s, strlen(s), &table, &err), "%s", err.text);
    return table;
}

static void refused(const char *s, const char *message)
{
    WeftTable *table = NULL;
    cr_expect(!table_parse("t", s, strlen(s), &table, &err), "%s", s);
    cr_expect_str_eq(err.text, message);
    cr_expect_null(table);
}

static void expect_values(WeftTable *table, int column, const double *want, size_t rows)
{
    cr_assert_eq(weft_table_rows(table), rows);
    const double *const values = weft_table_values(table, column, &err);
    cr_assert(values, "%s", err.text);
    for (size_t i = 0; i < rows; i++) cr_expect_eq(values[i], want[i], "row %zu", i);
}

Test(table, columns_have_names_and_numbers)
{
    WeftTable *const t = parse("day,a,b\nmon,1,-2.5\ntue, 3e2 ,+.5\n");
    cr_expect_eq(weft_table_columns(t), 3);
    cr_expect_str_eq(weft_table_name(t, 2), "b");
    cr_expect_null(weft_table_name(t, 3));
    cr_expect_null(weft_table_name(t, -1));
    cr_expect_eq(weft_table_find(t, "a", &err), 1);
    cr_expect_str_eq(weft_table_text(t, 0, 0), "mon");
    cr_expect_str_eq(weft_table_text(t, 1, 1), " 3e2 ");
    cr_expect_null(weft_table_text(t, 2, 0));
    cr_expect_null(weft_table_text(t, 0, 3));
    cr_expect_null(weft_table_text(t, 0, -1));
    expect_values(t, 1, (double[]){1, 300}, 2);
    expect_values(t, 2, (double[]){-2.5, .5}, 2);
    cr_expect_eq(weft_table_values(t, 1, &err), weft_table_values(t, 1, &err));
    weft_table_close(t);
    weft_table_close(NULL);
}

Test(table, separators_and_line_ends_are_recognised)
{
    static const char *const same[] = {"a,b\n1,2\n3,4\n",
                                       "a,b\n1,2\n3,4",
                                       "a;b\n1;2\n3;4",
                                       "a\tb\n1\t2\n3\t4",
                                       "a,b\r\n1,2\r\n3,4\r\n",
                                       "a,b\r1,2\r3,4\r",
                                       ("\xEF\xBB\xBF"
                                        "a,b\n1,2\n3,4"),
                                       "\na,b\n\n1,2\n\n\n3,4\n\n",
                                       "\"a\",\"b\"\n\"1\",2\n3,\"4\""};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        WeftTable *const t = parse(same[i]);
        cr_assert_eq(weft_table_columns(t), 2, "%zu", i);
        cr_expect_str_eq(weft_table_name(t, 0), "a");
        expect_values(t, 0, (double[]){1, 3}, 2);
        expect_values(t, 1, (double[]){2, 4}, 2);
        weft_table_close(t);
    }
}

Test(table, quoted_fields_keep_separators_quotes_and_newlines)
{
    WeftTable *const t = parse("\"a, \"\"b\"\"\n;c\",d\n\"1\",x\n2,\n");
    cr_expect_eq(weft_table_columns(t), 2);
    cr_expect_str_eq(weft_table_name(t, 0), "a, \"b\"\n;c");
    expect_values(t, 0, (double[]){1, 2}, 2);
    cr_expect_null(weft_table_values(t, 1, &err));
    cr_expect_str_eq(err.text, "t: line 3, column 2 (d): \"x\" is not a number");
    weft_table_close(t);
}

Test(table, one_column_and_one_row_are_a_table)
{
    WeftTable *const t = parse("a\n7");
    cr_expect_eq(weft_table_columns(t), 1);
    expect_values(t, 0, (double[]){7}, 1);
    weft_table_close(t);
}

Test(table, only_finite_decimal_numbers_are_numbers)
{
    static const char *const bad[] = {"nan", "inf", "0x1p3", "1e999", "1 2", "",
                                      "1,5", "-",   "1e",    "--1",   "1-",  "."};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[64], message[128];
        snprintf(text, sizeof text, "a;b\n1;\"%s\"\n", bad[i]);
        WeftTable *const t = parse(text);
        cr_expect_null(weft_table_values(t, 1, &err), "%s", bad[i]);
        snprintf(message, sizeof message,
                 "t: line 2, column 2 (b): \"%s\" is not a number", bad[i]);
        cr_expect_str_eq(err.text, message);
        weft_table_close(t);
    }
}

Test(table, numbers_do_not_hang_on_the_locale)
{
    if (!setlocale(LC_ALL, "de_DE.UTF-8")) cr_skip("no German locale here");
    WeftTable *const t = parse("a\n1.5\n");
    expect_values(t, 0, (double[]){1.5}, 1);
    weft_table_close(t);
}

Test(table, an_unknown_column_is_told_with_the_nearest)
{
    WeftTable *const t = parse("temperature,wind,wind\n1,2,3\n");
    cr_expect_eq(weft_table_find(t, "temprature", &err), -1);
    cr_expect_str_eq(err.text,
                     "t: no column \"temprature\"; the nearest is \"temperature\"");
    cr_expect_eq(weft_table_find(t, "zzzzzzzzz", &err), -1);
    cr_expect_str_eq(err.text,
                     "t: no column \"zzzzzzzzz\"; the first is \"temperature\"");
    cr_expect_eq(weft_table_find(t, "wind", &err), -1);
    cr_expect_str_eq(err.text, "t: columns 2 and 3 are both named \"wind\"");
    cr_expect_null(weft_table_values(t, 3, &err));
    cr_expect_str_eq(err.text, "t: column 3 of 3");
    weft_table_close(t);
}

Test(table, what_is_not_a_table_is_refused_with_its_line)
{
    refused("", "t: is empty");
    refused("\n\n", "t: is empty");
    refused("a,b\n", "t: a header and no rows");
    refused("a,b\n1,2\n3\n", "t: line 3: 1 fields, but the header has 2");
    refused("a,b\n1,2,3\n", "t: line 2: 3 fields, but the header has 2");
    refused("a,b\n\"1\n\n,2\n", "t: line 2: the quote that starts here has no end");
    refused("a,b\n\"1\"x,2\n", "t: line 2: text after the quote that ends a field");
    refused("a,b\n1\",2\n",
            "t: line 2: a quote inside a field that has none around it");
    refused("a,b\n1,\xE4\n", "t: line 2, column 3 (byte 6): byte e4 is not UTF-8");
    WeftTable *table;
    cr_expect(!table_parse("t", "a\0", 2, &table, &err));
    cr_expect_str_eq(
        err.text,
        "t: line 1, column 2 (byte 1): a zero byte: the file is binary, not text");
}

Test(table, a_missing_file_is_told)
{
    WeftTable *table = NULL;
    cr_expect(!weft_table_open("/nowhere/x.csv", &table, &err));
    cr_expect_str_eq(err.text, "/nowhere/x.csv: No such file or directory");
}

Test(table, the_ridership_of_chicago_is_read)
{
    const char *const path = SOURCE_DIR "/../shared/data/chicago_ridership.csv";
    if (access(path, R_OK)) cr_skip("%s is not here", path);
    WeftTable *t = NULL;
    cr_assert(weft_table_open(path, &t, &err), "%s", err.text);
    cr_expect_eq(weft_table_columns(t), 5);
    const double *const bus =
        weft_table_values(t, weft_table_find(t, "bus", &err), &err);
    cr_assert(bus, "%s", err.text);
    cr_expect_eq(bus[0], 297192);
    cr_expect_null(weft_table_values(t, 0, &err)); /* dates */
    weft_table_close(t);
}

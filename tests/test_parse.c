/* Test the reader of .cell files: its rules, its messages, and that nothing crashes
 * it. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../core/cell/nearest.h"
#include "../core/cell/parse.h"

static bool parse(const char *text, Error *err)
{
    Cell *cell;
    *err = (Error){""};
    if (!cell_parse("test.cell", text, strlen(text), &cell, err)) return false;
    cell_close(cell);
    return true;
}

static void accepts(const char *text)
{
    Error err;
    cr_expect(parse(text, &err), "%s\n%s", text, err.text);
}

static void refuses(const char *text, const char *message)
{
    Error err;
    cr_expect(!parse(text, &err), "accepted: %s", text);
    cr_expect(strstr(err.text, message), "wanted: %s\ngot: %s", message, err.text);
}

#define RNN "state h\nweight W [hidden][input]\nweight U [hidden][hidden]\nbias b\n"

Test(parse, a_message_has_line_column_and_caret)
{
    Error err;
    cr_assert(!parse(RNN "h' = tanh(W x + V h + b)\n", &err));
    cr_expect_str_eq(err.text, "test.cell: line 5, column 17: 'V' is not declared\n"
                               "  h' = tanh(W x + V h + b)\n"
                               "                  ^");
}

Test(parse, tabs_and_long_lines_keep_the_caret_in_place)
{
    Error err;
    cr_assert(!parse(RNN "\th' = Q\n", &err));
    cr_expect(strstr(err.text, "\n  \th' = Q\n  \t     ^"), "%s", err.text);

    char text[4096] = RNN "h' = b";
    for (int i = 0; i < 100; i++) strcat(text, " + W x");
    strcat(text, " + Q");
    cr_assert(!parse(text, &err));
    const char *const caret = strrchr(err.text, '\n') + 1;
    const char *excerpt = caret - 2;
    while (excerpt[-1] != '\n') excerpt--;
    cr_expect_eq(excerpt[strlen(caret) - 1], 'Q', "%s", err.text);
}

Test(parse, the_nearest_declared_name_is_offered)
{
    refuses("state h\nweight U_r [hidden][hidden]\nh' = U_q h\n",
            "did you mean 'U_r'?");
    refuses(RNN "h' = tahn(W x + U h + b)\n", "did you mean 'tanh'?");
    refuses("state h\nwieght W [hidden][input]\n", "did you mean 'weight'?");
    refuses("state h\nsize head = 2\nbias b [heads]\nh' = b\n", "did you mean 'head'?");
    refuses("state h\nbias b = linspce(1, 2)\nh' = b + h\n",
            "did you mean 'linspace'?");
    refuses("state hide\noutput hid\nhide' = x\n", "did you mean 'hide'?");
    refuses("state h = start\nbias strat\nh' = h + strat\n", "did you mean 'strat'?");
    refuses("state here\nhere' = here\nhera' = x\n", "did you mean 'here'?");
}

Test(parse, nearest_counts_slips)
{
    const char *const names[] = {"weight", "bias", "U_r", NULL};
    cr_expect_str_eq(weft_nearest("wieght", names), "weight");
    cr_expect_str_eq(weft_nearest("Bias", names), "bias");
    cr_expect_str_eq(weft_nearest("u_r", names), "U_r");
    cr_expect_null(weft_nearest("completely", names));
    cr_expect_null(weft_nearest("", names));
    const char *const letter[] = {"x", NULL};
    cr_expect_null(weft_nearest("q", letter), "one letter is not like another");
    char longer[100];
    memset(longer, 'a', 99);
    longer[99] = 0;
    cr_expect_null(weft_nearest(longer, names));
}

Test(parse, names_are_declared_and_not_twice)
{
    refuses(RNN "h' = W x + U h + b\nstate h\n",
            "'h' is already a state, declared in line 1");
    refuses("bias x\n", "'x' is given");
    refuses("size hidden = 3\n", "'hidden' is given");
    refuses("const input = 3\n", "'input' is given");
    refuses("bias tanh\n", "'tanh' is a function");
    refuses("bias state\n", "'state' begins a declaration");
    refuses("state h\nstate = h\n", "'state' begins a declaration");
    refuses("state h, h\n", "'h' is already a state");
    refuses("state h\nh' = r\nr = h\n",
            "'r' is read above its equation, which is in line 3");
}

Test(parse, each_state_has_one_equation)
{
    refuses("state h\n", "the state 'h' has no equation");
    refuses("state h\nh' = h\nh' = h\n", "h' has its equation already, in line 2");
    refuses("state h\nh = h\n", "'h' is a state: its equation is h' =");
    refuses("state h\nbias r\nr' = h\n", "only a state has an equation with a prime");
    refuses("state h\nq' = h\n", "'q' is not declared as a state");
    refuses("state h, c\nh' = c'\nc' = h\n", "c' is read above its equation");
    refuses("state h\nh' = h' + h\n", "h' is read above its equation");
    refuses("state h\nr = h\nh' = r'\n", "only a state has a leaving value");
    accepts("state h, c\nc' = h\nh' = c' + c\n");
}

Test(parse, other_names_are_assigned_once)
{
    refuses("state h\nr = h\nr = h\nh' = r\n", "'r' is assigned already, in line 2");
    refuses("state h\nbias b\nb = h\nh' = b\n", "'b' is already a parameter");
    refuses("state h\nx = h\nh' = x\n", "'x' is given");
    refuses("state h\nexp = h\nh' = h\n", "'exp' is a function");
}

Test(parse, what_is_never_used_is_an_error)
{
    refuses("state h\nbias b\nh' = h\n", "'b' is never used");
    refuses("state h, c\nh' = h\nc' = h\n", "'c' is never used");
    refuses("state h\nr = h\nh' = h\n", "'r' is never used");
    accepts("state h\nbias h0\nstate c = h0\nh' = c\nc' = h\n");
    accepts("state h\nh' = x\n");
    accepts("output y\ny = x\n");
}

Test(parse, outputs_are_states_and_assigned_names)
{
    refuses("bias b\n", "a cell needs a state, or an output");
    refuses("state h\nbias b\noutput b\nh' = h + b\n",
            "an output is a state or an assigned name");
    refuses("state h\noutput h, h\nh' = h\n", "'h' is listed twice");
    refuses("state h\noutput h'\nh' = h\n", "without its prime");
    refuses("state h\noutput h\noutput h\nh' = h\n", "one line of outputs");
    refuses("state h\noutput q\nh' = h\n", "'q' is not declared");
    refuses("state h\noutput 3\nh' = h\n", "expected the name of a state or value");
}

Test(parse, shapes_are_sizes_declared_above)
{
    refuses("weight W\n", "expected the weight's shape, as in [hidden][input]");
    refuses("bias b [n]\n", "'n' is not declared");
    refuses("const n = 3\nbias b [n]\n", "'n' is a const, not a size");
    refuses("bias b [0]\n", "a size is a whole number from 1");
    refuses("bias b [2.5]\n", "a size is a whole number");
    refuses("bias b [1e99]\n", "too large");
    refuses("bias b [99999999999]\n", "a size is a whole number");
    refuses("bias b []\n", "expected a whole number or the name of a size, found ']'");
    refuses("bias b [hidden\n", "expected '*', '/' or ']'");
    refuses("bias b [1][1][1][1][1]\n", "at most 4 axes");
    refuses("size n = 2*2*2*2*2*2*2*2*2\n", "at most 8 factors");
    refuses("size n\n", "expected '='");
    refuses("size n = n\n", "'n' is not declared");
    accepts("size n = hidden * 2 / 2\nstate h [n][2*n/n]\nh' = h\n");
}

Test(parse, initialisers_and_their_numbers_are_checked)
{
    refuses("bias b = normal\n", "normal takes 1 number, 0 are given");
    refuses("bias b = normal(1, 2)\n", "normal takes 1 number, 2 are given");
    refuses("bias b = linspace(1)\n", "linspace takes 2 numbers, 1 is given");
    refuses("bias b = uniform(1)\n", "uniform takes 0 or 2 numbers, 1 is given");
    refuses("bias b = identity\n", "identity needs a shape of at least 2 axes");
    refuses("scalar s = powerlaw\n", "powerlaw needs a shape of at least 1 axis");
    refuses("bias b = chrono(1)\n", "chrono takes a length of at least 2");
    refuses("bias b = normal(-1)\n", "at least 0");
    refuses("bias b = foo\n", "'foo' is no initialiser");
    refuses("bias b = normal(x)\n", "expected a number or a const, found 'x'");
    refuses("const wide = 1\nbias b = normal(wdie)\n", "did you mean 'wide'?");
    refuses("const short = 1\nbias b = chrono(short)\n", "at least 2");
    refuses("bias b = -normal(1)\n", "a minus is for a number, a const or a parameter");
    refuses("bias b = -normal\n", "a minus is for a number");
    refuses("bias b = -\n", "expected a number or a name");
    refuses("bias b = b\n", "it cannot begin as itself");
    refuses("bias a, b = a\n", "it cannot begin as itself");
    refuses("bias b = c\nbias c\n", "'c' is no initialiser");
    refuses("state h\nbias b = h\nh' = h + b\n", "'h' is no initialiser");
    refuses("bias b = (1)\n", "expected a number or an initialiser");
    refuses("state h = normal(1)\nh' = h\n",
            "expected an operator or the end of the line");
    refuses("state h = (\nh' = h\n", "expected a number or the name of a parameter");
    accepts("const one = 1\nstate h = -2\nbias b = one\nbias c = -0.5\nbias d = "
            "linspace(-3, -6)\n"
            "weight W [hidden][hidden] = orthogonal\nh' = W h * b + c * d\n");
    accepts("const a = 2\nstate h\nbias b = -a\nbias c = -b\nbias d = uniform(-1, a)\n"
            "bias e = chrono(a)\nh' = h * b + c * d + e\n");
    refuses("state h = c\nconst c = 1\nh' = h\n",
            "a state starts at a number or a parameter");
}

Test(parse, consts_are_numbers)
{
    refuses("const a = b\n", "expected a number");
    refuses("const a = 1e39\n", "too large for a float");
    refuses("const a\n", "expected '='");
    refuses("const = 3\n", "cannot be a name");
    accepts(
        "const a = -1.5e-3\nconst b = .5\nconst c = 2.\nstate h\nh' = a * h + b - c\n");
}

Test(parse, only_a_matrix_multiplies_what_follows)
{
    refuses("state h\nbias b\nh' = b h\n", "expected an operator before 'h'");
    refuses("state h\nh' = 2 h\n", "expected an operator before 'h'");
    refuses("state h\nh' = 2h\n", "expected an operator before 'h'");
    refuses("state h\nh' = (h) (h)\n", "expected an operator before '('");
    refuses("state h\nbias b\nh' = b^T h\n", "'b' is no matrix");
    refuses(RNN "h' = W x + U^T + b + h\n",
            "expected the vector that the matrix multiplies");
    accepts(RNN "h' = W x + U^T U (b * h)\n");
    accepts("state C [hidden][hidden]\nstate h\nC' = C\nh' = C' C^T h\n");
    accepts("state C [hidden][hidden]\nstate h\nD = C * C\nC' = D\nh' = D^T h\n");
}

Test(parse, expressions_follow_the_grammar)
{
    refuses("state h\nh' = \n", "expected a number, a name, a function or '('");
    refuses("state h\nh' = h +\n", "found the end of the line");
    refuses("state h\nh' = h * -h\n", "a negative operand stands in parentheses");
    refuses("state h\nh' = (h\n", "expected an operator or ')', found the end");
    refuses("state h\nh' = h)\n",
            "expected an operator or the end of the line, found ')'");
    refuses("state h\nh' = tanh h\n", "expected '(' after the function tanh");
    refuses("state h\nh' = tanh(h, h)\n", "tanh takes 1 operand, 2 are given");
    refuses("state h\nh' = max(h)\n", "max takes 2 operands, 1 is given");
    refuses("state h\nh' = max(h, h, h)\n", "max takes 2 operands, 3 are given");
    refuses("state h\nh' = tanh()\n", "expected a number");
    refuses("state h\nh' = h^2\n", "'^' means only '^T'");
    refuses("state h\nh' = h & h\n", "'&' has no meaning here");
    refuses("state h\nh' h\n", "expected '='");
    refuses("state h\nh' = = h\n", "expected a number");
    refuses("3 = h\n", "expected a declaration or an equation");
    refuses("state h\nfoo bar\n", "begins neither a declaration nor an equation");
    accepts("state h\nh' = -h * 2 + (-h) / (1 - (-h))\n");
}

Test(parse, a_line_ends_where_brackets_are_closed)
{
    accepts("state h\nh' = tanh(h\n  + h  # more\n\n  + 1)\n");
    refuses("state h\nh' = h\n + h\n", "expected a declaration or an equation");
    accepts("state h\r\nh' = h\r\n");
    accepts("state h\nh' = h");
    accepts("\xef\xbb\xbf# a byte order mark, and gr\xc3\xbc\xc3\x9f"
            "e\nstate h\nh' = h\n");
}

Test(parse, one_cell_a_file)
{
    Cell *cell;
    const char text[] = "cell mine\nstate h\nh' = h\n";
    cr_assert(cell_parse("o", text, strlen(text), &cell, NULL));
    cr_expect_str_eq(cell_name(cell), "mine");
    cr_expect_str_eq(cell_text(cell), text);
    cr_expect_str_eq(cell_origin(cell), "o");
    cell_close(cell);
    refuses("cell a\ncell b\n", "a file has one cell");
    refuses("cell\n", "expected the name of the cell");
    refuses("cell a b\n", "expected an operator or the end of the line");
    refuses("", "a cell needs a state");
}

static char *repeat(const char *before, const char *text, int times, const char *after)
{
    const size_t length = strlen(text);
    char *const all =
        malloc(strlen(before) + length * (size_t)times + strlen(after) + 1);
    char *at = all + sprintf(all, "%s", before);
    for (int i = 0; i < times; i++, at += length) memcpy(at, text, length);
    strcpy(at, after);
    return all;
}

Test(parse, depth_has_a_limit_and_length_has_none_below_a_megabyte)
{
    const struct {
        const char *before, *text, *after, *message;
    } deep[] = {
        {"state h\nh' = ", "(", "h", "nested more than 200 deep"},
        {"state h\nh' = ", "tanh(", "h", "nested more than 200 deep"},
        {RNN "h' = W x + b + ", "U ", "h", "nested more than 200 deep"},
        {"state h\nh' = h", " + h", "\n", NULL},
        {"state h\nh' = h", " * h", "\n", NULL},
    };
    for (size_t i = 0; i < sizeof deep / sizeof *deep; i++) {
        char *const text = repeat(deep[i].before, deep[i].text, 100000, deep[i].after);
        if (deep[i].message)
            refuses(text, deep[i].message);
        else
            accepts(text);
        free(text);
    }
    char *const text = repeat("state h\nh' = h", "      + h", 200000, "\n");
    refuses(text, "bytes are too many for a cell");
    free(text);
    char *const names = repeat("bias ", "bbbbbbbbb", 100, "\n");
    refuses(names, "a name of more than 63 characters");
    free(names);
    char *const digits = repeat("const a = ", "1", 100, "\n");
    refuses(digits, "a number of more than 63 characters");
    free(digits);
}

Test(parse, too_many_names_are_an_error)
{
    char *const text = malloc(40000);
    char *at = text;
    for (int i = 0; i < 1200; i++) at += sprintf(at, "const a%d = 1\n", i);
    refuses(text, "at most 1000 names");
    free(text);
}

Test(parse, what_is_not_text_is_refused)
{
    Error err;
    Cell *cell;
    const char zero[] = "state h\nh\0' = h\n";
    cr_expect(!cell_parse("t", zero, sizeof zero - 1, &cell, &err));
    cr_expect(strstr(err.text, "line 2, column 2: the file is not text: byte 0x00"),
              "%s", err.text);
    refuses("state h # \xff\n", "not text in UTF-8: byte 0xff");
    refuses("state h # \xc3", "not text in UTF-8: byte 0xc3");
    refuses("state h # \xed\xa0\x80\n", "not text in UTF-8");
    refuses("state h # \xc0\x80\n", "not text in UTF-8");
    refuses("state h\x1b[31m\n", "the file is not text: byte 0x1b");
    refuses("state \xc3\xa4\n", "a letter beyond ASCII can stand only in a comment");
}

Test(parse, every_prefix_and_every_changed_byte_is_survived)
{
    const char text[] = "cell c # c\nsize d = hidden / 2\nconst k = -1.5e1\n"
                        "state C [d][d] = 0\nweight W [d][input] = normal(.1)\n"
                        "bias b [d]\noutput y\ny = W x + C b / k\nC' = C * exp(-y)\n";
    for (size_t n = 0; n < sizeof text; n++) {
        Cell *cell;
        if (cell_parse("t", text, n, &cell, NULL)) cell_close(cell);
    }
    for (size_t n = 0; n + 1 < sizeof text; n++)
        for (int c = 0; c < 256; c++) {
            char changed[sizeof text];
            Cell *cell;
            memcpy(changed, text, sizeof text);
            changed[n] = (char)c;
            if (cell_parse("t", changed, sizeof text - 1, &cell, NULL))
                cell_close(cell);
        }
}

Test(parse, sizes_and_consts_can_be_set_and_are_copied)
{
    const char text[] = "size d = hidden / 2\nconst k = 1\nstate h [d]\nh' = k * h\n";
    Cell *cell, *copy;
    Error err;
    const char *name;
    double value;
    cr_assert(cell_parse("t", text, strlen(text), &cell, &err));
    cr_expect(!cell_get_set(cell, 0, &name, &value));
    cr_expect(!cell_set(cell, "dd", 3, &err));
    cr_expect(strstr(err.text, "did you mean 'd'?"), "%s", err.text);
    cr_expect(!cell_set(cell, "h", 3, &err));
    cr_expect(!cell_set(cell, "hidden", 3, &err));
    cr_expect(!cell_set(cell, "d", 2.5, &err));
    cr_expect(strstr(err.text, "a size is a whole number"), "%s", err.text);
    cr_expect(!cell_set(cell, "d", 0, &err));
    cr_expect(!cell_set(cell, "k", NAN, &err));
    cr_expect(cell_set(cell, "k", -0.25, &err));
    cr_expect(cell_set(cell, "d", 7, &err));
    cr_assert(cell_copy(cell, &copy, &err));
    cr_expect(cell_get_set(copy, 0, &name, &value) && strcmp(name, "d") == 0 &&
              value == 7);
    cr_expect(cell_get_set(copy, 1, &name, &value) && strcmp(name, "k") == 0 &&
              value == -0.25);
    cr_expect(!cell_get_set(copy, 2, &name, &value));
    cell_close(copy);
    cell_close(cell);
    cell_close(NULL);
}

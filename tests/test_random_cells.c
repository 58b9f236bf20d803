/* test_random_cells.c: cells that nobody wrote pass `weft check`: derivation,
 * rewriting, the split around time and the sharing of buffers are right for whatever is
 * written. */
#include "../core/weft.h"
#include "../simd/scalar.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <string.h>

enum { TEXT_MAX = 8192, NAMES = 24, CELLS = 150 };

/* A cell in the making. */
typedef struct Draft {
    uint64_t cell, draws;
    char text[TEXT_MAX];
    size_t length;
    char name[NAMES][16]; /* vectors [hidden] that may be read */
    int names;
    bool kinked;
} Draft;

static int below(Draft *d, int n)
{
    return (int)random_below(d->cell, 1, d->draws++, (uint32_t)n);
}

__attribute__((format(printf, 2, 3))) static void write_text(Draft *d,
                                                             const char *format, ...)
{
    va_list list;
    va_start(list, format);
    const int wrote =
        vsnprintf(d->text + d->length, TEXT_MAX - d->length, format, list);
    va_end(list);
    cr_assert(wrote >= 0 && d->length + (size_t)wrote < TEXT_MAX);
    d->length += (size_t)wrote;
}

static void add_name(Draft *d, const char *prefix, int i)
{
    cr_assert(d->names < NAMES);
    snprintf(d->name[d->names++], sizeof d->name[0], "%s%d", prefix, i);
}

static const char *any(Draft *d)
{
    return d->name[below(d, d->names)];
}

/* One kink in a cell is enough: with many, every point drawn is near one. */
static void write_kinked(Draft *d, const char *a, const char *b)
{
    static const char *const kinked[][3] = {{"relu(", " - W0 x) + ", ""},
                                            {"abs(", " + W1 x) * ", ""},
                                            {"max(", ", W1 x) - ", ""},
                                            {"min(W0 x, ", ") + ", ""}};
    static const char *const smooth[][3] = {{"softplus(", ") + 0.2 * ", ""},
                                            {"logsigmoid(", ") * ", ""},
                                            {"", " - stop(", ")"},
                                            {"norm(", ") + 0.1 * ", ""}};
    const char *const *const part = (d->kinked ? smooth : kinked)[below(d, 4)];
    write_text(d, "%s%s%s%s%s\n", part[0], a, part[1], b, part[2]);
    d->kinked = true;
}

/* v<i> = some function of values there are; of moderate size, so that chains stay
 * tame. */
static void write_equation(Draft *d, int i)
{
    const char *const a = any(d), *const b = any(d), *const c = any(d);
    const int j = below(d, 3), k = below(d, 3);
    write_text(d, "v%d = ", i);
    // clang-format off
    switch (below(d, 9)) {
    case 0: write_kinked(d, a, b); break;
    case 1: write_text(d, "tanh(U%d (%s * %s) + %s)\n", j, a, b, c); break;
    case 2: write_text(d, "%s - U%d %s + b%d\n", c, j, a, k % 2); break;
    case 3: write_text(d, "sigmoid(W%d x + U%d %s) * %s\n", j % 2, k, a, b); break;
    case 4: write_text(d, "0.5 * mean(%s - %s) + %s\n", a, b, c); break;
    case 5: write_text(d, "%s * (1 - %s) + %s / (1.5 + %s * %s)\n", a, b, c, b, b); break;
    case 6: write_text(d, "U%d^T U%d %s + p * sqrt(1 + %s * %s)\n", j, k, a, b, b); break;
    case 7: write_text(d, "exp(-%s * %s) + log(2 + %s * %s)\n", a, a, b, b); break;
    default: write_text(d, "s * %s + dot(%s, %s) / hidden\n", a, b, c); break;
    }
    // clang-format on
    add_name(d, "v", i);
}

/* Everything, so that no name is idle. */
static void write_rest(Draft *d, const char *state)
{
    write_text(
        d, "%s' = tanh(0.1 * (U0 h1 + U1 h2 + U2 h1 + W0 x + W1 x + b0 + b1 + s * p)",
        state);
    for (int i = 0; i < d->names; i++) write_text(d, " + 0.3 * %s", d->name[i]);
    write_text(d, ")\n");
}

static void write_cell(Draft *d, uint64_t cell)
{
    *d = (Draft){.cell = cell};
    write_text(d,
               "cell random%d\nstate h1, h2\nweight W0, W1 [hidden][input]\n"
               "weight U0, U1, U2 [hidden][hidden]\nbias b0, b1, p\nscalar s = 0.4\n",
               (int)cell);
    if (below(d, 3) == 0) write_text(d, "output h2, h1\n");
    add_name(d, "h", 1);
    add_name(d, "h", 2);
    const int equations = 2 + below(d, 8);
    for (int i = 0; i < equations; i++) write_equation(d, i);
    if (below(d, 2)) {
        write_rest(d, "h1");
        write_text(d, "h2' = %s\n", below(d, 3) ? "sigmoid(h1' - h2)" : "h1'");
    } else {
        write_text(d, "h2' = 0.5 * tanh(%s)\n", any(d));
        write_rest(d, "h1");
    }
}

Test(random_cells, pass_the_check)
{
    static Draft d;
    for (uint64_t cell = 0; cell < CELLS; cell++) {
        WeftError err = {""};
        WeftCell *parsed;
        write_cell(&d, cell);
        cr_assert(weft_cell_parse("random", d.text, d.length, &parsed, &err), "%s\n%s",
                  err.text, d.text);
        FILE *const sink = fopen("/dev/null", "w");
        cr_expect(weft_cell_check(parsed, 3, 5, cell, sink, &err), "%s\n%s", err.text,
                  d.text);
        fclose(sink);
        weft_cell_close(parsed);
    }
}

/* test_report.c: what the report says of rows made by hand, its figures, and its page. */
#include "folder.h"

#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "../experiments/plot.h"
#include "../experiments/report.h"

/* ---- experiments and rows ---- */

static double half(int length)
{
    return 1.0 / length;
}

static const Oracle oracles[] = {
    {.name = "no memory", .loss = 0.5},
    {.name = "by length", .at = half},
    {0},
};

// clang-format off
#define PAPER .published = "0.01", .source = "Paper <1>"
static const Claim claims[] = {
    {.name = "good", .text = "lstm is below 1", .cell = "lstm", .length = 20, .high = 1, PAPER},
    {.name = "far", .text = "a length that was not asked for", .cell = "lstm", .length = 99, PAPER},
    {0},
};
static const Claim bad_claims[] = {
    {.name = "good", .text = "lstm is below 1", .cell = "lstm", .length = 20, .high = 1, PAPER},
    {.name = "bad", .text = "lstm & gru are below 0", .cell = "lstm", .length = 20, .low = -1, PAPER},
    {0},
};
static const Claim values[] = {
    {.name = "near", .text = "a value", .cell = "lstm", .length = 20, .over = MEDIAN_SEED, .high = 1, PAPER},
    {.name = "off", .text = "another", .cell = "lstm", .length = 20, .over = MEDIAN_SEED, .low = 5, .high = 6, PAPER},
    {.name = "none", .text = "not run", .cell = "gru", .length = 20, .over = MEDIAN_SEED, PAPER},
    {0},
};
// clang-format on

static const Experiment drawn = {
    .chapter = CHAPTER_ADDING,
    .name = "drawn",
    .question = "Is 1 < 2 & 3?",
    .claim = "it is",
    .grid = {.cells = "rnn,lstm", .lengths = NUMBERS(10, 20), .seeds = NUMBERS(0, 1)},
    .solved = 0.01,
    .unit = "mse",
    .length_name = "length (steps)",
    .dependency = true,
    .full = "--seed 0..4",
    .oracles = oracles,
    .claims = claims,
    .values = values,
};
static const Experiment other = {
    .chapter = CHAPTER_REBER,
    .name = "other",
    .question = "What else?",
    .claim = "nothing",
    .grid = {.cells = "rnn,lstm", .lengths = NUMBERS(20), .seeds = NUMBERS(0, 1)},
    .unit = "nats",
    .length_name = "length (steps)",
    .claims = bad_claims,
};

typedef struct Sampled {
    Row row[400];
    Rows rows;
} Sampled;

/* A training: an evaluation on the way, and the last. */
static void train(Sampled *made, const char *cell, uint64_t length, uint64_t seed,
                  double loss, const char *state)
{
    Row row = {.experiment = "drawn",
               .cell = cell,
               .length = length,
               .seed = seed,
               .step = 100,
               .loss = 0.4,
               .score = 0.5,
               .digest = "0123456789abcdef",
               .isa = "scalar",
               .threads = 1,
               .state = STATE_RUNNING,
               .rate = 0.001,
               .validation = 0.4,
               .size = "short",
               .group = "g",
               .settings = "-",
               .command = "weft run drawn --cell 'lstm' --length 20 --seed 0"};
    made->row[made->rows.count++] = row;
    row.step = 200;
    row.loss = row.validation = loss;
    row.state = state;
    made->row[made->rows.count++] = row;
    made->rows.all = made->rows.count;
    made->rows.row = made->row;
}

static void measure(Sampled *made, const char *cell, uint64_t at, double value)
{
    made->row[made->rows.count++] = (Row){.cell = cell,
                                          .at = at,
                                          .loss = value,
                                          .state = STATE_MEASURED,
                                          .size = "short",
                                          .group = "g",
                                          .command = ""};
    made->rows.all = made->rows.count;
    made->rows.row = made->row;
}

static void train_all(Sampled *made, const char *cell, double loss)
{
    for (uint64_t seed = 0; seed < 2; seed++)
        for (uint64_t length = 10; length <= 20; length += 10)
            train(made, cell, length, seed, loss,
                  loss < 0.01 ? STATE_SOLVED : STATE_SPENT);
}

/* ---- lines ---- */

static Sampled made[2];
static Result result[2];
static Page page;

static void open_page(void)
{
    train_all(&made[0], "lstm", 0.005);
    train_all(&made[0], "rnn", 0.5);
    train_all(&made[1], "lstm", 0.25);
    for (int i = 0; i < made[1].rows.count; i++) made[1].row[i].size = SIZE_OWN;
    result[0] = (Result){&drawn, made[0].rows};
    result[1] = (Result){&other, made[1].rows};
    page = (Page){.result = result, .results = 2};
    page.section[CHAPTER_ADDING] = (Section){.result = result, .results = 1};
    page.section[CHAPTER_REBER] = (Section){.result = result + 1, .results = 1};
    page.section[CHAPTER_MUSIC] = (Section){.waiting = 2};
    report_judge(&page);
}

static void open_page_in_folder(void)
{
    open_folder();
    open_page();
}

TestSuite(report, .init = open_page_in_folder, .fini = close_folder, .timeout = 120);
TestSuite(figures, .init = open_folder, .fini = close_folder, .timeout = 120);

Test(report, line_for_each_claim_value_and_chapter_and_two_that_sum_up)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    cr_assert(out);
    report_print(&page, out);
    fclose(out);
    cr_expect_str_eq(
        text,
        "claim    drawn/good               holds       ours: 2 of 2 seeds: 0.005 "
        "0.005; "
        "published: 0.01 (Paper <1>)\n"
        "value    drawn/near               holds       ours: 0.005 (median of 2 "
        "seeds); "
        "published: 0.01 (Paper <1>)\n"
        "value    drawn/off                fails       ours: 0.005 (median of 2 "
        "seeds); "
        "published: 0.01 (Paper <1>)\n"
        "value    drawn/none               incomplete  ours: not run; published: 0.01 "
        "(Paper <1>)\n"
        "claim    other/good               holds       ours: 2 of 2 seeds: 0.25 0.25; "
        "published: 0.01 (Paper <1>) [not the declared settings]\n"
        "claim    other/bad                fails       ours: 0 of 2 seeds: 0.25 0.25; "
        "published: 0.01 (Paper <1>) [not the declared settings]\n"
        "chapter  adding                   holds       1 of 1 claims, 1 of 3 values\n"
        "chapter  grammar                  fails       1 of 2 claims, 0 of 0 values\n"
        "chapter  music                    no rows     0 of 0 claims, 0 of 0 values\n"
        "1 of 2 chapters hold; 1 without rows yet\n"
        "1 of 3 published values agree within their margin\n");
    free(text);
}

Test(report, chapter_of_which_nothing_is_asked_does_not_hold)
{
    page = (Page){.result = result, .results = 1};
    page.section[CHAPTER_ADDING] = (Section){.result = result, .results = 1};
    Experiment silent = drawn;
    silent.claims = NULL;
    result[0].experiment = &silent;
    report_judge(&page);
    cr_expect_eq(page.chapters.ruling[HOLDS], 0);
    cr_expect_eq(page.chapters.ruling[INCOMPLETE], 1);
}

/* ---- figures ---- */

static Figure figure[FIGURES_MAX];
static int figures;

/* What the file holds, until the next call. */
static const char *text_of(const char *path)
{
    static char *text;
    size_t size = 0;
    FILE *file = fopen(path, "r");
    cr_assert(file, "%s", path);
    free(text);
    text = NULL;
    cr_assert(getdelim(&text, &size, 0, file) > 0);
    fclose(file);
    return text;
}

static bool holds(const char *path, const char *what)
{
    return strstr(text_of(path), what) != NULL;
}

/* Draws them, and expects that gnuplot complains of nothing. */
static void draw(const Experiment *experiment, const Sampled *of)
{
    const Result one = {experiment, of->rows};
    WeftError err;
    if (!plot_ready(&err)) cr_skip_test("%s", err.text);
    fflush(stderr);
    const int kept = dup(2), file = open("said", O_CREAT | O_WRONLY | O_TRUNC, 0666);
    dup2(file, 2);
    close(file);
    const bool good = figures_draw(&one, ".", figure, &figures, &err);
    fflush(stderr);
    dup2(kept, 2);
    close(kept);
    cr_expect(good, "%s", err.text);
    cr_expect_eq(system("test ! -s said || { cat said; false; }"), 0);
    for (int i = 0; i < figures; i++) {
        char path[FIGURE_NAME + 8] = "";
        append(path, sizeof path, "%s.svg", figure[i].name);
        cr_expect(!access(path, R_OK), "%s", path);
    }
}

static void expect_figures(const char *names)
{
    char all[1024] = "";
    for (int i = 0; i < figures; i++)
        append(all, sizeof all, "%s%s", i ? " " : "", figure[i].name);
    cr_expect_str_eq(all, names);
}

static void draw_two(Experiment experiment)
{
    Sampled of = {{{0}}, {0}};
    train_all(&of, "lstm", 0.005);
    train_all(&of, "rnn", 0.5);
    draw(&experiment, &of);
}

Test(figures, of_several_lengths)
{
    Experiment experiment = drawn;
    draw_two(experiment);
    expect_figures("drawn_success drawn_last drawn_curves_20 drawn_curves_10");
    experiment.right = 0.9;
    draw_two(experiment);
    expect_figures(
        "drawn_success drawn_score drawn_last drawn_curves_20 drawn_curves_10");
    experiment.right = experiment.solved = 0;
    draw_two(experiment);
    expect_figures("drawn_last drawn_curves_20 drawn_curves_10");
    experiment.score_name = "pairs";
    draw_two(experiment);
    expect_figures("drawn_score drawn_last drawn_curves_20 drawn_curves_10");
}

Test(figures, of_one_length)
{
    Sampled of = {{{0}}, {0}};
    for (uint64_t seed = 0; seed < 3; seed++) {
        train(&of, "lstm", 20, seed, 0.1, STATE_SPENT);
        train(&of, "gru", 20, seed, 0.2, STATE_SPENT);
    }
    draw(&drawn, &of);
    expect_figures("drawn_bars drawn_curves_20");
    cr_expect(holds("drawn_bars.svg", ">last test loss (mse)<"));
    Experiment scored = drawn;
    scored.score_name = "pairs";
    draw(&scored, &of);
    cr_expect(holds("drawn_bars.svg", ">pairs<"));
}

static bool measured(WeftNet *net, struct Data *data, const Settings *settings,
                     int length, Measured *of, WeftError *err)
{
    (void)net, (void)data, (void)settings, (void)length, (void)of, (void)err;
    return true;
}

Test(figures, of_what_was_measured)
{
    Experiment experiment = drawn;
    Sampled of = {{{0}}, {0}};
    experiment.measure = measured;
    experiment.value_name = "gradient norm";
    experiment.at_name = "lag (steps)";
    train(&of, "lstm", 30, 0, 0.1, STATE_SPENT);
    for (uint64_t lag = 1; lag < 30; lag++)
        measure(&of, "lstm", lag, exp(-(double)lag));
    draw(&experiment, &of);
    expect_figures("drawn_measured drawn_curves_30");
    cr_expect(holds("drawn_measured.svg", ">lag (steps)<"));
    cr_expect(holds("drawn_measured.svg", ">gradient norm<"));
    cr_expect(holds("drawn_measured.svg", "> 1e-10<"), "a logarithmic axis");
    cr_expect(holds("drawn_measured.svg", ">by length<"), "the oracle");
    cr_expect(!holds("drawn_curves_30.svg", ">by length<"),
              "it is of what is measured");
}

Test(figures, have_dashed_lines_for_what_needs_no_training)
{
    Sampled of = {{{0}}, {0}};
    train_all(&of, "lstm", 0.005);
    of.row[of.rows.count++] = (Row){.cell = "n-gram",
                                    .loss = 0.3,
                                    .score = NAN,
                                    .state = STATE_BASELINE,
                                    .group = "g"};
    of.rows.all++;
    draw(&drawn, &of);
    for (int i = 1; i < figures; i++) {
        char path[FIGURE_NAME + 8] = "";
        append(path, sizeof path, "%s.svg", figure[i].name);
        cr_expect(holds(path, ">no memory<"), "%s", path);
        cr_expect(holds(path, ">by length<"), "%s", path);
        cr_expect(holds(path, ">n-gram<"), "%s", path);
        cr_expect(holds(path, ">success: below 0.01<"), "%s", path);
    }
}

/* Nothing of this may make gnuplot complain. */
Test(figures, of_awkward_rows)
{
    Sampled of = {{{0}}, {0}};
    train(&of, "lstm", 10, 0, NAN, STATE_DIVERGED);
    train(&of, "lstm", 20, 0, 0, STATE_SOLVED);
    train(&of, "rnn", 10, 0, 1e300, STATE_SPENT);
    train(&of, "gru", 20, 0, -1, STATE_SPENT);
    train(&of, "it's \"a\" `false` $b0 <&> \\.cell", 20, 0, 0.1, STATE_SPENT);
    draw(&drawn, &of);
    expect_figures("drawn_success drawn_last drawn_curves_20 drawn_curves_10");
    cr_expect(holds("drawn_last.svg", "it's \"a\" `false` $b0 &lt;&amp;> \\.cell"));
}

Test(figures, of_which_there_is_nothing_to_show_are_not_drawn)
{
    Sampled none = {{{0}}, {0}}, diverged = none, single = none;
    draw(&drawn, &none);
    expect_figures("");
    train(&diverged, "lstm", 20, 0, NAN, STATE_DIVERGED);
    diverged.row[0].loss = NAN;
    draw(&drawn, &diverged);
    expect_figures("");
    train(&single, "lstm", 20, 0, 0.1, STATE_SPENT);
    single.row[0] = single.row[1]; /* no evaluation on the way */
    draw(&drawn, &single);
    expect_figures("drawn_bars");
}

Test(figures, mission_is_of_success_over_a_dependency)
{
    WeftError err;
    Figure mission;
    int count;
    open_page();
    cr_assert(figure_mission(result, 2, ".", &mission, &count, &err), "%s", err.text);
    cr_expect_eq(count, 1);
    cr_expect(holds("mission.svg", ">lstm<") && holds("mission.svg", ">rnn<"));
    cr_expect(!holds("mission.svg", ">gru<"), "it has no rows");
    cr_assert(figure_mission(result + 1, 1, ".", &mission, &count, &err));
    cr_expect_eq(count, 0, "there is no success");
    Experiment independent = drawn;
    independent.dependency = false;
    result[0].experiment = &independent;
    cr_assert(figure_mission(result, 2, ".", &mission, &count, &err));
    cr_expect_eq(count, 0, "there is no dependency");
}

Test(looks, tell_every_known_cell_from_the_others)
{
    static const char *const cell[] = {
        "rnn",           "rnn_relu",      "rnn_sigmoid",   "indrnn",
        "rhn",           "lstm",          "lstm:forget=0", "lstm:forget=1",
        "lstm:forget=2", "lstm:forget=3", "lstm:forget=5", "lstm_chrono",
        "lstm_peephole", "cifg",          "lnlstm",        "lstmp",
        "gru",           "gru_v1",        "mgu",           "slstm",
        "mlstm",         "mingru",        "minlstm"};
    const int cells = sizeof cell / sizeof *cell;
    for (int i = 0; i < cells; i++)
        for (int j = 0; j < i; j++) {
            const Look a = look_of(cell[i]), b = look_of(cell[j]);
            cr_expect(a.rank != b.rank, "%s and %s", cell[i], cell[j]);
            cr_expect(strcmp(a.colour, b.colour) || a.mark != b.mark, "%s and %s",
                      cell[i], cell[j]);
        }
}

Test(looks, settings_of_a_cell_change_its_mark_but_not_its_colour)
{
    const Look a = look_of("lstm_chrono:T=150"), b = look_of("lstm_chrono:T=75");
    cr_expect_str_eq(a.colour, look_of("lstm_chrono").colour);
    cr_expect(a.mark != b.mark || a.dash != b.dash);
    cr_expect(look_of("mine.cell").colour);
}

/* ---- the page ---- */

typedef struct Tag {
    const char *name, *end; /* of "name ...>" */
    int length;             /* of the name */
    bool closes, alone;
} Tag;

/* The next tag from *at on, which is then past it; false: there is none. */
static bool tag_next(const char **at, Tag *tag)
{
    const char *open = strchr(*at, '<');
    char quote = 0;
    if (!open) return false;
    *tag = (Tag){.name = open + 1};
    tag->closes = *tag->name == '/';
    tag->name += tag->closes;
    tag->length = (int)strspn(tag->name, "abcdefghijklmnopqrstuvwxyz0123456789!"
                                         "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    cr_assert(tag->length, "no tag: %.60s", open);
    for (tag->end = tag->name; *tag->end && (quote || *tag->end != '>'); tag->end++)
        if (quote ? *tag->end == quote : *tag->end == '"' || *tag->end == '\'')
            quote = quote ? 0 : *tag->end;
    cr_assert(*tag->end, "no end: %.60s", open);
    tag->alone = tag->end[-1] == '/' || *tag->name == '!';
    *at = tag->end + 1;
    return true;
}

/* Every tag that is opened is closed, in the right order. */
static void expect_balanced(const char *text)
{
    Tag open[64], tag;
    int depth = 0;
    while (tag_next(&text, &tag)) {
        if (tag.alone) continue;
        if (!tag.closes) {
            cr_assert_lt(depth, 64);
            open[depth++] = tag;
            continue;
        }
        cr_assert_gt(depth, 0, "%.60s", tag.name);
        depth--;
        cr_assert(open[depth].length == tag.length &&
                      !strncmp(open[depth].name, tag.name, (size_t)tag.length),
                  "<%.60s is closed by </%.60s", open[depth].name, tag.name);
    }
    cr_expect_eq(depth, 0);
}

/* The attribute's value in the tag, or false. */
static bool attribute(const Tag *tag, const char *name, char value[128])
{
    const size_t n = strlen(name);
    for (const char *at = tag->name; at < tag->end; at++) {
        if (at[0] != ' ' || strncmp(at + 1, name, n) || at[1 + n] != '=') continue;
        const char quote = at[2 + n], *from = at + 3 + n;
        snprintf(value, 128, "%.*s", (int)(strchr(from, quote) - from), from);
        return true;
    }
    return false;
}

static bool is_name(const char *text, const char *name)
{
    char id[128];
    Tag tag;
    int count = 0;
    while (tag_next(&text, &tag))
        count += attribute(&tag, "id", id) && !strcmp(id, name);
    return count == 1;
}

/* Every id is there once, and what is referred to is on the page. */
static void expect_names_good(const char *text)
{
    static const char *const refer[] = {"href", "xlink:href"};
    char value[128];
    const char *at = text;
    Tag tag;
    while (tag_next(&at, &tag)) {
        if (attribute(&tag, "id", value))
            cr_assert(is_name(text, value), "id %s is there twice", value);
        for (int i = 0; i < 2; i++)
            if (attribute(&tag, refer[i], value))
                cr_assert(*value == '#' && is_name(text, value + 1), "no %s", value);
        cr_expect(!attribute(&tag, "src", value), "%s", value);
        cr_expect(strncmp(tag.name, "link", 4) && strncmp(tag.name, "script", 6));
    }
}

static int count_of(const char *text, const char *what)
{
    int count = 0;
    for (; (text = strstr(text, what)); text++) count++;
    return count;
}

static const char *page_text(void)
{
    WeftError err;
    cr_assert(page_write(&page, ".", &err), "%s", err.text);
    return text_of("index.html");
}

Test(report, page_is_well_formed_and_needs_nothing_else)
{
    const char *text = page_text();
    expect_balanced(text);
    expect_names_good(text);
    cr_expect_eq(count_of(text, "url(http"), 0);
    cr_expect_eq(count_of(text, "@import"), 0);
}

Test(report, page_has_all_figures_named_for_those_who_do_not_see_them)
{
    const char *text = page_text();
    static const char *const names[] = {
        "mission",         "drawn_success", "drawn_last",      "drawn_curves_20",
        "drawn_curves_10", "other_last",    "other_curves_20", "other_curves_10"};
    const int count = sizeof names / sizeof *names;
    for (int i = 0; i < count; i++) cr_expect(is_name(text, names[i]), "%s", names[i]);
    cr_expect_eq(count_of(text, "<figure "), count);
    cr_expect_eq(count_of(text, "<figcaption>"), count);
    cr_expect_eq(count_of(text, "<svg role=\"img\" aria-label=\""), count);
    cr_expect(strstr(text, "aria-label=\"drawn: last loss against length\""));
}

Test(report, page_begins_with_the_two_lines_and_all_verdicts)
{
    const char *text = page_text(),
               *section = strstr(text, "<h2 id=\"chapter-adding\">");
    cr_assert(section);
    const char *const in_order[] = {
        "1 of 2 chapters hold; 1 without rows yet.",
        "1 of 3 published values agree within their margin.",
        "<figure id=\"mission\">",
        "<caption>All chapters and claims</caption>",
        "<a href=\"#chapter-adding\">",
        "<td class=\"holds\">",
        "<a href=\"#drawn\">drawn</a>: lstm is below 1",
        "<a href=\"#chapter-grammar\">",
        "<td class=\"fails\">",
        "lstm &amp; gru are below 0",
        "does not hold",
        "Polyphonic music</th>",
        "no rows yet"};
    for (size_t i = 0; i < sizeof in_order / sizeof *in_order; i++) {
        text = strstr(text, in_order[i]);
        cr_assert(text && text < section, "%s", in_order[i]);
    }
}

Test(report, page_has_ours_beside_the_paper)
{
    const char *text = page_text();
    cr_expect(strstr(text, "<th scope=\"col\">ours</th>\n<th scope=\"col\">paper</th>\n"
                           "<th scope=\"col\">source</th>\n<th scope=\"col\">agrees"));
    cr_expect(strstr(text, "<td>a value</td>\n<td>0.005 (median of 2 seeds)</td>\n"
                           "<td>0.01</td>\n<td>Paper &lt;1&gt;</td>\n"
                           "<td class=\"holds\">"));
    cr_expect(strstr(text, "does not agree") && strstr(text, "not enough runs"));
    cr_expect(strstr(text, "Is 1 &lt; 2 &amp; 3?"));
    cr_expect(strstr(text, "(other settings)"));
    cr_expect(strstr(text, "<code>build/weft run drawn --cell 'lstm' --length 20"));
    cr_expect(strstr(text, "<code>0123456789abcdef</code>"));
    cr_expect(strstr(text, "size full: <code>--seed 0..4</code>"));
}

Test(report, names_of_cells_are_escaped)
{
    Sampled odd = {{{0}}, {0}};
    train_all(&odd, "<b>&\"'.cell", 0.1);
    result[1].rows = odd.rows;
    const char *text = page_text();
    expect_balanced(text);
    expect_names_good(text);
    cr_expect(strstr(text, "<td>&lt;b&gt;&amp;&quot;'.cell</td>"));
}

static void rate(Sampled *of, int seed, double rate, double loss)
{
    train(of, "lstm", 20, (uint64_t)seed, loss, STATE_SPENT);
    of->row[of->rows.count - 2].rate = of->row[of->rows.count - 1].rate = rate;
}

Test(report, page_shows_all_rates_and_marks_the_one_that_was_chosen)
{
    Rows rows;
    Sampled of = {{{0}}, {0}};
    WeftError err;
    rate(&of, 0, 0.1, 0.3);
    rate(&of, 0, 0.01, 0.2);
    cr_expect(!strstr(page_text(), "Learning rates tried"));
    rows = of.rows;
    rows.row = calloc((size_t)rows.count, sizeof(Row));
    memcpy(rows.row, of.row, (size_t)rows.count * sizeof(Row));
    cr_assert(rows_choose(&rows, &err));
    result[1].rows = rows;
    const char *text = page_text();
    cr_expect(strstr(text, "<td>0.01</td>\n<td>0 of 1</td>\n<td>0.2</td>\n"
                           "<td class=\"holds\">\xe2\x9c\x93 chosen"));
    cr_expect(strstr(text, "<td>0.1</td>\n<td>0 of 1</td>\n<td>0.3</td>\n"
                           "<td class=\"holds\"></td>"));
    rows_close(&rows);
}

Test(report, page_that_cannot_be_written_leaves_the_old_one)
{
    WeftError err;
    page_text();
    page.chapters.asked = 7;
    cr_assert_eq(system("rm mission.svg && mkdir mission.svg"), 0);
    cr_expect(!page_write(&page, ".", &err));
    cr_expect(strstr(err.text, "mission"), "%s", err.text);
    cr_expect_eq(system("test -z \"$(ls | grep part)\""), 0);
    cr_expect(holds("index.html", "1 of 2 chapters hold"));
    cr_expect(!page_write(&page, "nowhere", &err));
    cr_expect(strstr(err.text, "nowhere/index.html"), "%s", err.text);
}

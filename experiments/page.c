/* page.c: see page.h. Every tag is closed, so that what reads XML reads the page. */
#include "page.h"

#include "point.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CELLS_SHOWN 8 /* columns of texts */

/* ---- HTML ---- */

static void put(FILE *html, const char *text)
{
    for (; *text; text++) switch (*text) {
        case '<': fputs("&lt;", html); break;
        case '>': fputs("&gt;", html); break;
        case '&': fputs("&amp;", html); break;
        case '"': fputs("&quot;", html); break;
        default: fputc((unsigned char)*text < ' ' ? ' ' : *text, html);
        }
}

/* <tag>text</tag>, the text formatted and escaped; a tag may have attributes. */
static void element(FILE *html, const char *tag, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void element(FILE *html, const char *tag, const char *format, ...)
{
    char text[4096];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    fprintf(html, "<%s>", tag);
    put(html, text);
    fprintf(html, "</%.*s>\n", (int)strcspn(tag, " "), tag);
}

/* A table that scrolls in its own box: its caption, and its columns parted by |. */
static void table_begin(FILE *html, const char *caption, const char *columns)
{
    fprintf(html, "<div class=\"wide\" role=\"region\" tabindex=\"0\" aria-label=\"");
    put(html, caption);
    fprintf(html, "\"><table%s>\n",
            strlen(columns) > 24 ? " class=\"many\"" : ""); /* of them */
    element(html, "caption", "%s", caption);
    fprintf(html, "<thead><tr>");
    while (*columns) {
        const int n = (int)strcspn(columns, "|");
        element(html, "th scope=\"col\"", "%.*s", n, columns);
        columns += n + (columns[n] == '|');
    }
    fprintf(html, "</tr></thead><tbody>\n");
}

static void table_end(FILE *html)
{
    fprintf(html, "</tbody></table></div>\n");
}

static const char style[] =
    "body{font:1rem/1.5 system-ui,sans-serif;color:#1a1a1a;background:#fff;"
    "max-width:64rem;margin:0 auto;padding:1rem;overflow-wrap:break-word}\n"
    "h1{font-size:1.7rem;line-height:1.2;margin:.5rem 0}\n"
    "h2{font-size:1.4rem;line-height:1.25;border-top:2px solid #ddd;padding-top:1rem;"
    "margin-top:3rem}\n"
    "h3{font-size:1.1rem;margin-top:2rem}\n"
    "a{color:#00538a}\n"
    ".lead{font-size:1.2rem;margin:.3rem 0}.note{color:#555;font-size:.9rem}\n"
    ".figures{display:grid;gap:1rem;align-items:start;"
    "grid-template-columns:repeat(auto-fit,minmax(min(100%,24rem),1fr))}\n"
    "figure{margin:.8rem 0;max-width:36rem}"
    "figcaption{color:#555;font-size:.9rem}\n"
    "svg{width:100%;height:auto;display:block}\n"
    ".wide{overflow-x:auto;margin:1rem 0}\n"
    "table{border-collapse:collapse;width:100%;font-size:.92rem}\n"
    ".many{min-width:40rem}\n"
    "caption{text-align:left;font-weight:600;padding:.2rem 0}\n"
    "th,td{text-align:left;vertical-align:top;padding:.35rem .8rem .35rem 0;"
    "border-bottom:1px solid #ddd}\n"
    "tr.chapter>*{border-top:2px solid #bbb;font-weight:600;padding-top:.6rem}\n"
    ".holds{color:#00684c}.fails{color:#a63603}.incomplete{color:#666}\n"
    ".holds,.fails,.incomplete{font-weight:600;white-space:nowrap}\n"
    "code,pre{font:.85rem/1.4 ui-monospace,monospace}\n"
    "pre{white-space:pre-wrap;overflow-wrap:anywhere}\n"
    "code{background:#f3f3f3;padding:.1rem .3rem;border-radius:3px}\n"
    "details{margin:1rem 0}summary{cursor:pointer}\n"
    "details table{font-size:.82rem}details td{white-space:nowrap}\n"
    "@media print{body{max-width:none;padding:0;font-size:10pt}"
    "h2{break-before:page}h2,h3,caption{break-after:avoid}figure,tr{break-inside:avoid}"
    ".wide{overflow:visible}a{color:inherit}"
    ".figures{grid-template-columns:1fr 1fr}}\n";

/* ---- figures ---- */

/* What follows in the line is a name that the page has once. */
static size_t name_begins(const char *at)
{
    static const char *const marks[] = {"id='", "id=\"", "href='#", "url(#"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (!strncmp(at, marks[i], strlen(marks[i]))) return strlen(marks[i]);
    return 0;
}

/* What a browser would show as a hint. */
static const char *skip_hint(const char *at)
{
    static const char *const tags[][2] = {{"<title>", "</title>"},
                                          {"<desc>", "</desc>"}};
    for (int i = 0; i < 2; i++) {
        const char *end = strstr(at, tags[i][1]);
        if (!strncmp(at, tags[i][0], strlen(tags[i][0])) && end)
            return end + strlen(tags[i][1]);
    }
    return at;
}

static void svg_line(FILE *html, const char *line, const char *figure)
{
    for (const char *at = skip_hint(line); *at; at = skip_hint(at)) {
        const size_t n = name_begins(at);
        if (n)
            fprintf(html, "%.*s%s-", (int)n, at, figure);
        else
            fputc(*at, html);
        at += n ? n : 1;
    }
}

/* The file of a figure, from <svg on. */
static bool svg_put(FILE *html, const char *path, const Figure *figure, WeftError *err)
{
    FILE *file = fopen(path, "r");
    if (!file) return fail(err, "%s: %s", path, strerror(errno));
    char *line = NULL;
    size_t room = 0;
    bool begun = false;
    while (getline(&line, &room, file) >= 0) {
        const char *rest = line;
        if (!begun && !strncmp(line, "<svg", 4)) {
            begun = true;
            rest += 4;
            fprintf(html, "<svg role=\"img\" aria-label=\"");
            put(html, figure->title);
            fputc('"', html);
        }
        if (begun) svg_line(html, rest, figure->name);
    }
    free(line);
    fclose(file);
    return begun || fail(err, "%s: no <svg> in it", path);
}

static bool figure_put(FILE *html, const char *folder, const Figure *figure,
                       WeftError *err)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/%s.svg", folder, figure->name);
    fprintf(html, "<figure id=\"%s\">\n", figure->name);
    if (!svg_put(html, path, figure, err)) return false;
    element(html, "figcaption", "%s", figure->caption);
    fprintf(html, "</figure>\n");
    return true;
}

static bool figures_put(FILE *html, const Result *result, const char *folder,
                        WeftError *err)
{
    Figure figure[FIGURES_MAX];
    int count;
    if (!figures_draw(result, folder, figure, &count, err)) return false;
    fprintf(html, "<div class=\"figures\">\n");
    for (int i = 0; i < count; i++)
        if (!figure_put(html, folder, &figure[i], err)) return false;
    fprintf(html, "</div>\n");
    return true;
}

/* ---- verdicts ---- */

static const char *const claim_words[] = {
    "\xe2\x9c\x93 holds", "\xe2\x9c\x97 does not hold", "\xe2\x80\xa6 not enough runs"};
static const char *const value_words[] = {"\xe2\x9c\x93 agrees",
                                          "\xe2\x9c\x97 does not agree",
                                          "\xe2\x80\xa6 not enough runs"};

static void ruling_put(FILE *html, Ruling ruling, bool as_declared,
                       const char *const words[])
{
    fprintf(html, "<td class=\"%s\">", ruling_names[ruling]);
    put(html, words[ruling]);
    fprintf(html, "%s</td>", as_declared ? "" : "<br/>(other settings)");
}

typedef void PutClaim(FILE *html, const Result *result, const Claim *claim,
                      const Verdict *verdict);

/* A row for each that is asked. */
static void claims_put(FILE *html, const Result *result, const Claim *claims,
                       PutClaim *row)
{
    for (const Claim *c = claims; c && c->name; c++) {
        const Verdict verdict = claim_judge(result->experiment, c, &result->rows);
        if (!verdict.asked) continue;
        fprintf(html, "<tr>");
        row(html, result, c, &verdict);
        fprintf(html, "</tr>\n");
    }
}

static void claim_row(FILE *html, const Result *result, const Claim *claim,
                      const Verdict *verdict)
{
    (void)result;
    element(html, "td", "%s", claim->text);
    ruling_put(html, verdict->ruling, verdict->as_declared, claim_words);
    element(html, "td", "%s", verdict->ours);
    element(html, "td", "%s", claim->published);
    element(html, "td", "%s", claim->source);
}

static void value_row(FILE *html, const Result *result, const Claim *value,
                      const Verdict *verdict)
{
    (void)result;
    element(html, "td", "%s", value->text);
    element(html, "td", "%s", verdict->ours);
    element(html, "td", "%s", value->published);
    element(html, "td", "%s", value->source);
    ruling_put(html, verdict->ruling, verdict->as_declared, value_words);
}

/* In the table of all. */
static void verdict_row(FILE *html, const Result *result, const Claim *claim,
                        const Verdict *verdict)
{
    fprintf(html, "<td><a href=\"#%s\">%s</a>: ", result->experiment->name,
            result->experiment->name);
    put(html, claim->text);
    fprintf(html, "</td>");
    ruling_put(html, verdict->ruling, verdict->as_declared, claim_words);
}

static void tables_put(FILE *html, const Result *result, const Tally *claims,
                       const Tally *values)
{
    if (claims->asked) {
        table_begin(html, "Claims", "claim|verdict|ours|published|source");
        claims_put(html, result, result->experiment->claims, claim_row);
        table_end(html);
    }
    if (values->asked) {
        table_begin(html, "Published values", "value|ours|paper|source|agrees");
        claims_put(html, result, result->experiment->values, value_row);
        table_end(html);
    }
}

/* ---- texts that were made ---- */

static void letters_put(FILE *html, const Made *made)
{
    char text[8 * MEASURED_MAX] = "";
    for (int i = 0; i < made->count; i++)
        append(text, sizeof text, "&#%u;", (unsigned)made->value[i]);
    fprintf(html, "<td>%s</td>", text);
}

static void texts_put(FILE *html, const Result *result)
{
    const Experiment *experiment = result->experiment;
    char columns[512] = "of", cell[CELLS_SHOWN][CELL_NAME_SIZE];
    int cells = 0;
    if (experiment->shown != SHOWN_LETTERS) return;
    for (const char *list = experiment->grid.cells;
         cells < CELLS_SHOWN && list_next(&list, cell[cells], sizeof *cell);)
        append(columns, sizeof columns, "|%s", cell[cells++]);
    table_begin(html, "Drawn, each as likely as the net says", columns);
    for (uint64_t at = 0; experiment->shown_names[at]; at++) {
        if (!made_of(&result->rows, NULL, at).count) continue;
        fprintf(html, "<tr>");
        element(html, "td", "%s", experiment->shown_names[at]);
        for (int c = 0; c < cells; c++) {
            const Made made = made_of(&result->rows, cell[c], at);
            letters_put(html, &made);
        }
        fprintf(html, "</tr>\n");
    }
    table_end(html);
}

/* ---- trainings ---- */

/* A row's place in its list: the rows that count come first. */
static bool counts(const Rows *rows, const Row *row)
{
    return row - rows->row < rows->count;
}

static bool is_first_of_rate(const Rows *rows, int i)
{
    const Row *row = &rows->row[i];
    for (int j = 0; j < i; j++)
        if (row_is_last(&rows->row[j]) && rows->row[j].rate == row->rate &&
            row_is_alike(&rows->row[j], row))
            return false;
    return row_is_last(row);
}

/* Those that do not count are of a rate that does not, or of another group. */
static int others(const Rows *rows, bool of_group)
{
    int count = 0;
    for (int i = rows->count; i < rows->all; i++)
        count += row_is_last(&rows->row[i]) &&
                 !strcmp(rows->row[i].group, rows->row[0].group) == of_group;
    return count;
}

static void rate_row(FILE *html, const Rows *rows, const Row *row, double *room)
{
    const Standing s = rows_standing(rows, row, row->rate, room);
    fprintf(html, "<tr>");
    element(html, "td", "%s", row->cell);
    element(html, "td", "%" PRIu64, row->length);
    element(html, "td", "%g", row->rate);
    element(html, "td", "%d of %d", s.solved, s.runs);
    element(html, "td", "%.6g", s.middle);
    element(html, "td class=\"holds\"", "%s",
            counts(rows, row) ? "\xe2\x9c\x93 chosen" : "");
    fprintf(html, "</tr>\n");
}

static void rates_of_cell_put(FILE *html, const Rows *rows, int i, double *room)
{
    for (int j = i; j < rows->all; j++)
        if (row_is_alike(&rows->row[j], &rows->row[i]) && is_first_of_rate(rows, j))
            rate_row(html, rows, &rows->row[j], room);
}

static bool rates_put(FILE *html, const Result *result, WeftError *err)
{
    const Rows *rows = &result->rows;
    if (!others(rows, true)) return true;
    double *room = calloc((size_t)rows->all + 1, sizeof *room);
    if (!room) return fail(err, "out of memory");
    fprintf(html, "<details><summary>Learning rates tried: %s</summary>\n",
            "the best on validation counts");
    table_begin(html, "Learning rates",
                "cell|length|rate|seeds solved|median validation loss|");
    for (int i = 0; i < rows->count; i++) /* a cell and length, then its other rates */
        if (is_first_of_rate(rows, i)) rates_of_cell_put(html, rows, i, room);
    table_end(html);
    fprintf(html, "</details>\n");
    free(room);
    return true;
}

static void training_row(FILE *html, const Experiment *experiment, const Row *row)
{
    fprintf(html, "<tr>");
    element(html, "td", "%s", row->cell);
    element(html, "td", "%" PRIu64, row->length);
    element(html, "td", "%" PRIu64, row->seed);
    element(html, "td", "%g", row->rate);
    element(html, "td", "%s", row->state);
    element(html, "td", "%" PRIu64, row->step);
    element(html, "td", "%.6g", row->loss);
    if (experiment_has_score(experiment)) element(html, "td", "%.6g", row->score);
    element(html, "td", "%.1f", row->seconds);
    element(html, "td", "%s", row->isa);
    element(html, "td", "%" PRIu64, row->threads);
    fprintf(html, "<td>");
    element(html, "code", "%s", row->digest);
    fprintf(html, "</td><td>");
    element(html, "code", "build/%s", row->command);
    fprintf(html, "</td></tr>\n");
}

static void size_put(FILE *html, const char *size, const char *options)
{
    if (!options) return;
    fprintf(html, "<p>Settings of the size %s: ", size);
    element(html, "code", "%s", options + strspn(options, " "));
    fprintf(html, "</p>\n");
}

static void trainings_put(FILE *html, const Result *result)
{
    const Experiment *experiment = result->experiment;
    const bool score = experiment_has_score(experiment);
    const Settings none = {0};
    char columns[256], settings[SETTINGS_TEXT] = "";
    settings_difference(&none, &experiment->train, settings);
    snprintf(columns, sizeof columns,
             "cell|length|seed|rate|outcome|updates|loss|%sseconds|ISA|threads|"
             "digest of the parameters|command",
             score ? "score|" : "");
    fprintf(html, "<details><summary>Every training: its outcome, and the command that "
                  "repeats it</summary>\n");
    size_put(html, "short", settings);
    size_put(html, "full", experiment->full);
    size_put(html, "long", experiment->longer);
    if (others(&result->rows, false))
        element(html, "p class=\"note\"",
                "%d of other settings or data are listed, and do not count.",
                others(&result->rows, false));
    table_begin(html, "Trainings", columns);
    for (int i = 0; i < result->rows.all; i++)
        if (row_is_last(&result->rows.row[i]))
            training_row(html, experiment, &result->rows.row[i]);
    table_end(html);
    fprintf(html, "</details>\n");
}

/* ---- sections ---- */

static bool has_size(const Rows *rows, const char *size)
{
    for (int i = 0; i < rows->count; i++)
        if (!strcmp(rows->row[i].size, size)) return true;
    return false;
}

static void repeat_put(FILE *html, const Result *result)
{
    fprintf(html, "<p>To repeat: ");
    bool told = false;
    for (int i = 1; size_names[i]; i++) {
        if (!has_size(&result->rows, size_names[i])) continue;
        element(html, "code", "build/weft run %s --size %s", result->experiment->name,
                size_names[i]);
        told = true;
    }
    if (!told) element(html, "code", "build/weft run %s", result->experiment->name);
    fprintf(html, "</p>\n");
}

static bool experiment_put(FILE *html, const Result *result, const char *folder,
                           WeftError *err)
{
    const Experiment *experiment = result->experiment;
    const Tally claims = claims_tally(experiment, experiment->claims, &result->rows);
    const Tally values = claims_tally(experiment, experiment->values, &result->rows);
    fprintf(html, "<h3 id=\"%s\">", experiment->name);
    put(html, experiment->question);
    fprintf(html, "</h3>\n<p><strong>Claim:</strong> ");
    put(html, experiment->claim);
    fprintf(html, ".</p>\n");
    if (!figures_put(html, result, folder, err)) return false;
    texts_put(html, result);
    tables_put(html, result, &claims, &values);
    if (!rates_put(html, result, err)) return false;
    repeat_put(html, result);
    trainings_put(html, result);
    return true;
}

static bool section_put(FILE *html, const Page *page, Chapter chapter,
                        const char *folder, WeftError *err)
{
    const Section *section = &page->section[chapter];
    if (!section->results) return true;
    fprintf(html, "<section>\n<h2 id=\"chapter-%s\">", chapter_names[chapter]);
    put(html, chapter_titles[chapter]);
    fprintf(html, "</h2>\n");
    if (section->waiting)
        element(html, "p class=\"note\"", "%d more of this chapter without rows yet.",
                section->waiting);
    for (int i = 0; i < section->results; i++)
        if (!experiment_put(html, &section->result[i], folder, err)) return false;
    fprintf(html, "</section>\n");
    return true;
}

static void chapter_row(FILE *html, const Section *section, Chapter chapter)
{
    if (!section->results && !section->waiting) return; /* not asked for */
    fprintf(html, "<tr class=\"chapter\"><th scope=\"row\">");
    if (section->results)
        fprintf(html, "<a href=\"#chapter-%s\">", chapter_names[chapter]);
    put(html, chapter_titles[chapter]);
    if (section->results) {
        fprintf(html, "</a></th>");
        ruling_put(html, tally_ruling(&section->claims), true, claim_words);
    } else {
        fprintf(html, "</th><td class=\"incomplete\">no rows yet</td>");
    }
    fprintf(html, "</tr>\n");
}

static void verdicts_put(FILE *html, const Page *page)
{
    table_begin(html, "All chapters and claims", "claim|verdict");
    for (Chapter c = 0; c < CHAPTERS; c++) {
        const Section *section = &page->section[c];
        chapter_row(html, section, c);
        for (int i = 0; i < section->results; i++)
            claims_put(html, &section->result[i], section->result[i].experiment->claims,
                       verdict_row);
    }
    table_end(html);
}

static bool machine_put(FILE *html, WeftError *err)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out) return fail(err, "out of memory");
    const bool good = weft_machine_describe(out, false, err);
    fclose(out);
    fprintf(html, "<section><h2 id=\"machine\">The machine that wrote this page</h2>"
                  "<pre>");
    for (char *line = text; good && line && *line;) {
        char *const end = strchr(line, '\n');
        if (end) *end = 0;
        put(html, line);
        fputc('\n', html);
        line = end ? end + 1 : NULL;
    }
    fprintf(html, "</pre>\n<p>weft %s</p></section>\n", weft_version());
    free(text);
    return good;
}

/* ---- the page ---- */

void page_headline(const Page *page, char chapters[HEADLINE_SIZE],
                   char values[HEADLINE_SIZE])
{
    int waiting = 0;
    for (int c = 0; c < CHAPTERS; c++)
        waiting += !page->section[c].results && page->section[c].waiting;
    snprintf(chapters, HEADLINE_SIZE, "%d of %d chapters hold",
             page->chapters.ruling[HOLDS], page->chapters.asked);
    if (waiting) append(chapters, HEADLINE_SIZE, "; %d without rows yet", waiting);
    snprintf(values, HEADLINE_SIZE,
             "%d of %d published values agree within their margin",
             page->values.ruling[HOLDS], page->values.asked);
}

static void head_put(FILE *html, const Page *page)
{
    char chapters[HEADLINE_SIZE], values[HEADLINE_SIZE];
    page_headline(page, chapters, values);
    fprintf(html,
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\n"
            "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"/>\n"
            "<title>weft: what recurrent cells remember</title>\n"
            "<style>\n%s</style></head>\n"
            "<body>\n<header><h1>What recurrent cells remember, short and long</h1>\n",
            style);
    element(html, "p class=\"lead\"", "%s.", chapters);
    element(html, "p class=\"lead\"", "%s.", values);
    element(html, "p class=\"note\"",
            "Every number is computed from the rows that weft run wrote; margins were "
            "fixed before the runs.");
    fprintf(html, "</header>\n<main>\n");
}

static bool body_put(FILE *html, const Page *page, const char *folder, WeftError *err)
{
    Figure mission;
    int drawn;
    head_put(html, page);
    if (!figure_mission(page->result, page->results, folder, &mission, &drawn, err))
        return false;
    if (drawn && !figure_put(html, folder, &mission, err)) return false;
    verdicts_put(html, page);
    for (Chapter c = 0; c < CHAPTERS; c++)
        if (!section_put(html, page, c, folder, err)) return false;
    if (!machine_put(html, err)) return false;
    fprintf(html, "</main>\n</body></html>\n");
    return true;
}

/* Written beside, then renamed: the page is whole or the old one. */
bool page_write(const Page *page, const char *folder, WeftError *err)
{
    char path[4200], beside[4300];
    snprintf(path, sizeof path, "%s/index.html", folder);
    snprintf(beside, sizeof beside, "%s.%ld.part", path, (long)getpid());
    FILE *html = fopen(beside, "w");
    if (!html) return fail(err, "%s: %s", beside, strerror(errno));
    bool good = body_put(html, page, folder, err);
    const bool kept = !fflush(html) && !ferror(html) && !fsync(fileno(html));
    if ((fclose(html) || !kept) && good)
        good = fail(err, "%s: %s", beside, strerror(errno));
    if (good && rename(beside, path)) good = fail(err, "%s: %s", path, strerror(errno));
    if (!good) unlink(beside);
    return good;
}

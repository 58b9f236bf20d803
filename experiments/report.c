/* report.c: `weft report`: a line for each claim, and one page with the figures in
 * it. */
#include "figure.h"
#include "verbs.h"
#include "verdict.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct Options {
    const char *out;
} Options;

static const Option options_table[] = {
    {"out", "DIR", "where the rows are; figures and page go there too", &option_text,
     offsetof(Options, out), 0, 0, NULL},
    {0},
};

/* ---- HTML ---- */

static void put(FILE *page, const char *text)
{
    for (; *text; text++) switch (*text) {
        case '<': fputs("&lt;", page); break;
        case '>': fputs("&gt;", page); break;
        case '&': fputs("&amp;", page); break;
        case '"': fputs("&quot;", page); break;
        default: fputc(*text, page);
        }
}

/* <tag>text</tag> */
static void element(FILE *page, const char *tag, const char *text)
{
    fprintf(page, "<%s>", tag);
    put(page, text);
    fprintf(page, "</%.*s>\n", (int)strcspn(tag, " "), tag);
}

static const char style[] =
    "body{font:16px/1.5 system-ui,sans-serif;color:#1a1a1a;background:#fff;"
    "max-width:56rem;margin:0 auto;padding:1rem}\n"
    "h1{font-size:1.6rem;line-height:1.2;margin:.5rem 0}\n"
    "h2{font-size:1.3rem;border-top:2px solid "
    "#ddd;padding-top:1rem;margin-top:2.5rem}\n"
    "h3{font-size:1.05rem}\n"
    ".lead{font-size:1.15rem}\n"
    "figure{margin:1.2rem 0}figcaption{color:#555;font-size:.9rem}\n"
    "svg{width:100%;height:auto;max-width:44rem;display:block}\n"
    ".wide{overflow-x:auto}\n"
    "table{border-collapse:collapse;width:100%;font-size:.92rem}\n"
    "th,td{text-align:left;vertical-align:top;padding:.35rem .7rem .35rem 0;"
    "border-bottom:1px solid #ddd}\n"
    ".holds{color:#00684c}.fails{color:#a63603}.incomplete{color:#666}\n"
    ".holds,.fails,.incomplete{font-weight:600;white-space:nowrap}\n"
    "code,pre{font:.85rem/1.4 ui-monospace,monospace}pre{white-space:pre-wrap}\n"
    "code{background:#f3f3f3;padding:.1rem .3rem;border-radius:3px;"
    "overflow-wrap:anywhere}\n"
    "@media print{body{max-width:none;font-size:11pt}h2{break-before:page}"
    "figure,tr{break-inside:avoid}}\n";

static const char *const signs[] = {"\xe2\x9c\x93", "\xe2\x9c\x97", "\xe2\x80\xa6"};

/* The file of a figure, from <svg on; its names made its own, for they share the
 * page. */
static bool figure_put(FILE *page, const char *folder, const Figure *figure,
                       WeftError *err)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/%s.svg", folder, figure->name);
    FILE *file = fopen(path, "r");
    if (!file) return fail(err, "%s: %s", path, strerror(errno));
    char *line = NULL;
    size_t room = 0;
    bool begun = false;
    fprintf(page, "<figure>\n");
    while (getline(&line, &room, file) >= 0) {
        begun = begun || !strncmp(line, "<svg", 4);
        const char *at = line;
        for (const char *hit; begun && (hit = strstr(at, "gp")); at = hit + 2)
            fprintf(page, "%.*s%s-gp", (int)(hit - at), at, figure->name);
        if (begun) fputs(at, page);
    }
    free(line);
    fclose(file);
    element(page, "figcaption", figure->caption);
    fprintf(page, "</figure>\n");
    return begun || fail(err, "%s: no <svg> in it", path);
}

/* ---- claims ---- */

typedef struct Tally {
    int ruling[3], other; /* other: rows of settings that are not the declared ones */
} Tally;

static void claims_print(const Result *result, Tally *tally)
{
    for (const Claim *c = result->experiment->claims; c && c->name; c++) {
        const Verdict verdict = claim_judge(result->experiment, c, &result->rows);
        if (!verdict.asked) continue;
        tally->ruling[verdict.ruling]++;
        tally->other += !verdict.as_declared;
        char name[128];
        snprintf(name, sizeof name, "%s/%s", result->experiment->name, c->name);
        printf("%-20s %-11s ours: %s; published: %s (%s)%s\n", name,
               ruling_names[verdict.ruling], verdict.ours, c->published, c->source,
               verdict.as_declared ? "" : " [not the declared settings]");
    }
}

static void claims_table(FILE *page, const Result *result)
{
    fprintf(page, "<div class=wide><table><tr><th>claim<th>agrees<th>ours<th>published"
                  "<th>source</tr>\n");
    for (const Claim *c = result->experiment->claims; c && c->name; c++) {
        const Verdict verdict = claim_judge(result->experiment, c, &result->rows);
        if (!verdict.asked) continue;
        const char *ruling = ruling_names[verdict.ruling];
        fprintf(page, "<tr><td>");
        put(page, c->text);
        fprintf(page, "<td class=%s>%s %s%s<td>", ruling, signs[verdict.ruling], ruling,
                verdict.as_declared ? "" : "<br>(other settings)");
        put(page, verdict.ours);
        fprintf(page, "<td>");
        put(page, c->published);
        fprintf(page, "<td>");
        put(page, c->source);
        fprintf(page, "</tr>\n");
    }
    fprintf(page, "</table></div>\n");
}

/* ---- the parts of the page ---- */

static void points_table(FILE *page, const Result *result)
{
    fprintf(
        page,
        "<details><summary>Every training: outcome, digest of the parameters, the "
        "command "
        "that repeats it</summary>\n<div "
        "class=wide><table><tr><th>cell<th>length<th>seed"
        "<th>outcome<th>updates<th>loss<th>seconds<th>digest<th>isa<th>command</tr>\n");
    for (int i = 0; i < result->rows.all; i++) {
        const Row *row = &result->rows.row[i];
        if (!row_is_last(row)) continue;
        fprintf(page, "<tr><td>");
        put(page, row->cell);
        fprintf(page,
                "<td>%" PRIu64 "<td>%" PRIu64 "<td>%s<td>%" PRIu64
                "<td>%.6g<td>%.1f<td><code>%s</code><td>%s<td><code>build/",
                row->length, row->seed, row->state, row->step, row->loss, row->seconds,
                row->digest, row->isa);
        put(page, row->command);
        fprintf(page, "</code></tr>\n");
    }
    fprintf(page, "</table></div></details>\n");
}

static bool figures_put(FILE *page, const Result *result, const char *folder,
                        WeftError *err)
{
    Figure figure;
    uint64_t length[NUMBERS_MAX];
    const int lengths = lengths_of(&result->rows, length);
    if (lengths > 1) {
        if (!figure_last(result, folder, &figure, err) ||
            !figure_put(page, folder, &figure, err))
            return false;
    }
    for (int l = lengths - 1; l >= 0; l--)
        if (!figure_curves(result, length[l], folder, &figure, err) ||
            !figure_put(page, folder, &figure, err))
            return false;
    return true;
}

static bool section_put(FILE *page, const Result *result, const char *folder,
                        WeftError *err)
{
    const Experiment *experiment = result->experiment;
    fprintf(page, "<section>\n");
    fprintf(page, "<h2 id=\"%s\">%s</h2>\n", experiment->name, experiment->name);
    element(page, "p", experiment->question);
    fprintf(page, "<p><strong>Claim:</strong> ");
    put(page, experiment->claim);
    fprintf(page, ".</p>\n");
    if (!figures_put(page, result, folder, err)) return false;
    claims_table(page, result);
    fprintf(page, "<p>To repeat: <code>build/weft run %s</code></p>\n",
            experiment->name);
    points_table(page, result);
    fprintf(page, "</section>\n");
    return true;
}

static bool machine_put(FILE *page, WeftError *err)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out) return fail(err, "out of memory");
    const bool good = weft_machine_describe(out, false, err);
    fclose(out);
    fprintf(page, "<section><h2>This machine</h2><pre>");
    put(page, text);
    fprintf(page, "</pre><p>weft %s</p></section>\n", weft_version());
    free(text);
    return good;
}

static bool page_put(FILE *page, const Result *result, int results, const Tally *tally,
                     const char *folder, WeftError *err)
{
    Figure mission;
    bool drawn;
    fprintf(page,
            "<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8>\n"
            "<meta name=viewport content=\"width=device-width,initial-scale=1\">\n"
            "<title>weft: what recurrent cells "
            "remember</title>\n<style>\n%s</style></head>\n"
            "<body>\n<header><h1>What recurrent cells remember, short and long</h1>\n"
            "<p class=lead>%d of %d claims hold, %d fail, %d are "
            "incomplete.</p></header>\n",
            style, tally->ruling[HOLDS],
            tally->ruling[HOLDS] + tally->ruling[FAILS] + tally->ruling[INCOMPLETE],
            tally->ruling[FAILS], tally->ruling[INCOMPLETE]);
    if (!figure_mission(result, results, folder, &mission, &drawn, err)) return false;
    if (drawn && !figure_put(page, folder, &mission, err)) return false;
    for (int r = 0; r < results; r++)
        if (!section_put(page, &result[r], folder, err)) return false;
    if (!machine_put(page, err)) return false;
    fprintf(page, "</body></html>\n");
    return true;
}

/* Written beside, then renamed: the page is whole or the old one. */
static bool page_write(const Result *result, int results, const Tally *tally,
                       const char *folder, WeftError *err)
{
    char path[4200], beside[4300];
    snprintf(path, sizeof path, "%s/index.html", folder);
    snprintf(beside, sizeof beside, "%s.%ld.part", path, (long)getpid());
    FILE *page = fopen(beside, "w");
    if (!page) return fail(err, "%s: %s", beside, strerror(errno));
    bool good = page_put(page, result, results, tally, folder, err);
    const bool kept = !fflush(page) && !ferror(page) && !fsync(fileno(page));
    if ((fclose(page) || !kept) && good)
        good = fail(err, "%s: %s", beside, strerror(errno));
    if (good && rename(beside, path)) good = fail(err, "%s: %s", path, strerror(errno));
    if (!good) unlink(beside);
    if (good) printf("page: %s\n", path);
    return good;
}

/* ---- the verb ---- */

static bool result_read(const Experiment *experiment, const char *folder, bool must,
                        Result *result, int *results, WeftError *err)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/%s.tsv", folder, experiment->name);
    *result = (Result){.experiment = experiment};
    if (!rows_read(path, &result->rows, err)) return false;
    if (result->rows.count) {
        if (!rows_choose(&result->rows, err)) return false;
        ++*results;
        return true;
    }
    rows_close(&result->rows);
    return !must ||
           fail(err, "%s: no rows yet: weft run %s makes them", path, experiment->name);
}

static bool results_read(const Call *call, const char *folder, Result *result,
                         int *results, WeftError *err)
{
    for (int i = 0; !call->words && experiments[i]; i++)
        if (!result_read(experiments[i], folder, false, &result[*results], results,
                         err))
            return false;
    for (int i = 0; i < call->words; i++) {
        const Experiment *experiment = experiment_find(call->word[i], NULL);
        if (!result_read(experiment, folder, true, &result[*results], results, err))
            return false;
    }
    return *results > 0 ||
           fail(err, "%s: no rows yet: weft run NAME makes them", folder);
}

static Status report_run(const Verb *verb, int argc, char **argv, WeftError *err)
{
    Options options = {.out = "build/results"};
    const OptionGroup groups[] = {{"Options", options_table, &options}, {0}};
    Call call;
    Result result[64];
    Tally tally = {0};
    int results = 0;
    if (!verb_call(verb, groups, argc, argv, &call, err)) return call.status;
    for (int i = 0; i < call.words; i++)
        if (!experiment_find(call.word[i], err)) return BAD_CALL;
    bool good =
        figure_ready(err) && results_read(&call, options.out, result, &results, err);
    for (int r = 0; good && r < results; r++) claims_print(&result[r], &tally);
    good = good && page_write(result, results, &tally, options.out, err);
    for (int r = 0; r < results; r++) rows_close(&result[r].rows);
    return good ? DONE : FAILED;
}

const Verb report_verb = {
    "report",
    "[NAME...]",
    "draw the rows of experiments: figures and one page; a line for each claim\n\n"
    "A claim holds, fails, or is incomplete, as the rows say: nothing is typed. "
    "Without a\n"
    "NAME, all experiments that have rows.",
    0,
    63,
    report_run};

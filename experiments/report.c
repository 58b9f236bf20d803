/* report.c: `weft report`: a line for each claim, value and chapter, and the page. */
#include "report.h"

#include "plot.h"
#include "verbs.h"

#include <stdlib.h>
#include <string.h>

typedef struct Options {
    const char *out;
} Options;

static const Option options_table[] = {
    {"out", "DIR", "where the rows are; figures and page go there too", &option_text,
     offsetof(Options, out), 0, 0, NULL},
    {0},
};

typedef enum Ask { NOT_ASKED, ASKED, NAMED } Ask; /* NAMED: itself; it must have rows */

/* What is asked for, and what there is of it. */
typedef struct Report {
    const char *folder;
    Ask *ask; /* of each experiment in the list */
    Result *result;
    Page page;
} Report;

/* ---- the rows ---- */

static void ask_word(Report *report, const char *word, const Experiment *experiment)
{
    for (int e = 0; experiments[e]; e++)
        if (experiments[e] == experiment && report->ask[e] != NAMED)
            report->ask[e] = strcmp(experiment->name, word) ? ASKED : NAMED;
}

static bool report_ask(Report *report, const Call *call, WeftError *err)
{
    const Experiment **list = calloc((size_t)experiments_count() + 1, sizeof *list);
    if (!list) return fail(err, "out of memory");
    bool good = true;
    for (int i = 0; good && i < call->words; i++) {
        const int count = experiments_named(call->word[i], list, err);
        for (int j = 0; j < count; j++) ask_word(report, call->word[i], list[j]);
        good = count > 0;
    }
    for (int e = 0; !call->words && experiments[e]; e++) report->ask[e] = ASKED;
    free(list);
    return good;
}

/* *count 1: the experiment has rows. */
static bool result_read(const Report *report, int e, Result *result, int *count,
                        WeftError *err)
{
    char path[4200];
    const char *name = experiments[e]->name;
    snprintf(path, sizeof path, "%s/%s.tsv", report->folder, name);
    *result = (Result){.experiment = experiments[e]};
    if (!rows_read(path, &result->rows, err)) return false;
    *count = result->rows.count > 0;
    if (*count && rows_choose(&result->rows, err)) return true;
    rows_close(&result->rows);
    if (*count) return false;
    return report->ask[e] != NAMED ||
           fail(err, "%s: no rows yet: weft run %s makes them", path, name);
}

static bool section_read(Report *report, Chapter chapter, WeftError *err)
{
    Page *page = &report->page;
    Section *section = &page->section[chapter];
    section->result = &report->result[page->results];
    for (int e = 0; experiments[e]; e++) {
        Result *result = &report->result[page->results];
        int count = 0;
        if (experiments[e]->chapter != chapter || !report->ask[e]) continue;
        if (!result_read(report, e, result, &count, err)) return false;
        page->results += count;
        section->results += count;
        section->waiting += !count;
    }
    return true;
}

static bool report_read(Report *report, WeftError *err)
{
    report->page.result = report->result;
    for (Chapter c = 0; c < CHAPTERS; c++)
        if (!section_read(report, c, err)) return false;
    return report->page.results > 0 ||
           fail(err, "%s: no rows yet: weft run NAME makes them", report->folder);
}

/* ---- the lines ---- */

static void claims_print(const Result *result, const char *kind, const Claim *claims,
                         FILE *out)
{
    for (const Claim *c = claims; c && c->name; c++) {
        const Verdict verdict = claim_judge(result->experiment, c, &result->rows);
        char name[128];
        if (!verdict.asked) continue;
        snprintf(name, sizeof name, "%s/%s", result->experiment->name, c->name);
        fprintf(out, "%-8s %-24s %-11s ours: %s; published: %s (%s)%s\n", kind, name,
                ruling_names[verdict.ruling], verdict.ours, c->published, c->source,
                verdict.as_declared ? "" : " [not the declared settings]");
    }
}

static void section_print(const Section *section, Chapter chapter, FILE *out)
{
    const Tally *claims = &section->claims, *values = &section->values;
    if (!section->results && !section->waiting) return; /* not asked for */
    fprintf(out, "%-8s %-24s %-11s %d of %d claims, %d of %d values\n", "chapter",
            chapter_names[chapter],
            section->results ? ruling_names[tally_ruling(claims)] : "no rows",
            claims->ruling[HOLDS], claims->asked, values->ruling[HOLDS], values->asked);
}

void report_print(const Page *page, FILE *out)
{
    char chapters[HEADLINE_SIZE], values[HEADLINE_SIZE];
    for (int i = 0; i < page->results; i++) {
        const Result *result = &page->result[i];
        claims_print(result, "claim", result->experiment->claims, out);
        claims_print(result, "value", result->experiment->values, out);
    }
    for (Chapter c = 0; c < CHAPTERS; c++) section_print(&page->section[c], c, out);
    page_headline(page, chapters, values);
    fprintf(out, "%s\n%s\n", chapters, values);
}

static void section_judge(Section *section)
{
    for (int i = 0; i < section->results; i++) {
        const Rows *rows = &section->result[i].rows;
        const Experiment *experiment = section->result[i].experiment;
        const Tally claims = claims_tally(experiment, experiment->claims, rows);
        const Tally values = claims_tally(experiment, experiment->values, rows);
        tally_add(&section->claims, &claims);
        tally_add(&section->values, &values);
    }
}

void report_judge(Page *page)
{
    for (Chapter c = 0; c < CHAPTERS; c++) {
        Section *section = &page->section[c];
        section_judge(section);
        tally_add(&page->values, &section->values);
        if (!section->results) continue;
        page->chapters.ruling[tally_ruling(&section->claims)]++;
        page->chapters.asked++;
    }
}

/* ---- the verb ---- */

static bool report_write(Report *report, WeftError *err)
{
    if (!plot_ready(err) || !report_read(report, err)) return false;
    report_judge(&report->page);
    report_print(&report->page, stdout);
    if (!page_write(&report->page, report->folder, err)) return false;
    printf("page: %s/index.html\n", report->folder);
    return true;
}

static Status report_run(const Verb *verb, int argc, char **argv, WeftError *err)
{
    Options options = {.out = "build/results"};
    const OptionGroup groups[] = {{"Options", options_table, &options}, {0}};
    const size_t room = (size_t)experiments_count() + 1;
    Report report = {0};
    Call call;
    if (!verb_call(verb, groups, argc, argv, &call, err)) return call.status;
    report.folder = options.out;
    report.ask = calloc(room, sizeof *report.ask);
    report.result = calloc(room, sizeof *report.result);
    Status status = BAD_CALL;
    if (!report.ask || !report.result)
        status = fail(err, "out of memory") ? DONE : FAILED;
    else if (report_ask(&report, &call, err))
        status = report_write(&report, err) ? DONE : FAILED;
    for (int i = 0; i < report.page.results; i++) rows_close(&report.result[i].rows);
    free(report.ask);
    free(report.result);
    return status;
}

const Verb report_verb = {
    "report",
    "[NAME...]",
    "draw the rows of experiments: figures and one page; a line for each claim\n\n"
    "NAME is an experiment, a chapter of the page, or all; without one, all that have "
    "rows.\n"
    "A claim holds, fails, or is incomplete, as the rows say: nothing is typed. A "
    "published\n"
    "value holds when ours is within its margin; a chapter, when all its claims do.",
    0,
    1000,
    report_run};

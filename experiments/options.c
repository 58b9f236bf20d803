/* options.c: see options.h. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS_MAX 64 /* of one verb */
#define VALUE_SIZE  1024

bool fail(WeftError *err, const char *format, ...)
{
    if (!err) return false;
    va_list list;
    va_start(list, format);
    vsnprintf(err->text, sizeof err->text, format, list);
    va_end(list);
    return false;
}

void append(char *text, size_t size, const char *format, ...)
{
    const size_t used = strlen(text);
    va_list list;
    va_start(list, format);
    vsnprintf(text + used, size - used, format, list);
    va_end(list);
}

bool list_next(const char **list, char *item, size_t size)
{
    if (!*list) return false;
    const size_t length = strcspn(*list, ",");
    snprintf(item, size, "%.*s", length < size ? (int)length : 0, *list);
    *list = (*list)[length] ? *list + length + 1 : NULL;
    return true;
}

bool pairs_each(const char *pairs, PairSet set, void *to, WeftError *err)
{
    char item[PAIRS_SIZE];
    for (const char *rest = *pairs ? pairs : NULL;
         list_next(&rest, item, sizeof item);) {
        char *equals = strchr(item, '=');
        *equals = 0;
        if (!set(to, item, strtod(equals + 1, NULL), err)) return false;
    }
    return true;
}

/* ---- kinds of values ---- */

static bool out_of_range(const Option *option, const char *text, WeftError *err)
{
    if (option->max > 0)
        return fail(err, "--%s %s: expected %.10g to %.10g", option->name, text,
                    option->min, option->max);
    return fail(err, "--%s %s: expected %.10g or more", option->name, text,
                option->min);
}

static bool in_range(const Option *option, double value)
{
    return value >= option->min && (option->max <= 0 || value <= option->max);
}

/* A whole number at *text, which moves past it. */
static bool read_whole(const char **text, uint64_t *value)
{
    if (**text < '0' || **text > '9') return false;
    char *end;
    errno = 0;
    *value = strtoull(*text, &end, 10);
    *text = end;
    return errno == 0;
}

static bool count_read(const Option *option, const char *text, void *field,
                       WeftError *err)
{
    const char *end = text;
    uint64_t value = 0;
    if (!read_whole(&end, &value) || *end)
        return fail(err, "--%s %s: expected a whole number", option->name, text);
    if (!in_range(option, (double)value)) return out_of_range(option, text, err);
    *(uint64_t *)field = value;
    return true;
}

static void count_write(const Option *option, const void *field, char *text,
                        size_t size)
{
    (void)option;
    snprintf(text, size, "%llu", (unsigned long long)*(const uint64_t *)field);
}

#define INT_LIMIT 1000000000 /* so that sums of two still fit */

static bool int_read(const Option *option, const char *text, void *field,
                     WeftError *err)
{
    uint64_t value = 0;
    if (!count_read(option, text, &value, err)) return false;
    if (value > INT_LIMIT)
        return fail(err, "--%s %s: expected at most %d", option->name, text, INT_LIMIT);
    *(int *)field = (int)value;
    return true;
}

static void int_write(const Option *option, const void *field, char *text, size_t size)
{
    (void)option;
    snprintf(text, size, "%d", *(const int *)field);
}

static bool number_read(const Option *option, const char *text, void *field,
                        WeftError *err)
{
    char *end;
    const double value = strtod(text, &end);
    if (end == text || *end || !isfinite(value))
        return fail(err, "--%s %s: expected a number", option->name, text);
    if (!in_range(option, value)) return out_of_range(option, text, err);
    *(double *)field = value;
    return true;
}

static void number_write(const Option *option, const void *field, char *text,
                         size_t size)
{
    (void)option;
    snprintf(text, size, "%.9g", *(const double *)field);
}

static bool text_read(const Option *option, const char *text, void *field,
                      WeftError *err)
{
    if (!*text) return fail(err, "--%s: expected a value, not nothing", option->name);
    *(const char **)field = text;
    return true;
}

static void text_write(const Option *option, const void *field, char *text, size_t size)
{
    (void)option;
    const char *value = *(const char *const *)field;
    snprintf(text, size, "%s", value ? value : "");
}

static bool switch_read(const Option *option, const char *text, void *field,
                        WeftError *err)
{
    const bool on = !text || !strcmp(text, "yes");
    if (!on && strcmp(text, "no"))
        return fail(err, "--%s %s: expected yes or no", option->name, text);
    *(bool *)field = on;
    return true;
}

static void switch_write(const Option *option, const void *field, char *text,
                         size_t size)
{
    (void)option;
    snprintf(text, size, "%s", *(const bool *)field ? "yes" : "no");
}

static bool choice_read(const Option *option, const char *text, void *field,
                        WeftError *err)
{
    char all[256] = "";
    for (int i = 0; option->words[i]; i++) {
        if (!strcmp(option->words[i], text)) {
            *(int *)field = i;
            return true;
        }
        append(all, sizeof all, "%s%s", i ? ", " : "", option->words[i]);
    }
    const char *near = weft_nearest(text, option->words);
    return near ? fail(err, "--%s %s: did you mean %s? (%s)", option->name, text, near,
                       all)
                : fail(err, "--%s %s: expected one of %s", option->name, text, all);
}

static void choice_write(const Option *option, const void *field, char *text,
                         size_t size)
{
    snprintf(text, size, "%s", option->words[*(const int *)field]);
}

/* "a" or "a..b" */
static bool range_read(const char *text, Numbers *numbers)
{
    uint64_t first, last;
    if (!read_whole(&text, &first)) return false;
    last = first;
    if (!strncmp(text, "..", 2)) {
        text += 2;
        if (!read_whole(&text, &last)) return false;
    }
    if (*text || last < first ||
        last - first >= (uint64_t)(NUMBERS_MAX - numbers->count))
        return false;
    for (uint64_t i = 0; i <= last - first; i++)
        numbers->item[numbers->count++] = first + i;
    return true;
}

static bool numbers_read(const Option *option, const char *text, void *field,
                         WeftError *err)
{
    Numbers numbers = {0};
    char item[64];
    for (const char *rest = text; list_next(&rest, item, sizeof item);) {
        const int before = numbers.count;
        if (!range_read(item, &numbers))
            return fail(
                err, "--%s %s: expected whole numbers as in 1,2,5 or 0..4, at most %d",
                option->name, text, NUMBERS_MAX);
        for (int i = before; i < numbers.count; i++) {
            if (!in_range(option, (double)numbers.item[i]))
                return out_of_range(option, item, err);
            for (int j = 0; j < i; j++)
                if (numbers.item[j] == numbers.item[i])
                    return fail(err, "--%s %s: %llu is there twice", option->name, text,
                                (unsigned long long)numbers.item[i]);
        }
    }
    *(Numbers *)field = numbers;
    return true;
}

static void numbers_write(const Option *option, const void *field, char *text,
                          size_t size)
{
    (void)option;
    const Numbers *numbers = field;
    text[0] = 0;
    for (int i = 0; i < numbers->count; i++)
        append(text, size, "%s%llu", i ? "," : "",
               (unsigned long long)numbers->item[i]);
}

static bool reals_read(const Option *option, const char *text, void *field,
                       WeftError *err)
{
    char item[64];
    double value[NUMBERS_MAX];
    int count = 0;
    for (const char *rest = text; list_next(&rest, item, sizeof item); count++) {
        if (count == NUMBERS_MAX)
            return fail(err, "--%s: more than %d", option->name, NUMBERS_MAX);
        if (!number_read(option, item, &value[count], err)) return false;
        for (int i = 0; i < count; i++)
            if (value[i] == value[count])
                return fail(err, "--%s %s: %s is there twice", option->name, text,
                            item);
    }
    *(const char **)field = text;
    return true;
}

static bool pair_good(const char *item)
{
    const char *equals = strchr(item, '=');
    if (!equals || equals == item) return false;
    char *end;
    const double value = strtod(equals + 1, &end);
    return end != equals + 1 && !*end && isfinite(value);
}

static bool pairs_read(const Option *option, const char *text, void *field,
                       WeftError *err)
{
    char item[PAIRS_SIZE], *pairs = field;
    for (const char *rest = text; list_next(&rest, item, sizeof item);)
        if (!pair_good(item))
            return fail(err, "--%s %s: expected name=number", option->name, text);
    if (strlen(pairs) + strlen(text) + 2 > PAIRS_SIZE)
        return fail(err, "--%s: more than %d letters in all", option->name,
                    PAIRS_SIZE - 2);
    append(pairs, PAIRS_SIZE, "%s%s", *pairs ? "," : "", text);
    return true;
}

static void pairs_write(const Option *option, const void *field, char *text,
                        size_t size)
{
    (void)option;
    snprintf(text, size, "%s", (const char *)field);
}

static bool split_read(const Option *option, const char *text, void *field,
                       WeftError *err)
{
    double part[3] = {0}, sum = 0;
    int count = 0;
    bool good = true;
    char item[64], *end;
    for (const char *rest = text; good && list_next(&rest, item, sizeof item);
         count++) {
        const double value = strtod(item, &end);
        good = count < 3 && end != item && !*end && value >= 0 && value <= 100;
        if (good) sum += part[count] = value;
    }
    if (!good || count != 3 || part[0] <= 0 || fabs(sum - 100) > 1e-9)
        return fail(err,
                    "--%s %s: expected three percentages that make 100, as in 90,5,5",
                    option->name, text);
    memcpy(field, part, sizeof part);
    return true;
}

static void split_write(const Option *option, const void *field, char *text,
                        size_t size)
{
    (void)option;
    const double *part = field;
    snprintf(text, size, "%.9g,%.9g,%.9g", part[0], part[1], part[2]);
}

const OptionKind option_int = {int_read, int_write};
const OptionKind option_count = {count_read, count_write};
const OptionKind option_number = {number_read, number_write};
const OptionKind option_text = {text_read, text_write};
const OptionKind option_switch = {switch_read, switch_write};
const OptionKind option_choice = {choice_read, choice_write};
const OptionKind option_numbers = {numbers_read, numbers_write};
const OptionKind option_reals = {reals_read, text_write};
const OptionKind option_pairs = {pairs_read, pairs_write};
const OptionKind option_split = {split_read, split_write};

/* ---- tables ---- */

static void *field_of(const Option *option, void *into)
{
    return (char *)into + option->field;
}

static const void *value_of(const Option *option, const void *from)
{
    return (const char *)from + option->field;
}

void options_write(const Option *table, const void *from, char *text, size_t size)
{
    for (const Option *o = table; o->name; o++) {
        char value[VALUE_SIZE];
        o->kind->write(o, value_of(o, from), value, sizeof value);
        if (*value) append(text, size, "%s=%s\n", o->name, value);
    }
}

void options_write_changes(const Option *table, const void *from, const void *to,
                           char *text, size_t size)
{
    for (const Option *o = table; o->name; o++) {
        char before[VALUE_SIZE], after[VALUE_SIZE];
        o->kind->write(o, value_of(o, from), before, sizeof before);
        o->kind->write(o, value_of(o, to), after, sizeof after);
        if (strcmp(before, after)) append(text, size, "%s=%s\n", o->name, after);
    }
}

void options_difference(const Option *table, const void *from, const void *to,
                        char *text, size_t size)
{
    for (const Option *o = table; o->name; o++) {
        char before[VALUE_SIZE], after[VALUE_SIZE];
        o->kind->write(o, value_of(o, from), before, sizeof before);
        o->kind->write(o, value_of(o, to), after, sizeof after);
        if (!strcmp(before, after)) continue;
        append(text, size, " --%s", o->name);
        if (o->value) append(text, size, " '%s'", after);
    }
}

static bool line_parse(const OptionGroup *groups, char *line, WeftError *err)
{
    char *equals = strchr(line, '=');
    if (!equals) return fail(err, "settings: expected name=value, not \"%s\"", line);
    *equals = 0;
    for (const OptionGroup *g = groups; g->table; g++)
        for (const Option *o = g->table; o->name; o++)
            if (!strcmp(o->name, line))
                return o->kind->read(o, equals + 1, field_of(o, g->into), err);
    return fail(err, "settings: unknown name \"%s\"", line);
}

bool options_parse(const OptionGroup *groups, char *text, WeftError *err)
{
    for (char *line; (line = strsep(&text, "\n"));)
        if (*line && !line_parse(groups, line, err)) return false;
    return true;
}

/* ---- the command line ---- */

/* What getopt returns for option i is VALUE + i: distinct, or it takes the first of
 * many that an abbreviation fits. */
#define VALUE 256

/* All options of the groups, as getopt wants them; the last is --help. */
typedef struct Known {
    int count;
    struct option list[OPTIONS_MAX + 2];
    const Option *option[OPTIONS_MAX];
    void *into[OPTIONS_MAX];
    const char *name[OPTIONS_MAX + 2];
} Known;

static void known_fill(Known *known, const OptionGroup *groups)
{
    memset(known, 0, sizeof *known);
    for (const OptionGroup *g = groups; g->table; g++)
        for (const Option *o = g->table; o->name && known->count < OPTIONS_MAX; o++) {
            const int i = known->count++;
            known->option[i] = o;
            known->into[i] = g->into;
            known->name[i] = o->name;
            known->list[i] = (struct option){
                o->name, o->value ? required_argument : no_argument, NULL, VALUE + i};
        }
    known->list[known->count] =
        (struct option){"help", no_argument, NULL, VALUE + known->count};
    known->name[known->count] = "help";
}

/* getopt returned '?' or ':' for this argument. */
static bool unknown(const Known *known, const char *argument, int missing,
                    WeftError *err)
{
    if (strncmp(argument, "--", 2)) return fail(err, "unknown option %s", argument);
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(argument + 2, "="), argument + 2);
    if (missing) return fail(err, "--%s: expected a value after it", name);
    int begins = 0;
    for (int i = 0; i <= known->count; i++) {
        if (!strcmp(known->name[i], name))
            return fail(err, "--%s takes no value", name);
        begins += !strncmp(known->name[i], name, strlen(name));
    }
    if (begins > 1) return fail(err, "--%s begins more than one option", name);
    const char *near = weft_nearest(name, known->name);
    return near ? fail(err, "unknown option --%s: did you mean --%s?", name, near)
                : fail(err, "unknown option --%s", name);
}

bool options_read(const OptionGroup *groups, int argc, char **argv, int *first_word,
                  bool *help, WeftError *err)
{
    Known known;
    known_fill(&known, groups);
    *help = false;
    optind = 0; /* glibc: start anew */
    opterr = 0;
    for (int found; (found = getopt_long(argc, argv, ":", known.list, NULL)) != -1;) {
        if (found < VALUE) return unknown(&known, argv[optind - 1], found == ':', err);
        const int i = found - VALUE;
        if (i == known.count) {
            *help = true;
            return true;
        }
        const Option *o = known.option[i];
        if (!o->kind->read(o, optarg, field_of(o, known.into[i]), err)) return false;
    }
    *first_word = optind;
    return true;
}

static void help_print(const Verb *verb, const OptionGroup *groups)
{
    printf("Usage: weft %s%s%s [OPTION]...\n%s\n", verb->name, *verb->words ? " " : "",
           verb->words, verb->help);
    for (const OptionGroup *g = groups; g->table; g++) {
        if (g->title) printf("\n%s:\n", g->title);
        for (const Option *o = g->table; o->name; o++) {
            char left[64] = "", value[VALUE_SIZE] = "";
            append(left, sizeof left, "--%s%s%s", o->name, o->value ? " " : "",
                   o->value ? o->value : "");
            if (o->value) o->kind->write(o, value_of(o, g->into), value, sizeof value);
            printf("  %-24s %s%s%s%s\n", left, o->help, *value ? " (" : "", value,
                   *value ? ")" : "");
        }
    }
    printf("\n  %-24s print this\n", "--help");
}

bool verb_call(const Verb *verb, const OptionGroup *groups, int argc, char **argv,
               Call *call, WeftError *err)
{
    int first = argc;
    bool help;
    call->status = BAD_CALL;
    if (!options_read(groups, argc, argv, &first, &help, err)) return false;
    if (help) {
        help_print(verb, groups);
        call->status = DONE;
        return false;
    }
    call->word = argv + first;
    call->words = argc - first;
    if (call->words < verb->min_words) return fail(err, "expected %s", verb->words);
    if (call->words > verb->max_words)
        return fail(err, "unexpected \"%s\"", call->word[verb->max_words]);
    return true;
}

/* lines.c: see lines.h. */
#include "lines.h"

#include "saved.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- UTF-8 ---- */

/* Bytes of the character at `p`, 0 if it is none: a lead byte that may be one, and as many
 * bytes that go on as it says. */
static int character_bytes(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;
    const int n = u[0] < 0x80                    ? 1
                  : u[0] >= 0xc2 && u[0] <= 0xdf ? 2
                  : (u[0] & 0xf0) == 0xe0        ? 3
                  : u[0] >= 0xf0 && u[0] <= 0xf4 ? 4
                                                 : 0;
    for (int i = 1; i < n; i++)
        if ((u[i] & 0xc0) != 0x80) return 0;
    const bool overlong =
        (u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xf0 && u[1] < 0x90);
    const bool beyond = (u[0] == 0xed && u[1] > 0x9f) || (u[0] == 0xf4 && u[1] > 0x8f);
    return overlong || beyond ? 0 : n;
}

/* The small letter of a large one among the codes of two bytes, U+0080 to U+07FF. */
static unsigned small_of(unsigned c)
{
    if (c >= 0xc0 && c <= 0xde && c != 0xd7) return c + 0x20;
    if ((c >= 0x100 && c <= 0x137 && c != 0x130) || (c >= 0x14a && c <= 0x177))
        return c | 1;
    if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e)) return c + (c & 1);
    if (c == 0x178) return 0xff;
    if (c == 0x386) return 0x3ac;
    if (c >= 0x388 && c <= 0x38a) return c + 0x25;
    if (c == 0x38c) return 0x3cc;
    if (c == 0x38e || c == 0x38f) return c + 0x3f;
    if (c >= 0x391 && c <= 0x3ab && c != 0x3a2) return c + 0x20;
    if (c >= 0x400 && c <= 0x40f) return c + 0x50;
    return c >= 0x410 && c <= 0x42f ? c + 0x20 : c;
}

void text_lower(char *text)
{
    for (int n; *text; text += n) {
        unsigned char *u = (unsigned char *)text;
        n = character_bytes(text);
        if (*text >= 'A' && *text <= 'Z') *text = (char)(*text + ('a' - 'A'));
        if (n != 2) continue;
        const unsigned c = small_of((u[0] & 0x1fu) << 6 | (u[1] & 0x3fu));
        u[0] = (unsigned char)(0xc0 | c >> 6);
        u[1] = (unsigned char)(0x80 | (c & 0x3f));
    }
}

static bool is_utf8(const char *text)
{
    for (int n; *text; text += n)
        if (!(n = character_bytes(text))) return false;
    return true;
}

/* ---- lines ---- */

static bool add(Lines *lines, const Line *line, WeftError *err)
{
    if (lines->count == lines->room) {
        const size_t room = 2 * lines->room + 64;
        Line *grown = realloc(lines->line, room * sizeof *grown);
        if (!grown) return fail(err, "out of memory");
        lines->line = grown;
        lines->room = room;
    }
    lines->line[lines->count++] = *line;
    return true;
}

bool lines_add(Lines *lines, const char *a, const char *b, WeftError *err)
{
    const Line line = {{strdup(a), b ? strdup(b) : NULL}, lines->count + 1};
    const bool good =
        ((line.field[0] && (!b || line.field[1])) || fail(err, "out of memory")) &&
        add(lines, &line, err);
    for (int i = 0; !good && i < FIELDS; i++) free(line.field[i]);
    return good;
}

/* Cuts the text at its first tab, if two fields are wanted; NULL, or what is wrong. */
static const char *cut(char *text, size_t length, int fields, char *field[FIELDS])
{
    if (memchr(text, 0, length)) return "a zero byte";
    if (!is_utf8(text)) return "not UTF-8";
    char *tab = strchr(text, '\t');
    if (fields == 1 && tab) return "a tab, expected one field";
    if (fields == 2 && !tab) return "no tab, expected two fields with one between them";
    if (fields == 2 && strchr(tab + 1, '\t'))
        return "more than one tab, expected two fields (cut -f takes two of many)";
    field[0] = text;
    field[1] = tab ? tab + 1 : NULL;
    if (tab) *tab = 0;
    if (!text[strspn(text, " ")]) return "its first field is empty";
    if (tab && !field[1][strspn(field[1], " ")]) return "its second field is empty";
    return NULL;
}

/* Reads the next line, without its break; its length, or -1 at the end. */
static ssize_t next_text(LineReader *r, char **start)
{
    ssize_t length = getline(&r->text, &r->size, r->file);
    if (length < 0) return length;
    r->number++;
    *start = r->text;
    if (length > 0 && r->text[length - 1] == '\n') r->text[--length] = 0;
    if (length > 0 && r->text[length - 1] == '\r') r->text[--length] = 0;
    if (r->number > 1 || strncmp(r->text, "\xef\xbb\xbf", 3)) return length;
    *start += 3; /* a byte order mark */
    return length - 3;
}

/* The header that the first line is; *turned: its names are in the other order. */
static Header header_of(const Line *line, bool *turned)
{
    static const char *const names[][FIELDS] = {
        [TEXT_LABEL] = {"text", "label"}, [SOURCE_TARGET] = {"source", "target"}};
    for (Header header = TEXT_LABEL; header <= SOURCE_TARGET; header++)
        for (int k = 0; k < FIELDS; k++) {
            *turned = k > 0;
            if (!strcasecmp(line->field[k], names[header][0]) &&
                !strcasecmp(line->field[1 - k], names[header][1]))
                return header;
        }
    *turned = false;
    return NO_HEADER;
}

/* Whether a line that was read is one of the lines. */
static bool is_line(LineReader *r, Line *line)
{
    char *const first = line->field[0];
    if (r->fields == 2 && r->number == 1 && header_of(line, &r->turned)) return false;
    if (r->turned) line->field[0] = line->field[1], line->field[1] = first;
    return true;
}

bool line_next(LineReader *r, Line *line, bool *more, WeftError *err)
{
    char *text;
    *more = true;
    for (ssize_t length; (length = next_text(r, &text)) >= 0;) {
        if (length == 0 && !r->each) continue;
        const char *what = cut(text, (size_t)length, r->fields, line->field);
        line->number = r->number;
        if (!what && is_line(r, line)) return true;
        if (!what) continue;
        r->skipped++;
        if (!r->skip_bad)
            return fail(err, "%s: line %zu: %s", r->name, r->number, what);
        line->field[0] = NULL;
        if (r->each) return true;
    }
    *more = false;
    return !ferror(r->file) || fail(err, "%s: %s", r->name, strerror(errno));
}

Header lines_header(const char *path)
{
    LineReader reader = {.file = fopen(path, "rb"), .name = path};
    Line line;
    Header header = NO_HEADER;
    char *text;
    if (!reader.file) return header;
    const ssize_t length = next_text(&reader, &text);
    if (length > 0 && !cut(text, (size_t)length, FIELDS, line.field))
        header = header_of(&line, &reader.turned);
    line_reader_close(&reader);
    fclose(reader.file);
    return header;
}

bool lines_header_fits(const char *path, Header header, const char *instead,
                       WeftError *err)
{
    const Header found = lines_header(path);
    return found == NO_HEADER || found == header ||
           fail(err, "%s: its header is %s: %s", path,
                found == TEXT_LABEL ? "text, label" : "source, target", instead);
}

void line_reader_close(LineReader *r)
{
    free(r->text);
}

bool lines_open(const char *path, int fields, bool skip_bad, Lines *lines,
                WeftError *err)
{
    LineReader reader = {.file = fopen(path, "rb"),
                         .name = path,
                         .fields = fields,
                         .skip_bad = skip_bad};
    Line line;
    bool good = true, more;
    *lines = (Lines){0};
    if (!reader.file) return fail(err, "%s: %s", path, strerror(errno));
    while (good && (good = line_next(&reader, &line, &more, err)) && more) {
        good = lines_add(lines, line.field[0], line.field[1], err);
        if (good) lines->line[lines->count - 1].number = line.number;
    }
    lines->skipped = reader.skipped;
    line_reader_close(&reader);
    fclose(reader.file);
    if (good && lines->count == 0) good = fail(err, "%s: it has no line", path);
    if (!good) lines_close(lines);
    return good;
}

void lines_close(Lines *lines)
{
    for (size_t i = 0; i < lines->count; i++)
        for (int k = 0; k < FIELDS; k++) free(lines->line[i].field[k]);
    free(lines->line);
    *lines = (Lines){0};
}

/* Of 10^4 parts, by the bits of the text. */
Part line_part(const Line *line, int field, const double split[PARTS], uint64_t seed)
{
    const uint64_t bits =
        fnv(FNV_START, line->field[field], strlen(line->field[field]));
    const double at = weft_random_below(seed, 0x6c696e65, bits, 10000) / 100.0;
    if (at < split[TRAINING]) return TRAINING;
    return at < split[TRAINING] + split[VALIDATION] ? VALIDATION : TEST;
}

/* ---- units ---- */

const char *const units_words[] = {"characters", "words", "whole", NULL};

const char *unit_next(const char **text, Units units, size_t *length)
{
    const char *start = *text;
    if (units == WORDS) start += strspn(start, " ");
    if (!*start) return NULL;
    *length = units == WORDS   ? strcspn(start, " ")
              : units == WHOLE ? strlen(start)
                               : (size_t)character_bytes(start);
    *text = start + *length;
    return start;
}

int units_count(const char *text, Units units)
{
    size_t length;
    int count = 0;
    while (unit_next(&text, units, &length)) count++;
    return count;
}

/* ---- vocabularies ---- */

typedef struct Seen {
    const char *unit; /* in its line */
    size_t length, times, first;
} Seen;

static int by_bytes(const void *a, const void *b)
{
    const Seen *p = a, *q = b;
    const size_t least = p->length < q->length ? p->length : q->length;
    const int order = memcmp(p->unit, q->unit, least);
    if (order) return order;
    if (p->length != q->length) return p->length < q->length ? -1 : 1;
    return (p->first > q->first) - (p->first < q->first);
}

static int by_times(const void *a, const void *b)
{
    const Seen *p = a, *q = b;
    if (p->times != q->times) return p->times > q->times ? -1 : 1;
    return (p->first > q->first) - (p->first < q->first);
}

typedef struct AllSeen {
    Seen *seen;
    size_t count, room;
} AllSeen;

static bool see(AllSeen *all, const char *text, Units units, WeftError *err)
{
    size_t length;
    const char *unit;
    while ((unit = unit_next(&text, units, &length))) {
        if (all->count == all->room) {
            const size_t room = 2 * all->room + 1024;
            Seen *grown = realloc(all->seen, room * sizeof *grown);
            if (!grown) return fail(err, "out of memory");
            all->seen = grown;
            all->room = room;
        }
        all->seen[all->count] = (Seen){unit, length, 1, all->count};
        all->count++;
    }
    return true;
}

/* Those that are alike become one. */
static void unite(AllSeen *all)
{
    size_t count = 0;
    if (all->count) qsort(all->seen, all->count, sizeof *all->seen, by_bytes);
    for (size_t i = 0; i < all->count; i++) {
        Seen *last = count ? &all->seen[count - 1] : NULL;
        const Seen *s = &all->seen[i];
        if (last && last->length == s->length &&
            !memcmp(last->unit, s->unit, s->length))
            last->times++;
        else
            all->seen[count++] = *s;
    }
    all->count = count;
    if (count) qsort(all->seen, count, sizeof *all->seen, by_times);
}

static int by_unit(const void *a, const void *b, void *context)
{
    const Vocabulary *v = context;
    return strcmp(v->unit[*(const int *)a], v->unit[*(const int *)b]);
}

static bool sort_units(Vocabulary *v, WeftError *err)
{
    v->order = malloc(((size_t)v->count + 1) * sizeof *v->order);
    if (!v->order) return fail(err, "out of memory");
    for (int i = 0; i < v->count; i++) v->order[i] = i;
    qsort_r(v->order, (size_t)v->count, sizeof *v->order, by_unit, v);
    return true;
}

static bool keep(Vocabulary *v, const AllSeen *all, int most, int least, WeftError *err)
{
    size_t count = 0;
    while (count < all->count && (!most || count < (size_t)most) &&
           all->seen[count].times >= (size_t)least)
        count++;
    v->unit = calloc(count + 1, sizeof *v->unit);
    if (!v->unit) return fail(err, "out of memory");
    for (size_t i = 0; i < count; i++) {
        v->unit[i] = strndup(all->seen[i].unit, all->seen[i].length);
        if (!v->unit[i]) return fail(err, "out of memory");
        v->count++;
    }
    return sort_units(v, err);
}

bool vocabulary_open(const Lines *lines, int field, Units units,
                     bool (*counts)(const void *context, size_t line),
                     const void *context, int most, int least, Vocabulary *v,
                     WeftError *err)
{
    AllSeen all = {0};
    bool good = true;
    *v = (Vocabulary){.units = units};
    for (size_t i = 0; good && i < lines->count; i++)
        if (counts(context, i))
            good = see(&all, lines->line[i].field[field], units, err);
    unite(&all);
    good = good && keep(v, &all, most, least, err);
    free(all.seen);
    if (!good) vocabulary_close(v);
    return good;
}

void vocabulary_close(Vocabulary *v)
{
    for (int i = 0; i < v->count; i++) free(v->unit[i]);
    free(v->unit);
    free(v->order);
    *v = (Vocabulary){0};
}

int vocabulary_symbols(const Vocabulary *v)
{
    return UNIT_FIRST + v->count;
}

/* strcmp of a unit that ends after `length` bytes. */
static int compare(const char *unit, size_t length, const char *with)
{
    const int order = strncmp(unit, with, length);
    return order ? order : with[length] ? -1 : 0;
}

static int32_t symbol_of(const Vocabulary *v, const char *unit, size_t length)
{
    int low = 0, high = v->count;
    while (low < high) {
        const int middle = (low + high) / 2;
        const int order = compare(unit, length, v->unit[v->order[middle]]);
        if (order == 0) return UNIT_FIRST + v->order[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return UNIT_UNKNOWN;
}

int vocabulary_symbols_of(const Vocabulary *v, const char *text, int32_t *symbol,
                          int room)
{
    size_t length;
    const char *unit;
    int count = 0;
    for (; (unit = unit_next(&text, v->units, &length)); count++)
        if (count < room) symbol[count] = symbol_of(v, unit, length);
    return count;
}

void vocabulary_write(const Vocabulary *v, const int32_t *symbol, int count, FILE *out)
{
    for (int i = 0; i < count; i++) {
        const char *unit =
            symbol[i] >= UNIT_FIRST ? v->unit[symbol[i] - UNIT_FIRST] : "<unknown>";
        fprintf(out, "%s%s", i && v->units == WORDS ? " " : "", unit);
    }
}

/* ---- notes: the units, one to a line, after the name of their kind ---- */

bool vocabulary_note(const Vocabulary *v, const char *key, WeftNet *net, WeftError *err)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out) return fail(err, "out of memory");
    fprintf(out, "%s\n", units_words[v->units]);
    for (int i = 0; i < v->count; i++) fprintf(out, "%s\n", v->unit[i]);
    const bool good = !fclose(out) || fail(err, "out of memory");
    const char *before = weft_net_get_note(net, key);
    const bool noted =
        good &&
        (!before || !strcmp(before, text) ||
         fail(err, "this is not the data that the net was trained on: its "
                   "units are others")) &&
        weft_net_note(net, key, text, err);
    free(text);
    return noted;
}

static bool add_unit(Vocabulary *v, const char *unit, size_t length, WeftError *err)
{
    char **grown = realloc(v->unit, ((size_t)v->count + 1) * sizeof *grown);
    if (!grown) return fail(err, "out of memory");
    v->unit = grown;
    v->unit[v->count] = strndup(unit, length);
    if (!v->unit[v->count]) return fail(err, "out of memory");
    v->count++;
    return true;
}

bool vocabulary_recall(const WeftNet *net, const char *key, Vocabulary *v,
                       WeftError *err)
{
    const char *text = data_note(net, key, err);
    *v = (Vocabulary){0};
    if (!text) return false;
    bool good = true;
    for (int i = 0; good && *text; i++) {
        const size_t length = strcspn(text, "\n");
        for (int u = 0; i == 0 && units_words[u]; u++)
            if (!compare(text, length, units_words[u])) v->units = (Units)u;
        good = length > 0 || fail(err, "the saved note \"%s\" is damaged", key);
        if (i > 0) good = good && add_unit(v, text, length, err);
        text += length + (text[length] == '\n');
    }
    good = good && sort_units(v, err);
    if (!good) vocabulary_close(v);
    return good;
}

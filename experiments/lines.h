/* lines.h: files of lines with tabs between their fields, and the units of a field. */
#pragma once

#include "data.h"

enum { FIELDS = 2 };

/* A line of a file, or one that an experiment makes; its text is its own. */
typedef struct Line {
    char *field[FIELDS]; /* NULL: it has fewer */
    size_t number;       /* in the file, from 1 */
} Line;

typedef struct Lines {
    Line *line;
    size_t count, room, skipped; /* skipped: bad ones */
} Lines;

/* What a first line may be instead of one of the lines: the names of its fields, in this order or
 * the other. */
typedef enum Header { NO_HEADER, TEXT_LABEL, SOURCE_TARGET } Header;

/* All lines of a file that have so many fields, none of them empty, in UTF-8. A bad one is an
 * error with its number, or is skipped and counted. Empty lines count as none; a carriage return
 * at the end of a line is no part of it. A header says which field is field 0. */
bool lines_open(const char *path, int fields, bool skip_bad, Lines *lines,
                WeftError *err);
/* Of a file that cannot be read: NO_HEADER. */
Header lines_header(const char *path);
/* An error unless the file has this header, or none; instead: what would fit the other. */
bool lines_header_fits(const char *path, Header header, const char *instead,
                       WeftError *err);
/* The same, line by line. */
typedef struct LineReader {
    FILE *file;
    const char *name; /* for messages */
    int fields;
    bool skip_bad;
    bool
        each; /* one that is skipped is told too: field[0] is NULL; one that is empty is bad */
    bool turned;            /* by its header: the second field is field 0 */
    size_t number, skipped; /* lines so far; bad ones of them */
    char *text;             /* of the line at hand, which the fields are in */
    size_t size;
} LineReader;
/* *more: there was one. Its fields last until the next call. */
bool line_next(LineReader *reader, Line *line, bool *more, WeftError *err);
void line_reader_close(LineReader *reader); /* but for the file */
/* Copies of the fields; b may be NULL. */
bool lines_add(Lines *lines, const char *a, const char *b, WeftError *err);
void lines_close(Lines *lines);

typedef enum Units { CHARACTERS, WORDS, WHOLE } Units; /* WHOLE: a field is one */
extern const char *const units_words[]; /* their names, NULL-terminated */

/* Makes small letters of large ones, in place: of the Latin, Greek and Cyrillic scripts. */
void text_lower(char *text);

/* The unit at *text, which moves past it: its start, and *length bytes; NULL at the end. Words
 * are what lies between blanks. */
const char *unit_next(const char **text, Units units, size_t *length);
int units_count(const char *text, Units units);

/* Units as symbols: UNIT_END, UNIT_UNKNOWN, then the units, the most frequent first. */
enum { UNIT_END, UNIT_UNKNOWN, UNIT_FIRST };

typedef struct Vocabulary {
    Units units;
    char **unit; /* [count], of the symbols from UNIT_FIRST on */
    int *order;  /* [count], of units by their bytes */
    int count;
} Vocabulary;

/* Of field `field` of the lines that `counts` holds; at most `most` units (0: all), of those that
 * are there `least` times. */
bool vocabulary_open(const Lines *lines, int field, Units units,
                     bool (*counts)(const void *context, size_t line),
                     const void *context, int most, int least, Vocabulary *vocabulary,
                     WeftError *err);
void vocabulary_close(Vocabulary *vocabulary);
int vocabulary_symbols(const Vocabulary *vocabulary); /* how many there are */
/* The symbols of a text, at most `room`; returns how many it has. */
int vocabulary_symbols_of(const Vocabulary *vocabulary, const char *text,
                          int32_t *symbol, int room);
/* The text that symbols are, into a stream: words with blanks between them. */
void vocabulary_write(const Vocabulary *vocabulary, const int32_t *symbol, int count,
                      FILE *out);

/* In the notes of a net; one that has others already is of other data. */
bool vocabulary_note(const Vocabulary *vocabulary, const char *key, WeftNet *net,
                     WeftError *err);
bool vocabulary_recall(const WeftNet *net, const char *key, Vocabulary *vocabulary,
                       WeftError *err);

/* Which part a line is in, by one of its fields, so that no two parts share one. */
Part line_part(const Line *line, int field, const double split[PARTS], uint64_t seed);

/* The lines of a file by part, as symbols; a part's are in the order of their first fields. */
typedef struct Sequences {
    Lines lines;
    Vocabulary vocabulary[FIELDS];
    int32_t *symbol[FIELDS];           /* of all lines, one after the other */
    size_t *at[FIELDS];                /* [lines + 1]: where a line's begin */
    int longest[FIELDS];               /* units of a line's field, at most */
    size_t *item[PARTS], count[PARTS]; /* lines */
} Sequences;

/* How the fields are read. */
typedef struct SequencesHow {
    Units units[FIELDS];
    int vocabulary;   /* of field 0: units at most; 0: all */
    int least;        /* of field 0: times that a unit is there in the training part */
    int longest;      /* units of field 0 that are read; 0: all */
    bool lower;       /* field 0 in small letters */
    bool all_seconds; /* field 1's vocabulary is of all parts */
    const double *split; /* percent; NULL: all is TEST */
    uint64_t seed;
} SequencesHow;

/* As the options have it; what is left out is 0. saved: for a net that has its own. */
SequencesHow sequences_how(const DataOptions *options, uint64_t seed, bool saved);

/* Takes the lines, also when it fails. net: whose vocabularies they are; NULL: their own. */
bool sequences_open(Lines *lines, const SequencesHow *how, const WeftNet *net,
                    Sequences *sequences, WeftError *err);
void sequences_close(Sequences *sequences);
bool sequences_note(const Sequences *sequences, WeftNet *net, WeftError *err);
/* What that has noted. */
bool sequences_recall(const WeftNet *net, Vocabulary vocabulary[FIELDS],
                      WeftError *err);
/* The symbols of a line's field. */
const int32_t *sequences_get(const Sequences *sequences, int field, size_t line,
                             int *count);

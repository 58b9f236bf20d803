/* options.h: GNU long options; one table gives the reading, --help and the nearest
 * name. */
#pragma once

#include "../core/weft.h"

typedef struct Option Option;

/* What a value is: read from text into a field, and written back as text that reads the
 * same. A switch is read from NULL on a command line. */
typedef struct OptionKind {
    bool (*read)(const Option *option, const char *text, void *field, WeftError *err);
    void (*write)(const Option *option, const void *field, char *text, size_t size);
} OptionKind;

struct Option {
    const char *name;  /* without the dashes; NULL ends a table */
    const char *value; /* what --help calls the value; NULL: a switch */
    const char *help;
    const OptionKind *kind;
    size_t field;             /* its offset in the struct that is read into */
    double min, max;          /* of a number; max 0: no bound above */
    const char *const *words; /* of a choice, NULL-terminated */
};

#define NUMBERS_MAX 64
typedef struct Numbers {
    int count;
    uint64_t item[NUMBERS_MAX];
} Numbers;
#define NUMBERS(...)                                                                   \
    {                                                                                  \
        sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t),                          \
        {                                                                              \
            __VA_ARGS__                                                                \
        }                                                                              \
    }

#define PAIRS_SIZE 256

extern const OptionKind option_int;     /* int */
extern const OptionKind option_count;   /* uint64_t */
extern const OptionKind option_number;  /* double */
extern const OptionKind option_text;    /* const char *, kept as given */
extern const OptionKind option_switch;  /* bool */
extern const OptionKind option_choice;  /* int, an index into words */
extern const OptionKind option_numbers; /* Numbers: "50,100" or "0..4" */
extern const OptionKind option_reals;   /* const char *: "0.1,1e-3", numbers in range */
extern const OptionKind option_pairs; /* char[PAIRS_SIZE]: "a=1,b=2"; more are added */
extern const OptionKind option_split; /* double[3], percentages: "90,5,5" */

/* A table, and the struct that it is read into. */
typedef struct OptionGroup {
    const char *title; /* in --help; NULL: goes on under the one before */
    const Option *table;
    void *into;
} OptionGroup;

typedef enum Status { DONE = 0, FAILED = 1, BAD_CALL = 2, INTERRUPTED = 130 } Status;

/* A word after `weft`. */
typedef struct Verb Verb;
struct Verb {
    const char *name, *words, *help; /* words: how --help shows what is not an option */
    int min_words, max_words;
    Status (*run)(const Verb *verb, int argc, char **argv, WeftError *err);
};

typedef struct Call {
    char **word; /* what is not an option */
    int words;
    Status status; /* when verb_call returned false: what the verb returns */
} Call;

/* Reads the options of argv[1 ..] into the groups (table NULL: the end). False after
 * --help, which it prints, or with a message. argv is reordered: the words come last.
 */
bool verb_call(const Verb *verb, const OptionGroup *groups, int argc, char **argv,
               Call *call, WeftError *err);

/* The same without the verb's part, for the fuzz target: *help is set by --help. */
bool options_read(const OptionGroup *groups, int argc, char **argv, int *first_word,
                  bool *help, WeftError *err);

/* Adds a table's "name=value" lines to text. */
void options_write(const Option *table, const void *from, char *text, size_t size);
/* Those of `to` alone that are not as in `from`. */
void options_write_changes(const Option *table, const void *from, const void *to,
                           char *text, size_t size);
/* Reads them: text is cut up, and must outlive the values. A name that no group knows
 * is an error. */
bool options_parse(const OptionGroup *groups, char *text, WeftError *err);

/* Adds " --name 'value'" for each option of `to` that differs from `from`. */
void options_difference(const Option *table, const void *from, const void *to,
                        char *text, size_t size);

/* Takes the next item of a comma-separated list; false at its end. An item that is
 * empty or too long is an item of no letters, which nothing accepts. */
bool list_next(const char **list, char *item, size_t size);

/* Gives each "name=number" of a list to set. */
typedef bool (*PairSet)(void *to, const char *name, double value, WeftError *err);
bool pairs_each(const char *pairs, PairSet set, void *to, WeftError *err);

/* Writes the message and returns false. */
bool fail(WeftError *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Adds text to what text[size] already holds, cut where it is full. */
void append(char *text, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* fuzz_options.c: libFuzzer on the reader of options: of a command line, and of a note
 * in a saved net. */
#include "../experiments/options.c"
#include "../experiments/settings.c"

#define WORDS_MAX 64
#define GOOD                                                                           \
    {                                                                                  \
        SETTINGS_COMMON, .cell = "lstm", .hidden = 1, .batch = 1,                      \
                         .chunks_per_update = 1, .rate = 1                             \
    }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_call(char *text, size_t size)
{
    char *argv[WORDS_MAX + 1] = {"fuzz"};
    int argc = 1;
    for (size_t at = 0; at < size && argc < WORDS_MAX; at += strlen(text + at) + 1)
        argv[argc++] = text + at;
    Settings settings = GOOD;
    Numbers numbers = {0};
    double split[3] = {0};
    const Option others[] = {{"numbers", "A,B", "", &option_numbers, 0, 0, 100, NULL},
                             {0}};
    const Option parts[] = {{"split", "A,B,C", "", &option_split, 0, 0, 0, NULL}, {0}};
    const OptionGroup groups[] = {{"", point_options, &settings},
                                  {"", settings_options, &settings},
                                  {"", others, &numbers},
                                  {"", parts, split},
                                  {0}};
    int first;
    bool help;
    WeftError err;
    options_read(groups, argc, argv, &first, &help, &err);
}

/* What is read is written as text that reads the same. */
static void read_note(char *text)
{
    Settings settings = GOOD, again = GOOD;
    char first[SETTINGS_TEXT], copy[SETTINGS_TEXT], second[SETTINGS_TEXT];
    WeftError err;
    if (!settings_parse(&settings, text, &err)) return;
    settings_write(&settings, first);
    if (strlen(first) + 1 == sizeof first) return; /* cut off */
    memcpy(copy, first, sizeof copy);
    if (!settings_parse(&again, copy, &err)) abort();
    settings_write(&again, second);
    if (strcmp(first, second)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = calloc(size + 1, 1);
    if (!text) return 0;
    memcpy(text, data, size);
    read_call(text, size);
    memcpy(text, data, size);
    read_note(text);
    free(text);
    return 0;
}

/* saved.c: see saved.h. */
#include "saved.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool saved_note(WeftNet *net, const char *name, const Settings *settings,
                const DataOptions *options, WeftError *err)
{
    char text[SETTINGS_TEXT];
    if (!weft_net_note(net, "name", name, err)) return false;
    settings_write(settings, text);
    if (!weft_net_note(net, "settings", text, err)) return false;
    text[0] = 0;
    options_write(data_options, options, text, sizeof text);
    return weft_net_note(net, "options", text, err);
}

static char *note_copy(const WeftNet *net, const char *key, WeftError *err)
{
    const char *note = data_note(net, key, err);
    char *copy = note ? strdup(note) : NULL;
    if (note && !copy) fail(err, "out of memory");
    return copy;
}

static bool notes_read(Saved *saved, WeftError *err)
{
    const OptionGroup groups[] = {{"", data_options, &saved->options}, {0}};
    return (saved->settings_text = note_copy(saved->net, "settings", err)) &&
           (saved->options_text = note_copy(saved->net, "options", err)) &&
           (saved->kind = note_copy(saved->net, "data", err)) &&
           (saved->name = note_copy(saved->net, "name", err)) &&
           settings_parse(&saved->settings, saved->settings_text, err) &&
           options_parse(groups, saved->options_text, err);
}

bool saved_open(const char *path, int threads, Saved *saved, WeftError *err)
{
    *saved = (Saved){.settings = {SETTINGS_COMMON}, .options = {DATA_OPTIONS_COMMON}};
    if (weft_team_open(threads, &saved->team, err) &&
        weft_net_load(saved->team, path, &saved->net, err) && notes_read(saved, err))
        return true;
    saved_close(saved);
    return false;
}

void saved_close(Saved *saved)
{
    weft_net_close(saved->net);
    weft_team_close(saved->team);
    free(saved->settings_text);
    free(saved->options_text);
    free(saved->kind);
    free(saved->name);
}

bool saved_expect(const Saved *saved, const char *kind, WeftError *err)
{
    return !strcmp(saved->kind, kind) ||
           fail(err, "the net was trained on a %s: expected one trained on a %s",
                saved->kind, kind);
}

bool saved_data(const Saved *saved, const char *name, Data *data, WeftError *err)
{
    return data_open(saved->kind, name, &saved->options, &saved->settings, saved->net,
                     data, err);
}

uint64_t fnv(uint64_t digest, const void *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        digest = (digest ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3u;
    return digest;
}

static bool add_file(const char *path, uint64_t *digest, WeftError *err)
{
    FILE *file = fopen(path, "rb");
    if (!file) return fail(err, "%s: %s", path, strerror(errno));
    char block[1 << 16];
    for (size_t got; (got = fread(block, 1, sizeof block, file)) > 0;)
        *digest = fnv(*digest, block, got);
    const bool good = !ferror(file) || fail(err, "%s: %s", path, strerror(errno));
    fclose(file);
    return good;
}

static int is_seen(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

bool file_digest(const char *path, uint64_t *digest, WeftError *err)
{
    struct dirent **list = NULL;
    const int count = scandir(path, &list, is_seen, alphasort);
    *digest = FNV_START;
    if (count < 0) return add_file(path, digest, err);
    bool good = true;
    for (int i = 0; i < count; i++) {
        char inside[4096];
        snprintf(inside, sizeof inside, "%s/%s", path, list[i]->d_name);
        good = good && add_file(inside, digest, err);
        free(list[i]);
    }
    free(list);
    return good;
}

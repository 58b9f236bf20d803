/* saved.h: a net in a file, with what its notes say of its training. */
#pragma once

#include "data.h"

typedef struct Saved {
    WeftTeam *team;
    WeftNet *net;
    Settings settings;
    DataOptions options;
    char *settings_text, *options_text; /* which their strings point into */
    char *kind, *name;                  /* of the data */
} Saved;

bool saved_open(const char *path, int threads, Saved *saved, WeftError *err);
void saved_close(Saved *saved);

/* A message unless the net was trained on this kind of data. */
bool saved_expect(const Saved *saved, const char *kind, WeftError *err);
/* Data of the kind that the net knows. */
bool saved_data(const Saved *saved, const char *name, Data *data, WeftError *err);

/* Puts into the net's notes what saved_open reads, but for what the data itself
 * notes. */
bool saved_note(WeftNet *net, const char *name, const Settings *settings,
                const DataOptions *options, WeftError *err);

/* FNV-1a 64 of a file's bytes, or of those of all files of a folder, in the order of their
 * names. */
bool file_digest(const char *path, uint64_t *digest, WeftError *err);
#define FNV_START 0xcbf29ce484222325u
uint64_t fnv(uint64_t digest, const void *bytes, size_t count);

/* settings.h: what a training is made of, apart from its data: model, budget,
 * optimiser. */
#pragma once

#include "options.h"

typedef struct Settings {
    /* the model */
    const char *cell;   /* a name or a file */
    const char *layers; /* "2", or "lstm:128,gru:64" */
    int hidden;
    bool hidden_told, parameters_told, rate_told; /* by options */
    uint64_t
        parameters; /* at most, of the net: settings_solve finds hidden; 0: as told */
    bool both;
    int embedding; /* 0: symbols enter as one-hot vectors */
    double dropout;
    char set[PAIRS_SIZE];
    /* of data with an encoder; each 0 or NULL: as it is without */
    const char *encoder; /* its layers; NULL: those of the net */
    bool encoder_both;
    const char *hand_over;          /* states, first, every: a list */
    int attention, attention_below; /* WeftAttention; layers below it, 0: all */
    double teacher_last; /* probability at the end that an input is the right one */
    uint64_t teacher_updates; /* until then; 0: always */
    /* a batch and an update */
    int batch, chunk, chunks_per_update;
    bool stale;     /* approximate */
    int burn_in;    /* with stale: steps before a chunk */
    int back;       /* steps that the gradient of a chunk is carried back; 0: chunk */
    int scan;       /* steps of a segment of an affine loop; 0: not cut */
    uint64_t reset; /* of a text: batches after which states start anew; 0: none */
    uint64_t steps, every, seed;
    /* the optimiser */
    int optimizer, schedule; /* WeftOptimizer, WeftSchedule */
    double rate, momentum, decay;
    uint64_t warmup, period;
    double factor, clip, clip_value;
} Settings;

extern const Option point_options[];    /* cell and seed, which an experiment varies */
extern const Option settings_options[]; /* all else, but ... */
extern const Option encoder_options[];  /* ... what data with an encoder has beside */

/* A comma-separated list of at most `max` cells (0: any number): names of built-in
 * ones, or files, which are not opened yet. */
extern const OptionKind option_cells;
bool cell_name_good(const char *name, WeftError *err);
/* A cell by name or file, with what the name sets: "lstm:forget=0". */
bool cell_open(const char *name, WeftCell **cell, WeftError *err);
/* Sets that anew, over what was set since. */
bool cell_set_named(WeftCell *cell, const char *name, WeftError *err);
/* The name without what it sets, and whether that is a file's. */
#define CELL_NAME_SIZE 256
bool cell_name_base(const char *name, char base[CELL_NAME_SIZE]);

#define SETTINGS_TEXT 4096 /* bytes that hold all settings as text */
void settings_write(const Settings *settings, char text[SETTINGS_TEXT]);
bool settings_parse(Settings *settings, char *text, WeftError *err);

/* Whether values that are good alone go together; text: for a text. */
bool settings_good(const Settings *settings, bool text, WeftError *err);

/* What changes in a call to get from one to the other: " --hidden '64'". */
void settings_difference(const Settings *from, const Settings *to,
                         char text[SETTINGS_TEXT]);

/* The first of every declaration of settings: what hardly anybody changes; what is set
 * after it is over it. */
#define SETTINGS_COMMON                                                                \
    .layers = "1", .factor = 0.1, .clip = 1, .optimizer = WEFT_ADAM, .reset = 20

/* With `parameters`: hidden becomes the largest whose net for data of this shape has no
 * more, *count. */
bool settings_solve(Settings *settings, const WeftModel *shape, size_t *count,
                    WeftError *err);

/* A net for data of this shape; its layers and dropout are the settings'. */
bool settings_net(const Settings *settings, WeftTeam *team, const WeftModel *shape,
                  WeftNet **net, WeftError *err);

/* The training up to `updates` updates. */
WeftTrain settings_train(const Settings *settings, uint64_t updates);

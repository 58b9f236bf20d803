/* file.h: how a net lies in a safetensors file; save.c writes it, load.c reads it.
 *
 * Tensors: the parameters by their names; with resume also MOMENT_1, MOMENT_2 [count],
 * STATES [rows][floats] and, of stale ones, STALE [batches][chunks][entry]. Metadata, all
 * strings:
 *
 *   weft.format    1
 *   weft.version   who wrote it
 *   seed, updates
 *   model.input inputs embedding layers drop outputs loss vector
 *   encoder.input inputs embedding layers    of a net with an encoder, as these:
 *   model.hand_over attention attention_below attention_width
 *   encoder.layerN...                        as what follows
 *   layerN.cell origin hidden both drop      the text of the equations
 *   layerN.set.NAME                          sizes and consts that weft_cell_set changed
 *   note.KEY                                 the caller's
 *   resume.batch steps offset optimizer since rows chunk burn_in */
#pragma once

#include "pass.h"

#define FILE_FORMAT "1"
#define MOMENT_1    "resume.moment1"
#define MOMENT_2    "resume.moment2"
#define STATES      "resume.states"
#define STALE       "resume.stale"

/* The words of the enums in weft.h, in their order; NULL ends. */
static const char *const input_words[] = {"dense", "symbols", "embedding", NULL};
static const char *const loss_words[] = {"square", "softmax", "sigmoid", NULL};
static const char *const attention_words[] = {"none", "dot", "general", "additive",
                                              NULL};
static const char *const optimizer_words[] = {"sgd", "rmsprop", "adam", "adamw", NULL};

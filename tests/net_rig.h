/* net_rig.h: what the tests of nets and training share: a team, cells, drawn
 * batches. */
#pragma once

#include "../core/weft.h"
#include "../simd/isa.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "must.h"

static const char *const rnn_text =
    "cell rnn\nstate h\nweight W [hidden][input]\nweight U [hidden][hidden]\nbias b\n"
    "h' = tanh(W x + U h + b)\n";
static const char *const gru_text =
    "cell gru\nstate h\nweight W_r, W_z, W_n [hidden][input]\n"
    "weight U_r, U_z, U_n [hidden][hidden]\nbias b_r, b_z, b_n, d_n = 0\n"
    "r = sigmoid(W_r x + U_r h + b_r)\nz = sigmoid(W_z x + U_z h + b_z)\n"
    "n = tanh(W_n x + b_n + r * (U_n h + d_n))\nh' = (1 - z) * n + z * h\n";
/* No gradient crosses a step of this one, so nothing is lost where time is cut. */
static const char *const uncut_text =
    "cell uncut\nstate h\nweight W [hidden][input]\nweight U [hidden][hidden]\n"
    "h' = tanh(W x + U stop(h))\n";
static const char *const drop_text =
    "cell dropped\nstate h\nweight W [hidden][input]\nweight U [hidden][hidden]\n"
    "h' = tanh(W x + drop(U h, 0.3))\n";

static inline WeftCell *rig_cell(const char *text)
{
    WeftCell *cell;
    MUST(weft_cell_parse("test", text, strlen(text), &cell, &err));
    return cell;
}

static inline WeftTeam *rig_team(int threads)
{
    WeftTeam *team;
    MUST(weft_team_open(threads, &team, &err));
    return team;
}

/* Batches drawn for a model. */
typedef struct Drawn {
    const WeftModel *model;
    uint64_t seed;
    bool lengths, weights; /* drawn, not all T and 1 */
    int fresh_every;       /* batches; 0: only the first is fresh */
} Drawn;

static inline float rig_number(const Drawn *d, uint64_t stream, uint64_t index, int i)
{
    return weft_random_normal(d->seed, stream, index << 32 | (uint64_t)i);
}

static inline int rig_below(const Drawn *d, uint64_t stream, uint64_t index, int i,
                            int n)
{
    return (int)weft_random_below(d->seed, stream, index << 32 | (uint64_t)i,
                                  (uint32_t)n);
}

static inline bool drawn_fill(void *context, uint64_t index, WeftBatch *b,
                              WeftError *err)
{
    (void)err;
    const Drawn *const d = context;
    const WeftModel *const m = d->model;
    const int steps = b->steps * b->rows, targets = m->vector ? b->rows : steps;
    for (int i = 0; b->x && i < steps * m->inputs; i++)
        b->x[i] = rig_number(d, 1, index, i);
    for (int i = 0; b->symbol && i < steps; i++)
        b->symbol[i] = rig_below(d, 2, index, i, m->inputs);
    for (int i = 0; b->target && i < targets * m->outputs; i++)
        b->target[i] = m->loss == WEFT_SIGMOID ? (float)rig_below(d, 3, index, i, 2)
                                               : rig_number(d, 3, index, i);
    for (int i = 0; b->label && i < targets; i++)
        b->label[i] = rig_below(d, 4, index, i, m->outputs);
    for (int i = 0; d->weights && i < targets; i++)
        b->weight[i] = 0.5f * (float)rig_below(d, 5, index, i, 3);
    for (int i = 0; d->lengths && i < b->rows; i++)
        b->length[i] = 1 + rig_below(d, 6, index, i, b->steps);
    const int source = b->source_steps * b->rows;
    for (int i = 0; b->source_x && i < source * m->encoder->inputs; i++)
        b->source_x[i] = rig_number(d, 7, index, i);
    for (int i = 0; b->source_symbol && i < source; i++)
        b->source_symbol[i] = rig_below(d, 8, index, i, m->encoder->inputs);
    for (int i = 0; d->lengths && b->source_length && i < b->rows; i++)
        b->source_length[i] = 1 + rig_below(d, 9, index, i, b->source_steps);
    b->fresh = d->fresh_every ? index % (uint64_t)d->fresh_every == 0 : index == 0;
    return true;
}

static inline WeftSource drawn_source(Drawn *drawn, int steps, int rows)
{
    return (WeftSource){drawn, drawn_fill, steps, rows, 0, 0};
}

/* Keeps the last report. */
static inline bool keep_report(void *context, const WeftProgress *progress)
{
    *(WeftProgress *)context = *progress;
    return true;
}

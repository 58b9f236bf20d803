/* verdict.h: what the rows say of a claim. */
#pragma once

#include "rows.h"

typedef enum Ruling { HOLDS, FAILS, INCOMPLETE } Ruling;
extern const char *const ruling_names[];

typedef struct Verdict {
    Ruling ruling;
    bool asked;       /* false: at a length that is run only on demand, and was not */
    bool as_declared; /* no row behind it came from other settings */
    char ours[256];   /* the losses, for a reader */
} Verdict;

Verdict claim_judge(const Experiment *experiment, const Claim *claim, const Rows *rows);

/* The last losses of a cell at a length, ascending, at most `room`; their number. */
int last_losses(const Rows *rows, const char *cell, uint64_t length, double *loss,
                int room);

#define LOSSES_MAX 256

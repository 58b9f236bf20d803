/* verdict.h: what the rows say of a claim. */
#pragma once

#include "rows.h"

typedef enum Ruling { HOLDS, FAILS, INCOMPLETE } Ruling;
extern const char *const ruling_names[];

typedef struct Verdict {
    Ruling ruling;
    bool asked;       /* false: at a length that is run only on demand, and was not */
    bool as_declared; /* the rows behind it are of a declared size */
    char ours[256];   /* the numbers, for a reader */
} Verdict;

/* By the rows that count (rows_choose). */
Verdict claim_judge(const Experiment *experiment, const Claim *claim, const Rows *rows);

/* Of those that are asked. */
typedef struct Tally {
    int ruling[3], asked;
} Tally;
void tally_add(Tally *tally, const Tally *more);
Tally claims_tally(const Experiment *experiment, const Claim *claims, const Rows *rows);

/* All together: fails if one does, and holds if all do; of none, incomplete. */
Ruling tally_ruling(const Tally *tally);

/* verbs.h: the words that `weft` knows. To add one: a line here, and NAME_verb in its
 * file. */
#pragma once

#include "options.h"

// clang-format off
#define VERB_LIST(X)                                                                     \
    X(run) X(report) X(train) X(eval) X(sample) X(predict) X(cells) X(check) X(plan) X(machine)
// clang-format on

#define DECLARE(name) extern const Verb name##_verb;
VERB_LIST(DECLARE)
#undef DECLARE

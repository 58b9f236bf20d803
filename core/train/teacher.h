/* teacher.h: scheduled sampling (Bengio et al. 2015). */
#pragma once

#include "../net/pass.h"

typedef struct Teacher {
    Pass *pass; /* one step of the net; NULL before the first */
    float *out; /* [B][outputs] */
} Teacher;

/* What is wrong with it for this net and training. */
bool teacher_check(const WeftNet *net, const WeftTrain *train, int T, Error *err);

/* Replaces inputs of the batch that training has filled, as the schedule has it for the update
 * at hand. */
bool teacher_sample(Teacher *teacher, WeftNet *net, const WeftTrain *train, Error *err);
void teacher_close(Teacher *teacher);

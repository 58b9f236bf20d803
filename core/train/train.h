/* train.h: what of a training plans need to know. */
#pragma once

#include "../net/pass.h"

/* The shape of its batches of T steps and B rows. */
PassShape train_shape(const WeftTrain *train, int T, int B, int S);

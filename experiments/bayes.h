/* bayes.h: multinomial naive Bayes on the n-grams of texts: what a net that reads them in order
 * has to beat. */
#pragma once

#include "../core/weft.h"

typedef struct Bayes Bayes;

/* Of all n-grams of up to `order` symbols, counted with their label (0 .. labels-1); those of two
 * symbols or more begin and end at the text's ends too. */
bool bayes_open(int labels, int order, Bayes **bayes, WeftError *err);
void bayes_close(Bayes *bayes);
/* edge: a symbol that no text has. */
bool bayes_add(Bayes *bayes, const int32_t *symbol, int count, int32_t edge, int label,
               WeftError *err);
/* The logarithm of each label's probability, [labels]; an n-gram that was never counted tells
 * nothing, one that was not counted with a label counts as there once (Laplace). */
void bayes_tell(const Bayes *bayes, const int32_t *symbol, int count, int32_t edge,
                double *log_probability);

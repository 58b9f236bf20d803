/* classify.h: texts with labels, and pairs of sequences, as data; and nets of them in use. */
#pragma once

#include "lines.h"

/* Of lines that are open: they become the data's own, also when it fails. */
bool labelled_lines(Lines *lines, const DataOptions *options, const Settings *settings,
                    const WeftNet *net, Data *data, WeftError *err);
bool pairs_lines(Lines *lines, const DataOptions *options, const Settings *settings,
                 const WeftNet *net, Data *data, WeftError *err);

/* Of labelled lines: the loss is the share of wrong labels, and the score (`accuracy`) the F1 of
 * the labels, in the mean; else they are nats, and the share of right ones. */
void labelled_by_f1(Data *data);

/* A line of a language and a name for each name in the folder's files LANGUAGE.txt. */
bool names_read(const char *folder, Lines *lines, WeftError *err);

/* What a saved net says of a text, in a line: the label, or the other sequence; scores: a tab,
 * and its probability (of a sequence its logarithm, in nats). */
bool labelled_predict(WeftNet *net, const Vocabulary vocabulary[FIELDS],
                      const DataOptions *options, const char *text, bool scores,
                      FILE *out, WeftError *err);
bool pairs_predict(WeftNet *net, const Vocabulary vocabulary[FIELDS],
                   const DataOptions *options, const char *text, bool scores, FILE *out,
                   WeftError *err);

/* Of pairs of a class and a text: a text of the class, drawn as likely as the net says. */
bool pairs_draw(const Data *data, WeftNet *net, const char *class, uint64_t seed,
                char *text, size_t size, WeftError *err);

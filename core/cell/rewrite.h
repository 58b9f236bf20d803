/* rewrite.h: a derived graph, pruned and made ready for lowering. */
#pragma once

#include "graph.h"

/* A graph node in the new list; in[] index the list. */
typedef struct Line {
    Node node;
    int origin;    /* node of the graph; -1: a copy made here */
    bool backward; /* runs in the backward phases */
    bool loop;     /* depends on a state (backward: on a leaving state's gradient) */
    bool uniform;  /* the same for all rows */
    int uses;      /* by other lines and as roots */
} Line;

/* The roots of the graph, as lines; -1: none. */
typedef struct Rewrite {
    Line *line;
    int lines, room;
    int *leave, *denter; /* [states]; each a line of its own that nothing else shares */
    int *output;         /* [outputs] */
    int dinput;
    ParamGradient *gradient; /* d and x are lines */
    int gradients;
} Rewrite;

/* Leaves out what no root needs; computes again in backward what is cheap and made of
 * kept values; folds sums into chains of products and fused multiply-adds: terms that
 * wait for less come first, so W x + U h + b is b, then W x on it before the loop, then
 * U h on that in it. */
bool rewrite(const Graph *graph, bool training, bool dinput, bool symbols, Rewrite *out,
             Error *err);
void rewrite_close(Rewrite *rewrite);

/* For who makes a list of another: one without lines, and one line more, whose loop and
 * uniform follow from its operands; -1: out of memory. */
bool rewrite_open(const Graph *graph, Rewrite *rewrite);
int rewrite_append(Rewrite *rewrite, Line line);

bool op_is_leaf(Op op);
bool op_is_cheap(Op op); /* no more than an addition or two for each element it makes */

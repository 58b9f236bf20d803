/* check.h: the derived gradient against central differences, the float program against
 * it. */
#pragma once

#include <stdio.h>

#include "graph.h"

/* graph: derived. Draws parameters, inputs and a random linear loss over a chain of
 * steps; writes a line per tensor to out; false with the worst in err. name: of the
 * cell; scan: of the float program, as StepShape's. */
bool check_graph(const Graph *graph, const char *name, uint64_t seed, int scan,
                 FILE *out, Error *err);

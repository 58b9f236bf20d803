/* describe.h: a cell for reading: its derived backward pass, its phases, what it
 * costs. */
#pragma once

#include "graph.h"

/* graph: derived from the cell. */
bool describe_graph(const Cell *cell, const Graph *graph, FILE *out, Error *err);

/* Fuzz the cell language: any bytes are a cell or a message, at small sizes. */
#include <stddef.h>
#include <stdint.h>

#include "../core/cell/graph.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Cell *cell;
    Graph graph;
    Error err;
    if (!cell_parse("fuzz", (const char *)data, size, &cell, &err)) return 0;
    if (graph_build(cell, 3, 8, &graph, &err)) {
        derive(&graph, &err);
        graph_close(&graph);
    }
    cell_close(cell);
    return 0;
}

/* cell_api.c: weft_cell_*, the cells of core/weft.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../simd/isa.h"
#include "builtin.h"
#include "check.h"
#include "describe.h"
#include "nearest.h"
#include "parse.h"

#define NAMES_MAX 256 /* built-in cells that a hint looks at */

const char *weft_cell_name(int i)
{
    for (int k = 0; builtin_cells[k].name; k++)
        if (k == i) return builtin_cells[k].name;
    return NULL;
}

static bool is_path(const char *name)
{
    const size_t length = strlen(name);
    return strchr(name, '/') || (length > 5 && strcmp(name + length - 5, ".cell") == 0);
}

/* The whole file, in *text, to be freed. */
static bool read_file(const char *path, char **text, size_t *length, Error *err)
{
    const size_t room = CELL_TEXT_MAX + 1;
    FILE *const file = fopen(path, "rb");
    if (!file) return error(err, "%s: cannot be opened: %s", path, strerror(errno));
    char *const bytes = malloc(room);
    bool read = false;
    if (!bytes) {
        error(err, "%s: out of memory", path);
    } else {
        *length = fread(bytes, 1, room, file);
        read = !ferror(file);
        if (!read) error(err, "%s: cannot be read: %s", path, strerror(errno));
    }
    fclose(file);
    if (read)
        *text = bytes;
    else
        free(bytes);
    return read;
}

static bool open_file(const char *path, Cell **cell, Error *err)
{
    char *text = NULL;
    size_t length = 0;
    if (!read_file(path, &text, &length, err)) return false;
    const bool parsed = cell_parse(path, text, length, cell, err);
    free(text);
    return parsed;
}

bool weft_cell_open(const char *name, WeftCell **cell, WeftError *err)
{
    if (!name || !cell)
        return error(err, "weft_cell_open needs a name and a place for the cell");
    if (is_path(name)) return open_file(name, cell, err);
    const char *names[NAMES_MAX + 1];
    int count = 0;
    for (const Builtin *b = builtin_cells; b->name; b++) {
        if (strcmp(b->name, name) == 0)
            return cell_parse(name, b->text, strlen(b->text), cell, err);
        if (count < NAMES_MAX) names[count++] = b->name;
    }
    names[count] = NULL;
    char text[96];
    return error(err, "'%.80s' is no built-in cell%s; a file's name ends in .cell",
                 name, nearest_hint(name, names, text));
}

bool weft_cell_parse(const char *origin, const char *text, size_t length,
                     WeftCell **cell, WeftError *err)
{
    if (!origin || !text || !cell)
        return error(err, "weft_cell_parse needs an origin, a text and a place for "
                          "the cell");
    return cell_parse(origin, text, length, cell, err);
}

void weft_cell_close(WeftCell *cell)
{
    cell_close(cell);
}

bool weft_cell_set(WeftCell *cell, const char *name, double value, WeftError *err)
{
    if (!cell || !name) return error(err, "weft_cell_set needs a cell and a name");
    return cell_set(cell, name, value, err);
}

bool weft_cell_describe(const WeftCell *cell, int input, int hidden, FILE *out,
                        WeftError *err)
{
    Graph graph;
    if (!cell || !out)
        return error(err, "weft_cell_describe needs a cell and a file to write to");
    if (!graph_build(cell, input, hidden, &graph, err)) return false;
    const bool good = derive(&graph, err) && describe_graph(cell, &graph, out, err);
    graph_close(&graph);
    return good;
}

bool weft_cell_check(const WeftCell *cell, int input, int hidden, uint64_t seed,
                     FILE *out, WeftError *err)
{
    Graph graph;
    char text[256];
    if (!cell || !out)
        return error(err, "weft_cell_check needs a cell and a file to write to");
    if (!isa_select(NULL, text, sizeof text)) return error(err, "%s", text);
    if (!graph_build(cell, input, hidden, &graph, err)) return false;
    const bool good =
        derive(&graph, err) && check_graph(&graph, cell_name(cell), seed, 0, out, err);
    graph_close(&graph);
    return good;
}

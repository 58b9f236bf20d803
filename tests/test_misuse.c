/* Test misuse: what a caller forgets is an error with a message, never a crash. */
#include <criterion/criterion.h>
#include <string.h>

#include "../core/weft.h"

#define expect_refused(call, says)                                                     \
    do {                                                                               \
        err.text[0] = 0;                                                               \
        cr_expect(!(call), "%s", #call);                                               \
        cr_expect(strstr(err.text, says), "%s: %s", #call, err.text);                  \
    } while (0)

static WeftError err;

Test(misuse, of_teams_and_cells_is_an_error)
{
    WeftTeam *team = NULL;
    WeftCell *cell = NULL;
    expect_refused(weft_team_open(1, NULL, &err), "a place for the team");
    expect_refused(weft_cell_open(NULL, &cell, &err), "a name");
    expect_refused(weft_cell_open("gru", NULL, &err), "a place for the cell");
    expect_refused(weft_cell_parse("mine", NULL, 0, &cell, &err), "a text");
    expect_refused(weft_cell_parse(NULL, "", 0, &cell, &err), "an origin");
    expect_refused(weft_cell_parse("mine", "", 0, NULL, &err), "a place for");
    expect_refused(weft_machine_rates(NULL, "x", &err), "needs a team");
    expect_refused(weft_cell_set(NULL, "d", 1, &err), "needs a cell");
    expect_refused(weft_cell_describe(NULL, 2, 2, stderr, &err), "needs a cell");
    expect_refused(weft_cell_check(NULL, 2, 2, 1, stderr, &err), "needs a cell");

    cr_assert(weft_cell_open("gru", &cell, &err), "%s", err.text);
    expect_refused(weft_cell_set(cell, "hidden", 8, &err), "'hidden' is given");
    expect_refused(weft_cell_set(cell, NULL, 1, &err), "a name");
    expect_refused(weft_cell_describe(cell, 2, 2, NULL, &err), "a file to write to");
    expect_refused(weft_cell_check(cell, 2, 2, 1, NULL, &err), "a file to write to");
    weft_cell_close(cell);
    weft_cell_close(NULL);
    weft_team_close(team);
}

Test(misuse, of_models_is_an_error)
{
    size_t count;
    WeftCell *cell;
    cr_assert(weft_cell_open("gru", &cell, &err), "%s", err.text);
    const WeftLayer layer = {.cell = cell, .hidden = 2};
    WeftModel model = {.inputs = 2, .layers = &layer, .layer_count = 1, .outputs = 1};
    cr_expect(weft_model_parameters(&model, &count, &err), "%s", err.text);
    cr_expect_eq(count, 3 * (2 * 2 + 2 * 2 + 2) + 2 + 3);
    expect_refused(weft_model_parameters(&model, NULL, &err), "a place for the count");
    expect_refused(weft_model_parameters(NULL, &count, &err), "no model");
    model.outputs = 0;
    expect_refused(weft_model_parameters(&model, &count, &err), "outputs 0");
    weft_cell_close(cell);
}

Test(misuse, of_data_is_an_error)
{
    WeftSource source;
    WeftText *text;
    WeftTable *table;
    double nats;
    const int32_t symbols[] = {0, 1, 0};
    const WeftArrays arrays = {.count = 1, .steps = 1, .inputs = 1};
    expect_refused(weft_source_arrays(NULL, 1, &source, &err), "needs arrays");
    expect_refused(weft_source_arrays(&arrays, 1, NULL, &err), "a place for");
    expect_refused(weft_source_text(NULL, 3, 1, 1, &source, NULL, &err), "symbols");
    expect_refused(weft_source_text(symbols, 3, 1, 1, NULL, NULL, &err), "a place for");
    expect_refused(weft_ngram(NULL, 3, symbols, 3, 2, 1, &nats, &err), "two texts");
    expect_refused(weft_ngram(symbols, 3, NULL, 3, 2, 1, &nats, &err), "two texts");
    expect_refused(weft_ngram(symbols, 3, symbols, 3, 2, 1, NULL, &err), "a place for");
    expect_refused(weft_text_open(NULL, false, NULL, 0, &text, &err), "a path");
    expect_refused(weft_text_open("x", false, NULL, 0, NULL, &err), "a place for");
    expect_refused(weft_table_open(NULL, &table, &err), "a path");
    expect_refused(weft_table_open("x.csv", NULL, &err), "a place for");
    expect_refused(weft_table_find(NULL, "x", &err) >= 0, "needs a table");
    expect_refused(weft_table_values(NULL, 0, &err), "needs a table");
    weft_text_close(NULL);
    weft_table_close(NULL);
    weft_source_close(NULL);
}

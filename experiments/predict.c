/* predict.c: `weft predict`: what follows a table's last row. */
#include "saved.h"
#include "series.h"
#include "verbs.h"

#include <stdlib.h>

static bool predict(const Saved *saved, const char *name, WeftError *err)
{
    Data data;
    double *values;
    int count;
    const char *target;
    if (!saved_expect(saved, DATA_TABLE, err) || !saved_data(saved, name, &data, err))
        return false;
    const bool good = series_forecast(&data, saved->net, &values, &count, &target, err);
    if (good) {
        printf("ahead,%s\n", target);
        for (int i = 0; i < count; i++) printf("%d,%.9g\n", i + 1, values[i]);
        free(values);
    }
    data.close(&data);
    return good;
}

static Status predict_run(const Verb *verb, int argc, char **argv, WeftError *err)
{
    return saved_verb(verb, argc, argv, predict, err);
}

const Verb predict_verb = {
    "predict", "MODEL FILE.csv", "forecast the rows that follow a table's last one", 2,
    2,         predict_run};

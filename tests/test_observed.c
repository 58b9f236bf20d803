/* test_observed.c: series that were observed, as windows. */
#include "folder.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "task_rig.h"

TestSuite(observed, .init = open_folder, .fini = close_folder);

/* ---- a file like Chicago's, whose numbers tell the day ---- */

#define FROM 16801 /* 2016-01-01, in days from 1970 on */
#define TO   18048 /* 2019-06-01 */

static double rail_of(long date)
{
    return 1000 * (double)(date - FROM) + 500000;
}

static double bus_of(long date)
{
    return 200000 + (double)(date % 97);
}

/* The first of January is a holiday. */
static char kind_of(const struct tm *tm)
{
    if (tm->tm_wday == 0 || tm->tm_yday == 0) return 'U';
    return tm->tm_wday == 6 ? 'A' : 'W';
}

static struct tm tm_of(long date)
{
    const time_t seconds = (time_t)date * 86400;
    struct tm tm;
    gmtime_r(&seconds, &tm);
    return tm;
}

static void put_day(FILE *file, long date)
{
    const struct tm tm = tm_of(date);
    char text[32];
    strftime(text, sizeof text, "%m/%d/%Y", &tm);
    fprintf(file, "%s,%c,%.0f,%.0f,0\n", text, kind_of(&tm), bus_of(date),
            rail_of(date));
}

/* Days before and after too, the last first, one of them twice; none of `without`. */
static void put_rail(long without, const char *line)
{
    FILE *file = fopen("rail.csv", "w");
    cr_assert(file);
    fprintf(file, "service_date,day_type,bus,rail_boardings,total_rides\n");
    for (long date = TO + 30; date >= FROM - 30; date--)
        if (date != without) put_day(file, date);
    put_day(file, FROM + 100);
    fprintf(file, "%s", line);
    fclose(file);
}

static bool open_data(const Experiment *experiment, const char *path, int length,
                      Data *data, WeftError *err)
{
    return file_data(experiment, path, length, 4, experiment->train.seed, data, err);
}

typedef struct Read {
    float x[60 * 4 * 5], target[4], weight[4];
} Read;

static void read_batch(const Data *data, uint64_t index, Read *read)
{
    WeftError err;
    WeftBatch batch = {.steps = data->train.steps,
                       .rows = 4,
                       .inputs = data->shape.inputs,
                       .outputs = 1,
                       .vector = true,
                       .x = read->x,
                       .target = read->target,
                       .weight = read->weight};
    cr_assert(data->train.fill(data->train.context, index, &batch, &err));
}

/* ---- windows ---- */

Test(observed, windows_of_rail_are_of_the_years_that_train_and_the_day_after_is_told)
{
    Data data;
    Read read;
    bool seen[TO - FROM] = {false};
    put_rail(0, "");
    MUST(open_data(&experiment_rail_all, "rail.csv", 56, &data, &err));
    for (uint64_t index = 0; index < 4000; index++) {
        read_batch(&data, index, &read);
        for (int row = 0; row < 4; row++) {
            const long date = FROM + lround((read.target[row] - 0.5) * 1000);
            cr_assert_geq(date, FROM + 56);
            cr_assert_lt(date, FROM + 1096); /* 2019 */
            seen[date - FROM] = true;
            for (int t = 0; t < 56; t++) {
                const float *x = read.x + (t * 4 + row) * 5;
                const struct tm next = tm_of(date - 55 + t);
                cr_assert_float_eq(x[0], rail_of(date - 56 + t) / 1e6, 1e-6);
                cr_assert_float_eq(x[1], bus_of(date - 56 + t) / 1e6, 1e-6);
                for (int k = 0; k < 3; k++)
                    cr_assert_eq(x[2 + k], "AUW"[k] == kind_of(&next));
            }
        }
    }
    int days = 0;
    for (int i = 0; i < TO - FROM; i++) days += seen[i];
    cr_expect_eq(days, 1096 - 56);
    data.close(&data);
}

/* With such numbers a week makes 7000, and a plane tells all. */
Test(observed, baselines_are_those_of_their_definition_in_riders)
{
    Data data;
    char name[BASELINE_SIZE];
    WeftScore score;
    put_rail(0, "");
    MUST(open_data(&experiment_rail, "rail.csv", 56, &data, &err));
    cr_expect(strstr(data.about, "1040 windows of 56 steps for training, 56 for "
                                 "validation, 95 to test"),
              "%s", data.about);
    MUST(data.baseline(&data, TEST, 0, name, &score, &err));
    cr_expect_str_eq(name, "a week before");
    cr_expect_float_eq(score.accuracy, 7000, 0.5, "%g", score.accuracy);
    cr_expect_eq(score.targets, 95);
    MUST(data.baseline(&data, TEST, 1, name, &score, &err));
    cr_expect_str_eq(name, "linear");
    cr_expect_lt(score.accuracy, 1, "%g", score.accuracy);
    MUST(data.baseline(&data, TEST, 2, name, &score, &err));
    cr_expect_str_eq(name, "");
    data.close(&data);
}

/* Of a net that tells the last value, a day makes 1000. */
Test(observed, score_is_the_mean_absolute_error_in_riders)
{
    Data data;
    WeftScore score;
    Experiment shaped = experiment_rail;
    shaped.task =
        (Task){.inputs = 1, .outputs = 1, .loss = WEFT_SQUARE, .vector = true};
    Known known = known_open(
        &shaped, "cell last\nstate h\nweight W [hidden][input]\nh' = W x\n", 1);
    known_values(&known, "head.weight")[0] = known_values(&known, "layer0.W")[0] = 1;
    put_rail(0, "");
    MUST(open_data(&experiment_rail, "rail.csv", 56, &data, &err));
    MUST(data.evaluate(&data, known.net, TEST, 100, &score, &err));
    cr_expect_float_eq(score.accuracy, 1000, 0.5, "%g", score.accuracy);
    cr_expect_eq(score.targets, 95);
    data.close(&data);
    known_close(&known);
}

Test(observed, a_series_that_does_not_fit_is_told)
{
    Data data;
    put_rail(FROM + 200, "");
    FAILS(open_data(&experiment_rail, "rail.csv", 56, &data, &err), "2016-07-19");
    put_rail(0, "07/19/2016,W,1,2,3\n");
    FAILS(open_data(&experiment_rail, "rail.csv", 56, &data, &err),
          "the day 07/19/2016 is there twice, with other numbers");
    put_rail(0, "19.7.2016,W,1,2,3\n");
    FAILS(open_data(&experiment_rail, "rail.csv", 56, &data, &err),
          "\"19.7.2016\" is no day like 12/31/2018");
    put_rail(FROM + 200, "07/19/2016,X,1,2,3\n");
    FAILS(open_data(&experiment_rail_all, "rail.csv", 56, &data, &err),
          "day_type \"X\": expected A, U or W");
    put_rail(0, "");
    FAILS(open_data(&experiment_rail, "rail.csv", 6, &data, &err),
          "--length 6: expected 7 to 1095 steps");
    FAILS(open_data(&experiment_rail, "rail.csv", 1096, &data, &err),
          "--length 1096: expected 7 to 1095 steps");
}

/* ---- weeks without a number ---- */

static void put_weeks(const char *last)
{
    FILE *file = fopen("co2.csv", "w");
    cr_assert(file);
    fprintf(file, "date,co2\n");
    for (int i = 0; i < 200; i++) {
        if (i % 7 == 3 || i % 7 == 4)
            fprintf(file, "%d,\n", i);
        else
            fprintf(file, "%d,%d\n", i, 300 + 3 * (i % 7));
    }
    fprintf(file, "200,%s\n", last);
    fclose(file);
}

/* Changes of 3, on weeks without numbers too, and of -18 once in seven weeks; what is told
 * goes on with them. */
Test(observed, weeks_without_a_number_lie_on_a_line)
{
    Data data;
    Read read;
    put_weeks("312");
    MUST(open_data(&experiment_co2, "co2.csv", 53, &data, &err));
    for (uint64_t index = 0; index < 50; index++) {
        read_batch(&data, index, &read);
        for (int row = 0; row < 4; row++) {
            int falls = 0;
            for (int t = 0; t < 53; t++) {
                const float x = read.x[t * 4 + row];
                cr_assert(x == 3 || x == -18, "%g", (double)x);
                falls += x == -18;
                if (t >= 7) cr_assert_eq(x, read.x[(t - 7) * 4 + row]);
            }
            cr_assert(falls == 7 || falls == 8);
            cr_assert_eq(read.target[row], read.x[46 * 4 + row]);
        }
    }
    data.close(&data);
    put_weeks("");
    FAILS(open_data(&experiment_co2, "co2.csv", 53, &data, &err),
          "the first or last week has no number");
    put_weeks("3o");
    FAILS(open_data(&experiment_co2, "co2.csv", 53, &data, &err),
          "co2 \"3o\" is not a number");
}

/* ---- sunspots, and what all share ---- */

static void put_years(int years, double each)
{
    FILE *file = fopen("spots.csv", "w");
    cr_assert(file);
    fprintf(file, "YEAR,SUNACTIVITY\n");
    for (int i = 0; i < years; i++) fprintf(file, "%d,%g\n", 1700 + i, each * i);
    fclose(file);
}

Test(observed, of_the_years_seventy_percent_train_and_ten_are_validation)
{
    Data data;
    char name[BASELINE_SIZE];
    WeftScore score;
    put_years(100, 3);
    MUST(open_data(&experiment_sunspots, "spots.csv", 5, &data, &err));
    cr_expect(strstr(data.about,
                     "65 windows of 5 steps for training, 10 for validation, "
                     "20 to test"),
              "%s", data.about);
    MUST(data.baseline(&data, TEST, 0, name, &score, &err));
    cr_expect_str_eq(name, "last value");
    cr_expect_float_eq(score.accuracy, 3, 1e-3, "%g", score.accuracy);
    data.close(&data);
}

Test(observed, series_too_short_or_too_large_are_told)
{
    Data data;
    put_years(1, 1);
    FAILS(open_data(&experiment_sunspots, "spots.csv", 5, &data, &err),
          "spots.csv: 1 steps are too few");
    put_years(100, 1e300);
    FAILS(open_data(&experiment_sunspots, "spots.csv", 5, &data, &err),
          "spots.csv: a number is too large for a float");
}

Test(observed, windows_are_functions_of_seed_and_index)
{
    Read a, b;
    put_years(100, 3);
    for (int i = 0; i < 4; i++) {
        Experiment other = experiment_sunspots;
        Data data;
        other.train.seed = i == 1;
        MUST(open_data(&other, "spots.csv", 5, &data, &err));
        read_batch(&data, i == 2, i ? &b : &a);
        data.close(&data);
        if (i) cr_expect_eq(!memcmp(a.target, b.target, sizeof a.target), i == 3);
    }
}

/* ---- real data ---- */

/* 41274.35 was computed from the file by other means; the book's 42143 is of the 92 days
 * from March on. */
Test(observed, rail_of_chicago_has_the_known_error_of_a_week_before)
{
    const char *const path = SOURCE_DIR "/../shared/data/chicago_ridership.csv";
    Data data;
    char name[BASELINE_SIZE];
    WeftScore score;
    if (access(path, R_OK)) cr_skip("%s is not here", path);
    MUST(open_data(&experiment_rail, path, 56, &data, &err));
    MUST(data.baseline(&data, TEST, 0, name, &score, &err));
    cr_expect_float_eq(score.accuracy, 41274.347, 0.05, "%g", score.accuracy);
    data.close(&data);
}

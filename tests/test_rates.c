/* test_rates.c: what work costs: as a file, as measured here, and as it grows with its size. */
#include "../core/rates.h"
#include "../core/team/measure.h"
#include "../core/team/wait.h"
#include "folder.h"

#include <locale.h>
#include <string.h>

/* ---- files ---- */

TestSuite(rates_file, .init = open_folder, .fini = close_folder);

static void write_text(const char *text)
{
    FILE *const file = fopen("x.rates", "w");
    cr_assert(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

/* The typical rates as text. */
static char *typical(void)
{
    char *text;
    size_t size;
    FILE *const out = open_memstream(&text, &size);
    cr_assert(rates_write(&rates_typical, out, NULL));
    fclose(out);
    return text;
}

static void expect_read(const char *text, const Rates *expected)
{
    Rates r;
    Error err;
    write_text(text);
    cr_assert(rates_read("x.rates", &r, &err), "%s", err.text);
    cr_expect_arr_eq(&r, expected, sizeof r);
}

/* Numbers that a few digits do not tell, in a field of each kind. */
static Rates odd_rates(void)
{
    Rates r = rates_typical;
    r.pack = 1.0 / 3e9;
    r.product[PRODUCT_4] = 1e11 / 7;
    r.map[MAP_tanh] = 5e-324;
    return r;
}

Test(rates_file, what_is_written_is_read_back)
{
    char *text;
    size_t size;
    const Rates odd = odd_rates();
    FILE *const out = open_memstream(&text, &size);
    cr_assert(rates_write(&odd, out, NULL));
    fclose(out);
    expect_read(text, &odd);
    cr_expect(strstr(text, "\nproduct/m:4 "), "%s", text);
    cr_expect(strstr(text, "# seconds a drawn element\n"), "%s", text);
    free(text);
}

Test(rates_file, numbers_have_a_point_in_every_locale)
{
    char *const text = typical();
    if (system("localedef -i de_DE -f UTF-8 ./de_DE 2> /dev/null") != 0 ||
        setenv("LOCPATH", folder, 1) != 0 || !setlocale(LC_ALL, "de_DE"))
        cr_skip_test("no locale whose numbers have a comma");
    char *const again = typical();
    cr_expect_str_eq(again, text);
    expect_read(text, &rates_typical);
    free(again);
    free(text);
}

Test(rates_file, comments_blanks_and_order_do_not_matter)
{
    char *const text = typical();
    char *const second = strchr(text, '\n') + 1;
    char changed[32 * 1024];
    *(second - 1) = 0; /* the first line comes last */
    snprintf(changed, sizeof changed, "# of mine\n\n \t\r\n%s\t  %s", second, text);
    expect_read(changed, &rates_typical);
    free(text);
}

/* The typical rates with `from` replaced, and what is said of that. */
static void expect_refused(const char *from, const char *to, const char *message)
{
    char *const text = typical(), *const at = strstr(text, from);
    char changed[32 * 1024];
    Rates r;
    Error err = {0};
    cr_assert(at, "%s", from);
    snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text, to,
             at + strlen(from));
    write_text(changed);
    cr_expect(!rates_read("x.rates", &r, &err), "%s", to);
    cr_expect(strstr(err.text, message), "%s: %s", to, err.text);
    free(text);
}

Test(rates_file, what_is_wrong_is_told_with_its_line)
{
    expect_refused("\npack ", "\npeak 1\npack ",
                   "x.rates: line 3: peak was given in line 1");
    expect_refused(
        "\ngradient ", "\ngradeint ",
        "x.rates: line 2: \"gradeint\" is no rate (did you mean 'gradient'?)");
    expect_refused("\nmap/tanh ", "\nmap/tan ", "did you mean 'map/tanh'?");
    expect_refused("\nproduct/m:8 ", "\nproduct/m:3 ", "\"product/m:3\" is no rate");
    expect_refused("\npack ", "\n# pack ", "lines without pack, seconds an element");
    const char *const bad[] = {"0",   "-1",  "nan",  "inf", "1e999", "1e-999",
                               "0x1", "1,5", "1.5s", "ten", "--1",   "1e"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char line[64], message[64];
        snprintf(line, sizeof line, "\npack %s #", bad[i]);
        snprintf(message, sizeof message,
                 "x.rates: line 3: pack is \"%s\": expected a number above 0", bad[i]);
        expect_refused("\npack ", line, message);
    }
    expect_refused("\npack ", "\npack #", "line 3: pack is \"\": expected a number");
    expect_refused("\npack ", "\npack 2 ",
                   "line 3: \"1.13e-10\" after the value of pack");
}

Test(rates_file, what_is_no_text_is_refused)
{
    Rates r;
    Error err = {0};
    cr_expect(!rates_read("no.rates", &r, &err));
    cr_expect(strstr(err.text, "no.rates"), "%s", err.text);
    FILE *const file = fopen("x.rates", "w");
    fwrite("peak\0 1", 1, 7, file);
    fclose(file);
    cr_expect(!rates_read("x.rates", &r, &err));
    cr_expect(strstr(err.text, "x.rates: byte 4 is zero"), "%s", err.text);
}

Test(rates_file, the_typical_rates_are_those_of_zen3)
{
    Rates r;
    Error err;
    cr_assert(rates_read(SOURCE_DIR "/bench/machines/zen3.rates", &r, &err), "%s",
              err.text);
    cr_expect_arr_eq(&r, &rates_typical, sizeof r);
}

/* ---- this machine ---- */

static Team *open_team(int threads)
{
    Team *team;
    Error err;
    cr_assert(weft_team_open(threads, &team, &err), "%s", err.text);
    return team;
}

Test(rates, this_machine_is_measured)
{
    Team *const team = open_team(0);
    Rates r;
    Error err;
    cr_assert(rates_measure(team, &r, &err), "%s", err.text);
    const double *const all = (const double *)(const void *)&r;
    for (size_t i = 0; i < sizeof r / sizeof *all; i++)
        cr_expect(all[i] > 0 && all[i] < 1e15, "rate %zu is %g", i, all[i]);
    cr_expect_leq(r.product[PRODUCT_64], r.peak);
    cr_expect_gt(r.product[PRODUCT_64], r.peak / 10);
    cr_expect_leq(r.gradient, r.peak);
    if (simd->lanes > 1) cr_expect_lt(r.product[PRODUCT_1], r.product[PRODUCT_64]);
    cr_expect_lt(r.map[MAP_copy], r.map[MAP_tanh]);
    cr_expect_lt(r.memory, r.l2);
    cr_expect_geq(r.far_wait, r.wait);
    weft_team_close(team);
}

Test(rates_file, what_is_measured_here_can_be_read)
{
    Team *const team = open_team(0);
    Rates r;
    Error err;
    cr_assert(weft_machine_rates(team, "here.rates", &err), "%s", err.text);
    cr_assert(rates_read("here.rates", &r, &err), "%s", err.text);
    cr_expect(!weft_machine_rates(team, "no/here.rates", &err));
    cr_expect(strstr(err.text, "no/here.rates"), "%s", err.text);
    weft_team_close(team);
}

Test(rates, waits_of_threads_that_are_not_there_are_typical)
{
    Team *const team = open_team(1);
    Waits waits;
    Rates r;
    waits_begin(&waits);
    cr_assert(waits_try(&waits, team, 8, NULL));
    waits_solve(&waits, team, 8, &r);
    cr_expect_lt(r.tile, 1e-4);
    cr_expect_eq(r.wait, rates_typical.wait);
    cr_expect_float_eq(r.far_wait, rates_typical.far_wait, 1e-12);
    cr_expect_eq(r.round, rates_typical.round);
    weft_team_close(team);
}

/* Of two threads: neighbours, or each a domain of its own. */
Test(rates, waits_are_near_or_far_by_the_domain)
{
    Team *const team = open_team(2);
    for (int domain = 1; domain <= 2; domain++) {
        Waits waits;
        Rates r;
        waits_begin(&waits);
        cr_assert(waits_try(&waits, team, domain, NULL));
        waits_solve(&waits, team, domain, &r);
        cr_expect_eq(waits.far < 1, domain == 1);
        cr_expect_eq(waits.near < 1, domain == 2);
        cr_expect_eq(waits.round < 1, domain == 2);
        cr_expect_eq(r.wait == rates_typical.wait, domain == 1);
        cr_expect_geq(r.far_wait, r.wait);
    }
    weft_team_close(team);
}

/* ---- costs ---- */

Test(rates, work_costs_more_when_there_is_more)
{
    const Rates *const r = &rates_typical;
    for (double size = 16; size < 4096; size *= 2) {
        const double more = 2 * size, w = 4 * size * size;
        cr_expect_lt(rates_product(r, size, 64, 64, 0).seconds,
                     rates_product(r, more, 64, 64, 0).seconds);
        cr_expect_lt(rates_product(r, 8, size, 64, w).seconds,
                     rates_product(r, 8, more, 64, 2 * w).seconds);
        cr_expect_lt(rates_product(r, 8, 64, size, w).seconds,
                     rates_product(r, 8, 64, more, 2 * w).seconds);
        cr_expect_lt(rates_gradient(r, size, 64, 64, 128).seconds,
                     rates_gradient(r, more, 64, 64, 128).seconds);
        cr_expect_lt(rates_map(r, MAP_mul, 64, size).seconds,
                     rates_map(r, MAP_mul, 64, more).seconds);
        cr_expect_lt(rates_map(r, MAP_mul, size, 64).seconds,
                     rates_map(r, MAP_mul, more, 64).seconds);
    }
}

Test(rates, a_gradient_takes_its_packing_too)
{
    const Rates *const r = &rates_typical;
    const double rows = 1000, n = 10, k = 20;
    const Cost cost = rates_gradient(r, rows, n, k, n + k);
    cr_expect_eq(cost.flops, 2 * rows * n * k);
    cr_expect_geq(cost.seconds,
                  cost.flops / r->gradient + 0.999 * rows * (n + k) * r->pack);
}

/* Also at sizes between those that are known. */
Test(rates, a_product_of_more_rows_takes_longer)
{
    for (int m = 1; m < 200; m++)
        cr_expect_lt(rates_product(&rates_typical, m, 128, 32, 0).seconds,
                     rates_product(&rates_typical, m + 1, 128, 32, 0).seconds, "%d", m);
}

Test(rates, weights_cost_more_from_further_away)
{
    const Rates *const r = &rates_typical;
    const double far[] = {r->l2_bytes / 2, r->l3_bytes / 2, 2 * r->l3_bytes};
    for (int i = 1; i < 3; i++) {
        cr_expect_lt(rates_product(r, 1, 512, 512, far[i - 1]).seconds,
                     rates_product(r, 1, 512, 512, far[i]).seconds);
        cr_expect_lt(rates_stream(r, 1e6, far[i - 1]).seconds,
                     rates_stream(r, 1e6, far[i]).seconds);
    }
}

/* test_command.c: the command as a user meets it: what it does, says and returns. */
#include "command_rig.h"

#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(command, .init = open_folder, .fini = close_folder, .timeout = 120);

static void write_file(const char *path, const void *bytes, size_t count)
{
    FILE *file = fopen(path, "w");
    cr_assert(file);
    cr_assert_eq(fwrite(bytes, 1, count, file), count);
    fclose(file);
}

/* A text that a net learns at once. */
static void write_text(const char *path)
{
    static const char line[] = "the cat sat on the mat, and the dog sat on the log.\n";
    FILE *file = fopen(path, "w");
    cr_assert(file);
    for (int i = 0; i < 400; i++) fputs(line, file);
    fclose(file);
}

static void write_table(const char *path)
{
    FILE *file = fopen(path, "w");
    cr_assert(file);
    fprintf(file, "day,price,volume\n");
    for (int i = 0; i < 300; i++)
        fprintf(file, "d%d,%d,%d\n", i, 100 + 10 * (i % 4), i % 7);
    fclose(file);
}

#define SMALL "--hidden 16 --chunk 10 --batch 8 --schedule constant"

/* ---- calls ---- */

Test(command, says_what_it_is)
{
    expect_call(0, "weft 0.", "weft --version");
    expect_call(0, "Usage: weft VERB", "weft --help");
    static const char *const verbs[] = {"run",    "report",  "train", "eval",
                                        "sample", "predict", "cells", "check",
                                        "plan",   "machine"};
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        shell("weft --help");
        cr_expect(strstr(out, verbs[i]), "%s", verbs[i]);
        expect_call(0, "--help", "weft %s --help", verbs[i]);
    }
}

Test(command, help_lists_every_option)
{
    static const char *const options[] = {"cell",
                                          "hidden",
                                          "layers",
                                          "both",
                                          "batch",
                                          "chunk",
                                          "chunks-per-update",
                                          "back",
                                          "stale",
                                          "burn-in",
                                          "scan",
                                          "rate",
                                          "schedule",
                                          "warmup",
                                          "clip",
                                          "clip-value",
                                          "dropout",
                                          "steps",
                                          "seed",
                                          "threads",
                                          "save",
                                          "resume",
                                          "embedding",
                                          "parameters",
                                          "set",
                                          "bytes",
                                          "shares",
                                          "split",
                                          "memory",
                                          "target",
                                          "columns",
                                          "window",
                                          "horizon",
                                          "optimizer"};
    shell("weft train --help");
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        char name[64];
        snprintf(name, sizeof name, "\n  --%s ", options[i]);
        cr_expect(strstr(out, name), "--%s is not in\n%s", options[i], out);
    }
}

Test(command, machine_writes_what_work_costs_here)
{
    expect_call(0, "rates      here.rates", "weft machine --rates here.rates");
    expect_call(0, "# Rates of a machine, measured by weft ", "cat here.rates");
    expect_call(0, "seconds an element, in L1: tanh a", "grep ^map/tanh here.rates");
    expect_call(1, "no/here.rates", "weft machine --rates no/here.rates");
    expect_call(2, "one of them", "weft machine --quick --rates again.rates");
}

Test(command, bad_calls_return_2_and_name_the_nearest)
{
    expect_call(2, "expected a verb", "weft");
    expect_call(2, "did you mean train?", "weft trian");
    expect_call(2, "did you mean --hidden?", "weft train x --hiden 3");
    expect_call(2, "unknown option --zzzzzzzz", "weft train x --zzzzzzzz");
    expect_call(2, "--hidden: expected a value", "weft train x --hidden");
    expect_call(2, "--both takes no value", "weft train x --both=1");
    expect_call(2, "more than one option", "weft train x --c 3");
    expect_call(2, "expected a whole number", "weft train x --hidden many");
    expect_call(2, "expected a whole number", "weft train x --hidden -3");
    expect_call(2, "expected 1 to 1000000", "weft train x --hidden 0");
    expect_call(2, "expected a number", "weft train x --rate fast");
    expect_call(2, "expected a number", "weft train x --rate nan");
    expect_call(2, "did you mean adam?", "weft train x --optimizer adan");
    expect_call(2, "did you mean lstm?", "weft train x --cell lstn");
    expect_call(2, "did you mean gru?", "weft cells gruu");
    expect_call(2, "expected name=number", "weft train x --set dt");
    expect_call(2, "percentages", "weft train x --shares 90,20,5");
    expect_call(2, "did you mean rows?", "weft train x --split row");
    expect_call(2, "expected a whole number", "weft train x --memory little");
    expect_call(2, "expected DATA", "weft train");
    expect_call(2, "expected MODEL", "weft sample");
    expect_call(2, "unexpected \"y\"", "weft train x y");
    expect_call(2, "expected --target", "weft train x.csv");
    expect_call(2, "--chunk 0", "weft train x --chunk 0");
    expect_call(2, "at least the 50 steps of a chunk", "weft train x --back 49");
    expect_call(2, "--back 9: nothing is cut", "weft train adding --back 9");
    expect_call(2, "with --reset 0", "weft train x --back 50 --reset 0");
    expect_call(2, "at least the 40 steps", "weft run text --length 9,40 --back 9");
    expect_call(2, "nothing is cut", "weft run adding --back 9");
    expect_call(2, "--stale: expected a text", "weft train adding --stale");
    expect_call(2, "--stale: expected a text", "weft run adding --stale");
    expect_call(2, "expected one of them", "weft train x --stale --back 50");
    expect_call(2, "expected one of them", "weft run text --stale --back 50");
    expect_call(2, "nothing is stale", "weft train x --burn-in 5");
    expect_call(2, "--layers 0: expected 1 to 32", "weft train x --layers 0");
    expect_call(2, "--layers 33: expected 1 to 32", "weft train x --layers 33");
    expect_call(2, "--layers 0: expected 1 to", "weft train x --layers lstm:0");
    expect_call(2, "expected a whole number", "weft train x --layers lstm:");
    expect_call(2, "did you mean lstm?", "weft train x --layers lstm:8,lstn:8");
    expect_call(2, "expected layers as in", "weft train x --layers lstm,");
    expect_call(2, "--both: going backward", "weft train x --both");
    expect_call(2, "--both: going backward", "weft run text --both");
    expect_call(2, "did you mean adding?", "weft run addin");
    expect_call(2, "named twice", "weft run adding adding");
    expect_call(2, "0..4", "weft run adding --seed 4..0");
    expect_call(2, "1 is there twice", "weft run adding --seed 0..2,1");
    expect_call(2, "gru is there twice", "weft run adding --cell gru,rnn,gru");
    expect_call(2, "--hidden 64 with --parameters 900: expected one",
                "weft run adding --parameters 900 --hidden 64");
    expect_call(2, "expected one of them", "weft train x --hidden 9 --parameters 900");
    expect_call(2, "each layer of --layers lstm:8 has its width",
                "weft train x --parameters 900 --layers lstm:8");
    expect_call(2, "expected a whole number", "weft train x --parameters some");
    expect_call(2, "did you mean 'forget'?", "weft train x --cell lstm:froget=0");
    expect_call(2, "expected name=number", "weft train x --cell lstm:forget=no");
    expect_call(2, "expected name=number", "weft train x --cell lstm:=");
    expect_call(2, "did you mean lstm?", "weft train x --cell lstn:forget=0");
    expect_call(2, "'forget' is no size or const", "weft cells gru:forget=0");
    expect_call(2, "did you mean adding?", "weft report addin");
    expect_call(2, "0..4", "weft run adding --seed 0..9999999999");
}

/* ---- files that are not what they should be ---- */

Test(command, bad_files_return_1_and_are_named)
{
    write_file("empty.txt", "", 0);
    write_file("binary.txt", "ab\0cd", 5);
    write_file("latin1.txt", "caf\xe9 au lait", 12);
    write_file("short.txt", "abc", 3);
    write_file("noise.weft", "\x7f not a net \x80", 14);
    expect_call(1, "missing.txt", "weft train missing.txt");
    expect_call(1, "empty.txt", "weft train empty.txt");
    expect_call(1, "binary.txt", "weft train binary.txt");
    expect_call(1, "latin1.txt", "weft train latin1.txt");
    expect_call(1, "too few", "weft train short.txt");
    expect_call(1, "/tmp", "weft train /tmp");
    expect_call(1, "missing.cell",
                "weft train short.txt --cell missing.cell --batch 1 "
                "--chunk 1 --chunks-per-update 1");
    expect_call(1, "noise.weft", "weft sample noise.weft");
    expect_call(1, "missing.weft", "weft eval missing.weft short.txt");
    expect_call(1, "no rows yet", "weft report");
}

Test(command, bad_tables_return_1_and_name_the_place)
{
    write_table("t.csv");
    write_file("words.csv", "a,b\n1,2\n3,x\n", 12);
    expect_call(1, "the nearest is \"price\"", "weft train t.csv --target pric");
    expect_call(1, "day", "weft train t.csv --target day");
    expect_call(1, "words.csv", "weft train words.csv --target b");
    shell("{ echo a; yes 1e300 | head -n 50; yes 2e300 | head -n 50; } > large.csv");
    expect_call(1, "too large to be squared", "weft train large.csv --target a");
    expect_call(1, "too few for --window 400",
                "weft train t.csv --target price --window 400");
}

Test(command, nothing_half_written_is_left_where_it_cannot_write)
{
    write_text("t.txt");
    expect_call(1, "nowhere",
                "weft train t.txt " SMALL " --steps 1 --save nowhere/m.weft");
    expect_call(1, "nowhere/t.json",
                "weft train t.txt " SMALL " --steps 1 --trace nowhere/t.json");
    write_file("file", "x", 1);
    expect_call(1, "file", "weft run adding --steps 1 --out file");
    expect_call(1, "could not be written", "weft cells > /dev/full");
    expect_call(1, "m.weft.",
                "( ulimit -f 4; weft train t.txt " SMALL " --steps 1 --save m.weft )");
    expect_call(1, "t.json.",
                "( ulimit -f 4; weft train t.txt " SMALL " --steps 9 --trace t.json )");
    expect_call(0, "2", "ls | wc -l"); /* file and t.txt, and nothing beside */
}

Test(command, trace_and_profile_show_and_change_nothing)
{
    write_text("t.txt");
    expect_call(0, "", "weft train t.txt " SMALL " --steps 3 | grep digest > a");
    expect_call(0, "",
                "weft train t.txt " SMALL
                " --steps 3 --trace t.json | grep digest | cmp - a");
    expect_call(0, "1", "grep -c -m 1 '\"name\":\"backward\"' t.json");
    expect_call(0, "profile: 3 updates",
                "weft train t.txt " SMALL " --steps 3 --profile | tee b; "
                "grep digest b | cmp - a");
}

/* ---- text ---- */

Test(command, text_trains_evaluates_and_writes)
{
    write_text("t.txt");
    expect_call(0, "n-gram of order 5, test:",
                "weft train t.txt " SMALL " --steps 300 --rate 0.01 --save m.weft");
    cr_expect(strstr(out, "bits a character"));
    const char *const last = strrchr(out, 'd') ? strstr(out, "\ndigest: ") : NULL;
    cr_expect(last && !strchr(last + 1, '\n')[1], "the digest is the last line");
    expect_call(0, "bits a character", "weft eval m.weft t.txt");
    expect_call(0, "the cat sat on the",
                "weft sample m.weft --length 120 --temperature 0 --prime 'the c'");
    char first[OUT_SIZE];
    shell("weft sample m.weft --length 100 --seed 5");
    memcpy(first, out, sizeof first);
    cr_expect_eq(strlen(out), 101, "100 characters and the line's end");
    shell("weft sample m.weft --length 100 --seed 5");
    cr_expect_str_eq(first, out);
    expect_call(0, "0",
                "weft sample m.weft --length 1000000000 | head -c 5 > five; echo $?");
    expect_call(1, "U+0051", "weft sample m.weft --prime Q");
    expect_call(1, "trained on a text", "weft predict m.weft t.txt");
    write_file("other.txt", "Quite unknown letters: \xc3\xa9", 25);
    expect_call(1, "other.txt", "weft eval m.weft other.txt");
}

Test(command, bytes_of_any_kind_are_a_text)
{
    char bytes[4000];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)(i * 37 % 256);
    write_file("b", bytes, sizeof bytes);
    expect_call(0, "4000 bytes, 256 symbols",
                "weft train b --bytes " SMALL " --steps 2 --save m.weft");
    expect_call(0, "", "weft sample m.weft --length 10 | wc -c");
    cr_expect_eq(atoi(out), 11);
}

Test(command, digest_is_the_same_for_all_threads_and_instruction_sets)
{
    write_text("t.txt");
    shell("weft train t.txt " SMALL " --layers lstm:16,gru:12 --steps 10 --threads 1");
    const char *const one = digest();
    shell("weft train t.txt " SMALL " --layers lstm:16,gru:12 --steps 10 --threads 3");
    cr_expect_str_eq(digest(), one);
    shell("WEFT_ISA=scalar weft train t.txt " SMALL
          " --layers lstm:16,gru:12 --steps 10");
    cr_expect_str_eq(digest(), one);
    shell("weft train t.txt " SMALL " --layers lstm:16,gru:12 --steps 10 --seed 2");
    cr_expect_str_neq(digest(), one);
}

Test(command, resumed_training_comes_to_the_same_bits)
{
    write_text("t.txt");
    shell("weft train t.txt " SMALL " --steps 30 --every 7");
    const char *const whole = digest();
    expect_call(0, "digest",
                "weft train t.txt " SMALL " --steps 12 --every 5 --save m.weft");
    expect_call(0, "digest", "weft train --resume m.weft --steps 30");
    cr_expect_str_eq(digest(), whole);
    expect_call(2, "only --steps and --every may differ, not --hidden '8'",
                "weft train --resume m.weft --hidden 8");
}

/* Streams of 2340 symbols, which start anew after every 200. */
#define BACK SMALL " --chunks-per-update 2 --reset 10 --steps 30 --every 7 --back "

Test(command, back_carries_gradients_over_the_chunks_before)
{
    write_text("t.txt");
    shell("weft train t.txt " BACK "0");
    const char *const cut = digest();
    shell("weft train t.txt " BACK "10 --threads 3");
    cr_expect_str_eq(digest(), cut);
    shell("weft train t.txt " BACK "25");
    const char *const longer = digest();
    cr_expect_str_neq(longer, cut);
    shell("weft train t.txt " BACK "200"); /* to the reset */
    const char *const all = digest();
    cr_expect_str_neq(all, longer);
    shell("weft train t.txt " BACK "1000");
    cr_expect_str_eq(digest(), all);
    shell("weft train t.txt " BACK "25 --threads 3 --steps 13 --save m.weft");
    shell("weft train --resume m.weft --steps 30");
    cr_expect_str_eq(digest(), longer);
    expect_call(1, "--reset", "weft train t.txt " BACK "25 --reset 1000");
    expect_call(1, "at most 1e8 steps", "weft train t.txt " BACK "25 --reset 99999999");
}

/* 58 updates are an epoch. */
#define LONG SMALL " --steps 130 --every 37 --chunks-per-update 4 "

Test(command, stale_states_are_told_of_and_resumed)
{
    write_text("t.txt");
    shell("weft train --help");
    cr_expect(strstr(strstr(out, "--stale"), "approximate: "));
    shell("weft train t.txt " LONG);
    const char *const exact = digest();
    cr_expect(!strstr(out, "approximate"));
    expect_call(0, "\napproximate: ", "weft train t.txt " LONG "--stale --threads 3");
    const char *const stale = digest();
    cr_expect_str_neq(stale, exact);
    const char *const first = strstr(out, "\nepoch 1: approximate: ");
    cr_assert(first && strstr(first, "\nepoch 2: approximate: "), "%s", out);
    cr_expect(strtod(strstr(first, "off by ") + 7, NULL) > 0, "%s", first);
    shell("weft train t.txt " LONG "--stale --threads 1 --steps 71 --save m.weft");
    shell("weft train --resume m.weft --steps 130");
    cr_expect_str_eq(digest(), stale);
    cr_expect(strstr(out, "\nepoch 2: ") && !strstr(out, "\nepoch 1: "), "%s", out);
    shell("weft train t.txt " LONG "--stale --burn-in 15 --threads 1");
    cr_expect_str_neq(digest(), stale);
}

Test(command, segments_are_part_of_the_settings)
{
    write_text("t.txt");
    expect_call(1, "scan 7: no layer", "weft train t.txt " SMALL " --scan 7");
    expect_call(2, "--scan", "weft train t.txt --cell mingru --scan -1");
#define SCAN SMALL " --cell mingru --steps 20 --chunk 20 "
    shell("weft train t.txt " SCAN "--threads 2");
    const char *const whole = digest();
    shell("weft train t.txt " SCAN "--threads 2 --scan 6");
    const char *const cut = digest();
    cr_expect_str_neq(cut, whole);
    shell("weft train t.txt " SCAN "--threads 1 --scan 6 --steps 9 --save m.weft");
    shell("weft train --resume m.weft --steps 20");
    cr_expect_str_eq(digest(), cut);
}

Test(command, interrupt_finishes_the_update_saves_and_says_how_to_go_on)
{
    write_text("t.txt");
    expect_call(130, "weft train --resume",
                "timeout --preserve-status -s INT 1 '" WEFT "' train t.txt " SMALL
                " --steps 1000000 --every 1000000 --save m.weft");
    cr_expect(strstr(out, "interrupted after update "));
    const unsigned long update = strtoul(strstr(out, "after update ") + 13, NULL, 10);
    cr_assert(update > 0);
    const char *const cut = digest();
    shell("weft train t.txt " SMALL " --steps %lu --every 1000000", update);
    cr_expect_str_eq(digest(), cut);
    expect_call(0, "digest", "weft train --resume m.weft --steps %lu", update + 1);
}

Test(command, loss_that_is_not_finite_is_told_with_its_place)
{
    write_text("t.txt");
    expect_call(1, "stopped being finite at update",
                "weft train t.txt " SMALL " --optimizer sgd --rate 1e6 --clip 0 --cell "
                "rnn_relu --steps 200");
}

/* ---- tables and tasks ---- */

Test(command, table_is_forecast_in_its_own_unit)
{
    write_table("t.csv");
    expect_call(0, "last value, test: MAE",
                "weft train t.csv --target price --horizon 4 --window 8 --hidden 16 "
                "--steps 400 --rate 0.01 --save m.weft");
    const char *const test = strstr(out, "\ntest: MAE ");
    cr_assert(test, "%s", out);
    cr_expect_lt(strtod(test + 11, NULL), 2, "%s", out); /* prices go by tens */
    expect_call(0, "ahead,price\n1,", "weft predict m.weft t.csv");
    /* 300 rows: the next are 100, 110, 120, 130 */
    const char *at = strstr(out, "\n1,");
    for (int i = 0; i < 4; i++, at = strchr(at + 1, '\n'))
        cr_expect_float_eq(strtod(strchr(at, ',') + 1, NULL), 100 + 10 * i, 3, "%s",
                           out);
    expect_call(0, "MAE", "weft eval m.weft t.csv");
    expect_call(1, "trained on a table", "weft sample m.weft");
}

Test(command, task_trains_by_its_name)
{
    expect_call(0, "no memory, test: 0.166667 mse",
                "weft train adding --length 10 --steps 20 --hidden 8 --save m.weft");
    expect_call(0, "over 10000 sequences", "weft eval m.weft adding");
}

Test(command, cell_of_ones_own_is_checked_and_trained)
{
    static const char cell[] = "cell mine\nstate h\nweight W [hidden][input]\n"
                               "weight U [hidden][hidden]\nbias b = 0\n"
                               "h' = 0.5 * h + 0.5 * tanh(W x + U h + b)\n";
    write_file("mine.cell", cell, strlen(cell));
    write_text("t.txt");
    expect_call(0, "mine", "weft cells mine.cell");
    expect_call(0, "ok", "weft check mine.cell");
    expect_call(0, "digest", "weft train t.txt " SMALL " --cell mine.cell --steps 5");
    write_file("bad.cell", "cell bad\nstate h\nh' = tanh(g)\n", 31);
    expect_call(1, "bad.cell", "weft check bad.cell");
}

/* ---- experiments ---- */

#define ONE_STEP "weft train adding --length 3 --steps 1"

/* LSTM of two inputs and one output, H units: 4 (2 H + H H + H) + H + 1 numbers. */
Test(command, parameters_gives_the_largest_hidden_that_fits)
{
    static const int hidden[] = {2, 3, 9, 69};
    for (int i = 0; i < 4; i++) {
        const int H = hidden[i], all = 4 * (2 * H + H * H + H) + H + 1;
        char says[64];
        snprintf(says, sizeof says, "hidden %d: the most units", H);
        expect_call(0, says, ONE_STEP " --parameters %d", all);
        snprintf(says, sizeof says, "net: %d parameters", all);
        cr_expect(strstr(out, says), "%s", out);
        snprintf(says, sizeof says, "hidden %d: the most units", H - 1);
        expect_call(0, says, ONE_STEP " --parameters %d", all - 1);
    }
    expect_call(0, "hidden 1: the most units", ONE_STEP " --parameters 18");
    expect_call(1, "lstm has 18 with --hidden 1, which is the least",
                ONE_STEP " --parameters 17");
}

Test(command, parameters_keeps_heads_whole_and_leaves_layers_their_width)
{
    expect_call(0, "hidden 4: the most", ONE_STEP " --cell slstm --parameters 100");
    expect_call(1, "slstm has 69 with --hidden 4",
                ONE_STEP " --cell slstm --parameters 68");
    /* lstm:3 has 72; the head of two units 3; two units of gru: 3 (6 + 4 + 2) + 2 */
    expect_call(0, "hidden 2: the most",
                ONE_STEP " --layers lstm:3,gru --parameters 113");
    cr_expect(strstr(out, "net: 113 parameters"), "%s", out);
    expect_call(0, "hidden 1: the most",
                ONE_STEP " --layers lstm:3,gru --parameters 112");
}

/* 5 h + 1 of them; doubling would pass the largest width. */
Test(command, parameters_find_widths_up_to_the_largest)
{
    expect_call(0, "hidden 599999: 2999996 parameters",
                "weft plan --threads 1 --rates " SOURCE_DIR
                "/bench/machines/zen3.rates "
                "--cell indrnn --inputs 2 --parameters 3000000");
}

/* Its rows are finished, until the file changes. */
Test(command, a_cell_file_among_the_layers_decides_the_rows)
{
    static const char *const cells[] = {
        "state h\nweight W [hidden][input]\nh' = W x\n",
        "state h\nweight W [hidden][input]\nh' = -(W x)\n"};
    char rows[2][64];
    for (int i = 0; i < 2; i++) {
        write_file("one.cell", cells[i], strlen(cells[i]));
        for (int again = 0; again < 2; again++)
            expect_call(
                0, "adding",
                "weft run adding --cell rnn --layers one.cell:3,rnn:3 --length 5 "
                "--seed 0 --steps 1 --batch 2 --out rows");
        expect_call(0, "", "grep -v '^#' rows/adding.tsv | grep -c ''");
        expect_call(0, "", "tail -1 rows/adding.tsv | cut -f8");
        snprintf(rows[i], sizeof rows[i], "%.60s", out);
    }
    cr_expect(strcmp(rows[0], rows[1]), "twice the digest %s", rows[0]);
}

Test(command, parameters_too_many_for_a_cell_are_told)
{
    static const char cell[] = "state h [2]\nweight W [2][input]\nh' = W x + h\n";
    write_file("fixed.cell", cell, strlen(cell));
    expect_call(1, "has only 7 with --hidden",
                ONE_STEP " --cell fixed.cell --parameters 8");
}

Test(command, solved_hidden_is_saved_and_resumed)
{
    expect_call(0, "hidden 9", ONE_STEP " --parameters 450 --save m.weft");
    expect_call(0, "hidden 9", "weft train --resume m.weft --steps 2");
    expect_call(0, "hidden 9", "weft train --resume m.weft --steps 2 --parameters 450");
    expect_call(2, "not --parameters '451'",
                "weft train --resume m.weft --steps 2 --parameters 451");
    expect_call(0, "hidden=9", "strings -a m.weft | grep -o 'hidden=9'");
}

/* A grid compares a cell with itself, and cells of about one size. */
Test(command, grid_has_cells_with_settings_and_equal_parameters)
{
    expect_call(0, "adding lstm:forget=0: hidden 9, 442 parameters",
                "weft run adding --cell lstm,lstm:forget=0,lstm_chrono:T=8,gru "
                "--length 5 --seed 1 --steps 1 --rate 1 --parameters 450 --out rows");
    cr_expect(strstr(out, "adding gru: hidden 10, 411 parameters"), "%s", out);
    expect_call(0, "gru lstm lstm:forget=0 lstm_chrono:T=8 .",
                "echo $(tail -n +2 rows/adding.tsv | cut -f 2 | LC_ALL=C sort) .");
    expect_call(0, "4", "tail -n +2 rows/adding.tsv | cut -f 8 | sort -u | wc -l");
    shell(ONE_STEP " --hidden 64 --cell lstm:forget=0 --set forget=5");
    const char *const named = digest();
    shell(ONE_STEP " --hidden 64 --set forget=0");
    cr_expect_str_eq(digest(), named, "a name's own is over --set");
    shell(ONE_STEP " --layers lstm:forget=0:64");
    cr_expect_str_eq(digest(), named);
    shell(ONE_STEP);
    cr_expect_str_neq(digest(), named);
}

#define GRID                                                                           \
    "weft run adding --cell rnn,gru --length 5,8 --seed 0..1 --hidden 8 --steps 60 "   \
    "--rate 0.001 --every 20 --out rows"

Test(command, rates_are_tried_side_by_side_and_one_counts)
{
    const char *const rates = "weft run adding --cell rnn --length 5 --seed 0..1 "
                              "--steps 60 --rates 1e-2,1e-9 --out rows";
    expect_call(0, "4 points, 0 of them", "%s", rates);
    expect_call(0, "4 points, 4 of them", "%s", rates);
    expect_call(0, "0.01 1e-09 .",
                "echo $(cut -f13 rows/adding.tsv | tail -n +2 | sort -u) .");
    expect_call(0, "seed 0 rate 1e-09",
                "weft run adding --cell rnn --length 5 --seed 0 "
                "--steps 60 --rates 1e-9 --out other");
    expect_call(2, "--rates 0", "weft run adding --rates 1e-3,0");
    expect_call(2, "--rates x", "weft run adding --rates x");
}

Test(command, sizes_are_the_declarations_and_repeat_themselves)
{
    const char *const point = "weft run adding --size full --cell 'rnn' --length 5 "
                              "--seed 3 --rates 0.005 --steps '1'";
    expect_call(0, "1 points", "%s --out rows", point);
    expect_call(0, point, "tail -1 rows/adding.tsv");
    expect_call(2, "expected one of short, full, long", "weft run adding --size big");
}

Test(command, chapters_and_all_name_experiments)
{
    expect_call(0, "text is skipped: no build/data/bible.txt",
                "weft run language adding --cell rnn --length 3 --seed 0 --rate 1 "
                "--steps 1 --out rows");
    cr_expect(strstr(out, "rows: rows/adding.tsv"), "%s", out);
    expect_call(2, "adding is named twice", "weft run all adding");
    expect_call(1, "bible", "weft run text --out rows");
}

#define FLOW "weft run flow_closed --cell linear --seed 0 --hidden 4 --out rows"

/* What was measured stays with its training: of another length, and of one that is lost. */
Test(command, what_was_measured_belongs_to_its_training)
{
    const char *const all = "grep -c measured rows/flow_closed.tsv";
    expect_call(0, "1 points, 0 of them", FLOW " --length 20");
    expect_call(0, "1 points, 0 of them", FLOW " --length 30");
    expect_call(0, "26", "%s", all);
    shell("grep -v \"linear\t20.*spent\" rows/flow_closed.tsv > cut; "
          "mv cut rows/flow_closed.tsv"); /* as a kill leaves it */
    expect_call(0, "2 points, 1 of them", FLOW " --length 20,30");
    expect_call(0, "26", "%s", all);
}

/* One size after another leaves the rows of both; the larger counts. */
Test(command, a_size_leaves_the_rows_of_another)
{
    const char *const short_one =
        "weft run reber_elman --length 30 --seed 0 --out rows --every 30000";
    const char *const more =
        "weft run reber_elman --steps 60 --seed 0..1 --out rows --every 30000";
    expect_call(0, "2 points, 0 of them", "%s", more);
    expect_call(0, "1 points, 0 of them", "%s --steps 30", short_one);
    expect_call(0, "2 points, 2 of them", "%s", more);
    expect_call(0, "3", "grep -c spent rows/reber_elman.tsv");
}

Test(command, rows_say_whether_their_size_is_declared)
{
    const char *const size = "tail -1 rows/text.tsv | cut -f16";
    write_text("t.txt");
    expect_call(0, "2 points",
                "weft run text --file t.txt --length 9 --cell gru --steps 1 "
                "--out rows");
    expect_call(0, "own", "%s", size);
    shell("rm rows/text.tsv");
    expect_call(0, "1 points",
                "weft run adding --cell rnn --length 2 --seed 0 --rates 1 --out rows");
    expect_call(0, "own", "tail -1 rows/adding.tsv | cut -f16");
    expect_call(0, "1 points",
                "weft run parity --cell mingru --seed 0 --rates 1e-2 --steps 1 --out "
                "rows");
    expect_call(0, "own", "tail -1 rows/parity.tsv | cut -f16");
    expect_call(0, "2 points", "weft run order_sgd --length 10 --seed 0..1 --out rows");
    expect_call(0, "short", "tail -1 rows/order_sgd.tsv | cut -f16");
}

Test(command, what_the_length_says_is_said_by_no_option)
{
    write_text("t.txt");
    expect_call(2, "the chunks of text are its --length",
                "weft run text --chunk 7 --file t.txt");
    expect_call(2, "the parameters of text_sizes are its --length",
                "weft run text_sizes --hidden 8 --file t.txt");
    expect_call(2, "length 600: expected at most 500", "weft run aicher --length 600");
    expect_call(1, "length 60", "weft run waves --length 10,60 --out rows");
    expect_call(0, "net: 29 parameters",
                "weft train lags_carried --cell rnn --length 4 --steps 1");
}

Test(command, what_a_larger_size_alone_has_is_skipped_and_says_so)
{
    expect_call(2, "chorales is skipped: --size full has it", "weft run music");
}

Test(command, help_of_run_lists_the_experiments)
{
    expect_call(0, "  music     chorales nottingham\n", "weft run --help");
}

Test(command, files_and_rates_are_told_once)
{
    write_text("t.txt");
    expect_call(2, "0.01 is there twice", "weft run adding --rates 1e-2,0.01");
    expect_call(2, "--rate 0.1 with --rates 1e-2: expected one of them",
                "weft run adding --rates 1e-2 --rate 0.1");
    /* the declared one too is then the only one */
    expect_call(0, "1 points, 0 of them",
                "weft run adding --cell rnn --length 5 --seed 0 --steps 1 --rate 5e-3 "
                "--out rate");
    expect_call(0, "--rates 0.005 --steps '1'", "cat rate/adding.tsv");
    expect_call(2, "text and text_sizes open a file each",
                "weft run text text_sizes --file t.txt");
    expect_call(2, "nothing to run", "weft run language --out rows");
}

/* The rows without seconds, in an order that threads do not change. */
static const char *sorted_rows(void)
{
    static char rows[2][OUT_SIZE];
    static int turn;
    cr_assert_eq(shell("cut -f 1-8,10- rows/adding.tsv | sort"), 0);
    return memcpy(rows[turn++ % 2], out, OUT_SIZE);
}

Test(command, finished_points_are_not_run_again)
{
    expect_call(0, "8 points, 0 of them finished before", GRID);
    const char *const first = sorted_rows();
    expect_call(0, "8 points, 8 of them finished before", GRID);
    cr_expect_str_eq(sorted_rows(), first);
    expect_call(0, "8 points, 0 of them finished before", GRID " --momentum 0.5");
    expect_call(0, "9",
                "tail -n +2 rows/adding.tsv | cut -f 2-4 | sort -u | wc -l; echo 9");
}

Test(command, run_that_was_cut_off_comes_to_the_same_rows)
{
    shell(GRID);
    const char *const whole = sorted_rows();
    /* The last point loses its last row and half of the one before. */
    shell("lines=$(($(wc -l < rows/adding.tsv) - 2)); head -n $lines rows/adding.tsv > "
          "cut; "
          "printf 'adding\\trnn\\t5' >> cut; mv cut rows/adding.tsv");
    expect_call(0, "points, ", GRID);
    cr_expect_str_eq(sorted_rows(), whole);
}

Test(command, damaged_rows_are_refused_with_their_line)
{
    shell(GRID);
    shell("sed -i '3s/.*/not a row/' rows/adding.tsv");
    expect_call(1, "rows/adding.tsv: line 3", GRID);
    expect_call(1, "rows/adding.tsv: line 3", "weft report --out rows");
    write_file("rows/adding.tsv", "a file of somebody's", 20);
    expect_call(1, "rows/adding.tsv: line 1", GRID);
    expect_call(1, "rows/adding.tsv: line 1", "weft report --out rows");
    expect_call(0, "somebody", "cat rows/adding.tsv");
}

Test(command, two_runs_do_not_write_in_one_folder)
{
    expect_call(1, "another weft run is writing there",
                "weft run adding --cell rnn --length 5 --seed 0 --rate 1 --out rows > "
                "first & "
                "while ! test -s first; do sleep 0.01; done; " GRID
                "; status=$?; kill %%1; wait; exit $status");
    expect_call(0, "8 points", GRID);
}

Test(command, report_draws_one_page_that_needs_no_network)
{
    if (shell("command -v gnuplot")) cr_skip_test("no gnuplot here");
    shell(GRID);
    write_text("t.txt");
    expect_call(0, "rows:",
                "weft run text --file t.txt --hidden 8 --batch 4 --steps 20 --every 9 "
                "--out rows");
    expect_call(0, "claim    text/", "weft report --out rows");
    cr_expect(strstr(out, "claim    adding/lstm-100          incomplete"), "%s", out);
    cr_expect(strstr(out, "[not the declared settings]"), "%s", out);
    cr_expect(strstr(out, "\nchapter  adding                   "), "%s", out);
    cr_expect(strstr(out, " of 2 chapters hold"), "%s", out);
    cr_expect(strstr(out, " published values agree within their margin\npage: "));
    /* mission; success, last and two curves of adding; bars and curves of text */
    expect_call(0, "7", "grep -c '<svg' rows/index.html");
    expect_call(1, "", "grep -oE '(href|src)=.?[a-z]*:' rows/index.html");
    expect_call(0, "--cell 'gru' --length 8 --seed 1 --rates 0.001 --hidden '8'",
                "grep \"length 8 --seed 1\" rows/index.html");
}

Test(command, report_is_of_experiments_and_chapters_that_are_named)
{
    if (shell("command -v gnuplot")) cr_skip_test("no gnuplot here");
    shell(GRID);
    expect_call(0, "chapter  adding", "weft report adding --out rows");
    cr_expect(!strstr(out, "language") && !strstr(out, "without rows"), "%s", out);
    expect_call(0, " of 1 chapters hold\n", "weft report adding adding --out rows");
    expect_call(0, "chapter  adding", "weft report adding language --out rows");
    cr_expect(strstr(out, "chapter  language                 no rows"), "%s", out);
    expect_call(1, "weft run text makes them", "weft report language text --out rows");
    expect_call(1, "no rows yet", "weft report language --out rows");
    expect_call(2, "did you mean language?", "weft report languages --out rows");
}

Test(command, report_without_gnuplot_says_what_to_install)
{
    shell(GRID);
    expect_call(1, "apt install gnuplot", "PATH=. '" WEFT "' report --out rows");
}

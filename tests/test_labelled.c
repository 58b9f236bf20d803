/* test_labelled.c: texts with labels: headers, small letters, units that are hidden, scores held
 * to hand-made ones, naive Bayes, and the experiments on sentences and names. */
#include "../experiments/bayes.h"
#include "../experiments/classify.h"
#include "command_rig.h"
#include "task_rig.h"

TestSuite(labelled, .init = open_folder, .fini = close_folder, .timeout = 120);

static void write_lines(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    cr_assert(file);
    cr_assert(fputs(text, file) >= 0);
    fclose(file);
}

/* ---- reading ---- */

static void expect_fields(const char *text, const char *first, const char *second)
{
    Lines lines;
    write_lines("h.tsv", text);
    MUST(lines_open("h.tsv", 2, false, &lines, &err));
    cr_expect_str_eq(lines.line[0].field[0], first, "%s", text);
    cr_expect_str_eq(lines.line[0].field[1], second, "%s", text);
    lines_close(&lines);
}

Test(labelled, header_is_no_line_and_tells_the_fields_apart)
{
    expect_fields("text\tlabel\nit is\tso\n", "it is", "so");
    expect_fields("\xef\xbb\xbfLabel\tText\r\nso\tit is\r\n", "it is", "so");
    expect_fields("target\tsource\nB\tb\n", "b", "B");
    expect_fields("label\tlabel\nB\tb\n", "label", "label");
    expect_fields("text\tlabels\nB\tb\n", "text", "labels");
    expect_fields("a\tb\ntext\tlabel\n", "a", "b");
}

Test(labelled, header_says_what_a_file_is)
{
    const DataOptions none = {DATA_OPTIONS_COMMON};
    DataOptions labels = none, table = none;
    labels.labels = true;
    table.target = "x";
    write_lines("l.tsv", "label\ttext\nso\tit is\n");
    write_lines("p.tsv", "source\ttarget\nb\tB\n");
    write_lines("n.tsv", "it is\tso\n");
    cr_expect_str_eq(data_kind("l.tsv", &none), DATA_LABELLED);
    cr_expect_str_eq(data_kind("p.tsv", &none), DATA_PAIRS);
    cr_expect_str_eq(data_kind("n.tsv", &none), DATA_PAIRS);
    cr_expect_str_eq(data_kind("n.tsv", &labels), DATA_LABELLED);
    cr_expect_str_eq(data_kind("l.tsv", &table), DATA_TABLE);
    cr_expect_str_eq(data_kind("missing.tsv", &none), DATA_PAIRS);
    expect_call(1, "p.tsv: its header is source, target", "weft train p.tsv --labels");
}

Test(labelled, letters_become_small_where_they_have_a_small_one)
{
    char text[] = "AZ@[ \u00c0\u00d6\u00d7\u00d8\u00de\u00df "
                  "\u0100\u0130\u0139\u013a\u0141\u0152\u0178\u017d "
                  "\u0386\u0391\u038f\u03a3\u03a9\u03ab \u0401\u0416\u042f\u044f "
                  "\u20ac\U0001f600";
    text_lower(text);
    cr_expect_str_eq(text, "az@[ \u00e0\u00f6\u00d7\u00f8\u00fe\u00df "
                           "\u0101\u0130\u013a\u013a\u0142\u0153\u00ff\u017e "
                           "\u03ac\u03b1\u03ce\u03c3\u03c9\u03cb "
                           "\u0451\u0436\u044f\u044f \u20ac\U0001f600");
}

Test(labelled, labels_that_are_taken_for_sequences_are_hinted_at)
{
    FILE *file = fopen("n.tsv", "w");
    cr_assert(file);
    for (int i = 0; i < 100; i++) fprintf(file, "a%d\t%s\n", i, i & 1 ? "up" : "down");
    fclose(file);
    expect_call(0, "only 2 second fields differ: --labels tells which",
                "weft train n.tsv --steps 1 --hidden 4 --embedding 4");
    shell("seq 100 | awk '{ print $0 \"\\t\" $0 }' > n.tsv; "
          "weft train n.tsv --steps 1 --hidden 4 --embedding 4");
    cr_expect(strstr(out, "test:") && !strstr(out, "--labels"), "%s", out);
}

/* ---- as data ---- */

static void add_lines(Lines *lines, int count)
{
    static const char *const labels[] = {"b", "a", "a", "c"};
    *lines = (Lines){0};
    for (int i = 0; i < count; i++) {
        char text[64];
        const char *const label = labels[i % 4];
        snprintf(text, sizeof text, "Word%d is %s here", i, label);
        MUST(lines_add(lines, text, label, &err));
    }
}

static void open_lines(Lines *lines, DataOptions options, int rows, Data *data)
{
    const Settings settings = {SETTINGS_COMMON, .batch = rows, .seed = 5};
    options.units = WORDS;
    MUST(labelled_lines(lines, &options, &settings, NULL, data, &err));
}

/* One batch of the training part; the caller frees what it points to. */
static WeftBatch draw_batch(const Data *data, uint64_t index)
{
    const size_t T = (size_t)data->train.steps, B = (size_t)data->train.rows;
    WeftBatch batch = {.steps = (int)T,
                       .rows = (int)B,
                       .outputs = data->shape.outputs,
                       .vector = true,
                       .symbol = calloc(T * B, sizeof(int32_t)),
                       .label = calloc(B, sizeof(int32_t)),
                       .weight = calloc(B, sizeof(float)),
                       .length = calloc(B, sizeof(int))};
    MUST(data->train.fill(data->train.context, index, &batch, &err));
    return batch;
}

static void free_batch(WeftBatch *batch)
{
    free(batch->symbol);
    free(batch->label);
    free(batch->weight);
    free(batch->length);
}

/* Units of the training's first batches; those that are unknown. */
static void count_units(const Data *data, double *all, double *unknown)
{
    *all = *unknown = 0;
    for (uint64_t i = 0; i < 50; i++) {
        WeftBatch batch = draw_batch(data, i);
        for (int row = 0; row < batch.rows; row++)
            for (int t = 0; t < batch.length[row]; t++) {
                ++*all;
                *unknown += batch.symbol[t * batch.rows + row] == UNIT_UNKNOWN;
            }
        free_batch(&batch);
    }
}

Test(labelled, training_hides_the_share_of_units_that_is_asked_for)
{
    DataOptions options = {DATA_OPTIONS_COMMON};
    Lines lines;
    Data data;
    double all, unknown;
    add_lines(&lines, 800);
    open_lines(&lines, options, 64, &data);
    count_units(&data, &all, &unknown);
    cr_expect_eq(unknown, 0);
    data.close(&data);
    options.forget = 0.3;
    add_lines(&lines, 800);
    open_lines(&lines, options, 64, &data);
    count_units(&data, &all, &unknown);
    cr_expect_float_eq(unknown / all, 0.3, 4 * sqrt(0.3 * 0.7 / all), "%g",
                       unknown / all);
    WeftBatch a = draw_batch(&data, 3), b = draw_batch(&data, 3),
              c = draw_batch(&data, 4);
    const size_t bytes = (size_t)(a.steps * a.rows) * sizeof *a.symbol;
    cr_expect_arr_eq(a.symbol, b.symbol, bytes);
    cr_expect(memcmp(a.symbol, c.symbol, bytes) != 0);
    free_batch(&a);
    free_batch(&b);
    free_batch(&c);
    data.close(&data);
}

Test(labelled, batches_are_sorted_and_hold_texts_with_their_own_label)
{
    const DataOptions options = {DATA_OPTIONS_COMMON, .lower = true};
    Lines lines = {0};
    Data data;
    for (int i = 0; i < 300; i++) {
        char text[32] = "";
        for (int n = 0; n <= i % 5; n++) append(text, sizeof text, "x ");
        append(text, sizeof text, i % 2 ? "UP" : "down");
        const char *const label = i % 2 ? "up" : "down";
        MUST(lines_add(&lines, text, label, &err));
    }
    open_lines(&lines, options, 32, &data);
    WeftBatch batch = draw_batch(&data, 0);
    int32_t last[2] = {-1, -1}; /* the symbol that texts of a label end with */
    for (int row = 0; row < batch.rows; row++) {
        cr_expect(!row || batch.length[row] <= batch.length[row - 1]);
        const int32_t end = batch.symbol[(batch.length[row] - 1) * batch.rows + row],
                      label = batch.label[row];
        cr_assert(label == 0 || label == 1);
        if (last[label] < 0) last[label] = end;
        cr_expect_eq(end, last[label]);
    }
    cr_expect_neq(last[0], last[1]);
    free_batch(&batch);
    data.close(&data);
}

Test(labelled, vocabulary_is_of_the_training_part)
{
    const DataOptions options = {DATA_OPTIONS_COMMON};
    Lines lines;
    Data data;
    add_lines(&lines, 400);
    open_lines(&lines, options, 8, &data);
    int train = 0;
    cr_assert(strstr(data.about, " labels; "), "%s", data.about);
    cr_assert_eq(sscanf(strstr(data.about, " labels; "), " labels; %d train", &train),
                 1);
    cr_expect(train > 300 && train < 400, "%s", data.about);
    /* "is", "here", three labels, and a word for each text that trains */
    cr_expect_eq(data.shape.inputs, UNIT_FIRST + 5 + train);
    data.close(&data);
}

Test(labelled, longer_texts_are_cut_off_and_counted)
{
    const DataOptions options = {DATA_OPTIONS_COMMON, .longest = 2};
    Lines lines;
    Data data;
    add_lines(&lines, 400);
    open_lines(&lines, options, 8, &data);
    cr_expect(strstr(data.about, "400 are longer: cut off"), "%s", data.about);
    cr_expect_eq(data.train.steps, 2);
    data.close(&data);
}

Test(labelled, one_label_is_not_enough)
{
    const Settings settings = {SETTINGS_COMMON, .batch = 8};
    const DataOptions options = {DATA_OPTIONS_COMMON};
    Lines lines = {0};
    Data data;
    MUST(lines_add(&lines, "it", "so", &err));
    MUST(lines_add(&lines, "is", "so", &err));
    FAILS(labelled_lines(&lines, &options, &settings, NULL, &data, &err),
          "all lines have the label \"so\"");
}

/* ---- scores ---- */

/* A net that sees nothing: its head's bias alone decides. */
static WeftNet *blind_net(WeftTeam *team, const Data *data, const float *bias)
{
    const Settings settings = {SETTINGS_COMMON, .cell = "rnn", .hidden = 4,
                               .embedding = 4};
    WeftNet *net;
    const char *name;
    int axes, shape[4];
    float *value;
    MUST(settings_net(&settings, team, &data->shape, &net, &err));
    for (int i = 0; (value = weft_net_parameter(net, i, &name, &axes, shape)); i++) {
        size_t count = 1;
        for (int a = 0; a < axes; a++) count *= (size_t)shape[a];
        for (size_t k = 0; k < count; k++)
            value[k] = strcmp(name, "head.bias") ? 0 : bias[k];
    }
    return net;
}

/* Labels of the part, the most frequent first (as symbols are): how often each is there. */
static void expect_blind(Data *data, WeftTeam *team)
{
    WeftScore often, score;
    char name[BASELINE_SIZE], one[256], other[256];
    float bias[3];
    double times[3] = {1, 1, 1}, all = 3;
    for (uint64_t i = 0; i < 200; i++) { /* of the training part, drawn */
        WeftBatch batch = draw_batch(data, i);
        for (int row = 0; row < batch.rows; row++) times[batch.label[row]]++, all++;
        free_batch(&batch);
    }
    for (int k = 0; k < 3; k++) bias[k] = (float)log(times[k] / all);
    WeftNet *net = blind_net(team, data, bias);
    MUST(data->baseline(data, TEST, 0, name, &often, &err));
    data->tell(data, &often, one);
    MUST(data->evaluate(data, net, TEST, 100, &score, &err));
    data->tell(data, &score, other);
    cr_expect_str_eq(name, "the most frequent label");
    cr_expect_float_eq(score.loss, often.loss, 0.01, "%g %g", score.loss, often.loss);
    cr_expect_eq(score.accuracy, often.accuracy);
    cr_expect_eq(score.targets, often.targets);
    cr_expect_str_eq(strstr(one, "right"), strstr(other, "right"));
    /* by hand: only one of three labels is ever said */
    const double p = score.accuracy, f1 = 2 * p / (1 + p) / 3;
    char expected[64];
    snprintf(expected, sizeof expected, "F1 %.4f (mean over labels)", f1);
    cr_expect(strstr(one, expected), "%s: %s", expected, one);
    weft_net_close(net);
}

Test(labelled, net_that_sees_nothing_scores_as_the_most_frequent_label_does)
{
    DataOptions options = {DATA_OPTIONS_COMMON};
    memcpy(options.split, (double[]){60, 20, 20}, sizeof options.split);
    WeftTeam *team;
    Lines lines;
    Data data;
    MUST(weft_team_open(1, &team, &err));
    add_lines(&lines, 2000);
    open_lines(&lines, options, 64, &data);
    expect_blind(&data, team);
    labelled_by_f1(&data);
    WeftScore score;
    char name[BASELINE_SIZE];
    MUST(data.baseline(&data, TEST, 0, name, &score, &err));
    cr_expect(score.loss > 0.4 && score.loss < 0.6, "%g", score.loss);
    cr_expect_float_eq(score.accuracy, 2 * (1 - score.loss) / (2 - score.loss) / 3,
                       1e-9);
    data.close(&data);
    weft_team_close(team);
}

Test(labelled, part_without_lines_has_nothing_to_score)
{
    DataOptions options = {DATA_OPTIONS_COMMON};
    memcpy(options.split, (double[]){100, 0, 0}, sizeof options.split);
    Lines lines;
    Data data;
    char name[BASELINE_SIZE], text[256];
    WeftScore score;
    WeftTeam *team;
    const float bias[3] = {0};
    MUST(weft_team_open(1, &team, &err));
    add_lines(&lines, 100);
    open_lines(&lines, options, 8, &data);
    MUST(data.baseline(&data, TEST, 0, name, &score, &err));
    cr_expect_str_empty(name);
    WeftNet *net = blind_net(team, &data, bias);
    MUST(data.evaluate(&data, net, TEST, 100, &score, &err));
    data.tell(&data, &score, text);
    cr_expect(strstr(text, "nothing to score"), "%s", text);
    weft_net_close(net);
    data.close(&data);
    weft_team_close(team);
}

/* ---- naive Bayes ---- */

#define EDGE 0

Test(labelled, naive_bayes_counts_as_its_definition_does)
{
    Bayes *bayes;
    double told[2];
    MUST(bayes_open(2, 1, &bayes, &err));
    MUST(bayes_add(bayes, (int32_t[]){2, 2, 3, 3}, 4, EDGE, 0, &err));
    MUST(bayes_add(bayes, (int32_t[]){3, 4}, 2, EDGE, 1, &err));
    MUST(bayes_add(bayes, (int32_t[]){4}, 1, EDGE, 1, &err));
    /* 3 kinds; label 0: 2 2 3 3 of 1 text; label 1: 3 4 4 of 2; 9 is not known */
    const double a = (1.0 + 1) * (2.0 + 1) / (4 + 3) * (0.0 + 1) / (4 + 3),
                 b = (2.0 + 1) * (0.0 + 1) / (3 + 3) * (2.0 + 1) / (3 + 3);
    bayes_tell(bayes, (int32_t[]){2, 9, 4}, 3, EDGE, told);
    cr_expect_float_eq(told[0], log(a / (a + b)), 1e-9, "%g", told[0]);
    cr_expect_float_eq(told[1], log(b / (a + b)), 1e-9, "%g", told[1]);
    bayes_close(bayes);
}

Test(labelled, naive_bayes_of_two_knows_order_and_ends)
{
    Bayes *bayes;
    double told[2];
    MUST(bayes_open(2, 1, &bayes, &err));
    for (int label = 0; label < 2; label++)
        MUST(bayes_add(bayes, label ? (int32_t[]){2, 3} : (int32_t[]){3, 2}, 2, EDGE,
                       label, &err));
    bayes_tell(bayes, (int32_t[]){2, 3}, 2, EDGE, told);
    cr_expect_float_eq(told[0], told[1], 1e-12);
    bayes_close(bayes);
    MUST(bayes_open(2, 2, &bayes, &err));
    for (int label = 0; label < 2; label++)
        MUST(bayes_add(bayes, label ? (int32_t[]){2, 3} : (int32_t[]){3, 2}, 2, EDGE,
                       label, &err));
    bayes_tell(bayes, (int32_t[]){2, 3}, 2, EDGE, told);
    /* three bigrams of its own, edges among them, each there once and never */
    cr_expect_float_eq(told[1] - told[0], 3 * log(2), 1e-9, "%g", told[1] - told[0]);
    bayes_close(bayes);
}

Test(labelled, naive_bayes_holds_many_kinds)
{
    Bayes *bayes;
    double told[2];
    MUST(bayes_open(2, 1, &bayes, &err));
    for (int32_t i = 0; i < 20000; i++) MUST(bayes_add(bayes, &i, 1, -1, i & 1, &err));
    for (int32_t i = 0; i < 20000; i += 997) {
        bayes_tell(bayes, &i, 1, -1, told);
        cr_expect_float_eq(told[i % 2] - told[1 - i % 2], log(2), 1e-9);
    }
    bayes_close(bayes);
}

/* ---- in use ---- */

static void train_small(void)
{
    FILE *file = fopen("small.tsv", "w");
    cr_assert(file);
    fprintf(file, "text\tlabel\n");
    for (int i = 0; i < 400; i++)
        fprintf(file, "W%d is %s\t%s\n", i, i % 3 ? "GOOD" : "bad",
                i % 3 ? "up" : "down");
    fclose(file);
    expect_call(
        0, "naive Bayes of 1 to 2 words, test",
        "weft train small.tsv --units words --least 2 --lower --forget 0.2 --hidden 16 "
        "--embedding 8 --rate 1e-2 --steps 200 --shares 70,15,15 --save s.weft");
    cr_assert(strstr(out, "100.00 % of"), "%s", out);
}

Test(labelled, each_line_is_answered_or_named)
{
    train_small();
    cr_expect_eq(remove("small.tsv"), 0);
    expect_call(0, "up\ndown\n",
                "printf 'It Is Good\\r\\nIS BAD' | weft predict s.weft");
    expect_call(1, "up\n", "printf 'good\\n\\nbad\\n' | weft predict s.weft");
    cr_expect(strstr(out, "standard input: line 2: its first field is empty"), "%s",
              out);
    expect_call(0, "up\n\n\ndown\n",
                "printf 'good\\n\\n\\377\\nbad\\n' | weft predict s.weft --skip-bad");
    cr_expect(strstr(out, "2 of 4 lines are bad or empty"), "%s", out);
    expect_call(0, "", "printf '' | weft predict s.weft");
    cr_expect_str_empty(out);
    expect_call(1, "no.txt", "weft predict s.weft no.txt");
}

Test(labelled, label_that_a_net_does_not_know_makes_a_line_bad)
{
    train_small();
    write_lines("more.tsv",
                "label\ttext\nup\tgood\nside\tgood\ndown\tgood\nbad line\n");
    expect_call(1, "more.tsv: line 5: no tab", "weft eval s.weft more.tsv");
    write_lines("more.tsv", "label\ttext\nup\tgood\nside\tgood\ndown\tgood\n");
    expect_call(1, "more.tsv: line 3: \"side\" is no label that the net knows",
                "weft eval s.weft more.tsv");
    shell("echo bad line >> more.tsv");
    expect_call(0, "50.00 % of 2 right", "weft eval s.weft more.tsv --skip-bad");
    cr_expect(strstr(out, "more.tsv: 2 bad lines skipped"), "%s", out);
}

Test(labelled, training_goes_on_with_the_same_data_only)
{
    train_small();
    const char *const whole = digest();
    expect_call(
        0, "digest",
        "weft train small.tsv --units words --least 2 --lower --forget 0.2 --hidden 16 "
        "--embedding 8 --rate 1e-2 --steps 200 --shares 70,15,15 --threads 1");
    cr_expect_str_eq(digest(), whole);
    shell("sed -i 's/is/was/' small.tsv");
    expect_call(1, "not the data that the net was trained on",
                "weft train --resume s.weft --steps 300");
}

/* ---- the experiments ---- */

static void write_sentences(void)
{
    FILE *good = fopen("f.pos", "w"), *bad = fopen("f.neg", "w");
    cr_assert(good && bad);
    for (int i = 0; i < 200; i++) {
        fprintf(good, "a fine film , the %dth\n", i);
        fprintf(bad, "a bad film , the %dth\n", 1000 + i);
    }
    fclose(good);
    fclose(bad);
}

Test(labelled, sentences_are_those_of_two_files)
{
    Data data;
    write_sentences();
    MUST(file_data(&experiment_sentiment, "f.pos", 60, 32, 0, &data, &err));
    cr_expect(strstr(data.about, "400 texts of at most 6 words"), "%s", data.about);
    cr_expect(strstr(data.about, " 2 labels"), "%s", data.about);
    cr_expect_eq(data.shape.inputs, UNIT_FIRST + 6, "the numbers come once");
    data.close(&data);
    MUST(file_data(&experiment_sentiment, "f.pos", 3, 32, 0, &data, &err));
    cr_expect_eq(data.train.steps, 3);
    data.close(&data);
    FAILS(file_data(&experiment_sentiment, "f.neg", 60, 32, 0, &data, &err),
          "f.neg: expected FILE.pos");
    cr_expect_eq(remove("f.neg"), 0);
    FAILS(file_data(&experiment_sentiment, "f.pos", 60, 32, 0, &data, &err), "f.neg");
    write_lines("f.neg", "caf\xe9\n");
    FAILS(file_data(&experiment_sentiment, "f.pos", 60, 32, 0, &data, &err),
          "f.neg: line 1: not UTF-8");
}

Test(labelled, names_are_told_their_file)
{
    Data data;
    cr_assert_eq(
        shell("mkdir n; seq -f 'a%%gb' 100 > n/Greek.txt; seq -f 'x%%gy' 300 > "
              "n/Irish.txt"),
        0);
    MUST(file_data(&experiment_names, "n", 20, 32, 0, &data, &err));
    cr_expect(strstr(data.about, "400 texts of at most 5 characters"), "%s",
              data.about);
    char name[BASELINE_SIZE];
    WeftScore score;
    MUST(data.baseline(&data, TEST, 0, name, &score, &err));
    cr_expect_float_eq(score.loss, 0.25, 0.2, "the share that is wrong: %g",
                       score.loss);
    MUST(data.baseline(&data, TEST, 2, name, &score, &err));
    cr_expect_str_eq(name, "naive Bayes of 1 to 4 characters");
    cr_expect(score.loss == 0 && score.accuracy == 1, "%g %g", score.loss,
              score.accuracy);
    data.close(&data);
    FAILS(file_data(&experiment_names, "none", 20, 32, 0, &data, &err), "none");
}

Test(labelled, parts_of_experiments_are_the_same_for_all_seeds)
{
    Data a, b;
    write_sentences();
    MUST(file_data(&experiment_sentiment, "f.pos", 60, 32, 0, &a, &err));
    MUST(file_data(&experiment_sentiment, "f.pos", 60, 32, 1, &b, &err));
    cr_expect_str_eq(a.about, b.about);
    WeftBatch one = draw_batch(&a, 0), other = draw_batch(&b, 0);
    cr_expect(memcmp(one.symbol, other.symbol, 32 * sizeof *one.symbol) != 0);
    free_batch(&one);
    free_batch(&other);
    a.close(&a);
    b.close(&b);
}

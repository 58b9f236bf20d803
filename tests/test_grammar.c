/* test_grammar.c: strings are of the embedded Reber grammar, with the sets that may follow;
 * who lacks only the outer symbol has the oracle's loss and half of the scores. */
#include "task_rig.h"

static const char letters[] = "BTPSXVE";

/* The graph as Hochreiter & Schmidhuber 1997 draw it: what leads from a node where. */
static const char *const graph[] = {"B1", "T2P3", "S2X4", "T3V5", "X3S6", "P4V6"};

/* The node after a letter; -1: it may not come. */
static int follow(int node, char letter)
{
    for (const char *at = graph[node]; *at; at += 2)
        if (*at == letter) return at[1] - '0';
    return -1;
}

static bool is_inner(const char *string, size_t n)
{
    int node = 0;
    for (size_t i = 0; i + 1 < n; i++)
        if (node == 6 || (node = follow(node, string[i])) < 0) return false;
    return node == 6 && string[n - 1] == 'E';
}

static bool is_embedded(const char *string)
{
    const size_t n = strlen(string);
    return n >= 9 && string[0] == 'B' && strchr("TP", string[1]) &&
           string[n - 2] == string[1] && string[n - 1] == 'E' &&
           is_inner(string + 2, n - 4);
}

static void spell(const Sequence *s, char string[64])
{
    for (int t = 0; t < s->length; t++) string[t] = letters[s->symbol[t]];
    string[s->length] = 0;
}

enum { LONGEST = 30, SYMBOLS = 7 };

Test(grammar, strings_are_of_the_grammar_and_all_ways_are_taken)
{
    int outer = 0, longest = 0, ways[6][2] = {{0}};
    for (uint64_t index = 0; index < 1000; index++) {
        const Draw draw = {.seed = 7, .index = index, .length = LONGEST};
        char string[64];
        Sequence *s = sequence_draw(&experiment_reber, &draw);
        spell(s, string);
        cr_assert(is_embedded(string), "%s", string);
        outer += string[1] == 'T';
        longest = s->length > longest ? s->length : longest;
        int node = 0;
        for (int t = 2; node < 6; t++) {
            ways[node][string[t] != graph[node][0]]++;
            node = follow(node, string[t]);
        }
        free(s);
    }
    cr_expect(abs(outer - 500) < 4 * sqrt(250));
    cr_expect(longest > 20 && longest <= LONGEST);
    for (int node = 1; node < 6; node++) {
        const double all = ways[node][0] + ways[node][1];
        cr_expect(fabs(ways[node][0] - all / 2) < 4 * sqrt(all / 4), "node %d", node);
    }
}

Test(grammar, targets_are_the_symbols_that_may_follow)
{
    for (uint64_t index = 0; index < 1000; index++) {
        const Draw draw = {.seed = 7, .index = index, .length = LONGEST};
        char string[64], legal[8];
        Sequence *s = sequence_draw(&experiment_reber, &draw);
        spell(s, string);
        for (int t = 0, node = 0; t < s->length; t++) {
            cr_assert_eq(s->weight[t], t < s->length - 1);
            if (t == s->length - 1) break;
            int n = 0;
            const char outer[] = {string[1], 0};
            const char *want = node == 6 ? "E" : node == 7 ? outer : "E";
            if (t == 0) want = "TP";
            if (t >= 1 && node < 6) {
                for (const char *at = graph[node]; *at; at += 2) legal[n++] = *at;
                legal[n] = 0;
                want = legal;
            }
            for (int i = 0; i < SYMBOLS; i++)
                cr_assert_eq(s->target[t * SYMBOLS + i],
                             strchr(want, letters[i]) != NULL, "%s at %d: %c", string,
                             t, letters[i]);
            if (t + 1 >= 2) node = node < 6 ? follow(node, string[t + 1]) : node + 1;
        }
        free(s);
    }
}

Test(grammar, sequences_are_functions_of_seed_and_index)
{
    sequences_are_functions(&experiment_reber, LONGEST);
    sequences_are_functions(&experiment_reber_class, LONGEST);
}

Test(grammar, half_of_the_strings_to_tell_are_of_the_grammar)
{
    int good = 0;
    for (uint64_t index = 0; index < 1000; index++) {
        const Draw draw = {.seed = 7, .index = index, .length = LONGEST};
        char string[64];
        Sequence *s = sequence_draw(&experiment_reber_class, &draw);
        spell(s, string);
        good += s->target[0] > 0;
        if (s->target[0] > 0) cr_assert(is_embedded(string), "%s", string);
        if (is_embedded(string)) cr_expect_eq(s->target[0], 1, "%s", string);
        free(s);
    }
    cr_expect(abs(good - 500) < 4 * sqrt(250));
}

/* One who lacks only the outer symbol loses 2 ln 2 of a string. */
Test(grammar, oracle_is_two_bits_of_a_string)
{
    double steps = 0, squares = 0;
    for (uint64_t index = 0; index < 10000; index++) {
        const Draw draw = {.seed = TEST_SEED, .index = index, .length = LONGEST};
        Sequence *s = sequence_draw(&experiment_reber, &draw);
        steps += s->length - 1;
        squares += (s->length - 1) * (s->length - 1);
        free(s);
    }
    const double mean = steps / 1e4,
                 deviation = sqrt((squares / 1e4 - mean * mean) / 1e4);
    cr_expect_float_eq(2 * log(2) / experiment_reber.oracles[0].loss, mean,
                       4 * deviation);
}

/* s holds the second symbol for ever; h has it where the inner string has just ended. */
static const char *const second = "cell second\nstate h, s, n\n"
                                  "weight W, V [hidden][input]\n"
                                  "n' = n + 1\n"
                                  "on = relu(1 - abs(n - 1))\n"
                                  "s' = s + on * (W x)\n"
                                  "h' = s * (V x)\n";

Test(grammar, score_is_the_share_of_last_but_one_symbols_told)
{
    Known net = known_open(&experiment_reber, second, 1);
    Drawn test = {.task = &experiment_reber.task,
                  .part = TEST,
                  .seed = TEST_SEED,
                  .count = 512,
                  .length = LONGEST,
                  .rows = 32};
    WeftScore score;
    MUST(experiment_reber.score(net.net, &test, &score, &err));
    cr_expect(fabs(score.accuracy - 0.5) < 0.1, "%g", score.accuracy);
    known_values(&net, "layer0.W")[1] = 1;
    known_values(&net, "layer0.W")[2] = -1;
    known_values(&net, "layer0.V")[6] = 1;
    known_values(&net, "head.weight")[1] = 5;
    known_values(&net, "head.weight")[2] = -5;
    MUST(experiment_reber.score(net.net, &test, &score, &err));
    cr_expect_eq(score.accuracy, 1);
    known_values(&net, "head.weight")[2] = 15;
    MUST(experiment_reber.score(net.net, &test, &score, &err));
    cr_expect_eq(score.accuracy, 0);
    known_close(&net);
}

/* The two differ in where the gradient is cut alone. */
Test(grammar, elman_s_procedure_cuts_the_gradient_at_every_step)
{
    const Experiment *whole = &experiment_reber, *elman = &experiment_reber_elman;
    cr_expect_eq(whole->train.chunk, 0);
    cr_expect_eq(elman->train.chunk, 1);
    cr_expect_eq(elman->train.parameters, whole->train.parameters);
    cr_expect_eq(elman->train.rate, whole->train.rate);
    cr_expect_eq(elman->right, whole->right);
    const Draw draw = {.seed = 7, .index = 3, .length = LONGEST};
    Sequence *a = sequence_draw(whole, &draw), *b = sequence_draw(elman, &draw);
    cr_expect(!memcmp(a, b, sizeof *a));
    free(a);
    free(b);
}

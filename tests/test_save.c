/* test_save.c: what is saved comes back to the same bits, and what is broken is
 * refused. */
#include "net_rig.h"

#include <stdio.h>
#include <unistd.h>

static char path[64];

static void name_path(void)
{
    snprintf(path, sizeof path, "/tmp/weft-save-%d.safetensors", (int)getpid());
}

static void remove_path(void)
{
    unlink(path);
}

typedef struct Rig {
    WeftTeam *team;
    WeftCell *cell[2];
    WeftLayer layer[2];
    WeftModel model;
    Drawn drawn;
    WeftSource source;
} Rig;

static const char *const leaky_text =
    "# a cell with a size and a const, \"quoted\" and \\ in its comment\n"
    "cell leaky\nsize head = 1\nsize d = hidden / head\nconst dt = 0.5\nstate h "
    "[head][d]\n"
    "weight W [head][d][input]\nweight U [head][d][d]\n"
    "h' = (1 - dt) * h + dt * tanh(W x + U h)\n";

static void rig_open(Rig *rig, WeftInput input)
{
    *rig =
        (Rig){.team = rig_team(1), .cell = {rig_cell(leaky_text), rig_cell(gru_text)}};
    MUST(weft_cell_set(rig->cell[0], "head", 3, &err));
    MUST(weft_cell_set(rig->cell[0], "dt", 0.1, &err));
    rig->layer[0] = (WeftLayer){rig->cell[0], 6, false, 0};
    rig->layer[1] = (WeftLayer){rig->cell[1], 5, true, 0.3f};
    rig->model = (WeftModel){.input = input,
                             .inputs = 7,
                             .embedding = input == WEFT_EMBEDDING ? 3 : 0,
                             .layers = rig->layer,
                             .layer_count = 2,
                             .drop = 0.1f,
                             .outputs = 4,
                             .loss = WEFT_SOFTMAX};
    rig->drawn = (Drawn){&rig->model, 3, false, true, 5};
    rig->source = drawn_source(&rig->drawn, 9, 5);
}

static void rig_close(Rig *rig)
{
    weft_cell_close(rig->cell[0]);
    weft_cell_close(rig->cell[1]);
    weft_team_close(rig->team);
}

static WeftNet *rig_net(const Rig *rig, uint64_t updates)
{
    WeftNet *net;
    const WeftTrain train = {.updates = updates,
                             .chunk = 3,
                             .chunks_per_update = 2,
                             .optimizer = WEFT_ADAM,
                             .rate = 0.01f};
    MUST(weft_net_open(rig->team, &rig->model, 1, &net, &err));
    if (updates) MUST(weft_train(net, &train, &rig->source, NULL, NULL, &err));
    return net;
}

static WeftNet *reload(const Rig *rig, WeftNet *net, bool resume)
{
    WeftNet *loaded;
    MUST(weft_net_save(net, path, resume, &err));
    MUST(weft_net_load(rig->team, path, &loaded, &err));
    weft_net_close(net);
    return loaded;
}

Test(save, loaded_net_predicts_the_same_bits, .init = name_path, .fini = remove_path)
{
    for (int input = WEFT_DENSE; input <= WEFT_EMBEDDING; input++) {
        Rig rig;
        rig_open(&rig, (WeftInput)input);
        WeftNet *net = rig_net(&rig, 3);
        float x[9 * 5 * 7], before[9 * 5 * 4], after[9 * 5 * 4];
        int32_t symbol[9 * 5];
        WeftBatch batch = {.steps = 9, .rows = 5, .fresh = true};
        if (input == WEFT_DENSE)
            batch.x = x;
        else
            batch.symbol = symbol;
        rig.drawn.weights = false;
        MUST(drawn_fill(&rig.drawn, 0, &batch, &err));
        const uint64_t digest = weft_net_digest(net);
        MUST(weft_predict(net, &batch, before, &err));
        net = reload(&rig, net, false);
        MUST(weft_predict(net, &batch, after, &err));
        cr_expect(memcmp(before, after, sizeof before) == 0);
        cr_expect(weft_net_digest(net) == digest);
        cr_expect_eq(weft_net_updates(net), 3);
        weft_net_close(net);
        rig_close(&rig);
    }
}

Test(save, model_comes_back_whole, .init = name_path, .fini = remove_path)
{
    Rig rig;
    rig_open(&rig, WEFT_EMBEDDING);
    WeftNet *net = rig_net(&rig, 0);
    MUST(weft_net_note(net, "alphabet", "a b \"c\" \xc3\xa9\n", &err));
    MUST(weft_net_note(net, "gone", "soon", &err));
    MUST(weft_net_note(net, "gone", NULL, &err));
    MUST(weft_net_note(net, "twice", "1", &err));
    MUST(weft_net_note(net, "twice", "2", &err));
    FAILS(weft_net_note(net, "", "x", &err), "key");
    net = reload(&rig, net, true);
    const WeftModel *const m = weft_net_model(net);
    cr_expect(m->input == WEFT_EMBEDDING && m->inputs == 7 && m->embedding == 3);
    cr_expect(m->layer_count == 2 && m->outputs == 4 && m->loss == WEFT_SOFTMAX);
    cr_expect(m->drop == 0.1f && m->layers[1].drop == 0.3f && m->layers[1].both);
    cr_expect(!m->layers[0].both && m->layers[0].hidden == 6 && !m->vector);
    cr_expect_str_eq(weft_net_get_note(net, "alphabet"), "a b \"c\" \xc3\xa9\n");
    cr_expect_str_eq(weft_net_get_note(net, "twice"), "2");
    cr_expect_null(weft_net_get_note(net, "gone"));
    int axes, shape[4];
    weft_net_parameter(net, 2, NULL, &axes, shape); /* U [head][d][d] */
    cr_expect(axes == 3 && shape[0] == 3 && shape[1] == 2);
    weft_net_close(net);
    rig_close(&rig);
}

/* Interrupted after each update in turn: within a batch, between batches, with states
 * that go on. */
Test(save, resumed_training_comes_to_the_same_bits, .init = name_path,
     .fini = remove_path)
{
    Rig rig;
    rig_open(&rig, WEFT_SYMBOLS);
    rig.layer[1].both = false;
    const WeftTrain train = {.updates = 8,
                             .chunk = 3,
                             .chunks_per_update = 2,
                             .optimizer = WEFT_ADAM,
                             .rate = 0.01f};
    WeftNet *net = rig_net(&rig, 8);
    const uint64_t digest = weft_net_digest(net);
    weft_net_close(net);
    for (uint64_t updates = 0; updates < 8; updates++) {
        net = reload(&rig, rig_net(&rig, updates), true);
        net = reload(&rig, net, true); /* and once more, unused */
        MUST(weft_train(net, &train, &rig.source, NULL, NULL, &err));
        cr_expect(weft_net_digest(net) == digest, "after %d updates", (int)updates);
        weft_net_close(net);
    }
    net = reload(&rig, rig_net(&rig, 3), false); /* without what resume adds */
    MUST(weft_train(net, &train, &rig.source, NULL, NULL, &err));
    cr_expect(weft_net_digest(net) != digest);
    weft_net_close(net);
    rig_close(&rig);
}

/* ---- an independent reader ---- */

static unsigned char *read_all(size_t *size)
{
    FILE *const file = fopen(path, "rb");
    cr_assert(file);
    unsigned char *const bytes = malloc(1 << 20);
    *size = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    return bytes;
}

static void write_all(const unsigned char *bytes, size_t size)
{
    FILE *const file = fopen(path, "wb");
    cr_assert(file && fwrite(bytes, 1, size, file) == size);
    fclose(file);
}

/* As the format says: a length, so much JSON, then the bytes of the tensors. */
static uint64_t file_digest(const char *const *names)
{
    size_t size;
    unsigned char *const bytes = read_all(&size);
    uint64_t header = 0, hash = 14695981039346656037u;
    for (int i = 0; i < 8; i++) header |= (uint64_t)bytes[i] << (8 * i);
    char *const json = malloc(header + 1);
    memcpy(json, bytes + 8, header);
    json[header] = 0;
    for (; *names; names++) {
        char key[64];
        unsigned long long first, end;
        snprintf(key, sizeof key, "\"%s\":", *names);
        const char *at = strstr(json, key);
        cr_assert(at, "no %s", *names);
        at = strstr(at, "\"data_offsets\"");
        cr_assert(at && sscanf(strchr(at, '['), "[%llu , %llu", &first, &end) == 2);
        for (; first < end; first++)
            hash = (hash ^ bytes[8 + header + first]) * 1099511628211u;
    }
    free(json);
    free(bytes);
    return hash;
}

Test(save, digest_can_be_recomputed_from_the_file, .init = name_path,
     .fini = remove_path)
{
    const char *const names[] = {"embedding",
                                 "layer0.W",
                                 "layer0.U",
                                 "layer1.W_r",
                                 "layer1.W_z",
                                 "layer1.W_n",
                                 "layer1.U_r",
                                 "layer1.U_z",
                                 "layer1.U_n",
                                 "layer1.b_r",
                                 "layer1.b_z",
                                 "layer1.b_n",
                                 "layer1.d_n",
                                 "layer1.backward.W_r",
                                 "layer1.backward.W_z",
                                 "layer1.backward.W_n",
                                 "layer1.backward.U_r",
                                 "layer1.backward.U_z",
                                 "layer1.backward.U_n",
                                 "layer1.backward.b_r",
                                 "layer1.backward.b_z",
                                 "layer1.backward.b_n",
                                 "layer1.backward.d_n",
                                 "head.weight",
                                 "head.bias",
                                 NULL};
    Rig rig;
    rig_open(&rig, WEFT_EMBEDDING);
    WeftNet *const net = rig_net(&rig, 4);
    MUST(weft_net_save(net, path, true, &err));
    cr_expect(file_digest(names) == weft_net_digest(net));
    weft_net_close(net);
    rig_close(&rig);
}

/* ---- broken files ---- */

/* The file with `from` in its header overwritten by `to`, which is as long. */
static void tamper(const unsigned char *bytes, size_t size, const char *from,
                   const char *to)
{
    unsigned char *const copy = malloc(size);
    memcpy(copy, bytes, size);
    unsigned char *const at = memmem(copy, size, from, strlen(from));
    cr_assert(at && strlen(from) == strlen(to), "%s", from);
    memcpy(at, to, strlen(to));
    write_all(copy, size);
    free(copy);
}

Test(save, broken_files_are_refused, .init = name_path, .fini = remove_path)
{
    Rig rig;
    WeftNet *net, *loaded;
    size_t size;
    rig_open(&rig, WEFT_DENSE);
    net = rig_net(&rig, 2);
    MUST(weft_net_note(net, "k", "v", &err));
    MUST(weft_net_save(net, path, true, &err));
    weft_net_close(net);
    unsigned char *const bytes = read_all(&size);

#define REFUSES(from, to, part)                                                        \
    tamper(bytes, size, from, to);                                                     \
    FAILS(weft_net_load(rig.team, path, &loaded, &err), part)
    REFUSES("weft.format", "west.format", "not a model of weft");
    REFUSES("\"weft.format\":\"1\"", "\"weft.format\":\"7\"", "its format is '7'");
    REFUSES("\"model.outputs\":\"4\"", "\"model.outputs\":\"5\"", "head.weight");
    REFUSES("\"model.outputs\":\"4\"", "\"model.outputs\":\"x\"", "not a whole number");
    REFUSES("\"model.outputs\":\"4\"", "\"model.outputs\":\"0\"", "outputs 0");
    REFUSES("\"model.input\":\"dense\"", "\"model.input\":\"dance\"", "'dance'");
    REFUSES("\"model.loss\":\"softmax\"", "\"model.loss\":\"softest\"", "'softest'");
    REFUSES("\"model.layers\":\"2\"", "\"model.layers\":\"3\"", "layer2.cell");
    REFUSES("\"model.layers\":\"2\"", "\"model.layers\":\"1\"", "");
    REFUSES("\"model.layers\":\"2\"", "\"model.layers\":\"0\"", "0 layers");
    REFUSES("layer0.hidden\":\"6\"", "layer0.hidden\":\"9\"", "layer0.W");
    REFUSES("layer0.hidden\":\"6\"", "layer0.hidden\":\"7\"", "");
    REFUSES("layer1.both\":\"1\"", "layer1.both\":\"2\"", "layer1.both");
    REFUSES("layer1.both\":\"1\"", "layer1.both\":\"0\"", "head.weight");
    REFUSES("layer0.set.head\":\"3\"", "layer0.set.heat\":\"3\"", "heat");
    REFUSES("layer0.set.head\":\"3\"", "layer0.set.head\":\"0\"", "head");
    REFUSES("cell leaky", "well leaky", "line 2");
    REFUSES("\"head.bias\"", "\"head.bios\"", "no tensor 'head.bias'");
    REFUSES("\"resume.moment2\"", "\"resume.moment9\"", "no tensor 'resume.moment2'");
    REFUSES("\"resume.states\"", "\"resume.status\"", "no use for");
    REFUSES("resume.rows\":\"5\"", "resume.rows\":\"6\"", "resume.states");
    REFUSES("resume.optimizer\":\"adam\"", "resume.optimizer\":\"atom\"", "'atom'");
    REFUSES("resume.since\":\"0\"", "resume.since\":\"9\"", "resume.since");
    for (size_t cut = 0; cut < size; cut += 1 + cut / 5) {
        write_all(bytes, cut);
        FAILS(weft_net_load(rig.team, path, &loaded, &err), path);
    }
    write_all(bytes, size - 1);
    FAILS(weft_net_load(rig.team, path, &loaded, &err), path);
    unlink(path);
    FAILS(weft_net_load(rig.team, path, &loaded, &err), path);
    FAILS(weft_net_load(rig.team, "/tmp", &loaded, &err), "/tmp");
    FAILS(weft_net_load(rig.team, NULL, &loaded, &err), "path");
    free(bytes);
    rig_close(&rig);
}

Test(save, failure_leaves_nothing_behind, .init = name_path, .fini = remove_path)
{
    Rig rig;
    rig_open(&rig, WEFT_DENSE);
    WeftNet *const net = rig_net(&rig, 0);
    FAILS(weft_net_save(net, "/nowhere/at/all", true, &err), "/nowhere/at/all");
    FAILS(weft_net_save(net, NULL, true, &err), "path");
    FAILS(weft_net_save(NULL, path, true, &err), "net");
    cr_expect(access("/nowhere", F_OK) != 0);
    weft_net_close(net);
    rig_close(&rig);
}

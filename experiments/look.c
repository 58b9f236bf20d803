/* look.c: see look.h. */
#include "look.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "saved.h"

#define ORANGE     "#E69F00"
#define SKY        "#56B4E9"
#define GREEN      "#009E73"
#define BLUE       "#0072B2"
#define VERMILLION "#D55E00"
#define PURPLE     "#CC79A7"
#define BLACK      "#000000"

enum { SOLID = 1, DASHED, DOTTED, DASH_DOT, DASH_DOT_DOT, DASHES = DASH_DOT_DOT };

/* gnuplot's: the even are open, but for these the odd are filled. */
enum {
    SQUARE_OPEN = 4,
    SQUARE,
    CIRCLE_OPEN,
    CIRCLE,
    UP_OPEN,
    UP,
    DOWN_OPEN,
    DOWN,
    DIAMOND_OPEN,
    DIAMOND,
    PENTAGON_OPEN,
    PENTAGON,
    MARKS = PENTAGON
};

/* In their order: plain cells, LSTM and its kin, GRU and its, those that came after. */
// clang-format off
static const struct {
    const char *cell;
    Look look;
} looks[] = {
    {"rnn",           {VERMILLION, CIRCLE,        SOLID,        0}},
    {"rnn_relu",      {ORANGE,     DIAMOND,       SOLID,        0}},
    {"rnn_sigmoid",   {VERMILLION, CIRCLE_OPEN,   DOTTED,       0}},
    {"indrnn",        {ORANGE,     DIAMOND_OPEN,  DOTTED,       0}},
    {"rhn",           {ORANGE,     PENTAGON_OPEN, DASH_DOT,     0}},
    {"lstm",          {BLUE,       SQUARE,        SOLID,        0}},
    {"lstm:forget=0", {SKY,        SQUARE_OPEN,   DOTTED,       0}},
    {"lstm:forget=1", {SKY,        SQUARE,        SOLID,        0}},
    {"lstm:forget=2", {SKY,        UP,            DASHED,       0}},
    {"lstm:forget=3", {SKY,        DIAMOND,       DASH_DOT,     0}},
    {"lstm:forget=5", {SKY,        PENTAGON,      DASH_DOT_DOT, 0}},
    {"lstm_chrono",   {BLACK,      DOWN_OPEN,     DASHED,       0}},
    {"lstm_peephole", {BLUE,       SQUARE_OPEN,   DASHED,       0}},
    {"cifg",          {BLUE,       DIAMOND_OPEN,  DASH_DOT,     0}},
    {"lnlstm",        {BLUE,       DIAMOND,       DOTTED,       0}},
    {"lstmp",         {BLUE,       PENTAGON_OPEN, DASH_DOT_DOT, 0}},
    {"gru",           {GREEN,      UP,            SOLID,        0}},
    {"gru_v1",        {GREEN,      UP_OPEN,       DASHED,       0}},
    {"mgu",           {GREEN,      DOWN_OPEN,     DASH_DOT,     0}},
    {"slstm",         {PURPLE,     DIAMOND,       SOLID,        0}},
    {"mlstm",         {BLACK,      DOWN,          SOLID,        0}},
    {"mingru",        {ORANGE,     UP_OPEN,       DASHED,       0}},
    {"minlstm",       {PURPLE,     SQUARE_OPEN,   DASHED,       0}},
};
// clang-format on

enum { LOOKS = sizeof looks / sizeof *looks };

/* Number of the cell whose name is the first n characters; LOOKS: none. */
static int find(const char *cell, size_t n)
{
    int i = 0;
    while (i < LOOKS && (strncmp(looks[i].cell, cell, n) || looks[i].cell[n])) i++;
    return i;
}

Look look_of(const char *cell)
{
    static const char *const colours[] = {ORANGE,     SKY,    GREEN, BLUE,
                                          VERMILLION, PURPLE, BLACK};
    int at = find(cell, strlen(cell));
    if (at < LOOKS) {
        Look look = looks[at].look;
        look.rank = at;
        return look;
    }
    const uint64_t bits = fnv(FNV_START, cell, strlen(cell));
    at = find(cell, strcspn(cell, ":"));
    return (Look){.colour = at < LOOKS ? looks[at].look.colour : colours[bits % 7],
                  .mark = 1 + (int)(bits / 7 % MARKS),
                  .dash = 1 + (int)(bits / 7 / MARKS % DASHES),
                  .rank = at};
}

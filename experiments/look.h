/* look.h: how a cell is drawn: the same colour, mark and dash in every figure. */
#pragma once

typedef struct Look {
    const char *colour; /* one of Okabe and Ito's, which the colour-blind tell apart */
    int mark, dash;     /* gnuplot's numbers */
    int rank;           /* cells stand in this order */
} Look;

/* A cell that the list does not know has the colour of the cell that its name begins with
 * (lstm:forget=7), or one by its name, and a mark and dash by its name. */
Look look_of(const char *cell);

/* plot.h: a plot as SVG; the one place that knows gnuplot.
 *
 * Marks are put in blocks, and the axes are as wide as what was put. */
#pragma once

#include "../core/weft.h"
#include "look.h"

#include <stdio.h>

#define PLOT_LABEL 128

typedef struct Text {
    FILE *file;
    char *text;
    size_t size;
} Text;

typedef struct Axis {
    char label[PLOT_LABEL];
    bool log;  /* wanted; so drawn where it spans a decade or has tics of its own */
    bool told; /* low and high are the ends; else they are those of what was put */
    double low, high;
    Text tics; /* names and places; none: gnuplot's own */
    int tics_count;
} Axis;

typedef struct Plot {
    Axis x, y;
    Text data, order;   /* blocks of marks; how each is drawn */
    int blocks, orders; /* a block without marks has no order */
    int marks, all;     /* of this block, of all */
    int titles, widest; /* of the key; characters */
    int bars;           /* rows of them */
} Plot;

/* False with a message when there is no gnuplot. */
bool plot_ready(WeftError *err);

bool plot_open(Plot *plot, WeftError *err);
void plot_close(Plot *plot);

void plot_block(Plot *plot);
/* What is not finite, or not positive on a logarithmic axis, is left out. */
void plot_put(Plot *plot, double x, double y);
void plot_put_band(Plot *plot, double x, double low, double high);
void plot_put_bar(Plot *plot, double value, int row);

/* The block's marks, as drawn; title NULL: not in the key. */
void plot_points(Plot *plot, const Look *look, double size, const char *title);
void plot_lines(Plot *plot, const Look *look, const char *title); /* with points */
void plot_bands(Plot *plot, const Look *look, double strength);   /* of 1 */
void plot_bars(Plot *plot, const Look *look);
/* Grey and dashed, number `index` of those in the plot. */
void plot_dashed(Plot *plot, int index, const char *title);

/* A tic of one's own. */
void plot_tic(Axis *axis, const char *name, double at);

/* Writes folder/name.svg. */
bool plot_write(Plot *plot, const char *folder, const char *name, WeftError *err);

/* plot.c: see plot.h. A plot is a script for gnuplot, with its data inside. */
#include "plot.h"

#include "options.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Small enough that the letters are read on a phone, which shows all of the width. */
#define WIDTH  430
#define HEIGHT 260 /* without the key */
#define FONT   13
#define SMALL  11 /* of the key */

bool plot_ready(WeftError *err)
{
    return !system("command -v gnuplot >/dev/null 2>&1") ||
           fail(err,
                "gnuplot draws the figures and is not here: apt install gnuplot-nox");
}

/* ---- opening ---- */

static bool text_open(Text *text)
{
    text->file = open_memstream(&text->text, &text->size);
    return text->file != NULL;
}

static void text_close(Text *text)
{
    if (text->file) fclose(text->file);
    free(text->text);
}

bool plot_open(Plot *plot, WeftError *err)
{
    *plot = (Plot){.x = {.low = HUGE_VAL, .high = -HUGE_VAL},
                   .y = {.low = HUGE_VAL, .high = -HUGE_VAL}};
    if (text_open(&plot->x.tics) && text_open(&plot->y.tics) &&
        text_open(&plot->data) && text_open(&plot->order))
        return true;
    plot_close(plot);
    return fail(err, "out of memory");
}

void plot_close(Plot *plot)
{
    text_close(&plot->x.tics);
    text_close(&plot->y.tics);
    text_close(&plot->data);
    text_close(&plot->order);
}

/* ---- marks ---- */

/* As gnuplot reads it between ' and ', where it changes nothing else. */
static void quote(FILE *file, const char *text)
{
    fputc('\'', file);
    for (; *text; text++) {
        if (*text == '\'') fputc('\'', file);
        fputc((unsigned char)*text < ' ' ? ' ' : *text, file);
    }
    fputc('\'', file);
}

static bool shown(const Axis *axis, double value)
{
    return isfinite(value) && (!axis->log || value > 0);
}

static void widen(Axis *axis, double value)
{
    if (axis->told) return;
    axis->low = value < axis->low ? value : axis->low;
    axis->high = value > axis->high ? value : axis->high;
}

void plot_block(Plot *plot)
{
    plot->marks = 0;
    fprintf(plot->data.file, "$b%d << EOD\n", plot->blocks++);
}

static void put(Plot *plot, double x, double low, double high)
{
    if (!shown(&plot->x, x) || !shown(&plot->y, low) || !shown(&plot->y, high)) return;
    widen(&plot->x, x);
    widen(&plot->y, low);
    widen(&plot->y, high);
    plot->marks++;
    plot->all++;
    fprintf(plot->data.file, "%.9g %.9g %.9g\n", x, low, high);
}

void plot_put(Plot *plot, double x, double y)
{
    put(plot, x, y, y);
}

void plot_put_band(Plot *plot, double x, double low, double high)
{
    put(plot, x, low, high);
}

void plot_put_bar(Plot *plot, double value, int row)
{
    plot->bars = row + 1 > plot->bars ? row + 1 : plot->bars;
    widen(&plot->x, 0);
    put(plot, value, -row - 0.32, -row + 0.32);
}

/* ---- how they are drawn ---- */

/* Ends the block. A block with nothing in it is not drawn: gnuplot would complain. */
static bool order(Plot *plot, const char *how)
{
    fprintf(plot->data.file, "EOD\n");
    if (!plot->marks) return false;
    fprintf(plot->order.file, "%s $b%d %s", plot->orders++ ? "," : "plot",
            plot->blocks - 1, how);
    return true;
}

static void title(Plot *plot, const char *text)
{
    if (!text) {
        fprintf(plot->order.file, " notitle");
        return;
    }
    const int letters = (int)strlen(text);
    plot->titles++;
    plot->widest = letters > plot->widest ? letters : plot->widest;
    fprintf(plot->order.file, " title ");
    quote(plot->order.file, text);
}

void plot_points(Plot *plot, const Look *look, double size, const char *name)
{
    if (!order(plot, "with points")) return;
    fprintf(plot->order.file, " ps %g pt %d lc rgb '%s'", size, look->mark,
            look->colour);
    title(plot, name);
}

void plot_lines(Plot *plot, const Look *look, const char *name)
{
    if (!order(plot, "with linespoints")) return;
    fprintf(plot->order.file, " lw 1.5 ps 0.6 pt %d dt %d lc rgb '%s' pi %d",
            look->mark, look->dash, look->colour, plot->marks / 10 + 1);
    title(plot, name);
}

void plot_bands(Plot *plot, const Look *look, double strength)
{
    if (!order(plot, "using 1:2:3 with filledcurves")) return;
    fprintf(plot->order.file, " fs transparent solid %g noborder lc rgb '%s' notitle",
            strength, look->colour);
}

void plot_bars(Plot *plot, const Look *look)
{
    if (!order(plot, "using (0):(0):(0):1:2:3 with boxxyerror")) return;
    fprintf(plot->order.file, " fs solid 0.75 noborder lc rgb '%s' notitle",
            look->colour);
}

void plot_dashed(Plot *plot, int index, const char *name)
{
    if (!order(plot, "with lines")) return;
    fprintf(plot->order.file, " dt %d lw 1.2 lc rgb '%s'", 2 + index % 4,
            index / 4 % 2 ? "#999999" : "#555555");
    title(plot, name);
}

void plot_tic(Axis *axis, const char *name, double at)
{
    if (axis->tics_count++) fputc(',', axis->tics.file);
    quote(axis->tics.file, name);
    fprintf(axis->tics.file, " %.9g", at);
}

/* ---- the script ---- */

static void put_linear_range(FILE *script, const char *name, const Axis *axis)
{
    const double span = axis->high - axis->low;
    const double low = fabs(axis->low), high = fabs(axis->high);
    const double size = low > high ? low : high;
    const double room = span > 1e-6 * size ? span * 0.06 : size > 0 ? size * 0.1 : 1;
    const bool zero = axis->low >= 0 && axis->low <= 0.6 * axis->high;
    fprintf(script, "set %srange [%.9g:%.9g]\n", name, zero ? 0 : axis->low - room,
            axis->high + room);
}

/* What is smaller still is nothing, in floats. */
#define LOG_SPAN 1e16

static void put_axis(FILE *script, const char *name, Axis *axis)
{
    fprintf(script, "set %slabel ", name);
    quote(script, axis->label);
    fputc('\n', script);
    fflush(axis->tics.file);
    if (axis->tics_count) fprintf(script, "set %stics (%s)\n", name, axis->tics.text);
    if (axis->told) {
        fprintf(script, "set %srange [%.9g:%.9g]\n", name, axis->low, axis->high);
    } else if (axis->log && (axis->tics_count || axis->high >= 10 * axis->low)) {
        const double least = axis->high / LOG_SPAN;
        fprintf(script, "set logscale %s\nset %srange [%.9g:%.9g]\n", name, name,
                (axis->low < least ? least : axis->low) / 1.3, axis->high * 1.3);
    } else {
        put_linear_range(script, name, axis);
    }
}

/* The key stands above the plot, over the whole width; pixels are gnuplot's for its font. */
static void put_size(FILE *script, const Plot *plot)
{
    const double line = 15, wide = 6.6 * (plot->widest - 2) + 51;
    const int fit = (int)((WIDTH - 20) / wide);
    const int columns = fit < 1 ? 1 : fit;
    const int rows = (plot->titles + columns - 1) / columns;
    const int top = 12 + (int)(line * rows);
    const int height = top + (plot->bars ? 90 + 26 * plot->bars : HEIGHT);
    fprintf(script, "set terminal svg size %d,%d dynamic noenhanced ", WIDTH, height);
    fprintf(script, "font 'sans-serif,%d' linewidth 1.4 background rgb 'white'\n",
            FONT);
    fprintf(script, "set tmargin at screen %.4f\n", 1 - (double)top / height);
    fprintf(script, "set key at screen 0.02,0.99 left top vertical maxrows %d ",
            rows > 0 ? rows : 1);
    fprintf(script, "Left reverse font ',%d' samplen 2 spacing 0.9 width %.1f\n", SMALL,
            -0.13 * plot->widest); /* gnuplot takes letters for wider than most are */
}

static void put_script(FILE *script, Plot *plot, const char *folder, const char *name)
{
    fprintf(script, "set encoding utf8\n");
    put_size(script, plot);
    fprintf(script, "set output ");
    char path[4200];
    snprintf(path, sizeof path, "%s/%s.svg", folder, name);
    quote(script, path);
    fprintf(script, "\nset border %d lc rgb '#444444'\nset tics nomirror out\n",
            plot->bars ? 1 : 3);
    fprintf(script, "set grid %s lc rgb '#dddddd' lw 0.7\nset rmargin 3\n",
            plot->bars ? "xtics" : "ytics");
    put_axis(script, "x", &plot->x);
    put_axis(script, "y", &plot->y);
    fprintf(script, "%s%s\n", plot->data.text, plot->order.text);
}

bool plot_write(Plot *plot, const char *folder, const char *name, WeftError *err)
{
    /* Neither as its user has set it up, nor in a language of his. */
    FILE *script = popen("LC_ALL=C.UTF-8 gnuplot -d >/dev/null", "w");
    if (!script) return fail(err, "gnuplot could not be started");
    if (plot->bars) {
        plot->y.told = true;
        plot->y.low = 0.4 - plot->bars;
        plot->y.high = 0.6;
    }
    fflush(plot->data.file);
    fflush(plot->order.file);
    put_script(script, plot, folder, name);
    const bool written = !ferror(script);
    return (!pclose(script) && written) ||
           fail(err, "gnuplot failed on the figure %s", name);
}

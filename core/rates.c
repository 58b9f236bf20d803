/* rates.c: the cost of kernels, by the rates of a machine. */
#include "rates.h"

#include <math.h>

#define LINE_BYTES    64
#define LINES_AT_ONCE 3    /* that a core waits for, of a step's pieces ... */
#define LINES_IN_ROW  8    /* ... and of rows that are read one after the other */
#define KEPT          0.75 /* of a cache, by what is meant to stay in it */

const int product_rows[] = {
#define ITEM(m) m,
    PRODUCT_ROWS_LIST(ITEM)
#undef ITEM
};

/* Seconds of a flop: between the rows that are known, in proportion to 1 / m. */
static double product_flop(const Rates *r, double m)
{
    int i = 0;
    while (i < PRODUCT_ROWS - 1 && product_rows[i + 1] < m) i++;
    if (i == PRODUCT_ROWS - 1 || m <= product_rows[0]) return 1 / r->product[i];
    const double low = 1.0 / product_rows[i], high = 1.0 / product_rows[i + 1];
    const double part = (low - 1 / m) / (low - high);
    return (1 - part) / r->product[i] + part / r->product[i + 1];
}

static double most(double a, double b)
{
    return a > b ? a : b;
}

static double byte_from(const Rates *r, double resident)
{
    if (resident <= KEPT * L1_BYTES) return 0;
    if (resident <= KEPT * r->l2_bytes) return 1 / r->l2;
    return resident <= KEPT * r->l3_bytes ? 1 / r->l3 : 1 / r->memory;
}

Cost rates_product(const Rates *r, double m, double n, double k, double resident)
{
    const double panels = floor((n - 1) / simd->panel) + 1, wide = panels * simd->panel;
    const double run = 2 * m * wide * k * product_flop(r, m);
    const double weights = 4 * wide * k * byte_from(r, resident);
    const double store = m * wide * r->map[MAP_copy];
    return (Cost){.seconds = r->call + most(run, weights) + store,
                  .flops = 2 * m * n * k};
}

Cost rates_gradient(const Rates *r, double rows, double n, double k, double packed)
{
    const double flops = 2 * rows * n * k;
    return (Cost){.seconds = r->call + flops / r->gradient + rows * packed * r->pack,
                  .flops = flops};
}

Cost rates_map(const Rates *r, MapOp op, double rows, double n)
{
    return (Cost){.seconds = r->call + rows * (r->row + n * r->map[op])};
}

static bool is_near(const Rates *r, double resident)
{
    return resident < KEPT * r->l2_bytes;
}

Cost rates_stream(const Rates *r, double bytes, double resident)
{
    if (is_near(r, resident))
        return (Cost){.away = bytes / LINE_BYTES * r->reach / LINES_IN_ROW};
    return (Cost){.seconds = bytes * byte_from(r, resident)};
}

/* Lines that another core has written are short pieces, of which a few are on their way. */
Cost rates_steps(const Rates *r, double bytes, double resident)
{
    if (is_near(r, resident))
        return (Cost){.away = bytes / LINE_BYTES * r->reach / LINES_AT_ONCE};
    const bool in_l3 = resident < KEPT * r->l3_bytes;
    return (Cost){.seconds = bytes / (in_l3 ? r->l3 : r->steps)};
}

/* Fewer than were measured share what all of those had; more have no less each, as they have
 * memory of their own. */
static double memory_of(const Rates *r, int cores)
{
    const double each = r->memory_all * most(1, r->readers / cores);
    return each < r->memory ? each : r->memory;
}

Rates rates_together(const Rates *r, int cores)
{
    Rates all = *r;
    if (cores == 1) return all;
    all.memory = memory_of(r, cores);
    all.steps *= all.memory / r->memory;
    all.gradient *= r->together;
    for (int i = 0; i < PRODUCT_ROWS; i++) all.product[i] *= r->together;
    for (int op = 0; op < MAP_COUNT; op++) all.map[op] /= r->together;
    return all;
}

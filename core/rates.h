/* rates.h: what work costs on one core of a machine, so that it can be told before it is
 * done. A machine is data: measured (team/measure.c), read from a file, or typical. */
#pragma once

#include "error.h"
#include "../simd/kernels.h"

/* Rows of a product that rates are known for; between them, linear in the time a row. */
#define PRODUCT_ROWS_LIST(X) X(1) X(2) X(4) X(8) X(16) X(64)
#define ITEM(m)              PRODUCT_##m,
enum { PRODUCT_ROWS_LIST(ITEM) PRODUCT_ROWS };
#undef ITEM

/* Each line: name, what it is. All above 0. */
#define RATE_LIST(X)                                                                   \
    X(peak, "flops a second of multiply-adds from registers")                          \
    X(gradient, "flops a second of weight gradients, once packed")                     \
    X(pack, "seconds an element that a kernel packs")                                  \
    X(drop, "seconds a drawn element")                                                 \
    X(optimizer, "seconds a parameter of Adam")                                        \
    X(call, "seconds to call a kernel")                                                \
    X(row, "seconds a row of an elementwise kernel")                                   \
    X(l2_bytes, "bytes of a core's L2")                                                \
    X(l3_bytes, "bytes of the L3 that a domain shares")                                \
    X(l2, "bytes a second that a core reads from L2")                                  \
    X(l3, "bytes a second from L3")                                                    \
    X(memory, "bytes a second from memory, a core alone")                              \
    X(steps, "bytes a second of what steps have kept, a step at a time, from memory")  \
    X(reach, "seconds to reach a line that another core has written")                  \
    X(memory_all, "from memory, a core while so many read: ...")                       \
    X(readers, "... cores")                                                            \
    X(together, "share of its speed that a core keeps while all work")                 \
    X(tile, "seconds to take a tile and to finish it")                                 \
    X(wait, "seconds from the end of a tile to the start of one that waited for it, "  \
            "on another core of the same domain")                                      \
    X(far_wait, "the same, on a core of another domain")                               \
    X(round, "seconds that a gang waits for its last member at the end of a round")

extern const int product_rows[]; /* [PRODUCT_ROWS] */

typedef struct Rates {
#define ITEM(name, text) double name;
    RATE_LIST(ITEM)
#undef ITEM
    double product[PRODUCT_ROWS]; /* flops a second, by rows; weights in L1 */
    double map[MAP_COUNT];        /* seconds an element, in L1 */
} Rates;

#define L1_BYTES 32e3 /* of any core: no less */

/* Those of a Zen 3 core at 3 GHz with AVX2: bench/machines/zen3.rates, at build time. */
extern const Rates rates_typical;

/* Text: a line for each rate, its name and its value; # begins a comment. Names are those of
 * the lists: `peak`, `product/m:4`, `map/tanh`. Every rate is there once, above 0. */
bool rates_read(const char *path, Rates *rates, Error *err);
/* The same of text [length], which ends with a NUL and is cut up; origin names it. */
bool rates_parse(const char *origin, char *text, size_t length, Rates *rates,
                 Error *err);
/* What is read back to the same numbers, with comments that say what they are. */
bool rates_write(const Rates *rates, FILE *out, Error *err);

/* Those of each of so many cores that work at the same time. */
Rates rates_together(const Rates *rates, int cores);

/* What some work takes: a core's seconds, and flops of products in them. */
typedef struct Cost {
    double seconds, flops;
    double away; /* seconds more where another core's cache has what it works on */
} Cost;

static inline void cost_add(Cost *cost, Cost more)
{
    cost->seconds += more.seconds;
    cost->flops += more.flops;
    cost->away += more.away;
}

static inline Cost cost_times(Cost cost, double times)
{
    return (Cost){cost.seconds * times, cost.flops * times, cost.away * times};
}

/* A product of m rows, of whole panels; the weights are read from wherever `resident` bytes,
 * what is used again before they are, stay. */
Cost rates_product(const Rates *rates, double m, double n, double k, double resident);
/* The product of rows of d [n] and x [k], of whose elements so many a row are packed first. */
Cost rates_gradient(const Rates *rates, double rows, double n, double k, double packed);
Cost rates_map(const Rates *rates, MapOp op, double rows, double n);
/* Reading so many bytes in a row that so many others pass before they are used again: nothing
 * from the L2 of the core that had them last. */
Cost rates_stream(const Rates *rates, double bytes, double resident);
/* The same of what steps have kept, a step at a time. */
Cost rates_steps(const Rates *rates, double bytes, double resident);

/* kernels.c: the table of one instruction set, filled from the lists. */
#include "lanes.h"

/* Twelve sums hide the latency of a multiply-add (4 cycles, two a cycle: 8 would
 * do). */
enum { CHAINS = 12 };

double ISA(peak)(int turns, float *sink)
{
    const vf a = v_set(0.999f), b = v_set(0.001f);
    vf c[CHAINS];
    UNROLL for (int i = 0; i < CHAINS; i++) c[i] = v_set((float)i);
    for (int turn = 0; turn < turns; turn++)
        UNROLL for (int i = 0; i < CHAINS; i++) c[i] = v_fma(c[i], a, b);

    vf total = v_zero();
    UNROLL for (int i = 0; i < CHAINS; i++) total = v_add(total, c[i]);
    v_keep(sink, total, 1);
    return 2.0 * LANES * CHAINS * turns;
}

#define TEXT_OF(name) #name
#define TEXT(name)    TEXT_OF(name)

const Kernels ISA(kernels) = {.isa = TEXT(ISA_NAME),
                              .lanes = LANES,
                              .panel = TILE_VECTORS * LANES,
                              .map =
                                  {
#define ITEM(name, text) [MAP_##name] = ISA(map_##name),
                                      MAP_LIST(ITEM)
#undef ITEM
                                  },
#define ITEM(type, name, params) .name = ISA(name),
                              KERNEL_LIST(ITEM)
#undef ITEM
};

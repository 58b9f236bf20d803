/* idx.h: IDX files, in which MNIST and its like come: arrays of bytes. */
#pragma once

#include "inflate.h"

#define IDX_AXES 3

typedef struct Idx {
    int axes;
    size_t shape[IDX_AXES]; /* 1 past the axes */
    const uint8_t *values;  /* [shape 0][shape 1][shape 2] */
    Bytes bytes;            /* which they are in */
} Idx;

/* From a file, which gzip may have compressed, of so many axes. */
bool idx_open(const char *path, int axes, Idx *idx, WeftError *err);
void idx_close(Idx *idx);

/* The same from memory, which must outlive it; origin names it in messages. */
bool idx_parse(const char *origin, const uint8_t *bytes, size_t count, int axes,
               Idx *idx, WeftError *err);

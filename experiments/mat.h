/* mat.h: cell arrays of MATLAB 5 files whose matrices are stored as bytes, as piano rolls
 * are. */
#pragma once

#include "inflate.h"

typedef struct MatMatrix {
    size_t rows, columns;
    const uint8_t *values; /* [columns][rows] */
} MatMatrix;

/* One variable: a cell array. */
typedef struct MatCells {
    char name[64];
    size_t count;
    MatMatrix *matrix;
    Bytes bytes; /* which the values are in, where they were compressed */
} MatCells;

#define MAT_VARIABLES 16

typedef struct Mat {
    int count;
    MatCells cells[MAT_VARIABLES];
    Bytes bytes; /* of the file */
} Mat;

bool mat_open(const char *path, Mat *mat, WeftError *err);
void mat_close(Mat *mat);

/* The same from memory, which must outlive it; origin names it in messages. */
bool mat_parse(const char *origin, const uint8_t *bytes, size_t count, Mat *mat,
               WeftError *err);

/* By name, or NULL. */
const MatCells *mat_find(const Mat *mat, const char *name);

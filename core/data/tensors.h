/* tensors.h: reading and writing safetensors files (float32), with string metadata. */
#pragma once

#include "../arena.h"

typedef struct Tensor {
    const char *name;
    int axes;
    int64_t shape[4];
    const float *values; /* [shape] dense */
} Tensor;

typedef struct Metadata {
    const char *key, *value;
} Metadata;

/* Written beside (path.PID.part), synced, renamed: whole or not at all. 8-byte aligned
 * data as the format says. */
bool tensors_write(const char *path, const Tensor *tensors, int count,
                   const Metadata *metadata, int metadata_count, Error *err);

typedef struct TensorFile TensorFile;
/* Everything is checked: lengths, offsets, types, JSON; other types than F32 are an
 * error. */
bool tensors_read(const char *path, TensorFile **file, Error *err);
/* The same from memory, for the fuzz target; origin names it in messages. */
bool tensors_parse(const char *origin, const void *bytes, size_t length,
                   TensorFile **file, Error *err);
void tensors_close(TensorFile *file);
const Tensor *tensors_find(const TensorFile *file, const char *name); /* NULL: none */
const Tensor *tensors_get(const TensorFile *file, int i); /* NULL past the last */
const char *tensors_metadata(const TensorFile *file, const char *key); /* NULL: none */
/* Pair i; false past the last. */
bool tensors_metadata_get(const TensorFile *file, int i, Metadata *pair);

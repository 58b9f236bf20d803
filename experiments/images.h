/* images.h: images with labels, in the four files of MNIST and its like. */
#pragma once

#include "data.h"
#include "idx.h"

#define IMAGE_SIDE     28
#define IMAGE_CLASSES  10
#define IMAGE_HELD_OUT 5000 /* last images of the training file: validation */
#define IMAGES_FILE    "/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz"
#define IMAGES_FROM    "Debian's dataset-fashion-mnist"

typedef struct ImageSet {
    Idx images,
        labels; /* [count][IMAGE_SIDE][IMAGE_SIDE]; [count], below IMAGE_CLASSES */
} ImageSet;

/* path: of the images that train; the others lie beside it. */
bool sets_open(const char *path, ImageSet *train, ImageSet *test, WeftError *err);
void set_close(ImageSet *set);

/* Pictures through stb_image: JPEG, PNG, BMP, and binary PPM and PGM. */
#ifndef NCC_DATA_PICTURE_H
#define NCC_DATA_PICTURE_H

#include "compiler/base/file.h"

enum { NCC_PICTURE_ERROR = 200 };

struct picture {
    int h, w, channels;
    uint8_t *pixels; /* interleaved; from malloc */
};

/* Decodes a file to 1 (grey) or 3 (red, green, blue) channels. Pictures above 64 Mi pixels are refused.
 * On success the caller frees out->pixels with ncc_picture_free. Thread-safe. */
bool ncc_picture_decode(struct bytes file, int channels, struct picture *out, char error[static NCC_PICTURE_ERROR]);
void ncc_picture_free(struct picture *p);

#endif

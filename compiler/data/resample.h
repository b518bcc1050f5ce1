/* Pictures to another size. Each axis by itself, with the centres of pixels at half coordinates:
 *
 * - Enlarging, or shrinking by at most 2: linear between the two nearest pixel centres. Output i lies at
 *   (i + 0.5) * scale - 0.5 of the source, scale = source size / output size; outside of the first and last
 *   centre it is the border's pixel.
 * - Shrinking by more than 2: the mean of the source over [i * scale, (i + 1) * scale), where pixels that are covered
 *   in part count in part.
 *
 * Sums are float32 in a fixed order and are rounded once at the end, halves up. Equal sizes give equal pictures, and
 * one colour stays that colour.
 */
#ifndef NCC_DATA_RESAMPLE_H
#define NCC_DATA_RESAMPLE_H

#include "compiler/base/arena.h"

/* From h x w pixels of `channels` interleaved bytes to planes of to_h x to_w bytes, one for each channel.
 * All sizes are at least 1. */
void ncc_resample(const uint8_t *from, int channels, int h, int w, uint8_t *to, int to_h, int to_w,
                  struct arena *scratch);

#endif

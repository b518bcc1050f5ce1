/* A TFLite model of a wanted size, for measuring the import. */
#ifndef NCC_BENCH_SYNTHETIC_MODEL_H
#define NCC_BENCH_SYNTHETIC_MODEL_H

#include <stddef.h>
#include <stdint.h>

/* `n` fully connected layers of `width` inputs and outputs one after another: n * width * width floats and a little.
 * The bytes are free()d by the caller; NULL when out of memory. */
uint8_t *bench_tflite_make(int n, int width, size_t *size);

#endif

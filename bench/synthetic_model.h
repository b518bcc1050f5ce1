/* Models of a wanted size in each format, for measuring the import: `n` fully connected layers of `width` inputs and
 * outputs one after another, that is n * width * width floats and a little. The bytes are free()d by the caller; NULL when
 * out of memory. */
#ifndef NCC_BENCH_SYNTHETIC_MODEL_H
#define NCC_BENCH_SYNTHETIC_MODEL_H

#include <stddef.h>
#include <stdint.h>

uint8_t *bench_tflite_make(int n, int width, size_t *size);
uint8_t *bench_onnx_make(int n, int width, size_t *size);
/* A caffemodel with the weights, and the net's prototxt in *text, which is free()d as well. */
uint8_t *bench_caffe_make(int n, int width, size_t *size, char **text);

#endif

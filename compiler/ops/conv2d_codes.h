/* conv2d on codes (on_codes.h). */
#ifndef NCC_OPS_CONV2D_CODES_H
#define NCC_OPS_CONV2D_CODES_H

#include "compiler/ops/conv_float.h"
#include "compiler/ops/on_codes.h"

/* `s`: the convolution that the node stands for. */
bool ncc_conv2d_codes(const struct code_args *c, const struct convolve *s);
size_t ncc_conv2d_codes_scratch(const struct code_args *c, const struct convolve *s);

#endif

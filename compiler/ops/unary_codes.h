/* Operators of one operand on codes (on_codes.h). */
#ifndef NCC_OPS_UNARY_CODES_H
#define NCC_OPS_UNARY_CODES_H

#include "compiler/ir/op.h"

bool ncc_leaky_relu_codes(const struct code_args *c);
/* int8 to int8 with the scale that TFLite fixes for the result, 1/256 and 1/128, and int16 to int16 with 1/32768. Other
 * codes have tables made of real numbers there. */
bool ncc_sigmoid_codes(const struct code_args *c);
bool ncc_tanh_codes(const struct code_args *c);
bool ncc_hard_swish_codes(const struct code_args *c);

#endif

/* Operators of two operands on codes (on_codes.h). */
#ifndef NCC_OPS_BINARY_CODES_H
#define NCC_OPS_BINARY_CODES_H

#include "compiler/ir/op.h"

bool ncc_add_codes(const struct code_args *c);
bool ncc_sub_codes(const struct code_args *c);
bool ncc_squared_difference_codes(const struct code_args *c);
bool ncc_mul_codes(const struct code_args *c);
bool ncc_prelu_codes(const struct code_args *c);

#endif

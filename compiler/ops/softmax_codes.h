/* softmax on codes (on_codes.h). */
#ifndef NCC_OPS_SOFTMAX_CODES_H
#define NCC_OPS_SOFTMAX_CODES_H

#include "compiler/ir/op.h"

/* From 8 bits to 8 or 16, whose codes are 0 .. 1 from the lowest one on; from int16 to int16, whose codes are -1 .. 1.
 */
bool ncc_softmax_codes(const struct code_args *c);

#endif

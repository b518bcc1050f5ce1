/* Functions of 16-bit codes as TFLite tabulates them: 513 knots, straight lines between.
 *
 *     knot      at      -32768 + 128 i; moved by half of what the line is off in its middle
 */
#ifndef NCC_OPS_CODE_TABLE_H
#define NCC_OPS_CODE_TABLE_H

#include <stdint.h>

struct code_table {
    int16_t knot[513];
};

/* Of codes with a scale and a zero point, to codes of another scale around 0. */
void ncc_code_table_make(struct code_table *t, float in_scale, int in_zero, float out_scale, float (*f)(float));
/* code is limited to 16 bits. */
int32_t ncc_code_table_at(const struct code_table *t, int32_t code);

/* sigmoid(i / 24) * 2^16 for i = 0 .. 255, with knots moved likewise; the last is the end of the curve. For sigmoid
 * and, by tanh(x) = 2 sigmoid(2 x) - 1, tanh of 16 bits. */
void ncc_sigmoid_knots(uint16_t knot[256]);

#endif

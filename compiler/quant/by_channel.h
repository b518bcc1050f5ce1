/* Scales of their own for the channels of a canvas.
 *
 * A KPU layer multiplies every output channel by a number of its own before the activation table, so what one code is
 * worth may differ from channel to channel at no cost, as long as the table can be the same for all: its function must
 * be positively homogeneous, f(s x) = s f(x), and its zero must stand at code 0. A ReLU is; a clip at m as well where
 * code 255 stands for no more than m, as the codes end there by themselves.
 *
 *     code = clamp(round(relu(z) / s_c)),   s_c <= m / 255
 *
 * Each channel gets a range halfway (in powers of two) between its own and that of the whole tensor:
 *
 *     s_c = sqrt(largest of the channel * range of all) / 255
 *
 * Half of the bits that it would leave unused are gained, and the rest is room for inputs that no sample showed. (With
 * all of them, results for samples that were not used for calibration get worse, and the codes, larger now, meet the
 * rounding errors of the reader's weights.)
 *
 * The reader multiplies its weights for channel c by s_c before it rounds these. So every reader must be a layer (or
 * kpu_concat, kpu_slice, kpu_recanvas or a copy, and their readers again).
 */
#ifndef NCC_QUANT_BY_CHANNEL_H
#define NCC_QUANT_BY_CHANNEL_H

#include "compiler/ir/op.h"

/* A layer that moves codes unchanged. */
bool ncc_quant_is_copy(const struct node *n);

/* Whether the channels of v may have different scales, all with zero at code 0. */
bool ncc_quant_by_channel(const struct graph *g, const struct value *v);

/* The scales for channels whose largest values are max[n], where `whole` is the end of the range that would do for all
 * of them together. The arrays are in the arena. */
struct quant ncc_quant_channels(const float *max, int n, float whole, struct arena *a);

#endif

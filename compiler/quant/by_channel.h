/* Scales of their own for the channels of a canvas.
 *
 * A KPU layer multiplies every output channel by a number of its own before the activation table, so what one code is
 * worth may differ from channel to channel at no cost, as long as the table can be the same for all: its function must
 * be positively homogeneous, f(s x) = s f(x). None at all, a ReLU and a leaky ReLU are; all channels then share one
 * zero point z. A clip from 0 to m is as well where code 0 stands for zero and code 255 for no more than m, as the
 * codes end there by themselves.
 *
 *     code = clamp(round(f(x) / s_c) + z)
 *
 * A channel with values in lo..hi needs s_c = max(-lo / z, hi / (255 - z)), times a margin for what no sample showed, as
 * the extremes of few values tell little about the next one: 3.0 if 60 values were seen, 1.9 for 540, 1.3 for 6000, 1 from
 * 70 000 on. It gets a scale halfway (in powers of two) between that and what the whole tensor needs:
 *
 *     s_c = sqrt(need of the channel * need of all)
 *
 * Half of the bits that it would leave unused are gained, and the rest is room for inputs that no sample showed. (With
 * all of them, results for samples that were not used for calibration get worse, and the codes, larger now, meet the
 * rounding errors of the reader's weights.) z is the one with the least sum of squares of scales.
 *
 * The reader multiplies its weights for channel c by s_c before it rounds these. So every reader must be a layer (or
 * kpu_concat, kpu_slice, kpu_recanvas or a copy, and their readers again).
 */
#ifndef NCC_QUANT_BY_CHANNEL_H
#define NCC_QUANT_BY_CHANNEL_H

#include "compiler/ir/op.h"

/* A layer that works on codes as they are (kpu_conv_attrs.copy), and one whose results are differences of codes. */
bool ncc_quant_is_copy(const struct node *n);
bool ncc_quant_is_difference(const struct node *n);

/* Whether the channels of v may have different scales, with one zero point. */
bool ncc_quant_by_channel(const struct graph *g, const struct value *v);

/* The quant of n channels with values in min[c]..max[c] (0 between them), where `whole` is the range that would do for
 * all of them together; `n_seen` values were seen in all, and where these are few, channels get more room. The arrays
 * are in the arena. */
struct quant ncc_quant_channels(const float *min, const float *max, int n, struct range whole, int64_t n_seen,
                                struct arena *a);

#endif

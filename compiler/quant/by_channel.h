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
 * How far they reach beyond that is chosen from parts of the samples (reach.h).
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

/* A kpu_view with which a layer computes as it is, and a channel of which holds several of those that were made: these need
 * one quant. */
bool ncc_quant_merges(const struct graph *g, const struct node *n);

/* Whether the channels of v may have different scales, with one zero point. */
bool ncc_quant_by_channel(const struct graph *g, const struct value *v);

/* How the scales above are changed: a factor on all of them; and a channel that needs more than the whole tensor, whose range
 * can leave out what few channels have, gets what it needs, up to `most` times as much. reach.h chooses them. */
struct reach {
    double factor, most;
};
#define NCC_REACH_SEEN ((struct reach){1, 1})

/* What n channels showed, 0 between min and max. */
struct channel_ranges {
    int n;
    const float *min, *max; /* [n] */
    struct range whole;     /* that would do for all of them together */
    double margin;          /* how much further than min and max a channel's codes should reach: ncc_channels_margin */
    double limit;           /* of the values, by the layer's function: ncc_channels_limit */
    struct reach reach;
};

/* Where a clip in the function of the layer that makes v ends; INFINITY: there is none. Code 255 stands for no more. */
double ncc_channels_limit(const struct value *v);

/* A factor of at least 1, the larger the fewer values each channel showed. */
double ncc_channels_margin(double n);

/* The scale of channel c with this zero point; infinite: its codes cannot reach the whole range. */
double ncc_channels_scale(const struct channel_ranges *r, int c, int zero_point);
int ncc_channels_best_zero(const struct channel_ranges *r);
/* A scale per channel, one zero point that reaches the whole range. The arrays are in the arena. */
struct quant ncc_quant_channels(const struct channel_ranges *r, int zero_point, struct arena *a);

#endif

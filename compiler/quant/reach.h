/* How much further than the samples' extremes the codes of channels with scales of their own should reach.
 *
 * The samples are in folds. What a fold shows beyond the reach that all others would give is what a new picture is to be
 * expected to show. Of some reaches (struct reach), judged with what the other folds showed, the one is taken that makes
 * least in all
 *
 *     step^2 / 12             for every element that is not 0: rounding
 *     4 beyond^2              for the largest value of every channel of every fold: clipping. Such values seldom come alone,
 *                             and readers do not average them away as they do roundings
 *     2e-5 squares / reach^4  with the squares of all elements, and the reach in proportion to what was seen: some
 *                             pictures are unlike all samples, and room for them costs nothing where codes are fine for
 *                             the size of the values. Not where the layer's function ends anyway
 *
 * All numbers were chosen by what they gain on the networks of bench_quant.
 */
#ifndef NCC_QUANT_REACH_H
#define NCC_QUANT_REACH_H

#include "compiler/quant/by_channel.h"
#include "compiler/quant/observe.h"

/* For one value; r->reach is not read. As far as the samples went (NCC_REACH_SEEN) where there are less than two folds. */
struct reach ncc_channels_reach(const struct channel_ranges *r, const struct observation *o, struct arena *scratch);

#endif

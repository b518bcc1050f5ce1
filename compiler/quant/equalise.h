/* Cross-layer equalisation: channels that use little of their tensor's range are scaled up, and what reads them is
 * scaled down.
 *
 *     conv A -> relu, prelu, pool, concat, add ... -> conv B, conv C
 *     A's weights and bias of channel c times s_c,  B's and C's weights for input channel c divided by s_c
 *
 * All codes of a tensor share one scale, so a channel whose values stay below a tenth of the range has a tenth of the
 * resolution; B may well multiply just these by large weights. tied.h says which channels have one s_c together, and
 * which have none because something other than a convolution would see it. A clip is among these: it would cut the
 * larger values of inputs that are not among the samples; see by_channel.h.
 *
 * s_c = (largest value of the tensor / largest value of the channel)^a; the least of these where values of several
 * tensors are tied, so that the range of none grows. a is the one out of 0, 1/4 ... 1 that makes the expected error of
 * the readers' results least: rounding of the codes, and rounding of the readers' weights. Values that operators join
 * have one a.
 */
#ifndef NCC_QUANT_EQUALISE_H
#define NCC_QUANT_EQUALISE_H

#include "compiler/ir/eval.h"

/* On the canonical graph; changes constants only. `through`: a set of enum through (tied.h); 0: nothing is done. Looks at
 * no more than 8 of the samples, evenly spread. False: feed said so, or no memory (reported). */
bool ncc_quant_equalise(struct graph *g, unsigned through, const struct samples *samples, struct arena *scratch);

#endif

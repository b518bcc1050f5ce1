/* Cross-layer equalisation: channels that use little of their tensor's range are scaled up, and what reads them is
 * scaled down.
 *
 *     conv A -> relu, leaky relu ... -> conv B
 *     A's weights and bias of channel c times s_c,  B's weights for input channel c divided by s_c
 *
 * All codes of a tensor share one scale, so a channel whose values stay below a tenth of the range has a tenth of the
 * resolution; B may well multiply just these by large weights. The functions between must be positively homogeneous
 * (f(s x) = s f(x)). A clip is not: it would cut the larger values of inputs that are not among the samples; see
 * by_channel.h.
 *
 * s_c = (largest value of the tensor / largest value of the channel)^a, with the a out of 0, 1/4 ... 1 that makes the
 * expected error of B's results least: rounding of the codes, and rounding of B's weights.
 */
#ifndef NCC_QUANT_EQUALISE_H
#define NCC_QUANT_EQUALISE_H

#include "compiler/ir/eval.h"

/* On the canonical graph; changes constants only. Looks at no more than 8 of the samples, evenly spread.
 * False: feed said so, or no memory (reported). */
bool ncc_quant_equalise(struct graph *g, bool (*feed)(void *ctx, int sample, int input, struct tensor *to), void *ctx,
                        int n_samples, struct arena *scratch);

#endif

/* Mean and std by channel (--input-mean 0.485,0.456,0.406).
 *
 * The 256 codes of an input mean the same for all its channels where a convolution pads them, since the pad has one
 * code. So a norm by channel becomes part of the graph: the firmware feeds bytes, and a depthwise 1x1 convolution turns
 * byte / 255 into what the model takes: a layer of the KPU, unless it melts into the first one, which it does where
 * nothing is padded. Float inputs are never touched: there the samples are prepared.
 */
#ifndef NCC_COMPILER_NORMALISE_H
#define NCC_COMPILER_NORMALISE_H

#include "compiler/compilation.h"

/* Before the canonical passes. Does nothing without a norm by channel; false: an input does not have so many channels.
 */
bool ncc_normalise_inputs(struct compilation *c);

#endif

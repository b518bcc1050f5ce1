/* Layers that only cut: y = relu(w x), channel by channel, one weight each and no bias. The halves of a PReLU are such,
 * and a ReLU beside other readers of what it reads.
 *
 * What x's codes tell is all that y can tell. In codes of the same size, s_y = |w| s_x with zero point 0, every code of
 * y is that of x less x's zero point: nothing is rounded, and nothing saturates that did not in x. Codes that fit y's
 * own range better would round a second time, to a grid of about the same size.
 */
#ifndef NCC_QUANT_CUTS_H
#define NCC_QUANT_CUTS_H

#include "compiler/ir/op.h"

/* By how much n multiplies each channel before it cuts, without the sign; in the arena. NULL: n is no such layer. */
double *ncc_quant_cut(const struct node *n, struct arena *a);

#endif

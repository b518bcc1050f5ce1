/* Staggered outputs: a small output of the network is computed n times, each time 1/n of a code further along, and the
 * CPU takes the mean.
 *
 *     y_k = y + ((k + 1/2) / n - 1/2) * scale             y = mean of y_k
 *
 *     y   ---------+-------------+---->                    codes of y:    the steps of y_0, y_1, y_2, y_3
 *     y_0     |    .        |    .                         one after the other are those of codes that are
 *     y_1        | .           | .                         n times as fine
 *     y_2          |             |
 *     y_3          . |           . |
 *
 * In real numbers nothing changes. With codes that fine there is room for what no sample showed: the range is what the
 * samples showed, with twice the headroom of range.h, and a known one from then on. A network's last layer, with few
 * channels, takes little time, and what it makes is in floating point on the CPU anyway.
 */
#ifndef NCC_QUANT_STAGGERED_H
#define NCC_QUANT_STAGGERED_H

#include "compiler/ir/graph.h"

/* Whether y is made by a convolution or a product that becomes a KPU layer, and what is made of it are outputs, by
 * nodes that become none: not by functions, which are the layer's. */
bool ncc_quant_can_stagger(const struct graph *g, const struct value *y);

/* Rewrites the graph: y n times, in the codes of lo..hi, which contains 0. False: no memory (reported). */
bool ncc_quant_stagger(struct graph *g, struct value *y, float lo, float hi, int n);

#endif

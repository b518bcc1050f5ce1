/* How large the factors of products are, channel by channel.
 *
 * The KPU multiplies two maps by squares of their sum and difference (k210/lower_product.c), which loses least when
 * both are equally large, and little when one of them hardly varies. So the factors are looked at before anything is
 * lowered.
 */
#ifndef NCC_QUANT_FACTORS_H
#define NCC_QUANT_FACTORS_H

#include "compiler/ir/eval.h"

/* Sets `seen` of the factors of every product of two maps. On the canonical graph, which stays as it is otherwise. Runs
 * 8 of the samples at most, evenly spread, and nothing where there are no products. False: feed said so, or no memory
 * (reported). */
bool ncc_quant_see_factors(struct graph *g, const struct samples *samples, struct arena *scratch);

#endif

/* Pieces of one map (value->family): bands of what is too large for KPU RAM as a whole.
 *
 * They hold the same tensor, so they must have the same codes, and the layers that make them the same weights and
 * tables. That follows by itself once what was observed is the same for all of them: the union of what their windows
 * showed.
 */
#ifndef NCC_QUANT_FAMILIES_H
#define NCC_QUANT_FAMILIES_H

#include "compiler/quant/observe.h"

/* By value id: of the patches of a family's layers one member gathers them for all, the one in the middle. False for
 * the others. */
bool *ncc_family_gathers(const struct graph *g, struct arena *a);

/* Gives all members of each family the same observations, and the same patches. */
void ncc_family_join(const struct graph *g, struct observations *seen, struct arena *a);

#endif

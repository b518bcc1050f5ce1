/* Part of the pass `transposes`: sequences as maps of one row. */
#ifndef NCC_PASS_TURNED_H
#define NCC_PASS_TURNED_H

#include "compiler/ir/op.h"

/* layer(reshape(x)), where the reshape makes a column of a row: reshape(layer(x)). Keras's layers of sequences put the
 * steps beside one another for convolutions and below one another for pools, so that each reshape meets its opposite. */
bool ncc_turned_sink(struct graph *g, struct node *n);

#endif

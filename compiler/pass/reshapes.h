/* The part of the pass `transposes` that deals with reshapes: rewrites for its table. */
#ifndef NCC_PASS_RESHAPES_H
#define NCC_PASS_RESHAPES_H

#include "compiler/pass/rewrite.h"

/* reduce that drops its dimensions -> reduce that keeps them, reshape. */
bool ncc_reshapes_keep_dims(struct graph *g, struct node *n);

/* reshape, reshape -> one, or none. */
bool ncc_reshapes_merge(struct graph *g, struct node *n);

/* Moves a reshape below a function of single elements: it costs nothing anywhere, but it stands
 * between a convolution and the activation that could be one with it. */
bool ncc_reshapes_sink(struct graph *g, struct node *n);

/* transpose, reshape that only cuts dimensions up -> reshape, transpose. */
bool ncc_reshapes_sink_transpose(struct graph *g, struct node *n);
/* reshape that only joins dimensions, transpose -> transpose, reshape. */
bool ncc_reshapes_raise_transpose(struct graph *g, struct node *n);

/* What is cut out of dimensions that were cut up can be cut out before:
 *
 *     x --reshape--> . --slice--> y      becomes      x --slice--> . --reshape--> y
 */
bool ncc_reshapes_sink_below_slice(struct graph *g, struct node *n);

#endif

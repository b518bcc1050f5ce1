/* Permutations of dimensions. out.dim[i] = in.dim[perm[i]], as in transpose. */
#ifndef NCC_PASS_PERM_H
#define NCC_PASS_PERM_H

#include "compiler/ops/attrs.h"

/* The permutation of the transpose that makes v, or NULL when another operator makes it. */
const struct ints *ncc_perm_above(const struct value *v);

bool ncc_perm_equal(const struct ints *a, const struct ints *b);
bool ncc_perm_is_identity(const struct ints *p);
struct ints ncc_perm_invert(const struct ints *p);
/* First `a`, then `b`, as one. */
struct ints ncc_perm_then(const struct ints *a, const struct ints *b);
struct shape ncc_perm_shape(const struct ints *p, struct shape s);
/* Only dimensions of 1 change their place: the elements' order stays. */
bool ncc_perm_keeps_order(const struct ints *p, struct shape s);

struct value *ncc_perm_transpose(struct graph *g, const char *name, struct value *x, const struct ints *p);

#endif

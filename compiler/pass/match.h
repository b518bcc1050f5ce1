/* What the canonical passes share: recognising operands, and putting new nodes in the place
 * of old ones. A rewrite's root is the lowest node of its pattern; what stands above and is
 * used elsewhere too is left as it is.
 */
#ifndef NCC_PASS_MATCH_H
#define NCC_PASS_MATCH_H

#include "compiler/ops/attrs.h"

/* ---- recognising ---- */

/* The node that makes v if its operator is op, else NULL. */
struct node *ncc_match_def(const struct value *v, enum op op);
/* The same, and NULL also when v has other uses or is an output of the graph. */
struct node *ncc_match_only(const struct graph *g, const struct value *v, enum op op);

/* The elements of a float constant; NULL for all other values. */
const float *ncc_match_floats(const struct value *v);
/* A float constant whose elements are all equal. */
bool ncc_match_uniform(const struct value *v, float *out);
/* A float constant that, broadcast to shape `of`, depends on nothing but the index along `axis`. */
bool ncc_match_per_axis(const struct value *v, struct shape of, int axis);

/* For a node with two operands of which one is a float constant that does not widen the other: the
 * constant's index, 0 or 1. Else -1. */
int ncc_match_constant_side(const struct node *n);
/* `x op c` or, for operators that commute, `c op x` with uniform c. */
bool ncc_match_with_uniform(const struct node *n, struct value **x, float *c);

/* Same element type, shape and quantisation: one may stand for the other. */
bool ncc_match_same_type(const struct value *a, const struct value *b);

/* Element-wise with two operands, PReLU included. */
bool ncc_match_is_binary(enum op op);
/* Conv2d, conv2d_transpose or matmul whose weights, and bias if any, are float constants. */
bool ncc_match_is_layer(const struct node *n);

/* ---- building: new nodes go before g->cursor; NULL when the operator refused ---- */

/* n's operator, attributes, name and origin on other inputs; quantisation of the results is n's. */
struct node *ncc_match_again(struct graph *g, const struct node *n, struct value *const *in, int n_in);
struct value *ncc_match_again_1(struct graph *g, const struct node *n, struct value *x);

/* A float constant with the operator's result on constants. */
struct value *ncc_match_compute(struct graph *g, enum op op, const char *name, const void *attrs,
                                struct value *const *in, int n_in);
struct value *ncc_match_scalar(struct graph *g, const char *name, float x);
struct value *ncc_match_reshape(struct graph *g, const char *name, struct value *x, struct shape shape);

/* v, which means the same, takes the place of n's only result; what is known of its range goes along.
 * False when v is NULL: then nothing has happened. */
bool ncc_match_replace(struct graph *g, struct node *n, struct value *v);
/* The same for the result of a new node, which gets the quantisation too, and from now on stands
 * for n and `also` (may be NULL) in the report. */
bool ncc_match_become(struct graph *g, struct node *n, struct value *v, const struct node *also);
/* The node of v, which is new, stands for one more. */
void ncc_match_stands_for(struct graph *g, struct value *v, const struct node *also);

#endif

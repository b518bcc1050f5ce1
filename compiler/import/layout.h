/* The order of a tensor's dimensions in the graph, when the model thinks of another.
 *
 * A model that is NHWC has tensors of which the graph keeps the same elements in other orders, mostly channels first.
 * A *form* is a value of the graph and what its dimensions are in the model:
 *
 *     model  [n, h, w, c]        form.perm = {0, 3, 1, 2}        value  [n, c, h, w]
 *
 * so that value dimension i is the model's dimension perm[i]. A transposition in the model is then only another perm,
 * and a reshape that keeps the groups of dimensions together is a reshape of the value.
 *
 * Dimensions of 1 can stand anywhere without changing the order of the elements; two perms that differ only in
 * those are the *same order*, and a reshape, which costs nothing, leads from one to the other.
 */
#ifndef NCC_IMPORT_LAYOUT_H
#define NCC_IMPORT_LAYOUT_H

#include "compiler/ir/op.h"

struct form {
    struct value *v;
    struct ints perm;
};

struct ints ncc_layout_identity(int rank);
/* 0, rank - 1, 1, 2 ...: channels behind the batch. The identity below rank 3. */
struct ints ncc_layout_channels_first(int rank);
bool ncc_layout_equal(struct ints p, struct ints q);
bool ncc_layout_same_order(struct shape model, struct ints p, struct ints q);

/* The value's shape from the model's, and back. */
struct shape ncc_layout_apply(struct shape model, struct ints perm);
struct shape ncc_layout_model_shape(struct form f);

/* Where the model's axis is in the value. */
int ncc_layout_axis(struct ints perm, int axis);
/* One number per dimension of the model, in the order of the value's. */
struct ints ncc_layout_order(struct ints of_model, struct ints perm);

/* perm of the same value when dimensions of 1 are put in front of the model's shape, up to `rank`. */
struct ints ncc_layout_left_pad(struct ints perm, int rank);

/* perm of the same value when the model transposes: its new dimension i is its old dimension t[i]. */
struct ints ncc_layout_transpose(struct ints perm, struct ints t);

/* perm of the value when the model's axes that are marked have disappeared. */
struct ints ncc_layout_drop(struct ints perm, const bool *gone);

/* Whether the model's reshape from -> to (same count of elements) is a reshape of a value with perm p as well, and if
 * so the perm of the result. */
bool ncc_layout_reshape(struct shape from, struct ints p, struct shape to, struct ints *q);

/* How to give the shape of an input: "--input-shape image=1,3,HEIGHT,WIDTH". `s` in the order of the graph; dimensions
 * below 1 are open, rank 0: all of them. */
const char *ncc_layout_shape_option(struct arena *a, const char *name, struct shape s);

#endif

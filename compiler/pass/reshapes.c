#include "compiler/pass/reshapes.h"

#include "compiler/pass/match.h"
#include "compiler/pass/perm.h"

bool ncc_reshapes_keep_dims(struct graph *g, struct node *n)
{
    struct reduce_attrs a = *(const struct reduce_attrs *)n->attrs;
    if (a.keep_dims)
        return false;
    a.keep_dims = true;
    struct value *v = NCC_OP(g, OP_reduce, n->name, &a, n->in[0]);
    if (v)
        v->range = n->out[0]->range;
    return v && ncc_match_become(g, n, ncc_match_reshape(g, n->name, v, n->out[0]->shape), NULL);
}

bool ncc_reshapes_merge(struct graph *g, struct node *n)
{
    if (ncc_match_same_type(n->in[0], n->out[0]))
        return ncc_match_replace(g, n, n->in[0]);
    const struct node *above = ncc_match_def(n->in[0], OP_reshape);
    if (!above)
        return false;
    if (ncc_match_same_type(above->in[0], n->out[0]))
        return ncc_match_replace(g, n, above->in[0]);
    return ncc_match_become(g, n, ncc_match_reshape(g, n->name, above->in[0], n->out[0]->shape), above);
}

/* ---- below element-wise operators ---- */

/* The dimensions other than 1, in order, and where they stand. */
struct extent {
    int n;
    int at[NCC_MAX_RANK], size[NCC_MAX_RANK];
};

static struct extent extent_of(struct shape s)
{
    struct extent e = {.n = 0};
    for (int i = 0; i < s.rank; i++) {
        if (s.dim[i] != 1) {
            e.at[e.n] = i;
            e.size[e.n++] = s.dim[i];
        }
    }
    return e;
}

static bool same_extent(const struct extent *a, const struct extent *b)
{
    for (int i = 0; i < a->n && i < b->n; i++) {
        if (a->size[i] != b->size[i])
            return false;
    }
    return a->n == b->n;
}

/* The shape in which a constant, broadcast to shape `below`, means the same to a tensor of shape `above`
 * that is reshaped to `below`. False when there is none. */
static bool lift_constant_shape(struct shape c, struct shape above, struct shape below, struct shape *out)
{
    c = ncc_shape_left_pad(c, below.rank);
    *out = above;
    if (ncc_shape_equal(c, below))
        return true;
    const struct extent a = extent_of(above), b = extent_of(below);
    if (ncc_shape_count(c) != 1 && !same_extent(&a, &b))
        return false;
    for (int i = 0; i < above.rank; i++)
        out->dim[i] = 1;
    for (int i = 0; i < b.n && ncc_shape_count(c) != 1; i++)
        out->dim[a.at[i]] = c.dim[b.at[i]];
    return true;
}

/* n's result is `above`, reshaped as r did before. */
static bool put_below(struct graph *g, struct node *n, const struct node *r, struct value *above)
{
    struct value *below = above ? ncc_match_reshape(g, r->name, above, n->out[0]->shape) : NULL;
    if (!below)
        return false;
    above->range = n->out[0]->range;
    below->def->origin = r->origin;
    return ncc_match_replace(g, n, below);
}

static bool sink_below_constant(struct graph *g, struct node *n, int side)
{
    const struct node *r = ncc_match_def(n->in[1 - side], OP_reshape);
    struct shape shape;
    if (!r || !lift_constant_shape(n->in[side]->shape, r->in[0]->shape, n->out[0]->shape, &shape))
        return false;
    struct value *in[2];
    in[1 - side] = r->in[0];
    in[side] = ncc_const(g, n->in[side]->name, DT_F32, shape, n->in[side]->data);
    struct node *above = ncc_match_again(g, n, in, 2);
    return above && put_below(g, n, r, above->out[0]);
}

static bool sink_below_binary(struct graph *g, struct node *n)
{
    const struct node *a = ncc_match_def(n->in[0], OP_reshape), *b = ncc_match_def(n->in[1], OP_reshape);
    if (!a || !b || !ncc_shape_equal(a->in[0]->shape, b->in[0]->shape) ||
        !ncc_shape_equal(n->in[0]->shape, n->in[1]->shape))
        return false;
    struct node *above = ncc_match_again(g, n, (struct value *[]){a->in[0], b->in[0]}, 2);
    return above && put_below(g, n, a, above->out[0]);
}

static bool sink_below_unary(struct graph *g, struct node *n)
{
    const struct node *r = ncc_match_def(n->in[0], OP_reshape);
    return r && put_below(g, n, r, ncc_match_again_1(g, n, r->in[0]));
}

bool ncc_reshapes_sink(struct graph *g, struct node *n)
{
    if (ncc_op_desc(n->op)->flags & OP_UNARY)
        return sink_below_unary(g, n);
    if (!ncc_match_is_binary(n->op))
        return false;
    const int side = ncc_match_constant_side(n);
    return side < 0 ? sink_below_binary(g, n) : sink_below_constant(g, n, side);
}

/* ---- across transposes ---- */

/* A reshape cut into independent parts: consecutive dimensions (other than 1) before and after, of
 * equal product and as few as possible.
 *
 *     1 x 8 x 6 x 6  ->  1 x 2 x 4 x 36:    8 -> 2 4,    6 6 -> 36
 */
struct part {
    int from[NCC_MAX_RANK], n_from; /* indices of dimensions */
    int to[NCC_MAX_RANK], n_to;
};

static int cut_into_parts(struct shape before, struct shape after, struct part *parts)
{
    const struct extent a = extent_of(before), b = extent_of(after);
    int n = 0;
    if (ncc_shape_count(before) <= 0)
        return 0;
    for (int i = 0, j = 0; i < a.n && j < b.n; n++) {
        struct part p = {.from = {a.at[i]}, .n_from = 1, .to = {b.at[j]}, .n_to = 1};
        int64_t size_from = a.size[i++], size_to = b.size[j++];
        while (size_from != size_to) {
            if (size_from < size_to) {
                size_from *= a.size[i];
                p.from[p.n_from++] = a.at[i++];
            } else {
                size_to *= b.size[j];
                p.to[p.n_to++] = b.at[j++];
            }
        }
        parts[n] = p;
    }
    return n;
}

/* The elements of a part that a slice takes, when it is the same distance from each to the next: as a slice of its
 * one dimension before. */
static bool slice_before(const struct slice_attrs *a, struct shape after, const struct part *p, int *begin, int *size,
                         int *stride)
{
    int step = 1, count = 1, first = 0;
    for (int k = p->n_to - 1, weight = 1; k >= 0; k--) {
        const int i = p->to[k], own = a->stride.v[i] * weight;
        first += a->begin.v[i] * weight;
        weight *= after.dim[i];
        if (a->size.v[i] == 1)
            continue;
        if (count > 1 && own != step * count)
            return false;
        step = count > 1 ? step : own;
        count *= a->size.v[i];
    }
    *begin = first, *size = count, *stride = step;
    return true;
}

static bool takes_all(const struct slice_attrs *a, struct shape after, const struct part *p)
{
    for (int k = 0; k < p->n_to; k++)
        if (a->size.v[p->to[k]] != after.dim[p->to[k]] || a->stride.v[p->to[k]] != 1)
            return false;
    return true;
}

bool ncc_reshapes_sink_below_slice(struct graph *g, struct node *n)
{
    const struct node *r = ncc_match_def(n->in[0], OP_reshape);
    const struct slice_attrs *a = n->attrs;
    struct part parts[NCC_MAX_RANK];
    const int n_parts = r ? cut_into_parts(r->in[0]->shape, n->in[0]->shape, parts) : 0;
    if (n_parts == 0)
        return false;
    const struct shape x = r->in[0]->shape, after = n->in[0]->shape;
    struct slice_attrs above = {{x.rank, {0}}, {x.rank, {0}}, {x.rank, {0}}};
    for (int i = 0; i < x.rank; i++) {
        above.size.v[i] = x.dim[i];
        above.stride.v[i] = 1;
    }
    for (int i = 0; i < n_parts; i++) {
        const struct part *p = &parts[i];
        const int from = p->from[0];
        if (!takes_all(a, after, p) && (p->n_from > 1 || !slice_before(a, after, p, &above.begin.v[from],
                                                                       &above.size.v[from], &above.stride.v[from])))
            return false;
    }
    struct value *v = NCC_OP(g, OP_slice, n->name, &above, r->in[0]);
    if (!v)
        return false;
    v->range = n->out[0]->range;
    return ncc_match_become(g, n, ncc_match_reshape(g, r->name, v, n->out[0]->shape), r);
}

static int n_units(struct shape s)
{
    return s.rank - extent_of(s).n;
}

/* For dimensions that only get cut up, the cut can come first:
 *
 *     x --T--> . --reshape--> y      becomes      x --reshape--> . --T--> y
 *
 * The dimensions of the middle are those of y in the order of x, units in front. */
bool ncc_reshapes_sink_transpose(struct graph *g, struct node *n)
{
    const struct node *t = ncc_match_def(n->in[0], OP_transpose);
    const struct shape y = n->out[0]->shape;
    struct part parts[NCC_MAX_RANK];
    const int n_parts = t ? cut_into_parts(n->in[0]->shape, y, parts) : 0;
    int part_of[NCC_MAX_RANK]; /* by dimension of x: the part that it is, or -1 */
    for (int i = 0; i < NCC_MAX_RANK; i++)
        part_of[i] = -1;
    for (int i = 0; i < n_parts; i++) {
        if (parts[i].n_from > 1)
            return false;
        part_of[ncc_perm_above(n->in[0])->v[parts[i].from[0]]] = i;
    }
    if (n_parts == 0)
        return false;
    struct shape middle = {.rank = n_units(y)};
    struct ints perm = {.n = y.rank};
    for (int i = 0, unit = 0; i < y.rank; i++) {
        if (y.dim[i] == 1) {
            middle.dim[unit] = 1;
            perm.v[i] = unit++;
        }
    }
    for (int i = 0; i < NCC_MAX_RANK; i++) {
        const struct part *p = part_of[i] >= 0 ? &parts[part_of[i]] : NULL;
        for (int k = 0; p && k < p->n_to; k++) {
            perm.v[p->to[k]] = middle.rank;
            middle.dim[middle.rank++] = y.dim[p->to[k]];
        }
    }
    struct value *v = ncc_match_reshape(g, n->name, t->in[0], middle);
    return v && ncc_match_become(g, n, ncc_perm_transpose(g, t->name, v, &perm), t);
}

/* For dimensions that only get joined, the transpose can come first:
 *
 *     x --reshape--> . --T--> y      becomes      x --T--> . --reshape--> y
 */
bool ncc_reshapes_raise_transpose(struct graph *g, struct node *n)
{
    const struct node *r = ncc_match_only(g, n->in[0], OP_reshape);
    struct part parts[NCC_MAX_RANK];
    const int n_parts = r ? cut_into_parts(r->in[0]->shape, n->in[0]->shape, parts) : 0;
    const struct part *part_of[NCC_MAX_RANK] = {NULL}; /* by dimension of the middle */
    bool joins = false;
    for (int i = 0; i < n_parts; i++) {
        if (parts[i].n_to > 1)
            return false;
        part_of[parts[i].to[0]] = &parts[i];
        joins = joins || parts[i].n_from > 1;
    }
    if (!joins)
        return false;
    const struct ints *old = ncc_perm_above(n->out[0]);
    struct ints perm = {.n = 0};
    for (int i = 0; i < r->in[0]->shape.rank; i++) {
        if (r->in[0]->shape.dim[i] == 1)
            perm.v[perm.n++] = i;
    }
    for (int i = 0; i < old->n; i++) {
        const struct part *p = part_of[old->v[i]];
        for (int k = 0; p && k < p->n_from; k++)
            perm.v[perm.n++] = p->from[k];
    }
    struct value *v = ncc_perm_transpose(g, n->name, r->in[0], &perm);
    return v && ncc_match_become(g, n, ncc_match_reshape(g, r->name, v, n->out[0]->shape), r);
}

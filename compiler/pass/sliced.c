#include "compiler/pass/sliced.h"

#include "compiler/pass/match.h"

bool ncc_sliced_merge(struct graph *g, struct node *n)
{
    const struct node *above = ncc_match_def(n->in[0], OP_slice);
    if (!above)
        return false;
    const struct slice_attrs *first = above->attrs;
    struct slice_attrs a = *(const struct slice_attrs *)n->attrs;
    for (int i = 0; i < a.begin.n; i++) {
        a.begin.v[i] = first->begin.v[i] + a.begin.v[i] * first->stride.v[i];
        a.stride.v[i] *= a.size.v[i] == 1 ? 1 : first->stride.v[i];
    }
    return ncc_match_become(g, n, NCC_OP(g, OP_slice, n->name, &a, above->in[0]), above);
}

/* ---- blocks ---- */

enum { MAX_BLOCK = 4 };

/* Which phase of x in blocks of b x b the value is: row * b + column; -1: none. */
static int phase_of(const struct value *v, const struct value *x, int b)
{
    const struct node *n = ncc_match_def(v, OP_slice);
    const struct slice_attrs *a = n ? n->attrs : NULL;
    if (!n || n->in[0] != x || a->size.v[0] != x->shape.dim[0] || a->size.v[1] != x->shape.dim[1] ||
        a->stride.v[0] != 1 || a->stride.v[1] != 1)
        return -1;
    for (int i = 2; i < 4; i++)
        if (a->stride.v[i] != b || a->begin.v[i] >= b || a->size.v[i] * b != x->shape.dim[i])
            return -1;
    return a->begin.v[2] * b + a->begin.v[3];
}

bool ncc_sliced_to_blocks(struct graph *g, struct node *n)
{
    const struct node *first = ncc_match_def(n->in[0], OP_slice);
    struct value *x = first ? first->in[0] : NULL;
    int b = 2;
    while (b < MAX_BLOCK && b * b < n->n_in)
        b++;
    if (!x || x->shape.rank != 4 || x->dtype != DT_F32 || b * b != n->n_in ||
        ((const struct concat_attrs *)n->attrs)->axis != 1)
        return false;
    const int c = x->shape.dim[1], count = c * b * b;
    int32_t *order = NCC_NEW(g->arena, int32_t, count);
    bool seen[MAX_BLOCK * MAX_BLOCK] = {false}, is_counted = true;
    for (int k = 0; k < n->n_in; k++) {
        const int phase = phase_of(n->in[k], x, b);
        if (phase < 0 || seen[phase])
            return false;
        seen[phase] = true;
        is_counted = is_counted && phase == k;
        for (int i = 0; i < c; i++)
            order[k * c + i] = phase * c + i;
    }
    const struct space_to_depth_attrs blocks = {b};
    const struct gather_attrs channels = {1};
    struct value *y = NCC_OP(g, OP_space_to_depth, is_counted ? n->name : ncc_name(g, n->name, "blocks"), &blocks, x);
    struct value *list = ncc_const(g, ncc_name(g, n->name, "order"), DT_I32, ncc_shape_make(1, &count), order);
    if (y && !is_counted) {
        y->range = n->out[0]->range;
        y = NCC_OP(g, OP_gather, n->name, &channels, y, list);
    }
    return ncc_match_become(g, n, y, first);
}

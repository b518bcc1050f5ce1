/* What only puts channels elsewhere, as operators that say so: lowering does these by address arithmetic (spread.c).
 *
 *     split                                          slices
 *     [1, C, ..] as [1, a, b, ..], a and b exchanged,
 *     and as [1, C, ..] again: a channel shuffle     gather of channels in the new order
 */
#include "compiler/k210/cpu_forms.h"
#include "compiler/k210/legalise.h"
#include "compiler/pass/match.h"

bool ncc_legal_split(struct graph *g, struct node *n)
{
    return ((const struct split_attrs *)n->attrs)->axis == 1 && ncc_k210_split_to_slices(g, n);
}

/* The dimensions of the middle that are cut from the channels: from .. to - 1. False: some are cut from elsewhere, or
 * what is cut from elsewhere changes its place. */
static bool cut_of_channels(const struct shape *x, const struct shape *middle, const struct ints *perm, int *from, int *to)
{
    int64_t before = 1, behind = 1;
    *from = 0;
    *to = middle->rank;
    while (*from < middle->rank && before < x->dim[0])
        before *= middle->dim[(*from)++];
    for (int i = 2; i < x->rank; i++)
        behind *= x->dim[i];
    for (int64_t done = 1; *to > *from && done < behind; )
        if ((done *= middle->dim[--*to]) > behind)
            return false;
    int64_t channels = 1;
    for (int i = *from; i < *to; i++)
        channels *= middle->dim[i];
    for (int i = 0; i < perm->n; i++)
        if ((i < *from || i >= *to) && perm->v[i] != i)
            return false;
    return before == x->dim[0] && channels == x->dim[1];
}

/* order[i]: which channel comes i-th when the dimensions `from` .. `to` - 1 that they are cut into are exchanged. */
static void follow(const struct shape *middle, const struct ints *perm, int from, int to, int32_t *order)
{
    int size[NCC_MAX_RANK], at[NCC_MAX_RANK] = {0}, step[NCC_MAX_RANK], n = to - from;
    int channels = 1;
    for (int i = to - 1, unit = 1; i >= from; unit *= middle->dim[i--])
        step[i - from] = unit;
    for (int i = 0; i < n; i++) {
        size[i] = middle->dim[perm->v[from + i]];
        channels *= size[i];
    }
    for (int c = 0; c < channels; c++) {
        order[c] = 0;
        for (int i = 0; i < n; i++)
            order[c] += at[i] * step[perm->v[from + i] - from];
        for (int i = n - 1; i >= 0 && ++at[i] == size[i]; i--)
            at[i] = 0;
    }
}

bool ncc_legal_shuffle(struct graph *g, struct node *n)
{
    const struct node *t = ncc_match_def(n->in[0], OP_transpose), *cut = t ? ncc_match_def(t->in[0], OP_reshape) : NULL;
    if (!cut || cut->in[0]->shape.rank < 2)
        return false;
    struct value *x = cut->in[0];
    const struct ints *perm = &((const struct transpose_attrs *)t->attrs)->perm;
    const struct gather_attrs channels = {1};
    const int c = x->shape.dim[1];
    int from, to;
    if (!cut_of_channels(&x->shape, &cut->out[0]->shape, perm, &from, &to))
        return false;
    int32_t *order = NCC_NEW(g->arena, int32_t, c);
    follow(&cut->out[0]->shape, perm, from, to, order);
    if (!ncc_k210_exchanged(order, c)) /* the CPU must have a form of it, too */
        return false;
    struct value *list = ncc_const(g, ncc_name(g, t->name, "order"), DT_I32, ncc_shape_make(1, &c), order);
    struct value *y = NCC_OP(g, OP_gather, t->name, &channels, x, list);
    ncc_match_stands_for(g, y, cut);
    if (ncc_shape_equal(y->shape, n->out[0]->shape))
        return ncc_match_become(g, n, y, y->def);
    return ncc_match_become(g, n, ncc_match_reshape(g, n->name, y, n->out[0]->shape), NULL);
}

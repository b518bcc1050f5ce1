#include "compiler/pass/perm.h"

#include "compiler/pass/match.h"

const struct ints *ncc_perm_above(const struct value *v)
{
    const struct node *t = ncc_match_def(v, OP_transpose);
    return t ? &((const struct transpose_attrs *)t->attrs)->perm : NULL;
}

bool ncc_perm_equal(const struct ints *a, const struct ints *b)
{
    if (a->n != b->n)
        return false;
    for (int i = 0; i < a->n; i++) {
        if (a->v[i] != b->v[i])
            return false;
    }
    return true;
}

bool ncc_perm_is_identity(const struct ints *p)
{
    for (int i = 0; i < p->n; i++) {
        if (p->v[i] != i)
            return false;
    }
    return true;
}

struct ints ncc_perm_invert(const struct ints *p)
{
    struct ints out = {.n = p->n};
    for (int i = 0; i < p->n; i++)
        out.v[p->v[i]] = i;
    return out;
}

struct ints ncc_perm_then(const struct ints *a, const struct ints *b)
{
    struct ints out = {.n = b->n};
    for (int i = 0; i < b->n; i++)
        out.v[i] = a->v[b->v[i]];
    return out;
}

struct shape ncc_perm_shape(const struct ints *p, struct shape s)
{
    struct shape out = {.rank = p->n};
    for (int i = 0; i < p->n; i++)
        out.dim[i] = s.dim[p->v[i]];
    return out;
}

bool ncc_perm_keeps_order(const struct ints *p, struct shape s)
{
    int last = -1;
    for (int i = 0; i < p->n; i++) {
        if (s.dim[p->v[i]] == 1)
            continue;
        if (p->v[i] < last)
            return false;
        last = p->v[i];
    }
    return true;
}

struct value *ncc_perm_transpose(struct graph *g, const char *name, struct value *x, const struct ints *p)
{
    const struct transpose_attrs a = {*p};
    return NCC_OP(g, OP_transpose, name, &a, x);
}

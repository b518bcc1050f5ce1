/* Operators that compute, taken apart into kernels of kmodel v4. */
#include "compiler/k210/cpu_forms.h"
#include "compiler/ops/attrs.h"

/* ---- products of as many matrices as the dimensions before say: one after another ---- */

enum { MAX_MATRICES = 256 };

static int64_t matrices_of(struct shape s)
{
    s.rank -= 2;
    return ncc_shape_count(s);
}

/* All matrices of v, one below the other. */
static struct value *stacked(struct graph *g, const struct node *n, struct value *v)
{
    const int last = v->shape.dim[v->shape.rank - 1];
    const struct shape rows = ncc_shape_make(2, (const int[]){(int)(ncc_shape_count(v->shape) / last), last});
    return ncc_is_const(v) ? ncc_const(g, v->name, v->dtype, rows, v->data) : ncc_k210_reshaped(g, n, v, rows);
}

/* Rows i * count to (i + 1) * count - 1. */
static struct value *rows_of(struct graph *g, const struct node *n, struct value *v, int i, int count)
{
    const int columns = v->shape.dim[1];
    if (v->shape.dim[0] == count)
        return v;
    const struct slice_attrs s = {{2, {i * count, 0}}, {2, {count, columns}}, {2, {1, 1}}};
    if (ncc_is_const(v)) /* nothing has an address there that a view could share */
        return ncc_const(g, ncc_name(g, v->name, "matrix"), DT_F32, ncc_shape_make(2, s.size.v),
                         (const float *)v->data + (size_t)i * (size_t)count * (size_t)columns);
    return NCC_OP(g, OP_slice, ncc_name(g, n->name, "matrix"), &s, v);
}

static bool expand_matrices(struct graph *g, struct node *n)
{
    const struct shape a = n->in[0]->shape, b = n->in[1]->shape, y = n->out[0]->shape;
    const int64_t n_a = matrices_of(a), n_b = matrices_of(b), count = matrices_of(y);
    if (b.rank == 2 || count > MAX_MATRICES || (n_a != count && n_a != 1) || (n_b != count && n_b != 1))
        return false;
    struct value *x = stacked(g, n, n->in[0]), *w = stacked(g, n, n->in[1]), *part[MAX_MATRICES];
    struct value *bias = n->n_in > 2 ? n->in[2] : NULL;
    for (int i = 0; i < (int)count; i++) {
        struct value *const in[3] = {rows_of(g, n, x, n_a == 1 ? 0 : i, a.dim[a.rank - 2]),
                                     rows_of(g, n, w, n_b == 1 ? 0 : i, b.dim[b.rank - 2]), bias};
        part[i] = ncc_op(g, OP_matmul, ncc_name(g, n->name, "product"), NULL, in, 3);
        part[i]->def->origin = n->origin;
    }
    const struct concat_attrs below = {0};
    struct value *all = count == 1 ? part[0] : ncc_op(g, OP_concat, n->name, &below, part, (int)count);
    ncc_k210_replace(g, n, ncc_k210_reshaped(g, n, all, y));
    return true;
}

/* ---- choices that are known: a product with ones and zeros each, and a sum ---- */

static struct value *mask(struct graph *g, const struct node *n, bool wanted)
{
    const struct value *c = n->in[0];
    const int64_t count = ncc_shape_count(c->shape);
    float *m = NCC_NEW(g->arena, float, count);
    for (int64_t i = 0; i < count; i++)
        m[i] = (((const uint8_t *)c->data)[i] != 0) == wanted;
    return ncc_const(g, ncc_name(g, n->name, wanted ? "chosen" : "others"), DT_F32, c->shape, m);
}

/* Exact for finite numbers. */
static bool expand_known_select(struct graph *g, struct node *n)
{
    if (!ncc_is_const(n->in[0]) || n->out[0]->dtype != DT_F32)
        return false;
    struct value *a = NCC_OP(g, OP_mul, ncc_name(g, n->name, "a"), NULL, n->in[1], mask(g, n, true));
    struct value *b = NCC_OP(g, OP_mul, ncc_name(g, n->name, "b"), NULL, n->in[2], mask(g, n, false));
    ncc_k210_replace(g, n, NCC_OP(g, OP_add, n->name, NULL, a, b));
    return true;
}

/* ---- products over axes: of one half and the other, until one is left ---- */

static struct value *part_of(struct graph *g, const struct node *n, struct value *x, int axis, int begin, int size)
{
    struct slice_attrs s = {.begin.n = x->shape.rank, .size.n = x->shape.rank, .stride.n = x->shape.rank};
    for (int i = 0; i < x->shape.rank; i++) {
        s.size.v[i] = x->shape.dim[i];
        s.stride.v[i] = 1;
    }
    s.begin.v[axis] = begin;
    s.size.v[axis] = size;
    return NCC_OP(g, OP_slice, ncc_name(g, n->name, "part"), &s, x);
}

static struct value *times(struct graph *g, const struct node *n, struct value *a, struct value *b)
{
    return a && b ? NCC_OP(g, OP_mul, ncc_name(g, n->name, "product"), NULL, a, b) : a ? a : b;
}

static struct value *product_along(struct graph *g, const struct node *n, struct value *x, int axis)
{
    struct value *odd = NULL; /* what had no other half */
    for (int size = x->shape.dim[axis]; size > 1; size /= 2) {
        if (size % 2)
            odd = times(g, n, odd, part_of(g, n, x, axis, size - 1, 1));
        x = times(g, n, part_of(g, n, x, axis, 0, size / 2), part_of(g, n, x, axis, size / 2, size / 2));
    }
    return times(g, n, x, odd);
}

static bool expand_product(struct graph *g, struct node *n)
{
    const struct reduce_attrs *a = n->attrs;
    struct value *y = n->in[0];
    if (a->kind != REDUCE_PROD || y->dtype != DT_F32 || y->shape.rank > 4)
        return false;
    for (int i = 0; i < a->axes.n; i++)
        y = product_along(g, n, y, a->axes.v[i]);
    ncc_k210_replace(g, n, ncc_k210_reshaped(g, n, y, n->out[0]->shape));
    return true;
}

/* ---- a - b * quotient, the quotient cut towards zero: sign(q) floor(|q|) ---- */

static bool expand_remainder(struct graph *g, struct node *n)
{
    if (n->out[0]->dtype != DT_F32)
        return false;
    struct value *q = NCC_OP(g, OP_div, ncc_name(g, n->name, "quotient"), NULL, n->in[0], n->in[1]);
    struct value *size = NCC_OP(g, OP_abs, ncc_name(g, n->name, "size"), NULL, q);
    size = NCC_OP(g, OP_floor, ncc_name(g, n->name, "floor"), NULL, size);
    q = NCC_OP(g, OP_sign, ncc_name(g, n->name, "sign"), NULL, q);
    q = NCC_OP(g, OP_mul, ncc_name(g, n->name, "whole"), NULL, q, size);
    q = NCC_OP(g, OP_mul, ncc_name(g, n->name, "multiple"), NULL, q, n->in[1]);
    ncc_k210_replace(g, n, NCC_OP(g, OP_sub, n->name, NULL, n->in[0], q));
    return true;
}

const struct rewrite ncc_k210_computations[] = {
    {"product over axes", OP_reduce, expand_product},
    {"remainder", OP_remainder, expand_remainder},
    {"products of matrices", OP_matmul, expand_matrices},
    {"known choices", OP_select, expand_known_select},
};
const int ncc_k210_n_computations = sizeof ncc_k210_computations / sizeof ncc_k210_computations[0];

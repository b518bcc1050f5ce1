#include "compiler/ir/broadcasting.h"
#include "compiler/ir/element.h"

void ncc_elementwise_unary(const struct eval_args *a, float (*f)(const void *attrs, float x))
{
    const int64_t n = ncc_shape_count(a->out[0]->shape);
    const float *x = a->in[0]->data;
    float *y = a->out[0]->data;
    for (int64_t i = 0; i < n; i++)
        y[i] = f(a->node->attrs, x[i]);
}

int64_t ncc_broadcast_index(struct shape operand, struct shape out, int64_t flat)
{
    int64_t index = 0, stride = 1;
    for (int i = 1; i <= operand.rank; i++) {
        const int own = operand.dim[operand.rank - i], whole = out.dim[out.rank - i];
        index += own == 1 ? 0 : flat % whole * stride;
        stride *= own;
        flat /= whole;
    }
    return index;
}

void ncc_elementwise_binary(const struct eval_args *a, float (*f)(const void *attrs, float x, float y),
                            int64_t (*f_int)(int64_t x, int64_t y))
{
    const struct tensor *x = a->in[0], *y = a->in[1], *out = a->out[0];
    const int64_t n = ncc_shape_count(out->shape);
    for (int64_t i = 0; i < n; i++) {
        const int64_t ix = ncc_broadcast_index(x->shape, out->shape, i),
                      iy = ncc_broadcast_index(y->shape, out->shape, i);
        if (out->dtype == DT_F32)
            ((float *)out->data)[i] = f(a->node->attrs, ((const float *)x->data)[ix], ((const float *)y->data)[iy]);
        else
            ncc_element_set_int(out->dtype, out->data, i,
                                f_int(ncc_element_int(x->dtype, x->data, ix), ncc_element_int(y->dtype, y->data, iy)));
    }
}

/* Whether dimension i + 1 follows dimension i without a gap in an operand, so that both are one. */
static bool mergeable(int64_t outer_stride, int64_t inner_stride, int64_t inner_dim)
{
    return outer_stride == inner_stride * inner_dim;
}

struct broadcast ncc_broadcast_make(struct shape a, struct shape b, struct shape out)
{
    struct broadcast r = {.rank = 0};
    int64_t sa[NCC_MAX_RANK], sb[NCC_MAX_RANK], na = 1, nb = 1;
    a = ncc_shape_left_pad(a, out.rank);
    b = ncc_shape_left_pad(b, out.rank);
    for (int i = out.rank - 1; i >= 0; i--) {
        sa[i] = a.dim[i] == 1 ? 0 : na;
        sb[i] = b.dim[i] == 1 ? 0 : nb;
        na *= a.dim[i];
        nb *= b.dim[i];
    }
    for (int i = 0; i < out.rank; i++) {
        const int last = r.rank - 1;
        if (out.dim[i] == 1)
            continue;
        if (last >= 0 && mergeable(r.a[last], sa[i], out.dim[i]) && mergeable(r.b[last], sb[i], out.dim[i])) {
            r.dim[last] *= out.dim[i];
            r.a[last] = sa[i];
            r.b[last] = sb[i];
        } else {
            r.dim[r.rank] = out.dim[i];
            r.a[r.rank] = sa[i];
            r.b[r.rank] = sb[i];
            r.rank++;
        }
    }
    if (r.rank == 0)
        r = (struct broadcast){.rank = 1, .dim = {1}};
    return r;
}

void ncc_broadcast_row(const struct broadcast *b, int64_t row, int64_t *a_off, int64_t *b_off)
{
    *a_off = *b_off = 0;
    for (int i = b->rank - 2; i >= 0; i--) {
        *a_off += row % b->dim[i] * b->a[i];
        *b_off += row % b->dim[i] * b->b[i];
        row /= b->dim[i];
    }
}

#include "compiler/ops/codes.h"
#include "compiler/ops/move.h"
#include "compiler/ops/support.h"

#include <string.h>

static const char *const modes[] = {"constant", "reflect", "symmetric", "edge", NULL};
static const struct attr_desc attrs_table[] = {
    ATTR(struct pad_attrs, before, ATTR_INTS, 0),
    ATTR(struct pad_attrs, after, ATTR_INTS, 0),
    ATTR(struct pad_attrs, value, ATTR_FLOAT, 0),
    ATTR_WORDS(struct pad_attrs, mode, modes, PAD_CONSTANT),
    {0},
};

/* How far a mode can go beyond a dimension. */
static int64_t reach(int mode, int dim)
{
    if (mode == PAD_REFLECT)
        return dim - 1;
    if (mode == PAD_SYMMETRIC)
        return dim;
    return mode == PAD_EDGE && dim == 0 ? 0 : NCC_MAX_ELEMENTS;
}

static bool infer(struct infer *i)
{
    const struct pad_attrs *p = i->node->attrs;
    if (!ncc_infer_need_list(i, "before", &p->before) || !ncc_infer_need_list(i, "after", &p->after))
        return false;
    for (int k = 0; k < p->before.n; k++) {
        const int dim = i->in[0]->shape.dim[k];
        const int64_t out = (int64_t)dim + p->before.v[k] + p->after.v[k];
        if (p->before.v[k] > reach(p->mode, dim) || p->after.v[k] > reach(p->mode, dim))
            return ncc_infer_refuse(i, "%s cannot reach %d elements beyond dimension %d of size %d", modes[p->mode],
                                    p->before.v[k] > p->after.v[k] ? p->before.v[k] : p->after.v[k], k, dim);
        if (out < 0 || out > NCC_MAX_ELEMENTS)
            return ncc_infer_refuse(i, "dimension %d of size %d cannot become %lld", k, dim, (long long)out);
        i->out[0].shape.dim[k] = (int)out;
    }
    return true;
}

/* The input index that stands at output index `at`, or -1: the constant. */
static int source(int mode, int at, int dim)
{
    if (at >= 0 && at < dim)
        return at;
    switch (mode) {
    case PAD_EDGE: return at < 0 ? 0 : dim - 1;
    case PAD_REFLECT: return at < 0 ? -at : 2 * (dim - 1) - at;
    case PAD_SYMMETRIC: return at < 0 ? -at - 1 : 2 * dim - 1 - at;
    default: return -1;
    }
}

static void fill(char *to, int64_t n, size_t size, const void *element)
{
    const struct move m = {.rank = 1, .dim = {(int)n}, .to_stride = {1}, .from_stride = {0}};
    if (n > 0)
        ncc_move(&m, size, to, element);
}

/* The last dimension. */
static void pad_row(const struct pad_attrs *p, size_t size, const char *from, int dim, char *to, int n,
                    const void *element)
{
    const int before = p->before.v[p->before.n - 1];
    int at = 0;
    for (; at < n && at < before; at++)
        memcpy(to + (size_t)at * size,
               p->mode == PAD_CONSTANT ? element : from + (size_t)source(p->mode, at - before, dim) * size, size);
    const int inside = dim + before < n ? dim + before - at : n - at;
    if (inside > 0)
        memcpy(to + (size_t)at * size, from + (size_t)(at - before) * size, (size_t)inside * size);
    for (at += inside > 0 ? inside : 0; at < n; at++)
        memcpy(to + (size_t)at * size,
               p->mode == PAD_CONSTANT ? element : from + (size_t)source(p->mode, at - before, dim) * size, size);
}

/* What stands in the padding of a channel. */
static void make_element(const struct eval_args *a, int channel, void *element)
{
    const struct pad_attrs *p = a->node->attrs;
    const enum dtype t = a->out[0]->dtype;
    if (ncc_element_is_float(t))
        ncc_element_set_real(t, element, 0, (double)p->value);
    else
        ncc_element_set_int(t, element, 0,
                            ncc_code_of(ncc_code_pair(&a->node->in[0]->quant, channel), t, (double)p->value));
}

static void eval(const struct eval_args *a)
{
    const struct pad_attrs *p = a->node->attrs;
    const struct shape in = a->in[0]->shape, out = a->out[0]->shape;
    const size_t size = ncc_dtype_size(a->in[0]->dtype);
    const int64_t n = ncc_shape_count(out);
    if (in.rank == 0) {
        memcpy(a->out[0]->data, a->in[0]->data, size);
        return;
    }
    const int row = out.dim[out.rank - 1];
    char *to = a->out[0]->data;
    for (int64_t at = 0; at < n; at += row, to += (size_t)row * size) {
        int64_t rest = at / row, from = 0, stride = in.dim[in.rank - 1];
        int channel = 0;
        bool outside = false;
        for (int k = in.rank - 2; k >= 0; k--) {
            const int index = (int)(rest % out.dim[k]), own = source(p->mode, index - p->before.v[k], in.dim[k]);
            outside = outside || own < 0;
            channel = k == 1 ? (own < 0 ? 0 : own) : channel;
            from += own * stride;
            stride *= in.dim[k];
            rest /= out.dim[k];
        }
        uint64_t element;
        make_element(a, channel, &element);
        if (outside)
            fill(to, row, size, &element);
        else
            pad_row(p, size, (const char *)a->in[0]->data + from * (int64_t)size, in.dim[in.rank - 1], to, row,
                    &element);
    }
}

const struct op_desc ncc_op_pad = {
    .name = "pad",
    .doc = "elements added before and after each dimension; negative amounts crop",
    .tflite = "PAD,PADV2,MIRROR_PAD",
    .onnx = "Pad",
    .caffe = "Pooling",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .flags = OP_SAME_QUANT,
    NCC_ATTRS(pad_attrs, attrs_table),
    .infer = infer,
    .eval = eval,
};

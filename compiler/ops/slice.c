#include "compiler/ops/slice.h"

#include "compiler/ops/move.h"
#include "compiler/ops/support.h"

static const struct attr_desc attrs_table[] = {
    ATTR(struct slice_attrs, begin, ATTR_INTS, 0),
    ATTR(struct slice_attrs, size, ATTR_INTS, 0),
    ATTR(struct slice_attrs, stride, ATTR_INTS, 0),
    {0},
};

static bool infer(struct infer *i)
{
    const struct slice_attrs *p = i->node->attrs;
    if (!ncc_infer_need_list(i, "begin", &p->begin) || !ncc_infer_need_list(i, "size", &p->size) ||
        !ncc_infer_need_list(i, "stride", &p->stride))
        return false;
    for (int k = 0; k < p->begin.n; k++) {
        const int64_t first = p->begin.v[k], last = first + (int64_t)(p->size.v[k] - 1) * p->stride.v[k];
        const int dim = i->in[0]->shape.dim[k];
        if (p->size.v[k] < 0)
            return ncc_infer_refuse(i, "size must not be negative");
        if (p->size.v[k] > 0 && (first < 0 || first >= dim || last < 0 || last >= dim))
            return ncc_infer_refuse(i, "elements %lld .. %lld must lie inside dimension %d of size %d",
                                    (long long)first, (long long)last, k, dim);
        i->out[0].shape.dim[k] = p->size.v[k];
    }
    return true;
}

bool ncc_slice_runs(const struct node *n, struct slice_runs *out)
{
    const struct slice_attrs *p = n->attrs;
    const struct shape *x = &n->in[0]->shape;
    *out = (struct slice_runs){1, 1};
    bool whole = true; /* all of the dimensions behind this one */
    for (int k = p->begin.n - 1; k >= 0; k--) {
        const int size = p->size.v[k];
        if (size < 1 || (size > 1 && p->stride.v[k] != 1))
            return false;
        if (whole)
            out->length *= size;
        else
            out->n *= size;
        whole = whole && size == x->dim[k];
    }
    return true;
}

int64_t ncc_slice_run_at(const struct node *n, const struct slice_runs *r, int64_t i)
{
    const struct slice_attrs *p = n->attrs;
    const struct shape *x = &n->in[0]->shape;
    int64_t rest = i * r->length, at = 0, step = 1; /* the run's first element, counted in the output */
    for (int k = p->begin.n - 1; k >= 0; k--) {
        at += (p->begin.v[k] + rest % p->size.v[k]) * step;
        rest /= p->size.v[k];
        step *= x->dim[k];
    }
    return at;
}

static void eval(const struct eval_args *a)
{
    const struct slice_attrs *p = a->node->attrs;
    const size_t size = ncc_dtype_size(a->in[0]->dtype);
    struct move m = {.rank = p->begin.n};
    int64_t from[NCC_MAX_RANK], at = 0;
    if (ncc_shape_count(a->out[0]->shape) == 0)
        return;
    ncc_move_strides(a->in[0]->shape, from);
    ncc_move_strides(a->out[0]->shape, m.to_stride);
    for (int i = 0; i < m.rank; i++) {
        m.dim[i] = p->size.v[i];
        m.from_stride[i] = from[i] * p->stride.v[i];
        at += from[i] * p->begin.v[i];
    }
    ncc_move(&m, size, a->out[0]->data, (const char *)a->in[0]->data + at * (int64_t)size);
}

const struct op_desc ncc_op_slice = {
    .name = "slice",
    .doc = "size elements per dimension, from begin, every stride-th (also backwards)",
    .tflite = "SLICE,STRIDED_SLICE,REVERSE_V2",
    .onnx = "Slice",
    .caffe = "Crop,Slice",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .flags = OP_SAME_QUANT,
    NCC_ATTRS(slice_attrs, attrs_table),
    .infer = infer,
    .eval = eval,
};

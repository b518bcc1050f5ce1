#include "compiler/ir/element.h"
#include "compiler/ops/axis.h"
#include "compiler/ops/support.h"

static const struct attr_desc attrs_table[] = {
    ATTR(struct arg_max_attrs, axis, ATTR_INT, 0),
    ATTR(struct arg_max_attrs, keep_dims, ATTR_BOOL, 0),
    ATTR(struct arg_max_attrs, least, ATTR_BOOL, 0),
    ATTR(struct arg_max_attrs, last, ATTR_BOOL, 0),
    {0},
};

static bool infer(struct infer *i)
{
    const struct arg_max_attrs *p = i->node->attrs;
    const struct shape in = i->in[0]->shape;
    struct shape out = {0};
    if (!ncc_infer_need_axis(i, p->axis, in.rank))
        return false;
    if (in.dim[p->axis] == 0)
        return ncc_infer_refuse(i, "axis %d must not be empty", p->axis);
    for (int k = 0; k < in.rank; k++) {
        if (k != p->axis)
            out.dim[out.rank++] = in.dim[k];
        else if (p->keep_dims)
            out.dim[out.rank++] = 1;
    }
    i->out[0].shape = out;
    i->out[0].dtype = DT_I64;
    return true;
}

static void eval(const struct eval_args *a)
{
    const struct arg_max_attrs *p = a->node->attrs;
    const struct tensor *x = a->in[0];
    const struct along s = ncc_along(x->shape, p->axis);
    for (int64_t o = 0; o < s.outer * s.inner; o++) {
        const int64_t first = o / s.inner * s.n * s.inner + o % s.inner;
        int64_t best = 0;
        for (int64_t i = 1; i < s.n; i++) {
            const double d = ncc_element_real(x->dtype, x->data, first + i * s.inner) -
                             ncc_element_real(x->dtype, x->data, first + best * s.inner);
            if ((p->least ? d < 0 : d > 0) || (p->last && d == 0))
                best = i;
        }
        ((int64_t *)a->out[0]->data)[o] = best;
    }
}

const struct op_desc ncc_op_arg_max = {
    .name = "arg_max",
    .doc = "index of the greatest (least) element along an axis; of equal ones the first (last)",
    .tflite = "ARG_MAX,ARG_MIN",
    .onnx = "ArgMax,ArgMin,Hardmax",
    .caffe = "ArgMax",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    NCC_ATTRS(arg_max_attrs, attrs_table),
    .infer = infer,
    .eval = eval,
};

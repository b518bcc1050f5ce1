#include "compiler/ir/element.h"
#include "compiler/ops/axis.h"
#include "compiler/ops/support.h"

static const struct attr_desc attrs_table[] = {
    ATTR(struct top_k_attrs, axis, ATTR_INT, 0),
    ATTR(struct top_k_attrs, k, ATTR_INT, 1),
    ATTR(struct top_k_attrs, least, ATTR_BOOL, 0),
    {0},
};

#define MOST ((int64_t)1 << 28) /* steps: every element is looked at k times */

static bool infer(struct infer *i)
{
    const struct top_k_attrs *p = i->node->attrs;
    if (!ncc_infer_need_axis(i, p->axis, i->in[0]->shape.rank))
        return false;
    if (p->k < 0 || p->k > i->in[0]->shape.dim[p->axis])
        return ncc_infer_refuse(i, "k must be at most the %d elements of axis %d", i->in[0]->shape.dim[p->axis],
                                p->axis);
    if (ncc_shape_count(i->in[0]->shape) * p->k > MOST)
        return ncc_infer_refuse(i, "k times the elements must be at most 2^28");
    for (int k = 0; k < 2; k++)
        i->out[k].shape.dim[p->axis] = p->k;
    i->out[1].dtype = DT_I64;
    return true;
}

/* One line: the best element that comes behind the one taken last, k times. */
static void take(const struct top_k_attrs *p, const struct tensor *x, struct along s, int64_t first, int64_t *index)
{
    for (int k = 0; k < p->k; k++) {
        int64_t best = -1;
        for (int64_t i = 0; i < s.n; i++) {
            const double v = ncc_element_real(x->dtype, x->data, first + i * s.inner);
            const double was = k ? ncc_element_real(x->dtype, x->data, first + index[(k - 1) * s.inner] * s.inner) : 0;
            const bool behind = k == 0 || (p->least ? v > was : v < was) || (v == was && i > index[(k - 1) * s.inner]);
            const double top = best < 0 ? v : ncc_element_real(x->dtype, x->data, first + best * s.inner);
            if (behind && (best < 0 || (p->least ? v < top : v > top)))
                best = i;
        }
        index[k * s.inner] = best < 0 ? 0 : best;
    }
}

static void eval(const struct eval_args *a)
{
    const struct top_k_attrs *p = a->node->attrs;
    const struct tensor *x = a->in[0], *y = a->out[0];
    const struct along s = ncc_along(x->shape, p->axis);
    int64_t *index = a->out[1]->data;
    for (int64_t o = 0; o < s.outer * s.inner; o++) {
        const int64_t from = o / s.inner * s.n * s.inner + o % s.inner, to = o / s.inner * p->k * s.inner + o % s.inner;
        take(p, x, s, from, index + to);
        for (int k = 0; k < p->k; k++) {
            const int64_t at = from + index[to + k * s.inner] * s.inner;
            if (ncc_element_is_float(x->dtype))
                ncc_element_set_real(y->dtype, y->data, to + k * s.inner, ncc_element_real(x->dtype, x->data, at));
            else
                ncc_element_set_int(y->dtype, y->data, to + k * s.inner, ncc_element_int(x->dtype, x->data, at));
        }
    }
}

const struct op_desc ncc_op_top_k = {
    .name = "top_k",
    .doc = "the k greatest (least) elements along an axis in order, and their indices; of equal ones the first",
    .tflite = "TOPK_V2",
    .onnx = "TopK",
    .min_in = 1,
    .max_in = 1,
    .n_out = 2,
    NCC_ATTRS(top_k_attrs, attrs_table),
    .infer = infer,
    .eval = eval,
};

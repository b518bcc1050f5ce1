#include "compiler/ops/axis.h"
#include "compiler/ops/softmax_codes.h"
#include "compiler/ops/support.h"

#include <math.h>

static const struct attr_desc attrs_table[] = {
    ATTR(struct softmax_attrs, axis, ATTR_INT, 0),
    ATTR(struct softmax_attrs, beta, ATTR_FLOAT, 1),
    {0},
};

static bool infer(struct infer *i)
{
    const struct softmax_attrs *p = i->node->attrs;
    return ncc_infer_need_dtype(i, 0, DT_F32) && ncc_infer_need_axis(i, p->axis, i->in[0]->shape.rank);
}

/* n numbers with a stride. The largest is subtracted so that nothing overflows. */
static void softmax_row(const float *x, float *y, int64_t n, int64_t stride, float beta)
{
    float top = x[0];
    double sum = 0;
    for (int64_t i = 1; i < n; i++)
        top = x[i * stride] > top ? x[i * stride] : top;
    for (int64_t i = 0; i < n; i++) {
        y[i * stride] = expf((x[i * stride] - top) * beta);
        sum += (double)y[i * stride];
    }
    for (int64_t i = 0; i < n; i++)
        y[i * stride] = (float)((double)y[i * stride] / sum);
}

static void eval(const struct eval_args *a)
{
    const struct softmax_attrs *p = a->node->attrs;
    const struct along s = ncc_along(a->in[0]->shape, p->axis);
    for (int64_t o = 0; o < s.outer && s.n > 0; o++)
        for (int64_t i = 0; i < s.inner; i++)
            softmax_row((const float *)a->in[0]->data + o * s.n * s.inner + i,
                        (float *)a->out[0]->data + o * s.n * s.inner + i, s.n, s.inner, p->beta);
}

const struct op_desc ncc_op_softmax = {
    .name = "softmax",
    .doc = "exp(beta * x) over its sum along an axis",
    .tflite = "SOFTMAX,LOG_SOFTMAX",
    .onnx = "Softmax,QLinearSoftmax",
    .caffe = "Softmax",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    NCC_ATTRS(softmax_attrs, attrs_table),
    .infer = infer,
    .eval = eval,
    .eval_codes = ncc_softmax_codes,
};

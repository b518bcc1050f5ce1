#include "compiler/ops/axis.h"
#include "compiler/ops/on_codes.h"

static const struct attr_desc attrs_table[] = {
    ATTR(struct l2_normalize_attrs, axis, ATTR_INT, 0),
    ATTR(struct l2_normalize_attrs, eps, ATTR_FLOAT, 1e-10),
    {0},
};

static bool infer(struct infer *i)
{
    const struct l2_normalize_attrs *p = i->node->attrs;
    return ncc_infer_need_dtype(i, 0, DT_F32) && ncc_infer_need_axis(i, p->axis, i->in[0]->shape.rank);
}

static void normalize_row(const float *x, float *y, int64_t n, int64_t stride, float eps)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i * stride] * (double)x[i * stride];
    const double scale = 1.0 / sqrt(sum > (double)eps ? sum : (double)eps);
    for (int64_t i = 0; i < n; i++)
        y[i * stride] = (float)((double)x[i * stride] * scale);
}

static void eval(const struct eval_args *a)
{
    const struct l2_normalize_attrs *p = a->node->attrs;
    const struct along s = ncc_along(a->in[0]->shape, p->axis);
    for (int64_t o = 0; o < s.outer; o++)
        for (int64_t i = 0; i < s.inner; i++)
            normalize_row((const float *)a->in[0]->data + o * s.n * s.inner + i,
                          (float *)a->out[0]->data + o * s.n * s.inner + i, s.n, s.inner, p->eps);
}

static void normalize_codes(const struct code_args *c, const float *x, float *y, int64_t n, int64_t stride)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < n; i++) {
        const int64_t step = ncc_step_of(c->in[0], x[i * stride]);
        sum += step * step;
    }
    struct fx f = ncc_fx_inverse_sqrt((int32_t)(sum < INT32_MAX ? sum : INT32_MAX));
    f.shift += 7;
    for (int64_t i = 0; i < n; i++)
        y[i * stride] = ncc_real_of(c, ncc_code_at(c->out.zero, ncc_fx_times(ncc_step_of(c->in[0], x[i * stride]), f)));
}

/* The result's scale is 1/128. */
static bool eval_codes(const struct code_args *c)
{
    const struct eval_args *a = c->real;
    const struct l2_normalize_attrs *p = a->node->attrs;
    const struct along s = ncc_along(a->in[0]->shape, p->axis);
    if (!ncc_has_grid(c->in[0]) || !ncc_is_narrow(c->in[0]) || c->out.scale != 0x1p-7f)
        return false;
    for (int64_t o = 0; o < s.outer; o++)
        for (int64_t i = 0; i < s.inner; i++)
            normalize_codes(c, (const float *)a->in[0]->data + o * s.n * s.inner + i,
                            (float *)a->out[0]->data + o * s.n * s.inner + i, s.n, s.inner);
    return true;
}

const struct op_desc ncc_op_l2_normalize = {
    .name = "l2_normalize",
    .doc = "x divided by its length along an axis; the squared length counts as eps at least",
    .tflite = "L2_NORMALIZATION",
    .onnx = "LpNormalization",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    NCC_ATTRS(l2_normalize_attrs, attrs_table),
    .infer = infer,
    .eval = eval,
    .eval_codes = eval_codes,
};

#include "compiler/ops/axis.h"
#include "compiler/ops/on_codes.h"

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

/* ---- on codes of 8 bits: exp in fixed point of how far below the largest a code is ---- */

struct fixed_softmax {
    struct fx to_q5; /* from steps */
    int32_t least;   /* steps below the largest from which on exp is 0 */
    int out_bits;
};

static int32_t exp_of(const struct fixed_softmax *f, int32_t below)
{
    return below < f->least ? 0 : ncc_fx_exp(ncc_fx_times(below, f->to_q5), 5);
}

static void softmax_codes(const struct code_args *c, const struct fixed_softmax *f, const float *x, float *y, int64_t n,
                          int64_t stride)
{
    int32_t top = INT32_MIN, sum = 0;
    for (int64_t i = 0; i < n; i++) {
        const int32_t step = ncc_step_of(c->in[0], x[i * stride]);
        top = step > top ? step : top;
    }
    for (int64_t i = 0; i < n; i++) /* in Q12 */
        sum = ncc_code_at(sum, ncc_fx_divide(exp_of(f, ncc_step_of(c->in[0], x[i * stride]) - top), 12));
    int exponent;
    const int32_t share = ncc_fx_reciprocal(sum, 12, &exponent);
    exponent += 31 - f->out_bits;
    for (int64_t i = 0; i < n; i++) {
        const int32_t part = ncc_fx_high(share, exp_of(f, ncc_step_of(c->in[0], x[i * stride]) - top));
        y[i * stride] = ncc_real_of(c, ncc_code_at(c->out.qmin, ncc_fx_divide(part, exponent & 31)));
    }
}

/* The result's codes are 0 .. 1 in 8 or 16 bits, from the lowest one on. */
static bool eval_codes(const struct code_args *c)
{
    const struct eval_args *a = c->real;
    const struct softmax_attrs *p = a->node->attrs;
    const int out_bits = ncc_is_narrow(c->out) ? 8 : 16;
    if (!ncc_has_grid(c->in[0]) || !ncc_is_narrow(c->in[0]) || c->out.zero != c->out.qmin ||
        c->out.scale != ldexpf(1, -out_bits))
        return false;
    const double to_q5 = fmin((double)p->beta * (double)c->in[0].scale * 0x1p26, 0x1p31 - 1);
    struct fixed_softmax f = {ncc_fx_of(to_q5), 0, out_bits};
    if (f.to_q5.shift < 0)
        return false;
    f.least = -(int32_t)fmin(floor(31 * ldexp(1, 26 - f.to_q5.shift)), INT32_MAX);
    const struct along s = ncc_along(a->in[0]->shape, p->axis);
    for (int64_t o = 0; o < s.outer && s.n > 0; o++)
        for (int64_t i = 0; i < s.inner; i++)
            softmax_codes(c, &f, (const float *)a->in[0]->data + o * s.n * s.inner + i,
                          (float *)a->out[0]->data + o * s.n * s.inner + i, s.n, s.inner);
    return true;
}

const struct op_desc ncc_op_softmax = {
    .name = "softmax",
    .doc = "exp(beta * x) over its sum along an axis",
    .tflite = "SOFTMAX,LOG_SOFTMAX",
    .onnx = "Softmax",
    .caffe = "Softmax",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    NCC_ATTRS(softmax_attrs, attrs_table),
    .infer = infer,
    .eval = eval,
    .eval_codes = eval_codes,
};

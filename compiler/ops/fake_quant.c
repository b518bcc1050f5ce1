#include "compiler/base/cpu.h"
#include "compiler/ops/axis.h"
#include "compiler/ops/on_codes.h"

static const struct attr_desc attrs_table[] = {
    ATTR(struct fake_quant_attrs, axis, ATTR_INT, 0),
    ATTR(struct fake_quant_attrs, qmin, ATTR_INT, -128),
    ATTR(struct fake_quant_attrs, qmax, ATTR_INT, 127),
    ATTR(struct fake_quant_attrs, half_even, ATTR_BOOL, 0),
    ATTR(struct fake_quant_attrs, fixed_point, ATTR_BOOL, 0),
    {0},
};

static bool positive_and_sane(const struct value *scale)
{
    const float *s = scale->data;
    for (int64_t i = 0; s && i < ncc_shape_count(scale->shape); i++)
        if (!(s[i] > 0 && s[i] < 1e30f)) /* times a code it is finite, too */
            return false;
    return true;
}

static bool infer(struct infer *i)
{
    const struct fake_quant_attrs *p = i->node->attrs;
    const struct value *x = i->in[0], *scale = i->in[1], *zero = i->node->n_in > 2 ? i->in[2] : NULL;
    if (!ncc_infer_need_all_f32(i))
        return false;
    const int64_t n = ncc_shape_count(scale->shape);
    if (n != 1 && (!ncc_infer_need_axis(i, p->axis, x->shape.rank) || scale->shape.rank != 1 ||
                   n != x->shape.dim[p->axis]))
        return ncc_infer_refuse(i, "there must be one scale, or one per index along axis %d", p->axis);
    if (zero && ncc_shape_count(zero->shape) != n)
        return ncc_infer_refuse(i, "there must be as many zero points as scales");
    if (p->qmin > p->qmax)
        return ncc_infer_refuse(i, "qmin must not be above qmax");
    return positive_and_sane(scale) || ncc_infer_refuse(i, "scales must be positive and below 1e30");
}

/* Real numbers to the nearest ones that codes stand for. NaN becomes the lowest. */
NCC_FOR_EACH_CPU
static void round_run(const struct fake_quant_attrs *p, float scale, float zero, const float *x, float *y, int64_t n)
{
    const float low = (float)p->qmin, high = (float)p->qmax;
    const bool even = p->half_even;
    for (int64_t i = 0; i < n; i++) {
        const float t = x[i] / scale, up = rintf(t);
        /* The ties that rintf took towards zero. */
        const float away = fabsf(t) - fabsf(up) == 0.5f ? up + copysignf(1.0f, t) : up;
        const float q = (even ? up : away) + zero;
        y[i] = ((q > low ? q < high ? q : high : low) - zero) * scale;
    }
}

static void eval(const struct eval_args *a)
{
    const struct fake_quant_attrs *p = a->node->attrs;
    const struct shape shape = a->out[0]->shape;
    const float *scale = a->in[1]->data, *zero = a->node->n_in > 2 && a->in[2] ? a->in[2]->data : NULL;
    const bool single = ncc_shape_count(a->in[1]->shape) == 1;
    const struct along s = single ? (struct along){1, 1, ncc_shape_count(shape)} : ncc_along(shape, p->axis);
    const float *x = a->in[0]->data;
    float *y = a->out[0]->data;
    for (int64_t run = 0; run < s.outer * s.n; run++, x += s.inner, y += s.inner)
        round_run(p, scale[run % s.n], zero ? zero[run % s.n] : 0, x, y, s.inner);
}

static bool grid(const struct node *n, struct grid *g)
{
    const struct fake_quant_attrs *p = n->attrs;
    const struct value *scale = n->in[1], *zero = n->n_in > 2 ? n->in[2] : NULL;
    if (!p->fixed_point || !ncc_is_const(scale) || ncc_shape_count(scale->shape) != 1 || (zero && !ncc_is_const(zero)))
        return false;
    *g = (struct grid){*(const float *)scale->data, zero ? (int)*(const float *)zero->data : 0, p->qmin, p->qmax};
    return true;
}

const struct op_desc ncc_op_fake_quant = {
    .name = "fake_quant",
    .doc = "to the nearest real number that a code qmin .. qmax stands for, by scale and zero point: what a quantised "
           "model does to its values",
    .tflite = "QUANTIZE,FAKE_QUANT",
    .onnx = "QuantizeLinear",
    .min_in = 2,
    .max_in = 3,
    .n_out = 1,
    NCC_ATTRS(fake_quant_attrs, attrs_table),
    .infer = infer,
    .eval = eval,
    .grid = grid,
    .eval_codes = ncc_requantise_codes,
};

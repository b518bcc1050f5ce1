/* What a quantised model's integers stand for: biases in real numbers, the rounding of values to what codes reach. */
#include "compiler/import/tflite.h"
#include "compiler/ops/attrs.h"

#include <string.h>

/* ---- biases ---- */

/* The scale of element i of a tensor that may have one for all. */
static double scale_of(const struct tf_tensor *t, int i)
{
    return t && t->scale.n > 0 ? (double)ncc_fb_vector_float(t->scale, t->scale.n > i ? i : 0) : 0;
}

static struct value *real_bias(struct build *b, const struct tf_tensor *t, const struct value *v, int x, int w)
{
    float *real = NCC_NEW(b->m->arena, float, ncc_shape_count(v->shape));
    for (int i = 0; i < (int)ncc_shape_count(v->shape); i++) {
        const double own = scale_of(t, i), other = scale_of(ncc_tflite_in(b, x), 0) * scale_of(ncc_tflite_in(b, w), i);
        const int64_t q = v->dtype == DT_I32 ? ((const int32_t *)v->data)[i] : ((const int64_t *)v->data)[i];
        real[i] = (float)((double)q * (own > 0 ? own : other > 0 ? other : 1));
    }
    return ncc_const(b->m->graph, v->name, DT_F32, v->shape, real);
}

bool ncc_tflite_bias(struct build *b, int k, int n, int x, int w, struct value **out)
{
    *out = NULL;
    const struct tf_tensor *t = ncc_tflite_in(b, k);
    if (!t)
        return true;
    const struct value *v = t->form[0].v;
    if (ncc_is_const(v) && (v->dtype == DT_I32 || v->dtype == DT_I64))
        *out = real_bias(b, t, v, x, w);
    else
        *out = ncc_tflite_weights(b, k, 1);
    if (*out && (*out)->shape.dim[0] != n)
        return ncc_tflite_refuse(b, "the bias must have one element per output channel", NULL, "%d instead of %d",
                                 (*out)->shape.dim[0], n);
    return *out != NULL;
}

/* ---- weights ---- */

struct quant ncc_tflite_pairs(struct tflite *m, const struct tf_tensor *t)
{
    const struct quant none = {0};
    const int n = t->scale.n;
    if (!ncc_tflite_is_quantised(t) || !ncc_fb_spend(&m->fb, n))
        return none;
    double *scale = NCC_NEW(m->arena, double, n), *zero = NCC_NEW(m->arena, double, n);
    for (int i = 0; i < n; i++) {
        scale[i] = (double)ncc_fb_vector_float(t->scale, i);
        zero[i] = t->zero_point.n ? (double)ncc_fb_vector_i64(t->zero_point, t->zero_point.n > i ? i : 0) : 0;
        if (!(scale[i] > 0))
            return none;
    }
    return (struct quant){n, scale, zero};
}

void ncc_tflite_keep_codes(struct build *b, int k, int axis, struct value *v)
{
    const struct tf_tensor *t = ncc_tflite_in(b, k);
    if (t->scale.n == 1 || (t->scale.n > 1 && t->quant_axis == axis))
        v->quant = ncc_tflite_pairs(b->m, t);
}

/* ---- integer weights and float activations ---- */

struct value *ncc_tflite_hybrid(struct build *b, int x, int w, bool symmetric, struct value *v)
{
    const struct tf_tensor *activations = ncc_tflite_in(b, x), *weights = ncc_tflite_in(b, w);
    const struct dynamic_quant_attrs attrs = {symmetric};
    if (!v || activations->type != TF_F32 || weights->type != TF_I8 || !ncc_tflite_is_quantised(weights))
        return v;
    return ncc_tflite_op(b, OP_dynamic_quant, "codes", &attrs, &v, 1);
}

/* ---- values ---- */

static bool equal_floats(const struct value *a, const struct value *b)
{
    return ncc_is_const(a) && a->dtype == b->dtype && ncc_shape_equal(a->shape, b->shape) &&
           memcmp(a->data, b->data, (size_t)ncc_shape_count(a->shape) * sizeof(float)) == 0;
}

static bool is_rounded(const struct value *v, const struct fake_quant_attrs *attrs, struct value *const *in)
{
    const struct node *n = v->def;
    return n && n->op == OP_fake_quant && ncc_attrs_equal(n->op, n->attrs, attrs) && equal_floats(n->in[1], in[1]) &&
           equal_floats(n->in[2], in[2]);
}

/* Scales and zero points of a tensor as constants; NULL: there are none. */
static struct value *pairs_of(struct build *b, const struct tf_tensor *t, bool zeros)
{
    const int n = t->scale.n;
    float *v = NCC_NEW(b->m->arena, float, n);
    for (int i = 0; i < n; i++) {
        const int k = t->zero_point.n > i ? i : 0;
        v[i] = zeros ? (t->zero_point.n ? (float)ncc_fb_vector_i64(t->zero_point, k) : 0)
                     : ncc_fb_vector_float(t->scale, i);
    }
    return ncc_const(b->m->graph, ncc_name(b->m->graph, t->name, zeros ? "zero" : "scale"), DT_F32,
                     ncc_shape_make(1, &n), v);
}

struct value *ncc_tflite_round(struct build *b, const struct tf_tensor *t, struct form f)
{
    if (!ncc_tflite_is_quantised(t) || !f.v || f.v->dtype != DT_F32)
        return f.v;
    if (!ncc_fb_spend(&b->m->fb, t->scale.n))
        return NULL;
    struct fake_quant_attrs attrs = {.axis = 0, .qmin = -128, .qmax = 127, .fixed_point = true};
    if (t->type == TF_U8)
        attrs.qmin = 0, attrs.qmax = 255;
    if (t->type == TF_I16)
        attrs.qmin = INT16_MIN, attrs.qmax = INT16_MAX;
    for (int i = 0; i < t->zero_point.n; i++) {
        const int64_t zero = ncc_fb_vector_i64(t->zero_point, i);
        if (zero < attrs.qmin || zero > attrs.qmax) {
            ncc_tflite_refuse(b, "a zero point must be one of the codes", "export the model again", "'%s': %lld",
                              t->name, (long long)zero);
            return NULL;
        }
    }
    if (t->scale.n > 1)
        attrs.axis = ncc_layout_axis(f.perm, t->quant_axis);
    struct value *in[3] = {f.v, pairs_of(b, t, false), pairs_of(b, t, true)};
    return is_rounded(f.v, &attrs, in) ? f.v : ncc_tflite_op(b, OP_fake_quant, "codes", &attrs, in, 3);
}

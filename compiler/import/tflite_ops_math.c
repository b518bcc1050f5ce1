/* Operators that work element by element or along axes: they take whichever order of dimensions is there. */
#include "compiler/import/tflite.h"
#include "compiler/ops/attrs.h"

#include <math.h>

/* ---- element by element ---- */

static bool give_unary(struct build *b, enum op op, const void *attrs)
{
    struct form f = ncc_tflite_any(b, 0);
    f.v = ncc_tflite_op(b, op, NULL, attrs, &f.v, 1);
    return ncc_tflite_give(b, 0, f);
}

bool ncc_tflite_build_unary(struct build *b)
{
    return give_unary(b, (enum op)b->row->detail, NULL);
}

bool ncc_tflite_build_activation(struct build *b)
{
    struct form f = ncc_tflite_any(b, 0);
    f.v = ncc_tflite_activate(b, f.v, b->row->detail, NULL);
    return ncc_tflite_give(b, 0, f);
}

bool ncc_tflite_build_leaky_relu(struct build *b)
{
    const struct leaky_relu_attrs attrs = {ncc_fb_float(&b->m->fb, b->options, F_leaky_relu_alpha, 0)};
    if (!(attrs.alpha - attrs.alpha == 0))
        return ncc_tflite_refuse(b, "alpha must be a finite number", NULL, "%g", (double)attrs.alpha);
    return give_unary(b, OP_leaky_relu, &attrs);
}

bool ncc_tflite_build_elu(struct build *b)
{
    const struct elu_attrs attrs = {1};
    return give_unary(b, OP_elu, &attrs);
}

bool ncc_tflite_build_binary(struct build *b)
{
    const int rank_a = ncc_tflite_in(b, 0)->shape.rank, rank_b = ncc_tflite_in(b, 1)->shape.rank;
    const int rank = rank_a > rank_b ? rank_a : rank_b;
    const struct ints perm = ncc_tflite_choose(b, 0, 2, rank);
    struct value *in[2] = {ncc_tflite_get(b, 0, perm), ncc_tflite_get(b, 1, perm)};
    if (!in[0] || !in[1])
        return false;
    struct value *v = ncc_tflite_op(b, (enum op)b->row->detail, NULL, NULL, in, 2);
    return ncc_tflite_give(b, 0, (struct form){v, perm});
}

bool ncc_tflite_build_cast(struct build *b)
{
    const struct tf_tensor *out = b->op->out[0] >= 0 ? &b->m->tensors[b->op->out[0]] : NULL;
    struct form f = ncc_tflite_any(b, 0);
    enum dtype to = f.v->dtype;
    if (out && !ncc_tflite_dtype(out->type, &to))
        return ncc_tflite_refuse(b, "the type to cast to is not supported", NULL, "%s",
                                 ncc_tflite_type_name(out->type));
    if (to == f.v->dtype)
        return ncc_tflite_give(b, 0, f);
    const struct cast_attrs attrs = {(int)to};
    return give_unary(b, OP_cast, &attrs);
}

/* QUANTIZE, DEQUANTIZE, DENSIFY: values that are codes in the file are real numbers here from the start, sparse ones
 * dense, and what rounds them is put behind every quantised result. */
bool ncc_tflite_build_requantize(struct build *b)
{
    const struct form f = ncc_tflite_any(b, 0);
    if (f.v->dtype == DT_F32)
        return ncc_tflite_give(b, 0, f);
    return ncc_tflite_refuse(b, "what is quantised or dequantised must be real numbers or have a scale",
                             "export the model again", "'%s' is %s", f.v->name, ncc_dtype_name(f.v->dtype));
}

/* The range is moved so that zero is a code, as in training. */
bool ncc_tflite_build_fake_quant(struct build *b)
{
    const float lo = ncc_fb_float(&b->m->fb, b->options, F_fake_quant_min, 0);
    const float hi = ncc_fb_float(&b->m->fb, b->options, F_fake_quant_max, 0);
    const int bits = ncc_fb_i32(&b->m->fb, b->options, F_fake_quant_bits, 8);
    const struct fake_quant_attrs attrs = {
        .qmin = ncc_fb_bool(&b->m->fb, b->options, F_fake_quant_narrow, false),
        .qmax = bits >= 2 && bits <= 16 ? (1 << bits) - 1 : 0,
    };
    if (attrs.qmax == 0 || !(lo < hi) || !(hi - lo < INFINITY))
        return ncc_tflite_refuse(b, "there must be 2 to 16 bits, and the range must not be empty", NULL,
                                 "%d bits, %g to %g", bits, (double)lo, (double)hi);
    const float scale = (hi - lo) / (float)(attrs.qmax - attrs.qmin);
    const float zero = fminf(fmaxf(roundf((float)attrs.qmin - lo / scale), (float)attrs.qmin), (float)attrs.qmax);
    struct form f = ncc_tflite_any(b, 0);
    struct value *in[3] = {f.v,
                           ncc_const_copy(b->m->graph, ncc_name(b->m->graph, b->name, "scale"), DT_F32,
                                          (struct shape){0}, &scale),
                           ncc_const_copy(b->m->graph, ncc_name(b->m->graph, b->name, "zero"), DT_F32,
                                          (struct shape){0}, &zero)};
    f.v = ncc_tflite_op(b, OP_fake_quant, NULL, &attrs, in, 3);
    return ncc_tflite_give(b, 0, f);
}

bool ncc_tflite_build_gelu(struct build *b)
{
    const struct gelu_attrs attrs = {ncc_fb_bool(&b->m->fb, b->options, F_gelu_by_tanh, false)};
    return give_unary(b, OP_gelu, &attrs);
}

/* ---- along axes ---- */

struct form ncc_tflite_reduce(struct build *b, struct form f, int kind)
{
    const struct form none = {0};
    struct ints axes;
    if (!ncc_tflite_ints(b, 1, &axes))
        return none;
    bool gone[NCC_MAX_RANK] = {false};
    for (int i = 0; i < axes.n; i++) {
        int axis;
        if (!ncc_tflite_axis(b, axes.v[i], f.perm.n, &axis))
            return none;
        gone[axis] = true;
    }
    struct reduce_attrs attrs = {
        .kind = kind,
        .keep_dims = ncc_fb_bool(&b->m->fb, b->options, F_reduce_keep_dims, false),
    };
    for (int i = 0; i < f.perm.n; i++)
        if (gone[f.perm.v[i]])
            attrs.axes.v[attrs.axes.n++] = i;
    if (attrs.axes.n == 0)
        return f;
    struct value *v = ncc_tflite_op(b, OP_reduce, NULL, &attrs, (struct value *[]){f.v}, 1);
    return (struct form){v, attrs.keep_dims ? f.perm : ncc_layout_drop(f.perm, gone)};
}

bool ncc_tflite_build_reduce(struct build *b)
{
    return ncc_tflite_give(b, 0, ncc_tflite_reduce(b, ncc_tflite_any(b, 0), b->row->detail));
}

/* The model's last axis in the value; false, and told, when there is none. */
static bool last_axis(struct build *b, struct form f, int *axis)
{
    if (f.perm.n == 0)
        return ncc_tflite_refuse(b, "the input must have at least one dimension", NULL, NULL);
    *axis = ncc_layout_axis(f.perm, f.perm.n - 1);
    return true;
}

bool ncc_tflite_build_softmax(struct build *b)
{
    struct softmax_attrs attrs = {.beta = ncc_fb_float(&b->m->fb, b->options, F_softmax_beta, 1)};
    return last_axis(b, ncc_tflite_any(b, 0), &attrs.axis) && give_unary(b, OP_softmax, &attrs);
}

bool ncc_tflite_build_l2_normalize(struct build *b)
{
    /* TFLite bounds the norm itself: sqrt(sum) >= 1e-6. */
    struct l2_normalize_attrs attrs = {.eps = 1e-12f};
    return last_axis(b, ncc_tflite_any(b, 0), &attrs.axis) && give_unary(b, OP_l2_normalize, &attrs);
}

/* Operators that work element by element. */
#include "compiler/import/onnx.h"
#include "compiler/ir/element.h"
#include "compiler/ops/attrs.h"

#include <math.h>
#include <string.h>

/* An attribute that must be a finite number. */
static bool finite_attr(struct ox_build *b, const char *name, float def, float *out)
{
    *out = ncc_onnx_float(b, name, def);
    return isfinite(*out) ||
           ncc_onnx_refuse(b, "the attribute must be a finite number", NULL, "%s is %g", name, (double)*out);
}

/* One operand and one constant number of its type. */
static struct value *with(struct ox_build *b, enum op op, const char *suffix, struct value *v, double x)
{
    return v ? OX_OP(b, op, suffix, NULL, v, ncc_onnx_number(b, v->dtype, x)) : NULL;
}

/* ---- one operand ---- */

/* Integers have no functions of one operand in the graph. */
static struct value *of_integers(struct ox_build *b, enum op op, struct value *x)
{
    struct value *zero = ncc_onnx_number(b, x->dtype, 0);
    switch (op) {
    case OP_abs:
        return ncc_element_min(x->dtype) == 0
                   ? x
                   : OX_OP(b, OP_maximum, NULL, NULL, x, OX_OP(b, OP_sub, "negative", NULL, zero, x));
    case OP_neg:
        return OX_OP(b, OP_sub, NULL, NULL, zero, x);
    case OP_relu:
        return OX_OP(b, OP_maximum, NULL, NULL, x, zero);
    case OP_sign:
        return with(b, OP_minimum, NULL, with(b, OP_maximum, "low", x, -1), 1);
    default:
        return x; /* floor, ceil, round */
    }
}

bool ncc_onnx_build_unary(struct ox_build *b)
{
    const enum op op = (enum op)b->row->detail;
    const bool also_integers = op == OP_abs || op == OP_neg || op == OP_relu || op == OP_sign || op == OP_floor ||
                               op == OP_ceil || op == OP_round;
    struct value *x = ncc_onnx_in(b, 0);
    if (x && also_integers && !ncc_element_is_float(x->dtype))
        return ncc_onnx_give(b, 0, of_integers(b, op, x));
    return ncc_onnx_give(b, 0, OX_OP(b, op, NULL, NULL, x));
}

/* Limits that are only known at run time, or are integers. */
static struct value *limited(struct ox_build *b, struct value *x, struct value *low, struct value *high)
{
    if (low)
        x = OX_OP(b, OP_maximum, high ? "low" : NULL, NULL, x, low);
    return high ? OX_OP(b, OP_minimum, NULL, NULL, x, high) : x;
}

bool ncc_onnx_build_clip(struct ox_build *b)
{
    struct value *x = ncc_onnx_in(b, 0), *low = ncc_onnx_in(b, 1), *high = ncc_onnx_in(b, 2);
    const bool is_const = x->dtype == DT_F32 && (!low || ncc_is_const(low)) && (!high || ncc_is_const(high));
    double min = (double)ncc_onnx_float(b, "min", -INFINITY), max = (double)ncc_onnx_float(b, "max", INFINITY);
    if (!is_const)
        return ncc_onnx_give(b, 0, limited(b, x, low, high));
    if ((low && !ncc_onnx_scalar(b, 1, &min)) || (high && !ncc_onnx_scalar(b, 2, &max)))
        return false;
    if (isnan(min) || isnan(max))
        return ncc_onnx_refuse(b, "the limits must be numbers", NULL, NULL);
    /* Where the limits are crossed all becomes the upper one. */
    const struct clip_attrs attrs = {(float)(min < max ? min : max), (float)max};
    if (isinf(min) && isinf(max) && min < 0 && max > 0)
        return ncc_onnx_give(b, 0, x);
    return ncc_onnx_give(b, 0, OX_OP(b, OP_clip, NULL, &attrs, x));
}

bool ncc_onnx_build_leaky_relu(struct ox_build *b)
{
    struct leaky_relu_attrs attrs;
    return finite_attr(b, "alpha", 0.01f, &attrs.alpha) &&
           ncc_onnx_give(b, 0, OX_OP(b, OP_leaky_relu, NULL, &attrs, ncc_onnx_in(b, 0)));
}

bool ncc_onnx_build_elu(struct ox_build *b)
{
    struct elu_attrs attrs;
    return finite_attr(b, "alpha", 1, &attrs.alpha) &&
           ncc_onnx_give(b, 0, OX_OP(b, OP_elu, NULL, &attrs, ncc_onnx_in(b, 0)));
}

/* gamma * elu(x) */
bool ncc_onnx_build_selu(struct ox_build *b)
{
    struct elu_attrs attrs;
    float gamma;
    if (!finite_attr(b, "alpha", 1.67326319217681884765625f, &attrs.alpha) ||
        !finite_attr(b, "gamma", 1.05070102214813232421875f, &gamma))
        return false;
    struct value *v = OX_OP(b, OP_elu, "elu", &attrs, ncc_onnx_in(b, 0));
    return ncc_onnx_give(b, 0, with(b, OP_mul, NULL, v, (double)gamma));
}

/* alpha * elu(x / alpha), elu with factor 1 */
bool ncc_onnx_build_celu(struct ox_build *b)
{
    const struct elu_attrs attrs = {1};
    float alpha;
    if (!finite_attr(b, "alpha", 1, &alpha))
        return false;
    if (alpha == 0)
        return ncc_onnx_refuse(b, "alpha must not be 0", NULL, NULL);
    struct value *x = ncc_onnx_in(b, 0);
    if (alpha == 1.0f)
        return ncc_onnx_give(b, 0, OX_OP(b, OP_elu, NULL, &attrs, x));
    x = OX_OP(b, OP_elu, "elu", &attrs, with(b, OP_div, "steps", x, (double)alpha));
    return ncc_onnx_give(b, 0, with(b, OP_mul, NULL, x, (double)alpha));
}

static struct value *hard_sigmoid(struct ox_build *b, struct value *x, float alpha, float beta, const char *suffix)
{
    const struct clip_attrs to_1 = {0, 1};
    x = with(b, OP_add, "shifted", with(b, OP_mul, "slope", x, (double)alpha), (double)beta);
    return OX_OP(b, OP_clip, suffix, &to_1, x);
}

bool ncc_onnx_build_hard_sigmoid(struct ox_build *b)
{
    float alpha, beta;
    return finite_attr(b, "alpha", 0.2f, &alpha) && finite_attr(b, "beta", 0.5f, &beta) &&
           ncc_onnx_give(b, 0, hard_sigmoid(b, ncc_onnx_in(b, 0), alpha, beta, NULL));
}

bool ncc_onnx_build_thresholded_relu(struct ox_build *b)
{
    struct thresholded_relu_attrs attrs;
    return finite_attr(b, "alpha", 1, &attrs.alpha) &&
           ncc_onnx_give(b, 0, OX_OP(b, OP_thresholded_relu, NULL, &attrs, ncc_onnx_in(b, 0)));
}

bool ncc_onnx_build_shrink(struct ox_build *b)
{
    struct shrink_attrs attrs;
    return finite_attr(b, "lambd", 0.5f, &attrs.lambda) && finite_attr(b, "bias", 0, &attrs.bias) &&
           ncc_onnx_give(b, 0, OX_OP(b, OP_shrink, NULL, &attrs, ncc_onnx_in(b, 0)));
}

/* ---- two operands ---- */

struct value *ncc_onnx_laid_over(struct ox_build *b, struct value *x, struct value *y)
{
    const int axis = ncc_onnx_int(b, "axis", -1);
    if (b->m->version >= 7 || axis < 0 || axis + y->shape.rank > x->shape.rank)
        return y;
    struct shape shape = {.rank = x->shape.rank - axis};
    for (int i = 0; i < shape.rank; i++)
        shape.dim[i] = i < y->shape.rank ? y->shape.dim[i] : 1;
    return ncc_onnx_reshape(b, y, shape, "broadcast");
}

bool ncc_onnx_build_binary(struct ox_build *b)
{
    struct value *x = ncc_onnx_in(b, 0), *y = ncc_onnx_in(b, 1);
    return x && y && ncc_onnx_give(b, 0, OX_OP(b, (enum op)b->row->detail, NULL, NULL, x, ncc_onnx_laid_over(b, x, y)));
}

/* Sum, Mean, Max, Min: of any number of operands. */
bool ncc_onnx_build_variadic(struct ox_build *b)
{
    struct value *v = ncc_onnx_in(b, 0);
    for (int k = 1; k < b->n_in; k++)
        v = OX_OP(b, (enum op)b->row->detail, k + 1 < b->n_in ? "part" : NULL, NULL, v, ncc_onnx_in(b, k));
    return ncc_onnx_give(b, 0, v);
}

bool ncc_onnx_build_mean(struct ox_build *b)
{
    struct value *v = ncc_onnx_in(b, 0);
    for (int k = 1; k < b->n_in; k++)
        v = OX_OP(b, OP_add, "sum", NULL, v, ncc_onnx_in(b, k));
    return ncc_onnx_give(b, 0, b->n_in > 1 ? with(b, OP_mul, NULL, v, 1.0 / b->n_in) : v);
}

/* The result has the base's type; powers are those of real numbers. */
bool ncc_onnx_build_pow(struct ox_build *b)
{
    struct value *x = ncc_onnx_in(b, 0), *y = ncc_onnx_in(b, 1);
    const enum dtype to = x->dtype;
    struct value *v =
        OX_OP(b, OP_pow, NULL, NULL, ncc_onnx_cast(b, x, DT_F32, "base"), ncc_onnx_cast(b, y, DT_F32, "exponent"));
    return ncc_onnx_give(b, 0, ncc_onnx_cast(b, v, to, "power"));
}

/* PyTorch before opset 7 gave one slope per channel without saying where the channels are. */
bool ncc_onnx_build_prelu(struct ox_build *b)
{
    struct value *x = ncc_onnx_in(b, 0), *slope = ncc_onnx_in(b, 1);
    struct shape per_channel = {.rank = x->shape.rank - 1};
    for (int i = 0; i < per_channel.rank; i++)
        per_channel.dim[i] = i == 0 ? slope->shape.dim[0] : 1;
    if (slope->shape.rank == 1 && x->shape.rank > 2 && slope->shape.dim[0] == x->shape.dim[1] &&
        slope->shape.dim[0] != x->shape.dim[x->shape.rank - 1])
        slope = ncc_onnx_reshape(b, slope, per_channel, "slope");
    return ncc_onnx_give(b, 0, OX_OP(b, OP_prelu, NULL, NULL, x, slope));
}

bool ncc_onnx_build_bit_shift(struct ox_build *b)
{
    const char *direction = ncc_onnx_string(b, "direction", "");
    const struct bit_shift_attrs attrs = {strcmp(direction, "RIGHT") == 0};
    if (!attrs.right && strcmp(direction, "LEFT") != 0)
        return ncc_onnx_refuse(b, "the direction must be LEFT or RIGHT", NULL, "'%s'", direction);
    return ncc_onnx_give(b, 0, OX_OP(b, OP_bit_shift, NULL, &attrs, ncc_onnx_in(b, 0), ncc_onnx_in(b, 1)));
}

/* The sign is that of the dividend with fmod, else that of the divisor. */
bool ncc_onnx_build_mod(struct ox_build *b)
{
    struct value *x = ncc_onnx_in(b, 0), *y = ncc_onnx_in(b, 1);
    const bool fmod = ncc_onnx_int(b, "fmod", 0) != 0;
    if (x && !fmod && ncc_element_is_float(x->dtype))
        return ncc_onnx_refuse(b, "of real numbers only the remainder by fmod is supported", NULL, NULL);
    struct value *v = OX_OP(b, OP_remainder, fmod ? NULL : "remainder", NULL, x, y);
    if (!fmod)
        v = OX_OP(b, OP_remainder, NULL, NULL, OX_OP(b, OP_add, "up", NULL, v, y), y);
    return ncc_onnx_give(b, 0, v);
}

bool ncc_onnx_build_gelu(struct ox_build *b)
{
    const struct gelu_attrs attrs = {strcmp(ncc_onnx_string(b, "approximate", "none"), "tanh") == 0};
    return ncc_onnx_give(b, 0, OX_OP(b, OP_gelu, NULL, &attrs, ncc_onnx_in(b, 0)));
}

/* ---- types ---- */

static bool cast_to(struct ox_build *b, int type)
{
    enum dtype to;
    if (!ncc_onnx_dtype(type, &to))
        return ncc_onnx_refuse(b, "the type to cast to is not supported", NULL, "%s", ncc_onnx_type_name(type));
    return ncc_onnx_give(b, 0, ncc_onnx_cast(b, ncc_onnx_in(b, 0), to, NULL));
}

bool ncc_onnx_build_cast(struct ox_build *b)
{
    return cast_to(b, ncc_onnx_int(b, "to", 0));
}

bool ncc_onnx_build_cast_like(struct ox_build *b)
{
    const struct value *like = ncc_onnx_in(b, 1);
    return like && ncc_onnx_give(b, 0, ncc_onnx_cast(b, ncc_onnx_in(b, 0), like->dtype, NULL));
}

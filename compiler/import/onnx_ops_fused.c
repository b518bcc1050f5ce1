/* com.microsoft: what onnxruntime's optimiser makes of several operators, and leaves in the models that it saves. */
#include "compiler/import/onnx.h"
#include "compiler/ops/attrs.h"

#include <math.h>
#include <string.h>

/* The activations that it fuses, by the names of the operators that they were. Their attributes are numbers in
 * activation_params, in this order. */
enum { MAX_PARAMS = 2 };

static const struct fused_activation {
    const char *name;
    enum op op;
    int n_params;
} activations[] = {
    {"Relu", OP_relu, 0}, {"Sigmoid", OP_sigmoid, 0},  {"Tanh", OP_tanh, 0}, {"LeakyRelu", OP_leaky_relu, 1},
    {"Clip", OP_clip, 2}, {"HardSigmoid", OP_clip, 2},
};

static const struct fused_activation *activation_named(const char *name)
{
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++)
        if (strcmp(activations[i].name, name) == 0)
            return &activations[i];
    return NULL;
}

static bool read_params(struct ox_build *b, const struct fused_activation *f, float *p)
{
    const Onnx__AttributeProto *a = ncc_onnx_attr(b, "activation_params");
    const size_t n = a ? a->n_floats : 0;
    if (n != (size_t)f->n_params)
        return ncc_onnx_refuse(b, "there must be the numbers that the activation takes", NULL, "%zu for %s", n,
                               f->name);
    for (size_t i = 0; i < n; i++) {
        p[i] = a->floats[i];
        if (isnan(p[i]))
            return ncc_onnx_refuse(b, "there must be the numbers that the activation takes", NULL, "NaN for %s",
                                   f->name);
    }
    return true;
}

static struct value *number(struct ox_build *b, float x)
{
    return ncc_onnx_number(b, DT_F32, (double)x);
}

/* What stands in the attribute behind v. NULL: refused. */
static struct value *activated(struct ox_build *b, struct value *v)
{
    const char *name = ncc_onnx_string(b, "activation", "");
    const struct fused_activation *f = activation_named(name);
    float p[MAX_PARAMS];
    if (*name == '\0')
        return v;
    if (!f) {
        ncc_onnx_refuse(b, "a fused activation must be Relu, Sigmoid, Tanh, LeakyRelu, Clip or HardSigmoid",
                        "save the model without onnxruntime's optimisations", "%s", name);
        return NULL;
    }
    if (!v || !read_params(b, f, p))
        return NULL;
    if (strcmp(name, "HardSigmoid") == 0) {
        v = OX_OP(b, OP_add, "shifted", NULL, OX_OP(b, OP_mul, "slope", NULL, v, number(b, p[0])), number(b, p[1]));
        p[0] = 0, p[1] = 1;
    }
    const struct leaky_relu_attrs leaky = {p[0]};
    const struct clip_attrs clip = {p[0] < p[1] ? p[0] : p[1], p[1]};
    return OX_OP(b, f->op, "activation",
                 f->op == OP_clip         ? (const void *)&clip
                 : f->op == OP_leaky_relu ? &leaky
                                          : NULL,
                 v);
}

/* Inputs: x, weights, bias, and what is added before the activation. */
bool ncc_onnx_build_fused_conv(struct ox_build *b)
{
    struct value *y = ncc_onnx_convolve(b, ncc_onnx_in(b, 0), ncc_onnx_in(b, 1), ncc_onnx_in(b, 2));
    if (ncc_onnx_has(b, 3))
        y = OX_OP(b, OP_add, "sum", NULL, y, ncc_onnx_in(b, 3));
    return ncc_onnx_give(b, 0, activated(b, y));
}

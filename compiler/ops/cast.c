#include "compiler/ir/element.h"
#include "compiler/ops/support.h"

static const char *const types[] = {"f32", "f16", "u8", "i8", "i16", "i32", "i64", "bool", NULL};
static const struct attr_desc attrs_table[] = {ATTR_WORDS(struct cast_attrs, to, types, DT_F32), {0}};

static bool infer(struct infer *i)
{
    i->out[0].dtype = (enum dtype)((const struct cast_attrs *)i->node->attrs)->to;
    return true;
}

static void eval(const struct eval_args *a)
{
    const struct tensor *x = a->in[0], *y = a->out[0];
    const bool real = ncc_element_is_float(x->dtype);
    const int64_t n = ncc_shape_count(y->shape);
    for (int64_t i = 0; i < n; i++) {
        if (real)
            ncc_element_set_real(y->dtype, y->data, i, ncc_element_real(x->dtype, x->data, i));
        else
            ncc_element_set_int(y->dtype, y->data, i, ncc_element_int(x->dtype, x->data, i));
    }
}

const struct op_desc ncc_op_cast = {
    .name = "cast",
    .doc = "another element type: reals are cut towards zero and saturate, integers keep their low bits",
    .tflite = "CAST",
    .onnx = "Cast,CastLike",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    NCC_ATTRS(cast_attrs, attrs_table),
    .infer = infer,
    .eval = eval,
};

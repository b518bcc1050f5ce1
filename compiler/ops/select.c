#include "compiler/ops/elementwise.h"

#include <string.h>

static bool infer(struct infer *i)
{
    struct shape both;
    char a[80], b[80], c[80];
    if (!ncc_infer_need_dtype(i, 0, DT_BOOL) || !ncc_infer_need_dtype(i, 2, i->in[1]->dtype))
        return false;
    if (!ncc_shape_broadcast(i->in[1]->shape, i->in[2]->shape, &both) ||
        !ncc_shape_broadcast(i->in[0]->shape, both, &i->out[0].shape))
        return ncc_infer_refuse(i, "shapes %s, %s and %s must be equal or broadcast",
                                ncc_shape_text(i->in[0]->shape, a), ncc_shape_text(i->in[1]->shape, b),
                                ncc_shape_text(i->in[2]->shape, c));
    i->out[0].dtype = i->in[1]->dtype;
    return true;
}

static void eval(const struct eval_args *a)
{
    const size_t size = ncc_dtype_size(a->out[0]->dtype);
    const struct shape out = a->out[0]->shape;
    const int64_t n = ncc_shape_count(out);
    char *to = a->out[0]->data;
    for (int64_t i = 0; i < n; i++, to += size) {
        const uint8_t condition = ((const uint8_t *)a->in[0]->data)[ncc_broadcast_index(a->in[0]->shape, out, i)];
        const struct tensor *from = a->in[condition ? 1 : 2];
        memcpy(to, (const char *)from->data + (size_t)ncc_broadcast_index(from->shape, out, i) * size, size);
    }
}

const struct op_desc ncc_op_select = {
    .name = "select",
    .doc = "elements of the second operand where the first is true, else of the third",
    .tflite = "SELECT,SELECT_V2,ONE_HOT",
    .onnx = "Where,Trilu,OneHot",
    .min_in = 3,
    .max_in = 3,
    .n_out = 1,
    .infer = infer,
    .eval = eval,
};

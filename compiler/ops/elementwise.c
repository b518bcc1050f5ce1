#include "compiler/ops/elementwise.h"

bool ncc_infer_unary(struct infer *i)
{
    return ncc_infer_need_dtype(i, 0, DT_F32);
}

bool ncc_infer_broadcast(struct infer *i)
{
    char a[80], b[80];
    if (ncc_shape_broadcast(i->in[0]->shape, i->in[1]->shape, &i->out[0].shape))
        return true;
    return ncc_infer_refuse(i, "shapes %s and %s must be equal or broadcast", ncc_shape_text(i->in[0]->shape, a),
                            ncc_shape_text(i->in[1]->shape, b));
}

bool ncc_infer_binary(struct infer *i)
{
    return ncc_infer_need_all_f32(i) && ncc_infer_broadcast(i);
}

bool ncc_infer_binary_or_int(struct infer *i)
{
    const enum dtype t = i->in[0]->dtype;
    if (t == DT_F16 || t == DT_BOOL)
        return ncc_infer_refuse(i, "the operands must be f32 or integers");
    return ncc_infer_need_dtype(i, 1, t) && ncc_infer_broadcast(i);
}

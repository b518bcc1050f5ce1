#include "compiler/ops/support.h"
#include "kpu/layout.h"

#include <string.h>

/* Channels of input k and the unused ones behind it. */
static int64_t slots(int channels, int width, bool last)
{
    return last ? channels : (int64_t)ncc_kpu_groups(channels, width) * ncc_kpu_layout_of(width).group;
}

static bool infer(struct infer *i)
{
    const struct value *first = i->in[0];
    int64_t channels = 0;
    for (int k = 0; k < i->node->n_in; k++) {
        const struct value *v = i->in[k];
        if (!ncc_infer_need_kpu(i, k) || !ncc_infer_need_dtype(i, k, first->dtype))
            return false;
        struct shape s = v->shape;
        channels += slots(s.dim[1], s.dim[3], k == i->node->n_in - 1);
        s.dim[1] = first->shape.dim[1];
        if (!ncc_shape_equal(s, first->shape))
            return ncc_infer_refuse(i, "all canvases must have the same height and width");
        if (v->window.top != first->window.top || v->window.left != first->window.left ||
            v->window.h != first->window.h || v->window.w != first->window.w)
            return ncc_infer_refuse(i, "all windows must be the same");
        if (v->window.outside != first->window.outside)
            i->out[0].window.outside = OUT_JUNK;
    }
    if (channels > NCC_MAX_ELEMENTS || first->shape.dim[0] != 1)
        return ncc_infer_refuse(i, "the batch must be 1 and the channels must be countable");
    i->out[0].shape.dim[1] = (int)channels;
    return true;
}

/* Unused channels are junk; here they are zero. */
static void eval(const struct eval_args *a)
{
    const int *out = a->out[0]->shape.dim;
    const size_t map = (size_t)out[2] * (size_t)out[3] * ncc_dtype_size(a->out[0]->dtype);
    char *to = a->out[0]->data;
    memset(to, 0, (size_t)out[1] * map);
    for (int k = 0; k < a->node->n_in; k++) {
        const int channels = a->in[k]->shape.dim[1];
        memcpy(to, a->in[k]->data, (size_t)channels * map);
        to += (size_t)slots(channels, out[3], false) * map;
    }
}

const struct op_desc ncc_op_kpu_concat = {
    .name = "kpu_concat",
    .doc = "canvases side by side in KPU RAM, without a copy; each starts at a channel group",
    .min_in = 1,
    .max_in = -1,
    .n_out = 1,
    .flags = OP_KPU,
    .infer = infer,
    .eval = eval,
};

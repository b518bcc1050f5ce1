#include "compiler/ops/move.h"
#include "compiler/ops/support.h"

static const struct attr_desc attrs_table[] = {ATTR(struct tile_attrs, repeats, ATTR_INTS, 0), {0}};

static bool infer(struct infer *i)
{
    const struct ints *repeats = &((const struct tile_attrs *)i->node->attrs)->repeats;
    if (!ncc_infer_need_list(i, "repeats", repeats))
        return false;
    for (int k = 0; k < repeats->n; k++) {
        const int64_t dim = (int64_t)i->in[0]->shape.dim[k] * repeats->v[k];
        if (repeats->v[k] < 0 || dim > NCC_MAX_ELEMENTS)
            return ncc_infer_refuse(i, "repeats must not be negative or too large");
        i->out[0].shape.dim[k] = (int)dim;
    }
    return true;
}

/* Each repetition is one box; boxes are counted like the digits of a number. */
static void eval(const struct eval_args *a)
{
    const struct ints *repeats = &((const struct tile_attrs *)a->node->attrs)->repeats;
    const size_t size = ncc_dtype_size(a->in[0]->dtype);
    struct move m = {.rank = repeats->n};
    int64_t n_boxes = 1;
    ncc_move_strides(a->in[0]->shape, m.from_stride);
    ncc_move_strides(a->out[0]->shape, m.to_stride);
    for (int i = 0; i < m.rank; i++) {
        m.dim[i] = a->in[0]->shape.dim[i];
        n_boxes *= repeats->v[i];
    }
    for (int64_t box = 0; box < n_boxes; box++) {
        int64_t at = 0, rest = box;
        for (int i = m.rank - 1; i >= 0; i--) {
            at += rest % repeats->v[i] * m.dim[i] * m.to_stride[i];
            rest /= repeats->v[i];
        }
        ncc_move(&m, size, (char *)a->out[0]->data + at * (int64_t)size, a->in[0]->data);
    }
}

const struct op_desc ncc_op_tile = {
    .name = "tile",
    .doc = "the input repeated along each dimension",
    .tflite = "TILE,BROADCAST_TO,FILL",
    .onnx = "Tile,Expand",
    .caffe = "Tile",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .flags = OP_SAME_QUANT,
    NCC_ATTRS(tile_attrs, attrs_table),
    .infer = infer,
    .eval = eval,
};

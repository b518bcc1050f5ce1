#include "compiler/ops/move.h"
#include "compiler/ops/support.h"
#include "kpu/layout.h"

#include <string.h>

static const struct attr_desc attrs_table[] = {
    ATTR(struct kpu_recanvas_attrs, canvas_h, ATTR_INT, 0),
    ATTR(struct kpu_recanvas_attrs, canvas_w, ATTR_INT, 0),
    ATTR(struct kpu_recanvas_attrs, skip, ATTR_INT, 0),
    ATTR(struct kpu_recanvas_attrs, top, ATTR_INT, 0),
    ATTR(struct kpu_recanvas_attrs, left, ATTR_INT, 0),
    ATTR(struct kpu_recanvas_attrs, h, ATTR_INT, 0),
    ATTR(struct kpu_recanvas_attrs, w, ATTR_INT, 0),
    ATTR_WORDS(struct kpu_recanvas_attrs, outside, ncc_outside_names, OUT_JUNK),
    {0},
};

static bool infer(struct infer *i)
{
    const struct kpu_recanvas_attrs *p = i->node->attrs;
    if (!ncc_infer_need_kpu(i, 0))
        return false;
    const int *x = i->in[0]->shape.dim;
    if (p->canvas_h < 1 || p->canvas_w < 1)
        return ncc_infer_refuse(i, "the canvas must not be empty");
    const struct ncc_kpu_layout old = ncc_kpu_layout_of(x[3]), new = ncc_kpu_layout_of(p->canvas_w);
    if (old.group != new.group || old.row_lines != new.row_lines)
        return ncc_infer_refuse(i, "width %d cannot become %d: rows must keep their lines", x[3], p->canvas_w);
    if (p->skip < 0 || p->skip >= x[2])
        return ncc_infer_refuse(i, "row %d is not in the canvas", p->skip);
    if ((p->canvas_h != x[2] || p->skip > 0) && ncc_kpu_groups(x[1], x[3]) > 1)
        return ncc_infer_refuse(i, "the height can only change when all %d channels share a line", x[1]);
    i->out[0].shape = ncc_shape_4(x[0], x[1], p->canvas_h, p->canvas_w);
    return ncc_infer_set_window(i, p->top, p->left, p->h, p->w, p->outside);
}

/* What is new is junk; here it is zero. */
static void eval(const struct eval_args *a)
{
    const struct kpu_recanvas_attrs *p = a->node->attrs;
    const struct shape in = a->in[0]->shape, out = a->out[0]->shape;
    const size_t size = ncc_dtype_size(a->in[0]->dtype);
    struct move m = {.rank = 4};
    memset(a->out[0]->data, 0, (size_t)ncc_shape_count(out) * size);
    ncc_move_strides(in, m.from_stride);
    ncc_move_strides(out, m.to_stride);
    for (int i = 0; i < 4; i++) {
        const int there = i == 2 ? in.dim[i] - p->skip : in.dim[i];
        m.dim[i] = there < out.dim[i] ? there : out.dim[i];
    }
    const char *from = (const char *)a->in[0]->data + (size_t)p->skip * (size_t)in.dim[3] * size;
    ncc_move(&m, size, a->out[0]->data, from);
}

const struct op_desc ncc_op_kpu_recanvas = {
    .name = "kpu_recanvas",
    .doc = "the same bytes of KPU RAM declared with another height or width",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .flags = OP_SAME_QUANT | OP_ALIAS | OP_KPU,
    NCC_ATTRS(kpu_recanvas_attrs, attrs_table),
    .infer = infer,
    .eval = eval,
};

/* kpu_view: lines of KPU RAM as a canvas of another layout. */
#include "compiler/ops/support.h"
#include "kpu/layout.h"

#include <string.h>

static const struct attr_desc attrs_table[] = {
    ATTR(struct kpu_view_attrs, line, ATTR_INT, 0),
    ATTR(struct kpu_view_attrs, c, ATTR_INT, 0),
    ATTR(struct kpu_view_attrs, canvas_h, ATTR_INT, 0),
    ATTR(struct kpu_view_attrs, canvas_w, ATTR_INT, 0),
    ATTR(struct kpu_view_attrs, top, ATTR_INT, 0),
    ATTR(struct kpu_view_attrs, left, ATTR_INT, 0),
    ATTR(struct kpu_view_attrs, h, ATTR_INT, 0),
    ATTR(struct kpu_view_attrs, w, ATTR_INT, 0),
    ATTR_WORDS(struct kpu_view_attrs, outside, ncc_outside_names, OUT_JUNK),
    {0},
};

static bool infer(struct infer *i)
{
    const struct kpu_view_attrs *p = i->node->attrs;
    if (!ncc_infer_need_kpu(i, 0))
        return false;
    const int *x = i->in[0]->shape.dim;
    const struct shape y = ncc_shape_4(1, p->c, p->canvas_h, p->canvas_w);
    if (x[0] != 1 || p->c < 1 || p->canvas_h < 1 || p->canvas_w < 1 || ncc_shape_count(y) < 0)
        return ncc_infer_refuse(i, "the batch must be 1, and the canvas not be empty");
    const int64_t have = ncc_kpu_lines(x[1], x[2], x[3]), want = ncc_kpu_lines(p->c, p->canvas_h, p->canvas_w);
    if (p->line < 0 || p->line > have - want)
        return ncc_infer_refuse(i, "%d lines from line %d on are not in the %d lines of the input", (int)want, p->line,
                                (int)have);
    i->out[0].shape = y;
    return ncc_infer_set_window(i, p->top, p->left, p->h, p->w, p->outside);
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* Bytes that are no element of the input are junk; here they are zero. Bytes side by side are elements side by side until
 * a channel's share of a line ends, in one layout or the other. */
static void view_row(const struct eval_args *a, int c, int y, char *to)
{
    const struct kpu_view_attrs *p = a->node->attrs;
    const int *in = a->in[0]->shape.dim, *out = a->out[0]->shape.dim;
    const size_t size = ncc_dtype_size(a->in[0]->dtype);
    const int in_pitch = ncc_kpu_layout_of(in[3]).pitch, out_pitch = ncc_kpu_layout_of(out[3]).pitch;
    for (int x = 0, n; x < out[3]; x += n) {
        const int64_t at = ncc_kpu_address(c, y, x, out[2], out[3]) + (int64_t)p->line * NCC_KPU_LINE_SIZE;
        const struct ncc_kpu_element e = ncc_kpu_element_at(at, in[2], in[3]);
        n = least(least(out_pitch - x % out_pitch, in_pitch - e.x % in_pitch), out[3] - x);
        const int there = e.c >= in[1] || e.x >= in[3] ? 0 : least(n, in[3] - e.x);
        const char *from = a->in[0]->data;
        if (there)
            memcpy(to + x * size, from + (((size_t)e.c * in[2] + e.y) * in[3] + e.x) * size, there * size);
        memset(to + (x + there) * size, 0, (n - there) * size);
    }
}

static void eval(const struct eval_args *a)
{
    const int *out = a->out[0]->shape.dim;
    const size_t row = out[3] * ncc_dtype_size(a->in[0]->dtype);
    char *to = a->out[0]->data;
    for (int c = 0; c < out[1]; c++)
        for (int y = 0; y < out[2]; y++, to += row)
            view_row(a, c, y, to);
}

const struct op_desc ncc_op_kpu_view = {
    .name = "kpu_view",
    .doc = "lines of KPU RAM declared as a canvas of another layout",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .flags = OP_SAME_QUANT | OP_ALIAS | OP_KPU,
    NCC_ATTRS(kpu_view_attrs, attrs_table),
    .infer = infer,
    .eval = eval,
};

#include "compiler/ops/support.h"

const char *const ncc_outside_names[] = {"junk", "zero", "lowest", NULL};

bool ncc_infer_need_dtype(struct infer *i, int input, enum dtype t)
{
    if (input >= i->node->n_in || !i->in[input] || i->in[input]->dtype == t)
        return true;
    return ncc_infer_refuse(i, "input %d must be %s", input, ncc_dtype_name(t));
}

bool ncc_infer_need_all_f32(struct infer *i)
{
    for (int k = 0; k < i->node->n_in; k++)
        if (!ncc_infer_need_dtype(i, k, DT_F32))
            return false;
    return true;
}

bool ncc_infer_need_rank(struct infer *i, int input, int rank)
{
    if (input >= i->node->n_in || !i->in[input] || i->in[input]->shape.rank == rank)
        return true;
    return ncc_infer_refuse(i, "input %d must have %d dimensions", input, rank);
}

bool ncc_infer_need_axis(struct infer *i, int axis, int rank)
{
    if (axis >= 0 && axis < rank)
        return true;
    return ncc_infer_refuse(i, "axis %d must be one of the %d dimensions", axis, rank);
}

bool ncc_infer_need_list(struct infer *i, const char *name, const struct ints *list)
{
    if (list->n == i->in[0]->shape.rank)
        return true;
    return ncc_infer_refuse(i, "%s must have one entry for each of the %d dimensions, not %d", name,
                            i->in[0]->shape.rank, list->n);
}

bool ncc_infer_need_bias(struct infer *i, int input, int n, enum dtype t)
{
    if (input >= i->node->n_in || !i->in[input])
        return true;
    const struct shape s = i->in[input]->shape;
    if (s.rank != 1 || s.dim[0] != n)
        return ncc_infer_refuse(i, "the bias must have one number for each of the %d output channels", n);
    return ncc_infer_need_dtype(i, input, t);
}

bool ncc_infer_need_kpu(struct infer *i, int input)
{
    if (i->in[input]->mem != MEM_KPU)
        return ncc_infer_refuse(i, "input %d must lie in KPU RAM", input);
    return ncc_infer_need_canvas(i, input);
}

bool ncc_infer_need_canvas(struct infer *i, int input)
{
    if (!ncc_infer_need_rank(i, input, 4))
        return false;
    const int batch = i->in[input]->shape.dim[0];
    return batch == 1 || ncc_infer_refuse(i, "a canvas is one map, not %d", batch);
}

/* No model has more of anything, and sums of products of these fit an int. */
#define MAX_WINDOW 32767 /* what a kmodel takes */

static bool sane(int64_t x, int64_t least)
{
    return x >= least && x <= MAX_WINDOW;
}

int ncc_infer_window_size(int64_t in, int64_t before, int64_t after, int64_t kernel, int64_t stride, int64_t dilation)
{
    if (in < 1 || !sane(before, 0) || !sane(after, 0) || !sane(kernel, 1) || !sane(stride, 1) || !sane(dilation, 1))
        return 0;
    const int64_t room = in + before + after - ((kernel - 1) * dilation + 1);
    const int64_t out = room < 0 ? 0 : room / stride + 1;
    return out > NCC_MAX_ELEMENTS ? 0 : (int)out;
}

bool ncc_infer_set_window(struct infer *i, int top, int left, int h, int w, int outside)
{
    const int *dim = i->out[0].shape.dim;
    if (top < 0 || left < 0 || h < 1 || w < 1 || top > dim[2] - h || left > dim[3] - w)
        return ncc_infer_refuse(i, "the window (%d, %d) %dx%d must lie inside the canvas %dx%d", top, left, h, w,
                                dim[2], dim[3]);
    i->out[0].mem = MEM_KPU;
    i->out[0].window = (struct window){top, left, h, w, (enum outside)outside};
    return true;
}

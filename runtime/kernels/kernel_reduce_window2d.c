#include "runtime/kernels/kernel.h"
#include "runtime/kernels/pool.h"

void ncc_kernel_reduce_window2d(const void *body, const struct ncc_kernel_memory *memory)
{
    const struct ncc_km_reduce_window2d *const op = body;
    const struct ncc_km_window *const w = &op->window;
    const int32_t *const in = op->in_shape;
    const int32_t out_h = ncc_slide_positions(in[2], w->pad_h, w->filter_h, w->stride_h, w->dilation_h);
    const int32_t out_w = ncc_slide_positions(in[3], w->pad_w, w->filter_w, w->stride_w, w->dilation_w);
    const struct ncc_slide_tensor in_layout = ncc_slide_nchw(in[0], in[1], in[2], in[3]);
    const struct ncc_slide_tensor out_layout = ncc_slide_nchw(in[0], in[1], out_h, out_w);
    const struct ncc_pool pool = {op->op, op->init, op->act, w};
    ncc_pool(&pool, &in_layout, ncc_kernel_in(memory, &op->in), &out_layout, ncc_kernel_out(memory, &op->out));
}

#include "runtime/kernels/pool.h"
#include "runtime/kernels/kernel.h"
#include "runtime/kernels/kernel_math.h"

/* The value of one window. `in` is the plane's first element; padding does not count. */
static float reduce_window(const struct ncc_pool *p, const struct ncc_slide_tensor *layout, const float *in,
                           struct ncc_slide_taps ty, struct ncc_slide_taps tx)
{
    float value = p->init;
    for (int32_t ky = ty.first; ky < ty.first + ty.n; ky++) {
        const float *const row = in + (ptrdiff_t)(ty.origin + (int64_t)ky * p->window->dilation_h) * layout->h_step;
        for (int32_t kx = tx.first; kx < tx.first + tx.n; kx++) {
            const ptrdiff_t x = (ptrdiff_t)(tx.origin + (int64_t)kx * p->window->dilation_w);
            value = ncc_kernel_reduce_f32(p->op, value, row[x * layout->w_step]);
        }
    }
    if (p->op == NCC_KM_REDUCE_MEAN)
        value /= (float)ty.n * (float)tx.n;
    return ncc_kernel_clamp(value, p->act);
}

static void pool_plane(const struct ncc_pool *p, const struct ncc_slide_tensor *in_layout, const float *in,
                       const struct ncc_slide_tensor *out_layout, float *out)
{
    const struct ncc_km_window *const w = p->window;
    for (int32_t y = 0; y < out_layout->h; y++) {
        const struct ncc_slide_taps ty =
            ncc_slide_taps(y, w->stride_h, w->pad_h.before, w->filter_h, w->dilation_h, in_layout->h);
        for (int32_t x = 0; x < out_layout->w; x++) {
            const struct ncc_slide_taps tx =
                ncc_slide_taps(x, w->stride_w, w->pad_w.before, w->filter_w, w->dilation_w, in_layout->w);
            out[y * out_layout->h_step + x * out_layout->w_step] = reduce_window(p, in_layout, in, ty, tx);
        }
    }
}

void ncc_pool(const struct ncc_pool *p, const struct ncc_slide_tensor *in_layout, const float *in,
              const struct ncc_slide_tensor *out_layout, float *out)
{
    for (int32_t n = 0; n < out_layout->n; n++)
        for (int32_t c = 0; c < out_layout->c; c++)
            pool_plane(p, in_layout, in + n * in_layout->n_step + c * in_layout->c_step, out_layout,
                       out + n * out_layout->n_step + c * out_layout->c_step);
}

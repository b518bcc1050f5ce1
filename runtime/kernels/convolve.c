#include "runtime/kernels/convolve.h"
#include "runtime/kernels/kernel.h"
#include "runtime/kernels/kernel_math.h"

#include <string.h>

static int32_t out_h(int32_t in_h, const struct ncc_km_window *w)
{
    return ncc_slide_positions(in_h, w->pad_h, w->filter_h, w->stride_h, w->dilation_h);
}

static int32_t out_w(int32_t in_w, const struct ncc_km_window *w)
{
    return ncc_slide_positions(in_w, w->pad_w, w->filter_w, w->stride_w, w->dilation_w);
}

struct ncc_convolution ncc_convolution_nchw(const int32_t in_shape[4], int32_t out_c, int32_t groups,
                                            const struct ncc_km_window *window)
{
    const int32_t h = out_h(in_shape[2], window), w = out_w(in_shape[3], window);
    return (struct ncc_convolution){ncc_slide_nchw(in_shape[0], in_shape[1], in_shape[2], in_shape[3]),
                                    ncc_slide_nchw(in_shape[0], out_c, h, w), window, groups, false};
}

struct ncc_convolution ncc_convolution_nhwc(const int32_t in_shape[4], int32_t out_c, int32_t groups,
                                            const struct ncc_km_window *window)
{
    const int32_t h = out_h(in_shape[1], window), w = out_w(in_shape[2], window);
    return (struct ncc_convolution){ncc_slide_nhwc(in_shape[0], in_shape[1], in_shape[2], in_shape[3]),
                                    ncc_slide_nhwc(in_shape[0], h, w, out_c), window, groups, true};
}

/* A loop over one of ic, ky, kx: how often, and how far input and weights move each time. */
struct axis {
    int32_t n;
    ptrdiff_t in_step, w_step;
};

/* The sum for one output element: where its first pair of input and weight is, and the three loops, outermost first.
 * Offsets in elements. */
struct dot {
    ptrdiff_t in, weights;
    struct axis axis[3];
};

/* What all elements of an output plane have in common. */
struct plane {
    ptrdiff_t in, weights, out;
    int32_t oc;
    struct axis ic, ky, kx; /* ky.n and kx.n depend on the element */
};

static struct plane plane_at(const struct ncc_convolution *c, int32_t n, int32_t oc)
{
    const struct ncc_km_window *const w = c->window;
    const int32_t group_ic = c->in.c / c->groups, group = oc / (c->out.c / c->groups);
    const ptrdiff_t taps = (ptrdiff_t)w->filter_h * w->filter_w;
    const ptrdiff_t kx_step = c->channels_last ? group_ic : 1;
    return (struct plane){
        .in = n * c->in.n_step + (ptrdiff_t)group * group_ic * c->in.c_step,
        .weights = oc * taps * group_ic,
        .out = n * c->out.n_step + oc * c->out.c_step,
        .oc = oc,
        .ic = {group_ic, c->in.c_step, c->channels_last ? 1 : taps},
        .ky = {0, w->dilation_h * c->in.h_step, kx_step * w->filter_w},
        .kx = {0, w->dilation_w * c->in.w_step, kx_step},
    };
}

/* The dot of the element whose windows are ty and tx. */
static struct dot dot_at(const struct ncc_convolution *c, const struct plane *p, struct ncc_slide_taps ty,
                         struct ncc_slide_taps tx)
{
    struct axis ic = p->ic, ky = p->ky, kx = p->kx;
    ky.n = ty.n;
    kx.n = tx.n;
    if (ty.n == 0 || tx.n == 0) /* the window lies wholly in the padding */
        return (struct dot){.axis = {{0}}};
    return (struct dot){
        .in = p->in + (ptrdiff_t)ty.origin * c->in.h_step + ty.first * ky.in_step +
              (ptrdiff_t)tx.origin * c->in.w_step + tx.first * kx.in_step,
        .weights = p->weights + ty.first * ky.w_step + tx.first * kx.w_step,
        .axis = {c->channels_last ? ky : ic, c->channels_last ? kx : ky, c->channels_last ? ic : kx},
    };
}

static struct ncc_slide_taps rows_at(const struct ncc_convolution *c, int32_t y)
{
    const struct ncc_km_window *const w = c->window;
    return ncc_slide_taps(y, w->stride_h, w->pad_h.before, w->filter_h, w->dilation_h, c->in.h);
}

static struct ncc_slide_taps columns_at(const struct ncc_convolution *c, int32_t x)
{
    const struct ncc_km_window *const w = c->window;
    return ncc_slide_taps(x, w->stride_w, w->pad_w.before, w->filter_w, w->dilation_w, c->in.w);
}

/* Loops over all elements of the output. ELEMENT sees the plane `p`, the dot `d`, and where its value belongs: `at`. */
#define FOR_ALL_DOTS(c, ELEMENT)                                                                                       \
    for (int32_t n = 0; n < (c)->out.n; n++)                                                                           \
        for (int32_t oc = 0; oc < (c)->out.c; oc++) {                                                                  \
            const struct plane p = plane_at((c), n, oc);                                                               \
            for (int32_t y = 0; y < (c)->out.h; y++) {                                                                 \
                const struct ncc_slide_taps ty = rows_at((c), y);                                                      \
                for (int32_t x = 0; x < (c)->out.w; x++) {                                                             \
                    const struct dot d = dot_at((c), &p, ty, columns_at((c), x));                                      \
                    const ptrdiff_t at = p.out + y * (c)->out.h_step + x * (c)->out.w_step;                            \
                    ELEMENT;                                                                                           \
                }                                                                                                      \
            }                                                                                                          \
        }

static float dot_f32(const struct dot *d, const float *in, const float *weights, float sum)
{
    const struct axis inner = d->axis[2];
    for (int32_t i = 0; i < d->axis[0].n; i++)
        for (int32_t j = 0; j < d->axis[1].n; j++) {
            const float *const x = in + d->in + i * d->axis[0].in_step + j * d->axis[1].in_step;
            const float *const w = weights + d->weights + i * d->axis[0].w_step + j * d->axis[1].w_step;
            for (int32_t k = 0; k < inner.n; k++)
                sum += x[k * inner.in_step] * w[k * inner.w_step];
        }
    return sum;
}

void ncc_convolve_f32(const struct ncc_convolution *c, const float *in, const float *weights, const float *bias,
                      struct ncc_km_clamp act, float *out)
{
    FOR_ALL_DOTS(c, out[at] = ncc_kernel_clamp(dot_f32(&d, in, weights, bias[p.oc]), act))
}

/* Unsigned, so that sums that leave 32 bits wrap without being undefined. */
static uint32_t dot_u8(const struct dot *d, const uint8_t *in, const uint8_t *weights, const struct ncc_convolve_q *q)
{
    const struct axis inner = d->axis[2];
    uint32_t sum = 0;
    for (int32_t i = 0; i < d->axis[0].n; i++)
        for (int32_t j = 0; j < d->axis[1].n; j++) {
            const uint8_t *const x = in + d->in + i * d->axis[0].in_step + j * d->axis[1].in_step;
            const uint8_t *const w = weights + d->weights + i * d->axis[0].w_step + j * d->axis[1].w_step;
            for (int32_t k = 0; k < inner.n; k++)
                sum += (x[k * inner.in_step] + (uint32_t)q->in_add) * (w[k * inner.w_step] + (uint32_t)q->filter_add);
        }
    return sum;
}

static uint32_t bias_at(const uint8_t *bias, int32_t oc)
{
    uint32_t v;
    memcpy(&v, bias + (size_t)oc * sizeof v, sizeof v);
    return v;
}

void ncc_convolve_u8(const struct ncc_convolution *c, const uint8_t *in, const uint8_t *weights, const uint8_t *bias,
                     const struct ncc_convolve_q *q, uint8_t *out)
{
    const struct ncc_kernel_scale scale = ncc_kernel_scale(q->out_mul, q->out_shift);
    FOR_ALL_DOTS(c, const uint32_t sum = bias_at(bias, p.oc) + dot_u8(&d, in, weights, q);
                 out[at] = ncc_kernel_requantize((int32_t)sum, scale, q->out_offset))
}

#include "runtime/kernels/kernel.h"
#include "runtime/kernels/slide.h"

#include <float.h>
#include <stdbool.h>

struct scatter {
    const struct ncc_km_conv2d_transpose *op;
    const float *weights; /* of the group and input channel, for its first output channel */
    float *out;           /* the group's first plane */
    int32_t group_oc;
    ptrdiff_t plane, oc_step; /* distances between output channels in `out` and in `weights` */
};

/* Adds one input element, times the filter, to all output channels of its group. */
static void scatter_element(const struct scatter *s, float x, struct ncc_slide_taps ty, struct ncc_slide_taps tx)
{
    const struct ncc_km_window *const w = &s->op->window;
    const int32_t out_w = s->op->out_shape[3];
    for (int32_t oc = 0; oc < s->group_oc; oc++)
        for (int32_t ky = ty.first; ky < ty.first + ty.n; ky++) {
            const ptrdiff_t y = (ptrdiff_t)(ty.origin + (int64_t)ky * w->dilation_h);
            float *const row = s->out + oc * s->plane + y * out_w;
            const float *const filter = s->weights + oc * s->oc_step + (ptrdiff_t)ky * w->filter_w;
            for (int32_t kx = tx.first; kx < tx.first + tx.n; kx++)
                row[tx.origin + (int64_t)kx * w->dilation_w] += x * filter[kx];
        }
}

/* All elements of one input plane. */
static void scatter_plane(const struct scatter *s, const float *in)
{
    const struct ncc_km_window *const w = &s->op->window;
    const int32_t *const in_shape = s->op->in_shape, *const out_shape = s->op->out_shape;
    for (int32_t y = 0; y < in_shape[2]; y++) {
        const struct ncc_slide_taps ty =
            ncc_slide_taps(y, w->stride_h, w->pad_h.before, w->filter_h, w->dilation_h, out_shape[2]);
        for (int32_t x = 0; x < in_shape[3]; x++) {
            const struct ncc_slide_taps tx =
                ncc_slide_taps(x, w->stride_w, w->pad_w.before, w->filter_w, w->dilation_w, out_shape[3]);
            scatter_element(s, *in++, ty, tx);
        }
    }
}

static void scatter_batch(const struct ncc_km_conv2d_transpose *op, const float *in, float *out)
{
    const int32_t group_ic = op->in_shape[1] / op->groups;
    const ptrdiff_t in_plane = (ptrdiff_t)op->in_shape[2] * op->in_shape[3];
    const ptrdiff_t taps = (ptrdiff_t)op->window.filter_h * op->window.filter_w;
    struct scatter s = {.op = op, .group_oc = op->out_shape[1] / op->groups};
    s.plane = (ptrdiff_t)op->out_shape[2] * op->out_shape[3];
    s.oc_step = taps * group_ic;
    for (int32_t g = 0; g < op->groups; g++) {
        s.out = out + g * s.group_oc * s.plane;
        for (int32_t ic = 0; ic < group_ic; ic++) {
            s.weights = (const float *)(const void *)(op + 1) + g * s.group_oc * s.oc_step + ic * taps;
            scatter_plane(&s, in + (g * group_ic + ic) * in_plane);
        }
    }
}

static bool is_everything(struct ncc_km_clamp act)
{
    return act.min == -FLT_MAX && act.max == FLT_MAX;
}

/* The field's runtime reads the bias and never adds it, and so does this one: compilers that know store an addition
 * behind it. */
void ncc_kernel_conv2d_transpose(const void *body, const struct ncc_kernel_memory *memory)
{
    const struct ncc_km_conv2d_transpose *const op = body;
    const float *const in = ncc_kernel_in(memory, &op->in);
    float *const out = ncc_kernel_out(memory, &op->out);
    const size_t n_out = op->out.size / sizeof(float), in_batch = op->in.size / sizeof(float) / (size_t)op->in_shape[0];
    const size_t out_batch = n_out / (size_t)op->out_shape[0];
    for (size_t i = 0; i < n_out; i++)
        out[i] = 0.0f;
    for (size_t n = 0; n < (size_t)op->in_shape[0]; n++)
        scatter_batch(op, in + n * in_batch, out + n * out_batch);
    if (is_everything(op->act))
        return;
    for (size_t i = 0; i < n_out; i++)
        out[i] = ncc_kernel_clamp(out[i], op->act);
}

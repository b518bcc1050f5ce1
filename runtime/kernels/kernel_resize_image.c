#include "runtime/kernels/kernel.h"

#include <stdbool.h>

/* One dimension of the resize: its sizes and input pixels per output pixel. */
struct scale {
    int32_t in;
    float step;
};

static struct scale scale_of(int32_t in, int32_t out, bool align_corners)
{
    const bool aligned = align_corners && out > 1;
    return (struct scale){in, aligned ? (float)(in - 1) / (float)(out - 1) : (float)in / (float)out};
}

/* Positions are not negative, so the conversion is the floor. Rounding of the product may point one beyond the last
 * pixel. */
static int32_t nearest(struct scale s, int32_t o)
{
    const float i = (float)o * s.step;
    return i < (float)s.in ? (int32_t)i : s.in - 1;
}

/* Input pixels i0 and i1, and the distance from i0. */
struct between {
    int32_t i0, i1;
    float d;
};

static struct between between(struct scale s, int32_t o)
{
    const int32_t i0 = nearest(s, o);
    const int32_t i1 = i0 + 1 < s.in ? i0 + 1 : i0;
    return (struct between){i0, i1, (float)o * s.step - (float)i0};
}

static float pixel(const void *plane, size_t i, bool is_f32)
{
    return is_f32 ? ((const float *)plane)[i] : (float)((const uint8_t *)plane)[i];
}

static float interpolate(const void *plane, int32_t in_w, bool is_f32, struct between y, struct between x)
{
    const size_t row0 = (size_t)y.i0 * (size_t)in_w, row1 = (size_t)y.i1 * (size_t)in_w;
    const float v0 = pixel(plane, row0 + (size_t)x.i0, is_f32), v1 = pixel(plane, row1 + (size_t)x.i0, is_f32);
    const float v2 = pixel(plane, row0 + (size_t)x.i1, is_f32), v3 = pixel(plane, row1 + (size_t)x.i1, is_f32);
    const float a0 = (1 - y.d) * (1 - x.d), a1 = y.d * (1 - x.d), a2 = (1 - y.d) * x.d, a3 = y.d * x.d;
    return v0 * a0 + v1 * a1 + v2 * a2 + v3 * a3;
}

struct resize {
    const struct ncc_km_resize_image *op;
    struct scale y, x;
    bool is_f32;
};

static void resize_row(const struct resize *r, const void *plane, int32_t oy, void *out)
{
    const int32_t in_w = r->op->in_shape[3];
    const bool is_nearest = r->op->mode == NCC_KM_RESIZE_NEAREST;
    const struct between y = between(r->y, oy);
    const size_t row = (size_t)y.i0 * (size_t)in_w;
    for (int32_t ox = 0; ox < r->op->out_w; ox++) {
        const float v = is_nearest ? pixel(plane, row + (size_t)nearest(r->x, ox), r->is_f32)
                                   : interpolate(plane, in_w, r->is_f32, y, between(r->x, ox));
        if (r->is_f32)
            ((float *)out)[ox] = v;
        else
            ((uint8_t *)out)[ox] = (uint8_t)(v < 0.0f ? 0.0f : v < 255.0f ? v : 255.0f); /* truncated */
    }
}

/* Nearest ignores align_corners. */
void ncc_kernel_resize_image(const void *body, const struct ncc_kernel_memory *memory)
{
    const struct ncc_km_resize_image *const op = body;
    const bool aligned = op->align_corners != 0 && op->mode == NCC_KM_RESIZE_BILINEAR;
    const struct resize r = {op, scale_of(op->in_shape[2], op->out_h, aligned),
                             scale_of(op->in_shape[3], op->out_w, aligned), op->in.datatype == NCC_KM_F32};
    const size_t element_size = r.is_f32 ? sizeof(float) : 1;
    const size_t plane = (size_t)op->in_shape[2] * (size_t)op->in_shape[3] * element_size;
    const size_t row = (size_t)op->out_w * element_size;
    const uint8_t *in = ncc_kernel_in(memory, &op->in);
    uint8_t *out = ncc_kernel_out(memory, &op->out);
    for (int32_t i = 0; i < op->in_shape[0] * op->in_shape[1]; i++, in += plane)
        for (int32_t y = 0; y < op->out_h; y++, out += row)
            resize_row(&r, in, y, out);
}

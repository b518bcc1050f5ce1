#include "runtime/kernels/kernel.h"

#include <string.h>

/* The bytes of the value, and of an element. */
struct filler {
    const uint8_t *value;
    size_t size;
};

static uint8_t *fill(uint8_t *out, size_t n, struct filler f)
{
    if (f.size == 1)
        memset(out, f.value[0], n);
    else
        for (size_t i = 0; i < n; i++)
            memcpy(out + i * f.size, f.value, f.size);
    return out + n * f.size;
}

/* Where index i of the output lies in the input; -1: nowhere. Negative padding crops. */
static int32_t source(const struct ncc_km_pad *op, int dim, int32_t i)
{
    const int64_t from = (int64_t)i - op->pads[dim].before;
    return from >= 0 && from < op->in_shape[dim] ? (int32_t)from : -1;
}

static int32_t out_dim(const struct ncc_km_pad *op, int dim)
{
    return (int32_t)((int64_t)op->in_shape[dim] + op->pads[dim].before + op->pads[dim].after);
}

/* A row of the output from the row of the input that belongs to it. */
static uint8_t *pad_row(const struct ncc_km_pad *op, const uint8_t *in, uint8_t *out, struct filler f)
{
    const int64_t width = out_dim(op, 3), before = op->pads[3].before;
    const int64_t begin = before < 0 ? 0 : before < width ? before : width;
    const int64_t in_end = before + op->in_shape[3];
    const int64_t end = in_end > width ? width : in_end > begin ? in_end : begin;
    out = fill(out, (size_t)begin, f);
    if (end > begin) {
        const size_t size = (size_t)(end - begin) * f.size;
        memmove(out, in + (size_t)(begin - before) * f.size, size);
        out += size;
    }
    return fill(out, (size_t)(width - end), f);
}

void ncc_kernel_pad(const void *body, const struct ncc_kernel_memory *memory)
{
    const struct ncc_km_pad *const op = body;
    const struct filler f = {op->value, op->in.datatype == NCC_KM_F32 ? sizeof(float) : 1};
    const uint8_t *const in = ncc_kernel_in(memory, &op->in);
    uint8_t *out = ncc_kernel_out(memory, &op->out);
    const int32_t *const dim = op->in_shape;
    for (int32_t n = 0; n < out_dim(op, 0); n++)
        for (int32_t c = 0; c < out_dim(op, 1); c++)
            for (int32_t h = 0; h < out_dim(op, 2); h++) {
                const int32_t in_n = source(op, 0, n), in_c = source(op, 1, c), in_h = source(op, 2, h);
                const size_t row = ((size_t)in_n * (size_t)dim[1] + (size_t)in_c) * (size_t)dim[2] + (size_t)in_h;
                if (in_n < 0 || in_c < 0 || in_h < 0)
                    out = fill(out, (size_t)out_dim(op, 3), f);
                else
                    out = pad_row(op, in + row * (size_t)dim[3] * f.size, out, f);
            }
}

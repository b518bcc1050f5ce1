#include "runtime/kernels/slide.h"

struct ncc_slide_tensor ncc_slide_nchw(int32_t n, int32_t c, int32_t h, int32_t w)
{
    const ptrdiff_t plane = (ptrdiff_t)h * w;
    return (struct ncc_slide_tensor){n, c, h, w, plane * c, plane, w, 1};
}

struct ncc_slide_tensor ncc_slide_nhwc(int32_t n, int32_t h, int32_t w, int32_t c)
{
    const ptrdiff_t row = (ptrdiff_t)w * c;
    return (struct ncc_slide_tensor){n, c, h, w, row * h, 1, row, c};
}

int32_t ncc_slide_positions(int32_t in, struct ncc_km_padding pad, int32_t filter, int32_t stride, int32_t dilation)
{
    const int64_t room = (int64_t)in + pad.before + pad.after - ((int64_t)(filter - 1) * dilation + 1);
    return (int32_t)(room / stride) + 1;
}

/* Smallest k >= 0 with k * dilation >= distance. */
static int64_t taps_before(int64_t distance, int32_t dilation)
{
    if (distance <= 0)
        return 0;
    return dilation == 1 ? distance : (distance + dilation - 1) / dilation;
}

struct ncc_slide_taps ncc_slide_taps(int32_t position, int32_t stride, int32_t pad_before, int32_t filter,
                                     int32_t dilation, int32_t in)
{
    const int64_t origin = (int64_t)position * stride - pad_before;
    const int64_t first = taps_before(-origin, dilation);
    const int64_t inside = taps_before(in - origin, dilation);
    const int64_t end = inside < filter ? inside : filter;
    if (first >= end)
        return (struct ncc_slide_taps){.origin = origin};
    return (struct ncc_slide_taps){origin, (int32_t)first, (int32_t)(end - first)};
}

#include "runtime/kernels/broadcast.h"

void ncc_broadcast_steps(const int32_t shape[4], const int32_t out_shape[4], size_t steps[4])
{
    size_t step = 1;
    for (int i = 3; i >= 0; i--) {
        steps[i] = shape[i] == out_shape[i] ? step : 0;
        step *= (size_t)shape[i];
    }
}

static size_t n_elements(const int32_t shape[4])
{
    return (size_t)shape[0] * (size_t)shape[1] * (size_t)shape[2] * (size_t)shape[3];
}

void ncc_broadcast(const int32_t a_shape[4], const int32_t b_shape[4], const int32_t out_shape[4],
                   ncc_broadcast_visit *visit, const void *ctx)
{
    const size_t n_out = n_elements(out_shape);
    size_t a[4], b[4];
    ncc_broadcast_steps(a_shape, out_shape, a);
    ncc_broadcast_steps(b_shape, out_shape, b);
    struct ncc_broadcast_row row = {.n = (size_t)out_shape[3], .a_step = a[3], .b_step = b[3]};
    if (n_elements(a_shape) == n_out && n_elements(b_shape) == n_out) { /* as dimensions are equal or 1 */
        row = (struct ncc_broadcast_row){.n = n_out, .a_step = 1, .b_step = 1};
        visit(ctx, &row);
        return;
    }
    for (size_t n = 0; n < (size_t)out_shape[0]; n++)
        for (size_t c = 0; c < (size_t)out_shape[1]; c++)
            for (size_t h = 0; h < (size_t)out_shape[2]; h++) {
                row.a = n * a[0] + c * a[1] + h * a[2];
                row.b = n * b[0] + c * b[1] + h * b[2];
                visit(ctx, &row);
                row.out += row.n;
            }
}

#include "compiler/ops/support.h"

#include <math.h>

static const struct attr_desc attrs_table[] = {
    ATTR(struct dynamic_quant_attrs, symmetric, ATTR_BOOL, 0),
    {0},
};

static bool infer(struct infer *i)
{
    return ncc_infer_need_all_f32(i);
}

/* real = (code - zero) * scale; a code is zero + x * per_scale, rounded half away from zero. */
struct grid_of_row {
    float scale, per_scale, zero, low, high;
};

/* All that follows from the row, in the types that TFLite computes it in. False: the row is zero. */
static bool fit(bool symmetric, const float *x, int64_t n, struct grid_of_row *g)
{
    float least = x[0], most = x[0];
    for (int64_t i = 1; i < n; i++) {
        least = fminf(least, x[i]);
        most = fmaxf(most, x[i]);
    }
    if (symmetric) {
        const float size = fmaxf(fabsf(least), fabsf(most));
        *g = (struct grid_of_row){size / 127, 127 / size, 0, -127, 127};
        return size > 0 && size < INFINITY;
    }
    const double lo = fmin(least, 0), hi = fmax(most, 0), scale = (hi - lo) / 255;
    const double from_low = -128 - lo / scale, from_high = 127 - hi / scale;
    const double zero = 128 + fabs(lo / scale) < 127 + fabs(hi / scale) ? from_low : from_high;
    *g = (struct grid_of_row){(float)scale, 1 / (float)scale, (float)fmin(fmax(round(zero), -128), 127), -128, 127};
    return (float)scale > 0 && scale < (double)INFINITY;
}

static void eval(const struct eval_args *a)
{
    const struct dynamic_quant_attrs *p = a->node->attrs;
    const struct shape shape = a->in[0]->shape;
    const int64_t rows = shape.rank ? shape.dim[0] : 1, n = rows ? ncc_shape_count(shape) / rows : 0;
    const float *x = a->in[0]->data;
    float *y = a->out[0]->data;
    for (int64_t row = 0; row < rows && n > 0; row++, x += n, y += n) {
        struct grid_of_row g;
        const bool fits = fit(p->symmetric, x, n, &g);
        for (int64_t i = 0; i < n; i++) {
            const float code = fits ? roundf(g.zero + x[i] * g.per_scale) : 0;
            y[i] = fits ? (fminf(fmaxf(code, g.low), g.high) - g.zero) * g.scale : x[i];
        }
    }
}

const struct op_desc ncc_op_dynamic_quant = {
    .name = "dynamic_quant",
    .doc = "to the nearest real number that an 8-bit code stands for, whose range is that of the values: what products "
           "of integer weights and float activations do",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    NCC_ATTRS(dynamic_quant_attrs, attrs_table),
    .infer = infer,
    .eval = eval,
};

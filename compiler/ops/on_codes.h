/* Operators on codes, as TFLite's kernels compute them: what their files share. A *step* is a code less its zero point,
 * so real = step * scale.
 *
 * int8 and int16 take the fixed point of fixed_point.h, which the kernels for microcontrollers and the reference
 * kernels use. These do not take uint8 any more: such models run in XNNPACK, which multiplies sums of products by a
 * float and rounds once, half to even; what it does with sums and products of two tensors is nearly exact, and is
 * computed in real numbers here. */
#ifndef NCC_OPS_ON_CODES_H
#define NCC_OPS_ON_CODES_H

#include "compiler/ops/fixed_point.h"
#include "compiler/ops/support.h"

#include <math.h>

static inline bool ncc_has_grid(struct grid g)
{
    return g.scale > 0;
}

/* The same scale, zero point and type. */
static inline bool ncc_same_grid(struct grid a, struct grid b)
{
    return a.scale == b.scale && a.zero == b.zero && a.qmin == b.qmin && a.qmax == b.qmax;
}

/* Whether activations have 8 bits. */
static inline bool ncc_is_narrow(struct grid g)
{
    return g.qmax - g.qmin <= 255;
}

static inline bool ncc_is_unsigned(struct grid g)
{
    return g.qmin == 0;
}

/* Whatever stands for a code of 16 bits is far inside the limits. */
static inline int32_t ncc_step_of(struct grid g, float x)
{
    const float step = rintf(x / g.scale), limit = 1 << 20;
    return (int32_t)(step < -limit ? -limit : step < limit ? step : limit);
}

/* The real number that a code of the result stands for once it is limited. */
static inline float ncc_real_of(const struct code_args *c, int32_t code)
{
    code = code < c->low ? c->low : code > c->high ? c->high : code;
    return (float)(code - c->out.zero) * c->out.scale;
}

/* zero + step, where a step may be anything. */
static inline int32_t ncc_code_at(int32_t zero, int32_t step)
{
    return (int32_t)((uint32_t)zero + (uint32_t)step);
}

/* ---- element by element: the code of the result from the steps of the operands ---- */

typedef int32_t ncc_unary_codes(const void *ctx, int32_t x);
typedef int32_t ncc_binary_codes(const void *ctx, int32_t a, int32_t b);

void ncc_codes_unary(const struct code_args *c, ncc_unary_codes *f, const void *ctx);
void ncc_codes_binary(const struct code_args *c, ncc_binary_codes *f, const void *ctx);

/* Another scale for the same numbers: requantisation, and clamps that stand alone (`factor` in float then, as there).
 */
bool ncc_requantise_codes(const struct code_args *c);
bool ncc_clamp_codes(const struct code_args *c);

/* ---- sums of products ---- */

/* The pairs of weights that are constant, with codes of at most 8 bits around a zero point. */
struct weight_codes {
    const struct value *value;
    int n_channels; /* pairs */
    int least;      /* step */
};

/* False when the value is no such constant. */
bool ncc_weight_codes(const struct value *w, int axis, struct weight_codes *out);
/* Pair of output channel `channel`. */
static inline float ncc_weight_scale(const struct weight_codes *w, int channel)
{
    return (float)w->value->quant.scale[w->n_channels > 1 ? channel : 0];
}

/* From sums of products of steps to the result, for one output channel: the bias, a real number or none, is added in
 * units of both scales. */
struct channel_codes {
    struct fx factor;
    float once; /* of uint8 */
    int64_t bias;
};
/* `by_float`: the kernel multiplies both scales in float, as fully connected layers with one scale do. */
struct channel_codes ncc_channel_codes(const struct code_args *c, float weight_scale, const float *bias, bool by_float);
void ncc_finish_sums(const struct code_args *c, struct channel_codes channel, const int32_t *sums, int64_t n, float *y);
void ncc_finish_wide_sums(const struct code_args *c, struct channel_codes channel, const int64_t *sums, int64_t n,
                          float *y);

#endif

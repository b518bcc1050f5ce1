#include "compiler/ops/on_codes.h"

#include "compiler/base/cpu.h"
#include "compiler/ir/broadcasting.h"

/* ---- element by element ---- */

/* With 8 bits there are 256 answers. */
static void by_table(const struct code_args *c, ncc_unary_codes *f, const void *ctx)
{
    const struct grid in = c->in[0];
    float table[256];
    for (int q = in.qmin; q <= in.qmax; q++)
        table[q - in.qmin] = ncc_real_of(c, f(ctx, q - in.zero));
    const int64_t n = ncc_shape_count(c->real->out[0]->shape);
    const float *x = c->real->in[0]->data;
    float *y = c->real->out[0]->data;
    for (int64_t i = 0; i < n; i++) {
        const int at = ncc_step_of(in, x[i]) + in.zero - in.qmin;
        y[i] = table[at < 0 ? 0 : at > in.qmax - in.qmin ? in.qmax - in.qmin : at];
    }
}

void ncc_codes_unary(const struct code_args *c, ncc_unary_codes *f, const void *ctx)
{
    if (ncc_is_narrow(c->in[0])) {
        by_table(c, f, ctx);
        return;
    }
    const int64_t n = ncc_shape_count(c->real->out[0]->shape);
    const float *x = c->real->in[0]->data;
    float *y = c->real->out[0]->data;
    for (int64_t i = 0; i < n; i++)
        y[i] = ncc_real_of(c, f(ctx, ncc_step_of(c->in[0], x[i])));
}

void ncc_codes_binary(const struct code_args *c, ncc_binary_codes *f, const void *ctx)
{
    const struct tensor *ta = c->real->in[0], *tb = c->real->in[1], *to = c->real->out[0];
    const struct broadcast s = ncc_broadcast_make(ta->shape, tb->shape, to->shape);
    const int64_t n = s.dim[s.rank - 1], a_step = s.a[s.rank - 1], b_step = s.b[s.rank - 1];
    const int64_t n_all = ncc_shape_count(to->shape);
    float *y = to->data;
    for (int64_t row = 0; row * n < n_all; row++) {
        int64_t a_off, b_off;
        ncc_broadcast_row(&s, row, &a_off, &b_off);
        const float *a = (const float *)ta->data + a_off, *b = (const float *)tb->data + b_off;
        for (int64_t i = 0; i < n; i++)
            *y++ = ncc_real_of(c, f(ctx, ncc_step_of(c->in[0], a[i * a_step]), ncc_step_of(c->in[1], b[i * b_step])));
    }
}

/* ---- another scale ---- */

struct rescale {
    struct fx factor;
    int zero;
};

static int32_t rescaled(const void *ctx, int32_t x)
{
    const struct rescale *r = ctx;
    return ncc_code_at(r->zero, ncc_fx_times(x, r->factor));
}

bool ncc_requantise_codes(const struct code_args *c)
{
    const struct rescale r = {ncc_fx_of((double)c->in[0].scale / (double)c->out.scale), c->out.zero};
    if (!ncc_has_grid(c->in[0]))
        return false;
    ncc_codes_unary(c, rescaled, &r);
    return true;
}

bool ncc_clamp_codes(const struct code_args *c)
{
    const struct rescale r = {ncc_fx_of((double)(c->in[0].scale / c->out.scale)), c->out.zero};
    if (!ncc_has_grid(c->in[0]))
        return false;
    ncc_codes_unary(c, rescaled, &r);
    return true;
}

/* ---- sums of products ---- */

bool ncc_weight_codes(const struct value *w, int axis, struct weight_codes *out)
{
    const struct quant *q = &w->quant;
    if (!ncc_is_const(w) || q->n_channels == 0 || (q->n_channels > 1 && q->n_channels != w->shape.dim[axis]))
        return false;
    for (int i = 0; i < q->n_channels && q->n_channels > 1; i++)
        if (q->zero_point[i] != 0)
            return false;
    *out = (struct weight_codes){w, q->n_channels, 0};
    int64_t inner = 1;
    for (int i = axis + 1; i < w->shape.rank; i++)
        inner *= w->shape.dim[i];
    const int64_t n = ncc_shape_count(w->shape);
    const float *x = w->data;
    int most = 0;
    for (int64_t start = 0; start < n; start += inner) {
        const float scale = ncc_weight_scale(out, (int)(start / inner % w->shape.dim[axis]));
        for (int64_t i = start; i < start + inner; i++) {
            const float step = rintf(x[i] / scale);
            if (!(fabsf(step) <= 255))
                return false;
            out->least = (int)step < out->least ? (int)step : out->least;
            most = (int)step > most ? (int)step : most;
        }
    }
    return most - out->least <= 255;
}

struct channel_codes ncc_channel_codes(const struct code_args *c, float weight_scale, const float *bias, bool by_float)
{
    const double x = (double)c->in[0].scale, w = (double)weight_scale;
    const double product = by_float ? (double)(c->in[0].scale * weight_scale) : x * w;
    struct channel_codes channel = {ncc_fx_of(product / (double)c->out.scale),
                                    c->in[0].scale * weight_scale / c->out.scale, 0};
    if (bias) {
        const double code = rint((double)*bias / (x * w));
        channel.bias = fabs(code) < 0x1p62 ? (int64_t)code : 0;
    }
    return channel;
}

NCC_FOR_EACH_CPU
static void finish(const int32_t *sums, int64_t n, int32_t bias, struct fx f, const struct code_args *c, float *y)
{
    const int left = f.shift > 0 ? f.shift & 31 : 0, right = f.shift > 0 ? 0 : -f.shift;
    const int32_t mul = f.mul, zero = c->out.zero, low = c->low, high = c->high;
    const float scale = c->out.scale;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        const int32_t sum = (int32_t)(((uint32_t)sums[i] + (uint32_t)bias) << left);
        int32_t q = ncc_code_at(zero, ncc_fx_divide(ncc_fx_high(sum, mul), right));
        q = q < low ? low : q;
        q = q > high ? high : q;
        y[i] = (float)(q - zero) * scale;
    }
}

NCC_FOR_EACH_CPU
static void finish_once(const int32_t *sums, int64_t n, int32_t bias, float factor, const struct code_args *c, float *y)
{
    const float low = (float)(c->low - c->out.zero), high = (float)(c->high - c->out.zero), scale = c->out.scale;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float step = rintf((float)(int32_t)((uint32_t)sums[i] + (uint32_t)bias) * factor);
        step = step < low ? low : step;
        step = step > high ? high : step;
        y[i] = step * scale;
    }
}

void ncc_finish_sums(const struct code_args *c, struct channel_codes channel, const int32_t *sums, int64_t n, float *y)
{
    const int32_t bias = (int32_t)(uint32_t)channel.bias;
    if (ncc_is_unsigned(c->in[0]))
        finish_once(sums, n, bias, channel.once, c, y);
    else
        finish(sums, n, bias, channel.factor, c, y);
}

void ncc_finish_wide_sums(const struct code_args *c, struct channel_codes channel, const int64_t *sums, int64_t n,
                          float *y)
{
    for (int64_t i = 0; i < n; i++) {
        if (ncc_is_narrow(c->in[0])) {
            const int32_t sum = (int32_t)(uint32_t)(uint64_t)sums[i];
            ncc_finish_sums(c, channel, &sum, 1, y + i);
            continue;
        }
        const int64_t sum = (int64_t)((uint64_t)sums[i] + (uint64_t)channel.bias);
        y[i] = ncc_real_of(c, ncc_code_at(c->out.zero, ncc_fx_times_wide(sum, channel.factor)));
    }
}

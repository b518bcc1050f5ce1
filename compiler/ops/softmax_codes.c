#include "compiler/ops/softmax_codes.h"

#include "compiler/ops/axis.h"
#include "compiler/ops/code_table.h"
#include "compiler/ops/on_codes.h"

/* One row: n numbers with a stride. */
struct row {
    const float *x;
    float *y;
    int64_t n, stride;
};

static int32_t step_at(const struct code_args *c, const struct row *r, int64_t i)
{
    return ncc_step_of(c->in[0], r->x[i * r->stride]);
}

static int32_t largest_step(const struct code_args *c, const struct row *r)
{
    int32_t top = INT32_MIN;
    for (int64_t i = 0; i < r->n; i++) {
        const int32_t step = step_at(c, r, i);
        top = step > top ? step : top;
    }
    return top;
}

static void for_each_row(const struct code_args *c, const void *how,
                         void (*f)(const struct code_args *c, const void *how, const struct row *r))
{
    const struct eval_args *a = c->real;
    const struct along s = ncc_along(a->in[0]->shape, ((const struct softmax_attrs *)a->node->attrs)->axis);
    for (int64_t o = 0; o < s.outer && s.n > 0; o++) {
        for (int64_t i = 0; i < s.inner; i++) {
            const int64_t at = o * s.n * s.inner + i;
            const struct row r = {(const float *)a->in[0]->data + at, (float *)a->out[0]->data + at, s.n, s.inner};
            f(c, how, &r);
        }
    }
}

static double beta_of(const struct code_args *c)
{
    return (double)((const struct softmax_attrs *)c->real->node->attrs)->beta;
}

/* ---- 8 bits: exp in fixed point of how far below the largest a code is ---- */

struct by_exp {
    struct fx to_q5; /* from steps */
    int32_t least;   /* steps below the largest from which on exp is 0 */
    int out_bits;
};

static int32_t exp_of(const struct by_exp *f, int32_t below)
{
    return below < f->least ? 0 : ncc_fx_exp(ncc_fx_times(below, f->to_q5), 5);
}

static void exp_row(const struct code_args *c, const void *how, const struct row *r)
{
    const struct by_exp *f = how;
    const int32_t top = largest_step(c, r);
    int32_t sum = 0; /* in Q12 */
    for (int64_t i = 0; i < r->n; i++)
        sum = ncc_code_at(sum, ncc_fx_divide(exp_of(f, step_at(c, r, i) - top), 12));
    int exponent;
    const int32_t share = ncc_fx_reciprocal(sum, 12, &exponent);
    exponent += 31 - f->out_bits;
    for (int64_t i = 0; i < r->n; i++) {
        const int32_t part = ncc_fx_high(share, exp_of(f, step_at(c, r, i) - top));
        r->y[i * r->stride] = ncc_real_of(c, ncc_code_at(c->out.qmin, ncc_fx_divide(part, exponent & 31)));
    }
}

static bool of_8_bits(const struct code_args *c)
{
    struct by_exp f = {.out_bits = ncc_is_narrow(c->out) ? 8 : 16};
    if (c->out.zero != c->out.qmin || c->out.scale != ldexpf(1, -f.out_bits))
        return false;
    f.to_q5 = ncc_fx_of(fmin(beta_of(c) * (double)c->in[0].scale * 0x1p26, 0x1p31 - 1));
    if (f.to_q5.shift < 0)
        return false;
    f.least = -(int32_t)fmin(floor(31 * ldexp(1, 26 - f.to_q5.shift)), INT32_MAX);
    for_each_row(c, &f, exp_row);
    return true;
}

/* ---- 16 bits: tables of exp over -10 .. 0 and of 1 / (1 + x) over 0 .. 1, both to steps of 2 / 65535 ---- */

struct by_tables {
    struct fx to_table; /* from steps to steps of 10 / 65535 */
    struct code_table exp, reciprocal;
};

static float one_over_one_plus(float x)
{
    return 1.0f / (1.0f + x);
}

static int32_t tabled_exp(const struct by_tables *f, int32_t below)
{
    return ncc_code_table_at(&f->exp, ncc_code_at(ncc_fx_times(below, f->to_table), INT16_MAX));
}

/* 1 / sum, the sum taken as 1 .. 2 times the power of two that `bits` counts. */
static int32_t tabled_reciprocal(const struct by_tables *f, int32_t sum, int *bits)
{
    *bits = 0;
    while (sum >> *bits > 1)
        (*bits)++;
    const int64_t of_two = (((int64_t)sum << (30 - *bits)) + (1 << 13)) >> 14; /* 2^16 .. 2^17 */
    return ncc_code_table_at(&f->reciprocal, (int32_t)of_two - (1 << 16) - (1 << 15));
}

static void table_row(const struct code_args *c, const void *how, const struct row *r)
{
    const struct by_tables *f = how;
    const int32_t top = largest_step(c, r);
    int32_t sum = 0;
    int bits;
    for (int64_t i = 0; i < r->n; i++)
        sum = ncc_code_at(sum, tabled_exp(f, step_at(c, r, i) - top));
    const int32_t share = tabled_reciprocal(f, sum, &bits);
    for (int64_t i = 0; i < r->n; i++) {
        const int64_t part = (int64_t)tabled_exp(f, step_at(c, r, i) - top) * share;
        const int64_t code = (part + ((INT64_C(1) << bits) >> 1)) >> bits;
        r->y[i * r->stride] = ncc_real_of(c, (int32_t)(code < 0 ? 0 : code));
    }
}

static bool of_16_bits(const struct code_args *c)
{
    struct by_tables f;
    if (c->out.scale != 0x1p-15f || c->out.zero != 0 || c->in[0].zero != 0 || ncc_is_narrow(c->out) ||
        !(beta_of(c) > 0))
        return false;
    f.to_table = ncc_fx_of((double)c->in[0].scale * beta_of(c) / (10.0 / 65535.0));
    ncc_code_table_make(&f.exp, 10.0f / 65535.0f, INT16_MAX, 2.0f / 65535.0f, expf);
    ncc_code_table_make(&f.reciprocal, 1.0f / 65535.0f, INT16_MIN, 2.0f / 65535.0f, one_over_one_plus);
    for_each_row(c, &f, table_row);
    return true;
}

bool ncc_softmax_codes(const struct code_args *c)
{
    return ncc_has_grid(c->in[0]) && (ncc_is_narrow(c->in[0]) ? of_8_bits(c) : of_16_bits(c));
}

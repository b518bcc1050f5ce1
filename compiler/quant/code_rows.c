#include "compiler/quant/code_rows.h"

#include "compiler/base/cpu.h"

#include <math.h>

enum { LANES = 8 };

int64_t ncc_code_run(const struct value *v)
{
    const int64_t n = ncc_shape_count(v->shape);
    return v->quant.n_channels > 1 && n ? n / v->shape.dim[1] : n;
}

static inline double code_of(struct code_pair s, float x)
{
    const double code = rint((double)x / s.scale + s.zero_point), at_least = code < 0 ? 0 : code;
    return at_least > 255 ? 255 : at_least;
}

NCC_FOR_EACH_CPU
void ncc_row_codes(struct code_pair s, const float *x, int64_t n, uint8_t *to)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        to[i] = (uint8_t)(int)code_of(s, x[i]);
}

NCC_FOR_EACH_CPU
void ncc_row_rounded(struct code_pair s, const float *x, int64_t n, float *to)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        to[i] = (float)((code_of(s, x[i]) - s.zero_point) * s.scale);
}

NCC_FOR_EACH_CPU
static void reals_of_codes(struct code_pair s, const uint8_t *code, int n, double *to)
{
#pragma omp simd
    for (int i = 0; i < n; i++)
        to[i] = ((double)code[i] - s.zero_point) * s.scale;
}

void ncc_row_reals(const struct tensor *t, struct code_pair s, int64_t at, int n, double *to)
{
    if (t->dtype == DT_U8) {
        reals_of_codes(s, (const uint8_t *)t->data + at, n, to);
        return;
    }
    const float *x = (const float *)t->data + at;
    for (int i = 0; i < n; i++)
        to[i] = (double)x[i];
}

static double sum_of(const double *lane)
{
    double sum = 0;
    for (int k = 0; k < LANES; k++)
        sum += lane[k];
    return sum;
}

NCC_FOR_EACH_CPU
double ncc_row_power(const float *x, int n)
{
    double sum[LANES] = {0};
    int i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++)
            sum[k] += (double)x[i + k] * (double)x[i + k];
    for (; i < n; i++)
        sum[0] += (double)x[i] * (double)x[i];
    return sum_of(sum);
}

NCC_FOR_EACH_CPU
double ncc_row_error(const double *got, const float *want, int n)
{
    double sum[LANES] = {0};
    int i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) {
            const double e = got[i + k] - (double)want[i + k];
            sum[k] += e * e;
        }
    for (; i < n; i++)
        sum[0] += (got[i] - (double)want[i]) * (got[i] - (double)want[i]);
    return sum_of(sum);
}

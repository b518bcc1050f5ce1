#include "compiler/k210/weight_rounding.h"

#include "compiler/base/cpu.h"
#include "compiler/base/parallel.h"

#include <math.h>
#include <string.h>

enum { LANES = 16 };

NCC_FOR_EACH_CPU
static double dot(const float *x, const float *y, int n)
{
    float lane[LANES] = {0}, rest = 0;
    int i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++)
            lane[k] += x[i + k] * y[i + k];
    for (; i < n; i++)
        rest += x[i] * y[i];
    double sum = (double)rest;
    for (int k = 0; k < LANES; k++)
        sum += (double)lane[k];
    return sum;
}

NCC_FOR_EACH_CPU
static void add_scaled(float *to, const float *x, float factor, int n)
{
#pragma omp simd
    for (int i = 0; i < n; i++)
        to[i] += factor * x[i];
}

/* With about as many weights as points nearly any error vanishes at the points, and grows elsewhere. What one weight
 * may make up for is therefore limited, the more the fewer points there are. */
static double caution(const double *power, int n_rows, int n_weights, int n_points)
{
    double mean = 0;
    for (int i = 0; i < n_rows; i++)
        mean += power[i] / n_rows;
    return 0.5 * mean * n_weights / n_points;
}

struct weight_rounding ncc_rounding_open(const struct patches *p, int n_rows, int n_weights, struct arena *a)
{
    const size_t n = (size_t)p->n_points;
    double *power = NCC_NEW(a, double, n_rows);
    for (int i = 0; i < n_rows; i++)
        power[i] = dot(p->data + (size_t)i * n, p->data + (size_t)i * n, p->n_points);
    return (struct weight_rounding){p, power, caution(power, n_rows, n_weights, p->n_points),
                                    NCC_NEW(a, float, (size_t)ncc_parallel_threads() * n)};
}

static float *left_of(const struct weight_rounding *r, int thread)
{
    return r->left + (size_t)thread * (size_t)r->patches->n_points;
}

void ncc_rounding_begin(const struct weight_rounding *r, int thread)
{
    memset(left_of(r, thread), 0, (size_t)r->patches->n_points * sizeof(float));
}

int ncc_rounding_code(const struct weight_rounding *r, int thread, int row, double w, double quantum, int w_zero)
{
    if (w == 0)
        return w_zero;
    const int n = r->patches->n_points;
    const float *x = r->patches->data + (size_t)row * (size_t)n;
    float *left = left_of(r, thread);
    const bool reads = r->power[row] > 0; /* else always the same: the mean correction's business */
    const double wanted = reads ? w + dot(x, left, n) / (r->power[row] + r->caution) : w;
    const double d = fmin(fmax(rint(wanted / quantum), -w_zero), 255 - w_zero);
    if (reads)
        add_scaled(left, x, (float)(w - d * quantum), n);
    return w_zero + (int)d;
}

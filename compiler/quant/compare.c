/* Distances between tensors, summed in double. */
#include "compiler/quant/compare.h"

#include "compiler/ops/attrs.h"

#include <math.h>

double ncc_sqnr_db(const float *want, const float *got, size_t n)
{
    double signal = 0, noise = 0;
    for (size_t i = 0; i < n; i++) {
        const double d = (double)got[i] - want[i];
        signal += (double)want[i] * want[i];
        noise += d * d;
    }
    if (noise == 0)
        return INFINITY;
    return 10 * log10(signal / noise);
}

double ncc_cosine(const float *a, const float *b, size_t n)
{
    double aa = 0, bb = 0, ab = 0;
    for (size_t i = 0; i < n; i++) {
        aa += (double)a[i] * a[i];
        bb += (double)b[i] * b[i];
        ab += (double)a[i] * b[i];
    }
    if (aa == 0 || bb == 0)
        return aa == bb ? 1 : 0;
    return ab / sqrt(aa * bb);
}

double ncc_max_difference(const float *a, const float *b, size_t n)
{
    double worst = 0;
    for (size_t i = 0; i < n; i++)
        worst = fmax(worst, fabs((double)a[i] - b[i]));
    return worst;
}

struct along ncc_softmax_of(const struct value *v)
{
    const struct node *n = v->def;
    while (n && n->op == OP_reshape)
        n = n->in[0]->def;
    return n && n->op == OP_softmax ? ncc_along(n->out[0]->shape, ((const struct softmax_attrs *)n->attrs)->axis)
                                    : (struct along){0};
}

struct along ncc_compared_softmax(const struct value *output, enum dtype got)
{
    return got == DT_F32 ? ncc_softmax_of(output) : (struct along){0};
}

void ncc_before_softmax(const float *p, struct along s, float *x)
{
    const float least = 1e-30f;
    for (int64_t k = 0; k < s.outer * s.inner; k++) {
        const int64_t at = k / s.inner * s.n * s.inner + k % s.inner;
        double mean = 0;
        for (int64_t i = 0; i < s.n; i++)
            mean += log((double)fmaxf(p[at + i * s.inner], least)) / (double)s.n;
        for (int64_t i = 0; i < s.n; i++)
            x[at + i * s.inner] = (float)(log((double)fmaxf(p[at + i * s.inner], least)) - mean);
    }
}

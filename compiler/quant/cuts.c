#include "compiler/quant/cuts.h"

#include "compiler/ops/attrs.h"

#include <math.h>

static bool has_bias(const struct node *n)
{
    const float *b = n->n_in > 2 && n->in[2] ? n->in[2]->data : NULL;
    for (int c = 0; b && c < n->in[1]->shape.dim[0]; c++)
        if (b[c] != 0)
            return true;
    return false;
}

static bool only_cuts(const struct node *n)
{
    if (n->op != OP_kpu_conv || has_bias(n))
        return false;
    const struct kpu_conv_attrs *a = n->attrs;
    return a->depthwise && !a->copy && !a->tied && a->pool == 0 && a->act.n == 1 && a->act.step[0].op == OP_relu;
}

double *ncc_quant_cut(const struct node *n, struct arena *a)
{
    if (!only_cuts(n))
        return NULL;
    const struct shape *s = &n->in[1]->shape;
    const int channels = s->dim[0], taps = s->dim[2] * s->dim[3];
    const float *w = n->in[1]->data;
    double *factor = NCC_NEW(a, double, channels);
    for (int c = 0; c < channels; c++) {
        for (int i = 0; i < taps; i++) {
            const double x = fabs((double)w[c * taps + i]);
            if (x > 0 && factor[c] > 0)
                return NULL;
            factor[c] = fmax(factor[c], x);
        }
        if (!(factor[c] > 0 && isfinite(factor[c])))
            return NULL;
    }
    return factor;
}

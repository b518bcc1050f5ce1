#include "compiler/quant/by_channel.h"

#include "compiler/ops/attrs.h"

#include <math.h>

bool ncc_quant_is_copy(const struct node *n)
{
    return n->op == OP_kpu_conv && ((const struct kpu_conv_attrs *)n->attrs)->copy;
}

/* The table of this chain serves every scale, and nothing is below zero. */
static bool one_table(const struct act_chain *act)
{
    bool cut = false; /* at zero */
    for (int i = 0; i < act->n; i++) {
        const struct act_step *s = &act->step[i];
        const struct clip_attrs *clip = s->op == OP_clip ? s->attrs : NULL;
        if (s->op != OP_relu && s->op != OP_leaky_relu && !clip)
            return false;
        if (clip && (clip->max <= 0 || clip->min > 0 || (clip->min < 0 && !cut)))
            return false;
        cut = cut || s->op == OP_relu || clip;
    }
    return cut;
}

static bool is_layer(const struct node *n)
{
    return n->op == OP_kpu_conv && !((const struct kpu_conv_attrs *)n->attrs)->tied;
}

static bool only_layers_read(const struct graph *g, const struct value *v)
{
    if (ncc_value_is_output(g, v))
        return false;
    for (const struct use *u = v->uses; u; u = u->next) {
        const struct node *n = u->node;
        const bool hands_on = n->op == OP_kpu_concat || n->op == OP_kpu_slice || n->op == OP_kpu_recanvas ||
                              ncc_quant_is_copy(n);
        if (hands_on ? !only_layers_read(g, n->out[0]) : !is_layer(n))
            return false;
    }
    return true;
}

bool ncc_quant_by_channel(const struct graph *g, const struct value *v)
{
    const struct node *n = v->def;
    return n && n->op == OP_kpu_conv && !ncc_quant_is_copy(n) && v->shape.dim[1] > 1 && !v->quant.n_channels &&
           !v->range.known && one_table(&((const struct kpu_conv_attrs *)n->attrs)->act) && only_layers_read(g, v);
}

/* Channels with less than this share of the range, silent ones among them, are treated as if they had it: they may
 * speak up one day, and the factors between channels must leave room in the layer's sums. */
#define LEAST_SHARE (1.0 / 256)

struct quant ncc_quant_channels(const float *max, int n, float whole, struct arena *a)
{
    double *scale = NCC_NEW(a, double, n), *zero_point = NCC_NEW(a, double, n);
    for (int c = 0; c < n; c++)
        scale[c] = sqrt((double)whole * fmax((double)max[c], (double)whole * LEAST_SHARE)) / 255;
    return (struct quant){n, scale, zero_point};
}

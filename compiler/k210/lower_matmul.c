/* Vectors: matmul of one row by constants: a 1x1 layer on a 4x4 canvas of which one pixel means something. */
#include "compiler/k210/lower.h"

bool ncc_lower_op_vector(struct lowering *l, struct node *n, const char **why)
{
    struct value *x = ncc_lower_canvas(l, n->in[0]);
    *why = "the input does not fit the KPU";
    if (x)
        ncc_lower_form_to_set(l, n->out[0])->kpu = x;
    return x != NULL;
}

bool ncc_lower_op_matmul(struct lowering *l, struct node *n, const char **why)
{
    const int k = n->in[1]->shape.dim[0], out_c = n->in[1]->shape.dim[1];
    const struct fused f = ncc_lower_fuse(l, n, false);
    struct value *x = ncc_lower_canvas(l, n->in[0]);
    if (!x) {
        *why = "the input does not fit the KPU";
        return false;
    }
    const float *b = n->in[1]->data;
    float *w = ncc_lower_weights(l, (size_t)k *out_c);
    for (int i = 0; i < k && !l->trying; i++)
        for (int o = 0; o < out_c; o++)
            w[(size_t)o * k + i] = b[(size_t)i * out_c + o];
    const struct conv_job j = {
        .name = n->name,
        .origin = f.origin,
        .x = x,
        .out_c = out_c,
        .w = w,
        .bias = n->n_in > 2 && n->in[2] ? n->in[2]->data : NULL,
        .kh = 1,
        .kw = 1,
        .dil_h = 1,
        .dil_w = 1,
        .stride = 1,
        .out_h = 1,
        .out_w = 1,
        .pooled_h = 1,
        .pooled_w = 1,
        .act = f.act,
    };
    struct value *y = ncc_lower_conv(l, &j, why);
    if (!y)
        return false;
    ncc_lower_fused(l, n, &f, y);
    return true;
}

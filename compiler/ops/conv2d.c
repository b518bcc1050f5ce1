#include "compiler/ops/conv2d_codes.h"

static const struct attr_desc attrs_table[] = {
    ATTR(struct conv2d_attrs, stride_h, ATTR_INT, 1),   ATTR(struct conv2d_attrs, stride_w, ATTR_INT, 1),
    ATTR(struct conv2d_attrs, pad_top, ATTR_INT, 0),    ATTR(struct conv2d_attrs, pad_left, ATTR_INT, 0),
    ATTR(struct conv2d_attrs, pad_bottom, ATTR_INT, 0), ATTR(struct conv2d_attrs, pad_right, ATTR_INT, 0),
    ATTR(struct conv2d_attrs, dil_h, ATTR_INT, 1),      ATTR(struct conv2d_attrs, dil_w, ATTR_INT, 1),
    ATTR(struct conv2d_attrs, groups, ATTR_INT, 1),     {0},
};

static bool infer(struct infer *i)
{
    const struct conv2d_attrs *p = i->node->attrs;
    if (!ncc_infer_need_all_f32(i) || !ncc_infer_need_rank(i, 0, 4) || !ncc_infer_need_rank(i, 1, 4))
        return false;
    const int *x = i->in[0]->shape.dim, *w = i->in[1]->shape.dim;
    if (p->groups < 1 || x[1] % p->groups != 0 || w[0] % p->groups != 0)
        return ncc_infer_refuse(i, "%d groups must divide the %d input and %d output channels", p->groups, x[1], w[0]);
    if (w[0] < 1 || w[1] < 1 || w[1] != x[1] / p->groups)
        return ncc_infer_refuse(i, "the weights must have %d input channels, not %d", x[1] / p->groups, w[1]);
    if (!ncc_infer_need_bias(i, 2, w[0], DT_F32))
        return false;
    const int h = ncc_infer_window_size(x[2], p->pad_top, p->pad_bottom, w[2], p->stride_h, p->dil_h);
    const int wide = ncc_infer_window_size(x[3], p->pad_left, p->pad_right, w[3], p->stride_w, p->dil_w);
    if (h < 1 || wide < 1)
        return ncc_infer_refuse(i, "the kernel %dx%d must fit into the padded input, with valid strides and pads", w[2],
                                w[3]);
    i->out[0].shape = ncc_shape_4(x[0], w[0], h, wide);
    return true;
}

static struct convolve convolution(const struct conv2d_attrs *p, struct shape x, struct shape w, struct shape y)
{
    return (struct convolve){
        .n = x.dim[0], .in_c = x.dim[1], .in_h = x.dim[2], .in_w = x.dim[3],
        .out_c = y.dim[1], .out_h = y.dim[2], .out_w = y.dim[3],
        .kernel_h = w.dim[2], .kernel_w = w.dim[3],
        .stride_h = p->stride_h, .stride_w = p->stride_w, .dil_h = p->dil_h, .dil_w = p->dil_w,
        .top = p->pad_top, .left = p->pad_left, .groups = p->groups,
    };
}

static struct convolve of_args(const struct eval_args *a)
{
    return convolution(a->node->attrs, a->in[0]->shape, a->in[1]->shape, a->out[0]->shape);
}

static struct convolve of_node(const struct node *n)
{
    return convolution(n->attrs, n->in[0]->shape, n->in[1]->shape, n->out[0]->shape);
}

static const float *bias_of(const struct eval_args *a)
{
    return a->node->n_in > 2 && a->in[2] ? a->in[2]->data : NULL;
}

static void eval(const struct eval_args *a)
{
    const struct convolve s = of_args(a);
    ncc_convolve_plain(&s, a->in[0]->data, a->in[1]->data, bias_of(a), a->out[0]->data);
}

static void eval_fast(const struct eval_args *a)
{
    const struct convolve s = of_args(a);
    ncc_convolve_fast(&s, a->in[0]->data, a->in[1]->data, bias_of(a), a->out[0]->data, a->scratch);
}

static size_t scratch(const struct node *n)
{
    const struct convolve s = of_node(n);
    return ncc_convolve_scratch(&s);
}

static bool eval_codes(const struct code_args *c)
{
    const struct convolve s = of_node(c->real->node);
    return ncc_conv2d_codes(c, &s);
}

static size_t codes_scratch(const struct code_args *c)
{
    const struct convolve s = of_node(c->real->node);
    return ncc_conv2d_codes_scratch(c, &s);
}

static double macs(const struct node *n)
{
    const struct convolve s = of_node(n);
    return ncc_convolve_macs(&s);
}

const struct op_desc ncc_op_conv2d = {
    .name = "conv2d",
    .doc = "convolution, with groups (depthwise: one per channel), strides, zero padding and dilation",
    .tflite = "CONV_2D,DEPTHWISE_CONV_2D,LOCAL_RESPONSE_NORMALIZATION",
    .onnx = "Conv,LRN,FusedConv,QLinearConv,ConvInteger",
    .caffe = "Convolution,DepthwiseConvolution,ConvolutionDepthwise,LRN",
    .min_in = 2,
    .max_in = 3,
    .n_out = 1,
    NCC_ATTRS(conv2d_attrs, attrs_table),
    .infer = infer,
    .eval = eval,
    .eval_fast = eval_fast,
    .scratch = scratch,
    .macs = macs,
    .eval_codes = eval_codes,
    .codes_scratch = codes_scratch,
};

/* The attributes of every operator that has some, and what its inputs mean.
 *
 * Shapes are NCHW. Weights: conv2d [out_c][in_c / groups][kh][kw], conv2d_transpose
 * [in_c][out_c / groups][kh][kw], matmul's b [k][n]. Bias [out_c]. A bias may be absent (NULL).
 */
#ifndef NCC_OPS_ATTRS_H
#define NCC_OPS_ATTRS_H

#include "compiler/ir/op.h"

/* Amounts before and after, per spatial dimension; never negative in convolutions and pools. */
struct conv2d_attrs {
    int stride_h, stride_w;                         /* >= 1 */
    int pad_top, pad_left, pad_bottom, pad_right;   /* of zeros */
    int dil_h, dil_w;                               /* >= 1 */
    int groups;                                     /* depthwise: groups == in_c; out_c = in_c * multiplier */
};

struct conv2d_transpose_attrs {
    int stride_h, stride_w;
    int pad_top, pad_left, pad_bottom, pad_right;   /* cut from the full result */
    int out_pad_h, out_pad_w;                       /* added below and right */
    int dil_h, dil_w;
    int groups;
};

/* out = floor((in + before + after - kernel) / stride) + 1; what a source format calls ceil mode is
 * expressed by the importer through the pads. A window always holds at least one real pixel. */
struct pool_attrs {
    int kernel_h, kernel_w;
    int stride_h, stride_w;
    int pad_top, pad_left, pad_bottom, pad_right;
    bool count_pad; /* avg_pool: divide by the whole window, not by the pixels inside the map */
};

enum { REDUCE_MEAN, REDUCE_SUM, REDUCE_MAX, REDUCE_MIN, REDUCE_PROD };
struct reduce_attrs {
    int kind;
    struct ints axes; /* 0 .. rank - 1, ascending */
    bool keep_dims;
};

struct softmax_attrs {
    int axis;   /* 0 .. rank - 1 */
    float beta; /* default 1 */
};

/* x * rsqrt(max(sum over the axis of x^2, eps)) */
struct l2_normalize_attrs {
    int axis;
    float eps;
};

struct clip_attrs {
    float min, max;
};
struct leaky_relu_attrs {
    float alpha;
};
struct elu_attrs {
    float alpha;
};
struct thresholded_relu_attrs {
    float alpha;
};
struct shrink_attrs {
    float lambda, bias;
};
struct swish_attrs {
    float beta;
};
/* ONNX's two forms: by the error function, or by tanh of a polynomial. */
struct gelu_attrs {
    bool by_tanh;
};
enum {
    COMPARE_EQUAL,
    COMPARE_NOT_EQUAL,
    COMPARE_LESS,
    COMPARE_LESS_EQUAL,
    COMPARE_GREATER,
    COMPARE_GREATER_EQUAL
};
struct comparison_attrs {
    int kind; /* not_equal alone holds for what is not a number */
};
enum { LOGICAL_AND, LOGICAL_OR, LOGICAL_XOR };
struct logical_attrs {
    int kind;
};
struct arg_max_attrs {
    int axis;
    bool keep_dims;
    bool least; /* arg_min */
    bool last;  /* of equal ones */
};
struct top_k_attrs {
    int axis, k;
    bool least;
};
struct bit_shift_attrs {
    bool right;
};

struct reshape_attrs {
    struct ints shape; /* whole, no -1: importers work it out */
};
struct transpose_attrs {
    struct ints perm; /* out.dim[i] = in.dim[perm[i]] */
};
struct concat_attrs {
    int axis;
};
struct split_attrs {
    int axis;
    struct ints sizes; /* one output each */
};
/* out[i] = in[begin + i * stride] per dimension, size elements; stride may be negative. */
struct slice_attrs {
    struct ints begin, size, stride;
};
enum { PAD_CONSTANT, PAD_REFLECT, PAD_SYMMETRIC, PAD_EDGE };
struct pad_attrs {
    struct ints before, after; /* negative: crop */
    float value;               /* real value, also for quantised tensors */
    int mode;
};
struct gather_attrs {
    int axis; /* inputs: data, indices (i32 or i64) */
};

enum { RESIZE_NEAREST, RESIZE_BILINEAR };
struct resize_attrs {
    int mode;
    int out_h, out_w;
    bool align_corners, half_pixel;
};

/* DCR (TFLite, ONNX default): block row, block column, channel; CRD: channel first. */
struct depth_to_space_attrs {
    int block;
    bool crd;
};
struct space_to_depth_attrs {
    int block;
};
struct tile_attrs {
    struct ints repeats;
};
struct cast_attrs {
    int to; /* enum dtype */
};

/* x, scale, zero point (absent: 0); f32 constants of one element, or of one per index along axis.
 *
 *     y = (clamp(round(x / scale) + zero, qmin, qmax) - zero) * scale
 *
 * Importers put it behind every value of a model that is quantised already, whose weights and biases they make real:
 * so the float graph computes what the integer model means. The pass known_ranges makes ranges and clips of it.
 *
 * fixed_point: the model's operators compute on codes, in the fixed point of TFLite's kernels. A node whose operands and
 * result are such codes is evaluated so (ir/eval_codes.c), where its operator has that form. A pass that
 * computes in real numbers instead is right to within the roundings. */
struct fake_quant_attrs {
    int axis;
    int qmin, qmax;
    bool half_even; /* ties go to the even code (ONNX), else away from zero (TFLite) */
    bool fixed_point;
};

/* x, to the nearest real numbers that 8-bit codes stand for whose grid fits what is in x, each index of dimension 0 by
 * itself: -127 .. 127 around zero, or -128 .. 127 around a zero point. Models with integer weights and float
 * activations (dynamic range) do that in front of their products. The pass known_ranges takes it away. */
struct dynamic_quant_attrs {
    bool symmetric;
};

/* quantize: f32 to u8 by the output's quant; dequantize: u8 (or i8, i16, f16, ...) to f32 by the
 * input's quant (absent: a plain conversion, for f16 weights). No attributes. */

/* ---- the chip ---- */

/* The canvas is the shape of the main-memory tensor [1][C][H][W]; the window says which part means something. */
struct kpu_upload_attrs {
    int top, left, h, w;
    int outside; /* enum outside */
};
/* kpu_download has no attributes: the whole canvas, packed, to main memory. */

/* One KPU layer. x: canvas; w: [out_c][in_c][k][k], depthwise [c][1][k][k]; bias [out_c].
 *
 *     z = conv(x) "same", zero beyond the canvas's edge; y = act(z + bias); pool by code (doc/kpu.md section 6)
 *
 * In kpu_conv all is real-valued (corner picks and max pools as they are, mean pools not truncated). */
struct kpu_conv_attrs {
    int kernel;     /* 1 or 3 */
    bool depthwise;
    int pool;       /* pool_type code 0..9 */
    bool copy;      /* works on codes as they are, without a bias: see below */
    bool tied;      /* output quantised as input: its codes follow from the input's, as those of a mean pool do */
    bool pad_lowest;/* beyond the canvas's edge stands the lowest code instead of zero; only with copy */
    struct act_chain act;
    int top, left, h, w, outside; /* window of the output */
};

/* What a layer with `copy` set does, to codes as well as to real numbers:
 *
 *     moves        one weight of 1 for each output             quantised as the input
 *     differences  one of -1 and one of 1, from channels       the input's scale, zero point 0
 *                  with equal codes, then relu
 *     sums         a weight of 1 for a code, then one of 1     quantised as the input channel of the first
 *                  or -1 for a difference that leads to a code
 *
 * Differences and sums together are maxima and minima, exact in codes: max(a, b) = a + relu(b - a). */

/* Integers, ready for the chip. x: u8 canvas; weights: u8, or i32 with codes 0..65535 where the chip's weights have 16
 * bits, shape as in kpu_conv; bn: i64 [out_c], the 64-bit
 * batch-norm words; table: u8 [144], the activation table as in doc/kpu.md 4.3. */
struct kpu_layer_attrs {
    int kernel;
    bool depthwise;
    int pool;
    int x_zero, w_zero; /* codes that mean zero; pad_value is x_zero */
    int top, left, h, w, outside;
};

static inline bool ncc_kpu_layer_is_wide(const struct node *layer)
{
    return layer->in[1]->dtype == DT_I32;
}

/* Channels side by side without a copy: every input starts at a multiple of the channels that share a line
 * (doc/kpu.md section 3), so input i is followed by (-C_i mod group) unused channels, except the last.
 * Equal canvases and windows. */

/* Channels begin .. begin + count - 1 of a canvas, in place: begin is a multiple of the channels that share a line. */
struct kpu_slice_attrs {
    int begin, count;
};

/* Canvases below one another without a copy: all channels share a line, and the windows are as high as the canvases.
 * Equal columns. */

/* The same bytes declared with another height or width: W within its layout class; H, and rows left out in front, only
 * when C fits one channel group. What is new is junk. */
struct kpu_recanvas_attrs {
    int canvas_h, canvas_w;
    int skip; /* the canvas begins at this row of the input's */
    int top, left, h, w, outside;
};

/* The lines of KPU RAM from `line` lines behind the input's start on, declared as another canvas of any layout: bytes are
 * elements again by their address alone (doc/kpu.md section 3). What the input does not hold is junk. */
struct kpu_view_attrs {
    int line;
    int c, canvas_h, canvas_w;
    int top, left, h, w, outside;
};

/* ---- integer CPU kernels, doc/kmodel.md B.3; multipliers and shifts as stored there ---- */

enum { BIN_ADD, BIN_SUB, BIN_MUL, BIN_DIV, BIN_MIN, BIN_MAX };
struct q_binary_attrs {
    int kind;
    int a_offset, a_mul, a_shift;
    int b_offset, b_mul, b_shift;
    int out_offset, out_mul, out_shift;
};
/* w: u8, shape as conv2d; bias: i32 */
struct q_conv2d_attrs {
    int stride_h, stride_w;
    int pad_top, pad_left, pad_bottom, pad_right;
    int dil_h, dil_w;
    int groups;
    int x_offset, w_offset, out_mul, out_shift, out_offset;
};
struct q_matmul_attrs {
    int a_offset, b_offset, out_mul, out_shift, out_offset;
};

#endif

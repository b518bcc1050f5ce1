/* Every CPU operator as a kmodel of its own: what the runtime computes is what the evaluator computes. */
#include "tests/k210/compiled.h"

#include <stdio.h>
#include <string.h>

#define F32      "input %x f32 1x3x6x7\n"
#define U8       "input %x u8 1x3x6x7 !q(0.05, 100)\n"
#define K        "const %k f32 3x1x1 = random 5\n"
#define POSITIVE "const %h f32 1 = { 0.3 }\n%a = abs(%x)\n%p = add(%a, %h)\n"

static const struct kernel_case {
    enum op op;
    const char *name, *text;
    int codes; /* by which u8 results may differ */
} cases[] = {
    {OP_conv2d, "regular",
     F32 "const %w f32 4x3x3x3 = random 1\nconst %b f32 4 = random 2\n%y = conv2d(%x, %w, %b) pad_top=1 pad_left=2 "
         "stride_h=2 dil_w=2\noutput %y\n",
     0},
    {OP_conv2d, "no bias", F32 "const %w f32 4x3x1x1 = random 1\n%y = conv2d(%x, %w, _)\noutput %y\n", 0},
    {OP_conv2d, "groups",
     "input %x f32 1x6x5x5\nconst %w f32 4x3x3x3 = random 1\n%y = conv2d(%x, %w, _) groups=2 pad_bottom=1 "
     "pad_right=1\noutput %y\n",
     0},
    {OP_conv2d, "depthwise with a multiplier",
     F32 "const %w f32 6x1x3x3 = random 1\n%y = conv2d(%x, %w, _) groups=3 pad_top=1 pad_left=1 pad_bottom=1 "
         "pad_right=1\noutput %y\n",
     0},
    {OP_conv2d, "and relu", F32 "const %w f32 4x3x3x3 = random 1\n%y = conv2d(%x, %w, _)\n%z = relu(%y)\noutput %z\n",
     0},
    {OP_conv2d, "and clip",
     F32 "const %w f32 4x3x3x3 = random 1\n%y = conv2d(%x, %w, _)\n%z = clip(%y) min=-0.5 max=0.75\noutput %z\n", 0},
    {OP_conv2d, "and relu, result used twice",
     F32 "const %w f32 4x3x3x3 = random 1\n%y = conv2d(%x, %w, _)\n%z = relu(%y)\n%s = add(%y, %z)\noutput %s\n", 0},
    {OP_conv2d, "and relu, result an output",
     F32 "const %w f32 4x3x3x3 = random 1\n%y = conv2d(%x, %w, _)\n%z = relu(%y)\noutput %y\noutput %z\n", 0},
    {OP_conv2d, "and two clamps",
     F32 "const %w f32 4x3x3x3 = random 1\n%y = conv2d(%x, %w, _)\n%z = relu(%y)\n%s = clip(%z) min=0.25 "
         "max=0.5\noutput %s\n",
     0},
    {OP_q_conv2d, "regular",
     U8 "const %w u8 4x3x3x3 = random 1\nconst %b i32 4 = { -900, 5000, 0, 77 }\n%y = q_conv2d(%x, %w, %b) pad_top=1 "
        "pad_left=2 stride_h=2 x_offset=-100 w_offset=-120 out_mul=1073741824 out_shift=41 out_offset=90\noutput %y\n",
     0},
    {OP_q_conv2d, "depthwise",
     U8 "const %w u8 3x1x3x3 = random 1\nconst %b i32 3 = { -900, 5000, 77 }\n%y = q_conv2d(%x, %w, %b) groups=3 "
        "pad_right=1 dil_h=2 x_offset=-100 w_offset=-12 out_mul=1473741824 out_shift=40 out_offset=90\noutput %y\n",
     0},
    {OP_conv2d_transpose, "stride 2",
     F32 "const %w f32 3x4x3x3 = random 1\n%y = conv2d_transpose(%x, %w) stride_h=2 stride_w=2 pad_top=1 pad_left=1 "
         "pad_bottom=1 pad_right=1 out_pad_h=1 out_pad_w=1\noutput %y\n",
     0},
    {OP_conv2d_transpose, "bias",
     F32 "const %w f32 3x4x2x2 = random 1\nconst %b f32 4 = random 2\n%y = conv2d_transpose(%x, %w, %b) stride_h=2 "
         "stride_w=2\noutput %y\n",
     0},
    {OP_conv2d_transpose, "output padded as much as the stride",
     F32 "const %w f32 3x4x3x3 = random 1\n%y = conv2d_transpose(%x, %w) pad_top=1 pad_left=1 pad_bottom=1 pad_right=1 "
         "out_pad_h=1 out_pad_w=1\noutput %y\n",
     0},
    {OP_conv2d_transpose, "groups",
     "input %x f32 1x4x5x6\nconst %w f32 4x3x3x2 = random 1\n%y = conv2d_transpose(%x, %w) groups=2 stride_w=2\noutput "
     "%y\n",
     0},
    {OP_conv2d_transpose, "and relu",
     F32
     "const %w f32 3x4x3x3 = random 1\n%y = conv2d_transpose(%x, %w) stride_h=2 stride_w=2\n%z = relu(%y)\noutput %z\n",
     0},
    {OP_matmul, "one row",
     "input %x f32 1x20\nconst %w f32 20x7 = random 1\nconst %b f32 7 = random 2\n%y = matmul(%x, %w, %b)\noutput %y\n",
     0},
    {OP_matmul, "rows",
     "input %x f32 5x20\nconst %w f32 20x7 = random 1\n%y = matmul(%x, %w, _)\n%z = clip(%y) min=0 max=1\noutput %z\n",
     0},
    {OP_matmul, "many matrices",
     "input %x f32 2x5x4\ninput %w f32 2x4x3\nconst %b f32 3 = random 2\n%y = matmul(%x, %w, %b)\noutput %y\n", 0},
    {OP_matmul, "one matrix times many", "input %x f32 5x4\ninput %w f32 1x3x4x2\n%y = matmul(%x, %w, _)\noutput %y\n", 0},
    {OP_select, "known", F32 "const %k bool 3x1x1 = { 1, 0, 1 }\n%n = neg(%x)\n%y = select(%k, %x, %n)\noutput %y\n", 0},
    {OP_matmul, "two inputs", "input %x f32 5x20\ninput %w f32 20x7\n%y = matmul(%x, %w, _)\noutput %y\n", 0},
    {OP_q_matmul, "rows",
     "input %x u8 5x20 !q(0.05, 100)\nconst %w u8 20x7 = random 1\nconst %b i32 7 = { 1, -2000, 3, 4000, 5, 6, 7 }\n%y "
     "= q_matmul(%x, %w, %b) a_offset=-100 b_offset=-128 out_mul=1073741824 out_shift=40 out_offset=128\noutput %y\n",
     0},
    {OP_max_pool, "3x3 padded",
     F32 "%y = max_pool(%x) kernel_h=3 kernel_w=3 stride_h=2 stride_w=2 pad_top=1 pad_left=1 pad_bottom=1 "
         "pad_right=1\n%z = relu(%y)\noutput %z\n",
     0},
    {OP_avg_pool, "2x3", F32 "%y = avg_pool(%x) kernel_h=2 kernel_w=3 stride_h=2\noutput %y\n", 0},
    {OP_avg_pool, "padding not counted",
     F32 "%y = avg_pool(%x) kernel_h=3 kernel_w=3 pad_top=1 pad_left=1 pad_bottom=1 pad_right=1\noutput %y\n", 0},
    {OP_avg_pool, "padding counted",
     F32 "%y = avg_pool(%x) kernel_h=3 kernel_w=3 pad_top=1 pad_left=1 pad_bottom=1 pad_right=1 count_pad=true\noutput "
         "%y\n",
     0},
    {OP_reduce, "mean over the map", F32 "%y = reduce(%x) kind=mean axes=[2,3] keep_dims=true\noutput %y\n", 0},
    {OP_reduce, "sum of channels", F32 "%y = reduce(%x) kind=sum axes=[1]\noutput %y\n", 0},
    {OP_reduce, "max", "input %x f32 4x9\n%y = reduce(%x) kind=max axes=[1]\noutput %y\n", 0},
    {OP_reduce, "min", F32 "%y = reduce(%x) kind=min axes=[1,3] keep_dims=true\noutput %y\n", 0},
    {OP_softmax, "last axis", "input %x f32 4x9\n%y = softmax(%x) axis=1 beta=0.5\noutput %y\n", 0},
    {OP_softmax, "channels", F32 "%y = softmax(%x) axis=1\noutput %y\n", 0},
    {OP_l2_normalize, "channels", F32 "%y = l2_normalize(%x) axis=1\noutput %y\n", 0},
    {OP_add, "equal shapes", F32 "input %z f32 1x3x6x7\n%y = add(%x, %z)\noutput %y\n", 0},
    {OP_add, "per channel, and relu", F32 K "%y = add(%x, %k)\n%z = relu(%y)\noutput %z\n", 0},
    {OP_add, "both broadcast", "input %x f32 1x3x1x7\ninput %z f32 6x1\n%y = add(%x, %z)\noutput %y\n", 0},
    {OP_sub, "constant left", F32 K "%y = sub(%k, %x)\noutput %y\n", 0},
    {OP_mul, "a gate", F32 "input %g f32 1x3x1x1\n%y = mul(%x, %g)\noutput %y\n", 0},
    {OP_div, "and clip", F32 POSITIVE "%y = div(%x, %p)\n%z = clip(%y) min=-0.5 max=0.5\noutput %z\n", 0},
    {OP_maximum, "of two", F32 "input %z f32 1x3x6x7\n%y = maximum(%x, %z)\noutput %y\n", 0},
    {OP_minimum, "with a constant", F32 "const %k f32 1 = { 0.5 }\n%y = minimum(%x, %k)\noutput %y\n", 0},
    {OP_pow, "2", F32 "const %k f32 1 = { 2 }\n%y = pow(%x, %k)\noutput %y\n", 0},
    {OP_pow, "0.5", F32 POSITIVE "const %k f32 1 = { 0.5 }\n%y = pow(%p, %k)\noutput %y\n", 0},
    {OP_squared_difference, "of two", F32 "input %z f32 1x3x6x7\n%y = squared_difference(%x, %z)\noutput %y\n", 0},
    {OP_prelu, "per channel", F32 K "%y = prelu(%x, %k)\noutput %y\n", 0},
    {OP_q_binary, "add",
     U8 "input %z u8 1x3x6x7 !q(0.05, 100)\n%y = q_binary(%x, %z) a_offset=-100 a_mul=1048576 b_offset=-100 "
        "b_mul=900000 out_mul=1073741824 out_shift=51 out_offset=120\noutput %y\n",
     0},
    {OP_q_binary, "mul, broadcast",
     U8 "input %z u8 1x3x1x1 !q(0.05, 100)\n%y = q_binary(%x, %z) kind=mul a_offset=-100 a_mul=1 b_offset=-100 b_mul=1 "
        "out_mul=1073741824 out_shift=37 out_offset=120\noutput %y\n",
     0},
    {OP_q_binary, "max",
     U8 "input %z u8 1x3x6x7 !q(0.05, 100)\n%y = q_binary(%x, %z) kind=max a_offset=-100 a_mul=1048576 b_offset=-50 "
        "b_mul=1048576 out_mul=1073741824 out_shift=50 out_offset=60\noutput %y\n",
     0},
    {OP_relu, "alone", F32 "%y = relu(%x)\noutput %y\n", 0},
    {OP_clip, "alone", F32 "%y = clip(%x) min=-0.25 max=1.5\noutput %y\n", 0},
    {OP_leaky_relu, "slope below 1", F32 "%y = leaky_relu(%x) alpha=0.1\noutput %y\n", 0},
    {OP_leaky_relu, "slope above 1", F32 "%y = leaky_relu(%x) alpha=2\noutput %y\n", 0},
    {OP_leaky_relu, "negative slope", F32 "%y = leaky_relu(%x) alpha=-0.5\noutput %y\n", 0},
    {OP_elu, "alone", F32 "%y = elu(%x) alpha=1.5\noutput %y\n", 0},
    {OP_sigmoid, "alone", F32 "%y = sigmoid(%x)\noutput %y\n", 0},
    {OP_sigmoid, "far out", F32 "const %k f32 1 = { 100 }\n%l = mul(%x, %k)\n%y = sigmoid(%l)\noutput %y\n", 0},
    {OP_tanh, "alone", F32 "%y = tanh(%x)\noutput %y\n", 0},
    {OP_tanh, "far out", F32 "const %k f32 1 = { 100 }\n%l = mul(%x, %k)\n%y = tanh(%l)\noutput %y\n", 0},
    {OP_hard_swish, "alone", F32 "const %k f32 1 = { 3 }\n%l = mul(%x, %k)\n%y = hard_swish(%l)\noutput %y\n", 0},
    {OP_sign, "alone", F32 "%y = sign(%x)\noutput %y\n", 0},
    {OP_softplus, "alone", F32 "%y = softplus(%x)\noutput %y\n", 0},
    {OP_softsign, "alone", F32 "%y = softsign(%x)\noutput %y\n", 0},
    {OP_swish, "alone", F32 "%y = swish(%x)\noutput %y\n", 0},
    {OP_swish, "far out", F32 "const %k f32 1 = { 100 }\n%l = mul(%x, %k)\n%y = swish(%l) beta=2\noutput %y\n", 0},
    {OP_mish, "alone", F32 "%y = mish(%x)\noutput %y\n", 0},
    {OP_round, "alone", F32 "%y = round(%x)\noutput %y\n", 0},
    {OP_round, "halves and large numbers",
     "const %k f32 12 = { 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.49999997, 1000.5, 4194303.5, -4194303.5, 16777216, -3e9 "
     "}\ninput %x f32 12\n%z = mul(%x, %k)\n%s = sub(%z, %z)\n%h = add(%s, %k)\n%y = round(%h)\noutput %y\n", 0},
    {OP_asin, "inside", F32 "%l = clip(%x) min=-1 max=1\n%y = asin(%l)\noutput %y\n", 0},
    {OP_acos, "inside", F32 "%l = clip(%x) min=-1 max=1\n%y = acos(%l)\noutput %y\n", 0},
    {OP_atan, "alone", F32 "%y = atan(%x)\noutput %y\n", 0},
    {OP_atan, "far out", F32 "const %k f32 1 = { 100 }\n%l = mul(%x, %k)\n%y = atan(%l)\noutput %y\n", 0},
    {OP_remainder, "of two", F32 "input %z f32 1x3x6x7\nconst %k f32 1 = { 2.1 }\n%d = sub(%z, %k)\n%y = remainder(%x, %d)\noutput %y\n", 0},
    {OP_remainder, "of a positive one", F32 POSITIVE "const %k f32 1 = { 7 }\n%z = mul(%x, %k)\n%y = remainder(%z, %p)\noutput %y\n", 0},
    {OP_reduce, "product of channels", F32 "%y = reduce(%x) kind=prod axes=[1]\noutput %y\n", 0},
    {OP_reduce, "product of rows and columns", F32 "%y = reduce(%x) kind=prod axes=[2,3] keep_dims=true\noutput %y\n", 0},
    {OP_erf, "alone", F32 "%y = erf(%x)\noutput %y\n", 0},
    {OP_sinh, "alone", F32 "%y = sinh(%x)\noutput %y\n", 0},
    {OP_cosh, "alone", F32 "%y = cosh(%x)\noutput %y\n", 0},
    {OP_asinh, "alone", F32 "%y = asinh(%x)\noutput %y\n", 0},
    {OP_tan, "alone", F32 "%y = tan(%x)\noutput %y\n", 0},
    {OP_gelu, "alone", F32 "%y = gelu(%x)\noutput %y\n", 0},
    {OP_gelu, "by tanh", F32 "%y = gelu(%x) by_tanh=true\noutput %y\n", 0},
    {OP_softplus, "far out", F32 "const %k f32 1 = { 100 }\n%l = mul(%x, %k)\n%y = softplus(%l)\noutput %y\n", 0},
    {OP_mish, "far out", F32 "const %k f32 1 = { 100 }\n%l = mul(%x, %k)\n%y = mish(%l)\noutput %y\n", 0},
    {OP_erf, "far out", F32 "const %k f32 1 = { 100 }\n%l = mul(%x, %k)\n%y = erf(%l)\noutput %y\n", 0},
    {OP_reciprocal, "positive", F32 POSITIVE "%y = reciprocal(%p)\noutput %y\n", 0},
    {OP_acosh, "above 1", F32 "%e = exp(%x)\n%c = cosh(%e)\n%y = acosh(%c)\noutput %y\n", 0},
    {OP_atanh, "inside 1", F32 "const %k f32 1 = { 0.9 }\n%t = tanh(%x)\n%l = mul(%t, %k)\n%y = atanh(%l)\noutput %y\n",
     0},
    {OP_thresholded_relu, "alone", F32 "%y = thresholded_relu(%x) alpha=0.25\noutput %y\n", 0},
    {OP_thresholded_relu, "below 0", F32 "%y = thresholded_relu(%x) alpha=-0.25\noutput %y\n", 0},
    {OP_shrink, "alone", F32 "%y = shrink(%x) lambda=0.25 bias=0.125\noutput %y\n", 0},
    {OP_abs, "alone", F32 "%y = abs(%x)\noutput %y\n", 0},
    {OP_neg, "alone", F32 "%y = neg(%x)\noutput %y\n", 0},
    {OP_exp, "alone", F32 "%y = exp(%x)\noutput %y\n", 0},
    {OP_log, "positive", F32 POSITIVE "%y = log(%p)\noutput %y\n", 0},
    {OP_sqrt, "positive", F32 POSITIVE "%y = sqrt(%p)\noutput %y\n", 0},
    {OP_sqrt, "of zero", F32 "%p = relu(%x)\n%y = sqrt(%p)\noutput %y\n", 0},
    {OP_rsqrt, "positive", F32 POSITIVE "%y = rsqrt(%p)\noutput %y\n", 0},
    {OP_square, "alone", F32 "%y = square(%x)\noutput %y\n", 0},
    {OP_sin, "alone", F32 "%y = sin(%x)\noutput %y\n", 0},
    {OP_cos, "alone", F32 "%y = cos(%x)\noutput %y\n", 0},
    {OP_floor, "alone", F32 "%y = floor(%x)\noutput %y\n", 0},
    {OP_ceil, "alone", F32 "%y = ceil(%x)\noutput %y\n", 0},
    {OP_lookup, "table", U8 "const %t u8 256 = random 3\n%y = lookup(%x, %t)\noutput %y\n", 0},
    {OP_quantize, "alone", F32 "%y = quantize(%x) !q(0.0123, 77)\noutput %y\n", 1},
    {OP_dequantize, "alone", U8 "%y = dequantize(%x)\noutput %y\n", 0},
    {OP_reshape, "float", F32 "%y = reshape(%x) shape=[1,126]\noutput %y\n", 0},
    {OP_reshape, "rank 5 between",
     F32 "%z = reshape(%x) shape=[1,3,2,3,7]\n%y = reshape(%z) shape=[1,6,21]\n%o = relu(%y)\noutput %o\n", 0},
    {OP_transpose, "float", F32 "%y = transpose(%x) perm=[0,2,3,1]\noutput %y\n", 0},
    {OP_transpose, "rank 2", "input %x f32 4x9\n%y = transpose(%x) perm=[1,0]\noutput %y\n", 0},
    {OP_transpose, "channel shuffle: rank 5, but three axes",
     F32 "%z = reshape(%x) shape=[1,3,2,3,7]\n%t = transpose(%z) perm=[0,2,1,3,4]\n%y = reshape(%t) "
         "shape=[1,6,3,7]\noutput %y\n",
     0},
    {OP_transpose, "codes", U8 "%y = transpose(%x) perm=[0,3,1,2]\noutput %y\n", 0},
    {OP_concat, "channels, free", F32 "%a = relu(%x)\n%b = sigmoid(%x)\n%y = concat(%a, %b) axis=1\noutput %y\n", 0},
    {OP_concat, "columns, copied", F32 "%a = relu(%x)\n%b = sigmoid(%x)\n%y = concat(%a, %b) axis=3\noutput %y\n", 0},
    {OP_concat, "of an input and a constant",
     F32 "const %k f32 1x2x6x7 = random 4\n%y = concat(%x, %k, %x) axis=1\noutput %y\n", 0},
    {OP_concat, "the same twice", F32 "%a = relu(%x)\n%y = concat(%a, %a) axis=1\noutput %y\n", 0},
    {OP_concat, "codes, rows", U8 "input %z u8 1x3x2x7 !q(0.05, 100)\n%y = concat(%x, %z) axis=2\noutput %y\n", 0},
    {OP_split, "channels", F32 "%a, %b = split(%x) axis=1 sizes=[1,2]\n%y = relu(%b)\noutput %a\noutput %y\n", 0},
    {OP_slice, "strides", F32 "%y = slice(%x) begin=[0,1,0,1] size=[1,2,3,3] stride=[1,1,2,2]\noutput %y\n", 0},
    {OP_slice, "backwards", F32 "%y = slice(%x) begin=[0,2,5,6] size=[1,3,6,4] stride=[1,-1,-1,-2]\noutput %y\n", 0},
    {OP_slice, "one element backwards",
     F32 "%y = slice(%x) begin=[0,0,0,0] size=[1,1,1,1] stride=[1,-1,-2,-3]\noutput %y\n", 0},
    {OP_slice, "codes, backwards", U8 "%y = slice(%x) begin=[0,2,0,6] size=[1,2,6,7] stride=[1,-2,1,-1]\noutput %y\n",
     0},
    {OP_slice, "rows, by runs",
     "input %x f32 1x3x6x40\n%y = slice(%x) begin=[0,0,1,3] size=[1,3,4,33] stride=[1,1,1,1]\noutput %y\n", 0},
    {OP_slice, "codes, by runs at odd places",
     "input %x u8 1x3x6x40 !q(0.05, 100)\n%y = slice(%x) begin=[0,1,0,1] size=[1,2,5,37] stride=[1,1,1,1]\noutput "
     "%y\n",
     0},
    {OP_slice, "a view",
     "input %x f32 1x3x6x8\n%s = slice(%x) begin=[0,1,2,0] size=[1,1,3,8] stride=[1,1,1,1]\n%y = relu(%s)\noutput "
     "%y\n",
     0},
    {OP_slice, "rank 2", "input %x f32 4x9\n%y = slice(%x) begin=[1,2] size=[3,4] stride=[1,1]\noutput %y\n", 0},
    {OP_depth_to_space, "blocks first", "input %x f32 1x18x4x5\n%y = depth_to_space(%x) block=3\noutput %y\n", 0},
    {OP_depth_to_space, "channels first",
     "input %x f32 1x12x4x5\n%y = depth_to_space(%x) block=2 crd=true\noutput %y\n", 0},
    {OP_space_to_depth, "blocks of 2", "input %x f32 1x3x6x8\n%y = space_to_depth(%x) block=2\noutput %y\n", 0},
    {OP_pad, "around", F32 "%y = pad(%x) before=[0,1,2,0] after=[0,0,1,3] value=-1.5\noutput %y\n", 0},
    {OP_pad, "negative: crop", F32 "%y = pad(%x) before=[0,-1,2,-2] after=[0,0,-3,1] value=0.5\noutput %y\n", 0},
    {OP_pad, "codes", U8 "%y = pad(%x) before=[0,0,1,1] after=[0,0,1,-2] !q(0.05, 100)\noutput %y\n", 0},
    {OP_pad, "rank 2", "input %x f32 4x9\n%y = pad(%x) before=[1,2] after=[0,3]\noutput %y\n", 0},
    {OP_resize, "nearest", F32 "%y = resize(%x) out_h=12 out_w=5\noutput %y\n", 0},
    {OP_resize, "bilinear", F32 "%y = resize(%x) mode=bilinear out_h=11 out_w=14\noutput %y\n", 0},
    {OP_resize, "bilinear, corners",
     F32 "%y = resize(%x) mode=bilinear out_h=11 out_w=14 align_corners=true\noutput %y\n", 0},
    {OP_resize, "bilinear, half pixels",
     F32 "%y = resize(%x) mode=bilinear out_h=12 out_w=14 half_pixel=true\noutput %y\n", 0},
    {OP_resize, "nearest, half pixels", F32 "%y = resize(%x) out_h=9 out_w=21 half_pixel=true\noutput %y\n", 0},
    {OP_resize, "nearest, corners", F32 "%y = resize(%x) out_h=9 out_w=13 align_corners=true\noutput %y\n", 0},
    {OP_resize, "codes, nearest", U8 "%y = resize(%x) out_h=12 out_w=14\noutput %y\n", 0},
    {OP_gather, "runs and jumps", F32 "const %i i32 5 = { 2, 0, 1, 2, 2 }\n%y = gather(%x, %i) axis=1\noutput %y\n", 0},
    {OP_gather, "a matrix of indices",
     "input %x f32 5x3\nconst %i i32 2x2 = { 4, 0, 1, 2 }\n%y = gather(%x, %i) axis=0\noutput %y\n", 0},
    {OP_tile, "two dimensions", "input %x f32 1x3x4\n%y = tile(%x) repeats=[1,2,3]\noutput %y\n", 0},
    {OP_tile, "many", "input %x f32 4x4\n%y = tile(%x) repeats=[1,300]\noutput %y\n", 0},
    {OP_tile, "codes", U8 "%y = tile(%x) repeats=[1,1,2,1] !q(0.05, 100)\noutput %y\n", 0},
    {OP_pad, "reflected", F32 "%y = pad(%x) before=[0,0,2,1] after=[0,0,1,3] mode=reflect\noutput %y\n", 0},
    {OP_pad, "symmetric", F32 "%y = pad(%x) before=[0,1,2,0] after=[0,2,0,3] mode=symmetric\noutput %y\n", 0},
    {OP_pad, "edges, and a crop", F32 "%y = pad(%x) before=[0,0,3,-1] after=[0,0,0,2] mode=edge\noutput %y\n", 0},
    {OP_pow, "3", F32 "const %k f32 1 = { 3 }\n%y = pow(%x, %k)\noutput %y\n", 0},
    {OP_pow, "-6", F32 POSITIVE "const %k f32 1 = { -6 }\n%y = pow(%p, %k)\noutput %y\n", 0},
    {OP_pow, "-0.75", F32 POSITIVE "const %k f32 1 = { -0.75 }\n%y = pow(%p, %k)\noutput %y\n", 0},
    {OP_pow, "-0.5", F32 POSITIVE "const %k f32 1 = { -0.5 }\n%y = pow(%p, %k)\noutput %y\n", 0},
    {OP_reshape, "five dimensions in and out",
     "input %x f32 2x1x3x2x2\n%a = relu(%x)\n%y = reshape(%a) shape=[3,1,2,2,2]\noutput %y\n", 0},
    {OP_resize, "codes, bilinear", U8 "%y = resize(%x) mode=bilinear out_h=12 out_w=14\noutput %y\n", 1},
};
enum { N_CASES = sizeof cases / sizeof cases[0] };

/* What is refused, with the operator's name in the message's place. */
static const struct refusal {
    enum op op;
    const char *text;
} refusals[] = {
    {OP_gather, "input %x f32 200\nconst %i i32 65 = iota\nconst %k i32 1 = { 3 }\n%j = mul(%i, %k)\n"
                "%bad = gather(%x, %j) axis=0 @\"bad\"\noutput %bad\n"},
    {OP_dynamic_quant, F32 "%bad = dynamic_quant(%x) @\"bad\"\noutput %bad\n"},
    {OP_fake_quant, F32 "const %s f32 1 = { 0.5 }\n%bad = fake_quant(%x, %s) @\"bad\"\noutput %bad\n"},
    {OP_cast, U8 "%bad = cast(%x) to=f32 @\"bad\"\noutput %bad\n"},
    {OP_comparison, F32 "input %z f32 1x3x6x7\n%bad = comparison(%x, %z) @\"bad\"\n%f = cast(%bad) to=f32\noutput %f\n"},
    {OP_logical, F32 "const %k bool 1 = { 1 }\n%bad = logical(%k, %k) @\"bad\"\n%f = cast(%bad) to=f32\n"
                     "%y = add(%f, %x)\noutput %y\n"},
    {OP_logical_not, F32 "const %k bool 1 = { 1 }\n%bad = logical_not(%k) @\"bad\"\n%f = cast(%bad) to=f32\n"
                         "%y = add(%f, %x)\noutput %y\n"},
    {OP_select, F32 "%k = comparison(%x, %x)\n%bad = select(%k, %x, %x) @\"bad\"\noutput %bad\n"},
    {OP_arg_max, F32 "%bad = arg_max(%x) axis=1 @\"bad\"\n%f = cast(%bad) to=f32\noutput %f\n"},
    {OP_top_k, F32 "%bad, %i = top_k(%x) axis=1 k=2 @\"bad\"\noutput %bad\n"},
    {OP_bit_shift, F32 "const %k i32 1 = { 3 }\n%bad = bit_shift(%k, %k) @\"bad\"\n%f = cast(%bad) to=f32\n"
                       "%y = add(%f, %x)\noutput %y\n"},
    {OP_reduce, "input %x f32 1x1x2x2x30\n%bad = reduce(%x) kind=prod axes=[4] @\"bad\"\n%y = reshape(%bad) "
                "shape=[1,4]\noutput %y\n"},
    {OP_pad, "input %x f32 1x90\n%bad = pad(%x) before=[0,80] after=[0,0] mode=reflect @\"bad\"\noutput %bad\n"},
    {OP_pow, F32 K "%bad = pow(%x, %k) @\"bad\"\noutput %bad\n"},
    {OP_conv2d, F32 "input %w f32 4x3x3x3\n%bad = conv2d(%x, %w, _) @\"bad\"\noutput %bad\n"},
    {OP_conv2d_transpose, F32 "input %w f32 3x4x3x3\n%bad = conv2d_transpose(%x, %w) @\"bad\"\noutput %bad\n"},
    {OP_matmul, "input %x f32 300x5x4\ninput %w f32 300x4x3\n%bad = matmul(%x, %w, _) @\"bad\"\noutput %bad\n"},
    {OP_add, "input %x f32 1x3x2x2\nconst %k f32 2x1x1x1x1 = { 1, 2 }\n%bad = add(%x, %k) @\"bad\"\n%y = reshape(%bad) "
             "shape=[1,24]\noutput %y\n"},
    {OP_transpose, "input %x f32 2x60\n%z = reshape(%x) shape=[2,2,3,2,5]\n%bad = transpose(%z) perm=[4,3,2,1,0] "
                   "@\"bad\"\n%y = reshape(%bad) shape=[1,120]\noutput %y\n"},
};

static void results(void **unused)
{
    (void)unused;
    int n_bad = 0;
    for (int i = 0; i < N_CASES; i++) {
        const struct kernel_case *k = &cases[i];
        struct net n;
        struct compiled c;
        char why[200] = "";
        net_open(&n);
        net_parse(&n, k->text);
        struct graph *g = ncc_graph_copy(n.g, &n.arena, &n.diags);
        bool good = ncc_k210_cpu_forms(g) && ncc_graph_verify(g, "cpu forms") && compile_planned(&n, g, &c);
        if (good)
            good = compiled_same(n.g, net_evaluate(&n.arena, n.g, 5, false), compiled_run(&n, &c, g, 5, NULL), 1e-5,
                                 k->codes, why);
        if (!good) {
            n_bad++;
            ncc_diag_print(&n.diags, stdout);
            printf("BAD: %s, %s: %s\n", ncc_op_desc(k->op)->name, k->name, why);
        }
        net_close(&n);
    }
    assert_int_equal(n_bad, 0);
}

static bool names(const struct diags *d, const char *node)
{
    for (const struct diag *k = d->first; k; k = k->next)
        if (k->severity == SEV_ERROR && k->fault == FAULT_INPUT && k->place.node && !strcmp(k->place.node, node) &&
            k->remedy)
            return true;
    return false;
}

static void refused(void **unused)
{
    (void)unused;
    int n_bad = 0;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        struct net n;
        struct compiled c;
        net_open(&n);
        net_parse(&n, refusals[i].text);
        const bool taken = ncc_k210_cpu_forms(n.g) && compile_planned(&n, n.g, &c);
        if (taken || !names(&n.diags, "bad")) {
            n_bad++;
            ncc_diag_print(&n.diags, stdout);
            printf("BAD: %s was %s\n%s", ncc_op_desc(refusals[i].op)->name,
                   taken ? "taken" : "refused without its name", refusals[i].text);
        }
        net_close(&n);
    }
    assert_int_equal(n_bad, 0);
}

static void every_operator(void **unused)
{
    (void)unused;
    for (enum op op = 0; op < N_OPS; op++) {
        bool covered = (ncc_op_desc(op)->flags & OP_KPU) != 0;
        for (int i = 0; i < N_CASES; i++)
            covered = covered || cases[i].op == op;
        for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
            covered = covered || refusals[i].op == op;
        if (!covered)
            fail_msg("no case for %s", ncc_op_desc(op)->name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(results), cmocka_unit_test(refused),
                                       cmocka_unit_test(every_operator)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

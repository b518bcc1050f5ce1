/* Every rule on both sides of its edge. */
#include "tests/k210/net.h"

#include "compiler/k210/rules.h"

#include <string.h>

#define NEAR "rows and columns must be neighbours; or 2, 4 .. of at most 128 columns apart, and rows of at most 64 then also 3, 6 .."
#define ENLARGED "maps can only be enlarged by the same power of two in both directions"
#define BLOCKS "blocks must be 2x2, in the order phase by phase, and the channels a multiple of 4"
#define APART "pixels can only be set apart by the same power of two in both directions, with zeros between them"
#define MAX_POOL "the stride must be 1, 2, 4 or 8, alike in both directions, and the size within 32 steps of two pixels"
#define FEW_SIZES "windows that the map's edge cuts off must count the padding, or have few different sizes"
#define MAPS      "tensors must be vectors, or maps of at most 8192 channels of 256x512 pixels"
#define CONSTANTS "weights and bias must be constant"
#define OPERANDS  "the operands must have equal shapes, or one be constant per channel"

/* The rule is about the graph's last node. `good` keeps all rules, `bad` breaks this one first. */
static const struct rule_case {
    enum op op;
    const char *text, *good, *bad;
} cases[] = {
    {OP_conv2d, MAPS, "input %x f32 1x1x256x512\nconst %w f32 1x1x1x1 = { 1 }\n%y = conv2d(%x, %w, _)\n",
     "input %x f32 1x1x257x512\nconst %w f32 1x1x1x1 = { 1 }\n%y = conv2d(%x, %w, _)\n"},
    {OP_conv2d, MAPS, "input %x f32 1x8192x4x4\nconst %w f32 1x8192x1x1 = random 1\n%y = conv2d(%x, %w, _)\n",
     "input %x f32 1x8193x4x4\nconst %w f32 1x8193x1x1 = random 1\n%y = conv2d(%x, %w, _)\n"},
    {OP_conv2d, MAPS, "input %x f32 1x1x4x4\nconst %w f32 8192x1x1x1 = random 1\n%y = conv2d(%x, %w, _)\n",
     "input %x f32 1x1x4x4\nconst %w f32 8193x1x1x1 = random 1\n%y = conv2d(%x, %w, _)\n"},
    {OP_conv2d, CONSTANTS, "input %x f32 1x1x8x8\nconst %w f32 1x1x3x3 = random 1\n%y = conv2d(%x, %w, _)\n",
     "input %x f32 1x1x8x8\ninput %w f32 1x1x3x3\n%y = conv2d(%x, %w, _)\n"},
    {OP_conv2d, CONSTANTS,
     "input %x f32 1x1x8x8\nconst %w f32 1x1x3x3 = random 1\nconst %b f32 1 = { 1 }\n%y = conv2d(%x, %w, %b)\n",
     "input %x f32 1x1x8x8\nconst %w f32 1x1x3x3 = random 1\ninput %b f32 1\n%y = conv2d(%x, %w, %b)\n"},
    {OP_conv2d, "the stride must be 1, 2 or 4, alike in both directions",
     "input %x f32 1x1x8x8\nconst %w f32 1x1x3x3 = random 1\n%y = conv2d(%x, %w, _) stride_h=4 stride_w=4\n",
     "input %x f32 1x1x8x8\nconst %w f32 1x1x3x3 = random 1\n%y = conv2d(%x, %w, _) stride_h=3 stride_w=3\n"},
    {OP_conv2d, "the stride must be 1, 2 or 4, alike in both directions",
     "input %x f32 1x1x8x8\nconst %w f32 1x1x3x3 = random 1\n%y = conv2d(%x, %w, _) stride_h=2 stride_w=2\n",
     "input %x f32 1x1x8x8\nconst %w f32 1x1x3x3 = random 1\n%y = conv2d(%x, %w, _) stride_h=2 stride_w=1\n"},
    {OP_conv2d, "the kernel must be at most 32 in each direction",
     "input %x f32 1x1x40x40\nconst %w f32 1x1x32x32 = random 1\n%y = conv2d(%x, %w, _)\n",
     "input %x f32 1x1x40x40\nconst %w f32 1x1x1x33 = random 1\n%y = conv2d(%x, %w, _)\n"},
    {OP_matmul, "the left operand must be one row",
     "input %x f32 1x8\nconst %w f32 8x3 = random 1\n%y = matmul(%x, %w, _)\n",
     "input %x f32 2x8\nconst %w f32 8x3 = random 1\n%y = matmul(%x, %w, _)\n"},
    {OP_matmul, CONSTANTS, "input %x f32 1x8\nconst %w f32 8x3 = random 1\n%y = matmul(%x, %w, _)\n",
     "input %x f32 1x8\ninput %w f32 8x3\n%y = matmul(%x, %w, _)\n"},
    {OP_matmul, "at most 8192 inputs and outputs",
     "input %x f32 1x8192\nconst %w f32 8192x2 = random 1\n%y = matmul(%x, %w, _)\n",
     "input %x f32 1x8193\nconst %w f32 8193x2 = random 1\n%y = matmul(%x, %w, _)\n"},
    {OP_matmul, "at most 8192 inputs and outputs",
     "input %x f32 1x2\nconst %w f32 2x8192 = random 1\n%y = matmul(%x, %w, _)\n",
     "input %x f32 1x2\nconst %w f32 2x8193 = random 1\n%y = matmul(%x, %w, _)\n"},
    {OP_reshape, MAPS, "input %x f32 1x8192\n%y = reshape(%x) shape=[1,8192,1,1]\n",
     "input %x f32 1x8193\n%y = reshape(%x) shape=[1,8193,1,1]\n"},
    {OP_reshape, "only a vector can be reshaped, to a vector",
     "input %x f32 1x8x1x1\n%y = reshape(%x) shape=[1,8]\n",
     "input %x f32 1x8x2x1\n%y = reshape(%x) shape=[1,16]\n"},
    {OP_slice, MAPS,
     "input %x f32 1x4x256x512\n%y = slice(%x) begin=[0,0,9,9] size=[1,4,99,99] stride=[1,1,1,1]\n",
     "input %x f32 1x4x257x512\n%y = slice(%x) begin=[0,0,9,9] size=[1,4,99,99] stride=[1,1,1,1]\n"},
    {OP_slice, NEAR, "input %x f32 1x4x8x8\n%y = slice(%x) begin=[0,3,1,1] size=[1,2,2,5] stride=[1,-2,3,1]\n",
     "input %x f32 1x4x8x8\n%y = slice(%x) begin=[0,3,1,1] size=[1,2,2,5] stride=[1,-2,5,1]\n"},
    {OP_slice, NEAR, "input %x f32 1x4x8x64\n%y = slice(%x) begin=[0,0,0,0] size=[1,4,4,64] stride=[1,1,2,1]\n",
     "input %x f32 1x4x8x65\n%y = slice(%x) begin=[0,0,0,0] size=[1,4,4,64] stride=[1,1,2,1]\n"},
    {OP_slice, NEAR, "input %x f32 1x4x9x128\n%y = slice(%x) begin=[0,0,0,0] size=[1,4,3,64] stride=[1,1,3,2]\n",
     "input %x f32 1x4x9x129\n%y = slice(%x) begin=[0,0,0,0] size=[1,4,3,64] stride=[1,1,3,2]\n"},
    {OP_gather, MAPS, "input %x f32 1x4x256x512\nconst %k i32 2 = { 3, 0 }\n%y = gather(%x, %k) axis=1\n",
     "input %x f32 1x4x257x512\nconst %k i32 2 = { 3, 0 }\n%y = gather(%x, %k) axis=1\n"},
    {OP_gather, "only channels can be taken in another order, by constant indices",
     "input %x f32 1x4x8x8\nconst %k i32 2 = { 3, -4 }\n%y = gather(%x, %k) axis=1\n",
     "input %x f32 1x4x8x8\nconst %k i32 2 = { 3, -4 }\n%y = gather(%x, %k) axis=2\n"},
    {OP_gather, "only channels can be taken in another order, by constant indices",
     "input %x f32 1x4x8x8\nconst %k i32 2 = { 3, 0 }\n%y = gather(%x, %k) axis=1\n",
     "input %x f32 1x4x8x8\ninput %k i32 2\n%y = gather(%x, %k) axis=1\n"},
    {OP_slice, NEAR, "input %x f32 1x4x8x8\n%y = slice(%x) begin=[0,0,1,1] size=[1,4,5,3] stride=[1,1,1,2]\n",
     "input %x f32 1x4x8x8\n%y = slice(%x) begin=[0,0,1,1] size=[1,4,5,3] stride=[1,1,1,3]\n"},
    {OP_maximum, MAPS, "input %x f32 1x4x256x512\ninput %z f32 1x4x256x512\n%y = maximum(%x, %z)\n",
     "input %x f32 1x4x256x514\ninput %z f32 1x4x256x514\n%y = maximum(%x, %z)\n"},
    {OP_maximum, "both operands must be computed, of equal shapes",
     "input %x f32 1x4x8x8\ninput %z f32 1x4x8x8\n%y = maximum(%x, %z)\n",
     "input %x f32 1x4x8x8\ninput %z f32 1x4x1x1\n%y = maximum(%x, %z)\n"},
    {OP_minimum, MAPS, "input %x f32 1x4x256x512\ninput %z f32 1x4x256x512\n%y = minimum(%x, %z)\n",
     "input %x f32 1x4x256x514\ninput %z f32 1x4x256x514\n%y = minimum(%x, %z)\n"},
    {OP_minimum, "both operands must be computed, of equal shapes",
     "input %x f32 1x4x8x8\ninput %z f32 1x4x8x8\n%y = minimum(%x, %z)\n",
     "input %x f32 1x4x8x8\nconst %z f32 1x4x8x8 = random 1\n%y = minimum(%x, %z)\n"},
    {OP_max_pool, MAPS, "input %x f32 1x4x256x512\n%y = max_pool(%x) kernel_h=2 kernel_w=2 stride_h=2 stride_w=2\n",
     "input %x f32 1x4x256x514\n%y = max_pool(%x) kernel_h=2 kernel_w=2 stride_h=2 stride_w=2\n"},
    {OP_max_pool, MAX_POOL, "input %x f32 1x4x8x8\n%y = max_pool(%x) kernel_h=3 kernel_w=2 stride_h=2 stride_w=2\n",
     "input %x f32 1x4x8x8\n%y = max_pool(%x) kernel_h=3 kernel_w=2 stride_h=2 stride_w=1\n"},
    {OP_max_pool, MAX_POOL,
     "input %x f32 1x4x9x9\n%y = max_pool(%x) kernel_h=2 kernel_w=2 stride_h=2 stride_w=2 pad_bottom=1 pad_right=1\n",
     "input %x f32 1x4x9x9\n%y = max_pool(%x) kernel_h=3 kernel_w=3 stride_h=3 stride_w=3\n"},
    {OP_max_pool, MAX_POOL, "input %x f32 1x4x40x40\n%y = max_pool(%x) kernel_h=33 kernel_w=33\n",
     "input %x f32 1x4x40x40\n%y = max_pool(%x) kernel_h=34 kernel_w=34\n"},
    {OP_avg_pool, "the stride must be 1, 2 or 4, alike in both directions",
     "input %x f32 1x4x8x8\n%y = avg_pool(%x) kernel_h=3 kernel_w=2 stride_h=2 stride_w=2\n",
     "input %x f32 1x4x9x9\n%y = avg_pool(%x) kernel_h=3 kernel_w=3 stride_h=3 stride_w=3\n"},
    {OP_avg_pool, FEW_SIZES,
     "input %x f32 1x4x20x20\n%y = avg_pool(%x) kernel_h=11 kernel_w=11 pad_top=5 pad_bottom=5 count_pad=true\n",
     "input %x f32 1x4x20x20\n%y = avg_pool(%x) kernel_h=11 kernel_w=11 pad_top=5 pad_bottom=5\n"},
    {OP_avg_pool, FEW_SIZES,
     "input %x f32 1x4x20x20\n%y = avg_pool(%x) kernel_h=9 kernel_w=9 pad_left=4 pad_right=4\n",
     "input %x f32 1x4x20x20\n%y = avg_pool(%x) kernel_h=9 kernel_w=9 pad_left=5 pad_right=4\n"},
    {OP_reduce, "only whole maps can be reduced, to one value for each channel",
     "input %x f32 1x4x7x8\n%y = reduce(%x) axes=[2,3]\n", "input %x f32 1x4x7x8\n%y = reduce(%x) axes=[1,2]\n"},
    {OP_reduce, "only means and sums can be reduced to", "input %x f32 1x4x7x8\n%y = reduce(%x) kind=sum axes=[2,3]\n",
     "input %x f32 1x4x7x8\n%y = reduce(%x) kind=max axes=[2,3]\n"},
    {OP_reduce, MAPS, "input %x f32 1x8192x4x4\n%y = reduce(%x) axes=[2,3]\n",
     "input %x f32 1x8193x4x4\n%y = reduce(%x) axes=[2,3]\n"},
    {OP_avg_pool, MAPS, "input %x f32 1x8192x4x4\n%y = avg_pool(%x) kernel_h=2 kernel_w=2\n",
     "input %x f32 1x8193x4x4\n%y = avg_pool(%x) kernel_h=2 kernel_w=2\n"},
    {OP_relu, MAPS, "input %x f32 1x64x256x512\n%y = relu(%x)\n", "input %x f32 1x64x256x513\n%y = relu(%x)\n"},
    {OP_relu, MAPS, "input %x f32 1x8192\n%y = relu(%x)\n", "input %x f32 1x8193\n%y = relu(%x)\n"},
    {OP_relu, MAPS, "input %x f32 1x8\n%y = relu(%x)\n", "input %x f32 2x8\n%y = relu(%x)\n"},
    {OP_relu, MAPS, "input %x f32 1x8x4x4\n%y = relu(%x)\n", "input %x f32 1x8x4\n%y = relu(%x)\n"},
    {OP_add, MAPS, "input %x f32 1x8x4x4\n%y = add(%x, %x)\n", "input %x f32 2x8x4x4\n%y = add(%x, %x)\n"},
    {OP_add, OPERANDS, "input %x f32 1x8x4x4\ninput %z f32 1x8x4x4\n%y = add(%x, %z)\n",
     "input %x f32 1x8x4x4\ninput %z f32 1x8x1x1\n%y = add(%x, %z)\n"},
    {OP_sub, OPERANDS, "input %x f32 1x8x4x4\nconst %k f32 8x1x1 = iota\n%y = sub(%x, %k)\n",
     "input %x f32 1x8x8x8\nconst %k f32 8 = iota\n%y = sub(%x, %k)\n"},
    {OP_mul, MAPS, "input %x f32 1x8x4x4\nconst %k f32 1 = { 2 }\n%y = mul(%k, %x)\n",
     "input %x f32 1x8193x4x4\nconst %k f32 1 = { 2 }\n%y = mul(%k, %x)\n"},
    {OP_mul, OPERANDS, "input %x f32 1x8x4x4\ninput %z f32 1x8x4x4\n%y = mul(%x, %z)\n",
     "input %x f32 1x8x4x4\ninput %z f32 1x8x1x1\n%y = mul(%x, %z)\n"},
    {OP_mul, OPERANDS, "input %x f32 1x8x4x4\nconst %k f32 8x1x1 = iota\n%y = mul(%x, %k)\n",
     "input %x f32 1x1x4x4\nconst %k f32 8x1x1 = iota\n%y = mul(%x, %k)\n"},
    {OP_div, "the divisor must be constant", "input %x f32 1x8x4x4\nconst %k f32 1 = { 2 }\n%y = div(%x, %k)\n",
     "input %x f32 1x8x4x4\nconst %k f32 1 = { 2 }\n%y = div(%k, %x)\n"},
    {OP_div, "1 / divisor must be a finite number",
     "input %x f32 1x8x4x4\nconst %k f32 1 = { 1e-38 }\n%y = div(%x, %k)\n",
     "input %x f32 1x8x4x4\nconst %k f32 1 = { 1e-39 }\n%y = div(%x, %k)\n"},
    {OP_div, OPERANDS, "input %x f32 1x8x4x4\nconst %k f32 1x8x1x1 = random 3\n%y = div(%x, %k)\n",
     "input %x f32 1x8x4x4\nconst %k f32 1x8x4x4 = random 3\n%y = div(%x, %k)\n"},
    {OP_prelu, MAPS, "input %x f32 1x8x256x4\nconst %k f32 8x1x1 = random 3\n%y = prelu(%x, %k)\n",
     "input %x f32 1x8x257x4\nconst %k f32 8x1x1 = random 3\n%y = prelu(%x, %k)\n"},
    {OP_prelu, "the slopes must be constant, one for each channel",
     "input %x f32 1x8x4x4\nconst %k f32 8x1x1 = random 3\n%y = prelu(%x, %k)\n",
     "input %x f32 1x8x4x4\nconst %k f32 8x4x4 = random 3\n%y = prelu(%x, %k)\n"},
    {OP_pad, MAPS, "input %x f32 1x8188x4x4\n%y = pad(%x) before=[0,2,0,0] after=[0,2,0,0]\n",
     "input %x f32 1x8188x4x4\n%y = pad(%x) before=[0,2,0,0] after=[0,3,0,0]\n"},
    {OP_pad, "only channels can be padded, with zeros",
     "input %x f32 1x8x4x4\n%y = pad(%x) before=[0,1,0,0] after=[0,0,0,0]\n",
     "input %x f32 1x8x4x4\n%y = pad(%x) before=[0,1,0,0] after=[0,0,1,0]\n"},
    {OP_pad, "only channels can be padded, with zeros",
     "input %x f32 1x8x4x4\n%y = pad(%x) before=[0,1,0,0] after=[0,0,0,0] value=0\n",
     "input %x f32 1x8x4x4\n%y = pad(%x) before=[0,1,0,0] after=[0,0,0,0] value=1\n"},
    {OP_pad, "only channels can be padded, with zeros",
     "input %x f32 1x8x4x4\n%y = pad(%x) before=[0,0,0,0] after=[0,1,0,0]\n",
     "input %x f32 1x8x4x4\n%y = pad(%x) before=[0,0,0,0] after=[0,-1,0,0]\n"},
    {OP_resize, MAPS, "input %x f32 1x8x128x256\n%y = resize(%x) out_h=256 out_w=512\n",
     "input %x f32 1x8x129x256\n%y = resize(%x) out_h=258 out_w=512\n"},
    {OP_resize, ENLARGED, "input %x f32 1x8x5x7\n%y = resize(%x) out_h=20 out_w=28\n",
     "input %x f32 1x8x5x7\n%y = resize(%x) out_h=15 out_w=21\n"},
    {OP_resize, ENLARGED, "input %x f32 1x8x5x7\n%y = resize(%x) out_h=10 out_w=14\n",
     "input %x f32 1x8x5x7\n%y = resize(%x) out_h=10 out_w=28\n"},
    {OP_resize, ENLARGED, "input %x f32 1x8x5x7\n%y = resize(%x) out_h=9 out_w=14\n",
     "input %x f32 1x8x5x7\n%y = resize(%x) out_h=8 out_w=14\n"},
    {OP_resize, ENLARGED, "input %x f32 1x8x5x7\n%y = resize(%x) out_h=10 out_w=14 half_pixel=true\n",
     "input %x f32 1x8x5x7\n%y = resize(%x) out_h=15 out_w=21 half_pixel=true\n"},
    {OP_resize, ENLARGED, "input %x f32 1x8x5x7\n%y = resize(%x) out_h=11 out_w=15\n",
     "input %x f32 1x8x5x7\n%y = resize(%x) out_h=12 out_w=15\n"},
    {OP_resize, ENLARGED, "input %x f32 1x8x1x7\n%y = resize(%x) out_h=1 out_w=28\n",
     "input %x f32 1x8x1x7\n%y = resize(%x) out_h=1 out_w=21\n"},
    {OP_resize, ENLARGED, "input %x f32 1x8x5x7\n%y = resize(%x) mode=bilinear out_h=10 out_w=14\n",
     "input %x f32 1x8x5x7\n%y = resize(%x) mode=bilinear out_h=10 out_w=13\n"},
    {OP_resize, ENLARGED, "input %x f32 1x8x5x7\n%y = resize(%x) mode=bilinear out_h=9 out_w=13 align_corners=true\n",
     "input %x f32 1x8x5x7\n%y = resize(%x) mode=bilinear out_h=10 out_w=14 align_corners=true\n"},
    {OP_resize, ENLARGED, "input %x f32 1x8x5x7\n%y = resize(%x) mode=bilinear out_h=40 out_w=56 half_pixel=true\n",
     "input %x f32 1x8x5x7\n%y = resize(%x) mode=bilinear out_h=15 out_w=21 half_pixel=true\n"},
    {OP_depth_to_space, MAPS, "input %x f32 1x16x128x256\n%y = depth_to_space(%x) block=2\n",
     "input %x f32 1x16x129x256\n%y = depth_to_space(%x) block=2\n"},
    {OP_depth_to_space, BLOCKS, "input %x f32 1x16x5x7\n%y = depth_to_space(%x) block=2\n",
     "input %x f32 1x12x5x7\n%y = depth_to_space(%x) block=2\n"},
    {OP_depth_to_space, BLOCKS, "input %x f32 1x32x5x7\n%y = depth_to_space(%x) block=2\n",
     "input %x f32 1x36x5x7\n%y = depth_to_space(%x) block=3\n"},
    {OP_depth_to_space, BLOCKS, "input %x f32 1x32x5x7\n%y = depth_to_space(%x) block=2\n",
     "input %x f32 1x32x5x7\n%y = depth_to_space(%x) block=2 crd=true\n"},
    {OP_conv2d_transpose, MAPS,
     "input %x f32 1x2x64x4\nconst %w f32 2x1x1x1 = { 1, 1 }\n%y = conv2d_transpose(%x, %w, _) stride_h=4 stride_w=4 "
     "groups=2 out_pad_h=3\n",
     "input %x f32 1x2x65x4\nconst %w f32 2x1x1x1 = { 1, 1 }\n%y = conv2d_transpose(%x, %w, _) stride_h=4 stride_w=4 "
     "groups=2\n"},
    {OP_conv2d_transpose, APART,
     "input %x f32 1x2x4x4\nconst %w f32 2x1x1x1 = { 1, 1 }\n%y = conv2d_transpose(%x, %w, _) stride_h=2 stride_w=2 "
     "groups=2\n",
     "input %x f32 1x2x4x4\nconst %w f32 2x1x1x1 = { 1, 2 }\n%y = conv2d_transpose(%x, %w, _) stride_h=2 stride_w=2 "
     "groups=2\n"},
    {OP_concat, MAPS, "input %x f32 1x4096x4x4\n%y = concat(%x, %x) axis=1\n",
     "input %x f32 1x4096x4x4\ninput %z f32 1x4097x4x4\n%y = concat(%x, %z) axis=1\n"},
    {OP_concat, "only channels can lie side by side, and rows below one another",
     "input %x f32 1x8x4x4\n%y = concat(%x, %x) axis=2\n", "input %x f32 1x8x4x4\n%y = concat(%x, %x) axis=3\n"},
};
enum { N_CASES = sizeof cases / sizeof cases[0] };

static const char *broken(struct net *n, const char *text, char found[120])
{
    net_parse(n, text);
    assert_true(n->g->last != NULL);
    return ncc_k210_rule_broken(n->g->last, found);
}

static void both_sides(void **unused)
{
    (void)unused;
    for (int i = 0; i < N_CASES; i++) {
        const struct rule_case *c = &cases[i];
        struct net n;
        net_open(&n);
        char found[120];
        const char *rule = broken(&n, c->good, found);
        if (rule)
            fail_msg("case %d: the good graph breaks '%s' (%s)\n%s", i, rule, found, c->good);
        assert_int_equal(n.g->last->op, c->op);
        assert_string_equal(found, "");
        rule = broken(&n, c->bad, found);
        if (!rule || strcmp(rule, c->text))
            fail_msg("case %d: expected '%s', got '%s'\n%s", i, c->text, rule ? rule : "nothing", c->bad);
        if (!found[0])
            fail_msg("case %d: nothing was said to be found", i);
        net_close(&n);
    }
}

/* Operators that share a table share its cases. */
static bool has_case(const struct rule *table, const char *text)
{
    for (int i = 0; i < N_CASES; i++)
        if (ncc_k210_rules(cases[i].op) == table && !strcmp(cases[i].text, text))
            return true;
    return false;
}

static void every_row(void **unused)
{
    (void)unused;
    int n_rows = 0;
    for (enum op op = 0; op < N_OPS; op++) {
        const struct rule *r = ncc_k210_rules(op);
        for (; r && r->text; r++) {
            n_rows++;
            if (!has_case(ncc_k210_rules(op), r->text))
                fail_msg("%s: no case for '%s'", ncc_op_desc(op)->name, r->text);
        }
    }
    assert_true(n_rows > 20);
}

static void no_rules(void **unused)
{
    (void)unused;
    struct net n;
    net_open(&n);
    char found[120];
    assert_string_equal(broken(&n, "input %x f32 1x8\n%y = softmax(%x) axis=1\n", found),
                        "the KPU has no such operation");
    assert_string_equal(broken(&n, "input %x f32 1x8x4x4\n%y = transpose(%x) perm=[0,2,3,1]\n", found),
                        "the KPU has no such operation");
    net_close(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(both_sides), cmocka_unit_test(every_row),
                                       cmocka_unit_test(no_rules)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Operators with small numbers: the values on the right were worked out by hand or by a separate
 * program. A case without inputs is a whole graph; its outputs' elements stand one after another. */
#ifndef NCC_TESTS_OPS_CASES_H
#define NCC_TESTS_OPS_CASES_H

#include "compiler/ir/op.h"

#include <math.h>

/* Activation tables: entry 0 gives code 0; entry 1 starts at 0 with y_mul 64, shift 13, bias 5 (the worked
 * example of doc/kpu.md section 5.1), or with slope 1. */
#define TABLE_EXAMPLE \
    "0, 0, 0, 0, 0, 0, 0, 8, 13, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 241, 255, 255, 255, 7, 0, 0, 0, 242, 255," \
    " 255, 255, 7, 0, 0, 0, 243, 255, 255, 255, 7, 0, 0, 0, 244, 255, 255, 255, 7, 0, 0, 0, 245, 255, " \
    "255, 255, 7, 0, 0, 0, 246, 255, 255, 255, 7, 0, 0, 0, 247, 255, 255, 255, 7, 0, 0, 0, 248, 255, 255," \
    " 255, 7, 0, 0, 0, 249, 255, 255, 255, 7, 0, 0, 0, 250, 255, 255, 255, 7, 0, 0, 0, 251, 255, 255, " \
    "255, 7, 0, 0, 0, 252, 255, 255, 255, 7, 0, 0, 0, 253, 255, 255, 255, 7, 0, 0, 0, 254, 255, 255, 255," \
    " 7, 0, 5, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255"
#define TABLE_IDENTITY \
    "0, 0, 0, 0, 0, 0, 0, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 241, 255, 255, 255, 7, 0, 0, 0, 242, 255, " \
    "255, 255, 7, 0, 0, 0, 243, 255, 255, 255, 7, 0, 0, 0, 244, 255, 255, 255, 7, 0, 0, 0, 245, 255, 255," \
    " 255, 7, 0, 0, 0, 246, 255, 255, 255, 7, 0, 0, 0, 247, 255, 255, 255, 7, 0, 0, 0, 248, 255, 255, " \
    "255, 7, 0, 0, 0, 249, 255, 255, 255, 7, 0, 0, 0, 250, 255, 255, 255, 7, 0, 0, 0, 251, 255, 255, 255," \
    " 7, 0, 0, 0, 252, 255, 255, 255, 7, 0, 0, 0, 253, 255, 255, 255, 7, 0, 0, 0, 254, 255, 255, 255, 7, " \
    "0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255"

struct op_case {
    enum op op;
    const char *text;
    int n;
    double expected[96];
};

static const struct op_case op_cases[] = {
    {OP_relu,
     "const %x f32 8 = { -2.5, -1, -0.25, 0, 0.5, 1.5, 4, 7 }\n"
     "%y = relu(%x)\n"
     "output %y\n",
     8, {0, 0, 0, 0, 0.5, 1.5, 4, 7}},
    {OP_clip,
     "const %x f32 8 = { -2.5, -1, -0.25, 0, 0.5, 1.5, 4, 7 }\n"
     "%y = clip(%x) min=-1 max=6\n"
     "output %y\n",
     8, {-1, -1, -0.25, 0, 0.5, 1.5, 4, 6}},
    {OP_leaky_relu,
     "const %x f32 8 = { -2.5, -1, -0.25, 0, 0.5, 1.5, 4, 7 }\n"
     "%y = leaky_relu(%x) alpha=0.125\n"
     "output %y\n",
     8, {-0.3125, -0.125, -0.03125, 0, 0.5, 1.5, 4, 7}},
    {OP_elu,
     "const %x f32 8 = { -2.5, -1, -0.25, 0, 0.5, 1.5, 4, 7 }\n"
     "%y = elu(%x) alpha=2\n"
     "output %y\n",
     8, {-1.83583, -1.26424112, -0.442398434, 0, 0.5, 1.5, 4, 7}},
    {OP_sigmoid,
     "const %x f32 8 = { -2.5, -1, -0.25, 0, 0.5, 1.5, 4, 7 }\n"
     "%y = sigmoid(%x)\n"
     "output %y\n",
     8, {0.07585818, 0.268941421, 0.437823499, 0.5, 0.622459331, 0.817574476, 0.98201379, 0.999088949}},
    {OP_tanh,
     "const %x f32 8 = { -2.5, -1, -0.25, 0, 0.5, 1.5, 4, 7 }\n"
     "%y = tanh(%x)\n"
     "output %y\n",
     8, {-0.986614298, -0.761594156, -0.244918662, 0, 0.462117157, 0.905148254, 0.9993293, 0.999998337}},
    {OP_hard_swish,
     "const %x f32 9 = { -4, -2.5, -1, -0.25, 0, 0.5, 1.5, 4, 7 }\n"
     "%y = hard_swish(%x)\n"
     "output %y\n",
     9, {0, -0.208333333, -0.333333333, -0.114583333, 0, 0.291666667, 1.125, 4, 7}},
    {OP_swish,
     "const %x f32 8 = { -2.5, -1, -0.25, 0, 0.5, 1.5, 4, 7 }\n"
     "%y = swish(%x) beta=0.5\n"
     "output %y\n",
     8, {-0.556750347, -0.377540669, -0.117197657, 0, 0.28108825, 1.01876805, 3.52318831, 6.79481438}},
    {OP_softplus,
     "const %x f32 8 = { -2.5, -1, -0.25, 0, 0.5, 1.5, 4, 7 }\n"
     "%y = softplus(%x)\n"
     "output %y\n",
     8, {0.0788897343, 0.313261688, 0.57593942, 0.693147181, 0.974076984, 1.70141328, 4.01814993, 7.00091147}},
    {OP_softsign,
     "const %x f32 8 = { -2.5, -1, -0.25, 0, 0.5, 1.5, 4, 7 }\n"
     "%y = softsign(%x)\n"
     "output %y\n",
     8, {-0.714285714, -0.5, -0.2, 0, 0.333333333, 0.6, 0.8, 0.875}},
    {OP_mish,
     "const %x f32 8 = { -2.5, -1, -0.25, 0, 0.5, 1.5, 4, 7 }\n"
     "%y = mish(%x)\n"
     "output %y\n",
     8, {-0.196816204, -0.303401461, -0.129926964, 0, 0.375245211, 1.40337827, 3.99741281, 6.99998838}},
    {OP_erf,
     "const %x f32 8 = { -2.5, -1, -0.25, 0, 0.5, 1.5, 4, 7 }\n"
     "%y = erf(%x)\n"
     "output %y\n",
     8, {-0.999593048, -0.842700793, -0.27632639, 0, 0.520499878, 0.966105146, 0.999999985, 1}},
    {OP_sign,
     "const %x f32 8 = { -2.5, -1, -0.25, 0, 0.5, 1.5, 4, 7 }\n"
     "%y = sign(%x)\n"
     "output %y\n",
     8, {-1, -1, -1, 0, 1, 1, 1, 1}},
    {OP_reciprocal,
     "const %x f32 4 = { -2.5, -0.25, 0.5, 4 }\n"
     "%y = reciprocal(%x)\n"
     "output %y\n",
     4, {-0.4, -4, 2, 0.25}},
    {OP_tan,
     "const %x f32 8 = { -2.5, -1, -0.25, 0, 0.5, 1.5, 4, 7 }\n"
     "%y = tan(%x)\n"
     "output %y\n",
     8, {0.747022297, -1.55740772, -0.255341921, 0, 0.54630249, 14.1014199, 1.15782128, 0.871447983}},
    {OP_asin,
     "const %x f32 5 = { -1, -0.5, 0, 0.25, 1 }\n"
     "%y = asin(%x)\n"
     "output %y\n",
     5, {-1.57079633, -0.523598776, 0, 0.252680255, 1.57079633}},
    {OP_acos,
     "const %x f32 5 = { -1, -0.5, 0, 0.25, 1 }\n"
     "%y = acos(%x)\n"
     "output %y\n",
     5, {3.14159265, 2.0943951, 1.57079633, 1.31811607, 0}},
    {OP_atan,
     "const %x f32 8 = { -2.5, -1, -0.25, 0, 0.5, 1.5, 4, 7 }\n"
     "%y = atan(%x)\n"
     "output %y\n",
     8, {-1.19028995, -0.785398163, -0.244978663, 0, 0.463647609, 0.982793723, 1.32581766, 1.42889927}},
    {OP_sinh,
     "const %x f32 8 = { -2.5, -1, -0.25, 0, 0.5, 1.5, 4, 7 }\n"
     "%y = sinh(%x)\n"
     "output %y\n",
     8, {-6.05020448, -1.17520119, -0.252612317, 0, 0.521095305, 2.12927946, 27.2899172, 548.316123}},
    {OP_cosh,
     "const %x f32 8 = { -2.5, -1, -0.25, 0, 0.5, 1.5, 4, 7 }\n"
     "%y = cosh(%x)\n"
     "output %y\n",
     8, {6.13228948, 1.54308063, 1.0314131, 1, 1.12762597, 2.35240962, 27.3082328, 548.317035}},
    {OP_asinh,
     "const %x f32 8 = { -2.5, -1, -0.25, 0, 0.5, 1.5, 4, 7 }\n"
     "%y = asinh(%x)\n"
     "output %y\n",
     8, {-1.64723115, -0.881373587, -0.247466462, 0, 0.481211825, 1.19476322, 2.09471255, 2.64412076}},
    {OP_acosh,
     "const %x f32 3 = { 1, 1.5, 7 }\n"
     "%y = acosh(%x)\n"
     "output %y\n",
     3, {0, 0.96242365, 2.63391579}},
    {OP_atanh,
     "const %x f32 4 = { -0.9, -0.5, 0, 0.25 }\n"
     "%y = atanh(%x)\n"
     "output %y\n",
     4, {-1.47221949, -0.549306144, 0, 0.255412812}},
    {OP_thresholded_relu,
     "const %x f32 8 = { -2.5, -1, -0.25, 0, 0.5, 1.5, 4, 7 }\n"
     "%y = thresholded_relu(%x) alpha=1.5\n"
     "output %y\n",
     8, {0, 0, 0, 0, 0, 0, 4, 7}},
    {OP_shrink,
     "const %x f32 8 = { -2.5, -1, -0.25, 0, 0.5, 1.5, 4, 7 }\n"
     "%y = shrink(%x) lambda=1 bias=0.125\n"
     "output %y\n",
     8, {-2.375, 0, 0, 0, 0, 1.375, 3.875, 6.875}},
    {OP_gelu,
     "const %x f32 8 = { -2.5, -1, -0.25, 0, 0.5, 1.5, 4, 7 }\n"
     "%y = gelu(%x)\n"
     "%z = gelu(%x) by_tanh=true\n"
     "output %y\n"
     "output %z\n",
     16, {-0.0155241633, -0.158655254, -0.100323419, 0, 0.345731231, 1.3997892, 3.99987332, 7,
          -0.0150842661, -0.158808009, -0.100324649, 0, 0.34571401, 1.39957158, 3.99992975, 7}},
    {OP_remainder,
     "const %x f32 4 = { 5.5, -5.5, 5.5, -5.5 }\n"
     "const %y f32 4 = { 2, 2, -2, -2 }\n"
     "%z = remainder(%x, %y)\n"
     "const %i i32 5 = { 7, -7, 7, -7, 7 }\n"
     "const %j i32 5 = { 3, 3, -3, -3, 0 }\n"
     "%k = remainder(%i, %j)\n"
     "output %z\n"
     "output %k\n",
     9, {1.5, -1.5, 1.5, -1.5, 1, -1, 1, -1, 0}},
    {OP_comparison,
     "const %x f32 3 = { 1, 2, 3 }\n"
     "const %y f32 1 = { 2 }\n"
     "%a = comparison(%x, %y)\n"
     "%b = comparison(%x, %y) kind=not_equal\n"
     "%c = comparison(%x, %y) kind=less\n"
     "%d = comparison(%x, %y) kind=less_equal\n"
     "%e = comparison(%x, %y) kind=greater\n"
     "%f = comparison(%x, %y) kind=greater_equal\n"
     "output %a\noutput %b\noutput %c\noutput %d\noutput %e\noutput %f\n",
     18, {0, 1, 0, 1, 0, 1, 1, 0, 0, 1, 1, 0, 0, 0, 1, 0, 1, 1}},
    {OP_comparison,
     "const %x i64 2x2 = { 9007199254740993, 1, -1, 0 }\n"
     "const %y i64 1 = { 9007199254740992 }\n"
     "%a = comparison(%x, %y) kind=greater\n"
     "output %a\n",
     4, {1, 0, 0, 0}},
    {OP_logical,
     "const %x bool 4 = { 0, 0, 1, 1 }\n"
     "const %y bool 4 = { 0, 1, 0, 1 }\n"
     "%a = logical(%x, %y)\n"
     "%b = logical(%x, %y) kind=or\n"
     "%c = logical(%x, %y) kind=xor\n"
     "output %a\noutput %b\noutput %c\n",
     12, {0, 0, 0, 1, 0, 1, 1, 1, 0, 1, 1, 0}},
    {OP_logical_not,
     "const %x bool 2 = { 0, 1 }\n"
     "%y = logical_not(%x)\n"
     "output %y\n",
     2, {1, 0}},
    {OP_select,
     "const %c bool 2x1 = { 1, 0 }\n"
     "const %x f32 3 = { 1, 2, 3 }\n"
     "const %y f32 1 = { 9 }\n"
     "%z = select(%c, %x, %y)\n"
     "output %z\n",
     6, {1, 2, 3, 9, 9, 9}},
    {OP_arg_max,
     "const %x f32 2x3 = { 1, 5, 5, -2, -7, -7 }\n"
     "%a = arg_max(%x) axis=1\n"
     "%b = arg_max(%x) axis=1 last=true\n"
     "%c = arg_max(%x) axis=1 least=true keep_dims=true\n"
     "%d = arg_max(%x) axis=0\n"
     "output %a\noutput %b\noutput %c\noutput %d\n",
     9, {1, 0, 2, 0, 0, 1, 0, 0, 0}},
    {OP_top_k,
     "const %x f32 2x4 = { 1, 5, 5, 2, -2, -7, 3, -7 }\n"
     "%v, %i = top_k(%x) axis=1 k=3\n"
     "%w, %j = top_k(%x) axis=1 k=2 least=true\n"
     "output %v\noutput %i\noutput %w\noutput %j\n",
     20, {5, 5, 2, 3, -2, -7, 1, 2, 3, 2, 0, 1, 1, 2, -7, -7, 0, 3, 1, 3}},
    {OP_bit_shift,
     "const %x u8 4 = { 1, 3, 129, 255 }\n"
     "const %n u8 4 = { 0, 2, 1, 4 }\n"
     "%l = bit_shift(%x, %n)\n"
     "%r = bit_shift(%x, %n) right=true\n"
     "output %l\n"
     "output %r\n",
     8, {1, 12, 2, 240, 1, 0, 64, 15}},
    {OP_add,
     "const %x u8 2 = { 200, 3 }\n"
     "const %y u8 1 = { 100 }\n"
     "%z = add(%x, %y)\n"
     "output %z\n",
     2, {44, 103}},
    {OP_reduce,
     "const %x i8 2x2 = { 100, 7, -3, 20 }\n"
     "%y = reduce(%x) kind=max axes=[1]\n"
     "output %y\n",
     2, {100, 20}},
    {OP_abs,
     "const %x f32 8 = { -2.5, -1, -0.25, 0, 0.5, 1.5, 4, 7 }\n"
     "%y = abs(%x)\n"
     "output %y\n",
     8, {2.5, 1, 0.25, 0, 0.5, 1.5, 4, 7}},
    {OP_neg,
     "const %x f32 2 = { -1.5, 2 }\n"
     "%y = neg(%x)\n"
     "output %y\n",
     2, {1.5, -2}},
    {OP_exp,
     "const %x f32 8 = { -2.5, -1, -0.25, 0, 0.5, 1.5, 4, 7 }\n"
     "%y = exp(%x)\n"
     "output %y\n",
     8, {0.0820849986, 0.367879441, 0.778800783, 1, 1.64872127, 4.48168907, 54.59815, 1096.63316}},
    {OP_log,
     "const %x f32 3 = { 0.5, 1, 10 }\n"
     "%y = log(%x)\n"
     "output %y\n",
     3, {-0.693147181, 0, 2.30258509}},
    {OP_sqrt,
     "const %x f32 3 = { 0, 0.25, 2 }\n"
     "%y = sqrt(%x)\n"
     "output %y\n",
     3, {0, 0.5, 1.41421356}},
    {OP_rsqrt,
     "const %x f32 2 = { 0.25, 2 }\n"
     "%y = rsqrt(%x)\n"
     "output %y\n",
     2, {2, 0.707106781}},
    {OP_square,
     "const %x f32 8 = { -2.5, -1, -0.25, 0, 0.5, 1.5, 4, 7 }\n"
     "%y = square(%x)\n"
     "output %y\n",
     8, {6.25, 1, 0.0625, 0, 0.25, 2.25, 16, 49}},
    {OP_sin,
     "const %x f32 8 = { -2.5, -1, -0.25, 0, 0.5, 1.5, 4, 7 }\n"
     "%y = sin(%x)\n"
     "output %y\n",
     8, {-0.598472144, -0.841470985, -0.247403959, 0, 0.479425539, 0.997494987, -0.756802495, 0.656986599}},
    {OP_cos,
     "const %x f32 8 = { -2.5, -1, -0.25, 0, 0.5, 1.5, 4, 7 }\n"
     "%y = cos(%x)\n"
     "output %y\n",
     8, {-0.801143616, 0.540302306, 0.968912422, 1, 0.877582562, 0.0707372017, -0.653643621, 0.753902254}},
    {OP_floor,
     "const %x f32 8 = { -2.5, -1, -0.25, 0, 0.5, 1.5, 4, 7 }\n"
     "%y = floor(%x)\n"
     "output %y\n",
     8, {-3, -1, -1, 0, 0, 1, 4, 7}},
    {OP_ceil,
     "const %x f32 8 = { -2.5, -1, -0.25, 0, 0.5, 1.5, 4, 7 }\n"
     "%y = ceil(%x)\n"
     "output %y\n",
     8, {-2, -1, 0, 0, 1, 2, 4, 7}},
    {OP_round,
     "const %x f32 6 = { -2.5, -1.5, -0.4, 0.5, 1.5, 2.6 }\n"
     "%y = round(%x)\n"
     "output %y\n",
     6, {-2, -2, 0, 0, 2, 3}},
    {OP_add,
     "const %a f32 2x3 = { 1, -2, 3, 4, 5, -6 }\n"
     "const %b f32 3 = { 2, 4, -1 }\n"
     "%y = add(%a, %b)\n"
     "%z = add(%b, %a)\n"
     "output %y\n"
     "output %z\n",
     12, {3, 2, 2, 6, 9, -7, 3, 2, 2, 6, 9, -7}},
    {OP_sub,
     "const %a f32 2x3 = { 1, -2, 3, 4, 5, -6 }\n"
     "const %b f32 3 = { 2, 4, -1 }\n"
     "%y = sub(%a, %b)\n"
     "%z = sub(%b, %a)\n"
     "output %y\n"
     "output %z\n",
     12, {-1, -6, 4, 2, 1, -5, 1, 6, -4, -2, -1, 5}},
    {OP_mul,
     "const %a f32 2x3 = { 1, -2, 3, 4, 5, -6 }\n"
     "const %b f32 3 = { 2, 4, -1 }\n"
     "%y = mul(%a, %b)\n"
     "%z = mul(%b, %a)\n"
     "output %y\n"
     "output %z\n",
     12, {2, -8, -3, 8, 20, 6, 2, -8, -3, 8, 20, 6}},
    {OP_div,
     "const %a f32 2x3 = { 1, -2, 3, 4, 5, -6 }\n"
     "const %b f32 3 = { 2, 4, -1 }\n"
     "%y = div(%a, %b)\n"
     "%z = div(%b, %a)\n"
     "output %y\n"
     "output %z\n",
     12, {0.5, -0.5, -3, 2, 1.25, 6, 2, -2, -0.333333333, 0.5, 0.8, 0.166666667}},
    {OP_maximum,
     "const %a f32 2x3 = { 1, -2, 3, 4, 5, -6 }\n"
     "const %b f32 3 = { 2, 4, -1 }\n"
     "%y = maximum(%a, %b)\n"
     "%z = maximum(%b, %a)\n"
     "output %y\n"
     "output %z\n",
     12, {2, 4, 3, 4, 5, -1, 2, 4, 3, 4, 5, -1}},
    {OP_minimum,
     "const %a f32 2x3 = { 1, -2, 3, 4, 5, -6 }\n"
     "const %b f32 3 = { 2, 4, -1 }\n"
     "%y = minimum(%a, %b)\n"
     "%z = minimum(%b, %a)\n"
     "output %y\n"
     "output %z\n",
     12, {1, -2, -1, 2, 4, -6, 1, -2, -1, 2, 4, -6}},
    {OP_squared_difference,
     "const %a f32 2x3 = { 1, -2, 3, 4, 5, -6 }\n"
     "const %b f32 3 = { 2, 4, -1 }\n"
     "%y = squared_difference(%a, %b)\n"
     "%z = squared_difference(%b, %a)\n"
     "output %y\n"
     "output %z\n",
     12, {1, 36, 16, 4, 1, 25, 1, 36, 16, 4, 1, 25}},
    {OP_pow,
     "const %a f32 2x3 = { 1, 2, 3, 4, 0.5, 6 }\n"
     "const %b f32 3 = { 2, 0.5, -1 }\n"
     "%y = pow(%a, %b)\n"
     "%z = pow(%b, %a)\n"
     "output %y\n"
     "output %z\n",
     12, {1, 1.41421356, 0.333333333, 16, 0.707106781, 0.166666667, 2, 0.25, -1, 16, 0.707106781, 1}},
    {OP_add,
     "const %a i64 3 = { 4611686018427387905, -7, 3 }\n"
     "const %b i64 1 = { 2 }\n"
     "%y = add(%a, %b)\n"
     "%s = sub(%y, %a)\n"
     "output %s\n",
     3, {2, 2, 2}},
    {OP_div,
     "const %a i32 4 = { -7, 7, 7, -2147483648 }\n"
     "const %b i32 4 = { 2, -2, 0, -1 }\n"
     "%y = div(%a, %b)\n"
     "output %y\n",
     4, {-3, -3, 0, -2.14748365e+09}},
    {OP_mul,
     "const %a i32 2 = { 7, -3 }\n"
     "const %b i32 2 = { -5, 4 }\n"
     "%y = mul(%a, %b)\n"
     "%m = maximum(%y, %a)\n"
     "%n = minimum(%y, %a)\n"
     "output %y\n"
     "output %m\n"
     "output %n\n",
     6, {-35, -12, 7, -3, -35, -12}},
    {OP_prelu,
     "const %x f32 1x2x1x2 = { -1, 2, -3, 4 }\n"
     "const %s f32 2x1x1 = { 0.5, -2 }\n"
     "%y = prelu(%x, %s)\n"
     "output %y\n",
     4, {-0.5, 2, 6, 4}},
    {OP_conv2d,
     "const %x f32 1x1x3x3 = { 1, 2, 3, 4, 5, 6, 7, 8, 9 }\n"
     "const %w f32 1x1x2x2 = { 1, 2, 3, 4 }\n"
     "const %b f32 1 = { 0.5 }\n"
     "%y = conv2d(%x, %w, %b)\n"
     "output %y\n",
     4, {37.5, 47.5, 67.5, 77.5}},
    {OP_conv2d,
     "const %x f32 1x4x3x3 = iota\n"
     "const %w f32 4x2x1x1 = iota\n"
     "%y = conv2d(%x, %w) groups=2 stride_h=2 stride_w=2\n"
     "output %y\n",
     16, {9, 11, 15, 17, 27, 37, 57, 67, 207, 225, 261, 279, 297, 323, 375, 401}},
    {OP_conv2d,
     "const %x f32 1x2x4x4 = iota\n"
     "const %w f32 4x1x3x3 = iota\n"
     "%y = conv2d(%x, %w) groups=2 pad_top=1 pad_left=2 pad_bottom=1 dil_h=2 dil_w=2\n"
     "output %y\n",
     16, {242, 266, 86, 98, 566, 626, 266, 314, 2426, 2522, 1790, 1874, 3326, 3458, 2546, 2666}},
    {OP_conv2d_transpose,
     "const %x f32 1x1x2x2 = { 1, 2, 3, 4 }\n"
     "const %w f32 1x1x2x2 = { 1, 2, 3, 4 }\n"
     "const %b f32 1 = { 100 }\n"
     "%y = conv2d_transpose(%x, %w, %b) stride_h=2 stride_w=2\n"
     "output %y\n",
     16, {101, 102, 102, 104, 103, 104, 106, 108, 103, 106, 104, 108, 109, 112, 112, 116}},
    {OP_conv2d_transpose,
     "const %x f32 1x2x2x3 = iota\n"
     "const %w f32 2x2x3x3 = iota\n"
     "%y = conv2d_transpose(%x, %w) stride_h=2 stride_w=2 pad_top=1 pad_left=1 pad_bottom=1 pad_right=1 "
     "out_pad_h=1 out_pad_w=1 groups=2\n"
     "output %y\n",
     96, {0, 3, 4, 11, 8, 10, 3, 12, 11, 28, 19, 26, 12, 27, 16, 35, 20, 25, 21, 48, 28, 62, 35, 40, 0, 12, 13, 38,
     26, 28, 30, 84, 56, 136, 82, 89, 39, 90, 52, 116, 65, 70, 48, 111, 64, 143, 80, 85, 132, 285, 154, 329, 176,
     184, 321, 684, 365, 772, 409, 428, 198, 417, 220, 461, 242, 253, 225, 474, 250, 524, 275, 286, 186, 402, 217,
     464, 248, 256, 456, 972, 518, 1096, 580, 599, 279, 588, 310, 650, 341, 352, 306, 645, 340, 713, 374, 385}},
    {OP_matmul,
     "const %a f32 2x3 = { 1, 2, 3, 4, 5, 6 }\n"
     "const %b f32 3x2 = { 1, 2, 3, 4, 5, 6 }\n"
     "const %c f32 2 = { 10, 20 }\n"
     "%y = matmul(%a, %b, %c)\n"
     "output %y\n",
     4, {32, 48, 59, 84}},
    {OP_matmul,
     "const %a f32 2x1x2 = { 1, 2, 3, 4 }\n"
     "const %b f32 2x2x1 = { 1, 2, 3, 4 }\n"
     "%y = matmul(%a, %b)\n"
     "output %y\n",
     2, {5, 25}},
    {OP_max_pool,
     "const %x f32 1x1x3x3 = { -1, -2, -3, -4, -5, -6, -7, -8, -9 }\n"
     "%y = max_pool(%x) kernel_h=2 kernel_w=2 stride_h=2 stride_w=2 pad_top=1 pad_left=1\n"
     "output %y\n",
     4, {-1, -2, -4, -5}},
    {OP_max_pool,
     "const %x u8 1x1x2x3 = { 1, 200, 3, 4, 5, 255 }\n"
     "%y = max_pool(%x) kernel_h=2 kernel_w=2\n"
     "output %y\n",
     2, {200, 255}},
    {OP_avg_pool,
     "const %x f32 1x1x3x3 = { -1, -2, -3, -4, -5, -6, -7, -8, -9 }\n"
     "%y = avg_pool(%x) kernel_h=2 kernel_w=2 stride_h=2 stride_w=2 pad_top=1 pad_left=1\n"
     "%z = avg_pool(%x) kernel_h=2 kernel_w=2 stride_h=2 stride_w=2 pad_top=1 pad_left=1 count_pad=true\n"
     "output %y\n"
     "output %z\n",
     8, {-1, -2.5, -5.5, -7, -0.25, -1.25, -2.75, -7}},
    {OP_reduce,
     "const %x f32 2x3 = { 1, 2, 3, 4, 5, -6 }\n"
     "%a = reduce(%x) kind=mean axes=[1]\n"
     "%b = reduce(%x) kind=sum axes=[0] keep_dims=true\n"
     "%c = reduce(%x) kind=max axes=[0,1]\n"
     "%d = reduce(%x) kind=min axes=[1]\n"
     "%e = reduce(%x) kind=prod axes=[1]\n"
     "output %a\n"
     "output %b\n"
     "output %c\n"
     "output %d\n"
     "output %e\n",
     10, {2, 1, 5, 7, -3, 5, 1, -6, 6, -120}},
    {OP_reduce,
     "const %x i64 2x2 = { 1, 2, 3, 4 }\n"
     "%a = reduce(%x) kind=prod axes=[0]\n"
     "output %a\n",
     2, {3, 8}},
    {OP_softmax,
     "const %x f32 2x2 = { 0, 0.69314718, 1000, 1000 }\n"
     "%y = softmax(%x) axis=1\n"
     "%z = softmax(%x) axis=0 beta=0.001\n"
     "output %y\n"
     "output %z\n",
     8, {0.333333333, 0.666666667, 0.5, 0.5, 0.268941421, 0.269077724, 0.731058579, 0.730922276}},
    {OP_l2_normalize,
     "const %x f32 1x2x2 = { 3, 0, 4, 0 }\n"
     "%y = l2_normalize(%x) axis=1\n"
     "output %y\n",
     4, {0.6, 0, 0.8, 0}},
    {OP_reshape,
     "const %x i16 2x3 = iota\n"
     "%y = reshape(%x) shape=[3,1,2]\n"
     "output %y\n",
     6, {0, 1, 2, 3, 4, 5}},
    {OP_transpose,
     "const %x u8 2x3x2 = iota\n"
     "%y = transpose(%x) perm=[2,0,1]\n"
     "output %y\n",
     12, {0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11}},
    {OP_concat,
     "const %x f16 1x2x2 = iota\n"
     "const %y f16 1x1x2 = { 8, 9 }\n"
     "%z = concat(%x, %y, %x) axis=1\n"
     "%w = concat(%x, %x) axis=2\n"
     "output %z\n"
     "output %w\n",
     18, {0, 1, 2, 3, 8, 9, 0, 1, 2, 3, 0, 1, 0, 1, 2, 3, 2, 3}},
    {OP_split,
     "const %x i64 2x4 = iota\n"
     "%a, %b = split(%x) axis=1 sizes=[1,3]\n"
     "output %a\n"
     "output %b\n",
     8, {0, 4, 1, 2, 3, 5, 6, 7}},
    {OP_slice,
     "const %x i8 3x4 = iota\n"
     "%y = slice(%x) begin=[2,1] size=[2,2] stride=[-2,2]\n"
     "output %y\n",
     4, {9, 11, 1, 3}},
    {OP_pad,
     "const %x f32 2x2 = { 1, 2, 3, 4 }\n"
     "%y = pad(%x) before=[1,-1] after=[0,2] value=9\n"
     "output %y\n",
     9, {9, 9, 9, 2, 9, 9, 4, 9, 9}},
    {OP_pad,
     "const %x i32 1x3 = { 1, 2, 3 }\n"
     "%r = pad(%x) before=[0,2] after=[0,2] mode=reflect\n"
     "%s = pad(%x) before=[0,2] after=[0,2] mode=symmetric\n"
     "%e = pad(%x) before=[1,2] after=[0,1] mode=edge\n"
     "output %r\n"
     "output %s\n"
     "output %e\n",
     26, {3, 2, 1, 2, 3, 2, 1, 2, 1, 1, 2, 3, 3, 2, 1, 1, 1, 2, 3, 3, 1, 1, 1, 2, 3, 3}},
    {OP_pad,
     "const %x u8 1x2x1x1 = { 10, 20 } !q(0.5, 100, 0.25, 7)\n"
     "%y = pad(%x) before=[0,0,0,1] after=[0,0,0,0] value=2\n"
     "output %y\n",
     4, {104, 10, 15, 20}},
    {OP_fake_quant,
     "const %x f32 8 = { -2.5, -1, -0.25, 0.25, 0.5, 1.5, 4, 7 }\n"
     "const %s f32 1 = { 0.5 }\n"
     "const %z f32 1 = { 3 }\n"
     "%y = fake_quant(%x, %s, %z) qmin=0 qmax=10\n"
     "%e = fake_quant(%x, %s) qmin=-4 qmax=10 half_even=true\n"
     "output %y\n"
     "output %e\n",
     16, {-1.5, -1, -0.5, 0.5, 0.5, 1.5, 3.5, 3.5, -2, -1, 0, 0, 0.5, 1.5, 4, 5}},
    {OP_fake_quant,
     "const %x f32 2x2x2 = { 1, 3, 1, 3, 5, -7, 5, -7 }\n"
     "const %s f32 2 = { 2, 4 }\n"
     "const %z f32 2 = { 0, 1 }\n"
     "%y = fake_quant(%x, %s, %z) axis=1 qmin=0 qmax=2\n"
     "output %y\n",
     8, {2, 4, 0, 4, 4, 0, 4, -4}},
    /* scale 2, and 1 for the other row; ties away from zero */
    {OP_dynamic_quant,
     "const %x f32 2x4 = { -254, 1, -3, 0.9, 127, 0.5, -0.5, 2.4 }\n"
     "%y = dynamic_quant(%x) symmetric=true\n"
     "output %y\n",
     8, {-254, 2, -4, 0, 127, 1, -1, 2}},
    /* scale 2, zero point 127 - 55 = 72; then no negative numbers, and none at all */
    {OP_dynamic_quant,
     "const %x f32 3x3 = { -400, 110, 3, 255, 0.75, 1.25, 0, 0, 0 }\n"
     "%y = dynamic_quant(%x)\n"
     "output %y\n",
     9, {-400, 110, 4, 255, 1, 1, 0, 0, 0}},
    {OP_gather,
     "const %x f32 2x3 = iota\n"
     "const %i i32 2x2 = { 0, 2, -1, 1 }\n"
     "%y = gather(%x, %i) axis=1\n"
     "output %y\n",
     8, {0, 2, 2, 1, 3, 5, 5, 4}},
    {OP_resize,
     "const %x f32 1x1x2x2 = { 0, 10, 20, 30 }\n"
     "%y = resize(%x) out_h=3 out_w=4\n"
     "output %y\n",
     12, {0, 0, 10, 10, 0, 0, 10, 10, 20, 20, 30, 30}},
    {OP_resize,
     "const %x f32 1x1x2x2 = { 0, 10, 20, 30 }\n"
     "%y = resize(%x) mode=bilinear out_h=3 out_w=3 align_corners=true\n"
     "%z = resize(%x) mode=bilinear out_h=4 out_w=1 half_pixel=true\n"
     "%u = resize(%x) mode=bilinear out_h=2 out_w=4\n"
     "output %y\n"
     "output %z\n"
     "output %u\n",
     21, {0, 5, 10, 10, 15, 20, 20, 25, 30, 5, 10, 20, 25, 0, 5, 10, 10, 20, 25, 30, 30}},
    {OP_resize,
     "const %x u8 1x1x1x2 = { 0, 255 }\n"
     "%y = resize(%x) mode=bilinear out_h=1 out_w=4\n"
     "output %y\n",
     4, {0, 127, 255, 255}},
    {OP_depth_to_space,
     "const %x u8 1x8x1x1 = iota\n"
     "%y = depth_to_space(%x)\n"
     "%z = depth_to_space(%x) crd=true\n"
     "output %y\n"
     "output %z\n",
     16, {0, 2, 4, 6, 1, 3, 5, 7, 0, 1, 2, 3, 4, 5, 6, 7}},
    {OP_space_to_depth,
     "const %x f32 1x2x2x2 = iota\n"
     "%y = space_to_depth(%x)\n"
     "output %y\n",
     8, {0, 4, 1, 5, 2, 6, 3, 7}},
    {OP_tile,
     "const %x bool 1x2 = { 1, 0 }\n"
     "%y = tile(%x) repeats=[2,2]\n"
     "output %y\n",
     8, {1, 0, 1, 0, 1, 0, 1, 0}},
    {OP_cast,
     "const %x f32 5 = { -1.7, 2.9, 300, -5000000000, 0 }\n"
     "%a = cast(%x) to=u8\n"
     "%b = cast(%x) to=i32\n"
     "%c = cast(%x) to=bool\n"
     "%d = cast(%b) to=i8\n"
     "%e = cast(%x) to=f16\n"
     "output %a\n"
     "output %b\n"
     "output %c\n"
     "output %d\n"
     "output %e\n",
     25, {0, 2, 255, 0, 0, -1, 2, 300, -2.14748365e+09, 0, 1, 1, 1, 1, 0, -1, 2, 44, 0, 0, -1.70019531, 2.90039062,
     300, -INFINITY, 0}},
    {OP_quantize,
     "const %x f32 6 = { -1, 0.25, 0.75, 0.125, 63, 1000 }\n"
     "%y = quantize(%x) !q(0.25, 2)\n"
     "output %y\n",
     6, {0, 3, 5, 3, 254, 255}},
    {OP_quantize,
     "const %x f32 1x2x1x2 = { 1, 2, 1, 2 }\n"
     "%y = quantize(%x) !q(0.5, 0, 0.25, 10)\n"
     "output %y\n",
     4, {2, 4, 14, 18}},
    {OP_dequantize,
     "const %x i8 2x2 = { -1, 2, 3, 4 } !q(0.5, 0, 2, 1)\n"
     "%y = dequantize(%x)\n"
     "const %h f16 2 = { 0.5, -0.25 }\n"
     "%z = dequantize(%h)\n"
     "output %y\n"
     "output %z\n",
     6, {-0.5, 1, 4, 6, 0.5, -0.25}},
    {OP_kpu_upload,
     "const %x u8 1x1x2x3 = iota\n"
     "%y = kpu_upload(%x) top=1 left=1 h=1 w=2 outside=zero\n"
     "%z = kpu_download(%y)\n"
     "output %z\n",
     6, {0, 1, 2, 3, 4, 5}},
    {OP_kpu_download,
     "const %x f32 1x1x2x2 = iota\n"
     "%y = kpu_upload(%x) h=2 w=2\n"
     "%z = kpu_download(%y)\n"
     "output %z\n",
     4, {0, 1, 2, 3}},
    {OP_kpu_conv,
     "const %x f32 1x1x4x4 = iota\n"
     "const %w f32 1x1x3x3 = { 1, 0, 0, 0, 1, 0, 0, 0, -2 }\n"
     "const %b f32 1 = { -3 }\n"
     "%u = kpu_upload(%x) h=4 w=4\n"
     "%y = kpu_conv(%u, %w, %b) pool=0 h=4 w=4 act=[leaky_relu(alpha=0.5),clip(max=6)]\n"
     "%z = kpu_download(%y)\n"
     "output %z\n",
     16, {-6.5, -7, -7.5, 0, -8.5, -9, -9, 6, -10.5, -9, -9, 6, 6, 6, 6, 6}},
    {OP_kpu_conv,
     "const %x f32 1x1x4x4 = iota\n"
     "const %w f32 1x1x3x3 = { 1, 0, 0, 0, 1, 0, 0, 0, -2 }\n"
     "const %b f32 1 = { -3 }\n"
     "%u = kpu_upload(%x) h=4 w=4\n"
     "%y = kpu_conv(%u, %w, %b) pool=1 h=2 w=2 act=[leaky_relu(alpha=0.5),clip(max=6)]\n"
     "%z = kpu_download(%y)\n"
     "output %z\n",
     4, {-6.5, 6, 6, 6}},
    {OP_kpu_conv,
     "const %x f32 1x1x4x4 = iota\n"
     "const %w f32 1x1x3x3 = { 1, 0, 0, 0, 1, 0, 0, 0, -2 }\n"
     "const %b f32 1 = { -3 }\n"
     "%u = kpu_upload(%x) h=4 w=4\n"
     "%y = kpu_conv(%u, %w, %b) pool=2 h=2 w=2 act=[leaky_relu(alpha=0.5),clip(max=6)]\n"
     "%z = kpu_download(%y)\n"
     "output %z\n",
     4, {-7.75, -2.625, -1.875, 2.25}},
    {OP_kpu_conv,
     "const %x f32 1x1x4x4 = iota\n"
     "const %w f32 1x1x3x3 = { 1, 0, 0, 0, 1, 0, 0, 0, -2 }\n"
     "const %b f32 1 = { -3 }\n"
     "%u = kpu_upload(%x) h=4 w=4\n"
     "%y = kpu_conv(%u, %w, %b) pool=3 h=1 w=1 act=[leaky_relu(alpha=0.5),clip(max=6)]\n"
     "%z = kpu_download(%y)\n"
     "output %z\n",
     1, {6}},
    {OP_kpu_conv,
     "const %x f32 1x1x4x4 = iota\n"
     "const %w f32 1x1x3x3 = { 1, 0, 0, 0, 1, 0, 0, 0, -2 }\n"
     "const %b f32 1 = { -3 }\n"
     "%u = kpu_upload(%x) h=4 w=4\n"
     "%y = kpu_conv(%u, %w, %b) pool=4 h=1 w=1 act=[leaky_relu(alpha=0.5),clip(max=6)]\n"
     "%z = kpu_download(%y)\n"
     "output %z\n",
     1, {-2.5}},
    {OP_kpu_conv,
     "const %x f32 1x1x4x4 = iota\n"
     "const %w f32 1x1x3x3 = { 1, 0, 0, 0, 1, 0, 0, 0, -2 }\n"
     "const %b f32 1 = { -3 }\n"
     "%u = kpu_upload(%x) h=4 w=4\n"
     "%y = kpu_conv(%u, %w, %b) pool=5 h=2 w=2 act=[leaky_relu(alpha=0.5),clip(max=6)]\n"
     "%z = kpu_download(%y)\n"
     "output %z\n",
     4, {-6.5, -7.5, -10.5, -9}},
    {OP_kpu_conv,
     "const %x f32 1x1x4x4 = iota\n"
     "const %w f32 1x1x3x3 = { 1, 0, 0, 0, 1, 0, 0, 0, -2 }\n"
     "const %b f32 1 = { -3 }\n"
     "%u = kpu_upload(%x) h=4 w=4\n"
     "%y = kpu_conv(%u, %w, %b) pool=6 h=2 w=2 act=[leaky_relu(alpha=0.5),clip(max=6)]\n"
     "%z = kpu_download(%y)\n"
     "output %z\n",
     4, {-7, 0, -9, 6}},
    {OP_kpu_conv,
     "const %x f32 1x1x4x4 = iota\n"
     "const %w f32 1x1x3x3 = { 1, 0, 0, 0, 1, 0, 0, 0, -2 }\n"
     "const %b f32 1 = { -3 }\n"
     "%u = kpu_upload(%x) h=4 w=4\n"
     "%y = kpu_conv(%u, %w, %b) pool=7 h=1 w=1 act=[leaky_relu(alpha=0.5),clip(max=6)]\n"
     "%z = kpu_download(%y)\n"
     "output %z\n",
     1, {-6.5}},
    {OP_kpu_conv,
     "const %x f32 1x1x4x4 = iota\n"
     "const %w f32 1x1x3x3 = { 1, 0, 0, 0, 1, 0, 0, 0, -2 }\n"
     "const %b f32 1 = { -3 }\n"
     "%u = kpu_upload(%x) h=4 w=4\n"
     "%y = kpu_conv(%u, %w, %b) pool=8 h=4 w=4 act=[leaky_relu(alpha=0.5),clip(max=6)]\n"
     "%z = kpu_download(%y)\n"
     "output %z\n",
     16, {-7.75, -8.125, -2.625, 3, -9.25, -9, -1.5, 6, -1.875, -1.5, 2.25, 6, 6, 6, 6, 6}},
    {OP_kpu_conv,
     "const %x f32 1x1x4x4 = iota\n"
     "const %w f32 1x1x3x3 = { 1, 0, 0, 0, 1, 0, 0, 0, -2 }\n"
     "const %b f32 1 = { -3 }\n"
     "%u = kpu_upload(%x) h=4 w=4\n"
     "%y = kpu_conv(%u, %w, %b) pool=9 h=4 w=4 act=[leaky_relu(alpha=0.5),clip(max=6)]\n"
     "%z = kpu_download(%y)\n"
     "output %z\n",
     16, {-6.5, -7, 6, 6, -8.5, -9, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6}},
    {OP_kpu_conv,
     "const %x f32 1x1x2x2 = { 5, 7, -3, 9 }\n"
     "const %w f32 1x1x3x3 = { 1, 0, 0, 0, 0, 0, 0, 0, 0 }\n"
     "%u = kpu_upload(%x) h=2 w=2\n"
     "%y = kpu_conv(%u, %w) copy=true pad_lowest=true depthwise=true h=2 w=2\n"
     "%z = kpu_download(%y)\n"
     "output %z\n",
     4, {-3, -3, -3, 5}},
    {OP_kpu_conv,
     "const %x f32 1x2x1x2 = { 1, 2, 3, 4 }\n"
     "const %w f32 2x2x1x1 = { 1, 10, -1, 0 }\n"
     "%u = kpu_upload(%x) h=1 w=2\n"
     "%y = kpu_conv(%u, %w) kernel=1 h=1 w=2 act=[abs()]\n"
     "%z = kpu_download(%y)\n"
     "output %z\n",
     4, {31, 42, 1, 2}},
    {OP_kpu_layer,
     "const %x u8 1x2x1x1 = { 10, 200 }\n"
     "const %w u8 1x2x1x1 = { 128, 140 }\n"
     "const %n i64 1 = { 1152921496218538976 }\n"
     "const %t u8 144 = {" TABLE_EXAMPLE " }\n"
     "%u = kpu_upload(%x) h=1 w=1\n"
     "%y = kpu_layer(%u, %w, %n, %t) kernel=1 x_zero=3 w_zero=130 h=1 w=1\n"
     "%z = kpu_download(%y)\n"
     "output %z\n",
     1, {141}},
    {OP_kpu_layer, /* the same with weights of 16 bits: 256 times as large, and the multiplier 256 times smaller */
     "const %x u8 1x2x1x1 = { 10, 200 }\n"
     "const %w i32 1x2x1x1 = { 32768, 35840 }\n"
     "const %n i64 1 = { 1152921496218240148 }\n"
     "const %t u8 144 = {" TABLE_EXAMPLE " }\n"
     "%u = kpu_upload(%x) h=1 w=1\n"
     "%y = kpu_layer(%u, %w, %n, %t) kernel=1 x_zero=3 w_zero=33280 h=1 w=1\n"
     "%z = kpu_download(%y)\n"
     "output %z\n",
     1, {141}},
    {OP_kpu_layer,
     "const %x u8 1x1x4x4 = { 11, 48, 85, 122, 159, 196, 233, 14, 51, 88, 125, 162, 199, 236, 17, 54 }\n"
     "const %w u8 1x1x3x3 = { 0, 0, 0, 0, 1, 0, 0, 0, 0 }\n"
     "const %n i64 1 = { 1080863910568951808 }\n"
     "const %t u8 144 = {" TABLE_IDENTITY " }\n"
     "%u = kpu_upload(%x) h=4 w=4\n"
     "%y = kpu_layer(%u, %w, %n, %t) depthwise=true pool=0 h=4 w=4\n"
     "%z = kpu_download(%y)\n"
     "output %z\n",
     16, {11, 48, 85, 122, 159, 196, 233, 14, 51, 88, 125, 162, 199, 236, 17, 54}},
    {OP_kpu_layer,
     "const %x u8 1x1x4x4 = { 11, 48, 85, 122, 159, 196, 233, 14, 51, 88, 125, 162, 199, 236, 17, 54 }\n"
     "const %w u8 1x1x3x3 = { 0, 0, 0, 0, 1, 0, 0, 0, 0 }\n"
     "const %n i64 1 = { 1080863910568951808 }\n"
     "const %t u8 144 = {" TABLE_IDENTITY " }\n"
     "%u = kpu_upload(%x) h=4 w=4\n"
     "%y = kpu_layer(%u, %w, %n, %t) depthwise=true pool=1 h=2 w=2\n"
     "%z = kpu_download(%y)\n"
     "output %z\n",
     4, {196, 233, 236, 162}},
    {OP_kpu_layer,
     "const %x u8 1x1x4x4 = { 11, 48, 85, 122, 159, 196, 233, 14, 51, 88, 125, 162, 199, 236, 17, 54 }\n"
     "const %w u8 1x1x3x3 = { 0, 0, 0, 0, 1, 0, 0, 0, 0 }\n"
     "const %n i64 1 = { 1080863910568951808 }\n"
     "const %t u8 144 = {" TABLE_IDENTITY " }\n"
     "%u = kpu_upload(%x) h=4 w=4\n"
     "%y = kpu_layer(%u, %w, %n, %t) depthwise=true pool=2 h=2 w=2\n"
     "%z = kpu_download(%y)\n"
     "output %z\n",
     4, {103, 113, 143, 89}},
    {OP_kpu_layer,
     "const %x u8 1x1x4x4 = { 11, 48, 85, 122, 159, 196, 233, 14, 51, 88, 125, 162, 199, 236, 17, 54 }\n"
     "const %w u8 1x1x3x3 = { 0, 0, 0, 0, 1, 0, 0, 0, 0 }\n"
     "const %n i64 1 = { 1080863910568951808 }\n"
     "const %t u8 144 = {" TABLE_IDENTITY " }\n"
     "%u = kpu_upload(%x) h=4 w=4\n"
     "%y = kpu_layer(%u, %w, %n, %t) depthwise=true pool=4 h=1 w=1\n"
     "%z = kpu_download(%y)\n"
     "output %z\n",
     1, {112}},
    {OP_kpu_layer,
     "const %x u8 1x1x4x4 = { 11, 48, 85, 122, 159, 196, 233, 14, 51, 88, 125, 162, 199, 236, 17, 54 }\n"
     "const %w u8 1x1x3x3 = { 0, 0, 0, 0, 1, 0, 0, 0, 0 }\n"
     "const %n i64 1 = { 1080863910568951808 }\n"
     "const %t u8 144 = {" TABLE_IDENTITY " }\n"
     "%u = kpu_upload(%x) h=4 w=4\n"
     "%y = kpu_layer(%u, %w, %n, %t) depthwise=true pool=6 h=2 w=2\n"
     "%z = kpu_download(%y)\n"
     "output %z\n",
     4, {48, 122, 88, 162}},
    {OP_kpu_layer,
     "const %x u8 1x1x4x4 = { 11, 48, 85, 122, 159, 196, 233, 14, 51, 88, 125, 162, 199, 236, 17, 54 }\n"
     "const %w u8 1x1x3x3 = { 0, 0, 0, 0, 1, 0, 0, 0, 0 }\n"
     "const %n i64 1 = { 1080863910568951808 }\n"
     "const %t u8 144 = {" TABLE_IDENTITY " }\n"
     "%u = kpu_upload(%x) h=4 w=4\n"
     "%y = kpu_layer(%u, %w, %n, %t) depthwise=true pool=8 h=4 w=4\n"
     "%z = kpu_download(%y)\n"
     "output %z\n",
     16, {103, 140, 113, 68, 123, 160, 133, 88, 143, 116, 89, 108, 217, 126, 35, 54}},
    {OP_kpu_layer,
     "const %x u8 1x1x1x3 = { 10, 20, 30 }\n"
     "const %w u8 1x1x3x3 = { 5, 5, 5, 5, 5, 6, 5, 5, 5 }\n"
     "const %n i64 1 = { 1080863910568951808 }\n"
     "const %t u8 144 = {" TABLE_IDENTITY " }\n"
     "%u = kpu_upload(%x) h=1 w=3\n"
     "%y = kpu_layer(%u, %w, %n, %t) x_zero=4 w_zero=5 h=1 w=3\n"
     "%z = kpu_download(%y)\n"
     "output %z\n",
     3, {16, 26, 0}},
    {OP_kpu_concat,
     "const %x u8 1x3x1x2 = iota\n"
     "const %y u8 1x1x1x2 = { 100, 101 }\n"
     "%a = kpu_upload(%x) h=1 w=2\n"
     "%b = kpu_upload(%y) h=1 w=2\n"
     "%c = kpu_concat(%a, %b)\n"
     "%z = kpu_download(%c)\n"
     "output %z\n",
     10, {0, 1, 2, 3, 4, 5, 0, 0, 100, 101}},
    {OP_kpu_slice,
     "const %x u8 1x9x1x2 = iota\n"
     "%a = kpu_upload(%x) h=1 w=2\n"
     "%b = kpu_slice(%a) begin=4 count=3\n"
     "%z = kpu_download(%b)\n"
     "output %z\n",
     6, {8, 9, 10, 11, 12, 13}},
    {OP_kpu_recanvas,
     "const %x u8 1x2x2x2 = { 1, 2, 3, 4, 5, 6, 7, 8 }\n"
     "%a = kpu_upload(%x) h=2 w=2\n"
     "%b = kpu_recanvas(%a) canvas_h=3 canvas_w=1 h=2 w=1\n"
     "%z = kpu_download(%b)\n"
     "output %z\n",
     6, {1, 3, 0, 5, 7, 0}},
    {OP_kpu_recanvas,
     "const %x u8 1x2x3x2 = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 }\n"
     "%a = kpu_upload(%x) h=3 w=2\n"
     "%b = kpu_recanvas(%a) canvas_h=2 canvas_w=2 skip=1 h=2 w=2\n"
     "%z = kpu_download(%b)\n"
     "output %z\n",
     8, {3, 4, 5, 6, 9, 10, 11, 12}},
    {OP_kpu_view, /* 16-byte pitch: channels 0, 1 are the halves of a channel 32 wide */
     "const %x u8 1x4x2x16 = iota\n"
     "%a = kpu_upload(%x) h=2 w=16\n"
     "%b = kpu_view(%a) line=1 c=1 canvas_h=1 canvas_w=18 h=1 w=18\n"
     "%z = kpu_download(%b)\n"
     "output %z\n",
     18, {16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 48, 49}},
    {OP_kpu_view, /* the other way, with bytes that are nobody's */
     "const %x u8 1x1x2x18 = iota\n"
     "%a = kpu_upload(%x) h=2 w=18\n"
     "%b = kpu_view(%a) c=3 canvas_h=2 canvas_w=3 h=2 w=3\n"
     "%z = kpu_download(%b)\n"
     "output %z\n",
     18, {0, 1, 2, 18, 19, 20, 16, 17, 0, 34, 35, 0, 0, 0, 0, 0, 0, 0}},
    {OP_kpu_stack,
     "const %x u8 1x2x2x2 = { 1, 2, 3, 4, 5, 6, 7, 8 }\n"
     "const %y u8 1x2x1x2 = { 9, 10, 11, 12 }\n"
     "%a = kpu_upload(%x) h=2 w=2\n"
     "%b = kpu_upload(%y) h=1 w=2\n"
     "%c = kpu_stack(%a, %b)\n"
     "%z = kpu_download(%c)\n"
     "output %z\n",
     12, {1, 2, 3, 4, 9, 10, 5, 6, 7, 8, 11, 12}},
    {OP_q_binary,
     "const %a u8 4 = { 10, 20, 255, 0 }\n"
     "const %b u8 1 = { 3 }\n"
     "%y = q_binary(%a, %b) a_offset=-5 a_mul=3 b_mul=2 b_shift=1 out_mul=1 out_shift=1 out_offset=4\n"
     "%z = q_binary(%a, %b) kind=div a_offset=-12 b_offset=0 out_offset=100\n"
     "%u = q_binary(%a, %b) kind=mul out_mul=-1 out_offset=200\n"
     "output %y\n"
     "output %z\n"
     "output %u\n",
     12, {13, 28, 255, 0, 100, 103, 181, 97, 170, 140, 0, 200}},
    {OP_q_conv2d,
     "const %x u8 1x1x2x2 = { 10, 20, 30, 40 }\n"
     "const %w u8 2x1x2x2 = { 1, 2, 3, 4, 5, 6, 7, 8 }\n"
     "const %b i32 2 = { 5, -6 }\n"
     "%y = q_conv2d(%x, %w, %b) x_offset=-10 w_offset=-2 out_mul=3 out_shift=2 out_offset=7 pad_left=1\n"
     "output %y\n",
     4, {41, 71, 93, 243}},
    {OP_q_matmul,
     "const %a u8 2x2 = { 1, 2, 3, 4 }\n"
     "const %b u8 2x1 = { 10, 5 }\n"
     "const %c i32 1 = { 100 }\n"
     "%y = q_matmul(%a, %b, %c) a_offset=-1 b_offset=-4 out_mul=1 out_shift=1 out_offset=-50\n"
     "output %y\n",
     2, {1, 8}},
    {OP_lookup,
     "const %x u8 4 = { 0, 1, 128, 255 }\n"
     "const %t u8 256 = iota\n"
     "%y = lookup(%x, %t)\n"
     "output %y\n",
     4, {0, 1, 128, 255}},
};
#define N_OP_CASES ((int)(sizeof op_cases / sizeof op_cases[0]))

#endif

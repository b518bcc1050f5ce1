/* Every operator refuses inputs that it does not take, with a message, and accepts their neighbours
 * on the other side of the edge. */
#include "compiler/ir/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define X4    "const %x f32 1x4x6x8 = iota\n"
#define XK    "const %q f32 1x4x6x8 = iota\n%x = kpu_upload(%q) h=6 w=8\n"
#define XU    "const %q u8 1x4x6x8 = random 1\n%x = kpu_upload(%q) h=6 w=8\n"
#define LAYER "const %w u8 2x4x3x3 = random 2\nconst %n i64 2 = zeros\nconst %t u8 144 = zeros\n"

/* The node line of `good` is accepted, that of `bad` refused with `rule` in the message. */
struct edge {
    enum op op;
    const char *before, *good, *bad, *rule;
};

static const struct edge edges[] = {
    {OP_conv2d, X4 "const %w f32 2x4x3x3 = zeros\nconst %v f32 2x3x3x3 = zeros\n", "conv2d(%x, %w)", "conv2d(%x, %v)",
     "input channels"},
    {OP_conv2d, X4 "const %w f32 6x2x3x3 = zeros\n", "conv2d(%x, %w) groups=2", "conv2d(%x, %w) groups=4", "groups"},
    {OP_conv2d, X4 "const %w f32 6x4x7x7 = zeros\n", "conv2d(%x, %w) pad_top=1", "conv2d(%x, %w)", "must fit"},
    {OP_conv2d, X4 "const %w f32 6x4x3x3 = zeros\n", "conv2d(%x, %w) stride_h=9", "conv2d(%x, %w) stride_h=0", "fit"},
    {OP_conv2d, X4 "const %w f32 6x4x3x3 = zeros\n", "conv2d(%x, %w)", "conv2d(%x, %w) pad_left=-1", "pads"},
    {OP_conv2d, X4 "const %w f32 6x4x3x3 = zeros\nconst %b f32 6 = zeros\nconst %c f32 5 = zeros\n",
     "conv2d(%x, %w, %b)", "conv2d(%x, %w, %c)", "bias"},
    {OP_conv2d, X4 "const %w f32 6x4x3x3 = zeros\n", "conv2d(%x, %w, _)", "conv2d(%x, _, %w)", "present"},
    {OP_conv2d_transpose, X4 "const %w f32 4x2x3x3 = zeros\nconst %v f32 2x4x3x3 = zeros\n", "conv2d_transpose(%x, %w)",
     "conv2d_transpose(%x, %v)", "input channels"},
    {OP_conv2d_transpose, X4 "const %w f32 4x2x1x1 = zeros\n", "conv2d_transpose(%x, %w) pad_top=5",
     "conv2d_transpose(%x, %w) pad_top=6", "leave something"},
    {OP_matmul, X4 "const %w f32 8x2 = zeros\nconst %v f32 6x2 = zeros\n", "matmul(%x, %w)", "matmul(%x, %v)", "rows"},
    {OP_max_pool, X4, "max_pool(%x) kernel_h=2 pad_top=1", "max_pool(%x) kernel_h=2 pad_top=2", "pixel"},
    {OP_max_pool, X4, "max_pool(%x) kernel_h=6", "max_pool(%x) kernel_h=7", "fit"},
    {OP_avg_pool, X4 "const %i i32 1x4x6x8 = iota\n", "avg_pool(%x)", "avg_pool(%i)", "f32"},
    {OP_avg_pool, X4, "avg_pool(%x) kernel_w=2 pad_right=1", "avg_pool(%x) kernel_w=1 pad_right=1", "pixel"},
    {OP_reduce, X4, "reduce(%x) axes=[1,3]", "reduce(%x) axes=[3,1]", "ascend"},
    {OP_reduce, X4, "reduce(%x) axes=[3]", "reduce(%x) axes=[4]", "axis 4"},
    {OP_softmax, X4, "softmax(%x) axis=3", "softmax(%x) axis=4", "axis 4"},
    {OP_l2_normalize, X4, "l2_normalize(%x) axis=0", "l2_normalize(%x) axis=-1", "axis -1"},
    {OP_add, X4 "const %b f32 4x1x1 = zeros\nconst %c f32 4x1 = zeros\n", "add(%x, %b)", "add(%x, %c)", "broadcast"},
    {OP_sub, X4 "const %i i32 8 = zeros\nconst %f f32 8 = zeros\n", "sub(%x, %f)", "sub(%x, %i)", "f32"},
    {OP_mul, "const %x i64 2 = iota\nconst %u bool 2 = iota\n", "mul(%x, %x)", "mul(%u, %u)", "f32 or integers"},
    {OP_comparison, "const %x i64 2 = iota\nconst %f f32 2 = iota\n", "comparison(%x, %x)", "comparison(%x, %f)", "i64"},
    {OP_logical, "const %x bool 2 = zeros\nconst %f f32 2 = iota\n", "logical(%x, %x)", "logical(%x, %f)", "bool"},
    {OP_logical_not, "const %x bool 2 = zeros\nconst %f f32 2 = iota\n", "logical_not(%x)", "logical_not(%f)", "bool"},
    {OP_select, "const %c bool 2 = zeros\nconst %f f32 2 = iota\nconst %g f32 3 = iota\n", "select(%c, %f, %f)",
     "select(%c, %f, %g)", "broadcast"},
    {OP_arg_max, X4, "arg_max(%x) axis=3", "arg_max(%x) axis=4", "axis 4"},
    {OP_top_k, X4 "%v, %i = top_k(%x) axis=1 k=4\n", "relu(%v)", "top_k(%x) axis=1 k=5", "at most the 4"},
    {OP_remainder, "const %x i64 2 = iota\nconst %f f32 2 = iota\n", "remainder(%x, %x)", "remainder(%x, %f)", "i64"},
    {OP_bit_shift, "const %x i64 2 = iota\nconst %f f32 2 = iota\n", "bit_shift(%x, %x)", "bit_shift(%f, %f)",
     "must be integers"},
    {OP_div, X4, "div(%x, %x)", "div(%x)", "at least 2"},
    {OP_maximum, X4, "maximum(%x, %x)", "maximum(%x, %x, %x)", "at most 2"},
    {OP_minimum, X4, "minimum(%x, %x)", "minimum(_, %x)", "present"},
    {OP_pow, "const %x i64 2 = iota\nconst %f f32 2 = iota\n", "pow(%f, %f)", "pow(%x, %x)", "f32"},
    {OP_squared_difference, "const %x i32 2 = iota\nconst %f f32 2 = iota\n", "squared_difference(%f, %f)",
     "squared_difference(%x, %x)", "f32"},
    {OP_prelu, X4 "const %s f32 4x1x1 = zeros\nconst %b f32 2x4x1x1 = zeros\n", "prelu(%x, %s)", "prelu(%x, %b)",
     "slopes"},
    {OP_reshape, X4, "reshape(%x) shape=[2,96]", "reshape(%x) shape=[2,95]", "number of elements"},
    {OP_reshape, XK, "kpu_download(%x)", "reshape(%x) shape=[192]", "main memory"},
    {OP_transpose, X4, "transpose(%x) perm=[3,0,1,2]", "transpose(%x) perm=[3,0,1,1]", "once"},
    {OP_concat, X4 "const %y f32 1x2x6x8 = iota\n", "concat(%x, %y) axis=1", "concat(%x, %y) axis=2", "equal"},
    {OP_split, X4, "split(%x) axis=1 sizes=[4]", "split(%x) axis=1 sizes=[3]", "add up"},
    {OP_slice, X4, "slice(%x) begin=[0,3,0,0] size=[1,2,6,8] stride=[1,-3,1,1]",
     "slice(%x) begin=[0,3,0,0] size=[1,2,6,8] stride=[1,1,1,1]", "inside"},
    {OP_pad, X4, "pad(%x) before=[0,0,0,7] after=[0,0,0,-15] mode=reflect",
     "pad(%x) before=[0,0,0,8] after=[0,0,0,0] mode=reflect", "reach"},
    {OP_pad, X4, "pad(%x) before=[0,0,-3,0] after=[0,0,-3,0]", "pad(%x) before=[0,0,-3,0] after=[0,0,-4,0]", "become"},
    {OP_fake_quant, X4 "const %s f32 4 = { 1, 2, 3, 4 }\n", "fake_quant(%x, %s) axis=1", "fake_quant(%x, %s) axis=2",
     "one scale"},
    {OP_fake_quant, X4 "const %s f32 1 = { 1 }\nconst %z f32 1 = { 0 }\n", "fake_quant(%x, %s)", "fake_quant(%x, %z)",
     "positive"},
    {OP_fake_quant, X4 "const %s f32 1 = { 1 }\n", "fake_quant(%x, %s) qmin=127", "fake_quant(%x, %s) qmin=128",
     "qmin"},
    {OP_dynamic_quant, X4 "const %i i32 2 = iota\n", "dynamic_quant(%x)", "dynamic_quant(%i)", "f32"},
    {OP_gather, X4 "const %i i32 2 = { -4, 3 }\nconst %j i32 1 = { 4 }\n", "gather(%x, %i) axis=1",
     "gather(%x, %j) axis=1", "index 4"},
    {OP_resize, X4, "resize(%x) out_h=1 out_w=1", "resize(%x) out_h=0 out_w=1", "empty"},
    {OP_depth_to_space, X4, "depth_to_space(%x) block=2", "depth_to_space(%x) block=3", "divisible"},
    {OP_space_to_depth, X4, "space_to_depth(%x) block=2", "space_to_depth(%x) block=4", "divisible"},
    {OP_tile, X4, "tile(%x) repeats=[1,1,2,1]", "tile(%x) repeats=[1,1,2]", "one entry"},
    {OP_tile, X4, "tile(%x) repeats=[1,1000,1,1000]", "tile(%x) repeats=[1,10000,1,1000]", "2^28"},
    {OP_cast, X4, "cast(%x) to=u8", "cast()", "at least 1"},
    {OP_quantize, X4 "const %i i32 2 = iota\n", "quantize(%x)", "quantize(%i)", "f32"},
    {OP_dequantize, X4, "dequantize(%x)", "dequantize(%x, %x)", "at most 1"},
    {OP_kpu_upload, X4, "kpu_upload(%x) top=2 h=4 w=8", "kpu_upload(%x) top=2 h=5 w=8", "inside the canvas"},
    {OP_kpu_upload, X4 "const %y f32 2x4x6x8 = iota\n", "kpu_upload(%x) h=1 w=1", "kpu_upload(%y) h=1 w=1", "one map"},
    {OP_kpu_upload, X4, "kpu_upload(%x) h=1 w=1", "kpu_upload(%x)", "inside the canvas"},
    {OP_kpu_download, XK, "kpu_download(%x)", "kpu_download(%q)", "KPU RAM"},
    {OP_kpu_conv, XK "const %w f32 2x4x3x3 = zeros\n", "kpu_conv(%x, %w) h=6 w=8", "kpu_conv(%q, %w) h=6 w=8",
     "KPU RAM"},
    {OP_kpu_conv, XK "const %w f32 2x4x3x3 = zeros\n", "kpu_conv(%x, %w) h=6 w=8", "kpu_conv(%x, %w) kernel=5 h=6 w=8",
     "1x1 or 3x3"},
    {OP_kpu_conv, XK "const %w f32 4x1x1x1 = zeros\n", "kpu_conv(%x, %w) kernel=1 depthwise=true h=6 w=8",
     "kpu_conv(%x, %w) kernel=1 h=6 w=8", "weights"},
    {OP_kpu_conv, XK "const %w f32 2x4x3x3 = zeros\n", "kpu_conv(%x, %w) pool=9 h=6 w=8",
     "kpu_conv(%x, %w) pool=10 h=6 w=8", "codes"},
    {OP_kpu_conv, XK "const %w f32 2x4x3x3 = zeros\n", "kpu_conv(%x, %w) pool=1 h=3 w=4",
     "kpu_conv(%x, %w) pool=1 h=4 w=4", "inside the canvas"},
    {OP_kpu_conv, XK "const %w f32 2x4x3x3 = zeros\n", "kpu_conv(%x, %w) copy=true pad_lowest=true h=6 w=8",
     "kpu_conv(%x, %w) pad_lowest=true h=6 w=8", "needs copy"},
    {OP_kpu_layer, XU LAYER, "kpu_layer(%x, %w, %n, %t) x_zero=255 h=6 w=8",
     "kpu_layer(%x, %w, %n, %t) x_zero=256 h=6 w=8", "codes"},
    {OP_kpu_layer, XU LAYER, "kpu_layer(%x, %w, %n, %t) w_zero=255 h=6 w=8",
     "kpu_layer(%x, %w, %n, %t) w_zero=256 h=6 w=8", "codes"},
    {OP_kpu_layer, XU LAYER "const %m i64 3 = zeros\n", "kpu_layer(%x, %w, %n, %t) h=6 w=8",
     "kpu_layer(%x, %w, %m, %t) h=6 w=8", "batch-norm"},
    {OP_kpu_layer, XU LAYER "const %s u8 143 = zeros\n", "kpu_layer(%x, %w, %n, %t) h=6 w=8",
     "kpu_layer(%x, %w, %n, %s) h=6 w=8", "144"},
    {OP_kpu_concat, XK "%y = kpu_upload(%q) h=6 w=7\n", "kpu_concat(%x, %x)", "kpu_concat(%x, %y)", "windows"},
    {OP_kpu_slice, XK, "kpu_slice(%x) begin=0 count=4", "kpu_slice(%x) begin=0 count=5", "not in the canvas"},
    {OP_kpu_slice, "const %q f32 1x8x6x8 = iota\n%x = kpu_upload(%q) h=6 w=8\n", "kpu_slice(%x) begin=4 count=2",
     "kpu_slice(%x) begin=2 count=2", "start a line"},
    {OP_kpu_recanvas, XK, "kpu_recanvas(%x) canvas_h=7 canvas_w=16 h=1 w=1",
     "kpu_recanvas(%x) canvas_h=7 canvas_w=17 h=1 w=1", "lines"},
    {OP_kpu_recanvas, "const %q f32 1x5x6x8 = iota\n%x = kpu_upload(%q) h=6 w=8\n",
     "kpu_recanvas(%x) canvas_h=6 canvas_w=9 h=1 w=1", "kpu_recanvas(%x) canvas_h=7 canvas_w=8 h=1 w=1", "height"},
    {OP_kpu_recanvas, XK, "kpu_recanvas(%x) canvas_h=5 canvas_w=8 skip=1 h=1 w=1",
     "kpu_recanvas(%x) canvas_h=5 canvas_w=8 skip=6 h=1 w=1", "row 6"},
    {OP_kpu_view, XK, "kpu_view(%x) line=2 c=1 canvas_h=4 canvas_w=64 h=1 w=1",
     "kpu_view(%x) line=3 c=1 canvas_h=4 canvas_w=64 h=1 w=1", "lines"},
    {OP_kpu_stack, XK "%y = kpu_upload(%q) h=5 w=8\n", "kpu_stack(%x, %x)", "kpu_stack(%x, %y)", "windows"},
    {OP_kpu_stack, XK "const %p f32 1x5x6x8 = iota\n%y = kpu_upload(%p) h=6 w=8\n", "kpu_stack(%x)", "kpu_stack(%y)",
     "share a line"},
    {OP_q_binary, "const %x u8 3 = iota\nconst %y u8 2 = iota\n", "q_binary(%x, %x)", "q_binary(%x, %y)", "broadcast"},
    {OP_q_conv2d, "const %x u8 1x2x3x3 = iota\nconst %w u8 1x2x3x3 = iota\nconst %v u8 1x2x4x3 = iota\n",
     "q_conv2d(%x, %w)", "q_conv2d(%x, %v)", "fit"},
    {OP_q_matmul, "const %x u8 2x3 = iota\nconst %y u8 3x2 = iota\n", "q_matmul(%x, %y)", "q_matmul(%x, %x)", "rows"},
    {OP_lookup, "const %x u8 2x3 = iota\nconst %t u8 256 = iota\n", "lookup(%x, %t)", "lookup(%x, %x)", "256"},
};
#define N_EDGES ((int)(sizeof edges / sizeof edges[0]))

static bool parses(const char *before, const char *line, struct arena *a, struct diags *d)
{
    ncc_diag_init(d, a);
    return ncc_text_parse(ncc_arena_printf(a, "%s%%out = %s\n", before, line), "edge", a, d) != NULL;
}

static void edges_are_where_they_should_be(void **state)
{
    (void)state;
    struct exit x = {0};
    for (int i = 0; i < N_EDGES; i++) {
        const struct edge *e = &edges[i];
        struct arena a = ncc_arena_make(&x);
        struct diags d;
        if (!parses(e->before, e->good, &a, &d)) {
            ncc_diag_print(&d, stderr);
            fail_msg("refused: %s", e->good);
        }
        if (parses(e->before, e->bad, &a, &d))
            fail_msg("accepted: %s", e->bad);
        assert_int_equal(ncc_diag_first_fault(&d), FAULT_INPUT);
        assert_string_equal(d.first->place.node, "out");
        if (!strstr(d.first->rule, e->rule))
            fail_msg("%s: '%s' should say '%s'", e->bad, d.first->rule, e->rule);
        ncc_arena_release(&a);
    }
}

/* Unary operators share their demand: one operand of reals. */
static void unary_operators_want_reals(void **state)
{
    (void)state;
    struct exit x = {0};
    for (int op = 0; op < N_OPS; op++) {
        const struct op_desc *desc = ncc_op_desc((enum op)op);
        struct arena a = ncc_arena_make(&x);
        struct diags d;
        if (desc->flags & OP_UNARY) {
            const char *line = ncc_arena_printf(&a, "%s(%%x)", desc->name);
            assert_true(parses("input %x f32 2x3\n", line, &a, &d));
            assert_false(parses("input %x i32 2x3\n", line, &a, &d));
            assert_false(parses("input %x f32 2x3\n", ncc_arena_printf(&a, "%s(%%x, %%x)", desc->name), &a, &d));
        }
        ncc_arena_release(&a);
    }
}

static void every_operator_has_an_edge(void **state)
{
    (void)state;
    for (int op = 0; op < N_OPS; op++) {
        bool found = ncc_op_desc((enum op)op)->flags & OP_UNARY;
        for (int i = 0; i < N_EDGES; i++)
            found = found || edges[i].op == (enum op)op;
        if (!found)
            fail_msg("%s has no edge", ncc_op_desc((enum op)op)->name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edges_are_where_they_should_be),
        cmocka_unit_test(unary_operators_want_reals),
        cmocka_unit_test(every_operator_has_an_edge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "compiler/ir/element.h"
#include "tests/ir/fixture.h"

#include <math.h>

static const char canonical[] =
    "graph \"digits.tflite\"\n"
    "input %x f32 1x3x8x8 !range(-1, 0.1)\n"
    "input %k u8 1x2x4x4 !q(0.0039, 0) !kpu(1, 0, 3, 4, zero)\n"
    "const %w f32 2x3x1x1 = { 1, -0.5, 1e+20, 0.333333343, inf, 0 }\n"
    "%y = conv2d(%x, %w, _) stride_h=2 pad_top=1 @\"conv_1\"    # f32 1x2x5x8\n"
    "%z = relu(%y) !range(0, 3)    # f32 1x2x5x8\n"
    "%a, %\"b c\" = split(%z) axis=1 sizes=[1,1] !range:1(0, 2)    # f32 1x1x5x8, f32 1x1x5x8\n"
    "const %big f32 1x1x5x8 = {...} # 40 elements, 0 .. 39\n"
    "%m = add(%\"b c\", %big)    # f32 1x1x5x8\n"
    "%q = quantize(%m) !q(0.0078125, 128)    # u8 1x1x5x8 quant(0.0078125, 128)\n"
    "%r = reshape(%q) shape=[40]    # u8 40 quant(0.0078125, 128)\n"
    "%t = reshape(%r) shape=[5,8] !q()    # u8 5x8\n"
    "%d = kpu_download(%k)    # u8 1x2x4x4 quant(0.0039, 0)\n"
    "%f = dequantize(%d)    # f32 1x2x4x4\n"
    "%u = kpu_upload(%f) h=4 w=4 outside=lowest    # f32 1x2x4x4 kpu{4x4 at (0, 0), lowest}\n"
    "const %v f32 2x2x1x1 = { 1, 2, 3, 4 }\n"
    "%p = kpu_conv(%u, %v) kernel=1 act=[leaky_relu(alpha=0.1),clip(min=0,max=6),tanh()] h=4 w=4"
    "    # f32 1x2x4x4 kpu{4x4 at (0, 0), junk}\n"
    "output %a \"prob \\\"1\\\"\"\n"
    "output %t \"t\"\n"
    "output %p \"p\"\n";

static void printing_is_as_documented(void **state)
{
    struct fixture *f = *state;
    /* the printed form but for the data that is left out */
    const char *cut = strstr(canonical, "{...}");
    const char *text = ncc_arena_printf(&f->a, "%.*siota%s", (int)(cut - canonical), canonical, cut + 5);
    assert_string_equal(ncc_text_print(parse(f, text), false, &f->a), canonical);
    const char *whole = ncc_text_print(parse(f, text), true, &f->a);
    assert_string_equal(ncc_text_print(parse(f, whole), true, &f->a), whole);
    assert_null(ncc_text_parse(canonical, "t", &f->a, &f->d)); /* {...} holds no data */
}

static void equal_names_are_told_apart(void **state)
{
    struct fixture *f = *state;
    struct graph *g = ncc_graph_new(&f->a, &f->d, NULL);
    struct value *x = ncc_graph_input(g, "x", DT_F32, ncc_shape_make(0, NULL));
    struct value *y = NCC_OP(g, OP_relu, "x", NULL, x);
    y = NCC_OP(g, OP_relu, "x", NULL, y);
    ncc_graph_output(g, y, NULL);
    const char *once = ncc_text_print(g, true, &f->a);
    assert_string_equal(once, "input %x f32 scalar\n"
                              "%x~1 = relu(%x) @\"x\"    # f32 scalar\n"
                              "%x~2 = relu(%x~1) @\"x\"    # f32 scalar\n"
                              "output %x~2 \"x\"\n");
    struct graph *again = ncc_text_parse(once, NULL, &f->a, &f->d);
    assert_non_null(again);
    assert_string_equal(ncc_text_print(again, true, &f->a), once);
}

static void data_forms(void **state)
{
    struct fixture *f = *state;
    struct graph *g = parse(f, "const %z i16 2x2 = zeros\n"
                               "const %s f16 3 = splat -0.5   # comment\n"
                               "const %i u8 4 = iota\n"
                               "const %l i64 2 = { -9223372036854775808,\n   9223372036854775807 } # over two lines\n"
                               "const %r f32 1000 = random 7\n"
                               "const %e f32 0x3 = { }\n"
                               "output %z\noutput %s\noutput %i\noutput %l\noutput %r\noutput %e\n");
    const struct value *v[6];
    for (int i = 0; i < 6; i++)
        v[i] = g->outputs.v[i].value;
    assert_int_equal(((const int16_t *)v[0]->data)[3], 0);
    assert_float_equal(ncc_element_real(DT_F16, v[1]->data, 2), -0.5, 0);
    assert_int_equal(((const uint8_t *)v[2]->data)[3], 3);
    assert_true(((const int64_t *)v[3]->data)[0] == INT64_MIN && ((const int64_t *)v[3]->data)[1] == INT64_MAX);
    double sum = 0, low = 1, high = -1;
    for (int i = 0; i < 1000; i++) {
        const double x = (double)((const float *)v[4]->data)[i];
        sum += x;
        low = x < low ? x : low;
        high = x > high ? x : high;
    }
    assert_true(low >= -1 && low < -0.98 && high < 1 && high > 0.98 && fabs(sum) < 60);
    /* seed 7 starts with the 64-bit number 0x63cbe1e459320dd7, whose upper 24 bits count */
    assert_float_equal(((const float *)v[4]->data)[0], 0x63cbe1 / 8388608.0 - 1, 0);
}

static const struct {
    const char *text, *rule, *found;
} mistakes[] = {
    {"hello", "'hello' must be graph", "line 1"},
    {"input x f32 1", "'%' must stand here", "line 1, at 'x f32 1'"},
    {"input %x f33 1", "element type", "line 1"},
    {"input %x f32 1x", "shape", "line 1"},
    {"input %x f32 1x-2", "shape", "line 1"},
    {"input %x f32 1x2x3x4x5x6x7", "shape", "line 1"},
    {"input %x f32 100000x100000", "2^28", "line 1"},
    {"input %x f32 3 4", "line must end", "line 1, at '4'"},
    {"\n# comment\ninput %x f32 1\ninput %x f32 1", "must be new", "line 4"},
    {"%y = relu(%x)", "must stand before its use", "line 1"},
    {"input %x f32 1\n%y = rely(%x)", "must be an operator", "line 2"},
    {"input %x f32 1\n%y = relu(%x) alpha=1", "attribute of relu", "line 2"},
    {"input %x f32 1\n%y = clip(%x) min=a", "number", "line 2"},
    {"input %x f32 1\n%y, %z = relu(%x)", "1 results", "line 2"},
    {"input %x f32 1\n%y, %y = split(%x) sizes=[1,0]", "must be new", "line 2"},
    {"input %x u8 1\n%y = relu(%x)", "input 0 must be f32", "inputs u8 1"},
    {"input %x f32 1\n%y = relu(%x) @\"abc", "end on its line", "line 2"},
    {"input %x f32 2\n%y = reduce(%x) axes=[0", "','", "line 2"},
    {"input %x f32 2\n%y = reduce(%x) axes=[1,2,3,4,5,6,7,8,9,10,11,12,13]", "at most 12", "line 2"},
    {"input %x f32 2\n%y = reduce(%x) axes=[99999999999]", "between", "line 2"},
    {"input %x f32 2\n%y = reduce(%x) keep_dims=yes", "true or false", "line 2"},
    {"input %x f32 2\n%y = reduce(%x) kind=median", "words of kind", "line 2"},
    {"const %x f32 2 = { 1 }", "','", "line 1"},
    {"const %x f32 2 = { 1, 2, 3 }", "2 elements", "line 1"},
    {"const %x u8 2 = { 1, 256 }", "between 0 and 255", "line 1"},
    {"const %x f32 2 = {...}", "number", "line 1"},
    {"const %x f32 2 = ones", "zeros, splat", "line 1"},
    {"input %x f32 1 !q(0, 1)", "positive", "line 1"},
    {"input %x f32 1 !q(1)", "','", "line 1"},
    {"input %x f32 1 !range(2, 1)", "range", "line 1"},
    {"input %x f32 1 !range:1(1, 2)", "name an output", "line 1"},
    {"input %x f32 1 !color(1)", "annotation", "line 1"},
    {"input %x f32 1 !kpu(0, 0, 1, 1, green)", "junk, zero or lowest", "line 1"},
    {"const %w f32 1x1x1x1 = zeros\ninput %x f32 1x1x4x4\n%u = kpu_upload(%x) h=4 w=4\n"
     "%y = kpu_conv(%u, %w) act=[add()]",
     "one element", "line 4"},
};

static void mistakes_are_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        void *inner;
        set_up(&inner);
        struct fixture *f = inner;
        if (ncc_text_parse(mistakes[i].text, "t", &f->a, &f->d))
            fail_msg("accepted: %s", mistakes[i].text);
        assert_true(f->d.n_errors > 0);
        if (!strstr(f->d.first->rule, mistakes[i].rule) || !strstr(f->d.first->found, mistakes[i].found))
            fail_msg("%s:\n  '%s', '%s' should say '%s', '%s'", mistakes[i].text, f->d.first->rule, f->d.first->found,
                     mistakes[i].rule, mistakes[i].found);
        tear_down(&inner);
    }
}

/* Cut off anywhere, or with one character replaced, a text is accepted or refused, nothing else. */
static void damaged_texts_do_no_harm(void **state)
{
    (void)state;
    static const char noise[] = "%\"[]{}()=,!@#\n x09-_";
    for (size_t at = 0; at < sizeof canonical - 1; at += 3) {
        void *inner;
        set_up(&inner);
        struct fixture *f = inner;
        char *text = ncc_arena_printf(&f->a, "%s", canonical);
        text[at] = noise[at % (sizeof noise - 1)];
        struct graph *g = ncc_text_parse(text, "t", &f->a, &f->d);
        assert_true(g || f->d.n_errors > 0);
        text[at] = '\0';
        g = ncc_text_parse(text, "t", &f->a, &f->d);
        if (g)
            ncc_text_print(g, true, &f->a);
        tear_down(&inner);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(printing_is_as_documented), TEST(equal_names_are_told_apart), TEST(data_forms),
        TEST(mistakes_are_named),        TEST(damaged_texts_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Kmodels of version 3: every CPU kernel that the format has computes what the evaluator computes, what it does not
 * have is refused by name, and whole nets give the same as their kmodels of version 4. */
#include "tests/k210/compiled.h"

#include "compiler/emit/emit.h"
#include "kmodel/kmodel_v3.h"

#include <ncc/sim.h>

#include <stdio.h>
#include <string.h>

/* The format begins with a matrix product: %x is 126 floats made by one. */
#define ROW "input %i f32 1x10\nconst %w f32 10x126 = random 1\n%x = matmul(%i, %w, _)\n"
#define MAP ROW "%m = reshape(%x) shape=[1,3,6,7]\n"
#define U8  MAP "%q = quantize(%m) !q(0.02, 100)\n"
#define POS MAP "%r = quantize(%m) !q(0.02, 0)\n"
#define OUT "%y = dequantize(%z)\noutput %y\n"

static const struct kernel_case {
    const char *name, *text;
} cases[] = {
    {"matmul with bias",
     "input %i f32 1x10\nconst %w f32 10x7 = random 1\nconst %b f32 7 = random 2\n%y = matmul(%i, %w, "
     "%b)\noutput %y\n"},
    {"matmul and relu", ROW "const %v f32 126x9 = random 2\n%a = matmul(%x, %v, _)\n%y = relu(%a)\noutput %y\n"},
    {"matmul and relu6",
     ROW "const %v f32 126x9 = random 2\n%a = matmul(%x, %v, _)\n%y = clip(%a) min=0 max=6\noutput %y\n"},
    {"matmul, its result used twice",
     ROW "const %v f32 126x126 = random 2\n%a = matmul(%x, %v, _)\n%y = add(%a, %x)\noutput %y\noutput %a\n"},
    {"quantize and dequantize", U8 "%y = dequantize(%q)\noutput %y\n"},
    {"softmax", ROW "%y = softmax(%x) axis=1\noutput %y\n"},
    {"sigmoid", ROW "%y = sigmoid(%x)\noutput %y\n"},
    {"mean over the map", MAP "%y = reduce(%m) kind=mean axes=[2,3] keep_dims=true\noutput %y\n"},
    {"mean over rows", MAP "%y = reduce(%m) kind=mean axes=[3]\noutput %y\n"},
    {"average pool", MAP "%y = avg_pool(%m) kernel_h=2 kernel_w=3 stride_h=2 stride_w=3\noutput %y\n"},
    {"average pool, padded",
     MAP "%y = avg_pool(%m) kernel_h=3 kernel_w=3 pad_top=1 pad_left=1 pad_bottom=1 pad_right=1\noutput %y\n"},
    {"max pool of codes, padded",
     U8 "%z = max_pool(%q) kernel_h=3 kernel_w=2 stride_h=2 stride_w=3 pad_top=1 pad_left=1 "
        "pad_bottom=1 !q(0.02, 100)\n" OUT},
    {"slice of floats", MAP "%y = slice(%m) begin=[0,0,1,2] size=[1,3,4,3] stride=[1,1,1,1]\noutput %y\n"},
    {"slice with strides", MAP "%y = slice(%m) begin=[0,0,1,0] size=[1,3,2,3] stride=[1,1,3,2]\noutput %y\n"},
    {"slice of codes", U8 "%z = slice(%q) begin=[0,0,2,3] size=[1,3,4,4] stride=[1,1,1,1] !q(0.02, 100)\n" OUT},
    {"slice of one pixel of 4x4 maps",
     ROW "%s = slice(%x) begin=[0,3] size=[1,112] stride=[1,1]\n%c = reshape(%s) shape=[1,7,4,4]\n"
         "%q = quantize(%c) !q(0.02, 100)\n"
         "%z = slice(%q) begin=[0,0,1,2] size=[1,7,1,1] stride=[1,1,1,1] !q(0.02, 100)\n" OUT},
    {"pad of codes", POS "%z = pad(%r) before=[0,0,1,2] after=[0,0,0,3] !q(0.02, 0)\n" OUT},
    {"c, h, w to h, w, c", MAP "%y = transpose(%m) perm=[0,2,3,1]\noutput %y\n"},
    {"h, w, c to c, h, w", ROW "%h = reshape(%x) shape=[1,6,7,3]\n%y = transpose(%h) perm=[0,3,1,2]\noutput %y\n"},
    {"concat of floats", MAP "%s = sigmoid(%m)\n%y = concat(%m, %s, %m) axis=1\noutput %y\n"},
    {"concat of codes", U8 "%a = slice(%q) begin=[0,0,0,1] size=[1,3,6,5] stride=[1,1,1,1] !q(0.02, 100)\n"
                           "%b = slice(%q) begin=[0,0,0,0] size=[1,3,6,5] stride=[1,1,1,1] !q(0.02, 100)\n"
                           "%z = concat(%a, %b) axis=1 !q(0.02, 100)\n" OUT},
    {"resize of floats", MAP "%y = resize(%m) mode=nearest out_h=12 out_w=10\noutput %y\n"},
    {"resize of codes", U8 "%z = resize(%q) mode=nearest out_h=3 out_w=14 !q(0.02, 100)\n" OUT},
};

static const struct {
    const char *name, *text; /* the node at fault is "bad" */
} refusals[] = {
    {"relu alone", ROW "%s = sigmoid(%x)\n%bad = relu(%s) @\"bad\"\noutput %bad\n"},
    {"clip that is no relu6", ROW "%bad = clip(%x) min=0 max=5 @\"bad\"\noutput %bad\n"},
    {"convolution", MAP "const %v f32 4x3x3x3 = random 1\n%bad = conv2d(%m, %v, _) @\"bad\"\noutput %bad\n"},
    {"product of two", ROW "%s = sigmoid(%x)\n%bad = mul(%x, %s) @\"bad\"\noutput %bad\n"},
    {"sum with a constant", ROW "const %k f32 1x126 = random 3\n%bad = add(%x, %k) @\"bad\"\noutput %bad\n"},
    {"sum of unequal shapes", MAP "%g = reduce(%m) kind=mean axes=[2,3] keep_dims=true\n%bad = add(%m, %g) @\"bad\"\n"
                                  "output %bad\n"},
    {"several rows", MAP "%h = reshape(%x) shape=[3,42]\nconst %v f32 42x5 = random 2\n%bad = matmul(%h, %v, _) "
                         "@\"bad\"\noutput %bad\n"},
    {"softmax of rows", MAP "%h = reshape(%x) shape=[3,42]\n%bad = softmax(%h) axis=1 @\"bad\"\noutput %bad\n"},
    {"softmax with beta", ROW "%bad = softmax(%x) axis=1 beta=2 @\"bad\"\noutput %bad\n"},
    {"maximum over an axis", MAP "%bad = reduce(%m) kind=max axes=[3] @\"bad\"\noutput %bad\n"},
    {"mean over channels", MAP "%bad = reduce(%m) kind=mean axes=[1] @\"bad\"\noutput %bad\n"},
    {"max pool of floats", MAP "%bad = max_pool(%m) kernel_h=2 kernel_w=2 @\"bad\"\noutput %bad\n"},
    {"slice of channels of rows", MAP "%bad = slice(%m) begin=[0,0,1,0] size=[1,2,2,3] stride=[1,2,1,1] @\"bad\"\n"
                                      "output %bad\n"},
    {"pad of floats", MAP "%bad = pad(%m) before=[0,0,1,1] after=[0,0,1,1] @\"bad\"\noutput %bad\n"},
    {"pad with a code that is not 0",
     U8 "%bad = pad(%q) before=[0,0,1,1] after=[0,0,1,1] @\"bad\" !q(0.02, 100)\n%y = dequantize(%bad)\noutput %y\n"},
    {"h and w exchanged", MAP "%bad = transpose(%m) perm=[0,1,3,2] @\"bad\"\noutput %bad\n"},
    {"transpose of codes",
     U8 "%bad = transpose(%q) perm=[0,2,3,1] @\"bad\" !q(0.02, 100)\n%y = dequantize(%bad)\noutput %y\n"},
    {"concat of columns", MAP "%s = sigmoid(%m)\n%bad = concat(%m, %s) axis=3 @\"bad\"\noutput %bad\n"},
    {"bilinear", MAP "%bad = resize(%m) mode=bilinear out_h=12 out_w=14 @\"bad\"\noutput %bad\n"},
    {"two inputs", "input %i f32 1x10\ninput %k f32 1x10\nconst %w f32 10x4 = random 1\n%a = matmul(%i, %w, _)\n%b = "
                   "matmul(%k, %w, _)\n%y = add(%a, %b)\noutput %y\n"},
    {"another first operation", "input %bad f32 1x10\n%y = sigmoid(%bad)\noutput %y\n"},
    {"codes as output", U8 "output %q \"bad\"\n"},
};

static bool emit(struct net *n, struct graph *g, struct compiled *out)
{
    const struct plan_options o = {.solve_seconds = 0.01, .kpu_limit = 2 << 20};
    struct ncc_kmodel_v3 km;
    struct ncc_km_fault fault = {0};
    if (!ncc_graph_verify(g, "test") || !ncc_plan_make(g, &o, &n->arena, &out->plan) ||
        !ncc_plan_check(g, &out->plan, &n->scratch) || !ncc_emit_v3(g, &out->plan, &n->arena, &out->file))
        return false;
    if (ncc_kmodel_v3_open(out->file.data, out->file.size, &km) || ncc_kmodel_v3_check(&km, &fault))
        fail_msg("layer %u: %s", (unsigned)fault.node, fault.text);
    return true;
}

static void kernels(void **unused)
{
    (void)unused;
    int n_bad = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct net n;
        struct compiled c;
        char why[200] = "";
        net_open(&n);
        net_parse(&n, cases[i].text);
        struct graph *g = ncc_graph_copy(n.g, &n.arena, &n.diags);
        if (!emit(&n, g, &c) || !compiled_same(n.g, net_evaluate(&n.arena, n.g, 5, false),
                                               compiled_run(&n, &c, g, 5, NULL), 1e-5, 0, why)) {
            n_bad++;
            ncc_diag_print(&n.diags, stdout);
            printf("BAD: %s: %s\n", cases[i].name, why);
        }
        net_close(&n);
    }
    assert_int_equal(n_bad, 0);
}

/* An error with a remedy, at the node called "bad" where there is one. */
static bool tells(const struct diags *d, const char *text)
{
    for (const struct diag *k = d->first; k; k = k->next)
        if (k->severity == SEV_ERROR && k->fault == FAULT_INPUT && k->remedy &&
            (!strstr(text, "bad") || (k->place.node && !strcmp(k->place.node, "bad"))))
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
        const bool taken = emit(&n, n.g, &c);
        if (taken || !tells(&n.diags, refusals[i].text)) {
            n_bad++;
            ncc_diag_print(&n.diags, stdout);
            printf("BAD: %s was %s\n", refusals[i].name, taken ? "taken" : "refused without its name");
        }
        net_close(&n);
    }
    assert_int_equal(n_bad, 0);
}

/* One integer graph written in both formats: the same layers, so the same codes; floats to their last bits. Nets that
 * need a CPU kernel which only version 4 has are refused. */
static bool same_in_both(struct net *n, const struct compiled *v4, const struct compiled *v3, char *why)
{
    struct ncc_sim *sim = ncc_sim_new();
    const struct graph *g = v4->codes;
    const void **a = compiled_run(n, v4, g, 3, sim), **b = compiled_run(n, v3, g, 3, sim);
    struct tensor *want = NCC_NEW(&n->arena, struct tensor, g->next_id);
    for (int i = 0; i < g->outputs.n; i++) {
        const struct value *v = g->outputs.v[i].value;
        want[v->id] = (struct tensor){v->dtype, v->shape, (void *)a[i]};
    }
    const bool same = compiled_same(g, want, b, 1e-6, 0, why);
    ncc_sim_free(sim);
    return same;
}

static void nets(void **unused)
{
    (void)unused;
    enum { COUNT = 60 };
    const uint64_t seed = net_seed("emit v3");
    int written = 0;
    for (int i = 0; i < COUNT; i++) {
        struct net n;
        char why[200] = "", name[40];
        uint64_t state = seed * 1000003 + (uint64_t)i;
        net_open(&n);
        net_random(&n, &state, i);
        const struct k210_options o = {.kmodel_v3 = true, .runtime = NCC_KPU_RUNTIME_V3};
        snprintf(name, sizeof name, "case %d", i);
        const struct compiled v4 = compile_net(&n, &o, true, seed, name);
        struct compiled v3 = v4;
        const bool taken = ncc_emit_v3(v4.codes, &v4.plan, &n.arena, &v3.file);
        if (!taken && !n.diags.n_errors)
            fail_msg("case %d was refused without a word", i);
        if (taken && !same_in_both(&n, &v4, &v3, why))
            fail_msg("seed %llu case %d: %s", (unsigned long long)seed, i, why);
        written += taken;
        net_close(&n);
    }
    print_message("%d of %d nets can be written as version 3\n", written, COUNT);
    assert_true(written >= COUNT / 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(kernels), cmocka_unit_test(refused), cmocka_unit_test(nets)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Every so many-th row or column, taken by the KPU: random sizes of every layout, in real numbers with junk wherever
 * junk may be, and in codes, which must pass unchanged. And strides that become that. */
#include "tests/k210/compiled.h"
#include "tests/k210/net_pieces.h"

#include "compiler/ir/text.h"
#include "compiler/ops/attrs.h"
#include "compiler/quant/compare.h"

#include <ncc/sim.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const struct k210_options options = {.runtime = NCC_KPU_RUNTIME_V4};

/* Sizes around the edges of the layouts, and any others. */
static int some_width(uint64_t *state)
{
    static const int edges[] = {1, 2, 3, 4, 15, 16, 17, 31, 32, 33, 63, 64};
    return net_int(state, 0, 1) ? edges[net_int(state, 0, 11)] : net_int(state, 1, 64);
}

struct steps {
    int rows, columns;
};

static struct steps some_steps(uint64_t *state)
{
    static const struct steps all[] = {{2, 1}, {3, 1}, {4, 1}, {6, 1}, {9, 1}, {1, 2}, {1, 2}, {1, 4}, {3, 2}, {6, 4}};
    return all[net_int(state, 0, 9)];
}

/* Some of n pixels, `step` apart. */
struct pixels {
    int first, count;
};

static struct pixels some_of(uint64_t *state, int n, int step)
{
    const int first = net_int(state, 0, n > 4 ? 3 : 0), most = (n - first - 1) / step + 1;
    return (struct pixels){first, net_int(state, (most + 1) / 2, most)};
}

static struct value *some_pixels(struct graph *g, uint64_t *state, struct value *x, struct steps s)
{
    const int *d = x->shape.dim;
    const struct pixels rows = some_of(state, d[2], s.rows), columns = some_of(state, d[3], s.columns);
    const struct slice_attrs a = {.begin = {4, {0, 0, rows.first, columns.first}},
                                  .size = {4, {1, d[1], rows.count, columns.count}},
                                  .stride = {4, {1, 1, s.rows, s.columns}}};
    return NCC_OP(g, OP_slice, "some", &a, x);
}

/* A map in KPU RAM, perhaps in a window, some of its pixels, and perhaps a layer behind. */
static void make(struct net *n, uint64_t *state)
{
    ncc_diag_init(&n->diags, &n->arena);
    struct graph *g = n->g = ncc_graph_new(&n->arena, &n->diags, "some");
    const struct steps s = some_steps(state);
    const int w = s.columns > 1 && net_int(state, 0, 3) == 0 ? net_int(state, 65, 128) : some_width(state);
    const int h = net_int(state, 3, net_int(state, 0, 3) ? 60 : w > 64 ? 100 : 250);
    const int c = net_int(state, 1, h * w < 100 ? 40 : h * w < 1000 ? 20 : 6);
    struct value *x = ncc_graph_input(g, "x", DT_F32, ncc_shape_4(1, net_int(state, 1, 3), h, w));
    struct conv2d_attrs a = {.stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1, .groups = 1};
    a.pad_bottom = a.pad_right = w > 3 && net_int(state, 0, 2) == 0 ? 0 : 2;
    x = some_pixels(g, state, net_conv(g, state, x, a, c, 3, 3), s);
    if (net_int(state, 0, 1))
        x = net_pointwise(g, state, x);
    ncc_graph_output(g, x, "y");
}

/* How many cases: NCC_THIN, else few. */
static int n_cases(int usual)
{
    const char *text = getenv("NCC_THIN");
    return text ? atoi(text) : usual;
}

/* What is left to the CPU of strides. */
static int on_cpu(const struct graph *g)
{
    int count = 0;
    for (const struct node *n = g->first; n; n = n->next) {
        const struct slice_attrs *a = n->attrs;
        count += (n->op == OP_slice && (a->stride.v[2] > 1 || a->stride.v[3] > 1)) || n->op == OP_max_pool ||
                 n->op == OP_conv2d;
    }
    return count;
}

static void in_real_numbers(void **unused)
{
    (void)unused;
    const uint64_t seed = net_seed("thin");
    for (int i = 0; i < n_cases(60); i++) {
        uint64_t state = seed * 1000003 + (uint64_t)i;
        char name[40];
        snprintf(name, sizeof name, "case %d", i);
        struct net n;
        net_open(&n);
        make(&n, &state);
        struct graph *g = ncc_graph_copy(n.g, &n.arena, &n.diags);
        net_force_on_kpu(g);
        assert_true(ncc_k210_lower(g, &options, &n.scratch) && ncc_graph_verify(g, "lower"));
        if (on_cpu(g))
            fail_msg("%s: not on the KPU\n%s", name, ncc_text_print(n.g, false, &n.arena));
        net_expect_same(&n, g, state, name);
        net_close(&n);
    }
}

static void in_codes(void **unused)
{
    (void)unused;
    const uint64_t seed = net_seed("thin, codes");
    double least = INFINITY;
    struct ncc_sim *sim = ncc_sim_new();
    for (int i = 0; i < n_cases(25); i++) {
        uint64_t state = seed * 1000003 + (uint64_t)i;
        char name[40], why[200] = "";
        snprintf(name, sizeof name, "case %d", i);
        struct net n;
        net_open(&n);
        make(&n, &state);
        const struct compiled c = compile_net(&n, &options, true, state, name);
        ncc_sim_scramble(sim, state);
        const void **got = compiled_run(&n, &c, c.codes, state, sim);
        if (!compiled_same(c.codes, net_evaluate(&n.arena, c.codes, state, false), got, 1e-5, 0, why))
            fail_msg("%s: %s", name, why);
        const struct value *y = c.real->outputs.v[0].value; /* each channel has its own scale behind the views */
        const struct tensor *want = &net_evaluate(&n.arena, c.real, state, false)[y->id];
        const double db = ncc_sqnr_db(want->data, got[0], (size_t)ncc_shape_count(want->shape));
        least = fmin(least, db);
        if (db < 28)
            fail_msg("%s: %.1f dB", name, db);
        net_close(&n);
    }
    print_message("at least %.1f dB\n", least);
    ncc_sim_free(sim);
}

/* ---- by estimate ---- */

static int count_of(const char *text, const struct k210_options *o)
{
    struct net n;
    net_open(&n);
    net_parse(&n, text);
    assert_true(ncc_k210_legalise(n.g, o, &n.scratch) && ncc_k210_place(n.g, o, &n.scratch));
    assert_true(ncc_k210_lower(n.g, o, &n.scratch));
    const int count = on_cpu(n.g);
    if (getenv("NCC_SHOW"))
        printf("%s", ncc_text_print(n.g, false, &n.arena));
    net_close(&n);
    return count;
}

#define SAME "pad_top=1 pad_left=1 pad_bottom=1 pad_right=1\n"

/* Strides in front of another layer: rows and columns of large maps stay. Where the KPU has rows alone, as of stride
 * 3x3, these go first. A few pixels are quicker taken on the CPU, and so are all on a board without room for the picks'
 * weights. */
static void where_it_pays(void **unused)
{
    (void)unused;
    static const char small[] = "input %x f32 1x3x9x5\nconst %v f32 4x3x3x3 = random 1\n"
                                "%a = conv2d(%x, %v, _) stride_h=3 stride_w=1\noutput %a\n";
    static const char *const strides[] = {"stride_h=2 stride_w=1", "stride_h=1 stride_w=2", "stride_h=3 stride_w=1",
                                          "stride_h=6 stride_w=2", "stride_h=3 stride_w=3"};
    const struct k210_options scarce = {.runtime = NCC_KPU_RUNTIME_V4, .short_of_ram = true};
    for (int i = 0; i < 5; i++) {
        char text[600];
        snprintf(text, sizeof text,
                 "input %%x f32 1x3x32x50\nconst %%v f32 64x3x3x3 = random 1\nconst %%w f32 64x64x3x3 = random 2\n"
                 "%%a = conv2d(%%x, %%v, _) " SAME "%%p = max_pool(%%a) kernel_h=2 kernel_w=1 %s\n"
                 "%%b = conv2d(%%p, %%w, _) " SAME "%%c = conv2d(%%b, %%w, _) " SAME "%%y = conv2d(%%c, %%w, _) " SAME
                 "output %%y\n",
                 strides[i]);
        assert_true(i == 4 ? count_of(text, &options) == 1 : count_of(text, &options) == 0);
        assert_true(count_of(text, &scarce) > 0);
    }
    assert_true(count_of(small, &options) == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(in_real_numbers), cmocka_unit_test(in_codes),
                                       cmocka_unit_test(where_it_pays)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

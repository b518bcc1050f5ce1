/* Maps that the KPU makes larger by itself: random sizes of every layout, in real numbers with junk wherever junk may
 * be, and in codes, which must pass unchanged. */
#include "tests/k210/compiled.h"

#include "compiler/ir/text.h"
#include "compiler/ops/attrs.h"

#include <ncc/sim.h>

#include <stdio.h>
#include <stdlib.h>

static const struct k210_options options = {.runtime = NCC_KPU_RUNTIME_V4};

static struct value *convolution(struct graph *g, uint64_t *state, struct value *x, int out_c)
{
    const struct shape s = ncc_shape_4(out_c, x->shape.dim[1], 1, 1);
    float *w = NCC_NEW(g->arena, float, ncc_shape_count(s));
    for (int64_t i = 0; i < ncc_shape_count(s); i++)
        w[i] = (float)net_normal(state);
    const struct conv2d_attrs a = {.stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1, .groups = 1};
    return NCC_OP(g, OP_conv2d, "conv", &a, x, ncc_const(g, "w", DT_F32, s, w), NULL);
}

static struct value *nearest(struct graph *g, uint64_t *state, struct value *x, int factor)
{
    const struct resize_attrs a = {.mode = RESIZE_NEAREST,
                                   .out_h = x->shape.dim[2] * factor - net_int(state, 0, 1),
                                   .out_w = x->shape.dim[3] * factor - net_int(state, 0, 1)};
    return NCC_OP(g, OP_resize, "resize", &a, x);
}

/* 2n + 1 of n: the first row or column, or both, three times. Columns only where lines have room for another. */
static struct value *first_again(struct graph *g, uint64_t *state, struct value *x)
{
    const int w = x->shape.dim[3], which = w == 16 || w % 32 == 0 ? 1 : net_int(state, 1, 3);
    const struct resize_attrs a = {.mode = RESIZE_NEAREST,
                                   .out_h = x->shape.dim[2] * 2 + (which & 1),
                                   .out_w = x->shape.dim[3] * 2 + (which >> 1)};
    return NCC_OP(g, OP_resize, "resize", &a, x);
}

/* Between centres, between corners, or from the first pixel's corner to the last one's. */
static struct value *bilinear(struct graph *g, uint64_t *state, struct value *x, int factor)
{
    const int kind = net_int(state, 0, 2), *d = x->shape.dim, less = kind == 2 ? factor - 1 : 0;
    const struct resize_attrs a = {.mode = RESIZE_BILINEAR,
                                   .half_pixel = kind == 0,
                                   .align_corners = kind == 2,
                                   .out_h = d[2] * factor - less,
                                   .out_w = d[3] * factor - less};
    return NCC_OP(g, OP_resize, "resize", &a, x);
}

static struct value *set_apart(struct graph *g, uint64_t *state, struct value *x, int factor)
{
    const int c = x->shape.dim[1];
    float *one = NCC_NEW(g->arena, float, c);
    for (int i = 0; i < c; i++)
        one[i] = 1;
    const struct conv2d_transpose_attrs a = {.stride_h = factor,
                                             .stride_w = factor,
                                             .out_pad_h = net_int(state, 0, factor - 1),
                                             .out_pad_w = net_int(state, 0, factor - 1),
                                             .dil_h = 1,
                                             .dil_w = 1,
                                             .groups = c};
    return NCC_OP(g, OP_conv2d_transpose, "apart", &a, x, ncc_const(g, "one", DT_F32, ncc_shape_4(c, 1, 1, 1), one), NULL);
}

/* Sizes around the edges of the layouts, and any others; `area` bounds the work. */
static int some_size(uint64_t *state, int most)
{
    static const int edges[] = {1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 95, 96, 97, 127, 128};
    const int n = net_int(state, 0, 1) ? edges[net_int(state, 0, 20)] : net_int(state, 1, 128);
    return n <= most ? n : net_int(state, 1, most);
}

/* Four maps put between each other; the channels of each fill lines. */
static struct value *blocks(struct graph *g, uint64_t *state, struct value *x)
{
    const struct depth_to_space_attrs a = {2, false};
    x = convolution(g, state, x, 16 * net_int(state, 1, x->shape.dim[1] > 12 ? 3 : 1));
    return NCC_OP(g, OP_depth_to_space, "blocks", &a, x);
}

enum how { MOVED, FILTERED, N_HOW };

static struct value *enlarged(struct graph *g, uint64_t *state, struct value *x, int factor, enum how how)
{
    if (how == FILTERED)
        return bilinear(g, state, x, factor);
    switch (net_int(state, 0, 3)) {
    case 0:
        return nearest(g, state, x, factor);
    case 1:
        return first_again(g, state, x);
    case 2:
        return blocks(g, state, x);
    default:
        return set_apart(g, state, x, factor);
    }
}

/* A map in KPU RAM, enlarged; read as it is, by a convolution, or beside another. */
static void make(struct net *n, uint64_t *state, enum how how)
{
    ncc_diag_init(&n->diags, &n->arena);
    struct graph *g = n->g = ncc_graph_new(&n->arena, &n->diags, "enlarge");
    const int factor = net_int(state, 0, 3) ? 2 : net_int(state, 0, 3) ? 4 : 8, most = 252 / factor;
    const int w = some_size(state, most), few = (how == FILTERED ? 2400 : 4800) / (w * factor) + 1;
    const int h = some_size(state, w > 64 && w <= 96 && how == FILTERED ? 6 : most < few ? most : few);
    const int area = h * w, c = net_int(state, 1, area < 64 / factor ? 70 : area < 1000 / factor ? 20 : 5);
    struct value *x = ncc_graph_input(g, "x", DT_F32, ncc_shape_4(1, net_int(state, 1, 3), h, w));
    x = convolution(g, state, x, c);
    struct value *y = enlarged(g, state, x, factor, how);
    if (how == FILTERED && net_int(state, 0, 2) == 0)
        y = NCC_OP(g, OP_sigmoid, "sigmoid", NULL, y); /* one scale for all channels */
    switch (net_int(state, 0, 2)) {
    case 0:
        break;
    case 1:
        y = convolution(g, state, y, net_int(state, 1, 4));
        break;
    default: {
        const struct concat_attrs channels = {1};
        struct value *other = ncc_graph_input(
            g, "other", DT_F32, ncc_shape_4(1, net_int(state, 1, 3), y->shape.dim[2], y->shape.dim[3]));
        y = NCC_OP(g, OP_concat, "both", &channels, y, convolution(g, state, other, net_int(state, 1, 6)));
        y = convolution(g, state, y, 2);
    }
    }
    ncc_graph_output(g, y, "y");
}

static void expect_on_kpu(struct net *n, const struct graph *g, const char *name)
{
    if (net_count(g, OP_resize) + net_count(g, OP_conv2d_transpose) + net_count(g, OP_depth_to_space) == 0)
        return;
    fprintf(stderr, "%s", ncc_text_print(g, false, &n->arena));
    fail_msg("%s: not on the KPU", name);
}

/* How many cases: NCC_ENLARGE, else few. */
static int n_cases(int usual)
{
    const char *text = getenv("NCC_ENLARGE");
    return text ? atoi(text) : usual;
}

static void real_case(const char *name, uint64_t state, enum how how)
{
    struct net n;
    net_open(&n);
    make(&n, &state, how);
    const struct graph *g = net_lowered(&n, &options, false);
    expect_on_kpu(&n, g, name);
    net_expect_same(&n, g, state, name);
    net_close(&n);
}

static void in_real_numbers(void **unused)
{
    (void)unused;
    const uint64_t seed = net_seed("enlarge");
    for (int i = 0; i < n_cases(60); i++) {
        char name[40];
        snprintf(name, sizeof name, "case %d", i);
        real_case(name, seed * 1000003 + (uint64_t)i, (enum how)(i % N_HOW));
    }
}

/* What only moves pixels is the output: all its codes are those of the small map. */
static void in_codes(void **unused)
{
    (void)unused;
    const uint64_t seed = net_seed("enlarge, codes");
    struct ncc_sim *sim = ncc_sim_new();
    for (int i = 0; i < n_cases(25); i++) {
        uint64_t state = seed * 1000003 + (uint64_t)i;
        char name[40], why[200] = "";
        snprintf(name, sizeof name, "case %d", i);
        struct net n;
        net_open(&n);
        make(&n, &state, MOVED);
        const struct compiled c = compile_net(&n, &options, true, state, name);
        expect_on_kpu(&n, c.codes, name);
        ncc_sim_scramble(sim, state);
        const void **got = compiled_run(&n, &c, c.codes, state, sim);
        if (!compiled_same(c.codes, net_evaluate(&n.arena, c.codes, state, false), got, 1e-5, 0, why))
            fail_msg("%s: %s", name, why);
        net_close(&n);
    }
    ncc_sim_free(sim);
}

/* The picks' weights are what makes it quick; a board without room for them gets the CPU's kernel. */
static void not_where_ram_is_short(void **unused)
{
    (void)unused;
    const struct k210_options scarce = {.runtime = NCC_KPU_RUNTIME_V4, .short_of_ram = true};
    for (int is_short = 0; is_short < 2; is_short++) {
        struct net n;
        net_open(&n);
        net_parse(&n, "input %x f32 1x8x16x16\nconst %w f32 8x8x1x1 = random 1\n%a = conv2d(%x, %w, _)\n%y = resize(%a) "
                      "out_h=32 out_w=32\noutput %y\n");
        net_force_on_kpu(n.g);
        assert_true(ncc_k210_lower(n.g, is_short ? &scarce : &options, &n.scratch));
        assert_int_equal(net_count(n.g, OP_resize), is_short);
        net_close(&n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(in_real_numbers), cmocka_unit_test(in_codes),
                                       cmocka_unit_test(not_where_ram_is_short)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

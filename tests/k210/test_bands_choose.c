/* Where to cut: the same whatever the number of threads, and on a part of the graph ways to cut differ as they do on
 * the whole. */
#include "compiler/k210/bands.h"
#include "compiler/ops/attrs.h"
#include "tests/k210/net.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct k210_options options = {.runtime = NCC_KPU_RUNTIME_V4};

enum { N_LAYERS = 48, CHANNELS = 24, SIDE = 224, MAX_WAYS = 8 };

/* A chain of 3x3 and 1x1 layers, skips over two of them now and then; the maps are too large for KPU RAM. */
static void make(struct net *n)
{
    net_open(n);
    ncc_diag_init(&n->diags, &n->arena);
    n->g = ncc_graph_new(&n->arena, &n->diags, NULL);
    struct value *x = ncc_graph_input(n->g, "x", DT_F32, ncc_shape_4(1, CHANNELS, SIDE, SIDE)), *before = x;
    for (int i = 0; i < N_LAYERS; i++) {
        const int k = i % 2 ? 1 : 3, shape[] = {CHANNELS, CHANNELS, k, k};
        const struct conv2d_attrs a = {.stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1, .groups = 1,
                                       .pad_top = k / 2, .pad_left = k / 2, .pad_bottom = k / 2, .pad_right = k / 2};
        struct value *w = ncc_const(n->g, "w", DT_F32, ncc_shape_make(4, shape),
                                    NCC_NEW(&n->arena, float, CHANNELS * CHANNELS * k * k));
        struct value *y = ncc_op(n->g, OP_conv2d, "conv", &a, (struct value *[]){x, w, NULL}, 3);
        if (i % 6 == 5)
            y = ncc_op(n->g, OP_add, "sum", NULL, (struct value *[]){y, before}, 2);
        before = i % 6 == 3 ? x : before;
        x = y;
    }
    ncc_graph_output(n->g, x, "y");
}

static int choices(struct net *n, int place, const char *threads, struct band_choice *way)
{
    setenv("NCC_THREADS", threads, 1);
    const int count = ncc_bands_choices(n->g, place, &options, &n->scratch, way, MAX_WAYS);
    unsetenv("NCC_THREADS");
    return count;
}

static void threads_do_not_matter(void **unused)
{
    (void)unused;
    struct net n;
    struct band_choice a[MAX_WAYS], b[MAX_WAYS];
    make(&n);
    const int count = choices(&n, N_LAYERS / 2, "1", a);
    assert_int_equal(count, MAX_WAYS);
    assert_int_equal(choices(&n, N_LAYERS / 2, "3", b), count);
    for (int i = 0; i < count; i++) {
        assert_int_equal(a[i].n, b[i].n);
        assert_memory_equal(a[i].node, b[i].node, (size_t)a[i].n * sizeof *a[i].node);
        assert_true(a[i].rows == b[i].rows && a[i].cols == b[i].cols && a[i].join_in_main == b[i].join_in_main);
        assert_true(a[i].us == b[i].us && (i == 0 || a[i - 1].us <= a[i].us));
    }
    net_close(&n);
}

static void a_part_tells_as_much(void **unused)
{
    (void)unused;
    struct net n;
    struct band_choice way[MAX_WAYS], near[MAX_WAYS];
    make(&n);
    for (int place = 0; place < N_LAYERS; place += N_LAYERS / 2) {
        const int count = choices(&n, place, "1", way);
        assert_true(count > 1);
        memcpy(near, way, sizeof way);
        ncc_bands_time_near(n.g, &options, &n.scratch, near, count);
        for (int i = 1; i < count; i++) {
            const double whole = way[i].us - way[0].us, part = near[i].us - near[0].us;
            if (fabs(whole - part) > 1e-3)
                fail_msg("place %d, way %d: %g us more than the best, %g on the part", place, i, whole, part);
            assert_true(near[i].us < way[i].us);
        }
    }
    net_close(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(threads_do_not_matter), cmocka_unit_test(a_part_tells_as_much)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

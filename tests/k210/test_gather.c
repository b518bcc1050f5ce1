/* How many places of the samples a layer gathers: as many as the budget covers for all layers. */
#include "compiler/quant/gather_patches.h"
#include "tests/k210/compiled.h"

#include <cmocka.h>

enum { N_SAMPLES = 16 };

/* Points of the graph's layers, in order. */
static void count_points(struct net *n, const struct graph *g, double budget, bool thorough, int points[2])
{
    const struct gather_options o = {.budget = budget, .thorough = thorough};
    const struct patch_table table = ncc_gather_prepare(g, N_SAMPLES, &o, &n->arena);
    int i = 0;
    for (const struct node *k = g->first; k; k = k->next)
        if (k->op == OP_kpu_conv && i < 2)
            points[i++] = table.v[k->out[0]->id].n_points;
    assert_int_equal(i, 2);
}

static void test_points(void **state)
{
    (void)state;
    struct net n;
    net_open(&n);
    net_parse(&n, "input %x f32 1x4x12x12 !q(0.0157, 128)\nconst %v f32 8x4x1x1 = random 3\n"
                  "const %w f32 6x8x1x1 = random 4\n%a = conv2d(%x, %v, _)\n%r = relu(%a)\n%y = conv2d(%r, %w, _)\n"
                  "output %y\n");
    const struct k210_options o = {.runtime = NCC_KPU_RUNTIME_V4};
    const struct compiled c = compile_net(&n, &o, true, 1, "points");
    const double small = 2 * 8 * 4, large = 2 * 6 * 8, all = small + large + 1; /* multiply-adds per point */
    static const struct {
        double points, first, second;
        bool thorough;
    } rows[] = {
        {2000, 1024, 1024, false}, {1024, 1024, 1024, false}, {512, 512, 512, false}, {256, 256, 256, false},
        {200, 256, 0, false},      {2000, 2000, 2000, true},  {4000, 3072, 3072, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int points[2];
        count_points(&n, c.real, rows[i].points * all, rows[i].thorough, points);
        assert_int_equal(points[0], rows[i].first);
        assert_int_equal(points[1], rows[i].second);
    }
    net_close(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_points)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

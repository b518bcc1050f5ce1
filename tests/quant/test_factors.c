/* What is seen of the factors of products: of every channel, on samples evenly spread, whatever the number of threads.
 */
#include "compiler/ops/attrs.h"
#include "compiler/quant/factors.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { C = 3, SAMPLES = 40 };

static struct exit out_of_memory;

/* Channel c of sample s of input i: between -s - c and i + 2 s + c, which both occur. */
static bool feed(void *ctx, int sample, int input, struct tensor *to)
{
    (void)ctx;
    float *x = to->data;
    const int plane = to->shape.dim[2] * to->shape.dim[3];
    for (int c = 0; c < C; c++)
        for (int i = 0; i < plane; i++) {
            const float lo = (float)-(sample + c), hi = (float)(input + 2 * sample + c);
            x[c * plane + i] = i == plane - 1 ? hi : i == 0 ? lo : (lo + hi) / 2;
        }
    return true;
}

static bool no_feed(void *ctx, int sample, int input, struct tensor *to)
{
    (void)ctx, (void)sample, (void)input, (void)to;
    return false;
}

static void test_seen(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 4; threads += 3) {
        setenv("NCC_THREADS", threads == 1 ? "1" : "4", 1);
        struct arena arena = ncc_arena_make(&out_of_memory);
        struct diags diags;
        ncc_diag_init(&diags, &arena);
        struct graph *g = ncc_graph_new(&arena, &diags, "test");
        struct value *x = ncc_graph_input(g, "x", DT_F32, ncc_shape_4(1, C, 4, 5));
        struct value *gate = ncc_graph_input(g, "gate", DT_F32, ncc_shape_4(1, C, 2, 1));
        const struct reduce_attrs mean = {REDUCE_MEAN, {2, {2, 3}}, true};
        struct value *one = NCC_OP(g, OP_reduce, "mean", &mean, gate), *r = NCC_OP(g, OP_relu, "relu", NULL, x);
        ncc_graph_output(g, NCC_OP(g, OP_mul, "gated", NULL, NCC_OP(g, OP_mul, "squared", NULL, r, r), one), "y");
        assert_true(ncc_quant_see_factors(g, &(struct samples){.feed = feed, .ctx = NULL, .n = SAMPLES}, &arena));
        assert_true(!x->seen && !gate->seen && r->seen && one->seen);
        const int last = 7 * SAMPLES / 8; /* of 8 samples, evenly spread */
        for (int c = 0; c < C; c++) {
            assert_true(r->seen[c].lo == 0 && r->seen[c].hi == (float)(2 * last + c));
            assert_true(one->seen[c].lo == 0.5f && one->seen[c].hi == (float)(last + 1) / 2);
        }
        ncc_arena_release(&arena);
    }
    unsetenv("NCC_THREADS");
}

/* A product with a constant is none of two maps, and nothing has to run; where something has to, feeding may fail. */
static void test_nothing_to_see(void **state)
{
    (void)state;
    struct arena arena = ncc_arena_make(&out_of_memory);
    struct diags diags;
    ncc_diag_init(&diags, &arena);
    struct graph *g = ncc_graph_new(&arena, &diags, "test");
    struct value *x = ncc_graph_input(g, "x", DT_F32, ncc_shape_4(1, C, 4, 5));
    static const float k[C] = {1, 2, 3};
    struct value *y = NCC_OP(g, OP_mul, "scaled", NULL, x, ncc_const_copy(g, "k", DT_F32, ncc_shape_4(1, C, 1, 1), k));
    ncc_graph_output(g, y, "y");
    assert_true(ncc_quant_see_factors(g, &(struct samples){.feed = no_feed, .ctx = NULL, .n = SAMPLES}, &arena) &&
                !x->seen);
    ncc_graph_output(g, NCC_OP(g, OP_mul, "squared", NULL, x, x), "z");
    assert_false(ncc_quant_see_factors(g, &(struct samples){.feed = no_feed, .ctx = NULL, .n = SAMPLES}, &arena));
    assert_true(!x->seen);
    ncc_arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_seen), cmocka_unit_test(test_nothing_to_see)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

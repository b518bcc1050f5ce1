#include "compiler/ir/element.h"
#include "compiler/ir/broadcasting.h"
#include "compiler/ops/attrs.h"
#include "tests/ir/fixture.h"

#include <math.h>

static void shapes(void **state)
{
    char buf[80];
    struct shape out;
    (void)state;
    assert_int_equal(ncc_shape_count(ncc_shape_4(1, 3, 5, 7)), 105);
    assert_int_equal(ncc_shape_count(ncc_shape_make(0, NULL)), 1);
    assert_int_equal(ncc_shape_count(ncc_shape_4(1, 1 << 14, 1 << 14, 1)), NCC_MAX_ELEMENTS);
    assert_int_equal(ncc_shape_count(ncc_shape_4(2, 1 << 14, 1 << 14, 1)), -1);
    assert_int_equal(ncc_shape_count(ncc_shape_4(1 << 30, 1 << 30, 1 << 30, 0)), 0);
    assert_string_equal(ncc_shape_text(ncc_shape_4(1, 3, 240, 320), buf), "1x3x240x320");
    assert_string_equal(ncc_shape_text(ncc_shape_make(0, NULL), buf), "scalar");
    assert_true(ncc_shape_broadcast(ncc_shape_make(2, (int[]){4, 1}), ncc_shape_4(1, 3, 1, 5), &out));
    assert_true(ncc_shape_equal(out, ncc_shape_4(1, 3, 4, 5)));
    assert_true(ncc_shape_broadcast(ncc_shape_make(1, (int[]){0}), ncc_shape_make(1, (int[]){1}), &out));
    assert_int_equal(out.dim[0], 0);
    assert_false(ncc_shape_broadcast(ncc_shape_make(1, (int[]){2}), ncc_shape_make(1, (int[]){3}), &out));
    assert_true(ncc_shape_equal(ncc_shape_left_pad(ncc_shape_make(1, (int[]){7}), 4), ncc_shape_4(1, 1, 1, 7)));
}

static void dtypes(void **state)
{
    (void)state;
    for (int i = 0; i < N_DTYPES; i++) {
        enum dtype t;
        assert_true(ncc_dtype_parse(ncc_dtype_name((enum dtype)i), &t));
        assert_int_equal(t, i);
    }
    assert_int_equal(ncc_dtype_size(DT_I64), 8);
    assert_int_equal(ncc_dtype_size(DT_BOOL), 1);
}

/* All 65536 halves come back; numbers between two halves go to the nearer, or to the even one. */
static void halves(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 65536; bits++) {
        const float x = ncc_element_from_half((uint16_t)bits);
        if (isnan(x))
            assert_true(isnan(ncc_element_from_half(ncc_element_to_half(x))));
        else
            assert_int_equal(ncc_element_to_half(x), bits);
    }
    for (unsigned bits = 0; bits < 0x7BFF; bits++) {
        const float low = ncc_element_from_half((uint16_t)bits), high = ncc_element_from_half((uint16_t)(bits + 1));
        const float mid = (low + high) / 2;
        assert_int_equal(ncc_element_to_half(mid), bits + (bits & 1));
        assert_int_equal(ncc_element_to_half(nextafterf(mid, 0)), bits);
        assert_int_equal(ncc_element_to_half(nextafterf(mid, 1e9f)), bits + 1);
    }
    assert_float_equal(ncc_element_from_half(0x3C00), 1.0, 0);
    assert_float_equal(ncc_element_from_half(0xC000), -2.0, 0);
    assert_int_equal(ncc_element_to_half(65504.0f), 0x7BFF);
    assert_int_equal(ncc_element_to_half(65520.0f), 0x7C00);
}

static void elements(void **state)
{
    int64_t cell;
    (void)state;
    ncc_element_set_real(DT_I8, &cell, 0, -1000);
    assert_int_equal(ncc_element_int(DT_I8, &cell, 0), -128);
    ncc_element_set_real(DT_I64, &cell, 0, 1e30);
    assert_int_equal(cell, INT64_MAX);
    ncc_element_set_real(DT_U8, &cell, 0, (double)NAN);
    assert_int_equal(ncc_element_int(DT_U8, &cell, 0), 0);
    ncc_element_set_int(DT_U8, &cell, 0, 257);
    assert_int_equal(ncc_element_int(DT_U8, &cell, 0), 1);
}

static void broadcasts_are_collapsed(void **state)
{
    (void)state;
    struct broadcast b = ncc_broadcast_make(ncc_shape_4(1, 8, 6, 5), ncc_shape_4(1, 8, 1, 1), ncc_shape_4(1, 8, 6, 5));
    assert_int_equal(b.rank, 2);
    assert_int_equal(b.dim[0], 8);
    assert_int_equal(b.dim[1], 30);
    assert_int_equal(b.b[0], 1);
    assert_int_equal(b.b[1], 0);
    b = ncc_broadcast_make(ncc_shape_4(1, 8, 6, 5), ncc_shape_4(1, 8, 6, 5), ncc_shape_4(1, 8, 6, 5));
    assert_int_equal(b.rank, 1);
    assert_int_equal(b.dim[0], 240);
}

static void attributes(void **state)
{
    struct fixture *f = *state;
    struct act_chain c = {1, {{OP_leaky_relu, NULL}}};
    assert_float_equal(ncc_act_apply(&c, -1.0f), -0.01f, 1e-9f); /* NULL: the defaults */
    const struct node clip = {.op = OP_clip, .attrs = ncc_attrs_default(OP_clip, &f->a)};
    for (int i = 1; i < NCC_MAX_ACT; i++)
        assert_true(ncc_act_push(&c, &clip));
    assert_false(ncc_act_push(&c, &clip));
    assert_true(ncc_attrs_equal(OP_clip, clip.attrs, NULL));
    assert_false(ncc_attrs_equal(OP_clip, &(struct clip_attrs){0, 6}, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(shapes),   TEST(dtypes),
                                       TEST(halves),   TEST(elements),
                                       TEST(attributes), TEST(broadcasts_are_collapsed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

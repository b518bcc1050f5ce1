/* What is told of a set of samples before it is used: its values, and all that is odd or damaged. */
#include "tests/data/scene.h"

static const char *describe(struct scene *s, bool calibrating)
{
    const char *text = "";
    assert_true(ncc_data_describe(&s->set, calibrating, NULL, &s->arena, &s->diags, &text));
    return text;
}

static void describes_a_set(void **state)
{
    struct scene *s = *state;
    struct input_spec spec = colour;
    spec.has_norm = true, spec.mean = 0.5f, spec.std = 0.5f;
    for (int i = 0; i < 10; i++)
        put(s, ncc_arena_printf(&s->arena, "%d.ppm", i), "P6 2 1 255\n\0\0\0\xff\xff\xff", 17);
    assert_true(open_set(s, "", SAMPLES_AUTO, &spec, 1));
    assert_string_equal(describe(s, true), "10 samples, 3x1x2, min -1, max 1, picture");
    assert_int_equal(s->diags.n_warnings, 0);
    put(s, "x.bin", planar, 6);
    assert_true(open_set(s, "x.bin", SAMPLES_AUTO, &colour, 1));
    assert_string_equal(describe(s, false), "1 sample, 3x1x2, min 0.00392, max 0.0235, uint8");
    assert_int_equal(s->diags.n_warnings, 0);
    describe(s, true);
    assert_int_equal(s->diags.n_warnings, 1); /* only one sample */
}

static void describes_several_inputs(void **state)
{
    struct scene *s = *state;
    make_folder(s, "s");
    put(s, "s/0.ppm", ppm, sizeof ppm - 1);
    put(s, "s/1.bin", (const float[]){-5, 2000}, 8);
    assert_true(open_set(s, "", SAMPLES_AUTO, pair, 2));
    assert_string_equal(describe(s, true), "1 sample; a: 3x1x2, min 0.00392, max 0.0235, picture; "
                                           "b: 2, min -5, max 2e+03, float");
    expect_message(s, 0, "the values are unusually large | -5..2000");
    expect_message(s, 1, "few samples");
}

static void warns_of_odd_values(void **state)
{
    struct scene *s = *state;
    struct input_spec spec = colour;
    put(s, "a.bin", (const float[]){7, 7, 7, 7, 7, 7}, 24);
    assert_true(open_set(s, "", SAMPLES_AUTO, &spec, 1));
    describe(s, false);
    assert_int_equal(s->diags.n_warnings, 0);
    describe(s, true);
    expect_message(s, 0, "all values of all samples are equal | 7");
    expect_message(s, 1, "few samples");
    spec.has_norm = true, spec.mean = 0, spec.std = 1;
    assert_true(open_set(s, "", SAMPLES_AUTO, &spec, 1));
    describe(s, false);
    expect_message(s, 2, "should lie in 0..1");
    assert_int_equal(s->diags.n_warnings, 3);
}

static void finds_damaged_samples(void **state)
{
    struct scene *s = *state;
    const char *text;
    put(s, "a.ppm", ppm, sizeof ppm - 2);
    put(s, "b.bin", (const float[]){0, 1, 2, NAN, 3, 4}, 24);
    put(s, "c.bin", planar, 6);
    put_npy(s, "d.npy", NUMBER_F64, 3, (const int[]){3, 1, 2}, ((const double[]){0, 0, 0, 0, 0, 1e300}));
    put(s, "e.png", "garbage", 7);
    assert_true(open_set(s, "", SAMPLES_AUTO, &colour, 1));
    assert_false(ncc_data_describe(&s->set, true, NULL, &s->arena, &s->diags, &text));
    assert_int_equal(s->diags.n_errors, 4);
    expect_message(s, 0, "a.ppm | the sample cannot be loaded | ");
    expect_message(s, 1, "b.bin | the sample cannot be loaded | element 3 is not a finite number");
    expect_message(s, 2, "d.npy | the sample cannot be loaded | element 5 is not a finite number");
    expect_message(s, 3, "e.png | the sample cannot be loaded | ");
}

/* The n-th block fails, for every n until none does: opening and describing leave by the exit and lose nothing. */
static void every_block_may_fail(void **state)
{
    struct scene *s = *state;
    static struct exit out;
    static struct arena a;
    static long n;
    for (int i = 0; i < 300; i++)
        put(s, ncc_arena_printf(&s->arena, "%d.bin", i), planar, 6);
    for (n = 1;; n++) {
        out = (struct exit){.fail_at = n};
        a = ncc_arena_make(&out);
        const int failed = setjmp(out.env);
        if (!failed) {
            struct diags d;
            struct dataset set;
            const char *text;
            ncc_diag_init(&d, &a);
            assert_true(ncc_data_open(s->folder, SAMPLES_AUTO, &colour, 1, &a, &d, &set));
            assert_true(ncc_data_describe(&set, true, NULL, &a, &d, &text));
        }
        ncc_arena_release(&a);
        assert_int_equal(out.used, 0);
        if (!failed)
            break;
    }
    assert_true(n > 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(describes_a_set),
        TEST(describes_several_inputs),
        TEST(warns_of_odd_values),
        TEST(finds_damaged_samples),
        TEST(every_block_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

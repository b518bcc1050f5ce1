/* The wire reader on bytes written by hand: right ones, and every way of being wrong. */
#include "support.h"

#include "compiler/import/flatbuf.h"

/* A table at 16 with an int (field 0), a list of two ints (1), a string (2), and field 3 absent. */
static const uint8_t good[] = {
    16, 0, 0, 0, 'T', 'E', 'S', 'T',        /* reference to the root, identifier */
    8, 0, 16, 0, 4, 0, 8, 0,                /* 8: vtable, wrongly short: fields 0 and 1 only */
    8, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff,     /* 16: back to the vtable; field 0 = -2 */
    8, 0, 0, 0, 0, 0, 0, 0,                 /* 24: field 1: reference to 32 */
    2, 0, 0, 0, 7, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f, /* 32: two ints */
};

static struct fb opened(const uint8_t *data, size_t size)
{
    return ncc_fb_open((struct bytes){data, size});
}

static void reads_fields(void **state)
{
    (void)state;
    struct fb f = opened(good, sizeof good);
    assert_true(ncc_fb_has_identifier((struct bytes){good, sizeof good}, "TEST"));
    assert_false(ncc_fb_has_identifier((struct bytes){good, 7}, "TEST"));
    const struct fb_table t = ncc_fb_root(&f);
    assert_int_equal(t.at, 16);
    assert_int_equal(ncc_fb_i32(&f, t, 0, 5), -2);
    assert_int_equal(ncc_fb_int(&f, t, 0, 4, false, 5), 0xfffffffe);
    assert_int_equal(ncc_fb_i32(&f, t, 2, 5), 5);
    assert_int_equal(ncc_fb_i32(&f, t, 3000, 5), 5);
    const struct fb_vector v = ncc_fb_vector(&f, t, 1, 4);
    assert_int_equal(v.n, 2);
    assert_int_equal(ncc_fb_vector_i32(v, 0), 7);
    assert_int_equal(ncc_fb_vector_i32(v, 1), INT32_MAX);
    assert_null(f.error);
}

/* Sets one byte and says whether reading everything meets an error. */
static bool is_refused(size_t at, uint8_t value, size_t size)
{
    uint8_t *copy = malloc(size); /* of this size, so that a sanitizer sees what is read behind it */
    memcpy(copy, good, size);
    if (at < size)
        copy[at] = value;
    struct fb f = opened(copy, size);
    const struct fb_table t = ncc_fb_root(&f);
    ncc_fb_i32(&f, t, 0, 0);
    const struct fb_vector v = ncc_fb_vector(&f, t, 1, 4);
    for (int i = 0; i < v.n; i++)
        ncc_fb_vector_i32(v, i);
    ncc_fb_table(&f, t, 1);
    ncc_fb_float(&f, t, 0, 0);
    const bool refused = f.error != NULL;
    free(copy);
    return refused;
}

static void refuses_damage(void **state)
{
    (void)state;
    assert_true(is_refused(0, 0, sizeof good));     /* root at 0: refers to itself */
    assert_true(is_refused(0, 200, sizeof good));   /* root beyond the end */
    assert_true(is_refused(3, 0xff, sizeof good));
    assert_true(is_refused(8, 2, sizeof good));     /* vtable shorter than its head */
    assert_true(is_refused(8, 255, sizeof good));   /* longer than the file */
    assert_true(is_refused(10, 255, sizeof good));  /* table longer than the file */
    assert_true(is_refused(12, 2, sizeof good));    /* field inside of the reference to the vtable */
    assert_true(is_refused(12, 14, sizeof good));   /* field over the end of its table */
    assert_true(is_refused(19, 0x80, sizeof good)); /* vtable far behind */
    assert_true(is_refused(24, 0xff, sizeof good)); /* list beyond the end */
    assert_true(is_refused(32, 3, sizeof good));    /* list longer than the file */
    assert_true(is_refused(35, 0xff, sizeof good));
    for (size_t size = 0; size < sizeof good; size++)
        assert_true(is_refused(sizeof good, 0, size));
    for (size_t at = 0; at < sizeof good; at++)
        for (int bit = 0; bit < 8; bit++)
            is_refused(at, good[at] ^ (uint8_t)(1 << bit), sizeof good); /* the sanitizers look on */
}

static void work_is_bounded(void **state)
{
    (void)state;
    struct fb f = opened(good, sizeof good);
    const struct fb_table t = ncc_fb_root(&f);
    int64_t n = 0;
    while (!f.error && n < (int64_t)1 << 30)
        n += ncc_fb_vector(&f, t, 1, 4).n;
    assert_non_null(f.error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_fields),
        cmocka_unit_test(refuses_damage),
        cmocka_unit_test(work_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "compiler/data/npy.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* A version 1 file of `dictionary` followed by data_size zero bytes. */
struct file {
    uint8_t bytes[1024];
    size_t size;
};

static struct file make(int version, const char *dictionary, size_t data_size)
{
    struct file f = {0};
    const size_t length = strlen(dictionary), start = version == 1 ? 10 : 12;
    memcpy(f.bytes, "\x93NUMPY", 6);
    f.bytes[6] = (uint8_t)version;
    f.bytes[8] = (uint8_t)length;
    f.bytes[9] = (uint8_t)(length >> 8);
    memcpy(f.bytes + start, dictionary, length);
    f.size = start + length + data_size;
    return f;
}

/* NULL when accepted, else the message. */
static const char *parse(const struct file *f, struct npy *out)
{
    static char error[NCC_NPY_ERROR];
    uint8_t *exact = test_malloc(f->size + 1); /* so that a sanitizer sees a read beyond the end */
    memcpy(exact, f->bytes, f->size);
    const bool good = ncc_npy_parse(exact, f->size, f->size, out, error);
    test_free(exact);
    return good ? NULL : error;
}

static void accepts_what_numpy_writes(void **state)
{
    (void)state;
    static const struct {
        const char *dictionary;
        enum number_type type;
        size_t data_size;
        int n_dims;
        int64_t dim[3];
    } rows[] = {
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }  \n", NUMBER_F32, 24, 2, {2, 3}},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (5,), }\n", NUMBER_U8, 5, 1, {5}},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (), }\n", NUMBER_F64, 8, 0, {0}},
        {"{\"shape\":(1,2,3),\"fortran_order\":False,\"descr\":\"|i1\"}", NUMBER_I8, 6, 3, {1, 2, 3}},
        {"{'fortran_order': False, 'descr': '<i4', 'shape': (0, 7)}", NUMBER_I32, 0, 2, {0, 7}},
        {"{'descr': '<i8', 'fortran_order': False, 'shape': (2, 3, ), }", NUMBER_I64, 48, 2, {2, 3}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int version = 1; version <= 3; version++) {
            struct npy got;
            const struct file f = make(version, rows[i].dictionary, rows[i].data_size);
            const char *error = parse(&f, &got);
            assert_string_equal(error ? error : "", "");
            assert_int_equal(got.type, rows[i].type);
            assert_int_equal(got.n_dims, rows[i].n_dims);
            for (int k = 0; k < got.n_dims; k++)
                assert_int_equal(got.dim[k], rows[i].dim[k]);
            assert_int_equal(got.data, f.size - rows[i].data_size);
        }
}

static void refuses_with_a_reason(void **state)
{
    (void)state;
    static const struct {
        const char *dictionary, *part_of_message;
    } rows[] = {
        {"{'descr': '<f4', 'fortran_order': True, 'shape': (2,), }", "Fortran order"},
        {"{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }", "'>f4'"},
        {"{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", "'<c8'"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", "not a plain number"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, -1), }", "shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2), }", "shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': 2, }", "shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,,), }", "shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,2), }", "8 dimensions"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", "shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296,4294967296,), }", "absurd"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387906,), }", "absurd"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", "8 bytes of data, the shape needs 12"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", "8 bytes of data, the shape needs 4"},
        {"{'descr': '<f4', 'fortran_order': False, }", "incomplete"},
        {"{}", "incomplete"},
        {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", "unexpected key"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1}", "unexpected key"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), } x", "text behind"},
        {"{'descr': '<f4', 'fortran_order': Perhaps, 'shape': (2,), }", "damaged"},
        {"{'descr' '<f4'}", "damaged"},
        {"", "damaged"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct npy got;
        const struct file f = make(1, rows[i].dictionary, 8);
        const char *error = parse(&f, &got);
        if (!error || !strstr(error, rows[i].part_of_message))
            fail_msg("%s: %s", rows[i].dictionary, error ? error : "accepted");
    }
}

static void refuses_every_prefix_and_other_versions(void **state)
{
    (void)state;
    struct npy got;
    for (int version = 1; version <= 3; version++) {
        struct file f = make(version, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }  \n", 24);
        const size_t whole = f.size;
        assert_null(parse(&f, &got));
        for (f.size = 0; f.size < whole; f.size++)
            assert_non_null(parse(&f, &got));
        f.size = whole + 1;
        assert_non_null(parse(&f, &got));
        f.size = whole;
        f.bytes[6] = version == 1 ? 0 : 4;
        assert_non_null(parse(&f, &got));
    }
}

/* Whatever a flipped byte makes of it, the result is consistent with the size. */
static void survives_flipped_bytes(void **state)
{
    (void)state;
    const struct file good = make(2, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }  \n", 24);
    for (size_t at = 0; at < good.size; at++)
        for (int value = 0; value < 256; value++) {
            struct file f = good;
            struct npy got;
            f.bytes[at] = (uint8_t)value;
            if (!parse(&f, &got))
                assert_int_equal(got.data + got.n * ncc_npy_type_size(got.type), f.size);
        }
}

static void converts_all_types(void **state)
{
    (void)state;
    static const float f4[] = {1.5f, -2.0f};
    static const double f8[] = {1.5, -2.0};
    static const uint8_t u1[] = {200, 3};
    static const int8_t i1[] = {-100, 3};
    static const int32_t i4[] = {-70000, 3};
    static const int64_t i8[] = {-70000, 3};
    static const struct {
        enum number_type type;
        const void *from;
        float first;
    } rows[] = {{NUMBER_F32, f4, 1.5f}, {NUMBER_F64, f8, 1.5f},   {NUMBER_U8, u1, 200},
                {NUMBER_I8, i1, -100},  {NUMBER_I32, i4, -70000}, {NUMBER_I64, i8, -70000}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t shifted[17];
        float to[2];
        memcpy(shifted + 1, rows[i].from, 2 * ncc_npy_type_size(rows[i].type));
        ncc_npy_convert(rows[i].type, shifted + 1, 2, to); /* not aligned */
        assert_true(to[0] == rows[i].first);
        assert_true(to[1] == (i < 2 ? -2.0f : 3.0f));
    }
}

static void writes_what_it_reads(void **state)
{
    (void)state;
    struct exit out = {0};
    struct arena a = ncc_arena_make(&out);
    struct diags d;
    struct bytes file;
    struct npy got;
    char error[NCC_NPY_ERROR], folder[] = "test_npy.XXXXXX";
    assert_int_equal(setjmp(out.env), 0);
    ncc_diag_init(&d, &a);
    assert_non_null(mkdtemp(folder));
    const char *path = ncc_arena_printf(&a, "%s/x.npy", folder);
    static const int dim[NCC_NPY_MAX_DIMS] = {1, 2, 3, 1, 1, 1, 1, 2};
    const float data[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, INFINITY};
    for (int n_dims = 0; n_dims <= NCC_NPY_MAX_DIMS; n_dims++) {
        assert_true(ncc_npy_write(path, NUMBER_F32, n_dims, dim, data, &d));
        assert_true(ncc_file_read(path, 10000, &a, &d, &file));
        assert_true(ncc_npy_parse(file.data, file.size, file.size, &got, error));
        assert_int_equal(got.n_dims, n_dims);
        for (int i = 0; i < n_dims; i++)
            assert_int_equal(got.dim[i], dim[i]);
        assert_int_equal(got.data % 64, 0);
        assert_memory_equal(file.data + got.data, data, got.n * sizeof *data);
    }
    const int wide[8] = {1, 1, 1, 1, 1, 1, 0, 2147483647};
    assert_true(ncc_npy_write(path, NUMBER_U8, 8, wide, NULL, &d));
    assert_false(ncc_npy_write("none/x.npy", NUMBER_U8, 1, dim, data, &d));
    unlink(path);
    rmdir(folder);
    ncc_arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_what_numpy_writes),
        cmocka_unit_test(refuses_with_a_reason),
        cmocka_unit_test(refuses_every_prefix_and_other_versions),
        cmocka_unit_test(survives_flipped_bytes),
        cmocka_unit_test(converts_all_types),
        cmocka_unit_test(writes_what_it_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

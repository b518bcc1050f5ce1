/* A compilation in which the n-th block of memory cannot be had, for every n: it ends with a message and the status for
 * an internal error, and leaves no output file. (That nothing leaks is for the sanitizers to see.) */
#include "compiler/steps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#define OUTPUT NCC_BINARY_DIR "/out_of_memory.kmodel"

static enum ncc_exit compile(long fail_at, FILE *err, long *n_allocs)
{
    struct ncc_compile_options o;
    ncc_compile_defaults(&o);
    o.model = NCC_SOURCE_DIR "/examples/digits/digits.tflite";
    o.dataset = NCC_SOURCE_DIR "/examples/digits/calib";
    o.output = OUTPUT;
    o.quiet = true;
    struct compilation c;
    ncc_compilation_open(&c, &o, err, err);
    c.exit.fail_at = fail_at;
    const enum ncc_exit e = ncc_compilation_run(&c, ncc_compile_steps, ncc_compile_n_steps);
    *n_allocs = c.exit.n_allocs;
    ncc_compilation_close(&c);
    return e;
}

static void every_block_fails_once(void **state)
{
    (void)state;
    FILE *err = tmpfile();
    long n_allocs, ignored;
    unlink(OUTPUT);
    assert_int_equal(compile(0, err, &n_allocs), NCC_EXIT_DONE);
    assert_int_equal(access(OUTPUT, F_OK), 0);
    assert_true(n_allocs > 10);
    for (long n = 1; n <= n_allocs; n++) {
        unlink(OUTPUT);
        rewind(err);
        assert_int_equal(compile(n, err, &ignored), NCC_EXIT_INTERNAL);
        assert_true(ftell(err) > 0);
        assert_int_not_equal(access(OUTPUT, F_OK), 0);
    }
    fclose(err);
    printf("%ld blocks\n", n_allocs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_block_fails_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

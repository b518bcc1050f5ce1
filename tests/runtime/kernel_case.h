/* One kernel at a time: a model with one node, run through the whole runtime, against an expectation. */
#ifndef TESTS_KERNEL_CASE_H
#define TESTS_KERNEL_CASE_H

#include "model_builder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROUNDS = 200, MAX_ELEMENTS = 8192 };

static inline void random_shape(int32_t shape[4], int max_dim)
{
    for (int i = 0; i < 4; i++)
        shape[i] = mb_between(1, max_dim);
}

/* A float tensor's n elements, or a byte tensor's. */
static inline void random_tensor(void *out, uint32_t datatype, size_t n)
{
    assert_true(n <= MAX_ELEMENTS);
    if (datatype == NCC_KM_F32)
        mb_fill_f32(out, n);
    else
        mb_fill_u8(out, n);
}

/* Runs the model of one node and holds output 0 against the expectation, byte by byte. */
static inline void expect_output(const struct mb *b, const void *const *inputs, const void *want)
{
    size_t size;
    uint8_t *const file = mb_file(b, &size);
    uint8_t *const work = mb_run(file, size, inputs);
    if (memcmp(work + b->outputs[0].start, want, b->outputs[0].size) != 0)
        fail_msg("another result than expected (NCC_SEED=%llu)", (unsigned long long)mb_seed());
    free(work);
    free(file);
}

static inline size_t at(const int32_t shape[4], int n, int c, int h, int w)
{
    return (((size_t)n * (size_t)shape[1] + (size_t)c) * (size_t)shape[2] + (size_t)h) * (size_t)shape[3] + (size_t)w;
}

/* Runs the code that follows for every index of the shape. */
#define EACH(shape, n, c, h, w)                                                                                        \
    for (int n = 0; n < (shape)[0]; n++)                                                                               \
        for (int c = 0; c < (shape)[1]; c++)                                                                           \
            for (int h = 0; h < (shape)[2]; h++)                                                                       \
                for (int w = 0; w < (shape)[3]; w++)

static inline float clamp_f32(float v, float low, float high)
{
    return v < low ? low : v > high ? high : v;
}

/* v * mul / 2^shift rounded half up, by division instead of shifts. */
static inline int64_t scale_expected(int64_t v, int64_t mul, int shift)
{
    const int64_t unit = INT64_C(1) << shift, x = v * mul + (shift > 0 ? unit / 2 : 0);
    return x >= 0 ? x / unit : -((-x + unit - 1) / unit);
}

static inline uint8_t saturate(int64_t v)
{
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

static inline int reseed(void **state)
{
    (void)state;
    mb_reseed();
    return 0;
}

#endif

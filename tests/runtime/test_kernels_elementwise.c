/* Kernels that take one element or one pair at a time. */
#include "kernel_case.h"

#include <float.h>
#include <math.h>

static float f_in[2][MAX_ELEMENTS], f_want[MAX_ELEMENTS];
static uint8_t u_in[2][MAX_ELEMENTS], u_want[MAX_ELEMENTS];

/* A shape and two that broadcast to it; one operand in three is not broadcast at all. */
static void random_operands(int32_t out[4], int32_t a[4], int32_t b[4])
{
    random_shape(out, 6);
    const int a_whole = mb_between(0, 2), b_whole = mb_between(0, 2);
    for (int i = 0; i < 4; i++) {
        a[i] = a_whole == 0 || mb_between(0, 1) ? out[i] : 1;
        b[i] = b_whole == 0 || mb_between(0, 1) ? out[i] : 1;
    }
}

static size_t index_in(const int32_t shape[4], int n, int c, int h, int w)
{
    return at(shape, n % shape[0], c % shape[1], h % shape[2], w % shape[3]);
}

static float binary_expected(int op, float a, float b)
{
    const float results[] = {a + b, a - b, a * b, a / b, fminf(a, b), fmaxf(a, b)};
    return results[op];
}

static void binary(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct mb b = {0};
        struct ncc_km_binary op = {.op = (uint32_t)(round % NCC_KM_N_BINARY), .act = {-FLT_MAX, FLT_MAX}};
        random_operands(op.out_shape, op.a_shape, op.b_shape);
        if (round % 2)
            op.act = (struct ncc_km_clamp){0, 6};
        random_tensor(f_in[0], NCC_KM_F32, mb_elements(op.a_shape));
        random_tensor(f_in[1], NCC_KM_F32, mb_elements(op.b_shape));
        op.a = mb_input(&b, NCC_KM_F32, op.a_shape);
        const size_t n_b = mb_elements(op.b_shape);
        const bool constant = round % 3 == 0 && n_b * sizeof(float) <= sizeof b.constants;
        op.b = constant ? mb_const(&b, NCC_KM_F32, f_in[1], n_b) : mb_input(&b, NCC_KM_F32, op.b_shape);
        op.out = mb_output(&b, NCC_KM_F32, mb_elements(op.out_shape));
        mb_add(&b, NCC_KM_OP_binary, &op, sizeof op, NULL, 0, NULL, 0);
        EACH(op.out_shape, n, c, h, w)
        f_want[at(op.out_shape, n, c, h, w)] =
            clamp_f32(binary_expected((int)op.op, f_in[0][index_in(op.a_shape, n, c, h, w)],
                                      f_in[1][index_in(op.b_shape, n, c, h, w)]),
                      op.act.min, op.act.max);
        expect_output(&b, (const void *[]){f_in[0], f_in[1]}, f_want);
    }
}

static int64_t quantized_expected(int op, int64_t a, int64_t b)
{
    switch (op) {
    case NCC_KM_BINARY_ADD:
        return a + b;
    case NCC_KM_BINARY_SUB:
        return a - b;
    case NCC_KM_BINARY_MUL:
        return a * b;
    case NCC_KM_BINARY_DIV:
        return b == 0 ? -1 : (a + b / 2) / b;
    case NCC_KM_BINARY_MIN:
        return a < b ? a : b;
    default:
        return a > b ? a : b;
    }
}

static void quantized_binary(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct mb b = {0};
        struct ncc_km_quantized_binary op = {.op = (uint32_t)(round % NCC_KM_N_BINARY)};
        random_operands(op.out_shape, op.a_shape, op.b_shape);
        op.a_offset = mb_between(-255, 0), op.a_mul = mb_between(1, 1 << 20), op.a_shift = mb_between(8, 20);
        op.b_offset = mb_between(-255, 0), op.b_mul = mb_between(1, 1 << 20), op.b_shift = mb_between(8, 20);
        op.out_offset = mb_between(0, 255), op.out_mul = mb_between(1, 100), op.out_shift = mb_between(0, 16);
        if (op.op == NCC_KM_BINARY_MUL) /* products must stay within 32 bits */
            op.a_mul = op.b_mul = 40, op.a_shift = op.b_shift = 1;
        op.a = mb_input(&b, NCC_KM_U8, op.a_shape);
        op.b = mb_input(&b, NCC_KM_U8, op.b_shape);
        op.out = mb_output(&b, NCC_KM_U8, mb_elements(op.out_shape));
        mb_add(&b, NCC_KM_OP_quantized_binary, &op, sizeof op, NULL, 0, NULL, 0);
        random_tensor(u_in[0], NCC_KM_U8, mb_elements(op.a_shape));
        random_tensor(u_in[1], NCC_KM_U8, mb_elements(op.b_shape));
        EACH(op.out_shape, n, c, h, w)
        {
            const int64_t qa = u_in[0][index_in(op.a_shape, n, c, h, w)] + op.a_offset;
            const int64_t qb = u_in[1][index_in(op.b_shape, n, c, h, w)] + op.b_offset;
            const int64_t y = quantized_expected((int)op.op, scale_expected(qa, op.a_mul, op.a_shift),
                                                 scale_expected(qb, op.b_mul, op.b_shift));
            u_want[at(op.out_shape, n, c, h, w)] =
                saturate(scale_expected(y, op.out_mul, op.out_shift) + op.out_offset);
        }
        expect_output(&b, (const void *[]){u_in[0], u_in[1]}, u_want);
    }
}

static void quantize_rounds_half_away(void **state)
{
    (void)state;
    static const float x[] = {0.25f, 0.75f, 1.25f, -0.25f, 500.0f, -500.0f, 0.245f, 1.0f, INFINITY, -INFINITY, NAN};
    static const uint8_t want[] = {11, 12, 13, 10, 255, 0, 10, 12, 255, 0, 0};
    enum { N = sizeof x / sizeof *x };
    const int32_t shape[4] = {1, 1, 1, N};
    struct mb b = {0};
    struct ncc_km_quantize op = {.zero_point = 10, .scale = 2}; /* in quanta per unit */
    op.in = mb_input(&b, NCC_KM_F32, shape);
    op.out = mb_output(&b, NCC_KM_U8, N);
    mb_add(&b, NCC_KM_OP_quantize, &op, sizeof op, NULL, 0, NULL, 0);
    expect_output(&b, (const void *[]){x}, want);
}

static void quantize(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        const int32_t shape[4] = {1, 1, 3, 101};
        struct mb b = {0};
        struct ncc_km_quantize op = {.zero_point = mb_between(-20, 275), .scale = fabsf(mb_float()) * 50 + 0.1f};
        op.in = mb_input(&b, NCC_KM_F32, shape);
        op.out = mb_output(&b, NCC_KM_U8, 303);
        mb_add(&b, NCC_KM_OP_quantize, &op, sizeof op, NULL, 0, NULL, 0);
        mb_fill_f32(f_in[0], 303);
        for (int i = 0; i < 303; i++)
            u_want[i] = saturate(lroundf(f_in[0][i] * op.scale + (float)op.zero_point));
        expect_output(&b, (const void *[]){f_in[0]}, u_want);
    }
}

static void dequantize(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        const int32_t shape[4] = {1, 1, mb_between(1, 3), 256};
        const size_t n = mb_elements(shape);
        struct mb b = {0};
        struct ncc_km_dequantize op = {.zero_point = mb_between(-20, 275), .scale = fabsf(mb_float()) + 0.1f};
        op.in = mb_input(&b, NCC_KM_U8, shape);
        op.out = mb_output(&b, NCC_KM_F32, n);
        mb_add(&b, NCC_KM_OP_dequantize, &op, sizeof op, NULL, 0, NULL, 0);
        for (size_t i = 0; i < n; i++) {
            u_in[0][i] = (uint8_t)i;
            f_want[i] = (float)((int)(i % 256) - op.zero_point) * (1.0f / op.scale);
        }
        expect_output(&b, (const void *[]){u_in[0]}, f_want);
    }
}

static float unary_expected(int op, float x)
{
    const float results[] = {fabsf(x), ceilf(x), cosf(x),         expf(x), floorf(x),
                             logf(x),  -x,       1.0f / sqrtf(x), sinf(x), x * x};
    return results[op];
}

static void unary(void **state)
{
    (void)state;
    for (int k = 0; k < NCC_KM_N_UNARY; k++) {
        const int32_t shape[4] = {1, 2, 3, 40};
        struct mb b = {0};
        struct ncc_km_unary op = {.op = (uint32_t)k};
        op.in = mb_input(&b, NCC_KM_F32, shape);
        op.out = mb_output(&b, NCC_KM_F32, 240);
        mb_add(&b, NCC_KM_OP_unary, &op, sizeof op, NULL, 0, NULL, 0);
        random_tensor(f_in[0], NCC_KM_F32, 240);
        for (int i = 0; i < 240; i++) {
            if (k == NCC_KM_UNARY_LOG || k == NCC_KM_UNARY_RSQRT)
                f_in[0][i] = fabsf(f_in[0][i]) + 0.01f;
            f_want[i] = unary_expected(k, f_in[0][i]);
        }
        expect_output(&b, (const void *[]){f_in[0]}, f_want);
    }
}

static void table_lookup1d(void **state)
{
    (void)state;
    const int32_t shape[4] = {1, 1, 10, 100};
    struct mb b = {0};
    struct ncc_km_table_lookup1d op;
    mb_fill_u8(u_in[1], 256);
    op.in = mb_input(&b, NCC_KM_U8, shape);
    op.table = mb_const(&b, NCC_KM_U8, u_in[1], 256);
    op.out = mb_output(&b, NCC_KM_U8, 1000);
    mb_add(&b, NCC_KM_OP_table_lookup1d, &op, sizeof op, NULL, 0, NULL, 0);
    mb_fill_u8(u_in[0], 1000);
    for (int i = 0; i < 1000; i++)
        u_want[i] = u_in[1][u_in[0][i]];
    expect_output(&b, (const void *[]){u_in[0]}, u_want);
}

static void memory_copy(void **state)
{
    (void)state;
    const int32_t shape[4] = {1, 1, 1, 13}; /* not a multiple of 4 */
    struct mb b = {0};
    struct ncc_km_memory_copy op;
    op.in = mb_input(&b, NCC_KM_U8, shape);
    op.out = mb_output(&b, NCC_KM_U8, 13);
    mb_add(&b, NCC_KM_OP_memory_copy, &op, sizeof op, NULL, 0, NULL, 0);
    mb_fill_u8(u_in[0], 13);
    expect_output(&b, (const void *[]){u_in[0]}, u_in[0]);
}

/* Runs byte code over `n` elements of f_in[0] and compares with f_want. */
static void expect_code(const uint8_t *code, size_t size, int n)
{
    const int32_t shape[4] = {1, 1, 1, n};
    struct mb b = {0};
    struct ncc_km_nnil_unary_method op;
    op.in = mb_input(&b, NCC_KM_F32, shape);
    op.out = mb_output(&b, NCC_KM_F32, (size_t)n);
    mb_add(&b, NCC_KM_OP_nnil_unary_method, &op, sizeof op, code, size, NULL, 0);
    expect_output(&b, (const void *[]){f_in[0]}, f_want);
}

static void nnil_unary_method(void **state)
{
    (void)state;
    enum { N = 50 };
    /* x * 1 / (1 + exp(-x)), with a nop, a dup and a pop on the way */
    static const uint8_t swish[] = {0x03, 0x05, 0x42, 0x05, 0x03, 0x26, 0x23, 0x40, 0x00, 0x01, 0x02, 0x43, 0xA0};
    mb_fill_f32(f_in[0], N);
    for (int i = 0; i < N; i++)
        f_want[i] = f_in[0][i] * 1.0f / (1.0f + expf(-f_in[0][i]));
    expect_code(swish, sizeof swish, N);

    /* clamp(min(x - 0.5, max(0, x)), -1, 1): an immediate that is not aligned, pops of b before a */
    uint8_t clamp[] = {0x03, 0x06, 0, 0, 0, 0, 0x41, 0x04, 0x03, 0x45, 0x44, 0x05, 0x26, 0x05, 0x80, 0xA0};
    memcpy(clamp + 2, &(float){0.5f}, 4);
    for (int i = 0; i < N; i++)
        f_want[i] = clamp_f32(fminf(f_in[0][i] - 0.5f, fmaxf(0, f_in[0][i])), -1, 1);
    expect_code(clamp, sizeof clamp, N);

    for (int k = 0; k < NCC_KM_N_UNARY; k++) {
        const uint8_t code[] = {0x03, (uint8_t)(0x20 + k), 0xA0};
        for (int i = 0; i < N; i++) {
            f_in[0][i] = fabsf(f_in[0][i]) + 0.01f;
            f_want[i] = unary_expected(k, f_in[0][i]);
        }
        expect_code(code, sizeof code, N);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(binary, reseed),
        cmocka_unit_test_setup(quantized_binary, reseed),
        cmocka_unit_test(quantize_rounds_half_away),
        cmocka_unit_test_setup(quantize, reseed),
        cmocka_unit_test_setup(dequantize, reseed),
        cmocka_unit_test_setup(unary, reseed),
        cmocka_unit_test_setup(table_lookup1d, reseed),
        cmocka_unit_test_setup(memory_copy, reseed),
        cmocka_unit_test_setup(nnil_unary_method, reseed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

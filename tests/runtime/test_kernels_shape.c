/* Kernels that move, cut, enlarge or reduce tensors. */
#include "kernel_case.h"

#include <math.h>

static union {
    float f[MAX_ELEMENTS];
    uint8_t u[MAX_ELEMENTS];
} in[3], want;

static void copy_element(uint32_t datatype, size_t to, const void *from, size_t index)
{
    if (datatype == NCC_KM_F32)
        want.f[to] = ((const float *)from)[index];
    else
        want.u[to] = ((const uint8_t *)from)[index];
}

static void concat(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        /* along dimension 2 of n, c, h, w: outer = n * c, inner = w elements */
        const uint32_t datatype = (uint32_t)(round % 2);
        const int n_in = mb_between(1, 3);
        int32_t dims[3], shape[4];
        struct ncc_km_range ranges[3];
        struct mb b = {0};
        random_shape(shape, 5);
        int total = 0;
        for (int i = 0; i < n_in; i++) {
            dims[i] = mb_between(1, 4);
            total += dims[i];
            const int32_t part[4] = {shape[0], shape[1], dims[i], shape[3]};
            ranges[i] = mb_input(&b, datatype, part);
            random_tensor(&in[i], datatype, mb_elements(part));
        }
        struct ncc_km_concat op = {.outer_size = (uint32_t)(shape[0] * shape[1]), .n = (uint32_t)n_in};
        op.inner_size = (uint32_t)shape[3] * (datatype == NCC_KM_F32 ? 4 : 1);
        const int32_t out[4] = {shape[0], shape[1], total, shape[3]};
        op.out = mb_output(&b, datatype, mb_elements(out));
        mb_add(&b, NCC_KM_OP_concat, &op, sizeof op, ranges, (size_t)n_in * sizeof *ranges, dims,
               (size_t)n_in * sizeof *dims);
        EACH(out, n, c, h, w)
        {
            int i = 0, y = h;
            while (y >= dims[i])
                y -= dims[i++];
            const int32_t part[4] = {shape[0], shape[1], dims[i], shape[3]};
            copy_element(datatype, at(out, n, c, h, w), &in[i], at(part, n, c, y, w));
        }
        expect_output(&b, (const void *[]){&in[0], &in[1], &in[2]}, &want);
    }
}

static void pad(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        const uint32_t datatype = (uint32_t)(round % 2);
        struct mb b = {0};
        struct ncc_km_pad op = {.value_type = datatype};
        int32_t out[4];
        random_shape(op.in_shape, 6);
        for (int i = 0; i < 4; i++) {
            const int before = mb_between(-2, 2), after = mb_between(-2, 2);
            const bool fits = op.in_shape[i] + before + after >= 1;
            op.pads[i] = fits ? (struct ncc_km_padding){before, after} : (struct ncc_km_padding){0, 0};
            out[i] = op.in_shape[i] + op.pads[i].before + op.pads[i].after;
        }
        if (datatype == NCC_KM_F32)
            memcpy(op.value, &(float){-3.25f}, 4);
        else
            op.value[0] = 77;
        op.in = mb_input(&b, datatype, op.in_shape);
        op.out = mb_output(&b, datatype, mb_elements(out));
        mb_add(&b, NCC_KM_OP_pad, &op, sizeof op, NULL, 0, NULL, 0);
        random_tensor(&in[0], datatype, mb_elements(op.in_shape));
        EACH(out, n, c, h, w)
        {
            const int y[4] = {n - op.pads[0].before, c - op.pads[1].before, h - op.pads[2].before,
                              w - op.pads[3].before};
            bool inside = true;
            for (int i = 0; i < 4; i++)
                inside = inside && y[i] >= 0 && y[i] < op.in_shape[i];
            if (inside)
                copy_element(datatype, at(out, n, c, h, w), &in[0], at(op.in_shape, y[0], y[1], y[2], y[3]));
            else
                copy_element(datatype, at(out, n, c, h, w),
                             datatype == NCC_KM_F32 ? (const void *)&(float){-3.25f} : op.value, 0);
        }
        expect_output(&b, (const void *[]){&in[0]}, &want);
    }
}

/* All 24 orders of four things. */
static void nth_permutation(int n, int32_t perm[4])
{
    int left[4] = {0, 1, 2, 3}, n_left = 4;
    for (int i = 0; i < 4; i++) {
        const int pick = n % n_left;
        n /= n_left;
        perm[i] = left[pick];
        memmove(left + pick, left + pick + 1, (size_t)(--n_left - pick) * sizeof *left);
    }
}

static void transpose(void **state)
{
    (void)state;
    for (int round = 0; round < 48; round++) {
        const uint32_t datatype = (uint32_t)(round % 2);
        struct mb b = {0};
        struct ncc_km_transpose op = {0};
        int32_t out[4];
        random_shape(op.in_shape, 6);
        nth_permutation(round / 2, op.perm);
        for (int i = 0; i < 4; i++)
            out[i] = op.in_shape[op.perm[i]];
        op.in = mb_input(&b, datatype, op.in_shape);
        op.out = mb_output(&b, datatype, mb_elements(out));
        mb_add(&b, NCC_KM_OP_transpose, &op, sizeof op, NULL, 0, NULL, 0);
        random_tensor(&in[0], datatype, mb_elements(op.in_shape));
        EACH(out, n, c, h, w)
        {
            const int o[4] = {n, c, h, w};
            int i[4];
            for (int k = 0; k < 4; k++)
                i[op.perm[k]] = o[k];
            copy_element(datatype, at(out, n, c, h, w), &in[0], at(op.in_shape, i[0], i[1], i[2], i[3]));
        }
        expect_output(&b, (const void *[]){&in[0]}, &want);
    }
}

static void strided_slice(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        const uint32_t datatype = (uint32_t)(round % 2);
        struct mb b = {0};
        struct ncc_km_strided_slice op = {0};
        int index[4][8], count[4];
        random_shape(op.in_shape, 7);
        for (int i = 0; i < 4; i++) {
            op.strides[i] = mb_between(0, 1) ? mb_between(1, 3) : -mb_between(1, 3);
            op.begin[i] = mb_between(0, op.in_shape[i] - 1);
            op.end[i] =
                op.strides[i] > 0 ? mb_between(op.begin[i] + 1, op.in_shape[i]) : mb_between(-1, op.begin[i] - 1);
            count[i] = 0;
            for (int k = op.begin[i]; op.strides[i] > 0 ? k < op.end[i] : k > op.end[i]; k += op.strides[i])
                index[i][count[i]++] = k;
        }
        const int32_t out[4] = {count[0], count[1], count[2], count[3]};
        op.in = mb_input(&b, datatype, op.in_shape);
        op.out = mb_output(&b, datatype, mb_elements(out));
        mb_add(&b, NCC_KM_OP_strided_slice, &op, sizeof op, NULL, 0, NULL, 0);
        random_tensor(&in[0], datatype, mb_elements(op.in_shape));
        EACH(out, n, c, h, w)
        copy_element(datatype, at(out, n, c, h, w), &in[0],
                     at(op.in_shape, index[0][n], index[1][c], index[2][h], index[3][w]));
        expect_output(&b, (const void *[]){&in[0]}, &want);
    }
}

static float start_of(int op)
{
    return op == NCC_KM_REDUCE_MIN ? 3.0f : op == NCC_KM_REDUCE_MAX ? -3.0f : 0.25f;
}

static float step_of(int op, float value, float x)
{
    return op == NCC_KM_REDUCE_MIN ? fminf(value, x) : op == NCC_KM_REDUCE_MAX ? fmaxf(value, x) : value + x;
}

static void reduce(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct mb b = {0};
        struct ncc_km_reduce op = {.op = (uint32_t)(round % NCC_KM_N_REDUCE),
                                   .init = start_of(round % NCC_KM_N_REDUCE)};
        random_shape(op.in_shape, 6);
        for (int i = 0; i < 4; i++)
            op.out_shape[i] = mb_between(0, 1) ? op.in_shape[i] : 1;
        op.in = mb_input(&b, NCC_KM_F32, op.in_shape);
        op.out = mb_output(&b, NCC_KM_F32, mb_elements(op.out_shape));
        mb_add(&b, NCC_KM_OP_reduce, &op, sizeof op, NULL, 0, NULL, 0);
        random_tensor(&in[0], NCC_KM_F32, mb_elements(op.in_shape));
        const float share = (float)mb_elements(op.out_shape) / (float)mb_elements(op.in_shape);
        /* output by output, whereas the kernel goes through the input */
        EACH(op.out_shape, on, oc, oh, ow)
        {
            float value = op.init;
            EACH(op.in_shape, n, c, h, w)
            if (n % op.out_shape[0] == on && c % op.out_shape[1] == oc && h % op.out_shape[2] == oh &&
                w % op.out_shape[3] == ow)
                value = step_of((int)op.op, value, in[0].f[at(op.in_shape, n, c, h, w)]);
            want.f[at(op.out_shape, on, oc, oh, ow)] = op.op == NCC_KM_REDUCE_MEAN ? value * share : value;
        }
        expect_output(&b, (const void *[]){&in[0]}, &want);
    }
}

static void softmax(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        struct mb b = {0};
        struct ncc_km_softmax op = {.inner_size = mb_between(1, 30), .outer_size = mb_between(1, 5), .beta = 1.5f};
        const int32_t shape[4] = {1, 1, op.outer_size, op.inner_size};
        op.in = mb_input(&b, NCC_KM_F32, shape);
        op.out = mb_output(&b, NCC_KM_F32, mb_elements(shape));
        mb_add(&b, NCC_KM_OP_softmax, &op, sizeof op, NULL, 0, NULL, 0);
        random_tensor(&in[0], NCC_KM_F32, mb_elements(shape));
        for (int row = 0; row < op.outer_size; row++) {
            const float *const x = in[0].f + row * op.inner_size;
            float *const y = want.f + row * op.inner_size, sum = 0, max = -INFINITY;
            for (int i = 0; i < op.inner_size; i++)
                max = fmaxf(max, x[i]);
            for (int i = 0; i < op.inner_size; i++)
                sum += expf((x[i] - max) * op.beta);
            for (int i = 0; i < op.inner_size; i++)
                y[i] = expf((x[i] - max) * op.beta) / sum;
        }
        expect_output(&b, (const void *[]){&in[0]}, &want);
    }
}

static float pixel(uint32_t datatype, size_t i)
{
    return datatype == NCC_KM_F32 ? in[0].f[i] : in[0].u[i];
}

static float resized(const struct ncc_km_resize_image *op, int n, int c, int oy, int ox)
{
    const int32_t *const s = op->in_shape;
    float sy = (float)s[2] / (float)op->out_h, sx = (float)s[3] / (float)op->out_w;
    if (op->mode == NCC_KM_RESIZE_NEAREST) {
        const int y = (int)floorf((float)oy * sy), x = (int)floorf((float)ox * sx);
        return pixel(op->in.datatype, at(s, n, c, y < s[2] ? y : s[2] - 1, x < s[3] ? x : s[3] - 1));
    }
    if (op->align_corners && op->out_h > 1)
        sy = (float)(s[2] - 1) / (float)(op->out_h - 1);
    if (op->align_corners && op->out_w > 1)
        sx = (float)(s[3] - 1) / (float)(op->out_w - 1);
    const float y = (float)oy * sy, x = (float)ox * sx;
    const int y0 = (int)y, x0 = (int)x, y1 = y0 + 1 < s[2] ? y0 + 1 : y0, x1 = x0 + 1 < s[3] ? x0 + 1 : x0;
    const float fy = y - (float)y0, fx = x - (float)x0;
    return pixel(op->in.datatype, at(s, n, c, y0, x0)) * ((1 - fy) * (1 - fx)) +
           pixel(op->in.datatype, at(s, n, c, y1, x0)) * (fy * (1 - fx)) +
           pixel(op->in.datatype, at(s, n, c, y0, x1)) * ((1 - fy) * fx) +
           pixel(op->in.datatype, at(s, n, c, y1, x1)) * (fy * fx);
}

static void resize_image(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        const uint32_t datatype = (uint32_t)(round % 2);
        struct mb b = {0};
        struct ncc_km_resize_image op = {.mode = (uint32_t)(round / 2 % 2), .align_corners = (uint8_t)(round / 4 % 2)};
        random_shape(op.in_shape, 6);
        op.out_h = mb_between(1, 12);
        op.out_w = mb_between(1, 12);
        const int32_t out[4] = {op.in_shape[0], op.in_shape[1], op.out_h, op.out_w};
        op.in = mb_input(&b, datatype, op.in_shape);
        op.out = mb_output(&b, datatype, mb_elements(out));
        mb_add(&b, NCC_KM_OP_resize_image, &op, sizeof op, NULL, 0, NULL, 0);
        random_tensor(&in[0], datatype, mb_elements(op.in_shape));
        EACH(out, n, c, h, w)
        {
            const float v = resized(&op, n, c, h, w);
            copy_element(datatype, at(out, n, c, h, w),
                         datatype == NCC_KM_F32 ? (const void *)&v : &(uint8_t){(uint8_t)v}, 0);
        }
        expect_output(&b, (const void *[]){&in[0]}, &want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(concat, reseed),       cmocka_unit_test_setup(pad, reseed),
        cmocka_unit_test_setup(transpose, reseed),    cmocka_unit_test_setup(strided_slice, reseed),
        cmocka_unit_test_setup(reduce, reseed),       cmocka_unit_test_setup(softmax, reseed),
        cmocka_unit_test_setup(resize_image, reseed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

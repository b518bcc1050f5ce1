/* Convolutions, pools and matrix products of the CPU. The expectations visit every tap and skip those outside. */
#include "kernel_case.h"

#include <float.h>
#include <math.h>

static float f_in[2][MAX_ELEMENTS], f_weights[MAX_ELEMENTS], f_bias[64], f_want[MAX_ELEMENTS];
static uint8_t u_in[2][MAX_ELEMENTS], u_weights[MAX_ELEMENTS], u_want[MAX_ELEMENTS];
static int32_t q_bias[64];

/* A convolution in n, c, h, w terms, whatever the order in memory. */
struct conv {
    int n, ic, h, w, oc, groups, oh, ow;
    bool channels_last;
    struct ncc_km_window window;
};

static int n_positions(int in, struct ncc_km_padding pad, int filter, int stride, int dilation)
{
    return (in + pad.before + pad.after - ((filter - 1) * dilation + 1) + stride) / stride;
}

static void set_positions(struct conv *c)
{
    const struct ncc_km_window *const w = &c->window;
    c->oh = n_positions(c->h, w->pad_h, w->filter_h, w->stride_h, w->dilation_h);
    c->ow = n_positions(c->w, w->pad_w, w->filter_w, w->stride_w, w->dilation_w);
}

static struct ncc_km_window random_window(void)
{
    return (struct ncc_km_window){
        .pad_h = {mb_between(-1, 3), mb_between(-1, 3)},
        .pad_w = {mb_between(-1, 3), mb_between(-1, 3)},
        .filter_h = mb_between(1, 3),
        .filter_w = mb_between(1, 4),
        .stride_h = mb_between(1, 3),
        .stride_w = mb_between(1, 3),
        .dilation_h = mb_between(1, 3),
        .dilation_w = mb_between(1, 2),
    };
}

static struct conv random_conv(bool channels_last, bool depthwise)
{
    struct conv c = {.channels_last = channels_last, .groups = channels_last ? 1 : mb_between(1, 3)};
    do {
        c.n = mb_between(1, 2), c.h = mb_between(1, 8), c.w = mb_between(1, 8);
        c.ic = c.groups * mb_between(1, 3);
        c.oc = c.groups * mb_between(1, 3);
        c.window = random_window();
        set_positions(&c);
    } while (c.oh < 1 || c.ow < 1);
    if (depthwise)
        c.groups = c.oc = c.ic;
    return c;
}

static void shapes_of(const struct conv *c, int32_t in[4], int32_t out[4])
{
    const int32_t nchw[2][4] = {{c->n, c->ic, c->h, c->w}, {c->n, c->oc, c->oh, c->ow}};
    const int32_t nhwc[2][4] = {{c->n, c->h, c->w, c->ic}, {c->n, c->oh, c->ow, c->oc}};
    memcpy(in, c->channels_last ? nhwc[0] : nchw[0], 4 * sizeof *in);
    memcpy(out, c->channels_last ? nhwc[1] : nchw[1], 4 * sizeof *out);
}

static size_t in_at(const struct conv *c, int n, int ic, int y, int x)
{
    int32_t in[4], out[4];
    shapes_of(c, in, out);
    return c->channels_last ? at(in, n, y, x, ic) : at(in, n, ic, y, x);
}

static size_t out_at(const struct conv *c, int n, int oc, int y, int x)
{
    int32_t in[4], out[4];
    shapes_of(c, in, out);
    return c->channels_last ? at(out, n, y, x, oc) : at(out, n, oc, y, x);
}

static size_t n_weights(const struct conv *c)
{
    return (size_t)(c->oc * (c->ic / c->groups) * c->window.filter_h * c->window.filter_w);
}

/* The tap in the order of the sum: number k of ic, ky, kx or of ky, kx, ic. */
struct tap {
    size_t x, w;
    bool inside;
};
static struct tap tap_at(const struct conv *c, int n, int oc, int oy, int ox, int k)
{
    const int gic = c->ic / c->groups, fh = c->window.filter_h, fw = c->window.filter_w;
    const int ic = c->channels_last ? k % gic : k / (fh * fw);
    const int ky = c->channels_last ? k / gic / fw : k / fw % fh, kx = c->channels_last ? k / gic % fw : k % fw;
    const int y = oy * c->window.stride_h - c->window.pad_h.before + ky * c->window.dilation_h;
    const int x = ox * c->window.stride_w - c->window.pad_w.before + kx * c->window.dilation_w;
    const int32_t nchw[4] = {c->oc, gic, fh, fw}, nhwc[4] = {c->oc, fh, fw, gic};
    struct tap t = {.inside = y >= 0 && y < c->h && x >= 0 && x < c->w};
    t.w = c->channels_last ? at(nhwc, oc, ky, kx, ic) : at(nchw, oc, ic, ky, kx);
    if (t.inside)
        t.x = in_at(c, n, oc / (c->oc / c->groups) * gic + ic, y, x);
    return t;
}

static struct ncc_km_clamp random_act(void)
{
    return mb_between(0, 1) ? (struct ncc_km_clamp){0, 6} : (struct ncc_km_clamp){-FLT_MAX, FLT_MAX};
}

static void make_f32(const struct conv *c, struct ncc_km_clamp act, struct mb *b, struct ncc_km_range *in,
                     struct ncc_km_range *out, int32_t in_shape[4])
{
    int32_t out_shape[4];
    shapes_of(c, in_shape, out_shape);
    *in = mb_input(b, NCC_KM_F32, in_shape);
    *out = mb_output(b, NCC_KM_F32, mb_elements(out_shape));
    random_tensor(f_in[0], NCC_KM_F32, mb_elements(in_shape));
    random_tensor(f_weights, NCC_KM_F32, n_weights(c));
    mb_fill_f32(f_bias, (size_t)c->oc);
    const int32_t loops[4] = {c->n, c->oc, c->oh, c->ow};
    EACH(loops, n, oc, y, x)
    {
        float sum = f_bias[oc];
        for (int k = 0; k < (int)n_weights(c) / c->oc; k++) {
            const struct tap t = tap_at(c, n, oc, y, x, k);
            if (t.inside)
                sum += f_in[0][t.x] * f_weights[t.w];
        }
        f_want[out_at(c, n, oc, y, x)] = clamp_f32(sum, act.min, act.max);
    }
}

static void conv2d(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        const struct conv c = random_conv(false, round % 3 == 0);
        struct mb b = {0};
        struct ncc_km_conv2d op = {.groups = c.groups, .out_channels = c.oc, .window = c.window, .act = random_act()};
        make_f32(&c, op.act, &b, &op.in, &op.out, op.in_shape);
        mb_add(&b, NCC_KM_OP_conv2d, &op, sizeof op, f_weights, n_weights(&c) * 4, f_bias, (size_t)c.oc * 4);
        expect_output(&b, (const void *[]){f_in[0]}, f_want);
    }
}

static void cpu_conv2d(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        const struct conv c = random_conv(true, false);
        struct mb b = {0};
        struct ncc_km_cpu_conv2d op = {.out_channels = c.oc, .window = c.window, .act = random_act()};
        make_f32(&c, op.act, &b, &op.in, &op.out, op.in_shape);
        mb_add(&b, NCC_KM_OP_cpu_conv2d, &op, sizeof op, f_weights, n_weights(&c) * 4, f_bias, (size_t)c.oc * 4);
        expect_output(&b, (const void *[]){f_in[0]}, f_want);
    }
}

static void cpu_depthwise_conv2d(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        const struct conv c = random_conv(true, true);
        struct mb b = {0};
        struct ncc_km_cpu_depthwise_conv2d op = {.window = c.window, .act = random_act()};
        make_f32(&c, op.act, &b, &op.in, &op.out, op.in_shape);
        mb_add(&b, NCC_KM_OP_cpu_depthwise_conv2d, &op, sizeof op, f_weights, n_weights(&c) * 4, f_bias,
               (size_t)c.oc * 4);
        expect_output(&b, (const void *[]){f_in[0]}, f_want);
    }
}

struct q {
    int in_add, filter_add, mul, shift, offset;
};

static struct q random_q(void)
{
    return (struct q){-mb_between(0, 255), -mb_between(0, 255), mb_between(1, 2000), mb_between(8, 20),
                      mb_between(0, 255)};
}

static void make_u8(const struct conv *c, struct q q, struct mb *b, struct ncc_km_range *in, struct ncc_km_range *out,
                    int32_t in_shape[4])
{
    int32_t out_shape[4];
    shapes_of(c, in_shape, out_shape);
    *in = mb_input(b, NCC_KM_U8, in_shape);
    *out = mb_output(b, NCC_KM_U8, mb_elements(out_shape));
    mb_fill_u8(u_in[0], mb_elements(in_shape));
    mb_fill_u8(u_weights, n_weights(c));
    for (int i = 0; i < c->oc; i++)
        q_bias[i] = mb_between(-20000, 20000);
    const int32_t loops[4] = {c->n, c->oc, c->oh, c->ow};
    EACH(loops, n, oc, y, x)
    {
        int64_t sum = q_bias[oc];
        for (int k = 0; k < (int)n_weights(c) / c->oc; k++) {
            const struct tap t = tap_at(c, n, oc, y, x, k);
            if (t.inside)
                sum += (u_in[0][t.x] + q.in_add) * (u_weights[t.w] + q.filter_add);
        }
        u_want[out_at(c, n, oc, y, x)] = saturate(scale_expected(sum, q.mul, q.shift) + q.offset);
    }
}

static void quantized_conv2d(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        const struct conv c = random_conv(false, round % 3 == 0);
        const struct q q = random_q();
        struct mb b = {0};
        struct ncc_km_quantized_conv2d op = {.groups = c.groups, .out_channels = c.oc, .window = c.window};
        op.in_offset = q.in_add, op.filter_offset = q.filter_add;
        op.out_mul = q.mul, op.out_shift = q.shift, op.out_offset = q.offset;
        make_u8(&c, q, &b, &op.in, &op.out, op.in_shape);
        mb_add(&b, NCC_KM_OP_quantized_conv2d, &op, sizeof op, q_bias, (size_t)c.oc * 4, u_weights, n_weights(&c));
        expect_output(&b, (const void *[]){u_in[0]}, u_want);
    }
}

static void cpu_quantized_conv2d(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        const struct conv c = random_conv(true, false);
        const struct q q = random_q();
        struct mb b = {0};
        struct ncc_km_cpu_quantized_conv2d op = {.out_channels = c.oc, .window = c.window};
        op.in_offset = -q.in_add, op.filter_offset = -q.filter_add; /* these operations subtract */
        op.out_mul = q.mul, op.out_shift = q.shift, op.out_offset = q.offset;
        make_u8(&c, q, &b, &op.in, &op.out, op.in_shape);
        mb_add(&b, NCC_KM_OP_cpu_quantized_conv2d, &op, sizeof op, u_weights, n_weights(&c), q_bias, (size_t)c.oc * 4);
        expect_output(&b, (const void *[]){u_in[0]}, u_want);
    }
}

static void cpu_quantized_depthwise_conv2d(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        const struct conv c = random_conv(true, true);
        const struct q q = random_q();
        struct mb b = {0};
        struct ncc_km_cpu_quantized_depthwise_conv2d op = {.window = c.window};
        op.in_offset = -q.in_add, op.filter_offset = -q.filter_add;
        op.out_mul = q.mul, op.out_shift = q.shift, op.out_offset = q.offset;
        make_u8(&c, q, &b, &op.in, &op.out, op.in_shape);
        mb_add(&b, NCC_KM_OP_cpu_quantized_depthwise_conv2d, &op, sizeof op, u_weights, n_weights(&c), q_bias,
               (size_t)c.oc * 4);
        expect_output(&b, (const void *[]){u_in[0]}, u_want);
    }
}

/* Every input element times every weight, to where it belongs: in the order of the input, as sums depend on it. */
static void conv2d_transpose(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        const struct conv c = random_conv(false, false); /* from the output (h, w) to the input (oh, ow) */
        const struct ncc_km_window *const win = &c.window;
        const int gic = c.ic / c.groups, goc = c.oc / c.groups;
        struct mb b = {0};
        struct ncc_km_conv2d_transpose op = {.groups = c.groups, .window = c.window, .act = random_act()};
        memcpy(op.in_shape, (int32_t[]){c.n, c.ic, c.oh, c.ow}, sizeof op.in_shape);
        memcpy(op.out_shape, (int32_t[]){c.n, c.oc, c.h, c.w}, sizeof op.out_shape);
        op.in = mb_input(&b, NCC_KM_F32, op.in_shape);
        op.out = mb_output(&b, NCC_KM_F32, mb_elements(op.out_shape));
        random_tensor(f_in[0], NCC_KM_F32, mb_elements(op.in_shape));
        random_tensor(f_weights, NCC_KM_F32, n_weights(&c));
        mb_fill_f32(f_bias, (size_t)c.oc); /* and the bias must not show */
        mb_add(&b, NCC_KM_OP_conv2d_transpose, &op, sizeof op, f_weights, n_weights(&c) * 4, f_bias, (size_t)c.oc * 4);
        const int32_t w_shape[4] = {c.oc, gic, win->filter_h, win->filter_w};
        memset(f_want, 0, sizeof f_want);
        EACH(op.in_shape, n, ic, y, x)
        for (int oc = ic / gic * goc; oc < (ic / gic + 1) * goc; oc++)
            for (int k = 0; k < win->filter_h * win->filter_w; k++) {
                const int ky = k / win->filter_w, kx = k % win->filter_w;
                const int oy = y * win->stride_h - win->pad_h.before + ky * win->dilation_h;
                const int ox = x * win->stride_w - win->pad_w.before + kx * win->dilation_w;
                if (oy >= 0 && oy < c.h && ox >= 0 && ox < c.w)
                    f_want[at(op.out_shape, n, oc, oy, ox)] +=
                        f_in[0][at(op.in_shape, n, ic, y, x)] * f_weights[at(w_shape, oc, ic % gic, ky, kx)];
            }
        for (size_t i = 0; i < mb_elements(op.out_shape); i++)
            f_want[i] = clamp_f32(f_want[i], op.act.min, op.act.max);
        expect_output(&b, (const void *[]){f_in[0]}, f_want);
    }
}

/* One output of a pool. A window wholly in the padding gives 0 / 0 for the mean, which no compiler asks for. */
static bool pool_expected(const struct conv *c, int op, float init, struct ncc_km_clamp act, int n, int ch, int oy,
                          int ox)
{
    float value = init;
    int count = 0;
    for (int k = 0; k < c->window.filter_h * c->window.filter_w; k++) {
        const int y = oy * c->window.stride_h - c->window.pad_h.before + k / c->window.filter_w * c->window.dilation_h;
        const int x = ox * c->window.stride_w - c->window.pad_w.before + k % c->window.filter_w * c->window.dilation_w;
        if (y < 0 || y >= c->h || x < 0 || x >= c->w)
            continue;
        const float v = f_in[0][in_at(c, n, ch, y, x)];
        value = op == NCC_KM_REDUCE_MIN ? fminf(value, v) : op == NCC_KM_REDUCE_MAX ? fmaxf(value, v) : value + v;
        count++;
    }
    if (op == NCC_KM_REDUCE_MEAN)
        value /= (float)count;
    f_want[out_at(c, n, ch, oy, ox)] = clamp_f32(value, act.min, act.max);
    return count > 0;
}

static void pool(bool channels_last)
{
    for (int round = 0; round < ROUNDS; round++) {
        struct conv c = random_conv(channels_last, true);
        const uint32_t kind = (uint32_t)(round % NCC_KM_N_REDUCE);
        const float init = kind == NCC_KM_REDUCE_MIN ? FLT_MAX : kind == NCC_KM_REDUCE_MAX ? -FLT_MAX : 0;
        const struct ncc_km_clamp act = random_act();
        int32_t in[4], out[4];
        shapes_of(&c, in, out);
        random_tensor(f_in[0], NCC_KM_F32, mb_elements(in));
        const int32_t loops[4] = {c.n, c.ic, c.oh, c.ow};
        bool defined = true;
        EACH(loops, n, ch, y, x)
        defined = pool_expected(&c, (int)kind, init, act, n, ch, y, x) && defined;
        if (!defined)
            continue;
        struct mb b = {0};
        struct ncc_km_reduce_window2d op = {.op = kind, .window = c.window, .init = init, .act = act};
        memcpy(op.in_shape, in, sizeof in);
        op.in = mb_input(&b, NCC_KM_F32, in);
        op.out = mb_output(&b, NCC_KM_F32, mb_elements(out));
        /* the two operations have the same body */
        mb_add(&b, channels_last ? NCC_KM_OP_cpu_reduce_window2d : NCC_KM_OP_reduce_window2d, &op, sizeof op, NULL, 0,
               NULL, 0);
        expect_output(&b, (const void *[]){f_in[0]}, f_want);
    }
}

static void reduce_window2d(void **state)
{
    (void)state;
    pool(false);
}

static void cpu_reduce_window2d(void **state)
{
    (void)state;
    pool(true);
}

static void matmul(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct mb b = {0};
        struct ncc_km_matmul op = {
            .a_rows = mb_between(1, 6), .a_cols = mb_between(1, 20), .b_cols = mb_between(1, 10)};
        op.act = random_act();
        op.a = mb_input(&b, NCC_KM_F32, (int32_t[]){1, 1, op.a_rows, op.a_cols});
        op.b = mb_input(&b, NCC_KM_F32, (int32_t[]){1, 1, op.a_cols, op.b_cols});
        op.out = mb_output(&b, NCC_KM_F32, (size_t)(op.a_rows * op.b_cols));
        mb_fill_f32(f_in[0], 120);
        mb_fill_f32(f_in[1], 200);
        mb_fill_f32(f_bias, (size_t)op.b_cols);
        mb_add(&b, NCC_KM_OP_matmul, &op, sizeof op, f_bias, (size_t)op.b_cols * 4, NULL, 0);
        for (int r = 0; r < op.a_rows; r++)
            for (int c = 0; c < op.b_cols; c++) {
                float sum = f_bias[c];
                for (int i = 0; i < op.a_cols; i++)
                    sum += f_in[0][r * op.a_cols + i] * f_in[1][i * op.b_cols + c];
                f_want[r * op.b_cols + c] = clamp_f32(sum, op.act.min, op.act.max);
            }
        expect_output(&b, (const void *[]){f_in[0], f_in[1]}, f_want);
    }
}

static void quantized_matmul(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        const struct q q = random_q();
        struct mb b = {0};
        struct ncc_km_quantized_matmul op = {
            .a_rows = mb_between(1, 6), .a_cols = mb_between(1, 20), .b_cols = mb_between(1, 10)};
        op.a_offset = q.in_add, op.b_offset = q.filter_add;
        op.out_mul = q.mul, op.out_shift = q.shift, op.out_offset = q.offset;
        op.a = mb_input(&b, NCC_KM_U8, (int32_t[]){1, 1, op.a_rows, op.a_cols});
        op.b = mb_input(&b, NCC_KM_U8, (int32_t[]){1, 1, op.a_cols, op.b_cols});
        op.out = mb_output(&b, NCC_KM_U8, (size_t)(op.a_rows * op.b_cols));
        mb_fill_u8(u_in[0], 120);
        mb_fill_u8(u_in[1], 200);
        for (int i = 0; i < op.b_cols; i++)
            q_bias[i] = mb_between(-50000, 50000);
        mb_add(&b, NCC_KM_OP_quantized_matmul, &op, sizeof op, q_bias, (size_t)op.b_cols * 4, NULL, 0);
        for (int r = 0; r < op.a_rows; r++)
            for (int c = 0; c < op.b_cols; c++) {
                int64_t sum = q_bias[c];
                for (int i = 0; i < op.a_cols; i++)
                    sum += (u_in[0][r * op.a_cols + i] + q.in_add) * (u_in[1][i * op.b_cols + c] + q.filter_add);
                u_want[r * op.b_cols + c] = saturate(scale_expected(sum, q.mul, q.shift) + q.offset);
            }
        expect_output(&b, (const void *[]){u_in[0], u_in[1]}, u_want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(conv2d, reseed),
        cmocka_unit_test_setup(cpu_conv2d, reseed),
        cmocka_unit_test_setup(cpu_depthwise_conv2d, reseed),
        cmocka_unit_test_setup(quantized_conv2d, reseed),
        cmocka_unit_test_setup(cpu_quantized_conv2d, reseed),
        cmocka_unit_test_setup(cpu_quantized_depthwise_conv2d, reseed),
        cmocka_unit_test_setup(conv2d_transpose, reseed),
        cmocka_unit_test_setup(reduce_window2d, reseed),
        cmocka_unit_test_setup(cpu_reduce_window2d, reseed),
        cmocka_unit_test_setup(matmul, reseed),
        cmocka_unit_test_setup(quantized_matmul, reseed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

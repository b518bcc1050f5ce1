#include "compiler/k210/cost.h"

#include "compiler/k210/lower.h"
#include "compiler/ops/attrs.h"
#include "compiler/ops/clamps.h"
#include "compiler/ops/slice.h"
#include "kpu/layout.h"

#include <math.h>

/* An element of a binary kernel when an operand is broadcast (runtime/kernels.def); in ours it costs hardly more. */
enum { BROADCAST = 175, BROADCAST_OWN = 4 };

#define NCC_KERNEL(name, instructions, per, source) {instructions, COST_PER_##per},
#define NCC_DEVICE_KERNEL(name, instructions, per, source)
static const struct {
    double instructions;
    enum cost_per per;
} kernels[] = {
#include "runtime/kernels.def"
};
#undef NCC_KERNEL
#undef NCC_DEVICE_KERNEL

#define NCC_KERNEL(name, instructions, per, source)
#define NCC_DEVICE_KERNEL(name, instructions, per, source)
#define NCC_KERNEL_OWN(name, instructions) [COST_##name] = instructions,
static const double own_instructions[N_COST_KERNELS] = {
#include "runtime/kernels.def"
};
#undef NCC_KERNEL
#undef NCC_DEVICE_KERNEL
#undef NCC_KERNEL_OWN

#define NCC_KERNEL_V3(name, instructions, per, source) V3_##name,
#define NCC_DEVICE_KERNEL_V3(name)
enum v3_kernel {
#include "runtime/kernels_v3.def"
};
#undef NCC_KERNEL_V3

#define NCC_KERNEL_V3(name, instructions, per, source) instructions,
static const double v3_kernels[] = {
#include "runtime/kernels_v3.def"
};
#undef NCC_KERNEL_V3

#define NCC_KERNEL_V3(name, instructions, per, source)
#define NCC_KERNEL_V3_FOR(name, v3) [COST_##name] = 1 + V3_##v3,
static const int v3_kernel_for[N_COST_KERNELS] = {
    /* 0: there is none */
#include "runtime/kernels_v3.def"
};
#undef NCC_KERNEL_V3
#undef NCC_DEVICE_KERNEL_V3
#undef NCC_KERNEL_V3_FOR

double ncc_cost_instructions(enum cost_kernel k, bool broadcast, enum ncc_kpu_runtime runtime)
{
    if (k == COST_none)
        return 0;
    if (runtime == NCC_KPU_RUNTIME_V3 && v3_kernel_for[k])
        return v3_kernels[v3_kernel_for[k] - 1];
    const bool binary = k == COST_quantized_binary || k == COST_binary;
    if (runtime == NCC_KPU_RUNTIME_NCC)
        return own_instructions[k] + (binary && broadcast ? BROADCAST_OWN : 0);
    return binary && broadcast ? BROADCAST : kernels[k].instructions;
}

enum cost_per ncc_cost_per(enum cost_kernel k)
{
    return k == COST_none ? COST_PER_OUT : kernels[k].per;
}

static enum cost_kernel kernel_of(const struct node *n)
{
    const bool u8 = n->out[0]->dtype == DT_U8;
    switch ((int)n->op) {
    case OP_conv2d:
        return COST_conv2d;
    case OP_q_conv2d:
        return COST_quantized_conv2d;
    case OP_conv2d_transpose:
        return COST_conv2d_transpose;
    case OP_matmul:
        return COST_matmul;
    case OP_q_matmul:
        return COST_quantized_matmul;
    case OP_max_pool:
    case OP_avg_pool:
        return COST_reduce_window2d;
    case OP_reduce:
        return COST_reduce;
    case OP_softmax:
        return COST_softmax;
    case OP_q_binary:
        return COST_quantized_binary;
    case OP_transpose:
    case OP_depth_to_space:
    case OP_space_to_depth:
    case OP_tile:
        return COST_transpose;
    case OP_concat:
        return COST_concat;
    case OP_slice:
    case OP_split:
    case OP_gather:
        return COST_strided_slice;
    case OP_pad:
        return COST_pad;
    case OP_resize:
        return COST_resize_image;
    case OP_quantize:
        return COST_quantize;
    case OP_dequantize:
        return COST_dequantize;
    case OP_lookup:
        return COST_table_lookup1d;
    case OP_exp:
    case OP_abs:
    case OP_neg:
    case OP_log:
    case OP_rsqrt:
    case OP_square:
    case OP_sin:
    case OP_cos:
    case OP_floor:
    case OP_ceil:
        return COST_unary;
    default:
        break;
    }
    const unsigned flags = ncc_op_desc(n->op)->flags;
    if (flags & OP_UNARY)
        return u8 ? COST_table_lookup1d : COST_nnil_unary_method;
    return flags & OP_BINARY || n->op == OP_prelu ? COST_binary : COST_none;
}

static bool broadcasts(const struct node *n)
{
    return n->n_in > 1 && n->in[1] && !ncc_shape_equal(n->in[0]->shape, n->in[1]->shape);
}

static double work(const struct node *n, enum cost_per per)
{
    const double out = (double)ncc_shape_count(n->out[0]->shape);
    switch (per) {
    case COST_PER_OUT:
        return out;
    case COST_PER_IN:
        return (double)ncc_shape_count(n->in[0]->shape);
    case COST_PER_MAC:
        return ncc_op_desc(n->op)->macs(n);
    case COST_PER_TAP: {
        const struct pool_attrs *a = n->attrs;
        return out * a->kernel_h * a->kernel_w;
    }
    case COST_PER_BYTE:
        return out * (double)ncc_dtype_size(n->out[0]->dtype);
    }
    return out;
}

double ncc_cost_instructions_us(double n)
{
    return n * NCC_COST_CLOCKS_PER_INSTRUCTION / (NCC_KPU_CPU_CLOCK_HZ / 1e6);
}

/* A view costs nothing, runs are copied by the concat kernel. Negative: neither. */
static double slice_instructions(const struct node *n, enum ncc_kpu_runtime runtime)
{
    struct slice_runs r;
    if (!ncc_slice_runs(n, &r))
        return -1;
    if (r.n == 1)
        return 0;
    return ncc_slice_copies_runs(&r) ? NCC_COST_RUN_INSTRUCTIONS * (double)r.n +
                                           ncc_cost_instructions(COST_concat, false, runtime) * work(n, COST_PER_BYTE)
                                     : -1;
}

/* At most 8 copies, at most 16 of a row. */
bool ncc_cost_resize_copies(const struct node *n)
{
    const struct resize_attrs *a = n->op == OP_resize ? n->attrs : NULL;
    if (!a || a->mode != RESIZE_NEAREST || a->align_corners)
        return false;
    const int *x = n->in[0]->shape.dim, *y = n->out[0]->shape.dim;
    return y[2] % x[2] == 0 && y[3] % x[3] == 0 && y[2] / x[2] <= 16 && y[3] / x[3] <= 8;
}

static double copies_instructions(const struct node *n, enum ncc_kpu_runtime runtime)
{
    const int *x = n->in[0]->shape.dim, *y = n->out[0]->shape.dim;
    const double byte = ncc_cost_instructions(COST_concat, false, runtime) * (double)ncc_dtype_size(n->out[0]->dtype);
    const double wide = (double)x[1] * x[2] * y[3], all = (double)x[1] * y[2] * y[3];
    return (y[3] > x[3] ? wide * (byte + ncc_cost_instructions(COST_transpose, false, runtime)) : 0) +
           (y[2] > x[2] ? all * byte + NCC_COST_RUN_INSTRUCTIONS * all / y[3] : 0);
}

/* Runs of each operand, one after another. */
static double concat_instructions(const struct node *n, enum ncc_kpu_runtime runtime)
{
    const int axis = ((const struct concat_attrs *)n->attrs)->axis;
    double outer = 1;
    for (int i = 0; i < axis; i++)
        outer *= n->out[0]->shape.dim[i];
    return NCC_COST_RUN_INSTRUCTIONS * outer * n->n_in +
           ncc_cost_instructions(COST_concat, false, runtime) * work(n, COST_PER_BYTE);
}

/* What v4's kernel does not know becomes two matrix products and two transposes (cpu_forms.c). */
static bool by_matrices(const struct node *n)
{
    const struct resize_attrs *a = n->op == OP_resize ? n->attrs : NULL;
    return a && (a->half_pixel || (a->align_corners && a->mode == RESIZE_NEAREST));
}

static double matrices_instructions(const struct node *n, enum ncc_kpu_runtime runtime)
{
    const int *x = n->in[0]->shape.dim, *y = n->out[0]->shape.dim;
    const double wide = (double)x[1] * x[2] * y[3], all = (double)x[1] * y[2] * y[3];
    return ncc_cost_instructions(COST_quantized_matmul, false, runtime) * (wide * x[3] + all * x[2]) +
           ncc_cost_instructions(COST_transpose, false, runtime) * (wide + all);
}

/* Once there are addresses: a clamp in place behind a kernel that does it. */
static bool is_fused_clamp(const struct node *n)
{
    if (n->op != OP_relu && n->op != OP_clip)
        return false;
    const struct value *x = n->in[0], *y = n->out[0];
    return x->def && ncc_op_clamps(x->def->op) && x->dtype == DT_F32 && x->addr >= 0 && x->addr == y->addr &&
           !x->uses->next;
}

double ncc_cost_cpu_us(const struct node *n, enum ncc_kpu_runtime runtime)
{
    if (ncc_cost_resize_copies(n))
        return ncc_cost_instructions_us(copies_instructions(n, runtime));
    if (by_matrices(n))
        return ncc_cost_instructions_us(matrices_instructions(n, runtime));
    if (is_fused_clamp(n))
        return 0;
    if (n->op == OP_concat)
        return ncc_cost_instructions_us(concat_instructions(n, runtime));
    const double sliced = n->op == OP_slice ? slice_instructions(n, runtime) : -1;
    if (sliced >= 0)
        return ncc_cost_instructions_us(sliced);
    const enum cost_kernel k = kernel_of(n);
    if (k == COST_none)
        return 0;
    const double times = n->op == OP_prelu ? 3 : 1; /* of kernels that it is taken apart into */
    return ncc_cost_instructions_us(times * ncc_cost_instructions(k, broadcasts(n), runtime) *
                                    work(n, ncc_cost_per(k)));
}

/* ---- KPU ---- */

double ncc_cost_layer_us(const struct node *n, enum ncc_kpu_runtime runtime)
{
    const struct shape *x = &n->in[0]->shape, *y = &n->out[0]->shape;
    struct ncc_kpu_shape s = {x->dim[1], x->dim[2], x->dim[3], y->dim[1], 1, false, 0};
    if (n->op == OP_kpu_conv) {
        const struct kpu_conv_attrs *a = n->attrs;
        s.kernel = a->kernel;
        s.depthwise = a->depthwise;
        s.pool = a->pool;
    } else {
        const struct kpu_layer_attrs *a = n->attrs;
        s.kernel = a->kernel;
        s.depthwise = a->depthwise;
        s.pool = a->pool;
    }
    return ncc_kpu_layer_us(&s, runtime);
}

/* ---- copies ---- */

static int at_least(int size, int least)
{
    return size < least ? least : size;
}

static void map_of(const struct value *v, int *c, int *h, int *w)
{
    const bool map = v->shape.rank == 4;
    *c = v->shape.rank >= 2 ? v->shape.dim[1] : 1;
    *h = at_least(map ? v->shape.dim[2] : 1, NCC_KPU_MIN_H);
    *w = at_least(map ? v->shape.dim[3] : 1, NCC_KPU_MIN_W);
}

double ncc_cost_lines_us(int c, int h, int w, enum ncc_kpu_runtime runtime)
{
    const int lines_w = ncc_kpu_whole_lines(w);
    if (ncc_kpu_layout_of(w).group > 1 || lines_w == w)
        return INFINITY;
    const double rows = (double)c * h, bytes = rows * lines_w;
    return ncc_kpu_upload_us(c, h, lines_w, runtime) +
           ncc_cost_instructions_us(2 * rows * NCC_COST_RUN_INSTRUCTIONS + bytes * ncc_cost_instructions(COST_concat, false, runtime));
}

double ncc_cost_input_us(const struct value *v, bool with_room, enum ncc_kpu_runtime runtime)
{
    const int c = v->shape.dim[1], h = v->shape.dim[2], w = v->shape.dim[3];
    const double as_it_is = ncc_kpu_upload_us(c, h, w, runtime);
    const double copy = (double)c * h * w * ncc_cost_instructions(COST_memory_copy, false, runtime); /* it is fed to */
    return with_room ? fmin(as_it_is, ncc_cost_lines_us(c, h, w, runtime) + ncc_cost_instructions_us(copy)) : as_it_is;
}

double ncc_cost_upload_us(const struct value *v, enum ncc_kpu_runtime runtime)
{
    int c, h, w;
    map_of(v, &c, &h, &w);
    const double convert = ncc_cost_instructions(COST_quantize, false, runtime) * (double)ncc_shape_count(v->shape);
    return ncc_kpu_upload_us(c, h, w, runtime) + ncc_cost_instructions_us(convert);
}

double ncc_cost_download_us(const struct value *v, enum ncc_kpu_runtime runtime)
{
    int c, h, w;
    map_of(v, &c, &h, &w);
    const double convert = ncc_cost_instructions(COST_dequantize, false, runtime) * (double)ncc_shape_count(v->shape);
    return ncc_kpu_download_us(c, h, w, runtime) + ncc_cost_instructions_us(convert);
}

/* What the shape of a layer decides (doc/kpu.md sections 2, 3, 6), and the rules for shapes (section 9). */
#include "kpu/layer.h"

#include "kpu/layout.h"

#include <stddef.h>

static const struct ncc_kpu_pool_info pools[NCC_KPU_POOLS] = {
    {"none", NCC_KPU_POOL_COPY, 1, 1, 0, 0},
    {"max 2x2 stride 2", NCC_KPU_POOL_MAX, 2, 2, 0, 0},
    {"mean 2x2 stride 2", NCC_KPU_POOL_MEAN, 2, 2, 0, 0},
    {"max 4x4 stride 4", NCC_KPU_POOL_MAX, 4, 4, 0, 0},
    {"mean 4x4 stride 4", NCC_KPU_POOL_MEAN, 4, 4, 0, 0},
    {"left top of 2x2", NCC_KPU_POOL_PICK, 2, 2, 0, 0},
    {"right top of 2x2", NCC_KPU_POOL_PICK, 2, 2, 0, 1},
    {"left top of 4x4", NCC_KPU_POOL_PICK, 4, 4, 0, 0},
    {"mean 2x2 stride 1", NCC_KPU_POOL_MEAN, 2, 1, 0, 0},
    {"max 2x2 stride 1", NCC_KPU_POOL_MAX, 2, 1, 0, 0},
};

const struct ncc_kpu_pool_info *ncc_kpu_pool_info(int pool)
{
    return &pools[pool];
}

int ncc_kpu_out_h(const struct ncc_kpu_shape *s)
{
    return s->in_h / pools[s->pool].stride;
}

int ncc_kpu_out_w(const struct ncc_kpu_shape *s)
{
    return s->in_w / pools[s->pool].stride;
}

int64_t ncc_kpu_in_lines(const struct ncc_kpu_shape *s)
{
    return ncc_kpu_lines(s->in_c, s->in_h, s->in_w);
}

int64_t ncc_kpu_out_lines(const struct ncc_kpu_shape *s)
{
    return ncc_kpu_lines(s->out_c, ncc_kpu_out_h(s), ncc_kpu_out_w(s));
}

int64_t ncc_kpu_n_weights(const struct ncc_kpu_shape *s)
{
    return (int64_t)s->kernel * s->kernel * s->out_c * (s->depthwise ? 1 : s->in_c);
}

int64_t ncc_kpu_macs(const struct ncc_kpu_shape *s)
{
    return ncc_kpu_n_weights(s) * s->in_h * s->in_w;
}

struct ncc_kpu_loads ncc_kpu_weight_loads(const struct ncc_kpu_shape *s, int weight_size)
{
    const int taps = s->kernel * s->kernel;
    if (s->depthwise)
        return (struct ncc_kpu_loads){1, s->out_c, taps * s->out_c * weight_size};
    const int one = taps * s->in_c * weight_size;
    const int fitting = (weight_size == 2 ? NCC_KPU_LOAD_SIZE_2 : NCC_KPU_LOAD_SIZE_1) / one;
    const int oc_per_load = s->out_c < fitting ? s->out_c : fitting;
    if (oc_per_load == 0)
        return (struct ncc_kpu_loads){0, 0, 0};
    return (struct ncc_kpu_loads){(s->out_c + oc_per_load - 1) / oc_per_load, oc_per_load, one * oc_per_load};
}

/* The rules. A predicate may assume that the rows above it hold. */

static bool kernel_is_known(const struct ncc_kpu_shape *s)
{
    return s->kernel == 1 || s->kernel == 3;
}

static bool pool_is_known(const struct ncc_kpu_shape *s)
{
    return s->pool >= 0 && s->pool < NCC_KPU_POOLS;
}

static bool in_c_fits(const struct ncc_kpu_shape *s)
{
    return s->in_c >= 1 && s->in_c <= NCC_KPU_MAX_C;
}

static bool out_c_fits(const struct ncc_kpu_shape *s)
{
    return s->out_c >= 1 && s->out_c <= NCC_KPU_MAX_C;
}

static bool w_fits_fields(const struct ncc_kpu_shape *s)
{
    return s->in_w >= 1 && s->in_w <= NCC_KPU_FIELD_MAX_W;
}

static bool h_fits_fields(const struct ncc_kpu_shape *s)
{
    return s->in_h >= 1 && s->in_h <= NCC_KPU_FIELD_MAX_H;
}

static bool w_is_proven(const struct ncc_kpu_shape *s)
{
    return s->in_w <= NCC_KPU_MAX_W;
}

static bool h_is_proven(const struct ncc_kpu_shape *s)
{
    return s->in_h <= NCC_KPU_MAX_H;
}

static bool input_is_large_enough(const struct ncc_kpu_shape *s)
{
    return s->in_w >= NCC_KPU_MIN_W && s->in_h >= NCC_KPU_MIN_H;
}

static bool output_is_not_empty(const struct ncc_kpu_shape *s)
{
    return ncc_kpu_out_w(s) >= 1 && ncc_kpu_out_h(s) >= 1;
}

static bool output_is_large_enough(const struct ncc_kpu_shape *s)
{
    return ncc_kpu_out_w(s) >= NCC_KPU_MIN_W && ncc_kpu_out_h(s) >= NCC_KPU_MIN_H;
}

static bool depthwise_keeps_channels(const struct ncc_kpu_shape *s)
{
    return !s->depthwise || s->in_c == s->out_c;
}

static bool depthwise_has_no_pool(const struct ncc_kpu_shape *s)
{
    return !s->depthwise || s->pool == NCC_KPU_POOL_NONE;
}

static bool weight_loads_fit(const struct ncc_kpu_shape *s)
{
    const struct ncc_kpu_loads l = ncc_kpu_weight_loads(s, 1);
    return l.oc_per_load >= 1 && l.loads <= NCC_KPU_MAX_LOADS;
}

static bool ram_holds_both(const struct ncc_kpu_shape *s)
{
    return ncc_kpu_in_lines(s) + ncc_kpu_out_lines(s) <= NCC_KPU_RAM_LINES;
}

static const struct ncc_kpu_shape_rule shape_rules[] = {
    {"the kernel must be 1x1 or 3x3", kernel_is_known, false},
    {"the pool must be one of codes 0 to 9", pool_is_known, false},
    {"the input must have 1 to 1024 channels", in_c_fits, false},
    {"the output must have 1 to 1024 channels", out_c_fits, false},
    {"the input must be 1 to 960 wide", w_fits_fields, false},
    {"the input must be 1 to 512 high", h_fits_fields, false},
    {"the output must not be empty after the pool", output_is_not_empty, false},
    {"a depthwise layer must have as many outputs as inputs", depthwise_keeps_channels, false},
    {"the weights must fit in 64 loads of 30 KiB", weight_loads_fit, false},
    {"input and output together must fit in 2 MiB of KPU RAM", ram_holds_both, false},
    {"the input must be at most 512 wide", w_is_proven, true},
    {"the input must be at most 256 high", h_is_proven, true},
    {"the input must be at least 4x4", input_is_large_enough, true},
    {"the output must be at least 4x4 after the pool", output_is_large_enough, true},
    {"a depthwise layer must not have a pool", depthwise_has_no_pool, true},
};

enum { N_SHAPE_RULES = sizeof shape_rules / sizeof *shape_rules };

const struct ncc_kpu_shape_rule *ncc_kpu_shape_rules(int *n)
{
    *n = N_SHAPE_RULES;
    return shape_rules;
}

const char *ncc_kpu_shape_check(const struct ncc_kpu_shape *s, bool allow_untested)
{
    for (int i = 0; i < N_SHAPE_RULES; i++)
        if (!(allow_untested && shape_rules[i].untested) && !shape_rules[i].holds(s))
            return shape_rules[i].text;
    return NULL;
}

static void derive(const struct ncc_kpu_shape *s, int weight_size, int src_line, int dst_line, int x_zero, int w_zero,
                   struct ncc_kpu_regs *regs)
{
    const int out_h = ncc_kpu_out_h(s), out_w = ncc_kpu_out_w(s);
    const struct ncc_kpu_layout in = ncc_kpu_layout_of(s->in_w), out = ncc_kpu_layout_of(out_w);
    const struct ncc_kpu_loads loads = ncc_kpu_weight_loads(s, weight_size);
    *regs = (struct ncc_kpu_regs){
        .depth_wise_layer = s->depthwise,
        .image_src_addr = src_line,
        .image_dst_addr = dst_line,
        .i_ch_num = s->in_c - 1,
        .o_ch_num = s->out_c - 1,
        .o_ch_num_coef = loads.oc_per_load - 1,
        .i_row_wid = s->in_w - 1,
        .i_col_high = s->in_h - 1,
        .o_row_wid = out_w - 1,
        .o_col_high = out_h - 1,
        .kernel_type = s->kernel == 3,
        .pool_type = s->pool,
        .load_para = 1,
        .dma_burst_size = NCC_KPU_DMA_BURST,
        .pad_value = x_zero,
        .load_coor = 1,
        .load_time = loads.loads - 1,
        .para_size = loads.load_size,
        .channel_switch_addr = (int64_t)in.row_lines * s->in_h,
        .row_switch_addr = in.row_lines,
        .coef_group = in.group,
        .load_act = 1,
        .wb_channel_switch_addr = (int64_t)out.row_lines * out_h,
        .wb_row_switch_addr = out.row_lines,
        .wb_group = out.group,
        .arg_w = -x_zero,
        .arg_x = -w_zero,
        .arg_add = (int64_t)s->kernel * s->kernel * x_zero * w_zero,
        /* Cut off as the vendor's compilers do; it matters only together with send_data_out. */
        .channel_byte_num = ((int64_t)out_w * out_h - 1) & (NCC_KPU_MAX_DMA_PLANE - 1),
        .dma_total_byte = (int64_t)out_w * out_h * s->out_c - 1,
    };
}

void ncc_kpu_derive(const struct ncc_kpu_shape *s, int src_line, int dst_line, int x_zero, int w_zero,
                    struct ncc_kpu_regs *regs)
{
    derive(s, 1, src_line, dst_line, x_zero, w_zero, regs);
}

void ncc_kpu_derive_16(const struct ncc_kpu_shape *s, int src_line, int dst_line, int x_zero, int w_zero,
                       struct ncc_kpu_regs *regs)
{
    derive(s, 2, src_line, dst_line, x_zero, w_zero, regs);
}

const char *ncc_kpu_shape_of(const struct ncc_kpu_regs *regs, struct ncc_kpu_shape *s)
{
    if (regs->kernel_type > 1)
        return "kernel_type: is neither 0 (1x1) nor 1 (3x3)";
    if (regs->pool_type >= NCC_KPU_POOLS)
        return "pool_type: is above 9";
    *s = (struct ncc_kpu_shape){
        .in_c = (int)regs->i_ch_num + 1,
        .in_h = (int)regs->i_col_high + 1,
        .in_w = (int)regs->i_row_wid + 1,
        .out_c = (int)regs->o_ch_num + 1,
        .kernel = regs->kernel_type ? 3 : 1,
        .depthwise = regs->depth_wise_layer != 0,
        .pool = (int)regs->pool_type,
    };
    return NULL;
}

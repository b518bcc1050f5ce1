/* Which register values the device can work with, and which of those are proven on silicon
 * (doc/kpu.md sections 2, 3, 8 and 9). */
#include "kpu/layer.h"
#include "kpu/layout.h"

#include <stddef.h>

/* One tensor in KPU RAM as the words describe it. */
struct map {
    int64_t base, channel_switch, row_switch, group;
    int c, h, w;
};

static struct map input_of(const struct ncc_kpu_regs *r, const struct ncc_kpu_shape *s)
{
    return (struct map){
        r->image_src_addr, r->channel_switch_addr, r->row_switch_addr, r->coef_group, s->in_c, s->in_h, s->in_w};
}

static struct map output_of(const struct ncc_kpu_regs *r, const struct ncc_kpu_shape *s)
{
    return (struct map){r->image_dst_addr, r->wb_channel_switch_addr, r->wb_row_switch_addr, r->wb_group,
                        s->out_c,          (int)r->o_col_high + 1,    (int)r->o_row_wid + 1};
}

static bool group_is_right(const struct map *m)
{
    return m->group == ncc_kpu_layout_of(m->w).group;
}

static bool rows_are_apart(const struct map *m)
{
    return m->row_switch >= ncc_kpu_layout_of(m->w).row_lines;
}

/* Lines of one channel group, from its first to its last. */
static int64_t group_extent(const struct map *m)
{
    return (m->h - 1) * m->row_switch + ncc_kpu_layout_of(m->w).row_lines;
}

static bool groups_are_apart(const struct map *m)
{
    return ncc_kpu_groups(m->c, m->w) == 1 || m->channel_switch >= group_extent(m);
}

static int64_t end_of(const struct map *m)
{
    return m->base + (ncc_kpu_groups(m->c, m->w) - 1) * m->channel_switch + group_extent(m);
}

static const char *check_modes(const struct ncc_kpu_regs *r)
{
    if (r->ram_flag)
        return "ram_flag: is reserved, must be 0";
    if (r->full_add)
        return "full_add: global sums are unexplored, must be 0";
    if (r->pad_type)
        return "pad_type: is unexplored, must be 0";
    if (r->first_stride)
        return "first_stride: is unexplored, must be 0";
    if (r->bypass_conv)
        return "bypass_conv: is unexplored, must be 0";
    if (!r->load_para)
        return "load_para: must be 1, reuse of batch-norm words is unexplored";
    if (!r->load_coor)
        return "load_coor: must be 1, reuse of weights is unexplored";
    if (!r->load_act)
        return "load_act: must be 1, else the output is said to be all zeros";
    if (r->dma_burst_size != NCC_KPU_DMA_BURST)
        return "dma_burst_size: must be 15";
    if (r->coef_column_offset)
        return "coef_column_offset: must be 0";
    if (r->coef_row_offset)
        return "coef_row_offset: must be 0";
    if (r->coef_size)
        return "coef_size: must be 0";
    return NULL;
}

static const char *check_sizes(const struct ncc_kpu_regs *r, const struct ncc_kpu_shape *s)
{
    if (s->depthwise && s->in_c != s->out_c)
        return "o_ch_num: differs from i_ch_num in a depthwise layer";
    if (r->o_row_wid + 1 != ncc_kpu_out_w(s))
        return "o_row_wid: is not the width after the pool";
    if (r->o_col_high + 1 != ncc_kpu_out_h(s))
        return "o_col_high: is not the height after the pool";
    return NULL;
}

static const char *check_loads(const struct ncc_kpu_regs *r, const struct ncc_kpu_shape *s, int weight_size)
{
    const int64_t oc_per_load = r->o_ch_num_coef + 1;
    const int64_t per_oc = (int64_t)s->kernel * s->kernel * (s->depthwise ? 1 : s->in_c) * weight_size;
    if (oc_per_load > s->out_c)
        return "o_ch_num_coef: is above o_ch_num";
    if (s->depthwise && oc_per_load != s->out_c)
        return "o_ch_num_coef: a depthwise layer must load all its weights at once";
    if (r->para_size != per_oc * oc_per_load)
        return "para_size: is not the weights of the channels of one load";
    if (weight_size == 1 && r->para_size > NCC_KPU_LOAD_SIZE_1)
        return "para_size: is above 30 KiB";
    if (weight_size == 2 && r->para_size > NCC_KPU_LOAD_SIZE_2)
        return "para_size: is above 60 KiB";
    if ((r->load_time + 1) != (s->out_c + oc_per_load - 1) / oc_per_load)
        return "load_time: is not the loads that the output channels need";
    return NULL;
}

static const char *check_input(const struct map *in)
{
    if (!group_is_right(in))
        return "coef_group: is not the channels per line of the input's width";
    if (!rows_are_apart(in))
        return "row_switch_addr: is less than the lines of a row";
    if (!groups_are_apart(in))
        return "channel_switch_addr: is less than the lines of a channel group";
    if (end_of(in) > NCC_KPU_RAM_LINES)
        return "image_src_addr: the input ends beyond KPU RAM";
    return NULL;
}

static const char *check_output(const struct map *out)
{
    if (!group_is_right(out))
        return "wb_group: is not the channels per line of the output's width";
    if (!rows_are_apart(out))
        return "wb_row_switch_addr: is less than the lines of a row";
    if (!groups_are_apart(out))
        return "wb_channel_switch_addr: is less than the lines of a channel group";
    if (end_of(out) > NCC_KPU_RAM_LINES)
        return "image_dst_addr: the output ends beyond KPU RAM";
    return NULL;
}

static const char *check_dma(const struct ncc_kpu_regs *r, const struct map *out)
{
    const int64_t plane = (int64_t)out->h * out->w;
    if (!r->send_data_out)
        return NULL;
    if (plane > NCC_KPU_MAX_DMA_PLANE)
        return "send_data_out: an output channel must have at most 65536 elements";
    if (r->channel_byte_num + 1 != plane)
        return "channel_byte_num: is not the size of an output channel";
    if (r->dma_total_byte + 1 != plane * out->c)
        return "dma_total_byte: is not the size of the output";
    return NULL;
}

static const char *regs_check(const struct ncc_kpu_regs *regs, int weight_size)
{
    struct ncc_kpu_shape shape;
    const char *text = ncc_kpu_shape_of(regs, &shape);
    if (!text)
        text = check_modes(regs);
    if (!text)
        text = check_sizes(regs, &shape);
    if (!text)
        text = check_loads(regs, &shape, weight_size);
    if (text)
        return text;

    const struct map in = input_of(regs, &shape), out = output_of(regs, &shape);
    text = check_input(&in);
    if (!text)
        text = check_output(&out);
    if (!text)
        text = check_dma(regs, &out);
    if (!text && in.base < end_of(&out) && out.base < end_of(&in))
        text = "image_dst_addr: the output overlaps the input";
    return text;
}

const char *ncc_kpu_regs_check(const struct ncc_kpu_regs *regs)
{
    return regs_check(regs, 1);
}

const char *ncc_kpu_regs_check_16(const struct ncc_kpu_regs *regs)
{
    return regs_check(regs, 2);
}

/* A zero point behind -zero << shr, or -1. v3 files shift by 15, all others by 0. */
static int zero_of(int64_t arg, int64_t shr, int max)
{
    if ((shr != 0 && shr != 15) || arg > 0 || -arg % (INT64_C(1) << shr) != 0)
        return -1;
    const int64_t zero = -arg >> shr;
    return zero <= max ? (int)zero : -1;
}

static const char *regs_untested(const struct ncc_kpu_regs *regs, int weight_size)
{
    struct ncc_kpu_shape shape;
    const char *text = ncc_kpu_shape_of(regs, &shape);
    if (!text)
        text = ncc_kpu_shape_check(&shape, false);
    if (text)
        return text;

    const int x_zero = zero_of(regs->arg_w, regs->shr_w, UINT8_MAX);
    const int w_zero = zero_of(regs->arg_x, regs->shr_x, weight_size == 2 ? UINT16_MAX : UINT8_MAX);
    if (x_zero < 0)
        return "arg_w: is not a zero point of the input";
    if (w_zero < 0)
        return "arg_x: is not a zero point of the weights";
    struct ncc_kpu_regs d;
    (weight_size == 2 ? ncc_kpu_derive_16 : ncc_kpu_derive)(&shape, 0, 0, x_zero, w_zero, &d);
    if (regs->pad_value != d.pad_value)
        return "pad_value: is not the zero point of the input";
    if (regs->arg_add != d.arg_add)
        return "arg_add: is not the product of the zero points and the taps";
    if (regs->o_ch_num_coef != d.o_ch_num_coef)
        return "o_ch_num_coef: is not as many channels as fit a load";
    if (regs->channel_switch_addr != d.channel_switch_addr)
        return "channel_switch_addr: the input is part of a larger map";
    if (regs->row_switch_addr != d.row_switch_addr)
        return "row_switch_addr: the input is part of a larger map";
    if (regs->wb_channel_switch_addr != d.wb_channel_switch_addr)
        return "wb_channel_switch_addr: the output is part of a larger map";
    if (regs->wb_row_switch_addr != d.wb_row_switch_addr)
        return "wb_row_switch_addr: the output is part of a larger map";
    if (regs->channel_byte_num != d.channel_byte_num)
        return "channel_byte_num: is not the size of an output channel";
    if (regs->dma_total_byte != d.dma_total_byte)
        return "dma_total_byte: is not the size of the output";
    return NULL;
}

const char *ncc_kpu_regs_untested(const struct ncc_kpu_regs *regs)
{
    return regs_untested(regs, 1);
}

const char *ncc_kpu_regs_untested_16(const struct ncc_kpu_regs *regs)
{
    return regs_untested(regs, 2);
}

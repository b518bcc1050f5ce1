/* One KPU layer: what its shape decides, and what makes it legal.
 *
 * A layer is a 1x1 or 3x3 "same" convolution of stride 1, then batch norm, activation table and pool. From its shape
 * follow all fields of the twelve words but the parameter addresses (doc/kpu.md sections 2 and 3). */
#ifndef NCC_KPU_LAYER_H
#define NCC_KPU_LAYER_H

#include "kpu/regs.h"

#include <stdbool.h>
#include <stdint.h>

/* pool_type (doc/kpu.md section 6). */
enum ncc_kpu_pool {
    NCC_KPU_POOL_NONE = 0,
    NCC_KPU_POOL_MAX_2_S2 = 1,
    NCC_KPU_POOL_MEAN_2_S2 = 2, /* sum / 4, truncated */
    NCC_KPU_POOL_MAX_4_S4 = 3,
    NCC_KPU_POOL_MEAN_4_S4 = 4,   /* sum / 16, truncated */
    NCC_KPU_POOL_LEFT_TOP_2 = 5,  /* element (0, 0) of each 2x2 window */
    NCC_KPU_POOL_RIGHT_TOP_2 = 6, /* row 0, column 1 */
    NCC_KPU_POOL_LEFT_TOP_4 = 7,  /* element (0, 0) of each 4x4 window */
    NCC_KPU_POOL_MEAN_2_S1 = 8,   /* beyond the edge the last row and column are repeated */
    NCC_KPU_POOL_MAX_2_S1 = 9,    /* beyond the edge nothing counts */
    NCC_KPU_POOLS = 10
};

enum ncc_kpu_pool_kind { NCC_KPU_POOL_COPY, NCC_KPU_POOL_MAX, NCC_KPU_POOL_MEAN, NCC_KPU_POOL_PICK };

/* The window of output (y, x) is window x window from (y * stride, x * stride). */
struct ncc_kpu_pool_info {
    const char *name;
    enum ncc_kpu_pool_kind kind;
    int window, stride;
    int pick_row, pick_col; /* for NCC_KPU_POOL_PICK, else 0 */
};

/* The description of pool code 0..9. */
const struct ncc_kpu_pool_info *ncc_kpu_pool_info(int pool);

struct ncc_kpu_shape {
    int in_c, in_h, in_w;
    int out_c;      /* = in_c when depthwise */
    int kernel;     /* 1 or 3 */
    bool depthwise; /* weights [c][ky][kx] instead of [oc][ic][ky][kx] */
    int pool;       /* enum ncc_kpu_pool */
};

/* Height and width after the pool; they may come out as 0 for shapes that ncc_kpu_shape_check refuses. */
int ncc_kpu_out_h(const struct ncc_kpu_shape *s);
int ncc_kpu_out_w(const struct ncc_kpu_shape *s);

/* Lines of KPU RAM that input and output occupy. */
int64_t ncc_kpu_in_lines(const struct ncc_kpu_shape *s);
int64_t ncc_kpu_out_lines(const struct ncc_kpu_shape *s);

/* Multiply-adds before the pool, and weights (numbers, not bytes). */
int64_t ncc_kpu_macs(const struct ncc_kpu_shape *s);
int64_t ncc_kpu_n_weights(const struct ncc_kpu_shape *s);

/* How the weights get in (doc/kpu.md section 2.1). Load i reads load_size bytes at i * load_size and serves the
 * output channels from i * oc_per_load. oc_per_load is 0 when not even one channel fits a load. */
struct ncc_kpu_loads {
    int loads;
    int oc_per_load;
    int load_size; /* bytes */
};

/* weight_size: bytes of a weight, 1 or 2. */
struct ncc_kpu_loads ncc_kpu_weight_loads(const struct ncc_kpu_shape *s, int weight_size);

/* NULL when the chip can do a layer of this shape, else the text of the first rule it breaks, as
 * "the input must be at most 512 wide". With allow_untested, only what the registers cannot express counts;
 * without, also what no released compiler emits (such as maps below 4x4, or a pool after a depthwise layer).
 * Every member may hold any value. The memory must hold input and output together. */
const char *ncc_kpu_shape_check(const struct ncc_kpu_shape *s, bool allow_untested);

/* The rules of ncc_kpu_shape_check one by one, for documents and tests. */
struct ncc_kpu_shape_rule {
    const char *text;
    bool (*holds)(const struct ncc_kpu_shape *s);
    bool untested; /* the registers could, but nobody has shown that the chip does */
};
const struct ncc_kpu_shape_rule *ncc_kpu_shape_rules(int *n);

/* Fills all fields from the shape, which must pass ncc_kpu_shape_check: 8-bit weights, input at src_line, output at
 * dst_line, zero points 0..255, no shift of the zero-point terms. The three addresses are 0, int_en and send_data_out
 * are 0, for the caller to set. */
void ncc_kpu_derive(const struct ncc_kpu_shape *s, int src_line, int dst_line, int x_zero, int w_zero,
                    struct ncc_kpu_regs *regs);

/* The same for 16-bit weights, whose zero point is 0..65535 (doc/kpu.md sections 2.1 and 8.2). */
void ncc_kpu_derive_16(const struct ncc_kpu_shape *s, int src_line, int dst_line, int x_zero, int w_zero,
                       struct ncc_kpu_regs *regs);

/* The shape that the registers describe; NULL, or the text of what makes them no shape at all (an unknown kernel or
 * pool type). Nothing else is checked. */
const char *ncc_kpu_shape_of(const struct ncc_kpu_regs *regs, struct ncc_kpu_shape *s);

/* NULL when the device does what the fields say, else what is wrong with them, as "o_row_wid: is not the width after
 * the pool". Covers every field: sizes against pool, groups and switches against widths, weight loads (8-bit
 * weights), unexplored modes, the numbers for the DMA when send_data_out is set, input and output inside KPU
 * RAM and apart from each other. The parameter addresses, int_en and the constants of the zero points are free. Layers
 * that read or write part of a larger map (switches above rl * H) pass. */
const char *ncc_kpu_regs_check(const struct ncc_kpu_regs *regs);

/* The same for 16-bit weights, of which one load holds up to 60 KiB. */
const char *ncc_kpu_regs_check_16(const struct ncc_kpu_regs *regs);

/* For registers that pass ncc_kpu_regs_check: NULL when they are what ncc_kpu_derive gives for a shape that released
 * compilers emit, with any addresses and either way of storing zero points (shr 0, or arg << 15 with shr 15 as in v3
 * files). Else what is unproven on silicon, as "channel_switch_addr: differs from what the shape gives". */
const char *ncc_kpu_regs_untested(const struct ncc_kpu_regs *regs);

/* The same for registers that pass ncc_kpu_regs_check_16, against ncc_kpu_derive_16: a released compiler (nncase 0.1)
 * emits them, and published times were measured with them. */
const char *ncc_kpu_regs_untested_16(const struct ncc_kpu_regs *regs);

#endif

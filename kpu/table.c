/* The activation table's 144 bytes: sixteen words (shift, slope, start), then sixteen bias bytes
 * (doc/kpu.md section 4.3). */
#include "kpu/arith.h"

static const int64_t start_sign = INT64_C(1) << (NCC_KPU_ACC_BITS - 1);

void ncc_kpu_table_pack(const struct ncc_kpu_table *t, uint8_t out[NCC_KPU_TABLE_SIZE])
{
    for (int i = 0; i < NCC_KPU_SEGMENTS; i++) {
        const struct ncc_kpu_segment *s = &t->seg[i];
        const uint64_t start = (uint64_t)s->x_start & (2 * (uint64_t)start_sign - 1);
        const uint64_t word = s->shift | (uint64_t)(uint16_t)s->y_mul << 8 | start << 24;
        for (int b = 0; b < 8; b++)
            out[8 * i + b] = (uint8_t)(word >> 8 * b);
        out[8 * NCC_KPU_SEGMENTS + i] = s->bias;
    }
}

void ncc_kpu_table_unpack(const uint8_t in[NCC_KPU_TABLE_SIZE], struct ncc_kpu_table *t)
{
    for (int i = 0; i < NCC_KPU_SEGMENTS; i++) {
        uint64_t word = 0;
        for (int b = 0; b < 8; b++)
            word |= (uint64_t)in[8 * i + b] << 8 * b;
        const int64_t start = (int64_t)(word >> 24 & (2 * (uint64_t)start_sign - 1));
        const int32_t y_mul = (int32_t)(word >> 8 & 0xffff);
        t->seg[i] = (struct ncc_kpu_segment){
            .x_start = start >= start_sign ? start - 2 * start_sign : start,
            .y_mul = (int16_t)(y_mul >= 0x8000 ? y_mul - 0x10000 : y_mul),
            .shift = (uint8_t)word,
            .bias = in[8 * NCC_KPU_SEGMENTS + i],
        };
    }
}

const char *ncc_kpu_table_check(const struct ncc_kpu_table *t)
{
    if (t->seg[0].x_start != NCC_KPU_ACC_MIN)
        return "the first segment of the activation table must start at -2^35";
    for (int i = 0; i < NCC_KPU_SEGMENTS; i++) {
        if (i && t->seg[i].x_start < t->seg[i - 1].x_start)
            return "the segments of the activation table must be sorted by x_start";
        if (!ncc_kpu_acc_fits(t->seg[i].x_start))
            return "x_start of the activation table must fit 36 signed bits";
        if (t->seg[i].shift > NCC_KPU_MAX_ACT_SHIFT)
            return "a shift of the activation table must be at most 43";
    }
    return NULL;
}

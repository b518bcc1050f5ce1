/* The KPU's arithmetic, exactly (doc/kpu.md sections 4.2, 4.3 and 5), for one value at a time.
 *
 *     acc = S_xw + ((arg_x * S_x) >> shr_x) + ((arg_w * S_w) >> shr_w) + arg_add * channels
 *     v   = ((acc * mul) >> shift) + add                                       batch norm, per output channel
 *     out = clamp(round_shift((v - x_start) * y_mul, shift) + bias, 0, 255)    last segment with x_start < v
 *
 * All shifts are arithmetic. acc and v must fit 36 signed bits: beyond, the chip's behaviour is unknown. Within that
 * range nothing here overflows an int64_t. */
#ifndef NCC_KPU_ARITH_H
#define NCC_KPU_ARITH_H

#include "kpu/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* acc and v must lie in NCC_KPU_ACC_MIN..NCC_KPU_ACC_MAX. */
#define NCC_KPU_ACC_MAX ((INT64_C(1) << (NCC_KPU_ACC_BITS - 1)) - 1)
#define NCC_KPU_ACC_MIN (-NCC_KPU_ACC_MAX - 1)

static inline bool ncc_kpu_acc_fits(int64_t v)
{
    return v >= NCC_KPU_ACC_MIN && v <= NCC_KPU_ACC_MAX;
}

/* A sum of inputs or of weights times its constant: the shift comes after the whole sum. */
static inline int64_t ncc_kpu_zero_term(int64_t arg, int64_t sum, int shr)
{
    return (arg * sum) >> shr;
}

/* One batch-norm word: v = ((acc * mul) >> shift) + add. */
struct ncc_kpu_bn {
    int32_t mul; /* 24 bits, signed; vendor's compilers keep it below 2^21 */
    int32_t add;
    int shift; /* 0..15 */
};

static inline int64_t ncc_kpu_bn_apply(struct ncc_kpu_bn bn, int64_t acc)
{
    return ((acc * bn.mul) >> bn.shift) + bn.add;
}

/* Bits 60..63 are ignored. */
static inline struct ncc_kpu_bn ncc_kpu_bn_unpack(uint64_t word)
{
    const int32_t mul = (int32_t)(word & 0xffffff);
    return (struct ncc_kpu_bn){mul >= 0x800000 ? mul - 0x1000000 : mul, (int32_t)(uint32_t)(word >> 24),
                               (int)(word >> 56 & 15)};
}

/* mul must fit 24 bits and shift 0..15; what does not is cut off. */
static inline uint64_t ncc_kpu_bn_pack(struct ncc_kpu_bn bn)
{
    return ((uint32_t)bn.mul & 0xffffff) | (uint64_t)(uint32_t)bn.add << 24 | (uint64_t)(bn.shift & 15) << 56;
}

/* v / 2^shift, rounded half to even; for negative v away from zero after the floor, as the vendor's simulator does
 * (doc/kpu.md section 5.1). shift 0..62. */
static inline int64_t ncc_kpu_round_shift(int64_t v, int shift)
{
    const int64_t floor = v >> shift;
    const int64_t fraction = v & ((INT64_C(1) << shift) - 1);
    const int64_t half = (INT64_C(1) << shift) >> 1;
    const bool up = fraction > half || (fraction == half && fraction != 0 && (floor & 1));
    return floor + (up ? (v < 0 ? -1 : 1) : 0);
}

/* The activation table. Segments are sorted by x_start; the first starts at NCC_KPU_ACC_MIN. */
struct ncc_kpu_segment {
    int64_t x_start; /* 36 bits, signed */
    int16_t y_mul;
    uint8_t shift;
    uint8_t bias;
};

struct ncc_kpu_table {
    struct ncc_kpu_segment seg[NCC_KPU_SEGMENTS];
};

/* The 144 bytes of a table. x_start is cut to 36 bits. */
void ncc_kpu_table_pack(const struct ncc_kpu_table *t, uint8_t out[NCC_KPU_TABLE_SIZE]);
/* Bits 60..63 of the words are ignored. */
void ncc_kpu_table_unpack(const uint8_t in[NCC_KPU_TABLE_SIZE], struct ncc_kpu_table *t);

/* NULL, or what is wrong with the table: not sorted, a first segment that does not start at -2^35, a shift above 43,
 * an x_start beyond 36 bits. */
const char *ncc_kpu_table_check(const struct ncc_kpu_table *t);

/* The segment that serves v: the last one with x_start < v; 0 when there is none. */
static inline int ncc_kpu_segment_of(const struct ncc_kpu_table *t, int64_t v)
{
    int s = NCC_KPU_SEGMENTS - 1;
    while (s > 0 && t->seg[s].x_start >= v)
        s--;
    return s;
}

/* The output code of batch-norm output v. The table must pass ncc_kpu_table_check. */
static inline uint8_t ncc_kpu_table_apply(const struct ncc_kpu_table *t, int64_t v)
{
    const struct ncc_kpu_segment *s = &t->seg[ncc_kpu_segment_of(t, v)];
    const int64_t y = ncc_kpu_round_shift((v - s->x_start) * s->y_mul, s->shift) + s->bias;
    return (uint8_t)(y < 0 ? 0 : y > 255 ? 255 : y);
}

#endif

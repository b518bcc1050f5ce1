/* From sums to codes: batch norm and activation table of a KPU layer, for many pixels of a channel at once. */
#ifndef NCC_OPS_ACTIVATE_CODES_H
#define NCC_OPS_ACTIVATE_CODES_H

#include "kpu/arith.h"

/* to[i] = ncc_kpu_table_apply(table, ncc_kpu_bn_apply(bn, acc[i])) for i below n. */
void ncc_activate_codes(const struct ncc_kpu_table *table, struct ncc_kpu_bn bn, const int32_t *acc, int64_t n,
                        uint8_t *to);

#endif

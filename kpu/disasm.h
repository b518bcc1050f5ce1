/* Layer words as text, for people. */
#ifndef NCC_KPU_DISASM_H
#define NCC_KPU_DISASM_H

#include "kpu/arith.h"
#include "kpu/regs.h"

#include <stddef.h>
#include <stdint.h>

/* Enough for any layer. */
#define NCC_KPU_DISASM_SIZE 6144

/* Writes the layer, whose weights have weight_size bytes (1 or 2), as lines of text: what it does, then every word with
 * its fields by name, leaving out fields that are 0, then what ncc_kpu_regs_check and ncc_kpu_regs_untested find.
 * Always terminates `out`; returns the length of the full text, which was cut off when that is >= size. size >= 1. */
size_t ncc_kpu_disasm(const uint64_t words[NCC_KPU_WORDS], int weight_size, char *out, size_t size);

/* The same for an activation table: one line per segment that is reachable. */
size_t ncc_kpu_disasm_table(const struct ncc_kpu_table *table, char *out, size_t size);

#endif

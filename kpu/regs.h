/* The twelve words of a KPU layer as named numbers.
 *
 * Everything here is made from regs.def. Values are stored as the words store them, that is, a width of 320 as 319.
 *
 *     struct ncc_kpu_regs regs;
 *     ncc_kpu_derive(&shape, src_line, dst_line, x_zero, w_zero, &regs);      (layer.h)
 *     uint64_t words[NCC_KPU_WORDS];
 *     const char *field = ncc_kpu_pack(&regs, words);
 *     if (field)  ... the value of that field does not fit its bits ...
 */
#ifndef NCC_KPU_REGS_H
#define NCC_KPU_REGS_H

#include <stdbool.h>
#include <stdint.h>

#define NCC_KPU_WORDS 12

struct ncc_kpu_regs {
#define FIELD(word, low, width, is_signed, name, meaning) int64_t name;
#include "kpu/regs.def"
#undef FIELD
};

/* Writes the words. Returns NULL, or the name of the first field whose value does not fit; that field's bits
 * then hold the value cut off. Reserved bits become 0. */
const char *ncc_kpu_pack(const struct ncc_kpu_regs *regs, uint64_t words[NCC_KPU_WORDS]);

/* Reads the words; reserved bits are ignored. Every value of the words is representable. */
void ncc_kpu_unpack(const uint64_t words[NCC_KPU_WORDS], struct ncc_kpu_regs *regs);

/* The first word (0..11) in which a reserved bit is set, or -1. */
int ncc_kpu_reserved_word(const uint64_t words[NCC_KPU_WORDS]);

/* One row of regs.def, for tables, range checks and disassembly. */
struct ncc_kpu_field {
    const char *name, *meaning;
    uint16_t member; /* offset of the int64_t in struct ncc_kpu_regs */
    uint8_t word, low, width;
    bool is_signed;
};

/* All rows, by word and bit; *n is their number. */
const struct ncc_kpu_field *ncc_kpu_fields(int *n);

/* The row of the name, or NULL. */
const struct ncc_kpu_field *ncc_kpu_field_find(const char *name);

/* The vendor's name of word 0..11. */
const char *ncc_kpu_word_name(int word);

int64_t ncc_kpu_field_get(const struct ncc_kpu_regs *regs, const struct ncc_kpu_field *f);
void ncc_kpu_field_set(struct ncc_kpu_regs *regs, const struct ncc_kpu_field *f, int64_t value);

/* Smallest and largest value the field can hold. */
int64_t ncc_kpu_field_min(const struct ncc_kpu_field *f);
int64_t ncc_kpu_field_max(const struct ncc_kpu_field *f);

#endif

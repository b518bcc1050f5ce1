/* Packing and unpacking, driven by the table made from regs.def. */
#include "kpu/regs.h"

#include <stddef.h>
#include <string.h>

static const struct ncc_kpu_field fields[] = {
#define FIELD(word, low, width, is_signed, name, meaning)                                                              \
    {#name, meaning, (uint16_t)offsetof(struct ncc_kpu_regs, name), word, low, width, is_signed},
#include "kpu/regs.def"
#undef FIELD
};

enum { N_FIELDS = sizeof fields / sizeof *fields };

static uint64_t mask_of(const struct ncc_kpu_field *f)
{
    return (UINT64_C(1) << f->width) - 1; /* no field is 64 bits wide */
}

const struct ncc_kpu_field *ncc_kpu_fields(int *n)
{
    *n = N_FIELDS;
    return fields;
}

static bool same(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

const struct ncc_kpu_field *ncc_kpu_field_find(const char *name)
{
    for (int i = 0; i < N_FIELDS; i++)
        if (same(fields[i].name, name))
            return &fields[i];
    return NULL;
}

const char *ncc_kpu_word_name(int word)
{
    static const char *const names[NCC_KPU_WORDS] = {
        "interrupt_enabe",      "image_addr",      "image_channel_num", "image_size",
        "kernel_pool_type_cfg", "kernel_load_cfg", "kernel_offset",     "kernel_calc_type_cfg",
        "write_back_cfg",       "conv_value",      "conv_value2",       "dma_parameter",
    };
    return names[word];
}

int64_t ncc_kpu_field_get(const struct ncc_kpu_regs *regs, const struct ncc_kpu_field *f)
{
    int64_t value;
    memcpy(&value, (const char *)regs + f->member, sizeof value);
    return value;
}

void ncc_kpu_field_set(struct ncc_kpu_regs *regs, const struct ncc_kpu_field *f, int64_t value)
{
    memcpy((char *)regs + f->member, &value, sizeof value);
}

int64_t ncc_kpu_field_min(const struct ncc_kpu_field *f)
{
    return f->is_signed ? -(INT64_C(1) << (f->width - 1)) : 0;
}

int64_t ncc_kpu_field_max(const struct ncc_kpu_field *f)
{
    return (INT64_C(1) << (f->width - f->is_signed)) - 1;
}

const char *ncc_kpu_pack(const struct ncc_kpu_regs *regs, uint64_t words[NCC_KPU_WORDS])
{
    const char *misfit = NULL;
    memset(words, 0, NCC_KPU_WORDS * sizeof *words);
    for (int i = 0; i < N_FIELDS; i++) {
        const struct ncc_kpu_field *f = &fields[i];
        const int64_t value = ncc_kpu_field_get(regs, f);
        if (!misfit && (value < ncc_kpu_field_min(f) || value > ncc_kpu_field_max(f)))
            misfit = f->name;
        words[f->word] |= ((uint64_t)value & mask_of(f)) << f->low;
    }
    return misfit;
}

void ncc_kpu_unpack(const uint64_t words[NCC_KPU_WORDS], struct ncc_kpu_regs *regs)
{
    for (int i = 0; i < N_FIELDS; i++) {
        const struct ncc_kpu_field *f = &fields[i];
        const int64_t bits = (int64_t)(words[f->word] >> f->low & mask_of(f));
        const bool negative = f->is_signed && bits > ncc_kpu_field_max(f);
        ncc_kpu_field_set(regs, f, negative ? bits - (INT64_C(1) << f->width) : bits);
    }
}

int ncc_kpu_reserved_word(const uint64_t words[NCC_KPU_WORDS])
{
    uint64_t used[NCC_KPU_WORDS] = {0};
    for (int i = 0; i < N_FIELDS; i++)
        used[fields[i].word] |= mask_of(&fields[i]) << fields[i].low;
    for (int w = 0; w < NCC_KPU_WORDS; w++)
        if (words[w] & ~used[w])
            return w;
    return -1;
}

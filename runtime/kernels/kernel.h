/* What all kernels share.
 *
 * A kernel is a pure function from the body of its node and the memories that the ranges of the body point into. It
 * relies on ncc_kmodel_check() and tests nothing. Meanings are those of doc/kmodel.md section B.3; results are the same
 * to the last bit on all machines only without fused multiply-add (-ffp-contract=off) and with the order of operations
 * as written. */
#ifndef NCC_RUNTIME_KERNEL_H
#define NCC_RUNTIME_KERNEL_H

#include "kmodel/kmodel.h"

#include <stddef.h>
#include <stdint.h>

struct ncc_kernel_memory {
    const uint8_t *constants;
    uint32_t constants_begin; /* which byte of the constants `constants` points to */
    uint8_t *main;
};

/* `body` is the struct of the operation, with its payload behind it. */
typedef void ncc_kernel(const void *body, const struct ncc_kernel_memory *memory);

#define NCC_KERNEL(name, instructions, per, source) ncc_kernel ncc_kernel_##name;
#define NCC_DEVICE_KERNEL(name, instructions, per, source)
#include "runtime/kernels.def"
#undef NCC_KERNEL
#undef NCC_DEVICE_KERNEL

static inline const void *ncc_kernel_in(const struct ncc_kernel_memory *m, const struct ncc_km_range *r)
{
    return r->memory_type == NCC_KM_MAIN ? m->main + r->start : m->constants + (r->start - m->constants_begin);
}

static inline void *ncc_kernel_out(const struct ncc_kernel_memory *m, const struct ncc_km_range *r)
{
    return m->main + r->start;
}

/* Elements of a range of floats or of bytes. */
static inline size_t ncc_kernel_count(const struct ncc_km_range *r)
{
    return r->datatype == NCC_KM_F32 ? r->size / sizeof(float) : r->size;
}

static inline float ncc_kernel_clamp(float v, struct ncc_km_clamp act)
{
    return v < act.min ? act.min : v > act.max ? act.max : v;
}

#endif

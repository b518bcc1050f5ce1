/* What the kernels of kmodel v3 share. Like those of version 4 (kernel.h), but the bodies hold byte offsets in main
 * memory instead of ranges. Meanings are those of doc/kmodel.md section A.2. */
#ifndef NCC_RUNTIME_KERNEL_V3_H
#define NCC_RUNTIME_KERNEL_V3_H

#include "kmodel/kmodel_v3.h"

#include <stddef.h>
#include <stdint.h>

/* `body` is the struct of the layer, with its payload behind it; `main` the main memory, 8-byte aligned. */
typedef void ncc_kernel_v3(const void *body, uint8_t *main);

#define NCC_KERNEL_V3(name, instructions, per, source) ncc_kernel_v3 ncc_kernel_v3_##name;
#define NCC_DEVICE_KERNEL_V3(name)
#include "runtime/kernels_v3.def"
#undef NCC_KERNEL_V3
#undef NCC_DEVICE_KERNEL_V3

static inline float *ncc_kernel_v3_floats(uint8_t *main, uint32_t start)
{
    return (float *)(void *)(main + start);
}

#endif

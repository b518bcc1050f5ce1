#include "runtime/kernels/kernel_v3.h"

/* Bytes are bytes. */
void ncc_kernel_v3_quantized_concat(const void *body, uint8_t *main)
{
    ncc_kernel_v3_concat(body, main);
}

/* Copies elements that lie at regular distances. */
#ifndef NCC_RUNTIME_GATHER_H
#define NCC_RUNTIME_GATHER_H

#include <stddef.h>
#include <stdint.h>

/* out[i0][i1][i2][i3] = in[i0*steps[0] + i1*steps[1] + i2*steps[2] + i3*steps[3]], packed; floats (element_size 4)
 * or bytes (1). Steps in elements, of either sign. */
void ncc_gather(const void *in, void *out, size_t element_size, const int32_t out_shape[4], const ptrdiff_t steps[4]);

#endif

/* Which element of a row or column nearest resizing of kmodel v3 takes. */
#ifndef NCC_RUNTIME_RESIZE_V3_H
#define NCC_RUNTIME_RESIZE_V3_H

#include <stddef.h>
#include <stdint.h>

static inline size_t ncc_resize_v3_source(uint32_t out, uint32_t in_size, uint32_t out_size)
{
    const float scale = (float)in_size / (float)out_size;
    const uint32_t at = (uint32_t)((float)out * scale);
    return at < in_size ? at : in_size - 1;
}

#endif

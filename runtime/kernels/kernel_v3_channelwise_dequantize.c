#include "runtime/kernels/kernel_v3.h"

void ncc_kernel_v3_channelwise_dequantize(const void *body, uint8_t *main)
{
    const struct ncc_km3_channelwise_dequantize *const op = body;
    const struct ncc_km3_scale *const of_channel = (const struct ncc_km3_scale *)(const void *)(op + 1);
    const uint8_t *in = main + op->in;
    float *to = ncc_kernel_v3_floats(main, op->out);
    for (uint32_t c = 0; c < op->channels; c++)
        for (uint32_t i = 0; i < op->channel_size; i++)
            *to++ = (float)*in++ * of_channel[c].scale + of_channel[c].bias;
}

#include "runtime/kernels/kernel_v3.h"

#include <float.h>
#include <math.h>

/* The search for the largest starts at the smallest positive number: of a row of negative ones nothing is subtracted.
 */
void ncc_kernel_v3_softmax(const void *body, uint8_t *main)
{
    const struct ncc_km3_softmax *const op = body;
    const float *const in = ncc_kernel_v3_floats(main, op->in);
    float *const out = ncc_kernel_v3_floats(main, op->out);
    float max = FLT_MIN, sum = 0.0f;
    for (uint32_t i = 0; i < op->channels; i++)
        max = in[i] > max ? in[i] : max;
    for (uint32_t i = 0; i < op->channels; i++) {
        out[i] = expf(in[i] - max);
        sum += out[i];
    }
    for (uint32_t i = 0; i < op->channels; i++)
        out[i] /= sum;
}

/* For x86 with AVX2: pairs of 16-bit channels, multiplied and added in pairs. */
#include "sim/kernel_plain.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx2")))
enum { BLOCK = 4, LANES = 8 };

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2");
}

/* BLOCK output channels at 16 positions: 8 accumulators. Sums stay below 2^31: 1024 * 9 products of two bytes. */
TARGET static void dot_step(const struct sim_dot *d, int first)
{
    __m256i sum[BLOCK][2];
    for (int c = 0; c < BLOCK; c++)
        sum[c][0] = sum[c][1] = _mm256_setzero_si256();
    const uint32_t *w = d->w;
    for (int u = 0; u < d->n_units; u++) {
        const uint32_t *row = d->x + u * d->unit_stride + first;
        for (int t = 0; t < d->n_taps; t++, w += BLOCK) {
            const uint32_t *x = row + d->tap_off[t];
            const __m256i x0 = _mm256_loadu_si256((const void *)x);
            const __m256i x1 = _mm256_loadu_si256((const void *)(x + LANES));
            for (int c = 0; c < BLOCK; c++) {
                const __m256i wc = _mm256_set1_epi32((int)w[c]);
                sum[c][0] = _mm256_add_epi32(sum[c][0], _mm256_madd_epi16(x0, wc));
                sum[c][1] = _mm256_add_epi32(sum[c][1], _mm256_madd_epi16(x1, wc));
            }
        }
    }
    for (int c = 0; c < BLOCK; c++) {
        int32_t *acc = d->acc + c * SIM_MAX_TILE + first;
        _mm256_storeu_si256((void *)acc, sum[c][0]);
        _mm256_storeu_si256((void *)(acc + LANES), sum[c][1]);
    }
}

TARGET static void dot(const struct sim_dot *d)
{
    for (int first = 0; first < d->n; first += SIM_STEP)
        dot_step(d, first);
}

TARGET static void depthwise(const struct sim_taps *taps, const int32_t *x, int n, int32_t *acc)
{
    plain_depthwise(taps, x, n, acc);
}

TARGET static void post(const struct sim_post *p)
{
    for (int first = 0; first < p->n; first += SIM_STEP)
        plain_post_step(p, first);
}

#else

static bool has_avx2(void)
{
    return false;
}

enum { BLOCK = 1 };
#define dot       NULL
#define depthwise NULL
#define post      NULL

#endif

const struct ncc_sim_kernel ncc_sim_kernel_avx2 = {
    .name = "avx2",
    .available = has_avx2,
    .unit = 2,
    .block = BLOCK,
    .tile = SIM_MAX_TILE,
    .dot = dot,
    .depthwise = depthwise,
    .post = post,
};

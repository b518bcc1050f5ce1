/* Rows first: each output row is a weighted sum of source rows, then each of its pixels a weighted sum along the row.
 * So nothing larger than a row of the source is kept. */
#include "compiler/data/resample.h"

#include "compiler/base/cpu.h"

#include <math.h>

/* What of an axis of the source makes up one position of the output. */
struct tap {
    int first, n;
    const float *weight; /* [n], their sum is 1 */
};

static struct tap make_mean(double start, double scale, int size, float *weight)
{
    const double end = start + scale;
    struct tap tap = {.first = (int)start, .weight = weight};
    for (int i = tap.first; i < size && i < end; i++) {
        const double covered = fmin(i + 1, end) - fmax(i, start);
        weight[tap.n++] = (float)(covered / scale);
    }
    return tap;
}

static struct tap make_linear(double position, int size, float *weight)
{
    const int left = (int)floor(position);
    struct tap tap = {.first = left, .n = 1, .weight = weight};
    weight[0] = 1.0f;
    if (left < 0) {
        tap.first = 0;
    } else if (left + 1 < size) {
        tap.n = 2;
        weight[1] = (float)(position - left);
        weight[0] = 1.0f - weight[1];
    }
    return tap;
}

static const struct tap *make_taps(int size, int to_size, struct arena *scratch)
{
    const double scale = (double)size / to_size;
    const size_t most = (size_t)scale + 3; /* an output covers up to that many pixels in whole or part */
    struct tap *taps = NCC_NEW(scratch, struct tap, to_size);
    for (int i = 0; i < to_size; i++) {
        float *weight = NCC_NEW(scratch, float, most);
        taps[i] =
            scale > 2 ? make_mean(i * scale, scale, size, weight) : make_linear((i + 0.5) * scale - 0.5, size, weight);
    }
    return taps;
}

NCC_FOR_EACH_CPU
static void sum_rows(const uint8_t *from, size_t row_size, const struct tap *tap, float *sum)
{
    for (size_t x = 0; x < row_size; x++)
        sum[x] = 0.0f;
    for (int k = 0; k < tap->n; k++) {
        const uint8_t *row = from + (size_t)(tap->first + k) * row_size;
#pragma omp simd
        for (size_t x = 0; x < row_size; x++)
            sum[x] += tap->weight[k] * (float)row[x];
    }
}

static uint8_t sum_pixels(const float *row, int channels, const struct tap *tap)
{
    float sum = 0.0f;
    for (int k = 0; k < tap->n; k++)
        sum += tap->weight[k] * row[(tap->first + k) * channels];
    return (uint8_t)fminf(255.0f, sum + 0.5f);
}

void ncc_resample(const uint8_t *from, int channels, int h, int w, uint8_t *to, int to_h, int to_w,
                  struct arena *scratch)
{
    const struct tap *down = make_taps(h, to_h, scratch), *along = make_taps(w, to_w, scratch);
    const size_t row_size = (size_t)w * (size_t)channels, plane = (size_t)to_h * (size_t)to_w;
    float *row = NCC_NEW(scratch, float, row_size);
    for (int y = 0; y < to_h; y++) {
        sum_rows(from, row_size, &down[y], row);
        for (int c = 0; c < channels; c++)
            for (int x = 0; x < to_w; x++)
                to[(size_t)c * plane + (size_t)y * (size_t)to_w + (size_t)x] = sum_pixels(row + c, channels, &along[x]);
    }
}

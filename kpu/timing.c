/* The throughput model of doc/kpu.md section 7: the array handles one 64-byte line for one pair of input channel group
 * and output channel per clock, whatever the kernel. */
#include "kpu/timing.h"

#include "kpu/layout.h"

/* Section 7.1, fitted to published measurements. Fixed parts hold interrupt and software of the v3 runtime. */
#define CONV3_EXTRA_ROWS 7.0     /* a strip of 3x3 takes this many clocks more than it has rows */
#define CONV1_EXTRA_ROWS 3.2     /* a strip of 1x1 */
#define CONV1_FIXED      16000.0 /* clocks of a 1x1 layer whatever its size */
#define DEPTHWISE_LINE   1.92    /* clocks per line of input */
#define DEPTHWISE_STRIP  31.0    /* clocks per strip */
#define DEPTHWISE_FIXED  2500.0
#define OUTPUT_LINE      4.2 /* clocks per 64-pixel line of output before the pool, per output channel */
#define LOAD_BYTES       3.3 /* bytes of weights per clock (section 7.2) */
#define LOAD_EXPOSED     0.42

static double max(double a, double b)
{
    return a > b ? a : b;
}

/* The next weights are loaded while the array works, but not all of the time: of the two the longer one counts, and of
 * the other a part that fades as it becomes small. This form meets every map size of the published table within 5
 * percent, from 4x4, where the load is nearly all, to 256x256, where it is not seen. */
static double overlapped(double load, double work)
{
    const double more = max(load, work), less = load + work - more;
    return more + LOAD_EXPOSED * less * less / more;
}

double ncc_kpu_layer_clocks(const struct ncc_kpu_shape *s, int weight_size)
{
    const int row_lines = ncc_kpu_layout_of(s->in_w).row_lines;
    const double strips = (double)row_lines * ncc_kpu_groups(s->in_c, s->in_w);
    const double load = (double)ncc_kpu_n_weights(s) * weight_size / LOAD_BYTES;
    if (s->depthwise)
        return max(DEPTHWISE_LINE * strips * s->in_h + DEPTHWISE_STRIP * strips + DEPTHWISE_FIXED, load);

    const double pairs = strips * s->out_c;
    const double conv =
        s->kernel == 3 ? pairs * (s->in_h + CONV3_EXTRA_ROWS) : pairs * (s->in_h + CONV1_EXTRA_ROWS) + CONV1_FIXED;
    return overlapped(load, max(conv, OUTPUT_LINE * row_lines * s->in_h * s->out_c));
}

/* Section 7.3. The v3 runtime's fixed part is inside the fits above; its uploads and downloads go by DMA where they
 * can. The v4 runtime adds 5 000 to 10 000 clocks per layer. Those of this repository's runtime are estimates: it moves
 * eight bytes where the v4 runtime moves one, and an access to uncached KPU RAM costs the same whatever its width. */
static const struct ncc_kpu_costs costs[NCC_KPU_RUNTIMES] = {
    [NCC_KPU_RUNTIME_V4] = {"v4", 7500, 66, 1.42, 87},
    [NCC_KPU_RUNTIME_V3] = {"v3", 0, 66, 1.42, 12},
    [NCC_KPU_RUNTIME_NCC] = {"ncc", 5000, 8.3, 8.3, 11},
};

const struct ncc_kpu_costs *ncc_kpu_costs(enum ncc_kpu_runtime runtime)
{
    return &costs[runtime];
}

double ncc_kpu_layer_us(const struct ncc_kpu_shape *s, enum ncc_kpu_runtime runtime)
{
    return (ncc_kpu_layer_clocks(s, 1) + costs[runtime].layer_clocks) / (NCC_KPU_CLOCK_HZ * 1e-6);
}

double ncc_kpu_upload_us(int c, int h, int w, enum ncc_kpu_runtime runtime)
{
    const struct ncc_kpu_costs *k = &costs[runtime];
    const double ns = w % NCC_KPU_LINE_SIZE == 0 ? k->upload_aligned_ns : k->upload_ns;
    return 1e-3 * ns * c * h * w;
}

double ncc_kpu_download_us(int c, int h, int w, enum ncc_kpu_runtime runtime)
{
    return 1e-3 * costs[runtime].download_ns * c * h * w;
}

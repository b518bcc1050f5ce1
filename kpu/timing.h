/* How long the chip takes (doc/kpu.md section 7): estimates from published measurements, good to a few percent for
 * most layers. Nothing here affects results. */
#ifndef NCC_KPU_TIMING_H
#define NCC_KPU_TIMING_H

#include "kpu/layer.h"

#define NCC_KPU_CLOCK_HZ     400e6 /* KPU clock of the vendor's demos */
#define NCC_KPU_CPU_CLOCK_HZ 400e6

/* Whose program drives the KPU. */
enum ncc_kpu_runtime {
    NCC_KPU_RUNTIME_V4,  /* the vendor's kmodel v4 runtime, nncase v0.2 */
    NCC_KPU_RUNTIME_V3,  /* the vendor's kmodel v3 runtime, kpu.c */
    NCC_KPU_RUNTIME_NCC, /* the runtime in this repository */
    NCC_KPU_RUNTIMES
};

struct ncc_kpu_costs {
    const char *name;
    double layer_clocks;      /* per layer, besides ncc_kpu_layer_clocks */
    double upload_ns;         /* per byte into KPU RAM, width not a multiple of 64 */
    double upload_aligned_ns; /* per byte into KPU RAM, width a multiple of 64 */
    double download_ns;       /* per byte out of KPU RAM */
};

const struct ncc_kpu_costs *ncc_kpu_costs(enum ncc_kpu_runtime runtime);

/* KPU clocks of one layer without the runtime's overhead. The shape must pass ncc_kpu_shape_check; weight_size is 1, or
 * 2 for the 16-bit weights of some kmodels of version 3. */
double ncc_kpu_layer_clocks(const struct ncc_kpu_shape *s, int weight_size);

/* Microseconds of one layer with 8-bit weights, upload or download of a c x h x w tensor, at the clocks above. */
double ncc_kpu_layer_us(const struct ncc_kpu_shape *s, enum ncc_kpu_runtime runtime);
double ncc_kpu_upload_us(int c, int h, int w, enum ncc_kpu_runtime runtime);
double ncc_kpu_download_us(int c, int h, int w, enum ncc_kpu_runtime runtime);

#endif

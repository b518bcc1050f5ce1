/* The cost model: microseconds of anything on the K210 at 400 MHz, from kpu/timing.h (KPU, copies) and runtime/kernels.def
 * (instructions of CPU kernels). Estimates for choosing, not promises.
 */
#ifndef NCC_K210_COST_H
#define NCC_K210_COST_H

#include "compiler/ir/op.h"
#include "kpu/timing.h"

/* Clocks of an instruction of a CPU kernel (doc/cpu-cost.md: two kernels known both ways), and what an element of a binary
 * kernel takes when an operand is broadcast (runtime/kernels.def). */
#define NCC_COST_CLOCKS_PER_INSTRUCTION 2.1
#define NCC_COST_BROADCAST              175

/* Microseconds of `n` instructions. */
double ncc_cost_instructions_us(double n);

/* A canonical or lowered node run by CPU kernels; 0 for what costs nothing (reshape). */
double ncc_cost_cpu_us(const struct node *n);

/* A canonical node as KPU layers, if its inputs lie in KPU RAM already; canvases are taken to be as large as
 * the values. Unary nodes and pools that fuse into the layer before them cost nothing. */
double ncc_cost_kpu_us(const struct graph *g, const struct node *n, enum ncc_kpu_runtime runtime);

/* A kpu_conv or kpu_layer. */
double ncc_cost_layer_us(const struct node *n, enum ncc_kpu_runtime runtime);

/* Moving a value's map between the memories, with the conversion between float and codes where a float kernel is at
 * the other end. */
double ncc_cost_upload_us(const struct value *v, enum ncc_kpu_runtime runtime);
double ncc_cost_download_us(const struct value *v, enum ncc_kpu_runtime runtime);

#endif

/* The cost model: microseconds of anything on the K210 at 400 MHz, from kpu/timing.h (KPU, copies) and
 * runtime/kernels.def (instructions of CPU kernels). Estimates for choosing, not promises.
 */
#ifndef NCC_K210_COST_H
#define NCC_K210_COST_H

#include "compiler/ir/op.h"
#include "kpu/timing.h"

/* The kernels of runtime/kernels.def. */
enum cost_kernel {
#define NCC_KERNEL(name, instructions, per, source) COST_##name,
#define NCC_DEVICE_KERNEL(name, instructions, per, source)
#include "runtime/kernels.def"
#undef NCC_KERNEL
#undef NCC_DEVICE_KERNEL
    N_COST_KERNELS,
    COST_none = N_COST_KERNELS
};

/* What a kernel's time grows with: elements of the result or of the first operand, multiply-adds, elements under
 * windows, bytes of the result. */
enum cost_per { COST_PER_OUT, COST_PER_IN, COST_PER_MAC, COST_PER_TAP, COST_PER_BYTE };

/* Clocks of an instruction of a CPU kernel (doc/cpu-cost.md: two kernels known both ways). */
#define NCC_COST_CLOCKS_PER_INSTRUCTION 2.1

/* Instructions around the copy of one run in the concat kernel: estimated. */
#define NCC_COST_RUN_INSTRUCTIONS 40

/* Microseconds of `n` instructions. */
double ncc_cost_instructions_us(double n);

/* Instructions of a kernel for one unit of its work, as each runtime's kernels were compiled; `broadcast`: one operand
 * of a binary kernel is. 0 for COST_none. Of the v3 runtime, that of its kernel for the same work; where it has none,
 * the v4 runtime's.
 */
double ncc_cost_instructions(enum cost_kernel k, bool broadcast, enum ncc_kpu_runtime runtime);
enum cost_per ncc_cost_per(enum cost_kernel k);

/* A resize to the nearest pixel by whole factors, which cpu_forms.c writes as copies. */
bool ncc_cost_resize_copies(const struct node *n);

/* A canonical or lowered node run by CPU kernels; 0 for what costs nothing (reshape). */
double ncc_cost_cpu_us(const struct node *n, enum ncc_kpu_runtime runtime);

/* A kpu_conv or kpu_layer. */
double ncc_cost_layer_us(const struct node *n, enum ncc_kpu_runtime runtime);

/* A packed map of codes into KPU RAM: as it is by ncc_kpu_upload_us(), or with rows of whole lines, that are made of it in main
 * memory first (upload.c); INFINITY where there are none. */
double ncc_cost_lines_us(int c, int h, int w, enum ncc_kpu_runtime runtime);
/* An input of codes, by the quicker way; the second needs room in main memory. */
double ncc_cost_input_us(const struct value *v, bool with_room, enum ncc_kpu_runtime runtime);

/* Moving a value's map between the memories, with the conversion between float and codes where a float kernel is at
 * the other end. */
double ncc_cost_upload_us(const struct value *v, enum ncc_kpu_runtime runtime);
double ncc_cost_download_us(const struct value *v, enum ncc_kpu_runtime runtime);

#endif

/* What the KPU can and cannot do, as numbers. The right-hand column gives the source in doc/kpu.md. */
#ifndef NCC_KPU_LIMITS_H
#define NCC_KPU_LIMITS_H

/* Memory (section 1). */
#define NCC_KPU_LINE_SIZE 64                                     /* bytes of a line, the unit of addresses */
#define NCC_KPU_RAM_SIZE  (2 * 1024 * 1024)                      /* bytes of KPU RAM */
#define NCC_KPU_RAM_LINES (NCC_KPU_RAM_SIZE / NCC_KPU_LINE_SIZE) /* 32 768 */
#define NCC_KPU_MAIN_SIZE (6 * 1024 * 1024)                      /* bytes of general SRAM */

/* Shapes (section 9). A released compiler stays within the first of two limits; the fields go up to the second,
 * which nobody has published a layer for. */
#define NCC_KPU_MAX_C         1024 /* 10-bit minus-one fields */
#define NCC_KPU_MIN_W         4    /* smallest published map; the FAQ of the vendor's compiler */
#define NCC_KPU_MIN_H         4
#define NCC_KPU_MAX_W         512 /* "256x512 HxW is the hardware restriction" */
#define NCC_KPU_MAX_H         256
#define NCC_KPU_FIELD_MAX_W   960   /* row_switch_addr has 4 bits: 15 lines */
#define NCC_KPU_FIELD_MAX_H   512   /* i_col_high has 9 bits */
#define NCC_KPU_MAX_SWITCH    32767 /* rl * H: channel_switch_addr has 15 bits, more than any shape needs */
#define NCC_KPU_MAX_DMA_PLANE 65536 /* W_o * H_o when the output is streamed: channel_byte_num has 16 bits */
#define NCC_KPU_DMA_BURST     15    /* dma_burst_size in every file (section 2, word 4) */

/* Weights (section 2.1). */
#define NCC_KPU_MAX_LOADS   64          /* load_time has 6 bits */
#define NCC_KPU_LOAD_SIZE_1 (30 * 1024) /* bytes of one load, 8-bit weights */
#define NCC_KPU_LOAD_SIZE_2 (60 * 1024) /* bytes of one load, 16-bit weights */

/* Alignment of parameters in general SRAM (section 4). The activation table must, the others usually are. */
#define NCC_KPU_ACT_ALIGN      256
#define NCC_KPU_PARAM_ALIGN    256 /* weights and batch-norm words, v4 files */
#define NCC_KPU_PARAM_ALIGN_V3 128

/* Arithmetic (sections 4.2, 4.3 and 5). */
#define NCC_KPU_ACC_BITS         36  /* accumulator and batch-norm output, signed */
#define NCC_KPU_MUL_BITS         24  /* norm_mul, signed field */
#define NCC_KPU_MUL_BITS_SAFE    22  /* the vendor's compilers keep abs(norm_mul) < 2^21 */
#define NCC_KPU_ADD_BITS         32  /* norm_add, signed */
#define NCC_KPU_MAX_BN_SHIFT     15  /* norm_shift has 4 bits */
#define NCC_KPU_SEGMENTS         16  /* of the activation table */
#define NCC_KPU_TABLE_SIZE       144 /* bytes of the activation table */
#define NCC_KPU_Y_MUL_BITS       16  /* slope of a segment, signed */
#define NCC_KPU_MAX_ACT_SHIFT    43  /* largest shift of a segment: in v5 files and in the vendor's comments */
#define NCC_KPU_ACT_SHIFT_SAFE   31  /* largest that all simulators of the field compute: some halve in 32 bits */
#define NCC_KPU_ARG_BITS         24  /* arg_x, arg_w, signed */
#define NCC_KPU_ARG_ADD_BITS     40  /* arg_add, signed */

#endif

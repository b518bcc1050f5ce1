/* Loops that the compiler vectorises, once for each kind of processor; the right one is chosen when the program is
 * loaded. The arithmetic is the same for all: no sums are reordered and nothing is contracted (-ffp-contract=off).
 *
 * With NCC_NO_AVX512 defined the widest kind is left out, here and in gemm_rows.c: to measure on a processor that has it
 * what others take (with OPENBLAS_CORETYPE=Haswell in the environment for the matrix library). */
#ifndef NCC_BASE_CPU_H
#define NCC_BASE_CPU_H

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#ifdef NCC_NO_AVX512
#define NCC_FOR_EACH_CPU __attribute__((target_clones("avx2", "default")))
#else
#define NCC_FOR_EACH_CPU __attribute__((target_clones("avx512f", "avx2", "default")))
#endif
#else
#define NCC_FOR_EACH_CPU
#endif

#endif

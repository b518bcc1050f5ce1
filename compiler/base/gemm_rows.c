/* Six rows at a time, since six sums with four registers each (or two, where there are 16 registers) and what they are
 * made of are what fits into the registers. Why not the matrix library: with 16 rows of 16 products each it takes twice as
 * long, as it copies both matrices first.
 */
#include "compiler/base/gemm_rows.h"

#include <stdbool.h>

enum { TILE_ROWS = 6 };

#define JOIN_NAMES(a, b) a##_##b
#define NAMES(a, b)      JOIN_NAMES(a, b)

#if defined(__x86_64__)
#include <immintrin.h>
#if !defined(NCC_NO_AVX512)
#define HAS_AVX512
#endif
#endif

#ifdef HAS_AVX512
#define NAME(x)      NAMES(x, avx512)
#define TARGET       __attribute__((target("avx512f")))
#define VEC          __m512
#define LANES        16
#define WIDE         4
#define SPLAT(x)     _mm512_set1_ps(x)
#define MULTIPLY_ADD _mm512_fmadd_ps
#include "compiler/base/gemm_tile.h"
#endif

#if defined(__x86_64__)
#define NAME(x)      NAMES(x, avx2)
#define TARGET       __attribute__((target("avx2,fma")))
#define VEC          __m256
#define LANES        8
#define WIDE         2
#define SPLAT(x)     _mm256_set1_ps(x)
#define MULTIPLY_ADD _mm256_fmadd_ps
#include "compiler/base/gemm_tile.h"
#endif

typedef float quad __attribute__((vector_size(16)));

#define NAME(x) NAMES(x, any)
#define TARGET
#define VEC                   quad
#define LANES                 4
#define WIDE                  2
#define SPLAT(x)              ((quad){x, x, x, x})
#define MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))
#include "compiler/base/gemm_tile.h"

void ncc_gemm_rows(const struct gemm_rows *g)
{
#ifdef HAS_AVX512
    if (__builtin_cpu_supports("avx512f")) {
        gemm_avx512(g);
        return;
    }
#endif
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        gemm_avx2(g);
        return;
    }
#endif
    gemm_any(g);
}

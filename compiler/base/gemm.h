/* Matrix products through CBLAS, kept single-threaded: parallelism is over images and
 * bands (parallel.h), so that results do not depend on the number of threads. */
#ifndef NCC_BASE_GEMM_H
#define NCC_BASE_GEMM_H

#include <stddef.h>

/* c[m][n] = a[m][k] * b[k][n] (+ c when accumulate), row-major, leading dimensions in elements. */
void ncc_gemm(int m, int n, int k, const float *a, int lda, const float *b, int ldb, float *c, int ldc, int accumulate);

#endif

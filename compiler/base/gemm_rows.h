/* Matrix products of few rows with many columns, as convolutions of few channels are.
 *
 *     c[m][i] = bias[m] + sum over k of a[m][k] * b[k][i]          i from 0 to n - 1
 *
 * The rows of b may lie anywhere, also over each other, so what a convolution reads need not be unfolded; and nothing
 * is packed, which takes a matrix library longer than the product does when there are only a few rows. Each sum is in
 * the order of k, with one rounding for each product and sum where the processor can do that: results do not depend on
 * m, n, or how wide its registers are.
 */
#ifndef NCC_BASE_GEMM_ROWS_H
#define NCC_BASE_GEMM_ROWS_H

#include <stdint.h>

/* Columns that there must be. */
enum { NCC_GEMM_LEAST_COLUMNS = 16 };

struct gemm_rows {
    int m, k;
    int64_t n;             /* NCC_GEMM_LEAST_COLUMNS or more */
    const float *a;        /* [m][k] */
    const float *const *b; /* [k]: where the row starts */
    const float *bias;     /* [m]; NULL: 0 */
    float *c;              /* no part of b */
    int64_t ldc;           /* from row to row, n or more */
};

void ncc_gemm_rows(const struct gemm_rows *g);

#endif

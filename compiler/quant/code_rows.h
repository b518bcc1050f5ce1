/* Rows of elements that share a scale: to codes and back, and how far they are off. Sums go over lanes side by side,
 * which are the same on every machine. */
#ifndef NCC_QUANT_CODE_ROWS_H
#define NCC_QUANT_CODE_ROWS_H

#include "compiler/ir/op.h"
#include "compiler/ops/codes.h"

/* Elements that share a scale in all of v: a channel, or all. */
int64_t ncc_code_run(const struct value *v);

/* The nearest codes, and what these stand for. */
void ncc_row_codes(struct code_pair s, const float *x, int64_t n, uint8_t *to);
void ncc_row_rounded(struct code_pair s, const float *x, int64_t n, float *to);

/* A row of a tensor, from element `at` on: what its codes stand for, or itself if it is of floats. At most NCC_ROW of
 * them. */
enum { NCC_ROW = 256 };
void ncc_row_reals(const struct tensor *t, struct code_pair s, int64_t at, int n, double *to);

/* Sums of squares: of x, and of the difference. */
double ncc_row_power(const float *x, int n);
double ncc_row_error(const double *got, const float *want, int n);

#endif

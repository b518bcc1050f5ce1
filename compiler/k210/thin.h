/* Every so many-th row or column of a map, taken by the KPU alone (thin_rows.c, thin_columns.c). */
#ifndef NCC_K210_THIN_H
#define NCC_K210_THIN_H

#include "compiler/k210/lower.h"

/* Those from `first` on of x's window, `count` of them, `step` apart. Channels stay where they are, and codes pass
 * unchanged. NULL, and why: it does not fit. Rows of canvases of at most 64 columns, columns of twice as many. */
struct value *ncc_lower_thin_rows(struct lowering *l, const char *name, struct value *x, int first, int step, int count,
                                  const char **why);
struct value *ncc_lower_thin_columns(struct lowering *l, const char *name, struct value *x, int first, int step,
                                     int count, const char **why);

/* May a map of so many columns be thinned like that? Rows by products of 2 and 3, columns by powers of 2, which come
 * first. */
bool ncc_lower_thins(int width, int row_step, int column_step);

#endif

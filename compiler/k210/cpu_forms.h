/* What the files of the CPU's forms share. */
#ifndef NCC_K210_CPU_FORMS_H
#define NCC_K210_CPU_FORMS_H

#include "compiler/pass/rewrite.h"

/* y takes n's place. */
void ncc_k210_replace(struct graph *g, struct node *n, struct value *y);
/* y under another shape; as it is if it has it already. */
struct value *ncc_k210_reshaped(struct graph *g, const struct node *n, struct value *y, struct shape to);

/* split -> slices. */
bool ncc_k210_split_to_slices(struct graph *g, struct node *n);

/* Elements in an order that exchanges two dimensions: order[i] = i % a * (n / a) + i / a. Returns a, or 0. */
int ncc_k210_exchanged(const int *order, int n);

/* Operators that only move elements: cpu_forms_move.c. */
extern const struct rewrite ncc_k210_moves[];
extern const int ncc_k210_n_moves;

/* Products of many matrices and over axes, choices, remainders: cpu_forms_math.c. */
extern const struct rewrite ncc_k210_computations[];
extern const int ncc_k210_n_computations;

/* Transpositions in a row, and in front of convolutions: cpu_forms_turned.c. */
extern const struct rewrite ncc_k210_turned[];
extern const int ncc_k210_n_turned;

#endif

/* A pass takes a graph that verifies and leaves one that verifies and means the same. */
#ifndef NCC_PASS_PASS_H
#define NCC_PASS_PASS_H

#include "compiler/ir/op.h"

struct pass {
    const char *name; /* --print-after NAME */
    const char *doc;
    /* False: reported in g->diags. What it allocates in `scratch` is gone when it returns. */
    bool (*run)(struct graph *g, struct arena *scratch);
};

/* The passes that make any imported graph canonical, in order; they know nothing of the chip. */
extern const struct pass ncc_pass_canonical[];
extern const int ncc_pass_n_canonical;

/* Of models that are quantised already. It comes before the others, and only for compiling: it drops the model's
 * roundings, which an evaluation of the source model keeps. */
extern const struct pass ncc_pass_ranges;

/* Inputs of integers that the model only casts to real numbers become inputs of real numbers; those of bytes with the
 * range of their 256 values. */
void ncc_pass_real_inputs(struct graph *g);

/* Gives the inputs that a quantised model reads as codes their known range; changes nothing else. */
void ncc_pass_known_inputs(struct graph *g);

#endif

/* Samples for an integer graph: those of the real graph, as codes where it takes codes. */
#ifndef NCC_QUANT_CODE_SAMPLES_H
#define NCC_QUANT_CODE_SAMPLES_H

#include "compiler/ir/eval.h"

struct code_samples {
    const struct graph *codes;
    struct samples real;
};

/* `s` must stay as long as they are used. */
struct samples ncc_code_samples(struct code_samples *s);

#endif

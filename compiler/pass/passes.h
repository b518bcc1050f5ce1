/* One entry per file of passes; pipeline.c puts them in order. */
#ifndef NCC_PASS_PASSES_H
#define NCC_PASS_PASSES_H

#include "compiler/pass/pass.h"

bool ncc_pass_fold(struct graph *g, struct arena *scratch);
bool ncc_pass_transposes(struct graph *g, struct arena *scratch);
bool ncc_pass_simplify(struct graph *g, struct arena *scratch);
bool ncc_pass_choices(struct graph *g, struct arena *scratch);
bool ncc_pass_activations(struct graph *g, struct arena *scratch);
bool ncc_pass_fuse_pad(struct graph *g, struct arena *scratch);
bool ncc_pass_fuse_affine(struct graph *g, struct arena *scratch);
bool ncc_pass_motion(struct graph *g, struct arena *scratch);
bool ncc_pass_known_ranges(struct graph *g, struct arena *scratch);

#define NCC_COUNT(set) ((int)(sizeof(set) / sizeof *(set)))

#endif

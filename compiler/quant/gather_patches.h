/* Gathering what the layers read (ir/patches.h) while the float graph runs on the samples. */
#ifndef NCC_QUANT_GATHER_PATCHES_H
#define NCC_QUANT_GATHER_PATCHES_H

#include "compiler/base/arena.h"
#include "compiler/ir/op.h"
#include "compiler/ir/patches.h"

/* Room for the patches of the kpu_conv nodes of g, smallest layers first, as long as rounding by them (two
 * multiply-adds per weight and point) stays within `budget` multiply-adds. `thorough`: several times as many points.
 * Layers that only copy get none. */
struct patch_table ncc_gather_prepare(const struct graph *g, int n_samples, double budget, bool thorough,
                                      struct arena *a);

/* Fills in what the readers of v take from it for this sample. Every sample writes points of its own, so it may be
 * called for several samples at once. */
void ncc_gather_add(const struct patch_table *table, int sample, const struct value *v, const struct tensor *t);

/* Centres the rows. */
void ncc_gather_finish(struct patch_table *table, const struct graph *g);

#endif

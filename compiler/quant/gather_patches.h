/* Gathering what the layers read (ir/patches.h) while the float graph runs on the samples. */
#ifndef NCC_QUANT_GATHER_PATCHES_H
#define NCC_QUANT_GATHER_PATCHES_H

#include "compiler/base/arena.h"
#include "compiler/ir/op.h"
#include "compiler/ir/patches.h"

/* Which layers gather how much. */
struct gather_options {
    double budget; /* multiply-adds for rounding weights by patches, two per weight and point */
    bool thorough; /* several times as many points for that */
    bool tables;   /* a few points for all other layers whose activation is curved, to fit its table */
};

/* Room for the patches of the kpu_conv nodes of g: as many points (256 to 1024, thorough 3072) as the budget covers for all
 * layers; where it does not cover 256, the smallest layers have them as long as it lasts. Layers that only
 * copy get none. */
struct patch_table ncc_gather_prepare(const struct graph *g, int n_samples, const struct gather_options *options,
                                      struct arena *a);

/* Fills in what the readers of v take from it for this sample. Every sample writes points of its own, so it may be
 * called for several samples at once. */
void ncc_gather_add(const struct patch_table *table, int sample, const struct value *v, const struct tensor *t);

/* Centres the rows. */
void ncc_gather_finish(struct patch_table *table, const struct graph *g);

#endif

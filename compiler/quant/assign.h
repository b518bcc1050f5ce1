/* Gives every float value of the lowered graph its range and its codes (value->range, value->quant), and canvases
 * their means (value->mean).
 *
 * Values that must have the same codes form a group: input and output of an operator that moves elements
 * (OP_SAME_QUANT) and of a kpu_conv with `copy`; all operands of a concat on the CPU whose result is uploaded. The
 * group's range is the union of what its sources need, a source being a member that no move inside the group made.
 * (So what a pad adds saturates if it lies outside of the range of the rest.)
 * A value whose quant is set already keeps it and gives it to its group; failing that, a known range does; else the
 * observation decides by `method`.
 *
 * kpu_concat puts channels of different origin side by side, and so its quant has one pair per channel, taken from its
 * inputs (unused slots take their input's). What reads it must be able to use that: a kpu_conv can, if the zero points
 * are equal or only centre taps are used (its pad has one code); kpu_concat, kpu_slice, kpu_recanvas and copies hand it
 * on. Where a reader cannot, the inputs become one group.
 *
 * Where only layers read the result of a layer, its channels may have scales of their own (by_channel.h), unless it
 * has to share its codes with other values.
 *
 * Afterwards every f32 value that is not constant has quant.n_channels > 0. Values without any observation (dead
 * branches, no samples) get 0..1 and a warning. Call it again after changes to the graph: quants that it set itself
 * count as given then.
 */
#ifndef NCC_QUANT_ASSIGN_H
#define NCC_QUANT_ASSIGN_H

#include "compiler/quant/range.h"

/* What has scales that are chosen for several values together (joint_scales.c); a set. */
enum joint_scales {
    JOINT_CONCAT = 1 << 0, /* parts of a concatenation that need one zero point: scales of their own, not one quant */
    JOINT_SUM = 1 << 1,    /* operands of sums, so that their weights are whole codes */
};

struct assign_options {
    enum range_method method;
    unsigned joint;  /* set of enum joint_scales */
    bool reach_seen; /* scales of channels follow from the extremes that were seen (by_channel.h), as they do with all methods
                        but RANGE_AUTO; reach.h is left out */
};

/* What stays is allocated from the graph's arena. False: an error was reported. */
bool ncc_quant_assign(struct graph *g, const struct observations *seen, const struct assign_options *options,
                      struct arena *scratch);

#endif

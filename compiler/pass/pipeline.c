/* The way to the canonical form.
 *
 * Transposes come first, since what they separate belongs together: patterns of element-wise
 * operators are recognised, and constants folded into weights, once nothing stands between.
 */
#include "compiler/pass/pass.h"
#include "compiler/pass/passes.h"

const struct pass ncc_pass_ranges = {"known_ranges", "makes ranges and clips of what a quantised model rounds to",
                                     ncc_pass_known_ranges};

const struct pass ncc_pass_canonical[] = {
    {"fold", "computes what is constant, removes what does nothing, merges what is done twice", ncc_pass_fold},
    {"transposes", "moves transposes and reshapes out of the way", ncc_pass_transposes},
    {"simplify", "writes arithmetic in one way; finds softmax, sigmoid, means", ncc_pass_simplify},
    {"choices", "finds functions that are written in parts; makes arithmetic of other choices", ncc_pass_choices},
    {"activations", "finds ReLU and its kin, clips, hard-swish", ncc_pass_activations},
    {"fuse_pad", "takes zero pads into convolutions", ncc_pass_fuse_pad},
    {"fuse_affine", "takes scales and shifts into weights and biases", ncc_pass_fuse_affine},
    {"motion", "moves activations above max pools, towards the convolution", ncc_pass_motion},
    {"tidy", "folds what the passes before have left", ncc_pass_fold},
};
const int ncc_pass_n_canonical = NCC_COUNT(ncc_pass_canonical);

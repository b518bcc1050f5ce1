/* A model as a list of operators over numbered tensors: as much as every importer knows of one, whatever the format.
 * From it the user is told how to cut off what is not supported.
 *
 * An importer that has refused operators fills this in and calls
 *
 *     ncc_outline_suggest_cuts(&outline, path, arena, diags);
 *
 * which adds a note: the tensors to name with --input-tensor and --output-tensor so that everything refused lies
 * outside, and how much of the model is left. Operators that are refused near the inputs are taken for a head, those near
 * the outputs for a tail: each is cut on the side where less is lost. No note when less than half would be left.
 *
 * Every operator that is not supported gets an error of its own before, with ncc_outline_refuse or in the same form.
 */
#ifndef NCC_IMPORT_OUTLINE_H
#define NCC_IMPORT_OUTLINE_H

#include "compiler/base/diag.h"

#include <stdbool.h>

struct outline_op {
    const char *name, *op; /* of this node; of its kind, in the format's own words */
    const int *in, *out;   /* tensor numbers; -1: absent */
    int n_in, n_out;
    bool is_refused;
    bool reads_shapes; /* of its inputs, and nothing else: they need not become outputs when it is cut off */
};

struct outline {
    const struct outline_op *ops; /* that are needed for the outputs, in an order in which they can run */
    int n_ops;
    const char *const *tensor_names; /* [n_tensors] */
    const bool *is_constant;         /* [n_tensors] */
    int n_tensors;
    const int *inputs, *outputs; /* tensor numbers, as cut so far */
    int n_inputs, n_outputs;
};

/* What to do about an operator that is refused, where nothing better is known. */
extern const char *const ncc_outline_remedy;

void ncc_outline_suggest_cuts(const struct outline *o, const char *file, struct arena *arena, struct diags *d);

/* "did you mean 'conv_3'?" with that of n names that is most like `name`; where none is, how to find them. */
const char *ncc_outline_did_you_mean(const char *name, const char *const *names, int n, struct arena *arena);

/* The error for an operator that is not known at all. `shapes` as in "1x16x16x3, 8 -> 1x16x16x8", or NULL. */
void ncc_outline_refuse(const struct outline_op *op, const char *file, const char *shapes, struct diags *d);

#endif

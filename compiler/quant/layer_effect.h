/* What each layer of an integer graph, alone, does to the outputs.
 *
 *     real graph     x -> layer -> y -> all that depends on it -> output
 *     carried on     codes(x) -> integer layer -> y' -> the same in real numbers -> output'
 *
 *     noise of an output = |output' - output|^2 / |output|^2, mean over the samples
 *
 * A layer may err much and do little, as what reads it gives it little weight, and the other way round. Outputs that a
 * softmax makes are compared in front of it, as everywhere.
 *
 * Each layer takes a run of what lies behind it: all of them about half as many runs of the real graph as there are
 * layers. So samples are few, evenly spread, as a budget allows. Layers run in parallel; results do not depend on the
 * number of threads.
 */
#ifndef NCC_QUANT_LAYER_EFFECT_H
#define NCC_QUANT_LAYER_EFFECT_H

#include "compiler/ir/eval.h"

/* In multiply-adds; an element that a node makes counts as a few. */
struct effect_budget {
    double all;  /* for all samples: as many run as it allows, at least 1 */
    double most; /* if one sample takes more, none runs */
};

struct layer_effects {
    /* [layer * n_outputs + output], layers as in struct layer_errors. 0: not changed. NAN: nothing can be told, as an
     * input or the result has no counterpart in the real graph, or the output is 0 in all samples. */
    double *noise;
    int n_layers, n_outputs;
    int n_samples; /* that ran; 0: a sample takes more than the budget's most, and noise is NULL */
    double work;   /* of a sample */
};

/* `samples` are for the real graph. False: feed said so, or no memory (reported). `out` lives in `arena`. */
bool ncc_quant_layer_effects(const struct graph *real, const struct graph *codes, const struct samples *samples,
                             struct effect_budget budget, bool quiet, struct arena *arena, struct layer_effects *out);

/* The output that a layer costs most: its index, -1 when nothing can be told of the layer. */
int ncc_layer_effect_worst(const struct layer_effects *e, int layer);
/* Signal to noise of an output in dB: INFINITY where the layer changes nothing, NAN where nothing can be told. */
double ncc_layer_effect_db(const struct layer_effects *e, int layer, int output);
/* What the layer does to an output as a share of what all layers do, one by one: 0..1, NAN where nothing can be told.
 */
double ncc_layer_effect_share(const struct layer_effects *e, int layer, int output);

#endif

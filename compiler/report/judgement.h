/* A kmodel held against its source model, for people and programs: what judge.c measured. */
#ifndef NCC_REPORT_JUDGEMENT_H
#define NCC_REPORT_JUDGEMENT_H

#include "compiler/base/arena.h"
#include "compiler/ir/type.h"

#include <stdio.h>

/* An output of the kmodel against that of the source model, over all samples. */
struct judged_output {
    const char *name;
    struct shape shape;
    double mean_cosine, worst_cosine; /* of the samples */
    const char *worst_sample;
    double sqnr_db;   /* over all samples together, in front of a softmax that makes the output; INFINITY: equal */
    double sqnr_error_db; /* its standard error, from how much the samples differ */
    double max_error; /* largest difference */
    double scale;     /* largest value of the source model */
    double agreement; /* percent of samples with the same largest element; below 0: the output is no vector */
};

/* A layer alone and behind all others (quant/layer_error.h), and what it alone does to the outputs
 * (quant/layer_effect.h). Decibels may be INFINITY, or NAN where they cannot be told. */
struct judged_layer {
    const char *name, *origin, *op;
    double own_db, total_db;
    const double *outputs_db;   /* [output]; NULL: not measured */
    int worst_output;           /* that it costs most; -1: nothing can be told */
    double share;               /* percent of what all layers, one by one, do to that output */
    double input_db, output_db; /* if only the inputs, or only the result, were rounded to codes */
    double clipped;             /* percent of the results beyond the codes' ends */
    double used;                /* share of the range that holds 99.9 % of the results, 0..1 */
    int n_channels, n_silent;
    const char *reason; /* or NULL */
};

/* The kmodel that another set of steps gives: mean of the outputs' signal to noise, NAN when there is none. */
struct judged_gain {
    const char *option;
    double db;
};

struct judgement {
    const char *model, *kmodel, *data_text;
    int n_samples;
    struct {
        struct judged_output *v;
        int n, cap;
    } outputs;
    int n_labelled;          /* samples that have a label; 0: no labels */
    double float_top1, top1; /* percent, of the labelled samples */
    struct {
        struct judged_layer *v;
        int n, cap;
    } layers;
    int n_layer_samples, n_effect_samples; /* the second: of outputs_db; 0: it is left out */
    const char *no_effects;                /* why, or NULL */
    struct {
        struct judged_gain *v;
        int n, cap;
    } gains;               /* the first: as given; empty: not asked for */
    const char *no_layers; /* why there are none, or NULL */
};

/* Of the output that the layer costs most, NAN where nothing is known. */
double ncc_judged_outputs_db(const struct judged_layer *l);

/* The layers to look at first, at most n: indices of those that cost an output most; where that is not known, of those
 * with the least own_db. Only layers with a reason. Returns how many. */
int ncc_judgement_worst(const struct judgement *j, int *index, int n);

void ncc_judgement_text(const struct judgement *j, FILE *out);
/* One JSON object (ncc(1) lists its members). The text is in the arena. */
char *ncc_judgement_json(const struct judgement *j, struct arena *a);
/* A page: a plot of all layers, those that cost the outputs most with the likely reason, and all figures. In the arena.
 */
char *ncc_judgement_html(const struct judgement *j, struct arena *a);

#endif

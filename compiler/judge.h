/* Judging, inside: what the parts of ncc_judge share. judge.c has the steps, judge_run.c runs the kmodel, judge_gains.c
 * compares sets of steps. */
#ifndef NCC_COMPILER_JUDGE_H
#define NCC_COMPILER_JUDGE_H

#include "compiler/base/progress.h"
#include "compiler/report/judgement.h"
#include "compiler/steps.h"

#include <ncc/runtime.h>
#include <ncc/sim.h>

/* What a thread runs the kmodel with. */
struct runner {
    struct ncc_sim *sim;
    struct ncc_model model;
    void *work;
    void **inputs; /* [input] */
    float *result;           /* of the largest output */
    float *logits[2];        /* the same: of the source model and of the kmodel */
};

/* Of one output of one sample. */
struct measured {
    double cosine, max_error, largest;
    double signal, noise; /* in front of the softmax, where one makes the output */
    int want_class, got_class;
};

/* The steps take the compilation only; what else judging needs comes right behind it. */
struct judging {
    struct compilation c;
    struct ncc_compile_options options; /* of c: its samples are those to judge by */
    const struct ncc_judge_options *judge;
    struct bytes kmodel;
    struct ncc_compile_options again_options;
    struct compilation again;     /* the compilation done once more */
    struct ncc_quant_steps steps; /* of that one */
    bool again_open, compiled, same_bytes;
    struct runner *runners;    /* [thread] */
    const char *failure;       /* of a run: the device's text */
    struct measured *measured; /* [sample][output] */
    struct progress progress;
    struct judgement result;
};

/* Steps; the compilation is the first member of a struct judging. */
bool ncc_judge_open(struct compilation *c);         /* the kmodel from its file */
bool ncc_judge_open_runners(struct compilation *c); /* for j->kmodel */
bool ncc_judge_recompile(struct compilation *c);    /* with j->steps, into j->again */
bool ncc_judge_run(struct compilation *c);          /* all samples: fills j->measured */
bool ncc_judge_gains(struct compilation *c);

/* What was measured of output k. */
struct judged_output ncc_judge_output(const struct judging *j, int k);
void ncc_judge_close(struct judging *j);

#endif

/* The compiler on one screen. */
#include "compiler/compilation.h"
#include "compiler/emit/emit.h"
#include "compiler/steps.h"

const struct step ncc_compile_steps[] = {
    /* name, step, means the same in real numbers */
    {"import", ncc_step_import, true},        /* model file -> graph */
    {"ranges", ncc_step_ranges, true},        /* those of a model that is quantised already */
    {"canonical", ncc_step_canonical, true},  /* one way to write everything */
    {"weights", ncc_step_weights, true},      /* could they ever fit the board's RAM? */
    {"samples", ncc_step_samples, true},      /* find and read the sample inputs */
    {"equalise", ncc_step_equalise, true},    /* few channels become more; channels share their tensor's codes evenly */
    {"legalise", ncc_step_legalise, true},    /* forms that suit the KPU */
    {"lower", ncc_step_lower, true},          /* KPU or CPU by estimated time, layers on canvases, copies */
    {"observe", ncc_step_observe, true},      /* which values occur */
    {"quantise", ncc_step_quantise, true},    /* ranges and scales */
    {"integers", ncc_step_integers, false},   /* codes, batch-norm words, tables */
    {"precision", ncc_step_precision, false}, /* how near to the real graph; --min-sqnr */
    {"plan", ncc_step_plan, false},           /* order, addresses */
    {"emit", ncc_step_emit, false},           /* kmodel */
    {"summarise", ncc_step_summarise, false}, /* sizes, times, why */
    {"budget", ncc_step_budget, false},       /* does it fit the board's RAM? */
    {"write", ncc_step_write, false},         /* the file */
    {"report", ncc_step_report, false},
};

const int ncc_compile_n_steps = sizeof ncc_compile_steps / sizeof ncc_compile_steps[0];

enum ncc_exit ncc_compile(const struct ncc_compile_options *options, FILE *out, FILE *err)
{
    struct compilation c;
    ncc_compilation_open(&c, options, out, err);
    const enum ncc_exit e = ncc_compilation_run(&c, ncc_compile_steps, ncc_compile_n_steps);
    ncc_compilation_close(&c);
    return e;
}

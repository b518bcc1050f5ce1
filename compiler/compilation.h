/* One compilation: what its steps share, and the runner that carries them out.
 *
 * compile.c lists the steps. Everything that belongs to every step (timing, progress, printing, verification) is
 * the runner's business.
 */
#ifndef NCC_COMPILER_COMPILATION_H
#define NCC_COMPILER_COMPILATION_H

#include "compiler/data/dataset.h"
#include "compiler/ir/eval.h"
#include "compiler/ir/graph.h"
#include "compiler/k210/k210.h"
#include "compiler/plan/plan.h"
#include "compiler/quant/assign.h"
#include "compiler/report/report.h"

#include <ncc/compiler.h>

struct compilation {
    const struct ncc_compile_options *options;
    FILE *out, *err;
    struct exit exit;
    struct arena arena;    /* lives as long as the compilation */
    struct arena scratch;  /* emptied after every step */
    struct arena older;    /* likewise: of the round before, in steps that go on in rounds */
    struct diags diags;
    struct graph *graph;
    const struct source_node *sources; /* the nodes of the source model, n_sources */
    int n_sources;
    struct graph *source;  /* as imported and made canonical, for the report and for verification */
    bool has_ranges;       /* the model is quantised: it brings its ranges */
    struct k210_options k210;
    struct dataset data;
    const char *data_text; /* one line about the samples */
    float **samples;       /* [sample * n_inputs + input], decoded once; NULL: too many, decoded when needed */
    bool made_up;          /* the samples are not real (made_up.h) */
    bool trying;           /* only to see whether it fits (what_fits.h) */
    bool evaluating;       /* the samples are to be run, not to calibrate with */
    struct observations seen;
    struct graph *canonical; /* before the forms that suit the KPU */
    struct graph *legal;   /* before it was lowered; kept for --min-sqnr, else NULL */
    struct graph *real;    /* the lowered graph with its quants, before it became integers */
    struct plan plan;
    struct bytes file;     /* the kmodel */
    struct report report;
    atomic_llong n_made;   /* values that lowering made so far (k210.h) */
};

/* A step: false when it failed, with a diagnostic. */
struct step {
    const char *name; /* for --print-after, --verbose, and messages */
    bool (*run)(struct compilation *c);
    bool same_meaning; /* the graph afterwards computes what the source computes, in real numbers */
};

/* Runs the steps in order until one fails; prints all diagnostics to c->err. The graph is verified after each. */
enum ncc_exit ncc_compilation_run(struct compilation *c, const struct step *steps, int n);

/* The place of a diagnostic that is about the model as a whole. */
struct place ncc_whole_model(const struct compilation *c);

/* Sets up everything but the graph. Release with ncc_compilation_close, also after a failure. */
void ncc_compilation_open(struct compilation *c, const struct ncc_compile_options *options, FILE *out, FILE *err);
void ncc_compilation_close(struct compilation *c);

/* Its samples, all of them. */
struct samples ncc_compilation_samples(const struct compilation *c);

#endif

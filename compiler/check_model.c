/* ncc_check: what will run where, without samples and without a kmodel. */
#include "compiler/steps.h"

static bool place_and_print(struct compilation *c)
{
    if (!ncc_k210_place(c->graph, &c->k210, &c->scratch))
        return false;
    const struct placement p = {c->graph, c->options->model, c->k210.runtime};
    ncc_report_placement(&p, c->options->json, c->out);
    return true;
}

static const struct step steps[] = {
    {"import", ncc_step_import, true},
    {"ranges", ncc_step_ranges, true},
    {"canonical", ncc_step_canonical, true},
    {"legalise", ncc_step_legalise, true},
    {"place", place_and_print, true},
};

enum ncc_exit ncc_check(const struct ncc_compile_options *options, FILE *out, FILE *err)
{
    struct compilation c;
    ncc_compilation_open(&c, options, out, err);
    const enum ncc_exit e = ncc_compilation_run(&c, steps, sizeof steps / sizeof steps[0]);
    ncc_compilation_close(&c);
    return e;
}

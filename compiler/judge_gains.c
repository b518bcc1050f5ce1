/* What each step of quantisation gains: the model is compiled again without it, and judged on the same samples. */
#include "compiler/judge.h"

#include <math.h>
#include <stdlib.h>

/* The variant's kmodel is the one to be run. */
static bool adopt(struct compilation *c)
{
    struct judging *j = (struct judging *)c;
    if (!j->compiled)
        return false;
    j->kmodel = j->again.file;
    j->same_bytes = true;
    return ncc_judge_open_runners(c);
}

static bool sum_up(struct compilation *c)
{
    struct judging *j = (struct judging *)c;
    for (int k = 0; k < c->graph->outputs.n; k++)
        NCC_PUSH(&c->arena, &j->result.outputs, ncc_judge_output(j, k));
    return true;
}

/* Mean signal to noise over the outputs in dB of what these steps compile to; equal outputs count as 100. NAN: it does
 * not compile. */
static double variant_db(const struct judging *j, struct ncc_quant_steps steps)
{
    static const struct step variant[] = {
        {"import", ncc_step_import, true},
        {"canonical", ncc_step_canonical, true},
        {"samples", ncc_step_samples, true},
        {"recompile", ncc_judge_recompile, true},
        {"adopt", adopt, true},
        {"run", ncc_judge_run, true},
        {"sum", sum_up, true},
    };
    struct judging v = {.options = j->options, .judge = j->judge, .steps = steps};
    char *messages = NULL;
    size_t size = 0;
    FILE *nowhere = open_memstream(&messages, &size);
    if (!nowhere)
        return NAN;
    v.options.quiet = true;
    v.options.verbose = false;
    ncc_compilation_open(&v.c, &v.options, nowhere, nowhere);
    v.c.evaluating = true;
    double db = 0;
    if (ncc_compilation_run(&v.c, variant, sizeof variant / sizeof variant[0]) != NCC_EXIT_DONE)
        db = NAN;
    for (int k = 0; k < v.result.outputs.n; k++)
        db += fmin(v.result.outputs.v[k].sqnr_db, 100) / v.result.outputs.n;
    ncc_judge_close(&v);
    fclose(nowhere);
    free(messages);
    return db;
}

bool ncc_judge_gains(struct compilation *c)
{
    struct judging *j = (struct judging *)c;
    const struct ncc_quant_steps own = j->options.steps;
    struct ncc_quant_steps slices = own, equalise = own, channels = own, bias = own, tables = own, nearest = own, thorough = own;
    slices.no_slices = equalise.no_equalise = channels.no_channel_scales = bias.no_bias_correction = true;
    tables.no_fitted_tables = true;
    nearest.rounding = NCC_ROUNDING_NONE;
    thorough.rounding = NCC_ROUNDING_THOROUGH;
    const struct {
        const char *option;
        struct ncc_quant_steps steps;
    } rows[] = {
        {"as given", own},
        {"--no-slices", slices},
        {"--no-equalise", equalise},
        {"--no-channel-scales", channels},
        {"--no-bias-correction", bias},
        {"--no-fitted-tables", tables},
        {"--adaptive-rounding none", nearest},
        {"--adaptive-rounding thorough", thorough},
    };
    for (size_t i = 0; j->judge->gains && i < sizeof rows / sizeof rows[0]; i++) {
        const struct judged_gain gain = {rows[i].option, variant_db(j, rows[i].steps)};
        NCC_PUSH(&c->arena, &j->result.gains, gain);
    }
    return true;
}

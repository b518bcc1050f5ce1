/* What each step of quantisation gains: the model is compiled again without it, and judged on the same samples. */
#include "compiler/judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The variant's kmodel is the one to be run. */
static bool adopt(struct compilation *c)
{
    struct judging *j = (struct judging *)c;
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

static bool compile_variant(struct judging *v)
{
    static const struct step steps[] = {
        {"import", ncc_step_import, true},
        {"canonical", ncc_step_canonical, true},
        {"samples", ncc_step_samples, true},
        {"recompile", ncc_judge_recompile, true},
    };
    return ncc_compilation_run(&v->c, steps, sizeof steps / sizeof steps[0]) == NCC_EXIT_DONE && v->compiled;
}

/* Mean signal to noise over the outputs in dB; equal outputs count as 100. NAN: it cannot be run. */
static double run_variant(struct judging *v)
{
    static const struct step steps[] = {
        {"adopt", adopt, true},
        {"run", ncc_judge_run, true},
        {"sum", sum_up, true},
    };
    if (ncc_compilation_run(&v->c, steps, sizeof steps / sizeof steps[0]) != NCC_EXIT_DONE)
        return NAN;
    double db = 0;
    for (int k = 0; k < v->result.outputs.n; k++)
        db += fmin(v->result.outputs.v[k].sqnr_db, 100) / v->result.outputs.n;
    return db;
}

static bool same_file(struct bytes a, struct bytes b)
{
    return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

/* What these steps compile to, as run_variant tells. Where the kmodel is that of j's own steps, it is as_given, unless
 * that is NAN. */
static double variant_db(const struct judging *j, struct ncc_quant_steps steps, double as_given)
{
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
    double db = NAN;
    if (compile_variant(&v))
        db = !isnan(as_given) && same_file(v.again.file, j->again.file) ? as_given : run_variant(&v);
    ncc_judge_close(&v);
    fclose(nowhere);
    free(messages);
    return db;
}

struct variant {
    const char *option;
    struct ncc_quant_steps steps;
};

/* Fills v[0..]; returns how many there are. */
enum { MAX_VARIANTS = 32 };
static int list_variants(struct ncc_quant_steps own, struct variant *v)
{
    static const struct {
        const char *option;
        unsigned kind;
    } kinds[] = {
        {"--equalise no-relu", NCC_EQUALISE_RELU},         {"--equalise no-depthwise", NCC_EQUALISE_DEPTHWISE},
        {"--equalise no-prelu", NCC_EQUALISE_PRELU},       {"--equalise no-pool", NCC_EQUALISE_POOL},
        {"--equalise no-sum", NCC_EQUALISE_SUM},           {"--equalise no-concat", NCC_EQUALISE_CONCAT},
        {"--equalise no-readers", NCC_EQUALISE_READERS},
    };
    struct ncc_quant_steps slices = own, equalise = own, channels = own, joint = own, bias = own, truncation = own, tables = own, nearest = own, thorough = own;
    slices.no_slices = channels.no_channel_scales = bias.no_bias_correction = tables.no_fitted_tables = true;
    joint.no_joint_scales = true;
    truncation.no_truncation_correction = true;
    equalise.equalise = 0;
    nearest.rounding = NCC_ROUNDING_NONE;
    thorough.rounding = NCC_ROUNDING_THOROUGH;
    int n = 0;
    v[n++] = (struct variant){"as given", own};
    v[n++] = (struct variant){"--no-slices", slices};
    v[n++] = (struct variant){"--no-equalise", equalise};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        v[n] = (struct variant){kinds[i].option, own};
        v[n++].steps.equalise &= ~kinds[i].kind;
    }
    v[n++] = (struct variant){"--no-channel-scales", channels};
    v[n++] = (struct variant){"--no-joint-scales", joint};
    v[n++] = (struct variant){"--no-bias-correction", bias};
    v[n++] = (struct variant){"--no-truncation-correction", truncation};
    v[n++] = (struct variant){"--no-fitted-tables", tables};
    v[n++] = (struct variant){"--adaptive-rounding none", nearest};
    v[n++] = (struct variant){"--adaptive-rounding thorough", thorough};
    return n;
}

bool ncc_judge_gains(struct compilation *c)
{
    struct judging *j = (struct judging *)c;
    struct variant v[MAX_VARIANTS];
    const int n = j->judge->gains ? list_variants(j->options.steps, v) : 0;
    for (int i = 0; i < n; i++) {
        const double as_given = i > 0 && j->compiled ? j->result.gains.v[0].db : (double)NAN;
        const struct judged_gain gain = {v[i].option, variant_db(j, v[i].steps, as_given)};
        NCC_PUSH(&c->arena, &j->result.gains, gain);
    }
    return true;
}

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

enum { MAX_VARIANTS = 32 };
struct variants {
    struct variant v[MAX_VARIANTS];
    int n;
};

static struct ncc_quant_steps *add(struct variants *all, const char *option, struct ncc_quant_steps own)
{
    struct variant *v = &all->v[all->n++];
    *v = (struct variant){option, own};
    return &v->steps;
}

/* Each kind of equalising, and of scales chosen together, is left out if it is chosen, and else added. */
static void add_kinds(struct variants *all, struct ncc_quant_steps own)
{
    static const struct {
        unsigned kind;
        const char *without, *with;
    } equalise[] = {
        {NCC_EQUALISE_RELU, "--equalise no-relu", "--equalise +relu"},
        {NCC_EQUALISE_DEPTHWISE, "--equalise no-depthwise", "--equalise +depthwise"},
        {NCC_EQUALISE_PRELU, "--equalise no-prelu", "--equalise +prelu"},
        {NCC_EQUALISE_POOL, "--equalise no-pool", "--equalise +pool"},
        {NCC_EQUALISE_SUM, "--equalise no-sum", "--equalise +sum"},
        {NCC_EQUALISE_CONCAT, "--equalise no-concat", "--equalise +concat"},
        {NCC_EQUALISE_READERS, "--equalise no-readers", "--equalise +readers"},
    }, joint[] = {
        {NCC_JOINT_CONCAT, "--joint-scales no-concat", "--joint-scales +concat"},
        {NCC_JOINT_SUM, "--joint-scales no-sum", "--joint-scales +sum"},
    };
    for (size_t i = 0; i < sizeof equalise / sizeof equalise[0]; i++) {
        const bool chosen = own.equalise & equalise[i].kind;
        add(all, chosen ? equalise[i].without : equalise[i].with, own)->equalise ^= equalise[i].kind;
    }
    for (size_t i = 0; i < sizeof joint / sizeof joint[0]; i++) {
        const bool chosen = own.joint_scales & joint[i].kind;
        add(all, chosen ? joint[i].without : joint[i].with, own)->joint_scales ^= joint[i].kind;
    }
}

static void list_variants(struct variants *all, struct ncc_quant_steps own)
{
    add(all, "as given", own);
    add(all, "--no-slices", own)->no_slices = true;
    add(all, "--no-fine-outputs", own)->no_fine_outputs = true;
    add(all, "--no-equalise", own)->equalise = 0;
    add_kinds(all, own);
    add(all, "--no-channel-scales", own)->no_channel_scales = true;
    add(all, "--no-channel-reach", own)->no_channel_reach = true;
    add(all, "--no-bias-correction", own)->no_bias_correction = true;
    add(all, "--no-truncation-correction", own)->no_truncation_correction = true;
    add(all, "--no-fitted-tables", own)->no_fitted_tables = true;
    add(all, "--adaptive-rounding none", own)->rounding = NCC_ROUNDING_NONE;
    add(all, "--adaptive-rounding thorough", own)->rounding = NCC_ROUNDING_THOROUGH;
}

bool ncc_judge_gains(struct compilation *c)
{
    struct judging *j = (struct judging *)c;
    struct variants all = {.n = 0};
    if (j->judge->gains)
        list_variants(&all, j->options.steps);
    for (int i = 0; i < all.n; i++) {
        const double as_given = i > 0 && j->compiled ? j->result.gains.v[0].db : (double)NAN;
        const struct judged_gain gain = {all.v[i].option, variant_db(j, all.v[i].steps, as_given)};
        NCC_PUSH(&c->arena, &j->result.gains, gain);
    }
    return true;
}

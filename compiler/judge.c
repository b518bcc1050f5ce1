/* ncc_judge: a kmodel, run in the simulator, against its source model in floating point.
 *
 * A kmodel does not say which layer stands for what. So the compilation is done once more with the same options; if it
 * gives the same bytes, its graphs are those behind the kmodel, and every layer can be looked at
 * (quant/layer_error.h). Else there is only a verdict on the outputs, and it says so.
 */
#include "compiler/judge.h"

#include "compiler/data/labels.h"
#include "compiler/quant/layer_effect.h"
#include "compiler/quant/layer_error.h"

#include <math.h>
#include <string.h>

enum { MAX_LAYER_SAMPLES = 64 };

/* Following every layer to the outputs: some seconds, and a minute or two for a large network. */
static const struct effect_budget effect_budget = {2e10, 1e12};

/* A layer that makes less of an output's error than that, in percent, and is precise by itself, needs no reason. */
#define LEAST_SHARE 1

/* ---- the verdict ---- */

static bool judge_labels(struct judging *j)
{
    struct compilation *c = &j->c;
    if (!j->judge->labels)
        return true;
    int *label = NCC_NEW(&c->arena, int, c->data.n), right = 0, float_right = 0;
    const int n = ncc_data_labels(j->judge->labels, &c->data, label, &c->arena, &c->diags);
    if (!n)
        return false;
    for (int s = 0; s < c->data.n; s++) {
        const struct measured *m = &j->measured[(size_t)s * c->graph->outputs.n]; /* of the first output */
        float_right += label[s] >= 0 && m->want_class == label[s];
        right += label[s] >= 0 && m->got_class == label[s];
    }
    j->result.n_labelled = n;
    j->result.float_top1 = 100.0 * float_right / n;
    j->result.top1 = 100.0 * right / n;
    return true;
}

static struct judged_layer describe(const struct layer_error *e)
{
    const struct layer_sums *s = &e->sum;
    return (struct judged_layer){.name = e->node->name,
                                 .origin = e->node->origin,
                                 .own_db = ncc_layer_db(s->signal, s->own),
                                 .total_db = ncc_layer_db(s->signal, s->total),
                                 .input_db = ncc_layer_db(s->signal, s->input),
                                 .output_db = ncc_layer_db(s->signal, s->output),
                                 .clipped = s->n ? 100.0 * (double)s->n_clipped / (double)s->n : 0,
                                 .used = e->used,
                                 .n_channels = e->n_channels,
                                 .n_silent = e->n_silent,
                                 .worst_output = -1};
}

static void add_effect(struct judged_layer *l, const struct layer_effects *f, int layer, struct arena *a)
{
    double *db = NCC_NEW(a, double, f->n_outputs);
    for (int k = 0; k < f->n_outputs; k++)
        db[k] = ncc_layer_effect_db(f, layer, k);
    l->outputs_db = db;
    l->worst_output = ncc_layer_effect_worst(f, layer);
    l->share = l->worst_output < 0 ? 0 : 100 * ncc_layer_effect_share(f, layer, l->worst_output);
}

static void add_layers(struct judging *j, const struct layer_errors *e, const struct layer_effects *f)
{
    struct arena *a = &j->c.arena;
    j->result.n_effect_samples = f->n_samples;
    if (!f->n_samples)
        j->result.no_effects =
            ncc_arena_printf(a,
                             "to follow each layer to the outputs takes %.3g multiply-adds a sample, "
                             "more than %.0e",
                             f->work, effect_budget.most);
    for (int i = 0; i < e->n; i++) {
        struct judged_layer l = describe(&e->v[i]);
        l.op = ncc_report_op(e->v[i].node, a);
        if (f->n_samples)
            add_effect(&l, f, i, a);
        if (l.own_db < NCC_LAYER_GOOD_DB || l.share >= LEAST_SHARE)
            l.reason = ncc_layer_reason(&e->v[i], a);
        NCC_PUSH(a, &j->result.layers, l);
    }
}

static bool judge_layers(struct judging *j)
{
    struct compilation *c = &j->c;
    if (!j->same_bytes) {
        j->result.no_layers = "these options and samples do not give this kmodel; with those of its compilation (its "
                              "samples as --calibration) every layer is shown";
        return true;
    }
    const struct graph *real = j->again.real, *codes = j->again.graph;
    const bool quiet = c->options->quiet;
    const struct layer_error_options all = {.quiet = quiet};
    struct layer_errors errors;
    struct layer_effects effects;
    struct samples samples = ncc_compilation_samples(c);
    samples.n = samples.n < MAX_LAYER_SAMPLES ? samples.n : MAX_LAYER_SAMPLES;
    if (!ncc_quant_layer_errors(real, codes, &samples, &all, &c->scratch, &errors) ||
        !ncc_quant_layer_effects(real, codes, &samples, effect_budget, quiet, &c->scratch, &effects))
        return false;
    j->result.n_layer_samples = samples.n;
    add_layers(j, &errors, &effects);
    return true;
}

static bool judge_all(struct compilation *c)
{
    struct judging *j = (struct judging *)c;
    struct judgement *r = &j->result;
    r->model = c->options->model;
    r->kmodel = j->judge->kmodel;
    r->data_text = c->data_text;
    r->n_samples = c->data.n;
    for (int k = 0; k < c->graph->outputs.n; k++)
        NCC_PUSH(&c->arena, &r->outputs, ncc_judge_output(j, k));
    return judge_labels(j) && judge_layers(j);
}

static bool print(struct compilation *c)
{
    struct judging *j = (struct judging *)c;
    const struct ncc_compile_options *o = c->options;
    if (o->report) {
        const bool html = strcmp(ncc_file_extension(o->report), "html") == 0;
        const char *text = (html ? ncc_judgement_html : ncc_judgement_json)(&j->result, &c->arena);
        if (!ncc_file_write(o->report, text, strlen(text), &c->diags))
            return false;
    }
    if (o->json)
        fputs(ncc_judgement_json(&j->result, &c->arena), c->out);
    else if (!o->quiet)
        ncc_judgement_text(&j->result, c->out);
    return true;
}

static const struct step steps[] = {
    {"import", ncc_step_import, true},
    {"canonical", ncc_step_canonical, true},
    {"samples", ncc_step_samples, true},
    {"open", ncc_judge_open, true},
    {"recompile", ncc_judge_recompile, true},
    {"run", ncc_judge_run, true},
    {"judge", judge_all, true},
    {"gains", ncc_judge_gains, true},
    {"report", print, true},
};

enum ncc_exit ncc_judge(const struct ncc_compile_options *options, const struct ncc_judge_options *judge, FILE *out,
                        FILE *err)
{
    struct judging j = {.options = *options, .judge = judge, .steps = options->steps};
    ncc_compilation_open(&j.c, &j.options, out, err);
    j.c.evaluating = true;
    const enum ncc_exit e = ncc_compilation_run(&j.c, steps, sizeof steps / sizeof steps[0]);
    ncc_judge_close(&j);
    return e;
}

/* ncc_judge: a kmodel, run in the simulator, against its source model in floating point.
 *
 * A kmodel does not say which layer stands for what. So the compilation is done once more with the same options; if it
 * gives the same bytes, its graphs are those behind the kmodel, and every layer can be looked at
 * (quant/layer_error.h). Else there is only a verdict on the outputs, and it says so.
 */
#include "compiler/judge.h"

#include "compiler/data/labels.h"
#include "compiler/quant/layer_error.h"

#include <string.h>

enum { MAX_LAYER_SAMPLES = 64 };

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

static struct judged_layer describe(const struct layer_error *e, struct arena *a)
{
    const struct layer_sums *s = &e->sum;
    return (struct judged_layer){.name = e->node->name,
                                 .origin = e->node->origin,
                                 .op = ncc_report_op(e->node, a),
                                 .own_db = ncc_layer_db(s->signal, s->own),
                                 .total_db = ncc_layer_db(s->signal, s->total),
                                 .input_db = ncc_layer_db(s->signal, s->input),
                                 .output_db = ncc_layer_db(s->signal, s->output),
                                 .clipped = s->n ? 100.0 * (double)s->n_clipped / (double)s->n : 0,
                                 .used = e->used,
                                 .n_channels = e->n_channels,
                                 .n_silent = e->n_silent,
                                 .reason = ncc_layer_reason(e, a)};
}

static bool judge_layers(struct judging *j)
{
    struct compilation *c = &j->c;
    if (!j->same_bytes) {
        j->result.no_layers = "these options and samples do not give this kmodel; with those of its compilation (its "
                              "samples as --calibration) every layer is shown";
        return true;
    }
    struct layer_errors errors;
    const int n = c->data.n < MAX_LAYER_SAMPLES ? c->data.n : MAX_LAYER_SAMPLES;
    if (!ncc_quant_layer_errors(j->again.real, j->again.graph, ncc_judge_feed, j, n, c->options->quiet, &c->scratch,
                                &errors))
        return false;
    j->result.n_layer_samples = n;
    for (int i = 0; i < errors.n; i++)
        NCC_PUSH(&c->arena, &j->result.layers, describe(&errors.v[i], &c->arena));
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

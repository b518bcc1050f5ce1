/* ncc_judge: a kmodel, run in the simulator, against its source model in floating point.
 *
 * A kmodel does not say which layer stands for what. So the compilation is done once more with the same options; if it
 * gives the same bytes, its graphs are those behind the kmodel, and every layer can be looked at
 * (quant/layer_error.h). Else there is only a verdict on the outputs, and it says so.
 */
#include "compiler/base/parallel.h"
#include "compiler/base/progress.h"
#include "compiler/data/labels.h"
#include "compiler/ir/eval.h"
#include "compiler/quant/compare.h"
#include "compiler/quant/layer_error.h"
#include "compiler/quant/range.h"
#include "compiler/report/judgement.h"
#include "compiler/made_up.h"
#include "compiler/steps.h"

#include <ncc/runtime.h>
#include <ncc/sim.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_KMODEL = 64 << 20, MAX_LAYER_SAMPLES = 64 };

/* What a thread runs the kmodel with. */
struct runner {
    struct ncc_sim *sim;
    struct ncc_model model;
    void *work;
    void **inputs; /* [input] */
    float *result; /* of the largest output */
};

/* Of one output of one sample. */
struct measured {
    double cosine, signal, noise, max_error, largest;
    int want_class, got_class;
};

/* The steps take the compilation only; what else judging needs comes right behind it. */
struct judging {
    struct compilation c;
    struct ncc_compile_options options; /* of c: its samples are those to judge by */
    const struct ncc_judge_options *judge;
    struct bytes kmodel;
    struct ncc_compile_options again_options;
    struct compilation again; /* the compilation done once more */
    bool again_open, same_bytes;
    struct runner *runners;    /* [thread] */
    const char *failure;       /* of a run: the device's text */
    struct measured *measured; /* [sample][output] */
    struct progress progress;
    struct judgement result;
};

static struct place kmodel_place(const struct judging *j)
{
    return (struct place){.file = j->judge->kmodel};
}

/* ---- the kmodel ---- */

static bool open_runner(struct judging *j, struct runner *r)
{
    struct arena *a = &j->c.arena;
    const size_t work_size = ncc_model_work_size(j->kmodel.data, j->kmodel.size);
    r->work = ncc_arena_alloc(a, work_size + 1, 1, 64);
    r->sim = ncc_sim_new();
    if (!r->sim)
        longjmp(j->c.exit.env, 1);
    ncc_sim_allow_untested(r->sim, j->options.allow_untested);
    return ncc_model_open(&r->model, j->kmodel.data, j->kmodel.size, r->work, work_size, ncc_sim_device(r->sim)) ==
           NCC_OK;
}

static void give_room(struct judging *j, struct runner *r)
{
    struct arena *a = &j->c.arena;
    size_t largest = 0;
    r->inputs = NCC_NEW(a, void *, ncc_model_n_inputs(&r->model));
    for (uint32_t i = 0; i < ncc_model_n_inputs(&r->model); i++) {
        const size_t n = ncc_data_size(&j->c.data.inputs[i]);
        r->inputs[i] = ncc_arena_alloc(a, n + 1, sizeof(float), 64);
    }
    for (uint32_t i = 0; i < ncc_model_n_outputs(&r->model); i++) {
        const size_t n = (size_t)ncc_shape_count(j->c.graph->outputs.v[i].value->shape);
        largest = n > largest ? n : largest;
    }
    r->result = NCC_NEW(a, float, largest + 1);
}

static size_t element_size(struct ncc_model_tensor t)
{
    return t.element == NCC_U8 ? 1 : sizeof(float);
}

/* Do the kmodel's inputs and outputs have the sizes of the source model's? */
static bool same_interface(struct judging *j, const struct ncc_model *m)
{
    struct compilation *c = &j->c;
    const int n_in = (int)ncc_model_n_inputs(m), n_out = (int)ncc_model_n_outputs(m);
    bool same = n_in == c->graph->inputs.n && n_out == c->graph->outputs.n;
    if (!same)
        ncc_diag_error(&c->diags, FAULT_INPUT, kmodel_place(j), "the kmodel is not one of this model",
                       "give the model that it was made from, with the same --input-tensor and --output-tensor",
                       "%d inputs and %d outputs; the model has %d and %d", n_in, n_out, c->graph->inputs.n,
                       c->graph->outputs.n);
    for (int i = 0; same && i < n_in + n_out; i++) {
        const bool is_in = i < n_in;
        const int k = is_in ? i : i - n_in;
        const struct ncc_model_tensor t = is_in ? ncc_model_input(m, (uint32_t)k) : ncc_model_output(m, (uint32_t)k);
        const struct value *v = is_in ? c->graph->inputs.v[k] : c->graph->outputs.v[k].value;
        if (t.size / element_size(t) == (size_t)ncc_shape_count(v->shape))
            continue;
        same = false;
        ncc_diag_error(&c->diags, FAULT_INPUT, kmodel_place(j), "the kmodel is not one of this model",
                       "give the model that it was made from, with the same shapes", "%s %d has %zu elements, not %lld",
                       is_in ? "input" : "output", k, t.size / element_size(t), (long long)ncc_shape_count(v->shape));
    }
    return same;
}

static bool open_kmodel(struct compilation *c)
{
    struct judging *j = (struct judging *)c;
    const int n = ncc_parallel_threads();
    if (!ncc_file_read(j->judge->kmodel, MAX_KMODEL, &c->arena, &c->diags, &j->kmodel))
        return false;
    j->runners = NCC_NEW(&c->arena, struct runner, n);
    for (int t = 0; t < n; t++) {
        struct runner *r = &j->runners[t];
        if (!open_runner(j, r)) {
            const struct ncc_fault *f = ncc_model_fault(&r->model);
            ncc_diag_error(&c->diags, FAULT_INPUT, kmodel_place(j), "the kmodel cannot be run", NULL, "%s",
                           *f->text ? f->text : "it is not a kmodel");
            return false;
        }
        if (!t && !same_interface(j, &r->model))
            return false;
        give_room(j, r);
    }
    return true;
}

/* ---- the compilation once more ---- */

static bool recompile(struct compilation *c)
{
    struct judging *j = (struct judging *)c;
    struct ncc_compile_options *o = &j->again_options;
    *o = *c->options;
    o->output = o->report = o->print_after = NULL;
    o->dataset = j->judge->calibration ? j->judge->calibration : ncc_made_up_possible(c) ? NULL : c->options->dataset;
    o->json = o->dump_ir = o->dump_weights_range = o->verbose = o->verify_passes = false;
    o->quiet = true;
    char *messages = NULL;
    size_t size = 0;
    FILE *nowhere = open_memstream(&messages, &size);
    if (!nowhere)
        return true;
    ncc_compilation_open(&j->again, o, nowhere, nowhere);
    j->again_open = true;
    const enum ncc_exit e = ncc_compilation_run(&j->again, ncc_compile_steps, ncc_compile_n_steps - 1); /* no report */
    fclose(nowhere);
    free(messages);
    const struct bytes *file = &j->again.file;
    j->same_bytes = e == NCC_EXIT_DONE && j->again.real && file->size == j->kmodel.size &&
                    !memcmp(file->data, j->kmodel.data, file->size);
    return true;
}

/* ---- running ---- */

static bool feed(void *ctx, int sample, int input, struct tensor *to)
{
    struct judging *j = ctx;
    return ncc_compilation_feed(&j->c, sample, input, to);
}

/* What the bytes of an input mean, if the bytes do not follow from the sample alone. */
static const struct quant *input_quant(const struct judging *j, int input)
{
    return j->same_bytes ? &j->again.graph->inputs.v[input]->quant : NULL;
}

static bool load_input(const struct judging *j, const struct runner *r, int sample, int input)
{
    const struct compilation *c = &j->c;
    const struct value *v = c->graph->inputs.v[input];
    char ignored[NCC_DATA_ERROR];
    struct tensor real = {DT_F32, v->shape, r->inputs[input]};
    if (ncc_model_input(&r->model, (uint32_t)input).element == NCC_F32)
        return feed((void *)(uintptr_t)j, sample, input, &real);
    if (ncc_data_has_bytes(&c->data, sample, input))
        return ncc_data_load_u8(&c->data, sample, input, r->inputs[input], ignored);
    const struct quant *q = input_quant(j, input);
    if (!q || !feed((void *)(uintptr_t)j, sample, input, &real))
        return false;
    const float *x = real.data;
    uint8_t *codes = r->inputs[input]; /* each is written over floats that were read already */
    for (int64_t i = 0, n = ncc_shape_count(v->shape); i < n; i++) {
        const double code = rint((double)x[i] / q->scale[0] + q->zero_point[0]);
        codes[i] = (uint8_t)(code < 0 ? 0 : code > 255 ? 255 : code);
    }
    return true;
}

/* Output k as floats. */
static const float *real_output(const struct judging *j, const struct runner *r, int k)
{
    const void *data = ncc_model_output_data(&r->model, (uint32_t)k);
    if (ncc_model_output(&r->model, (uint32_t)k).element == NCC_F32)
        return data;
    const struct value *v = j->again.graph->outputs.v[k].value;
    const int64_t n = ncc_shape_count(v->shape), run = v->quant.n_channels > 1 ? n / v->shape.dim[1] : n;
    for (int64_t i = 0; i < n; i++) {
        const int c = (int)(i / run);
        r->result[i] =
            (float)((((const uint8_t *)data)[i] - ncc_quant_zero(&v->quant, c)) * ncc_quant_scale(&v->quant, c));
    }
    return r->result;
}

static int largest_of(const float *x, int64_t n)
{
    int best = 0;
    for (int64_t i = 1; i < n; i++)
        best = x[i] > x[best] ? (int)i : best;
    return best;
}

static struct measured measure(const float *want, const float *got, int64_t n)
{
    struct measured m = {.cosine = ncc_cosine(want, got, (size_t)n),
                         .max_error = ncc_max_difference(want, got, (size_t)n),
                         .want_class = largest_of(want, n),
                         .got_class = largest_of(got, n)};
    for (int64_t i = 0; i < n; i++) {
        const double x = (double)want[i], e = (double)got[i] - x;
        m.signal += x * x;
        m.noise += e * e;
        m.largest = fmax(m.largest, fabs(x));
    }
    return m;
}

static void run_kmodel(void *ctx, int sample, int thread, const struct tensor *const *outputs)
{
    struct judging *j = ctx;
    struct runner *r = &j->runners[thread];
    bool good = true;
    for (uint32_t i = 0; i < ncc_model_n_inputs(&r->model); i++)
        good = good && load_input(j, r, sample, (int)i);
    if (!good || ncc_model_run(&r->model, (const void *const *)r->inputs) != NCC_OK) {
        j->failure = good ? ncc_sim_error(r->sim) : "a sample does not load";
        return;
    }
    const int n = j->c.graph->outputs.n;
    for (int k = 0; k < n; k++)
        j->measured[(size_t)sample * n + k] =
            measure(outputs[k]->data, real_output(j, r, k), ncc_shape_count(outputs[k]->shape));
}

static void step(void *ctx)
{
    ncc_progress_step(&((struct judging *)ctx)->progress);
}

/* Codes whose meaning only the compilation knows. */
static bool can_interpret(struct judging *j)
{
    struct compilation *c = &j->c;
    const struct ncc_model *m = &j->runners[0].model;
    for (uint32_t i = 0; i < ncc_model_n_inputs(m) && !j->same_bytes; i++)
        for (int s = 0; s < c->data.n; s++)
            if (ncc_model_input(m, i).element == NCC_U8 && !ncc_data_has_bytes(&c->data, s, (int)i)) {
                ncc_diag_error(
                    &c->diags, FAULT_INPUT, (struct place){.file = ncc_data_file(&c->data, s, (int)i)},
                    "the kmodel takes bytes, and floats do not say which byte stands for them",
                    "give the options and samples (--calibration) that it was compiled with, or --input-mean "
                    "and --input-std, or samples of bytes",
                    NULL);
                return false;
            }
    for (uint32_t k = 0; k < ncc_model_n_outputs(m) && !j->same_bytes; k++)
        if (ncc_model_output(m, k).element == NCC_U8) {
            ncc_diag_error(&c->diags, FAULT_INPUT, kmodel_place(j),
                           "an output is bytes, and the kmodel does not say what they mean",
                           "give the options and samples (--calibration) that it was compiled with", "output %u",
                           (unsigned)k);
            return false;
        }
    return true;
}

static bool run_all(struct compilation *c)
{
    struct judging *j = (struct judging *)c;
    if (!can_interpret(j))
        return false;
    struct evaluator *e = ncc_eval_open(c->graph, EVAL_FAST, 0);
    if (!e)
        longjmp(c->exit.env, 1);
    j->measured = NCC_NEW(&c->arena, struct measured, (size_t)c->data.n * c->graph->outputs.n);
    j->progress = ncc_progress_begin("comparing", c->data.n, c->options->quiet);
    const struct eval_hooks hooks = {.ctx = j, .feed = feed, .done = run_kmodel, .step = step};
    const bool good = ncc_eval_run(e, c->data.n, &hooks);
    ncc_eval_close(e);
    ncc_progress_end(&j->progress);
    if (good && j->failure)
        ncc_diag_error(&c->diags, FAULT_INPUT, kmodel_place(j), "the kmodel cannot be run",
                       "--allow-untested, if a layer is one that nobody has shown to run on the chip", "%s",
                       j->failure);
    return good && !j->failure;
}

/* ---- the verdict ---- */

static bool is_vector(struct shape s)
{
    int n = 0;
    for (int i = 0; i < s.rank; i++)
        n += s.dim[i] > 1;
    return n == 1;
}

static struct judged_output judge_output(const struct judging *j, int k)
{
    const struct compilation *c = &j->c;
    const struct graph_output *out = &c->graph->outputs.v[k];
    struct judged_output o = {.name = out->name, .shape = out->value->shape, .worst_cosine = INFINITY};
    double signal = 0, noise = 0, agree = 0;
    for (int s = 0; s < c->data.n; s++) {
        const struct measured *m = &j->measured[(size_t)s * c->graph->outputs.n + k];
        signal += m->signal;
        noise += m->noise;
        agree += m->want_class == m->got_class;
        o.mean_cosine += m->cosine / c->data.n;
        o.max_error = fmax(o.max_error, m->max_error);
        o.scale = fmax(o.scale, m->largest);
        if (m->cosine < o.worst_cosine) {
            o.worst_cosine = m->cosine;
            o.worst_sample = c->data.name[s];
        }
    }
    o.sqnr_db = ncc_layer_db(signal, noise);
    o.agreement = is_vector(o.shape) ? 100 * agree / c->data.n : -1;
    return o;
}

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
    if (!ncc_quant_layer_errors(j->again.real, j->again.graph, feed, j, n, c->options->quiet, &c->scratch, &errors))
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
        NCC_PUSH(&c->arena, &r->outputs, judge_output(j, k));
    return judge_labels(j) && judge_layers(j);
}

static bool print(struct compilation *c)
{
    struct judging *j = (struct judging *)c;
    const struct ncc_compile_options *o = c->options;
    const char *json = o->json || o->report ? ncc_judgement_json(&j->result, &c->arena) : NULL;
    if (o->report && !ncc_file_write(o->report, json, strlen(json), &c->diags))
        return false;
    if (o->json)
        fputs(json, c->out);
    else if (!o->quiet)
        ncc_judgement_text(&j->result, c->out);
    return true;
}

static const struct step steps[] = {
    {"import", ncc_step_import, true},   {"canonical", ncc_step_canonical, true},
    {"samples", ncc_step_samples, true}, {"open", open_kmodel, true},
    {"recompile", recompile, true},      {"run", run_all, true},
    {"judge", judge_all, true},          {"report", print, true},
};

enum ncc_exit ncc_judge(const struct ncc_compile_options *options, const struct ncc_judge_options *judge, FILE *out,
                        FILE *err)
{
    struct judging j = {.options = *options, .judge = judge};
    ncc_compilation_open(&j.c, &j.options, out, err);
    j.c.evaluating = true;
    const enum ncc_exit e = ncc_compilation_run(&j.c, steps, sizeof steps / sizeof steps[0]);
    for (int t = 0; j.runners && t < ncc_parallel_threads(); t++)
        ncc_sim_free(j.runners[t].sim);
    if (j.again_open)
        ncc_compilation_close(&j.again);
    ncc_compilation_close(&j.c);
    return e;
}

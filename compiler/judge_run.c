/* Running the kmodel in the simulator and the source model beside it. */
#include "compiler/judge.h"

#include "compiler/base/parallel.h"
#include "compiler/ir/eval.h"
#include "compiler/quant/compare.h"
#include "compiler/quant/layer_error.h"
#include "compiler/quant/range.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_KMODEL = 64 << 20 };

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
    for (int i = 0; i < 2; i++)
        r->logits[i] = NCC_NEW(a, float, largest + 1);
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

bool ncc_judge_open_runners(struct compilation *c)
{
    struct judging *j = (struct judging *)c;
    const int n = ncc_parallel_threads();
    j->runners = NCC_NEW(&c->arena, struct runner, n);
    for (int t = 0; t < n; t++) {
        struct runner *r = &j->runners[t];
        if (!open_runner(j, r)) {
            const struct ncc_fault *f = ncc_model_fault(&r->model);
            ncc_diag_error(&c->diags, FAULT_INPUT, kmodel_place(j), "the kmodel cannot be run",
                           "a .kmodel of version 3 or 4 as the second file: ncc compile MODEL KMODEL makes one", "%s",
                           *f->text ? f->text : "it is not a kmodel");
            return false;
        }
        if (!t && !same_interface(j, &r->model))
            return false;
        give_room(j, r);
    }
    return true;
}

bool ncc_judge_open(struct compilation *c)
{
    struct judging *j = (struct judging *)c;
    return ncc_file_read(j->judge->kmodel, MAX_KMODEL, &c->arena, &c->diags, &j->kmodel) && ncc_judge_open_runners(c);
}

/* ---- the compilation once more ---- */

static bool is_quantised(const struct graph *g)
{
    for (const struct node *n = g->first; n; n = n->next)
        if (n->op == OP_fake_quant)
            return true;
    return false;
}

/* dataset NULL: without samples. */
static bool compile_again(struct judging *j, const char *dataset)
{
    struct ncc_compile_options *o = &j->again_options;
    *o = j->options;
    o->output = o->report = o->print_after = NULL;
    o->dataset = dataset;
    o->json = o->dump_ir = o->dump_weights_range = o->verbose = o->verify_passes = false;
    o->quiet = true;
    o->steps = j->steps;
    char *messages = NULL;
    size_t size = 0;
    FILE *nowhere = open_memstream(&messages, &size);
    if (!nowhere)
        return false;
    if (j->again_open)
        ncc_compilation_close(&j->again);
    ncc_compilation_open(&j->again, o, nowhere, nowhere);
    j->again_open = true;
    const enum ncc_exit e = ncc_compilation_run(&j->again, ncc_compile_steps, ncc_compile_n_steps - 1); /* no report */
    fclose(nowhere);
    free(messages);
    const struct bytes *file = &j->again.file;
    j->compiled = e == NCC_EXIT_DONE && j->again.real;
    j->same_bytes = j->compiled && file->size == j->kmodel.size && !memcmp(file->data, j->kmodel.data, file->size);
    return j->compiled;
}

bool ncc_judge_recompile(struct compilation *c)
{
    struct judging *j = (struct judging *)c;
    const char *own = c->options->dataset;
    if (j->judge->calibration)
        compile_again(j, j->judge->calibration);
    /* A model that brings its ranges was most likely compiled without samples. */
    else if (!is_quantised(c->graph) || !compile_again(j, NULL) || (j->kmodel.size && !j->same_bytes))
        compile_again(j, own);
    return true;
}

/* ---- running ---- */

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
    const struct samples samples = ncc_compilation_samples(c);
    if (ncc_model_input(&r->model, (uint32_t)input).element == NCC_F32)
        return ncc_samples_feed(&samples, sample, input, &real);
    if (ncc_data_has_bytes(&c->data, sample, input))
        return ncc_data_load_u8(&c->data, sample, input, r->inputs[input], ignored);
    const struct quant *q = input_quant(j, input);
    if (!q || !ncc_samples_feed(&samples, sample, input, &real))
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

static void add_noise(struct measured *m, const float *want, const float *got, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const double x = (double)want[i], e = (double)got[i] - x;
        m->signal += x * x;
        m->noise += e * e;
    }
}

static struct measured measure(const struct judging *j, const struct runner *r, int k, const struct tensor *output)
{
    const float *want = output->data, *got = real_output(j, r, k);
    const int64_t n = ncc_shape_count(output->shape);
    struct measured m = {.cosine = ncc_cosine(want, got, (size_t)n),
                         .max_error = ncc_max_difference(want, got, (size_t)n),
                         .want_class = largest_of(want, n),
                         .got_class = largest_of(got, n)};
    for (int64_t i = 0; i < n; i++)
        m.largest = fmax(m.largest, fabs((double)want[i]));
    const struct along softmax = ncc_softmax_of(j->c.graph->outputs.v[k].value);
    /* Codes for its results tell too little of what is in front of it. */
    if (softmax.n > 0 && ncc_model_output(&r->model, (uint32_t)k).element == NCC_F32) {
        ncc_before_softmax(want, softmax, r->logits[0]);
        ncc_before_softmax(got, softmax, r->logits[1]);
        add_noise(&m, r->logits[0], r->logits[1], n);
    } else {
        add_noise(&m, want, got, n);
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
        j->measured[(size_t)sample * n + k] = measure(j, r, k, outputs[k]);
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

bool ncc_judge_run(struct compilation *c)
{
    struct judging *j = (struct judging *)c;
    if (!can_interpret(j))
        return false;
    struct evaluator *e = ncc_eval_open(c->graph, EVAL_FAST, 0);
    if (!e)
        longjmp(c->exit.env, 1);
    j->measured = NCC_NEW(&c->arena, struct measured, (size_t)c->data.n * c->graph->outputs.n);
    j->progress = ncc_progress_begin("comparing", c->data.n, c->options->quiet);
    const struct eval_hooks hooks = {.ctx = j, .done = run_kmodel, .step = step};
    const struct samples samples = ncc_compilation_samples(c);
    const bool good = ncc_eval_run(e, &samples, &hooks);
    ncc_eval_close(e);
    ncc_progress_end(&j->progress);
    if (good && j->failure)
        ncc_diag_error(&c->diags, FAULT_INPUT, kmodel_place(j), "the kmodel cannot be run",
                       "--allow-untested, if a layer is one that nobody has shown to run on the chip", "%s",
                       j->failure);
    return good && !j->failure;
}

/* ---- what was measured ---- */

static bool is_vector(struct shape s)
{
    int n = 0;
    for (int i = 0; i < s.rank; i++)
        n += s.dim[i] > 1;
    return n == 1;
}

/* The standard error, in dB, of what n samples say about the signal to noise ratio; 0 where they say
 * nothing about it. */
static double error_of_db(const struct judging *j, int k, double signal, double noise)
{
    const int n = j->c.data.n;
    double sum = 0;
    for (int s = 0; s < n && signal > 0 && noise > 0; s++) {
        const struct measured *m = &j->measured[(size_t)s * j->c.graph->outputs.n + k];
        sum += pow(m->noise / noise - m->signal / signal, 2);
    }
    return n > 1 ? 10 / log(10) * sqrt(sum * n / (n - 1)) : 0;
}

struct judged_output ncc_judge_output(const struct judging *j, int k)
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
    o.sqnr_error_db = error_of_db(j, k, signal, noise);
    o.agreement = is_vector(o.shape) ? 100 * agree / c->data.n : -1;
    return o;
}

void ncc_judge_close(struct judging *j)
{
    for (int t = 0; j->runners && t < ncc_parallel_threads(); t++)
        ncc_sim_free(j->runners[t].sim);
    if (j->again_open)
        ncc_compilation_close(&j->again);
    ncc_compilation_close(&j->c);
}

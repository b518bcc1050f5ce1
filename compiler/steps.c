/* Each step calls one phase with what the options say. */
#include "compiler/steps.h"

#include "compiler/board.h"
#include "compiler/emit/emit.h"
#include "compiler/import/import.h"
#include "compiler/ir/text.h"
#include "compiler/made_up.h"
#include "compiler/normalise.h"
#include "compiler/pass/pass.h"
#include "compiler/quant/equalise.h"
#include "compiler/quant/slices.h"
#include "compiler/what_fits.h"
#include "kmodel/kmodel_v3.h"
#include "kpu/limits.h"

#include <math.h>
#include <string.h>

static struct place whole(const struct compilation *c)
{
    return (struct place){c->options->model, NULL, NULL};
}

/* ---- options ---- */

static void k210_options(struct compilation *c)
{
    const struct ncc_compile_options *o = c->options;
    const enum ncc_element_choice input = o->input == NCC_ELEMENT_DEFAULT ? o->inference : o->input;
    c->k210 = (struct k210_options){
        .allow_untested = o->allow_untested,
        .cpu_only = o->target_cpu || o->inference == NCC_ELEMENT_FLOAT,
        .float_input = input == NCC_ELEMENT_FLOAT,
        .u8_output = o->output_type == NCC_ELEMENT_U8,
        .float_binary = o->float_binary,
        .output_quantize_threshold = o->output_quantize_threshold,
        .rounding_passes = o->steps.rounding == NCC_ROUNDING_THOROUGH ? 4 : 1,
        .runtime = ncc_report_runtime(o->firmware, o->kmodel_version),
        .kmodel_v3 = o->kmodel_version == 3,
    };
}

/* ---- model ---- */

static void check_method(struct compilation *c)
{
    enum range_method m;
    const char *name = c->options->calibrate_method;
    if (name && !ncc_range_method_by_name(name, &m))
        ncc_diag_error(&c->diags, FAULT_USAGE, whole(c), "unknown calibration method",
                       ncc_arena_printf(&c->arena, "one of: %s", ncc_range_method_names()), "%s", name);
}

static bool options_agree(struct compilation *c)
{
    const struct ncc_compile_options *o = c->options;
    check_method(c);
    if (!ncc_board_find(o->board, &c->arena, &c->report.board))
        ncc_diag_error(&c->diags, FAULT_USAGE, whole(c), "no such board",
                       ncc_arena_printf(&c->arena, "one of: %s; or NAME=BYTES", ncc_board_names(&c->arena)), "%s",
                       o->board);
    if (o->kmodel_version != 4 && o->kmodel_version != 3)
        ncc_diag_error(&c->diags, FAULT_USAGE, whole(c), "only kmodel versions 3 and 4 can be written",
                       "--kmodel-version 4", "%d", o->kmodel_version);
    if (o->has_norm && !(o->std != 0 && isfinite(o->std) && isfinite(o->mean)))
        ncc_diag_error(&c->diags, FAULT_USAGE, whole(c), "the standard deviation must be a number other than 0",
                       "--input-std 1 leaves the scale as it is", "mean %g, std %g", (double)o->mean, (double)o->std);
    if (c->k210.cpu_only && c->k210.u8_output)
        ncc_diag_error(&c->diags, FAULT_USAGE, whole(c), "float inference has float outputs", "--output-type float",
                       NULL);
    return c->diags.n_errors == 0;
}

bool ncc_step_import(struct compilation *c)
{
    const struct ncc_compile_options *o = c->options;
    k210_options(c);
    if (!options_agree(c))
        return false;
    struct shape_override *shapes = NCC_NEW(&c->arena, struct shape_override, o->n_shapes);
    for (int i = 0; i < o->n_shapes; i++)
        shapes[i] = (struct shape_override){o->shapes[i].name, ncc_shape_make(o->shapes[i].rank, o->shapes[i].dim)};
    const struct import_options options = {
        .shapes = shapes,
        .n_shapes = o->n_shapes,
        .input_tensors = o->input_tensors,
        .n_input_tensors = o->n_input_tensors,
        .output_tensors = o->output_tensors,
        .n_output_tensors = o->n_output_tensors,
        .native_outputs = o->output_native,
        .caffe_prototxt = o->caffe_prototxt,
    };
    static const enum model_format formats[] = {MODEL_AUTO, MODEL_TFLITE, MODEL_ONNX, MODEL_CAFFE};
    c->graph = ncc_import(o->model, formats[o->format], &options, &c->arena, &c->diags);
    if (!c->graph)
        return false;
    ncc_pass_known_inputs(c->graph);
    c->sources = c->graph->sources.v;
    c->n_sources = c->graph->sources.n;
    return true;
}

bool ncc_step_ranges(struct compilation *c)
{
    for (const struct node *n = c->graph->first; n; n = n->next)
        c->has_ranges |= n->op == OP_fake_quant;
    return ncc_pass_ranges.run(c->graph, &c->scratch);
}

/* --dump-weights-range: a table of what the layers' weights span. */
static void print_weights(const struct compilation *c)
{
    fprintf(c->err, "%-40s %-18s %12s %12s\n", "node", "weights", "least", "greatest");
    for (const struct node *n = c->graph->first; n; n = n->next) {
        if (n->n_in < 2 || !ncc_is_const(n->in[1]) || n->in[1]->dtype != DT_F32 || !ncc_op_desc(n->op)->macs)
            continue;
        const float *w = n->in[1]->data;
        float lo = w[0], hi = w[0];
        for (int64_t i = 1, count = ncc_shape_count(n->in[1]->shape); i < count; i++) {
            lo = fminf(lo, w[i]);
            hi = fmaxf(hi, w[i]);
        }
        char text[80];
        fprintf(c->err, "%-40.40s %-18s %12.6g %12.6g\n", n->name, ncc_shape_text(n->in[1]->shape, text), (double)lo,
                (double)hi);
    }
}

bool ncc_step_canonical(struct compilation *c)
{
    if (!ncc_normalise_inputs(c))
        return false;
    for (int i = 0; i < ncc_pass_n_canonical; i++)
        if (!ncc_pass_canonical[i].run(c->graph, &c->scratch))
            return false;
    c->source = ncc_graph_copy(c->graph, &c->arena, &c->diags);
    if (c->options->dump_weights_range)
        print_weights(c);
    return c->evaluating || ncc_has_only_real_numbers(c->graph);
}

/* ---- chip ---- */

bool ncc_step_legalise(struct compilation *c)
{
    if (!c->k210.cpu_only && !ncc_k210_legalise(c->graph, &c->k210, &c->scratch))
        return false;
    if (c->options->min_sqnr > 0)
        c->legal = ncc_graph_copy(c->graph, &c->arena, &c->diags);
    return true;
}

/* ---- samples ---- */

/* What turns bytes / 255 into the input of the graph. A norm by channel is part of the graph (normalise.h). */
struct norm {
    float mean, std;
};
static struct norm norm_of(const struct compilation *c)
{
    const struct ncc_compile_options *o = c->options;
    return o->has_norm && !o->by_channel.n ? (struct norm){o->mean, o->std} : (struct norm){0, 1};
}

static struct input_spec spec_of(const struct compilation *c, const struct value *v)
{
    const struct ncc_compile_options *o = c->options;
    struct input_spec s = {.name = v->name,
                           .n_dims = v->shape.rank,
                           .is_u8 = !c->k210.float_input,
                           .has_norm = o->has_norm,
                           .mean = norm_of(c).mean,
                           .std = norm_of(c).std,
                           .order = o->bgr ? ORDER_BGR : ORDER_RGB};
    memcpy(s.dim, v->shape.dim, sizeof s.dim);
    if (c->k210.float_input)
        s.by_channel = o->by_channel;
    if (v->range.known && !o->has_norm) { /* the 256 codes of a quantised model's input */
        s.has_norm = s.bytes_only = true;
        s.std = 1 / (v->range.hi - v->range.lo);
        s.mean = -v->range.lo * s.std;
    }
    return s;
}

const struct input_spec *ncc_input_specs(struct compilation *c)
{
    struct input_spec *specs = NCC_NEW(&c->arena, struct input_spec, c->graph->inputs.n);
    for (int i = 0; i < c->graph->inputs.n; i++)
        specs[i] = spec_of(c, c->graph->inputs.v[i]);
    return specs;
}

/* Samples are decoded once and kept, unless there are too many for memory. */
#define MAX_KEPT ((size_t)1 << 30)

static void make_room(struct compilation *c)
{
    size_t size = 0;
    for (int i = 0; i < c->data.n_inputs; i++)
        size += ncc_data_size(&c->data.inputs[i]) * sizeof(float);
    if (size > MAX_KEPT / (size_t)c->data.n)
        return;
    const int n = c->data.n * c->data.n_inputs;
    c->samples = NCC_NEW(&c->arena, float *, n);
    for (int i = 0; i < n; i++)
        c->samples[i] = NCC_NEW(&c->arena, float, ncc_data_size(&c->data.inputs[i % c->data.n_inputs]));
}

bool ncc_step_samples(struct compilation *c)
{
    const struct ncc_compile_options *o = c->options;
    if (!o->dataset) {
        if (c->k210.cpu_only && !c->evaluating)
            return true;
        if (c->trying || (!c->evaluating && ncc_made_up_possible(c)))
            return ncc_made_up_samples(c);
        ncc_diag_error(&c->diags, FAULT_USAGE, whole(c),
                       c->evaluating ? "there are no samples to evaluate"
                                     : "a float model needs samples to be quantised",
                       "give a folder of pictures or tensors with --dataset", NULL);
        return false;
    }
    const int n = c->graph->inputs.n;
    const struct input_spec *specs = ncc_input_specs(c);
    static const enum sample_format formats[] = {SAMPLES_AUTO, SAMPLES_IMAGE, SAMPLES_RAW, SAMPLES_NPY};
    if (!ncc_data_open(o->dataset, formats[o->dataset_format], specs, n, &c->arena, &c->diags, &c->data))
        return false;
    make_room(c);
    return ncc_data_describe(&c->data, !c->evaluating, c->samples, &c->arena, &c->diags, &c->data_text);
}

/* ---- quantisation ---- */

/* What a byte of the input means follows from mean and std: ((q / 255) - mean) / std; or from the range of the codes
 * that a quantised model takes. */
static void quantise_input(struct compilation *c, struct value *v, int input)
{
    const struct ncc_compile_options *o = c->options;
    const bool of_model = v->range.known && !o->has_norm;
    const bool bytes = of_model || o->has_norm || (!c->made_up && ncc_data_has_bytes(&c->data, 0, input));
    if (c->k210.float_input || !bytes)
        return; /* from the samples */
    double *scale = NCC_NEW(&c->arena, double, 1), *zero = NCC_NEW(&c->arena, double, 1);
    if (of_model) {
        *scale = ((double)v->range.hi - (double)v->range.lo) / 255;
        *zero = -(double)v->range.lo / *scale;
        *zero = fabs(*zero - rint(*zero)) < 1e-3 ? rint(*zero) + 0.0 : *zero; /* not -0 */
    } else {
        *scale = 1 / (255 * (double)norm_of(c).std);
        *zero = 255 * (double)norm_of(c).mean;
    }
    v->quant = (struct quant){1, scale, zero};
}

static enum range_method method_of(const struct compilation *c)
{
    enum range_method m = RANGE_AUTO;
    if (c->options->calibrate_method)
        ncc_range_method_by_name(c->options->calibrate_method, &m);
    return m;
}

bool ncc_step_equalise(struct compilation *c)
{
    const struct ncc_quant_steps *steps = &c->options->steps;
    if (c->k210.cpu_only || c->has_ranges)
        return true;
    return (steps->no_slices || ncc_quant_slice(c->graph)) &&
           (steps->no_equalise || ncc_quant_equalise(c->graph, ncc_compilation_feed, c, c->data.n, &c->scratch));
}

/* Multiply-adds spent on rounding weights well: some 10 ms, or some seconds. */
static double rounding_budget(enum ncc_rounding rounding)
{
    return rounding == NCC_ROUNDING_NONE ? 0 : rounding == NCC_ROUNDING_QUICK ? 5e7 : 5e9;
}

bool ncc_step_observe(struct compilation *c)
{
    if (c->k210.cpu_only)
        return true;
    for (int i = 0; i < c->graph->inputs.n; i++)
        quantise_input(c, c->graph->inputs.v[i], i);
    const struct observe_options o = {.histograms = ncc_range_needs_histogram(method_of(c)),
                                      .quiet = c->options->quiet,
                                      .no_channels = c->made_up || c->options->steps.no_channel_scales,
                                      .no_means = c->made_up || c->options->steps.no_bias_correction,
                                      .thorough = c->options->steps.rounding == NCC_ROUNDING_THOROUGH,
                                      .rounding_budget = c->made_up ? 0 : rounding_budget(c->options->steps.rounding)};
    return ncc_quant_observe(c->graph, ncc_compilation_feed, c, c->data.n, &o, &c->arena, &c->seen);
}

bool ncc_step_quantise(struct compilation *c)
{
    return c->k210.cpu_only || ncc_quant_assign(c->graph, &c->seen, method_of(c), &c->scratch);
}

bool ncc_step_integers(struct compilation *c)
{
    c->real = ncc_graph_copy(c->graph, &c->arena, &c->diags);
    return c->k210.cpu_only || ncc_k210_integers(c->graph, &c->k210, &c->seen.patches, &c->scratch);
}

/* ---- memory and file ---- */

bool ncc_step_plan(struct compilation *c)
{
    const struct plan_options o = {.solve_seconds = c->options->solve_seconds, .kpu_limit = NCC_KPU_RAM_SIZE};
    if (!ncc_plan_make(c->graph, &o, &c->arena, &c->plan) || !ncc_plan_check(c->graph, &c->plan, &c->scratch))
        return false;
    if (c->plan.kpu.peak > o.kpu_limit) {
        const char *smaller = ncc_smaller_that_fits(c, &c->arena), *cut = ncc_cut_that_fits(c, &c->arena);
        ncc_diag_error(&c->diags, FAULT_NO_FIT, whole(c), "the model does not fit the 2 MiB of KPU RAM",
                       ncc_arena_printf(&c->arena, "%s%s%s, or fewer channels in the layers named",
                                        smaller ? smaller : "a smaller input", cut ? ", or " : "", cut ? cut : ""),
                       "%s", ncc_plan_explain(c->graph, &c->plan, MEM_KPU, o.kpu_limit, &c->arena));
    }
    return c->diags.n_errors == 0;
}

/* What we write, we also accept: a kmodel that fails the runtime's own check never reaches a board. */
static bool check_file(struct compilation *c)
{
    struct ncc_kmodel km;
    struct ncc_kmodel_v3 v3;
    struct ncc_km_fault fault = {.text = "it cannot be opened"};
    if (c->options->kmodel_version == 3
            ? ncc_kmodel_v3_open(c->file.data, c->file.size, &v3) == NCC_OK &&
                  ncc_kmodel_v3_check(&v3, &fault) == NCC_OK
            : ncc_kmodel_open(c->file.data, c->file.size, &km) == NCC_OK && ncc_kmodel_check(&km, &fault) == NCC_OK)
        return true;
    ncc_diag_error(&c->diags, FAULT_INTERNAL, whole(c), "the kmodel would be refused by the runtime",
                   "report this with the model", "node %u: %s", (unsigned)fault.node, fault.text);
    return false;
}

static bool is_identifier_char(char ch, bool first)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || ch == '_' || (!first && ch >= '0' && ch <= '9');
}

static const char *identifier(const char *path, struct arena *a)
{
    char *name = ncc_arena_printf(a, "%s", ncc_file_stem(path, a));
    for (char *p = name; *p; p++)
        if (!is_identifier_char(*p, p == name))
            *p = '_';
    return *name ? name : "model";
}

bool ncc_step_emit(struct compilation *c)
{
    return (c->options->kmodel_version == 3 ? ncc_emit_v3 : ncc_emit_v4)(c->graph, &c->plan, &c->arena, &c->file) &&
           check_file(c);
}

bool ncc_step_write(struct compilation *c)
{
    const struct ncc_compile_options *o = c->options;
    if (!o->output)
        return true;
    struct bytes file = c->file;
    if (o->output_c)
        file = ncc_emit_c_array(c->file, identifier(o->output, &c->arena), &c->arena);
    return ncc_file_write(o->output, file.data, file.size, &c->diags);
}

/* ---- report ---- */

static struct report_tensor tensor_of(const struct value *v, const char *name)
{
    struct report_tensor t = {.name = name, .dtype = ncc_dtype_name(v->dtype), .shape = v->shape};
    if (v->dtype == DT_U8 && v->quant.n_channels == 1) {
        t.scale = v->quant.scale[0];
        t.zero_point = v->quant.zero_point[0];
    }
    return t;
}

/* One sentence for whoever writes the firmware. */
static const char *input_text(struct compilation *c)
{
    const struct graph *g = c->graph;
    if (g->inputs.n != 1)
        return NULL;
    const struct value *v = g->inputs.v[0];
    char text[80];
    ncc_shape_text(v->shape, text);
    const char *order = v->shape.rank != 4 || v->shape.dim[1] != 3 ? "" : c->options->bgr ? " BGR" : " RGB";
    const char *codes = c->has_ranges && v->range.known && !c->options->has_norm
                            ? ", the codes of the quantised model's input (int8: plus 128)"
                            : "";
    if (v->dtype == DT_U8)
        return ncc_arena_printf(&c->arena, "feed planar uint8%s, 0..255, %s%s", order, text, codes);
    return ncc_arena_printf(&c->arena, "feed planar float32%s, prepared as for the model, %s", order, text);
}

bool ncc_step_summarise(struct compilation *c)
{
    struct report *r = &c->report;
    const struct graph *g = c->graph;
    r->model = c->options->model;
    r->output = c->options->output;
    r->kmodel_version = c->options->kmodel_version;
    r->input_text = input_text(c);
    r->data_text = c->data_text;
    r->file_bytes = (int64_t)c->file.size;
    r->main_memory_bytes = c->plan.main.peak;
    for (int i = 0; i < g->inputs.n; i++) {
        const struct value *v = g->inputs.v[i];
        NCC_PUSH(&c->arena, &r->inputs, tensor_of(v, v->name));
        r->input_bytes += ncc_shape_count(v->shape) * (int64_t)ncc_dtype_size(v->dtype);
    }
    for (int i = 0; i < g->outputs.n; i++)
        NCC_PUSH(&c->arena, &r->outputs, tensor_of(g->outputs.v[i].value, g->outputs.v[i].name));
    ncc_report_layers(r, g, &c->plan, c->k210.runtime, &c->arena);
    ncc_report_sources(r, c->sources, c->n_sources, g, &c->arena);
    return true;
}

/* doc/cpu-cost.md, oddities of the field's runtime. */
static void warn_of_inputs(struct compilation *c)
{
    if (c->graph->inputs.n > 1)
        ncc_diag_warn(&c->diags, whole(c), "the field's firmware feeds only the first input of a kmodel",
                      "use the runtime that comes with ncc (ncc/runtime.h), or join the inputs into one", "%d inputs",
                      c->graph->inputs.n);
}

/* A convolution that stays on the CPU usually costs more than all the rest. */
static void warn_of_slow_kernels(struct compilation *c)
{
    enum { SLOW_US = 10000 };
    for (int i = 0; i < c->report.layers.n && !c->k210.cpu_only; i++) {
        const struct report_layer *l = &c->report.layers.v[i];
        if (l->reason && l->est_us >= SLOW_US)
            ncc_diag_warn(&c->diags, (struct place){c->options->model, l->name, l->op},
                          "runs on the CPU, and takes long",
                          "a model that keeps to the rule, or a cut in front of this node with --output-tensor",
                          "%.0f ms; %s", l->est_us / 1e3, l->reason);
    }
}

/* --report: a page for people, or what --json prints. */
static bool write_report(struct compilation *c)
{
    const char *path = c->options->report;
    if (!path)
        return true;
    const bool html = strcmp(ncc_file_extension(path), "html") == 0;
    const char *text = html ? ncc_report_html(&c->report, &c->arena) : ncc_report_json(&c->report, &c->arena);
    return ncc_file_write(path, text, strlen(text), &c->diags);
}

bool ncc_step_report(struct compilation *c)
{
    warn_of_slow_kernels(c);
    warn_of_inputs(c);
    if (!write_report(c))
        return false;
    if (c->options->json)
        fputs(ncc_report_json(&c->report, &c->arena), c->out);
    else if (!c->options->quiet)
        ncc_report_text(&c->report, c->options->verbose, c->out);
    return true;
}

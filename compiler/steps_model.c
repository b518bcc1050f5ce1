/* From the model file to the canonical graph. */
#include "compiler/steps.h"

#include "compiler/board.h"
#include "compiler/import/import.h"
#include "compiler/ir/eval.h"
#include "compiler/normalise.h"
#include "compiler/pass/pass.h"

#include <math.h>

/* ---- options ---- */

static void k210_options(struct compilation *c)
{
    const struct ncc_compile_options *o = c->options;
    const enum ncc_element_choice input = o->input == NCC_ELEMENT_DEFAULT ? o->inference : o->input;
    c->k210 = (struct k210_options){
        .n_made = &c->n_made,
        .allow_untested = o->allow_untested,
        .cpu_only = o->target_cpu || o->inference == NCC_ELEMENT_FLOAT,
        .float_input = input == NCC_ELEMENT_FLOAT,
        .u8_output = o->output_type == NCC_ELEMENT_U8,
        .float_binary = o->float_binary,
        .output_quantize_threshold = o->output_quantize_threshold,
        .rounding_passes = o->steps.rounding == NCC_ROUNDING_THOROUGH ? 4 : 1,
        .leave_truncated = o->steps.no_truncation_correction,
        .even_tables = o->steps.no_fitted_tables,
        .runtime = ncc_report_runtime(o->firmware, o->kmodel_version),
        .weight_bits = o->weight_bits,
        .kmodel_v3 = o->kmodel_version == 3,
    };
}

/* ---- model ---- */

static void check_method(struct compilation *c)
{
    enum range_method m;
    const char *name = c->options->calibrate_method;
    if (name && !ncc_range_method_by_name(name, &m))
        ncc_diag_error(&c->diags, FAULT_USAGE, ncc_whole_model(c), "unknown calibration method",
                       ncc_arena_printf(&c->arena, "one of: %s", ncc_range_method_names()), "%s", name);
}

static bool options_agree(struct compilation *c)
{
    const struct ncc_compile_options *o = c->options;
    check_method(c);
    if (!ncc_board_find(o->board, &c->arena, &c->report.board))
        ncc_diag_error(&c->diags, FAULT_USAGE, ncc_whole_model(c), "no such board",
                       ncc_arena_printf(&c->arena, "one of: %s; or NAME=BYTES", ncc_board_names(&c->arena)), "%s",
                       o->board);
    if (o->kmodel_version != 4 && o->kmodel_version != 3)
        ncc_diag_error(&c->diags, FAULT_USAGE, ncc_whole_model(c), "only kmodel versions 3 and 4 can be written",
                       "--kmodel-version 4", "%d", o->kmodel_version);
    if (o->weight_bits != 8 && o->weight_bits != 16)
        ncc_diag_error(&c->diags, FAULT_USAGE, ncc_whole_model(c), "weights of KPU layers have 8 or 16 bits",
                       "--weights-bits 8", "%d", o->weight_bits);
    if (o->weight_bits == 16 && o->kmodel_version == 4)
        ncc_diag_error(&c->diags, FAULT_USAGE, ncc_whole_model(c),
                       "weights of 16 bits need a kmodel of version 3: the firmware for version 4 sets the KPU to 8 bits",
                       "--kmodel-version 3, or --weights-bits 8", NULL);
    if (o->has_norm && !(o->std != 0 && isfinite(o->std) && isfinite(o->mean)))
        ncc_diag_error(&c->diags, FAULT_USAGE, ncc_whole_model(c),
                       "the standard deviation must be a number other than 0",
                       "--input-std 1 leaves the scale as it is", "mean %g, std %g", (double)o->mean, (double)o->std);
    if (c->k210.cpu_only && c->k210.u8_output)
        ncc_diag_error(&c->diags, FAULT_USAGE, ncc_whole_model(c), "float inference has float outputs",
                       "--output-type float", NULL);
    return c->diags.n_errors == 0;
}

/* Told before the work, and beside what is wrong with the model. */
static void check_files(struct compilation *c)
{
    if (c->options->dataset)
        ncc_file_expect_there(c->options->dataset, &c->diags);
    if (c->options->output)
        ncc_file_expect_writable(c->options->output, &c->diags);
    if (c->options->report)
        ncc_file_expect_writable(c->options->report, &c->diags);
}

bool ncc_step_import(struct compilation *c)
{
    const struct ncc_compile_options *o = c->options;
    k210_options(c);
    if (!options_agree(c))
        return false;
    check_files(c);
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
    ncc_pass_real_inputs(c->graph);
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
    /* What a model in fixed point gives is told by its own nodes. */
    const bool as_it_is = c->evaluating && ncc_eval_has_codes(c->graph);
    for (int i = 0; i < ncc_pass_n_canonical && !as_it_is; i++)
        if (!ncc_pass_canonical[i].run(c->graph, &c->scratch))
            return false;
    c->source = ncc_graph_copy(c->graph, &c->arena, &c->diags);
    if (c->options->dump_weights_range)
        print_weights(c);
    return c->evaluating || ncc_has_only_real_numbers(c->graph);
}

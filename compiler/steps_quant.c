/* Samples, what the values are on them, and the codes that follow. */
#include "compiler/steps.h"

#include "compiler/made_up.h"
#include "compiler/quant/equalise.h"
#include "compiler/quant/mean_error.h"
#include "compiler/quant/factors.h"
#include "compiler/quant/slices.h"
#include "compiler/quant/tied.h"

#include <math.h>
#include <string.h>

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
    if (v->dtype != DT_F32) { /* integers: a byte is what it is */
        s.has_norm = s.bytes_only = true;
        s.std = 1.0f / 255;
        s.mean = 0;
    } else if (v->range.known && !o->has_norm) { /* the 256 codes of a quantised model's input */
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

/* Samples are decoded once and kept, unless there are too many for memory. For inputs of integers they are always kept,
 * since that is what feeding converts from. */
#define MAX_KEPT ((size_t)1 << 30)

static void make_room(struct compilation *c)
{
    size_t size = 0;
    bool real = true;
    for (int i = 0; i < c->data.n_inputs; i++) {
        size += ncc_data_size(&c->data.inputs[i]) * sizeof(float);
        real = real && c->graph->inputs.v[i]->dtype == DT_F32;
    }
    if (real && size > MAX_KEPT / (size_t)c->data.n)
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
        ncc_diag_error(&c->diags, FAULT_USAGE, ncc_whole_model(c),
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

bool ncc_step_legalise(struct compilation *c)
{
    c->canonical = ncc_graph_copy(c->graph, &c->arena, &c->diags);
    if (!c->k210.cpu_only && !ncc_k210_legalise(c->graph, &c->k210, &c->scratch))
        return false;
    if (c->options->min_sqnr > 0)
        c->legal = ncc_graph_copy(c->graph, &c->arena, &c->diags);
    return true;
}

#define SAME_BIT(a, b) _Static_assert((int)(a) == (int)(b), "sets of options and of quant/ have the same bits")
SAME_BIT(NCC_EQUALISE_RELU, THROUGH_RELU);
SAME_BIT(NCC_EQUALISE_DEPTHWISE, THROUGH_DEPTHWISE);
SAME_BIT(NCC_EQUALISE_PRELU, THROUGH_PRELU);
SAME_BIT(NCC_EQUALISE_POOL, THROUGH_POOL);
SAME_BIT(NCC_EQUALISE_SUM, THROUGH_SUM);
SAME_BIT(NCC_EQUALISE_CONCAT, THROUGH_CONCAT);
SAME_BIT(NCC_EQUALISE_READERS, THROUGH_READERS);
SAME_BIT(NCC_JOINT_CONCAT, JOINT_CONCAT);
SAME_BIT(NCC_JOINT_SUM, JOINT_SUM);

bool ncc_step_equalise(struct compilation *c)
{
    const struct ncc_quant_steps *steps = &c->options->steps;
    if (c->k210.cpu_only || c->has_ranges)
        return true;
    /* What a smaller input would take is tried with samples that are made up; so near the limit nothing may depend on
     * the samples. */
    const bool may = !c->made_up && ncc_has_room(c);
    const unsigned finer = (may && !steps->no_slices ? FINER_VALUES : 0U) |
                           (may && !steps->no_fine_outputs && !c->k210.kmodel_v3 ? FINER_OUTPUTS : 0U);
    const struct samples samples = ncc_compilation_samples(c);
    return (!finer || ncc_quant_make_finer(c->graph, finer, &samples, &c->scratch)) &&
           ncc_quant_equalise(c->graph, steps->equalise, &samples, &c->scratch) &&
           (c->made_up || ncc_quant_see_factors(c->graph, &samples, &c->scratch));
}

/* Multiply-adds spent on rounding weights well: some 50 ms, or some seconds. */
static double rounding_budget(enum ncc_rounding rounding)
{
    return rounding == NCC_ROUNDING_NONE ? 0 : rounding == NCC_ROUNDING_QUICK ? 2e8 : 5e9;
}

static struct gather_options gathering(const struct compilation *c)
{
    const struct ncc_quant_steps *steps = &c->options->steps;
    if (c->made_up)
        return (struct gather_options){0};
    return (struct gather_options){.budget = rounding_budget(steps->rounding),
                                   .thorough = steps->rounding == NCC_ROUNDING_THOROUGH,
                                   .tables = !steps->no_fitted_tables};
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
                                      .gather = gathering(c)};
    const struct samples samples = ncc_compilation_samples(c);
    return ncc_quant_observe(c->graph, &samples, &o, &c->arena, &c->seen);
}

bool ncc_step_quantise(struct compilation *c)
{
    const struct assign_options o = {.method = method_of(c),
                                     .joint = c->options->steps.joint_scales,
                                     .reach_seen = c->made_up || c->options->steps.no_channel_reach};
    return c->k210.cpu_only || ncc_quant_assign(c->graph, &c->seen, &o, &c->scratch);
}

/* Multiply-adds of the integer graph that may be spent on measuring its outputs' means: some 0.1 s. */
#define MEAN_BUDGET 1e9

/* What rounding does to the means of the outputs on the samples is taken off. */
static bool correct_outputs(struct compilation *c)
{
    struct mean_errors e;
    if (c->made_up || c->options->steps.no_bias_correction)
        return true;
    const struct samples samples = ncc_compilation_samples(c);
    if (!ncc_quant_mean_errors(c->real, c->graph, &samples, MEAN_BUDGET, &c->scratch, &e))
        return false;
    for (int i = 0; i < e.n; i++) {
        for (int k = 0; k < e.v[i].layer->out[0]->shape.dim[1]; k++)
            e.v[i].error[k] = -e.v[i].error[k];
        ncc_k210_shift_results(c->graph, e.v[i].layer, e.v[i].error);
    }
    return true;
}

bool ncc_step_integers(struct compilation *c)
{
    c->real = ncc_graph_copy(c->graph, &c->arena, &c->diags);
    return c->k210.cpu_only ||
           (ncc_k210_integers(c->graph, &c->k210, &c->seen.patches, &c->scratch) && correct_outputs(c));
}

/* What the compilation tells. */
#include "compiler/steps.h"

#include "compiler/ir/text.h"

#include <string.h>

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
        ncc_diag_warn(&c->diags, ncc_whole_model(c), "the field's firmware feeds only the first input of a kmodel",
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

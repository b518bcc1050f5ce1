/* What the integer graph does on the chip, node by node, and what it costs. */
#include "compiler/report/report.h"

#include "compiler/emit/emit.h"
#include "compiler/k210/cost.h"
#include "compiler/ops/attrs.h"
#include "kpu/layer.h"

#include <string.h>

static const char *shape_text(struct shape s, struct arena *a)
{
    char text[80];
    return ncc_arena_printf(a, "%s", ncc_shape_text(s, text));
}

static const char *layer_op(const struct node *n, struct arena *a)
{
    const struct kpu_layer_attrs *k = n->attrs;
    const char *pool = k->pool ? ncc_kpu_pool_info(k->pool)->name : "";
    return ncc_arena_printf(a, "conv %dx%d%s%s%s", k->kernel, k->kernel, k->depthwise ? " depthwise" : "",
                            *pool ? ", " : "", pool);
}

enum ncc_kpu_runtime ncc_report_runtime(enum ncc_firmware firmware, int kmodel_version)
{
    switch (firmware) {
    case NCC_FIRMWARE_V4:
        return NCC_KPU_RUNTIME_V4;
    case NCC_FIRMWARE_V3:
        return NCC_KPU_RUNTIME_V3;
    case NCC_FIRMWARE_NCC:
        return NCC_KPU_RUNTIME_NCC;
    case NCC_FIRMWARE_AUTO:
        break;
    }
    return kmodel_version == 3 ? NCC_KPU_RUNTIME_V3 : NCC_KPU_RUNTIME_V4;
}

const char *ncc_report_op(const struct node *n, struct arena *a)
{
    return n->op == OP_kpu_layer ? layer_op(n, a) : ncc_op_desc(n->op)->name;
}

static bool is_copy(const struct node *n)
{
    return n->op == OP_kpu_upload || n->op == OP_kpu_download;
}

/* A copy moves every byte of the canvas; conversions are nodes of their own. */
static double copy_us(const struct node *n, enum ncc_kpu_runtime runtime)
{
    const struct shape *s = &n->in[0]->shape;
    return n->op == OP_kpu_upload ? ncc_kpu_upload_us(s->dim[1], s->dim[2], s->dim[3], runtime)
                                  : ncc_kpu_download_us(s->dim[1], s->dim[2], s->dim[3], runtime);
}

/* What has none of its own is there for what reads it, or else for what it reads. */
static const char *origin_of(const struct node *n)
{
    for (const struct node *k = n; k; k = k->out[0]->uses ? k->out[0]->uses->node : NULL)
        if (k->origin)
            return k->origin;
    for (const struct node *k = n; k; k = k->n_in && k->in[0] ? k->in[0]->def : NULL)
        if (k->origin)
            return k->origin;
    return NULL;
}

static struct report_layer describe(struct report *r, const struct node *n, enum ncc_kpu_runtime runtime,
                                    struct arena *a)
{
    struct report_layer l = {.name = n->name,
                             .origin = origin_of(n),
                             .op = ncc_report_op(n, a),
                             .in_shape = shape_text(n->in[0]->shape, a),
                             .out_shape = shape_text(n->out[0]->shape, a)};
    const struct quant *q = &n->out[0]->quant;
    if (n->out[0]->dtype == DT_U8 && q->n_channels > 0) {
        l.n_scales = q->n_channels;
        l.scale = q->scale[0];
        l.zero_point = q->zero_point[0];
    }
    if (n->op == OP_kpu_layer) {
        l.on = "kpu";
        l.est_us = ncc_cost_layer_us(n, runtime);
        r->kpu_us += l.est_us;
        r->kpu_layers++;
    } else if (is_copy(n)) {
        l.on = "copy";
        l.est_us = copy_us(n, runtime);
        r->copy_us += l.est_us;
    } else {
        l.on = "cpu";
        l.est_us = ncc_cost_cpu_us(n, runtime);
        l.reason = n->reason;
        r->cpu_us += l.est_us;
        r->cpu_kernels++;
    }
    return l;
}

/* ---- crossings ---- */

/* By value id, forwards: depends on a KPU layer; backwards: reaches an upload. */
static int count_crossings(const struct graph *g, struct arena *a)
{
    bool *from_kpu = NCC_NEW(a, bool, g->next_id), *to_upload = NCC_NEW(a, bool, g->next_id);
    for (const struct node *n = g->first; n; n = n->next)
        for (int o = 0; o < n->n_out; o++) {
            bool from = n->op == OP_kpu_layer;
            for (int i = 0; i < n->n_in; i++)
                from = from || (n->in[i] && from_kpu[n->in[i]->id]);
            from_kpu[n->out[o]->id] = from;
        }
    for (const struct node *n = g->last; n; n = n->prev) {
        bool reaches = n->op == OP_kpu_upload;
        for (int o = 0; o < n->n_out; o++)
            reaches = reaches || to_upload[n->out[o]->id];
        for (int i = 0; i < n->n_in; i++)
            if (n->in[i] && reaches)
                to_upload[n->in[i]->id] = true;
    }
    int count = 0;
    for (const struct node *n = g->first; n; n = n->next) {
        count += n->op == OP_kpu_upload && from_kpu[n->in[0]->id];
        count += n->op == OP_kpu_download && to_upload[n->out[0]->id];
    }
    return count;
}

/* The runtime packs an input into KPU RAM before the first node. */
static void describe_input(struct report *r, const struct value *v, enum ncc_kpu_runtime runtime, struct arena *a)
{
    const struct shape *s = &v->shape;
    if (v->mem != MEM_KPU)
        return;
    const struct report_layer l = {.name = v->name,
                                   .op = "input to KPU RAM",
                                   .on = "copy",
                                   .in_shape = shape_text(*s, a),
                                   .out_shape = shape_text(*s, a),
                                   .est_us = ncc_kpu_upload_us(s->dim[1], s->dim[2], s->dim[3], runtime)};
    r->copy_us += l.est_us;
    NCC_PUSH(a, &r->layers, l);
}

static void name_buffer(struct report *r, const struct plan *plan, const struct value *v)
{
    const int i = plan->buffer_of[v->id];
    if (i >= 0 && !*r->buffers.v[i].name)
        r->buffers.v[i].name = v->name;
}

/* Values that share bytes are one buffer, which has the name of the first. */
static void describe_buffers(struct report *r, const struct graph *g, const struct plan *plan, struct arena *a)
{
    for (int i = 0; i < plan->buffers.n; i++) {
        const struct buffer *b = &plan->buffers.v[i];
        NCC_PUSH(a, &r->buffers, ((struct report_buffer){"", b->mem, b->addr, b->size, b->birth, b->death}));
    }
    for (int i = 0; i < g->inputs.n; i++)
        name_buffer(r, plan, g->inputs.v[i]);
    for (const struct node *n = g->first; n; n = n->next)
        for (int o = 0; o < n->n_out; o++)
            name_buffer(r, plan, n->out[o]);
    r->n_steps = plan->n_steps;
}

void ncc_report_layers(struct report *r, const struct graph *g, const struct plan *plan, enum ncc_kpu_runtime runtime,
                       struct arena *a)
{
    r->runtime = runtime;
    for (int i = 0; i < g->inputs.n; i++)
        describe_input(r, g->inputs.v[i], runtime, a);
    for (const struct node *n = g->first; n; n = n->next)
        if (!ncc_emit_is_free(n))
            NCC_PUSH(a, &r->layers, describe(r, n, runtime, a));
    describe_buffers(r, g, plan, a);
    r->crossings = count_crossings(g, a);
    r->kpu = plan->kpu;
    r->main = plan->main;
}

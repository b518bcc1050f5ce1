/* The walk over the planned graph. */
#include "compiler/emit/emit.h"
#include "compiler/emit/writing.h"
#include "compiler/ops/clamps.h"
#include "compiler/ops/slice.h"

#include <float.h>
#include <string.h>

/* ---- places ---- */

static uint32_t pool_offset(struct writing *w, const struct value *v)
{
    int64_t *off = &w->const_off[v->id];
    if (*off >= 0)
        return (uint32_t)*off;
    while (w->pool.n % 8)
        NCC_PUSH(w->arena, &w->pool, 0);
    *off = w->pool.n;
    const uint8_t *bytes = v->data;
    const size_t size = (size_t)ncc_shape_count(v->shape) * ncc_dtype_size(v->dtype);
    for (size_t i = 0; i < size; i++)
        NCC_PUSH(w->arena, &w->pool, bytes[i]);
    return (uint32_t)*off;
}

struct ncc_km_range ncc_emit_range(struct writing *w, const struct value *v)
{
    const uint32_t type = v->dtype == DT_U8 ? NCC_KM_U8 : NCC_KM_F32;
    const uint32_t size = (uint32_t)(ncc_shape_count(v->shape) * (int64_t)ncc_dtype_size(v->dtype));
    if (v->data)
        return (struct ncc_km_range){NCC_KM_CONST, type, pool_offset(w, v), size};
    if (v->mem == MEM_KPU)
        return (struct ncc_km_range){NCC_KM_KPU, type, (uint32_t)v->addr, (uint32_t)ncc_plan_value_size(v)};
    return (struct ncc_km_range){NCC_KM_MAIN, type, (uint32_t)v->addr, size};
}

bool ncc_emit_shape(struct writing *w, const struct node *n, struct shape s, int32_t out[4])
{
    if (s.rank > 4) {
        ncc_emit_refuse(w, n, "kmodel v4 has at most four dimensions");
        return false;
    }
    for (int i = 0; i < 4; i++)
        out[i] = i < 4 - s.rank ? 1 : s.dim[i - (4 - s.rank)];
    return true;
}

void ncc_emit_refuse(struct writing *w, const struct node *n, const char *why)
{
    if (w->counting) {
        char text[80];
        ncc_diag_error(w->g->diags, FAULT_INPUT, ncc_node_place(w->g, n), why,
                       "cut the model before this node with --output-tensor, and compute the rest in the firmware",
                       "%s -> %s", n->in[0] ? n->in[0]->name : "nothing", ncc_shape_text(n->out[0]->shape, text));
    }
    w->failed = true;
}

void ncc_emit_node(struct writing *w, uint32_t opcode, const void *body, size_t body_size, const void *payload1,
                   size_t size1, const void *payload2, size_t size2)
{
    w->n_nodes++;
    if (!w->counting)
        ncc_kmodel_write_node(&w->w, opcode, body, body_size, payload1, size1, payload2, size2);
}

/* ---- what needs no code ---- */

/* Every input already lies at its part of the output. */
static bool concat_is_free(const struct node *n)
{
    const struct concat_attrs *a = n->attrs;
    const struct value *y = n->out[0];
    int64_t at = y->addr;
    for (int i = 0; i < a->axis; i++)
        if (y->shape.dim[i] != 1)
            return false;
    for (int i = 0; i < n->n_in; i++) {
        if (n->in[i]->data || n->in[i]->addr != at)
            return false;
        at += ncc_shape_count(n->in[i]->shape) * (int64_t)ncc_dtype_size(y->dtype);
    }
    return true;
}

/* The slice is a view of its input. */
static bool slice_is_free(const struct node *n)
{
    struct slice_runs r;
    return ncc_slice_runs(n, &r) && r.n == 1 && !n->in[0]->data &&
           n->out[0]->addr == n->in[0]->addr + ncc_slice_run_at(n, &r, 0) * (int64_t)ncc_dtype_size(n->in[0]->dtype);
}

bool ncc_emit_is_free(const struct node *n)
{
    switch ((int)n->op) {
    case OP_kpu_concat:
    case OP_kpu_stack:
    case OP_kpu_slice:
    case OP_kpu_recanvas:
    case OP_kpu_view:
    case OP_reshape:
        return true;
    case OP_concat:
        return concat_is_free(n);
    case OP_slice:
        return slice_is_free(n);
    default:
        return false;
    }
}

const char *ncc_emit_download_fault(const struct node *n)
{
    const struct node *layer = n->in[0]->def;
    return layer && layer->op == OP_kpu_layer ? NULL : "only a layer's result can be copied out of KPU RAM";
}

const struct node *ncc_emit_fused_clamp(const struct graph *g, const struct node *n, struct ncc_km_clamp *out)
{
    *out = (struct ncc_km_clamp){-FLT_MAX, FLT_MAX};
    const struct value *y = n->out[0];
    const struct node *next = ncc_value_only_use(g, y);
    if (!next || next->out[0]->addr != y->addr || y->dtype != DT_F32)
        return NULL;
    if (next->op == OP_relu) {
        out->min = 0;
    } else if (next->op == OP_clip) {
        const struct clip_attrs *a = next->attrs;
        *out = (struct ncc_km_clamp){a->min, a->max};
    } else {
        return NULL;
    }
    return next;
}

/* relu and clip that the kernel before them does on the way. */
static bool is_fused(const struct writing *w, const struct node *n)
{
    struct ncc_km_clamp ignored;
    const struct node *def = n->in[0] ? n->in[0]->def : NULL;
    return def && ncc_op_clamps(def->op) && def->out[0]->dtype == DT_F32 &&
           ncc_emit_fused_clamp(w->g, def, &ignored) == n;
}

static void emit_node(struct writing *w, const struct node *n)
{
    if (n->op == OP_kpu_layer)
        ncc_emit_kpu_layer(w, n);
    else if (n->op == OP_kpu_upload)
        ncc_emit_kpu_upload(w, n);
    else if (n->op == OP_kpu_download && ncc_emit_download_fault(n))
        ncc_emit_refuse(w, n, ncc_emit_download_fault(n));
    else if (n->op != OP_kpu_download && !ncc_emit_is_free(n) && !is_fused(w, n))
        ncc_emit_cpu(w, n);
}

/* ---- the file ---- */

/* Inputs and outputs of a kmodel are float32 or uint8. */
static bool can_be_fed(const struct writing *w, const struct value *v, const char *name, const char *what)
{
    char text[80];
    if (v->dtype == DT_F32 || v->dtype == DT_U8)
        return true;
    ncc_diag_error(w->g->diags, FAULT_INPUT, (struct place){w->g->file, name, what},
                   "inputs and outputs of kmodel v4 are float or uint8",
                   "cut the model with --input-tensor or --output-tensor", "%s %s", ncc_dtype_name(v->dtype),
                   ncc_shape_text(v->shape, text));
    return false;
}

static bool inputs_of(struct writing *w, struct ncc_kmodel_head *head)
{
    const int n = w->g->inputs.n;
    struct ncc_km_range *ranges = NCC_NEW(w->arena, struct ncc_km_range, n);
    int32_t(*shapes)[4] = ncc_arena_alloc(w->arena, (size_t)n, sizeof *shapes, 8);
    for (int i = 0; i < n; i++) {
        const struct value *v = w->g->inputs.v[i];
        if (!can_be_fed(w, v, v->name, "input"))
            return false;
        ranges[i] = ncc_emit_range(w, v);
        const struct shape s = ncc_shape_left_pad(v->shape, 4);
        shapes[i][0] =
            1; /* of more than four dimensions the first ones are one: the order of the elements is the same */
        for (int k = 0; k <= s.rank - 4; k++)
            shapes[i][0] *= s.dim[k];
        for (int k = 1; k < 4; k++)
            shapes[i][k] = s.dim[s.rank - 4 + k];
    }
    head->n_inputs = (uint32_t)n;
    head->inputs = ranges;
    head->input_shapes = (const int32_t(*)[4])shapes;
    return true;
}

static bool outputs_of(struct writing *w, struct ncc_kmodel_head *head)
{
    const int n = w->g->outputs.n;
    struct ncc_km_range *ranges = NCC_NEW(w->arena, struct ncc_km_range, n);
    for (int i = 0; i < n; i++) {
        const struct graph_output *o = &w->g->outputs.v[i];
        if (!can_be_fed(w, o->value, o->name, "output"))
            return false;
        ranges[i] = ncc_emit_range(w, o->value);
    }
    head->n_outputs = (uint32_t)n;
    head->outputs = ranges;
    return true;
}

static size_t write_all(struct writing *w, uint8_t *buf, size_t cap, const struct ncc_kmodel_head *head)
{
    ncc_kmodel_write_begin(&w->w, buf, cap, head);
    for (const struct node *n = w->g->first; n; n = n->next)
        emit_node(w, n);
    return ncc_kmodel_write_end(&w->w);
}

bool ncc_emit_v4(const struct graph *g, const struct plan *plan, struct arena *a, struct bytes *out)
{
    struct writing w = {.g = g, .arena = a, .counting = true, .const_off = NCC_NEW(a, int64_t, g->next_id)};
    for (int i = 0; i < g->next_id; i++)
        w.const_off[i] = -1;
    struct ncc_kmodel_head head = {.main_mem_size = (uint32_t)plan->main.peak};
    if (!inputs_of(&w, &head))
        return false;
    for (const struct node *n = g->first; n; n = n->next)
        emit_node(&w, n);
    if (!outputs_of(&w, &head) || w.failed)
        return false;
    head.n_nodes = w.n_nodes;
    head.constants = w.pool.v;
    head.constants_size = (uint32_t)w.pool.n;
    w.counting = false;
    const size_t size = write_all(&w, NULL, 0, &head);
    uint8_t *buf = ncc_arena_alloc(a, size, 1, 64);
    *out = (struct bytes){buf, write_all(&w, buf, size, &head)};
    return size > 0 && out->size == size;
}

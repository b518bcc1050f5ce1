/* The walk over the planned graph for kmodel v3. Addresses are those of the plan; there is no pool of constants,
 * weights lie in the bodies. */
#include "compiler/emit/emit.h"
#include "compiler/emit/writing_v3.h"

#include "kpu/limits.h"

#include <string.h>

/* ---- what all layers need ---- */

void ncc_emit_v3_refuse(struct writing_v3 *w, const struct node *n, const char *why)
{
    char text[80];
    if (w->counting)
        ncc_diag_error(w->g->diags, FAULT_INPUT, ncc_node_place(w->g, n), why,
                       "--kmodel-version 4, or cut the model before this node with --output-tensor", "%s -> %s",
                       n->in[0] ? n->in[0]->name : "nothing", ncc_shape_text(n->out[0]->shape, text));
    w->failed = true;
}

void ncc_emit_v3_layer(struct writing_v3 *w, uint32_t type, const void *body, size_t body_size, const void *payload1,
                       size_t size1, const void *payload2, size_t size2)
{
    w->n_layers++;
    if (!w->counting)
        ncc_kmodel_v3_write_layer(&w->w, type, body, body_size, payload1, size1, payload2, size2);
}

uint32_t ncc_emit_v3_place(struct writing_v3 *w, const struct node *n, const struct value *v)
{
    if (v->data || v->mem != MEM_MAIN)
        ncc_emit_v3_refuse(w, n, "kmodel v3 has no constant operands but weights");
    return (uint32_t)v->addr;
}

/* ---- around the KPU ---- */

/* The KPU sends eight bytes at a time: what follows the result in its buffer must not be another tensor's. */
static bool may_be_sent(struct writing_v3 *w, const struct node *download)
{
    const struct value *y = download->out[0];
    const int64_t size = ncc_shape_count(y->shape), end = w->plan->offset_in[y->id] + size;
    if ((int64_t)y->shape.dim[2] * y->shape.dim[3] > NCC_KPU_MAX_DMA_PLANE) {
        ncc_emit_v3_refuse(w, download, "the KPU sends at most 65536 elements of a channel to main memory");
        return false;
    }
    if (size % 8 == 0 || (end + 7) / 8 * 8 >= w->plan->buffers.v[w->plan->buffer_of[y->id]].size)
        return true;
    ncc_emit_v3_refuse(w, download, "the KPU sends multiples of 8 bytes, and other data would follow directly");
    return false;
}

/* Low byte first. */
static struct bytes wide_weights(struct writing_v3 *w, const struct value *weights)
{
    const size_t n = (size_t)ncc_shape_count(weights->shape);
    const int32_t *codes = weights->data;
    uint8_t *data = NCC_NEW(w->arena, uint8_t, 2 * n);
    for (size_t i = 0; i < n; i++) {
        data[2 * i] = (uint8_t)codes[i];
        data[2 * i + 1] = (uint8_t)(codes[i] >> 8);
    }
    return (struct bytes){data, 2 * n};
}

static void emit_layer(struct writing_v3 *w, const struct node *n)
{
    const struct node *download = ncc_emit_download_of(n);
    uint64_t words[12];
    uint32_t to = 0;
    if (download && may_be_sent(w, download))
        to = ncc_emit_v3_place(w, download, download->out[0]);
    w->n_layers++;
    if (w->counting)
        return;
    if (!ncc_emit_words(w->g, n, words)) {
        w->failed = true;
        return;
    }
    const bool wide = ncc_kpu_layer_is_wide(n);
    const struct bytes weights =
        wide ? wide_weights(w, n->in[1]) : (struct bytes){n->in[1]->data, (size_t)ncc_shape_count(n->in[1]->shape)};
    if (wide)
        ncc_kmodel_v3_write_16_bit(&w->w);
    ncc_kmodel_v3_write_conv(&w->w, download ? &to : NULL, words, n->in[2]->data, (size_t)n->out[0]->shape.dim[1],
                             n->in[3]->data, weights.data, weights.size);
}

/* C bytes that become maps of 4x4 for layers that look at one pixel only: then only element (0, 0) matters. */
static bool is_add_padding(const struct graph *g, const struct node *pad)
{
    const struct node *upload = pad->op == OP_pad ? ncc_value_only_use(g, pad->out[0]) : NULL;
    if (!upload || upload->op != OP_kpu_upload || pad->out[0]->dtype != DT_U8)
        return false;
    const struct shape *x = &pad->in[0]->shape, *y = &pad->out[0]->shape;
    const struct pad_attrs *a = pad->attrs;
    if (x->rank != 4 || x->dim[2] != 1 || x->dim[3] != 1 || y->dim[2] != NCC_KPU_MIN_H || y->dim[3] != NCC_KPU_MIN_W ||
        x->dim[1] != y->dim[1] || a->before.v[2] != 0 || a->before.v[3] != 0)
        return false;
    for (const struct use *u = upload->out[0]->uses; u; u = u->next)
        if (u->node->op != OP_kpu_layer || ((const struct kpu_layer_attrs *)u->node->attrs)->kernel != 1)
            return false;
    return true;
}

static void emit_upload(struct writing_v3 *w, const struct node *n)
{
    const struct node *pad = n->in[0]->def;
    const uint32_t line = (uint32_t)(n->out[0]->addr / NCC_KPU_LINE_SIZE);
    const struct shape *s = &n->in[0]->shape;
    if (pad && is_add_padding(w->g, pad)) {
        const struct ncc_km3_k210_add_padding b = {0, ncc_emit_v3_place(w, pad, pad->in[0]), line, (uint32_t)s->dim[1]};
        V3_EMIT(w, k210_add_padding, b, NULL, 0, NULL, 0);
        return;
    }
    const struct ncc_km3_k210_upload b = {
        0, ncc_emit_v3_place(w, n, n->in[0]), line, {(uint32_t)s->dim[3], (uint32_t)s->dim[2], (uint32_t)s->dim[1]}};
    V3_EMIT(w, k210_upload, b, NULL, 0, NULL, 0);
}

static void emit_node(struct writing_v3 *w, const struct node *n)
{
    if (n->op == OP_kpu_layer)
        emit_layer(w, n);
    else if (n->op == OP_kpu_upload)
        emit_upload(w, n);
    else if (n->op == OP_kpu_download && ncc_emit_download_fault(n))
        ncc_emit_v3_refuse(w, n, ncc_emit_download_fault(n));
    else if (n->op != OP_kpu_download && !ncc_emit_is_free(n) && !is_add_padding(w->g, n))
        ncc_emit_v3_cpu(w, n);
}

/* ---- ends ---- */

static bool is_view(const struct node *n)
{
    return n->op == OP_reshape || n->op == OP_kpu_recanvas || n->op == OP_kpu_view || n->op == OP_kpu_slice ||
           n->op == OP_kpu_concat;
}

static bool refuse_input(const struct writing_v3 *w, const char *name, const char *what, const char *remedy)
{
    ncc_diag_error(w->g->diags, FAULT_INPUT, (struct place){w->g->file, name, "input"}, what, remedy, NULL);
    return false;
}

/* The runtime takes the input's place and size from the first layer. */
static bool check_input(const struct writing_v3 *w)
{
    static const char remedy[] = "--kmodel-version 4";
    const struct value *x = w->g->inputs.n ? w->g->inputs.v[0] : NULL;
    const struct node *first = w->g->first;
    while (first && is_view(first))
        first = first->next;
    if (!x || !first || w->g->inputs.n != 1)
        return refuse_input(w, NULL, "a kmodel v3 has exactly one input", remedy);
    if (first->op == OP_kpu_layer)
        return first->in[0] == x ||
               refuse_input(w, x->name, "the first layer of a kmodel v3 must read all of its input", remedy);
    if (first->op == OP_matmul && first->in[0]->addr == x->addr && x->dtype == DT_F32 && x->mem == MEM_MAIN)
        return true;
    return refuse_input(
        w, x->name, "the input of a kmodel v3 is a uint8 picture for a KPU layer, or floats for a matrix product",
        "--input-type uint8 for pictures, --inference-type float for rows of numbers, or --kmodel-version 4");
}

static struct ncc_km3_output *outputs_of(struct writing_v3 *w)
{
    const int n = w->g->outputs.n;
    struct ncc_km3_output *outputs = NCC_NEW(w->arena, struct ncc_km3_output, n);
    for (int i = 0; i < n; i++) {
        const struct graph_output *o = &w->g->outputs.v[i];
        const struct value *v = o->value;
        outputs[i] = (struct ncc_km3_output){(uint32_t)v->addr, (uint32_t)ncc_shape_count(v->shape) * 4};
        if (v->dtype == DT_F32 && !v->data && v->mem == MEM_MAIN)
            continue;
        ncc_diag_error(w->g->diags, FAULT_INPUT, (struct place){w->g->file, o->name, "output"},
                       "the outputs of a kmodel v3 are floats that depend on its input",
                       "--output-type float, or --kmodel-version 4", "%s%s", ncc_dtype_name(v->dtype),
                       v->data ? ", constant" : "");
        w->failed = true;
    }
    return outputs;
}

static size_t write_all(struct writing_v3 *w, uint8_t *buf, size_t cap, uint32_t n_layers,
                        const struct ncc_km3_output *outputs)
{
    ncc_kmodel_v3_write_begin(&w->w, buf, cap, n_layers, (uint32_t)w->plan->main.peak, outputs,
                              (uint32_t)w->g->outputs.n);
    for (const struct node *n = w->g->first; n; n = n->next)
        emit_node(w, n);
    return ncc_kmodel_v3_write_end(&w->w);
}

bool ncc_emit_v3(const struct graph *g, const struct plan *plan, struct arena *a, struct bytes *out)
{
    struct writing_v3 w = {.g = g, .plan = plan, .arena = a, .counting = true};
    const struct ncc_km3_output *outputs = outputs_of(&w);
    for (const struct node *n = g->first; n; n = n->next)
        emit_node(&w, n);
    if (!check_input(&w) || w.failed)
        return false;
    const uint32_t n_layers = w.n_layers;
    w.counting = false;
    const size_t size = write_all(&w, NULL, 0, n_layers, outputs);
    uint8_t *buf = ncc_arena_alloc(a, size, 1, 64);
    *out = (struct bytes){buf, write_all(&w, buf, size, n_layers, outputs)};
    return size > 0 && out->size == size;
}

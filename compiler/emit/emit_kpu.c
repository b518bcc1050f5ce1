#include "compiler/emit/writing.h"

#include "kpu/layer.h"
#include "kpu/limits.h"

#include <string.h>

const struct node *ncc_emit_download_of(const struct node *layer)
{
    for (const struct use *u = layer->out[0]->uses; u; u = u->next)
        if (u->node->op == OP_kpu_download)
            return u->node;
    return NULL;
}

bool ncc_emit_words(const struct graph *g, const struct node *n, uint64_t words[12])
{
    const struct kpu_layer_attrs *a = n->attrs;
    const struct value *x = n->in[0], *y = n->out[0];
    const struct ncc_kpu_shape shape = {x->shape.dim[1], x->shape.dim[2], x->shape.dim[3], y->shape.dim[1],
                                        a->kernel,       a->depthwise,    a->pool};
    struct ncc_kpu_regs regs;
    (ncc_kpu_layer_is_wide(n) ? ncc_kpu_derive_16 : ncc_kpu_derive)(
        &shape, (int)(x->addr / NCC_KPU_LINE_SIZE), (int)(y->addr / NCC_KPU_LINE_SIZE), a->x_zero, a->w_zero, &regs);
    const char *field = ncc_kpu_pack(&regs, words);
    if (field)
        ncc_diag_error(g->diags, FAULT_INTERNAL, ncc_node_place(g, n), "a register field does not hold its value",
                       "report this with the model", "%s", field);
    return !field;
}

void ncc_emit_kpu_layer(struct writing *w, const struct node *n)
{
    w->n_nodes++;
    if (w->counting)
        return;
    uint64_t words[12];
    if (!ncc_emit_words(w->g, n, words)) {
        w->failed = true;
        return;
    }
    const struct node *download = ncc_emit_download_of(n);
    struct ncc_km_range main_out;
    if (download)
        main_out = ncc_emit_range(w, download->out[0]);
    ncc_kmodel_write_kpu_conv2d(&w->w, download ? &main_out : NULL, 1, words, n->in[2]->data,
                                (size_t)n->out[0]->shape.dim[1], n->in[3]->data, n->in[1]->data,
                                (size_t)ncc_shape_count(n->in[1]->shape));
}

void ncc_emit_kpu_upload(struct writing *w, const struct node *n)
{
    struct ncc_km_kpu_upload b = {.in = ncc_emit_range(w, n->in[0]), .out = ncc_emit_range(w, n->out[0])};
    if (ncc_emit_shape(w, n, n->in[0]->shape, b.in_shape))
        ncc_emit_node(w, NCC_KM_OP_kpu_upload, &b, sizeof b, NULL, 0, NULL, 0);
}

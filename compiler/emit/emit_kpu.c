#include "compiler/emit/writing.h"

#include "kpu/layer.h"
#include "kpu/limits.h"

#include <string.h>

static const struct node *download_of(const struct node *layer)
{
    for (const struct use *u = layer->out[0]->uses; u; u = u->next)
        if (u->node->op == OP_kpu_download)
            return u->node;
    return NULL;
}

void ncc_emit_kpu_layer(struct writing *w, const struct node *n)
{
    w->n_nodes++;
    if (w->counting)
        return;
    const struct kpu_layer_attrs *a = n->attrs;
    const struct value *x = n->in[0], *y = n->out[0];
    const struct ncc_kpu_shape shape = {x->shape.dim[1], x->shape.dim[2], x->shape.dim[3], y->shape.dim[1],
                                        a->kernel,       a->depthwise,    a->pool};
    struct ncc_kpu_regs regs;
    uint64_t words[12];
    ncc_kpu_derive(&shape, (int)(x->addr / NCC_KPU_LINE_SIZE), (int)(y->addr / NCC_KPU_LINE_SIZE), a->x_zero, a->w_zero,
                   &regs);
    const char *field = ncc_kpu_pack(&regs, words);
    if (field) {
        ncc_diag_error(w->g->diags, FAULT_INTERNAL, ncc_node_place(w->g, n), "a register field does not hold its value",
                       "report this with the model", "%s", field);
        w->failed = true;
        return;
    }
    const struct node *download = download_of(n);
    struct ncc_km_range main_out;
    if (download)
        main_out = ncc_emit_range(w, download->out[0]);
    ncc_kmodel_write_kpu_conv2d(&w->w, download ? &main_out : NULL, 1, words, n->in[2]->data, (size_t)y->shape.dim[1],
                                n->in[3]->data, n->in[1]->data, (size_t)ncc_shape_count(n->in[1]->shape));
}

void ncc_emit_kpu_upload(struct writing *w, const struct node *n)
{
    struct ncc_km_kpu_upload b = {.in = ncc_emit_range(w, n->in[0]), .out = ncc_emit_range(w, n->out[0])};
    if (ncc_emit_shape(w, n, n->in[0]->shape, b.in_shape))
        ncc_emit_node(w, NCC_KM_OP_kpu_upload, &b, sizeof b, NULL, 0, NULL, 0);
}

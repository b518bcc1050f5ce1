#include "compiler/quant/layer_pairs.h"

#include "compiler/quant/by_channel.h"

struct value **ncc_graph_values(const struct graph *g, struct arena *a)
{
    struct value **v = NCC_NEW(a, struct value *, g->next_id);
    for (int i = 0; i < g->inputs.n; i++)
        v[g->inputs.v[i]->id] = g->inputs.v[i];
    for (const struct node *n = g->first; n; n = n->next)
        for (int i = 0; i < n->n_out; i++)
            v[n->out[i]->id] = n->out[i];
    return v;
}

static bool only_moves(const struct node *n)
{
    switch ((int)n->op) {
    case OP_kpu_upload:
    case OP_kpu_download:
    case OP_kpu_concat:
    case OP_kpu_stack:
    case OP_kpu_slice:
    case OP_kpu_recanvas:
    case OP_kpu_view:
    case OP_dequantize:
    case OP_concat:
        return true;
    default:
        return ncc_op_desc(n->op)->flags & (OP_SAME_QUANT | OP_ALIAS);
    }
}

static bool is_layer(const struct node *n, const struct value *y)
{
    return n->n_out == 1 && n->n_in <= NCC_LAYER_INPUTS && y && y->dtype == DT_F32 &&
           !(y->def && ncc_quant_is_copy(y->def)) && ncc_shape_equal(y->shape, n->out[0]->shape) && !only_moves(n);
}

struct finding {
    const struct graph *codes;
    struct value *const *real;
    int n_real;
};

static const struct value *counterpart(const struct finding *f, const struct value *v)
{
    return v->real_id < f->n_real ? f->real[v->real_id] : NULL;
}

/* Maps that were added line by line: bytes of no channel were, too, which only the view leaves out. */
static void show(const struct finding *f, struct layer_pair *l)
{
    const struct node *view = ncc_value_only_use(f->codes, l->code);
    const struct value *y = view && view->op == OP_kpu_view ? counterpart(f, view->out[0]) : NULL;
    if (!y || !ncc_shape_equal(y->shape, view->out[0]->shape) || y->shape.dim[1] <= l->y->shape.dim[1])
        return;
    l->view = view;
    l->code = view->out[0];
    l->y = y;
}

struct layer_pairs ncc_layer_pairs(const struct graph *codes, struct value *const *real_values, int n_real,
                                   struct arena *a)
{
    const struct finding f = {codes, real_values, n_real};
    struct layer_pairs pairs = {.v = NCC_NEW(a, struct layer_pair, ncc_graph_n_nodes(codes))};
    for (const struct node *n = codes->first; n; n = n->next) {
        const struct value *y = n->n_out ? counterpart(&f, n->out[0]) : NULL;
        if (!is_layer(n, y))
            continue;
        struct layer_pair *l = &pairs.v[pairs.n++];
        *l = (struct layer_pair){
            .node = n, .real = y->def, .y = y, .code = n->out[0], .first_channel = pairs.n_channels};
        show(&f, l);
        l->n_channels = l->y->shape.rank == 4 ? l->y->shape.dim[1] : 1;
        pairs.n_channels += l->n_channels;
    }
    return pairs;
}

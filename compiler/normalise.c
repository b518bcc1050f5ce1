#include "compiler/normalise.h"

#include "compiler/ops/attrs.h"

static struct value *constant(struct compilation *c, const char *name, struct shape shape, const float *values)
{
    return ncc_const_copy(c->graph, name, DT_F32, shape, values);
}

/* What read v reads (v - mean) / std from now on. */
static bool prepend(struct compilation *c, struct value *v)
{
    const struct ncc_channel_norm *by = &c->options->by_channel;
    struct graph *g = c->graph;
    struct conv2d_attrs a = *(const struct conv2d_attrs *)ncc_attrs_default(OP_conv2d, g->arena);
    float factor[4], offset[4];
    a.groups = by->n;
    for (int i = 0; i < by->n; i++) {
        factor[i] = 1 / by->std[i];
        offset[i] = -by->mean[i] / by->std[i];
    }
    g->cursor = g->first;
    struct value *y = NCC_OP(g, OP_conv2d, ncc_name(g, v->name, "norm"), &a, v,
                             constant(c, ncc_name(g, v->name, "std"), ncc_shape_4(by->n, 1, 1, 1), factor),
                             constant(c, ncc_name(g, v->name, "mean"), ncc_shape_make(1, &by->n), offset));
    g->cursor = NULL;
    for (struct use *u = v->uses, *next; u && y; u = next) {
        next = u->next;
        if (u->node != y->def)
            ncc_node_set_input(u->node, u->index, y, g->arena);
    }
    return y != NULL;
}

bool ncc_normalise_inputs(struct compilation *c)
{
    const struct ncc_channel_norm *by = &c->options->by_channel;
    for (int i = 0; by->n && i < c->graph->inputs.n; i++) {
        struct value *v = c->graph->inputs.v[i];
        if (v->shape.rank != 4 || v->shape.dim[1] != by->n) {
            char text[80];
            ncc_diag_error(&c->diags, FAULT_USAGE, (struct place){c->options->model, v->name, "input"},
                           "there must be one mean and std, or one for each channel of the input",
                           "as many numbers as channels, separated by commas", "%d numbers, shape %s", by->n,
                           ncc_shape_text(v->shape, text));
            return false;
        }
        if (!c->k210.float_input && v->dtype == DT_F32 && !prepend(c, v))
            return false;
    }
    return true;
}

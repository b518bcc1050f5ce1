/* Which graphs can become kmodels: those that compute with real numbers. */
#include "compiler/steps.h"

static bool refuse(const struct graph *g, const struct value *v, struct place where)
{
    char text[80];
    ncc_diag_error(g->diags, FAULT_INPUT, where, "the KPU and the kernels of kmodels compute with real numbers only",
                   "cut the model before this node with --output-tensor, or behind it with --input-tensor",
                   "'%s' is %s %s", v->name, ncc_dtype_name(v->dtype), ncc_shape_text(v->shape, text));
    return false;
}

bool ncc_has_only_real_numbers(const struct graph *g)
{
    bool good = true;
    for (int i = 0; i < g->inputs.n; i++) {
        const struct value *v = g->inputs.v[i];
        if (v->dtype != DT_F32)
            good = refuse(g, v, (struct place){g->file, v->name, "input"});
    }
    for (const struct node *n = g->first; n; n = n->next)
        for (int i = 0; i < n->n_out; i++)
            if (n->out[i]->dtype != DT_F32)
                good = refuse(g, n->out[i], ncc_node_place(g, n));
    return good;
}

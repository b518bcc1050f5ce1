/* Which graphs can become kmodels: those that compute with real numbers. */
#include "compiler/import/outline.h"
#include "compiler/steps.h"

#include <string.h>

static bool is_integer(const struct value *v)
{
    return v && v->dtype != DT_F32 && !ncc_is_const(v);
}

static bool makes_integers(const struct node *n)
{
    bool any = false;
    for (int i = 0; i < n->n_out; i++)
        any = any || is_integer(n->out[i]);
    return any;
}

static bool reads_integers(const struct node *n)
{
    bool any = false;
    for (int i = 0; i < n->n_in; i++)
        any = any || is_integer(n->in[i]);
    return any;
}

static void refuse(const struct graph *g, const struct value *v, struct place where)
{
    char text[80];
    ncc_diag_error(g->diags, FAULT_INPUT, where, "the KPU and the kernels of kmodels compute with real numbers only",
                   "cut the model before this node with --output-tensor, or behind it with --input-tensor",
                   "'%s' is %s %s", v->name, ncc_dtype_name(v->dtype), ncc_shape_text(v->shape, text));
}

/* Is `name` one of those in a comma separated list? */
static bool is_listed(const char *list, const char *name)
{
    const size_t length = strlen(name);
    for (const char *at = list; length && at && (at = strstr(at, name)); at++)
        if ((at == list || at[-1] == ',') && (!at[length] || at[length] == ','))
            return true;
    return false;
}

enum { MOST_MARKED = 256 }; /* nodes; of a model that computes more than that with integers little would be left */

/* Tells where to cut off what computes with integers. */
static void suggest_cuts(const struct graph *g)
{
    if (!g->outline)
        return;
    struct outline o = *g->outline;
    struct outline_op *ops = NCC_NEW(g->arena, struct outline_op, o.n_ops);
    memcpy(ops, o.ops, (size_t)o.n_ops * sizeof *ops);
    o.ops = ops;
    int n_marked = 0;
    for (const struct node *n = g->first; n && n_marked <= MOST_MARKED; n = n->next) {
        if (!makes_integers(n) && !reads_integers(n))
            continue;
        n_marked++;
        for (int i = 0; i < o.n_ops; i++)
            ops[i].is_refused |= is_listed(n->origin, ops[i].name);
    }
    if (n_marked <= MOST_MARKED)
        ncc_outline_suggest_cuts(&o, g->file, g->arena, g->diags);
}

bool ncc_has_only_real_numbers(const struct graph *g)
{
    int n_found = 0, n_more = 0;
    for (int i = 0; i < g->inputs.n; i++)
        if (is_integer(g->inputs.v[i])) {
            refuse(g, g->inputs.v[i], (struct place){g->file, g->inputs.v[i]->name, "input"});
            n_found++;
        }
    for (const struct node *n = g->first; n; n = n->next) {
        if (makes_integers(n) && !reads_integers(n)) {
            refuse(g, n->out[0], ncc_node_place(g, n));
            n_found++;
        }
        n_more += reads_integers(n);
    }
    if (n_found && n_more)
        ncc_diag_note(g->diags, (struct place){.file = g->file}, "other nodes compute with these integers", NULL, "%d",
                      n_more);
    if (n_found)
        suggest_cuts(g);
    return n_found == 0;
}

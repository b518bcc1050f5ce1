#include "compiler/ir/infer.h"

#include <stdio.h>
#include <string.h>

bool ncc_infer_refuse(struct infer *i, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(i->error, sizeof ((struct inferred *)0)->error, format, args);
    va_end(args);
    return false;
}

static bool chain_valid(const struct act_chain *c)
{
    if (c->n < 0 || c->n > NCC_MAX_ACT)
        return false;
    for (int i = 0; i < c->n; i++)
        if ((unsigned)c->step[i].op >= N_OPS || !ncc_op_desc(c->step[i].op)->scalar)
            return false;
    return true;
}

static bool field_valid(const struct attr_desc *d, const void *field)
{
    if (d->kind == ATTR_INTS)
        return ((const struct ints *)field)->n >= 0 && ((const struct ints *)field)->n <= NCC_MAX_INTS;
    if (d->kind == ATTR_ACT)
        return chain_valid(field);
    if (d->kind != ATTR_ENUM)
        return true;
    for (int i = 0; d->names[i]; i++)
        if (i == *(const int *)field)
            return true;
    return false;
}

static bool attrs_valid(struct infer *i, const struct op_desc *desc)
{
    for (const struct attr_desc *d = desc->attrs; d && d->name; d++)
        if (!field_valid(d, (const char *)i->node->attrs + d->offset))
            return ncc_infer_refuse(i, "attribute %s must have one of its defined values", d->name);
    return true;
}

static bool arity_valid(struct infer *i, const struct op_desc *desc)
{
    const struct node *n = i->node;
    if (n->n_in < desc->min_in)
        return ncc_infer_refuse(i, "%s needs at least %d inputs", desc->name, desc->min_in);
    if (desc->max_in >= 0 && n->n_in > desc->max_in)
        return ncc_infer_refuse(i, "%s takes at most %d inputs", desc->name, desc->max_in);
    for (int k = 0; k < n->n_in; k++)
        if (!n->in[k] && (k < desc->min_in || desc->max_in < 0))
            return ncc_infer_refuse(i, "input %d must be present", k);
    return true;
}

static int count_outputs(const struct op_desc *desc, const void *attrs)
{
    if (desc->n_out >= 0)
        return desc->n_out;
    for (const struct attr_desc *d = desc->attrs; d && d->name; d++)
        if (d->kind == ATTR_INTS)
            return ((const struct ints *)(const void *)((const char *)attrs + d->offset))->n;
    return 0;
}

static bool shape_valid(struct infer *i, struct shape s)
{
    if (s.rank < 0 || s.rank > NCC_MAX_RANK)
        return ncc_infer_refuse(i, "tensors must have at most %d dimensions", NCC_MAX_RANK);
    for (int k = 0; k < s.rank; k++)
        if (s.dim[k] < 0)
            return ncc_infer_refuse(i, "the result's dimension %d must not be negative", k);
    if (ncc_shape_count(s) < 0)
        return ncc_infer_refuse(i, "the result must have at most 2^28 elements");
    return true;
}

bool ncc_infer_node(const struct node *n, struct inferred *r)
{
    const struct op_desc *desc = ncc_op_desc(n->op);
    struct infer i = {.node = n, .in = n->in, .out = r->out, .error = r->error};
    r->n_out = 0;
    r->error[0] = 0;
    if (!arity_valid(&i, desc) || !attrs_valid(&i, desc))
        return false;
    r->n_out = count_outputs(desc, n->attrs);
    memset(r->out, 0, (size_t)r->n_out * sizeof *r->out);
    for (int k = 0; k < r->n_out; k++) {
        r->out[k].dtype = n->in[0]->dtype;
        r->out[k].shape = n->in[0]->shape;
        r->out[k].window = n->in[0]->window;
        r->out[k].mem = n->in[0]->mem;
    }
    if (desc->infer && !desc->infer(&i))
        return false;
    for (int k = 0; k < r->n_out; k++)
        if (!shape_valid(&i, r->out[k].shape))
            return false;
    return true;
}

void ncc_infer_report(const struct graph *g, const struct node *n, const struct inferred *r, enum fault fault)
{
    char text[300] = "no inputs", shape[80];
    size_t at = 0;
    for (int k = 0; k < n->n_in && at + 100 < sizeof text; k++) {
        const struct value *v = n->in[k];
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s%s%s", k ? ", " : "inputs ",
                               v ? ncc_dtype_name(v->dtype) : "absent", v ? " " : "",
                               v ? ncc_shape_text(v->shape, shape) : "");
    }
    ncc_diag_error(g->diags, fault, ncc_node_place(g, n), r->error, NULL, "%s", text);
}

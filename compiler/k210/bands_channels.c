/* Ranges of channels: what works channel by channel between a convolution and whoever reads all its channels. */
#include "compiler/k210/bands.h"

#include "compiler/ops/attrs.h"
#include "compiler/pass/match.h"
#include "kpu/layout.h"
#include "kpu/limits.h"

#include <stdio.h>

static bool is_depthwise(const struct node *n)
{
    const struct conv2d_attrs *a = n->op == OP_conv2d ? n->attrs : NULL;
    return a && ncc_match_is_layer(n) && a->groups > 1 && a->groups == n->in[0]->shape.dim[1] &&
           a->groups == n->out[0]->shape.dim[1];
}

static bool is_unary(const struct node *n)
{
    return ncc_op_desc(n->op)->flags & OP_UNARY;
}

static bool by_channel(const struct node *n)
{
    return !n->barred && (is_unary(n) || is_depthwise(n) || n->op == OP_max_pool || n->op == OP_avg_pool);
}

static bool makes_channels(const struct node *n)
{
    return !n->barred && n->op == OP_conv2d && ncc_match_is_layer(n) && n->in[0]->shape.dim[0] == 1 &&
           ((const struct conv2d_attrs *)n->attrs)->groups == 1;
}

bool ncc_bands_channel_run(const struct graph *g, const struct node *n, struct channel_run *out)
{
    while (by_channel(n) && n->in[0]->def && ncc_value_only_use(g, n->in[0]) == n)
        n = n->in[0]->def;
    if (!makes_channels(n))
        return false;
    *out = (struct channel_run){.first = n, .last = n};
    bool more_than_functions = false;
    for (const struct node *next; (next = ncc_value_only_use(g, out->last->out[0])) && by_channel(next); out->last = next)
        more_than_functions |= !is_unary(next);
    return more_than_functions;
}

/* ---- how many ---- */

static int64_t bytes_of(const struct value *v)
{
    const int *d = v->shape.dim;
    return ncc_kpu_bytes(d[1], d[2], d[3]);
}

/* Of the input, all results, and what one range needs on its way. */
static int64_t bytes_with(const struct graph *g, const struct channel_run *r, int n)
{
    int64_t most = 0;
    for (const struct node *k = r->first; k != r->last; k = ncc_value_only_use(g, k->out[0])) {
        const struct node *next = ncc_value_only_use(g, k->out[0]);
        const int64_t both = bytes_of(k->out[0]) + (next == r->last ? 0 : bytes_of(next->out[0]));
        most = !is_unary(next) && both > most ? both : most;
    }
    return bytes_of(r->first->in[0]) + bytes_of(r->last->out[0]) + most / n;
}

int ncc_bands_channel_ranges(const struct graph *g, const struct channel_run *r)
{
    const int c = r->first->out[0]->shape.dim[1];
    for (int n = 2; 4 * (n - 1) < c; n++)
        if (bytes_with(g, r, n) <= NCC_KPU_RAM_SIZE)
            return n;
    return 0;
}

/* ---- the rewrite ---- */

static int per_range(const struct channel_run *r, int n)
{
    const int c = r->first->out[0]->shape.dim[1];
    return (c + 4 * n - 1) / (4 * n) * 4; /* whole lines, however narrow the map becomes */
}

static struct value *rows_of(struct graph *g, const struct value *v, int begin, int count)
{
    if (!v)
        return NULL;
    struct shape s = v->shape;
    const size_t each = (size_t)(ncc_shape_count(s) / s.dim[0]);
    s.dim[0] = count;
    return ncc_const(g, v->name, DT_F32, s, (const float *)v->data + (size_t)begin * each);
}

/* Node k on channels begin .. begin + count - 1. */
static struct value *for_channels(struct graph *g, const struct node *k, struct value *x, int begin, int count)
{
    char suffix[32];
    snprintf(suffix, sizeof suffix, "c%d", begin);
    struct value *in[3] = {x};
    struct conv2d_attrs conv;
    const void *attrs = k->attrs;
    int n_in = 1;
    if (k->op == OP_conv2d) {
        conv = *(const struct conv2d_attrs *)k->attrs;
        conv.groups = conv.groups > 1 ? count : 1;
        attrs = &conv;
        in[1] = rows_of(g, k->in[1], begin, count);
        in[2] = k->n_in > 2 ? rows_of(g, k->in[2], begin, count) : NULL;
        n_in = 3;
    }
    struct node *n = ncc_node_new(g, k->op, ncc_name(g, k->name, suffix), attrs, in, n_in);
    n->origin = k->origin ? k->origin : k->name;
    n->out[0]->range = k->out[0]->range;
    return n->out[0];
}

void ncc_bands_cut_channels(struct graph *g, const struct channel_run *r, int n)
{
    const int c = r->first->out[0]->shape.dim[1], each = per_range(r, n), n_ranges = (c + each - 1) / each;
    struct value **part = NCC_NEW(g->arena, struct value *, n_ranges);
    const struct concat_attrs channels = {1};
    g->cursor = r->last->next;
    for (int i = 0; i < n_ranges; i++) {
        const int begin = i * each, count = c - begin < each ? c - begin : each;
        part[i] = for_channels(g, r->first, r->first->in[0], begin, count);
        for (const struct node *k = r->first; k != r->last;) {
            k = ncc_value_only_use(g, k->out[0]);
            part[i] = for_channels(g, k, part[i], begin, count);
        }
    }
    struct value *all = ncc_op(g, OP_concat, ncc_name(g, r->last->name, "ranges"), &channels, part, n_ranges);
    all->range = r->last->out[0]->range;
    ncc_value_replace(g, r->last->out[0], all);
    g->cursor = NULL;
    ncc_graph_sweep(g);
}

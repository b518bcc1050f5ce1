/* known_ranges: what a quantised model says of its values becomes their known range, and the rounding goes away.
 *
 *     y = fake_quant(x)      ->      y = clip(x), and y->range is what the codes reach
 *
 * A quantised range is also a clamp, so the clip is there wherever x could go further than the codes: after this
 * pass the graph computes what the model computes but for its roundings. There is none where x stays inside by itself,
 * which the pass follows through the graph, nor behind an input, whose bytes cannot mean more. A dynamic_quant, whose
 * codes fit whatever comes, just goes.
 */
#include "compiler/pass/lost_scales.h"
#include "compiler/pass/match.h"
#include "compiler/pass/passes.h"

#include <math.h>

struct bounds {
    float lo, hi;
};

static const struct bounds anything = {-INFINITY, INFINITY};

static struct bounds join(struct bounds a, struct bounds b)
{
    return (struct bounds){fminf(a.lo, b.lo), fmaxf(a.hi, b.hi)};
}

static bool is_inside(struct bounds a, struct bounds b, float slack)
{
    return a.lo >= b.lo - slack && a.hi <= b.hi + slack;
}

/* ---- what a fake_quant reaches ---- */

static struct bounds reach(const struct node *fq, float *scale)
{
    const struct fake_quant_attrs *a = fq->attrs;
    const float *s = ncc_match_floats(fq->in[1]);
    const float *z = fq->n_in > 2 && fq->in[2] ? ncc_match_floats(fq->in[2]) : NULL;
    struct bounds b = {INFINITY, -INFINITY};
    *scale = 0;
    for (int64_t i = 0; i < ncc_shape_count(fq->in[1]->shape); i++) {
        const float zero = z ? z[i] : 0;
        b = join(b, (struct bounds){((float)a->qmin - zero) * s[i], ((float)a->qmax - zero) * s[i]});
        *scale = fmaxf(*scale, s[i]);
    }
    return b;
}

static bool is_constant(const struct node *fq)
{
    return ncc_match_floats(fq->in[1]) && (fq->n_in < 3 || !fq->in[2] || ncc_match_floats(fq->in[2]));
}

/* ---- between what a node's results lie ---- */

static struct bounds of_value(const struct bounds *of, const struct value *v)
{
    const float *x = ncc_match_floats(v);
    if (!x)
        return v->range.known ? (struct bounds){v->range.lo, v->range.hi} : of[v->id];
    struct bounds b = {x[0], x[0]};
    for (int64_t i = 1, n = ncc_shape_count(v->shape); i < n; i++)
        b = join(b, (struct bounds){x[i], x[i]});
    return b;
}

static struct bounds of_all_inputs(const struct node *n, const struct bounds *of)
{
    struct bounds b = {INFINITY, -INFINITY};
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i] && n->in[i]->dtype == DT_F32)
            b = join(b, of_value(of, n->in[i]));
    return b;
}

static struct bounds of_node(const struct node *n, const struct bounds *of)
{
    const struct op_desc *desc = ncc_op_desc(n->op);
    const struct bounds x = of_all_inputs(n, of);
    switch ((int)n->op) {
    case OP_abs:
    case OP_square:
        return (struct bounds){0, INFINITY};
    case OP_softmax:
        return (struct bounds){0, 1};
    case OP_pad:
        return join(x, (struct bounds){((const struct pad_attrs *)n->attrs)->value,
                                       ((const struct pad_attrs *)n->attrs)->value});
    case OP_concat:
        return x;
    case OP_avg_pool:
        return join(x, (struct bounds){0, 0});
    case OP_reduce: {
        const int kind = ((const struct reduce_attrs *)n->attrs)->kind;
        return kind == REDUCE_SUM || kind == REDUCE_PROD ? anything : x;
    }
    default:
        break;
    }
    if (desc->flags & OP_SAME_QUANT)
        return x;
    if ((desc->flags & OP_UNARY) && (desc->flags & OP_MONOTONE)) {
        const struct bounds b = {desc->scalar(n->attrs, x.lo), desc->scalar(n->attrs, x.hi)};
        return b.lo <= b.hi ? b : anything; /* NaN: beyond what the function takes */
    }
    return anything;
}

/* ---- the rewrite ---- */

static struct value *clipped(struct graph *g, const struct node *fq, struct bounds b)
{
    const struct clip_attrs a = {b.lo, b.hi};
    struct value *v = NCC_OP(g, OP_clip, fq->name, &a, fq->in[0]);
    v->name = fq->out[0]->name;
    v->def->origin = fq->origin;
    return v;
}

/* A node whose result has its first input's elements and no others. */
static bool only_moves(const struct node *n)
{
    return ncc_op_desc(n->op)->flags & OP_SAME_QUANT && n->n_out == 1 && n->in[0] && n->op != OP_concat;
}

/* Is v an input of the graph, moved perhaps, whose bytes mean no more than b? */
static bool is_given(const struct value *v, struct bounds b)
{
    while (v->def && only_moves(v->def))
        v = v->def->in[0];
    return !v->def && v->range.known && is_inside((struct bounds){v->range.lo, v->range.hi}, b, 0);
}

static void replace(struct graph *g, struct node *fq, const struct bounds *of)
{
    float scale;
    struct value *x = fq->in[0];
    const struct bounds b = reach(fq, &scale), had = of_value(of, x);
    /* What a clip would cut off within one code of the end is not worth a node: the code takes it in. */
    const bool needed = !is_inside(had, b, scale) && !is_given(x, b);
    if (needed)
        x = clipped(g, fq, b);
    if (!x->range.known)
        x->range = (struct range){true, b.lo, b.hi};
    ncc_value_replace(g, fq->out[0], x);
}

/* From here on constants are real numbers, whatever they were made of. */
static void forget_codes(const struct node *n)
{
    for (int i = 0; i < n->n_in; i++)
        if (ncc_is_const(n->in[i]) && n->in[i]->dtype == DT_F32)
            n->in[i]->quant = (struct quant){0};
}

bool ncc_pass_known_ranges(struct graph *g, struct arena *scratch)
{
    struct lost_scales lost = {0};
    ncc_pass_known_inputs(g);
    struct bounds *of = NCC_NEW(scratch, struct bounds, g->next_id); /* of clips: their known range */
    for (int i = 0, n_ids = g->next_id; i < n_ids; i++)
        of[i] = anything;
    for (struct node *n = g->first, *next; n; n = next) {
        next = n->next;
        g->cursor = n;
        forget_codes(n);
        if (n->op == OP_fake_quant && is_constant(n)) {
            ncc_lost_scales_look(&lost, g, n);
            replace(g, n, of);
        } else if (n->op == OP_dynamic_quant) {
            ncc_value_replace(g, n->out[0], n->in[0]);
        } else {
            for (int k = 0; k < n->n_out; k++)
                of[n->out[k]->id] = of_node(n, of);
        }
    }
    g->cursor = NULL;
    ncc_lost_scales_tell(&lost, g);
    ncc_graph_sweep(g);
    return true;
}

/* Do all that read v, or what moves of it, take the same codes? Joins them into r. */
static bool read_as_codes(const struct value *v, struct range *r)
{
    for (const struct use *u = v->uses; u; u = u->next) {
        float scale;
        if (u->index == 0 && only_moves(u->node)) {
            if (!read_as_codes(u->node->out[0], r))
                return false;
            continue;
        }
        if (u->node->op != OP_fake_quant || u->index != 0 || !is_constant(u->node))
            return false;
        const struct bounds b = reach(u->node, &scale);
        if (r->known && (r->lo != b.lo || r->hi != b.hi))
            return false;
        *r = (struct range){true, b.lo, b.hi};
    }
    return true;
}

void ncc_pass_known_inputs(struct graph *g)
{
    for (int i = 0; i < g->inputs.n; i++) {
        struct range r = {0};
        if (read_as_codes(g->inputs.v[i], &r) && r.known)
            g->inputs.v[i]->range = r;
    }
}

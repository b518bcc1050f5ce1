/* Element-wise nodes that write over an input: it shares the output's bytes. */
#include "compiler/plan/value_sets.h"

#include "compiler/ops/attrs.h"

/* Fills birth, death and n_reads of all sets. */
static void find_lives(const struct graph *g, struct sets *s)
{
    int64_t at;
    int step = 0;
    for (const struct node *n = g->first; n; n = n->next, step++) {
        const bool view = ncc_sets_is_view(s, n);
        for (int i = 0; i < n->n_in; i++) {
            if (!n->in[i])
                continue;
            struct set *t = &s->set[ncc_sets_find(s, n->in[i]->id, &at)];
            t->death = step;
            t->n_reads += !view;
        }
        for (int i = 0; i < n->n_out; i++) {
            struct set *t = &s->set[ncc_sets_find(s, n->out[i]->id, &at)];
            t->birth = t->birth < step ? t->birth : step;
            t->death = step;
        }
    }
}

/* Each element is read before it is written. So it is in a softmax over the last axis: rows are done one by one, and
 * the largest element of a row is found before any is written. */
static bool reads_first(const struct node *n)
{
    if (n->op == OP_softmax)
        return ((const struct softmax_attrs *)n->attrs)->axis == n->in[0]->shape.rank - 1;
    return (ncc_op_desc(n->op)->flags & (OP_UNARY | OP_BINARY)) || n->op == OP_q_binary || n->op == OP_lookup;
}

/* Element i of the output may lie where element i of this input lies. */
static bool same_elements(const struct value *x, const struct value *y)
{
    return x && !ncc_is_const(x) && x->mem == MEM_MAIN && y->mem == MEM_MAIN && ncc_shape_equal(x->shape, y->shape) &&
           ncc_dtype_size(x->dtype) == ncc_dtype_size(y->dtype);
}

static bool fills_its_set(const struct sets *s, const struct value *v, int *root)
{
    int64_t at;
    *root = ncc_sets_find(s, v->id, &at);
    return s->set[*root].lo == at && s->set[*root].hi == at + ncc_plan_value_size(v);
}

static int count_reads(const struct sets *s, const struct node *n, int root)
{
    int64_t at;
    int count = 0;
    for (int i = 0; i < n->n_in; i++)
        count += n->in[i] && ncc_sets_find(s, n->in[i]->id, &at) == root;
    return count;
}

/* Conversions go through their elements from the first to the last. Codes at the end of the floats that they become are
 * read before they are overwritten, and floats at the place of their codes:
 *
 *     codes             . . . . . . . . . 0 1 2        floats   0000 1111 2222
 *     floats            0000 1111 2222                 codes    0 1 2
 */
static bool is_conversion(const struct node *n)
{
    return (n->op == OP_dequantize && n->in[0]->dtype == DT_U8) || n->op == OP_quantize;
}

/* Nothing else is written where v lies. */
static bool is_alone(const struct sets *s, const struct value *v, int *root)
{
    int64_t at, other;
    *root = ncc_sets_find(s, v->id, &at);
    const int64_t end = at + ncc_plan_value_size(v);
    for (int i = s->set[*root].first_written; i >= 0; i = s->member[i].next_written) {
        ncc_sets_find(s, i, &other);
        if (s->member[i].value != v && other < end && at < other + ncc_plan_value_size(s->member[i].value))
            return false;
    }
    return true;
}

static void convert_in_place(struct sets *s, const struct node *n, int step)
{
    const struct value *in = n->in[0], *out = n->out[0];
    int x, y;
    if (ncc_is_const(in) || in->mem != MEM_MAIN || out->mem != MEM_MAIN || !fills_its_set(s, in, &x) ||
        !(n->op == OP_quantize ? fills_its_set(s, out, &y) : is_alone(s, out, &y)))
        return;
    const struct set *t = &s->set[x];
    if (x == y || t->constant || t->input || t->output || t->death != step)
        return;
    int64_t at_x, at_y;
    ncc_sets_find(s, in->id, &at_x);
    ncc_sets_find(s, out->id, &at_y);
    const int64_t behind = n->op == OP_quantize ? 0 : ncc_plan_value_size(out) - ncc_plan_value_size(in);
    if ((at_y - s->set[y].lo + behind) % 8 == 0)
        ncc_sets_unite(s, x, y, at_x - behind - at_y);
}

static void write_in_place(struct sets *s, const struct node *n, int step, enum in_place mode)
{
    int x, y;
    if (is_conversion(n) && mode == IN_PLACE_CONVERSIONS)
        convert_in_place(s, n, step);
    if (!reads_first(n))
        return;
    for (int i = 0; i < n->n_in && i < 2; i++) {
        if (!same_elements(n->in[i], n->out[0]) || !fills_its_set(s, n->in[i], &x) ||
            !fills_its_set(s, n->out[0], &y))
            continue;
        struct set *t = &s->set[x];
        if (x == y || t->constant || t->input || t->output)
            continue;
        const int reads = count_reads(s, n, x);
        if (mode == IN_PLACE_ANY_ORDER ? t->n_reads != reads : t->death != step || s->set[y].birth != step)
            continue;
        t->n_reads -= reads;
        int64_t at_x, at_y;
        ncc_sets_find(s, n->in[i]->id, &at_x);
        ncc_sets_find(s, n->out[0]->id, &at_y);
        ncc_sets_unite(s, x, y, at_x - at_y);
        return;
    }
}

void ncc_sets_write_in_place(struct sets *s, const struct graph *g, enum in_place mode)
{
    int step = 0;
    if (mode == IN_PLACE_NEVER)
        return;
    find_lives(g, s);
    for (const struct node *n = g->first; n; n = n->next, step++)
        write_in_place(s, n, step, mode);
}

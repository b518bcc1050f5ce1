/* max and min of two maps, exact in codes when both have the same:
 *
 *     d = relu(b - a)     max = a + d            one layer over a and b, one over a and d, in blocks of channels
 *     d = relu(a - b)     min = a - d
 *
 * The codes of d are differences: the same scale, zero point 0. */
#include "compiler/k210/lower.h"
#include "compiler/ops/kpu_moves.h"
#include "kpu/layout.h"

#include <stdio.h>

struct extremum {
    const struct node *n;
    struct value *x[2];
    const char *origin;
};

/* Weights [count][2 blocks] that take `first` of a channel's first and `second` of its second. */
static float *pair_weights(struct lowering *l, int count, int group, float first, float second, int *in_c)
{
    const int slots = (count + group - 1) / group * group;
    *in_c = slots + count;
    float *w = NCC_NEW(l->g->arena, float, (size_t)count * (size_t)*in_c);
    for (int c = 0; c < count; c++) {
        w[(size_t)c * (size_t)*in_c + (size_t)c] = first;
        w[(size_t)c * (size_t)*in_c + (size_t)(slots + c)] = second;
    }
    return w;
}

static struct value *of_pair(struct lowering *l, const struct extremum *e, const char *name, struct value *a,
                             struct value *b, float first, float second, bool rectified, const char **why)
{
    const int group = ncc_kpu_layout_of(a->shape.dim[3]).group, count = a->shape.dim[1];
    const struct fused none = {.origin = e->origin};
    int in_c;
    float *w = pair_weights(l, count, group, first, second, &in_c);
    if (in_c > NCC_KPU_MAX_C) {
        *why = "the operands have more than 1024 channels together";
        return NULL;
    }
    struct value *both = ncc_lower_beside(l, (struct value *[]){a, b}, 2, ncc_name(l->g, name, "pair"));
    struct conv_job j = ncc_lower_identity_job(e->n, both, &none);
    j.name = name;
    j.out_c = count;
    j.w = w;
    j.copy = true;
    if (rectified)
        j.act = (struct act_chain){1, {{OP_relu, NULL}}};
    return ncc_lower_conv_as_is(l, &j, why);
}

static struct value *block_of(struct lowering *l, const struct extremum *e, int begin, int count, const char **why)
{
    const float sign = e->n->op == OP_maximum ? 1.0f : -1.0f;
    char suffix[32];
    snprintf(suffix, sizeof suffix, "c%d", begin);
    const char *name = ncc_name(l->g, e->n->name, suffix);
    struct value *a = ncc_lower_channels(l, e->x[0], begin, count), *b = ncc_lower_channels(l, e->x[1], begin, count);
    struct value *d = of_pair(l, e, ncc_name(l->g, name, "more"), a, b, -sign, sign, true, why);
    return d ? of_pair(l, e, name, a, d, 1, sign, false, why) : NULL;
}

static struct value *in_blocks(struct lowering *l, const void *extremum, int block, const char **why)
{
    const struct extremum *e = extremum;
    const int c = e->x[0]->shape.dim[1], n = (c + block - 1) / block;
    struct value **y = NCC_NEW(l->g->arena, struct value *, n);
    for (int i = 0; i < n; i++) {
        const int begin = i * block;
        if (!(y[i] = block_of(l, e, begin, c - begin < block ? c - begin : block, why)))
            return NULL;
    }
    return ncc_lower_beside(l, y, n, ncc_name(l->g, e->n->name, "blocks"));
}

/* Does the canvas show what comes from outside? Its codes may be given, and need not reach as far as the other's. */
static bool comes_from_outside(const struct value *x)
{
    if (!x->def || x->def->op == OP_kpu_upload)
        return true;
    const int n = !ncc_kpu_moves(x->def) ? 0 : x->def->op == OP_kpu_conv ? 1 : x->def->n_in;
    bool some = false;
    for (int i = 0; i < n && !some; i++)
        some = comes_from_outside(x->def->in[i]);
    return some;
}

bool ncc_lower_op_extremum(struct lowering *l, struct node *n, const char **why)
{
    enum { LEAST = 16, MAX_WAYS = 8 };
    struct extremum e = {.n = n, .origin = n->origin ? n->origin : n->name};
    if (!ncc_lower_equal_canvases(l, n->in, 2, e.x)) {
        *why = "the operands do not fit the KPU";
        return false;
    }
    for (int i = 0; i < 2; i++)
        if (comes_from_outside(e.x[i]) && !(e.x[i] = ncc_lower_own_codes(l, n, e.x[i], why)))
            return false;
    struct lower_way ways[MAX_WAYS];
    int n_ways = 0;
    for (int block = LEAST; block < e.x[0]->shape.dim[1] && n_ways + 1 < MAX_WAYS; block *= 2)
        ways[n_ways++] = (struct lower_way){in_blocks, block};
    ways[n_ways++] = (struct lower_way){in_blocks, e.x[0]->shape.dim[1]};
    struct value *y = ncc_lower_cheapest(l, ways, n_ways, &e, why);
    const struct fused f = {.end = n->out[0], .origin = n->origin};
    if (y)
        ncc_lower_fused(l, n, &f, y);
    return y != NULL;
}

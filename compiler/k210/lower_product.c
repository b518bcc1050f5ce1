/* The product of two maps, by squares:
 *
 *     a b = ((p a + q b)^2 - (p a - q b)^2) / (4 p q)
 *
 * One 1x1 layer over both maps makes sum and difference of each channel and squares them in its table; a second takes
 * the difference of the squares. p and q bring both operands to the same size: with r = p |a| / (q |b|), the codes of the
 * squares are (1 + r)^2 / (4 r) times as coarse as those of the product - 1 for r = 1, 1.6 for 4 or 1/4.
 */
#include "compiler/k210/lower.h"
#include "kpu/layout.h"

#include <math.h>

/* How large the values are, where the operator that made them tells; else what activations usually reach. */
#define USUAL_SIZE 4.0

static double size_of(const struct value *v)
{
    if (v->range.known)
        return fmax(fabs((double)v->range.lo), fabs((double)v->range.hi));
    const struct node *n = v->def;
    if (n && (n->op == OP_sigmoid || n->op == OP_tanh))
        return 1;
    if (n && n->op == OP_clip) {
        const struct clip_attrs *a = n->attrs;
        const double most = fmax(fabs((double)a->min), fabs((double)a->max));
        return isfinite(most) ? most : USUAL_SIZE;
    }
    /* What only moves elements keeps their size. */
    return n && n->op != OP_pad && ncc_op_desc(n->op)->flags & OP_SAME_QUANT ? size_of(n->in[0]) : USUAL_SIZE;
}

static struct conv_job pointwise(const struct node *n, struct value *x, int out_c, const float *w)
{
    struct conv_job j = ncc_lower_pointwise_job(n->name, n->origin ? n->origin : n->name, x, out_c);
    j.w = w;
    return j;
}

/* squares[c] = (p a + q b)^2, squares[C + c] = (p a - q b)^2 */
static struct value *squares(struct lowering *l, const struct node *n, struct value *const *x, double p, double q,
                             const char **why)
{
    const int c = x[0]->shape.dim[1], group = ncc_kpu_layout_of(x[0]->shape.dim[3]).group;
    const int step = (c + group - 1) / group * group, in_c = step + c;
    float *w = ncc_lower_weights(l, (size_t)(2 * c) * (size_t)in_c);
    for (int o = 0; o < 2 * c; o++) {
        w[(size_t)o * (size_t)in_c + (size_t)(o % c)] = (float)p;
        w[(size_t)o * (size_t)in_c + (size_t)(step + o % c)] = (float)(o < c ? q : -q);
    }
    struct value *both = ncc_lower_beside(l, x, 2, ncc_name(l->g, n->name, "factors"));
    struct conv_job j = pointwise(n, both, 2 * c, w);
    j.name = ncc_name(l->g, n->name, "squares");
    j.act = (struct act_chain){1, {{OP_square, NULL}}};
    return ncc_lower_conv(l, &j, why);
}

static struct value *product_of(struct lowering *l, const struct node *n, struct value *const *x, double p, double q,
                                const struct fused *f, const char **why)
{
    const int c = x[0]->shape.dim[1];
    struct value *s = squares(l, n, x, p, q, why);
    if (!s)
        return NULL;
    float *w = ncc_lower_weights(l, (size_t)c *(size_t)(2 * c));
    for (int o = 0; o < c; o++) {
        w[(size_t)o * (size_t)(2 * c) + (size_t)o] = (float)(1 / (4 * p * q));
        w[(size_t)o * (size_t)(2 * c) + (size_t)(c + o)] = (float)(-1 / (4 * p * q));
    }
    struct conv_job j = pointwise(n, s, c, w);
    j.origin = f->origin;
    j.act = f->act;
    if (f->pool)
        ncc_lower_ride(f->pool, &j);
    return ncc_lower_after_ride(l, f->pool, ncc_lower_conv(l, &j, why), why);
}

bool ncc_lower_op_product(struct lowering *l, struct node *n, const char **why)
{
    enum { BLOCK = NCC_KPU_MAX_C / 2 };
    struct value *x[2];
    if (!ncc_lower_equal_canvases(l, n->in, 2, x)) {
        *why = "the operands do not fit the KPU";
        return false;
    }
    const struct fused f = ncc_lower_fuse(l, n, true);
    const int c = x[0]->shape.dim[1], n_blocks = (c + BLOCK - 1) / BLOCK;
    struct value **y = NCC_NEW(l->g->arena, struct value *, n_blocks);
    for (int b = 0; b < n_blocks; b++) {
        const int count = b + 1 < n_blocks ? BLOCK : c - b * BLOCK;
        struct value *part[2];
        for (int i = 0; i < 2; i++)
            part[i] = ncc_lower_channels(l, x[i], b * BLOCK, count);
        if (!(y[b] = product_of(l, n, part, 1 / size_of(n->in[0]), 1 / size_of(n->in[1]), &f, why)))
            return false;
    }
    ncc_lower_fused(l, n, &f, ncc_lower_beside(l, y, n_blocks, ncc_name(l->g, n->name, "blocks")));
    return true;
}

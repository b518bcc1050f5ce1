/* The product of two maps, by squares:
 *
 *     a b = ((p a + q b)^2 - (p a - q b)^2) / (4 p q)
 *
 * One 1x1 layer over both maps makes sum and difference of each channel and squares them in its table; a second takes
 * the difference of the squares. p and q bring both operands to the same size, channel by channel: with r = p |a| / (q
 * |b|), the codes of the squares are (1 + r)^2 / (4 r) times as coarse as those of the largest product - 1 for r =
 * 1, 1.6 for 4 or 1/4.
 *
 * Where one of them has one sign, or hardly varies, as gates do, the squares are taken of what it is beyond the middle
 * m of its channel, which is smaller, and the second layer reads three maps:
 *
 *     a b = a (b - m) + m a
 */
#include "compiler/k210/lower.h"
#include "kpu/layout.h"

#include <math.h>

/* ---- how large operands are ---- */

/* What activations usually reach. */
#define USUAL_SIZE 4.0f

/* Through what moves pixels, but no channels: a gate that is spread over a map is laid side by side with itself. */
static const struct value *moved_from(const struct value *v)
{
    const struct node *n = v->def;
    if (!n)
        return NULL;
    bool moves = n->op == OP_reshape || n->op == OP_resize ||
                 (n->op == OP_slice && n->in[0]->shape.dim[1] == v->shape.dim[1]) ||
                 (n->op == OP_concat && v->shape.rank == 2);
    for (int i = 1; i < n->n_in && n->op == OP_concat; i++)
        moves = moves && n->in[i] == n->in[0];
    return moves ? n->in[0] : NULL;
}

/* As far as the operator that made them tells. */
static struct swing extent_of(const struct value *v)
{
    const struct swing usual = {-USUAL_SIZE, USUAL_SIZE};
    if (v->range.known)
        return (struct swing){v->range.lo, v->range.hi};
    const struct node *n = v->def;
    if (!n)
        return usual;
    const struct clip_attrs *clip = n->attrs;
    switch (n->op) {
    case OP_sigmoid:
        return (struct swing){0, 1};
    case OP_tanh:
        return (struct swing){-1, 1};
    case OP_relu:
        return (struct swing){0, USUAL_SIZE};
    case OP_clip:
        return isfinite(clip->min) && isfinite(clip->max) ? (struct swing){clip->min, clip->max} : usual;
    default:
        return moved_from(v) ? extent_of(moved_from(v)) : usual;
    }
}

/* The samples' extents of v's channels, or NULL. */
static const struct swing *seen_of(const struct value *v)
{
    const int n = v->shape.dim[1];
    while (v && !v->seen)
        v = moved_from(v);
    return v && v->shape.dim[1] == n ? v->seen : NULL;
}

/* An operand: the middles of its channels, and how far they go from there. */
struct factor {
    double *middle, *size;
};

/* Channels with less than this share of the largest are taken for as large: they may speak up one day. */
#define LEAST_SHARE (1.0 / 16)

static struct factor factor_of(const struct lowering *l, const struct value *v)
{
    const int n = v->shape.dim[1];
    const struct swing *seen = seen_of(v), any = extent_of(v);
    const struct factor f = {NCC_NEW(l->g->arena, double, n), NCC_NEW(l->g->arena, double, n)};
    double most = 0;
    for (int c = 0; c < n; c++) {
        struct swing e = seen ? seen[c] : any;
        if (!(isfinite(e.lo) && isfinite(e.hi)))
            e = any;
        f.middle[c] = ((double)e.lo + (double)e.hi) / 2;
        f.size[c] = ((double)e.hi - (double)e.lo) / 2;
        most = fmax(most, fabs(f.middle[c]) + f.size[c]);
    }
    for (int c = 0; c < n; c++)
        f.size[c] = fmax(f.size[c], most > 0 ? most * LEAST_SHARE : 1);
    return f;
}

/* Without the middle: all that the channels are. */
static void from_zero(const struct factor *f, int n)
{
    for (int c = 0; c < n; c++) {
        f->size[c] += fabs(f->middle[c]);
        f->middle[c] = 0;
    }
}

/* How large channels are beyond their middle, as a share of what they are. */
static double share_beyond(const struct factor *f, int n)
{
    double sum = 0;
    for (int c = 0; c < n; c++)
        sum += f->size[c] / (fabs(f->middle[c]) + f->size[c]) / n;
    return sum;
}

/* A third map is worth it from here on. */
#define WORTH_MIDDLE 0.8

/* One operand may keep its middle: it is the one that gains most. Which; -1: none. */
static int choose_middle(const struct factor f[2], int n)
{
    const double share[2] = {share_beyond(&f[0], n), share_beyond(&f[1], n)};
    const int side = share[0] < share[1] ? 0 : 1;
    from_zero(&f[1 - side], n);
    if (share[side] < WORTH_MIDDLE)
        return side;
    from_zero(&f[side], n);
    return -1;
}

/* ---- layers ---- */

static struct conv_job pointwise(const struct node *n, struct value *x, int out_c, const float *w)
{
    struct conv_job j = ncc_lower_pointwise_job(n->name, n->origin ? n->origin : n->name, x, out_c);
    j.w = w;
    return j;
}

struct product {
    const struct node *n;
    struct value *x[2];
    struct factor f[2]; /* of the channels of x */
    int side;           /* the operand with a middle; -1: none */
};

/* Slots are whole lines (kpu_concat). */
static int slots_of(const struct value *x)
{
    const int group = ncc_kpu_layout_of(x->shape.dim[3]).group;
    return (x->shape.dim[1] + group - 1) / group * group;
}

/* squares[c] = (p a + q b)^2, squares[C + c] = (p a - q b)^2; a and b beyond their middles */
static struct value *squares(struct lowering *l, const struct product *p, const char **why)
{
    const int c = p->x[0]->shape.dim[1], step = slots_of(p->x[0]), in_c = step + c;
    float *w = ncc_lower_weights(l, (size_t)(2 * c) * (size_t)in_c), *bias = NCC_NEW(l->g->arena, float, 2 * c);
    for (int o = 0; o < 2 * c; o++) {
        const double a = 1 / p->f[0].size[o % c], b = (o < c ? 1 : -1) / p->f[1].size[o % c];
        w[(size_t)o * (size_t)in_c + (size_t)(o % c)] = (float)a;
        w[(size_t)o * (size_t)in_c + (size_t)(step + o % c)] = (float)b;
        bias[o] = (float)-(a * p->f[0].middle[o % c] + b * p->f[1].middle[o % c]);
    }
    struct value *both = ncc_lower_beside(l, p->x, 2, ncc_name(l->g, p->n->name, "factors"));
    struct conv_job j = pointwise(p->n, both, 2 * c, w);
    j.name = ncc_name(l->g, p->n->name, "squares");
    j.bias = bias;
    j.act = (struct act_chain){1, {{OP_square, NULL}}};
    return ncc_lower_conv(l, &j, why);
}

static struct value *product_of(struct lowering *l, const struct product *p, const struct fused *f, const char **why)
{
    const int c = p->x[0]->shape.dim[1];
    struct value *in[2] = {squares(l, p, why), p->side < 0 ? NULL : p->x[1 - p->side]};
    if (!in[0])
        return NULL;
    const int step = slots_of(in[0]), in_c = in[1] ? step + c : 2 * c;
    float *w = ncc_lower_weights(l, (size_t)c * (size_t)in_c);
    for (int o = 0; o < c; o++) {
        float *row = w + (size_t)o * (size_t)in_c;
        row[o] = (float)(p->f[0].size[o] * p->f[1].size[o] / 4);
        row[c + o] = -row[o];
        if (in[1])
            row[step + o] = (float)p->f[p->side].middle[o];
    }
    struct value *x = in[1] ? ncc_lower_beside(l, in, 2, ncc_name(l->g, p->n->name, "parts")) : in[0];
    struct conv_job j = pointwise(p->n, x, c, w);
    j.origin = f->origin;
    j.act = f->act;
    if (f->pool)
        ncc_lower_ride(f->pool, &j);
    return ncc_lower_after_ride(l, f->pool, ncc_lower_conv(l, &j, why), why);
}

bool ncc_lower_op_product(struct lowering *l, struct node *n, const char **why)
{
    enum { BLOCK = NCC_KPU_MAX_C / 4 }; /* three maps, on whole lines */
    struct value *x[2];
    if (!ncc_lower_equal_canvases(l, n->in, 2, x)) {
        *why = "the operands do not fit the KPU";
        return false;
    }
    const struct fused f = ncc_lower_fuse(l, n, true);
    const int c = x[0]->shape.dim[1], n_blocks = (c + BLOCK - 1) / BLOCK;
    const struct factor all[2] = {factor_of(l, n->in[0]), factor_of(l, n->in[1])};
    struct product p = {.n = n, .side = choose_middle(all, c)};
    struct value **y = NCC_NEW(l->g->arena, struct value *, n_blocks);
    for (int b = 0; b < n_blocks; b++) {
        const int first = b * BLOCK, count = b + 1 < n_blocks ? BLOCK : c - first;
        for (int i = 0; i < 2; i++) {
            p.x[i] = ncc_lower_channels(l, x[i], first, count);
            p.f[i] = (struct factor){all[i].middle + first, all[i].size + first};
        }
        if (!(y[b] = product_of(l, &p, &f, why)))
            return false;
    }
    ncc_lower_fused(l, n, &f, ncc_lower_beside(l, y, n_blocks, ncc_name(l->g, n->name, "blocks")));
    return true;
}

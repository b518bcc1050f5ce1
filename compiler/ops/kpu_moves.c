#include "compiler/ops/kpu_moves.h"

#include "compiler/ops/attrs.h"
#include "compiler/ops/kpu_pool.h"
#include "kpu/layout.h"

bool ncc_kpu_moves(const struct node *n)
{
    return n->op == OP_kpu_concat || n->op == OP_kpu_slice || n->op == OP_kpu_recanvas || n->op == OP_kpu_view ||
           (n->op == OP_kpu_conv && ((const struct kpu_conv_attrs *)n->attrs)->copy);
}

/* The next weight of output channel c that is not zero, from number `i` on; -1: there is none. */
static int64_t next_weight(const struct node *copy, int c, int64_t i)
{
    const int *d = copy->in[1]->shape.dim;
    const int64_t n = (int64_t)d[1] * d[2] * d[3];
    const float *row = (const float *)copy->in[1]->data + c * n;
    while (i < n && row[i] == 0)
        i++;
    return i < n ? i : -1;
}

bool ncc_kpu_copies_nothing(const struct node *copy)
{
    for (int c = 0; c < copy->out[0]->shape.dim[1]; c++)
        if (next_weight(copy, c, 0) < 0)
            return true;
    return false;
}

static int within(int i, int n)
{
    return i < 0 ? 0 : i < n ? i : n - 1;
}

static struct kpu_pixel on_canvas(struct value *v, int c, int y, int x)
{
    const int *d = v->shape.dim;
    return (struct kpu_pixel){v, within(c, d[1]), within(y, d[2]), within(x, d[3])};
}

/* What a copy reads with that weight. */
static struct kpu_pixel read_with(const struct kpu_pixel *p, int64_t weight)
{
    const struct node *n = p->v->def;
    const struct kpu_conv_attrs *a = n->attrs;
    const struct kpu_pool *pool = &ncc_kpu_pools[a->pool];
    const int taps = a->kernel * a->kernel, tap = (int)(weight % taps), channel = (int)(weight / taps);
    return on_canvas(n->in[0], a->depthwise ? p->c : channel,
                     p->y * pool->stride + pool->row + tap / a->kernel - a->kernel / 2,
                     p->x * pool->stride + pool->column + tap % a->kernel - a->kernel / 2);
}

/* What a pixel comes from, the better ones last: nowhere; what two codes differ by, of which zero is code 0 whatever
 * the zero point of the two; a code. */
enum source { SOURCE_NONE, SOURCE_DIFFERENCE, SOURCE_CODE };

static enum source source_of(struct kpu_pixel p)
{
    while (p.v->def && ncc_kpu_moves(p.v->def)) {
        const struct kpu_conv_attrs *copy = p.v->def->op == OP_kpu_conv ? p.v->def->attrs : NULL;
        if (copy && copy->act.n > 0)
            return SOURCE_DIFFERENCE;
        if (!ncc_kpu_moved_from(&p))
            return SOURCE_NONE;
    }
    return SOURCE_CODE;
}

/* Of several, which a sum is made of, the first of the best: a code and a difference give a code. */
static bool behind_copy(struct kpu_pixel *p)
{
    const struct node *n = p->v->def;
    const int64_t first = next_weight(n, p->c, 0), second = first < 0 ? -1 : next_weight(n, p->c, first + 1);
    if (first < 0) {
        *p = on_canvas(n->in[0], 0, p->y, p->x);
        return false;
    }
    const struct kpu_pixel from = read_with(p, first), other = second >= 0 ? read_with(p, second) : from;
    const enum source source = second >= 0 ? source_of(from) : SOURCE_CODE;
    *p = source < SOURCE_CODE && source_of(other) > source ? other : from;
    return true;
}

/* Every part begins on a line. */
static int behind_concat(struct kpu_pixel *p, const struct node *n)
{
    const int group = ncc_kpu_layout_of(n->out[0]->shape.dim[3]).group;
    int input = 0, room = (n->in[0]->shape.dim[1] + group - 1) / group * group;
    while (input + 1 < n->n_in && p->c >= room) {
        p->c -= room;
        input++;
        room = (n->in[input]->shape.dim[1] + group - 1) / group * group;
    }
    return input;
}

static void behind_view(struct kpu_pixel *p, const struct node *n)
{
    const struct kpu_view_attrs *a = n->attrs;
    const int *from = n->in[0]->shape.dim, *to = n->out[0]->shape.dim;
    const int64_t at = ncc_kpu_address(p->c, p->y, p->x, to[2], to[3]) + (int64_t)a->line * NCC_KPU_LINE_SIZE;
    const struct ncc_kpu_element e = ncc_kpu_element_at(at, from[2], from[3]);
    p->c = e.c;
    p->y = e.y;
    p->x = e.x;
}

bool ncc_kpu_moved_from(struct kpu_pixel *p)
{
    const struct node *n = p->v->def;
    int input = 0;
    if (n->op == OP_kpu_conv)
        return behind_copy(p);
    if (n->op == OP_kpu_slice)
        p->c += ((const struct kpu_slice_attrs *)n->attrs)->begin;
    else if (n->op == OP_kpu_recanvas)
        p->y += ((const struct kpu_recanvas_attrs *)n->attrs)->skip;
    else if (n->op == OP_kpu_view)
        behind_view(p, n);
    else
        input = behind_concat(p, n);
    *p = on_canvas(n->in[input], p->c, p->y, p->x);
    return true;
}

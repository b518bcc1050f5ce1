/* Evaluation in plain loops, with junk wherever junk may be; and comparison. */
#include "tests/k210/net.h"

#include "compiler/ir/eval.h"
#include "compiler/ops/attrs.h"
#include "kpu/layout.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void net_feed(const struct value *v, int input, uint64_t seed, struct tensor *t)
{
    const int64_t n = ncc_shape_count(t->shape);
    seed += (uint64_t)input * 77;
    for (int64_t i = 0; i < n; i++) {
        const int code = net_int(&seed, 0, 255);
        if (t->dtype == DT_U8)
            ((uint8_t *)t->data)[i] = (uint8_t)code;
        else
            ((float *)t->data)[i] = v->quant.n_channels == 1
                                        ? (float)((code - v->quant.zero_point[0]) * v->quant.scale[0])
                                        : (float)(code - 128) / 64.0f;
    }
}

static bool feed_sample(void *ctx, int sample, int input, struct tensor *to)
{
    const struct net_feeding *f = ctx;
    net_feed(f->g->inputs.v[input], input, f->seed + (uint64_t)sample, to);
    return true;
}

struct samples net_samples(struct net_feeding *f, int n)
{
    return (struct samples){.feed = feed_sample, .ctx = f, .n = n};
}

/* Channels of a kpu_concat that no input gives. */
static bool is_unused(const struct value *v, int c)
{
    if (!v->def || v->def->op != OP_kpu_concat)
        return false;
    const int group = ncc_kpu_layout_of(v->shape.dim[3]).group;
    int at = 0;
    for (int i = 0; i < v->def->n_in; i++) {
        const int end = at + v->def->in[i]->shape.dim[1];
        if (c >= at && c < end)
            return false;
        at = (end + group - 1) / group * group;
    }
    return true;
}

static bool in_window(const struct window *w, int y, int x)
{
    return y >= w->top && y < w->top + w->h && x >= w->left && x < w->left + w->w;
}

/* May this element hold anything? Copies and views hold what they were made from, also outside of their windows; what a
 * layer or an upload leaves around its window, what a larger canvas adds, and slots between parts are nobody's. */
static bool is_anything(const struct value *v, int c, int y, int x)
{
    const struct node *n = v->def;
    if (n->op == OP_kpu_concat)
        return is_unused(v, c);
    if (n->op == OP_kpu_recanvas)
        return y + ((const struct kpu_recanvas_attrs *)n->attrs)->skip >= n->in[0]->shape.dim[2] ||
               x >= n->in[0]->shape.dim[3];
    if (n->op == OP_kpu_view) {
        const int line = ((const struct kpu_view_attrs *)n->attrs)->line, *in = n->in[0]->shape.dim, *out = v->shape.dim;
        const struct ncc_kpu_element e =
            ncc_kpu_element_at(ncc_kpu_address(c, y, x, out[2], out[3]) + line * NCC_KPU_LINE_SIZE, in[2], in[3]);
        return e.c >= in[1] || e.x >= in[3];
    }
    if (n->op == OP_kpu_slice || n->op == OP_kpu_stack ||
        (n->op == OP_kpu_conv && ((const struct kpu_conv_attrs *)n->attrs)->copy))
        return false;
    return v->window.outside == OUT_JUNK && !in_window(&v->window, y, x);
}

/* Large, of either sign, different everywhere. */
static void poison_value(struct tensor *t, const struct value *v)
{
    const int *d = v->shape.dim;
    uint64_t state = (uint64_t)v->id;
    float *data = t->data;
    for (int64_t i = 0; i < ncc_shape_count(v->shape); i++)
        if (is_anything(v, (int)(i / d[3] / d[2]), (int)(i / d[3] % d[2]), (int)(i % d[3])))
            data[i] = (float)net_int(&state, 500, 1000) * (net_int(&state, 0, 1) ? 1.0f : -1.0f);
}

static void take(struct tensor *t, const struct value *v, struct arena *a)
{
    *t = (struct tensor){v->dtype, v->shape, (void *)(uintptr_t)v->data};
    if (!v->data)
        t->data = ncc_arena_alloc(a, (size_t)ncc_shape_count(v->shape) + 1, ncc_dtype_size(v->dtype), 64);
}

struct tensor *net_evaluate_with(struct arena *a, const struct graph *g, uint64_t seed, net_hook *see, void *ctx)
{
    struct tensor *t = ncc_arena_alloc(a, (size_t)g->next_id, sizeof *t, 8);
    for (int i = 0; i < g->inputs.n; i++) {
        take(&t[g->inputs.v[i]->id], g->inputs.v[i], a);
        net_feed(g->inputs.v[i], i, seed, &t[g->inputs.v[i]->id]);
    }
    for (const struct node *n = g->first; n; n = n->next) {
        const struct tensor **in = ncc_arena_alloc(a, (size_t)n->n_in + 1, sizeof *in, 8);
        struct tensor **out = ncc_arena_alloc(a, (size_t)n->n_out + 1, sizeof *out, 8);
        for (int i = 0; i < n->n_in; i++) {
            if (n->in[i] && n->in[i]->data)
                take(&t[n->in[i]->id], n->in[i], a);
            in[i] = n->in[i] ? &t[n->in[i]->id] : NULL;
        }
        for (int i = 0; i < n->n_out; i++) {
            take(&t[n->out[i]->id], n->out[i], a);
            out[i] = &t[n->out[i]->id];
        }
        ncc_eval_node(n, in, out, EVAL_REFERENCE);
        for (int i = 0; i < n->n_out && see; i++)
            see(ctx, n->out[i], out[i]);
    }
    return t;
}

static void poison_canvas(void *unused, const struct value *v, struct tensor *t)
{
    (void)unused;
    if (v->mem == MEM_KPU && v->dtype == DT_F32)
        poison_value(t, v);
}

struct tensor *net_evaluate(struct arena *a, const struct graph *g, uint64_t seed, bool poison)
{
    return net_evaluate_with(a, g, seed, poison ? poison_canvas : NULL, NULL);
}

const char *net_broken_promise(const struct graph *g, const struct tensor *t)
{
    for (const struct node *n = g->first; n; n = n->next) {
        const struct value *v = n->out[0];
        const float *data = t[v->id].data;
        if (v->mem != MEM_KPU || v->window.outside != OUT_ZERO || v->dtype != DT_F32)
            continue;
        const int h = v->shape.dim[2], w = v->shape.dim[3];
        for (int64_t i = 0; i < ncc_shape_count(v->shape); i++)
            if (!in_window(&v->window, (int)(i / w % h), (int)(i % w)) && !is_unused(v, (int)(i / w / h)) &&
                data[i] != 0)
                return v->name;
    }
    return NULL;
}

/* ---- comparing ---- */

static double largest_of(const struct tensor *t)
{
    double largest = 0;
    for (int64_t i = 0; t->data && t->dtype == DT_F32 && i < ncc_shape_count(t->shape); i++)
        largest = fmax(largest, fabs((double)((const float *)t->data)[i]));
    return largest;
}

/* A few of the last bits of what the graph reads, and computes on the way: sums that nearly cancel out have that much
 * error. A product with a small gate is one in disguise: a difference of squares. */
static double last_bits(const struct graph *g, const struct tensor *t)
{
    double largest = 0;
    for (int i = 0; i < g->inputs.n; i++)
        largest = fmax(largest, largest_of(&t[g->inputs.v[i]->id]));
    for (const struct node *n = g->first; n; n = n->next)
        for (int i = 0; i < n->n_out; i++)
            largest = fmax(largest, largest_of(&t[n->out[i]->id]));
    return ldexp(largest, -22);
}

static bool same_floats(const struct tensor *x, const struct tensor *y, double tolerance, double slack,
                        const char *name, char *why)
{
    const float *p = x->data, *q = y->data;
    double worst = 0;
    const double largest = largest_of(x);
    int64_t where = 0;
    for (int64_t i = 0; i < ncc_shape_count(x->shape); i++) {
        const double d = fabs((double)p[i] - (double)q[i]);
        if (!(d <= worst)) {
            worst = d;
            where = i;
        }
    }
    snprintf(why, 200, "output %.40s, element %lld: %.8g and %.8g, largest %.8g", name, (long long)where,
             (double)p[where], (double)q[where], largest);
    return worst <= tolerance * largest + slack;
}

bool net_same(const struct graph *a, const struct tensor *x, const struct graph *b, const struct tensor *y,
              double tolerance, char *why)
{
    const double slack = last_bits(a, x);
    snprintf(why, 200, "number of outputs");
    if (a->outputs.n != b->outputs.n)
        return false;
    for (int i = 0; i < a->outputs.n; i++) {
        const struct graph_output *p = &a->outputs.v[i], *q = &b->outputs.v[i];
        snprintf(why, 200, "name or shape of output %d", i);
        if (strcmp(p->name, q->name) || !ncc_shape_equal(p->value->shape, q->value->shape) ||
            !same_floats(&x[p->value->id], &y[q->value->id], tolerance, slack, p->name, why))
            return false;
    }
    return true;
}

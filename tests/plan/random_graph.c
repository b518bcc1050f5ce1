#include "random_graph.h"

#include <stdio.h>
#include <string.h>

static const float zeros[512 * 512];

void case_open(struct graph_case *c)
{
    memset(c, 0, sizeof *c);
    if (setjmp(c->exit.env)) {
        fputs("out of memory\n", stderr);
        abort();
    }
    c->arena = ncc_arena_make(&c->exit);
    ncc_diag_init(&c->diags, &c->arena);
    c->g = ncc_graph_new(&c->arena, &c->diags, "case");
}

void case_close(struct graph_case *c)
{
    ncc_arena_release(&c->arena);
}

struct value *case_node(struct graph_case *c, enum op op, const void *attrs, struct value *const *in, int n_in)
{
    const char *name = ncc_arena_printf(&c->arena, "%s_%d", ncc_op_desc(op)->name, c->g->next_id);
    struct value *v = ncc_op(c->g, op, name, attrs, in, n_in);
    if (!v) {
        ncc_diag_print(&c->diags, stderr);
        abort();
    }
    return v;
}

struct value *case_input(struct graph_case *c, enum memory mem, int channels, int h, int w)
{
    struct value *v = ncc_graph_input(c->g, "input", DT_F32, ncc_shape_4(1, channels, h, w));
    v->mem = mem;
    if (mem == MEM_KPU)
        v->window = (struct window){.h = h, .w = w};
    return v;
}

static struct value *layer(struct graph_case *c, struct value *x, int channels, int pool)
{
    const int *d = x->shape.dim;
    const int scale = pool ? 2 : 1;
    const struct kpu_conv_attrs a = {.kernel = 1, .pool = pool, .h = d[2] / scale, .w = d[3] / scale};
    struct value *w = ncc_const(c->g, "w", DT_F32, ncc_shape_4(channels, d[1], 1, 1), zeros);
    return CASE_NODE(c, OP_kpu_conv, &a, x, w);
}

struct value *case_layer(struct graph_case *c, struct value *x, int channels)
{
    return layer(c, x, channels, 0);
}

struct value *case_pool_layer(struct graph_case *c, struct value *x, int channels)
{
    return layer(c, x, channels, 1);
}

struct value *case_quantize(struct graph_case *c, struct value *x)
{
    static const double scale[1] = {0.1}, zero[1] = {0};
    struct value *q = CASE_NODE(c, OP_quantize, NULL, x);
    q->quant = (struct quant){1, scale, zero};
    return q;
}

struct value *case_upload(struct graph_case *c, struct value *x)
{
    const struct kpu_upload_attrs a = {.h = x->shape.dim[2], .w = x->shape.dim[3]};
    return CASE_NODE(c, OP_kpu_upload, &a, x);
}

struct value *case_concat(struct graph_case *c, enum op op, struct value *const *in, int n_in)
{
    const struct concat_attrs a = {.axis = 1};
    return case_node(c, op, op == OP_concat ? &a : NULL, in, n_in);
}

struct value *case_reshape(struct graph_case *c, struct value *x, int channels, int h, int w)
{
    const struct reshape_attrs a = {.shape = {4, {1, channels, h, w}}};
    return CASE_NODE(c, OP_reshape, &a, x);
}

struct value *case_slice(struct graph_case *c, struct value *x, int begin, int count)
{
    const struct kpu_slice_attrs a = {begin, count};
    return CASE_NODE(c, OP_kpu_slice, &a, x);
}

struct value *case_recanvas(struct graph_case *c, struct value *x, int h, int w)
{
    const struct kpu_recanvas_attrs a = {.canvas_h = h, .canvas_w = w, .h = h, .w = w};
    return CASE_NODE(c, OP_kpu_recanvas, &a, x);
}

/* ---- random graphs ---- */

struct grower {
    struct graph_case *c;
    struct random *r;
    struct value *v[1024];
    bool part[1024]; /* lies in a concat, or shows something that may: not to be put into another */
    int n;
};

static struct value *keep(struct grower *w, struct value *v, bool part)
{
    w->part[w->n] = part;
    w->v[w->n++] = v;
    return v;
}

/* A value of this memory, mostly a recent one; -1: there is none. */
static int pick(struct grower *w, enum memory mem)
{
    for (int tries = 0; tries < 20; tries++) {
        const int back = 1 + random_int(w->r, random_chance(w->r, 70) && w->n > 5 ? 5 : w->n);
        if (w->v[w->n - back]->mem == mem)
            return w->n - back;
    }
    return -1;
}

static bool same_maps(const struct value *x, const struct value *y)
{
    return x->mem == y->mem && x->shape.rank == 4 && x->shape.dim[2] == y->shape.dim[2] &&
           x->shape.dim[3] == y->shape.dim[3] && x->window.h == y->window.h && x->window.w == y->window.w;
}

static void grow_concat(struct grower *w, int first)
{
    const bool kpu = w->v[first]->mem == MEM_KPU;
    struct value *in[3];
    int n = 0, channels = 0;
    for (int i = first; i >= 0 && n < 2 + random_int(w->r, 2); i--) {
        if (!same_maps(w->v[i], w->v[first]) || (kpu && w->part[i]) || random_chance(w->r, 20))
            continue;
        if ((channels += w->v[i]->shape.dim[1]) > 300)
            break;
        w->part[i] |= kpu;
        in[n++] = w->v[i];
    }
    if (n > 0)
        keep(w, case_concat(w->c, kpu ? OP_kpu_concat : OP_concat, in, n), false);
}

static void grow_kpu(struct grower *w)
{
    const int i = pick(w, MEM_KPU);
    if (i < 0)
        return;
    struct value *x = w->v[i];
    const int *d = x->shape.dim, what = random_int(w->r, 100), c = 1 + random_int(w->r, 40);
    if (what < 50) {
        keep(w, case_layer(w->c, x, c), false);
    } else if (what < 60 && d[2] % 2 == 0 && d[3] % 2 == 0 && d[3] > 4) {
        keep(w, case_pool_layer(w->c, x, c), false);
    } else if (what < 75) {
        grow_concat(w, i);
    } else if (what < 80 && d[1] > 8) {
        keep(w, case_slice(w->c, x, 4, 1 + random_int(w->r, d[1] - 4)), true);
    } else if (what < 85 && d[3] > 4 && d[3] % 16 != 1) {
        const bool part = w->part[i];
        w->part[i] = true; /* either of the two */
        keep(w, case_recanvas(w->c, x, d[2], d[3] - 1), part);
    } else {
        keep(w, CASE_NODE(w->c, OP_kpu_download, NULL, x), false);
    }
}

static void grow_main(struct grower *w)
{
    const int i = pick(w, MEM_MAIN);
    if (i < 0)
        return;
    struct value *x = w->v[i];
    const int *d = x->shape.dim, what = random_int(w->r, 100);
    if (what < 8) {
        keep(w, CASE_NODE(w->c, OP_dequantize, NULL, case_quantize(w->c, x)), false);
    } else if (what < 12) {
        const struct softmax_attrs last = {x->shape.rank - 1, 1};
        keep(w, CASE_NODE(w->c, OP_softmax, &last, x), false);
    } else if (what < 30) {
        keep(w, CASE_NODE(w->c, random_chance(w->r, 50) ? OP_relu : OP_sigmoid, NULL, x), false);
    } else if (what < 50) {
        for (int k = w->n - 1; k >= 0; k--) {
            if (w->v[k]->mem == MEM_MAIN && ncc_shape_equal(w->v[k]->shape, x->shape) && (k != i || k == 0)) {
                keep(w, CASE_NODE(w->c, OP_add, NULL, x, w->v[k]), false);
                return;
            }
        }
    } else if (what < 65) {
        grow_concat(w, i);
    } else if (what < 70) {
        keep(w, case_reshape(w->c, x, d[1] * d[2], 1, d[3]), false);
    } else if (what < 75) {
        const int row = random_int(w->r, d[2]);
        const struct slice_attrs s = {{4, {0, 0, row, 0}}, {4, {1, 1, d[2] - row, d[3]}}, {4, {1, 1, 1, 1}}};
        keep(w, CASE_NODE(w->c, OP_slice, &s, x), false);
    } else if (d[1] <= 64 && d[2] >= 4) {
        keep(w, case_upload(w->c, x), false);
    }
}

void case_random(struct graph_case *c, struct random *r, int n)
{
    struct grower w = {.c = c, .r = r};
    const int h = 4 * (1 + random_int(r, 6)), width = 4 * (1 + random_int(r, 20));
    const bool kpu = random_chance(r, 50);
    keep(&w, case_input(c, kpu ? MEM_KPU : MEM_MAIN, 3, h, width), false);
    if (!kpu)
        keep(&w, case_upload(c, w.v[0]), false);
    while (ncc_graph_n_nodes(c->g) < n && w.n < 1000) {
        if (random_chance(r, 70))
            grow_kpu(&w);
        else
            grow_main(&w);
    }
    for (int i = 1; i < w.n; i++) {
        if (!w.v[i]->uses)
            ncc_graph_output(c->g, w.v[i], "out");
    }
}

/* The two forms of a value, and the layers that only move data: shifts, copies. */
#include "compiler/k210/lower.h"
#include "kpu/layout.h"

#include <assert.h>
#include <stdio.h>

/* ---- main memory to KPU ---- */

/* A graph input that only the KPU reads is fed into KPU RAM by the runtime itself. */
static bool feeds_kpu_only(const struct lowering *l, const struct value *v)
{
    if (v->def || v->data || l->options->float_input || v->shape.rank != 4 || v->shape.dim[2] < NCC_KPU_MIN_H ||
        v->shape.dim[3] < NCC_KPU_MIN_W || !ncc_lower_fits(v->shape.dim[1], v->shape.dim[2], v->shape.dim[3]) ||
        ncc_value_is_output(l->g, v))
        return false;
    for (const struct use *u = v->uses; u; u = u->next)
        if (!u->node->on_kpu && !(ncc_op_desc(u->node->op)->flags & OP_KPU))
            return false;
    return true;
}

struct value *ncc_lower_canvas(struct lowering *l, struct value *v)
{
    assert(v->id < l->n_forms);
    const struct form *f = &l->forms[v->id];
    if (f->kpu)
        return f->kpu;
    struct value *x = v;
    const bool fed = !f->spread && feeds_kpu_only(l, v) && !ncc_lower_uploads_lines(l, v);
    if (f->spread) {
        x = ncc_lower_packed(l, v);
    } else if (fed) {
        v->mem = MEM_KPU;
        v->window = ncc_lower_full(v);
    } else {
        x = ncc_lower_upload(l, v, 0, 0);
    }
    if (!x)
        return NULL;
    struct form *set = ncc_lower_form_to_set(l, v);
    set->kpu = x;
    if (!fed && !set->spread)
        set->main = v;
    return x;
}

/* ---- KPU to main memory ---- */

static struct value *download(struct lowering *l, struct value *canvas, struct window w);

/* The parts of a concatenation come one by one: a download is always one layer's result. */
static struct value *download_parts(struct lowering *l, const struct node *concat, struct window w)
{
    struct value **part = NCC_NEW(l->g->arena, struct value *, concat->n_in);
    for (int i = 0; i < concat->n_in; i++)
        part[i] = download(l, concat->in[i], w);
    const struct concat_attrs a = {1};
    return ncc_op(l->g, OP_concat, ncc_name(l->g, concat->name, "download"), &a, part, concat->n_in);
}

/* Channels begin .. and the window of a packed canvas. */
static struct value *crop(struct lowering *l, struct value *m, int begin, int count, struct window w)
{
    const struct shape *s = &m->shape;
    if (begin == 0 && count == s->dim[1] && w.h == s->dim[2] && w.w == s->dim[3])
        return m;
    const struct slice_attrs a = {
        .begin = {4, {0, begin, w.top, w.left}}, .size = {4, {1, count, w.h, w.w}}, .stride = {4, {1, 1, 1, 1}}};
    return NCC_OP(l->g, OP_slice, ncc_name(l->g, m->name, "window"), &a, m);
}

/* A layer has one output in main memory. */
static struct value *downloaded(const struct value *canvas)
{
    for (const struct use *u = canvas->uses; u; u = u->next)
        if (u->node->op == OP_kpu_download)
            return u->node->out[0];
    return NULL;
}

/* Rows that were put together, group by group: better one layer more than many downloads. */
static bool is_stacked(const struct node *n)
{
    return n->op == OP_kpu_stack || (n->op == OP_kpu_concat && n->in[0]->def && n->in[0]->def->op == OP_kpu_stack);
}

/* The part of a concatenation that holds channels *begin .. + count - 1, which are then counted in it. NULL: none. */
static struct value *part_with(const struct node *concat, int *begin, int count)
{
    const int group = ncc_kpu_layout_of(concat->out[0]->shape.dim[3]).group;
    for (int i = 0, at = 0; i < concat->n_in; i++) {
        const int c = concat->in[i]->shape.dim[1];
        if (*begin >= at && *begin + count <= at + c) {
            *begin -= at;
            return concat->in[i];
        }
        at += (c + group - 1) / group * group;
    }
    return NULL;
}

/* The layer whose result these channels of a view are; they and the window are then counted in it. NULL:
 * there is none. */
static struct value *layer_shown(struct value *x, int *begin, int count, struct window *w)
{
    while (x && x->def && x->def->op != OP_kpu_conv) {
        const struct node *n = x->def;
        if (n->op == OP_kpu_slice) {
            *begin += ((const struct kpu_slice_attrs *)n->attrs)->begin;
            x = n->in[0];
        } else if (n->op == OP_kpu_recanvas) {
            w->top += ((const struct kpu_recanvas_attrs *)n->attrs)->skip;
            x = n->in[0];
        } else {
            x = n->op == OP_kpu_concat && !is_stacked(n) ? part_with(n, begin, count) : NULL;
        }
    }
    return x && x->def ? x : NULL;
}

/* A window of a canvas, packed in main memory. Views are taken from what they show. */
static struct value *download(struct lowering *l, struct value *canvas, struct window w)
{
    const struct node *def = canvas->def;
    if (def && def->op == OP_kpu_concat && !is_stacked(def))
        return download_parts(l, def, w);
    if (def && def->op == OP_kpu_recanvas) {
        w.top += ((const struct kpu_recanvas_attrs *)def->attrs)->skip;
        return download(l, def->in[0], w);
    }
    int begin = 0;
    const int count = canvas->shape.dim[1];
    const struct window before = w;
    struct value *layer = layer_shown(canvas, &begin, count, &w);
    if (!layer) { /* only layers can be downloaded */
        layer = ncc_lower_shift(l, canvas, 0, 0);
        begin = 0;
        w = before;
    }
    struct value *m = downloaded(layer);
    if (!m)
        m = NCC_OP(l->g, OP_kpu_download, ncc_name(l->g, layer->name, "download"), NULL, layer);
    return crop(l, m, begin, count, w);
}

struct value *ncc_lower_main(struct lowering *l, struct value *v)
{
    if (v->id >= l->n_forms || (!l->forms[v->id].kpu && !l->forms[v->id].spread))
        return v;
    const struct form *f = &l->forms[v->id];
    if (f->spread && !ncc_lower_as_counted(l, v))
        ncc_lower_canvas(l, v);
    struct value *canvas = f->kpu ? f->kpu : f->spread;
    if (f->main)
        return f->main;
    struct value *m = download(l, canvas, canvas->window);
    if (!ncc_shape_equal(m->shape, v->shape)) {
        struct reshape_attrs r = {{v->shape.rank, {0}}};
        for (int i = 0; i < v->shape.rank; i++)
            r.shape.v[i] = v->shape.dim[i];
        m = NCC_OP(l->g, OP_reshape, ncc_name(l->g, v->name, "shape"), &r, m);
    }
    return ncc_lower_form_to_set(l, v)->main = m;
}

struct value *ncc_lower_clean(struct lowering *l, struct value *v, int least_h, int least_w)
{
    const struct attempt a = ncc_lower_begin(l);
    struct value *x = ncc_lower_upload(l, ncc_lower_main(l, v), least_h, least_w);
    l->span->detour_us += ncc_lower_copied(l, &a);
    return x;
}

/* ---- layers that move codes unchanged ---- */

struct movement {
    int row, col; /* the pixel that is read */
    const char *suffix;
    struct kpu_conv_attrs attrs; /* window of the result, and the pad */
};

/* A depthwise layer with a single tap, which moves codes unchanged. */
static struct value *one_hot(struct lowering *l, struct value *x, const struct movement *m)
{
    const int c = x->shape.dim[1];
    const int shape[4] = {c, 1, 3, 3}, bias_shape[1] = {c};
    float *w = ncc_lower_weights(l, (size_t)c * 9);
    for (int i = 0; i < c; i++)
        w[i * 9 + (1 + m->row) * 3 + 1 + m->col] = 1;
    const char *name = ncc_name(l->g, x->name, m->suffix);
    struct kpu_conv_attrs a = m->attrs;
    a.kernel = 3;
    a.depthwise = true;
    a.copy = true;
    return NCC_OP(l->g, OP_kpu_conv, name, &a, x,
                  ncc_const(l->g, ncc_name(l->g, name, "w"), DT_F32, ncc_shape_make(4, shape), w),
                  ncc_const(l->g, ncc_name(l->g, name, "b"), DT_F32, ncc_shape_make(1, bias_shape),
                            NCC_NEW(l->g->arena, float, c)));
}

/* In as many layers as the channels need. */
static struct value *move_channels(struct lowering *l, struct value *x, const struct movement *m)
{
    const int c = x->shape.dim[1], n = (c + NCC_KPU_MAX_C - 1) / NCC_KPU_MAX_C;
    struct value **part = NCC_NEW(l->g->arena, struct value *, n);
    for (int i = 0; i < n; i++) {
        const int begin = i * NCC_KPU_MAX_C, left = c - begin;
        part[i] = one_hot(l, ncc_lower_channels(l, x, begin, left < NCC_KPU_MAX_C ? left : NCC_KPU_MAX_C), m);
    }
    return ncc_lower_beside(l, part, n, ncc_name(l->g, x->name, m->suffix));
}

struct value *ncc_lower_shift(struct lowering *l, struct value *x, int a, int b)
{
    char suffix[32] = "";
    if (!l->g->unnamed)
        snprintf(suffix, sizeof suffix, a || b ? "shift%+d%+d" : "copy", a, b);
    const struct window win = x->window; /* a shifted copy is read beside x, at the same pixels */
    const struct movement m = {
        a, b, suffix, {.top = win.top, .left = win.left, .h = win.h, .w = win.w, .outside = a || b ? OUT_JUNK : (int)win.outside}};
    return move_channels(l, x, &m);
}

struct value *ncc_lower_move(struct lowering *l, struct value *x, int a, int b, enum outside pad, bool all)
{
    char suffix[32] = "";
    if (!l->g->unnamed)
        snprintf(suffix, sizeof suffix, "move%+d%+d", a, b);
    const struct window win = x->window;
    const struct kpu_conv_attrs k = {.pad_lowest = pad == OUT_LOWEST,
                                     .top = win.top - a,
                                     .left = win.left - b,
                                     .h = win.h,
                                     .w = win.w,
                                     .outside = all ? (int)pad : OUT_JUNK};
    return move_channels(l, x, &(struct movement){a, b, suffix, k});
}

/* Does it lie beside something, itself or declared as another map? */
static bool is_placed(const struct value *x)
{
    for (const struct use *u = x->uses; u; u = u->next)
        if (u->node->op == OP_kpu_concat || (u->node->op == OP_kpu_view && is_placed(u->node->out[0])))
            return true;
    return false;
}

/* Another form of all that is in a canvas, which nobody else reads. */
static bool is_whole_view(const struct value *x)
{
    if (!x->def || x->def->op != OP_kpu_view || x->def->in[0]->uses->next)
        return false;
    const int *from = x->def->in[0]->shape.dim, *to = x->shape.dim;
    return ncc_kpu_lines(from[1], from[2], from[3]) == ncc_kpu_lines(to[1], to[2], to[3]);
}

/* May x itself become part of a concatenation? Only what a layer or an upload writes as a whole, once. */
static bool movable(const struct value *x)
{
    const struct node *n = is_whole_view(x) ? x->def->in[0]->def : x->def;
    return (!n || n->op == OP_kpu_conv || n->op == OP_kpu_upload) && !is_placed(x);
}

struct value *ncc_lower_placeable(struct lowering *l, struct value *x)
{
    return movable(x) ? x : ncc_lower_shift(l, x, 0, 0);
}

struct value *ncc_lower_beside(struct lowering *l, struct value *const *parts, int n, const char *name)
{
    if (n == 1)
        return parts[0];
    struct value **v = NCC_NEW(l->g->arena, struct value *, n);
    for (int i = 0; i < n; i++) {
        bool again = false;
        for (int j = 0; j < i; j++)
            again = again || parts[j] == parts[i];
        v[i] = again ? ncc_lower_shift(l, parts[i], 0, 0) : ncc_lower_placeable(l, parts[i]);
    }
    return ncc_op(l->g, OP_kpu_concat, name, NULL, v, n);
}
